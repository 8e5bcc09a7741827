//! `aic completions`: what a shell needs to complete `aic`'s commands and options.

use super::{Cli, Context, FINE};
use clap::CommandFactory as _;
use clap_complete::Shell;

#[derive(clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aic", &mut script);
    context.out.text(String::from_utf8_lossy(&script));
    FINE
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "aic", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("rollback"), "{shell}");
        }
    }
}
