//! Whatever a guest may do: any calls of WASI with any arguments on any memory, with a folder of the host's at stake; and
//! whatever a worker that turned hostile may answer. Compiled here by path, without the engine.
#![no_main]
#![allow(dead_code, unused_imports, reason = "parts of a crate")]

#[path = "parts/worker.rs"]
mod worker;
#[path = "../../../crates/sandbox/src/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;

static OUTSIDE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "secret").expect("a secret");
    folder
});

fn furnish(workspace: &Path) {
    let _ = fs::remove_dir_all(workspace);
    fs::create_dir(workspace).expect("a workspace");
    fs::write(workspace.join("file"), "file").expect("a file");
    fs::create_dir(workspace.join("folder")).expect("a folder");
    symlink("../secret", workspace.join("planted")).expect("a link");
    symlink("..", workspace.join("up")).expect("a link");
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = bytes;
    while let Ok(frame) = wire::read_frame(&mut input) {
        let _ = serde_json::from_slice::<wire::Open>(&frame.payload);
        let _ = wire::CallHeader::split(&frame.payload);
        if let Some((_, _, body)) = wire::AnswerHeader::split(&frame.payload) {
            let _ = wire::ModuleBody::split(body);
        }
    }
    let _ = wire::ModuleInput::split(bytes);
    if let Some(body) = wire::ModuleBody::split(bytes) {
        assert_eq!(wire::ModuleBody::split(&body.encode()), Some(body.clone()));
    }
    let (outside, workspace) = (OUTSIDE.path(), OUTSIDE.path().join("workspace"));
    furnish(&workspace);
    worker::wasi::fuzz::run(bytes, &workspace);
    assert_eq!(fs::read(outside.join("secret")).expect("the secret is there"), b"secret");
    assert_eq!(fs::read_dir(outside).expect("it is there").count(), 2, "something was made outside");
    let made = fs::symlink_metadata(workspace.join("made"));
    assert!(made.map_or(true, |made| !made.is_symlink()));
});
