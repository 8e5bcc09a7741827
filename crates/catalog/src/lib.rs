//! Facts about models: prices, windows, retirement; and estimates of token counts.
//!
//! The facts are a dated snapshot (`data/models.json` says of what and when). A model that is not in it has no facts:
//! nobody guesses a price.

use aic_base::{Tokens, Usd};
use serde::Deserialize;
use std::sync::LazyLock;

/// What is known of one model. Prices are list prices for text, in dollars a million tokens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelFacts {
    /// `openai`, `anthropic` or `google`.
    pub provider: String,
    /// The provider's name for it.
    pub model: String,
    /// Dollars a million tokens of input.
    pub input_per_mtok: f64,
    /// Dollars a million tokens of output.
    pub output_per_mtok: f64,
    /// The most tokens of a request.
    pub context_window: u64,
    /// The most tokens of an answer.
    pub max_output: u64,
    /// The day it is taken away, `YYYY-MM-DD`.
    #[serde(default)]
    pub retires: Option<String>,
}

impl ModelFacts {
    /// Whether the name says which model of a line it is: it ends in a date or a version of four digits or more.
    /// `gpt-4o` floats, `gpt-4o-2024-08-06` and `gpt-4-0613` do not.
    pub fn is_pinned(&self) -> bool {
        is_pinned(&self.model)
    }

    /// What these tokens cost.
    pub fn cost(&self, input: Tokens, output: Tokens) -> Usd {
        Usd::per_mtok(input, self.input_per_mtok) + Usd::per_mtok(output, self.output_per_mtok)
    }
}

#[derive(Deserialize)]
struct Snapshot {
    source: String,
    date: String,
    models: Vec<ModelFacts>,
}

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    // The file is part of the program; a test reads it, so it cannot be broken in a build that passed.
    serde_json::from_str(include_str!("../data/models.json")).unwrap_or(Snapshot {
        source: "none".into(),
        date: String::new(),
        models: Vec::new(),
    })
});

/// All models of the snapshot, by provider and name.
pub fn models() -> &'static [ModelFacts] {
    &SNAPSHOT.models
}

/// Where the facts come from, and of which day they are.
pub fn provenance() -> (&'static str, &'static str) {
    (&SNAPSHOT.source, &SNAPSHOT.date)
}

/// The facts about a model; of any provider if none is named.
pub fn find(provider: Option<&str>, model: &str) -> Option<&'static ModelFacts> {
    models().iter().find(|facts| facts.model == model && provider.is_none_or(|name| name == facts.provider))
}

/// Who serves a model of this name: by the snapshot, else by the families every provider's names begin with.
pub fn provider_of(model: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 8] = [
        ("gpt-", "openai"),
        ("chatgpt-", "openai"),
        ("o1", "openai"),
        ("o3", "openai"),
        ("o4", "openai"),
        ("claude-", "anthropic"),
        ("gemini-", "google"),
        ("gemma-", "google"),
    ];
    find(None, model)
        .map(|facts| facts.provider.as_str())
        .or_else(|| FAMILIES.iter().find(|(family, _)| model.starts_with(family)).map(|(_, provider)| *provider))
}

/// Whether a name says exactly which model it means; see [`ModelFacts::is_pinned`].
pub fn is_pinned(model: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = model.split(['-', '@', ':']).collect();
    match parts.as_slice() {
        [.., year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => true,
        [_, .., last] => digits(last, 4) || digits(last, 8),
        _ => false,
    }
}

/// The pinned names that a floating one could mean, newest first.
pub fn pins_of(model: &str) -> Vec<&'static str> {
    let family = format!("{model}-");
    let mut pins: Vec<&str> = models()
        .iter()
        .map(|facts| facts.model.as_str())
        .filter(|name| name.strip_prefix(&family).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
        .filter(|name| is_pinned(name))
        .collect();
    pins.sort_unstable_by(|a, b| b.cmp(a));
    pins
}

/// An estimate of a text's tokens: one for each four bytes begun. On English prose the public encodings of OpenAI give
/// four to five bytes a token, so this errs towards too many; on other scripts and on code it may err either way by
/// half. Whoever shows it says that it is an estimate.
pub fn estimate_tokens(text: &str) -> Tokens {
    Tokens(text.len().div_ceil(4) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_is_read_and_says_where_it_is_from() {
        assert!(models().len() > 100, "{}", models().len());
        assert!(provenance().0.contains("MIT"));
        assert!(models().iter().all(|facts| facts.input_per_mtok > 0.0 && facts.output_per_mtok > 0.0));
    }

    #[test]
    fn a_call_costs_what_the_list_says() {
        let mini = find(Some("openai"), "gpt-4o-mini-2024-07-18").unwrap();
        assert_eq!(mini.cost(Tokens(1_000_000), Tokens(1_000_000)), Usd::from_dollars(0.75));
        assert!(find(Some("anthropic"), "gpt-4o-mini-2024-07-18").is_none());
    }

    #[test]
    fn a_name_is_pinned_by_a_date_or_a_version() {
        for name in ["gpt-4o-2024-08-06", "gpt-4-0613", "claude-3-sonnet-20240229"] {
            assert!(is_pinned(name), "{name}");
        }
        for name in ["gpt-4", "gpt-4o", "claude-3", "latest", "llama-3", "claude-opus-4-5", ""] {
            assert!(!is_pinned(name), "{name}");
        }
        assert_eq!(pins_of("gpt-4o-mini"), ["gpt-4o-mini-2024-07-18"]);
    }

    #[test]
    fn a_family_tells_the_provider() {
        assert_eq!(provider_of("claude-3-sonnet-20240229"), Some("anthropic"));
        assert_eq!(provider_of("qwen2.5-7b-instruct"), None);
    }
}
