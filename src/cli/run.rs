//! `aic run`: one input through a spec, for real: real data, the workspace's counters, the audit chain.

use super::{COULD_NOT_RUN, Context, FINDINGS, FINE, Format, name_and_value, variables};
use crate::confirmations::{self, Waiting};
use crate::host::script_host;
use crate::keeping::{self, Keeper, KeySeal, StoreVectors};
use crate::models::{ModelUse, Reach};
use crate::output::{Out, Style, harmless};
use crate::recording::{StoreCounters, StoreRecorder, salted};
use crate::report::{self, json, trace};
use crate::session::{Session, Tested, run_prefix};
use crate::workspace::{Target, Workspace};
use aic_base::{Action, Clock, Digest, DigestBuilder, EventKind, FrozenClock, Outcome, RelPath, Timestamp};
use aic_engine::{
    Answer, Answers, Container, MemoryCounters, RunOptions, Seal, Sink, TurnReport, Was, WorkspaceChanges,
};
use aic_guard::User;
use aic_model::SystemKeys;
use aic_model::cassette::Mode;
use aic_store::{SealKey, Store, VersionReason};
use serde_json::Map;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many changes of the workspace are listed.
const SHOWN_CHANGES: usize = 20;

#[derive(clap::Args)]
pub struct Args {
    /// What the user says
    #[arg(required_unless_present = "confirm", default_value = "")]
    input: String,
    /// Say yes to the question of this token, and go on with the run that asked it
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["input", "approve", "deny", "record", "replay", "session"])]
    confirm: Option<String>,
    /// Show the answer when it is whole, not as it comes
    #[arg(long)]
    no_stream: bool,
    /// The spec, or its folder
    #[arg(long, short, default_value = ".")]
    spec: PathBuf,
    /// The named model that answers
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Run in this environment
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// A variable of the spec
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    vars: Vec<(String, String)>,
    /// Who asks
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// A role of whoever asks
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The moment that `${DATE}` and SQL see, like 2025-06-01T12:00:00Z; now where absent
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// Answer yes to what this tool or guardrail asks
    #[arg(long = "approve", value_name = "NAME")]
    approve: Vec<String>,
    /// Answer no to what this tool or guardrail asks
    #[arg(long = "deny", value_name = "NAME")]
    deny: Vec<String>,
    /// Record what the model says
    #[arg(long, group = "reach")]
    record: bool,
    /// Answer from the recording only
    #[arg(long, group = "reach")]
    replay: bool,
    /// The recording; `cassettes/NAME.jsonl` beside the spec where absent
    #[arg(long, value_name = "FILE")]
    cassette: Option<PathBuf>,
    /// Wait as long as the recorded model took
    #[arg(long, requires = "replay")]
    realtime: bool,
    /// Go on with the session of this name, or begin it
    #[arg(long, value_name = "NAME", conflicts_with = "replay")]
    session: Option<String>,
    /// Show everything that happened
    #[arg(long)]
    trace: bool,
    /// How to speak
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A question that was answered, and the run that goes on with the answer.
pub(super) struct Resumed {
    pub workspace: Workspace,
    /// The question's number.
    pub number: String,
    pub waiting: Waiting,
    pub answer: Answer,
    /// Whether an operator answers.
    pub operator: bool,
    /// Who asked, where the spec calls that personal and it was not written down.
    pub user: Option<String>,
}

/// Goes on with a run that asked a person.
pub(super) async fn go_on(resumed: Resumed, context: &mut Context) -> u8 {
    let Waiting { environment, user, roles, model, session, .. } = resumed.waiting.clone();
    let user = user.or_else(|| resumed.user.clone());
    let args = Args {
        environment,
        user,
        roles,
        model,
        session,
        input: String::new(),
        confirm: None,
        no_stream: false,
        spec: PathBuf::new(),
        vars: Vec::new(),
        now: None,
        approve: Vec::new(),
        deny: Vec::new(),
        record: false,
        replay: false,
        cassette: None,
        realtime: false,
        trace: false,
        format: context.format,
    };
    run_from(&args, context, Some(resumed)).await
}

