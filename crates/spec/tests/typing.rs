//! A person types: a spec is cut anywhere, and the rest of it must still be read.

#![allow(clippy::print_stderr, reason = "the figures are shown with --no-capture")]

mod common;

use aic_spec::parse;
use std::collections::BTreeSet;

/// Name, text, and every how many characters it is cut: a full run over the page takes a minute without optimisation.
const SPECS: [(&str, &str, usize); 3] = [
    ("page", include_str!("fixtures/page.aicontainer.yml"), 13),
    ("support", include_str!("fixtures/support.aicontainer.yml"), 3),
    ("tests", include_str!("fixtures/page.aictest.yml"), 7),
];

/// The places of a text that are cut; all of them where the variable `CUT_EVERYWHERE` is set.
fn places(text: &str, step: usize) -> impl Iterator<Item = (usize, char)> + '_ {
    let step = if std::env::var_os("CUT_EVERYWHERE").is_some() { 1 } else { step };
    text.char_indices().step_by(step)
}

fn top_keys(text: &str) -> Vec<String> {
    let root = parse(text).root;
    root.iter().flat_map(|root| root.entries()).filter_map(|entry| entry.key.text().map(str::to_owned)).collect()
}

/// The top-level key that holds a byte.
fn key_at(text: &str, offset: usize) -> Option<String> {
    let root = parse(text).root?;
    root.entries().iter().rev().find(|entry| entry.key.span.start as usize <= offset)?.key.text().map(str::to_owned)
}

/// How many of the other top-level keys survive, of how many, and where most are lost.
fn survival(text: &str, cuts: impl Iterator<Item = (usize, String)>) -> (usize, usize, Vec<String>) {
    let all = top_keys(text);
    let (mut kept, mut of, mut worst) = (0, 0, Vec::new());
    for (at, cut) in cuts {
        let own = key_at(text, at);
        let left: BTreeSet<String> = top_keys(&cut).into_iter().collect();
        let others: Vec<_> = all.iter().filter(|key| Some(*key) != own.as_ref()).collect();
        let here = others.iter().filter(|key| left.contains(**key)).count();
        of += others.len();
        kept += here;
        if here < others.len() {
            let line = text[..at].lines().last().unwrap_or("");
            worst.push(format!("{} lost at byte {at} after `{line}`", others.len() - here));
        }
    }
    (kept, of, worst)
}

/// The rest of the line at `at` is not typed yet.
fn line_cut(text: &str, at: usize) -> String {
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    format!("{}{}", &text[..at], &text[end..])
}

#[test]
fn while_a_line_is_typed_the_other_top_level_keys_stay() {
    for (name, text, step) in SPECS {
        let (kept, of, worst) = survival(text, places(text, step).map(|(at, _)| (at, line_cut(text, at))));
        let share = kept as f64 / of.max(1) as f64;
        eprintln!("{name}: {kept} of {of} keys kept, {:.2} %", share * 100.0);
        assert!(share >= 0.99, "{name}: {share}\n{}", worst.join("\n"));
    }
}

#[test]
fn a_text_cut_off_anywhere_keeps_the_keys_above_the_cut() {
    for (name, text, step) in SPECS {
        let (mut kept, mut of) = (0, 0);
        for (at, _) in places(text, step) {
            let root = parse(text).root.unwrap();
            let before: Vec<_> =
                root.entries().windows(2).filter(|pair| pair[1].key.span.start as usize <= at).collect();
            let left: BTreeSet<String> = top_keys(&text[..at]).into_iter().collect();
            of += before.len();
            kept += before.iter().filter(|pair| left.contains(pair[0].key.text().unwrap_or(""))).count();
        }
        let share = kept as f64 / of.max(1) as f64;
        eprintln!("{name}: {kept} of {of} keys kept, {:.2} %", share * 100.0);
        assert!(share >= 0.99, "{name}: {share}");
    }
}

#[test]
fn a_removed_character_costs_no_other_key() {
    for (name, text, step) in SPECS {
        let cuts = places(text, step).map(|(at, c)| (at, format!("{}{}", &text[..at], &text[at + c.len_utf8()..])));
        let (kept, of, worst) = survival(text, cuts);
        let share = kept as f64 / of.max(1) as f64;
        eprintln!("{name}: {kept} of {of} keys kept, {:.2} %", share * 100.0);
        assert!(share >= 0.99, "{name}: {share}\n{}", worst.join("\n"));
    }
}
