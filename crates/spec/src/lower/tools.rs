//! `tools:` to tools and blocked patterns.

use super::read::{condition, duration, size, text, texts};
use super::schema_form;
use crate::args::named_args;
use crate::codes::{
    ALLOWED_AND_BLOCKED, BAD_PATTERN, BAD_TOOL, BAD_VALUE, DUPLICATE_TOOL, MISSING_KEY, SQL_WITHOUT_TOOL, UNKNOWN_NAME,
    UNKNOWN_WORD,
};
use crate::cx::{Cx, Doc};
use crate::schema::{self, RUN_KINDS};
use crate::tree::{Kind, Node};
use crate::typed::{
    Approver, Blocked, CommandRun, Confirm, Effect, HttpRun, Origin, Room, Run, Sandbox, Server, ShellRun, SqlRun,
    ToolSpec, Tools, Trust, WasmRun, WorkspaceMode,
};
use crate::words::{did_you_mean, nearest, shown};
use aic_base::{Action, Span};
use aic_guard::{BlockedPattern, Dialect, Place, SqlPolicy, judge_statement, tool_glob};
use indexmap::IndexMap;
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// The verbs of SQL that `permissions` can allow.
pub(super) const SQL_VERBS: [&str; 9] = {
    let mut verbs = [""; 9];
    let mut at = 0;
    while at < verbs.len() {
        verbs[at] = schema::SQL_VERBS[at].word;
        at += 1;
    }
    verbs
};

/// Keys of `run` that belong to some ways of running only.
const BELONGS: [(&str, &[&str]); 11] = [
    ("statement", &["sql"]),
    ("method", &["http"]),
    ("headers", &["http"]),
    ("body", &["http"]),
    ("stdin", &["command", "shell", "wasm"]),
    ("env", &["command", "shell", "wasm", "script", "sql"]),
    ("allow", &["shell"]),
    ("deny", &["shell"]),
    ("tool", &["mcp"]),
    ("sandbox", &["command", "shell", "script", "wasm"]),
    ("memory", &["command", "shell", "script", "wasm"]),
];

/// How many tools are compared with each blocked glob; calls are judged against all of them when they run.
const CROSS_CHECKED: usize = 500;

pub(super) fn tools(cx: &mut Cx<'_>, doc: &Doc, root: &Node) -> Tools {
    let Some(node) = root.get("tools") else { return Tools::default() };
    let mut tools = Tools::default();
    let mut seen: HashMap<String, Span> = HashMap::new();
    for item in node.get("allowed").map(Node::items).unwrap_or_default() {
        let Some(mut tool) = tool(cx, doc, item, node) else { continue };
        if item.get("effect").is_none() && tool.effect == Effect::Write && reaches_out(&tool, root, node) {
            tool.effect = Effect::Egress;
        }
        if let Some(first) = seen.get(&tool.name) {
            let message = format!("a tool `{}` stands here twice: remove or rename one of the two", shown(&tool.name));
            cx.report(doc.find(DUPLICATE_TOOL, tool.span, message).related(&doc.path, *first, "the first one"));
            continue;
        }
        seen.insert(tool.name.clone(), tool.span);
        tools.allowed.push(tool);
    }
    for entry in node.get("servers").map(Node::entries).unwrap_or_default() {
        if let (Some(name), Some(server)) = (entry.key.text(), server(cx, doc, &entry.value)) {
            tools.servers.insert(name.to_owned(), server);
        }
    }
    let rule = node.get("flow").and_then(|flow| flow.get("rule_of_two")).and_then(Node::as_str);
    tools.rule_of_two = rule.and_then(Action::from_word);
    for item in node.get("blocked").map(Node::items).unwrap_or_default() {
        tools.blocked.extend(blocked(cx, doc, item, &tools.allowed));
    }
    tools
}

/// Whether a tool is carried out by an MCP server elsewhere.
fn is_remote(run: Option<&Run>, tools: &Node) -> bool {
    let Some(Run::Mcp { server, .. }) = run else { return false };
    tools.get("servers").and_then(|servers| servers.get(server)).is_some_and(|server| server.get("url").is_some())
}

