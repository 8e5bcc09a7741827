//! Formatting: what it says stays, comments stay, and formatting twice changes nothing, whatever the layout was before.

mod common;

use aic_spec::tree::Node;
use aic_spec::{format, parse};
use proptest::prelude::*;

const SAMPLES: &[&str] = &[
    include_str!("fixtures/page.aicontainer.yml"),
    include_str!("fixtures/support.aicontainer.yml"),
    include_str!("fixtures/scripted.aicontainer.yml"),
    include_str!("fixtures/page.aictest.yml"),
    include_str!("fixtures/page.compose.ai.yml"),
    include_str!("../../../sample-specs/user-management/.aicontainer.yml"),
    include_str!("../../../sample-specs/quickstart/quickstart.ai.yml"),
    include_str!("../../../sample-specs/broken/broken.ai.yml"),
    include_str!("../../../sample-specs/inheritance/company.aicontainer.yml"),
    include_str!("../../../sample-specs/inheritance/support.ai.yml"),
    include_str!("../../../templates/init/spec.yml"),
    "base: &b\n    x: [1,\n        2]\none:\n    <<: *b\n    t: |2\n         indented\n        text\n\nlist:\n- - a\n  -   b: 1\n\n      c: >\n        folded\n         more\n\n- \"quoted\n  text\"\n- plain\n  text\n",
];

fn comments(text: &str) -> usize {
    // Counts what looks like a comment of its own line: no sample has such a line within a text.
    text.replace('\r', "\n").lines().filter(|line| line.trim_start().starts_with('#')).count()
}

fn json(root: Option<std::sync::Arc<Node>>) -> serde_json::Value {
    root.map_or(serde_json::Value::Null, |root| root.to_json())
}

/// Formats, and claims what holds of every text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(once) = format(text) else { return Ok(()) };
    prop_assert_eq!(json(parse(text).root), json(parse(&once).root), "{}\n---\n{}", text, once);
    prop_assert_eq!(comments(text), comments(&once), "{}\n---\n{}", text, once);
    let twice = format(&once).map_err(|error| TestCaseError::fail(format!("{error}\n{once}")))?;
    prop_assert_eq!(&once, &twice, "formatting twice");
    prop_assert!(once.is_empty() || once.ends_with('\n'));
    Ok(())
}

#[test]
fn a_sample_that_was_indented_wider_is_as_it_was() {
    for text in &SAMPLES[5..11] {
        assert_eq!(&format(&changed(text, &[], true)).unwrap(), text);
    }
}

#[test]
fn a_text_of_nothing_but_blanks_does_not_grow() {
    for text in [">\r ", "a: |\n   \nb: 1\n", "a: >+\n  \n     \n", "- |2\n     \n", "a:\n  b: |-\n        \n  c: 1\n"]
    {
        let once = format(text).unwrap();
        assert_eq!(format(&once).unwrap(), once, "{text:?}");
        assert!(once.len() <= text.len() + 1, "{text:?}: {once:?}");
    }
}

#[test]
fn long_runs_of_comments_blanks_and_dashes_take_time_that_grows_with_them() {
    for text in ["# a\n".repeat(200_000), "-\n".repeat(50_000), format!("a: |\n  x\n{}", "     \n".repeat(200_000))] {
        assert!(format(&text).is_ok());
    }
}

#[test]
fn the_samples_of_the_repository_are_formatted() {
    for text in &SAMPLES[5..11] {
        assert_eq!(&format(text).unwrap(), text);
    }
}

/// A line's change: blanks at its end, blanks within brackets, an empty line, a comment, deeper indentation of all that
/// follows in its block.
#[derive(Debug, Clone)]
enum Change {
    Trailing(usize),
    Empty,
    Comment(usize),
    Inline,
    AtColon(usize),
    CarriageReturn,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0_usize..4).prop_map(Change::Trailing),
        Just(Change::Empty),
        (0_usize..9).prop_map(Change::Comment),
        Just(Change::Inline),
        (1_usize..5).prop_map(Change::AtColon),
        Just(Change::CarriageReturn),
    ]
}

fn changed(sample: &str, changes: &[(usize, Change)], widen: bool) -> String {
    let mut lines: Vec<String> = sample.lines().map(str::to_owned).collect();
    if widen {
        // Everything indented twice as far is the same document, texts in literals aside.
        for line in &mut lines {
            let mut rest = line.trim_start_matches(' ');
            let mut wide = " ".repeat(2 * (line.len() - rest.len()));
            while let Some(item) = rest.strip_prefix("- ") {
                wide.push_str("-   ");
                rest = item;
            }
            *line = format!("{wide}{rest}");
        }
    }
    for (at, change) in changes {
        let at = at % lines.len().max(1);
        let line = &mut lines[at];
        match change {
            Change::Trailing(count) => line.push_str(&" ".repeat(*count)),
            Change::Inline => line.push_str("   # a remark"),
            Change::CarriageReturn => line.push('\r'),
            Change::AtColon(count) => {
                if let Some(colon) = line.find(": ") {
                    line.insert_str(colon + 1, &" ".repeat(*count));
                }
            }
            Change::Empty => lines.insert(at, String::new()),
            Change::Comment(indent) => lines.insert(at, format!("{}# a remark", " ".repeat(*indent))),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sample_with_blanks_and_comments_put_in_keeps_what_it_says(
        sample in 0..SAMPLES.len(),
        changes in prop::collection::vec((any::<usize>(), change()), 0..12),
        widen in any::<bool>(),
    ) {
        check(&changed(SAMPLES[sample], &changes, widen))?;
    }

    #[test]
    fn whatever_can_be_read_keeps_what_it_says(text in "([ ]{0,6}(- |a: |b:  )?[a-c\"'\\[\\]{}:,#&*!|>-]{0,8}\n){0,10}") {
        check(&text)?;
    }
}
