//! The runner lease: one process of a workspace runs tests, the others follow through the store.

use crate::error::{StoreError, unwritable};
use crate::store::{Store, lock_file};
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

/// Held by the process that runs. Given back when it is dropped, and by the system when the process dies.
#[derive(Debug)]
pub struct Lease {
    _lock: Held,
}

/// A locked file, unlocked when it is dropped. Closing it would not be enough: a child that another thread is starting
/// has it too until it is another program, and would hold the lock for that long.
#[derive(Debug)]
pub(crate) struct Held(pub File);

impl Drop for Held {
    fn drop(&mut self) {
        // Where this fails, the end of the process does it.
        let _ = self.0.unlock();
    }
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
        Ok(Some(Lease { _lock: Held(file) }))
    }

    /// The process that took the lease last, by its number, for messages; it may have gone since.
    pub fn lease_holder(&self) -> Option<u32> {
        let mut text = String::new();
        File::open(self.inner.folder.join("lease")).ok()?.take(64).read_to_string(&mut text).ok()?;
        text.split(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_file_in_a_child_does_not_hold_the_lock_of_one_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Held(lock_file(&path).unwrap());
        held.0.try_lock().unwrap();
        // What a child has between its beginning and its program.
        let copy = held.0.try_clone().unwrap();
        drop(held);
        lock_file(&path).unwrap().try_lock().unwrap();
        drop(copy);
    }
}
