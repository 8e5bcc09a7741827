//! What a host and the agent inside a sandbox say to each other: small frames, hard caps, no allocation that a length
//! alone can cause. Shared by both programs, so it uses the standard library only.
//!
//! Every frame carries the session's nonce, which the host chose and which only the agent has seen: programs that run
//! in the sandbox have pipes of their own, no way to the agent's, and could not sign a forged answer if they had one.

use std::io::{self, Read, Write};

/// The longest payload of one frame, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// The most output that one frame carries, in bytes.
pub const CHUNK: usize = 64 << 10;
/// Where the agent listens for programs that want to talk to the network, on the sandbox's own loopback.
pub const EGRESS_PORT: u16 = 3128;
/// The most that either side sends of one connection before the other has taken it, in bytes.
pub const WINDOW: usize = 256 << 10;
/// The most connections that are open at a time.
pub const MOST_CONNECTIONS: usize = 32;
const MAGIC: [u8; 4] = *b"aicA";
/// What an agent on a serial line says before its first frame; whatever came before was another's.
pub const GREETING: &[u8] = b"\naic agent: frames from here\n";
const HEADER: usize = 4 + 1 + 16 + 4 + 4;

/// A number that is used for one session.
pub type Nonce = [u8; 16];

/// What a frame is. The host's first, the agent's from 64 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The first frame: a [`Setup`], and the nonce for all that follow.
    Open = 1,
    /// Run a program: a [`Start`].
    Start = 2,
    /// Bytes for a program's stdin.
    Stdin = 3,
    /// The end of a program's stdin.
    Eof = 4,
    /// End a program and its process group; one byte, the signal.
    Kill = 5,
    /// How many processes run?
    Count = 6,
    /// The terminal's new size: rows and columns, two bytes each.
    Resize = 7,
    /// Bytes for a connection of a program's.
    Data = 8,
    /// The end of a connection: 0 after what was sent, 1 at once.
    Shut = 9,
    /// So many bytes of a connection were taken, and as many more may come: four bytes.
    Credit = 10,
    /// The agent is there.
    Ready = 64,
    /// A program runs.
    Started = 65,
    /// Bytes of a program's stdout.
    Stdout = 66,
    /// Bytes of a program's stderr.
    Stderr = 67,
    /// A program ended: an [`Ended`].
    Exit = 68,
    /// It could not be done; an error number and the reason as text.
    Failed = 69,
    /// How many processes run, the agent left out: four bytes.
    Counted = 70,
    /// A program opened a connection, whose number this is from now on.
    Connect = 71,
    /// Bytes of a connection.
    Sent = 72,
    /// The end of a connection: 0 where the program only sends no more, 1 where it is gone.
    Hung = 73,
    /// So many bytes for a connection were taken, and as many more may come: four bytes.
    Drained = 74,
    /// So many bytes of the host's were read since the last time, four bytes: only on a serial line, which would lose
    /// what nobody reads.
    Taken = 75,
}

