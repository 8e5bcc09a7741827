//! How much of a stream is settled: what comes later cannot change what guards with a window say of it.
//!
//! Detectors of data look at a bounded number of characters around a place, or at a run without spaces, or at a private
//! key from its first line to its last. A text is therefore held back by the window, to the beginning of a run that is
//! still open, and to the beginning of a key that is. The widths are counted in the text as the detectors read it, so
//! that characters nobody sees do not push a finding out of the window.

use crate::normalize::{Folded, Folding};

/// The widest of what detectors of data look at, in bytes of the folded text: a password behind `curl` and its options.
pub const WINDOW: usize = 768;

/// The most letters of a key's first line: `-----BEGIN`.
const KEY: (&str, &str) = ("-----BEGIN", "-----END");

/// How many bytes of the beginning of a text are settled, whatever follows. Ends between two characters, outside of words.
pub fn settled(text: &str) -> usize {
    let plain = settled_in(text, &Folded::new(text, Folding::FORMATS));
    let hidden = settled_in(text, &Folded::new(text, Folding::HIDDEN));
    let spaced = settled_in(text, &Folded::new(text, Folding::SPACED));
    let least = plain.min(hidden).min(spaced);
    // The beginning of the run that stands there, in the original.
    let head = text.get(..text.floor_char_boundary(least)).unwrap_or_default();
    head.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
}

fn settled_in(text: &str, folded: &Folded) -> usize {
    let read = folded.text.as_str();
    let mut least = read.floor_char_boundary(read.len().saturating_sub(WINDOW));
    // A run that is not over yet may become something whole: an encoding, a token.
    let open = read.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
    least = least.min(open);
    if let Some(begin) = open_key(read) {
        least = least.min(begin);
    }
    // On a line with `curl`, what follows it may be a password, however far.
    let from = read.get(..least).unwrap_or_default().rfind('\n').map_or(0, |at| at + 1);
    let line = read.get(from..).unwrap_or_default();
    let line = line.split('\n').next().unwrap_or_default();
    if from + line.len() >= least
        && let Some(curl) = line.to_ascii_lowercase().find("curl")
    {
        least = least.min(from + curl);
    }
    if least >= read.len() { text.len() } else { folded.original(least..least + 1).range().start }
}

/// Where a private key begins whose end has not come.
fn open_key(text: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(begin) = text.get(at..)?.find(KEY.0) {
        let begin = at + begin;
        // Up to the window the key's first line itself may be open.
        match text.get(begin..)?.find(KEY.1) {
            Some(end) if begin + end + WINDOW / 4 < text.len() => at = begin + end + KEY.1.len(),
            _ => return Some(begin),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Group, Guard, GuardrailDef, Scope, redact};
    use aic_base::{Decision, Stage};
    use proptest::prelude::*;

    fn guard() -> Guard {
        Guard::compile(&GuardrailDef::named("data_privacy", Group::Own)).unwrap()
    }

    fn judge(guard: &Guard, text: &str) -> Vec<Decision> {
        guard.judge(text, &Scope::at(Stage::PostExecution))
    }

    /// Pieces that make findings, near misses and long runs.
    fn piece() -> impl Strategy<Value = String> {
        let words = "[a-z]{1,9}( [a-z]{1,9}){0,30}";
        let fixed = prop::sample::select(vec![
            "4242 4242 4242 4242",
            "jane.roe@example.com",
            "DE89 3704 0044 0532 0130 00",
            "call me at +1 (415) 555-0132 ext. 77",
            "my ssn is 123-45-6789",
            "password: hunter2Xy!9 ",
            "token = 9fQ2xLmZ8tVbN4cKsYw1PdFhJg3AeUoTiX",
            "AKIAQ4Z7TRVN2KLM5XYW",
            "curl -s https://x.example/a -u admin:s3cr3tPass99 -d x",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq9ZxTfLm3nQpRs8uVw\nyZ1kJhGfDsAaQwErTy\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq9ZxTfLm3nQpRs8uVw",
            "NDI0MiA0MjQyIDQyNDIgNDI0MiBqYW5lLnJvZUBleGFtcGxlLmNvbQ==",
            "jane%2Eroe%40example%2Ecom",
            "j\u{200b}ane@ex\u{200b}ample.com",
            "４２４２ ４２４２ ４２４２ ４２４２",
            "10.1.2.3 and fe80::1",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
            "https://bob:Tr0ub4dor@db.example/x",
            "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25",
            "date of birth: 12 March 1984",
        ]);
        prop_oneof![
            4 => words.prop_map(String::from),
            6 => fixed.prop_map(str::to_owned),
            1 => "[A-Za-z0-9+/]{200,900}".prop_map(String::from),
            1 => "[0-9 ]{50,300}".prop_map(String::from),
            1 => prop::sample::select(vec!["\u{200b}", "\u{ad}"]).prop_map(|c| c.repeat(900)),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        let join = prop::sample::select(vec![" ", "\n", ", ", "", ". "]);
        prop::collection::vec((piece(), join), 1..14)
            .prop_map(|all| all.into_iter().map(|(piece, join)| piece + join).collect())
    }

    proptest! {
        #[test]
        fn what_is_settled_is_judged_the_same_whatever_follows(text in text(), cuts in prop::collection::vec(0.0..1.0f64, 6)) {
            let guard = guard();
            let whole = judge(&guard, &text);
            for cut in cuts {
                let cut = text.floor_char_boundary((text.len() as f64 * cut) as usize);
                let head = &text[..cut];
                let mut settled = settled(head);
                // Nothing is cut out of the middle of what is found.
                let found = judge(&guard, head);
                for decision in &found {
                    let span = decision.span.unwrap().range();
                    if span.contains(&settled) {
                        settled = span.start;
                    }
                }
                let within = |decision: &&Decision| decision.span.unwrap().range().start < settled;
                let early: Vec<Decision> = found.iter().filter(within).cloned().collect();
                let late: Vec<Decision> = whole.iter().filter(within).cloned().collect();
                prop_assert_eq!(redact(&text[..settled], &early), redact(&text[..settled], &late), "cut at {} of {:?}", cut, text);
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,80}") {
            prop_assert!(text.is_char_boundary(settled(&text)));
        }
    }

    #[test]
    fn an_ordinary_text_is_held_back_by_the_window_and_no_more() {
        let text = "word ".repeat(1000);
        let held = text.len() - settled(&text);
        assert!((WINDOW..WINDOW + 16).contains(&held), "{held}");
        assert_eq!(settled("short"), 0);
    }
}
