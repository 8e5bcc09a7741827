//! Completion and hover with a cursor in the text: `$0`.

use super::{Completion, CompletionKind, complete, hover};
use aic_base::{MemorySource, RelPath};

const SPEC: &str = "a.aicontainer.yml";

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

fn cursor(marked: &str) -> (String, usize) {
    let offset = marked.find("$0").expect("a cursor");
    (marked.replacen("$0", "", 1), offset)
}

/// What is offered in a file among others.
fn offers_in(name: &str, marked: &str, files: &[(&str, &str)]) -> Vec<Completion> {
    let (text, offset) = cursor(marked);
    complete(&source(files), &path(name), &text, offset)
}

fn offers(marked: &str) -> Vec<Completion> {
    offers_in(SPEC, marked, &[])
}

fn labels(marked: &str) -> Vec<String> {
    offers(marked).into_iter().map(|offer| offer.label).collect()
}

#[track_caller]
fn offered(marked: &str, wanted: &[&str]) {
    let labels = labels(marked);
    for label in wanted {
        assert!(labels.iter().any(|other| other == label), "{label} is not in {labels:?}\nfor\n{marked}");
    }
}

#[track_caller]
fn not_offered(marked: &str, unwanted: &[&str]) {
    let labels = labels(marked);
    for label in unwanted {
        assert!(!labels.iter().any(|other| other == label), "{label} is in {labels:?}\nfor\n{marked}");
    }
}

/// The text after this offer was taken.
#[track_caller]
fn taken_in(name: &str, marked: &str, label: &str) -> String {
    let (text, _) = cursor(marked);
    let offers = offers_in(name, marked, &[]);
    let labels: Vec<_> = offers.iter().map(|offer| offer.label.clone()).collect();
    let Some(offer) = offers.into_iter().find(|offer| offer.label == label) else {
        panic!("{label} is not in {labels:?}")
    };
    let range = offer.replace.range();
    format!("{}{}{}", &text[..range.start], offer.insert, &text[range.end..])
}

#[track_caller]
fn taken(marked: &str, label: &str) -> String {
    taken_in(SPEC, marked, label)
}

#[track_caller]
fn shown(marked: &str) -> String {
    let (text, offset) = cursor(marked);
    hover(&source(&[("prompts/system.md", "Hi")]), &path(SPEC), &text, offset)
        .map(|hover| format!("{}|{}", hover.span.of(&text), hover.markdown))
        .unwrap_or_default()
}

#[test]
fn verbs_of_sql_are_those_that_the_check_takes() {
    offered("tools: {allowed: [{name: a, permissions: [$0]}]}", &["SELECT", "REPLACE", "TRUNCATE"]);
}

#[test]
fn an_overlay_is_offered_what_an_overlay_can_say() {
    not_offered("environments:\n  prod:\n    $0", &["environments", "inherits", "version"]);
    offered("environments:\n  prod:\n    $0", &["budget", "models"]);
}

#[test]
fn an_address_is_filled_with_what_it_can_be_filled_with() {
    let text =
        "prompts: {variables: {TEAM: x}}\ntools: {allowed: [{name: a, run: {http: \"https://x.example/${$0}\"}}]}";
    offered(text, &["TEAM", "DATE", "TIME", "ENV"]);
    not_offered(text, &["INPUT", "CONTEXT"]);
    offered("prompts: {system: \"${$0}\"}", &["INPUT", "CONTEXT"]);
}

#[test]
fn a_condition_is_offered_the_arguments_it_can_name() {
    let tools = |confirm: &str| {
        format!(
            "tools: {{allowed: [{{name: pay, parameters: {{properties: {{amount: {{type: number}}}}}}, confirm: {{when: {confirm}}}}}, {{name: b, parameters: {{properties: {{other: {{}}}}}}}}]}}\n"
        )
    };
    let own = tools("tool.args.$0");
    offered(&own, &["amount"]);
    not_offered(&own, &["other"]);
    let all =
        format!("{}guardrails: {{runtime: [{{name: g, condition: tool.args.$0}}]}}\n", tools("tool.args.amount > 3"));
    offered(&all, &["amount", "other"]);
}

