//! Where what is said in a conversation came from, and what may be done with it.
//!
//! Text of an untrusted tool taints the conversation from then on: whoever wrote it may have written instructions. Under
//! taint, a call that changes or tells something needs a person's consent. An argument whose origin the spec names
//! (`args: {to: {from: [user, spec]}}`) is traced back to the texts that may give it.
//!
//! This is tracing by words, not proof: a model can say in other words what it read. Values that the spec pins by
//! origin are therefore refused unless they are found where they may come from.

use aic_base::{Action, Decision, Stage};
use aic_guard::normalize::{Folded, Folding};
use aic_spec::{Effect, Origin, Run, Spec, ToolSpec, WorkspaceMode};
use serde_json::Value;
use std::collections::BTreeSet;

/// The name under which it decides.
pub(crate) const NAME: &str = "flow";

/// The longest text of a result that is kept for tracing, in bytes.
const LONGEST: usize = 256 * 1024;
/// The most texts that are kept.
const MOST: usize = 200;

/// Texts of a conversation, by where they came from.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    results: Vec<Told>,
    /// Why the conversation holds data that is nobody else's business.
    sensitive: Option<String>,
}

/// What a tool returned.
#[derive(Debug)]
struct Told {
    tool: String,
    call: String,
    untrusted: bool,
    text: String,
}

/// The texts of the other origins.
pub(crate) struct Said<'a> {
    /// What the user said, and what the caller gave.
    pub user: Vec<String>,
    /// The spec.
    pub spec: &'a Spec,
    /// Whether untrusted text has entered the conversation, this turn's or an earlier one's.
    pub tainted: bool,
}

impl Flow {
    /// A tool has returned this.
    pub fn returned(&mut self, spec: &Spec, tool: &ToolSpec, call: &str, untrusted: bool, result: &Value) {
        let mut text = fold(&crate::tools::strings(result).join("\n"));
        text.push('\n');
        text.push_str(&numbers(result).join("\n"));
        for key in keys(result) {
            text.push('\n');
            text.push_str(&fold(key));
        }
        text.truncate(text.floor_char_boundary(LONGEST));
        if self.results.len() >= MOST {
            // What is trusted goes first: losing it makes the rules stricter, losing the other would make them weaker.
            let oldest = self.results.iter().position(|told| !told.untrusted).unwrap_or(0);
            self.results.remove(oldest);
        }
        self.results.push(Told { tool: tool.name.clone(), call: call.to_owned(), untrusted, text });
        let own = matches!(tool.run, Some(Run::Sql(_) | Run::Command(_) | Run::Shell(_)))
            || (matches!(tool.run, Some(Run::Wasm(_))) && spec.sandbox.workspace != WorkspaceMode::None)
            || (matches!(tool.run, Some(Run::Mcp { .. })) && !untrusted);
        if own {
            self.sensitive.get_or_insert_with(|| format!("{} (call {call}) read data of the workspace", tool.name));
        }
    }

    /// Personal data or a secret was found.
    pub fn found_private(&mut self, by: &str) {
        self.sensitive.get_or_insert_with(|| format!("`{by}` found private data"));
    }

    /// What is said of a call before it runs; the strictest first.
    pub fn judge(
        &self,
        tool: &ToolSpec,
        call: &str,
        args: &Value,
        rule_of_two: Option<Action>,
        said: &Said<'_>,
    ) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for (argument, origins) in &tool.origins {
            let Some(value) = args.get(argument) else { continue };
            decisions.extend(self.trace(tool, call, argument, value, origins, said));
        }
        if said.tainted && tool.effect != Effect::Read {
            let path = self.path(&tool.name, call);
            if let (Some(action), Some(sensitive), Effect::Egress) = (rule_of_two, &self.sensitive, tool.effect) {
                let reason = format!("untrusted input, private data and an outside effect meet: {path}; {sensitive}");
                decisions.push(decision(action, reason));
            }
            let does = if tool.effect == Effect::Egress { "reaches outside" } else { "changes something" };
            let reason = format!("`{}` {does} while untrusted text is in the conversation: {path}", tool.name);
            decisions.push(decision(Action::RequireConfirmation, reason));
        }
        decisions.sort_by_key(|decision| std::cmp::Reverse(decision.action));
        decisions
    }

    /// `fetch_page (call c1) → the model → refund (call c2)`.
    fn path(&self, tool: &str, call: &str) -> String {
        let sources: Vec<String> = self
            .results
            .iter()
            .filter(|told| told.untrusted)
            .take(3)
            .map(|told| format!("{} (call {})", told.tool, told.call))
            .collect();
        let from = if sources.is_empty() { "an earlier turn".to_owned() } else { sources.join(", ") };
        format!("{from} → the model → {tool} (call {call})")
    }

    fn trace(
        &self,
        tool: &ToolSpec,
        call: &str,
        argument: &str,
        value: &Value,
        origins: &[Origin],
        said: &Said<'_>,
    ) -> Option<Decision> {
        for leaf in leaves(value) {
            let from_user = || said.user.iter().any(|text| holds(&fold(text), &leaf));
            let from_spec = || spec_texts(said.spec, tool).iter().any(|text| holds(&fold(text), &leaf));
            let told = |untrusted: bool| {
                self.results.iter().find(|told| told.untrusted == untrusted && holds(&told.text, &leaf))
            };
            let allowed = origins.iter().any(|origin| match origin {
                Origin::User => from_user(),
                Origin::Spec => from_spec(),
                Origin::Tool => told(false).is_some(),
                Origin::Model => told(true).is_none(),
            });
            if allowed {
                continue;
            }
            let words: Vec<&str> = origins.iter().map(|origin| origin.as_str()).collect();
            let may = format!("`{argument}` may come from {}", words.join(", "));
            let name = &tool.name;
            let reason = match told(true).or_else(|| told(false)) {
                Some(told) => {
                    let kind = if told.untrusted { "untrusted " } else { "" };
                    format!(
                        "{may}, and its value first appeared in what the {kind}tool {} returned: {} (call {}) → the model → {name}.{argument} (call {call})",
                        told.tool, told.tool, told.call
                    )
                }
                None => {
                    format!("{may}, and its value is in none of these: the model → {name}.{argument} (call {call})")
                }
            };
            return Some(decision(Action::Block, reason));
        }
        None
    }
}

