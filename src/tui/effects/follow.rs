//! Finding the specs and following their files: what is made, moved, changed or deleted is seen by itself, and while
//! nothing happens nothing wakes.

use super::{Known, Open, lock, work};
use crate::host::script_host;
use crate::session::Session;
use crate::tui::Settings;
use crate::tui::config::{self, Config};
use crate::tui::memory::{self, Memory};
use crate::tui::message::{LoadedSpec, Msg, Opened};
use crate::tui::state::Runner;
use crate::watch::{self, Files, LONGEST_BURST, MOST_ROUNDS, QUIET, ROLLBACK_POLL};
use crate::workspace::Workspace;
use aic_base::RelPath;
use aic_spec::Loaded;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// Finds the workspace and its specs, then follows its files until the end.
pub(super) async fn open(
    settings: Settings,
    cell: Arc<OnceLock<Arc<Open>>>,
    messages: mpsc::Sender<Msg>,
    cancel: CancellationToken,
) {
    let found = tokio::task::spawn_blocking(move || find(settings)).await;
    let (open, opened) = match found {
        Ok(Ok(found)) => found,
        Ok(Err(why)) => return drop(messages.send(Msg::Opened(Err(why))).await),
        Err(error) => return drop(messages.send(Msg::Opened(Err(error.to_string()))).await),
    };
    let open = Arc::new(open);
    let _ = cell.set(open.clone());
    let _ = messages.send(Msg::Opened(Ok(opened))).await;
    tokio::select! {
        () = cancel.cancelled() => {}
        () = follow(open, messages) => {}
    }
}

fn find(settings: Settings) -> Result<(Open, Opened), String> {
    let workspace = Workspace::of(&settings.path).map_err(|error| error.to_string())?;
    let full = settings.path.canonicalize().map_err(|error| format!("{}: {error}", settings.path.display()))?;
    let folder = RelPath::below(&workspace.root, &full).map_err(|error| error.to_string())?;
    let specs = workspace.specs_below(&folder).specs;
    let shown = specs.iter().map(|spec| (spec.clone(), workspace.shown(spec))).collect();
    let open = Open {
        workspace,
        settings,
        folder,
        store: OnceLock::new(),
        host: script_host(),
        specs: Mutex::new(specs.iter().map(|spec| (spec.clone(), Known::default())).collect()),
        lease: Mutex::default(),
        look: Notify::new(),
        asked: Default::default(),
    };
    let opened = if specs.is_empty() { None } else { open.open_store() };
    let (runner, mut troubles) = opened.unwrap_or((Runner::Mine, Vec::new()));
    let remembered = memory::file(&open.workspace.root).map(|file| memory::read(&file));
    let memory = remembered.unwrap_or_else(|| Ok(Memory::default())).unwrap_or_else(|why| {
        troubles.push(why);
        Memory::default()
    });
    Ok((open, Opened { specs: shown, runner, troubles, memory }))
}

/// Reads the configuration and tells of it.
pub(super) fn read_config(messages: &mpsc::Sender<Msg>) {
    let config = Config::read(config::folder().as_deref());
    let _ = messages.blocking_send(Msg::Config(Box::new(config)));
}

/// Reads the configuration again whenever something in its folders is saved. Where there are none, or the system does not
/// report it, a command reads it.
pub(super) async fn config(messages: mpsc::Sender<Msg>) {
    let Some(folder) = config::folder() else { return };
    let (sender, mut changes) = mpsc::channel::<()>(1);
    let watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        let toml = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "toml");
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(toml)) {
            let _ = sender.try_send(());
        }
    });
    let Ok(mut watcher) = watcher else { return };
    for folder in [folder.join("themes"), folder] {
        let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
    }
    while changes.recv().await.is_some() {
        while tokio::time::timeout(QUIET, changes.recv()).await.is_ok_and(|change| change.is_some()) {}
        let messages = messages.clone();
        if tokio::task::spawn_blocking(move || read_config(&messages)).await.is_err() {
            return;
        }
    }
}

/// Looks at the files whenever the system or somebody says that they changed.
async fn follow(open: Arc<Open>, messages: mpsc::Sender<Msg>) {
    let mut files = match Files::new(&open.workspace.root) {
        Ok(files) => Some(files),
        Err(error) => {
            let text = format!("changes of files are not seen by themselves: {error}");
            let _ = messages.send(Msg::Trouble(text)).await;
            None
        }
    };
    let mut of_store: Option<RecommendedWatcher> = None;
    let mut first = true;
    loop {
        let changed = async {
            match &mut files {
                Some(files) => files.changed().await.is_some(),
                None => std::future::pending().await,
            }
        };
        let (alive, asked) = tokio::select! {
            () = open.look.notified() => (true, true),
            alive = changed => (alive, false),
        };
        if !alive {
            files = None;
        }
        if let Some(files) = &mut files {
            settle(&open, files).await;
        }
        // Before it is read, so that nothing that another process writes from now on is missed.
        if of_store.is_none() {
            of_store = work::watch_store(&open, &messages);
        }
        // The specs that were found at the start are loaded before anything else is looked for.
        let names = !first && (files.as_ref().is_some_and(Files::take_names) || asked);
        let (again, sender, given) = (open.clone(), messages.clone(), files.take());
        let looked = tokio::task::spawn_blocking(move || {
            let mut files = given;
            if names {
                names_changed(&again, &mut files, &sender);
            }
            look_and_follow(&again, &mut files, &sender, names);
            if first {
                // By now the specs are on the screen.
                names_changed(&again, &mut files, &sender);
                look_and_follow(&again, &mut files, &sender, true);
            }
            files
        });
        match looked.await {
            Ok(back) => files = back,
            Err(_) => {
                let text = "looking at the files failed, and they are not followed any more: please report it";
                let _ = messages.send(Msg::Trouble(text.into())).await;
            }
        }
        // Where the store is there only now, what others wrote into it meanwhile is looked for once more.
        if of_store.is_none() {
            of_store = work::watch_store(&open, &messages);
            if of_store.is_some() {
                open.look.notify_one();
            }
        }
        first = false;
    }
}

