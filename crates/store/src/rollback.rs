//! Rollback: the intent is journalled, one transaction moves what the store knows, the working files follow one by
//! one, the journal is closed. A crash anywhere leaves a journal that says how to go on.
//!
//! What is in the working files is recorded before anything else, so nothing is lost by a rollback, and undoing one is
//! a rollback too (see `undo`).

use crate::audit::{AuditEntry, append};
use crate::error::{Fault, StoreError, unwritable};
use crate::lease::Held;
use crate::operations::{Draft, OperationKind, operate, put_quarantine, put_tag};
use crate::replace::{FileChange, Files, Replacement};
use crate::store::{Store, lock_file};
use crate::versions::{NewVersion, Prepared, VersionReason, by_digest, record, set_current};
use aic_base::{Digest, RelPath, Source as _, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::TryLockError;
use std::sync::Arc;
use std::time::Duration;

/// A rollback to be done.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The spec.
    pub spec: RelPath,
    /// The spec's `name:` as it is now, for the version that is recorded of the working files.
    pub name: String,
    /// The version to go back to.
    pub target: Digest,
    /// The working files: the spec and every file it names. They are recorded first.
    pub current: BTreeMap<RelPath, Arc<[u8]>>,
    /// Whether the version that is left is set aside.
    pub quarantine_current: bool,
    /// Whether files that the current version names and the target lacks are removed. Files that no version names, or
    /// that another spec needs, always stay.
    pub remove_added: bool,
    /// Why, in words that may be kept for good.
    pub reason: String,
}

/// How a rollback went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackReport {
    /// The operation it is.
    pub operation: i64,
    /// The version that was left.
    pub from: Digest,
    /// The version the working files are now.
    pub to: Digest,
    /// Each file and what became of it, by path.
    pub changed: Vec<FileChange>,
    /// The version that holds what somebody wrote into the files after `from` was read.
    pub rescued: Option<Digest>,
    /// How long it took, several waits for the disk included.
    pub took: Duration,
}

/// A rollback that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The spec.
    pub spec: RelPath,
    /// A rollback, or the undoing of one.
    pub kind: OperationKind,
    /// The version that is left.
    pub from: Digest,
    /// The version that is to come back.
    pub to: Digest,
    /// Since when.
    pub since: Timestamp,
    /// Whether the store has moved already, and only files are left to be replaced.
    pub committed: bool,
}

/// An unfinished rollback that was found, and how finishing it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What was found.
    pub pending: Pending,
    /// How finishing went. After an error the rollback may still be pending: [`Store::pending_operation`] tells.
    pub outcome: Result<RollbackReport, StoreError>,
}

/// The steps of a rollback, for whoever watches one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The working files are recorded and the intent is journalled.
    Journalled,
    /// The new files are written beside their places.
    Staged,
    /// Everything is written in the transaction, which is not committed yet.
    InTransaction,
    /// The transaction is on the disk.
    Committed,
    /// This file is about to change.
    BeforeFile(RelPath),
    /// This file has changed.
    AfterFile(RelPath),
    /// All files have changed; the journal is still open.
    BeforeClose,
    /// The journal is closed.
    Closed,
}

/// Is called at each [`Step`], in part on the writer's thread: it must not call the store.
pub type Observer = Arc<dyn Fn(&Step) + Send + Sync>;

/// Everything a rollback does, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub spec: RelPath,
    pub name: String,
    pub kind: OperationKind,
    pub from: Digest,
    pub to: Digest,
    pub remove: bool,
    pub quarantine: BTreeMap<Digest, String>,
    pub lift: BTreeSet<Digest>,
    pub tags: BTreeMap<String, Option<Digest>>,
    pub undoes: Option<i64>,
    pub reason: String,
}

struct Journal {
    id: i64,
    plan: Plan,
    at: Timestamp,
    operation: Option<i64>,
}

/// One process replaces the files of a workspace at a time.
pub(crate) struct AtWork {
    _lock: Held,
}

impl Store {
    /// Puts the working files back to a version.
    ///
    /// # Errors
    /// Before anything has changed: [`StoreError::NoVersion`], [`StoreError::Quarantined`],
    /// [`StoreError::AlreadyThere`], [`StoreError::RollbackAtWork`], or [`StoreError::File`] where a file cannot be
    /// replaced. After that the rollback is pending: [`Store::finish_pending`] goes on with it, and so does the next
    /// start.
    pub fn rollback(&self, request: RollbackRequest) -> Result<RollbackReport, StoreError> {
        self.rollback_observed(request, Arc::new(|_| {}))
    }

