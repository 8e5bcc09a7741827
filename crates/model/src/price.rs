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
    /// Other prices for long requests.
    pub long: Option<LongPrice>,
    /// Whether requests or searches cost something beside their tokens, nobody here knows how much: such a price is no
    /// bound, and none under a cap.
    pub has_fees: bool,
}

/// Prices of requests with more than so many tokens of input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LongPrice {
    /// More than these.
    pub above: u64,
    /// Dollars a million tokens of input, from the first one.
    pub input_per_mtok: f64,
    /// Dollars a million tokens of output.
    pub output_per_mtok: f64,
}

impl From<&aic_catalog::ModelFacts> for Price {
    fn from(facts: &aic_catalog::ModelFacts) -> Self {
        Self {
            input_per_mtok: facts.input_per_mtok,
            output_per_mtok: facts.output_per_mtok,
            cache_read_per_mtok: facts.cache_read_per_mtok,
            cache_write_per_mtok: facts.cache_write_per_mtok,
            has_fees: facts.has_fees(),
            long: facts.tier.map(|tier| LongPrice {
                above: tier.above,
                input_per_mtok: tier.input_per_mtok,
                output_per_mtok: tier.output_per_mtok,
            }),
        }
    }
}

impl Price {
    /// A price without special ones for cached input.
    pub const fn flat(input_per_mtok: f64, output_per_mtok: f64) -> Self {
        Self {
            input_per_mtok,
            output_per_mtok,
            cache_read_per_mtok: None,
            cache_write_per_mtok: None,
            long: None,
            has_fees: false,
        }
    }

    /// What these tokens cost, none of them cached.
    pub fn of(&self, input: Tokens, output: Tokens) -> Usd {
        let at = self.at(input.0);
        Usd::per_mtok(input, at.input_per_mtok) + Usd::per_mtok(output, at.output_per_mtok)
    }

    /// The prices of a request of this length. What cached input costs grows with what input costs.
    fn at(&self, input: u64) -> Self {
        let Some(long) = self.long.filter(|long| input > long.above) else { return *self };
        let factor = if self.input_per_mtok > 0.0 { long.input_per_mtok / self.input_per_mtok } else { 1.0 };
        Self {
            input_per_mtok: long.input_per_mtok,
            output_per_mtok: long.output_per_mtok,
            cache_read_per_mtok: self.cache_read_per_mtok.map(|price| price * factor),
            cache_write_per_mtok: self.cache_write_per_mtok.map(|price| price * factor),
            long: None,
            has_fees: self.has_fees,
        }
    }

    /// The most that a call can cost: every byte of the request a token, the whole answer used, and cache writes at
    /// their price where that is the higher one. Nothing is assumed to be cached.
    pub fn bound(&self, bytes: u64, output: u64) -> Usd {
        let at = self.at(bytes);
        // Some providers charge less for long requests; a request of so many bytes need not be a long one.
        let dearest = |long: f64, short: f64| long.max(short);
        let input = dearest(at.input_per_mtok, self.input_per_mtok);
        let write = dearest(at.cache_write_per_mtok.unwrap_or(0.0), self.cache_write_per_mtok.unwrap_or(0.0));
        let output_price = dearest(at.output_per_mtok, self.output_per_mtok);
        Usd::per_mtok(Tokens(bytes), input.max(write)) + Usd::per_mtok(Tokens(output), output_price)
    }

    /// What a call cost, by what the provider reports.
    pub fn cost(&self, usage: &TokenUsage) -> Usd {
        // A report that says more was cached than was sent is nonsense; nobody is charged less than nothing for it.
        let read = usage.cache_read.min(usage.input);
        let write = usage.cache_write.min(usage.input - read);
        let plain = usage.input - read - write;
        let at = self.at(usage.input);
        Usd::per_mtok(Tokens(plain), at.input_per_mtok)
            + Usd::per_mtok(Tokens(usage.output), at.output_per_mtok)
            + Usd::per_mtok(Tokens(read), at.cache_read_per_mtok.unwrap_or(at.input_per_mtok))
            + Usd::per_mtok(Tokens(write), at.cache_write_per_mtok.unwrap_or(at.input_per_mtok))
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
        long: Some(LongPrice { above: 200_000, input_per_mtok: 6.0, output_per_mtok: 22.5 }),
        has_fees: false,
    };

    #[test]
    fn a_long_request_costs_what_long_requests_cost_its_cached_part_too() {
        let usage = TokenUsage { input: 300_000, output: 10, cache_read: 100_000, ..TokenUsage::default() };
        let expected = 200_000.0 * 6.0 + 100_000.0 * 0.6 + 10.0 * 22.5;
        assert_eq!(PRICE.cost(&usage), Usd::from_dollars(expected / 1e6));
        assert!(PRICE.bound(300_000, 10) >= PRICE.cost(&usage));
    }

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
