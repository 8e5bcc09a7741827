//! National identity numbers: the shape that a country gives them, and the check digits that make a random number fail.
//! Where a number has few check digits and no shape of its own, the text has to name it.
//!
//! The rules are those the issuing authorities publish; each entry names its check.

use std::ops::Range;

/// How far before a number its name may stand, in bytes.
const NEAR: usize = 48;
/// How many letters and digits the shortest shape has.
const SHORTEST: usize = 8;

/// One kind of number.
struct Id {
    /// What it is, for the reason.
    what: &'static str,
    /// `d` a digit, `A` a capital letter, `x` either, `k` a digit or K; a space is a separator that may be missing, other
    /// signs stand for themselves.
    shapes: &'static [&'static str],
    /// Judges the letters and digits alone.
    valid: fn(&[u8]) -> bool,
    /// Words of which one must stand before it, in lower case; none where the number speaks for itself.
    named: &'static [&'static str],
}

const IDS: [Id; 30] = [
    Id { what: "a French social security number", shapes: &["d dd dd dx ddd ddd dd"], valid: france, named: &[] },
    Id { what: "an Italian tax code", shapes: &["AAAAAA dxAxxAxxxA", "AAAAAAddAddAdddA"], valid: italy, named: &[] },
    Id {
        what: "a Spanish identity number",
        shapes: &["dddddddd A", "dddddddd-A", "A ddddddd A", "A-ddddddd-A"],
        valid: spain,
        named: &[],
    },
    Id {
        what: "a German tax number",
        shapes: &["dd ddd ddd ddd"],
        valid: germany,
        named: &["steuer", "tax", "idnr", "tin"],
    },
    Id {
        what: "a Dutch citizen number",
        shapes: &["ddddddddd", "dddd.dd.ddd"],
        valid: netherlands,
        named: &["bsn", "burgerservice", "sofi"],
    },
    Id { what: "a Belgian national number", shapes: &["dd.dd.dd-ddd.dd"], valid: belgium, named: &[] },
    Id {
        what: "a Belgian national number",
        shapes: &["ddddddddddd"],
        valid: belgium,
        named: &["rijksregister", "national", "niss", "insz", "registre"],
    },
    Id { what: "a Polish PESEL", shapes: &["ddddddddddd"], valid: poland, named: &["pesel"] },
    Id {
        what: "a Swedish personal number",
        shapes: &["dddddd-dddd", "dddddd+dddd", "dddddddd-dddd"],
        valid: sweden,
        named: &[],
    },
    Id {
        what: "a Finnish personal code",
        shapes: &["dddddd-dddx", "dddddd+dddx", "ddddddAdddx"],
        valid: finland,
        named: &[],
    },
    Id {
        what: "a Danish CPR number",
        shapes: &["dddddd-dddd", "dddddddddd"],
        valid: denmark,
        named: &["cpr", "personnummer", "danish"],
    },
    Id { what: "a Norwegian birth number", shapes: &["dddddd ddddd"], valid: norway, named: &[] },
    Id { what: "a Swiss AHV number", shapes: &["756.dddd.dddd.dd", "756dddddddddd"], valid: switzerland, named: &[] },
    Id { what: "a British NHS number", shapes: &["ddd ddd dddd", "ddd-ddd-dddd"], valid: nhs, named: &["nhs"] },
    Id { what: "a British national insurance number", shapes: &["AA dd dd dd A"], valid: insurance, named: &[] },
    Id { what: "an Irish PPS number", shapes: &["dddddddA", "dddddddAA"], valid: ireland, named: &["pps", "rsi"] },
    Id { what: "a Portuguese tax number", shapes: &["ddd ddd ddd"], valid: portugal, named: &["nif", "contribuinte"] },
    Id {
        what: "a Turkish identity number",
        shapes: &["ddddddddddd"],
        valid: turkey,
        named: &["kimlik", "tckn", "turkish", "t.c"],
    },
    Id {
        what: "an Israeli identity number",
        shapes: &["ddddddddd"],
        valid: luhn,
        named: &["teudat", "israeli", "zehut"],
    },
    Id {
        what: "a Canadian social insurance number",
        shapes: &["ddd ddd ddd", "ddd-ddd-ddd"],
        valid: luhn,
        named: &["sin", "social insurance", "nas"],
    },
    Id { what: "a Brazilian CPF", shapes: &["ddd.ddd.ddd-dd"], valid: brazil, named: &[] },
    Id { what: "a Brazilian CPF", shapes: &["ddddddddddd"], valid: brazil, named: &["cpf"] },
    Id { what: "a Mexican CURP", shapes: &["AAAAddddddAAAAAAxd"], valid: mexico, named: &[] },
    Id { what: "a Chilean RUT", shapes: &["dd.ddd.ddd-k", "d.ddd.ddd-k"], valid: chile, named: &[] },
    Id { what: "an Argentine CUIL", shapes: &["dd-dddddddd-d"], valid: argentina, named: &[] },
    Id {
        what: "an Indian Aadhaar number",
        shapes: &["dddd dddd dddd"],
        valid: india,
        named: &["aadhaar", "aadhar", "uid"],
    },
    Id { what: "a Chinese identity number", shapes: &["dddddddddddddddddx"], valid: china, named: &[] },
    Id { what: "a South Korean registration number", shapes: &["dddddd-ddddddd"], valid: korea, named: &[] },
    Id { what: "a Singaporean identity number", shapes: &["AdddddddA"], valid: singapore, named: &[] },
    Id {
        what: "an Australian tax file number",
        shapes: &["ddd ddd ddd"],
        valid: australia,
        named: &["tfn", "tax file"],
    },
];

