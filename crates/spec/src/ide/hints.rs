//! What is not written and worth seeing beside what is: how long the prompt is and what a call costs, what is inherited.
//! And the behaviour tests of a document, for who runs them.

use super::host::Host;
use super::symbols::{SymbolKind, UsageRole};
use super::world::World;
use crate::files::{FileKind, file_kind};
use crate::tree::{Entry, Node};
use aic_base::{RelPath, Source, Span, Tokens, Usd};
use aic_catalog::ModelFacts;

/// How many inherited names are shown.
const MAX_NAMES: usize = 6;

/// A few words to show behind a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The byte it stands behind.
    pub offset: usize,
    /// What is shown.
    pub label: String,
    /// More, in Markdown.
    pub doc: String,
}

/// A behaviour test of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPlace {
    /// Its name.
    pub name: String,
    /// The bytes of the name.
    pub span: Span,
}

/// A guardrail of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardrailPlace {
    /// Its name.
    pub name: String,
    /// The bytes of the name.
    pub span: Span,
}

impl Host {
    /// What is worth seeing beside a document, by place. Numbers of tokens are estimates and say so.
    pub fn hints(&self, source: &dyn Source, path: &RelPath, text: &str) -> Vec<Hint> {
        if file_kind(path.file_name()) != Some(FileKind::Container) {
            return Vec::new();
        }
        let doc = self.any(path, text);
        let Some(root) = doc.root() else { return Vec::new() };
        let world = World::new(self, source);
        let mut found = Vec::new();
        let prompts = prompts(world, path, root);
        let model = Answering::of(root);
        found.extend(prompts.iter().map(|prompt| prompt_hint(text, prompt, model.as_ref())));
        if let Some(model) = &model {
            found.extend(model_hint(model, &prompts));
        }
        for base in world.bases(path, root).iter().take(1) {
            if let Some(inherited) = base.root() {
                inherited_hints(text, root, inherited, &base.path, &mut found);
            }
        }
        found.sort_by_key(|hint| hint.offset);
        found
    }

    /// The behaviour tests that stand in a document, and the key above them; none where nothing is below it.
    pub fn tests(&self, path: &RelPath, text: &str) -> (Option<Span>, Vec<TestPlace>) {
        let doc = self.any(path, text);
        let Some(root) = doc.root() else { return (None, Vec::new()) };
        let key = root.entry("tests").filter(|entry| !entry.value.items().is_empty()).map(|entry| entry.key.span);
        let named = doc.occurrences().iter().filter(|one| one.symbol.kind == SymbolKind::Test);
        (key, named.map(|one| TestPlace { name: one.symbol.name.clone(), span: one.span }).collect())
    }

    /// The guardrails that a document declares.
    pub fn guardrails(&self, path: &RelPath, text: &str) -> Vec<GuardrailPlace> {
        let doc = self.any(path, text);
        let declared = doc
            .occurrences()
            .iter()
            .filter(|one| one.symbol.kind == SymbolKind::Guardrail && one.role == UsageRole::Declares);
        declared.map(|one| GuardrailPlace { name: one.symbol.name.clone(), span: one.span }).collect()
    }
}

/// The system prompt with its constraints, or one of the messages that stand in its place.
struct Prompt {
    /// Where the hint stands.
    offset: Span,
    tokens: Tokens,
    what: &'static str,
}

fn prompts(world: World<'_>, path: &RelPath, root: &Node) -> Vec<Prompt> {
    let Some(prompts) = root.get("prompts") else { return Vec::new() };
    let rules: Vec<&str> =
        prompts.get("constraints").map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect();
    let one = |entry: &Entry, rules: &[&str], what| {
        let mut text = prompt_text(world, path, &entry.value)?;
        for rule in rules {
            text.push_str(rule);
            text.push('\n');
        }
        let offset = entry.key.span.to(entry.value.span);
        Some(Prompt { offset, tokens: aic_catalog::estimate_tokens(&text), what })
    };
    let messages = prompts.get("messages").map(Node::items).unwrap_or_default();
    if messages.is_empty() {
        let system =
            prompts.entry("system").and_then(|entry| one(entry, &rules, "The system prompt with its constraints"));
        return system.into_iter().collect();
    }
    // The first system message takes the constraints.
    let mut rules = rules.as_slice();
    let messages = messages.iter().flat_map(Node::entries).filter_map(|entry| match entry.key.text()? {
        "system" if rules.is_empty() => one(entry, &[], "This message"),
        "system" => one(entry, std::mem::take(&mut rules), "This message with the constraints"),
        "user" | "assistant" => one(entry, &[], "This message"),
        _ => None,
    });
    messages.collect()
}

/// A prompt in place, under `template`, or of a file.
fn prompt_text(world: World<'_>, path: &RelPath, node: &Node) -> Option<String> {
    if let Some(text) = node.text().or_else(|| node.get("template").and_then(Node::text)) {
        return Some(text.to_owned());
    }
    let file = path.parent().join(node.get("file")?.text()?).ok()?;
    Some(world.host.prompt(world.source, &file)?.text.to_string())
}

