//! What the tools of one conversation have in common: its sandboxes, its MCP servers, and what surrounds a call.

use super::fill::Values;
use super::mcp::{Servers, ToolList};
use super::rooms::{Ground, Rooms, environment};
use super::workshop::{self, Workshop};
use super::{Done, Job, Tool, http, map_strings, mcp, sql};
use crate::container::Container;
use crate::modules::{ModuleJob, answer};
use crate::options::{Effects, RunOptions};
use crate::prompt::Variables;
use crate::report::WorkspaceChanges;
use crate::scripts::on_thread;
use aic_model::Scrub;
use aic_spec::{Run, Server, WasmRun};
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};

/// The sandboxes and servers of one conversation; they go when it does.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    // First, so that the servers' programs are let go before their sandboxes are removed.
    servers: Servers,
    rooms: Arc<Rooms>,
}

/// What surrounds a call: the spec, the caller's variables, the workspace.
pub(crate) struct Surroundings<'a> {
    container: &'a Container,
    options: &'a RunOptions,
    desk: &'a Desk,
    args: &'a Value,
    ground: Ground,
}

impl<'a> Surroundings<'a> {
    pub fn of(container: &'a Container, options: &'a RunOptions, desk: &'a Desk, args: &'a Value) -> Self {
        let spec = &container.spec;
        let ground = Ground {
            sandbox: spec.sandbox.clone(),
            limits: spec.limits.clone(),
            folder: spec.path.parent(),
            root: options.data.root().to_owned(),
            harmless: matches!(options.effects, Effects::Test { .. }),
        };
        Self { container, options, desk, args, ground }
    }

    /// Calls something with the values that `run` is filled with.
    fn variable(&self, name: &str) -> Option<String> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        let variables =
            Variables { prompts: &self.container.spec.prompts, options: self.options, turn: &NONE, input: "" };
        variables.value(name).filter(|_| !matches!(name, "INPUT" | "CONTEXT"))
    }

    fn values<'v>(&'v self, variable: &'v (dyn Fn(&str) -> Option<String> + Sync)) -> Values<'v> {
        Values { args: self.args, variable, keys: &*self.container.backing.keys }
    }

    fn mcp<'v>(&'v self, values: &'v Values<'v>) -> mcp::Surroundings<'v> {
        mcp::Surroundings {
            ground: &self.ground,
            rooms: &self.desk.rooms,
            machine: self.container.backing.machine.as_ref(),
            network: &self.container.outside,
            values,
        }
    }

    /// The workspace as the conversation's programs left it.
    pub fn workshop(&self) -> Workshop {
        let (rooms, machine) = (self.desk.rooms.clone(), self.container.backing.machine.clone());
        Workshop { rooms, ground: self.ground.clone(), machine, cancel: self.options.cancel.clone() }
    }

    /// What programs changed in the conversation's copy of the workspace, where it has one by now. What a program was
    /// given as a secret is not shown.
    pub async fn changes(&self) -> Option<WorkspaceChanges> {
        let rooms = self.desk.rooms.clone();
        let mut scrub = Scrub::default();
        let variable = |name: &str| self.variable(name);
        let values = self.values(&variable);
        for room in self.container.spec.tools.rooms() {
            // One that cannot be filled was never given to a program.
            drop(environment(room, &values, &mut scrub));
        }
        let found = on_thread(&self.options.cancel, move |_| rooms.changes()).await;
        Some(workshop::told(found.unwrap_or_else(|why| Err(why.into())), &scrub))
    }

    /// What a server offers now.
    pub async fn list(&self, name: &str, server: &Server) -> Result<ToolList, String> {
        let variable = |name: &str| self.variable(name);
        let values = self.values(&variable);
        self.desk.servers.list(name, server, &self.mcp(&values)).await
    }
}

impl Desk {
    /// Whether programs have a copy of the workspace by now.
    pub fn has_copy(&self) -> bool {
        self.rooms.has_copy()
    }

