//! The names of a document: where each is declared, given a value, or used. Definition, references and renaming read this
//! one list (`navigate.rs`).

use super::cel;
use super::host::Doc;
use super::inside;
use super::names::Declared;
use super::place::{Place, Spot, Step, visit};
use super::refs::{self, Names};
use crate::args::named_args;
use crate::files::file_kind;
use crate::lower::read::list;
use crate::lower::tools::bound;
use crate::schema::{GUARDRAIL, Shape};
use crate::tree::{Node, place_in_scalar};
use crate::{Template, TemplateVariable};
use aic_base::{RelPath, Span, matcher::is_operator};

/// How many steps finding the names inside of one text may take; beyond it, the rest of them is left out.
const MAX_STEPS: usize = 20_000_000;

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolKind {
    /// A tool.
    Tool,
    /// A named model.
    Model,
    /// A guardrail.
    Guardrail,
    /// A variant of the prompts.
    Variant,
    /// A variable.
    Variable,
    /// A set of documents.
    Document,
    /// An MCP server.
    Server,
    /// A service of a workflow.
    Service,
    /// A behaviour test.
    Test,
    /// A parameter of a tool.
    Parameter,
}

impl SymbolKind {
    /// In words: `tool`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Model => "model",
            Self::Guardrail => "guardrail",
            Self::Variant => "variant",
            Self::Variable => "variable",
            Self::Document => "set of documents",
            Self::Server => "server",
            Self::Service => "service",
            Self::Test => "test",
            Self::Parameter => "parameter",
        }
    }

    const fn of(declared: Declared) -> Self {
        match declared {
            Declared::Tool => Self::Tool,
            Declared::Model => Self::Model,
            Declared::Guardrail => Self::Guardrail,
            Declared::Variant => Self::Variant,
            Declared::Variable => Self::Variable,
            Declared::Document => Self::Document,
            Declared::Server => Self::Server,
            Declared::Service => Self::Service,
        }
    }
}

/// Something that has a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    /// What it is.
    pub kind: SymbolKind,
    /// Its name.
    pub name: String,
    /// The tool, for a parameter.
    pub of: Option<String>,
}

/// What a place does with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsageRole {
    /// It says what the name stands for.
    Declares,
    /// It gives it a value: `vars` of a test.
    Gives,
    /// It uses it.
    Uses,
}

/// A place where a name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The file.
    pub path: RelPath,
    /// The bytes of the name; empty at the beginning for a file as a whole.
    pub span: Span,
    /// What the place does with it.
    pub role: UsageRole,
}

/// Why something cannot be renamed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// A place of one document where a name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) symbol: Symbol,
    pub(super) span: Span,
    pub(super) role: UsageRole,
}

/// The names of a document, by place.
pub(super) fn occurrences(doc: &Doc) -> Vec<Occurrence> {
    let mut finder = Finder { doc, found: Vec::new() };
    match doc.root() {
        Some(root) => visit(&doc.path, root, &mut |place| finder.see(place)),
        None if file_kind(doc.path.file_name()).is_none() => {
            for variable in Template::parse(&doc.text).variables() {
                if is_plain(&variable.name) {
                    finder.add(SymbolKind::Variable, &variable.name, name_of(&doc.text, variable), UsageRole::Uses);
                }
            }
        }
        None => {}
    }
    let mut found = finder.found;
    found.sort_by_key(|one| (one.span.start, one.span.end, one.role));
    found
}

struct Finder<'a> {
    doc: &'a Doc,
    found: Vec<Occurrence>,
}

