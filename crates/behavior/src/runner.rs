//! Running cases: each alone, on a private copy of the data, several at a time, reported as they end.

use crate::expect::{Expectation, Seen, What, judge, output_digest};
use crate::keep;
use crate::plan::{Case, Plan, PlannedTest, by_test};
use crate::report::{CaseReport, Failure, TestReport};
use crate::verdict::Verdict;
use aic_base::{Digest, FrozenClock, Outcome, Timestamp, Usage, Usd};
use aic_engine::{
    Answer, Answers, Container, Effects, MemoryCounters, Recorder, RunOptions, Snapshots, TurnReport, Workshop,
};
use aic_guard::User;
use aic_model::{Message, Role};
use aic_spec::Confirmation;
use futures_util::stream::{FuturesOrdered, StreamExt};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Makes the recorder of a case, by the case's id.
pub type RecorderOf = Arc<dyn Fn(&str) -> Arc<dyn Recorder> + Send + Sync>;

/// What all cases of a test session share.
#[derive(Clone)]
pub struct RunSettings {
    /// Snapshots of the data that cases read and copy.
    pub snapshots: Arc<Snapshots>,
    /// The moment that tests without a `now` of their own see.
    pub now: Timestamp,
    /// Whether delays are waited for.
    pub realtime: bool,
    /// `${ENV}`.
    pub environment: String,
    /// Variables of the caller; a test's own come first.
    pub vars: Map<String, Value>,
    /// How many cases run at a time.
    pub parallel: usize,
    /// Ends the session.
    pub cancel: CancellationToken,
    /// Who writes down what happens in a case of this id.
    pub recorder: RecorderOf,
    /// The beginning of the runs' names.
    pub run_prefix: String,
}

/// Runs every case of a plan, or keeps an earlier result where `kept` has one for its digest. `ended` is told of each
/// case in the plan's order as soon as it and those before it are done.
pub async fn run(
    container: &Arc<Container>,
    plan: &Plan,
    settings: &RunSettings,
    kept: &(dyn Fn(Digest) -> Option<CaseReport> + Sync),
    ended: &mut (dyn FnMut(&CaseReport) + Send),
) -> TestReport {
    // By hand rather than as a stream over a closure: so the future may move between threads.
    let mut waiting = plan.cases.iter().enumerate();
    let mut running = FuturesOrdered::new();
    let mut report = TestReport::default();
    loop {
        while running.len() < settings.parallel.max(1) {
            let Some((number, case)) = waiting.next() else { break };
            let test = &plan.tests[case.test];
            let earlier = if keep::may_be_kept(test, case) { kept(case.digest) } else { None };
            // What could not be judged may be by now: the machine has changed where the files have not.
            let earlier = earlier.filter(|report| report.verdict != Verdict::Error);
            running.push_back(kept_or_run(container, test, case, settings, number, earlier));
        }
        let Some(case) = running.next().await else { break };
        ended(&case);
        report.cases.push(case);
    }
    judge_over_cases(plan, &mut report);
    report
}

async fn kept_or_run(
    container: &Arc<Container>,
    test: &PlannedTest,
    case: &Case,
    settings: &RunSettings,
    number: usize,
    earlier: Option<CaseReport>,
) -> CaseReport {
    if let Some(report) = earlier {
        return keep::kept(report, test, case);
    }
    let (container, settings) = (container.clone(), settings.clone());
    let (test, case) = (test.clone(), case.clone());
    let fallback = blank(&test, &case);
    let name = format!("{}-c{number}", settings.run_prefix);
    // A task of its own: cases use all cores, and a panic in one is that one's error.
    let task = tokio::spawn(async move { run_case(&container, &test, &case, &settings, &name).await });
    task.await.unwrap_or_else(|_| broken(fallback, "the case panicked: please report it".into()))
}

