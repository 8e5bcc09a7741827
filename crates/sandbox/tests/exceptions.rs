//! Exceptions of WebAssembly in modules of the user's: they work, are collected, and count as the module's memory. The
//! modules are written here in their binary form, because compilers for C that are packaged do not write it yet.
#![cfg(target_os = "linux")]

mod support;

use aic_base::{Limits, Timestamp};
use aic_sandbox::guests::ModuleFile;
use aic_sandbox::runtime::{Exec, ExecResult, Exit, Limit, Program, SandboxSpec};
use aic_sandbox::{Cancel, Runtime, RuntimeError, RuntimeKind, Wasm};
use std::sync::Arc;
use std::time::Duration;

const EXNREF: u8 = 0x69;
const I32: u8 = 0x7f;
const THROW: [u8; 2] = [0x08, 0];

fn number(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A program of one function, with one tag of a given payload. Its type 2 is a block that leaves two exceptions.
fn module(payload: &[u8], locals: &[u8], body: &[u8]) -> Vec<u8> {
    let list = |items: &[Vec<u8>]| [number(items.len() as u32), items.concat()].concat();
    let sized = |bytes: &[u8]| [number(bytes.len() as u32), bytes.to_vec()].concat();
    let types = list(&[
        vec![0x60, 0, 0],
        [&[0x60, payload.len() as u8], payload, &[0]].concat(),
        vec![0x60, 0, 2, EXNREF, EXNREF],
    ]);
    let locals: Vec<_> = locals.iter().map(|kind| vec![1, *kind]).collect();
    let code = sized(&[list(&locals), body.to_vec(), vec![0x0b]].concat());
    let sections = [
        (1, types),
        (3, vec![1, 0]),
        (13, vec![1, 0, 1]),
        (7, [&[1, 6][..], b"_start", &[0, 0]].concat()),
        (10, list(&[code])),
    ];
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (id, section) in sections {
        bytes.push(id);
        bytes.extend(sized(&section));
    }
    bytes
}

/// Throws and catches so often.
fn catches(times: u32) -> Vec<u8> {
    let caught = [&[0x02, 0x40, 0x1f, 0x40, 1, 0x00, 0, 0][..], &THROW, &[0x0b, 0x0b]].concat();
    let count = [&[0x20, 0, 0x41, 1, 0x6a, 0x22, 0, 0x41][..], &signed(times), &[0x49, 0x0d, 0]].concat();
    module(&[], &[I32], &[&[0x03, 0x40][..], &caught, &count, &[0x0b]].concat())
}

/// The same for a constant, in which the highest bit of the last byte is the sign.
fn signed(value: u32) -> Vec<u8> {
    let mut bytes = number(value);
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}

/// Each exception holds the one before it, so that none can be collected.
fn keeps_all() -> Vec<u8> {
    let body = [&[0x03, 0x40, 0x02, 2, 0x1f, 0x40, 1, 0x01, 0, 0, 0x20, 0][..], &THROW].concat();
    module(&[EXNREF], &[EXNREF], &[&body[..], &[0x0b, 0x00, 0x0b, 0x21, 0, 0x1a, 0x0c, 0, 0x0b]].concat())
}

fn run(wasm: &[u8], memory: u64, timeout: Duration) -> Result<ExecResult, RuntimeError> {
    let file = tempfile::NamedTempFile::with_suffix(".wasm").unwrap();
    std::fs::write(file.path(), wasm).unwrap();
    let program = Program::Module {
        module: ModuleFile::open(file.path()).unwrap(),
        args: vec!["exceptions".into()],
        script: None,
        now: Timestamp::default(),
        seed: 0,
    };
    let limits = Limits { timeout, memory, ..Limits::default() };
    let spec = SandboxSpec { limits, ..SandboxSpec::new(RuntimeKind::Wasm, "test") };
    let runtime = Wasm::new(Arc::new(support::host()));
    let id = runtime.create(&spec)?;
    runtime.start(&id)?;
    runtime.exec(&id, &Exec { program, timeout, ..Exec::command([""; 0]) }, &Cancel::new())
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn exceptions_that_were_caught_are_collected() {
    // More than 16 bytes each, so three times the memory there is.
    let result = run(&catches(200_000), 1 << 20, LONG).unwrap();
    assert_eq!(result.exit, Exit::Code(0));
}

#[test]
fn exceptions_that_are_kept_count_as_memory() {
    for memory in [1 << 20, 64 << 20] {
        assert_eq!(run(&keeps_all(), memory, LONG).unwrap().exit, Exit::Over(Limit::Memory), "{memory}");
    }
}

#[test]
fn throwing_for_ever_ends_at_the_deadline() {
    let result = run(&catches(i32::MAX as u32), 1 << 20, Duration::from_millis(300)).unwrap();
    assert_eq!(result.exit, Exit::Over(Limit::Timeout));
}

#[test]
fn an_exception_that_nobody_catches_is_an_error() {
    let error = run(&module(&[], &[], &THROW), 1 << 20, LONG).unwrap_err();
    assert!(error.to_string().contains("exception"), "{error}");
}
