//! The folder that a sandbox sees: copied, measured, and cleaned of what must not stay on the host.
//!
//! Whatever lies in it was perhaps put there by a guest, and a guest of another sandbox may be changing it right now. So
//! every step goes from an open folder to a name in it and follows no link: a folder that becomes a link in between is
//! an error, not a way out. Only plain files are ever opened.

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fchown, fstat, mkdirat, openat,
    readlinkat, statat, symlinkat, unlinkat,
};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Folders in folders that are open at once; what copies and packs goes no deeper.
pub(super) const DEEPEST: usize = 200;

pub(super) fn at(what: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

pub(super) fn name_of(name: &CString) -> String {
    name.to_string_lossy().into_owned()
}

/// Opens a folder in a folder, and nothing else.
pub(super) fn enter(folder: impl AsFd, name: &CString) -> io::Result<OwnedFd> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, how, Mode::empty())?)
}

/// The root of a visit, which the host's user named: links on the way there are his.
pub(super) fn root(path: &Path) -> io::Result<OwnedFd> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, how, Mode::empty()).map_err(|error| at(&path.display().to_string(), error))
}

/// The names in a folder.
pub(super) fn names(folder: impl AsFd) -> io::Result<Vec<CString>> {
    let entries = Dir::read_from(folder)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
    let names: Result<Vec<CString>, _> = names.collect();
    Ok(names?.into_iter().filter(|name| !matches!(name.as_bytes(), b"." | b"..")).collect())
}

pub(super) fn look(folder: impl AsFd, name: &CString) -> io::Result<(FileType, Stat)> {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((FileType::from_raw_mode(found.st_mode), found))
}

/// Opens a plain file without waiting for whatever it became since it was looked at.
pub(super) fn open_file(folder: impl AsFd, name: &CString) -> io::Result<Option<(File, Stat)>> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, how, Mode::empty())?;
    let found = fstat(&file)?;
    Ok(FileType::from_raw_mode(found.st_mode).is_file().then(|| (file.into(), found)))
}

/// Copies a folder: folders, plain files and links as they are; FIFOs, sockets and devices are left out.
///
/// # Errors
/// When something cannot be read or written, or all together is more than `most` bytes.
pub(crate) fn copy(from: &Path, to: &Path, most: u64, owner: Option<u32>) -> io::Result<()> {
    let source = root(from)?;
    std::fs::create_dir(to)?;
    let mut copier = Copier { left: most, owner: owner.map(|owner| (Uid::from_raw(owner), Gid::from_raw(owner))) };
    let target = root(to)?;
    copier.folder(&source, &target, 0).map_err(|error| at(&from.display().to_string(), error))?;
    copier.close(&source, &target)
}

struct Copier {
    left: u64,
    owner: Option<(Uid, Gid)>,
}

impl Copier {
    fn folder(&mut self, from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other("folders lie too deep in each other"));
        }
        for name in names(from)? {
            self.entry(from, to, &name, depth).map_err(|error| at(&name_of(&name), error))?;
        }
        Ok(())
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CString, depth: usize) -> io::Result<()> {
        match look(from, name)?.0 {
            FileType::Directory => {
                let source = enter(from, name)?;
                mkdirat(to, name, Mode::RWXU)?;
                let target = enter(to, name)?;
                self.folder(&source, &target, depth + 1)?;
                self.close(&source, &target)
            }
            FileType::Symlink => {
                symlinkat(readlinkat(from, name, Vec::new())?, to, name)?;
                let (Some(user), group) = (self.owner.map(|owner| owner.0), self.owner.map(|owner| owner.1)) else {
                    return Ok(());
                };
                Ok(chownat(to, name, Some(user), group, AtFlags::SYMLINK_NOFOLLOW)?)
            }
            FileType::RegularFile => match open_file(from, name)? {
                Some((file, found)) => self.file(file, &found, to, name),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn file(&mut self, from: File, found: &Stat, to: &OwnedFd, name: &CString) -> io::Result<()> {
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut target: File = openat(to, name, how, Mode::RUSR | Mode::WUSR)?.into();
        let copied = io::copy(&mut io::Read::take(from, self.left.saturating_add(1)), &mut target)?;
        self.left = self.left.checked_sub(copied).ok_or_else(|| {
            io::Error::other("the workspace is larger than `limits.disk`: raise it, or share less than all of it")
        })?;
        self.finish(&target, found.st_mode & 0o777)
    }

    /// Last, so that a folder that may not be written can be filled.
    fn close(&self, from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
        self.finish(to, fstat(from)?.st_mode & 0o777 | 0o700)
    }

    fn finish(&self, to: impl AsFd, mode: u32) -> io::Result<()> {
        fchmod(&to, Mode::from_raw_mode(mode))?;
        if let Some((user, group)) = self.owner {
            fchown(&to, Some(user), Some(group))?;
        }
        Ok(())
    }
}

/// Files in a workspace that a sandbox may write in: more cannot be looked at while a program runs.
const MOST_FILES: usize = 500_000;

/// What lay in a folder before a sandbox saw it.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The bytes it takes on disk.
    pub(crate) bytes: u64,
    /// Its folders that we may not read, so that what is in them is not counted.
    closed: usize,
    /// What is neither file nor folder nor link.
    special: Vec<Known>,
}

/// Looks at all of a folder.
///
/// # Errors
/// When it has more files than can be looked at again and again, or changes too much to be looked at.
pub(crate) fn survey(folder: &Path) -> io::Result<Survey> {
    let (mut found, mut files) = (Survey::default(), 0);
    let end = walk(folder, &mut |seen| {
        let Seen::Entry(_, _, stat) = seen else {
            found.closed += 1;
            return true;
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            found.special.push(known_as(stat));
        }
        found.bytes = found.bytes.saturating_add(on_disk(stat));
        files += 1;
        files <= MOST_FILES
    });
    match end {
        End::All => Ok(found),
        End::Stopped => Err(io::Error::other(format!(
            "has more than {MOST_FILES} files, too many to watch while a program writes there: share a folder below it, \
             or share it read-only"
        ))),
        End::Lost => Err(io::Error::other("changed while it was looked at: try again")),
    }
}

/// Whether a folder has grown to more than `most` bytes, or hides what it has: in folders that we may not read and
/// that were not there before, or in more files than can be looked at. `go_on` is asked at each file.
pub(crate) fn is_over(folder: &Path, before: &Survey, most: u64, go_on: &dyn Fn() -> bool) -> bool {
    let (mut bytes, mut closed, mut files, mut over) = (0u64, 0, 0, false);
    let end = walk(folder, &mut |seen| {
        match seen {
            Seen::Entry(_, _, stat) => (bytes, files) = (bytes.saturating_add(on_disk(stat)), files + 1),
            Seen::Closed => closed += 1,
        }
        over = bytes > most || closed > before.closed || files > MOST_FILES;
        !over && go_on()
    });
    over || matches!(end, End::Lost)
}

fn on_disk(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512)
}

