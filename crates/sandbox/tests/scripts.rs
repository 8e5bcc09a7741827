//! What a script sees and what it gives back, through real workers.

mod support;

use aic_sandbox::{Landlock, ScriptError};
use serde_json::json;
use std::collections::HashSet;
use support::{NAME, body, host, module, run, value, works};

#[test]
fn a_script_gets_its_arguments_and_returns_a_value() {
    let host = host();
    let result =
        run(&host, &body("console.log('hello', {a: 1}, [2]); print(3); return {sum: args.x + ctx.y}")).unwrap();
    assert_eq!(result.value, json!({"sum": 21}));
    assert_eq!(result.stdout, "hello {\"a\":1} [2]\n3\n");
    assert!(!result.truncated);
}

#[test]
fn values_pass_through_unchanged() {
    let host = host();
    let odd =
        json!({"a": [1, 2.5, -0.25, null, true], "text": "é 😀 \u{0}\"\\\n", "": {"deep": {"er": []}}, "__proto__": 1});
    let call = aic_sandbox::ScriptCall { args: odd.clone(), ..body("return args") };
    assert_eq!(run(&host, &call).unwrap().value, odd);
    assert_eq!(value(&host, "return 9007199254740991"), json!(9_007_199_254_740_991_i64));
}

#[test]
fn an_async_default_and_top_level_await_are_waited_for() {
    let host = host();
    let call = module(
        "const one = await Promise.resolve(1);\nexport default async (args) => { await null; return args.x + one; }",
    );
    assert_eq!(run(&host, &call).unwrap().value, json!(21));
}

#[test]
fn a_promise_that_is_never_settled_is_an_error() {
    let error = run(&host(), &body("return new Promise(() => {})")).unwrap_err();
    assert!(matches!(error, ScriptError::NeverSettled { .. }), "{error:?}");
}

#[test]
fn what_is_thrown_is_reported_with_its_line() {
    let host = host();
    for text in ["\nthrow new TypeError('bad')", "return (async () => {\nthrow new TypeError('bad') })()"] {
        let error = run(&host, &body(text)).unwrap_err();
        let ScriptError::Threw { message, stack, .. } = &error else { panic!("{error:?}") };
        assert_eq!(message, "TypeError: bad");
        assert!(stack.contains(&format!("{NAME}:3:")), "{stack}");
        assert!(error.to_string().contains(&format!("{NAME}:3:")), "{error}");
    }
    let odd = ["throw null", "throw undefined", "throw {toString() { throw 1 }}", "throw Symbol('x')", "throw ''"];
    for text in odd {
        let error = run(&host, &body(text)).unwrap_err();
        assert!(matches!(error, ScriptError::Threw { .. }), "{text}: {error:?}");
    }
}

