//! `sandbox:`, `budget:`, `context:`, `documents:`, and what is about operating: audit, governance, deployment.

use super::tools::{NETWORK, RUNTIMES};
use super::{Record, Shape, Word, key, word};

const MANY: i64 = i64::MAX;

static LIMITS: Record = Record {
    title: "the limits",
    keys: &[&[
        key("memory", "Memory", Shape::Size).default("256MB"),
        key("cpu", "Processors, as a share of one", Shape::Number(0.01, 1024.0)).default("1.0"),
        key("pids", "Processes and threads", Shape::Integer(1, u32::MAX as i64)).default("100"),
        key("files", "Open files", Shape::Integer(1, u32::MAX as i64)).default("256"),
        key("file_size", "The largest file it may write", Shape::Size).default("50MB"),
        key("timeout", "Wall-clock time", Shape::Duration).default("30s"),
        key("output", "What it may print", Shape::Size).default("1MB"),
        key("disk", "What it may write in all", Shape::Size).default("100MB"),
    ]],
    open: None,
};

pub(super) static SANDBOX: Record = Record {
    title: "the sandbox",
    keys: &[&[
        key("runtime", "What code runs in", Shape::Words(RUNTIMES)).default("auto"),
        key(
            "security",
            "How strong it must be",
            Shape::Words(&[word("standard", "Isolation of the runtime"), word("high", "A virtual machine, or gVisor")]),
        )
        .default("standard"),
        key(
            "fallback",
            "What happens where the runtime is not there",
            Shape::Words(&[
                word("strict", "Refuse"),
                word("best-effort", "The next of the chain"),
                word("fail", "Refuse, also where a limit would be only advisory"),
            ]),
        )
        .default("strict"),
        key("chain", "The runtimes tried in order when best-effort", Shape::List(&Shape::Words(RUNTIMES))),
        key("limits", "What it may use", Shape::Record(&LIMITS)),
        key("rootfs", "host, a directory, or oci:FILE", Shape::Text),
        key("network", "none, or a list of host:port", NETWORK),
        key(
            "workspace",
            "What it sees of the workspace",
            Shape::Words(&[
                word("none", "Nothing"),
                word("read_only", "The files, read-only"),
                word("copy", "A copy that lives for the session"),
                word("read_write", "The files themselves"),
            ]),
        ),
    ]],
    open: None,
};

pub(super) static BUDGET: Record = Record {
    title: "a budget",
    keys: &[&[
        key("steps", "Calls of the model", Shape::Integer(1, u32::MAX as i64)).default("20"),
        key("cost", "US dollars", Shape::Money),
        key("tokens", "Tokens in and out", Shape::Integer(1, MANY)),
        key("time", "Wall-clock time", Shape::Duration),
    ]],
    open: None,
};

static WINDOW: Record = Record {
    title: "the window",
    keys: &[&[key("max_tokens", "Tokens of the request; the oldest turns go first", Shape::Integer(1, MANY))]],
    open: None,
};

const MEMORY_TYPES: &[Word] = &[
    word("none", "No memory"),
    word("buffer", "The last turns"),
    word("vector", "The last turns, and what is similar of those before"),
];

static MEMORY: Record = Record {
    title: "the memory",
    keys: &[&[
        key("type", "none, buffer or vector", Shape::Words(MEMORY_TYPES)),
        key(
            "provider",
            "Where it is kept",
            Shape::Words(&[word("sqlite", "A local file"), word("pinecone", "Pinecone"), word("qdrant", "Qdrant")]),
        ),
        key("index", "The name of the index", Shape::Text),
        key(
            "embedding",
            "The named model that embeds; without, the local hash embedding: words, no meaning",
            Shape::Text,
        ),
        key("url", "Where the provider is", Shape::Url),
        key("api_key_env", "The NAME of the variable that holds the key", Shape::EnvName),
    ]],
    open: None,
};

const RETENTION: Shape = Shape::Either(&[
    Shape::Words(&[word("session", "As long as the session"), word("none", "Nothing is kept")]),
    Shape::Duration,
]);

static SESSION: Record = Record {
    title: "the session",
    keys: &[&[
        key("timeout", "Idle time after which it is over", Shape::Duration),
        key("max_messages", "Messages that are kept", Shape::Integer(1, u32::MAX as i64)),
        key("retention", "session, none, or a duration", RETENTION).default("session"),
    ]],
    open: None,
};