fn blank(test: &PlannedTest, case: &Case) -> CaseReport {
    CaseReport {
        test: test.def.name.clone(),
        id: case.id.clone(),
        digest: case.digest,
        verdict: Verdict::Pass,
        kept: false,
        failures: Vec::new(),
        repeats: (0, 0),
        outcome: None,
        output: String::new(),
        cost: Usd::ZERO,
        usage: Usage::default(),
        latency: Duration::ZERO,
        guardrails: BTreeMap::new(),
        trace: Vec::new(),
        file: test.def.file.clone(),
        span: test.def.span,
    }
}

fn broken(mut report: CaseReport, message: String) -> CaseReport {
    report.verdict = Verdict::Error;
    let (file, span) = (report.file.clone(), report.span);
    report.failures.push(Failure { expectation: String::new(), message, diff: None, turn: None, file, span });
    report
}

/// One case, all its repeats.
async fn run_case(
    container: &Arc<Container>,
    test: &PlannedTest,
    case: &Case,
    settings: &RunSettings,
    name: &str,
) -> CaseReport {
    let mut report = blank(test, case);
    if let Some(reason) = &test.def.skip {
        report.verdict = Verdict::Skipped;
        report.output.clone_from(reason);
        return report;
    }
    if let Some(error) = &test.broken {
        report.file.clone_from(&error.file);
        report.span = error.span;
        return broken(report, error.message.clone());
    }
    let repeats = test.def.repeat.max(1);
    let least = test.def.min_pass_rate.map_or(1.0, |rate| rate.repeats);
    let mut outputs = Vec::new();
    let mut shown: Option<(Attempt, bool)> = None;
    for number in 0..repeats {
        let attempt = run_once(container, test, case, settings, &format!("{name}-r{number}")).await;
        report.repeats.0 += 1;
        report.repeats.1 += u32::from(attempt.verdict == Verdict::Pass);
        for turn in &attempt.turns {
            report.cost += turn.cost;
            report.usage += turn.usage;
            for decision in &turn.decisions {
                *report.guardrails.entry(decision.guardrail.clone()).or_default() += 1;
            }
        }
        report.latency = report.latency.max(attempt.turns.iter().map(|turn| turn.latency).sum());
        let said: Vec<(Outcome, &str)> =
            attempt.turns.iter().map(|turn| (turn.outcome, turn.output.as_str())).collect();
        outputs.push(output_digest(&said));
        let is_error = matches!(attempt.verdict, Verdict::Error | Verdict::Stale);
        let failed = attempt.verdict != Verdict::Pass;
        // What is shown is the first repeat that failed, else the last.
        if shown.as_ref().is_none_or(|(_, shown_failed)| !shown_failed) {
            shown = Some((attempt, failed));
        }
        if is_error || settings.cancel.is_cancelled() {
            break;
        }
    }
    if let Some((attempt, _)) = shown {
        if let Some(last) = attempt.turns.last() {
            report.outcome = Some(last.outcome);
            report.output.clone_from(&last.output);
        }
        let rate = f64::from(report.repeats.1) / f64::from(report.repeats.0.max(1));
        report.verdict = match attempt.verdict {
            cannot_be_judged @ (Verdict::Error | Verdict::Stale) => cannot_be_judged,
            _ if rate >= least => Verdict::Pass,
            _ => Verdict::Fail,
        };
        if report.verdict != Verdict::Pass {
            report.failures = attempt.failures;
        }
        report.trace = attempt.turns.into_iter().flat_map(|turn| turn.events).collect();
    }
    for expectation in case.expect.iter().filter(|expectation| expectation.is_about_all()) {
        judge_same_output(expectation, &outputs, &mut report);
    }
    report
}

fn judge_same_output(expectation: &Expectation, outputs: &[Digest], report: &mut CaseReport) {
    let differ = outputs.iter().position(|output| Some(output) != outputs.first());
    let message = match (&expectation.what, differ) {
        (What::SameOutput, Some(at)) => format!("repeat {} gave another output than the first", at + 1),
        (What::Not(inner), None) if matches!(inner.what, What::SameOutput) => "all repeats gave the same output".into(),
        _ => return,
    };
    let (file, span) = (expectation.file.clone(), expectation.span);
    report.failures.push(Failure {
        expectation: expectation.shown.clone(),
        message,
        diff: None,
        turn: None,
        file,
        span,
    });
    report.verdict = report.verdict.max(Verdict::Fail);
}

