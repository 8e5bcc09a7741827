//! Keys: how they are written, and which command each means where. Filled from the command registry, changed by the
//! user's configuration.

use crate::tui::commands::{COMMANDS, Context, Id};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::HashMap;
use std::fmt;

/// A key with its modifiers. Shift is part of the character where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    /// The key of an event.
    pub fn of(event: &KeyEvent) -> Self {
        let known = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT;
        let (mut code, mut modifiers) = (event.code, event.modifiers & known);
        match code {
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                if modifiers.contains(KeyModifiers::CONTROL) {
                    code = KeyCode::Char(c.to_ascii_lowercase());
                }
            }
            KeyCode::BackTab => {
                code = KeyCode::Tab;
                modifiers |= KeyModifiers::SHIFT;
            }
            _ => {}
        }
        Self { code, modifiers }
    }

    /// The character it types; none with Control or Alt.
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }

    /// Its code, where it has no modifiers.
    pub fn plain(self) -> Option<KeyCode> {
        self.modifiers.is_empty().then_some(self.code)
    }

    /// Reads `ctrl-s`, `shift-tab`, `f1`, `G`, `?`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        loop {
            let (with, modifier) =
                [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)]
                    .into_iter()
                    .find_map(|(prefix, modifier)| Some((rest.strip_prefix(prefix)?, modifier)))
                    .unwrap_or((rest, KeyModifiers::NONE));
            if modifier.is_empty() {
                break;
            }
            (rest, modifiers) = (with, modifiers | modifier);
        }
        let code = match rest {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "space" => KeyCode::Char(' '),
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pageup" => KeyCode::PageUp,
            "pagedown" => KeyCode::PageDown,
            "backspace" => KeyCode::Backspace,
            "delete" => KeyCode::Delete,
            "insert" => KeyCode::Insert,
            _ => {
                let mut chars = rest.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => KeyCode::Char(c),
                    (Some('f'), Some(_)) => KeyCode::F(rest[1..].parse().ok().filter(|n| (1..=24).contains(n))?),
                    _ => return None,
                }
            }
        };
        Some(Self::of(&KeyEvent::new(code, modifiers)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, word) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(word)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "f{n}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

/// Which command a key means in which context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    keys: HashMap<(Context, Key), Id>,
}

impl Default for Keymap {
    fn default() -> Self {
        let mut keys = HashMap::new();
        for command in &COMMANDS {
            for key in command.keys.iter().filter_map(|text| Key::parse(text)) {
                keys.insert((command.context, key), command.id);
            }
        }
        Self { keys }
    }
}

impl Keymap {
    /// The command of a key in a context: the context's own, else that of the wider ones.
    pub fn command(&self, context: Context, key: Key) -> Option<Id> {
        context.chain().find_map(|context| self.keys.get(&(context, key)).copied())
    }

    /// The keys of a command, in the order people would name them.
    pub fn keys_of(&self, id: Id) -> Vec<Key> {
        let own: Vec<Key> = self.keys.iter().filter(|(_, other)| **other == id).map(|((_, key), _)| *key).collect();
        let rank = |key: &Key| {
            let defaults = COMMANDS.iter().find(|command| command.id == id).map_or(&[][..], |command| command.keys);
            defaults.iter().position(|text| Key::parse(text).as_ref() == Some(key)).map_or(0, |at| at + 1)
        };
        let mut own = own;
        own.sort_by_key(|key| (rank(key), key.to_string()));
        own
    }

    /// Gives keys another meaning: `"ctrl-t" = "tests.run-all"`, or `""` for none. Returns what is wrong.
    pub fn change(&mut self, changes: &toml::Table) -> Vec<String> {
        let mut problems = Vec::new();
        for (text, wanted) in changes {
            let (Some(key), Some(wanted)) = (Key::parse(text), wanted.as_str()) else {
                problems.push(format!(
                    "keys: `{text}` is no key, or its command is no text: write \"ctrl-t\" = \"tests.run-all\""
                ));
                continue;
            };
            if wanted.is_empty() {
                self.keys.retain(|(_, other), _| *other != key);
                continue;
            }
            match COMMANDS.iter().find(|command| command.name == wanted) {
                Some(command) => drop(self.keys.insert((command.context, key), command.id)),
                None => problems.push(format!("keys: there is no command `{wanted}`: `?` lists them")),
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_the_way_they_are_read() {
        for text in ["ctrl-s", "alt-u", "shift-tab", "f1", "G", "?", "space", "enter", "-"] {
            let key = Key::parse(text).unwrap();
            assert_eq!(Key::parse(&key.to_string()), Some(key), "{text}");
        }
        for text in ["", "ctrl-", "hyper-x", "f0", "f99", "fü", "ab"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_configured_key_means_what_the_user_says() {
        let mut keymap = Keymap::default();
        let changes =
            "\"ctrl-t\" = \"tests.run-all\"\nq = \"\"\nx = \"no.such\"\n\"nokey\" = \"quit\"".parse().unwrap();
        assert_eq!(keymap.change(&changes).len(), 2);
        assert_eq!(keymap.command(Context::Panes, Key::parse("ctrl-t").unwrap()), Some(Id::RunAll));
        assert_eq!(keymap.command(Context::Panes, Key::parse("q").unwrap()), None);
    }
}
