//! How long all built-in guardrails together take for texts of 1 kB, and a condition, once warm. Prints microseconds.
//!
//! `cargo run --release -p aic-guard --example bench_speed`

#![allow(clippy::print_stdout)]

use aic_base::Stage;
use aic_guard::{Builtin, Group, Guard, GuardKind, GuardrailDef, Scope};
use std::time::{Duration, Instant};

/// What people write: a request, a mail with data, code, a table, SQL, and a text in another script.
const SEEDS: [&str; 6] = [
    "Please summarise the minutes of our last meeting, name who has to do what until Friday, and suggest an agenda for the next one. ",
    "Hello Jane, the parcel 4711-22 left on 3 March at 10:15; call +49 30 901820 or write to help@example.com if it is late. ",
    "def total(rows):\n    # sums the second column\n    return sum(row[1] for row in rows if row and row[1] > 0)\n",
    "| Place | Player | Country | Score | To par |\n| 1 | R. Guldahl | United States | 279 | -9 |\n",
    "SELECT name, count(*) FROM orders WHERE placed > '2026-01-01' AND total > 100 GROUP BY name ORDER BY 2 DESC; ",
    "Könnten Sie mir bitte erklären, wie ich die Einstellungen des Geräts zurücksetze? Größe und Straße stehen im Anhang. ",
];
const ROUNDS: usize = 400;

fn main() {
    let guards: Vec<Guard> = Builtin::ALL
        .into_iter()
        .filter_map(|builtin| Guard::compile(&GuardrailDef::named(builtin.name(), Group::Own)).ok())
        .filter(|guard| matches!(guard.kind, GuardKind::Detector(_)))
        .collect();
    let texts: Vec<String> = SEEDS.iter().map(|seed| seed.chars().cycle().take(1000).collect()).collect();
    let judge = |guard: &Guard, text: &str| {
        let stage = guard.stages.first().copied().unwrap_or(Stage::PreExecution);
        guard.judge(text, &Scope { input: text, ..Scope::at(stage) }).len()
    };
    let warm: usize = texts.iter().map(|text| guards.iter().map(|guard| judge(guard, text)).sum::<usize>()).sum();
    println!("{} texts of 1 kB, {} guardrails, {warm} findings", texts.len(), guards.len());
    for (text, seed) in texts.iter().zip(SEEDS) {
        line(
            &seed.chars().take(24).collect::<String>(),
            (0..ROUNDS).map(|_| timed(|| guards.iter().map(|guard| judge(guard, text)).sum())),
        );
    }
    for guard in &guards {
        line(&guard.name, (0..ROUNDS).map(|i| timed(|| judge(guard, &texts[i % texts.len()]))));
    }
    line(
        "all, any of the texts",
        (0..ROUNDS * 6).map(|i| timed(|| guards.iter().map(|guard| judge(guard, &texts[i % texts.len()])).sum())),
    );
    let mut def = GuardrailDef::named("mine", Group::PreExecution);
    def.condition =
        Some("words(input) > 500 || (environment == 'production' && cost.run > 1.0 && size(user.roles) == 0)".into());
    match Guard::compile(&def) {
        Ok(guard) => line("a condition", (0..ROUNDS * 6).map(|_| timed(|| judge(&guard, "Which users are inactive?")))),
        Err(problems) => println!("the condition does not compile: {problems:?}"),
    }
}

fn timed(work: impl FnOnce() -> usize) -> Duration {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed()
}

fn line(name: &str, times: impl Iterator<Item = Duration>) {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    println!("{:<26} p50 {:>8.1} µs   p99 {:>8.1} µs", name.replace('\n', " "), at(50), at(99));
}
