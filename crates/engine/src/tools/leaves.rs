//! What the arguments or the result of a call say, as text that guardrails judge; and what they take out of it, put back
//! into its place.
//!
//! The texts are judged together, one a line. Keys and numbers say something too, but what stands in a line with them is
//! another's: detectors judge them beside the texts, each number behind its key, so that nothing grows together.

use aic_base::{Action, Decision, Span};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// Between two things that have nothing to do with each other.
const APART: &str = "\n·\n";

/// The texts, keys and numbers of a value.
#[derive(Debug)]
pub(crate) struct Leaves {
    /// Every text, depth first, one a line.
    pub text: String,
    /// Every key once, and every number behind its key.
    pub beside: String,
    texts: Vec<Range<usize>>,
    keys: BTreeMap<String, Range<usize>>,
    numbers: BTreeMap<(String, String), Range<usize>>,
    /// Where keys stand before numbers; each stands alone too.
    leads: Vec<Range<usize>>,
}

impl Leaves {
    pub fn of(value: &Value) -> Self {
        let mut leaves = Self {
            text: String::new(),
            beside: String::new(),
            texts: Vec::new(),
            keys: BTreeMap::new(),
            numbers: BTreeMap::new(),
            leads: Vec::new(),
        };
        let mut open = vec![("", value)];
        while let Some((key, value)) = open.pop() {
            match value {
                Value::String(text) => {
                    if !leaves.texts.is_empty() {
                        leaves.text.push('\n');
                    }
                    let start = leaves.text.len();
                    leaves.text.push_str(text);
                    leaves.texts.push(start..leaves.text.len());
                }
                Value::Number(number) => leaves.number(key, number),
                Value::Array(list) => open.extend(list.iter().rev().map(|value| (key, value))),
                Value::Object(map) => {
                    map.keys().for_each(|key| leaves.key(key));
                    open.extend(map.iter().rev().map(|(key, value)| (key.as_str(), value)));
                }
                Value::Null | Value::Bool(_) => {}
            }
        }
        leaves
    }

    fn key(&mut self, key: &str) {
        if !self.keys.contains_key(key) {
            let range = self.aside("", key);
            self.keys.insert(key.to_owned(), range);
        }
    }

    fn number(&mut self, key: &str, number: &Number) {
        let entry = (key.to_owned(), decimal(number));
        if !self.numbers.contains_key(&entry) {
            let lead = if key.is_empty() { String::new() } else { format!("{key}: ") };
            let range = self.aside(&lead, &entry.1);
            self.leads.push(range.start - lead.len()..range.start);
            self.numbers.insert(entry, range);
        }
    }

    fn aside(&mut self, lead: &str, what: &str) -> Range<usize> {
        if !self.beside.is_empty() {
            self.beside.push_str(APART);
        }
        self.beside.push_str(lead);
        let start = self.beside.len();
        self.beside.push_str(what);
        start..self.beside.len()
    }

    /// Where what stands beside the texts begins, in the places of decisions.
    pub const fn beside_at(text: &str) -> usize {
        text.len() + APART.len()
    }

    /// The value with everything taken out that these decisions want redacted. `change` redacts one text, given what of
    /// the decisions is inside of it. What has no place in it (that of a condition, or of the whole text) takes all of it:
    /// `takes_all` says whose decisions are of that kind where they name the whole.
    pub fn redact(
        &self,
        mut value: Value,
        decisions: &[Decision],
        takes_all: &dyn Fn(&Decision) -> bool,
        change: &mut dyn FnMut(&str, Vec<Decision>, bool) -> String,
    ) -> Value {
        let decisions: Vec<&Decision> = decisions.iter().filter(|decision| decision.action == Action::Redact).collect();
        let beside = Self::beside_at(&self.text);
        let moved = |range: &Range<usize>| range.start + beside..range.end + beside;
        let whole = |decision: &&&Decision| {
            let Some(span) = decision.span.map(|span| span.range()) else { return true };
            let touches = |range: &Range<usize>| span.start < range.end && range.start < span.end;
            let somewhere = self.texts.iter().any(touches)
                || self
                    .keys
                    .values()
                    .chain(self.numbers.values())
                    .chain(&self.leads)
                    .any(|range| touches(&moved(range)));
            !somewhere || (takes_all(decision) && span.start == 0 && span.end >= self.text.len())
        };
        if let Some(decision) = decisions.iter().find(whole) {
            return Value::from(decision.replacement.as_deref().unwrap_or("[redacted]"));
        }
        let inside = |range: &Range<usize>| -> Vec<Decision> {
            let clipped = decisions.iter().filter_map(|decision| {
                let span = decision.span?.range();
                let (start, end) = (span.start.max(range.start), span.end.min(range.end));
                let at = Span::new(start.checked_sub(range.start)?, end.checked_sub(range.start)?);
                (start < end).then(|| Decision { span: Some(at), ..(*decision).clone() })
            });
            clipped.collect()
        };
        let mut texts = self.texts.iter();
        let mut open = vec![("", &mut value)];
        while let Some((key, value)) = open.pop() {
            match value {
                Value::String(text) => {
                    let decisions = texts.next().map(inside).unwrap_or_default();
                    *text = change(text, decisions, true);
                }
                Value::Number(number) => {
                    let digits = decimal(number);
                    let found = self.numbers.get(&(key.to_owned(), digits.clone()));
                    let decisions = found.map(|range| inside(&moved(range))).unwrap_or_default();
                    if !decisions.is_empty() {
                        *value = Value::from(change(&digits, decisions, false));
                    }
                }
                Value::Array(list) => open.extend(list.iter_mut().rev().map(|value| (key, value))),
                Value::Object(map) => {
                    let entries: Vec<(&String, &mut Value)> = map.iter_mut().collect();
                    open.extend(entries.into_iter().rev().map(|(key, value)| (key.as_str(), value)));
                }
                Value::Null | Value::Bool(_) => {}
            }
        }
        rename(&mut value, &mut |key| {
            let decisions = self.keys.get(key).map(|range| inside(&moved(range))).unwrap_or_default();
            if decisions.is_empty() { key.to_owned() } else { change(key, decisions, false) }
        });
        value
    }
}

