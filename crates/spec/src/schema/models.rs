//! `models:` and `model:`, scripted models included.

use super::{Key, Record, Shape, Word, key, word};

const PROVIDERS: &[Word] = &[
    word("openai", "OpenAI"),
    word("anthropic", "Anthropic"),
    word("google", "Google"),
    word("ollama", "A local Ollama"),
    word("openai_compatible", "Any server that speaks OpenAI's chat completions; needs `base_url`"),
    word("scripted", "Rules in the spec; never passed off as a real model"),
    word("replay", "A cassette"),
];

const ANY: f64 = f64::INFINITY;

static SERVED: &[Key] = &[
    key("provider", "Who serves it; without, whom the catalog names", Shape::Words(PROVIDERS)),
    key("model", "The provider's name for it", Shape::Text),
    key("as", "Whose price and tokenizer a scripted model borrows: provider/model", Shape::Text),
    key("rules", "The rules of a scripted model; the first that matches answers", Shape::List(&Shape::Record(&RULE))),
    key("cassette", "The recording a replayed model answers from", Shape::Path),
    key("of", "The named model whose exchanges were recorded", Shape::Text),
];

static SAMPLING: &[Key] = &[
    key("api_key_env", "The NAME of the variable that holds the key", Shape::EnvName),
    key("temperature", "Sampling temperature, 0 to 2", Shape::Number(0.0, 2.0)),
    key("top_p", "Nucleus sampling, 0 to 1", Shape::Number(0.0, 1.0)),
    key("max_tokens", "The most tokens of an answer", Shape::Integer(1, i64::MAX)),
    key("seed", "The provider's seed", Shape::Integer(i64::MIN, i64::MAX)),
    key("stop", "Texts at which it stops", Shape::OneOrMore(&Shape::Text)),
    key("reasoning_effort", "How long it thinks: low, medium, high", Shape::Text),
    key("tool_choice", "auto, none, required, or the name of a tool", Shape::Text),
    key("parallel_tool_calls", "Whether it may ask for several calls at once", Shape::Bool),
    key("extra", "Passed to the provider as it is", Shape::Named(&Shape::Any)),
    key(
        "timeout",
        "How long to wait: one duration, or first_token and total",
        Shape::Either(&[Shape::Duration, Shape::Record(&TIMEOUT)]),
    ),
    key("retries", "Additional attempts", Shape::Integer(0, 20)).default("2"),
    key("pricing", "A price for what the catalog lacks", Shape::Record(&PRICING)),
    key("base_url", "Where it is served", Shape::Url),
];

static TIMEOUT: Record = Record {
    title: "a timeout",
    keys: &[&[
        key("first_token", "For the first token", Shape::Duration),
        key("total", "For the whole answer", Shape::Duration),
    ]],
    open: None,
};

static PRICING: Record = Record {
    title: "a price",
    keys: &[&[
        key("input_per_mtok", "US dollars for a million tokens of input", Shape::Number(0.0, ANY)).required(),
        key("output_per_mtok", "US dollars for a million tokens of output", Shape::Number(0.0, ANY)).required(),
    ]],
    open: None,
};

static MODEL: Record = Record { title: "a model", keys: &[SERVED, SAMPLING], open: None };

const ONE_MODEL: Shape = Shape::Either(&[Shape::Text, Shape::Record(&MODEL)]);

pub(super) static MODEL_ENTRIES: Record = Record {
    title: "the models",
    keys: &[&[
        key("primary", "The model that answers", ONE_MODEL),
        key(
            "fallback",
            "One model or a list, tried in order when `primary` cannot answer",
            Shape::OneOrMore(&ONE_MODEL),
        ),
        key("judge", "The model that grades in tests", ONE_MODEL),
        key("challenger", "A model to compare with", ONE_MODEL),
        key("embedder", "The model that embeds documents", ONE_MODEL),
    ]],
    open: Some(&ONE_MODEL),
};

pub(super) static SHORT_MODEL: Record = Record {
    title: "a model",
    keys: &[
        &[
            key("name", "The model", Shape::Text).short_for("models.primary.model"),
            key("version", "The version that pins it", Shape::Text),
        ],
        SERVED,
        SAMPLING,
    ],
    open: None,
};

static RULE: Record = Record {
    title: "a rule",
    keys: &[&[
        key("match", "When it answers", Shape::Record(&MATCH)).required(),
        key("reply", "What it answers", Shape::Record(&REPLY)).required(),
        key("times", "How often it answers in one case", Shape::Integer(1, i64::MAX)),
    ]],
    open: None,
};

static MATCH: Record = Record {
    title: "a match",
    keys: &[&[
        key("user", "The most recent user message", Shape::Matcher),
        key("tool", "The last message is this tool's result", Shape::Text),
        key("result", "What the tool returned", Shape::Matcher),
        key("error", "What the tool failed with", Shape::Matcher),
        key("system", "The system prompt", Shape::Matcher),
        key("turn", "The number of the turn, from 1", Shape::Matcher),
    ]],
    open: None,
};

static REPLY: Record = Record {
    title: "a reply",
    keys: &[&[
        key("text", "What it says; `${match.x}` and `${result.x}` are filled in", Shape::Text),
        key("tool_calls", "The calls it asks for; several are parallel", Shape::List(&Shape::Record(&TOOL_CALL))),
        key("usage", "The tokens it reports", Shape::Record(&USAGE)),
        key("delay", "How long it takes, in virtual time", Shape::Duration),
        key("chunks", "The pieces its text is streamed in", Shape::List(&Shape::Text)),
        key(
            "error",
            "How it fails: timeout, {status, retry_after}, or {reset_after: chunks}",
            Shape::Either(&[Shape::Words(&[word("timeout", "It never answers")]), Shape::Record(&REPLY_ERROR)]),
        ),
        key(
            "echo",
            "prompt: it answers with what it was sent",
            Shape::Words(&[word("prompt", "The prompt as it was sent")]),
        ),
    ]],
    open: None,
};

static REPLY_ERROR: Record = Record {
    title: "a failure",
    keys: &[&[
        key("status", "An HTTP status", Shape::Integer(100, 599)),
        key("retry_after", "When to try again", Shape::Duration),
        key("message", "What the provider says", Shape::Text),
        key("timeout", "Whether it never answers", Shape::Bool),
        key("reset_after", "The connection breaks after so many chunks", Shape::Integer(0, i64::MAX)),
    ]],
    open: None,
};

static TOOL_CALL: Record = Record {
    title: "a tool call",
    keys: &[&[
        key("name", "The tool", Shape::Text).required(),
        key("args", "Its arguments", Shape::Named(&Shape::Any)),
        key("id", "The id of the call", Shape::Text),
    ]],
    open: None,
};

static USAGE: Record = Record {
    title: "a usage",
    keys: &[&[
        key("input_tokens", "Tokens in", Shape::Integer(0, i64::MAX)),
        key("output_tokens", "Tokens out", Shape::Integer(0, i64::MAX)),
    ]],
    open: None,
};
