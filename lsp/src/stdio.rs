//! Standard input and output as byte streams that do not keep the program from ending.

use crate::server::{Config, Ended, serve};
use std::io::Read;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

/// How many bytes wait between the reader and the server.
const BUFFER: usize = 64 * 1024;

/// Serves the process's standard input and output until the client says `exit` or closes the stream. Needs a Tokio
/// runtime.
pub async fn serve_stdio(config: Config) -> Ended {
    let (mut feed, input) = tokio::io::duplex(BUFFER);
    let runtime = Handle::current();
    // A thread of our own: a read of standard input cannot be cancelled, and a runtime would wait for it at the end.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut bytes = vec![0; BUFFER];
        while let Ok(count @ 1..) = stdin.read(&mut bytes) {
            let Some(read) = bytes.get(..count) else { break };
            if runtime.block_on(feed.write_all(read)).is_err() {
                break;
            }
        }
    });
    serve(input, tokio::io::stdout(), config).await
}
