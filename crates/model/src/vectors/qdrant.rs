//! Qdrant's REST interface, as of its 1.10: collections, points, query.

use super::{Remembered, VectorError, Vectors, point_id};
use crate::error::ModelError;
use crate::json::{JsonServer, base};
use crate::keys::KeySource;
use crate::network::Network;
use aic_base::Timestamp;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// A collection of a Qdrant server. It is made when first written to.
#[derive(Debug)]
pub struct Qdrant {
    server: JsonServer,
    collection: String,
}

impl Qdrant {
    /// A collection; nothing is sent before it is used.
    ///
    /// # Errors
    /// [`ModelError::Setup`] for an address that is none, or a name that cannot stand in one.
    pub fn new(
        url: &str,
        collection: &str,
        key_env: Option<String>,
        network: Arc<Network>,
        keys: Arc<dyn KeySource>,
    ) -> Result<Self, ModelError> {
        if collection.is_empty()
            || !collection.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            let message = format!("`{collection}` cannot name a collection: use letters, digits, `-` and `_`");
            return Err(ModelError::Setup { message });
        }
        let server = JsonServer {
            base: base(url)?,
            key_env,
            key_header: ("api-key", ""),
            headers: &[],
            provider: "qdrant",
            network,
            keys,
        };
        Ok(Self { server, collection: collection.to_owned() })
    }

    async fn put(&self, vector: &[f32], what: &Remembered) -> Result<(), ModelError> {
        let points = format!("collections/{}/points?wait=true", self.collection);
        let body = json!({"points": [{"id": point_id(what), "vector": vector, "payload": what}]});
        match self.server.ask(Method::PUT, &points, &body).await {
            Err(ModelError::Status { status: 404, .. }) => {
                let make = json!({"vectors": {"size": vector.len(), "distance": "Cosine"}});
                match self.server.ask(Method::PUT, &format!("collections/{}", self.collection), &make).await {
                    // Somebody else made it in the meantime.
                    Ok(_) | Err(ModelError::Status { status: 409, .. }) => {}
                    Err(error) => return Err(error),
                }
                self.server.ask(Method::PUT, &points, &body).await.map(drop)
            }
            done => done.map(drop),
        }
    }

    async fn find(
        &self,
        vector: &[f32],
        who: &str,
        embedding: &str,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<(f32, Remembered)>, ModelError> {
        let is = |key: &str, value: &str| json!({"key": key, "match": {"value": value}});
        let body = json!({
            "query": vector,
            "limit": most,
            "with_payload": true,
            "filter": {"must": [is("who", who), is("embedding", embedding)]},
        });
        let asked =
            self.server.ask(Method::POST, &format!("collections/{}/points/query", self.collection), &body).await;
        let answer = match asked {
            // Nothing was remembered yet.
            Err(ModelError::Status { status: 404, .. }) => return Ok(Vec::new()),
            answer => answer?,
        };
        let points = answer.pointer("/result/points").and_then(Value::as_array);
        let points = points.ok_or_else(|| ModelError::Protocol { message: "no `result.points` in it".into() })?;
        Ok(super::read(points, "payload", who, embedding, now))
    }
}

impl Vectors for Qdrant {
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
