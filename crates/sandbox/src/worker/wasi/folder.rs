//! The one folder of the host's that a guest may see. Every path is resolved beneath it by the kernel, in one call,
//! so that neither `..`, nor a link, nor a folder that is swapped while somebody looks leads out of it.
//!
//! Only plain files and folders are opened, without waiting: not FIFOs, which would never return, nor devices and
//! sockets, which are doors to elsewhere. Links are read and never made.

use super::errno::Errno;
use super::files::{About, Entry, How, Opened};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps};
use std::os::fd::{AsFd, OwnedFd};

/// Entries of one folder that are listed; a folder with more is cut.
const MOST_ENTRIES: usize = 50_000;

/// A folder within the workspace.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    pub(crate) writable: bool,
}

fn kind_of(kind: FileType) -> u8 {
    match kind {
        FileType::BlockDevice => 1,
        FileType::CharacterDevice => 2,
        FileType::Directory => 3,
        FileType::RegularFile => 4,
        FileType::Socket => 6,
        FileType::Symlink => 7,
        FileType::Fifo | FileType::Unknown => 0,
    }
}

#[allow(clippy::unnecessary_cast, reason = "machines differ in the width of these fields")]
fn about(found: &Stat) -> About {
    let moment = |seconds: i64, nanoseconds: u64| {
        seconds.max(0).cast_unsigned().saturating_mul(1_000_000_000).saturating_add(nanoseconds)
    };
    About {
        device: found.st_dev,
        inode: found.st_ino,
        kind: kind_of(FileType::from_raw_mode(found.st_mode)),
        links: found.st_nlink as u64,
        size: found.st_size.max(0).cast_unsigned(),
        accessed: moment(found.st_atime, found.st_atime_nsec),
        modified: moment(found.st_mtime, found.st_mtime_nsec),
        changed: moment(found.st_ctime, found.st_ctime_nsec),
    }
}

/// What is known of an open file.
pub(crate) fn about_file(file: &impl AsFd) -> Result<About, Errno> {
    Ok(about(&fs::fstat(file)?))
}

/// Sets when a file was read and written, in nanoseconds since 1970; nothing leaves it as it is.
pub(crate) fn set_times(file: &impl AsFd, accessed: Option<u64>, modified: Option<u64>) -> Result<(), Errno> {
    Ok(fs::futimens(file, &times(accessed, modified))?)
}

