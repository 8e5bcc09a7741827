//! Packs folders into the archive that a kernel unpacks into memory when it starts (cpio, "newc").
//!
//! Like everything that goes through a folder which a guest may have had, it follows no link and opens plain files only.

use super::workspace::{DEEPEST, at, enter, look, name_of, names, open_file, root};
use rustix::fs::{FileType, readlinkat};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const DEVICE: u32 = 0o020_000;

/// Who owns what is packed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner {
    /// Whoever owns it on the host.
    Same,
    /// This user and group.
    User(u32),
}

/// An archive that is being written.
pub(crate) struct Cpio<W> {
    out: W,
    number: u32,
    /// What may still be packed, in bytes.
    left: u64,
    most: u64,
}

impl<W: Write> Cpio<W> {
    /// An archive of so many bytes of files at most.
    pub(crate) fn new(out: W, most: u64) -> Self {
        Self { out, number: 0, left: most, most }
    }

    fn header(&mut self, name: &[u8], mode: u32, owner: (u32, u32), size: u64, device: (u32, u32)) -> io::Result<()> {
        self.number += 1;
        let size = u32::try_from(size).map_err(|_| io::Error::other("a file of more than 4 GB"))?;
        let length = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        let (user, group) = owner;
        let fields = [self.number, mode, user, group, 1, 0, size, 0, 0, device.0, device.1, length, 0];
        self.out.write_all(b"070701")?;
        for field in fields {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(name)?;
        // The zero that ends the name, and as many as bring the header to a multiple of four.
        self.pad(110 + name.len() as u64, 1)
    }

    fn pad(&mut self, length: u64, least: u64) -> io::Result<()> {
        let count = least + (4 - (length + least) % 4) % 4;
        self.out.write_all([0; 8].get(..count as usize).unwrap_or_default())
    }

    fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            let most = self.most >> 20;
            io::Error::other(format!(
                "it is larger than the {most} MiB that a microVM takes into its memory; use gvisor"
            ))
        })?;
        Ok(())
    }

    /// A folder of root's.
    pub(crate) fn folder(&mut self, name: &str) -> io::Result<()> {
        self.header(name.as_bytes(), DIRECTORY | 0o755, (0, 0), 0, (0, 0))
    }

    /// A file of root's.
    pub(crate) fn file(&mut self, name: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.take(bytes.len() as u64)?;
        self.header(name.as_bytes(), FILE | mode, (0, 0), bytes.len() as u64, (0, 0))?;
        self.out.write_all(bytes)?;
        self.pad(bytes.len() as u64, 0)
    }

    /// A link of root's.
    pub(crate) fn link(&mut self, name: &str, target: &[u8]) -> io::Result<()> {
        self.header(name.as_bytes(), LINK | 0o777, (0, 0), target.len() as u64, (0, 0))?;
        self.out.write_all(target)?;
        self.pad(target.len() as u64, 0)
    }

    /// A character device.
    pub(crate) fn device(&mut self, name: &str, number: (u32, u32)) -> io::Result<()> {
        self.header(name.as_bytes(), DEVICE | 0o600, (0, 0), 0, number)
    }

    /// Everything below a folder of the host's, under this name.
    ///
    /// # Errors
    /// When something cannot be read, or it is more than the archive may hold.
    pub(crate) fn tree(&mut self, from: &Path, name: &str, owner: Owner) -> io::Result<()> {
        let folder = root(from)?;
        self.directory(&folder, name.as_bytes(), owner, 0).map_err(|error| at(&from.display().to_string(), error))
    }

    fn directory(&mut self, folder: &OwnedFd, name: &[u8], owner: Owner, depth: usize) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other("folders lie too deep in each other"));
        }
        let found = rustix::fs::fstat(folder)?;
        let owned = |found: &rustix::fs::Stat| match owner {
            Owner::Same => (found.st_uid, found.st_gid),
            Owner::User(user) => (user, user),
        };
        self.header(name, DIRECTORY | found.st_mode & 0o1777, owned(&found), 0, (0, 0))?;
        for entry in names(folder)? {
            let path = [name, b"/", entry.as_bytes()].concat();
            let packed = match look(folder, &entry)?.0 {
                FileType::Directory => self.directory(&enter(folder, &entry)?, &path, owner, depth + 1),
                FileType::Symlink => {
                    let target = readlinkat(folder, &entry, Vec::new())?.into_bytes();
                    let found = look(folder, &entry)?.1;
                    self.header(&path, LINK | 0o777, owned(&found), target.len() as u64, (0, 0))
                        .and_then(|()| self.out.write_all(&target))
                        .and_then(|()| self.pad(target.len() as u64, 0))
                }
                FileType::RegularFile => match open_file(folder, &entry)? {
                    Some((file, found)) => {
                        let size = u64::try_from(found.st_size).unwrap_or_default();
                        self.take(size)
                            .and_then(|()| {
                                self.header(&path, FILE | found.st_mode & 0o777, owned(&found), size, (0, 0))
                            })
                            .and_then(|()| self.contents(file, size))
                    }
                    None => Ok(()),
                },
                _ => Ok(()),
            };
            packed.map_err(|error| at(&name_of(&entry), error))?;
        }
        Ok(())
    }

    /// As many bytes as the header says, whatever became of the file since.
    fn contents(&mut self, file: impl Read, size: u64) -> io::Result<()> {
        let copied = io::copy(&mut file.take(size), &mut self.out)?;
        io::copy(&mut io::repeat(0).take(size - copied), &mut self.out)?;
        self.pad(size, 0)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.header(b"TRAILER!!!", 0, (0, 0), 0, (0, 0))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Names, modes and contents, read back as the kernel does.
    fn read(archive: &[u8]) -> Vec<(String, u32, u32, Vec<u8>)> {
        let (mut at, mut all) = (0, Vec::new());
        loop {
            let field = |index: usize| {
                let text = std::str::from_utf8(&archive[at + 6 + index * 8..at + 14 + index * 8]).unwrap();
                u32::from_str_radix(text, 16).unwrap()
            };
            assert_eq!(&archive[at..at + 6], b"070701");
            let (mode, user, size, length) = (field(1), field(2), field(6) as usize, field(11) as usize);
            let name = String::from_utf8(archive[at + 110..at + 110 + length - 1].to_vec()).unwrap();
            let data = (at + 110 + length).next_multiple_of(4);
            if name == "TRAILER!!!" {
                return all;
            }
            all.push((name, mode, user, archive[data..data + size].to_vec()));
            at = (data + size).next_multiple_of(4);
        }
    }

    #[test]
    fn a_tree_is_packed_without_following_links_and_without_set_id_bits() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/a"), "hello").unwrap();
        std::fs::set_permissions(folder.path().join("sub/a"), std::fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("/etc/passwd", folder.path().join("sub/link")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("sub/socket")).unwrap());
        let mut cpio = Cpio::new(Vec::new(), 100);
        cpio.tree(&folder.path().join("sub"), "ws", Owner::User(7)).unwrap();
        cpio.device("dev/null", (1, 3)).unwrap();
        let mut all = read(&cpio.finish().unwrap());
        all.sort();
        let all: Vec<_> = all.iter().map(|(name, mode, user, data)| (&**name, *mode, *user, &**data)).collect();
        assert_eq!(all[0], ("dev/null", 0o020_600, 0, &b""[..]));
        assert_eq!((all[1].0, all[1].1 & 0o170_000, all[1].2), ("ws", 0o040_000, 7));
        assert_eq!(all[2], ("ws/a", 0o100_755, 7, &b"hello"[..]));
        assert_eq!(all[3], ("ws/link", 0o120_777, 7, &b"/etc/passwd"[..]));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn an_archive_has_a_most() {
        let mut cpio = Cpio::new(Vec::new(), 4);
        assert!(cpio.file("a", 0o644, b"hello").unwrap_err().to_string().contains("gvisor"));
        cpio.file("b", 0o644, b"four").unwrap();
    }
}
