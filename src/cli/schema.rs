//! `aic schema`: the JSON Schema of the language, for editors that know nothing of this program.

use super::{Context, FINE};
use aic_spec::{FileKind, json_schema};
use clap::ValueEnum;

#[derive(clap::Args)]
pub struct Args {
    /// Of which kind of file
    #[arg(value_enum, default_value_t)]
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Of {
    /// A container spec.
    #[default]
    Container,
    /// Behaviour tests kept apart.
    Tests,
    /// Several containers in one workflow.
    Workflow,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let kind = match args.of {
        Of::Container => FileKind::Container,
        Of::Tests => FileKind::Tests,
        Of::Workflow => FileKind::Compose,
    };
    context.out.line(format_args!("{:#}", json_schema(kind)));
    FINE
}
