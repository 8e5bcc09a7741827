//! What an answer used, and what that costs.

use aic_base::{Tokens, Usage, Usd};
use serde::{Deserialize, Serialize};

/// What a provider reports of one call. Cached tokens are part of `input`, reasoning part of `output`, whatever the
/// provider's own way of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenUsage {
    /// All tokens of the request.
    pub input: u64,
    /// All tokens of the answer, those nobody sees included.
    pub output: u64,
    /// Of the input: read from the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    /// Of the input: written to the provider's cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Of the output: spent on reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Whether the counts are estimates of ours rather than the provider's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl TokenUsage {
    /// The two sums that everybody reads.
    pub const fn summary(&self) -> Usage {
        Usage { input_tokens: Tokens(self.input), output_tokens: Tokens(self.output), estimated: self.estimated }
    }
}

/// Dollars a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    /// Of input.
    pub input_per_mtok: f64,
    /// Of output.
    pub output_per_mtok: f64,
    /// Of input read from the cache; as input where none is known.
    pub cache_read_per_mtok: Option<f64>,
    /// Of input written to the cache; as input where none is known.
    pub cache_write_per_mtok: Option<f64>,
}

impl Price {
    /// A price without special ones for cached input.
    pub const fn flat(input_per_mtok: f64, output_per_mtok: f64) -> Self {
        Self { input_per_mtok, output_per_mtok, cache_read_per_mtok: None, cache_write_per_mtok: None }
    }

    /// What these tokens cost, none of them cached.
    pub fn of(&self, input: Tokens, output: Tokens) -> Usd {
        Usd::per_mtok(input, self.input_per_mtok) + Usd::per_mtok(output, self.output_per_mtok)
    }

    /// The most that a call can cost: every byte of the request a token, the whole answer used, and cache writes at
    /// their price where that is the higher one. Nothing is assumed to be cached.
    pub fn bound(&self, bytes: u64, output: u64) -> Usd {
        let input = self.cache_write_per_mtok.unwrap_or(0.0).max(self.input_per_mtok);
        Usd::per_mtok(Tokens(bytes), input) + Usd::per_mtok(Tokens(output), self.output_per_mtok)
    }

    /// What a call cost, by what the provider reports.
    pub fn cost(&self, usage: &TokenUsage) -> Usd {
        // A report that says more was cached than was sent is nonsense; nobody is charged less than nothing for it.
        let read = usage.cache_read.min(usage.input);
        let write = usage.cache_write.min(usage.input - read);
        let plain = usage.input - read - write;
        self.of(Tokens(plain), Tokens(usage.output))
            + Usd::per_mtok(Tokens(read), self.cache_read_per_mtok.unwrap_or(self.input_per_mtok))
            + Usd::per_mtok(Tokens(write), self.cache_write_per_mtok.unwrap_or(self.input_per_mtok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        input_per_mtok: 3.0,
        output_per_mtok: 15.0,
        cache_read_per_mtok: Some(0.3),
        cache_write_per_mtok: Some(3.75),
    };

    #[test]
    fn cached_tokens_cost_what_cached_tokens_cost() {
        let usage = TokenUsage { input: 1000, output: 100, cache_read: 600, cache_write: 300, ..TokenUsage::default() };
        let expected = 100.0 * 3.0 + 600.0 * 0.3 + 300.0 * 3.75 + 100.0 * 15.0;
        assert_eq!(PRICE.cost(&usage), Usd::from_dollars(expected / 1e6));
    }

    #[test]
    fn a_nonsense_report_costs_no_less_than_its_parts() {
        let usage = TokenUsage { input: 10, cache_read: 1_000_000, cache_write: 1_000_000, ..TokenUsage::default() };
        assert_eq!(PRICE.cost(&usage), Usd::from_dollars(10.0 * 0.3 / 1e6));
    }

    #[test]
    fn the_bound_is_above_every_honest_report() {
        let usage = TokenUsage { input: 500, output: 64, cache_write: 500, ..TokenUsage::default() };
        assert!(PRICE.bound(500, 64) >= PRICE.cost(&usage));
    }
}
