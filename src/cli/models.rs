//! `aic models`: the facts about models, and how to have newer ones.

use super::{Context, FINE, Format};
use crate::output::{Style, harmless};
use crate::report::{count, json};
use crate::workspace::now;
use aic_catalog::{ModelFacts, Table};
use aic_model::Network;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::PathBuf;

/// The most that a table may weigh, in bytes.
const TABLE_CAP: usize = 32 << 20;

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
    /// Show the models that are known
    List {
        /// Only names that contain this
        #[arg(default_value = "")]
        text: String,
        /// Only this provider: openai, anthropic, google, mistral, groq…
        #[arg(long)]
        provider: Option<String>,
    },
    /// Show all that is known of one model
    Show {
        /// Its name, or PROVIDER/NAME
        model: String,
    },
    /// Count the tokens of a text
    Count {
        /// The model, or PROVIDER/NAME
        model: String,
        /// The text; from standard input where absent
        text: Option<String>,
    },
    /// Take newer facts from litellm's public table, or from one that this command wrote
    Update {
        /// A file, or an https address
        from: String,
    },
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    if let Some(problem) = aic_catalog::problem() {
        context.warn(format_args!("the newer table of models is not used: {problem}; `aic models update` mends it"));
    }
    match &args.command {
        Command::List { text, provider } => list(context, text, provider.as_deref()),
        Command::Show { model } => show(context, model),
        Command::Count { model, text } => count_tokens(context, model, text.as_deref()),
        Command::Update { from } => update(context, from).await,
    }
}

/// Where the user's newer table lies.
fn own_path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "aic").map(|folders| folders.data_dir().join("models.tsv"))
}

/// The user's newer table, if there is one.
pub fn own_table() -> Option<String> {
    std::fs::read_to_string(own_path()?).ok()
}

fn list(context: &mut Context, text: &str, provider: Option<&str>) -> u8 {
    let text = text.to_lowercase();
    let wanted = |facts: &&ModelFacts| {
        provider.is_none_or(|provider| facts.provider == provider) && facts.model.to_lowercase().contains(&text)
    };
    let models: Vec<&ModelFacts> = aic_catalog::all().iter().filter(wanted).collect();
    if context.format == Format::Json {
        let all: Vec<Value> = models.iter().map(|facts| one_json(facts)).collect();
        let (source, date) = aic_catalog::provenance();
        json::write(&mut context.out, json!({ "source": source, "date": date, "models": all }));
        return FINE;
    }
    let width = models.iter().map(|facts| facts.model.len() + facts.provider.len() + 1).max().unwrap_or(0);
    for facts in &models {
        let name = harmless(&format!("{}/{}", facts.provider, facts.model));
        let retires = facts.retires.as_deref().map(|day| format!("  retires {day}")).unwrap_or_default();
        let price = format!("${} in, ${} out", facts.input_per_mtok, facts.output_per_mtok);
        let line = format!("{name:width$}  {price:24}  {:>9} window{retires}", shown(facts.context_window));
        context.out.line(line.trim_end());
    }
    let (source, date) = aic_catalog::provenance();
    let about = format!("{} · dollars a million tokens · {source}, {date}", count(models.len(), "model"));
    context.out.line(context.out.styled(Style::Dim, about));
    FINE
}

fn shown(count: u64) -> String {
    if count == 0 { "?".into() } else { count.to_string() }
}

/// The model of this name; `groq/llama…` names who sells it, and some names hold slashes themselves.
fn find(name: &str) -> Option<&'static ModelFacts> {
    let sold = name.split_once('/').and_then(|(provider, model)| aic_catalog::find(Some(provider), model));
    sold.or_else(|| aic_catalog::find(None, name))
        .or_else(|| aic_catalog::all().iter().find(|facts| facts.model == name))
}

fn unknown(context: &mut Context, name: &str) -> u8 {
    let name = harmless(name);
    context.could_not_run(format_args!("nothing is known of `{name}`: `aic models list` shows what is"))
}

fn show(context: &mut Context, name: &str) -> u8 {
    let Some(facts) = find(name) else { return unknown(context, name) };
    if context.format == Format::Json {
        json::write(&mut context.out, one_json(facts));
        return FINE;
    }
    let (source, date) = aic_catalog::provenance();
    let mut line = |what: &str, value: String| context.out.line(format_args!("{what:16}{value}"));
    line("model", harmless(&format!("{}/{}", facts.provider, facts.model)));
    line("input", format!("${} a million tokens", facts.input_per_mtok));
    line("output", format!("${} a million tokens", facts.output_per_mtok));
    for (what, price) in [("cache read", facts.cache_read_per_mtok), ("cache write", facts.cache_write_per_mtok)] {
        if let Some(price) = price {
            line(what, format!("${price} a million tokens"));
        }
    }
    if let Some(tier) = facts.tier {
        let (input, output) = (tier.input_per_mtok, tier.output_per_mtok);
        line("long requests", format!("${input} in, ${output} out above {} tokens", tier.above));
    }
    line("window", format!("{} tokens", shown(facts.context_window)));
    line("longest answer", format!("{} tokens", shown(facts.max_output)));
    line("retires", facts.retires.clone().unwrap_or_else(|| "no day is known".into()));
    let counted = match aic_catalog::encoding_of(&facts.provider, &facts.model) {
        Some(encoding) => format!("exactly, {encoding}"),
        None => "estimated from bytes".into(),
    };
    line("tokens counted", counted);
    if !facts.is_pinned() {
        let pins = aic_catalog::pins_of(&facts.model);
        line("pinned names", if pins.is_empty() { "none is known".into() } else { pins.join(", ") });
    }
    line("as of", format!("{date}, {source}"));
    FINE
}

