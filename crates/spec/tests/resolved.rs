//! The long form that a spec became: a spec again, which means the same.

mod common;

use aic_base::MemorySource;
use aic_guard::Guard;
use aic_spec::{LoadOptions, Severity, Spec, load, resolved};
use common::{options, path, source};
use std::fmt::Write as _;

/// Everything that a spec means, places left out, as text to compare.
fn meaning(spec: &Spec) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:?}\n{:?}\n{:?}\n{:?}", spec.description, spec.output, spec.limits, spec.budget);
    let _ = writeln!(out, "{:?}\n{:?}", spec.context, spec.personal_data);
    for model in spec.models.named.values().chain(&spec.models.fallback) {
        let mut model = model.clone();
        model.span = aic_base::Span::default();
        let _ = writeln!(out, "{model:?}");
    }
    let prompts = &spec.prompts;
    let text = |text: &Option<aic_spec::Text>| text.as_ref().map(|text| (text.text.clone(), text.file.clone()));
    let _ = writeln!(out, "{:?} {:?} {:?}", text(&prompts.system), text(&prompts.user), prompts.constraints);
    for message in &prompts.messages {
        let _ = writeln!(out, "{:?} {}", message.role, message.text.text);
    }
    for (name, variant) in &prompts.variants {
        let _ = writeln!(out, "{name} {:?} {:?}", text(&variant.system), text(&variant.user));
    }
    let _ = writeln!(out, "{:?}", prompts.variables);
    let mut guards: Vec<String> = spec
        .guardrails
        .iter()
        .map(|def| {
            // Compiled, as headings and shorthands may differ; what is compiled of a condition has no stable text.
            let guard = Guard::compile(def).unwrap();
            let kind = def.condition.clone().unwrap_or_else(|| format!("{:?}", guard.kind));
            let stands = (&guard.stages, &guard.tools, guard.untrusted_results_only, guard.is_final);
            format!("{} {:?} {stands:?} {kind} {:?} {:?}", guard.name, guard.action, def.script, def.message)
        })
        .collect();
    guards.sort();
    let _ = writeln!(out, "{}", guards.join("\n"));
    for tool in &spec.tools.allowed {
        let mut tool = tool.clone();
        tool.span = aic_base::Span::default();
        let _ = writeln!(out, "{tool:?}");
    }
    let _ = writeln!(out, "{:?}", spec.tools.blocked);
    for test in &spec.tests {
        let kinds: Vec<_> = test.expect.iter().map(|expect| format!("{} {}", expect.kind, expect.value)).collect();
        let cases = match &test.input {
            aic_spec::TestInput::Cases(cases) => cases
                .iter()
                .map(|case| match case {
                    aic_spec::CaseSource::Inline { input, vars, .. } => format!("{input} {vars:?}"),
                    aic_spec::CaseSource::File(path) => path.to_string(),
                })
                .collect(),
            aic_spec::TestInput::Turns(turns) => turns
                .iter()
                .map(|turn| {
                    let expect: Vec<_> = turn.expect.iter().map(|expect| (&expect.kind, &expect.value)).collect();
                    format!("{} {:?} {:?} {expect:?}", turn.input, turn.vars, turn.confirm)
                })
                .collect::<Vec<_>>(),
        };
        let mut vars: Vec<_> = test.vars.iter().collect();
        vars.sort_by_key(|(name, _)| name.as_str());
        let _ = writeln!(
            out,
            "{} {cases:?} {kinds:?} {} {:?} {:?} {:?} {:?} {:?} {vars:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            test.name,
            test.repeat,
            test.matrix,
            test.min_pass_rate,
            test.user,
            test.history,
            test.mocks,
            test.now,
            test.model,
            test.real,
            test.tags,
            test.skip,
            test.timeout,
            test.max_cost,
            test.not_yet
        );
    }
    out
}

/// Resolves a spec, reads what came of it, and claims that both mean the same.
#[track_caller]
fn round(files: &[(&str, &str)], environment: Option<&str>) -> String {
    let mut all: MemorySource = source(files);
    let spec = path(files[0].0);
    let options = LoadOptions { environment: environment.map(str::to_owned), ..options() };
    let before = load(&all, &spec, &options);
    let errors: Vec<_> = before.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let text = resolved(&all, &spec, &options).expect("a long form");
    let name = spec.parent().join("resolved.aicontainer.yml").unwrap();
    all.insert(name.clone(), text.as_bytes());
    let after = load(&all, &name, &common::options());
    let errors: Vec<_> = after.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    let (before, after) = (before.spec.unwrap(), after.spec.unwrap());
    pretty_eq(&meaning(&before), &meaning(&after), &text);
    let again = resolved(&all, &name, &common::options()).unwrap();
    assert_eq!(again, text, "what is long stays as it is");
    text
}