/// One repeat.
struct Attempt {
    verdict: Verdict,
    failures: Vec<Failure>,
    turns: Vec<TurnReport>,
}

async fn run_once(
    container: &Arc<Container>,
    test: &PlannedTest,
    case: &Case,
    settings: &RunSettings,
    name: &str,
) -> Attempt {
    let mut attempt = Attempt { verdict: Verdict::Pass, failures: Vec::new(), turns: Vec::new() };
    let options = options(test, case, settings, name);
    let error = |message: String| Failure {
        expectation: String::new(),
        message,
        diff: None,
        turn: None,
        file: test.def.file.clone(),
        span: test.def.span,
    };
    let mut conversation = match container.conversation(options.clone()) {
        Ok(conversation) => conversation,
        Err(message) => {
            attempt.failures.push(error(message));
            attempt.verdict = Verdict::Error;
            return attempt;
        }
    };
    let workshop = conversation.workshop();
    let several = case.turns.len() > 1;
    let mut last_input = "";
    for (i, planned) in case.turns.iter().enumerate() {
        let nothing = Map::new();
        let vars = planned.turn.as_ref().map_or(&nothing, |turn| &turn.vars);
        let answers = answers(planned.turn.as_ref());
        let turn = conversation.turn(&planned.input, vars, &answers);
        let report = match test.def.timeout {
            None => turn.await,
            Some(most) => match tokio::time::timeout(most, turn).await {
                Ok(report) => report,
                Err(_) => {
                    attempt.failures.push(error(format!("the case took longer than its timeout of {most:?}")));
                    attempt.verdict = Verdict::Fail;
                    return attempt;
                }
            },
        };
        last_input = &planned.input;
        let broken = report.broken.clone();
        let stale = report.stale;
        let waits = report.outcome == Outcome::NeedsConfirmation;
        attempt.turns.push(report);
        if let Some(message) = broken {
            attempt.failures.push(error(message));
            attempt.verdict = if stale { Verdict::Stale } else { Verdict::Error };
            return attempt;
        }
        let turns = &attempt.turns[attempt.turns.len() - 1..];
        let (verdict, failures) = judge_all(
            &planned.expect,
            (&planned.input, turns, &workshop),
            container,
            &options,
            several.then_some(i + 1),
        )
        .await;
        attempt.verdict = attempt.verdict.max(verdict);
        attempt.failures.extend(failures);
        // The first failed turn stops the case, and so does a question that nobody answers.
        if verdict != Verdict::Pass {
            return attempt;
        }
        if waits {
            break;
        }
    }
    let told = (last_input, &*attempt.turns, &workshop);
    let (verdict, failures) = judge_all(&case.expect, told, container, &options, None).await;
    attempt.verdict = attempt.verdict.max(verdict);
    attempt.failures.extend(failures);
    if let Some(most) = test.def.max_cost {
        let cost: Usd = attempt.turns.iter().map(|turn| turn.cost).sum();
        if cost > most {
            attempt.failures.push(error(format!("the case cost {cost}, more than its budget of {most}")));
            attempt.verdict = attempt.verdict.max(Verdict::Fail);
        }
    }
    attempt
}

async fn judge_all(
    expect: &[Expectation],
    (input, turns, workshop): (&str, &[TurnReport], &Workshop),
    container: &Container,
    options: &RunOptions,
    turn: Option<usize>,
) -> (Verdict, Vec<Failure>) {
    let Some(seen) = Seen::of(input, turns, workshop) else { return (Verdict::Pass, Vec::new()) };
    let (mut verdict, mut failures) = (Verdict::Pass, Vec::new());
    for expectation in expect.iter().filter(|expectation| !expectation.is_about_all()) {
        if let Some(miss) = judge(expectation, &seen, container, options).await {
            verdict = verdict.max(if miss.is_error { Verdict::Error } else { Verdict::Fail });
            failures.push(miss.of(expectation, turn));
        }
    }
    (verdict, failures)
}

