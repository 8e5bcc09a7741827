//! What only the whole spec can tell: parts that do not fit together, promises that are not kept, tests that prove nothing.
//!
//! Each rule looks at the merged tree in its long form and at the typed spec. None of them runs where the spec is too broken
//! to be one.

mod compliance;
mod cost;
mod deployment;
mod guards;
mod models;
mod names;
mod never;
mod places;
mod scripted;
mod twice;
mod variables;
pub(crate) mod workflow;

pub(crate) use places::ADDRESS;

use crate::cx::{Cx, Doc};
use crate::tree::Node;
use crate::typed::Spec;

/// What the rules look at.
pub(crate) struct Whole<'w> {
    pub(crate) doc: &'w Doc,
    /// The tree in its long form.
    pub(crate) root: &'w Node,
    pub(crate) spec: &'w Spec,
    /// Whether a base is not in reach.
    pub(crate) open: bool,
}

impl Whole<'_> {
    fn at(&self, path: &[&str]) -> Option<&Node> {
        self.root.at(path).filter(|node| !node.is_null())
    }
}

/// Runs every rule.
pub(crate) fn run(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    models::check(cx, whole);
    cost::check(cx, whole);
    names::check(cx, whole);
    places::check(cx, whole);
    scripted::check(cx, whole);
    guards::shadowed(cx, whole);
    variables::unused(cx, whole);
    never::check(cx, whole);
    deployment::check(cx, whole);
    compliance::check(cx, whole);
}

pub(crate) use never::alone as never_alone;
pub(crate) use twice::check as said_twice;
