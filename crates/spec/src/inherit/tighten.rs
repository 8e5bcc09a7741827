//! The published table of what tightens a path that is final. Anything that is not in it may not be changed.

use crate::tree::{Kind, Node};
use aic_base::units;
use std::collections::BTreeSet;

/// In which direction a value is tighter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tighter {
    /// A smaller number, amount, size or a shorter time.
    Lower,
    /// A larger one.
    Higher,
    /// Fewer of a list.
    Fewer,
    /// More of a list.
    More,
    /// A later word of these.
    Later(&'static [&'static str]),
    /// Any change: it protects nothing.
    Free,
}

/// One row: a path, its direction, and what holds where nothing is said (`∞` without a limit, `all` and `none` of lists).
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The path; `*` stands for one step.
    pub path: &'static str,
    /// The direction.
    pub tighter: Tighter,
    /// What holds where nothing is said.
    pub absent: &'static str,
}

const ACTIONS: &[&str] = &["log", "warn", "redact", "require_confirmation", "block"];
const BOOL: &[&str] = &["false", "true"];

macro_rules! rows {
    ($($path:literal $tighter:expr, $absent:literal;)*) => { &[$(Row { path: $path, tighter: $tighter, absent: $absent }),*] };
}

use Tighter::{Fewer, Free, Higher, Later, Lower, More};

/// The table.
pub const ROWS: &[Row] = rows! {
    "guardrails.*.*.action" Later(ACTIONS), "block";
    "guardrails.*.*.final" Later(BOOL), "false";
    "guardrails.*.*.message" Free, "";
    "guardrails.*.*.max" Lower, "4000";
    "guardrails.*.*.sensitivity" Higher, "0.5";
    "guardrails.*.*.allow" Fewer, "none";
    "guardrails.*.*.types" More, "all";
    "guardrails.*.*.fields" More, "all";
    "guardrails.*.*.tools" More, "all";
    "guardrails.*.*.topics" Fewer, "all";
    "guardrails.*.*.min_match" Higher, "1";
    "guardrails.*.*.max_operations" Lower, "60";
    "guardrails.*.*.window" Higher, "1m";
    "guardrails.*.*.max_cost_per_hour" Lower, "10";
    "guardrails.*.*.alert_at" Lower, "∞";
    "tools.allowed.*.permissions" Fewer, "all";
    "tools.allowed.*.tables" Fewer, "all";
    "tools.allowed.*.functions" Fewer, "all";
    "tools.allowed.*.trust" Later(&["trusted", "untrusted"]), "trusted";
    "tools.allowed.*.args.*.from" Fewer, "all";
    "tools.allowed.*.run.network" Fewer, "none";
    "tools.allowed.*.run.timeout" Lower, "∞";
    "tools.allowed.*.run.memory" Lower, "∞";
    "tools.flow.rule_of_two" Later(&["", "log", "warn", "require_confirmation", "block"]), "";
    "tools.servers.*.network" Fewer, "none";
    "tools.servers.*.timeout" Lower, "∞";
    "sandbox.security" Later(&["standard", "high"]), "standard";
    "sandbox.fallback" Later(&["best-effort", "strict", "fail"]), "strict";
    "sandbox.chain" Fewer, "none";
    "sandbox.network" Fewer, "none";
    "sandbox.workspace" Later(&["read_write", "copy", "read_only", "none"]), "none";
    "sandbox.limits.memory" Lower, "256MB";
    "sandbox.limits.cpu" Lower, "1";
    "sandbox.limits.pids" Lower, "100";
    "sandbox.limits.files" Lower, "256";
    "sandbox.limits.file_size" Lower, "50MB";
    "sandbox.limits.timeout" Lower, "30s";
    "sandbox.limits.output" Lower, "1MB";
    "sandbox.limits.disk" Lower, "100MB";
    "models.*.max_tokens" Lower, "∞";
    "budget.steps" Lower, "20";
    "budget.cost" Lower, "∞";
    "budget.tokens" Lower, "∞";
    "budget.time" Lower, "∞";
    "context.window.max_tokens" Lower, "∞";
    "context.session.timeout" Lower, "∞";
    "context.session.max_messages" Lower, "∞";
    "audit.retention" Higher, "0s";
    "governance.content_retention" Lower, "∞";
    "deployment.approval_required" Later(BOOL), "false";
    "deployment.testing_required" Later(BOOL), "false";
    "deployment.rollback_plan" Later(&["optional", "mandatory"]), "optional";
    "deployment.canary.auto_rollback" Later(BOOL), "false";
    "deployment.canary.max_error_rate" Lower, "∞";
    "deployment.canary.max_p99" Lower, "∞";
    "deployment.canary.max_cost_per_request" Lower, "∞";
};

/// The table in Markdown, as the language page shows it.
pub fn table() -> String {
    let mut out = String::from("| path | may only be | where the base says nothing |\n|---|---|---|\n");
    for row in ROWS {
        let tighter = match row.tighter {
            Lower => "lower".to_owned(),
            Higher => "higher".to_owned(),
            Fewer => "fewer of them".to_owned(),
            More => "more of them".to_owned(),
            Free => "anything".to_owned(),
            Later(words) => {
                let words: Vec<String> =
                    words.iter().filter(|word| !word.is_empty()).map(|word| format!("`{word}`")).collect();
                format!("later in {}", words.join(" < "))
            }
        };
        let absent = match row.absent {
            "∞" => "no limit",
            "" => "nothing",
            word => word,
        };
        out.push_str(&format!("| `{}` | {tighter} | {absent} |\n", row.path));
    }
    out
}

