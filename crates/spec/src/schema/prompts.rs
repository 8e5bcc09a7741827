//! `prompts:`, `output:` and `guardrails:`.

use super::{Key, Record, Shape, Word, key, word};

static TEXT: Record = Record {
    title: "a prompt",
    keys: &[&[
        key("template", "The text; `${VARIABLES}` are filled in", Shape::Text),
        key("file", "The file that holds the text", Shape::Path),
    ]],
    open: None,
};

const PROMPT: Shape = Shape::Either(&[Shape::Text, Shape::Record(&TEXT)]);

static USER: Record = Record {
    title: "the user prompt",
    keys: &[&[
        key("template", "The text; `${INPUT}` is what the user said", Shape::Text),
        key("file", "The file that holds the text", Shape::Path),
        key("validation", "What the input must pass: guardrails of the stage pre_execution", Shape::List(&GUARD_ITEM)),
    ]],
    open: None,
};

static MESSAGE: Record = Record {
    title: "a message",
    keys: &[&[
        key("system", "Instructions", PROMPT),
        key("user", "What the user says", PROMPT),
        key("assistant", "What the model says", PROMPT),
    ]],
    open: None,
};

static VARIANT: Record = Record {
    title: "a variant",
    keys: &[&[
        key("system", "The system prompt in its place", PROMPT),
        key("user", "The user prompt in its place", PROMPT),
    ]],
    open: None,
};

static VARIABLE: Record = Record {
    title: "a variable",
    keys: &[&[
        key("default", "Its value where nothing gives one", Shape::Text),
        key("env", "The environment variable it is read from", Shape::EnvName),
        key(
            "from",
            "caller: only whoever starts the run gives it",
            Shape::Words(&[word("caller", "Whoever starts the run")]),
        ),
        key("required", "Whether running without a value is an error", Shape::Bool),
    ]],
    open: None,
};

pub(super) static PROMPTS: Record = Record {
    title: "the prompts",
    keys: &[&[
        key("system", "The system prompt", PROMPT),
        key("constraints", "Appended to the system prompt as numbered rules", Shape::List(&Shape::Text)),
        key("user", "The template of the user's message", Shape::Either(&[Shape::Text, Shape::Record(&USER)])),
        key("messages", "A whole conversation, instead of `system` and `user`", Shape::List(&Shape::Record(&MESSAGE))),
        key(
            "variants",
            "Prompts for test matrices",
            Shape::Named(&Shape::Either(&[Shape::Text, Shape::Record(&VARIANT)])),
        ),
        key(
            "variables",
            "The declared variables",
            Shape::Named(&Shape::Either(&[Shape::Text, Shape::Record(&VARIABLE)])),
        ),
    ]],
    open: None,
};

pub(super) static OUTPUT: Record = Record {
    title: "the output",
    keys: &[&[
        key("format", "text or json", Shape::Words(&[word("text", "Text"), word("json", "JSON")])),
        key("schema", "A JSON Schema: a file, or the schema itself", Shape::Either(&[Shape::Path, Shape::JsonSchema])),
        key("repair", "How often the model is asked again, with the error", Shape::Integer(0, 10)).not_yet(),
    ]],
    open: None,
};

pub(super) const ACTIONS: &[Word] = &[
    word("block", "Stop"),
    word("require_confirmation", "Stop until a person has agreed"),
    word("redact", "Go on with the found text replaced"),
    word("warn", "Show it"),
    word("log", "Write it down"),
];

pub(super) const STAGES: &[Word] = &[
    word("model_call", "Before a call of the model"),
    word("tool_call", "Before a tool runs"),
    word("tool_result", "On what a tool returned"),
    word("chunk", "On streamed text"),
    word("pre_execution", "On the user's input"),
    word("post_execution", "On the final output"),
];

static GUARD_KEYS: &[Key] = &[
    key("name", "Its name, unique in the spec", Shape::Text),
    key("use", "The built-in; without, the one of the guardrail's name", Shape::Text),
    key("on", "Where in a run it stands", Shape::OneOrMore(&Shape::Words(STAGES))),
    key("tools", "The tools whose calls it judges; without, all", Shape::OneOrMore(&Shape::Text)),
    key("condition", "A condition in CEL: where it is true, the action follows", Shape::Condition),
    key("action", "What is to happen", Shape::Words(ACTIONS)),
    key("message", "The reason that is given", Shape::Text),
    key("script", "A script of the user's own, in the sandbox", Shape::Path),
    key("wasm", "A WebAssembly module of the user's own, in the sandbox", Shape::Path),
    key("final", "Whether an inheriting spec may only tighten it", Shape::Bool),
];

/// A guardrail. Its other keys are the parameters of the built-in, which the guard crate knows.
pub(crate) static GUARDRAIL: Record = Record { title: "a guardrail", keys: &[GUARD_KEYS], open: Some(&Shape::Any) };

const GUARD_ITEM: Shape = Shape::Either(&[Shape::Text, Shape::Record(&GUARDRAIL)]);

static STAGED: Record = Record {
    title: "the guardrails",
    keys: &[&[
        key("pre_execution", "On the user's input", Shape::List(&GUARD_ITEM)),
        key("runtime", "On model calls, tool calls, tool results and streamed text", Shape::List(&GUARD_ITEM)),
        key("post_execution", "On the final output", Shape::List(&GUARD_ITEM)),
    ]],
    open: None,
};

pub(super) const GUARDRAILS: Shape = Shape::Either(&[Shape::Record(&STAGED), Shape::List(&GUARD_ITEM)]);
