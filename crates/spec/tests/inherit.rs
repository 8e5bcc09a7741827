//! `inherits`, `final` and `environments`: what a spec becomes with its bases, and what may not be loosened.

mod common;

use aic_base::{Action, RelPath, Usd};
use aic_spec::{Blocked, LoadOptions, Loaded, Severity, load};
use common::{options, path, source};

const SCRIPTED: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";
const CHILD: &str = "agents/a.ai.yml";

fn load_files(files: &[(&str, &str)]) -> Loaded {
    load(&source(files), &path(CHILD), &options())
}

/// A child over one base in the folder above.
fn over(base: &str, child: &str) -> Loaded {
    let child = format!("inherits: ../base.ai.yml\n{child}");
    load_files(&[(CHILD, &child), ("base.ai.yml", base)])
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).map(|found| found.code.0).collect()
}

/// The errors, each with the text it stands at.
fn shown(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    errors
        .map(|found| {
            let text = loaded.text(&found.file).unwrap_or("");
            format!("{} {} `{}` {}", found.code, found.file, found.span.of(text), found.message)
        })
        .collect()
}

#[test]
fn maps_merge_key_by_key_and_null_deletes() {
    let base = format!("{SCRIPTED}budget: {{steps: 5, cost: 0.5}}\nprompts: {{system: Base., variables: {{A: x}}}}\n");
    let loaded = over(&base, "budget: {cost: 0.1, steps: ~}\nprompts: {variables: {B: y}}\n");
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    assert_eq!((spec.budget.steps, spec.budget.cost), (20, Some(Usd::from_dollars(0.1))));
    assert_eq!(spec.prompts.system.as_ref().unwrap().text, "Base.");
    assert_eq!(spec.prompts.variables.keys().collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(spec.name, "a");
    assert!(loaded.files.contains_key(&path("base.ai.yml")));
}

#[test]
fn null_deletes_what_the_author_named_as_well() {
    let base = format!(
        "{SCRIPTED}prompts: {{variables: {{A: x, B: y}}, variants: {{v: a, w: b}}}}\ntools: {{servers: {{s: {{command: [x]}}}}}}\nenvironments: {{prod: {{budget: {{steps: 3}}}}}}\n"
    );
    let child = "prompts: {variables: {A: null, B: ~}, variants: {v: }}\ntools: {servers: {s: null}}\nenvironments: {prod: null}\n";
    let loaded = over(&base, child);
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    assert!(spec.prompts.variables.is_empty() && spec.tools.servers.is_empty());
    assert_eq!(spec.prompts.variants.keys().collect::<Vec<_>>(), ["w"]);
    let files = [(CHILD, format!("inherits: ../base.ai.yml\n{child}")), ("base.ai.yml", base)];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let prod = LoadOptions { environment: Some("prod".into()), ..options() };
    let loaded = load(&source(&files), &path(CHILD), &prod);
    assert_eq!((codes(&loaded), loaded.spec.unwrap().budget.steps), (Vec::new(), 20));
    let alone = load_files(&[(CHILD, &format!("{SCRIPTED}prompts: {{variables: {{A: null}}}}\n"))]);
    assert_eq!(codes(&alone), ["ABS002"], "there is nothing to delete");
}

#[test]
fn a_conversation_of_the_child_stands_in_place_of_the_prompts_of_the_base() {
    let base =
        format!("{SCRIPTED}prompts: {{system: Base., user: {{template: \"${{INPUT}}\", validation: [max_length]}}}}\n");
    let loaded = over(&base, "prompts: {messages: [{system: Mine.}, {user: \"${INPUT}\"}]}\n");
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    assert!(spec.prompts.system.is_none() && spec.prompts.user.is_none() && spec.prompts.messages.len() == 2);
    assert_eq!(spec.guardrails.len(), 1, "what the input must pass stays");
    let firm = over(&format!("{base}final: [prompts.system]\n"), "prompts: {messages: [{user: \"${INPUT}\"}]}\n");
    assert_eq!(codes(&firm), ["ABS103"], "{:?}", shown(&firm));
}

#[test]
fn the_short_form_of_one_meets_the_long_form_of_the_other() {
    let base = "models: {primary: {provider: openai, model: gpt-4o-2024-08-06, api_key_env: KEY, temperature: 0.1}}\nguardrails: {runtime: [{name: rate_limit, max_operations: 9}]}\ncontext: {window: {max_tokens: 10}}\n";
    let loaded =
        over(base, "model: {temperature: 0.7}\nguardrails: [{rate_limit: 5}, secrets]\ncontext: {max_tokens: 20}\n");
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    let primary = &spec.models.named["primary"];
    assert_eq!((primary.temperature, primary.api_key_env.as_deref()), (Some(0.7), Some("KEY")));
    assert_eq!(spec.guardrails.iter().map(|guard| guard.name.as_str()).collect::<Vec<_>>(), ["rate_limit", "secrets"]);
    assert_eq!(spec.guardrails[0].params["max_operations"], 5);
    assert_eq!(spec.context.max_tokens.map(|tokens| tokens.0), Some(20));
}

#[test]
fn named_items_merge_by_name_some_lists_append_and_others_are_replaced() {
    let base = format!(
        "{SCRIPTED}tools:\n  allowed: [{{name: find, description: Finds, tables: [a, b]}}]\n  blocked: [drop_all, {{pattern: \"DROP *\"}}]\nprompts: {{constraints: [One]}}\naudit: {{personal_data: [user_id]}}\nguardrails: {{pre_execution: [{{name: max_length, max: 10}}]}}\n"
    );
    let child = "tools:\n  allowed: [{name: find, description: Finds more}, other]\n  blocked: [drop_all, wipe]\nprompts: {constraints: [Two]}\naudit: {personal_data: [email]}\nguardrails: {pre_execution: [max_length: 20, secrets]}\n";
    let loaded = over(&base, child);
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    let find = &spec.tools.allowed[0];
    assert_eq!((find.description.as_str(), find.tables.as_deref().unwrap().len()), ("Finds more", 2));
    assert_eq!(spec.tools.allowed[1].name, "other");
    assert_eq!(spec.tools.blocked.len(), 3);
    assert_eq!(spec.tools.blocked[2], Blocked::Tool("wipe".into()));
    assert_eq!(spec.prompts.constraints, ["One", "Two"]);
    assert_eq!(spec.personal_data, ["user_id", "email"]);
    assert_eq!(spec.guardrails[0].params["max"], 20);
}

#[test]
fn another_provider_or_address_gets_no_inherited_credentials() {
    let base = "models:\n  primary: {provider: openai, model: gpt-4o-2024-08-06, api_key_env: KEY, base_url: \"https://a\", temperature: 0.5}\n";
    let primary = |child: &str| {
        let loaded = over(base, child);
        assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
        loaded.spec.unwrap().models.named["primary"].clone()
    };
    let moved = primary("models: {primary: {base_url: \"https://b\"}}\n");
    assert_eq!((moved.api_key_env, moved.base_url.as_deref()), (None, Some("https://b")));
    let other = primary("model: claude-haiku-4-5-20251001\n");
    assert_eq!((other.api_key_env, other.base_url, other.temperature), (None, None, Some(0.5)));
    assert_eq!(other.provider.map(aic_spec::Provider::as_str), Some("anthropic"));
    assert_eq!(primary("models: {primary: {temperature: 1}}\n").api_key_env.as_deref(), Some("KEY"));
}

#[test]
fn paths_are_those_of_the_file_that_names_them() {
    let base = format!(
        "{SCRIPTED}prompts: {{system: {{file: prompts/base.md}}}}\nguardrails: [{{name: own, script: g.js}}]\n"
    );
    let files = [
        (CHILD, "inherits: ../shared/base.ai.yml\nprompts: {user: {file: u.md}}\n"),
        ("shared/base.ai.yml", base.as_str()),
        ("shared/prompts/base.md", "From the base."),
        ("shared/g.js", "export default () => null"),
        ("agents/u.md", "${INPUT}"),
    ];
    let loaded = load_files(&files);
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    assert_eq!(spec.prompts.system.as_ref().unwrap().text, "From the base.");
    assert_eq!(spec.guardrails[0].script.as_deref(), Some("shared/g.js"));
    assert_eq!(spec.prompts.user.as_ref().unwrap().file, Some(path("agents/u.md")));
    assert!(loaded.files.contains_key(&path("shared/prompts/base.md")));
}

#[test]
fn what_is_wrong_in_a_base_is_said_in_the_base() {
    let loaded = over(
        &format!("{SCRIPTED}promts: {{}}\nguardrails: [{{name: x, tools: [nobody], condition: 'inptu == 1'}}]\n"),
        "name: c\n",
    );
    let found = shown(&loaded);
    assert!(found.iter().any(|line| line.starts_with("ABS001 base.ai.yml `promts`")), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("ABS040 base.ai.yml `inptu`")), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("ABS052 base.ai.yml `nobody`")), "{found:?}");
    for diagnostic in &loaded.diagnostics {
        let text = loaded.text(&diagnostic.file).unwrap();
        assert!(diagnostic.fix.iter().flat_map(|fix| &fix.edits).all(|(span, _)| span.range().end <= text.len()));
    }
}

