//! `aic sandbox`: sandboxes by hand. `run` uses one once; `create` makes one with a name, which a small process of its
//! own keeps until `rm`.
//!
//! `run`, `exec` and `attach` end as the program did, and with numbers of their own where it did not end by itself.

use super::{Context, FINDINGS, FINE, Format, name_and_value};
use crate::host::{cache_dir, script_host};
use crate::output::harmless;
use crate::report::{duration, json};
use aic_base::{Limits, Timestamp, units};
use aic_sandbox::egress::{HostPort, Network, is_public};
use aic_sandbox::guests::ModuleFile;
use aic_sandbox::runtime::select::{Ask, Fallback, Needs, Security, select};
use aic_sandbox::runtime::{
    Access, Choice, Exec, Program, Rootfs, RuntimeKind, SandboxId, SandboxSpec, Status, Workspace, check,
};
use aic_sandbox::{Cancel, Machine, Named, RuntimeError, StateDir};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Whose the sandboxes are that this command makes.
const OWNER: &str = "cli";

mod attach;
mod show;

use attach::attach;
use show::{Unrun, ended, limits_of, show, tell_choice};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// How to speak
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

#[derive(Subcommand)]
enum Action {
    /// Run a command, or a script with `--script`, in a sandbox that is made for it and thrown away
    ///
    /// Ends with the program's exit code, or 128 and the number of the signal that ended it; 124 at a limit, 125 where
    /// there is no sandbox, 126 where the program cannot be started in it.
    Run(Box<RunArgs>),
    /// Make a sandbox with a name; `start` starts it
    Create(Box<CreateArgs>),
    /// Start a sandbox
    Start(One),
    /// List the sandboxes there are
    Ls,
    /// Run a command in a running sandbox; ends as `run` does
    Exec(ExecArgs),
    /// Open a shell, or another command, in a running sandbox; ends as `run` does
    Attach(AttachArgs),
    /// End whatever runs in a sandbox; it can be started again
    Stop(One),
    /// Halt a sandbox in place
    Pause(One),
    /// Let a paused sandbox go on
    Resume(One),
    /// Stop a sandbox and start it
    Restart(One),
    /// Remove a sandbox with everything in it
    Rm(One),
    /// Show what a sandbox uses
    Stats(One),
    /// Remove all sandboxes of an owner's, what crashes left, and unpacked images that nobody uses
    Cleanup {
        /// Whose
        #[arg(long, default_value = OWNER)]
        owner: String,
    },
}

#[derive(clap::Args)]
struct One {
    /// The sandbox
    name: SandboxId,
}

#[derive(clap::Args)]
struct RoomArgs {
    /// Which runtime: auto, wasm, gvisor, microvm, process
    #[arg(long, default_value = "auto")]
    runtime: String,
    /// How strong the wall must be
    #[arg(long, value_enum, default_value_t)]
    security: SecurityArg,
    /// What to do without that runtime
    #[arg(long, value_enum, default_value_t)]
    fallback: FallbackArg,
    /// What best-effort tries, in this order
    #[arg(long, value_delimiter = ',')]
    chain: Vec<RuntimeKind>,
    /// A folder that the sandbox sees as /workspace
    #[arg(long)]
    workspace: Option<PathBuf>,
    /// What it may do with that folder
    #[arg(long, value_enum, default_value_t)]
    access: AccessArg,
    /// The root file system: host (its /usr), a folder, or oci: and an image's layout or archive
    #[arg(long, default_value = "host")]
    rootfs: String,
    /// A host and port that it may reach, like api.example.com:443; several times or with commas for more
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT", value_parser = reachable)]
    network: Vec<HostPort>,
    /// Memory, like 256MB
    #[arg(long, value_parser = size)]
    memory: Option<u64>,
    /// Share of a processor, like 0.5
    #[arg(long)]
    cpu: Option<f64>,
    /// Processes and threads
    #[arg(long)]
    pids: Option<u32>,
    /// Open files
    #[arg(long)]
    files: Option<u32>,
    /// The largest file, like 50MB
    #[arg(long, value_parser = size)]
    file_size: Option<u64>,
    /// Wall-clock time of one command, like 30s
    #[arg(long, value_parser = time)]
    timeout: Option<Duration>,
    /// What it may print, like 1MB
    #[arg(long, value_parser = size)]
    output: Option<u64>,
    /// What it may write, like 100MB
    #[arg(long, value_parser = size)]
    disk: Option<u64>,
}

