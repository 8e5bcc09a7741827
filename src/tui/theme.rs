//! Themes: what each role on the screen looks like. A theme is a TOML file; it may inherit from another. A broken one is
//! a finding for the problems pane, never a crash: what cannot be read falls back to the theme it inherits from.

use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// The themes that come with the program.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("themes/dark.toml")),
    ("light", include_str!("themes/light.toml")),
    ("ansi16", include_str!("themes/ansi16.toml")),
    ("mono", include_str!("themes/mono.toml")),
];
/// The longest chain of themes that inherit from each other.
const MOST_PARENTS: usize = 8;

macro_rules! roles {
    ($($name:ident),* $(,)?) => {
        /// The look of every role.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        #[allow(missing_docs, reason = "the roles say what they are")]
        pub struct Theme {
            /// Its name.
            pub name: String,
            $(pub $name: Style,)*
        }

        impl Theme {
            fn role(&mut self, name: &str) -> Option<&mut Style> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            /// The names of the roles.
            #[cfg(test)]
            pub const ROLES: &[&str] = &[$(stringify!($name)),*];
        }
    };
}

roles!(
    text,
    dim,
    border,
    focus,
    title,
    accent,
    good,
    bad,
    warn,
    info,
    selected,
    row,
    gutter,
    key,
    added,
    removed,
    yaml_key,
    yaml_string,
    yaml_comment,
    chart_a,
    chart_b,
    chart_c,
    popup,
    found,
    under_bad,
    under_warn,
);

/// A theme, and what is wrong with the files it was read from.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// The theme, whole in any case.
    pub theme: Theme,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

/// The user's themes: their texts by their names.
pub type Files = BTreeMap<String, String>;

/// The largest theme that is read, in bytes, and the most of them.
const MAX_FILE: u64 = 1 << 18;
const MOST_FILES: usize = 100;

/// The themes in a folder, one a file. What is no theme is no reason to stop: whoever wants it is told that it is not there.
pub fn files(folder: &Path) -> Files {
    let mut all = Files::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_FILES) {
        let path = entry.path();
        let name = path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        let fits = path.extension().is_some_and(|ending| ending == "toml")
            && path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_FILE);
        if let (Some(name), true) = (name, fits)
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            all.insert(name, text);
        }
    }
    all
}

/// Makes a theme by its name: one of the user's, else one that comes with the program.
pub fn read(name: &str, files: &Files) -> Read {
    let mut problems = Vec::new();
    let mut chain: Vec<(String, Table)> = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next.take() {
        if chain.len() >= MOST_PARENTS || chain.iter().any(|(known, _)| *known == name) {
            problems.push(format!("theme `{name}` inherits from itself, or through too many others: `dark` ends it"));
            break;
        }
        let Some(text) = text_of(&name, files) else {
            problems.push(format!("there is no theme `{name}`: dark, light, ansi16, mono, or a file in themes/"));
            break;
        };
        match text.parse::<Table>() {
            Ok(table) => {
                next = table.get("inherits").and_then(Value::as_str).map(str::to_owned);
                chain.push((name, table));
            }
            Err(error) => problems.push(format!("theme `{name}`: {}", one_line(&error.to_string()))),
        }
    }
    if !chain.iter().any(|(name, _)| name == "dark") {
        let dark = BUILT_IN[0].1.parse::<Table>().unwrap_or_default();
        chain.push(("dark".into(), dark));
    }
    chain.reverse();
    let theme = resolve(name, &chain, &mut problems);
    Read { theme, problems }
}

fn text_of<'a>(name: &str, files: &'a Files) -> Option<&'a str> {
    let of_user = files.get(name).map(String::as_str);
    of_user.or_else(|| BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
}

/// From the oldest parent to the theme itself: later palettes and styles replace earlier ones, name by name.
fn resolve(name: &str, chain: &[(String, Table)], problems: &mut Vec<String>) -> Theme {
    let mut palette: BTreeMap<&str, Color> = BTreeMap::new();
    for (of, table) in chain {
        for (key, value) in table.get("palette").and_then(Value::as_table).into_iter().flatten() {
            match value.as_str().and_then(|text| text.parse().ok()) {
                Some(color) => drop(palette.insert(key, color)),
                None => problems.push(format!("theme `{of}`: palette.{key} is no colour: write it like \"#7cb7ff\"")),
            }
        }
    }
    let mut theme = Theme { name: name.to_owned(), ..Theme::default() };
    for (of, table) in chain {
        for (role, value) in table.get("styles").and_then(Value::as_table).into_iter().flatten() {
            let style = style(value, &palette, |what| problems.push(format!("theme `{of}`: styles.{role}: {what}")));
            match theme.role(role) {
                Some(place) => *place = style,
                None => problems.push(format!("theme `{of}`: there is no role `{role}`")),
            }
        }
    }
    theme
}

