//! What a real run keeps of a conversation: the session it goes on with, its memory, and the key that seals both and what
//! is said in the run itself.

use crate::workspace::now;
use aic_base::{RelPath, Timestamp};
use aic_engine::{Kept, Seal};
use aic_model::{KeySource, Remembered, VectorError, Vectors, similarity};
use aic_spec::{Context, Retention};
use aic_store::{MemoryRecord, SealKey, SessionRecord, Store, memory_place, session_place};
use std::sync::Arc;

/// The key's name where the spec gives none.
pub const USUAL_KEY: &str = "AIC_SESSION_KEY";
/// What is to be encrypted and is not: nobody who can write to the store says by that what is read.
const UNSEALED: &str = "it is not encrypted, though the spec wants what it keeps encrypted: it is from before the spec \
     said so, or somebody else put it there. `aic session seal` encrypts such, `aic session seal --erase` erases them";
/// How many memories of one person are compared.
const COMPARED: u32 = 20_000;

/// The name of the key that the spec's persistence wants.
pub fn key_name(context: &Context) -> &str {
    context.persistence.key_env.as_deref().unwrap_or(USUAL_KEY)
}

/// The key that the spec's persistence wants, or none where nothing is to be encrypted.
///
/// # Errors
/// A sentence that names the variable: what is to be encrypted is never written in the clear instead.
pub fn key(context: &Context, keys: &dyn KeySource) -> Result<Option<Arc<SealKey>>, String> {
    let persistence = &context.persistence;
    if !persistence.encrypted || persistence.enabled == Some(false) {
        return Ok(None);
    }
    read_key(key_name(context), keys).map(Some)
}

/// The key of this name.
///
/// # Errors
/// A sentence that names it.
pub fn read_key(name: &str, keys: &dyn KeySource) -> Result<Arc<SealKey>, String> {
    let text = keys.key(name).ok_or_else(|| {
        format!(
            "what this spec keeps is encrypted, and there is no key `{name}`: set the environment variable, or put one \
             into the keyring with `aic key set {name} --generate`"
        )
    })?;
    SealKey::read(&text).map(Arc::new).map_err(|error| format!("`{name}`: {error}"))
}

/// A session in the store.
pub struct Keeper {
    store: Store,
    spec: RelPath,
    name: String,
    context: Context,
    key: Option<Arc<SealKey>>,
    read: Option<SessionRecord>,
}

impl Keeper {
    /// The session of this name, and what was kept of it.
    ///
    /// # Errors
    /// A sentence: the spec keeps nothing, the store or the key does not open it.
    pub fn open(
        store: &Store,
        spec: &RelPath,
        name: &str,
        context: &Context,
        key: Option<Arc<SealKey>>,
    ) -> Result<(Self, Option<Kept>), String> {
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err("a session's name has 1 to 100 characters, none of them a control character".into());
        }
        if context.persistence.enabled == Some(false) {
            return Err("the spec keeps no sessions (`context.persistence.enabled: false`)".into());
        }
        if context.retention == Retention::None {
            return Err("the spec keeps nothing of a session (`context.session.retention: none`)".into());
        }
        let read = store.session(spec, name).map_err(|error| error.to_string())?;
        let kept = read.as_ref().map(|record| opened(record, key.as_deref())).transpose()?;
        let (store, spec, name, context) = (store.clone(), spec.clone(), name.to_owned(), context.clone());
        Ok((Self { store, spec, name, context, key, read }, kept))
    }

    /// Keeps the session as it is now.
    ///
    /// # Errors
    /// A sentence; what was kept before then stays.
    pub fn keep(&self, kept: &Kept) -> Result<SessionRecord, String> {
        let text = serde_json::to_vec(kept).map_err(|error| error.to_string())?;
        let body = match &self.key {
            Some(key) => key.seal(&session_place(&self.spec, &self.name), &text).map_err(|error| error.to_string())?,
            None => text,
        };
        // One that was over began anew with its first turn.
        let began = self.read.as_ref().filter(|_| kept.turns > 1).map_or(kept.last, |read| read.began);
        let record = SessionRecord {
            spec: self.spec.clone(),
            name: self.name.clone(),
            began,
            last: kept.last,
            turns: kept.turns,
            messages: u32::try_from(kept.messages.len()).unwrap_or(u32::MAX),
            keep_until: keep_until(&self.context, kept.last),
            sealed: self.key.is_some(),
            body,
        };
        self.store.put_session(record.clone(), self.read.as_ref()).map_err(|error| error.to_string())?;
        Ok(record)
    }
}

