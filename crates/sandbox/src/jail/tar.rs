//! Reads tar archives as container images have them: POSIX names, GNU's long names, PAX paths and sizes. It only reads;
//! what may be done with a name is decided by whoever unpacks.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// The longest name, or record of names, in bytes.
const MOST_NAME: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    File,
    HardLink,
    Link,
    Folder,
    /// A device, a FIFO or something newer.
    Other,
}

/// An entry's head. Its contents are read from the archive before the next is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) what: What,
    pub(crate) name: Vec<u8>,
    /// Where a link points.
    pub(crate) target: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) size: u64,
}

/// An archive that is read from its beginning to its end.
pub(crate) struct Archive<R> {
    from: R,
    /// What is left of the current entry, and the padding after it.
    left: u64,
    padding: u64,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no tar archive: {what}"))
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0 }
    }

    /// The next entry, or nothing at the end.
    ///
    /// # Errors
    /// Those of the stream, and where it is no archive.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let (mut name, mut target, mut size) = (None, None, None);
        loop {
            let rest = self.left + self.padding;
            if io::copy(&mut (&mut self.from).take(rest), &mut io::sink())? < rest {
                return Err(bad("it ends in the middle of a file"));
            }
            (self.left, self.padding) = (0, 0);
            let mut block = [0; BLOCK];
            match fill(&mut self.from, &mut block)? {
                0 => return Ok(None),
                BLOCK => {}
                _ => return Err(bad("it ends in the middle of a header")),
            }
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let mut entry = head(&block)?;
            let kind = block.get(156).copied().unwrap_or_default();
            if let b'L' | b'K' | b'x' | b'g' = kind {
                let text = self.record(entry.size)?;
                match kind {
                    b'L' => name = Some(cut(&text).to_vec()),
                    b'K' => target = Some(cut(&text).to_vec()),
                    b'x' => {
                        for (key, value) in pax(&text)? {
                            match key {
                                b"path" => name = Some(value.to_vec()),
                                b"linkpath" => target = Some(value.to_vec()),
                                b"size" => size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                                _ => {}
                            }
                        }
                    }
                    // For all that follow; nothing in it matters here.
                    _ => {}
                }
                continue;
            }
            entry.name = name.take().unwrap_or(entry.name);
            entry.target = target.take().unwrap_or(entry.target);
            entry.size = size.take().unwrap_or(entry.size);
            if entry.what == What::File || entry.what == What::Other {
                self.expect(entry.size);
            }
            return Ok(Some(entry));
        }
    }

    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn record(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MOST_NAME {
            return Err(bad("a name is longer than a mebibyte"));
        }
        self.expect(size);
        let mut text = Vec::new();
        self.read_to_end(&mut text)?;
        if (text.len() as u64) < size { Err(bad("it ends in the middle of a name")) } else { Ok(text) }
    }
}

/// The contents of the entry that came last.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.from).take(self.left).read(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }
}

fn fill(from: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn cut(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn head(block: &[u8; BLOCK]) -> io::Result<Entry> {
    let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
    let sum: u64 =
        block.iter().enumerate().map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte })).sum();
    if number(field(148, 8)) != Some(sum) {
        return Err(bad("a header's checksum is wrong"));
    }
    let mut name = cut(field(0, 100)).to_vec();
    let prefix = cut(field(345, 155));
    // GNU's archives have other things there.
    if field(257, 6) == b"ustar\0" && !prefix.is_empty() {
        name = [prefix, b"/", &name].concat();
    }
    let what = match block.get(156) {
        Some(b'0' | 0 | b'7') => What::File,
        Some(b'1') => What::HardLink,
        Some(b'2') => What::Link,
        Some(b'5') => What::Folder,
        _ => What::Other,
    };
    let size = number(field(124, 12)).ok_or_else(|| bad("a size is no number"))?;
    let mode = number(field(100, 8)).unwrap_or(0o644) as u32;
    Ok(Entry { what, name, target: cut(field(157, 100)).to_vec(), mode, size })
}

