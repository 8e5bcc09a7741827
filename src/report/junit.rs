//! Findings as a JUnit report: a suite a spec, a case a finding; what does not fail is a case that passed and says so.

use super::places::Places;
use crate::cli::Checked;
use aic_spec::Diagnostic;
use std::fmt::Write as _;

/// The report; `fails` says which findings are failures.
pub fn document(all: &[Checked], fails: &dyn Fn(&Diagnostic) -> bool) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"aic check\">\n");
    for checked in all {
        let found = &checked.loaded.diagnostics;
        let failures = found.iter().filter(|found| fails(found)).count();
        let spec = escaped(&checked.workspace.shown(&checked.loaded.path));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{spec}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">",
            found.len().max(1)
        );
        if found.is_empty() {
            let _ = writeln!(out, "    <testcase classname=\"{spec}\" name=\"no findings\"/>");
        }
        let mut places = Places::new(&checked.loaded);
        for found in found {
            one(&mut out, checked, &mut places, found, &spec, fails(found));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn one<'l>(
    out: &mut String,
    checked: &Checked,
    places: &mut Places<'l>,
    found: &'l Diagnostic,
    spec: &str,
    fails: bool,
) {
    let (at, _) = places.of(&found.file, found.span);
    let file = escaped(&checked.workspace.shown(&found.file));
    let title = found.code.doc().map_or("", |doc| doc.title);
    let (code, message) = (found.code, escaped(&found.message));
    let _ = writeln!(
        out,
        "    <testcase classname=\"{spec}\" name=\"{code} {}\" file=\"{file}\" line=\"{}\">",
        escaped(title),
        at.line
    );
    let place = format!("{file}:{}:{}", at.line, at.column);
    let help = found.help.as_ref().map_or_else(String::new, |help| format!("\n{}", escaped(help)));
    let _ = if fails {
        writeln!(out, "      <failure message=\"{message}\" type=\"{code}\">{place}: {message}{help}</failure>")
    } else {
        writeln!(out, "      <system-out>{place}: {}: {message}{help}</system-out>", found.severity.as_str())
    };
    out.push_str("    </testcase>\n");
}

/// Text for XML; what XML cannot hold is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_is_markup() {
        assert_eq!(escaped("a<b & \"c\"\u{1}"), "a&lt;b &amp; &quot;c&quot;\u{fffd}");
    }
}