/// Whether a program of this tool's has a network: its own or its server's, else that of the spec's `sandbox`.
fn reaches_out(tool: &ToolSpec, root: &Node, tools: &Node) -> bool {
    let or_everywhere = |own: Option<Vec<String>>| {
        let everywhere = || network(root.get("sandbox").and_then(|sandbox| sandbox.get("network")));
        own.or_else(everywhere).is_some_and(|hosts| !hosts.is_empty())
    };
    match &tool.run {
        Some(Run::Command(CommandRun { room, .. }) | Run::Shell(ShellRun { room, .. })) => {
            or_everywhere(room.network.clone())
        }
        Some(Run::Mcp { server, .. }) => {
            let server = tools.get("servers").and_then(|servers| servers.get(server));
            let elsewhere = server.is_some_and(|server| server.get("url").is_some());
            elsewhere || or_everywhere(server.and_then(|server| network(server.get("network"))))
        }
        _ => false,
    }
}

/// Whether a tool can be called this: what the providers take, and dots.
pub(crate) fn is_tool_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

fn tool(cx: &mut Cx<'_>, doc: &Doc, node: &Node, all: &Node) -> Option<ToolSpec> {
    let name_node = node.get("name").unwrap_or(node);
    let name = name_node.text()?;
    if !is_tool_name(name) {
        let message = format!(
            "`{}` is no name of a tool: write up to 64 letters of ASCII, digits, `_`, `-` and `.`",
            shown(name)
        );
        cx.report(doc.find(BAD_VALUE, name_node.span, message));
    }
    let run_node = node.get("run").filter(|run| matches!(run.kind, Kind::Map(_)));
    let run = run_node.and_then(|run| self::run(cx, doc, run, all));
    let (statement, dialect) = match &run {
        Some(Run::Sql(sql)) => (sql.statement.as_deref(), super::database::dialect(&sql.database)),
        _ => (None, Dialect::Generic),
    };
    let mut permissions: Vec<String> =
        node.get("permissions").map(texts).unwrap_or_default().iter().map(|verb| verb.to_uppercase()).collect();
    if permissions.is_empty() && matches!(run, Some(Run::Sql(_))) {
        // A fixed statement may do what it says; a model that writes SQL may read.
        permissions = statement.map_or_else(|| vec!["SELECT".to_owned()], aic_guard::sql::verbs);
    }
    for key in ["permissions", "tables", "functions"] {
        if let Some(entry) = node.entry(key)
            && run_node.is_some()
            && !matches!(run, Some(Run::Sql(_)) | None)
        {
            let message = format!("`{key}` is about SQL, and this tool runs none: remove it");
            cx.report(doc.find(SQL_WITHOUT_TOOL, entry.key.span, message));
        }
        if let Some(entry) = node.entry(key).filter(|entry| run_node.is_none() && !entry.value.is_null()) {
            let message =
                format!("`{key}` is about SQL, and this tool is carried out by the caller: nothing here enforces it");
            let found = doc.find(SQL_WITHOUT_TOOL, entry.key.span, message);
            cx.report(
                found
                    .severity(crate::Severity::Warning)
                    .help("add `run: {sql: \"sqlite:PATH\"}` where the tool is an SQL database"),
            );
        }
    }
    parameters_fit(cx, doc, node);
    sql_fits(cx, doc, node, &permissions, statement.map(|statement| (statement, dialect)));
    if matches!(run, Some(Run::Sql(_))) && statement.is_none() {
        asks_for_query(cx, doc, node);
    }
    let parameters = match node.get("parameters").map(Node::to_json) {
        Some(parameters @ serde_json::Value::Object(_)) => parameters,
        _ => match (&run, statement) {
            (Some(Run::Sql(_)), None) => json!({
                "type": "object",
                "properties": {"query": {"type": "string", "description": "One SQL statement"}},
                "required": ["query"],
            }),
            (Some(Run::Http(http)), _) if http.url.contains('*') => json!({
                "type": "object",
                "properties": {"url": {"type": "string", "description": format!("An address of the form {}", http.url)}},
                "required": ["url"],
            }),
            _ => json!({"type": "object", "properties": {}}),
        },
    };
    let method = run_node.and_then(|run| text(run, "method"));
    Some(ToolSpec {
        name: name.to_owned(),
        description: text(node, "description").unwrap_or_default(),
        parameters,
        effect: match node.get("effect").and_then(Node::as_str) {
            Some("read") => Effect::Read,
            Some("write") => Effect::Write,
            Some("egress") => Effect::Egress,
            _ => default_effect(run.as_ref(), run_node, &permissions, method.as_deref()),
        },
        confirm: confirm(cx, doc, node),
        trust: match node.get("trust").and_then(Node::as_str) {
            Some("untrusted") => Trust::Untrusted,
            Some("trusted") => Trust::Trusted,
            // What comes from elsewhere may hold anybody's instructions.
            _ if run_node.is_some_and(|run| run.get("http").is_some()) => Trust::Untrusted,
            _ if is_remote(run.as_ref(), all) => Trust::Untrusted,
            _ => Trust::Trusted,
        },
        permissions,
        tables: node.get("tables").filter(|node| !node.is_null()).map(texts),
        functions: node.get("functions").filter(|node| !node.is_null()).map(texts),
        origins: origins(node),
        run,
        span: name_node.span,
    })
}

