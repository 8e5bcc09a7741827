//! The codes of all findings: number, title, why, and an example of each side. Numbers never change their meaning.
//!
//! One table feeds `aic explain`, the page `docs/diagnostics.md` and the language server; a test runs every example.

mod content;
mod form;
mod page;
mod tests;
mod whole;

pub use content::*;
pub use form::*;
pub use page::{PRELUDE, SCHEMA_REFUSES, explain, page};
pub use tests::*;
pub use whole::*;

use crate::Severity;
use std::fmt;

/// The stable code of a finding, `ABS001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What `aic explain` says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeDoc {
    /// The code.
    pub code: Code,
    /// A few words.
    pub title: &'static str,
    /// How bad it is, unless a finding says otherwise.
    pub severity: Severity,
    /// Why it is a finding and what to do.
    pub explanation: &'static str,
    /// What gives it: a spec; `# file: NAME` begins another file.
    pub bad: &'static str,
    /// What is right.
    pub good: &'static str,
}

impl Code {
    /// Its entry in the table.
    pub fn doc(self) -> Option<&'static CodeDoc> {
        CODES.iter().find(|doc| doc.code == self)
    }

    /// The code that a person means: `ABS017`, `abs17`, `17`.
    pub fn from_text(text: &str) -> Option<Self> {
        let number: u32 = text.trim().trim_start_matches(['a', 'A', 'b', 'B', 's', 'S', '-']).parse().ok()?;
        CODES.iter().map(|doc| doc.code).find(|code| code.0.trim_start_matches("ABS").parse() == Ok(number))
    }

    pub(crate) fn severity(self) -> Severity {
        self.doc().map_or(Severity::Error, |doc| doc.severity)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal $severity:ident $title:literal, $explanation:literal, $bad:literal => $good:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*

        /// The codes of this family, by number.
        pub(super) const FAMILY: &[CodeDoc] = &[$(CodeDoc {
            code: $name, title: $title, severity: Severity::$severity, explanation: $explanation, bad: $bad, good: $good,
        }),*];
    };
}
use codes;

const COUNT: usize = form::FAMILY.len() + content::FAMILY.len() + tests::FAMILY.len() + whole::FAMILY.len();

const fn joined() -> [CodeDoc; COUNT] {
    let families = [form::FAMILY, content::FAMILY, tests::FAMILY, whole::FAMILY];
    let mut all = [families[0][0]; COUNT];
    let (mut family, mut filled) = (0, 0);
    while family < families.len() {
        let mut at = 0;
        while at < families[family].len() {
            all[filled] = families[family][at];
            filled += 1;
            at += 1;
        }
        family += 1;
    }
    all
}

/// All codes, by number.
pub static CODES: [CodeDoc; COUNT] = joined();

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_explained() {
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        for doc in &CODES {
            assert!(doc.code.0.len() == 6 && doc.code.0.starts_with("ABS"));
            assert!(!doc.title.is_empty() && doc.explanation.ends_with('.'), "{}", doc.code);
            assert!(!doc.bad.is_empty() && !doc.good.is_empty() && doc.bad != doc.good);
        }
    }

    #[test]
    fn a_code_is_understood_however_it_is_written() {
        for text in ["ABS017", "abs017", "17", "ABS-17", " abs17 "] {
            assert_eq!(Code::from_text(text).map(|code| code.0), Some("ABS017"), "{text}");
        }
        assert_eq!(Code::from_text("ABS999"), None);
        assert_eq!(Code::from_text("nothing"), None);
    }
}
