//! The terminal while the workbench is on it: raw mode, the other screen, pasted text in brackets, focus reports. All of
//! it is given back on every way out: the end, a panic, a signal, a stop. The exact bytes stand in this file only.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};
use std::thread::ThreadId;

use ratatui::backend::{Backend, CrosstermBackend};

/// Takes the terminal: the other screen, bracketed paste, focus reports, no cursor, and the question for its background
/// (OSC 11), whose answer comes among the keys, if at all.
pub const ENTER: &str = "\x1b[?1049h\x1b[?2004h\x1b[?1004h\x1b[?25l\x1b]11;?\x1b\\";
/// Takes clicks and the wheel, with places that any size of a terminal can have.
pub const MOUSE: &str = "\x1b[?1000h\x1b[?1006h";
/// Leaves them to the terminal.
pub const NO_MOUSE: &str = "\x1b[?1006l\x1b[?1000l";
/// Gives it back: a frame that was cut off is ended first, then everything in the reverse order.
pub const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[?1049l";
/// Begins a frame that the terminal shows as a whole.
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
/// Ends it.
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

/// What is collected for a frame in which no cell differs from the last one: colours and cursor as they are anyway.
/// Asked of the backend rather than written down: under `NO_COLOR` it resets colours by other bytes.
static NO_CELLS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    let mut backend = CrosstermBackend::new(&mut bytes);
    // A vector takes everything that is written to it.
    let _ = backend.draw(std::iter::empty()).and_then(|()| backend.hide_cursor());
    bytes
});

/// Whether the terminal is ours now: giving it back twice would disturb whoever has it by then.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// What threads of the program said as they panicked while the screen was ours; shown when it is not.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Holds the terminal; gives it back when it is dropped.
#[derive(Debug)]
pub struct Guard {
    mouse: bool,
}

impl Guard {
    /// Takes the terminal; with `mouse`, clicks and the wheel, too.
    ///
    /// # Errors
    /// If it cannot be put into raw mode, or not be written to.
    pub fn new(mouse: bool) -> io::Result<Self> {
        give_back_on_panic();
        take(mouse)?;
        Ok(Self { mouse })
    }

    /// Takes the mouse, or leaves it to the terminal.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn mouse(&mut self, mouse: bool) -> io::Result<()> {
        if std::mem::replace(&mut self.mouse, mouse) == mouse {
            return Ok(());
        }
        write(if mouse { MOUSE } else { NO_MOUSE })
    }

    /// Gives it back for a while: the program is about to be stopped.
    pub fn leave(&self) {
        give_back();
    }

    /// Takes it again.
    ///
    /// # Errors
    /// As [`Guard::new`].
    pub fn enter(&self) -> io::Result<()> {
        take(self.mouse)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
        for text in PANICS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            crate::output::Out::stderr().line(text);
        }
    }
}

/// Sends the terminal something that is no frame.
///
/// # Errors
/// If the terminal is gone.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn take(mouse: bool) -> io::Result<()> {
    crossterm::terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let written = write(&if mouse { [ENTER, MOUSE].concat() } else { ENTER.to_owned() });
    if written.is_err() {
        give_back();
    }
    written
}

fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // A terminal that is gone cannot be given back: there is nobody to tell.
    let mut out = io::stdout().lock();
    let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    let _ = crossterm::terminal::disable_raw_mode();
}

/// A panic of the thread that draws gives the terminal back before it is reported. Other threads' panics end one task
/// and not the program: their words wait until the screen is free.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let screen: ThreadId = std::thread::current().id();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if TAKEN.load(Ordering::SeqCst) && std::thread::current().id() != screen {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
                return;
            }
            give_back();
            before(info);
        }));
    });
}

/// Collects the bytes of one frame, so that it reaches the terminal in one write between the marks of a whole frame.
#[derive(Debug, Clone, Default)]
pub struct FrameWriter {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl FrameWriter {
    /// Writes what was collected. Nothing is written where nothing was.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn commit(&self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.is_empty() || *bytes == *NO_CELLS {
            bytes.clear();
            return Ok(());
        }
        let frame = [FRAME_BEGINS, bytes.as_slice(), FRAME_ENDS].concat();
        bytes.clear();
        drop(bytes);
        out.write_all(&frame)?;
        out.flush()
    }
}

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Frames are written as a whole by [`FrameWriter::commit`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_write_between_its_marks_and_no_frame_is_none() {
        let mut writer = FrameWriter::default();
        let mut out = Vec::new();
        writer.commit(&mut out).unwrap();
        assert!(out.is_empty());
        writer.write_all(b"abc").unwrap();
        writer.flush().unwrap();
        writer.commit(&mut out).unwrap();
        assert_eq!(out, b"\x1b[?2026habc\x1b[?2026l");
    }

    #[test]
    fn a_frame_that_changes_nothing_is_not_written() {
        let writer = FrameWriter::default();
        let mut terminal = ratatui::Terminal::with_options(
            CrosstermBackend::new(writer.clone()),
            ratatui::TerminalOptions { viewport: ratatui::Viewport::Fixed(ratatui::layout::Rect::new(0, 0, 9, 3)) },
        )
        .unwrap();
        let mut out = Vec::new();
        for (text, written) in [("one", true), ("one", false), ("two", true)] {
            terminal.draw(|frame| frame.render_widget(text, frame.area())).unwrap();
            out.clear();
            writer.commit(&mut out).unwrap();
            assert_eq!(!out.is_empty(), written, "{text}");
        }
    }

    #[test]
    fn whatever_is_switched_on_is_switched_off() {
        for mode in ["1049", "2004", "1004"] {
            assert!(ENTER.contains(&format!("\x1b[?{mode}h")) && LEAVE.contains(&format!("\x1b[?{mode}l")), "{mode}");
        }
        for mode in ["1000", "1006"] {
            assert!(MOUSE.contains(&format!("\x1b[?{mode}h")) && LEAVE.contains(&format!("\x1b[?{mode}l")), "{mode}");
        }
        assert!(ENTER.contains("\x1b[?25l") && LEAVE.contains("\x1b[?25h"));
        assert!(LEAVE.ends_with("\x1b[?1049l"), "the first screen comes back last");
    }
}
