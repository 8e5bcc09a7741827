//! The parameters of built-in guardrails: read from the spec's values, each mistake a problem at its key.

use crate::builtins::{AUDIT_FIELDS, Builtin, ParamKind, USUAL_AUDIT_FIELDS};
use crate::defs::{GuardrailDef, Problem, ProblemAt};
use crate::detect::{Detector, Types};
use crate::distance::nearest;
use crate::guard::{AuditLog, CostControl, GuardKind, RateLimit, short};
use crate::words::WordSet;
use aic_base::{Usd, units};
use serde_json::Value;
use std::time::Duration;

/// Reads the parameters of a built-in.
struct Params<'a> {
    builtin: Builtin,
    def: &'a GuardrailDef,
    problems: Vec<Problem>,
}

impl<'a> Params<'a> {
    fn new(builtin: Builtin, def: &'a GuardrailDef) -> Self {
        let known: Vec<&str> = builtin.params().iter().map(|param| param.name).collect();
        let mut problems = Vec::new();
        for key in def.params.keys() {
            let direct = Builtin::from_name(key) == Some(builtin) && direct_key(builtin).is_some();
            if !direct && !known.contains(&key.as_str()) {
                let all = if known.is_empty() {
                    "it takes none".to_owned()
                } else {
                    format!("it takes {}", known.join(", "))
                };
                let message = format!("`{}` is no parameter of {}: {all}", short(key), builtin.name());
                let problem = Problem::new(ProblemAt::Param(key.clone()), message);
                problems.push(problem.with_suggestion(nearest(key, known.iter().copied())));
            }
        }
        Self { builtin, def, problems }
    }

    /// A parameter under its own key, or the value that was given directly.
    fn value(&self, name: &str) -> Option<(&'a str, &'a Value)> {
        let direct =
            |key: &str| Builtin::from_name(key) == Some(self.builtin) && direct_key(self.builtin) == Some(name);
        let found = self.def.params.iter().find(|(key, _)| *key == name);
        found.or_else(|| self.def.params.iter().find(|(key, _)| direct(key))).map(|(key, value)| (key.as_str(), value))
    }

    fn wrong(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(ProblemAt::Param(key.to_owned()), message));
    }

    fn count(&mut self, name: &str, default: u64, least: u64) -> u64 {
        let Some((key, value)) = self.value(name) else { return default };
        match value.as_u64() {
            Some(count) if count >= least => count,
            _ => {
                self.wrong(key, format!("`{key}` takes a whole number, {least} or more"));
                default
            }
        }
    }

    fn share(&mut self, name: &str, default: f64) -> f64 {
        let Some((key, value)) = self.value(name) else { return default };
        let share = match value {
            Value::String(text) => units::share(text).ok(),
            other => other.as_f64().filter(|share| (0.0..=1.0).contains(share)),
        };
        share.unwrap_or_else(|| {
            self.wrong(key, format!("`{key}` takes a share from 0 to 1, such as 0.5 or 50%"));
            default
        })
    }

    fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let Some((key, value)) = self.value(name) else { return default };
        let duration = match value {
            Value::String(text) => units::duration(text).map_err(|error| error.to_string()),
            other => other
                .as_f64()
                .ok_or_else(|| "a duration is written like 30s, 1m or 1h".to_owned())
                .and_then(|seconds| units::bare_seconds(seconds).map_err(|error| error.to_string())),
        };
        match duration {
            Ok(duration) if !duration.is_zero() => duration,
            Ok(_) => {
                self.wrong(key, format!("`{key}` must be longer than nothing"));
                default
            }
            Err(message) => {
                self.wrong(key, message);
                default
            }
        }
    }

    /// US dollars of an hour; a share where `of` is given.
    fn money(&mut self, name: &str, default: Usd, of: Option<Usd>) -> Usd {
        let Some((key, value)) = self.value(name) else { return default };
        let money = match (value, of) {
            (Value::String(text), Some(whole)) if text.trim_end().ends_with('%') => units::share(text)
                .map(|share| Usd::from_dollars(whole.dollars() * share))
                .map_err(|error| error.to_string()),
            (Value::String(text), _) => {
                units::money(text).map_err(|error| error.to_string()).and_then(|rate| match rate.per {
                    Some(per) if per != Duration::from_secs(3600) => {
                        Err(format!("`{key}` is an amount of one hour: write it like $10/hour"))
                    }
                    _ => Ok(rate.amount),
                })
            }
            (other, _) => match other.as_f64() {
                Some(dollars) if dollars >= 0.0 => Ok(Usd::from_dollars(dollars)),
                _ => Err(format!("`{key}` takes US dollars, such as 10 or $10/hour")),
            },
        };
        money.unwrap_or_else(|message| {
            self.wrong(key, message);
            default
        })
    }

    fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let (key, value) = self.value(name)?;
        let texts = match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(list) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.wrong(key, format!("`{key}` takes a list of texts"));
        }
        texts
    }

    /// A list of words out of the parameter's own.
    fn words(&mut self, name: &str) -> Option<Vec<String>> {
        let known = self.builtin.params().iter().find(|param| param.name == name).map(|param| param.kind);
        let all = match known {
            Some(ParamKind::ListOf(all) | ParamKind::OneOf(all)) => all,
            _ => &[],
        };
        let words = self.texts(name)?;
        for word in &words {
            if !all.contains(&word.as_str()) {
                let message = format!("`{}` is none of {}", short(word), all.join(", "));
                let problem = Problem::new(ProblemAt::Param(name.to_owned()), message);
                self.problems.push(problem.with_suggestion(nearest(word, all.iter().copied())));
            }
        }
        Some(words)
    }
}

