//! Folding a text so that tricks of writing do not hide words, with every place mapped back to the original text.

mod encoded;

use crate::detect::Grams;
use aic_base::Span;
pub(crate) use encoded::may_have_pieces;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use unicode_normalization::UnicodeNormalization as _;

/// What to fold besides letter case and width.
#[derive(Debug, Clone, Copy, Default)]
pub struct Folding {
    /// Letters of other scripts that look like Latin ones.
    pub confusables: bool,
    /// HTML entities and percent escapes, once.
    pub escapes: bool,
    /// Whether letter case stays.
    pub keep_case: bool,
    /// Runs of base64 and hexadecimal digits that hold readable text, once.
    pub encodings: bool,
    /// Accents on Latin letters are dropped.
    pub accents: bool,
    /// Runs of white space become one space.
    pub spaces: bool,
}

impl Folding {
    /// Case and width only: what `contains` promises.
    pub const WORDS: Self =
        Self { confusables: false, escapes: false, keep_case: false, encodings: false, accents: false, spaces: false };
    /// Everything: for detectors of attacks.
    pub const ATTACKS: Self = Self { confusables: true, escapes: true, ..Self::WORDS };
    /// Width and invisible characters only: for formats whose case matters.
    pub const FORMATS: Self = Self { keep_case: true, ..Self::WORDS };
    /// All that hides a text and nothing that changes it: the second reading of a text whose first shows nothing.
    pub const HIDDEN: Self = Self { confusables: true, escapes: true, keep_case: true, encodings: true, ..Self::WORDS };
    /// Formats whose parts may stand any distance apart.
    pub const SPACED: Self = Self { keep_case: true, spaces: true, ..Self::WORDS };

    /// Which kinds of bytes become themselves wherever they stand, their case aside, as bits of [`KINDS`].
    fn kept(self) -> u8 {
        PLAIN | if self.escapes { 0 } else { ESCAPE } | if self.spaces { 0 } else { SPACE }
    }
}

const PLAIN: u8 = 1;
const ESCAPE: u8 = 2;
const SPACE: u8 = 4;
/// Of each byte what it is; nothing where it has to be looked at.
const KINDS: [u8; 256] = {
    let (mut kinds, mut byte) = ([0; 256], 0);
    while byte < 128 {
        kinds[byte] = match byte as u8 {
            b'&' | b'%' => ESCAPE,
            b'\t'..=b'\r' | b' ' => SPACE,
            other if unseen_byte(other) => 0,
            _ => PLAIN,
        };
        byte += 1;
    }
    kinds
};

/// A folded text that knows where each of its bytes came from.
#[derive(Debug, Clone)]
pub struct Folded {
    /// The folded text.
    pub text: String,
    /// For each byte of `text`, the original bytes its character came from; empty while nothing was changed.
    origin: Vec<(u32, u32)>,
    grams: OnceLock<Arc<Grams>>,
    /// Whether letters with accents were met.
    pub(crate) accented: bool,
    /// Whether escapes or encodings were.
    pub(crate) decoded: bool,
}

