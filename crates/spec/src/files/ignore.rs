//! The language of `.gitignore`, as its manual page has it: patterns with `*`, `?`, `[a-z]` and `**`; a `/` at the start or
//! in the middle ties a pattern to its folder, one at the end to folders; `!` takes back; the last word counts.

use aic_base::RelPath;

/// The largest file of patterns that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;
/// The longest pattern that is honoured, in characters, and the most of them: matching takes their product with the length
/// of a path.
const MAX_PATTERN: usize = 1000;
const MAX_RULES: usize = 10_000;

/// What is ignored in a folder: the rules of the folders above it, then its own.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    /// The folder whose file says it.
    of: RelPath,
    /// The parts between slashes.
    parts: Vec<Vec<char>>,
    only_folders: bool,
    takes_back: bool,
}

impl Rules {
    /// These rules and those of a folder's own file.
    pub fn with(&self, of: &RelPath, text: &str) -> Self {
        let mut rules = self.rules.clone();
        rules.extend(text.lines().filter_map(|line| Rule::read(of, line)));
        rules.truncate(MAX_RULES);
        Self { rules }
    }

    /// Whether a path is ignored. Its folders are not looked at: who walks does not enter what is ignored.
    pub fn ignore(&self, path: &RelPath, is_folder: bool) -> bool {
        let last = self.rules.iter().rev().find(|rule| rule.fits(path, is_folder));
        last.is_some_and(|rule| !rule.takes_back)
    }
}

impl Rule {
    fn read(of: &RelPath, line: &str) -> Option<Self> {
        let mut text = line.trim_end_matches('\r');
        if !text.ends_with("\\ ") {
            text = text.trim_end_matches(' ');
        }
        let takes_back = text.starts_with('!');
        text = text.strip_prefix('!').unwrap_or(text);
        if text.is_empty() || text.starts_with('#') || text.chars().count() > MAX_PATTERN {
            return None;
        }
        let only_folders = text.ends_with('/');
        text = text.trim_end_matches('/');
        let tied = text.contains('/');
        text = text.trim_start_matches('/');
        if text.is_empty() {
            return None;
        }
        let mut parts: Vec<Vec<char>> = text.split('/').map(|part| part.chars().collect()).collect();
        if !tied {
            parts.insert(0, vec!['*', '*']);
        }
        Some(Self { of: of.clone(), parts, only_folders, takes_back })
    }

    fn fits(&self, path: &RelPath, is_folder: bool) -> bool {
        if self.only_folders && !is_folder {
            return false;
        }
        let Some(rest) = below(&self.of, path) else { return false };
        let names: Vec<Vec<char>> = rest.split('/').map(|name| name.chars().collect()).collect();
        let any = |part: &Vec<char>| part[..] == ['*', '*'];
        // `a/**` is everything in `a`, not `a` itself.
        let names_needed = usize::from(self.parts.len() > 1 && self.parts.last().is_some_and(any));
        if names_needed > 0 && names.len() < self.parts.iter().filter(|part| !any(part)).count() + 1 {
            return false;
        }
        stars(&self.parts, &names, any, |part, name| one(part, name))
    }
}

fn below<'a>(of: &RelPath, path: &'a RelPath) -> Option<&'a str> {
    match of.as_str() {
        "" => Some(path.as_str()),
        of => path.as_str().strip_prefix(of)?.strip_prefix('/'),
    }
}

/// Whether a name fits a part without slashes.
fn one(part: &[char], name: &[char]) -> bool {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < part.len() {
        let (piece, next) = Piece::read(part, at);
        pieces.push(piece);
        at = next;
    }
    stars(&pieces, name, |piece| matches!(piece, Piece::Stars), |piece, c| piece.fits(*c))
}

#[derive(Debug)]
enum Piece<'a> {
    /// Any characters.
    Stars,
    /// Any one character.
    Any,
    /// This one.
    Char(char),
    /// One of a class, or with `true` none of it.
    Class(&'a [char], bool),
}

