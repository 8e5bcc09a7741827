//! A screen as an SVG that looks the same everywhere: text in runs of one look, each put to its column and held to its
//! width, whatever the font; lines, blocks and dots as shapes. No font, script or file is fetched.
//!
//! What it cannot show, as `vt100` does not keep it: blinking, struck-out text, the colours and forms of underlines.

use super::shapes::{BASE, HIGH, Look, Palette, Rect, Rgb, Shapes, Stroke, WIDE, is_common, mixed, quarters, shapes};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use vt100::Screen;

/// Around the screen, in pixels; above it, the window's title bar.
const PAD: u32 = 14;
const BAR: u32 = 34;

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

    #[test]
    fn wide_letters_are_held_to_two_columns() {
        let svg = drawn("a漢b");
        assert!(svg.contains("<text x=\"8\" y=\"13\" textLength=\"16\" lengthAdjust=\"spacingAndGlyphs\">漢</text>"));
        assert!(svg.contains("<text x=\"24\" y=\"13\">b</text>"));
    }

    #[test]
    fn colours_are_written_as_short_as_can_be() {
        assert_eq!(hex((255, 0, 17)), "#f01");
        assert_eq!(hex((255, 0, 18)), "#ff0012");
    }
}
