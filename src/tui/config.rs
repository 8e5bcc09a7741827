//! The user's configuration: `config.toml` in the platform's folder for it, with `theme`, `mouse` and `keys`. What is wrong
//! with it is shown among the problems; the rest of it holds.

use crate::tui::keymap::Keymap;
use crate::tui::theme::{self, Depth};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What the user wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The theme, where one is chosen: then the terminal's background does not matter.
    pub theme: Option<String>,
    /// The keys.
    pub keymap: Keymap,
    /// Whether clicks and the wheel are for the workbench; else the terminal has them.
    pub mouse: bool,
    /// The user's themes.
    pub themes: theme::Files,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// Whether nothing of it could be understood.
    pub broken: bool,
}

impl Default for Config {
    fn default() -> Self {
        let (keymap, themes) = (Keymap::default(), theme::Files::new());
        Self { theme: None, keymap, mouse: true, themes, problems: Vec::new(), broken: false }
    }
}

/// The user's folder for the configuration of `aic`; none where the machine has none.
pub fn folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "aic").map(|dirs| dirs.config_dir().to_owned())
}

impl Config {
    /// Reads the configuration in a folder. None is fine.
    pub fn read(folder: Option<&Path>) -> Self {
        let Some(folder) = folder else { return Self::default() };
        let mut config = Self { themes: theme::files(&folder.join("themes")), ..Self::default() };
        let path = folder.join("config.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => config.take(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => config.give_up(format!("{}: {error}", path.display())),
        }
        config
    }

    fn give_up(&mut self, why: String) {
        self.problems.push(why);
        self.broken = true;
    }

    fn take(&mut self, text: &str) {
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                let words: Vec<String> = error.to_string().split_whitespace().map(str::to_owned).collect();
                return self.give_up(format!("config.toml: {}", words.join(" ")));
            }
        };
        for (key, value) in &table {
            match (key.as_str(), value) {
                ("theme", Value::String(name)) => self.theme = Some(name.clone()),
                ("mouse", Value::Boolean(mouse)) => self.mouse = *mouse,
                ("keys", Value::Table(changes)) => self.problems.extend(self.keymap.change(changes)),
                _ => self
                    .problems
                    .push(format!("config.toml: `{key}` is not `theme = \"NAME\"`, `mouse = true` or `[keys]`")),
            }
        }
    }

    /// The theme to begin with: the user's, else what the terminal can show.
    pub fn theme(&self, depth: Depth, dark: bool) -> theme::Read {
        match (&self.theme, depth) {
            // Whoever wants no colours gets none, whatever theme is configured.
            (Some(name), Depth::Sixteen | Depth::True) => theme::read(name, &self.themes),
            _ => theme::read(depth.theme(dark), &self.themes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_and_the_rest_holds() {
        let folder = tempfile::tempdir().unwrap();
        let text = "theme = \"light\"\ncolour = 1\n[keys]\n\"ctrl-t\" = \"tests.run-all\"\nx = \"no.such\"\n";
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let config = Config::read(Some(folder.path()));
        assert_eq!(config.problems.len(), 2, "{:?}", config.problems);
        assert_eq!(config.theme(Depth::True, true).theme.name, "light");
        assert_eq!(config.theme(Depth::None, true).theme.name, "mono");
    }

    #[test]
    fn no_configuration_is_fine_and_a_torn_one_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Config::read(None).problems.is_empty() && Config::read(Some(folder.path())).problems.is_empty());
        std::fs::write(folder.path().join("config.toml"), "theme = ").unwrap();
        let torn = Config::read(Some(folder.path()));
        assert!(torn.broken && torn.problems.len() == 1);
    }
}
