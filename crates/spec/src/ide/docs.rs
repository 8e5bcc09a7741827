//! What completion and hover say: keys, words, models, guardrails, functions, in Markdown.

use crate::schema::{Enforced, Key, Record, Shape, Word};
use aic_base::units;
use aic_catalog::ModelFacts;
use aic_guard::condition::{FunctionDoc, NameDoc};
use aic_guard::{Builtin, ParamDoc, ParamKind};

/// A key and all that the table says of it.
pub(super) fn key(key: &Key) -> String {
    let mut text = format!("**`{}`** · {}\n\n{}", key.name, brief(&key.shape), key.doc);
    if key.required {
        text.push_str("\n\nMust be there.");
    }
    if let Some(long) = key.short_for {
        text.push_str(&format!("\n\nShort for `{long}`."));
    }
    enforced(&mut text, key.enforced);
    if let Shape::Words(words) = key.shape {
        text.push('\n');
        for word in words {
            text.push_str(&format!("\n- `{}`: {}", word.word, word.doc));
        }
    }
    text
}

/// The same without its first paragraph, the name and its type: completion shows those beside it.
pub(super) fn without_heading(text: String) -> String {
    match text.split_once("\n\n") {
        Some((_, rest)) => rest.to_owned(),
        None => text,
    }
}

/// A word that a key takes.
pub(super) fn word(word: &Word) -> String {
    let mut text = word.doc.to_owned();
    enforced(&mut text, word.enforced);
    text
}

fn enforced(text: &mut String, is: Enforced) {
    match is {
        Enforced::Yes => {}
        Enforced::NotYet { safety: false } => {
            text.push_str("\n\n*Understood, but this version does nothing about it.*")
        }
        Enforced::NotYet { safety: true } => {
            text.push_str("\n\n*Understood, but not enforced by this version: running refuses.*");
        }
    }
}

/// What a shape takes, short enough to stand beside a key.
pub(super) fn brief(shape: &Shape) -> String {
    match shape {
        Shape::Words(words) if words.len() > 4 => "one of some words".into(),
        Shape::Words(words) => words.iter().map(|word| word.word).collect::<Vec<_>>().join(" | "),
        Shape::Either(shapes) => {
            let mut all: Vec<String> = shapes.iter().map(brief).collect();
            all.dedup();
            all.join(" or ")
        }
        Shape::OneOrMore(item) => format!("{} or a list", brief(item)),
        Shape::List(item) => match item {
            Shape::Text | Shape::Any => "a list".into(),
            Shape::Record(record) => format!("a list, each {}", record.title),
            Shape::Expectation => "a list of expectations".into(),
            _ => "a list".into(),
        },
        Shape::Record(record) => record.title.into(),
        Shape::Named(_) => "a map of names".into(),
        Shape::Condition => "a condition".into(),
        Shape::Regex => "a regular expression".into(),
        Shape::Integer(low, high) if *high != i64::MAX && *high != i64::from(u32::MAX) => {
            format!("a whole number, {low} to {high}")
        }
        Shape::Number(low, high) if high.is_finite() => format!("a number, {low} to {high}"),
        other => other.describe(),
    }
}

/// What a value with a unit comes to: `5m` is 300 seconds.
pub(super) fn read_as(shape: &Shape, text: &str) -> Option<String> {
    match shape {
        Shape::Duration => {
            let read = units::duration(text).or_else(|error| {
                text.trim().parse().map_err(|_| error).and_then(units::bare_seconds) // a bare number counts seconds
            });
            let seconds = read.ok()?.as_secs_f64();
            Some(match seconds {
                1.0 => "1 second".into(),
                ..1.0 => format!("{} milliseconds", seconds * 1000.0),
                _ => format!("{seconds} seconds"),
            })
        }
        Shape::Size => Some(format!("{} bytes", grouped(units::size(text).ok()?))),
        Shape::Share => Some(format!("{} of 1", units::share(text).ok()?)),
        Shape::Money => {
            let dollars = units::money(text).ok()?.amount.dollars();
            let each = text.split_once('/').map(|(_, unit)| format!(" each {}", unit.trim())).unwrap_or_default();
            Some(format!("{dollars} US dollars{each}"))
        }
        _ => None,
    }
}

