//! Misspelled words: which known one was meant.

/// The known word that is nearest, if it is near enough to be meant. Ties go to the first.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST && *candidate != word)
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Words of other tools, and the key that says the same here.
const ELSEWHERE: [(&str, &str); 14] = [
    ("assert", "expect"),
    ("asserts", "expect"),
    ("assertions", "expect"),
    ("expected", "expect"),
    ("providers", "models"),
    ("defaultTest", "test_defaults"),
    ("defaults", "test_defaults"),
    ("guards", "guardrails"),
    ("extends", "inherits"),
    ("query", "input"),
    ("api_key", "api_key_env"),
    ("key", "api_key_env"),
    ("flow", "workflow"),
    ("steps", "workflow"),
];

/// The known key that says what a word of another tool says, slips included.
pub(crate) fn elsewhere<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let same = ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(theirs, _)| *theirs);
    let theirs = same.or_else(|| nearest(word, ELSEWHERE.iter().map(|(theirs, _)| *theirs)))?;
    let (_, ours) = ELSEWHERE.iter().find(|(known, _)| *known == theirs)?;
    known.into_iter().find(|known| known == ours)
}

/// `; did you mean `x`?`, or what there is instead if that is short.
pub(crate) fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}

/// A text for a message: short, on one line.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["prompts", "guardrails", "tools", "on"];
        assert_eq!(nearest("promts", known), Some("prompts"));
        assert_eq!(nearest("gaurdrails", known), Some("guardrails"));
        assert_eq!(nearest("Tools", known), Some("tools"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("x", known), None);
    }
}
