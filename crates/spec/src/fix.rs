//! Applying fixes to a text.

use crate::Fix;
use crate::cx::read;
use crate::files::file_kind;
use aic_base::{RelPath, Span};
use std::collections::BTreeMap;

/// The text with these fixes applied. A fix that overlaps one that was applied is left out as a whole: its place is no longer
/// what it was made for.
pub fn apply<'f>(text: &str, fixes: impl IntoIterator<Item = &'f Fix>) -> String {
    apply_counted(text, fixes).0
}

/// As [`apply`], for a file of the language, and how many were applied. What would leave the text less well formed than it
/// was is left out: a fix that breaks a file mends nothing.
pub fn apply_sound<'f>(path: &RelPath, text: &str, fixes: &[&'f Fix]) -> (String, usize) {
    if keeps_form(path, text, &apply(text, fixes.iter().copied())) {
        return apply_counted(text, fixes.iter().copied());
    }
    let mut kept: Vec<&'f Fix> = Vec::new();
    // Halves are tried until those are found that break it.
    let mut open: Vec<&[&'f Fix]> = vec![fixes];
    while let Some(part) = open.pop() {
        let with: Vec<&Fix> = kept.iter().chain(part).copied().collect();
        if keeps_form(path, text, &apply(text, with.iter().copied())) {
            kept = with;
        } else if part.len() > 1 {
            let (first, second) = part.split_at(part.len() / 2);
            open.extend([second, first]);
        }
    }
    apply_counted(text, kept)
}

/// Whether a changed text has no more errors of form than the text before the change. Prompts have no form.
pub fn keeps_form(path: &RelPath, before: &str, after: &str) -> bool {
    let errors = |text: &str| read(path, text).errors.len();
    file_kind(path.file_name()).is_none() || errors(after) <= errors(before)
}

/// As [`apply`], and how many were applied.
fn apply_counted<'f>(text: &str, fixes: impl IntoIterator<Item = &'f Fix>) -> (String, usize) {
    let mut taken: BTreeMap<Span, &str> = BTreeMap::new();
    let mut applied = 0;
    for fix in fixes {
        let free = |span: &Span| {
            let before = taken.range(..=*span).next_back();
            let after = taken.range(*span..).next();
            before.is_none_or(|(other, _)| other != span && other.end <= span.start)
                && after.is_none_or(|(other, _)| other.start >= span.end)
        };
        if fix.edits.iter().all(|(span, _)| text.get(span.range()).is_some() && free(span)) {
            taken.extend(fix.edits.iter().map(|(span, with)| (*span, with.as_str())));
            applied += 1;
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (span, with) in taken {
        let Some(between) = text.get(at..span.start as usize) else { continue };
        out.push_str(between);
        out.push_str(with);
        at = span.end as usize;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    (out, applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(edits: &[(usize, usize, &str)]) -> Fix {
        let edits = edits.iter().map(|(from, to, with)| (Span::new(*from, *to), (*with).to_owned())).collect();
        Fix { title: "x".into(), edits, safe: true }
    }

    #[test]
    fn fixes_apply_together_unless_they_overlap() {
        let all = [fix(&[(4, 5, "X")]), fix(&[(0, 1, "A"), (2, 2, "+")]), fix(&[(3, 6, "no")]), fix(&[(4, 5, "no")])];
        assert_eq!(apply_counted("abcdef", &all), ("Ab+cdXf".to_owned(), 2));
        assert_eq!(apply_counted("ä", &[fix(&[(1, 2, "x")])]), ("ä".to_owned(), 0));
    }

    #[test]
    fn a_fix_that_would_break_the_file_is_left_out_and_the_others_are_applied() {
        let text = "name = \"a\"\n[budget]\ntime = 90\nsteps = 5\n";
        let place = |word: &str| text.find(word).map_or((0, 0), |at| (at, at + word.len()));
        let ((a, b), (c, d)) = (place("90"), place("5"));
        let all = [fix(&[(a, b, "90s")]), fix(&[(c, d, "6")])];
        let path = RelPath::new("a.aicontainer.toml").unwrap();
        let (mended, count) = apply_sound(&path, text, &all.iter().collect::<Vec<_>>());
        assert_eq!((mended.as_str(), count), ("name = \"a\"\n[budget]\ntime = 90\nsteps = 6\n", 1));
    }
}
