//! The calls of WASI about paths. Each begins at a folder that the guest has, and ends beneath it.

#![expect(clippy::too_many_arguments, reason = "WASI's, not ours")]

use super::errno::Errno;
use super::fds::{put_about, times};
use super::files::{About, How, Opened};
use super::folder::Folder;
use super::mem::Mem;
use super::nodes::{FOLDER, Node, REGULAR, plain};
use super::{Done, Wasi};
use std::sync::Arc;

const FOLLOW: u32 = 1;

impl Wasi {
    fn folder(&mut self, fd: u32) -> Result<&Folder, Errno> {
        match self.table.node(fd)? {
            Node::Folder { folder, .. } => Ok(folder),
            // The script's folder is not for changing.
            Node::Shelf => Err(Errno::ROFS),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// What a path on the shelf is: the shelf itself, the script, or nothing. Nothing at all where the descriptor is no
    /// shelf.
    fn on_shelf(&mut self, fd: u32, path: &str) -> Option<Result<Option<Arc<[u8]>>, Errno>> {
        if !matches!(self.table.node(fd), Ok(Node::Shelf)) {
            return None;
        }
        let path = path.trim_start_matches("./");
        Some(match &self.table.script {
            _ if matches!(path, "" | ".") => Ok(None),
            Some((name, text)) if name == path => Ok(Some(Arc::clone(text))),
            _ => Err(Errno::NOENT),
        })
    }

    /// Makes a folder, which takes a file's share of the disk.
    pub(crate) fn make_folder(&mut self, fd: u32, path: &str) -> Done {
        self.folder(fd)?;
        self.table.charge_file()?;
        self.folder(fd)?.make_folder(path)
    }

    /// What is known of what a path leads to, or where it is a link that is not to be followed, of the link.
    pub(crate) fn about_path(&mut self, fd: u32, path: &str, follow: bool) -> Result<About, Errno> {
        match self.on_shelf(fd, path) {
            Some(found) => Ok(found?.map_or(plain(FOLDER, 0), |text| plain(REGULAR, text.len() as u64))),
            None => self.folder(fd)?.about(path, follow),
        }
    }

    /// Sets when it was read and written, in nanoseconds since 1970; nothing leaves it as it is.
    pub(crate) fn touch_path(
        &mut self,
        fd: u32,
        path: &str,
        follow: bool,
        accessed: Option<u64>,
        modified: Option<u64>,
    ) -> Done {
        self.folder(fd)?.set_times(path, follow, accessed, modified)
    }

    /// Opens a path; the number of its descriptor.
    pub(crate) fn open(&mut self, fd: u32, path: &str, mut how: How) -> Result<u32, Errno> {
        let node = match self.on_shelf(fd, path) {
            Some(_) if how.write || how.create || how.truncate => return Err(Errno::ROFS),
            Some(found) => match found? {
                None => Node::Shelf,
                Some(_) if how.folder => return Err(Errno::NOTDIR),
                Some(bytes) => Node::Text { bytes, at: 0, seeks: true },
            },
            None => {
                // Libraries ask for every right when they open a folder; a folder is never written itself.
                if how.folder {
                    how.write = false;
                }
                if how.create && matches!(self.folder(fd)?.about(path, how.follow), Err(Errno::NOENT)) {
                    self.table.charge_file()?;
                }
                match self.folder(fd)?.open_at(path, how)? {
                    Opened::Folder(folder) => Node::Folder { folder, entries: Vec::new() },
                    Opened::File(file) => {
                        Node::Open { file: Arc::new(file), read: how.read, write: how.write, append: how.append }
                    }
                }
            }
        };
        self.table.add(node)
    }

    /// Where a link points, as it stands there.
    pub(crate) fn link(&mut self, fd: u32, path: &str) -> Result<Vec<u8>, Errno> {
        match self.on_shelf(fd, path) {
            Some(found) => found.and(Err(Errno::INVAL)),
            None => self.folder(fd)?.link(path),
        }
    }

    /// Removes a file, or an empty folder.
    pub(crate) fn unlink(&mut self, fd: u32, path: &str, folder: bool) -> Done {
        self.folder(fd)?.unlink(path, folder)
    }

    /// Moves a file or folder to a path in another folder.
    pub(crate) fn rename(&mut self, fd: u32, path: &str, to: u32, new: &str) -> Done {
        let target = self.folder(to)?.same()?;
        self.folder(fd)?.rename(path, &target, new)
    }
}

/// The calls of preview 1.
impl Wasi {
    pub(crate) fn path_create_directory(&mut self, mem: &mut Mem<'_>, fd: u32, path: u32, length: u32) -> Done {
        let path = mem.text(path, length)?;
        self.make_folder(fd, &path)
    }

    pub(crate) fn path_filestat_get(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        at: u32,
    ) -> Done {
        let path = mem.text(path, length)?;
        let about = self.about_path(fd, &path, lookup & FOLLOW != 0)?;
        put_about(mem, at, &about)
    }

    pub(crate) fn path_filestat_set_times(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        accessed: u64,
        modified: u64,
        flags: u32,
    ) -> Done {
        let (accessed, modified) = times(accessed, modified, flags, self.today())?;
        let path = mem.text(path, length)?;
        self.touch_path(fd, &path, lookup & FOLLOW != 0, accessed, modified)
    }

    /// A hard link would give a file of the workspace a second name that limits do not know.
    pub(crate) fn path_link(
        &mut self,
        _: &mut Mem<'_>,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
    ) -> Done {
        Err(Errno::NOTSUP)
    }

    /// A symbolic link could lead out for whoever reads the workspace later.
    pub(crate) fn path_symlink(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn path_open(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        open: u32,
        base: u64,
        _inheriting: u64,
        flags: u32,
        at: u32,
    ) -> Done {
        // Reading a file or a folder; writing, making room, setting the size.
        const READS: u64 = 1 << 1 | 1 << 14;
        const WRITES: u64 = 1 << 6 | 1 << 8 | 1 << 22;
        let path = mem.text(path, length)?;
        let how = How {
            read: base & READS != 0,
            write: base & WRITES != 0,
            create: open & 1 != 0,
            folder: open & 2 != 0,
            exclusive: open & 4 != 0,
            truncate: open & 8 != 0,
            append: flags & 1 != 0,
            follow: lookup & FOLLOW != 0,
        };
        let number = self.open(fd, &path, how)?;
        mem.put_u32(at, number)
    }

    pub(crate) fn path_readlink(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        path: u32,
        length: u32,
        at: u32,
        room: u32,
        used: u32,
    ) -> Done {
        let path = mem.text(path, length)?;
        let mut link = self.link(fd, &path)?;
        link.truncate(room as usize);
        mem.put(at, &link)?;
        mem.put_u32(used, link.len() as u32)
    }

    pub(crate) fn path_remove_directory(&mut self, mem: &mut Mem<'_>, fd: u32, path: u32, length: u32) -> Done {
        let path = mem.text(path, length)?;
        self.unlink(fd, &path, true)
    }

    pub(crate) fn path_rename(
        &mut self,
        mem: &mut Mem<'_>,
        fd: u32,
        path: u32,
        length: u32,
        to: u32,
        new: u32,
        new_length: u32,
    ) -> Done {
        let (path, new) = (mem.text(path, length)?, mem.text(new, new_length)?);
        self.rename(fd, &path, to, &new)
    }

    pub(crate) fn path_unlink_file(&mut self, mem: &mut Mem<'_>, fd: u32, path: u32, length: u32) -> Done {
        let path = mem.text(path, length)?;
        self.unlink(fd, &path, false)
    }
}
