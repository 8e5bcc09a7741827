//! Codes about the form of a file: text, tree, types, values.

use super::{Code, CodeDoc, codes};
use crate::Severity;

codes! {
    UNKNOWN_KEY = "ABS001" Error "Unknown key",
        "The language has no such key here, so what it says would be lost without a word. Mostly it is misspelled or stands one level too deep.",
        r#"promts: {system: Hi}
"#
        => r#"prompts: {system: Hi}
"#;
    WRONG_TYPE = "ABS002" Error "Wrong type",
        "The key takes another kind of value: a list in place of a text, a text in place of a number.",
        r#"prompts: {constraints: Be brief}
"#
        => r#"prompts: {constraints: [Be brief]}
"#;
    MISSING_KEY = "ABS003" Error "Missing key",
        "Without this key the rest means nothing.",
        r#"tools: {allowed: [{description: Look up users}]}
"#
        => r#"tools: {allowed: [{name: find_user, description: Look up users}]}
"#;
    DUPLICATE_KEY = "ABS004" Error "Duplicate key",
        "A key stands twice in one map. Only the first is read; other programs may read the last.",
        r#"name: a
name: b
"#
        => r#"name: a
"#;
    SYNTAX = "ABS005" Error "Not YAML",
        "The text cannot be read here. The rest of the document is checked all the same, as if the place were mended in the likeliest way.",
        r#"description: "Answers questions
"#
        => r#"description: "Answers questions"
"#;
    EMPTY = "ABS006" Error "Empty file",
        "There is nothing in the file. A spec needs a model at least.",
        r#"# to do
"#
        => r#"model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}
"#;
    NOT_TEXT = "ABS007" Error "Not a text file",
        "The file holds bytes that are no UTF-8 text. Save it as UTF-8.",
        "name: a\0b\n"
        => r#"name: ab
"#;
    TOO_LARGE = "ABS008" Error "File too large",
        "Specs are written by people: 4 MiB is far more than one can be. Keep data in files of its own.",
        r#"(a file of 5 MB)
"#
        => r#"name: small
"#;
    TOO_COMPLEX = "ABS009" Error "Nested too deep, or too many aliases",
        "Nesting is bounded at 64 levels, and what aliases stand for at 100,000 values, so that no document can exhaust the reader.",
        r#"output: {schema: &answer {properties: {inner: *answer}}}
"#
        => r#"output: {schema: {properties: {inner: {type: object}}}}
"#;
    VERSION = "ABS010" Error "Version not supported",
        "The file says that it is written in a version of the language that this program does not read.",
        r#"version: "9"
"#
        => r#"version: "1.0"
"#;
    UNKNOWN_WORD = "ABS011" Error "Unknown word",
        "The key takes one of a few words, and this is none of them.",
        r#"sandbox: {fallback: never}
"#
        => r#"sandbox: {fallback: strict}
"#;
    BAD_VALUE = "ABS012" Error "Value not allowed",
        "The value has the right type but is out of range or not in the form that is asked for.",
        r#"budget: {steps: 0}
"#
        => r#"budget: {steps: 5}
"#;
    BAD_UNIT = "ABS013" Error "Bad duration, size, share or money",
        "Durations are written 300ms, 5s, 5m, 1h, 30d; sizes 64MB or 64MiB; shares 10% or 0.1; money 0.01, $10 or $10/hour.",
        r#"budget: {time: 5 minutes}
"#
        => r#"budget: {time: 5m}
"#;
    BARE_NUMBER = "ABS014" Hint "Duration without a unit",
        "A bare number counts seconds. Write the unit, so that nobody has to know.",
        r#"budget: {time: 30}
"#
        => r#"budget: {time: 30s}
"#;
    TRAP = "ABS015" Error "Needs quotes",
        "This is YAML, but for something else than what was meant: an alias, a map, a comment. Quotes make it text.",
        r#"tools:
  blocked: [*_admin]
"#
        => r#"tools:
  blocked: ["*_admin"]
"#;
    MORE_DOCUMENTS = "ABS016" Error "More than one document",
        "A file holds one spec. What follows the second `---` is not read.",
        r#"name: a
---
name: b
"#
        => r#"name: a
"#;
    SAID_TWICE = "ABS017" Error "Short and long form together",
        "One thing is said in its short and in its long form, in one file. Which of the two holds, nobody should have to know: remove one.",
        r#"context: {max_tokens: 4000, window: {max_tokens: 8000}}
"#
        => r#"context: {window: {max_tokens: 8000}}
"#;
}
