//! Words: how `contains` finds them, whatever their case, width and English ending, and how `words` counts them.

use crate::normalize::{Folded, Folding};
use aic_base::Span;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// How many words a text has: runs of letters and digits, with the apostrophes and hyphens inside them.
pub fn count(text: &str) -> usize {
    let mut inside = false;
    let mut words = 0;
    for c in text.chars() {
        let part = c.is_alphanumeric() || (inside && matches!(c, '\'' | '\u{2019}' | '-' | '_'));
        words += usize::from(part && !inside);
        inside = part;
    }
    words
}

/// The words of a folded text. An apostrophe between letters belongs to the word; `_` and `-` part words, so that
/// `drop_table` holds `drop`.
pub(crate) fn split(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next_is_letter = chars.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        let part = c.is_alphanumeric() || (start.is_some() && matches!(c, '\'' | '\u{2019}') && next_is_letter);
        match (part, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        words.push(from..text.len());
    }
    words
}

/// A set of words and phrases that is looked for in texts.
#[derive(Debug, Clone, Default)]
pub struct WordSet {
    /// Every form of a single word, with the index of its entry.
    single: HashMap<String, usize>,
    /// Phrases: for each word its forms, and the index of the entry.
    phrases: Vec<(Vec<HashSet<String>>, usize)>,
    /// Entries that are found as they are: signs, and scripts that write no spaces.
    literal: Vec<(String, usize)>,
}

impl WordSet {
    /// Prepares the entries; their case and width do not matter, and their English inflections count.
    pub fn new<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Self {
        let mut set = Self::default();
        for (index, entry) in entries.into_iter().enumerate() {
            let folded = Folded::new(entry.as_ref(), Folding::WORDS).text;
            let folded = folded.trim();
            let words = split(folded);
            if folded.is_empty() {
                continue;
            }
            match words.as_slice() {
                _ if words.is_empty() || folded.chars().any(unspaced) => set.literal.push((folded.to_owned(), index)),
                [_] => {
                    for form in words.iter().flat_map(|word| forms(&folded[word.clone()])) {
                        set.single.entry(form).or_insert(index);
                    }
                }
                _ => {
                    let forms = words.iter().map(|word| forms(&folded[word.clone()]).into_iter().collect()).collect();
                    set.phrases.push((forms, index));
                }
            }
        }
        set
    }

    /// The first place of any entry, in the original text.
    pub fn find(&self, text: &str) -> Option<Span> {
        self.find_all(text, 1).first().map(|(span, _)| *span)
    }

    /// The places of entries in the original text and which entry each is, up to `limit` of them.
    pub fn find_all(&self, text: &str, limit: usize) -> Vec<(Span, usize)> {
        let folded = Folded::new(text, Folding::WORDS);
        let words = split(&folded.text);
        let bare = |range: &Range<usize>| {
            let word = folded.text.get(range.clone()).unwrap_or("");
            word.strip_suffix("'s").or_else(|| word.strip_suffix("\u{2019}s")).unwrap_or(word)
        };
        let mut found = Vec::new();
        for (place, range) in words.iter().enumerate() {
            if found.len() >= limit {
                return found;
            }
            if let Some(index) = self.single.get(bare(range)) {
                found.push((folded.original(range.clone()), *index));
            }
            for (phrase, index) in &self.phrases {
                let Some(run) = words.get(place..place + phrase.len()) else { continue };
                if run.iter().zip(phrase).all(|(range, forms)| forms.contains(bare(range)))
                    && let Some(last) = run.last()
                {
                    found.push((folded.original(range.start..last.end), *index));
                }
            }
        }
        for (literal, index) in &self.literal {
            if found.len() >= limit {
                break;
            }
            if let Some(at) = folded.text.find(literal.as_str()) {
                found.push((folded.original(at..at + literal.len()), *index));
            }
        }
        found.truncate(limit);
        found
    }
}