fn decision(action: Action, reason: String) -> Decision {
    Decision {
        guardrail: NAME.into(),
        stage: Stage::ToolCall,
        action,
        span: None,
        reason,
        replacement: None,
        confidence: 1.0,
        failed: false,
    }
}

/// What the spec says that a value may have come from.
fn spec_texts(spec: &Spec, tool: &ToolSpec) -> Vec<String> {
    let prompts = &spec.prompts;
    let mut texts: Vec<String> = prompts.system.iter().chain(&prompts.user).map(|text| text.text.clone()).collect();
    texts.extend(prompts.messages.iter().map(|message| message.text.text.clone()));
    texts.extend(prompts.constraints.iter().cloned());
    texts.extend(prompts.variables.values().filter_map(|variable| variable.default.clone()));
    texts.push(tool.description.clone());
    texts.extend(crate::tools::strings(&tool.parameters).into_iter().map(str::to_owned));
    texts.extend(numbers(&tool.parameters));
    texts
}

/// Letter case, width and spacing do not make another value.
fn fold(text: &str) -> String {
    let folded = Folded::new(text, Folding::WORDS).text;
    let mut out = String::with_capacity(folded.len());
    for c in folded.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if !(c == ' ' && out.ends_with(' ')) {
            out.push(c);
        }
    }
    out
}

/// The texts and numbers inside a value, folded; what is true, false or empty says nothing of its origin.
fn leaves(value: &Value) -> Vec<String> {
    let texts = crate::tools::strings(value).into_iter().map(|text| fold(text).trim().to_owned());
    texts.chain(numbers(value)).filter(|leaf| !leaf.is_empty()).collect()
}

/// The keys inside a value, each once: what a page says can stand there too.
fn keys(value: &Value) -> BTreeSet<&str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![value]);
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                found.extend(map.keys().map(String::as_str));
                open.extend(map.values());
            }
            _ => {}
        }
    }
    found
}

fn numbers(value: &Value) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![value]);
    while let Some(value) = open.pop() {
        match value {
            Value::Number(number) => found.push(crate::tools::decimal(number)),
            Value::Array(list) => open.extend(list.iter().rev()),
            Value::Object(map) => open.extend(map.values().rev()),
            _ => {}
        }
    }
    found
}

/// Whether a text holds a value, not as a part of a longer word or number.
fn holds(text: &str, value: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(value).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        let begins = found.chars().next().is_some_and(char::is_alphanumeric);
        let ends = found.chars().next_back().is_some_and(char::is_alphanumeric);
        !(begins && inside(before) || ends && inside(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_as_a_whole_word_whatever_its_case_and_spacing() {
        let text = fold("Please refund  1,250 to DE44 5001 (Jane\nRoe) of order 77");
        for there in ["de44 5001", "jane roe", "77", "1,250", "refund"] {
            assert!(holds(&text, there), "{there}");
        }
        for absent in ["7", "refun", "5001 j", "44 500", "roe of"] {
            assert!(!holds(&text, absent), "{absent}");
        }
    }

    #[test]
    fn numbers_are_one_however_they_are_written() {
        assert_eq!(numbers(&serde_json::json!({"a": [250, 250.0, 2.5], "b": -3})), ["250", "250", "2.5", "-3"]);
    }
}
