//! Completion and hover of values: lists, names of bases, made-up names, units, and what a spec comes to with its bases.

use super::{Completion, complete, hover};
use aic_base::{MemorySource, RelPath};

const BASE: &str = "\
description: What all have in common
models: {primary: {provider: openai, model: gpt-4o-2024-08-06, temperature: 0.2, api_key_env: SHARED}}
guardrails: {runtime: [{name: house, use: rate_limit, max_operations: 5}]}
budget: {steps: 5, cost: 0.2}
tools: {allowed: [refund, {name: get_order, description: Looks it up, effect: read}]}
";

fn source() -> MemorySource {
    let mut source = MemorySource::new();
    for (name, text) in [("base.aicontainer.yml", BASE), ("t/a.aictest.yml", ""), ("t/b.aictest.yml", "")] {
        source.insert(RelPath::new(name).unwrap(), text.as_bytes());
    }
    source
}

fn offers(marked: &str) -> (String, Vec<Completion>) {
    let offset = marked.find("$0").expect("a cursor");
    let text = marked.replacen("$0", "", 1);
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    let found = complete(&source(), &path, &text, offset);
    (text, found)
}

fn labels(marked: &str) -> Vec<String> {
    offers(marked).1.into_iter().map(|offer| offer.label).collect()
}

#[track_caller]
fn taken(marked: &str, label: &str) -> String {
    let (mut text, found) = offers(marked);
    let offer = found.iter().find(|offer| offer.label == label);
    let Some(offer) = offer else { panic!("{label} is not in {:?}", labels(marked)) };
    text.replace_range(offer.replace.range(), &offer.insert);
    text
}

fn shown(marked: &str) -> String {
    let offset = marked.find("$0").expect("a cursor");
    let text = marked.replacen("$0", "", 1);
    let path = RelPath::new("a.aicontainer.yml").unwrap();
    hover(&source(), &path, &text, offset).map(|hover| hover.markdown).unwrap_or_default()
}

#[test]
fn where_only_a_list_may_stand_its_items_come_as_one() {
    assert_eq!(taken("compliance:$0\n", "GDPR"), "compliance: [GDPR]\n");
    assert_eq!(taken("compliance: $0\n", "GDPR"), "compliance: [GDPR]\n");
    assert_eq!(taken("compliance: HI$0\n", "HIPAA"), "compliance: [HIPAA]\n");
    assert_eq!(taken("compliance: [GDPR, $0]\n", "SOC2"), "compliance: [GDPR, SOC2]\n");
    assert_eq!(taken("compliance:\n  - $0\n", "SOC2"), "compliance:\n  - SOC2\n");
    assert_eq!(taken("compliance:\n  $0\n", "SOC2"), "compliance:\n  - SOC2\n");
    assert_eq!(taken("tests:\n  $0\n", "name"), "tests:\n  - name: \n");
    let (_, found) = offers("compliance:$0\n");
    assert_eq!(found[0].snippet.as_deref(), Some(" [GDPR$0]"), "the next one is typed inside");
}

#[test]
fn what_a_spec_is_nothing_without_comes_first_until_it_is_there() {
    assert_eq!(labels("$0")[..2], ["model", "models"]);
    assert_ne!(labels("inherits: ./base.aicontainer.yml\n$0")[..2], ["model", "models"]);
    assert_eq!(labels("models:\n  primary:\n    $0")[..2], ["model", "provider"]);
    let overlay = labels("model: x\nenvironments:\n  production:\n    $0");
    assert_ne!(overlay[..2], ["model", "models"], "an overlay is no spec");
}

#[test]
fn names_of_a_base_are_offered_where_they_can_be_laid_over() {
    let child = "inherits: ./base.aicontainer.yml\ntools:\n  allowed:\n    - {name: refund}\n    - name: $0\n";
    assert_eq!(labels(child), ["get_order"]);
    let guards = labels("inherits: ./base.aicontainer.yml\nguardrails:\n  runtime:\n    - name: $0\n");
    assert!(guards.contains(&"house".to_owned()) && guards.contains(&"secrets".to_owned()), "{guards:?}");
    assert!(labels("tools:\n  allowed:\n    - name: $0\n").is_empty());
}

