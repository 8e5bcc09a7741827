//! The command line: one file a subcommand.
//!
//! Exit codes: 0 all is well; 1 there are findings or failures; 2 it could not run. 130 after Ctrl-C. `sandbox run`,
//! `exec` and `attach` alone end as the program in them does.

mod audit;
mod cassette;
mod check;
mod completions;
mod confirm;
mod doctor;
mod explain;
mod fmt;
mod guard;
mod guest;
mod init;
mod key;
mod lock;
mod lsp;
mod models;
mod rollback;
mod run;
#[cfg(target_os = "linux")]
mod sandbox;
mod schema;
mod session;
mod test;
mod versions;
mod watch;

pub use check::Checked;

use crate::host::WORKER;
use crate::output::{Out, Style};
use crate::report::json;
use crate::workspace::Workspace;
use aic_store::{Store, StoreError};
use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// All is well.
pub const FINE: u8 = 0;
/// There are findings or failures.
pub const FINDINGS: u8 = 1;
/// It could not run.
pub const COULD_NOT_RUN: u8 = 2;
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "aic",
    version,
    about = "The AIContainer workbench: AI behaviour that is checked and reversible",
    after_help = "Without a command it opens the workbench on the specs below this folder; without a terminal it \
                  tests them.\nExit codes: 0 all is well; 1 findings or failures; 2 it could not run.",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    workbench: Workbench,
}

/// What the workbench takes, which is opened without a command.
#[derive(clap::Args)]
struct Workbench {
    /// Test as this environment
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// A variable of the specs
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    vars: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Check specs: keys, types, conditions, files they name
    Check(check::Args),
    /// Say why a code is a finding, with a bad and a good example
    Explain(explain::Args),
    /// Bring specs into one layout; comments stay
    Fmt(fmt::Args),
    /// Print the JSON Schema of the language
    Schema(schema::Args),
    /// Run the behaviour tests of specs and record the version
    Test(test::Args),
    /// Send one input through a spec, for real
    Run(run::Args),
    /// Run what a save affects, again and again
    Watch(watch::Args),
    /// Make a new spec that passes its own tests
    Init(init::Args),
    /// Show the recorded versions of a spec
    Versions(versions::Args),
    /// Put the last stable version back and test it
    Rollback(rollback::Args),
    /// What is recorded of real models: list, verify, prune
    Cassette(cassette::Args),
    /// Conversations that were kept: list, show, rm, rotate
    Session(session::Args),
    /// Secrets in the system's keyring: set, list, rm, generate
    Key(key::Args),
    /// What is known of models: prices, windows, retirement, tokens
    Models(models::Args),
    /// What was written down for good: verify it, export it
    Audit(audit::Args),
    /// Answer what runs have asked, as an operator
    Confirm(confirm::Args),
    /// Look at what MCP servers offer, and write it down
    Lock(lock::Args),
    /// Say what works on this machine
    Doctor(doctor::Args),
    /// Make, use and remove sandboxes by hand
    #[cfg(target_os = "linux")]
    Sandbox(sandbox::Args),
    /// Add, list and remove interpreters in WebAssembly for scripts of other languages
    Guest(guest::Args),
    /// Show what the built-in guardrails say of a text, or measure them
    Guard(guard::Args),
    /// Write a completion script for a shell
    Completions(completions::Args),
    /// Serve an editor: findings, completion and hover as specs are typed
    Lsp(lsp::Args),
}

/// How a command speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON document.
    Json,
}

/// What every command has at hand.
struct Context {
    out: Out,
    err: Out,
    format: Format,
    cancel: CancellationToken,
}

impl Context {
    fn new(format: Format, cancel: CancellationToken) -> Self {
        Self { out: Out::stdout(), err: Out::stderr(), format, cancel }
    }

    /// Says why a command could not run.
    fn could_not_run(&mut self, why: impl std::fmt::Display) -> u8 {
        let why = why.to_string();
        if self.format == Format::Json {
            json::write(&mut self.out, json::error(&why));
        }
        let word = self.err.styled(Style::Bad, "error:");
        self.err.line(format_args!("{word} {why}"));
        COULD_NOT_RUN
    }

    fn warn(&mut self, what: impl std::fmt::Display) {
        let word = self.err.styled(Style::Warn, "warning:");
        self.err.line(format_args!("{word} {what}"));
    }

    /// The store, or nothing and a warning: testing works without a place to keep results.
    fn store_or_warn(&mut self, workspace: &Workspace) -> Option<Store> {
        match workspace.store() {
            Ok(store) => {
                self.tell_recovery(&store);
                Some(store)
            }
            Err(error) => {
                self.warn(format_args!("{error}\n         the tests run all the same, but nothing of them is kept"));
                None
            }
        }
    }

    /// The store, for commands that are nothing without it.
    fn store(&mut self, workspace: &Workspace) -> Result<Store, StoreError> {
        let store = workspace.store()?;
        self.tell_recovery(&store);
        Ok(store)
    }

