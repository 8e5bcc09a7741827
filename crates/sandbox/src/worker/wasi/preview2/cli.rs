//! What a program has from the beginning: its words, its environment, its standard streams, and its end. It never has a
//! terminal.

use super::types::{Input, Output, TerminalInput, TerminalOutput};
use super::{Holds, Offered, functions};
use crate::worker::link::Exit;
use wasmtime::component::Resource;
use wasmtime::{Error, Result, StoreContextMut};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn environment<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered:
        "get-environment" => |wasi| {
            let pair = |one: &Vec<u8>| {
                let (name, value) = one.split_at(one.iter().position(|byte| *byte == b'=').unwrap_or(one.len()));
                (text(name), text(value.get(1..).unwrap_or_default()))
            };
            wasi.env.iter().map(pair).collect::<Vec<_>>()
        };
        "get-arguments" => |wasi| wasi.args.iter().map(|one| text(one)).collect::<Vec<_>>();
        // Libraries take paths from there where it is not said; the workspace is open under that name too.
        "initial-cwd" => |_| None::<String>;
    }
    Ok(())
}

pub(super) fn exit<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.names.extend(["exit", "exit-with-code"]);
    offered.instance.func_wrap("exit", |_: StoreContextMut<'_, T>, (status,): (Result<(), ()>,)| -> Result<()> {
        Err(Error::new(Exit(i32::from(status.is_err()))))
    })?;
    offered.instance.func_wrap("exit-with-code", |_: StoreContextMut<'_, T>, (code,): (u8,)| -> Result<()> {
        Err(Error::new(Exit(i32::from(code))))
    })
}

pub(super) fn stdin<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "get-stdin" => |wasi| wasi.handles.push(Input::Standard)?; }
    Ok(())
}

pub(super) fn stdout<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "get-stdout" => |wasi| wasi.handles.push(Output::Printer { error: false })?; }
    Ok(())
}

pub(super) fn stderr<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "get-stderr" => |wasi| wasi.handles.push(Output::Printer { error: true })?; }
    Ok(())
}

pub(super) fn terminal_stdin<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "get-terminal-stdin" => |_| None::<Resource<TerminalInput>>; }
    Ok(())
}

pub(super) fn terminal_output<T: Holds>(offered: &mut Offered<'_, T>, name: &'static str) -> Result<()> {
    functions! { offered: name => |_| None::<Resource<TerminalOutput>>; }
    Ok(())
}
