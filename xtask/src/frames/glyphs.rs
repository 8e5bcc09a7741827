//! Characters that are lines rather than letters: box drawing, blocks and braille patterns. Fonts draw them with gaps
//! or in other widths, so the picture draws them itself. What is not known here is left to the font.

/// The arms of a box-drawing character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Arms {
    /// How thick each is, in pixels; zero is none. Left, right, up, down.
    pub arms: [u8; 4],
    /// Whether the corner is round.
    pub round: bool,
}

/// The characters and their arms: left, right, up, down; 1 is light, 2 heavy. Dashes are drawn as whole lines.
const BOXES: &[(&str, &str)] = &[
    ("─┄┈╌", "1100"),
    ("━┅┉╍", "2200"),
    ("│┆┊╎", "0011"),
    ("┃┇┋╏", "0022"),
    ("┌╭", "0101"),
    ("┐╮", "1001"),
    ("└╰", "0110"),
    ("┘╯", "1010"),
    ("├", "0111"),
    ("┤", "1011"),
    ("┬", "1101"),
    ("┴", "1110"),
    ("┼", "1111"),
    ("┏", "0202"),
    ("┓", "2002"),
    ("┗", "0220"),
    ("┛", "2020"),
    ("┣", "0222"),
    ("┫", "2022"),
    ("┳", "2202"),
    ("┻", "2220"),
    ("╋", "2222"),
    ("╴", "1000"),
    ("╵", "0010"),
    ("╶", "0100"),
    ("╷", "0001"),
    ("╸", "2000"),
    ("╹", "0020"),
    ("╺", "0200"),
    ("╻", "0002"),
];

/// The arms of a box-drawing character, if it is one.
pub(crate) fn arms(c: char) -> Option<Arms> {
    let (_, digits) = BOXES.iter().find(|(all, _)| all.contains(c))?;
    let mut arms = [0; 4];
    for (arm, digit) in arms.iter_mut().zip(digits.bytes()) {
        *arm = digit - b'0';
    }
    Some(Arms { arms, round: matches!(c, '╭' | '╮' | '╰' | '╯') })
}

/// A part of a cell, in eighths of its width and height, and how much of what is behind shows through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// The left and the right edge.
    pub x: (u8, u8),
    /// The upper and the lower edge.
    pub y: (u8, u8),
    /// How much it covers, in percent.
    pub cover: u8,
}

/// The parts of a cell that a block element fills; empty for other characters.
pub(crate) fn blocks(c: char) -> Vec<Block> {
    let one = |x: (u8, u8), y: (u8, u8)| vec![Block { x, y, cover: 100 }];
    let number = u8::try_from(u32::from(c).wrapping_sub(0x2580)).unwrap_or(u8::MAX);
    match c {
        '▀' => one((0, 8), (0, 4)),
        // One to eight eighths from below.
        '▁'..='█' => one((0, 8), (8 - number, 8)),
        // Seven to one eighths from the left.
        '▉'..='▏' => one((0, 16 - number), (0, 8)),
        '▐' => one((4, 8), (0, 8)),
        '░' | '▒' | '▓' => vec![Block { x: (0, 8), y: (0, 8), cover: 25 * (number - 0x10) }],
        '▔' => one((0, 8), (0, 1)),
        '▕' => one((7, 8), (0, 8)),
        '▖'..='▟' => {
            // Upper left, upper right, lower left, lower right, in the order of the characters.
            let all = ["0010", "0001", "1000", "1011", "1001", "1110", "1101", "0100", "0110", "0111"];
            let quarters = all.get(usize::from(number - 0x16)).copied().unwrap_or_default();
            let places = [((0, 4), (0, 4)), ((4, 8), (0, 4)), ((0, 4), (4, 8)), ((4, 8), (4, 8))];
            let full = places.into_iter().zip(quarters.bytes()).filter(|(_, is)| *is == b'1');
            full.map(|((x, y), _)| Block { x, y, cover: 100 }).collect()
        }
        _ => Vec::new(),
    }
}

/// The dots of a braille pattern: columns 0 and 1, rows 0 to 3. None for other characters.
pub(crate) fn dots(c: char) -> Option<Vec<(u8, u8)>> {
    // The order in which Unicode numbers the dots.
    const PLACES: [(u8, u8); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    let bits = u8::try_from(u32::from(c).checked_sub(0x2800)?).ok()?;
    Some(PLACES.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, place)| place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_have_the_arms_that_one_sees() {
        assert_eq!(arms('┌').unwrap().arms, [0, 1, 0, 1]);
        assert_eq!(arms('╋').unwrap().arms, [2, 2, 2, 2]);
        assert!(arms('╯').unwrap().round && !arms('┘').unwrap().round);
        assert_eq!(arms('a'), None);
    }

    #[test]
    fn blocks_fill_the_part_that_one_sees() {
        let one = |x, y| vec![Block { x, y, cover: 100 }];
        assert_eq!(blocks('█'), one((0, 8), (0, 8)));
        assert_eq!(blocks('▂'), one((0, 8), (6, 8)));
        assert_eq!(blocks('▌'), one((0, 4), (0, 8)));
        assert_eq!(blocks('▏'), one((0, 1), (0, 8)));
        assert_eq!(blocks('░'), vec![Block { x: (0, 8), y: (0, 8), cover: 25 }]);
        assert_eq!(blocks('▝'), one((4, 8), (0, 4)));
        assert_eq!(blocks('x'), vec![]);
    }

    #[test]
    fn braille_dots_stand_where_unicode_puts_them() {
        assert_eq!(dots('⡀'), Some(vec![(0, 3)]));
        assert_eq!(dots('⠑'), Some(vec![(0, 0), (1, 1)]));
        assert_eq!(dots('⣿').map(|all| all.len()), Some(8));
        assert_eq!(dots('a'), None);
    }
}
