//! Which texts of the language are names, and of what. The table of keys says `text`; this one says which.

use super::names::Declared;
use super::place::{Place, Step};

/// What a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Something that the spec declares.
    Declared(Declared),
    /// Something that a base declares, and what is written here is laid over.
    Inherited(Declared),
    /// A built-in guardrail.
    Builtin,
    /// A model of the catalog.
    Model,
    /// `provider/model` of the catalog.
    ProviderModel,
    /// One of these words.
    Words(&'static [(&'static str, &'static str)]),
    /// A top-level key, or a path of keys.
    TopKey,
    /// A version of the language.
    Version,
    /// A database: `sqlite:PATH`.
    Database,
    /// A spec to inherit from.
    Base,
    /// A parameter of the tool that this map is about.
    Parameter,
    /// A dimension of a matrix.
    Dimension,
    /// A behaviour test, which gets its name here.
    Test,
}

const TOOL: Names = Names::Declared(Declared::Tool);
const MODEL: Names = Names::Declared(Declared::Model);
const GUARDRAIL: Names = Names::Declared(Declared::Guardrail);
const SERVICE: Names = Names::Declared(Declared::Service);

const ACTIONS: &[(&str, &str)] = &[
    ("block", "Stop"),
    ("require_confirmation", "Stop until a person has agreed"),
    ("redact", "Go on with the found text replaced"),
    ("warn", "Show it"),
    ("log", "Write it down"),
];

const STAGES: &[(&str, &str)] = &[
    ("pre_execution", "On the user's input"),
    ("model_call", "Before a call of the model"),
    ("tool_call", "Before a tool runs"),
    ("tool_result", "On what a tool returned"),
    ("chunk", "On streamed text"),
    ("post_execution", "On the final output"),
];

const METHODS: &[(&str, &str)] =
    &[("GET", "Reads"), ("POST", "Sends"), ("PUT", "Replaces"), ("PATCH", "Changes"), ("DELETE", "Removes")];
const CHOICES: &[(&str, &str)] = &[("auto", "The model decides"), ("none", "No tool"), ("required", "Some tool")];
const EFFORTS: &[(&str, &str)] = &[("low", "Short"), ("medium", "Longer"), ("high", "Longest")];
const SEEN: &[(&str, &str)] = &[("documents", "What was found in documents")];

/// What a scalar at this place may name.
pub(super) fn of_value(place: &Place<'_>) -> Vec<Names> {
    let mut keys = place.keys();
    let Some(Step { key: Some(key), record, .. }) = keys.next() else { return Vec::new() };
    let Some(record) = record else {
        // Under a key of the author's own, the key above says what it is about.
        return match (keys.next().and_then(|step| step.key), key) {
            (Some("matrix"), "models") => vec![MODEL],
            (Some("matrix"), "prompts") => vec![Names::Declared(Declared::Variant)],
            _ => Vec::new(),
        };
    };
    match (record.title, key) {
        ("a guardrail", "name") => vec![Names::Builtin, Names::Inherited(Declared::Guardrail)],
        ("a guardrail", "use")
        | ("a container spec" | "a service", "guardrails")
        | ("the guardrails", _)
        | ("the user prompt", "validation") => vec![Names::Builtin],
        ("a guardrail", "tools")
        | ("an expectation", "tool_called" | "tool_ran" | "no_tool_called" | "tools_in_order")
        | ("a call" | "a tool call", "name")
        | ("a match" | "a confirmation" | "a blocked pattern", "tool")
        | ("the tools", "blocked")
        | ("a test" | "what tests share", "real") => vec![TOOL],
        ("an expectation", "guardrail" | "blocked")
        | ("a block", "by")
        | ("a decision", "name")
        | ("a confirmation", "guardrail") => vec![GUARDRAIL],
        ("an expectation", "confirmation") => vec![TOOL, GUARDRAIL],
        ("a decision", "action") => vec![Names::Words(ACTIONS)],
        ("a block" | "a decision", "stage") => vec![Names::Words(STAGES)],
        ("a test" | "what tests share" | "a judgement", "model")
        | ("a similarity" | "a set of documents" | "the memory", "embedding")
        | ("a model", "of") => vec![MODEL],
        ("a test", "name") => vec![Names::Test],
        // A list of a base is laid over name by name.
        ("a tool", "name") | ("the tools", "allowed") => vec![Names::Inherited(Declared::Tool)],
        ("a judgement", "see") => vec![Names::Words(SEEN)],
        ("a retrieval", "document") | ("an expectation", "cites") => vec![Names::Declared(Declared::Document)],
        ("a container spec" | "a service" | "a model", "model") | ("a model", "name") | ("the models", _) => {
            vec![Names::Model]
        }
        ("a model", "as") => vec![Names::ProviderModel],
        ("a model", "tool_choice") => vec![Names::Words(CHOICES), TOOL],
        ("a model", "reasoning_effort") => vec![Names::Words(EFFORTS)],
        ("a way of running", "mcp") => vec![Names::Declared(Declared::Server)],
        ("a way of running", "method") => vec![Names::Words(METHODS)],
        ("a way of running", "sql") => vec![Names::Database],
        ("a step", "step" | "service" | "fallback" | "needs") | ("a workflow", "workflow") => vec![SERVICE],
        ("a container spec" | "a service" | "a workflow", "version") => vec![Names::Version],
        ("a container spec" | "a service", "inherits") => vec![Names::Base],
        ("a container spec" | "a service", "final") => vec![Names::TopKey],
        _ => Vec::new(),
    }
}

/// What a key of the author's own may name, in the map at the end of this way.
pub(super) fn of_key(place: &Place<'_>) -> Vec<Names> {
    let Some(Step { key: Some(key), record: Some(record), .. }) = place.keys().next() else { return Vec::new() };
    match (record.title, key) {
        ("a test" | "what tests share", "tools") => vec![TOOL],
        (_, "confirm") => vec![TOOL, GUARDRAIL],
        ("a test" | "what tests share" | "a turn" | "a case", "vars") => vec![Names::Declared(Declared::Variable)],
        ("a test" | "what tests share", "matrix") => vec![Names::Dimension, Names::Declared(Declared::Variable)],
        ("a tool" | "a tool call" | "a call" | "a confirmation", "args") => vec![Names::Parameter],
        _ => Vec::new(),
    }
}
