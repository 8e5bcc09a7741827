//! What a guest's descriptors stand for, and reading and writing through them.

use super::errno::Errno;
use super::files::{About, Entry};
use super::folder::Folder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

/// The folder that holds a guest's script, and nothing else.
pub(crate) const SHELF: &str = "/script";

/// A kind of file, as WASI numbers them.
pub(crate) const UNKNOWN: u8 = 0;
pub(crate) const FOLDER: u8 = 3;
pub(crate) const REGULAR: u8 = 4;

/// A new file's share of the disk limit, in bytes: it takes room even when it is empty.
const FILE_COST: u64 = 4096;

#[derive(Debug)]
pub(crate) enum Node {
    /// Bytes in memory: the standard input, or the script.
    Text { bytes: Arc<[u8]>, at: u64, seeks: bool },
    /// Standard output, or standard error.
    Printer { error: bool },
    /// The folder of the script.
    Shelf,
    /// A folder of the workspace; its entries as they were when the guest began to read them.
    Folder { folder: Folder, entries: Vec<Entry> },
    /// A file of the workspace; streams of preview 2 have it open too.
    Open { file: Arc<File>, read: bool, write: bool, append: bool },
}

/// A descriptor.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) node: Node,
    /// Its path, where the guest has it from the beginning.
    pub(crate) preopen: Option<&'static str>,
}

/// All descriptors, and what is printed and written through them.
#[derive(Debug)]
pub(crate) struct Table {
    slots: BTreeMap<u32, Slot>,
    most: usize,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// What may still be printed on both, in bytes.
    pub(crate) output: usize,
    pub(crate) truncated: bool,
    /// The largest file, and what may still be written in all, in bytes.
    pub(crate) file_size: u64,
    pub(crate) disk: u64,
    /// The script's name and text.
    pub(crate) script: Option<(String, Arc<[u8]>)>,
}

impl Table {
    pub(crate) fn new(stdin: Arc<[u8]>, most: usize, output: usize, file_size: u64, disk: u64) -> Self {
        let mut table = Self {
            slots: BTreeMap::new(),
            most: most.max(8),
            stdout: Vec::new(),
            stderr: Vec::new(),
            output,
            truncated: false,
            file_size,
            disk,
            script: None,
        };
        let standard = [
            Node::Text { bytes: stdin, at: 0, seeks: false },
            Node::Printer { error: false },
            Node::Printer { error: true },
        ];
        for (number, node) in (0u32..).zip(standard) {
            table.slots.insert(number, Slot { node, preopen: None });
        }
        table
    }

    /// Adds a folder that the guest has from the beginning.
    pub(crate) fn preopen(&mut self, path: &'static str, node: Node) {
        let number = self.slots.keys().next_back().map_or(0, |last| last + 1);
        self.slots.insert(number, Slot { node, preopen: Some(path) });
    }

    /// The folders that a guest has from the beginning, and their paths.
    pub(crate) fn preopened(&self) -> Vec<(u32, &'static str)> {
        self.slots.iter().filter_map(|(number, slot)| Some((*number, slot.preopen?))).collect()
    }

    pub(crate) fn slot(&self, fd: u32) -> Result<&Slot, Errno> {
        self.slots.get(&fd).ok_or(Errno::BADF)
    }

    pub(crate) fn node(&mut self, fd: u32) -> Result<&mut Node, Errno> {
        self.slots.get_mut(&fd).map(|slot| &mut slot.node).ok_or(Errno::BADF)
    }

