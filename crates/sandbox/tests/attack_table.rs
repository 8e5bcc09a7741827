//! The attacks, each with its positive control: the same program outside a sandbox must succeed, or its failure inside
//! proves nothing. What comes of them is the table in `docs/sandbox.md`; `AIC_WRITE_DOCS=1` writes it anew.
#![cfg(target_os = "linux")]

mod support;

use aic_base::{Limits, Timestamp};
use aic_sandbox::runtime::{Access, Exec, ExecResult, Exit, Program, Rootfs, SandboxSpec, Workspace};
use aic_sandbox::{Cancel, Runtime, RuntimeError, RuntimeKind, Wasm};
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

/// In JavaScript most attacks have nothing to begin with. This finds out rather than assumes it: the names under which
/// engines offer the outside, and modules.
const REACH: &str = "const names = ['require', 'process', 'std', 'os', 'Deno', 'Bun', 'fetch', 'WebSocket', 'XMLHttpRequest', \
     'Worker', 'open', 'read', 'scriptArgs', 'load', 'loadScript']; \
     const found = names.filter(name => typeof globalThis[name] !== 'undefined'); \
     for (const module of ['fs', 'std', 'os', 'net', 'file:///etc/passwd', '/etc/passwd']) \
       { try { await import(module); found.push(module) } catch {} } \
     if (found.length) return found; throw new Error('nothing to reach with')";

const fn denied(name: &'static str, access: Access, program: &'static str) -> Attack {
    Attack { name, wanted: Wanted::Denied, access, program, script: REACH }
}

const fn held(name: &'static str, program: &'static str, script: &'static str) -> Attack {
    Attack { name, wanted: Wanted::Held, access: Access::None, program, script }
}

