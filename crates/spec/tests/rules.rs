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
            "guardrails: [confirm_destructive]\ntools: {{allowed: [a], blocked: [\"drop_*\"]}}\ntests: [{{name: t, input: x, expect: {expect}}}]\n"
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
    let text = "guardrails: [max_length]\ntests: [{name: t, turns: [{input: a, expect: [{equals: x}]}, {input: b, expect: [{equals: y}]}, {input: c, expect: [blocked, not_blocked]}]}]\n";
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

#[test]
fn a_pattern_that_blocks_nothing_is_an_error_that_says_where_it_belongs() {
    assert_eq!(at("ABS053", "tools: {blocked: [{pattern: \"rm -rf *\"}, {pattern: DROP *}]}\n"), ["\"rm -rf *\""]);
    let loaded = load_with(&format!("{SCRIPTED}tools: {{blocked: [{{pattern: \"DELTE * FROM users\"}}]}}\n"), &[]);
    let fix = loaded.diagnostics[0].fix.as_ref().expect("a fix");
    assert_eq!(fix.edits[0].1, "DELETE");
}

#[test]
fn conditions_that_compare_what_never_goes_together_do_not_pass() {
    for (condition, place) in [
        ("words(input) == 'a'", "'a'"),
        ("input > 3", "3"),
        ("lower(3) == 'a'", "3"),
        ("user.roles == 'admin'", "'admin'"),
    ] {
        let text = format!("guardrails: {{pre_execution: [{{name: a, condition: \"{condition}\"}}]}}\n");
        assert_eq!(at("ABS040", &text), [place], "{condition}");
    }
    assert_eq!(at("ABS040", "tests: [{name: a, input: x, expect: [{that: output > 3}]}]\n"), ["3"]);
}