/// The parameters are the JSON Schema of a map, and what `args` says is about them.
fn parameters_fit(cx: &mut Cx<'_>, doc: &Doc, tool: &Node) {
    let Some(schema) = tool.get("parameters").filter(|schema| matches!(schema.kind, Kind::Map(_))) else { return };
    schema_form::check_node(cx, doc, schema);
    if let Some(kind) = schema
        .get("type")
        .filter(|kind| kind.text().is_some_and(|kind| kind != "object" && schema_form::TYPES.contains(&kind)))
    {
        let message = "the parameters of a tool are a map: write `type: object`, and each parameter under `properties`";
        cx.report(doc.find(BAD_VALUE, kind.span, message));
    }
    let Some(names) = properties(tool) else { return };
    for entry in tool.get("args").map(Node::entries).unwrap_or_default() {
        let name = entry.key.key_text();
        if !names.contains(&&*name) {
            let meant = cx.guess(&name, names.iter().copied());
            let message = format!("the tool has no parameter `{}`{}", shown(&name), did_you_mean(meant));
            let found = doc.find(UNKNOWN_NAME, entry.key.span, message);
            cx.report(found.fix(meant.map(|meant| doc.replacing(&entry.key, meant))));
        }
    }
}

/// The names of a tool's parameters, where it says them all.
pub(crate) fn properties(tool: &Node) -> Option<HashSet<&str>> {
    let schema = tool.get("parameters")?;
    let open = schema.get("additionalProperties").is_some_and(|more| more.as_bool() != Some(false));
    let composed = ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(key).is_some());
    let entries = schema.get("properties").filter(|_| !open && !composed)?.entries();
    Some(entries.iter().filter_map(|entry| entry.key.text()).collect())
}

/// `tool.args.x` of a condition, where there is no parameter `x`: it would be false, or fail, on every call.
pub(super) fn args_are_known(cx: &mut Cx<'_>, doc: &Doc, condition: &Node, known: &HashSet<&str>, whose: &str) {
    let Some(text) = condition.as_str() else { return };
    for (name, inside) in named_args(text).into_iter().filter(|(name, _)| !known.contains(name)) {
        let meant = cx.guess(name, known.iter().copied());
        let has = if whose.starts_with("no") { "has" } else { "has no" };
        let a = if whose.starts_with("no") { "a " } else { "" };
        let message = format!("{whose} {has} {a}parameter `{}`{}", shown(name), did_you_mean(meant));
        let fix = meant.and_then(|meant| doc.replacing_inside(condition, inside, meant));
        cx.report(doc.find_inside(UNKNOWN_NAME, condition, inside, message).fix(fix));
    }
}

/// A model that writes SQL gives it in the parameter `query`: under another name every call would be denied.
fn asks_for_query(cx: &mut Cx<'_>, doc: &Doc, tool: &Node) {
    let (Some(schema), Some(names)) = (tool.get("parameters"), properties(tool)) else { return };
    if names.contains("query") {
        return;
    }
    let message =
        "the statement comes in the parameter `query`, and there is none: call it so, or write `run.statement`";
    let only = match schema.get("properties").map(Node::entries).unwrap_or_default() {
        [only] => only.key.span,
        _ => schema.span,
    };
    cx.report(doc.find(BAD_TOOL, only, message));
}

