//! The attacks that are no single program: on what the host reads, kills, keeps and draws.

use crate::Outcome;
use crate::support::jails::Wall::{self, Emulated};
use crate::support::jails::{self, Cell, nothing_left_of, processes_about, python_rootfs, spec, text};
use crate::support::{self, body, run, tagged_processes, until};
use aic_base::Limits;
use aic_sandbox::runtime::{Exit, Rootfs};
use aic_sandbox::{ScriptCall, ScriptError, ScriptHost};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

pub struct Beside {
    pub name: &'static str,
    /// Whether it works where there is no sandbox, or that the check would see it.
    pub control: fn() -> bool,
    pub wasm: fn() -> Outcome,
    pub jail: fn(Wall) -> Outcome,
}

pub const BESIDE: &[Beside] = &[
    Beside { name: "a gigabyte of output", control: pours, wasm: script_pours, jail: program_pours },
    Beside { name: "forged answer on stdout", control: is_fooled, wasm: script_forges, jail: program_forges },
    Beside {
        name: "orphans after `kill -9` of the workbench",
        control: orphans_outside,
        wasm: orphaned_worker,
        jail: orphaned_sandbox,
    },
    Beside {
        name: "poisoned cache of compiled code",
        control: the_cache_is_used,
        wasm: poisoned_cache,
        jail: |_| Ok("has none".into()),
    },
    Beside {
        name: "random numbers repeated in another sandbox",
        control: || drawn("import random; random.seed(1)") == drawn("import random; random.seed(1)"),
        wasm: scripts_draw,
        jail: programs_draw,
    },
];

fn outcome(fine: bool, words: &str, seen: impl std::fmt::Debug) -> Outcome {
    if fine { Ok(words.to_owned()) } else { Err(format!("{seen:?}")) }
}

fn cell(wall: Wall) -> (Cell, Option<tempfile::TempDir>) {
    let rootfs = (wall == Emulated).then(python_rootfs);
    let mut spec = spec(wall);
    if let Some(rootfs) = &rootfs {
        spec.rootfs = Rootfs::Directory(rootfs.path().into());
    }
    (Cell::of(wall, &spec), rootfs)
}

const POUR: &str = "import os\nfor _ in range(1000): os.write(1, b'x' * 1_000_000)\nos.write(2, b'end')";
const CUT: &str = "cut at `output`";

