//! Names, outlines, colours and hints, with a cursor in the text: `|`.

use super::{Host, UsageRole, hover};
use aic_base::{MemorySource, RelPath, Span};

const SPEC: &str = "a.aicontainer.yml";

const FULL: &str = r#"models:
  primary: {provider: scripted, as: openai/gpt-4o-mini-2024-07-18, max_tokens: 500, rules: [{match: {tool: refund}, reply: {tool_calls: [{name: refund, args: {order: "1"}}]}}]}
  judge: {provider: scripted, rules: []}
prompts:
  system:
    template: |
      You help ${TEAM} with refunds. Today is ${DATE}.
  variables:
    TEAM: {default: support}
guardrails:
  pre_execution:
    - {name: my_length, use: max_length, max: 100}
    - prompt_injection
  runtime:
    - name: big
      condition: tool.name == 'refund' && tool.args.amount > 100
tools:
  allowed:
    - name: refund
      parameters: {type: object, properties: {order: {type: string}}}
      args: {order: {from: [user]}}
      run: {http: "https://api.example.com/${args.order}"}
tests:
  - name: refunds
    vars: {TEAM: x}
    model: judge
    input: Refund ${TEAM}
    expect: [{tool_ran: {name: refund, args: {order: "1"}}}, {guardrail: my_length}, {blocked: {by: big}}]
  - files: more.aictest.yml
"#;
const MORE: &str = "tests:\n  - {name: more, input: x, expect: [{tool_called: refund}, {confirmation: refund}]}\n";

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn source(files: &[(&str, &str)]) -> MemorySource {
    let mut source = MemorySource::new();
    for (name, text) in files {
        source.insert(path(name), text.as_bytes());
    }
    source
}

/// The text without its cursor, and the cursor. Where `|` is the language's own, the last one counts.
fn cursor(marked: &str) -> (String, usize) {
    let offset = marked.find("<|>").expect("a cursor");
    (marked.replacen("<|>", "", 1), offset)
}

/// The text with a cursor in the middle of the nth place where `word` stands.
fn at(text: &str, word: &str, nth: usize) -> usize {
    text.match_indices(word).nth(nth).unwrap_or_else(|| panic!("no {word}")).0 + 1
}

/// What a name leads to: the file and the line.
fn leads(files: &[(&str, &str)], name: &str, word: &str, nth: usize) -> Vec<String> {
    let text = files.iter().find(|(other, _)| *other == name).unwrap().1;
    let source = source(files);
    let found = Host::new().definition(&source, &path(name), text, at(text, word, nth));
    let line = |file: &RelPath, span: Span| {
        let text = files.iter().find(|(other, _)| *other == file.as_str()).unwrap().1;
        text[..span.start as usize].lines().count().max(1) + usize::from(text[..span.start as usize].ends_with('\n'))
    };
    found.iter().map(|usage| format!("{}:{}", usage.path, line(&usage.path, usage.span))).collect()
}

fn files() -> [(&'static str, &'static str); 2] {
    [(SPEC, FULL), ("more.aictest.yml", MORE)]
}

/// All files after a name was changed, or why not.
fn renamed(files: &[(&str, &str)], name: &str, word: &str, nth: usize, new: &str) -> Result<String, String> {
    let text = files.iter().find(|(other, _)| *other == name).unwrap().1;
    let source = source(files);
    let edits = Host::new()
        .rename(&source, &path(name), text, at(text, word, nth), new)
        .map_err(|refusal| refusal.to_string())?;
    let mut all = String::new();
    for (name, text) in files {
        let mut text = (*text).to_owned();
        for (span, with) in edits.get(&path(name)).into_iter().flatten().rev() {
            text.replace_range(span.range(), with);
        }
        all.push_str(&text);
    }
    Ok(all)
}

