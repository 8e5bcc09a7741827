//! A screen read into shapes: runs of text of one look, rectangles, lines, dots. What they are in pixels stands here,
//! what they are in SVG in `svg.rs`.

use super::glyphs::{arms, blocks, dots};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use vt100::{Cell, Color, Screen};

/// The width of a cell, in pixels. Whole numbers keep lines crisp.
pub(crate) const WIDE: u32 = 8;
/// Its height, in pixels.
pub(crate) const HIGH: u32 = 18;
/// From a cell's top to the text's base line, in pixels.
pub(crate) const BASE: u32 = 13;
/// The colours of a terminal.
pub(crate) struct Palette {
    /// Whether the title bar and border are to suit a dark picture.
    pub dark: bool,
    /// The background: what the program is told when it asks.
    pub background: Rgb,
    /// Text.
    pub text: Rgb,
    /// The sixteen colours: black, red, green, yellow, blue, magenta, cyan, white, and bright.
    pub sixteen: [Rgb; 16],
}

/// Red, green and blue.
pub(crate) type Rgb = (u8, u8, u8);

/// A look that text can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Look {
    pub color: Rgb,
    pub bold: bool,
    pub italic: bool,
    pub dim: bool,
}

/// Text of one look that is drawn at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub column: u16,
    /// In columns.
    pub width: u16,
    pub look: Look,
    pub text: String,
}

/// A rectangle, in pixels within the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rect {
    pub y: u32,
    pub x: u32,
    pub wide: u32,
    pub high: u32,
    /// How much it covers what is behind, in percent.
    pub cover: u8,
}

/// A straight line of pixels: (thickness, colour, whether it goes down, its middle across, from, to), in half pixels.
pub(crate) type Stroke = (u8, Rgb, bool, u32, u32, u32);

/// Everything on the screen, as shapes.
#[derive(Default)]
pub(crate) struct Shapes {
    pub backgrounds: BTreeMap<Rgb, Vec<Rect>>,
    pub runs: Vec<(u16, Run)>,
    pub fills: BTreeMap<Rgb, Vec<Rect>>,
    pub strokes: Vec<Stroke>,
    pub arcs: BTreeMap<Rgb, String>,
    pub dots: BTreeMap<Rgb, String>,
}

/// Reads the cells of a screen.
pub(crate) fn shapes(screen: &Screen, palette: &Palette) -> Shapes {
    let (rows, columns) = screen.size();
    let mut shapes = Shapes::default();
    for row in 0..rows {
        let mut line = Line { shapes: &mut shapes, row, run: None };
        for column in 0..columns {
            match screen.cell(row, column) {
                Some(cell) if !cell.is_wide_continuation() => line.cell(column, cell, palette),
                _ => {}
            }
        }
        line.end_run();
    }
    shapes
}

/// A row that is being read.
struct Line<'a> {
    shapes: &'a mut Shapes,
    row: u16,
    run: Option<Run>,
}

impl Line<'_> {
    fn cell(&mut self, column: u16, cell: &Cell, palette: &Palette) {
        let width = if cell.is_wide() { 2 } else { 1 };
        let (look, background) = looks(cell, palette);
        let (x, y) = (u32::from(column) * WIDE, u32::from(self.row) * HIGH);
        if background != palette.background {
            let rect = Rect { y, x, wide: u32::from(width) * WIDE, high: HIGH, cover: 100 };
            beside(self.shapes.backgrounds.entry(background).or_default(), rect);
        }
        let faded = if look.dim { mixed(background, look.color, 65) } else { look.color };
        if cell.underline() {
            let rect = Rect { y: y + BASE + 2, x, wide: u32::from(width) * WIDE, high: 1, cover: 100 };
            beside(self.shapes.fills.entry(faded).or_default(), rect);
        }
        let text = cell.contents();
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && self.shape(c, x, y, faded)
        {
            self.end_run();
            return;
        }
        if text.trim().is_empty() {
            // A single blank inside of a run stays in it; it is cut off again where nothing follows.
            match &mut self.run {
                Some(run) if run.look == look && !run.text.ends_with(' ') => {
                    run.text.push(' ');
                    run.width += 1;
                }
                _ => self.end_run(),
            }
            return;
        }
        // What may come from another font, with another width, is put to its place by itself.
        let common = is_common(text);
        match &mut self.run {
            Some(run) if common && run.look == look && is_common(&run.text) => {
                run.text.push_str(text);
                run.width += width;
            }
            _ => {
                self.end_run();
                self.run = Some(Run { column, width, look, text: text.to_owned() });
            }
        }
    }

    fn end_run(&mut self) {
        if let Some(mut run) = self.run.take() {
            if run.text.ends_with(' ') {
                run.text.pop();
                run.width -= 1;
            }
            self.shapes.runs.push((self.row, run));
        }
    }

    /// Draws a character that is a shape; whether it is one.
    fn shape(&mut self, c: char, x: u32, y: u32, color: Rgb) -> bool {
        if let Some(arms) = arms(c) {
            let (middle, center) = (x + WIDE / 2, y + HIGH / 2);
            if arms.round {
                // From the middle of one side to the middle of the other, around the corner.
                let [left, _, up, _] = arms.arms.map(|arm| arm > 0);
                let (from, to) = (if left { x } else { x + WIDE }, if up { y } else { y + HIGH });
                let d = format!("M{from} {center}.5Q{middle}.5 {center}.5 {middle}.5 {to}");
                self.shapes.arcs.entry(color).or_default().push_str(&d);
                return true;
            }
            // Strokes are counted in half pixels: the middle of a line one pixel thick lies between two.
            let (down, across) = (2 * middle + 1, 2 * center + 1);
            let ends = [
                (false, across, 2 * x, down),
                (false, across, down, 2 * (x + WIDE)),
                (true, down, 2 * y, across),
                (true, down, across, 2 * (y + HIGH)),
            ];
            for (thick, (vertical, at, from, to)) in arms.arms.into_iter().zip(ends) {
                if thick > 0 {
                    self.shapes.strokes.push((thick, color, vertical, at, from, to));
                }
            }
            return true;
        }
        if let Some(dots) = dots(c) {
            let d = self.shapes.dots.entry(color).or_default();
            for (column, row) in dots {
                // Four columns and rows of points to two cells, evenly.
                let (x, y) = (x + 2 + 4 * u32::from(column), 4 * y + 9 + 18 * u32::from(row));
                let _ = write!(d, "M{x} {}h0", quarters(y));
            }
            return true;
        }
        let blocks = blocks(c);
        for block in &blocks {
            let (from, to) = (u32::from(block.y.0) * HIGH / 8, u32::from(block.y.1) * HIGH / 8);
            let wide = u32::from(block.x.1 - block.x.0) * WIDE / 8;
            let x = x + u32::from(block.x.0) * WIDE / 8;
            let rect = Rect { y: y + from, x, wide, high: to - from, cover: block.cover };
            beside(self.shapes.fills.entry(color).or_default(), rect);
        }
        !blocks.is_empty()
    }
}