fn style(value: &Value, palette: &BTreeMap<&str, Color>, mut problem: impl FnMut(String)) -> Style {
    let mut style = Style::new();
    let Some(table) = value.as_table() else {
        problem("write it like { fg = \"blue\", bold = true }".into());
        return style;
    };
    for (key, value) in table {
        let modifier = match key.as_str() {
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underlined" => Modifier::UNDERLINED,
            "reversed" => Modifier::REVERSED,
            "fg" | "bg" => {
                let name = value.as_str().unwrap_or_default();
                match palette.get(name).copied().or_else(|| name.parse().ok()) {
                    // The terminal's own colour is the absence of one.
                    Some(Color::Reset) => {}
                    Some(color) if key == "fg" => style = style.fg(color),
                    Some(color) => style = style.bg(color),
                    None => problem(format!("`{name}` is no colour and not in the palette")),
                }
                continue;
            }
            other => {
                problem(format!("`{other}` is not fg, bg, bold, dim, italic, underlined or reversed"));
                continue;
            }
        };
        if value.as_bool() == Some(true) {
            style = style.add_modifier(modifier);
        }
    }
    style
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the terminal can show, from its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// No colours are wanted.
    None,
    /// The sixteen of the terminal.
    Sixteen,
    /// 24 bits.
    True,
}

impl Depth {
    /// As `NO_COLOR`, `COLORTERM` and `TERM` have it.
    pub fn of(get: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb" || term.starts_with("vt")) {
            return Self::None;
        }
        let full = set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
        let direct = set("TERM").is_some_and(|term| term.ends_with("-direct"));
        if full || direct { Self::True } else { Self::Sixteen }
    }

    /// The theme for it where nobody chose one.
    pub const fn theme(self, dark: bool) -> &'static str {
        match (self, dark) {
            (Self::None, _) => "mono",
            (Self::Sixteen, _) => "ansi16",
            (Self::True, true) => "dark",
            (Self::True, false) => "light",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_themes_that_come_along_are_whole_and_sound() {
        for (name, _) in BUILT_IN {
            assert_eq!(read(name, &Files::new()).problems, Vec::<String>::new(), "{name}");
        }
        let dark = BUILT_IN[0].1.parse::<Table>().unwrap();
        for role in Theme::ROLES {
            assert!(dark["styles"].get(role).is_some(), "dark lacks {role}");
        }
    }

    #[test]
    fn mono_has_no_colour_at_all() {
        let mut theme = read("mono", &Files::new()).theme;
        for role in Theme::ROLES {
            let style = *theme.role(role).unwrap();
            assert_eq!((style.fg, style.bg), (None, None), "{role}");
        }
    }

    #[test]
    fn a_broken_theme_is_said_and_the_rest_of_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "odd.toml",
            "inherits = \"light\"\n[styles]\nbad = { fg = \"nonsense\" }\ngood = { bold = true }\nx = {}\n",
        );
        let odd = read("odd", &files(folder.path()));
        assert_eq!(odd.problems.len(), 2, "{:?}", odd.problems);
        assert_eq!(odd.theme.good, Style::new().add_modifier(Modifier::BOLD));
        assert_eq!(odd.theme.accent, read("light", &Files::new()).theme.accent);
        write("torn.toml", "[styles");
        assert_eq!(read("torn", &files(folder.path())).theme.accent, read("dark", &Files::new()).theme.accent);
        write("loop.toml", "inherits = \"loop\"");
        for name in ["loop", "none", "../x"] {
            assert_eq!(read(name, &files(folder.path())).problems.len(), 1, "{name}");
        }
    }

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        let of = |all: &[(&str, &str)]| {
            Depth::of(|name| all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), Depth::None);
        assert_eq!(of(&[("COLORTERM", "truecolor"), ("TERM", "xterm")]), Depth::True);
        assert_eq!(of(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Sixteen);
    }
}
