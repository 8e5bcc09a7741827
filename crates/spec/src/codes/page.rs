//! The table as text: for `aic explain`, and the page of the documentation, which a test keeps true.

use super::{CODES, CodeDoc};
use std::fmt::Write as _;

/// A scripted model that examples without one begin with, so that they show one thing only.
pub const PRELUDE: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}\n";

/// The codes whose bad example the JSON Schema refuses; the others need more than a schema: names, files, bases, sums, or
/// the text itself. A test keeps it true.
pub const SCHEMA_REFUSES: [&str; 12] = [
    "ABS001", "ABS002", "ABS003", "ABS010", "ABS011", "ABS012", "ABS013", "ABS021", "ABS041", "ABS042", "ABS071",
    "ABS072",
];

/// Control characters as their pictures, so that they can be seen.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c == '\0' { '␀' } else { c }).collect()
}

/// What a person reads about a code.
pub fn explain(doc: &CodeDoc) -> String {
    let indented = |text: &str| visible(text).lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "{} {} ({})\n\n{}\n\nBad:\n\n{}\nGood:\n\n{}",
        doc.code,
        doc.title,
        doc.severity.as_str(),
        doc.explanation,
        indented(doc.bad),
        indented(doc.good)
    )
}

/// All of them in Markdown.
pub fn page() -> String {
    let mut out = String::from(
        "# Diagnostics\n\nEvery finding has a stable code. `aic explain ABS017` prints one of these entries. This page is made from the table \
         in `crates/spec/src/codes/`; a test fails where it is out of date, and runs every example: the bad one gives that \
         code and no other (but what this version says it does not enforce), the good one gives none. Where an example says no model, it begins with a scripted one:\n\n```yaml\n",
    );
    out.push_str(PRELUDE);
    out.push_str(
        "```\n\n`# file: NAME` begins another file, `# aic check …` says what the example is checked with.\n\n",
    );
    let _ = writeln!(
        out,
        "The JSON Schema that `aic schema` prints, for editors that know nothing of this program, refuses the bad examples of {}. \
         The others it cannot: they are about the text itself (duplicate keys, quotes), about names, files and bases that a \
         schema does not see, about conditions, dates and prices, or about two places together.",
        SCHEMA_REFUSES.join(", ")
    );
    out.push_str("\n| code | what | how bad |\n|---|---|---|\n");
    for doc in &CODES {
        let _ = writeln!(
            out,
            "| [{0}](#{1}) | {2} | {3} |",
            doc.code,
            doc.code.0.to_lowercase(),
            doc.title,
            doc.severity.as_str()
        );
    }
    for doc in &CODES {
        let _ = write!(
            out,
            "\n## {}\n**{}** ({})\n\n{}\n\nBad:\n```yaml\n{}```\nGood:\n```yaml\n{}```\n",
            doc.code,
            doc.title,
            doc.severity.as_str(),
            doc.explanation,
            visible(doc.bad),
            visible(doc.good)
        );
    }
    out
}
