//! Bytes to frames: server-sent events and lines of JSON, however the bytes are cut. Memory is bounded by the caps.

use super::Framing;
use crate::error::ModelError;

/// The longest line, and the longest event, in bytes.
pub(crate) const LINE_CAP: usize = 4 << 20;
/// The longest answer in bytes, after decompression.
pub(crate) const ANSWER_CAP: usize = 64 << 20;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The event's name; empty where none was given.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// Cuts bytes into frames.
#[derive(Debug)]
pub(crate) struct Frames {
    framing: Framing,
    /// The line that is not over yet.
    line: Vec<u8>,
    /// The byte before was a carriage return that ended a line: a line feed now belongs to it.
    after_cr: bool,
    /// Nothing was read yet: a byte-order mark may come.
    at_start: bool,
    event: String,
    data: String,
    has_data: bool,
    taken: usize,
}

impl Frames {
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            event: String::new(),
            data: String::new(),
            has_data: false,
            taken: 0,
        }
    }

    /// Takes bytes and appends the frames that are whole.
    pub fn push(&mut self, mut bytes: &[u8], found: &mut Vec<Frame>) -> Result<(), ModelError> {
        self.taken = self.taken.saturating_add(bytes.len());
        if self.taken > ANSWER_CAP {
            return Err(ModelError::TooLarge { what: "an answer", cap: ANSWER_CAP });
        }
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if let Some(rest) = bytes.strip_prefix(b"\n") {
                    bytes = rest;
                    continue;
                }
            }
            let line_end = match self.framing {
                Framing::Whole => None,
                _ => bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')),
            };
            match line_end {
                None => {
                    self.grow(bytes)?;
                    return Ok(());
                }
                Some(at) => {
                    self.grow(&bytes[..at])?;
                    self.after_cr = bytes[at] == b'\r';
                    bytes = &bytes[at + 1..];
                    let line = std::mem::take(&mut self.line);
                    self.end_line(&line, found)?;
                    // The buffer is used again.
                    self.line = line;
                    self.line.clear();
                }
            }
        }
        Ok(())
    }

    /// The connection is over. A last line of JSON without its end is taken; a half event is not, as the standard says.
    pub fn end(&mut self, found: &mut Vec<Frame>) -> Result<(), ModelError> {
        let line = std::mem::take(&mut self.line);
        match self.framing {
            Framing::Lines | Framing::Whole if !line.is_empty() => self.end_line(&line, found),
            // Some servers close without the empty line after their last event; what is whole is taken.
            Framing::Events if !line.is_empty() || self.has_data => {
                self.end_line(&line, found)?;
                self.dispatch(found);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        if self.line.len() + bytes.len() > LINE_CAP {
            return Err(ModelError::TooLarge { what: "a line", cap: LINE_CAP });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], found: &mut Vec<Frame>) -> Result<(), ModelError> {
        let line =
            if std::mem::take(&mut self.at_start) { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let line = std::str::from_utf8(line).map_err(|error| ModelError::Protocol {
            message: format!("invalid UTF-8 at byte {} of a line", error.valid_up_to()),
        })?;
        match self.framing {
            Framing::Lines | Framing::Whole => {
                if !line.trim().is_empty() {
                    found.push(Frame { event: String::new(), data: line.to_owned() });
                }
                Ok(())
            }
            Framing::Events => self.field(line, found),
        }
    }

    fn field(&mut self, line: &str, found: &mut Vec<Frame>) -> Result<(), ModelError> {
        if line.is_empty() {
            self.dispatch(found);
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.data.len() + value.len() > LINE_CAP {
                    return Err(ModelError::TooLarge { what: "an event", cap: LINE_CAP });
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // A comment, an id, a time to reconnect, a field to come.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, found: &mut Vec<Frame>) {
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        if std::mem::take(&mut self.has_data) && !data.is_empty() {
            found.push(Frame { event, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: Framing, pieces: &[&[u8]]) -> Result<Vec<(String, String)>, ModelError> {
        let (mut frames, mut found) = (Frames::new(framing), Vec::new());
        for piece in pieces {
            frames.push(piece, &mut found)?;
        }
        frames.end(&mut found)?;
        Ok(found.into_iter().map(|frame| (frame.event, frame.data)).collect())
    }

    const STREAM: &[u8] = "\u{feff}: hello\r\nevent: a\r\ndata: one\r\ndata:two\r\n\r\nid: 7\rretry: 5\rdata: ünï\r\rdata\n\ndata: {\"x\":1}\n\n".as_bytes();

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let whole = all(Framing::Events, &[STREAM]).unwrap();
        let expected = [("a", "one\ntwo"), ("", "ünï"), ("", "{\"x\":1}")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(whole, expected);
        for cut in 0..STREAM.len() {
            assert_eq!(all(Framing::Events, &[&STREAM[..cut], &STREAM[cut..]]).unwrap(), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(all(Framing::Events, &bytes).unwrap(), whole);
    }

    #[test]
    fn lines_are_frames_and_the_last_needs_no_end() {
        let found = all(Framing::Lines, &[b"{\"a\":1}\n\n{\"b\"", b":2}\r\n{}"]).unwrap();
        let data: Vec<&str> = found.iter().map(|(_, data)| data.as_str()).collect();
        assert_eq!(data, ["{\"a\":1}", "{\"b\":2}", "{}"]);
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_cap_and_not_kept() {
        let (mut frames, mut found) = (Frames::new(Framing::Events), Vec::new());
        let piece = vec![b'x'; 1 << 20];
        let error = std::iter::repeat_n(&piece, 100).find_map(|piece| frames.push(piece, &mut found).err());
        assert_eq!(error, Some(ModelError::TooLarge { what: "a line", cap: LINE_CAP }));
        assert!(frames.line.capacity() <= 2 * LINE_CAP);
    }

    #[test]
    fn an_event_of_many_lines_is_capped_too() {
        let (mut frames, mut found) = (Frames::new(Framing::Events), Vec::new());
        let mut line = b"data: ".to_vec();
        line.resize(1 << 20, b'x');
        line.push(b'\n');
        let error = std::iter::repeat_n(&line, 100).find_map(|line| frames.push(line, &mut found).err());
        assert_eq!(error, Some(ModelError::TooLarge { what: "an event", cap: LINE_CAP }));
    }

    #[test]
    fn an_endless_answer_is_refused_at_the_cap() {
        let (mut frames, mut found) = (Frames::new(Framing::Events), Vec::new());
        let comment = b": still here\n\n".repeat(80_000);
        let error = std::iter::repeat_n(&comment, 100).find_map(|piece| frames.push(piece, &mut found).err());
        assert_eq!(error, Some(ModelError::TooLarge { what: "an answer", cap: ANSWER_CAP }));
    }

    #[test]
    fn invalid_text_is_an_error_and_no_guess() {
        assert!(matches!(all(Framing::Events, &[b"data: \xff\n\n"]), Err(ModelError::Protocol { .. })));
    }
}
