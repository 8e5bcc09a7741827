//! The language page's own examples: every key of them is known, and what is not enforced is said.

mod common;

use aic_base::{Action, Usd};
use aic_spec::{Blocked, CaseSource, Effect, Loaded, Run, Severity, TestInput, load};
use common::{findings, load_with, options, path, shown, source};
use std::time::Duration;

const PAGE: &str = include_str!("fixtures/page.aicontainer.yml");
const TESTS: &str = include_str!("fixtures/page.aictest.yml");
const SCRIPTED: &str = include_str!("fixtures/scripted.aicontainer.yml");
const COMPOSE: &str = include_str!("fixtures/page.compose.ai.yml");

const FILES: [(&str, &str); 6] = [
    ("guards/house_rules.js", "export default () => ({action: 'log'})"),
    ("schemas/answer.json", "{\"type\": \"object\"}"),
    ("tools/summarize.js", "export default () => 1"),
    ("prompts/extract.md", "Extract."),
    ("data/users.db", ""),
    ("q.csv", "input\nhi\n"),
];

fn errors(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| format!("{} {}", found.code, found.message))
        .collect()
}

#[test]
fn the_long_form_has_no_error_and_says_what_is_not_enforced() {
    let loaded = load_with(PAGE, &FILES);
    assert_eq!(errors(&loaded), Vec::<String>::new());
    insta::assert_snapshot!(shown(&loaded));
    let spec = loaded.spec.expect("no error, so a spec");
    assert_eq!(spec.models.named.len(), 4);
    assert_eq!(spec.models.fallback.len(), 1);
    assert_eq!(spec.models.named["primary"].timeouts.first_token, Some(Duration::from_secs(10)));
    assert_eq!(spec.budget.cost, Some(Usd::from_dollars(0.2)));
    let names: Vec<_> = spec.guardrails.iter().map(|guard| guard.name.as_str()).collect();
    assert_eq!(names[..4], ["max_length", "no_sql_injection", "no_code_execution", "confirm_destructive"]);
    assert_eq!(spec.guardrails[3].action, Some(Action::RequireConfirmation));
    let refund = spec.tools.allowed.iter().find(|tool| tool.name == "refund").unwrap();
    assert_eq!(refund.effect, Effect::Egress);
    assert!(matches!(&refund.run, Some(Run::Http(http)) if http.method == "POST" && http.headers.len() == 1));
    assert_eq!(refund.origins["to"], [aic_spec::Origin::User, aic_spec::Origin::Spec]);
    assert!(matches!(&spec.tools.servers["files"], aic_spec::Server::Program { argv, .. } if argv.len() == 2));
    assert_eq!(spec.tools.blocked[0], Blocked::Pattern("DROP *".into()));
    assert_eq!(spec.tools.blocked[3], Blocked::Tool("delete_*".into()));
    assert!(loaded.files.contains_key(&path("guards/house_rules.js")) && loaded.data.contains(&path("data/users.db")));
}

#[test]
fn without_its_files_only_those_are_missing() {
    let loaded = load_with(PAGE, &[]);
    let missing: Vec<_> = errors(&loaded);
    assert!(missing.iter().all(|error| error.starts_with("ABS060")), "{missing:#?}");
    assert!(loaded.missing.contains(&path("schemas/answer.json")) && loaded.spec.is_none());
}