/// Verbs that there are, and a fixed statement that its own tool would let through.
fn sql_fits(cx: &mut Cx<'_>, doc: &Doc, tool: &Node, permissions: &[String], statement: Option<(&str, Dialect)>) {
    let mut known = true;
    for node in tool.get("permissions").map(Node::items).unwrap_or_default() {
        let Some(verb) = node.text().filter(|verb| !SQL_VERBS.contains(&verb.to_uppercase().as_str())) else {
            continue;
        };
        known = false;
        let meant = nearest(verb, SQL_VERBS);
        let message = format!(
            "`{}` is none of the verbs that can be allowed ({}){}",
            shown(verb),
            SQL_VERBS.join(", "),
            did_you_mean(meant)
        );
        let found = doc.find(UNKNOWN_WORD, node.span, message);
        cx.report(found.fix(meant.map(|meant| doc.replacing(node, meant))));
    }
    let node = tool.at(&["run", "statement"]);
    let (Some((sql, dialect)), Some(node), true) = (statement, node, known) else { return };
    let list = |key: &str| tool.get(key).filter(|node| !node.is_null()).map(texts);
    let policy = SqlPolicy { verbs: permissions.to_vec(), tables: list("tables"), functions: list("functions") };
    if let Err(denied) = judge_statement(sql, &policy, dialect) {
        let message = format!("this tool may not run its own statement: {}", denied.reason);
        cx.report(doc.find(BAD_TOOL, node.span, message));
        return;
    }
    let Some(names) = properties(tool) else { return };
    for (name, inside) in bound(sql) {
        if !names.contains(&name) {
            let meant = cx.guess(name, names.iter().copied());
            let message = format!("the tool has no parameter `{}` to bind{}", shown(name), did_you_mean(meant));
            let fix = meant.and_then(|meant| doc.replacing_inside(node, inside, meant));
            cx.report(doc.find_inside(UNKNOWN_NAME, node, inside, message).fix(fix));
        }
    }
}

/// The `:names` of a statement, outside of its strings.
pub(crate) fn bound(sql: &str) -> Vec<(&str, Span)> {
    let mut found = Vec::new();
    let mut quote = None;
    for (at, c) in sql.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, ':') if !sql[..at].ends_with(|c: char| c == ':' || c.is_alphanumeric()) => {
                let rest = &sql[at + 1..];
                let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                if rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                    found.push((&rest[..len], Span::new(at + 1, at + 1 + len)));
                }
            }
            _ => {}
        }
    }
    found
}

