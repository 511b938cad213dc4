//! Stores that are damaged or gone: nothing is written over them, and what is said names the way out.

use super::{REQUESTS, arg, copies, db_refuses, db_well, does_not_start, is_damaged, killed, number};
use crate::support::Lab;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE: u64 = 4096;

/// Spoils some bytes of a file.
fn spoil(path: &Path, at: u64, bytes: usize) {
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("a file");
    assert!(file.metadata().expect("a file").len() >= at + bytes as u64, "{}", path.display());
    file.write_all_at(&vec![0x5a; bytes], at).expect("it is there");
}

/// The page that a table begins on.
fn page_of(store: &Path, table: &str) -> u64 {
    let page = number(store, &format!("SELECT rootpage FROM sqlite_master WHERE name = '{table}'"));
    u64::try_from(page).expect("they count from 1")
}

#[test]
fn a_spoilt_head_is_left_alone_and_the_newest_copy_is_named() {
    let lab = Lab::new();
    let store = lab.path("mozpool.db");
    spoil(&store, 0, 64);
    let spoilt = std::fs::read(&store).expect("a file");
    let error = is_damaged(&lab);
    assert!(error.contains("mozpool.db is not a SQLite database"), "{error}");
    assert!(error.contains("no backup of it is known"), "{error}");
    assert_eq!(std::fs::read(&store).expect("a file"), spoilt, "nothing is written over it");
}

#[test]
fn a_spoilt_page_stops_the_start_until_a_copy_is_brought_back() {
    let lab = Lab::new();
    let store = lab.path("mozpool.db");
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    let page = page_of(&store, "device_log_chunks_by_age");
    killed(&lab);
    spoil(&store, (page - 1) * PAGE, 2048);
    let spoilt = std::fs::read(&store).expect("a file");
    // As often as a service manager tries.
    for _ in 0..2 {
        let error = is_damaged(&lab);
        assert!(error.contains("mozpool.db is damaged ("), "{error}");
        assert!(error.contains(&format!("then `mozpool db restore {}`", arg(&lab, "copy.db"))), "{error}");
        assert_eq!(std::fs::read(&store).expect("a file"), spoilt, "nothing is written over it");
    }
    // Somebody else has looked at it, and its log is gone.
    let error = db_refuses(&lab, &["verify"]);
    assert!(error.contains("mozpool.db is damaged ("), "{error}");
    number(&store, "SELECT version FROM schema_version");
    assert!(!lab.path("mozpool.db-wal").exists());
    let error = is_damaged(&lab);
    assert!(error.contains("mozpool.db is damaged ("), "{error}");
    let error = db_refuses(&lab, &["backup", &arg(&lab, "bad.db")]);
    assert!(error.contains("damaged"), "{error}");
    assert_eq!(copies(&lab), ["copy.db", "mozpool.db.damaged"], "what is damaged gives no backup");

    db_well(&lab, &["restore", &arg(&lab, "copy.db")]);
    let daemon = lab.serve();
    daemon.request();
    assert!(daemon.terminate().success());
    assert!(!lab.path("mozpool.db.damaged").exists());
}

#[test]
fn a_spoilt_log_ends_where_the_damage_begins() {
    let lab = Lab::new();
    let (store, log) = (lab.path("mozpool.db"), lab.path("mozpool.db-wal"));
    let made = killed(&lab);
    let middle = std::fs::metadata(&log).expect("a log").len() / 2;
    spoil(&log, middle, 16);
    let daemon = lab.serve();
    let said = daemon.terminate_and_hear().join("\n");
    assert!(said.contains("was not closed when the daemon ended last; it is whole"), "{said}");
    db_well(&lab, &["verify"]);
    let left = number(&store, REQUESTS);
    assert!((1..made).contains(&left), "{left} of {made}: what was committed before it stays");
}

#[test]
fn a_store_that_was_lost_is_not_begun_anew() {
    let lab = Lab::new();
    let (store, log) = (lab.path("mozpool.db"), lab.path("mozpool.db-wal"));
    let made = killed(&lab);
    let whole = std::fs::read(&store).expect("a file");
    let kept = std::fs::read(&log).expect("a log");
    for left in [Some(""), None] {
        match left {
            Some(text) => std::fs::write(&store, text).expect("a file"),
            None => std::fs::remove_file(&store).expect("a file"),
        }
        let error = does_not_start(&lab);
        assert!(error.contains("is missing or empty, and its log is there"), "{error}");
        assert_eq!(std::fs::read(&log).expect("a log"), kept, "what is left stays");
    }
    std::fs::write(&store, whole).expect("a file");
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    assert_eq!(number(&store, REQUESTS), made);
    std::fs::remove_file(&store).expect("a file");
    let error = does_not_start(&lab);
    assert!(error.contains("is missing or empty, and a copy is there"), "{error}");
    assert!(error.contains(&format!("then `mozpool db restore {}`", arg(&lab, "copy.db"))), "{error}");
    assert!(!store.exists());
    db_well(&lab, &["restore", &arg(&lab, "copy.db")]);
    assert_eq!(number(&store, REQUESTS), made);
}
