//! `models:` and `model:` to models, with what the catalog knows of them.

use super::read::{duration, list, text};
use crate::Diagnostic;
use crate::codes::{BAD_VALUE, MISSING_KEY, NO_MODEL, NO_PROVIDER, RETIRED_MODEL, SYNTAX, UNPINNED_MODEL};
use crate::cx::{Cx, Doc};
use crate::tree::{Kind, Node};
use crate::typed::{As, ModelSpec, Models, Pricing, Provider, Replay, Timeouts};
use crate::words::shown;
use aic_base::Span;
use serde_json::Value;

/// How long before a model's end it is said.
const NOTICE_DAYS: u64 = 90;

pub(super) fn models(cx: &mut Cx<'_>, doc: &Doc, root: &Node, inherits: bool) -> Models {
    let mut models = Models::default();
    if let Some(node) = root.get("model")
        && let Some(model) = model(cx, doc, "primary", node)
    {
        models.named.insert("primary".to_owned(), model);
    }
    for entry in root.get("models").map(Node::entries).unwrap_or_default() {
        let Some(name) = entry.key.text() else { continue };
        if name == "fallback" {
            for node in list(&entry.value) {
                models.fallback.extend(model(cx, doc, "fallback", node));
            }
        } else if let Some(model) = model(cx, doc, name, &entry.value) {
            models.named.insert(name.to_owned(), model);
        }
    }
    // Of a text that is broken it may be the line that could not be read.
    let broken = |found: &Diagnostic| found.code == SYNTAX && found.file == doc.path;
    if !models.named.contains_key("primary")
        && !inherits
        && !cx.found.iter().any(broken)
        && !was_meant(cx, doc, root)
        && matches!(root.kind, Kind::Map(_))
    {
        let span =
            root.entry("models").map_or_else(|| super::super::check::head(root, &doc.text), |entry| entry.key.span);
        let message = "no model answers: add `model: NAME`, or `models` with a `primary`";
        cx.report(doc.find(NO_MODEL, span, message));
    }
    models
}

/// A `primary` that is there and broken was reported for what is wrong with it.
fn was_meant(cx: &Cx<'_>, doc: &Doc, root: &Node) -> bool {
    ["model", "models", "inherits"].into_iter().any(|key| cx.was_misspelt(doc, root, key))
        || root.get("model").is_some_and(|node| !node.is_null())
        || root.get("models").and_then(|models| models.get("primary")).is_some_and(|node| !node.is_null())
}

fn model(cx: &mut Cx<'_>, doc: &Doc, name: &str, node: &Node) -> Option<ModelSpec> {
    let known = match &node.kind {
        Kind::Map(_) => node,
        _ => return node.text().map(|text| finish(cx, doc, named(name, text, node.span), node, node)),
    };
    let short = known.get("name");
    let model_node = known.get("model").or(short);
    let mut id = model_node.and_then(Node::text).unwrap_or("").to_owned();
    if let (Some(_), Some(version)) = (short, text(known, "version")) {
        id = pinned_by(&id, &version);
    }
    let mut spec = named(name, &id, super::super::check::head(node, &doc.text));
    let provider = known.get("provider");
    spec.provider = provider.and_then(Node::as_str).and_then(Provider::from_word);
    spec.stands_for = text(known, "as").map(|text| match text.split_once('/') {
        Some((provider, model)) => As { provider: provider.to_owned(), model: model.to_owned() },
        None => As { provider: aic_catalog::provider_of(&text).unwrap_or("").to_owned(), model: text },
    });
    spec.rules = known.get("rules").map(|rules| rules.items().iter().map(Node::to_json).collect()).unwrap_or_default();
    spec.base_url = text(known, "base_url");
    spec.api_key_env = text(known, "api_key_env");
    spec.temperature = known.get("temperature").and_then(Node::as_f64);
    spec.top_p = known.get("top_p").and_then(Node::as_f64);
    spec.max_tokens = known.get("max_tokens").and_then(Node::as_i64).and_then(|tokens| u64::try_from(tokens).ok());
    spec.seed = known.get("seed").and_then(Node::as_i64);
    spec.stop = known.get("stop").map(super::read::texts).unwrap_or_default();
    spec.reasoning_effort = text(known, "reasoning_effort");
    spec.tool_choice = text(known, "tool_choice");
    spec.parallel_tool_calls = known.get("parallel_tool_calls").and_then(Node::as_bool);
    spec.extra = known.get("extra").map_or(Value::Null, Node::to_json);
    spec.timeouts = timeouts(known.get("timeout"));
    spec.retries =
        known.get("retries").and_then(Node::as_i64).and_then(|n| u32::try_from(n).ok()).unwrap_or(spec.retries);
    spec.pricing = known.get("pricing").and_then(|node| {
        let price = |key: &str| node.get(key).and_then(Node::as_f64);
        Some(Pricing { input_per_mtok: price("input_per_mtok")?, output_per_mtok: price("output_per_mtok")? })
    });
    if spec.provider == Some(Provider::Replay)
        && let (Some(cassette), Some(of)) = (known.get("cassette"), text(known, "of"))
        && let Some(path) = cassette.as_str().and_then(|name| cx.behaviour_file(doc, cassette, name, true))
    {
        spec.replay = Some(Replay { cassette: path, of });
    }
    // A provider that is not known was reported; nothing more can be told of the model.
    if provider.is_some_and(|node| !node.is_null()) && spec.provider.is_none() {
        return Some(spec);
    }
    needs(cx, doc, &spec, known);
    Some(finish(cx, doc, spec, model_node.unwrap_or(node), node))
}

