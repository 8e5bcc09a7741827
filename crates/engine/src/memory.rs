//! What a conversation remembers of others before it: who embeds, where the vectors lie, and whose they are.
//!
//! Memory belongs to a person, or where nobody is named to a session; nobody finds somebody else's. In a test it lies in
//! the case's own memory and is embedded here, so that a case neither sees nor changes anything outside.

use crate::backing::Backing;
use crate::options::{Effects, RunOptions};
use aic_model::{Embedder, HashEmbedding, MemoryVectors, Pinecone, Qdrant, Remembered, Vectors};
use aic_spec::{MemoryKind, Retention, Spec, VectorStore};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How much is recalled for one turn.
pub(crate) const MOST: usize = 4;
/// How similar it must be at least.
pub(crate) const LEAST: f32 = 0.2;
/// How much of a turn is remembered, in Unicode scalar values.
const LONGEST: usize = 4000;
/// Where Qdrant listens, unless the spec says otherwise.
const QDRANT: &str = "http://127.0.0.1:6333";

/// Encrypts what leaves the process for a store that is not ours.
pub trait Seal: Send + Sync + fmt::Debug {
    /// Encrypts a text for its place.
    ///
    /// # Errors
    /// A message.
    fn seal(&self, place: &str, text: &str) -> Result<String, String>;

    /// Decrypts it.
    ///
    /// # Errors
    /// A message, for another key or a text that was changed.
    fn open(&self, place: &str, sealed: &str) -> Result<String, String>;
}

/// What a conversation remembers with.
#[derive(Debug)]
pub(crate) struct Recollection {
    pub embedder: Embedder,
    pub vectors: Arc<dyn Vectors>,
    pub who: String,
    /// Whether it reaches outside the test or the process, so that a replay must not.
    pub is_outside: bool,
    keep: Option<Duration>,
    seal: Option<Arc<dyn Seal>>,
    place: String,
}

impl Recollection {
    /// As the spec says it.
    pub fn of(spec: &Spec, backing: &Backing, options: &RunOptions) -> Result<Option<Self>, String> {
        let memory = &spec.context.memory;
        if memory.kind != MemoryKind::Vector {
            return Ok(None);
        }
        let is_test = matches!(options.effects, Effects::Test { .. });
        let embedder = match &memory.embedding {
            Some(name) if !is_test => {
                let model = spec.models.named.get(name).ok_or_else(|| {
                    let known: Vec<&str> = spec.models.named.keys().map(String::as_str).collect();
                    format!("`memory.embedding`: the spec has no model `{name}`: its models are {}", known.join(", "))
                })?;
                backing.embedder(spec, model, options).map_err(|error| format!("`{name}`: {error}"))?
            }
            _ => Embedder::Hash(HashEmbedding),
        };
        let place = memory.index.clone().unwrap_or_else(|| spec.name.clone());
        let user = options.user.id.as_ref().map(|id| format!("user {id}"));
        let who = user.or_else(|| options.session.as_ref().map(|name| format!("session {name}")));
        let wrong = |error: aic_model::ModelError| format!("`context.memory`: {error}");
        let (network, keys) = (backing.network.clone(), backing.keys.clone());
        let key_env = memory.api_key_env.clone();
        let mut is_remote = false;
        let is_kept = !is_test && who.is_some() && spec.context.retention != Retention::None;
        let vectors: Arc<dyn Vectors> = match memory.store {
            _ if !is_kept => Arc::new(MemoryVectors::default()),
            VectorStore::Sqlite => options.vectors.clone().unwrap_or_else(|| Arc::new(MemoryVectors::default())),
            VectorStore::Pinecone => {
                is_remote = true;
                let url = memory.url.as_deref().ok_or("`context.memory.url` is missing: the host of the index")?;
                Arc::new(Pinecone::new(url, &place, key_env, network, keys).map_err(wrong)?)
            }
            VectorStore::Qdrant => {
                is_remote = true;
                let url = memory.url.as_deref().unwrap_or(QDRANT);
                Arc::new(Qdrant::new(url, &place, key_env, network, keys).map_err(wrong)?)
            }
        };
        let persistence = &spec.context.persistence;
        let seal = match (is_remote && persistence.encrypted, &options.seal) {
            (false, _) => None,
            (true, Some(seal)) => Some(seal.clone()),
            (true, None) => return Err("memory is to be encrypted, and there is no key".into()),
        };
        let keep = match spec.context.retention {
            Retention::For(time) => Some(time),
            Retention::Session | Retention::None => None,
        };
        let who = who.unwrap_or_else(|| "this conversation".into());
        Ok(Some(Self { embedder, vectors, who, is_outside: is_kept, keep, seal, place }))
    }

    fn sealed_at(&self) -> String {
        format!("memory\0{}\0{}", self.place, self.who)
    }

    /// A turn as it is remembered.
    pub fn remembered(
        &self,
        input: &str,
        output: &str,
        at: aic_base::Timestamp,
        tainted: bool,
    ) -> Result<(String, Remembered), String> {
        let plain: String = format!("User: {input}\nAssistant: {output}").chars().take(LONGEST).collect();
        let text = match &self.seal {
            Some(seal) => seal.seal(&self.sealed_at(), &plain)?,
            None => plain.clone(),
        };
        let keep_until = self.keep.map(|time| at.plus(time));
        let embedding = self.embedder.name();
        Ok((plain, Remembered { who: self.who.clone(), embedding, text, at, keep_until, tainted }))
    }

    /// The words of what was found.
    pub fn opened(&self, found: Remembered) -> Result<Remembered, String> {
        let Some(seal) = &self.seal else { return Ok(found) };
        let text = seal.open(&self.sealed_at(), &found.text)?;
        Ok(Remembered { text, ..found })
    }
}
