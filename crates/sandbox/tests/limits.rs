//! Limits against programs that know how they are held: memory that no process shows, files without a name, folders
//! too deep to look into.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::Runtime;
use aic_sandbox::runtime::{Access, Exec, Exit, Limit, Printed, SandboxSpec};
use support::jails::Wall::{Gvisor, NoGroups, Process, ProcessAlone, Rootless};
use support::jails::{Cell, Wall, here, spec, text, with_workspace};

/// Waits to be ended. Whoever comes to its end was not.
const STAY: &str = "time.sleep(1000)\n";

#[test]
#[ignore = "needs bwrap"]
fn files_in_dev_are_not_made_and_those_in_shared_memory_count_as_disk() {
    for wall in here(&[Process, ProcessAlone]) {
        let mut small = spec(wall);
        (small.limits.disk, small.limits.memory) = (10_000_000, 1 << 30);
        let cell = Cell::of(wall, &small);
        let said = cell.says("echo x > /dev/x && echo GOT; head -c 100 /dev/zero > /dev/null && echo fine");
        assert!(!said.contains("GOT") && said.contains("fine"), "{wall:?}: {said}");
        let fill = "import os\nsum = 0\nfor folder in ['/dev/shm', '/tmp', '/dev', '/dev/pts', '/run', '/var']:\n\
                    \x20 for n in range(30):\n\
                    \x20   try: sum += os.write(os.open(f'{folder}/{n}', os.O_CREAT | os.O_WRONLY), bytes(1000000))\n\
                    \x20   except OSError: pass\nprint(sum)";
        let sum: u64 = text(&cell.python(fill)).parse().unwrap();
        assert!((8_000_000..=10_100_000).contains(&sum), "{wall:?}: {sum}");
    }
}

#[test]
#[ignore = "needs bwrap"]
fn memory_that_is_no_processes_own_is_held_by_a_group_or_denied() {
    let mut small = spec(ProcessAlone);
    small.limits.memory = 200 << 20;
    for wall in here(&[ProcessAlone]) {
        let cell = Cell::of(wall, &small);
        let hidden = "import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\n\
                      print([c.syscall(319, b'x', 0), ctypes.get_errno(), c.shmget(0, 1 << 20, 0o1600), ctypes.get_errno(), c.syscall(447, 0), ctypes.get_errno()])";
        assert_eq!(text(&cell.python(hidden)), "[-1, 1, -1, 1, -1, 1]");
    }
    for wall in here(&[Process]) {
        let cell = Cell::of(wall, &small);
        let fill =
            "import os\nf = os.memfd_create('x')\nfor _ in range(600): os.write(f, bytes(1 << 20))\nprint('GOT')";
        let ran = cell.exec(&Exec::command(["python3", "-c", fill]));
        assert!(ran.as_ref().is_ok_and(|result| !text(result).contains("GOT")), "{ran:?}");
    }
}

#[test]
#[ignore = "needs runsc"]
fn programs_in_gvisor_get_no_more_memory_than_the_limit_whatever_its_kernel_may_need() {
    for wall in here(&[Gvisor, NoGroups, Rootless]) {
        let mut small = spec(wall);
        small.limits.memory = 128 << 20;
        let cell = Cell::of(wall, &small);
        // Each has less than the limit, all together more than twice as much.
        let greedy = "import os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    x = bytearray(40 << 20)\n    for at in range(0, len(x), 4096): x[at] = 1\n    time.sleep(1000)\n";
        let result = cell.python(&format!("{greedy}{STAY}"));
        assert_eq!(result.exit, Exit::Over(Limit::Memory), "{wall:?}");
        cell.works();
        // And what is there is theirs.
        let modest = cell.python("x = bytearray(b'x' * (30 << 20)); print(len(x))");
        assert_eq!(modest.exit, Exit::Code(0), "{wall:?}: {}", text(&modest));
    }
}

