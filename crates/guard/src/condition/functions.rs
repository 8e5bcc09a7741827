//! The names and functions of conditions as tables: checking, completion and hover read these.

use super::Place;

/// What kind of value a name has or a function gives, as far as it is known before evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A text.
    Text,
    /// A number.
    Number,
    /// A list.
    List,
    /// A map.
    Map,
    /// Not known before it runs.
    Any,
}

impl Kind {
    /// With its article.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Any => "any value",
        }
    }
}

/// A variable of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameDoc {
    /// The whole name, `tool.args`.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// One line.
    pub doc: &'static str,
}

/// A function of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionDoc {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub signature: &'static str,
    /// Whether it is called on a value: `input.startsWith('a')`.
    pub method: bool,
    /// The fewest and the most arguments.
    pub arguments: (usize, usize),
    /// What it gives.
    pub gives: Kind,
    /// One line.
    pub doc: &'static str,
}

const fn name(name: &'static str, kind: Kind, doc: &'static str) -> NameDoc {
    NameDoc { name, kind, doc }
}

const GUARD: &[NameDoc] = &[
    name("input", Kind::Text, "The user's input"),
    name("output", Kind::Text, "What the model has said so far"),
    name("stage", Kind::Text, "pre_execution, model_call, tool_call, tool_result, chunk or post_execution"),
    name("environment", Kind::Text, "The environment the container runs in"),
    name("user.id", Kind::Any, "Who asks, as the caller says; null where unknown"),
    name("user.roles", Kind::List, "The roles of who asks, as the caller says"),
    name("tool.name", Kind::Text, "The tool that is called"),
    name("tool.args", Kind::Any, "The arguments of the call"),
    name("tool.result", Kind::Any, "What the tool returned; absent before it ran"),
    name("usage.input_tokens", Kind::Number, "Tokens of the run's requests so far"),
    name("usage.output_tokens", Kind::Number, "Tokens of the run's answers so far"),
    name("cost.run", Kind::Number, "US dollars of this run so far"),
    name("cost.hour", Kind::Number, "US dollars of the last hour"),
    name("turn", Kind::Number, "The turn of the conversation, from 1"),
];

const THAT: &[NameDoc] = &[
    GUARD[0],
    GUARD[1],
    GUARD[2],
    GUARD[3],
    GUARD[4],
    GUARD[5],
    GUARD[6],
    GUARD[7],
    GUARD[8],
    GUARD[9],
    GUARD[10],
    GUARD[11],
    GUARD[12],
    GUARD[13],
    name("json", Kind::Any, "The output as JSON; null where it is none"),
    name("tools", Kind::List, "The calls of the run, each with name, args, result and ran"),
];

const ALERTS: &[NameDoc] = &[
    name("error_rate", Kind::Number, "The share of runs that failed, from 0 to 1"),
    name("p99", Kind::Number, "The 99th percentile of latency, in milliseconds"),
    name("cost_per_hour", Kind::Number, "US dollars of the last hour"),
    name("guardrail_hits", Kind::Number, "How many decisions were stricter than log"),
];

const STEP: &[NameDoc] = &[
    name("steps.NAME.output", Kind::Text, "What a finished step said"),
    name(
        "steps.NAME.outcome",
        Kind::Text,
        "How a step ended: completed, blocked, needs_confirmation, budget or failed",
    ),
];

/// The variables that can be named in a place.
pub const fn names_in(place: Place) -> &'static [NameDoc] {
    match place {
        Place::Guard => GUARD,
        Place::That => THAT,
        Place::Alerts => ALERTS,
        Place::ComposeStep => STEP,
    }
}

const fn function(
    name: &'static str,
    signature: &'static str,
    arguments: usize,
    gives: Kind,
    doc: &'static str,
) -> FunctionDoc {
    FunctionDoc { name, signature, method: false, arguments: (arguments, arguments), gives, doc }
}

