//! The precompiled guest on disk, because compiling it takes the better part of a second and loading it milliseconds.
//!
//! Loading machine code from a file is only as safe as the file. What makes it sound here:
//! - The file lies in a folder of the user's own, mode 0700, in which only this module writes; a folder or file of
//!   somebody else's, open to others, or reached through a symbolic link is not used. Whoever can write there is the
//!   user already, and could as well replace this program.
//! - It is written under another name, flushed to the disk and renamed, and never changed afterwards, by a worker that
//!   runs no guest and ends; workers that run guests cannot open files.
//! - A checksum behind the code catches what honest disks do: cut and rotten files. It is a CRC, because nobody but the
//!   user can write there, who could write a better sum as well, and because a digest would take longer than all the
//!   rest of a worker's start.
//! - The file is mapped, not copied, so that workers share its pages; where that is not allowed it is copied.
//! - Its name is a digest over the module, wasmtime's version and the engine's configuration and processor features, so
//!   that code for another engine is never found; wasmtime checks the same again.

use aic_base::DigestBuilder;
use flate2::Crc;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// What a file of code ends with: this, and the checksum of everything before it.
const MAGIC: &[u8; 16] = b"aic guest code 2";
const TRAILER: u64 = MAGIC.len() as u64 + 4;
const MOST: u64 = 256 << 20;
/// What the code of users' modules is called, and how much of it is kept.
pub(super) const MODULE: &str = "module";
const MOST_MODULES: usize = 64;
/// The same of everything else: other versions of this program may use the folder too.
const MOST_VERSIONS: usize = 4;

pub(super) struct Cache {
    folder: PathBuf,
    file: PathBuf,
    name: String,
}

impl Cache {
    /// The cache of one module in this folder, given as the bytes of its path. The code lies in a subfolder that is
    /// made for it. `sum` is a digest that stands for the module.
    pub(super) fn new(path: Vec<u8>, engine: &Engine, name: &str, sum: &[u8]) -> Self {
        let folder = path_from(path).join("guests");
        let mut hasher = DigestHasher(DigestBuilder::new("precompiled guest"));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let mut key = hasher.0;
        let digest = key.part("wasm", sum).part("engine", "wasmtime 48.0").finish();
        Self { file: folder.join(format!("{name}-{digest}.code")), folder, name: name.into() }
    }

    /// The precompiled guest; `None` if there is none.
    ///
    /// # Errors
    /// Why what is there is not used.
    pub(super) fn load<C: Compiled>(&self, engine: &Engine) -> Result<Option<C>, String> {
        let refused = |why: String| format!("{} is not used: {why}", self.file.display());
        let file = match self.open() {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(error.to_string())),
        };
        let length = verified(&file).map_err(|error| refused(error.to_string()))?;
        // SAFETY: the file is what `Compiled::compile` gave for an engine of this version, configuration and processor,
        // and stays so, as far as anyone but this very user can have a say: see the head of this file.
        #[expect(unsafe_code, reason = "loads machine code that this module has written")]
        let code = unsafe { C::load(engine, &file, length) };
        code.map(Some).map_err(|error| refused(format!("{error:#}")))
    }

    fn open(&self) -> io::Result<File> {
        private_folder(&self.folder)?;
        open_own_file(&self.file)
    }

    /// Compiles the guest and puts it in place.
    ///
    /// # Errors
    /// The folder is not private or cannot be written.
    pub(super) fn store<C: Compiled>(&self, engine: &Engine, wasm: &[u8]) -> Result<(), String> {
        let code = C::compile(engine, wasm).map_err(|error| format!("{error:#}"))?;
        let written = || -> io::Result<()> {
            make_private_folder(&self.folder)?;
            private_folder(&self.folder)?;
            let mut file = tempfile::Builder::new().prefix(".new").tempfile_in(&self.folder)?;
            let mut sum = Crc::new();
            sum.update(&code);
            file.write_all(&code)?;
            file.write_all(MAGIC)?;
            file.write_all(&sum.sum().to_le_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.file).map_err(|error| error.error)?;
            self.tidy();
            Ok(())
        };
        written().map_err(|error| format!("cannot keep the compiled guest in {}: {error}", self.folder.display()))
    }
}

/// What can be compiled and kept.
pub(super) trait Compiled: Sized {
    fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Vec<u8>>;

    /// Loads what is in the first so many bytes of a file.
    ///
    /// # Safety
    /// They are what [`compile`](Self::compile) gave for this very engine, and nobody changes them.
    #[expect(unsafe_code, reason = "loads machine code")]
    unsafe fn load(engine: &Engine, file: &File, length: u64) -> wasmtime::Result<Self>;
}

#[expect(unsafe_code, reason = "loads machine code; the caller knows where from")]
impl Compiled for Module {
    fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
        engine.precompile_module(wasm)
    }

    unsafe fn load(engine: &Engine, file: &File, length: u64) -> wasmtime::Result<Self> {
        // SAFETY: as the caller says.
        let mapped = unsafe { Self::deserialize_open_file(engine, file.try_clone()?) };
        // A file system from which nothing may be executed can still be read.
        mapped.or_else(|_| {
            // SAFETY: the same.
            unsafe { Self::deserialize(engine, code(file, length)?) }
        })
    }
}

#[expect(unsafe_code, reason = "loads machine code; the caller knows where from")]
impl Compiled for Component {
    fn compile(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
        engine.precompile_component(wasm)
    }

    unsafe fn load(engine: &Engine, file: &File, length: u64) -> wasmtime::Result<Self> {
        // By its path it could be another file by now, and by descriptor there is no way.
        // SAFETY: as the caller says.
        unsafe { Self::deserialize(engine, code(file, length)?) }
    }
}

impl Cache {
    /// Removes code of this name that was compiled longest ago, where there is much.
    fn tidy(&self) {
        let most = if self.name == MODULE { MOST_MODULES } else { MOST_VERSIONS };
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let modules = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&self.name));
        let mut all: Vec<_> = modules
            .filter_map(|entry| Some((entry.metadata().and_then(|found| found.modified()).ok()?, entry.path())))
            .collect();
        all.sort();
        for (_, path) in all.iter().rev().skip(most) {
            drop(std::fs::remove_file(path));
        }
    }
}

/// How many bytes of code there are before a trailer that fits them.
fn verified(mut file: &File) -> io::Result<u64> {
    let damaged = || io::Error::other("it is damaged");
    let length = file.metadata()?.len().min(MOST).checked_sub(TRAILER).ok_or_else(damaged)?;
    let (mut sum, mut piece, mut left) = (Crc::new(), vec![0; 32 << 10], length);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let count = file.read(&mut piece[..most])?;
        if count == 0 {
            return Err(damaged());
        }
        sum.update(&piece[..count]);
        left -= count as u64;
    }
    let mut trailer = [0; TRAILER as usize];
    file.read_exact(&mut trailer)?;
    let whole = trailer.strip_prefix(MAGIC).is_some_and(|rest| *rest == sum.sum().to_le_bytes());
    whole.then_some(length).ok_or_else(damaged)
}

fn code(mut file: &File, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
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
