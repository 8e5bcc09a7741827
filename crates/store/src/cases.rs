//! Results of behaviour cases, by the digest of everything a case depends on. A case whose digest has changed has no
//! result here: that is how unaffected cases keep theirs and the others are run again.

use crate::error::StoreError;
use crate::store::Store;
use aic_base::{Digest, RelPath, Timestamp};
use rusqlite::{OptionalExtension as _, params};
use serde_json::Value;

/// A result to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult {
    /// The spec it belongs to.
    pub spec: RelPath,
    /// The digest of everything the case depends on.
    pub digest: Digest,
    /// The verdict, in the behaviour tests' own word.
    pub verdict: String,
    /// Whatever they want back.
    pub payload: Value,
}

/// A result that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCase {
    /// The verdict.
    pub verdict: String,
    /// What was stored with it.
    pub payload: Value,
    /// When it was stored.
    pub at: Timestamp,
}

impl Store {
    /// The result of a case with exactly this digest.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn case_result(&self, spec: &RelPath, digest: Digest) -> Result<Option<StoredCase>, StoreError> {
        self.read(|conn| {
            let row: Option<(String, i64, String)> = conn
                .prepare_cached("SELECT verdict, at, json FROM case_result WHERE spec = ?1 AND digest = ?2")?
                .query_row(params![spec.as_str(), digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let Some((verdict, at, json)) = row else { return Ok(None) };
            Ok(Some(StoredCase { verdict, payload: serde_json::from_str(&json)?, at: Timestamp::from_millis(at) }))
        })
    }

    /// Keeps results, all or none; one of the same digest replaces the older one.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn put_case_results(&self, results: Vec<CaseResult>) -> Result<(), StoreError> {
        let at = self.now().millis();
        self.write(move |conn| {
            let mut insert = conn.prepare_cached(
                "INSERT INTO case_result (spec, digest, verdict, at, json) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET verdict = excluded.verdict, at = excluded.at, json = excluded.json, enc = 0",
            )?;
            for result in results {
                let json = result.payload.to_string();
                insert.execute(params![result.spec.as_str(), result.digest.as_bytes(), result.verdict, at, json])?;
            }
            Ok(())
        })
    }

    /// Forgets results that were stored before a moment; returns how many went.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn prune_case_results(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(move |conn| Ok(conn.execute("DELETE FROM case_result WHERE at < ?1", [before.millis()])?))
    }
}
