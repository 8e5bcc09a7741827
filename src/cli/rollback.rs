//! `aic rollback`: the last stable version comes back, and is tested again.

use super::{Context, FINE, Format};
use crate::host::script_host;
use crate::output::Style;
use crate::report::{duration, json};
use crate::session::{Session, TestOptions};
use crate::workspace::Target;
use aic_base::{Digest, RelPath};
use aic_spec::Loaded;
use aic_store::{
    FileChangeKind, RollbackReport, RollbackRequest, Store, StoreError, UndoRequest, VersionInfo, VersionReason,
    version_digest,
};
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
    let report = if args.undo { undo(&session, &store, &loaded) } else { back(args, &session, &store, &loaded) };
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

fn back(args: &Args, session: &Session, store: &Store, loaded: &Loaded) -> Result<Option<RollbackReport>, String> {
    let spec = &session.spec;
    let here = version_digest(spec, &loaded.files);
    let target = target(args, store, spec).map_err(|error| error.to_string())?;
    let Some(target) = target else {
        return Err(
            "there is no stable version yet: a version becomes stable when all its tests pass under `aic test`; \
                    `aic versions` lists them, and --to takes any"
                .into(),
        );
    };
    if target.digest == here {
        return Ok(None);
    }
    let files = store.files_of(target.digest).map_err(|error| error.to_string())?;
    let current = session.working_files(loaded, &files);
    let known = store.versions(spec).map_err(|error| error.to_string())?;
    let is_stable = known.iter().any(|version| version.digest == here && version.stable);
    let request = RollbackRequest {
        spec: spec.clone(),
        name: name(loaded, &target),
        target: target.digest,
        current,
        quarantine_current: !args.keep && !is_stable,
        remove_added: true,
        reason: format!("rolled back to v{}", target.number),
    };
    store.rollback(request).map(Some).map_err(|error| error.to_string())
}

fn target(args: &Args, store: &Store, spec: &RelPath) -> Result<Option<VersionInfo>, StoreError> {
    match &args.to {
        Some(wanted) => store.version(spec, wanted).map(Some),
        None => store.stable(spec),
    }
}

fn undo(session: &Session, store: &Store, loaded: &Loaded) -> Result<Option<RollbackReport>, String> {
    let spec = &session.spec;
    let before = store.view(spec).map_err(|error| error.to_string())?.current;
    // Whatever the undone operation brings back may stand on files that the spec of now does not name.
    let files = before.map(|digest| store.files_of(digest)).transpose().map_err(|error| error.to_string())?;
    let current = session.working_files(loaded, &files.unwrap_or_default());
    let name = loaded.spec.as_ref().map_or_else(|| spec.file_name().to_owned(), |spec| spec.name.clone());
    let request = UndoRequest { spec: spec.clone(), name, current, operation: None };
    store.undo(request).map(Some).map_err(|error| error.to_string())
}

fn name(loaded: &Loaded, target: &VersionInfo) -> String {
    loaded.spec.as_ref().map_or_else(|| target.name.clone(), |spec| spec.name.clone())
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

const fn word(kind: FileChangeKind) -> &'static str {
    match kind {
        FileChangeKind::Restored => "restored",
        FileChangeKind::Created => "created",
        FileChangeKind::Removed => "removed",
        FileChangeKind::Unchanged => "unchanged",
        FileChangeKind::Kept => "kept",
    }
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
