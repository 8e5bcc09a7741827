//! Findings as annotations of GitHub's workflows: `::error file=…,line=…::message`.

use super::places::Places;
use crate::cli::Checked;
use aic_spec::Severity;
use std::fmt::Write as _;

/// One line a finding.
pub fn annotations(all: &[Checked]) -> String {
    let mut out = String::new();
    for checked in all {
        let mut places = Places::new(&checked.loaded);
        for found in &checked.loaded.diagnostics {
            let kind = match found.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Hint => "notice",
            };
            let (start, end) = places.of(&found.file, found.span);
            // Columns are shown only where both are on one line.
            let columns = if start.line == end.line {
                format!(",col={},endColumn={}", start.column, end.column)
            } else {
                String::new()
            };
            let help = found.help.as_ref().map_or_else(String::new, |help| format!("\n{help}"));
            let _ = writeln!(
                out,
                "::{kind} file={},line={},endLine={}{columns},title={}::{}",
                property(&checked.workspace.shown(&found.file)),
                start.line,
                end.line,
                property(found.code.0),
                data(&format!("{}{help}", found.message)),
            );
        }
    }
    out
}

/// What would end a command is written otherwise.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_message_cannot_begin_a_command_of_its_own() {
        assert_eq!(data("100%\n::error::x"), "100%25%0A::error::x");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
