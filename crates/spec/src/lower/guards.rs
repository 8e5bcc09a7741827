//! `guardrails:` and `prompts.user.validation` to definitions; the guard crate says what is wrong with one.

use super::read::{list, texts};
use super::tools::SQL_VERBS;
use crate::Fix;
use crate::codes::{
    BAD_CONDITION, BAD_GUARDRAIL, BARE_NUMBER, DUPLICATE_GUARDRAIL, MISSING_KEY, NOTHING_TO_JUDGE, UNKNOWN_GUARDRAIL,
    UNKNOWN_KEY, UNKNOWN_TOOL, WRONG_TYPE,
};
use crate::cx::{Cx, Doc};
use crate::schema::GUARDRAIL;
use crate::tree::{Kind, Node, Style};
use crate::words::{did_you_mean, nearest, shown};
use aic_base::{Action, Span, Stage};
use aic_guard::{Builtin, Group, Guard, GuardKind, GuardrailDef, ParamKind, Problem, ProblemAt};
use std::collections::{HashMap, HashSet};

/// A definition and the nodes it was read from.
struct Written<'a> {
    def: GuardrailDef,
    node: &'a Node,
    name: &'a Node,
}

pub(super) fn guardrails(
    cx: &mut Cx<'_>,
    doc: &Doc,
    root: &Node,
    tools: &[String],
    inherits: bool,
) -> Vec<GuardrailDef> {
    let validation = root.get("prompts").and_then(|node| node.get("user")).and_then(|node| node.get("validation"));
    let mut listed = vec![(validation, Group::PreExecution)];
    if let Some(node) = root.get("guardrails") {
        match &node.kind {
            Kind::Seq(_) => listed.push((Some(node), Group::Own)),
            _ => listed.extend([
                (node.get("pre_execution"), Group::PreExecution),
                (node.get("runtime"), Group::Runtime),
                (node.get("post_execution"), Group::PostExecution),
            ]),
        }
    }
    let mut written = Vec::new();
    for (items, group) in listed {
        written.extend(items.map(Node::items).unwrap_or_default().iter().filter_map(|item| read(cx, doc, item, group)));
    }
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut defs = Vec::new();
    for guard in written {
        let name = guard.def.name.clone();
        if let Some(first) = seen.get(&name) {
            let message = format!(
                "a guardrail `{}` stands here twice: give this one another name, and say the built-in in `use`",
                shown(&name)
            );
            cx.report(doc.find(DUPLICATE_GUARDRAIL, guard.name.span, message).related(
                &doc.path,
                *first,
                "the first one",
            ));
            continue;
        }
        seen.insert(name, guard.name.span);
        judge(cx, doc, &guard);
        values(cx, doc, &guard);
        if !inherits {
            known_args(cx, doc, root, &guard);
        }
        if !inherits {
            known_tools(cx, doc, &guard, tools);
        }
        defs.push(guard.def);
    }
    defs
}

fn read<'a>(cx: &mut Cx<'_>, doc: &Doc, node: &'a Node, group: Group) -> Option<Written<'a>> {
    if let Some(name) = node.as_str() {
        return Some(Written { def: GuardrailDef::named(name, group), node, name: node });
    }
    if !matches!(node.kind, Kind::Map(_)) {
        // A list or nothing is found by the table; a number or a truth would pass there as a text.
        if node.text().is_some() {
            let message = format!("a guardrail is a name or a map, not {}: nothing would be guarded", node.describe());
            cx.report(doc.find(WRONG_TYPE, node.span, message));
        }
        return None;
    }
    if let Some(name) = node.get("name").filter(|name| !name.is_null()) {
        if name.text() == Some("") {
            let message = "the name of a guardrail is missing: decisions and tests refer to it";
            cx.report(doc.find(BAD_GUARDRAIL, name.span, message));
        }
        let mut def = GuardrailDef::named(name.text()?, group);
        fill(&mut def, node, &mut |node| path(cx, doc, node));
        return Some(Written { def, node, name });
    }
    // `max_length: 1000`, `pii_protection: {action: redact}`: the key is the name.
    if let [entry] = node.entries()
        && GUARDRAIL.key(&entry.key.key_text()).is_none()
    {
        let name = entry.key.text()?;
        let mut def = GuardrailDef::named(name, group);
        match &entry.value.kind {
            Kind::Map(_) => {
                fill(&mut def, &entry.value, &mut |node| path(cx, doc, node));
                return Some(Written { def, node: &entry.value, name: &entry.key });
            }
            Kind::Null | Kind::Bool(true) => {}
            Kind::Bool(false) => {
                let message = format!("a guardrail is not switched off by `false`: remove `{}`", shown(name));
                cx.report(doc.find(WRONG_TYPE, entry.value.span, message));
            }
            _ => {
                def.params.insert(name.to_owned(), entry.value.to_json());
            }
        }
        return Some(Written { def, node, name: &entry.key });
    }
    let builtin = node.entries().iter().find_map(|entry| Builtin::from_name(entry.key.text()?));
    let message = match builtin {
        Some(builtin) => format!(
            "`name` is missing in a guardrail: with other keys beside it, write `name: {}` and its parameters",
            builtin.name()
        ),
        None => "`name` is missing in a guardrail: decisions and tests refer to it".to_owned(),
    };
    let span = crate::check::head(node, &doc.text);
    let misspelt = node.entries().iter().find(|entry| nearest(&entry.key.key_text(), ["name"]).is_some());
    match misspelt {
        Some(entry) => {
            let message =
                format!("`{}` is no key of a guardrail{}", shown(&entry.key.key_text()), did_you_mean(Some("name")));
            cx.report(doc.find(UNKNOWN_KEY, entry.key.span, message).fix(Some(doc.replacing(&entry.key, "name"))));
        }
        None => cx.report(doc.find(MISSING_KEY, span, message)),
    }
    None
}

