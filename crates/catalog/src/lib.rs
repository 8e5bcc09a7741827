//! Facts about models: prices, windows, retirement; and counts of tokens.
//!
//! The facts are a dated snapshot (`data/models.tsv` says of what and when), and whatever newer table the user has put
//! over it ([`put_over`]). A model that is not in it has no facts: nobody guesses a price.

mod import;
mod table;
mod tokens;

pub use import::{ImportError, import};
pub use table::{ModelFacts, Table, TableError, Tier};
pub use tokens::{Counted, TokenCount, count_tokens, encoding_of, estimate_tokens};

use std::sync::{LazyLock, OnceLock};

/// The providers that a spec can name; what others sell is found by their hosts.
const NAMED: [&str; 3] = ["openai", "anthropic", "google"];

/// Who is behind which host: for servers that speak OpenAI's format.
const HOSTS: [(&str, &str); 21] = [
    ("api.mistral.ai", "mistral"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "xai"),
    ("api.groq.com", "groq"),
    ("api.together.xyz", "together_ai"),
    ("api.together.ai", "together_ai"),
    ("api.fireworks.ai", "fireworks_ai"),
    ("api.deepinfra.com", "deepinfra"),
    ("api.novita.ai", "novita"),
    ("api.studio.nebius.com", "nebius"),
    ("api.moonshot.ai", "moonshot"),
    ("api.z.ai", "zai"),
    ("dashscope-intl.aliyuncs.com", "dashscope"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cerebras.ai", "cerebras"),
    ("api.hyperbolic.xyz", "hyperbolic"),
    ("openrouter.ai", "openrouter"),
    ("api.sambanova.ai", "sambanova"),
    ("api.lambda.ai", "lambda_ai"),
    ("api.scaleway.ai", "scaleway"),
    ("api.openai.com", "openai"),
];

/// The facts in use.
struct Facts {
    source: String,
    date: String,
    models: Vec<ModelFacts>,
    /// How many of them a spec can name by their provider; these come first.
    named: usize,
    problem: Option<String>,
}

/// Reads the user's own table.
type Newer = fn() -> Option<String>;

static NEWER: OnceLock<Newer> = OnceLock::new();

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    // The file is part of the program; a test reads it, so it cannot be broken in a build that passed.
    let mut table = Table::read(include_str!("../data/models.tsv")).unwrap_or_default();
    let mut problem = None;
    match NEWER.get().and_then(|read| read()).map(|text| Table::read(&text)) {
        // An older one, left from before an update of the program, is no news.
        Some(Ok(newer)) if newer.date >= table.date => {
            table
                .models
                .retain(|old| !newer.models.iter().any(|new| new.provider == old.provider && new.model == old.model));
            table.models.extend(newer.models);
            (table.source, table.date) = (newer.source, newer.date);
        }
        Some(Err(error)) => problem = Some(error.to_string()),
        _ => {}
    }
    let rank = |facts: &ModelFacts| NAMED.iter().position(|name| *name == facts.provider).unwrap_or(NAMED.len());
    table.models.sort_by(|a, b| (rank(a), &a.provider, &a.model).cmp(&(rank(b), &b.provider, &b.model)));
    let named = table.models.partition_point(|facts| rank(facts) < NAMED.len());
    Facts { source: table.source, date: table.date, models: table.models, named, problem }
});

/// Names who reads the user's own table, which is put over the snapshot where it is not older. Called once, before
/// anybody asks for a fact; it is read when somebody does.
pub fn put_over(read: Newer) {
    // A second caller finds it said already.
    let _ = NEWER.set(read);
}

/// What is wrong with the user's own table, if it was not taken.
pub fn problem() -> Option<&'static str> {
    FACTS.problem.as_deref()
}

/// The models of providers that a spec can name, by provider and name.
pub fn models() -> &'static [ModelFacts] {
    FACTS.models.get(..FACTS.named).unwrap_or_default()
}

/// The models of everybody: these, and what is sold by hosts that speak OpenAI's format.
pub fn all() -> &'static [ModelFacts] {
    &FACTS.models
}

/// Where the facts come from, and of which day they are.
pub fn provenance() -> (&'static str, &'static str) {
    (&FACTS.source, &FACTS.date)
}

/// The facts about a model; of any provider that a spec can name if none is given.
pub fn find(provider: Option<&str>, model: &str) -> Option<&'static ModelFacts> {
    let model = if provider == Some("google") { model.strip_prefix("models/").unwrap_or(model) } else { model };
    match provider {
        Some(provider) => all().iter().find(|facts| facts.model == model && facts.provider == provider),
        None => models().iter().find(|facts| facts.model == model),
    }
}

/// The facts about a model that is served at this address.
pub fn find_at(base_url: &str, model: &str) -> Option<&'static ModelFacts> {
    find(Some(host_of(base_url)?), model)
}

/// Who is behind an address, by its host.
pub fn host_of(base_url: &str) -> Option<&'static str> {
    let host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let host = host.split(['/', ':', '?', '#']).next()?;
    HOSTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(host)).map(|(_, provider)| *provider)
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

#[cfg(test)]
mod tests {
    use super::*;
    use aic_base::{Tokens, Usd};

    #[test]
    fn the_snapshot_is_read_and_says_where_it_is_from() {
        assert!(models().len() > 150 && all().len() > 500, "{} {}", models().len(), all().len());
        assert_eq!(problem(), None);
        assert!(provenance().0.contains("MIT"));
        assert!(all().iter().all(|facts| facts.input_per_mtok > 0.0 && facts.output_per_mtok > 0.0));
        assert!(models().iter().all(|facts| NAMED.contains(&facts.provider.as_str())));
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

    #[test]
    fn nobody_is_in_the_snapshot_whose_host_is_unknown() {
        let is_known = |provider: &str| NAMED.contains(&provider) || HOSTS.iter().any(|(_, known)| *known == provider);
        let strangers: Vec<&ModelFacts> = all().iter().filter(|facts| !is_known(&facts.provider)).collect();
        assert!(strangers.is_empty(), "{strangers:?}");
    }

    #[test]
    fn a_model_that_charges_for_more_than_tokens_says_so() {
        let fees = |provider, model| find(Some(provider), model).map(ModelFacts::has_fees);
        assert_eq!(fees("perplexity", "sonar-pro"), Some(true));
        assert_eq!(fees("openai", "gpt-4o-search-preview"), Some(true));
        assert_eq!(fees("openai", "gpt-4o"), Some(false));
    }

    #[test]
    fn a_host_tells_who_sells_a_model_and_a_stranger_does_not() {
        assert_eq!(host_of("https://api.groq.com/openai/v1"), Some("groq"));
        assert_eq!(host_of("https://api.groq.com.example.com/v1"), None);
        assert_eq!(host_of("http://127.0.0.1:8080/v1"), None);
        assert!(find_at("https://api.mistral.ai/v1", "mistral-large-latest").is_some());
        assert!(find(None, "mistral-large-latest").is_none(), "a spec cannot name that provider");
    }
}
