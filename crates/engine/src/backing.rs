//! What stands behind a spec's models: the network, the keys, the recordings. Handed in, since the spec only names them.

use crate::options::RunOptions;
use crate::tools::{Lock, TestHosts};
use aic_base::{Clock, Stage, SystemClock, Usd};
use aic_guard::{Group, Guard, GuardrailDef, Scope};
use aic_model::cassette::{Deck, Mode, Redaction, Tape, TapeModel};
use aic_model::{
    Circuits, Embedder, Endpoint, EnvKeys, HttpEmbedder, HttpModel, KeySource, Kind, Model, ModelError, Network,
    Policy, Price, Scrub, Session, Settings, Timeouts,
};
use aic_sandbox::Machine;
use aic_spec::{ModelSpec, Provider, Replay, Spec};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The variables that usually hold keys.
const USUAL_KEYS: [&str; 4] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"];

/// The key of `extra` that chooses between OpenAI's two ways to be asked; it is not passed on.
const API: &str = "api";

/// Whether real models may be called.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// They may not: whoever calls one is told how to record it.
    #[default]
    Never,
    /// They may.
    Live,
    /// Their exchanges are recorded, or answered from a recording.
    Tape {
        /// The cassette.
        tape: Arc<Tape>,
        /// Which of the two.
        mode: Mode,
        /// Whether recorded delays are waited for.
        realtime: bool,
    },
}

/// What all real calls of a session together may cost: `--max-cost`.
#[derive(Debug)]
pub struct Purse {
    most: Usd,
    held: Mutex<Usd>,
}

impl Purse {
    /// A purse with this much in it.
    pub const fn new(most: Usd) -> Self {
        Self { most, held: Mutex::new(Usd::ZERO) }
    }

    /// Holds an amount, or says how much is spent or held already.
    pub(crate) fn reserve(&self, amount: Usd) -> Result<(), String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *held + amount > self.most {
            return Err(format!(
                "the next call may cost {amount}, and {held} of the session's {} is spent or held: raise `--max-cost`",
                self.most
            ));
        }
        *held += amount;
        Ok(())
    }

    /// Puts what it really was in the place of what was held.
    pub(crate) fn settle(&self, amount: Usd, cost: Usd) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = *held - amount + cost;
    }
}

/// What stands behind a spec's models.
#[derive(Clone)]
pub struct Backing {
    /// HTTP clients.
    pub network: Arc<Network>,
    /// Keys.
    pub keys: Arc<dyn KeySource>,
    /// Which providers are left alone for now.
    pub circuits: Arc<Circuits>,
    /// The time of the circuits, one for all conversations.
    pub clock: Arc<dyn Clock>,
    /// Whether real models may be called.
    pub access: Access,
    /// What real calls may cost, all conversations together; none: what the spec's own caps allow.
    pub purse: Option<Arc<Purse>>,
    /// What isolates programs; none: tools that start programs refuse.
    pub machine: Option<Arc<Machine>>,
    /// What MCP servers offered when somebody looked at them.
    pub lock: Arc<Lock>,
    /// Exceptions that tests make from the rule that tools reach public addresses only.
    pub test_hosts: Arc<TestHosts>,
}

impl Default for Backing {
    fn default() -> Self {
        static CLOCK: LazyLock<Arc<SystemClock>> = LazyLock::new(Arc::default);
        Self {
            network: Network::new(),
            keys: Arc::new(EnvKeys),
            circuits: Arc::default(),
            // One for the process, so that circuits that outlive a container keep their time.
            clock: CLOCK.clone(),
            access: Access::Never,
            purse: None,
            machine: None,
            lock: Arc::default(),
            test_hosts: Arc::default(),
        }
    }
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backing").field("access", &self.access).finish_non_exhaustive()
    }
}

/// A model in a conversation: one of those that are asked in turn.
pub(crate) struct Seat {
    /// `primary`, `fallback`…
    pub name: String,
    pub model: Arc<dyn Model>,
    pub settings: Settings,
    pub policy: Policy,
    /// The most tokens of an answer that the model has, where the catalog knows.
    pub max_output: Option<u64>,
    /// The tokens that a request may have, where the catalog knows: the model's window without room for the answer.
    pub window: Option<u64>,
    /// Provider and model whose encoding counts its tokens.
    pub counted_as: Option<(String, String)>,
    pub session: Box<dyn Session>,
}

