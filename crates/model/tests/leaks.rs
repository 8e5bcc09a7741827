//! Whatever a provider does, nothing of a call is left: no task, no socket, no memory. A binary of its own, since it
//! counts what the whole process holds.

#[path = "support/mod.rs"]
mod support;

use aic_model::{Kind, Message, Request, Role, Timeouts};
use std::time::Duration;
use support::{KINDS, Server, Step, answer, ask, bomb, head, model, streaming, streams};

/// What a provider may do, of each kind one.
fn faults(kind: Kind) -> Vec<Vec<Step>> {
    let half = || Step::Say(streams::beginning(kind).into());
    let start = || Step::Say(streaming(kind));
    let packed = head("200 OK", &[("content-type", "text/event-stream"), ("content-encoding", "gzip")]);
    vec![
        vec![Step::Reset],
        vec![start(), half()],
        vec![start(), half(), Step::Reset],
        vec![start(), half(), Step::Hang],
        vec![Step::Hang],
        vec![start(), Step::Repeat(vec![b'x'; 65_536])],
        vec![start(), Step::Repeat(streams::beginning(kind).into())],
        vec![Step::Say(packed), Step::Say(bomb(400_000))],
        vec![Step::Say(answer("429 Too Many Requests", &[("retry-after", "1")], "{}"))],
        vec![Step::Say(answer("302 Found", &[("location", "http://127.0.0.1:9/")], ""))],
        vec![Step::Say(head("500 Oops", &[])), Step::Repeat(vec![b'e'; 4096])],
        vec![start(), Step::Say(vec![0xff, 0xfe, b'\n', b'\n'])],
    ]
}

/// All faults of all providers, one after another; each is over when its connection is.
async fn round() {
    let question = Request { messages: vec![Message::new(Role::User, "Hello?")], ..Request::default() };
    let timeouts = Timeouts { first_token: None, total: Some(Duration::from_millis(60)) };
    for kind in KINDS {
        for steps in faults(kind) {
            let server = Server::start(vec![steps]).await;
            let pieces = ask(&model(kind, &server.url(), timeouts), &question).await;
            assert!(matches!(pieces.last(), Some(Err(_))), "{kind:?} {pieces:?}");
            server.empty().await;
        }
    }
}

/// Tasks of this runtime, once those that are about to end have ended.
async fn tasks(most: usize) -> usize {
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..10_000 {
        if metrics.num_alive_tasks() <= most {
            break;
        }
        tokio::task::yield_now().await;
    }
    metrics.num_alive_tasks()
}

#[cfg(target_os = "linux")]
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[cfg(target_os = "linux")]
fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn after_every_fault_of_every_provider_nothing_is_left() {
    // The first rounds fill what stays for good: buffers of the allocator, the certificates' verifier.
    round().await;
    round().await;
    let before = (tasks(0).await, open_files(), resident_kb());
    for _ in 0..4 {
        round().await;
    }
    let after = (tasks(before.0).await, open_files(), resident_kb());
    assert!(after.0 <= before.0, "tasks: {} before, {} after", before.0, after.0);
    assert!(after.1 <= before.1, "open files: {} before, {} after", before.1, after.1);
    // Four rounds bring 24 lines without end, cut at 4 MB each: had any of them stayed, this would be far beyond.
    assert!(after.2 < before.2 + 24_000, "resident: {} kB before, {} kB after", before.2, after.2);
}
