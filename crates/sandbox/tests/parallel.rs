//! Many at once, and none lost.

mod support;

use aic_sandbox::Cancel;
use serde_json::json;
use std::collections::BTreeSet;

/// Threads that call; each waits for its own answer.
const CALLERS: u64 = 100;
const EACH: u64 = 10;

#[test]
fn a_thousand_scripts_at_once_each_get_their_own_answer() {
    let host = support::host();
    let answers: Vec<u64> = std::thread::scope(|scope| {
        let callers = (0..CALLERS).map(|caller| {
            let host = &host;
            scope.spawn(move || {
                let answer = |index: u64| {
                    let mut call = support::body("return args.number * 2 + ctx.y");
                    call.args = json!({"number": caller * EACH + index});
                    let result = host.call(&call, &Cancel::new()).expect("an answer");
                    result.value.as_u64().expect("a number")
                };
                (0..EACH).map(answer).collect::<Vec<_>>()
            })
        });
        let callers: Vec<_> = callers.collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("no caller fails")).collect()
    });
    let expected: BTreeSet<u64> = (0..CALLERS * EACH).map(|number| number * 2 + 1).collect();
    assert_eq!((answers.len() as u64, answers.into_iter().collect::<BTreeSet<_>>()), (CALLERS * EACH, expected));
}