/// The parameter that a value given directly means: `max_length: 1000`, `cost_limit: $10/hour`.
pub fn direct_key(builtin: Builtin) -> Option<&'static str> {
    match builtin {
        Builtin::MaxLength => Some("max"),
        Builtin::CostControl => Some("max_cost_per_hour"),
        Builtin::RateLimit => Some("max_operations"),
        Builtin::AllowedTopics => Some("topics"),
        Builtin::AuditLog => Some("fields"),
        _ => None,
    }
}

/// Prepares a built-in with the parameters of its definition.
pub(crate) fn built_in(builtin: Builtin, def: &GuardrailDef) -> Result<GuardKind, Vec<Problem>> {
    let mut params = Params::new(builtin, def);
    let kind = match builtin {
        Builtin::MaxLength => GuardKind::Detector(Detector::MaxLength(params.count("max", 4000, 0))),
        Builtin::NoSqlInjection => GuardKind::Detector(Detector::SqlInjection(params.share("sensitivity", 0.5))),
        Builtin::NoCodeExecution => GuardKind::Detector(Detector::CodeExecution(params.share("sensitivity", 0.5))),
        Builtin::PromptInjection => GuardKind::Detector(Detector::PromptInjection(params.share("sensitivity", 0.5))),
        Builtin::ConfirmDestructive => GuardKind::Detector(Detector::Destructive),
        Builtin::NoDbMutations => {
            let allow = params.texts("allow").unwrap_or_default();
            GuardKind::Detector(Detector::DbMutations(allow.iter().map(|verb| verb.to_uppercase()).collect()))
        }
        Builtin::Secrets | Builtin::PiiProtection | Builtin::DataPrivacy => {
            let words = params.words("types").unwrap_or_else(|| vec!["all".to_owned()]);
            let mut types = Types::default();
            for word in &words {
                types.add(word);
            }
            match builtin {
                Builtin::Secrets => types.pii.clear(),
                Builtin::PiiProtection => types.secrets.clear(),
                _ => {}
            }
            GuardKind::Detector(Detector::Data(types))
        }
        Builtin::RateLimit => GuardKind::RateLimit(RateLimit {
            max_operations: params.count("max_operations", 60, 0),
            window: params.duration("window", Duration::from_secs(60)),
            per_user: params.words("per").is_some_and(|words| words.iter().any(|word| word == "user")),
        }),
        Builtin::CostControl => {
            let max = params.money("max_cost_per_hour", Usd::from_dollars(10.0), None);
            let alert = Usd::from_pico(max.pico() / 10 * 8);
            let alert_at = params.money("alert_at", alert, Some(max));
            if alert_at > max {
                params.wrong(
                    "alert_at",
                    format!("`alert_at` ({alert_at}) lies above the cap ({max}): it would never warn"),
                );
            }
            GuardKind::CostControl(CostControl { max_per_hour: max, alert_at })
        }
        Builtin::AuditLog => GuardKind::AuditLog(AuditLog {
            fields: params.words("fields").unwrap_or_else(|| {
                AUDIT_FIELDS.iter().take(USUAL_AUDIT_FIELDS).map(|field| (*field).to_owned()).collect()
            }),
        }),
        Builtin::AllowedTopics => {
            let topics = params.texts("topics").unwrap_or_default();
            if topics.iter().all(|topic| topic.trim().is_empty()) && params.problems.is_empty() {
                params.wrong("topics", "`topics` is missing: list the words of the topics that are allowed".into());
            }
            let least = usize::try_from(params.count("min_match", 1, 1)).unwrap_or(usize::MAX);
            if least > topics.len() && params.problems.is_empty() {
                params.wrong(
                    "min_match",
                    format!("`min_match` asks for more topics than the {} there are", topics.len()),
                );
            }
            GuardKind::Detector(Detector::AllowedTopics(WordSet::new(topics), least))
        }
    };
    if params.problems.is_empty() { Ok(kind) } else { Err(params.problems) }
}
