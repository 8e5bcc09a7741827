//! The audit row of a run: the fields that `audit_log` names, and no others.

use super::{Run, Stop};
use aic_base::{Outcome, Stage};
use aic_guard::{AuditLog, GuardKind};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Which texts of a run were looked at, and by what.
#[derive(Debug, Default)]
pub(super) struct Scanned(BTreeMap<Stage, Texts>);

#[derive(Debug, Default)]
struct Texts {
    number: u64,
    bytes: u64,
    by: BTreeSet<String>,
}

impl Scanned {
    /// A text of so many bytes has passed this stage, where these guards look.
    pub(super) fn add<'g>(&mut self, stage: Stage, bytes: usize, by: impl Iterator<Item = &'g str>) {
        let texts = self.0.entry(stage).or_default();
        texts.number += 1;
        texts.bytes += bytes as u64;
        texts.by.extend(by.map(str::to_owned));
    }

    /// By stage, the texts that passed, how long they were, and who looked; and the stages where nobody did.
    fn told(&self) -> Value {
        let stage = |(stage, texts): (&Stage, &Texts)| {
            (stage.as_str().to_owned(), json!({ "texts": texts.number, "bytes": texts.bytes, "by": texts.by }))
        };
        let not: Vec<&str> =
            self.0.iter().filter(|(_, texts)| texts.by.is_empty()).map(|(stage, _)| stage.as_str()).collect();
        json!({ "stages": self.0.iter().map(stage).collect::<Map<_, _>>(), "not": not })
    }
}

impl Run<'_> {
    /// `audit_log`: the declared fields, whatever the outcome. A row that cannot be written fails the run.
    pub(super) fn audited(&mut self, ended: Result<String, Stop>) -> Result<String, Stop> {
        let container = self.container;
        let logs = container.guards.iter().filter_map(|guard| match &guard.kind {
            GuardKind::AuditLog(log) => Some(log),
            _ => None,
        });
        let outcome = ended.as_ref().err().map_or(Outcome::Completed, Stop::outcome);
        for log in logs {
            let fields = self.audit_fields(log, outcome);
            if let Err(error) = self.conversation.options.recorder.audit(&self.trace.run, &fields) {
                return Err(Stop::Failed(format!("the audit log cannot be written: {error}")));
            }
        }
        ended
    }

    fn audit_fields(&self, log: &AuditLog, outcome: Outcome) -> Map<String, Value> {
        let spec = &self.container.spec;
        let mut fields = Map::new();
        fields.insert("spec".into(), spec.name.as_str().into());
        for field in &log.fields {
            let value = match field.as_str() {
                "operation" => {
                    let tools: Vec<&str> = self.calls.iter().map(|call| call.name.as_str()).collect();
                    json!({ "tools": tools, "outcome": outcome.as_str() })
                }
                "affected_count" => self.calls.iter().filter_map(|call| call.changed).sum::<u64>().into(),
                "user_id" => self.conversation.options.user.id.clone().into(),
                "cost" => json!(self.cost.dollars()),
                "latency" => u64::try_from(self.trace.elapsed().as_millis()).unwrap_or(u64::MAX).into(),
                "scanned" => self.scanned.told(),
                "guardrails" => self.decisions.iter().map(|decision| decision.guardrail.as_str()).collect(),
                _ => continue,
            };
            fields.insert(field.clone(), value);
        }
        fields
    }
}
