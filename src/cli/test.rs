//! `aic test`: the behaviour tests, and a version for what was tested.

use super::{Context, Format, name_and_value, variables};
use crate::host::script_host;
use crate::models::{ModelUse, Reach};
use crate::report::{diagnostics, json, tests};
use crate::session::{Refusal, Session, TestOptions, Tested};
use crate::workspace::{Target, Workspace};
use aic_base::Usd;
use aic_engine::Purse;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

#[derive(clap::Args)]
pub struct Args {
    /// Specs, or folders with specs
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Only cases whose name contains this
    #[arg(long, short = 'k', value_name = "TEXT")]
    filter: Option<String>,
    /// Only tests with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Test as this environment
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// A variable of the spec
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    vars: Vec<(String, String)>,
    /// Wait for the delays of scripted models and of recordings
    #[arg(long)]
    realtime: bool,
    /// Call real models and record every exchange anew
    #[arg(long, group = "reach")]
    record: bool,
    /// Answer from the recording only
    #[arg(long, group = "reach")]
    replay: bool,
    /// Record what is missing from the recording, and nothing else
    #[arg(long, group = "reach")]
    record_stale: bool,
    /// Call real models though there is a recording
    #[arg(long, group = "reach")]
    live: bool,
    /// The most that real calls may cost in this session, in US dollars
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    max_cost: Option<Usd>,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

impl Args {
    /// All tests below the current folder.
    pub fn below_here(environment: Option<String>, vars: Vec<(String, String)>) -> Self {
        let paths = vec![".".into()];
        Self {
            paths,
            filter: None,
            tag: None,
            environment,
            vars,
            realtime: false,
            record: false,
            replay: false,
            record_stale: false,
            live: false,
            max_cost: None,
            format: Format::default(),
        }
    }
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let host = script_host();
    let options = TestOptions {
        environment: args.environment.clone(),
        vars: variables(&args.vars),
        filter: args.filter.clone(),
        tag: args.tag.clone(),
        realtime: args.realtime,
        ..TestOptions::new(context.cancel.clone())
    };
    let models = models(args);
    let (mut code, mut documents) = (0, Vec::new());
    // All are found before any is run: a misspelt name costs no results.
    let targets = args.paths.iter().map(|path| Target::read(path)).collect::<Result<Vec<_>, _>>();
    let targets = match targets {
        Ok(targets) => targets,
        Err(error) => return context.could_not_run(error),
    };
    for target in targets {
        let store = context.store_or_warn(&target.workspace);
        for (i, spec) in target.specs.iter().enumerate() {
            if i > 0 && context.format == Format::Human {
                context.out.line("");
            }
            let session = Session::new(target.workspace.clone(), spec.clone(), store.clone(), host.clone())
                .with_models(models.clone());
            let tested = test_one(context, &session, &options).await;
            code = code.max(tested.exit_code());
            documents.push(document(&session.workspace, &tested));
            if context.cancel.is_cancelled() {
                return context
                    .could_not_run("interrupted; the cases that had ended are above, nothing is recorded of them");
            }
        }
    }
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "specs": documents, "exit_code": code }));
    }
    code
}

fn models(args: &Args) -> ModelUse {
    let reach = match (args.record, args.replay, args.record_stale, args.live) {
        (true, ..) => Reach::Record,
        (_, true, ..) => Reach::Replay,
        (_, _, true, _) => Reach::Renew,
        (.., true) => Reach::Live,
        _ => Reach::Asked,
    };
    let purse = args.max_cost.map(|most| Arc::new(Purse::new(most)));
    ModelUse { reach, cassette: None, realtime: args.realtime, purse }
}

/// Reads an amount like `0.50` or `$0.50`.
fn dollars(text: &str) -> Result<Usd, String> {
    let number: f64 = text.trim_start_matches('$').parse().map_err(|_| "write it like 0.50".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok(Usd::from_dollars(number)) } else { Err("write it like 0.50".into()) }
}

/// Tests one spec and reports it as it goes.
pub async fn test_one(context: &mut Context, session: &Session, options: &TestOptions) -> Tested {
    let started = Instant::now();
    let human = context.format == Format::Human;
    let loaded = session.load(options.environment.as_deref());
    if human {
        tests::heading(&mut context.out, &session.workspace, &loaded);
    }
    let out = &mut context.out;
    let mut ended = |case: &aic_behavior::CaseReport| {
        if human {
            tests::case(out, case);
        }
    };
    let tested = session.test_loaded(loaded, options, &mut ended).await;
    if human {
        report(context, &session.workspace, &tested, started);
    }
    if let Some(error) = &tested.unkept {
        context.warn(format_args!("the results are not kept: {error}"));
    }
    tested
}

fn report(context: &mut Context, workspace: &Workspace, tested: &Tested, started: Instant) {
    match &tested.result {
        Ok(report) => {
            for case in report.cases.iter().filter(|case| !case.verdict.is_fine()) {
                tests::failure(&mut context.out, workspace, &tested.loaded, case);
            }
            tests::summary(&mut context.out, report, started.elapsed());
            tests::version(&mut context.out, tested);
            if report.cases.is_empty() {
                context.warn("no case was run: the spec has no tests, or the filter fits none");
            }
        }
        Err(refusal) => refused(context, workspace, tested, refusal),
    }
}

/// Says why nothing ran, and shows the findings that are the reason.
pub fn refused(context: &mut Context, workspace: &Workspace, tested: &Tested, refusal: &Refusal) {
    let loaded = &tested.loaded;
    match refusal {
        Refusal::NotEnforced => {
            diagnostics::write_some(&mut context.out, workspace, loaded, loaded.blockers());
        }
        _ => diagnostics::write(&mut context.out, workspace, loaded),
    }
    context.could_not_run(format_args!("{}: {refusal}", workspace.shown(&loaded.path)));
}

fn document(workspace: &Workspace, tested: &Tested) -> serde_json::Value {
    let loaded = &tested.loaded;
    let version = tested.version.map(|version| json!({ "number": version.number, "digest": version.digest }));
    match &tested.result {
        Ok(report) => {
            let mut document = json::tests(workspace, loaded, report);
            document["spec"] = json!(loaded.path);
            document["version"] = json!(version);
            document
        }
        Err(refusal) => json!({
            "spec": loaded.path,
            "refused": refusal.to_string(),
            "diagnostics": json::diagnostics(loaded),
        }),
    }
}