#[derive(clap::Args)]
struct RunArgs {
    #[command(flatten)]
    room: RoomArgs,
    /// A script, in place of a command: JavaScript, whose default function is called; Python; or what a guest is for
    #[arg(long)]
    script: Option<PathBuf>,
    /// The first argument of that function, as JSON
    #[arg(long, requires = "script", default_value = "null")]
    args: String,
    /// A WebAssembly module (WASI preview 1) or component (preview 2), in place of a command
    #[arg(long, conflicts_with = "script", value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Decides what the random numbers of a module are
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    call: CallArgs,
    /// The command and its arguments; those of the script or the module alone, where there is one
    #[arg(last = true, required_unless_present_any = ["script", "wasm"])]
    command: Vec<String>,
}

#[derive(clap::Args)]
struct CreateArgs {
    /// Its name
    name: SandboxId,
    #[command(flatten)]
    room: RoomArgs,
    /// Something to remember of it, like purpose=demo
    #[arg(long = "label", value_parser = name_and_value)]
    labels: Vec<(String, String)>,
    /// Whose it is
    #[arg(long, default_value = OWNER)]
    owner: String,
    /// Start it at once
    #[arg(long)]
    start: bool,
}

#[derive(clap::Args)]
struct CallArgs {
    /// A variable of its environment, which is empty otherwise
    #[arg(long = "env", value_parser = name_and_value)]
    env: Vec<(String, String)>,
    /// Its working folder
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Hand on this command's own stdin
    #[arg(long)]
    stdin: bool,
}

#[derive(clap::Args)]
struct ExecArgs {
    /// The sandbox
    name: SandboxId,
    #[command(flatten)]
    call: CallArgs,
    /// Wall-clock time, like 30s
    #[arg(long, value_parser = time)]
    timeout: Option<Duration>,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(clap::Args)]
struct AttachArgs {
    /// The sandbox
    name: SandboxId,
    /// The command and its arguments; a shell where there is none
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum SecurityArg {
    #[default]
    Standard,
    High,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum FallbackArg {
    #[default]
    Strict,
    BestEffort,
    Fail,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum AccessArg {
    #[default]
    ReadOnly,
    Copy,
    ReadWrite,
}

/// A host and port that the proxy would connect to.
fn reachable(text: &str) -> Result<HostPort, String> {
    let target: HostPort = text.parse()?;
    match target.host().parse::<IpAddr>() {
        Ok(address) if !is_public(address) => {
            Err(format!("{address} is not of the public internet, and nothing else is reached"))
        }
        _ => Ok(target),
    }
}

fn size(text: &str) -> Result<u64, String> {
    units::size(text).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|error| error.to_string())
}

impl RoomArgs {
    fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            memory: self.memory.unwrap_or(usual.memory),
            cpu: self.cpu.unwrap_or(usual.cpu),
            pids: self.pids.unwrap_or(usual.pids),
            files: self.files.unwrap_or(usual.files),
            file_size: self.file_size.unwrap_or(usual.file_size),
            timeout: self.timeout.unwrap_or(usual.timeout),
            output: self.output.unwrap_or(usual.output),
            disk: self.disk.unwrap_or(usual.disk),
        }
    }

    fn choose(&self, machine: &Machine, program: &Program) -> Result<Choice, String> {
        check(&self.limits()).map_err(told)?;
        let runtime = if self.runtime == "auto" { None } else { Some(self.runtime.parse::<RuntimeKind>()?) };
        let (workspace, network) = (self.workspace.is_some(), !self.network.is_empty());
        let command = matches!(program, Program::Command(_));
        let module = matches!(program, Program::Module { .. });
        let needs = Needs { command, module, workspace, network, ..Needs::default() };
        let security = match self.security {
            SecurityArg::Standard => Security::Standard,
            SecurityArg::High => Security::High,
        };
        let fallback = match self.fallback {
            FallbackArg::Strict => Fallback::Strict,
            FallbackArg::BestEffort => Fallback::BestEffort,
            FallbackArg::Fail => Fallback::Fail,
        };
        let ask = Ask { runtime, security, fallback, chain: self.chain.clone(), needs };
        select(&ask, &machine.offers(&self.limits())).map_err(|refusal| refusal.to_string())
    }