impl Backing {
    /// A conversation's use of the tape, where there is one.
    pub(crate) fn deck(&self, spec: &Spec, options: &RunOptions) -> Option<Deck> {
        let Access::Tape { tape, mode, realtime } = &self.access else { return None };
        let redaction = self.redaction(spec, options);
        Some(Deck::new(tape.clone(), *mode, &options.label, redaction, *realtime))
    }

    /// What is taken out of a recording: the keys that the spec names, the personal data that it declares, and whatever
    /// has the form of a secret.
    fn redaction(&self, spec: &Spec, options: &RunOptions) -> Redaction {
        let mut secrets = Scrub::default();
        let models = spec.models.named.values().chain(&spec.models.fallback);
        let names = models.filter_map(|model| model.api_key_env.as_deref()).chain(USUAL_KEYS);
        for secret in names.filter_map(|name| self.keys.key(name)) {
            secrets.hide(secret);
        }
        let personal = spec.personal_data.iter().filter_map(|name| {
            let value = match name.as_str() {
                "user_id" => options.user.id.clone(),
                name => options.vars.get(name).map(|value| match value {
                    Value::String(text) => text.clone(),
                    value => value.to_string(),
                }),
            };
            Some((name.clone(), value?))
        });
        Redaction::new(secrets, personal.collect(), Some(Arc::new(without_secrets)))
    }

    /// The models that answer in a conversation, in the order in which they are asked. Only `primary` has fallbacks.
    pub(crate) fn seats(
        &self,
        spec: &Spec,
        scripted: &dyn Fn(&ModelSpec) -> Option<Arc<dyn Model>>,
        name: &str,
        options: &RunOptions,
        deck: Option<&Deck>,
    ) -> Result<Vec<Seat>, String> {
        let first = spec.models.named.get(name).ok_or_else(|| {
            let known: Vec<&str> = spec.models.named.keys().map(String::as_str).collect();
            format!("the spec has no model `{name}`: its models are {}", known.join(", "))
        })?;
        let fallbacks = if name == "primary" { spec.models.fallback.as_slice() } else { &[] };
        std::iter::once(first).chain(fallbacks).map(|model| self.seat(spec, scripted, model, options, deck)).collect()
    }

    fn seat(
        &self,
        spec: &Spec,
        scripted: &dyn Fn(&ModelSpec) -> Option<Arc<dyn Model>>,
        model: &ModelSpec,
        options: &RunOptions,
        deck: Option<&Deck>,
    ) -> Result<Seat, String> {
        let name = model.name.clone();
        // A replayed model is asked as the recorded one was.
        let model = match &model.replay {
            Some(replay) => &ModelSpec { replay: Some(replay.clone()), ..recorded(spec, model, replay)?.clone() },
            None => model,
        };
        let (settings, api) = settings_of(model);
        let built: Arc<dyn Model> = match scripted(model) {
            Some(scripted) => scripted,
            None => self
                .real(spec, model, api.as_deref(), options, deck)
                .map_err(|error| format!("`{}`: {error}", model.name))?,
        };
        let max_output = facts_of(model).map(|facts| facts.max_output).filter(|most| *most > 0);
        let answer = settings.max_tokens.unwrap_or(4096).min(max_output.unwrap_or(u64::MAX));
        let window = facts_of(model).map(|facts| facts.context_window.saturating_sub(answer)).filter(|most| *most > 0);
        let counted_as = match (&model.stands_for, model.provider) {
            (Some(other), _) => Some((other.provider.clone(), other.model.clone())),
            (None, Some(provider)) => Some((provider.as_str().to_owned(), model.model.clone())),
            (None, None) => None,
        };
        let session = built.session(options.clock.clone());
        let policy = Policy { retries: model.retries };
        Ok(Seat { name, model: built, settings, policy, max_output, window, counted_as, session })
    }

