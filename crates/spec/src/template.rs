//! Texts with `${VARIABLES}`: `$${` is a literal `${`, a value is inserted once and never scanned again.

use aic_base::Span;
use serde_json::Value;

/// A text with variables, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// What stands between `${` and `}`: `INPUT`, `args.x`, `secret:NAME`.
    pub name: String,
    /// Its bytes in the template, `${` and `}` included.
    pub span: Span,
}

/// A place of a template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Its bytes in the template.
    pub span: Span,
    /// What is wrong and what to do.
    pub message: &'static str,
}

/// A variable has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`${{{name}}}` has no value: give it one (`--var {name}=…`) or a default under `prompts.variables`")]
pub struct MissingVar {
    /// Its name.
    pub name: String,
}

impl Template {
    /// Parses a text. What cannot be read stays text; [`Template::parse_strict`] says what that is.
    pub fn parse(text: &str) -> Self {
        Self::parse_strict(text).0
    }

    /// Parses a text, and says what in it looks like a variable but is none.
    pub fn parse_strict(text: &str) -> (Self, Vec<TemplateError>) {
        let mut parts = Vec::new();
        let mut errors = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let open = at + found;
            if text[at..open].ends_with('$') {
                literal.push_str(&text[at..open - 1]);
                literal.push_str("${");
                at = open + 2;
                continue;
            }
            literal.push_str(&text[at..open]);
            // A name ends on its line and is short: an open `${` does not swallow the rest of the prompt.
            let rest = &text[open + 2..];
            let near = &rest[..rest.floor_char_boundary(256)];
            let line = near.split(['\n', '\r']).next().unwrap_or(near);
            match line.find('}').map(|end| &line[..end]) {
                Some(name) if is_name(name.trim()) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    let end = open + 2 + name.len() + 1;
                    let span = Span::new(open, end);
                    parts.push(Part::Variable(Variable { name: name.trim().to_owned(), span }));
                    at = end;
                }
                Some(name) => {
                    let span = Span::new(open, open + 2 + name.len() + 1);
                    let message =
                        "what stands between `${` and `}` is no name of a variable: write `$${` for a literal `${`";
                    errors.push(TemplateError { span, message });
                    literal.push_str("${");
                    at = open + 2;
                }
                None => {
                    let message = "`${` is not closed: write `}` after the name, or `$${` for a literal `${`";
                    errors.push(TemplateError { span: Span::new(open, open + 2), message });
                    literal.push_str("${");
                    at = open + 2;
                }
            }
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        (Self { parts }, errors)
    }

    /// Its variables, in order, repeated ones as often as they stand.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The text with every variable replaced by what `value` gives for its name.
    ///
    /// # Errors
    /// [`MissingVar`] for the first one that has none.
    pub fn render(&self, mut value: impl FnMut(&str) -> Option<String>) -> Result<String, MissingVar> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Variable(Variable { name, .. }) => {
                    text.push_str(&value(name).ok_or_else(|| MissingVar { name: name.clone() })?);
                }
            }
        }
        Ok(text)
    }

    /// As [`Template::render`], but a template that is one variable and nothing else keeps the type of its value.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_value(&self, mut value: impl FnMut(&str) -> Option<Value>) -> Result<Value, MissingVar> {
        if let [Part::Variable(Variable { name, .. })] = self.parts.as_slice() {
            return value(name).ok_or_else(|| MissingVar { name: name.clone() });
        }
        self.render(|name| {
            value(name).map(|value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            })
        })
        .map(Value::String)
    }

    /// Replaces the variables in every text of a JSON value; keys stay as they are.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_json(json: &Value, value: &mut dyn FnMut(&str) -> Option<Value>) -> Result<Value, MissingVar> {
        Ok(match json {
            Value::String(text) if text.contains("${") => Self::parse(text).render_value(&mut *value)?,
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| Self::render_json(item, value)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, item)| Ok((key.clone(), Self::render_json(item, value)?)))
                    .collect::<Result<_, MissingVar>>()?,
            ),
            other => other.clone(),
        })
    }
}

/// Letters, digits, `_`, and `.`, `-`, `:` inside: `INPUT`, `match.id`, `steps.a-b.output`, `secret:TOKEN`.
fn is_name(text: &str) -> bool {
    text.len() <= 200
        && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ':' | '[' | ']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str) -> Result<String, MissingVar> {
        Template::parse(text).render(|name| match name {
            "A" => Some("one".into()),
            "B" => Some("${A}".into()),
            _ => None,
        })
    }

    #[test]
    fn a_value_is_inserted_once_and_never_scanned_again() {
        assert_eq!(render("<${A}> ${B} $${A} $A {A} $$"), Ok("<one> ${A} ${A} $A {A} $$".into()));
        assert_eq!(render("${C}").unwrap_err().name, "C");
    }

    #[test]
    fn a_scalar_that_is_only_a_variable_keeps_its_type() {
        let value = |name: &str| (name == "n").then(|| json!(5));
        assert_eq!(Template::parse("${n}").render_value(value), Ok(json!(5)));
        assert_eq!(Template::parse("${n} x").render_value(value), Ok(json!("5 x")));
        let nested = json!({"a": ["${n}", 1], "${n}": "b"});
        let done = Template::render_json(&nested, &mut |_| Some(json!(5)));
        assert_eq!(done, Ok(json!({"a": [5, 1], "${n}": "b"})));
    }

    #[test]
    fn what_is_no_variable_stays_text_and_is_said() {
        let (template, errors) = Template::parse_strict("${ ${a b} ${ok} ${\n}");
        assert_eq!(template.variables().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["ok"]);
        assert_eq!(errors.len(), 3);
        let spans: Vec<_> = errors.iter().map(|e| (e.span.start, e.span.end)).collect();
        assert_eq!(spans, [(0, 9), (3, 9), (16, 18)]);
    }

    #[test]
    fn spans_are_those_of_the_variable_with_its_brackets() {
        let text = "ü ${A}!";
        let template = Template::parse(text);
        assert_eq!(template.variables().next().map(|v| v.span.of(text)), Some("${A}"));
    }
}