#[test]
fn names_lead_to_where_they_are_declared() {
    let leads = |word: &str, nth| leads(&files(), SPEC, word, nth);
    let line = |word: &str| {
        let at = FULL.find(word).unwrap();
        format!("{SPEC}:{}", FULL[..at].matches('\n').count() + 1)
    };
    let tool = line("    - name: refund");
    assert_eq!(leads("refund", 0), std::slice::from_ref(&tool), "a rule's match");
    assert_eq!(leads("refund", 1), std::slice::from_ref(&tool), "a rule's reply");
    assert_eq!(leads("'refund'", 0), std::slice::from_ref(&tool), "a condition");
    assert_eq!(leads("refund, args: {order: \"1\"}}}", 0), std::slice::from_ref(&tool), "an expectation");
    assert_eq!(leads("TEAM}", 0), [line("    TEAM: {")]);
    assert_eq!(leads("TEAM: x", 0), [line("    TEAM: {")]);
    assert_eq!(leads("TEAM}", 1), [line("    TEAM: {")]);
    assert_eq!(leads("judge\n", 0), [line("  judge: {")]);
    assert_eq!(leads("my_length}, {b", 0), [line("    - {name: my_length")]);
    assert_eq!(leads("big}", 0), [line("    - name: big")]);
    assert_eq!(leads("order}\"", 0), [line("      parameters")]);
    assert_eq!(leads("more.aictest", 0), ["more.aictest.yml:1"]);
    assert!(leads("Today", 0).is_empty() && leads("DATE", 0).is_empty());
    assert_eq!(super::tests_places::leads(&files(), "more.aictest.yml", "refund", 0), [tool.as_str()]);
    // Of a confirmation it is not said whether it is a tool's or a guardrail's: there is only one of the name.
    assert_eq!(super::tests_places::leads(&files(), "more.aictest.yml", "refund", 1), [tool.as_str()]);
}

#[test]
fn a_path_leads_to_its_file_and_a_base_to_the_spec() {
    let files = [
        (
            SPEC,
            "inherits: ./base.aicontainer.yml\nprompts: {system: {file: p.md}}\ntests: [{input: x, expect: [{tool_ran: lookup}]}]\n",
        ),
        ("base.aicontainer.yml", "tools:\n  allowed:\n    - lookup\nprompts: {variables: {TEAM: x}}\n"),
        ("p.md", "Hi ${TEAM}"),
    ];
    assert_eq!(leads(&files, SPEC, "./base", 0), ["base.aicontainer.yml:1"]);
    assert_eq!(leads(&files, SPEC, "p.md", 0), ["p.md:1"]);
    assert_eq!(leads(&files, SPEC, "lookup", 0), ["base.aicontainer.yml:3"]);
    assert_eq!(leads(&files, "p.md", "TEAM", 0), ["base.aicontainer.yml:4"]);
}

#[test]
fn references_are_found_in_every_file_that_belongs_together() {
    let source = source(&files());
    let found = Host::new().references(&source, &path(SPEC), FULL, at(FULL, "name: refund", 1) + 6);
    let shown: Vec<(&str, &str)> = found
        .iter()
        .map(|usage| {
            let text = if usage.path.as_str() == SPEC { FULL } else { MORE };
            (usage.path.as_str(), usage.span.of(text))
        })
        .collect();
    assert_eq!(shown.iter().filter(|(_, name)| *name == "refund").count(), 7, "{shown:?}");
    assert_eq!(shown.iter().filter(|(file, _)| *file == "more.aictest.yml").count(), 2);
    assert_eq!(found.iter().filter(|usage| usage.role == UsageRole::Declares).count(), 1);
}

