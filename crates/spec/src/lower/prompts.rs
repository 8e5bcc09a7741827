//! `prompts:` to texts and variables; undefined variables are found here.

use super::read::text;
use crate::codes::{BAD_TEMPLATE, BAD_VALUE, MISSING_KEY, UNDEFINED_VARIABLE};
use crate::cx::{Cx, Doc};
use crate::tree::{Kind, Node};
use crate::typed::{Message, PromptVariant, Prompts, Role, Text, ValueFrom, Variable};
use crate::words::{did_you_mean, nearest, shown};
use crate::{Diagnostic, Fix, Template};
use aic_base::Span;
use indexmap::IndexMap;

/// Variables that every prompt has.
pub(crate) const BUILT_IN: [&str; 5] = ["INPUT", "DATE", "TIME", "CONTEXT", "ENV"];

/// The names of the built-in and the declared variables; none if a base may declare more.
struct Known {
    names: Vec<String>,
    open: bool,
}

pub(super) fn prompts(cx: &mut Cx<'_>, doc: &Doc, root: &Node, inherits: bool) -> Prompts {
    let Some(node) = root.get("prompts") else { return Prompts::default() };
    let variables = variables(cx, doc, node);
    let names = BUILT_IN.iter().map(|name| (*name).to_owned()).chain(variables.keys().cloned()).collect();
    let known = Known { names, open: inherits };
    let mut prompts = Prompts { variables, ..Prompts::default() };
    prompts.system = node.get("system").and_then(|node| prompt(cx, doc, node, &known));
    prompts.user = node.get("user").and_then(|node| prompt(cx, doc, node, &known));
    for node in node.get("constraints").map(Node::items).unwrap_or_default() {
        if let Some(text) = node.text() {
            check(cx, doc, node, text, &known);
            prompts.constraints.push(text.to_owned());
        }
    }
    for node in node.get("messages").map(Node::items).unwrap_or_default() {
        prompts.messages.extend(message(cx, doc, node, &known));
    }
    if let (Some(entry), Some(other)) = (node.entry("messages"), node.entry("system").or_else(|| node.entry("user")))
        && !prompts.messages.is_empty()
        && !other.value.is_null()
        && (other.value.get("validation").is_none() || prompts.user.is_some())
    {
        let message = "`messages` stands in place of `system` and `user`: remove one of the two";
        cx.report(doc.find(BAD_VALUE, entry.key.span, message).related(&doc.path, other.key.span, "the other one"));
    }
    let has_system = prompts.messages.iter().any(|message| message.role == Role::System);
    if let (Some(entry), Some(messages)) = (node.entry("constraints"), node.entry("messages"))
        && !(prompts.messages.is_empty() || has_system || prompts.constraints.is_empty())
    {
        let message = "`constraints` are appended to the system prompt, and these `messages` have none: begin them with `{system: …}`";
        cx.report(doc.find(BAD_VALUE, entry.key.span, message).related(&doc.path, messages.key.span, "the messages"));
    }
    for entry in node.get("variants").map(Node::entries).unwrap_or_default() {
        let Some(name) = entry.key.text() else { continue };
        let variant = match &entry.value.kind {
            Kind::Map(_) => PromptVariant {
                system: entry.value.get("system").and_then(|node| prompt(cx, doc, node, &known)),
                user: entry.value.get("user").and_then(|node| prompt(cx, doc, node, &known)),
            },
            _ => PromptVariant { system: prompt(cx, doc, &entry.value, &known), user: None },
        };
        prompts.variants.insert(name.to_owned(), variant);
    }
    prompts
}

