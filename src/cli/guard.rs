//! `aic guard`: what the built-in guardrails say of a text, and how well they do on labelled ones.

use super::{Context, FINDINGS, FINE, Format};
use crate::output::{Style, harmless};
use crate::report::json;
use aic_base::{Decision, Stage};
use aic_guard::{Builtin, Group, Guard, GuardKind, GuardrailDef, Scope, injection_score};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The most bytes that are read from a file or standard input: more is not a text somebody looks at.
const LARGEST: u64 = 256 << 20;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show each guardrail's verdict on a text
    Try(TryArgs),
    /// Measure the detectors on labelled texts
    Bench(BenchArgs),
}

#[derive(clap::Args)]
struct TryArgs {
    /// The text; - reads standard input
    text: String,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(clap::Args)]
struct BenchArgs {
    /// The folder with sqli, pii, secrets, destructive, code_exec, prompt_injection and benign, each .jsonl or .jsonl.gz
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Show each source of the texts on its own
    #[arg(long)]
    by_source: bool,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Args {
    pub const fn format(&self) -> Format {
        match &self.command {
            Command::Try(args) => args.format,
            Command::Bench(args) => args.format,
        }
    }
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let done = match &args.command {
        Command::Try(args) => try_text(args, context),
        Command::Bench(args) => bench(args, context),
    };
    done.unwrap_or_else(|why| context.could_not_run(why))
}

/// The built-ins that look at a text and need no parameters, each where it stands first.
fn detectors() -> Vec<Guard> {
    let guard = |builtin: Builtin| Guard::compile(&GuardrailDef::named(builtin.name(), Group::Own)).ok();
    Builtin::ALL.into_iter().filter_map(guard).filter(|guard| matches!(guard.kind, GuardKind::Detector(_))).collect()
}

fn judge(guard: &Guard, text: &str) -> Vec<Decision> {
    let stage = guard.stages.first().copied().unwrap_or(Stage::PreExecution);
    guard.judge(text, &Scope { input: text, ..Scope::at(stage) })
}

fn try_text(args: &TryArgs, context: &mut Context) -> Result<u8, String> {
    let text = if args.text == "-" { standard_input()? } else { args.text.clone() };
    let verdicts: Vec<(Guard, Vec<Decision>)> = detectors()
        .into_iter()
        .map(|guard| {
            let decisions = judge(&guard, &text);
            (guard, decisions)
        })
        .collect();
    // What a guardrail would say of a tool's argument is shown and says nothing of a text that somebody writes.
    let found = verdicts.iter().any(|(guard, decisions)| !decisions.is_empty() && !of_calls_only(guard));
    if context.format == Format::Json {
        let one = |(guard, decisions): &(Guard, Vec<Decision>)| json!({ "guardrail": guard.name, "on": guard.stages, "found": !decisions.is_empty(), "decisions": decisions });
        let all: Vec<Value> = verdicts.iter().map(one).collect();
        json::write(&mut context.out, json!({ "guardrails": all, "ok": !found }));
    } else {
        verdicts.iter().for_each(|(guard, decisions)| show(context, guard, decisions, &text));
    }
    Ok(if found { FINDINGS } else { FINE })
}

/// Whether a guardrail reads nothing but the arguments of tools.
fn of_calls_only(guard: &Guard) -> bool {
    guard.stages.iter().all(|stage| *stage == Stage::ToolCall)
}

fn show(context: &mut Context, guard: &Guard, decisions: &[Decision], text: &str) {
    let (style, mark) = match (decisions.is_empty(), of_calls_only(guard)) {
        (true, _) => (Style::Good, "✓"),
        (false, false) => (Style::Bad, "✗"),
        (false, true) => (Style::Dim, "○"),
    };
    let argument = if of_calls_only(guard) { " as a tool's argument," } else { "" };
    let mark = context.out.styled(style, mark);
    if decisions.is_empty() {
        context.out.line(format_args!("{mark} {}", guard.name));
    }
    for decision in decisions {
        let sure = context.out.styled(Style::Dim, format_args!("({:.0} % sure)", decision.confidence * 100.0));
        context
            .out
            .line(format_args!("{mark} {:<20}{argument} {}: {} {sure}", guard.name, decision.action, decision.reason));
        if let Some(line) = decision.span.map(|span| excerpt(context, text, span.range())) {
            context.out.line(format_args!("    {line}"));
        }
    }
}

/// The found text in colour, with what stands around it on its line.
fn excerpt(context: &Context, text: &str, span: std::ops::Range<usize>) -> String {
    const AROUND: usize = 40;
    const LONGEST: usize = 160;
    let (before, found, after) = (
        text.get(..span.start).unwrap_or(""),
        text.get(span.clone()).unwrap_or(""),
        text.get(span.end..).unwrap_or(""),
    );
    let before = before.rsplit('\n').next().unwrap_or("");
    let skipped = before.chars().count().saturating_sub(AROUND);
    let head: String = before.chars().skip(skipped).collect();
    let tail: String = after.split('\n').next().unwrap_or("").chars().take(AROUND).collect();
    let more = found.chars().count() > LONGEST;
    let found: String = found.chars().take(LONGEST).map(|c| if c == '\n' { '⏎' } else { c }).collect();
    // Without colours the place is marked with brackets that no text is likely to hold.
    let found = harmless(&found) + if more { "…" } else { "" };
    let found = if context.out.colour() { context.out.styled(Style::Bad, found) } else { format!("⟦{found}⟧") };
    format!("{}{}{found}{}", if skipped > 0 { "…" } else { "" }, harmless(&head), harmless(&tail))
}

fn standard_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    std::io::stdin().take(LARGEST).read_to_end(&mut bytes).map_err(|error| format!("standard input: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "standard input is not UTF-8 text".to_owned())
}

/// A set of labelled texts: its file, the built-in that is measured on it, and the label of what it is to find.
const SETS: [(&str, Builtin, &str); 6] = [
    ("sqli", Builtin::NoSqlInjection, "sqli"),
    ("pii", Builtin::PiiProtection, "pii"),
    ("secrets", Builtin::Secrets, "secret"),
    ("destructive", Builtin::ConfirmDestructive, "destructive"),
    ("code_exec", Builtin::NoCodeExecution, "code_exec"),
    ("prompt_injection", Builtin::PromptInjection, "prompt_injection"),
];

struct Row {
    text: String,
    label: String,
    source: String,
    tier: String,
    contains_pii: bool,
}

/// How many of how many.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    hits: usize,
    all: usize,
}

impl Share {
    fn count(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.all += 1;
    }

