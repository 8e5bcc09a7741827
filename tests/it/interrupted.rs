//! Ctrl-C, signals and closed pipes at a bad moment: the program ends, its workers end, and nothing is lost.

use crate::support::{Live, MINI, POLITE, Process, SPEC, Workspace, all_end, below, until};
use aic_base::RelPath;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

/// A workspace whose tests do not end by themselves: a guard computes for an hour.
fn endless() -> Workspace {
    let guard = "export default ({text}) => { while (text === 'Nonsense'); return null }";
    let workspace = Workspace::with(&[(SPEC, MINI), ("prompts/system.md", POLITE), ("guard.js", guard)]);
    workspace.aic(&["test", "-k", "greets"]).exits(0);
    // Compiles the guest, should it not be there yet, so that who computes below is the guard.
    workspace.aic(&["doctor"]).exits(0);
    let slow =
        "sandbox: {limits: {timeout: 1h}}\nguardrails: {pre_execution: [{name: slow, script: guard.js}]}\ntests:";
    workspace.edit(SPEC, "tests:", slow);
    workspace
}

/// The workers of a program, once one of them computes.
fn at_work(live: &Live) -> Vec<Process> {
    until("a worker computes", || {
        let workers = below(live.id());
        workers.iter().any(|worker| worker.used > 20).then_some(workers)
    })
}

/// Claims that the workspace is as good as new: the store opens and verifies, and the program works in it.
#[track_caller]
fn is_well(workspace: &Workspace) {
    let store = workspace.store();
    assert!(store.audit_verify().unwrap().is_ok());
    assert_eq!(store.pending_operation().unwrap(), None);
    drop(store);
    workspace.edit(SPEC, "timeout: 1h", "timeout: 20s");
    workspace.aic(&["test", "-k", "greets"]).exits(0);
    workspace.aic(&["versions"]).exits(0).says(&["v1"]);
    workspace.aic(&["run", "Hello!"]).exits(0);
}

#[test]
fn ctrl_c_in_the_middle_of_a_test_ends_it_and_its_workers() {
    let workspace = endless();
    let temporary = || {
        let entries = std::fs::read_dir(workspace.tmp()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let before = temporary();
    let live = workspace.start(&["test"]);
    let workers = at_work(&live);
    live.interrupt();
    live.finish().exits(130).warns(&["interrupted"]);
    all_end(&workers);
    assert_eq!(temporary(), before, "no temporary folder is left");
    is_well(&workspace);
}

#[test]
fn an_interrupted_test_is_no_verdict() {
    let workspace = endless();
    let live = workspace.start(&["test", "--format", "json"]);
    at_work(&live);
    live.interrupt();
    let ran = live.finish().exits(130);
    assert!(ran.json()["error"].as_str().unwrap().contains("interrupted"), "{ran}");
    let store = workspace.store();
    assert!(store.versions(&RelPath::new(SPEC).unwrap()).unwrap().iter().all(|version| version.verdict.is_none()));
}

#[test]
fn ctrl_c_at_a_terminal_reaches_the_workers_too_and_is_the_same() {
    let workspace = endless();
    let mut command = workspace.command(&["test"]);
    command.process_group(0);
    let live = Live::start(command);
    let workers = at_work(&live);
    live.signal_group(Signal::INT);
    live.finish().exits(130);
    all_end(&workers);
    is_well(&workspace);
}

#[test]
fn ctrl_c_in_the_middle_of_a_run_is_written_down_as_no_answer() {
    let workspace = endless();
    let live = workspace.start(&["run", "Nonsense"]);
    let workers = at_work(&live);
    live.interrupt();
    let ran = live.finish().exits(130);
    assert!(!ran.out.contains("What?"), "{ran}");
    all_end(&workers);
    let runs = workspace.store().runs(&RelPath::new(SPEC).unwrap(), 10).unwrap();
    let run = runs.iter().find(|run| run.case.is_none()).unwrap();
    assert_eq!(run.outcome, aic_base::Outcome::Failed);
    is_well(&workspace);
}

/// Whether this process ignores a signal, and so whatever it starts.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

#[test]
fn a_program_that_is_killed_leaves_no_worker_and_a_store_that_opens() {
    // Under `nohup` a hang-up ends nobody, and is not meant to.
    for signal in [Signal::KILL, Signal::TERM, Signal::HUP].into_iter().filter(|signal| !is_ignored(*signal)) {
        for arguments in [&["test"][..], &["run", "Nonsense"], &["watch", "--format", "json"]] {
            let workspace = endless();
            let live = workspace.start(arguments);
            let workers = at_work(&live);
            live.signal(signal);
            live.finish();
            all_end(&workers);
            is_well(&workspace);
        }
    }
}

#[test]
fn a_reader_that_goes_away_does_not_change_the_verdict() {
    for (sample, code, arguments) in [
        ("user-management", 0, &["test"][..]),
        ("user-management", 0, &["test", "--format", "json"]),
        ("broken", 1, &["test"]),
        ("broken", 1, &["test", "--format", "json"]),
        ("broken", 0, &["check"]),
        ("user-management", 0, &["run", "Hello", "--trace"]),
        ("user-management", 0, &["doctor"]),
    ] {
        let workspace = Workspace::sample(sample);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = workspace.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let status = until("the program ends", || child.try_wait().unwrap());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        // What a run says beside its answer is no complaint.
        let complaint = err.lines().find(|line| !line.starts_with("scripted model ·"));
        assert_eq!((status.code(), complaint), (Some(code), None), "{sample} {arguments:?}");
    }
}

#[test]
fn with_both_outputs_closed_an_error_is_still_2() {
    let workspace = Workspace::with(&[(SPEC, "name: [")]);
    for arguments in [&["test"][..], &["rollback"], &["run", "x"], &["check", "nowhere"], &["nonsense"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = workspace.command(arguments);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap();
        let status = until("the program ends", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_stops_in_the_middle_is_no_panic() {
    let workspace = Workspace::sample("user-management");
    let mut child = workspace.command(&["test"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let status = until("the program ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_watch_whose_reader_goes_away_can_still_be_ended() {
    let workspace = Workspace::mini();
    let mut command = workspace.command(&["watch", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    workspace.write("prompts/system.md", "Be rude.\n");
    let spec = RelPath::new(SPEC).unwrap();
    let store = workspace.store();
    until("the save is judged", || {
        let judged =
            store.versions(&spec).unwrap().into_iter().any(|version| version.number == 2 && version.verdict.is_some());
        (judged || child.try_wait().unwrap().is_some()).then_some(())
    });
    if child.try_wait().unwrap().is_none() {
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, Signal::INT).unwrap();
    }
    let status = until("the program ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
