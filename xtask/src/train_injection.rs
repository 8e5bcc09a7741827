//! `cargo xtask train-injection FOLDER`: trains the table of `prompt_injection` and writes it into the guard crate.
//!
//! FOLDER holds files of public repositories under permissive licences, each under its own name; docs/guardrails.md says
//! which. The labelled texts that the figures are measured on are not among them. Logistic regression over hashed
//! features, trained with AdaGrad; of a long attack only the windows that look like one are learnt from.

use crate::say;
use crate::train_texts::{attacks, harmless};
use aic_guard::injection_model::{BUCKETS, STEP, Window, windows};
use aic_guard::normalize::{Folded, Folding};
use serde_json::Value;
use std::path::Path;

const TABLE: &str = "crates/guard/src/detect/injection.table";
const EPOCHS: usize = 6;
const RATE: f64 = 0.15;
/// Pulls weights that little speaks for towards zero.
const DECAY: f64 = 1e-5;
/// Of a long attack so many windows are learnt from, once a first round has told them apart.
const BEST: usize = 3;
/// Harmless texts are far more common than attacks, and a false alarm is dearer.
const HARMLESS_WEIGHT: f64 = 1.0;

/// One in so many of the filled-in patterns of ours is taken.
const OURS: usize = 8;

struct Text {
    windows: Vec<Window>,
    attack: bool,
}

/// Trains and writes the table.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [folder] = arguments else { return Err("name the folder with the public texts".into()) };
    let (bad, good) = read(Path::new(folder))?;
    say(&format!("{} attacks, {} harmless texts", bad.len(), good.len()));
    let text = |attack: bool| {
        move |text: &String| Text { windows: windows(&Folded::new(text, Folding::ATTACKS).text), attack }
    };
    let mut all: Vec<Text> = bad.iter().map(text(true)).chain(good.iter().map(text(false))).collect();
    let mut random = Random(0x5eed);
    for at in (1..all.len()).rev() {
        all.swap(at, random.below(at + 1));
    }
    // One text in ten is kept back, so that the last line says something.
    let kept = all.split_off(all.len() * 9 / 10);
    let mut model = Model { weights: vec![0.0; BUCKETS], squares: vec![1e-3; BUCKETS] };
    for round in 0..3 {
        (0..EPOCHS).for_each(|_| all.iter().for_each(|text| model.learn(text, round > 0)));
        say(&format!("round {round}: {}", model.report(&kept)));
    }
    let quantised: Vec<u8> =
        model.weights.iter().map(|weight| (weight / STEP).round().clamp(-127.0, 127.0) as i8 as u8).collect();
    std::fs::write(TABLE, quantised).map_err(|error| format!("{TABLE}: {error}"))
}

/// All texts: attacks, and harmless ones.
fn read(folder: &Path) -> Result<(Vec<String>, Vec<String>), String> {
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let json = |name: &str| -> Result<Value, String> {
        serde_json::from_str(&file(name)?).map_err(|error| format!("{name}: {error}"))
    };
    // Ours are many turns of few sentences: each counts for little.
    let (mut bad, mut good) = (sample(attacks(), OURS), sample(harmless(), OURS));
    let table = file("jailbreak_prompts.csv")?;
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let column = rows
        .headers()
        .map_err(|error| error.to_string())?
        .iter()
        .position(|name| name == "prompt")
        .ok_or("no column `prompt`")?;
    for row in rows.records() {
        bad.extend(row.map_err(|error| error.to_string())?.get(column).map(str::to_owned));
    }
    let dan = std::fs::read_dir(folder.join("dan")).map_err(|error| format!("dan: {error}"))?;
    for entry in dan {
        let name = format!("dan/{}", entry.map_err(|error| error.to_string())?.file_name().to_string_lossy());
        bad.extend(strings(&json(&name)?));
    }
    bad.extend(strings(&json("sysprompt_attacks.json")?));
    for name in ["roleplay.json", "codegen.json"] {
        for row in json(name)?.as_array().into_iter().flatten() {
            let part = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("");
            good.push(format!("{}\n{}", part("instruction"), part("input")));
            good.push(part("response").to_owned());
        }
    }
    for line in file("user_oriented.jsonl")?.lines() {
        let row: Value = serde_json::from_str(line).map_err(|error| format!("user_oriented.jsonl: {error}"))?;
        good.push(strings(&row).join("\n"));
    }
    bad.retain(|text| text.len() > 12);
    good.retain(|text| text.len() > 12);
    Ok((bad, good))
}

fn sample(texts: Vec<String>, one_in: usize) -> Vec<String> {
    let mut random = Random(7);
    texts.into_iter().filter(|_| random.below(one_in) == 0).collect()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

struct Model {
    weights: Vec<f64>,
    squares: Vec<f64>,
}

impl Model {
    fn score(&self, window: &Window) -> f64 {
        window.score(|bucket| self.weights[bucket as usize]) + self.weights[0]
    }

    fn learn(&mut self, text: &Text, only_the_best: bool) {
        let mut windows: Vec<&Window> = text.windows.iter().collect();
        if text.attack && only_the_best {
            windows.sort_by(|a, b| self.score(b).total_cmp(&self.score(a)));
            windows.truncate(BEST);
        }
        let share = if text.attack { 1.0 / (windows.len() as f64).sqrt() } else { HARMLESS_WEIGHT };
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
    fn report(&self, texts: &[Text]) -> String {
        let score = |text: &Text| text.windows.iter().map(|window| self.score(window)).fold(f64::MIN, f64::max);
        let mut good: Vec<f64> = texts.iter().filter(|text| !text.attack).map(score).collect();
        good.sort_by(|a, b| b.total_cmp(a));
        let Some(threshold) = good.get(good.len() / 100) else { return "too few texts".into() };
        let bad: Vec<f64> = texts.iter().filter(|text| text.attack).map(score).collect();
        let found = bad.iter().filter(|score| *score > threshold).count();
        format!(
            "{found} of {} kept attacks score above {threshold:.2}, where 1 % of {} harmless texts do",
            bad.len(),
            good.len()
        )
    }
}

/// SplitMix64: the same table from the same texts.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most.max(1) as u64) as usize
    }
}
