//! `aic check`: what is wrong with a spec, with line and caret.

use super::{Context, FINDINGS, FINE, Format};
use crate::output::Style;
use crate::report::{diagnostics, json};
use crate::workspace::Target;
use aic_spec::{Loaded, Severity};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Specs, or folders with specs
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Also fail on warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Check as this environment
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let mut all = Vec::new();
    for path in &args.paths {
        let target = match Target::read(path) {
            Ok(target) => target,
            Err(error) => return context.could_not_run(error),
        };
        for spec in &target.specs {
            let loaded = target.workspace.load(spec, args.environment.as_deref());
            if context.format == Format::Human {
                diagnostics::write(&mut context.out, &target.workspace, &loaded);
            }
            all.push(loaded);
        }
    }
    let fails = |loaded: &Loaded| {
        let worst = if args.deny_warnings { Severity::Warning } else { Severity::Error };
        loaded
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error || diagnostic.severity == worst)
    };
    let failed = all.iter().any(fails);
    match context.format {
        Format::Human => {
            let words = diagnostics::tally(&all.iter().collect::<Vec<_>>());
            let words = context.out.styled(if failed { Style::Bad } else { Style::Good }, words);
            context.out.line(format_args!("{words} in {}", crate::report::count(all.len(), "spec")));
        }
        Format::Json => {
            let specs: Vec<_> = all
                .iter()
                .map(|loaded| json!({ "spec": loaded.path, "diagnostics": json::diagnostics(loaded) }))
                .collect();
            json::write(&mut context.out, json!({ "specs": specs, "ok": !failed }));
        }
    }
    if failed { FINDINGS } else { FINE }
}
