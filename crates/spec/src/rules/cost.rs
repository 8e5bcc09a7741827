//! What tests expect of their cost, where nothing says what the model charges.

use super::Whole;
use super::models::{cap, has_no_price};
use super::never::inner;
use crate::Diagnostic;
use crate::codes::UNKNOWN_PRICE;
use crate::cx::Cx;
use crate::lower::read::list;
use crate::tree::Node;
use crate::typed::{Expect, ModelSpec, TestDef, TestInput};
use crate::words::shown;
use aic_base::{RelPath, Span};
use std::collections::BTreeSet;

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let models = &whole.spec.models;
    let mut all = models.fallback.iter().chain(models.named.values());
    if !all.any(has_no_price) {
        return;
    }
    let mut said: BTreeSet<(&RelPath, Span)> = BTreeSet::new();
    for test in whole.spec.tests.iter().filter(|test| test.skip.is_none()) {
        let Some(model) = unpriced(whole, test) else { continue };
        let turns = match &test.input {
            TestInput::Turns(turns) => turns.as_slice(),
            TestInput::Cases(_) => &[],
        };
        for expect in test.expect.iter().chain(turns.iter().flat_map(|turn| &turn.expect)) {
            // What `test_defaults` expects is expected by every test, and stands once.
            if asks_for_cost(expect, 0) && said.insert((&expect.file, expect.span)) {
                let message = format!(
                    "nothing says what `{}` costs, so what this test costs cannot be judged: give the model a `pricing`",
                    shown(&model.model)
                );
                let mut found = Diagnostic::new(UNKNOWN_PRICE, &expect.file, expect.span, message);
                if let Some(place) = place(whole, model) {
                    found = found.related(&whole.doc.path, place, "the model");
                }
                cx.report(
                    found.help("pricing: {input_per_mtok: …, output_per_mtok: …}, in US dollars a million tokens"),
                );
            }
        }
    }
}

/// A model that may answer in this test and has no price; none where a cap has it said at the model.
fn unpriced<'w>(whole: &Whole<'w>, test: &TestDef) -> Option<&'w ModelSpec> {
    let models = &whole.spec.models;
    let of_matrix = test.matrix.get("models").map(Vec::as_slice).unwrap_or_default();
    let mut named: Vec<&str> = test.model.as_deref().into_iter().chain(of_matrix.iter().map(String::as_str)).collect();
    if named.is_empty() {
        named.push("primary");
    }
    let capped = cap(whole).is_some();
    let named = named.into_iter().filter(|name| !capped || *name != "primary");
    let fallback = models.fallback.iter().filter(|_| !capped);
    named.filter_map(|name| models.named.get(name)).chain(fallback).find(|model| has_no_price(model))
}

fn asks_for_cost(expect: &Expect, depth: usize) -> bool {
    match expect.kind.as_str() {
        "cost" => true,
        "any_of" | "all_of" if depth < 8 => {
            inner(expect).is_some_and(|all| all.iter().any(|one| asks_for_cost(one, depth + 1)))
        }
        // A `not` has one, or a list of them.
        "not" => expect.value.as_object().is_some_and(|map| map.contains_key("cost")),
        _ => false,
    }
}

fn place(whole: &Whole<'_>, model: &ModelSpec) -> Option<Span> {
    let node = match model.name.as_str() {
        "fallback" => {
            let fallback = whole.at(&["models", "fallback"])?;
            let is_it = |node: &&Node| node.get("model").and_then(Node::text) == Some(model.model.as_str());
            list(fallback).into_iter().find(is_it).unwrap_or(fallback)
        }
        name => whole.at(&["models", name])?,
    };
    Some(node.get("model").unwrap_or(node).span)
}
