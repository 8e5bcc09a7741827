//! How far apart two words are, for "did you mean" and for the conditions' `levenshtein`.

/// The number of edits between two texts in Unicode scalar values: insertions, deletions, substitutions, and swaps of
/// neighbours (optimal string alignment). Takes time in the product of the lengths; callers cap them.
pub fn optimal_alignment(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    table(&a, &b, true)
}

/// The classic edit distance without swaps.
pub(crate) fn levenshtein(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    table(&a, &b, false)
}

fn table(a: &[char], b: &[char], swaps: bool) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if swaps && i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The known word that was probably meant: at most a third of the letters wrong, the first of equals.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (optimal_alignment(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (length.max(candidate.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        assert_eq!(nearest("sensitvity", ["types", "sensitivity"]), Some("sensitivity"));
        assert_eq!(nearest("inptu", ["input", "output"]), Some("input"));
        assert_eq!(nearest("potato", ["input", "output"]), None);
    }

    #[test]
    fn a_swap_is_one_edit_or_two() {
        assert_eq!((optimal_alignment("ab", "ba"), levenshtein("ab", "ba")), (1, 2));
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("", "abc"), 3);
    }
}