    fn tell_recovery(&mut self, store: &Store) {
        let Some(recovered) = store.recovered() else { return };
        let (spec, to) = (recovered.pending.spec.clone(), recovered.pending.to.short());
        match &recovered.outcome {
            Ok(_) => self.warn(format_args!("a rollback of {spec} to {to} was cut off earlier; it is finished now")),
            Err(error) => {
                self.warn(format_args!("a rollback of {spec} to {to} was cut off earlier, and still is: {error}"))
            }
        }
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    // Before anything else: a worker starts in a millisecond or two, and must not read a command line.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER) {
        return aic_sandbox::worker_main();
    }
    aic_catalog::put_over(models::own_table);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a wrong argument is.
            let code = if error.use_stderr() { COULD_NOT_RUN } else { FINE };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Out::stderr().line(format_args!("error: no threads to run on: {error}"));
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    let cancel = CancellationToken::new();
    let code = runtime.block_on(async {
        let listener = tokio::spawn(cancel_on_ctrl_c(cancel.clone()));
        let code = start(cli, cancel.clone()).await;
        listener.abort();
        code
    });
    // What still blocks a thread ends soon (a script that is being killed) and removes its files; what does not end
    // does not keep the program.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    ExitCode::from(if cancel.is_cancelled() && code != FINE { INTERRUPTED } else { code })
}

async fn cancel_on_ctrl_c(cancel: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        cancel.cancel();
    }
}

/// Carries a command out; without one, opens the workbench, or tests where nobody could look at it.
async fn start(cli: Cli, cancel: CancellationToken) -> u8 {
    let Workbench { environment, vars } = cli.workbench;
    match cli.command {
        Some(command) => dispatch(command, cancel).await,
        None if crate::tui::has_terminal() => {
            let settings = crate::tui::Settings { path: ".".into(), environment, vars: variables(&vars) };
            crate::tui::run(settings, cancel).await
        }
        None => dispatch(Command::Test(test::Args::below_here(environment, vars)), cancel).await,
    }
}

async fn dispatch(command: Command, cancel: CancellationToken) -> u8 {
    let mut context = Context::new(command.format(), cancel);
    let code = match command {
        Command::Check(args) => check::run(&args, &mut context).await,
        Command::Explain(args) => explain::run(&args, &mut context),
        Command::Fmt(args) => fmt::run(&args, &mut context),
        Command::Schema(args) => schema::run(&args, &mut context),
        Command::Test(args) => test::run(&args, &mut context).await,
        Command::Run(args) => run::run(&args, &mut context).await,
        Command::Watch(args) => watch::run(&args, &mut context).await,
        Command::Init(args) => init::run(&args, &mut context),
        Command::Versions(args) => versions::run(&args, &mut context),
        Command::Rollback(args) => rollback::run(&args, &mut context).await,
        Command::Cassette(args) => cassette::run(&args, &mut context).await,
        Command::Session(args) => session::run(&args, &mut context),
        Command::Key(args) => key::run(&args, &mut context),
        Command::Models(args) => models::run(&args, &mut context).await,
        Command::Audit(args) => audit::run(&args, &mut context),
        Command::Confirm(args) => confirm::run(&args, &mut context).await,
        Command::Lock(args) => lock::run(&args, &mut context).await,
        Command::Doctor(args) => doctor::run(&args, &mut context),
        #[cfg(target_os = "linux")]
        Command::Sandbox(args) => sandbox::run(&args, &mut context),
        Command::Guard(args) => guard::run(&args, &mut context),
        Command::Guest(args) => guest::run(&args, &mut context),
        Command::Completions(args) => completions::run(&args, &mut context),
        Command::Lsp(args) => lsp::run(&args, &mut context).await,
    };
    match context.out.failure().map(ToString::to_string) {
        // A report that nobody could read is none.
        Some(error) => context.could_not_run(format_args!("the output could not be written: {error}")),
        None => code,
    }
}

impl Command {
    const fn format(&self) -> Format {
        match self {
            Self::Check(args) => match args.format {
                check::CheckFormat::Json => Format::Json,
                _ => Format::Human,
            },
            Self::Explain(args) => args.format,
            Self::Test(args) => args.format,
            Self::Run(args) => args.format,
            Self::Watch(args) => args.format,
            Self::Init(args) => args.format,
            Self::Versions(args) => args.format,
            Self::Rollback(args) => args.format,
            Self::Cassette(args) => args.format,
            Self::Session(args) => args.format,
            Self::Key(args) => args.format,
            Self::Models(args) => args.format,
            Self::Audit(args) => args.format,
            Self::Confirm(args) => args.format,
            Self::Lock(args) => args.format,
            Self::Doctor(args) => args.format,
            #[cfg(target_os = "linux")]
            Self::Sandbox(args) => args.format,
            Self::Guard(args) => args.format(),
            Self::Guest(args) => args.format,
            Self::Completions(_) | Self::Fmt(_) | Self::Lsp(_) | Self::Schema(_) => Format::Human,
        }
    }
}

/// Reads `NAME=VALUE`.
fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like NAME=VALUE".into()),
    }
}

fn variables(pairs: &[(String, String)]) -> serde_json::Map<String, serde_json::Value> {
    pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
}
