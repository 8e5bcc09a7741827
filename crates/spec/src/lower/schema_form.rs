//! The form of a JSON Schema that stands in a spec: what no validator would take, and what it would silently not check.

use crate::codes::BAD_VALUE;
use crate::cx::{Cx, Doc};
use crate::tree::Node;
use crate::words::{did_you_mean, nearest, shown};
use serde_json::Value;

pub(crate) const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// The deepest schema in a schema that is looked at; a spec is nested no deeper.
const MAX_DEPTH: usize = 64;

/// Something that is wrong in a schema.
struct Wrong {
    path: Vec<String>,
    message: String,
}

/// Reports what is wrong with a schema that is written in place.
pub(super) fn check_node(cx: &mut Cx<'_>, doc: &Doc, node: &Node) {
    for wrong in problems(&node.to_json()) {
        let at = node.at(&wrong.path).unwrap_or(node);
        cx.report(doc.find(BAD_VALUE, crate::check::head(at, &doc.text), wrong.message));
    }
}

/// What is wrong with a schema of a file, each with the place in it.
pub(super) fn check_value(value: &Value) -> Vec<String> {
    problems(value).into_iter().map(|wrong| format!("{} (at `/{}`)", wrong.message, wrong.path.join("/"))).collect()
}

fn problems(value: &Value) -> Vec<Wrong> {
    let mut found = Vec::new();
    schema(value, &mut Vec::new(), &mut found);
    found.truncate(20);
    found
}

fn schema(value: &Value, path: &mut Vec<String>, found: &mut Vec<Wrong>) {
    if path.len() > MAX_DEPTH {
        return;
    }
    let Value::Object(map) = value else {
        // Nothing at all was left out by the tree, which said so.
        if !value.is_boolean() && !value.is_null() && !is_variable(value) {
            let message = "a JSON Schema is a map, such as `{type: string}`".to_owned();
            found.push(Wrong { path: path.clone(), message });
        }
        return;
    };
    for (key, value) in map {
        path.push(key.clone());
        match (key.as_str(), value) {
            ("type", Value::String(word)) => known_type(word, path, found),
            ("type", Value::Array(words)) => {
                for (at, word) in words.iter().enumerate() {
                    path.push(at.to_string());
                    known_type(word.as_str().unwrap_or(""), path, found);
                    path.pop();
                }
            }
            ("type", _) => wrong(path, found, "`type` takes a word, such as `string`, or a list of them"),
            ("properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(all)) => {
                for (name, inner) in all {
                    path.push(name.clone());
                    schema(inner, path, found);
                    path.pop();
                }
            }
            ("properties" | "patternProperties" | "$defs" | "definitions", _) => {
                wrong(path, found, &format!("`{key}` takes a map of names to schemas"));
            }
            ("required", Value::Array(names)) => required(names, map.get("properties"), path, found),
            ("required", _) => wrong(path, found, "`required` takes a list of names: it stands beside `properties`"),
            ("enum", Value::Array(values)) if !values.is_empty() => {}
            ("enum", _) => wrong(path, found, "`enum` takes a list of the values that are allowed"),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(all)) if !all.is_empty() => {
                for (at, inner) in all.iter().enumerate() {
                    path.push(at.to_string());
                    schema(inner, path, found);
                    path.pop();
                }
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", _) => {
                wrong(path, found, &format!("`{key}` takes a list of schemas"));
            }
            ("items", Value::Array(_)) => {}
            (
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedProperties"
                | "unevaluatedItems",
                inner,
            ) => schema(inner, path, found),
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf", value)
                if !(value.is_number() || value.is_boolean() && key.starts_with("exclusive")) =>
            {
                wrong(path, found, &format!("`{key}` takes a number"));
            }
            ("minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties", value)
                if !value.is_u64() =>
            {
                wrong(path, found, &format!("`{key}` takes a whole number, 0 or more"));
            }
            _ => {}
        }
        path.pop();
    }
}

fn is_variable(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("${"))
}

fn wrong(path: &[String], found: &mut Vec<Wrong>, message: &str) {
    found.push(Wrong { path: path.to_vec(), message: message.to_owned() });
}

fn known_type(word: &str, path: &[String], found: &mut Vec<Wrong>) {
    if !TYPES.contains(&word) {
        let meant = did_you_mean(nearest(word, TYPES));
        wrong(path, found, &format!("`{}` is no type of JSON: {}{meant}", shown(word), TYPES.join(", ")));
    }
}

/// A required name that is nearly, but not quite, one of the properties.
fn required(names: &[Value], properties: Option<&Value>, path: &mut Vec<String>, found: &mut Vec<Wrong>) {
    let known: Vec<&str> =
        properties.and_then(Value::as_object).map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
    for (at, name) in names.iter().enumerate() {
        path.push(at.to_string());
        match name.as_str() {
            None => wrong(path, found, "`required` takes a list of names"),
            Some(name) if !known.contains(&name) => {
                if let Some(meant) = nearest(name, known.iter().copied()) {
                    let meant = did_you_mean(Some(meant));
                    wrong(path, found, &format!("`{}` is required and no property{meant}", shown(name)));
                }
            }
            Some(_) => {}
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_validator_would_not_take_is_named_with_its_place() {
        let messages = |value: Value| check_value(&value);
        assert!(messages(json!({"type": "objct"}))[0].contains("did you mean `object`"));
        assert!(messages(json!({"properties": {"a": "string"}}))[0].contains("/properties/a"));
        assert!(messages(json!({"properties": {"order_id": {}}, "required": ["order_di"]}))[0].contains("order_id"));
        for value in [
            json!({"type": 5}),
            json!({"required": true}),
            json!({"enum": "a"}),
            json!({"anyOf": []}),
            json!({"items": {"type": "strng"}}),
            json!({"minimum": "1"}),
            json!([]),
        ] {
            assert_eq!(messages(value.clone()).len(), 1, "{value}");
        }
        for value in [
            json!(true),
            json!({}),
            json!({"type": ["string", "null"], "pattern": "^a"}),
            json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a", "other"], "additionalProperties": false}),
            json!({"$ref": "#/$defs/x", "$defs": {"x": {"enum": [1]}}}),
        ] {
            assert_eq!(messages(value.clone()), Vec::<String>::new(), "{value}");
        }
    }
}
