//! Tools: which call may run, and running it.
//!
//! A call is judged by its name, its arguments' schema, the blocked patterns and, for SQL, the parsed statement. What
//! does not pass never runs and is told to the model as an error. Guards and confirmations come after, in `run/calls.rs`.

mod address;
mod clock_functions;
mod desk;
mod fill;
mod http;
mod leaves;
mod mcp;
mod mock;
mod rooms;
mod shell;
mod sql;
mod workshop;

pub use address::TestHosts;
pub(crate) use desk::{Desk, Surroundings};
pub(crate) use http::ToolNetwork;
pub(crate) use leaves::{Leaves, decimal, map_strings};
pub use mcp::{Lock, LockError, ToolList};
pub use mock::Mocks;
pub use workshop::{Ended, Workshop};

use crate::container::{Container, ContainerError};
use crate::data::Data;
use crate::options::{Effects, RunOptions};
use crate::scripts::{Code, ScriptJob, Scripts};
use aic_guard::{BlockedPattern, Condition, NameGlob, Place};
use aic_model::{NoKeys, ToolCall, ToolDef};
use aic_spec::{Blocked, Database, Effect, Room, Run, Server, Spec, ToolSpec, Tools};
use fill::Values;
use indexmap::IndexMap;
use mock::MockAnswer;
use rooms::Started;
use serde_json::{Value, json};
use sql::sqlite::{Around, Kept};
use sql::{SqlError, SqlJob, SqlOutcome, Statements};
use std::sync::Arc;

/// The most bytes of a result that the model is shown.
const MAX_RESULT: usize = 256 * 1024;

/// The tools of a spec.
#[derive(Debug)]
pub(crate) struct Toolbox {
    tools: IndexMap<String, Tool>,
    globs: Vec<NameGlob>,
    patterns: Vec<(String, BlockedPattern)>,
    /// What the model is offered: every allowed tool that no glob blocks.
    offered: Vec<ToolDef>,
    /// The same as a request has it, by and large, to be counted.
    written: Vec<String>,
    /// What its tools have open.
    kept: Arc<Kept>,
}

/// One tool, compiled.
#[derive(Debug)]
pub(crate) struct Tool {
    pub spec: ToolSpec,
    schema: jsonschema::Validator,
    /// When a person must agree; none means always, where the spec asks for it at all.
    pub confirm_when: Option<Condition>,
    /// Its statements, where it is a database's.
    statements: Statements,
}

/// What a call that passed is to do.
#[derive(Debug)]
pub(crate) enum Job {
    Sql(SqlJob),
    Script,
    Http,
    Program(Started),
    Mcp,
    /// A module, and what it reads.
    Wasm(Vec<u8>),
    HandBack,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Done {
    /// It ran.
    Ran { result: Value, changed: Option<u64> },
    /// It ran and reported an error.
    Failed(String),
    /// A wall inside stopped it.
    Denied(String),
    /// The caller has to carry it out.
    HandedBack,
    /// The run cannot go on: a missing mock, a module that nobody built, a sandbox that is not there.
    Stop(String),
}

impl Toolbox {
    pub fn new(tools: &Tools) -> Result<Self, ContainerError> {
        let wrong = |name: &str, message: String| ContainerError::Tool { name: name.to_owned(), message };
        let mut all = IndexMap::new();
        for spec in &tools.allowed {
            let schema = jsonschema::validator_for(&spec.parameters)
                .map_err(|error| wrong(&spec.name, format!("`parameters` is no JSON Schema: {error}")))?;
            let when = spec.confirm.as_ref().and_then(|confirm| confirm.when.as_deref());
            let confirm_when =
                when.map(|when| Condition::compile(when, Place::Guard)).transpose().map_err(|problems| {
                    let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                    wrong(&spec.name, format!("`confirm.when`: {}", messages.join("; ")))
                })?;
            let statements = Statements::of(spec);
            all.insert(spec.name.clone(), Tool { spec: spec.clone(), schema, confirm_when, statements });
        }
        let (mut globs, mut patterns) = (Vec::new(), Vec::new());
        for blocked in &tools.blocked {
            match blocked {
                Blocked::Tool(glob) => {
                    globs.push(aic_guard::tool_glob(glob).map_err(|problem| wrong(glob, problem.message))?);
                }
                Blocked::Pattern(text) => {
                    let pattern = BlockedPattern::parse(text).map_err(|problem| wrong(text, problem.message))?;
                    patterns.push((text.clone(), pattern));
                }
            }
        }
        let open = all.values().filter(|tool| !globs.iter().any(|glob| glob.matches(&tool.spec.name)));
        let offered: Vec<ToolDef> = open
            .map(|tool| ToolDef {
                name: tool.spec.name.clone(),
                description: tool.spec.description.clone(),
                parameters: tool.spec.parameters.clone(),
            })
            .collect();
        let written = offered.iter().map(|tool| format!("{} {} {}", tool.name, tool.description, tool.parameters));
        Ok(Self { written: written.collect(), offered, tools: all, globs, patterns, kept: Arc::default() })
    }

