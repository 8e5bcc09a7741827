//! Expectations: a word, or a map of one key.

use super::{At, Checker, head};
use crate::codes::{BAD_EXPECTATION, UNKNOWN_EXPECTATION};
use crate::schema::{BARE_EXPECTATIONS, EXPECTATIONS, Enforced};
use crate::tree::{Kind, Node, Style};
use crate::words::{did_you_mean, nearest, shown};

impl Checker<'_, '_> {
    pub(super) fn expectation(&mut self, node: &Node, at: At<'_>) {
        let at = At { expectation: true, top: false, ..at };
        match &node.kind {
            Kind::Str(word) if BARE_EXPECTATIONS.contains(&word.as_str()) => {}
            Kind::Str(word) => match EXPECTATIONS.key(word) {
                Some(key) => {
                    let message = format!("`{word}` needs a value: {}", super::lower_first(key.doc));
                    self.report(BAD_EXPECTATION, node.span, message, None);
                }
                None => self.unknown_expectation(node, word),
            },
            Kind::Map(entries) => {
                if let Some(kind) = node.get("type").filter(|_| EXPECTATIONS.key("type").is_none()) {
                    return self.of_another_tool(node, kind);
                }
                let [entry] = entries.as_slice() else {
                    let message = match entries.len() {
                        0 => "an expectation is missing here".to_owned(),
                        count => {
                            format!("an expectation is a map of one key, not of {count}: write one list item for each")
                        }
                    };
                    // Keys that are expectations each are worth looking at all the same.
                    for entry in entries {
                        self.one(&entry.key, &entry.value, at);
                    }
                    return self.report(BAD_EXPECTATION, head(node, &self.doc.text), message, None);
                };
                self.one(&entry.key, &entry.value, at);
            }
            _ => {
                let message = format!("an expectation is a word or a map of one key, not {}", node.describe());
                self.report(BAD_EXPECTATION, head(node, &self.doc.text), message, None);
            }
        }
    }

    /// `{type: contains, value: x}`.
    fn of_another_tool(&mut self, node: &Node, kind: &Node) {
        let said = kind.text().unwrap_or("").replace('-', "_");
        let known = EXPECTATIONS.key(&said).map(|key| key.name);
        let meant = known.or_else(|| nearest(&said, EXPECTATIONS.keys().map(|key| key.name)));
        let message = match meant {
            Some(meant) => format!("an expectation is written `{meant}: VALUE`, without `type`"),
            None => format!(
                "`{}` is no expectation, and an expectation is written `KIND: VALUE`, without `type`",
                shown(&said)
            ),
        };
        // With a value that stands on one line the whole can be written anew.
        let value = node.get("value").filter(|value| {
            !matches!(
                value.style,
                Style::Literal | Style::Folded | Style::Alias | Style::TripleQuoted | Style::TripleLiteral
            )
        });
        let fix = match (meant, value, node.style) {
            (Some(meant), Some(value), Style::Flow) if node.entries().len() == 2 => {
                Some(crate::Fix::replace(node.span, &format!("{{{meant}: {}}}", value.span.of(&self.doc.text))))
            }
            _ => None,
        };
        self.report(UNKNOWN_EXPECTATION, kind.span, message, fix);
    }

    fn one(&mut self, key: &Node, value: &Node, at: At<'_>) {
        let name = key.key_text();
        let Some(known) = EXPECTATIONS.key(&name) else { return self.unknown_expectation(key, &name) };
        let mut inside = At { key: &name, ..at };
        if let Enforced::NotYet { .. } = known.enforced
            && !at.muted
        {
            inside.muted = true;
            let what = format!(
                "the expectation `{name}` is understood, but this version cannot judge it: a test that has it does not run"
            );
            self.cx.report(self.doc.find(crate::codes::NOT_ENFORCED, key.span, what));
        }
        if !value.is_null() {
            self.value(value, &known.shape, inside);
        } else if !BARE_EXPECTATIONS.contains(&&*name) && name != "equals" {
            let message = format!("`{name}` needs a value: {}", super::lower_first(known.doc));
            self.report(BAD_EXPECTATION, key.span, message, None);
        }
    }

    fn unknown_expectation(&mut self, node: &Node, name: &str) {
        let meant = nearest(name, EXPECTATIONS.keys().map(|key| key.name));
        let message = format!("`{}` is no expectation{}", shown(name), did_you_mean(meant));
        let mut finding = self.doc.find(UNKNOWN_EXPECTATION, node.span, message);
        match meant {
            Some(meant) => finding = finding.fix(Some(self.doc.replacing(node, meant))),
            None => {
                let known: Vec<_> = EXPECTATIONS.keys().map(|key| key.name).collect();
                finding = finding.help(format!("expectations: {}", known.join(", ")));
            }
        }
        self.cx.report(finding);
    }
}
