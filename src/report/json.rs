//! The same for programs: one JSON document a command. `schema` counts up when a field changes its meaning.

use super::places::Places;
use crate::output::Out;
use crate::workspace::Workspace;
use aic_base::{RelPath, Span};
use aic_behavior::{CaseReport, TestReport};
use aic_engine::TurnReport;
use aic_spec::{Diagnostic, Loaded};
use serde_json::{Map, Value, json};

const SCHEMA: u32 = 1;

/// Writes a document.
pub fn write(out: &mut Out, document: Value) {
    out.line(format_args!("{:#}", with_schema(document)));
}

/// A document that says which schema it follows.
pub fn with_schema(mut document: Value) -> Value {
    if let Value::Object(map) = &mut document {
        map.shift_insert(0, "schema".into(), SCHEMA.into());
    }
    document
}

/// An error that kept a command from running.
pub fn error(message: &str) -> Value {
    json!({ "error": message })
}

/// The findings of a spec.
pub fn diagnostics(loaded: &Loaded) -> Vec<Value> {
    let mut places = Places::new(loaded);
    loaded.diagnostics.iter().map(|diagnostic| one(loaded, &mut places, diagnostic)).collect()
}

fn one<'l>(loaded: &Loaded, places: &mut Places<'l>, diagnostic: &'l Diagnostic) -> Value {
    let mut place = |file: &'l RelPath, span: Span| {
        loaded.text(file).map(|_| {
            let (start, end) = places.of(file, span);
            json!({ "start": start, "end": end })
        })
    };
    let at = place(&diagnostic.file, diagnostic.span);
    let related = diagnostic.related.iter().map(|related| {
        let at = place(&related.file, related.span);
        json!({ "file": related.file, "span": related.span, "place": at, "message": related.message })
    });
    let related: Vec<Value> = related.collect();
    json!({
        "code": diagnostic.code.to_string(),
        "severity": diagnostic.severity.as_str(),
        "file": diagnostic.file,
        "span": diagnostic.span,
        "place": at,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "related": related,
        "fix": diagnostic.fix.as_ref().map(|fix| json!({
            "title": fix.title,
            "safe": fix.safe,
            "edits": fix.edits.iter().map(|(span, text)| json!({ "span": span, "text": text })).collect::<Vec<_>>(),
        })),
        "blocks_running": diagnostic.blocks_running,
    })
}

/// The cases of a spec, and which provider answers for each of its models.
pub fn tests(workspace: &Workspace, loaded: &Loaded, report: &TestReport) -> Value {
    let models = loaded.spec.iter().flat_map(|spec| &spec.models.named).map(|(name, model)| {
        let provider = model.provider.map_or("unknown", aic_spec::Provider::as_str);
        (name.clone(), Value::from(provider))
    });
    json!({
        "models": models.collect::<Map<_, _>>(),
        "tally": report.tally(),
        "cost": report.cost(),
        "guardrails": report.guardrails(),
        "cases": report.cases.iter().map(|case| one_case(workspace, loaded, case)).collect::<Vec<_>>(),
    })
}

fn one_case(workspace: &Workspace, loaded: &Loaded, case: &CaseReport) -> Value {
    let mut value = serde_json::to_value(case).unwrap_or(Value::Null);
    value["kept"] = case.kept.into();
    value["latency_ms"] = json!(case.latency.as_secs_f64() * 1e3);
    if let Value::Object(map) = &mut value {
        map.shift_remove("latency");
        if case.verdict.is_fine() {
            map.shift_remove("trace");
        }
    }
    for (failure, value) in case.failures.iter().zip(value["failures"].as_array_mut().into_iter().flatten()) {
        value["place"] = super::tests::place(workspace, loaded, failure).into();
    }
    value
}

/// One run.
pub fn run(report: &TurnReport, provider: &str) -> Value {
    let mut value = json!({
        "run": report.run,
        "provider": provider,
        "outcome": report.outcome,
        "output": report.output,
        "cost": report.cost,
        "unpriced": report.unpriced,
        "usage": report.usage,
        "latency_ms": report.latency.as_secs_f64() * 1e3,
        "decisions": report.decisions,
        "trace": report.events,
    });
    if let Some(changes) = &report.workspace {
        value["workspace"] = json!(changes);
    }
    value
}