    /// When a person must agree.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.tools.values().filter_map(|tool| tool.confirm_when.as_ref())
    }

    /// What the model is offered.
    pub fn offered(&self) -> &[ToolDef] {
        &self.offered
    }

    /// The same as texts.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.tools.get(name)
    }

    /// Judges a call by everything but guards and confirmations.
    ///
    /// # Errors
    /// Why it is denied, in a sentence for the model and the trace.
    pub fn judge(&self, call: &ToolCall) -> Result<(&Tool, Job), String> {
        if self.globs.iter().any(|glob| glob.matches(&call.name)) {
            return Err(format!("`{}` is under `tools.blocked`", call.name));
        }
        let Some(tool) = self.tools.get(&call.name) else {
            return Err(format!("`{}` is not under `tools.allowed`", call.name));
        };
        if let Some(error) = tool.schema.iter_errors(&call.args).next() {
            let at = error.instance_path().to_string();
            let place = if at.is_empty() { String::new() } else { format!(" at {at}") };
            return Err(format!("the arguments do not follow the tool's schema{place}: {error}"));
        }
        for text in statements(tool, &call.args) {
            if let Some((pattern, _)) = self.patterns.iter().find(|(_, pattern)| pattern.matches(text).is_some()) {
                return Err(format!("the statement matches the blocked pattern `{pattern}`"));
            }
        }
        let job = match &tool.spec.run {
            None => Job::HandBack,
            Some(Run::Script { .. }) => Job::Script,
            Some(Run::Http(_)) => Job::Http,
            Some(Run::Command(run)) => Job::Program(rooms::command(run, &arguments_only(&call.args))?),
            Some(Run::Shell(run)) => Job::Program(rooms::shell(run, &arguments_only(&call.args))?),
            Some(Run::Mcp { .. }) => Job::Mcp,
            Some(Run::Wasm(run)) => Job::Wasm(rooms::stdin(run.stdin.as_deref(), &arguments_only(&call.args))?),
            Some(Run::Sql(run)) => match sql::judge(&tool.statements, run, &call.args) {
                Ok(job) => Job::Sql(job),
                Err(SqlError::Denied(why) | SqlError::Failed(why) | SqlError::NoData(why)) => return Err(why),
            },
        };
        Ok((tool, job))
    }
}

/// What a program's words are filled with: nothing but the call's arguments.
fn arguments_only(args: &Value) -> Values<'_> {
    Values { args, variable: &|_| None, keys: &NoKeys }
}

/// The SQL of a call: what a database tool would run, and whatever reads as SQL in the arguments of the others. Prose
/// that only begins with such a word is none.
fn statements<'a>(tool: &'a Tool, args: &'a Value) -> Vec<&'a str> {
    match &tool.spec.run {
        Some(Run::Sql(run)) => match &run.statement {
            Some(statement) => vec![statement.as_str()],
            None => args.get("query").and_then(Value::as_str).into_iter().collect(),
        },
        _ => strings(args).into_iter().filter(|text| aic_guard::sql::is_sql(text)).collect(),
    }
}

