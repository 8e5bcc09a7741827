//! Every expectation, once where it holds and once where it does not: a test that lies green is worth less than none.

use aic_base::{DiskSource, MemorySource, OverlaySource, RelPath, Timestamp};
use aic_behavior::{Plan, RunSettings, TestReport, Verdict, run};
use aic_engine::{Container, NoRecorder, Snapshots};
use aic_sandbox::{ScriptHost, WorkerCommand};
use aic_spec::{LoadOptions, load};
use serde_json::Map;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const SPEC: &str = r#"
name: probe
models:
  primary:
    provider: scripted
    as: openai/gpt-4o-mini-2024-07-18
    rules:
      - match: {user: hello}
        reply: {text: "Hello, world", usage: {input_tokens: 100, output_tokens: 10}, delay: 2s}
      - match: {user: json}
        reply: {text: '{"total": 12, "items": [{"id": 1}, {"id": 2}]}'}
      - match: {user: refund}
        reply:
          tool_calls:
            - {name: get_order, args: {order_id: "1001"}}
            - {name: refund, args: {order_id: "1001", amount: 250}}
      - match: {tool: refund}
        reply: {text: "Refunded."}
      - match: {user: flip}
        times: 1
        reply: {text: heads}
      - match: {user: flip}
        reply: {text: tails}
guardrails:
  pre_execution:
    - {name: no_bombs, condition: "contains(['bomb'])", message: No bombs}
    - {name: ask_first, condition: "contains(['launch'])", action: require_confirmation}
tools:
  allowed:
    - {name: get_order, parameters: {type: object, properties: {order_id: {type: string}}}}
    - name: refund
      parameters: {type: object, properties: {order_id: {type: string}, amount: {type: number}}}
      confirm: {when: tool.args.amount > 100, by: operator}
    - {name: unused, parameters: {type: object}}
tests:
"#;

async fn report_of(tests: &str) -> TestReport {
    let workspace = tempfile::tempdir().unwrap();
    let path = RelPath::new("probe.aicontainer.yml").unwrap();
    let mut files = MemorySource::new();
    files.insert(path.clone(), format!("{SPEC}{tests}").into_bytes());
    let source = OverlaySource::new(files, Arc::new(DiskSource::new(workspace.path()).unwrap()));
    let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let Some(spec) = loaded.spec.clone() else { panic!("{:#?}", loaded.diagnostics) };
    // No script here: the worker is never started.
    let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
    let container = Arc::new(Container::new(spec.clone(), Arc::new(host)).unwrap());
    let plan = Plan::of(&spec, spec.behaviour);
    let settings = RunSettings {
        snapshots: Arc::new(Snapshots::new(workspace.path()).unwrap()),
        now: Timestamp::default(),
        realtime: false,
        environment: String::new(),
        vars: Map::new(),
        parallel: 2,
        cancel: CancellationToken::new(),
        recorder: Arc::new(|_: &str| Arc::new(NoRecorder)),
        run_prefix: "t".into(),
    };
    run(&container, &plan, &settings, &|_| None, &mut |_| {}).await
}

/// The verdict of one test with this body.
async fn verdict(body: &str) -> Verdict {
    let report = report_of(&format!("  - {{name: t, {body}}}\n")).await;
    assert_eq!(report.cases.len(), 1);
    report.cases[0].verdict
}

const MOCKS: &str = "tools: {get_order: [{return: {status: delivered}}], refund: [{match: {amount: 250}, return: ok}]}";