    /// The lowest number that is free, for this.
    pub(crate) fn add(&mut self, node: Node) -> Result<u32, Errno> {
        if self.slots.len() >= self.most {
            return Err(Errno::MFILE);
        }
        let free = (0u32..).find(|number| !self.slots.contains_key(number)).ok_or(Errno::MFILE)?;
        self.slots.insert(free, Slot { node, preopen: None });
        Ok(free)
    }

    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.slots.remove(&fd).map(drop).ok_or(Errno::BADF)
    }

    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        if !self.slots.contains_key(&to) {
            return Err(Errno::BADF);
        }
        let slot = self.slots.remove(&from).ok_or(Errno::BADF)?;
        self.slots.insert(to, slot);
        Ok(())
    }

    /// A new file takes its share of the disk.
    pub(crate) fn charge_file(&mut self) -> Result<(), Errno> {
        self.disk = self.disk.checked_sub(FILE_COST).ok_or(Errno::NOSPC)?;
        Ok(())
    }

    /// Reads some bytes; none at the end.
    pub(crate) fn read(&mut self, fd: u32, into: &mut [u8]) -> Result<usize, Errno> {
        match self.node(fd)? {
            Node::Text { bytes, at, .. } => {
                let rest = usize::try_from(*at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let count = rest.len().min(into.len());
                into.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
                *at += count as u64;
                Ok(count)
            }
            Node::Open { file, read: true, .. } => Ok((&**file).read(into)?),
            Node::Shelf | Node::Folder { .. } => Err(Errno::ISDIR),
            Node::Open { .. } | Node::Printer { .. } => Err(Errno::BADF),
        }
    }

    /// Reads up to so many bytes from a place in a file or text on; none at its end.
    pub(crate) fn piece(&mut self, fd: u32, at: u64, most: usize) -> Result<Vec<u8>, Errno> {
        match self.node(fd)? {
            Node::Text { bytes, seeks: true, .. } => Ok(piece_of_text(bytes, at, most)),
            Node::Open { file, read: true, .. } => piece_of_file(file, at, most),
            Node::Shelf | Node::Folder { .. } => Err(Errno::ISDIR),
            Node::Open { .. } | Node::Printer { .. } | Node::Text { .. } => Err(Errno::BADF),
        }
    }

    /// What is in a folder.
    pub(crate) fn entries(&mut self, fd: u32) -> Result<Vec<Entry>, Errno> {
        let script = self.script.as_ref().map(|(name, _)| name.clone());
        let entry = |name: String| Entry { inode: 1, kind: REGULAR, name: name.into_bytes() };
        match self.node(fd)? {
            Node::Folder { folder, .. } => folder.list(),
            Node::Shelf => Ok(script.into_iter().map(entry).collect()),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Writes some bytes. What is printed over the limit counts as written, so that a guest that prints too much goes
    /// on and its output is marked as cut.
    pub(crate) fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<usize, Errno> {
        match self.node(fd)? {
            Node::Printer { error } => {
                let error = *error;
                self.print(error, bytes);
                Ok(bytes.len())
            }
            Node::Open { file, write: true, append, .. } => {
                let file = Arc::clone(file);
                let at = if *append { file.metadata()?.len() } else { (&*file).stream_position()? };
                self.write_here(&file, at, bytes)
            }
            Node::Shelf | Node::Folder { .. } => Err(Errno::ISDIR),
            Node::Open { .. } | Node::Text { .. } => Err(Errno::BADF),
        }
    }

    /// Writes to a file where it stands, which is this place, as much as limits leave room for.
    fn write_here(&mut self, mut file: &File, at: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let room = self.file_size.saturating_sub(at);
        if room == 0 && !bytes.is_empty() {
            return Err(Errno::FBIG);
        }
        if self.disk == 0 && !bytes.is_empty() {
            return Err(Errno::NOSPC);
        }
        let most = usize::try_from(room.min(self.disk)).unwrap_or(usize::MAX).min(bytes.len());
        let written = file.write(bytes.get(..most).unwrap_or_default())?;
        self.disk = self.disk.saturating_sub(written as u64);
        Ok(written)
    }

    /// Writes all of these bytes to a file from a place on, or from its end. What was written before an error stays, and
    /// the place moves on by that much.
    pub(crate) fn write_all(
        &mut self,
        mut file: &File,
        place: &mut Option<u64>,
        mut bytes: &[u8],
    ) -> Result<(), Errno> {
        let mut at = file.seek(place.map_or(SeekFrom::End(0), SeekFrom::Start))?;
        while !bytes.is_empty() {
            let written = self.write_here(file, at, bytes)?;
            if written == 0 {
                return Err(Errno::IO);
            }
            at = at.saturating_add(written as u64);
            if let Some(place) = place {
                *place = at;
            }
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    pub(crate) fn print(&mut self, error: bool, bytes: &[u8]) {
        let kept = bytes.len().min(self.output);
        self.output -= kept;
        self.truncated |= kept < bytes.len();
        let stream = if error { &mut self.stderr } else { &mut self.stdout };
        stream.extend_from_slice(bytes.get(..kept).unwrap_or_default());
    }

    /// Moves to another place: 0 from the beginning, 1 from here, 2 from the end. Where it is then.
    pub(crate) fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Result<u64, Errno> {
        match self.node(fd)? {
            Node::Text { bytes, at, seeks: true } => {
                let from = match whence {
                    0 => 0,
                    1 => *at,
                    2 => bytes.len() as u64,
                    _ => return Err(Errno::INVAL),
                };
                *at = from.checked_add_signed(offset).ok_or(Errno::INVAL)?;
                Ok(*at)
            }
            Node::Open { file, .. } => {
                let to = match whence {
                    0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::INVAL)?),
                    1 => SeekFrom::Current(offset),
                    2 => SeekFrom::End(offset),
                    _ => return Err(Errno::INVAL),
                };
                Ok((&**file).seek(to)?)
            }
            Node::Text { .. } | Node::Printer { .. } => Err(Errno::SPIPE),
            Node::Shelf | Node::Folder { .. } => Err(Errno::BADF),
        }
    }

    /// Makes a file longer or shorter.
    pub(crate) fn resize(&mut self, fd: u32, size: u64) -> Result<(), Errno> {
        let (file_size, disk) = (self.file_size, self.disk);
        let Node::Open { file, write: true, .. } = self.node(fd)? else { return Err(Errno::BADF) };
        let grown = size.saturating_sub(file.metadata()?.len());
        if size > file_size {
            return Err(Errno::FBIG);
        }
        if grown > disk {
            return Err(Errno::NOSPC);
        }
        file.set_len(size)?;
        self.disk -= grown;
        Ok(())
    }

    /// What is known of a descriptor.
    pub(crate) fn about(&mut self, fd: u32) -> Result<About, Errno> {
        match self.node(fd)? {
            Node::Open { file, .. } => super::folder::about_file(file),
            Node::Folder { folder, .. } => folder.about_itself(),
            Node::Shelf => Ok(plain(FOLDER, 0)),
            Node::Text { bytes, seeks: true, .. } => Ok(plain(REGULAR, bytes.len() as u64)),
            Node::Text { .. } | Node::Printer { .. } => Ok(plain(UNKNOWN, 0)),
        }
    }
}

/// Up to so many bytes of a text from a place on.
pub(crate) fn piece_of_text(text: &[u8], at: u64, most: usize) -> Vec<u8> {
    let rest = usize::try_from(at).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    rest.get(..most).unwrap_or(rest).to_vec()
}

/// The same of a file. It moves the place where the file stands.
pub(crate) fn piece_of_file(mut file: &File, at: u64, most: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; most];
    file.seek(SeekFrom::Start(at))?;
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// What is known of something that exists only here.
pub(crate) fn plain(kind: u8, size: u64) -> About {
    About { device: 0, inode: u64::from(kind), kind, links: 1, size, accessed: 0, modified: 0, changed: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(output: usize) -> Table {
        Table::new(Arc::from(&b"input"[..]), 8, output, 100, 10_000)
    }

    #[test]
    fn the_standard_streams_are_what_they_are() {
        let (mut table, mut bytes) = (table(6), [0; 10]);
        assert_eq!((table.read(0, &mut bytes), &bytes[..5]), (Ok(5), &b"input"[..]));
        assert_eq!((table.read(0, &mut bytes), table.read(1, &mut bytes)), (Ok(0), Err(Errno::BADF)));
        assert_eq!(
            (table.write(1, b"abcd"), table.write(2, b"efgh"), table.write(0, b"x")),
            (Ok(4), Ok(4), Err(Errno::BADF))
        );
        assert_eq!((&table.stdout[..], &table.stderr[..], table.truncated), (&b"abcd"[..], &b"ef"[..], true));
        assert_eq!((table.seek(0, 0, 0), table.seek(1, 0, 0)), (Err(Errno::SPIPE), Err(Errno::SPIPE)));
        assert_eq!(table.write(77, b""), Err(Errno::BADF));
    }

    #[test]
    fn numbers_are_used_again_and_there_are_only_so_many() {
        let mut table = table(0);
        assert_eq!((table.add(Node::Shelf), table.add(Node::Shelf)), (Ok(3), Ok(4)));
        table.close(3).unwrap();
        assert_eq!((table.add(Node::Shelf), table.renumber(4, 3), table.close(4)), (Ok(3), Ok(()), Err(Errno::BADF)));
        let more = (0..100).map_while(|_| table.add(Node::Shelf).ok()).count();
        assert_eq!((more, table.add(Node::Shelf)), (4, Err(Errno::MFILE)));
    }

    #[test]
    fn a_text_is_read_anywhere_and_a_place_beyond_the_end_is_the_end() {
        let mut table = table(0);
        let fd = table.add(Node::Text { bytes: Arc::from(&b"0123456789"[..]), at: 0, seeks: true }).unwrap();
        let mut bytes = [0; 4];
        assert_eq!((table.seek(fd, -3, 2), table.read(fd, &mut bytes), &bytes[..3]), (Ok(7), Ok(3), &b"789"[..]));
        assert_eq!((table.seek(fd, i64::MAX, 0), table.read(fd, &mut bytes)), (Ok(i64::MAX as u64), Ok(0)));
        assert_eq!((table.seek(fd, -1, 0), table.seek(fd, 0, 9)), (Err(Errno::INVAL), Err(Errno::INVAL)));
    }

    #[test]
    fn files_grow_to_their_limit_and_all_together_to_the_disks() {
        let mut table = table(0);
        table.disk = 150;
        let open =
            || Node::Open { file: Arc::new(tempfile::tempfile().unwrap()), read: true, write: true, append: false };
        let (a, b) = (table.add(open()).unwrap(), table.add(open()).unwrap());
        assert_eq!((table.write(a, &[1; 300]), table.write(a, &[1])), (Ok(100), Err(Errno::FBIG)));
        assert_eq!((table.write(b, &[1; 80]), table.write(b, &[1])), (Ok(50), Err(Errno::NOSPC)));
        assert_eq!(
            (table.resize(b, 101), table.resize(b, 60), table.resize(b, 10)),
            (Err(Errno::FBIG), Err(Errno::NOSPC), Ok(()))
        );
        let (mut place, file) = (Some(0), tempfile::tempfile().unwrap());
        table.disk = 30;
        assert_eq!((table.write_all(&file, &mut place, &[1; 50]), place), (Err(Errno::NOSPC), Some(30)));
        table.disk = 0;
        table.seek(a, 1 << 40, 0).unwrap();
        assert_eq!((table.write(a, &[1]), table.charge_file()), (Err(Errno::FBIG), Err(Errno::NOSPC)));
    }
}
