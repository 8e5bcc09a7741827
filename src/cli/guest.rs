//! `aic guest`: interpreters in WebAssembly for scripts of other languages, such as a Python of the user's choice.

use super::{Context, FINE, Format};
use crate::host::{guests, script_host};
use crate::output::harmless;
use crate::report::json;
use aic_sandbox::Cancel;
use aic_sandbox::guests::{Guest, Guests};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// How to speak
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

#[derive(Subcommand)]
enum Action {
    /// Take an interpreter over, compile it, and use it for scripts with this ending
    Add(AddArgs),
    /// List the interpreters there are
    List,
    /// Remove an interpreter, by its name or its ending
    Remove {
        /// Which
        name: String,
    },
}

#[derive(clap::Args)]
struct AddArgs {
    /// The module or component: a program for WASI preview 1 or 2
    file: PathBuf,
    /// The ending of the scripts that it runs, like py
    #[arg(long = "for", value_name = "ENDING")]
    language: String,
    /// What it is called; its file's name unless said otherwise
    #[arg(long)]
    name: Option<String>,
    /// The words between its name and the script's arguments, with {script} for the script's path
    #[arg(long, default_value = "{script}", value_delimiter = ' ', allow_hyphen_values = true)]
    call: Vec<String>,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    act(args, context).unwrap_or_else(|why| context.could_not_run(why))
}

fn act(args: &Args, context: &mut Context) -> Result<u8, String> {
    let guests: Guests = guests().ok_or("this user has no folder for data, so there is no place for guests")?;
    let all = match &args.action {
        Action::Add(add) => {
            let (host, name) = (script_host(), add.name.as_deref());
            let added = guests.add(&host, &add.file, &add.language, name, add.call.clone(), &Cancel::new());
            let guest = added.map_err(|error| error.to_string())?;
            if !guest.missing.is_empty() {
                let missing = harmless(&guest.missing.join(", ")).to_string();
                context
                    .warn(format_args!("{} wants what no guest gets; calling it ends the run: {missing}", guest.name));
            }
            vec![guest]
        }
        Action::List => guests.list().map_err(|error| error.to_string())?,
        Action::Remove { name } => guests.remove(name).map_err(|error| error.to_string())?,
    };
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "guests": all }));
        return Ok(FINE);
    }
    if all.is_empty() {
        context.out.line("no guests: add one with `aic guest add FILE.wasm --for py`");
    }
    let word = match args.action {
        Action::Add(_) => "added",
        Action::List => "",
        Action::Remove { .. } => "removed",
    };
    for Guest { language, name, digest, bytes, .. } in all {
        let (digest, kb) = (digest.to_string(), bytes.div_ceil(1000));
        let line = format!(".{language:<8} {name:<24} {kb:>7} kB  {} {word}", digest.get(..12).unwrap_or(&digest));
        context.out.line(harmless(line.trim_end()));
    }
    Ok(FINE)
}
