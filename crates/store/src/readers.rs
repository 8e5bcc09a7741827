//! The readers' connections: each read has one of its own and sees one moment of the store.

use crate::error::{Fault, StoreError};
use crate::schema::{Access, connect};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// How many idle connections are kept.
const KEPT: usize = 4;

/// The connections that are not in use.
#[derive(Debug)]
pub(crate) struct Readers {
    db: PathBuf,
    access: Access,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(db: PathBuf, access: Access) -> Self {
        Self { db, access, idle: Mutex::default() }
    }

    /// Reads inside one transaction, so that several statements see the same moment.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => connect(&self.db, self.access).map_err(|fault| fault.at(&self.db))?,
        };
        let result = conn.unchecked_transaction().map_err(Fault::from).and_then(|tx| read(&tx));
        // A connection that failed is not used again: the next one may meet a healed disk.
        if !matches!(result, Err(Fault::Sql(_))) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(conn);
            }
        }
        result.map_err(|fault| fault.at(&self.db))
    }
}
