//! Who may open a store, what is found in it, and what stays when the program dies. Mostly about files.

use crate::*;
use mozpool::store::StoreError;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn path(world: &World) -> PathBuf {
    world.location.path().unwrap().to_path_buf()
}

/// Another program at the same file: for doing what no store would do.
fn sql(path: &Path, text: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(text).unwrap();
}

fn open_error(location: &Location) -> StoreError {
    location.open().err().expect("this must not open")
}

pub(crate) fn threads_may_open_at_once(world: &World) {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(world.open().pxe_configs().unwrap().len(), 4));
        }
    });
    assert_eq!(world.open().images().unwrap().len(), 2, "seeded once");
}

#[test]
fn what_was_acknowledged_survives_the_program() {
    let world = World::file();
    let mut store = world.with_lab();
    put(&mut *store, "panda-1", State::PxeBooting);
    let asker = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asker, "panda-2"), Committed::Done);
    // What is on the disk now is what a crash would leave: copied with the connection still open and its log not merged.
    let crashed = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(world.dir.as_ref().unwrap().path()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), crashed.path().join(entry.file_name())).unwrap();
        }
    }
    let mut after = Location::sqlite(crashed.path().join("mozpool.db")).open().unwrap();
    assert_eq!(device(&mut *after, "panda-1"), device(&mut *store, "panda-1"));
    assert_eq!(load_request(&mut *after, asker.id).assigned.as_deref(), Some("panda-2"));
    drop(store);
    assert_eq!(device(&mut *world.open(), "panda-1"), device(&mut *after, "panda-1"));
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let world = World::file();
    drop(world.open());
    sql(&path(&world), "UPDATE schema_version SET version = 99");
    let error = open_error(&world.location);
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn what_is_no_database_is_named_and_left_alone() {
    let world = World::file();
    let text = "this is not a database, and long enough not to look like the head of one".repeat(20);
    std::fs::write(path(&world), &text).unwrap();
    let error = open_error(&world.location);
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("mozpool.db is not a SQLite database; move it away"), "{error}");
    assert_eq!(std::fs::read_to_string(path(&world)).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let world = World::file();
    sql(&path(&world), "CREATE TABLE bookmarks (url TEXT)");
    let error = open_error(&world.location).to_string();
    assert!(error.contains("another program; name another file"), "{error}");
}

#[test]
fn an_impossible_place_is_named_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = Location::sqlite(dir.path().join("missing/mozpool.db"));
    let error = open_error(&nowhere).to_string();
    assert!(
        error.contains("missing/mozpool.db: there is no directory") && error.contains("create it"),
        "{error}"
    );
    let error = nowhere.lock().unwrap_err().to_string();
    assert!(error.contains("missing/mozpool.db.lock") && error.contains("create its directory"), "{error}");
    let error = open_error(&Location::sqlite(dir.path())).to_string();
    assert!(error.contains("is a directory; name a file in it"), "{error}");
}

#[test]
fn a_second_daemon_is_told_who_the_first_is() {
    let world = World::file();
    let first = world.location.lock().unwrap();
    let error = world.location.lock().unwrap_err();
    let StoreError::Locked { path: locked, holder } = &error else { panic!("{error}") };
    assert_eq!(Path::new(locked), path(&world));
    assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{holder}");
    drop(world.open());
    assert!(world.location.lock().is_err(), "a store that is closed does not take the lock with it");
    drop(first);
    let second = world.location.lock().expect("free again");
    drop(second);
}

#[test]
fn a_lock_ends_with_its_process_however_that_dies() {
    let world = World::file();
    let lock_file = format!("{}.lock", path(&world).display());
    let mut holder = Command::new("flock")
        .args(["--no-fork", "--exclusive", &lock_file, "sh", "-c", "echo locked; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("flock(1) from the Debian package util-linux");
    let mut line = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    let error = world.location.lock().unwrap_err();
    assert!(matches!(&error, StoreError::Locked { holder, .. } if holder == "another process"), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    drop(world.location.lock().expect("the kernel has given it back"));
}

#[test]
fn an_unreadable_row_is_named_and_hides_no_other() {
    let world = World::file();
    let mut store = world.with_lab();
    let asker = request(&mut *store, "here");
    let other = request(&mut *store, "here");
    sql(&path(&world), "UPDATE devices SET counters = '{\"pxe_booting\": ' WHERE name = 'panda-1'");
    sql(&path(&world), "UPDATE images SET health_check = 'magic' WHERE name = 'android'");
    sql(&path(&world), &format!("UPDATE requests SET state = 'dreaming' WHERE id = {}", asker.id));

    let error = store.load_device("panda-1").unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("table devices, row panda-1, column counters"), "{error}");
    let loaded = store.load_devices("here").unwrap();
    assert_eq!(loaded.len(), 2, "the others can be worked with");
    assert_eq!(store.devices(&Default::default()).unwrap().len(), 3);
    let free = store.free_devices(&wanted(None), T0).unwrap();
    assert!(free.iter().all(|c| &*c.name != "panda-1"), "an unreadable device is given to nobody");

    let error = store.image("android").unwrap_err().to_string();
    assert!(error.contains("table images, row android, column health_check"), "{error}");
    assert!(!store.catalog().unwrap().images.contains_key("android"));

    let error = store.request(asker.id).unwrap_err().to_string();
    assert!(error.contains("column state: `dreaming`"), "{error}");
    let left: Vec<_> = store.load_requests("here").unwrap().into_iter().map(|r| r.machine.id).collect();
    assert_eq!(left, [other.id]);
}

#[test]
fn a_state_that_nobody_knows_is_unknown_and_shown_as_it_is() {
    let world = World::file();
    let mut store = world.with_lab();
    sql(&path(&world), "UPDATE devices SET state = 'off' WHERE name = 'panda-1'");
    assert_eq!(device(&mut *store, "panda-1").state, State::Unknown);
    assert_eq!(store.device("panda-1").unwrap().unwrap().state, "off");
    assert_eq!(store.named("panda-1").unwrap().unwrap().state, "off");
}
