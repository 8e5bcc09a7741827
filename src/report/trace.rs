//! The trace of a run, a line an event.

use crate::output::{Out, Style, harmless};
use crate::report::duration;
use aic_base::{Action, Event, EventKind, ToolOutcome};
use serde_json::Value;

/// The most characters of a text in a trace.
const MOST: usize = 160;

/// Writes the events of a run, indented.
pub fn write(out: &mut Out, events: &[Event], indent: &str) {
    for event in events {
        let time = out.styled(Style::Dim, format!("{:>8}", duration(event.after)));
        let text = one(out, &event.kind);
        out.line(format_args!("{indent}{time}  {text}"));
    }
}

fn one(out: &Out, kind: &EventKind) -> String {
    match kind {
        EventKind::RunStarted { model, input, .. } => format!("input   {} → {model}", clipped(input)),
        EventKind::Guardrail(decision) => {
            let style = match decision.action {
                Action::Block | Action::RequireConfirmation => Style::Bad,
                Action::Redact | Action::Warn => Style::Warn,
                Action::Log => Style::Dim,
            };
            let word = out.styled(style, decision.action);
            format!("guard   {} → {word} at {}: {}", decision.guardrail, decision.stage, clipped(&decision.reason))
        }
        EventKind::ModelCalled { model, provider, step, messages } => {
            format!("model   call {step} of {model} ({provider}), {}", super::count(*messages, "message"))
        }
        EventKind::ModelAnswered { text, tool_calls, usage, cost, .. } => {
            let about = if usage.estimated { "≈" } else { "" };
            let said = if text.is_empty() { String::new() } else { format!("{}  ", clipped(text)) };
            let calls =
                if *tool_calls == 0 { String::new() } else { format!("{}  ", super::count(*tool_calls, "tool call")) };
            let numbers = format!("{about}{} in, {about}{} out, {cost}", usage.input_tokens, usage.output_tokens);
            format!("model   {said}{calls}{}", out.styled(Style::Dim, numbers))
        }
        EventKind::ToolCalled { name, args, .. } => format!("tool    {name} {}", clipped(&shown(args))),
        EventKind::ToolEnded { name, outcome, result, .. } => {
            let (style, word) = match outcome {
                ToolOutcome::Ran => (Style::Good, "ran"),
                ToolOutcome::Failed => (Style::Warn, "failed"),
                ToolOutcome::Denied => (Style::Bad, "denied"),
                ToolOutcome::NeedsConfirmation => (Style::Warn, "waits"),
                ToolOutcome::HandedBack => (Style::Dim, "handed back"),
            };
            format!("tool    {name} {}: {}", out.styled(style, word), clipped(&shown(result)))
        }
        EventKind::Notice { message } => format!("note    {}", clipped(message)),
        EventKind::CostAlert { guardrail, spent, alert_at, cap } => {
            let text = format!("{guardrail}: {spent} of {cap} an hour is spent or held, the mark is {alert_at}");
            format!("cost    {}", out.styled(Style::Warn, text))
        }
        EventKind::RunEnded { outcome, output, cost, .. } => format!("end     {outcome}, {cost}: {}", clipped(output)),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A text on one line, not too long.
pub fn clipped(text: &str) -> String {
    let one_line = harmless(text).replace(['\n', '\t'], " ");
    match one_line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &one_line[..at]),
        None => one_line,
    }
}