/// What a record is and which keys it needs.
pub(super) fn record(record: &Record) -> String {
    let needed: Vec<_> = record.keys().filter(|key| key.required).map(|key| format!("`{}`", key.name)).collect();
    if needed.is_empty() { record.title.to_owned() } else { format!("{}; needs {}", record.title, needed.join(", ")) }
}

/// Price and window of a model in a few words: `$0.15/$0.6 · 128k`.
pub(super) fn model_brief(facts: &ModelFacts) -> String {
    let mut text =
        format!("${}/${} · {}", facts.input_per_mtok, facts.output_per_mtok, short_count(facts.context_window));
    if let Some(day) = &facts.retires {
        text.push_str(&format!(" · until {day}"));
    }
    text
}

/// All that the catalog knows of a model.
pub(super) fn model(facts: &ModelFacts) -> String {
    let (source, date) = aic_catalog::provenance();
    let source = source.split(',').next().unwrap_or(source);
    let mut text = format!(
        "**`{}`** · {}\n\n- ${} a million tokens in, ${} out\n- window of {} tokens, answers up to {}",
        facts.model,
        facts.provider,
        facts.input_per_mtok,
        facts.output_per_mtok,
        grouped(facts.context_window),
        grouped(facts.max_output)
    );
    if let Some(day) = &facts.retires {
        text.push_str(&format!("\n- served until {day}"));
    }
    if !facts.is_pinned() {
        text.push_str("\n- a floating name: it stands for whatever is served under it today");
    }
    text.push_str(&format!("\n\n*List prices of {date}, {source}.*"));
    text
}

/// A built-in guardrail with its parameters.
pub(super) fn builtin(of: Builtin) -> String {
    let stages: Vec<_> = of.default_stages().iter().map(|stage| stage.as_str()).collect();
    let mut text = format!(
        "**`{}`** · built-in guardrail\n\n{}\n\nStands on {}; does `{}` unless told otherwise.",
        of.name(),
        of.doc(),
        stages.join(", "),
        of.default_action().as_str()
    );
    if !of.params().is_empty() {
        text.push('\n');
    }
    for param in of.params() {
        text.push_str(&format!("\n- `{}` (default `{}`): {}", param.name, param.default, param.doc));
    }
    text
}

/// A parameter of a built-in.
pub(super) fn param(of: Builtin, param: &ParamDoc) -> String {
    let mut text = format!(
        "**`{}`** · {} of `{}`\n\n{}\n\nDefault: `{}`",
        param.name,
        param_kind(param.kind),
        of.name(),
        param.doc,
        param.default
    );
    if let ParamKind::ListOf(words) | ParamKind::OneOf(words) = param.kind {
        text.push_str(&format!("\n\nOne of `{}`", words.join("`, `")));
    }
    text
}

/// What a parameter takes.
pub(super) const fn param_kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Count => "a whole number",
        ParamKind::Share => "a share",
        ParamKind::Money => "money",
        ParamKind::MoneyOrShare => "money or a share",
        ParamKind::Duration => "a duration",
        ParamKind::Texts => "a list of texts",
        ParamKind::ListOf(_) => "a list of words",
        ParamKind::OneOf(_) => "a word",
    }
}

/// A variable of conditions.
pub(super) fn name(of: &NameDoc) -> String {
    format!("**`{}`** · {}\n\n{}", of.name, of.kind.noun(), of.doc)
}

/// A function of conditions.
pub(super) fn function(of: &FunctionDoc) -> String {
    format!("**`{}`** · gives {}\n\n{}", of.signature, of.gives.noun(), of.doc)
}

fn short_count(count: u64) -> String {
    match count {
        1_000_000.. if count % 100_000 < 50_000 => format!("{}M", (count / 100_000) as f64 / 10.0),
        1000.. => format!("{}k", count / 1000),
        _ => count.to_string(),
    }
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        assert_eq!([grouped(7), grouped(16_384), grouped(1_048_576)], ["7", "16,384", "1,048,576"]);
        assert_eq!([short_count(128_000), short_count(1_048_576), short_count(512)], ["128k", "1M", "512"]);
    }
}
