//! Error numbers of WASI preview 1, and what the host's errors are in them.

use std::io;

/// Why a call failed, as the guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) u16);

impl Errno {
    pub(crate) const ACCES: Self = Self(2);
    pub(crate) const BADF: Self = Self(8);
    pub(crate) const EXIST: Self = Self(20);
    pub(crate) const FAULT: Self = Self(21);
    pub(crate) const FBIG: Self = Self(22);
    pub(crate) const ILSEQ: Self = Self(25);
    pub(crate) const INVAL: Self = Self(28);
    pub(crate) const IO: Self = Self(29);
    pub(crate) const ISDIR: Self = Self(31);
    pub(crate) const LOOP: Self = Self(32);
    pub(crate) const MFILE: Self = Self(33);
    pub(crate) const NAMETOOLONG: Self = Self(37);
    pub(crate) const NOENT: Self = Self(44);
    pub(crate) const NOMEM: Self = Self(48);
    pub(crate) const NOSPC: Self = Self(51);
    pub(crate) const NOSYS: Self = Self(52);
    pub(crate) const NOTDIR: Self = Self(54);
    pub(crate) const NOTEMPTY: Self = Self(55);
    pub(crate) const NOTSUP: Self = Self(58);
    pub(crate) const OVERFLOW: Self = Self(61);
    pub(crate) const PERM: Self = Self(63);
    pub(crate) const ROFS: Self = Self(69);
    pub(crate) const SPIPE: Self = Self(70);
    pub(crate) const NOTCAPABLE: Self = Self(76);
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        #[cfg(target_os = "linux")]
        if let Some(number) = error.raw_os_error() {
            return rustix::io::Errno::from_raw_os_error(number).into();
        }
        match error.kind() {
            Kind::NotFound => Self::NOENT,
            Kind::PermissionDenied => Self::ACCES,
            Kind::AlreadyExists => Self::EXIST,
            Kind::InvalidInput => Self::INVAL,
            Kind::StorageFull => Self::NOSPC,
            _ => Self::IO,
        }
    }
}

#[cfg(target_os = "linux")]
impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Self {
        use rustix::io::Errno as Host;
        match errno {
            Host::ACCESS => Self::ACCES,
            Host::EXIST => Self::EXIST,
            Host::FBIG => Self::FBIG,
            Host::INVAL => Self::INVAL,
            Host::ISDIR => Self::ISDIR,
            Host::LOOP => Self::LOOP,
            Host::MFILE | Host::NFILE => Self::MFILE,
            Host::NAMETOOLONG => Self::NAMETOOLONG,
            Host::NOENT | Host::NXIO => Self::NOENT,
            Host::NOMEM => Self::NOMEM,
            Host::NOSPC | Host::DQUOT => Self::NOSPC,
            Host::NOTDIR => Self::NOTDIR,
            Host::NOTEMPTY => Self::NOTEMPTY,
            Host::OVERFLOW => Self::OVERFLOW,
            Host::PERM => Self::PERM,
            Host::ROFS => Self::ROFS,
            Host::SPIPE => Self::SPIPE,
            // What leads out of the folder ends with this one.
            Host::XDEV => Self::NOTCAPABLE,
            Host::NOSYS | Host::OPNOTSUPP => Self::NOTSUP,
            _ => Self::IO,
        }
    }
}