impl Finder<'_> {
    fn see(&mut self, place: &Place<'_>) {
        match place.spot {
            Spot::Key { map, entry } => self.key(place, map, &entry.key),
            Spot::Value(node) => self.value(place, node),
        }
    }

    fn add(&mut self, kind: SymbolKind, name: &str, span: Span, role: UsageRole) {
        let symbol = Symbol { kind, name: name.to_owned(), of: None };
        self.found.push(Occurrence { symbol, span, role });
    }

    fn parameter(&mut self, tool: &str, name: &str, span: Span, role: UsageRole) {
        let symbol = Symbol { kind: SymbolKind::Parameter, name: name.to_owned(), of: Some(tool.to_owned()) };
        self.found.push(Occurrence { symbol, span, role });
    }

    /// The bytes of a scalar without its quotes.
    fn inner(&self, node: &Node) -> Span {
        match node.as_str() {
            Some(text) => place_in_scalar(&self.doc.text, node, Span::new(0, text.len())),
            None => node.span,
        }
    }

    fn key(&mut self, place: &Place<'_>, map: &Node, key: &Node) {
        let Some(name) = key.text().filter(|name| !name.is_empty()) else { return };
        let span = self.inner(key);
        let Some(Step { key: Some(above), record, .. }) = place.keys().next() else {
            // The short form of `models.primary`.
            if name == "model" && place.trail.is_empty() {
                self.add(SymbolKind::Model, "primary", span, UsageRole::Declares);
            }
            return;
        };
        let item = place.trail.last().is_some_and(|step| step.key.is_none());
        let title = record.map_or("", |record| record.title);
        let declares = match (title, above) {
            _ if item => None,
            ("the prompts", "variables") => Some(SymbolKind::Variable),
            ("the prompts", "variants") => Some(SymbolKind::Variant),
            ("a container spec" | "a service", "models") if name != "fallback" => Some(SymbolKind::Model),
            ("a container spec" | "a service", "documents") => Some(SymbolKind::Document),
            ("the tools", "servers") => Some(SymbolKind::Server),
            ("a workflow", "services") => Some(SymbolKind::Service),
            _ => None,
        };
        if let Some(kind) = declares {
            return self.add(kind, name, span, UsageRole::Declares);
        }
        let is_guardrail =
            place.shapes.iter().any(|shape| matches!(shape, Shape::Record(of) if std::ptr::eq(*of, &GUARDRAIL)));
        if item && is_guardrail && map.entries().len() == 1 && GUARDRAIL.key(name).is_none() {
            return self.add(SymbolKind::Guardrail, name, span, UsageRole::Declares);
        }
        if above == "properties"
            && let Some(tool) = tool_of_parameters(place)
        {
            return self.parameter(tool, name, span, UsageRole::Declares);
        }
        if above == "match"
            && !(map.entries().len() == 1 && is_operator(name))
            && let Some(tool) = mocked_tool(place)
        {
            return self.parameter(tool, name, span, UsageRole::Uses);
        }
        for names in refs::of_key(place) {
            match names {
                Names::Declared(Declared::Variable) if above == "matrix" && matches!(name, "models" | "prompts") => {}
                Names::Declared(Declared::Variable) => self.add(SymbolKind::Variable, name, span, UsageRole::Gives),
                // A confirmation is of a tool or of a guardrail: whichever there is.
                Names::Declared(what) => self.add(SymbolKind::of(what), name, span, UsageRole::Uses),
                Names::Parameter => {
                    let about = place.keys().next().map(|step| step.holder);
                    let tool = about.and_then(|map| map.get("name").or_else(|| map.get("tool")));
                    if let Some(tool) = tool.and_then(Node::text) {
                        self.parameter(tool, name, span, UsageRole::Uses);
                    }
                }
                _ => {}
            }
        }
    }

    fn value(&mut self, place: &Place<'_>, node: &Node) {
        let Some(text) = node.text().filter(|text| !text.is_empty()) else { return };
        if let Some(at) = inside::condition(place) {
            self.arguments(place, node, text, at);
            return self.condition(node, text, at);
        }
        if text.contains("${") {
            self.template(place, node, text);
        }
        let Some(Step { key: Some(key), record, .. }) = place.keys().next() else { return };
        let title = record.map_or("", |record| record.title);
        if key == "required"
            && let Some(tool) = tool_of_parameters(place)
        {
            return self.parameter(tool, text, self.inner(node), UsageRole::Uses);
        }
        if (title, key) == ("a way of running", "statement")
            && let Some(tool) = place.holder_of("a tool").and_then(|tool| tool.get("name")).and_then(Node::text)
        {
            for (name, inside) in bound(text) {
                let span = place_in_scalar(&self.doc.text, node, inside);
                self.parameter(tool, name, span, UsageRole::Uses);
            }
        }
        let declares = match (title, key) {
            ("a tool", "name") | ("the tools", "allowed") => Some(SymbolKind::Tool),
            ("a test", "name") => Some(SymbolKind::Test),
            ("a guardrail", "name")
            | ("a container spec" | "a service", "guardrails")
            | ("the guardrails", _)
            | ("the user prompt", "validation") => Some(SymbolKind::Guardrail),
            _ => None,
        };
        if let Some(kind) = declares {
            return self.add(kind, text, self.inner(node), UsageRole::Declares);
        }
        for names in refs::of_value(place) {
            let Names::Declared(what) = names else { continue };
            match (what, title) {
                (Declared::Service, "a workflow") => self.workflow(node, text),
                // A glob names no tool.
                (Declared::Tool, _) if text.contains(['*', '?']) => {}
                _ => self.add(SymbolKind::of(what), text, self.inner(node), UsageRole::Uses),
            }
        }
    }

    /// `a -> (b, c) -> d`.
    fn workflow(&mut self, node: &Node, text: &str) {
        let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut at = 0;
        while let Some(start) = text.get(at..).and_then(|rest| rest.find(of_name)).map(|found| at + found) {
            let rest = &text[start..];
            let end = start + rest.find(|c| !of_name(c)).unwrap_or(rest.len());
            // The dash of an arrow that stands right after a name.
            let name = text[start..end].trim_matches('-');
            let start = start + text[start..end].find(name).unwrap_or(0);
            if !name.is_empty() {
                let span = place_in_scalar(&self.doc.text, node, Span::new(start, start + name.len()));
                self.add(SymbolKind::Service, name, span, UsageRole::Uses);
            }
            at = end;
        }
    }

    fn template(&mut self, place: &Place<'_>, node: &Node, text: &str) {
        let most = (MAX_STEPS / text.len().max(1)).max(16);
        for variable in Template::parse(text).variables().take(most) {
            let name = variable.name.as_str();
            let within = name_of(text, variable);
            let part = |from: usize, len: usize| {
                let start = within.start as usize + from;
                place_in_scalar(&self.doc.text, node, Span::new(start, start + len))
            };
            if let Some(argument) = name.strip_prefix("args.").filter(|_| place.within("a way of running")) {
                let argument = argument.split(['.', '[']).next().unwrap_or(argument);
                let tool = place.holder_of("a tool").and_then(|tool| tool.get("name")).and_then(Node::text);
                if let Some(tool) = tool {
                    let span = part("args.".len(), argument.len());
                    self.parameter(tool, argument, span, UsageRole::Uses);
                }
            } else if let Some(step) = name.strip_prefix("steps.").and_then(|rest| rest.split('.').next()) {
                let span = part("steps.".len(), step.len());
                self.add(SymbolKind::Service, step, span, UsageRole::Uses);
            } else if is_plain(name) && !(name == "result" && place.within("a rule")) {
                let span = part(0, name.len());
                self.add(SymbolKind::Variable, name, span, UsageRole::Uses);
            }
        }
    }

    /// The arguments that a condition names, of the tool that it is about; of several where it does not say which.
    fn arguments(&mut self, place: &Place<'_>, node: &Node, text: &str, at: aic_guard::Place) {
        let named = named_args(text);
        if named.is_empty() {
            return;
        }
        let own = place.holder_of("a tool").and_then(|tool| tool.get("name")).and_then(Node::text);
        let listed = || place.keys().next().and_then(|step| step.holder.get("tools")).map(list).unwrap_or_default();
        let mut tools: Vec<String> = match own {
            Some(own) => vec![own.to_owned()],
            None => listed().into_iter().filter_map(Node::text).map(str::to_owned).collect(),
        };
        if tools.is_empty() {
            tools = tools_of_condition(text, at).into_iter().map(|range| text[range].to_owned()).collect();
        }
        for (name, inside) in named {
            let span = place_in_scalar(&self.doc.text, node, inside);
            let all = self.doc.root().and_then(|root| root.at(&["tools", "allowed"])).map(Node::items);
            let has = |tool: &&Node| tool.at(&["parameters", "properties", name]).is_some();
            let anybody = || all.unwrap_or_default().iter().filter(has).filter_map(|tool| tool.get("name")?.text());
            let of: Vec<&str> =
                if tools.is_empty() { anybody().collect() } else { tools.iter().map(String::as_str).collect() };
            of.into_iter().for_each(|tool| self.parameter(tool, name, span, UsageRole::Uses));
        }
    }

    /// `steps.NAME`, and the names of tools that `tool.name` is compared with.
    fn condition(&mut self, node: &Node, text: &str, at: aic_guard::Place) {
        let words = cel::words(text, at);
        let of = |index: usize| words.get(index).map_or("", |word: &cel::Word| &text[word.range.clone()]);
        for (index, word) in words.iter().enumerate() {
            let before = index.checked_sub(1).map_or("", of);
            if word.kind == cel::Kind::Name && before == "steps" && at == aic_guard::Place::ComposeStep {
                let span = place_in_scalar(&self.doc.text, node, word.range.clone().into());
                self.add(SymbolKind::Service, &text[word.range.clone()], span, UsageRole::Uses);
            }
        }
        for range in tools_of_condition(text, at) {
            let name = &text[range.clone()];
            let span = place_in_scalar(&self.doc.text, node, range.into());
            self.add(SymbolKind::Tool, name, span, UsageRole::Uses);
        }
    }
}

