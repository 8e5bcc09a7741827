//! The selected case: what fails and how what came differs from what was wanted, then everything that happened.

use super::{span, verdict, wrapped};
use crate::report::{duration, trace::clipped};
use crate::tui::state::State;
use aic_base::{Action, Event, EventKind, LineIndex, ToolOutcome};
use aic_behavior::{CaseReport, Failure};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use serde_json::Value;

/// The most lines of a difference that are shown.
const MOST_DIFF: usize = 400;

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let all = build(state, area.width);
    let top = state.trace_top.min(all.len().saturating_sub(1));
    super::lines(buffer, area, all.into_iter().skip(top));
}

/// The lines of the pane at a width: for scrolling, too.
pub fn lines(state: &State, width: u16) -> Vec<Line<'static>> {
    build(state, width)
}

fn build(state: &State, width: u16) -> Vec<Line<'static>> {
    let theme = &state.theme;
    let width = usize::from(width);
    let Some(case) = state.case() else {
        let words = match state.case_id() {
            Some(_) => "this case has not run yet: `r` runs it",
            None => "no case is selected",
        };
        return vec![Line::styled(words, theme.dim)];
    };
    let mut all = head(state, case, width);
    for failure in &case.failures {
        all.push(Line::default());
        fail(state, failure, width, &mut all);
    }
    if !case.output.is_empty() {
        all.push(Line::default());
        all.push(Line::styled("output", theme.title));
        all.extend(
            wrapped(&case.output, width.saturating_sub(2))
                .into_iter()
                .map(|line| Line::from(vec![Span::raw("  "), Span::styled(line, theme.text)])),
        );
    }
    if !case.trace.is_empty() {
        all.push(Line::default());
        all.push(Line::styled("trace", theme.title));
        case.trace.iter().for_each(|event| one(state, event, width, &mut all));
    }
    all
}

fn head(state: &State, case: &CaseReport, width: usize) -> Vec<Line<'static>> {
    let theme = &state.theme;
    let (mark, look) = verdict(case.verdict, theme);
    let mut facts = vec![case.cost.to_string(), duration(case.latency)];
    let about = if case.usage.estimated { "≈" } else { "" };
    facts.push(format!("{about}{} + {about}{} tokens", case.usage.input_tokens, case.usage.output_tokens));
    if let Some(outcome) = case.outcome {
        facts.insert(0, outcome.to_string());
    }
    if case.repeats.0 > 1 {
        facts.push(format!("{}/{} repeats", case.repeats.1, case.repeats.0));
    }
    if case.kept {
        facts.push("kept: nothing that could change it has changed".into());
    }
    let verdict = format!("{mark} {}", case.verdict);
    let indent = verdict.chars().count() + 2;
    let facts = wrapped(&facts.join(" · "), width.saturating_sub(indent).max(8));
    let lines = facts.into_iter().enumerate().map(|(at, facts)| {
        let before = if at == 0 { format!("{verdict}  ") } else { " ".repeat(indent) };
        Line::from(vec![Span::styled(before, look), Span::styled(facts, theme.dim)])
    });
    lines.collect()
}

fn fail(state: &State, failure: &Failure, width: usize, all: &mut Vec<Line<'static>>) {
    let theme = &state.theme;
    let turn = failure.turn.map(|turn| format!("turn {turn}: ")).unwrap_or_default();
    if !failure.expectation.is_empty() {
        let title = wrapped(&format!("{turn}{}", clipped(&failure.expectation)), width.saturating_sub(2));
        all.extend(title.into_iter().enumerate().map(|(at, line)| {
            let mark = if at == 0 { "✗ " } else { "  " };
            Line::from(vec![Span::styled(mark, theme.bad), Span::styled(line, theme.title)])
        }));
    }
    let message = wrapped(&failure.message, width.saturating_sub(2));
    all.extend(message.into_iter().map(|line| Line::from(vec![Span::raw("  "), Span::styled(line, theme.bad)])));
    let loaded = state.spec().and_then(|spec| spec.loaded.as_ref());
    if let Some(text) = loaded.and_then(|loaded| loaded.text(&failure.file)) {
        let at = LineIndex::new(text).line_col(text, failure.span.start as usize);
        all.push(Line::from(span(
            &format!("  at {}:{}:{}  (o shows it)", failure.file, at.line, at.column),
            theme.dim,
        )));
    }
    for line in failure.diff.iter().flat_map(|diff| diff.lines()).take(MOST_DIFF) {
        let look = match line.as_bytes().first() {
            Some(b'+') => theme.added,
            Some(b'-') => theme.removed,
            _ => theme.dim,
        };
        all.push(Line::from(span(&format!("  {line}"), look)));
    }
}

