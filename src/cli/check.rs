//! `aic check`: what is wrong with a spec, with line and caret; and mending what can be mended.

use super::{COULD_NOT_RUN, Context, FINDINGS, FINE};
use crate::output::Style;
use crate::report::{count, diagnostics, github, json, junit, sarif};
use crate::session::Session;
use crate::tui::effects::save::save;
use crate::watch::{Files, LONGEST_BURST, QUIET};
use crate::workspace::{Target, Workspace, WorkspaceError, now};
use aic_base::{Digest, RelPath};
use aic_spec::{
    Diagnostic, FileKind, Fix, LoadOptions, Loaded, Severity, apply_sound, file_kind, find_files,
    ide::{load_tests, specs_of_tests},
    resolved,
};
use clap::ValueEnum;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How often fixes are applied anew: one may uncover another.
const ROUNDS: usize = 10;

#[derive(clap::Args)]
pub struct Args {
    /// Specs, files of tests, or folders with specs
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Also fail on warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Check as this environment
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// Apply the fixes that change nothing that was meant
    #[arg(long)]
    fix: bool,
    /// Apply the other fixes, too: look at what they did
    #[arg(long)]
    unsafe_fixes: bool,
    /// Print the long form that a spec, its bases and its short forms became
    #[arg(long, conflicts_with_all = ["fix", "unsafe_fixes", "watch"])]
    resolved: bool,
    /// Check again after every save
    #[arg(long, conflicts_with_all = ["fix", "unsafe_fixes"])]
    watch: bool,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: CheckFormat,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON document.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub's workflows.
    Github,
    /// A JUnit report.
    Junit,
}

/// A spec or a file of tests, loaded.
pub struct Checked {
    /// The workspace it lies in.
    pub workspace: Workspace,
    /// What was found.
    pub loaded: Loaded,
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    if args.watch {
        return watch(args, context).await;
    }
    let mut all = match load_all(args) {
        Ok(all) => all,
        Err(error) => return context.could_not_run(error),
    };
    if args.resolved {
        return print_resolved(args, &all, context);
    }
    if args.fix || args.unsafe_fixes {
        match mend(args, &mut all) {
            Ok(mended) if args.format == CheckFormat::Human && mended.fixes > 0 => {
                let (fixes, files) = (count(mended.fixes, "finding"), count(mended.files, "file"));
                context.out.line(format_args!("mended {fixes} in {files}"));
            }
            Ok(_) => {}
            Err(error) => return context.could_not_run(error),
        }
    }
    report(args, &all, context)
}

