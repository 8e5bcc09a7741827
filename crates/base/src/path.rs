//! Paths inside a workspace: relative, with `/`, and never leaving it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A path relative to the workspace, in normal form: `/` between names, no `.`, no `..`, not absolute. The empty path
/// is the workspace itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct RelPath(String);

/// Why a text is no path inside the workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It starts at the root of the file system.
    #[error("`{0}` is absolute: write a path relative to the file that names it")]
    Absolute(String),
    /// Its `..` lead out of the workspace.
    #[error("`{0}` leaves the workspace: only files below it may be named")]
    Leaves(String),
    /// It holds a NUL byte or is not Unicode.
    #[error("`{0}` is not a usable path")]
    Unusable(String),
}

impl RelPath {
    /// Reads a path as seen from the workspace.
    ///
    /// # Errors
    /// [`PathError`] if it is absolute, leaves the workspace, or holds a NUL byte.
    pub fn new(text: &str) -> Result<Self, PathError> {
        Self::default().join(text)
    }

    /// Reads `text` as seen from this folder.
    ///
    /// # Errors
    /// As [`RelPath::new`].
    pub fn join(&self, text: &str) -> Result<Self, PathError> {
        let shown = || text.chars().take(200).collect::<String>();
        if text.contains('\0') {
            return Err(PathError::Unusable(shown().replace('\0', "\\0")));
        }
        let windows_root = text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic();
        if text.starts_with(['/', '\\', '~']) || windows_root {
            return Err(PathError::Absolute(shown()));
        }
        let mut names: Vec<&str> = self.names().collect();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    names.pop().ok_or_else(|| PathError::Leaves(shown()))?;
                }
                name => names.push(name),
            }
        }
        Ok(Self(names.join("/")))
    }

    /// The relative path of `path` below `root`, both absolute.
    ///
    /// # Errors
    /// [`PathError`] if it does not lie below, or is not Unicode.
    pub fn below(root: &Path, path: &Path) -> Result<Self, PathError> {
        let shown = path.display().to_string();
        let inside = path.strip_prefix(root).map_err(|_| PathError::Leaves(shown.clone()))?;
        let text = inside.to_str().ok_or(PathError::Unusable(shown))?;
        Self::new(&text.replace(std::path::MAIN_SEPARATOR, "/"))
    }

    /// The folder it lies in; the workspace's own folder for the workspace.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned())
    }

    /// Its last name, empty for the workspace.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The names on the way.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the workspace itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// On disk, below this root.
    pub fn under(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(self.names());
        path
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_the_folder_of_the_file_that_names_it() {
        let folder = RelPath::new("agents/support").unwrap();
        assert_eq!(folder.join("../shared//./guard.js").unwrap().as_str(), "agents/shared/guard.js");
        assert_eq!(folder.join("../..").unwrap(), RelPath::default());
        assert_eq!(folder.parent().as_str(), "agents");
    }

    #[test]
    fn no_path_leaves_the_workspace() {
        let folder = RelPath::new("a").unwrap();
        for text in ["../..", "../../etc/passwd", "b/../../../x"] {
            assert!(matches!(folder.join(text), Err(PathError::Leaves(_))), "{text}");
        }
        for text in ["/etc/passwd", "~/x", "C:/x", "\\x"] {
            assert!(matches!(folder.join(text), Err(PathError::Absolute(_))), "{text}");
        }
        assert!(matches!(folder.join("a\0b"), Err(PathError::Unusable(_))));
    }
}
