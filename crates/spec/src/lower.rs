//! The checked tree to the typed spec: short forms become long ones, defaults are filled in, and what only the whole
//! spec can tell is judged. What has the wrong type was reported by the check and is passed over here.

mod behaviour;
mod database;
mod expect;
pub(crate) mod guards;
pub(crate) mod models;
pub(crate) mod prompts;
pub(crate) mod read;
mod schema_form;
pub(crate) mod tools;

pub(crate) use schema_form::TYPES as JSON_TYPES;

use crate::cx::{Cx, Doc};
use crate::digest;
use crate::files::glob;
use crate::inherit::BaseTests;
use crate::rules;
use crate::tree::Node;
use crate::typed::{
    Blocked, Budget, Context, Memory, MemoryKind, OutputSpec, Persistence, Retention, Spec, VectorStore,
};
use aic_base::{Limits, RelPath, Tokens};
use read::{duration, list, money, positive, size, texts};
use std::collections::BTreeMap;

/// What a spec's parts are called, for those that refer to them.
pub(crate) struct Names {
    pub(crate) tools: Vec<String>,
    /// What `tools.blocked` says of tool names: a test may well name one, to prove that it never runs.
    pub(crate) blocked: Vec<aic_guard::NameGlob>,
    pub(crate) models: Vec<String>,
    pub(crate) guardrails: Vec<String>,
    pub(crate) variants: Vec<String>,
    pub(crate) documents: Vec<String>,
    /// Whether a base may bring more of them.
    pub(crate) open: bool,
}

fn blocked_name(blocked: &Blocked) -> Option<aic_guard::NameGlob> {
    match blocked {
        Blocked::Tool(glob) => aic_guard::tool_glob(glob).ok(),
        Blocked::Pattern(_) => None,
    }
}

/// What is wrong with a file of tests that no spec includes.
pub(crate) fn tests_alone(cx: &mut Cx<'_>, file: &Doc, root: &Node) {
    let tests = behaviour::alone(cx, file, root);
    rules::never_alone(cx, &tests);
}

/// The typed spec of a container's tree, and of the tests that its bases bring. `open` says that a base is not in reach.
pub(crate) fn spec(cx: &mut Cx<'_>, doc: &Doc, root: &Node, inherited: &[BaseTests], open: bool) -> Spec {
    let mut models = models::models(cx, doc, root, open);
    let mut prompts = prompts::prompts(cx, doc, root, open);
    let mut tools = tools::tools(cx, doc, root);
    let tool_names: Vec<String> = tools.allowed.iter().map(|tool| tool.name.clone()).collect();
    let guardrails = guards::guardrails(cx, doc, root, &tool_names, open);
    let names = Names {
        tools: tool_names,
        blocked: tools.blocked.iter().filter_map(blocked_name).collect(),
        models: models.named.keys().cloned().collect(),
        guardrails: guardrails.iter().map(|guard| guard.name.clone()).collect(),
        variants: prompts.variants.keys().cloned().collect(),
        documents: root
            .get("documents")
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| entry.key.text().map(str::to_owned))
            .collect(),
        open,
    };
    documents(cx, doc, root);
    alerts(cx, doc, root);
    let tests = behaviour::tests(cx, doc, root, inherited, &names);
    // Findings needed the places in the whole; from here on each is one in its own file.
    models.named.values_mut().chain(&mut models.fallback).for_each(|model| model.span = doc.local(model.span));
    tools.allowed.iter_mut().for_each(|tool| tool.span = doc.local(tool.span));
    prompts.texts_mut().for_each(|text| text.span = doc.local(text.span));
    Spec {
        path: doc.path.clone(),
        name: root.get("name").and_then(Node::text).map_or_else(|| name_of(&doc.path), str::to_owned),
        description: root.get("description").and_then(Node::text).map(str::to_owned),
        models,
        prompts,
        output: output(cx, doc, root),
        guardrails,
        tools,
        limits: limits(root),
        sandbox: tools::sandbox(root),
        budget: budget(root.get("budget")),
        context: context(root),
        personal_data: root.get("audit").and_then(|node| node.get("personal_data")).map(texts).unwrap_or_default(),
        tests,
        // Completed with the digests of files once all are read.
        behaviour: digest::without_tests(root),
        files: BTreeMap::new(),
    }
}

/// The name of a spec that has none: the file's, else the folder's.
fn name_of(path: &RelPath) -> String {
    let file = path.file_name();
    let stem = [".yml", ".yaml", ".toml"].into_iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
    let stem = stem.strip_suffix(".ai").or_else(|| stem.strip_suffix("aicontainer")).unwrap_or(stem).trim_matches('.');
    let folder = path.parent();
    let name = match stem {
        "" | "container" => folder.file_name(),
        stem => stem,
    };
    let slug: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "container".to_owned() } else { slug.to_owned() }
}

fn output(cx: &mut Cx<'_>, doc: &Doc, root: &Node) -> Option<OutputSpec> {
    let node = root.get("output")?;
    let schema = node.get("schema").and_then(|schema| read::json_schema(cx, doc, schema));
    let format = node.get("format").and_then(Node::as_str);
    if let (Some("text"), Some(entry)) = (format, node.entry("schema").filter(|entry| !entry.value.is_null())) {
        let message = "a `schema` is about JSON, and `format` says text: remove one of the two";
        cx.report(doc.find(crate::codes::BAD_VALUE, entry.key.span, message));
    }
    let json = format == Some("json") || schema.is_some();
    Some(OutputSpec { json, schema })
}

