//! A screen as an SVG that looks the same everywhere: text in runs of one look, each put to its column and held to its
//! width, whatever the font; lines, blocks and dots as shapes. No font, script or file is fetched.
//!
//! What it cannot show, as `vt100` does not keep it: blinking, struck-out text, the colours and forms of underlines.

use super::glyphs::{arms, blocks, dots};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use vt100::{Cell, Color, Screen};

/// A cell, in pixels. Whole numbers keep lines crisp.
const WIDE: u32 = 8;
const HIGH: u32 = 18;
/// From a cell's top to the text's base line, in pixels.
const BASE: u32 = 13;
/// Around the screen, in pixels; above it, the window's title bar.
const PAD: u32 = 14;
const BAR: u32 = 34;

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
struct Look {
    color: Rgb,
    bold: bool,
    italic: bool,
    dim: bool,
}

/// Text of one look that is drawn at once.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    column: u16,
    /// In columns.
    width: u16,
    look: Look,
    text: String,
}

/// A rectangle, in pixels within the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rect {
    y: u32,
    x: u32,
    wide: u32,
    high: u32,
    /// How much it covers what is behind, in percent.
    cover: u8,
}

/// A straight line of pixels: (thickness, colour, whether it goes down, its middle across, from, to), in half pixels.
type Stroke = (u8, Rgb, bool, u32, u32, u32);

/// Everything on the screen, as shapes.
#[derive(Default)]
struct Shapes {
    backgrounds: BTreeMap<Rgb, Vec<Rect>>,
    runs: Vec<(u16, Run)>,
    fills: BTreeMap<Rgb, Vec<Rect>>,
    strokes: Vec<Stroke>,
    arcs: BTreeMap<Rgb, String>,
    dots: BTreeMap<Rgb, String>,
}

/// Writes the picture of a screen: `title` says what is to be seen, `window` stands in the title bar. The text of the
/// screen goes along as metadata, for whoever compares pictures.
pub(crate) fn picture(screen: &Screen, palette: &Palette, title: &str, window: &str) -> String {
    let (rows, columns) = screen.size();
    let (wide, high) = (u32::from(columns) * WIDE + 2 * PAD, u32::from(rows) * HIGH + BAR + PAD);
    let shapes = shapes(screen, palette);
    let classes = classes(&shapes);
    let mut svg = String::new();
    head(&mut svg, (wide, high), palette, title, window, &classes);
    let _ = writeln!(svg, "<g transform=\"translate({PAD} {BAR})\">");
    draw(&mut svg, &shapes, palette, &classes);
    if !screen.hide_cursor() {
        let (row, column) = screen.cursor_position();
        let (x, y) = (u32::from(column) * WIDE, u32::from(row) * HIGH);
        let _ = writeln!(svg, "<path fill=\"{}\" d=\"M{x} {y}h2v{HIGH}h-2z\"/>", hex(palette.text));
    }
    svg.push_str("</g>\n<metadata>\n");
    for row in screen.rows(0, columns) {
        let _ = writeln!(svg, "{}", escaped(row.trim_end()));
    }
    svg.push_str("</metadata>\n</svg>\n");
    svg
}

