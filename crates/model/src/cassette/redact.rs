//! What is taken out of a cassette before it is written. Personal data of the run can be put back when it is replayed,
//! because the run knows it; a secret never is.

use crate::keys::Scrub;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Takes out what looks like a secret.
pub type Detect = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A value shorter than this would be found inside other words, in bytes.
const SHORTEST: usize = 3;

/// What is taken out.
#[derive(Clone, Default)]
pub struct Redaction {
    secrets: Scrub,
    /// Name and value, longer values first.
    personal: Vec<(String, String)>,
    detect: Option<Detect>,
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.personal.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Redaction").field("secrets", &self.secrets).field("personal", &names).finish_non_exhaustive()
    }
}

impl Redaction {
    /// Takes out these secrets, these personal values by their names, and what the detector finds.
    pub fn new(secrets: Scrub, personal: Vec<(String, String)>, detect: Option<Detect>) -> Self {
        let mut personal: Vec<_> = personal.into_iter().filter(|(_, value)| value.len() >= SHORTEST).collect();
        // A value inside a longer one must not spoil the longer one.
        personal.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
        Self { secrets, personal, detect }
    }

    /// The text as it may be written.
    pub fn hide(&self, text: &str) -> String {
        let mut text = self.secrets.clean(text);
        for (name, value) in &self.personal {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), &mark(name));
            }
        }
        match &self.detect {
            Some(detect) => detect(&text),
            None => text,
        }
    }

    /// The text as this run would have seen it.
    pub fn show(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.personal {
            let mark = mark(name);
            if text.contains(&mark) {
                text = text.replace(&mark, value);
            }
        }
        text
    }

    /// Every text inside a value, hidden.
    pub fn hide_all(&self, value: &Value) -> Value {
        map_texts(value, &|text| self.hide(text))
    }

    /// Every text inside a value, shown.
    pub fn show_all(&self, value: &Value) -> Value {
        map_texts(value, &|text| self.show(text))
    }
}

fn mark(name: &str) -> String {
    format!("«{name}»")
}

/// What comes from JSON or YAML is nested a hundred deep at most.
fn map_texts(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => change(text).into(),
        Value::Array(list) => list.iter().map(|item| map_texts(item, change)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (change(key), map_texts(value, change))).collect())
        }
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use serde_json::json;

    #[test]
    fn personal_values_are_named_and_come_back_secrets_do_not() {
        let mut secrets = Scrub::default();
        secrets.hide(SecretString::from("sk-planted".to_owned()));
        let personal = vec![("name".to_owned(), "Ann".to_owned()), ("user_id".to_owned(), "Ann-77".to_owned())];
        let redaction = Redaction::new(secrets, personal, None);
        let hidden = redaction.hide_all(&json!({"to": ["Ann-77 (Ann)", "sk-planted"]}));
        assert_eq!(hidden, json!({"to": ["«user_id» («name»)", "[secret]"]}));
        assert_eq!(redaction.show_all(&hidden), json!({"to": ["Ann-77 (Ann)", "[secret]"]}));
        assert!(!format!("{redaction:?}").contains("Ann-77"));
    }
}