/// Carries a call out that passed everything.
pub(crate) async fn carry_out(
    container: &Container,
    desk: &Desk,
    options: &RunOptions,
    (tool, job): (&Tool, Job),
    args: &Value,
) -> Done {
    let name = &tool.spec.name;
    let scripts = &container.scripts;
    let now = options.clock.now();
    if options.mocks.has(name) {
        return match options.mocks.answer(name, args) {
            Ok(MockAnswer::Returns(result)) => Done::Ran { result, changed: None },
            Ok(MockAnswer::Fails(message)) => Done::Failed(message),
            Ok(MockAnswer::Script(path)) => run_script(scripts, &path, name, args, None, options).await,
            Err(why) => Done::Stop(why),
        };
    }
    let room = room(&container.spec, &tool.spec);
    // Whatever the spec calls its effect: nobody can tell what a program says to the hosts it reaches.
    let networked = room.is_some_and(|room| !rooms::network(&container.spec.sandbox, room).is_empty());
    // What writes to a private copy, or to nothing that outlives the conversation.
    let local = match &job {
        Job::Sql(job) => job.is_local(),
        job => !networked && (room.is_some() || matches!(job, Job::Script | Job::Wasm(_))),
    };
    // Nothing of a server's is a test's own, whatever the spec calls the effect.
    let writes_elsewhere = matches!(&job, Job::Sql(job) if !job.is_local() && !job.judged.reads_only);
    if let Effects::Test { real } = &options.effects
        && (tool.spec.effect != Effect::Read || networked || writes_elsewhere)
        && !(local && tool.spec.effect == Effect::Write && options.data.is_private())
        && !real.contains(name)
        && !matches!(job, Job::HandBack)
    {
        return Done::Denied(format!(
            "a test does not really run `{name}`, whose effect is outside: give it a mock, or name it under `real`"
        ));
    }
    match job {
        Job::HandBack => match &options.effects {
            Effects::Live => Done::HandedBack,
            Effects::Test { .. } => Done::Stop(format!("`{name}` has no `run`, so the test needs a mock of it")),
        },
        Job::Sql(job) if !job.is_local() => desk.carry_out(container, options, (tool, Job::Sql(job)), args).await,
        Job::Http | Job::Program(_) | Job::Mcp | Job::Wasm(_) => {
            desk.carry_out(container, options, (tool, job), args).await
        }
        Job::Script => match &tool.spec.run {
            Some(Run::Script { path, timeout, memory }) => {
                let mut limits = scripts.limits().clone();
                limits.timeout = timeout.unwrap_or(limits.timeout);
                limits.memory = memory.unwrap_or(limits.memory);
                run_script(scripts, path, name, args, Some(limits), options).await
            }
            _ => Done::Stop(format!("`{name}` has no script")),
        },
        Job::Sql(job) => {
            let Database::Sqlite(path) = job.database.clone() else {
                return Done::Stop(format!("`{name}` has no file"));
            };
            let (data, kept): (Data, _) = (options.data.clone(), container.tools.kept.clone());
            let (timeout, cancel) = (scripts.limits().timeout, options.cancel.clone());
            // Most statements are done sooner than another thread has begun.
            let around = Around { data: &data, kept: &kept, now, timeout, cancel: &cancel };
            if let Some(came) = sql::sqlite::carry_out_at_once(&job, &path, &around) {
                return Done::from(came).capped();
            }
            let work = tokio::task::spawn_blocking(move || {
                let around = Around { data: &data, kept: &kept, now, timeout, cancel: &cancel };
                sql::sqlite::carry_out(&job, &path, &around)
            });
            match work.await {
                Ok(came) => came.into(),
                Err(_) => Done::Failed("the database's thread ended before the statement did".into()),
            }
        }
    }
    .capped()
}

/// Where the program of a tool runs, or the server's that carries it out.
fn room<'a>(spec: &'a Spec, tool: &'a ToolSpec) -> Option<&'a Room> {
    match tool.run.as_ref()? {
        Run::Command(run) => Some(&run.room),
        Run::Shell(run) => Some(&run.room),
        Run::Mcp { server, .. } => match spec.tools.servers.get(server)? {
            Server::Program { room, .. } => Some(room),
            Server::Remote { .. } => None,
        },
        _ => None,
    }
}

async fn run_script(
    scripts: &Scripts,
    path: &aic_base::RelPath,
    tool: &str,
    args: &Value,
    limits: Option<aic_base::Limits>,
    options: &RunOptions,
) -> Done {
    let now = options.clock.now();
    let ctx = json!({
        "tool": tool,
        "now": now.to_string(),
        "environment": options.environment,
        "user": { "id": options.user.id, "roles": options.user.roles },
    });
    let job = ScriptJob { code: Code::Script, path, args: args.clone(), ctx, limits, now, seed: options.seed };
    match scripts.call(job, &options.cancel).await {
        Ok(result) => Done::Ran { result, changed: None },
        Err(why) => Done::Failed(why),
    }
}

impl From<Result<SqlOutcome, SqlError>> for Done {
    fn from(came: Result<SqlOutcome, SqlError>) -> Self {
        match came {
            Ok(outcome) => Self::Ran { result: outcome.result, changed: outcome.changed },
            Err(SqlError::Denied(why)) => Self::Denied(why),
            Err(SqlError::Failed(why)) => Self::Failed(why),
            Err(SqlError::NoData(why)) => Self::Stop(why),
        }
    }
}

impl Done {
    /// Keeps a result from flooding the model.
    fn capped(self) -> Self {
        match self {
            Self::Ran { result, .. } if result.to_string().len() > MAX_RESULT => {
                Self::Failed(format!("the result is larger than {} kB: ask for less", MAX_RESULT / 1024))
            }
            other => other,
        }
    }
}

/// Every text inside a value, depth first.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    let (mut found, mut open) = (Vec::new(), vec![value]);
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => found.push(text.as_str()),
            Value::Array(list) => open.extend(list.iter().rev()),
            Value::Object(map) => open.extend(map.values().rev()),
            _ => {}
        }
    }
    found
}
