//! `aic rollback`: the last stable version comes back, and is tested again.

use super::{Context, FINE, Format};
use crate::host::script_host;
use crate::output::Style;
use crate::report::{duration, json};
use crate::rollback::{self, word};
use crate::session::{Session, TestOptions};
use crate::workspace::Target;
use aic_base::Digest;
use aic_store::{FileChangeKind, RollbackReport, Store, VersionReason};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The spec, or its folder
    #[arg(default_value = ".")]
    spec: PathBuf,
    /// To this version (v3, a tag, the beginning of a digest) rather than the last stable one
    #[arg(long, value_name = "VERSION", conflicts_with = "undo")]
    to: Option<String>,
    /// Take the last rollback back
    #[arg(long)]
    undo: bool,
    /// Do not set the version that is left aside, even if it is not stable
    #[arg(long, conflicts_with = "undo")]
    keep: bool,
    /// Do not test afterwards
    #[arg(long)]
    no_test: bool,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let (workspace, spec) = match Target::one(&args.spec) {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    let store = match context.store(&workspace) {
        Ok(store) => store,
        Err(error) => return context.could_not_run(error),
    };
    let session = Session::new(workspace, spec, Some(store.clone()), script_host());
    let loaded = session.load(None);
    let report = if args.undo {
        rollback::undo(&session, &store, &loaded)
    } else {
        rollback::back(&session, &store, &loaded, args.to.as_deref(), args.keep)
    };
    let report = match report {
        Ok(Some(report)) => report,
        Ok(None) => return nothing_to_do(context),
        Err(why) => return context.could_not_run(why),
    };
    tell(context, &session, &store, &report);
    if args.no_test {
        return FINE;
    }
    let options = TestOptions { reason: VersionReason::Saved, ..TestOptions::new(context.cancel.clone()) };
    if context.format == Format::Human {
        context.out.line("");
    }
    let format = std::mem::replace(&mut context.format, Format::Human);
    let tested = match format {
        Format::Human => super::test::test_one(context, &session, &options).await,
        Format::Json => session.test(&options, &mut |_| {}).await,
    };
    context.format = format;
    if format == Format::Json {
        let tests = tested.result.as_ref().ok().map(|tests| json::tests(&session.workspace, &tested.loaded, tests));
        json::write(&mut context.out, json!({ "rollback": report_json(&report), "tests": tests }));
    }
    tested.exit_code()
}

fn nothing_to_do(context: &mut Context) -> u8 {
    match context.format {
        Format::Human => context.out.line("the working files are that version already: nothing to do"),
        Format::Json => json::write(&mut context.out, json!({ "rollback": null })),
    }
    FINE
}

fn tell(context: &mut Context, session: &Session, store: &Store, report: &RollbackReport) {
    if context.format == Format::Json {
        return;
    }
    let shown = |digest: Digest| {
        let known = store.versions(&session.spec).unwrap_or_default();
        let number = known.iter().find(|version| version.digest == digest).map(|version| version.number);
        number.map_or_else(|| digest.short(), |number| format!("v{number} ({})", digest.short()))
    };
    let out = &mut context.out;
    let done = out.styled(Style::Good, format!("back at {}", shown(report.to)));
    out.line(format_args!("{done} in {}; what was there is {}", duration(report.took), shown(report.from)));
    for change in report.changed.iter().filter(|change| change.kind != FileChangeKind::Unchanged) {
        let path = session.workspace.shown(&change.path);
        out.line(format_args!("  {:<9} {path}", word(change.kind)));
    }
    if let Some(rescued) = report.rescued {
        let text = format!("somebody wrote into the files meanwhile; that is kept as {}", shown(rescued));
        out.line(out.styled(Style::Warn, text));
    }
    out.line(out.styled(Style::Dim, "`aic rollback --undo` takes it back"));
}

fn report_json(report: &RollbackReport) -> serde_json::Value {
    json!({
        "operation": report.operation,
        "from": report.from,
        "to": report.to,
        "took_ms": report.took.as_secs_f64() * 1e3,
        "rescued": report.rescued,
        "changed": report.changed.iter().map(|change| json!({
            "path": change.path,
            "kind": word(change.kind),
        })).collect::<Vec<_>>(),
    })
}
