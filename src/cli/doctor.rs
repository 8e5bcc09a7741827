//! `aic doctor`: what works on this machine, tried rather than claimed.

use super::{Context, FINDINGS, FINE, Format};
use crate::host::{cache_dir, script_host};
use crate::output::Style;
use crate::report::{duration, json};
use crate::workspace::Workspace;
use aic_sandbox::{Health, Machine, RuntimeKind};
use aic_store::StoreError;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Args {
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Try every sandbox again, also those tried since the machine started
    #[arg(long)]
    pub fresh: bool,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let sandboxes = Machine::new(script_host(), cache_dir()).probe_all(args.fresh);
    // What specs need without asking for it.
    let ready = sandboxes.iter().any(|sandbox| sandbox.kind == RuntimeKind::Wasm && sandbox.is_usable());
    let store = store();
    if context.format == Format::Json {
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        let all: Vec<_> = sandboxes
            .iter()
            .map(|sandbox| {
                let (health, why) = match &sandbox.health {
                    Health::Ready => ("ready", None),
                    Health::Degraded(why) => ("degraded", Some(why)),
                    Health::Unusable(why) => ("unusable", Some(why)),
                };
                json!({
                    "name": sandbox.kind.name(),
                    "ready": sandbox.is_usable(),
                    "health": health,
                    "why": why,
                    "evidence": sandbox.evidence,
                    "cold_ms": ms(sandbox.cold),
                    "warm_ms": ms(sandbox.warm),
                    "install": sandbox.install,
                    "cached": sandbox.cached,
                    "summary": sandbox.summary(),
                })
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
            let (style, mark) = match sandbox.health {
                Health::Ready => (Style::Good, "✓"),
                Health::Degraded(_) => (Style::Warn, "!"),
                Health::Unusable(_) => (Style::Dim, "-"),
            };
            let mark = context.out.styled(style, mark);
            let cached = if sandbox.cached { " (as tried before; --fresh tries again)" } else { "" };
            context.out.line(format_args!("  {mark} {:<12} {}{cached}", sandbox.kind.name(), sandbox.summary()));
            if let Some(install) = &sandbox.install {
                context.out.line(format_args!("    {:<12} to have it: {install}", ""));
            }
        }
        context.out.line(context.out.styled(Style::Bold, "store"));
        let (style, mark, text) = match &store {
            Ok((path, fsync)) => {
                let there = Path::new(path).join(".aic").is_dir();
                let place = if there { format!("{path}/.aic") } else { format!("{path} has no .aic yet, and") };
                (Style::Good, "✓", format!("{place} can be written; fsync takes {}", duration(*fsync)))
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