#[test]
fn a_half_typed_key_is_completed_with_its_colon() {
    assert_eq!(taken("name: x\nmod$0\n", "model"), "name: x\nmodel: \n");
    assert_eq!(taken("name: x\nmod$0\n", "models"), "name: x\nmodels:\n");
    assert_eq!(taken("$0", "model"), "model: ");
    assert_eq!(
        taken("models:\n  primary:\n    pro$0vid: openai\n", "provider"),
        "models:\n  primary:\n    provider: openai\n"
    );
    assert_eq!(taken("models: {primary: {pro$0}}\n", "provider"), "models: {primary: {provider: }}\n");
    assert_eq!(taken("tools:\n  allowed:\n    -$0\n", "name"), "tools:\n  allowed:\n    - name: \n");
}

#[test]
fn keys_are_those_of_the_place_by_indentation() {
    offered("models:\n  primary:\n    provider: openai\n    $0\n", &["model", "temperature", "max_tokens"]);
    not_offered("models:\n  primary:\n    provider: openai\n    $0\n", &["prompts", "provider"]);
    offered("models:\n  primary:\n    provider: openai\n  $0\n", &["fallback", "judge"]);
    offered("models:\n  primary:\n    provider: openai\n$0\n", &["prompts", "guardrails", "tests"]);
    offered("models:\n  primary:\n    $0\nprompts: {system: Hi}\n", &["provider", "model"]);
    not_offered("model: x\n$0\nprompts: {system: Hi}\n", &["model", "prompts"]);
}

#[test]
fn in_a_long_document_the_same_is_offered_as_in_a_short_one() {
    let head =
        "models:\n  primary:\n    provider: openai\ntools:\n  allowed:\n    - name: refund\n      effect: egress\n";
    let item = |at: usize| format!("  - name: t{at}\n    input: x\n    expect: [tool_ran: refund]\n");
    let filler: String = (0..300).map(item).collect();
    for at in [
        "  - name: here\n    inp$0\n    expect: [contains: x]\n",
        "  - name: here\n    expect: [tool_ran: $0]\n",
        "  - name: here\n    expect:\n      - tool_ran: {name: refund, $0}\n",
        "  - name: here\n    input: Hi ${$0}\n",
        "  - $0\n",
        "bud$0\n",
    ] {
        let short = format!("{head}tests:\n{}{at}", item(0));
        let long = format!("{head}tests:\n{filler}{at}{filler}guardrails: [pii_protection]\n");
        let mut expected = labels(&short);
        expected.retain(|label| label != "guardrails");
        assert!(!expected.is_empty(), "{at}");
        assert_eq!(labels(&long), expected, "{at}");
        let taken = offers(&long).first().map(|offer| offer.replace.of(&long.replacen("$0", "", 1)).to_owned());
        let wanted = offers(&short).first().map(|offer| offer.replace.of(&short.replacen("$0", "", 1)).to_owned());
        assert_eq!(taken, wanted, "{at}");
    }
}

#[test]
fn what_must_be_there_comes_first_and_what_is_not_enforced_last() {
    let offers = offers("tools:\n  allowed:\n    - $0\n");
    assert_eq!(offers.first().map(|offer| offer.label.as_str()), Some("name"));
    let sort = |label: &str| offers.iter().find(|offer| offer.label == label).map(|offer| offer.sort);
    assert!(sort("name") < sort("description") && sort("description") < Some(5));
    let top = super::tests::offers("$0");
    let sort = |label: &str| top.iter().find(|offer| offer.label == label).map(|offer| offer.sort).unwrap();
    assert!(sort("prompts") < sort("governance"));
    assert!(top.iter().all(|offer| !offer.doc.is_empty() && offer.kind == CompletionKind::Key));
}

#[test]
fn words_and_booleans_are_offered_as_values() {
    assert_eq!(taken("models: {primary: {provider: op$0}}\n", "openai"), "models: {primary: {provider: openai}}\n");
    assert_eq!(
        taken("models:\n  primary:\n    provider:$0\n", "openai"),
        "models:\n  primary:\n    provider: openai\n"
    );
    assert_eq!(
        taken("models:\n  primary:\n    provider: \"op$0\"\n", "openai_compatible"),
        "models:\n  primary:\n    provider: \"openai_compatible\"\n"
    );
    assert_eq!(taken("sandbox:\n  fallback: best-e$0f\n", "best-effort"), "sandbox:\n  fallback: best-effort\n");
    offered("prompts:\n  variables:\n    A:\n      required: $0\n", &["true", "false"]);
    offered("compliance: [$0]\n", &["GDPR", "SOC2", "HIPAA"]);
    assert_eq!(taken("version: $0\n", "1.0"), "version: \"1.0\"\n");
    assert_eq!(taken("version: \"$0\"\n", "1.0"), "version: \"1.0\"\n");
}

