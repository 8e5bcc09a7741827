//! Matchers: the one grammar for arguments, mocks, scripted models and expectations (language page, section 7).

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The operators of the grammar; a one-key map with one of them as its key is a matcher.
pub const OPERATORS: [&str; 14] = [
    "equals",
    "contains",
    "icontains",
    "starts_with",
    "matches",
    "gt",
    "gte",
    "lt",
    "lte",
    "one_of",
    "exists",
    "not",
    "any_of",
    "all_of",
];

const MAX_DEPTH: usize = 32;

/// Whether a key is an operator of the grammar.
pub fn is_operator(key: &str) -> bool {
    OPERATORS.contains(&key)
}

/// A compiled matcher.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// JSON equality: 20 = 20.0, not `"20"`.
    Equals(Value),
    /// Each named key matches; others do not matter unless `exact`.
    Subset {
        /// What each key must match.
        keys: Vec<(String, Matcher)>,
        /// Whether no other key may be there.
        exact: bool,
    },
    /// A text that holds this one, or a list that holds this value.
    Contains(Value),
    /// A text that holds this one, letter case aside.
    IContains(String),
    /// A text that begins like this.
    StartsWith(String),
    /// A text in which this pattern is found.
    Matches(Regex),
    /// A number in this relation.
    Compare(Comparison, f64),
    /// One of these values.
    OneOf(Vec<Value>),
    /// Whether there is a value at all (null is one).
    Exists(bool),
    /// Not this.
    Not(Box<Matcher>),
    /// At least one of these.
    AnyOf(Vec<Matcher>),
    /// All of these.
    AllOf(Vec<Matcher>),
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
}

/// A matcher that does not compile; `path` leads to the place inside it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MatcherError {
    /// The keys and indices that lead to the place.
    pub path: Vec<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// What a pattern's named groups caught.
pub type Captures = BTreeMap<String, String>;

/// The first difference between a matcher and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The keys that lead to it, `""` at the top.
    pub path: String,
    /// What was wanted there.
    pub wanted: String,
    /// What stood there.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "wanted {}, found {}", self.wanted, self.found)
    }
}

impl Matcher {
    /// Compiles a matcher from its JSON form.
    ///
    /// # Errors
    /// [`MatcherError`]: a pattern that is no regular expression, an operator with the wrong kind of value, nesting
    /// over 32 levels.
    pub fn compile(value: &Value) -> Result<Self, MatcherError> {
        compile(value, &mut Vec::new())
    }

    /// Whether the value matches; `None` is a value that is not there.
    pub fn matches(&self, value: Option<&Value>) -> bool {
        self.mismatch(value).is_none()
    }

    /// The first difference, or none if the value matches.
    pub fn mismatch(&self, value: Option<&Value>) -> Option<Mismatch> {
        self.examine(value)
    }

    /// What the named groups of its patterns catch in the value.
    pub fn captures(&self, value: Option<&Value>) -> Captures {
        let mut caught = Captures::new();
        self.catch(value, &mut caught);
        caught
    }

    fn catch(&self, value: Option<&Value>, caught: &mut Captures) {
        match (self, value) {
            (Self::Matches(pattern), Some(value)) => {
                let text = text_of(value);
                if let Some(groups) = pattern.captures(&text) {
                    let named = pattern.capture_names().flatten();
                    caught.extend(
                        named.filter_map(|name| Some((name.to_owned(), groups.name(name)?.as_str().to_owned()))),
                    );
                }
            }
            (Self::Subset { keys, .. }, Some(Value::Object(map))) => {
                keys.iter().for_each(|(key, inner)| inner.catch(map.get(key), caught));
            }
            (Self::AnyOf(all) | Self::AllOf(all), value) => {
                all.iter().filter(|inner| inner.matches(value)).for_each(|inner| inner.catch(value, caught));
            }
            _ => {}
        }
    }

