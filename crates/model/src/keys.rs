//! Where keys come from, and how they are kept from being seen.
//!
//! A key is read when a call needs it, held in [`SecretString`], and put into one request header. Whatever a provider
//! says is scrubbed of it, because some repeat the key they refuse. The system's keyring is in `keyring.rs`.

use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// Where keys come from. A spec holds only names.
pub trait KeySource: Send + Sync + fmt::Debug {
    /// The secret of this name; none where it is not set.
    fn key(&self, name: &str) -> Option<SecretString>;
}

/// The process's environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvKeys;

impl KeySource for EnvKeys {
    fn key(&self, name: &str) -> Option<SecretString> {
        let value = std::env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| SecretString::from(value.to_owned()))
    }
}

/// No keys at all: for replaying, which needs none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl KeySource for NoKeys {
    fn key(&self, _: &str) -> Option<SecretString> {
        None
    }
}

/// What stands where a secret stood.
pub const HIDDEN: &str = "[secret]";

/// Texts that nobody may see, and how to take them out of others.
#[derive(Clone, Default)]
pub struct Scrub(Vec<SecretString>);

impl Scrub {
    /// Also hides this. What is shorter than six bytes would take ordinary words with it, and is no secret.
    pub fn hide(&mut self, secret: SecretString) {
        if secret.expose_secret().len() >= 6 {
            self.0.push(secret);
        }
    }

    /// The text without any of them.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let secret = secret.expose_secret();
            if text.contains(secret) {
                text = text.replace(secret, HIDDEN);
            }
            if has_mask(&text) {
                text = without_masked(&text, secret);
            }
        }
        text
    }

    /// Whether the text holds one of them.
    pub fn finds(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.expose_secret()))
    }
}

/// What stands for the middle of a key that is shown in part: `sk-ab****yz`, `sk-ab...yz`.
const MASKS: [&str; 4] = ["**", "...", "…", "••"];

fn has_mask(text: &str) -> bool {
    MASKS.iter().any(|mask| text.contains(mask))
}

/// The text without words that show the beginning or the end of a secret around a mask.
fn without_masked(text: &str, secret: &str) -> String {
    let is_edge = |c: char| c.is_whitespace() || "\"'`,;:=()<>[]{}".contains(c);
    let shows = |word: &str| {
        let Some(at) = MASKS.iter().filter_map(|mask| word.find(mask)).min() else { return false };
        let head = word.get(..at).unwrap_or_default();
        let tail = word.trim_end_matches(['.', '!', '?']).rsplit(['*', '.', '…', '•']).next().unwrap_or_default();
        (head.len() >= 3 && secret.starts_with(head)) || (tail.len() >= 3 && secret.ends_with(tail))
    };
    let words = text.split_inclusive(is_edge).map(|word| {
        let body = word.trim_end_matches(is_edge);
        if shows(body) { word.replacen(body, HIDDEN, 1) } else { word.to_owned() }
    });
    words.collect()
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrub({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_of_a_text_and_never_shown_by_debug() {
        let mut scrub = Scrub::default();
        scrub.hide(SecretString::from("sk-planted-123456".to_owned()));
        assert_eq!(scrub.clean("bad key sk-planted-123456!"), "bad key [secret]!");
        assert!(!format!("{scrub:?}").contains("planted"));
    }

    #[test]
    fn what_a_provider_shows_of_a_key_in_part_is_taken_out_as_well() {
        let mut scrub = Scrub::default();
        scrub.hide(SecretString::from("sk-planted-123456".to_owned()));
        for shown in ["sk-plant****3456", "sk-p...456", "sk-…", "\"*****3456\""] {
            let said = scrub.clean(&format!("Incorrect API key provided: {shown}. Find yours... **here**."));
            assert!(said.contains(HIDDEN) && !said.contains("3456") && !said.contains("sk-"), "{said}");
            assert!(said.ends_with("Find yours... **here**."), "{said}");
        }
    }

    #[test]
    fn a_short_value_is_no_secret() {
        let mut scrub = Scrub::default();
        scrub.hide(SecretString::from("none".to_owned()));
        assert_eq!(scrub.clean("none of it"), "none of it");
    }
}
