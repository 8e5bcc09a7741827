//! Personal data that has a pattern: checksums and validity rules decide, not mere digits.

use super::pattern::{Pattern, pattern};
use super::{Finding, PiiType, Taken, Types};
use crate::normalize::{Folded, Folding};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

static DIGITS: Pattern = pattern!(r"\d(?:[ -]?\d){11,18}");
/// A card's groups with other signs between them, or glued to the word before it.
static GROUPED: Pattern = pattern!(
    r"\d{4}(?:[ ._/·-]{1,3}\d{4}){3}(?:[ ._/·-]{1,3}\d{1,3}\b)?|\d{4}[ ._/·-]{1,3}\d{6}[ ._/·-]{1,3}\d{5}|\d{15,16}"
);
static CARD_CONTEXT: Pattern =
    pattern!(r"(?i)\b(?:credit|debit|payment|bank)?\s*card(?:s|\s+(?:number|no\.?|#))?\b[^\d\n]{0,16}$");
static SSN: Pattern = pattern!(r"\b(\d{3})([- ])(\d{2})([- ])(\d{4})\b");
static BARE_SSN: Pattern =
    pattern!(r"(?i)\b(?:ssn|social security(?: (?:number|no\.?|#))?)\b[^\d\n]{0,16}\b(\d{3})(\d{2})(\d{4})\b");
static IBAN: Pattern = pattern!(r"(?i)(?:\b|_|\b(?:iban|account|acct|konto))([a-z]{2}\d{2}[ ./-]{0,2}[a-z0-9])");
static IPV4: Pattern = pattern!(r"\b\d{1,3}(?:\.\d{1,3}){3}\b");
static IPV6: Pattern = pattern!(r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}");
/// Anything that could be a telephone number: digits in groups, with what people put between them.
static PHONE: Pattern = pattern!(
    r"(?:\+|\b00[ -]?|\(|\b)\d{1,5}\)?(?:[ ./-]{0,2}\(?\d{1,5}\)?){1,6}(?:\s?(?:x|ext\.?|extension)\s?\d{2,6})?"
);
static PHONE_CONTEXT: Pattern = pattern!(
    r"(?i)\b(?:(?:tele)?phones?|tel|mobile|cell(?:phone)?|fax|call(?:ing|ed)?|dial|text me|texting|sms|whatsapp|ring|reach(?:ed|ing)?|hotline|contact|answering|numbers?|calls|switchboard|landline|voicemail|messages?|registered|telefon\w*|téléphone|teléfono|handy)\b"
);
/// Born then, in words that need a date behind them to say so.
static BORN: Pattern = pattern!(
    r"(?i)\b(?:born(?: on)?|geboren(?: am)?|geb\.|née? le|nat[oa] il|nacid[oa] el|nascid[oa] em|geboren op|urodzon[ya])[: ]{1,3}(?:(\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d|(?:19|20)\d\d-\d{1,2}-\d{1,2})|(\d{1,2})\.?º?(?: de)? (?:jan|feb|fév|mär|mar|apr|avr|abr|mai|may|maj|mag|mei|giu|jun|jui|lug|jul|aug|aoû|ago|sep|set|okt|oct|ott|out|nov|dez|déc|dec|dic)[a-zéûäü]{0,7}\.?(?: de)? (19[3-9]\d|20[0-2]\d))\b"
);
/// An address that is spelled out: `jane (at) example (dot) com`.
static SPELLED: Pattern = pattern!(
    r"(?i)\b([a-z0-9][a-z0-9._%+-]{0,63})\s{0,3}[\[({<]\s{0,2}(?:at|@)\s{0,2}[\])}>]\s{0,3}[a-z0-9-]{1,63}(?:\s{0,3}(?:\.|[\[({<]\s{0,2}(?:dot|punkt|point|punto|\.)\s{0,2}[\])}>])\s{0,3}[a-z0-9-]{2,63}){1,4}|\b([a-z0-9][a-z0-9._%+-]{0,63}) at [a-z0-9-]{1,63}(?: dot [a-z0-9-]{1,63}){0,3} dot (?:com|org|net|edu|gov|io|dev|info|de|fr|es|it|nl|pl|uk|eu|ch|at|ru|in|jp|cn|br|ca|au)\b"
);
const MONTHS: &str = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,7}\\.?";
static BIRTH: Pattern = pattern!(format r"(?i)\b(?:d\.?o\.?b\.?|i(?:'m| am| was) born|my birthday is|(?:patient|customer|client|applicant|employee)[ ,]{{1,2}}born|birth[ -]?date|birthday:|date of birth|geburtsdatum|date de naissance|fecha de nacimiento|data di nascita|data de nascimento|data urodzenia)(?:\b|[^\w])[^\d\n]{{0,16}}?\b(\d{{1,2}}[./-]\d{{1,2}}[./-](?:19|20)?\d\d|(?:18|19|20)\d\d[./-]\d{{1,2}}[./-]\d{{1,2}}|\d{{1,2}}(?:st|nd|rd|th|\.)?(?: of)? {MONTHS},? (?:18|19|20)\d\d|{MONTHS} \d{{1,2}}(?:st|nd|rd|th)?,? (?:18|19|20)\d\d)\b");
/// Words behind which a number is something else.
static OTHER_NUMBER: Pattern = pattern!(
    r"(?i)\b(?:order|invoice|ticket|version|build|isbn|issn|case|part|serial|tracking|reference|ref|id|ids|sku|model|page|pages|year|years|between|from|range|score|scores|equation|sum|product|date|dated|amount|total|price|population|zip|postal|code|patent|doi|pmid|arxiv)\b[ :#.]{0,3}(?:number|no\.?|#)?[ :#=.]{0,3}$"
);

