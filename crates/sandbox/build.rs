//! Builds the agent that runs inside sandboxes: one static file that needs nothing of the sandbox's root file system.
//!
//! It is compiled here rather than as a binary of this package, because it must be linked statically, whatever the
//! rest is. It uses the standard library only, so one call of the compiler is all.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=agent");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let agent = PathBuf::from(variable("OUT_DIR")).join("agent");
    println!("cargo::rustc-env=AIC_AGENT={}", agent.display());
    let known = matches!(variable("CARGO_CFG_TARGET_ARCH").as_str(), "x86_64" | "aarch64");
    if variable("CARGO_CFG_TARGET_OS") != "linux" || !known {
        // No agent, no gVisor and no process sandbox: the probe says so.
        return std::fs::write(&agent, []).unwrap_or_else(|error| panic!("{}: {error}", agent.display()));
    }
    let mut command = Command::new(variable("RUSTC"));
    command.args(["--edition", "2024", "--crate-name", "agent", "--crate-type", "bin", "agent/main.rs"]);
    command.args(["--target", &variable("TARGET"), "-o"]).arg(&agent);
    for option in
        ["target-feature=+crt-static", "relocation-model=static", "opt-level=s", "panic=abort", "strip=symbols"]
    {
        command.args(["-C", option]);
    }
    let status = command.status().unwrap_or_else(|error| panic!("the compiler does not start: {error}"));
    assert!(status.success(), "the agent does not compile: a static C library is needed (Debian: libc6-dev)");
}