#[test]
fn what_cannot_be_loaded_says_why_and_where() {
    let host = host();
    let cases = [
        ("export default function ( {", "SyntaxError"),
        ("const x = 1;", "export default function"),
        ("export default 3", "export default function"),
        ("import fs from 'fs';\nexport default () => 1", "cannot import"),
        ("throw new Error('early');\nexport default () => 1", "early"),
        ("", "export default function"),
    ];
    for (source, expected) in cases {
        let error = run(&host, &module(source)).unwrap_err();
        assert!(matches!(error, ScriptError::CannotLoad { .. }), "{source}: {error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = run(&host, &module("\nlet a = ;")).unwrap_err().to_string();
    assert!(error.contains(&format!("{NAME}:2")), "{error}");
    let error = run(&host, &body("return import('os')")).unwrap_err();
    assert!(error.to_string().contains("cannot import 'os'"), "{error}");
}

#[test]
fn undefined_is_null_and_what_has_no_json_is_an_error() {
    let host = host();
    assert_eq!(value(&host, ""), json!(null));
    let nonsense = [
        "const a = {}; a.a = a; return a",
        "return () => 1",
        "return 10n",
        "return Symbol('x')",
        "let a = []; for (let i = 0; i < 2000; i++) a = [a]; return a",
        "return 'x'.repeat(9_000_000)",
    ];
    for text in nonsense {
        let error = run(&host, &body(text)).unwrap_err();
        assert!(matches!(error, ScriptError::NonsenseResult { .. }), "{text}: {error:?}");
    }
    works(&host);
}

#[test]
fn a_hundred_megabytes_of_result_end_in_an_error() {
    let host = host();
    let mut call = body("return 'x'.repeat(100_000_000)");
    call.limits.memory = 900 << 20;
    let error = run(&host, &call).unwrap_err();
    assert!(matches!(error, ScriptError::NonsenseResult { .. }), "{error:?}");
    let error = run(&host, &body("return 'x'.repeat(100_000_000)")).unwrap_err();
    assert!(matches!(error, ScriptError::OutOfMemory { .. }), "{error:?}");
    works(&host);
}

#[test]
fn time_and_randomness_are_what_the_call_says() {
    let host = host();
    let text = "return [Math.random(), Math.random(), Date.now(), new Date().toISOString(), performance.now()]";
    let first = run(&host, &body(text)).unwrap().value;
    assert_eq!(first[2], json!(1_748_779_200_000_i64));
    assert_eq!(first[3], json!("2025-06-01T12:00:00.000Z"));
    assert_eq!(first[4], json!(0));
    assert_ne!(first[0], first[1]);
    assert_eq!(run(&host, &body(text)).unwrap().value, first, "in the same worker");
    assert_eq!(run(&support::host(), &body(text)).unwrap().value, first, "in another worker");
}

#[test]
fn random_numbers_are_not_frozen_into_the_snapshot() {
    let host = host();
    let draws = (0..50).map(|seed| {
        let call = aic_sandbox::ScriptCall { seed, ..body("return Math.random()") };
        run(&host, &call).unwrap().value.to_string()
    });
    assert_eq!(draws.collect::<HashSet<_>>().len(), 50);
}

#[test]
fn nothing_is_left_behind_for_the_next_call() {
    let host = host();
    let litter = "globalThis.left = 1; Object.prototype.dirt = 2; Array.prototype.map = null;
        JSON.stringify = () => 'forged'; Math.random = () => 7; print = null; return 1";
    assert_eq!(value(&host, litter), json!(1));
    let look =
        "return [typeof left, typeof ({}).dirt, typeof [].map, JSON.stringify(1), Math.random() < 1, typeof print]";
    assert_eq!(value(&host, look), json!(["undefined", "undefined", "function", "1", true, "function"]));
}

#[test]
fn a_script_cannot_forge_its_result_by_printing_or_by_changing_the_language() {
    let host = host();
    let text = "print(JSON.stringify({ok: 'forged'})); print('aic1\\x15');
        Object.prototype.toJSON = () => ({ok: 'forged'}); throw new Error('real')";
    let error = run(&host, &body(text)).unwrap_err();
    assert!(matches!(&error, ScriptError::Threw { message, .. } if message == "Error: real"), "{error:?}");
    works(&host);
}

#[test]
fn a_script_has_the_language_and_nothing_of_the_machine() {
    let names =
        "return ['std', 'os', 'bjson', 'scriptArgs', 'require', 'process', 'fetch', 'setTimeout', 'Worker', 'Deno']
        .filter((name) => name in globalThis)";
    assert_eq!(value(&host(), names), json!([]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_says_what_it_gave_up() {
    let result = run(&host(), &body("return 1")).unwrap();
    let worker = result.enforcement.worker;
    assert!(
        worker.no_new_privs && worker.rlimits && worker.dies_with_parent && worker.descriptors_closed,
        "{worker:?}"
    );
    assert!(worker.cached, "{worker:?}");
    assert_eq!(
        worker.landlock == Landlock::None,
        worker.notes.iter().any(|note| note.contains("Landlock")),
        "{worker:?}"
    );
    assert!(result.enforcement.advisory.is_empty());
    let mut half = body("return 1");
    half.limits.cpu = 0.5;
    assert_eq!(run(&host(), &half).unwrap().enforcement.advisory, ["cpu"]);
}