#[test]
fn the_tests_of_a_base_run_on_the_child_with_the_defaults_of_the_base() {
    let base = format!(
        "{SCRIPTED}test_defaults: {{vars: {{A: base}}, expect: [not_blocked]}}\ntests: [{{name: theirs, input: x, expect: [{{contains: hi}}]}}, {{files: t/*.aictest.yml}}]\n"
    );
    let child = "inherits: ../shared/base.ai.yml\ntest_defaults: {vars: {A: child}}\ntests: [{name: own, input: y, expect: [{contains: hi}]}]\n";
    let apart = "tests: [{name: apart, input: z, expect: [{contains: hi}]}]\n";
    let loaded = load_files(&[(CHILD, child), ("shared/base.ai.yml", &base), ("shared/t/x.aictest.yml", apart)]);
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.as_ref().unwrap();
    let seen: Vec<_> =
        spec.tests.iter().map(|test| (test.name.as_str(), test.file.as_str(), test.vars["A"].as_str())).collect();
    assert_eq!(
        seen,
        [
            ("theirs", "shared/base.ai.yml", Some("base")),
            ("apart", "shared/t/x.aictest.yml", Some("base")),
            ("own", CHILD, Some("child"))
        ]
    );
    let theirs = &spec.tests[0];
    assert_eq!(theirs.span.of(loaded.text(&theirs.file).unwrap()), "theirs");
    assert_eq!(theirs.expect[1].span.of(loaded.text(&theirs.expect[1].file).unwrap()), "{contains: hi}");
}