/// A file by its device and number.
pub(crate) type Known = (u64, u64);

fn known_as(found: &Stat) -> Known {
    (found.st_dev, found.st_ino)
}

/// Takes from a folder what is a danger to the host's users once the sandbox is gone: set-user-ID and set-group-ID
/// bits of files, and devices, FIFOs and sockets that were not there before. Returns how many.
pub(crate) fn strip(folder: &Path, before: &Survey) -> usize {
    let mut taken = 0;
    walk(folder, &mut |seen| {
        let Seen::Entry(folder, name, found) = seen else { return true };
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind.is_file() && found.st_mode & 0o6000 != 0 {
            taken += usize::from(clear(folder, name).is_ok());
        } else if !(kind.is_file() || kind.is_dir() || kind.is_symlink() || before.special.contains(&known_as(found))) {
            taken += usize::from(unlinkat(folder, name, AtFlags::empty()).is_ok());
        }
        true
    });
    taken
}

fn clear(folder: &OwnedFd, name: &CString) -> io::Result<()> {
    if let Some((file, found)) = open_file(folder, name)? {
        fchmod(&file, Mode::from_raw_mode(found.st_mode & 0o1777))?;
    }
    Ok(())
}

/// What a visit comes by.
enum Seen<'a> {
    /// A name in an open folder, and what it is.
    Entry(&'a OwnedFd, &'a CString, &'a Stat),
    /// The last entry is a folder that we may not read.
    Closed,
}

/// How a visit ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    All,
    /// The visitor had seen enough.
    Stopped,
    /// A folder was moved away while it was visited, or the top cannot be opened.
    Lost,
}

/// A folder on the way down. It is closed while something far below it is visited.
struct Level {
    folder: Option<OwnedFd>,
    known: Known,
    names: std::vec::IntoIter<CString>,
}

impl Level {
    fn open(folder: OwnedFd) -> io::Result<Self> {
        let (known, names) = (known_as(&fstat(&folder)?), names(&folder)?.into_iter());
        Ok(Self { folder: Some(folder), known, names })
    }
}

