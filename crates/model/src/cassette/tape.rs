//! A model on tape: what stands in a model's place to record its exchanges, to answer from them, or both.

use super::CassetteError;
use super::asked::{Asked, Key, tool_key};
use super::format::{Contents, Exchange, Happened, ToolRecord};
use super::nearest;
use super::redact::Redaction;
use crate::chat::{Request, Settings};
use crate::{Model, ModelError, Piece, Price, Session};
use aic_base::Clock;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest cassette that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// What a tape is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything is asked anew and written down.
    Record,
    /// Everything is answered from the recording; what is not there is a miss.
    Replay,
    /// What is there is answered from the recording, the rest is asked and written down.
    Renew,
}

/// A cassette in use. Shared by all conversations.
pub struct Tape {
    path: PathBuf,
    shown: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    exchanges: BTreeMap<(Key, usize), Exchange>,
    tools: BTreeMap<(Key, usize), ToolRecord>,
    /// The order in the file: older ones first, then by where they were asked.
    order: Vec<(Key, usize)>,
    tool_order: Vec<(Key, usize)>,
    /// What was recorded in this session.
    fresh: HashSet<(Key, usize)>,
    /// What was asked for in this session.
    used: HashSet<(Key, usize)>,
    /// What was taken out in this session.
    gone: HashSet<(Key, usize)>,
}

impl State {
    fn of(contents: Contents) -> Self {
        let mut state = Self::default();
        for exchange in contents.exchanges {
            let at = (exchange.key, exchange.nth);
            if state.exchanges.insert(at, exchange).is_none() {
                state.order.push(at);
            }
        }
        for tool in contents.tools {
            let at = (tool.key(), tool.nth);
            if state.tools.insert(at, tool).is_none() {
                state.tool_order.push(at);
            }
        }
        state
    }

    /// Takes what the file holds now for what it held when it was opened; what this session did to it stays done.
    fn rebase(&mut self, file: Self) {
        let mine = |at: &(Key, usize)| self.fresh.contains(at);
        let (mut exchanges, mut tools) = (file.exchanges, file.tools);
        exchanges.retain(|at, _| !self.gone.contains(at));
        tools.retain(|at, _| !self.gone.contains(at));
        exchanges.extend(std::mem::take(&mut self.exchanges).into_iter().filter(|(at, _)| mine(at)));
        tools.extend(std::mem::take(&mut self.tools).into_iter().filter(|(at, _)| mine(at)));
        (self.exchanges, self.tools) = (exchanges, tools);
        (self.order, self.tool_order) = (file.order, file.tool_order);
    }

    fn put_in_order(&mut self) {
        extend_order(&mut self.order, &self.exchanges, |exchange| exchange.within.clone());
        extend_order(&mut self.tool_order, &self.tools, |tool| tool.within.clone());
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("path", &self.shown).finish_non_exhaustive()
    }
}

impl Tape {
    /// Opens a cassette; one that is not there yet is empty. `shown` is how messages name it.
    ///
    /// # Errors
    /// [`CassetteError`], which names the line that cannot be read.
    pub fn open(path: &Path, shown: &str) -> Result<Self, CassetteError> {
        let text = read_file(path).map_err(|why| CassetteError::File { path: shown.to_owned(), why })?;
        Ok(Self { path: path.to_owned(), ..Self::read(shown, text.as_deref().unwrap_or_default())? })
    }