fn message(cx: &mut Cx<'_>, doc: &Doc, node: &Node, known: &Known) -> Option<Message> {
    let [entry] = node.entries() else {
        if matches!(node.kind, Kind::Map(_)) {
            let message = "a message is a map of one key: `system`, `user` or `assistant`";
            cx.report(doc.find(BAD_VALUE, crate::check::head(node, &doc.text), message));
        }
        return None;
    };
    let role = match entry.key.text()? {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    Some(Message { role, text: prompt(cx, doc, &entry.value, known)? })
}

/// A prompt in place, under `template`, or of a file.
fn prompt(cx: &mut Cx<'_>, doc: &Doc, node: &Node, known: &Known) -> Option<Text> {
    if let Some(text) = node.text() {
        check(cx, doc, node, text, known);
        return Some(Text { text: text.to_owned(), file: None, span: node.span });
    }
    if !matches!(node.kind, Kind::Map(_)) {
        return None;
    }
    let (template, file) =
        (node.get("template").filter(|node| !node.is_null()), node.get("file").filter(|node| !node.is_null()));
    if let (Some(_), Some(file)) = (template, file) {
        let message = "a prompt has `template` or `file`, not both: remove one of the two";
        cx.report(doc.find(BAD_VALUE, file.span, message));
    }
    if let Some(text) = template.and_then(|node| node.text()) {
        check(cx, doc, template?, text, known);
        return Some(Text { text: text.to_owned(), file: None, span: template?.span });
    }
    let Some(file) = file else {
        // `user: {validation: …}` and half-written prompts: the default stands.
        if node.get("validation").is_none() && template.is_none() {
            let message = "`template` is missing in a prompt: write the text, or name a `file` that holds it";
            cx.report(doc.find(MISSING_KEY, crate::check::head(node, &doc.text), message));
        }
        return None;
    };
    let path = cx.behaviour_file(doc, file, file.as_str()?, false)?;
    let text = cx.text_of(doc, file, &path)?;
    // Findings are in the prompt's own file; a byte order mark there counts.
    let mark = cx.files.get(&path).map_or(0, |bytes| bytes.len().saturating_sub(text.len()));
    for (code, span, message, meant) in findings(&text, known) {
        let span = span.shifted(mark);
        let fix = meant.map(|meant| Fix::replace(span, &format!("${{{meant}}}")));
        let found = Diagnostic::new(code, &path, span, message).fix(fix).related(
            &doc.path,
            file.span,
            "the file is named here",
        );
        cx.report(found);
    }
    Some(Text { text, file: Some(path), span: file.span })
}

fn check(cx: &mut Cx<'_>, doc: &Doc, node: &Node, text: &str, known: &Known) {
    for (code, span, message, meant) in findings(text, known) {
        let fix = meant.and_then(|meant| doc.replacing_inside(node, span, &format!("${{{meant}}}")));
        cx.report(doc.find_inside(code, node, span, message).fix(fix));
    }
}

/// The most findings of one text: beyond that, more of them help nobody, and each has to be led back to its place.
const MOST_FOUND: usize = 50;

type Found = (crate::Code, Span, String, Option<String>);

fn findings(text: &str, known: &Known) -> Vec<Found> {
    if !text.contains("${") {
        return Vec::new();
    }
    let (template, errors) = Template::parse_strict(text);
    let errors = errors.into_iter().take(MOST_FOUND);
    let mut found: Vec<Found> =
        errors.map(|error| (BAD_TEMPLATE, error.span, error.message.to_owned(), None)).collect();
    for variable in template.variables() {
        let name = variable.name.as_str();
        if name.starts_with("secret:") {
            let message = "a secret never goes into a prompt: `${secret:NAME}` is allowed in `headers` and `env` only";
            found.push((UNDEFINED_VARIABLE, variable.span, message.to_owned(), None));
        } else if !known.open && !known.names.iter().any(|known| known == name) {
            let meant = nearest(name, known.names.iter().map(String::as_str));
            let message = format!(
                "`${{{}}}` is not declared: add it under `prompts.variables`{}",
                shown(name),
                did_you_mean(meant)
            );
            found.push((UNDEFINED_VARIABLE, variable.span, message, meant.map(str::to_owned)));
        }
        if found.len() >= 2 * MOST_FOUND {
            break;
        }
    }
    found
}

fn variables(cx: &mut Cx<'_>, doc: &Doc, node: &Node) -> IndexMap<String, Variable> {
    let mut variables = IndexMap::new();
    for entry in node.get("variables").map(Node::entries).unwrap_or_default() {
        let Some(name) = entry.key.text() else { continue };
        if Template::parse(&format!("${{{name}}}")).variables().next().is_none_or(|variable| variable.name != name) {
            let message = format!("`{}` is no name of a variable: write letters, digits and `_`", shown(name));
            cx.report(doc.find(BAD_VALUE, entry.key.span, message));
            continue;
        }
        if BUILT_IN.contains(&name) && name != "ENV" {
            let message = format!("`{name}` is built in: give the variable another name");
            cx.report(doc.find(BAD_VALUE, entry.key.span, message));
        }
        let value = &entry.value;
        if let (Some(from), Some(env)) = (value.entry("from"), value.entry("env")) {
            let message = "a variable comes from the caller or from the environment: remove one of the two";
            cx.report(doc.find(BAD_VALUE, from.key.span, message).related(&doc.path, env.key.span, "the other one"));
        }
        let variable = match value.text() {
            Some(text) => Variable { from: ValueFrom::Default, default: Some(text.to_owned()), required: false },
            None => {
                let from = match (text(value, "env"), text(value, "from").as_deref()) {
                    (Some(name), _) => ValueFrom::Env(name),
                    (None, Some("caller")) => ValueFrom::Caller,
                    _ => ValueFrom::Default,
                };
                Variable {
                    from,
                    default: text(value, "default"),
                    required: value.get("required").and_then(Node::as_bool).unwrap_or(false),
                }
            }
        };
        variables.insert(name.to_owned(), variable);
    }
    variables
}
