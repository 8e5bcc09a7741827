//! Tests kept apart (`*.aictest.yml`): which specs include them, and what is wrong with them where none does.

use super::host::Host;
use super::world::World;
use crate::cx::Cx;
use crate::load::{read_doc, read_tree};
use crate::{LoadOptions, Loaded, lower, secrets};
use aic_base::{RelPath, Source};

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

/// Reads a file of tests that no spec includes: all but the names of tools, models and
/// guardrails is checked.
pub fn load_tests(source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Loaded {
    load_tests_in(Cx::new(source, options), path)
}

fn load_tests_in(mut cx: Cx<'_>, path: &RelPath) -> Loaded {
    if let Some(doc) = read_doc(&mut cx, path)
        && let Some(root) = read_tree(&mut cx, &doc)
    {
        lower::tests_alone(&mut cx, &doc, &root);
    }
    let mut diagnostics = std::mem::take(&mut cx.found);
    diagnostics.iter_mut().for_each(|found| secrets::hide(found, &cx.secrets));
    diagnostics.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    // What all tests expect is looked at with each of them.
    diagnostics.dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
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
