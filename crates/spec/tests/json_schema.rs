//! The JSON Schema against an engine that is not ours: what the checker takes it takes, what is known to be bad it refuses.

mod common;

use aic_base::{DiskSource, RelPath, Source as _};
use aic_spec::{FileKind, Severity, file_kind, find_files, json_schema, parse};
use common::load_with;
use jsonschema::Validator;
use serde_json::Value;
use std::path::Path;

const CONTAINERS: &[(&str, &str)] = &[
    ("page", include_str!("fixtures/page.aicontainer.yml")),
    ("support", include_str!("fixtures/support.aicontainer.yml")),
    ("scripted", include_str!("fixtures/scripted.aicontainer.yml")),
];

fn validator(kind: FileKind) -> Validator {
    let schema = json_schema(kind);
    assert!(
        jsonschema::meta::is_valid(&schema),
        "{:?}",
        jsonschema::meta::validate(&schema).err().map(|e| e.to_string())
    );
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::options().build(&schema).unwrap()
}

fn json(text: &str) -> Value {
    parse(text).root.unwrap().to_json()
}

#[test]
fn every_sample_of_the_repository_is_valid() {
    let container = validator(FileKind::Container);
    let mut samples = 0;
    for folder in ["../../sample-specs", "../../templates"] {
        let source = DiskSource::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let template = RelPath::new("init/spec.yml").ok().filter(|path| source.has_file(path));
        for path in find_files(&source, &RelPath::default()).into_iter().chain(template) {
            let text = source.read_text(&path).unwrap();
            let kind = file_kind(path.file_name()).unwrap_or(FileKind::Container);
            let errors: Vec<_> = validator(kind)
                .iter_errors(&json(&text.replace("name: NAME", "name: x")))
                .map(|error| format!("{} {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{path}: {errors:#?}");
            samples += 1;
        }
    }
    assert!(samples >= 5, "the samples are not where they are looked for");
    for (name, text) in CONTAINERS {
        let errors: Vec<_> =
            container.iter_errors(&json(text)).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
    let tests = include_str!("fixtures/page.aictest.yml");
    assert!(validator(FileKind::Tests).is_valid(&json(&tests.replace("  - files: tests/*.aictest.yml\n", ""))));
    assert!(validator(FileKind::Compose).is_valid(&json(include_str!("fixtures/page.compose.ai.yml"))));
}

#[test]
fn what_is_known_to_be_bad_is_refused() {
    let container = validator(FileKind::Container);
    for text in [
        "promts: {system: Hi}",
        "prompts: [Hi]",
        "budget: {step: 5}",
        "tools: {allowed: [{name: a, permissions: [SELEKT]}]}",
        "deployment: {canary: {max_error_rate: 101%}}",
        "deployment: {canary: {max_error_rate: '1.1'}}",
        "budget: {steps: many}",
        "budget: {steps: 0}",
        "name: My Agent",
        "models: {primary: {provider: opnai, model: x}}",
        "models: {primary: {temperature: 9}}",
        "tools: {allowed: [{description: x}]}",
        "tools: {allowed: [{name: a, effect: wirte}]}",
        "guardrails: [pii_protecton]",
        "guardrails: [{name: secrets, action: stop}]",
        "guardrails: [{name: rate_limit, windw: 1m}]",
        "guardrails: [{max_length: lots}]",
        "sandbox: {limits: {memory: lots}}",
        "sandbox: {limits: {timeout: 5 minutes}}",
        "compliance: GDPR",
        "tests: [{name: a, input: x, expect: [{contain: y}]}]",
        "tests: [{name: a, input: x, expect: [same_outptu]}]",
        "tests: [{name: a, input: x, expect: [{contains: a, equals: b}]}]",
        "tests: [{name: a, input: x, expect: [{contains: [a]}]}]",
        "testz: []",
        "tests: [{name: a, input: x, asert: [{contains: a}]}]",
        "tests: [{name: a, input: x, expect: [{not: {contian: a}}]}]",
        "- a",
        "version: \"9\"",
        "budget: {cost: $10/hour}",
        "budget: {cost: \"${CAP}\"}",
        "sandbox: {limits: {cpu: 0}}",
        "sandbox: {network: [example.com]}",
        "models: {primary: {provider: ollama, model: x, base_url: localhost}}",
        "tools: {allowed: [{name: a, parameters: {type: objct}}]}",
        "tools: {allowed: [{name: a, parameters: {properties: {a: {type: strng}}}}]}",
        "tools: {allowed: [{name: a, run: {http: \"https://x/\", method: FETCH}}]}",
        "output: {schema: {properties: {a: text}}}",
        "tests: [{name: a, input: x, user: {role: b}, expect: [blocked]}]",
        "tests: [{name: a, input: x, expect: [{guardrail: {name: a, action: redcat}}]}]",
    ] {
        assert!(!container.is_valid(&json(text)), "{text}");
    }
}

#[test]
fn variables_are_taken_where_they_are_filled_in() {
    let container = validator(FileKind::Container);
    for text in [
        "tests: [{name: a, input: \"${X}\", expect: [{cost: \"${C}\"}, {latency: {p95: \"${L}\"}}]}]",
        "models: {primary: {provider: ollama, model: x, base_url: \"${HOST}/v1\"}}",
        "version: 1.0",
        "version: \"1.0\"",
    ] {
        let errors: Vec<_> = container.iter_errors(&json(text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{text}: {errors:#?}");
    }
}

/// The file of an example, and its kind.
fn example(text: &str) -> (FileKind, String) {
    let text = text.lines().filter(|line| !line.starts_with("# aic check")).map(|line| format!("{line}\n"));
    let text: String = text.collect();
    let Some(rest) = text.strip_prefix("# file: ") else { return (FileKind::Container, text) };
    let (name, rest) = rest.split_once('\n').unwrap();
    (aic_spec::file_kind(name).unwrap(), rest.split("# file: ").next().unwrap().to_owned())
}

/// What can be read as YAML; the rest has no instance that a schema could judge.
fn readable(text: &str) -> Option<Value> {
    let parsed = parse(text);
    parsed.errors.is_empty().then_some(())?;
    Some(parsed.root?.to_json()).filter(Value::is_object)
}

#[test]
fn the_examples_of_the_diagnostics_are_refused_where_a_schema_can() {
    let kinds = [FileKind::Container, FileKind::Compose, FileKind::Tests];
    let validators = kinds.map(|kind| (kind, validator(kind)));
    let valid = |text: &str| {
        let (kind, text) = example(text);
        let value = readable(&text)?;
        validators.iter().find(|(known, _)| *known == kind).map(|(_, validator)| validator.is_valid(&value))
    };
    let refused: Vec<&str> =
        aic_spec::CODES.iter().filter(|doc| valid(doc.bad) == Some(false)).map(|doc| doc.code.0).collect();
    assert_eq!(refused, aic_spec::codes::SCHEMA_REFUSES);
    for doc in &aic_spec::CODES {
        assert_ne!(valid(doc.good), Some(false), "{}: {}", doc.code, doc.good);
    }
}

/// The schema and the checker read one table: where the checker finds a mistake of form, so does the schema, and a change of a
/// sample that the checker takes the schema takes as well.
#[test]
fn a_sample_with_one_key_changed_is_judged_alike_by_both() {
    const FORM: [&str; 9] = ["ABS001", "ABS002", "ABS003", "ABS011", "ABS012", "ABS013", "ABS021", "ABS071", "ABS072"];
    let container = validator(FileKind::Container);
    let sample = json(CONTAINERS[1].1);
    let mut pointers = Vec::new();
    walk(&sample, String::new(), &mut pointers);
    let (mut bad, mut good, mut differ) = (0, 0, Vec::new());
    for pointer in pointers {
        for with in [
            Value::from("zzz"),
            Value::from(-7),
            Value::from(true),
            serde_json::json!([]),
            serde_json::json!({"zzz": 1}),
        ] {
            let mut changed = sample.clone();
            let Some(place) = changed.pointer_mut(&pointer) else { continue };
            *place = with.clone();
            let text = changed.to_string();
            let loaded = load_with(&text, &[]);
            let form = loaded
                .diagnostics
                .iter()
                .find(|found| found.severity == Severity::Error && FORM.contains(&found.code.0));
            let valid = container.is_valid(&changed);
            // The table's own judgement comes with it; names and files need more than a schema.
            match (form, valid) {
                (None, true) => good += 1,
                (Some(_), false) => bad += 1,
                (Some(found), true) if NEEDS_MORE.iter().any(|why| found.message.contains(why)) => {}
                (None, false) if loaded.has_errors() => {}
                (form, _) => differ.push(format!(
                    "{pointer} = {with}: schema {valid}, checker {:?}",
                    form.map(|found| format!("{} {}", found.code, found.message))
                )),
            }
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(bad > 100 && good > 100, "{bad} {good}");
}

/// Findings of these codes that no schema can make.
const NEEDS_MORE: &[&str] = &[
    "is no name of a tool",
    "is missing in a guardrail",
    "the parameters of a tool are a map",
    "is required and no property",
    "is none of the verbs",
    "is missing in `",
    "is missing in a prompt",
    "says no way of running",
    "is missing in a test",
    "a mock answers with",
    "is no name of a variable",
    "is no key of this guardrail",
    "a message is a map of one key",
    "`pattern` or `tool`",
    "is no database",
    "stands in place of",
];

fn walk(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                out.push(at.clone());
                walk(value, at, out);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                let at = format!("{at}/{index}");
                out.push(at.clone());
                walk(value, at, out);
            }
        }
        _ => {}
    }
}
