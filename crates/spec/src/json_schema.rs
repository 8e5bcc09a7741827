//! The JSON Schema (2020-12) of the language, made from the one table that validates, completes and documents.
//!
//! For editors that know nothing of this program. It says what the table says: keys, types, words, ranges, patterns. What
//! needs the whole spec (names, files, conditions, models) only [`load`](crate::load) can judge.

use crate::files::FileKind;
use crate::schema::{
    BARE_EXPECTATIONS, COMPOSE, CONTAINER, EXPECTATIONS, Enforced, GUARDRAIL, Key, NOT_IN_OVERLAYS, Record, SQL_VERBS,
    Shape, TEST_FILE, Word,
};
use aic_guard::{Builtin, ParamKind};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The schema of a kind of file.
pub fn json_schema(kind: FileKind) -> Value {
    let (record, title): (&'static Record, &str) = match kind {
        FileKind::Container => (&CONTAINER, "AI Behavior Specification 1.0: a container spec"),
        FileKind::Compose => (&COMPOSE, "AI Behavior Specification 1.0: a workflow"),
        FileKind::Tests => (&TEST_FILE, "AI Behavior Specification 1.0: behaviour tests kept apart"),
    };
    let mut maker = Maker { names: HashMap::new(), defs: Map::new(), filled: false };
    maker.defs.insert(
        FILLED.into(),
        json!({"type": "string", "pattern": r"^\s*\$\{[\s\S]*\}\s*$", "description": "A variable, filled in with its type"}),
    );
    let root = maker.record(record);
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), title.into());
    schema.extend(root.as_object().cloned().unwrap_or_default());
    maker.defs.sort_keys();
    schema.insert("$defs".into(), Value::Object(maker.defs));
    Value::Object(schema)
}

/// What a variable stands in for; no record is called so.
const FILLED: &str = "filled-in-variable";

struct Maker {
    /// The names of the records by their address: the table has each once.
    names: HashMap<*const Record, String>,
    defs: Map<String, Value>,
    /// Whether an expectation is described: variables are filled in there, and in no other number.
    filled: bool,
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn any_of(all: Vec<Value>) -> Value {
    match <[Value; 1]>::try_from(all) {
        Ok([one]) => one,
        Err(all) => json!({"anyOf": all}),
    }
}

impl Maker {
    fn filled(&self, value: Value) -> Value {
        if self.filled { any_of(vec![value, reference(FILLED)]) } else { value }
    }

    fn record(&mut self, record: &'static Record) -> Value {
        let address = std::ptr::from_ref(record);
        if let Some(name) = self.names.get(&address) {
            return reference(name);
        }
        let slug = slug(record.title);
        let taken = |name: &String| self.names.values().any(|known| known == name);
        let name = std::iter::once(slug.clone())
            .chain((2..).map(|number| format!("{slug}-{number}")))
            .find(|name| !taken(name))
            .unwrap_or(slug);
        self.names.insert(address, name.clone());
        let schema = if std::ptr::eq(record, &raw const GUARDRAIL) { self.guardrail() } else { self.map(record) };
        self.defs.insert(name.clone(), schema);
        reference(&name)
    }

    fn map(&mut self, record: &'static Record) -> Value {
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("description".into(), record.title.into());
        schema.insert("properties".into(), Value::Object(self.properties(record)));
        let required: Vec<&str> = record.keys().filter(|key| key.required).map(|key| key.name).collect();
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
        let other = match record.open {
            None => json!(false),
            Some(shape) => or_null(self.shape(shape)),
        };
        schema.insert("additionalProperties".into(), other);
        schema.extend(whole(record.title).as_object().cloned().unwrap_or_default());
        Value::Object(schema)
    }

    /// What an environment lays over the spec: its keys, but for those that only a spec has.
    fn overlays(&mut self) -> Value {
        let Value::Object(container) = self.record(&CONTAINER) else { return json!(true) };
        let place = container.get("$ref").and_then(Value::as_str).unwrap_or_default().to_owned();
        let keys = CONTAINER.keys().filter(|key| !NOT_IN_OVERLAYS.contains(&key.name));
        let properties: Map<String, Value> = keys
            .map(|key| (key.name.to_owned(), json!({"$ref": format!("{place}/properties/{}", key.name)})))
            .collect();
        let overlay = json!({"type": ["object", "null"], "properties": properties, "additionalProperties": false});
        json!({"type": "object", "additionalProperties": overlay})
    }

    fn properties(&mut self, record: &'static Record) -> Map<String, Value> {
        record.keys().map(|key| (key.name.to_owned(), self.property(key))).collect()
    }

