//! Writing to the terminal, or to whoever reads instead of one: survives a closed pipe, colours only where wanted.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

/// Standard output.
pub struct Out {
    writer: Box<dyn Write + Send>,
    colour: bool,
    closed: bool,
    failure: Option<io::Error>,
}

impl Out {
    /// Standard output; coloured on a terminal, unless `NO_COLOR` says otherwise or the terminal is dumb.
    pub fn stdout() -> Self {
        Self {
            writer: Box::new(io::stdout()),
            colour: wants_colour(io::stdout().is_terminal()),
            closed: false,
            failure: None,
        }
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self {
            writer: Box::new(io::stderr()),
            colour: wants_colour(io::stderr().is_terminal()),
            closed: false,
            failure: None,
        }
    }

    /// Writes into something else, without colours.
    pub fn plain(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, colour: false, closed: false, failure: None }
    }

    /// Whether colours are wanted.
    pub const fn colour(&self) -> bool {
        self.colour
    }

    /// Writes a line. A reader that has gone away is no error: whoever piped us into `head` has seen enough.
    pub fn line(&mut self, text: impl Display) {
        self.write(format_args!("{text}\n"));
    }

    /// Writes a text as it is.
    pub fn text(&mut self, text: impl Display) {
        self.write(format_args!("{text}"));
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        if self.closed {
            return;
        }
        // One write a call: a line is never seen by halves.
        let text = text.to_string();
        if let Err(error) = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()) {
            self.closed = true;
            self.failure = (error.kind() != io::ErrorKind::BrokenPipe).then_some(error);
        }
    }

    /// What kept a line from being written, other than that nobody reads any more: a full disk.
    pub const fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// A text in a style, where colours are wanted.
    pub fn styled(&self, style: Style, text: impl Display) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", style.code()) } else { text.to_string() }
    }
}

fn wants_colour(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    set("CLICOLOR_FORCE") || (is_terminal && !set("NO_COLOR") && !dumb)
}

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// It is well.
    Good,
    /// It is not.
    Bad,
    /// Look at it.
    Warn,
    /// It is beside the point.
    Dim,
    /// It is a heading.
    Bold,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warn => "33",
            Self::Dim => "2",
            Self::Bold => "1",
        }
    }
}

/// Takes control characters out of a text that is not ours, so that it cannot move the cursor, paint the screen, or turn
/// the order of what is read.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => '\u{FFFD}',
            // Overrides, embeddings and isolates of writing direction.
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let mut out = Out::plain(Box::new(Closed));
        out.line("one");
        out.line("two");
        assert!(out.closed && out.failure().is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_one() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut out = Out::plain(Box::new(full));
        out.line("one");
        assert_eq!(out.failure().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    }

    #[test]
    fn what_is_not_ours_cannot_paint_the_screen() {
        assert_eq!(harmless("a\x1b[31mb\r\n\tc"), "a\u{FFFD}[31mb\u{FFFD}\n\tc");
        assert_eq!(harmless("pay \u{202E}eciv\u{202C}"), "pay \u{FFFD}eciv\u{FFFD}");
    }
}
