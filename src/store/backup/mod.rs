//! Copies of a store that is a SQLite file: made while a daemon works with it, verified before they get their name, and brought back.
//!
//! A copy is the store as it was at one moment: it is read in one transaction, which writers do not wait for. It knows pages and
//! rows, and nothing of what they mean.

mod copies;
mod place;
mod restore;
mod verify;

pub(super) use copies::{newest, was_used, way_out};
pub(super) use place::beside;
pub use restore::Restored;
pub(super) use restore::restore;
pub use verify::{Check, Verified};
pub(super) use verify::{contents, look_for_damage, verify};

use super::conn::Doing;
use super::migrate;
use super::sqlite::Sqlite;
use super::{Result, StoreError};
use place::{Partial, folder, has_room, there_already};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pages of a portion: of 4 KiB each, 4 MiB. So much is written and waited for at once; a commit beside it waits for no more.
const PORTION_PAGES: i32 = 1024;
/// The longest rest between two portions of a copy that somebody works beside.
const REST_MAX: Duration = Duration::from_millis(100);

/// Behind the store's name: says that it was found damaged, and what was found.
const DAMAGED: &str = ".damaged";

/// There are commits in its log that are not in its file, so the last connection to it was not closed; or it was found damaged.
pub(super) fn is_suspect(store: &Path) -> bool {
    std::fs::metadata(beside(store, "-wal")).is_ok_and(|m| m.len() > 0) || beside(store, DAMAGED).exists()
}

/// Looks at the pages of a store that is about to be worked with, until `stop` says so, and remembers what it has found: a daemon
/// that is started again and again must not serve at the second time.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is damaged, with the way out.
pub(super) fn is_sound(store: &Path, stop: impl FnMut() -> bool + Send + 'static) -> Result<bool> {
    let mark = beside(store, DAMAGED);
    let mut conn = Sqlite::open_file(store).doing("open")?;
    conn.leave_log().doing("open")?;
    match verify::is_sound(&mut conn, store, Check::Quick, stop) {
        Ok(all) => {
            if all && mark.exists() {
                std::fs::remove_file(&mark).map_err(place::failed("forget that it was damaged", &mark))?;
            }
            Ok(all)
        }
        Err(StoreError::Corrupt { what }) => {
            if let Err(e) = std::fs::write(&mark, format!("{what}\n")) {
                log::warn!("{}: {e}; that the store is damaged is not remembered", mark.display());
            }
            Err(StoreError::Corrupt { what: what + &way_out(store) })
        }
        Err(error) => Err(error),
    }
}

/// How a copy is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Rests as long as it works: a daemon has the disk, too.
    Beside,
    /// Nobody works with the store.
    Alone,
}

/// Copies the store at `store` into the new file `to`, and gives what is in it. With `replace` it takes the place of a file of that
/// name. The daemon may run.
///
/// # Errors
/// No room, no right, a name that is taken, a store that is damaged: [`StoreError`] says which. Nothing is left under the name.
pub(super) fn back_up(store: &Path, to: &Path, replace: bool) -> Result<Verified> {
    if !replace && to.exists() {
        return Err(there_already(to));
    }
    let found = copy(store, to, replace, Pace::Beside, Check::Full)?;
    copies::note(store, to);
    Ok(found)
}

/// Copies a store whose schema is about to be brought from version `found` to what this program knows. The last two such copies
/// are kept.
///
/// # Errors
/// As [`back_up`]; the store is left as it is.
pub(super) fn before_migration(store: &Path, found: u32) -> Result<()> {
    let to = copies::before(store, found + 1);
    log::info!(
        "the store has schema version {found}, and this program works with {}: a copy is made first, {}",
        migrate::known(),
        to.display()
    );
    let begun = Instant::now();
    // One of an earlier attempt is of an older state: what counts is what the store holds now.
    let copied = copy(store, &to, true, Pace::Alone, Check::Quick);
    let copied = copied.map_err(|e| match e {
        StoreError::Refused { why } => StoreError::Refused {
            why: format!(
                "the store has schema version {found} and stays so, for it cannot be copied first: {why}"
            ),
        },
        e => e,
    })?;
    log::info!(
        "{}: {} rows, after {:.1} s",
        to.display(),
        copied.rows_in_all(),
        begun.elapsed().as_secs_f64()
    );
    copies::forget_old(store);
    Ok(())
}

/// A whole store at another place. All rows that it had at one moment are there, and every page can be read.
fn copy(store: &Path, to: &Path, replace: bool, pace: Pace, check: Check) -> Result<Verified> {
    let mut from = Sqlite::open_file(store).doing("open")?;
    from.begin_reading().doing("begin to read")?;
    if migrate::look(&mut from)?.whole()? == 0 {
        return Err(StoreError::Refused {
            why: format!("{} is empty: there is nothing to copy", store.display()),
        });
    }
    has_room(folder(to), from.size().doing("ask for its size")?, "a copy of the store")?;
    let partial = Partial::begin(to)?;
    write(&from, &partial, pace)?;
    let there = verify::look(&mut from, store)?;
    drop(from);
    let here = verify::verify(partial.path(), check)?;
    if let Some((table, rows)) = there.rows.iter().find(|(table, rows)| here.rows.get(*table) != Some(rows)) {
        return Err(StoreError::Corrupt {
            what: format!("table {table} has {rows} rows, which have not all arrived"),
        });
    }
    partial.publish(to, replace)?;
    Ok(here)
}

/// Writes all pages of a store into a file. Each portion is on the disk before the next one is begun: what is written and not
/// yet on the disk would all be waited for by the next commit of a daemon.
fn write(from: &Sqlite, partial: &Partial, pace: Pace) -> Result<()> {
    const DOING: &str = "copy it";
    let mut begun = Instant::now();
    let between = || {
        partial.sync()?;
        if pace == Pace::Beside {
            std::thread::sleep(begun.elapsed().min(REST_MAX));
        }
        begun = Instant::now();
        Ok(())
    };
    from.copy_into(partial.path(), PORTION_PAGES, between).doing(DOING)
}
