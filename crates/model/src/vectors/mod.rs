//! Where vectors are kept and searched: Pinecone and Qdrant over HTTP, or the process's memory. The workspace's own
//! store stands behind the same trait, in the program.

mod pinecone;
mod qdrant;

pub use pinecone::Pinecone;
pub use qdrant::Qdrant;

use crate::error::ModelError;
use aic_base::Timestamp;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Something remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Whose it is: nobody else's search finds it.
    pub who: String,
    /// Who made the vector: only its own kind is compared with it.
    pub embedding: String,
    /// What was said.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// From when on it is not found any more.
    pub keep_until: Option<Timestamp>,
    /// Whether untrusted text had a part in it.
    pub tainted: bool,
}

impl Remembered {
    fn is_over(&self, now: Timestamp) -> bool {
        self.keep_until.is_some_and(|until| until <= now)
    }
}

/// A memory cannot be kept or searched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VectorError {
    /// The server.
    #[error(transparent)]
    Server(#[from] ModelError),
    /// The workspace's own store.
    #[error("{0}")]
    Store(String),
}

/// Where vectors are kept.
pub trait Vectors: Send + Sync + fmt::Debug {
    /// Keeps one.
    fn add<'a>(&'a self, vector: &'a [f32], what: &'a Remembered) -> BoxFuture<'a, Result<(), VectorError>>;

    /// Those of one person and one kind of embedding that are nearest to a vector and not over, nearest first, with
    /// their similarity (-1 to 1).
    fn nearest<'a>(
        &'a self,
        vector: &'a [f32],
        who: &'a str,
        embedding: &'a str,
        most: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(f32, Remembered)>, VectorError>>;
}

/// The cosine of the angle between two vectors of length one; 0 for vectors of different spaces.
pub fn similarity(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}

/// The nearest of some, nearest first; among equals the order they came in.
pub(crate) fn best(mut found: Vec<(f32, Remembered)>, most: usize) -> Vec<(f32, Remembered)> {
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(most);
    found
}

/// In the process's memory: for tests, and for whoever keeps nothing.
#[derive(Debug, Default)]
pub struct MemoryVectors(Mutex<Vec<(Vec<f32>, Remembered)>>);

impl Vectors for MemoryVectors {
    fn add<'a>(&'a self, vector: &'a [f32], what: &'a Remembered) -> BoxFuture<'a, Result<(), VectorError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((vector.to_vec(), what.clone()));
        Box::pin(std::future::ready(Ok(())))
    }

    fn nearest<'a>(
        &'a self,
        vector: &'a [f32],
        who: &'a str,
        embedding: &'a str,
        most: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(f32, Remembered)>, VectorError>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = all.iter().filter(|(_, it)| it.who == who && it.embedding == embedding && !it.is_over(now));
        let found = mine.map(|(other, it)| (similarity(vector, other), it.clone())).collect();
        Box::pin(std::future::ready(Ok(best(found, most))))
    }
}

/// A digest as the number of a point, in the form of a UUID.
fn point_id(what: &Remembered) -> String {
    let text = serde_json::to_string(what).unwrap_or_default();
    let digest = aic_base::DigestBuilder::new("memory").part("what", text).finish().to_string();
    let hex = |range: std::ops::Range<usize>| digest.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", hex(0..8), hex(8..12), hex(12..16), hex(16..20), hex(20..32))
}

/// What a server found. Whose it is is looked at again: a filter that a server ignores must not show anybody somebody
/// else's.
fn read(found: &[serde_json::Value], key: &str, who: &str, embedding: &str, now: Timestamp) -> Vec<(f32, Remembered)> {
    let read = found.iter().filter_map(|one| {
        let score = one.get("score")?.as_f64()? as f32;
        let what: Remembered = serde_json::from_value(one.get(key)?.clone()).ok()?;
        (what.who == who && what.embedding == embedding && !what.is_over(now)).then_some((score, what))
    });
    read.collect()
}
