//! The precompiled guest on disk, because compiling it takes the better part of a second and loading it milliseconds.
//!
//! Loading machine code from a file is only as safe as the file. What makes it sound here:
//! - The file lies in a folder of the user's own, mode 0700, in which only this module writes; a folder or file of
//!   somebody else's, open to others, or reached through a symbolic link is not used. Whoever can write there is the
//!   user already, and could as well replace this program.
//! - It is written under another name, flushed to the disk and renamed, and never changed afterwards, by a worker that
//!   runs no guest and ends; workers that run guests cannot open files.
//! - A SHA-256 in front of the code catches what honest disks do: cut, stale and rotten files. The bytes that were
//!   checked are the bytes that are loaded.
//! - Its name is a digest over the module, wasmtime's version and the engine's configuration and processor features, so
//!   that code for another engine is never found; wasmtime checks the same again.

use aic_base::{Digest, DigestBuilder};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use wasmtime::{Engine, Module};

const MAGIC: &[u8; 16] = b"aic guest code 1";
const MOST: u64 = 256 << 20;
/// What the code of users' modules is called, and how much of it is kept.
pub(super) const MODULE: &str = "module";
const MOST_MODULES: usize = 64;

pub(super) struct Cache {
    folder: PathBuf,
    file: PathBuf,
}

impl Cache {
    /// The cache of one module in this folder, given as the bytes of its path. The code lies in a subfolder that is
    /// made for it.
    pub(super) fn new(path: Vec<u8>, engine: &Engine, name: &str, wasm: &[u8]) -> Self {
        let folder = path_from(path).join("guests");
        let mut hasher = DigestHasher(DigestBuilder::new("precompiled guest"));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let mut key = hasher.0;
        let digest = key.part("wasm", wasm).part("engine", "wasmtime 48.0").finish();
        Self { file: folder.join(format!("{name}-{digest}.code")), folder }
    }

    /// The precompiled guest; `None` if there is none.
    ///
    /// # Errors
    /// Why what is there is not used.
    pub(super) fn load(&self, engine: &Engine) -> Result<Option<Module>, String> {
        let refused = |why: String| format!("{} is not used: {why}", self.file.display());
        let bytes = match self.read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(error.to_string())),
        };
        let code = verified(&bytes).ok_or_else(|| refused("it is damaged".into()))?;
        // SAFETY: the bytes are what `Engine::precompile_module` gave for an engine of this version, configuration and
        // processor, as far as anyone but this very user can have a say: see the head of this file.
        #[expect(unsafe_code, reason = "loads machine code that this module has written")]
        let module = unsafe { Module::deserialize(engine, code) };
        module.map(Some).map_err(|error| refused(format!("{error:#}")))
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        private_folder(&self.folder)?;
        let file = open_own_file(&self.file)?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Compiles the guest and puts it in place.
    ///
    /// # Errors
    /// The folder is not private or cannot be written.
    pub(super) fn store(&self, engine: &Engine, wasm: &[u8]) -> Result<(), String> {
        let code = engine.precompile_module(wasm).map_err(|error| format!("{error:#}"))?;
        let written = || -> io::Result<()> {
            make_private_folder(&self.folder)?;
            private_folder(&self.folder)?;
            let mut file = tempfile::Builder::new().prefix(".new").tempfile_in(&self.folder)?;
            file.write_all(MAGIC)?;
            file.write_all(Digest::of(&code).as_bytes())?;
            file.write_all(&code)?;
            file.as_file().sync_all()?;
            file.persist(&self.file).map_err(|error| error.error)?;
            self.tidy();
            Ok(())
        };
        written().map_err(|error| format!("cannot keep the compiled guest in {}: {error}", self.folder.display()))
    }
}

impl Cache {
    /// Removes the code of modules that were compiled longest ago, where there are many.
    fn tidy(&self) {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let modules = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(MODULE));
        let mut all: Vec<_> = modules
            .filter_map(|entry| Some((entry.metadata().and_then(|found| found.modified()).ok()?, entry.path())))
            .collect();
        all.sort();
        for (_, path) in all.iter().rev().skip(MOST_MODULES) {
            drop(std::fs::remove_file(path));
        }
    }
}

/// The code behind a header that fits it.
fn verified(bytes: &[u8]) -> Option<&[u8]> {
    let (digest, code) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    (Digest::of(code).as_bytes() == digest).then_some(code)
}

struct DigestHasher(DigestBuilder);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.part("", bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(unix)]
fn path_from(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_from(bytes: Vec<u8>) -> PathBuf {
    OsString::from(String::from_utf8_lossy(&bytes).into_owned()).into()
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::symlink_metadata(folder)?;
    let own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0;
    own.then_some(()).ok_or_else(|| io::Error::other("its folder is not the user's own with mode 0700"))
}

#[cfg(unix)]
fn open_own_file(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    // NONBLOCK, so that a FIFO in its place does not hang us before it is refused.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    let own = found.is_file() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    own.then_some(file).ok_or_else(|| io::Error::other("it is not a file of the user's own that only they can write"))
}

#[cfg(not(unix))]
fn make_private_folder(_folder: &Path) -> io::Result<()> {
    Err(io::Error::other("this version keeps compiled guests on Unix only"))
}

#[cfg(not(unix))]
fn private_folder(_folder: &Path) -> io::Result<()> {
    Err(io::Error::other("this version keeps compiled guests on Unix only"))
}

#[cfg(not(unix))]
fn open_own_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}