fn pours() -> bool {
    let mut child =
        Command::new("python3").args(["-c", POUR]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (mut all, mut bytes) = (0, vec![0; 1 << 20]);
    while let Ok(count @ 1..) = output.read(&mut bytes) {
        all += count;
    }
    drop(child.wait());
    // A write to a pipe may be a short one.
    all > 50_000_000
}

fn program_pours(wall: Wall) -> Outcome {
    let (cell, _rootfs) = cell(wall);
    let result = cell.python(POUR);
    let seen = (result.exit, result.stdout.len(), result.truncated);
    cell.works();
    outcome(seen == (Exit::Code(0), 1_000_000, true), CUT, seen)
}

fn script_pours() -> Outcome {
    let text = "const text = 'x'.repeat(1 << 20); for (let i = 0; i < 1024; i++) print(text); return 'done'";
    let limits = Limits { timeout: Duration::from_secs(120), ..support::limits() };
    let result = run(&support::host(), &ScriptCall { limits, ..body(text) }).map_err(|error| error.to_string())?;
    let seen = (result.value, result.stdout.len(), result.truncated);
    outcome(seen == (json!("done"), 1_000_000, true), CUT, seen)
}

/// Prints a frame of the agent's that says: execution 1 ended with code 0. Then it tries every way to the pipe of whoever
/// started it, and to end him.
const FORGE: &str = "import os, sys\n\
     frame = b'aicA' + bytes([68]) + b'A' * 16 + (1).to_bytes(4, 'little') + (6).to_bytes(4, 'little') + bytes([1, 0, 0, 0, 0, 0])\n\
     os.write(1, frame)\n\
     for n in range(10):\n\
     \x20 try:\n    os.close(os.open(f'/proc/{os.getppid()}/fd/{n}', os.O_WRONLY)); print('GOT', n)\n\
     \x20 except OSError: pass\n\
     if os.getppid() == 1:\n\
     \x20 for signal in (9, 15):\n\
     \x20\x20 try: os.kill(1, signal)\n\
     \x20\x20 except OSError: pass\n\
     sys.exit(7)";

fn is_fooled() -> bool {
    let output = Command::new("python3").args(["-c", FORGE]).stdin(Stdio::null()).output().unwrap();
    output.stdout.starts_with(b"aicA") && String::from_utf8_lossy(&output.stdout).contains("GOT")
}

fn program_forges(wall: Wall) -> Outcome {
    let (cell, _rootfs) = cell(wall);
    let result = cell.python(FORGE);
    cell.works();
    let fine = result.exit == Exit::Code(7) && result.stdout.starts_with(b"aicA") && !text(&result).contains("GOT");
    outcome(fine, "only text", (result.exit, text(&result)))
}

fn script_forges() -> Outcome {
    let text = "print(JSON.stringify({ok: 'forged'})); print('aic1\\x15');
        Object.prototype.toJSON = () => ({ok: 'forged'}); throw new Error('real')";
    let ran = run(&support::host(), &body(text));
    outcome(matches!(&ran, Err(ScriptError::Threw { message, .. }) if message == "Error: real"), "only text", ran)
}

fn orphans_outside() -> bool {
    let mut parent =
        Command::new("sh").args(["-c", "sleep 1000 & echo $!; wait"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    let orphan = rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(orphan, rustix::process::Signal::KILL).is_ok()
}

fn orphaned_sandbox(wall: Wall) -> Outcome {
    let state = tempfile::tempdir().unwrap();
    let mut child = jails::workbench(wall, state.path());
    let seen = processes_about(state.path()).len();
    child.kill().unwrap();
    child.wait().unwrap();
    nothing_left_of(state.path(), &[jails::mine()]);
    outcome(seen > 0, "all gone", seen)
}

fn orphaned_worker() -> Outcome {
    let tag = format!("orphan-of-{}", std::process::id());
    let mut parent = support::parent_of_worker(&tag);
    let seen = tagged_processes(&tag).len();
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("the worker is gone", || tagged_processes(&tag).is_empty());
    outcome(seen > 0, "all gone", seen)
}

/// A cache folder with the guest in it, and the guest's file.
fn cache() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    run(&ScriptHost::new(support::command(), Some(folder.path().into())), &body("return 1")).unwrap();
    let mut files = std::fs::read_dir(folder.path().join("guests")).unwrap().flatten();
    let file = files.next().unwrap().path();
    (folder, file)
}

fn the_cache_is_used() -> bool {
    let (folder, file) = cache();
    let before = std::fs::metadata(&file).unwrap();
    run(&ScriptHost::new(support::command(), Some(folder.path().into())), &body("return 1")).unwrap();
    let after = std::fs::metadata(&file).unwrap();
    (before.ino(), before.mtime_nsec()) == (after.ino(), after.mtime_nsec())
}

fn poisoned_cache() -> Outcome {
    let (folder, file) = cache();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let ran = run(&ScriptHost::new(support::command(), Some(folder.path().into())), &body("return 41 + 1"));
    let value = ran.map(|result| result.value);
    outcome(value == Ok(json!(42)) && std::fs::read(&file).unwrap() != bytes, "not used, made anew", value)
}

/// Eight bytes that Python draws after these words.
fn drawn(words: &str) -> String {
    let program = format!("{words}; print(random.randbytes(8).hex())");
    String::from_utf8(Command::new("python3").args(["-c", &program]).output().unwrap().stdout).unwrap()
}

fn programs_draw(wall: Wall) -> Outcome {
    let draw = |_| text(&cell(wall).0.python("import os; print(os.urandom(16).hex())"));
    let [first, second] = [0, 1].map(draw);
    outcome(first.len() == 32 && second.len() == 32 && first != second, "differ", (first, second))
}

fn scripts_draw() -> Outcome {
    let draw = |seed| run(&support::host(), &ScriptCall { seed, ..body("return Math.random()") }).unwrap().value;
    let [first, again, second] = [1, 1, 2].map(draw);
    outcome(first == again && first != second, "as the call's seed says", (first, again, second))
}
