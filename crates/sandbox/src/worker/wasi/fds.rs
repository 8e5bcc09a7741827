//! The calls of WASI about open descriptors.

use super::errno::Errno;
use super::files::{About, Entry};
use super::folder::set_times;
use super::mem::Mem;
use super::nodes::{FOLDER, Node, REGULAR, UNKNOWN};
use super::{Done, Wasi};

/// Bytes moved by one call; a guest that wants more asks again.
const MOST_MOVED: u32 = 16 << 20;
const APPEND: u32 = 1;

pub(super) fn put_about(mem: &mut Mem<'_>, at: u32, about: &About) -> Done {
    let mut bytes = [0; 64];
    let numbers = [
        (0, about.device),
        (8, about.inode),
        (16, u64::from(about.kind)),
        (24, about.links),
        (32, about.size),
        (40, about.accessed),
        (48, about.modified),
        (56, about.changed),
    ];
    for (slot, (_, number)) in bytes.chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    mem.put(at, &bytes)
}

/// The times that a call wants to set: 1 this one and 2 now for the access, 4 and 8 for the change.
pub(super) fn times(accessed: u64, modified: u64, flags: u32, now: u64) -> Result<(Option<u64>, Option<u64>), Errno> {
    let one = |this: u32, given: u64| match (flags & this != 0, flags & (this << 1) != 0) {
        (true, true) => Err(Errno::INVAL),
        (true, false) => Ok(Some(given)),
        (false, true) => Ok(Some(now)),
        (false, false) => Ok(None),
    };
    Ok((one(1, accessed)?, one(4, modified)?))
}

impl Wasi {
    pub(crate) fn fd_advise(&mut self, _: &mut Mem<'_>, fd: u32, _: u64, _: u64, advice: u32) -> Done {
        match self.table.node(fd)? {
            Node::Open { .. } | Node::Text { .. } if advice <= 5 => Ok(()),
            Node::Open { .. } | Node::Text { .. } => Err(Errno::INVAL),
            _ => Err(Errno::BADF),
        }
    }

    pub(crate) fn fd_allocate(&mut self, _: &mut Mem<'_>, fd: u32, _: u64, _: u64) -> Done {
        self.table.node(fd)?;
        Err(Errno::NOTSUP)
    }

    pub(crate) fn fd_close(&mut self, _: &mut Mem<'_>, fd: u32) -> Done {
        self.table.close(fd)
    }

    /// What a guest writes is its host's to keep; making sure that a disk has it is not the guest's.
    pub(crate) fn fd_datasync(&mut self, _: &mut Mem<'_>, fd: u32) -> Done {
        self.table.node(fd).map(drop)
    }

    pub(crate) fn fd_sync(&mut self, mem: &mut Mem<'_>, fd: u32) -> Done {
        self.fd_datasync(mem, fd)
    }

    pub(crate) fn fd_fdstat_get(&mut self, mem: &mut Mem<'_>, fd: u32, at: u32) -> Done {
        const ALL: u64 = (1 << 30) - 1;
        // Reading and polling; writing and polling.
        const READS: u64 = 1 << 1 | 1 << 27;
        const WRITES: u64 = 1 << 6 | 1 << 27;
        let (kind, append, rights) = match self.table.node(fd)? {
            Node::Text { seeks: true, .. } => (REGULAR, false, READS | 1 << 2 | 1 << 5 | 1 << 21),
            Node::Text { .. } => (UNKNOWN, false, READS),
            Node::Printer { .. } => (UNKNOWN, false, WRITES),
            Node::Shelf | Node::Folder { .. } => (FOLDER, false, ALL & !WRITES),
            Node::Open { read, write, append, .. } => {
                let rights = if *read { ALL & !(1 << 6) } else { ALL & !(1 << 1) & !(1 << 6) };
                (REGULAR, *append, if *write { rights | 1 << 6 } else { rights })
            }
        };
        let mut bytes = [0; 24];
        bytes[0] = kind;
        bytes[2] = u8::from(append);
        bytes[8..16].copy_from_slice(&rights.to_le_bytes());
        bytes[16..].copy_from_slice(&ALL.to_le_bytes());
        mem.put(at, &bytes)
    }

    pub(crate) fn fd_fdstat_set_flags(&mut self, _: &mut Mem<'_>, fd: u32, flags: u32) -> Done {
        match self.table.node(fd)? {
            // Whether it goes to the end each time is decided when it is opened.
            Node::Open { append, .. } if u32::from(*append) == flags & APPEND => Ok(()),
            Node::Open { .. } => Err(Errno::NOTSUP),
            _ => Ok(()),
        }
    }

    pub(crate) fn fd_fdstat_set_rights(&mut self, _: &mut Mem<'_>, fd: u32, _: u64, _: u64) -> Done {
        // Giving up rights that nobody else could use changes nothing.
        self.table.node(fd).map(drop)
    }

    pub(crate) fn fd_filestat_get(&mut self, mem: &mut Mem<'_>, fd: u32, at: u32) -> Done {
        let about = self.table.about(fd)?;
        put_about(mem, at, &about)
    }

    pub(crate) fn fd_filestat_set_size(&mut self, _: &mut Mem<'_>, fd: u32, size: u64) -> Done {
        self.table.resize(fd, size)
    }

    pub(crate) fn fd_filestat_set_times(
        &mut self,
        _: &mut Mem<'_>,
        fd: u32,
        accessed: u64,
        modified: u64,
        flags: u32,
    ) -> Done {
        let (accessed, modified) = times(accessed, modified, flags, self.today())?;
        self.touch(fd, accessed, modified)
    }

