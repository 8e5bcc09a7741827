//! What is remembered of a workspace from one session to the next: what was selected, which pane had the keys, how far it
//! was scrolled. One small file a workspace, in the platform's folder for state.

use aic_base::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes. No session writes one as large.
const MAX_FILE: u64 = 1 << 20;
/// The most specs whose selected case is remembered.
const MOST_CASES: usize = 1000;
/// How many workspaces are remembered before those that are gone are forgotten.
const MOST_FILES: usize = 200;

/// What is remembered of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The workspace's folder: so that a file of a workspace that is gone can be told.
    pub root: PathBuf,
    /// The selected spec, by its path.
    pub spec: Option<String>,
    /// The pane that had the keys, by its title.
    pub pane: Option<String>,
    /// The file that the spec pane showed, where it was not the spec itself.
    pub file: Option<String>,
    /// Its selected line, from 0.
    pub line: usize,
    /// The first line of the trace that was shown.
    pub trace_top: usize,
    /// The selected case of each spec.
    pub cases: BTreeMap<String, String>,
}

/// The file that remembers a workspace; none where the machine has no folder for it.
pub fn file(root: &Path) -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "aic")?;
    let folder = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("workspaces");
    Some(folder.join(format!("{}.json", Digest::of(root.as_os_str().as_encoded_bytes()).short())))
}

/// Reads it. Nothing where nothing was written yet.
///
/// # Errors
/// In words, if it is there and cannot be understood.
pub fn read(path: &Path) -> Result<Memory, String> {
    let ignored = |why: String| format!("what was selected last is not known: {}: {why}", path.display());
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Memory::default()),
        Ok(meta) if meta.len() > MAX_FILE => return Err(ignored("it is too large".into())),
        _ => {}
    }
    let text = std::fs::read_to_string(path).map_err(|error| ignored(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| ignored(error.to_string()))
}

/// Writes it, whole or not at all.
///
/// # Errors
/// If the system says no.
pub fn write(path: &Path, memory: &Memory) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut memory = memory.clone();
    while memory.cases.len() > MOST_CASES {
        memory.cases.pop_last();
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(serde_json::to_string_pretty(&memory)?.as_bytes())?;
    file.persist(path)?;
    forget(folder, path);
    Ok(())
}

/// Forgets workspaces that are gone, once there are many.
fn forget(folder: &Path, own: &Path) {
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    if files.len() <= MOST_FILES {
        return;
    }
    for path in files.iter().filter(|path| *path != own) {
        if read(path).is_ok_and(|memory| !memory.root.is_dir()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_broken_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/x.json");
        assert_eq!(read(&path), Ok(Memory::default()));
        let memory = Memory { spec: Some("a.ai.yml".into()), line: 7, ..Memory::default() };
        write(&path, &memory).unwrap();
        assert_eq!(read(&path), Ok(memory));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        for broken in ["{", "7", "{\"line\": -1}", "\u{0}"] {
            std::fs::write(&path, broken).unwrap();
            assert!(read(&path).unwrap_err().contains("x.json"), "{broken}");
        }
        std::fs::write(&path, "{\"line\": 3, \"of a later version\": true}").unwrap();
        assert_eq!(read(&path).unwrap().line, 3);
    }

    #[test]
    fn workspaces_that_are_gone_are_forgotten_once_there_are_many() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Memory { root: "/no/such/folder".into(), ..Memory::default() };
        for number in 0..MOST_FILES {
            std::fs::write(folder.path().join(number.to_string()), serde_json::to_string(&gone).unwrap()).unwrap();
        }
        let own = Memory { root: folder.path().to_owned(), ..Memory::default() };
        write(&folder.path().join("own"), &own).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
