//! Judging an expectation on what a case left behind.

use super::{Expectation, Seen, What};
use crate::report::Failure;
use aic_base::{Decision, Matcher, Outcome, RelPath, Stage, ToolOutcome, Usd};
use aic_engine::{CallRecord, Code, Container, RunOptions, ScriptJob};
use aic_guard::{CallScope, Scope};
use aic_spec::Approver;
use serde_json::{Value, json};
use similar::TextDiff;
use std::future::Future;
use std::pin::Pin;

/// Why an expectation does not hold.
#[derive(Debug)]
pub(crate) struct Miss {
    message: String,
    diff: Option<String>,
    /// It could not be judged at all.
    pub is_error: bool,
}

impl Miss {
    fn new(message: String) -> Self {
        Self { message, diff: None, is_error: false }
    }

    /// What cannot be judged at all.
    fn error(message: String) -> Self {
        Self { message, diff: None, is_error: true }
    }

    /// As a failure of this expectation.
    pub fn of(self, expectation: &Expectation, turn: Option<usize>) -> Failure {
        Failure {
            expectation: expectation.shown.clone(),
            message: self.message,
            diff: self.diff,
            turn,
            file: expectation.file.clone(),
            span: expectation.span,
        }
    }
}

/// Judges one expectation; none if it holds.
pub(crate) fn judge<'a>(
    expectation: &'a Expectation,
    seen: &'a Seen<'a>,
    container: &'a Container,
    options: &'a RunOptions,
) -> Pin<Box<dyn Future<Output = Option<Miss>> + Send + 'a>> {
    Box::pin(async move {
        match &expectation.what {
            What::Not(inner) => match judge(inner, seen, container, options).await {
                None => Some(Miss::new(format!("`{}` holds, and should not; {}", inner.shown, came(seen)))),
                Some(miss) if miss.is_error => Some(miss),
                Some(_) => None,
            },
            What::AnyOf(all) => {
                let mut why = Vec::new();
                for inner in all {
                    match judge(inner, seen, container, options).await {
                        None => return None,
                        Some(miss) if miss.is_error => return Some(miss),
                        Some(miss) => why.push(miss.message),
                    }
                }
                Some(Miss::new(format!("none of them holds: {}", why.join("; "))))
            }
            What::AllOf(all) => {
                for inner in all {
                    if let Some(miss) = judge(inner, seen, container, options).await {
                        return Some(Miss { message: format!("`{}`: {}", inner.shown, miss.message), ..miss });
                    }
                }
                None
            }
            What::File { path, contains, exists } => file(path, contains.as_deref(), *exists, seen).await,
            What::Command { argv, exit, stdout } => command(argv, *exit, stdout.as_ref(), seen).await,
            What::Own { code, path, min_score } => grade((*code, path), *min_score, seen, container, options).await,
            what => judge_plain(what, seen),
        }
    })
}

/// No test of cost passes because nobody knows a price.
fn cost(most: Usd, spent: Usd, unpriced: &[&str]) -> Option<Miss> {
    if !unpriced.is_empty() {
        let names = unpriced.join("`, `");
        let message = format!("nobody knows what `{names}` costs: give the model a `pricing`");
        return Some(Miss::error(message));
    }
    (spent > most).then(|| Miss::new(format!("it cost {spent}, wanted at most {most}")))
}

