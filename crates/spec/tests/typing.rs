//! A person types: a spec is cut anywhere, and the rest of it must still be read.

#![allow(clippy::print_stderr, reason = "the figures are shown with --no-capture")]

mod common;

use aic_base::{DiskSource, RelPath, Source as _};
use aic_spec::{find_files, parse};
use std::collections::BTreeSet;
use std::path::Path;

/// About how many places of a sample are cut: a full run over them all takes minutes without optimisation.
const PLACES: usize = 220;

/// A file of the language, and every how many characters it is cut.
struct Sample {
    name: String,
    text: String,
    step: usize,
}

/// Everything that is shipped or a fixture of these tests, so that a new sample is tried as well.
fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for folder in ["tests/fixtures", "../../sample-specs", "../../templates"] {
        let source = DiskSource::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let named = find_files(&source, &RelPath::default());
        // Of a template, the file has another name than what is made of it.
        let template = RelPath::new("init/spec.yml").ok().filter(|path| source.has_file(path));
        for path in named.into_iter().chain(template) {
            let text = source.read_text(&path).unwrap();
            // A prime is in step with the length of hardly any line.
            let step = [1, 2, 3, 5, 7, 11, 13, 17, 23, 29, 37, 41, 53, 71].into_iter();
            let step = step.take_while(|step| text.len() / step > PLACES).last().unwrap_or(1);
            samples.push(Sample { name: format!("{folder}/{path}"), text, step });
        }
    }
    assert!(samples.len() >= 10, "the samples are not where they are looked for");
    samples
}

/// How many of the other top-level keys survive, over all samples.
const SURVIVE: f64 = 0.995;

/// The places of a text that are cut.
fn places(text: &str, step: usize) -> impl Iterator<Item = (usize, char)> + '_ {
    text.char_indices().step_by(step)
}

fn top_keys(text: &str) -> Vec<String> {
    let root = parse(text).root;
    root.iter().flat_map(|root| root.entries()).filter_map(|entry| entry.key.text().map(str::to_owned)).collect()
}

/// How many of the other top-level keys survive, of how many, and where most are lost.
fn survival(text: &str, cuts: impl Iterator<Item = (usize, String)>) -> (usize, usize, Vec<String>) {
    let all = top_keys(text);
    let root = parse(text).root;
    // The top-level key that holds a byte.
    let key_at = |offset: usize| {
        let mut above = root.iter().flat_map(|root| root.entries()).rev();
        above.find(|entry| entry.key.span.start as usize <= offset)?.key.text().map(str::to_owned)
    };
    let (mut kept, mut of, mut worst) = (0, 0, Vec::new());
    for (at, cut) in cuts {
        let own = key_at(at);
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
fn all_samples(what: &str, measure: impl Fn(&str, usize) -> (usize, usize, Vec<String>) + Sync) {
    let (mut kept, mut of, mut worst) = (0, 0, Vec::new());
    let samples = samples();
    // Each in a thread: the largest takes as long as the others together.
    let measured: Vec<_> = std::thread::scope(|scope| {
        let measure = &measure;
        let running: Vec<_> =
            samples.iter().map(|sample| scope.spawn(move || measure(&sample.text, sample.step))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (Sample { name, .. }, (here, all, lost)) in samples.iter().zip(measured) {
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

/// What the test above samples, whole: each line of each sample, cut at each place.
#[test]
#[ignore = "needs a minute or two"]
fn wherever_a_line_is_cut_the_other_top_level_keys_stay() {
    all_samples("line cut everywhere", |text, _| {
        survival(text, places(text, 1).map(|(at, _)| (at, line_cut(text, at))))
    });
}

#[test]
fn a_text_cut_off_anywhere_keeps_the_keys_above_the_cut() {
    for Sample { name, text, step } in samples() {
        let text = text.as_str();
        let (mut kept, mut of) = (0, 0);
        let root = parse(text).root.unwrap();
        for (at, _) in places(text, step) {
            let before: Vec<_> =
                root.entries().windows(2).filter(|pair| pair[1].key.span.start as usize <= at).collect();
            let left: BTreeSet<String> = top_keys(&text[..at]).into_iter().collect();
            of += before.len();
            kept += before.iter().filter(|pair| left.contains(pair[0].key.text().unwrap_or(""))).count();
        }
        let share = kept as f64 / of.max(1) as f64;
        eprintln!("{name}: {kept} of {of} keys kept, {:.2} %", share * 100.0);
        assert!(of == 0 || share >= 0.99, "{name}: {share}");
    }
}

#[test]
fn a_removed_character_costs_no_other_key() {
    all_samples("character removed", |text, step| {
        let cuts = places(text, step).map(|(at, c)| (at, format!("{}{}", &text[..at], &text[at + c.len_utf8()..])));
        survival(text, cuts)
    });
}
