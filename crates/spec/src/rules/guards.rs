//! Guardrails that never get to say anything: an earlier one stops, at the same places, all that they would.

use super::Whole;
use crate::codes::SHADOWED;
use crate::cx::Cx;
use crate::tree::Node;
use aic_base::Action;
use aic_guard::{Detector, Guard, GuardKind};
use std::collections::HashMap;

/// Pairs are compared, so only so many guardrails are.
const MOST: usize = 200;

pub(super) fn shadowed(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let places: HashMap<&str, &Node> = nodes(whole.root);
    let guards: Vec<Guard> =
        whole.spec.guardrails.iter().take(MOST).filter_map(|def| Guard::compile(def).ok()).collect();
    for (at, later) in guards.iter().enumerate() {
        let Some(earlier) = guards.iter().take(at).find(|earlier| covers(earlier, later)) else { continue };
        let (Some(here), Some(there)) = (places.get(later.name.as_str()), places.get(earlier.name.as_str())) else {
            continue;
        };
        let message = format!(
            "`{}` stops everything that `{}` would, at the same places, so this one never decides: remove it, or make it stricter",
            earlier.name, later.name
        );
        let span = |item: &Node| item.get("name").map_or(item.span, |name| name.span);
        let found = whole.doc.find(SHADOWED, span(here), message);
        cx.report(found.related(&whole.doc.path, span(there), "the one that comes first"));
    }
}

/// The guardrails of the long form by name.
fn nodes(root: &Node) -> HashMap<&str, &Node> {
    let validation = root.at(&["prompts", "user", "validation"]).into_iter();
    let stages = root.get("guardrails").map(Node::entries).unwrap_or_default().iter().map(|stage| &stage.value);
    let items = validation.chain(stages).flat_map(Node::items);
    items.filter_map(|item| Some((item.get("name")?.text()?, item))).collect()
}

/// Whether whatever the later one fires on has been stopped by the earlier one.
fn covers(earlier: &Guard, later: &Guard) -> bool {
    let stops = earlier.action >= later.action && earlier.action >= Action::RequireConfirmation
        || earlier.action == later.action && earlier.action == Action::Redact;
    let tools = earlier.tools.is_empty()
        || (!later.tools.is_empty() && later.tools.iter().all(|tool| earlier.tools.contains(tool)));
    let stages = later.stages.iter().all(|stage| earlier.stages.contains(stage));
    let results = !earlier.untrusted_results_only || later.untrusted_results_only;
    stops && tools && stages && results && stricter(&earlier.kind, &later.kind)
}

fn stricter(earlier: &GuardKind, later: &GuardKind) -> bool {
    match (earlier, later) {
        (GuardKind::Condition(a), GuardKind::Condition(b)) => a.as_str().trim() == b.as_str().trim(),
        (GuardKind::Detector(a), GuardKind::Detector(b)) => detects_more(a, b),
        (GuardKind::RateLimit(a), GuardKind::RateLimit(b)) => {
            a.per_user == b.per_user && a.max_operations <= b.max_operations && a.window >= b.window
        }
        (GuardKind::CostControl(a), GuardKind::CostControl(b)) => a.max_per_hour <= b.max_per_hour,
        _ => false,
    }
}

fn detects_more(a: &Detector, b: &Detector) -> bool {
    match (a, b) {
        (Detector::MaxLength(a), Detector::MaxLength(b)) => a <= b,
        (Detector::SqlInjection(a), Detector::SqlInjection(b))
        | (Detector::CodeExecution(a), Detector::CodeExecution(b))
        | (Detector::PromptInjection(a), Detector::PromptInjection(b)) => a >= b,
        (Detector::Destructive, Detector::Destructive) => true,
        (Detector::DbMutations(a), Detector::DbMutations(b)) => a.iter().all(|verb| b.contains(verb)),
        (Detector::Data(a), Detector::Data(b)) => {
            b.pii.iter().all(|kind| a.pii.contains(kind)) && b.secrets.iter().all(|kind| a.secrets.contains(kind))
        }
        _ => false,
    }
}
