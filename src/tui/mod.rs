//! The full-screen workbench: every pane live, nothing drawn while nothing changes.
//!
//! A key or a result is a message ([`message`]); [`update`] is the one pure function that takes messages into the state
//! and asks for effects; [`effects`] carries these out and answers with messages; [`views`] draws the state. Keys,
//! palette, help and footer come from one table ([`commands`]). The terminal is taken and given back in [`terminal`].

mod answer;
mod clipboard;
mod commands;
mod config;
mod editor;
pub(crate) mod effects;
mod frames;
mod ide;
mod keymap;
mod layout;
mod markdown;
mod memory;
pub(crate) mod message;
mod palette;
mod pump;
#[cfg(test)]
mod samples;
mod state;
mod terminal;
mod theme;
mod update;
mod views;

use crate::output::Out;
use config::Config;
use effects::Effects;
use frames::Limiter;
use message::Effect;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use serde_json::{Map, Value};
use state::State;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Instant;
use terminal::{FrameWriter, Guard};
use theme::Depth;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that wait to be taken in. More of them than a person types in a burst; results of tests may be dropped
/// beyond it, as the whole of them comes at the end of the run.
const QUEUE: usize = 1024;
/// The program could not run.
const COULD_NOT_RUN: u8 = 2;

/// Whether there is somebody to work with: keys come from a terminal, and a screen is there.
pub(crate) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// What the workbench is opened with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The folder below which specs are looked for.
    pub path: PathBuf,
    /// `${ENV}`, and the environment of the specs.
    pub environment: Option<String>,
    /// Variables of the caller.
    pub vars: Map<String, Value>,
}

/// Opens the workbench on the specs below a folder. Returns the exit code.
pub(crate) async fn run(settings: Settings, cancel: CancellationToken) -> u8 {
    match work(settings, cancel.child_token()).await {
        Ok(code) => code,
        Err(error) => {
            Out::stderr().line(format_args!("error: the terminal cannot be used: {error}"));
            COULD_NOT_RUN
        }
    }
}

async fn work(settings: Settings, cancel: CancellationToken) -> io::Result<u8> {
    let depth = Depth::of(|name| std::env::var(name).ok());
    let config = Config::read(config::folder().as_deref());
    let (messages, mut inbox) = mpsc::channel(QUEUE);
    let mut resumed = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
    pump::signals(messages.clone(), cancel.clone())?;
    let mut screen = Screen::new(config.mouse)?;
    let mut state = State::new(crossterm::terminal::size()?, config, depth);
    // The first frame comes before anything is looked for.
    let mut limiter = Limiter::default();
    limiter.want();
    limiter.take(Instant::now());
    screen.draw(&state)?;
    panic_on_request();
    pump::keys(messages.clone())?;
    let effects = Effects::new(settings, messages, cancel.clone());
    effects.start(Effect::Open);
    let mut stopped = false;
    while state.quit.is_none() {
        let now = Instant::now();
        let due = limiter.due(now).filter(|_| !stopped);
        let msg = tokio::select! {
            biased;
            _ = resumed.recv() => {
                screen.take_again()?;
                stopped = false;
                limiter.want();
                continue;
            }
            msg = inbox.recv() => msg,
            () = until(due) => None,
        };
        // Whatever waits is taken in before anything is drawn.
        let mut next = msg;
        while let Some(msg) = next {
            for effect in update::update(&mut state, msg) {
                match effect {
                    Effect::Suspend => stopped = screen.stop(),
                    Effect::Clipboard(text) => terminal::write(&clipboard::request(&text))?,
                    effect => effects.start(effect),
                }
            }
            limiter.want();
            next = inbox.try_recv().ok();
        }
        if !stopped {
            screen.guard.mouse(state.config.mouse)?;
        }
        if !stopped && state.quit.is_none() && limiter.take(Instant::now()) {
            screen.draw(&state)?;
        }
    }
    cancel.cancel();
    let kept = effects.remember(&state);
    drop(screen);
    if let Err(error) = kept {
        Out::stderr().line(format_args!("warning: what was selected is not remembered: {error}"));
    }
    Ok(state.quit.unwrap_or_default())
}

/// A test cannot make the program panic from outside, and has to see that the terminal is given back all the same. Not
/// in release builds.
fn panic_on_request() {
    if cfg!(debug_assertions) && std::env::var_os("AIC_TUI_PANIC").is_some() {
        panic!("as asked for by AIC_TUI_PANIC");
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// The terminal and what was drawn on it last.
struct Screen {
    frame: FrameWriter,
    terminal: Terminal<CrosstermBackend<FrameWriter>>,
    // Last, so that it goes last: the terminal is given back when everything else is done with it.
    guard: Guard,
}

impl Screen {
    fn new(mouse: bool) -> io::Result<Self> {
        let guard = Guard::new(mouse)?;
        let frame = FrameWriter::default();
        let terminal = Terminal::new(CrosstermBackend::new(frame.clone()))?;
        Ok(Self { frame, terminal, guard })
    }

    fn draw(&mut self, state: &State) -> io::Result<()> {
        self.terminal.draw(|frame| views::draw(frame, state))?;
        self.frame.commit(&mut io::stdout().lock())
    }

    /// Gives the terminal back and stops this process and what it started; the shell's `fg` brings them back.
    fn stop(&mut self) -> bool {
        self.guard.leave();
        rustix::process::kill_current_process_group(rustix::process::Signal::STOP).is_ok()
    }

    /// Takes the terminal after a stop: whatever was done to it meanwhile is undone, and everything is drawn anew.
    fn take_again(&mut self) -> io::Result<()> {
        self.guard.leave();
        self.guard.enter()?;
        // As if it had another size: this clears without asking the terminal where its cursor is.
        let size = self.terminal.size()?;
        self.terminal.resize(ratatui::layout::Rect::new(0, 0, size.width, size.height))
    }
}
