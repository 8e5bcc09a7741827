//! From litellm's public table (MIT) to ours: chat models that are sold by the token, of the providers that a spec can
//! reach. `examples/import.rs` makes the snapshot with it, `aic models update` a newer one.

use crate::table::{ModelFacts, Table, Tier};
use serde_json::{Map, Value};

/// The providers of the table, by their names there and here. The first three are the ones a spec names; the others serve
/// OpenAI's format and are known by their hosts.
const PROVIDERS: [(&str, &str); 22] = [
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "google"),
    ("mistral", "mistral"),
    ("deepseek", "deepseek"),
    ("xai", "xai"),
    ("groq", "groq"),
    ("together_ai", "together_ai"),
    ("fireworks_ai", "fireworks_ai"),
    ("deepinfra", "deepinfra"),
    ("novita", "novita"),
    ("nebius", "nebius"),
    ("moonshot", "moonshot"),
    ("zai", "zai"),
    ("dashscope", "dashscope"),
    ("perplexity", "perplexity"),
    ("cerebras", "cerebras"),
    ("hyperbolic", "hyperbolic"),
    ("lambda_ai", "lambda_ai"),
    ("openrouter", "openrouter"),
    ("sambanova", "sambanova"),
    ("scaleway", "scaleway"),
];

/// The table is not litellm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ImportError(String);

/// Reads litellm's table. `source` and `date` say where it is from.
///
/// # Errors
/// [`ImportError`], where it is no such table, or holds no model that is wanted.
pub fn import(json: &str, source: &str, date: &str) -> Result<Table, ImportError> {
    let table: Map<String, Value> =
        serde_json::from_str(json).map_err(|error| ImportError(format!("not a table of models in JSON: {error}")))?;
    let mut models: Vec<ModelFacts> = table.iter().filter_map(|(name, entry)| facts(name, entry)).collect();
    if models.is_empty() {
        return Err(ImportError("no model with a price is in it: it has to be litellm's table".into()));
    }
    let rank = |facts: &ModelFacts| PROVIDERS.iter().position(|(_, ours)| *ours == facts.provider);
    models.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.model.cmp(&b.model)));
    models.dedup_by(|a, b| a.provider == b.provider && a.model == b.model);
    Ok(Table { source: one_line(source), date: one_line(date), models })
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\t', '\r'], " ")
}

fn facts(name: &str, entry: &Value) -> Option<ModelFacts> {
    let mode = entry.get("mode").and_then(Value::as_str)?;
    let theirs = entry.get("litellm_provider").and_then(Value::as_str)?;
    let (theirs, ours) = PROVIDERS.iter().find(|(name, _)| *name == theirs)?;
    let model = name.strip_prefix(theirs).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    if !matches!(mode, "chat" | "responses") || model.is_empty() || model.starts_with("ft:") || model.contains(is_odd) {
        return None;
    }
    let number =
        |key: &str| entry.get(key).and_then(Value::as_f64).filter(|number| number.is_finite() && *number >= 0.0);
    let per_mtok = |key: &str| number(key).map(|price| (price * 1e12).round() / 1e6);
    // `as` saturates.
    let count = |key: &str| number(key).map(|number| number as u64);
    let (input, output) = (per_mtok("input_cost_per_token")?, per_mtok("output_cost_per_token")?);
    // A price of nothing is a table's way to say that it does not know.
    if input <= 0.0 || output <= 0.0 {
        return None;
    }
    // No model of the table has two of these; of several the lowest would be taken.
    let lengths = entry.as_object()?.keys().filter_map(|key| {
        key.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?.parse::<u64>().ok()
    });
    let tier = lengths.min().and_then(|thousands| {
        let key = |what: &str| format!("{what}_cost_per_token_above_{thousands}k_tokens");
        let (input_per_mtok, output_per_mtok) = (per_mtok(&key("input"))?, per_mtok(&key("output"))?);
        Some(Tier { above: thousands.saturating_mul(1000), input_per_mtok, output_per_mtok })
    });
    let day = entry.get("deprecation_date").and_then(Value::as_str).filter(|day| is_day(day));
    Some(ModelFacts {
        provider: (*ours).to_owned(),
        model: model.to_owned(),
        input_per_mtok: input,
        output_per_mtok: output,
        cache_read_per_mtok: per_mtok("cache_read_input_token_cost").filter(|price| *price > 0.0),
        cache_write_per_mtok: per_mtok("cache_creation_input_token_cost").filter(|price| *price > 0.0),
        tier,
        context_window: count("max_input_tokens").or_else(|| count("max_tokens")).unwrap_or(0),
        max_output: count("max_output_tokens").unwrap_or(0),
        retires: day.map(str::to_owned),
    })
}

fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{
        "sample_spec": {"mode": "one of: chat, embedding", "litellm_provider": "one of them", "deprecation_date": "when"},
        "gpt-x-2025-01-01": {"mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1.25e-06,
            "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-07, "max_input_tokens": 272000,
            "max_output_tokens": 128000, "deprecation_date": "2027-01-14",
            "input_cost_per_token_above_272k_tokens": 2.5e-06, "output_cost_per_token_above_272k_tokens": 2e-05},
        "gemini/g-1": {"mode": "chat", "litellm_provider": "gemini", "input_cost_per_token": 1e-07, "output_cost_per_token": 4e-07},
        "gemini/g-2": {"mode": "chat", "litellm_provider": "gemini", "input_cost_per_token": 1e-07, "output_cost_per_token": 4e-07,
            "input_cost_per_token_above_100k_tokens": 2e-07, "output_cost_per_token_above_100k_tokens": 5e-07,
            "input_cost_per_token_above_100k_tokens_priority": 3e-07},
        "gemini/free": {"mode": "chat", "litellm_provider": "gemini", "input_cost_per_token": 0, "output_cost_per_token": 0},
        "text-embedding-3": {"mode": "embedding", "litellm_provider": "openai", "input_cost_per_token": 1e-07, "output_cost_per_token": 1e-7},
        "azure/gpt-x": {"mode": "chat", "litellm_provider": "azure", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06},
        "broken": 7
    }"#;

    #[test]
    fn chat_models_with_a_price_are_taken_and_nothing_else() {
        let table = import(TABLE, "a table", "2026-01-01").unwrap();
        let names: Vec<_> = table.models.iter().map(|facts| (facts.provider.as_str(), facts.model.as_str())).collect();
        assert_eq!(names, [("openai", "gpt-x-2025-01-01"), ("google", "g-1"), ("google", "g-2")]);
        assert_eq!(table.models[2].tier, Some(Tier { above: 100_000, input_per_mtok: 0.2, output_per_mtok: 0.5 }));
        let facts = &table.models[0];
        assert_eq!((facts.input_per_mtok, facts.output_per_mtok, facts.cache_read_per_mtok), (1.25, 10.0, Some(0.125)));
        assert_eq!(facts.tier, Some(Tier { above: 272_000, input_per_mtok: 2.5, output_per_mtok: 20.0 }));
        assert_eq!(facts.retires.as_deref(), Some("2027-01-14"));
    }

    #[test]
    fn what_is_no_such_table_is_refused() {
        for text in ["", "[]", "{}", "{\"a\": 1}", "<html>"] {
            assert!(import(text, "s", "d").is_err(), "{text}");
        }
    }
}