#[test]
fn a_name_is_changed_everywhere_and_nothing_else_is() {
    let all = renamed(&files(), SPEC, "name: refund", 1, "pay_back");
    // The cursor is on `name`, which is no name.
    assert!(all.is_err());
    let all = renamed(&files(), SPEC, "refund, args", 0, "pay_back").unwrap();
    assert!(!all.replace("refunds", "").contains("refund"), "{all}");
    assert!(all.contains("with refunds.") && all.contains("tool.name == 'pay_back'"), "{all}");
    assert!(all.contains("{confirmation: pay_back}"), "{all}");
    let all = renamed(&files(), SPEC, "TEAM}", 1, "GROUP").unwrap();
    assert_eq!((all.matches("TEAM").count(), all.matches("GROUP").count()), (0, 4));
    let all = renamed(&files(), SPEC, "order}\"", 0, "order_id").unwrap();
    assert_eq!(all.matches("order_id").count(), 5, "{all}");
    assert!(all.contains("${args.order_id}") && all.contains("args: {order_id: \"1\"}"), "{all}");
}

#[test]
fn a_spec_that_inherits_follows_the_renaming_of_its_base() {
    let files = [
        ("base.aicontainer.yml", "tools: {allowed: [lookup]}\n"),
        (SPEC, "inherits: ./base.aicontainer.yml\ntests: [{input: x, expect: [{tool_ran: lookup}]}]\n"),
    ];
    let all = renamed(&files, "base.aicontainer.yml", "lookup", 0, "find").unwrap();
    assert_eq!((all.matches("lookup").count(), all.matches("find").count()), (0, 2));
    let listed = [
        files[0],
        ("other.aicontainer.yml", "budget: {steps: 1}\n"),
        (
            SPEC,
            "inherits: [base.aicontainer.yml, ./other.aicontainer.yml]\ntests: [{input: x, expect: [{tool_ran: lookup}]}]\n",
        ),
    ];
    let all = renamed(&listed, "base.aicontainer.yml", "lookup", 0, "find").unwrap();
    assert_eq!((all.matches("lookup").count(), all.matches("find").count()), (0, 2), "{all}");
}

#[test]
fn what_cannot_be_renamed_says_why() {
    let refused = |word: &str, nth, new: &str| renamed(&files(), SPEC, word, nth, new).unwrap_err();
    assert!(refused("DATE", 0, "DAY").contains("built-in variable"));
    assert!(refused("prompt_injection", 0, "x").contains("use: prompt_injection"));
    assert!(refused("primary", 0, "first").contains("the language's"));
    assert!(refused("judge:", 0, "primary").contains("already"));
    assert!(refused("judge:", 0, "a b").contains("no name"));
    assert!(refused("refunds\n", 0, "a: b").contains("quotes"));
    assert!(refused("Today", 0, "x").contains("no name here"));
    let alone = [(SPEC, "tests: [{input: x, expect: [{tool_ran: lookup}]}]\n")];
    assert!(renamed(&alone, SPEC, "lookup", 0, "find").unwrap_err().contains("declares"));
}

const PAYS: &str = r#"model: {provider: scripted, rules: []}
guardrails:
  runtime:
    - {name: little, tools: [pay], condition: tool.args.amount > 3}
    - {name: named, condition: "tool.name == 'pay' && tool.args['amount'] > 4"}
    - {name: mine, use: max_length, max: 3}
prompts: {variants: {terse: Short}, variables: {WHO: x}, system: "Hi ${WHO}"}
tools:
  allowed:
    - name: pay
      parameters: {type: object, properties: {amount: {type: number}, to: {type: string}}, required: [amount, to]}
      confirm: {when: tool.args.amount > 100}
      args: {amount: {from: user}}
      run: {http: "https://a.example/${args.amount}"}
    - name: find
      parameters: {type: object, properties: {id: {type: string}}, required: [id]}
      run: {sql: "sqlite:u.db", statement: "SELECT 1 WHERE a = :id AND b = ':id'"}
tests:
  - name: pays
    input: x
    tools: {pay: [{match: {amount: 3}, return: {}}]}
    expect: [{tool_ran: {name: pay, args: {amount: {gt: 2}}}}]
"#;