impl Kind {
    const ALL: [Self; 22] = [
        Self::Open,
        Self::Start,
        Self::Stdin,
        Self::Eof,
        Self::Kill,
        Self::Count,
        Self::Resize,
        Self::Data,
        Self::Shut,
        Self::Credit,
        Self::Ready,
        Self::Started,
        Self::Stdout,
        Self::Stderr,
        Self::Exit,
        Self::Failed,
        Self::Counted,
        Self::Connect,
        Self::Sent,
        Self::Hung,
        Self::Drained,
        Self::Taken,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The session's nonce.
    pub nonce: Nonce,
    /// Which execution it belongs to; 0 for none.
    pub id: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Why there is no next frame.
#[derive(Debug)]
pub enum ReadError {
    /// The pipe was closed between two frames.
    Closed,
    /// The pipe broke, or ended in the middle of a frame.
    Broken(io::Error),
    /// What came is no frame.
    Garbage(String),
}

/// Writes one frame in one piece.
///
/// # Errors
/// Those of the pipe; a payload that is too long is one too, and nothing is written.
pub fn write(to: &mut impl Write, kind: Kind, nonce: &Nonce, id: u32, payload: &[u8]) -> io::Result<()> {
    if payload.len() > MAX_PAYLOAD {
        return Err(io::Error::other("the frame is too long"));
    }
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.push(kind as u8);
    bytes.extend_from_slice(nonce);
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(payload);
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one frame.
///
/// # Errors
/// When there is none.
pub fn read(from: &mut impl Read) -> Result<Frame, ReadError> {
    let mut header = [0u8; HEADER];
    let mut filled = 0;
    while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if filled == 0 => return Err(ReadError::Closed),
            Ok(0) => return Err(cut_off(&header, filled)),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ReadError::Broken(error)),
        }
        if filled >= MAGIC.len() && !header.starts_with(&MAGIC) {
            return Err(garbage(&header, filled));
        }
    }
    let mut fields = Fields(&header);
    let _magic: [u8; 4] = fields.array().unwrap_or_default();
    let kind = fields.byte().unwrap_or_default();
    let Some(kind) = Kind::from_byte(kind) else {
        return Err(ReadError::Garbage(format!("a frame of the unknown kind {kind}")));
    };
    let nonce = fields.array().unwrap_or_default();
    let id = fields.number().unwrap_or_default();
    let length = fields.number().unwrap_or_default() as usize;
    if length > MAX_PAYLOAD {
        return Err(ReadError::Garbage(format!("a frame of {length} bytes, more than the {MAX_PAYLOAD} allowed")));
    }
    // In one read where it is small; no more room than comes where it is not.
    let mut payload = Vec::with_capacity(length.min(CHUNK));
    from.by_ref().take(length as u64).read_to_end(&mut payload).map_err(ReadError::Broken)?;
    if payload.len() < length {
        return Err(ReadError::Broken(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Frame { kind, nonce, id, payload })
}

fn cut_off(header: &[u8], filled: usize) -> ReadError {
    let start = header.get(..filled.min(MAGIC.len())).unwrap_or_default();
    if MAGIC.starts_with(start) {
        ReadError::Broken(io::ErrorKind::UnexpectedEof.into())
    } else {
        garbage(header, filled)
    }
}

fn garbage(header: &[u8], filled: usize) -> ReadError {
    let start = String::from_utf8_lossy(header.get(..filled).unwrap_or_default()).into_owned();
    ReadError::Garbage(format!("it begins with {start:?}"))
}

/// What the agent is told about itself before it runs anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setup {
    /// The user and group that programs run as; none where the agent's own is the only one there is.
    pub user: Option<u32>,
    /// Whether programs are kept from sockets and dangerous system calls by a filter. (That they can make no file
    /// set-user-ID is always filtered.)
    pub filter: bool,
    /// Whether Landlock confines programs to reading, and to writing where they may.
    pub landlock: bool,
    /// The address space of each process, in bytes; 0 for no limit.
    pub memory: u64,
    /// The processes and threads of the programs' user; 0 for no limit.
    pub pids: u64,
    /// Open files of each process.
    pub files: u64,
    /// The largest file, in bytes.
    pub file_size: u64,
    /// Whether programs may talk to the network, through the agent and nothing else.
    pub egress: bool,
    /// Whether the agent makes signals of a terminal's keys such as Ctrl-C, because the kernel makes none.
    pub signals: bool,
}

impl Setup {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.user.is_some()), u8::from(self.filter), u8::from(self.landlock)];
        bytes.extend_from_slice(&self.user.unwrap_or_default().to_le_bytes());
        for number in [self.memory, self.pids, self.files, self.file_size] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend([u8::from(self.egress), u8::from(self.signals)]);
        bytes
    }

    /// From bytes; nothing where they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (named, filter, landlock) = (fields.byte()? != 0, fields.byte()? != 0, fields.byte()? != 0);
        let user = fields.number()?;
        let setup = Self {
            user: named.then_some(user),
            filter,
            landlock,
            memory: fields.long()?,
            pids: fields.long()?,
            files: fields.long()?,
            file_size: fields.long()?,
            egress: fields.byte()? != 0,
            signals: fields.byte()? != 0,
        };
        fields.0.is_empty().then_some(setup)
    }
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// The program and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// All of its environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its working folder.
    pub folder: Vec<u8>,
    /// The most it may print on both streams together, in bytes; the rest is thrown away.
    pub output: u64,
    /// A terminal of so many rows and columns in place of pipes.
    pub terminal: Option<(u16, u16)>,
}

