//! What sandboxes cost: prints medians, with `runsc` by hand beside ours where it is installed.
//!
//! `cargo run --release -p aic-sandbox --example bench -- WORKER`, where `WORKER` is a program that becomes a worker, and
//! its arguments: `target/release/aic __worker`, or `target/release/aic-sandbox-worker`, which the same build makes.

#[path = "../benches/common/mod.rs"]
mod common;

use aic_sandbox::{ScriptHost, WorkerCommand};
use common::{cache, evaluate};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Sandboxes that are alive while their memory is looked at.
#[cfg(target_os = "linux")]
const MANY: usize = 20;

/// The middle one, in microseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6
}

fn times(count: usize, mut act: impl FnMut()) -> Vec<Duration> {
    let once = |_| {
        let began = Instant::now();
        act();
        began.elapsed()
    };
    (0..count).map(once).collect()
}

fn say(what: &str, count: usize, micros: f64) {
    let line = format!("{what:<52} {count:>6} times  median {micros:>10.1} µs\n");
    // Nobody listens any more: then nothing is to be said.
    drop(std::io::stdout().write_all(line.as_bytes()));
}

/// Proportional memory of a process, in bytes.
#[cfg(target_os = "linux")]
fn memory(id: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()).unwrap_or_default() * 1024.0
}

fn main() {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().map_or_else(worker_beside, PathBuf::from);
    // A worker starts in `/`.
    let program = std::path::absolute(&program).unwrap_or(program);
    let command = WorkerCommand { program, args: words.collect() };
    let (cache, run) = (cache(), evaluate);
    let host = ScriptHost::new(command.clone(), Some(cache.clone()));
    run(&host);
    run(&host);
    say("wasm: a fresh evaluation in a warm worker", 2000, median(times(2000, || run(&host))));
    #[cfg(target_os = "linux")]
    for id in host.idle_workers() {
        drop(writeln!(std::io::stdout(), "wasm: an idle worker is {:.1} MB", memory(id) / 1e6));
    }
    let cold = times(50, || run(&ScriptHost::new(command.clone(), Some(cache.clone()))));
    say("wasm: from nothing to an answer", 50, median(cold));
    let began = Instant::now();
    std::thread::scope(|scope| {
        (0..100).for_each(|_| drop(scope.spawn(|| (0..10).for_each(|_| run(&host)))));
    });
    say("wasm: 1,000 evaluations by 100 callers, each", 1000, began.elapsed().as_secs_f64() * 1e6 / 1000.0);
    #[cfg(target_os = "linux")]
    jails(&command);
}

fn worker_beside() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().and_then(|folder| folder.parent()).unwrap_or(&own).join("aic-sandbox-worker")
}

#[cfg(target_os = "linux")]
fn jails(command: &WorkerCommand) {
    use aic_sandbox::runtime::{Exec, SandboxId, SandboxSpec};
    use aic_sandbox::{Cancel, Jails, Runtime, StateDir};
    let folder = std::env::temp_dir().join(format!("aic-sandbox-bench-{}", std::process::id()));
    let Ok(state) = StateDir::at(folder.clone()) else { return };
    let found = [Jails::gvisor(command.clone(), state.clone()), Jails::process(command.clone(), state)];
    for jails in found.into_iter().flatten() {
        let kind = jails.name();
        let start = || {
            let id = jails.create(&SandboxSpec::new(kind, "bench")).and_then(|id| jails.start(&id).map(|()| id));
            id.unwrap_or_else(|error| panic!("{error}"))
        };
        let exec = |id: &SandboxId| {
            let result = jails.exec(id, &Exec::command(["true"]), &Cancel::new());
            assert!(result.is_ok_and(|result| result.exit.is_success()), "`true` runs");
        };
        let (mut ready, mut answered) = (Vec::new(), Vec::new());
        let cold = times(20, || {
            let began = Instant::now();
            let id = start();
            ready.push(began.elapsed());
            exec(&id);
            answered.push(began.elapsed());
            jails.delete(&id).unwrap_or_else(|error| panic!("{error}"));
        });
        say(&format!("{kind}: from nothing to a running sandbox"), 20, median(ready));
        say(&format!("{kind}: from nothing to an answer"), 20, median(answered));
        say(&format!("{kind}: the same, and removed"), 20, median(cold));
        let id = start();
        say(&format!("{kind}: a command through a warm sandbox"), 200, median(times(200, || exec(&id))));
        jails.delete(&id).unwrap_or_else(|error| panic!("{error}"));
        // Alone it would have the pages of its programs for itself, which many share.
        let many: Vec<SandboxId> = (0..MANY).map(|_| start()).collect();
        let sum: u64 = many.iter().filter_map(|id| jails.stats(id).ok()).map(|stats| stats.memory).sum();
        let each = sum as f64 / 1e6 / MANY as f64;
        drop(writeln!(std::io::stdout(), "{kind}: {each:.1} MB each of {MANY} at once, shared pages by their share"));
        many.iter().for_each(|id| drop(jails.delete(id)));
    }
    by_hand();
    drop(std::fs::remove_dir_all(folder));
}

/// The peer: `runsc` without us, the way its manual shows.
#[cfg(target_os = "linux")]
fn by_hand() {
    use std::process::{Command, Stdio};
    let mut failed = false;
    let ran = times(10, || {
        let mut runsc = Command::new("runsc");
        runsc.args(["--network=none", "--ignore-cgroups", "do", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
        failed |= !runsc.status().is_ok_and(|status| status.success());
    });
    if failed {
        drop(writeln!(std::io::stdout(), "`runsc do true` by hand does not run here"));
    } else {
        say("`runsc do true` by hand", 10, median(ran));
    }
}
