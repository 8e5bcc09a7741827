//! `aic`: the command line. Everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    aicontainer::cli::main()
}