#[test]
fn of_several_bases_a_later_one_wins_and_the_chain_goes_on() {
    let files = [
        (CHILD, "inherits: [../one.ai.yml, ../two.ai.yml]\nbudget: {time: 1m}\n"),
        ("one.ai.yml", "inherits: ./root.ai.yml\nbudget: {steps: 2}\n"),
        ("two.ai.yml", "budget: {steps: 3}\n"),
        (
            "root.ai.yml",
            "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\nbudget: {steps: 1, cost: 1}\n",
        ),
    ];
    let loaded = load_files(&files);
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
    let spec = loaded.spec.unwrap();
    assert_eq!(
        (spec.budget.steps, spec.budget.cost, spec.budget.time.is_some()),
        (3, Some(Usd::from_dollars(1.0)), true)
    );
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn the_digest_of_behaviour_counts_what_a_base_says_and_not_its_layout() {
    let digest = |base: &str| over(base, "").spec.unwrap().behaviour;
    let base = format!("{SCRIPTED}budget: {{steps: 5}}\n");
    assert_eq!(digest(&base), digest(&format!("# said otherwise\n{SCRIPTED}budget:\n  steps: 5\n")));
    assert_ne!(digest(&base), digest(&format!("{SCRIPTED}budget: {{steps: 6}}\n")));
}

#[test]
fn cycles_missing_bases_and_long_chains_are_errors_that_print_the_chain() {
    let loaded = load_files(&[
        (CHILD, "inherits: ../b.ai.yml\n"),
        ("b.ai.yml", "inherits: ./agents/a.ai.yml\nmodel: gpt-4-0613\n"),
    ]);
    assert!(
        shown(&loaded)
            .iter()
            .any(|line| line.contains("ABS101 b.ai.yml")
                && line.ends_with("agents/a.ai.yml → b.ai.yml → agents/a.ai.yml")),
        "{:?}",
        shown(&loaded)
    );

    let loaded = load_files(&[(CHILD, "inherits: ./gone.ai.yml\nmodel: gpt-4-0613\n")]);
    assert_eq!(
        shown(&loaded),
        ["ABS060 agents/a.ai.yml `./gone.ai.yml` the base is not there: agents/a.ai.yml → agents/gone.ai.yml"]
    );
    assert!(loaded.missing.contains(&path("agents/gone.ai.yml")));

    let chain = |length: usize| {
        let mut files = vec![(CHILD.to_owned(), format!("inherits: ./b1.ai.yml\n{SCRIPTED}"))];
        for at in 1..=length {
            let next = if at < length { format!("inherits: ./b{}.ai.yml\n", at + 1) } else { "name: last\n".into() };
            files.push((format!("agents/b{at}.ai.yml"), next));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        codes(&load_files(&files))
    };
    assert_eq!((chain(16), chain(17)), (vec![], vec!["ABS102"]));
    // Each inherits twice from the next: bounded all the same.
    let mut files: Vec<(String, String)> =
        vec![(CHILD.into(), format!("inherits: [./b0.ai.yml, ./b0.ai.yml]\n{SCRIPTED}"))];
    for at in 0..15 {
        files.push((format!("agents/b{at}.ai.yml"), format!("inherits: [./b{0}.ai.yml, ./b{0}.ai.yml]\n", at + 1)));
    }
    files.push(("agents/b15.ai.yml".into(), "name: x\n".into()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(codes(&load_files(&files)).contains(&"ABS102"));
}

#[test]
fn a_registry_reference_warns_and_refuses_to_run() {
    let loaded = load_files(&[(CHILD, &format!("inherits: company/base:1.2\n{SCRIPTED}"))]);
    assert!(loaded.spec.is_some());
    assert_eq!(loaded.blockers().map(|found| found.code.0).collect::<Vec<_>>(), ["ABS100"]);
    // The base may bring the model, tools and variables that are missing here.
    let loaded = load_files(&[(CHILD, "inherits: company/base:1.2\nprompts: {system: \"${TEAM}\"}\n")]);
    assert_eq!(codes(&loaded), Vec::<&str>::new(), "{:?}", shown(&loaded));
}

#[test]
fn what_is_no_container_is_no_base() {
    let loaded =
        load_files(&[(CHILD, &format!("inherits: ../t.aictest.yml\n{SCRIPTED}")), ("t.aictest.yml", "tests: []")]);
    assert_eq!(codes(&loaded), ["ABS105"]);
}

/// The errors of a child over a base that says of something that it is final.
fn against(finals: &str, base: &str, child: &str) -> Vec<String> {
    shown(&over(&format!("{SCRIPTED}final: {finals}\n{base}"), child))
}

#[test]
fn what_is_final_may_be_tightened_and_not_loosened() {
    let guards =
        "guardrails: {runtime: [{name: cost_control, max_cost_per_hour: 10}], post_execution: [pii_protection]}\n";
    assert_eq!(
        against(
            "[guardrails]",
            guards,
            "guardrails: {runtime: [{name: cost_control, max_cost_per_hour: 5}], post_execution: [{name: pii_protection, action: block}, secrets]}\n"
        ),
        Vec::<String>::new()
    );
    let found = against(
        "[guardrails]",
        guards,
        "guardrails:\n  runtime: [{name: cost_control, max_cost_per_hour: 20}]\n  post_execution: [{name: pii_protection, action: warn}]\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("ABS103 agents/a.ai.yml `20` `guardrails.runtime.cost_control.max_cost_per_hour` is final in a base (`guardrails`): it may only be lower than `10`"), "{found:?}");
    assert!(found[1].starts_with("ABS103 agents/a.ai.yml `warn`"), "{found:?}");
}

#[test]
fn each_way_around_something_final_is_an_error() {
    let guards =
        "guardrails: {pre_execution: [confirm_destructive], post_execution: [{name: pii_protection, action: block}]}\n";
    for child in [
        "guardrails: ~\n",
        "guardrails: {post_execution: ~}\n",
        "guardrails: {pre_execution: [{name: confirm_destructive, condition: \"input == 'x'\"}]}\n",
        "guardrails: {pre_execution: [{name: pii_protection, action: block}]}\n",
        "guardrails: [{name: own, script: g.js}]\n",
        "guardrails: {post_execution: [{name: pii_protection, action: ~}]}\n",
        "guardrails: {post_execution: [{name: pii_protection, tools: [x]}]}\ntools: {allowed: [x]}\n",
        "guardrails: {post_execution: [{name: pii_protection, use: secrets}]}\n",
    ] {
        let found = against("[guardrails]", guards, child);
        assert!(found.iter().any(|line| line.starts_with("ABS103 agents/a.ai.yml")), "{child}: {found:?}");
    }
    for (finals, base, child) in [
        ("[sandbox]", "sandbox: {limits: {memory: 64MB}}\n", "sandbox: {limits: {memory: 128MB}}\n"),
        ("[sandbox]", "sandbox: {limits: {memory: 64MB}}\n", "sandbox: {network: [\"a:1\"]}\n"),
        ("[sandbox]", "", "sandbox: {limits: {disk: 1GB}}\n"),
        ("[tools.blocked]", "tools: {blocked: [a]}\n", "tools: {blocked: ~}\n"),
        ("[tools.blocked]", "tools: {blocked: [a]}\n", "tools: ~\n"),
        ("[tools.allowed]", "tools: {allowed: [a]}\n", "tools: {allowed: [a, b]}\n"),
        (
            "[\"models.*.base_url\"]",
            "",
            "models: {other: {provider: openai_compatible, model: m, base_url: \"http://x\"}}\n",
        ),
        ("[audit]", "audit: {retention: 30d}\n", "audit: {retention: 1d}\n"),
        ("[compliance]", "compliance: [GDPR]\n", "compliance: ~\n"),
        ("[budget]", "budget: {cost: 1}\n", "budget: {cost: \"$2\"}\n"),
        ("[prompts.system]", "prompts: {system: A}\n", "prompts: {system: B}\n"),
    ] {
        let found = against(finals, base, child);
        assert!(found.iter().any(|line| line.starts_with("ABS103 agents/a.ai.yml")), "{child}: {found:?}");
    }
}

#[test]
fn additions_to_what_is_final_that_tighten_are_fine() {
    for (finals, base, child) in [
        ("[tools.blocked]", "tools: {blocked: [a]}\n", "tools: {blocked: [b]}\n"),
        ("[compliance]", "compliance: [GDPR]\n", "compliance: [SOC2]\n"),
        ("[sandbox]", "", "sandbox: {limits: {memory: 64MB}, network: none}\n"),
        ("[sandbox]", "sandbox: {security: standard}\n", "sandbox: {security: high}\n"),
        ("[budget]", "", "budget: {cost: 1, steps: 3}\n"),
        ("[guardrails]", "", "guardrails: [prompt_injection]\n"),
        (
            "[tools.allowed]",
            "tools: {allowed: [{name: a, tables: [x, y]}]}\n",
            "tools: {allowed: [{name: a, tables: [x], confirm: true}]}\n",
        ),
        ("[\"models.*.base_url\"]", "", "models: {primary: {max_tokens: 10}}\n"),
    ] {
        assert_eq!(against(finals, base, child), Vec::<String>::new(), "{child}");
    }
}

#[test]
fn a_single_guardrail_says_for_itself_that_it_is_final() {
    let base = format!(
        "{SCRIPTED}guardrails: [{{name: secrets, action: block, final: true}}, {{name: max_length, max: 5}}]\n"
    );
    let found = shown(&over(&base, "guardrails: [{name: secrets, action: log}, {name: max_length, max: 50}]\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("ABS103 agents/a.ai.yml `log` `guardrails."), "{found:?}");
    let found = shown(&over(&base, "guardrails: [{name: secrets, final: false}]\n"));
    assert!(found[0].starts_with("ABS103"), "{found:?}");
}

#[test]
fn a_guardrail_is_final_by_its_name_whichever_stage_it_stands_on() {
    let base = "guardrails: {post_execution: [{name: secrets, action: block}, {name: max_length, max: 5}]}\n";
    let child = "guardrails: {post_execution: [{name: secrets, action: warn}, {name: max_length, max: 50}]}\n";
    let found = against("[guardrails.secrets]", base, child);
    assert!(found.len() == 1 && found[0].contains("`warn`"), "{found:?}");
}

#[test]
fn bases_of_thousands_of_entries_merge_in_time_that_grows_with_them() {
    let many = |what: &str| (0..20_000).map(|at| format!("  - {{name: {what}{at}}}\n")).collect::<String>();
    let base = format!("{SCRIPTED}tools:\n  blocked: [x]\n  allowed:\n{}", many("a"));
    let child = format!("tools:\n  blocked: [y]\n  allowed:\n{}", many("b"));
    assert_eq!(over(&base, &child).spec.map(|spec| spec.tools.allowed.len()), Some(40_000));
}

#[test]
fn what_is_final_stays_so_down_the_chain() {
    let files = [
        (CHILD, "inherits: ../mid.ai.yml\nbudget: {cost: 3}\n"),
        ("mid.ai.yml", "inherits: ./root.ai.yml\nfinal: []\nbudget: {cost: 1}\n"),
        (
            "root.ai.yml",
            "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\nbudget: {cost: 2}\nfinal: [budget]\n",
        ),
    ];
    assert_eq!(codes(&load_files(&files)), ["ABS103"]);
}

#[test]
fn a_final_path_that_names_nothing_is_an_error() {
    let loaded = load_files(&[(CHILD, &format!("{SCRIPTED}final: [tools.blokced, \"models.*.base_url\"]\n"))]);
    assert_eq!(
        shown(&loaded),
        [
            "ABS104 agents/a.ai.yml `blokced` `tools.blokced` names nothing that a spec has, so nothing would be final; did you mean `blocked`?"
        ]
    );
}

fn in_environment(text: &str, name: &str) -> Loaded {
    let options = LoadOptions { environment: Some(name.into()), ..options() };
    load(&source(&[(CHILD, text)]), &RelPath::new(CHILD).unwrap(), &options)
}

#[test]
fn an_overlay_is_laid_over_where_its_environment_is_chosen() {
    let text = format!(
        "{SCRIPTED}budget: {{steps: 5}}\nguardrails: [secrets]\nenvironments: {{production: {{budget: {{steps: 2}}, guardrails: [{{name: secrets, action: block}}]}}}}\n"
    );
    let spec = in_environment(&text, "production").spec.unwrap();
    assert_eq!((spec.budget.steps, spec.guardrails[0].action), (2, Some(Action::Block)));
    let spec = load_files(&[(CHILD, &text)]).spec.unwrap();
    assert_eq!((spec.budget.steps, spec.guardrails[0].action), (5, None));
    assert!(in_environment(&text, "prod").diagnostics.iter().any(|found| found.code.0 == "ABS093"));
}

#[test]
fn an_overlay_is_under_what_its_own_spec_says_is_final() {
    let text = format!(
        "{SCRIPTED}budget: {{cost: 1}}\nfinal: [budget]\nenvironments: {{production: {{budget: {{cost: 5}}}}}}\n"
    );
    assert_eq!(codes(&in_environment(&text, "production")), ["ABS103"]);
    // Said whether or not that environment is chosen.
    assert_eq!(codes(&load_files(&[(CHILD, &text)])), ["ABS103"]);
}

#[test]
fn an_overlay_that_loosens_what_is_final_is_found_without_being_chosen() {
    let weakened = |files: &[(&str, &str)], environment: Option<&str>| {
        let options = aic_spec::LoadOptions { environment: environment.map(str::to_owned), ..common::options() };
        let loaded = aic_spec::load(&common::source(files), &common::path("a.aicontainer.yml"), &options);
        let found = loaded.diagnostics.iter().filter(|found| found.code.0 == "ABS103");
        found.map(|found| found.span.of(loaded.text(&found.file).unwrap()).to_owned()).collect::<Vec<_>>()
    };
    let text = format!(
        "{SCRIPTED}final: [budget]\nbudget: {{steps: 3}}\nenvironments: {{prod: {{budget: {{steps: 9}}}}, dev: {{budget: {{steps: 2}}}}}}\n"
    );
    let alone = [("a.aicontainer.yml", text.as_str())];
    assert_eq!(weakened(&alone, None), ["9"]);
    assert_eq!(weakened(&alone, Some("dev")), ["9"]);
    assert_eq!(weakened(&alone, Some("prod")), ["9"]);
    let child = "inherits: ./base.aicontainer.yml\nenvironments: {prod: {budget: {steps: 7}}}\n";
    let base = format!("{SCRIPTED}final: [budget]\nbudget: {{steps: 3}}\n");
    let inherited = [("a.aicontainer.yml", child), ("base.aicontainer.yml", base.as_str())];
    assert_eq!(weakened(&inherited, None), ["7"]);
    let fine = format!("{SCRIPTED}budget: {{steps: 3}}\nenvironments: {{prod: {{budget: {{steps: 9}}}}}}\n");
    assert_eq!(weakened(&[("a.aicontainer.yml", fine.as_str())], None), Vec::<String>::new());
}