    /// As [`Store::rollback`], telling each step.
    ///
    /// # Errors
    /// As [`Store::rollback`].
    pub fn rollback_observed(
        &self,
        request: RollbackRequest,
        observer: Observer,
    ) -> Result<RollbackReport, StoreError> {
        let started = self.inner.clock.elapsed();
        let lock = self.begin()?;
        let RollbackRequest { spec, name, target, current, quarantine_current, remove_added, reason } = request;
        if self.is_there_already(target, &current, remove_added) {
            let version = self.read(|conn| by_digest(conn, &spec, target))?.shown();
            return Err(StoreError::AlreadyThere { spec, version });
        }
        let reason_kept = VersionReason::BeforeRollback;
        let current =
            Prepared::new(NewVersion { spec: spec.clone(), name: name.clone(), files: current, reason: reason_kept })?;
        let quarantine = if quarantine_current { Some((current.digest, reason.clone())) } else { None };
        let plan = Plan {
            spec,
            name,
            kind: OperationKind::Rollback,
            from: current.digest,
            to: target,
            remove: remove_added,
            quarantine: quarantine.into_iter().collect(),
            lift: BTreeSet::new(),
            tags: BTreeMap::new(),
            undoes: None,
            reason,
        };
        if plan.from == plan.to {
            let version = self.read(|conn| by_digest(conn, &plan.spec, plan.to))?.shown();
            return Err(StoreError::AlreadyThere { spec: plan.spec, version });
        }
        self.drive(&lock, plan, current, started, &observer)
    }

    /// Whether the working files are the target by now: somebody else's rollback was faster than this caller, who still
    /// thinks that they are `current`.
    fn is_there_already(&self, target: Digest, current: &BTreeMap<RelPath, Arc<[u8]>>, remove_added: bool) -> bool {
        // What is wrong with the target is said where it is put back.
        let Ok(wanted) = self.files_of(target) else { return false };
        let on_disk = |path: &RelPath| self.inner.workspace.read(path);
        let added = current.keys().filter(|path| remove_added && !wanted.contains_key(*path));
        wanted.iter().all(|(path, bytes)| on_disk(path).is_ok_and(|found| *found == **bytes))
            && added.into_iter().all(|path| on_disk(path).is_err())
    }

