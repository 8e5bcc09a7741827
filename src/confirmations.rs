//! Questions that wait for a person, in `.aic/confirmations`: one file a question, readable by its owner only.
//!
//! Whoever asked gets a token; here stands only its digest. An answer takes the file away before anything runs, so that a
//! token is good once, whoever tries at the same time; one that cannot be given (another user's, to a spec that has changed)
//! leaves it where it is. Where the spec's sessions are encrypted, so is what was said here.

use crate::keeping::{self, KeySeal};
use crate::workspace::Workspace;
use aic_base::{Digest, DigestBuilder, RelPath, Timestamp};
use aic_engine::{Pending, Seal as _};
use aic_model::KeySource;
use aic_store::SealKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A question that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// The spec.
    pub spec: RelPath,
    /// What the spec was when it asked.
    pub behaviour: Digest,
    /// Where it ran.
    pub environment: Option<String>,
    /// Who asked it; not where the spec calls that personal.
    pub user: Option<String>,
    /// Where it is personal, its salted digest: whoever goes on has to say who it is.
    pub personal_user: Option<String>,
    /// The asker's roles.
    pub roles: Vec<String>,
    /// The named model.
    pub model: Option<String>,
    /// The session that it belongs to.
    #[serde(default)]
    pub session: Option<String>,
    /// The caller's variables.
    pub vars: Map<String, Value>,
    /// Until when it stands.
    pub until: Timestamp,
    /// What it was doing.
    pub pending: Pending,
    /// Whether it lay here encrypted.
    #[serde(skip)]
    pub sealed: bool,
}

/// A question as its file has it.
#[derive(Serialize, Deserialize)]
struct Written {
    spec: RelPath,
    until: Timestamp,
    operator: bool,
    said: Said,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Open(Box<Waiting>),
    /// Under the key of this name.
    Sealed {
        key: String,
        text: String,
    },
}

/// A question that stands.
pub(crate) struct Standing {
    /// Its number.
    pub number: String,
    /// The spec.
    pub spec: RelPath,
    /// Until when.
    pub until: Timestamp,
    /// Whether an operator answers.
    pub operator: bool,
    /// What was said, or why it cannot be read.
    pub waiting: Result<Waiting, NotAnswered>,
}

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAnswered {
    /// Nothing waits under this token or number.
    #[error("nothing waits for this: it was answered already, or its time was over. Ask again")]
    Unknown,
    /// Too late.
    #[error("the question stood until {0}: ask again")]
    Over(String),
    /// A user's token for an operator's question.
    #[error("only an operator answers this, with `aic confirm`")]
    Operator,
    /// The file cannot be read or taken away.
    #[error("{0}")]
    File(String),
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join(".aic/confirmations")
}

fn name_of(token: &str) -> String {
    let digest = DigestBuilder::new("confirmation").part("token", token).finish().to_string();
    digest.get(..16).unwrap_or(&digest).to_owned()
}

/// Writes a question down, encrypted where there is a key with its name; gives its number and the token that answers it.
pub(crate) fn keep(
    workspace: &Workspace,
    waiting: Waiting,
    key: Option<(&str, Arc<SealKey>)>,
) -> Result<(String, String), String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("no random numbers for a token: {error}"))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let (name, folder) = (name_of(&token), folder(workspace));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let (spec, until, operator) = (waiting.spec.clone(), waiting.until, waiting.pending.operator);
    let said = match key {
        None => Said::Open(Box::new(waiting)),
        Some((key, seal)) => {
            let text = serde_json::to_string(&waiting).map_err(|error| error.to_string())?;
            Said::Sealed { key: key.to_owned(), text: KeySeal(seal).seal(&place(&name), &text)? }
        }
    };
    let written = Written { spec, until, operator, said };
    let text = serde_json::to_vec(&written).map_err(|error| error.to_string())?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let draft = folder.join(format!("{name}.new"));
    options.open(&draft).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all())).map_err(failed)?;
    std::fs::rename(&draft, folder.join(format!("{name}.json"))).map_err(failed)?;
    Ok((name, token))
}

