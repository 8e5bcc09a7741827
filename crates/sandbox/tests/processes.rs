//! Worker processes that die, lie or are left alone, and the cache they start from.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::{Cancel, Health, RuntimeKind, ScriptError, ScriptHost, Wasm, WorkerCommand, probe};
use serde_json::json;
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use support::{
    be_parent, body, cache, command, host, parent_of_worker, run, tagged_host, tagged_processes, until, works,
};

fn kill(id: i32) {
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}

/// The time a process has spent on a processor, in the kernel's ticks (10 ms each, as a rule).
fn processor_ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_worker_that_is_killed_in_the_middle_of_a_call_is_replaced() {
    let host = host();
    works(&host);
    let victim = host.idle_workers()[0];
    std::thread::scope(|scope| {
        let before = processor_ticks(victim);
        let call = scope.spawn(|| run(&host, &body("for (;;) {}")));
        until("the worker runs the script", || processor_ticks(victim) > before + 3);
        kill(victim.cast_signed());
        let error = call.join().unwrap().unwrap_err();
        assert!(matches!(error, ScriptError::WorkerDied { .. }), "{error:?}");
    });
    works(&host);
}

/// Its death may be seen by the host before the call, while it writes, or when no reply comes: all are the same to it.
#[test]
fn a_worker_that_is_killed_while_idle_is_not_noticed_by_the_next_call() {
    let host = host();
    works(&host);
    for _ in 0..20 {
        let idle = host.idle_workers()[0];
        kill(idle.cast_signed());
        works(&host);
        assert_ne!(host.idle_workers(), [idle]);
    }
}

#[test]
fn a_cancelled_call_ends_and_so_does_its_worker() {
    let tag = format!("cancelled-{}", std::process::id());
    let (host, cancel) = (tagged_host(&tag), Cancel::new());
    works(&host);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| host.call(&body("for (;;) {}"), &cancel));
        until("the worker is taken", || host.idle_workers().is_empty());
        cancel.cancel();
        assert!(matches!(call.join().unwrap(), Err(ScriptError::Cancelled { .. })));
    });
    assert!(tagged_processes(&tag).is_empty());
    works(&host);
    assert!(matches!(host.call(&body("return 1"), &cancel), Err(ScriptError::Cancelled { .. })));
}

#[test]
fn a_host_that_is_dropped_leaves_no_worker() {
    let tag = format!("dropped-{}", std::process::id());
    let host = tagged_host(&tag);
    works(&host);
    assert_eq!(tagged_processes(&tag).len(), 1);
    drop(host);
    assert!(tagged_processes(&tag).is_empty());
}

#[test]
fn an_idle_worker_outlives_the_thread_that_first_needed_it() {
    let host = host();
    std::thread::scope(|scope| {
        scope.spawn(|| works(&host)).join().unwrap();
    });
    let first = host.idle_workers();
    works(&host);
    assert_eq!((first.len(), host.idle_workers()), (1, first));
}

/// Not a test by itself: the parent that the next test kills.
#[test]
fn helper_parent() {
    be_parent();
}

#[test]
fn no_worker_survives_a_parent_that_is_killed() {
    let tag = format!("orphan-{}", std::process::id());
    let mut parent = parent_of_worker(&tag);
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the worker is gone", || tagged_processes(&tag).is_empty());
}

#[test]
fn a_worker_has_no_environment_and_no_inherited_descriptors() {
    let leaked = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let host = host();
    works(&host);
    let folder = format!("/proc/{}", host.idle_workers()[0]);
    assert_eq!(std::fs::read(format!("{folder}/environ")).unwrap(), b"");
    let targets = std::fs::read_dir(format!("{folder}/fd")).unwrap().flatten();
    let targets: Vec<_> = targets.map(|entry| std::fs::read_link(entry.path()).unwrap_or_default()).collect();
    assert!(!targets.iter().any(|target| target == Path::new("/etc/passwd")), "{targets:?}");
    // Its pipes, /dev/null, the code that is mapped, and twice the map of its own pages.
    assert!(targets.len() <= 6, "{targets:?}");
    // The control: a program that does not clean up does see it.
    let seen = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap().stdout;
    assert!(String::from_utf8(seen).unwrap().contains("/etc/passwd"));
}

fn shell(script: &str) -> ScriptHost {
    let args = ["-c", script].map(OsString::from).to_vec();
    ScriptHost::new(WorkerCommand { program: "/bin/sh".into(), args }, Some(cache()))
}

#[test]
fn a_program_that_is_no_worker_is_a_clear_error() {
    let cases = [
        ("echo hello; exec sleep 1000", "hell"),
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "SIGKILL"),
        ("cat", "wrong kind"),
        ("exec yes", "no reply"),
        ("exec 1>&-; exec sleep 1000", "ended without a reply"),
        ("printf 'aic1\\022AAAAAAAAAAAAAAAA\\377\\377\\377\\377'; exec sleep 1000", "more than"),
        ("printf 'aic1\\022AAAAAAAAAAAAAAAA\\000\\000\\000\\001'", "broke off"),
        ("printf 'aic1\\022AAAAAAAAAAAAAAAA\\000\\000\\000\\000'; exec sleep 1000", "another question"),
        ("printf 'aic1\\200AAAAAAAAAAAAAAAA\\000\\000\\000\\000'; exec sleep 1000", "unknown kind"),
    ];
    for (script, expected) in cases {
        let error = run(&shell(script), &body("return 1")).unwrap_err();
        assert!(matches!(error, ScriptError::CannotStart { .. }), "{script}: {error:?}");
        assert!(error.to_string().contains(expected), "{script}: {error}");
    }
    let nowhere = ScriptHost::new(WorkerCommand { program: "/no/such".into(), args: vec![] }, None);
    let error = run(&nowhere, &body("return 1")).unwrap_err().to_string();
    assert!(error.contains("/no/such") && error.contains("cannot be started"), "{error}");
}

