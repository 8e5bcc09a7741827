//! Applying fixes to a text.

use crate::Fix;
use aic_base::Span;
use std::collections::BTreeMap;

/// The text with these fixes applied. A fix that overlaps one that was applied is left out as a whole: its place is no longer
/// what it was made for.
pub fn apply<'f>(text: &str, fixes: impl IntoIterator<Item = &'f Fix>) -> String {
    apply_counted(text, fixes).0
}

/// As [`apply`], and how many were applied.
pub fn apply_counted<'f>(text: &str, fixes: impl IntoIterator<Item = &'f Fix>) -> (String, usize) {
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
}