    fn spec(&self, choice: Choice, owner: &str) -> SandboxSpec {
        let access = match (self.workspace.is_some(), self.access) {
            (false, _) => Access::None,
            (true, AccessArg::ReadOnly) => Access::ReadOnly,
            (true, AccessArg::Copy) => Access::Copy,
            (true, AccessArg::ReadWrite) => Access::ReadWrite,
        };
        SandboxSpec {
            name: None,
            owner: owner.to_owned(),
            labels: BTreeMap::new(),
            limits: self.limits(),
            workspace: Workspace { access, path: self.workspace.clone().unwrap_or_default() },
            rootfs: Rootfs::named(&self.rootfs),
            network: Network::to(self.network.iter().cloned()),
            choice,
        }
    }
}

impl CallArgs {
    fn exec(&self, program: Program, timeout: Option<Duration>) -> Result<Exec, String> {
        let mut stdin = Vec::new();
        if self.stdin {
            // More than a sandbox takes is refused here rather than held in memory.
            const MOST: u64 = 64 << 20;
            let read = std::io::stdin().lock().take(MOST + 1).read_to_end(&mut stdin);
            read.map_err(|error| format!("stdin cannot be read: {error}"))?;
            if stdin.len() as u64 > MOST {
                return Err("stdin has more than 64 MiB: share a folder with --workspace instead".into());
            }
        }
        let env = self.env.iter().cloned().collect();
        let timeout = timeout.unwrap_or(Duration::MAX);
        Ok(Exec { program, env, folder: self.folder.clone(), stdin, timeout })
    }
}

fn command_of(words: &[String]) -> Program {
    Program::Command(words.iter().map(Into::into).collect())
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let done = match &args.action {
        Action::Run(args) => return ended(once(args, context), context),
        Action::Exec(args) => return ended(exec(args, context), context),
        Action::Attach(args) => return ended(attach(args), context),
        Action::Create(args) => create(args, context),
        Action::Ls => list(context),
        Action::Start(one) => act(one, context, "started", Named::start),
        Action::Stop(one) => act(one, context, "stopped", Named::stop),
        Action::Pause(one) => act(one, context, "paused", Named::pause),
        Action::Resume(one) => act(one, context, "resumed", Named::resume),
        Action::Restart(one) => act(one, context, "restarted", Named::restart),
        Action::Rm(one) => remove(one, context),
        Action::Stats(one) => stats(one, context),
        Action::Cleanup { owner } => cleanup(owner, context),
    };
    done.unwrap_or_else(|why| context.could_not_run(why))
}

/// Text of a failure that is no result.
type Done = Result<u8, String>;

fn told(error: RuntimeError) -> String {
    error.to_string()
}

fn state() -> Result<StateDir, String> {
    StateDir::of_user().map_err(|error| format!("no folder for sandboxes: {error}"))
}

fn named(one: &SandboxId) -> Result<Named, String> {
    Named::open(&state()?, one).map_err(told)
}

