//! Operations: every change of tags, pointers and quarantines, with the whole view before and after it. None is ever
//! taken back; undoing one adds another.

use crate::audit::{AuditEntry, append};
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::versions::{VerdictSummary, by_digest};
use aic_base::{Digest, RelPath, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What can be done to the versions of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// A version was recorded, or the working files became one that is recorded.
    Record,
    /// A tag was set or moved.
    Tag,
    /// A tag was taken away.
    Untag,
    /// A version was set aside.
    Quarantine,
    /// A quarantine was lifted.
    Unquarantine,
    /// A verdict moved `stable`.
    Promote,
    /// The working files were put back to a version.
    Rollback,
    /// An operation was undone.
    Undo,
    /// An edit in the way of a rollback was recorded.
    Rescue,
    /// A rollback that could not be finished was given up.
    Abandon,
}

impl OperationKind {
    const ALL: [Self; 10] = [
        Self::Record,
        Self::Tag,
        Self::Untag,
        Self::Quarantine,
        Self::Unquarantine,
        Self::Promote,
        Self::Rollback,
        Self::Undo,
        Self::Rescue,
        Self::Abandon,
    ];

    /// The word it is stored and shown as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Quarantine => "quarantine",
            Self::Unquarantine => "unquarantine",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Undo => "undo",
            Self::Rescue => "rescue",
            Self::Abandon => "abandon",
        }
    }

    /// Whether it can be undone: what a person did, not what followed from saving and testing.
    pub const fn can_be_undone(self) -> bool {
        matches!(self, Self::Tag | Self::Untag | Self::Quarantine | Self::Unquarantine | Self::Rollback | Self::Undo)
    }
}

/// Where everything points at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct View {
    /// The version the working files are.
    pub current: Option<Digest>,
    /// The newest stable one.
    pub stable: Option<Digest>,
    /// The tags.
    pub tags: BTreeMap<String, Digest>,
    /// What is set aside, and why.
    pub quarantined: BTreeMap<Digest, String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number; later ones are greater.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: OperationKind,
    /// In words.
    pub description: String,
    /// Everything before it.
    pub before: View,
    /// Everything after it.
    pub after: View,
    /// The operation it undoes.
    pub undoes: Option<i64>,
}

/// An operation that is about to happen.
pub(crate) struct Draft<'a> {
    pub spec: &'a RelPath,
    pub at: Timestamp,
    pub kind: OperationKind,
    pub description: String,
    pub undoes: Option<i64>,
    /// Whether it counts also where it moves nothing.
    pub always: bool,
}

