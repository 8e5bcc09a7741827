//! Scripts that will not stop, take too much, or dig for a way out. After each the host still works.

mod support;

use aic_base::Limits;
use aic_sandbox::{Cancel, ScriptCall, ScriptError};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{body, host, limits, module, run, value, works};

#[test]
fn a_script_that_never_ends_is_stopped_at_its_deadline() {
    let host = host();
    works(&host);
    let endless = [
        "for (;;) {}",
        "const again = () => Promise.resolve().then(again); return again()",
        "return {toJSON() { for (;;) {} }}",
        "return /^(a+)+$/.test('a'.repeat(64) + 'b')",
        "throw {toString() { for (;;) {} }}",
        "try { for (;;) {} } finally { for (;;) {} }",
        "const until = Date.now() + 1; while (Date.now() < until) {}",
        "return 'x'.repeat(1 << 24).split('').sort(() => { for (;;) {} })",
    ];
    for text in endless {
        let mut call = body(text);
        call.limits.timeout = Duration::from_millis(100);
        call.limits.memory = 900 << 20;
        let error = run(&host, &call).unwrap_err();
        assert!(matches!(error, ScriptError::Timeout { limit, .. } if limit.as_millis() == 100), "{text}: {error:?}");
        works(&host);
    }
    let mut call = module("for (;;) {}");
    call.limits.timeout = Duration::ZERO;
    assert!(matches!(run(&host, &call), Err(ScriptError::Timeout { .. })));
    works(&host);
}

#[test]
fn a_script_that_allocates_without_end_meets_its_limit() {
    let host = host();
    let greedy = [
        "const all = []; for (;;) all.push('x'.repeat(1000) + all.length)",
        "const all = []; for (;;) all.push(new Uint8Array(1 << 20))",
        "let text = 'x'; for (;;) text += text + Math.random()",
        "let o = {}; for (let i = 0; ; i++) o['key' + i] = {}",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, [i])",
        "return new ArrayBuffer(500_000_000).byteLength",
    ];
    for text in greedy {
        let error = run(&host, &body(text)).unwrap_err();
        // Where the engine refuses a length before it asks for memory.
        let length = matches!(&error, ScriptError::Threw { message, .. } if message.contains("too long"));
        assert!(length || matches!(error, ScriptError::OutOfMemory { .. }), "{text}: {error:?}");
        works(&host);
    }
}

#[test]
fn memory_is_counted_for_each_call_and_a_small_limit_is_kept() {
    let host = host();
    let text = "return new Uint8Array(30 << 20).length";
    for _ in 0..3 {
        assert_eq!(value(&host, text), json!(30 << 20));
    }
    let mut small = body(text);
    small.limits.memory = 20 << 20;
    let error = run(&host, &small).unwrap_err();
    assert!(matches!(error, ScriptError::OutOfMemory { limit, .. } if limit == 20 << 20), "{error:?}");
    small.limits.memory = 1000;
    assert!(matches!(run(&host, &small), Err(ScriptError::OutOfMemory { .. })));
    works(&host);
}

#[test]
fn deep_recursion_is_an_error_and_between_functions_one_that_a_script_can_catch() {
    let host = host();
    let deep = [
        "const f = () => f() + 1; return f()",
        "const f = (...a) => [1].map(() => f(...a)); return f(1, 2, 3)",
        "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a)",
        "return JSON.parse('['.repeat(1e6))",
        "return new RegExp('('.repeat(1e6)).test('')",
        "return eval('('.repeat(1e6))",
        "const p = new Proxy({}, {get: (t, k, r) => r[k]}); return p.x",
        "class A { get x() { return this.x } } return new A().x",
        "let a = {}; a.toString = () => `${a}`; return `${a}`",
    ];
    for text in deep {
        // Some go very deep before they end, which takes its time on a busy machine.
        let limits = Limits { timeout: Duration::from_secs(120), ..limits() };
        let error = run(&host, &ScriptCall { limits, ..body(text) }).unwrap_err();
        // The engine does not watch its stack in JSON.parse; there the machine's stack ends first.
        assert!(matches!(error, ScriptError::Threw { .. } | ScriptError::Trapped { .. }), "{text}: {error:?}");
        works(&host);
    }
    assert_eq!(value(&host, "const f = () => f() + 1; try { f() } catch { return 'caught' }"), json!("caught"));
    assert!(
        value(&host, "let n = 0; const f = () => { n++; f() }; try { f() } catch {} return n").as_u64() > Some(500)
    );
}

#[test]
fn a_gigabyte_of_printing_is_cut_and_the_result_still_comes() {
    let host = host();
    let mut call = body("const text = 'x'.repeat(1 << 20); for (let i = 0; i < 1024; i++) print(text); return 'done'");
    call.limits.timeout = Duration::from_secs(120);
    let result = run(&host, &call).unwrap();
    assert_eq!((result.value, result.stdout.len(), result.truncated), (json!("done"), 1_000_000, true));
    call = body("print('é'); print('b')");
    call.limits.output = 1;
    let result = run(&host, &call).unwrap();
    assert_eq!((result.stdout.as_str(), result.truncated), ("\u{fffd}", true));
}

#[test]
fn two_hundred_calls_from_four_threads_all_get_their_own_answer() {
    let host = host();
    let right = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (host, right) = (&host, &right);
            scope.spawn(move || {
                for index in 0..50 {
                    let number = thread * 1000 + index;
                    let call = aic_sandbox::ScriptCall { args: json!(number), ..body("return args * 2") };
                    assert_eq!(run(host, &call).unwrap().value, json!(number * 2));
                    right.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(right.into_inner(), 200);
    assert!(host.idle_workers().len() <= 4);
}

#[test]
fn more_threads_than_workers_wait_their_turn_and_can_be_cancelled_while_they_do() {
    let host = host();
    works(&host);
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let (host, cancel) = (&host, &cancel);
        let calls: Vec<_> = (0..20).map(|_| scope.spawn(|| host.call(&body("for (;;) {}"), cancel))).collect();
        support::until("some run", || format!("{host:?}").contains("running: 16"));
        cancel.cancel();
        for call in calls {
            assert!(matches!(call.join().unwrap(), Err(ScriptError::Cancelled { .. })));
        }
    });
    works(&host);
}

#[test]
fn a_request_that_is_too_long_is_refused_before_it_is_sent() {
    let call = aic_sandbox::ScriptCall { args: json!("x".repeat(40 << 20)), ..body("return 1") };
    assert!(matches!(run(&host(), &call), Err(ScriptError::TooLarge { .. })));
}
