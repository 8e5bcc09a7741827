//! The attacks, each with its positive control: the same program outside a sandbox must succeed, or its failure inside
//! proves nothing. What comes of them is the table in `docs/sandbox.md`; `AIC_WRITE_DOCS=1` writes it anew.
#![cfg(target_os = "linux")]

mod beside;
mod list;
#[path = "../support/mod.rs"]
mod support;

use aic_base::{Limits, Timestamp};
use aic_sandbox::runtime::{Access, Exec, ExecResult, Exit, Program, Rootfs, SandboxSpec, Workspace};
use aic_sandbox::{Cancel, Runtime, RuntimeError, RuntimeKind, Wasm};
use beside::{BESIDE, Beside};
use list::{ATTACKS, FICKLE};
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::jails::Wall::{self, Emulated, Gvisor, Process, Rootless};
use support::jails::{here, is_here, text};

/// What an attack must come to.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// The program says itself that it could not.
    Denied,
    /// The program goes on or breaks down, and the limit or its own end holds it.
    Held,
}

struct Attack {
    name: &'static str,
    wanted: Wanted,
    access: Access,
    /// Python; prints `GOT` and what it got where the attack works, and ends with an error or says `NO` elsewhere.
    program: &'static str,
    /// JavaScript for WASM; returns what it got, or throws.
    script: &'static str,
}

/// What every program begins with.
fn prelude(case: &Case) -> String {
    format!(
        "import os, sys, time\nCASE = {:?}\nPORT = {}\nDNS = {}\n\
         def readable(path, text):\n  try: return text in open(path, 'rb').read()\n  except OSError: return False\n\
         def target(n):\n  try: return os.readlink('/proc/self/fd/%d' % n)\n  except OSError: return ''\n",
        case.folder.path(),
        case.port,
        case.dns,
    )
}

/// The host's side of one attack.
struct Case {
    folder: tempfile::TempDir,
    port: u16,
    dns: u16,
    _listeners: (std::net::TcpListener, UnixListener, std::fs::File),
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("secret"), "secret").unwrap();
        let workspace = path("workspace");
        std::fs::create_dir(&workspace).unwrap();
        std::fs::write(workspace.join("file"), "file").unwrap();
        symlink(path("secret"), workspace.join("planted")).unwrap();
        let make = |arguments: &[&str]| {
            assert!(
                Command::new(arguments[0]).args(&arguments[1..]).current_dir(&workspace).status().unwrap().success()
            );
        };
        make(&["mkfifo", "fifo"]);
        if rustix::process::geteuid().is_root() {
            make(&["mknod", "-m", "666", "kernel-log", "c", "1", "11"]);
        }
        let socket = UnixListener::bind(workspace.join("socket")).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let tcp = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let udp = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let (port, dns) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
        std::thread::spawn(move || {
            let mut bytes = [0; 100];
            while let Ok((_, from)) = udp.recv_from(&mut bytes) {
                drop(udp.send_to(b"answer", from));
            }
        });
        // Whoever is started now inherits it.
        let leaked = std::fs::File::open(path("secret")).unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
        Self { folder, port, dns, _listeners: (tcp, socket, leaked) }
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.workspace()).unwrap().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

/// Outside any sandbox. Whether the attack works there: it gets what it wants, or goes on until it is stopped.
fn control(attack: &Attack) -> bool {
    let case = Case::new();
    let program = format!("{}{}", prelude(&case), attack.program);
    let mut command = Command::new("python3");
    command.args(["-c", &program]).current_dir(case.workspace()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    if attack.name == "fork bomb without end" {
        // The one that nobody runs outside: its counted sister above shows that forking works.
        return true;
    }
    let mut child = command.spawn().unwrap();
    if attack.wanted == Wanted::Held {
        // Either still there after a while, or broken down.
        let never = Cancel::new();
        never.wait_timeout(Duration::from_millis(300));
        let ended = child.try_wait().unwrap();
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::KILL,
        );
        drop(child.wait());
        return ended.is_none_or(|status| !status.success());
    }
    let mut said = String::new();
    let mut output = child.stdout.take().unwrap();
    let group = rustix::process::Pid::from_child(&child);
    // Its children may hold the pipe open, so only what it says first is read.
    let mut bytes = [0; 200];
    while let Ok(count @ 1..) = std::io::Read::read(&mut output, &mut bytes) {
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if said.contains('\n') {
            break;
        }
    }
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    drop(child.wait());
    (0..20).for_each(|n| drop(std::fs::remove_file(format!("/tmp/aic-big{n}"))));
    said.starts_with("GOT")
}

