//! Versions: the files of a spec at a moment, kept by content so that equal files are stored once.

use crate::error::{Fault, StoreError, shown};
use crate::operations::{Draft, OperationKind, operate};
use crate::replace::is_off_limits;
use crate::store::Store;
use aic_base::{Digest, DigestBuilder, MemorySource, RelPath, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The digest of a version: the spec's path, and the path and bytes of each file it names.
pub fn version_digest(spec: &RelPath, files: &BTreeMap<RelPath, Arc<[u8]>>) -> Digest {
    let digests = files.iter().map(|(path, bytes)| (path, Digest::of(bytes)));
    manifest_digest(spec, digests)
}

fn manifest_digest<'a>(spec: &RelPath, files: impl Iterator<Item = (&'a RelPath, Digest)>) -> Digest {
    let mut builder = DigestBuilder::new("version");
    builder.part("spec", spec.as_str());
    for (path, digest) in files {
        builder.part(path.as_str(), digest.as_bytes());
    }
    builder.finish()
}

/// Why a version was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionReason {
    /// Somebody saved.
    Saved,
    /// A rollback is about to replace it.
    BeforeRollback,
    /// It was run.
    Run,
    /// The spec was made.
    Init,
    /// Somebody's edit was in the way of a rollback that was being finished.
    Rescued,
}

impl VersionReason {
    const ALL: [Self; 5] = [Self::Saved, Self::BeforeRollback, Self::Run, Self::Init, Self::Rescued];

    /// The word it is stored and shown as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::BeforeRollback => "before_rollback",
            Self::Run => "run",
            Self::Init => "init",
            Self::Rescued => "rescued",
        }
    }

    fn from_word(word: &str) -> Result<Self, Fault> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == word);
        found.ok_or_else(|| Fault::Damaged(format!("a version has the unknown reason `{word}`")))
    }
}

/// A version to be recorded.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The spec.
    pub spec: RelPath,
    /// The spec's `name:`, for showing.
    pub name: String,
    /// The spec and every file it names.
    pub files: BTreeMap<RelPath, Arc<[u8]>>,
    /// Why.
    pub reason: VersionReason,
}

/// What recording gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The version.
    pub digest: Digest,
    /// Whether it was not there yet.
    pub is_new: bool,
    /// Its number among the versions of its spec, from 1.
    pub number: u32,
}

/// What the behaviour tests said of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerdictSummary {
    /// How many passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
    /// How many were skipped on purpose.
    pub skipped: u32,
    /// How many are neither: stale, undecided, broken.
    pub other: u32,
    /// When they had run.
    pub at: Timestamp,
}

impl VerdictSummary {
    /// How many there are.
    pub fn total(&self) -> u32 {
        [self.failed, self.skipped, self.other].into_iter().fold(self.passed, u32::saturating_add)
    }

    /// Whether it makes a version stable: something passed, and what did not was skipped on purpose.
    pub fn all_passed(&self) -> bool {
        self.passed > 0 && self.failed == 0 && self.other == 0
    }
}

/// A recorded version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its digest.
    pub digest: Digest,
    /// Its spec.
    pub spec: RelPath,
    /// Its number among the versions of its spec, from 1.
    pub number: u32,
    /// The spec's `name:` in it.
    pub name: String,
    /// Why it was recorded.
    pub reason: VersionReason,
    /// When.
    pub recorded_at: Timestamp,
    /// What its tests said last.
    pub verdict: Option<VerdictSummary>,
    /// Whether its last verdict makes it stable and nobody has set it aside.
    pub stable: bool,
    /// Why it was set aside.
    pub quarantined: Option<String>,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// How many files it has.
    pub files: u32,
    /// Whether the working files were last seen (or put) in this state by the store.
    pub current: bool,
}

impl VersionInfo {
    /// As a person reads it: `v3 (2cf24dba5fb0)`.
    pub fn shown(&self) -> String {
        shown(self.number, &self.digest)
    }
}

