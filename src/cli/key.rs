//! `aic key`: secrets in the system's keyring, by the names of the variables that specs name.

use super::{Context, FINE, Format};
use crate::output::{Style, harmless};
use crate::report::json;
use aic_model::{KeySource, Keyring};
use aic_store::SealKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::io::{IsTerminal as _, Read as _};

/// More than any secret has.
const LONGEST: u64 = 64 << 10;

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
    /// Keep a secret, read from standard input: never from the command line, which others can see
    Set {
        /// Its name: that of the variable it stands for
        name: String,
        /// Make a new AES-256 key instead of reading one
        #[arg(long)]
        generate: bool,
    },
    /// Show which secrets are kept, by name
    List,
    /// Forget a secret
    Rm {
        /// Its name
        name: String,
    },
    /// Print a new AES-256 key, to be kept elsewhere
    Generate,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let keyring = Keyring::system();
    let done = match &args.command {
        Command::Set { name, generate } => set(context, &keyring, name, *generate),
        Command::List => list(context, &keyring),
        Command::Rm { name } => keyring.remove(name).map_err(|error| error.to_string()).map(|()| {
            context.out.line(format_args!("{} is forgotten", harmless(name)));
        }),
        Command::Generate => SealKey::generate().map_err(|error| error.to_string()).map(|key| {
            context.out.line(key.expose_secret());
        }),
    };
    match done {
        Ok(()) => FINE,
        Err(why) => context.could_not_run(why),
    }
}

fn set(context: &mut Context, keyring: &Keyring, name: &str, generate: bool) -> Result<(), String> {
    let secret = match generate {
        true => SealKey::generate().map_err(|error| error.to_string())?,
        false => read(context)?,
    };
    keyring.set(name, &secret).map_err(|error| error.to_string())?;
    context.out.line(format_args!("{} is in the keyring", harmless(name)));
    let until = "the kernel keeps it for your user until the machine restarts, or three days go by without a use";
    let keep = if generate {
        "; what it encrypts is lost with it: `aic key generate` prints one that you can keep"
    } else {
        ""
    };
    context.out.line(context.out.styled(Style::Dim, format!("{until}{keep}")));
    Ok(())
}

fn list(context: &mut Context, keyring: &Keyring) -> Result<(), String> {
    let names = keyring.names().map_err(|error| error.to_string())?;
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "names": names }));
        return Ok(());
    }
    for name in &names {
        // The environment comes first.
        let hidden = aic_model::EnvKeys.key(name).is_some();
        let note = if hidden { "  (the environment has one too, and it comes first)" } else { "" };
        context.out.line(format_args!("{}{note}", harmless(name)));
    }
    if names.is_empty() {
        context.out.line(context.out.styled(Style::Dim, "the keyring holds nothing of `aic`"));
    }
    Ok(())
}

/// Reads a secret: what comes through a pipe, or what is typed without being shown.
fn read(context: &mut Context) -> Result<SecretString, String> {
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        context.err.line("type or paste the secret, then Enter (it is not shown):");
        typed()?
    } else {
        let mut text = String::new();
        stdin.lock().take(LONGEST).read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
        text
    };
    let secret = SecretString::from(text.trim().to_owned());
    if secret.expose_secret().is_empty() { Err("no secret came".into()) } else { Ok(secret) }
}

/// A line that is typed while the terminal shows nothing.
fn typed() -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the terminal: {error}");
    crossterm::terminal::enable_raw_mode().map_err(failed)?;
    let mut text = String::new();
    let mut read = || -> std::io::Result<bool> {
        for byte in std::io::stdin().lock().bytes() {
            match byte? {
                b'\r' | b'\n' | 4 => return Ok(true),
                3 => return Ok(false),
                8 | 127 => drop(text.pop()),
                byte if text.len() as u64 >= LONGEST || !byte.is_ascii() => {}
                byte => text.push(char::from(byte)),
            }
        }
        Ok(true)
    };
    let whole = read();
    // Whatever came, the terminal is given back.
    crossterm::terminal::disable_raw_mode().map_err(failed)?;
    match whole.map_err(failed)? {
        true => Ok(text),
        false => Err("nothing was changed".into()),
    }
}
