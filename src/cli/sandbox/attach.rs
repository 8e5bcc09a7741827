//! `aic sandbox attach`: a terminal, or pipes, between a person and a program in a sandbox.

use super::show::{NO_SANDBOX, Unrun, code_of};
use super::{AttachArgs, command_of, named};
use aic_sandbox::runtime::{Exec, Printed, Program};
use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

/// Stays with a program until it ends.
pub(super) fn attach(args: &AttachArgs) -> Result<u8, Unrun> {
    let named = named(&args.name)?;
    let program = if args.command.is_empty() { Program::Command(vec!["sh".into()]) } else { command_of(&args.command) };
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let size = || crossterm::terminal::size().map(|(columns, rows)| (rows, columns)).unwrap_or((24, 80));
    let mut exec = Exec { program, ..Exec::command([""; 0]) };
    if terminal {
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
        exec.env.insert("TERM".into(), kind);
    }
    let mut link = named.attach(&exec, terminal.then(size))?;
    let _raw = if terminal { Some(Raw::new()?) } else { None };
    let (typed, queue) = std::sync::mpsc::channel::<Option<Vec<u8>>>();
    // It ends with the process: a read of a terminal cannot be called off.
    let reader = std::thread::Builder::new().name("typed".into());
    let reading = reader.spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut bytes) {
            if typed.send(bytes.get(..count).map(<[u8]>::to_vec)).is_err() {
                return;
            }
        }
        drop(typed.send(None));
    });
    reading.map_err(|error| error.to_string())?;
    let mut shown = size();
    loop {
        for bytes in queue.try_iter() {
            match bytes {
                Some(bytes) => link.write(&bytes)?,
                None => link.close()?,
            }
        }
        if terminal && size() != shown {
            shown = size();
            link.resize(shown.0, shown.1)?;
        }
        let print = |bytes: &[u8], to: &mut dyn Write| to.write_all(bytes).and_then(|()| to.flush());
        let printed = match link.next(Duration::from_millis(10))? {
            None => Ok(()),
            Some(Printed::Stdout(bytes)) => print(&bytes, &mut std::io::stdout()),
            Some(Printed::Stderr(bytes)) => print(&bytes, &mut std::io::stderr()),
            Some(Printed::End(exit)) => return Ok(code_of(exit)),
        };
        if printed.is_err() {
            return Ok(NO_SANDBOX);
        }
    }
}

/// A terminal that hands on every key, until this is dropped.
struct Raw;

impl Raw {
    fn new() -> Result<Self, String> {
        crossterm::terminal::enable_raw_mode().map_err(|error| format!("the terminal: {error}"))?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        drop(crossterm::terminal::disable_raw_mode());
    }
}
