//! A copy takes the place of the store. At every moment either of them is there, whole, and the one that was replaced stays beside.

use super::place::{Partial, beside, failed, folder, has_room, sync_folder, there_already};
use super::verify::{self, Check, Verified};
use super::{DAMAGED, Pace, copies, write};
use crate::store::conn::Doing;
use crate::store::sqlite::{Folded, Sqlite};
use crate::store::{Result, StoreError, StoreLock};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A store's own file, where nobody says otherwise: its group may read it.
const MODE: u32 = 0o640;
const DOING: &str = "put it in the store's place";

/// What a restore has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was brought back.
    pub found: Verified,
    /// Where the store is that was there before, if there was one.
    pub replaced: Option<PathBuf>,
}

/// Puts a copy of the file `from` in the place of `store`. What is there stays, with `stamp` in its name. The lock is the store's.
///
/// # Errors
/// A file that is no whole store, or one of a newer program; no room; somebody who has the store open. The store is as it was.
pub(in crate::store) fn restore(
    from: &Path,
    store: &Path,
    stamp: &str,
    _lock: &StoreLock,
) -> Result<Restored> {
    let same = |a: &Path, b: &Path| matches!((fs::metadata(a), fs::metadata(b)), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()));
    if same(from, store) {
        return Err(StoreError::Refused {
            why: format!("{} is the store itself; name a backup of it", from.display()),
        });
    }
    let whole = verify::verify(from, Check::Full)?;
    if whole.schema == 0 {
        return Err(StoreError::Refused { why: format!("{} is empty; name a backup", from.display()) });
    }
    has_room(folder(store), whole.bytes, "the restored store")?;
    let partial = Partial::begin(store)?;
    {
        let mut conn = verify::open(from)?;
        conn.begin_reading().doing("begin to read")?;
        write(&conn, &partial, Pace::Alone)?;
    }
    let found = verify::verify(partial.path(), Check::Quick)?;
    if found.rows != whole.rows {
        return Err(StoreError::Corrupt {
            what: format!("{} has changed while it was read", from.display()),
        });
    }
    let was_there = fs::symlink_metadata(store).is_ok();
    let mode = fs::metadata(store).map_or(MODE, |m| m.mode());
    partial.belongs_like(if was_there { store } else { folder(store) }, mode)?;
    let replaced = keep(store, stamp)?;
    partial.publish(store, true)?;
    let mark = beside(store, DAMAGED);
    if mark.exists() {
        fs::remove_file(&mark).map_err(failed("forget that it was damaged", &mark))?;
    }
    Ok(Restored { found, replaced })
}

/// Keeps what is in the store's place: its file gets a second name, so that there is no moment without a store, and its log goes
/// into the file before that, for a log of another file would be taken for the new one's.
fn keep(store: &Path, stamp: &str) -> Result<Option<PathBuf>> {
    let kept = copies::replaced(store, stamp);
    let (wal, shm) = (beside(store, "-wal"), beside(store, "-shm"));
    let is_there = fs::metadata(store).is_ok_and(|m| m.len() > 0);
    if !is_there && !wal.exists() {
        return Ok(None);
    }
    if kept.exists() {
        return Err(there_already(&kept));
    }
    if is_there {
        match Sqlite::fold(store) {
            Folded::Done => {}
            Folded::Busy => {
                return Err(StoreError::Refused {
                    why: format!(
                        "{} is open in another program; find it with `fuser` and end it, then try again",
                        store.display()
                    ),
                });
            }
            // It is damaged, which may be why it is replaced: its log stays what it is.
            Folded::Unreadable(why) => log::warn!("what is replaced cannot be read: {why}"),
        }
        fs::hard_link(store, &kept).map_err(failed(DOING, &kept))?;
    }
    if wal.exists() {
        fs::rename(&wal, beside(&kept, "-wal")).map_err(failed(DOING, &wal))?;
    }
    if shm.exists() {
        // It holds nothing that is not in the log.
        fs::remove_file(&shm).map_err(failed(DOING, &shm))?;
    }
    sync_folder(store)?;
    Ok(Some(kept))
}
