//! Runs, their events, and the small numbers the meters draw. What was said in a run is a payload: it can be erased,
//! while the digests of its events stay.

use crate::audit::{AuditEntry, append};
use crate::error::{Fault, StoreError};
use crate::seal::SealKey;
use crate::store::Store;
use aic_base::{
    Action, Digest, DigestBuilder, Event, EventKind, Outcome, RelPath, RunId, Timestamp, Tokens, Usage, Usd,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};
use std::time::Duration;

/// A run that has ended. It is stored as a whole, so that a run that was cut off leaves no half of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Its name, unique in the workspace.
    pub run: RunId,
    /// The spec.
    pub spec: RelPath,
    /// The version that ran, where it was recorded.
    pub version: Option<Digest>,
    /// The behaviour case it was a run of.
    pub case: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost; more than 9.2 million dollars is stored as that.
    pub cost: Usd,
    /// What it used.
    pub usage: Usage,
    /// How long it took.
    pub latency: Duration,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// A stored run, without its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its name.
    pub run: RunId,
    /// The spec.
    pub spec: RelPath,
    /// The version that ran.
    pub version: Option<Digest>,
    /// The behaviour case.
    pub case: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost.
    pub cost: Usd,
    /// What it used.
    pub usage: Usage,
    /// How long it took, to the microsecond.
    pub latency: Duration,
    /// How many decisions of guardrails did more than log.
    pub guardrail_hits: u32,
}

/// The numbers of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the run began.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost.
    pub cost: Usd,
    /// How long it took.
    pub latency: Duration,
    /// Tokens of all requests and answers.
    pub tokens: Tokens,
    /// How many decisions of guardrails did more than log.
    pub guardrail_hits: u32,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its place in the run, from 0.
    pub seq: u32,
    /// The digest of what it was, which stays when that is erased.
    pub digest: Digest,
    /// What it was; nothing if that was erased.
    pub event: Option<Event>,
}

impl Store {
    /// The last runs of a spec, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn runs(&self, spec: &RelPath, limit: u32) -> Result<Vec<RunInfo>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached(&format!("{SELECT} WHERE spec = ?1 ORDER BY started DESC, id DESC LIMIT ?2"))?;
            let mut rows = select.query(params![spec.as_str(), limit])?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next()? {
                runs.push(info(row)?);
            }
            Ok(runs)
        })
    }

    /// One run by its name.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn run(&self, run: &RunId) -> Result<Option<RunInfo>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached(&format!("{SELECT} WHERE run = ?1"))?;
            let mut rows = select.query([&run.0])?;
            rows.next()?.map(info).transpose()
        })
    }

    /// The numbers of the runs of a spec that began at or after a moment, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn samples(&self, spec: &RelPath, since: Timestamp) -> Result<Vec<Sample>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached(&format!("{SELECT} WHERE spec = ?1 AND started >= ?2 ORDER BY started, id"))?;
            let mut rows = select.query(params![spec.as_str(), since.millis()])?;
            let mut samples = Vec::new();
            while let Some(row) = rows.next()? {
                let RunInfo { started, outcome, cost, usage, latency, guardrail_hits, .. } = info(row)?;
                let tokens = usage.input_tokens + usage.output_tokens;
                samples.push(Sample { at: started, outcome, cost, latency, tokens, guardrail_hits });
            }
            Ok(samples)
        })
    }

    /// The events of a run, in order; none if there is no such run.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, [`StoreError::Corrupt`] if an event is not what was stored.
    pub fn events(&self, run: &RunId) -> Result<Vec<StoredEvent>, StoreError> {
        self.events_with(run, None)
    }

    /// The same, with the key that opens what is sealed. Without it, sealed events are read as erased ones are.
    ///
    /// # Errors
    /// As [`Store::events`], and [`StoreError::Sealed`] if the key does not open them.
    pub fn events_with(&self, run: &RunId, key: Option<&SealKey>) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT e.seq, e.digest, p.json, p.enc FROM run r JOIN event e ON e.run = r.id
                 LEFT JOIN event_payload p ON p.run = e.run AND p.seq = e.seq WHERE r.run = ?1 ORDER BY e.seq",
            )?;
            let mut rows = select.query([&run.0])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                let (seq, digest) = (row.get(0)?, Digest::from_bytes(row.get(1)?));
                let json: Option<Vec<u8>> = row.get(2)?;
                let is_sealed = row.get::<_, Option<bool>>(3)?.unwrap_or(false);
                let json = match (json, key) {
                    (Some(_), None) if is_sealed => None,
                    (Some(sealed), Some(key)) if is_sealed => Some(
                        key.open(&event_place(run, seq), &sealed)
                            .map_err(|why| StoreError::Sealed { what: format!("run {run}"), why })?,
                    ),
                    (json, _) => json,
                };
                if json.as_ref().is_some_and(|json| Digest::of(json) != digest) {
                    return Err(Fault::Damaged(format!("event {seq} of run {run} is not what was stored")));
                }
                let event = json.map(|json| serde_json::from_slice(&json)).transpose()?;
                events.push(StoredEvent { seq, digest, event });
            }
            Ok(events)
        })
    }

    /// Erases what was said in one run, overwriting it in the database; its numbers and digests stay, and the audit
    /// notes the erasure. Returns how many payloads went. A reader of another process may hold the log, and with it
    /// older pages, a little longer: [`Store::checkpoint`] tells.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn erase_run(&self, run: &RunId) -> Result<usize, StoreError> {
        let run = run.clone();
        self.erase("run", run.0.clone().into(), move |conn| {
            Ok(conn.execute("DELETE FROM event_payload WHERE run IN (SELECT id FROM run WHERE run = ?1)", [&run.0])?)
        })
    }

    /// Erases what was said in all runs that began before a moment, as [`Store::erase_run`] does.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn erase_runs_before(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.erase("before", before.to_string().into(), move |conn| {
            Ok(conn.execute(
                "DELETE FROM event_payload WHERE run IN (SELECT id FROM run WHERE started < ?1)",
                [before.millis()],
            )?)
        })
    }

    fn erase<F>(&self, what: &str, which: Value, delete: F) -> Result<usize, StoreError>
    where
        F: FnOnce(&Connection) -> Result<usize, Fault> + Send + 'static,
    {
        let (what, at) = (what.to_owned(), self.now());
        let erased = self.write(move |conn| {
            let erased = delete(conn)?;
            if erased > 0 {
                let fields = Map::from_iter([(what, which), ("payloads".to_owned(), Value::from(erased))]);
                append(conn, at, &AuditEntry { kind: "erase".into(), fields })?;
            }
            Ok(erased)
        })?;
        self.checkpoint()?;
        Ok(erased)
    }
}

