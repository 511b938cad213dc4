//! This server's place in the store: its part of the lock, and its row. It knows nothing of threads.

use crate::clock::{Clock, SystemClock};
use crate::store::{Location, ServerRow, Store, StoreError, StoreLock};

/// A place among the daemons of a pool. A store of an older schema is brought up to date by one that has it for itself, for the
/// programs that work with the older one would not know what they read.
pub(super) fn share(location: &Location, name: &str) -> Result<StoreLock, StoreError> {
    if location.path().is_some_and(std::path::Path::exists) {
        let (found, known) = location.schema()?;
        if found < known {
            let alone = location.lock()?;
            drop(location.open()?);
            drop(alone);
        }
    }
    location.share(name)
}

/// Writes this server's row. On a disk that is full a server goes on that was known before: it answers boards, and works when there
/// is room again.
pub(super) fn make_known(store: &mut dyn Store, row: &ServerRow) -> Result<(), StoreError> {
    match store.register_server(row, SystemClock.now()) {
        Err(error @ StoreError::Unavailable { .. }) => match store.servers() {
            Ok(known) if known.iter().any(|s| s.name == row.name) => {
                log::error!("{error}; nothing can be written, and what needs that waits");
                Ok(())
            }
            _ => Err(error),
        },
        done => done,
    }
}