fn answers(turn: Option<&aic_spec::Turn>) -> Answers {
    let all = turn.into_iter().flat_map(|turn| &turn.confirm);
    all.map(|(name, answer)| {
        let answer = match answer {
            Confirmation::Approve => Answer::Approve,
            Confirmation::Deny => Answer::Deny,
        };
        (name.clone(), answer)
    })
    .collect()
}

fn options(test: &PlannedTest, case: &Case, settings: &RunSettings, name: &str) -> RunOptions {
    let def = &test.def;
    let now = def.now.unwrap_or(settings.now);
    let clock = if settings.realtime { FrozenClock::realtime(now) } else { FrozenClock::at(now) };
    let mut vars = settings.vars.clone();
    vars.extend(case.vars.clone());
    let history = def.history.iter().map(|said| match said.by_assistant {
        true => Message::assistant(said.text.clone(), Vec::new()),
        false => Message::new(Role::User, said.text.clone()),
    });
    RunOptions {
        clock: Arc::new(clock),
        environment: settings.environment.clone(),
        user: User { id: def.user.id.clone(), roles: def.user.roles.clone() },
        vars,
        env: |name| std::env::var(name).ok(),
        model: case.model.clone(),
        variant: case.variant.clone(),
        history: history.collect(),
        mocks: test.mocks.clone(),
        effects: Effects::Test { real: def.real.clone() },
        data: settings.snapshots.case(),
        seed: seed_of(case.digest),
        cancel: settings.cancel.child_token(),
        recorder: (settings.recorder)(&case.id),
        // Counters start empty in each case.
        counters: Arc::new(MemoryCounters::default()),
        // What a case remembers is its own.
        session: None,
        vectors: None,
        seal: None,
        run_prefix: name.to_owned(),
        label: case.id.clone(),
        // A test says who answers by answering.
        operator: true,
        stream: None,
    }
}

/// The same for every repeat of a case: what a script draws is part of the case.
fn seed_of(digest: Digest) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// Expectations over all cases of a test: latency percentiles, and the share of cases that must pass.
fn judge_over_cases(plan: &Plan, report: &mut TestReport) {
    for (test, cases) in by_test(&plan.cases) {
        let test = &plan.tests[test];
        let mut times: Vec<Duration> = cases.iter().map(|i| report.cases[*i].latency).collect();
        times.sort_unstable();
        let Some(any) = cases.first().map(|first| &plan.cases[*first]) else { continue };
        for expectation in any.expect.iter() {
            let What::LatencyOver { percentile, most } = &expectation.what else { continue };
            let rank = (percentile / 100.0 * times.len() as f64).ceil() as usize;
            let Some(time) = times.get(rank.max(1) - 1).filter(|time| *time > most) else { continue };
            let Some(last) = cases.last() else { continue };
            let case = &mut report.cases[*last];
            let message = format!("{percentile} % of the cases took up to {time:?}, wanted at most {most:?}");
            let (file, span) = (expectation.file.clone(), expectation.span);
            case.failures.push(Failure {
                expectation: expectation.shown.clone(),
                message,
                diff: None,
                turn: None,
                file,
                span,
            });
            case.verdict = case.verdict.max(Verdict::Fail);
        }
        let Some(least) = test.def.min_pass_rate.map(|rate| rate.cases).filter(|least| *least < 1.0) else { continue };
        let passed = cases.iter().filter(|i| report.cases[**i].verdict == Verdict::Pass).count();
        if passed as f64 / cases.len().max(1) as f64 >= least {
            for i in cases {
                let case = &mut report.cases[i];
                if case.verdict == Verdict::Fail {
                    case.verdict = Verdict::Pass;
                    let note = format!("allowed to fail: {passed} cases of the test pass, enough for its rate");
                    case.failures.iter_mut().for_each(|failure| failure.message.push_str(&format!(" ({note})")));
                }
            }
        }
    }
}