/// Octal digits; or, for large numbers, bytes after one whose highest bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let high = u64::from(first & 0x7f);
        return rest.iter().try_fold(high, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, b' ' | 0));
    digits.copied().try_fold(0u64, |sum, byte| match byte {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// `LENGTH KEY=VALUE\n`, again and again.
fn pax(mut text: &[u8]) -> io::Result<Vec<(&[u8], &[u8])>> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let wrong = || bad("an extended header is wrong");
        let space = text.iter().position(|byte| *byte == b' ').ok_or_else(wrong)?;
        let digits = text.get(..space).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
        let length: usize = digits.parse().map_err(|_| wrong())?;
        let record = text.get(space + 1..length).ok_or_else(wrong)?;
        let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(wrong)?;
        all.push((record.get(..equals).unwrap_or_default(), record.get(equals + 1..).unwrap_or_default()));
        text = text.get(length..).unwrap_or_default();
    }
    Ok(all)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An archive with these entries: kind, name, link's target, mode, contents.
    pub(crate) fn tar(entries: &[(u8, &str, &str, u32, &[u8])]) -> Vec<u8> {
        let mut all = Vec::new();
        for (kind, name, target, mode, contents) in entries {
            let mut block = [0; BLOCK];
            block[..name.len()].copy_from_slice(name.as_bytes());
            block[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
            block[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
            block[156] = *kind;
            block[157..157 + target.len()].copy_from_slice(target.as_bytes());
            block[257..263].copy_from_slice(b"ustar\0");
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            all.extend_from_slice(&block);
            all.extend_from_slice(contents);
            all.resize(all.len().next_multiple_of(BLOCK), 0);
        }
        all.extend_from_slice(&[0; 2 * BLOCK]);
        all
    }

    fn names(archive: &[u8]) -> io::Result<Vec<(String, u64)>> {
        let mut archive = Archive::new(archive);
        let mut all = Vec::new();
        while let Some(entry) = archive.next()? {
            all.push((String::from_utf8_lossy(&entry.name).into_owned(), entry.size));
        }
        Ok(all)
    }

    #[test]
    fn entries_and_their_contents_are_read_in_order_and_may_be_passed_over() {
        let bytes =
            tar(&[(b'0', "a", "", 0o644, b"hello"), (b'5', "d/", "", 0o755, b""), (b'0', "b", "", 0o600, b"x")]);
        assert_eq!(names(&bytes).unwrap(), [("a".into(), 5), ("d/".into(), 0), ("b".into(), 1)]);
        let mut archive = Archive::new(bytes.as_slice());
        archive.next().unwrap();
        let mut text = String::new();
        archive.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn long_names_of_both_kinds_are_read() {
        let long = "d/".repeat(100);
        let pax = format!("{} path={long}\n", long.len() + 6 + 4);
        let bytes = tar(&[
            (b'L', "././@LongLink", "", 0, long.as_bytes()),
            (b'0', "cut", "", 0o644, b""),
            (b'x', "pax", "", 0, pax.as_bytes()),
            (b'0', "cut", "", 0o644, b""),
        ]);
        assert_eq!(names(&bytes).unwrap(), [(long.clone(), 0), (long, 0)]);
    }

    #[test]
    fn what_is_no_archive_is_an_error_and_never_a_panic() {
        let good = tar(&[(b'0', "a", "", 0o644, b"hello"), (b'x', "p", "", 0, b"9 path=b\n"), (b'0', "c", "", 0, b"")]);
        for end in (1..good.len() - 1024).filter(|end| end % 512 != 0) {
            assert!(names(&good[..end]).is_err(), "cut at {end}");
        }
        // The last byte of the checksum is a space that nobody reads.
        for at in (0..512).filter(|at| *at != 155) {
            let mut broken = good.clone();
            broken[at] ^= 0x40;
            assert!(names(&broken).is_err(), "changed at {at}");
        }
        assert!(names(&tar(&[(b'x', "p", "", 0, b"99 path=b\n")])).is_err());
        assert!(names(&[b'x'; 600]).is_err());
    }
}
