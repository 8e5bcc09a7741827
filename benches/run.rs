//! A whole run: a scripted model that answers at once, every built-in guardrail, one SQL tool on a real database, the audit
//! row and the run's record queued for the store. Beside it what it costs without its parts; with the workspace's own
//! counts, which are on the disk before a model is called; and the disk's fsync time, which is what those wait for.
//!
//! On a machine that does other things too, the system takes the processor away from some of the runs. What the others took
//! has a row of its own where the system tells which they were.
//!
//! `cargo bench --bench run`

#![allow(clippy::print_stdout, reason = "a table is what a bench is for")]

mod common;

use aic_base::{MemorySource, Outcome, RelPath, SystemClock, Timestamp, ToolOutcome};
use aic_engine::{Answers, Container, NoRecorder, Recorder, RunOptions};
use aic_sandbox::{ScriptHost, WorkerCommand};
use aic_spec::{LoadOptions, load};
use aic_store::Store;
use aicontainer::recording::{StoreCounters, StoreRecorder};
use common::{fsync, head, row};
use serde_json::Map;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 2000;
/// So many where each waits for the disk.
const FEW: usize = 300;
const WARM: usize = 100;

const MODEL: &str = r#"
name: bench
models:
  primary:
    provider: scripted
    as: openai/gpt-4o-mini-2024-07-18
    rules:
      - match: {tool: query_users}
        reply: {text: "${result.rows.0.n} users have been inactive for over 30 days: ${result.rows.0.names}."}
      - match: {user: {icontains: inactive}}
        reply:
          tool_calls:
            - name: query_users
              args: {query: "SELECT count(*) AS n, group_concat(name, ', ') AS names FROM users WHERE status = 'active' AND last_login < date('2025-06-01', '-30 days')"}
      - match: {}
        reply: {text: "Ask me about users."}
"#;

/// Every built-in, each in its own stage, with limits that a bench does not reach.
const GUARDS: &str = r#"
guardrails:
  pre_execution:
    - max_length
    - no_sql_injection
    - no_code_execution
    - prompt_injection
    - confirm_destructive
    - {name: allowed_topics, topics: [users, accounts, inactive]}
  runtime:
    - no_db_mutations
    - {name: rate_limit, max_operations: 100000000, window: 1m}
    - {name: cost_control, max_cost_per_hour: 1000000}
    - {name: no_wide_update, condition: "'UPDATE' in sql_verbs(tool.args.query) && !tool.args.query.contains('WHERE')"}
  post_execution:
    - secrets
    - pii_protection
    - data_privacy
    - {name: audit_log, fields: [operation, affected_count, user_id, cost, latency, guardrails]}
"#;