    /// The embedder that a model of the spec is.
    pub(crate) fn embedder(
        &self,
        spec: &Spec,
        model: &ModelSpec,
        options: &RunOptions,
    ) -> Result<Embedder, ModelError> {
        let setup = |message: String| ModelError::Setup { message };
        let kind = match model.provider {
            Some(Provider::OpenAi) => Kind::OpenAi,
            Some(Provider::Anthropic) => Kind::Anthropic,
            Some(Provider::Google) => Kind::Google,
            Some(Provider::Ollama) => Kind::Ollama,
            Some(Provider::OpenAiCompatible) => Kind::Compatible,
            Some(Provider::Scripted | Provider::Replay) => {
                return Err(setup(
                    "a scripted or replayed model embeds nothing; leave `embedding` out for the local hash embedding"
                        .into(),
                ));
            }
            None => return Err(ModelError::NoProvider { model: model.model.clone() }),
        };
        let fill = |text: &String| crate::prompt::fill_address(text, &spec.prompts, options).map_err(setup);
        let url = model.base_url.as_ref().map(fill).transpose()?;
        let (network, keys) = (self.network.clone(), self.keys.clone());
        let (key, price) = (model.api_key_env.clone(), price_of(model));
        HttpEmbedder::new(kind, &model.model, url.as_deref(), key, price, network, keys)
            .map(|server| Embedder::Http(Box::new(server)))
    }

    fn real(
        &self,
        spec: &Spec,
        model: &ModelSpec,
        api: Option<&str>,
        options: &RunOptions,
        deck: Option<&Deck>,
    ) -> Result<Arc<dyn Model>, ModelError> {
        let setup = |message: String| ModelError::Setup { message };
        let kind = match (model.provider, api) {
            (Some(Provider::OpenAi), Some("responses")) => Kind::Responses,
            (Some(Provider::OpenAi), None | Some("chat_completions")) => Kind::OpenAi,
            (Some(Provider::OpenAi), Some(other)) => {
                return Err(setup(format!("`extra.api` is `chat_completions` or `responses`, not `{other}`")));
            }
            (_, Some(_)) => return Err(setup("`extra.api` is for OpenAI only".into())),
            (Some(Provider::Anthropic), _) => Kind::Anthropic,
            (Some(Provider::Google), _) => Kind::Google,
            (Some(Provider::Ollama), _) => Kind::Ollama,
            (Some(Provider::OpenAiCompatible), _) => Kind::Compatible,
            (Some(Provider::Scripted | Provider::Replay), _) => {
                return Err(setup(
                    "it is neither scripted here nor replayed: name its `rules`, or `cassette` and `of`".into(),
                ));
            }
            (None, _) => return Err(ModelError::NoProvider { model: model.model.clone() }),
        };
        let fill = |text: &String| crate::prompt::fill_address(text, &spec.prompts, options).map_err(setup);
        let base_url = model.base_url.as_ref().map(fill).transpose();
        let endpoint = |base_url| Endpoint {
            kind,
            model: model.model.clone(),
            base_url,
            key_env: model.api_key_env.clone(),
            timeouts: Timeouts { first_token: model.timeouts.first_token, total: model.timeouts.total },
            price: price_of(model),
        };
        if let Some(replay) = &model.replay {
            let shown = replay.cassette.to_string();
            let bytes = spec.files.get(&replay.cassette).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let text = bytes.ok_or_else(|| setup(format!("{shown}: the cassette is not there: record it")))?;
            let tape = Tape::read(&shown, &text).map_err(|error| setup(error.to_string()))?;
            // Nothing is sent there, so an address that cannot be filled in is none.
            let recorded = aic_model::OutOfReach(endpoint(base_url.unwrap_or_default()));
            let deck = Deck::new(Arc::new(tape), Mode::Replay, &options.label, self.redaction(spec, options), false);
            return Ok(Arc::new(TapeModel::new(Arc::new(recorded), deck)));
        }
        let endpoint = endpoint(base_url?);
        let replays = matches!(self.access, Access::Tape { mode: Mode::Replay, .. });
        let built: Arc<dyn Model> = match self.access {
            Access::Live | Access::Tape { .. } if !replays => {
                Arc::new(HttpModel::new(endpoint, self.network.clone(), self.keys.clone())?)
            }
            _ => Arc::new(aic_model::OutOfReach(endpoint)),
        };
        Ok(match deck {
            Some(deck) => Arc::new(TapeModel::new(built, deck.clone())),
            None => built,
        })
    }
}

