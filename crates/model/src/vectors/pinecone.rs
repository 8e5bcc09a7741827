//! Pinecone's data plane, version 2025-01: upsert and query at the index's own host. Indexes are made by their owner.

use super::{Remembered, VectorError, Vectors, point_id};
use crate::error::ModelError;
use crate::json::{JsonServer, base};
use crate::keys::KeySource;
use crate::network::Network;
use aic_base::Timestamp;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// An index of Pinecone's. The namespace in it is named like the spec's index.
#[derive(Debug)]
pub struct Pinecone {
    server: JsonServer,
    namespace: String,
}

impl Pinecone {
    /// An index at its host; nothing is sent before it is used.
    ///
    /// # Errors
    /// [`ModelError::Setup`] for an address that is none.
    pub fn new(
        url: &str,
        namespace: &str,
        key_env: Option<String>,
        network: Arc<Network>,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ModelError> {
        let server = JsonServer {
            base: base(url)?,
            key_env: Some(key_env.unwrap_or_else(|| "PINECONE_API_KEY".into())),
            key_header: ("api-key", ""),
            headers: &[("x-pinecone-api-version", "2025-01")],
            provider: "pinecone",
            network,
            keys,
        };
        Ok(Self { server, namespace: namespace.to_owned() })
    }

    async fn put(&self, vector: &[f32], what: &Remembered) -> Result<(), ModelError> {
        let mut metadata = match serde_json::to_value(what) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        // It takes no null.
        metadata.retain(|_, value| !value.is_null());
        let body = json!({
            "vectors": [{"id": point_id(what), "values": vector, "metadata": metadata}],
            "namespace": self.namespace,
        });
        self.server.ask(Method::POST, "vectors/upsert", &body).await.map(drop)
    }

    async fn find(
        &self,
        vector: &[f32],
        who: &str,
        embedding: &str,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<(f32, Remembered)>, ModelError> {
        let body = json!({
            "vector": vector,
            "topK": most,
            "includeMetadata": true,
            "namespace": self.namespace,
            "filter": {"who": {"$eq": who}, "embedding": {"$eq": embedding}},
        });
        let answer = self.server.ask(Method::POST, "query", &body).await?;
        let matches = answer.get("matches").and_then(Value::as_array);
        let matches = matches.ok_or_else(|| ModelError::Protocol { message: "no `matches` in it".into() })?;
        Ok(super::read(matches, "metadata", who, embedding, now))
    }
}

impl Vectors for Pinecone {
    fn add<'a>(&'a self, vector: &'a [f32], what: &'a Remembered) -> BoxFuture<'a, Result<(), VectorError>> {
        Box::pin(async move { Ok(self.put(vector, what).await?) })
    }

    fn nearest<'a>(
        &'a self,
        vector: &'a [f32],
        who: &'a str,
        embedding: &'a str,
        most: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(f32, Remembered)>, VectorError>> {
        Box::pin(async move { Ok(self.find(vector, who, embedding, most, now).await?) })
    }
}