#[test]
fn a_parameter_is_changed_in_conditions_mocks_and_what_is_required() {
    let files = [(SPEC, PAYS)];
    let all = renamed(&files, SPEC, "amount: {type", 0, "sum").unwrap();
    assert!(!all.contains("amount"), "{all}");
    assert_eq!(all.matches("sum").count(), 9, "{all}");
    assert!(all.contains("required: [sum, to]") && all.contains("match: {sum: 3}"), "{all}");
    assert!(all.contains("when: tool.args.sum > 100") && all.contains("tool.args['sum'] > 4"), "{all}");
    for place in ["amount > 3", "amount'] >", "amount: 3}", "amount, to]"] {
        assert_eq!(leads(&files, SPEC, place, 0), leads(&files, SPEC, "amount}", 0), "{place}");
    }
    let all = renamed(&files, SPEC, "id]", 0, "key").unwrap();
    assert!(all.contains("a = :key AND b = ':id'") && all.contains("required: [key]"), "{all}");
}

#[test]
fn a_condition_about_two_tools_is_not_changed_for_one_of_them() {
    let text = "guardrails: {runtime: [{name: g, condition: tool.args.n > 3}]}\ntools:\n  allowed:\n    - {name: a, parameters: {type: object, properties: {n: {}}}}\n    - {name: b, parameters: {type: object, properties: {n: {}}}}\n";
    assert!(renamed(&[(SPEC, text)], SPEC, "n: {}", 0, "m").unwrap_err().contains("of `b` too"));
}

#[test]
fn a_name_that_the_language_keeps_or_the_check_refuses_is_none_to_give() {
    let refused = |word: &str, new: &str| renamed(&[(SPEC, PAYS)], SPEC, word, 0, new).unwrap_err();
    assert!(refused("WHO}", "DATE").contains("built-in variable"));
    assert!(refused("mine", "secrets").contains("built-in"));
    assert!(refused("terse", "default").contains("the language's"));
    let long = "x".repeat(80);
    for new in ["é", &long, "a b"] {
        assert!(refused("pay]", new).contains("no name"), "{new}");
    }
    let models = [(SPEC, "models: {primary: gpt-4o, other: gpt-4o}\ntests: [{input: x, model: other}]\n")];
    assert!(renamed(&models, SPEC, "other", 0, "fallback").unwrap_err().contains("the language's"));
}

#[test]
fn services_are_renamed_in_the_arrows_of_a_workflow() {
    let name = "x.compose.ai.yml";
    let text = "services:\n  one: {model: x}\n  two: {model: x}\nworkflow:\n  - one -> (two, one)\n  - {step: two, needs: one, when: \"steps.one.output == 'one'\", input: \"${steps.one.output}\"}\n";
    let all = renamed(&[(name, text)], name, "one:", 0, "first").unwrap();
    assert!(all.contains("- first -> (two, first)"), "{all}");
    assert!(
        all.contains("needs: first, when: \"steps.first.output == 'one'\", input: \"${steps.first.output}\""),
        "{all}"
    );
}

#[test]
fn an_alias_leads_to_its_anchor_and_hover_shows_what_it_stands_for() {
    let text = "description: &d |\n  Say *d and &d\n# &d\nmodel: &m {provider: scripted, rules: []}\nprompts: {system: *d}\nmodels:\n  judge:\n    <<: *m\n";
    let files = [(SPEC, text)];
    assert_eq!(leads(&files, SPEC, "*d}", 0), [format!("{SPEC}:1")]);
    assert_eq!(leads(&files, SPEC, "*m\n", 0), [format!("{SPEC}:4")]);
    let shown = |word: &str| hover(&source(&files), &path(SPEC), text, at(text, word, 0)).map(|found| found.markdown);
    let found = shown("*m\n").unwrap();
    assert!(found.contains("`&m` names in line 4: `{provider: scripted"), "{found}");
    assert!(shown("*d}").unwrap().contains("names in line 1"));
    assert!(leads(&files, SPEC, "*d and", 0).is_empty());
}

