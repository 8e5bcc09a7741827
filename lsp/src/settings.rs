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
    /// Reads a section, with or without `aic` around it. What is missing or of another type is the default: a mistake in
    /// the settings of an editor must not stop it.
    pub(crate) fn read(value: &Value) -> Self {
        let section = value.get(SECTION).unwrap_or(value);
        let enabled = |key: &str| {
            let found = section.get(key);
            found.and_then(|found| found.get("enable").unwrap_or(found).as_bool()).unwrap_or(true)
        };
        let environment = section.get("environment").and_then(Value::as_str).filter(|name| !name.is_empty());
        Self {
            environment: environment.map(str::to_owned),
            inlay_hints: enabled("inlayHints"),
            code_lenses: enabled("codeLens"),
        }
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
        assert_eq!(Settings::read(&section), wanted);
        assert_eq!(Settings::read(&json!({ "aic": section })), wanted);
        assert_eq!(Settings::read(&json!({"environment": "staging", "inlayHints": false})), wanted);
    }

    #[test]
    fn nonsense_is_the_default() {
        for value in [json!(null), json!([]), json!("x"), json!({"aic": 7}), json!({"environment": 1, "codeLens": "x"})]
        {
            assert_eq!(Settings::read(&value), Settings::default(), "{value}");
        }
    }
}
