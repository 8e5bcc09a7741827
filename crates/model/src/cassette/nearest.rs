//! What to say when nothing was recorded for a question: the recording that comes nearest, and what differs.

use super::asked::Asked;
use super::format::Exchange;
use serde_json::Value;

/// How much of a text is shown around a difference, in characters.
const AROUND: usize = 30;

/// The nearest recording and what differs, in a sentence.
pub(super) fn describe<'a>(asked: &Asked, recorded: impl Iterator<Item = &'a Exchange>) -> String {
    let nearest = recorded.max_by_key(|exchange| likeness(asked, &exchange.asked));
    let Some(nearest) = nearest else { return "the cassette is empty".into() };
    let differences = differences(asked, &nearest.asked);
    let key = nearest.key.short();
    format!("the nearest recording is {key} (of {}), but {}", nearest.within, differences.join("; "))
}

/// How much two questions have in common; only good for comparing.
fn likeness(a: &Asked, b: &Asked) -> usize {
    let mut score = 0;
    for (same, worth) in [
        (a.provider == b.provider, 200),
        (a.model == b.model, 200),
        (a.tools == b.tools, 100),
        (a.settings == b.settings, 100),
        (a.schema == b.schema, 50),
        (a.messages.len() == b.messages.len(), 300),
    ] {
        score += if same { worth } else { 0 };
    }
    for (mine, theirs) in a.messages.iter().zip(&b.messages) {
        if mine == theirs {
            score += 400;
        } else if kind(mine) == kind(theirs) {
            // The share of their beginnings that is the same.
            let (mine, theirs) = (text(mine), text(theirs));
            let same = mine.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
            score += 50 + 300 * same / mine.len().max(theirs.len()).max(1);
        }
    }
    score
}

fn differences(asked: &Asked, recorded: &Asked) -> Vec<String> {
    let mut found = Vec::new();
    for (what, mine, theirs) in
        [("the provider", &asked.provider, &recorded.provider), ("the model", &asked.model, &recorded.model)]
    {
        if mine != theirs {
            found.push(format!("{what} is `{mine}` rather than `{theirs}`"));
        }
    }
    for (i, (mine, theirs)) in asked.messages.iter().zip(&recorded.messages).enumerate() {
        if mine != theirs {
            let (mine_text, theirs_text) = (text(mine), text(theirs));
            found.push(match (kind(mine) == kind(theirs), mine_text == theirs_text) {
                (true, false) => {
                    let (mine_text, theirs_text) = apart(mine_text, theirs_text);
                    format!("message {} ({}) reads {mine_text:?} rather than {theirs_text:?}", i + 1, kind(mine))
                }
                (false, _) => format!("message {} is of `{}` rather than of `{}`", i + 1, kind(mine), kind(theirs)),
                (true, true) => format!("message {} ({}) has other calls", i + 1, kind(mine)),
            });
            // What follows an edit differs too, and explains nothing.
            break;
        }
    }
    if asked.messages.len() != recorded.messages.len() {
        found.push(format!("there are {} messages rather than {}", asked.messages.len(), recorded.messages.len()));
    }
    for (key, mine) in &asked.settings {
        match recorded.settings.get(key) {
            Some(theirs) if theirs == mine => {}
            Some(theirs) => found.push(format!("`{key}` is {mine} rather than {theirs}")),
            None => found.push(format!("`{key}` is {mine}, which was not set")),
        }
    }
    for key in recorded.settings.keys().filter(|key| !asked.settings.contains_key(*key)) {
        found.push(format!("`{key}` is no longer set"));
    }
    if asked.tools != recorded.tools {
        let name = |tool: &Value| tool.get("offers").and_then(Value::as_str).unwrap_or("?").to_owned();
        let changed = asked.tools.iter().filter(|tool| !recorded.tools.contains(tool)).map(name);
        let gone = recorded.tools.iter().filter(|tool| !asked.tools.iter().any(|mine| name(mine) == name(tool)));
        let changed: Vec<String> = changed.chain(gone.map(|tool| format!("{} (gone)", name(tool)))).collect();
        found.push(match changed.is_empty() {
            true => "the tools stand in another order".into(),
            false => format!("tools differ: {}", changed.join(", ")),
        });
    }
    if asked.schema != recorded.schema {
        found.push("the output's schema differs".into());
    }
    if found.is_empty() {
        found.push("it was asked more often than it was recorded".into());
    }
    found
}

fn kind(message: &Value) -> &str {
    message.as_object().and_then(|map| map.keys().next()).map_or("?", String::as_str)
}

fn text(message: &Value) -> &str {
    let part = message.get("result").or_else(|| message.get("error")).or_else(|| message.get(kind(message)));
    part.and_then(Value::as_str).unwrap_or("")
}

/// The two texts around the place where they part.
fn apart(a: &str, b: &str) -> (String, String) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let from = same.saturating_sub(AROUND);
        let shown: String = text.chars().skip(from).take(2 * AROUND).collect();
        let (before, after) =
            (if from > 0 { "…" } else { "" }, if text.chars().count() > from + 2 * AROUND { "…" } else { "" });
        format!("{before}{shown}{after}")
    };
    (part(a), part(b))
}
