//! The runner lease: one process of a workspace runs tests, the others follow through the store.

use crate::error::{StoreError, unwritable};
use crate::store::{Store, lock_file};
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

/// Held by the process that runs. Given back when it is dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

impl Store {
    /// Takes the runner lease of the workspace; nothing if somebody else (another process, or another handle of this
    /// one) has it.
    ///
    /// # Errors
    /// If the lease's file cannot be written or locked.
    pub fn try_lease(&self) -> Result<Option<Lease>, StoreError> {
        let path = self.inner.folder.join("lease");
        let mut file = lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(unwritable(&path, &error)),
        }
        // For people: who has it. Nothing depends on it.
        let held = format!("{} {}\n", std::process::id(), self.now());
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(held.as_bytes()));
        written.map_err(|error| unwritable(&path, &error))?;
        Ok(Some(Lease { _file: file }))
    }

    /// The process that took the lease last, by its number, for messages; it may have gone since.
    pub fn lease_holder(&self) -> Option<u32> {
        let mut text = String::new();
        File::open(self.inner.folder.join("lease")).ok()?.take(64).read_to_string(&mut text).ok()?;
        text.split(' ').next()?.parse().ok()
    }
}
