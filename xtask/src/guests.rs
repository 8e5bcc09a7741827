//! `cargo xtask guests`: rebuilds the WASM guests of `crates/sandbox` from their C sources.
//!
//! The recipe: the sources of quickjs-ng as the crate `rquickjs-sys` carries them (pinned by the builder's lock file)
//! and our `shim.c`, compiled by Debian's clang, then snapshotted by the builder after the engine's context is made.
//! `--check` changes nothing and fails where the result is not what is checked in; `--check-source` compares only what
//! clang makes, before the snapshot, which takes seconds rather than a build of wasmtime.

use crate::say;
use aic_base::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/sandbox/guests");
const SOURCES: [&str; 4] = ["shim.c", "libregexp.c", "libunicode.c", "dtoa.c"];
const FLAGS: [&str; 11] = [
    "--target=wasm32-wasi",
    "--sysroot=/usr",
    "-mexec-model=reactor",
    "-Os",
    "-D_GNU_SOURCE",
    "-D_WASI_EMULATED_SIGNAL",
    "-D_WASI_EMULATED_PROCESS_CLOCKS",
    // The stack below the data: an overflow traps in place of overwriting what lies there.
    "-Wl,--stack-first,-z,stack-size=1048576",
    "-Wl,--strip-all",
    "-lwasi-emulated-signal",
    "-lwasi-emulated-process-clocks",
];
const INSTALL: &str = "apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (check, only_source) = match arguments {
        [] => (false, false),
        [only] if only == "--check" => (true, false),
        [only] if only == "--check-source" => (true, true),
        _ => return Err("usage: cargo xtask guests [--check | --check-source]".into()),
    };
    tools()?;
    let home = Path::new(FOLDER).join("quickjs");
    let builder = Path::new(FOLDER).join("builder/Cargo.toml");
    let work = Path::new(FOLDER).join("builder/target/quickjs");
    let sources = quickjs_sources(&builder)?;
    lay_out(&sources, &home.join("shim.c"), &work)?;

    say("compiling QuickJS (about 20 seconds)");
    let mut clang = Command::new("clang");
    // Run where the sources lie, so that no path of this machine gets into the module.
    clang.args(FLAGS).args(SOURCES).args(["-w", "-o", "before.wasm"]).current_dir(&work);
    succeed(&mut clang).map_err(|why| format!("{why}; if a header or library is missing: {INSTALL}"))?;
    if only_source {
        let line = format!("{}  before-snapshot.wasm", digest(&work.join("before.wasm"))?);
        let sums = read(&home.join("SHA256SUMS"))?;
        if String::from_utf8_lossy(&sums).lines().any(|known| known == line) {
            say("the sources give what was snapshotted");
            return Ok(());
        }
        return Err(format!("{line}: not what SHA256SUMS says; run `cargo xtask guests`"));
    }
    say("taking the snapshot (the first time this builds wasmtime)");
    let (before, after) = (work.join("before.wasm"), work.join("qjs.wasm"));
    let mut snapshot = Command::new(env!("CARGO"));
    snapshot.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(&builder).arg("--").arg(&before).arg(&after);
    // The builder is a workspace of its own; a target folder chosen for this one is not meant for it.
    snapshot.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    succeed(&mut snapshot)?;

    let sums = format!("{}  before-snapshot.wasm\n{}  qjs.wasm\n", digest(&before)?, digest(&after)?);
    let changes =
        [("SHA256SUMS", sums.into_bytes()), ("qjs.wasm", read(&after)?), ("LICENSE-quickjs-ng", license(&sources)?)];
    let mut differ = Vec::new();
    for (name, new) in changes {
        let path = home.join(name);
        if fs::read(&path).is_ok_and(|old| old == new) {
            continue;
        }
        differ.push(name);
        if !check {
            fs::write(&path, new).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    match (differ.is_empty(), check) {
        (true, _) => say("the guests are what is checked in"),
        (false, false) => say(&format!("rewritten: {}", differ.join(", "))),
        (false, true) => {
            let differ = differ.join(", ");
            return Err(format!("{differ}: not what these sources and this compiler give; run `cargo xtask guests`"));
        }
    }
    Ok(())
}

/// Everything the recipe needs that does not come with cargo.
fn tools() -> Result<(), String> {
    let programs = ["clang", "wasm-ld"].map(|name| (name, Command::new(name).arg("--version").output().is_ok()));
    let libc = ("wasi-libc", Path::new("/usr/include/wasm32-wasi/stdlib.h").exists());
    let missing: Vec<_> =
        programs.into_iter().chain([libc]).filter(|(_, found)| !found).map(|(name, _)| name).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("missing: {}. On Debian 12: {INSTALL}", missing.join(", "))) }
}

/// Where cargo keeps the sources that the builder's lock file names.
fn quickjs_sources(builder: &Path) -> Result<PathBuf, String> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version=1", "--locked", "--manifest-path"]).arg(builder);
    let output = succeed(&mut metadata)?;
    let metadata: serde_json::Value = serde_json::from_slice(&output).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let package = packages.iter().find(|package| package["name"] == "rquickjs-sys");
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.ok_or("the builder's dependencies hold no rquickjs-sys")?;
    Ok(Path::new(manifest).with_file_name("quickjs"))
}

/// Puts all sources into one fresh folder.
fn lay_out(sources: &Path, shim: &Path, work: &Path) -> Result<(), String> {
    let put = || -> std::io::Result<()> {
        if work.exists() {
            fs::remove_dir_all(work)?;
        }
        fs::create_dir_all(work)?;
        for entry in fs::read_dir(sources)? {
            let path = entry?.path();
            let is_source = path.extension().is_some_and(|extension| extension == "c" || extension == "h");
            if let (true, Some(name)) = (is_source, path.file_name()) {
                fs::copy(&path, work.join(name))?;
            }
        }
        fs::copy(shim, work.join("shim.c"))?;
        Ok(())
    };
    put().map_err(|error| format!("cannot lay out the sources in {}: {error}", work.display()))
}

fn license(sources: &Path) -> Result<Vec<u8>, String> {
    read(&sources.join("LICENSE"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn digest(path: &Path) -> Result<Digest, String> {
    Ok(Digest::of(read(path)?))
}

/// Runs a program, and gives what it printed.
fn succeed(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    Err(format!("{name} failed:\n{}", lines[lines.len().saturating_sub(20)..].join("\n")))
}
