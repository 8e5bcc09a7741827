//! The programs of this folder, compiled to modules, and the same as components.

use std::path::{Path, PathBuf};
use std::process::Command;
use wasi_preview1_component_adapter_provider as adapters;

const ADAPTER: &str = adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;

/// What comes of a source, made once for all tests.
fn made(source: &str, target: &str, make: impl FnOnce(&Path, &Path)) -> PathBuf {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules").join(source);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(target);
    let age = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    if age(&target) < age(&source) {
        make(&source, &target);
    }
    target
}

fn compile(source: &Path, target: &Path, reactor: bool) {
    let mut clang = Command::new("clang");
    clang.args(["--target=wasm32-wasi", "--sysroot=/usr", "-Os", "-Wl,--strip-all", "-o"]).arg(target).arg(source);
    if reactor {
        clang.arg("-mexec-model=reactor");
    }
    let ran = clang.output().expect("clang starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A module of WASI preview 1.
pub fn module(name: &str, reactor: bool) -> PathBuf {
    made(&format!("{name}.c"), &format!("{name}.wasm"), |source, target| compile(source, target, reactor))
}

fn component_of(module: &Path, target: &Path, adapter: &[u8], describe: impl FnOnce(&mut Vec<u8>)) {
    let mut wasm = std::fs::read(module).unwrap();
    describe(&mut wasm);
    let encoder = wit_component::ComponentEncoder::default().module(&wasm).unwrap();
    let component = encoder.adapter(ADAPTER, adapter).unwrap().encode().unwrap();
    std::fs::write(target, component).unwrap();
}

/// A program as a component of WASI preview 2: the module of that name, and what the makers of WASI give to modules so
/// that they become components.
pub fn component(name: &str) -> PathBuf {
    let module = module(name, false);
    made(&format!("{name}.c"), &format!("{name}.component.wasm"), |_, target| {
        component_of(&module, target, adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, |_| {});
    })
}

/// A function as a component, whose world is in the file of the same name.
pub fn function(name: &str) -> PathBuf {
    made(&format!("{name}.c"), &format!("{name}.component.wasm"), |source, target| {
        let module = target.with_extension("core.wasm");
        compile(source, &module, true);
        component_of(&module, target, adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER, |wasm| {
            let mut resolve = wit_parser::Resolve::default();
            let package = resolve.push_file(source.with_extension("wit")).unwrap();
            let world = resolve.select_world(&[package], None).unwrap();
            let utf8 = wit_component::StringEncoding::UTF8;
            wit_component::embed_component_metadata(wasm, &resolve, world, utf8).unwrap();
        });
    })
}
