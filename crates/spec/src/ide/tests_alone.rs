//! Tests kept apart (`*.aictest.yml`): which specs include them, and what is wrong with them where none does.

use super::host::Host;
use super::world::World;
use crate::check::check;
use crate::cx::{Cx, Doc};
use crate::load::{read_doc, read_tree};
use crate::schema::TEST_FILE;
use crate::tree::{Entry, Kind, Node, Style};
use crate::{LoadOptions, Loaded, secrets};
use aic_base::{RelPath, Source, Span};

/// The specs that include a file of tests, nearest first. Looked for in its folder, in those above it, and in the
/// folders directly below those; a spec that lies elsewhere is not found.
pub fn specs_of_tests(source: &dyn Source, tests: &RelPath) -> Vec<RelPath> {
    Host::new().specs_naming(source, tests)
}

impl Host {
    /// [`load_tests`], sparing what is parsed already.
    pub fn load_tests(&self, source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Loaded {
        load_tests_in(Cx::with(self, source, options), path)
    }

    /// The specs that include a file of tests or name a prompt, as [`specs_of_tests`] finds them.
    pub fn specs_naming(&self, source: &dyn Source, file: &RelPath) -> Vec<RelPath> {
        World::new(self, source).specs_naming(file).iter().map(|doc| doc.path.clone()).collect()
    }
}

/// Reads a file of tests that no spec includes: keys, values and files are checked, names of tools and models are not.
pub fn load_tests(source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Loaded {
    load_tests_in(Cx::new(source, options), path)
}

fn load_tests_in(mut cx: Cx<'_>, path: &RelPath) -> Loaded {
    if let Some(doc) = read_doc(&mut cx, path)
        && let Some(root) = read_tree(&mut cx, &doc)
    {
        secrets::scan(&mut cx, &doc, &root);
        check_tests(&mut cx, &doc, &root);
    }
    let mut diagnostics = std::mem::take(&mut cx.found);
    diagnostics.iter_mut().for_each(|found| secrets::hide(found, &cx.secrets));
    diagnostics.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    Loaded {
        path: path.clone(),
        diagnostics,
        spec: None,
        files: cx.files,
        data: cx.data,
        missing: cx.missing,
        beside: cx.beside,
    }
}

/// A bare list of tests is what a map would have under `tests`.
fn check_tests(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    if root.items().is_empty() {
        return check(cx, doc, root, &TEST_FILE);
    }
    let key = Node::new(Kind::Str("tests".into()), Span::at(root.span.start as usize), Style::Plain);
    let entry = Entry { key, value: root.clone() };
    check(cx, doc, &Node::new(Kind::Map(vec![entry]), root.span, Style::Block), &TEST_FILE);
}