impl<'a> Piece<'a> {
    /// The piece at a place, and where the next one begins.
    fn read(part: &'a [char], at: usize) -> (Self, usize) {
        match part[at] {
            '*' => (Self::Stars, at + 1),
            '?' => (Self::Any, at + 1),
            '\\' if at + 1 < part.len() => (Self::Char(part[at + 1]), at + 2),
            '[' => {
                let other = part.get(at + 1).is_some_and(|c| matches!(c, '!' | '^'));
                let from = at + 1 + usize::from(other);
                // A bracket that comes first is one of the class.
                let end = part.iter().skip(from + 1).position(|c| *c == ']').map(|end| end + from + 1);
                end.map_or((Self::Char('['), at + 1), |end| (Self::Class(&part[from..end], other), end + 1))
            }
            c => (Self::Char(c), at + 1),
        }
    }

    fn fits(&self, c: char) -> bool {
        match self {
            Self::Stars => false,
            Self::Any => true,
            Self::Char(own) => *own == c,
            Self::Class(class, other) => {
                let range = class.windows(3).any(|three| three[1] == '-' && (three[0]..=three[2]).contains(&c));
                (range || class.contains(&c)) != *other
            }
        }
    }
}

/// Matches where some parts stand for any run of items. Going back to the last such part is enough, so that the time is at
/// most the product of both lengths.
fn stars<P, T>(parts: &[P], items: &[T], is_run: impl Fn(&P) -> bool, fits: impl Fn(&P, &T) -> bool) -> bool {
    let (mut part, mut item) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while item < items.len() {
        match parts.get(part) {
            Some(run) if is_run(run) => {
                back = Some((part, item));
                part += 1;
            }
            Some(own) if fits(own, &items[item]) => (part, item) = (part + 1, item + 1),
            _ => match back {
                Some((run, from)) => {
                    back = Some((run, from + 1));
                    (part, item) = (run + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(is_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_git_says_they_mean() {
        let path = |text: &str| RelPath::new(text).unwrap();
        for (pattern, fits, not) in [
            ("*.yml", &["a.yml", "x/b.yml"][..], &["a.yaml"][..]),
            ("/a.yml", &["a.yml"], &["x/a.yml"]),
            ("x/a.yml", &["x/a.yml"], &["y/x/a.yml"]),
            ("**/x/a.yml", &["x/a.yml", "y/z/x/a.yml"], &["y/a.yml"]),
            ("x/**/a", &["x/a", "x/y/z/a"], &["a", "y/a"]),
            ("x/**", &["x/a", "x/y/z"], &["x", "y/x"]),
            ("a?c", &["abc", "x/aéc"], &["ac", "abbc"]),
            ("[a-c]x", &["ax", "cx"], &["dx"]),
            ("[!a-c]x", &["dx"], &["ax"]),
            ("[]]x", &["]x"], &["ax"]),
            ("[ab", &["[ab"], &["a"]),
            (r"\#a\*", &["#a*"], &["#ab"]),
            ("a b  ", &["a b"], &["a b  "]),
            ("a*b*c", &["abc", "axxbyybc"], &["acb"]),
        ] {
            let rules = Rules::default().with(&RelPath::default(), pattern);
            fits.iter().for_each(|one| assert!(rules.ignore(&path(one), false), "{pattern} {one}"));
            not.iter().for_each(|one| assert!(!rules.ignore(&path(one), false), "{pattern} not {one}"));
        }
    }

    #[test]
    fn the_last_word_counts_and_a_folder_speaks_of_itself_only() {
        let path = |text: &str| RelPath::new(text).unwrap();
        let rules = Rules::default().with(&RelPath::default(), "*.yml\n!keep.yml\n# no\n\nout/");
        assert!(!rules.ignore(&path("x/keep.yml"), false) && rules.ignore(&path("x/other.yml"), false));
        assert!(rules.ignore(&path("x/out"), true) && !rules.ignore(&path("x/out"), false));
        let rules = rules.with(&path("x"), "/keep.yml");
        assert!(rules.ignore(&path("x/keep.yml"), false) && !rules.ignore(&path("xy/keep.yml"), false));
    }

    #[test]
    fn hostile_patterns_take_no_time() {
        let pattern = "*a".repeat(400) + "b";
        let rules = Rules::default().with(&RelPath::default(), &format!("{pattern}\n{}", "**/a/".repeat(150)));
        assert!(!rules.ignore(&RelPath::new(&"a".repeat(200)).unwrap(), false));
        assert!(!rules.ignore(&RelPath::new(&"a/".repeat(90)).unwrap(), false));
    }
}
