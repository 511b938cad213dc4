//! Before a newer program changes the schema of a store, it makes a copy.

use super::{copies, does_not_start, number, sql};
use crate::support::Lab;
use std::path::Path;

/// Puts a store of the first version in the place of the lab's.
fn make_old(lab: &Lab) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(lab.path(&format!("mozpool.db{end}")));
    }
    let first = include_str!("../../src/store/migrations/sqlite/0001_first.sql");
    let head = "CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES (1);";
    sql(&lab.path("mozpool.db"), &format!("{head} {first} INSERT INTO imaging_servers VALUES ('old', '')"));
}

fn version(path: &Path) -> i64 {
    number(path, "SELECT version FROM schema_version")
}

#[test]
fn a_copy_is_made_before_the_schema_is_changed_and_two_are_kept() {
    let lab = Lab::new();
    make_old(&lab);
    for old in ["mozpool.db.before-0000", "mozpool.db.before-0001"] {
        std::fs::write(lab.path(old), "of long ago").expect("a file");
    }
    let daemon = lab.serve();
    let said = daemon.terminate_and_hear().join("\n");
    assert!(
        said.contains("the store has schema version 1, ") && said.contains("a copy is made first"),
        "{said}"
    );
    assert_eq!(copies(&lab), ["mozpool.db.before-0001", "mozpool.db.before-0002"]);
    let copy = lab.path("mozpool.db.before-0002");
    assert_eq!((version(&copy), version(&lab.path("mozpool.db")) > 1), (1, true));
    assert_eq!(number(&copy, "SELECT COUNT(*) FROM imaging_servers WHERE name = 'old'"), 1);
    // Once it is of this version nothing is copied any more.
    let before = std::fs::metadata(&copy).and_then(|m| m.modified()).expect("a file");
    assert!(lab.serve().terminate().success());
    assert_eq!(std::fs::metadata(&copy).and_then(|m| m.modified()).expect("a file"), before);
}

#[test]
fn a_store_that_cannot_be_copied_is_not_changed() {
    let lab = Lab::new();
    make_old(&lab);
    // The name of the copy is a folder that cannot be replaced by a file.
    std::fs::create_dir_all(lab.path("mozpool.db.before-0002/in-it")).expect("a folder");
    let error = does_not_start(&lab);
    assert!(error.contains("mozpool.db.before-0002: "), "{error}");
    assert_eq!(version(&lab.path("mozpool.db")), 1);
    std::fs::remove_dir_all(lab.path("mozpool.db.before-0002")).expect("it is ours");
}

#[test]
fn a_package_hears_which_schema_the_store_has_beside_a_daemon_too() {
    let lab = Lab::new();
    make_old(&lab);
    let known = mozpool::store::Location::known_schema();
    let file = lab.path("mozpool.db").display().to_string();
    let told = |found| format!("store=sqlite:{file}\nfile={file}\nfound={found}\nknown={known}\n");
    assert_eq!(schema(&lab), told(1));
    assert_eq!(version(&lab.path("mozpool.db")), 1, "asking changes nothing");
    let daemon = lab.serve();
    assert_eq!(schema(&lab), told(known));
    assert!(daemon.terminate().success());
}

fn schema(lab: &Lab) -> String {
    let output =
        crate::support::mozpool(&lab.config()).args(["db", "schema"]).output().expect("mozpool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
