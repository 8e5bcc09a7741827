//! Undo: an operation that takes back what another one did, and no more. History keeps both.

use crate::error::StoreError;
use crate::operations::{Operation, OperationKind, View, operations, view};
use crate::rollback::{Observer, Plan, RollbackReport, allowed, carry_out};
use crate::store::Store;
use crate::versions::{NewVersion, Prepared, VersionReason, record};
use aic_base::{Digest, RelPath};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// An operation to be undone.
#[derive(Debug, Clone)]
pub struct UndoRequest {
    /// The spec.
    pub spec: RelPath,
    /// The spec's `name:` as it is now.
    pub name: String,
    /// The working files: they are recorded first where files change.
    pub current: BTreeMap<RelPath, Arc<[u8]>>,
    /// The operation; without, the last one that a person made and that is not undone, so that undoing again goes
    /// further back. Naming an undo takes that back.
    pub operation: Option<i64>,
}

impl Store {
    /// Undoes an operation: working files, quarantines and tags go back to what they were before it, except where
    /// something later has moved them on.
    ///
    /// # Errors
    /// [`StoreError::NothingToUndo`], and as [`Store::rollback`].
    pub fn undo(&self, request: UndoRequest) -> Result<RollbackReport, StoreError> {
        self.undo_observed(request, Arc::new(|_| {}))
    }

    /// As [`Store::undo`], telling each step.
    ///
    /// # Errors
    /// As [`Store::undo`].
    pub fn undo_observed(&self, request: UndoRequest, observer: Observer) -> Result<RollbackReport, StoreError> {
        let started = self.inner.clock.elapsed();
        let lock = self.begin()?;
        let UndoRequest { spec, name, current, operation } = request;
        let nothing = || StoreError::NothingToUndo { spec: spec.clone(), operation };
        let (history, now) = self.read(|conn| Ok((operations(conn, &spec)?, view(conn, &spec)?)))?;
        let undone = choose(history, operation).ok_or_else(nothing)?;
        let reason = VersionReason::BeforeRollback;
        let files = NewVersion { spec: spec.clone(), name: name.clone(), files: current, reason };
        let current = Prepared::new(files)?;
        let Operation { id, kind, before, after, .. } = undone;
        // Only a rollback, or the undoing of one, has moved the files.
        let to = if before.current == after.current { None } else { before.current };
        let plan = Plan {
            spec,
            name,
            kind: OperationKind::Undo,
            from: current.digest,
            to: to.unwrap_or(current.digest),
            remove: true,
            quarantine: missing(&before, &after, &now),
            lift: lifted(&before, &after),
            tags: moved_tags(&before, &after, &now),
            undoes: Some(id),
            reason: format!("undo of operation {id} ({})", kind.as_str()),
        };
        if plan.from != plan.to {
            return self.drive(&lock, plan, current, started, &observer);
        }
        // No file changes: the transaction is all there is.
        let (at, digest, moves) = (self.now(), plan.from, to.is_some());
        let operation = self.write(move |conn| {
            if moves {
                allowed(conn, &plan)?;
                record(conn, at, &current)?;
            }
            carry_out(conn, &plan, at)
        })?;
        let took = self.inner.clock.elapsed().saturating_sub(started);
        Ok(RollbackReport { operation, from: digest, to: digest, changed: Vec::new(), rescued: None, took })
    }
}

/// The operation that was named, or the last one of a person's that still stands.
fn choose(history: Vec<Operation>, named: Option<i64>) -> Option<Operation> {
    let mut undone = HashSet::new();
    // Newest first: an undo that was undone itself does not count.
    for operation in history {
        if undone.contains(&operation.id) {
            if named == Some(operation.id) {
                return None;
            }
            continue;
        }
        undone.extend(operation.undoes);
        let wanted = match named {
            Some(id) => id == operation.id,
            None => operation.kind != OperationKind::Undo,
        };
        if wanted && operation.kind.can_be_undone() {
            return Some(operation);
        }
    }
    None
}

/// Quarantines the operation set: they are lifted.
fn lifted(before: &View, after: &View) -> BTreeSet<Digest> {
    after.quarantined.keys().filter(|digest| !before.quarantined.contains_key(*digest)).copied().collect()
}

/// Quarantines the operation lifted: they are set again, unless somebody has.
fn missing(before: &View, after: &View, now: &View) -> BTreeMap<Digest, String> {
    let gone = |digest: &Digest| !after.quarantined.contains_key(digest) && !now.quarantined.contains_key(digest);
    before
        .quarantined
        .iter()
        .filter(|(digest, _)| gone(digest))
        .map(|(digest, reason)| (*digest, reason.clone()))
        .collect()
}

/// Tags the operation moved and nobody has moved since.
fn moved_tags(before: &View, after: &View, now: &View) -> BTreeMap<String, Option<Digest>> {
    let names: BTreeSet<&String> = before.tags.keys().chain(after.tags.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.tags.get(*name) != after.tags.get(*name) && after.tags.get(*name) == now.tags.get(*name))
        .map(|name| (name.clone(), before.tags.get(name).copied()))
        .collect()
}
