//! The keeper: a small process between the workbench and one sandbox, which sees to it that nothing outlives either.
//!
//! It starts the sandbox with the pipes it was given, takes in every process that loses its parent, and when the
//! sandbox ends, or the workbench does, kills what is left and removes groups and folders. It knows that the workbench
//! is gone by the end of its lifeline, a pipe that stands in the place of its stderr, so that `kill -9` of the
//! workbench is noticed like any other end. When the keeper itself is killed, the kernel kills the sandbox; what is
//! left on disk is removed by whoever makes the next sandbox.

use super::cgroup;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The word that makes a worker a keeper; the folder comes after it.
pub(crate) const KEEPER: &str = "keeper";
/// In the sandbox's folder: what to start.
const LAUNCH: &str = "launch.json";
/// In the sandbox's folder: what the runtime says when something is wrong.
pub(crate) const LOG: &str = "log";
/// In the sandbox's folder, once it ended: which limits its control groups met.
const HITS: &str = "hits.json";

/// Which limits the control groups of a sandbox that ended had met.
pub(crate) fn hits(folder: &Path) -> cgroup::Hits {
    fs::read(folder.join(HITS)).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}

/// What the lifeline says where the folder is to stay.
pub(crate) const STAY: u8 = b'k';

/// How to start a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) argv: Vec<OsString>,
    pub(crate) groups: cgroup::Plan,
    /// The user it is started as; none for the workbench's own.
    pub(crate) user: Option<u32>,
    /// Its group, where that is another number than the user's.
    pub(crate) group: Option<u32>,
    /// How many processors it may run on; 0 for all.
    pub(crate) processors: usize,
    /// Folders of the runtime's own state that go with every end.
    pub(crate) state: Vec<PathBuf>,
}

impl Launch {
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self).map_err(io::Error::other)?;
        fs::write(folder.join(LAUNCH), json)
    }

    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(folder.join(LAUNCH))?).map_err(io::Error::other)
    }
}

/// What a keeper does, from its first moment to its last.
pub(crate) fn keeper_main(folder: &Path) -> ExitCode {
    match keep(folder) {
        Ok(code) => code,
        Err(error) => {
            let log = OpenOptions::new().append(true).create(true).open(folder.join(LOG));
            if let Ok(mut log) = log {
                let _ = io::Write::write_all(&mut log, format!("keeper: {error}\n").as_bytes());
            }
            ExitCode::from(125)
        }
    }
}

fn keep(folder: &Path) -> io::Result<ExitCode> {
    let lifeline: File = io::stderr().as_fd().try_clone_to_owned()?.into();
    let log = OpenOptions::new().append(true).create(true).open(folder.join(LOG))?;
    rustix::stdio::dup2_stderr(&log)?;
    // Any number that is not nothing switches it on.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let launch = Launch::read(folder)?;
    if launch.processors > 0 {
        pin(launch.processors);
    }
    let mut child = start(&launch).inspect_err(|_| launch.groups.remove())?;
    // The sandbox has these now; a copy here would hide its end from the workbench, and the workbench's from it.
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;

    // Under the lock the number still is the child's: it is reaped under it.
    let living = Arc::new(Mutex::new(rustix::process::Pid::from_raw(child.id().cast_signed())));
    let (victim, stays) = (Arc::clone(&living), Arc::new(Mutex::new(false)));
    let asked = Arc::clone(&stays);
    let watch = std::thread::Builder::new().name("lifeline".into());
    let watching = watch.spawn(move || {
        let stay = listen(lifeline);
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = stay;
        if let Some(pid) = *victim.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    })?;
    let status = wait(&mut child, &living)?;
    sweep();
    if let Ok(json) = serde_json::to_vec(&launch.groups.hits()) {
        let _ = fs::write(folder.join(HITS), json);
    }
    launch.groups.remove();
    launch.state.iter().for_each(|state| drop(remove(state)));
    // The workbench still lives and decides on the folder, unless it is gone.
    drop(nothing);
    drop(log);
    watching.join().map_err(|_| io::Error::other("the lifeline broke"))?;
    if !*stays.lock().unwrap_or_else(PoisonError::into_inner) {
        drop(remove(folder));
    }
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Waits for the lifeline's end. Whether the folder is to stay.
fn listen(mut lifeline: File) -> bool {
    let (mut stay, mut byte) = (false, [0]);
    loop {
        match lifeline.read(&mut byte) {
            Ok(1) => stay |= byte == [STAY],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return stay,
        }
    }
}

fn start(launch: &Launch) -> io::Result<std::process::Child> {
    launch.groups.make()?;
    let doors: io::Result<Vec<OwnedFd>> = launch.groups.doors().iter().map(|door| open_door(door)).collect();
    let doors = doors?;
    let (program, arguments) = launch.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit()).process_group(0);
    if let Some(user) = launch.user {
        command.uid(user).gid(launch.group.unwrap_or(user));
    }
    let keeper = rustix::process::getpid();
    let prepare = move || -> io::Result<()> {
        for door in &doors {
            // `0` is whoever writes it.
            rustix::io::write(door, b"0")?;
        }
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // It may have died between the fork and the line before.
        if rustix::process::getppid() != Some(keeper) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only, on descriptors that it owns; it neither allocates nor locks.
    #[expect(unsafe_code, reason = "the death signal must be set between fork and exec")]
    unsafe {
        command.pre_exec(prepare);
    }
    command.spawn()
}

fn open_door(door: &Path) -> io::Result<OwnedFd> {
    OpenOptions::new().write(true).open(door).map(OwnedFd::from)
}

fn wait(
    child: &mut std::process::Child,
    living: &Mutex<Option<rustix::process::Pid>>,
) -> io::Result<std::process::ExitStatus> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    // Without taking it: its number stays its own until the lock is held.
    while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    let mut living = living.lock().unwrap_or_else(PoisonError::into_inner);
    *living = None;
    child.wait()
}

/// Kills and reaps whatever descends from here, until nothing does, or ten seconds have passed.
fn sweep() {
    use rustix::process::{WaitOptions, wait};
    for _ in 0..10_000 {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // Nobody is left.
                Err(_) => return,
            }
        }
        let own = std::process::id().cast_signed();
        for pid in super::proc::descendants(own).into_iter().filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps this process and its children on so many of the processors it has, other ones than the last keeper took.
fn pin(count: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    if count >= all.len() {
        return;
    }
    let mut taken = CpuSet::new();
    let first = std::process::id() as usize;
    (0..count).filter_map(|index| all.get((first + index) % all.len())).for_each(|cpu| taken.set(*cpu));
    let _ = sched_setaffinity(None, &taken);
}

/// Removes a folder of ours with all that is in it, following no link; folders that a guest closed are opened first.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder, 0);
            fs::remove_dir_all(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn open_up(folder: &Path, depth: u32) {
    use std::os::unix::fs::PermissionsExt;
    // Deeper than a path can be long.
    if depth > 2048 {
        return;
    }
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.for_each(|entry| open_up(&entry.path(), depth + 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_launch_reads_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch { argv: vec!["true".into()], user: Some(7), ..Launch::default() };
        launch.write(folder.path()).unwrap();
        assert_eq!(Launch::read(folder.path()).unwrap(), launch);
    }

    #[test]
    fn a_folder_that_was_closed_is_removed_all_the_same_and_links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let folder = tempfile::tempdir().unwrap().keep();
        fs::create_dir_all(folder.join("a/b")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.join("a/link")).unwrap();
        fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o000)).unwrap();
        remove(&folder).unwrap();
        assert!(!folder.exists() && outside.path().join("kept").exists());
        remove(&folder).unwrap();
    }
}