/// Until when a session is kept whose last turn was at this moment.
fn keep_until(context: &Context, last: Timestamp) -> Option<Timestamp> {
    match context.retention {
        Retention::Session => context.session_timeout.map(|timeout| last.plus(timeout)),
        Retention::None => Some(last),
        Retention::For(time) => Some(last.plus(time)),
    }
}

/// What a session holds: all of it, or a sentence.
///
/// # Errors
/// A sentence that names the session.
pub fn opened(record: &SessionRecord, key: Option<&SealKey>) -> Result<Kept, String> {
    let named = |why: &dyn std::fmt::Display| format!("session `{}`: {why}", record.name);
    let text = match (record.sealed, key) {
        (false, None) => record.body.clone(),
        (false, Some(_)) => return Err(named(&format_args!("{UNSEALED}, or `aic session rm` erases it"))),
        (true, Some(key)) => {
            key.open(&session_place(&record.spec, &record.name), &record.body).map_err(|error| named(&error))?
        }
        (true, None) => {
            return Err(named(&"it is encrypted, and the spec names no key for it (`context.persistence`)"));
        }
    };
    serde_json::from_slice(&text).map_err(|error| named(&format_args!("it cannot be read ({error}): remove it")))
}

/// The workspace's own memory: vectors and what was said, sealed together where there is a key.
#[derive(Debug)]
pub struct StoreVectors {
    store: Store,
    place: String,
    key: Option<Arc<SealKey>>,
}

impl StoreVectors {
    /// The memory of an index.
    pub fn new(store: &Store, place: &str, key: Option<Arc<SealKey>>) -> Self {
        Self { store: store.clone(), place: place.to_owned(), key }
    }

    fn keep(&self, vector: &[f32], what: &Remembered) -> Result<(), String> {
        let mut body = (vector.len() as u32).to_le_bytes().to_vec();
        vector.iter().for_each(|x| body.extend_from_slice(&x.to_le_bytes()));
        serde_json::to_writer(&mut body, what).map_err(|error| error.to_string())?;
        if let Some(key) = &self.key {
            body = key.seal(&memory_place(&self.place, &what.who), &body).map_err(|error| error.to_string())?;
        }
        let (place, who, sealed) = (self.place.clone(), what.who.clone(), self.key.is_some());
        let memory = MemoryRecord { id: 0, place, who, at: what.at, keep_until: what.keep_until, sealed, body };
        self.store.add_memory(memory).map_err(|error| error.to_string())
    }

    fn all(&self, who: &str) -> Result<Vec<(Vec<f32>, Remembered)>, String> {
        let all = self.store.memories(&self.place, who, COMPARED).map_err(|error| error.to_string())?;
        all.into_iter().map(|memory| self.read(memory)).collect()
    }

    fn read(&self, memory: MemoryRecord) -> Result<(Vec<f32>, Remembered), String> {
        let body = match (memory.sealed, &self.key) {
            (false, None) => memory.body,
            (false, Some(_)) => return Err(format!("a memory of index `{}`: {UNSEALED}", memory.place)),
            (true, Some(key)) => {
                let place = memory_place(&memory.place, &memory.who);
                key.open(&place, &memory.body).map_err(|error| format!("index `{}`: {error}", memory.place))?
            }
            (true, None) => return Err(format!("index `{}` is encrypted, and the spec names no key", memory.place)),
        };
        let damaged = || format!("a memory of index `{}` cannot be read", memory.place);
        let (size, rest) = body.split_first_chunk::<4>().ok_or_else(damaged)?;
        let size = (u32::from_le_bytes(*size) as usize).checked_mul(4).ok_or_else(damaged)?;
        let (vector, text) = rest.split_at_checked(size).ok_or_else(damaged)?;
        let (floats, _) = vector.as_chunks::<4>();
        let what = serde_json::from_slice(text).map_err(|_| damaged())?;
        Ok((floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(), what))
    }
}

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, VectorError>> + Send + 'a>>;

