//! Digests of what a spec says: layout, comments and the order of keys do not count.

use crate::tree::{Kind, Node};
use aic_base::{Digest, DigestBuilder, RelPath};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// The digest of a spec's tree without its tests.
pub(crate) fn without_tests(root: &Node) -> Digest {
    let mut builder = DigestBuilder::new("spec");
    let mut entries: Vec<_> = root.entries().iter().map(|entry| (entry.key.key_text(), &entry.value)).collect();
    // Bases and overlays count by what they bring: the tree is the merged one.
    entries.retain(|(key, _)| !matches!(&**key, "tests" | "test_defaults" | "inherits" | "environments"));
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, value) in entries {
        builder.part(&key, canonical(&value.to_json()));
    }
    builder.finish()
}

/// The digest of a spec's tree and of every file it names, files of the language left out.
pub(crate) fn behaviour(tree: Digest, files: &BTreeMap<RelPath, Arc<[u8]>>, docs: &BTreeSet<RelPath>) -> Digest {
    let mut builder = DigestBuilder::new("behaviour");
    builder.part("tree", tree.as_bytes());
    for (path, bytes) in files.iter().filter(|(path, _)| !docs.contains(path)) {
        builder.part(path.as_str(), bytes);
    }
    builder.finish()
}

/// The digest of a test: its own map first, then the defaults, the nearest first. Maps merge, `expect` appends.
pub(crate) fn test(layers: &[&Node]) -> Digest {
    let mut merged: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for layer in layers {
        for entry in layer.entries().iter().filter(|entry| !entry.value.is_null()) {
            let key = entry.key.key_text().into_owned();
            let merges = key == "expect" || matches!(entry.value.kind, Kind::Map(_));
            let values = merged.entry(key).or_default();
            if values.is_empty() || merges {
                values.push(entry.value.to_json());
            }
        }
    }
    let mut builder = DigestBuilder::new("test");
    for (key, values) in merged {
        let merged = match values.as_slice() {
            [one] => canonical(one),
            // Nearest first: what a nearer map says hides the rest.
            many if many.iter().all(Value::is_object) => {
                let mut map = serde_json::Map::new();
                for value in many.iter().rev().filter_map(Value::as_object) {
                    map.extend(value.clone());
                }
                canonical(&Value::Object(map))
            }
            many => canonical(&Value::Array(many.to_vec())),
        };
        builder.part(&key, merged);
    }
    builder.finish()
}

/// JSON with sorted keys. Recursion is bounded by the depth of trees.
fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(map) => {
                let mut keys: Vec<_> = map.iter().collect();
                keys.sort_by_key(|(key, _)| *key);
                out.push('{');
                for (key, value) in keys {
                    let _ = write!(out, "{}:", Value::from(key.as_str()));
                    write(value, out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        Node::clone(&crate::parse(text).root.unwrap())
    }

    #[test]
    fn layout_comments_and_order_do_not_count_but_values_do() {
        let a = without_tests(&tree("name: a\nbudget: {steps: 5, cost: 1}\ntests: []\n"));
        let b = without_tests(&tree("# said otherwise\nbudget:\n  cost: 1\n  steps: 5\n\nname: \"a\"\n"));
        assert_eq!(a, b);
        assert_ne!(a, without_tests(&tree("name: a\nbudget: {steps: 6, cost: 1}\n")));
    }

    #[test]
    fn a_default_counts_where_the_test_does_not_say_otherwise() {
        let one = tree("{name: t, input: x, repeat: 2}");
        let default = |text| test(&[&one, &tree(text)]);
        assert_eq!(default("{repeat: 3}"), default("{repeat: 4}"));
        assert_ne!(default("{vars: {a: 1}}"), default("{vars: {a: 2}}"));
        assert_ne!(default("{expect: [same_output]}"), test(&[&one]));
    }
}
