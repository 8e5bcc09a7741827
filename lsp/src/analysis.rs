//! What is wrong with the open documents and the specs they belong to: one pass, on the blocking pool, over a snapshot.
//!
//! What is read is an *entry*: an open spec, a spec that includes an open file of tests, or such a file by itself where
//! none does. An entry is read again when a document changed that it is made of; the others keep their findings.

use crate::convert;
use crate::documents::Documents;
use crate::home::{Home, Key, uri_of};
use crate::position::{Encoding, Lines};
use aic_base::{RelPath, Source, Span, Timestamp};
use aic_spec::ide::Host;
use aic_spec::{FileKind, LoadOptions, Loaded, file_kind};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use tower_lsp_server::ls_types::{Diagnostic, Location, TextEdit};

/// What a pass reads.
pub(crate) struct Job {
    /// The open documents.
    pub(crate) documents: Documents,
    /// Specs that are looked into although they are not open.
    pub(crate) listed: Option<Arc<Vec<Home>>>,
    /// What was parsed, by workspace.
    pub(crate) hosts: HashMap<PathBuf, Arc<Host>>,
    /// What each entry was made of when it was last read.
    pub(crate) made_of: HashMap<Key, Arc<BTreeSet<RelPath>>>,
    /// The files that changed since.
    pub(crate) changed: HashSet<Key>,
    /// The number of the last change among them.
    pub(crate) generation: u64,
    /// How columns are counted.
    pub(crate) encoding: Encoding,
    /// Whether the client shows other places that matter.
    pub(crate) related: bool,
    /// Whether the client greys out what nothing uses and strikes out what comes to an end.
    pub(crate) tags: bool,
    /// The environment that specs are checked as.
    pub(crate) environment: Option<String>,
    /// The day against which the retirement of models is judged.
    pub(crate) today: Timestamp,
}

/// What a pass found.
pub(crate) struct Outcome {
    /// All entries there are now.
    pub(crate) entries: HashSet<Key>,
    /// The files that had changed.
    pub(crate) changed: HashSet<Key>,
    /// The number of the last change among them.
    pub(crate) generation: u64,
    /// Those that were read.
    pub(crate) read: Vec<(Key, Findings)>,
}

/// What is wrong in the files of one entry.
pub(crate) struct Findings {
    /// The files it is made of, those that are missing included.
    pub(crate) made_of: Arc<BTreeSet<RelPath>>,
    /// The findings of each file that has some, and of the entry itself.
    pub(crate) by_file: BTreeMap<RelPath, Vec<Found>>,
}

/// One finding, and the change that mends it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// As the client is told.
    pub(crate) diagnostic: Diagnostic,
    /// What mends it.
    pub(crate) mend: Option<Mend>,
}

/// A change that mends a finding, in its own file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mend {
    /// What it does, for a menu.
    pub(crate) title: String,
    /// The edits; they do not overlap.
    pub(crate) edits: Vec<TextEdit>,
    /// Whether it changes nothing that was meant.
    pub(crate) safe: bool,
}

