//! Virtual machines on an emulated processor: the same agent at the end of a serial line. Starting one takes seconds,
//! so each test asks much of one machine. What KVM is worth is asked here too.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::runtime::{Access, Exec, Exit, Hold, Limit, Printed, State};
use aic_sandbox::{Cancel, Kvm, Runtime, RuntimeError};
use std::time::{Duration, Instant};
use support::jails::Wall::Emulated;
use support::jails::{Cell, is_here, nothing_left_of, spec, text, with_workspace};

#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image"]
fn a_program_runs_in_a_machine_of_its_own_and_the_machine_goes_on() {
    if !is_here(Emulated) {
        return;
    }
    let cell = Cell::new(Emulated);
    let mut exec = Exec::command(["sh", "-c", "cat; echo $NAME; echo bad >&2; exit 3"]);
    exec.stdin = b"in ".to_vec();
    exec.env.insert("NAME".into(), "value".into());
    let result = cell.exec(&exec).unwrap();
    assert_eq!(
        (result.exit, result.stdout.as_slice(), result.stderr.as_slice()),
        (Exit::Code(3), &b"in value\n"[..], &b"bad\n"[..])
    );
    assert_eq!(result.kept.iter().map(|kept| kept.limit).collect::<Vec<_>>(), Limit::ALL);
    let hold = |limit: Limit| result.kept.iter().find(|kept| kept.limit == limit).unwrap().hold;
    assert_eq!([Limit::Memory, Limit::Pids, Limit::Disk].map(hold), [Hold::Enforced; 3]);

    // Every byte comes through as it was, more of them than a serial line holds.
    let bytes: Vec<u8> = (0..100_000u32).map(|number| (number * 7 + number / 251) as u8).collect();
    let result = cell.exec(&Exec { stdin: bytes.clone(), ..Exec::command(["cat"]) }).unwrap();
    assert!(result.stdout == bytes, "{} bytes came back, or other ones", result.stdout.len());

    let status = cell.says("cat /proc/self/status");
    for right in ["CapPrm", "CapEff", "CapBnd", "CapInh"] {
        let line = status.lines().find(|line| line.starts_with(right)).unwrap();
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_ne!(cell.says("cat /proc/sys/kernel/random/boot_id"), own.trim());
    assert_eq!(cell.says("id -u; pwd; hostname; tail -n +3 /proc/net/dev | wc -l"), "65534\n/tmp\nsandbox\n1");
    assert_eq!(cell.says("cat /proc/self/cgroup"), "0::/guest");
    assert!(cell.says("echo x > /file").contains("Read-only"));
    assert!(cell.says("cat /dev/ttyS1; cat /.agent").contains("No such file"));

    let mut link = cell
        .jails
        .attach(&cell.id, &Exec::command(["sh", "-c", "stty size; read a; echo got $a"]), Some((24, 80)))
        .unwrap();
    let (mut seen, mut written) = (String::new(), false);
    let exit = loop {
        match link.next(support::HANGS).unwrap().expect("something comes") {
            Printed::Stdout(bytes) | Printed::Stderr(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            Printed::End(exit) => break exit,
        }
        if seen.contains("24 80") && !written {
            link.write(b"hello\n").unwrap();
            written = true;
        }
    };
    assert!(exit == Exit::Code(0) && seen.contains("got hello"), "{seen}");

    let mut exec = Exec::command(["sh", "-c", "echo before; (trap '' TERM; sleep 1000) & sleep 1000"]);
    exec.timeout = Duration::from_secs(3);
    let result = cell.exec(&exec).unwrap();
    assert_eq!((result.exit, result.stdout.as_slice()), (Exit::Over(Limit::Timeout), &b"before\n"[..]));
    cell.works();
    let stats = cell.jails.stats(&cell.id).unwrap();
    assert!(stats.pids == 0 && stats.memory > 10_000_000, "{stats:?}");

    cell.jails.pause(&cell.id).unwrap();
    let refused = cell.exec(&Exec::command(["true"])).unwrap_err();
    assert!(matches!(refused, RuntimeError::NotRunning { state: State::Paused, .. }), "{refused}");
    cell.jails.resume(&cell.id).unwrap();
    cell.works();
    let (id, folder) = (cell.id.clone(), cell.state.path().to_owned());
    cell.jails.delete(&id).unwrap();
    nothing_left_of(&folder, &[id]);
}

#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image"]
fn a_machine_sees_a_workspace_as_it_was_and_writes_into_a_copy_only() {
    if !is_here(Emulated) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "old\n").unwrap();
    std::os::unix::fs::symlink("/etc/shadow", folder.path().join("link")).unwrap();
    let cell = Cell::of(Emulated, &with_workspace(Emulated, Access::ReadOnly, folder.path()));
    let said = cell.says("pwd; cat file; echo new > file; cat link");
    assert!(said.starts_with("/workspace\nold\n") && said.contains("Read-only") && said.contains("No such"), "{said}");
    drop(cell);
    let cell = Cell::of(Emulated, &with_workspace(Emulated, Access::Copy, folder.path()));
    assert_eq!(cell.says("echo new > file; mkdir sub; echo deep > sub/a; cat file"), "new");
    cell.jails.restart(&cell.id).unwrap();
    assert_eq!(cell.says("cat file sub/a; readlink link"), "new\ndeep\n/etc/shadow");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old\n");
    drop(cell);
    let state = tempfile::tempdir().unwrap();
    let refused = Emulated.open(state.path()).create(&with_workspace(Emulated, Access::ReadWrite, folder.path()));
    assert!(refused.unwrap_err().to_string().contains("shares no folder"));
}

#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image"]
fn a_root_file_system_of_ones_own_is_taken_into_memory() {
    if !is_here(Emulated) {
        return;
    }
    let root = support::jails::python_rootfs();
    let mut own = spec(Emulated);
    own.rootfs = aic_sandbox::runtime::Rootfs::Directory(root.path().into());
    let cell = Cell::of(Emulated, &own);
    assert_eq!(text(&cell.python("import os; print(6 * 7, os.path.exists('/bin/busybox'))")), "42 False");
}

#[test]
fn kvm_is_judged_in_a_quarter_of_a_second_whatever_it_is() {
    let began = Instant::now();
    let found = aic_sandbox::try_kvm(&support::command());
    // Not a figure of speed: what must not be is that it hangs.
    assert!(began.elapsed() < support::HANGS);
    let there = std::path::Path::new("/dev/kvm").exists();
    assert_eq!(found == Kvm::Absent, !there, "{found:?}");
}

#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image; measures and prints, run it alone with --no-capture"]
#[expect(clippy::print_stderr, reason = "printing is what it is for")]
fn latency() {
    let began = Instant::now();
    let found = aic_sandbox::try_kvm(&support::command());
    eprintln!("/dev/kvm {found}, found in {:?}", began.elapsed());
    if !is_here(Emulated) {
        return;
    }
    let began = Instant::now();
    let cell = Cell::new(Emulated);
    eprintln!("started in {:?}", began.elapsed());
    let began = Instant::now();
    (0..20).for_each(|_| cell.works());
    eprintln!("warm {:?}", began.elapsed() / 20);
    let began = Instant::now();
    cell.exec(&Exec { stdin: vec![b'x'; 200_000], ..Exec::command(["wc", "-c"]) }).unwrap();
    eprintln!("200 kB in: {:?}", began.elapsed());
    let began = Instant::now();
    cell.sh("head -c 200000 /dev/zero");
    eprintln!("200 kB out: {:?}", began.elapsed());
    eprintln!("{:?}", cell.jails.stats(&cell.id).unwrap());
    let began = Instant::now();
    cell.jails.exec(&cell.id, &Exec::command(["true"]), &Cancel::new()).unwrap();
    cell.jails.delete(&cell.id).unwrap();
    eprintln!("removed in {:?}", began.elapsed());
}
