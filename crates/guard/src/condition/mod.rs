//! Conditions: one line of CEL, checked when the spec is loaded and evaluated fail-closed.
//!
//! The CEL library has no type checker and no cost limit, so this room walks the tree itself: known names and functions
//! only, one level of comprehension, capped literals, and a result that can be true or false.

mod check;
mod eval;
mod functions;

pub use eval::EvalError;
pub use functions::{FunctionDoc, Kind, NameDoc, functions, names_in};

use aic_base::Span;
use cel::IdedExpr;
use check::Plan;

/// Where a condition stands, which decides what it can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A guardrail, or `confirm.when` of a tool.
    Guard,
    /// `that` of a behaviour test.
    That,
    /// `deployment.alerts`.
    Alerts,
    /// `when` of a compose step.
    ComposeStep,
}

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionProblem {
    /// Where in its text, in bytes.
    pub span: Span,
    /// What, and what to do.
    pub message: String,
    /// What was probably meant in the span's place.
    pub suggestion: Option<String>,
}

/// A condition that can be evaluated.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    expr: IdedExpr,
    plan: Plan,
}

impl Condition {
    /// The longest text of a condition, in bytes.
    pub const MAX_LENGTH: usize = 4096;

    /// Checks a condition and prepares it.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its text; never empty.
    pub fn compile(text: &str, place: Place) -> Result<Self, Vec<ConditionProblem>> {
        let (expr, plan) = check::check(text, place)?;
        Ok(Self { text: text.to_owned(), expr, plan })
    }

    /// The condition as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names `tool`: then it is judged on tool calls only, unless `on` says otherwise.
    pub fn names_tool(&self) -> bool {
        self.plan.roots.contains("tool")
    }

    /// Whether it names `tool.result` without asking `has(tool.result)`, and so makes sense on tool results only.
    pub fn needs_tool_result(&self) -> bool {
        self.plan.reads_result && !self.plan.tests_result
    }

    /// Whether it names `output`.
    pub fn names_output(&self) -> bool {
        self.plan.roots.contains("output")
    }