fn run(cx: &mut Cx<'_>, doc: &Doc, node: &Node, tools: &Node) -> Option<Run> {
    let kinds: Vec<&str> =
        RUN_KINDS.into_iter().filter(|kind| node.get(kind).is_some_and(|value| !value.is_null())).collect();
    let kind = match kinds.as_slice() {
        [] => {
            let message = format!(
                "`run` says no way of running: one of {} is missing",
                RUN_KINDS.map(|kind| format!("`{kind}`")).join(", ")
            );
            let found = doc.find(MISSING_KEY, crate::check::head(node, &doc.text), message);
            cx.missing(doc, node, &RUN_KINDS, found);
            return None;
        }
        [kind] => *kind,
        [first, second, ..] => {
            let span = node.entry(second).map_or(node.span, |entry| entry.key.span);
            cx.report(doc.find(
                BAD_TOOL,
                span,
                format!("a tool runs in one way, not by `{first}` and by `{second}`: remove one of the two"),
            ));
            first
        }
    };
    for (key, of) in BELONGS.iter().filter(|(_, of)| !of.contains(&kind)) {
        if let Some(entry) = node.entry(key).filter(|entry| !entry.value.is_null()) {
            let of = of.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
            let message = format!("`{key}` is about {of}, and this tool runs by `{kind}`: remove it");
            cx.report(doc.find(BAD_TOOL, entry.key.span, message));
        }
    }
    if let (Some(word), "script" | "wasm") = (node.get("sandbox"), kind)
        && word.text().is_some_and(|word| !matches!(word, "auto" | "wasm"))
    {
        let message = format!("what runs by `{kind}` runs in `wasm` and nowhere else: remove `sandbox` here");
        cx.report(doc.find(BAD_TOOL, word.span, message));
    }
    if let Some(list) = node.get("command").filter(|list| matches!(&list.kind, Kind::Seq(items) if items.is_empty())) {
        cx.report(doc.find(BAD_VALUE, list.span, "a command names its program first: `[git, status]`"));
    }
    if kind == "shell"
        && node
            .get("allow")
            .is_none_or(|allow| allow.is_null() || matches!(&allow.kind, Kind::Seq(items) if items.is_empty()))
    {
        let message = "`allow` is missing: no command would match it, and each would be denied";
        let found = doc.find(MISSING_KEY, crate::check::head(node, &doc.text), message);
        cx.missing(doc, node, &["allow"], found);
    }
    match kind {
        "sql" => Some(Run::Sql(SqlRun {
            database: super::database::database(cx, doc, node)?,
            statement: text(node, "statement"),
        })),
        "script" => {
            let script = node.get("script")?;
            let path = cx.behaviour_file(doc, script, script.as_str()?, false)?;
            Some(Run::Script {
                path,
                timeout: node.get("timeout").and_then(duration),
                memory: node.get("memory").and_then(size),
            })
        }
        "mcp" => {
            let server = node.get("mcp")?;
            let names: Vec<&str> = tools
                .get("servers")
                .map(Node::entries)
                .unwrap_or_default()
                .iter()
                .filter_map(|entry| entry.key.text())
                .collect();
            if let Some(name) = server.text()
                && !names.contains(&name)
            {
                let meant = nearest(name, names);
                let message = format!("`tools.servers` has no `{}`{}", shown(name), did_you_mean(meant));
                cx.report(
                    doc.find(UNKNOWN_NAME, server.span, message).fix(meant.map(|meant| doc.replacing(server, meant))),
                );
            }
            Some(Run::Mcp { server: server.text()?.to_owned(), tool: text(node, "tool") })
        }
        "http" => http(cx, doc, node).map(Run::Http),
        "command" => {
            let argv = texts(node.get("command")?);
            if argv.is_empty() {
                return None;
            }
            Some(Run::Command(CommandRun { argv, stdin: text(node, "stdin"), room: room(node) }))
        }
        "shell" => Some(Run::Shell(ShellRun {
            line: text(node, "shell")?,
            allow: node.get("allow").map(texts).unwrap_or_default(),
            deny: node.get("deny").map(texts).unwrap_or_default(),
            room: room(node),
        })),
        "wasm" => {
            let module = node.get("wasm")?;
            let text = module.as_str()?;
            // One that is not there yet is somebody's to build: a call says so.
            let path = cx
                .behaviour_file(doc, module, text, false)
                .or_else(|| doc.file_of(module.span).parent().join(text).ok())?;
            Some(Run::Wasm(WasmRun { path, stdin: self::text(node, "stdin"), room: room(node) }))
        }
        _ => None,
    }
}

