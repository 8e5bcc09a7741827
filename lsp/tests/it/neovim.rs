//! Neovim, headless, with its own client.

use crate::client::workspace;
use serde_json::Value;
use std::process::Command;

/// A model by rules, so that there is nothing to find but what is misspelt.
const SPEC: &str = "\
models: {primary: {provider: scripted, rules: [{match: {}, reply: {text: Hi}}]}}
promts: {system: Hi}
";

#[test]
#[ignore = "needs nvim, and aic built beside aic-lsp"]
fn neovim_does_with_the_recipe_what_its_version_can() {
    let folder = workspace(&[("agent.aicontainer.yml", SPEC)]);
    let out = folder.path().join("out.json");
    // The whole program: this crate alone runs no tests.
    let aic = std::path::Path::new(env!("CARGO_BIN_EXE_aic-lsp")).with_file_name("aic");
    assert!(aic.is_file(), "{} is not there: run `cargo build` first", aic.display());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/neovim.lua");
    let status = Command::new("nvim")
        .args(["--headless", "--clean", "-n", "-i", "NONE", "-c"])
        .arg(format!("luafile {script}"))
        .env("AIC", aic)
        .env("AIC_RECIPE", concat!(env!("CARGO_MANIFEST_DIR"), "/editors/neovim"))
        .env("AIC_SPEC", folder.path().join("agent.aicontainer.yml"))
        .env("AIC_OUT", &out)
        // No settings and no state of whoever runs this.
        .env("HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .env("XDG_CACHE_HOME", folder.path())
        .current_dir(folder.path())
        .status()
        .expect("nvim");
    assert!(status.success(), "{status}");
    let out: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    assert_eq!(out.get("problem"), None, "{out}");
    assert_eq!(out["arrived"], true, "{out}");
    let found = out["diagnostics"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{out}");
    assert_eq!((&found[0]["line"], &found[0]["column"], &found[0]["source"]), (&1.into(), &0.into(), &"aic".into()));
    assert!(found[0]["message"].as_str().unwrap().contains("did you mean `prompts`?"), "{out}");
    assert_eq!(out["mended"], true, "{out}");
    let labels = out["labels"].as_array().unwrap();
    assert!(labels.contains(&"sandbox".into()) && !labels.contains(&"prompts".into()), "{out}");
    assert!(out["hover"].as_str().unwrap().contains("built-in guardrail"), "{out}");
    let all = |key: &str| out[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((&out["jumped"], &out["column"]), (&true.into(), &18.into()), "{out}");
    assert_eq!(out["renamed"], true, "{out}");
    assert_eq!(all("symbols"), ["models", "prompts", "guardrails", "tools", "tests"]);
    assert_eq!(all("hints"), ["≈ 1 tokens (estimate)"]);
    assert_eq!(all("before"), ["▶ run all", "▶ run test", "▶ run test"]);
    assert_eq!(out["message"], "says hi: 1/1 passed · $0", "{out}");
    let after = ["▶ run all · last 1/1 · $0 · 1 not run", "▶ run test · last 1/1 · $0", "▶ run test"];
    assert_eq!(all("after"), after, "{out}");
    assert_eq!(out["stopped"], true, "{out}");
}
