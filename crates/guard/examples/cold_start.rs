//! How long the first judgement of each built-in takes: its patterns are compiled then. Prints milliseconds.

#![allow(clippy::print_stdout)]

use aic_guard::{Builtin, Group, Guard, GuardrailDef, Scope};
use std::time::Instant;

const TEXT: &str = "Which users are inactive? Please write to 4 of them, and delete nothing; SELECT is fine.";

fn main() {
    for builtin in Builtin::ALL {
        let mut def = GuardrailDef::named(builtin.name(), Group::Own);
        if builtin == Builtin::AllowedTopics {
            def.params.insert("topics".into(), serde_json::json!(["users"]));
        }
        let Ok(guard) = Guard::compile(&def) else { continue };
        for turn in ["first", "then"] {
            let started = Instant::now();
            for stage in &guard.stages {
                guard.judge(TEXT, &Scope::at(*stage));
            }
            println!("{:<20} {turn:<6} {:>9.3} ms", builtin.name(), started.elapsed().as_secs_f64() * 1e3);
        }
    }
}
