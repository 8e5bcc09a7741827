//! The trace of a run: each thing that happens is written down once, numbered, and handed to the recorder.

use aic_base::{Clock, Event, EventKind, RunId};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Who writes down what happens. Called on the run's path: it loses nothing and returns soon.
pub trait Recorder: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);

    /// A row for the audit chain, with the fields that the spec's `audit_log` names.
    ///
    /// # Errors
    /// A message. A run whose audit cannot be written ends as failed: what nobody can prove is not answered.
    fn audit(&self, run: &RunId, fields: &Map<String, Value>) -> Result<(), String>;
}

/// Writes nothing down.
#[derive(Debug, Clone, Copy)]
pub struct NoRecorder;

impl Recorder for NoRecorder {
    fn event(&self, _: &Event) {}

    fn audit(&self, _: &RunId, _: &Map<String, Value>) -> Result<(), String> {
        Ok(())
    }
}

/// The trace that is being written.
pub(crate) struct Trace {
    pub run: RunId,
    pub events: Vec<Event>,
    clock: Arc<dyn Clock>,
    started: Duration,
    recorder: Arc<dyn Recorder>,
}

impl Trace {
    pub fn new(run: RunId, clock: Arc<dyn Clock>, recorder: Arc<dyn Recorder>) -> Self {
        let started = clock.elapsed();
        Self { run, events: Vec::new(), clock, started, recorder }
    }

    pub fn push(&mut self, kind: EventKind) {
        let seq = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        let event = Event { run: self.run.clone(), seq, after: self.elapsed(), kind };
        self.recorder.event(&event);
        self.events.push(event);
    }

    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.started)
    }
}