    fn rate(self) -> Option<f64> {
        (self.all > 0).then(|| self.hits as f64 / self.all as f64)
    }

    fn percent(self) -> String {
        self.rate().map_or_else(|| "-".into(), |rate| format!("{:.1} %", rate * 100.0))
    }
}

/// What one set says of its detector.
#[derive(Default)]
struct Measured {
    /// Of what it is to find, what it found.
    recall: Share,
    /// Of the harmless texts of its own file, those it stopped.
    own: Share,
    /// The same on `benign`.
    common: Share,
    /// Labels that are neither, and kinds it does not claim to find.
    others: BTreeMap<String, Share>,
    sources: BTreeMap<String, Share>,
    /// Where a threshold would stop 1 % of all harmless texts, how many it finds.
    recall_at_one_percent: Option<f64>,
    times: Vec<Duration>,
}

fn bench(args: &BenchArgs, context: &mut Context) -> Result<u8, String> {
    let benign = rows(&args.data, "benign")?.unwrap_or_default();
    let mut all = Vec::new();
    for (set, builtin, label) in SETS {
        let Some(own) = rows(&args.data, set)? else { continue };
        let guard = Guard::compile(&GuardrailDef::named(builtin.name(), Group::Own))
            .map_err(|_| format!("{} could not be prepared", builtin.name()))?;
        all.push((set, builtin, measure(&guard, &own, &benign, label)));
    }
    if all.is_empty() {
        let names: Vec<&str> = SETS.iter().map(|(set, ..)| *set).collect();
        return Err(format!("{} has none of {} as .jsonl or .jsonl.gz", args.data.display(), names.join(", ")));
    }
    if context.format == Format::Json {
        let sets: Map<String, Value> = all.iter().map(|(set, of, it)| ((*set).to_owned(), as_json(*of, it))).collect();
        json::write(&mut context.out, json!({ "sets": sets }));
    } else {
        table(context, &all, args.by_source);
    }
    Ok(FINE)
}

fn measure(guard: &Guard, own: &[Row], benign: &[Row], label: &str) -> Measured {
    let mut measured = Measured::default();
    // Patterns are built for the first text that could match them; that is not what a text costs.
    own.iter().chain(benign).for_each(|row| drop(judge(guard, &row.text)));
    let (mut wanted, mut harmless) = (Vec::new(), Vec::new());
    for (row, is_own) in own.iter().map(|row| (row, true)).chain(benign.iter().map(|row| (row, false))) {
        let started = Instant::now();
        let hit = !judge(guard, &row.text).is_empty();
        measured.times.push(started.elapsed());
        if row.label == label && matches!(row.tier.as_str(), "" | "pattern") {
            measured.recall.count(hit);
            wanted.push(row);
        } else if row.label == label {
            measured.others.entry(row.tier.clone()).or_default().count(hit);
            continue;
        } else if row.label != "benign" {
            measured.others.entry(row.label.clone()).or_default().count(hit);
        } else if row.contains_pii && label == "pii" {
            measured.others.entry("benign with personal data".into()).or_default().count(hit);
            continue;
        } else {
            (if is_own { &mut measured.own } else { &mut measured.common }).count(hit);
            harmless.push(row);
        }
        let source = format!("{}: {}", row.label, row.source);
        measured.sources.entry(if is_own { source } else { format!("common {source}") }).or_default().count(hit);
    }
    measured.times.sort_unstable();
    if guard.builtin == Some(Builtin::PromptInjection) {
        measured.recall_at_one_percent = at_one_percent(&wanted, &harmless);
    }
    measured
}

/// The share of the wanted texts above the score that at most 1 % of the harmless ones exceed.
fn at_one_percent(wanted: &[&Row], harmless: &[&Row]) -> Option<f64> {
    let mut scores: Vec<f64> = harmless.iter().map(|row| injection_score(&row.text)).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let threshold = scores.get(scores.len() / 100).copied()?;
    let found = wanted.iter().filter(|row| injection_score(&row.text) > threshold).count();
    Share { hits: found, all: wanted.len() }.rate()
}

fn microseconds(times: &[Duration]) -> [f64; 3] {
    let of = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e6);
    let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e6 / times.len().max(1) as f64;
    [mean, of(times.get(times.len() / 2)), of(times.get(times.len() * 99 / 100))]
}

