//! `aic session`: conversations that were kept: what there is, what was said, forgetting it, and another key for it.

use super::{Context, FINE, Format};
use crate::keeping::{self, USUAL_KEY};
use crate::output::{Style, harmless};
use crate::report::{count, json};
use crate::workspace::{Target, Workspace, now};
use aic_base::RelPath;
use aic_engine::Kept;
use aic_model::{Role, SystemKeys};
use aic_spec::Spec;
use aic_store::{SessionRecord, Store};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// The spec, or its folder
    #[arg(long, short, default_value = ".", global = true)]
    spec: PathBuf,
    /// How to speak
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show the sessions of a spec
    List,
    /// Show what was said in one
    Show {
        /// Its name
        name: String,
    },
    /// Erase one
    Rm {
        /// Its name
        name: String,
    },
    /// Encrypt what was kept before the spec wanted it encrypted: sessions and memory
    Seal {
        /// Erase it instead
        #[arg(long)]
        erase: bool,
    },
    /// Encrypt with a new key what an old one opens: sessions, memory, and what was said in runs
    Rotate {
        /// The NAME of the old key, in the environment or the keyring
        #[arg(long, value_name = "NAME")]
        from: String,
        /// The NAME of the new one; the spec's where absent
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
    },
}

struct Place {
    workspace: Workspace,
    path: RelPath,
    spec: Arc<Spec>,
    store: Store,
}

impl Place {
    /// The index of the spec's memory.
    fn index(&self) -> &str {
        self.spec.context.memory.index.as_deref().unwrap_or(&self.spec.name)
    }
}

pub fn run(args: &Args, context: &mut Context) -> u8 {
    let (workspace, path) = match Target::one(&args.spec) {
        Ok(target) => target,
        Err(error) => return context.could_not_run(error),
    };
    let Some(spec) = workspace.load(&path, None).spec else {
        return context
            .could_not_run(format_args!("{}: the spec has errors: `aic check` shows them", workspace.shown(&path)));
    };
    let store = match context.store(&workspace) {
        Ok(store) => store,
        Err(error) => return context.could_not_run(error),
    };
    if let Err(error) = keeping::expire(&store) {
        return context.could_not_run(error);
    }
    let place = Place { workspace, path, spec, store };
    let done = match &args.command {
        Command::List => list(context, &place),
        Command::Show { name } => show(context, &place, name),
        Command::Rm { name } => remove(context, &place, name),
        Command::Seal { erase } => seal(context, &place, *erase),
        Command::Rotate { from, to } => rotate(context, &place, from, to.as_deref()),
    };
    match done {
        Ok(()) => FINE,
        Err(why) => context.could_not_run(why),
    }
}

fn as_json(record: &SessionRecord) -> Value {
    json!({
        "name": record.name, "began": record.began, "last": record.last, "turns": record.turns,
        "messages": record.messages, "keep_until": record.keep_until, "encrypted": record.sealed,
    })
}

fn list(context: &mut Context, place: &Place) -> Result<(), String> {
    let all = place.store.sessions(Some(&place.path)).map_err(|error| error.to_string())?;
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "sessions": all.iter().map(as_json).collect::<Vec<_>>() }));
        return Ok(());
    }
    for record in &all {
        let how = if record.sealed { "encrypted" } else { "not encrypted" };
        let until = record.keep_until.map(|until| format!(", kept until {until}")).unwrap_or_default();
        let (turns, messages) = (count(record.turns as usize, "turn"), count(record.messages as usize, "message"));
        let facts = format!("{turns}, {messages}, last {}, {how}{until}", record.last);
        context.out.line(format_args!("{}  {}", harmless(&record.name), context.out.styled(Style::Dim, facts)));
    }
    if all.is_empty() {
        let text =
            format!("{} has no sessions: `aic run --session NAME` begins one", place.workspace.shown(&place.path));
        context.out.line(context.out.styled(Style::Dim, text));
    }
    Ok(())
}

