//! Telephone numbers: groups of digits that can be one, and nothing else in the place where they stand.

use super::{Found, digits_of, last};
use crate::detect::PiiType;
use crate::detect::pattern::{Pattern, pattern};
use std::ops::Range;

/// No telephone number that is told from others has fewer digits.
pub(super) const FEWEST_DIGITS: usize = 6;

/// Anything that could be a telephone number: digits in groups, with what people put between them.
pub(super) static PHONE: Pattern = pattern!(
    r"(?:\+|\b00[ -]?|\(|\b)\d{1,5}\)?(?:[ ./-]{0,2}\(?\d{1,5}\)?){1,6}(?:\s?(?:x|ext\.?|extension)\s?\d{2,6})?"
);
static PHONE_CONTEXT: Pattern = pattern!(
    r"(?i)\b(?:(?:tele)?phones?|tel|mobile|cell(?:phone)?|fax|call(?:ing|ed)?|dial|text me|texting|sms|whatsapp|ring|reach(?:ed|ing)?|hotline|contact|answering|numbers?|calls|switchboard|landline|voicemail|messages?|registered|telefon\w*|téléphone|teléfono|handy)\b"
);
/// Words behind which a number is something else.
static OTHER_NUMBER: Pattern = pattern!(
    r"(?i)\b(?:order|invoice|ticket|version|build|isbn|issn|case|part|serial|tracking|reference|ref|id|ids|sku|model|page|pages|year|years|between|from|range|score|scores|equation|sum|product|date|dated|amount|total|price|population|zip|postal|code|patent|doi|pmid|arxiv)\b[ :#.]{0,3}(?:number|no\.?|#)?[ :#=.]{0,3}$"
);

pub(super) fn phones(found: &mut Found<'_>) {
    let mut hits = Vec::new();
    for hit in PHONE.find_iter(found.folded) {
        let trimmed = hit.as_str().trim_end_matches([' ', '.', '-', '/', '(']);
        let range = hit.start()..hit.start() + trimmed.len();
        // Over several lines or columns only what can be nothing else.
        let sure = !found.spaced
            || trimmed.starts_with(['+', '0', '('])
                && (trimmed.starts_with('+') || found.part_is(&PHONE_CONTEXT, found.before(range.start, 40)));
        if sure && found.free(&range) && !found.embedded(&range) && is_phone(found, &range, trimmed) {
            hits.push(range);
        }
    }
    for range in hits {
        let replacement = format!("••• ••{}", last(&found.folded.text[range.clone()], 2));
        found.add(range, PiiType::Phone, "a telephone number", replacement);
    }
}

fn is_phone(found: &Found<'_>, range: &Range<usize>, text: &str) -> bool {
    let number = text.split(['x', 'e']).next().unwrap_or(text);
    let digits = digits_of(number);
    let count = digits.len();
    let groups: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    if !(FEWEST_DIGITS..=16).contains(&count) || digits.iter().all(|digit| *digit == digits[0]) {
        return false;
    }
    let before = found.before(range.start, 60);
    let near = before.get(before.len().saturating_sub(24)..).unwrap_or(before);
    let decimal = number.contains('.') && groups.len() == 2;
    let glued = before.ends_with(['$', '€', '£', '#', '/', '=', '.', ',', '-', ':']) && !before.ends_with("tel:");
    let unit = found.after(range.end, 1).starts_with(['%', '°', '$', '€', ',', '/', '-', ':'])
        && found.after(range.end, 2).chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    let sum = found.after(range.end, 2).trim_start().starts_with('=');
    if sum
        || decimal
        || glued && !number.starts_with('+')
        || unit
        || (date_like(number, &groups)
            && !(near.to_lowercase().contains("tel") && number.starts_with('0') && count >= 8))
        || found.part_is(&OTHER_NUMBER, near)
    {
        return false;
    }
    if number.starts_with('+') {
        return (8..=16).contains(&count);
    }
    let context = found.part_is(&PHONE_CONTEXT, before) || found.part_is(&PHONE_CONTEXT, found.after(range.end, 30));
    let north_american = |groups: &[&str]| {
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let ten = lengths.ends_with(&[3, 3, 4]) && (lengths.len() == 3 || (lengths.len() >= 4 && count <= 13));
        ten || (lengths == [3, 7] && number.contains('('))
    };
    if (number.contains(['-', '.', '(']) || context) && north_american(&groups) {
        return true;
    }
    // A trunk or international prefix and groups, as most of the world writes numbers; or pairs joined by hyphens.
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let prefixed = number.trim_start_matches('(').starts_with('0') && (9..=14).contains(&count) && groups.len() >= 2;
    let pairs = lengths == [2, 2, 2, 2] && number.matches('-').count() == 3;
    if prefixed || pairs {
        return true;
    }
    let bare = groups.len() == 1;
    if context {
        let most = if number.starts_with("00") { 16 } else { 13 };
        return if bare { (7..=most).contains(&count) } else { lengths.iter().all(|length| *length >= 2) };
    }
    // Alone on its line, as in an address block or a signature.
    let line_start = before.rsplit('\n').next().unwrap_or("").trim();
    let line_end = found.after(range.end, 40).split('\n').next().unwrap_or("").trim();
    let alone = line_start.is_empty() && line_end.is_empty() && found.folded.text.contains('\n');
    alone && !bare && (7..=13).contains(&count) && lengths.iter().all(|length| (2..=5).contains(length))
}

/// Dates, times of day, years and invalid social security numbers, which look like short telephone numbers.
fn date_like(number: &str, groups: &[&str]) -> bool {
    if let [a, b, c] = groups
        && (a.len(), b.len(), c.len()) == (3, 2, 4)
    {
        return true; // the shape of a social security number, which was looked for and is none
    }
    let value = |group: &&str| group.parse::<u32>().unwrap_or(u32::MAX);
    let year = |group: &&str| group.len() == 4 && (1000..=2999).contains(&value(group));
    match groups {
        [a, b, c] => {
            (year(a) && value(b) <= 12 && value(c) <= 31)
                || (year(c) && value(a) <= 31 && value(b) <= 31)
                || number.contains('/')
        }
        [a, b] => (year(a) && year(b)) || number.contains('/'),
        [a, b, c, rest @ ..] => year(a) && value(b) <= 12 && value(c) <= 31 && rest.len() <= 3,
        _ => false,
    }
}