/// The personal data in a text, of the wanted kinds, without overlaps.
pub(crate) fn find(text: &str, types: &Types) -> Vec<Finding> {
    let wanted = |kind| types.pii.contains(&kind);
    let folded = Folded::new(text, Folding::FORMATS);
    let mut found = Found { folded: &folded, taken: Taken::default(), findings: Vec::new(), spaced: false };
    let digits = folded.text.bytes().any(|byte| byte.is_ascii_digit());
    if folded.text.contains('@') {
        emails(&mut found, wanted(PiiType::Email));
    }
    spelled(&mut found, wanted(PiiType::Email));
    if digits {
        ibans(&mut found, wanted(PiiType::Iban));
        cards(&mut found, wanted(PiiType::Card));
        social_security(&mut found, wanted(PiiType::Ssn));
        national_ids(&mut found, wanted(PiiType::NationalId));
        births(&mut found, wanted(PiiType::BirthDate));
    }
    addresses(&mut found, wanted(PiiType::Ip));
    if digits && wanted(PiiType::Phone) {
        phones(&mut found);
    }
    let Found { mut findings, taken, .. } = found;
    if digits && odd_spaces(text) {
        // The same numbers with any white space between their groups.
        let spaced = Folded::new(text, Folding::SPACED);
        let mut again = Found { folded: &spaced, taken, findings, spaced: true };
        ibans(&mut again, wanted(PiiType::Iban));
        cards(&mut again, wanted(PiiType::Card));
        social_security(&mut again, wanted(PiiType::Ssn));
        national_ids(&mut again, wanted(PiiType::NationalId));
        births(&mut again, wanted(PiiType::BirthDate));
        if wanted(PiiType::Phone) {
            phones(&mut again);
        }
        findings = again.findings;
    }
    findings.sort_by_key(|finding| finding.span);
    findings
}

/// Whether white space other than single spaces stands somewhere.
fn odd_spaces(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).any(|pair| pair == b"  ")
        || bytes.iter().any(|byte| matches!(byte, b'\t'..=b'\r'))
        || !text.is_ascii()
}

struct Found<'a> {
    folded: &'a Folded,
    /// What is already something, wanted or not: a card is never a telephone number too.
    taken: Taken,
    findings: Vec<Finding>,
    /// Whether white space was folded: what stood on several lines stands in one.
    spaced: bool,
}