#[tokio::test]
async fn every_expectation_holds_where_it_should_and_only_there() {
    let hello = "input: hello";
    let json = "input: json";
    let refund = format!("{MOCKS}, turns: [{{input: refund, confirm: {{refund: approve}}}}]");
    let denied = format!("{MOCKS}, turns: [{{input: refund, confirm: {{refund: deny}}}}]");
    let cases: &[(&str, &str, &str)] = &[
        (hello, "contains: world", "contains: World"),
        (hello, "icontains: WORLD", "icontains: moon"),
        (hello, "equals: 'Hello, world'", "equals: Hello"),
        (hello, "starts_with: Hello", "starts_with: world"),
        (hello, "matches: '^Hello, w.*d$'", "matches: '^world'"),
        (json, "json_schema: {type: object, required: [total]}", "json_schema: {type: object, required: [sum]}"),
        (json, "json_path: {path: '$.items[1].id', is: 2}", "json_path: {path: '$.items[1].id', is: {gt: 2}}"),
        (json, "json_path: {path: $.total}", "json_path: {path: $.sum}"),
        (hello, "that: words(output) == 2", "that: words(output) > 2"),
        (json, "that: json.total == 12", "that: json.total == 13"),
        (&refund, "that: \"tools.exists(t, t.name == 'refund')\"", "that: \"tools.exists(t, t.name == 'unused')\""),
        (hello, "outcome: completed", "outcome: blocked"),
        ("input: a bomb", "outcome: blocked", "outcome: completed"),
        ("input: a bomb", "blocked", "not_blocked"),
        ("input: a bomb", "blocked: {by: no_bombs, reason: No bombs}", "blocked: {by: no_bombs, reason: other}"),
        ("input: a bomb", "blocked: {by: no_bombs}", "blocked: {by: ask_first}"),
        ("input: launch", "blocked: {by: ask_first}", "not_blocked"),
        ("input: launch", "confirmation: {guardrail: ask_first}", "confirmation: {tool: refund}"),
        (hello, "not_blocked", "blocked"),
        ("input: a bomb", "guardrail: no_bombs", "guardrail: ask_first"),
        ("input: a bomb", "guardrail: {name: no_bombs, action: block}", "guardrail: {name: no_bombs, action: warn}"),
        (
            &refund,
            "confirmation: {tool: refund, args: {amount: {gt: 100}}, by: operator}",
            "confirmation: {tool: refund, by: user}",
        ),
        (&refund, "tool_called: refund", "tool_called: unused"),
        (
            &refund,
            "tool_ran: {name: refund, args: {amount: 250}, count: 1}",
            "tool_ran: {name: refund, args: {amount: 251}}",
        ),
        (&refund, "tool_ran: {name: refund, count: {lt: 2}}", "tool_ran: {name: refund, count: 2}"),
        (&denied, "tool_called: refund", "tool_ran: refund"),
        (&refund, "tools_in_order: [get_order, refund]", "tools_in_order: [refund, get_order]"),
        (hello, "no_tool_called", "tool_called: refund"),
        (&refund, "no_tool_called: [unused]", "no_tool_called"),
        // 100 tokens in at $0.15 and 10 out at $0.60 a million: $0.000021.
        (hello, "cost: 0.000021", "cost: 0.00002"),
        (hello, "latency: 3s", "latency: 1s"),
        (hello, "latency: {p95: 3s}", "latency: {max: 1s}"),
        (hello, "tokens: {input: 100, output: 10}", "tokens: {input: 99}"),
        (hello, "tokens: 110", "tokens: 109"),
        (hello, "not: {contains: moon}", "not: {contains: world}"),
        (hello, "any_of: [{contains: moon}, {contains: world}]", "any_of: [{contains: moon}, {contains: sun}]"),
        (hello, "all_of: [{contains: Hello}, {contains: world}]", "all_of: [{contains: Hello}, {contains: sun}]"),
    ];
    for (test, holds, fails) in cases {
        assert_eq!(verdict(&format!("{test}, expect: [{holds}]")).await, Verdict::Pass, "{holds} on {test}");
        assert_eq!(verdict(&format!("{test}, expect: [{fails}]")).await, Verdict::Fail, "{fails} on {test}");
    }
}

