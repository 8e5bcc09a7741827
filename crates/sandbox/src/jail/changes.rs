//! What differs between a folder and a copy of it that guests wrote in. It is read as `workspace` reads: from an open
//! folder to a name in it, following no link, opening only plain files.

use super::workspace::{DEEPEST, at, enter, look, name_of, names, open_file, root};
use crate::runtime::{Change, MOST_CHANGES, Side};
use rustix::fs::{FileType, Stat, readlinkat};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most bytes of one file whose contents are kept.
const MOST_OF_FILE: u64 = 64 * 1024;
/// The most bytes of contents that are kept of all files together.
const MOST_OF_ALL: usize = 1 << 20;

/// Everything that was changed in `copy` since `since`, up to a thousand changes, in the order of paths. Names in
/// `ignored` are passed over at the top.
///
/// What somebody changed in `original` meanwhile is no change of the copy: only what the kernel says was touched there
/// counts, by the time that guests cannot set.
pub(crate) fn changes(original: &Path, copy: &Path, since: SystemTime, ignored: &[&str]) -> io::Result<Vec<Change>> {
    let since = since.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let mut compared = Compared { since, all: Vec::new(), kept: 0 };
    let (old, new) = (root(original)?, root(copy)?);
    let mut path = String::new();
    compared.folder(Some(&old), Some(&new), &mut path, ignored, 0)?;
    Ok(compared.all)
}

