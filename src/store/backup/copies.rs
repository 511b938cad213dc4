//! The copies of a store that this program knows of: for whoever has lost it.
//!
//! Those that lie beside it are known by their names; of the last backup, which should lie elsewhere, a line is written down.

use super::place::{beside, folder};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Behind the store's name: the file that says where the last backup is.
const NOTE: &str = ".last-backup";
/// Behind the store's name, before the number of the first step: copies made before its schema was changed.
const BEFORE: &str = ".before-";
/// Behind the store's name: what a restore has replaced.
const REPLACED: &str = ".replaced-";
/// Such copies that are kept: the last one, and one more in case it was made of something bad.
const BEFORE_KEPT: usize = 2;

/// The name of the copy that is made before step `step` of the schema.
pub(super) fn before(store: &Path, step: u32) -> PathBuf {
    beside(store, &format!("{BEFORE}{step:04}"))
}

/// The name under which a store that is replaced stays.
pub(super) fn replaced(store: &Path, stamp: &str) -> PathBuf {
    beside(store, &format!("{REPLACED}{stamp}"))
}

/// Files beside the store whose names begin with the store's and `ending`, sorted by name. Their logs are left out.
fn with_ending(store: &Path, ending: &str) -> Vec<PathBuf> {
    let Some(name) = store.file_name() else { return Vec::new() };
    let start = format!("{}{ending}", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder(store)) else { return Vec::new() };
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    let is_copy =
        |n: &String| n.starts_with(&start) && !["-wal", "-shm", ".partial"].iter().any(|e| n.ends_with(e));
    let mut found: Vec<PathBuf> = names.filter(is_copy).map(|n| folder(store).join(n)).collect();
    found.sort();
    found
}

/// Deletes the oldest copies that were made before changes of the schema, all but the last ones.
pub(super) fn forget_old(store: &Path) {
    let copies = with_ending(store, BEFORE);
    let too_many = copies.len().saturating_sub(BEFORE_KEPT);
    for copy in &copies[..too_many] {
        match std::fs::remove_file(copy) {
            Ok(()) => log::info!("{} was deleted: {BEFORE_KEPT} newer ones are there", copy.display()),
            Err(e) => log::warn!("{}: {e}; delete this old copy", copy.display()),
        }
    }
}

/// Writes down where the last backup is. Whoever cannot write that has made a backup nevertheless.
pub(super) fn note(store: &Path, backup: &Path) {
    let path = std::path::absolute(backup).unwrap_or_else(|_| backup.to_owned());
    let (note, new) = (beside(store, NOTE), beside(store, ".last-backup.partial"));
    let write = || {
        let mut file = std::fs::File::create(&new)?;
        writeln!(file, "{}", path.display())?;
        std::fs::rename(&new, &note)
    };
    if let Err(e) = write() {
        log::warn!("{}: {e}; where the last backup is was not written down", note.display());
    }
}

/// The backup that was written down, if it is there.
fn noted(store: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(beside(store, NOTE)).ok()?;
    Some(PathBuf::from(text.lines().next()?)).filter(|path| path.is_file())
}

/// Somebody has used this store: there are copies of it, or were.
pub(in crate::store) fn was_used(store: &Path) -> bool {
    beside(store, NOTE).exists()
        || !with_ending(store, BEFORE).is_empty()
        || !with_ending(store, REPLACED).is_empty()
}

/// The newest copy of the store that is known, by its time of writing. What a restore has replaced is none: it was replaced for a
/// reason.
pub(in crate::store) fn newest(store: &Path) -> Option<PathBuf> {
    let stem = store.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let beside_it = with_ending(&folder(store).join(&stem), "-").into_iter();
    let dated = beside_it.filter(|p| p.extension() == store.extension() && p.as_path() != store);
    let all = noted(store).into_iter().chain(with_ending(store, BEFORE)).chain(dated);
    let timed = all.filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)));
    timed.max().map(|(_, path)| path)
}

/// What to do about a store that cannot be read, as the end of a sentence.
pub(in crate::store) fn way_out(store: &Path) -> String {
    match newest(store) {
        Some(copy) => {
            let copy = copy.display();
            format!(
                "; the newest copy that is known is {copy}: stop the daemon, and mozpool.socket if systemd holds its ports, then \
                 `mozpool db restore {copy}`"
            )
        }
        None => {
            "; no backup of it is known: stop the daemon, and mozpool.socket if systemd holds its ports, and bring one back with \
             `mozpool db restore`"
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_newest_copy_is_found_wherever_it_was_made() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = dir.path().join("mozpool.db");
        let write = |name: &str, age_s: u64| {
            let path = dir.path().join(name);
            let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(age_s));
            File::create(&path).and_then(|f| f.set_times(times)).expect("a file");
            path
        };
        assert!(!was_used(&store) && newest(&store).is_none());
        for other in ["other-2026.db", "mozpool.db-wal", "mozpool.db.lock", "mozpool.db.before-0003.partial"]
        {
            write(other, 0);
        }
        write("mozpool.db", 0);
        assert!(!was_used(&store) && newest(&store).is_none());
        let before = write("mozpool.db.before-0003", 50);
        assert!(was_used(&store));
        assert_eq!(newest(&store), Some(before.clone()));
        let dated = write("mozpool-2026-11-22T10-00-00Z.db", 40);
        assert_eq!(newest(&store), Some(dated));
        let far = write("far.sqlite", 30);
        note(&store, &far);
        assert_eq!(newest(&store), Some(far.clone()));
        std::fs::remove_file(far).expect("it is there");
        assert_ne!(newest(&store), None, "a backup that is gone hides no other");
        write("mozpool.db.before-0010", 20);
        write("mozpool.db.before-0011", 20);
        forget_old(&store);
        assert!(!before.exists(), "the oldest goes");
        assert_eq!(with_ending(&store, BEFORE).len(), 2);
    }
}
