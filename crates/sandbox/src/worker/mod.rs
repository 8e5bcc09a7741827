//! The worker process: gets ready, locks itself down, then runs one guest at a time until its stdin closes.
//!
//! The main thread only reads frames, so that it notices at once when its parent goes away, even in the middle of a
//! script; a second thread runs the guest; a third raises the epoch when a deadline passes.

mod cache;
mod fresh;
mod guest;
mod link;
mod lockdown;
mod module;
mod random;
mod ticker;
mod wasi;

use crate::wire::{self, CallHeader, Frame, Kind, Mode, Nonce, Open, ReadError};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;

pub(crate) use lockdown::COMPILING;
pub use lockdown::{Landlock, WorkerReport};
pub(crate) use module::{Kind as ModuleKind, MOST_MODULE};

/// Stack of the thread that runs guests, in bytes: more than [`guest::WASM_STACK`], for the host's own frames.
const GUEST_THREAD_STACK: usize = guest::WASM_STACK + (8 << 20);

/// Runs a worker until its stdin closes: what `aic __worker` does. Call it first thing in `main`, before any thread
/// is started or file opened: it closes every descriptor it inherited but the first three. With the arguments
/// `keeper FOLDER` or `supervisor FOLDER` at their end it keeps a sandbox, or owns a named one, instead, and with
/// `kvm -` it tries KVM.
pub fn worker_main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some((role, folder)) = role(std::env::args_os()) {
        drop(lockdown::close_inherited());
        return role(&folder);
    }
    let mut report = lockdown::at_start();
    let mut input = io::stdin().lock();
    let open = match wire::read_frame(&mut input) {
        Ok(frame) if frame.kind == Kind::Open => frame,
        Ok(_) | Err(ReadError::Garbage(_) | ReadError::Broken(_)) => return ExitCode::from(2),
        Err(ReadError::Closed) => return ExitCode::SUCCESS,
    };
    let runner = match get_ready(&open, &mut report) {
        Ok(Some(runner)) => runner,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            let sent = reply(Kind::Failed, &open.nonce, &[why.as_bytes()]);
            return ExitCode::from(if sent.is_ok() { 3 } else { 4 });
        }
    };
    let (calls, queue) = mpsc::sync_channel::<Frame>(0);
    let thread = std::thread::Builder::new().name("guest".into()).stack_size(GUEST_THREAD_STACK);
    if thread.spawn(move || serve(runner, &queue)).is_err() {
        return ExitCode::from(3);
    }
    let ready = serde_json::to_vec(&report).unwrap_or_default();
    if reply(Kind::Ready, &open.nonce, &[&ready]).is_err() {
        return ExitCode::SUCCESS;
    }
    loop {
        match wire::read_frame(&mut input) {
            Ok(frame) if frame.kind == Kind::Call => {
                if reply(Kind::Taken, &frame.nonce, &[]).is_err() {
                    return ExitCode::SUCCESS;
                }
                if calls.send(frame).is_err() {
                    return ExitCode::from(4);
                }
            }
            Err(ReadError::Closed) => return ExitCode::SUCCESS,
            // Only a parent writes here, and it does not write this.
            Ok(_) | Err(_) => return ExitCode::from(2),
        }
    }
}

/// What else the process is, and the folder it is about, where the arguments ask for that.
#[cfg(target_os = "linux")]
#[expect(clippy::type_complexity, reason = "a function and its argument, used once")]
fn role(
    arguments: impl Iterator<Item = std::ffi::OsString>,
) -> Option<(fn(&std::path::Path) -> ExitCode, std::path::PathBuf)> {
    use crate::jail::{KEEPER, SUPERVISOR, keeper_main, supervisor_main};
    let mut last: Vec<_> = arguments.skip(1).collect();
    let folder = last.pop()?;
    let word = last.pop()?;
    let roles: [(&str, fn(&std::path::Path) -> ExitCode); 3] =
        [(KEEPER, keeper_main), (SUPERVISOR, supervisor_main), (crate::kvm::TRY, |_| crate::kvm::kvm_main())];
    let (_, role) = roles.into_iter().find(|(name, _)| word == *name)?;
    Some((role, folder.into()))
}