/// A text without what has the form of a secret, by the built-in guard.
pub fn without_secrets(text: &str) -> String {
    static GUARD: LazyLock<Option<Guard>> =
        LazyLock::new(|| Guard::compile(&GuardrailDef::named("secrets", Group::Own)).ok());
    match &*GUARD {
        Some(guard) => aic_guard::redact(text, &guard.judge(text, &Scope::at(Stage::PostExecution))),
        None => text.to_owned(),
    }
}

/// The model whose exchanges a replayed one answers with.
fn recorded<'a>(spec: &'a Spec, model: &ModelSpec, replay: &Replay) -> Result<&'a ModelSpec, String> {
    let of = spec.models.named.get(&replay.of).filter(|of| of.replay.is_none());
    of.ok_or_else(|| format!("`{}`: `of: {}` names no model of the spec that can be recorded", model.name, replay.of))
}

/// How a model is to answer, and which of OpenAI's ways to ask it the spec wants.
fn settings_of(model: &ModelSpec) -> (Settings, Option<String>) {
    let mut extra = match &model.extra {
        Value::Object(extra) => extra.clone(),
        _ => Map::new(),
    };
    let api = extra.shift_remove(API).and_then(|api| api.as_str().map(str::to_owned));
    let settings = Settings {
        temperature: model.temperature,
        top_p: model.top_p,
        max_tokens: model.max_tokens,
        seed: model.seed,
        stop: model.stop.clone(),
        reasoning_effort: model.reasoning_effort.clone(),
        tool_choice: model.tool_choice.clone(),
        parallel_tool_calls: model.parallel_tool_calls,
        extra,
    };
    (settings, api)
}

/// What the catalog knows of a model, or of the one that a scripted model stands for. A server of somebody else's is
/// known by its host.
fn facts_of(model: &ModelSpec) -> Option<&'static aic_catalog::ModelFacts> {
    match (&model.stands_for, model.provider, &model.base_url) {
        (Some(other), ..) => aic_catalog::find(Some(&other.provider), &other.model),
        (None, Some(Provider::OpenAiCompatible), Some(base_url)) => aic_catalog::find_at(base_url, &model.model),
        (None, provider, _) => aic_catalog::find(provider.map(Provider::as_str), &model.model),
    }
}

/// The price a model's calls are charged at: the spec's own, else the catalog's.
pub(crate) fn price_of(model: &ModelSpec) -> Option<Price> {
    let own = model.pricing.map(|own| Price::flat(own.input_per_mtok, own.output_per_mtok));
    own.or_else(|| facts_of(model).map(Price::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_of_a_secret_is_taken_out_of_a_recording() {
        let key = "hf_x7Rq2LmZ9tVbN4cKsYw1PdFhJg3AeUoTiX";
        let text = without_secrets(&format!("my token is {key}, thanks"));
        assert!(!text.contains(key) && text.ends_with(", thanks"), "{text}");
        assert_eq!(without_secrets("nothing here"), "nothing here");
    }

    #[test]
    fn a_purse_never_holds_more_than_is_in_it() {
        let dollars = Usd::from_dollars;
        let purse = Purse::new(dollars(1.0));
        assert!(purse.reserve(dollars(0.75)).is_ok());
        assert!(purse.reserve(dollars(0.5)).is_err());
        purse.settle(dollars(0.75), dollars(0.25));
        assert!(purse.reserve(dollars(0.75)).is_ok());
        // A provider that reports more than was held is counted in full.
        purse.settle(dollars(0.75), dollars(5.0));
        assert!(purse.reserve(dollars(0.01)).is_err());
    }
}
