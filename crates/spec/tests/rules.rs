//! What only the whole spec can tell.

mod common;

use common::load_with;

const SCRIPTED: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";

/// The findings of one code, each as the text it stands at.
fn at(code: &str, text: &str) -> Vec<String> {
    let text = format!("{SCRIPTED}{text}");
    let loaded = load_with(&text, &[]);
    let found = loaded.diagnostics.iter().filter(|found| found.code.0 == code);
    found.map(|found| found.span.of(loaded.text(&found.file).unwrap()).to_owned()).collect()
}

#[test]
fn a_guardrail_is_shadowed_only_by_one_that_stops_all_it_would() {
    let shadowed =
        |guards: &str| !at("ABS044", &format!("guardrails: {guards}\ntools: {{allowed: [a, b]}}\n")).is_empty();
    assert!(shadowed("[secrets, {name: again, use: secrets}]"));
    assert!(shadowed("[{max_length: 10}, {name: longer, use: max_length, max: 20}]"));
    assert!(shadowed(
        "{runtime: [{name: a, condition: tool.name == 'a'}, {name: b, condition: tool.name == 'a', action: warn}]}"
    ));
    assert!(shadowed("[{rate_limit: 5}, {name: slower, use: rate_limit, max_operations: 9}]"));
    for guards in [
        "[{max_length: 20}, {name: shorter, use: max_length, max: 10}]",
        "[{name: first, use: secrets, action: warn}, secrets]",
        "[secrets, {name: stricter, use: secrets, action: block}]",
        "[{name: cards, use: pii_protection, types: [card]}, pii_protection]",
        "{runtime: [{name: a, condition: tool.name == 'a', tools: [a]}, {name: b, condition: tool.name == 'a'}]}",
        "[{rate_limit: 5}, {name: each, use: rate_limit, max_operations: 9, per: user}]",
        "[{rate_limit: 5}, {name: burst, use: rate_limit, max_operations: 9, window: 1h}]",
    ] {
        assert!(!shadowed(guards), "{guards}");
    }
}

#[test]
fn expectations_that_contradict_can_never_pass() {
    let never = |expect: &str| {
        let text = format!(
            "tools: {{allowed: [a], blocked: [\"drop_*\"]}}\ntests: [{{name: t, input: x, expect: {expect}}}]\n"
        );
        !at("ABS077", &text).is_empty()
    };
    for expect in [
        "[blocked, not_blocked]",
        "[{outcome: completed}, blocked]",
        "[{outcome: completed}, {outcome: budget}]",
        "[not_blocked, {outcome: blocked}]",
        "[{contains: a}, {not: {contains: a}}]",
        "[{equals: abc}, {contains: x}]",
        "[{equals: abc}, {starts_with: b}]",
        "[{starts_with: ab}, {starts_with: ac}]",
        "[no_tool_called, {tool_called: a}]",
        "[{tool_ran: drop_users}]",
        "[{tool_called: {name: a, count: {gt: 3, lt: 4}}}]",
        "[{any_of: []}]",
    ] {
        assert!(never(expect), "{expect}");
    }
    for expect in [
        "[blocked, {outcome: needs_confirmation}]",
        "[{contains: a}, {not: {contains: b}}]",
        "[{equals: abc}, {contains: b}]",
        "[{equals: abc}, {contains: \"${x}\"}]",
        "[{starts_with: ab}, {starts_with: abc}]",
        "[{tool_called: {name: a, count: 0}}, no_tool_called]",
        "[{tool_ran: {name: drop_users, count: 0}}]",
        "[{not: {tool_ran: drop_users}}]",
        "[{tool_called: {name: a, count: {gt: 3, lt: 5}}}]",
        "[{any_of: [{contains: a}, {contains: b}]}, {not: {contains: a}}]",
    ] {
        assert!(!never(expect), "{expect}");
    }
}

#[test]
fn each_turn_is_judged_by_itself() {
    let text = "tests: [{name: t, turns: [{input: a, expect: [{equals: x}]}, {input: b, expect: [{equals: y}]}, {input: c, expect: [blocked, not_blocked]}]}]\n";
    assert_eq!(at("ABS077", text), ["not_blocked"]);
}

#[test]
fn a_variable_is_used_wherever_it_is_filled_in() {
    let unused = |rest: &str| at("ABS033", &format!("prompts:\n  variables: {{A: x}}\n{rest}"));
    assert_eq!(unused(""), ["A"]);
    for rest in [
        "  system: \"${A}\"\n",
        "  variants: {v: {user: \"${A}\"}}\n",
        "  constraints: [\"${A}\"]\n",
        "tests: [{name: t, input: \"${A}\", expect: [not_blocked]}]\n",
        "tools: {allowed: [{name: a, run: {http: \"https://x/${A}\"}}]}\n",
    ] {
        assert_eq!(unused(rest), Vec::<String>::new(), "{rest}");
    }
    assert_eq!(at("ABS033", "prompts: {variables: {ENV: development}}\n"), Vec::<String>::new());
}