#[test]
fn models_are_offered_with_price_and_window_for_the_provider_that_is_named() {
    let offers = offers("models:\n  primary:\n    provider: openai\n    model: gpt$0\n");
    let mini = offers.iter().find(|offer| offer.label == "gpt-4o-mini-2024-07-18").unwrap();
    assert_eq!(mini.kind, CompletionKind::Model);
    assert!(mini.detail.as_deref().unwrap().starts_with("$0.15/$0.6 · 128k"), "{:?}", mini.detail);
    assert!(mini.doc.contains("128,000"), "{}", mini.doc);
    assert!(!offers.iter().any(|offer| offer.label.starts_with("claude")));
    assert_eq!(taken("model: gpt-4o-mi$0\n", "gpt-4o-mini-2024-07-18"), "model: gpt-4o-mini-2024-07-18\n");
    offered("models:\n  primary:\n    provider: scripted\n    as: $0\n", &["openai/gpt-4o-mini-2024-07-18"]);
    assert_eq!(labels("models:\n  primary:\n    provider: scripted\n    model: $0\n"), [""; 0]);
}

#[test]
fn guardrails_and_their_parameters_are_offered() {
    offered("guardrails: [$0]\n", &["pii_protection", "cost_control"]);
    offered("guardrails:\n  runtime:\n    - $0\n", &["rate_limit", "name", "condition"]);
    offered(
        "guardrails:\n  runtime:\n    - name: rate_limit\n      $0\n",
        &["max_operations", "window", "per", "action"],
    );
    offered("guardrails:\n  runtime:\n    - {name: mine, use: rate_limit, $0}\n", &["max_operations"]);
    offered("guardrails:\n  runtime:\n    - {name: rate_limit, per: $0}\n", &["all", "user"]);
    offered("guardrails:\n  - {name: pii_protection, types: [$0]}\n", &["card", "iban"]);
    offered("guardrails:\n  - pii_protection: {$0}\n", &["types", "action"]);
    not_offered("guardrails:\n  runtime:\n    - name: rate_limit\n      $0\n", &["name", "types"]);
    offered("prompts:\n  user:\n    validation:\n      - $0\n", &["no_sql_injection"]);
}

#[test]
fn expectations_are_offered_one_a_map() {
    offered("tests:\n  - name: x\n    expect:\n      - $0\n", &["contains", "blocked", "same_output", "judge"]);
    offered("tests:\n  - {name: x, expect: [$0]}\n", &["contains", "same_output"]);
    offered("tests:\n  - {name: x, expect: [{not: {$0}}]}\n", &["contains"]);
    offered("tests:\n  - name: x\n    expect:\n      - outcome: $0\n", &["completed", "blocked"]);
    offered("tests:\n  - name: x\n    $0\n", &["input", "cases", "turns", "expect"]);
    offered("tests:\n  - {name: x, expect: [{json_path: {path: a, is: {$0}}}]}\n", &["gt", "one_of"]);
}

const NAMES: &str = "\
models:
  primary: gpt-4o-2024-08-06
  challenger: {provider: ollama, model: q}
prompts:
  system: Hi ${TEAM}
  variants: {terse: {system: Short.}}
  variables: {TEAM: {env: TEAM_NAME}, LANG: {default: en}}
guardrails:
  - {name: foreign, use: pii_protection}
  - prompt_injection
tools:
  allowed:
    - name: get_order
      description: Looks an order up
      parameters: {type: object, properties: {order_id: {type: string}}}
    - refund
";