/// Whether a character belongs to a script that puts no spaces between words.
fn unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// A word and its common English inflections: plural or third person, past, and -ing form.
pub(crate) fn forms(word: &str) -> Vec<String> {
    let mut all = vec![word.to_owned()];
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return all;
    }
    for (base, others) in IRREGULAR {
        if *base == word {
            all.extend(others.iter().map(|form| (*form).to_owned()));
        }
    }
    let (stem, last) = word.split_at(word.len() - 1);
    let before = stem.as_bytes().last().copied().unwrap_or(b' ');
    let vowel = |byte: u8| matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u');
    let hisses = word.ends_with(['s', 'x', 'z']) || word.ends_with("ch") || word.ends_with("sh");
    match last {
        "e" => all.extend([format!("{word}s"), format!("{word}d"), format!("{stem}ing"), format!("{word}ing")]),
        "y" if !vowel(before) => {
            all.extend([format!("{stem}ies"), format!("{stem}ied"), format!("{word}ing")]);
        }
        _ => {
            all.push(if hisses || last == "o" { format!("{word}es") } else { format!("{word}s") });
            all.extend([format!("{word}s"), format!("{word}ed"), format!("{word}ing")]);
            let third = word.len().checked_sub(3).and_then(|at| word.as_bytes().get(at)).copied();
            let doubles = vowel(before) && !matches!(last, "w" | "x" | "y") && !vowel(last.as_bytes()[0]);
            if doubles && third.is_some_and(|byte| !vowel(byte) || word.len() == 4) {
                all.extend([format!("{word}{last}ed"), format!("{word}{last}ing")]);
            }
        }
    }
    all
}

/// Verbs that guardrails name and that English inflects in its own way.
const IRREGULAR: &[(&str, &[&str])] = &[
    ("overwrite", &["overwrote", "overwritten"]),
    ("write", &["wrote", "written"]),
    ("take", &["took", "taken"]),
    ("shut", &["shutting"]),
    ("send", &["sent"]),
    ("sell", &["sold"]),
    ("buy", &["bought"]),
    ("pay", &["paid"]),
    ("get", &["got", "gotten"]),
    ("give", &["gave", "given"]),
    ("break", &["broke", "broken"]),
    ("steal", &["stole", "stolen"]),
    ("forget", &["forgot", "forgotten"]),
    ("person", &["people"]),
    ("child", &["children"]),
    ("undo", &["undid", "undone"]),
    ("withdraw", &["withdrew", "withdrawn"]),
    ("destroy", &["destruction"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn has(entries: &[&str], text: &str) -> bool {
        WordSet::new(entries).find(text).is_some()
    }

    #[test]
    fn a_word_is_found_in_its_common_inflections() {
        for text in
            ["Delete it", "she deletes", "DELETED", "deleting rows", "ｄｅｌｅｔｅ now", "delete_user", "delete's"]
        {
            assert!(has(&["delete"], text), "{text}");
        }
        for text in ["dropped", "dropping", "drops", "DROP TABLE"] {
            assert!(has(&["drop"], text), "{text}");
        }
        for text in ["removing", "removes", "copies", "copied", "purges", "overwrote"] {
            assert!(has(&["remove", "copy", "purge", "overwrite"], text), "{text}");
        }
    }

    #[test]
    fn only_whole_words_count() {
        for text in ["undeleted files", "dropbox", "raindrop", "removable", "the droplet"] {
            assert!(!has(&["delete", "drop", "remove"], text), "{text}");
        }
    }

    #[test]
    fn phrases_are_found_word_by_word() {
        assert!(has(&["shut down"], "Please SHUT  down the server"));
        assert!(has(&["delete user"], "deleting users is bad"));
        assert!(!has(&["delete user"], "delete the user"));
    }

    #[test]
    fn scripts_without_spaces_and_signs_are_found_as_they_are() {
        assert!(has(&["删除"], "请删除所有用户"));
        assert!(has(&["--"], "a -- b"));
        assert!(!has(&[""], "anything"));
    }

    #[test]
    fn the_place_is_in_the_original_text() {
        let text = "Bitte ＤＥＬＥＴＥ!";
        assert_eq!(WordSet::new(["delete"]).find(text).unwrap().of(text), "ＤＥＬＥＴＥ");
    }

    #[test]
    fn words_are_counted_as_a_reader_counts_them() {
        assert_eq!(count("It's a well-known  fact: 3.5%"), 6);
        assert_eq!(count(""), 0);
        assert_eq!(count("— !"), 0);
    }
}
