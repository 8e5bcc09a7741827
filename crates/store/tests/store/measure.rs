//! How long a rollback takes, beside how long the disk takes to write something down.

use crate::support::{Files, Workspace, files, new_version, rollback_to};
use aic_base::SystemClock;
use aic_store::Store;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn five(text: &str) -> Files {
    let names: Vec<String> = (0..5).map(|n| format!("f{n}.md")).collect();
    let content = text.repeat(2000);
    files(&names.iter().map(|name| (name.as_str(), content.as_str())).collect::<Vec<_>>())
}

#[test]
#[ignore = "needs a quiet machine: it only measures"]
fn a_rollback_of_five_files_is_measured() {
    let ws = Workspace::new();
    let store = Store::open(ws.folder.path(), Arc::new(SystemClock::new())).unwrap();
    let versions = [five("a"), five("b")].map(|files| {
        for (name, bytes) in &files {
            std::fs::write(name.under(ws.folder.path()), bytes).unwrap();
        }
        (store.record_version(new_version(files.clone())).unwrap().digest, files)
    });
    let (mut rollbacks, mut syncs, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..50 {
        let (current, target) = (&versions[(n + 1) % 2].1, versions[n % 2].0);
        rollbacks.push(store.rollback(rollback_to(target, current.clone())).unwrap().took);
        let started = Instant::now();
        let mut file = std::fs::File::create(ws.folder.path().join("sync")).unwrap();
        file.write_all(&[7; 2000]).unwrap();
        file.sync_all().unwrap();
        syncs.push(started.elapsed());
        let started = Instant::now();
        store.audit_append(crate::child::entry("x")).unwrap();
        commits.push(started.elapsed());
    }
    let [rollback, sync, commit] = [rollbacks, syncs, commits].map(median);
    let text = format!("rollback of 5 files {rollback:?}, one fsync {sync:?}, one commit {commit:?} (medians of 50)\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
