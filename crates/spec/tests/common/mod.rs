//! What the tests share: specs in memory, and findings as a person reads them.

#![allow(dead_code, reason = "each test file uses its own part")]

use aic_base::{LineIndex, MemorySource, RelPath, Timestamp};
use aic_spec::{LoadOptions, Loaded, load};
use std::fmt::Write as _;

/// A path that is known to be good.
pub fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// The day of all tests.
pub fn options() -> LoadOptions {
    LoadOptions { environment: None, today: "2025-06-01T12:00:00Z".parse::<Timestamp>().unwrap() }
}

/// Files in memory.
pub fn source(files: &[(&str, &str)]) -> MemorySource {
    let mut source = MemorySource::new();
    for (name, text) in files {
        source.insert(path(name), text.as_bytes());
    }
    source
}

/// A spec read from memory, with other files.
pub fn load_with(text: &str, others: &[(&str, &str)]) -> Loaded {
    let mut files = vec![("a.aicontainer.yml", text)];
    files.extend(others);
    load(&source(&files), &path("a.aicontainer.yml"), &options())
}

/// Its findings: code, severity, place, the text there, message and fix.
pub fn shown(loaded: &Loaded) -> String {
    let mut out = String::new();
    for found in &loaded.diagnostics {
        let text = loaded.text(&found.file).unwrap_or("");
        let at = LineIndex::new(text).line_col(text, found.span.start as usize);
        let file = if found.file == loaded.path { String::new() } else { format!("{}:", found.file) };
        let blocks = if found.blocks_running { " (blocks running)" } else { "" };
        let _ = writeln!(
            out,
            "{} {}{blocks} {file}{}:{} `{}` {}",
            found.code,
            found.severity.as_str(),
            at.line,
            at.column,
            found.span.of(text).replace('\n', "⏎"),
            found.message
        );
        if let Some(fix) = &found.fix {
            let edits: Vec<_> =
                fix.edits.iter().map(|(span, with)| format!("`{}` → `{with}`", span.of(text))).collect();
            let _ = writeln!(out, "    fix: {}: {}", fix.title, edits.join(", "));
        }
    }
    out
}

/// The findings of one spec.
pub fn findings(text: &str) -> String {
    shown(&load_with(text, &[]))
}