#[test]
fn a_tag_names_the_controls_that_are_missing_and_is_quiet_where_all_are_there() {
    let loaded = load_with(&format!("{SCRIPTED}compliance: [GDPR]\nguardrails: [audit_log]\n"), &[]);
    let found = loaded.diagnostics.iter().find(|found| found.code.0 == "ABS080").unwrap();
    for missing in ["governance.lawful_basis", "governance.erasure_key", "audit.retention", "data_privacy"] {
        assert!(found.message.contains(missing), "{}", found.message);
    }
    assert!(!found.message.contains("audit_log"), "{}", found.message);
    let whole = "compliance: [GDPR, HIPAA, SOC2]
guardrails: [audit_log, data_privacy]
tools: {allowed: []}
audit: {retention: 2190d, personal_data: [user_id]}
governance: {purpose: Support, lawful_basis: contract, content_retention: 30d, erasure_key: user_id}
context: {persistence: {enabled: true, encryption: AES-256}}
deployment: {approval_required: true, testing_required: true, rollback_plan: mandatory, alerts: [{when: error_rate > 0.05, notify: a@example.com}]}
tests: [{name: t, input: x, expect: [{guardrail: data_privacy}]}]
";
    assert_eq!(at("ABS080", whole), Vec::<String>::new());
    for (without, tag) in [
        ("2190d", "HIPAA"),
        ("lawful_basis: contract, ", "GDPR"),
        ("mandatory", "SOC2"),
        ("{guardrail: data_privacy}", "HIPAA"),
    ] {
        let with = match without {
            "2190d" => "30d",
            "mandatory" => "optional",
            "{guardrail: data_privacy}" => "not_blocked",
            _ => "",
        };
        assert_eq!(at("ABS080", &whole.replace(without, with)), [tag], "{without}");
    }
}

#[test]
fn deployment_rules_that_cannot_hold_together_are_errors() {
    for (deployment, place) in [
        ("{canary: {steps: [50%, 10%, 100%]}}", "10%"),
        ("{canary: {steps: [10%, 50%]}}", "50%"),
        ("{canary: {steps: [0%, 100%]}}", "0%"),
        ("{rollback_plan: optional, canary: {auto_rollback: true, max_error_rate: 1%}}", "true"),
        ("{canary: {auto_rollback: true}}", "true"),
    ] {
        assert_eq!(at("ABS081", &format!("deployment: {deployment}\n")), [place], "{deployment}");
    }
    assert_eq!(
        at(
            "ABS081",
            "deployment: {rollback_plan: mandatory, canary: {steps: [10%, 100%], auto_rollback: true, max_p99: 1s}}\n"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn misspelt_keys_of_tests_are_caught_with_the_word_that_was_meant() {
    let meant = |text: &str| {
        let loaded = load_with(&format!("{SCRIPTED}{text}"), &[]);
        let fix =
            loaded.diagnostics.iter().find_map(|found| Some((found.code.0, found.fix.as_ref()?.edits[0].1.clone())));
        fix.unwrap_or_default()
    };
    assert_eq!(meant("testz: []\n"), ("ABS001", "tests".into()));
    assert_eq!(meant("tests: [{name: a, input: x, expct: [not_blocked]}]\n"), ("ABS001", "expect".into()));
    assert_eq!(meant("tests: [{name: a, input: x, expect: [{contian: x}]}]\n"), ("ABS071", "contains".into()));
    assert_eq!(meant("tests: [{name: a, input: x, expect: [{not: {contians: x}}]}]\n"), ("ABS071", "contains".into()));
    assert_eq!(meant("tests: [{name: a, input: x, asert: [{contains: x}]}]\n"), ("ABS001", "expect".into()));
    assert_eq!(
        meant("tests: [{name: a, input: x, expect: [{type: contians, value: x}]}]\n"),
        ("ABS071", "{contains: x}".into())
    );
}

/// A workflow's findings, each as the text it stands at.
fn workflow(text: &str) -> Vec<String> {
    let files = common::source(&[("a.compose.ai.yml", text)]);
    let loaded = aic_spec::load(&files, &common::path("a.compose.ai.yml"), &common::options());
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == aic_spec::Severity::Error);
    let found = errors.filter(|found| matches!(found.code.0, "ABS095" | "ABS040"));
    found.map(|found| found.span.of(text).to_owned()).collect()
}

#[test]
fn a_workflow_names_what_it_has_and_ends() {
    let with = |workflow: &str| {
        format!("services: {{a: {{model: x}}, b: {{model: x}}, c: {{model: x}}}}\nworkflow: {workflow}\n")
    };
    for fine in [
        "[a -> b -> c]",
        "[\"a → (b, c)\"]",
        "[{step: one, service: a}, {step: two, service: b, needs: [one], when: \"steps.one.output == ''\", fallback: c}]",
        "[a -> b, rollback_on_failure: true]",
    ] {
        assert_eq!(workflow(&with(fine)), Vec::<String>::new(), "{fine}");
    }
    assert_eq!(workflow(&with("[a -> d]")), ["d"]);
    assert_eq!(workflow(&with("[\"a → (b, dd)\"]")), ["dd"]);
    assert_eq!(workflow(&with("[a -> -> b]")), [""]);
    assert_eq!(workflow(&with("[{step: a, needs: [zz]}]")), ["zz"]);
    assert_eq!(workflow(&with("[a -> b -> a]")).len(), 1);
    assert_eq!(workflow(&with("[{step: a, when: step.x == 1}]")), ["step"]);
    assert_eq!(workflow("services: {a: {role: x}}\nworkflow: [a]\n"), ["a"]);
}
