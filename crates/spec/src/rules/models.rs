//! Models against the catalog: names it does not know, limits, prices under a cap, prompts that do not fit.

use super::Whole;
use crate::Fix;
use crate::codes::{PROMPT_TOO_LONG, TOO_MANY_TOKENS, UNKNOWN_MODEL, UNKNOWN_PRICE};
use crate::cx::Cx;
use crate::lower::read::list;
use crate::tree::{Node, Style};
use crate::typed::{ModelSpec, Provider};
use crate::words::{did_you_mean, nearest, shown};
use aic_base::Span;
use aic_catalog::ModelFacts;

pub(super) fn check(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let cap = cap(whole);
    for entry in whole.at(&["models"]).map(Node::entries).unwrap_or_default() {
        let key = entry.key.key_text();
        if key == "fallback" {
            for (model, node) in whole.spec.models.fallback.iter().zip(list(&entry.value)) {
                one(cx, whole, model, node, cap);
            }
        } else if let Some(model) = whole.spec.models.named.get(&*key) {
            let answers = key == "primary";
            one(cx, whole, model, &entry.value, cap.filter(|_| answers));
        }
    }
    too_long(cx, whole);
}

fn facts(model: &ModelSpec) -> Option<&'static ModelFacts> {
    aic_catalog::find(Some(model.provider?.as_str()), &model.model)
}

/// Whether a model charges, as far as is known, and nothing says how much.
pub(super) fn has_no_price(model: &ModelSpec) -> bool {
    let real = model.provider.is_some_and(|provider| !matches!(provider, Provider::Scripted | Provider::Replay));
    real && facts(model).is_none() && model.pricing.is_none()
}

fn one(cx: &mut Cx<'_>, whole: &Whole<'_>, model: &ModelSpec, node: &Node, cap: Option<Span>) {
    let name = node.get("model").unwrap_or(node);
    let known = facts(model);
    let catalogued = matches!(model.provider, Some(Provider::OpenAi | Provider::Anthropic | Provider::Google));
    let provider = model.provider.map_or("", Provider::as_str);
    if catalogued
        && known.is_none()
        && !model.model.is_empty()
        && model.base_url.is_none()
        && !model.model.contains("${")
    {
        let all = aic_catalog::models().iter().filter(|facts| facts.provider == provider);
        let meant = nearest(&model.model, all.map(|facts| facts.model.as_str()));
        let message = format!(
            "the catalog knows no `{}` of {provider}{}: its price and its limits cannot be checked",
            shown(&model.model),
            did_you_mean(meant).trim_end_matches('?')
        );
        // Of a name and a version apart, this is only what they make together.
        let one_place =
            name.text() == Some(model.model.as_str()) && name.span.of(&whole.doc.text).contains(model.model.as_str());
        let fix = meant.filter(|_| one_place).map(|meant| whole.doc.replacing(name, meant));
        cx.report(whole.doc.find(UNKNOWN_MODEL, name.span, message).fix(fix));
    }
    if let (Some(stands), Some(said)) = (&model.stands_for, node.get("as"))
        && matches!(stands.provider.as_str(), "openai" | "anthropic" | "google")
        && aic_catalog::find(Some(&stands.provider), &stands.model).is_none()
    {
        let all = aic_catalog::models().iter().filter(|facts| facts.provider == stands.provider);
        let meant = nearest(&stands.model, all.map(|facts| facts.model.as_str()));
        let message = format!(
            "the catalog knows no `{}` of {}{}: what it stands for has no price and no limits",
            shown(&stands.model),
            stands.provider,
            did_you_mean(meant).trim_end_matches('?')
        );
        let fix = meant.map(|meant| whole.doc.replacing(said, &format!("{}/{meant}", stands.provider)));
        cx.report(whole.doc.find(UNKNOWN_MODEL, said.span, message).fix(fix));
    }
    if let (true, Some(cap)) = (has_no_price(model), cap) {
        let message = format!(
            "nothing says what `{}` costs, and this spec caps cost: a call is refused until it has a `pricing`",
            shown(&model.model)
        );
        let found = whole.doc.find(UNKNOWN_PRICE, name.span, message);
        cx.report(
            found
                .related(&whole.doc.path, cap, "the cap")
                .help("pricing: {input_per_mtok: …, output_per_mtok: …}, in US dollars a million tokens"),
        );
    }
    if let (Some(facts), Some(most), Some(said)) = (known, model.max_tokens, node.get("max_tokens"))
        && most > facts.max_output
    {
        let message = format!(
            "`{}` answers with {} tokens at most, and {most} are asked for: lower `max_tokens`",
            shown(&model.model),
            facts.max_output
        );
        let fix = (said.style != Style::Alias).then(|| Fix::replace(said.span, &facts.max_output.to_string()));
        cx.report(whole.doc.find(TOO_MANY_TOKENS, said.span, message).fix(fix));
    }
}

/// Where the spec caps what the answering models may cost.
pub(super) fn cap(whole: &Whole<'_>) -> Option<Span> {
    if let Some(cost) = whole.at(&["budget", "cost"]) {
        return Some(cost.span);
    }
    let stages = whole.at(&["guardrails"]).map(Node::entries).unwrap_or_default();
    let costs = |item: &&Node| {
        let name = item.get("use").or_else(|| item.get("name")).and_then(Node::text);
        name.and_then(aic_guard::Builtin::from_name) == Some(aic_guard::Builtin::CostControl)
    };
    stages.iter().flat_map(|stage| stage.value.items()).find(costs).map(|item| item.span)
}

/// The prompt as it stands, without input, history or documents, against what the model can take.
fn too_long(cx: &mut Cx<'_>, whole: &Whole<'_>) {
    let prompts = &whole.spec.prompts;
    let Some(primary) = whole.spec.models.named.get("primary") else { return };
    let texts = [&prompts.system, &prompts.user].into_iter().flatten().map(|text| text.text.as_str());
    let messages = prompts.messages.iter().map(|message| message.text.text.as_str());
    let constraints = prompts.constraints.iter().map(String::as_str);
    let estimate: u64 = texts.chain(messages).chain(constraints).map(|text| aic_catalog::estimate_tokens(text).0).sum();
    let of_model = match &primary.stands_for {
        Some(stands) => aic_catalog::find(Some(&stands.provider), &stands.model),
        None => facts(primary),
    };
    let window =
        of_model.map(|facts| (facts.context_window, format!("the context window of `{}`", shown(&facts.model))));
    let budgeted = whole.spec.context.max_tokens.map(|tokens| (tokens.0, "`context.window.max_tokens`".to_owned()));
    let Some((most, what)) = [window, budgeted].into_iter().flatten().min_by_key(|(most, _)| *most) else { return };
    if estimate <= most {
        return;
    }
    let place = whole.at(&["prompts"]).and_then(|prompts| {
        let entry = prompts.entry("system").or_else(|| prompts.entry("messages")).or_else(|| prompts.entry("user"));
        entry.or_else(|| prompts.entry("constraints")).map(|entry| entry.key.span)
    });
    let message = format!(
        "the prompt alone is about {estimate} tokens (an estimate), and {what} is {most}: shorten it, or choose another model"
    );
    cx.report(whole.doc.find(PROMPT_TOO_LONG, place.unwrap_or_default(), message));
}
