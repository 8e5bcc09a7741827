//! What the palette and the help show, from the command registry: pure lists.

use crate::tui::commands::{COMMANDS, Command};
use crate::tui::state::State;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A command that fits what was typed.
pub struct Found {
    /// It.
    pub command: &'static Command,
    /// Why it cannot be carried out now, if it cannot.
    pub why_not: Option<&'static str>,
    /// Its keys, as they are written.
    pub keys: String,
    /// Which characters of the title fit.
    pub marks: Vec<u32>,
}

/// The commands that fit, best first; what can be carried out comes before what cannot.
pub fn find(state: &State, query: &str) -> Vec<Found> {
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    // In longer texts scattered letters are found everywhere: there whole words are looked for.
    let words = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, AtomKind::Substring);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Found)> = Vec::new();
    for command in &COMMANDS {
        let mut marks = Vec::new();
        let title = pattern.indices(Utf32Str::new(command.title, &mut buffer), &mut matcher, &mut marks);
        // Words of the name and the sentence find it, too, but count for less.
        let rest = format!("{} {}", command.name, command.doc);
        let score = match title {
            Some(score) => score.saturating_mul(2).saturating_add(1),
            None => {
                marks.clear();
                match words.score(Utf32Str::new(&rest, &mut buffer), &mut matcher) {
                    Some(score) => score,
                    None => continue,
                }
            }
        };
        marks.sort_unstable();
        marks.dedup();
        let why_not = (command.enabled)(state).err();
        scored.push((score, Found { command, why_not, keys: keys(state, command), marks }));
    }
    scored.sort_by_key(|(score, found)| (found.why_not.is_some(), std::cmp::Reverse(*score)));
    scored.into_iter().map(|(_, found)| found).collect()
}

/// The keys of a command, as they are written.
pub fn keys(state: &State, command: &Command) -> String {
    let keys: Vec<String> = state.config.keymap.keys_of(command.id).iter().take(2).map(ToString::to_string).collect();
    keys.join(" ")
}

/// The first line of the help that can be shown last on a screen of so many rows: it has a heading and a blank line a
/// context, and a line a command.
pub fn help_last(rows: u16) -> usize {
    let mut contexts: Vec<_> = COMMANDS.iter().map(|command| command.context).collect();
    contexts.sort();
    contexts.dedup();
    let lines = COMMANDS.len() + contexts.len() * 2;
    lines.saturating_sub(usize::from(rows.saturating_sub(4)).max(1))
}

/// The commands of the footer: those of the context first, what cannot be carried out left out.
pub fn footer(state: &State) -> Vec<(String, &'static str)> {
    let context = state.context();
    let chain: Vec<_> = context.chain().collect();
    let fits = |command: &&Command| chain.contains(&command.context) && command.footer.is_some();
    let mut all: Vec<&Command> =
        COMMANDS.iter().filter(fits).filter(|command| (command.enabled)(state).is_ok()).collect();
    all.sort_by_key(|command| command.footer);
    all.iter()
        .filter_map(|command| {
            let keys = state.config.keymap.keys_of(command.id);
            // In the editor a plain character is typed, so its other key is shown.
            let editing = state.is_editing();
            let key = keys.iter().find(|key| !(editing && key.typed().is_some()))?;
            Some((key.to_string(), command.title))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::config::Config as Settings;
    use crate::tui::theme::Depth;
    use std::collections::BTreeSet;

    fn state() -> State {
        State::new((80, 24), Settings::default(), Depth::True)
    }

    #[test]
    fn every_command_is_in_the_palette_and_found_by_its_title() {
        let state = state();
        let all: BTreeSet<_> = find(&state, "").iter().map(|found| found.command.id).collect();
        assert_eq!(all.len(), COMMANDS.len());
        for command in &COMMANDS {
            assert!(find(&state, command.title).iter().any(|found| found.command.id == command.id), "{}", command.name);
        }
    }

    #[test]
    fn a_few_letters_are_enough_and_what_cannot_be_done_says_why() {
        let state = state();
        let found = find(&state, "rollb");
        let one = found.iter().find(|found| found.command.name == "rollback").unwrap();
        assert_eq!(one.why_not, Some("no spec is open"));
        assert!(find(&state, "zzzz").is_empty());
    }

    #[test]
    fn the_footer_offers_only_what_can_be_done() {
        let words: Vec<_> = footer(&state()).into_iter().map(|(_, title)| title).collect();
        assert!(words.contains(&"Help") && !words.contains(&"Roll back"), "{words:?}");
    }
}
