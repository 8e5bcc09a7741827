//! `compliance:` tags are promises that can be looked up in the spec: which controls are there, and which are missing.
//!
//! "Controls present" is all that this says; nothing here makes anything compliant.

use super::Whole;
use crate::codes::{COMPLIANCE, SECRET, UNPINNED_MODEL};
use crate::cx::Cx;
use crate::lower::read::duration;
use crate::tree::Node;
use crate::typed::{Expect, Provider, TestInput};
use aic_base::{Action, Stage};
use aic_guard::{Builtin, Guard};
use serde_json::Value;
use std::time::Duration;

const DAY: u64 = 86_400;
/// HIPAA keeps records of what was done for six years: 45 CFR 164.316(b)(2)(i).
const SIX_YEARS: Duration = Duration::from_secs(2190 * DAY);

/// A control: who asks for it, what it is, and whether it is there.
struct Control {
    tags: &'static [&'static str],
    what: &'static str,
    present: fn(&Evidence<'_>) -> bool,
}

const ALL: &[&str] = &["GDPR", "HIPAA", "SOC2"];

const CONTROLS: &[Control] = &[
    Control { tags: ALL, what: "an audit (the guardrail `audit_log`)", present: |it| it.audit() },
    Control { tags: ALL, what: "secrets only by name", present: |it| !it.found_secret },
    Control { tags: ALL, what: "pinned models", present: |it| !it.found_floating },
    Control {
        tags: ALL,
        what: "how long the audit is kept (`audit.retention`)",
        present: |it| it.says(&["audit", "retention"]),
    },
    Control {
        tags: ALL,
        what: "how long content is kept (`governance.content_retention`)",
        present: |it| it.says(&["governance", "content_retention"]),
    },
    Control {
        tags: &["GDPR"],
        what: "a purpose (`governance.purpose`)",
        present: |it| it.says(&["governance", "purpose"]),
    },
    Control {
        tags: &["GDPR"],
        what: "a lawful basis (`governance.lawful_basis`)",
        present: |it| it.says(&["governance", "lawful_basis"]),
    },
    Control {
        tags: &["GDPR"],
        what: "personal data redacted before the model (`pii_protection` or `data_privacy` on the input)",
        present: |it| it.redacts_at(Stage::PreExecution),
    },
    Control {
        tags: &["GDPR"],
        what: "personal data redacted before the log (`pii_protection` or `data_privacy` on the output)",
        present: |it| it.redacts_at(Stage::PostExecution),
    },
    Control {
        tags: &["GDPR"],
        what: "an erasure key (`governance.erasure_key`)",
        present: |it| it.says(&["governance", "erasure_key"]),
    },
    Control {
        tags: &["GDPR"],
        what: "no personal data in the audit chain (`audit.personal_data` or `data_privacy`)",
        present: |it| !it.whole.spec.personal_data.is_empty() || it.has(Builtin::DataPrivacy),
    },
    Control {
        tags: &["HIPAA"],
        what: "an audit kept for 2,190 days (`audit.retention: 2190d`)",
        present: |it| it.whole.at(&["audit", "retention"]).and_then(duration).is_some_and(|kept| kept >= SIX_YEARS),
    },
    Control {
        tags: &["HIPAA"],
        what: "encryption at rest (`context.persistence.encryption: AES-256`)",
        present: |it| it.word(&["context", "persistence", "encryption"]) == Some("AES-256"),
    },
    Control { tags: &["HIPAA"], what: "a redaction guard with a test", present: |it| it.tested_redaction() },
    Control {
        tags: &["HIPAA"],
        what: "an agreement with each provider (`governance.agreements`)",
        present: |it| it.agreements(),
    },
    Control {
        tags: &["HIPAA"],
        what: "an allow-list of tools (`tools.allowed`)",
        present: |it| it.says(&["tools", "allowed"]),
    },
    Control {
        tags: &["HIPAA"],
        what: "an allow-list of hosts (addresses of tools and servers whose host is no variable)",
        present: |it| it.hosts_are_named(),
    },
    Control {
        tags: &["SOC2"],
        what: "somebody else's approval (`deployment.approval_required: true`)",
        present: |it| it.yes(&["deployment", "approval_required"]),
    },
    Control {
        tags: &["SOC2"],
        what: "tests passed on the exact version (`deployment.testing_required: true`)",
        present: |it| it.yes(&["deployment", "testing_required"]),
    },
    Control {
        tags: &["SOC2"],
        what: "a version to go back to (`deployment.rollback_plan: mandatory`)",
        present: |it| it.word(&["deployment", "rollback_plan"]) == Some("mandatory"),
    },
    Control {
        tags: &["SOC2"],
        what: "an alert rule (`deployment.alerts`)",
        present: |it| it.whole.at(&["deployment", "alerts"]).is_some_and(|alerts| !alerts.items().is_empty()),
    },
];

