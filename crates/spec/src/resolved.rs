//! `aic check --resolved`: the long form that a spec, its bases, its short forms and its tests became, as a spec again.
//!
//! Everything stands in one file: bases and overlays are merged in, tests of files and defaults of tests are written out,
//! and paths are those seen from the spec itself.

use crate::codes::SECRET;
use crate::cx::Cx;
use crate::inherit::{self, Whole};
use crate::load::{read_doc, read_tree};
use crate::lower::models::served_by;
use crate::lower::read::list;
use crate::schema::{CONTAINER, Record, Shape};
use crate::tree::{Kind, Node};
use crate::{LoadOptions, emit, files, long};
use aic_base::{RelPath, Source};

/// A file of the chain, and where its text begins in the whole.
struct Paths<'p> {
    spec: &'p RelPath,
    whole: &'p Whole,
}

/// The long form of a spec as YAML; none if it cannot be read, is no container spec, or holds a literal secret.
pub fn resolved(source: &dyn Source, path: &RelPath, options: &LoadOptions) -> Option<String> {
    let mut cx = Cx::new(source, options);
    let doc = read_doc(&mut cx, path)?;
    let root = read_tree(&mut cx, &doc)?;
    if !matches!(root.kind, Kind::Map(_)) || files::file_kind(path.file_name()) == Some(files::FileKind::Compose) {
        return None;
    }
    crate::secrets::scan(&mut cx, &doc, &root);
    let whole = inherit::whole(&mut cx, &doc, &root).unwrap_or_else(|| Whole {
        doc: doc.clone(),
        root: long::container(&root),
        tests: Vec::new(),
        open: false,
    });
    let paths = Paths { spec: path, whole: &whole };
    let mut long = whole.root.clone();
    let defaults = long::take(&mut long, "test_defaults").map(|entry| entry.value);
    let own = long::take(&mut long, "tests").map(|entry| entry.value.items().to_vec()).unwrap_or_default();
    long::take(&mut long, "environments");
    if whole.open {
        // What a base that is not in reach brings is not known: it stays named.
        keep_references(&mut long, &root);
    } else {
        long::take(&mut long, "inherits");
    }
    paths.rewrite(&mut long, &Shape::Record(&CONTAINER));
    providers(&mut long);
    let mut tests = Vec::new();
    let bases = whole.tests.iter().map(|base| (base.defaults.as_ref(), base.tests.clone()));
    for (defaults, listed) in bases.chain([(defaults.as_ref(), own)]) {
        for test in listed {
            match test.get("files") {
                Some(files) => {
                    for node in list(files) {
                        tests.extend(apart(&mut cx, &paths, node, defaults));
                    }
                }
                None => tests.push(paths.test(&test, &[defaults])),
            }
        }
    }
    if !tests.is_empty() {
        long::set(&mut long, "tests", long::seq(tests, root.span));
    }
    in_order(&mut long);
    if cx.found.iter().any(|found| found.code == SECRET) {
        return None;
    }
    emit::checked(&long)
}

/// The order of the language page.
fn in_order(long: &mut Node) {
    if let Kind::Map(entries) = &mut long.kind {
        let at = |name: Option<&str>| CONTAINER.keys().position(|key| Some(key.name) == name);
        entries.sort_by_key(|entry| at(entry.key.text()));
    }
}

/// References to registries stay.
fn keep_references(long: &mut Node, root: &Node) {
    let Some(inherits) = root.get("inherits") else { return };
    let kept: Vec<Node> = list(inherits)
        .into_iter()
        .filter(|node| node.text().is_some_and(|text| !inherit::is_file(text)))
        .cloned()
        .collect();
    if !kept.is_empty() {
        long::set(long, "inherits", long::seq(kept, inherits.span));
    }
}

/// The provider that the catalog names is written out.
fn providers(long: &mut Node) {
    let Some(mut models) = long.get("models").cloned() else { return };
    let fill = |model: &mut Node| {
        let Some(provider) = model.get("model").and_then(Node::text).and_then(served_by) else { return };
        if matches!(model.kind, Kind::Map(_)) && model.get("provider").is_none_or(Node::is_null) {
            let span = model.span;
            long::take(model, "provider");
            if let Kind::Map(entries) = &mut model.kind {
                entries.insert(0, long::entry("provider", long::text_node(provider.as_str(), span)));
            }
        }
    };
    if let Kind::Map(entries) = &mut models.kind {
        for entry in entries {
            match &mut entry.value.kind {
                Kind::Seq(items) => items.iter_mut().for_each(fill),
                _ => fill(&mut entry.value),
            }
        }
    }
    long::set(long, "models", models);
}

/// The tests of files, in the place of their names.
fn apart(cx: &mut Cx<'_>, paths: &Paths<'_>, node: &Node, defaults: Option<&Node>) -> Vec<Node> {
    let home = paths.whole.doc.file_of(node.span).parent();
    let Some(pattern) = node.as_str().and_then(|text| home.join(text).ok()) else { return Vec::new() };
    let mut tests = Vec::new();
    for path in files::glob(cx.source, &pattern) {
        let Some(file) = read_doc(cx, &path) else { continue };
        let Some(root) = read_tree(cx, &file) else { continue };
        crate::secrets::scan(cx, &file, &root);
        let (items, own) = match &root.kind {
            Kind::Seq(items) => (items.as_slice(), None),
            _ => (root.get("tests").map(Node::items).unwrap_or_default(), root.get("test_defaults")),
        };
        let alone = Whole { doc: file, root: Node::clone(&root), tests: Vec::new(), open: false };
        let here = Paths { spec: paths.spec, whole: &alone };
        for item in items.iter().filter(|item| item.get("files").is_none()) {
            let mut item = item.clone();
            here.rewrite(&mut item, &TEST);
            let own = own.map(|own| {
                let mut own = own.clone();
                here.rewrite(&mut own, &DEFAULTS);
                own
            });
            let outer = defaults.map(|defaults| {
                let mut defaults = defaults.clone();
                paths.rewrite(&mut defaults, &DEFAULTS);
                defaults
            });
            tests.push(written_out(&item, &[own.as_ref(), outer.as_ref()]));
        }
    }
    tests
}