static PERSISTENCE: Record = Record {
    title: "the persistence",
    keys: &[&[
        key("enabled", "Whether sessions outlive the program", Shape::Bool),
        key(
            "encryption",
            "How they are encrypted",
            Shape::Words(&[word("AES-256", "AES-256"), word("none", "Not at all")]),
        ),
        key("key_env", "The NAME of the variable that holds the key; without, the system keyring", Shape::EnvName),
    ]],
    open: None,
};

pub(super) static CONTEXT: Record = Record {
    title: "the context",
    keys: &[&[
        key("window", "How much of a conversation is sent", Shape::Record(&WINDOW)),
        key("memory", "What is remembered beyond it", Shape::Record(&MEMORY)),
        key("session", "How long a conversation lasts", Shape::Record(&SESSION)),
        key("persistence", "Whether conversations are kept", Shape::Record(&PERSISTENCE)),
        key("max_tokens", "Tokens of the request", Shape::Integer(1, MANY)).short_for("context.window.max_tokens"),
        key("memory_type", "none, buffer or vector", Shape::Words(MEMORY_TYPES)).short_for("context.memory.type"),
        key("retention", "session, none, or a duration", RETENTION).short_for("context.session.retention"),
    ]],
    open: None,
};

pub(super) static DOCUMENT: Record = Record {
    title: "a set of documents",
    keys: &[&[
        key("files", "Paths of the files, `*` and `**` included", Shape::OneOrMore(&Shape::Glob)).required(),
        key(
            "search",
            "How they are searched",
            Shape::Words(&[
                word("hybrid", "By words and by meaning"),
                word("keyword", "By words"),
                word("vector", "By meaning"),
            ]),
        ),
        key("embedding", "The named model that embeds", Shape::Text),
        key("top_k", "How many pieces are found", Shape::Integer(1, 1000)),
        key(
            "as",
            "How they are offered",
            Shape::Words(&[word("context", "They fill ${CONTEXT}"), word("tool", "A tool search_NAME")]),
        ),
    ]],
    open: None,
};

pub(super) static AUDIT: Record = Record {
    title: "the audit",
    keys: &[&[
        key("retention", "How long it is kept", Shape::Duration).not_yet(),
        key("personal_data", "Fields that enter the chain as salted digests only", Shape::List(&Shape::Text)),
    ]],
    open: None,
};

pub(super) static GOVERNANCE: Record = Record {
    title: "the governance",
    keys: &[&[
        key("purpose", "Why data is processed", Shape::Text),
        key("lawful_basis", "On which basis", Shape::Text),
        key("content_retention", "How long inputs and outputs are kept", Shape::Duration),
        key("erasure_key", "The field by which a person's data is erased", Shape::Text),
        key("agreements", "The agreement with each provider", Shape::Named(&Shape::Text)),
    ]],
    open: None,
};

pub(super) const TAGS: &[Word] = &[
    word("GDPR", "Personal data of the European Union"),
    word("SOC2", "Trust services criteria"),
    word("HIPAA", "Health data of the United States"),
];

static ALERT: Record = Record {
    title: "an alert",
    keys: &[&[
        key("when", "A condition over error_rate, p99, cost_per_hour, guardrail_hits", Shape::Condition).required(),
        key("notify", "Whom it tells", Shape::OneOrMore(&Shape::Text)),
    ]],
    open: None,
};

static CANARY: Record = Record {
    title: "a canary",
    keys: &[&[
        key("steps", "The shares of traffic, in order", Shape::List(&Shape::Share)),
        key("interval", "How long each step lasts", Shape::Duration),
        key("max_error_rate", "Above it, the version goes back", Shape::Share),
        key("max_p99", "Above it, the version goes back", Shape::Duration),
        key("max_cost_per_request", "Above it, the version goes back", Shape::Money),
        key("auto_rollback", "Whether it goes back by itself", Shape::Bool),
    ]],
    open: None,
};

pub(super) static DEPLOYMENT: Record = Record {
    title: "the deployment",
    keys: &[&[
        key("approval_required", "Whether somebody else must approve", Shape::Bool),
        key("testing_required", "Whether tests must have passed on the exact version", Shape::Bool),
        key(
            "rollback_plan",
            "Whether there must be a version to go back to",
            Shape::Words(&[word("mandatory", "There must be one"), word("optional", "There need not be one")]),
        ),
        key("alerts", "Who is told when", Shape::List(&Shape::Record(&ALERT))),
        key("canary", "How a version gets its traffic", Shape::Record(&CANARY)),
    ]],
    open: None,
};
