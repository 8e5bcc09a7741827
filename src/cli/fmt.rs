//! `aic fmt`: one layout for everybody. What a file says, its comments included, stays as it is.

use super::{Context, FINDINGS, FINE};
use crate::output::Style;
use crate::report::count;
use crate::tui::effects::save::save;
use crate::tui::message::NotSaved;
use crate::workspace::Workspace;
use aic_base::{Digest, LineIndex, RelPath, Source as _};
use aic_spec::{FormatError, file_kind, find_files, format};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    /// Specs and files of tests, or folders with them
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Write nothing; fail if something would change
    #[arg(long)]
    check: bool,
}

/// What became of one file.
enum Outcome {
    Same,
    Changed,
    /// TOML keeps its own layout.
    Left,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let mut changed = 0;
    let mut same = 0;
    let mut broken = 0;
    for path in &args.paths {
        let (workspace, files) = match files_of(path) {
            Ok(files) => files,
            Err(why) => return context.could_not_run(why),
        };
        for file in files {
            match one(&workspace, &file, args.check) {
                Ok(Outcome::Changed) => {
                    changed += 1;
                    let word = if args.check { "would change" } else { "changed" };
                    let word = context.out.styled(Style::Warn, word);
                    context.out.line(format_args!("{word} {}", workspace.shown(&file)));
                }
                Ok(Outcome::Same) => same += 1,
                Ok(Outcome::Left) => {
                    let word = context.out.styled(Style::Dim, "left as it is");
                    context.out.line(format_args!("{word} {} (TOML)", workspace.shown(&file)));
                }
                Err(why) => {
                    broken += 1;
                    let word = context.out.styled(Style::Bad, "not formatted");
                    context.out.line(format_args!("{word} {why}"));
                }
            }
        }
    }
    let verb = if args.check { "would change" } else { "changed" };
    let refused = if broken > 0 { format!(", {} not formatted", count(broken, "file")) } else { String::new() };
    context.out.line(format_args!("{} {verb}, {} as wanted{refused}", count(changed, "file"), count(same, "file")));
    if broken > 0 || (args.check && changed > 0) { FINDINGS } else { FINE }
}

/// The files of the language that a path means.
fn files_of(path: &Path) -> Result<(Workspace, Vec<RelPath>), String> {
    let shown = path.display();
    let full = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{shown}: no such file or folder"),
        _ => format!("{shown}: {error}"),
    })?;
    let folder = if full.is_dir() { full.as_path() } else { full.parent().unwrap_or(&full) };
    let workspace = Workspace::of(folder).map_err(|error| error.to_string())?;
    let rel = RelPath::below(&workspace.root, &full).map_err(|error| error.to_string())?;
    if full.is_dir() {
        let files = find_files(&**workspace.source(), &rel);
        return if files.is_empty() { Err(format!("{shown}: no spec here")) } else { Ok((workspace, files)) };
    }
    match file_kind(rel.file_name()) {
        Some(_) => Ok((workspace, vec![rel])),
        None => Err(format!("{shown}: not called like a spec or a file of tests")),
    }
}

fn one(workspace: &Workspace, file: &RelPath, check: bool) -> Result<Outcome, String> {
    if file.as_str().ends_with(".toml") {
        return Ok(Outcome::Left);
    }
    let shown = workspace.shown(file);
    let text = workspace.source().read_text(file).map_err(|error| error.to_string())?;
    let formatted = format(&text).map_err(|FormatError::Broken { span, message }| {
        let at = LineIndex::new(&text).line_col(&text, span.start as usize);
        format!("{shown}:{}:{}: {message}", at.line, at.column)
    })?;
    if formatted == text {
        return Ok(Outcome::Same);
    }
    if !check {
        save(&file.under(&workspace.root), &formatted, Some(Digest::of(&text))).map_err(|error| match error {
            NotSaved::Changed(_) => format!("{shown}: it was changed meanwhile"),
            NotSaved::Failed(why) => format!("{shown}: {why}"),
        })?;
    }
    Ok(Outcome::Changed)
}