fn judge_plain(what: &What, seen: &Seen<'_>) -> Option<Miss> {
    let miss = |message: String| Some(Miss::new(message));
    let holds = |is: bool, message: &dyn Fn() -> String| if is { None } else { miss(message()) };
    match what {
        What::Output(matcher) => output(matcher, seen),
        What::JsonSchema(validator) => match &seen.json {
            None => miss(format!("the output is not JSON; {}", came(seen))),
            Some(value) => {
                let error = validator.iter_errors(value).next()?;
                miss(format!(
                    "the output does not follow the schema at {:?}: {error}",
                    error.instance_path().to_string()
                ))
            }
        },
        What::JsonPath { path, text, is } => match &seen.json {
            None => miss(format!("the output is not JSON; {}", came(seen))),
            Some(value) => {
                let found = path.query(value).all();
                let holds =
                    if found.is_empty() { is.matches(None) } else { found.iter().any(|found| is.matches(Some(found))) };
                if holds {
                    return None;
                }
                let found = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let found = if found.is_empty() { "nothing".into() } else { found };
                miss(format!("wanted {} at {text}, found {found}", is.describe()))
            }
        },
        What::That(condition) => that(condition, seen),
        What::Outcome(wanted) => {
            holds(seen.outcome == *wanted, &|| format!("wanted the outcome {wanted}; {}", came(seen)))
        }
        What::Blocked { by, reason } => {
            if !seen.was_blocked() {
                return miss(format!("it was not stopped; {}", came(seen)));
            }
            let fits = |decision: &&&Decision| {
                let by_fits = by.as_ref().is_none_or(|by| by.matches(Some(&decision.guardrail.as_str().into())));
                by_fits && reason.as_ref().is_none_or(|reason| reason.matches(Some(&decision.reason.as_str().into())))
            };
            let any = by.is_none() && reason.is_none();
            let found = any || seen.decisions.iter().filter(|decision| stops(decision)).any(|decision| fits(&decision));
            holds(found, &|| {
                let wanted = [("by", by), ("with the reason", reason)]
                    .iter()
                    .filter_map(|(word, matcher)| Some(format!("{word} {}", matcher.as_ref()?.describe())))
                    .collect::<Vec<_>>()
                    .join(" ");
                format!("wanted it stopped {wanted}; {}", fired(seen))
            })
        }
        What::NotBlocked => holds(!seen.was_blocked(), &|| format!("it was stopped; {}", fired(seen))),
        What::Confirmation { tool, guardrail, args, by } => {
            let fits = seen.confirmations.iter().any(|asked| {
                let name = |name: &Option<String>| name.as_deref().map(Value::from);
                let who = match asked.by {
                    Approver::User => "user",
                    Approver::Operator => "operator",
                };
                fit(tool, name(&asked.tool).as_ref())
                    && fit(guardrail, name(&asked.guardrail).as_ref())
                    && fit(args, Some(&asked.args))
                    && fit(by, Some(&who.into()))
            });
            holds(fits, &|| match seen.confirmations.len() {
                0 => format!("no confirmation was asked for; {}", came(seen)),
                count => format!("{count} confirmations were asked for, but none like this"),
            })
        }
        What::Guardrail { name, action, stage } => {
            let fits = seen.decisions.iter().any(|decision| {
                name.matches(Some(&decision.guardrail.as_str().into()))
                    && fit(action, Some(&decision.action.as_str().into()))
                    && fit(stage, Some(&decision.stage.as_str().into()))
            });
            holds(fits, &|| format!("wanted the guardrail {} to fire; {}", name.describe(), fired(seen)))
        }
        What::Tool { name, args, count, ran } => tool(name, args.as_ref(), count.as_ref(), *ran, seen),
        What::ToolsInOrder(wanted) => {
            let mut rest = wanted.iter();
            let mut next = rest.next();
            for call in seen.calls.iter().filter(|call| call.ran()) {
                if next.is_some_and(|name| *name == call.name) {
                    next = rest.next();
                }
            }
            holds(next.is_none(), &|| format!("wanted {} to run in this order; {}", wanted.join(", "), called(seen)))
        }
        What::NoToolCalled(names) => {
            let found = seen.calls.iter().find(|call| names.is_empty() || names.contains(&call.name));
            holds(found.is_none(), &|| called(seen))
        }
        What::Cost(most) => cost(*most, seen.cost, &seen.unpriced),
        What::Latency(most) => {
            holds(seen.latency <= *most, &|| format!("it took {:?}, wanted at most {most:?}", seen.latency))
        }
        What::Tokens { input, output, total } => {
            let (used_in, used_out) = (seen.usage.input_tokens.0, seen.usage.output_tokens.0);
            let within = |most: &Option<u64>, used: u64| most.is_none_or(|most| used <= most);
            let is = within(input, used_in) && within(output, used_out) && within(total, used_in + used_out);
            holds(is, &|| format!("it used {used_in} tokens in and {used_out} out"))
        }
        // Judged over all repeats or cases, and by `judge` itself.
        What::SameOutput
        | What::LatencyOver { .. }
        | What::Own { .. }
        | What::File { .. }
        | What::Command { .. }
        | What::Not(_)
        | What::AnyOf(_)
        | What::AllOf(_) => None,
    }
}