/// `gpt-4` pinned by `2024-03-01`: the provider's names join the two.
pub(crate) fn pinned_by(name: &str, version: &str) -> String {
    if name.is_empty() || version.starts_with(name) { version.to_owned() } else { format!("{name}-{version}") }
}

fn named(name: &str, model: &str, span: Span) -> ModelSpec {
    ModelSpec {
        name: name.to_owned(),
        provider: None,
        model: model.to_owned(),
        stands_for: None,
        rules: Vec::new(),
        base_url: None,
        api_key_env: None,
        temperature: None,
        top_p: None,
        max_tokens: None,
        seed: None,
        stop: Vec::new(),
        reasoning_effort: None,
        tool_choice: None,
        parallel_tool_calls: None,
        extra: Value::Null,
        replay: None,
        timeouts: Timeouts::default(),
        retries: 2,
        pricing: None,
        span,
    }
}

fn timeouts(node: Option<&Node>) -> Timeouts {
    match node {
        Some(node) if matches!(node.kind, Kind::Map(_)) => Timeouts {
            first_token: node.get("first_token").and_then(duration),
            total: node.get("total").and_then(duration),
        },
        Some(node) => Timeouts { first_token: None, total: duration(node) },
        None => Timeouts::default(),
    }
}

/// Keys that some providers cannot do without.
fn needs(cx: &mut Cx<'_>, doc: &Doc, spec: &ModelSpec, node: &Node) {
    let missing = match spec.provider {
        Some(Provider::Scripted)
            if node.get("rules").is_none_or(|rules| matches!(&rules.kind, Kind::Seq(items) if items.is_empty())) =>
        {
            Some(("rules", "a scripted model answers by rules"))
        }
        Some(Provider::OpenAiCompatible) if spec.base_url.is_none() => Some(("base_url", "say where the server is")),
        Some(Provider::Replay) if node.get("cassette").is_none() => {
            Some(("cassette", "name the recording it answers from"))
        }
        Some(Provider::Replay) if node.get("of").is_none() => Some(("of", "name the model that was recorded")),
        _ => None,
    };
    let missing = missing.or_else(|| {
        let by_itself = matches!(spec.provider, Some(Provider::Scripted | Provider::Replay));
        (!by_itself && spec.model.is_empty()).then_some(("model", "name the model"))
    });
    if let Some((key, why)) = missing {
        let found = doc.find(MISSING_KEY, spec.span, format!("`{key}` is missing in `{}`: {why}", spec.name));
        cx.missing(doc, node, &[key], found);
    }
}

