//! Where in the language a node of the tree stands: the keys that lead there, and what the table says may stand there.

use super::probe::MARK;
use crate::files::{FileKind, file_kind};
use crate::schema::{COMPOSE, CONTAINER, EXPECTATIONS, GUARDRAIL, Record, Shape, TEST, TEST_FILE};
use crate::tree::{Entry, Kind, Node, Style};
use aic_base::RelPath;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// The mark of a probe.
    Mark,
    /// Whatever a byte touches.
    At(usize),
}

/// One step down from the top of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'t> {
    /// The key; none where it goes to an item of a list.
    pub(super) key: Option<&'t str>,
    /// The record that has the key; none where keys are the author's own.
    pub(super) record: Option<&'static Record>,
    /// The map or list it goes down from.
    pub(super) holder: &'t Node,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot<'t> {
    /// A key of this map.
    Key {
        /// The map.
        map: &'t Node,
        /// The key and its value.
        entry: &'t Entry,
    },
    /// A scalar.
    Value(&'t Node),
}

/// A place of a document.
#[derive(Debug, Clone)]
pub(super) struct Place<'t> {
    /// The way there: to the map of a key, or to the value itself.
    pub(super) trail: Vec<Step<'t>>,
    /// What the table takes at the end of the way, alternatives taken apart.
    pub(super) shapes: Vec<Shape>,
    /// What stands there.
    pub(super) spot: Spot<'t>,
}

impl<'t> Place<'t> {
    /// The last steps with a key, the nearest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = Step<'t>> + '_ {
        self.trail.iter().rev().filter(|step| step.key.is_some()).copied()
    }

    /// Whether the way leads through a record of this title.
    pub(super) fn within(&self, title: &str) -> bool {
        self.holder_of(title).is_some()
    }

    /// The nearest map on the way that is a record of this title.
    pub(super) fn holder_of(&self, title: &str) -> Option<&'t Node> {
        let through = self.trail.iter().rev().find(|step| step.record.is_some_and(|record| record.title == title));
        through.map(|step| step.holder)
    }
}

/// Finds a place. Trees are at most 64 levels deep.
pub(super) fn find<'t>(path: &RelPath, root: &'t Node, wanted: Wanted) -> Option<Place<'t>> {
    walk(root, top(path), &mut Vec::new(), wanted)
}

/// Shows every key and scalar of a tree: the keys of a map, then what is in it. What aliases stand for is shown where it is written.
pub(super) fn visit<'t>(path: &RelPath, root: &'t Node, see: &mut dyn FnMut(&Place<'t>)) {
    let mut place = Place { trail: Vec::new(), shapes: Vec::new(), spot: Spot::Value(root) };
    each(root, top(path), &mut place, see);
}

/// What a document is. A bare list of tests says what a map would have under `tests`.
fn top(path: &RelPath) -> &'static [Shape] {
    static TESTS: [Shape; 2] = [Shape::Record(&TEST_FILE), Shape::List(&Shape::Record(&TEST))];
    static WORKFLOW: [Shape; 1] = [Shape::Record(&COMPOSE)];
    static SPEC: [Shape; 1] = [Shape::Record(&CONTAINER)];
    match file_kind(path.file_name()) {
        Some(FileKind::Compose) => &WORKFLOW,
        Some(FileKind::Tests) => &TESTS,
        _ => &SPEC,
    }
}

fn each<'t>(node: &'t Node, shapes: &[Shape], place: &mut Place<'t>, see: &mut dyn FnMut(&Place<'t>)) {
    if node.style == Style::Alias {
        return;
    }
    let mut show = |place: &mut Place<'t>, spot| {
        place.shapes.clear();
        place.shapes.extend_from_slice(shapes);
        place.spot = spot;
        see(place);
    };
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                show(place, Spot::Key { map: node, entry });
            }
            for entry in entries {
                let (record, inside) = below(shapes, entry.key.text().unwrap_or(""), &entry.value);
                place.trail.push(Step { key: Some(entry.key.text().unwrap_or("")), record, holder: node });
                each(&entry.value, &inside, place, see);
                place.trail.pop();
            }
        }
        Kind::Seq(items) => {
            let mut inside = Vec::new();
            for shape in shapes {
                if let Shape::List(item) = shape {
                    alternatives(**item, &mut inside);
                }
            }
            place.trail.push(Step { key: None, record: None, holder: node });
            for item in items {
                each(item, &inside, place, see);
            }
            place.trail.pop();
        }
        Kind::Null => {}
        _ => show(place, Spot::Value(node)),
    }
}