fn one_json(facts: &ModelFacts) -> Value {
    json!({
        "provider": facts.provider, "model": facts.model,
        "input_per_mtok": facts.input_per_mtok, "output_per_mtok": facts.output_per_mtok,
        "cache_read_per_mtok": facts.cache_read_per_mtok, "cache_write_per_mtok": facts.cache_write_per_mtok,
        "long": facts.tier.map(|tier| json!({
            "above": tier.above, "input_per_mtok": tier.input_per_mtok, "output_per_mtok": tier.output_per_mtok,
        })),
        "context_window": facts.context_window, "max_output": facts.max_output, "retires": facts.retires,
        "encoding": aic_catalog::encoding_of(&facts.provider, &facts.model),
    })
}

fn count_tokens(context: &mut Context, name: &str, text: Option<&str>) -> u8 {
    let text = match text {
        Some(text) => text.to_owned(),
        None => {
            let mut text = String::new();
            if let Err(error) = std::io::stdin().take(TABLE_CAP as u64).read_to_string(&mut text) {
                return context.could_not_run(format_args!("standard input: {error}"));
            }
            text
        }
    };
    let (provider, model) = match find(name) {
        Some(facts) => (facts.provider.as_str(), facts.model.as_str()),
        None => (aic_catalog::provider_of(name).unwrap_or(""), name),
    };
    let counted = aic_catalog::count_tokens(provider, model, &text);
    if context.format == Format::Json {
        let (exact, encoding, margin) = match counted.how {
            aic_catalog::Counted::Exact { encoding } => (true, Some(encoding), None),
            aic_catalog::Counted::Estimate { margin } => (false, None, Some(margin)),
        };
        json::write(
            &mut context.out,
            json!({ "tokens": counted.tokens.0, "exact": exact, "encoding": encoding, "margin": margin }),
        );
    } else {
        context.out.line(counted);
    }
    FINE
}

async fn update(context: &mut Context, from: &str) -> u8 {
    let read = match from.starts_with("https://") || from.starts_with("http://") {
        true => Network::new().read(from, TABLE_CAP).await.map_err(|error| error.to_string()),
        false => std::fs::read(from).map_err(|error| format!("{from}: {error}")),
    };
    let text = match read.map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return context.could_not_run(format_args!("{from}: not a text")),
        Err(error) => return context.could_not_run(error),
    };
    let table = match text.starts_with('#') {
        true => Table::read(&text).map_err(|error| error.to_string()),
        false => {
            let source = format!("{from} (litellm's table, MIT)");
            aic_catalog::import(&text, &source, &now().date()).map_err(|error| error.to_string())
        }
    };
    let table = match table {
        Ok(table) => table,
        Err(error) => return context.could_not_run(format_args!("{from}: {error}")),
    };
    let Some(path) = own_path() else { return context.could_not_run("no home folder to keep the table in") };
    let written =
        path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, table.write()));
    if let Err(error) = written {
        return context.could_not_run(format_args!("{}: {error}", path.display()));
    }
    let changes = changes(&table);
    if context.format == Format::Json {
        json::write(
            &mut context.out,
            json!({ "path": path, "models": table.models.len(), "date": table.date, "changes": changes }),
        );
    } else {
        changes.iter().for_each(|change| context.out.line(harmless(change)));
        let text = format!("{} of {} in {}", count(table.models.len(), "model"), table.date, path.display());
        context.out.line(text);
    }
    FINE
}

/// What the new table says otherwise than the one in use.
fn changes(table: &Table) -> Vec<String> {
    let mut changes = Vec::new();
    for facts in &table.models {
        let name = format!("{}/{}", facts.provider, facts.model);
        match aic_catalog::find(Some(&facts.provider), &facts.model) {
            None => changes.push(format!("+ {name}  ${} in, ${} out", facts.input_per_mtok, facts.output_per_mtok)),
            Some(old) if (old.input_per_mtok, old.output_per_mtok) != (facts.input_per_mtok, facts.output_per_mtok) => {
                changes.push(format!(
                    "~ {name}  ${} → ${} in, ${} → ${} out",
                    old.input_per_mtok, facts.input_per_mtok, old.output_per_mtok, facts.output_per_mtok
                ));
            }
            Some(old) if old.retires != facts.retires => {
                let day = |day: &Option<String>| day.clone().unwrap_or_else(|| "no day".into());
                changes.push(format!("~ {name}  retires {} → {}", day(&old.retires), day(&facts.retires)));
            }
            Some(_) => {}
        }
    }
    changes
}
