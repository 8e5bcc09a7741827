//! A file of tests that no spec includes: all that needs no spec is found in it, and nothing that would.

mod common;

use aic_spec::ide::load_tests;
use common::{options, path, source};

/// The findings: code, and the text each stands at.
fn found(text: &str) -> Vec<(String, String)> {
    let loaded = load_tests(&source(&[("a.aictest.yml", text)]), &path("a.aictest.yml"), &options());
    let at = |found: &aic_spec::Diagnostic| (found.code.0.to_owned(), found.span.of(text).to_owned());
    loaded.diagnostics.iter().map(at).collect()
}

#[test]
fn a_file_of_tests_is_checked_without_a_spec_as_far_as_that_goes() {
    for (text, code, at) in [
        ("tests: [{name: a, input: x, expect: [{contians: y}]}]", "ABS071", "contians"),
        ("- {name: a, input: x, expect: [blocked]}\n- {name: a, input: y, expect: [blocked]}\n", "ABS076", "a"),
        ("tests: [{name: a, input: x, cases: [y], expect: [blocked]}]", "ABS074", "cases"),
        ("tests: [{name: a, turns: [{input: x}], cases: [y], expect: [blocked]}]", "ABS074", "turns"),
        ("tests: [{name: a, expect: [blocked]}]", "ABS074", "{name: a, expect: [blocked]}"),
        ("tests: [{name: a, input: x}]", "ABS073", "a"),
        ("tests: [{files: b.aictest.yml}]", "ABS074", "files"),
        ("tests: [{name: a, input: x, expect: [{any_of: []}]}]", "ABS077", "{any_of: []}"),
        ("tests: [{name: a, input: x, expect: [{equals: a}, {equals: b}]}]", "ABS077", "{equals: b}"),
        ("tests: [{name: a, input: x, expect: [{that: outptu == 'a'}]}]", "ABS040", "outptu"),
        ("tests: [{name: a, input: x, expect: [{matches: '('}]}]", "ABS070", "'('"),
        (
            "test_defaults: {expect: [{that: nope}]}\ntests: [{name: a, input: x}, {name: b, input: x}]",
            "ABS040",
            "nope",
        ),
    ] {
        assert_eq!(found(text), [(code.to_owned(), at.to_owned())], "{text}");
    }
}

#[test]
fn what_only_a_spec_could_tell_is_not_guessed() {
    for text in [
        "tests: [{name: a, input: x, model: any, matrix: {models: [b], prompts: [c]}, real: [d], expect: [{tool_ran: d}]}]",
        "tests: [{name: a, input: x, expect: [{blocked: {by: some}}, {confirmation: refund}]}]",
        "tests: [{name: a, input: x, tools: {get: [{return: 1}]}, expect: [{judge: {rubric: x}}, {guardrail: g}]}]",
        "tests: [{name: a, turns: [{input: x, confirm: {refund: deny}}], expect: [{outcome: needs_confirmation}]}]",
        "test_defaults: {expect: [not_blocked]}\ntests: [{name: a, cases: [x, y]}]",
    ] {
        let errors: Vec<_> = found(text).into_iter().filter(|(code, _)| code != "ABS090").collect();
        assert!(errors.is_empty(), "{text}: {errors:?}");
    }
}