    /// Whether it looks at the text under examination.
    pub fn reads_text(&self) -> bool {
        self.plan.reads_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{Scope, ToolScope};
    use aic_base::{Stage, Usd};
    use serde_json::json;

    fn guard(text: &str) -> Condition {
        Condition::compile(text, Place::Guard).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
    }

    fn problem(text: &str) -> ConditionProblem {
        Condition::compile(text, Place::Guard).expect_err(text).remove(0)
    }

    fn holds(text: &str, examined: &str) -> bool {
        guard(text).eval(examined, &Scope::default()).unwrap()
    }

    #[test]
    fn contains_looks_for_words_in_the_text_under_examination() {
        let condition = "contains(['delete', 'remove', 'drop'])";
        assert!(holds(condition, "Deleting all users") && holds(condition, "DROP TABLE users"));
        assert!(!holds(condition, "raindrops keep falling"));
        assert!(holds("'xyz'.contains('y')", "") && !holds("input.contains('y')", "y"));
    }

    #[test]
    fn matches_is_a_regex_on_the_text_under_examination() {
        assert!(holds(r"matches('(?i)^drop\\s+table')", "DROP  TABLE x"));
        assert!(holds("'abc'.matches('b.')", ""));
        assert_eq!(problem("matches('(')").span.of("matches('(')"), "'('");
        assert!(Condition::compile("matches(input)", Place::Guard).is_err());
    }

    #[test]
    fn the_functions_do_what_the_language_says() {
        assert!(holds("sql_verbs('select 1; delete from a') == ['SELECT', 'DELETE']", ""));
        assert!(holds("'users' in sql_tables('select * from users')", ""));
        assert!(holds("has_pii('write to jane.roe@gmail.com') && !has_pii('hello')", ""));
        assert!(holds("words('one two  three') == 3 && lower('ÄB') == 'äb'", ""));
        assert!(holds("levenshtein('kitten', 'sitting') == 3", ""));
        assert!(holds("is_sql('drop table users') && !is_sql('drop me a line')", ""));
        assert!(holds("!tainted()", ""));
    }

    #[test]
    fn values_that_never_go_together_are_a_mistake_at_their_place() {
        for (text, at) in [
            ("words(input) == 'a'", "'a'"),
            ("input > 3", "3"),
            ("lower(3) == 'a'", "3"),
            ("user.roles == 'admin'", "'admin'"),
            ("'a' in input", "'a'"),
            ("input + 3 == 'a'", "3"),
            ("turn - 'a' > 1", "'a'"),
            ("words(input).startsWith('a')", "startsWith"),
            ("input.startsWith(3)", "3"),
        ] {
            let found = problem(text);
            assert_eq!(found.span.of(text), at, "{text}: {}", found.message);
        }
        for text in [
            "user.id == 'a' && user.id != null",
            "'admin' in user.roles",
            "size(input) > 3 || words(output) == 3",
            "tool.args.amount == 3 || tool.args.amount == 'x'",
            "input + output == 'a'",
            "'k' in tool.args",
            "user.roles == ['admin']",
            "turn * 2 - 1 > 3 && cost.run + 0.5 < 1.0",
            "sql_verbs(input) != []",
        ] {
            guard(text);
        }
    }

    #[test]
    fn a_condition_sees_the_run() {
        let (args, result) = (json!({"amount": 250.5}), json!({"customer": "c-1"}));
        let mut scope = Scope::at(Stage::ToolCall);
        scope.user.id = Some("c-77".into());
        scope.user.roles = vec!["operator".into()];
        scope.tool = Some(ToolScope { name: "refund", args: &args, result: Some(&result), untrusted: false });
        scope.cost_hour = Usd::from_dollars(1.5);
        scope.turn = 2;
        for text in [
            "tool.args.amount > 100",
            "tool.result.customer != user.id",
            "'operator' in user.roles",
            "cost.hour > 1.4",
            "turn == 2 && stage == 'tool_call'",
            "tool.name.startsWith('ref')",
            "usage.input_tokens == 0",
            "has(tool.result)",
            "user.roles.exists(r, r == 'operator')",
            "tool.args['amount'] >= 250",
            "!has(tool.args.note)",
        ] {
            assert!(guard(text).eval("", &scope).unwrap(), "{text}");
        }
        scope.tool = Some(ToolScope { name: "refund", args: &args, result: None, untrusted: false });
        assert!(!guard("has(tool.result)").eval("", &scope).unwrap());
        assert!(guard("tool.result.customer != user.id").eval("", &scope).is_err());
    }

    #[test]
    fn what_fails_at_run_time_is_an_error_and_not_a_verdict() {
        for text in ["1 / 0 == 1", "tool.name == 'x'", "int(input) == 1", "user.id.size() == 1"] {
            let error = guard(text).eval("", &Scope::default()).unwrap_err();
            assert!(!error.to_string().is_empty(), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_at_its_place_with_what_was_meant() {
        let problem = |text: &str| {
            let problem = problem(text);
            (problem.span.of(text).to_owned(), problem.suggestion)
        };
        assert_eq!(problem("turn > 1 && inptu == 'x'"), ("inptu".into(), Some("input".into())));
        assert_eq!(problem("user.idd == 'x'"), ("idd".into(), Some("id".into())));
        assert_eq!(problem("cost.our > 1"), ("our".into(), Some("hour".into())));
        assert_eq!(problem("contians(['a'])"), ("contians".into(), Some("contains".into())));
        assert_eq!(problem("input.startWith('a')"), ("startWith".into(), Some("startsWith".into())));
        assert_eq!(problem("'é' == inptu"), ("inptu".into(), Some("input".into())));
        assert_eq!(problem("error_rate > 0.1").0, "error_rate");
    }

    #[test]
    fn a_condition_must_be_true_or_false() {
        for text in [
            "1 + 1",
            "'text'",
            "input",
            "[true]",
            "words(input)",
            "user.roles",
            "turn > 1 ? 'a' : 'b'",
            "null",
            "-turn",
        ] {
            let problem = problem(text);
            assert!(problem.message.contains("true or false"), "{text}: {}", problem.message);
        }
        for text in ["true", "!tainted()", "tool.args.flag", "turn > 1 ? true : input == 'x'", "input in ['a']"] {
            guard(text);
        }
    }

    #[test]
    fn what_does_not_parse_says_where() {
        for text in ["", "   ", "turn >", "turn > 1 &&", "contains(['a'", "turn === 1", "a b", "'open"] {
            let problem = problem(text);
            assert!(problem.span.range().end <= text.len() && !problem.message.contains('\n'), "{text}: {problem:?}");
        }
    }

    #[test]
    fn each_place_has_its_own_names() {
        let good = |text: &str, place: Place| Condition::compile(text, place).is_ok();
        assert!(good("error_rate > 0.05", Place::Alerts) && !good("input == ''", Place::Alerts));
        assert!(!good("contains(['x'])", Place::Alerts));
        assert!(good("json.total > 5 && tools.exists(t, t.name == 'refund')", Place::That));
        assert!(good("steps.triage.output.contains('RISKY')", Place::ComposeStep));
        assert!(!good("steps.triage.outptu.contains('RISKY')", Place::ComposeStep));
        assert!(!good("json.total > 5", Place::Guard));
    }

    #[test]
    fn costly_conditions_are_refused() {
        let nested = "user.roles.all(a, user.roles.all(b, a == b))";
        assert!(problem(nested).message.contains("one level"));
        for text in [
            format!("turn in [{}1]", "1,".repeat(2000)),
            format!("{}true", "!".repeat(3000)),
            format!("turn{} > 1", "+1".repeat(1500)),
            format!("{}turn{} > 1", "(".repeat(1000), ")".repeat(1000)),
            format!("{}1{} == 1", "[".repeat(1500), "]".repeat(1500)),
            format!("turn > {}", "9".repeat(3000)),
            format!("tool{} == 1", ".args".repeat(700)),
            "x".repeat(5000),
            format!("{} true", "true ? true : ".repeat(200)),
        ] {
            assert!(Condition::compile(&text, Place::Guard).is_err(), "{}", &text[..40]);
        }
        for text in [
            format!("turn{} > 1", "+1".repeat(190)),
            format!("{}turn{} > 1", "(".repeat(24), ")".repeat(24)),
            format!("{}true", "!".repeat(190)),
            format!("{}true{}", "[".repeat(23), "]".repeat(23)),
            format!("{}true", "true ? true : ".repeat(90)),
            format!("true{}", " && true".repeat(90)),
            format!("tool.args{} == 1", ".a".repeat(190)),
            format!("tool.args{} == 1", "[0]".repeat(100)),
            format!("{}1", "-".repeat(199)),
        ] {
            if let Ok(condition) = Condition::compile(&text, Place::Guard) {
                let _ = condition.eval("", &Scope::default());
            }
        }
        guard("user.roles.filter(r, r != 'x').exists(r, r == 'y')");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_condition_panic(text in "\\PC{0,60}") {
            let _ = Condition::compile(&text, Place::Guard);
        }

        #[test]
        fn no_mix_of_words_makes_a_condition_panic(words in proptest::collection::vec(proptest::sample::select(vec![
            "input", "user", ".", "id", "(", ")", "[", "]", "==", "&&", "||", "!", "-", "'a'", "1", "1.5", "contains", "matches",
            "tool", ",", "?", ":", "{", "}", "has", "exists", "x", "in", "+", "/", "0", "null", "9223372036854775807", "b'x'", "r'\\'",
        ]), 0..14)) {
            for text in [words.concat(), words.join(" ")] {
                if let Ok(condition) = Condition::compile(&text, Place::Guard) {
                    let _ = condition.eval("some text", &Scope::default());
                }
            }
        }
    }
}