    /// Carries out what needs a network or a sandbox for programs.
    pub(super) async fn carry_out(
        &self,
        container: &Container,
        options: &RunOptions,
        (tool, job): (&Tool, Job),
        args: &Value,
    ) -> Done {
        let around = Surroundings::of(container, options, self, args);
        let work = around.carry_out(tool, job);
        tokio::select! {
            done = work => done,
            () = options.cancel.cancelled() => Done::Failed("cancelled".into()),
        }
    }
}

impl Surroundings<'_> {
    async fn carry_out(&self, tool: &Tool, job: Job) -> Done {
        let variable = |name: &str| self.variable(name);
        let values = self.values(&variable);
        match (job, &tool.spec.run) {
            (Job::Http, Some(Run::Http(run))) => {
                let within = run.timeout.unwrap_or(self.ground.limits.timeout);
                http::carry_out(run, &values, &self.container.outside, within).await
            }
            (Job::Sql(job), _) => sql::ask_server(&job, &values, self.ground.limits.timeout).await.into(),
            (Job::Program(started), _) => {
                let Some(machine) = self.container.backing.machine.clone() else {
                    return Done::Stop("there is no sandbox here to run programs in; in a test, mock the tool".into());
                };
                let mut scrub = Scrub::default();
                let env = match environment(started.room(), &values, &mut scrub) {
                    Ok(env) => env,
                    Err(why) => return Done::Stop(why),
                };
                let (rooms, ground) = (self.desk.rooms.clone(), self.ground.clone());
                let work = on_thread(&self.options.cancel, move |stop| {
                    started.carry_out(&rooms, &machine, &ground, env, &scrub, stop)
                });
                work.await.unwrap_or_else(|why| Done::Failed(why.into()))
            }
            (Job::Wasm(stdin), Some(Run::Wasm(run))) => self.module(run, stdin, &values).await,
            (Job::Mcp, Some(Run::Mcp { server: name, tool: theirs })) => {
                let Some(server) = self.container.spec.tools.servers.get(name) else {
                    return Done::Stop(format!("`tools.servers` has no `{name}`"));
                };
                let theirs = theirs.as_deref().unwrap_or(&tool.spec.name);
                let locked = self.container.backing.lock.get(self.container.spec.path.as_str(), name);
                let around = self.mcp(&values);
                self.desk.servers.call((name, server), theirs, self.args, locked, &around).await
            }
            _ => Done::Stop(format!("`{}` has no way of running", tool.spec.name)),
        }
    }

    /// Runs a module of the spec's. It sees the workspace only as a reader: nothing it does outlives the call.
    async fn module(&self, run: &WasmRun, stdin: Vec<u8>, values: &Values<'_>) -> Done {
        let modules = self.container.scripts.modules().clone();
        if !modules.has(&run.path) {
            return Done::Stop(format!(
                "{}: no WebAssembly module is there: build it; in a test, mock the tool",
                run.path
            ));
        }
        let mut scrub = Scrub::default();
        let env = match environment(&run.room, values, &mut scrub) {
            Ok(env) => env,
            Err(why) => return Done::Stop(why),
        };
        let mut limits = self.ground.limits.clone();
        limits.memory = run.room.memory.unwrap_or(limits.memory);
        limits.timeout = run.room.timeout.unwrap_or(limits.timeout);
        let (rooms, ground) = (self.desk.rooms.clone(), self.ground.clone());
        let (path, now, seed) = (run.path.clone(), self.options.clock.now(), self.options.seed);
        let work = on_thread(&self.options.cancel, move |stop| {
            let workspace = rooms.seen_by_modules(&ground);
            modules.run(ModuleJob { path, stdin, env, limits, workspace, now, seed }, stop)
        });
        match work.await {
            Ok(Ok(result)) => {
                let mut result = answer(&result);
                map_strings(&mut result, &mut |text| scrub.clean(text));
                Done::Ran { result, changed: None }
            }
            Ok(Err(why)) => Done::Failed(scrub.clean(&why)),
            Err(why) => Done::Failed(format!("{}: {why}", run.path)),
        }
    }
}