const fn method(
    name: &'static str,
    signature: &'static str,
    arguments: usize,
    gives: Kind,
    doc: &'static str,
) -> FunctionDoc {
    FunctionDoc { name, signature, method: true, arguments: (arguments, arguments), gives, doc }
}

const fn date(name: &'static str, signature: &'static str, doc: &'static str) -> FunctionDoc {
    FunctionDoc { name, signature, method: true, arguments: (0, 1), gives: Kind::Number, doc }
}

/// The functions that look at the text under examination, and so exist only where there is one.
pub(super) const ON_TEXT: [&str; 3] = ["contains", "matches", "tainted"];

const FUNCTIONS: &[FunctionDoc] = &[
    function(
        "contains",
        "contains(['word', …])",
        1,
        Kind::Bool,
        "Any of these words in the text under examination: whole words, any case and width, English inflections counted",
    ),
    function(
        "matches",
        "matches('regex')",
        1,
        Kind::Bool,
        "The text under examination matches somewhere, in linear time",
    ),
    function("sql_verbs", "sql_verbs(text)", 1, Kind::List, "The verbs of the SQL statements in a text, in upper case"),
    function("sql_tables", "sql_tables(text)", 1, Kind::List, "The tables that the SQL statements in a text name"),
    function("has_pii", "has_pii(text)", 1, Kind::Bool, "A text holds personal data that has a pattern"),
    function("words", "words(text)", 1, Kind::Number, "How many words a text has"),
    function("lower", "lower(text)", 1, Kind::Text, "A text in lower case"),
    function(
        "levenshtein",
        "levenshtein(a, b)",
        2,
        Kind::Number,
        "How many letters to insert, delete or change to get from a to b; texts up to 2,000 characters",
    ),
    function("is_sql", "is_sql(text)", 1, Kind::Bool, "A text is SQL rather than prose"),
    function("tainted", "tainted()", 0, Kind::Bool, "Untrusted text has entered this turn"),
    function("size", "size(value)", 1, Kind::Number, "The length of a text, list or map"),
    function("int", "int(value)", 1, Kind::Number, "As a whole number"),
    function("uint", "uint(value)", 1, Kind::Number, "As a whole number, 0 or more"),
    function("double", "double(value)", 1, Kind::Number, "As a number"),
    function("string", "string(value)", 1, Kind::Text, "As a text"),
    function("bool", "bool(value)", 1, Kind::Bool, "As true or false"),
    function("type", "type(value)", 1, Kind::Any, "The type of a value"),
    function("dyn", "dyn(value)", 1, Kind::Any, "The value, its type forgotten"),
    function("duration", "duration('90s')", 1, Kind::Any, "A duration"),
    function("timestamp", "timestamp('2025-06-01T12:00:00Z')", 1, Kind::Any, "A moment"),
    method("contains", "text.contains('part')", 1, Kind::Bool, "The text holds this part, exactly as written"),
    method("startsWith", "text.startsWith('part')", 1, Kind::Bool, "The text starts with this"),
    method("endsWith", "text.endsWith('part')", 1, Kind::Bool, "The text ends with this"),
    method("matches", "text.matches('regex')", 1, Kind::Bool, "The text matches somewhere, in linear time"),
    method("size", "value.size()", 0, Kind::Number, "The length of a text, list or map"),
    date("getFullYear", "moment.getFullYear()", "The year"),
    date("getMonth", "moment.getMonth()", "The month, from 0"),
    date("getDate", "moment.getDate()", "The day of the month, from 1"),
    date("getDayOfWeek", "moment.getDayOfWeek()", "The day of the week, Sunday is 0"),
    date("getHours", "moment.getHours()", "The hours"),
    date("getMinutes", "moment.getMinutes()", "The minutes"),
    date("getSeconds", "moment.getSeconds()", "The seconds"),
];

/// All functions and methods that conditions may call. The macros `has`, `all`, `exists`, `exists_one`, `map` and `filter`
/// of CEL come on top.
pub const fn functions() -> &'static [FunctionDoc] {
    FUNCTIONS
}

/// CEL's macros, for suggestions.
pub(super) const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];
