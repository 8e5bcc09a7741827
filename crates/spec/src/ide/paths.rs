//! Files and folders that a path may name, as seen from the file that names it.

use aic_base::{RelPath, Source};

/// The most names of a folder that are offered.
const MAX_NAMES: usize = 500;

/// A file or folder.
pub(super) struct Found {
    /// As it is written: relative to the file that names it, folders with `/` at the end.
    pub(super) written: String,
    /// Whether it is a folder.
    pub(super) is_folder: bool,
    /// Whether its ending is one of those that are wanted.
    pub(super) fits: bool,
}

/// What lies in the folder that `typed` has come to.
pub(super) fn list(source: &dyn Source, path: &RelPath, typed: &str, endings: &[&str]) -> Vec<Found> {
    let (folder, started) = match typed.rsplit_once('/') {
        Some((folder, started)) => (format!("{folder}/"), started),
        None => (String::new(), typed),
    };
    let Ok(at) = path.parent().join(&folder) else { return Vec::new() };
    let mut found: Vec<Found> = source
        .list(&at)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.path != *path)
        .filter(|entry| !entry.path.file_name().starts_with('.') || started.starts_with('.'))
        .take(MAX_NAMES)
        .map(|entry| {
            let name = entry.path.file_name();
            let slash = if entry.is_folder { "/" } else { "" };
            let fits = endings.is_empty() || endings.iter().any(|ending| name.ends_with(ending));
            Found { written: format!("{folder}{name}{slash}"), is_folder: entry.is_folder, fits }
        })
        .collect();
    if !at.is_root() && (typed.is_empty() || typed.ends_with("../") || typed.starts_with('.')) && started.is_empty() {
        found.push(Found { written: format!("{folder}../"), is_folder: true, fits: false });
    }
    found
}

/// The endings of files that a key names.
pub(super) fn endings(key: &str) -> &'static [&'static str] {
    match key {
        "script" => &[".js"],
        "wasm" => &[".wasm"],
        "file" => &[".md", ".txt", ".js"],
        "cases" => &[".csv", ".jsonl"],
        "cassette" => &[".jsonl"],
        "schema" | "json_schema" => &[".json"],
        "files" => &[".aictest.yml", ".aictest.yaml", ".md"],
        "spec" | "inherits" => &[".aicontainer.yml", ".aicontainer.yaml", ".ai.yml", ".ai.yaml"],
        "sql" => &[".db", ".sqlite", ".sqlite3"],
        _ => &[],
    }
}
