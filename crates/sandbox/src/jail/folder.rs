//! Where sandboxes have their folders, what is written down of each, and how the leftovers of a crash are found.

use super::keeper::{self, Launch};
use super::proc::Process;
use crate::runtime::{SandboxId, SandboxSpec, Status};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const RECORD: &str = "record.json";
/// What the folder of a sandbox that is being made begins with; its maker's number and start come next.
const UNBORN: &str = ".new-";
/// The agent, as the build made it; empty where the target has none.
pub(crate) static AGENT: &[u8] = include_bytes!(env!("AIC_AGENT"));

/// What is written down of a sandbox, so that another process can tell whose it is and whether anybody still cares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: SandboxId,
    pub(crate) spec: SandboxSpec,
    pub(crate) created_ms: i64,
    /// The process that made it.
    pub(crate) host: Process,
    /// The process that keeps it, once it was started.
    pub(crate) keeper: Option<Process>,
    /// What was last known of it.
    pub(crate) status: Option<Status>,
}

impl Record {
    fn is_orphan(&self) -> bool {
        !self.host.is_alive() && !self.keeper.is_some_and(Process::is_alive)
    }
}

/// The folder of all sandboxes of this user's.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// The user's own: below `$XDG_RUNTIME_DIR`, or else in the temporary folder, under the user's number. Root's is one
    /// that others can get through, because what it starts becomes another user; where neither is, it lies in `/run`.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else owns what lies there.
    pub fn of_user() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let user = rustix::process::geteuid().as_raw();
        Self::at(home(runtime, &std::env::temp_dir(), user))
    }

    /// This folder, which is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or is not a folder that only this user can write in.
    pub fn at(path: PathBuf) -> io::Result<Self> {
        let user = rustix::process::geteuid();
        // Where the sandbox is another user than we are, it must get through to its own folder; it cannot list them.
        let mode = if user.is_root() { 0o711 } else { 0o700 };
        match DirBuilder::new().mode(mode).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(super::workspace::at(&path.display().to_string(), error));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(&path)?;
        if !found.is_dir() || found.uid() != user.as_raw() || found.permissions().mode() & 0o022 != 0 {
            let why = "is not a folder that only you can write in; remove it";
            return Err(io::Error::other(format!("{} {why}", path.display())));
        }
        Ok(Self { path: path.canonicalize()? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn folder(&self, id: &SandboxId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// Makes the folder of a new sandbox. Only one process can have a name.
    pub(crate) fn claim(&self, record: &Record) -> io::Result<PathBuf> {
        // Whole, and only then under its name: a crash in between leaves nothing that has the name.
        let made = self.path.join(format!("{UNBORN}{}-{}-{}", record.host.pid, record.host.started, record.id));
        DirBuilder::new().mode(if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 }).create(&made)?;
        let folder = self.folder(&record.id);
        let named = write_in(&made, record).and_then(|()| {
            let flags = rustix::fs::RenameFlags::NOREPLACE;
            Ok(rustix::fs::renameat_with(rustix::fs::CWD, &made, rustix::fs::CWD, &folder, flags)?)
        });
        named.inspect_err(|_| drop(keeper::remove(&made)))?;
        Ok(folder)
    }

    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        write_in(&self.folder(&record.id), record)
    }

    pub(crate) fn read(&self, id: &SandboxId) -> io::Result<Record> {
        serde_json::from_slice(&fs::read(self.folder(id).join(RECORD))?).map_err(io::Error::other)
    }

    /// Everything that is written down here, by any process of this user's.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.ids().into_iter().filter_map(|id| self.read(&id).ok()).collect();
        records.sort_by(|a, b| a.id.cmp(&b.id));
        records
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }

    fn ids(&self) -> Vec<SandboxId> {
        self.names().filter_map(|name| name.parse().ok()).collect()
    }

    /// Whether the folder of this name has no record that can be read, as after a crash or from another version, and
    /// nobody lives whom what is there names.
    fn is_wreck(&self, id: &SandboxId) -> bool {
        let folder = self.folder(id);
        if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) || self.read(id).is_ok() {
            return false;
        }
        let text = fs::read(folder.join(RECORD)).unwrap_or_default();
        let found: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let lives = |who: &str| {
            let process = found.get(who).and_then(|one| serde_json::from_value::<Process>(one.clone()).ok());
            process.is_some_and(Process::is_alive)
        };
        !lives("host") && !lives("keeper") && !super::proc::is_named(folder.as_os_str())
    }

    /// Removes what crashed processes left. Returns what was removed.
    pub fn reap(&self) -> Vec<SandboxId> {
        let orphans: Vec<Record> = self.records().into_iter().filter(Record::is_orphan).collect();
        let mut gone: Vec<SandboxId> =
            orphans.into_iter().filter(|record| self.destroy(record).is_ok()).map(|record| record.id).collect();
        gone.extend(self.ids().into_iter().filter(|id| self.is_wreck(id) && self.clear(id).is_ok()));
        for name in self.names() {
            let maker = name.strip_prefix(UNBORN).and_then(|rest| {
                let mut parts = rest.split('-');
                Some(Process { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? })
            });
            if maker.is_some_and(|maker| !maker.is_alive()) {
                drop(keeper::remove(&self.path.join(name)));
            }
        }
        super::images::sweep(&self.path);
        gone
    }

    /// Removes what is left of a sandbox that nothing runs of.
    fn clear(&self, id: &SandboxId) -> io::Result<()> {
        let folder = self.folder(id);
        if let Ok(launch) = Launch::read(&folder) {
            launch.groups.remove();
        }
        keeper::remove(&folder)
    }

    /// Removes unpacked images that no sandbox uses. How many there were.
    pub fn remove_images(&self) -> usize {
        super::images::remove(&self.path, 0)
    }

    /// Ends and removes a sandbox, whoever's it is.
    pub(crate) fn destroy(&self, record: &Record) -> io::Result<()> {
        super::supervisor::dismiss(self, record);
        if let Some(keeper) = record.keeper {
            // Found before the keeper goes: then its children are somebody else's.
            let below = super::proc::descendants(keeper.pid).into_iter();
            let below: Vec<Process> = below.filter_map(|pid| Process::of(pid.cast_unsigned())).collect();
            let alive = keeper.is_alive();
            keeper.kill();
            if alive {
                below.iter().for_each(|process| process.kill());
            }
        }
        self.clear(&record.id)
    }

    /// The agent as a file that a sandbox can have, written once.
    pub(crate) fn agent(&self) -> io::Result<PathBuf> {
        if AGENT.is_empty() {
            return Err(io::Error::other("this build has no agent for sandboxes"));
        }
        let digest = aic_base::DigestBuilder::new("sandbox agent").part("code", AGENT).finish();
        let path = self.path.join(format!(".agent-{}", digest.short()));
        let whole = |found: &fs::Metadata| found.is_file() && found.len() == AGENT.len() as u64;
        if fs::symlink_metadata(&path).is_ok_and(|found| whole(&found)) {
            return Ok(path);
        }
        let file = tempfile::Builder::new().prefix(".agent-").tempfile_in(&self.path)?;
        io::Write::write_all(&mut file.as_file(), AGENT)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }
}