/// A version whose digests are computed, so that the writer does not have to.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub spec: RelPath,
    pub name: String,
    pub reason: VersionReason,
    pub digest: Digest,
    files: Vec<(RelPath, Digest, Arc<[u8]>)>,
}

impl Prepared {
    pub(crate) fn new(version: NewVersion) -> Result<Self, StoreError> {
        let NewVersion { spec, name, files, reason } = version;
        if let Some(path) = files.keys().find(|path| is_off_limits(path)) {
            return Err(StoreError::OffLimits { path: path.clone() });
        }
        let files: Vec<_> = files.into_iter().map(|(path, bytes)| (path, Digest::of(&bytes), bytes)).collect();
        let digest = manifest_digest(&spec, files.iter().map(|(path, digest, _)| (path, *digest)));
        Ok(Self { spec, name, reason, digest, files })
    }
}

impl Store {
    /// Records the files of a spec as a version, unless they are one already; either way it becomes the current one.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be written, or a path lies in `.aic` or `.git`.
    pub fn record_version(&self, version: NewVersion) -> Result<Recorded, StoreError> {
        let (prepared, at) = (Prepared::new(version)?, self.now());
        self.write(move |conn| record(conn, at, &prepared))
    }

    /// The versions of a spec, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn versions(&self, spec: &RelPath) -> Result<Vec<VersionInfo>, StoreError> {
        self.read(|conn| versions(conn, spec))
    }

    /// One version, by `v3`, a tag, `stable`, `current`, or the first digits (four or more) of its digest.
    ///
    /// # Errors
    /// [`StoreError::NoVersion`] with what there is, [`StoreError::Ambiguous`] with what it may be.
    pub fn version(&self, spec: &RelPath, wanted: &str) -> Result<VersionInfo, StoreError> {
        self.read(|conn| Ok(find(versions(conn, spec)?, spec, wanted)?))
    }

    /// The newest version that is stable and not set aside.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn stable(&self, spec: &RelPath) -> Result<Option<VersionInfo>, StoreError> {
        Ok(self.versions(spec)?.into_iter().find(|version| version.stable))
    }

    /// The files of a version. Each one's bytes are checked against its digest.
    ///
    /// # Errors
    /// [`StoreError::UnknownDigest`] if it is not there, [`StoreError::Corrupt`] if a file is not what was stored.
    pub fn files_of(&self, digest: Digest) -> Result<BTreeMap<RelPath, Arc<[u8]>>, StoreError> {
        self.read(|conn| files(conn, digest))
    }

    /// The files of a version, to be read like those on disk.
    ///
    /// # Errors
    /// As [`Store::files_of`].
    pub fn source_of(&self, digest: Digest) -> Result<MemorySource, StoreError> {
        let mut source = MemorySource::new();
        for (path, bytes) in self.files_of(digest)? {
            source.insert(path, bytes);
        }
        Ok(source)
    }

    /// The specs that have versions.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn specs(&self) -> Result<Vec<RelPath>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached("SELECT DISTINCT spec FROM version ORDER BY spec")?;
            let specs = select.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
            specs.iter().map(|spec| Ok(RelPath::new(spec)?)).collect()
        })
    }
}

/// Records a version inside the caller's transaction. A rescued one does not become current: nobody worked with it.
pub(crate) fn record(conn: &Connection, at: Timestamp, version: &Prepared) -> Result<Recorded, Fault> {
    let (spec, digest) = (&version.spec, version.digest);
    let known: Option<u32> = conn
        .prepare_cached("SELECT number FROM version WHERE digest = ?1")?
        .query_row([digest.as_bytes()], |row| row.get(0))
        .optional()?;
    let number = match known {
        Some(number) => number,
        None => conn
            .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM version WHERE spec = ?1")?
            .query_row([spec.as_str()], |row| row.get(0))?,
    };
    let rescued = version.reason == VersionReason::Rescued;
    let draft = Draft {
        spec,
        at,
        kind: if rescued { OperationKind::Rescue } else { OperationKind::Record },
        description: format!("{} {}: {}", version.name, shown(number, &digest), version.reason.as_str()),
        undoes: None,
        always: known.is_none(),
    };
    operate(conn, draft, || {
        if known.is_none() {
            insert(conn, at, version, number)?;
        }
        if !rescued {
            set_current(conn, spec, digest)?;
        }
        Ok(())
    })?;
    Ok(Recorded { digest, is_new: known.is_none(), number })
}