fn once(args: &RunArgs, context: &mut Context) -> Result<u8, Unrun> {
    let machine = Machine::new(script_host(), cache_dir());
    let program = program_of(args)?;
    let choice = args.room.choose(&machine, &program)?;
    let runtime = machine.runtime(choice.actual).ok_or("the runtime that was chosen is gone")?;
    let exec = args.call.exec(program, None)?;
    let id = runtime.create(&args.room.spec(choice.clone(), OWNER))?;
    let cancel = Cancel::new();
    let result = {
        let _watch = on_interrupt(context, &cancel);
        runtime.start(&id).and_then(|()| runtime.exec(&id, &exec, &cancel))
    };
    let removed = runtime.delete(&id);
    if let (Err(error), Format::Json) = (&result, context.format) {
        // Also of what failed it is said where and under which limits.
        let limits = args.room.limits();
        let document = json!({
            "error": error.to_string(),
            "exit": null,
            "requested": choice.requested,
            "runtime": choice.actual,
            "fallback": choice.fallback,
            "limits": limits_of(&limits, &runtime.keeps(&limits)),
        });
        json::write(&mut context.out, document);
        let Unrun(code, why) = Unrun::from(error.clone());
        context.err.line(harmless(&why));
        return Ok(code);
    }
    let result = result?;
    removed?;
    show(&result, context)
}

/// What `run` is to run. A script goes by its ending: JavaScript to the engine that is built in, another to the guest
/// that was added for it, and Python without a guest to the sandbox's own `python3`.
fn program_of(args: &RunArgs) -> Result<Program, String> {
    let now = Timestamp::from_millis(crate::workspace::now().millis());
    if let Some(path) = &args.wasm {
        let module = ModuleFile::open(path).map_err(|error| error.to_string())?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let words = std::iter::once(name).chain(args.command.iter().cloned()).collect();
        return Ok(Program::Module { module, args: words, script: None, now, seed: args.seed });
    }
    let Some(path) = &args.script else { return Ok(command_of(&args.command)) };
    let source = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let value: Value = serde_json::from_str(&args.args).map_err(|error| format!("--args is no JSON: {error}"))?;
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    if matches!(ending.as_str(), "js" | "mjs" | "") {
        if !args.command.is_empty() {
            return Err("a JavaScript function takes its argument from --args, not from words after `--`".into());
        }
        let CallArgs { env, folder, stdin } = &args.call;
        if !env.is_empty() || folder.is_some() || *stdin {
            let why = "a JavaScript function has no environment, folder or stdin: hand it what it needs with --args";
            return Err(why.into());
        }
        let filename = path.display().to_string();
        return Ok(Program::JavaScript {
            filename,
            source: source.into(),
            args: value,
            ctx: json!({}),
            now,
            seed: args.seed,
        });
    }
    let mut rest = args.command.clone();
    if value != Value::Null {
        rest.insert(0, value.to_string());
    }
    let guest =
        crate::host::guests().map_or(Ok(None), |guests| guests.find(&ending)).map_err(|error| error.to_string())?;
    if let Some((guest, module)) = guest {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let place = format!("/script/{name}");
        let call = guest.call.iter().map(|word| word.replace("{script}", &place));
        let words = std::iter::once(guest.name).chain(call).chain(rest).collect();
        return Ok(Program::Module { module, args: words, script: Some((name, source)), now, seed: args.seed });
    }
    match ending.as_str() {
        "py" => {
            Ok(command_of(&["python3".into(), "-c".into(), source].into_iter().chain(rest).collect::<Vec<String>>()))
        }
        _ => Err(format!("no guest is there for `.{ending}`: add one with `aic guest add FILE.wasm --for {ending}`")),
    }
}