/// Whether a decision did more than log.
fn is_hit(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Guardrail(decision) if decision.action > Action::Log)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Stores a run inside the caller's transaction. The same run a second time (a retry) is no error.
pub(crate) fn insert(conn: &Connection, record: &RunRecord, key: Option<&SealKey>) -> Result<(), Fault> {
    let events: Vec<Vec<u8>> = record.events.iter().map(serde_json::to_vec).collect::<Result<_, _>>()?;
    let digest = record_digest(record, &events);
    let known: Option<[u8; 32]> = conn
        .prepare_cached("SELECT digest FROM run WHERE run = ?1")?
        .query_row([&record.run.0], |row| row.get(0))
        .optional()?;
    match known.map(Digest::from_bytes) {
        Some(known) if known == digest => return Ok(()),
        Some(_) => return Err(StoreError::DuplicateRun { run: record.run.0.clone() }.into()),
        None => {}
    }
    let hits = record.events.iter().filter(|event| is_hit(event)).count();
    conn.prepare_cached(
        "INSERT INTO run (run, spec, version, test, started, outcome, cost, input_tokens, output_tokens, estimated,
         latency, guardrails, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        record.run.0,
        record.spec.as_str(),
        record.version.as_ref().map(|digest| digest.as_bytes().as_slice()),
        record.case,
        record.started.millis(),
        record.outcome.as_str(),
        whole(record.cost.pico()),
        whole(record.usage.input_tokens.0),
        whole(record.usage.output_tokens.0),
        record.usage.estimated,
        i64::try_from(record.latency.as_micros()).unwrap_or(i64::MAX),
        u32::try_from(hits).unwrap_or(u32::MAX),
        digest.as_bytes()
    ])?;
    let run = conn.last_insert_rowid();
    let mut event = conn.prepare_cached("INSERT INTO event (run, seq, digest) VALUES (?1, ?2, ?3)")?;
    let mut payload = conn.prepare_cached("INSERT INTO event_payload (run, seq, enc, json) VALUES (?1, ?2, ?3, ?4)")?;
    // Numbered here: a gap or a repetition in what came must not cost the run.
    for (seq, json) in (0_u32..).zip(&events) {
        event.execute(params![run, seq, Digest::of(json).as_bytes()])?;
        let sealed = key.map(|key| key.seal(&event_place(&record.run, seq), json));
        let sealed =
            sealed.transpose().map_err(|why| StoreError::Sealed { what: format!("run {}", record.run), why })?;
        payload.execute(params![run, seq, sealed.is_some(), sealed.as_ref().unwrap_or(json)])?;
    }
    Ok(())
}

/// What a sealed event is bound to.
pub(crate) fn event_place(run: &RunId, seq: u32) -> String {
    format!("event\0{run}\0{seq}")
}

fn record_digest(record: &RunRecord, events: &[Vec<u8>]) -> Digest {
    let mut builder = DigestBuilder::new("run");
    builder
        .part("run", &record.run.0)
        .part("spec", record.spec.as_str())
        .part("version", record.version.map_or([0; 32], |digest| *digest.as_bytes()))
        .part("case", record.case.as_deref().unwrap_or(""))
        .part("started", record.started.millis().to_le_bytes())
        .part("outcome", record.outcome.as_str())
        .part("cost", record.cost.pico().to_le_bytes());
    for json in events {
        builder.part("event", json);
    }
    builder.finish()
}

const SELECT: &str = "SELECT run, spec, version, test, started, outcome, cost, input_tokens, output_tokens, estimated,
    latency, guardrails FROM run";

fn info(row: &Row<'_>) -> Result<RunInfo, Fault> {
    let count = |column: usize| -> Result<u64, Fault> { Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0)) };
    let word: String = row.get(5)?;
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
    let version: Option<[u8; 32]> = row.get(2)?;
    Ok(RunInfo {
        run: RunId(row.get(0)?),
        spec: RelPath::new(&row.get::<_, String>(1)?)?,
        version: version.map(Digest::from_bytes),
        case: row.get(3)?,
        started: Timestamp::from_millis(row.get(4)?),
        outcome: outcome.ok_or_else(|| Fault::Damaged(format!("a run has the unknown outcome `{word}`")))?,
        cost: Usd::from_pico(count(6)?),
        usage: Usage { input_tokens: Tokens(count(7)?), output_tokens: Tokens(count(8)?), estimated: row.get(9)? },
        latency: Duration::from_micros(count(10)?),
        guardrail_hits: row.get(11)?,
    })
}