impl Found<'_> {
    fn free(&self, range: &Range<usize>) -> bool {
        self.taken.is_free(&self.folded.original(range.clone()).range())
    }

    fn add(&mut self, range: Range<usize>, wanted: bool, what: &str, replacement: String) {
        if !self.free(&range) {
            return;
        }
        let span = self.folded.original(range);
        if wanted {
            self.findings.push(Finding::new(span, format!("the text holds {what}"), 1.0).replaced(replacement));
        }
        self.taken.take(span.range());
    }

    /// Whether letters or digits touch the range: then it is part of something longer.
    fn embedded(&self, range: &Range<usize>) -> bool {
        let text = &self.folded.text;
        let before = text.get(..range.start).and_then(|before| before.chars().next_back());
        let after = text.get(range.end..).and_then(|after| after.chars().next());
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        part(before) || part(after)
    }

    fn before(&self, at: usize, length: usize) -> &str {
        let text = &self.folded.text;
        let mut start = at.saturating_sub(length);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text.get(start..at).unwrap_or("")
    }

    fn after(&self, at: usize, length: usize) -> &str {
        let text = &self.folded.text;
        let mut end = (at + length).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.get(at..end).unwrap_or("")
    }
}

fn digits_of(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
}

fn last(text: &str, count: usize) -> String {
    let all: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    all.iter().skip(all.len().saturating_sub(count)).collect()
}

fn emails(found: &mut Found<'_>, wanted: bool) {
    let text = &found.folded.text;
    let all: Vec<(Range<usize>, String)> = text
        .match_indices('@')
        .filter_map(|(at, _)| mailbox(text, at))
        .filter_map(|range| {
            let (local, domain) = text.get(range.clone())?.split_once('@')?;
            let first = local.chars().next()?;
            // Images of retina screens (`icon@2x.png`) and versions (`pkg@1.2.js`) are no mailboxes.
            let file = ["png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css"]
                .iter()
                .any(|end| domain.ends_with(&format!(".{end}")));
            // `git@host:group/project` is where a program logs in.
            let rest = text.get(range.end..).unwrap_or("").split_whitespace().next().unwrap_or("");
            let remote = local == "git" || (rest.starts_with(':') && rest.contains('/'));
            (!file && !remote).then(|| (range, format!("{first}•••@{domain}")))
        })
        .collect();
    for (range, replacement) in all {
        found.add(range, wanted, "an e-mail address", replacement);
    }
}

/// Addresses whose signs are written as words.
fn spelled(found: &mut Found<'_>, wanted: bool) {
    // "look at the dot com bubble" names nobody.
    let named = |hit: &regex::Match<'_>| {
        ![" at the dot", " at a dot", " at dot"].iter().any(|talk| hit.as_str().contains(talk))
    };
    let hits: Vec<Range<usize>> = SPELLED.find_iter(&found.folded.text).filter(named).map(|hit| hit.range()).collect();
    for range in hits {
        let first: String = found.folded.text[range.clone()].chars().take(1).collect();
        found.add(range, wanted, "an e-mail address", format!("{first}•••@•••"));
    }
}

/// The address around a sign, read outwards from it: a name of at most 64 characters, labels of letters, digits and
/// hyphens, and a top-level domain of letters, or one in Punycode.
fn mailbox(text: &str, at: usize) -> Option<Range<usize>> {
    let named = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '\'' | '-');
    let head = text.get(..at)?;
    let length: usize = head.chars().rev().take(64).take_while(named).map(char::len_utf8).sum();
    let name = head.get(at - length..)?.trim_start_matches(['\'', '.']);
    let tail = text.get(at + 1..)?;
    let length: usize =
        tail.chars().take(320).take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-')).map(char::len_utf8).sum();
    let (mut end, mut from) = (None, 0);
    for label in tail.get(..length)?.split('.') {
        if from > 0 {
            let letters = label.bytes().take_while(u8::is_ascii_alphabetic).count();
            let coded = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
            if coded && label.len() > 5 {
                end = Some(from + label.trim_end_matches('-').len());
            } else if (2..=24).contains(&letters) {
                end = Some(from + letters);
            } else if letters == 0 && label.starts_with(|c: char| !c.is_ascii() && c.is_alphabetic()) {
                // A domain in letters of its own.
                let letters = label.chars().take_while(|c| c.is_alphabetic());
                let (count, length) = letters.fold((0, 0), |(count, length), c| (count + 1, length + c.len_utf8()));
                end = if (2..=24).contains(&count) { Some(from + length) } else { end };
            }
        }
        let valid = label.starts_with(char::is_alphanumeric) && label.chars().count() <= 63;
        if !valid {
            break;
        }
        from += label.len() + 1;
    }
    (!name.is_empty()).then_some(at - name.len()..at + 1 + end?)
}

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

