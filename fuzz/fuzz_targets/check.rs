//! Any text as a spec, as a base, as a workflow and as TOML: findings lie in their files, and a typed spec means no error.
#![no_main]

use aic_base::{MemorySource, RelPath};
use aic_spec::{LoadOptions, load, resolved};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["base.ai.yml", "child.ai.yml", "a.compose.ai.yml", "a.ai.toml"];
const CHILD: &str = "inherits: ./base.ai.yml\nmodel: {temperature: 1}\nguardrails: [secrets]\n";

fuzz_target!(|text: &str| {
    let mut source = MemorySource::new();
    for name in NAMES {
        let Ok(path) = RelPath::new(name) else { continue };
        source.insert(path, if name.starts_with("child") { CHILD } else { text }.as_bytes());
    }
    let Ok(today) = "2026-11-22T12:00:00Z".parse() else { return };
    let options = LoadOptions { environment: Some("production".into()), today };
    for path in NAMES.iter().filter_map(|name| RelPath::new(name).ok()) {
        let loaded = load(&source, &path, &options);
        for found in &loaded.diagnostics {
            let Some(text) = loaded.text(&found.file) else { continue };
            assert!(text.get(found.span.range()).is_some(), "{found:?}");
            let edits = found.fix.iter().flat_map(|fix| &fix.edits);
            edits.for_each(|(span, _)| assert!(text.get(span.range()).is_some(), "{found:?}"));
        }
        if loaded.spec.is_some() {
            assert!(!loaded.has_errors());
            let _ = resolved(&source, &path, &options);
        }
    }
});