const fn stops(decision: &Decision) -> bool {
    matches!(decision.action, aic_base::Action::Block | aic_base::Action::RequireConfirmation)
}

fn fit(matcher: &Option<Matcher>, value: Option<&Value>) -> bool {
    matcher.as_ref().is_none_or(|matcher| matcher.matches(value))
}

fn output(matcher: &Matcher, seen: &Seen<'_>) -> Option<Miss> {
    let mismatch = matcher.mismatch(Some(&seen.output.into()))?;
    let diff = match matcher {
        Matcher::Equals(Value::String(wanted)) if wanted.contains('\n') || seen.output.contains('\n') => {
            let diff = TextDiff::from_lines(wanted.as_str(), seen.output);
            Some(diff.unified_diff().header("wanted", "came").to_string())
        }
        _ => None,
    };
    let ending =
        if seen.outcome == Outcome::Completed { String::new() } else { format!(" (the run was {})", seen.outcome) };
    Some(Miss {
        message: format!("wanted {}, found {}{ending}", mismatch.wanted, mismatch.found),
        diff,
        is_error: false,
    })
}

fn that(condition: &aic_guard::Condition, seen: &Seen<'_>) -> Option<Miss> {
    let tools: Vec<CallScope<'_>> = seen
        .calls
        .iter()
        .map(|call| CallScope { name: &call.name, args: &call.args, result: Some(&call.result), ran: call.ran() })
        .collect();
    let scope = Scope {
        input: seen.input,
        output: seen.output,
        usage: seen.usage,
        cost_run: seen.cost,
        json: seen.json.as_ref(),
        tools: &tools,
        ..Scope::at(Stage::PostExecution)
    };
    match condition.eval(seen.output, &scope) {
        Ok(true) => None,
        Ok(false) => Some(Miss::new(format!("it is false; {}", came(seen)))),
        Err(error) => Some(Miss::error(format!("it cannot be judged: {error}"))),
    }
}

fn tool(name: &Matcher, args: Option<&Matcher>, count: Option<&Matcher>, ran: bool, seen: &Seen<'_>) -> Option<Miss> {
    let named: Vec<&&CallRecord> =
        seen.calls.iter().filter(|call| name.matches(Some(&call.name.as_str().into()))).collect();
    let counted: Vec<&&&CallRecord> = named.iter().filter(|call| !ran || call.ran()).collect();
    let fitting = counted.iter().filter(|call| args.is_none_or(|args| args.matches(Some(&call.args)))).count();
    let verb = if ran { "run" } else { "be called" };
    match count {
        Some(count) if !count.matches(Some(&fitting.into())) => Some(Miss::new(format!(
            "wanted {} to {verb} {} times, it did {fitting} times; {}",
            name.describe(),
            count.describe(),
            called(seen)
        ))),
        None if fitting == 0 => {
            let difference = args.and_then(|args| args.mismatch(Some(&counted.first()?.args)));
            let why = match difference {
                Some(difference) => format!("its arguments differ: {difference}"),
                None => called(seen),
            };
            Some(Miss::new(format!("wanted {} to {verb}; {why}", name.describe())))
        }
        _ => None,
    }
}

async fn grade(
    (code, path): (Code, &RelPath),
    min_score: Option<f64>,
    seen: &Seen<'_>,
    container: &Container,
    options: &RunOptions,
) -> Option<Miss> {
    let unfit = |message: String| Some(Miss::error(message));
    let calls: Vec<Value> = seen
        .calls
        .iter()
        .map(|call| json!({ "name": call.name, "args": call.args, "result": call.result, "ran": call.ran() }))
        .collect();
    let args = json!({
        "input": seen.input,
        "output": seen.output,
        "outcome": seen.outcome.as_str(),
        "tools": calls,
        "json": seen.json,
    });
    let now = options.clock.now();
    let ctx = json!({ "now": now.to_string(), "environment": options.environment });
    let scripts = container.scripts();
    let job = ScriptJob { code, path, args, ctx, limits: None, now, seed: options.seed };
    let graded = match scripts.call(job, &options.cancel).await {
        Ok(graded) => graded,
        Err(why) => return unfit(why),
    };
    let score = graded.get("score").and_then(Value::as_f64);
    let reason = graded.get("reason").and_then(Value::as_str).unwrap_or("it gives no reason");
    match (graded.get("pass").and_then(Value::as_bool), min_score, score) {
        (_, Some(least), Some(score)) if score >= least => None,
        (_, Some(least), Some(score)) => Some(Miss::new(format!("score {score}, wanted at least {least}: {reason}"))),
        (_, Some(_), None) => unfit(format!("{path} gave no `score`: a grader returns {{pass, score, reason}}")),
        (Some(true), None, _) => None,
        (Some(false), None, _) => Some(Miss::new(format!("the grader says no: {reason}"))),
        (None, None, _) => unfit(format!("{path} gave no `pass`: a grader returns {{pass, score, reason}}")),
    }
}