/// What a sealed question is bound to.
fn place(number: &str) -> String {
    format!("confirmation {number}")
}

/// The question of a user's token and its number. It still stands: [`claim`] takes it.
pub(crate) fn of_token(
    workspace: &Workspace,
    token: &str,
    keys: &dyn KeySource,
    now: Timestamp,
) -> Result<(String, Waiting), NotAnswered> {
    let number = name_of(token);
    // A user's token does not use up what an operator is asked.
    if read(&folder(workspace).join(format!("{number}.json")))?.operator {
        return Err(NotAnswered::Operator);
    }
    let waiting = of_number(workspace, &number, keys, now)?;
    Ok((number, waiting))
}

/// A question by its number: an operator's right, who can read the folder. It still stands: [`claim`] takes it.
pub(crate) fn of_number(
    workspace: &Workspace,
    number: &str,
    keys: &dyn KeySource,
    now: Timestamp,
) -> Result<Waiting, NotAnswered> {
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NotAnswered::Unknown);
    }
    let written = read(&folder(workspace).join(format!("{number}.json")))?;
    if written.until < now {
        // What was said is not kept longer than the question stands.
        claim(workspace, number)?;
        return Err(NotAnswered::Over(written.until.to_string()));
    }
    written.open(number, keys)
}

/// Takes a question away, to be answered once, by whoever comes first.
pub(crate) fn claim(workspace: &Workspace, number: &str) -> Result<(), NotAnswered> {
    let file = folder(workspace).join(format!("{number}.json"));
    let taken = file.with_extension("taken");
    // Whoever renames it has it; everybody else finds nothing.
    std::fs::rename(&file, &taken).map_err(gone)?;
    std::fs::remove_file(&taken).map_err(gone)
}

fn gone(error: std::io::Error) -> NotAnswered {
    match error.kind() {
        std::io::ErrorKind::NotFound => NotAnswered::Unknown,
        _ => NotAnswered::File(error.to_string()),
    }
}

impl Written {
    fn open(self, number: &str, keys: &dyn KeySource) -> Result<Waiting, NotAnswered> {
        let file = |why: String| NotAnswered::File(format!("question {number}: {why}"));
        match self.said {
            Said::Open(waiting) => Ok(*waiting),
            Said::Sealed { key, text } => {
                let key = keeping::read_key(&key, keys).map_err(file)?;
                let text = KeySeal(key).open(&place(number), &text).map_err(file)?;
                let waiting = serde_json::from_str(&text).map_err(|error| file(error.to_string()))?;
                Ok(Waiting { sealed: true, ..waiting })
            }
        }
    }
}

fn read(file: &Path) -> Result<Written, NotAnswered> {
    let bytes = std::fs::read(file).map_err(gone)?;
    serde_json::from_slice(&bytes).map_err(|error| NotAnswered::File(format!("{}: {error}", file.display())))
}

/// Every question that still stands; those whose time is over are removed.
pub(crate) fn all(workspace: &Workspace, keys: &dyn KeySource, now: Timestamp) -> Vec<Standing> {
    let files = std::fs::read_dir(folder(workspace)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let Ok(written) = read(&file) else { continue };
        if written.until < now {
            // What was said is not kept longer than the question stands.
            drop(std::fs::remove_file(&file));
        } else if let Some(number) = file.file_stem().and_then(|name| name.to_str()) {
            let Written { spec, until, operator, .. } = &written;
            let (number, spec, until, operator) = (number.to_owned(), spec.clone(), *until, *operator);
            let waiting = written.open(&number, keys);
            all.push(Standing { number, spec, until, operator, waiting });
        }
    }
    all.sort_by(|a, b| (a.until, &a.number).cmp(&(b.until, &b.number)));
    all
}

/// When a question that is asked now ends.
pub(crate) fn until(now: Timestamp, stands: Duration) -> Timestamp {
    let millis = i64::try_from(stands.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_add(millis))
}
