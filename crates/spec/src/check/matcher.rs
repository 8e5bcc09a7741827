//! Matchers against the one grammar, which base knows: they are compiled, and an error is led back to its place.

use super::Checker;
use crate::Severity;
use crate::codes::BAD_MATCHER;
use crate::tree::Node;
use crate::words::{did_you_mean, nearest, shown};
use aic_base::{
    Matcher,
    matcher::{OPERATORS, is_operator},
};
use serde_json::{Map, Value};

impl Checker<'_, '_> {
    pub(super) fn matcher(&mut self, node: &Node) {
        let mut value = without_variables(&node.to_json(), None);
        let mut told: Vec<Vec<String>> = Vec::new();
        // Compiling ends at the first error: what is wrong there is taken out, and the rest is looked at again.
        while let Err(error) = Matcher::compile(&value) {
            if told.contains(&error.path) || told.len() >= MOST_ERRORS {
                break;
            }
            let at = node.at(&error.path).unwrap_or(node);
            self.report(BAD_MATCHER, super::head(at, &self.doc.text), error.message, None);
            match place_in(&mut value, &error.path) {
                Some(wrong) => *wrong = stand_in(error.path.last().map(String::as_str)),
                None => break,
            }
            told.push(error.path);
        }
        self.slips(node, 0);
    }

    /// A map of one key that is nearly an operator: as it stands, a map with this key is wanted.
    fn slips(&mut self, node: &Node, depth: usize) {
        if depth > 32 {
            return;
        }
        if let [entry] = node.entries()
            && let Some(key) = entry.key.text()
            && !is_operator(key)
            && key.len() >= 3
            && let Some(meant) = nearest(key, OPERATORS)
        {
            let message = format!(
                "`{}` is no operator, so this stands for a map with such a key{}",
                shown(key),
                did_you_mean(Some(meant))
            );
            let found = self.doc.find(BAD_MATCHER, entry.key.span, message).severity(Severity::Warning);
            self.cx.report(found.fix(Some(self.doc.replacing(&entry.key, meant))));
        }
        node.items().iter().for_each(|item| self.slips(item, depth + 1));
        for entry in node.entries().iter().filter(|entry| entry.key.text() != Some("equals")) {
            self.slips(&entry.value, depth + 1);
        }
    }
}

/// How many errors of one matcher are told.
const MOST_ERRORS: usize = 20;

/// The value at the end of these keys and indices.
fn place_in<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        other => other.get_mut(step),
    })
}

/// Something of the type that an operator wants.
fn stand_in(operator: Option<&str>) -> Value {
    match operator {
        Some("gt" | "gte" | "lt" | "lte") => Value::from(0),
        Some("exists") => Value::from(true),
        Some("one_of" | "any_of" | "all_of") => Value::Array(Vec::new()),
        _ => Value::from("x"),
    }
}

/// Variables have no value yet: something of the type that the operator wants stands in for them.
fn without_variables(value: &Value, operator: Option<&str>) -> Value {
    match value {
        Value::String(text) if text.contains("${") => stand_in(operator),
        Value::Array(items) => Value::Array(items.iter().map(|item| without_variables(item, None)).collect()),
        Value::Object(map) => Value::Object(
            map.iter().map(|(key, item)| (key.clone(), without_variables(item, Some(key)))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}
