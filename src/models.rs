//! What stands behind the models of a command: the network, or a cassette, as the flags and the files say.

use crate::workspace::Workspace;
use aic_base::RelPath;
use aic_engine::{Access, Backing, Purse};
use aic_model::cassette::{CassetteError, Mode, Tape};
use aic_model::{Circuits, Network, SystemKeys};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// How real models are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// From the cassette where there is one; else not at all. What nobody asked to cost money does not.
    #[default]
    Unasked,
    /// From the cassette where there is one; else they are called.
    Asked,
    /// They are called, whatever is recorded.
    Live,
    /// They are called, and everything is recorded anew.
    Record,
    /// What is recorded is replayed, the rest is called and recorded.
    Renew,
    /// From the cassette only.
    Replay,
}

/// What a command says about its models.
#[derive(Debug, Clone, Default)]
pub struct ModelUse {
    /// How real models are reached.
    pub reach: Reach,
    /// The cassette; none: `cassettes/NAME.jsonl` beside the spec.
    pub cassette: Option<PathBuf>,
    /// Whether recorded delays are waited for.
    pub realtime: bool,
    /// What all real calls of the command may cost, whatever they are for: one purse, however many specs.
    pub purse: Option<Arc<Purse>>,
}

/// Where the cassette of a spec lies.
pub fn cassette_of(workspace: &Workspace, spec: &RelPath, name: &str) -> (PathBuf, String) {
    let folder = spec.parent();
    let file = format!("cassettes/{name}.jsonl");
    let shown = if folder.is_root() { file.clone() } else { format!("{folder}/{file}") };
    (folder.under(&workspace.root).join(file), shown)
}

impl ModelUse {
    /// What a container stands on.
    ///
    /// # Errors
    /// [`CassetteError`] for a cassette that cannot be read.
    pub fn backing(&self, workspace: &Workspace, spec: &RelPath, name: &str) -> Result<Backing, CassetteError> {
        // Connections and the memory of who fails outlive a test, as they outlive a save.
        static NETWORK: LazyLock<Arc<Network>> = LazyLock::new(Network::new);
        static CIRCUITS: LazyLock<Arc<Circuits>> = LazyLock::new(Arc::default);
        let (path, shown) = match &self.cassette {
            Some(path) => (path.clone(), path.display().to_string()),
            None => cassette_of(workspace, spec, name),
        };
        let mode = match self.reach {
            Reach::Live => None,
            Reach::Unasked | Reach::Asked if !path.exists() => None,
            Reach::Unasked | Reach::Asked | Reach::Replay => Some(Mode::Replay),
            Reach::Record => Some(Mode::Record),
            Reach::Renew => Some(Mode::Renew),
        };
        let access = match mode {
            Some(mode) => Access::Tape { tape: Arc::new(Tape::open(&path, &shown)?), mode, realtime: self.realtime },
            None if self.reach == Reach::Unasked => Access::Never,
            None => Access::Live,
        };
        let purse = self.purse.clone();
        let (network, circuits) = (NETWORK.clone(), CIRCUITS.clone());
        Ok(Backing { network, circuits, keys: Arc::new(SystemKeys), access, purse, ..Backing::default() })
    }
}
