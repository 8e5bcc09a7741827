//! Sandboxes that run programs: their life, what they see, what they may use. On gVisor as root and rootless, with and
//! without control groups, and on the host's own kernel.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::runtime::{Access, Exec, Exit, Hold, Limit, Printed, State};
use aic_sandbox::{Cancel, Runtime, RuntimeError};
use std::time::Duration;
use support::jails::Wall::{Gvisor, NoGroups, Process, Rootless};
use support::jails::{Cell, Wall, here, is_here, nothing_left_of, spec, text, with_workspace};

const ALL: [Wall; 4] = [Gvisor, Rootless, NoGroups, Process];

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_program_runs_and_its_result_says_what_ran_it() {
    for wall in here(&ALL) {
        let cell = Cell::new(wall);
        let mut exec = Exec::command(["sh", "-c", "cat; echo $NAME; echo bad >&2; exit 3"]);
        exec.stdin = b"in ".to_vec();
        exec.env.insert("NAME".into(), "value".into());
        let result = cell.exec(&exec).unwrap();
        assert_eq!((result.exit, result.stdout.as_slice()), (Exit::Code(3), &b"in value\n"[..]), "{wall:?}");
        assert_eq!(result.stderr, b"bad\n");
        assert_eq!((result.choice.actual, result.choice.fallback), (wall.kind(), None));
        assert_eq!(result.kept.iter().map(|kept| kept.limit).collect::<Vec<_>>(), Limit::ALL);
        cell.works();
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_program_has_no_rights_and_no_environment_but_its_path() {
    for wall in here(&ALL) {
        let cell = Cell::new(wall);
        assert_eq!(
            cell.says("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_="),
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        );
        let status = cell.says("cat /proc/self/status");
        for right in ["CapPrm", "CapEff", "CapBnd", "CapInh"] {
            let line = status.lines().find(|line| line.starts_with(right)).unwrap();
            assert!(line.ends_with("0000000000000000"), "{wall:?}: {line}");
        }
        assert!(status.contains("Seccomp:\t2"), "{wall:?}");
        assert_ne!(cell.says("id -u"), "0", "{wall:?}");
        assert_eq!(cell.says("pwd; hostname"), "/tmp\nsandbox");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_sandbox_goes_through_its_states() {
    for wall in here(&[Gvisor, Process]) {
        let folder = tempfile::tempdir().unwrap();
        let jails = wall.open(folder.path());
        let named = aic_sandbox::runtime::SandboxSpec { name: Some("one".parse().unwrap()), ..spec(wall) };
        let id = jails.create(&named).unwrap();
        let state = || jails.status(&id).unwrap().state;
        assert_eq!(state(), State::Created);
        assert!(matches!(jails.create(&named), Err(RuntimeError::Taken { .. })));
        let run = || jails.exec(&id, &Exec::command(["true"]), &Cancel::new());
        assert!(matches!(run(), Err(RuntimeError::NotRunning { state: State::Created, .. })));
        jails.start(&id).unwrap();
        jails.start(&id).unwrap();
        assert_eq!((state(), run().unwrap().exit), (State::Running, Exit::Code(0)));
        let stats = jails.stats(&id).unwrap();
        assert!(stats.memory > 100_000 && stats.pids == 0, "{stats:?}");
        jails.stop(&id).unwrap();
        assert_eq!(state(), State::Exited);
        assert!(run().is_err());
        jails.restart(&id).unwrap();
        assert_eq!(run().unwrap().exit, Exit::Code(0));
        assert_eq!(jails.list().len(), 1);
        jails.delete(&id).unwrap();
        assert!(matches!(jails.status(&id), Err(RuntimeError::Unknown { .. })));
        nothing_left_of(folder.path(), &[id]);
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_workspace_is_seen_as_was_asked_and_a_copy_stays_over_a_restart() {
    for wall in here(&ALL) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "old").unwrap();
        let write = "cat file; echo new > file && cat file";

        let cell = Cell::of(wall, &with_workspace(wall, Access::ReadOnly, folder.path()));
        let said = cell.says(write);
        assert!(said.starts_with("old") && !said.contains("new\n") && said.contains("ile system"), "{wall:?}: {said}");
        let cell = Cell::of(wall, &with_workspace(wall, Access::Copy, folder.path()));
        assert_eq!(cell.says(write), "oldnew", "{wall:?}");
        cell.jails.restart(&cell.id).unwrap();
        assert_eq!(cell.says("cat file"), "new", "{wall:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        let cell = Cell::of(wall, &with_workspace(wall, Access::ReadWrite, folder.path()));
        assert_eq!(cell.says(write), "oldnew", "{wall:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new\n");
        drop(cell);
        // Not with `ls`, which does not work in the gVisor of 2022.
        assert_eq!(Cell::new(wall).says("cd /workspace; echo *"), "*");
    }
}

#[test]
#[ignore = "needs bwrap"]
fn a_workspace_that_holds_the_sandboxes_own_folder_is_not_copied_into_itself() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Process.open(folder.path()).create(&with_workspace(Process, Access::Copy, folder.path()));
    assert!(refused.unwrap_err().to_string().contains("holds the folder of sandboxes"));
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_deadline_ends_a_program_with_what_it_printed_and_the_sandbox_goes_on() {
    for wall in here(&ALL) {
        let cell = Cell::new(wall);
        let mut exec = Exec::command(["sh", "-c", "echo before; (trap '' TERM; sleep 1000) & sleep 1000"]);
        exec.timeout = Duration::from_secs(3);
        let result = cell.exec(&exec).unwrap();
        assert_eq!((result.exit, result.stdout.as_slice()), (Exit::Over(Limit::Timeout), &b"before\n"[..]), "{wall:?}");
        cell.works();
        assert_eq!(cell.jails.stats(&cell.id).unwrap().pids, 0, "{wall:?}");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_cancelled_execution_ends_and_the_sandbox_goes_on() {
    for wall in here(&[Gvisor, Process]) {
        let (cell, cancel) = (Cell::new(wall), Cancel::new());
        std::thread::scope(|scope| {
            let run = scope.spawn(|| cell.jails.exec(&cell.id, &Exec::command(["sleep", "1000"]), &cancel));
            support::until("it runs", || cell.jails.stats(&cell.id).unwrap().pids == 1);
            cancel.cancel();
            assert_eq!(run.join().unwrap(), Err(RuntimeError::Cancelled));
        });
        cell.works();
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn who_runs_a_program_while_its_sandbox_is_stopped_reads_that_somebody_stopped_it() {
    for wall in here(&[Gvisor, Process]) {
        let cell = Cell::new(wall);
        std::thread::scope(|scope| {
            let run = scope.spawn(|| cell.exec(&Exec::command(["sleep", "1000"])));
            support::until("it runs", || cell.jails.stats(&cell.id).unwrap().pids == 1);
            cell.jails.stop(&cell.id).unwrap();
            let error = run.join().unwrap().unwrap_err().to_string();
            assert!(error.contains("somebody stopped or removed it"), "{wall:?}: {error}");
        });
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn processor_time_of_programs_that_ended_counts() {
    for wall in here(&[Gvisor, Process]) {
        let cell = Cell::new(wall);
        let stats = || cell.jails.stats(&cell.id).unwrap();
        let before = stats().cpu;
        let spin = Exec::command(["sh", "-c", "while :; do :; done"]);
        let link = cell.jails.attach(&cell.id, &spin, None).unwrap();
        // One clock only, the host's: a guest's own may count by ticks.
        let mut counted = before;
        support::until("it has used half a second", || {
            counted = stats().cpu;
            counted.saturating_sub(before) >= Duration::from_millis(500)
        });
        drop(link);
        support::until("it has ended", || stats().pids == 0);
        let after = stats().cpu;
        assert!(after >= counted, "{wall:?}: {before:?}, then {counted:?}, and {after:?} when it had ended");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn what_cannot_be_run_says_why() {
    for wall in here(&[Gvisor, Process]) {
        let cell = Cell::new(wall);
        let error = cell.exec(&Exec::command(["no-such-program"])).unwrap_err();
        assert!(error.to_string().contains("root file system"), "{error}");
        let error = cell.exec(&Exec::command(["a\0b"])).unwrap_err();
        assert!(error.to_string().contains("zero byte"), "{error}");
        let mut exec = Exec::command(["true"]);
        exec.folder = Some("/no/such".into());
        assert!(cell.exec(&exec).unwrap_err().to_string().contains("/no/such"));
        cell.works();
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn many_programs_at_once_each_get_their_own_answer() {
    for wall in here(&[Gvisor, Process]) {
        let cell = Cell::new(wall);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cell = &cell;
                scope.spawn(move || {
                    for index in 0..5 {
                        let number = thread * 100 + index;
                        assert_eq!(cell.says(&format!("echo {number}")), number.to_string());
                    }
                });
            }
        });
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn somebody_can_attach_with_a_terminal_and_with_pipes() {
    for wall in here(&[Gvisor, Rootless, Process]) {
        let cell = Cell::new(wall);
        let mut link = cell
            .jails
            .attach(&cell.id, &Exec::command(["sh", "-c", "stty size; read a; echo got $a"]), Some((24, 80)))
            .unwrap();
        let mut seen = String::new();
        let mut read_until = |link: &mut Box<dyn aic_sandbox::runtime::Attached>, wanted: &str| -> Option<Exit> {
            loop {
                match link.next(support::HANGS).unwrap().expect("something comes") {
                    Printed::Stdout(bytes) | Printed::Stderr(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                    Printed::End(exit) => return Some(exit),
                }
                if seen.contains(wanted) {
                    return None;
                }
            }
        };
        assert_eq!(read_until(&mut link, "24 80"), None, "{wall:?}");
        link.write(b"hello\n").unwrap();
        assert_eq!(read_until(&mut link, "never printed"), Some(Exit::Code(0)));
        assert!(seen.contains("got hello"), "{wall:?}: {seen}");

        let mut link = cell.jails.attach(&cell.id, &Exec::command(["cat"]), None).unwrap();
        link.write(b"abc").unwrap();
        link.close().unwrap();
        assert_eq!(link.next(support::HANGS).unwrap(), Some(Printed::Stdout(b"abc".to_vec())));
        assert_eq!(link.next(support::HANGS).unwrap(), Some(Printed::End(Exit::Code(0))));
        drop(cell.jails.attach(&cell.id, &Exec::command(["sleep", "1000"]), None).unwrap());
        support::until("it is ended", || cell.jails.stats(&cell.id).unwrap().pids == 0);
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn control_c_interrupts_what_runs_in_a_terminal_and_not_its_shell() {
    for wall in here(&[Gvisor, Rootless, Process]) {
        let cell = Cell::new(wall);
        let attach = |argv: &[&str]| cell.jails.attach(&cell.id, &Exec::command(argv.iter().copied()), Some((24, 80)));
        let until = |link: &mut Box<dyn aic_sandbox::runtime::Attached>, wanted: &str| -> (String, Option<Exit>) {
            let mut seen = String::new();
            while !seen.contains(wanted) {
                match link.next(support::HANGS).unwrap().expect("something comes") {
                    Printed::Stdout(bytes) | Printed::Stderr(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                    Printed::End(exit) => return (seen, Some(exit)),
                }
            }
            (seen, None)
        };
        let mut link = attach(&["sh", "-c", "echo ready; exec sleep 1000"]).unwrap();
        until(&mut link, "ready");
        link.write(b"\x03").unwrap();
        assert_eq!(until(&mut link, "never printed").1, Some(Exit::Signal(2)), "{wall:?}");

        let mut link = attach(&["sh", "-i"]).unwrap();
        // The job says so itself: a process is there before it has a group of its own and is in front.
        link.write(b"sh -c 'echo rea\"\"dy; exec sleep 1000'\n").unwrap();
        until(&mut link, "ready");
        link.write(b"\x03").unwrap();
        support::until("it is interrupted", || cell.jails.stats(&cell.id).unwrap().pids == 1);
        link.write(b"echo al''ive; exit 5\n").unwrap();
        let (seen, end) = until(&mut link, "never printed");
        assert!(seen.contains("alive") && end == Some(Exit::Code(5)), "{wall:?}: {end:?} {seen}");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_root_file_system_of_ones_own_is_used_and_one_that_is_none_refused() {
    for wall in here(&[Gvisor, Process]) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bin")).unwrap();
        std::fs::write(root.path().join("only-here"), "mine").unwrap();
        let state = tempfile::tempdir().unwrap();
        let jails = wall.open(state.path());
        let mut own = spec(wall);
        own.rootfs = aic_sandbox::runtime::Rootfs::Directory(root.path().into());
        let id = jails.create(&own).unwrap();
        jails.start(&id).unwrap();
        // It has no programs, so none of the host's may run.
        assert!(matches!(jails.exec(&id, &Exec::command(["sh"]), &Cancel::new()), Err(RuntimeError::CannotRun { .. })));
        own.rootfs = aic_sandbox::runtime::Rootfs::Directory(state.path().into());
        let id = jails.create(&own).unwrap();
        assert!(jails.start(&id).unwrap_err().to_string().contains("no root file system"));
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_paused_sandbox_stands_still_and_goes_on_where_it_was() {
    for wall in here(&[Gvisor, Rootless, Process]) {
        let cell = Cell::new(wall);
        let tick = "n=0; while true; do n=$((n+1)); echo $n > /tmp/new; mv /tmp/new /tmp/n; done";
        let mut link = cell.jails.attach(&cell.id, &Exec::command(["sh", "-c", tick]), None).unwrap();
        support::until("it counts", || cell.says("cat /tmp/n").parse::<u64>().is_ok());
        cell.jails.pause(&cell.id).unwrap();
        cell.jails.pause(&cell.id).unwrap();
        assert_eq!(cell.jails.status(&cell.id).unwrap().state, State::Paused);
        let refused = cell.exec(&Exec::command(["true"])).unwrap_err();
        assert!(refused.to_string().contains("paused; resume it first"), "{refused}");
        assert!(cell.jails.start(&cell.id).is_err());
        let cpu = || aic_cpu(cell.state.path());
        let before = cpu();
        Cancel::new().wait_timeout(Duration::from_millis(200));
        // gVisor's own kernel may stir; a program that counts would use all of a processor.
        assert!(cpu().saturating_sub(before) < Duration::from_millis(100), "{wall:?} goes on");
        cell.jails.resume(&cell.id).unwrap();
        let then: u64 = cell.says("cat /tmp/n").parse().unwrap();
        support::until("it counts on", || cell.says("cat /tmp/n").parse::<u64>().is_ok_and(|now| now > then));
        drop(link.close());
        cell.jails.pause(&cell.id).unwrap();
        cell.jails.stop(&cell.id).unwrap();
        cell.jails.start(&cell.id).unwrap();
        cell.works();
    }
}

/// Processor time of all processes that speak of this folder and their children.
fn aic_cpu(state: &std::path::Path) -> Duration {
    let ticks = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
        let number = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        number(11) + number(12)
    };
    let children = |pid: i32| -> Vec<i32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    let mut all = support::jails::processes_about(state);
    let mut at = 0;
    while let Some(pid) = all.get(at).copied() {
        all.extend(children(pid).into_iter().filter(|child| !all.contains(child)).collect::<Vec<_>>());
        at += 1;
    }
    Duration::from_millis(all.into_iter().map(ticks).sum::<u64>() * 10)
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn an_image_is_a_root_file_system() {
    let (root, layout) = (support::jails::python_rootfs(), tempfile::tempdir().unwrap());
    let blobs = layout.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = aic_base::Digest::of(bytes).to_string();
        std::fs::write(blobs.join(&digest), bytes).unwrap();
        format!("sha256:{digest}")
    };
    let packed =
        std::process::Command::new("tar").args(["-czf", "-", "-C"]).arg(root.path()).arg(".").output().unwrap();
    assert!(packed.status.success());
    let layer = put(&packed.stdout);
    let manifest = format!(
        r#"{{"layers": [{{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "{layer}"}}]}}"#
    );
    let index = format!(r#"{{"manifests": [{{"digest": "{}"}}]}}"#, put(manifest.as_bytes()));
    std::fs::write(layout.path().join("index.json"), index).unwrap();
    for wall in here(&ALL) {
        let mut own = spec(wall);
        own.rootfs = aic_sandbox::runtime::Rootfs::Oci(layout.path().into());
        let cell = Cell::of(wall, &own);
        let said = text(&cell.python("import os; print(6 * 7, os.path.exists('/usr/bin/env'))"));
        assert_eq!(said, "42 False", "{wall:?}");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn an_owner_cleans_up_all_that_is_his_and_nothing_else() {
    for wall in here(&[Gvisor, Process]) {
        let folder = tempfile::tempdir().unwrap();
        let (jails, other) = (wall.open(folder.path()), wall.open(folder.path()));
        let mine = |owner: &str| aic_sandbox::runtime::SandboxSpec { owner: owner.into(), ..spec(wall) };
        let (a, b, c) = (jails.create(&mine("me")), other.create(&mine("me")), jails.create(&mine("you")));
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        jails.start(&a).unwrap();
        other.start(&b).unwrap();
        jails.start(&c).unwrap();
        let mut cleaned = jails.cleanup("me");
        cleaned.removed.sort();
        let mut both = vec![a.clone(), b.clone()];
        both.sort();
        assert_eq!((cleaned.removed, cleaned.left), (both, Vec::new()));
        assert_eq!(jails.exec(&c, &Exec::command(["true"]), &Cancel::new()).unwrap().exit, Exit::Code(0));
        assert!(other.exec(&b, &Exec::command(["true"]), &Cancel::new()).is_err());
        drop((jails, other));
        nothing_left_of(folder.path(), &[a, b, c]);
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn cleaning_up_ends_the_supervisors_of_named_sandboxes_too() {
    for wall in here(&[Gvisor, Process]) {
        let folder = tempfile::tempdir().unwrap();
        let jails = wall.open(folder.path());
        let state = aic_sandbox::StateDir::at(folder.path().join("state")).unwrap();
        let named = |name: &str| {
            let spec = aic_sandbox::runtime::SandboxSpec { name: Some(name.parse().unwrap()), ..spec(wall) };
            aic_sandbox::Named::create(&support::command(), &state, &spec).unwrap()
        };
        let (made, runs) = (named("made"), named("runs"));
        runs.start().unwrap();
        assert!(support::jails::processes_about(folder.path()).len() >= 3);
        let cleaned = jails.cleanup("test");
        assert_eq!((cleaned.removed, cleaned.left), (vec![made.id().clone(), runs.id().clone()], Vec::new()));
        nothing_left_of(folder.path(), &[made.id().clone(), runs.id().clone()]);
    }
}

#[test]
#[ignore = "needs runsc"]
fn a_pool_gives_each_program_a_sandbox_that_nobody_used() {
    if !is_here(Gvisor) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let jails: std::sync::Arc<dyn Runtime> = std::sync::Arc::new(Gvisor.open(folder.path()));
    let pool = aic_sandbox::runtime::pool::Pool::new(std::sync::Arc::clone(&jails), spec(Gvisor), 2).unwrap();
    for _ in 0..3 {
        let exec = Exec::command(["sh", "-c", "test -e /tmp/used && echo used; touch /tmp/used"]);
        assert_eq!(text(&pool.run(&exec, &Cancel::new()).unwrap()), "");
    }
    support::until("two are ready", || pool.ready() == 2);
    drop(pool);
    assert!(jails.list().is_empty());
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn nothing_is_said_to_be_enforced_that_is_not() {
    let hold = |wall: Wall, limit: Limit, cpu: f64| {
        let folder = tempfile::tempdir().unwrap();
        let limits = aic_base::Limits { cpu, ..aic_base::Limits::default() };
        let kept = wall.open(folder.path()).keeps(&limits);
        kept.into_iter().find(|kept| kept.limit == limit).unwrap().hold
    };
    assert_eq!(hold(NoGroups, Limit::Memory, 1.0), Hold::Watched);
    assert_eq!(hold(NoGroups, Limit::Cpu, 0.5), Hold::Advisory);
    assert_eq!(hold(NoGroups, Limit::Cpu, 1.0), Hold::Enforced);
    assert_eq!(hold(Rootless, Limit::Disk, 1.0), Hold::Watched);
}

#[test]
#[ignore = "needs runsc"]
fn a_hundred_sandboxes_at_once_all_answer_and_none_is_left() {
    if !is_here(Gvisor) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let jails = Gvisor.open(folder.path());
    let ids: Vec<_> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..4)
            .map(|thread| {
                let jails = &jails;
                scope.spawn(move || -> Vec<_> {
                    let one = |number: i32| {
                        let id = jails.create(&spec(Gvisor)).unwrap();
                        jails.start(&id).unwrap();
                        (number, id)
                    };
                    (0..25).map(|index| one(thread * 25 + index)).collect()
                })
            })
            .collect();
        made.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    std::thread::scope(|scope| {
        for (number, id) in &ids {
            let jails = &jails;
            scope.spawn(move || {
                let exec = Exec::command(["echo", &number.to_string()]);
                let result = jails.exec(id, &exec, &Cancel::new()).unwrap();
                assert_eq!(text(&result), number.to_string());
            });
        }
    });
    assert_eq!(jails.list().len(), 100);
    drop(jails);
    nothing_left_of(folder.path(), &ids.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs runsc and bwrap; measures and prints, run it alone with --no-capture"]
#[expect(clippy::print_stderr, reason = "printing is what it is for")]
fn latency() {
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let millis = |since: std::time::Instant| since.elapsed().as_secs_f64() * 1e3;
    for wall in here(&ALL) {
        let folder = tempfile::tempdir().unwrap();
        let jails = wall.open(folder.path());
        let (mut cold, mut first, mut gone, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let exec = |id: &aic_sandbox::runtime::SandboxId| {
            assert!(jails.exec(id, &Exec::command(["true"]), &Cancel::new()).unwrap().exit.is_success())
        };
        for _ in 0..10 {
            let began = std::time::Instant::now();
            let id = jails.create(&spec(wall)).unwrap();
            jails.start(&id).unwrap();
            cold.push(millis(began));
            exec(&id);
            first.push(millis(began));
            memory = jails.stats(&id).unwrap().memory;
            let began = std::time::Instant::now();
            jails.delete(&id).unwrap();
            gone.push(millis(began));
        }
        let id = jails.create(&spec(wall)).unwrap();
        jails.start(&id).unwrap();
        let warm = (0..50).map(|_| {
            let began = std::time::Instant::now();
            exec(&id);
            millis(began)
        });
        let warm = median(warm.collect());
        let (cold, first, gone) = (median(cold), median(first), median(gone));
        let memory = memory as f64 / 1e6;
        eprintln!(
            "{wall:?}: started {cold:.0} ms, first answer {first:.0} ms, warm {warm:.1} ms, removed {gone:.0} ms, {memory:.1} MB"
        );
    }
}