#[test]
fn names_from_elsewhere_in_the_spec_are_offered() {
    let after = |rest: &str| format!("{NAMES}{rest}");
    offered(&after("tests:\n  - {name: x, expect: [{tool_called: $0}]}\n"), &["get_order", "refund"]);
    offered(&after("tests:\n  - {name: x, expect: [{blocked: {by: $0}}]}\n"), &["foreign", "prompt_injection"]);
    offered(&after("tests:\n  - {name: x, model: $0}\n"), &["primary", "challenger"]);
    offered(&after("tests:\n  - {name: x, matrix: {models: [$0]}}\n"), &["primary", "challenger"]);
    offered(&after("tests:\n  - {name: x, matrix: {prompts: [$0]}}\n"), &["default", "terse"]);
    offered(&after("tests:\n  - {name: x, matrix: {$0}}\n"), &["models", "prompts", "LANG"]);
    offered(&after("tests:\n  - name: x\n    tools:\n      $0\n"), &["get_order", "refund"]);
    offered(&after("tests:\n  - name: x\n    confirm: {$0}\n"), &["refund", "foreign"]);
    offered(&after("tests:\n  - {name: x, expect: [{tool_ran: {name: get_order, args: {$0}}}]}\n"), &["order_id"]);
    not_offered(&after("tests:\n  - {name: x, expect: [{tool_called: ref$0}]}\n"), &["ref", "gpt-4o"]);
    offered(&after("  blocked: [$0]\n"), &["get_order"]);
}

#[test]
fn variables_are_offered_inside_of_prompts() {
    let marked = NAMES.replace("${TEAM}", "${$0");
    offered(&marked, &["TEAM", "LANG", "INPUT", "DATE", "ENV"]);
    assert!(taken(&marked, "TEAM").contains("system: Hi ${TEAM}\n"));
    let marked = NAMES.replace("${TEAM}", "${TE$0AM}");
    assert!(taken(&marked, "LANG").contains("system: Hi ${LANG}\n"));
    let marked = NAMES.replace("${TEAM}", "$$0");
    assert!(taken(&marked, "${INPUT}").contains("system: Hi ${INPUT}\n"));
    assert_eq!(
        taken("prompts:\n  system: |\n    You are in ${EN$0\n    and more\n", "ENV"),
        "prompts:\n  system: |\n    You are in ${ENV}\n    and more\n"
    );
    let tool = "tools:\n  allowed:\n    - name: a\n      parameters: {properties: {order_id: {type: string}}}\n      run: {http: \"https://x/${args.$0}\"}\n";
    assert!(taken(tool, "args.order_id").contains("${args.order_id}\""));
    let rule = "models:\n  primary:\n    provider: scripted\n    rules:\n      - match: {user: {matches: 'order (?<id>\\d+)'}}\n        reply: {text: \"${$0}\"}\n";
    offered(rule, &["match.id"]);
    assert_eq!(labels("prompts:\n  system: Costs $0\n"), [""; 0]);
}

#[test]
fn names_and_functions_are_offered_inside_of_conditions() {
    let guard = |condition: &str| format!("guardrails:\n  runtime:\n    - name: x\n      condition: {condition}\n");
    offered(&guard("$0"), &["input", "user.id", "contains", "sql_verbs"]);
    offered(&guard("turn > 1 && us$0"), &["user.roles"]);
    offered(&guard("user.$0"), &["id", "roles"]);
    not_offered(&guard("user.$0"), &["input", "user.id"]);
    offered(&guard("input.st$0"), &["startsWith"]);
    assert_eq!(labels(&guard("contains(['del$0'])")), [""; 0]);
    not_offered(&guard("$0"), &["json", "error_rate", "block"]);
    offered("tests:\n  - {name: x, expect: [{that: \"js$0\"}]}\n", &["json", "tools", "words"]);
    offered("deployment:\n  alerts:\n    - when: $0\n", &["error_rate", "p99"]);
    not_offered("deployment:\n  alerts:\n    - when: $0\n", &["contains", "input"]);
    assert_eq!(taken(&guard("has_p$0"), "has_pii"), guard("has_pii("));
    assert_eq!(taken(&guard("\"!tai$0\""), "tainted"), guard("\"!tainted()\""));
}