#[test]
fn an_outline_has_the_parts_with_their_names() {
    fn shown(items: &[super::OutlineItem], depth: usize, into: &mut String) {
        for item in items {
            let kind = item.declares.map(|kind| format!(" ({})", kind.as_str())).unwrap_or_default();
            into.push_str(&format!("{}{}{kind}\n", "  ".repeat(depth), item.name));
            shown(&item.children, depth + 1, into);
        }
    }
    let text = "models:\n  primary: gpt-4o\ntools:\n  allowed:\n    - name: refund\n      effect: egress\n    - lookup\ntests:\n  - {name: \"a b\", input: x}\n";
    let mut outline = String::new();
    shown(&Host::new().outline(&path(SPEC), text), 0, &mut outline);
    assert_eq!(
        outline,
        "models\n  primary (model)\ntools\n  allowed\n    refund (tool)\n      effect\n    lookup (tool)\ntests\n  a b (test)\n    input\n"
    );
}

#[test]
fn maps_texts_and_comments_can_be_folded() {
    let text = "# one\n# two\nprompts:\n  system: |\n    # Title\n    # no comment\ntools:\n  allowed:\n    - name: x\n      effect: read\n# end\n";
    let host = Host::new();
    let folds: Vec<(String, bool)> = host
        .folds(&path(SPEC), text)
        .iter()
        .map(|fold| (fold.span.of(text).lines().next().unwrap().to_owned(), fold.comment))
        .collect();
    let folds: Vec<(&str, bool)> = folds.iter().map(|(line, comment)| (line.as_str(), *comment)).collect();
    let map = |line| (line, false);
    assert_eq!(
        folds,
        [("# one", true), map("prompts:"), map("system: |"), map("tools:"), map("allowed:"), map("name: x")]
    );
}

#[test]
fn a_selection_grows_from_the_word_to_the_document() {
    let (text, offset) = cursor("prompts: {system: \"two wo<|>rds\"}\ntests: []\n");
    let found = Host::new().surroundings(&path(SPEC), &text, offset);
    let shown: Vec<&str> = found.iter().map(|span| span.of(&text).trim_end()).collect();
    assert_eq!(
        shown,
        [
            "words",
            "two words",
            "\"two words\"",
            "system: \"two words\"",
            "{system: \"two words\"}",
            "prompts: {system: \"two words\"}",
            "prompts: {system: \"two words\"}\ntests: []",
            "prompts: {system: \"two words\"}\ntests: []",
        ]
    );
}

#[test]
fn files_that_are_there_are_links() {
    let source = source(&[("p.md", "x"), ("data/x.db", "")]);
    let text = "prompts: {system: {file: p.md}}\ntools: {allowed: [{name: q, run: {sql: \"sqlite:data/x.db\"}}, {name: r, run: {script: none.js}}]}\n";
    let found = Host::new().links(&source, &path(SPEC), text);
    let shown: Vec<(&str, &str)> = found.iter().map(|(span, path)| (span.of(text), path.as_str())).collect();
    assert_eq!(shown, [("p.md", "p.md"), ("data/x.db", "data/x.db")]);
}

#[test]
fn variables_and_the_words_of_conditions_have_colours() {
    let text = "prompts: {system: \"Hi ${TEAM}\"}\nguardrails:\n  runtime:\n    - {name: a, condition: \"tool.args.n > 1 && contains(['x'])\"}\n";
    let shown: Vec<String> = Host::new()
        .tokens(&path(SPEC), text)
        .iter()
        .map(|token| format!("{} {:?}", token.span.of(text), token.kind))
        .collect();
    assert_eq!(
        shown,
        [
            "${TEAM} Variable",
            "tool Variable",
            "args Variable",
            "n Property",
            "> Operator",
            "1 Number",
            "&& Operator",
            "contains Function",
            "'x' Text"
        ]
    );
    let prompt = Host::new().tokens(&path("p.md"), "# ${A}\n${B}");
    assert_eq!(prompt.len(), 2);
}