#[test]
fn the_tests_of_the_page_are_read() {
    let spec = "
model: {name: s, provider: scripted, rules: [{match: {}, reply: {text: hi}}]}
models: {challenger: {provider: scripted, rules: [{match: {}, reply: {text: ho}}]}}
prompts: {variants: {terse: {system: Short.}}}
guardrails: [confirm_destructive]
tools:
  allowed:
    - {name: get_order}
    - {name: refund, confirm: {when: tool.args.amount > 100, by: operator}}
tests:
  - files: t/*.aictest.yml
";
    let tests = TESTS.replace("  - files: tests/*.aictest.yml\n", "");
    let mocks = ("t/mocks/refund.js", "export default () => ({ok: true})");
    let loaded = load_with(spec, &[("t/page.aictest.yml", &tests), mocks, ("t/q.csv", "input\nhi\n")]);
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let spec = loaded.spec.unwrap();
    assert_eq!(spec.tests.len(), 5);
    let cases = |at: usize| match &spec.tests[at].input {
        TestInput::Cases(cases) => cases.clone(),
        TestInput::Turns(_) => Vec::new(),
    };
    assert_eq!(cases(0).len(), 3);
    assert!(matches!(&cases(2)[..], [CaseSource::File(file)] if file.as_str() == "t/q.csv"));
    assert_eq!(spec.tests[1].repeat, 10);
    assert_eq!(spec.tests[2].min_pass_rate.map(|rate| rate.repeats), Some(0.66));
    assert_eq!(spec.tests[3].matrix["models"], ["primary", "challenger"]);
    let refund = &spec.tests[4];
    assert!(matches!(&refund.input, TestInput::Turns(turns) if turns.len() == 2));
    assert_eq!(refund.mocks["get_order"].len(), 3);
    assert_eq!(refund.vars["CUSTOMER_ID"], "c-77");
    assert_eq!(refund.not_yet, ["cassette"]);
    assert_eq!(refund.user.roles, ["customer"]);
}

#[test]
fn the_scripted_model_of_the_page_is_read() {
    let loaded = load_with(SCRIPTED, &[]);
    assert_eq!(errors(&loaded), Vec::<String>::new());
    assert_eq!(loaded.spec.unwrap().models.named["primary"].rules.len(), 5);
}

#[test]
fn a_workflow_is_read_and_not_run() {
    let files = source(&[("page.compose.ai.yml", COMPOSE), ("generator.aicontainer.yml", "model: gpt-4-0613")]);
    let loaded = load(&files, &path("page.compose.ai.yml"), &options());
    insta::assert_snapshot!(shown(&loaded), @r"
    ABS092 warning (blocks running) 1:1 `` this version reads workflows and does not run them: each container's own spec can be run
    ABS023 warning 2:22 `claude-3` `claude-3` stands for whatever is served under this name today: name a pinned version
    ABS028 warning 2:22 `claude-3` the catalog knows no `claude-3` of anthropic: its price and its limits cannot be checked
    ABS022 warning 4:22 `llama-3` nothing says who serves `llama-3`: add a `provider` (openai, anthropic, google, ollama, openai_compatible, scripted, replay)
    ");
    assert!(loaded.spec.is_none() && loaded.blockers().count() == 1);
}

#[test]
fn the_short_form_means_what_the_long_form_says() {
    let text = "
model: {name: gpt-4, version: \"2024-03-01\", temperature: 0.7}
prompts: {system: Be kind.}
guardrails: [no_db_mutations, pii_protection, {cost_limit: $10/hour}]
context: {max_tokens: 4000, memory_type: none, retention: session}
tools: {allowed: [read_file], blocked: [\"delete_*\"]}
";
    let loaded = load_with(text, &[]);
    assert_eq!(errors(&loaded), Vec::<String>::new());
    let spec = loaded.spec.unwrap();
    let primary = &spec.models.named["primary"];
    assert_eq!((primary.model.as_str(), primary.temperature), ("gpt-4-2024-03-01", Some(0.7)));
    assert_eq!(spec.prompts.system.as_ref().unwrap().text, "Be kind.");
    assert_eq!(
        spec.guardrails.iter().map(|guard| guard.name.as_str()).collect::<Vec<_>>(),
        ["no_db_mutations", "pii_protection", "cost_limit"]
    );
    assert_eq!(spec.context.max_tokens.map(|tokens| tokens.0), Some(4000));
    assert_eq!(spec.tools.allowed[0].name, "read_file");
    assert!(findings("model: gpt-4-0613\n").is_empty());
}
