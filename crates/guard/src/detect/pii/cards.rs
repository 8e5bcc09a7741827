//! Payment cards: the length and the beginning that an issuer gives them, and the check digit.

use super::{Found, digits_of, last};
use crate::detect::pattern::{Pattern, pattern};
use crate::detect::{PiiType, Taken};
use std::ops::Range;

/// No card has fewer digits.
pub(super) const FEWEST_DIGITS: usize = 12;

pub(super) static DIGITS: Pattern = pattern!(r"\d(?:[ -]?\d){11,18}");
/// A card's groups with other signs between them, or glued to the word before it.
pub(super) static GROUPED: Pattern = pattern!(
    r"\d{4}(?:[ ._/·-]{1,3}\d{4}){3}(?:[ ._/·-]{1,3}\d{1,3}\b)?|\d{4}[ ._/·-]{1,3}\d{6}[ ._/·-]{1,3}\d{5}|\d{15,16}"
);
static CARD_CONTEXT: Pattern =
    pattern!(r"(?i)\b(?:credit|debit|payment|bank)?\s*card(?:s|\s+(?:number|no\.?|#))?\b[^\d\n]{0,16}$");

/// Luhn's check digit (ISO/IEC 7812-1).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            match (place % 2, digit * 2) {
                (0, _) => digit,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            }
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != digits[0])
}

/// Whether an issuer makes cards of this length with this beginning.
fn issued(digits: &[u8]) -> bool {
    let prefix = |count: usize| digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    // By length, first two digits and first four: Visa, Mastercard, American Express, Diners Club, Discover, JCB, UnionPay,
    // Maestro, Mir.
    matches!(
        (digits.len(), prefix(2), prefix(4)),
        (13 | 16 | 19, 40..=49, _)
            | (16, 51..=55, _)
            | (16, _, 2221..=2720)
            | (15, 34 | 37, _)
            | (14 | 16 | 19, 36 | 38 | 39, _)
            | (14 | 16, _, 3000..=3059 | 3095)
            | (16 | 19, 65, _)
            | (16 | 19, _, 6011 | 6440..=6499)
            | (16..=19, _, 3528..=3589)
            | (15, _, 1800 | 2131)
            | (16..=19, 62, _)
            | (12..=19, 50 | 56..=58 | 60 | 61 | 63 | 66..=69, _)
            | (16, _, 2200..=2204)
    )
}

pub(super) fn cards(found: &mut Found<'_>) {
    let text = &found.folded.text;
    let mut hits: Vec<Range<usize>> = DIGITS
        .find_iter(found.folded)
        .map(|hit| hit.range())
        .filter(|range| {
            let digits = digits_of(&text[range.clone()]);
            luhn(&digits)
                && (issued(&digits) || found.part_is(&CARD_CONTEXT, found.before(range.start, 40)))
                && !found.embedded(range)
                && !found.before(range.start, 1).ends_with(['.', '+'])
        })
        .filter(|range| !found.spaced || in_fours(&text[range.clone()]))
        .collect();
    let known: Taken = hits.iter().fold(Taken::default(), |mut taken, range| {
        taken.take(range.clone());
        taken
    });
    for hit in GROUPED.find_iter(found.folded).filter(|hit| known.is_free(&hit.range())) {
        let digits = digits_of(hit.as_str());
        let before = text.get(..hit.start()).unwrap_or("");
        let after = text.get(hit.end()..).unwrap_or("");
        // A word or `_` may touch it, a number or a letter of a longer code may not.
        let word = before.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '_');
        let glued = word.len() < before.len()
            && !word.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '/' | '.' | '+'))
            && (before.ends_with('_') || before.len() - word.len() >= 2);
        let apart = !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '+'));
        let goes_on = after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            || (after.starts_with(['.', '/', '-', ' ']) && after.chars().nth(1).is_some_and(|c| c.is_ascii_digit()));
        let number_before = before.trim_end().ends_with(|c: char| c.is_ascii_digit());
        if (glued || apart) && !goes_on && !number_before && luhn(&digits) && issued(&digits) {
            hits.push(hit.range());
        }
    }
    for range in hits {
        let replacement = format!("•••• {}", last(&found.folded.text[range.clone()], 4));
        found.add(range, PiiType::Card, "a payment card number", replacement);
    }
}

/// Whether digits are grouped as on a card, so that numbers of a column are none.
fn in_fours(text: &str) -> bool {
    let groups: Vec<usize> =
        text.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    matches!(groups.as_slice(), [_] | [4, 4, 4, 4] | [4, 4, 4, 4, 1..=3] | [4, 6, 5] | [4, 6, 4])
}
