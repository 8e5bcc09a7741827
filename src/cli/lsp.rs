//! `aic lsp`: the language server, over standard input and output.

use super::{Context, FINDINGS, FINE};
use aic_lsp::{Config, Ended, serve_stdio};

#[derive(clap::Args)]
pub struct Args {
    /// Speak over standard input and output: what it does anyway, and what editors like to say
    #[arg(long)]
    stdio: bool,
}

/// Serves one editor. As the protocol has it, an end that the editor did not ask for is a failure.
pub async fn run(_: &Args, context: &mut Context) -> u8 {
    let ended = tokio::select! {
        ended = serve_stdio(Config::default()) => ended,
        () = context.cancel.cancelled() => Ended::Abrupt,
    };
    match ended {
        Ended::Orderly => FINE,
        Ended::Abrupt => FINDINGS,
    }
}