#[test]
#[ignore = "needs bwrap"]
fn a_limit_that_the_kernel_held_is_named_in_the_result() {
    for wall in here(&[Process]) {
        let mut small = spec(wall);
        (small.limits.memory, small.limits.file_size) = (64 << 20, 1_000_000);
        let cell = Cell::of(wall, &small);
        // Itself, and a program that it started.
        for line in [
            "exec python3 -c 'print(len(b\"x\" * (200 << 20)))'",
            "python3 -c 'print(len(b\"x\" * (200 << 20)))'; exit 3",
        ] {
            let result = cell.sh(line);
            let memory = result.kept.iter().find(|kept| kept.limit == Limit::Memory).unwrap();
            // Elsewhere python3 says itself that it has no memory.
            let killed = memory.hold == aic_sandbox::runtime::Hold::Enforced;
            assert_eq!(result.exit == Exit::Over(Limit::Memory), killed, "{line}: {:?} {}", result.exit, text(&result));
        }
        let large = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('/tmp/x', 'wb').write(bytes(2_000_000))";
        assert_eq!(cell.python(large).exit, Exit::Over(Limit::FileSize));
        assert_eq!(cell.sh("exit 3").exit, Exit::Code(3));
    }
}

fn writing(wall: Wall, folder: &std::path::Path) -> SandboxSpec {
    let mut spec = with_workspace(wall, Access::ReadWrite, folder);
    (spec.limits.disk, spec.limits.file_size) = (10_000_000, 1 << 30);
    spec
}

/// Writes 100 MB into an open file.
const WRITE: &str = "for _ in range(100): f.write(b'x' * 1_000_000); f.flush()\n";

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_file_without_a_name_and_one_in_a_thousand_folders_count_as_disk() {
    let nameless = format!("import os, time\nf = open('x', 'wb'); os.unlink('x')\n{WRITE}{STAY}");
    let deep = format!(
        "import os, time\nfor _ in range(1000): os.mkdir('d'); os.chdir('d')\nf = open('x', 'wb')\n{WRITE}{STAY}"
    );
    let mapped = format!(
        "import os, time, mmap\nf = open('x', 'w+b'); os.unlink('x'); f.truncate(100_000_000); m = mmap.mmap(f.fileno(), 0); f.close()\n\
         os.closerange(3, 256)\nfor at in range(0, 100_000_000, 4096): m[at] = 1\n{STAY}"
    );
    for wall in here(&[Gvisor, Rootless, Process]) {
        for program in [&nameless, &deep, &mapped] {
            let folder = tempfile::tempdir().unwrap();
            let cell = Cell::of(wall, &writing(wall, folder.path()));
            assert_eq!(cell.python(program).exit, Exit::Over(Limit::Disk), "{wall:?}: {program}");
            cell.works();
        }
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn what_one_execution_wrote_counts_in_the_next_and_in_an_attached_one() {
    for wall in here(&[Gvisor, Process]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("before"), vec![1; 20_000_000]).unwrap();
        let cell = Cell::of(wall, &writing(wall, folder.path()));
        let write = |name: &str| format!("import time\nopen({name:?}, 'wb').write(b'x' * 6_000_000)\n");
        assert_eq!(cell.python(&write("a")).exit, Exit::Code(0), "{wall:?}");
        let more = format!("{}{STAY}", write("b"));
        assert_eq!(cell.python(&more).exit, Exit::Over(Limit::Disk), "{wall:?}");
        let mut link = cell.jails.attach(&cell.id, &Exec::command(["python3", "-c", STAY_ONLY]), None).unwrap();
        let end = loop {
            match link.next(support::HANGS).unwrap().expect("something comes") {
                Printed::End(exit) => break exit,
                Printed::Stdout(_) | Printed::Stderr(_) => {}
            }
        };
        assert_eq!(end, Exit::Over(Limit::Disk), "{wall:?}");
    }
}

const STAY_ONLY: &str = "import time; time.sleep(1000)";