pub async fn run(args: &Args, context: &mut Context) -> u8 {
    let Some(token) = &args.confirm else { return run_from(args, context, None).await };
    let workspace = match Target::one(&args.spec).map(|(workspace, _)| workspace).or_else(|_| Workspace::of(&args.spec))
    {
        Ok(workspace) => workspace,
        Err(error) => return context.could_not_run(error),
    };
    match confirmations::of_token(&workspace, token, &SystemKeys, crate::workspace::now()) {
        Ok((number, waiting)) => {
            let user = args.user.clone();
            let resumed = Resumed { workspace, number, waiting, answer: Answer::Approve, operator: false, user };
            go_on(resumed, context).await
        }
        Err(error) => context.could_not_run(error),
    }
}

async fn run_from(args: &Args, context: &mut Context, resumed: Option<Resumed>) -> u8 {
    let target = match &resumed {
        Some(resumed) => Ok((resumed.workspace.clone(), resumed.waiting.spec.clone())),
        None => Target::one(&args.spec),
    };
    let (workspace, spec) = match target {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    // Without the store there are no counters and no audit: a real run does not go without.
    let store = match context.store(&workspace) {
        Ok(store) => store,
        Err(error) => {
            return context.could_not_run(format_args!("{error}\n       a real run needs its counters and its audit"));
        }
    };
    let session = Session::new(workspace.clone(), spec, Some(store.clone()), script_host()).with_models(models(args));
    let loaded = session.load(args.environment.as_deref());
    let container = match session.container(&loaded) {
        Ok(container) => container,
        Err(refusal) => {
            let tested = Tested { loaded, version: None, result: Err(refusal), unkept: None, whole: false };
            if let Err(refusal) = &tested.result {
                super::test::refused(context, &workspace, &tested, refusal);
            }
            return COULD_NOT_RUN;
        }
    };
    let version = match session.record(&loaded, VersionReason::Run) {
        Ok(version) => version.map(|version| version.digest),
        Err(error) => return context.could_not_run(error),
    };
    let spec = container.spec();
    let salt = match salt(&workspace) {
        Ok(salt) => Some(salt),
        Err(error) if spec.personal_data.is_empty() => {
            context.warn(error);
            None
        }
        Err(error) => return context.could_not_run(error),
    };
    if let Some(resumed) = &resumed
        && let Err(why) = may_answer(resumed, spec, salt.as_ref())
    {
        return context.could_not_run(why);
    }
    let key = match keeping::key(&spec.context, &SystemKeys) {
        Ok(key) => key,
        Err(error) => return context.could_not_run(error),
    };
    if key.is_some() && resumed.as_ref().is_some_and(|resumed| !resumed.waiting.sealed) {
        return context.could_not_run("the question is not encrypted, as this spec would have written it: ask again");
    }
    if let Err(error) = keeping::expire(&store) {
        return context.could_not_run(error);
    }
    let kept =
        args.session.as_deref().map(|name| Keeper::open(&store, &session.spec, name, &spec.context, key.clone()));
    let (keeper, kept) = match kept.transpose() {
        Ok(kept) => kept.map_or((None, None), |(keeper, kept)| (Some(keeper), kept)),
        Err(error) => return context.could_not_run(error),
    };
    let hide = salt.filter(|_| spec.personal_data.iter().any(|field| field == "user_id"));
    let personal = spec.personal_data.clone();
    let recorder = Arc::new(StoreRecorder::for_runs(&store, &session.spec, version, personal, salt, key.clone()));
    let index = spec.context.memory.index.as_deref().unwrap_or(&spec.name);
    let mut options = RunOptions {
        session: args.session.clone(),
        vectors: Some(Arc::new(StoreVectors::new(&store, index, key.clone()))),
        seal: key.clone().map(|key| Arc::new(KeySeal(key)) as Arc<dyn Seal>),
        ..options(args, context, &workspace, &store, recorder.clone())
    };
    let screen = Arc::new(Screen::default());
    if context.format == Format::Human && !args.no_stream {
        options.stream = Some(screen.clone());
    }
    if let Some(resumed) = &resumed {
        options.vars = resumed.waiting.vars.clone();
        options.operator = resumed.operator;
    }
    let mut conversation = match container.conversation(options) {
        Ok(conversation) => conversation,
        Err(error) => return context.could_not_run(error),
    };
    if let Some(kept) = kept {
        conversation.restore(kept);
    }
    let provider = container.spec().models.named.get(args.model.as_deref().unwrap_or("primary"));
    let provider = provider.and_then(|model| model.provider).map_or("unknown", aic_spec::Provider::as_str);

    if let Some(resumed) = &resumed
        && let Err(error) = confirmations::claim(&resumed.workspace, &resumed.number)
    {
        return context.could_not_run(error);
    }
    let report = match &resumed {
        Some(resumed) => conversation.resume(&resumed.waiting.pending, resumed.answer).await,
        None => conversation.turn(&args.input, &Map::new(), &answers(args)).await,
    };
    screen.close();
    let waits = match waiting(args, &workspace, &session.spec, &container, (&report, hide), key.clone()) {
        Ok(waits) => waits,
        Err(error) => return context.could_not_run(format_args!("the question cannot be kept: {error}")),
    };
    if let Err(error) = crate::session::keep_recording(&container) {
        return context.could_not_run(format_args!("the recording is lost: {error}"));
    }
    let kept = keeper.as_ref().zip(conversation.kept()).map(|(keeper, kept)| keeper.keep(&kept));
    let recording = container.tape().map(|(tape, mode)| match mode {
        Mode::Replay => format!("replayed from {}, nothing spent", tape.shown()),
        _ => format!("recorded in {}: {}", tape.shown(), report::count(tape.recorded(), "exchange")),
    });
    match context.format {
        Format::Json => {
            let mut value = json::run(&report, provider);
            if let Some(Ok(kept)) = &kept {
                value["session"] = serde_json::json!({
                    "name": kept.name, "turns": kept.turns, "messages": kept.messages, "encrypted": kept.sealed,
                });
            }
            if let Some((number, token)) = &waits {
                let operator = report.pending.as_ref().is_some_and(|pending| pending.operator);
                value["waits"] = serde_json::json!({ "number": number, "operator": operator });
                if !operator {
                    value["waits"]["token"] = token.as_str().into();
                }
            }
            json::write(&mut context.out, value);
        }
        Format::Human => {
            write((&mut context.out, &mut context.err), &report, provider, args.trace, waits.as_ref());
            if let Some(Ok(kept)) = &kept {
                let how = if kept.sealed { ", encrypted" } else { "" };
                let (turn, messages) = (kept.turns, report::count(kept.messages as usize, "message"));
                let text = format!("session {}: turn {turn}, {messages} kept{how}", harmless(&kept.name));
                context.err.line(context.err.styled(Style::Dim, text));
            }
            if let Some(recording) = recording {
                let text = format!("{recording} · {}", what_happened(&report).short());
                context.err.line(context.err.styled(Style::Dim, text));
            }
        }
    }
    if let Err(error) = recorder.flush() {
        return context.could_not_run(format_args!("the run is not written down: {error}"));
    }
    if let Some(Err(error)) = kept {
        return context.could_not_run(format_args!("the session is not kept: {error}"));
    }
    match report.outcome {
        Outcome::Completed => FINE,
        Outcome::Blocked | Outcome::NeedsConfirmation | Outcome::Budget => FINDINGS,
        Outcome::Failed => COULD_NOT_RUN,
    }
}

/// Whether this question may be answered: by whom it was asked, of the spec that it was asked of. Where not, it stands.
fn may_answer(resumed: &Resumed, spec: &aic_spec::Spec, salt: Option<&[u8; 32]>) -> Result<(), &'static str> {
    let Resumed { waiting, user, .. } = resumed;
    let is_theirs = match (&waiting.personal_user, &waiting.user) {
        (Some(digest), _) => user.as_ref().zip(salt).is_some_and(|(user, salt)| salted(salt, user) == *digest),
        (None, asked) => user.is_none() || user == asked,
    };
    if !is_theirs {
        return Err("the question is another user's: answer with the --user that asked it");
    }
    // A yes was given to what the spec was then.
    if waiting.behaviour != spec.behaviour {
        return Err("the spec has changed since it asked: ask again, or answer where it is what it was");
    }
    Ok(())
}

