//! A person types: a spec is cut anywhere, and the rest of it must still be read.

#![allow(clippy::print_stderr, reason = "the figures are shown with --no-capture")]

mod common;

use aic_spec::parse;
use std::collections::BTreeSet;

/// Name, text, and every how many characters it is cut: a full run over them all takes minutes without optimisation.
const SPECS: [(&str, &str, usize); 9] = [
    ("page", include_str!("fixtures/page.aicontainer.yml"), 41),
    ("support", include_str!("fixtures/support.aicontainer.yml"), 7),
    ("tests", include_str!("fixtures/page.aictest.yml"), 13),
    ("workflow", include_str!("fixtures/page.compose.ai.yml"), 3),
    ("user-management", include_str!("../../../sample-specs/user-management/.aicontainer.yml"), 71),
    ("quickstart", include_str!("../../../sample-specs/quickstart/quickstart.ai.yml"), 5),
    ("base", include_str!("../../../sample-specs/inheritance/company.aicontainer.yml"), 5),
    ("child", include_str!("../../../sample-specs/inheritance/support.ai.yml"), 5),
    ("init", include_str!("../../../templates/init/spec.yml"), 7),
];

/// How many of the other top-level keys survive, over all samples.
const SURVIVE: f64 = 0.995;

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

/// Measures each sample, prints the figures, and claims that over all of them enough survives.
fn all_samples(what: &str, measure: impl Fn(&str, usize) -> (usize, usize, Vec<String>)) {
    let (mut kept, mut of, mut worst) = (0, 0, Vec::new());
    for (name, text, step) in SPECS {
        let (here, all, lost) = measure(text, step);
        eprintln!("{what}, {name}: {here} of {all} keys kept, {:.2} %", here as f64 / all.max(1) as f64 * 100.0);
        (kept, of) = (kept + here, of + all);
        worst.extend(lost.into_iter().map(|line| format!("{name}: {line}")));
    }
    let share = kept as f64 / of.max(1) as f64;
    eprintln!("{what}: {kept} of {of} keys kept, {:.3} %", share * 100.0);
    assert!(share >= SURVIVE, "{share}\n{}", worst.join("\n"));
}

/// The rest of the line at `at` is not typed yet.
fn line_cut(text: &str, at: usize) -> String {
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    format!("{}{}", &text[..at], &text[end..])
}

#[test]
fn while_a_line_is_typed_the_other_top_level_keys_stay() {
    all_samples("line cut", |text, step| survival(text, places(text, step).map(|(at, _)| (at, line_cut(text, at)))));
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
    all_samples("character removed", |text, step| {
        let cuts = places(text, step).map(|(at, c)| (at, format!("{}{}", &text[..at], &text[at + c.len_utf8()..])));
        survival(text, cuts)
    });
}