fn walk<'t>(node: &'t Node, shapes: &[Shape], trail: &mut Vec<Step<'t>>, wanted: Wanted) -> Option<Place<'t>> {
    // A copy of what has an anchor: its bytes are elsewhere.
    if node.style == Style::Alias {
        return None;
    }
    let here = |trail: &Vec<Step<'t>>, spot| Some(Place { trail: trail.clone(), shapes: shapes.to_vec(), spot });
    match &node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                if is(&entry.key, wanted) {
                    return here(trail, Spot::Key { map: node, entry });
                }
                if !may_hold(&entry.value, wanted) {
                    continue;
                }
                let key = entry.key.text().unwrap_or("");
                let (record, inside) = below(shapes, key, &entry.value);
                trail.push(Step { key: Some(key), record, holder: node });
                if let Some(found) = walk(&entry.value, &inside, trail, wanted) {
                    return Some(found);
                }
                trail.pop();
            }
            None
        }
        Kind::Seq(items) => {
            let mut inside = Vec::new();
            for shape in shapes {
                if let Shape::List(item) = shape {
                    alternatives(**item, &mut inside);
                }
            }
            trail.push(Step { key: None, record: None, holder: node });
            for item in items.iter().filter(|item| may_hold(item, wanted)) {
                if let Some(found) = walk(item, &inside, trail, wanted) {
                    return Some(found);
                }
            }
            trail.pop();
            None
        }
        Kind::Null => None,
        _ if is(node, wanted) => here(trail, Spot::Value(node)),
        _ => None,
    }
}

fn is(node: &Node, wanted: Wanted) -> bool {
    match wanted {
        Wanted::Mark => node.text().is_some_and(|text| text.contains(MARK)),
        Wanted::At(offset) => node.style != Style::Alias && !node.span.is_empty() && node.span.touches(offset),
    }
}

/// Whether it is worth looking into.
fn may_hold(node: &Node, wanted: Wanted) -> bool {
    match wanted {
        Wanted::Mark => true,
        Wanted::At(offset) => !matches!(node.kind, Kind::Map(_) | Kind::Seq(_)) || node.span.touches(offset),
    }
}

/// What a key's value may be.
fn below(shapes: &[Shape], key: &str, value: &Node) -> (Option<&'static Record>, Vec<Shape>) {
    let mut inside = Vec::new();
    let mut of = None;
    for shape in shapes {
        match shape {
            Shape::Record(record) => match record.key(key) {
                Some(known) => {
                    of = Some(*record);
                    alternatives(known.shape, &mut inside);
                }
                // `pii_protection: {action: redact}`: the key is the name, and what follows is the guardrail.
                None if std::ptr::eq(*record, &GUARDRAIL) && matches!(value.kind, Kind::Map(_)) => {
                    of = of.or(Some(*record));
                    inside.push(Shape::Record(record));
                }
                None => {
                    if let Some(open) = record.open {
                        of = of.or(Some(*record));
                        alternatives(*open, &mut inside);
                    }
                }
            },
            Shape::Named(item) => alternatives(**item, &mut inside),
            Shape::Expectation => {
                if let Some(known) = EXPECTATIONS.key(key) {
                    of = Some(&EXPECTATIONS);
                    alternatives(known.shape, &mut inside);
                }
            }
            Shape::Matcher => inside.push(Shape::Matcher),
            _ => {}
        }
    }
    (of, inside)
}

/// A shape, with those it is one of taken apart.
pub(super) fn alternatives(shape: Shape, into: &mut Vec<Shape>) {
    match shape {
        Shape::Either(shapes) => shapes.iter().for_each(|shape| alternatives(*shape, into)),
        Shape::OneOrMore(item) => {
            into.push(Shape::List(item));
            alternatives(*item, into);
        }
        other => into.push(other),
    }
}