/// Whether every guardrail has this key.
pub(crate) fn is_common_key(key: &str) -> bool {
    GUARDRAIL.key(key).is_some()
}

/// A guardrail in its long form as a definition; its files are not looked for.
pub(crate) fn definition(node: &Node, group: Group) -> GuardrailDef {
    let mut def = GuardrailDef::named(node.get("name").and_then(Node::text).unwrap_or(""), group);
    fill(&mut def, node, &mut |path| path.as_str().map(str::to_owned));
    def
}

fn fill(def: &mut GuardrailDef, node: &Node, path: &mut dyn FnMut(&Node) -> Option<String>) {
    for entry in node.entries() {
        let (key, value) = (entry.key.key_text(), &entry.value);
        if value.is_null() {
            continue;
        }
        let text = || value.text().map(str::to_owned);
        match &*key {
            "name" => {}
            "use" => def.uses = text(),
            "on" => def.on = texts(value).iter().filter_map(|word| stage(word)).collect(),
            "tools" => def.tools = texts(value),
            "condition" => def.condition = text(),
            "action" => def.action = value.text().and_then(Action::from_word),
            "message" => def.message = text(),
            // As seen from the workspace, where the engine looks it up.
            "script" => def.script = path(value),
            "wasm" => def.wasm = path(value),
            "final" => def.is_final = value.as_bool().unwrap_or(false),
            _ => {
                def.params.insert(key.into_owned(), value.to_json());
            }
        }
    }
}

