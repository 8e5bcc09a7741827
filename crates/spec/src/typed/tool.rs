//! `tools:`.

use aic_base::{RelPath, Span};
use indexmap::IndexMap;
use serde_json::Value;
use std::time::Duration;

/// What the agent may call, and what it may never call.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// The tools the model is offered.
    pub allowed: Vec<ToolSpec>,
    /// What is stopped whoever asks.
    pub blocked: Vec<Blocked>,
    /// MCP servers, by name.
    pub servers: IndexMap<String, Server>,
    /// What happens where untrusted input, sensitive data and an outside effect meet in one conversation.
    pub rule_of_two: Option<aic_base::Action>,
}

impl Tools {
    /// Where programs and modules run, of tools and of servers.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        let of_tools = self.allowed.iter().filter_map(|tool| match tool.run.as_ref()? {
            Run::Command(run) => Some(&run.room),
            Run::Shell(run) => Some(&run.room),
            Run::Wasm(run) => Some(&run.room),
            Run::Sql(_) | Run::Script { .. } | Run::Http(_) | Run::Mcp { .. } => None,
        });
        let of_servers = self.servers.values().filter_map(|server| match server {
            Server::Program { room, .. } => Some(room),
            Server::Remote { .. } => None,
        });
        of_tools.chain(of_servers)
    }

    /// Whether any of them needs a sandbox for programs.
    pub fn starts_programs(&self) -> bool {
        self.allowed.iter().any(|tool| matches!(tool.run, Some(Run::Command(_) | Run::Shell(_))))
            || self.servers.values().any(|server| matches!(server, Server::Program { .. }))
    }
}

/// One tool.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What the model is told of it.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// SQL verbs it may use, in capitals.
    pub permissions: Vec<String>,
    /// SQL tables it may touch; none means any but the system's.
    pub tables: Option<Vec<String>>,
    /// SQL functions it may call; none means the safe default.
    pub functions: Option<Vec<String>>,
    /// How it is carried out; without, its calls are handed back to the caller.
    pub run: Option<Run>,
    /// What it does to the world, by the spec or by the kind of `run` (language page, section 6).
    pub effect: Effect,
    /// When a person must agree.
    pub confirm: Option<Confirm>,
    /// Whether its results may hold somebody's instructions.
    pub trust: Trust,
    /// Where the values of arguments may come from; an argument that is not listed may come from anywhere.
    pub origins: IndexMap<String, Vec<Origin>>,
    /// Where it stands in the spec.
    pub span: Span,
}

/// How a tool is carried out.
#[derive(Debug, Clone)]
pub enum Run {
    /// On a database.
    Sql(SqlRun),
    /// A script in the sandbox.
    Script {
        /// The file; its text is in `Spec::files`.
        path: RelPath,
        /// How long it may run.
        timeout: Option<Duration>,
        /// How much memory it may use, in bytes.
        memory: Option<u64>,
    },
    /// An HTTP request.
    Http(HttpRun),
    /// A program, started without a shell.
    Command(CommandRun),
    /// A command line, judged before a shell sees it.
    Shell(ShellRun),
    /// A tool of an MCP server.
    Mcp {
        /// The server's name under `tools.servers`.
        server: String,
        /// The server's name for the tool; without, the tool's own.
        tool: Option<String>,
    },
    /// A WebAssembly module in the sandbox.
    Wasm(WasmRun),
}

/// A tool that runs a WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmRun {
    /// The file; its bytes are in `Spec::files`, where it is there.
    pub path: RelPath,
    /// What it reads; without, the arguments as JSON.
    pub stdin: Option<String>,
    /// Where it runs.
    pub room: Room,
}

/// A tool that sends an HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRun {
    /// The address. `${args.x}` is path-encoded; a `*` means that the model gives the whole address in `url`.
    pub url: String,
    /// The method, in capitals.
    pub method: String,
    /// Headers; `${secret:NAME}` is allowed here.
    pub headers: IndexMap<String, String>,
    /// The body; without, the arguments that the address does not use, as JSON.
    pub body: Option<Value>,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// A tool that starts a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRun {
    /// The program and its arguments, each a template.
    pub argv: Vec<String>,
    /// What it reads; without, the arguments as JSON.
    pub stdin: Option<String>,
    /// Where it runs.
    pub room: Room,
}

