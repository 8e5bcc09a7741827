//! The language page sentence by sentence: what it forbids is found, with its code, at its place; what it allows is not.

mod common;

use aic_spec::{FileKind, json_schema};
use common::{load_with, options, path, source};
use std::sync::LazyLock;

const MODEL: &str = "model: {provider: scripted, rules: [{match: {}, reply: {text: hi}}]}\n";

const FILES: [(&str, &str); 3] = [("x.js", "export default () => 1"), ("u.db", ""), ("c.csv", "input\nhi\n")];

/// The findings of a spec that are no notice of what is not enforced: code and the text each stands at.
fn found(text: &str) -> Vec<(String, String)> {
    let text = if text.starts_with("model") { text.to_owned() } else { format!("{MODEL}{text}") };
    let loaded = load_with(&text, &FILES);
    let all = loaded.diagnostics.iter().filter(|found| !matches!(found.code.0, "ABS090" | "ABS091" | "ABS024"));
    all.map(|found| (found.code.0.to_owned(), found.span.of(loaded.text(&found.file).unwrap()).to_owned())).collect()
}

/// What the fix of the first finding that has one makes of the text.
fn mended(text: &str) -> Option<String> {
    let text = format!("{MODEL}{text}");
    let loaded = load_with(&text, &FILES);
    let fix = loaded.diagnostics.iter().find_map(|found| found.fix.clone())?;
    Some(aic_spec::apply(&text, [&fix]).strip_prefix(MODEL)?.to_owned())
}

/// What an engine that is not ours makes of a spec by the JSON Schema: whether it is valid; none where it is no YAML.
fn valid(text: &str) -> Option<bool> {
    static SCHEMA: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::options().build(&json_schema(FileKind::Container)).unwrap());
    let text = if text.starts_with("model") { text.to_owned() } else { format!("{MODEL}{text}") };
    let parsed = aic_spec::parse(&text);
    parsed.errors.is_empty().then_some(())?;
    Some(SCHEMA.is_valid(&parsed.root?.to_json()))
}

/// Mistakes of form, which a JSON Schema can tell as well.
const FORM: [&str; 6] = ["ABS001", "ABS002", "ABS003", "ABS011", "ABS013", "ABS072"];

/// Those of them that it cannot, by the place of the finding: what is missing may come from a base, a key may be a variable
/// of the author's own, some texts are a language of their own or too large a number, and some words are names.
const NO_SCHEMA_CAN: [(&str, &str); 10] = [
    ("ABS003", "{provider: scripted, rules: []}"),
    ("ABS003", "{shell: \"${args.c}\"}"),
    ("ABS003", "{}"),
    ("ABS001", "model"),
    ("ABS001", "inptu"),
    ("ABS072", "["),
    ("ABS072", "primary"),
    ("ABS013", "99999999999999999999d"),
    ("ABS013", "99999999999999999999999"),
    ("ABS013", "99999999999999999999GB"),
];