fn path(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> Option<String> {
    let text = node.as_str()?;
    let there = cx.behaviour_file(doc, node, text, false);
    Some(there.map_or_else(|| text.to_owned(), |path| path.to_string()))
}

fn stage(word: &str) -> Option<Stage> {
    use Stage::{Chunk, ModelCall, PostExecution, PreExecution, ToolCall, ToolResult};
    [PreExecution, ModelCall, ToolCall, ToolResult, Chunk, PostExecution]
        .into_iter()
        .find(|stage| stage.as_str() == word)
}

/// A guardrail at a stage where what it looks at is not.
fn has_something_to_judge(cx: &mut Cx<'_>, doc: &Doc, guard: &Written<'_>, compiled: &Guard) {
    let stages = &compiled.stages;
    let heading = match guard.def.group {
        Group::PreExecution => "pre_execution",
        Group::PostExecution => "post_execution",
        Group::Runtime | Group::Own => "",
    };
    if compiled.builtin == Some(Builtin::NoDbMutations) && !stages.contains(&Stage::ToolCall) {
        let message = "`no_db_mutations` judges the SQL of tool calls, and none is judged here: move it to `runtime`";
        cx.report(doc.find(NOTHING_TO_JUDGE, guard.name.span, message));
    }
    let GuardKind::Condition(condition) = &compiled.kind else { return };
    let Some(node) = guard.node.get("condition") else { return };
    let word = |word: &str| {
        let start = condition.as_str().find(word).unwrap_or(0);
        Span::new(start, start + word.len())
    };
    if condition.names_output() && stages.as_slice() == [Stage::PreExecution] {
        let message = "there is no output yet before the model has answered: move this to `post_execution`";
        cx.report(doc.find_inside(NOTHING_TO_JUDGE, node, word("output"), message));
    }
    if condition.names_tool() && guard.def.on.is_empty() && !heading.is_empty() {
        let message = format!(
            "a condition that names `tool` is judged on tool calls, not under `{heading}`: move it to `runtime`, or say `on`"
        );
        let found = doc.find_inside(NOTHING_TO_JUDGE, node, word("tool"), message);
        cx.report(found.severity(crate::Severity::Warning));
    }
}

fn judge(cx: &mut Cx<'_>, doc: &Doc, guard: &Written<'_>) {
    let problems = match Guard::compile(&guard.def) {
        Ok(compiled) => return has_something_to_judge(cx, doc, guard, &compiled),
        Err(problems) => problems,
    };
    // Where a name is a slip, what stands under it is not known to be wrong; and the other way about, where a key is.
    let slip = problems.iter().any(|problem| matches!(problem.at, ProblemAt::Name) && problem.suggestion.is_some());
    let meant_to_judge =
        |key: &str| guard.node.entry(key).is_some() && nearest(key, ["use", "condition", "script", "wasm"]).is_some();
    let misspelt = |problem: &Problem| matches!(&problem.at, ProblemAt::Param(key) if !slip && meant_to_judge(key));
    let judges = problems.iter().any(misspelt);
    for problem in problems {
        match problem.at {
            ProblemAt::Param(_) if slip => continue,
            ProblemAt::Name if judges => continue,
            _ => {}
        }
        let finding = match &problem.at {
            ProblemAt::Name => {
                doc.find(UNKNOWN_GUARDRAIL, guard.name.span, &*problem.message).fix(meant(doc, guard.name, &problem))
            }
            ProblemAt::Uses => match guard.node.get("use") {
                Some(node) => doc.find(UNKNOWN_GUARDRAIL, node.span, &*problem.message).fix(meant(doc, node, &problem)),
                None => doc.find(UNKNOWN_GUARDRAIL, guard.name.span, &*problem.message),
            },
            ProblemAt::Condition(inside) => {
                let Some(node) = guard.node.get("condition") else { continue };
                // About the condition as a whole: a built-in that takes none.
                if *inside == Span::default() && !guard.def.condition.as_deref().unwrap_or("").is_empty() {
                    cx.report(doc.find(BAD_GUARDRAIL, key_span(guard, "condition"), &*problem.message));
                    continue;
                }
                let fix = problem.suggestion.as_deref().and_then(|meant| doc.replacing_inside(node, *inside, meant));
                doc.find_inside(BAD_CONDITION, node, *inside, &*problem.message).fix(fix)
            }
            ProblemAt::On => doc.find(BAD_GUARDRAIL, key_span(guard, "on"), &*problem.message),
            ProblemAt::Script => doc.find(BAD_GUARDRAIL, key_span(guard, "script"), &*problem.message),
            ProblemAt::Param(name) => param(doc, guard, name, &problem),
        };
        cx.report(finding);
    }
}

/// Values that compile and are worth a word: durations without a unit, verbs that there are not.
fn values(cx: &mut Cx<'_>, doc: &Doc, guard: &Written<'_>) {
    let Some(builtin) = Builtin::from_name(guard.def.uses.as_deref().unwrap_or(&guard.def.name)) else { return };
    for param in builtin.params() {
        let Some(value) = guard.node.get(param.name) else { continue };
        if matches!(param.kind, ParamKind::Duration) && value.as_f64().is_some() {
            let text = value.text().unwrap_or("");
            let message = format!("`{}: {}` counts seconds: write the unit, `{text}s`", param.name, shown(text));
            let written = doc.replacing(value, &format!("{text}s"));
            let fix = Fix { title: format!("Write `{text}s`"), safe: true, ..written };
            cx.report(doc.find(BARE_NUMBER, value.span, message).fix((value.style != Style::Alias).then_some(fix)));
        }
        if builtin == Builtin::NoDbMutations {
            for item in list(value) {
                let Some(verb) = item.text().filter(|verb| !SQL_VERBS.contains(&verb.to_uppercase().as_str())) else {
                    continue;
                };
                let meant = nearest(verb, SQL_VERBS);
                let message = format!("`{}` is no verb of SQL{}", shown(verb), did_you_mean(meant));
                let found = doc.find(BAD_GUARDRAIL, item.span, message);
                cx.report(found.fix(meant.map(|meant| doc.replacing(item, meant))));
            }
        }
    }
}

fn meant(doc: &Doc, node: &Node, problem: &Problem) -> Option<Fix> {
    problem.suggestion.as_deref().map(|meant| doc.replacing(node, meant))
}

fn key_span(guard: &Written<'_>, key: &str) -> Span {
    guard.node.entry(key).map_or(guard.name.span, |entry| entry.key.span)
}

/// The item of a list of words that is none of them, and the one that was meant.
fn bad_word<'n>(builtin: Option<Builtin>, name: &str, value: &'n Node) -> Option<(&'n Node, Option<&'static str>)> {
    let param = builtin?.params().iter().find(|param| param.name == name)?;
    let words = match param.kind {
        ParamKind::ListOf(words) | ParamKind::OneOf(words) => words,
        _ => return None,
    };
    let item = list(value).into_iter().find(|item| item.text().is_none_or(|text| !words.contains(&text)))?;
    Some((item, nearest(item.text().unwrap_or(""), words.iter().copied())))
}

