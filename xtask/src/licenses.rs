//! `cargo xtask licenses`: every dependency is licensed permissively, comes from the public registry, and is none that
//! this project has decided against. What `cargo deny check licenses bans sources` would say, without ten minutes of
//! building it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// Licences that may stand in a dependency's expression.
const ALLOWED: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "Unlicense",
];
/// Weak copyleft, admitted for these alone: each stays a crate of its own, unchanged.
const MPL: [&str; 2] = ["option-ext", "nucleo-matcher"];
/// Decided against, and why.
const BANNED: [(&str, &str); 6] = [
    ("serde_yaml", "given up by its author, keeps no spans; our tree over granit-parser instead"),
    ("tower-lsp", "last release 2023; tower-lsp-server instead"),
    ("openssl-sys", "a system library; rustls with ring instead"),
    ("aws-lc-sys", "68 s to build; ring instead"),
    ("miette", "58 crates; annotate-snippets instead"),
    ("notify-debouncer-full", "wakes 196 times a second; a timer of our own instead"),
];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub fn run(_: &[String]) -> Result<(), String> {
    let built = built()?;
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--locked"])?)
        .map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let is_built = |package: &&Value| {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        built.contains(&(text("name"), text("version")))
    };
    let built: Vec<&Value> = packages.iter().filter(is_built).collect();
    let problems: Vec<String> = built.iter().filter_map(|package| problem(package)).collect();
    if problems.is_empty() {
        crate::say(&format!("{} packages, all licensed as agreed", built.len()));
        Ok(())
    } else {
        Err(format!("\n  {}", problems.join("\n  ")))
    }
}

/// Name and version of every package that is built on some platform. The lock file has more: optional parts of
/// dependencies that no feature of ours turns on.
fn built() -> Result<BTreeSet<(String, String)>, String> {
    let arguments = ["tree", "--workspace", "--locked", "--target", "all", "--edges", "all", "--prefix", "none"];
    let tree = cargo(&[&arguments[..], &["--format", "{p}"]].concat())?;
    let of_line = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    Ok(tree.lines().filter_map(of_line).collect())
}

fn cargo(arguments: &[&str]) -> Result<String, String> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("cargo {}: {error}", arguments[0]))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn problem(package: &Value) -> Option<String> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    // Our own have no source.
    let source = package["source"].as_str()?;
    if source != REGISTRY {
        return Some(format!("{name} {version} comes from {source}"));
    }
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        return Some(format!("{name} {version}: {why}"));
    }
    let license = text("license");
    let allowed = |one: &str| ALLOWED.contains(&one) || (one == "MPL-2.0" && MPL.contains(&name));
    if satisfied(license, &allowed) { None } else { Some(format!("{name} {version} is licensed `{license}`")) }
}

/// Whether an SPDX expression can be met with allowed licences. `AND` binds tighter than `OR`; the old `/` is `OR`.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    !words.is_empty() && any(&words, &mut at, allowed) && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut is = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        is |= all(words, at, allowed);
    }
    is
}

fn all(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut is = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        is &= one(words, at, allowed);
    }
    is
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let is = any(words, at, allowed);
        *at += 1;
        return is;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return allowed(&format!("{word} WITH {exception}"));
    }
    allowed(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = |one: &str| ALLOWED.contains(&one);
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT OR X) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR X",
        ] {
            assert!(satisfied(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND X", "GPL-2.0 WITH LLVM-exception", "MIT )"] {
            assert!(!satisfied(bad, &allowed), "{bad}");
        }
    }
}
