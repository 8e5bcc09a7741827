//! Conditions: whatever compiles can be judged, and neither panics.
#![no_main]

use aic_guard::{Condition, Place, Scope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, &str)| {
    let (condition, text) = data;
    for place in [Place::Guard, Place::Alerts] {
        if let Ok(condition) = Condition::compile(condition, place) {
            let _ = condition.eval(text, &Scope { input: text, output: text, ..Scope::default() });
        }
    }
});