/// A number as people write it: 250 and 250.0 are one.
pub(crate) fn decimal(number: &Number) -> String {
    /// From here on a float is no exact number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < EXACT => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// Changes every text inside a value, its keys, and numbers where their digits change: those become texts.
pub(crate) fn map_strings(value: &mut Value, change: &mut dyn FnMut(&str) -> String) {
    let mut open = vec![&mut *value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => *text = change(text),
            Value::Number(number) => {
                let digits = decimal(number);
                let changed = change(&digits);
                if changed != digits {
                    *value = Value::from(changed);
                }
            }
            Value::Array(list) => open.extend(list.iter_mut()),
            Value::Object(map) => open.extend(map.values_mut()),
            Value::Null | Value::Bool(_) => {}
        }
    }
    rename(value, change);
}

/// Changes every key. One that would become another's gets a number, so that no value is lost.
fn rename(value: &mut Value, change: &mut dyn FnMut(&str) -> String) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list.iter_mut()),
            Value::Object(map) => {
                if map.keys().any(|key| change(key) != *key) {
                    let mut renamed = Map::new();
                    for (key, value) in std::mem::take(map) {
                        let name = change(&key);
                        let (mut free, mut number) = (name.clone(), 1_usize);
                        while renamed.contains_key(&free) {
                            number += 1;
                            free = format!("{name} ({number})");
                        }
                        renamed.insert(free, value);
                    }
                    *map = renamed;
                }
                open.extend(map.values_mut());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::Stage;
    use serde_json::json;

    fn redaction(span: Option<Span>) -> Decision {
        Decision {
            guardrail: "mine".into(),
            stage: Stage::ToolResult,
            action: Action::Redact,
            span,
            reason: String::new(),
            replacement: Some("[mine]".into()),
            confidence: 1.0,
            failed: false,
        }
    }

    /// What is left where everything that reads like this is taken out.
    fn without(value: &Value, what: &str) -> Value {
        let leaves = Leaves::of(value);
        let beside = Leaves::beside_at(&leaves.text);
        let spans = |text: &str, by: usize| -> Vec<Decision> {
            let at = |(at, found): (usize, &str)| redaction(Some(Span::new(at + by, at + by + found.len())));
            text.match_indices(what).map(at).collect()
        };
        let decisions = [spans(&leaves.text, 0), spans(&leaves.beside, beside)].concat();
        redacted(&leaves, value, &decisions, false)
    }

    fn redacted(leaves: &Leaves, value: &Value, decisions: &[Decision], takes_all: bool) -> Value {
        leaves.redact(value.clone(), decisions, &|_| takes_all, &mut |text, decisions, _| {
            aic_guard::redact(text, &decisions)
        })
    }

    #[test]
    fn what_is_found_is_taken_out_where_it_stands() {
        let value = json!({"a": ["the FALCON flies", {"b": "FALCON"}], "FALCON": 1, "n": 12, "other": "no bird"});
        assert_eq!(
            without(&value, "FALCON"),
            json!({"a": ["the [mine] flies", {"b": "[mine]"}], "[mine]": 1, "n": 12, "other": "no bird"})
        );
        let value = json!({"card": [4_242_424_242_424_242_u64, 4_242_424_242_424_242.0, 7], "x": "y"});
        assert_eq!(without(&value, "4242424242424242"), json!({"card": ["[mine]", "[mine]", 7], "x": "y"}));
        let value = json!({"jane": 1, "jan": {"jane": 2}, "[mine]": 3});
        assert_eq!(without(&value, "jane"), json!({"[mine]": 1, "jan": {"[mine]": 2}, "[mine] (2)": 3}).clone());
    }

    #[test]
    fn what_reaches_over_several_texts_is_taken_out_of_each() {
        let value = json!(["one two", "three"]);
        let decision = redaction(Some(Span::new(4, 11)));
        assert_eq!(redacted(&Leaves::of(&value), &value, &[decision], false), json!(["one [mine]", "[mine]ee"]));
    }

    #[test]
    fn what_has_no_place_takes_all() {
        let value = json!({"a": "b", "n": 5});
        let leaves = Leaves::of(&value);
        for decision in [redaction(None), redaction(Some(Span::new(0, 1))), redaction(Some(Span::new(900, 901)))] {
            assert_eq!(redacted(&leaves, &value, &[decision], true), json!("[mine]"));
        }
        let nothing = json!({"n": 5});
        let decision = redaction(Some(Span::new(0, 0)));
        assert_eq!(redacted(&Leaves::of(&nothing), &nothing, &[decision], true), json!("[mine]"));
    }

    #[test]
    fn numbers_never_grow_together_and_stand_behind_their_keys() {
        let leaves = Leaves::of(&json!({"rows": [{"ssn": 1, "a": "x"}, {"ssn": 2.0, "a": "y"}, [4242, 4242]]}));
        assert_eq!(leaves.text, "x\ny");
        let parts: Vec<&str> = leaves.beside.split(APART).collect();
        for part in ["rows", "ssn", "a", "ssn: 1", "ssn: 2", "rows: 4242"] {
            assert_eq!(parts.iter().filter(|found| **found == part).count(), 1, "{parts:?}");
        }
    }
}