/// A quarter of this, as short as can be.
pub(crate) fn quarters(number: u32) -> String {
    format!("{}{}", number / 4, ["", ".25", ".5", ".75"][number as usize % 4])
}

/// Adds a rectangle; one that goes on where the last one ends makes that one longer.
fn beside(rects: &mut Vec<Rect>, new: Rect) {
    match rects.last_mut() {
        Some(last) if (last.y, last.high, last.cover, last.x + last.wide) == (new.y, new.high, new.cover, new.x) => {
            last.wide += new.wide;
        }
        _ => rects.push(new),
    }
}

/// How a cell's text looks, and the colour behind it.
fn looks(cell: &Cell, palette: &Palette) -> (Look, Rgb) {
    let color = |color: Color, default: Rgb| match color {
        Color::Default => default,
        Color::Idx(index) => indexed(palette, index),
        Color::Rgb(r, g, b) => (r, g, b),
    };
    let (text, behind) = (color(cell.fgcolor(), palette.text), color(cell.bgcolor(), palette.background));
    let (text, behind) = if cell.inverse() { (behind, text) } else { (text, behind) };
    (Look { color: text, bold: cell.bold(), italic: cell.italic(), dim: cell.dim() }, behind)
}

/// One of the 256 colours: the palette's sixteen, a cube of six steps a side, and greys, as xterm has them.
fn indexed(palette: &Palette, index: u8) -> Rgb {
    let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match index {
        0..16 => palette.sixteen[usize::from(index)],
        16..232 => {
            let n = index - 16;
            (step(n / 36), step(n / 6 % 6), step(n % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

/// So many percent of one colour over another.
pub(crate) fn mixed(below: Rgb, over: Rgb, percent: u32) -> Rgb {
    let one = |a: u8, b: u8| {
        let sum = (u32::from(a) * (100 - percent) + u32::from(b) * percent + 50) / 100;
        u8::try_from(sum).unwrap_or(u8::MAX)
    };
    (one(below.0, over.0), one(below.1, over.1), one(below.2, over.2))
}

/// Whether every monospace font has these letters, in one width: ASCII and Latin-1.
pub(crate) fn is_common(text: &str) -> bool {
    text.chars().all(|c| c < '\u{100}')
}

#[cfg(test)]
mod tests {
    use super::super::scenes::DARK;
    use super::*;

    /// The runs of text on a screen of 20 columns after a program wrote this.
    fn runs(bytes: &str) -> Vec<(u16, String)> {
        let mut parser = vt100::Parser::new(4, 20, 0);
        parser.process(bytes.as_bytes());
        shapes(parser.screen(), &DARK).runs.into_iter().map(|(_, run)| (run.column, run.text)).collect()
    }

    fn run(column: u16, text: &str) -> (u16, String) {
        (column, text.to_owned())
    }

    #[test]
    fn text_of_one_look_is_one_run_and_wide_gaps_end_it() {
        assert_eq!(runs("one two   three"), [run(0, "one two"), run(10, "three")]);
        assert_eq!(runs("a\x1b[1mb\x1b[0mc "), [run(0, "a"), run(1, "b"), run(2, "c")]);
        assert_eq!(runs(" x "), [run(1, "x")]);
    }

    #[test]
    fn what_other_fonts_may_draw_wider_is_put_to_its_place_by_itself() {
        assert_eq!(runs("ok ✓ é· fine"), [run(0, "ok"), run(3, "✓"), run(5, "é· fine")]);
        assert_eq!(runs("a漢字b"), [run(0, "a"), run(1, "漢"), run(3, "字"), run(5, "b")]);
    }

    #[test]
    fn colours_are_the_palette_the_cube_and_the_greys() {
        assert_eq!(indexed(&DARK, 1), DARK.sixteen[1]);
        assert_eq!(indexed(&DARK, 16), (0, 0, 0));
        assert_eq!(indexed(&DARK, 231), (255, 255, 255));
        assert_eq!(indexed(&DARK, 208), (255, 135, 0));
        assert_eq!(indexed(&DARK, 244), (128, 128, 128));
    }
}
