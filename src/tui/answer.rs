//! The terminal's answer to the question for its background (OSC 11), picked out of the keys it comes among.
//!
//! The answer is `ESC ] 11;rgb:RRRR/GGGG/BBBB` and an end; the parser of keys knows nothing of it and gives Alt-] and
//! characters. Whatever turns out to be no answer is handed on as the keys it was.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// The longest answer, in characters; anything longer is somebody typing.
const LONGEST: usize = 40;

/// Picks the answer out of the events.
#[derive(Debug, Default)]
pub struct Answers {
    held: Vec<Event>,
    text: String,
    done: bool,
}

/// What came of an event.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// Events for the workbench: none while an answer may be coming.
    Events(Vec<Event>),
    /// The background, and whether it is dark.
    Background {
        /// Whether it is.
        dark: bool,
    },
}

impl Answers {
    /// Hears an event.
    pub fn hear(&mut self, event: Event) -> Heard {
        if self.done {
            return Heard::Events(vec![event]);
        }
        let Event::Key(key) = &event else { return self.give_up(event) };
        if self.held.is_empty() {
            if is_alt(key, ']') {
                self.held.push(event);
                return Heard::Events(Vec::new());
            }
            return Heard::Events(vec![event]);
        }
        let ends = is_alt(key, '\\') || (key.code == KeyCode::Char('g') && key.modifiers == KeyModifiers::CONTROL);
        if ends {
            return match is_dark(&self.text) {
                Some(dark) => {
                    self.done = true;
                    self.held.clear();
                    Heard::Background { dark }
                }
                None => self.give_up(event),
            };
        }
        match key.code {
            KeyCode::Char(c)
                if c.is_ascii() && !key.modifiers.contains(KeyModifiers::ALT) && self.text.len() < LONGEST =>
            {
                self.text.push(c);
                if "11;rgb:".starts_with(&self.text) || self.text.starts_with("11;rgb:") {
                    self.held.push(event);
                    Heard::Events(Vec::new())
                } else {
                    self.give_up(event)
                }
            }
            _ => self.give_up(event),
        }
    }

    fn give_up(&mut self, event: Event) -> Heard {
        let mut events = std::mem::take(&mut self.held);
        self.text.clear();
        events.push(event);
        Heard::Events(events)
    }
}

fn is_alt(key: &KeyEvent, c: char) -> bool {
    key.code == KeyCode::Char(c) && key.modifiers.contains(KeyModifiers::ALT)
}

/// Whether `11;rgb:RRRR/GGGG/BBBB` is a dark colour, by its relative luminance (ITU-R BT.709).
fn is_dark(text: &str) -> Option<bool> {
    let mut parts = text.strip_prefix("11;rgb:")?.split('/').map(|part| {
        let most = 16_u32.checked_pow(u32::try_from(part.len()).ok()?)?.checked_sub(1)?;
        let value = u32::from_str_radix(part, 16).ok()?;
        (most > 0).then(|| f64::from(value) / f64::from(most))
    });
    let (r, g, b) = (parts.next()??, parts.next()??, parts.next()??);
    Some(0.2126 * r + 0.7152 * g + 0.0722 * b < 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers))
    }

    fn answer(text: &str) -> Vec<Event> {
        let start = std::iter::once(key(']', KeyModifiers::ALT));
        let inside = text.chars().map(|c| key(c, KeyModifiers::NONE));
        start.chain(inside).chain(std::iter::once(key('\\', KeyModifiers::ALT))).collect()
    }

    fn all(events: Vec<Event>) -> (Vec<Event>, Option<bool>) {
        let (mut answers, mut through, mut dark) = (Answers::default(), Vec::new(), None);
        for event in events {
            match answers.hear(event) {
                Heard::Events(events) => through.extend(events),
                Heard::Background { dark: is } => dark = Some(is),
            }
        }
        (through, dark)
    }

    #[test]
    fn an_answer_tells_the_background_and_is_no_key() {
        assert_eq!(all(answer("11;rgb:0000/0000/0000")), (vec![], Some(true)));
        assert_eq!(all(answer("11;rgb:ff/ff/f0")), (vec![], Some(false)));
    }

    #[test]
    fn keys_are_handed_on_in_their_order() {
        let typed = vec![key('a', KeyModifiers::NONE), key(']', KeyModifiers::ALT), key('1', KeyModifiers::NONE)];
        let typed: Vec<Event> = typed.into_iter().chain([key('x', KeyModifiers::NONE)]).collect();
        assert_eq!(all(typed.clone()), (typed, None));
        let broken = answer("11;rgb:zz/0/0");
        assert_eq!(all(broken.clone()), (broken, None));
    }
}
