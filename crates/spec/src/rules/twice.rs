//! The short and the long form of one thing, both in one file: which of the two holds, nobody should have to know.

use crate::codes::SAID_TWICE;
use crate::cx::{Cx, Doc};
use crate::tree::Node;

/// Short and long: the short key, and the path of the long one.
const PAIRS: [(&[&str], &[&str]); 5] = [
    (&["model"], &["models", "primary"]),
    (&["model", "name"], &["model", "model"]),
    (&["context", "max_tokens"], &["context", "window", "max_tokens"]),
    (&["context", "memory_type"], &["context", "memory", "type"]),
    (&["context", "retention"], &["context", "session", "retention"]),
];

pub(crate) fn check(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    for (short, long) in PAIRS {
        let (Some(first), Some(second)) = (entry(root, short), entry(root, long)) else { continue };
        let message = format!(
            "`{}` is short for `{}`, and this spec says both: remove one of the two",
            short.join("."),
            long.join(".")
        );
        let found = doc.find(SAID_TWICE, first.key.span, message);
        cx.report(found.related(&doc.path, second.key.span, "the long form"));
    }
}

fn entry<'n>(root: &'n Node, path: &[&str]) -> Option<&'n crate::tree::Entry> {
    let (last, above) = path.split_last()?;
    root.at(above)?.entry(last).filter(|entry| !entry.value.is_null())
}
