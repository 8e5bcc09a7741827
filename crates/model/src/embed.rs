//! Texts to vectors: by any server that speaks OpenAI's embeddings, or without one by hashing words, which knows what is
//! written alike and nothing of what is meant alike.

use crate::endpoint::Kind;
use crate::error::ModelError;
use crate::json::{JsonServer, base};
use crate::keys::KeySource;
use crate::network::Network;
use crate::price::Price;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Of length one.
    pub vector: Vec<f32>,
    /// The tokens that the provider counts; none where it does not say.
    pub tokens: Option<u64>,
}

/// Who embeds.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// Words and letters, hashed: here, at once, free.
    Hash(HashEmbedding),
    /// A server.
    Http(Box<HttpEmbedder>),
}

impl Embedder {
    /// What vectors of this one may be compared with: only their own kind.
    pub fn name(&self) -> String {
        match self {
            Self::Hash(_) => HashEmbedding::NAME.to_owned(),
            Self::Http(server) => format!("{}/{}", server.server.provider, server.model),
        }
    }

    /// Whether it goes over the network.
    pub const fn is_real(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Its price; what is computed here costs nothing.
    pub const fn price(&self) -> Option<Price> {
        match self {
            Self::Hash(_) => Some(Price::flat(0.0, 0.0)),
            Self::Http(server) => server.price,
        }
    }

    /// Who is asked: the provider's word.
    pub const fn provider(&self) -> &'static str {
        match self {
            Self::Hash(_) => "local",
            Self::Http(server) => server.server.provider,
        }
    }

    /// Embeds a text.
    ///
    /// # Errors
    /// [`ModelError`] of the server.
    pub async fn embed(&self, text: &str) -> Result<Embedded, ModelError> {
        match self {
            Self::Hash(hash) => Ok(Embedded { vector: hash.embed(text), tokens: Some(0) }),
            Self::Http(server) => server.embed(text).await,
        }
    }
}

/// The local hash embedding: words, pairs of words and threes of letters, each hashed to one of 512 places. The same
/// text has the same vector on every machine. It finds what is said in the same words, not what means the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct HashEmbedding;

impl HashEmbedding {
    /// What it is called wherever it is shown.
    pub const NAME: &'static str = "local hash embedding";
    const SIZE: usize = 512;

    /// A vector of length one; of zeros for a text without letters and digits.
    pub fn embed(self, text: &str) -> Vec<f32> {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut vector = vec![0.0; Self::SIZE];
        for word in &words {
            // The most common words say nothing of what a text is about.
            if STOP_WORDS.contains(word) {
                continue;
            }
            put(&mut vector, &["w", word], 1.0);
            let letters: Vec<char> = format!("^{word}$").chars().collect();
            for three in letters.windows(3) {
                put(&mut vector, &["t", &three.iter().collect::<String>()], 0.25);
            }
        }
        for pair in words.windows(2) {
            put(&mut vector, &["p", pair[0], pair[1]], 0.5);
        }
        normalised(vector)
    }
}

const STOP_WORDS: [&str; 32] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "do", "does", "for", "from", "how", "i", "in", "is", "it", "me",
    "my", "of", "on", "or", "that", "the", "this", "to", "was", "what", "which", "with", "you", "your",
];

/// Adds a feature at the place of its hash, with the hash's sign, so that what falls together by chance cancels out.
fn put(vector: &mut [f32], parts: &[&str], weight: f32) {
    // FNV-1a: the same everywhere and for ever, which a hasher of the standard library does not promise.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let hash = hash ^ (hash >> 29);
    let at = (hash % vector.len().max(1) as u64) as usize;
    if let Some(place) = vector.get_mut(at) {
        *place += if hash >> 63 == 0 { weight } else { -weight };
    }
}

fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
    vector
}

/// A server that speaks OpenAI's embeddings: OpenAI, Ollama, llama.cpp, vLLM and friends.
#[derive(Debug, Clone)]
pub struct HttpEmbedder {
    server: JsonServer,
    model: String,
    price: Option<Price>,
}

