//! Codes about behaviour tests, compliance, deployment.

use super::{Code, CodeDoc, codes};
use crate::Severity;

codes! {
    BAD_MATCHER = "ABS070" Error "Matcher does not compile",
        "A regular expression is malformed, or an operator has the wrong kind of value.",
        r#"tests:
  - {name: a, input: x, expect: [{matches: '('}]}
"#
        => r#"tests:
  - {name: a, input: x, expect: [{matches: '[(]'}]}
"#;
    UNKNOWN_EXPECTATION = "ABS071" Error "Unknown expectation",
        "There is no expectation of this name: the test would check nothing.",
        r#"tests:
  - {name: a, input: x, expect: [{contian: Hi}]}
"#
        => r#"tests:
  - {name: a, input: x, expect: [{contains: Hi}]}
"#;
    BAD_EXPECTATION = "ABS072" Error "Expectation has the wrong shape",
        "An expectation is a word or a map of one key, and each has its own kind of value.",
        r#"tests:
  - {name: a, input: x, expect: [{cost: cheap}]}
"#
        => r#"tests:
  - {name: a, input: x, expect: [{cost: 0.01}]}
"#;
    NO_EXPECTATION = "ABS073" Warning "Test without expectation",
        "Nothing is expected, so the test passes whatever happens.",
        r#"tests:
  - {name: greets, input: Hi}
"#
        => r#"tests:
  - {name: greets, input: Hi, expect: [{contains: Hi}]}
"#;
    BAD_TEST = "ABS074" Error "Test does not fit",
        "The parts of a test contradict each other: a test has `input`, `cases` or `turns`.",
        r#"tests:
  - {name: a, input: x, cases: [y], expect: [not_blocked]}
"#
        => r#"tests:
  - {name: a, cases: [x, y], expect: [not_blocked]}
"#;
    UNKNOWN_NAME = "ABS075" Error "Unknown name in a test",
        "A test names a model, a prompt variant or a guardrail that the spec does not have.",
        r#"tests:
  - {name: a, input: x, model: primray, expect: [not_blocked]}
"#
        => r#"tests:
  - {name: a, input: x, model: primary, expect: [not_blocked]}
"#;
    DUPLICATE_TEST = "ABS076" Warning "Duplicate test name",
        "Two tests have one name; their results cannot be told apart.",
        r#"tests:
  - {name: a, input: x, expect: [not_blocked]}
  - {name: a, input: y, expect: [not_blocked]}
"#
        => r#"tests:
  - {name: a, input: x, expect: [not_blocked]}
  - {name: b, input: y, expect: [not_blocked]}
"#;
    NEVER_PASSES = "ABS077" Warning "Expectation that can never pass",
        "What is expected contradicts itself, another expectation of the test, or the spec: no run can satisfy it.",
        r#"tests:
  - {name: a, input: x, expect: [blocked, {outcome: completed}]}
"#
        => r#"tests:
  - {name: a, input: x, expect: [{outcome: completed}]}
"#;
    COMPLIANCE = "ABS080" Warning "Control of a compliance tag missing",
        "A tag under `compliance` is a promise. Some of the controls that it asks for can be looked up in the spec, and the ones in the message are not there. That all are present does not make anything compliant.",
        r#"compliance: [SOC2]
guardrails: [audit_log]
"#
        => r#"guardrails: [audit_log]
"#;
    CONTRADICTION = "ABS081" Error "Deployment rules contradict",
        "Two rules under `deployment` cannot both hold, or one can never be met.",
        r#"deployment: {canary: {steps: [50%, 10%, 100%]}}
"#
        => r#"name: x
"#;
}
