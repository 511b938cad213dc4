//! `mozpool db copy`, from a SQLite file into a MariaDB and back into another file.

use crate::mariadb::Server;
use crate::{T0, lab, location, open_error};
use mozpool::logic::lifeguard::Install;
use mozpool::logic::mozpool::{ClaimChange, Wanted};
use mozpool::store::{DeviceLogLine, Location, LogChunk, NewRequest, RequestCommit, ServerRow};
use std::path::Path;
use std::process::Command;

/// Everything in a SQLite file, but what is the file's own.
fn everything(path: &Path) -> Vec<String> {
    let file = rusqlite::Connection::open(path).unwrap();
    let names =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_version' ORDER BY name";
    let mut names = file.prepare(names).unwrap();
    let names: Vec<String> = names.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = Vec::new();
    for name in names {
        let mut rows = file.prepare(&format!("SELECT * FROM {name} ORDER BY 1, 2")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<_> = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
            all.push(format!("{name}: {}", cells.join(", ")));
        }
    }
    all
}

/// A store that has a little of everything, also numbers that nobody has any more.
fn fill(location: &Location) {
    let mut store = location.open().unwrap();
    store.apply_lab(&lab(), false, T0).unwrap();
    store.register_server(&ServerRow { name: "here".into(), url: "http://here:1".into() }, T0).unwrap();
    let install = Install { image: "b2g".into(), boot_config: "{}".into() };
    let wanted = Wanted {
        device: None,
        environment: None,
        install,
        hardware_type: Some("panda".into()),
        hardware_model: None,
        processor: None,
        tags: vec!["usb".into()],
    };
    let new = NewRequest {
        server: "here".into(),
        assignee: "ann".into(),
        reason: "'\\ \n\0 🐼 ".into(),
        wanted,
        expires: T0.plus_s(60),
        queue_until: None,
        created: T0,
    };
    let ids = store.insert_requests(&[new.clone(), new.clone(), new]).unwrap();
    let machine = store.load_request(ids[0]).unwrap().unwrap().machine;
    let mut next = machine.clone();
    next.epoch = next.epoch.next();
    let commit = RequestCommit {
        next,
        expected: machine.epoch,
        claim: ClaimChange::Take("panda-1".into()),
        log: vec!["taken".into()],
        device_log: Some("for ann".into()),
        at: T0,
    };
    store.commit_requests(&[commit]).unwrap();
    let line = |n: i64| DeviceLogLine {
        device: "panda-2".into(),
        at: T0.plus_ms(n),
        source: "tftp".into(),
        message: format!("line {n}"),
    };
    // More than go over at once.
    store.append_device_log(&(0..450).map(line).collect::<Vec<_>>()).unwrap();
    let mut piece = LogChunk::new("panda-1".into(), T0);
    piece.push(T0, &"x".repeat(70_000));
    store.append_log_chunks(&[piece], true).unwrap();
}

fn copy(from: &str, to: &str) -> (bool, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_mozpool"))
        .args(["db", "copy", from, to])
        .env_remove("RUST_LOG")
        .output();
    let out = out.unwrap();
    let text = [out.stdout, out.stderr].map(|t| String::from_utf8(t).unwrap()).concat();
    (out.status.success(), text)
}

#[test]
fn a_store_goes_into_a_database_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let url = |name: &str| format!("sqlite:{}", file(name).display());
    let server = Server::shared();
    let database = server.database();
    let there = server.url(&database);
    fill(&location(&url("a.db")));
    // The last request is gone, and its number is not given again.
    rusqlite::Connection::open(file("a.db"))
        .unwrap()
        .execute_batch("DELETE FROM requests WHERE id = 3")
        .unwrap();

    let (good, told) = copy(&url("a.db"), &there);
    assert!(good, "{told}");
    assert!(told.contains("device_logs: 451 rows\n") && told.contains("requests: 2 rows\n"), "{told}");
    assert!(told.contains(&format!(" rows copied from {} to mysql://root@", url("a.db"))), "{told}");
    let (good, told) = copy(&there, &url("b.db"));
    assert!(good, "{told}");
    assert_eq!(everything(&file("a.db")), everything(&file("b.db")));

    for (from, to) in [(url("a.db"), there.clone()), (there.clone(), url("b.db"))] {
        let (good, told) = copy(&from, &to);
        assert!(!good && told.contains("the target is not empty, it has 2 rows in devices"), "{told}");
    }
    let (good, told) = copy(&url("nowhere.db"), &there);
    assert!(!good && told.contains("there is no such file") && !file("nowhere.db").exists(), "{told}");
    // Both can be worked with.
    for store in [there, url("b.db")] {
        let mut store = location(&store).open().unwrap();
        assert_eq!(store.named("panda-1").unwrap().unwrap().claimed_by.map(|r| r.0), Some(1));
        let request = store.load_request(mozpool::logic::ids::RequestId(2)).unwrap().unwrap();
        let new = NewRequest {
            server: "here".into(),
            assignee: "bob".into(),
            reason: String::new(),
            wanted: request.machine.wanted,
            expires: T0,
            queue_until: None,
            created: T0,
        };
        assert_eq!(
            store.insert_requests(&[new]).unwrap()[0].0,
            4,
            "the number after the last one that was given"
        );
    }
}

#[test]
fn half_a_copy_is_no_store_and_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let server = Server::shared();
    let database = server.database();
    let there = server.url(&database);
    fill(&location(&url("a.db")));
    // A row that the database cannot hold breaks it off in the middle.
    let file = rusqlite::Connection::open(folder.path().join("a.db")).unwrap();
    file.execute_batch("UPDATE request_logs SET source = hex(zeroblob(100))").unwrap();
    let (good, told) = copy(&url("a.db"), &there);
    assert!(!good && told.contains("make it shorter"), "{told}");
    let error = open_error(&location(&there)).to_string();
    assert!(error.contains("a copy into this store was begun and has not ended"), "{error}");
    file.execute_batch("UPDATE request_logs SET source = 'statemachine'").unwrap();
    let (good, told) = copy(&url("a.db"), &there);
    assert!(good, "{told}");
    let (good, told) = copy(&there, &url("b.db"));
    assert!(good, "{told}");
    assert_eq!(everything(&folder.path().join("a.db")), everything(&folder.path().join("b.db")));

    // The other way it is the same.
    let half = folder.path().join("c.db");
    drop(location(&url("c.db")).open().unwrap());
    rusqlite::Connection::open(&half)
        .unwrap()
        .execute_batch("CREATE TABLE copy_under_way (since INTEGER PRIMARY KEY)")
        .unwrap();
    assert!(open_error(&location(&url("c.db"))).to_string().contains("has not ended"));
    let (good, told) = copy(&there, &url("c.db"));
    assert!(good, "{told}");
    assert_eq!(everything(&folder.path().join("a.db")), everything(&half));
}