/// The model that answers, as far as its price is known.
struct Answering<'t> {
    named: &'t Node,
    price: Price,
    /// The most tokens of an answer, where the spec says.
    most: Option<Tokens>,
}

/// US dollars a million tokens, in and out.
#[derive(Clone, Copy)]
struct Price(f64, f64);

impl Price {
    fn of(self, input: Tokens, output: Tokens) -> Usd {
        Usd::from_dollars((self.0 * input.0 as f64 + self.1 * output.0 as f64) / 1e6)
    }
}

impl<'t> Answering<'t> {
    fn of(root: &'t Node) -> Option<Self> {
        let node = root.at(&["models", "primary"]).or_else(|| root.get("model"))?;
        let text = |key: &str| node.get(key).and_then(Node::text);
        let named = match node.text() {
            Some(_) => node,
            None => node.get("as").or_else(|| node.get("model")).or_else(|| node.get("name"))?,
        };
        let name = named.text()?;
        let facts: Option<&ModelFacts> = match (text("as"), text("version")) {
            (Some(of), _) => of.split_once('/').and_then(|(provider, model)| aic_catalog::find(Some(provider), model)),
            (None, Some(version)) => aic_catalog::find(text("provider"), &format!("{name}-{version}")),
            (None, None) => aic_catalog::find(text("provider"), name),
        };
        let pricing = |key: &str| node.at(&["pricing", key]).and_then(Node::as_f64);
        let price = match (pricing("input_per_mtok"), pricing("output_per_mtok"), facts) {
            (Some(input), Some(output), _) => Price(input, output),
            (_, _, Some(facts)) => Price(facts.input_per_mtok, facts.output_per_mtok),
            _ => return None,
        };
        let most = node.get("max_tokens").and_then(Node::as_i64).and_then(|most| u64::try_from(most).ok());
        Some(Self { named, price, most: most.map(Tokens) })
    }
}

fn prompt_hint(text: &str, prompt: &Prompt, model: Option<&Answering<'_>>) -> Hint {
    let Tokens(count) = prompt.tokens;
    let cost = model.map(|model| format!(" · {} a call", dollars(model.price.of(prompt.tokens, Tokens(0)))));
    Hint {
        offset: end_of_first_line(text, prompt.offset),
        label: format!("≈ {count} tokens{} (estimate)", cost.unwrap_or_default()),
        doc: format!(
            "{}, before variables are filled in: one token for each four bytes. The price is that of this text alone.",
            prompt.what
        ),
    }
}

fn model_hint(model: &Answering<'_>, prompts: &[Prompt]) -> Option<Hint> {
    let most = model.most?;
    let input: Tokens = Tokens(prompts.iter().map(|prompt| prompt.tokens.0).sum());
    Some(Hint {
        offset: model.named.span.end as usize,
        label: format!("≤ {} a call (estimate)", dollars(model.price.of(input, most))),
        doc: format!(
            "A prompt of about {} tokens, without what the user says, and an answer of {} tokens, the most that \
             `max_tokens` allows, at list prices.",
            input.0, most.0
        ),
    })
}

/// Small prices need their first two digits; large ones, cents.
fn dollars(cost: Usd) -> String {
    let dollars = cost.pico() as f64 / 1e12;
    if dollars >= 0.01 || dollars == 0.0 {
        return format!("${dollars:.2}");
    }
    let digits = (-dollars.log10()).ceil() as usize + 1;
    format!("${dollars:.*}", digits.min(12))
}

/// The keys of a base that the spec does not write: at `inherits` those of the top, at each map those of the map.
fn inherited_hints(text: &str, own: &Node, base: &Node, path: &RelPath, found: &mut Vec<Hint>) {
    const OWN: [&str; 5] = ["version", "name", "description", "inherits", "tests"];
    let missing = |own: &Node, base: &Node| {
        let keys = base.entries().iter().filter_map(|entry| entry.key.text());
        let keys = keys.filter(|key| own.entry(key).is_none()).map(str::to_owned);
        keys.collect::<Vec<String>>()
    };
    let mut hint = |span: Span, names: Vec<String>| {
        if !names.is_empty() {
            let more = names.len().saturating_sub(MAX_NAMES);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
            found.push(Hint {
                offset: end_of_first_line(text, span),
                label: format!("inherits {shown}{rest}"),
                doc: format!("Not written here: it comes from `{path}`."),
            });
        }
    };
    if let Some(entry) = own.entry("inherits") {
        let names = missing(own, base).into_iter().filter(|name| !OWN.contains(&name.as_str()));
        hint(entry.key.span.to(entry.value.span), names.collect());
    }
    for entry in own.entries().iter().filter(|entry| !entry.value.entries().is_empty()) {
        let Some(inherited) = entry.key.text().and_then(|key| base.get(key)) else { continue };
        hint(entry.key.span.to(entry.value.span), missing(&entry.value, inherited));
    }
}

/// The end of the line that a span begins on, or of the span if it ends there.
fn end_of_first_line(text: &str, span: Span) -> usize {
    let (start, end) = (span.start as usize, span.end as usize);
    let line = text.get(start..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |len| start + len);
    let line = line - text.get(start..line).map_or(0, |content| content.len() - content.trim_end().len());
    end.min(line).max(start)
}
