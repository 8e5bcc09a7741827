//! The frames between a host and its worker: a fixed header, a payload, hard caps on both.
//!
//! Each request carries a nonce that its reply repeats. A reply with another nonce is not believed: it answers an
//! earlier question, or is made up. The worker's stdout is the channel; a script has no way to write to it, because
//! what it prints is collected inside the worker.

use aic_base::Digest;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest payload of either direction, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 32 << 20;
/// The longest result of a script, as JSON, in bytes.
pub(crate) const MAX_RESULT: usize = 8 << 20;
/// The most printed text that is carried back, in bytes, whatever a spec asks for.
pub(crate) const MAX_PRINTED: usize = 16 << 20;

/// Payloads up to so many bytes go out together with their header: one system call, and one waking of the reader.
const AT_ONCE: u32 = 64 << 10;

const MAGIC: [u8; 4] = *b"aic1";
const HEADER: usize = 4 + 1 + 16 + 4;

/// What a frame is. Requests first, replies after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Get ready; the payload is an [`Open`].
    Open = 1,
    /// Run a script; the payload is a [`CallHeader`] and the guest's input.
    Call = 2,
    /// The worker is ready and locked down; the payload is its report, as JSON.
    Ready = 17,
    /// There is no precompiled guest in the cache.
    Missing = 18,
    /// The precompiled guest is in the cache now.
    Prepared = 19,
    /// It could not be done; the payload is why.
    Failed = 20,
    /// The call has arrived whole and is being run: whatever happens now happened in the middle of it.
    Taken = 22,
    /// The end of a call; the payload is an [`AnswerHeader`], what was printed, and the body.
    Answer = 21,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        use Kind::{Answer, Call, Failed, Missing, Open, Prepared, Ready, Taken};
        [Open, Call, Ready, Missing, Prepared, Failed, Taken, Answer].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A number that is used once.
pub(crate) type Nonce = [u8; 16];

/// A fresh nonce. The standard library's hash keys come from the system's randomness, and a worker never sees them.
pub(crate) fn nonce() -> Nonce {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut nonce = [0; 16];
    for (half, salt) in nonce.chunks_exact_mut(8).zip([0u8, 1]) {
        half.copy_from_slice(&RandomState::new().hash_one((count, salt)).to_le_bytes());
    }
    nonce
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) nonce: Nonce,
    pub(crate) payload: Vec<u8>,
}

/// Why no frame could be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The other side closed the pipe between two frames.
    Closed,
    /// The pipe broke, or ended inside a frame.
    Broken(io::Error),
    /// What came is not a frame.
    Garbage(String),
}

pub(crate) fn write_frame(to: &mut impl Write, kind: Kind, nonce: &Nonce, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).ok().filter(|length| *length as usize <= MAX_PAYLOAD);
    let length = length.ok_or_else(|| io::Error::other("the frame is too long"))?;
    let mut bytes = Vec::with_capacity(HEADER + if length <= AT_ONCE { length as usize } else { 0 });
    bytes.extend_from_slice(&MAGIC);
    bytes.push(kind as u8);
    bytes.extend_from_slice(nonce);
    bytes.extend_from_slice(&length.to_le_bytes());
    if length <= AT_ONCE {
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        to.write_all(&bytes)?;
    } else {
        to.write_all(&bytes)?;
        parts.iter().try_for_each(|part| to.write_all(part))?;
    }
    to.flush()
}

