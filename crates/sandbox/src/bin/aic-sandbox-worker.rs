//! A worker and nothing else: for tests, and for programs that embed this crate without the `aic` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    aic_sandbox::worker_main()
}