    fn property(&mut self, key: &'static Key) -> Value {
        let shape = match (key.name, key.default) {
            ("version", Some(_)) => json!({"enum": versions()}),
            ("environments", _) => self.overlays(),
            _ => self.shape(&key.shape),
        };
        // Nothing behind the colon is a key that is not there; in an inheriting spec it deletes the base's.
        let shape = if key.required { shape } else { or_null(shape) };
        let mut schema = match shape {
            Value::Object(map) if !map.contains_key("$ref") => map,
            Value::Bool(true) => Map::new(),
            other => Map::from_iter([("anyOf".to_owned(), json!([other]))]),
        };
        let mut said = key.doc.to_owned();
        if let Some(long) = key.short_for {
            said.push_str(&format!(" (short for `{long}`)"));
        }
        if key.enforced != Enforced::Yes {
            said.push_str(" (read, not enforced yet)");
        }
        schema.insert("description".into(), said.into());
        if let Some(default) = key.default {
            let value = crate::parse(default).root.map_or(Value::Null, |root| root.to_json());
            schema.insert("default".into(), value);
        }
        Value::Object(schema)
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Any | Shape::Matcher => json!(true),
            Shape::Text | Shape::Condition => json!({"type": ["string", "number", "boolean"]}),
            Shape::Slug => {
                json!({"type": ["string", "integer", "boolean"], "pattern": "^[a-z0-9][a-z0-9-]*$", "minimum": 0})
            }
            Shape::Bool => self.filled(json!({"type": "boolean"})),
            Shape::Integer(low, high) => self.filled(range(
                "integer",
                (*low > i64::MIN).then(|| json!(low)),
                (*high < i64::MAX).then(|| json!(high)),
            )),
            Shape::Number(low, high) => {
                self.filled(range("number", low.is_finite().then(|| json!(low)), high.is_finite().then(|| json!(high))))
            }
            Shape::Duration => self.filled(any_of(vec![
                json!({"type": "string", "pattern": r"^\s*(\d+\.?\d*|\.\d+)\s*(ms|s|m|h|d)?\s*$"}),
                json!({"type": "number", "minimum": 0}),
            ])),
            Shape::Size => self.filled(any_of(vec![
                json!({"type": "string", "pattern": r"^\s*(\d+\.?\d*|\.\d+)\s*(B|[kKMG]B|[KMG]iB)?\s*$"}),
                json!({"type": "number", "minimum": 0}),
            ])),
            Shape::Share => self.filled(any_of(vec![
                json!({
                    "type": "string",
                    "pattern": r"^\s*((0*(100(\.0*)?|\d{1,2}(\.\d*)?)|\.\d+)\s*%|0*(1(\.0*)?|0(\.\d*)?)|\.\d+)\s*$",
                }),
                json!({"type": "number", "minimum": 0, "maximum": 1}),
            ])),
            Shape::Money => self.filled(any_of(vec![
                json!({"type": "string", "pattern": r"^\s*\$?(\d+\.?\d*|\.\d+)\s*$"}),
                json!({"type": "number", "minimum": 0}),
            ])),
            Shape::Url => json!({"type": "string", "pattern": r"^(https?://[^\s/:?#]\S*|\$\{\S*)$"}),
            Shape::HostPort => {
                json!({"type": "string", "pattern": r"^([A-Za-z0-9.*-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"})
            }
            Shape::Moment => {
                self.filled(json!({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d{2}-\d{2}"}))
            }
            Shape::EnvName => json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
            Shape::Words(words) => self.words(words),
            Shape::SqlVerb => {
                // Any case will do, and patterns of JSON Schema have no flag for it.
                let letter = |c: char| format!("[{}{}]", c, c.to_ascii_lowercase());
                let verbs = SQL_VERBS.map(|verb| verb.word.chars().map(letter).collect::<String>());
                json!({"type": "string", "pattern": format!("^({})$", verbs.join("|"))})
            }
            Shape::Path | Shape::Glob => json!({"type": "string"}),
            Shape::Regex => json!({"type": "string", "format": "regex"}),
            Shape::JsonSchema => self.json_schema(),
            Shape::Expectation => self.expectation(),
            Shape::List(inner) => json!({"type": "array", "items": self.shape(inner)}),
            Shape::OneOrMore(inner) => {
                let one = self.shape(inner);
                any_of(vec![json!({"type": "array", "items": one}), one])
            }
            // In an inheriting spec nothing in place of a value deletes the base's; a workflow has no base.
            Shape::Named(inner) => {
                let of_workflow = matches!(inner, Shape::Record(record) if record.title == "a service");
                let inner = self.shape(inner);
                json!({"type": "object", "additionalProperties": if of_workflow { inner } else { or_null(inner) }})
            }
            Shape::Record(record) => self.record(record),
            Shape::Either(shapes) => {
                // A guardrail's own schema has its short forms, too.
                let guardrail = |shape: &&Shape| matches!(shape, Shape::Record(record) if std::ptr::eq(*record, &raw const GUARDRAIL));
                match shapes.iter().find(guardrail) {
                    Some(shape) => self.shape(shape),
                    None => any_of(shapes.iter().map(|shape| self.shape(shape)).collect()),
                }
            }
        }
    }

    fn words(&self, words: &'static [Word]) -> Value {
        let docs: Vec<&str> = words.iter().map(|word| word.doc).collect();
        let words: Vec<&str> = words.iter().map(|word| word.word).collect();
        json!({"enum": words, "enumDescriptions": docs})
    }

    /// The outline of a JSON Schema: what the checker looks at, too.
    fn json_schema(&mut self) -> Value {
        let name = "json-schema";
        if !self.defs.contains_key(name) {
            let one = || reference(name);
            let (types, all) = (crate::lower::JSON_TYPES, json!({"type": "array", "minItems": 1, "items": one()}));
            let named = json!({"type": ["object", "null"], "additionalProperties": one()});
            let (number, count) = (json!({"type": "number"}), json!({"type": "integer", "minimum": 0}));
            self.defs.insert(
                name.into(),
                json!({
                    "type": ["object", "boolean", "null"],
                    "description": "a JSON Schema",
                    "properties": {
                        "type": {"anyOf": [{"enum": types}, {"type": "array", "items": {"enum": types}}]},
                        "properties": named, "patternProperties": named, "$defs": named, "definitions": named,
                        "required": {"type": "array", "items": {"type": "string"}},
                        "enum": {"type": "array", "minItems": 1},
                        "anyOf": all, "oneOf": all, "allOf": all, "prefixItems": all,
                        "items": {"anyOf": [one(), {"type": "array"}]},
                        "additionalProperties": one(), "not": one(), "if": one(), "then": one(), "else": one(),
                        "minimum": number, "maximum": number, "multipleOf": number,
                        "minLength": count, "maxLength": count, "minItems": count, "maxItems": count,
                        "minProperties": count, "maxProperties": count,
                    },
                }),
            );
        }
        json!({"allOf": [reference(name), {"type": "object"}]})
    }

    fn expectation(&mut self) -> Value {
        let name = "expectation";
        if !self.defs.contains_key(name) {
            // Expectations hold expectations: the name is there before what it stands for.
            self.defs.insert(name.into(), Value::Null);
            let outside = std::mem::replace(&mut self.filled, true);
            let properties = self.properties(&EXPECTATIONS);
            self.filled = outside;
            let one = json!({
                "type": "object", "properties": properties, "minProperties": 1, "maxProperties": 1,
                "additionalProperties": false,
            });
            self.defs.insert(name.into(), json!({"anyOf": [{"enum": BARE_EXPECTATIONS}, one]}));
        }
        reference(name)
    }

    /// A built-in by its name alone, `{name: …}` with its keys, or `{built-in: value}`.
    fn guardrail(&mut self) -> Value {
        let names: Vec<&str> =
            Builtin::ALL.into_iter().map(Builtin::name).chain(["cost_limit", "audit_logging"]).collect();
        // Each stands once: every built-in has them all.
        let mut common = self.properties(&GUARDRAIL);
        for (key, schema) in &mut common {
            let name = format!("guardrail-{key}");
            self.defs.insert(name.clone(), std::mem::replace(schema, reference(&name)));
        }
        let mut whole = common.clone();
        let mut direct = Map::new();
        for name in &names {
            let Some(builtin) = Builtin::from_name(name) else { continue };
            let mut inside = common.clone();
            inside.shift_remove("name");
            for param in builtin.params() {
                let mut schema = param_schema(param.kind);
                if let Value::Object(map) = &mut schema {
                    map.insert("description".into(), param.doc.into());
                    let default = crate::parse(param.default).root.map_or(Value::Null, |root| root.to_json());
                    map.insert("default".into(), default);
                }
                inside.insert(param.name.into(), schema.clone());
                whole
                    .entry(param.name)
                    .and_modify(|known| *known = json!({"anyOf": [known.clone(), schema]}))
                    .or_insert(schema);
            }
            let map = json!({"type": "object", "properties": inside, "additionalProperties": false});
            let mut forms = vec![map, json!({"type": "null"}), json!({"const": true})];
            if let Some(param) =
                aic_guard::direct_key(builtin).and_then(|key| builtin.params().iter().find(|param| param.name == key))
            {
                whole.insert((*name).to_owned(), param_schema(param.kind));
                forms.push(param_schema(param.kind));
            }
            direct.insert((*name).to_owned(), json!({"description": builtin.doc(), "anyOf": forms}));
        }
        let docs: Vec<&str> = names.iter().filter_map(|name| Builtin::from_name(name)).map(Builtin::doc).collect();
        json!({
            "description": "a guardrail",
            "anyOf": [
                {"enum": names, "enumDescriptions": docs},
                {"type": "object", "properties": whole, "required": ["name"], "additionalProperties": false},
                {"type": "object", "properties": direct, "minProperties": 1, "maxProperties": 1, "additionalProperties": false},
            ],
        })
    }
}

fn param_schema(kind: ParamKind) -> Value {
    let texts = json!({"type": ["string", "number"]});
    match kind {
        ParamKind::Count => json!({"type": "integer", "minimum": 0}),
        ParamKind::Share => {
            json!({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": r"^\s*[\d.]+\s*%?\s*$"}]})
        }
        ParamKind::Money | ParamKind::MoneyOrShare => {
            json!({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\$?[\d.]+\s*(%|/\s*(hour|h))?\s*$"}]})
        }
        ParamKind::Duration => {
            json!({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*[\d.]+\s*(ms|s|m|h|d)?\s*$"}]})
        }
        ParamKind::Texts => json!({"anyOf": [{"type": "array", "items": texts}, texts]}),
        ParamKind::ListOf(words) => json!({"anyOf": [{"type": "array", "items": {"enum": words}}, {"enum": words}]}),
        ParamKind::OneOf(words) => json!({"enum": words}),
    }
}

fn range(kind: &str, low: Option<Value>, high: Option<Value>) -> Value {
    let mut schema = Map::from_iter([("type".to_owned(), json!(kind))]);
    schema.extend(low.map(|low| ("minimum".to_owned(), low)));
    schema.extend(high.map(|high| ("maximum".to_owned(), high)));
    Value::Object(schema)
}

/// The versions of the language, each as the number it looks like, too.
fn versions() -> Vec<Value> {
    let numbers = crate::LANGUAGE_VERSIONS.iter().filter_map(|version| version.parse::<f64>().ok()).map(Value::from);
    crate::LANGUAGE_VERSIONS.iter().map(|version| Value::from(*version)).chain(numbers).collect()
}

/// What the keys of a map say together, wherever a base may fill in the rest.
fn whole(title: &str) -> Value {
    let said = |key: &str| json!({"required": [key], "properties": {key: {"not": {"type": "null"}}}});
    let any = |keys: &[&str]| json!({"anyOf": keys.iter().map(|key| said(key)).collect::<Vec<_>>()});
    match title {
        "a message" => json!({"minProperties": 1, "maxProperties": 1}),
        "a prompt" | "the user prompt" => json!({"not": {"allOf": [said("template"), said("file")]}}),
        "a blocked pattern" => json!({"oneOf": [said("pattern"), said("tool")]}),
        "a reply" => any(&["text", "tool_calls", "error", "echo"]),
        _ => json!({}),
    }
}

/// The schema, or nothing.
fn or_null(schema: Value) -> Value {
    match schema {
        Value::Bool(true) => Value::Bool(true),
        Value::Object(mut map) => {
            if let Some(Value::Array(forms)) = map.get_mut("anyOf") {
                forms.push(json!({"type": "null"}));
                return Value::Object(map);
            }
            match map.get("type").cloned() {
                Some(Value::String(kind)) if !map.contains_key("const") => {
                    map.insert("type".into(), json!([kind, "null"]));
                    Value::Object(map)
                }
                Some(Value::Array(mut kinds)) => {
                    kinds.push("null".into());
                    map.insert("type".into(), Value::Array(kinds));
                    Value::Object(map)
                }
                _ => json!({"anyOf": [map, {"type": "null"}]}),
            }
        }
        other => other,
    }
}

/// `a way of running` to `way-of-running`.
fn slug(title: &str) -> String {
    let words: Vec<&str> = title.split(' ').filter(|word| !matches!(*word, "a" | "an" | "the")).collect();
    words.join("-").to_lowercase()
}
