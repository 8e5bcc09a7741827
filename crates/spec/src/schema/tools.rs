//! `tools:`.

use super::{Record, Shape, Word, key, word};

/// The ways a tool is carried out.
pub(crate) const RUN_KINDS: [&str; 7] = ["sql", "script", "http", "wasm", "command", "shell", "mcp"];

pub(super) const RUNTIMES: &[Word] = &[
    word("auto", "The strongest that is there"),
    word("wasm", "WebAssembly, in a process of its own"),
    word("gvisor", "gVisor"),
    word("firecracker", "Firecracker").not_safe_yet(),
    word("kata", "Kata Containers").not_safe_yet(),
    word("microvm", "A small virtual machine"),
    word("process", "A process with limits, on the host's own kernel"),
];

/// The verbs of SQL that can be allowed, in any case.
pub(crate) const SQL_VERBS: [Word; 9] = [
    word("SELECT", "Reads rows"),
    word("INSERT", "Adds rows"),
    word("UPDATE", "Changes rows"),
    word("DELETE", "Removes rows"),
    word("REPLACE", "Adds rows, in the place of those with the same key"),
    word("CREATE", "Makes tables, views, indexes"),
    word("ALTER", "Changes the structure of tables"),
    word("DROP", "Removes tables, views, indexes"),
    word("TRUNCATE", "Removes all rows of a table"),
];

pub(super) const NETWORK: Shape =
    Shape::Either(&[Shape::Words(&[word("none", "No network")]), Shape::List(&Shape::HostPort)]);

const METHODS: &[Word] = &[
    word("GET", "Reads"),
    word("HEAD", "Reads without the body"),
    word("POST", "Sends"),
    word("PUT", "Replaces"),
    word("PATCH", "Changes"),
    word("DELETE", "Removes"),
    word("OPTIONS", "Asks what is possible"),
];

/// What a way of running is called.
pub(crate) const RUN_TITLE: &str = "a way of running";

static RUN: Record = Record {
    title: RUN_TITLE,
    keys: &[&[
        key("sql", "A database: sqlite:PATH, or postgres://USER@HOST/NAME", Shape::Text),
        key("statement", "A fixed statement; `:names` are bound to arguments", Shape::Text),
        key("script", "A script in the sandbox", Shape::Path),
        key("network", "none, or a list of host:port", NETWORK),
        key("timeout", "How long it may take", Shape::Duration),
        key("memory", "How much memory it may use", Shape::Size),
        key("wasm", "A WebAssembly module", Shape::Path),
        key("http", "A URL; `${args.x}` are path-encoded, `*` lets the model give the URL", Shape::Url),
        key("method", "The HTTP method; without, GET", Shape::Words(METHODS)),
        key("headers", "HTTP headers; `${secret:NAME}` is allowed here", Shape::Named(&Shape::Text)),
        key("body", "The body; without, the other arguments as JSON", Shape::Any),
        key("command", "A program and its arguments; never a shell", Shape::List(&Shape::Text)),
        key("stdin", "What it reads; without, the arguments as JSON", Shape::Text),
        key("sandbox", "The runtime it runs in", Shape::Words(RUNTIMES)),
        key(
            "env",
            "Its environment, or a database's PGPASSWORD; `${secret:NAME}` is allowed here",
            Shape::Named(&Shape::Text),
        ),
        key("shell", "A command line; every simple command in it is judged", Shape::Text),
        key("allow", "Commands that may run", Shape::List(&Shape::Text)),
        key("deny", "Commands that may not", Shape::List(&Shape::Text)),
        key("mcp", "A server under `tools.servers`", Shape::Text),
        key("tool", "The server's tool; without, the one of this name", Shape::Text),
    ]],
    open: None,
};

static CONFIRM: Record = Record {
    title: "a confirmation",
    keys: &[&[
        key("when", "A condition; without, always", Shape::Condition),
        key(
            "by",
            "Who must agree",
            Shape::Words(&[
                word("user", "The user of the chat"),
                word("operator", "An operator, never through the chat"),
            ]),
        )
        .default("user"),
        key("expires", "How long the question stands", Shape::Duration),
    ]],
    open: None,
};