#[test]
fn a_silent_program_can_be_cancelled_and_takes_its_children_with_it() {
    let seconds = format!("{}.5", 100_000 + std::process::id());
    let (host, cancel) = (shell(&format!("sleep {seconds} & sleep {seconds}")), Cancel::new());
    std::thread::scope(|scope| {
        let call = scope.spawn(|| host.call(&body("return 1"), &cancel));
        until("both sleep", || tagged_processes(&seconds).len() == 2);
        cancel.cancel();
        assert!(matches!(call.join().unwrap(), Err(ScriptError::Cancelled { .. })));
    });
    until("neither is left", || tagged_processes(&seconds).is_empty());
}

#[test]
fn a_worker_that_turns_hostile_cannot_forge_an_answer() {
    let report = r#"{"landlock":"none","no_new_privs":false,"rlimits":false,"dies_with_parent":false,"descriptors_closed":false,"cached":false,"notes":[]}"#;
    // Answers the first frame as a worker does, with its nonce, then says this.
    let hostile = |then: &str| {
        let skip = "dd bs=1 count=5 of=/dev/null 2>/dev/null; printf 'aic1\\021'; dd bs=1 count=16 2>/dev/null";
        let length = format!("\\{:03o}\\000\\000\\000", report.len());
        shell(&format!("{skip}; printf '{length}'; printf '%s' '{report}'; {then}; exec sleep 1000"))
    };
    let forged =
        "printf 'aic1\\025AAAAAAAAAAAAAAAA\\022\\000\\000\\000\\001\\000\\000\\000\\000\\000{\"ok\":\"mine\"}'";
    for (then, expected) in [(forged, "another question"), ("echo boo", "no reply"), ("exec 1>&-", "without a reply")] {
        let error = run(&hostile(then), &body("return 1")).unwrap_err();
        assert!(matches!(error, ScriptError::WorkerDied { .. }), "{then}: {error:?}");
        assert!(error.to_string().contains(expected), "{then}: {error}");
    }
    let mut call = body("return 1");
    call.limits.timeout = std::time::Duration::from_millis(50);
    let error = run(&hostile("true"), &call).unwrap_err();
    assert!(matches!(error, ScriptError::Timeout { .. }), "{error:?}");
}

#[test]
fn a_damaged_foreign_or_open_cache_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let guests = folder.path().join("guests");
    let host = || ScriptHost::new(command(), Some(folder.path().into()));
    let cached = || run(&host(), &body("return 1")).unwrap().enforcement.worker.cached;
    assert!(cached());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&guests), 0o700);
    let files: Vec<_> = std::fs::read_dir(&guests).unwrap().flatten().map(|entry| entry.path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(mode(file), 0o600);

    // Damaged: one bit, cut, replaced by nonsense, replaced by a link to nonsense. Each is made anew.
    let good = std::fs::read(file).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [&flipped[..], &good[..good.len() / 2], b"poison", b""] {
        std::fs::write(file, bytes).unwrap();
        assert!(cached());
        assert_ne!(std::fs::read(file).unwrap(), bytes);
    }
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(file, &elsewhere).unwrap();
    symlink(&elsewhere, file).unwrap();
    assert!(cached());
    assert!(std::fs::symlink_metadata(file).unwrap().is_file());

    // Open to others: not used and not repaired, but the call works.
    std::fs::set_permissions(&guests, std::fs::Permissions::from_mode(0o777)).unwrap();
    let worker = run(&host(), &body("return 1")).unwrap().enforcement.worker;
    assert!(!worker.cached && worker.notes.iter().any(|note| note.contains("0700")), "{worker:?}");
}

#[test]
fn without_a_cache_folder_a_host_keeps_its_own_and_cleans_up() {
    let host = ScriptHost::new(command(), None);
    assert!(run(&host, &body("return 1")).unwrap().enforcement.worker.cached);
    works(&host);
}

#[test]
fn wasm_is_ready_only_because_it_ran() {
    let found = probe(&Wasm::new(Arc::new(host())));
    assert_eq!((found.kind, &found.health), (RuntimeKind::Wasm, &Health::Ready));
    let broken = probe(&Wasm::new(Arc::new(shell("exit 3"))));
    assert!(matches!(&broken.health, Health::Unusable(why) if why.contains("exit status: 3")), "{broken:?}");
}

#[test]
#[ignore = "measures and prints; run it alone with --no-capture"]
#[expect(clippy::print_stderr, reason = "printing is what it is for")]
fn latency() {
    let micros = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() * 95 / 100])
    };
    works(&host());
    let call = body("return args.x + ctx.y");
    let cold = (0..30).map(|_| {
        let host = host();
        let started = std::time::Instant::now();
        assert_eq!(run(&host, &call).unwrap().value, json!(21));
        started.elapsed().as_secs_f64() * 1e6
    });
    let (cold, cold_95) = micros(cold.collect());
    let host = host();
    let warm = (0..2000).map(|_| run(&host, &call).unwrap().took.as_secs_f64() * 1e6);
    let (warm, warm_95) = micros(warm.collect());
    let started = std::time::Instant::now();
    works(&ScriptHost::new(command(), None));
    let compiling = started.elapsed();
    eprintln!("cold {cold:.0} µs (p95 {cold_95:.0}), warm {warm:.0} µs (p95 {warm_95:.0}), compiling {compiling:?}");
}
