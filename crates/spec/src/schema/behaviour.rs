//! `tests:` and `test_defaults:`.

use super::rest::BUDGET;
use super::{Key, Record, Shape, key, word};

static USER: Record = Record {
    title: "a user",
    keys: &[&[key("id", "The user's id", Shape::Text), key("roles", "The user's roles", Shape::List(&Shape::Text))]],
    open: None,
};

static HISTORY: Record = Record {
    title: "a message of the conversation so far",
    keys: &[&[key("user", "What the user said", Shape::Text), key("assistant", "What the model said", Shape::Text)]],
    open: None,
};

static MOCK: Record = Record {
    title: "a mock",
    keys: &[&[
        key("match", "The arguments it answers; without, all", Shape::Matcher),
        key("return", "What it returns", Shape::Any),
        key("error", "The error it fails with", Shape::Text),
        key("timeout", "Whether it never answers", Shape::Bool),
        key("script", "A script that answers", Shape::Path),
    ]],
    open: None,
};

static CASE: Record = Record {
    title: "a case",
    keys: &[&[
        key("input", "What the user says", Shape::Text),
        key("vars", "Variables of this case", Shape::Named(&Shape::Any)),
    ]],
    open: Some(&Shape::Any),
};

const CONFIRM: Shape =
    Shape::Named(&Shape::Words(&[word("approve", "The person agrees"), word("deny", "The person does not agree")]));

static TURN: Record = Record {
    title: "a turn",
    keys: &[&[
        key("input", "What the user says", Shape::Text).required(),
        key("vars", "Variables of this turn", Shape::Named(&Shape::Any)),
        key("confirm", "The answers to confirmations, by tool or guardrail", CONFIRM),
        key("expect", "What must hold of this turn", Shape::OneOrMore(&Shape::Expectation)),
    ]],
    open: None,
};

static PASS_RATE: Record = Record {
    title: "a pass rate",
    keys: &[&[
        key("cases", "The share of cases that must pass", Shape::Share),
        key("repeats", "The share of each case's repeats that must pass", Shape::Share),
    ]],
    open: None,
};

static SHARED: &[Key] = &[
    key("expect", "What must hold", Shape::OneOrMore(&Shape::Expectation)),
    key("repeat", "How often each case runs", Shape::Integer(1, 10_000)).default("1"),
    key(
        "matrix",
        "Dimensions and their values: models, prompts, or a variable",
        Shape::Named(&Shape::List(&Shape::Text)),
    ),
    key("min_pass_rate", "The share that must pass", Shape::Either(&[Shape::Record(&PASS_RATE), Shape::Share])),
    key("user", "Who asks", Shape::Record(&USER)),
    key("history", "The conversation so far: given, not run", Shape::List(&Shape::Record(&HISTORY))),
    key("tools", "Mocks in place of the tools' `run`", Shape::Named(&Shape::OneOrMore(&Shape::Record(&MOCK)))),
    key("vars", "Variables", Shape::Named(&Shape::Any)),
    key("now", "The moment that ${DATE} and SQL see", Shape::Moment),
    key("model", "The named model it is pinned to", Shape::Text),
    key("real", "Tools whose real `run` is used although they write or reach out", Shape::OneOrMore(&Shape::Text)),
    key("workspace", "The folder the sandbox starts from", Shape::Path).not_yet(),
    key("cassette", "The recording that answers for the model", Shape::Path).not_yet(),
    key("skip", "Why it is skipped", Shape::Text),
    key("tags", "Words to select tests by", Shape::OneOrMore(&Shape::Text)),
    key("timeout", "How long a case may take", Shape::Duration),
    key("budget", "What a case may use", Shape::Record(&BUDGET)),
];

pub(crate) static TEST_DEFAULTS: Record = Record { title: "what tests share", keys: &[SHARED], open: None };

pub(crate) static TEST: Record = Record {
    title: "a test",
    keys: &[
        &[
            key("name", "Its name", Shape::Text),
            key("files", "Test files to include", Shape::OneOrMore(&Shape::Glob)),
            key("input", "What the user says", Shape::Text),
            key(
                "cases",
                "Inputs: a list, or a .csv or .jsonl file, a row a case",
                Shape::Either(&[Shape::List(&Shape::Either(&[Shape::Text, Shape::Record(&CASE)])), Shape::Path]),
            ),
            key("turns", "A conversation", Shape::List(&Shape::Record(&TURN))),
            key("confirm", "The answers to confirmations, by tool or guardrail", CONFIRM),
        ],
        SHARED,
    ],
    open: None,
};