impl Store {
    /// The operations on a spec, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn operations(&self, spec: &RelPath) -> Result<Vec<Operation>, StoreError> {
        self.read(|conn| operations(conn, spec))
    }

    /// Where everything points now.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn view(&self, spec: &RelPath) -> Result<View, StoreError> {
        self.read(|conn| view(conn, spec))
    }

    /// The tags of a spec.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn tags(&self, spec: &RelPath) -> Result<BTreeMap<String, Digest>, StoreError> {
        Ok(self.view(spec)?.tags)
    }

    /// Gives a version a tag, and takes the tag from the one that had it.
    ///
    /// # Errors
    /// [`StoreError::BadTag`] for names that mean something else, [`StoreError::NoVersion`].
    pub fn set_tag(&self, spec: &RelPath, name: &str, digest: Digest) -> Result<(), StoreError> {
        good_tag(name)?;
        let name = name.to_owned();
        self.change(spec, OperationKind::Tag, move |conn, spec| {
            let version = by_digest(conn, spec, digest)?;
            let description = format!("{name} is {}", version.shown());
            put_tag(conn, spec, &name, Some(digest))?;
            Ok(description)
        })
    }

    /// Takes a tag away; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written.
    pub fn remove_tag(&self, spec: &RelPath, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.change(spec, OperationKind::Untag, move |conn, spec| {
            put_tag(conn, spec, &name, None)?;
            Ok(format!("{name} is no tag any more"))
        })
    }

    /// Sets a version aside: it can be read, never promoted or rolled back to.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`], or if the store cannot be written.
    pub fn quarantine(&self, spec: &RelPath, digest: Digest, reason: &str) -> Result<(), StoreError> {
        let (reason, at) = (reason.to_owned(), self.now());
        self.change(spec, OperationKind::Quarantine, move |conn, spec| {
            let version = by_digest(conn, spec, digest)?;
            put_quarantine(conn, digest, Some(&reason), at)?;
            Ok(format!("{} is set aside: {reason}", version.shown()))
        })
    }

    /// Lifts a quarantine; none is no error.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`], or if the store cannot be written.
    pub fn unquarantine(&self, spec: &RelPath, digest: Digest) -> Result<(), StoreError> {
        let at = self.now();
        self.change(spec, OperationKind::Unquarantine, move |conn, spec| {
            let version = by_digest(conn, spec, digest)?;
            put_quarantine(conn, digest, None, at)?;
            Ok(format!("{} is no longer set aside", version.shown()))
        })
    }

    /// Writes down what the tests said of exactly these files. The last verdict of a version counts: all passed makes
    /// it stable, anything else takes that from it. A version that is set aside is not promoted by it.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`], or if the store cannot be written.
    pub fn record_verdict(&self, spec: &RelPath, digest: Digest, verdict: VerdictSummary) -> Result<(), StoreError> {
        let (spec, at) = (spec.clone(), self.now());
        self.write(move |conn| {
            let version = by_digest(conn, &spec, digest)?;
            let VerdictSummary { passed, failed, skipped, other, .. } = verdict;
            let description =
                format!("{}: {passed} passed, {failed} failed, {skipped} skipped, {other} other", version.shown());
            let (kind, spec) = (OperationKind::Promote, &spec);
            operate(conn, Draft { spec, at, kind, description, undoes: None, always: false }, || {
                conn.prepare_cached(
                    "INSERT INTO verdict (version, at, passed, failed, skipped, other) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    digest.as_bytes(),
                    verdict.at.millis(),
                    passed,
                    failed,
                    skipped,
                    other
                ])?;
                Ok(())
            })?;
            Ok(())
        })
    }

    /// A change of a person's that touches no file: an operation and an audit entry, if it changes anything.
    fn change<F>(&self, spec: &RelPath, kind: OperationKind, change: F) -> Result<(), StoreError>
    where
        F: FnOnce(&Connection, &RelPath) -> Result<String, Fault> + Send + 'static,
    {
        let (spec, at) = (spec.clone(), self.now());
        self.write(move |conn| {
            let before = view(conn, &spec)?;
            let description = change(conn, &spec)?;
            let draft = Draft { spec: &spec, at, kind, description, undoes: None, always: false };
            let Some(id) = insert(conn, &draft, &before)? else { return Ok(()) };
            let fields = [
                ("operation", Value::from(id)),
                ("spec", spec.as_str().into()),
                ("description", draft.description.into()),
            ];
            let fields: Map<String, Value> = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
            append(conn, at, &AuditEntry { kind: kind.as_str().into(), fields })?;
            Ok(())
        })
    }
}

/// Makes a change and writes the operation down, inside the caller's transaction. Nothing is written down where the
/// change moves nothing and does not count always.
pub(crate) fn operate(
    conn: &Connection,
    draft: Draft<'_>,
    change: impl FnOnce() -> Result<(), Fault>,
) -> Result<Option<i64>, Fault> {
    let before = view(conn, draft.spec)?;
    change()?;
    insert(conn, &draft, &before)
}

fn insert(conn: &Connection, draft: &Draft<'_>, before: &View) -> Result<Option<i64>, Fault> {
    let after = view(conn, draft.spec)?;
    if *before == after && !draft.always {
        return Ok(None);
    }
    conn.prepare_cached(
        "INSERT INTO operation (spec, at, kind, description, before, after, undoes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        draft.spec.as_str(),
        draft.at.millis(),
        draft.kind.as_str(),
        draft.description,
        serde_json::to_string(before)?,
        serde_json::to_string(&after)?,
        draft.undoes
    ])?;
    Ok(Some(conn.last_insert_rowid()))
}

