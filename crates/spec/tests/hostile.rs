//! Nothing in a spec, however odd, makes reading it panic or take long, and every span lies on characters of its text.

mod common;

use aic_spec::tree::{Kind, Node};
use aic_spec::{Loaded, SyntaxKind, parse};
use common::{load_with, options, path, source};
use proptest::prelude::*;

const SPEC: &str = include_str!("fixtures/support.aicontainer.yml");
const TESTS: &str = include_str!("fixtures/page.aictest.yml");
const SAMPLES: [&str; 8] = [
    SPEC,
    TESTS,
    include_str!("fixtures/page.aicontainer.yml"),
    include_str!("fixtures/page.compose.ai.yml"),
    include_str!("../../../sample-specs/user-management/.aicontainer.yml"),
    include_str!("../../../sample-specs/quickstart/quickstart.ai.yml"),
    include_str!("../../../sample-specs/inheritance/company.aicontainer.yml"),
    include_str!("../../../sample-specs/inheritance/support.ai.yml"),
];

fn sound(text: &str, span: aic_base::Span) -> bool {
    span.range().end <= text.len()
        && text.is_char_boundary(span.range().start)
        && text.is_char_boundary(span.range().end)
}

/// Every span of a parsed text, of its tree and of what is found in it, lies on characters of the text.
fn check_parse(text: &str) {
    let parsed = parse(text);
    for error in &parsed.errors {
        assert!(sound(text, error.span), "{error:?}");
        for (span, _) in error.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(sound(text, *span), "{error:?}");
        }
    }
    let mut stack: Vec<&Node> = parsed.root.as_deref().into_iter().collect();
    while let Some(node) = stack.pop() {
        assert!(sound(text, node.span), "{node:?}");
        stack.extend(node.items());
        stack.extend(node.entries().iter().flat_map(|entry| [&entry.key, &entry.value]));
    }
}

fn check_loaded(loaded: &Loaded) {
    for found in &loaded.diagnostics {
        let Some(text) = loaded.text(&found.file) else { continue };
        assert!(sound(text, found.span), "{found:?}");
        for (span, _) in found.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(sound(text, *span), "{found:?}");
        }
    }
    assert_eq!(loaded.spec.is_some(), !loaded.has_errors(), "{:?}", loaded.diagnostics);
}

fn check(text: &str) {
    check_parse(text);
    check_loaded(&load_with(text, &[("b.aictest.yml", TESTS)]));
}

/// Everything that is done with a text: read alone, as a base, as a workflow, as tests; laid out; written out.
fn check_everywhere(text: &str) {
    check(text);
    let child =
        "inherits: ./base.ai.yml\nmodel: {temperature: 1}\nguardrails: [secrets]\nprompts: {system: \"${A}\"}\n";
    let files = [("a.ai.yml", child), ("base.ai.yml", text), ("a.compose.ai.yml", text), ("t.aictest.yml", text)];
    let files = source(&files);
    let options = aic_spec::LoadOptions { environment: Some("production".into()), ..options() };
    for name in ["a.ai.yml", "base.ai.yml", "a.compose.ai.yml"] {
        let loaded = aic_spec::load(&files, &path(name), &options);
        for found in &loaded.diagnostics {
            let Some(text) = loaded.text(&found.file) else { continue };
            assert!(sound(text, found.span), "{found:?}");
            assert!(found.fix.iter().flat_map(|fix| &fix.edits).all(|(span, _)| sound(text, *span)), "{found:?}");
        }
        for test in loaded.spec.iter().flat_map(|spec| &spec.tests) {
            assert!(loaded.text(&test.file).is_none_or(|text| sound(text, test.span)), "{test:?}");
        }
        let _ = aic_spec::resolved(&files, &path(name), &options);
    }
    let _ = aic_spec::ide::load_tests(&files, &path("t.aictest.yml"), &options);
    if let Ok(laid_out) = aic_spec::format(text) {
        let json = |text: &str| parse(text).root.map(|root| root.to_json());
        assert_eq!(json(text), json(&laid_out), "{text}");
        assert_eq!(aic_spec::format(&laid_out).as_ref(), Ok(&laid_out), "{text}");
    }
}