/// The identity numbers in a text: where, what they are, and their last two characters.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut found: Vec<(Range<usize>, &'static str)> = Vec::new();
    let (mut at, mut within) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let begins = !within && (byte.is_ascii_digit() || byte.is_ascii_uppercase());
        within = byte.is_ascii_alphanumeric() || !byte.is_ascii();
        let rest = bytes.get(at..).unwrap_or(&[]);
        if !begins || !is_long_enough(rest) {
            at += 1;
            continue;
        }
        // Digits soon, or it is no number of anybody's.
        let digits = rest.iter().take(18).filter(|byte| byte.is_ascii_digit()).count();
        let enough = digits >= 7 || (digits >= 6 && byte.is_ascii_alphabetic());
        match enough.then(|| one(text, at)).flatten() {
            Some((end, what)) => {
                found.push((at..end, what));
                // A number ends with a letter or a digit.
                (at, within) = (end, true);
            }
            None => at += 1,
        }
    }
    found
}

/// Whether as many letters and digits as the shortest shape has stand at the start, with at most a sign between two.
fn is_long_enough(bytes: &[u8]) -> bool {
    let (mut count, mut apart) = (0, false);
    for byte in bytes {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'k' => {
                count += 1;
                apart = false;
            }
            b' ' | b'-' | b'/' | b'.' | b'+' if !apart => apart = true,
            _ => return false,
        }
        if count == SHORTEST {
            return true;
        }
    }
    false
}

fn one(text: &str, at: usize) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut before = None;
    for id in &IDS {
        for shape in id.shapes {
            let Some((end, plain)) = read(bytes, at, shape.as_bytes()) else { continue };
            let longer = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
                || (matches!(bytes.get(end), Some(b'-' | b'.' | b'/'))
                    && bytes.get(end + 1).is_some_and(u8::is_ascii_digit))
                || (at > 0 && matches!(bytes.get(at - 1), Some(b'-' | b'.' | b'/' | b'+' | b'_')));
            if longer || !(id.valid)(plain.all()) {
                continue;
            }
            let before = before.get_or_insert_with(|| {
                let mut start = at.saturating_sub(NEAR);
                while !text.is_char_boundary(start) {
                    start += 1;
                }
                text.get(start..at).unwrap_or("").to_lowercase()
            });
            if id.named.is_empty() || id.named.iter().any(|name| has_word(before, name)) {
                return Some((end, id.what));
            }
        }
    }
    None
}

/// Whether a word begins with the name: `steuer` is in `Steuernummer`, `sin` is not in `using`.
fn has_word(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let start = !text.get(..at).is_some_and(|head| head.ends_with(|c: char| c.is_alphanumeric()));
        let rest = text.get(at + name.len()..).unwrap_or("");
        start && (name.len() > 4 || !rest.starts_with(|c: char| c.is_alphanumeric()))
    })
}