/// Where everything points, as this transaction sees it.
pub(crate) fn view(conn: &Connection, spec: &RelPath) -> Result<View, Fault> {
    let one = |sql: &str| -> Result<Option<Digest>, Fault> {
        let bytes: Option<[u8; 32]> =
            conn.prepare_cached(sql)?.query_row([spec.as_str()], |row| row.get(0)).optional()?;
        Ok(bytes.map(Digest::from_bytes))
    };
    let current = one("SELECT current FROM pointer WHERE spec = ?1")?;
    let stable = one("SELECT v.digest FROM version v
         JOIN verdict d ON d.id = (SELECT max(id) FROM verdict WHERE version = v.digest)
         LEFT JOIN quarantine q ON q.version = v.digest
         WHERE v.spec = ?1 AND d.passed > 0 AND d.failed = 0 AND d.other = 0 AND q.version IS NULL
         ORDER BY v.number DESC LIMIT 1")?;
    let mut tags = BTreeMap::new();
    let mut select = conn.prepare_cached("SELECT name, version FROM tag WHERE spec = ?1")?;
    let mut rows = select.query([spec.as_str()])?;
    while let Some(row) = rows.next()? {
        tags.insert(row.get(0)?, Digest::from_bytes(row.get(1)?));
    }
    let mut quarantined = BTreeMap::new();
    let mut select = conn.prepare_cached(
        "SELECT q.version, q.reason FROM quarantine q JOIN version v ON v.digest = q.version WHERE v.spec = ?1",
    )?;
    let mut rows = select.query([spec.as_str()])?;
    while let Some(row) = rows.next()? {
        quarantined.insert(Digest::from_bytes(row.get(0)?), row.get(1)?);
    }
    Ok(View { current, stable, tags, quarantined })
}

pub(crate) fn operations(conn: &Connection, spec: &RelPath) -> Result<Vec<Operation>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT id, at, kind, description, before, after, undoes FROM operation WHERE spec = ?1 ORDER BY id DESC",
    )?;
    let mut rows = select.query([spec.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(2)?;
        let kind = OperationKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.push(Operation {
            id: row.get(0)?,
            at: Timestamp::from_millis(row.get(1)?),
            kind: kind.ok_or_else(|| Fault::Damaged(format!("an operation has the unknown kind `{word}`")))?,
            description: row.get(3)?,
            before: serde_json::from_str(&row.get::<_, String>(4)?)?,
            after: serde_json::from_str(&row.get::<_, String>(5)?)?,
            undoes: row.get(6)?,
        });
    }
    Ok(found)
}

pub(crate) fn put_tag(conn: &Connection, spec: &RelPath, name: &str, digest: Option<Digest>) -> Result<(), Fault> {
    match digest {
        Some(digest) => conn
            .prepare_cached(
                "INSERT INTO tag (spec, name, version) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET version = excluded.version",
            )?
            .execute(params![spec.as_str(), name, digest.as_bytes()])?,
        None => conn
            .prepare_cached("DELETE FROM tag WHERE spec = ?1 AND name = ?2")?
            .execute(params![spec.as_str(), name])?,
    };
    Ok(())
}

pub(crate) fn put_quarantine(
    conn: &Connection,
    digest: Digest,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<(), Fault> {
    match reason {
        Some(reason) => conn
            .prepare_cached(
                "INSERT INTO quarantine (version, reason, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET reason = excluded.reason, at = excluded.at",
            )?
            .execute(params![digest.as_bytes(), reason, at.millis()])?,
        None => conn.prepare_cached("DELETE FROM quarantine WHERE version = ?1")?.execute([digest.as_bytes()])?,
    };
    Ok(())
}

/// A tag must not be mistaken for a number, a pointer or a digest.
fn good_tag(name: &str) -> Result<(), StoreError> {
    let bad = |why| Err(StoreError::BadTag { name: name.chars().take(80).collect(), why });
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let all = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !first || !all || name.len() > 64 {
        return bad("write 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`, the first a letter or a digit");
    }
    if matches!(name, "stable" | "current") {
        return bad("it has a meaning of its own: choose another name");
    }
    if name.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
        return bad("it reads as a version's number: choose another name, such as `release-3`");
    }
    if name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return bad("it reads as the first digits of a digest: choose another name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_cannot_be_mistaken_for_anything_else() {
        for name in ["stable", "current", "v3", "v", "beef", "", "-x", "a b", "ä", &"x".repeat(65)] {
            assert!(good_tag(name).is_err(), "{name}");
        }
        for name in ["good", "release-3", "v3.1", "bee"] {
            assert!(good_tag(name).is_ok(), "{name}");
        }
    }
}
