//! A virtual machine on an emulated processor: the same agent at the end of a serial line. Starting one takes seconds,
//! so each test asks much of one machine.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::Runtime;
use aic_sandbox::runtime::{Exec, Exit};
use support::jails::Wall::Emulated;
use support::jails::{Cell, nothing_left_of};

#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image"]
fn a_program_runs_in_a_machine_of_its_own() {
    let began = std::time::Instant::now();
    let cell = Cell::new(Emulated);
    eprintln!("up {:?}", began.elapsed());
    for line in ["uname -a; id; cat /proc/self/status | grep -e Cap -e Secc; env; pwd; mount; ls -la / /dev; free; ps; cat /proc/meminfo | head -3; cat /proc/cmdline"] {
        eprintln!("{}", cell.says(line));
    }
    let began = std::time::Instant::now();
    for _ in 0..20 { cell.says("true"); }
    eprintln!("warm {:?}", began.elapsed() / 20);
    let began = std::time::Instant::now();
    let mut exec = Exec::command(["sh", "-c", "wc -c; head -c 900000 /dev/zero"]);
    exec.stdin = vec![b'x'; 1_000_000];
    let r = cell.exec(&exec).unwrap();
    eprintln!("1 MB in, 0.9 out {:?} {:?} {}", began.elapsed(), r.exit, r.stdout.len());
    eprintln!("{:?}", cell.jails.stats(&cell.id).unwrap());
    let (id, folder) = (cell.id.clone(), cell.state.path().to_owned());
    let began = std::time::Instant::now();
    cell.jails.delete(&id).unwrap();
    eprintln!("down {:?}", began.elapsed());
    nothing_left_of(&folder, &[id]);
}
