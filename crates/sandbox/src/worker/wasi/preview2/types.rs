//! What WASI preview 2 calls things: its records, variants and flags, and what they are here.

use crate::worker::wasi::errno::Errno;
use crate::worker::wasi::files::{About, Entry};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, Lower, Resource, flags};

/// A descriptor; its number is that of the table of descriptors.
pub(super) struct Descriptor;

/// What a guest reads from.
pub(super) enum Input {
    /// The standard input, which all such streams share.
    Standard,
    Text {
        bytes: Arc<[u8]>,
        at: u64,
    },
    File {
        file: Arc<File>,
        at: u64,
    },
}

/// What a guest writes to.
pub(super) enum Output {
    Printer {
        error: bool,
    },
    /// A file, from a place on or at its end.
    File {
        file: Arc<File>,
        at: Option<u64>,
    },
}

/// What a guest waits for.
pub(super) enum Pollable {
    /// Files and standard streams keep nobody waiting.
    Ready,
    /// The moment when so many nanoseconds have passed for the guest.
    Due(u64),
}

/// Why a stream failed.
pub(super) struct StreamFault(pub(super) Errno);

/// What is left to be told of a folder.
pub(super) struct Listing(pub(super) VecDeque<Entry>);

/// Resources of which there are none: nothing here makes one.
pub(super) enum TerminalInput {}
pub(super) enum TerminalOutput {}
pub(super) enum TcpSocket {}
pub(super) enum UdpSocket {}
pub(super) enum Datagrams {}
pub(super) enum AddressStream {}

/// The network, which leads nowhere.
pub(super) struct Network;

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<StreamFault>),
    #[component(name = "closed")]
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

impl Datetime {
    pub(super) fn of(nanoseconds: u64) -> Self {
        let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        Self { seconds, nanoseconds: u32::try_from(rest).unwrap_or_default() }
    }

    fn nanoseconds(self) -> u64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(self.nanoseconds))
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(variant)]
pub(super) enum NewTimestamp {
    #[component(name = "no-change")]
    NoChange,
    #[component(name = "now")]
    Now,
    #[component(name = "timestamp")]
    Timestamp(Datetime),
}

impl NewTimestamp {
    /// In nanoseconds since 1970, where it changes anything.
    pub(super) fn given(self, now: u64) -> Option<u64> {
        match self {
            Self::NoChange => None,
            Self::Now => Some(now),
            Self::Timestamp(moment) => Some(moment.nanoseconds()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "the type has all of them")]
pub(super) enum DescriptorType {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "block-device")]
    BlockDevice,
    #[component(name = "character-device")]
    CharacterDevice,
    #[component(name = "directory")]
    Directory,
    #[component(name = "fifo")]
    Fifo,
    #[component(name = "symbolic-link")]
    SymbolicLink,
    #[component(name = "regular-file")]
    RegularFile,
    #[component(name = "socket")]
    Socket,
}