/// Reads what changed.
pub(crate) fn run(job: &Job) -> Outcome {
    let mut entries: HashMap<Key, (Home, bool)> = HashMap::new();
    let mut sources: HashMap<&std::path::Path, Arc<dyn Source>> = HashMap::new();
    for home in job.listed.iter().flat_map(|listed| listed.iter()) {
        sources.entry(&home.root).or_insert_with(|| job.documents.source(home));
        entries.insert(home.key(), (home.clone(), false));
    }
    for (_, document) in job.documents.iter() {
        let home = &document.home;
        let source = sources.entry(&home.root).or_insert_with(|| job.documents.source(home));
        match file_kind(home.path.file_name()) {
            Some(FileKind::Container | FileKind::Compose) => {
                entries.insert(home.key(), (home.clone(), false));
            }
            // Tests, and what may be a prompt, are read with the specs that name them.
            kind => {
                let host = job.hosts.get(&home.root);
                let specs = host.map(|host| host.specs_naming(&**source, &home.path)).unwrap_or_default();
                if specs.is_empty() && kind.is_some() {
                    entries.insert(home.key(), (home.clone(), true));
                }
                for path in specs {
                    let home = Home { path, ..home.clone() };
                    entries.insert(home.key(), (home, false));
                }
            }
        }
    }
    // A file of tests that nothing is made of yet may be one that a pattern of some spec means.
    let known = |(root, path): &Key| job.made_of.iter().any(|(key, made_of)| key.0 == *root && made_of.contains(path));
    let new_tests = |changed: &Key| file_kind(changed.1.file_name()) == Some(FileKind::Tests) && !known(changed);
    let new_tests: Vec<&Key> = job.changed.iter().filter(|changed| new_tests(changed)).collect();
    let mut read = Vec::new();
    for (key, (home, alone)) in &entries {
        let stale = match job.made_of.get(key) {
            None => true,
            Some(made_of) => {
                job.changed.iter().any(|(root, path)| *root == key.0 && made_of.contains(path))
                    || new_tests.iter().any(|(root, _)| *root == key.0)
            }
        };
        let source = sources.get(home.root.as_path());
        if let Some(source) = source.filter(|_| stale) {
            read.push((key.clone(), findings(job, home, &**source, *alone)));
        }
    }
    let entries = entries.into_keys().collect();
    Outcome { entries, changed: job.changed.clone(), generation: job.generation, read }
}

fn findings(job: &Job, home: &Home, source: &dyn Source, alone: bool) -> Findings {
    let options = LoadOptions { environment: job.environment.clone(), today: job.today };
    // The requests that follow find the texts parsed.
    let host = job.hosts.get(&home.root).cloned().unwrap_or_default();
    let read = if alone { Host::load_tests } else { Host::load };
    let loaded = read(&host, source, &home.path, &options);
    let mut by_file: BTreeMap<RelPath, Vec<Found>> = BTreeMap::new();
    by_file.insert(home.path.clone(), Vec::new());
    let texts: BTreeMap<&RelPath, Cow<'_, str>> = loaded
        .diagnostics
        .iter()
        .flat_map(|found| found.related.iter().map(|related| &related.file).chain([&found.file]))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|file| (file, text_of(&loaded, source, file)))
        .collect();
    // The lines of each file are counted once, however many findings it has.
    let lines: BTreeMap<&RelPath, Lines<'_>> =
        texts.iter().map(|(file, text)| (*file, Lines::new(text, job.encoding))).collect();
    let mut locate = |file: &RelPath, span: Span| {
        let uri = match job.documents.of_file(&(home.root.clone(), file.clone())) {
            Some((uri, _)) => uri.clone(),
            None => uri_of(&home.root, file)?,
        };
        Some(Location { uri, range: lines.get(file)?.range(span) })
    };
    for found in &loaded.diagnostics {
        let Some(lines) = lines.get(&found.file) else { continue };
        by_file.entry(found.file.clone()).or_default().push(Found {
            diagnostic: convert::diagnostic(found, lines, (job.related, job.tags), &mut locate),
            mend: found.fix.as_ref().map(|fix| convert::mend(fix, lines)),
        });
    }
    let mut made_of: BTreeSet<RelPath> = loaded.files.into_keys().collect();
    made_of.extend(loaded.data);
    made_of.extend(loaded.missing);
    made_of.extend(loaded.beside);
    made_of.insert(home.path.clone());
    Findings { made_of: Arc::new(made_of), by_file }
}

fn text_of<'l>(loaded: &'l Loaded, source: &dyn Source, file: &RelPath) -> Cow<'l, str> {
    loaded.text(file).map_or_else(|| source.read_text(file).unwrap_or_default().into(), Cow::Borrowed)
}
