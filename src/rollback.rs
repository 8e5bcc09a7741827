//! Putting a version back and taking that back: what the command line and the workbench both do, without a word to
//! anybody.

use crate::session::Session;
use aic_base::RelPath;
use aic_spec::Loaded;
use aic_store::{
    FileChangeKind, RollbackReport, RollbackRequest, Store, StoreError, UndoRequest, VersionInfo, version_digest,
};

/// Puts a version back: the one of this name, else the last stable one. Nothing where the working files are that
/// version already. `keep` leaves the version that is left in good standing even if it is not stable.
pub(crate) fn back(
    session: &Session,
    store: &Store,
    loaded: &Loaded,
    to: Option<&str>,
    keep: bool,
) -> Result<Option<RollbackReport>, String> {
    let spec = &session.spec;
    let here = version_digest(spec, &loaded.files);
    let target = target(to, store, spec).map_err(|error| error.to_string())?;
    let Some(target) = target else {
        return Err(
            "there is no stable version yet: a version becomes stable when all its tests pass under `aic test`; \
                    `aic versions` lists them, and --to takes any"
                .into(),
        );
    };
    if target.digest == here {
        return Ok(None);
    }
    let files = store.files_of(target.digest).map_err(|error| error.to_string())?;
    let current = session.working_files(loaded, &files);
    let known = store.versions(spec).map_err(|error| error.to_string())?;
    let is_stable = known.iter().any(|version| version.digest == here && version.stable);
    let request = RollbackRequest {
        spec: spec.clone(),
        name: name(loaded, &target),
        target: target.digest,
        current,
        quarantine_current: !keep && !is_stable,
        remove_added: true,
        reason: format!("rolled back to v{}", target.number),
    };
    store.rollback(request).map(Some).map_err(|error| error.to_string())
}

fn target(wanted: Option<&str>, store: &Store, spec: &RelPath) -> Result<Option<VersionInfo>, StoreError> {
    match wanted {
        Some(wanted) => store.version(spec, wanted).map(Some),
        None => store.stable(spec),
    }
}

/// Takes the last rollback back.
pub(crate) fn undo(session: &Session, store: &Store, loaded: &Loaded) -> Result<Option<RollbackReport>, String> {
    let spec = &session.spec;
    let before = store.view(spec).map_err(|error| error.to_string())?.current;
    // Whatever the undone operation brings back may stand on files that the spec of now does not name.
    let files = before.map(|digest| store.files_of(digest)).transpose().map_err(|error| error.to_string())?;
    let current = session.working_files(loaded, &files.unwrap_or_default());
    let name = loaded.spec.as_ref().map_or_else(|| spec.file_name().to_owned(), |spec| spec.name.clone());
    let request = UndoRequest { spec: spec.clone(), name, current, operation: None };
    store.undo(request).map(Some).map_err(|error| error.to_string())
}

fn name(loaded: &Loaded, target: &VersionInfo) -> String {
    loaded.spec.as_ref().map_or_else(|| target.name.clone(), |spec| spec.name.clone())
}

/// What became of a file, as a word.
pub(crate) const fn word(kind: FileChangeKind) -> &'static str {
    match kind {
        FileChangeKind::Restored => "restored",
        FileChangeKind::Created => "created",
        FileChangeKind::Removed => "removed",
        FileChangeKind::Unchanged => "unchanged",
        FileChangeKind::Kept => "kept",
    }
}
