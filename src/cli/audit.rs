//! `aic audit`: what was written down for good, and whether it still is what was written.

use super::{Context, FINDINGS, FINE, Format};
use crate::output::{Style, harmless};
use crate::report::json;
use crate::workspace::Workspace;
use aic_base::Digest;
use aic_store::{AuditRow, Store, StoreError};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// How to speak
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Go through the whole chain: exit code 1 where an entry was changed or taken out
    Verify {
        /// A folder of the workspace
        #[arg(default_value = ".")]
        path: PathBuf,
        /// An entry and its digest that were kept elsewhere, like 41:9f3c…: shows that nothing was cut off behind it
        #[arg(long, value_name = "SEQ:DIGEST", value_parser = kept)]
        head: Option<(u64, Digest)>,
    },
    /// Print the entries as JSON lines, oldest first
    Export {
        /// A folder of the workspace
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Only the last so many
        #[arg(long, short = 'n')]
        most: Option<u32>,
    },
}

fn kept(text: &str) -> Result<(u64, Digest), String> {
    let (seq, digest) = text.split_once(':').ok_or("write it like 41:9f3c…, as `aic audit verify` prints it")?;
    let seq = seq.parse().map_err(|_| format!("{seq:?} is no number of an entry"))?;
    Ok((seq, digest.parse().map_err(|error| format!("{error}"))?))
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let (Action::Verify { path, .. } | Action::Export { path, .. }) = &args.action;
    let workspace = match Workspace::of(path) {
        Ok(workspace) => workspace,
        Err(error) => return context.could_not_run(error),
    };
    // Looking makes no store and needs no right to write.
    let store = match Store::open_read_only(&workspace.root) {
        Ok(store) => store,
        Err(StoreError::Missing { .. }) => {
            return context.could_not_run("nothing was written down here yet: `aic run` does");
        }
        Err(error) => return context.could_not_run(error),
    };
    match &args.action {
        Action::Verify { head, .. } => verify(&store, *head, context),
        Action::Export { most, .. } => export(&store, most.unwrap_or(u32::MAX), context),
    }
}

fn verify(store: &Store, kept: Option<(u64, Digest)>, context: &mut Context) -> u8 {
    let verdict = match store.audit_verify() {
        Ok(verdict) => verdict,
        Err(error) => return context.could_not_run(error),
    };
    let cut = match kept.map(|(seq, digest)| store.audit_digest(seq).map(|now| (seq, now == Some(digest)))) {
        None | Some(Ok((_, true))) => None,
        Some(Ok((seq, false))) => Some(format!("entry {seq} is not the one that was kept elsewhere")),
        Some(Err(error)) => return context.could_not_run(error),
    };
    let wrong = verdict.as_ref().err().map(ToString::to_string).or(cut);
    match context.format {
        Format::Json => {
            let report = verdict.as_ref().ok();
            json::write(
                &mut context.out,
                json!({
                    "holds": wrong.is_none(),
                    "entries": report.map(|report| report.entries),
                    "head": report.map(|report| report.head.to_string()),
                    "wrong": wrong,
                }),
            );
        }
        Format::Human => match (&wrong, &verdict) {
            (None, Ok(report)) => {
                let word = context.out.styled(Style::Good, "holds:");
                let entries = format!("{} {}", report.entries, if report.entries == 1 { "entry" } else { "entries" });
                context.out.line(format_args!("{word} {entries}, the last is {}:{}", report.entries, report.head));
                let hint = "keep that somewhere else: a careful cut at the end shows only against it (--head)";
                context.out.line(context.out.styled(Style::Dim, hint));
            }
            (wrong, _) => {
                let word = context.out.styled(Style::Bad, "broken:");
                context.out.line(format_args!("{word} {}", harmless(wrong.as_deref().unwrap_or_default())));
            }
        },
    }
    if wrong.is_some() { FINDINGS } else { FINE }
}

fn export(store: &Store, most: u32, context: &mut Context) -> u8 {
    let mut rows = match store.audit(most) {
        Ok(rows) => rows,
        Err(error) => return context.could_not_run(error),
    };
    rows.reverse();
    for row in &rows {
        // One line an entry, whatever the format: a chain is read line by line.
        context.out.line(line(row));
    }
    FINE
}

fn line(row: &AuditRow) -> Value {
    json!({ "seq": row.seq, "at": row.at, "kind": row.kind, "fields": row.fields, "digest": row.digest.to_string() })
}