/// Where the names of tools stand that `tool.name` is compared with: `tool.name == 'x'`, `t.name != 'x'`,
/// `tool.name in ['x', 'y']`.
fn tools_of_condition(text: &str, at: aic_guard::Place) -> Vec<std::ops::Range<usize>> {
    let words = cel::words(text, at);
    let mut found = Vec::new();
    let mut names_tool = false;
    let mut before = "";
    for word in &words {
        let written = &text[word.range.clone()];
        match word.kind {
            cel::Kind::Text => {
                let name = written.trim_matches(['"', '\'']);
                if names_tool && !name.is_empty() && !name.contains('\\') {
                    let start = word.range.start + 1;
                    found.push(start..start + name.len());
                }
                names_tool &= before == "[" || before == ",";
            }
            cel::Kind::Operator | cel::Kind::Keyword => {
                names_tool = matches!(written, "==" | "!=" | "in") && before == "name";
            }
            cel::Kind::Other if matches!(written, "[" | ",") => {}
            _ => names_tool = false,
        }
        before = written;
    }
    found
}

/// The tool whose calls a mock of a test answers, at the end of `tools: {TOOL: [{match: …}]}`.
fn mocked_tool<'t>(place: &Place<'t>) -> Option<&'t str> {
    let mut keys = place.keys().skip(1);
    let (tool, tools) = (keys.next()?, keys.next()?);
    let of_test = tools.record.is_some_and(|record| matches!(record.title, "a test" | "what tests share"));
    (of_test && tools.key == Some("tools")).then_some(tool.key).flatten()
}

/// The tool whose parameters a key of `properties` is one of, or a name of `required`.
fn tool_of_parameters<'t>(place: &Place<'t>) -> Option<&'t str> {
    let above = place.keys().nth(1)?;
    let is_tool = above.record.is_some_and(|record| record.title == "a tool");
    (is_tool && above.key == Some("parameters")).then(|| above.holder.get("name").and_then(Node::text)).flatten()
}

/// Whether it is a variable that a spec can declare, rather than `match.x` or `secret:x`.
fn is_plain(name: &str) -> bool {
    !name.contains(['.', ':', '['])
}

/// The bytes of the name between `${` and `}` of a text, blanks left out.
fn name_of(text: &str, variable: &TemplateVariable) -> Span {
    let start = variable.span.start as usize + 2;
    let inside = text.get(start..).unwrap_or("");
    let start = start + (inside.len() - inside.trim_start().len());
    Span::new(start, start + variable.name.len())
}