/// The sample with something put in the place of some of its bytes.
fn edited(sample: &str, edits: &[(usize, usize, String)]) -> String {
    let mut text = sample.to_owned();
    for (at, len, with) in edits {
        let start = text.floor_char_boundary(at % (text.len() + 1));
        let end = text.ceil_char_boundary((start + len).min(text.len()));
        text.replace_range(start..end, with);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_read(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn arbitrary_lines_of_punctuation_are_read(text in "([ \t]{0,6}(- )?[a-c\"'\\[\\]{}:,#&*!|>%@`$?<~é\u{1F600}-]{0,12}(: )?[a-c\"'{}\\[\\],:]{0,6}\r?\n){0,12}") {
        check(&text);
    }

    #[test]
    fn an_edited_sample_is_read_whatever_is_done_with_it(sample in 0..SAMPLES.len(), edits in prop::collection::vec((any::<usize>(), 0_usize..40, "[ \\-:,\\[\\]{}\"'a-z\n\t$#&*!|>é0-9]{0,6}"), 1..4)) {
        check_everywhere(&edited(SAMPLES[sample], &edits));
    }

    #[test]
    fn an_edited_toml_is_read(edits in prop::collection::vec((any::<usize>(), 0_usize..10, "[ =\\.,\\[\\]{}\"'a-z\n0-9é]{0,6}"), 1..4)) {
        let toml = "name = \"a\"\nmodel = 'gpt-4-0613'\n[budget]\ncost = 0.2\n[[tests]]\nname = \"\"\"t\"\"\"\nexpect = [{contains = \"é\"}]\n";
        let text = edited(toml, &edits);
        let loaded = aic_spec::load(&source(&[("a.ai.toml", &text)]), &path("a.ai.toml"), &options());
        check_loaded(&loaded);
    }

    #[test]
    fn a_key_of_any_kind_of_value_is_read(key in prop::sample::select(vec!["model", "models", "prompts", "guardrails", "tools", "tests", "test_defaults", "output", "context", "budget", "sandbox", "documents", "deployment", "environments", "inherits", "version"]), value in prop::sample::select(vec!["", "~", "1", "-1.5", "true", "x", "\"${a}\"", "[]", "{}", "[[]]", "[{}]", "{a: }", "{a: {}}", "[~, 1, x, [], {}]", "{name: [], use: {}, run: 1}", "[{name: a, run: [], confirm: 1, input: {}, cases: 1, turns: x, expect: {}}]", "{allowed: {}, blocked: 1, primary: 1, system: [], user: 1}", "{allowed: [~, 1, []], blocked: [~, [], {pattern: 1}], primary: {rules: 1}, fallback: [~]}"])) {
        check(&format!("model: gpt-4-0613\n{key}: {value}\n"));
        check(&format!("{key}: {value}\n"));
    }
}

#[test]
fn a_spec_cut_off_at_any_byte_is_read() {
    for (at, _) in SPEC.char_indices().step_by(5) {
        check(&SPEC[..at]);
    }
}

#[test]
fn marks_line_ends_and_tabs_are_read() {
    check(&format!("\u{feff}{SPEC}"));
    check(&SPEC.replace('\n', "\r\n"));
    check(&SPEC.replace('\n', "\r"));
    check(&SPEC.replace("  ", "\t"));
    check("a: \0b");
    let text = format!("\u{feff}{SPEC}");
    let root = parse(&text).root.unwrap();
    assert_eq!(root.get("name").unwrap().span.of(&text), "support-agent");
    assert_eq!(parse(&SPEC.replace('\n', "\r\n")).root.unwrap().to_json(), parse(SPEC).root.unwrap().to_json());
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let root = parse("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nthree: *b\n").root.unwrap();
    let json = root.to_json();
    assert_eq!(json["one"], serde_json::json!({"y": 3, "x": 1}));
    assert_eq!(json["two"], serde_json::json!({"x": 1, "y": 2, "z": 4}));
    assert_eq!(json["three"], serde_json::json!({"x": 1, "y": 2}));
}

#[test]
fn an_alias_bomb_is_a_finding() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let names = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{names}]\n"));
    }
    let parsed = parse(&text);
    assert!(parsed.errors.iter().any(|error| error.kind == SyntaxKind::Alias));
    assert_eq!(parsed.root.unwrap().entries().len(), 30);
    // The bytes count, too, not only how many values there are.
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 5_000].join(", "));
    assert!(parse(&long).errors.iter().any(|error| error.kind == SyntaxKind::Alias));
    check("a: &a [*a]\n");
    check("a: &a {b: *a, <<: *a}\n");
}

#[test]
fn deep_nesting_is_a_finding() {
    for text in [
        "[".repeat(10_000),
        "{a: ".repeat(10_000),
        "- ".repeat(10_000),
        "? ".repeat(10_000),
        (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth.min(300)))).collect(),
        format!("{}{}", "[".repeat(100), "]".repeat(100)),
    ] {
        assert!(!parse(&text).errors.is_empty(), "{}", &text[..20]);
        check(&text);
    }
}

#[test]
fn a_long_text_gets_one_pass() {
    let lines = "name: \"open\nlist: [a, b\n".repeat(2 * 1024 * 1024 / 24);
    assert!(!parse(&lines).errors.is_empty());
    let large = "x".repeat(10_000_000);
    assert!(parse(&large).root.is_none() && parse(&large).errors[0].kind == SyntaxKind::TooLarge);
    let many = (0..100_000).map(|key| format!("key{key}: {key}\n")).collect::<String>();
    assert!(matches!(&parse(&many).root.unwrap().kind, Kind::Map(entries) if entries.len() == 100_000));
}

#[test]
fn thousands_of_unclosed_interpolations_take_no_time() {
    check(&format!("model: gpt-4-0613\nprompts: {{system: \"{}\"}}\n", "${".repeat(50_000)));
    check(&format!("model: gpt-4-0613\nprompts: {{system: {}}}\n", "${a".repeat(5_000)));
}

#[test]
fn tests_that_include_each_other_or_themselves_end() {
    let spec =
        "model: gpt-4-0613\ntests: [{files: a.aicontainer.yml}, {files: \"*.aictest.yml\"}, {files: x.aictest.yml}]\n";
    let loaded = load_with(spec, &[("x.aictest.yml", "tests: [{files: x.aictest.yml}, {files: a.aicontainer.yml}]")]);
    check_loaded(&loaded);
    assert!(loaded.has_errors());
}
