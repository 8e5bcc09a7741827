//! Taking found data out of a text, for good or so that the same run can put it back.

use aic_base::{Action, Decision, Span};
use std::collections::BTreeMap;
use std::fmt;

/// What stands for data that overlaps other data.
const MERGED: &str = "[redacted]";

/// The text with the spans of all redacting decisions replaced. Spans that overlap are replaced as one, by the
/// replacement of the one that covers all, else by `[redacted]`.
pub fn redact(text: &str, decisions: &[Decision]) -> String {
    replaced(text, decisions, |_, replacement| replacement.to_owned())
}

fn replaced(text: &str, decisions: &[Decision], mut with: impl FnMut(&str, &str) -> String) -> String {
    let mut spans: Vec<(usize, usize, &str)> = decisions
        .iter()
        .filter(|decision| decision.action == Action::Redact && decision.span.is_none_or(|span| !span.is_empty()))
        .map(|decision| {
            let span = decision.span.unwrap_or(Span::new(0, text.len()));
            let (mut start, mut end) = (span.range().start.min(text.len()), span.range().end.min(text.len()));
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            while !text.is_char_boundary(end) {
                end += 1;
            }
            (start, end, decision.replacement.as_deref().unwrap_or(MERGED))
        })
        .collect();
    spans.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut merged: Vec<(usize, usize, &str)> = Vec::new();
    for (start, end, replacement) in spans {
        match merged.last_mut() {
            Some((_, last_end, last)) if start < *last_end => {
                if end > *last_end {
                    *last_end = end;
                    *last = MERGED;
                }
            }
            _ => merged.push((start, end, replacement)),
        }
    }
    let mut redacted = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, replacement) in merged {
        redacted.push_str(text.get(at..start).unwrap_or(""));
        redacted.push_str(&with(text.get(start..end).unwrap_or(""), replacement));
        at = end;
    }
    redacted.push_str(text.get(at..).unwrap_or(""));
    redacted
}

/// What one run took out of its texts, so that this run alone can put it back: into the arguments of a tool, or into the
/// answer for the user whose data it is. It belongs to the run, is never written anywhere, and is gone with it.
#[derive(Default)]
pub struct Vault {
    /// What stands in the texts, and what it stands for.
    hidden: BTreeMap<String, String>,
}

impl Vault {
    /// As [`redact`], remembering what was taken out. The same data gets the same placeholder; where two would get one
    /// (`•••• 4242` of two cards), the later is numbered: `•••• 4242 (2)`.
    pub fn redact(&mut self, text: &str, decisions: &[Decision]) -> String {
        replaced(text, decisions, |found, shape| self.placeholder(text, found, shape))
    }

    /// The text with every placeholder of this run replaced by what it stands for. Others are left as they are.
    pub fn restore(&self, text: &str) -> String {
        let mut restored = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            // The longest first: a numbered placeholder begins with one that is not.
            let fits = |entry: &(&String, &String)| rest.starts_with(entry.0.as_str());
            let longest = self.hidden.iter().filter(fits).max_by_key(|(placeholder, _)| placeholder.len());
            let taken = match longest {
                Some((placeholder, original)) => {
                    restored.push_str(original);
                    placeholder.len()
                }
                None => {
                    let next = rest.chars().next().unwrap_or(' ');
                    restored.push(next);
                    next.len_utf8()
                }
            };
            rest = rest.get(taken..).unwrap_or("");
        }
        restored
    }

    /// The text with everything that this run has taken out elsewhere taken out here too: what a tool was given, it may
    /// repeat.
    pub fn conceal(&self, text: &str) -> String {
        let mut pairs: Vec<(&String, &String)> =
            self.hidden.iter().filter(|(_, original)| !original.is_empty()).collect();
        // The longest first: one piece of data may be part of another.
        pairs.sort_by_key(|(_, original)| std::cmp::Reverse(original.len()));
        pairs
            .into_iter()
            .fold(text.to_owned(), |text, (placeholder, original)| text.replace(original.as_str(), placeholder))
    }

    /// How many different pieces of data it holds.
    pub fn len(&self) -> usize {
        self.hidden.len()
    }

    /// Whether nothing was taken out.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }

    fn placeholder(&mut self, text: &str, found: &str, shape: &str) -> String {
        let shape = if shape.is_empty() { MERGED } else { shape };
        let mut number = 1_usize;
        loop {
            let name = if number == 1 { shape.to_owned() } else { format!("{shape} ({number})") };
            match self.hidden.get(&name) {
                Some(original) if original == found => return name,
                // A text that holds the placeholder itself would read differently once it is put back.
                None if !text.contains(&name) => {
                    self.hidden.insert(name.clone(), found.to_owned());
                    return name;
                }
                _ => number += 1,
            }
        }
    }
}

/// Only how much it holds: what it holds must not reach a log.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("hidden", &self.hidden.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Group, Guard, GuardrailDef, Scope};
    use proptest::prelude::*;

    fn decisions(text: &str) -> Vec<Decision> {
        Guard::compile(&GuardrailDef::named("data_privacy", Group::Own)).unwrap().judge(text, &Scope::default())
    }

    #[test]
    fn a_run_puts_back_what_it_took_out() {
        let mut vault = Vault::default();
        let text = "pay with 4242 4242 4242 4242, write to jane@example.com or joe@example.com";
        let redacted = vault.redact(text, &decisions(text));
        assert_eq!(redacted, "pay with •••• 4242, write to j•••@example.com or j•••@example.com (2)");
        assert_eq!(vault.restore(&redacted), text);
        assert_eq!(vault.restore("charge •••• 4242"), "charge 4242 4242 4242 4242");
        assert_eq!(vault.conceal("charged 4242 4242 4242 4242"), "charged •••• 4242");
        assert_eq!(vault.len(), 3);
    }

    #[test]
    fn another_run_puts_nothing_back() {
        let mut vault = Vault::default();
        let text = "jane@example.com";
        let redacted = vault.redact(text, &decisions(text));
        assert_eq!(Vault::default().restore(&redacted), redacted);
        assert!(!format!("{vault:?}").contains("jane"));
    }

    proptest! {
        #[test]
        fn what_is_put_back_is_the_text(before in "[a-z •@.()]{0,20}", after in "[a-z •@.()]{0,20}") {
            let text = format!("{before} jane.roe@example.com and 4242 4242 4242 4242 {after} joe.doe@example.com");
            let mut vault = Vault::default();
            let redacted = vault.redact(&text, &decisions(&text));
            prop_assert!(!redacted.contains("jane.roe") && !redacted.contains("4242 4242"), "{}", redacted);
            prop_assert_eq!(vault.restore(&redacted), text);
        }
    }
}
