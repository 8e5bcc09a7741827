//! Mocks: what stands in for a tool's `run` in a test. Schema, guards, confirmation and trust still apply.

use aic_base::{Matcher, RelPath};
use aic_spec::Mock;
use indexmap::IndexMap;
use serde_json::Value;

/// The mocks of a test, by tool.
#[derive(Debug, Clone, Default)]
pub struct Mocks(IndexMap<String, Vec<Compiled>>);

#[derive(Debug, Clone)]
enum Compiled {
    Rule { matcher: Option<Matcher>, answer: MockAnswer },
    Script(RelPath),
}

/// What a mock answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MockAnswer {
    Returns(Value),
    Fails(String),
    Script(RelPath),
}

impl Mocks {
    /// Compiles the mocks of a test.
    ///
    /// # Errors
    /// A sentence that names the tool and the place.
    pub fn compile(mocks: &IndexMap<String, Vec<Mock>>) -> Result<Self, String> {
        let mut all = IndexMap::new();
        for (tool, rules) in mocks {
            let rules = rules
                .iter()
                .enumerate()
                .map(|(i, rule)| Compiled::from(rule).map_err(|error| format!("mock {} of `{tool}`: {error}", i + 1)));
            all.insert(tool.clone(), rules.collect::<Result<_, _>>()?);
        }
        Ok(Self(all))
    }

    /// Whether the tool has mocks.
    pub fn has(&self, tool: &str) -> bool {
        self.0.contains_key(tool)
    }

    /// The answer of the first rule that matches.
    pub(super) fn answer(&self, tool: &str, args: &Value) -> Result<MockAnswer, String> {
        let rules = self.0.get(tool).map_or(&[][..], Vec::as_slice);
        let mut why = String::from("it has no rules");
        for rule in rules {
            match rule {
                Compiled::Script(path) => return Ok(MockAnswer::Script(path.clone())),
                Compiled::Rule { matcher, answer } => {
                    match matcher.as_ref().and_then(|matcher| matcher.mismatch(Some(args))) {
                        None => return Ok(answer.clone()),
                        Some(mismatch) => why = mismatch.to_string(),
                    }
                }
            }
        }
        Err(format!("no mock of `{tool}` matches {args}: the last one's arguments differ at {why}"))
    }
}

impl Compiled {
    fn from(mock: &Mock) -> Result<Self, String> {
        Ok(match mock {
            Mock::Script(path) => Self::Script(path.clone()),
            Mock::Rule { matches, returns, error, times_out } => {
                let matcher = match matches {
                    Value::Null => None,
                    matches => Some(Matcher::compile(matches).map_err(|error| error.to_string())?),
                };
                let answer = match (returns, error, times_out) {
                    (_, _, true) => MockAnswer::Fails("timed out".into()),
                    (_, Some(error), _) => MockAnswer::Fails(error.clone()),
                    (returns, None, false) => MockAnswer::Returns(returns.clone().unwrap_or(Value::Null)),
                };
                Self::Rule { matcher, answer }
            }
        })
    }
}