#[tokio::test]
async fn same_output_compares_all_repeats() {
    assert_eq!(verdict("input: hello, repeat: 5, expect: [same_output]").await, Verdict::Pass);
    // `times` counts per case, and each repeat is one of its own: two turns make the coin fall twice.
    assert_eq!(verdict("turns: [{input: flip}, {input: flip, expect: [contains: tails]}]").await, Verdict::Pass);
    assert_eq!(verdict("input: flip, repeat: 3, expect: [same_output, contains: heads]").await, Verdict::Pass);
    assert_eq!(verdict("input: hello, repeat: 2, expect: [not: same_output]").await, Verdict::Fail);
}

#[tokio::test]
async fn what_cannot_be_judged_is_an_error_whatever_is_expected() {
    for test in [
        "input: nobody answers this, expect: [{outcome: failed}]",
        "input: refund, expect: [{not: {contains: x}}]",
        "input: refund, tools: {get_order: [{match: {order_id: other}, return: 1}]}, expect: [{outcome: failed}]",
        "input: json, expect: [that: json.nothing.there == 1]",
    ] {
        assert_eq!(verdict(test).await, Verdict::Error, "{test}");
    }
}

#[tokio::test]
async fn the_first_failed_turn_stops_the_case_and_an_open_question_ends_it() {
    let report =
        report_of("  - {name: t, turns: [{input: hello, expect: [contains: moon]}, {input: nobody answers}]}\n").await;
    assert_eq!(report.cases[0].verdict, Verdict::Fail);
    assert_eq!(report.cases[0].failures[0].turn, Some(1));
    let turns = "turns: [{input: launch}, {input: nobody answers}], expect: [{outcome: needs_confirmation}]";
    assert_eq!(verdict(turns).await, Verdict::Pass);
}

#[tokio::test]
async fn a_matrix_spreads_and_names_its_cases() {
    let report = report_of("  - {name: t, cases: [hello, json], repeat: 2, expect: [not_blocked]}\n").await;
    let ids: Vec<&str> = report.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["t[1]", "t[2]"]);
    assert!(report.cases.iter().all(|case| case.repeats == (2, 2)));
}

#[tokio::test]
async fn enough_cases_may_be_enough() {
    let test = "cases: [hello, json, hello, hello], min_pass_rate: {cases: 0.75}, expect: [contains: world]";
    let report = report_of(&format!("  - {{name: t, {test}}}\n")).await;
    assert!(report.cases.iter().all(|case| case.verdict == Verdict::Pass), "{:?}", report.tally());
    let test = test.replace("0.75", "0.8");
    let report = report_of(&format!("  - {{name: t, {test}}}\n")).await;
    assert_eq!((report.tally().pass, report.tally().fail), (3, 1));
}

#[tokio::test]
async fn variables_of_a_case_reach_its_input_and_its_expectations() {
    let cases = "cases: [{input: '${word}', vars: {word: hello, wanted: world}}]";
    assert_eq!(verdict(&format!("{cases}, expect: [{{contains: '${{wanted}}'}}]")).await, Verdict::Pass);
    assert_eq!(verdict(&format!("{cases}, expect: [{{not: {{contains: '${{wanted}}'}}}}]")).await, Verdict::Fail);
    assert_eq!(verdict(&format!("{cases}, expect: [{{not: {{contains: '${{misspelt}}'}}}}]")).await, Verdict::Error);
    let typed = "input: hello, vars: {most: 10}, expect: [{tokens: {output: '${most}'}}]";
    assert_eq!(verdict(typed).await, Verdict::Pass);
}

#[tokio::test]
async fn a_skipped_test_says_why() {
    let report = report_of("  - {name: t, input: hello, skip: not today, expect: [contains: moon]}\n").await;
    assert_eq!((report.cases[0].verdict, report.cases[0].output.as_str()), (Verdict::Skipped, "not today"));
}