fn insert(conn: &Connection, at: Timestamp, version: &Prepared, number: u32) -> Result<(), Fault> {
    let digest = version.digest.as_bytes();
    conn.prepare_cached(
        "INSERT INTO version (digest, spec, number, name, reason, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        digest,
        version.spec.as_str(),
        number,
        version.name,
        version.reason.as_str(),
        at.millis()
    ])?;
    let mut blob =
        conn.prepare_cached("INSERT INTO blob (digest, size, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
    let mut file = conn.prepare_cached("INSERT INTO version_file (version, path, blob) VALUES (?1, ?2, ?3)")?;
    for (path, content, bytes) in &version.files {
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        blob.execute(params![content.as_bytes(), size, &bytes[..]])?;
        file.execute(params![digest, path.as_str(), content.as_bytes()])?;
    }
    Ok(())
}

/// Moves the pointer to the version that the working files are.
pub(crate) fn set_current(conn: &Connection, spec: &RelPath, digest: Digest) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO pointer (spec, current) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET current = excluded.current",
    )?
    .execute(params![spec.as_str(), digest.as_bytes()])?;
    Ok(())
}

/// A version with its last verdict, its quarantine and whether it is current.
const SELECT: &str = "
    SELECT v.digest, v.number, v.name, v.reason, v.recorded_at, q.reason, d.passed, d.failed, d.skipped, d.other, d.at,
           (SELECT count(*) FROM version_file f WHERE f.version = v.digest), p.current IS v.digest, v.spec
    FROM version v
    LEFT JOIN quarantine q ON q.version = v.digest
    LEFT JOIN verdict d ON d.id = (SELECT max(id) FROM verdict WHERE version = v.digest)
    LEFT JOIN pointer p ON p.spec = v.spec";

fn info(row: &Row<'_>) -> Result<VersionInfo, Fault> {
    let verdict = match row.get(6)? {
        None => None,
        Some(passed) => Some(VerdictSummary {
            passed,
            failed: row.get(7)?,
            skipped: row.get(8)?,
            other: row.get(9)?,
            at: Timestamp::from_millis(row.get(10)?),
        }),
    };
    let quarantined: Option<String> = row.get(5)?;
    Ok(VersionInfo {
        digest: Digest::from_bytes(row.get(0)?),
        spec: RelPath::new(&row.get::<_, String>(13)?)?,
        number: row.get(1)?,
        name: row.get(2)?,
        reason: VersionReason::from_word(&row.get::<_, String>(3)?)?,
        recorded_at: Timestamp::from_millis(row.get(4)?),
        verdict,
        stable: quarantined.is_none() && verdict.is_some_and(|verdict| verdict.all_passed()),
        quarantined,
        tags: Vec::new(),
        files: row.get(11)?,
        current: row.get(12)?,
    })
}

