//! The top of the three kinds of files: a container, a workflow, tests kept apart.

use super::behaviour::{TEST, TEST_DEFAULTS};
use super::models::{MODEL_ENTRIES, SHORT_MODEL};
use super::prompts::{GUARDRAILS, OUTPUT, PROMPTS};
use super::rest::{AUDIT, BUDGET, CONTEXT, DEPLOYMENT, DOCUMENT, GOVERNANCE, SANDBOX, TAGS};
use super::tools::TOOLS;
use super::{Key, Record, Shape, key};

static KEYS: &[Key] = &[
    key("version", "The version of the language: \"1.0\"", Shape::Text).default("\"1.0\""),
    key("name", "The name of the container; without, the file's or the folder's", Shape::Slug),
    key(
        "inherits",
        "What it inherits from: a relative path or a registry reference; in a list, later ones win",
        Shape::OneOrMore(&Shape::Text),
    ),
    key("description", "What it is for", Shape::Text),
    key("model", "The model that answers", Shape::Either(&[Shape::Text, Shape::Record(&SHORT_MODEL)]))
        .short_for("models.primary"),
    key("models", "The named models; `primary` answers, `fallback` steps in", Shape::Record(&MODEL_ENTRIES)),
    key("prompts", "What the model is told", Shape::Record(&PROMPTS)),
    key("output", "The form of the final output", Shape::Record(&OUTPUT)),
    key("guardrails", "What is stopped, asked, redacted or noted", GUARDRAILS),
    key("tools", "What the agent may call, and what it may never call", Shape::Record(&TOOLS)),
    key("documents", "Documents that are searched for context", Shape::Named(&Shape::Record(&DOCUMENT))).not_yet(),
    key("sandbox", "Where code runs and what it may use", Shape::Record(&SANDBOX)),
    key("budget", "What one run may use", Shape::Record(&BUDGET)),
    key("context", "What the model is shown of a conversation", Shape::Record(&CONTEXT)),
    key("audit", "The audit chain", Shape::Record(&AUDIT)),
    key("governance", "Why and on which basis data is processed", Shape::Record(&GOVERNANCE)).not_yet(),
    key("compliance", "Rules to check: GDPR, SOC2, HIPAA", Shape::List(&Shape::Words(TAGS))),
    key("deployment", "How a version goes to production", Shape::Record(&DEPLOYMENT)).not_yet(),
    key("environments", "Overlays, chosen by --env", Shape::Named(&Shape::Record(&CONTAINER))),
    key("final", "Paths that an inheriting spec may only tighten", Shape::List(&Shape::Text)),
    key("test_defaults", "What all tests share", Shape::Record(&TEST_DEFAULTS)),
    key("tests", "Behaviour tests", Shape::List(&Shape::Record(&TEST))),
];

/// A container spec.
pub static CONTAINER: Record = Record { title: "a container spec", keys: &[KEYS], open: None };

/// Behaviour tests kept apart (`*.aictest.yml`).
pub static TEST_FILE: Record = Record {
    title: "a file of tests",
    keys: &[&[
        key("test_defaults", "What all tests of this file share", Shape::Record(&TEST_DEFAULTS)),
        key("tests", "Behaviour tests", Shape::List(&Shape::Record(&TEST))),
    ]],
    open: None,
};

static SERVICE: Record = Record {
    title: "a service",
    keys: &[
        &[
            key("spec", "The spec of this container", Shape::Path),
            key("role", "What it does in the workflow", Shape::Text),
        ],
        KEYS,
    ],
    open: None,
};

static STEP: Record = Record {
    title: "a step",
    keys: &[&[
        key("step", "Its name", Shape::Text),
        key("service", "The service that carries it out; without, the one of the step's name", Shape::Text),
        key("needs", "The steps that must have run", Shape::OneOrMore(&Shape::Text)),
        key("when", "A condition over `steps.NAME.output` and `.outcome`", Shape::Condition),
        key("input", "Its input; without, the previous output", Shape::Text),
        key("fallback", "The service that steps in", Shape::Text),
        key("timeout", "How long it may take", Shape::Duration),
        key("rollback_on_failure", "Whether the version pointer goes back when the workflow fails", Shape::Bool),
    ]],
    open: None,
};

/// Several containers in one workflow (`*.compose.ai.yml`).
pub static COMPOSE: Record = Record {
    title: "a workflow",
    keys: &[&[
        key("version", "The version of the language: \"1.0\"", Shape::Text),
        key("name", "The name of the workflow", Shape::Slug),
        key("description", "What it is for", Shape::Text),
        key("services", "The containers", Shape::Named(&Shape::Record(&SERVICE))).required(),
        key(
            "workflow",
            "The order: `a -> b -> (c, d)`, or steps",
            Shape::List(&Shape::Either(&[Shape::Text, Shape::Record(&STEP)])),
        )
        .required(),
        key("test_defaults", "What all tests share", Shape::Record(&TEST_DEFAULTS)),
        key("tests", "Behaviour tests", Shape::List(&Shape::Record(&TEST))),
    ]],
    open: None,
};
