//! Writing runs down: what the engine reports, as the store keeps it.

use crate::workspace::now;
use aic_base::{Digest, DigestBuilder, Event, EventKind, RelPath, RunId, Timestamp};
use aic_engine::{Counters, Recorder, Reservation, Reserved};
use aic_store::{AuditEntry, RunRecord, SealKey, Store, StoreError};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The runs of a test session that is under way.
pub(crate) type Held = Arc<Mutex<Vec<RunRecord>>>;

/// Hands every run to the store when it has ended, and audit rows at once.
pub struct StoreRecorder {
    recorder: aic_store::Recorder,
    spec: RelPath,
    version: Option<Digest>,
    /// Fields that enter the chain as salted digests, and the salt.
    personal: Vec<String>,
    salt: Option<[u8; 32]>,
    /// The behaviour case that is run: a test's rows are no business of the audit.
    case: Option<String>,
    /// Where the runs of a test session wait for its end, to be written with few waits for the disk.
    held: Option<Held>,
    open: Mutex<HashMap<RunId, Open>>,
    failed: Mutex<Option<StoreError>>,
}

#[derive(Default)]
struct Open {
    started: Timestamp,
    events: Vec<Event>,
}

impl StoreRecorder {
    pub(crate) fn for_case(store: &Store, spec: &RelPath, version: Option<Digest>, case: &str, held: Held) -> Self {
        let recorder = Self::new(store, spec, version, Vec::new(), None, Some(case.to_owned()));
        Self { held: Some(held), ..recorder }
    }

    /// Real runs of a spec, with their audit rows; `personal` fields enter the chain as digests with `salt`, and payloads are
    /// sealed where there is a key.
    pub fn for_runs(
        store: &Store,
        spec: &RelPath,
        version: Option<Digest>,
        personal: Vec<String>,
        salt: Option<[u8; 32]>,
        key: Option<Arc<SealKey>>,
    ) -> Self {
        let plain = Self::new(store, spec, version, personal, salt, None);
        match key {
            Some(key) => Self { recorder: store.recorder().sealed(key), ..plain },
            None => plain,
        }
    }

    fn new(
        store: &Store,
        spec: &RelPath,
        version: Option<Digest>,
        personal: Vec<String>,
        salt: Option<[u8; 32]>,
        case: Option<String>,
    ) -> Self {
        let recorder = store.recorder();
        let (open, failed) = (Mutex::default(), Mutex::default());
        Self { recorder, spec: spec.clone(), version, personal, salt, case, held: None, open, failed }
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// [`StoreError`], the first that happened, where writing again did not mend it.
    pub fn flush(&self) -> Result<(), StoreError> {
        let flushed = self.recorder.flush();
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // What failed on the way is tried again by the flush; only what is still wrong matters.
            Some(_) if flushed.is_ok() => Ok(()),
            Some(error) => Err(error),
            None => flushed,
        }
    }
}

impl Recorder for StoreRecorder {
    fn event(&self, event: &Event) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let run = open.entry(event.run.clone()).or_default();
        if let EventKind::RunStarted { at, .. } = &event.kind {
            run.started = *at;
        }
        run.events.push(event.clone());
        let EventKind::RunEnded { outcome, usage, cost, .. } = &event.kind else { return };
        let Some(Open { started, events }) = open.remove(&event.run) else { return };
        drop(open);
        let record = RunRecord {
            run: event.run.clone(),
            spec: self.spec.clone(),
            version: self.version,
            case: self.case.clone(),
            started,
            outcome: *outcome,
            cost: *cost,
            usage: *usage,
            latency: event.after,
            events,
        };
        if let Some(held) = &self.held {
            held.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        } else if let Err(error) = self.recorder.append(record) {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn audit(&self, run: &RunId, fields: &Map<String, Value>) -> Result<(), String> {
        if self.case.is_some() {
            return Ok(());
        }
        let mut kept = Map::new();
        kept.insert("run".into(), run.0.as_str().into());
        for (name, value) in fields {
            let personal = self.personal.iter().any(|other| other == name) && !value.is_null();
            let value = match (personal, &self.salt) {
                (false, _) => value.clone(),
                (true, Some(salt)) => {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    salted(salt, &text).into()
                }
                (true, None) => return Err(format!("`{name}` is personal data, and there is no salt to hide it with")),
            };
            kept.insert(name.clone(), value);
        }
        self.recorder.audit(AuditEntry { kind: "run".into(), fields: kept }).map_err(|error| error.to_string())
    }
}

/// Personal data as it is written down: the same data of one workspace has the same digest.
pub(crate) fn salted(salt: &[u8; 32], text: &str) -> String {
    let digest = DigestBuilder::new("personal").part("salt", salt).part("value", text).finish();
    format!("sha256:{digest}")
}

/// The workspace's counters, across processes. Their windows are of real time, whatever moment a run was told it is:
/// a limit that stands still would never let go.
pub struct StoreCounters {
    store: Store,
    held: Mutex<HashMap<u64, aic_store::Reservation>>,
    next: Mutex<u64>,
}

impl StoreCounters {
    /// Those of this store's workspace.
    pub fn new(store: Store) -> Self {
        Self { store, held: Mutex::default(), next: Mutex::default() }
    }
}

impl Counters for StoreCounters {
    fn reserve(&self, key: &str, window: Duration, most: u64, amount: u64, _: Timestamp) -> Result<Reserved, String> {
        let reserved =
            self.store.try_reserve(key, Some(window), most, amount, now()).map_err(|error| error.to_string())?;
        match reserved {
            aic_store::Reserved::Refused { sum } => Ok(Reserved::Refused { sum }),
            aic_store::Reserved::Granted(reservation) => {
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                *next += 1;
                self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(*next, reservation);
                Ok(Reserved::Held(Reservation { key: key.to_owned(), id: *next }))
            }
        }
    }

    fn settle(&self, reservation: &Reservation, amount: u64) -> Result<(), String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&reservation.id);
        match held {
            Some(held) => self.store.settle(held, amount).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    fn sum(&self, key: &str, window: Duration, _: Timestamp) -> Result<u64, String> {
        self.store.counted(key, Some(now().minus(window))).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