/// All versions of a spec, newest first.
pub(crate) fn versions(conn: &Connection, spec: &RelPath) -> Result<Vec<VersionInfo>, Fault> {
    let mut select = conn.prepare_cached(&format!("{SELECT} WHERE v.spec = ?1 ORDER BY v.number DESC"))?;
    let mut rows = select.query([spec.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(info(row)?);
    }
    let mut tags: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
    let mut select = conn.prepare_cached("SELECT version, name FROM tag WHERE spec = ?1 ORDER BY name")?;
    let mut rows = select.query([spec.as_str()])?;
    while let Some(row) = rows.next()? {
        tags.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    for version in &mut found {
        version.tags = tags.remove(version.digest.as_bytes()).unwrap_or_default();
    }
    Ok(found)
}

/// One version of a spec by its digest, without its tags.
pub(crate) fn by_digest(conn: &Connection, spec: &RelPath, digest: Digest) -> Result<VersionInfo, Fault> {
    let mut select = conn.prepare_cached(&format!("{SELECT} WHERE v.digest = ?1 AND v.spec = ?2"))?;
    let mut rows = select.query(params![digest.as_bytes(), spec.as_str()])?;
    match rows.next()? {
        Some(row) => info(row),
        None => {
            let among = versions(conn, spec)?;
            Err(none(among, spec, &digest.short()).into())
        }
    }
}

fn find(versions: Vec<VersionInfo>, spec: &RelPath, wanted: &str) -> Result<VersionInfo, StoreError> {
    let number: Option<u32> = wanted.strip_prefix('v').and_then(|digits| digits.parse().ok());
    let named = versions.iter().find(|version| match wanted {
        "stable" => version.stable,
        "current" => version.current,
        _ => number == Some(version.number),
    });
    let tagged = || versions.iter().find(|version| version.tags.iter().any(|tag| tag == wanted));
    if let Some(version) = named.or_else(tagged) {
        return Ok(version.clone());
    }
    let prefix = wanted.to_ascii_lowercase();
    let is_prefix = prefix.len() >= 4 && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut matching: Vec<&VersionInfo> =
        versions.iter().filter(|version| is_prefix && version.digest.to_string().starts_with(&prefix)).collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(version), true) => Ok(version.clone()),
        (Some(last), false) => {
            let among = matching.iter().copied().chain([last]).map(VersionInfo::shown).collect();
            Err(StoreError::Ambiguous { spec: spec.clone(), wanted: wanted.into(), among })
        }
        (None, _) => Err(none(versions, spec, wanted)),
    }
}

/// The error that lists a few of the names there are.
fn none(versions: Vec<VersionInfo>, spec: &RelPath, wanted: &str) -> StoreError {
    const SHOWN: usize = 8;
    let tags = versions.iter().flat_map(|version| version.tags.iter().cloned());
    let stable = versions.iter().any(|version| version.stable).then(|| "stable".to_owned());
    let among = stable.into_iter().chain(tags).chain(versions.iter().map(|version| format!("v{}", version.number)));
    StoreError::NoVersion { spec: spec.clone(), wanted: wanted.into(), among: among.take(SHOWN).collect() }
}

/// The files of a version, each checked against its digest.
pub(crate) fn files(conn: &Connection, digest: Digest) -> Result<BTreeMap<RelPath, Arc<[u8]>>, Fault> {
    let known: Option<String> = conn
        .prepare_cached("SELECT spec FROM version WHERE digest = ?1")?
        .query_row([digest.as_bytes()], |row| row.get(0))
        .optional()?;
    if known.is_none() {
        return Err(StoreError::UnknownDigest { digest }.into());
    }
    let mut select = conn.prepare_cached(
        "SELECT f.path, f.blob, b.bytes FROM version_file f LEFT JOIN blob b ON b.digest = f.blob WHERE f.version = ?1",
    )?;
    let mut rows = select.query([digest.as_bytes()])?;
    let mut files = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let path = RelPath::new(&row.get::<_, String>(0)?)?;
        let bytes: Option<Arc<[u8]>> = row.get(2)?;
        let content = Digest::from_bytes(row.get(1)?);
        match bytes {
            Some(bytes) if Digest::of(&bytes) == content => files.insert(path, bytes),
            _ => return Err(Fault::Damaged(format!("{path} of version {} is not what was stored", digest.short()))),
        };
    }
    Ok(files)
}
