//! What is told of one spec because of others, and what is told of a test's cost because of its model.

mod common;

use aic_spec::{Loaded, load};
use common::{load_with, options, path, source};

const SCRIPTED: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";

fn check(files: &[(&str, &str)], name: &str) -> Loaded {
    load(&source(files), &path(name), &options())
}

fn at(code: &str, loaded: &Loaded) -> Vec<String> {
    let found = loaded.diagnostics.iter().filter(|found| found.code.0 == code);
    found.map(|found| found.span.of(loaded.text(&found.file).unwrap()).to_owned()).collect()
}

#[test]
fn a_variable_of_a_base_is_used_where_any_heir_uses_it() {
    let base = format!("{SCRIPTED}prompts: {{variables: {{A: x, B: y}}}}\n");
    let unused = |others: &[(&str, &str)]| {
        let mut files = vec![("base.ai.yml", base.as_str())];
        files.extend(others);
        at("ABS033", &check(&files, "base.ai.yml"))
    };
    assert_eq!(unused(&[]), ["A", "B"]);
    assert_eq!(unused(&[("other.ai.yml", "prompts: {system: \"${A}\"}\n")]), ["A", "B"], "it does not inherit");
    let heir = ("sub/heir.ai.yml", "inherits: ../base.ai.yml\nprompts: {system: \"${A}\"}\n");
    assert_eq!(unused(&[heir]), ["B"]);
    let in_list = ("heir.ai.yml", "inherits: [./other.ai.yml, base.ai.yml]\nprompts: {system: \"${A} ${B}\"}\n");
    assert_eq!(unused(&[in_list]), Vec::<String>::new());
    let between = ("mid.ai.yml", "inherits: ./base.ai.yml\n");
    let far = ("far.aicontainer.toml", "inherits = './mid.ai.yml'\n[prompts]\nsystem = {file = 'p.md'}\n");
    assert_eq!(unused(&[between, far, ("p.md", "${A}")]), ["B"], "through a base between, in a prompt of its own");
    let tested = ("heir.ai.yml", "inherits: ./base.ai.yml\ntests: [{files: '*.aictest.yml'}]\n");
    let tests = ("a.aictest.yml", "tests: [{name: a, input: \"${B}\", expect: [not_blocked]}]\n");
    assert_eq!(unused(&[tested, tests]), ["A"]);
    let turning = ("heir.ai.yml", "inherits: ./mid.ai.yml\nprompts: {system: \"${A}\"}\n");
    assert_eq!(unused(&[turning, ("mid.ai.yml", "inherits: [./base.ai.yml, ./heir.ai.yml]\n")]), ["B"], "a cycle ends");
}

#[test]
fn an_heir_is_not_told_of_variables_that_only_its_sisters_use() {
    let base = format!("{SCRIPTED}prompts: {{variables: {{A: x}}}}\n");
    let files =
        [("base.ai.yml", base.as_str()), ("b.ai.yml", "inherits: ./base.ai.yml\nprompts: {variables: {B: x}}\n")];
    assert_eq!(at("ABS033", &check(&files, "b.ai.yml")), ["B"]);
}

#[test]
fn what_heirs_say_is_no_part_of_a_base() {
    let base = format!("{SCRIPTED}prompts: {{variables: {{A: x}}}}\n");
    let heir = ("b.ai.yml", "inherits: ./base.ai.yml\nprompts: {system: \"${A}\"}\n");
    let loaded = check(&[("base.ai.yml", &base), heir], "base.ai.yml");
    assert!(loaded.beside.contains(&path("b.ai.yml")) && !loaded.files.contains_key(&path("b.ai.yml")));
}

#[test]
fn what_a_test_costs_cannot_be_judged_where_its_model_has_no_price() {
    let unpriced = |models: &str, test: &str| {
        let text = format!("models: {{{models}}}\ntests: [{{name: a, input: x, {test}}}]\n");
        at("ABS025", &load_with(&text, &[]))
    };
    let free = "primary: {provider: openai_compatible, model: m, base_url: \"http://127.0.0.1:1/\"}";
    let priced = "primary: {provider: openai, model: gpt-4o-2024-08-06}";
    let cost = "expect: [{cost: 0.01}]";
    assert_eq!(unpriced(free, cost), ["{cost: 0.01}"]);
    assert_eq!(unpriced(free, "expect: [{any_of: [{cost: 1}, {contains: x}]}]").len(), 1);
    assert_eq!(unpriced(free, "expect: [{not: {cost: 1}}]").len(), 1);
    let turns = format!("models: {{{free}}}\ntests: [{{name: a, turns: [{{input: x, expect: [{{cost: 1}}]}}]}}]\n");
    assert_eq!(at("ABS025", &load_with(&turns, &[])), ["{cost: 1}"]);
    let other = format!("{priced}, other: {{provider: ollama, model: m}}");
    assert_eq!(unpriced(&other, &format!("model: other, {cost}")).len(), 1);
    assert_eq!(unpriced(&other, &format!("matrix: {{models: [primary, other]}}, {cost}")).len(), 1);
    assert_eq!(unpriced(&format!("{priced}, fallback: {{provider: ollama, model: m}}"), cost).len(), 1);
    for (models, test) in [
        (priced, cost),
        (&*other, cost),
        (free, "expect: [{contains: x}]"),
        (free, "skip: later, expect: [{cost: 1}]"),
        (&*free.replace("model: m", "model: m, pricing: {input_per_mtok: 0, output_per_mtok: 0}"), cost),
        ("primary: {provider: scripted, rules: [{match: {}, reply: {text: a}}]}", cost),
    ] {
        assert_eq!(unpriced(models, test), Vec::<String>::new(), "{models} {test}");
    }
    // Under a cap it is said once, at the model.
    let capped = format!("models: {{{free}}}\nbudget: {{cost: 1}}\ntests: [{{name: a, input: x, {cost}}}]\n");
    assert_eq!(at("ABS025", &load_with(&capped, &[])), ["m"]);
    let defaults = format!(
        "models: {{{free}}}\ntest_defaults: {{expect: [{{cost: 1}}]}}\ntests: [{{name: a, input: x}}, {{name: b, input: y}}]\n"
    );
    assert_eq!(at("ABS025", &load_with(&defaults, &[])), ["{cost: 1}"], "what all tests expect stands once");
}
