//! `mozpool db restore`: what it refuses, what it keeps, and when it is killed.

use super::{REQUESTS, arg, copies, db_refuses, db_well, grow, killed, number, sql};
use crate::support::{Lab, mozpool, wait_for};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const DEVICES: &str = "SELECT COUNT(*) FROM devices";

#[test]
fn a_store_that_a_daemon_has_is_not_replaced() {
    let lab = Lab::new();
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    let daemon = lab.serve();
    let id = daemon.request();
    let error = db_refuses(&lab, &["restore", &arg(&lab, "copy.db")]);
    assert!(error.contains("mozpool.db is in use by process "), "{error}");
    assert_eq!(copies(&lab), ["copy.db"]);
    daemon.get(&format!("request/{id}/status"));
    assert!(daemon.terminate().success());
}

#[test]
fn what_is_no_whole_store_is_not_brought_back() {
    let lab = Lab::new();
    let store = || std::fs::read(lab.path("mozpool.db")).expect("a file");
    let before = store();
    std::fs::write(lab.path("text.db"), "no database, and long enough for the head of one".repeat(40))
        .expect("a file");
    sql(&lab.path("other.db"), "CREATE TABLE bookmarks (url TEXT)");
    std::fs::write(lab.path("empty.db"), "").expect("a file");
    for (name, version) in [("newer.db", "version + 1"), ("copy.db", "version")] {
        db_well(&lab, &["backup", &arg(&lab, name)]);
        sql(&lab.path(name), &format!("UPDATE schema_version SET version = {version}"));
    }
    std::fs::copy(lab.path("copy.db"), lab.path("cut.db")).expect("a file");
    let cut = std::fs::OpenOptions::new().write(true).open(lab.path("cut.db")).expect("a file");
    cut.set_len(cut.metadata().expect("a file").len() / 2).expect("it may be cut");
    for (name, why) in [
        ("nothing.db", "nothing.db: there is no such file"),
        ("text.db", "text.db is not a SQLite database"),
        ("other.db", "is a database of another program"),
        ("empty.db", "empty.db is empty; name a backup"),
        ("newer.db", "install the newer program again"),
        ("cut.db", "cut.db is damaged ("),
        ("mozpool.db", "mozpool.db is the store itself"),
    ] {
        let error = db_refuses(&lab, &["restore", &arg(&lab, name)]);
        assert!(error.contains(why), "{name}: {error}");
        assert_eq!(store(), before, "{name}: the store is as it was");
    }
    assert!(
        copies(&lab).iter().all(|n| !n.contains("replaced") && !n.contains("partial")),
        "{:?}",
        copies(&lab)
    );
}

#[test]
fn what_is_replaced_stays_with_all_that_was_in_its_log() {
    let lab = Lab::new();
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    std::fs::set_permissions(lab.path("mozpool.db"), PermissionsExt::from_mode(0o644)).expect("it is ours");
    let daemon = lab.serve();
    let id = daemon.request();
    // Its last commits are in the log only.
    daemon.kill();
    assert!(std::fs::metadata(lab.path("mozpool.db-wal")).is_ok_and(|m| m.len() > 0));
    let said = db_well(&lab, &["restore", &arg(&lab, "copy.db")]);
    assert!(said.contains("what was there is ") && said.contains("mozpool.db.replaced-20"), "{said}");
    assert_eq!(number(&lab.path("mozpool.db"), "SELECT COUNT(*) FROM requests"), 0);
    let now = std::fs::metadata(lab.path("mozpool.db")).expect("a file");
    let copy = std::fs::metadata(lab.path("copy.db")).expect("a file");
    assert_eq!(now.permissions().mode() & 0o777, 0o644, "who may read the store may read it now");
    assert_ne!(now.ino(), copy.ino(), "the backup stays what it is");
    let names = copies(&lab);
    let [backup, replaced] = &names[..] else { panic!("{names:?}") };
    assert_eq!(backup, "copy.db");
    let replaced = lab.path(replaced);
    assert_eq!(number(&replaced, &format!("SELECT COUNT(*) FROM requests WHERE id = {id}")), 1);
    // And may come back, too.
    db_well(&lab, &["restore", &replaced.display().to_string()]);
    let daemon = lab.serve();
    daemon.get(&format!("request/{id}/status"));
    assert!(daemon.terminate().success());
}