fn times(accessed: Option<u64>, modified: Option<u64>) -> Timestamps {
    let moment = |nanoseconds: Option<u64>| match nanoseconds {
        None => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        Some(all) => Timespec {
            tv_sec: i64::try_from(all / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (all % 1_000_000_000) as _,
        },
    };
    Timestamps { last_access: moment(accessed), last_modification: moment(modified) }
}

impl Folder {
    /// The workspace itself.
    pub(crate) fn open(path: &std::path::Path, writable: bool) -> std::io::Result<Self> {
        let fd = fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fd, writable })
    }

    pub(crate) fn same(&self) -> Result<Self, Errno> {
        Ok(Self { fd: self.fd.try_clone()?, writable: self.writable })
    }

    fn beneath(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        // The kernel gives up where somebody renames folders in the middle of it; a few times is enough.
        for _ in 0..64 {
            match fs::openat2(&self.fd, path, flags, mode, resolve) {
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
        Err(Errno::LOOP)
    }

    /// Looks at a path without opening it.
    fn spot(&self, path: &str, follow: bool) -> Result<OwnedFd, Errno> {
        let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        self.beneath(path, flags, Mode::empty())
    }

    pub(crate) fn open_at(&self, path: &str, how: How) -> Result<Opened, Errno> {
        let writes = how.write || how.create || how.truncate || how.append;
        if writes && !self.writable {
            return Err(Errno::ROFS);
        }
        // Looked at first: opening a device does something already.
        let there = match self.spot(path, how.follow) {
            Ok(spot) => Some(kind_of(FileType::from_raw_mode(fs::fstat(&spot)?.st_mode))),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error),
        };
        match there {
            None if !how.create => return Err(Errno::NOENT),
            Some(_) if how.create && how.exclusive => return Err(Errno::EXIST),
            Some(7) => return Err(Errno::LOOP),
            Some(3) if how.write || how.truncate => return Err(Errno::ISDIR),
            Some(4) | None if how.folder => return Err(Errno::NOTDIR),
            Some(3 | 4) | None => {}
            Some(_) => return Err(Errno::ACCES),
        }
        let mut flags = match (how.read, how.write) {
            (_, false) => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (true, true) => OFlags::RDWR,
        };
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
        for (set, flag) in [
            (how.create, OFlags::CREATE),
            (how.create && how.exclusive, OFlags::EXCL),
            (how.truncate, OFlags::TRUNC),
            (how.append, OFlags::APPEND),
            (how.folder || there == Some(3), OFlags::DIRECTORY),
            (!how.follow, OFlags::NOFOLLOW),
        ] {
            flags.set(flag, set);
        }
        if there == Some(3) {
            flags.remove(OFlags::CREATE);
        }
        let mode = if how.create { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        let fd = self.beneath(path, flags, mode)?;
        // It may be another one by now.
        match FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) {
            FileType::Directory => Ok(Opened::Folder(Self { fd, writable: self.writable })),
            FileType::RegularFile => Ok(Opened::File(fd.into())),
            _ => Err(Errno::ACCES),
        }
    }

    /// The folder that a path's last part is in, and that part.
    fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str), Errno> {
        if !self.writable {
            return Err(Errno::ROFS);
        }
        let path = path.trim_end_matches('/');
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        if matches!(name, "" | "." | "..") {
            return Err(Errno::INVAL);
        }
        let parent = if parent.is_empty() { "/" } else { parent };
        Ok((self.beneath(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?, name))
    }

    pub(crate) fn make_folder(&self, path: &str) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        Ok(fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?)
    }

    pub(crate) fn unlink(&self, path: &str, folder: bool) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        let flags = if folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        Ok(fs::unlinkat(parent, name, flags)?)
    }

    pub(crate) fn rename(&self, from: &str, to: &Self, target: &str) -> Result<(), Errno> {
        let ((old, name), (new, new_name)) = (self.parent(from)?, to.parent(target)?);
        Ok(fs::renameat(old, name, new, new_name)?)
    }

    pub(crate) fn about(&self, path: &str, follow: bool) -> Result<About, Errno> {
        about_file(&self.spot(path, follow)?)
    }

    pub(crate) fn about_itself(&self) -> Result<About, Errno> {
        about_file(&self.fd)
    }

    pub(crate) fn set_times(
        &self,
        path: &str,
        follow: bool,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> Result<(), Errno> {
        let how = How { read: true, follow, ..How::default() };
        if !self.writable {
            return Err(Errno::ROFS);
        }
        match self.open_at(path, how)? {
            Opened::File(file) => set_times(&file, accessed, modified),
            Opened::Folder(folder) => set_times(&folder.fd, accessed, modified),
        }
    }

    /// Where a link points, as it stands there.
    pub(crate) fn link(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let spot = self.spot(path, false)?;
        if FileType::from_raw_mode(fs::fstat(&spot)?.st_mode) != FileType::Symlink {
            return Err(Errno::INVAL);
        }
        Ok(fs::readlinkat(&spot, "", Vec::new())?.into_bytes())
    }

    /// What is in it, `.` and `..` left out.
    pub(crate) fn list(&self) -> Result<Vec<Entry>, Errno> {
        let mut all = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes().to_vec();
            if name == b"." || name == b".." {
                continue;
            }
            if all.len() >= MOST_ENTRIES {
                break;
            }
            all.push(Entry { inode: entry.ino(), kind: kind_of(entry.file_type()), name });
        }
        Ok(all)
    }
}