/// The letters and digits of a number: no shape has more.
#[derive(Default)]
struct Plain {
    bytes: [u8; 20],
    length: usize,
}

impl Plain {
    fn add(&mut self, byte: Option<u8>) {
        if let (Some(byte), Some(place)) = (byte, self.bytes.get_mut(self.length)) {
            *place = byte.to_ascii_uppercase();
            self.length += 1;
        }
    }

    fn all(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

/// Reads a shape at a place: its end, and its letters and digits.
fn read(bytes: &[u8], mut at: usize, shape: &[u8]) -> Option<(usize, Plain)> {
    let mut plain = Plain::default();
    for want in shape {
        let byte = bytes.get(at).copied();
        let fits = match want {
            b'd' => byte.is_some_and(|byte| byte.is_ascii_digit()),
            b'A' => byte.is_some_and(|byte| byte.is_ascii_uppercase()),
            b'x' => byte.is_some_and(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()),
            b'k' => byte.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'k' | b'K')),
            b' ' => {
                at += usize::from(matches!(byte, Some(b' ' | b'-' | b'/')));
                continue;
            }
            sign => byte == Some(*sign),
        };
        if !fits {
            return None;
        }
        plain.add(byte.filter(u8::is_ascii_alphanumeric));
        at += 1;
    }
    Some((at, plain))
}

fn digit(byte: u8) -> u64 {
    u64::from(byte.wrapping_sub(b'0') % 10)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum * 10 + digit(*byte))
}

/// The sum of the digits, each times its weight.
fn weighed(bytes: &[u8], weights: &[u64]) -> u64 {
    bytes.iter().zip(weights).map(|(byte, weight)| digit(*byte) * weight).sum()
}

fn at(bytes: &[u8], range: Range<usize>) -> u64 {
    bytes.get(range).map_or(u64::MAX, number)
}

fn last(bytes: &[u8]) -> u64 {
    bytes.last().map_or(u64::MAX, |byte| digit(*byte))
}

fn day_and_month(day: u64, month: u64) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

fn all_the_same(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|pair| pair.first() == pair.last())
}

fn luhn(bytes: &[u8]) -> bool {
    let double = |value: u64| if value > 4 { value * 2 - 9 } else { value * 2 };
    let sum: u64 = bytes
        .iter()
        .rev()
        .enumerate()
        .map(|(i, byte)| if i % 2 == 1 { double(digit(*byte)) } else { digit(*byte) })
        .sum();
    sum.is_multiple_of(10) && !all_the_same(bytes)
}

/// NIR: sex, year, month, department (2A and 2B in Corsica), and 97 less the remainder by 97.
fn france(bytes: &[u8]) -> bool {
    let department = bytes.get(5..7).unwrap_or(b"00");
    let (text, less) = match department {
        b"2A" => (b"19", 0),
        b"2B" => (b"18", 0),
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => (&[*a, *b], 0),
        _ => return false,
    };
    let body: u64 = [bytes.get(..5), Some(text.as_slice()), bytes.get(7..13)]
        .into_iter()
        .flatten()
        .flatten()
        .fold(less, |sum, byte| sum * 10 + digit(*byte));
    matches!(bytes.first(), Some(b'1' | b'2'))
        && (1..=42).contains(&at(bytes, 3..5))
        && 97 - body % 97 == at(bytes, 13..15)
}

