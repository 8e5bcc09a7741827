//! Reading values that the check has passed: the wrong ones are nothing here.

use super::schema_form;
use crate::codes::{BAD_CONDITION, BAD_FILE};
use crate::cx::{Cx, Doc};
use crate::tree;
use crate::tree::{Kind, Node};
use aic_base::{Usd, units};
use aic_guard::{Condition, ConditionProblem, Place};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// The items of a list, or the one value in its place.
pub(crate) fn list(node: &Node) -> Vec<&Node> {
    match &node.kind {
        Kind::Seq(items) => items.iter().collect(),
        Kind::Null => Vec::new(),
        _ => vec![node],
    }
}

pub(super) fn texts(node: &Node) -> Vec<String> {
    list(node).into_iter().filter_map(Node::text).map(str::to_owned).collect()
}

pub(super) fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::text).map(str::to_owned)
}

pub(crate) fn duration(node: &Node) -> Option<Duration> {
    match node.as_f64() {
        Some(seconds) => units::bare_seconds(seconds).ok(),
        None => {
            let text = node.text()?;
            units::duration(text).ok().or_else(|| units::bare_seconds(text.trim().parse().ok()?).ok())
        }
    }
}

pub(super) fn size(node: &Node) -> Option<u64> {
    units::size(node.text()?).ok()
}

pub(crate) fn share(node: &Node) -> Option<f64> {
    units::share(node.text()?).ok()
}

pub(super) fn money(node: &Node) -> Option<Usd> {
    units::money(node.text()?).ok().map(|rate| rate.amount)
}

pub(super) fn positive(node: &Node) -> Option<u32> {
    u32::try_from(node.as_i64()?).ok().filter(|number| *number > 0)
}

pub(super) fn json_map(node: Option<&Node>) -> Map<String, Value> {
    match node.map(Node::to_json) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A JSON Schema in place, or of the file that is named.
pub(super) fn json_schema(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> Option<Value> {
    let Some(name) = node.as_str() else {
        let is_map = matches!(node.kind, Kind::Map(_));
        if is_map {
            schema_form::check_node(cx, doc, node);
        }
        return is_map.then(|| node.to_json());
    };
    let path = cx.behaviour_file(doc, node, name, false)?;
    let text = cx.text_of(doc, node, &path)?;
    let value = if [".yml", ".yaml"].iter().any(|ending| name.ends_with(ending)) {
        tree::parse(&text).root.map(|root| root.to_json()).ok_or_else(|| "it is empty".to_owned())
    } else {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    match value {
        Ok(value @ Value::Object(_)) => {
            for why in schema_form::check_value(&value) {
                cx.report(doc.find(BAD_FILE, node.span, format!("`{path}`: {why}")));
            }
            Some(value)
        }
        Ok(Value::Bool(is)) => Some(Value::Bool(is)),
        Ok(_) => {
            cx.report(doc.find(BAD_FILE, node.span, format!("`{path}` is no JSON Schema: a map is expected")));
            None
        }
        Err(error) => {
            cx.report(doc.find(BAD_FILE, node.span, format!("`{path}` is no JSON Schema: {error}")));
            None
        }
    }
}

/// Compiles a condition and reports what is wrong at its place inside the scalar.
pub(crate) fn condition(cx: &mut Cx<'_>, doc: &Doc, node: &Node, place: Place) {
    let Some(text) = node.as_str() else { return };
    // Variables have no value yet.
    if text.contains("${") {
        return;
    }
    for problem in problems_of(text, place).iter() {
        let fix = problem.suggestion.as_deref().and_then(|meant| doc.replacing_inside(node, problem.span, meant));
        cx.report(doc.find_inside(BAD_CONDITION, node, problem.span, problem.message.clone()).fix(fix));
    }
}

/// What is wrong with a condition. Remembered by its text: CEL's parser takes a fifth of the time of a long document, and
/// from one keystroke to the next all conditions but one are the same.
fn problems_of(text: &str, place: Place) -> Arc<[ConditionProblem]> {
    /// By text. What is kept is bounded by this and the length of a condition that is read at all.
    type Known = HashMap<Box<str>, Arc<[ConditionProblem]>>;
    static KNOWN: LazyLock<Mutex<HashMap<Place, Known>>> = LazyLock::new(Mutex::default);
    const MAX_KNOWN: usize = 4096;
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = lock().get(&place).and_then(|known| known.get(text)) {
        return known.clone();
    }
    let found: Arc<[ConditionProblem]> = Condition::compile(text, place).err().unwrap_or_default().into();
    if text.len() <= Condition::MAX_LENGTH {
        let mut known = lock();
        let known = known.entry(place).or_default();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(text.into(), found.clone());
    }
    found
}
