//! A gallery of bad specs and what is said about each, as a person reads it.

mod common;

use common::{load_with, shown};
use std::fmt::Write as _;

const SCRIPTED: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";

/// Each entry: a title, whether a model that needs no diagnostics comes first, the text.
const GALLERY: &[(&str, bool, &str)] = &[
    ("unknown keys", true, "promts: {system: Hi}\nbudget: {step: 5, zebra: 1}\n"),
    ("wrong types", true, "prompts: [Hi]\nbudget: {steps: many, cost: yes}\ncontext: {session: {max_messages: 0}}\n"),
    ("a list is missing its brackets", true, "compliance: GDPR\naudit: {personal_data: user_id}\n"),
    ("missing keys", true, "tools: {allowed: [{description: x}]}\ndocuments: {d: {top_k: 3}}\n"),
    ("duplicate keys", true, "name: a\nname: b\n"),
    ("an empty file", false, ""),
    ("only a comment", false, "# to do\n"),
    ("no map at all", false, "just a text\n"),
    ("no model", false, "name: a\n"),
    ("a fallback without a primary", false, "models: {fallback: gpt-4-0613}\n"),
    ("a version of the future", true, "version: \"9\"\n"),
    ("a bad name", true, "name: My Agent\n"),
    ("unknown provider", false, "models: {primary: {provider: opnai, model: gpt-4}}\n"),
    ("provider cannot be told", false, "model: my-own-model\n"),
    (
        "unpinned models",
        false,
        "model: gpt-4\nmodels: {judge: claude-3, local: {provider: ollama, model: \"qwen:latest\"}}\n",
    ),
    (
        "a model without its needs",
        false,
        "models: {primary: {provider: openai_compatible, model: x}, b: {provider: scripted}, c: {provider: openai}}\n",
    ),
    ("words", true, "guardrails: [{name: secrets, action: stop}]\ntools: {allowed: [{name: a, effect: wirte}]}\n"),
    (
        "numbers out of range",
        false,
        "models: {primary: {provider: scripted, rules: [], temperature: 9, retries: -1}}\n",
    ),
    (
        "units",
        true,
        "budget: {time: 5 minutes, cost: ten}\nsandbox: {limits: {memory: lots, timeout: 30}}\ndeployment: {canary: {max_error_rate: 200%}}\n",
    ),
    (
        "a secret",
        true,
        "models: {primary: {provider: openai, model: gpt-4-0613, api_key_env: sk-proj-abcdefghijklmnopqrstuvwxyz012345}}\n",
    ),
    (
        "a secret in a header",
        true,
        "tools: {allowed: [{name: a, run: {http: \"https://x/\", headers: {Authorization: Bearer 0123456789abcdef}}}]}\n",
    ),
    (
        "undefined variables",
        true,
        "prompts:\n  system: |\n    Hello ${NAEM}, it is ${DATE}.\n    ${secret:X} $${literal} ${ broken\n  variables: {NAME: {default: x}}\n",
    ),
    (
        "conditions",
        true,
        "guardrails:\n  pre_execution:\n    - name: a\n      condition: inptu == 'x'\n    - name: b\n      condition: |\n        input == 'x' &&\n          tool.nmae == 'y'\n    - {name: c, condition: \"1 + 1\"}\n",
    ),
    (
        "guardrails",
        true,
        "guardrails: [pii_protecton, {name: rate_limit, windw: 1m, acton: log}, {name: mine, use: secretz}, {max_length: lots}]\n",
    ),
    ("duplicate guardrails", true, "guardrails: {pre_execution: [secrets], post_execution: [secrets]}\n"),
    (
        "tools of a guardrail",
        true,
        "guardrails: [{name: secrets, tools: [get_odrer]}]\ntools: {allowed: [get_order]}\n",
    ),
    ("allowed and blocked", true, "tools: {allowed: [delete_user, find], blocked: [\"delete_*\"]}\n"),
    ("duplicate tools", true, "tools: {allowed: [find, {name: find}]}\n"),
    ("blocked patterns", true, "tools: {blocked: [{pattern: \"\"}, {pattern: a, tool: b}, {}]}\n"),
    (
        "ways of running",
        true,
        "tools: {allowed: [{name: a, run: {}}, {name: b, run: {script: x.js, sql: \"sqlite:d.db\"}}, {name: c, permissions: [SELECT], run: {script: x.js}}, {name: d, run: {sql: \"mysql://x\"}}]}\n",
    ),
    (
        "files",
        true,
        "prompts: {system: {file: prompts/sytem.md}, user: {file: ../../etc/passwd}}\noutput: {schema: /abs.json}\n",
    ),
    ("files of the wrong form", true, "output: {schema: prompts/system.md}\n"),
    (
        "matchers",
        false,
        "model:\n  provider: scripted\n  rules:\n    - {match: {user: {matches: '('}}, reply: {text: a}}\n    - {match: {user: {gt: many}}, reply: {txt: a}}\n    - {reply: {text: x}}\n",
    ),
    (
        "expectations",
        true,
        "tests:\n  - name: a\n    input: x\n    expect:\n      - contain: y\n      - {contains: [a]}\n      - {cost: cheap}\n      - same_outptu\n      - contains\n      - {contains: a, equals: b}\n      - {matches: '['}\n      - {that: \"outptu == ''\"}\n      - {not: {json_path: {pth: a}}}\n      - {outcome: done}\n      - {judge: {rubric: nice}}\n",
    ),
    (
        "tests",
        true,
        "tests:\n  - {name: a, input: x}\n  - {name: a, input: x, cases: [y], expect: [same_output]}\n  - {input: x, expect: same_output}\n  - {name: c, expect: [same_output]}\n  - {name: d, cases: words.txt, expect: [same_output]}\n  - {name: e, cases: no.csv, expect: [same_output]}\n",
    ),
    (
        "names in tests",
        true,
        "guardrails: [secrets]\ntools: {allowed: [get_order]}\ntests:\n  - name: a\n    input: x\n    model: primray\n    matrix: {models: [primary, other], prompts: [default, terse]}\n    tools: {get_odrer: {return: 1}}\n    expect: [{tool_called: get_ordr}, {blocked: {by: secretz}}, {guardrail: something_else}]\n",
    ),
    (
        "mocks",
        true,
        "tools: {allowed: [a]}\ntests: [{name: t, input: x, expect: [not_blocked], tools: {a: [{match: {x: 1}}, {return: 1, error: e}, {match: {x: {matches: '('}}, return: 1}]}}]\n",
    ),
    ("an interpolation without quotes", true, "prompts: {user: {template: ${INPUT}}}\n"),
    ("an alias that is none", true, "tools:\n  blocked: [*_admin]\n"),
    ("an arrow after a list", true, "prompts:\n  constraints:\n    - [a, b] -> c\n"),
    ("a colon in a text", true, "description: Note: this breaks\nname: x\n"),
    ("a quote that is open", true, "description: \"open\nname: x\nbudgt: {}\n"),
    ("a bracket that is open", true, "budget: {steps: 5, cost: 0.1\nname: x\n"),
    ("the wrong bracket", true, "audit: {personal_data: [a, b}\nname: x\n"),
    ("a bracket too many", true, "audit: {personal_data: [a, b]]}\nname: x\n"),
    ("a tab", true, "budget:\n\tsteps: 5\nname: x\n"),
    ("a half-written key", true, "budget:\n  ste\nname: x\n"),
    ("a line that is indented like nothing", true, "budget:\n    steps: 5\n  cost: 1\nname: x\n"),
    ("two documents", true, "name: a\n---\nname: b\n"),
    ("booleans of older YAML", true, "models: {b: {provider: scripted, rules: [], parallel_tool_calls: yes}}\n"),
    (
        "what is not enforced but matters",
        true,
        "inherits: base:1\nfinal: [tools]\nsandbox: {runtime: firecracker, security: high, network: [\"a:1\"]}\ntools: {flow: {rule_of_two: block}}\nguardrails: [{name: w, wasm: a.wasm}]\n",
    ),
];

