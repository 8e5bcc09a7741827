//! The folder that a sandbox sees: copied, measured, and cleaned of what must not stay on the host.
//!
//! Whatever lies in it was perhaps put there by a guest. So nothing here follows a link, opens anything but plain
//! files, or goes deeper than a path can.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

/// Folders in folders; more than any path the kernel takes.
const DEEPEST: usize = 2048;
/// `O_NOFOLLOW | O_NONBLOCK`: a link fails, and a FIFO does not wait for its other end.
const CAREFUL: i32 = 0o400_000 | 0o4_000;

/// Copies a folder: folders, plain files and links as they are; FIFOs, sockets and devices are left out.
///
/// # Errors
/// When something cannot be read or written, or all together is more than `most` bytes.
pub(crate) fn copy(from: &Path, to: &Path, most: u64, owner: Option<u32>) -> io::Result<()> {
    let mut left = most;
    copy_folder(from, to, &mut left, owner, 0)
}

fn copy_folder(from: &Path, to: &Path, left: &mut u64, owner: Option<u32>, depth: usize) -> io::Result<()> {
    let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    if depth > DEEPEST {
        return Err(at(io::Error::other("folders lie too deep in each other")));
    }
    fs::create_dir(to).map_err(at)?;
    for entry in fs::read_dir(from).map_err(at)? {
        let entry = entry.map_err(at)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(at)?;
        if kind.is_dir() {
            copy_folder(&source, &target, left, owner, depth + 1)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).map_err(at)?, &target).map_err(at)?;
            if let Some(owner) = owner {
                lchown(&target, Some(owner), Some(owner)).map_err(at)?;
            }
        } else if kind.is_file() {
            copy_file(&source, &target, left, owner)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", source.display())))?;
        }
    }
    // Last, so that a folder that may not be written can be filled.
    let mode = fs::symlink_metadata(from).map_err(at)?.permissions().mode() & 0o777;
    fs::set_permissions(to, fs::Permissions::from_mode(mode | 0o700)).map_err(at)?;
    if let Some(owner) = owner {
        lchown(to, Some(owner), Some(owner)).map_err(at)?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, left: &mut u64, owner: Option<u32>) -> io::Result<()> {
    let source = OpenOptions::new().read(true).custom_flags(CAREFUL).open(from)?;
    let found = source.metadata()?;
    // It may have become something else since it was listed.
    if !found.is_file() {
        return Ok(());
    }
    let mode = found.permissions().mode() & 0o777;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
    let copied = io::copy(&mut io::Read::take(source, left.saturating_add(1)), &mut target)?;
    *left = left.checked_sub(copied).ok_or_else(|| {
        io::Error::other("the workspace is larger than `limits.disk`: raise it, or share less than all of it")
    })?;
    if let Some(owner) = owner {
        fchown(&target, Some(owner), Some(owner))?;
    }
    Ok(())
}

/// The bytes that a folder takes on disk. Stops counting when it is more than `enough`.
pub(crate) fn size(folder: &Path, enough: u64) -> u64 {
    let mut sum = 0u64;
    walk(folder, &mut |_, found| {
        sum = sum.saturating_add(found.blocks().saturating_mul(512));
        sum <= enough
    });
    sum
}

/// Takes from a folder what is a danger to the host's users once the sandbox is gone: set-user-ID and set-group-ID
/// bits of files, device nodes, and FIFOs and sockets that were not there before. Returns how many.
pub(crate) fn strip(folder: &Path, known: &[PathBuf]) -> usize {
    let mut taken = 0;
    walk(folder, &mut |path, found| {
        let kind = found.file_type();
        if kind.is_file() && found.permissions().mode() & 0o6000 != 0 {
            taken += usize::from(clear(path).is_ok());
        } else if (kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket())
            && !known.iter().any(|known| known == path)
        {
            taken += usize::from(fs::remove_file(path).is_ok());
        }
        true
    });
    taken
}

fn clear(path: &Path) -> io::Result<()> {
    let file: File = OpenOptions::new().read(true).custom_flags(CAREFUL).open(path)?;
    let found = file.metadata()?;
    file.set_permissions(fs::Permissions::from_mode(found.permissions().mode() & 0o1777))
}

/// What is neither file nor folder nor link, before a sandbox sees the folder.
pub(crate) fn special(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    walk(folder, &mut |path, found| {
        let kind = found.file_type();
        if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            all.push(path.to_owned());
        }
        true
    });
    all
}

/// Visits everything below a folder, until the visitor says that it is enough.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata) -> bool) {
    let mut next = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = next.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            // Of the entry itself: this follows no link.
            let Ok(found) = entry.metadata() else { continue };
            let path = entry.path();
            if !visit(&path, &found) {
                return;
            }
            if found.is_dir() && depth < DEEPEST {
                next.push((path, depth + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn sample() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/a"), "hello").unwrap();
        symlink("/etc/passwd", folder.path().join("link")).unwrap();
        drop(UnixListener::bind(folder.path().join("socket")).unwrap());
        folder
    }

    #[test]
    fn a_copy_has_files_and_links_as_they_are_and_no_sockets() {
        let (from, to) = (sample(), tempfile::tempdir().unwrap());
        let copied = to.path().join("copy");
        copy(from.path(), &copied, 1000, None).unwrap();
        assert_eq!(fs::read(copied.join("sub/a")).unwrap(), b"hello");
        assert_eq!(fs::read_link(copied.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert!(fs::symlink_metadata(copied.join("socket")).is_err());
    }

    #[test]
    fn a_copy_stops_at_its_limit() {
        let (from, to) = (sample(), tempfile::tempdir().unwrap());
        let error = copy(from.path(), &to.path().join("copy"), 4, None).unwrap_err();
        assert!(error.to_string().contains("limits.disk"), "{error}");
        copy(from.path(), &to.path().join("copy2"), 5, None).unwrap();
    }

    #[test]
    fn set_id_bits_and_new_sockets_are_taken_and_what_was_there_stays() {
        let folder = sample();
        let file = folder.path().join("sub/a");
        let known = special(folder.path());
        assert_eq!(known, [folder.path().join("socket")]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
        drop(UnixListener::bind(folder.path().join("sub/new")).unwrap());
        assert_eq!(strip(folder.path(), &known), 2);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o755);
        assert!(folder.path().join("socket").exists() && !folder.path().join("sub/new").exists());
        assert_eq!(strip(folder.path(), &known), 0);
    }

    #[test]
    fn the_size_counts_what_lies_deep_and_stops_when_it_is_enough() {
        let folder = sample();
        fs::write(folder.path().join("sub/big"), vec![1; 100_000]).unwrap();
        assert!(size(folder.path(), u64::MAX) >= 100_000);
        assert!(size(folder.path(), 10) > 10);
    }
}
