//! States for tests: a spec that was loaded and tested, with versions and runs, all of it fixed.

use crate::tui::config::Config;
use crate::tui::message::LoadedSpec;
use crate::tui::state::{History, Phase, Runner, SpecState, State, TestItem};
use crate::tui::theme::Depth;
use aic_base::{
    Action, Decision, Digest, Event, EventKind, MemorySource, Outcome, RelPath, RunId, Span, Stage, Timestamp, Tokens,
    Usage, Usd,
};
use aic_behavior::{CaseReport, Failure, Verdict};
use aic_spec::{LoadOptions, load};
use aic_store::{Sample, VerdictSummary, VersionInfo, VersionReason};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A spec whose second test fails.
pub const RED: &str = "\
# This spec is wrong on purpose.
name: broken
models:
  primary:
    provider: scripted
    rules:
      - match: {user: {icontains: card}}
        reply: {text: \"Your card 4242 4242 4242 4242 is on file.\"}
      - match: {}
        reply: {text: \"Hello! How can I help?\"}
prompts: {system: You help customers of a shop.}
guardrails:
  post_execution:
    - {name: pii_protection, action: warn}
tests:
  - name: greets
    input: Hi
    expect: [contains: Hello]
  - name: never shows a card number
    input: Which card do you have?
    expect:
      - not: {contains: 4242 4242 4242}
      - contains: card
";

/// The same, mended.
pub const GREEN: &str = "\
name: broken
models:
  primary:
    provider: scripted
    rules:
      - match: {}
        reply: {text: \"Hello! How can I help?\"}
prompts: {system: You help customers of a shop.}
tests:
  - name: greets
    input: Hi
    expect: [contains: Hello]
  - name: never shows a card number
    input: Which card do you have?
    expect: [{not: {contains: 4242}}]
";

/// The file of the spec.
pub fn path() -> RelPath {
    RelPath::new("broken.ai.yml").unwrap()
}

/// A key, by how it is written.
pub fn event(text: &str) -> KeyEvent {
    let mut modifiers = KeyModifiers::NONE;
    let mut rest = text;
    for (prefix, modifier) in
        [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)]
    {
        if let Some(with) = rest.strip_prefix(prefix) {
            (rest, modifiers) = (with, modifiers | modifier);
        }
    }
    let code = match rest {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "down" => KeyCode::Down,
        "up" => KeyCode::Up,
        "space" => KeyCode::Char(' '),
        one => KeyCode::Char(one.chars().next().unwrap()),
    };
    KeyEvent::new(code, modifiers)
}

/// A spec of this text, loaded.
pub fn loaded(text: &str) -> LoadedSpec {
    let mut source = MemorySource::new();
    source.insert(path(), text.as_bytes());
    let options = LoadOptions { environment: None, today: Timestamp::from_millis(1_750_000_000_000) };
    let loaded = Arc::new(load(&source, &path(), &options));
    let tests = loaded.spec.iter().flat_map(|spec| &spec.tests).map(|test| TestItem {
        name: test.name.clone(),
        file: test.file.clone(),
        span: test.span,
        cases: vec![test.name.clone()],
        together: false,
    });
    let tests = tests.collect();
    LoadedSpec { spec: path(), loaded, tests, known: Vec::new() }
}

/// A case that ended so.
pub fn case(id: &str, verdict: Verdict) -> CaseReport {
    let at = RED.find("- not").unwrap() + 2;
    let failure = Failure {
        expectation: "not: {contains: 4242 4242 4242}".into(),
        message: "the output contains `4242 4242 4242`".into(),
        diff: Some(" Your card\n-(nothing like it)\n+4242 4242 4242 4242\n".into()),
        turn: None,
        file: path(),
        span: Span::new(at, at + 30),
    };
    CaseReport {
        test: id.into(),
        id: id.into(),
        digest: Digest::of(id),
        verdict,
        kept: false,
        failures: if verdict.is_fine() { Vec::new() } else { vec![failure] },
        repeats: (1, u32::from(verdict == Verdict::Pass)),
        outcome: Some(Outcome::Completed),
        output: "Your card 4242 4242 4242 4242 is on file.".into(),
        cost: Usd::from_dollars(0.000_12),
        usage: Usage { input_tokens: Tokens(120), output_tokens: Tokens(18), estimated: true },
        latency: Duration::from_micros(1_700),
        guardrails: BTreeMap::from([("pii_protection".to_owned(), 1)]),
        trace: trace(),
        file: path(),
        span: Span::at(RED.find("- name: never").unwrap()),
    }
}

fn trace() -> Vec<Event> {
    let event = |seq: u32, kind| Event {
        run: RunId("r1".into()),
        seq,
        after: Duration::from_micros(u64::from(seq) * 400),
        kind,
    };
    let decision = Decision {
        guardrail: "pii_protection".into(),
        stage: Stage::PostExecution,
        action: Action::Warn,
        span: None,
        reason: "a card number".into(),
        replacement: None,
        confidence: 1.0,
        failed: false,
    };
    vec![
        event(
            0,
            EventKind::RunStarted {
                spec: "broken".into(),
                environment: String::new(),
                model: "primary".into(),
                at: Timestamp::from_millis(0),
                input: "Which card do you have?".into(),
            },
        ),
        event(1, EventKind::ModelCalled { model: "primary".into(), provider: "scripted".into(), step: 1, messages: 2 }),
        event(2, EventKind::Guardrail(decision)),
        event(
            3,
            EventKind::RunEnded {
                outcome: Outcome::Completed,
                output: "Your card 4242 4242 4242 4242 is on file.".into(),
                usage: Usage::default(),
                cost: Usd::ZERO,
            },
        ),
    ]
}

fn version(number: u32, passed: u32, failed: u32) -> VersionInfo {
    let at = Timestamp::from_millis(1_750_000_000_000 + i64::from(number) * 60_000);
    VersionInfo {
        digest: Digest::of(number.to_string()),
        spec: path(),
        number,
        name: "broken".into(),
        reason: VersionReason::Saved,
        recorded_at: at,
        verdict: Some(VerdictSummary { passed, failed, skipped: 0, other: 0, at }),
        stable: failed == 0,
        quarantined: None,
        tags: Vec::new(),
        files: 1,
        current: number == 2,
    }
}

fn samples() -> Vec<Sample> {
    let sample = |number: u32| Sample {
        at: Timestamp::from_millis(i64::from(number) * 1000),
        outcome: Outcome::Completed,
        cost: Usd::from_dollars(0.000_1 + f64::from(number % 5) * 0.000_02),
        latency: Duration::from_micros(1_000 + u64::from(number * 37 % 11) * 300),
        tokens: Tokens(138),
        guardrail_hits: 1,
    };
    (0..30).map(sample).collect()
}

/// The red spec, tested: one case passed, one failed; two versions, the first stable; some runs.
pub fn tested() -> State {
    let mut state = State::new((120, 40), Config::default(), Depth::True);
    state.phase = Phase::Ready;
    state.runner = Runner::Mine;
    let LoadedSpec { loaded, tests, .. } = loaded(RED);
    let mut spec = SpecState::new(path(), "broken.ai.yml".into());
    spec.loaded = Some(loaded);
    spec.called = Some("broken".into());
    spec.tests = tests;
    let cases = [case("greets", Verdict::Pass), case("never shows a card number", Verdict::Fail)];
    spec.results = cases.into_iter().map(|case| (case.id.clone(), Arc::new(case))).collect();
    spec.took = Some(Duration::from_millis(38));
    spec.test_at = 1;
    spec.history = History {
        versions: vec![version(2, 1, 1), version(1, 2, 0)],
        here: Some(Digest::of("2")),
        samples: samples(),
        can_undo: true,
        problem: None,
    };
    state.specs = vec![spec];
    state
}
