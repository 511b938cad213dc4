//! A disk that is full, and one that cannot be written: what goes on, what is refused, and that nothing is lost. The disk is a
//! small file system in memory, in a mount namespace that ends with the test. Needs root.

use super::{db, db_refuses, db_well, does_not_start, number, sql};
use crate::support::{Daemon, Lab, mozpool, wait_for};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// A lab whose store lies on a disk of its own. Its threads and programs alone see that.
struct Small {
    lab: Lab,
    disk: tempfile::TempDir,
}

fn mount(args: &[&str]) {
    let done = Command::new("mount").args(args).output().expect("mount of the Debian package mount");
    assert!(done.status.success(), "mount {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Small {
    fn new(mib: u32) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "mounts need root: run the tests as root");
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("root may");
        mount(&["--make-rprivate", "/"]);
        let disk = tempfile::tempdir().expect("a temporary folder");
        let place = disk.path().to_str().expect("plain letters").to_owned();
        mount(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "small", &place]);
        let lab = Lab::on(&format!("sqlite:{place}/mozpool.db"));
        Self { lab, disk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path().join(name)
    }

    fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path("ballast")).expect("a file");
        let full = loop {
            if let Err(e) = ballast.write_all(&[0; 4096]) {
                break e;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn remount(&self, how: &str) {
        mount(&["-o", &format!("remount,{how}"), &self.arg("")]);
    }
}

/// Asks for boards until the store has no room for one more; the numbers of those that it had room for.
fn ask_until_refused(daemon: &Daemon) -> Vec<i64> {
    let body = json!({"assignee": "ci", "duration": 3600, "image": "web", "url": "x".repeat(2000)});
    let mut had = Vec::new();
    // A few pages of the log, and of the file, may be there to be used again.
    while had.len() < 2000 {
        let (status, answer) = daemon.call("POST", "device/any/request", Some(body.clone()));
        match status {
            200 => had.push(answer["request"]["id"].as_i64().expect("a number")),
            503 => {
                assert_eq!(answer["error"]["code"], "store_unavailable", "{answer}");
                return had;
            }
            _ => panic!("{status} {answer}"),
        }
    }
    panic!("there was room for all of them");
}

#[test]
fn a_full_disk_refuses_requests_and_all_goes_on_when_there_is_room() {
    let small = Small::new(32);
    let daemon = small.lab.serve();
    let id = daemon.request();
    daemon.wait_for_state("pxe_booting");
    let offered = daemon.fetch("pxelinux.cfg/01-02-00-00-00-00-01").expect("its boot config");

    small.fill();
    let mut promised = ask_until_refused(&daemon);
    // What needs no room goes on: reads, boots, health. The server is not ended by its manager.
    assert_eq!(daemon.state(), "pxe_booting");
    assert_eq!(daemon.get(&format!("request/{id}/status"))["state"], "pending");
    assert_eq!(daemon.fetch("pxelinux.cfg/01-02-00-00-00-00-01").expect("its boot config"), offered);
    assert_eq!(daemon.get("health")["status"], "ok");
    // The board is told to come again, and does.
    let (status, answer) = daemon.call("POST", "device/board-1/event/mobile_init_started", None);
    assert_eq!(status, 503, "{answer}");
    let said = daemon.said().join("\n");
    assert!(said.contains("the disk is full, free some space on it"), "{said}");

    std::fs::remove_file(small.path("ballast")).expect("it is ours");
    wait_for("the board to be heard", || {
        let (status, answer) = daemon.call("POST", "device/board-1/event/mobile_init_started", None);
        (status == 200).then_some(answer)
    });
    for event in ["image_downloading", "image_extracting", "image_rebooting"] {
        daemon.event(event, json!({}));
    }
    daemon.wait_for_request(id, "ready");
    promised.extend([id, daemon.request()]);
    assert!(daemon.terminate().success());
    db_well(&small.lab, &["verify"]);
    let store = small.path("mozpool.db");
    for id in promised {
        let there = number(&store, &format!("SELECT COUNT(*) FROM requests WHERE id = {id}"));
        assert_eq!(there, 1, "request {id} was acknowledged");
    }
}

#[test]
fn a_daemon_that_is_killed_on_a_full_disk_starts_there() {
    let small = Small::new(32);
    let daemon = small.lab.serve();
    small.fill();
    let promised = ask_until_refused(&daemon);
    daemon.kill();
    let daemon = small.lab.serve();
    for id in &promised {
        daemon.get(&format!("request/{id}/status"));
    }
    std::fs::remove_file(small.path("ballast")).expect("it is ours");
    wait_for("there to be room", || {
        let body = json!({"assignee": "ci", "duration": 3600, "image": "web", "url": "x"});
        (daemon.call("POST", "device/any/request", Some(body)).0 == 200).then_some(())
    });
    assert!(daemon.terminate().success());
}

#[test]
fn a_copy_without_room_is_not_begun() {
    let small = Small::new(32);
    let store = small.path("mozpool.db");
    let error = db_refuses(&small.lab, &["backup", &small.arg("copy.db")]);
    assert!(error.contains("a copy of the store needs ") && error.contains("free some space"), "{error}");
    db_well(&small.lab, &["backup", &small.lab.path("copy.db").display().to_string()]);
    let error = db_refuses(&small.lab, &["restore", &small.lab.path("copy.db").display().to_string()]);
    assert!(error.contains("the restored store needs "), "{error}");
    // Nor is a schema changed that could not be brought back.
    sql(&store, "UPDATE schema_version SET version = version - 1");
    let version = number(&store, "SELECT version FROM schema_version");
    let error = does_not_start(&small.lab);
    assert!(error.contains("stays so, for it cannot be copied first: a copy of the store needs "), "{error}");
    assert_eq!(number(&store, "SELECT version FROM schema_version"), version);
    let names: Vec<_> = std::fs::read_dir(small.disk.path()).expect("a folder").collect();
    assert!(names.len() <= 4, "{names:?}");
}

#[test]
fn a_disk_that_cannot_be_written_is_named() {
    let small = Small::new(32);
    small.remount("ro");
    let error = does_not_start(&small.lab);
    assert!(error.contains("Read-only file system"), "{error}");
    assert!(error.contains("name a place on a disk that can be written"), "{error}");
    // It can be looked at there.
    let verify = mozpool(&small.lab.config()).args(["db", "verify"]).output().expect("mozpool runs");
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    assert!(!db(&small.lab, &["backup", &small.arg("copy.db")]).status.success());
    small.remount("rw");
    assert!(small.lab.serve().terminate().success());
}