fn cards(found: &mut Found<'_>, wanted: bool) {
    let text = &found.folded.text;
    let mut hits: Vec<Range<usize>> = DIGITS
        .find_iter(text)
        .map(|hit| hit.range())
        .filter(|range| {
            let digits = digits_of(&text[range.clone()]);
            luhn(&digits)
                && (issued(&digits) || CARD_CONTEXT.is_match(found.before(range.start, 40)))
                && !found.embedded(range)
                && !found.before(range.start, 1).ends_with(['.', '+'])
        })
        .filter(|range| !found.spaced || in_fours(&text[range.clone()]))
        .collect();
    let known: Taken = hits.iter().fold(Taken::default(), |mut taken, range| {
        taken.take(range.clone());
        taken
    });
    for hit in GROUPED.find_iter(text).filter(|hit| known.is_free(&hit.range())) {
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
        found.add(range, wanted, "a payment card number", replacement);
    }
}

/// Whether digits are grouped as on a card, so that numbers of a column are none.
fn in_fours(text: &str) -> bool {
    let groups: Vec<usize> =
        text.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    matches!(groups.as_slice(), [_] | [4, 4, 4, 4] | [4, 4, 4, 4, 1..=3] | [4, 6, 5] | [4, 6, 4])
}

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

fn ibans(found: &mut Found<'_>, wanted: bool) {
    let text = &found.folded.text;
    let mut hits = Vec::new();
    for hit in IBAN.captures_iter(text).filter_map(|caught| caught.get(1)) {
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
        found.add(range, wanted, "a bank account number", replacement);
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

fn social_security(found: &mut Found<'_>, wanted: bool) {
    let text = &found.folded.text;
    let valid = |area: &str, group: &str, serial: &str| {
        !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000"
    };
    let mut hits: Vec<(Range<usize>, String)> = Vec::new();
    for caught in SSN.captures_iter(text) {
        let part = |i: usize| caught.get(i).map_or("", |part| part.as_str());
        let Some(whole) = caught.get(0) else { continue };
        let touching = found.before(whole.start(), 1).ends_with(['-', '.', '/', '+'])
            || found.after(whole.end(), 1).starts_with(['-', '/', '+']);
        // Advertised numbers that never were anybody's (SSA): 078-05-1120 and 219-09-9999.
        let specimen = matches!(whole.as_str(), "078-05-1120" | "219-09-9999");
        if part(2) == part(4) && valid(part(1), part(3), part(5)) && !touching && !specimen {
            hits.push((whole.range(), part(5).to_owned()));
        }
    }
    for caught in BARE_SSN.captures_iter(text) {
        if let (Some(area), Some(group), Some(serial)) = (caught.get(1), caught.get(2), caught.get(3))
            && valid(area.as_str(), group.as_str(), serial.as_str())
        {
            hits.push((area.start()..serial.end(), serial.as_str().to_owned()));
        }
    }
    for (range, serial) in hits {
        found.add(range, wanted, "a social security number", format!("•••-••-{serial}"));
    }
}

fn national_ids(found: &mut Found<'_>, wanted: bool) {
    for (range, what) in super::ids::find(&found.folded.text) {
        let replacement = masked(&found.folded.text[range.clone()], 2);
        found.add(range, wanted, what, replacement);
    }
}

/// Dates behind a word that makes them dates of birth.
fn births(found: &mut Found<'_>, wanted: bool) {
    let hits: Vec<Range<usize>> =
        BIRTH.captures_iter(&found.folded.text).filter_map(|caught| caught.get(1)).map(|date| date.range()).collect();
    let born = BORN.captures_iter(&found.folded.text).filter_map(|caught| {
        let end = caught.get(1).or_else(|| caught.get(3))?.end();
        let start = caught.get(1).or_else(|| caught.get(2))?.start();
        Some(start..end)
    });
    let hits: Vec<Range<usize>> = hits.into_iter().chain(born).collect();
    for range in hits {
        let replacement = masked(&found.folded.text[range.clone()], 0);
        found.add(range, wanted, "a date of birth", replacement);
    }
}

/// The same shape with a dot for each letter and digit but the last ones.
fn masked(text: &str, shown: usize) -> String {
    let count = text.chars().filter(|c| c.is_alphanumeric()).count();
    let mut seen = 0;
    let mask = |c: char| {
        seen += usize::from(c.is_alphanumeric());
        if c.is_alphanumeric() && seen + shown <= count { '•' } else { c }
    };
    text.chars().map(mask).collect()
}

fn addresses(found: &mut Found<'_>, wanted: bool) {
    let text = &found.folded.text;
    let mut hits: Vec<(Range<usize>, &str)> = Vec::new();
    for hit in IPV4.find_iter(text) {
        let Ok(address) = hit.as_str().parse::<Ipv4Addr>() else { continue };
        let before = found.before(hit.start(), 12).to_lowercase();
        let version = before.ends_with(['v', '.', '-'])
            || ["version ", "release ", "section ", "chapter "].iter().any(|word| before.ends_with(word));
        let nobody =
            address.is_unspecified() || address.is_loopback() || address.is_broadcast() || address.octets()[0] == 0;
        let longer = {
            let after = found.after(hit.end(), 2);
            after.starts_with('.') && after.len() > 1 && after.as_bytes()[1].is_ascii_digit()
        };
        if !version && !nobody && !longer {
            hits.push((hit.range(), "•••.•••.•••.•••"));
        }
    }
    for hit in IPV6.find_iter(text) {
        let Ok(address) = hit.as_str().parse::<Ipv6Addr>() else { continue };
        let groups = hit.as_str().split(':').filter(|group| !group.is_empty()).count();
        let digits = hit.as_str().bytes().any(|byte| byte.is_ascii_digit());
        if groups >= 3 && digits && !address.is_loopback() && !found.embedded(&hit.range()) {
            hits.push((hit.range(), "••••:••••:••••"));
        }
    }
    for (range, replacement) in hits {
        found.add(range, wanted, "an IP address", replacement.to_owned());
    }
}

fn phones(found: &mut Found<'_>) {
    let text = &found.folded.text;
    let mut hits = Vec::new();
    for hit in PHONE.find_iter(text) {
        let trimmed = hit.as_str().trim_end_matches([' ', '.', '-', '/', '(']);
        let range = hit.start()..hit.start() + trimmed.len();
        // Over several lines or columns only what can be nothing else.
        let sure = !found.spaced
            || trimmed.starts_with(['+', '0', '('])
                && (trimmed.starts_with('+') || PHONE_CONTEXT.is_match(found.before(range.start, 40)));
        if sure && found.free(&range) && !found.embedded(&range) && is_phone(found, &range, trimmed) {
            hits.push(range);
        }
    }
    for range in hits {
        let replacement = format!("••• ••{}", last(&found.folded.text[range.clone()], 2));
        found.add(range, true, "a telephone number", replacement);
    }
}

fn is_phone(found: &Found<'_>, range: &Range<usize>, text: &str) -> bool {
    let number = text.split(['x', 'e']).next().unwrap_or(text);
    let digits = digits_of(number);
    let count = digits.len();
    let groups: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    if !(6..=16).contains(&count) || digits.iter().all(|digit| *digit == digits[0]) {
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
        || OTHER_NUMBER.is_match(near)
    {
        return false;
    }
    if number.starts_with('+') {
        return (8..=16).contains(&count);
    }
    let context = PHONE_CONTEXT.is_match(before) || PHONE_CONTEXT.is_match(found.after(range.end, 30));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<String> {
        find(text, &Types::all()).iter().map(|finding| finding.span.unwrap().of(text).to_owned()).collect()
    }

    #[test]
    fn numbers_count_only_if_their_checksums_do() {
        assert_eq!(kinds("card 4242 4242 4242 4242 ok"), ["4242 4242 4242 4242"]);
        assert_eq!(kinds("amex 378282246310005"), ["378282246310005"]);
        assert!(kinds("card 4242 4242 4242 4243 no").is_empty());
        assert_eq!(kinds("IBAN DE89 3704 0044 0532 0130 00 please"), ["DE89 3704 0044 0532 0130 00"]);
        assert_eq!(kinds("gb82west12345698765432"), ["gb82west12345698765432"]);
        assert!(kinds("IBAN DE89 3704 0044 0532 0130 01 no").is_empty());
        assert_eq!(kinds("ssn 536-22-1234"), ["536-22-1234"]);
        assert!(kinds("not 000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000, 219-09-9999").is_empty());
    }

    #[test]
    fn mail_phones_and_addresses_are_found() {
        assert_eq!(kinds("write to Jane.Roe+x@mail.example.co.uk."), ["Jane.Roe+x@mail.example.co.uk"]);
        for phone in [
            "+49 30 901820",
            "(212) 555-2368",
            "212-555-2368",
            "+1-984-182-0190",
            "0348 2102744",
            "+46 (0)8 928 571 38",
        ] {
            assert_eq!(kinds(&format!("call {phone} now")), [phone]);
        }
        assert_eq!(
            kinds("from 86.121.97.248 and 2001:db8::8a2e:370:7334"),
            ["86.121.97.248", "2001:db8::8a2e:370:7334"]
        );
    }

    #[test]
    fn what_only_looks_like_personal_data_is_left_alone() {
        for text in [
            "version 1.2.3.4",
            "127.0.0.1",
            "2025-06-01 12:00:00",
            "order 1234567",
            "between 1990 and 2005",
            "std::vec::Vec",
            "icon@2x.png",
            "3.14159265358979",
            "1,234,567,890",
            "ISBN 978-3-16-148410-0",
            "12:34:56",
            "x@y",
            "the years 1914-1918",
            "matrix 100 200 300 400",
            "ticket #20230401",
            "$1 000 000 000",
        ] {
            assert_eq!(kinds(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn spacing_and_glue_hide_no_number() {
        for text in [
            "4111  1111  1111  1111",
            "4111\t1111\t1111\t1111",
            "my card is\n4111\n1111\n1111\n1111 ok",
            "4111.1111.1111.1111",
            "4111_1111_1111_1111",
            "4111/1111/1111/1111",
            "Visa4242424242424242",
            "card_4242424242424242",
            "IBANDE89370400440532013000",
            "DE89  3704  0044\n0532 0130 00",
            "my ssn is 536  22\t1234",
            "Aadhaar\n2341\n2341\n2346",
            "NHS  943  476  5919",
            "date  of  birth:  14  March  1985",
            "call +49\n30\t901820",
            "born on 03/14/1985",
            "geboren am 14.03.1985",
            "né le 14 mars 1985",
            "nato il 3 febbraio 1971",
            "tel: 030/901820-12",
            "ring me on 00442079460958",
            "ich@пример.рф",
            "jane.doe (at) example (dot) com",
            "jane [at] example.org",
            "write to jane at example dot com",
        ] {
            assert_eq!(kinds(text).len(), 1, "{text}: {:?}", kinds(text));
        }
        for text in [
            "git@github.com:foo/bar.git",
            "scp deploy@host.example.com:/var/www .",
            "4111\t1112\t1113\t1114",
            "2019\n2020\n2021\n2022\n2023\n2024",
            "ORD4242424242424242X9",
            "look at the dot com bubble",
            "numbers:\n12\n34\n56\n78",
            "Mozart was born on 27 January 1756",
            "Born in the USA 1984",
            "1000.2000.3000.4000",
        ] {
            assert_eq!(kinds(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn replacements_keep_the_shape_and_not_the_value() {
        let text = "4242424242424242, jane@example.com, DE89370400440532013000, 536-22-1234";
        let shapes: Vec<String> =
            find(text, &Types::all()).into_iter().filter_map(|finding| finding.replacement).collect();
        assert_eq!(shapes, ["•••• 4242", "j•••@example.com", "DE•• •••• 3000", "•••-••-1234"]);
    }

    #[test]
    fn only_the_wanted_kinds_are_found() {
        let mut types = Types::default();
        types.add("email");
        assert_eq!(find("jane@example.com 4242424242424242", &types).len(), 1);
    }

    #[test]
    fn wide_digits_and_hidden_characters_are_no_way_round() {
        assert_eq!(kinds("４２４２ 4242 4242 4242").len(), 1);
        assert_eq!(kinds("jane\u{200b}@example.com").len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-z@.:+() \\-/€é]{0,80}") {
            for finding in find(&text, &Types::all()) {
                prop_assert!(!finding.span.unwrap().of(&text).is_empty());
            }
        }
    }
}