/// Hands Ctrl-C on to what runs in a sandbox, for as long as this lives.
fn on_interrupt(context: &Context, cancel: &Cancel) -> impl Drop + use<> {
    struct Stop(tokio::task::JoinHandle<()>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let (token, cancel) = (context.cancel.clone(), cancel.clone());
    Stop(tokio::spawn(async move {
        token.cancelled().await;
        cancel.cancel();
    }))
}

fn create(args: &CreateArgs, context: &mut Context) -> Done {
    let host = script_host();
    let command = host.command().clone();
    let choice = args.room.choose(&Machine::new(host, cache_dir()), &command_of(&[]))?;
    let mut spec = args.room.spec(choice.clone(), &args.owner);
    spec.name = Some(args.name.clone());
    spec.labels = args.labels.iter().cloned().collect();
    // The supervisor has another working folder.
    for path in [&mut spec.workspace.path].into_iter().filter(|path| !path.as_os_str().is_empty()) {
        *path = std::path::absolute(&*path).map_err(|error| error.to_string())?;
    }
    if let Some(path) = spec.rootfs.path_mut() {
        *path = std::path::absolute(&*path).map_err(|error| error.to_string())?;
    }
    let named = Named::create(&command, &state()?, &spec).map_err(told)?;
    if args.start {
        named.start().map_err(told)?;
    }
    let word = if args.start { "created and started" } else { "created" };
    say(context, &args.name, word);
    tell_choice(&choice, context);
    Ok(FINE)
}

fn act(one: &One, context: &mut Context, word: &str, what: fn(&Named) -> Result<(), RuntimeError>) -> Done {
    what(&named(&one.name)?).map_err(told)?;
    say(context, &one.name, word);
    Ok(FINE)
}

fn remove(one: &One, context: &mut Context) -> Done {
    let state = state()?;
    match Named::open(&state, &one.name).and_then(|named| named.delete()) {
        Ok(()) => {}
        // Its supervisor crashed: then what is left is anybody's to remove.
        Err(error) if !state.reap().contains(&one.name) => return Err(told(error)),
        Err(_) => {}
    }
    say(context, &one.name, "removed");
    Ok(FINE)
}

fn say(context: &mut Context, name: &SandboxId, word: &str) {
    match context.format {
        Format::Json => json::write(&mut context.out, json!({ "sandbox": name, "done": word })),
        Format::Human => context.out.line(format_args!("{name} {word}")),
    }
}

fn list(context: &mut Context) -> Done {
    let all = Named::list(&state()?);
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "sandboxes": all }));
    } else if all.is_empty() {
        context.out.line("no sandboxes");
    } else {
        for Status { id, owner, choice, state, why, labels, .. } in all {
            let labels: String = labels.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            let line =
                format!("{:<20} {:<8} {:<8} {owner}{labels}{why}", id.as_str(), choice.actual, state.to_string());
            // A line break in a label would be a row of its own.
            context.out.line(harmless(&line).replace(['\n', '\t'], "\u{FFFD}"));
        }
    }
    Ok(FINE)
}

fn exec(args: &ExecArgs, context: &mut Context) -> Result<u8, Unrun> {
    let exec = args.call.exec(command_of(&args.command), args.timeout)?;
    let result = named(&args.name)?.exec(&exec)?;
    show(&result, context)
}

fn stats(one: &One, context: &mut Context) -> Done {
    let stats = named(&one.name)?.stats().map_err(told)?;
    match context.format {
        Format::Json => json::write(&mut context.out, json!({ "sandbox": one.name, "stats": stats })),
        Format::Human => {
            let mb = |bytes: u64| bytes as f64 / 1e6;
            let (cpu, memory, pids) = (duration(stats.cpu), mb(stats.memory), stats.pids);
            let (read, written) = (mb(stats.read), mb(stats.written));
            context.out.line(format_args!(
                "cpu {cpu}  memory {memory:.1} MB  processes {pids}  read {read:.1} MB  written {written:.1} MB"
            ));
        }
    }
    Ok(FINE)
}

fn cleanup(owner: &str, context: &mut Context) -> Done {
    let state = state()?;
    let mut removed = state.reap();
    let mut left = Vec::new();
    for runtime in Machine::new(script_host(), cache_dir()).runtimes() {
        let cleaned = runtime.cleanup(owner);
        removed.extend(cleaned.removed);
        left.extend(cleaned.left);
    }
    // After the sandboxes, which may have used them.
    let images = state.remove_images();
    match context.format {
        Format::Json => {
            json::write(&mut context.out, json!({ "removed": removed, "left": left, "images": images }));
        }
        Format::Human => {
            removed.iter().for_each(|id| context.out.line(format_args!("{id} removed")));
            left.iter().for_each(|why| context.out.line(format_args!("left: {}", harmless(why))));
            if images > 0 {
                context.out.line(format_args!("{images} unpacked image{} removed", if images == 1 { "" } else { "s" }));
            }
            if removed.is_empty() && left.is_empty() && images == 0 {
                context.out.line("nothing to remove");
            }
        }
    }
    Ok(if left.is_empty() { FINE } else { FINDINGS })
}