fn limits(wall: Option<Wall>, attack: &Attack) -> Limits {
    // Long enough for whatever must happen on a busy machine; short where nothing else ends it. The FIFO is waited for on
    // the host's kernel only.
    let ends = match attack.name {
        "FIFO in the workspace" => wall != Some(Process),
        // A script's ends by itself, when its stack does.
        "deep recursion" => wall.is_none(),
        _ => attack.wanted == Wanted::Denied,
    };
    let timeout = Duration::from_secs(if ends { 120 } else { 5 });
    Limits { timeout, memory: 256 << 20, ..Limits::default() }
}

/// What a column says where its wall does not stand.
const NOT_HERE: &str = "not on this machine";

/// What came of an attack, in a few words, or that it worked.
type Outcome = Result<String, String>;

fn if_here(wall: Wall, attack: impl FnOnce(Wall) -> Outcome) -> Outcome {
    if is_here(wall) { attack(wall) } else { Ok(NOT_HERE.into()) }
}

/// The control's own outcome, which stands in no table.
fn proved(works: bool) -> Outcome {
    if works { Ok(String::new()) } else { Err("the control: nothing is proved".into()) }
}

/// One attack in one sandbox, and a harmless program after it. What came of it, in a few words.
fn attack_in(wall: Wall, attack: &Attack) -> Outcome {
    let (case, state) = (Case::new(), tempfile::tempdir().unwrap());
    let jails = wall.open(state.path());
    let mut spec = SandboxSpec::new(wall.kind(), "attack");
    spec.limits = limits(Some(wall), attack);
    if attack.access != Access::None {
        spec.workspace = Workspace { access: attack.access, path: case.workspace() };
    }
    let id = jails.create(&spec).map_err(|error| error.to_string())?;
    jails.start(&id).map_err(|error| error.to_string())?;
    let program = format!("{}{}", prelude(&case), attack.program);
    let ran = jails.exec(&id, &Exec::command(["python3", "-c", &program]), &Cancel::new());
    let outcome = judge(attack, ran)?;
    // The next program works, in the same sandbox or, if this one had to be ended, in a new life of it.
    let works = |id| jails.exec(id, &Exec::command(["sh", "-c", "echo fine"]), &Cancel::new());
    let after = match works(&id) {
        Ok(result) => Ok(result),
        Err(_) => jails.start(&id).and_then(|()| works(&id)),
    };
    let after = after.map_err(|error| format!("afterwards: {error}"))?;
    if text(&after) != "fine" {
        return Err(format!("afterwards a harmless program said {}", text(&after)));
    }
    drop(jails);
    let set_id =
        |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| found.permissions().mode() & 0o6000 != 0);
    if let Some(left) = case.files().iter().find(|path| set_id(path)) {
        return Err(format!("{} was left behind", left.display()));
    }
    if std::fs::read(case.workspace().join("file")).unwrap() != b"file" {
        return Err("a file of the host's was changed".into());
    }
    support::jails::nothing_left_of(state.path(), &[id]);
    Ok(outcome)
}

/// Emulated machines, which take seconds to start, so that one serves all attacks on a workspace of its kind.
struct Machines {
    rootfs: tempfile::TempDir,
    running: Vec<(Access, Case, support::jails::Cell)>,
}

impl Machines {
    fn attack(&mut self, attack: &Attack) -> Outcome {
        // A machine shares no folder; what it may write in is a copy.
        let access = if attack.access == Access::ReadWrite { Access::Copy } else { attack.access };
        if !self.running.iter().any(|(kind, ..)| *kind == access) {
            let case = Case::new();
            let mut spec = SandboxSpec::new(Emulated.kind(), "attack");
            spec.limits = Limits { timeout: Duration::from_secs(120), ..limits(Some(Emulated), attack) };
            spec.rootfs = Rootfs::Directory(self.rootfs.path().into());
            if access != Access::None {
                spec.workspace = Workspace { access, path: case.workspace() };
            }
            self.running.push((access, case, support::jails::Cell::of(Emulated, &spec)));
        }
        let (_, case, cell) = self.running.iter().find(|(kind, ..)| *kind == access).unwrap();
        let program = format!("{}{}", prelude(case), attack.program);
        let exec =
            Exec { timeout: limits(Some(Emulated), attack).timeout, ..Exec::command(["python3", "-c", &program]) };
        let outcome = judge(attack, cell.exec(&exec))?;
        let works = || cell.exec(&Exec::command(["sh", "-c", "rm -rf /tmp/*; echo fine"]));
        let after = works().or_else(|_| cell.jails.start(&cell.id).and_then(|()| works()));
        let after = after.map_err(|error| format!("afterwards: {error}"))?;
        if text(&after) != "fine" {
            return Err(format!("afterwards a harmless program said {}", text(&after)));
        }
        Ok(outcome)
    }