/// The bytes of a plain file below a folder, `most` at most and one more; nothing where there is none.
pub(crate) fn read(folder: &Path, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut folder = root(folder)?;
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let c_name = |name: &str| CString::new(name).map_err(|_| io::Error::other("the path holds the character 0"));
    for name in folders.split('/').filter(|name| !matches!(*name, "" | ".")) {
        folder = match enter(&folder, &c_name(name)?) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(name, error)),
        };
    }
    match open_file(&folder, &c_name(name)?) {
        Ok(Some((file, _))) => {
            let mut bytes = Vec::new();
            file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Ok(None) => Err(io::Error::other(format!("{name}: is no plain file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(name, error)),
    }
}

struct Compared {
    since: Duration,
    all: Vec<Change>,
    /// Bytes of contents that are kept.
    kept: usize,
}

/// What stands under a name.
struct Found {
    kind: FileType,
    stat: Stat,
}

impl Found {
    fn of(folder: Option<&OwnedFd>, name: &CString) -> Option<Self> {
        let (kind, stat) = look(folder?, name).ok()?;
        let shown = kind.is_file() || kind.is_dir() || kind.is_symlink();
        shown.then_some(Self { kind, stat })
    }
}

impl Compared {
    fn touched(&self, stat: &Stat) -> bool {
        let seconds = u64::try_from(stat.st_ctime).unwrap_or_default();
        let nanos = u32::try_from(stat.st_ctime_nsec).unwrap_or_default();
        Duration::new(seconds, nanos) >= self.since
    }

    fn folder(
        &mut self,
        old: Option<&OwnedFd>,
        new: Option<&OwnedFd>,
        path: &mut String,
        ignored: &[&str],
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other("folders lie too deep in each other"));
        }
        // Where a name went or came, the folder itself was touched.
        let touched = match new {
            Some(new) => self.touched(&rustix::fs::fstat(new)?),
            None => true,
        };
        let mut all = BTreeSet::new();
        for folder in [old, new].into_iter().flatten() {
            all.extend(names(folder)?);
        }
        for name in all {
            let shown = name_of(&name);
            if depth == 0 && ignored.contains(&shown.as_str()) {
                continue;
            }
            let length = path.len();
            path.push_str(if depth == 0 { "" } else { "/" });
            path.push_str(&shown);
            self.entry(old, new, &name, touched, path, depth)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        old: Option<&OwnedFd>,
        new: Option<&OwnedFd>,
        name: &CString,
        touched: bool,
        path: &mut String,
        depth: usize,
    ) -> io::Result<()> {
        if self.all.len() >= MOST_CHANGES {
            return Ok(());
        }
        let (before, after) = (Found::of(old, name), Found::of(new, name));
        let is_dir = |found: &Option<Found>| found.as_ref().is_some_and(|found| found.kind.is_dir());
        let same_kind = before.as_ref().map(|found| found.kind) == after.as_ref().map(|found| found.kind);
        let changed = match &after {
            Some(after) => self.touched(&after.stat),
            // Nothing is here that was there: it was removed, or it is new on the other side.
            None => touched,
        };
        if (is_dir(&before) || is_dir(&after)) && (same_kind || changed) {
            if !same_kind {
                let (old, new) = (self.side(old, name, &before)?, self.side(new, name, &after)?);
                self.all.push(Change { path: path.clone(), old, new });
            }
            let below = |folder: Option<&OwnedFd>, found: &Option<Found>| match (folder, is_dir(found)) {
                (Some(folder), true) => enter(folder, name).map(Some).map_err(|error| at(&name_of(name), error)),
                _ => Ok(None),
            };
            let (old, new) = (below(old, &before)?, below(new, &after)?);
            return self.folder(old.as_ref(), new.as_ref(), path, &[], depth + 1);
        }
        if !changed || (same_kind && self.equal(old, new, name, before.as_ref(), after.as_ref())?) {
            return Ok(());
        }
        let (old, new) = (self.side(old, name, &before)?, self.side(new, name, &after)?);
        self.all.push(Change { path: path.clone(), old, new });
        Ok(())
    }

    fn equal(
        &self,
        old: Option<&OwnedFd>,
        new: Option<&OwnedFd>,
        name: &CString,
        before: Option<&Found>,
        after: Option<&Found>,
    ) -> io::Result<bool> {
        let (Some(old), Some(new), Some(before), Some(after)) = (old, new, before, after) else { return Ok(true) };
        if before.kind.is_symlink() {
            return Ok(readlinkat(old, name, Vec::new())? == readlinkat(new, name, Vec::new())?);
        }
        if before.stat.st_size != after.stat.st_size {
            return Ok(false);
        }
        match (open_file(old, name)?, open_file(new, name)?) {
            (Some((old, _)), Some((new, _))) => same(old, new),
            _ => Ok(false),
        }
    }

    /// What stands here, with its contents where there is room for them.
    fn side(&mut self, folder: Option<&OwnedFd>, name: &CString, found: &Option<Found>) -> io::Result<Side> {
        let (Some(folder), Some(found)) = (folder, found) else { return Ok(Side::Nothing) };
        if found.kind.is_dir() {
            return Ok(Side::Folder);
        }
        if found.kind.is_symlink() {
            let target = readlinkat(folder, name, Vec::new())?;
            return Ok(Side::Link(target.to_string_lossy().into_owned()));
        }
        let Some((file, _)) = open_file(folder, name)? else { return Ok(Side::File(None)) };
        let mut bytes = Vec::new();
        file.take(MOST_OF_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_OF_FILE || self.kept + bytes.len() > MOST_OF_ALL {
            return Ok(Side::File(None));
        }
        self.kept += bytes.len();
        Ok(Side::File(Some(bytes)))
    }
}

fn same(mut old: File, mut new: File) -> io::Result<bool> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    loop {
        a.clear();
        b.clear();
        (&mut old).take(64 * 1024).read_to_end(&mut a)?;
        (&mut new).take(64 * 1024).read_to_end(&mut b)?;
        if a != b {
            return Ok(false);
        }
        if a.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// An original and a copy of it, and the moment after it was made.
    fn copied() -> (tempfile::TempDir, std::path::PathBuf, SystemTime) {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("original");
        fs::create_dir_all(original.join("sub/deep")).unwrap();
        fs::create_dir(original.join(".aic")).unwrap();
        for (name, text) in
            [("a", "one"), ("b", "two"), ("sub/c", "three"), ("sub/deep/d", "four"), (".aic/store", "x")]
        {
            fs::write(original.join(name), text).unwrap();
        }
        symlink("a", original.join("link")).unwrap();
        let copy = folder.path().join("copy");
        super::super::workspace::copy(&original, &copy, u64::MAX, None).unwrap();
        // The kernel's stamps lag a tick behind the clock: the moment is one that the copy's files are surely before.
        let newest = |path: &Path| {
            fs::metadata(path).map(|found| {
                use std::os::unix::fs::MetadataExt;
                UNIX_EPOCH + Duration::new(found.ctime().cast_unsigned(), u32::try_from(found.ctime_nsec()).unwrap())
            })
        };
        let after = newest(&copy).unwrap() + Duration::from_nanos(1);
        while {
            fs::write(folder.path().join("tick"), "").unwrap();
            newest(&folder.path().join("tick")).unwrap() < after
        } {}
        (folder, copy, after)
    }

    fn text(text: &str) -> Side {
        Side::File(Some(text.as_bytes().to_vec()))
    }

    fn found(folder: &Path, copy: &Path, since: SystemTime) -> Vec<(String, Side, Side)> {
        let all = changes(&folder.join("original"), copy, since, &[".aic"]).unwrap();
        all.into_iter().map(|change| (change.path, change.old, change.new)).collect()
    }

    #[test]
    fn what_was_written_made_and_removed_is_told_and_nothing_else() {
        let (folder, copy, since) = copied();
        assert_eq!(found(folder.path(), &copy, since), []);
        fs::write(copy.join("a"), "ONE").unwrap();
        fs::write(copy.join("b"), "two").unwrap();
        fs::write(copy.join(".aic/store"), "y").unwrap();
        fs::remove_dir_all(copy.join("sub/deep")).unwrap();
        fs::create_dir(copy.join("new")).unwrap();
        fs::write(copy.join("new/e"), "five").unwrap();
        fs::remove_file(copy.join("link")).unwrap();
        symlink("b", copy.join("link")).unwrap();
        let link = |to: &str| Side::Link(to.into());
        let wanted = [
            ("a", text("one"), text("ONE")),
            ("link", link("a"), link("b")),
            ("new", Side::Nothing, Side::Folder),
            ("new/e", Side::Nothing, text("five")),
            ("sub/deep", Side::Folder, Side::Nothing),
            ("sub/deep/d", text("four"), Side::Nothing),
        ];
        let wanted: Vec<_> = wanted.into_iter().map(|(path, old, new)| (path.to_owned(), old, new)).collect();
        assert_eq!(found(folder.path(), &copy, since), wanted);
    }

    #[test]
    fn what_somebody_changes_in_the_original_meanwhile_is_no_change_of_the_copy() {
        let (folder, copy, since) = copied();
        let original = folder.path().join("original");
        fs::write(original.join("a"), "changed outside").unwrap();
        fs::write(original.join("sub/new outside"), "x").unwrap();
        fs::remove_file(original.join("b")).unwrap();
        assert_eq!(found(folder.path(), &copy, since), []);
    }

    #[test]
    fn contents_too_large_are_left_out_and_a_link_is_never_followed() {
        let (folder, copy, since) = copied();
        fs::write(copy.join("big"), vec![b'x'; 70_000]).unwrap();
        fs::remove_file(copy.join("a")).unwrap();
        symlink("/etc/passwd", copy.join("a")).unwrap();
        let all = found(folder.path(), &copy, since);
        assert_eq!(all[0], ("a".into(), text("one"), Side::Link("/etc/passwd".into())));
        assert_eq!(all[1], ("big".into(), Side::Nothing, Side::File(None)));
        read(&copy, "a", 100).unwrap_err();
        symlink("/etc", copy.join("etc")).unwrap();
        read(&copy, "etc/passwd", 100).unwrap_err();
        assert_eq!(read(&copy, "sub/c", 100).unwrap().as_deref(), Some(&b"three"[..]));
        assert_eq!((read(&copy, "sub/none", 1).unwrap(), read(&copy, "none/c", 1).unwrap()), (None, None));
        assert!(read(&copy, "sub", 1).is_err());
    }
}
