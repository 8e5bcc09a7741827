//! Detectors: each looks at one text and says what it found and where. Precision first: a guardrail that stops ordinary
//! requests is switched off, and then protects nobody.

mod breakout;
mod code;
mod destructive;
mod ids;
mod injection;
#[cfg(test)]
mod laws;
pub mod model;
mod orders;
mod pattern;
pub(crate) mod pii;
mod prefilter;
mod secrets;
mod shell;
mod signs;
mod sqli;
mod stray;
mod topics;

pub use injection::injection_score;
pub(crate) use prefilter::Grams;

use crate::normalize::{may_have_pieces, unseen_byte};
use crate::prepared::{Prepared, View};
use crate::scope::Scope;
use crate::sql;
use crate::words::WordSet;
use aic_base::Span;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A kind of personal data that has a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PiiType {
    /// Payment cards: length and prefix of an issuer, and the Luhn digit.
    Card,
    /// International bank account numbers: length of the country and remainder 97.
    Iban,
    /// United States social security numbers.
    Ssn,
    /// E-mail addresses.
    Email,
    /// Telephone numbers.
    Phone,
    /// IPv4 and IPv6 addresses.
    Ip,
    /// National identity, tax and insurance numbers of some thirty countries.
    NationalId,
    /// Dates of birth, where the text calls them so.
    BirthDate,
}

impl PiiType {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Card, Self::Iban, Self::Ssn, Self::Email, Self::Phone, Self::Ip, Self::NationalId, Self::BirthDate];

    /// The word of `types:`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Ip => "ip",
            Self::NationalId => "national_id",
            Self::BirthDate => "birth_date",
        }
    }
}

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretType {
    /// Keys and tokens in the format of a known vendor.
    Vendor,
    /// Private keys in PEM and similar containers.
    PrivateKey,
    /// Passwords that stand next to the word.
    Password,
    /// Random-looking tokens and keys that stand next to such a word; JSON web tokens.
    Token,
    /// `scheme://user:password@host`.
    UrlCredentials,
}

impl SecretType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Vendor, Self::PrivateKey, Self::Password, Self::Token, Self::UrlCredentials];

    /// The word of `types:`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::PrivateKey => "private_key",
            Self::Password => "password",
            Self::Token => "token",
            Self::UrlCredentials => "url_credentials",
        }
    }
}

/// Which kinds of data to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Types {
    /// Personal data.
    pub pii: BTreeSet<PiiType>,
    /// Credentials.
    pub secrets: BTreeSet<SecretType>,
}

impl Types {
    /// Every kind.
    pub fn all() -> Self {
        Self { pii: PiiType::ALL.into(), secrets: SecretType::ALL.into() }
    }

    /// Adds the kind of this word, or all; says whether the word is one.
    pub fn add(&mut self, word: &str) -> bool {
        if word == "all" {
            *self = Self::all();
            return true;
        }
        let pii = PiiType::ALL.into_iter().find(|kind| kind.as_str() == word);
        let secret = SecretType::ALL.into_iter().find(|kind| kind.as_str() == word);
        self.pii.extend(pii);
        self.secrets.extend(secret);
        pii.is_some() || secret.is_some()
    }
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The bytes of the original text; none where it is not a place.
    pub span: Option<Span>,
    /// Why, in one sentence, without the found text.
    pub reason: String,
    /// What a redaction puts in its place.
    pub replacement: Option<String>,
    /// How sure it is, 0 to 1.
    pub confidence: f32,
}

impl Finding {
    pub(crate) fn new(span: Span, reason: impl Into<String>, confidence: f32) -> Self {
        Self { span: Some(span), reason: reason.into(), replacement: None, confidence }
    }

    pub(crate) fn replaced(mut self, replacement: impl Into<String>) -> Self {
        self.replacement = Some(replacement.into());
        self
    }
}

/// A detector with its parameters.
#[derive(Debug, Clone)]
pub enum Detector {
    /// Texts with more Unicode scalar values.
    MaxLength(u64),
    /// SQL injections, at a sensitivity from 0 to 1.
    SqlInjection(f64),
    /// Code that is meant to run, at a sensitivity from 0 to 1.
    CodeExecution(f64),
    /// Attempts to override instructions, at a sensitivity from 0 to 1.
    PromptInjection(f64),
    /// Requests to delete, drop, overwrite or shut down.
    Destructive,
    /// SQL in a tool's arguments that changes data, but for these verbs (upper case).
    DbMutations(Vec<String>),
    /// Personal data and credentials of these kinds.
    Data(Types),
    /// Texts that touch fewer than so many of the topics.
    AllowedTopics(WordSet, usize),
}