    fn end(self) {
        for (_, case, cell) in self.running {
            assert_eq!(std::fs::read(case.workspace().join("file")).unwrap(), b"file");
            cell.jails.delete(&cell.id).unwrap();
            support::jails::nothing_left_of(cell.state.path(), std::slice::from_ref(&cell.id));
        }
    }
}

fn judge(attack: &Attack, ran: Result<ExecResult, RuntimeError>) -> Outcome {
    let result = ran.map_err(|error| error.to_string())?;
    let said = text(&result);
    if said.starts_with("GOT") {
        return Err(format!("it worked: {said}"));
    }
    if FICKLE.contains(&attack.name) {
        return Ok("held".into());
    }
    let last = said.lines().last().unwrap_or_default();
    match (attack.wanted, result.exit) {
        (_, Exit::Over(limit)) => Ok(format!("stopped at `{limit}`")),
        (Wanted::Denied, Exit::Code(0)) => Ok("not in sight".into()),
        (Wanted::Denied, Exit::Code(_)) => Ok(format!("denied: {}", short(last))),
        (Wanted::Held, Exit::Code(_)) => Ok("ended by itself".into()),
        (_, Exit::Signal(_)) => Ok("ended by the kernel".into()),
    }
}

/// The kind of a Python error, without names and numbers that differ from run to run.
fn short(line: &str) -> String {
    let known = [
        ("PermissionError", "no permission"),
        ("FileNotFoundError", "no such file"),
        ("MemoryError", "no memory"),
        ("BlockingIOError", "no more processes"),
        ("ConnectionRefusedError", "nobody there"),
        ("Too many open files", "too many files"),
        ("No space left", "no space"),
        ("File too large", "file too large"),
        ("Read-only file system", "read-only"),
        ("Network is unreachable", "no network"),
        ("KeyError", "not there"),
        ("TimeoutError", "no answer"),
    ];
    known.iter().find(|(error, _)| line.contains(error)).map_or_else(|| line.to_owned(), |(_, short)| (*short).into())
}

fn attack_wasm(attack: &Attack) -> Outcome {
    let wasm = Wasm::new(Arc::new(support::host()));
    let mut spec = SandboxSpec::new(RuntimeKind::Wasm, "attack");
    spec.limits = limits(None, attack);
    let id = wasm.create(&spec).unwrap();
    wasm.start(&id).unwrap();
    let call = |body: &str| {
        let program = Program::JavaScript {
            filename: "attack.js".into(),
            source: format!("export default async () => {{ {body} }}").into(),
            args: Value::Null,
            ctx: json!({}),
            now: Timestamp::default(),
            seed: 1,
        };
        wasm.exec(&id, &Exec { program, ..Exec::command([""; 0]) }, &Cancel::new())
    };
    let outcome = match call(attack.script) {
        Ok(ExecResult { exit: Exit::Over(limit), .. }) => Ok(format!("stopped at `{limit}`")),
        Ok(result) => Err(format!("it worked: {:?}", result.value)),
        Err(RuntimeError::Script(error)) if error.to_string().contains("nothing to reach with") => {
            Ok("nothing to reach with".into())
        }
        Err(RuntimeError::Script(_)) => Ok("ended with an error".into()),
        Err(error) => Err(error.to_string()),
    };
    let after = call("return 'fine'").map_err(|error| error.to_string())?;
    if after.value == Some(json!("fine")) { outcome } else { Err("the worker does not work afterwards".into()) }
}

/// Attacks whose WASM form is another: what a script can use up.
fn script_of(attack: &Attack) -> Attack {
    let script = match attack.name {
        "memory bomb" => "const all = []; for (;;) all.push(new Uint8Array(1 << 20))",
        "zip bomb" => "let text = 'x'; for (;;) text += text + Math.random()",
        _ => attack.script,
    };
    Attack { script, ..*attack }
}

/// Not tests by themselves: what is killed in some of them.
#[test]
fn helper_workbench() {
    support::jails::be_workbench();
}

#[test]
fn helper_parent() {
    support::be_parent();
}

