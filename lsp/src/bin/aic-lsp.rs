//! The language server by itself, over standard input and output: for tests, and for who wants nothing but it. `aic lsp`
//! is the same.

use aic_lsp::{Config, Ended, serve_stdio};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().build() else { return ExitCode::from(2) };
    let ended = runtime.block_on(serve_stdio(Config::default()));
    runtime.shutdown_background();
    ExitCode::from(u8::from(ended != Ended::Orderly))
}
