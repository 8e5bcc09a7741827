//! The expectations of behaviour tests.

use super::prompts::{ACTIONS, STAGES};
use super::{Key, Record, Shape, key, word};

const OUTCOMES: Shape = Shape::Words(&[
    word("completed", "It answered"),
    word("blocked", "It was stopped"),
    word("needs_confirmation", "It waits for a person"),
    word("budget", "It used up its budget"),
    word("failed", "It could not answer"),
]);

static JSON_PATH: Record = Record {
    title: "a JSON path",
    keys: &[&[
        key("path", "Which value: $.a.b", Shape::Text).required(),
        key("is", "What the value there must match; without, that there is one", Shape::Matcher),
    ]],
    open: None,
};

static BLOCKED: Record = Record {
    title: "a block",
    keys: &[&[
        key("by", "The guardrail", Shape::Text),
        key("reason", "The reason it gave", Shape::Matcher),
        key("stage", "The stage", Shape::Words(STAGES)),
    ]],
    open: None,
};

static GUARD: Record = Record {
    title: "a decision",
    keys: &[&[
        key("name", "The guardrail", Shape::Text).required(),
        key("action", "What it did", Shape::Words(ACTIONS)),
        key("stage", "Where", Shape::Words(STAGES)),
        key("reason", "Why", Shape::Matcher),
        key("count", "How often", Shape::Matcher),
    ]],
    open: None,
};

static CONFIRMATION: Record = Record {
    title: "a confirmation",
    keys: &[&[
        key("tool", "The tool", Shape::Text),
        key("guardrail", "The guardrail", Shape::Text),
        key("args", "The arguments", Shape::Matcher),
        key(
            "by",
            "Who must agree",
            Shape::Words(&[word("user", "The user of the chat"), word("operator", "An operator")]),
        ),
        key("reason", "Why", Shape::Matcher),
    ]],
    open: None,
};

static CALL: Record = Record {
    title: "a call",
    keys: &[&[
        key("name", "The tool", Shape::Text).required(),
        key("args", "The arguments", Shape::Matcher),
        key("result", "What it returned", Shape::Matcher),
        key("count", "How often", Shape::Matcher),
    ]],
    open: None,
};

const TOOL: Shape = Shape::Either(&[Shape::Text, Shape::Record(&CALL)]);

static LATENCY: Record = Record {
    title: "a latency",
    keys: &[&[
        key("p50", "Half of the cases", Shape::Duration),
        key("p90", "Nine in ten", Shape::Duration),
        key("p95", "Nineteen in twenty", Shape::Duration),
        key("p99", "Ninety-nine in a hundred", Shape::Duration),
        key("max", "All", Shape::Duration),
        key("mean", "On average", Shape::Duration),
    ]],
    open: None,
};

static TOKENS: Record = Record {
    title: "tokens",
    keys: &[&[
        key("input", "Tokens in", Shape::Integer(0, i64::MAX)),
        key("output", "Tokens out", Shape::Integer(0, i64::MAX)),
        key("total", "Both", Shape::Integer(0, i64::MAX)),
    ]],
    open: None,
};

static SIMILAR: Record = Record {
    title: "a similarity",
    keys: &[&[
        key("to", "The text", Shape::Text).required(),
        key("min", "The least similarity", Shape::Number(0.0, 1.0)),
        key("embedding", "The named model that embeds", Shape::Text),
    ]],
    open: None,
};

static JUDGE: Record = Record {
    title: "a judgement",
    keys: &[&[
        key("model", "The named model; without, `judge`", Shape::Text),
        key("rubric", "What is graded", Shape::Text).required(),
        key("min_score", "The least score", Shape::Number(0.0, 1.0)).default("0.7"),
        key("see", "What the judge sees besides the output", Shape::List(&Shape::Text)),
    ]],
    open: None,
};

static RETRIEVED: Record = Record {
    title: "a retrieval",
    keys: &[&[key("document", "The documents", Shape::Text), key("contains", "A text in what was found", Shape::Text)]],
    open: None,
};

static FILE: Record = Record {
    title: "a file",
    keys: &[&[
        key("path", "The file, in the sandbox's workspace", Shape::Text).required(),
        key("contains", "A text in it", Shape::Text),
        key("exists", "Whether it is there", Shape::Bool).default("true"),
    ]],
    open: None,
};