/// Loads or compiles the guest and gives up every right that is not needed any more. `None`: nothing more to do.
fn get_ready(frame: &Frame, report: &mut WorkerReport) -> Result<Option<Runner>, String> {
    let open: Open = serde_json::from_slice(&frame.payload).map_err(|error| format!("no valid request: {error}"))?;
    if let Some(wanted) = &open.module {
        return match module::get_ready(wanted, open.mode, open.cache, report)? {
            module::Ready::Runner(runner) => Ok(Some(Runner::Module(runner))),
            module::Ready::Missing => done(Kind::Missing, frame, &[]),
            module::Ready::Prepared(facts) => {
                done(Kind::Prepared, frame, &serde_json::to_vec(&facts).unwrap_or_default())
            }
        };
    }
    let engine = guest::engine().map_err(|error| format!("no engine for WASM: {error:#}"))?;
    let cache = open.cache.map(|path| cache::Cache::new(path, &engine, "quickjs", guest::QUICKJS_IS));
    let loaded = match &cache {
        None => None,
        Some(cache) => cache.load(&engine).map_err(|why| report.notes.push(why)).ok().flatten(),
    };
    report.cached = loaded.is_some();
    let module = match (open.mode, loaded) {
        (Mode::Prepare, Some(_)) => return done(Kind::Prepared, frame, &[]),
        (Mode::Prepare, None) => {
            let cache = cache.ok_or("no folder to prepare the guest in")?;
            cache.store::<wasmtime::Module>(&engine, guest::QUICKJS)?;
            return done(Kind::Prepared, frame, &[]);
        }
        (Mode::Load | Mode::LoadOrCompile, Some(module)) => module,
        (Mode::Load, None) => return done(Kind::Missing, frame, &[]),
        (Mode::LoadOrCompile, None) => guest::compile(&engine).map_err(|error| format!("{error:#}"))?,
    };
    // The first instance makes the image that the later ones share, which needs a descriptor and a file's size.
    let runner = guest::Runner::new(engine, &module).map_err(|error| format!("the guest does not start: {error:#}"))?;
    lockdown::before_guests(report);
    Ok(Some(Runner::Guest(runner)))
}

/// What runs here: scripts in the guest that is built in, or one module of the user's.
enum Runner {
    Guest(guest::Runner),
    Module(module::Runner),
}

impl Runner {
    fn with_ticker(self) -> io::Result<Self> {
        Ok(match self {
            Self::Guest(runner) => Self::Guest(runner.with_ticker()?),
            Self::Module(runner) => Self::Module(runner.with_ticker()?),
        })
    }

    /// The answer, and what is to be dropped after it was sent.
    fn run(&mut self, header: CallHeader, input: &[u8]) -> (guest::Answer, Option<guest::Used>) {
        match self {
            Self::Guest(runner) => {
                let (answer, used) = runner.run(header, input);
                (answer, Some(used))
            }
            Self::Module(runner) => (runner.run(header, input), None),
        }
    }
}

fn done(kind: Kind, frame: &Frame, payload: &[u8]) -> Result<Option<Runner>, String> {
    reply(kind, &frame.nonce, &[payload]).map_err(|error| error.to_string())?;
    Ok(None)
}

/// Ends the process when the guest's thread ends in any way, a panic of ours too: the parent must see a death, not
/// wait for an answer until its deadline.
struct EndOfProcess;

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        std::process::exit(5);
    }
}

fn serve(runner: Runner, queue: &mpsc::Receiver<Frame>) {
    let _end = EndOfProcess;
    let Ok(mut runner) = runner.with_ticker() else { std::process::exit(3) };
    for frame in queue {
        let answered = match CallHeader::split(&frame.payload) {
            None => reply(Kind::Failed, &frame.nonce, &[b"the request is too short"]),
            Some((header, input)) => {
                let (answer, used) = runner.run(header, input);
                // To clear much takes long, and that is its own caller's time; a little is cleared at the end of this
                // block, while the answer is on its way.
                let _small = used.filter(guest::Used::is_small);
                reply(Kind::Answer, &frame.nonce, &[&answer.header().to_bytes(), &answer.printed, &answer.body])
            }
        };
        if answered.is_err() {
            std::process::exit(0);
        }
    }
}

fn reply(kind: Kind, nonce: &Nonce, parts: &[&[u8]]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    wire::write_frame(&mut output, kind, nonce, parts)?;
    output.flush()
}
