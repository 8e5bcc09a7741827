//! One rule of a scripted model: when it answers.

use super::reply::Reply;
use crate::chat::{Answered, Message, Role};
use aic_base::Matcher;
use aic_base::matcher::Captures;
use serde_json::{Map, Value};

/// A rule does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}{}: {message}", if path.is_empty() { String::new() } else { format!(", {}", path.join(".")) })]
pub struct RuleError {
    /// Which rule, from 1.
    pub rule: usize,
    /// The keys that lead to the place inside the rule.
    pub path: Vec<String>,
    /// What is wrong there.
    pub message: String,
}

/// What a rule can look at.
#[derive(Debug)]
pub(super) struct Situation<'a> {
    /// The most recent user message.
    pub user: Option<Value>,
    /// The instructions.
    pub system: Option<Value>,
    /// How many messages the user has sent.
    pub turn: Value,
    /// The newest message.
    pub last: Option<&'a Message>,
}

impl Situation<'_> {
    /// The tool result that the newest message is.
    pub fn answered(&self) -> Option<&Answered> {
        self.last?.answers.as_ref()
    }
}

/// Why a rule does not answer, and how many of its conditions hold.
#[derive(Debug)]
pub(super) struct RuleMismatch {
    pub matched: usize,
    pub why: String,
}

/// One rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Its place in the list, from 1.
    pub number: usize,
    tool: Option<Matcher>,
    result: Option<Matcher>,
    error: Option<Matcher>,
    user: Option<Matcher>,
    system: Option<Matcher>,
    turn: Option<Matcher>,
    /// How often it answers in one case.
    pub times: Option<u32>,
    pub reply: Reply,
}

impl Rule {
    pub fn compile(number: usize, rule: &Value) -> Result<Self, RuleError> {
        let wrong = |path: &[&str], message: String| RuleError {
            rule: number,
            path: path.iter().map(|key| (*key).to_owned()).collect(),
            message,
        };
        let Value::Object(map) = rule else {
            return Err(wrong(&[], "a rule is a map with `match` and `reply`".into()));
        };
        known_keys(map, &["match", "reply", "times"]).map_err(|message| wrong(&[], message))?;
        let nothing = Map::new();
        let conditions = match map.get("match") {
            None | Some(Value::Null) => &nothing,
            Some(Value::Object(conditions)) => conditions,
            Some(_) => return Err(wrong(&["match"], "`match` is a map".into())),
        };
        known_keys(conditions, &["user", "tool", "result", "error", "system", "turn"])
            .map_err(|message| wrong(&["match"], message))?;
        let matcher = |key: &str| match conditions.get(key) {
            None => Ok(None),
            Some(value) => Matcher::compile(value).map(Some).map_err(|error| {
                let mut path = vec!["match", key];
                path.extend(error.path.iter().map(String::as_str));
                wrong(&path, error.message.clone())
            }),
        };
        let times = match map.get("times") {
            None => None,
            Some(value) => Some(
                value
                    .as_u64()
                    .and_then(|times| u32::try_from(times).ok())
                    .ok_or_else(|| wrong(&["times"], "`times` is a whole number".into()))?,
            ),
        };
        let reply = map.get("reply").ok_or_else(|| wrong(&[], "`reply` is missing".into()))?;
        Ok(Self {
            number,
            tool: matcher("tool")?,
            result: matcher("result")?,
            error: matcher("error")?,
            user: matcher("user")?,
            system: matcher("system")?,
            turn: matcher("turn")?,
            times,
            reply: Reply::compile(reply).map_err(|message| wrong(&["reply"], message))?,
        })
    }

    /// The first condition that does not hold.
    pub fn mismatch(&self, situation: &Situation<'_>) -> Option<RuleMismatch> {
        let answered = situation.answered();
        let about_tool = self.tool.is_some() || self.result.is_some() || self.error.is_some();
        let mut matched = 0;
        if about_tool != answered.is_some() {
            let why =
                if about_tool { "the last message is no tool's result" } else { "the last message is a tool's result" };
            return Some(RuleMismatch { matched, why: why.into() });
        }
        if !about_tool && situation.last.is_none_or(|message| message.role != Role::User) {
            return Some(RuleMismatch { matched, why: "the last message is not the user's".into() });
        }
        let name = answered.map(|answered| Value::from(answered.tool.as_str()));
        let result = answered.filter(|answered| !answered.is_error).map(|answered| &answered.result);
        let error = answered.filter(|answered| answered.is_error).map(|answered| &answered.result);
        let conditions = [
            ("tool", &self.tool, name.as_ref()),
            ("result", &self.result, result),
            ("error", &self.error, error),
            ("turn", &self.turn, Some(&situation.turn)),
            ("user", &self.user, situation.user.as_ref()),
            ("system", &self.system, situation.system.as_ref()),
        ];
        for (key, matcher, value) in conditions {
            let Some(matcher) = matcher else { continue };
            if let Some(mismatch) = matcher.mismatch(value) {
                let dot = if mismatch.path.is_empty() { "" } else { "." };
                let why = format!("{key}{dot}{}: wanted {}, found {}", mismatch.path, mismatch.wanted, mismatch.found);
                return Some(RuleMismatch { matched, why });
            }
            matched += 1;
        }
        None
    }

    /// What the named groups of its patterns catch.
    pub fn captures(&self, situation: &Situation<'_>) -> Captures {
        let result = situation.answered().map(|answered| &answered.result);
        let all = [
            (&self.user, situation.user.as_ref()),
            (&self.system, situation.system.as_ref()),
            (&self.result, result),
            (&self.error, result),
        ];
        all.into_iter().filter_map(|(matcher, value)| Some(matcher.as_ref()?.captures(value))).flatten().collect()
    }
}

/// Refuses keys that are not in the list.
pub(super) fn known_keys(map: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key `{key}`: the keys are {}", known.join(", "))),
        None => Ok(()),
    }
}
