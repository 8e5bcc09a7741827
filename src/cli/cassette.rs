//! `aic cassette`: what is recorded of real models, whether it is sound, and how to be rid of what nobody asks any more.

use super::{Context, FINDINGS, FINE, Format};
use crate::host::script_host;
use crate::models::{ModelUse, Reach, cassette_of};
use crate::output::{Style, harmless};
use crate::report::{count, json};
use crate::session::{Session, TestOptions};
use crate::workspace::{Target, Workspace};
use aic_behavior::Verdict;
use aic_model::cassette::{Exchange, Tape};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// How to speak
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show what is recorded for a spec
    List(Spec),
    /// Check that each exchange is found by what it asks, and that no secret is in it
    Verify(Spec),
    /// Remove what the spec's tests do not ask for
    Prune(Spec),
}

#[derive(clap::Args)]
struct Spec {
    /// The spec, or its folder
    #[arg(default_value = ".")]
    spec: PathBuf,
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let (Command::List(spec) | Command::Verify(spec) | Command::Prune(spec)) = &args.command;
    let (workspace, path) = match Target::one(&spec.spec) {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    let Some(spec) = workspace.load(&path, None).spec else {
        return context
            .could_not_run(format_args!("{}: the spec has errors: `aic check` shows them", workspace.shown(&path)));
    };
    let (file, shown) = cassette_of(&workspace, &path, &spec.name);
    let tape = match Tape::open(&file, &shown) {
        Ok(tape) => tape,
        Err(error) => return context.could_not_run(error),
    };
    match &args.command {
        Command::List(_) => list(context, &tape),
        Command::Verify(_) => verify(context, &tape, &file),
        Command::Prune(_) => {
            let session = Session::new(workspace.clone(), path, None, script_host());
            prune(context, &workspace, session).await
        }
    }
}

fn list(context: &mut Context, tape: &Tape) -> u8 {
    let exchanges = tape.exchanges();
    if context.format == Format::Json {
        let all: Vec<Value> = exchanges.iter().map(one_json).collect();
        json::write(&mut context.out, json!({ "cassette": tape.shown(), "exchanges": all }));
        return FINE;
    }
    for exchange in &exchanges {
        let (key, nth) = (exchange.key.short(), exchange.nth);
        let asked = exchange.asked.messages.last().map(question).unwrap_or_default();
        let who = format!("{}/{}", exchange.asked.provider, exchange.asked.model);
        let line = format!("{key} #{nth} {who} · {} · {}", harmless(&exchange.within), harmless(&asked));
        context.out.line(line);
    }
    let total = format!(
        "{}: {}, {}",
        tape.shown(),
        count(exchanges.len(), "exchange"),
        count(tape.tools().len(), "tool result")
    );
    context.out.line(context.out.styled(Style::Dim, total));
    FINE
}

fn one_json(exchange: &Exchange) -> Value {
    json!({
        "key": exchange.key, "nth": exchange.nth, "in": exchange.within,
        "provider": exchange.asked.provider, "model": exchange.asked.model,
        "messages": exchange.asked.messages.len(), "pieces": exchange.happened.len(),
        "failed": exchange.happened.iter().any(|(_, happened)| happened.is_err()),
    })
}

/// The beginning of the last message.
fn question(message: &Value) -> String {
    const SHOWN: usize = 60;
    let text = message.as_object().and_then(|map| map.values().next_back()).map(|value| match value {
        Value::String(text) => text.replace('\n', " "),
        value => value.to_string(),
    });
    let text = text.unwrap_or_default();
    let cut = if text.chars().count() > SHOWN { "…" } else { "" };
    format!("{}{cut}", text.chars().take(SHOWN).collect::<String>())
}

fn verify(context: &mut Context, tape: &Tape, file: &std::path::Path) -> u8 {
    let mut problems: Vec<String> = Vec::new();
    for exchange in tape.exchanges() {
        let (key, nth) = (exchange.key.short(), exchange.nth);
        if exchange.asked.key() != exchange.key {
            problems
                .push(format!("{key} #{nth}: what it asks was changed by hand, so nothing finds it: record it again"));
        }
        if !exchange.happened.last().is_some_and(|(_, last)| !matches!(last, Ok(aic_model::Piece::Text(_)))) {
            problems.push(format!("{key} #{nth}: its answer has no end"));
        }
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    for (i, line) in text.lines().enumerate() {
        if aic_engine::without_secrets(line) != line {
            problems.push(format!("line {}: something in it has the form of a secret", i + 1));
        }
    }
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "cassette": tape.shown(), "problems": problems }));
    } else {
        for problem in &problems {
            context.out.line(format_args!("{}: {problem}", tape.shown()));
        }
        let sound = format!("{}: {} sound", tape.shown(), count(tape.exchanges().len(), "exchange"));
        if problems.is_empty() {
            context.out.line(sound);
        }
    }
    if problems.is_empty() { FINE } else { FINDINGS }
}

async fn prune(context: &mut Context, workspace: &Workspace, session: Session) -> u8 {
    let models = ModelUse { reach: Reach::Replay, ..ModelUse::default() };
    let session = session.with_models(models);
    let loaded = session.load(None);
    let container = match session.container(&loaded) {
        Ok(container) => container,
        Err(error) => return context.could_not_run(format_args!("{}: {error}", workspace.shown(&loaded.path))),
    };
    let options = TestOptions::new(context.cancel.clone());
    let report = match session.replay(&container, &loaded, &options).await {
        Ok(report) => report,
        Err(error) => return context.could_not_run(error),
    };
    let stale = report.cases.iter().filter(|case| matches!(case.verdict, Verdict::Stale | Verdict::Error)).count();
    if stale > 0 {
        return context.could_not_run(format_args!(
            "{} ask for what is not recorded, so nobody can tell what is needed: `aic test --record-stale` first",
            count(stale, "case")
        ));
    }
    let Some((tape, _)) = container.tape() else { return FINE };
    let gone = tape.prune();
    if gone > 0
        && let Err(error) = tape.save()
    {
        return context.could_not_run(error);
    }
    let text = format!("{}: {} removed, {} kept", tape.shown(), count(gone, "recording"), tape.exchanges().len());
    if context.format == Format::Json {
        json::write(
            &mut context.out,
            json!({ "cassette": tape.shown(), "removed": gone, "kept": tape.exchanges().len() }),
        );
    } else {
        context.out.line(text);
    }
    FINE
}