fn models(args: &Args) -> ModelUse {
    let reach = match (args.record, args.replay) {
        (true, _) => Reach::Record,
        (_, true) => Reach::Replay,
        _ => Reach::Live,
    };
    ModelUse { reach, cassette: args.cassette.clone(), realtime: args.realtime, purse: None }
}

/// The digest of everything that happened, times and the run's name aside: a recording and its replay have the same.
fn what_happened(run: &TurnReport) -> Digest {
    let mut digest = DigestBuilder::new("what happened");
    for event in &run.events {
        let mut kind = event.kind.clone();
        if let EventKind::RunStarted { at, .. } = &mut kind {
            *at = Timestamp::default();
        }
        digest.part("event", serde_json::to_string(&kind).unwrap_or_default());
    }
    digest.finish()
}

fn options(
    args: &Args,
    context: &Context,
    workspace: &Workspace,
    store: &Store,
    recorder: Arc<StoreRecorder>,
) -> RunOptions {
    let live = RunOptions::live(workspace.root.clone());
    let clock: Arc<dyn Clock> = match args.now {
        Some(now) => Arc::new(FrozenClock::realtime(now)),
        None => live.clock.clone(),
    };
    RunOptions {
        clock,
        environment: args.environment.clone().unwrap_or_default(),
        user: User { id: args.user.clone(), roles: args.roles.clone() },
        vars: variables(&args.vars),
        model: args.model.clone(),
        cancel: context.cancel.clone(),
        recorder,
        // What is replayed costs nothing, so it is not counted as if it did.
        counters: match args.replay {
            true => Arc::new(MemoryCounters::default()),
            false => Arc::new(StoreCounters::new(store.clone())),
        },
        run_prefix: run_prefix(),
        ..live
    }
}