    fn examine(&self, value: Option<&Value>) -> Option<Mismatch> {
        let differs = |wanted: String| {
            Some(Mismatch { path: String::new(), wanted, found: value.map_or("nothing".into(), shown) })
        };
        let ok = |is: bool, wanted: String| if is { None } else { differs(wanted) };
        match self {
            Self::Exists(wanted) => ok(value.is_some() == *wanted, if *wanted { "a value" } else { "no value" }.into()),
            Self::Not(inner) => {
                let is = inner.examine(value).is_some();
                ok(is, format!("not {}", inner.describe()))
            }
            Self::AnyOf(all) => {
                let is = all.iter().any(|inner| inner.examine(value).is_none());
                ok(is, self.describe())
            }
            Self::AllOf(all) => all.iter().find_map(|inner| inner.examine(value)),
            Self::Subset { keys, exact } => {
                let Some(Value::Object(map)) = value else { return differs("a map".into()) };
                let inside = keys.iter().find_map(|(key, inner)| Some((key, inner.examine(map.get(key))?)));
                if let Some((key, mut mismatch)) = inside {
                    let dot = if mismatch.path.is_empty() { "" } else { "." };
                    mismatch.path = format!("{key}{dot}{}", mismatch.path);
                    return Some(mismatch);
                }
                let other = map.keys().find(|key| !keys.iter().any(|(known, _)| known == *key));
                match other.filter(|_| *exact) {
                    Some(key) => differs(format!("no key `{key}`")),
                    None => None,
                }
            }
            Self::Equals(wanted) => ok(value.is_some_and(|value| equal(wanted, value)), shown(wanted)),
            Self::Contains(wanted) => {
                let is = match value {
                    Some(Value::Array(list)) => list.iter().any(|item| equal(wanted, item)),
                    Some(value) => text_of(value).contains(&*text_of(wanted)),
                    None => false,
                };
                ok(is, self.describe())
            }
            Self::IContains(wanted) => {
                let is = value.is_some_and(|value| text_of(value).to_lowercase().contains(&wanted.to_lowercase()));
                ok(is, self.describe())
            }
            Self::StartsWith(wanted) => {
                ok(value.is_some_and(|value| text_of(value).starts_with(wanted.as_str())), self.describe())
            }
            Self::Matches(pattern) => ok(value.is_some_and(|value| pattern.is_match(&text_of(value))), self.describe()),
            Self::Compare(comparison, wanted) => {
                let is = value.and_then(Value::as_f64).is_some_and(|found| match comparison {
                    Comparison::Gt => found > *wanted,
                    Comparison::Gte => found >= *wanted,
                    Comparison::Lt => found < *wanted,
                    Comparison::Lte => found <= *wanted,
                });
                ok(is, self.describe())
            }
            Self::OneOf(all) => ok(value.is_some_and(|value| all.iter().any(|one| equal(one, value))), self.describe()),
        }
    }

    /// In words, for messages.
    pub fn describe(&self) -> String {
        let list = |all: &[Self], word: &str| all.iter().map(Self::describe).collect::<Vec<_>>().join(word);
        match self {
            Self::Equals(value) => shown(value),
            Self::Subset { keys, exact } => {
                let keys: Vec<_> = keys.iter().map(|(key, inner)| format!("{key}: {}", inner.describe())).collect();
                format!("{}{{{}}}", if *exact { "exactly " } else { "" }, keys.join(", "))
            }
            Self::Contains(value) => format!("something that contains {}", shown(value)),
            Self::IContains(text) => format!("something that contains {text:?} in any letter case"),
            Self::StartsWith(text) => format!("a text that starts with {text:?}"),
            Self::Matches(pattern) => format!("a text that matches /{}/", pattern.as_str()),
            Self::Compare(comparison, number) => {
                let word = match comparison {
                    Comparison::Gt => "above",
                    Comparison::Gte => "at least",
                    Comparison::Lt => "below",
                    Comparison::Lte => "at most",
                };
                format!("a number {word} {number}")
            }
            Self::OneOf(all) => format!("one of {}", all.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Self::Exists(true) => "a value".into(),
            Self::Exists(false) => "no value".into(),
            Self::Not(inner) => format!("not {}", inner.describe()),
            Self::AnyOf(all) => list(all, " or "),
            Self::AllOf(all) => list(all, " and "),
        }
    }
}

/// JSON equality by value: numbers are compared as numbers, maps without regard to order.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

fn text_of(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::String(text) => text.as_str().into(),
        value => value.to_string().into(),
    }
}

