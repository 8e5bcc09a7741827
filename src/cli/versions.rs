//! `aic versions`: what is recorded of a spec, newest first.

use super::{Context, FINE, Format};
use crate::output::{Out, Style};
use crate::report::json;
use crate::session::blocking;
use crate::workspace::{Target, now};
use aic_base::Timestamp;
use aic_store::{Store, StoreError, VersionInfo, version_digest};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The spec, or its folder
    #[arg(default_value = ".")]
    spec: PathBuf,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20)]
    most: usize,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let (workspace, spec) = match Target::one(&args.spec) {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    // Looking makes no store and needs no right to write.
    let versions = match Store::open_read_only(&workspace.root).and_then(|store| store.versions(&spec)) {
        Ok(versions) => versions,
        Err(StoreError::Missing { .. }) => Vec::new(),
        Err(error) => return context.could_not_run(error),
    };
    let loaded = workspace.load(&spec, None);
    let here = version_digest(&spec, &loaded.files);
    match context.format {
        Format::Json => {
            let all: Vec<_> =
                versions.iter().take(args.most).map(|version| one_json(version, version.digest == here)).collect();
            json::write(&mut context.out, json!({ "spec": spec, "versions": all }));
        }
        Format::Human if versions.is_empty() => {
            context.out.line("no versions yet: `aic test` records one");
        }
        Format::Human => {
            for version in versions.iter().take(args.most) {
                let line = one(&context.out, version, version.digest == here);
                context.out.line(line);
            }
            let known = versions.iter().any(|version| version.digest == here);
            if !known {
                let why = if loaded.has_errors() { "they have errors" } else { "they were not tested yet" };
                let text = format!("the working files are none of these: {why}");
                context.out.line(context.out.styled(Style::Warn, text));
            }
            if !blocking(&loaded).is_empty() {
                context.out.line(context.out.styled(Style::Warn, "the working files do not run in this version"));
            }
        }
    }
    FINE
}

fn one(out: &Out, version: &VersionInfo, current: bool) -> String {
    let mark = if current { "*" } else { " " };
    let verdict = match &version.verdict {
        None => out.styled(Style::Dim, "not tested"),
        Some(verdict) if verdict.all_passed() => out.styled(Style::Good, format!("✓ {} passed", verdict.passed)),
        Some(verdict) => {
            let broken = if verdict.other > 0 { format!(", {} open", verdict.other) } else { String::new() };
            out.styled(Style::Bad, format!("✗ {} failed, {} passed{broken}", verdict.failed, verdict.passed))
        }
    };
    let mut words = Vec::new();
    if current {
        words.push("current".to_owned());
    }
    words.extend(version.tags.iter().filter(|tag| *tag != "stable").cloned());
    if version.stable {
        words.push(out.styled(Style::Good, "stable"));
    }
    if let Some(reason) = &version.quarantined {
        words.push(out.styled(Style::Bad, format!("quarantined: {reason}")));
    }
    let age = out.styled(Style::Dim, age(version.recorded_at, now()));
    let digest = out.styled(Style::Dim, version.digest.short());
    format!("{mark} v{:<4} {digest}  {age:>10}  {verdict}  {}", version.number, words.join(", ")).trim_end().to_owned()
}

/// How long ago, in the one unit that fits.
fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..60 => format!("{seconds:>3} s ago"),
        60..3600 => format!("{:>3} m ago", seconds / 60),
        3600..86_400 => format!("{:>3} h ago", seconds / 3600),
        _ => then.date(),
    }
}

fn one_json(version: &VersionInfo, current: bool) -> serde_json::Value {
    json!({
        "number": version.number,
        "digest": version.digest,
        "name": version.name,
        "recorded_at": version.recorded_at,
        "reason": version.reason.as_str(),
        "current": current,
        "stable": version.stable,
        "quarantined": version.quarantined,
        "tags": version.tags,
        "files": version.files,
        "verdict": version.verdict.map(|verdict| json!({
            "passed": verdict.passed,
            "failed": verdict.failed,
            "skipped": verdict.skipped,
            "other": verdict.other,
            "at": verdict.at,
        })),
    })
}
