//! `aic confirm`: an operator's answers to what runs have asked. Never through the chat: who answers here can read the
//! workspace's store.

use super::run::Resumed;
use super::{Context, FINE, Format};
use crate::confirmations;
use crate::output::{Style, harmless};
use crate::report::json;
use crate::workspace::{Workspace, now};
use aic_engine::Answer;
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// A folder of the workspace
    #[arg(long, short, default_value = ".", global = true)]
    workspace: PathBuf,
    /// How to speak
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show the questions that wait
    List,
    /// Say yes, and go on with the run that asked
    Approve {
        /// The question's number
        number: String,
        /// Who had asked, where the spec calls that personal and it was not written down
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
    /// Say no, and tell the run that asked
    Deny {
        /// The question's number
        number: String,
        /// Who had asked, where the spec calls that personal and it was not written down
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let workspace = match Workspace::of(&args.workspace) {
        Ok(workspace) => workspace,
        Err(error) => return context.could_not_run(error),
    };
    let (number, user, answer) = match &args.action {
        Action::List => return list(&workspace, context),
        Action::Approve { number, user } => (number, user.clone(), Answer::Approve),
        Action::Deny { number, user } => (number, user.clone(), Answer::Deny),
    };
    match confirmations::take_number(&workspace, number, now()) {
        Ok(waiting) => super::run::go_on(Resumed { workspace, waiting, answer, operator: true, user }, context).await,
        Err(error) => context.could_not_run(error),
    }
}

fn list(workspace: &Workspace, context: &mut Context) -> u8 {
    let all = confirmations::all(workspace, now());
    if context.format == Format::Json {
        let one = |(number, waiting): &(String, confirmations::Waiting)| {
            let pending = &waiting.pending;
            json!({
                "number": number, "spec": waiting.spec, "asks": pending.asks, "args": pending.args, "why": pending.why,
                "operator": pending.operator, "until": waiting.until, "user": waiting.user,
            })
        };
        json::write(&mut context.out, json!({ "waiting": all.iter().map(one).collect::<Vec<_>>() }));
        return FINE;
    }
    if all.is_empty() {
        context.out.line("nothing waits");
    }
    for (number, waiting) in &all {
        let pending = &waiting.pending;
        let who = if pending.operator { "an operator" } else { "the user" };
        let about = if pending.args.is_null() { String::new() } else { format!(" {}", pending.args) };
        context.out.line(format_args!("{number}  {}  {}{}", waiting.spec, harmless(&pending.asks), harmless(&about)));
        let more = format!("    {} · {who} answers · until {}", harmless(&pending.why), waiting.until);
        context.out.line(context.out.styled(Style::Dim, more));
    }
    FINE
}