fn shown(value: &Value) -> String {
    const MOST: usize = 200;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn compile(value: &Value, path: &mut Vec<String>) -> Result<Matcher, MatcherError> {
    if path.len() > MAX_DEPTH {
        return Err(MatcherError { path: path.clone(), message: format!("nested deeper than {MAX_DEPTH} levels") });
    }
    let Value::Object(map) = value else { return Ok(Matcher::Equals(value.clone())) };
    if map.len() == 1
        && let Some((operator, operand)) = map.iter().next()
        && is_operator(operator)
    {
        path.push(operator.clone());
        let matcher = operation(operator, operand, path);
        path.pop();
        return matcher;
    }
    let exact = map.get("exact") == Some(&Value::Bool(true));
    let keys = subset(map, exact, path)?;
    Ok(Matcher::Subset { keys, exact })
}

fn subset(
    map: &Map<String, Value>,
    exact: bool,
    path: &mut Vec<String>,
) -> Result<Vec<(String, Matcher)>, MatcherError> {
    let mut keys = Vec::new();
    for (key, value) in map.iter().filter(|(key, _)| !(exact && *key == "exact")) {
        path.push(key.clone());
        keys.push((key.clone(), compile(value, path)?));
        path.pop();
    }
    Ok(keys)
}

fn operation(operator: &str, operand: &Value, path: &mut Vec<String>) -> Result<Matcher, MatcherError> {
    let wrong = |path: &[String], message: String| MatcherError { path: path.to_vec(), message };
    let text = |path: &[String]| match operand {
        Value::String(text) => Ok(text.clone()),
        _ => Err(wrong(path, format!("`{operator}` takes a text"))),
    };
    let list = |path: &[String]| match operand {
        Value::Array(list) => Ok(list.as_slice()),
        _ => Err(wrong(path, format!("`{operator}` takes a list"))),
    };
    let many = |path: &mut Vec<String>| {
        let mut all = Vec::new();
        for (i, item) in list(path)?.iter().enumerate() {
            path.push(i.to_string());
            all.push(compile(item, path)?);
            path.pop();
        }
        Ok(all)
    };
    let compare = |comparison| match operand.as_f64() {
        Some(number) => Ok(Matcher::Compare(comparison, number)),
        None => Err(wrong(path, format!("`{operator}` takes a number"))),
    };
    match operator {
        "contains" => Ok(Matcher::Contains(operand.clone())),
        "icontains" => Ok(Matcher::IContains(text(path)?)),
        "starts_with" => Ok(Matcher::StartsWith(text(path)?)),
        "matches" => {
            let pattern = text(path)?;
            Regex::new(&pattern).map(Matcher::Matches).map_err(|error| wrong(path, plain_regex_error(&error)))
        }
        "gt" => compare(Comparison::Gt),
        "gte" => compare(Comparison::Gte),
        "lt" => compare(Comparison::Lt),
        "lte" => compare(Comparison::Lte),
        "one_of" => Ok(Matcher::OneOf(list(path)?.to_vec())),
        "exists" => match operand {
            Value::Bool(wanted) => Ok(Matcher::Exists(*wanted)),
            _ => Err(wrong(path, "`exists` takes true or false".into())),
        },
        "not" => Ok(Matcher::Not(Box::new(compile(operand, path)?))),
        "any_of" => Ok(Matcher::AnyOf(many(path)?)),
        "all_of" => Ok(Matcher::AllOf(many(path)?)),
        _ => Ok(Matcher::Equals(operand.clone())),
    }
}

/// The last line of the library's message, which says what is wrong; the lines above draw the pattern.
fn plain_regex_error(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!("not a regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(matcher: Value, value: Value) -> bool {
        Matcher::compile(&matcher).unwrap().matches(Some(&value))
    }

    #[test]
    fn a_literal_is_json_equality() {
        assert!(matches(json!(20), json!(20.0)));
        assert!(!matches(json!(20), json!("20")));
        assert!(matches(json!([1, {"a": 2}]), json!([1.0, {"a": 2}])));
    }

    #[test]
    fn a_map_is_a_recursive_subset_unless_exact() {
        assert!(matches(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3})));
        assert!(!matches(json!({"a": 1, "exact": true}), json!({"a": 1, "d": 3})));
        assert!(matches(json!({"a": 1, "exact": true}), json!({"a": 1})));
        assert!(!matches(json!({"a": 1}), json!("a")));
    }

    #[test]
    fn every_operator_does_what_its_name_says() {
        let cases = [
            (json!({"equals": {"contains": 1}}), json!({"contains": 1}), json!({"contains": 2})),
            (json!({"contains": "b"}), json!("abc"), json!("xyz")),
            (json!({"contains": 2}), json!([1, 2.0]), json!([1])),
            (json!({"icontains": "B"}), json!("abc"), json!("xyz")),
            (json!({"starts_with": "ab"}), json!("abc"), json!("cab")),
            (json!({"matches": "^a.c$"}), json!("abc"), json!("abcd")),
            (json!({"gt": 1}), json!(1.5), json!(1)),
            (json!({"gte": 1}), json!(1), json!(0)),
            (json!({"lt": 1}), json!(0), json!(1)),
            (json!({"lte": 1}), json!(1), json!("1")),
            (json!({"one_of": [1, "a"]}), json!("a"), json!("b")),
            (json!({"not": {"gt": 1}}), json!(1), json!(2)),
            (json!({"any_of": [1, {"gt": 5}]}), json!(6), json!(3)),
            (json!({"all_of": [{"gt": 1}, {"lt": 5}]}), json!(3), json!(6)),
        ];
        for (matcher, good, bad) in cases {
            assert!(matches(matcher.clone(), good.clone()), "{matcher} should match {good}");
            assert!(!matches(matcher.clone(), bad.clone()), "{matcher} should not match {bad}");
        }
        let absent = Matcher::compile(&json!({"a": {"exists": false}})).unwrap();
        assert!(absent.matches(Some(&json!({}))) && !absent.matches(Some(&json!({"a": null}))));
    }

    #[test]
    fn named_groups_are_caught() {
        let matcher = Matcher::compile(&json!({"user": {"matches": r"refund (?<amount>\d+)"}})).unwrap();
        let caught = matcher.captures(Some(&json!({"user": "please refund 250 now"})));
        assert_eq!(caught.get("amount").map(String::as_str), Some("250"));
    }

    #[test]
    fn a_mismatch_says_where_and_what() {
        let matcher = Matcher::compile(&json!({"a": {"b": {"gt": 100}}})).unwrap();
        let difference = matcher.mismatch(Some(&json!({"a": {"b": 7}}))).unwrap();
        assert_eq!(difference.to_string(), "a.b: wanted a number above 100, found 7");
    }

    #[test]
    fn what_does_not_compile_says_where() {
        let error = Matcher::compile(&json!({"a": {"matches": "("}})).unwrap_err();
        assert_eq!(error.path, ["a", "matches"]);
        assert_eq!(error.message, "not a regular expression: unclosed group");
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!({ "not": deep });
        }
        assert!(Matcher::compile(&deep).is_err());
    }
}