/// A tool that runs a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellRun {
    /// The command line, a template.
    pub line: String,
    /// Patterns of commands that may run.
    pub allow: Vec<String>,
    /// Patterns of commands that may not.
    pub deny: Vec<String>,
    /// Where it runs.
    pub room: Room,
}

/// Where a program runs: what differs from the spec's `sandbox`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Room {
    /// The runtime's word; none means the spec's.
    pub runtime: Option<String>,
    /// Its environment; `${secret:NAME}` is allowed here.
    pub env: IndexMap<String, String>,
    /// `host:port` it may reach, an empty list for no network; none means the spec's.
    pub network: Option<Vec<String>>,
    /// How long one call may take.
    pub timeout: Option<Duration>,
    /// How much memory it may use, in bytes.
    pub memory: Option<u64>,
}

/// An MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A program in the sandbox that speaks over its standard streams.
    Program {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Where it runs.
        room: Room,
    },
    /// A server elsewhere, over streamable HTTP.
    Remote {
        /// Its address.
        url: String,
        /// Headers; `${secret:NAME}` is allowed here.
        headers: IndexMap<String, String>,
        /// How long one call may take.
        timeout: Option<Duration>,
    },
}

/// What a spec says of the sandbox that programs run in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// The runtime's word; none means `auto`.
    pub runtime: Option<String>,
    /// Whether the wall must be a virtual machine's or gVisor's.
    pub high: bool,
    /// The word of `fallback`; none means `strict`.
    pub fallback: Option<String>,
    /// The runtimes that `best-effort` tries, in order.
    pub chain: Vec<String>,
    /// `host`, a folder, or `oci:…`; none means `host`.
    pub rootfs: Option<String>,
    /// `host:port` that programs may reach; empty means no network.
    pub network: Vec<String>,
    /// What programs see of the workspace.
    pub workspace: WorkspaceMode,
}

/// What programs see of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkspaceMode {
    /// Nothing.
    #[default]
    None,
    /// The files, without writing.
    ReadOnly,
    /// A copy that lives for the conversation.
    Copy,
    /// The files themselves.
    ReadWrite,
}

/// Where an argument's value may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// What the user said.
    User,
    /// The spec.
    Spec,
    /// What a trusted tool returned.
    Tool,
    /// What the model makes up.
    Model,
}

impl Origin {
    /// The word of the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Spec => "spec",
            Self::Tool => "tool",
            Self::Model => "model",
        }
    }
}

/// A tool on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlRun {
    /// Which.
    pub database: Database,
    /// A fixed statement with `:named` arguments; without, the model writes it into the argument `query`.
    pub statement: Option<String>,
}

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(RelPath),
    /// A PostgreSQL server.
    Postgres {
        /// Its address with user and database, a template without secrets.
        url: String,
        /// The password, a template; `${secret:NAME}` is allowed here.
        password: Option<String>,
    },
}

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing.
    Read,
    /// It changes something here.
    Write,
    /// It changes or tells something elsewhere.
    Egress,
}

/// Whether a tool's results may hold somebody's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// They are data of the spec's owner.
    #[default]
    Trusted,
    /// They taint the turn.
    Untrusted,
}

/// When a person must agree, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// A condition; none means always.
    pub when: Option<String>,
    /// Who.
    pub by: Approver,
    /// How long the question stands.
    pub expires: Option<Duration>,
}

/// Who must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Approver {
    /// The user of the chat.
    User,
    /// An operator, who never answers through the chat.
    Operator,
}

/// What is stopped whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// Statements that begin like this pattern of SQL tokens.
    Pattern(String),
    /// Tools whose name matches this glob.
    Tool(String),
}
