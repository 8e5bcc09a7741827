//! The workspace: which folder it is, which specs are in it, and its store.

use aic_base::{
    Digest, DigestBuilder, DiskSource, RelPath, Source, SourceError, SourceErrorKind, SystemClock, Timestamp,
};
use aic_spec::{Found, LoadOptions, Loaded, find_specs, is_spec_file, load};
use aic_store::{Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Something about the command line or the folder keeps a command from running.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is nothing of this name.
    #[error("{path}: no such file or folder")]
    Missing {
        /// The path as it was given.
        path: String,
    },
    /// The system says no.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no spec in the folder.
    #[error(
        "{path}: no spec here. A spec is called .aicontainer.yml, NAME.aicontainer.yml or NAME.ai.yml, a workflow NAME.compose.ai.yml, a file of tests NAME.aictest.yml; `aic init` makes a spec"
    )]
    NoSpec {
        /// The folder.
        path: String,
    },
    /// There are several, and the command is about one.
    #[error("{path}: {count} specs here; say which one: {names}")]
    Several {
        /// The folder.
        path: String,
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// The file is not called like a spec.
    #[error("{path}: not called like a spec (.aicontainer.yml, NAME.aicontainer.yml, NAME.ai.yml)")]
    NotASpec {
        /// The file.
        path: String,
    },
    /// The path has no place in the workspace.
    #[error("{0}")]
    Path(#[from] aic_base::PathError),
}

/// A workspace.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its folder, without symbolic links.
    pub root: PathBuf,
    source: Arc<DiskSource>,
}

/// What a path on the command line means.
#[derive(Debug)]
pub struct Target {
    /// The workspace it lies in.
    pub workspace: Workspace,
    /// The specs it means: one, or all below a folder.
    pub specs: Vec<RelPath>,
    /// The folder or file itself.
    pub path: RelPath,
}

impl Workspace {
    /// The workspace of a folder: the nearest parent with `.aic/`, else with `.git`, else the folder itself.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn of(folder: &Path) -> Result<Self, WorkspaceError> {
        let io = |source| WorkspaceError::Io { path: folder.display().to_string(), source };
        let folder = folder.canonicalize().map_err(io)?;
        let with = |name: &str| folder.ancestors().find(|parent| parent.join(name).exists()).map(Path::to_owned);
        let root = with(".aic").or_else(|| with(".git")).unwrap_or_else(|| folder.clone());
        let source = Arc::new(DiskSource::new(&root).map_err(io)?);
        Ok(Self { root, source })
    }

    /// Its files.
    pub const fn source(&self) -> &Arc<DiskSource> {
        &self.source
    }

    /// The specs below a folder of it, but for what is ignored.
    pub(crate) fn specs_below(&self, folder: &RelPath) -> Found {
        find_specs(&*self.source, folder)
    }

    /// Its store, made if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store(&self) -> Result<Store, StoreError> {
        Store::open(&self.root, Arc::new(SystemClock::new()))
    }

    /// Loads a spec as it is on disk now.
    pub fn load(&self, spec: &RelPath, environment: Option<&str>) -> Loaded {
        load(&*self.source, spec, &LoadOptions { environment: environment.map(str::to_owned), today: now() })
    }

    /// The digest of a database or document as it is now; none if it is not there. What is too large to be read for
    /// this is told by its length and when it was written.
    pub fn data_digest(&self, path: &RelPath) -> Option<Digest> {
        let main = self.part_digest(path)?;
        // SQLite keeps what is not checkpointed yet in a file beside the database.
        let log = RelPath::new(&format!("{path}-wal")).ok().and_then(|log| self.part_digest(&log));
        let mut builder = DigestBuilder::new("data");
        builder.part("main", main.as_bytes());
        if let Some(log) = log {
            builder.part("log", log.as_bytes());
        }
        Some(builder.finish())
    }

    fn part_digest(&self, path: &RelPath) -> Option<Digest> {
        match self.source.read(path) {
            Ok(bytes) => Some(Digest::of(bytes)),
            Err(SourceError { kind: SourceErrorKind::TooLarge { .. }, .. }) => {
                let found = path.under(&self.root).metadata().ok()?;
                let written = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
                let mut builder = DigestBuilder::new("large file");
                builder.part("length", found.len().to_string()).part("written", written.to_string());
                Some(builder.finish())
            }
            Err(_) => None,
        }
    }

    /// How a person below this folder would write the path of a file.
    pub fn shown(&self, path: &RelPath) -> String {
        let full = path.under(&self.root);
        let here = std::env::current_dir().and_then(|here| here.canonicalize());
        match here.ok().and_then(|here| full.strip_prefix(here).ok().map(Path::to_owned)) {
            Some(short) if !short.as_os_str().is_empty() => short.display().to_string(),
            _ => path.to_string(),
        }
    }
}

