//! What fixes make of files: each in the form that its file has, and none that breaks it.

mod common;

use aic_spec::{Fix, apply_sound, load};
use common::{options, path, source};

/// A file with all its fixes applied, the unsafe ones too if wanted.
fn mended(name: &str, text: &str, unsafe_too: bool) -> String {
    let loaded = load(&source(&[(name, text)]), &path(name), &options());
    let fixes: Vec<&Fix> = loaded.diagnostics.iter().filter_map(|found| found.fix.as_ref()).collect();
    let fixes: Vec<&Fix> = fixes.into_iter().filter(|fix| fix.safe || unsafe_too).collect();
    assert!(!fixes.is_empty(), "{:#?}", loaded.diagnostics);
    let after = aic_spec::apply(text, fixes.iter().copied());
    assert_eq!(apply_sound(&path(name), text, &fixes).0, after, "no fix had to be left out");
    after
}

const TOML: &str = "[model]\nprovider = \"scripted\"\nrules = [{match = {}, reply = {text = \"hi\"}}]\n";

fn toml(text: &str) -> String {
    let all = mended("a.aicontainer.toml", &format!("{TOML}{text}"), true);
    all.strip_prefix(TOML).map(str::to_owned).unwrap_or(all)
}

#[test]
fn toml_stays_toml_whatever_is_mended_in_it() {
    for (before, after) in [
        ("[budget]\ntime = 90\n", "[budget]\ntime = \"90s\"\n"),
        ("[budget]\ntime = \"90\"\n", "[budget]\ntime = \"90s\"\n"),
        ("[budget]\ntime = '5 minutes'\n", "[budget]\ntime = '5m'\n"),
        ("[sandbox.limits]\nmemory = \"64mb\"\n", "[sandbox.limits]\nmemory = \"64MB\"\n"),
        ("[deployment.canary]\nsteps = [10, 50]\n", "[deployment.canary]\nsteps = [\"10%\", \"50%\"]\n"),
        (
            "[[guardrails]]\nname = \"rate_limit\"\nwindow = 60\n",
            "[[guardrails]]\nname = \"rate_limit\"\nwindow = \"60s\"\n",
        ),
        ("[budgt]\nsteps = 3\n", "[budget]\nsteps = 3\n"),
        ("[budget]\n\"stps\" = 3\n", "[budget]\n\"steps\" = 3\n"),
        ("[sandbox]\nruntime = \"gvisr\"\n", "[sandbox]\nruntime = \"gvisor\"\n"),
    ] {
        assert_eq!(toml(before), after);
    }
}

#[test]
fn a_safe_fix_of_toml_is_one_that_toml_can_read() {
    let text = format!("{TOML}[budget]\ntime = 90\n");
    let after = mended("a.aicontainer.toml", &text, false);
    let loaded = load(&source(&[("a.aicontainer.toml", &after)]), &path("a.aicontainer.toml"), &options());
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
}

#[test]
fn a_variable_in_a_long_prompt_is_mended_and_the_prompt_stays() {
    let declared = "[prompts.variables]\nNAME = {from = \"caller\"}\n";
    for (open, close) in [("\"\"\"\n", "\"\"\""), ("\"\"\"", "\"\"\""), ("'''\n", "'''"), ("'''", "'''"), ("\"", "\"")]
    {
        let line = if open == "\"" { "" } else { "\n   there" };
        let prompt = |name: &str| format!("[prompts]\nsystem = {open}Hi ${{{name}}}{line}{close}\n{declared}");
        assert_eq!(toml(&prompt("NMAE")), prompt("NAME"));
    }
    let escaped = "[prompts]\nsystem = \"\"\"\nHi \\\n   \\\"you\\\" ${NMAE}\\tand\"\"\"\n[prompts.variables]\nNAME = {from = \"caller\"}\n";
    assert_eq!(toml(escaped), escaped.replace("NMAE", "NAME"));
    let windows = "[prompts]\r\nsystem = \"\"\"\r\nHi\r\n  ${NMAE}\r\n\"\"\"\r\n[prompts.variables]\r\nNAME = {from = \"caller\"}\r\n";
    assert_eq!(toml(windows), windows.replace("NMAE", "NAME"));
}

#[test]
fn a_secret_in_a_long_text_of_toml_is_found() {
    let key = ["sk-", "proj-", "abcdefghijklmnopqrstuvwx1234"].concat();
    let text = format!("{TOML}[prompts]\nsystem = \"\"\"\nThe key is {key}\n\"\"\"\n");
    let loaded = load(&source(&[("a.aicontainer.toml", &text)]), &path("a.aicontainer.toml"), &options());
    let found: Vec<_> = loaded.diagnostics.iter().map(|found| (found.code.0, found.span.of(&text))).collect();
    assert_eq!(found, [("ABS030", key.as_str())]);
}

#[test]
fn in_yaml_a_word_keeps_its_quotes_and_gets_them_where_it_needs_them() {
    let model = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";
    for (before, after) in [
        ("sandbox: {runtime: 'gvisr'}\n", "sandbox: {runtime: 'gvisor'}\n"),
        ("sandbox: {limits: {memory: \"64mb\"}}\n", "sandbox: {limits: {memory: \"64MB\"}}\n"),
        ("sandbox:\n  runtime: |\n    gvisr\n", "sandbox:\n  runtime: |\n    gvisr\n"),
    ] {
        let text = format!("{model}{before}");
        if before == after {
            let loaded = load(&source(&[("a.aicontainer.yml", &text)]), &path("a.aicontainer.yml"), &options());
            assert!(loaded.has_errors());
            continue;
        }
        assert_eq!(mended("a.aicontainer.yml", &text, true), format!("{model}{after}"));
    }
}

#[test]
fn a_number_that_toml_cannot_read_is_said_once_and_what_is_as_it_should_be_is_not_mended() {
    let text = format!("{TOML}[budget]\ntime = 90s\n");
    let loaded = load(&source(&[("a.aicontainer.toml", &text)]), &path("a.aicontainer.toml"), &options());
    assert!(loaded.diagnostics.iter().all(|found| found.code.0 == "ABS005"), "{:#?}", loaded.diagnostics);
    let text =
        "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\nbudget: {time: 99999999999999999999d}\n";
    let loaded = load(&source(&[("a.ai.yml", text)]), &path("a.ai.yml"), &options());
    let found: Vec<_> = loaded.diagnostics.iter().map(|found| (found.code.0, found.fix.is_some())).collect();
    assert_eq!(found, [("ABS013", false)]);
}
