//! YAML that is well-formed but says something else than what was meant.

use super::{Kind, Node, Style, SyntaxError, SyntaxKind};
use crate::Fix;

/// Keys that are maps or lists: `{{INPUT}}` without quotes is a map whose key is a map.
pub(super) fn quiet(root: &Node) -> Vec<SyntaxError> {
    let mut found = Vec::new();
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if node.style == Style::Alias {
            continue;
        }
        for entry in node.entries() {
            if matches!(entry.key.kind, Kind::Map(_) | Kind::Seq(_)) && entry.key.style != Style::Alias {
                found.push(SyntaxError {
                    kind: SyntaxKind::Trap,
                    span: entry.key.span,
                    message: "brackets without quotes make a map or a list here, as a key: put the text in quotes"
                        .into(),
                    fix: None,
                    related: None,
                });
            }
            stack.push(&entry.value);
        }
        stack.extend(node.items());
    }
    found
}

impl Fix {
    /// Puts a plain text in double quotes.
    pub(crate) fn quote(span: aic_base::Span, text: &str) -> Self {
        let quoted = serde_json::Value::from(text).to_string();
        Self { title: "Put it in quotes".into(), edits: vec![(span, quoted)], safe: true }
    }
}
