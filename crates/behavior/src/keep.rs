//! Results that still hold: which may be kept, and where what they speak of stands by now.

use crate::expect::{Expectation, What};
use crate::plan::{Case, Plan, PlannedTest};
use crate::report::{CaseReport, TestReport};
use aic_base::Digest;

/// The earlier results that still hold, for whoever follows without running anything.
pub fn still_holding(plan: &Plan, stored: &dyn Fn(Digest) -> Option<CaseReport>) -> TestReport {
    let of_case = |case: &Case| {
        let test = &plan.tests[case.test];
        let report = if may_be_kept(test, case) { stored(case.digest) } else { None };
        report.map(|report| kept(report, test, case))
    };
    TestReport { cases: plan.cases.iter().filter_map(of_case).collect() }
}

/// Whether a case's result is its own and follows from its digest, so that an earlier one holds.
pub(crate) fn may_be_kept(test: &PlannedTest, case: &Case) -> bool {
    let turns = case.turns.iter().flat_map(|turn| turn.expect.iter());
    is_judged_alone(test, case) && !case.expect.iter().chain(turns).any(looks_around)
}

/// Whether a case's result is its own. Where it is judged together with the other cases of its test, all of them run:
/// what is stored of one would be a verdict on companions that may have changed.
pub(crate) fn is_judged_alone(test: &PlannedTest, case: &Case) -> bool {
    let over_cases = |expectation: &Expectation| matches!(expectation.what, What::LatencyOver { .. });
    test.def.min_pass_rate.is_none_or(|rate| rate.cases >= 1.0) && !case.expect.iter().any(over_cases)
}

/// Whether it is about the whole workspace, of which nobody keeps a digest.
fn looks_around(expectation: &Expectation) -> bool {
    match &expectation.what {
        What::File { .. } | What::Command { .. } => true,
        What::Not(inner) => looks_around(inner),
        What::AnyOf(all) | What::AllOf(all) => all.iter().any(looks_around),
        _ => false,
    }
}

/// An earlier result, pointing at where its test and its expectations stand now: an edit above them moves them without
/// changing what they say.
pub(crate) fn kept(mut report: CaseReport, test: &PlannedTest, case: &Case) -> CaseReport {
    report.kept = true;
    (report.file, report.span) = match &test.broken {
        Some(error) => (error.file.clone(), error.span),
        None => (test.def.file.clone(), test.def.span),
    };
    let several = case.turns.len() > 1;
    let of_turns = case.turns.iter().enumerate().flat_map(|(i, turn)| {
        let turn_number = several.then_some(i + 1);
        turn.expect.iter().map(move |expectation| (turn_number, expectation))
    });
    let mut open: Vec<(Option<usize>, &Expectation)> =
        of_turns.chain(case.expect.iter().map(|expectation| (None, expectation))).collect();
    for failure in &mut report.failures {
        let fits = |(turn, expectation): &(Option<usize>, &Expectation)| {
            *turn == failure.turn && expectation.shown == failure.expectation
        };
        (failure.file, failure.span) = match open.iter().position(fits) {
            // The same words may stand there twice, and then fail twice, in this order.
            Some(at) => {
                let (_, expectation) = open.remove(at);
                (expectation.file.clone(), expectation.span)
            }
            None => (report.file.clone(), report.span),
        };
    }
    report
}