/// Each text has exactly one finding: this code, at this place. What is wrong in its form the JSON Schema refuses, too.
fn each(cases: &[(&str, &str, &str)]) {
    let taken = cases.iter().filter(|(text, code, _)| FORM.contains(code) && valid(text) == Some(true));
    let taken: Vec<_> = taken.filter(|(_, code, at)| !NO_SCHEMA_CAN.contains(&(code, at))).collect();
    assert!(taken.is_empty(), "the schema takes {taken:#?}");
    let wrong: Vec<_> = cases
        .iter()
        .map(|(text, code, at)| (text, vec![((*code).to_owned(), (*at).to_owned())], found(text)))
        .filter(|(_, wanted, found)| wanted != found)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// None of these has a finding, and the JSON Schema takes them.
fn fine(texts: &[&str]) {
    let refused: Vec<_> = texts.iter().filter(|text| valid(text) == Some(false)).collect();
    assert!(refused.is_empty(), "the schema refuses {refused:#?}");
    let wrong: Vec<_> = texts.iter().map(|text| (text, found(text))).filter(|(_, found)| !found.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn units_are_read_as_the_page_writes_them_and_other_units_say_what_was_meant() {
    fine(&[
        "budget: {time: 300ms, cost: $10}\n",
        "budget: {time: 30d, cost: 0.01}\n",
        "sandbox: {limits: {memory: 64MB, disk: 64MiB}}\n",
        "tests: [{name: a, input: x, min_pass_rate: 10%, expect: [not_blocked]}]\n",
        "guardrails: [{cost_limit: $10/hour}]\n",
    ]);
    each(&[
        ("budget: {time: 5}\n", "ABS014", "5"),
        ("guardrails: [{rate_limit: {window: 60}}]\n", "ABS014", "60"),
        ("budget: {time: 5 minutes}\n", "ABS013", "5 minutes"),
        ("budget: {cost: $10/hour}\n", "ABS013", "$10/hour"),
        ("budget: {time: 99999999999999999999d}\n", "ABS013", "99999999999999999999d"),
        ("budget: {cost: 99999999999999999999999}\n", "ABS013", "99999999999999999999999"),
        ("sandbox: {limits: {file_size: 99999999999999999999GB}}\n", "ABS013", "99999999999999999999GB"),
        ("deployment: {canary: {max_cost_per_request: $1/day}}\n", "ABS013", "$1/day"),
        ("guardrails: [{cost_limit: $10/day}]\n", "ABS042", "$10/day"),
        ("sandbox: {limits: {cpu: 0}}\n", "ABS012", "0"),
        ("sandbox: {limits: {memory: 0MB}}\n", "ABS012", "0MB"),
        ("budget: {time: 0s}\n", "ABS012", "0s"),
    ]);
    for (text, with) in [
        ("budget: {time: 5 minutes}\n", "budget: {time: 5m}\n"),
        ("budget: {time: 2 weeks}\n", "budget: {time: 14d}\n"),
        ("sandbox: {limits: {memory: 64M}}\n", "sandbox: {limits: {memory: 64MB}}\n"),
        ("sandbox: {limits: {memory: 2mib}}\n", "sandbox: {limits: {memory: 2MiB}}\n"),
        ("budget: {cost: 10 USD}\n", "budget: {cost: $10}\n"),
        ("budget: {cost: $10/hour}\n", "budget: {cost: $10}\n"),
        ("deployment: {canary: {steps: [50, 100%]}}\n", "deployment: {canary: {steps: [50%, 100%]}}\n"),
        (
            "tests: [{name: a, input: x, now: 2025-06-01, skip: x}]\n",
            "tests: [{name: a, input: x, now: 2025-06-01T00:00:00Z, skip: x}]\n",
        ),
        ("guardrails: [{rate_limit: {window: 60}}]\n", "guardrails: [{rate_limit: {window: 60s}}]\n"),
    ] {
        assert_eq!(mended(text).as_deref(), Some(with), "{text}");
    }
}

#[test]
fn models_are_named_served_and_reached_as_they_say() {
    each(&[
        ("models: {primary: 5}\n", "ABS022", "5"),
        ("models: {primary: {provider: scripted, rules: []}}\n", "ABS003", "{provider: scripted, rules: []}"),
        ("models: {primary: {provider: ollama, model: x, base_url: \"127.0.0.1:80\"}}\n", "ABS012", "\"127.0.0.1:80\""),
        ("models: {primary: {provider: ollama, model: x, base_url: \"http://${HOST}/\"}}\n", "ABS031", "${HOST}"),
        (
            "models: {primary: {provider: ollama, model: x, base_url: \"http://h:99999/v1\"}}\n",
            "ABS012",
            "\"http://h:99999/v1\"",
        ),
        ("model: {name: gpt-4o, model: gpt-4o-2024-08-06}\n", "ABS017", "name"),
        ("models: {primary: {provider: openai, model: \"${M}\"}}\n", "ABS012", "\"${M}\""),
        ("models: {primary: {provider: ollama, model: x, tool_choice: atuo}}\n", "ABS052", "atuo"),
        (
            "model: gpt-4o-2024-08-06\nmodels: {embedder: {provider: ollama, model: e}}\ncontext: {memory: {type: vector, embedding: embeder}}\n",
            "ABS075",
            "embeder",
        ),
        ("model: gpt-4o-2024-08-06\ndocuments: {h: {files: [\"*.md\"], embedding: nope}}\n", "ABS075", "nope"),
    ]);
    fine(&[
        "model: gpt-4o-2024-08-06\n",
        "models: {primary: {provider: ollama, model: x, base_url: \"http://[::1]:8080/v1?a=b:99999\"}}\n",
        "models: {primary: {provider: ollama, model: x, tool_choice: required, base_url: \"http://${HOST}/\"}}\nprompts: {variables: {HOST: {env: HOST}}}\n",
    ]);
    // The version stands apart: putting another name in its place would join the two.
    let text = "model: {name: gpt-4, version: \"2024-03-01\"}\n";
    let loaded = load_with(text, &[]);
    let unknown = loaded.diagnostics.iter().find(|found| found.code.0 == "ABS028").unwrap();
    assert_eq!(unknown.fix, None);
}

#[test]
fn plain_yaml_traps_get_a_fix_and_nothing_else_is_found_because_of_them() {
    each(&[
        ("prompts: {system: {template: ${INPUT}}}\n", "ABS015", "${INPUT}"),
        ("prompts:\n  system: {{INPUT}}\n", "ABS015", "{{INPUT}}"),
        ("prompts:\n  system: {template: {{ INPUT }}}\n", "ABS015", "{{ INPUT }}"),
        ("tools: {blocked: [*_admin]}\n", "ABS015", "*_admin"),
        ("description: a: b\n", "ABS015", "a: b"),
        ("description: !x y\n", "ABS015", "!x y"),
        ("description: > 5\n", "ABS015", "> 5"),
        ("budget: {cost: $1,000}\n", "ABS015", "$1,000"),
        (
            "guardrails:\n  pre_execution:\n    - {name: a, condition: contains(['x', \"y\"]), action: block}\n",
            "ABS015",
            "contains(['x', \"y\"])",
        ),
        (
            "guardrails:\n  pre_execution:\n    - {name: a, condition: input == \"x: y\"}\n",
            "ABS015",
            "input == \"x: y\"",
        ),
        (
            "guardrails:\n  post_execution:\n    - {name: a, condition: levenshtein(input, output) < 3}\n",
            "ABS015",
            "levenshtein(input, output) < 3",
        ),
        (
            "guardrails:\n  pre_execution:\n    - name: a\n      condition: !has_pii(input)\n",
            "ABS015",
            "!has_pii(input)",
        ),
        (
            "guardrails:\n  pre_execution:\n    - name: a\n      condition: \"x\" in user.roles\n",
            "ABS015",
            "\"x\" in user.roles",
        ),
    ]);
    for text in [
        "prompts: {system: {template: ${INPUT}}}\n",
        "prompts:\n  system: {{INPUT}}\n",
        "tools: {blocked: [*_admin]}\n",
        "guardrails:\n  pre_execution:\n    - {name: a, condition: contains(['x', \"y\"]), action: block}\n",
        "guardrails:\n  post_execution:\n    - {name: a, condition: levenshtein(input, output) < 3}\n",
        "guardrails:\n  pre_execution:\n    - name: a\n      condition: !has_pii(input)\n",
        "guardrails:\n  pre_execution:\n    - name: a\n      condition: input.contains('a') # b: c\n",
    ] {
        let whole = mended(text).unwrap_or_else(|| text.to_owned());
        fine(&[&whole]);
    }
}

#[test]
fn variables_are_filled_where_the_page_says_and_nowhere_else() {
    let tool = |run: &str| {
        format!(
            "tools: {{allowed: [{{name: a, parameters: {{type: object, properties: {{id: {{type: string}}}}}}, run: {run}}}]}}\n"
        )
    };
    each(&[
        ("budget: {cost: \"${CAP}\"}\n", "ABS002", "\"${CAP}\""),
        ("sandbox: {limits: {memory: \"${M}\"}}\n", "ABS002", "\"${M}\""),
        ("tests: [{name: a, input: x, repeat: \"${N}\", expect: [not_blocked]}]\n", "ABS002", "\"${N}\""),
        ("prompts: {variables: {INPUT: x}}\n", "ABS012", "INPUT"),
        ("prompts: {system: \"${A}\", variables: {A: {env: X, from: caller}}}\n", "ABS012", "from"),
        ("prompts: {system: \"${secret:K}\"}\n", "ABS031", "${secret:K}"),
        ("description: \"${secret:K}\"\n", "ABS031", "${secret:K}"),
        (&tool("{http: \"https://x/${args.idd}\"}"), "ABS031", "${args.idd}"),
        (&tool("{http: \"https://x/${NOPE}\"}"), "ABS031", "${NOPE}"),
        (&tool("{http: \"https://x/?k=${secret:K}\"}"), "ABS031", "${secret:K}"),
        (&tool("{http: \"https://x/\", headers: {X: \"${secret:}\"}}"), "ABS031", "${secret:}"),
        (&tool("{command: [x, \"${args.id\"]}"), "ABS032", "${"),
        ("tools: {servers: {s: {url: \"https://x/\", env: {A: \"${args.x}\"}}}}\n", "ABS031", "${args.x}"),
    ]);
    fine(&[
        "tests: [{name: a, input: \"${X}\", expect: [{contains: \"${Y}\"}, {cost: \"${C}\"}]}]\n",
        &tool("{http: \"https://x/${args.id}/${ENV}\", headers: {A: \"${secret:K}\"}}"),
        &tool("{command: [x, \"${args.id}\"], env: {A: \"${secret:K}\"}}"),
    ]);
}

#[test]
fn guardrails_name_what_there_is_and_words_that_there_are() {
    each(&[
        ("guardrails: [{pii_protection: {types: [card, emial]}}]\n", "ABS042", "emial"),
        ("guardrails: [{no_db_mutations: {allow: [SELCT]}}]\n", "ABS042", "SELCT"),
        ("guardrails: [{max_lenght: 5}]\n", "ABS041", "max_lenght"),
        ("guardrails: [{name: my, conditon: 'true'}]\n", "ABS001", "conditon"),
        ("guardrails: [{max_lenght: {max: 5}}]\n", "ABS041", "max_lenght"),
        ("guardrails: {runtime: [{name: g, condition: \"tool.name == 'x' &&\"}]}\n", "ABS040", ""),
        ("guardrails: [{name: \"\", condition: 'true'}]\n", "ABS042", "\"\""),
        ("guardrails: [{nmae: x, condition: 'true'}]\n", "ABS001", "nmae"),
        ("guardrails: [{rate_limit: 5, window: 1m}]\n", "ABS003", "{rate_limit: 5, window: 1m}"),
        ("guardrails: {runtime: [{name: x, condition: json.a == 1}]}\n", "ABS040", "json"),
        ("guardrails: {runtime: [{name: x, condition: error_rate > 1}]}\n", "ABS040", "error_rate"),
        ("deployment: {alerts: [{when: input == 'x', notify: a}]}\n", "ABS040", "input"),
    ]);
    assert_eq!(
        mended("guardrails: [{pii_protection: {types: [card, emial]}}]\n").as_deref(),
        Some("guardrails: [{pii_protection: {types: [card, email]}}]\n")
    );
}

#[test]
fn tools_say_one_way_of_running_and_only_what_belongs_to_it() {
    let tool = |rest: &str| format!("tools: {{allowed: [{{name: a, {rest}}}]}}\n");
    each(&[
        (&tool("permissions: [SELCT], run: {sql: \"sqlite:u.db\"}"), "ABS011", "SELCT"),
        (
            &tool("permissions: [SELECT], run: {sql: \"sqlite:u.db\", statement: DELETE FROM users}"),
            "ABS054",
            "DELETE FROM users",
        ),
        (&tool("run: {sql: \"sqlite:u.db\", statement: SELECT * FORM x}"), "ABS054", "SELECT * FORM x"),
        (&tool("run: {sql: \"sqlite:u.db\", statement: SELECT 1; DROP TABLE x}"), "ABS054", "SELECT 1; DROP TABLE x"),
        (
            &tool(
                "parameters: {properties: {id: {}}}, run: {sql: \"sqlite:u.db\", statement: \"SELECT a FROM t WHERE id = :idd\"}",
            ),
            "ABS075",
            "idd",
        ),
        (&tool("parameters: {type: objct}"), "ABS012", "objct"),
        (&tool("parameters: {type: array}"), "ABS012", "array"),
        (&tool("parameters: {properties: {a: string}}"), "ABS012", "string"),
        (&tool("parameters: {properties: {order_id: {}}, required: [order_di]}"), "ABS012", "order_di"),
        (&tool("parameters: {properties: {to: {}}}, args: {too: {from: [user]}}"), "ABS075", "too"),
        (&tool("run: {scrpt: x.js}"), "ABS001", "scrpt"),
        (&tool("run: {script: x.js, statement: SELECT}"), "ABS054", "statement"),
        (&tool("run: {http: \"file:///etc/passwd\"}"), "ABS012", "\"file:///etc/passwd\""),
        (&tool("run: {http: \"https://x/\", method: FETCH}"), "ABS011", "FETCH"),
        (&tool("run: {shell: \"${args.c}\"}"), "ABS003", "{shell: \"${args.c}\"}"),
        (&tool("run: {command: []}"), "ABS012", "[]"),
        (&tool("run: {script: x.js, network: [example.com]}"), "ABS012", "example.com"),
        (&tool("run: {wasm: none.wasm}"), "ABS060", "none.wasm"),
        ("tools: {servers: {s: {}}}\n", "ABS003", "{}"),
        ("tools: {servers: {s: {command: [x], url: \"https://x/\"}}}\n", "ABS054", "url"),
        ("tools: {blocked: [{patern: \"DROP *\"}]}\n", "ABS001", "patern"),
        ("tools: {blocked: [\"[a-z]*\"]}\n", "ABS053", "\"[a-z]*\""),
    ]);
    fine(&[
        &tool(
            "parameters: {type: object, properties: {id: {type: string}}}, run: {sql: \"sqlite:u.db\", statement: \"SELECT a FROM t WHERE id = :id AND at = '12:30'\"}",
        ),
        &tool("run: {script: x.js, network: [\"api.example.com:443\"], timeout: 2s, memory: 64MB}"),
        "output: {schema: {type: object, properties: {a: {type: [string, 'null']}}}}\n",
    ]);
    assert_eq!(found("output: {format: text, schema: {type: object}}\n"), [("ABS012".into(), "schema".into())]);
}

#[test]
fn tests_ask_something_of_what_there_is_and_expect_something() {
    let test = |rest: &str| {
        format!(
            "tools: {{allowed: [refund]}}\nguardrails: [pii_protection, max_length]\ndocuments: {{handbook: {{files: [\"*.md\"]}}}}\ntests: [{{name: a, {rest}}}]\n"
        )
    };
    let expect = |what: &str| test(&format!("input: x, expect: [{what}]"));
    each(&[
        (&test("input: x, asert: [{contains: y}]"), "ABS001", "asert"),
        (&test("inptu: x, expect: [not_blocked]"), "ABS001", "inptu"),
        (&test("turns: [], expect: [not_blocked]"), "ABS074", "[]"),
        (&test("turns: [{inptu: x}], expect: [not_blocked]"), "ABS001", "inptu"),
        (&test("turns: [{input: x, confirm: {refnd: deny}}], expect: [not_blocked]"), "ABS075", "refnd"),
        (&test("cases: [{inptu: x}], expect: [not_blocked]"), "ABS001", "inptu"),
        (&test("cases: [{vars: {A: x}}], expect: [not_blocked]"), "ABS074", "{vars: {A: x}}"),
        (&test("input: x, matrix: {model: [primary]}, expect: [not_blocked]"), "ABS001", "model"),
        (&test("input: x, matrix: {models: []}, expect: [not_blocked]"), "ABS074", "[]"),
        (&test("input: x, user: {id: a, role: b}, expect: [not_blocked]"), "ABS001", "role"),
        (&test("input: x, tools: {refund: {retrun: 1}}, expect: [not_blocked]"), "ABS001", "retrun"),
        (&expect("{tool_called: {name: refund, args: {amount: {gtt: 3}}}}"), "ABS070", "gtt"),
        (&expect("{json_path: {path: \"$.a[\"}}"), "ABS072", "["),
        (&expect("{json_path: {pth: $.a}}"), "ABS001", "pth"),
        (&expect("{guardrail: {name: pii_protection, action: redcat}}"), "ABS072", "redcat"),
        (&expect("{blocked: {stage: pre}}"), "ABS072", "pre"),
        (&expect("{cites: [handbok]}"), "ABS075", "handbok"),
        (&expect("{retrieved: {document: handbok}}"), "ABS075", "handbok"),
        (&expect("{file: {path: ../x}}"), "ABS061", "../x"),
        (&expect("{judge: {model: primary, rubric: x}}"), "ABS072", "primary"),
        (&expect("{judge: {rubric: x}}"), "ABS075", "{rubric: x}"),
        (&expect("{json_schema: {type: objct}}"), "ABS012", "objct"),
        (&expect("{cost: $1/hour}"), "ABS072", "$1/hour"),
    ]);
    fine(&[
        &test("cases: c.csv, expect: [not_blocked]"),
        &test("input: \"${model}\", matrix: {model: [x, y]}, expect: [not_blocked]"),
        &expect("{json_path: {path: \"$['a b'][0].c\", is: {gt: 3}}}"),
        &expect("{tool_called: {name: refund, args: {amount: {equals: {gtt: 3}}}}}"),
    ]);
}

#[test]
fn messages_and_prompts_are_said_in_one_way() {
    let message = "a message is a map of one key";
    for (text, wanted) in [
        ("prompts: {messages: [{}]}\n", message),
        ("prompts: {messages: [{user: a, system: b}]}\n", message),
        ("prompts: {messages: [{name: a}]}\n", "`name` is no key of a message"),
        ("prompts: {messages: [a]}\n", "takes a map"),
        ("prompts: {messages: [{user: {template: a, file: c.csv}}]}\n", "not both"),
        ("prompts: {messages: [{user: {name: a}}]}\n", "`name` is no key of a prompt"),
        ("prompts: {system: {template: a, file: c.csv}}\n", "not both"),
        ("prompts: {user: {template: a, file: c.csv}}\n", "not both"),
        ("prompts: {variants: {a: {user: {template: a, file: c.csv}}}}\n", "not both"),
        ("tools: {blocked: [{}]}\n", "is missing"),
        ("tools: {blocked: [{pattern: DROP *, tool: a}]}\n", "write two items"),
        ("environments: {a: {version: \"1.0\"}}\n", "not by an overlay"),
    ] {
        let loaded = load_with(&format!("{MODEL}{text}"), &FILES);
        assert!(
            loaded.diagnostics.iter().any(|found| found.message.contains(wanted)),
            "{text}: {:#?}",
            loaded.diagnostics
        );
        assert_eq!(valid(text), Some(false), "the schema takes {text}");
    }
    fine(&[
        "prompts: {messages: [{system: a}, {user: {template: a}}, {assistant: {file: c.csv}}]}\n",
        "prompts: {system: {template: a, file: null}}\n",
        "prompts: {constraints: [a], messages: [{user: a}, {system: b}]}\n",
        "environments: {a: {documents: {h: null}, tools: {servers: {s: null}}, prompts: {variables: {X: null}}}}\n",
        "tools: {blocked: [{pattern: DROP *}, {tool: a*, pattern: null}]}\n",
    ]);
    each(&[("prompts: {constraints: [a], messages: [{user: a}]}\n", "ABS012", "constraints")]);
    // Only where there is something to delete; which a schema cannot tell.
    assert!(found("prompts: {variables: {X: null}}\n").contains(&("ABS002".to_owned(), "null".to_owned())));
}

#[test]
fn rules_of_scripted_models_fill_in_what_they_caught() {
    let rule = |rule: &str| format!("model: {{provider: scripted, rules: [{rule}]}}\ntools: {{allowed: [refund]}}\n");
    each(&[
        (&rule("{match: {}, reply: {}}"), "ABS003", "{}"),
        (&rule("{match: {}, reply: {txt: a}}"), "ABS001", "txt"),
        (&rule("{match: {user: {matches: '(?<id>x)'}}, reply: {text: \"${match.di}\"}}"), "ABS031", "${match.di}"),
        (&rule("{match: {user: x}, reply: {text: \"${result.a}\"}}"), "ABS031", "${result.a}"),
        (&rule("{match: {}, reply: {text: \"${NAME}\"}}"), "ABS031", "${NAME}"),
        (&rule("{match: {tool: refnd}, reply: {text: a}}"), "ABS052", "refnd"),
        (&rule("{match: {}, reply: {text: \"a ${match.\"}}"), "ABS032", "${"),
        (&rule("{match: {user: {matchs: a}}, reply: {text: a}}"), "ABS070", "matchs"),
        (&rule("{match: {}, reply: {text: ab, chunks: [a, c]}}"), "ABS012", "[a, c]"),
    ]);
    fine(&[
        &rule(
            "{match: {tool: refund, user: {matches: '(?<id>x)'}}, reply: {text: \"${match.id} ${result.a}\", chunks: [\"${match.id}\"]}}",
        ),
        &rule("{match: {}, reply: {tool_calls: [{name: unheard_of}]}}"),
        &rule("{match: {}, reply: {error: {reset_after: 2}}}"),
    ]);
}

#[test]
fn overlays_bases_and_final_paths_say_what_they_can() {
    each(&[
        ("environments: {production: {inherits: ./a.ai.yml}}\n", "ABS001", "inherits"),
        ("environments: {production: {environments: {}}}\n", "ABS001", "environments"),
        ("inherits: \"\"\n", "ABS105", "\"\""),
        ("final: [models.*.base_ulr]\n", "ABS104", "base_ulr"),
        ("final: [context.memory.typ]\n", "ABS104", "typ"),
    ]);
    fine(&["final: [guardrails, tools.blocked, sandbox, audit, compliance, \"models.*.base_url\"]\n"]);
}

#[test]
fn a_secret_is_found_wherever_it_hides_and_never_shown() {
    for text in [
        "models: {x: {provider: ollama, model: m, base_url: \"http://me:hunter2hunter2@h/\"}}\n",
        "tools: {allowed: [{name: a, run: {sql: \"postgres://app:hunter2hunter2@db/users\"}}]}\n",
    ] {
        let text = format!("{MODEL}{text}");
        let loaded = load_with(&text, &[]);
        assert!(loaded.diagnostics.iter().any(|found| found.code.0 == "ABS030"), "{text}");
        assert!(loaded.diagnostics.iter().all(|found| !found.message.contains("hunter2")), "{:#?}", loaded.diagnostics);
    }
}

#[test]
fn gdpr_wants_redaction_before_the_log_and_hipaa_a_list_of_hosts() {
    let missing = |text: &str, what: &str| {
        let loaded = load_with(&format!("{MODEL}{text}"), &[]);
        loaded.diagnostics.iter().any(|found| found.code.0 == "ABS080" && found.message.contains(what))
    };
    let before_the_log = "redacted before the log";
    assert!(missing("compliance: [GDPR]\nguardrails: [{name: pii_protection, on: pre_execution}]\n", before_the_log));
    assert!(!missing("compliance: [GDPR]\nguardrails: [pii_protection]\n", before_the_log));
    let http = |host: &str| {
        format!("compliance: [HIPAA]\ntools: {{allowed: [{{name: a, run: {{http: \"https://{host}/x\"}}}}]}}\n")
    };
    assert!(missing(&http("${args.host}"), "allow-list of hosts"));
    assert!(!missing(&http("api.example.com"), "allow-list of hosts"));
}

/// The findings of a workflow but for the notice that it is not run.
fn workflow(text: &str) -> Vec<(String, String)> {
    let files = source(&[("a.compose.ai.yml", text), ("g.ai.yml", MODEL)]);
    let loaded = aic_spec::load(&files, &path("a.compose.ai.yml"), &options());
    let all = loaded.diagnostics.iter().filter(|found| !matches!(found.code.0, "ABS092" | "ABS090"));
    all.map(|found| (found.code.0.to_owned(), found.span.of(text).to_owned())).collect()
}

#[test]
fn services_are_checked_as_the_containers_they_are() {
    let with = |service: &str| format!("services: {{a: {service}}}\nworkflow: [a]\n");
    let scripted = "model: {provider: scripted, rules: [{match: {}, reply: {text: x}}]}";
    for (service, code, at) in [
        (format!("{{{scripted}, guardrails: [pii_protecton]}}"), "ABS041", "pii_protecton"),
        (format!("{{{scripted}, prompts: {{system: \"${{X}}\"}}}}"), "ABS031", "${X}"),
        (format!("{{{scripted}, prompts: {{variables: {{X: y}}}}}}"), "ABS033", "X"),
        (format!("{{{scripted}, spec: g.ai.yml}}"), "ABS095", "model"),
        ("{spec: a.compose.ai.yml}".into(), "ABS095", "a.compose.ai.yml"),
        ("{spec: nope.ai.yml}".into(), "ABS060", "nope.ai.yml"),
        ("{modle: x}".into(), "ABS001", "modle"),
    ] {
        assert_eq!(workflow(&with(&service)), [(code.to_owned(), at.to_owned())], "{service}");
    }
    assert_eq!(workflow(&with("{spec: g.ai.yml, role: Looks}")), []);
}

#[test]
fn steps_wait_for_what_they_use_and_arrows_are_arrows() {
    let with = |rest: &str| {
        format!("services: {{a: {{spec: g.ai.yml}}, b: {{spec: g.ai.yml}}, c: {{spec: g.ai.yml}}}}\n{rest}\n")
    };
    let abs = |at: &str| vec![("ABS095".to_owned(), at.to_owned())];
    for (rest, at) in [
        ("workflow: [a -> b]", "c"),
        ("workflow: [\"a => b -> c\"]", "=>"),
        ("workflow: [\"a -> (b, c\"]", "b"),
        ("workflow: []", "workflow"),
        ("workflow: [{rollback_on_failure: true}]", "workflow"),
        ("workflow: [{step: a}, {step: b, needs: [a], when: \"steps.z.output == 'x'\"}, {step: c}]", "z"),
        ("workflow: [{step: a}, {step: b, needs: [a], input: \"${steps.a.outptu}\"}, {step: c}]", "outptu"),
        ("workflow: [{step: a}, {step: b, input: \"${steps.a.output}\"}, {step: c}]", "a"),
    ] {
        assert_eq!(workflow(&with(rest)), abs(at), "{rest}");
    }
    let when = "workflow: [{step: a}, {step: b, needs: a, when: steps.a.outptu == 'x'}, {step: c}]";
    assert_eq!(workflow(&with(when)), [("ABS040".to_owned(), "outptu".to_owned())], "a slip is one finding");
    for rest in [
        "workflow: [\"[a, b] -> c\"]",
        "workflow: [a → b → c]",
        "workflow: [{step: a}, {step: b, needs: a}, {step: c, needs: b, when: steps.a.outcome == 'completed', input: \"${steps.a.output}\"}]",
    ] {
        assert_eq!(workflow(&with(rest)), [], "{rest}");
    }
    assert_eq!(
        workflow("services: {\"a b\": {spec: g.ai.yml}}\nworkflow: [{step: x, service: a b}]\n"),
        abs("\"a b\"")
    );
    assert_eq!(workflow("services: {a: {spec: g.ai.yml}}\nflow: [a]\n"), [("ABS001".to_owned(), "flow".to_owned())]);
}

#[test]
fn a_slip_is_one_finding_and_says_what_was_meant() {
    let alone = |text: &str| {
        let loaded = aic_spec::load(&source(&[("a.ai.yml", text)]), &path("a.ai.yml"), &options());
        loaded.diagnostics.into_iter().map(|found| (found.code.0, found.help.unwrap_or_default())).collect::<Vec<_>>()
    };
    let codes = |text: &str| alone(text).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes("modle: gpt-4o-2024-08-06\nname: x\n"), ["ABS001"]);
    assert_eq!(codes("inhertis: ./base.ai.yml\nname: x\n"), ["ABS001"]);
    let toml = source(&[("a.aicontainer.toml", "model = \"gpt-4o\nname = \"x\"\n")]);
    let loaded = aic_spec::load(&toml, &path("a.aicontainer.toml"), &options());
    assert_eq!(
        loaded.diagnostics.iter().map(|found| found.code.0).collect::<Vec<_>>(),
        ["ABS005"],
        "it is being written"
    );
    let workflow = alone(&format!("{MODEL}services: {{}}\n"));
    assert!(workflow[0].1.contains("NAME.compose.ai.yml"), "{workflow:?}");
}

#[test]
fn a_slip_beside_a_merge_says_what_was_meant() {
    let text = "models:\n  other: &a {provider: scripted, temperature: 1, rules: [{match: {}, reply: {text: hi}}]}\n  primary:\n    <<: *a\n    temprature: 0\n";
    let loaded = load_with(text, &[]);
    let fix = loaded.diagnostics.iter().find(|found| found.code.0 == "ABS001").unwrap().fix.as_ref().unwrap();
    assert_eq!(fix.edits[0].1, "temperature");
}
