//! Opening: what is made, what is refused, and what a broken or foreign file is called.

use crate::support::{Workspace, files, open, spec};
use aic_base::SystemClock;
use aic_store::{Store, StoreError};
use std::path::Path;
use std::sync::Arc;

fn try_open(workspace: &Path) -> Result<Store, StoreError> {
    Store::open(workspace, Arc::new(SystemClock::new()))
}

#[test]
fn opening_makes_a_folder_that_git_ignores() {
    let ws = Workspace::new();
    let read = |name: &str| std::fs::read_to_string(ws.folder.path().join(".aic").join(name)).unwrap();
    assert_eq!(read(".gitignore"), "*\n");
    assert_eq!(ws.store.workspace(), ws.folder.path().canonicalize().unwrap());
    assert!(ws.store.recovered().is_none() && !ws.store.is_read_only());
}

#[test]
fn a_workspace_must_be_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, "x").unwrap();
    for path in [file, folder.path().join("none")] {
        assert!(matches!(try_open(&path), Err(StoreError::NoWorkspace { .. })));
        assert!(matches!(Store::open_read_only(&path), Err(StoreError::NoWorkspace { .. })));
    }
}

#[test]
fn what_is_no_store_is_named_and_left_alone() {
    for content in [&b"this is no database, but long enough to be looked at"[..], &[0xFF; 4096]] {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join(".aic/store.db");
        std::fs::create_dir(folder.path().join(".aic")).unwrap();
        std::fs::write(&db, content).unwrap();
        for result in [try_open(folder.path()), Store::open_read_only(folder.path())] {
            let error = result.unwrap_err();
            assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
            assert!(error.to_string().contains(".aic.damaged-1"), "{error}");
        }
        assert_eq!(std::fs::read(&db).unwrap(), content);
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".aic")).unwrap();
    let theirs = rusqlite::Connection::open(folder.path().join(".aic/store.db")).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(theirs);
    assert!(matches!(try_open(folder.path()), Err(StoreError::NotAStore { .. })));
}

#[test]
fn a_store_of_a_newer_program_is_not_touched() {
    let ws = Workspace::new();
    let db = rusqlite::Connection::open(ws.folder.path().join(".aic/store.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    for result in [try_open(ws.folder.path()), Store::open_read_only(ws.folder.path())] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 99, .. }), "{error}");
    }
}

#[test]
fn a_damaged_store_says_so_wherever_it_is_hit() {
    let ws = Workspace::new();
    for n in 0..200 {
        ws.store.record_version(crate::support::new_version(files(&[("s", &n.to_string())]))).unwrap();
    }
    assert!(ws.store.checkpoint().unwrap());
    let Workspace { folder, store } = ws;
    drop(store);
    let db = folder.path().join(".aic/store.db");
    let mut bytes = std::fs::read(&db).unwrap();
    // Everything but the first page, which says that it is a store.
    bytes[4096..].fill(0x5A);
    std::fs::write(&db, &bytes).unwrap();
    let result = try_open(folder.path()).and_then(|store| store.versions(&spec()));
    assert!(matches!(result, Err(StoreError::Corrupt { .. })), "{result:?}");
    assert!(db.exists());
}

#[test]
fn a_version_whose_bytes_were_changed_is_not_handed_out() {
    let ws = Workspace::new();
    let one = ws.save(&[("s", "one")]).digest;
    let db = rusqlite::Connection::open(ws.folder.path().join(".aic/store.db")).unwrap();
    db.execute_batch("DROP TRIGGER blob_stays; UPDATE blob SET bytes = x'00'").unwrap();
    assert!(matches!(ws.store.files_of(one), Err(StoreError::Corrupt { .. })));
}

#[test]
fn reading_only_needs_a_store_and_refuses_to_write() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open_read_only(folder.path()), Err(StoreError::Missing { .. })));
    let ws = Workspace::new();
    ws.save(&[("s", "one")]);
    let reader = Store::open_read_only(ws.folder.path()).unwrap();
    assert_eq!(reader.versions(&spec()).unwrap().len(), 1);
    let refused = reader.record_version(crate::support::new_version(files(&[("s", "two")])));
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })));
    assert!(matches!(reader.recorder().flush(), Err(StoreError::ReadOnly { .. })));
    assert!(reader.is_read_only());
}

#[test]
fn a_file_in_the_folders_place_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".aic"), "x").unwrap();
    assert!(matches!(try_open(folder.path()), Err(StoreError::Unwritable { .. })));
}

#[cfg(unix)]
#[test]
fn a_store_that_is_a_link_elsewhere_is_refused() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join(".aic")).unwrap();
    assert!(matches!(try_open(folder.path()), Err(StoreError::Unwritable { .. })));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_in_a_tree_that_cannot_be_written_is_read_with_or_without_its_marks() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let ws = Workspace::new();
    for text in ["one", "two"] {
        ws.save(&[("s", text)]);
    }
    let Workspace { folder, store } = ws;
    drop(store);
    let aic = folder.path().join(".aic");
    let set = |path: &Path, bits| std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
    for with_marks in [true, false] {
        if !with_marks {
            set(&aic, 0o755);
            std::fs::remove_file(aic.join("store.db-shm")).unwrap();
        }
        for entry in std::fs::read_dir(&aic).unwrap() {
            set(&entry.unwrap().path(), 0o444);
        }
        set(&aic, 0o555);
        set(folder.path(), 0o555);
        let mut child = crate::child::command("read", folder.path());
        // Permissions do not stop a superuser: then somebody else looks.
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            child.uid(65_534).gid(65_534);
        }
        let read = child.status().map(|status| status.success());
        set(folder.path(), 0o755);
        assert!(read.unwrap(), "with marks: {with_marks}");
    }
    set(&aic, 0o755);
}

#[test]
fn opening_and_reading_do_not_wait_for_somebody_who_writes() {
    let ws = Workspace::new();
    ws.save(&[("s", "one")]);
    let holder = rusqlite::Connection::open(ws.folder.path().join(".aic/store.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let other = open(ws.folder.path());
    assert_eq!(other.versions(&spec()).unwrap().len(), 1, "readers do not wait");
    holder.execute_batch("COMMIT").unwrap();
    other.record_version(crate::support::new_version(files(&[("s", "two")]))).unwrap();
}
