//! Matchers against the one grammar, which base knows: they are compiled, and an error is led back to its place.

use super::Checker;
use crate::codes::BAD_MATCHER;
use crate::tree::Node;
use aic_base::Matcher;
use serde_json::{Map, Value};

impl Checker<'_, '_> {
    pub(super) fn matcher(&mut self, node: &Node) {
        if let Err(error) = Matcher::compile(&without_variables(&node.to_json(), None)) {
            let at = node.at(&error.path).unwrap_or(node);
            self.report(BAD_MATCHER, super::head(at, &self.doc.text), error.message, None);
        }
    }
}

/// Variables have no value yet: something of the type that the operator wants stands in for them.
fn without_variables(value: &Value, operator: Option<&str>) -> Value {
    match value {
        Value::String(text) if text.contains("${") => match operator {
            Some("gt" | "gte" | "lt" | "lte") => Value::from(0),
            Some("exists") => Value::from(true),
            Some("one_of" | "any_of" | "all_of") => Value::Array(Vec::new()),
            _ => Value::from("x"),
        },
        Value::Array(items) => Value::Array(items.iter().map(|item| without_variables(item, None)).collect()),
        Value::Object(map) => Value::Object(
            map.iter().map(|(key, item)| (key.clone(), without_variables(item, Some(key)))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}
