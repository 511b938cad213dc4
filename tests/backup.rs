//! What an operator does when it matters, with the built program: copies of the store, made beside a daemon under load, killed in the
//! middle, brought back; stores that are damaged, gone, or on a disk that is full; and the bundle for whoever is to help.

mod support;

#[path = "backup/bundling.rs"]
mod bundling;
#[path = "backup/damaged.rs"]
mod damaged;
#[path = "backup/full.rs"]
mod full;
#[path = "backup/restoring.rs"]
mod restoring;
#[path = "backup/taking.rs"]
mod taking;
#[path = "backup/upgrading.rs"]
mod upgrading;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use support::{Lab, mozpool, wait_for};

const REQUESTS: &str = "SELECT COUNT(*) FROM requests";

/// Runs `mozpool db` with a lab's configuration.
fn db(lab: &Lab, args: &[&str]) -> Output {
    mozpool(&lab.config()).arg("db").args(args).output().expect("mozpool runs")
}

/// The same; what it says when it has done it.
fn db_well(lab: &Lab, args: &[&str]) -> String {
    let output = db(lab, args);
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {error}");
    said.into_owned()
}

/// The same; what it says when it refuses.
fn db_refuses(lab: &Lab, args: &[&str]) -> String {
    let output = db(lab, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the daemon says when it does not start, and may at the next try.
fn does_not_start(lab: &Lab) -> String {
    ends_with(lab, 1)
}

/// What it says of a store that only a person can bring back.
fn is_damaged(lab: &Lab) -> String {
    ends_with(lab, 6)
}

fn ends_with(lab: &Lab, code: i32) -> String {
    let mut serve =
        Gone(mozpool(&lab.config()).arg("serve").stderr(Stdio::piped()).spawn().expect("mozpool runs"));
    let ended = wait_for("the daemon to give up", || serve.0.try_wait().expect("it is our child"));
    let mut error = String::new();
    // A few lines, which the pipe holds.
    serve.0.stderr.take().expect("it is piped").read_to_string(&mut error).expect("text");
    assert_eq!(ended.code(), Some(code), "{error}");
    error
}

/// A program that does not outlive its test.
struct Gone(Child);

impl Drop for Gone {
    fn drop(&mut self) {
        // It has ended in most cases.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A path of the lab as an argument.
fn arg(lab: &Lab, name: &str) -> String {
    lab.path(name).display().to_string()
}

/// Names of files of the lab that have to do with copies of the store, sorted.
fn copies(lab: &Lab) -> Vec<String> {
    let entries = std::fs::read_dir(lab.folder.path()).expect("a folder");
    let names = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    let is_other = |n: &String| {
        let mine =
            ["mozpool.db", "mozpool.db-wal", "mozpool.db-shm", "mozpool.db.lock", "mozpool.db.last-backup"];
        !n.contains(".db") || mine.contains(&n.as_str())
    };
    let mut names: Vec<String> = names.filter(|n| !is_other(n)).collect();
    names.sort();
    names
}

/// A store that was killed while it was worked with; how many requests are in it.
fn killed(lab: &Lab) -> i64 {
    let daemon = lab.serve();
    let made = 20;
    for _ in 0..made {
        daemon.request();
    }
    daemon.kill();
    made
}

/// SQL on a file that nobody else has open.
fn sql(path: &Path, text: &str) {
    rusqlite::Connection::open(path)
        .and_then(|c| c.execute_batch(text))
        .expect("a database that can be written");
}

/// A number out of a file that nobody else has open.
fn number(path: &Path, query: &str) -> i64 {
    let file = rusqlite::Connection::open(path).expect("a database");
    file.query_row(query, [], |row| row.get(0)).expect("a number")
}

/// Makes the store so many MiB large, with what a board has said.
fn grow(lab: &Lab, mib: u32) {
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO device_log_chunks \
         (device_id, first_at, last_at, line_count, bytes, text) SELECT (SELECT id FROM devices), i, i, 1, 65536, \
         '0 ' || hex(zeroblob(32767)) FROM n",
        mib * 16
    );
    sql(&lab.path("mozpool.db"), &fill);
}