    /// Reads a cassette that lies nowhere: it can be replayed, and not be saved.
    ///
    /// # Errors
    /// As [`Tape::open`].
    pub fn read(shown: &str, text: &str) -> Result<Self, CassetteError> {
        let state = State::of(Contents::read(shown, text)?);
        Ok(Self { path: PathBuf::new(), shown: shown.to_owned(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.state().exchanges.is_empty()
    }

    /// How messages name it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Everything on it, in the order of the file.
    pub fn exchanges(&self) -> Vec<Exchange> {
        let mut state = self.state();
        state.put_in_order();
        state.order.iter().filter_map(|at| state.exchanges.get(at).cloned()).collect()
    }

    /// The results of tools on it, in the order of the file.
    pub fn tools(&self) -> Vec<ToolRecord> {
        let mut state = self.state();
        state.put_in_order();
        state.tool_order.iter().filter_map(|at| state.tools.get(at).cloned()).collect()
    }

    /// How many exchanges were recorded in this session.
    pub fn recorded(&self) -> usize {
        let state = self.state();
        state.fresh.iter().filter(|at| state.exchanges.contains_key(at)).count()
    }

    /// Forgets what nobody asked for in this session, and says how many exchanges and results that were.
    pub fn prune(&self) -> usize {
        let mut state = self.state();
        let state = &mut *state;
        let before = state.exchanges.len() + state.tools.len();
        let (used, fresh) = (&state.used, &state.fresh);
        let all = state.exchanges.keys().chain(state.tools.keys());
        let gone: HashSet<_> = all.filter(|at| !used.contains(at) && !fresh.contains(at)).copied().collect();
        state.exchanges.retain(|at, _| !gone.contains(at));
        state.tools.retain(|at, _| !gone.contains(at));
        state.gone.extend(gone);
        before - state.exchanges.len() - state.tools.len()
    }

    /// Writes the file, whole or not at all: what is there stays in its order, what is new follows by where it was asked.
    /// What others wrote since it was opened stays too. Where there is neither a file nor anything for it, none is made:
    /// an empty one would make every test stale.
    ///
    /// # Errors
    /// [`CassetteError`].
    pub fn save(&self) -> Result<(), CassetteError> {
        let failed = |why: String| CassetteError::File { path: self.shown.clone(), why };
        let lock = Lock::of(&self.path).map_err(|error| failed(error.to_string()))?;
        let text = read_file(&self.path).map_err(failed)?;
        let file = State::of(Contents::read(&self.shown, text.as_deref().unwrap_or_default())?);
        self.state().rebase(file);
        let contents = Contents { exchanges: self.exchanges(), tools: self.tools() };
        if text.is_none() && contents.exchanges.is_empty() && contents.tools.is_empty() {
            return Ok(());
        }
        let written = write_whole(&self.path, &contents.write());
        drop(lock);
        written.map_err(|error| failed(error.to_string()))
    }

    /// What was recorded for this question.
    fn find(&self, at: (Key, usize), only_fresh: bool) -> Option<Exchange> {
        let mut state = self.state();
        let found = state.exchanges.get(&at).filter(|_| !only_fresh || state.fresh.contains(&at)).cloned();
        if found.is_some() {
            state.used.insert(at);
        }
        found
    }

    fn keep(&self, exchange: Exchange) {
        let mut state = self.state();
        let at = (exchange.key, exchange.nth);
        state.fresh.insert(at);
        state.exchanges.insert(at, exchange);
    }

    fn miss(&self, asked: &Asked, at: (Key, usize)) -> ModelError {
        let state = self.state();
        let times = (1..at.1).rev().find(|nth| state.exchanges.contains_key(&(at.0, *nth)));
        let why = match times {
            Some(1) => "this was recorded once and is asked again".into(),
            Some(times) => format!("this was recorded {times} times and is asked again"),
            None if state.exchanges.is_empty() && !self.path.as_os_str().is_empty() && !self.path.exists() => {
                "there is no such file".into()
            }
            None => nearest::describe(asked, state.order.iter().filter_map(|at| state.exchanges.get(at))),
        };
        let message = format!("{}: nothing is recorded for this request: {why}. Record it again", self.shown);
        ModelError::Miss { message }
    }
}

/// New entries follow the old ones, by where they were asked and then in a fixed order, so that runs side by side write
/// the same file.
fn extend_order<T>(order: &mut Vec<(Key, usize)>, all: &BTreeMap<(Key, usize), T>, within: impl Fn(&T) -> String) {
    order.retain(|at| all.contains_key(at));
    let known: HashSet<(Key, usize)> = order.iter().copied().collect();
    let mut fresh: Vec<_> = all.iter().filter(|(at, _)| !known.contains(at)).collect();
    fresh.sort_by_cached_key(|(at, entry)| (within(entry), at.1, at.0));
    order.extend(fresh.into_iter().map(|(at, _)| *at));
}

/// The text of a cassette; none where there is no file. Nobody's memory ends with a file without end.
fn read_file(path: &Path) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LONGEST {
        return Err(format!("it is longer than {} MB, so it is not read", LONGEST >> 20));
    }
    String::from_utf8(text).map(Some).map_err(|_| "it is no text in UTF-8".into())
}

/// The right to write a cassette: of those who would at the same time, one after the other has it. The folder is what is
/// locked, as the file itself is replaced by each of them.
struct Lock(File);

impl Lock {
    fn of(path: &Path) -> std::io::Result<Self> {
        let folder = folder_of(path);
        std::fs::create_dir_all(folder)?;
        let file = if cfg!(unix) {
            File::open(folder)?
        } else {
            // A folder cannot be opened there.
            File::create(folder.join(".lock"))?
        };
        file.lock()?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // At once, and not only when the last copy of the file is closed: a child process may just have one.
        let _ = self.0.unlock();
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What is half written is of use to nobody.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// One conversation's use of a tape: it counts how often the same is asked.
#[derive(Clone)]
pub struct Deck {
    tape: Arc<Tape>,
    mode: Mode,
    within: Arc<str>,
    redaction: Arc<Redaction>,
    /// Whether recorded delays are waited for.
    realtime: bool,
    asked: Arc<Mutex<HashMap<Key, usize>>>,
}

impl Deck {
    /// A conversation's use of a tape. `within` names it for readers of the file.
    pub fn new(tape: Arc<Tape>, mode: Mode, within: &str, redaction: Redaction, realtime: bool) -> Self {
        Self { tape, mode, within: within.into(), redaction: Arc::new(redaction), realtime, asked: Arc::default() }
    }

    /// Whether answers come at once, however long they took when they were recorded.
    pub fn is_instant(&self) -> bool {
        self.mode == Mode::Replay && !self.realtime
    }

    /// What the tape is for.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether this question would be answered from the tape, without counting it.
    fn has(&self, key: Key) -> bool {
        let nth = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied().unwrap_or(0) + 1;
        let state = self.tape.state();
        let at = (key, nth);
        state.exchanges.contains_key(&at) && (self.mode != Mode::Record || state.fresh.contains(&at))
    }

    fn next(&self, key: Key) -> (Key, usize) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let count = asked.entry(key).or_default();
        *count += 1;
        (key, *count)
    }

    /// The recorded result of a tool that only reads; none where it has to run. The number is for [`Deck::keep_tool`].
    ///
    /// # Errors
    /// [`ModelError::Miss`] where only the recording may answer and holds nothing.
    pub fn tool(&self, tool: &str, args: &Value) -> Result<(Option<Result<Value, String>>, usize), ModelError> {
        let hidden = self.redaction.hide_all(args);
        let at = self.next(tool_key(tool, &hidden));
        let mut state = self.tape.state();
        let found = state.tools.get(&at).filter(|_| self.mode != Mode::Record || state.fresh.contains(&at)).cloned();
        match found {
            Some(record) => {
                state.used.insert(at);
                let shown = record.result.map(|value| self.redaction.show_all(&value));
                Ok((Some(shown.map_err(|why| self.redaction.show(&why))), at.1))
            }
            None if self.mode == Mode::Replay => {
                let shown = &self.tape.shown;
                let message = format!("{shown}: no result of `{tool}` is recorded for {hidden}. Record it again");
                Err(ModelError::Miss { message })
            }
            None => Ok((None, at.1)),
        }
    }

    /// Writes the result of a tool down.
    pub fn keep_tool(&self, tool: &str, args: &Value, nth: usize, result: Result<&Value, &str>) {
        let record = ToolRecord {
            within: self.redaction.hide(&self.within),
            nth,
            tool: tool.to_owned(),
            args: self.redaction.hide_all(args),
            result: result.map(|value| self.redaction.hide_all(value)).map_err(|why| self.redaction.hide(why)),
        };
        let mut state = self.tape.state();
        let at = (record.key(), nth);
        state.fresh.insert(at);
        state.tools.insert(at, record);
    }
}

/// A model on tape.
#[derive(Clone)]
pub struct TapeModel {
    model: Arc<dyn Model>,
    deck: Deck,
}

impl fmt::Debug for TapeModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapeModel").field("model", &self.model).field("mode", &self.deck.mode).finish_non_exhaustive()
    }
}

impl TapeModel {
    /// Puts a tape before a model.
    pub fn new(model: Arc<dyn Model>, deck: Deck) -> Self {
        Self { model, deck }
    }
}

impl Model for TapeModel {
    fn provider(&self) -> &'static str {
        self.model.provider()
    }

