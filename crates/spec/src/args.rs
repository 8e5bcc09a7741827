//! The arguments that a condition names: `tool.args.amount`, `tool.args['amount']`. Checking, renaming and going to the
//! definition read this one.

use aic_base::Span;

/// What a path to an argument begins with.
const ARGS: &str = "tool.args";

/// The names of arguments in a condition and where in its text they stand, those inside of its quotes left out.
pub(crate) fn named_args(text: &str) -> Vec<(&str, Span)> {
    let mut found = Vec::new();
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c == 't' && !of_word(before) && before != '.' => found.extend(one(text, at)),
            None => {}
        }
        before = c;
    }
    found
}

fn of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The argument that is named at this byte.
fn one(text: &str, at: usize) -> Option<(&str, Span)> {
    let rest = text.get(at..)?.strip_prefix(ARGS)?;
    let start = at + ARGS.len();
    if let Some(name) = rest.strip_prefix('.') {
        let len = name.find(|c: char| !of_word(c)).unwrap_or(name.len());
        // `tool.args.size()` asks for something of all of them.
        let called = name.get(len..)?.trim_start().starts_with('(');
        return (len > 0 && !called).then(|| (&name[..len], Span::new(start + 1, start + 1 + len)));
    }
    let quoted = rest.strip_prefix('[')?;
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let name = quoted.get(1..)?.split(quote).next()?;
    let closed = quoted.get(1 + name.len() + 1..)?.starts_with(']');
    (closed && !name.is_empty() && !name.contains('\\')).then(|| (name, Span::new(start + 2, start + 2 + name.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_in_both_forms_and_not_inside_of_quotes() {
        let text = "tool.args.amount > 100 && has(tool.args.to) && tool.args['é x'] == \"tool.args.no\" || tool.args[\"b\"] == 1";
        let found = named_args(text);
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["amount", "to", "é x", "b"]);
        assert!(found.iter().all(|(name, span)| span.of(text) == *name));
        for text in
            ["tool.args", "tool.args.size() > 2", "mytool.args.x", "a.tool.args.x", "tool.args[i]", "tool.args['", "t"]
        {
            assert!(named_args(text).is_empty(), "{text}");
        }
    }
}