/// Looks, and follows the files that the specs name now: once more where a folder was not watched before, as what is in
/// it may have changed in between.
fn look_and_follow(open: &Open, files: &mut Option<Files>, messages: &mpsc::Sender<Msg>, all: bool) {
    look(open, messages, all);
    let Some(files) = files else { return };
    for _ in 0..MOST_ROUNDS {
        let named: Vec<Arc<Loaded>> = lock(&open.specs).values().filter_map(|known| known.loaded.clone()).collect();
        if !files.follow_paths(named.iter().flat_map(|loaded| Session::watched(loaded))) {
            break;
        }
        look(open, messages, false);
    }
}

/// Waits until a burst of events is over, and until no rollback is replacing files.
async fn settle(open: &Open, files: &mut Files) {
    let until = Instant::now() + LONGEST_BURST;
    while Instant::now() < until && tokio::time::timeout(QUIET, files.changed()).await.is_ok_and(|at| at.is_some()) {}
    let Some(store) = open.store() else { return };
    while store.pending_operation().is_ok_and(|pending| pending.is_some()) {
        tokio::time::sleep(ROLLBACK_POLL).await;
    }
}

/// Looks for specs again, and follows the folders in which there could be more.
fn names_changed(open: &Open, files: &mut Option<Files>, messages: &mpsc::Sender<Msg>) {
    let mut found = open.workspace.specs_below(&open.folder);
    for _ in 0..MOST_ROUNDS {
        let Some(files) = files else { break };
        match files.search(found.folders.iter()) {
            // What was made in a new folder before it was watched is seen by looking again.
            Ok(true) => found = open.workspace.specs_below(&open.folder),
            Ok(false) => break,
            Err(error) => {
                let text = format!("new specs are not seen by themselves everywhere: {error}");
                let _ = messages.blocking_send(Msg::Trouble(text));
                break;
            }
        }
    }
    if found.cut {
        let text =
            "more than 100,000 names below this folder: some specs may be missing; .aicignore leaves folders out";
        let _ = messages.blocking_send(Msg::Trouble(text.into()));
    }
    let is_same = lock(&open.specs).keys().eq(found.specs.iter());
    if is_same {
        return;
    }
    // Before the first spec there was no need for a store.
    if let Some((runner, troubles)) = open.open_store() {
        let _ = messages.blocking_send(Msg::Runner(runner));
        troubles.into_iter().for_each(|text| drop(messages.blocking_send(Msg::Trouble(text))));
    }
    take(&mut lock(&open.specs), &found.specs);
    let shown = found.specs.into_iter().map(|spec| (spec.clone(), open.workspace.shown(&spec))).collect();
    let _ = messages.blocking_send(Msg::Specs(shown));
}

fn take(known: &mut BTreeMap<RelPath, Known>, specs: &BTreeSet<RelPath>) {
    known.retain(|spec, _| specs.contains(spec));
    for spec in specs {
        known.entry(spec.clone()).or_default();
    }
}

/// Tells of the specs that are not what they were. With `all`, files may have come that a spec did not name before:
/// each is loaded anew.
fn look(open: &Open, messages: &mpsc::Sender<Msg>, all: bool) {
    take_lease(open, messages);
    let follows = open.store().is_some() && lock(&open.lease).is_none();
    let specs: Vec<(RelPath, Known)> =
        lock(&open.specs).iter().map(|(spec, known)| (spec.clone(), known.clone())).collect();
    for (spec, Known { loaded: before, seen }) in specs {
        let untouched = before
            .as_ref()
            .filter(|before| !all && watch::difference(&seen, &watch::on_disk(&open.workspace, before)).is_empty());
        let (loaded, same) = match untouched {
            Some(before) => (before.clone(), true),
            None => {
                let loaded = Arc::new(open.load(&spec));
                let now = watch::state(&open.workspace, &loaded);
                let same = before.is_some() && watch::difference(&seen, &now).is_empty();
                if let Some(known) = lock(&open.specs).get_mut(&spec).filter(|_| !same) {
                    *known = Known { loaded: Some(loaded.clone()), seen: Arc::new(now) };
                }
                (loaded, same)
            }
        };
        if same && !follows {
            continue;
        }
        let known = if follows {
            open.session(&spec).known(&loaded, &open.options(CancellationToken::new()))
        } else {
            Vec::new()
        };
        let tests = work::tests(&loaded);
        let new = LoadedSpec { spec, loaded, tests, known };
        if messages.blocking_send(Msg::Loaded(Box::new(new))).is_err() {
            return;
        }
    }
}

/// Whoever follows takes over when the process that ran the tests is gone.
fn take_lease(open: &Open, messages: &mpsc::Sender<Msg>) {
    let Some(store) = open.store() else { return };
    let mut lease = lock(&open.lease);
    if lease.is_some() {
        return;
    }
    if let Ok(Some(taken)) = store.try_lease() {
        *lease = Some(taken);
        let _ = messages.blocking_send(Msg::Runner(Runner::Mine));
    }
}