static COMMAND: Record = Record {
    title: "a command",
    keys: &[&[
        key("run", "What runs: the program and its arguments", Shape::List(&Shape::Text)).required(),
        key("exit", "Its exit code", Shape::Integer(0, 255)).default("0"),
        key("stdout", "What it prints", Shape::Matcher),
    ]],
    open: None,
};

static SCRIPT: Record = Record {
    title: "a grader",
    keys: &[&[
        key("file", "The script or module", Shape::Path).required(),
        key("min_score", "The least score; without, what it says of `pass`", Shape::Number(0.0, 1.0)),
    ]],
    open: None,
};

static KEYS: &[Key] = &[
    key("contains", "The output holds this text", Shape::Text),
    key("icontains", "The output holds this text, letter case aside", Shape::Text),
    key("equals", "The output is this", Shape::Any),
    key("starts_with", "The output begins like this", Shape::Text),
    key("matches", "The pattern is found in the output", Shape::Regex),
    key("json_schema", "The output follows this JSON Schema", Shape::Either(&[Shape::Path, Shape::JsonSchema])),
    key("json_path", "A value in the output's JSON", Shape::Either(&[Shape::Record(&JSON_PATH), Shape::Text])),
    key("that", "A condition over output, json, tools, usage, cost", Shape::Condition),
    key("outcome", "How the run ended", OUTCOMES),
    key(
        "blocked",
        "It was stopped before an answer",
        Shape::Either(&[Shape::Record(&BLOCKED), Shape::Bool, Shape::Text]),
    ),
    key("not_blocked", "It was not stopped", Shape::Bool),
    key("confirmation", "A person is asked", Shape::Either(&[Shape::Record(&CONFIRMATION), Shape::Bool, Shape::Text])),
    key("guardrail", "This guardrail fired", Shape::Either(&[Shape::Text, Shape::Record(&GUARD)])),
    key("tool_called", "The model asked for this tool", TOOL),
    key("tool_ran", "This tool passed every guard and ran", TOOL),
    key("tools_in_order", "These tools ran, in this order", Shape::List(&TOOL)),
    key(
        "no_tool_called",
        "The model asked for no tool, or not for this one",
        Shape::Either(&[Shape::Bool, Shape::OneOrMore(&Shape::Text)]),
    ),
    key("cost", "The most US dollars", Shape::Money),
    key(
        "latency",
        "The most time: of a case, or {p95: 3s} over cases",
        Shape::Either(&[Shape::Record(&LATENCY), Shape::Duration]),
    ),
    key("tokens", "The most tokens", Shape::Either(&[Shape::Record(&TOKENS), Shape::Integer(0, i64::MAX)])),
    key("same_output", "All repeats gave the same output", Shape::Bool),
    key("snapshot", "The output is the accepted one", Shape::Either(&[Shape::Bool, Shape::Text])),
    key("similar", "The output means about this", Shape::Either(&[Shape::Record(&SIMILAR), Shape::Text])).not_yet(),
    key("judge", "A model grades the output", Shape::Either(&[Shape::Record(&JUDGE), Shape::Text])).not_yet(),
    key("cites", "The output cites these documents", Shape::OneOrMore(&Shape::Text)).not_yet(),
    key("retrieved", "This was found in documents", Shape::Record(&RETRIEVED)).not_yet(),
    key("file", "A file of the sandbox's workspace", Shape::Record(&FILE)),
    key("command", "A command in the sandbox's workspace", Shape::Record(&COMMAND)),
    key("script", "A grader of the user's own", Shape::Either(&[Shape::Path, Shape::Record(&SCRIPT)])),
    key("wasm", "A grader of the user's own, a module", Shape::Either(&[Shape::Path, Shape::Record(&SCRIPT)])),
    key("not", "This does not hold", Shape::Expectation),
    key("any_of", "At least one of these holds", Shape::List(&Shape::Expectation)),
    key("all_of", "All of these hold", Shape::List(&Shape::Expectation)),
];

/// All expectations.
pub static EXPECTATIONS: Record = Record { title: "an expectation", keys: &[KEYS], open: None };

/// The expectations that are complete as a word.
pub(crate) const WORDS: [&str; 6] =
    ["same_output", "not_blocked", "no_tool_called", "blocked", "confirmation", "snapshot"];