    /// The rollback that has begun and not ended, if there is one: in this process, in another one, or in one that
    /// died. While there is one, the working files are neither the one version nor the other: watchers look away.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn pending_operation(&self) -> Result<Option<Pending>, StoreError> {
        Ok(self.read(open_journal)?.as_ref().map(pending))
    }

    /// Finishes a rollback that was cut short; nothing if there is none, or if the process that began it is still at
    /// it.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read. That finishing has failed is told inside.
    pub fn finish_pending(&self) -> Result<Option<Recovered>, StoreError> {
        if self.read(open_journal)?.is_none() {
            return Ok(None);
        }
        match self.lock_rollback()? {
            Some(lock) => self.finish_open(&lock),
            None => Ok(None),
        }
    }

    /// Gives up a rollback that cannot be finished: the working files stay as they are. What the store has noted of it
    /// stays too; record the working files afterwards to say what they are.
    ///
    /// # Errors
    /// [`StoreError::RollbackAtWork`] while somebody is still at it, or if the store cannot be written.
    pub fn abandon_pending(&self, reason: &str) -> Result<Option<Pending>, StoreError> {
        let _lock = self.lock_rollback()?.ok_or_else(|| self.at_work())?;
        let Some(journal) = self.read(open_journal)? else { return Ok(None) };
        let (pending, at, reason) = (pending(&journal), self.now(), reason.to_owned());
        if let (Ok(from), Ok(to)) = (self.files_of(journal.plan.from), self.files_of(journal.plan.to)) {
            let (disk, shared) = (&self.inner.workspace, &BTreeSet::new());
            Replacement { disk, journal: journal.id, from: &from, to: &to, remove: false, shared }.clean();
        }
        self.write(move |conn| {
            let plan = &journal.plan;
            let description = format!("gave up going from {} to {}: {reason}", plan.from.short(), plan.to.short());
            let draft =
                Draft { spec: &plan.spec, at, kind: OperationKind::Abandon, description, undoes: None, always: true };
            let id = operate(conn, draft, || Ok(()))?;
            append(conn, at, &audit_entry(OperationKind::Abandon, plan, id, &reason))?;
            close(conn, journal.id, at, "abandoned")
        })?;
        Ok(Some(pending))
    }

    /// Takes the workspace for a rollback, and first finishes one that was cut short while this store was open.
    pub(crate) fn begin(&self) -> Result<AtWork, StoreError> {
        self.writer()?;
        let lock = self.lock_rollback()?.ok_or_else(|| self.at_work())?;
        match self.finish_open(&lock)? {
            Some(Recovered { outcome: Err(error), .. }) if self.pending_operation()?.is_some() => Err(error),
            _ => Ok(lock),
        }
    }

    /// Records the working files, journals the plan, and carries it out.
    pub(crate) fn drive(
        &self,
        lock: &AtWork,
        plan: Plan,
        current: Prepared,
        started: Duration,
        observer: &Observer,
    ) -> Result<RollbackReport, StoreError> {
        let at = self.now();
        let written = plan.clone();
        let id = self.write(move |conn| {
            // First whether it may be done: what is refused leaves no trace.
            allowed(conn, &written)?;
            record(conn, at, &current)?;
            conn.prepare_cached("INSERT INTO journal (spec, plan, at) VALUES (?1, ?2, ?3)")?.execute(params![
                written.spec.as_str(),
                serde_json::to_string(&written)?,
                at.millis()
            ])?;
            Ok(conn.last_insert_rowid())
        })?;
        observer(&Step::Journalled);
        self.finish(lock, Journal { id, plan, at, operation: None }, started, observer)
    }

    fn finish_open(&self, lock: &AtWork) -> Result<Option<Recovered>, StoreError> {
        let Some(journal) = self.read(open_journal)? else { return Ok(None) };
        let pending = pending(&journal);
        let observer: Observer = Arc::new(|_| {});
        let outcome = self.finish(lock, journal, self.inner.clock.elapsed(), &observer);
        Ok(Some(Recovered { pending, outcome }))
    }

    /// From the journalled intent, or wherever it was cut short, to the closed journal.
    fn finish(
        &self,
        _lock: &AtWork,
        journal: Journal,
        started: Duration,
        observer: &Observer,
    ) -> Result<RollbackReport, StoreError> {
        let Journal { id, plan, operation, .. } = journal;
        // While nothing has moved, whatever is wrong ends it here, as if it had been refused at once.
        let refuse = |error: StoreError| -> StoreError {
            if operation.is_none() {
                let at = self.now();
                // Where even that cannot be written, it stays pending, and the next start tries again.
                let _ = self.write(move |conn| close(conn, id, at, "refused"));
            }
            error
        };
        let loaded = self.files_of(plan.from).and_then(|from| {
            Ok((from, self.files_of(plan.to)?, self.read(|conn| needed_by_others(conn, &plan.spec))?))
        });
        let (from, to, shared) = loaded.map_err(refuse)?;
        let replacement = Replacement {
            disk: &self.inner.workspace,
            journal: id,
            from: &from,
            to: &to,
            remove: plan.remove,
            shared: &shared,
        };
        let staged = replacement.stage().map_err(refuse)?;
        observer(&Step::Staged);
        let operation = self.commit(id, &plan, observer)?;
        observer(&Step::Committed);
        let rescued = Cell::new(None);
        let base = RefCell::new(from.clone());
        let mut rescue = |strays: Files| -> Result<(), StoreError> {
            let mut files = base.borrow_mut();
            files.extend(strays);
            rescued.set(Some(self.rescue(&plan, files.clone())?));
            Ok(())
        };
        let changed = replacement.apply(staged, &mut rescue, &|step| observer(&step))?;
        observer(&Step::BeforeClose);
        let at = self.now();
        self.write(move |conn| close(conn, id, at, "done"))?;
        observer(&Step::Closed);
        let took = self.inner.clock.elapsed().saturating_sub(started);
        Ok(RollbackReport { operation, from: plan.from, to: plan.to, changed, rescued: rescued.get(), took })
    }

    /// The one transaction: operation, pointer, tags, quarantine, audit, and the journal's note that it has happened.
    fn commit(&self, journal: i64, plan: &Plan, observer: &Observer) -> Result<i64, StoreError> {
        let (plan, at, observer) = (plan.clone(), self.now(), observer.clone());
        self.write(move |conn| {
            let done: Option<i64> =
                conn.query_row("SELECT operation FROM journal WHERE id = ?1", [journal], |row| row.get(0))?;
            if let Some(operation) = done {
                return Ok(operation);
            }
            let operation = carry_out(conn, &plan, at)?;
            conn.prepare_cached("UPDATE journal SET operation = ?2 WHERE id = ?1")?
                .execute(params![journal, operation])?;
            observer(&Step::InTransaction);
            Ok(operation)
        })
    }

    fn rescue(&self, plan: &Plan, files: Files) -> Result<Digest, StoreError> {
        let (spec, name) = (plan.spec.clone(), plan.name.clone());
        let reason = VersionReason::Rescued;
        let (prepared, at) = (Prepared::new(NewVersion { spec, name, files, reason })?, self.now());
        Ok(self.write(move |conn| record(conn, at, &prepared))?.digest)
    }

    fn lock_rollback(&self) -> Result<Option<AtWork>, StoreError> {
        self.writer()?;
        let path = self.inner.folder.join("rollback.lock");
        let file = lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(AtWork { _lock: Held(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unwritable(&path, &error)),
        }
    }

    fn at_work(&self) -> StoreError {
        StoreError::RollbackAtWork { path: self.inner.folder.join("rollback.lock") }
    }
}

