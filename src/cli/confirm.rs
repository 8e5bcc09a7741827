//! `aic confirm`: an operator's answers to what runs have asked. Never through the chat: who answers here can read the
//! workspace's store.

use super::run::Resumed;
use super::{Context, FINE, Format};
use crate::confirmations::{self, Standing, Waiting};
use crate::output::{Style, harmless};
use crate::report::json;
use crate::workspace::{Workspace, now};
use aic_engine::Answer;
use aic_model::SystemKeys;
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
    match confirmations::of_number(&workspace, number, &SystemKeys, now()) {
        Ok(waiting) => {
            let number = number.clone();
            super::run::go_on(Resumed { workspace, number, waiting, answer, operator: true, user }, context).await
        }
        Err(error) => context.could_not_run(error),
    }
}

fn list(workspace: &Workspace, context: &mut Context) -> u8 {
    let all = confirmations::all(workspace, &SystemKeys, now());
    if context.format == Format::Json {
        let one = |standing: &Standing| {
            let Standing { number, spec, until, operator, waiting } = standing;
            let mut value = json!({"number": number, "spec": spec, "operator": operator, "until": until});
            match waiting {
                Ok(Waiting { pending, user, .. }) => {
                    let said = json!({"asks": pending.asks, "args": pending.args, "why": pending.why, "user": user});
                    value
                        .as_object_mut()
                        .into_iter()
                        .for_each(|all| all.extend(said.as_object().cloned().unwrap_or_default()));
                }
                Err(error) => value["error"] = error.to_string().into(),
            }
            value
        };
        json::write(&mut context.out, json!({ "waiting": all.iter().map(one).collect::<Vec<_>>() }));
        return FINE;
    }
    if all.is_empty() {
        context.out.line("nothing waits");
    }
    for Standing { number, spec, until, operator, waiting } in &all {
        let who = if *operator { "an operator" } else { "the user" };
        let pending = match waiting {
            Ok(waiting) => &waiting.pending,
            Err(error) => {
                context.out.line(format_args!("{number}  {spec}  {}", harmless(&error.to_string())));
                continue;
            }
        };
        let about = if pending.args.is_null() { String::new() } else { format!(" {}", pending.args) };
        context.out.line(format_args!("{number}  {spec}  {}{}", harmless(&pending.asks), harmless(&about)));
        let more = format!("    {} · {who} answers · until {until}", harmless(&pending.why));
        context.out.line(context.out.styled(Style::Dim, more));
    }
    FINE
}