#[test]
fn files_are_offered_folder_by_folder() {
    let files = [("agents/prompts/system.md", ""), ("agents/prompts/old/a.md", ""), ("agents/data/x.db", "")];
    let labels = |marked: &str| {
        let offers = offers_in("agents/a.ai.yml", marked, &files);
        offers.into_iter().map(|offer| offer.label).collect::<Vec<_>>()
    };
    assert!(labels("prompts:\n  system: {file: $0}\n").contains(&"prompts/".to_owned()));
    assert_eq!(labels("prompts:\n  system: {file: prompts/$0}\n"), ["prompts/system.md", "prompts/old/"]);
    assert!(
        labels("tools:\n  allowed:\n    - name: a\n      run: {sql: \"sqlite:data/$0\"}\n")
            .contains(&"sqlite:data/x.db".to_owned())
    );
}

#[test]
fn a_document_that_is_broken_elsewhere_is_completed_all_the_same() {
    for broken in [
        "prompts: {system: [one, two\nmodels:\n  primary:\n    provider: $0\n",
        "prompts:\n  system \"no colon\nmodels:\n  primary:\n    provider: $0\n",
        "models:\n  primary:\n    provider: $0\nprompts: {system: ${INPUT}}\n",
        "models:\n  primary:\n    provider: $0\nguardrails: [a, b] -> c\ntests:\n - name: x\n   - y\n",
        "models: {primary: {provider: $0\nprompts: {system: Hi}\n",
    ] {
        offered(broken, &["openai", "scripted"]);
    }
}

#[test]
fn where_nothing_is_known_nothing_is_offered() {
    for marked in
        ["# mod$0\nmodel: x\n", "description: mod$0\n", "prompts:\n  system: |\n    mod$0\n", "a: b: c: $0: d"]
    {
        assert_eq!(labels(marked), [""; 0], "{marked}");
    }
}

#[test]
fn tests_kept_apart_know_the_names_of_the_spec_that_includes_them() {
    let spec = format!("{NAMES}tests:\n  - files: tests/*.aictest.yml\n");
    let marked = "tests:\n  - {name: x, expect: [{tool_called: $0}]}\n";
    let offers = offers_in("tests/a.aictest.yml", marked, &[("b.aicontainer.yml", &spec), ("tests/a.aictest.yml", "")]);
    assert!(offers.iter().any(|offer| offer.label == "get_order"), "{offers:?}");
    let offers = offers_in("tests/a.aictest.yml", "te$0\n", &[]);
    assert_eq!(offers.iter().map(|offer| offer.label.as_str()).collect::<Vec<_>>(), ["test_defaults", "tests"]);
}

#[test]
fn services_are_offered_in_a_workflow() {
    let marked = "services:\n  triage: {model: x}\n  local: {model: y}\nworkflow:\n  - {step: triage, fallback: $0}\n";
    let labels: Vec<_> = offers_in("compose.ai.yml", marked, &[]).into_iter().map(|offer| offer.label).collect();
    assert_eq!(labels, ["local", "triage"]);
    let marked = marked.replace("fallback: $0", "when: \"steps.$0\"");
    let labels: Vec<_> = offers_in("compose.ai.yml", &marked, &[]).into_iter().map(|offer| offer.label).collect();
    assert!(labels.contains(&"triage".to_owned()), "{labels:?}");
}

#[test]
fn toml_has_keys_with_equals_and_words_in_quotes() {
    assert_eq!(taken_in("a.aicontainer.toml", "name = \"x\"\nmod$0\n", "model"), "name = \"x\"\nmodel = \n");
    assert_eq!(
        taken_in("a.aicontainer.toml", "[models.primary]\nprovider = \"op$0\"\n", "openai"),
        "[models.primary]\nprovider = \"openai\"\n"
    );
    assert_eq!(
        taken_in("a.aicontainer.toml", "[models.primary]\nprovider = $0\n", "openai"),
        "[models.primary]\nprovider = \"openai\"\n"
    );
}

#[test]
fn hover_says_what_is_known_of_keys_words_models_and_guardrails() {
    assert!(shown("mod$0els: {primary: gpt-4o}\n").starts_with("models|**`models`** · the models\n\nThe named models"));
    assert!(shown("models: {primary: {provider: open$0ai}}\n").contains("openai|**`openai`**\n\nOpenAI"));
    assert!(shown("model: gpt-4o-mini-2024-07-$018\n").contains("$0.15 a million tokens in, $0.6 out"));
    assert!(shown("guardrails: [pii_pro$0tection]\n").contains("built-in guardrail"));
    assert!(shown("guardrails:\n  - {name: rate_limit, win$0dow: 1m}\n").contains("Default: `1m`"));
    assert!(shown("tests:\n  - {name: x, expect: [{block$0ed: {by: x}}]}\n").contains("stopped before an answer"));
    assert!(shown("model: gpt$0-unknown\n").starts_with("gpt-unknown|**`model`**"), "what the key is for");
    assert!(shown("# mod$0el\nmodel: x\n").is_empty());
}

