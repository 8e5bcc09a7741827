//! The recorder: what a run's path hands over without waiting for the disk, and without losing it.

use crate::audit::{AuditEntry, append};
use crate::error::{Fault, StoreError};
use crate::runs::{RunRecord, insert};
use crate::seal::SealKey;
use crate::store::Store;
use crate::writer::Job;
use aic_base::Timestamp;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many records are kept for another try while the disk refuses them.
const KEPT: usize = 4096;

/// Hands runs and audit entries to the writer. Cheap to clone; `Send` and `Sync`. Waits only while the queue is full.
///
/// What cannot be written is kept in memory, at most 4,096 records, and tried again by [`Recorder::flush`]. Until that
/// succeeds, every append says what is wrong.
#[derive(Debug, Clone)]
pub struct Recorder {
    store: Store,
    key: Option<Arc<SealKey>>,
}

#[derive(Debug)]
enum Record {
    Run(Box<RunRecord>, Option<Arc<SealKey>>),
    Audit(Timestamp, AuditEntry),
}

/// What the writer could not write.
#[derive(Debug, Default)]
pub(crate) struct Backlog(Mutex<Failed>);

#[derive(Debug, Default)]
struct Failed {
    records: VecDeque<Record>,
    error: Option<StoreError>,
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Append {
    record: Record,
    backlog: Arc<Backlog>,
}

impl Job for Append {
    fn run(&mut self, conn: &Connection) -> Result<(), Fault> {
        match &self.record {
            Record::Run(run, key) => insert(conn, run, key.as_deref()),
            Record::Audit(at, entry) => append(conn, *at, entry).map(|_| ()),
        }
    }

    fn done(self: Box<Self>, result: Result<(), StoreError>) {
        let Err(error) = result else { return };
        let mut failed = self.backlog.lock();
        // What no second try can change is only reported.
        if !matches!(error, StoreError::DuplicateRun { .. } | StoreError::TooLarge { .. }) {
            failed.records.push_back(self.record);
        }
        failed.error = Some(error);
    }
}

impl Store {
    /// A recorder into this store.
    pub fn recorder(&self) -> Recorder {
        Recorder { store: self.clone(), key: None }
    }
}

impl Recorder {
    /// The same, but what is said in runs is sealed with a key.
    #[must_use]
    pub fn sealed(mut self, key: Arc<SealKey>) -> Self {
        self.key = Some(key);
        self
    }

    /// Hands over a run that has ended.
    ///
    /// # Errors
    /// What an earlier record met: this one is then kept with it, and [`Recorder::flush`] tries both again.
    /// [`StoreError::TooLarge`] where no more can be kept, [`StoreError::Closed`] or [`StoreError::ReadOnly`]: then it
    /// is not kept.
    pub fn append(&self, run: RunRecord) -> Result<(), StoreError> {
        self.hand_over(Record::Run(Box::new(run), self.key.clone()))
    }

    /// Hands over an audit entry; its moment is now. The entries of one thread keep their order.
    ///
    /// # Errors
    /// As [`Recorder::append`].
    pub fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.hand_over(Record::Audit(self.store.now(), entry))
    }

    /// Waits until everything that was handed over before is on the disk, and tries again what had failed. A run that
    /// was written although the disk said otherwise is not written twice; an audit entry then may be.
    ///
    /// # Errors
    /// What is still wrong. Records that no further try can save (a name used twice) are reported once.
    pub fn flush(&self) -> Result<(), StoreError> {
        let writer = self.store.writer()?;
        // First the queue, so that what fails in it is tried again too.
        let settled = writer.call(|_| Ok(()));
        let (again, told) = {
            let mut failed = self.backlog().lock();
            (std::mem::take(&mut failed.records), failed.error.take())
        };
        if again.is_empty() {
            return told.map_or(settled, Err);
        }
        for record in again {
            writer.submit(self.job(record))?;
        }
        writer.call(|_| Ok(()))?;
        let mut failed = self.backlog().lock();
        let error = if failed.records.is_empty() { failed.error.take() } else { failed.error.clone() };
        // A name used twice is told even where the rest has succeeded.
        let lasting = told.filter(|error| matches!(error, StoreError::DuplicateRun { .. }));
        error.or(lasting).map_or(Ok(()), Err)
    }

    fn hand_over(&self, record: Record) -> Result<(), StoreError> {
        {
            let mut failed = self.backlog().lock();
            if let Some(error) = failed.error.clone() {
                if failed.records.len() >= KEPT {
                    let what = "the backlog of records that could not be written".into();
                    return Err(StoreError::TooLarge { what, next: "make the store writable and flush" });
                }
                failed.records.push_back(record);
                return Err(error);
            }
        }
        self.store.writer()?.submit(self.job(record))
    }

    fn job(&self, record: Record) -> Box<dyn Job> {
        Box::new(Append { record, backlog: self.backlog().clone() })
    }

    fn backlog(&self) -> &Arc<Backlog> {
        &self.store.inner.backlog
    }
}
