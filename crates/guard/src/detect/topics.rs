//! `allowed_topics`: a text has to touch the topics of the spec.

use super::Finding;
use crate::words::WordSet;
use std::collections::HashSet;

/// Finds nothing where the text touches enough different topics.
pub(super) fn find(text: &str, topics: &WordSet, least: usize) -> Option<Finding> {
    let touched: HashSet<usize> = topics.find_all(text, 10_000).into_iter().map(|(_, topic)| topic).collect();
    if touched.len() >= least {
        return None;
    }
    let reason = match (touched.len(), least) {
        (0, _) => "the text touches none of the allowed topics".to_owned(),
        (some, least) => format!("the text touches {some} of the allowed topics, and {least} are needed"),
    };
    Some(Finding { span: None, reason, replacement: None, confidence: 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_to_touch_enough_topics() {
        let topics = WordSet::new(["refund", "order", "delivery time"]);
        assert!(find("Where are my orders?", &topics, 1).is_none());
        assert!(find("order, order, order", &topics, 2).is_some());
        assert!(find("Refunding an order", &topics, 2).is_none());
        assert!(find("Tell me a joke", &topics, 1).is_some());
    }
}
