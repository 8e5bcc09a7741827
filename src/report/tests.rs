//! The report of behaviour tests: a line a test, the whole story of each failure, and what it cost.

use crate::output::{Out, Style, harmless};
use crate::report::{count, duration, trace};
use crate::session::Tested;
use crate::workspace::Workspace;
use aic_base::LineIndex;
use aic_behavior::{CaseReport, Failure, Tally, TestReport, Verdict};
use aic_spec::Loaded;
use std::time::Duration;

/// The most guardrails that the last line names.
const MOST_GUARDRAILS: usize = 6;

/// The name of a spec, and whose rules answer for its model.
pub fn heading(out: &mut Out, workspace: &Workspace, loaded: &Loaded) {
    let Some(spec) = &loaded.spec else { return };
    let model = spec.models.named.get("primary").map(|model| {
        let provider = model.provider.map_or("unknown provider", aic_spec::Provider::as_str);
        match &model.stands_for {
            Some(other) => format!("{provider} model, priced as {}/{}", other.provider, other.model),
            None => format!("{provider} model {}", model.model).trim_end().to_owned(),
        }
    });
    let name = out.styled(Style::Bold, harmless(&spec.name));
    let place = out.styled(Style::Dim, format!("{} · {}", workspace.shown(&loaded.path), model.unwrap_or_default()));
    out.line(format_args!("{name}  {place}"));
}

/// One line for a case.
pub fn case(out: &mut Out, case: &CaseReport) {
    let (style, mark) = mark(case.verdict);
    let mark = out.styled(style, mark);
    let mut facts = Vec::new();
    if case.repeats.0 > 1 {
        facts.push(format!("{}/{} repeats", case.repeats.1, case.repeats.0));
    }
    if case.verdict == Verdict::Skipped {
        facts.push(format!("skipped: {}", harmless(&case.output)));
    } else {
        facts.push(case.cost.to_string());
        facts.push(duration(case.latency));
    }
    if case.kept {
        facts.push("kept".into());
    }
    let facts = out.styled(Style::Dim, facts.join(" · "));
    out.line(format_args!("  {mark} {}  {facts}", harmless(&case.id)));
}

/// What is wrong with a case: each expectation, where it stands, and the trace.
pub fn failure(out: &mut Out, workspace: &Workspace, loaded: &Loaded, case: &CaseReport) {
    let (style, mark) = mark(case.verdict);
    let title = out.styled(style, format!("{mark} {}", harmless(&case.id)));
    out.line(format_args!("\n{title}"));
    for failure in &case.failures {
        let turn = failure.turn.map(|turn| format!("turn {turn}: ")).unwrap_or_default();
        if failure.expectation.is_empty() {
            out.line(format_args!("  {}", harmless(&failure.message)));
        } else {
            let wanted = out.styled(Style::Bold, trace::clipped(&failure.expectation));
            out.line(format_args!("  {turn}{wanted}"));
            out.line(format_args!("    {}", harmless(&failure.message)));
        }
        out.line(out.styled(Style::Dim, format!("    at {}", place(workspace, loaded, failure))));
        if let Some(diff) = &failure.diff {
            for line in diff.lines() {
                let style = match line.as_bytes().first() {
                    Some(b'+') => Style::Good,
                    Some(b'-') => Style::Bad,
                    _ => Style::Dim,
                };
                out.line(format_args!("    {}", out.styled(style, harmless(line))));
            }
        }
    }
    if !case.trace.is_empty() {
        out.line(out.styled(Style::Dim, "  trace"));
        trace::write(out, &case.trace, "  ");
    }
}

/// `path:line:column`, which terminals and editors open.
pub fn place(workspace: &Workspace, loaded: &Loaded, failure: &Failure) -> String {
    let path = workspace.shown(&failure.file);
    match loaded.text(&failure.file) {
        Some(text) => {
            let at = LineIndex::new(text).line_col(text, failure.span.start as usize);
            format!("{path}:{}:{}", at.line, at.column)
        }
        None => path,
    }
}

/// The last lines: how many passed, what it cost, which guardrails fired.
pub fn summary(out: &mut Out, report: &TestReport, took: Duration) {
    let tally = report.tally();
    let style = match tally.exit_code() {
        0 => Style::Good,
        _ => Style::Bad,
    };
    let words = out.styled(style, words(&tally));
    let kept = report.cases.iter().filter(|case| case.kept).count();
    let kept = if kept == 0 { String::new() } else { format!(" ({kept} kept)") };
    let estimated = report.cases.iter().any(|case| case.usage.estimated);
    let about = if estimated && report.cost().pico() > 0 { "≈ " } else { "" };
    out.line(format_args!("\n{words}{kept} · {about}{} · {}", report.cost(), duration(took)));
    let guardrails = report.guardrails();
    if !guardrails.is_empty() {
        let mut all: Vec<(&str, u32)> = guardrails.into_iter().collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let more = all.len().saturating_sub(MOST_GUARDRAILS);
        let mut named: Vec<String> =
            all.iter().take(MOST_GUARDRAILS).map(|(name, count)| format!("{} {count}×", harmless(name))).collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        out.line(out.styled(Style::Dim, format!("guardrails: {}", named.join(", "))));
    }
}

/// Whether the version was recorded, and as what.
pub fn version(out: &mut Out, tested: &Tested) {
    if let Some(version) = &tested.version {
        let word = if tested.is_stable() { ", stable" } else { "" };
        let text = format!("version v{} ({}){word}", version.number, version.digest.short());
        out.line(out.styled(Style::Dim, text));
    }
}

/// `14 passed, 1 failed`.
pub fn words(tally: &Tally) -> String {
    let parts: Vec<String> = [
        (tally.pass, "passed"),
        (tally.fail, "failed"),
        (tally.error, "could not be judged"),
        (tally.open, "open"),
        (tally.skipped, "skipped"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}"))
    .collect();
    if parts.is_empty() { format!("{} ran", count(0, "case")) } else { parts.join(", ") }
}

const fn mark(verdict: Verdict) -> (Style, &'static str) {
    match verdict {
        Verdict::Pass => (Style::Good, "✓"),
        Verdict::Fail => (Style::Bad, "✗"),
        Verdict::Error => (Style::Bad, "!"),
        Verdict::Skipped => (Style::Dim, "-"),
        Verdict::Undecided | Verdict::Stale => (Style::Warn, "?"),
    }
}
