//! Ways of running: what is read of them, and what is refused before anything runs.

mod common;

use aic_base::Action;
use aic_spec::{Effect, Origin, Run, Server, Severity, Spec, Trust, WorkspaceMode};
use common::load_with;
use std::sync::Arc;

fn spec(tools: &str) -> Arc<Spec> {
    let loaded = load_with(
        &format!("model: {{name: s, provider: scripted, rules: [{{match: {{}}, reply: {{text: x}}}}]}}\n{tools}"),
        &[],
    );
    loaded.spec.clone().unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn errors(tool: &str) -> Vec<String> {
    let loaded = load_with(
        &format!("model: {{name: s, provider: scripted, rules: [{{match: {{}}, reply: {{text: x}}}}]}}\n{tool}"),
        &[],
    );
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| found.message.clone()).collect()
}

#[test]
fn programs_and_servers_get_their_rooms_and_effects() {
    let spec = spec(
        "tools:
  flow: {rule_of_two: block}
  allowed:
    - {name: a, run: {command: [echo, \"${args.x}\"], sandbox: gvisor, env: {K: \"${secret:S}\"}, timeout: 5s, memory: 64MB}}
    - {name: b, run: {shell: \"${args.c}\", allow: [\"git *\"], deny: [\"git push *\"]}}
    - {name: c, run: {mcp: near, tool: t}}
    - {name: d, run: {mcp: far}}
    - {name: e, run: {http: \"https://x.example/*\"}}
    - {name: f, run: {http: \"https://x.example/a\", method: DELETE}, args: {to: {from: user}}}
    - {name: g, run: {command: [curl], network: [\"x.example:443\"]}}
  servers:
    near: {command: [server, /workspace]}
    far: {url: \"https://mcp.example/\", headers: {A: b}, timeout: 9s}
sandbox: {runtime: gvisor, security: high, fallback: fail, chain: [gvisor], workspace: copy}
",
    );
    let tool = |name: &str| spec.tools.allowed.iter().find(|tool| tool.name == name).unwrap();
    let effects: Vec<Effect> = spec.tools.allowed.iter().map(|tool| tool.effect).collect();
    use Effect::{Egress, Read, Write};
    assert_eq!(effects, [Write, Write, Write, Egress, Read, Egress, Egress]);
    let untrusted: Vec<&str> = spec
        .tools
        .allowed
        .iter()
        .filter(|tool| tool.trust == Trust::Untrusted)
        .map(|tool| tool.name.as_str())
        .collect();
    assert_eq!(untrusted, ["d", "e", "f"]);
    let Some(Run::Command(run)) = &tool("a").run else { panic!() };
    assert_eq!(
        (run.room.runtime.as_deref(), run.room.memory, run.room.env.len()),
        (Some("gvisor"), Some(64_000_000), 1)
    );
    assert!(matches!(&tool("f").run, Some(Run::Http(run)) if run.method == "DELETE"));
    assert_eq!(tool("e").parameters["required"][0], "url");
    assert_eq!(tool("f").origins["to"], [Origin::User]);
    assert!(matches!(&spec.tools.servers["far"], Server::Remote { headers, .. } if headers.len() == 1));
    assert!(spec.tools.starts_programs());
    assert_eq!(spec.tools.rule_of_two, Some(Action::Block));
    let sandbox = &spec.sandbox;
    assert_eq!(
        (sandbox.high, sandbox.workspace, sandbox.fallback.as_deref()),
        (true, WorkspaceMode::Copy, Some("fail"))
    );
}

#[test]
fn whom_a_tool_talks_to_and_where_a_secret_stands_is_checked() {
    for (tool, why) in [
        ("run: {http: \"https://${args.host}/\"}", "the host takes no argument"),
        ("run: {http: \"https://*.example/\"}", "the host takes no argument and no `*`"),
        ("run: {http: \"ftp://x.example/\"}", "is no address"),
        ("run: {http: \"https:///x\"}", "is no address"),
        ("run: {http: \"https://u:p@x.example/\"}", "holds no user"),
        ("run: {http: \"https://x.example/${secret:K}\"}", "a secret goes into `headers` and `env` only"),
        (
            "run: {http: \"https://x.example/\", method: POST, body: \"${secret:K}\"}",
            "a secret goes into `headers` and `env` only",
        ),
        ("run: {command: [a, \"${secret:K}\"]}", "a secret goes into `headers` and `env` only"),
        ("run: {command: []}", "names its program first"),
        ("run: {shell: \"a ${secret:K}\"}", "a secret goes into `headers` and `env` only"),
        ("run: {mcp: nobody}", "`tools.servers` has no `nobody`"),
    ] {
        let found = errors(&format!("tools:\n  allowed:\n    - {{name: t, {tool}}}\n"));
        assert!(found.iter().any(|message| message.contains(why)), "{tool}: {found:?}");
    }
    for (server, why) in [
        ("{command: [a], url: \"https://x.example\"}", "remove one of the two"),
        ("{env: {A: b}}", "`command` or `url` is missing"),
        ("{command: []}", "the program is missing"),
        ("{url: \"https://x.example/${secret:K}\"}", "a secret goes into `headers` and `env` only"),
    ] {
        let found = errors(&format!("tools:\n  servers:\n    s: {server}\n"));
        assert!(found.iter().any(|message| message.contains(why)), "{server}: {found:?}");
    }
}

#[test]
fn a_module_reads_and_has_its_room_also_before_somebody_built_it() {
    let tool = |run: &str| {
        let text = format!("tools: {{allowed: [{{name: t, run: {run}}}]}}\n");
        let tools = &spec(&text).tools;
        (tools.allowed[0].effect, tools.allowed[0].run.clone(), tools.starts_programs())
    };
    let (effect, run, programs) =
        tool("{wasm: tools/wc.wasm, stdin: \"${args.text}\", env: {A: b}, timeout: 2s, memory: 8MB}");
    let Some(Run::Wasm(run)) = run else { panic!("{run:?}") };
    assert_eq!((effect, programs, run.path.as_str()), (Effect::Read, false, "tools/wc.wasm"));
    assert_eq!(run.stdin.as_deref(), Some("${args.text}"));
    assert_eq!((run.room.memory, run.room.timeout), (Some(8_000_000), Some(std::time::Duration::from_secs(2))));
    assert_eq!(run.room.env["A"], "b");
}

#[test]
fn what_runs_in_wasm_asks_for_no_other_wall() {
    for kind in ["script: x.js", "wasm: x.wasm"] {
        let tool = |room: &str| format!("tools: {{allowed: [{{name: t, run: {{{kind}, sandbox: {room}}}}}]}}\n");
        let (fine, refused) = (errors(&tool("wasm")), errors(&tool("gvisor")));
        assert!(!fine.iter().any(|error| error.contains("nowhere else")), "{fine:?}");
        assert!(refused.iter().any(|error| error.contains("runs in `wasm` and nowhere else")), "{refused:?}");
    }
}

#[test]
fn a_program_without_network_stays_so_where_the_others_have_one() {
    let spec = spec(
        "tools:
  allowed:
    - {name: a, run: {command: [curl]}}
    - {name: b, run: {command: [ls], network: none}}
    - {name: c, run: {mcp: near}}
    - {name: d, run: {mcp: shut}}
  servers:
    near: {command: [server]}
    shut: {command: [server], network: none}
sandbox: {network: [\"x.example:443\"]}
",
    );
    let effects: Vec<Effect> = spec.tools.allowed.iter().map(|tool| tool.effect).collect();
    assert_eq!(effects, [Effect::Egress, Effect::Write, Effect::Egress, Effect::Write]);
    let rooms = spec.tools.allowed.iter().filter_map(|tool| match &tool.run {
        Some(Run::Command(run)) => Some(run.room.network.clone()),
        _ => None,
    });
    assert_eq!(rooms.collect::<Vec<_>>(), [None, Some(Vec::new())]);
}

#[test]
fn a_model_that_writes_sql_gives_it_as_query() {
    let with = |parameters: &str, more: &str| {
        errors(&format!(
            "tools: {{allowed: [{{name: db, parameters: {parameters}, run: {{sql: 'sqlite:a.db'{more}}}}}]}}\n"
        ))
    };
    let sql = "{type: object, properties: {sql: {type: string}}, required: [sql]}";
    assert!(with(sql, "").iter().any(|said| said.contains("in the parameter `query`")));
    let fixed = "{type: object, properties: {id: {type: integer}}}";
    assert_eq!(with(fixed, ", statement: 'SELECT * FROM users WHERE id = :id'"), Vec::<String>::new());
    for fine in ["{type: object, properties: {query: {type: string}}}", "{type: object}"] {
        assert_eq!(with(fine, ""), Vec::<String>::new());
    }
}