    fn name(&self) -> &str {
        self.model.name()
    }

    fn is_real(&self) -> bool {
        self.deck.mode != Mode::Replay && self.model.is_real()
    }

    fn place(&self) -> String {
        self.model.place()
    }

    fn unsent(&self, settings: &Settings) -> Vec<&'static str> {
        self.model.unsent(settings)
    }

    fn price(&self) -> Option<Price> {
        self.model.price()
    }

    fn may_charge(&self) -> bool {
        self.model.may_charge()
    }

    fn session(&self, clock: Arc<dyn Clock>) -> Box<dyn Session> {
        Box::new(TapeSession { inner: self.model.session(clock), tape: self.clone() })
    }
}

struct TapeSession {
    inner: Box<dyn Session>,
    tape: TapeModel,
}

impl Session for TapeSession {
    fn is_recorded(&self, request: &Request) -> bool {
        let (deck, model) = (&self.tape.deck, &self.tape.model);
        deck.mode == Mode::Replay || deck.has(Asked::of(model.provider(), model.name(), request, &deck.redaction).key())
    }

    fn answer<'a>(&'a mut self, request: &'a Request) -> BoxStream<'a, Result<Piece, ModelError>> {
        let (deck, model) = (&self.tape.deck, &self.tape.model);
        let asked = Asked::of(model.provider(), model.name(), request, &deck.redaction);
        let at = deck.next(asked.key());
        match deck.tape.find(at, deck.mode == Mode::Record) {
            Some(exchange) => replay(exchange, deck.clone()),
            None if deck.mode == Mode::Replay => {
                stream::once(std::future::ready(Err(deck.tape.miss(&asked, at)))).boxed()
            }
            None => {
                let kept = Kept { deck: deck.clone(), asked: Some(asked), at, began: Instant::now(), came: Vec::new() };
                record(self.inner.answer(request), kept)
            }
        }
    }
}

