//! Where a document lies: the workspace it belongs to, and its path in there.

use aic_base::{DiskSource, MemorySource, RelPath, Source};
use aic_spec::file_kind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tower_lsp_server::ls_types::Uri;

/// A file: the folder of its workspace, and its path in there.
pub(crate) type Key = (PathBuf, RelPath);

/// Where a document lies.
#[derive(Clone)]
pub(crate) struct Home {
    /// The folder of the workspace, without symbolic links; of a document that is no file, the scheme of its address.
    pub(crate) root: PathBuf,
    /// The document in there.
    pub(crate) path: RelPath,
    /// The files of the workspace as they are on disk.
    pub(crate) disk: Arc<dyn Source>,
}

impl Home {
    /// Where the document of an address lies. What has no file yet is a spec if the client gave it our language.
    pub(crate) fn of(uri: &Uri, language: &str) -> Self {
        let on_disk = (uri.scheme().as_str() == "file").then(|| uri.to_file_path()).flatten();
        on_disk.and_then(|path| Self::of_file(&path)).unwrap_or_else(|| Self::elsewhere(uri, language))
    }

    /// The workspace of a file: the nearest folder above it with `.aic/`, else with `.git`, else its own folder. The file
    /// itself need not be there yet.
    pub(crate) fn of_file(file: &Path) -> Option<Self> {
        let folder = file.parent()?.canonicalize().ok()?;
        let with = |name: &str| folder.ancestors().find(|parent| parent.join(name).exists()).map(Path::to_owned);
        let root = with(".aic").or_else(|| with(".git")).unwrap_or_else(|| folder.clone());
        let path = RelPath::below(&root, &folder.join(file.file_name()?)).ok()?;
        let disk = Arc::new(DiskSource::new(&root).ok()?);
        Some(Self { root, path, disk })
    }

    /// A document that is no file has a workspace of its own with nothing else in it.
    fn elsewhere(uri: &Uri, language: &str) -> Self {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or("");
        let named = RelPath::new(name).ok().filter(|path| file_kind(path.file_name()).is_some());
        let other = match language {
            "aicontainer" => "untitled.aicontainer.yml",
            "aicontainer-toml" => "untitled.aicontainer.toml",
            _ => "untitled",
        };
        let path = named.or_else(|| RelPath::new(other).ok()).unwrap_or_default();
        Self { root: PathBuf::from(uri.as_str()), path, disk: Arc::new(MemorySource::new()) }
    }

    pub(crate) fn key(&self) -> Key {
        (self.root.clone(), self.path.clone())
    }
}

/// The address of a file of a workspace.
pub(crate) fn uri_of(root: &Path, path: &RelPath) -> Option<Uri> {
    root.is_absolute().then(|| Uri::from_file_path(path.under(root))).flatten()
}
