//! What a conversation's programs left in the workspace: the changes in its copy for the outcome, and a look around in it
//! for a test's expectations.

use super::rooms::{Ground, Rooms, Started};
use crate::report::{FileChange, Was, WorkspaceChanges};
use crate::scripts::on_thread;
use aic_base::RelPath;
use aic_model::Scrub;
use aic_sandbox::runtime::{Change, Exit, MOST_CHANGES, Side};
use aic_sandbox::{Cancel, Machine};
use aic_spec::{Room, WorkspaceMode};
use similar::TextDiff;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most bytes of a file that an expectation looks at.
const MOST_OF_FILE: u64 = 16 << 20;
/// How long one file's differences are looked for exactly; then they are found more coarsely.
const EXACTLY: Duration = Duration::from_millis(100);

/// The workspace as a conversation's programs see it.
#[derive(Debug)]
pub struct Workshop {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) ground: Ground,
    pub(crate) machine: Option<Arc<Machine>>,
    pub(crate) cancel: CancellationToken,
}

/// How a command ended that an expectation ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none where it was stopped.
    pub code: Option<i32>,
    /// Its end in words.
    pub end: String,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Workshop {
    fn there_is_one(&self) -> Result<(), String> {
        match self.ground.sandbox.workspace {
            WorkspaceMode::None => {
                Err("the spec shows its programs no workspace: say `sandbox: {workspace: copy}`".into())
            }
            _ => Ok(()),
        }
    }

    /// A file of the workspace as programs left it; nothing where there is none. No link is followed.
    ///
    /// # Errors
    /// Why it cannot be looked at.
    pub async fn file(&self, path: &RelPath) -> Result<Option<Vec<u8>>, String> {
        self.there_is_one()?;
        let (rooms, root, path) = (self.rooms.clone(), self.ground.root.clone(), path.clone());
        let read = on_thread(&self.cancel, move |_| rooms.file(&root, path.as_str(), MOST_OF_FILE)).await;
        match read.map_err(str::to_owned)?? {
            Some(bytes) if bytes.len() as u64 > MOST_OF_FILE => {
                Err(format!("it is larger than {} MiB", MOST_OF_FILE >> 20))
            }
            found => Ok(found),
        }
    }

    /// Runs a program in the workspace, without network, under the spec's limits.
    ///
    /// # Errors
    /// Why it could not be run.
    pub async fn command(&self, argv: Vec<String>) -> Result<Ended, String> {
        self.there_is_one()?;
        let machine = self.machine.clone().ok_or("there is no sandbox here to run programs in")?;
        let (rooms, ground) = (self.rooms.clone(), self.ground.clone());
        let room = Room { network: Some(Vec::new()), ..Room::default() };
        let started = Started::plain(argv, room);
        let run = move |stop: &Cancel| started.run(&rooms, &machine, &ground, BTreeMap::new(), stop);
        let result = on_thread(&self.cancel, run).await.map_err(str::to_owned)?.map_err(|why| why.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = if let Exit::Code(code) = result.exit { Some(code) } else { None };
        Ok(Ended { code, end: result.exit.to_string(), stdout: text(&result.stdout), stderr: text(&result.stderr) })
    }
}

/// Changes as the outcome tells them.
pub(super) fn told(changes: Result<Vec<Change>, String>, scrub: &Scrub) -> WorkspaceChanges {
    match changes {
        Ok(all) => {
            let note = (all.len() >= MOST_CHANGES).then(|| format!("only the first {MOST_CHANGES} changes are listed"));
            WorkspaceChanges { files: all.into_iter().map(|change| one(change, scrub)).collect(), note }
        }
        Err(why) => WorkspaceChanges {
            files: Vec::new(),
            note: Some(format!("what changed cannot be read: {}", scrub.clean(&why))),
        },
    }
}

fn one(change: Change, scrub: &Scrub) -> FileChange {
    let Change { path, old, new } = change;
    let was = match (&old, &new) {
        (Side::Nothing, _) => Was::Added,
        (_, Side::Nothing) => Was::Removed,
        _ => Was::Changed,
    };
    let diff = match (text(&old), text(&new)) {
        (Some(old), Some(new)) => {
            let diff = TextDiff::configure().timeout(EXACTLY).diff_lines(&*old, &*new);
            let names = (format!("a/{path}"), format!("b/{path}"));
            Some(scrub.clean(&diff.unified_diff().header(&names.0, &names.1).to_string()))
        }
        _ => None,
    };
    FileChange { path: scrub.clean(&path), was, diff: diff.filter(|diff| !diff.is_empty()) }
}

/// What stands there as text, where it is one that can be compared.
fn text(side: &Side) -> Option<String> {
    match side {
        Side::Nothing => Some(String::new()),
        Side::File(Some(bytes)) => {
            std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(str::to_owned)
        }
        Side::Link(target) => Some(format!("link to {target}\n")),
        Side::Folder | Side::File(None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Side {
        Side::File(Some(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_change_is_told_as_a_diff_without_secrets_and_what_is_no_text_only_by_name() {
        let mut scrub = Scrub::default();
        scrub.hide("planted-key-3".to_owned().into());
        let change = |path: &str, old, new| Change { path: path.into(), old, new };
        let all = vec![
            change("a", file("one\ntwo\n"), file("one\nplanted-key-3\n")),
            change("b", Side::Nothing, file("x\0")),
            change("c", file("gone\n"), Side::Nothing),
            change("d", Side::Nothing, Side::Folder),
        ];
        let told = told(Ok(all), &scrub);
        let diff = told.files[0].diff.as_deref().unwrap();
        assert_eq!(diff, "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-two\n+[secret]\n");
        let was: Vec<_> = told.files.iter().map(|file| (file.was, file.diff.is_some())).collect();
        assert_eq!(was, [(Was::Changed, true), (Was::Added, false), (Was::Removed, true), (Was::Added, false)]);
        assert_eq!(told.note, None);
    }
}
