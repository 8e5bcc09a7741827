//! Any text: the tree, its spans, and the layout, which must keep what the text says.
#![no_main]

use aic_spec::tree::Node;
use aic_spec::{format, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = parse(text);
    let sound = |span: aic_base::Span| text.get(span.range()).is_some();
    for error in &parsed.errors {
        assert!(sound(error.span), "{error:?}");
        assert!(error.fix.iter().flat_map(|fix| &fix.edits).all(|(span, _)| sound(*span)), "{error:?}");
    }
    let mut stack: Vec<&Node> = parsed.root.as_deref().into_iter().collect();
    while let Some(node) = stack.pop() {
        assert!(sound(node.span), "{node:?}");
        stack.extend(node.items());
        stack.extend(node.entries().iter().flat_map(|entry| [&entry.key, &entry.value]));
    }
    if let Ok(laid_out) = format(text) {
        let json = |text: &str| parse(text).root.map(|root| root.to_json());
        assert_eq!(json(text), json(&laid_out));
        assert_eq!(format(&laid_out).as_deref(), Ok(laid_out.as_str()));
    }
});