impl Folded {
    /// Folds a text. Characters that cannot be seen (zero width, soft hyphens, variation selectors, tags) are dropped.
    pub fn new(text: &str, folding: Folding) -> Self {
        let may_escape = folding.escapes && text.bytes().any(|byte| byte == b'&' || byte == b'%');
        let plain = text.is_ascii() && !text.bytes().any(unseen_byte);
        if !may_escape && !folding.encodings && !folding.spaces && plain {
            // Byte for byte, so that places are the same.
            let text = if folding.keep_case { text.to_owned() } else { text.to_ascii_lowercase() };
            return Self { text, origin: Vec::new(), grams: OnceLock::new(), accented: false, decoded: false };
        }
        let mut folded = Self {
            text: String::with_capacity(text.len()),
            origin: Vec::with_capacity(text.len()),
            grams: OnceLock::new(),
            accented: false,
            decoded: false,
        };
        let kept = folding.kept();
        // What is not added yet, since it stands for itself.
        let (mut at, mut plain_from) = (0, 0);
        let (mut run_end, mut pieces_end) = (0, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if folding.encodings && at >= run_end {
                let length = encoded::run(rest);
                run_end = at + length.max(1);
                // A run that is cut into pieces is tried once, where its first piece begins.
                let pieces = if at >= pieces_end { encoded::pieces(rest, length) } else { None };
                pieces_end = pieces_end.max(at + pieces.as_ref().map_or(0, |(length, _)| *length));
                let whole = || Some((length, rest.get(..length).and_then(encoded::readable)?));
                let hidden = pieces.and_then(|(length, text)| Some((length, text?))).or_else(whole);
                if let Some((length, hidden)) = hidden {
                    folded.decoded = true;
                    folded.push_plain(text, plain_from..at, folding);
                    hidden.chars().for_each(|c| folded.push(c, at..at + length, folding));
                    at += length;
                    plain_from = at;
                    continue;
                }
            }
            let most = if folding.encodings { run_end - at } else { rest.len() };
            let near = rest.as_bytes().get(..most).unwrap_or(rest.as_bytes());
            let plain = near.iter().position(|byte| KINDS[usize::from(*byte)] & kept == 0).unwrap_or(near.len());
            if plain > 0 {
                at += plain;
                continue;
            }
            folded.push_plain(text, plain_from..at, folding);
            let decoded = if folding.escapes { decode(rest) } else { None };
            folded.decoded |= decoded.is_some();
            let (c, used) = decoded.unwrap_or_else(|| {
                let c = rest.chars().next().unwrap_or('\0');
                (c, c.len_utf8())
            });
            folded.push(c, at..at + used, folding);
            at += used;
            plain_from = at;
        }
        folded.push_plain(text, plain_from..at, folding);
        folded
    }

    /// Adds what stands for itself but for its case.
    fn push_plain(&mut self, text: &str, range: Range<usize>, folding: Folding) {
        let Some(plain) = text.get(range.clone()).filter(|plain| !plain.is_empty()) else { return };
        let from = self.text.len();
        self.text.push_str(plain);
        if !folding.keep_case
            && let Some(added) = self.text.get_mut(from..)
        {
            added.make_ascii_lowercase();
        }
        let Span { start, end } = Span::from(range);
        self.origin.extend((start..end).map(|at| (at, at + 1)));
    }

    /// With what is known of its short runs.
    pub(crate) fn with_grams(self, grams: Arc<Grams>) -> Self {
        Self { grams: OnceLock::from(grams), ..self }
    }

    /// What short runs it has.
    pub(crate) fn grams(&self) -> &Grams {
        self.shared_grams()
    }

    /// The same, to be shared.
    pub(crate) fn shared_grams(&self) -> &Arc<Grams> {
        self.grams.get_or_init(|| Arc::new(Grams::of(&self.text)))
    }

    fn push(&mut self, c: char, from: Range<usize>, folding: Folding) {
        if invisible(c) || (folding.confusables && mark(c)) {
            return;
        }
        let before = self.text.len();
        self.accented |= accented(c);
        if folding.spaces && c.is_whitespace() {
            if self.text.ends_with(' ') {
                return;
            }
            self.text.push(' ');
        } else if c.is_ascii() {
            self.text.push(if folding.keep_case { c } else { c.to_ascii_lowercase() });
        } else if folding.accents && accented(c) {
            let parts = std::iter::once(c).nfkd().filter(|part| !mark(*part));
            if folding.keep_case {
                self.text.extend(parts)
            } else {
                self.text.extend(parts.flat_map(char::to_lowercase))
            }
        } else if composed(c) && (!folding.confusables || c < '\u{130}') {
            if folding.keep_case { self.text.push(c) } else { self.text.extend(c.to_lowercase()) }
        } else {
            for part in std::iter::once(c).nfkc() {
                let part = if folding.confusables { unconfused(part) } else { part };
                if folding.keep_case { self.text.push(part) } else { self.text.extend(part.to_lowercase()) }
            }
        }
        let origin = Span::from(from);
        self.origin.resize(self.origin.len() + self.text.len() - before, (origin.start, origin.end));
    }

    /// The original bytes that a range of the folded text came from.
    pub fn original(&self, range: Range<usize>) -> Span {
        if self.origin.is_empty() {
            return Span::from(range);
        }
        let start = self.origin.get(range.start).or_else(|| self.origin.last()).map_or(0, |origin| origin.0);
        let end = match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => self.origin.get(last).map_or(start, |origin| origin.1),
            _ => start,
        };
        Span { start, end: end.max(start) }
    }
}

