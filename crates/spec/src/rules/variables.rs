//! Declared variables that nothing uses.

use super::Whole;
use crate::Template;
use crate::codes::UNUSED_VARIABLE;
use crate::cx::{Cx, Goes};
use crate::lower::prompts::BUILT_IN;
use crate::tree::Node;
use crate::words::shown;
use std::collections::BTreeSet;

pub(super) fn unused(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let Some(declared) = whole.at(&["prompts", "variables"]).filter(|_| !whole.open) else { return };
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut note = |text: &str| {
        if text.contains("${") {
            used.extend(Template::parse(text).variables().map(|variable| variable.name.clone()));
        }
    };
    let mut stack = vec![whole.root];
    while let Some(node) = stack.pop() {
        if let Some(text) = node.as_str() {
            note(text);
        }
        stack.extend(node.items());
        stack.extend(node.entries().iter().flat_map(|entry| [&entry.key, &entry.value]));
    }
    let prompts = &whole.spec.prompts;
    let variants = prompts.variants.values().flat_map(|variant| [&variant.system, &variant.user]);
    let files = [&prompts.system, &prompts.user].into_iter().chain(variants).flatten();
    for text in files.chain(prompts.messages.iter().map(|message| &message.text)) {
        note(&text.text);
    }
    // Tests kept apart may use them, and so may what a base tests.
    for path in &cx.docs {
        if let Some(text) = cx.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            note(text);
        }
    }
    let mut unused: Vec<_> = declared
        .entries()
        .iter()
        .filter_map(|entry| Some((entry, entry.key.text()?)))
        // Declaring `ENV` gives it a default; the other built-in names are a finding of their own. What a base declares is
        // found where the base is checked.
        .filter(|(entry, name)| {
            !BUILT_IN.contains(name)
                && !used.contains(*name)
                && prompts.variables.contains_key(*name)
                && *whole.doc.file_of(entry.key.span) == whole.doc.path
        })
        .collect();
    // Only now, for they have to be looked for: specs that inherit this one may use what it declares.
    if let Some(keeper) = cx.keeper.filter(|_| !unused.is_empty()) {
        let beside = &mut cx.beside;
        keeper.see_heirs(cx.source, &whole.doc.path, &mut |path, text| {
            beside.insert(path.clone());
            if text.contains("${") {
                let template = Template::parse(text);
                unused.retain(|(_, name)| !template.variables().any(|variable| variable.name == *name));
            }
            if unused.is_empty() { Goes::NoFurther } else { Goes::On }
        });
    }
    for (entry, name) in unused {
        let message = format!(
            "`{}` is declared and nothing uses it: write `${{{0}}}` where it belongs, or remove it",
            shown(name)
        );
        let fix = removal(whole, declared, entry);
        cx.report(whole.doc.find(UNUSED_VARIABLE, entry.key.span, message).fix(fix));
    }
}

/// Takes an entry that stands on a line of its own out.
fn removal(whole: &Whole<'_>, declared: &Node, entry: &crate::tree::Entry) -> Option<crate::Fix> {
    let text = &*whole.doc.text;
    let (start, end) = (entry.key.span.start as usize, entry.value.span.end.max(entry.key.span.end) as usize);
    let line = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let after = text.get(end..)?;
    let rest = after.find('\n').map_or(after.len(), |at| at + 1);
    let alone = text.get(line..start)?.trim().is_empty();
    let ends = after.get(..rest)?.trim();
    // The last one would leave a key without a value.
    let block = declared.style == crate::tree::Style::Block && declared.entries().len() > 1;
    (block && alone && (ends.is_empty() || ends.starts_with('#'))).then(|| crate::Fix {
        title: "Remove it".into(),
        edits: vec![(aic_base::Span::new(line, end + rest), String::new())],
        safe: false,
    })
}
