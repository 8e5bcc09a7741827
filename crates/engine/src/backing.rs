//! What stands behind a spec's models: the network, the keys, the recordings. Handed in, since the spec only names them.

use crate::options::RunOptions;
use aic_base::{Clock, SystemClock};
use aic_model::{
    Circuits, Endpoint, EnvKeys, HttpModel, KeySource, Kind, Model, ModelError, Network, Policy, Price, Session,
    Settings, Timeouts,
};
use aic_spec::{ModelSpec, Provider, Spec};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

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
}

impl Default for Backing {
    fn default() -> Self {
        Self {
            network: Network::new(),
            keys: Arc::new(EnvKeys),
            circuits: Arc::default(),
            clock: Arc::new(SystemClock::new()),
            access: Access::Never,
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
    pub session: Box<dyn Session>,
}

impl Backing {
    /// The models that answer in a conversation, in the order in which they are asked. Only `primary` has fallbacks.
    pub(crate) fn seats(
        &self,
        spec: &Spec,
        scripted: &dyn Fn(&ModelSpec) -> Option<Arc<dyn Model>>,
        name: &str,
        options: &RunOptions,
    ) -> Result<Vec<Seat>, String> {
        let first = spec.models.named.get(name).ok_or_else(|| {
            let known: Vec<&str> = spec.models.named.keys().map(String::as_str).collect();
            format!("the spec has no model `{name}`: its models are {}", known.join(", "))
        })?;
        let fallbacks = if name == "primary" { spec.models.fallback.as_slice() } else { &[] };
        std::iter::once(first).chain(fallbacks).map(|model| self.seat(spec, scripted, model, options)).collect()
    }

    fn seat(
        &self,
        spec: &Spec,
        scripted: &dyn Fn(&ModelSpec) -> Option<Arc<dyn Model>>,
        model: &ModelSpec,
        options: &RunOptions,
    ) -> Result<Seat, String> {
        let (settings, api) = settings_of(model);
        let built: Arc<dyn Model> = match scripted(model) {
            Some(scripted) => scripted,
            None => {
                self.real(spec, model, api.as_deref(), options).map_err(|error| format!("`{}`: {error}", model.name))?
            }
        };
        let max_output = facts_of(model).map(|facts| facts.max_output).filter(|most| *most > 0);
        let session = built.session(options.clock.clone());
        let policy = Policy { retries: model.retries };
        Ok(Seat { name: model.name.clone(), model: built, settings, policy, max_output, session })
    }

    fn real(
        &self,
        spec: &Spec,
        model: &ModelSpec,
        api: Option<&str>,
        options: &RunOptions,
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
                return Err(setup("this version answers from a cassette through `--replay` only".into()));
            }
            (None, _) => return Err(ModelError::NoProvider { model: model.model.clone() }),
        };
        let fill = |text: &String| crate::prompt::fill_address(text, &spec.prompts, options).map_err(setup);
        let endpoint = Endpoint {
            kind,
            model: model.model.clone(),
            base_url: model.base_url.as_ref().map(fill).transpose()?,
            key_env: model.api_key_env.clone(),
            timeouts: Timeouts { first_token: model.timeouts.first_token, total: model.timeouts.total },
            price: price_of(model),
        };
        match self.access {
            Access::Live => Ok(Arc::new(HttpModel::new(endpoint, self.network.clone(), self.keys.clone())?)),
            Access::Never => {
                let (provider, model) = (kind.provider(), model.model.clone());
                Ok(Arc::new(aic_model::OutOfReach { provider, model, price: endpoint.price }))
            }
        }
    }
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
        extra,
        ..Settings::default()
    };
    (settings, api)
}

/// What the catalog knows of a model, or of the one that a scripted model stands for.
fn facts_of(model: &ModelSpec) -> Option<&'static aic_catalog::ModelFacts> {
    match &model.stands_for {
        Some(other) => aic_catalog::find(Some(&other.provider), &other.model),
        None => aic_catalog::find(model.provider.map(Provider::as_str), &model.model),
    }
}

/// The price a model's calls are charged at: the spec's own, else the catalog's.
pub(crate) fn price_of(model: &ModelSpec) -> Option<Price> {
    let own = model.pricing.map(|own| Price::flat(own.input_per_mtok, own.output_per_mtok));
    own.or_else(|| {
        let facts = facts_of(model)?;
        Some(Price::flat(facts.input_per_mtok, facts.output_per_mtok))
    })
}