fn as_json(builtin: Builtin, measured: &Measured) -> Value {
    let share = |share: Share| json!({ "hits": share.hits, "of": share.all, "rate": share.rate() });
    let shares = |shares: &BTreeMap<String, Share>| -> Map<String, Value> {
        shares.iter().map(|(name, one)| (name.clone(), share(*one))).collect()
    };
    let [mean, median, slow] = microseconds(&measured.times);
    let mut document = json!({
        "guardrail": builtin.name(),
        "positives": measured.recall.all,
        "benign": measured.own.all,
        "recall": measured.recall.rate(),
        "false_positive_rate": measured.own.rate(),
        "common_benign": measured.common.all,
        "common_false_positive_rate": measured.common.rate(),
        "microseconds_per_text": mean,
        "microseconds_p50": median,
        "microseconds_p99": slow,
        "others": shares(&measured.others),
        "sources": shares(&measured.sources),
    });
    if let (Some(recall), Value::Object(map)) = (measured.recall_at_one_percent, &mut document) {
        map.insert("recall_at_one_percent_false_positives".into(), recall.into());
    }
    document
}

fn table(context: &mut Context, all: &[(&str, Builtin, Measured)], by_source: bool) {
    let heading = format!(
        "{:<17} {:>9} {:>8} {:>7} {:>8} {:>13} {:>8} {:>7}",
        "set", "positives", "recall", "benign", "false +", "common benign", "false +", "µs/text"
    );
    context.out.line(context.out.styled(Style::Bold, heading));
    for (set, _, it) in all {
        let [mean, ..] = microseconds(&it.times);
        context.out.line(format_args!(
            "{set:<17} {:>9} {:>8} {:>7} {:>8} {:>13} {:>8} {mean:>7.0}",
            it.recall.all,
            it.recall.percent(),
            it.own.all,
            it.own.percent(),
            it.common.all,
            it.common.percent(),
        ));
        if let Some(recall) = it.recall_at_one_percent {
            context.out.line(format_args!(
                "{:<17} {:>9} {:>6.1} %  at 1 % false alarms of all benign",
                "",
                "",
                recall * 100.0
            ));
        }
        for (name, share) in &it.others {
            context.out.line(format_args!("{:<17} {:>9} {:>8}  {name}", "", share.all, share.percent()));
        }
        for (name, share) in it.sources.iter().filter(|_| by_source) {
            let name = context.out.styled(Style::Dim, harmless(name));
            context.out.line(format_args!("{:<17} {:>9} {:>8}  {name}", "", share.all, share.percent()));
        }
    }
}

/// The rows of a set, plain or gzipped; nothing if there is no such file.
fn rows(folder: &Path, set: &str) -> Result<Option<Vec<Row>>, String> {
    let plain = folder.join(format!("{set}.jsonl"));
    let packed = folder.join(format!("{set}.jsonl.gz"));
    let path = match (plain.exists(), packed.exists()) {
        (true, _) => plain,
        (false, true) => packed,
        (false, false) => return Ok(None),
    };
    let fails = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(&path).map_err(fails)?;
    let mut text = String::new();
    let reader: Box<dyn std::io::Read> = if path.extension().is_some_and(|end| end == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(std::io::BufReader::new(file)))
    } else {
        Box::new(file)
    };
    // A small packed file may unpack to anything.
    let read = reader.take(LARGEST).read_to_string(&mut text).map_err(fails)?;
    if read as u64 == LARGEST {
        return Err(format!("{} holds more than {} MB", path.display(), LARGEST >> 20));
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let row = |line: &str| -> Result<Row, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Row {
            text: field("text").ok_or("`text` is missing")?,
            label: field("label").ok_or("`label` is missing")?,
            source: field("source").unwrap_or_default(),
            tier: field("tier").unwrap_or_default(),
            contains_pii: value.get("contains_pii") == Some(&Value::Bool(true)),
        })
    };
    let placed = |(number, line)| row(line).map_err(|error| format!("{}:{}: {error}", path.display(), number + 1));
    lines.map(placed).collect::<Result<_, _>>().map(Some)
}
