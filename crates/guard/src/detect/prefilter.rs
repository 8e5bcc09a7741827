//! Which short runs of bytes a text has, so that one look tells which patterns could match it.
//!
//! A table of bits is filled once for a text: each of its bytes, and each two, three and four bytes in a row, whatever
//! their case in ASCII. A literal whose runs are not all there is not in the text. The table forgets where a run stands and
//! may confuse two of them, so it says yes too often, and never no to what is there.

/// The table has about so many bits for each byte of the text: one in twenty that are asked for is there by chance.
const BITS_A_BYTE: usize = 64;
/// The smallest and the largest table, as powers of two of bits: 512 bytes, and 64 KiB.
const SMALLEST: u32 = 12;
const LARGEST: u32 = 19;
/// More runs of a long literal say nothing more.
const MOST_RUNS: usize = 8;

/// The short runs of bytes that a text has.
#[derive(Debug, Clone)]
pub(crate) struct Grams {
    bits: Box<[u64]>,
    single: [u64; 4],
    /// How far a hash is shifted to be a place in the table.
    shift: u32,
    /// Whether the text has letters that are ASCII ones only where case does not matter: nothing is known of it then.
    odd: bool,
}

/// A literal as a table is asked for it.
#[derive(Debug, Clone)]
pub(super) enum Literal {
    /// A byte.
    Byte(u8),
    /// The hashes of its runs.
    Runs(Box<[u32]>),
}

impl Grams {
    pub(crate) fn of(text: &str) -> Self {
        let power = (text.len() * BITS_A_BYTE).next_power_of_two().trailing_zeros().clamp(SMALLEST, LARGEST);
        let (mut bits, mut seen) = (vec![0_u64; 1 << (power - 6)].into_boxed_slice(), [0_u8; 256]);
        let (shift, most) = (32 - power, bits.len() - 1);
        let mut set = |hash: u32| {
            let place = hash >> shift;
            // No place is beyond the last; this way the compiler sees it.
            bits[(place >> 6) as usize & most] |= 1 << (place & 63);
        };
        let mut last = 0_u32;
        // Runs that begin before the text are kept too, with zeros there: they deny nothing.
        for byte in text.bytes() {
            let byte = byte.to_ascii_lowercase();
            seen[usize::from(byte)] = 1;
            last = last >> 8 | u32::from(byte) << 24;
            set(hash::<2>(last >> 16));
            set(hash::<3>(last >> 8));
            set(hash::<4>(last));
        }
        let mut single = [0; 4];
        for (word, seen) in single.iter_mut().zip(seen.chunks_exact(64)) {
            *word = seen.iter().rev().fold(0, |word, seen| word << 1 | u64::from(*seen));
        }
        Self { bits, single, shift, odd: super::pattern::odd(text) }
    }

    fn has_run(&self, hash: u32) -> bool {
        let place = hash >> self.shift;
        self.bits.get(place as usize >> 6).is_none_or(|word| word >> (place & 63) & 1 == 1)
    }

    /// Whether the text may have the literal, in any case of its ASCII letters.
    pub(super) fn may_have(&self, literal: &Literal) -> bool {
        self.odd
            || match literal {
                Literal::Byte(byte) => self.has_byte(*byte),
                Literal::Runs(runs) => runs.iter().all(|run| self.has_run(*run)),
            }
    }

    /// Whether the text has this byte, in either case.
    pub(crate) fn has_byte(&self, byte: u8) -> bool {
        let byte = byte.to_ascii_lowercase();
        self.single[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// Whether the text has a digit of ASCII.
    pub(crate) fn has_digit(&self) -> bool {
        self.single[0] & (0x3ff << b'0') != 0
    }

    /// Whether the text may have one of these words, in any case of their ASCII letters.
    pub(crate) fn may_have_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.may_have_word(word))
    }

    fn may_have_word(&self, word: &str) -> bool {
        self.odd || runs(word.as_bytes()).all(|run| self.has_run(run)) && word.bytes().all(|byte| self.has_byte(byte))
    }
}

impl Literal {
    pub(super) fn of(text: &str) -> Self {
        match text.as_bytes() {
            [byte] => Self::Byte(byte.to_ascii_lowercase()),
            bytes => Self::Runs(runs(bytes).take(MOST_RUNS).collect()),
        }
    }
}

/// The hashes of the runs of a literal: all its fours, or itself.
fn runs(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let whole = |run: &[u8]| {
        let value = run.iter().rev().fold(0, |value, byte| value << 8 | u32::from(byte.to_ascii_lowercase()));
        match run.len() {
            2 => hash::<2>(value),
            3 => hash::<3>(value),
            _ => hash::<4>(value),
        }
    };
    bytes.windows(bytes.len().clamp(2, 4)).map(whole)
}

/// A run of two to four bytes, the first one lowest, spread over 32 bits.
#[inline]
fn hash<const LENGTH: usize>(run: u32) -> u32 {
    const SPREAD: [u32; 5] = [0, 0, 0x85eb_ca6b, 0xc2b2_ae35, 0x9e37_79b1];
    (run ^ run >> 15).wrapping_mul(SPREAD[LENGTH])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_text_lacks_is_mostly_known() {
        let grams = Grams::of("Please drop the TABLE of all 12 users");
        let has = |text: &str| grams.may_have(&Literal::of(text));
        assert!(["drop", "table", "users", "1", "of"].iter().all(|text| has(text)));
        assert!(!["delete", "wipe", "3", "{", "zq"].iter().any(|text| has(text)));
        assert!(grams.has_digit() && !Grams::of("none").has_digit() && grams.has_byte(b'T'));
    }

    proptest! {
        #[test]
        fn what_is_in_a_text_is_never_denied(before in "\\PC{0,40}", literal in "\\PC{1,12}", after in "\\PC{0,400}", upper in any::<bool>()) {
            let within = if upper { literal.to_ascii_uppercase() } else { literal.clone() };
            let grams = Grams::of(&format!("{before}{within}{after}"));
            prop_assert!(grams.may_have(&Literal::of(&literal)) && grams.may_have_one_of(&[&literal]));
        }
    }
}
