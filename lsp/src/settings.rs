//! The settings of a client: the section `aic` of its configuration, or what it gives when it starts.

use serde_json::Value;

/// The section of the client's configuration.
pub(crate) const SECTION: &str = "aic";

/// What a person can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `aic.environment`: the environment that specs are checked as.
    pub(crate) environment: Option<String>,
    /// `aic.inlayHints.enable`.
    pub(crate) inlay_hints: bool,
    /// `aic.codeLens.enable`.
    pub(crate) code_lenses: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { environment: None, inlay_hints: true, code_lenses: true }
    }
}

impl Settings {
    /// Reads a section, with or without `aic` around it, and says what in there is not as it should be: that is left at its
    /// default, for a mistake in the settings of an editor must not stop it.
    pub(crate) fn read(value: &Value) -> (Self, Vec<String>) {
        let mut wrong = Vec::new();
        let section = value.get(SECTION).unwrap_or(value);
        if !section.is_object() && !is_nothing(section) {
            wrong.push(format!("the settings `{SECTION}` are a map, not {}", kind(section)));
        }
        let environment = match section.get("environment") {
            Some(Value::String(name)) => Some(name.clone()).filter(|name| !name.is_empty()),
            Some(other) if !other.is_null() => {
                wrong.push(format!(
                    "the setting `{SECTION}.environment` is the name of an environment, not {}: specs are checked as none",
                    kind(other)
                ));
                None
            }
            _ => None,
        };
        let inlay_hints = enabled(section, "inlayHints", &mut wrong);
        let code_lenses = enabled(section, "codeLens", &mut wrong);
        (Self { environment, inlay_hints, code_lenses }, wrong)
    }
}

/// `{key: {enable: false}}`, or `{key: false}`.
fn enabled(section: &Value, key: &str, wrong: &mut Vec<String>) -> bool {
    let Some(found) = section.get(key) else { return true };
    let (value, name) = match found.get("enable") {
        Some(value) => (value, format!("{SECTION}.{key}.enable")),
        None => (found, format!("{SECTION}.{key}")),
    };
    match value {
        Value::Bool(is) => *is,
        Value::Object(_) if std::ptr::eq(value, found) => true,
        nothing if is_nothing(nothing) => true,
        other => {
            wrong.push(format!("the setting `{name}` is true or false, not {}: it is taken as true", kind(other)));
            true
        }
    }
}

/// Nothing chosen; some clients have one empty list for all that is empty.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// What a value is, without itself: settings may hold what is nobody's business.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_section_is_read_with_and_without_its_name() {
        let wanted = Settings { environment: Some("staging".into()), inlay_hints: false, code_lenses: true };
        let section = json!({"environment": "staging", "inlayHints": {"enable": false}});
        let read = |value: Value| Settings::read(&value);
        assert_eq!(read(section.clone()), (wanted.clone(), vec![]));
        assert_eq!(read(json!({ "aic": section })), (wanted.clone(), vec![]));
        assert_eq!(read(json!({"environment": "staging", "inlayHints": false})), (wanted, vec![]));
    }

    #[test]
    fn nothing_and_what_is_not_ours_is_the_default_without_a_word() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!({"aic": null}),
            json!({"environment": null, "codeLens": {}, "inlayHints": {"enable": null}}),
            json!({"environment": "", "server": {"path": 5}, "trace": 7}),
            json!({"yaml": 1}),
        ] {
            assert_eq!(Settings::read(&value), (Settings::default(), vec![]), "{value}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_the_default_and_is_said() {
        for (value, wanted) in [
            (json!("x"), "`aic` are a map, not a text"),
            (json!([1]), "`aic` are a map, not a list"),
            (json!({"aic": 7}), "`aic` are a map, not a number"),
            (json!({"environment": 1}), "`aic.environment` is the name of an environment, not a number"),
            (json!({"aic": {"environment": ["a"]}}), "`aic.environment` is the name of an environment, not a list"),
            (json!({"codeLens": "x"}), "`aic.codeLens` is true or false, not a text"),
            (json!({"inlayHints": {"enable": "false"}}), "`aic.inlayHints.enable` is true or false, not a text"),
            (json!({"inlayHints": {"enable": {}}}), "`aic.inlayHints.enable` is true or false, not a map"),
        ] {
            let (settings, wrong) = Settings::read(&value);
            assert_eq!(settings, Settings::default(), "{value}");
            assert!(wrong.len() == 1 && wrong[0].contains(wanted), "{value}: {wrong:?}");
        }
        let both = json!({"environment": "qa", "codeLens": 0, "inlayHints": 1});
        let (settings, wrong) = Settings::read(&both);
        assert_eq!((settings.environment.as_deref(), wrong.len()), (Some("qa"), 2));
    }
}
