//! What the benches evaluate.

use aic_base::{Limits, Timestamp};
use aic_sandbox::{Cancel, ScriptCall, ScriptHost};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Where compiled guests are kept between runs.
pub fn cache() -> PathBuf {
    std::env::temp_dir().join("aic-sandbox-bench")
}

/// One small script, and its right answer.
pub fn evaluate(host: &ScriptHost) {
    let call = ScriptCall {
        filename: "bench.js".into(),
        source: "export default ({ number }) => number * 2;".into(),
        args: json!({"number": 21}),
        ctx: json!({}),
        limits: Limits { timeout: Duration::from_secs(60), ..Limits::default() },
        now: Timestamp::default(),
        seed: 0,
    };
    let result = host.call(&call, &Cancel::new());
    assert_eq!(result.map(|result| result.value), Ok(json!(42)), "run it with a worker: {:?}", host.command());
}