#[test]
fn a_guardrail_stands_where_there_is_something_to_judge() {
    let found = |guards: &str| at("ABS045", &format!("guardrails: {guards}\ntools: {{allowed: [a]}}\n"));
    assert_eq!(found("{pre_execution: [{name: x, condition: \"input == output\"}]}"), ["output"]);
    assert_eq!(found("{pre_execution: [no_db_mutations]}"), ["no_db_mutations"]);
    assert_eq!(found("{post_execution: [{name: x, use: no_db_mutations}]}"), ["x"]);
    assert_eq!(found("{pre_execution: [{name: x, condition: tool.name == 'a'}]}"), ["tool"]);
    for fine in [
        "[no_db_mutations]",
        "{runtime: [no_db_mutations, {name: x, condition: tool.name == 'a'}]}",
        "{pre_execution: [{name: x, on: tool_call, condition: tool.name == 'a'}]}",
        "{pre_execution: [{name: x, on: [pre_execution, post_execution], condition: \"output == input\"}]}",
        "{post_execution: [{name: x, condition: \"output == ''\"}, {max_length: 9}]}",
    ] {
        assert_eq!(found(fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn an_argument_that_no_tool_has_is_found_in_conditions() {
    let tool = |confirm: &str| {
        format!(
            "tools: {{allowed: [{{name: pay, parameters: {{type: object, properties: {{amount: {{type: number}}}}}}, confirm: {{when: {confirm}}}}}]}}\n"
        )
    };
    assert_eq!(at("ABS075", &tool("tool.args.amuont > 3")), ["amuont"]);
    assert_eq!(at("ABS075", &tool("tool.args.amount > 3")), Vec::<String>::new());
    let guard = |more: &str, condition: &str| {
        format!(
            "{}guardrails: {{runtime: [{{name: g, {more}condition: {condition}}}]}}\n",
            tool("tool.args.amount > 3")
        )
    };
    assert_eq!(at("ABS075", &guard("tools: [pay], ", "tool.args.amuont > 3")), ["amuont"]);
    assert_eq!(at("ABS075", &guard("", "tool.args.amuont > 3")), ["amuont"]);
    assert_eq!(at("ABS075", &guard("", "tool.args.amount > 3")), Vec::<String>::new());
    // A tool that does not say its arguments may have any.
    let open = "tools: {allowed: [a]}\nguardrails: {runtime: [{name: g, condition: tool.args.x > 3}]}\n";
    assert_eq!(at("ABS075", open), Vec::<String>::new());
}

#[test]
fn a_model_is_pinned_to_a_version_that_lasts_or_to_none() {
    let pin = |day: &str| {
        let options = aic_spec::LoadOptions { environment: None, today: day.parse().unwrap() };
        let files = common::source(&[("a.ai.yml", "model: gpt-4\n")]);
        let loaded = aic_spec::load(&files, &common::path("a.ai.yml"), &options);
        let found = loaded.diagnostics.into_iter().find(|found| found.code.0 == "ABS023").expect("not pinned");
        (found.fix.map(|fix| fix.edits[0].1.clone()), found.message, found.help)
    };
    assert_eq!(pin("2025-06-01T00:00:00Z").0.as_deref(), Some("gpt-4-0613"));
    // It ends on 2026-10-23.
    for day in ["2026-09-01T00:00:00Z", "2026-11-22T00:00:00Z"] {
        let (fix, message, help) = pin(day);
        assert_eq!(fix, None, "{day}");
        assert!(message.contains("choose another model") && help.is_some_and(|help| help.contains("gpt-4-0613")));
    }
}

#[test]
fn expectations_that_nothing_in_the_spec_can_meet_are_found() {
    let never = |spec: &str, expect: &str| {
        at("ABS077", &format!("{spec}tests: [{{name: a, input: x, expect: [{expect}]}}]\n")).len()
    };
    let tools = "tools: {allowed: [a, {name: b, confirm: true}]}\n";
    let logs = "guardrails: [{pii_protection: {action: log}}]\n";
    for (spec, expect) in [
        ("", "{outcome: needs_confirmation}"),
        ("", "{outcome: blocked}"),
        ("", "{blocked: {}}"),
        (logs, "{blocked: {by: pii_protection}}"),
        ("guardrails: [pii_protection, max_length]\n", "{blocked: {by: pii_protection}}"),
        (tools, "{confirmation: {tool: a}}"),
        ("", "{all_of: [{contains: a}, {not: {contains: a}}]}"),
        ("", "{any_of: [{outcome: blocked}, {that: 'false'}]}"),
        ("", "{that: 'false'}"),
        (tools, "{tool_called: {name: a, count: two}}"),
        (tools, "{tool_called: {name: a, count: -1}}"),
    ] {
        assert_eq!(never(spec, expect), 1, "{spec}{expect}");
    }
    for (spec, expect) in [
        ("guardrails: [max_length]\n", "{blocked: {}}"),
        ("guardrails: [max_length]\n", "{outcome: blocked}"),
        ("guardrails: [confirm_destructive]\n", "{outcome: needs_confirmation}"),
        ("guardrails: [{name: c, condition: \"input == 'x'\", action: log}]\n", "{blocked: {by: c}}"),
        (tools, "{confirmation: {tool: b}}"),
        ("tools: {flow: {rule_of_two: require_confirmation}, allowed: [a]}\n", "{confirmation: {tool: a}}"),
        ("", "{any_of: [{outcome: blocked}, {contains: hi}]}"),
        ("", "{all_of: [{contains: a}, {not: {contains: b}}]}"),
        ("", "{not: {blocked: {}}}"),
        ("", "{blocked: false}"),
        (tools, "{tool_called: {name: a, count: 2}}"),
        (tools, "{tool_called: {name: a, count: {gte: 1}}}"),
    ] {
        assert_eq!(never(spec, expect), 0, "{spec}{expect}");
    }
}

#[test]
fn what_scripted_and_replayed_models_name_is_there() {
    let found = |models: &str| {
        let loaded = load_with(models, &[("c.jsonl", "")]);
        let all = loaded.diagnostics.iter().filter(|found| !matches!(found.code.0, "ABS024"));
        all.map(|found| (found.code.0, found.span.of(models).to_owned())).collect::<Vec<_>>()
    };
    let rules = "rules: [{match: {}, reply: {text: hi}}]";
    let one = |code, at: &str| vec![(code, at.to_owned())];
    assert_eq!(
        found(&format!("model: {{provider: scripted, as: openai/nope, {rules}}}\n")),
        one("ABS028", "openai/nope")
    );
    assert_eq!(found(&format!("model: {{provider: scripted, as: openai/gpt-4o-2024-08-06, {rules}}}\n")), []);
    let replay = |of: &str| {
        format!(
            "models: {{primary: {{provider: replay, cassette: c.jsonl, of: {of}}}, other: {{provider: scripted, {rules}}}}}\n"
        )
    };
    assert_eq!(found(&replay("zz")), one("ABS075", "zz"));
    assert_eq!(found(&replay("other")), []);
    let scripted =
        |rules: &str| format!("tools: {{allowed: [get]}}\nmodel: {{provider: scripted, rules: [{rules}]}}\n");
    let never = "{match: {user: x}, reply: {text: a}}";
    assert_eq!(found(&scripted(&format!("{{match: {{}}, reply: {{text: a}}}}, {never}"))), one("ABS029", never));
    assert_eq!(found(&scripted(&format!("{{match: {{}}, times: 1, reply: {{text: a}}}}, {never}"))), []);
    assert_eq!(found(&scripted("{match: {}, reply: {text: a}}, {match: {tool: get}, reply: {text: b}}")), []);
    assert_eq!(found(&scripted("{match: {tool: refund}, reply: {text: b}}")), one("ABS052", "refund"));
    let made_up = "{match: {}, reply: {tool_calls: [{name: refund}]}}, {match: {tool: refund}, reply: {text: b}}";
    assert_eq!(found(&scripted(made_up)), []);
}

#[test]
fn every_error_of_a_matcher_is_told() {
    let text = "tests: [{name: a, input: x, expect: [{json_path: {path: $.a, is: {any_of: [{matches: '('}, {gt: x}, {matches: '['}]}}}]}]\n";
    assert_eq!(at("ABS070", text).len(), 3);
}
