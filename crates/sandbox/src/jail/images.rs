//! Images that were unpacked: kept for the next sandbox up to a size, those not used for longest removed first, and
//! never one that a sandbox uses.
//!
//! Whoever uses one holds a shared lock on its folder, which goes with the process however that ends; whoever removes
//! one needs the lock alone.

use super::keeper;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of all images together that are kept.
pub(super) const MOST_KEPT: u64 = 8 << 30;
/// What an image without a note of its size counts as, in bytes: the most that one may have.
const UNKNOWN: u64 = 4 << 30;
const PREFIX: &str = ".rootfs-";
const SIZE: &str = ".size-";
/// Folders in which images are being unpacked. Whoever works in one has its lock.
const WORK: &str = ".oci-";

/// An image that is in use. It stays where it is as long as this lives.
#[derive(Debug)]
pub(crate) struct Unpacked {
    path: PathBuf,
    _used: File,
}

impl Unpacked {
    /// Its root folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn folder(path: &Path) -> io::Result<File> {
    Ok(open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY, Mode::empty())?.into())
}

/// The image of this name, where it is unpacked already.
///
/// # Errors
/// When it cannot be locked.
pub(super) fn take(home: &Path, name: &str) -> io::Result<Option<Unpacked>> {
    let path = home.join(format!("{PREFIX}{name}"));
    let used = match folder(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        used => used?,
    };
    flock(&used, FlockOperation::LockShared)?;
    // It may have been taken away before the lock was had.
    if !is_at(&used, &path) {
        return Ok(None);
    }
    // When it was used last; one whose time cannot be set only goes sooner.
    let _ = used.set_modified(SystemTime::now());
    Ok(Some(Unpacked { path, _used: used }))
}

/// A folder to unpack in, which goes when this is dropped, or is swept when its owner crashed.
#[derive(Debug)]
pub(super) struct Work {
    folder: tempfile::TempDir,
    _own: File,
}

impl Work {
    /// A new one.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub(super) fn new(home: &Path) -> io::Result<Self> {
        loop {
            let made = tempfile::Builder::new().prefix(WORK).tempdir_in(home)?;
            // Somebody may have swept it away before it was locked.
            let own = match folder(made.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                own => own?,
            };
            flock(&own, FlockOperation::LockExclusive)?;
            if is_at(&own, made.path()) {
                return Ok(Self { folder: made, _own: own });
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether this open folder still lies there.
fn is_at(open: &File, path: &Path) -> bool {
    let there = fs::symlink_metadata(path);
    open.metadata().is_ok_and(|had| there.is_ok_and(|there| (there.dev(), there.ino()) == (had.dev(), had.ino())))
}

/// Removes folders in which somebody who crashed was unpacking.
pub(super) fn sweep(home: &Path) {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(WORK)) {
        // Locked until it is gone, so that nobody takes it in between.
        let Ok(alone) = folder(&entry.path()) else { continue };
        if flock(&alone, FlockOperation::NonBlockingLockExclusive).is_ok() {
            drop(keeper::remove(&entry.path()));
        }
    }
}

/// Puts what was unpacked in its place, where somebody else may have been quicker, and removes what is too much.
///
/// # Errors
/// When it cannot be moved there.
pub(super) fn put(home: &Path, name: &str, root: &Path, bytes: u64) -> io::Result<Unpacked> {
    fs::write(home.join(format!("{SIZE}{name}")), bytes.to_string())?;
    let target = home.join(format!("{PREFIX}{name}"));
    match fs::rename(root, &target) {
        Err(error) if !target.is_dir() => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let taken = take(home, name)?;
    remove(home, MOST_KEPT);
    taken.ok_or_else(|| io::Error::other("the image was removed while it was unpacked: try again"))
}

/// Removes images until those that are left have no more than so many bytes together, or are in use. How many went.
pub(super) fn remove(home: &Path, most: u64) -> usize {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    let mut all: Vec<(SystemTime, u64, String)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_prefix(PREFIX)?.to_owned();
            let size = fs::read_to_string(home.join(format!("{SIZE}{name}"))).ok();
            let size = size.and_then(|size| size.parse().ok()).unwrap_or(UNKNOWN);
            Some((entry.metadata().and_then(|found| found.modified()).ok()?, size, name))
        })
        .collect();
    all.sort();
    let mut sum = all.iter().fold(0u64, |sum, (_, size, _)| sum.saturating_add(*size));
    let mut removed = 0;
    for (_, size, name) in &all {
        if sum > most && remove_one(home, name) {
            sum = sum.saturating_sub(*size);
            removed += 1;
        }
    }
    sweep(home);
    removed
}

fn remove_one(home: &Path, name: &str) -> bool {
    let path = home.join(format!("{PREFIX}{name}"));
    let Ok(alone) = folder(&path) else { return false };
    if flock(&alone, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    // Away at once, so that nobody takes half of it; what is left of it by a crash is as any other work left behind.
    let Ok(away) = Work::new(home) else { return false };
    let gone = away.path().join("root");
    if fs::rename(&path, &gone).is_err() {
        return false;
    }
    let _ = fs::remove_file(home.join(format!("{SIZE}{name}")));
    keeper::remove(&gone).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// An image of ten bytes, used so many seconds after the beginning.
    fn image(home: &Path, name: &str, second: u64) -> Unpacked {
        let work = tempfile::tempdir_in(home).unwrap();
        let root = work.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("file"), "0123456789").unwrap();
        let unpacked = put(home, name, &root, 10).unwrap();
        unpacked._used.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        unpacked
    }

    #[test]
    fn those_not_used_for_longest_go_first_and_never_one_in_use() {
        let home = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c", "d"];
        let mut used: Vec<_> = names.iter().zip(1..).map(|(name, second)| image(home.path(), name, second)).collect();
        let there = || names.map(|name| home.path().join(format!("{PREFIX}{name}")).exists());
        assert_eq!((remove(home.path(), 0), there()), (0, [true; 4]), "all in use");
        used.truncate(1);
        assert_eq!((remove(home.path(), 25), there()), (2, [true, false, false, true]));
        drop(take(home.path(), "d").unwrap().unwrap());
        assert!(take(home.path(), "b").unwrap().is_none());
        used.clear();
        assert_eq!((remove(home.path(), 10), there()), (1, [false, false, false, true]), "it was used just now");
        assert_eq!(remove(home.path(), 0), 1);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn what_a_crash_left_in_the_middle_of_unpacking_is_swept_and_what_is_being_unpacked_stays() {
        let home = tempfile::tempdir().unwrap();
        let (crashed, works) = (home.path().join(format!("{WORK}crashed")), Work::new(home.path()).unwrap());
        fs::create_dir(&crashed).unwrap();
        fs::write(crashed.join("half"), "x").unwrap();
        remove(home.path(), MOST_KEPT);
        assert!(!crashed.exists() && works.path().is_dir());
        drop(works);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_was_unpacked_by_two_at_once_is_there_once() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (image(home.path(), "a", 1), image(home.path(), "a", 2));
        assert_eq!(first.path(), second.path());
        assert_eq!(fs::read(second.path().join("file")).unwrap(), b"0123456789");
    }
}