/// The window around the screen, and what the classes mean.
fn head(
    svg: &mut String,
    (wide, high): (u32, u32),
    palette: &Palette,
    title: &str,
    window: &str,
    classes: &BTreeMap<Look, String>,
) {
    let (title, window) = (escaped(title), escaped(window));
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" \
         role=\"img\">\n<title>{title}</title>\n<style>"
    );
    let _ = writeln!(
        svg,
        "text{{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;\
         font-variant-ligatures:none;white-space:pre;fill:{}}}",
        hex(palette.text)
    );
    for (look, class) in classes {
        let _ = write!(svg, "text.{class}{{fill:{}", hex(look.color));
        for (has, rule) in
            [(look.bold, ";font-weight:bold"), (look.italic, ";font-style:italic"), (look.dim, ";opacity:.65")]
        {
            svg.push_str(if has { rule } else { "" });
        }
        svg.push_str("}\n");
    }
    let blend = |share: u32| hex(mixed(palette.background, palette.text, share));
    // What belongs to the window keeps its distance: shades between background and text.
    let (line, knob) = if palette.dark { (blend(20), blend(25)) } else { (blend(22), blend(22)) };
    let _ = writeln!(svg, ".window{{font:12px system-ui,sans-serif;fill:{}}}\n</style>", blend(55));
    let _ = writeln!(
        svg,
        "<rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"9\" fill=\"{}\" stroke=\"{line}\"/>",
        wide - 1,
        high - 1,
        hex(palette.background)
    );
    let _ = writeln!(
        svg,
        "<g fill=\"{knob}\"><circle cx=\"20\" cy=\"17\" r=\"5\"/><circle cx=\"38\" cy=\"17\" r=\"5\"/><circle cx=\"56\" cy=\"17\" r=\"5\"/></g>"
    );
    let _ = writeln!(svg, "<text class=\"window\" x=\"{}\" y=\"21\" text-anchor=\"middle\">{window}</text>", wide / 2);
}

/// Each look but that of plain text gets a short class.
fn classes(shapes: &Shapes) -> BTreeMap<Look, String> {
    let mut all: Vec<Look> = shapes.runs.iter().map(|(_, run)| run.look).collect();
    all.sort_unstable();
    all.dedup();
    let names = (0..).map(|number: u32| match u8::try_from(number) {
        Ok(small @ 0..26) => char::from(b'a' + small).to_string(),
        _ => format!("c{number}"),
    });
    all.into_iter().zip(names).collect()
}

fn draw(svg: &mut String, shapes: &Shapes, palette: &Palette, classes: &BTreeMap<Look, String>) {
    svg.push_str("<g shape-rendering=\"crispEdges\">\n");
    for (color, rects) in &shapes.backgrounds {
        draw_rects(svg, *color, stacked(rects));
    }
    for (color, rects) in &shapes.fills {
        draw_rects(svg, *color, stacked(rects));
    }
    svg.push_str("</g>\n");
    // Not on crisp edges: at a scale of one they are crisp anyway, and at others all equally thick.
    for ((thick, color), d) in lines(&shapes.strokes) {
        let _ = writeln!(svg, "<path stroke=\"{}\" stroke-width=\"{thick}\" d=\"{d}\"/>", hex(color));
    }
    for (color, d) in &shapes.arcs {
        let _ = writeln!(svg, "<path fill=\"none\" stroke=\"{}\" d=\"{d}\"/>", hex(*color));
    }
    for (color, d) in &shapes.dots {
        let _ =
            writeln!(svg, "<path stroke=\"{}\" stroke-width=\"1.9\" stroke-linecap=\"round\" d=\"{d}\"/>", hex(*color));
    }
    let plain = Look { color: palette.text, bold: false, italic: false, dim: false };
    for (row, run) in &shapes.runs {
        let (x, y) = (u32::from(run.column) * WIDE, u32::from(*row) * HIGH + BASE);
        let class = match classes.get(&run.look) {
            Some(class) if run.look != plain => format!(" class=\"{class}\""),
            _ => String::new(),
        };
        // A single letter cannot drift; a single sign of another font may be too wide for its place.
        let held = match (run.width, is_common(&run.text)) {
            (1, true) => String::new(),
            (width, true) => format!(" textLength=\"{}\"", u32::from(width) * WIDE),
            (width, false) => {
                format!(" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", u32::from(width) * WIDE)
            }
        };
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\"{class}{held}>{}</text>", escaped(&run.text));
    }
}