fn replay(exchange: Exchange, deck: Deck) -> BoxStream<'static, Happened> {
    let began = tokio::time::Instant::now();
    stream::iter(exchange.happened)
        .then(move |(at, happened)| {
            let (redaction, realtime) = (deck.redaction.clone(), deck.realtime);
            async move {
                if realtime {
                    tokio::time::sleep_until(began + at).await;
                }
                shown(happened, &redaction)
            }
        })
        .boxed()
}

fn shown(happened: Happened, redaction: &Redaction) -> Happened {
    match happened {
        Ok(Piece::Text(text)) => Ok(Piece::Text(redaction.show(&text))),
        Ok(Piece::ToolCall(mut call)) => {
            call.args = redaction.show_all(&call.args);
            Ok(Piece::ToolCall(call))
        }
        other => other,
    }
}

fn record<'a>(answer: BoxStream<'a, Happened>, kept: Kept) -> BoxStream<'a, Happened> {
    stream::unfold((answer, kept), |(mut answer, mut kept)| async move {
        match answer.next().await {
            Some(happened) => {
                kept.came.push((kept.began.elapsed(), happened.clone()));
                Some((happened, (answer, kept)))
            }
            None => {
                kept.write();
                None
            }
        }
    })
    .boxed()
}

/// What is being recorded. An answer that nobody waited for until its end is not written: half of it would be replayed as
/// the whole.
struct Kept {
    deck: Deck,
    asked: Option<Asked>,
    at: (Key, usize),
    began: Instant,
    came: Vec<(Duration, Happened)>,
}

impl Kept {
    fn write(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        // A wrong set-up was never asked anything.
        if self.came.iter().any(|(_, happened)| happened.as_ref().is_err_and(ModelError::is_set_up)) {
            return;
        }
        let happened = hidden(std::mem::take(&mut self.came), &self.deck.redaction);
        let (key, nth) = self.at;
        let within = self.deck.redaction.hide(&self.deck.within);
        self.deck.tape.keep(Exchange { key, nth, within, asked, happened });
    }
}

/// Everything that came, redacted. A text that hides something across the places where it was cut becomes one piece.
fn hidden(came: Vec<(Duration, Happened)>, redaction: &Redaction) -> Vec<(Duration, Happened)> {
    let whole: String = came.iter().filter_map(|(_, happened)| text_of(happened)).collect();
    let in_pieces: String =
        came.iter().filter_map(|(_, happened)| text_of(happened)).map(|t| redaction.hide(t)).collect();
    let hidden_whole = redaction.hide(&whole);
    let one_piece = hidden_whole != in_pieces;
    let mut whole = Some(hidden_whole);
    came.into_iter()
        .filter_map(|(at, happened)| {
            let happened = match happened {
                Ok(Piece::Text(_)) if one_piece => Ok(Piece::Text(whole.take()?)),
                Ok(Piece::Text(text)) => Ok(Piece::Text(redaction.hide(&text))),
                Ok(Piece::ToolCall(mut call)) => {
                    call.args = redaction.hide_all(&call.args);
                    Ok(Piece::ToolCall(call))
                }
                Err(error) => Err(hidden_error(error, redaction)),
                end => end,
            };
            Some((at, happened))
        })
        .collect()
}

fn text_of(happened: &Happened) -> Option<&str> {
    if let Ok(Piece::Text(text)) = happened { Some(text) } else { None }
}

fn hidden_error(error: ModelError, redaction: &Redaction) -> ModelError {
    match error {
        ModelError::Status { status, message, again } => {
            ModelError::Status { status, message: redaction.hide(&message), again }
        }
        ModelError::Stream { message, passing } => ModelError::Stream { message: redaction.hide(&message), passing },
        ModelError::Protocol { message } => ModelError::Protocol { message: redaction.hide(&message) },
        other => other,
    }
}
