//! Personal data that has a pattern: checksums and validity rules decide, not mere digits.

mod cards;
mod iban;
mod look;
mod phones;

use super::pattern::{Pattern, pattern};
use super::{Finding, PiiType, Taken, Types};
use crate::normalize::Folded;
use crate::prepared::View;
use look::Look;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

static SSN: Pattern = pattern!(r"\b(\d{3})([- ])(\d{2})([- ])(\d{4})\b");
static BARE_SSN: Pattern =
    pattern!(r"(?i)\b(?:ssn|social security(?: (?:number|no\.?|#))?)\b[^\d\n]{0,16}\b(\d{3})(\d{2})(\d{4})\b");
static IPV4: Pattern = pattern!(r"\b\d{1,3}(?:\.\d{1,3}){3}\b");
static IPV6: Pattern = pattern!(r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}");
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
/// The personal data in a text, of the wanted kinds, without overlaps.
pub(crate) fn find(view: View<'_>, types: &Types) -> Vec<Finding> {
    if types.pii.is_empty() {
        return Vec::new();
    }
    let phones = types.pii.contains(&PiiType::Phone);
    let all = view.pii(phones, || all(view, phones));
    all.iter().filter(|(kind, _)| types.pii.contains(kind)).map(|(_, finding)| finding.clone()).collect()
}

/// The personal data of all kinds. Telephone numbers come last, and are looked for where they are wanted only: most others
/// look like one.
fn all(view: View<'_>, with_phones: bool) -> Vec<(PiiType, Finding)> {
    let folded = view.formats();
    let mut found = Found { folded, taken: Taken::default(), findings: Vec::new(), spaced: false };
    if folded.grams().has_byte(b'@') {
        emails(&mut found);
    }
    spelled(&mut found);
    let digits = folded.grams().has_digit();
    if digits {
        numbers(&mut found, with_phones);
    }
    let Found { mut findings, taken, .. } = found;
    if digits && odd_spaces(view.text) {
        // The same numbers with any white space between their groups.
        let mut again = Found { folded: view.spaced(), taken, findings, spaced: true };
        numbers(&mut again, with_phones);
        findings = again.findings;
    }
    findings.sort_by_key(|(_, finding)| finding.span);
    findings
}

fn numbers(found: &mut Found<'_>, with_phones: bool) {
    let look = Look::at(&found.folded.text);
    if look.coded {
        iban::ibans(found);
    }
    if look.digits >= cards::FEWEST_DIGITS {
        cards::cards(found);
    }
    if look.digits >= 9 {
        social_security(found);
    }
    national_ids(found);
    births(found);
    if !found.spaced {
        addresses(found, &look);
    }
    if with_phones && look.digits >= phones::FEWEST_DIGITS {
        phones::phones(found);
    }
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
    findings: Vec<(PiiType, Finding)>,
    /// Whether white space was folded: what stood on several lines stands in one.
    spaced: bool,
}

impl Found<'_> {
    fn free(&self, range: &Range<usize>) -> bool {
        self.taken.is_free(&self.folded.original(range.clone()).range())
    }

    fn add(&mut self, range: Range<usize>, kind: PiiType, what: &str, replacement: String) {
        if !self.free(&range) {
            return;
        }
        let span = self.folded.original(range);
        self.findings.push((kind, Finding::new(span, format!("the text holds {what}"), 1.0).replaced(replacement)));
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

    /// Whether a part of the text matches; what the whole lacks, it lacks too.
    fn part_is(&self, pattern: &Pattern, part: &str) -> bool {
        pattern.is_match((part, self.folded.grams()))
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

fn emails(found: &mut Found<'_>) {
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
        found.add(range, PiiType::Email, "an e-mail address", replacement);
    }
}

/// Addresses whose signs are written as words.
fn spelled(found: &mut Found<'_>) {
    // "look at the dot com bubble" names nobody.
    let named = |hit: &regex::Match<'_>| {
        ![" at the dot", " at a dot", " at dot"].iter().any(|talk| hit.as_str().contains(talk))
    };
    let hits: Vec<Range<usize>> = SPELLED.find_iter(found.folded).filter(named).map(|hit| hit.range()).collect();
    for range in hits {
        let first: String = found.folded.text[range.clone()].chars().take(1).collect();
        found.add(range, PiiType::Email, "an e-mail address", format!("{first}•••@•••"));
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

fn social_security(found: &mut Found<'_>) {
    let valid = |area: &str, group: &str, serial: &str| {
        !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000"
    };
    let mut hits: Vec<(Range<usize>, String)> = Vec::new();
    for caught in SSN.captures_iter(found.folded) {
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
    for caught in BARE_SSN.captures_iter(found.folded) {
        if let (Some(area), Some(group), Some(serial)) = (caught.get(1), caught.get(2), caught.get(3))
            && valid(area.as_str(), group.as_str(), serial.as_str())
        {
            hits.push((area.start()..serial.end(), serial.as_str().to_owned()));
        }
    }
    for (range, serial) in hits {
        found.add(range, PiiType::Ssn, "a social security number", format!("•••-••-{serial}"));
    }
}

fn national_ids(found: &mut Found<'_>) {
    for (range, what) in super::ids::find(&found.folded.text) {
        let replacement = masked(&found.folded.text[range.clone()], 2);
        found.add(range, PiiType::NationalId, what, replacement);
    }
}

/// Dates behind a word that makes them dates of birth.
fn births(found: &mut Found<'_>) {
    let hits: Vec<Range<usize>> =
        BIRTH.captures_iter(found.folded).filter_map(|caught| caught.get(1)).map(|date| date.range()).collect();
    let born = BORN.captures_iter(found.folded).filter_map(|caught| {
        let end = caught.get(1).or_else(|| caught.get(3))?.end();
        let start = caught.get(1).or_else(|| caught.get(2))?.start();
        Some(start..end)
    });
    let hits: Vec<Range<usize>> = hits.into_iter().chain(born).collect();
    for range in hits {
        let replacement = masked(&found.folded.text[range.clone()], 0);
        found.add(range, PiiType::BirthDate, "a date of birth", replacement);
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

fn addresses(found: &mut Found<'_>, look: &Look) {
    let mut hits: Vec<(Range<usize>, &str)> = Vec::new();
    for hit in look.dotted.then(|| IPV4.find_iter(found.folded)).into_iter().flatten() {
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
    for hit in look.colons.then(|| IPV6.find_iter(found.folded)).into_iter().flatten() {
        let Ok(address) = hit.as_str().parse::<Ipv6Addr>() else { continue };
        let groups = hit.as_str().split(':').filter(|group| !group.is_empty()).count();
        let digits = hit.as_str().bytes().any(|byte| byte.is_ascii_digit());
        if groups >= 3 && digits && !address.is_loopback() && !found.embedded(&hit.range()) {
            hits.push((hit.range(), "••••:••••:••••"));
        }
    }
    for (range, replacement) in hits {
        found.add(range, PiiType::Ip, "an IP address", replacement.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prepared;
    use proptest::prelude::*;

    fn find(text: &str, types: &Types) -> Vec<Finding> {
        super::find(Prepared::new(text).view(), types)
    }

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