const FILES: [(&str, &str); 3] = [("prompts/system.md", "Hello"), ("x.js", "export default () => 1"), ("d.db", "")];

#[test]
fn each_bad_spec_gets_its_findings() {
    let mut out = String::new();
    for (title, with_model, text) in GALLERY {
        let text = if *with_model { format!("{SCRIPTED}{text}") } else { (*text).to_owned() };
        let _ = writeln!(out, "## {title}\n{}", shown(&load_with(&text, &FILES)));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_literal_secret_is_never_shown() {
    let key = "sk-proj-abcdefghijklmnopqrstuvwxyz012345";
    for text in [
        format!("model: gpt-4-0613\nmodels: {{primary: {{api_key_env: {key}}}}}\n"),
        format!("prompts: {{system: use {key}}}\n"),
        format!("{key}: 1\n"),
        format!("model: {key}\n"),
        format!("budget: {{cost: {key}}}\n"),
        format!("sandbox: {{runtime: {key}}}\n"),
    ] {
        let loaded = load_with(&text, &[]);
        assert!(loaded.diagnostics.iter().any(|found| found.code.0 == "ABS030"), "{text}");
        for found in &loaded.diagnostics {
            assert!(!found.message.contains(key) && !found.help.as_deref().unwrap_or("").contains(key), "{found:?}");
        }
    }
}

#[test]
fn a_file_of_tests_has_its_findings_in_itself() {
    let spec = format!("{SCRIPTED}tests: [{{files: t.aictest.yml}}, {{files: \"none/*.yml\"}}]\n");
    let tests = "tests:\n  - {name: a, input: x, expect: [{contain: y}]}\n  - {files: b.yml}\n";
    let loaded = load_with(&spec, &[("t.aictest.yml", tests)]);
    insta::assert_snapshot!(shown(&loaded));
}

#[test]
fn an_undefined_variable_of_a_prompt_file_is_found_there() {
    let spec = format!("{SCRIPTED}prompts: {{system: {{file: p.md}}}}\n");
    let loaded = load_with(&spec, &[("p.md", "\u{feff}Hi ${IMPUT}\n")]);
    insta::assert_snapshot!(shown(&loaded), @"ABS031 error p.md:1:5 `${IMPUT}` `${IMPUT}` is not declared: add it under `prompts.variables`; did you mean `INPUT`?
    fix: Change to `${INPUT}`: `${IMPUT}` → `${INPUT}`");
}

#[test]
fn what_is_no_text_file_is_said() {
    let mut files = common::source(&[]);
    files.insert(common::path("b.ai.yml"), vec![0xff, 0xfe, 0x00]);
    files.insert(common::path("c.ai.yml"), b"model: a\0b".to_vec());
    files.insert(common::path("d.ai.yml"), vec![b'a'; 10_000_000]);
    for (name, code) in [("b.ai.yml", "ABS007"), ("c.ai.yml", "ABS007"), ("d.ai.yml", "ABS008"), ("e.ai.yml", "ABS060")]
    {
        let loaded = aic_spec::load(&files, &common::path(name), &common::options());
        assert_eq!(loaded.diagnostics.iter().map(|found| found.code.0).collect::<Vec<_>>(), [code], "{name}");
    }
}

/// A host that read each of them before the last, as an editor's does while somebody types.
#[test]
fn a_host_that_keeps_what_it_parsed_finds_the_same() {
    let host = aic_spec::ide::Host::new();
    for _ in 0..2 {
        for (title, needs_model, text) in GALLERY {
            let text = if *needs_model { format!("{SCRIPTED}{text}") } else { (*text).to_owned() };
            let alone = load_with(&text, &FILES);
            let mut files = vec![("a.aicontainer.yml", text.as_str())];
            files.extend(FILES);
            let kept = host.load(&common::source(&files), &common::path("a.aicontainer.yml"), &common::options());
            assert_eq!(shown(&kept), shown(&alone), "{title}");
            assert_eq!(kept.files, alone.files, "{title}");
        }
    }
}
