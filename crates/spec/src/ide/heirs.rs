//! What inherits from a spec: names that a base declares, its heirs may use.

use super::host::Host;
use super::world::{MAX_SPECS, World, bases_of};
use crate::cx::read;
use crate::files::find_specs;
use crate::tree::MAX_TEXT;
use aic_base::{RelPath, Source};
use std::sync::Arc;

/// Specs, each with the bases that it names by a path.
pub(super) type Inheriting = Vec<(RelPath, Vec<RelPath>)>;

impl Host {
    /// Has the workspace searched again for what inherits from what: files came, went or were saved.
    pub fn files_changed(&self) {
        self.keep_inheriting(None);
    }

    /// The specs of the workspace that inherit from one, bases between them included, with their tests and prompts. Which
    /// they are is looked up once and kept until [`Host::files_changed`]; what they say is read each time.
    pub(super) fn texts_of_heirs(&self, source: &dyn Source, base: &RelPath) -> Vec<(RelPath, Arc<str>)> {
        let all = self.kept_inheriting().unwrap_or_else(|| {
            let all = Arc::new(self.inheriting(source));
            self.keep_inheriting(Some(all.clone()));
            all
        });
        let mut heirs: Vec<&RelPath> = Vec::new();
        let mut open = vec![base];
        while let Some(of) = open.pop() {
            for (heir, bases) in all.iter() {
                if bases.contains(of) && heir != base && !heirs.contains(&heir) {
                    heirs.push(heir);
                    open.push(heir);
                }
            }
        }
        let world = World::new(self, source);
        let mut unit = Vec::new();
        for heir in heirs.into_iter().filter_map(|heir| self.file(source, heir)) {
            world.with_files(&mut unit, heir);
        }
        unit.into_iter().map(|doc| (doc.path.clone(), doc.text.clone())).collect()
    }

    /// The specs of the workspace that inherit. None of them is kept parsed for this.
    fn inheriting(&self, source: &dyn Source) -> Inheriting {
        let specs = find_specs(source, &RelPath::default()).specs.into_iter().take(MAX_SPECS);
        let named = specs.filter_map(|path| {
            let bytes = source.read_at_most(&path, MAX_TEXT as u64).ok()?;
            let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("inherits"))?;
            let bases = match self.same(&path, text) {
                Some(doc) => bases_of(&path, doc.root()?),
                None => bases_of(&path, read(&path, text).root.as_deref()?),
            };
            (!bases.is_empty()).then_some((path, bases))
        });
        named.collect()
    }
}