#[test]
#[ignore = "needs runsc, bwrap, qemu-system-x86_64 and a guest image"]
fn every_attack_succeeds_outside_and_fails_inside() {
    let root = rustix::process::geteuid().is_root();
    // Only root can plant a device node. CI is root.
    let attacks: Vec<&Attack> =
        ATTACKS.iter().filter(|attack| root || attack.name != "device node planted by the host").collect();
    // Most of the time somebody waits for a deadline, so the columns are made side by side.
    let columns: [Vec<Outcome>; 6] = std::thread::scope(|scope| {
        let attacks = &attacks;
        let column = |program: fn(&Attack) -> Outcome, beside: fn(&Beside) -> Outcome| {
            let all = move || attacks.iter().map(|attack| program(attack)).chain(BESIDE.iter().map(beside)).collect();
            scope.spawn(all)
        };
        let emulated = scope.spawn(|| {
            if !is_here(Emulated) {
                return vec![Ok(NOT_HERE.to_owned()); attacks.len() + BESIDE.len()];
            }
            let mut machines = Machines { rootfs: support::jails::python_rootfs(), running: Vec::new() };
            let mut outcomes: Vec<Outcome> = attacks.iter().map(|attack| machines.attack(attack)).collect();
            machines.end();
            outcomes.extend(BESIDE.iter().map(|beside| (beside.jail)(Emulated)));
            outcomes
        });
        let columns = [
            column(|attack| proved(control(attack)), |beside| proved((beside.control)())),
            column(|attack| attack_wasm(&script_of(attack)), |beside| (beside.wasm)()),
            column(|attack| if_here(Gvisor, |wall| attack_in(wall, attack)), |beside| if_here(Gvisor, beside.jail)),
            column(|attack| if_here(Rootless, |wall| attack_in(wall, attack)), |beside| if_here(Rootless, beside.jail)),
            column(|attack| if_here(Process, |wall| attack_in(wall, attack)), |beside| if_here(Process, beside.jail)),
            emulated,
        ];
        columns.map(|column| column.join().unwrap())
    });
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let names = attacks.iter().map(|attack| attack.name).chain(BESIDE.iter().map(|beside| beside.name));
    for (index, attack) in names.enumerate() {
        let mut row = vec![attack.to_owned()];
        for (column, name) in columns.iter().zip(["outside", "wasm", "Gvisor", "Rootless", "Process", "Emulated"]) {
            match &column[index] {
                Ok(outcome) if name != "outside" => row.push(outcome.clone()),
                Ok(_) => {}
                Err(why) => wrong.push(format!("{attack}: {name}: {why}")),
            }
        }
        rows.push(row);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    compare_with_docs(&rows);
}

/// The table in the docs is this one, or is made to be.
fn compare_with_docs(rows: &[Vec<String>]) {
    const BEGIN: &str = "<!-- attacks: written by the test `attack_table` -->\n";
    const END: &str = "<!-- end of attacks -->";
    let mut table =
        "| attack | wasm | gVisor, root | gVisor, rootless | process | emulated microVM |\n|---|---|---|---|---|---|\n"
            .to_owned();
    rows.iter().for_each(|row| table.push_str(&format!("| {} |\n", row.join(" | "))));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sandbox.md");
    let docs = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = docs.split_once(BEGIN).expect("the docs have a place for the table");
    let (old, after) = rest.split_once(END).expect("the table ends");
    if std::env::var_os("AIC_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else if rustix::process::geteuid().is_root() && !table.contains(NOT_HERE) {
        assert_eq!(old, table, "the table in docs/sandbox.md is another; AIC_WRITE_DOCS=1 writes it anew");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_full_workspace_ends_the_program_that_fills_it() {
    for wall in here(&[Gvisor, Process]) {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = support::jails::with_workspace(wall, Access::ReadWrite, folder.path());
        spec.limits.disk = 20_000_000;
        let cell = support::jails::Cell::of(wall, &spec);
        let fill = "n=0; while true; do head -c 1000000 /dev/zero > file$n; n=$((n+1)); done";
        assert_eq!(cell.sh(fill).exit, Exit::Over(aic_sandbox::runtime::Limit::Disk), "{wall:?}");
        cell.works();
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn memory_is_held_without_control_groups_too() {
    for wall in [Wall::NoGroups, Rootless] {
        let mut spec = support::jails::spec(wall);
        spec.limits.memory = 200 << 20;
        // What gVisor may take for itself grows with this, and on a busy machine so does the time until all is more.
        spec.limits.pids = 20;
        let cell = support::jails::Cell::of(wall, &spec);
        // Each process stays below its own limit; together they do not.
        let greedy = "import os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    x = bytearray(120 << 20)\n    for at in range(0, len(x), 4096): x[at] = 1\n    time.sleep(1000)\ntime.sleep(1000)";
        let result = cell.python(greedy);
        assert_eq!(result.exit, Exit::Over(aic_sandbox::runtime::Limit::Memory), "{wall:?}");
        cell.works();
    }
}
