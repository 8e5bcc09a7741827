//! How long sandboxes take, with medians and their spread: `cargo bench -p aic-sandbox --bench speed`.
//!
//! What cannot be installed here is left out, and said. `examples/bench.rs` measures the same with memory, and `runsc` by
//! hand beside it.

mod common;

use aic_sandbox::{ScriptHost, WorkerCommand};
use common::{cache, evaluate};
use divan::Bencher;
use std::path::PathBuf;

fn main() {
    divan::main();
}

fn worker() -> WorkerCommand {
    WorkerCommand { program: PathBuf::from(env!("CARGO_BIN_EXE_aic-sandbox-worker")), args: Vec::new() }
}

fn host() -> ScriptHost {
    ScriptHost::new(worker(), Some(cache()))
}

#[divan::bench(sample_count = 2000, sample_size = 1)]
fn wasm_a_fresh_evaluation_in_a_warm_worker(bencher: Bencher<'_, '_>) {
    let host = host();
    evaluate(&host);
    bencher.bench_local(|| evaluate(&host));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn wasm_from_nothing_to_an_answer(bencher: Bencher<'_, '_>) {
    evaluate(&host());
    bencher.bench_local(|| evaluate(&host()));
}

#[cfg(target_os = "linux")]
mod jails {
    use super::worker;
    use aic_sandbox::runtime::{Exec, SandboxId, SandboxSpec};
    use aic_sandbox::{Cancel, Jails, Runtime, StateDir};
    use divan::Bencher;
    use std::io::Write;

    /// One that is removed when it is dropped, which is not measured.
    struct Running<'a>(&'a Jails, SandboxId);

    impl Drop for Running<'_> {
        fn drop(&mut self) {
            drop(self.0.delete(&self.1));
        }
    }

    fn start(jails: &Jails) -> Running<'_> {
        let id = jails.create(&SandboxSpec::new(jails.name(), "bench")).unwrap_or_else(|error| panic!("{error}"));
        let running = Running(jails, id);
        jails.start(&running.1).unwrap_or_else(|error| panic!("{error}"));
        running
    }

    fn run(running: &Running<'_>) {
        let result = running.0.exec(&running.1, &Exec::command(["true"]), &Cancel::new());
        assert!(result.is_ok_and(|result| result.exit.is_success()), "`true` runs");
    }

    type Make = fn(aic_sandbox::WorkerCommand, StateDir) -> Option<Jails>;

    /// What keeps a sandbox in: its name, and how its runtime is made.
    struct Wall {
        name: &'static str,
        make: Make,
    }

    const WALLS: [Wall; 2] =
        [Wall { name: "gvisor", make: Jails::gvisor }, Wall { name: "process", make: Jails::process }];

    impl std::fmt::Display for Wall {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.name)
        }
    }

    fn with(make: Make, measure: impl FnOnce(&Jails)) {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let state = StateDir::at(folder.path().join("state")).unwrap_or_else(|error| panic!("{error}"));
        // Where root's programs become another user they must get through.
        let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o711);
        std::fs::set_permissions(folder.path(), open).unwrap_or_else(|error| panic!("{error}"));
        match make(worker(), state) {
            Some(jails) => measure(&jails),
            None => drop(writeln!(std::io::stderr(), "it is not installed here")),
        }
    }

    #[divan::bench(args = WALLS, sample_count = 20, sample_size = 1)]
    fn from_nothing_to_a_running_sandbox(bencher: Bencher<'_, '_>, wall: &Wall) {
        with(wall.make, |jails| bencher.bench_local(|| start(jails)));
    }

    #[divan::bench(args = WALLS, sample_count = 200, sample_size = 1)]
    fn a_command_through_a_warm_sandbox(bencher: Bencher<'_, '_>, wall: &Wall) {
        with(wall.make, |jails| {
            let running = start(jails);
            bencher.bench_local(|| run(&running));
        });
    }
}