/// Shows the answer as it comes.
#[derive(Default)]
struct Screen {
    /// Whether the line that was begun is still open.
    open: AtomicBool,
}

impl Sink for Screen {
    fn text(&self, text: &str) {
        self.open.store(true, Ordering::Relaxed);
        Out::stdout().text(harmless(text));
    }

    fn paragraph(&self) {
        self.close();
    }
}

impl Screen {
    fn close(&self) {
        if self.open.swap(false, Ordering::Relaxed) {
            Out::stdout().line("");
        }
    }
}

/// Writes the question down that a run ended with; gives its number and token.
fn waiting(
    args: &Args,
    workspace: &Workspace,
    spec: &RelPath,
    container: &Container,
    (report, hide): (&TurnReport, Option<[u8; 32]>),
    key: Option<Arc<SealKey>>,
) -> Result<Option<(String, String)>, String> {
    let Some(pending) = &report.pending else { return Ok(None) };
    let waiting = Waiting {
        spec: spec.clone(),
        behaviour: container.spec().behaviour,
        environment: args.environment.clone(),
        user: args.user.clone().filter(|_| hide.is_none()),
        personal_user: args.user.as_ref().zip(hide).map(|(user, salt)| salted(&salt, user)),
        roles: args.roles.clone(),
        model: args.model.clone(),
        session: args.session.clone(),
        vars: variables(&args.vars),
        until: confirmations::until(crate::workspace::now(), pending.expires),
        pending: pending.clone(),
        sealed: key.is_some(),
    };
    let key = key.map(|key| (keeping::key_name(&container.spec().context), key));
    confirmations::keep(workspace, waiting, key).map(Some)
}