#[test]
fn a_test_gets_a_name_by_what_it_says_and_expects_unless_one_has_it() {
    let marked = "\
tests:
  - {name: delete all users, input: x}
  - name: $0
    cases: [\"Delete all users!\", y]
    expect:
      - blocked: {by: confirm_destructive}
      - tool_called: get_order
      - outcome: completed
";
    assert_eq!(labels(marked), ["blocked confirm_destructive", "outcome completed", "tool called get_order"]);
    assert_eq!(labels("tests: [{input: 'Where is: my order?', name: $0}]"), ["where is my order"]);
    assert!(labels("tests: [{input: '#1', name: $0}]").is_empty());
}

#[test]
fn what_is_final_is_offered_part_by_part() {
    let found = labels("final: [tools.$0]");
    assert!(found.contains(&"tools.blocked".to_owned()) && !found.iter().any(|one| one == "budget.steps"), "{found:?}");
}

#[test]
fn a_text_has_the_methods_of_texts() {
    let guard = |condition: &str| format!("guardrails: [{{name: g, condition: \"{condition}\"}}]");
    let of_text = labels(&guard("input.$0"));
    assert!(of_text.contains(&"startsWith".to_owned()) && !of_text.contains(&"getMonth".to_owned()), "{of_text:?}");
    let of_any = labels(&guard("tool.args.x.$0"));
    assert!(of_any.contains(&"startsWith".to_owned()) && of_any.contains(&"getMonth".to_owned()), "{of_any:?}");
}

#[test]
fn what_is_shown_beside_an_offer_is_not_said_again_below() {
    let (_, found) = offers("$0");
    for offer in found {
        let detail = offer.detail.unwrap();
        assert!(!offer.doc.contains(&format!("· {detail}")), "{}: {}", offer.label, offer.doc);
        assert!(!offer.doc.is_empty());
    }
}

#[test]
fn hover_on_a_value_says_what_it_is_read_as() {
    assert!(shown("context: {session: {timeout: 5$0m}}").ends_with("`5m` is 300 seconds."));
    assert!(shown("context: {session: {timeout: $090}}").ends_with("`90` is 90 seconds."));
    assert!(shown("sandbox: {limits: {memory: 64$0MiB}}").ends_with("`64MiB` is 67,108,864 bytes."));
    assert!(shown("tests: [{name: a, min_pass_rate: 9$05%}]").ends_with("`95%` is 0.95 of 1."));
    assert!(shown("budget: {cost: 0$0.20}").ends_with("`0.20` is 0.2 US dollars."));
    assert!(shown("budget: {steps: $020}").starts_with("**`steps`**"));
}

#[test]
fn hover_shows_what_a_part_comes_to_with_the_bases_and_where_each_piece_is_from() {
    let spec = |rest: &str| format!("inherits: ./base.aicontainer.yml\n{rest}");
    let budget = shown(&spec("budget$0: {steps: 3}\n"));
    assert!(
        budget.ends_with(
            "With what it inherits:\n\n- `steps`: `3` (line 2)\n- `cost`: `0.2` (`base.aicontainer.yml`, line 4)"
        ),
        "{budget}"
    );
    let tool = shown(&spec("tools: {allowed: [{name: get_$0order, trust: untrusted}]}\n"));
    assert!(tool.contains("- `effect`: `read` (`base.aicontainer.yml`, line 5)"), "{tool}");
    assert!(tool.contains("- `trust`: `untrusted` (line 2)"), "{tool}");
    let model = shown(&spec("models: {primary$0: {temperature: 1}}\n"));
    assert!(model.contains("- `temperature`: `1` (line 2)") && !model.contains("SHARED"), "{model}");
    // What inherits nothing comes to what is written.
    assert!(!shown("budget$0: {steps: 3}\n").contains("inherits"));
    assert!(!shown(&spec("context$0: {max_tokens: 3}\n")).contains("With what it inherits"));
}

#[test]
fn hover_on_a_base_and_on_a_pattern_says_what_they_lead_to() {
    let base = shown("inherits: ./ba$0se.aicontainer.yml\n");
    assert!(base.contains("What all have in common") && base.contains("`guardrails`"), "{base}");
    assert!(shown("inherits: ./no$0ne.aicontainer.yml\n").contains("There is no such file"));
    let files = shown("tests: [{files: t/$0*.aictest.yml}]\n");
    assert!(files.ends_with("- `t/a.aictest.yml`\n- `t/b.aictest.yml`"), "{files}");
}

#[test]
fn hover_tells_of_a_tool_what_it_is_for_and_takes() {
    let text = "tools: {allowed: [{name: pay, description: Pays back, effect: egress, confirm: {when: tool.args.n > 3}, parameters: {properties: {n: {type: number}, to: {}}, required: [n]}, run: {http: \"https://a.example\"}}]}\ntests: [{name: x, input: Pay it, expect: [{tool_ran: p$0ay}, not_blocked]}]\n";
    let found = shown(text);
    for part in [
        "tool\n\nPays back",
        "Runs by `http`: `https://a.example`",
        "Effect: `egress`",
        "agree where `tool.args.n > 3`",
        "- `n`, required: An argument of this tool (number)",
        "- `to`: ",
    ] {
        assert!(found.contains(part), "{part}\n{found}");
    }
    let test = shown(&text.replace("p$0ay}", "pay}").replace("name: x", "name: $0x"));
    assert!(test.contains("Says `Pay it`; expects `tool_ran`, `not_blocked`."), "{test}");
}

#[test]
fn hover_tells_what_an_item_of_a_list_takes_the_place_of_in_the_base() {
    let text = "inherits: ./base.aicontainer.yml\nguardrails: {runtime: [{name: house, use: rate_limit, max_operations: 3}]}\n";
    let value = shown(&text.replace("max_operations: 3", "max_operations: $03"));
    assert!(value.contains("The most runs in one window"), "{value}");
    assert!(value.contains("Takes the place of `5` of `base.aicontainer.yml`"), "{value}");
    assert!(shown(&text.replace("max_op", "max$0_op")).contains("Takes the place of `5`"));
    let tool = "inherits: ./base.aicontainer.yml\ntools: {allowed: [{name: get_order, effect: wr$0ite}]}\n";
    assert!(shown(tool).contains("Takes the place of `read`"));
}

#[test]
fn a_model_that_ends_is_said_to_be_served_until_then() {
    let found = shown("model: gpt-4-$00613\n");
    assert!(found.contains("served until 2026-10-23"), "{found}");
}

#[test]
fn models_of_a_server_of_ones_own_are_not_those_of_the_catalog() {
    let of = |provider: &str| labels(&format!("models: {{primary: {{provider: {provider}, model: $0}}}}\n")).len();
    assert_eq!((of("ollama"), of("openai_compatible"), of("scripted")), (0, 0, 0));
    assert!(of("openai") > 5);
}

#[test]
fn what_a_test_and_a_service_cannot_do_without_comes_first() {
    let first = |name: &str, marked: &str| {
        let offset = marked.find("$0").expect("a cursor");
        let found = complete(&source(), &RelPath::new(name).unwrap(), &marked.replacen("$0", "", 1), offset);
        let mut first: Vec<String> =
            found.into_iter().filter(|offer| offer.sort == 0).map(|offer| offer.label).collect();
        first.sort();
        first
    };
    assert_eq!(first("a.ai.yml", "tests:\n  - name: x\n    $0"), ["cases", "input", "turns"]);
    assert_eq!(first("a.ai.yml", "tests:\n  - name: x\n    input: y\n    $0"), Vec::<String>::new());
    assert_eq!(first("a.compose.ai.yml", "services:\n  a:\n    $0\n"), ["model", "spec"]);
}

#[test]
fn no_spec_is_offered_as_a_database() {
    let found = labels("tools: {allowed: [{name: a, run: {sql: $0}}]}\n");
    assert!(found.contains(&"sqlite:t/".to_owned()) && !found.iter().any(|label| label.ends_with(".yml")), "{found:?}");
}

/// What is offered first in a document of this name.
fn first(name: &str, marked: &str) -> Vec<String> {
    let offset = marked.find("$0").expect("a cursor");
    let text = marked.replacen("$0", "", 1);
    let found = complete(&source(), &RelPath::new(name).unwrap(), &text, offset);
    found.into_iter().map(|offer| offer.label).collect()
}

#[test]
fn toml_is_completed_where_quotes_and_brackets_are_still_open() {
    for (marked, wanted) in [
        ("model = \"gpt$0", "gpt-4o-2024-08-06"),
        ("model = 'gpt$0\n[prompts]\nsystem = 'x'\n", "gpt-4o-2024-08-06"),
        ("[[guardrails.runtime]]\nname = \"$0\n", "rate_limit"),
        ("budget = {st$0}\n", "steps"),
        ("budget = {st$0\n", "steps"),
        ("budget = { cost = 1, $0 }\n", "steps"),
        ("[[tests]]\nname = \"a\"\nexpect = [{con$0\n", "contains"),
        ("[[tests]]\nname = \"a\"\nexpect = [\n  {con$0}\n]\n", "contains"),
        ("[[tests]]\nname = \"a\"\nexpect = [\"same$0\n", "same_output"),
        ("[pro$0", "prompts"),
        ("[[te$0\n", "tests"),
        ("[prompts]\nsystem = \"${$0\n", "INPUT"),
        ("[prompts]\nsystem = \"\"\"${$0\n\"\"\"\n", "INPUT"),
    ] {
        let found = first("a.aicontainer.toml", marked);
        assert!(found.iter().any(|label| label == wanted), "{marked}: {found:?}");
    }
    assert!(first("a.aicontainer.toml", "name = \"a\" $0\n").is_empty());
}

#[test]
fn a_bare_list_of_tests_is_one_of_tests() {
    let found = first("a.aictest.yml", "- name: a\n  $0\n");
    assert!(found.iter().any(|label| label == "expect"), "{found:?}");
    assert!(first("a.aictest.yml", "- name: a\n  expect: [$0]\n").iter().any(|label| label == "contains"));
}