impl Detector {
    /// Looks at a text; where it may hide something (other scripts, escapes, base64), at what is hidden too.
    pub fn find(&self, text: &Prepared<'_>, scope: &Scope<'_>) -> Vec<Finding> {
        let mut found = self.look(text.view(), scope);
        let exact = matches!(self, Self::Data(_));
        let counts = matches!(self, Self::MaxLength(_) | Self::AllowedTopics(..) | Self::DbMutations(_));
        // What was found in part is stopped in whole, but data has to be found piece by piece.
        if counts || (!found.is_empty() && !exact) {
            return found;
        }
        // Words of attacks have no accents of their own, while other languages, and what is redacted, keep theirs.
        let accents = matches!(self, Self::SqlInjection(_) | Self::CodeExecution(_) | Self::Destructive);
        let Some(hidden) = text.hidden(accents) else { return found };
        let mut taken = Taken::default();
        found.iter().filter_map(|finding| finding.span).for_each(|span| taken.take(span.range()));
        for mut finding in self.look(hidden.view(), scope) {
            finding.span = finding.span.map(|span| hidden.folded.original(span.range()));
            let free = finding.span.is_none_or(|span| taken.is_free(&span.range()));
            if free {
                finding.span.iter().for_each(|span| taken.take(span.range()));
                found.push(finding);
            }
        }
        found.sort_by_key(|finding| finding.span);
        found
    }

    fn look(&self, view: View<'_>, scope: &Scope<'_>) -> Vec<Finding> {
        match self {
            Self::MaxLength(max) => too_long(view.text, *max).into_iter().collect(),
            Self::SqlInjection(sensitivity) => sqli::find(view, *sensitivity).into_iter().collect(),
            Self::CodeExecution(sensitivity) => code::find(view, *sensitivity).into_iter().collect(),
            Self::PromptInjection(sensitivity) => injection::find(view, *sensitivity).into_iter().collect(),
            Self::Destructive => destructive::find(view).into_iter().collect(),
            Self::DbMutations(allow) => mutation(view, scope, allow).into_iter().collect(),
            Self::Data(types) => {
                let mut found = pii::find(view, types);
                found.extend(secrets::find(view, types));
                found
            }
            Self::AllowedTopics(topics, least) => topics::find(view.text, topics, *least).into_iter().collect(),
        }
    }
}

/// Whether a second reading of a text could show something else: letters beyond ASCII, escapes, or a long run of digits of
/// an encoding.
pub(crate) fn may_hide(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run =
            if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-' | b'\\') { run + 1 } else { 0 };
        run >= 16 || !byte.is_ascii() || byte == b'%' || byte == b'&' || unseen_byte(byte)
    }) || may_have_pieces(text)
}

fn too_long(text: &str, max: u64) -> Option<Finding> {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let (cut, _) = text.char_indices().nth(max)?;
    let reason = format!("the text is longer than {max} characters");
    Some(Finding::new(Span::new(cut, text.len()), reason, 1.0).replaced("…"))
}

/// SQL that changes something in any text of a tool's arguments; the text itself where there is no tool.
fn mutation(view: View<'_>, scope: &Scope<'_>, allow: &[String]) -> Option<Finding> {
    let Some(tool) = scope.tool else {
        let reason = mutating(view.text, view.grams(), allow)?;
        return Some(Finding::new(Span::new(0, view.text.len()), reason, 1.0));
    };
    let mut values = vec![tool.args];
    while let Some(value) = values.pop() {
        match value {
            Value::String(sql) => {
                if let Some(reason) = mutating(sql, &Grams::of(sql), allow) {
                    return Some(Finding { span: None, reason, replacement: None, confidence: 1.0 });
                }
            }
            Value::Array(list) => values.extend(list),
            Value::Object(map) => values.extend(map.values()),
            _ => {}
        }
    }
    None
}

/// Whether a text could be SQL that does more than read: it has a verb of SQL besides SELECT, or more than one statement.
/// What begins with CALL is not taken for a statement.
fn may_change(text: &str, grams: &Grams) -> bool {
    let changing =
        || sql::VERBS.iter().any(|verb| !matches!(*verb, "select" | "call") && grams.may_have_one_of(&[verb]));
    // A letter whose capital is an ASCII one, as a parser of SQL has it.
    grams.may_have_one_of(&["into"])
        || changing()
        || (text.contains(';') && grams.may_have_one_of(&["select"]) && sql::count_plain(text).is_none())
        || text.contains('\u{131}')
}