/// Visits everything below a folder, however deep, until the visitor says that it is enough. What goes meanwhile is
/// passed over.
fn walk(folder: &Path, visit: &mut impl FnMut(Seen<'_>) -> bool) -> End {
    let Ok(top) = root(folder).and_then(Level::open) else { return End::Lost };
    let mut levels = vec![top];
    while let Some(level) = levels.last_mut() {
        let Some(folder) = &level.folder else { return End::Lost };
        let Some(name) = level.names.next() else {
            // Up: through the folder's own way up where the one above was closed, and only if that still is the same.
            let Some(done) = levels.pop() else { break };
            let Some(above) = levels.last_mut().filter(|above| above.folder.is_none()) else { continue };
            let up = done.folder.as_ref().and_then(|folder| enter(folder, &c"..".to_owned()).ok());
            above.folder = up.filter(|up| fstat(up).is_ok_and(|found| known_as(&found) == above.known));
            continue;
        };
        let Ok((kind, found)) = look(folder, &name) else { continue };
        if !visit(Seen::Entry(folder, &name, &found)) {
            return End::Stopped;
        }
        if !kind.is_dir() {
            continue;
        }
        match enter(folder, &name).and_then(Level::open) {
            Ok(below) => {
                if levels.len() > DEEPEST
                    && let Some(level) = levels.last_mut()
                {
                    level.folder = None;
                }
                levels.push(below);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                if !visit(Seen::Closed) {
                    return End::Stopped;
                }
            }
            Err(_) => {}
        }
    }
    End::All
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};

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
        let known = survey(folder.path()).unwrap();
        assert_eq!(known.special.len(), 1);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();
        drop(UnixListener::bind(folder.path().join("sub/new")).unwrap());
        assert_eq!(strip(folder.path(), &known), 2);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o755);
        assert!(folder.path().join("socket").exists() && !folder.path().join("sub/new").exists());
        assert_eq!(strip(folder.path(), &known), 0);
    }

    /// Whether there are more than so many bytes, beside what is there now.
    fn is_more_than(folder: &Path, bytes: u64) -> bool {
        is_over(folder, &survey(folder).unwrap(), bytes, &|| true)
    }

    #[test]
    fn the_size_counts_what_lies_deep() {
        let folder = sample();
        fs::write(folder.path().join("sub/big"), vec![1; 100_000]).unwrap();
        assert!(survey(folder.path()).unwrap().bytes >= 100_000);
        assert!(is_more_than(folder.path(), 10) && !is_more_than(folder.path(), 1_000_000));
    }

    /// A file and a set-user-ID file deeper than descriptors reach.
    fn deep() -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        let mut folder = root(top.path()).unwrap();
        for _ in 0..DEEPEST * 3 {
            mkdirat(&folder, c"d", Mode::RWXU).unwrap();
            folder = enter(&folder, &c"d".to_owned()).unwrap();
        }
        let how = OFlags::WRONLY | OFlags::CREATE;
        let mut file: File = openat(&folder, c"file", how, Mode::RUSR | Mode::WUSR).unwrap().into();
        io::Write::write_all(&mut file, &vec![1; 100_000]).unwrap();
        fchmod(&file, Mode::from_raw_mode(0o4755)).unwrap();
        top
    }

    #[test]
    fn nothing_lies_too_deep_to_be_counted_and_stripped() {
        let top = deep();
        assert!(is_more_than(top.path(), 90_000));
        assert_eq!(strip(top.path(), &Survey::default()), 1);
        assert_eq!(strip(top.path(), &Survey::default()), 0);
        super::super::keeper::remove(top.path()).unwrap();
    }

    #[test]
    fn a_folder_that_a_guest_closed_hides_nothing() {
        // Root reads what is closed.
        if rustix::process::geteuid().is_root() {
            return;
        }
        let folder = sample();
        let before = survey(folder.path()).unwrap();
        fs::set_permissions(folder.path().join("sub"), fs::Permissions::from_mode(0o000)).unwrap();
        assert!(is_over(folder.path(), &before, u64::MAX, &|| true));
        fs::set_permissions(folder.path().join("sub"), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!is_over(folder.path(), &before, u64::MAX, &|| true));
    }

    /// A folder `name` and a link `link` that leads out to a secret.
    fn trap() -> (tempfile::TempDir, tempfile::TempDir) {
        let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "secret").unwrap();
        fs::create_dir(folder.path().join("name")).unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        (outside, folder)
    }

    #[test]
    fn a_folder_that_becomes_a_link_after_it_was_looked_at_is_not_entered() {
        let (_outside, trap) = trap();
        let (folder, name) = (root(trap.path()).unwrap(), CString::from(c"name"));
        assert_eq!(look(&folder, &name).unwrap().0, FileType::Directory);
        fs::remove_dir(trap.path().join("name")).unwrap();
        fs::rename(trap.path().join("link"), trap.path().join("name")).unwrap();
        enter(&folder, &name).unwrap_err();
        // The control: who goes by the path gets out.
        assert!(trap.path().join("name").is_dir() && trap.path().join("name/secret").exists());
    }

    #[test]
    fn a_copy_never_leads_out_while_a_folder_and_a_link_take_turns() {
        let (_outside, trap) = trap();
        let (name, link, aside) = (trap.path().join("name"), trap.path().join("link"), trap.path().join("aside"));
        let to = tempfile::tempdir().unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for (from, to) in [(&name, &aside), (&link, &name), (&name, &link), (&aside, &name)] {
                        drop(fs::rename(from, to));
                    }
                }
            });
            let leaks = |round: &i32| {
                let target = to.path().join(round.to_string());
                drop(copy(trap.path(), &target, 1000, None));
                let leaked = ["name", "link", "aside"].iter().any(|name| {
                    let copied = target.join(name);
                    let is_folder = fs::symlink_metadata(&copied).is_ok_and(|found| found.is_dir());
                    is_folder && copied.join("secret").exists()
                });
                drop(fs::remove_dir_all(&target));
                leaked
            };
            let leaked = (0..1000).find(leaks);
            over.store(true, Ordering::Relaxed);
            assert_eq!(leaked, None);
        });
    }
}
