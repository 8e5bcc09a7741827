//! Finding the specs below a folder: everything that is called like one, but for what is ignored. Honoured are
//! `.gitignore`, `.aicignore` (the same language, for specs that are in the repository and are no specs of its own:
//! fixtures, templates) and `.git/info/exclude`.

use super::ignore::{self, Rules};
use super::{MAX_ENTRIES, file_kind, is_entered, is_spec_file};
use aic_base::{RelPath, Source};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The files that say what is ignored; the later ones have the last word.
const IGNORE_FILES: [&str; 2] = [".gitignore", ".aicignore"];

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The specs, sorted.
    pub specs: BTreeSet<RelPath>,
    /// The folders that were looked into: a spec that is made in one of them later is one more.
    pub folders: BTreeSet<RelPath>,
    /// Whether the search ended early: at 100,000 names.
    pub cut: bool,
}

/// Whether a file of this name says what is ignored.
pub fn is_ignore_file(name: &str) -> bool {
    IGNORE_FILES.contains(&name)
}

/// The specs below a folder. The folder itself is searched even where it is ignored: somebody asked for it. The search is
/// bounded at 16 levels and 100,000 names.
pub fn find_specs(source: &dyn Source, folder: &RelPath) -> Found {
    find(source, folder, is_spec_file)
}

/// All files of the language below a folder, files of tests included, sorted; as [`find_specs`] else.
pub fn find_files(source: &dyn Source, folder: &RelPath) -> Vec<RelPath> {
    find(source, folder, |name| file_kind(name).is_some()).specs.into_iter().collect()
}

fn find(source: &dyn Source, folder: &RelPath, wanted: impl Fn(&str) -> bool) -> Found {
    let mut found = Found::default();
    let exclude = RelPath::new(".git/info/exclude").map(|path| (RelPath::default(), path));
    let mut rules = Arc::new(Rules::default());
    for (of, path) in exclude.into_iter().chain(above(folder)) {
        rules = with(source, rules, &of, &path);
    }
    let mut seen = 0;
    let mut open = vec![(folder.clone(), 0, rules)];
    while let Some((folder, depth, mut rules)) = open.pop() {
        for name in IGNORE_FILES {
            if let Ok(path) = folder.join(name) {
                rules = with(source, rules, &folder, &path);
            }
        }
        for entry in source.list(&folder).unwrap_or_default() {
            seen += 1;
            if seen > MAX_ENTRIES {
                found.cut = true;
                return found;
            }
            let name = entry.path.file_name();
            if entry.is_folder {
                if is_entered(name, depth) && !rules.ignore(&entry.path, true) {
                    open.push((entry.path, depth + 1, rules.clone()));
                }
            } else if wanted(name) && !rules.ignore(&entry.path, false) {
                found.specs.insert(entry.path);
            }
        }
        found.folders.insert(folder);
    }
    found
}

/// The files above a folder that say what is ignored in it, from the outermost.
fn above(folder: &RelPath) -> Vec<(RelPath, RelPath)> {
    let mut parents = Vec::new();
    let mut at = folder.clone();
    while !at.as_str().is_empty() {
        at = at.parent();
        parents.push(at.clone());
    }
    let files = |of: RelPath| IGNORE_FILES.into_iter().filter_map(move |name| Some((of.clone(), of.join(name).ok()?)));
    parents.into_iter().rev().flat_map(files).collect()
}

fn with(source: &dyn Source, rules: Arc<Rules>, of: &RelPath, path: &RelPath) -> Arc<Rules> {
    // Most folders have none: asking first is cheaper than an error.
    if !source.has_file(path) {
        return rules;
    }
    match source.read_at_most(path, ignore::MAX_FILE) {
        Ok(bytes) => Arc::new(rules.with(of, &String::from_utf8_lossy(&bytes))),
        Err(_) => rules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::MemorySource;

    fn found(files: &[(&str, &str)], folder: &str) -> Vec<String> {
        let mut source = MemorySource::new();
        for (path, text) in files {
            source.insert(RelPath::new(path).unwrap(), text.as_bytes());
        }
        let found = find_specs(&source, &RelPath::new(folder).unwrap());
        found.specs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_git_ignores_and_what_aic_is_told_to_ignore_is_no_spec_here() {
        let files = [
            (".gitignore", "/build\n"),
            (".aicignore", "# not ours\ntests/fixtures/\n!keep.ai.yml\n"),
            (".git/info/exclude", "secret*\n"),
            ("a.ai.yml", ""),
            ("build/b.ai.yml", ""),
            ("secret.ai.yml", ""),
            ("crates/x/tests/fixtures/c.ai.yml", ""),
            ("tests/fixtures/d.ai.yml", ""),
            ("node_modules/e.ai.yml", ""),
            ("sub/build/f.ai.yml", ""),
            ("sub/.gitignore", "*.ai.yml\n"),
            ("sub/keep.aicontainer.yml", ""),
        ];
        assert_eq!(found(&files, ""), ["a.ai.yml", "crates/x/tests/fixtures/c.ai.yml", "sub/keep.aicontainer.yml"]);
        assert_eq!(found(&files, "tests/fixtures"), ["tests/fixtures/d.ai.yml"], "it was asked for");
        assert!(found(&files, "sub/build").is_empty(), "files above say so");
    }

    #[test]
    fn hidden_and_generated_folders_hold_no_specs_of_ones_own() {
        let files = [
            (".aicontainer.yml", ""),
            ("b/x.ai.yml", ""),
            (".aic/v/aicontainer.yml", ""),
            (".git/aicontainer.yml", ""),
            ("target/a.ai.yml", ""),
            ("node_modules/p/a.ai.yml", ""),
            ("b/t.aictest.yml", ""),
            ("b/readme.md", ""),
        ];
        assert_eq!(found(&files, ""), [".aicontainer.yml", "b/x.ai.yml"]);
    }
}
