//! `deployment:` rules that contradict each other.

use super::Whole;
use crate::codes::CONTRADICTION;
use crate::cx::Cx;
use crate::lower::read::share;
use crate::tree::Node;
use aic_base::Span;

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let Some(node) = whole.at(&["deployment"]) else { return };
    let yes = |path: &[&str]| node.at(path).filter(|node| node.as_bool() == Some(true)).map(|node| node.span);
    // A spec that is still without tests is not wrong, only far from production.
    if let Some(required) = yes(&["testing_required"])
        && whole.spec.tests.iter().all(|test| test.skip.is_some())
        && !whole.open
    {
        let message = "tests must have passed, and no test of this spec runs: nothing could ever be deployed";
        cx.report(whole.doc.find(CONTRADICTION, required, message).severity(crate::Severity::Warning));
    }
    let mut report = |span: Span, other: Option<(Span, &str)>, message: &str| {
        let mut found = whole.doc.find(CONTRADICTION, span, message);
        if let Some((span, why)) = other {
            found = found.related(&whole.doc.path, span, why);
        }
        cx.report(found);
    };
    if let Some(auto) = yes(&["canary", "auto_rollback"]) {
        if let Some(plan) = node.get("rollback_plan").filter(|plan| plan.text() == Some("optional")) {
            let message =
                "a canary that goes back by itself needs a version to go back to: make `rollback_plan` mandatory";
            report(auto, Some((plan.span, "it need not exist, says this")), message);
        }
        let limits = ["max_error_rate", "max_p99", "max_cost_per_request"];
        if limits.iter().all(|key| node.at(&["canary", key]).is_none_or(Node::is_null)) {
            let message = "the canary goes back by itself, and nothing says when: add `max_error_rate`, `max_p99` or `max_cost_per_request`";
            report(auto, None, message);
        }
    }
    steps(&mut report, node.at(&["canary", "steps"]));
}

/// Writes a finding down: where, another place and why it matters, and what is wrong.
type Report<'r> = dyn FnMut(Span, Option<(Span, &str)>, &str) + 'r;

/// Shares of traffic grow, and end with all of it.
fn steps(report: &mut Report<'_>, node: Option<&Node>) {
    let Some(node) = node else { return };
    let shares: Vec<(f64, Span)> = node.items().iter().filter_map(|item| Some((share(item)?, item.span))).collect();
    if shares.len() != node.items().len() {
        return;
    }
    if let Some((first, span)) = shares.first()
        && *first == 0.0
    {
        report(*span, None, "a step without traffic shows nothing: begin with a share above 0");
    }
    for pair in shares.windows(2) {
        if let [(before, first), (after, span)] = pair
            && after <= before
        {
            let message = "each step of a canary takes more traffic than the one before it: put the shares in order";
            report(*span, Some((*first, "the step before")), message);
        }
    }
    if let Some((last, span)) = shares.last()
        && *last < 1.0
    {
        report(*span, None, "the last step is not all of the traffic, so the version is never deployed: end with 100%");
    }
}
