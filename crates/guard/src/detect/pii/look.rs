//! A first look at a text: which kinds of numbers can be in it at all. One pass, where each pattern would take one.

/// What a text has that numbers are made of. Says too much rather than too little.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// The most digits with nothing but spaces, signs of numbers and characters beyond ASCII between them.
    pub(super) digits: usize,
    /// Two digits behind two letters.
    pub(super) coded: bool,
    /// Three full stops between digits each, anywhere.
    pub(super) dotted: bool,
    /// Two colons with at most four hexadecimal digits between them.
    pub(super) colons: bool,
}

impl Look {
    pub(super) fn at(text: &str) -> Self {
        let mut look = Self::default();
        // How many digits and letters stand in a row before a byte, and how many full stops stood between digits.
        let (mut digits, mut row, mut letters, mut stops) = (0, 0, 0, 0);
        let mut before = [0_u8; 2];
        // How far behind a colon it is, where only hexadecimal digits stand between.
        let mut colon = usize::MAX;
        for byte in text.bytes() {
            colon = match byte {
                b':' => {
                    look.colons |= colon <= 4;
                    0
                }
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => colon.saturating_add(1),
                _ => usize::MAX,
            };
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    row += 1;
                    look.digits = look.digits.max(digits);
                    look.coded |= row >= 2 && letters >= 2;
                    let [first, last] = before;
                    stops += usize::from(last == b'.' && first.is_ascii_digit());
                }
                b' ' | b'.' | b'-' | b'/' | b'_' | b'(' | b')' | b'+' => (row, letters) = (0, 0),
                0x80.. => (row, letters) = (0, 2),
                _ => {
                    digits = 0;
                    letters = if !byte.is_ascii_alphabetic() {
                        0
                    } else if row > 0 {
                        1
                    } else {
                        letters + 1
                    };
                    row = 0;
                }
            }
            before = [before[1], byte];
        }
        look.dotted = stops >= 3;
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_each_kind_are_seen_and_prose_has_none() {
        let digits = |text: &str| Look::at(text).digits;
        assert_eq!((digits("call +49 (30) 90-18 20"), digits("| 1 | 279 | -9 |"), digits("4a2")), (10, 3, 1));
        assert!(Look::at("DE89").coded && Look::at("x12 ab34").coded && !Look::at("a12 b34, ab c12, ab3").coded);
        assert!(Look::at("10.0.0.1").dotted && !Look::at("10.0.0 and a.1").dotted);
        assert!(Look::at("::1").colons && Look::at("a:beef:1").colons && !Look::at("10:15; 12: 13:abcde:").colons);
    }

    proptest! {
        #[test]
        fn what_a_pattern_finds_was_seen(text in "(?:[0-9]{1,4}|[a-fxz]|[ ._/()+:\u{b7}\u{17f}-]|ab|DE){0,24}") {
            let look = Look::at(&text);
            let finds = |pattern: &super::super::Pattern| pattern.built().is_match(&text);
            prop_assert!(look.coded || !finds(&super::super::iban::IBAN));
            prop_assert!(look.dotted || !finds(&super::super::IPV4));
            prop_assert!(look.colons || !finds(&super::super::IPV6));
            for hit in super::super::phones::PHONE.built().find_iter(&text) {
                let number = hit.as_str().split('x').next().unwrap_or("");
                prop_assert!(look.digits >= number.bytes().filter(u8::is_ascii_digit).count());
            }
            prop_assert!(look.digits >= 12 || !finds(&super::super::cards::DIGITS) && !finds(&super::super::cards::GROUPED));
            prop_assert!(look.digits >= 9 || !finds(&super::super::SSN));
        }
    }
}