impl Vectors for StoreVectors {
    fn add<'a>(&'a self, vector: &'a [f32], what: &'a Remembered) -> Answer<'a, ()> {
        Box::pin(std::future::ready(self.keep(vector, what).map_err(VectorError::Store)))
    }

    fn nearest<'a>(
        &'a self,
        vector: &'a [f32],
        who: &'a str,
        embedding: &'a str,
        most: usize,
        now: Timestamp,
    ) -> Answer<'a, Vec<(f32, Remembered)>> {
        let found = self.all(who).map(|all| {
            let mine = all.into_iter().filter(|(_, it)| {
                it.embedding == embedding && it.who == who && it.keep_until.is_none_or(|until| until > now)
            });
            let mut found: Vec<(f32, Remembered)> = mine.map(|(other, it)| (similarity(vector, &other), it)).collect();
            found.sort_by(|a, b| b.0.total_cmp(&a.0));
            found.truncate(most);
            found
        });
        Box::pin(std::future::ready(found.map_err(VectorError::Store)))
    }
}

/// Seals what is remembered elsewhere, as text.
#[derive(Debug)]
pub struct KeySeal(pub Arc<SealKey>);

impl Seal for KeySeal {
    fn seal(&self, place: &str, text: &str) -> Result<String, String> {
        let sealed = self.0.seal(place, text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(sealed.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn open(&self, place: &str, sealed: &str) -> Result<String, String> {
        let digits = |at: usize| sealed.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Vec<u8>> = (0..sealed.len() / 2).map(digits).collect();
        let bytes = bytes.ok_or("what is remembered is not what was sealed")?;
        let text = self.0.open(place, &bytes).map_err(|error| error.to_string())?;
        String::from_utf8(text).map_err(|_| "what is remembered is no text".into())
    }
}

/// Erases what is over; what cannot be erased now is tried again by the next run.
pub fn expire(store: &Store) -> Result<usize, String> {
    store.expire_sessions(now()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy_free::fresh;

    mod secrecy_free {
        use aic_store::SealKey;
        use std::sync::Arc;

        pub fn fresh() -> Arc<SealKey> {
            Arc::new(SealKey::read(&SealKey::generate().unwrap()).unwrap())
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(aic_base::SystemClock::new())).unwrap();
        (folder, store)
    }

    fn said(text: &str) -> Remembered {
        let (who, embedding) = ("user ann".to_owned(), "e".to_owned());
        Remembered { who, embedding, text: text.into(), at: now(), keep_until: None, tainted: false }
    }

    #[tokio::test]
    async fn a_sealed_memory_is_found_with_its_key_and_an_error_without() {
        let (_folder, store) = store();
        let key = fresh();
        let memory = StoreVectors::new(&store, "notes", Some(key.clone()));
        memory.add(&[0.0, 1.0], &said("north")).await.unwrap();
        memory.add(&[1.0, 0.0], &said("east")).await.unwrap();
        let found = memory.nearest(&[1.0, 0.0], "user ann", "e", 1, now()).await.unwrap();
        assert_eq!((found.len(), found[0].1.text.as_str()), (1, "east"));
        for other in [None, Some(fresh())] {
            let closed = StoreVectors::new(&store, "notes", other);
            assert!(closed.nearest(&[1.0, 0.0], "user ann", "e", 1, now()).await.is_err());
        }
        assert!(memory.nearest(&[1.0, 0.0], "user bob", "e", 1, now()).await.unwrap().is_empty());
    }

    #[test]
    fn what_is_sealed_for_elsewhere_opens_at_its_place_only() {
        let seal = KeySeal(fresh());
        let sealed = seal.seal("a", "grün").unwrap();
        assert!(sealed.is_ascii() && !sealed.contains("gr"));
        assert_eq!(seal.open("a", &sealed).unwrap(), "grün");
        assert!(seal.open("b", &sealed).is_err() && seal.open("a", "zz").is_err() && seal.open("a", "ä").is_err());
    }
}
