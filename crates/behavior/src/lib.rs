//! Behaviour tests: planning the cases, running each on a private copy of the world, judging what came of it.
//!
//! [`Plan::of`] turns a spec's tests into cases; [`run`] runs them and reports each as it ends. A case's [`Case::digest`]
//! says of everything that could change its result, so that a result is kept only while the digest is equal.

mod cases;
mod expect;
mod fill;
mod keep;
mod plan;
mod report;
mod runner;
mod verdict;

pub use expect::{ExpectError, Expectation};
pub use keep::still_holding;
pub use plan::PlannedTest;
pub use plan::{Case, Plan, PlanError};
pub use report::{CaseReport, Failure, TestReport};
pub use runner::{RecorderOf, RunSettings, run};
pub use verdict::{Tally, Verdict};