impl DescriptorType {
    /// From a kind as preview 1 numbers them.
    pub(super) fn of(kind: u8) -> Self {
        match kind {
            1 => Self::BlockDevice,
            2 => Self::CharacterDevice,
            3 => Self::Directory,
            4 => Self::RegularFile,
            5 | 6 => Self::Socket,
            7 => Self::SymbolicLink,
            _ => Self::Unknown,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub(super) struct DescriptorStat {
    #[component(name = "type")]
    pub(super) kind: DescriptorType,
    #[component(name = "link-count")]
    pub(super) links: u64,
    pub(super) size: u64,
    #[component(name = "data-access-timestamp")]
    pub(super) accessed: Option<Datetime>,
    #[component(name = "data-modification-timestamp")]
    pub(super) modified: Option<Datetime>,
    #[component(name = "status-change-timestamp")]
    pub(super) changed: Option<Datetime>,
}

impl From<About> for DescriptorStat {
    fn from(about: About) -> Self {
        Self {
            kind: DescriptorType::of(about.kind),
            links: about.links,
            size: about.size,
            accessed: Some(Datetime::of(about.accessed)),
            modified: Some(Datetime::of(about.modified)),
            changed: Some(Datetime::of(about.changed)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub(super) struct DirectoryEntry {
    #[component(name = "type")]
    pub(super) kind: DescriptorType,
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub(super) struct MetadataHash {
    pub(super) lower: u64,
    pub(super) upper: u64,
}

flags! {
    PathFlags {
        #[component(name = "symlink-follow")]
        const SYMLINK_FOLLOW;
    }
}

flags! {
    OpenFlags {
        #[component(name = "create")]
        const CREATE;
        #[component(name = "directory")]
        const DIRECTORY;
        #[component(name = "exclusive")]
        const EXCLUSIVE;
        #[component(name = "truncate")]
        const TRUNCATE;
    }
}

flags! {
    DescriptorFlags {
        #[component(name = "read")]
        const READ;
        #[component(name = "write")]
        const WRITE;
        #[component(name = "file-integrity-sync")]
        const FILE_INTEGRITY_SYNC;
        #[component(name = "data-integrity-sync")]
        const DATA_INTEGRITY_SYNC;
        #[component(name = "requested-write-sync")]
        const REQUESTED_WRITE_SYNC;
        #[component(name = "mutate-directory")]
        const MUTATE_DIRECTORY;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "a guest gives it, and none of it changes anything")]
pub(super) enum Advice {
    #[component(name = "normal")]
    Normal,
    #[component(name = "sequential")]
    Sequential,
    #[component(name = "random")]
    Random,
    #[component(name = "will-need")]
    WillNeed,
    #[component(name = "dont-need")]
    DontNeed,
    #[component(name = "no-reuse")]
    NoReuse,
}

/// Lists the cases of an error code in WASI's order, which is part of its type.
macro_rules! codes {
    ($(#[$about:meta])* $code:ident: $($case:ident $name:literal),* $(,)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
        #[component(enum)]
        #[repr(u8)]
        #[allow(dead_code, reason = "the type has all of them")]
        pub(super) enum $code {
            $(#[component(name = $name)] $case,)*
        }
    };
}

codes! {
    /// Why something about files failed.
    ErrorCode:
    Access "access",
    WouldBlock "would-block",
    Already "already",
    BadDescriptor "bad-descriptor",
    Busy "busy",
    Deadlock "deadlock",
    Quota "quota",
    Exist "exist",
    FileTooLarge "file-too-large",
    IllegalByteSequence "illegal-byte-sequence",
    InProgress "in-progress",
    Interrupted "interrupted",
    Invalid "invalid",
    Io "io",
    IsDirectory "is-directory",
    Loop "loop",
    TooManyLinks "too-many-links",
    MessageSize "message-size",
    NameTooLong "name-too-long",
    NoDevice "no-device",
    NoEntry "no-entry",
    NoLock "no-lock",
    InsufficientMemory "insufficient-memory",
    InsufficientSpace "insufficient-space",
    NotDirectory "not-directory",
    NotEmpty "not-empty",
    NotRecoverable "not-recoverable",
    Unsupported "unsupported",
    NoTty "no-tty",
    NoSuchDevice "no-such-device",
    Overflow "overflow",
    NotPermitted "not-permitted",
    Pipe "pipe",
    ReadOnly "read-only",
    InvalidSeek "invalid-seek",
    TextFileBusy "text-file-busy",
    CrossDevice "cross-device",
}

codes! {
    /// Why something about the network failed.
    NetworkError:
    Unknown "unknown",
    AccessDenied "access-denied",
    NotSupported "not-supported",
    InvalidArgument "invalid-argument",
    OutOfMemory "out-of-memory",
    Timeout "timeout",
    ConcurrencyConflict "concurrency-conflict",
    NotInProgress "not-in-progress",
    WouldBlock "would-block",
    InvalidState "invalid-state",
    NewSocketLimit "new-socket-limit",
    AddressNotBindable "address-not-bindable",
    AddressInUse "address-in-use",
    RemoteUnreachable "remote-unreachable",
    ConnectionRefused "connection-refused",
    ConnectionReset "connection-reset",
    ConnectionAborted "connection-aborted",
    DatagramTooLarge "datagram-too-large",
    NameUnresolvable "name-unresolvable",
    TemporaryResolverFailure "temporary-resolver-failure",
    PermanentResolverFailure "permanent-resolver-failure",
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "a guest gives it, and gets no socket of either")]
pub(super) enum AddressFamily {
    #[component(name = "ipv4")]
    Ipv4,
    #[component(name = "ipv6")]
    Ipv6,
}

impl From<Errno> for ErrorCode {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ACCES => Self::Access,
            Errno::BADF => Self::BadDescriptor,
            Errno::EXIST => Self::Exist,
            Errno::FBIG => Self::FileTooLarge,
            Errno::ILSEQ => Self::IllegalByteSequence,
            Errno::INVAL => Self::Invalid,
            Errno::ISDIR => Self::IsDirectory,
            Errno::LOOP => Self::Loop,
            // Preview 2 has no word for too many open files.
            Errno::MFILE => Self::Quota,
            Errno::NAMETOOLONG => Self::NameTooLong,
            Errno::NOENT => Self::NoEntry,
            Errno::NOMEM => Self::InsufficientMemory,
            Errno::NOSPC => Self::InsufficientSpace,
            Errno::NOTDIR => Self::NotDirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::NOTSUP | Errno::NOSYS => Self::Unsupported,
            Errno::OVERFLOW => Self::Overflow,
            Errno::PERM | Errno::NOTCAPABLE => Self::NotPermitted,
            Errno::ROFS => Self::ReadOnly,
            Errno::SPIPE => Self::InvalidSeek,
            _ => Self::Io,
        }
    }
}