#[test]
fn hover_leads_names_and_variables_to_what_they_stand_for() {
    assert!(
        shown(&NAMES.replace("${TEAM}", "${TE$0AM}"))
            .contains("${TEAM}|**`${TEAM}`** · variable\n\nFrom the environment variable `TEAM_NAME`")
    );
    assert!(shown("prompts:\n  system: |\n    Today is\n    ${DA$0TE}.\n").starts_with("${DATE}|"));
    let called = format!("{NAMES}tests:\n  - {{name: x, expect: [{{tool_called: get_or$0der}}]}}\n");
    assert!(shown(&called).contains("Looks an order up"));
    assert!(shown("prompts:\n  system: {file: prompts/sys$0tem.md}\n").contains("prompts/system.md"));
    assert!(shown("prompts:\n  system: {file: prompts/no$0ne.md}\n").contains("no such file"));
}

#[test]
fn hover_reads_conditions_through_quotes() {
    let guard = |condition: &str| format!("guardrails:\n  runtime:\n    - name: x\n      condition: {condition}\n");
    assert!(shown(&guard("con$0tains(['a'])")).starts_with("contains|**`contains(['word', …])`**"));
    assert!(shown(&guard("\"turn > 1 && user.ro$0les == []\"")).starts_with("user.roles|"));
    assert!(shown(&guard(">-\n        turn > 1 &&\n        tool.na$0me == 'x'")).starts_with("tool.name|"));
    assert!(shown(&guard("input.starts$0With('a')")).starts_with("startsWith|"));
    assert!(shown(&guard("contains(['inp$0ut'])")).is_empty());
}

/// Everywhere in real specs, whole and with the rest of the line not typed yet.
#[test]
fn wherever_the_cursor_stands_what_is_offered_can_be_taken() {
    for (name, text, step) in [
        ("a.aicontainer.yml", include_str!("../../tests/fixtures/support.aicontainer.yml"), 5),
        ("a.aicontainer.yml", include_str!("../../tests/fixtures/page.aicontainer.yml"), 61),
        ("a.aictest.yml", include_str!("../../tests/fixtures/page.aictest.yml"), 11),
    ] {
        for (offset, _) in text.char_indices().step_by(step) {
            let end = text[offset..].find('\n').map_or(text.len(), |end| offset + end);
            let cut = format!("{}{}", &text[..offset], &text[end..]);
            for text in [text, &cut] {
                for offer in complete(&MemorySource::new(), &path(name), text, offset) {
                    let replaced = text.get(offer.replace.range()).expect("whole characters");
                    assert!(offer.replace.touches(offset) && !replaced.contains('\n'), "{offset} {offer:?}");
                }
                if let Some(hover) = hover(&MemorySource::new(), &path(name), text, offset) {
                    assert!(text.get(hover.span.range()).is_some() && hover.span.touches(offset), "{offset} {hover:?}");
                }
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_either_panic(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "model", "models", "guardrails", ": ", ":", "\n", "\n  ", "- ", "{", "}", "[", "]", ",", "\"", "'", "${", "}", "$", "|\n",
            "condition", "tests", "expect", "é", "😀", "\r\n", "\t", "#", "*a", "&a ", "<<: ", "user.", "contains(['", "..", "/",
        ]), 0..24),
        at in 0usize..80,
    ) {
        let text = pieces.concat();
        let offset = text.floor_char_boundary(at.min(text.len()));
        for name in ["a.ai.yml", "a.aictest.yml", "compose.ai.yml", "a.ai.toml"] {
            for offer in complete(&MemorySource::new(), &path(name), &text, offset) {
                assert!(text.get(offer.replace.range()).is_some() && offer.replace.touches(offset), "{offer:?}");
            }
            if let Some(hover) = hover(&MemorySource::new(), &path(name), &text, offset) {
                assert!(text.get(hover.span.range()).is_some(), "{hover:?}");
            }
        }
    }
}
