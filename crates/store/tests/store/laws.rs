//! Laws that hold for any sequence of saves, tags, rollbacks, quarantines and undos.

use crate::support::{Files, Workspace, disk, files, new_version, path, rollback_to, spec};
use aic_base::Digest;
use aic_store::{Operation, StoreError, UndoRequest};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Act {
    Save(Vec<(usize, u8)>),
    Tag(usize),
    Quarantine(usize),
    Rollback { target: usize, quarantine: bool, unsaved: bool },
    Undo,
}

const NAMES: [&str; 4] = ["s.yml", "a/x.md", "a/y.md", "b.js"];

fn act() -> impl Strategy<Value = Act> {
    let save = proptest::collection::vec((0..NAMES.len(), 0..4_u8), 0..4).prop_map(Act::Save);
    let rollback = (any::<usize>(), any::<bool>(), any::<bool>());
    let rollback = rollback.prop_map(|(target, quarantine, unsaved)| Act::Rollback { target, quarantine, unsaved });
    prop_oneof![
        4 => save,
        1 => any::<usize>().prop_map(Act::Tag),
        1 => any::<usize>().prop_map(Act::Quarantine),
        3 => rollback,
        3 => Just(Act::Undo),
    ]
}

struct Model {
    ws: Workspace,
    current: Files,
    recorded: BTreeMap<Digest, Files>,
    history: Vec<Operation>,
}

impl Model {
    fn write(&mut self, next: Files) {
        for name in self.current.keys().filter(|name| !next.contains_key(*name)) {
            std::fs::remove_file(name.under(self.ws.folder.path())).unwrap();
        }
        for (name, bytes) in &next {
            self.ws.put(&[(name.as_str(), std::str::from_utf8(bytes).unwrap())]);
        }
        self.current = next;
    }

    fn pick(&self, at: usize) -> Option<Digest> {
        let count = self.recorded.len().max(1);
        self.recorded.keys().nth(at % count).copied()
    }

    fn note(&mut self) {
        let digest = aic_store::version_digest(&spec(), &self.current);
        self.recorded.insert(digest, self.current.clone());
    }

    fn act(&mut self, act: Act) -> Result<(), StoreError> {
        let store = self.ws.store.clone();
        match act {
            Act::Save(contents) => {
                let next = contents.iter().map(|(at, n)| (path(NAMES[*at]), vec![b'0' + n].into())).collect();
                self.write(next);
                store.record_version(new_version(self.current.clone()))?;
                self.note();
            }
            Act::Tag(at) => {
                let Some(digest) = self.pick(at) else { return Ok(()) };
                store.set_tag(&spec(), "good", digest)?;
            }
            Act::Quarantine(at) => {
                let Some(digest) = self.pick(at) else { return Ok(()) };
                store.quarantine(&spec(), digest, "x")?;
            }
            Act::Rollback { target, quarantine, unsaved } => {
                let Some(target) = self.pick(target) else { return Ok(()) };
                if unsaved {
                    let mut next = self.current.clone();
                    next.extend(files(&[("s.yml", "unsaved")]));
                    self.write(next);
                }
                let mut request = rollback_to(target, self.current.clone());
                request.quarantine_current = quarantine;
                store.rollback(request)?;
                self.note();
                self.current = self.recorded[&target].clone();
            }
            Act::Undo => {
                let current = self.current.clone();
                let request = UndoRequest { spec: spec(), name: "shop".into(), current, operation: None };
                store.undo(request)?;
                let history = store.operations(&spec())?;
                let undone = history.iter().find(|operation| Some(operation.id) == history[0].undoes).unwrap();
                if undone.before.current != undone.after.current {
                    self.note();
                    self.current = self.recorded[&undone.before.current.unwrap()].clone();
                }
            }
        }
        Ok(())
    }

    fn check(&mut self) {
        let store = &self.ws.store;
        for (digest, files) in &self.recorded {
            assert_eq!(store.files_of(*digest).unwrap(), *files, "every recorded version is readable");
        }
        let shown: BTreeMap<String, String> = self
            .current
            .iter()
            .map(|(name, bytes)| (name.to_string(), String::from_utf8_lossy(bytes).into_owned()))
            .collect();
        assert_eq!(disk(self.ws.folder.path()), shown, "the working files are what they should be");
        let mut history = store.operations(&spec()).unwrap();
        history.reverse();
        assert!(history.starts_with(&self.history), "history only grows");
        self.history = history;
        let view = store.view(&spec()).unwrap();
        let stable = view.stable.iter().all(|stable| !view.quarantined.contains_key(stable));
        assert!(stable && store.pending_operation().unwrap().is_none());
        store.audit_verify().unwrap().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_history_grows_and_undo_restores(acts in proptest::collection::vec(act(), 1..16)) {
        let ws = Workspace::new();
        let mut model = Model { ws, current: Files::new(), recorded: BTreeMap::new(), history: Vec::new() };
        for act in acts {
            match model.act(act) {
                Ok(())
                | Err(StoreError::AlreadyThere { .. } | StoreError::Quarantined { .. } | StoreError::NothingToUndo { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            model.check();
        }
    }
}