struct Evidence<'e> {
    whole: &'e Whole<'e>,
    guards: Vec<Guard>,
    found_secret: bool,
    found_floating: bool,
}

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let tags = whole.at(&["compliance"]).map(Node::items).unwrap_or_default();
    if tags.is_empty() || whole.open {
        return;
    }
    let found = |code| cx.found.iter().any(|found| found.code == code);
    let evidence = Evidence {
        whole,
        guards: whole.spec.guardrails.iter().filter_map(|def| Guard::compile(def).ok()).collect(),
        found_secret: found(SECRET),
        found_floating: found(UNPINNED_MODEL),
    };
    for tag in tags {
        let Some(name) = tag.text() else { continue };
        let asked = CONTROLS.iter().filter(|control| control.tags.contains(&name));
        let missing: Vec<&str> =
            asked.filter(|control| !(control.present)(&evidence)).map(|control| control.what).collect();
        if !missing.is_empty() {
            let message = format!("`{name}` is a promise, and these controls are missing: {}", missing.join("; "));
            cx.report(whole.doc.find(COMPLIANCE, tag.span, message));
        }
    }
}

impl Evidence<'_> {
    fn says(&self, path: &[&str]) -> bool {
        self.whole.at(path).is_some()
    }

    fn word(&self, path: &[&str]) -> Option<&str> {
        self.whole.at(path).and_then(Node::text)
    }

    fn yes(&self, path: &[&str]) -> bool {
        self.whole.at(path).and_then(Node::as_bool) == Some(true)
    }

    fn has(&self, builtin: Builtin) -> bool {
        self.guards.iter().any(|guard| guard.builtin == Some(builtin))
    }

    fn audit(&self) -> bool {
        self.has(Builtin::AuditLog)
    }

    fn redactors(&self) -> impl Iterator<Item = &Guard> {
        self.guards.iter().filter(|guard| {
            matches!(guard.builtin, Some(Builtin::PiiProtection | Builtin::DataPrivacy))
                && guard.action >= Action::Redact
        })
    }

    fn redacts_at(&self, stage: Stage) -> bool {
        self.redactors().any(|guard| guard.stages.contains(&stage))
    }

    /// A test that expects the guard to act.
    fn tested_redaction(&self) -> bool {
        let tests = &self.whole.spec.tests;
        let expected: Vec<&Expect> = tests
            .iter()
            .flat_map(|test| {
                let turns = match &test.input {
                    TestInput::Turns(turns) => turns.as_slice(),
                    TestInput::Cases(_) => &[],
                };
                test.expect.iter().chain(turns.iter().flat_map(|turn| &turn.expect))
            })
            .collect();
        let names = |value: &Value, name: &str| {
            value.as_str() == Some(name)
                || ["name", "by"].iter().any(|key| value.get(key).and_then(Value::as_str) == Some(name))
        };
        self.redactors().any(|guard| {
            expected.iter().any(|expect| {
                matches!(expect.kind.as_str(), "guardrail" | "blocked") && names(&expect.value, &guard.name)
            })
        })
    }

    /// Whether each address that tools and servers reach says its host. What the sandbox reaches is a list, or nothing.
    fn hosts_are_named(&self) -> bool {
        let named = |node: &Node| {
            let host = node.as_str().and_then(|text| text.split_once("://")).map_or("${", |(_, rest)| rest);
            !host.split('/').next().unwrap_or("").contains(['$', '*'])
        };
        let tools = self.whole.at(&["tools", "allowed"]).map(Node::items).unwrap_or_default();
        let servers = self.whole.at(&["tools", "servers"]).map(Node::entries).unwrap_or_default();
        tools.iter().filter_map(|tool| tool.at(&["run", "http"])).all(named)
            && servers.iter().filter_map(|server| server.value.get("url")).all(named)
    }

    /// Whom content goes to: every provider but those that run here.
    fn agreements(&self) -> bool {
        let models = &self.whole.spec.models;
        let agreed = self.whole.at(&["governance", "agreements"]);
        models.named.values().chain(&models.fallback).filter_map(|model| model.provider).all(|provider| {
            matches!(provider, Provider::Scripted | Provider::Replay | Provider::Ollama)
                || agreed.is_some_and(|agreed| agreed.get(provider.as_str()).is_some_and(|node| !node.is_null()))
        })
    }
}
