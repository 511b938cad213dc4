//! Who may open a store, what is found in it, and what stays when the program dies. Mostly about files.

use crate::*;
use mozpool::store::{LogChunk, LogSearch, StoreError, TooOld};
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
fn requests_and_devices_of_an_older_store_are_read_as_before() {
    let world = World::file();
    let first = include_str!("../../src/store/migrations/sqlite/0001_first.sql");
    sql(
        &path(&world),
        &format!(
            "CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES (1); {first}
             INSERT INTO imaging_servers VALUES ('here', '');
             INSERT INTO hardware_types VALUES (1, 'panda', '', 10, '{{}}');
             INSERT INTO images VALUES (1, 'b2g', '[]', '', 1, 0, 'ping', '', '{{}}');
             INSERT INTO pxe_configs VALUES ('image', '', '', 1);
             INSERT INTO image_pxe_configs VALUES ('b2g', 1, 'image');
             INSERT INTO devices (name, fqdn, imaging_server, relay_info, environment, hardware_id, processor, tags,
               comments, inventory_id, state, epoch, state_since, counters, installed_image, vanished, self_testing, failures)
               VALUES ('d1', 'd1', 'here', '', 'lab', 1, 'armv7', '[\"usb\"]', '', 0, 'ready', 1, 0, '{{}}', 'b2g', 0, 0, '[]'),
                      ('d2', 'd2', 'here', '', 'lab', 1, '', '[]', '', 0, 'ready', 1, 0, '{{}}', NULL, 0, 0, '[]');
             INSERT INTO requests (imaging_server, assignee, reason, created, environment, image, boot_config, hardware_type,
               processor, tags, state, epoch, counters, expires)
               VALUES ('here', 'ann', '', 0, 'lab \"x\"', 'b2g', '{{}}', '[\"panda\"]', NULL, '[\"usb\",\"a\"]',
                       'ready', 1, '{{}}', 1),
                      ('here', 'bob', '', 0, NULL, 'b2g', '{{}}', NULL, NULL, '[]', 'ready', 1, '{{}}', 1);
             INSERT INTO claims (request_id, device_id) VALUES (1, 2);
             INSERT INTO device_logs (device_id, at, source, message) VALUES (1, 5, 'statemachine', 'one'), (1, 6, 'syslog', 'Two');"
        ),
    );
    let mut store = world.open();
    let machine = load_request(&mut *store, RequestId(1));
    assert_eq!(machine.wanted.environment, Some("lab \"x\"".into()));
    assert_eq!(
        machine.wanted.hardware_type,
        Some("[\"panda\"]".into()),
        "a name is a name, whatever it looks like"
    );
    assert_eq!((machine.wanted.processor, &machine.wanted.tags[..]), (None, &["usb".into(), "a".into()][..]));
    assert_eq!(load_request(&mut *store, RequestId(2)).wanted.environment, None);
    let kinds = store.free_kinds().unwrap();
    let [kind] = &kinds[..] else { panic!("{kinds:?}") };
    assert_eq!((kind.image.as_str(), kind.kind.processor.as_str()), ("b2g", "armv7"));
    assert_eq!(store.free_devices(kind, 0, 9).unwrap(), ["d1".into()], "the other one is claimed");
    assert_eq!(store.mend_free().unwrap(), 0);

    // Lines that had a row of their own are of the same log as the pieces that come now, and grow as old.
    let mut piece = LogChunk::new("d1".into(), Timestamp(7));
    piece.push(Timestamp(7), "two again");
    store.append_log_chunks(&[piece], true).unwrap();
    let search = LogSearch { text: "two".into(), ..LogSearch::default() };
    assert_eq!(messages(&store.search_log("d1", &search).unwrap().lines), ["Two", "two again"]);
    assert_eq!(messages(&store.device_log("d1", None, None).unwrap()), ["one", "Two", "two again"]);
    let never = Timestamp(i64::MIN);
    let too_old = TooOld {
        logs: Timestamp(6),
        requests: never,
        changes: never,
        reports: never,
        audit: never,
        now: Timestamp(8),
    };
    assert!(!store.prune(&too_old, 100).unwrap());
    assert_eq!(messages(&store.device_log("d1", None, None).unwrap()), ["Two", "two again"]);
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let world = World::file();
    drop(world.open());
    sql(&path(&world), "UPDATE schema_version SET version = 99");
    let error = open_error(&world.location);
    assert!(matches!(error, StoreError::TooNew { found: 99, known } if known < 99), "{error}");
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
fn an_unreadable_row_that_is_too_old_goes_with_the_others() {
    let world = World::file();
    let mut store = world.with_lab();
    let row =
        "(address, imaging_server, first_at, last_at, seen, asked_for, os, hardware, pool, ignored, mac)";
    let values = "('', 'here', 0, 0, 1, '', '', '', '', 0";
    sql(
        &path(&world),
        &format!("INSERT INTO candidates {row} VALUES {values}, 'no mac'), {values}, '020000000109')"),
    );
    let now = T0;
    let too_old = TooOld { logs: T0, requests: T0, changes: T0, reports: T0, audit: T0, now };
    while store.prune(&too_old, 100).expect("a row that nobody can read stops nothing") {}
    let left = rusqlite::Connection::open(path(&world)).expect("the file");
    let left: i64 =
        left.query_row("SELECT COUNT(*) FROM candidates", [], |row| row.get(0)).expect("a number");
    assert_eq!(left, 0);
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
    assert!(store.board("panda-1", T0).is_err(), "whoever would give it away cannot read it either");
    let some = store.some_boards(&["panda-1".into(), "panda-2".into()], T0).expect("bad rows are left out");
    assert_eq!(some.len(), 1, "and the others can be given away");

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