pub(crate) fn read_frame(from: &mut impl Read) -> Result<Frame, ReadError> {
    let mut header = [0u8; HEADER];
    let mut filled = 0;
    while filled < HEADER {
        match from.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Err(ReadError::Closed),
            Ok(0) if filled < 4 || header[..4] == MAGIC => {
                return Err(ReadError::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Broken(error)),
        }
        if filled >= 4 && header[..4] != MAGIC {
            let start = String::from_utf8_lossy(&header[..filled]).into_owned();
            return Err(ReadError::Garbage(format!("it begins with {start:?}")));
        }
    }
    let [_, _, _, _, kind, rest @ ..] = header;
    let Some(kind) = Kind::from_byte(kind) else {
        return Err(ReadError::Garbage(format!("a frame of the unknown kind {kind}")));
    };
    let (mut nonce, mut length) = (Nonce::default(), [0; 4]);
    nonce.copy_from_slice(&rest[..16]);
    length.copy_from_slice(&rest[16..]);
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_PAYLOAD {
        return Err(ReadError::Garbage(format!("a frame of {length} bytes, more than the {MAX_PAYLOAD} allowed")));
    }
    // Grows as bytes arrive, so that a header alone cannot make us reserve memory.
    let mut payload = Vec::new();
    from.by_ref().take(length as u64).read_to_end(&mut payload).map_err(ReadError::Broken)?;
    if payload.len() < length {
        return Err(ReadError::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Frame { kind, nonce, payload })
}

/// How a worker gets ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// Load the precompiled guest, or say that it is missing.
    Load,
    /// Compile the guest into the cache and end.
    Prepare,
    /// Load the precompiled guest, or compile it for this worker alone.
    LoadOrCompile,
}

/// The first request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) mode: Mode,
    /// The cache's folder, as the bytes of its path.
    pub(crate) cache: Option<Vec<u8>>,
    /// A module of the user's in place of the guest that is built in.
    #[serde(default)]
    pub(crate) module: Option<OpenModule>,
}

/// A module of the user's, and what it is to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenModule {
    /// Its file, as the bytes of its path.
    pub(crate) path: Vec<u8>,
    /// What the file must be.
    pub(crate) digest: Digest,
    /// A folder, as the bytes of its path, and whether it may be written.
    pub(crate) workspace: Option<(Vec<u8>, bool)>,
    /// Open files.
    pub(crate) files: u32,
    /// The largest file, in bytes.
    pub(crate) file_size: u64,
    /// What it may write in all, in bytes.
    pub(crate) disk: u64,
}

/// What a module is, as far as can be seen without running it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// It is a program with a beginning and an end, rather than a function that is called.
    pub(crate) command: bool,
    /// What it wants that is not there; calling it ends the run.
    pub(crate) missing: Vec<String>,
}

/// What goes before a module's standard input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ModuleInput {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// A script's name and text.
    pub(crate) script: Option<(String, String)>,
}

impl ModuleInput {
    /// Itself, and the standard input after it.
    pub(crate) fn encode(&self, stdin: &[u8]) -> Vec<u8> {
        // Text always has a form in JSON.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = (json.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&json);
        bytes.extend_from_slice(stdin);
        bytes
    }

    pub(crate) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (json, stdin) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some((serde_json::from_slice(json).ok()?, stdin))
    }
}

/// The body of a module's answer: its exit code, its standard error, and the result of a function or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ModuleBody<'a> {
    pub(crate) code: i32,
    pub(crate) stderr: &'a [u8],
    pub(crate) rest: &'a [u8],
}

impl<'a> ModuleBody<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.code.to_le_bytes().to_vec();
        bytes.extend_from_slice(&(self.stderr.len() as u32).to_le_bytes());
        bytes.extend_from_slice(self.stderr);
        bytes.extend_from_slice(self.rest);
        bytes
    }

    pub(crate) fn split(bytes: &'a [u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (stderr, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { code: i32::from_le_bytes(*code), stderr, rest })
    }
}

/// What goes before a guest's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallHeader {
    pub(crate) timeout_us: u64,
    pub(crate) memory: u64,
    pub(crate) output: u64,
    pub(crate) now_ms: i64,
    pub(crate) seed: u64,
}

impl CallHeader {
    pub(crate) const BYTES: usize = 40;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [self.timeout_us, self.memory, self.output, self.now_ms.cast_unsigned(), self.seed];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn split(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (header, body) = payload.split_first_chunk::<{ Self::BYTES }>()?;
        let mut words = [0u64; Self::BYTES / 8];
        for (word, slot) in words.iter_mut().zip(header.chunks_exact(8)) {
            *word = slot.try_into().map(u64::from_le_bytes).ok()?;
        }
        let [timeout_us, memory, output, now_ms, seed] = words;
        Some((Self { timeout_us, memory, output, now_ms: now_ms.cast_signed(), seed }, body))
    }
}