fn write_in(folder: &Path, record: &Record) -> io::Result<()> {
    let json = serde_json::to_vec(record).map_err(io::Error::other)?;
    // Replaced in one step: a reader never sees half of it.
    let file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file.as_file(), &json)?;
    file.persist(folder.join(RECORD)).map_err(|error| error.error)?;
    Ok(())
}

/// Where this user's sandboxes lie.
fn home(runtime: Option<PathBuf>, temporary: &Path, user: u32) -> PathBuf {
    let own = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user);
    let open = |path: &Path| user != 0 || is_open(path);
    match runtime.filter(own).filter(|path| open(path)) {
        Some(runtime) => runtime.join("aic-sandboxes"),
        // One that is not there is an error rather than a reason to go elsewhere.
        None if temporary.is_dir() && !open(temporary) => PathBuf::from("/run/aic-sandboxes"),
        None => temporary.join(format!("aic-sandboxes-{user}")),
    }
}

/// Whether everybody can get through this folder to what is in it.
fn is_open(path: &Path) -> bool {
    let through = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    path.canonicalize().is_ok_and(|path| path.ancestors().all(through))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::RuntimeKind;

    fn record(id: &str, host: Process) -> Record {
        let spec = SandboxSpec::new(RuntimeKind::Process, "test");
        Record { id: id.parse().unwrap(), spec, created_ms: 0, host, keeper: None, status: None }
    }

    #[test]
    fn a_name_is_taken_once_and_a_crashed_owner_loses_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().join("state")).unwrap();
        let own = Process::own().unwrap();
        let (mine, lost) = (record("mine", own), record("lost", Process { started: own.started + 1, ..own }));
        state.claim(&mine).unwrap();
        state.claim(&lost).unwrap();
        assert_eq!(state.claim(&mine).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(state.records().len(), 2);
        assert_eq!(state.reap(), [lost.id]);
        assert_eq!(state.records(), [mine]);
    }

    #[test]
    fn a_folder_without_a_readable_record_is_an_orphan_unless_somebody_named_there_lives() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().join("state")).unwrap();
        let own = Process::own().unwrap();
        let mine = record("mine", own);
        let place = |name: &str| state.folder(&name.parse().unwrap());
        for (name, text) in
            [("empty", ""), ("half", "{\"id\": "), ("later", "{\"host\": {\"pid\": 1, \"started\": 0}}")]
        {
            fs::create_dir(place(name)).unwrap();
            fs::write(place(name).join(RECORD), text).unwrap();
        }
        let alive = serde_json::json!({ "host": own, "of": "another version" }).to_string();
        fs::create_dir(place("alive")).unwrap();
        fs::write(place("alive").join(RECORD), alive).unwrap();
        let dead = state.path().join(format!("{UNBORN}{}-{}-x", own.pid, own.started + 1));
        let unborn = state.path().join(format!("{UNBORN}{}-{}-x", own.pid, own.started));
        fs::create_dir(&dead).unwrap();
        fs::create_dir(&unborn).unwrap();
        state.claim(&mine).unwrap();
        let mut gone: Vec<String> = state.reap().iter().map(ToString::to_string).collect();
        gone.sort();
        assert_eq!(gone, ["empty", "half", "later"]);
        assert!(place("alive").is_dir() && unborn.is_dir() && !dead.exists());
        assert_eq!(state.records(), [mine]);
    }

    #[test]
    fn roots_folder_is_one_that_others_get_through() {
        let (runtime, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let user = rustix::process::geteuid().as_raw();
        let set = |folder: &tempfile::TempDir, mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        };
        let find = || home(Some(runtime.path().to_owned()), temporary.path(), user);
        set(&runtime, 0o700);
        set(&temporary, 0o755);
        let (in_runtime, in_temporary) =
            (runtime.path().join("aic-sandboxes"), temporary.path().join(format!("aic-sandboxes-{user}")));
        assert_eq!(find(), if user == 0 { in_temporary } else { in_runtime.clone() });
        set(&temporary, 0o700);
        assert_eq!(find(), if user == 0 { "/run/aic-sandboxes".into() } else { in_runtime.clone() });
        set(&runtime, 0o711);
        assert_eq!(find(), in_runtime);
        let missing = home(None, Path::new("/no/such"), user);
        assert!(StateDir::at(missing).unwrap_err().to_string().contains("/no/such/aic-sandboxes"));
    }

    #[test]
    fn a_folder_that_others_can_write_in_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(StateDir::at(open).unwrap_err().to_string().contains("only you"));
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        assert!(StateDir::at(folder.path().join("link")).is_err());
    }

    #[test]
    fn the_agent_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(folder.path().join("state")).unwrap();
        let first = state.agent().unwrap();
        assert_eq!(fs::read(&first).unwrap(), AGENT);
        assert_eq!(state.agent().unwrap(), first);
    }
}