/// The row of a path.
pub(super) fn row(path: &[String]) -> Option<&'static Row> {
    ROWS.iter().find(|row| {
        let steps: Vec<&str> = row.path.split('.').collect();
        steps.len() == path.len() && steps.iter().zip(path).all(|(step, at)| *step == "*" || step == at)
    })
}

/// Whether a change of something final is a tightening; else what would be one.
pub(super) fn judge(path: &[String], base: Option<&Node>, child: &Node) -> Result<(), String> {
    let Some(row) = row(path) else {
        return match base {
            None => Err("nothing may be added here".to_owned()),
            Some(_) => Err("it may not be changed".to_owned()),
        };
    };
    let absent = row.absent;
    match row.tighter {
        Free => Ok(()),
        Lower | Higher => {
            let word = if row.tighter == Lower { "lower" } else { "higher" };
            let wrong = || Err(format!("it may only be {word} than {}", said(base, absent)));
            let Some((kind, new)) = measure(child) else { return wrong() };
            let old = match base {
                Some(base) => measure(base),
                None if absent == "∞" => return Ok(()),
                None => measure_text(absent),
            };
            match old {
                // `80%` of a cap and an amount of dollars cannot be compared.
                Some((old_kind, _)) if old_kind != kind && path.last().is_some_and(|key| key == "alert_at") => wrong(),
                Some((old_kind, old)) if old_kind == kind || old_kind == 'n' || kind == 'n' => {
                    let fine = if row.tighter == Lower { new <= old } else { new >= old };
                    if fine { Ok(()) } else { wrong() }
                }
                _ => wrong(),
            }
        }
        Fewer | More => {
            let (old, new) = (base.map(set), set(child));
            let fine = match (row.tighter, old, absent) {
                (Fewer, Some(old), _) => new.is_subset(&old),
                (Fewer, None, "none") => new.is_empty(),
                (More, Some(old), _) => old.is_subset(&new) || new.contains("all"),
                (More, None, "all") => new.contains("all"),
                _ => true,
            };
            let word = if row.tighter == Fewer { "hold fewer" } else { "hold more" };
            if fine { Ok(()) } else { Err(format!("it may only {word} than {}", said(base, absent))) }
        }
        Later(words) => {
            let old = base.and_then(Node::text).unwrap_or(absent);
            let at = |word: &str| words.iter().position(|known| *known == word);
            match (at(old), child.text().and_then(at)) {
                (Some(old), Some(new)) if new >= old => Ok(()),
                _ => Err(format!(
                    "it may only be stricter than `{old}` ({})",
                    words.join(" < ").trim_start_matches(" < ")
                )),
            }
        }
    }
}

fn said(base: Option<&Node>, absent: &str) -> String {
    match base {
        Some(base) => base.text().map_or_else(|| "what the base says".to_owned(), |text| format!("`{text}`")),
        None => format!("the default, `{absent}`"),
    }
}

/// A number with its kind: duration, size, share or money; `n` where it says none.
fn measure(node: &Node) -> Option<(char, f64)> {
    node.as_f64().map(|number| ('n', number)).or_else(|| measure_text(node.text()?))
}

fn measure_text(text: &str) -> Option<(char, f64)> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return Some(('n', number));
    }
    if text.ends_with('%') {
        return units::share(text).ok().map(|share| ('%', share));
    }
    let duration = units::duration(text).ok().map(|duration| ('t', duration.as_secs_f64()));
    let size = || units::size(text).ok().map(|size| ('b', size as f64));
    duration.or_else(size).or_else(|| units::money(text).ok().map(|rate| ('n', rate.amount.dollars())))
}

fn set(node: &Node) -> BTreeSet<String> {
    let texts: Vec<&Node> = match &node.kind {
        Kind::Seq(items) => items.iter().collect(),
        _ => vec![node],
    };
    texts.into_iter().filter_map(Node::text).filter(|text| *text != "none").map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        Node::clone(&crate::parse(text).root.unwrap())
    }

    fn tightens(path: &str, base: Option<&str>, child: &str) -> bool {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        judge(&path, base.map(node).as_ref(), &node(child)).is_ok()
    }

    #[test]
    fn each_direction_lets_only_the_stricter_through() {
        for (path, base, stricter, looser) in [
            ("budget.cost", "$1", "0.5", "2"),
            ("audit.retention", "30d", "60d", "1h"),
            ("guardrails.runtime.x.action", "redact", "block", "warn"),
            ("sandbox.network", "[a:1, b:2]", "[a:1]", "[a:1, c:3]"),
            ("guardrails.post_execution.p.types", "[card]", "[card, email]", "[email]"),
            ("sandbox.limits.memory", "64MiB", "64MB", "65MiB"),
            ("guardrails.runtime.rate_limit.window", "1m", "1h", "1s"),
        ] {
            assert!(tightens(path, Some(base), stricter), "{path}: {stricter}");
            assert!(!tightens(path, Some(base), looser), "{path}: {looser}");
        }
    }

    #[test]
    fn where_the_base_says_nothing_its_default_counts() {
        assert!(tightens("sandbox.limits.memory", None, "100MB") && !tightens("sandbox.limits.memory", None, "1GB"));
        assert!(!tightens("sandbox.network", None, "[a:1]") && tightens("sandbox.network", None, "none"));
        assert!(tightens("budget.cost", None, "100") && !tightens("models.primary.base_url", None, "http://x"));
        assert!(!tightens("budget.cost", Some("1"), "\"${X}\""));
    }
}