fn limits(root: &Node) -> Limits {
    let mut limits = Limits::default();
    let Some(node) = root.get("sandbox").and_then(|node| node.get("limits")) else { return limits };
    let bytes = |key: &str, into: &mut u64| {
        if let Some(bytes) = node.get(key).and_then(size) {
            *into = bytes;
        }
    };
    bytes("memory", &mut limits.memory);
    bytes("file_size", &mut limits.file_size);
    bytes("output", &mut limits.output);
    bytes("disk", &mut limits.disk);
    if let Some(cpu) = node.get("cpu").and_then(Node::as_f64).filter(|cpu| *cpu > 0.0) {
        limits.cpu = cpu;
    }
    if let Some(pids) = node.get("pids").and_then(positive) {
        limits.pids = pids;
    }
    if let Some(files) = node.get("files").and_then(positive) {
        limits.files = files;
    }
    if let Some(timeout) = node.get("timeout").and_then(duration) {
        limits.timeout = timeout;
    }
    limits
}

/// A budget; what it does not say is the default.
fn budget(node: Option<&Node>) -> Budget {
    let Some(node) = node else { return Budget::default() };
    Budget {
        steps: node.get("steps").and_then(positive).unwrap_or(Budget::default().steps),
        cost: node.get("cost").and_then(money),
        tokens: node.get("tokens").and_then(Node::as_i64).and_then(|tokens| u64::try_from(tokens).ok()).map(Tokens),
        time: node.get("time").and_then(duration),
    }
}

fn context(root: &Node) -> Context {
    let Some(node) = root.get("context") else { return Context::default() };
    let retention = node.get("session").and_then(|session| session.get("retention")).or_else(|| node.get("retention"));
    let memory = node.get("memory");
    let kind = memory.and_then(|memory| memory.get("type")).or_else(|| node.get("memory_type"));
    let persistence = node.get("persistence");
    let window = node.get("window").and_then(|window| window.get("max_tokens")).or_else(|| node.get("max_tokens"));
    let session = node.get("session");
    Context {
        max_tokens: window.and_then(Node::as_i64).and_then(|tokens| u64::try_from(tokens).ok()).map(Tokens),
        max_messages: session.and_then(|session| session.get("max_messages")).and_then(positive),
        session_timeout: session.and_then(|session| session.get("timeout")).and_then(duration),
        retention: match retention.and_then(Node::text) {
            Some("none") => Retention::None,
            Some("session") => Retention::Session,
            _ => retention.and_then(duration).map_or(Retention::Session, Retention::For),
        },
        memory: Memory {
            kind: match kind.and_then(Node::text) {
                Some("none") => MemoryKind::None,
                Some("vector") => MemoryKind::Vector,
                _ => MemoryKind::Buffer,
            },
            store: match memory.and_then(|memory| memory.get("provider")).and_then(Node::text) {
                Some("pinecone") => VectorStore::Pinecone,
                Some("qdrant") => VectorStore::Qdrant,
                _ => VectorStore::Sqlite,
            },
            index: memory.and_then(|memory| read::text(memory, "index")),
            embedding: memory.and_then(|memory| read::text(memory, "embedding")),
            url: memory.and_then(|memory| read::text(memory, "url")),
            api_key_env: memory.and_then(|memory| read::text(memory, "api_key_env")),
        },
        persistence: Persistence {
            enabled: persistence.and_then(|node| node.get("enabled")).and_then(Node::as_bool),
            // What is kept is encrypted unless the spec says that it is not.
            encrypted: persistence.is_some_and(|node| read::text(node, "encryption").as_deref() != Some("none")),
            key_env: persistence.and_then(|node| read::text(node, "key_env")),
        },
    }
}

/// Documents are data: watched, and not part of a version.
fn documents(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    for set in root.get("documents").map(Node::entries).unwrap_or_default() {
        for node in set.value.get("files").map(list).unwrap_or_default() {
            if let Some(text) = node.as_str()
                && let Some(pattern) = cx.path(doc, node, text)
            {
                let found = glob(cx.source, &pattern);
                let (there, missing): (Vec<_>, Vec<_>) = found.into_iter().partition(|path| cx.source.has_file(path));
                cx.data.extend(there);
                cx.missing.extend(missing);
            }
        }
    }
}

/// Conditions of alerts are checked although nothing watches them yet.
fn alerts(cx: &mut Cx<'_>, doc: &Doc, root: &Node) {
    let Some(alerts) = root.get("deployment").and_then(|node| node.get("alerts")) else { return };
    for alert in alerts.items() {
        if let Some(when) = alert.get("when") {
            read::condition(cx, doc, when, aic_guard::Place::Alerts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_without_a_name_is_called_like_its_file_or_folder() {
        for (path, name) in [
            ("agents/support.aicontainer.yml", "support"),
            ("agents/.aicontainer.yml", "agents"),
            ("My Agents/aicontainer.yaml", "my-agents"),
            ("x/container.ai.yml", "x"),
            ("x/Refund_Bot.ai.yml", "refund-bot"),
            (".aicontainer.yml", "container"),
        ] {
            assert_eq!(name_of(&RelPath::new(path).unwrap()), name, "{path}");
        }
    }
}