fn find(place: &Place, name: &str) -> Result<SessionRecord, String> {
    let found = place.store.session(&place.path, name).map_err(|error| error.to_string())?;
    found.ok_or_else(|| format!("there is no session `{}`: `aic session list` shows those there are", harmless(name)))
}

fn show(context: &mut Context, place: &Place, name: &str) -> Result<(), String> {
    let record = find(place, name)?;
    let key = keeping::key(&place.spec.context, &SystemKeys)?;
    let Kept { messages, .. } = keeping::opened(&record, key.as_deref())?;
    if context.format == Format::Json {
        let mut shown = as_json(&record);
        shown["said"] = serde_json::to_value(&messages).unwrap_or(Value::Null);
        json::write(&mut context.out, shown);
        return Ok(());
    }
    for message in &messages {
        let who = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let mut text = harmless(&message.text);
        for call in &message.tool_calls {
            text.push_str(&format!(" [{} {}]", harmless(&call.name), harmless(&call.args.to_string())));
        }
        context.out.line(format_args!("{} {}", context.out.styled(Style::Dim, format!("{who}:")), text.trim()));
    }
    Ok(())
}

fn remove(context: &mut Context, place: &Place, name: &str) -> Result<(), String> {
    find(place, name)?;
    place.store.remove_session(&place.path, name).map_err(|error| error.to_string())?;
    // What it remembered under its own name goes with it; what belongs to a user stays the user's.
    let forgotten = place.store.forget(place.index(), &format!("session {name}")).map_err(|error| error.to_string())?;
    let also = if forgotten > 0 { format!(", and {} with it", memories(forgotten)) } else { String::new() };
    context.out.line(format_args!("{} is erased{also}", harmless(name)));
    Ok(())
}

fn memories(number: usize) -> String {
    if number == 1 { "1 memory".into() } else { format!("{number} memories") }
}

fn seal(context: &mut Context, place: &Place, erase: bool) -> Result<(), String> {
    let key = keeping::key(&place.spec.context, &SystemKeys)?;
    let key = key.ok_or("the spec does not want what it keeps encrypted (`context.persistence`)")?;
    let all = place.store.sessions(Some(&place.path)).map_err(|error| error.to_string())?;
    let done = place.store.seal_open(&place.path, place.index(), (!erase).then_some(key));
    let done = done.map_err(|error| error.to_string())?;
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "sessions": done.sessions, "memories": done.memories, "erased": erase }));
        return Ok(());
    }
    let how = if erase { "erased" } else { "encrypted" };
    for record in all.iter().filter(|record| !record.sealed) {
        let last = context.out.styled(Style::Dim, format!("last {}", record.last));
        context.out.line(format_args!("{}  {last}", harmless(&record.name)));
    }
    let (sessions, remembered) = (count(done.sessions, "session"), memories(done.memories));
    context.out.line(format_args!("{sessions} and {remembered} {how}"));
    Ok(())
}

fn rotate(context: &mut Context, place: &Place, from: &str, to: Option<&str>) -> Result<(), String> {
    let to = to.or(place.spec.context.persistence.key_env.as_deref()).unwrap_or(USUAL_KEY);
    if from == to {
        return Err(format!("`{from}` is both the old and the new key: put the old one under another name first"));
    }
    let (old, new) = (keeping::read_key(from, &SystemKeys)?, keeping::read_key(to, &SystemKeys)?);
    let changed = place.store.change_key(old, new).map_err(|error| error.to_string())?;
    if context.format == Format::Json {
        json::write(&mut context.out, json!({ "changed": changed.changed, "others": changed.others, "at": now() }));
        return Ok(());
    }
    context.out.line(format_args!("{} encrypted with {to}", count(changed.changed, "text")));
    if changed.others > 0 {
        let text = format!("{} of other keys left as they are", count(changed.others, "text"));
        context.out.line(context.out.styled(Style::Dim, text));
    }
    Ok(())
}
