//! `mozpool db backup`: beside a daemon that works, and when it is killed.

use super::{arg, copies, db_refuses, db_well, grow};
use crate::support::{Lab, mozpool, wait_for};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Numbers of the requests in a copy.
fn requests_in(file: &std::path::Path) -> BTreeSet<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let copy =
        Connection::open_with_flags(format!("file:{}?immutable=1", file.display()), flags).expect("a copy");
    let mut rows = copy.prepare("SELECT id FROM requests").expect("a table");
    let ids = rows.query_map([], |row| row.get(0)).expect("rows");
    ids.collect::<Result<_, _>>().expect("numbers")
}

/// Tells the load to end, when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_copy_made_under_load_has_all_that_was_acknowledged_before_and_serves() {
    let lab = Lab::new();
    grow(&lab, 8);
    let daemon = lab.serve();
    let acknowledged = Mutex::new(BTreeSet::new());
    let known = || acknowledged.lock().expect("nobody panics with it").clone();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when what is looked at below is not as it should be.
        let _ends = Ends(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let id = daemon.request();
                acknowledged.lock().expect("nobody panics with it").insert(id);
            }
        });
        for name in ["one.db", "two.db", "three.db"] {
            let seen = known().len();
            wait_for("the load to go on", || (known().len() > seen + 3).then_some(()));
            let before = known();
            let said = db_well(&lab, &["backup", &arg(&lab, name)]);
            assert!(said.contains("1 devices") && said.contains("; verified, after "), "{said}");
            let copied = requests_in(&lab.path(name));
            assert!(before.is_subset(&copied), "acknowledged before: {before:?}, copied: {copied:?}");
            let more = copied.difference(&known()).count();
            assert!(more <= 1, "{more} requests are in the copy that nobody has asked for");
            let mode = std::fs::metadata(lab.path(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "what people have asked for is not everybody's to read");
        }
    });
    // What comes later is not in the copy, and gone when that is brought back.
    let copied = requests_in(&lab.path("three.db"));
    let later = daemon.request();
    assert!(!copied.contains(&later));
    assert!(daemon.terminate().success());
    db_well(&lab, &["restore", &arg(&lab, "three.db")]);
    let daemon = lab.serve();
    for id in &copied {
        daemon.get(&format!("request/{id}/status"));
    }
    assert_eq!(daemon.call("GET", &format!("request/{later}/status"), None).0, 404);
    assert!(daemon.terminate().success());
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_under_its_name() {
    let lab = Lab::new();
    grow(&lab, 64);
    let (config, to) = (lab.config(), lab.path("copy.db"));
    let mut backup =
        mozpool(&config).args(["db", "backup"]).arg(&to).stdout(Stdio::null()).spawn().expect("mozpool runs");
    wait_for("the copy to be begun", || {
        let begun = std::fs::metadata(lab.path("copy.db.partial")).is_ok_and(|m| m.len() > 0);
        begun.then_some(())
    });
    backup.kill().expect("it runs");
    backup.wait().expect("it ends");
    assert_eq!(copies(&lab), ["copy.db.partial"]);
    // What it has left is in nobody's way.
    db_well(&lab, &["verify"]);
    db_well(&lab, &["backup", &arg(&lab, "copy.db")]);
    assert_eq!(copies(&lab), ["copy.db"]);
    db_well(&lab, &["verify", &arg(&lab, "copy.db")]);
}

#[test]
fn a_name_that_is_taken_stays_unless_it_may_go() {
    let lab = Lab::new();
    let name = arg(&lab, "copy.db");
    std::fs::write(&name, "somebody's").expect("a file");
    let error = db_refuses(&lab, &["backup", &name]);
    assert!(error.contains("copy.db is there already; name another file, or a folder"), "{error}");
    assert_eq!(std::fs::read_to_string(&name).expect("a file"), "somebody's");
    db_well(&lab, &["backup", "--replace", &name]);
    db_well(&lab, &["verify", &name]);

    // A folder gets a file with the time in its name.
    std::fs::create_dir(lab.path("backups")).expect("a folder");
    let said = db_well(&lab, &["backup", &arg(&lab, "backups")]);
    let file = said.split(':').next().expect("a name").to_owned();
    assert!(file.contains("/backups/mozpool-20") && file.ends_with("Z.db"), "{said}");
    db_well(&lab, &["verify", &file]);
}

#[test]
fn a_backup_without_a_place_or_a_store_says_so() {
    let lab = Lab::new();
    let error = db_refuses(&lab, &["backup", &arg(&lab, "nowhere/copy.db")]);
    assert!(error.contains("nowhere/copy.db.partial: ") && error.contains("create its directory"), "{error}");
    assert_eq!(copies(&lab), Vec::<String>::new());
    std::fs::write(lab.config(), "[store]\nurl = \"mysql://mozpool:secret@127.0.0.1:1/mozpool\"\n")
        .expect("a file");
    for (args, instead) in [
        (&["backup", "x.db"][..], "mariadb-dump"),
        (&["restore", "x.db"][..], "mozpool db copy"),
        (&["verify"][..], "mariadb-check"),
    ] {
        let error = db_refuses(&lab, args);
        assert!(error.contains("is a database and no file") && error.contains(instead), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