#[tokio::test]
async fn a_kept_result_is_not_run_again() {
    let workspace = tempfile::tempdir().unwrap();
    let path = RelPath::new("probe.aicontainer.yml").unwrap();
    let digests = |tests: &str| {
        let mut files = MemorySource::new();
        files.insert(path.clone(), format!("{SPEC}{tests}").into_bytes());
        let source = OverlaySource::new(files, Arc::new(DiskSource::new(workspace.path()).unwrap()));
        let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
        let spec = loaded.spec.unwrap();
        let plan = Plan::of(&spec, spec.behaviour);
        plan.cases.iter().map(|case| case.digest).collect::<Vec<_>>()
    };
    let before = digests(
        "  - {name: a, input: hello, expect: [contains: x]}\n  - {name: b, input: json, expect: [contains: x]}\n",
    );
    let moved = digests(
        "  # a comment\n\n  - {name: a,   input: hello, expect: [contains: x]}\n  - {name: b, input: json, expect: [contains: y]}\n",
    );
    assert_eq!(before[0], moved[0], "a comment and a space change nothing");
    assert_ne!(before[1], moved[1], "another expectation is another case");
}

#[test]
fn cases_that_have_no_result_without_the_others_are_known() {
    let path = RelPath::new("probe.aicontainer.yml").unwrap();
    let tests = "  - {name: alone, cases: [hello, hello], expect: [contains: Hello]}\n  \
                 - {name: over all, cases: [hello, hello], expect: [{latency: {p95: 3s}}]}\n  \
                 - {name: most, cases: [hello, hello], min_pass_rate: {cases: 0.5}, expect: [contains: Hello]}\n";
    let mut files = MemorySource::new();
    files.insert(path.clone(), format!("{SPEC}{tests}").into_bytes());
    let loaded = load(&files, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let spec = loaded.spec.clone().unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let plan = Plan::of(&spec, spec.behaviour);
    assert_eq!(plan.judged_together().into_iter().collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_case_that_looks_at_the_whole_workspace_is_run_each_time() {
    let tests = "  - {name: plain, input: hello, expect: [contains: Hello]}\n  \
                 - {name: looks, input: hello, expect: [{any_of: [{contains: Hello}, {file: {path: a}}]}]}\n  \
                 - {name: runs, turns: [{input: hello, expect: [{not: {command: {run: [true]}}}]}]}\n";
    let report = report_of(tests).await;
    let path = RelPath::new("probe.aicontainer.yml").unwrap();
    let mut files = MemorySource::new();
    files.insert(path.clone(), format!("{SPEC}{tests}").into_bytes());
    let loaded = load(&files, &path, &LoadOptions { environment: None, today: Timestamp::default() });
    let spec = loaded.spec.clone().unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    let plan = Plan::of(&spec, spec.behaviour);
    let stored = |digest| report.cases.iter().find(|case| case.digest == digest).cloned();
    assert!(plan.cases.iter().all(|case| stored(case.digest).is_some()), "the control: all of them are stored");
    let held = aic_behavior::still_holding(&plan, &stored);
    assert_eq!(held.cases.iter().map(|case| case.test.as_str()).collect::<Vec<_>>(), ["plain"]);
    // Judged each for itself all the same.
    assert!(plan.judged_together().is_empty());
}

#[tokio::test]
async fn what_is_asked_of_a_file_a_command_or_a_grader_must_make_sense() {
    for (expect, why) in [
        ("{file: {path: a, contains: b, exists: false}}", "asks nothing of one that is not to be there"),
        ("{file: {path: .}}", "names a file"),
        ("{command: {run: []}}", "needs `run`"),
        ("{file: {path: a}}", "the spec shows its programs no workspace"),
        ("{command: {run: [true]}}", "the spec shows its programs no workspace"),
    ] {
        let report = report_of(&format!("  - {{name: t, input: hello, expect: [{expect}]}}\n")).await;
        let case = &report.cases[0];
        assert_eq!(case.verdict, Verdict::Error, "{expect}");
        assert!(case.failures[0].message.contains(why), "{expect}: {}", case.failures[0].message);
    }
}
