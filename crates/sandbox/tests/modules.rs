//! WebAssembly of the user's: programs in C, compiled here to modules of WASI preview 1 and to components of preview 2,
//! that try what a program tries.
#![cfg(target_os = "linux")]

#[path = "modules/make.rs"]
mod make;
mod support;

use aic_base::{Limits, Timestamp};
use aic_sandbox::guests::{Guests, ModuleFile};
use aic_sandbox::runtime::{Access, Exec, ExecResult, Exit, Limit, Program, SandboxSpec, Workspace};
use aic_sandbox::{Cancel, Runtime, RuntimeError, RuntimeKind, Wasm};
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::jails::text;

/// The program that tries things, as a module and as a component.
fn probes() -> [PathBuf; 2] {
    [make::module("probe", false), make::component("probe")]
}

fn spec(access: Access, folder: &Path) -> SandboxSpec {
    let limits = Limits { timeout: Duration::from_secs(120), memory: 64 << 20, ..Limits::default() };
    let workspace = Workspace { access, path: folder.into() };
    SandboxSpec { limits, workspace, ..SandboxSpec::new(RuntimeKind::Wasm, "test") }
}

fn exec(file: &Path, args: &[&str]) -> Exec {
    let program = Program::Module {
        module: ModuleFile::open(file).unwrap(),
        args: ["probe"].iter().chain(args).map(ToString::to_string).collect(),
        script: None,
        now: "2025-06-01T12:00:00Z".parse::<Timestamp>().unwrap(),
        seed: 7,
    };
    Exec { program, ..Exec::command([""; 0]) }
}

fn run(spec: &SandboxSpec, exec: &Exec) -> Result<ExecResult, RuntimeError> {
    let wasm = Wasm::new(Arc::new(support::host()));
    let id = wasm.create(spec)?;
    wasm.start(&id)?;
    wasm.exec(&id, exec, &Cancel::new())
}

