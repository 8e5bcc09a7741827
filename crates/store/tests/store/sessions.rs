//! Sessions, memories and runs as they lie on the disk: sealed where a key is given, whole or an error, erased in time.

use crate::child::run;
use crate::support::{Workspace, noon, open, path, spec};
use aic_base::{Event, EventKind};
use aic_store::{MemoryRecord, SealKey, SessionRecord, StoreError, memory_place, session_place};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use std::time::Duration;

const SAID: &str = "The launch is on the ninth of May";

fn key() -> Arc<SealKey> {
    Arc::new(SealKey::read(&SealKey::generate().unwrap()).unwrap())
}

fn session(name: &str, body: &[u8]) -> SessionRecord {
    SessionRecord {
        spec: spec(),
        name: name.into(),
        began: noon(),
        last: noon(),
        turns: 1,
        messages: 2,
        keep_until: None,
        sealed: false,
        body: body.to_vec(),
    }
}

fn sealed(name: &str, key: &SealKey) -> SessionRecord {
    let body = key.seal(&session_place(&spec(), name), SAID.as_bytes()).unwrap();
    SessionRecord { sealed: true, ..session(name, &body) }
}

fn memory(who: &str, key: &SealKey) -> MemoryRecord {
    let body = key.seal(&memory_place("notes", who), SAID.as_bytes()).unwrap();
    let (place, who) = ("notes".to_owned(), who.to_owned());
    MemoryRecord { id: 0, place, who, at: noon(), keep_until: None, sealed: true, body }
}

/// Whether these bytes lie in any file of the store.
fn lies_there(ws: &Workspace, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(ws.folder.path().join(".aic")).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
        .any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}

#[test]
fn a_session_is_read_as_it_was_kept_also_after_a_restart() {
    let ws = Workspace::new();
    let kept = session("desk", b"hello");
    ws.store.put_session(kept.clone(), None).unwrap();
    let other = open(ws.folder.path());
    assert_eq!(other.session(&spec(), "desk").unwrap(), Some(kept.clone()));
    assert_eq!(other.session(&path("other.yml"), "desk").unwrap(), None);
    assert_eq!(other.sessions(None).unwrap(), [kept]);
}

#[test]
fn who_comes_second_overwrites_nothing() {
    let ws = Workspace::new();
    let first = session("desk", b"one");
    ws.store.put_session(first.clone(), None).unwrap();
    let mine = session("desk", b"two");
    ws.store.put_session(mine.clone(), Some(&first)).unwrap();
    let error = ws.store.put_session(session("desk", b"three"), Some(&first)).unwrap_err();
    assert!(matches!(error, StoreError::SessionMoved { .. }), "{error}");
    assert!(ws.store.put_session(session("desk", b"new"), None).is_err());
    assert_eq!(ws.store.session(&spec(), "desk").unwrap(), Some(mine));
}

#[test]
fn what_is_over_is_erased_from_the_files_too() {
    let ws = Workspace::new();
    let later = noon().plus(Duration::from_secs(60));
    let short = SessionRecord { keep_until: Some(later), ..session("short", b"short-lived words") };
    ws.store.put_session(short, None).unwrap();
    ws.store.put_session(session("long", b"words that stay"), None).unwrap();
    assert_eq!(ws.store.expire_sessions(noon()).unwrap(), 0);
    assert!(lies_there(&ws, b"short-lived words"));
    assert_eq!(ws.store.expire_sessions(later).unwrap(), 1);
    assert!(!lies_there(&ws, b"short-lived words") && lies_there(&ws, b"words that stay"));
    assert!(ws.store.remove_session(&spec(), "long").unwrap());
    assert!(!lies_there(&ws, b"words that stay"));
}