static ARG: Record = Record {
    title: "an argument",
    keys: &[&[key(
        "from",
        "Where its value may come from",
        Shape::OneOrMore(&Shape::Words(&[
            word("user", "What the user said"),
            word("spec", "The spec"),
            word("tool", "What a trusted tool returned"),
            word("model", "What the model makes up"),
        ])),
    )]],
    open: None,
};

static TOOL: Record = Record {
    title: "a tool",
    keys: &[&[
        key("name", "The name the model calls it by", Shape::Text).required(),
        key("description", "What the model is told of it", Shape::Text),
        key("parameters", "JSON Schema of its arguments", Shape::JsonSchema),
        key("permissions", "SQL verbs it may use", Shape::List(&Shape::SqlVerb)),
        key("tables", "SQL tables it may touch", Shape::List(&Shape::Text)),
        key("functions", "SQL functions it may call; without, a safe list", Shape::List(&Shape::Text)),
        key("run", "How it is carried out; without, its calls are handed back to the caller", Shape::Record(&RUN)),
        key(
            "effect",
            "What it does to the world; without, by the kind of `run`",
            Shape::Words(&[
                word("read", "Nothing"),
                word("write", "It changes something here"),
                word("egress", "It changes or tells something elsewhere"),
            ]),
        ),
        key(
            "confirm",
            "Whether a person must agree: true, or when, by whom and for how long",
            Shape::Either(&[Shape::Bool, Shape::Record(&CONFIRM)]),
        ),
        key("args", "Where values of arguments may come from", Shape::Named(&Shape::Record(&ARG))),
        key(
            "trust",
            "Whether its results may hold somebody's instructions",
            Shape::Words(&[
                word("trusted", "They are data of the spec's owner"),
                word("untrusted", "They taint the turn"),
            ]),
        ),
    ]],
    open: None,
};

static BLOCKED: Record = Record {
    title: "a blocked pattern",
    keys: &[&[
        key("pattern", "The beginning of SQL statements, on tokens: DROP *", Shape::Text),
        key("tool", "A glob on names of tools", Shape::Text),
    ]],
    open: None,
};

static SERVER: Record = Record {
    title: "a server",
    keys: &[&[
        key("command", "The program and its arguments", Shape::List(&Shape::Text)),
        key("url", "Where it is, if it is elsewhere", Shape::Url),
        key("headers", "HTTP headers; `${secret:NAME}` is allowed here", Shape::Named(&Shape::Text)),
        key("sandbox", "The runtime it runs in", Shape::Words(RUNTIMES)),
        key("env", "Its environment; `${secret:NAME}` is allowed here", Shape::Named(&Shape::Text)),
        key("timeout", "How long a call may take", Shape::Duration),
        key("network", "none, or a list of host:port", NETWORK),
    ]],
    open: None,
};

static FLOW: Record = Record {
    title: "a rule on the flow of data",
    keys: &[&[key(
        "rule_of_two",
        "At most two of: untrusted input, sensitive data, outside effect",
        Shape::Words(&[
            word("block", "Stop"),
            word("require_confirmation", "Stop until a person has agreed"),
            word("warn", "Show it"),
            word("log", "Write it down"),
        ]),
    )]],
    open: None,
};

pub(super) static TOOLS: Record = Record {
    title: "the tools",
    keys: &[&[
        key("flow", "Rules on the flow of data between tools", Shape::Record(&FLOW)),
        key(
            "allowed",
            "The tools the model is offered",
            Shape::List(&Shape::Either(&[Shape::Text, Shape::Record(&TOOL)])),
        ),
        key(
            "blocked",
            "What is stopped whoever asks",
            Shape::List(&Shape::Either(&[Shape::Text, Shape::Record(&BLOCKED)])),
        ),
        key("servers", "MCP servers", Shape::Named(&Shape::Record(&SERVER))),
    ]],
    open: None,
};