#[test]
fn a_restore_that_is_killed_has_changed_nothing() {
    let lab = Lab::new();
    grow(&lab, 64);
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    sql(&lab.path("mozpool.db"), "DELETE FROM device_log_chunks; DELETE FROM devices");
    let mut restore = mozpool(&lab.config())
        .args(["db", "restore"])
        .arg(lab.path("copy.db"))
        .stdout(Stdio::null())
        .spawn()
        .expect("mozpool runs");
    wait_for("the restore to be begun", || {
        std::fs::metadata(lab.path("mozpool.db.partial")).is_ok_and(|m| m.len() > 0).then_some(())
    });
    restore.kill().expect("it runs");
    restore.wait().expect("it ends");
    assert_eq!(copies(&lab), ["copy.db", "mozpool.db.partial"]);
    assert_eq!(number(&lab.path("mozpool.db"), DEVICES), 0);
    db_well(&lab, &["restore", &arg(&lab, "copy.db")]);
    assert_eq!(number(&lab.path("mozpool.db"), DEVICES), 1);
    assert!(!copies(&lab).contains(&"mozpool.db.partial".to_owned()));
}

/// The calls by which a restore changes what is where, and has it put on the disk; each by the names that systems have for it.
const STEPS: [&str; 5] =
    ["linkat", "?rename,?renameat,?renameat2", "?unlink,?unlinkat", "fsync,fdatasync", "ftruncate"];

#[test]
fn a_restore_that_is_killed_at_any_step_leaves_a_whole_store_and_loses_none() {
    let lab = Lab::new();
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    let made = killed(&lab);
    let store = lab.path("mozpool.db");
    let files = ["mozpool.db", "mozpool.db-wal"].map(|name| {
        let bytes = std::fs::read(lab.path(name)).expect("a file");
        (lab.path(name), bytes)
    });
    for calls in STEPS {
        for step in 1.. {
            for name in copies(&lab).iter().filter(|name| *name != "copy.db") {
                std::fs::remove_file(lab.path(name)).expect("it is ours");
            }
            for (path, bytes) in &files {
                std::fs::write(path, bytes).expect("a file");
            }
            let mut restore = Command::new("strace");
            restore.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={calls}")).arg("-e");
            restore.arg(format!("inject={calls}:signal=KILL:when={step}")).arg(env!("CARGO_BIN_EXE_mozpool"));
            restore.arg("--config").arg(lab.config()).args(["db", "restore"]).arg(lab.path("copy.db"));
            let ended = restore.output().expect("strace of the Debian package strace");
            if ended.status.success() {
                assert!(step > 1, "{calls}: a restore makes none, and nothing was tried");
                break;
            }
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.signal(), Some(9), "{calls} {step}: {said}");

            let what = format!("killed at {calls} {step}");
            db_well(&lab, &["verify"]);
            let now = number(&store, REQUESTS);
            assert!(now == made || now == 0, "{what}: {now} requests, so it is neither of the two");
            let mut others = copies(&lab).into_iter().filter(|n| n.contains("replaced-") && n.ends_with('Z'));
            assert!(
                now == made || others.any(|name| number(&lab.path(&name), REQUESTS) == made),
                "{what}: what was there is lost: {:?}",
                copies(&lab)
            );
            db_well(&lab, &["restore", &arg(&lab, "copy.db")]);
            assert_eq!(number(&store, REQUESTS), 0, "{what}: it may be done again");
        }
    }
}