const ATTACKS: &[Attack] = &[
    denied("read a host file", Access::ReadWrite, "print('GOT', open(CASE + '/secret').read())"),
    denied("`..`", Access::ReadWrite, "print('GOT', open('../secret').read())"),
    denied("absolute symlink planted by the host", Access::ReadWrite, "print('GOT', open('planted').read())"),
    denied(
        "relative symlink made by the guest",
        Access::ReadWrite,
        "os.symlink('../secret', 'made'); print('GOT', open('made').read())",
    ),
    denied("write to a read-only mount", Access::ReadOnly, "open('file', 'w').write('changed'); print('GOT')"),
    denied("hard link out", Access::ReadWrite, "os.link(CASE + '/secret', 'hard'); print('GOT')"),
    Attack { wanted: Wanted::Held, ..denied("FIFO in the workspace", Access::ReadWrite, "open('fifo').read()") },
    denied(
        "device node",
        Access::ReadWrite,
        "os.mknod('device', 0o20666, os.makedev(1, 5)); print('GOT', len(open('device', 'rb').read(10)))",
    ),
    denied(
        "device node planted by the host",
        Access::ReadWrite,
        "os.open('kernel-log', os.O_RDONLY | os.O_NONBLOCK); print('GOT')",
    ),
    denied(
        "set-user-ID file left behind",
        Access::ReadWrite,
        "open('tool', 'w').close(); os.chmod('tool', 0o4755); print('GOT')",
    ),
    denied(
        "set-user-ID file by open",
        Access::ReadWrite,
        "os.umask(0); os.close(os.open('tool2', os.O_CREAT | os.O_WRONLY, 0o4755)); print('GOT' if os.stat('tool2').st_mode & 0o4000 else 'NO')",
    ),
    held("endless loop", "while True: pass", "for (;;) {}"),
    held("sleep in a host call", "time.sleep(10000)", "await new Promise(() => {}); return 1"),
    denied("memory bomb", Access::None, "x = [bytearray(b'x' * (64 << 20)) for _ in range(24)]; print('GOT', len(x))"),
    denied(
        "fork bomb",
        Access::None,
        "n = 0\nfor _ in range(150):\n  if os.fork() == 0: time.sleep(1000)\n  n += 1\nprint('GOT', n)",
    ),
    held("fork bomb without end", "while True:\n  try: os.fork()\n  except OSError: pass", "for (;;) {}"),
    held(
        "deep recursion",
        "sys.setrecursionlimit(10**9)\ndef f(): return f() + 1\nf()",
        "const f = () => f() + 1; return f()",
    ),
    denied("file-descriptor bomb", Access::None, "x = [open('/dev/null') for _ in range(300)]; print('GOT', len(x))"),
    denied(
        "disk filling",
        Access::None,
        "for n in range(20): open('/tmp/aic-big%d' % n, 'wb').write(b'x' * 10_000_000)\nprint('GOT')",
    ),
    denied(
        "zip bomb",
        Access::None,
        "import zlib\nbomb = zlib.compress(b'\\0' * 20_000_000, 9)\nfor n in range(10): open('/tmp/aic-big%d' % n, 'wb').write(zlib.decompress(bomb))\nprint('GOT')",
    ),
    denied(
        "one huge file",
        Access::None,
        "with open('/tmp/aic-big0', 'wb') as f:\n  for n in range(60): f.write(b'x' * 1_000_000)\nprint('GOT')",
    ),
    denied(
        "TCP connect",
        Access::None,
        "import socket; socket.create_connection(('127.0.0.1', PORT), 5); print('GOT')",
    ),
    denied(
        "DNS",
        Access::None,
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b'query', ('127.0.0.1', DNS)); print('GOT', s.recv(9))",
    ),
    denied("environment secret", Access::None, "print('GOT', os.environ['CARGO_MANIFEST_DIR'])"),
    denied(
        "environment of other processes",
        Access::None,
        "found = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid() and readable(f'/proc/{p}/environ', b'CARGO_MANIFEST_DIR')]; print('GOT' if found else 'NO')",
    ),
    denied(
        "/proc snooping",
        Access::None,
        "found = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid() and readable(f'/proc/{p}/cmdline', b'attack_table')]; print('GOT' if found else 'NO')",
    ),
    denied(
        "inherited descriptors",
        Access::None,
        "found = [n for n in range(3, 256) if target(n) == CASE + '/secret']; print('GOT' if found else 'NO')",
    ),
    denied(
        "host's Unix socket in the workspace",
        Access::ReadWrite,
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('socket'); print('GOT')",
    ),
    denied(
        "a new namespace",
        Access::None,
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\nif c.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'unshare')\nprint('GOT')",
    ),
];

/// Which limit comes first depends on the machine's speed and on whether it has control groups. That one comes is
/// what counts, and that the sandbox, or its next life, goes on.
const FICKLE: [&str; 4] = ["memory bomb", "fork bomb", "fork bomb without end", "deep recursion"];

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
    let ends = attack.wanted == Wanted::Denied || (attack.name == "FIFO in the workspace" && wall != Some(Process));
    let timeout = Duration::from_secs(if ends { 120 } else { 5 });
    Limits { timeout, memory: 256 << 20, ..Limits::default() }
}

/// What a column says where its wall does not stand.
const NOT_HERE: &str = "not on this machine";

fn attack_if_here(wall: Wall, attack: &Attack) -> Result<String, String> {
    if is_here(wall) { attack_in(wall, attack) } else { Ok(NOT_HERE.into()) }
}

