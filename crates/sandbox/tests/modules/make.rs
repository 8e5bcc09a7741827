//! The programs of this folder, compiled to modules, and the same as components.

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A program as a component of WASI preview 2: the module of that name, adapted.
pub fn component(name: &str) -> PathBuf {
    let module = module(name, false);
    made(&format!("{name}.c"), &format!("{name}.component.wasm"), |_, target| {
        std::fs::write(target, aic_componentize::program(&std::fs::read(&module).unwrap()).unwrap()).unwrap();
    })
}

/// A function as a component, whose world is in the file of the same name.
pub fn function(name: &str) -> PathBuf {
    made(&format!("{name}.c"), &format!("{name}.component.wasm"), |source, target| {
        let module = target.with_extension("core.wasm");
        compile(source, &module, true);
        let (module, wit) = (std::fs::read(&module).unwrap(), source.with_extension("wit"));
        std::fs::write(target, aic_componentize::library(&module, &wit).unwrap()).unwrap();
    })
}
