//! Tools of MCP servers: programs in the sandbox over their standard streams, or servers elsewhere over HTTP.
//!
//! The client is our own rather than a library's: it needs four messages of the protocol, over two transports that are
//! ours already (the sandbox's pipes, and a network that reaches public addresses only).

mod lock;
mod remote;
mod rpc;
mod stdio;

pub use lock::{Lock, LockError, ToolList};

use super::Done;
use super::fill::Values;
use super::http::ToolNetwork;
use super::rooms::{Ground, Rooms, environment};
use aic_model::Scrub;
use aic_sandbox::{Cancel, Machine};
use aic_spec::Server;
use remote::Remote;
use rpc::ListedTool;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use stdio::Stdio;
use tokio::sync::Mutex;

/// How long a server may take to come up and say what it has.
const TO_START: Duration = Duration::from_secs(60);
/// How long a call may take where neither the spec nor the server says.
const TO_ANSWER: Duration = Duration::from_secs(30);
/// The most pages and tools of a list.
const MOST_PAGES: usize = 20;
const MOST_TOOLS: usize = 1000;

/// What a server needs to be reached.
pub(super) struct Surroundings<'a> {
    pub ground: &'a Ground,
    pub rooms: &'a Arc<Rooms>,
    pub machine: Option<&'a Arc<Machine>>,
    pub network: &'a ToolNetwork,
    pub values: &'a Values<'a>,
}

/// The servers that a conversation has talked to, each started once.
#[derive(Default)]
pub(crate) struct Servers {
    open: Mutex<HashMap<String, Arc<Client>>>,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Servers")
    }
}

/// A server that answered, and what it offers.
struct Client {
    link: Link,
    tools: Vec<ListedTool>,
    /// Texts of its environment and headers that nobody may see.
    scrub: Scrub,
}

enum Link {
    Program(Arc<std::sync::Mutex<Stdio>>),
    Remote(Box<Mutex<Remote>>),
}

impl Link {
    async fn ask(
        &self,
        network: &ToolNetwork,
        method: &'static str,
        params: Value,
        within: Duration,
    ) -> Result<Value, String> {
        match self {
            Self::Program(stdio) => {
                let (stdio, cancel) = (stdio.clone(), Cancel::new());
                // Dropping this future must end the wait too.
                let _stop = crate::scripts::StopOnDrop(cancel.clone());
                let work = tokio::task::spawn_blocking(move || {
                    let mut stdio = stdio.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    stdio.ask(method, params, within, &cancel)
                });
                work.await.map_err(|_| "its thread ended".to_owned())?
            }
            Self::Remote(remote) => remote.lock().await.ask(network, method, params, within).await,
        }
    }

    async fn tell(&self, network: &ToolNetwork, method: &'static str) -> Result<(), String> {
        match self {
            Self::Program(stdio) => stdio.lock().unwrap_or_else(std::sync::PoisonError::into_inner).tell(method),
            Self::Remote(remote) => remote.lock().await.tell(network, method, TO_START).await,
        }
    }
}

impl Servers {
    /// Starts a server where it does not run yet, and asks what it has.
    async fn client(&self, name: &str, server: &Server, around: &Surroundings<'_>) -> Result<Arc<Client>, String> {
        let mut open = self.open.lock().await;
        if let Some(client) = open.get(name) {
            return Ok(client.clone());
        }
        let mut scrub = Scrub::default();
        let link = match server {
            Server::Program { argv, room } => {
                let machine = around.machine.ok_or("there is no sandbox here to run it in")?.clone();
                let env = environment(room, around.values, &mut scrub)?;
                let (rooms, ground, room) = (around.rooms.clone(), around.ground.clone(), room.clone());
                let (argv, key) = (argv.clone(), name.to_owned());
                let work = tokio::task::spawn_blocking(move || {
                    let entered = rooms.enter(&machine, &ground, &room, Some(&key))?;
                    Stdio::start(&entered, &argv, env)
                });
                let stdio = work.await.map_err(|_| "its thread ended".to_owned())??;
                Link::Program(Arc::new(std::sync::Mutex::new(stdio)))
            }
            Server::Remote { url, headers, .. } => Link::Remote(Box::new(Mutex::new(Remote::new(
                url,
                headers,
                around.values,
                around.network,
                &mut scrub,
            )?))),
        };
        let hello =
            link.ask(around.network, "initialize", rpc::hello(), TO_START).await.map_err(|why| scrub.clean(&why))?;
        rpc::check_version(&hello)?;
        if let Link::Remote(remote) = &link {
            remote.lock().await.agreed(&hello);
        }
        link.tell(around.network, "notifications/initialized").await?;
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let params = cursor.take().map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
            let page = link.ask(around.network, "tools/list", params, TO_START).await?;
            tools.extend(rpc::listed(&page)?);
            if tools.len() > MOST_TOOLS {
                return Err(format!("it lists more than {MOST_TOOLS} tools"));
            }
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        let client = Arc::new(Client { link, tools, scrub });
        open.insert(name.to_owned(), client.clone());
        Ok(client)
    }

    /// What a server offers, as it is locked.
    pub(super) async fn list(
        &self,
        name: &str,
        server: &Server,
        around: &Surroundings<'_>,
    ) -> Result<ToolList, String> {
        let client = self.client(name, server, around).await.map_err(|why| format!("MCP server `{name}`: {why}"))?;
        Ok(ToolList::of(&client.tools))
    }

    /// Calls a tool of a server whose list is the one that was locked.
    pub(super) async fn call(
        &self,
        (name, server): (&str, &Server),
        tool: &str,
        args: &Value,
        locked: Option<&ToolList>,
        around: &Surroundings<'_>,
    ) -> Done {
        let client = match self.client(name, server, around).await {
            Ok(client) => client,
            Err(why) => return Done::Stop(format!("MCP server `{name}`: {why}")),
        };
        let list = ToolList::of(&client.tools);
        match locked {
            None => {
                let why = format!(
                    "what MCP server `{name}` offers is not locked yet: look at it with `aic lock`, which writes it down"
                );
                return Done::Stop(why);
            }
            Some(locked) => {
                if let Some(difference) = locked.difference(&list) {
                    let why = format!(
                        "MCP server `{name}` offers something else than what was locked: {difference}. Look at it with `aic lock`"
                    );
                    return Done::Stop(why);
                }
            }
        }
        if !client.tools.iter().any(|listed| listed.name == tool) {
            let known: Vec<&str> = client.tools.iter().take(30).map(|listed| listed.name.as_str()).collect();
            return Done::Stop(format!("MCP server `{name}` has no tool `{tool}`; it has {}", known.join(", ")));
        }
        let within = match server {
            Server::Program { room, .. } => room.timeout,
            Server::Remote { timeout, .. } => *timeout,
        };
        let params = json!({ "name": tool, "arguments": args });
        let answer = client.link.ask(around.network, "tools/call", params, within.unwrap_or(TO_ANSWER)).await;
        match answer {
            Ok(result) => {
                let mut done = rpc::called(&result);
                match &mut done {
                    Done::Ran { result, .. } => super::map_strings(result, &mut |text| client.scrub.clean(text)),
                    Done::Failed(why) => *why = client.scrub.clean(why),
                    _ => {}
                }
                done
            }
            Err(why) => Done::Failed(client.scrub.clean(&format!("MCP server `{name}`: {why}"))),
        }
    }
}