impl Start {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let long = |bytes: &mut Vec<u8>, text: &[u8]| {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text);
        };
        bytes.extend_from_slice(&self.output.to_le_bytes());
        let (rows, columns) = self.terminal.unwrap_or_default();
        bytes.push(u8::from(self.terminal.is_some()));
        bytes.extend_from_slice(&rows.to_le_bytes());
        bytes.extend_from_slice(&columns.to_le_bytes());
        long(&mut bytes, &self.folder);
        bytes.extend_from_slice(&(self.argv.len() as u32).to_le_bytes());
        for argument in &self.argv {
            long(&mut bytes, argument);
        }
        bytes.extend_from_slice(&(self.env.len() as u32).to_le_bytes());
        for (name, value) in &self.env {
            long(&mut bytes, name);
            long(&mut bytes, value);
        }
        bytes
    }

    /// From bytes; nothing where they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let output = fields.long()?;
        let terminal = fields.byte()? != 0;
        let size = (u16::from_le_bytes(fields.array()?), u16::from_le_bytes(fields.array()?));
        let folder = fields.text()?.to_vec();
        // Counts come from outside: nothing is reserved for them.
        let mut argv = Vec::new();
        for _ in 0..fields.number()? {
            argv.push(fields.text()?.to_vec());
        }
        let mut env = Vec::new();
        for _ in 0..fields.number()? {
            env.push((fields.text()?.to_vec(), fields.text()?.to_vec()));
        }
        fields.0.is_empty().then_some(Self { argv, env, folder, output, terminal: terminal.then_some(size) })
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it otherwise.
    pub signal: i32,
    /// Whether it printed more than it may.
    pub truncated: bool,
}

impl Ended {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.code.is_some()), u8::from(self.truncated)];
        bytes.extend_from_slice(&self.code.unwrap_or(self.signal).to_le_bytes());
        bytes
    }

    /// From bytes; nothing where they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (by_itself, truncated) = (fields.byte()? != 0, fields.byte()? != 0);
        let number = i32::from_le_bytes(fields.array()?);
        let (code, signal) = if by_itself { (Some(number), 0) } else { (None, number) };
        fields.0.is_empty().then_some(Self { code, signal, truncated })
    }
}

/// Reads fields off the front of some bytes.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Four bytes, little end first.
    pub fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little end first.
    pub fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length and that many bytes.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Stdout, &[7; 16], 3, payload).unwrap();
        bytes
    }

    #[test]
    fn a_frame_reads_back_what_was_written() {
        let frame = read(&mut bytes_of(b"abc").as_slice()).unwrap();
        assert_eq!(frame, Frame { kind: Kind::Stdout, nonce: [7; 16], id: 3, payload: b"abc".to_vec() });
    }

    #[test]
    fn every_cut_frame_is_an_error() {
        let whole = bytes_of(b"abc");
        for end in 1..whole.len() {
            assert!(matches!(read(&mut &whole[..end]), Err(ReadError::Broken(_))), "cut at {end}");
        }
        assert!(matches!(read(&mut [].as_slice()), Err(ReadError::Closed)));
    }

    #[test]
    fn what_is_no_frame_is_garbage() {
        let mut long = bytes_of(b"abc");
        long[25..29].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut unknown = bytes_of(b"abc");
        unknown[4] = 99;
        for bytes in [&b"no"[..], b"hello, this is longer than a whole header", &long, &unknown] {
            assert!(matches!(read(&mut &bytes[..]), Err(ReadError::Garbage(_))), "{bytes:?}");
        }
        assert!(write(&mut Vec::new(), Kind::Stdin, &[0; 16], 1, &vec![0; MAX_PAYLOAD + 1]).is_err());
    }

    #[test]
    fn messages_read_back_what_they_say_and_every_cut_one_is_none() {
        let setup = Setup {
            user: Some(0),
            filter: true,
            landlock: false,
            memory: 1,
            pids: 2,
            files: 3,
            file_size: 4,
            egress: true,
            signals: true,
        };
        let start = Start {
            argv: vec![b"sh".to_vec(), vec![]],
            env: vec![(b"A".to_vec(), b"b=c".to_vec())],
            folder: b"/".to_vec(),
            output: 9,
            terminal: Some((24, 80)),
        };
        let ended = Ended { code: None, signal: 9, truncated: true };
        assert_eq!(Setup::decode(&setup.encode()), Some(setup));
        assert_eq!(Start::decode(&start.encode()), Some(start.clone()));
        assert_eq!(Ended::decode(&ended.encode()), Some(ended));
        for end in 0..start.encode().len() {
            assert_eq!(Start::decode(&start.encode()[..end]), None);
        }
        for end in 0..setup.encode().len() {
            assert_eq!(Setup::decode(&setup.encode()[..end]), None);
        }
    }

    #[test]
    fn a_count_that_lies_reserves_nothing() {
        let mut bytes = Start::default().encode();
        let argc = bytes.len() - 8;
        bytes[argc..argc + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Start::decode(&bytes), None);
    }
}