/// Codice fiscale: the sum of tabled values by 26 gives the last letter.
fn italy(bytes: &[u8]) -> bool {
    const ODD: [u64; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let place = |byte: u8| u64::from(if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A') });
    let value = |(i, byte): (usize, &u8)| {
        let place = place(*byte);
        if i % 2 == 0 { ODD.get(place as usize).copied().unwrap_or(0) } else { place }
    };
    let sum: u64 = bytes.iter().take(15).enumerate().map(value).sum();
    bytes.len() == 16 && bytes.last().is_some_and(|check| u64::from(check.wrapping_sub(b'A')) == sum % 26)
}

/// DNI and NIE: the remainder by 23 gives the letter.
fn spain(bytes: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let (Some(first), Some(check)) = (bytes.first(), bytes.last()) else { return false };
    let body = bytes.get(..bytes.len() - 1).unwrap_or(&[]);
    let value = match first {
        b'X' => at(body, 1..8),
        b'Y' => 10_000_000 + at(body, 1..8),
        b'Z' => 20_000_000 + at(body, 1..8),
        b'0'..=b'9' => number(body),
        _ => return false,
    };
    LETTERS.get((value % 23) as usize) == Some(check)
}

/// Steueridentifikationsnummer: ISO 7064 mod 11,10, and one digit twice or thrice among the first ten.
fn germany(bytes: &[u8]) -> bool {
    let mut product = 10;
    for byte in bytes.iter().take(10) {
        let sum = (digit(*byte) + product) % 10;
        product = (if sum == 0 { 10 } else { sum } * 2) % 11;
    }
    let mut counts = [0_u8; 10];
    bytes.iter().take(10).for_each(|byte| counts[digit(*byte) as usize] += 1);
    let repeats = counts.iter().filter(|count| **count > 1).count();
    bytes.first() != Some(&b'0') && repeats == 1 && (11 - product) % 10 == last(bytes)
}

/// BSN: the test of eleven.
fn netherlands(bytes: &[u8]) -> bool {
    let sum = weighed(bytes, &[9, 8, 7, 6, 5, 4, 3, 2]);
    !all_the_same(bytes) && sum % 11 == last(bytes)
}

/// 97 less the remainder by 97; those born from 2000 on count with a 2 before.
fn belgium(bytes: &[u8]) -> bool {
    let (body, check) = (at(bytes, 0..9), at(bytes, 9..11));
    at(bytes, 2..4) <= 12
        && at(bytes, 4..6) <= 31
        && [body, 2_000_000_000 + body].into_iter().any(|body| 97 - body % 97 == check)
}

fn poland(bytes: &[u8]) -> bool {
    let sum = weighed(bytes, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    day_and_month(at(bytes, 4..6), at(bytes, 2..4) % 20) && (10 - sum % 10) % 10 == last(bytes)
}

/// Personnummer: Luhn over the last ten digits; a coordination number adds 60 to the day.
fn sweden(bytes: &[u8]) -> bool {
    let short = bytes.get(bytes.len().saturating_sub(10)..).unwrap_or(&[]);
    let day = at(short, 4..6);
    day_and_month(if day > 60 { day - 60 } else { day }, at(short, 2..4)) && luhn(short)
}

/// Henkilötunnus: the remainder by 31 gives the last character.
fn finland(bytes: &[u8]) -> bool {
    const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let century = bytes.get(6).is_some_and(u8::is_ascii_alphabetic);
    let serial = if century { 7..10 } else { 6..9 };
    let value = at(bytes, 0..6) * 1000 + at(bytes, serial);
    day_and_month(at(bytes, 0..2), at(bytes, 2..4)) && CHECKS.get((value % 31) as usize) == bytes.last()
}

/// CPR: a date; its check digits are no longer used, so the text has to name it.
fn denmark(bytes: &[u8]) -> bool {
    day_and_month(at(bytes, 0..2), at(bytes, 2..4))
}

/// Fødselsnummer: two check digits by 11; D-numbers add 40 to the day.
fn norway(bytes: &[u8]) -> bool {
    let check = |weights: &[u64]| (11 - weighed(bytes, weights) % 11) % 11;
    let day = at(bytes, 0..2);
    day_and_month(if day > 40 { day - 40 } else { day }, at(bytes, 2..4))
        && check(&[3, 7, 6, 1, 8, 9, 4, 5, 2]) == at(bytes, 9..10)
        && check(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) == at(bytes, 10..11)
}

/// AHV: the check digit of an EAN-13.
fn switzerland(bytes: &[u8]) -> bool {
    let sum = weighed(bytes, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
    bytes.starts_with(b"756") && (10 - sum % 10) % 10 == last(bytes)
}

fn nhs(bytes: &[u8]) -> bool {
    let check = (11 - weighed(bytes, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    !all_the_same(bytes) && check == last(bytes)
}

/// National insurance: prefixes that were never issued, and a suffix from A to D.
fn insurance(bytes: &[u8]) -> bool {
    let [first, second, .., suffix] = bytes else { return false };
    let barred = |byte: &u8| matches!(byte, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V');
    !barred(first)
        && !barred(second)
        && *second != b'O'
        && (b'A'..=b'D').contains(suffix)
        && !matches!([*first, *second].as_slice(), b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ")
}

/// PPS: the remainder by 23 gives the letter; a second letter counts nine times.
fn ireland(bytes: &[u8]) -> bool {
    let letter = |byte: Option<&u8>| byte.map_or(0, |byte| u64::from(byte.wrapping_sub(b'@')));
    let sum = weighed(bytes.get(..7).unwrap_or(&[]), &[8, 7, 6, 5, 4, 3, 2]) + 9 * letter(bytes.get(8));
    letter(bytes.get(7)) % 23 == sum % 23
}

fn portugal(bytes: &[u8]) -> bool {
    let rest = weighed(bytes, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    (if rest < 2 { 0 } else { 11 - rest }) == last(bytes)
}

fn turkey(bytes: &[u8]) -> bool {
    let odd: u64 = [0, 2, 4, 6, 8].into_iter().map(|i| at(bytes, i..i + 1)).sum();
    let even: u64 = [1, 3, 5, 7].into_iter().map(|i| at(bytes, i..i + 1)).sum();
    let sum: u64 = bytes.iter().take(10).map(|byte| digit(*byte)).sum();
    bytes.first() != Some(&b'0') && (odd * 7 + 100 - even) % 10 == at(bytes, 9..10) && sum % 10 == last(bytes)
}

/// CPF: two check digits by 11.
fn brazil(bytes: &[u8]) -> bool {
    let check = |weights: &[u64]| (weighed(bytes, weights) * 10 % 11) % 10;
    !all_the_same(bytes)
        && check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == at(bytes, 9..10)
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == at(bytes, 10..11)
}

fn mexico(bytes: &[u8]) -> bool {
    let value = |byte: u8| {
        u64::from(match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'N' => byte - b'A' + 10,
            // Ñ would stand between N and O.
            _ => byte.wrapping_sub(b'A').wrapping_add(11),
        })
    };
    let sum: u64 = bytes.iter().take(17).zip((2..=18).rev()).map(|(byte, weight)| value(*byte) * weight).sum();
    day_and_month(at(bytes, 8..10), at(bytes, 6..8))
        && matches!(bytes.get(10), Some(b'H' | b'M' | b'X'))
        && (10 - sum % 10) % 10 == last(bytes)
}

/// RUT: weights 2 to 7 from the right, by 11; K stands for 10.
fn chile(bytes: &[u8]) -> bool {
    let Some((check, body)) = bytes.split_last() else { return false };
    let sum: u64 =
        body.iter().rev().zip([2, 3, 4, 5, 6, 7].into_iter().cycle()).map(|(byte, weight)| digit(*byte) * weight).sum();
    match 11 - sum % 11 {
        11 => *check == b'0',
        10 => *check == b'K',
        value => check.is_ascii_digit() && digit(*check) == value,
    }
}

fn argentina(bytes: &[u8]) -> bool {
    let check = 11 - weighed(bytes, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(at(bytes, 0..2), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34) && check % 11 == last(bytes)
}

/// Aadhaar: Verhoeff's check digit.
fn india(bytes: &[u8]) -> bool {
    const STEP: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    // The dihedral group of ten elements.
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (a - 5 + 5 - (b - 5)) % 5,
    };
    let check = bytes.iter().rev().enumerate().fold(0, |check, (i, byte)| {
        let stepped =
            (0..i % 8).fold(digit(*byte) as u8, |value, _| STEP.get(usize::from(value)).copied().unwrap_or(0));
        times(check, stepped)
    });
    !matches!(bytes.first(), Some(b'0' | b'1')) && check == 0
}

/// Resident identity card: ISO 7064 mod 11,2, with the date of birth in the middle.
fn china(bytes: &[u8]) -> bool {
    const CHECKS: &[u8; 11] = b"10X98765432";
    let sum = weighed(bytes, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    (1900..=2099).contains(&at(bytes, 6..10))
        && day_and_month(at(bytes, 12..14), at(bytes, 10..12))
        && CHECKS.get((sum % 11) as usize) == bytes.last()
}

fn korea(bytes: &[u8]) -> bool {
    let check = (11 - weighed(bytes, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    day_and_month(at(bytes, 4..6), at(bytes, 2..4)) && check == last(bytes)
}

/// NRIC and FIN: the first letter says which row of letters the remainder by 11 picks from.
fn singapore(bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first() else { return false };
    let (letters, more): (&[u8; 11], u64) = match first {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    let sum = weighed(rest.get(..7).unwrap_or(&[]), &[2, 7, 6, 5, 4, 3, 2]) + more;
    letters.get((sum % 11) as usize) == rest.last()
}

fn australia(bytes: &[u8]) -> bool {
    weighed(bytes, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !all_the_same(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<&'static str> {
        find(text).into_iter().map(|(_, what)| what).collect()
    }

    #[test]
    fn no_shape_is_shorter_or_wider_than_what_is_looked_for() {
        for shape in IDS.iter().flat_map(|id| id.shapes) {
            assert!(shape.bytes().filter(u8::is_ascii_alphanumeric).count() >= SHORTEST, "{shape}");
            let sign = |byte: u8| matches!(byte, b' ' | b'-' | b'/' | b'.' | b'+');
            assert!(shape.bytes().all(|byte| byte.is_ascii_alphanumeric() || sign(byte)), "{shape}");
            assert!(!shape.as_bytes().windows(2).any(|pair| pair.iter().all(|byte| sign(*byte))), "{shape}");
        }
    }

    /// Specimens that the authorities or their documentation print.
    #[test]
    fn specimens_of_many_countries_are_found() {
        for (text, country) in [
            ("NIR 2 55 08 14 168 025 38", "French"),
            ("codice RSSMRA85T10A562S", "Italian"),
            ("mi DNI es 12345678Z", "Spanish"),
            ("NIE X1234567L", "Spanish"),
            ("Steuer-ID 86 095 742 719", "German"),
            ("BSN 111222333", "Dutch"),
            ("85.07.30-033.28", "Belgian"),
            ("PESEL 44051401359", "Polish"),
            ("811218-9876", "Swedish"),
            ("131052-308T", "Finnish"),
            ("CPR 211062-5629", "Danish"),
            ("756.9217.0769.85", "Swiss"),
            ("NHS number 943 476 5919", "NHS"),
            ("AB 12 34 56 C", "insurance"),
            ("PPS 1234567T", "Irish"),
            ("TC kimlik 10000000146", "Turkish"),
            ("SIN 046 454 286", "Canadian"),
            ("529.982.247-25", "Brazilian"),
            ("12.345.678-5", "Chilean"),
            ("20-12345678-6", "Argentine"),
            ("11010519491231002X", "Chinese"),
            ("S1234567D", "Singaporean"),
            ("TFN 123 456 782", "Australian"),
            ("15108695088", "Norwegian"),
            ("NIF 501 964 843", "Portuguese"),
            ("Israeli id 039337423", "Israeli"),
            ("971013-9019902", "Korean"),
            ("CURP BOXW310820HNERXN09", "Mexican"),
            ("Aadhaar 2341 2341 2346", "Indian"),
        ] {
            assert!(whats(text).iter().any(|what| what.contains(country)), "{text}: {:?}", whats(text));
        }
    }

    #[test]
    fn one_wrong_digit_or_no_name_is_no_number_of_anybodys() {
        for text in [
            "NIR 2 55 08 14 168 025 39",
            "RSSMRA85T10A562T",
            "12345678A",
            "86 095 742 719",
            "number 943 476 5919",
            "811218-9875",
            "529.982.247-24",
            "756.9217.0769.84",
            "using 046 454 286 rows",
            "11010519491231002 X",
            "order 44051401359",
            "2024-05-01 10:11:12.123456",
            "a1b2c3d4e5f6a7b8c9d0",
        ] {
            assert_eq!(whats(text), Vec::<&str>::new(), "{text}");
        }
    }
}
