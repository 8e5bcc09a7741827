//! Prints recall and false-positive rate of each detector on labelled texts: a folder of `*.jsonl` with `text`, `label` and
//! `source` in each row. Not part of the product; run it to see what a change of a detector does.
//!
//! `cargo run -p aic-guard --example bench_guards -- FOLDER [DETECTOR [misses|hits]]`

use aic_base::Stage;
use aic_guard::{Group, Guard, GuardrailDef, Scope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;

const SETS: [(&str, &str, &str); 6] = [
    ("sqli", "no_sql_injection", "sqli"),
    ("code_exec", "no_code_execution", "code_exec"),
    ("destructive", "confirm_destructive", "destructive"),
    ("pii", "pii_protection", "pii"),
    ("secrets", "secrets", "secret"),
    ("prompt_injection", "prompt_injection", "prompt_injection"),
];

fn rows(folder: &str, set: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{folder}/{set}.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = args.first() else {
        return writeln!(std::io::stderr(), "usage: bench_guards FOLDER [SET [misses|hits|entities]]");
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let benign = rows(folder, "benign");
    for (set, name, label) in SETS.into_iter().filter(|(set, ..)| args.get(1).is_none_or(|only| only == set)) {
        let Ok(guard) = Guard::compile(&GuardrailDef::named(name, Group::Own)) else { continue };
        let scope = Scope::at(Stage::PreExecution);
        let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let started = std::time::Instant::now();
        let mut bytes = 0;
        for row in rows(folder, set).iter().chain(&benign) {
            let text = row["text"].as_str().unwrap_or_default();
            let key = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
            bytes += text.len();
            let decisions = guard.judge(text, &scope);
            let hit = !decisions.is_empty();
            let positive = row["label"] == label;
            let kind =
                if row["contains_pii"] == true { "benign with pii" } else { row["label"].as_str().unwrap_or("-") };
            let from =
                if row["id"].as_str().is_some_and(|id| id.starts_with("benign")) { "common benign" } else { set };
            let detail = if positive {
                format!("{}/{}/{}", key("tier"), key("subtype"), key("source").chars().take(28).collect::<String>())
            } else {
                String::new()
            };
            for group in [format!("{set:<18}{from}: {kind}"), format!("{set:<18}{from}: {kind} {detail}")] {
                let entry = groups.entry(group).or_default();
                entry.0 += usize::from(hit);
                entry.1 += 1;
            }
            let show = args.get(2).map(String::as_str);
            if (show == Some("misses") && positive && !hit) || (show == Some("hits") && !positive && hit) {
                let span = decisions.first().and_then(|decision| decision.span).map_or("", |span| span.of(text));
                let reason = decisions.first().map_or("", |decision| decision.reason.as_str());
                let short: String = text.chars().take(220).collect();
                writeln!(
                    out,
                    "{:?} <{:?}> {reason} | {} {}",
                    short,
                    span.chars().take(60).collect::<String>(),
                    key("subtype"),
                    key("tier")
                )?;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        for (group, (hits, all)) in groups {
            writeln!(out, "{group:<90} {hits:>5} of {all:>5}  {:>6.1} %", 100.0 * hits as f64 / all as f64)?;
        }
        writeln!(out, "{set}: {:.2} MB/s\n", bytes as f64 / 1e6 / seconds)?;
    }
    Ok(())
}