fn http(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> Option<HttpRun> {
    let address = node.get("http")?;
    let url = address.text()?;
    // That it is an address at all is the table's to say.
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if authority.contains("${args.") || authority.contains('*') {
        let message = "whom a tool talks to is the spec's to say: the host takes no argument and no `*`";
        cx.report(doc.find(BAD_TOOL, address.span, message));
    } else if authority.contains('@') {
        let message = "an address holds no user and no password: put `Authorization` under `headers`";
        cx.report(doc.find(BAD_TOOL, address.span, message));
    }
    Some(HttpRun {
        url: url.to_owned(),
        method: text(node, "method").unwrap_or_else(|| "GET".into()).to_uppercase(),
        headers: named(node.get("headers")),
        body: node.get("body").filter(|body| !body.is_null()).map(Node::to_json),
        timeout: node.get("timeout").and_then(duration),
    })
}

fn named(node: Option<&Node>) -> IndexMap<String, String> {
    let entries = node.map(Node::entries).unwrap_or_default().iter();
    entries.filter_map(|entry| Some((entry.key.text()?.to_owned(), entry.value.text()?.to_owned()))).collect()
}

/// `none`, which is an empty list, or a list of `host:port`; nothing where nothing is said.
fn network(node: Option<&Node>) -> Option<Vec<String>> {
    let node = node.filter(|node| !node.is_null())?;
    Some(if node.as_str() == Some("none") { Vec::new() } else { texts(node) })
}

fn room(node: &Node) -> Room {
    Room {
        runtime: text(node, "sandbox").filter(|word| word != "auto"),
        env: named(node.get("env")),
        network: network(node.get("network")),
        timeout: node.get("timeout").and_then(duration),
        memory: node.get("memory").and_then(size),
    }
}

/// A server is started by a command, or is elsewhere.
fn server(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> Option<Server> {
    if !matches!(node.kind, Kind::Map(_)) {
        return None;
    }
    let says = |key: &str| node.entry(key).filter(|entry| !entry.value.is_null());
    match (says("command"), says("url")) {
        (Some(entry), None) => {
            let command = &entry.value;
            let argv = texts(command);
            if argv.is_empty() {
                cx.report(doc.find(BAD_TOOL, command.span, "`command` is empty: the program is missing"));
                return None;
            }
            Some(Server::Program { argv, room: room(node) })
        }
        (None, Some(entry)) => {
            let url = &entry.value;
            let headers = named(node.get("headers"));
            Some(Server::Remote {
                url: url.text()?.to_owned(),
                headers,
                timeout: node.get("timeout").and_then(duration),
            })
        }
        (Some(_), Some(url)) => {
            let message = "a server is started by its `command` or is elsewhere at a `url`: remove one of the two";
            cx.report(doc.find(BAD_TOOL, url.key.span, message));
            None
        }
        (None, None) => {
            let message = "`command` or `url` is missing: say how the server is started, or where it is";
            let found = doc.find(MISSING_KEY, crate::check::head(node, &doc.text), message);
            cx.missing(doc, node, &["command", "url"], found);
            None
        }
    }
}

fn origins(node: &Node) -> IndexMap<String, Vec<Origin>> {
    let entries = node.get("args").map(Node::entries).unwrap_or_default().iter();
    entries
        .filter_map(|entry| {
            let words = texts(entry.value.get("from")?);
            let known = [Origin::User, Origin::Spec, Origin::Tool, Origin::Model];
            let origins = known.into_iter().filter(|origin| words.iter().any(|word| word == origin.as_str()));
            Some((entry.key.text()?.to_owned(), origins.collect()))
        })
        .collect()
}

/// `sandbox`, but for its limits.
pub(super) fn sandbox(root: &Node) -> Sandbox {
    let Some(node) = root.get("sandbox") else { return Sandbox::default() };
    Sandbox {
        runtime: text(node, "runtime").filter(|word| word != "auto"),
        high: node.get("security").and_then(Node::as_str) == Some("high"),
        fallback: text(node, "fallback"),
        chain: node.get("chain").map(texts).unwrap_or_default(),
        rootfs: text(node, "rootfs").filter(|rootfs| rootfs != "host"),
        network: network(node.get("network")).unwrap_or_default(),
        workspace: match node.get("workspace").and_then(Node::as_str) {
            Some("read_only") => WorkspaceMode::ReadOnly,
            Some("copy") => WorkspaceMode::Copy,
            Some("read_write") => WorkspaceMode::ReadWrite,
            _ => WorkspaceMode::None,
        },
    }
}

/// The effect of a tool that says none, by the kind of its `run`.
fn default_effect(run: Option<&Run>, node: Option<&Node>, permissions: &[String], method: Option<&str>) -> Effect {
    let has_network = network(node.and_then(|node| node.get("network"))).is_some_and(|hosts| !hosts.is_empty());
    match run {
        Some(Run::Sql(_)) if permissions.iter().all(|verb| verb == "SELECT") => Effect::Read,
        Some(Run::Sql(_)) => Effect::Write,
        Some(Run::Script { .. } | Run::Wasm(_)) if !has_network => Effect::Read,
        Some(Run::Script { .. } | Run::Wasm(_)) => Effect::Egress,
        Some(Run::Http(_)) if method.is_none_or(|method| method.eq_ignore_ascii_case("get")) => Effect::Read,
        Some(Run::Http(_)) => Effect::Egress,
        Some(Run::Command(_) | Run::Shell(_) | Run::Mcp { .. }) if has_network => Effect::Egress,
        Some(Run::Command(_) | Run::Shell(_) | Run::Mcp { .. }) => Effect::Write,
        // What the caller does with a call is not known here.
        None => Effect::Write,
    }
}

fn confirm(cx: &mut Cx<'_>, doc: &Doc, tool: &Node) -> Option<Confirm> {
    let node = tool.get("confirm")?;
    match &node.kind {
        Kind::Bool(true) => Some(Confirm { when: None, by: Approver::User, expires: None }),
        Kind::Map(_) => {
            if let Some(when) = node.get("when") {
                condition(cx, doc, when, Place::Guard);
                if let Some(names) = properties(tool) {
                    args_are_known(cx, doc, when, &names, "the tool");
                }
            }
            Some(Confirm {
                when: text(node, "when"),
                by: if node.get("by").and_then(Node::as_str) == Some("operator") {
                    Approver::Operator
                } else {
                    Approver::User
                },
                expires: node.get("expires").and_then(duration),
            })
        }
        _ => None,
    }
}

fn blocked(cx: &mut Cx<'_>, doc: &Doc, node: &Node, allowed: &[ToolSpec]) -> Option<Blocked> {
    let (pattern, tool) = match &node.kind {
        Kind::Map(_) => (node.get("pattern"), node.get("tool")),
        _ => (None, Some(node)),
    };
    match (pattern.and_then(Node::text), tool.and_then(Node::text)) {
        (Some(text), None) => {
            if let Err(problem) = BlockedPattern::parse(text) {
                let node = pattern?;
                let first = Span::new(0, text.find(char::is_whitespace).unwrap_or(text.len()));
                let meant = problem.suggestion.map(|meant| meant.to_uppercase());
                let hint = did_you_mean(meant.as_deref());
                let fix = meant.and_then(|meant| doc.replacing_inside(node, first, &meant));
                cx.report(doc.find(BAD_PATTERN, node.span, format!("{}{hint}", problem.message)).fix(fix));
            }
            Some(Blocked::Pattern(text.to_owned()))
        }
        (None, Some(text)) => {
            match tool_glob(text) {
                Err(problem) => cx.report(doc.find(BAD_PATTERN, tool?.span, problem.message)),
                Ok(_)
                    if text.contains(|c: char| {
                        !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '*' | '?' | '/' | ':')
                    }) =>
                {
                    let message = format!(
                        "no tool's name can match `{}`: a glob is letters, digits, `_`, `-`, `.`, `*` and `?`",
                        shown(text)
                    );
                    cx.report(doc.find(BAD_PATTERN, tool?.span, message));
                }
                Ok(glob) => {
                    for stopped in allowed.iter().take(CROSS_CHECKED).filter(|allowed| glob.matches(&allowed.name)) {
                        let message = format!(
                            "the tool `{}` is allowed, and `{}` blocks every call of it: remove one of the two",
                            stopped.name,
                            shown(text)
                        );
                        cx.report(doc.find(ALLOWED_AND_BLOCKED, tool?.span, message).related(
                            &doc.path,
                            stopped.span,
                            "it is allowed here",
                        ));
                    }
                }
            }
            Some(Blocked::Tool(text.to_owned()))
        }
        (Some(_), Some(_)) => {
            let message = "`pattern` is about SQL and `tool` about names: write two items";
            cx.report(doc.find(BAD_PATTERN, crate::check::head(node, &doc.text), message));
            None
        }
        (None, None) => {
            if matches!(node.kind, Kind::Map(_)) {
                let message = "`pattern` or `tool` is missing: say which SQL or which tool is blocked";
                let found = doc.find(MISSING_KEY, crate::check::head(node, &doc.text), message);
                cx.missing(doc, node, &["pattern", "tool"], found);
            }
            None
        }
    }
}
