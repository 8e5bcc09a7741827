//! `kill -9` of everything that takes part, in the middle of executions: every caller gets a clear error, nothing is
//! left, and the next execution works.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::runtime::Exec;
use aic_sandbox::{Runtime, RuntimeError};
use std::path::Path;
use support::jails::Wall::{self, Emulated, Gvisor, Process, Rootless};
use support::jails::{Cell, be_workbench, here, is_here, mine, nothing_left_of, processes_about, workbench};
use support::until;

/// Executions at once.
const CALLERS: usize = 50;

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

fn line(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// The sandbox's processes whose command line holds this word.
fn those(state: &Path, word: &str) -> Vec<i32> {
    let found: Vec<i32> = processes_about(state).into_iter().filter(|pid| line(*pid).contains(word)).collect();
    assert!(
        !found.is_empty(),
        "nobody is {word}: {:?}",
        processes_about(state).into_iter().map(line).collect::<Vec<_>>()
    );
    found
}

fn keeper(state: &Path) -> Vec<i32> {
    those(state, " keeper ")
}

fn children(of: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// Kills in the middle of many executions and says how each ended.
fn in_the_middle(wall: Wall, victims: impl Fn(&Path) -> Vec<i32>) {
    let cell = Cell::new(wall);
    std::thread::scope(|scope| {
        let call = || cell.exec(&Exec::command(["sleep", "1000"]));
        let calls: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        until("all of them run", || cell.jails.stats(&cell.id).is_ok_and(|stats| stats.pids as usize == CALLERS));
        victims(cell.state.path()).into_iter().for_each(kill);
        for call in calls {
            let error = call.join().unwrap().unwrap_err();
            let clear = matches!(&error, RuntimeError::Died { why, .. } if !why.is_empty());
            assert!(clear || matches!(error, RuntimeError::NotRunning { .. }), "{wall:?}: {error:?}");
        }
    });
    until("it is seen to be dead", || cell.exec(&Exec::command(["true"])).is_err());
    cell.jails.start(&cell.id).unwrap();
    cell.works();
    let (id, folder) = (cell.id.clone(), cell.state.path().to_owned());
    cell.jails.delete(&id).unwrap();
    nothing_left_of(&folder, &[id]);
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn the_keeper_is_killed() {
    for wall in here(&[Gvisor, Rootless, Process]) {
        in_the_middle(wall, keeper);
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn the_runtimes_own_process_is_killed() {
    for wall in here(&[Gvisor, Rootless, Process]) {
        in_the_middle(wall, |state| keeper(state).into_iter().flat_map(children).collect());
    }
}

#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image"]
fn a_machine_or_its_keeper_is_killed() {
    if is_here(Emulated) {
        in_the_middle(Emulated, |state| those(state, "qemu-system"));
        in_the_middle(Emulated, keeper);
    }
}

#[test]
#[ignore = "needs runsc"]
fn gvisors_kernel_is_killed() {
    for wall in here(&[Gvisor, Rootless]) {
        in_the_middle(wall, |state| those(state, "runsc-sandbox"));
    }
}

#[test]
#[ignore = "needs runsc"]
fn gvisors_file_server_is_killed() {
    // It is needed only for files that are not known yet, so the sandbox may live on; then it is ended here.
    if !is_here(Gvisor) {
        return;
    }
    let cell = Cell::new(Gvisor);
    those(cell.state.path(), "runsc-gofer").into_iter().for_each(kill);
    let mut exec = Exec::command(["find", "/usr/share/doc", "-name", "nothing"]);
    exec.timeout = std::time::Duration::from_secs(60);
    drop(cell.exec(&exec));
    drop(cell.jails.restart(&cell.id));
    cell.works();
}

#[test]
#[ignore = "needs bwrap"]
fn the_agent_is_killed() {
    if !is_here(Process) {
        return;
    }
    in_the_middle(Process, |state| {
        let runtime = keeper(state).into_iter().flat_map(children).flat_map(children);
        runtime.filter(|pid| line(*pid).starts_with("/.agent")).collect()
    });
}

/// Not a test by itself: the workbench that the next tests kill.
#[test]
fn helper_workbench() {
    be_workbench();
}

#[test]
#[ignore = "needs runsc, bwrap, qemu-system-x86_64 and a guest image"]
fn the_workbench_is_killed_and_nothing_of_its_sandbox_is_left() {
    for wall in here(&[Gvisor, Process, Emulated]) {
        let state = tempfile::tempdir().unwrap();
        let mut child = workbench(wall, state.path());
        child.kill().unwrap();
        child.wait().unwrap();
        nothing_left_of(state.path(), &[mine()]);
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn workbench_and_keeper_are_killed_and_the_next_start_removes_what_is_left() {
    for wall in here(&[Gvisor, Process]) {
        let state = tempfile::tempdir().unwrap();
        let mut child = workbench(wall, state.path());
        // The keeper first: it would clear up.
        keeper(state.path()).into_iter().for_each(kill);
        child.kill().unwrap();
        child.wait().unwrap();
        until("no process is left", || processes_about(state.path()).is_empty());
        assert!(state.path().join("state/mine").exists());
        drop(wall.open(state.path()));
        nothing_left_of(state.path(), &[mine()]);
    }
}