async fn file(path: &RelPath, contains: Option<&str>, exists: bool, seen: &Seen<'_>) -> Option<Miss> {
    let miss = |message: String| Some(Miss::new(message));
    let found = match seen.workshop.file(path).await {
        Ok(found) => found,
        Err(why) => return Some(Miss::error(format!("{path}: {why}"))),
    };
    match (found, contains) {
        (Some(_), _) if !exists => miss(format!("{path} is there")),
        (None, _) if exists => miss(format!("there is no file {path}")),
        (Some(bytes), Some(wanted)) => {
            let text = String::from_utf8_lossy(&bytes);
            if text.contains(wanted) {
                None
            } else {
                miss(format!("{path} does not contain {wanted:?}: {}", clipped(&text)))
            }
        }
        _ => None,
    }
}

async fn command(argv: &[String], exit: i32, stdout: Option<&Matcher>, seen: &Seen<'_>) -> Option<Miss> {
    let ended = match seen.workshop.command(argv.to_vec()).await {
        Ok(ended) => ended,
        Err(message) => return Some(Miss::error(message)),
    };
    if ended.code != Some(exit) {
        let said = if ended.stderr.trim().is_empty() { &ended.stdout } else { &ended.stderr };
        return Some(Miss::new(format!(
            "wanted exit code {exit}, it ended by {}: {}",
            ended.end,
            clipped(said.trim())
        )));
    }
    // As a shell's `$(…)` has it: the line end behind the last line is nobody's wish.
    let mismatch = stdout?.mismatch(Some(&ended.stdout.trim_end_matches('\n').into()))?;
    Some(Miss::new(format!("it printed something else: {mismatch}")))
}

fn clipped(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

fn came(seen: &Seen<'_>) -> String {
    format!("the run was {}: {}", seen.outcome, clipped(seen.output))
}

fn fired(seen: &Seen<'_>) -> String {
    if seen.decisions.is_empty() {
        return format!("no guardrail fired; {}", came(seen));
    }
    let all: Vec<String> = seen
        .decisions
        .iter()
        .map(|decision| format!("{} → {} ({})", decision.guardrail, decision.action, decision.reason))
        .collect();
    format!("what fired: {}", all.join(", "))
}

fn called(seen: &Seen<'_>) -> String {
    if seen.calls.is_empty() {
        return format!("no tool was called; {}", came(seen));
    }
    let all: Vec<String> = seen
        .calls
        .iter()
        .map(|call| {
            let word = match call.outcome {
                ToolOutcome::Ran => "ran",
                ToolOutcome::Failed => "failed",
                ToolOutcome::Denied => "was denied",
                ToolOutcome::NeedsConfirmation => "waits",
                ToolOutcome::HandedBack => "was handed back",
            };
            let why = if call.outcome == ToolOutcome::Ran {
                String::new()
            } else {
                format!(": {}", clipped(&call.result.to_string()))
            };
            format!("{} {word}{why}", call.name)
        })
        .collect();
    format!("what was called: {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_judged_only_where_it_is_known() {
        let [one, two] = [1.0, 2.0].map(Usd::from_dollars);
        assert!(cost(two, one, &[]).is_none() && cost(one, one, &[]).is_none());
        assert!(cost(one, two, &[]).is_some_and(|miss| !miss.is_error));
        let unknown = cost(two, one, &["parrot"]).unwrap();
        assert!(unknown.is_error && unknown.message.contains("`parrot`"));
    }
}
