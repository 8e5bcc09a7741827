//! `aic watch`: the command around [`crate::watch`].

use super::{COULD_NOT_RUN, Context, FINE, Format, name_and_value, variables};
use crate::host::script_host;
use crate::session::{Session, TestOptions};
use crate::watch::{Watch, WatchError};
use crate::workspace::Target;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// The spec, or its folder
    #[arg(default_value = ".")]
    spec: PathBuf,
    /// Test as this environment
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// A variable of the spec
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    vars: Vec<(String, String)>,
    /// How to speak: `json` writes one document a save, a line each
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let (workspace, spec) = match Target::one(&args.spec) {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    let store = context.store_or_warn(&workspace);
    let lease = match store.as_ref().map(aic_store::Store::try_lease).transpose() {
        Ok(Some(None)) => {
            let holder = store.as_ref().and_then(aic_store::Store::lease_holder);
            let who = holder.map_or_else(String::new, |pid| format!(" (process {pid})"));
            return context.could_not_run(format_args!("another `aic watch`{who} runs the tests of this workspace"));
        }
        Ok(lease) => lease.flatten(),
        Err(error) => {
            context.warn(error);
            None
        }
    };
    let session = Session::new(workspace, spec, store, script_host());
    let options = TestOptions {
        environment: args.environment.clone(),
        vars: variables(&args.vars),
        keep: true,
        ..TestOptions::new(context.cancel.clone())
    };
    let json = context.format == Format::Json;
    let ended = Watch::new(session, options, json).run(&mut context.out).await;
    drop(lease);
    match ended {
        Ok(()) => FINE,
        Err(error @ WatchError::Notify(_)) => {
            context.could_not_run(error);
            COULD_NOT_RUN
        }
    }
}