const TOOL: &str = r#"
tools:
  allowed:
    - name: query_users
      parameters: {type: object, properties: {query: {type: string}}, required: [query]}
      permissions: [SELECT]
      tables: [users]
      run: {sql: "sqlite:users.db"}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    database(&folder.path().join("users.db"))?;
    // A database that was written just now is not kept open.
    std::thread::sleep(Duration::from_millis(200));
    let store = Store::open(folder.path(), Arc::new(SystemClock::new()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let bench = Bench { folder: folder.path(), store: &store, runtime: &runtime };

    head("A whole run");
    let (asks, whole) = ("Which users are inactive?", format!("{MODEL}{GUARDS}{TOOL}"));
    let flushed = bench.runs("whole", "p50 ≤ 500, p99 ≤ 2000", &whole, asks, Written::Queued)?;
    bench.runs("with nothing written down", "", &whole, asks, Written::Nothing)?;
    bench.runs("with the workspace's counts, on the disk", "", &whole, asks, Written::Counted)?;
    bench.runs("without guardrails", "", &format!("{MODEL}{TOOL}"), asks, Written::Queued)?;
    bench.runs("without a call of the tool", "", &whole, "Hello, users", Written::Queued)?;
    row("fsync of this disk", fsync(folder.path(), 200)?, "");
    println!(
        "after the last of {} runs the store had {:.1} ms of writing left",
        ROUNDS + WARM,
        flushed.as_secs_f64() * 1e3
    );
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        println!("load: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

/// What becomes of a run.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    /// Queued for the store.
    Queued,
    /// The same, and what is reserved and spent is counted in the store.
    Counted,
    /// Nothing.
    Nothing,
}

struct Bench<'a> {
    folder: &'a Path,
    store: &'a Store,
    runtime: &'a tokio::runtime::Runtime,
}

impl Bench<'_> {
    /// Shows how long each run took. Returns how long the store took for what was queued when the last had ended.
    fn runs(
        &self,
        name: &str,
        target: &str,
        spec: &str,
        asks: &str,
        written: Written,
    ) -> Result<Duration, Box<dyn Error>> {
        let path = RelPath::new("bench.ai.yml")?;
        let mut source = MemorySource::new();
        source.insert(path.clone(), spec.as_bytes().to_vec());
        source.insert(RelPath::new("users.db")?, Vec::new());
        let loaded = load(&source, &path, &LoadOptions { environment: None, today: Timestamp::default() });
        let spec = loaded.spec.clone().ok_or_else(|| format!("{:?}", loaded.diagnostics))?;
        let audits = spec.guardrails.len() > 1;
        let host = ScriptHost::new(WorkerCommand { program: "/nonexistent".into(), args: Vec::new() }, None);
        let container = Arc::new(Container::new(spec, Arc::new(host))?);
        let recorder = Arc::new(StoreRecorder::for_runs(self.store, &path, None, Vec::new(), None, None));
        let rounds = if written == Written::Counted { FEW } else { ROUNDS };
        let counters = Arc::new(StoreCounters::new(self.store.clone()));
        let (mut times, mut quiet, mut waits) = (Vec::with_capacity(rounds), Vec::new(), 0);
        let (vars, answers) = (Map::new(), Answers::new());
        for round in 0..WARM + rounds {
            let recorder: Arc<dyn Recorder> = match written {
                Written::Queued | Written::Counted => recorder.clone(),
                Written::Nothing => Arc::new(NoRecorder),
            };
            let mut options = RunOptions {
                recorder,
                run_prefix: format!("{name}-{round}"),
                ..RunOptions::live(self.folder.to_owned())
            };
            if written == Written::Counted {
                options.counters = counters.clone();
            }
            let before = Switches::of_this_thread();
            let began = Instant::now();
            let mut conversation = container.conversation(options)?;
            let report = self.runtime.block_on(conversation.turn(asks, &vars, &answers));
            let took = began.elapsed();
            let after = Switches::of_this_thread();
            let called = report.calls.iter().filter(|call| call.outcome == ToolOutcome::Ran).count();
            if report.outcome != Outcome::Completed || called != usize::from(asks.contains("inactive")) {
                return Err(format!("round {round}: {report:?}").into());
            }
            if round >= WARM {
                times.push(took);
                if let (Some(before), Some(after)) = (before, after) {
                    waits += after.own - before.own;
                    quiet.extend((after.forced == before.forced).then_some(took));
                }
            }
        }
        let began = Instant::now();
        recorder.flush()?;
        let flushed = began.elapsed();
        let rows = self.store.audit(10)?;
        if written == Written::Queued && audits && rows.len() < 10 {
            return Err(format!("{} audit rows were written", rows.len()).into());
        }
        let runs = times.len();
        row(name, times, target);
        if !quiet.is_empty() && quiet.len() < runs {
            row("  of these, not interrupted", quiet, "");
        }
        println!("  waits for another thread: {:.2} a run", waits as f64 / runs as f64);
        Ok(flushed)
    }
}

/// How often a thread gave the processor away, waiting for something, and how often the system took it.
#[derive(Clone, Copy)]
struct Switches {
    own: u64,
    forced: u64,
}

impl Switches {
    /// Nothing where the system does not say.
    fn of_this_thread() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
        let number = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Some(Self { own: number("voluntary_ctxt_switches:")?, forced: number("nonvoluntary_ctxt_switches:")? })
    }
}

fn database(file: &Path) -> Result<(), rusqlite::Error> {
    let names = ["Ada Alder", "Bruno Birch", "Chiara Cedar", "Dmitri Dogwood", "Elif Elm", "Farah Fir", "Goran Ginkgo"];
    let mut setup = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, status TEXT, last_login TEXT);".to_owned();
    for i in 0..300 {
        let day = if i < names.len() { "2025-01-01" } else { "2025-05-30" };
        let name = names.get(i).copied().unwrap_or("Somebody Else");
        setup.push_str(&format!("INSERT INTO users (name, status, last_login) VALUES ('{name}', 'active', '{day}');"));
    }
    rusqlite::Connection::open(file)?.execute_batch(&format!("BEGIN; {setup} COMMIT"))
}