fn draw_rects(svg: &mut String, color: Rgb, rects: Vec<Rect>) {
    let mut by_cover: BTreeMap<u8, String> = BTreeMap::new();
    for Rect { x, y, wide, high, cover } in rects {
        let _ = write!(by_cover.entry(cover).or_default(), "M{x} {y}h{wide}v{high}h-{wide}z");
    }
    for (cover, d) in by_cover {
        let through = if cover < 100 { format!(" fill-opacity=\".{cover:02}\"") } else { String::new() };
        let _ = writeln!(svg, "<path fill=\"{}\"{through} d=\"{d}\"/>", hex(color));
    }
}

/// Reads the cells of a screen.
fn shapes(screen: &Screen, palette: &Palette) -> Shapes {
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
fn quarters(number: u32) -> String {
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

/// Rectangles that lie exactly below others make these higher.
fn stacked(rects: &[Rect]) -> Vec<Rect> {
    let mut all: Vec<Rect> = Vec::new();
    for new in rects {
        let above =
            |one: &&mut Rect| (one.x, one.wide, one.cover, one.y + one.high) == (new.x, new.wide, new.cover, new.y);
        match all.iter_mut().find(above) {
            Some(one) => one.high += new.high,
            None => all.push(*new),
        }
    }
    all
}

/// Strokes joined to lines, as the paths of each thickness and colour.
fn lines(strokes: &[Stroke]) -> BTreeMap<(u8, Rgb), String> {
    let mut sorted = strokes.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<Stroke> = Vec::new();
    for new in sorted {
        match joined.last_mut() {
            Some(last) if (last.0, last.1, last.2, last.3, last.5) == (new.0, new.1, new.2, new.3, new.4) => {
                last.5 = new.5;
            }
            _ => joined.push(new),
        }
    }
    let mut paths: BTreeMap<(u8, Rgb), String> = BTreeMap::new();
    for (thick, color, vertical, at, from, to) in joined {
        // A corner is whole only if its lines reach over the middle: half a pixel, as thick lines are no rounder.
        let (from, to) = (from - from % 2, to + to % 2);
        let path = paths.entry((thick, color)).or_default();
        let (at, from, long) = (quarters(2 * at), quarters(2 * from), quarters(2 * (to - from)));
        let _ = if vertical { write!(path, "M{at} {from}v{long}") } else { write!(path, "M{from} {at}h{long}") };
    }
    paths
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
fn mixed(below: Rgb, over: Rgb, percent: u32) -> Rgb {
    let one = |a: u8, b: u8| {
        let sum = (u32::from(a) * (100 - percent) + u32::from(b) * percent + 50) / 100;
        u8::try_from(sum).unwrap_or(u8::MAX)
    };
    (one(below.0, over.0), one(below.1, over.1), one(below.2, over.2))
}

/// Whether every monospace font has these letters, in one width: ASCII and Latin-1.
fn is_common(text: &str) -> bool {
    text.chars().all(|c| c < '\u{100}')
}

/// A colour as `#rrggbb`, or `#rgb` where that says the same.
fn hex((r, g, b): Rgb) -> String {
    if [r, g, b].iter().all(|part| part >> 4 == part & 15) {
        format!("#{:x}{:x}{:x}", r & 15, g & 15, b & 15)
    } else {
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

/// Text as XML has to have it. Control characters cannot be in XML at all.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::scenes::{DARK, LIGHT};
    use super::*;

    /// The picture of what a program wrote on a screen of 20 columns and 4 rows, with the cursor hidden.
    fn drawn(bytes: &str) -> String {
        let mut parser = vt100::Parser::new(4, 20, 0);
        parser.process(b"\x1b[?25l");
        parser.process(bytes.as_bytes());
        picture(parser.screen(), &DARK, "title", "window")
    }

    /// The runs of text in it, without their attributes but the asked-for ones.
    fn runs(bytes: &str) -> Vec<(u16, String)> {
        let mut parser = vt100::Parser::new(4, 20, 0);
        parser.process(bytes.as_bytes());
        let shapes = shapes(parser.screen(), &DARK);
        shapes.runs.into_iter().map(|(_, run)| (run.column, run.text)).collect()
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
        let svg = drawn("a漢b");
        assert!(svg.contains("<text x=\"8\" y=\"13\" textLength=\"16\" lengthAdjust=\"spacingAndGlyphs\">漢</text>"));
        assert!(svg.contains("<text x=\"24\" y=\"13\">b</text>"));
    }

    #[test]
    fn a_run_is_held_to_its_width() {
        assert!(drawn("\r\n abc").contains("<text x=\"8\" y=\"31\" textLength=\"24\">abc</text>"));
    }

    #[test]
    fn looks_become_classes() {
        let svg = drawn("\x1b[1;3;38;2;255;0;0mx\x1b[0;2my\x1b[0mz");
        assert!(svg.contains("{fill:#f00;font-weight:bold;font-style:italic}"), "{svg}");
        assert!(svg.contains(";opacity:.65}"));
        assert!(svg.contains("<text x=\"16\" y=\"13\">z</text>"), "plain text has no class");
    }

    #[test]
    fn inverse_changes_places_and_underlines_are_lines() {
        let svg = drawn("\x1b[7mxx\x1b[0m \x1b[4mu v\x1b[0m");
        assert!(svg.contains(&format!("<path fill=\"{}\" d=\"M0 0h16v18h-16z\"/>", hex(DARK.text))), "{svg}");
        assert!(svg.contains(&format!("{{fill:{}}}", hex(DARK.background))));
        assert!(svg.contains("M24 15h24v1h-24z"), "one line below the blank, too");
    }

    #[test]
    fn colours_are_the_palette_the_cube_and_the_greys() {
        assert_eq!(indexed(&DARK, 1), DARK.sixteen[1]);
        assert_eq!(indexed(&DARK, 16), (0, 0, 0));
        assert_eq!(indexed(&DARK, 231), (255, 255, 255));
        assert_eq!(indexed(&DARK, 208), (255, 135, 0));
        assert_eq!(indexed(&DARK, 244), (128, 128, 128));
        assert_eq!(hex((255, 0, 17)), "#f01");
        assert_eq!(hex((255, 0, 18)), "#ff0012");
    }

    #[test]
    fn backgrounds_are_merged_along_and_down() {
        let svg = drawn("\x1b[41m   \r\n   \x1b[0m");
        assert!(svg.contains("d=\"M0 0h24v36h-24z\""), "{svg}");
    }

    #[test]
    fn boxes_are_lines_that_go_through_and_meet() {
        let svg = drawn("┌──┐\r\n│  │\r\n└──┘");
        let path = svg.lines().find(|line| line.contains("stroke-width=\"1\"")).unwrap();
        assert!(path.contains("M4 9.5h25") && path.contains("M4 45.5h25"), "{path}");
        assert!(path.contains("M4.5 9v37") && path.contains("M28.5 9v37"), "{path}");
        assert_eq!(path.matches('M').count(), 4);
        assert!(!svg.contains("<text x"), "nothing is left to the font");
    }

    #[test]
    fn blocks_and_dots_are_shapes() {
        let svg = drawn("██▄⠁");
        assert!(svg.contains("M0 0h16v18h-16z") && svg.contains("M16 9h8v9h-8z"), "{svg}");
        assert!(svg.contains("d=\"M26 2.25h0\""));
    }

    #[test]
    fn text_cannot_break_out_of_its_element() {
        let svg = drawn("</text><a&b>");
        assert!(svg.contains(">&lt;/text&gt;&lt;a&amp;b&gt;</text>"));
        let mut parser = vt100::Parser::new(1, 5, 0);
        parser.process(b"x");
        let svg = picture(parser.screen(), &LIGHT, "a < b & c", "<w>");
        assert!(svg.contains("<title>a &lt; b &amp; c</title>") && svg.contains(">&lt;w&gt;</text>"));
        assert!(svg.contains("h2v18h-2z"), "the cursor is shown where it is not hidden");
    }
}