impl Target {
    /// What a path means: a spec, or the specs of a folder. In a folder that has specs of its own, those; else all
    /// below it.
    ///
    /// # Errors
    /// [`WorkspaceError`]: nothing there, no spec there.
    pub fn read(path: &Path) -> Result<Self, WorkspaceError> {
        let shown = || path.display().to_string();
        let meta = path.metadata().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => WorkspaceError::Missing { path: shown() },
            _ => WorkspaceError::Io { path: shown(), source },
        })?;
        let full = path.canonicalize().map_err(|source| WorkspaceError::Io { path: shown(), source })?;
        let folder = if meta.is_dir() { full.as_path() } else { full.parent().unwrap_or(&full) };
        let workspace = Workspace::of(folder)?;
        let rel = RelPath::below(&workspace.root, &full)?;
        if !meta.is_dir() {
            return match is_spec_file(rel.file_name()) {
                true => Ok(Self { workspace, specs: vec![rel.clone()], path: rel }),
                false => Err(WorkspaceError::NotASpec { path: shown() }),
            };
        }
        let all = workspace.specs_below(&rel).specs;
        let here: Vec<RelPath> = all.iter().filter(|spec| spec.parent() == rel).cloned().collect();
        let specs = if here.is_empty() { all.into_iter().collect() } else { here };
        match specs.is_empty() {
            true => Err(WorkspaceError::NoSpec { path: shown() }),
            false => Ok(Self { workspace, specs, path: rel }),
        }
    }

    /// What a path means where the command is about one spec. A spec that is gone from the disk but known to the store
    /// is meant too: that is when a rollback is wanted most.
    ///
    /// # Errors
    /// [`WorkspaceError`], also where there are several.
    pub fn one(path: &Path) -> Result<(Workspace, RelPath), WorkspaceError> {
        match Self::read(path) {
            Ok(Self { workspace, mut specs, .. }) => match (specs.pop(), specs.is_empty()) {
                (Some(spec), true) => Ok((workspace, spec)),
                (last, _) => {
                    specs.extend(last);
                    let names: Vec<String> = specs.iter().take(5).map(|spec| workspace.shown(spec)).collect();
                    let more = if specs.len() > 5 { ", …" } else { "" };
                    Err(WorkspaceError::Several {
                        path: path.display().to_string(),
                        count: specs.len(),
                        names: format!("{}{more}", names.join(", ")),
                    })
                }
            },
            Err(error @ (WorkspaceError::Missing { .. } | WorkspaceError::NoSpec { .. })) => {
                Self::remembered(path).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn remembered(path: &Path) -> Option<(Workspace, RelPath)> {
        let full = std::path::absolute(path).ok()?;
        let folder = full.ancestors().find(|folder| folder.is_dir())?;
        let workspace = Workspace::of(folder).ok()?;
        let tail = full.strip_prefix(folder).ok()?;
        let rel = RelPath::below(&workspace.root, &folder.canonicalize().ok()?.join(tail)).ok()?;
        let known = Store::open_read_only(&workspace.root).ok()?.specs().ok()?;
        let mut meant = known.into_iter().filter(|spec| *spec == rel || spec.parent() == rel);
        match (meant.next(), meant.next()) {
            (Some(spec), None) => Some((workspace, spec)),
            _ => None,
        }
    }
}

/// The moment it is.
pub fn now() -> Timestamp {
    use aic_base::Clock as _;
    SystemClock::new().now()
}

/// Whether there is a file of this name: for watching what is named but missing.
pub fn exists(workspace: &Workspace, path: &RelPath) -> bool {
    workspace.source().has_file(path)
}