fn probe(file: &Path, args: &[&str]) -> ExecResult {
    run(&spec(Access::None, Path::new("")), &exec(file, args)).unwrap()
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_program_gets_its_arguments_its_input_and_its_environment_and_gives_back_its_end() {
    // Of its end preview 2 says only whether it was good.
    for (file, end) in probes().iter().zip([3, 1]) {
        let mut exec = exec(file, &["hello", "env", "cat", "complain", "exit", "3"]);
        exec.env = BTreeMap::from([("A".into(), "b=c".into()), ("B".into(), String::new())]);
        exec.stdin = b"typed\n".to_vec();
        let result = run(&spec(Access::None, Path::new("")), &exec).unwrap();
        assert_eq!(String::from_utf8_lossy(&result.stdout), "hello, probe\nA=b=c\nB=\ntyped\n");
        assert_eq!((result.exit, &result.stderr[..], result.truncated), (Exit::Code(end), &b"complaint\n"[..], false));
        assert_eq!(probe(file, &["hello", "exit", "0"]).exit, Exit::Code(0));
        assert_eq!(probe(file, &["hello"]).exit, Exit::Code(0));
    }
    for file in probes() {
        assert_eq!(text(&probe(&file, &["script"])), "Capabilities insufficient");
    }
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_function_takes_text_and_returns_json() {
    for file in [make::module("upper", true), make::function("answer")] {
        let mut exec = exec(&file, &[]);
        exec.stdin = b"three little words".to_vec();
        let result = run(&spec(Access::None, Path::new("")), &exec).unwrap();
        assert_eq!((result.exit, result.value), (Exit::Code(0), Some(json!({"words": 3}))));
    }
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_function_says_why_it_has_no_answer_and_what_it_called_that_is_not_there() {
    let refused = |request: &[u8]| {
        let exec = Exec { stdin: request.to_vec(), ..exec(&make::function("answer"), &[]) };
        run(&spec(Access::None, Path::new("")), &exec).unwrap_err().to_string()
    };
    assert!(refused(b"  ").ends_with("it was stopped: it says: no words"), "{}", refused(b"  "));
    let error = refused(b"away");
    assert!(error.contains("it calls `local:answers/away#call`, which is not there"), "{error}");
    assert!(refused(b"\xff").contains("no UTF-8"));
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn time_and_chance_are_inputs_and_a_sleep_takes_none() {
    for file in probes() {
        let words = ["time", "random", "sleep", "wait"];
        let said = text(&probe(&file, &words));
        assert!(said.starts_with("1748779200\n") && said.ends_with("slept\nwaited"), "{said}");
        assert_eq!(text(&probe(&file, &words)), said);
    }
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn limits_end_a_program_or_are_told_to_it() {
    for file in probes() {
        let mut spec = spec(Access::None, Path::new(""));
        let mut loops = exec(&file, &["loop"]);
        loops.timeout = Duration::from_millis(300);
        assert_eq!(run(&spec, &loops).unwrap().exit, Exit::Over(Limit::Timeout));
        let bomb = run(&spec, &exec(&file, &["bomb"])).unwrap();
        assert_eq!((bomb.exit, text(&bomb).as_str()), (Exit::Code(0), "no memory"));
        spec.limits.memory = 64 << 10;
        assert_eq!(run(&spec, &exec(&file, &["hello"])).unwrap().exit, Exit::Over(Limit::Memory));
        spec.limits.memory = 64 << 20;
        for stopped in ["recurse", "abort"] {
            let error = run(&spec, &exec(&file, &[stopped])).unwrap_err();
            assert!(error.to_string().contains("it was stopped"), "{error}");
        }
        let flood = run(&spec, &exec(&file, &["flood"])).unwrap();
        assert_eq!((flood.exit, flood.truncated, flood.stdout.len()), (Exit::Code(0), true, 1_000_000));
    }
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_folder_is_written_where_it_may_be_and_read_where_it_may_be_read() {
    // As components, programs of preview 1 also see a folder's `.` and `..`; and preview 2 has no word for too many open
    // files.
    let told = [("1 entries", "No file descriptors available"), ("3 entries", "Quota exceeded")];
    for (file, (listed, full)) in probes().iter().zip(told) {
        writes_and_reads(file, listed, full);
    }
}

/// `listed` is what a program says of a folder with one entry, `full` how it hears that no more files may be open.
fn writes_and_reads(file: &Path, listed: &str, full: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = exec(file, &["write", "list"]);
    let said = text(&run(&spec(Access::ReadWrite, folder.path()), &write).unwrap());
    assert_eq!(
        said,
        "from inside, and more\nmkdir: done\nrename: done\nstat: done\n21 bytes\nrmdir: Directory not empty\nunlink: done\n".to_owned() + listed
    );
    let moved = folder.path().join("folder/moved");
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "from inside, and more");
    let mut many = spec(Access::ReadWrite, folder.path());
    (many.limits.file_size, many.limits.disk, many.limits.files) = (1_000_000, 3_000_000, 50);
    assert_eq!(text(&run(&many, &exec(file, &["big"])).unwrap()), "976 kB: File too large");
    let said = text(&run(&many, &exec(file, &["files"])).unwrap());
    assert!(said.ends_with(&format!("files: {full}")), "{said}");
    (many.limits.file_size, many.limits.disk) = (10_000_000, 2_000_000);
    assert!(text(&run(&many, &exec(file, &["big"])).unwrap()).ends_with("No space left on device"));
    assert!(matches!(run(&spec(Access::Copy, folder.path()), &write), Err(RuntimeError::Unsupported { .. })));
    let kept = std::fs::read_to_string(&moved).unwrap();
    let refused = run(&spec(Access::ReadOnly, folder.path()), &write).unwrap();
    assert_ne!(refused.exit, Exit::Code(0));
    assert_eq!(text(&refused), "/workspace/made: Read-only file system");
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), kept);
    let seen = run(&spec(Access::ReadOnly, folder.path()), &exec(file, &["list"])).unwrap();
    assert!(text(&seen).ends_with("entries"));
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn nothing_outside_the_folder_is_reached_by_any_way() {
    let outside = tempfile::tempdir().unwrap();
    let (secret, folder) = (outside.path().join("secret"), outside.path().join("workspace"));
    std::fs::write(&secret, "secret").unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "file").unwrap();
    symlink(&secret, folder.join("planted")).unwrap();
    symlink("..", folder.join("planted-folder")).unwrap();
    let make = |arguments: &[&str]| {
        assert!(Command::new(arguments[0]).args(&arguments[1..]).current_dir(&folder).status().unwrap().success());
    };
    make(&["mkfifo", "fifo"]);
    if rustix::process::geteuid().is_root() {
        make(&["mknod", "-m", "666", "device", "c", "1", "5"]);
    }
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    // The controls: outside, the links lead where they say.
    assert_eq!(std::fs::read(folder.join("planted")).unwrap(), b"secret");
    assert_eq!(std::fs::read(folder.join("planted-folder/secret")).unwrap(), b"secret");
    let both = probes();
    for (access, file) in
        [Access::ReadOnly, Access::ReadWrite].into_iter().flat_map(|access| both.iter().map(move |file| (access, file)))
    {
        let said = text(&run(&spec(access, &folder), &exec(file, &["attack"])).unwrap());
        let (own, rest) = said.split_once('\n').unwrap();
        assert_eq!(own, "/workspace/file: OPENED");
        assert!(!rest.contains("OPENED") && !rest.contains("MADE") && rest.lines().count() == 17, "{access:?}: {said}");
        assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
        assert_eq!(std::fs::read(folder.join("file")).unwrap(), b"file");
        assert!(!outside.path().join("new").exists() && !outside.path().join("moved").exists());
    }
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_folder_that_is_swapped_for_a_link_again_and_again_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("workspace");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (stop, place) = (Arc::clone(&over), folder.join("planted-folder"));
    let swapper = std::thread::spawn(move || {
        let mut rounds = 0;
        while !stop.load(std::sync::atomic::Ordering::SeqCst) || rounds < 10_000 {
            drop(std::fs::create_dir(&place));
            drop(std::fs::remove_dir(&place));
            drop(symlink("..", &place));
            drop(std::fs::remove_file(&place));
            rounds += 1;
        }
    });
    let words = vec!["attack"; 200];
    let said =
        probes().map(|file| text(&run(&spec(Access::ReadWrite, &folder), &exec(&file, &words)).unwrap())).concat();
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    swapper.join().unwrap();
    assert!(!said.contains("/secret: OPENED") && !outside.path().join("moved").exists(), "{said}");
    assert!(!outside.path().join("new").exists());
}

/// A component in which each component makes two of the next, so many times: some 40 bytes for each doubling.
fn bomb(doublings: u32) -> Vec<u8> {
    let section = |id: u8, bytes: &[u8]| {
        let mut length = bytes.len();
        let mut section = vec![id];
        while length > 0x7f {
            section.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        section.push(length as u8);
        [section, bytes.to_vec()].concat()
    };
    const BEGIN: &[u8] = b"\0asm\x0d\0\x01\0";
    let module = section(1, b"\0asm\x01\0\0\0");
    let mut component = [BEGIN, &module, &section(2, &[1, 0, 0, 0])].concat();
    for _ in 0..doublings {
        component = [BEGIN, &section(4, &component), &section(5, &[2, 0, 0, 0, 0, 0, 0])].concat();
    }
    component
}

#[test]
fn a_component_that_is_little_to_read_and_much_to_compile_ends_at_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bomb.wasm");
    let error = |wasm: &Wasm| {
        let id = wasm.create(&spec(Access::None, Path::new(""))).unwrap();
        wasm.start(&id).unwrap();
        wasm.exec(&id, &exec(&file, &[]), &Cancel::new()).unwrap_err().to_string()
    };
    std::fs::write(&file, bomb(3)).unwrap();
    let control = error(&Wasm::new(Arc::new(support::host())));
    assert!(control.contains("it exports neither"), "{control}");
    std::fs::write(&file, bomb(12)).unwrap();
    let many = error(&Wasm::new(Arc::new(support::host())));
    assert!(many.contains("instance count too high"), "{many}");
    // A smaller limit than the worker's own, so that it is met sooner.
    std::fs::write(&file, bomb(40)).unwrap();
    let worker = support::command().program;
    let args = vec!["-c".into(), "ulimit -v 700000; exec \"$0\"".into(), worker.into_os_string()];
    let host = aic_sandbox::ScriptHost::new(aic_sandbox::WorkerCommand { program: "sh".into(), args }, None);
    let huge = error(&Wasm::new(Arc::new(host)));
    assert!(huge.contains("it cannot be compiled") || huge.contains("out of memory"), "{huge}");
}

#[test]
#[ignore = "needs clang and wasi-libc"]
fn a_guest_is_added_found_and_removed() {
    for file in probes() {
        added_found_and_removed(&file);
    }
}

fn added_found_and_removed(file: &Path) {
    let (folder, host) = (tempfile::tempdir().unwrap(), support::host());
    let guests = Guests::at(folder.path().join("guests"));
    let add = |file: &Path, language: &str| {
        let call = vec!["script".into(), "{script}".into()];
        guests.add(&host, file, language, Some("probe"), call, &Cancel::new())
    };
    let guest = add(file, ".txt").unwrap();
    assert_eq!((guest.language.as_str(), guest.name.as_str(), guest.missing.len()), ("txt", "probe", 0));
    add(file, "lua").unwrap();
    assert_eq!(guests.list().unwrap().len(), 2);
    let (found, kept) = guests.find("txt").unwrap().unwrap();
    assert_eq!((&found, guests.find("py").unwrap().is_none()), (&guest, true));
    let mut exec = exec(file, &[]);
    if let Program::Module { module, args, script, .. } = &mut exec.program {
        (*module, *script) = (kept.clone(), Some(("tool.txt".into(), "text of the script".into())));
        args.push("script".into());
    }
    assert_eq!(text(&run(&spec(Access::None, Path::new("")), &exec).unwrap()), "text of the script");
    for (bad, why) in [
        (&b"\0asm\x0d\0\x01\0"[..], "neither `wasi:cli/run`"),
        (b"#!/bin/sh", "no WebAssembly"),
        (b"\0asm\x01\0\0\0\xff", ""),
    ] {
        let path = folder.path().join("bad.wasm");
        std::fs::write(&path, bad).unwrap();
        let error = add(&path, "py").unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(add(&make::module("upper", true), "py").unwrap_err().to_string().contains("_start"));
    assert!(add(&make::function("answer"), "py").unwrap_err().to_string().contains("wasi:cli/run"));
    assert!(add(file, "../x").unwrap_err().to_string().contains("no language"));
    assert_eq!(guests.remove("lua").unwrap().len(), 1);
    assert!(kept.path().exists());
    // A file that was changed is not run.
    std::fs::write(kept.path(), std::fs::read(make::module("upper", true)).unwrap()).unwrap();
    let error = run(&spec(Access::None, Path::new("")), &exec).unwrap_err();
    assert!(error.to_string().contains("not the module it was"), "{error}");
    guests.remove("txt").unwrap();
    assert!(!kept.path().exists() && guests.remove("txt").is_err());
}