/// Whether the target may come back: it is there, and not set aside by anything this plan does not lift.
pub(crate) fn allowed(conn: &Connection, plan: &Plan) -> Result<(), Fault> {
    let target = by_digest(conn, &plan.spec, plan.to)?;
    match target.quarantined.clone() {
        Some(reason) if !plan.lift.contains(&plan.to) => {
            let version = target.shown();
            Err(StoreError::Quarantined { spec: plan.spec.clone(), version, reason }.into())
        }
        _ => Ok(()),
    }
}

/// What a plan changes in the store, with its operation and its audit entry.
pub(crate) fn carry_out(conn: &Connection, plan: &Plan, at: Timestamp) -> Result<i64, Fault> {
    let verb = if plan.kind == OperationKind::Undo { "undo" } else { "rollback" };
    let description = match (plan.from == plan.to, plan.undoes) {
        (false, None) => format!("{verb} from {} to {}: {}", plan.from.short(), plan.to.short(), plan.reason),
        (false, Some(_)) => format!("{}: from {} to {}", plan.reason, plan.from.short(), plan.to.short()),
        (true, _) => plan.reason.clone(),
    };
    let draft = Draft { spec: &plan.spec, at, kind: plan.kind, description, undoes: plan.undoes, always: true };
    let operation = operate(conn, draft, || {
        if plan.from != plan.to {
            set_current(conn, &plan.spec, plan.to)?;
        }
        for (digest, reason) in &plan.quarantine {
            // One that somebody set for another reason keeps it: undoing this must not touch it.
            if by_digest(conn, &plan.spec, *digest)?.quarantined.is_none() {
                put_quarantine(conn, *digest, Some(reason), at)?;
            }
        }
        for digest in &plan.lift {
            put_quarantine(conn, *digest, None, at)?;
        }
        for (name, digest) in &plan.tags {
            put_tag(conn, &plan.spec, name, *digest)?;
        }
        Ok(())
    })?;
    append(conn, at, &audit_entry(plan.kind, plan, operation, &plan.reason))?;
    operation.ok_or_else(|| Fault::Damaged("an operation was not written down".into()))
}

fn audit_entry(kind: OperationKind, plan: &Plan, operation: Option<i64>, reason: &str) -> AuditEntry {
    let quarantined: Vec<String> = plan.quarantine.keys().map(Digest::to_string).collect();
    let lifted: Vec<String> = plan.lift.iter().map(Digest::to_string).collect();
    let fields = [
        ("operation", Value::from(operation)),
        ("undoes", plan.undoes.into()),
        ("spec", plan.spec.as_str().into()),
        ("from", plan.from.to_string().into()),
        ("to", plan.to.to_string().into()),
        ("quarantined", quarantined.into()),
        ("lifted", lifted.into()),
        ("reason", reason.into()),
    ];
    let fields: Map<String, Value> = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    AuditEntry { kind: kind.as_str().into(), fields }
}

fn open_journal(conn: &Connection) -> Result<Option<Journal>, Fault> {
    let row: Option<(i64, String, i64, Option<i64>)> = conn
        .prepare_cached("SELECT id, plan, at, operation FROM journal WHERE closed_at IS NULL ORDER BY id LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((id, plan, at, operation)) = row else { return Ok(None) };
    Ok(Some(Journal { id, plan: serde_json::from_str(&plan)?, at: Timestamp::from_millis(at), operation }))
}

fn pending(journal: &Journal) -> Pending {
    let Plan { spec, kind, from, to, .. } = &journal.plan;
    let committed = journal.operation.is_some();
    Pending { spec: spec.clone(), kind: *kind, from: *from, to: *to, since: journal.at, committed }
}

fn close(conn: &Connection, journal: i64, at: Timestamp, ending: &str) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE journal SET closed_at = ?2, ending = ?3 WHERE id = ?1")?.execute(params![
        journal,
        at.millis(),
        ending
    ])?;
    Ok(())
}

/// The files that the current versions of other specs name: a rollback of this one does not take them away.
fn needed_by_others(conn: &Connection, spec: &RelPath) -> Result<BTreeSet<RelPath>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT DISTINCT f.path FROM pointer p JOIN version_file f ON f.version = p.current WHERE p.spec <> ?1",
    )?;
    let paths = select.query_map([spec.as_str()], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    paths.iter().map(|path| Ok(RelPath::new(path)?)).collect()
}