fn mutating(text: &str, grams: &Grams, allow: &[String]) -> Option<String> {
    const READING: [&str; 3] = ["SELECT", "EXPLAIN", "SHOW"];
    if !may_change(text, grams) {
        return None;
    }
    let verbs = sql::mutating_verbs(text);
    let wrong = verbs.into_iter().find(|verb| !READING.contains(&verb.as_str()) && !allow.contains(verb))?;
    Some(format!(
        "the call's SQL would {wrong}: only reading is allowed{}",
        match allow {
            [] => String::new(),
            list => format!(", and {}", list.join(", ")),
        }
    ))
}

/// Ranges that do not overlap, so that one piece of text is found as one thing only. Looking up is logarithmic: a text may
/// hold a hundred thousand addresses.
#[derive(Debug, Default)]
pub(crate) struct Taken(BTreeMap<usize, usize>);

impl Taken {
    /// Whether nothing in the range is taken.
    pub(crate) fn is_free(&self, range: &Range<usize>) -> bool {
        self.0.range(..range.end).next_back().is_none_or(|(_, end)| *end <= range.start)
    }

    /// Takes a range, which must be free.
    pub(crate) fn take(&mut self, range: Range<usize>) {
        self.0.insert(range.start, range.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::ToolScope;
    use aic_base::Stage;
    use serde_json::json;

    #[test]
    fn length_counts_characters_and_points_at_what_is_too_much() {
        let found = Detector::MaxLength(3).find(&Prepared::new("äöüß"), &Scope::default());
        assert_eq!(found[0].span.unwrap().of("äöüß"), "ß");
        assert!(Detector::MaxLength(4).find(&Prepared::new("äöüß"), &Scope::default()).is_empty());
    }

    fn mutates(args: Value, allow: &[&str]) -> bool {
        let mut scope = Scope::at(Stage::ToolCall);
        scope.tool = Some(ToolScope { name: "db", args: &args, result: None, untrusted: false });
        let allow = allow.iter().map(|verb| (*verb).to_owned()).collect();
        !Detector::DbMutations(allow).find(&Prepared::new(&args.to_string()), &scope).is_empty()
    }

    #[test]
    fn a_call_whose_sql_changes_data_is_found_wherever_the_sql_stands() {
        for sql in [
            "DELETE FROM users",
            "select 1; drop table x",
            "with d as (delete from a returning *) select * from d",
            "insert into a values (1)",
            "UPDATE a SET b = 1",
            "update a set b = = 1",
            "drop table if exists broken (((",
            "explain analyze delete from a",
            "/*!50000 delete */ from a",
            "replace into a values (1)",
            "PRAGMA writable_schema=1",
            "select * into b from a",
            "vacuum into 'x'",
            "attach 'x' as y",
            "copy a to program 'x'",
            "truncate a",
            "grant all on a to b",
        ] {
            assert!(mutates(json!({"q": {"deep": [1, sql]}}), &[]), "{sql}");
        }
        for text in [
            "select * from users",
            "please delete my account",
            "with a as (select 1) select * from a",
            "",
            "Update on the drop",
            "explain select 1",
            "select 'delete from a'",
        ] {
            assert!(!mutates(json!({ "q": text }), &[]), "{text}");
        }
    }

    #[test]
    fn allowed_verbs_may_change_data() {
        assert!(!mutates(json!({"q": "insert into a values (1)"}), &["INSERT"]));
        assert!(mutates(json!({"q": "insert into a values (1); delete from a"}), &["INSERT"]));
    }

    proptest::proptest! {
        #[test]
        fn a_text_that_could_change_nothing_has_no_verb_that_does(
            text in "(select|SELECT|into|insert into|delete from|drop table|update|set|=|x|'x'|\"y\"|a|\\*|from|values|with|as|explain|copy|;|--|/\\*!|\\*/|\\(|\\)|\u{131}nto|\u{17f}elect| |\\n){0,16}",
        ) {
            let verbs = sql::mutating_verbs(&text);
            proptest::prop_assert!(may_change(&text, &Grams::of(&text)) || verbs.iter().all(|verb| verb == "SELECT"), "{} {:?}", text, verbs);
        }
    }
}