/// How a call ended, as the worker saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The guest answered; the body is its JSON.
    Guest = 1,
    /// The deadline passed.
    Timeout = 2,
    /// More memory was wanted than the limit allows.
    Memory = 3,
    /// The guest trapped; the body says how.
    Trap = 4,
    /// The guest's answer is no answer; the body says why.
    Nonsense = 5,
}

/// What goes before what a script printed and the body of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerHeader {
    pub(crate) end: End,
    pub(crate) truncated: bool,
    pub(crate) printed: u32,
}

impl AnswerHeader {
    pub(crate) const BYTES: usize = 6;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.printed.to_le_bytes();
        [self.end as u8, u8::from(self.truncated), a, b, c, d]
    }

    /// The header, what was printed, and the body; nothing if they do not fit together.
    pub(crate) fn split(payload: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let ([end, truncated, printed @ ..], rest) = payload.split_first_chunk::<{ Self::BYTES }>()?;
        let all = [End::Guest, End::Timeout, End::Memory, End::Trap, End::Nonsense];
        let end = all.into_iter().find(|known| *known as u8 == *end)?;
        let printed = u32::from_le_bytes(*printed);
        let (text, body) = rest.split_at_checked(printed as usize)?;
        Some((Self { end, truncated: *truncated != 0, printed }, text, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, Kind::Answer, &[7; 16], parts).unwrap();
        bytes
    }

    #[test]
    fn a_frame_reads_back_what_was_written() {
        let frame = read_frame(&mut bytes_of(&[b"ab", b"c"]).as_slice()).unwrap();
        assert_eq!(frame, Frame { kind: Kind::Answer, nonce: [7; 16], payload: b"abc".to_vec() });
    }

    #[test]
    fn every_cut_frame_is_an_error_and_none_panics() {
        let whole = bytes_of(&[b"abc"]);
        for end in 0..whole.len() {
            assert!(read_frame(&mut &whole[..end]).is_err(), "cut at {end}");
        }
        assert!(matches!(read_frame(&mut [].as_slice()), Err(ReadError::Closed)));
    }

    #[test]
    fn a_huge_length_is_refused_before_anything_is_reserved() {
        let mut bytes = bytes_of(&[b"abc"]);
        bytes[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(read_frame(&mut bytes.as_slice()), Err(ReadError::Garbage(_))));
    }

    #[test]
    fn what_is_no_frame_is_garbage_even_when_it_is_short() {
        for text in ["hello\n", "hello, this is longer than a header", "aic1\u{ff}"] {
            assert!(matches!(read_frame(&mut text.as_bytes()), Err(ReadError::Garbage(_) | ReadError::Broken(_))));
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_not_written() {
        let long = vec![0; MAX_PAYLOAD + 1];
        assert!(write_frame(&mut Vec::new(), Kind::Call, &[0; 16], &[&long]).is_err());
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn headers_read_back_what_they_say() {
        let call = CallHeader { timeout_us: 1, memory: 2, output: 3, now_ms: -4, seed: u64::MAX };
        assert_eq!(CallHeader::split(&[&call.to_bytes()[..], b"x"].concat()), Some((call, &b"x"[..])));
        let answer = AnswerHeader { end: End::Trap, truncated: true, printed: 2 };
        let bytes = [&answer.to_bytes()[..], b"hi", b"body"].concat();
        assert_eq!(AnswerHeader::split(&bytes), Some((answer, &b"hi"[..], &b"body"[..])));
        assert_eq!(AnswerHeader::split(&bytes[..7]), None);
        let input =
            ModuleInput { args: vec!["a".into()], script: Some(("x.py".into(), "1".into())), ..ModuleInput::default() };
        assert_eq!(ModuleInput::split(&input.encode(b"in")), Some((input.clone(), &b"in"[..])));
        let body = ModuleBody { code: -1, stderr: b"err", rest: b"rest" };
        assert_eq!(ModuleBody::split(&body.encode()), Some(body.clone()));
        for end in 0..11 {
            assert_eq!(ModuleBody::split(&body.encode()[..end]), None);
            assert_eq!(ModuleInput::split(&input.encode(b"")[..end]), None);
        }
    }
}
