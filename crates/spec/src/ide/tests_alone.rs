//! Tests kept apart (`*.aictest.yml`): which specs include them, and what is wrong with them where none does.

use crate::check::check;
use crate::cx::{Cx, Doc};
use crate::files::{glob, is_spec_file};
use crate::load::{read_doc, read_tree};
use crate::schema::TEST_FILE;
use crate::tree::{Node, parse};
use crate::{LoadOptions, Loaded, secrets, toml};
use aic_base::{RelPath, Source};

/// How many specs are looked into, and how large they may be, in bytes.
const MAX_SPECS: usize = 500;
const MAX_BYTES: u64 = 1024 * 1024;

/// The specs that include a file of tests, nearest first. Looked for in its folder, in those above it, and in the
/// folders directly below those; a spec that lies elsewhere is not found.
pub fn specs_of_tests(source: &dyn Source, tests: &RelPath) -> Vec<RelPath> {
    let mut found = Vec::new();
    let mut seen = 0;
    let mut folder = tests.parent();
    loop {
        let mut folders = vec![folder.clone()];
        let below = source.list(&folder).unwrap_or_default();
        folders.extend(
            below
                .into_iter()
                .filter(|entry| entry.is_folder && !entry.path.file_name().starts_with('.'))
                .map(|entry| entry.path),
        );
        for entry in folders.iter().flat_map(|folder| source.list(folder).unwrap_or_default()) {
            if entry.is_folder || !is_spec_file(entry.path.file_name()) || found.contains(&entry.path) {
                continue;
            }
            seen += 1;
            if seen > MAX_SPECS {
                return found;
            }
            if includes(source, &entry.path, tests) {
                found.push(entry.path);
            }
        }
        if folder.is_root() {
            return found;
        }
        folder = folder.parent();
    }
}

fn includes(source: &dyn Source, spec: &RelPath, tests: &RelPath) -> bool {
    let Ok(bytes) = source.read_at_most(spec, MAX_BYTES) else { return false };
    let Some(text) = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("files")) else { return false };
    let parsed = if spec.as_str().ends_with(".toml") { toml::parse(text) } else { parse(text) };
    let Some(root) = parsed.root else { return false };
    let items = root.get("tests").map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| item.get("files")).any(|files| {
        let patterns = if files.items().is_empty() { std::slice::from_ref(files) } else { files.items() };
        patterns
            .iter()
            .filter_map(|pattern| spec.parent().join(pattern.as_str()?).ok())
            .any(|pattern| pattern == *tests || glob(source, &pattern).contains(tests))
    })
}

/// Reads a file of tests that no spec includes: keys, values and files are checked, names of tools and models are not.
pub fn load_tests(source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Loaded {
    let mut cx = Cx::new(source, options);
    if let Some(doc) = read_doc(&mut cx, path)
        && let Some(root) = read_tree(&mut cx, &doc)
    {
        secrets::scan(&mut cx, &doc, &root);
        check_tests(&mut cx, &doc, &root);
    }
    let mut diagnostics = std::mem::take(&mut cx.found);
    diagnostics.iter_mut().for_each(|found| secrets::hide(found, &cx.secrets));
    diagnostics.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    Loaded { path: path.clone(), diagnostics, spec: None, files: cx.files, data: cx.data, missing: cx.missing }
}

/// A bare list of tests is checked by whatever includes it.
fn check_tests(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    if root.items().is_empty() {
        check(cx, doc, root, &TEST_FILE);
    }
}
