//! How many tokens a text has: exactly where the encoding is public, else an estimate that says how far it may be off.

use aic_base::Tokens;
use std::fmt;
use tiktoken_rs::tokenizer::{Tokenizer, get_tokenizer};

/// A count and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenCount {
    /// How many.
    pub tokens: Tokens,
    /// Exact, or estimated.
    pub how: Counted,
}

/// What a count is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Counted {
    /// By the model's own encoding: the text's tokens, without the few that frame a message.
    Exact {
        /// The encoding.
        encoding: &'static str,
    },
    /// By its bytes; the true count may differ by this share of it.
    Estimate {
        /// A share: 0.5 is half.
        margin: f64,
    },
}

/// How far [`estimate_tokens`] was off at most on the samples of this crate's tests (English, German, Chinese, code,
/// digits; against `o200k_base`), rounded up.
const MARGIN: f64 = 0.6;

/// An estimate of a text's tokens: one for each four bytes begun. On English prose the public encodings of OpenAI give
/// four to five bytes a token, so this errs towards too many; on other scripts and on code it may err either way by
/// half. Whoever shows it says that it is an estimate.
pub fn estimate_tokens(text: &str) -> Tokens {
    Tokens(text.len().div_ceil(4) as u64)
}

/// The name of the public encoding of a model of OpenAI's, if it has one.
pub fn encoding_of(provider: &str, model: &str) -> Option<&'static str> {
    tokenizer(provider, model).map(name)
}

/// Counts a text's tokens. The first exact count of an encoding builds it, which takes some 150 to 260 ms and 46 MB: an
/// editor shows estimates instead.
pub fn count_tokens(provider: &str, model: &str, text: &str) -> TokenCount {
    let exact = tokenizer(provider, model)
        .and_then(|tokenizer| Some((tokenizer, tiktoken_rs::bpe_for_tokenizer(tokenizer).ok()?)));
    match exact {
        Some((tokenizer, bpe)) => TokenCount {
            tokens: Tokens(bpe.count_ordinary(text) as u64),
            how: Counted::Exact { encoding: name(tokenizer) },
        },
        None => TokenCount { tokens: estimate_tokens(text), how: Counted::Estimate { margin: MARGIN } },
    }
}

fn tokenizer(provider: &str, model: &str) -> Option<Tokenizer> {
    (provider == "openai").then(|| get_tokenizer(model)).flatten()
}

const fn name(tokenizer: Tokenizer) -> &'static str {
    match tokenizer {
        Tokenizer::O200kHarmony => "o200k_harmony",
        Tokenizer::O200kBase => "o200k_base",
        Tokenizer::Cl100kBase => "cl100k_base",
        Tokenizer::P50kBase => "p50k_base",
        Tokenizer::R50kBase => "r50k_base",
        Tokenizer::P50kEdit => "p50k_edit",
        Tokenizer::Gpt2 => "gpt2",
    }
}

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            Counted::Exact { encoding } => write!(f, "{} tokens (exact, {encoding})", self.tokens),
            Counted::Estimate { margin } => {
                write!(f, "about {} tokens (estimate, may be off by {:.0} %)", self.tokens, margin * 100.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_encoding_counts_exactly_and_says_so() {
        // Documented by the encoding's authors: "tiktoken is great!" has six tokens in cl100k_base.
        let count = count_tokens("openai", "gpt-4-0613", "tiktoken is great!");
        assert_eq!(count.to_string(), "6 tokens (exact, cl100k_base)");
        assert_eq!(encoding_of("openai", "gpt-4o-2024-08-06"), Some("o200k_base"));
    }

    #[test]
    fn other_encodings_are_estimated_and_say_by_how_much_they_may_be_off() {
        let count = count_tokens("anthropic", "claude-3-sonnet-20240229", "Hello there");
        assert_eq!(count.to_string(), "about 3 tokens (estimate, may be off by 60 %)");
        assert_eq!(encoding_of("anthropic", "gpt-4"), None);
    }

    #[test]
    fn the_margin_holds_on_the_samples() {
        let samples = [
            "The quick brown fox jumps over the lazy dog, and then it sits down to think about what it has done that day.",
            "Die Überprüfung der Benutzerkonten erfolgt täglich; gesperrte Konten werden nach dreißig Tagen gelöscht.",
            "请列出所有在过去三十天内没有登录的用户，并说明他们的账户状态。",
            "fn main() {\n    let total: u64 = (0..10).map(|x| x * x).sum();\n    println!(\"{total}\");\n}\n",
            "4242 4242 4242 4242, 2025-06-01T12:00:00Z, 192.168.10.254, 3.14159265358979",
        ];
        for text in samples {
            let exact = count_tokens("openai", "gpt-4o-2024-08-06", text).tokens.0 as f64;
            let off = (estimate_tokens(text).0 as f64 - exact).abs() / exact;
            assert!(off <= MARGIN, "{off:.2} for {text}");
        }
    }
}
