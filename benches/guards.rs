//! How long all built-in guardrails together take for texts of 1 kB, each of them, a condition, and the judgement of a SQL
//! statement. Everything is warm.
//!
//! `cargo bench --bench guards`

#![allow(clippy::print_stdout, reason = "a table is what a bench is for")]

mod common;

use aic_base::Stage;
use aic_guard::{Builtin, Dialect, Group, Guard, GuardKind, GuardrailDef, Prepared, Scope, SqlPolicy, judge_statement};
use common::{head, row, timed};

/// What people write: a request, a mail with data, code, a table, SQL, and a text in another script.
const SEEDS: [&str; 6] = [
    "Please summarise the minutes of our last meeting, name who has to do what until Friday, and suggest an agenda for the next one. ",
    "Hello Jane, the parcel 4711-22 left on 3 March at 10:15; call +49 30 901820 or write to help@example.com if it is late. ",
    "def total(rows):\n    # sums the second column\n    return sum(row[1] for row in rows if row and row[1] > 0)\n",
    "| Place | Player | Country | Score | To par |\n| 1 | R. Guldahl | United States | 279 | -9 |\n",
    "SELECT name, count(*) FROM orders WHERE placed > '2026-01-01' AND total > 100 GROUP BY name ORDER BY 2 DESC; ",
    "Könnten Sie mir bitte erklären, wie ich die Einstellungen des Geräts zurücksetze? Größe und Straße stehen im Anhang. ",
];
const CONDITIONS: [&str; 3] = [
    "environment == 'production' && cost.run > 1.0",
    "words(input) > 500 || (environment == 'production' && cost.run > 1.0 && size(user.roles) == 0)",
    "contains(['delete', 'remove', 'drop', 'wipe'])",
];
const STATEMENTS: [&str; 2] = [
    "SELECT id, name FROM users WHERE id = 7",
    "WITH old AS (SELECT * FROM users WHERE seen < '2025-01-01') SELECT count(*), lower(name) FROM old WHERE id IN (SELECT id FROM users) GROUP BY 2",
];
const ROUNDS: usize = 400;

fn main() {
    let guards: Vec<Guard> = Builtin::ALL
        .into_iter()
        .filter_map(|builtin| Guard::compile(&GuardrailDef::named(builtin.name(), Group::Own)).ok())
        .filter(|guard| matches!(guard.kind, GuardKind::Detector(_)))
        .collect();
    let texts: Vec<String> = SEEDS.iter().map(|seed| seed.chars().cycle().take(1000).collect()).collect();
    let judge_prepared = |guard: &Guard, text: &Prepared<'_>| {
        let stage = guard.stages.first().copied().unwrap_or(Stage::PreExecution);
        guard.judge_prepared(text, &Scope { input: text.text(), ..Scope::at(stage) }).len()
    };
    let judge = |guard: &Guard, text: &str| judge_prepared(guard, &Prepared::new(text));
    // As a run has it: all guards of a stage share what they know of the text.
    let all = |text: &str| {
        let text = Prepared::new(text);
        guards.iter().map(|guard| judge_prepared(guard, &text)).sum::<usize>()
    };
    let text = |i: usize| texts[i % texts.len()].as_str();
    let findings: usize = texts.iter().map(|text| all(text)).sum();

    head(&format!("{} built-in guardrails, texts of 1 kB ({findings} findings)", guards.len()));
    row("all, any of the texts", (0..ROUNDS * 6).map(|i| timed(|| all(text(i)))).collect(), "p50 ≤ 100, p99 ≤ 500");
    for (i, seed) in SEEDS.iter().enumerate() {
        row(&format!("all: {seed}"), (0..ROUNDS).map(|_| timed(|| all(text(i)))).collect(), "");
    }
    for guard in &guards {
        row(&guard.name, (0..ROUNDS).map(|i| timed(|| judge(guard, text(i)))).collect(), "");
    }

    head("CEL conditions");
    for condition in CONDITIONS {
        let def =
            GuardrailDef { condition: Some(condition.to_owned()), ..GuardrailDef::named("mine", Group::PreExecution) };
        match Guard::compile(&def) {
            Ok(guard) => {
                let times = (0..ROUNDS * 6).map(|_| timed(|| judge(&guard, "Which users are inactive?")));
                row(condition, times.collect(), "≤ 5");
            }
            Err(problems) => println!("`{condition}` does not compile: {problems:?}"),
        }
    }

    head("SQL statements, judged");
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let policy = SqlPolicy { verbs: words(&["SELECT"]), tables: Some(words(&["users"])), functions: None };
    for (name, dialect) in [("SQLite", Dialect::Sqlite), ("PostgreSQL", Dialect::Postgres)] {
        for statement in STATEMENTS {
            let times = (0..ROUNDS * 6).map(|_| timed(|| judge_statement(statement, &policy, dialect).is_ok()));
            row(&format!("{name}: {statement}"), times.collect(), "");
        }
    }
}