fn one(state: &State, event: &Event, width: usize, all: &mut Vec<Line<'static>>) {
    let theme = &state.theme;
    let (word, look, text) = told(state, &event.kind);
    let before = format!("{:>8}  ", duration(event.after));
    let indent = before.chars().count() + 8;
    // Where there is no room for two columns, what does not fit is cut off.
    let room = if width > indent + 20 { width - indent } else { usize::MAX };
    for (at, line) in wrapped(&text, room).into_iter().enumerate() {
        let words = if at == 0 {
            vec![Span::styled(before.clone(), theme.dim), Span::styled(format!("{word:<8}"), look)]
        } else {
            vec![Span::raw(" ".repeat(indent))]
        };
        all.push(Line::from([words, vec![Span::styled(line, theme.text)]].concat()));
    }
}

fn told(state: &State, kind: &EventKind) -> (&'static str, Style, String) {
    let theme = &state.theme;
    match kind {
        EventKind::RunStarted { model, input, .. } => ("input", theme.accent, format!("{} → {model}", clipped(input))),
        EventKind::Guardrail(decision) => {
            let look = match decision.action {
                Action::Block | Action::RequireConfirmation => theme.bad,
                Action::Redact | Action::Warn => theme.warn,
                Action::Log => theme.dim,
            };
            let text = format!(
                "{} → {} at {}: {}",
                decision.guardrail,
                decision.action,
                decision.stage,
                clipped(&decision.reason)
            );
            ("guard", look, text)
        }
        EventKind::ModelCalled { model, provider, step, messages } => {
            let messages = crate::report::count(*messages, "message");
            ("model", theme.chart_b, format!("call {step} of {model} ({provider}), {messages}"))
        }
        EventKind::ModelAnswered { text, tool_calls, usage, cost, .. } => {
            let about = if usage.estimated { "≈" } else { "" };
            let calls =
                if *tool_calls == 0 { String::new() } else { crate::report::count(*tool_calls, "tool call") + "  " };
            let said = if text.is_empty() { String::new() } else { clipped(text) + "  " };
            let numbers = format!("{about}{} in, {about}{} out, {cost}", usage.input_tokens, usage.output_tokens);
            ("model", theme.chart_b, format!("{said}{calls}{numbers}"))
        }
        EventKind::ToolCalled { name, args, .. } => {
            ("tool", theme.chart_a, format!("{name} {}", clipped(&shown(args))))
        }
        EventKind::ToolEnded { name, outcome, result, .. } => {
            let (look, word) = match outcome {
                ToolOutcome::Ran => (theme.good, "ran"),
                ToolOutcome::Failed => (theme.warn, "failed"),
                ToolOutcome::Denied => (theme.bad, "denied"),
                ToolOutcome::NeedsConfirmation => (theme.warn, "waits"),
                ToolOutcome::HandedBack => (theme.dim, "handed back"),
            };
            ("tool", look, format!("{name} {word}: {}", clipped(&shown(result))))
        }
        EventKind::Notice { message } => ("note", theme.info, clipped(message)),
        EventKind::CostAlert { guardrail, spent, cap, .. } => {
            ("cost", theme.warn, format!("{guardrail}: {spent} of {cap} an hour is spent or held"))
        }
        EventKind::RunEnded { outcome, output, cost, .. } => {
            ("end", theme.accent, format!("{outcome}, {cost}: {}", clipped(output)))
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
