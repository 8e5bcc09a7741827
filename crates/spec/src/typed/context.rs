//! `context:`: what of a conversation is sent, kept and remembered.

use aic_base::Tokens;
use std::time::Duration;

/// What of a conversation is sent, kept and remembered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    /// Tokens of the request; the oldest turns go first.
    pub max_tokens: Option<Tokens>,
    /// Messages kept in a session.
    pub max_messages: Option<u32>,
    /// Idle time after which a session is over.
    pub session_timeout: Option<Duration>,
    /// How long what was said is kept.
    pub retention: Retention,
    /// What is remembered.
    pub memory: Memory,
    /// Whether sessions outlive the program.
    pub persistence: Persistence,
}

/// How long a session's messages are kept once nobody goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retention {
    /// As long as the session; it is erased when its timeout has passed.
    #[default]
    Session,
    /// Nothing is kept beyond the process.
    None,
    /// So long after its last turn.
    For(Duration),
}

/// What a conversation remembers of what was said before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// Which kind.
    pub kind: MemoryKind,
    /// Where vectors are kept.
    pub store: VectorStore,
    /// The index: what shares a memory. The spec's name where none is given.
    pub index: Option<String>,
    /// The named model that embeds; none: the local hash embedding.
    pub embedding: Option<String>,
    /// Where the vector store is.
    pub url: Option<String>,
    /// The NAME of the variable with the vector store's key.
    pub api_key_env: Option<String>,
}

/// Kinds of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryKind {
    /// Each turn stands alone.
    None,
    /// The last turns, as far as they fit.
    #[default]
    Buffer,
    /// The last turns, and of all before them what is similar.
    Vector,
}

/// Where vectors are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VectorStore {
    /// In the workspace's own store.
    #[default]
    Sqlite,
    /// Pinecone.
    Pinecone,
    /// Qdrant.
    Qdrant,
}

/// Whether sessions outlive the program, and how they lie there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Persistence {
    /// `enabled`, where the spec says it.
    pub enabled: Option<bool>,
    /// Whether they are encrypted (AES-256-GCM).
    pub encrypted: bool,
    /// The NAME of the variable or keyring entry with the key.
    pub key_env: Option<String>,
}
