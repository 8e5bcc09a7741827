//! The built-in guardrails as a table: checking, completion and the reference page all read this one.

use crate::distance::nearest;
use aic_base::{Action, Stage};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A whole number, 0 or more.
    Count,
    /// A share, `10%` or `0.1`.
    Share,
    /// US dollars, `10`, `$10` or `$10/hour`.
    Money,
    /// US dollars, or a share of the cap.
    MoneyOrShare,
    /// A duration.
    Duration,
    /// A list of texts.
    Texts,
    /// A list of words out of these.
    ListOf(&'static [&'static str]),
    /// One word out of these.
    OneOf(&'static [&'static str]),
}

/// One parameter of a built-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamDoc {
    /// Its key.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParamKind,
    /// What holds where it is absent, as one would write it.
    pub default: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// A guardrail that needs no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is documented by `doc()`, where the reference page reads it too
pub enum Builtin {
    MaxLength,
    NoSqlInjection,
    NoCodeExecution,
    PromptInjection,
    ConfirmDestructive,
    NoDbMutations,
    Secrets,
    PiiProtection,
    DataPrivacy,
    RateLimit,
    CostControl,
    AuditLog,
    AllowedTopics,
}

const SENSITIVITY: ParamDoc = ParamDoc {
    name: "sensitivity",
    kind: ParamKind::Share,
    default: "0.5",
    doc: "0 stops only what is certain, 1 whatever looks odd",
};

pub(crate) const PII_TYPES: &[&str] =
    &["all", "card", "iban", "ssn", "email", "phone", "ip", "national_id", "birth_date"];
pub(crate) const SECRET_TYPES: &[&str] = &["all", "vendor", "private_key", "password", "token", "url_credentials"];
const BOTH_TYPES: &[&str] = &[
    "all",
    "card",
    "iban",
    "ssn",
    "email",
    "phone",
    "ip",
    "national_id",
    "birth_date",
    "vendor",
    "private_key",
    "password",
    "token",
    "url_credentials",
];
/// Those that are written where the spec names none come first.
pub(crate) const AUDIT_FIELDS: &[&str] =
    &["operation", "affected_count", "user_id", "cost", "latency", "guardrails", "scanned"];
/// How many of [`AUDIT_FIELDS`] are written where the spec names none.
pub(crate) const USUAL_AUDIT_FIELDS: usize = 6;

impl Builtin {
    /// All of them, in the order of the reference page.
    pub const ALL: [Self; 13] = [
        Self::MaxLength,
        Self::NoSqlInjection,
        Self::NoCodeExecution,
        Self::PromptInjection,
        Self::ConfirmDestructive,
        Self::NoDbMutations,
        Self::Secrets,
        Self::PiiProtection,
        Self::DataPrivacy,
        Self::RateLimit,
        Self::CostControl,
        Self::AuditLog,
        Self::AllowedTopics,
    ];

