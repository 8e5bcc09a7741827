//! Questions that wait for a person, in `.aic/confirmations`: one file a question, readable by its owner only.
//!
//! Whoever asked gets a token; here stands only its digest. An answer takes the file away before anything runs, so that a
//! token is good once, whoever tries at the same time.

use crate::workspace::Workspace;
use aic_base::{Digest, DigestBuilder, RelPath, Timestamp};
use aic_engine::Pending;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::{Path, PathBuf};
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

/// Writes a question down; gives its number and the token that answers it.
pub(crate) fn keep(workspace: &Workspace, waiting: &Waiting) -> Result<(String, String), String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("no random numbers for a token: {error}"))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let (name, folder) = (name_of(&token), folder(workspace));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let text = serde_json::to_vec(waiting).map_err(|error| error.to_string())?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let draft = folder.join(format!("{name}.new"));
    options.open(&draft).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all())).map_err(failed)?;
    std::fs::rename(&draft, folder.join(format!("{name}.json"))).map_err(failed)?;
    Ok((name, token))
}

/// Takes the question of a user's token away, to be answered once.
pub(crate) fn take(workspace: &Workspace, token: &str, now: Timestamp) -> Result<Waiting, NotAnswered> {
    let file = folder(workspace).join(format!("{}.json", name_of(token)));
    // Looked at before it is taken: a user's token does not use up what an operator is asked.
    if read(&file)?.pending.operator {
        return Err(NotAnswered::Operator);
    }
    take_file(&file, now)
}

/// Takes a question away by its number: an operator's right, who can read the folder.
pub(crate) fn take_number(workspace: &Workspace, number: &str, now: Timestamp) -> Result<Waiting, NotAnswered> {
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NotAnswered::Unknown);
    }
    take_file(&folder(workspace).join(format!("{number}.json")), now)
}

fn take_file(file: &Path, now: Timestamp) -> Result<Waiting, NotAnswered> {
    let taken = file.with_extension("taken");
    // Whoever renames it has it; everybody else finds nothing.
    std::fs::rename(file, &taken).map_err(gone)?;
    let waiting = read(&taken);
    std::fs::remove_file(&taken).map_err(gone)?;
    let waiting = waiting?;
    if waiting.until < now {
        return Err(NotAnswered::Over(waiting.until.to_string()));
    }
    Ok(waiting)
}

fn gone(error: std::io::Error) -> NotAnswered {
    match error.kind() {
        std::io::ErrorKind::NotFound => NotAnswered::Unknown,
        _ => NotAnswered::File(error.to_string()),
    }
}

fn read(file: &Path) -> Result<Waiting, NotAnswered> {
    let bytes = std::fs::read(file).map_err(gone)?;
    serde_json::from_slice(&bytes).map_err(|error| NotAnswered::File(format!("{}: {error}", file.display())))
}

/// Every question that still stands, with its number; those whose time is over are removed.
pub(crate) fn all(workspace: &Workspace, now: Timestamp) -> Vec<(String, Waiting)> {
    let files = std::fs::read_dir(folder(workspace)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all = Vec::new();
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let Ok(waiting) = read(&file) else { continue };
        if waiting.until < now {
            // What was said is not kept longer than the question stands.
            drop(std::fs::remove_file(&file));
        } else if let Some(name) = file.file_stem().and_then(|name| name.to_str()) {
            all.push((name.to_owned(), waiting));
        }
    }
    all.sort_by(|a, b| (a.1.until, &a.0).cmp(&(b.1.until, &b.0)));
    all
}

/// When a question that is asked now ends.
pub(crate) fn until(now: Timestamp, stands: Duration) -> Timestamp {
    let millis = i64::try_from(stands.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_add(millis))
}