fn answers(args: &Args) -> Answers {
    let yes = args.approve.iter().map(|name| (name.clone(), Answer::Approve));
    // A no is stronger than a yes to the same.
    yes.chain(args.deny.iter().map(|name| (name.clone(), Answer::Deny))).collect()
}

/// The answer goes to standard output; what is to be known about it goes beside, where no pipe takes it for the answer.
fn write(
    (out, beside): (&mut Out, &mut Out),
    run: &TurnReport,
    provider: &str,
    with_trace: bool,
    waits: Option<&(String, String)>,
) {
    let text = harmless(&run.output);
    match run.outcome {
        // It was shown as it came.
        Outcome::Completed if run.streamed => {}
        Outcome::Completed => out.line(text),
        outcome => {
            let word = out.styled(Style::Bad, format!("{outcome}:"));
            out.line(format_args!("{word} {text}"));
        }
    }
    if let (Some((number, token)), Some(pending)) = (waits, &run.pending) {
        let until = confirmations::until(crate::workspace::now(), pending.expires);
        let hint = match pending.operator {
            true => format!("an operator answers with: aic confirm approve {number} (until {until})"),
            false => {
                let asks = harmless(&pending.asks);
                format!("to go on: aic run --confirm {token} (once, until {until}), or ask with --approve {asks}")
            }
        };
        out.line(out.styled(Style::Dim, hint));
    }
    if let Some(changes) = &run.workspace {
        write_changes(out, changes);
    }
    let about = if run.usage.estimated && run.cost.pico() > 0 { "≈ " } else { "" };
    let cost = match run.unpriced.as_slice() {
        [] => format!("{about}{}", run.cost),
        names => format!("{about}{} and what `{}` costs, whose price is unknown", run.cost, names.join("`, `")),
    };
    let mut facts = vec![
        format!("{provider} model"),
        cost,
        report::duration(run.latency),
        report::count(run.calls.len(), "tool call"),
    ];
    let mut fired: BTreeMap<&str, Action> = BTreeMap::new();
    for decision in &run.decisions {
        let action = fired.entry(&decision.guardrail).or_insert(decision.action);
        *action = (*action).max(decision.action);
    }
    facts.extend(fired.iter().map(|(name, action)| format!("{} → {action}", harmless(name))));
    beside.line(beside.styled(Style::Dim, facts.join(" · ")));
    let failed = matches!(run.outcome, Outcome::Failed | Outcome::Budget);
    if with_trace || failed {
        trace::write(out, &run.events, "");
    }
}

/// What programs changed in their copy of the workspace; the differences themselves are for `--format json`.
fn write_changes(out: &mut Out, changes: &WorkspaceChanges) {
    if !changes.files.is_empty() {
        let count = report::count(changes.files.len(), "change");
        out.line(format_args!("{count} in the copy of the workspace (`--format json` shows them line by line):"));
    }
    for file in changes.files.iter().take(SHOWN_CHANGES) {
        let sign = match file.was {
            Was::Added => '+',
            Was::Changed => '~',
            Was::Removed => '-',
        };
        out.line(format_args!("  {sign} {}", harmless(&file.path)));
    }
    if let Some(more) = changes.files.len().checked_sub(SHOWN_CHANGES).filter(|more| *more > 0) {
        out.line(format_args!("  … and {more} more"));
    }
    if let Some(note) = &changes.note {
        out.line(out.styled(Style::Dim, format!("the copy of the workspace: {}", harmless(note))));
    }
}

/// The workspace's salt for personal data in the audit chain: made once, readable by its owner only.
fn salt(workspace: &Workspace) -> Result<[u8; 32], String> {
    let path = workspace.root.join(".aic/audit.salt");
    match std::fs::read(&path) {
        Ok(bytes) => <[u8; 32]>::try_from(bytes).map_err(|_| {
            format!(
                "{}: damaged. Restore it, or remove it: digests of personal data will differ from then on",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut salt = [0; 32];
            getrandom::fill(&mut salt).map_err(|error| format!("no random numbers for the audit's salt: {error}"))?;
            write_secret(&path, &salt).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(salt)
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
