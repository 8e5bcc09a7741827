//! What a watch writes: one line a save, and the whole story of what is red.

use crate::output::{Out, Style, harmless};
use crate::report::{self, diagnostics, json, tests};
use crate::session::{Refusal, Tested};
use crate::workspace::{Workspace, now};
use aic_base::RelPath;
use aic_spec::Loaded;
use serde_json::json;
use std::time::Duration;

/// The most changed files that a line names.
const MOST: usize = 3;

pub(super) fn hello(out: &mut Out, workspace: &Workspace, loaded: &Loaded, json: bool) {
    if !json {
        tests::heading(out, workspace, loaded);
        out.line(out.styled(Style::Dim, "watching; Ctrl-C ends it"));
    }
}

pub(super) fn verdict(
    out: &mut Out,
    workspace: &Workspace,
    tested: &Tested,
    changed: &[RelPath],
    took: Duration,
    json: bool,
) {
    if json {
        write_json(out, workspace, tested, changed, took);
        return;
    }
    let time = out.styled(Style::Dim, now().time());
    let what = changed_words(workspace, changed);
    let after = out.styled(Style::Dim, format!("{what}{}", report::duration(took)));
    match &tested.result {
        Ok(tests) => {
            let tally = tests.tally();
            let (style, mark) = if tally.exit_code() == 0 { (Style::Good, "✓") } else { (Style::Bad, "✗") };
            let kept = tests.cases.iter().filter(|case| case.kept).count();
            let kept = if kept == 0 { String::new() } else { format!(" ({kept} kept)") };
            let words = out.styled(style, format!("{mark} {}", tests::words(&tally)));
            let version = tested.version.map_or_else(String::new, |version| format!("  v{}", version.number));
            out.line(format_args!("{time} {words}{kept}{version}  {after}"));
            for case in tests.cases.iter().filter(|case| !case.verdict.is_fine()) {
                tests::failure(out, workspace, &tested.loaded, case);
            }
        }
        Err(refusal) => {
            let words = out.styled(Style::Bad, format!("! {}", short(refusal)));
            out.line(format_args!("{time} {words}  {after}"));
            match refusal {
                Refusal::NotEnforced => {
                    diagnostics::write_some(out, workspace, &tested.loaded, tested.loaded.blockers());
                }
                _ => diagnostics::write(out, workspace, &tested.loaded),
            }
        }
    }
    if let Some(error) = &tested.unkept {
        let word = out.styled(Style::Warn, "warning:");
        out.line(format_args!("{word} the results are not kept: {error}"));
    }
}

fn short(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Errors => "the spec has errors; the last verdict stands until they are mended".into(),
        other => other.to_string(),
    }
}

fn changed_words(workspace: &Workspace, changed: &[RelPath]) -> String {
    if changed.is_empty() {
        return String::new();
    }
    let mut names: Vec<String> = changed.iter().take(MOST).map(|path| harmless(&workspace.shown(path))).collect();
    if changed.len() > MOST {
        names.push(format!("{} more", changed.len() - MOST));
    }
    format!("{} · ", names.join(", "))
}

fn write_json(out: &mut Out, workspace: &Workspace, tested: &Tested, changed: &[RelPath], took: Duration) {
    let mut document = match &tested.result {
        Ok(tests) => json::tests(workspace, &tested.loaded, tests),
        Err(refusal) => {
            json!({ "refused": refusal.to_string(), "diagnostics": json::diagnostics(&tested.loaded) })
        }
    };
    document["changed"] = json!(changed);
    document["took_ms"] = json!(took.as_secs_f64() * 1e3);
    document["version"] =
        json!(tested.version.map(|version| json!({ "number": version.number, "digest": version.digest })));
    out.line(document);
}