    /// The built-in of this name or alias.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "cost_limit" => Some(Self::CostControl),
            "audit_logging" => Some(Self::AuditLog),
            _ => Self::ALL.into_iter().find(|builtin| builtin.name() == name),
        }
    }

    /// The name that was probably meant.
    pub fn suggest(name: &str) -> Option<&'static str> {
        nearest(name, Self::ALL.map(Self::name).into_iter().chain(["cost_limit", "audit_logging"]))
    }

    /// Its name in the language.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxLength => "max_length",
            Self::NoSqlInjection => "no_sql_injection",
            Self::NoCodeExecution => "no_code_execution",
            Self::PromptInjection => "prompt_injection",
            Self::ConfirmDestructive => "confirm_destructive",
            Self::NoDbMutations => "no_db_mutations",
            Self::Secrets => "secrets",
            Self::PiiProtection => "pii_protection",
            Self::DataPrivacy => "data_privacy",
            Self::RateLimit => "rate_limit",
            Self::CostControl => "cost_control",
            Self::AuditLog => "audit_log",
            Self::AllowedTopics => "allowed_topics",
        }
    }

    /// What it does where the spec names no action.
    pub const fn default_action(self) -> Action {
        match self {
            Self::ConfirmDestructive => Action::RequireConfirmation,
            Self::Secrets | Self::PiiProtection | Self::DataPrivacy => Action::Redact,
            Self::AuditLog => Action::Log,
            _ => Action::Block,
        }
    }

    /// Where it stands where the spec names no stage. Injection detectors stand on tool results too, and look there only
    /// at untrusted ones.
    pub const fn default_stages(self) -> &'static [Stage] {
        use Stage::{Chunk, ModelCall, PostExecution, PreExecution, ToolCall, ToolResult};
        match self {
            Self::MaxLength | Self::ConfirmDestructive | Self::AllowedTopics => &[PreExecution],
            Self::NoSqlInjection | Self::NoCodeExecution | Self::PromptInjection => &[PreExecution, ToolResult],
            Self::NoDbMutations => &[ToolCall],
            Self::Secrets | Self::PiiProtection => &[PreExecution, Chunk, PostExecution],
            Self::DataPrivacy => &[PreExecution, ModelCall, ToolCall, ToolResult, Chunk, PostExecution],
            Self::RateLimit | Self::CostControl => &[ModelCall],
            Self::AuditLog => &[PostExecution],
        }
    }

    /// Its parameters besides those that every guardrail has.
    pub const fn params(self) -> &'static [ParamDoc] {
        use ParamKind::{Count, Duration, ListOf, Money, MoneyOrShare, OneOf, Texts};
        const fn param(name: &'static str, kind: ParamKind, default: &'static str, doc: &'static str) -> ParamDoc {
            ParamDoc { name, kind, default, doc }
        }
        match self {
            Self::MaxLength => {
                &[const { param("max", Count, "4000", "The most Unicode scalar values a text may have") }]
            }
            Self::NoSqlInjection | Self::NoCodeExecution | Self::PromptInjection => &[SENSITIVITY],
            Self::ConfirmDestructive => &[],
            Self::NoDbMutations => {
                &[const { param("allow", Texts, "[]", "SQL verbs that may change data all the same, such as INSERT") }]
            }
            Self::Secrets => {
                &[const { param("types", ListOf(SECRET_TYPES), "[all]", "Which kinds of credentials to look for") }]
            }
            Self::PiiProtection => {
                &[const { param("types", ListOf(PII_TYPES), "[all]", "Which kinds of personal data to look for") }]
            }
            Self::DataPrivacy => {
                &[const { param("types", ListOf(BOTH_TYPES), "[all]", "Which kinds of data to look for") }]
            }
            Self::RateLimit => &[
                const { param("max_operations", Count, "60", "The most runs in one window") },
                const { param("window", Duration, "1m", "The length of the window") },
                const { param("per", OneOf(&["all", "user"]), "all", "Whether users are counted together or each alone") },
            ],
            Self::CostControl => &[
                const { param("max_cost_per_hour", Money, "10", "The most US dollars in one hour") },
                const { param("alert_at", MoneyOrShare, "80%", "From here on it warns") },
            ],
            Self::AuditLog => &[const {
                param(
                    "fields",
                    ListOf(AUDIT_FIELDS),
                    "[operation, affected_count, user_id, cost, latency, guardrails]",
                    "What is written down",
                )
            }],
            Self::AllowedTopics => &[
                const { param("topics", Texts, "[]", "Words or phrases, one of which the text has to touch") },
                const { param("min_match", Count, "1", "How many different ones it has to touch") },
            ],
        }
    }

    /// One line for completion, hover and the reference page.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::MaxLength => "Refuses texts longer than a number of Unicode scalar values",
            Self::NoSqlInjection => "Refuses texts that carry an SQL injection, alone or inside a message",
            Self::NoCodeExecution => "Refuses payloads that are meant to run, and requests to run risky code",
            Self::PromptInjection => "Refuses texts that try to override the instructions of the model",
            Self::ConfirmDestructive => {
                "Asks before deleting, dropping, overwriting or shutting down: prose, shell, SQL"
            }
            Self::NoDbMutations => "Refuses tool calls whose SQL changes data or structure",
            Self::Secrets => "Takes credentials out of texts: keys, tokens, passwords, private keys",
            Self::PiiProtection => {
                "Takes personal data out of texts: cards, IBANs, national ids, e-mail, phones, IP addresses, dates of birth"
            }
            Self::DataPrivacy => "Personal data and secrets everywhere, and none of either in traces or audit",
            Self::RateLimit => "Limits the runs in a window of time",
            Self::CostControl => "Limits the cost of an hour, and warns before",
            Self::AuditLog => "Writes each run into the audit chain",
            Self::AllowedTopics => "Refuses texts that touch none of the listed topics",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_alias_leads_to_its_builtin() {
        for builtin in Builtin::ALL {
            assert_eq!(Builtin::from_name(builtin.name()), Some(builtin));
            assert!(!builtin.doc().is_empty() && !builtin.default_stages().is_empty());
        }
        assert_eq!(Builtin::from_name("cost_limit"), Some(Builtin::CostControl));
        assert_eq!(Builtin::from_name("audit_logging"), Some(Builtin::AuditLog));
        assert_eq!(Builtin::suggest("pii_protecton"), Some("pii_protection"));
    }
}
