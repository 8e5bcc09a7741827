//! Findings as SARIF 2.1.0, the exchange format of static analysis (OASIS), which code scanning services read.

use super::places::Places;
use crate::cli::Checked;
use aic_base::{RelPath, Span};
use aic_spec::{CODES, Diagnostic, Severity};
use serde_json::{Value, json};
use std::collections::HashSet;

/// One run over all specs.
pub fn document(all: &[Checked]) -> Value {
    let rules: Vec<Value> = CODES
        .iter()
        .map(|doc| {
            json!({
                "id": doc.code.0,
                "name": doc.title,
                "shortDescription": {"text": doc.title},
                "fullDescription": {"text": doc.explanation},
                "help": {
                    "text": format!("{}\n\nBad:\n{}\nGood:\n{}", doc.explanation, doc.bad, doc.good),
                    "markdown": format!("{}\n\nBad:\n```yaml\n{}```\nGood:\n```yaml\n{}```\n", doc.explanation, doc.bad, doc.good),
                },
                "defaultConfiguration": {"level": level(doc.severity)},
            })
        })
        .collect();
    let mut results: Vec<Value> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    for checked in all {
        let mut places = Places::new(&checked.loaded);
        for found in &checked.loaded.diagnostics {
            let result = result(checked, &mut places, found);
            // A base that several inherit from is looked at with each of them.
            if seen.insert(result.to_string()) {
                results.push(result);
            }
        }
    }
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "aic", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

fn result<'l>(checked: &'l Checked, places: &mut Places<'l>, found: &'l Diagnostic) -> Value {
    let mut message = found.message.clone();
    if let Some(help) = &found.help {
        message.push_str(&format!(" ({help})"));
    }
    let mut result = json!({
        "ruleId": found.code.0,
        "level": level(found.severity),
        "message": {"text": message},
        "locations": [location(checked, places, &found.file, found.span)],
    });
    if let Some(at) = CODES.iter().position(|doc| doc.code == found.code) {
        result["ruleIndex"] = at.into();
    }
    if !found.related.is_empty() {
        let related = found.related.iter().enumerate().map(|(id, related)| {
            let mut location = location(checked, places, &related.file, related.span);
            location["id"] = id.into();
            location["message"] = json!({"text": related.message});
            location
        });
        result["relatedLocations"] = related.collect();
    }
    if let Some(fix) = &found.fix {
        let replacements = fix.edits.iter().map(
            |(span, text)| json!({"deletedRegion": region(places, &found.file, *span), "insertedContent": {"text": text}}),
        );
        result["fixes"] = json!([{
            "description": {"text": fix.title},
            "artifactChanges": [{
                "artifactLocation": {"uri": uri(checked, &found.file)},
                "replacements": replacements.collect::<Vec<_>>(),
            }],
        }]);
    }
    result
}

fn location<'l>(checked: &Checked, places: &mut Places<'l>, file: &'l RelPath, span: Span) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(checked, file)},
        "region": region(places, file, span),
    }})
}

fn region<'l>(places: &mut Places<'l>, file: &'l RelPath, span: Span) -> Value {
    let (start, end) = places.of(file, span);
    json!({
        "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
        "byteOffset": span.start, "byteLength": span.len(),
    })
}

/// A relative reference, so that the report means the same on another machine.
fn uri(checked: &Checked, file: &RelPath) -> String {
    let shown = checked.workspace.shown(file).replace('\\', "/");
    let keep = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    let mut out = String::new();
    for c in shown.chars() {
        if keep(c) {
            out.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        }
    }
    out
}
