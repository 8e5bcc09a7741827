//! Where messages come from: the terminal's keys and the system's signals, each forwarded into one bounded channel.

use crate::tui::answer::{Answers, Heard};
use crate::tui::message::Msg;
use crossterm::event::Event;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

/// Exit codes of programs that a signal ended, as shells count them.
const TERMINATED: u8 = 128 + 15;
const HUNG_UP: u8 = 128 + 1;
const INTERRUPTED: u8 = 128 + 2;

/// Forwards keys from a thread of its own, which sleeps until the terminal has something. It ends with the program:
/// nothing else can wake it. Call it only where there is a terminal.
///
/// # Errors
/// If there is no thread for it.
pub fn keys(messages: Sender<Msg>) -> std::io::Result<()> {
    let read = move || {
        let mut answers = Answers::default();
        loop {
            let Ok(event) = crossterm::event::read() else {
                // Without keys nobody can even leave.
                let _ = messages.blocking_send(Msg::End(HUNG_UP));
                return;
            };
            let all = match answers.hear(event) {
                Heard::Events(events) => events.into_iter().filter_map(message).collect(),
                Heard::Background { dark } => vec![Msg::Background { dark }],
            };
            for msg in all {
                if messages.blocking_send(msg).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name("keys".into()).spawn(read).map(drop)
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(key)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(width, height) => Some(Msg::Resize(width, height)),
        Event::FocusGained => Some(Msg::FocusGained),
        Event::Mouse(mouse) => Some(Msg::Mouse(mouse)),
        Event::FocusLost => None,
    }
}

/// Forwards the system's wishes: to end, or to stop for a while.
///
/// # Errors
/// If the system does not let us hear them.
pub fn signals(messages: Sender<Msg>, cancel: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut stop = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
    tokio::spawn(async move {
        loop {
            let msg = tokio::select! {
                () = cancel.cancelled() => Msg::End(INTERRUPTED),
                _ = terminate.recv() => Msg::End(TERMINATED),
                _ = hang_up.recv() => Msg::End(HUNG_UP),
                _ = stop.recv() => Msg::Suspend,
            };
            let last = matches!(msg, Msg::End(_));
            if messages.send(msg).await.is_err() || last {
                return;
            }
        }
    });
    Ok(())
}
