//! The interpreters that a user has added: each is a module, kept under its digest in the user's data folder, and the
//! language that it is for.

use super::run::{ModuleError, ModuleFile};
use crate::cancel::Cancel;
use crate::host::{ModuleFailure, ScriptHost};
use aic_base::{Digest, Limits};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const INDEX: &str = "guests.json";

/// One interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The ending of the scripts that it runs, such as `py`.
    pub language: String,
    /// What it is called.
    pub name: String,
    /// What its file must be.
    pub digest: Digest,
    /// The file's size in bytes.
    pub bytes: u64,
    /// What goes between its name and the script's own arguments; `{script}` stands for the script's path.
    pub call: Vec<String>,
    /// What it wants that no guest gets. Calling one of these ends the run.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// Why a guest was not added, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The file is no module.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// It compiles, but is nothing that runs scripts.
    #[error("{name} is no interpreter: {why}")]
    NoInterpreter {
        /// The guest.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// No such ending.
    #[error("{0:?} is no language: write the ending of its scripts, such as `py` or `lua`")]
    Language(String),
    /// Nobody is there.
    #[error("there is no guest {0:?}; `aic guest list` shows those there are")]
    Unknown(String),
    /// The folder of guests.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// The caller gave up.
    #[error("it was cancelled")]
    Cancelled,
}

/// The guests in one folder.
#[derive(Debug, Clone)]
pub struct Guests {
    folder: PathBuf,
}

impl Guests {
    /// Those in this folder, which is made with the first one.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self, path: &Path, error: impl std::fmt::Display) -> GuestError {
        GuestError::File { path: path.to_owned(), why: error.to_string() }
    }

    /// Every guest, in the order of their languages.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn list(&self) -> Result<Vec<Guest>, GuestError> {
        let index = self.folder.join(INDEX);
        match fs::read(&index) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| {
                self.file(&index, format!("is damaged ({error}): remove it, and add the guests again"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.file(&index, error)),
        }
    }

    /// The guest for scripts with this ending, and its file.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, language: &str) -> Result<Option<(Guest, ModuleFile)>, GuestError> {
        let found = self.list()?.into_iter().find(|guest| guest.language == language);
        Ok(found.map(|guest| {
            let file = ModuleFile::at(self.path_of(guest.digest), guest.digest);
            (guest, file)
        }))
    }

    fn path_of(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }

    /// Adds an interpreter for scripts with this ending, in place of the one that was there. It is compiled now, so that
    /// its first script does not wait for that.
    ///
    /// # Errors
    /// When it is no program for WASI, or the folder cannot be written.
    pub fn add(
        &self,
        host: &ScriptHost,
        path: &Path,
        language: &str,
        name: Option<&str>,
        call: Vec<String>,
        cancel: &Cancel,
    ) -> Result<Guest, GuestError> {
        let language = language.strip_prefix('.').unwrap_or(language);
        if language.is_empty() || language.len() > 16 || !language.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(GuestError::Language(language.into()));
        }
        let (module, bytes) = ModuleFile::read(path)?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.map_or(stem, Into::into);
        self.make_folder().map_err(|error| self.file(&self.folder, error))?;
        let target = self.path_of(module.digest());
        self.write(&target, &bytes)?;
        // The file that the user named, rather than where it is kept.
        let (own, named) = (target.display().to_string(), path.display().to_string());
        let kept = ModuleFile::at(target, module.digest());
        let facts = host.prepare_module(kept.ask(&Limits::default(), None), cancel).map_err(|failure| match failure {
            ModuleFailure::Cancelled => GuestError::Cancelled,
            ModuleFailure::Timeout => {
                GuestError::NoInterpreter { name: name.clone(), why: "compiling takes too long".into() }
            }
            ModuleFailure::CannotStart(why) | ModuleFailure::NotCompiled(why) | ModuleFailure::Died(why) => {
                GuestError::NoInterpreter { name: name.clone(), why: why.replace(&own, &named) }
            }
        });
        let facts = facts.and_then(|facts| match facts.command {
            true => Ok(facts),
            false => Err(GuestError::NoInterpreter {
                name: name.clone(),
                why: "it has no `_start` to begin at, nor `wasi:cli/run`".into(),
            }),
        });
        let facts = facts.inspect_err(|_| self.drop_unused(&self.list().unwrap_or_default(), module.digest()))?;
        let missing = facts.missing;
        let size = bytes.len() as u64;
        let guest = Guest { language: language.into(), name, digest: module.digest(), bytes: size, call, missing };
        let mut all = self.list()?;
        let old: Vec<Digest> = all.iter().filter(|old| old.language == guest.language).map(|old| old.digest).collect();
        all.retain(|old| old.language != guest.language);
        all.push(guest.clone());
        all.sort_by(|a, b| a.language.cmp(&b.language));
        self.store(&all)?;
        old.into_iter().for_each(|digest| self.drop_unused(&all, digest));
        Ok(guest)
    }

    /// Removes a guest, by its name or its language.
    ///
    /// # Errors
    /// When there is none, or the folder cannot be written.
    pub fn remove(&self, name: &str) -> Result<Vec<Guest>, GuestError> {
        let (gone, left): (Vec<_>, Vec<_>) =
            self.list()?.into_iter().partition(|guest| guest.name == name || guest.language == name);
        if gone.is_empty() {
            return Err(GuestError::Unknown(name.into()));
        }
        self.store(&left)?;
        gone.iter().for_each(|guest| self.drop_unused(&left, guest.digest));
        Ok(gone)
    }

    fn drop_unused(&self, all: &[Guest], digest: Digest) {
        if !all.iter().any(|guest| guest.digest == digest) {
            // What stays only takes room; nothing runs it.
            drop(fs::remove_file(self.path_of(digest)));
        }
    }

    fn store(&self, all: &[Guest]) -> Result<(), GuestError> {
        let index = self.folder.join(INDEX);
        let json = serde_json::to_vec_pretty(all).map_err(|error| self.file(&index, error))?;
        self.write(&index, &json)
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
        let written = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".new").tempfile_in(&self.folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        written().map_err(|error| self.file(path, error))
    }

    fn make_folder(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }
}
