//! `aic doctor`: what works on this machine, tried rather than claimed.

use super::{Context, FINDINGS, FINE, Format};
use crate::host::script_host;
use crate::output::Style;
use crate::report::{duration, json};
use crate::workspace::Workspace;
use aic_sandbox::probe_all;
use aic_store::StoreError;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Args {
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub fn run(_: &Args, context: &mut Context) -> u8 {
    let host = script_host();
    let sandboxes = probe_all(&host);
    let ready = sandboxes.iter().any(|sandbox| sandbox.name == "wasm" && sandbox.probe.is_ready());
    let store = store();
    if context.format == Format::Json {
        let all: Vec<_> = sandboxes
            .iter()
            .map(|sandbox| {
                json!({ "name": sandbox.name, "ready": sandbox.probe.is_ready(), "summary": sandbox.probe.summary() })
            })
            .collect();
        let kept = match &store {
            Ok((path, fsync)) => json!({ "workspace": path, "writable": true, "fsync_ms": fsync.as_secs_f64() * 1e3 }),
            Err(why) => json!({ "writable": false, "why": why }),
        };
        json::write(&mut context.out, json!({ "sandboxes": all, "store": kept, "ok": ready && store.is_ok() }));
    } else {
        context.out.line(context.out.styled(Style::Bold, "sandboxes"));
        for sandbox in &sandboxes {
            let (style, mark) = if sandbox.probe.is_ready() { (Style::Good, "✓") } else { (Style::Dim, "-") };
            let mark = context.out.styled(style, mark);
            context.out.line(format_args!("  {mark} {:<12} {}", sandbox.name, sandbox.probe.summary()));
        }
        context.out.line(context.out.styled(Style::Bold, "store"));
        let (style, mark, text) = match &store {
            Ok((path, fsync)) => {
                (Style::Good, "✓", format!("{path}/.aic can be written; fsync takes {}", duration(*fsync)))
            }
            Err(why) => (Style::Bad, "✗", why.clone()),
        };
        let mark = context.out.styled(style, mark);
        context.out.line(format_args!("  {mark} {text}"));
    }
    if ready && store.is_ok() { FINE } else { FINDINGS }
}

/// Whether results can be kept here, and how long the disk takes to say that it has them.
fn store() -> Result<(String, Duration), String> {
    let workspace = Workspace::of(Path::new(".")).map_err(|error| error.to_string())?;
    // A folder without a store is left without one: looking changes nothing.
    let folder = workspace.root.join(".aic");
    let there = |path: &Path| path.symlink_metadata().ok();
    let tried = match there(&folder) {
        None => &workspace.root,
        Some(found) if found.is_dir() => &folder,
        Some(_) => return Err(format!("{}: not a folder, so no store can lie in it", folder.display())),
    };
    let fsync = fsync(tried).map_err(|error| format!("{}: cannot be written: {error}", tried.display()))?;
    match aic_store::Store::open_read_only(&workspace.root) {
        Ok(_) => {}
        // The first version that is recorded makes one.
        Err(StoreError::Missing { path }) if there(&path).is_none() => {}
        Err(StoreError::Missing { path }) => return Err(format!("{}: not a file, so it is no store", path.display())),
        Err(error) => return Err(error.to_string()),
    }
    Ok((workspace.root.display().to_string(), fsync))
}

/// The median of five, in this folder.
fn fsync(folder: &Path) -> std::io::Result<Duration> {
    use std::io::Write as _;
    let mut file = tempfile::Builder::new().prefix(".aic-doctor-").tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        file.write_all(&[0; 4096])?;
        let started = Instant::now();
        file.as_file().sync_all()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[2])
}