/// The specs that the arguments mean, and below folders the files of tests that none of them includes.
fn load_all(args: &Args) -> Result<Vec<Checked>, WorkspaceError> {
    let mut all = Vec::new();
    for path in &args.paths {
        if let Some(checked) = tests_apart(path)? {
            all.push(checked);
            continue;
        }
        let target = match Target::read(path) {
            Ok(target) => target,
            // A folder may hold nothing but tests.
            Err(error @ WorkspaceError::NoSpec { .. }) => {
                let tests = if args.resolved { Vec::new() } else { tests_of_nobody(path, &[])? };
                if tests.is_empty() {
                    return Err(error);
                }
                all.extend(tests);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut specs = Vec::new();
        for spec in &target.specs {
            let loaded = target.workspace.load(spec, args.environment.as_deref());
            specs.push(Checked { workspace: target.workspace.clone(), loaded });
        }
        let tests = if args.resolved || !path.is_dir() { Vec::new() } else { tests_of_nobody(path, &specs)? };
        all.extend(specs);
        all.extend(tests);
    }
    Ok(all)
}

/// The files of tests below a folder that no spec includes: they never run, and what is wrong with them would be said
/// nowhere.
fn tests_of_nobody(folder: &Path, specs: &[Checked]) -> Result<Vec<Checked>, WorkspaceError> {
    let io = |source| WorkspaceError::Io { path: folder.display().to_string(), source };
    let full = folder.canonicalize().map_err(io)?;
    let workspace = Workspace::of(&full)?;
    let rel = RelPath::below(&workspace.root, &full)?;
    let source = workspace.source();
    let tests = find_files(&**source, &rel).into_iter().filter(|path| {
        file_kind(path.file_name()) == Some(FileKind::Tests)
            && !specs.iter().any(|spec| spec.loaded.files.contains_key(path))
            && specs_of_tests(&**source, path).is_empty()
    });
    Ok(tests.map(|path| reload_tests(workspace.clone(), &path)).collect())
}

/// A file of tests, which no command runs by itself, but which can be checked.
fn tests_apart(path: &Path) -> Result<Option<Checked>, WorkspaceError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let (true, Ok(full)) = (file_kind(name) == Some(FileKind::Tests), path.canonicalize()) else { return Ok(None) };
    if !full.is_file() {
        return Ok(None);
    }
    let workspace = Workspace::of(full.parent().unwrap_or(&full))?;
    let rel = RelPath::below(&workspace.root, &full)?;
    Ok(Some(reload_tests(workspace, &rel)))
}

fn reload_tests(workspace: Workspace, path: &RelPath) -> Checked {
    let options = LoadOptions { environment: None, today: now() };
    let loaded = load_tests(&**workspace.source(), path, &options);
    Checked { workspace, loaded }
}

fn reload(args: &Args, checked: &Checked) -> Checked {
    let (workspace, path) = (checked.workspace.clone(), &checked.loaded.path);
    if is_of_tests(path) {
        return reload_tests(workspace, path);
    }
    let loaded = workspace.load(path, args.environment.as_deref());
    Checked { workspace, loaded }
}

fn report(args: &Args, all: &[Checked], context: &mut Context) -> u8 {
    let failed = all.iter().flat_map(|checked| &checked.loaded.diagnostics).any(|found| fails(args, found));
    match args.format {
        CheckFormat::Human => {
            for checked in all {
                diagnostics::write(&mut context.out, &checked.workspace, &checked.loaded);
            }
            let words = diagnostics::tally(&all.iter().map(|checked| &checked.loaded).collect::<Vec<_>>());
            let words = context.out.styled(if failed { Style::Bad } else { Style::Good }, words);
            context.out.line(format_args!("{words} in {}", counted(all)));
        }
        // Under watch a document is a line, so that a reader knows where it ends.
        CheckFormat::Json if args.watch => context.out.line(json::with_schema(document(all, failed))),
        CheckFormat::Json => json::write(&mut context.out, document(all, failed)),
        CheckFormat::Sarif => context.out.line(format_args!("{:#}", sarif::document(all))),
        CheckFormat::Github => context.out.text(github::annotations(all)),
        CheckFormat::Junit => context.out.text(junit::document(all, &|found| fails(args, found))),
    }
    if failed { FINDINGS } else { FINE }
}

/// `1 spec`, `2 specs and 1 file of tests`.
fn counted(all: &[Checked]) -> String {
    let tests = all.iter().filter(|checked| is_of_tests(&checked.loaded.path)).count();
    let files = format!("{tests} {} of tests", if tests == 1 { "file" } else { "files" });
    match (all.len() - tests, tests) {
        (specs, 0) => count(specs, "spec"),
        (0, _) => files,
        (specs, _) => format!("{} and {files}", count(specs, "spec")),
    }
}

fn is_of_tests(path: &RelPath) -> bool {
    file_kind(path.file_name()) == Some(FileKind::Tests)
}

fn fails(args: &Args, found: &Diagnostic) -> bool {
    found.severity == Severity::Error || (args.deny_warnings && found.severity == Severity::Warning)
}

fn document(all: &[Checked], failed: bool) -> serde_json::Value {
    let specs: Vec<_> = all
        .iter()
        .map(|checked| json!({ "spec": checked.loaded.path, "diagnostics": json::diagnostics(&checked.loaded) }))
        .collect();
    json!({ "specs": specs, "ok": !failed })
}

/// What was mended.
#[derive(Default)]
struct Mended {
    fixes: usize,
    files: usize,
}

/// Applies fixes and loads again, until there are none or nothing more comes of them.
fn mend(args: &Args, all: &mut [Checked]) -> Result<Mended, String> {
    let mut mended = Mended::default();
    let mut files: std::collections::BTreeSet<PathBuf> = std::collections::BTreeSet::new();
    for checked in all.iter_mut() {
        for _ in 0..ROUNDS {
            let mut by_file: BTreeMap<&RelPath, Vec<&Fix>> = BTreeMap::new();
            let wanted = |fix: &&Fix| fix.safe || args.unsafe_fixes;
            for found in &checked.loaded.diagnostics {
                if let Some(fix) = found.fix.as_ref().filter(wanted) {
                    by_file.entry(&found.file).or_default().push(fix);
                }
            }
            let mut applied = 0;
            for (file, fixes) in by_file {
                let Some(text) = checked.loaded.text(file) else { continue };
                let (with, count) = apply_sound(file, text, &fixes);
                if count == 0 || with == text {
                    continue;
                }
                let path = file.under(&checked.workspace.root);
                save(&path, &with, Some(Digest::of(text))).map_err(|error| {
                    let why = match error {
                        crate::tui::message::NotSaved::Changed(_) => "it was changed meanwhile".to_owned(),
                        crate::tui::message::NotSaved::Failed(why) => why,
                    };
                    format!("{} is not mended: {why}", checked.workspace.shown(file))
                })?;
                applied += count;
                files.insert(path);
            }
            if applied == 0 {
                break;
            }
            mended.fixes += applied;
            *checked = reload(args, checked);
        }
    }
    mended.files = files.len();
    // A file that several share was mended through one of them.
    for checked in all.iter_mut().filter(|_| mended.fixes > 0) {
        *checked = reload(args, checked);
    }
    Ok(mended)
}

fn print_resolved(args: &Args, all: &[Checked], context: &mut Context) -> u8 {
    let [one] = all else {
        return context.could_not_run(format_args!("{} specs here; say which one to print", all.len()));
    };
    let options = LoadOptions { environment: args.environment.clone(), today: now() };
    let text = match one.loaded.has_errors() {
        true => None,
        false => resolved(&**one.workspace.source(), &one.loaded.path, &options),
    };
    match text {
        Some(text) => {
            context.out.text(text);
            FINE
        }
        None => {
            diagnostics::write(&mut context.err, &one.workspace, &one.loaded);
            let name = one.workspace.shown(&one.loaded.path);
            let _ = context.could_not_run(format_args!("{name} has no long form: mend its errors first"));
            if one.loaded.has_errors() { FINDINGS } else { COULD_NOT_RUN }
        }
    }
}

/// Checks now and after every save, until it is cancelled.
async fn watch(args: &Args, context: &mut Context) -> u8 {
    let root = match load_all(args) {
        Ok(all) => all.first().map(|checked| checked.workspace.root.clone()),
        Err(error) => return context.could_not_run(error),
    };
    let Some(mut files) = root.as_deref().map(Files::new).transpose().ok().flatten() else {
        return context.could_not_run("changes of files cannot be watched here");
    };
    let mut seen: Option<BTreeMap<RelPath, Digest>> = None;
    loop {
        match load_all(args) {
            Ok(all) => {
                files.follow_paths(all.iter().flat_map(|checked| Session::watched(&checked.loaded)));
                let state: BTreeMap<RelPath, Digest> =
                    all.iter().flat_map(|checked| crate::watch::state(&checked.workspace, &checked.loaded)).collect();
                if seen.as_ref() != Some(&state) {
                    seen = Some(state);
                    report(args, &all, context);
                }
            }
            // A spec that is being renamed is gone for a moment.
            Err(error) => context.warn(error),
        }
        tokio::select! {
            () = context.cancel.cancelled() => return FINE,
            changed = files.changed() => if changed.is_none() { return FINE },
        }
        let until = Instant::now() + LONGEST_BURST;
        while Instant::now() < until && tokio::time::timeout(QUIET, files.changed()).await.is_ok() {}
    }
}