/// One attack in one sandbox, and a harmless program after it. What came of it, in a few words.
fn attack_in(wall: Wall, attack: &Attack) -> Result<String, String> {
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
    fn attack(&mut self, attack: &Attack) -> Result<String, String> {
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

fn judge(attack: &Attack, ran: Result<ExecResult, RuntimeError>) -> Result<String, String> {
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

fn attack_wasm(attack: &Attack) -> Result<String, String> {
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

#[test]
#[ignore = "needs runsc, bwrap, qemu-system-x86_64 and a guest image"]
fn every_attack_succeeds_outside_and_fails_inside() {
    let root = rustix::process::geteuid().is_root();
    // Only root can plant a device node. CI is root.
    let attacks: Vec<&Attack> =
        ATTACKS.iter().filter(|attack| root || attack.name != "device node planted by the host").collect();
    // Most of the time somebody waits for a deadline, so the columns are made side by side.
    let columns: [Vec<Result<String, String>>; 6] = std::thread::scope(|scope| {
        let each = |outcome: fn(&Attack) -> Result<String, String>| {
            let attacks = &attacks;
            scope.spawn(move || attacks.iter().map(|attack| outcome(attack)).collect())
        };
        let emulated = scope.spawn(|| {
            if !is_here(Emulated) {
                return attacks.iter().map(|_| Ok(NOT_HERE.to_owned())).collect();
            }
            let mut machines = Machines { rootfs: support::jails::python_rootfs(), running: Vec::new() };
            let outcomes = attacks.iter().map(|attack| machines.attack(attack)).collect();
            machines.end();
            outcomes
        });
        let columns = [
            each(
                |attack| if control(attack) { Ok(String::new()) } else { Err("the control: nothing is proved".into()) },
            ),
            each(|attack| attack_wasm(&script_of(attack))),
            each(|attack| attack_if_here(Gvisor, attack)),
            each(|attack| attack_if_here(Rootless, attack)),
            each(|attack| attack_if_here(Process, attack)),
            emulated,
        ];
        columns.map(|column| column.join().unwrap())
    });
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (index, attack) in attacks.iter().enumerate() {
        let mut row = vec![attack.name.to_owned()];
        for (column, name) in columns.iter().zip(["outside", "wasm", "Gvisor", "Rootless", "Process", "Emulated"]) {
            match &column[index] {
                Ok(outcome) if name != "outside" => row.push(outcome.clone()),
                Ok(_) => {}
                Err(why) => wrong.push(format!("{}: {name}: {why}", attack.name)),
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
fn a_gigabyte_of_output_is_cut_and_the_program_ends() {
    for wall in here(&[Gvisor, Process]) {
        let cell = support::jails::Cell::new(wall);
        let result = cell.sh("head -c 1000000000 /dev/zero; echo end >&2");
        assert_eq!((result.exit, result.stdout.len(), result.truncated), (Exit::Code(0), 1_000_000, true), "{wall:?}");
        cell.works();
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_forged_answer_on_stdout_is_only_text() {
    for wall in here(&[Gvisor, Rootless, Process]) {
        let cell = support::jails::Cell::new(wall);
        // A frame that says: execution 1 ended with code 0. And every way to the agent's own pipe.
        let forge = "import os, sys, glob\n\
                     frame = b'aicA' + bytes([68]) + b'A' * 16 + (1).to_bytes(4, 'little') + (6).to_bytes(4, 'little') + bytes([1, 0, 0, 0, 0, 0])\n\
                     os.write(1, frame)\n\
                     for n in range(10):\n\
                     \x20 try:\n    os.write(os.open('/proc/1/fd/%d' % n, os.O_WRONLY), frame); print('GOT', n)\n\
                     \x20 except OSError: pass\n\
                     \x20 try:\n    os.kill(1, 9); os.kill(1, 15)\n\
                     \x20 except OSError: pass\n\
                     sys.exit(7)";
        let result = cell.python(forge);
        assert_eq!(result.exit, Exit::Code(7), "{wall:?}");
        assert!(result.stdout.starts_with(b"aicA") && !text(&result).contains("GOT"), "{wall:?}: {}", text(&result));
        cell.works();
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

#[test]
#[ignore = "needs runsc"]
fn two_sandboxes_do_not_have_the_same_random_numbers() {
    if !is_here(Gvisor) {
        return;
    }
    let numbers = |_| support::jails::Cell::new(Gvisor).says("head -c 16 /dev/urandom | od -An -tx1");
    let [first, second] = [0, 1].map(numbers);
    assert!(first.len() > 30 && first != second, "{first} {second}");
}
