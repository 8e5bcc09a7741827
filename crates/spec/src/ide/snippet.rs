//! What follows a key that is completed, with places to fill in: `$1`, `${1|one,other|}`, as the Language Server Protocol
//! has them.

use crate::schema::{Record, Shape, Word};

/// Lists of words longer than this are not offered as choices.
const MAX_CHOICES: usize = 16;

/// What follows the key, its colon included; none where there is nothing to fill in. `block` says that the value goes on
/// the lines below, which begin with `pad`.
pub(super) fn value(shape: &Shape, block: bool, pad: &str) -> Option<String> {
    if !block {
        return scalar(shape, 1).map(|text| format!(": {text}$0"));
    }
    let inside = format!("{pad}  ");
    Some(match shape {
        Shape::Record(record) if needs_some(record) => format!(":\n{}$0", needed(record, &inside, &inside, 1)),
        Shape::List(Shape::Record(record)) if needs_some(record) => {
            format!(":\n{}$0", needed(record, &format!("{inside}- "), &format!("{inside}  "), 1))
        }
        Shape::List(Shape::Either(shapes)) => match shapes.iter().find_map(record_of) {
            Some(record) if needs_some(record) => {
                format!(":\n{}$0", needed(record, &format!("{inside}- "), &format!("{inside}  "), 1))
            }
            _ => format!(":\n{inside}- $0"),
        },
        Shape::List(_) => format!(":\n{inside}- $0"),
        Shape::Named(Shape::Record(record)) if needs_some(record) => {
            let deeper = format!("{inside}  ");
            format!(":\n{inside}${{1:name}}:\n{}$0", needed(record, &deeper, &deeper, 2))
        }
        Shape::Named(_) => format!(":\n{inside}${{1:name}}: $0"),
        _ => format!(":\n{inside}$0"),
    })
}

/// A text as a snippet that says the same.
pub(super) fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}")
}

fn record_of(shape: &Shape) -> Option<&'static Record> {
    if let Shape::Record(record) = shape { Some(record) } else { None }
}

fn needs_some(record: &Record) -> bool {
    record.keys().any(|key| key.required)
}

/// The keys that a record needs, each on its line.
fn needed(record: &Record, first: &str, rest: &str, from: usize) -> String {
    let keys = record.keys().filter(|key| key.required).enumerate().map(|(at, key)| {
        let lead = if at == 0 { first } else { rest };
        let value = scalar(&key.shape, from + at).unwrap_or_else(|| format!("${}", from + at));
        format!("{lead}{}: {value}", key.name)
    });
    keys.collect::<Vec<_>>().join("\n")
}

fn scalar(shape: &Shape, at: usize) -> Option<String> {
    match shape {
        Shape::Bool => Some(format!("${{{at}|true,false|}}")),
        Shape::Words(words) if words.len() <= MAX_CHOICES => Some(format!("${{{at}|{}|}}", choices(words))),
        _ => None,
    }
}

fn choices(words: &[Word]) -> String {
    // None of the language's words has a comma or a bar.
    words.iter().map(|word| word.word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::CONTAINER;

    fn of(key: &str, block: bool, pad: &str) -> Option<String> {
        value(&CONTAINER.key(key).expect("a key").shape, block, pad)
    }

    #[test]
    fn a_list_of_records_begins_with_what_each_needs() {
        assert_eq!(of("documents", true, "").as_deref(), Some(":\n  ${1:name}:\n    files: $2$0"));
        assert_eq!(of("tests", true, "  ").as_deref(), Some(":\n    - $0"));
        assert_eq!(of("budget", true, "").as_deref(), Some(":\n  $0"));
    }

    #[test]
    fn words_are_choices_and_texts_are_left_alone() {
        let tools = CONTAINER.key("tools").map(|key| key.shape);
        let Some(Shape::Record(tools)) = tools else { panic!("no record") };
        let allowed = &tools.key("allowed").expect("a key").shape;
        assert_eq!(value(allowed, true, "").as_deref(), Some(":\n  - name: $1$0"));
        assert_eq!(value(&Shape::Bool, false, "").as_deref(), Some(": ${1|true,false|}$0"));
        assert_eq!(of("description", false, ""), None);
    }
}
