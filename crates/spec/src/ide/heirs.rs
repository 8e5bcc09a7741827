//! What inherits from a spec: names that a base declares, its heirs may use.

use super::host::Host;
use super::world::{MAX_SPECS, World, bases_of};
use crate::cx::{Goes, See, read};
use crate::files::find_specs;
use crate::tree::MAX_TEXT;
use aic_base::{RelPath, Source};
use std::sync::Arc;

/// Of how many heirs the tests and prompts are looked into: all of it is done while somebody types.
const MAX_HEIRS: usize = 50;

/// Specs, each with the bases that it names by a path.
pub(super) type Inheriting = Vec<(RelPath, Vec<RelPath>)>;

impl Host {
    /// Has the workspace searched again for what inherits from what: files came, went or were saved.
    pub fn files_changed(&self) {
        self.keep_inheriting(None);
    }

    /// Shows the texts of the specs that inherit from one, bases between them included, then those of their tests and
    /// prompts, until `see` has seen enough. Which specs these are is looked up once and kept until
    /// [`Host::files_changed`]; what they say is read each time.
    pub(super) fn see_heirs(&self, source: &dyn Source, base: &RelPath, see: See<'_>) {
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
        // Their own texts first, which need no parsing: mostly these say it.
        for heir in &heirs {
            let bytes = source.read_at_most(heir, MAX_TEXT as u64);
            let goes_on = bytes.ok().is_none_or(|bytes| see(heir, &String::from_utf8_lossy(&bytes)) == Goes::On);
            if !goes_on {
                return;
            }
        }
        let world = World::new(self, source);
        for heir in heirs.iter().take(MAX_HEIRS).filter_map(|heir| self.file(source, heir)) {
            let mut named = Vec::new();
            world.with_files(&mut named, heir);
            if named.iter().skip(1).any(|doc| see(&doc.path, &doc.text) == Goes::NoFurther) {
                return;
            }
        }
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