#[test]
fn hints_say_what_a_prompt_costs_and_that_it_is_an_estimate() {
    let source = source(&[]);
    let labels = |text: &str| {
        let found = Host::new().hints(&source, &path(SPEC), text);
        found
            .into_iter()
            .map(|hint| (text[..hint.offset].lines().last().unwrap().to_owned(), hint.label))
            .collect::<Vec<_>>()
    };
    let prompt = "x".repeat(4000);
    let text = format!(
        "model: {{provider: openai, model: gpt-4o-mini-2024-07-18, max_tokens: 1000}}\nprompts:\n  system: |\n    {prompt}\n"
    );
    let found = labels(&text);
    assert_eq!(found[0].1, "≤ $0.00075 a call (estimate)");
    assert!(found[0].0.ends_with("gpt-4o-mini-2024-07-18"));
    assert_eq!(found[1], ("  system: |".into(), "≈ 1001 tokens · $0.00015 a call (estimate)".into()));
    assert_eq!(labels("model: nobody-knows\nprompts: {system: Hi}\n")[0].1, "≈ 1 tokens (estimate)");
}

#[test]
fn each_message_of_a_conversation_has_its_hint_and_a_call_is_all_of_them() {
    let source = source(&[("p.md", &"x".repeat(40))]);
    let text = "\
model: {provider: openai, model: gpt-4o-mini-2024-07-18, max_tokens: 1000}
prompts:
  messages:
    - system: {file: p.md}
    - {user: \"12345678\"}
    - assistant: {template: abcd}
    - {usr: x}
    - system: again
  constraints: [be kind.]
";
    let found = Host::new().hints(&source, &path(SPEC), text);
    let shown: Vec<_> = found
        .iter()
        .map(|hint| (text[..hint.offset].lines().last().unwrap().trim(), hint.label.split(' ').nth(1).unwrap()))
        .collect();
    let model = "model: {provider: openai, model: gpt-4o-mini-2024-07-18";
    assert_eq!(
        shown,
        [
            (model, "$0.00060"),
            ("- system: {file: p.md}", "13"),
            ("- {user: \"12345678\"", "2"),
            ("- assistant: {template: abcd}", "1"),
            ("- system: again", "2"),
        ]
    );
}

#[test]
fn what_is_inherited_is_shown_where_it_is_not_written() {
    let base = "model: gpt-4o-2024-08-06\nbudget: {steps: 5, cost: 1}\ntools: {allowed: [a]}\n";
    let source = source(&[("base.aicontainer.yml", base)]);
    let text = "inherits: ./base.aicontainer.yml\nbudget: {steps: 3}\n";
    let found = Host::new().hints(&source, &path(SPEC), text);
    let labels: Vec<&str> = found.iter().map(|hint| hint.label.as_str()).collect();
    assert_eq!(labels, ["inherits model, tools", "inherits cost"]);
    let shown = hover(&source, &path(SPEC), text, at(text, "3", 0)).map(|hover| hover.markdown).unwrap_or_default();
    assert!(shown.is_empty() || shown.contains("Takes the place of `5`"), "{shown}");
    let shown = hover(&source, &path(SPEC), text, at(text, "steps", 0)).unwrap().markdown;
    assert!(shown.contains("Takes the place of `5` of `base.aicontainer.yml`, line 2."), "{shown}");
}

#[test]
fn hover_says_where_a_value_comes_from() {
    let source = source(&files());
    let shown = |text: &str, word: &str, nth| {
        hover(&source, &path(SPEC), text, at(text, word, nth)).map(|hover| hover.markdown).unwrap_or_default()
    };
    assert!(shown(FULL, "refund, args", 1).contains("Declared in line 19."), "{}", shown(FULL, "refund, args", 1));
    assert!(shown(FULL, "my_length", 0).contains("In effect: action `block` (default), max `100`."));
    assert!(shown(FULL, "prompt_injection", 0).contains("sensitivity `0.5` (default)"));
    let text = "model: gpt-4o-2024-08-06\ntest_defaults: {tags: [ci]}\ntests: [{name: a, input: x}]\n";
    assert!(
        shown(text, "gpt", 0)
            .contains("Stands for `models.primary`: `gpt-4o-2024-08-06` of `openai` (by the catalog).")
    );
    assert!(
        shown(text, "a, input", 0).contains("From `test_defaults`: tags `[\"ci\"]`."),
        "{}",
        shown(text, "a, input", 0)
    );
}

#[test]
fn a_secret_of_a_base_is_not_repeated() {
    let base = "models: {primary: {provider: openai, model: gpt-4o-2024-08-06, api_key_env: sk-live-1234567890}}\n";
    let source = source(&[("base.aicontainer.yml", base)]);
    let text = "inherits: ./base.aicontainer.yml\nmodels: {primary: {api_key_env: KEY}}\n";
    let shown = hover(&source, &path(SPEC), text, at(text, "api_key_env", 0)).unwrap().markdown;
    assert!(shown.contains("Takes the place of what `base.aicontainer.yml`, line 1 says."), "{shown}");
}

#[test]
fn the_tests_of_a_document_are_listed() {
    let (key, tests) = Host::new().tests(&path(SPEC), FULL);
    assert_eq!(key.map(|span| span.of(FULL)), Some("tests"));
    assert_eq!(tests.iter().map(|test| test.name.as_str()).collect::<Vec<_>>(), ["refunds"]);
}

#[test]
fn bases_in_a_circle_come_to_an_end() {
    let files = [
        (SPEC, "inherits: ./b.aicontainer.yml\nmodel: x\n"),
        ("b.aicontainer.yml", "inherits: ./a.aicontainer.yml\ntools: {allowed: [t]}\n"),
    ];
    assert_eq!(leads(&files, SPEC, "./b", 0), ["b.aicontainer.yml:1"]);
    let source = source(&files);
    assert_eq!(Host::new().hints(&source, &path(SPEC), files[0].1).len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_any_of_them_panic(
        lines in proptest::collection::vec(proptest::sample::select(vec![
            "tests:", "  - name: a", "    vars: {A: 1}", "prompts:", "  system: \"${A} é\"", "  system: |", "   ${B",
            "tools: {allowed: [a, {name: b", "guardrails: [{condition: \"tool.name == 'a'\"}]", "- *x", "&x", "\"", "  when: steps.a.output",
            "inherits: ./a.aicontainer.yml", "workflow:", " - a -> -b-", "# c", "# d", "\t", "models: {primary: {provider: openai}}",
        ]), 0..10),
        offset in 0usize..200
    ) {
        let text = lines.join("\n");
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let (host, source) = (Host::new(), source(&[]));
        for name in [SPEC, "x.compose.ai.yml", "t.aictest.yml", "p.md", "a.ai.toml"] {
            let path = path(name);
            let inside = |span: Span| text.get(span.range()).is_some();
            for usage in host.references(&source, &path, &text, offset) {
                proptest::prop_assert!(inside(usage.span));
            }
            host.definition(&source, &path, &text, offset);
            let _ = host.rename(&source, &path, &text, offset, "new");
            for token in host.tokens(&path, &text) {
                proptest::prop_assert!(inside(token.span));
            }
            for fold in host.folds(&path, &text) {
                proptest::prop_assert!(inside(fold.span));
            }
            for item in host.outline(&path, &text) {
                proptest::prop_assert!(inside(item.span) && inside(item.name_span));
                proptest::prop_assert!(item.span.start <= item.name_span.start && item.name_span.end <= item.span.end);
            }
            for span in host.surroundings(&path, &text, offset) {
                proptest::prop_assert!(inside(span));
            }
            for hint in host.hints(&source, &path, &text) {
                proptest::prop_assert!(text.is_char_boundary(hint.offset));
            }
            host.tests(&path, &text);
            host.links(&source, &path, &text);
        }
    }
}