/// What the catalog knows: who serves it, whether the name is pinned, until when it is served.
fn finish(cx: &mut Cx<'_>, doc: &Doc, mut spec: ModelSpec, name: &Node, whole: &Node) -> ModelSpec {
    if spec.model.is_empty() {
        return spec;
    }
    if spec.provider.is_none() {
        spec.provider = served_by(&spec.model);
    }
    let Some(provider) = spec.provider else {
        let message = format!(
            "nothing says who serves `{}`: add a `provider` ({})",
            shown(&spec.model),
            Provider::ALL.map(Provider::as_str).join(", ")
        );
        cx.report(doc.find(NO_PROVIDER, name.span, message));
        return spec;
    };
    if matches!(provider, Provider::Scripted | Provider::Replay) {
        return spec;
    }
    if spec.model.contains("${") {
        let message =
            "variables are not filled into the name of a model: write the name, and other models in `environments`";
        cx.report(doc.find(BAD_VALUE, name.span, message));
        return spec;
    }
    retirement(cx, doc, &spec, provider, name);
    if floats(provider, &spec.model) {
        let all = aic_catalog::pins_of(&spec.model);
        // A version that is soon served no more is none to change to.
        let end = notice_ends(cx);
        let lasts = |pin: &&str| {
            let facts = aic_catalog::find(Some(provider.as_str()), pin);
            facts.and_then(|facts| facts.retires.as_deref()).is_none_or(|day| day > end.as_str())
        };
        let pins: Vec<&str> = all.iter().copied().filter(lasts).collect();
        let what = if pins.is_empty() && !all.is_empty() { "choose another model" } else { "name a pinned version" };
        let message = format!("`{}` stands for whatever is served under this name today: {what}", shown(&spec.model));
        let mut finding = doc.find(UNPINNED_MODEL, name.span, message);
        if pins.is_empty() && !all.is_empty() {
            finding = finding.help(format!("its pinned versions are retired, or will be soon: {}", all.join(", ")));
        }
        if let Some(newest) = pins.first() {
            // With `name` and `version` apart, the version would have to change too.
            let one_place = whole.get("version").is_none() && name.text() == Some(spec.model.as_str());
            finding = finding.help(format!("pinned versions: {}", pins.join(", ")));
            finding = finding.fix(one_place.then(|| doc.replacing(name, newest)));
        }
        cx.report(finding);
    }
    spec
}

/// Whom the catalog names for a model.
pub(crate) fn served_by(model: &str) -> Option<Provider> {
    aic_catalog::provider_of(model).and_then(Provider::from_word)
}

fn floats(provider: Provider, model: &str) -> bool {
    match provider {
        Provider::OpenAi | Provider::Anthropic | Provider::Google => !aic_catalog::is_pinned(model) && !numbered(model),
        _ => model.ends_with(":latest") || model == "latest",
    }
}

/// Google pins with a number of three digits: `gemini-2.0-flash-001`.
fn numbered(model: &str) -> bool {
    model.rsplit_once('-').is_some_and(|(_, last)| last.len() == 3 && last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The last day of which it is said that a model ends on it, `2025-08-30`.
fn notice_ends(cx: &Cx<'_>) -> String {
    let soon = cx.options.today.plus(std::time::Duration::from_secs(NOTICE_DAYS * 86_400));
    soon.date()
}

fn retirement(cx: &mut Cx<'_>, doc: &Doc, spec: &ModelSpec, provider: Provider, name: &Node) {
    let Some(facts) = aic_catalog::find(Some(provider.as_str()), &spec.model) else { return };
    let Some(day) = facts.retires.as_deref() else { return };
    let today = cx.options.today;
    // Days written year first compare as text.
    let message = if day <= today.date().as_str() {
        format!("`{}` was retired on {day}: the provider no longer serves it", shown(&spec.model))
    } else if day <= notice_ends(cx).as_str() {
        format!("`{}` retires on {day}: choose another model before that", shown(&spec.model))
    } else {
        return;
    };
    cx.report(doc.find(RETIRED_MODEL, name.span, message));
}