#[test]
fn what_was_said_in_a_sealed_run_lies_nowhere_in_the_clear_and_opens_with_the_key() {
    let ws = Workspace::new();
    let key = key();
    let mut record = run("r1");
    let kind = EventKind::Notice { message: SAID.into() };
    record.events = vec![Event { run: record.run.clone(), seq: 0, after: Duration::ZERO, kind }];
    let recorder = ws.store.recorder().sealed(key.clone());
    recorder.append(record.clone()).unwrap();
    recorder.flush().unwrap();
    assert!(!lies_there(&ws, SAID.as_bytes()));
    assert_eq!(ws.store.events(&record.run).unwrap()[0].event, None);
    assert_eq!(ws.store.events_with(&record.run, Some(&key)).unwrap()[0].event, Some(record.events[0].clone()));
    let wrong = ws.store.events_with(&record.run, Some(&self::key())).unwrap_err();
    assert!(wrong.to_string().contains("encrypted with another key"), "{wrong}");
}

#[test]
fn a_new_key_opens_everything_and_the_old_one_nothing_any_more() {
    let ws = Workspace::new();
    let (old, new) = (key(), key());
    ws.store.put_session(sealed("desk", &old), None).unwrap();
    ws.store.add_memory(memory("ann", &old)).unwrap();
    let mut record = run("r1");
    let kind = EventKind::Notice { message: SAID.into() };
    record.events = vec![Event { run: record.run.clone(), seq: 0, after: Duration::ZERO, kind }];
    ws.store.recorder().sealed(old.clone()).append(record.clone()).unwrap();

    let other = sealed("other", &key());
    ws.store.put_session(other.clone(), None).unwrap();
    let change = ws.store.change_key(old.clone(), new.clone()).unwrap();
    assert_eq!((change.changed, change.others), (3, 1), "what another key seals is not ours");
    assert_eq!(ws.store.session(&spec(), "other").unwrap(), Some(other));
    let body = ws.store.session(&spec(), "desk").unwrap().unwrap().body;
    assert_eq!(new.open(&session_place(&spec(), "desk"), &body).unwrap(), SAID.as_bytes());
    assert!(old.open(&session_place(&spec(), "desk"), &body).is_err());
    let body = &ws.store.memories("notes", "ann", 10).unwrap()[0].body;
    assert_eq!(new.open(&memory_place("notes", "ann"), body).unwrap(), SAID.as_bytes());
    assert!(ws.store.events_with(&record.run, Some(&new)).unwrap()[0].event.is_some());
    assert_eq!(ws.store.change_key(old, new).unwrap().changed, 0, "a second time there is nothing to do");
}

#[test]
fn a_change_of_keys_that_one_text_resists_changes_nothing() {
    let ws = Workspace::new();
    let (old, new) = (key(), key());
    ws.store.put_session(sealed("one", &old), None).unwrap();
    let mut cut = sealed("two", &old);
    cut.body.pop();
    ws.store.put_session(cut, None).unwrap();
    let before = ws.store.sessions(None).unwrap();
    let error = ws.store.change_key(old, new).unwrap_err();
    assert!(error.to_string().contains("session `two`"), "{error}");
    assert_eq!(ws.store.sessions(None).unwrap(), before);
}

#[test]
fn what_somebody_remembers_is_nobody_elses_and_can_be_forgotten() {
    let ws = Workspace::new();
    let key = key();
    ws.store.add_memory(memory("ann", &key)).unwrap();
    ws.store.add_memory(memory("bob", &key)).unwrap();
    assert_eq!(ws.store.memories("notes", "ann", 10).unwrap().len(), 1);
    assert_eq!(ws.store.forget("notes", "ann").unwrap(), 1);
    assert!(ws.store.memories("notes", "ann", 10).unwrap().is_empty());
    assert_eq!(ws.store.memories("notes", "bob", 10).unwrap().len(), 1);
}

#[test]
fn a_key_is_in_no_file_of_the_store() {
    let ws = Workspace::new();
    let text: SecretString = SealKey::generate().unwrap();
    let key = SealKey::read(&text).unwrap();
    ws.store.put_session(sealed("desk", &key), None).unwrap();
    assert!(!lies_there(&ws, text.expose_secret().as_bytes()));
    let half: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&text.expose_secret()[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(!lies_there(&ws, &half));
}
