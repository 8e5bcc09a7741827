//! The codes of all findings: number, title, why, and an example of each side. Numbers never change their meaning.

use crate::Severity;
use std::fmt;

/// The stable code of a finding, `ABS001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What `explain` says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeDoc {
    /// The code.
    pub code: Code,
    /// A few words.
    pub title: &'static str,
    /// How bad it is, unless a finding says otherwise.
    pub severity: Severity,
    /// Why it is a finding and what to do.
    pub explanation: &'static str,
    /// What gives it.
    pub bad: &'static str,
    /// What is right.
    pub good: &'static str,
}

impl Code {
    /// Its entry in the table.
    pub fn doc(self) -> Option<&'static CodeDoc> {
        CODES.iter().find(|doc| doc.code == self)
    }

    pub(crate) fn severity(self) -> Severity {
        self.doc().map_or(Severity::Error, |doc| doc.severity)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal $severity:ident $title:literal, $explanation:literal, $bad:literal => $good:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*

        /// All codes, by number.
        pub const CODES: &[CodeDoc] = &[$(CodeDoc {
            code: $name, title: $title, severity: Severity::$severity, explanation: $explanation, bad: $bad, good: $good,
        }),*];
    };
}

codes! {
    UNKNOWN_KEY = "ABS001" Error "Unknown key",
        "The language has no such key here, so what it says would be lost without a word. Mostly it is misspelled or stands one level too deep.",
        "promts: {system: Hi}" => "prompts: {system: Hi}";
    WRONG_TYPE = "ABS002" Error "Wrong type",
        "The key takes another kind of value: a list in place of a text, a text in place of a number.",
        "temperature: warm" => "temperature: 0.3";
    MISSING_KEY = "ABS003" Error "Missing key",
        "Without this key the rest means nothing.",
        "tools: {allowed: [{description: Look up users}]}" => "tools: {allowed: [{name: find_user, description: Look up users}]}";
    DUPLICATE_KEY = "ABS004" Error "Duplicate key",
        "A key stands twice in one map. Only the first is read; other programs may read the last.",
        "name: a\nname: b" => "name: a";
    SYNTAX = "ABS005" Error "Not YAML",
        "The text cannot be read here. The rest of the document is checked all the same, as if the place were mended in the likeliest way.",
        "name: \"a" => "name: \"a\"";
    EMPTY = "ABS006" Error "Empty file",
        "There is nothing in the file. A spec needs a model at least.",
        "# to do" => "model: gpt-4o-2024-08-06";
    NOT_TEXT = "ABS007" Error "Not a text file",
        "The file holds bytes that are no UTF-8 text. Save it as UTF-8.",
        "(a picture)" => "model: gpt-4o-2024-08-06";
    TOO_LARGE = "ABS008" Error "File too large",
        "Specs are written by people: 4 MiB is far more than one can be. Keep data in files of its own.",
        "(a file of 10 MB)" => "cases: cases.csv";
    TOO_COMPLEX = "ABS009" Error "Nested too deep, or too many aliases",
        "Nesting is bounded at 64 levels, and what aliases stand for at 100,000 values, so that no document can exhaust the reader.",
        "a: &a [*b, *b]" => "a: [1, 2]";
    VERSION = "ABS010" Error "Version not supported",
        "The file says that it is written in a version of the language that this program does not read.",
        "version: \"9\"" => "version: \"1.0\"";
    UNKNOWN_WORD = "ABS011" Error "Unknown word",
        "The key takes one of a few words, and this is none of them.",
        "action: stop" => "action: block";
    BAD_VALUE = "ABS012" Error "Value not allowed",
        "The value has the right type but is out of range or not in the form that is asked for.",
        "temperature: 9" => "temperature: 0.9";
    BAD_UNIT = "ABS013" Error "Bad duration, size, share or money",
        "Durations are written 300ms, 5s, 5m, 1h, 30d; sizes 64MB or 64MiB; shares 10% or 0.1; money 0.01, $10 or $10/hour.",
        "timeout: 5 minutes" => "timeout: 5m";
    BARE_NUMBER = "ABS014" Hint "Duration without a unit",
        "A bare number counts seconds. Write the unit, so that nobody has to know.",
        "timeout: 30" => "timeout: 30s";
    TRAP = "ABS015" Error "Needs quotes",
        "This is YAML, but for something else than what was meant: an alias, a map, a comment. Quotes make it text.",
        "blocked: [*_admin]" => "blocked: [\"*_admin\"]";
    MORE_DOCUMENTS = "ABS016" Error "More than one document",
        "A file holds one spec. What follows the second `---` is not read.",
        "name: a\n---\nname: b" => "name: a";
    NO_MODEL = "ABS020" Error "No model",
        "Nothing says which model answers.",
        "name: assistant" => "model: gpt-4o-2024-08-06";
    UNKNOWN_PROVIDER = "ABS021" Error "Unknown provider",
        "This program does not know a provider of this name. Servers that speak OpenAI's chat completions are `openai_compatible` with a `base_url`.",
        "provider: opnai" => "provider: openai";
    NO_PROVIDER = "ABS022" Warning "Provider cannot be told",
        "The catalog does not know this model, so the spec has to say who serves it. Running needs one.",
        "model: my-model" => "models: {primary: {provider: ollama, model: my-model}}";
    UNPINNED_MODEL = "ABS023" Warning "Model not pinned",
        "The name stands for whatever the provider serves under it today: behaviour can change without a change of the spec. Name a dated version.",
        "model: gpt-4" => "model: gpt-4-0613";
    RETIRED_MODEL = "ABS024" Warning "Model retires",
        "The provider has announced that it stops serving this model.",
        "model: gpt-4-0314" => "model: gpt-4o-2024-08-06";
    SECRET = "ABS030" Error "Secret in a spec",
        "Specs are committed and shared. Name the variable that holds the secret, never the secret. Whoever has seen this file has the secret: revoke it.",
        "api_key_env: sk-…" => "api_key_env: OPENAI_API_KEY";
    UNDEFINED_VARIABLE = "ABS031" Error "Undefined variable",
        "A prompt names a variable that is neither built in nor declared under `prompts.variables`. `$${` writes a literal `${`.",
        "system: Hello ${NAEM}" => "variables: {NAME: {from: caller}}";
    BAD_TEMPLATE = "ABS032" Error "Malformed `${…}`",
        "A `${` is not closed, or what stands in it is no name. `$${` writes a literal `${`.",
        "system: Hello ${NAME" => "system: Hello ${NAME}";
    BAD_CONDITION = "ABS040" Error "Condition does not compile",
        "Conditions are CEL and are checked before anything runs: names, functions, and that they are true or false.",
        "condition: tool.nmae == 'x'" => "condition: tool.name == 'x'";
    UNKNOWN_GUARDRAIL = "ABS041" Error "Unknown guardrail",
        "A guardrail is a built-in, or has a `condition`, a `script` or a `wasm` of its own. Nothing would be guarded here.",
        "guardrails: [pii_protecton]" => "guardrails: [pii_protection]";
    BAD_GUARDRAIL = "ABS042" Error "Guardrail does not compile",
        "A parameter is unknown or has the wrong form.",
        "{name: rate_limit, windw: 1m}" => "{name: rate_limit, window: 1m}";
    DUPLICATE_GUARDRAIL = "ABS043" Error "Duplicate guardrail",
        "Names of guardrails are unique over all stages: decisions and tests refer to them. `use` names the built-in where the name is taken.",
        "[{name: rate_limit}, {name: rate_limit, per: user}]" => "[{name: rate_limit}, {name: per_user, use: rate_limit, per: user}]";
    ALLOWED_AND_BLOCKED = "ABS050" Error "Tool both allowed and blocked",
        "The tool is offered to the model, and every call of it is stopped. Remove one of the two.",
        "tools: {allowed: [delete_user], blocked: [\"delete_*\"]}" => "tools: {allowed: [find_user], blocked: [\"delete_*\"]}";
    DUPLICATE_TOOL = "ABS051" Error "Duplicate tool",
        "Two tools have one name; the model could not tell them apart.",
        "allowed: [find, find]" => "allowed: [find, find_all]";
    UNKNOWN_TOOL = "ABS052" Error "Unknown tool",
        "The spec has no tool of this name.",
        "expect: [{tool_called: get_odrer}]" => "expect: [{tool_called: get_order}]";
    BAD_PATTERN = "ABS053" Error "Blocked pattern not supported",
        "A pattern is matched on the tokens of SQL statements. For names of tools, use `tool`.",
        "blocked: [{pattern: \"\"}]" => "blocked: [{pattern: \"DROP *\"}]";
    BAD_TOOL = "ABS054" Error "Tool does not fit",
        "The parts of a tool contradict each other: two ways of running it, or SQL permissions without SQL.",
        "run: {sql: \"sqlite:a.db\", script: a.js}" => "run: {sql: \"sqlite:a.db\"}";
    MISSING_FILE = "ABS060" Error "Missing file",
        "The file that is named here is not there. Paths are relative to the file that names them.",
        "system: {file: promts/a.md}" => "system: {file: prompts/a.md}";
    BAD_PATH = "ABS061" Error "Path leaves the workspace",
        "Only files of the workspace may be named, relative to the file that names them: a spec has to work elsewhere too.",
        "script: /home/me/guard.js" => "script: guards/guard.js";
    UNREADABLE_FILE = "ABS062" Error "File cannot be read",
        "The file is there but cannot be used: too large, not text, or a link that leads out of the workspace.",
        "system: {file: photo.jpg}" => "system: {file: prompt.md}";
    BAD_FILE = "ABS063" Error "File has the wrong form",
        "The file was read, but what is in it is not what the key asks for.",
        "schema: notes.txt" => "schema: answer.schema.json";
    BAD_MATCHER = "ABS070" Error "Matcher does not compile",
        "A regular expression is malformed, or an operator has the wrong kind of value.",
        "{matches: '('}" => "{matches: '[(]'}";
    UNKNOWN_EXPECTATION = "ABS071" Error "Unknown expectation",
        "There is no expectation of this name: the test would check nothing.",
        "expect: [{contain: x}]" => "expect: [{contains: x}]";
    BAD_EXPECTATION = "ABS072" Error "Expectation has the wrong shape",
        "An expectation is a word or a map of one key, and each has its own kind of value.",
        "expect: [{cost: cheap}]" => "expect: [{cost: 0.01}]";
    NO_EXPECTATION = "ABS073" Warning "Test without expectation",
        "Nothing is expected, so the test passes whatever happens.",
        "{name: greets, input: Hi}" => "{name: greets, input: Hi, expect: [{contains: Hello}]}";
    BAD_TEST = "ABS074" Error "Test does not fit",
        "The parts of a test contradict each other: a test has `input`, `cases` or `turns`.",
        "{name: a, input: x, turns: []}" => "{name: a, input: x}";
    UNKNOWN_NAME = "ABS075" Error "Unknown name in a test",
        "A test names a model, a prompt variant or a guardrail that the spec does not have.",
        "{model: challanger}" => "{model: challenger}";
    DUPLICATE_TEST = "ABS076" Warning "Duplicate test name",
        "Two tests have one name; their results cannot be told apart.",
        "[{name: a}, {name: a}]" => "[{name: a}, {name: b}]";
    NOT_ENFORCED = "ABS090" Warning "Not enforced by this version",
        "The key is part of the language and is read, but this version does nothing about it.",
        "compliance: [GDPR]" => "(nothing: a later version enforces it)";
    NOT_SAFE = "ABS091" Warning "Not enforced, and safety depends on it",
        "The key is part of the language, this version does not enforce it, and the spec is not safe without. Checking goes on; running refuses.",
        "tools: {flow: {rule_of_two: block}}" => "(remove the key, or use a version that enforces it)";
    COMPOSE = "ABS092" Warning "Workflows are not run by this version",
        "The file describes several containers in one workflow. It is read; this version cannot run it.",
        "services: {a: {model: gpt-4}}" => "model: gpt-4";
    ENVIRONMENT = "ABS093" Warning "Unknown environment",
        "The environment that was asked for has no overlay in `environments`.",
        "--env prod" => "environments: {prod: {}}";
    BASE_NOT_IN_REACH = "ABS100" Warning "Base not in reach",
        "The base is a registry reference, and this version reaches no registry. What the base adds or forbids is not known, so checking goes on and running refuses.",
        "inherits: company/base:1.2" => "inherits: ./base.aicontainer.yml";
    CYCLE = "ABS101" Error "Inheritance cycle",
        "A spec inherits from itself, directly or through its bases. The message prints the chain.",
        "inherits: ./spec.ai.yml" => "name: x";
    CHAIN_TOO_LONG = "ABS102" Error "Too many bases",
        "A chain of bases is bounded, so that a reader can follow it and no file can exhaust the program.",
        "inherits: ./x.ai.yml" => "name: x";
    WEAKENED_FINAL = "ABS103" Error "Final in a base",
        "A base says that this may only be tightened, and here it is loosened. The language page holds the table of what tightens.",
        "inherits: ./x.ai.yml" => "name: x";
    BAD_FINAL = "ABS104" Error "Final path names nothing",
        "A path under `final` leads to no key of the language, so nothing would be protected.",
        "final: [guardrail]" => "final: [guardrails]";
    BAD_BASE = "ABS105" Error "Base is no container spec",
        "Only container specs can be inherited from: a workflow or a file of tests is something else.",
        "inherits: ./x.aictest.yml" => "name: x";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_explained() {
        assert!(CODES.windows(2).all(|pair| pair[0].code < pair[1].code));
        for doc in CODES {
            assert!(doc.code.0.len() == 6 && doc.code.0.starts_with("ABS"));
            assert!(!doc.title.is_empty() && doc.explanation.ends_with(['.', '`']), "{}", doc.code);
            assert!(!doc.bad.is_empty() && !doc.good.is_empty() && doc.bad != doc.good);
        }
    }
}