const TEST: Shape = Shape::Record(&crate::schema::TEST);
const DEFAULTS: Shape = Shape::Record(&crate::schema::TEST_DEFAULTS);

impl Paths<'_> {
    fn test(&self, test: &Node, defaults: &[Option<&Node>]) -> Node {
        let mut test = test.clone();
        self.rewrite(&mut test, &TEST);
        let defaults: Vec<Option<Node>> = defaults
            .iter()
            .map(|defaults| {
                defaults.map(|defaults| {
                    let mut defaults = defaults.clone();
                    self.rewrite(&mut defaults, &DEFAULTS);
                    defaults
                })
            })
            .collect();
        written_out(&test, &defaults.iter().map(Option::as_ref).collect::<Vec<_>>())
    }

    /// Paths as seen from the spec.
    fn rewrite(&self, node: &mut Node, shape: &Shape) {
        match shape {
            Shape::Path | Shape::Glob => self.path(node, ""),
            Shape::Record(record) => self.record(node, record),
            Shape::Named(inner) => {
                if let Kind::Map(entries) = &mut node.kind {
                    entries.iter_mut().for_each(|entry| self.rewrite(&mut entry.value, inner));
                }
            }
            Shape::List(inner) | Shape::OneOrMore(inner) => match &mut node.kind {
                Kind::Seq(items) => items.iter_mut().for_each(|item| self.rewrite(item, inner)),
                _ => self.rewrite(node, inner),
            },
            Shape::Either(shapes) => {
                if let Some(shape) = shapes.iter().find(|shape| crate::check::same_form(node, shape)) {
                    self.rewrite(node, shape);
                }
            }
            Shape::Expectation => self.record(node, &crate::schema::EXPECTATIONS),
            _ => {}
        }
    }

    fn record(&self, node: &mut Node, record: &'static Record) {
        let Kind::Map(entries) = &mut node.kind else { return };
        for entry in entries {
            let key = entry.key.key_text().into_owned();
            match record.key(&key) {
                // A database is named within a text.
                Some(_) if key == "sql" => self.path(&mut entry.value, "sqlite:"),
                Some(known) => self.rewrite(&mut entry.value, &known.shape),
                None => {
                    if let Some(open) = record.open {
                        self.rewrite(&mut entry.value, open);
                    }
                }
            }
        }
    }

    fn path(&self, node: &mut Node, prefix: &str) {
        let home = self.whole.doc.file_of(node.span).parent();
        let here = self.spec.parent();
        let Kind::Str(text) = &mut node.kind else { return };
        if home == here {
            return;
        }
        if let Some(path) = text.strip_prefix(prefix).and_then(|text| home.join(text).ok()) {
            *text = format!("{prefix}{}", seen_from(&here, &path));
        }
    }
}

/// A path of the workspace as seen from a folder of it.
fn seen_from(folder: &RelPath, path: &RelPath) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (folder.names().collect(), path.names().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut steps = vec![".."; from.len() - common];
    steps.extend(&to[common..]);
    steps.join("/")
}

/// A test with its defaults written out, the nearest first: maps merge, `expect` appends.
fn written_out(test: &Node, defaults: &[Option<&Node>]) -> Node {
    let mut whole = test.clone();
    for defaults in defaults.iter().flatten() {
        for entry in defaults.entries().iter().filter(|entry| !entry.value.is_null()) {
            let key = entry.key.key_text();
            match whole.get(&key).filter(|own| !own.is_null()).cloned() {
                None => long::set(&mut whole, &key, entry.value.clone()),
                Some(own) if key == "expect" => {
                    let mut items: Vec<Node> = list(&entry.value).into_iter().cloned().collect();
                    items.extend(list(&own).into_iter().cloned());
                    long::set(&mut whole, "expect", long::seq(items, own.span));
                }
                Some(own) if MERGED.contains(&&*key) => {
                    let mut merged = own.clone();
                    for outer in entry.value.entries() {
                        if own.get(&outer.key.key_text()).is_none_or(Node::is_null) {
                            long::set(&mut merged, &outer.key.key_text(), outer.value.clone());
                        }
                    }
                    long::set(&mut whole, &key, merged);
                }
                Some(_) => {}
            }
        }
    }
    long::test(whole)
}

/// Maps of tests and their defaults that merge.
const MERGED: [&str; 5] = ["vars", "matrix", "tools", "user", "budget"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_led_from_one_folder_to_another() {
        let path = |text| RelPath::new(text).unwrap();
        assert_eq!(seen_from(&path("a/b"), &path("a/c/d.md")), "../c/d.md");
        assert_eq!(seen_from(&path(""), &path("c/d.md")), "c/d.md");
        assert_eq!(seen_from(&path("a"), &path("a/d.md")), "d.md");
    }
}