/// A parameter that is unknown may be a misspelled key that every guardrail has.
fn param(doc: &Doc, guard: &Written<'_>, name: &str, problem: &Problem) -> crate::Diagnostic {
    let Some(entry) = guard.node.entry(name) else {
        return doc.find(BAD_GUARDRAIL, guard.name.span, &*problem.message);
    };
    let builtin = Builtin::from_name(guard.def.uses.as_deref().unwrap_or(&guard.def.name));
    let known = builtin.is_some_and(|builtin| builtin.params().iter().any(|param| param.name == name));
    if known || Builtin::from_name(name).is_some() {
        let found = doc.find(BAD_GUARDRAIL, entry.value.span, &*problem.message);
        return match bad_word(builtin, name, &entry.value) {
            Some((item, meant)) => {
                crate::Diagnostic { span: item.span, ..found }.fix(meant.map(|meant| doc.replacing(item, meant)))
            }
            None => found,
        };
    }
    let params = builtin.map(Builtin::params).unwrap_or_default().iter().map(|param| param.name);
    let common = GUARDRAIL.keys().map(|key| key.name).filter(|key| guard.node.get(key).is_none());
    let meant = nearest(name, common.chain(params));
    let message = format!("`{}` is no key of this guardrail{}", shown(name), did_you_mean(meant));
    doc.find(UNKNOWN_KEY, entry.key.span, message).fix(meant.map(|meant| doc.replacing(&entry.key, meant)))
}

/// `tool.args.x` where none of the tools that the guardrail looks at has a parameter `x`.
fn known_args(cx: &mut Cx<'_>, doc: &Doc, root: &Node, guard: &Written<'_>) {
    let Some(condition) = guard.node.get("condition").filter(|_| guard.def.condition.is_some()) else { return };
    let all = root.at(&["tools", "allowed"]).map(Node::items).unwrap_or_default();
    let looks_at = |tool: &&Node| {
        let name = tool.get("name").unwrap_or(tool).text();
        guard.def.tools.is_empty() || name.is_some_and(|name| guard.def.tools.iter().any(|listed| listed == name))
    };
    let mut known = HashSet::new();
    for tool in all.iter().filter(looks_at) {
        // One that does not say all its parameters may have this one.
        let Some(names) = super::tools::properties(tool) else { return };
        known.extend(names);
    }
    // Without any, the tools are somebody else's.
    if all.iter().any(|tool| looks_at(&tool)) {
        let whose = if guard.def.tools.is_empty() { "no tool of this spec" } else { "none of these tools" };
        super::tools::args_are_known(cx, doc, condition, &known, whose);
    }
}

fn known_tools(cx: &mut Cx<'_>, doc: &Doc, guard: &Written<'_>, tools: &[String]) {
    for node in guard.node.get("tools").map(list).unwrap_or_default() {
        let Some(name) = node.text() else { continue };
        if !tools.iter().any(|tool| tool == name) {
            let meant = nearest(name, tools.iter().map(String::as_str));
            let message = format!("the spec has no tool `{}`{}", shown(name), did_you_mean(meant));
            cx.report(doc.find(UNKNOWN_TOOL, node.span, message).fix(meant.map(|meant| doc.replacing(node, meant))));
        }
    }
}