#[track_caller]
fn pretty_eq(before: &str, after: &str, text: &str) {
    for (before, after) in before.lines().zip(after.lines()) {
        assert_eq!(before, after, "\n{text}");
    }
    assert_eq!(before.lines().count(), after.lines().count());
}

#[test]
fn the_short_form_is_written_out() {
    let text = round(
        &[(
            "a.ai.yml",
            "name: a\nmodel: {name: gpt-4o, version: \"2024-08-06\", temperature: 0.7}\nprompts: {system: Be kind., user: \"${INPUT}\", variables: {A: x}}\nguardrails: [no_db_mutations, pii_protection, {cost_limit: $10/hour}, {data_privacy: {action: block}}]\ncontext: {max_tokens: 4000, memory_type: none, retention: session}\ntools: {allowed: [read_file, {name: b, confirm: true}], blocked: [\"delete_*\"]}\n",
        )],
        None,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn bases_overlays_and_tests_of_files_are_written_out() {
    let text = round(
        &[
            (
                "agents/a.ai.yml",
                "inherits: ../shared/base.ai.yml\nname: a\nbudget: {steps: 5}\nenvironments: {prod: {budget: {steps: 2}}}\ntest_defaults: {vars: {A: 1}, expect: [not_blocked]}\ntests: [{name: own, input: x, vars: {B: 2}, expect: {contains: hi}}, {files: t/*.aictest.yml}]\n",
            ),
            (
                "shared/base.ai.yml",
                "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\nprompts: {system: {file: p.md}}\ntools: {allowed: [{name: q, run: {sql: \"sqlite:d.db\"}}]}\ntest_defaults: {tags: ci}\ntests: [{name: base, cases: c.csv, expect: [same_output]}]\n",
            ),
            ("shared/p.md", "Hello"),
            ("shared/d.db", ""),
            ("shared/c.csv", "input\nx\n"),
            (
                "agents/t/t.aictest.yml",
                "test_defaults: {vars: {C: 3}}\ntests: [{name: apart, cases: q.csv, tools: {q: {script: m.js}}, expect: [outcome: completed]}]\n",
            ),
            ("agents/t/q.csv", "input\nx\n"),
            ("agents/t/m.js", "export default () => 1"),
        ],
        Some("prod"),
    );
    insta::assert_snapshot!(text);
}

#[test]
fn the_samples_of_the_repository_mean_the_same_in_their_long_form() {
    let page = include_str!("fixtures/page.aicontainer.yml");
    let files = [
        ("a.aicontainer.yml", page),
        ("guards/house_rules.js", "export default () => ({action: 'log'})"),
        ("schemas/answer.json", "{\"type\": \"object\"}"),
        ("tools/summarize.js", "export default () => 1"),
        ("prompts/extract.md", "Extract."),
        ("data/users.db", ""),
    ];
    let named = page.replace("inherits: company/base:1.2", "");
    let mut files = files.to_vec();
    files[0].1 = &named;
    round(&files, None);
    let user = include_str!("../../../sample-specs/user-management/.aicontainer.yml");
    let prompt = include_str!("../../../sample-specs/user-management/prompts/system.md");
    round(
        &[
            (".aicontainer.yml", user),
            ("prompts/system.md", prompt),
            ("guards/house_rules.js", "export default () => null"),
            ("data/users.db", ""),
        ],
        None,
    );
    for text in [
        include_str!("../../../sample-specs/quickstart/quickstart.ai.yml"),
        include_str!("../../../sample-specs/broken/broken.ai.yml"),
        include_str!("fixtures/scripted.aicontainer.yml"),
    ] {
        round(&[("q.ai.yml", text)], None);
    }
}

#[test]
fn a_spec_with_a_literal_secret_is_not_printed() {
    let key = format!("sk-{}", "Zk3vT9qLm2Xw8RbN5cYp7HdJ4sFgA6eU");
    let text = format!("name: a\ndescription: {key}\nmodel: gpt-4-0613\n");
    assert_eq!(resolved(&source(&[("a.ai.yml", &text)]), &path("a.ai.yml"), &options()), None);
}
