//! International bank account numbers: the length of the country, and the remainder by 97.

use super::{Found, last};
use crate::detect::PiiType;
use crate::detect::pattern::{Pattern, pattern};

pub(super) static IBAN: Pattern =
    pattern!(r"(?i)(?:\b|_|\b(?:iban|account|acct|konto))([a-z]{2}\d{2}[ ./-]{0,2}[a-z0-9])");

/// Lengths of IBANs by country, from the SWIFT registry.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SC", 31),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
];

pub(super) fn ibans(found: &mut Found<'_>) {
    let text = &found.folded.text;
    let mut hits = Vec::new();
    for hit in IBAN.captures_iter(found.folded).filter_map(|caught| caught.get(1)) {
        let country = hit.as_str().get(..2).unwrap_or("").to_ascii_uppercase();
        let Some((_, length)) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country) else { continue };
        let mut value = String::new();
        let mut end = hit.start();
        for (at, c) in text.get(hit.start()..).unwrap_or("").char_indices() {
            if value.len() == *length || !(c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '.' | '/')) {
                break;
            }
            if c.is_ascii_alphanumeric() {
                value.push(c.to_ascii_uppercase());
                end = hit.start() + at + 1;
            }
        }
        let range = hit.start()..end;
        // The pattern says what may stand before it.
        let longer = text.get(end..).is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if value.len() == *length && mod_97(&value) == Some(1) && !longer {
            hits.push((range, format!("{country}•• •••• {}", last(&value, 4))));
        }
    }
    for (range, replacement) in hits {
        found.add(range, PiiType::Iban, "a bank account number", replacement);
    }
}

/// The remainder by 97 of an IBAN with its first four characters moved to its end (ISO 13616).
fn mod_97(iban: &str) -> Option<u32> {
    let (head, tail) = iban.split_at_checked(4)?;
    tail.chars().chain(head.chars()).try_fold(0_u32, |rest, c| {
        let value = c.to_digit(36)?;
        Some(if value > 9 { (rest * 100 + value) % 97 } else { (rest * 10 + value) % 97 })
    })
}