/// Latin letters that may have an accent.
fn accented(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Letters of European languages and CJK ideographs that compatibility folding leaves as they are: no table is asked.
fn composed(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{12f}' | '\u{14a}'..='\u{17e}' | '\u{410}'..='\u{44f}' | '\u{4e00}'..='\u{9fff}')
}

/// Control characters that are no white space.
pub(crate) const fn unseen_byte(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0e..=0x1f | 0x7f)
}

/// Marks that stand on, in or under the letter before them.
fn mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters without a mark of their own, which are used to cut words in two or to smuggle text.
fn invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' |
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Cyrillic and Greek letters that a reader takes for Latin ones, and typographic quotes.
fn unconfused(c: char) -> char {
    match c {
        'а' | 'α' => 'a',
        'А' | 'Α' => 'A',
        'с' | 'ϲ' => 'c',
        'С' => 'C',
        'е' | 'ε' => 'e',
        'Е' | 'Ε' => 'E',
        'һ' => 'h',
        'Н' | 'Η' => 'H',
        'і' | 'ι' | 'ı' => 'i',
        'І' | 'Ι' => 'I',
        'ј' => 'j',
        'К' | 'Κ' => 'K',
        'к' | 'κ' => 'k',
        'М' | 'Μ' => 'M',
        'о' | 'ο' => 'o',
        'О' | 'Ο' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' => 'P',
        'ѕ' => 's',
        'Ѕ' => 'S',
        'Т' | 'Τ' => 'T',
        'у' | 'υ' => 'y',
        'х' | 'χ' => 'x',
        'Х' | 'Χ' => 'X',
        'В' | 'Β' => 'B',
        'ԁ' => 'd',
        'ԛ' => 'q',
        'ԝ' => 'w',
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{2bc}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201f}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// Reads one HTML entity or percent escape at the start of a text: the character and the bytes it took.
fn decode(rest: &str) -> Option<(char, usize)> {
    match rest.as_bytes().first()? {
        b'&' => entity(rest),
        b'%' => percent(rest.as_bytes()),
        _ => None,
    }
}

fn entity(rest: &str) -> Option<(char, usize)> {
    let end = rest.bytes().take(20).position(|byte| byte == b';')?;
    let name = rest.get(1..end)?;
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" | "Tab" | "ensp" | "emsp" | "thinsp" | "hairsp" | "numsp" | "puncsp" => ' ',
        "NewLine" => '\n',
        "LT" => '<',
        "GT" => '>',
        "AMP" => '&',
        "QUOT" => '"',
        "lpar" => '(',
        "rpar" => ')',
        "lsqb" | "lbrack" => '[',
        "rsqb" | "rbrack" => ']',
        "lcub" | "lbrace" => '{',
        "rcub" | "rbrace" => '}',
        "colon" => ':',
        "semi" => ';',
        "comma" => ',',
        "period" => '.',
        "excl" => '!',
        "quest" => '?',
        "commat" => '@',
        "num" => '#',
        "dollar" => '$',
        "percnt" => '%',
        "Hat" => '^',
        "ast" | "midast" => '*',
        "plus" => '+',
        "minus" | "hyphen" | "dash" => '-',
        "equals" => '=',
        "sol" => '/',
        "bsol" => '\\',
        "verbar" | "vert" | "VerticalLine" => '|',
        "lowbar" | "UnderBar" => '_',
        "grave" | "DiacriticalGrave" => '`',
        "lsquo" | "rsquo" => '\'',
        "ldquo" | "rdquo" => '"',
        "shy" | "zwj" | "zwnj" | "ZeroWidthSpace" | "NoBreak" => '\u{200b}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c, end + 1))
}

fn percent(bytes: &[u8]) -> Option<(char, usize)> {
    let byte_at = |i: usize| -> Option<u8> {
        let escape = bytes.get(3 * i..3 * i + 3)?;
        let digit = |byte: u8| (byte as char).to_digit(16);
        if escape.first() != Some(&b'%') {
            return None;
        }
        let high = digit(*escape.get(1)?)?;
        let low = digit(*escape.get(2)?)?;
        u8::try_from(high * 16 + low).ok()
    };
    let first = byte_at(0)?;
    let length = match first {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let all: Option<Vec<u8>> = (0..length).map(byte_at).collect();
    let all = all?;
    let c = std::str::from_utf8(&all).ok()?.chars().next()?;
    Some((c, 3 * length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> String {
        Folded::new(text, Folding::ATTACKS).text
    }

    #[test]
    fn wide_hidden_and_borrowed_letters_become_plain_ones() {
        assert_eq!(folded("ＤＥＬＥＴＥ"), "delete");
        assert_eq!(folded("de\u{200b}le\u{ad}te"), "delete");
        assert_eq!(folded("dеlеtе"), "delete");
        assert_eq!(folded("&lt;script&#x3e; %3Cb%3e %c3%a9"), "<script> <b> é");
        assert_eq!(folded("100% of &nothing; %zz"), "100% of &nothing; %zz");
    }

    #[test]
    fn letters_that_are_not_looked_up_fold_to_themselves() {
        for c in ('\u{c0}'..='\u{9fff}').filter(|c| composed(*c)) {
            assert!(std::iter::once(c).nfkc().eq([c]), "{c}");
        }
    }

    #[test]
    fn encoded_texts_are_read_once_and_lead_back_to_the_whole_run() {
        let text = "run RFJPUCBUQUJMRSB1c2Vycw== now";
        let folded = Folded::new(text, Folding::HIDDEN);
        assert_eq!(folded.text, "run DROP TABLE users now");
        assert_eq!(folded.original(9..14).of(text), "RFJPUCBUQUJMRSB1c2Vycw==");
    }

    #[test]
    fn what_is_cut_by_marks_controls_or_space_is_put_together() {
        assert_eq!(folded("del\u{1}ete\0 all\u{9b} users\tnow"), "delete all users\tnow");
        assert_eq!(folded("d\u{336}e\u{336}l\u{336}e\u{336}te"), "delete");
        assert_eq!(folded("jane&commat;example&period;com&ZeroWidthSpace;"), "jane@example.com");
        let hidden = |text: &str| Folded::new(text, Folding::HIDDEN).text;
        assert_eq!(hidden("run RFJPUCBU\r\n QUJMRSB1c2Vycw== now"), "run DROP TABLE users now");
        assert_eq!(hidden("64 65 6c 65 74 65 20 61 6c 6c 20 78, then"), "delete all x, then");
        assert_eq!(hidden("ZGVs ZXRl IGFs bCB1 c2Vy cw=="), "delete all users");
        assert_eq!(
            hidden("plain prose of 12 words, 34 numbers and Names stays"),
            "plain prose of 12 words, 34 numbers and Names stays"
        );
        let accents = Folding { accents: true, ..Folding::HIDDEN };
        assert_eq!(Folded::new("D\u{e9}l\u{e8}te \u{110}", accents).text, "Delete \u{110}");
        let spaced = Folded::new("4111 \n\t1111\u{a0} 1111", Folding::SPACED);
        assert_eq!(spaced.text, "4111 1111 1111");
        assert_eq!(spaced.original(5..9), Span::new(7, 11));
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(folded("%2527"), "%27");
        assert_eq!(folded("&amp;lt;"), "&lt;");
    }

    #[test]
    fn places_lead_back_to_the_original() {
        let text = "é ＤＲＯＰ %27x";
        let folded = Folded::new(text, Folding::ATTACKS);
        let at = folded.text.find("drop").unwrap();
        assert_eq!(folded.original(at..at + 4).of(text), "ＤＲＯＰ");
        let at = folded.text.find('\'').unwrap();
        assert_eq!(folded.original(at..at + 1).of(text), "%27");
        let plain = Folded::new("abc", Folding::WORDS);
        assert_eq!(plain.original(1..2), Span::new(1, 2));
    }

    proptest! {
        #[test]
        fn every_folded_character_leads_back_to_whole_characters(
            text in "(\\PC|[ \\n]|([0-9a-f]{2} ){8}|[\u{200b}\u{ad}Ａ-ｚА-я]|&[#a-z0-9]{1,5};|%[0-9a-fA-F]{2}|[A-Za-z0-9+/]{16,24}={0,2}|(\\\\x[0-9a-f]{2}){4,8}){0,24}",
        ) {
            for folding in [Folding::WORDS, Folding::ATTACKS, Folding::FORMATS, Folding::HIDDEN, Folding::SPACED] {
                let folded = Folded::new(&text, folding);
                for (at, c) in folded.text.char_indices() {
                    let span = folded.original(at..at + c.len_utf8());
                    prop_assert!(text.get(span.range()).is_some_and(|origin| !origin.is_empty()), "{:?} of {:?}", span, text);
                }
                let starts = folded.text.char_indices().map(|(at, _)| folded.original(at..at + 1).start);
                prop_assert!(starts.is_sorted(), "{:?}", text);
            }
        }
    }
}
