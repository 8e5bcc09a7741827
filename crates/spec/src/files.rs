//! Which files are of the language, and finding them.

mod find;
mod ignore;

use aic_base::{RelPath, Source};
use regex::Regex;

pub use find::{Found, find_files, find_specs, is_ignore_file};

/// The kinds of files of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A container spec.
    Container,
    /// Several containers in one workflow.
    Compose,
    /// Behaviour tests kept apart.
    Tests,
}

/// Folders that hold no specs of the workspace's own; hidden ones are left out too.
const SKIPPED: [&str; 4] = ["target", "node_modules", "__pycache__", "venv"];

/// How deep and how wide a workspace is searched.
const MAX_DEPTH: usize = 16;
const MAX_ENTRIES: usize = 100_000;

/// What a file of this name is, by the patterns of the language; none if it is no file of the language.
pub fn file_kind(name: &str) -> Option<FileKind> {
    let stem = [".yml", ".yaml", ".toml"].into_iter().find_map(|ending| name.strip_suffix(ending))?;
    match stem {
        "compose.ai" => Some(FileKind::Compose),
        _ if stem.ends_with(".compose.ai") => Some(FileKind::Compose),
        "aicontainer" => Some(FileKind::Container),
        _ if stem.ends_with(".aicontainer") => Some(FileKind::Container),
        _ if stem.ends_with(".ai") && stem.len() > 3 => Some(FileKind::Container),
        _ if stem.ends_with(".aictest") && stem.len() > 8 => Some(FileKind::Tests),
        _ => None,
    }
}

/// Whether a file of this name is a container spec or a workflow.
pub fn is_spec_file(name: &str) -> bool {
    matches!(file_kind(name), Some(FileKind::Container | FileKind::Compose))
}

/// Whether a search goes into a folder of this name.
fn is_entered(name: &str, depth: usize) -> bool {
    depth < MAX_DEPTH && !name.starts_with('.') && !SKIPPED.contains(&name)
}

/// Visits the files below a folder, ignored ones too: a pattern names what it names.
fn walk(source: &dyn Source, folder: &RelPath, mut visit: impl FnMut(&RelPath)) {
    let mut seen = 0;
    let mut folders = vec![(folder.clone(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in source.list(&folder).unwrap_or_default() {
            seen += 1;
            if seen > MAX_ENTRIES {
                return;
            }
            let name = entry.path.file_name();
            if !entry.is_folder {
                visit(&entry.path);
            } else if is_entered(name, depth) {
                folders.push((entry.path, depth + 1));
            }
        }
    }
}

/// The files that match a pattern, sorted: `*` and `?` stay within a name, `**` spans folders. A pattern without either
/// names one file, there or not.
pub(crate) fn glob(source: &dyn Source, pattern: &RelPath) -> Vec<RelPath> {
    if !is_glob(pattern.as_str()) {
        return vec![pattern.clone()];
    }
    let fixed: Vec<&str> = pattern.names().take_while(|name| !is_glob(name)).collect();
    let Ok(folder) = RelPath::new(&fixed.join("/")) else { return Vec::new() };
    let Some(regex) = glob_regex(pattern.as_str()) else { return Vec::new() };
    let mut found = Vec::new();
    walk(source, &folder, |path| {
        if regex.is_match(path.as_str()) {
            found.push(path.clone());
        }
    });
    found.sort();
    found
}

pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn glob_regex(pattern: &str) -> Option<Regex> {
    let mut regex = String::from("^");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (with, len) = if rest.starts_with("**/") {
            ("(?:[^/]+/)*".to_owned(), 3)
        } else if rest.starts_with("**") {
            (".*".to_owned(), 2)
        } else if c == '*' {
            ("[^/]*".to_owned(), 1)
        } else if c == '?' {
            ("[^/]".to_owned(), 1)
        } else {
            (regex::escape(c.encode_utf8(&mut [0; 4])), c.len_utf8())
        };
        regex.push_str(&with);
        rest = &rest[len..];
    }
    regex.push('$');
    Regex::new(&regex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::MemorySource;

    fn source(files: &[&str]) -> MemorySource {
        let mut source = MemorySource::new();
        for file in files {
            source.insert(RelPath::new(file).unwrap(), *b"");
        }
        source
    }

    #[test]
    fn names_are_told_by_the_patterns_of_the_language() {
        for name in [".aicontainer.yml", "aicontainer.yaml", "a.aicontainer.toml", "container.ai.yml", "x.ai.yaml"] {
            assert_eq!(file_kind(name), Some(FileKind::Container), "{name}");
        }
        for name in ["compose.ai.yml", "a.compose.ai.yaml"] {
            assert_eq!(file_kind(name), Some(FileKind::Compose), "{name}");
        }
        assert_eq!(file_kind("a.aictest.yml"), Some(FileKind::Tests));
        for name in [".ai.yml", "ai.yml", "docker-compose.yml", "x.aicontainer.json", "aicontainer", ""] {
            assert_eq!(file_kind(name), None, "{name}");
        }
        assert!(is_spec_file("compose.ai.yml") && !is_spec_file("a.aictest.yml"));
    }

    #[test]
    fn a_star_stays_within_a_name_and_two_span_folders() {
        let source = source(&["t/a.aictest.yml", "t/b/c.aictest.yml", "t/b/d.md", "t/e+.md"]);
        let found = |pattern: &str| {
            let found = glob(&source, &RelPath::new(pattern).unwrap());
            found.into_iter().map(|path| path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found("t/*.aictest.yml"), ["t/a.aictest.yml"]);
        assert_eq!(found("t/**/*.aictest.yml"), ["t/a.aictest.yml", "t/b/c.aictest.yml"]);
        assert_eq!(found("t/e+.m?"), ["t/e+.md"]);
        assert_eq!(found("none.yml"), ["none.yml"]);
    }
}