impl HttpEmbedder {
    /// An embedder; nothing is sent before it is asked.
    ///
    /// # Errors
    /// [`ModelError::Setup`] for a provider without such embeddings, or an address that is none.
    pub fn new(
        kind: Kind,
        model: &str,
        base_url: Option<&str>,
        key_env: Option<String>,
        price: Option<Price>,
        network: Arc<Network>,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ModelError> {
        let setup = |message: String| ModelError::Setup { message };
        if !matches!(kind, Kind::OpenAi | Kind::Responses | Kind::Compatible | Kind::Ollama) {
            return Err(setup(format!(
                "{} does not speak OpenAI's embeddings: embed with openai, ollama or openai_compatible",
                kind.provider()
            )));
        }
        let home = kind.home().ok_or_else(|| setup("`base_url` is missing: say where the server is".into()));
        let url = base(base_url.map_or(home, Ok)?)?;
        let path = url.path().trim_end_matches('/');
        let url = match path.ends_with("/v1") {
            true => url,
            false => base(&format!("{}/v1", url.as_str().trim_end_matches('/')))?,
        };
        // The usual variable is read for the provider's own address only, as with models.
        let usual = if base_url.is_none() { kind.key_names().first().map(|name| (*name).to_owned()) } else { None };
        let server = JsonServer {
            base: url,
            key_env: key_env.or(usual),
            key_header: ("authorization", "Bearer "),
            headers: &[],
            provider: kind.provider(),
            network,
            keys,
        };
        Ok(Self { server, model: model.to_owned(), price })
    }

    async fn embed(&self, text: &str) -> Result<Embedded, ModelError> {
        let body = json!({"model": self.model, "input": [text], "encoding_format": "float"});
        let answer = self.server.ask(Method::POST, "embeddings", &body).await?;
        let wrong = |message: &str| ModelError::Protocol { message: message.to_owned() };
        let vector = answer.pointer("/data/0/embedding").and_then(Value::as_array);
        let vector = vector.ok_or_else(|| wrong("no `data[0].embedding` in it"))?;
        let vector: Option<Vec<f32>> = vector.iter().map(|x| x.as_f64().map(|x| x as f32)).collect();
        let vector = vector.filter(|vector| !vector.is_empty() && vector.iter().all(|x| x.is_finite()));
        let vector = vector.ok_or_else(|| wrong("`data[0].embedding` is no list of numbers"))?;
        let usage = answer.get("usage");
        let tokens = usage.and_then(|usage| usage.get("prompt_tokens").or_else(|| usage.get("total_tokens")));
        Ok(Embedded { vector: normalised(vector), tokens: tokens.and_then(Value::as_u64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::similarity;

    #[test]
    fn the_hash_embedding_is_the_same_for_the_same_and_near_for_what_shares_words() {
        let hash = HashEmbedding;
        let sofa = hash.embed("My sofa is green and stands in Berlin");
        assert_eq!(sofa, hash.embed("My sofa is green and stands in Berlin"));
        let near = similarity(&sofa, &hash.embed("What colour is my sofa?"));
        let far = similarity(&sofa, &hash.embed("Please list all invoices of March"));
        assert!(near > 0.2 && near > far + 0.1, "{near} {far}");
        assert!((similarity(&sofa, &sofa) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_text_without_words_is_near_to_nothing() {
        let hash = HashEmbedding;
        assert_eq!(similarity(&hash.embed("?!"), &hash.embed("anything")), 0.0);
    }

    #[test]
    fn a_provider_without_such_embeddings_is_refused_by_name() {
        let made = HttpEmbedder::new(Kind::Anthropic, "m", None, None, None, Network::new(), Arc::new(crate::NoKeys));
        assert!(made.unwrap_err().to_string().contains("anthropic does not speak"));
    }
}