    /// Sets when an open file was read and written, in nanoseconds since 1970; nothing leaves it as it is.
    pub(crate) fn touch(&mut self, fd: u32, accessed: Option<u64>, modified: Option<u64>) -> Done {
        match self.table.node(fd)? {
            Node::Open { file, write: true, .. } => set_times(file, accessed, modified),
            _ => Err(Errno::BADF),
        }
    }

    fn read_pieces(&mut self, mem: &mut Mem<'_>, fd: u32, pieces: u32, count: u32) -> Result<u32, Errno> {
        let mut sum = 0u32;
        for (at, length) in mem.pieces(pieces, count)? {
            let length = length.min(MOST_MOVED - sum);
            let read = self.table.read(fd, mem.get_mut(at, length)?)? as u32;
            sum += read;
            if read < length || sum == MOST_MOVED {
                break;
            }
        }
        Ok(sum)
    }

    fn write_pieces(&mut self, mem: &mut Mem<'_>, fd: u32, pieces: u32, count: u32) -> Result<u32, Errno> {
        let mut sum = 0u32;
        for (at, length) in mem.pieces(pieces, count)? {
            let length = length.min(MOST_MOVED - sum);
            // What was written before an error counts, so that the guest knows where it stands.
            let written = match self.table.write(fd, mem.get(at, length)?) {
                Err(_) if sum > 0 => break,
                written => written? as u32,
            };
            sum += written;
            if written < length || sum == MOST_MOVED {
                break;
            }
        }
        Ok(sum)
    }

    pub(crate) fn fd_read(&mut self, mem: &mut Mem<'_>, fd: u32, pieces: u32, count: u32, read: u32) -> Done {
        let sum = self.read_pieces(mem, fd, pieces, count)?;
        mem.put_u32(read, sum)
    }

    pub(crate) fn fd_write(&mut self, mem: &mut Mem<'_>, fd: u32, pieces: u32, count: u32, written: u32) -> Done {
        let sum = self.write_pieces(mem, fd, pieces, count)?;
        mem.put_u32(written, sum)
    }

    pub(crate) fn fd_pread(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        pieces: u32,
        count: u32,
        offset: u64,
        read: u32,
    ) -> Done {
        let here = self.table.seek(fd, 0, 1)?;
        self.table.seek(fd, i64::try_from(offset).map_err(|_| Errno::INVAL)?, 0)?;
        let sum = self.read_pieces(mem, fd, pieces, count);
        self.table.seek(fd, i64::try_from(here).map_err(|_| Errno::INVAL)?, 0)?;
        mem.put_u32(read, sum?)
    }

    pub(crate) fn fd_pwrite(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        pieces: u32,
        count: u32,
        offset: u64,
        written: u32,
    ) -> Done {
        let here = self.table.seek(fd, 0, 1)?;
        self.table.seek(fd, i64::try_from(offset).map_err(|_| Errno::INVAL)?, 0)?;
        let sum = self.write_pieces(mem, fd, pieces, count);
        self.table.seek(fd, i64::try_from(here).map_err(|_| Errno::INVAL)?, 0)?;
        mem.put_u32(written, sum?)
    }

    pub(crate) fn fd_prestat_get(&mut self, mem: &mut Mem<'_>, fd: u32, at: u32) -> Done {
        let path = self.table.slot(fd)?.preopen.ok_or(Errno::BADF)?;
        mem.put_u64(at, (path.len() as u64) << 32)
    }

    pub(crate) fn fd_prestat_dir_name(&mut self, mem: &mut Mem<'_>, fd: u32, at: u32, length: u32) -> Done {
        let path = self.table.slot(fd)?.preopen.ok_or(Errno::BADF)?;
        if (length as usize) < path.len() {
            return Err(Errno::NAMETOOLONG);
        }
        mem.put(at, path.as_bytes())
    }

    /// Entries from the cookie on, the last one cut where it does not fit.
    pub(crate) fn fd_readdir(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        at: u32,
        length: u32,
        cookie: u64,
        used: u32,
    ) -> Done {
        let alone: Vec<Entry>;
        let entries = match self.table.node(fd)? {
            Node::Folder { folder, entries } => {
                if cookie == 0 {
                    *entries = folder.list()?;
                }
                &*entries
            }
            _ => {
                alone = self.table.entries(fd)?;
                &alone
            }
        };
        let first = usize::try_from(cookie).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        for (index, entry) in entries.iter().enumerate().skip(first) {
            if bytes.len() >= length as usize {
                break;
            }
            bytes.extend_from_slice(&(index as u64 + 1).to_le_bytes());
            bytes.extend_from_slice(&entry.inode.to_le_bytes());
            bytes.extend_from_slice(&(entry.name.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&[entry.kind, 0, 0, 0]);
            bytes.extend_from_slice(&entry.name);
        }
        bytes.truncate(length as usize);
        mem.put(at, &bytes)?;
        mem.put_u32(used, bytes.len() as u32)
    }

    pub(crate) fn fd_renumber(&mut self, _: &mut Mem<'_>, from: u32, to: u32) -> Done {
        self.table.renumber(from, to)
    }

    pub(crate) fn fd_seek(&mut self, mem: &mut Mem<'_>, fd: u32, offset: i64, whence: u32, at: u32) -> Done {
        let place = self.table.seek(fd, offset, whence)?;
        mem.put_u64(at, place)
    }

    pub(crate) fn fd_tell(&mut self, mem: &mut Mem<'_>, fd: u32, at: u32) -> Done {
        self.fd_seek(mem, fd, 0, 1, at)
    }
}
