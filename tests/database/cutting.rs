//! What becomes of a transaction whose connection is cut: before its `COMMIT`, and behind it.
//!
//! A forwarder stands between the store and the database and reads along. It cuts once, where it is told to.

use crate::mariadb::Server;
use crate::support::{Daemon, LIMIT, Lab, wait_for};
use crate::{T0, at_port, comments, free_port, lab, location};
use mozpool::store::{DeviceEdit, StoreError};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Commands of the protocol, a packet's fifth byte.
const COM_QUIT: u8 = 0x01;
const COM_STMT_CLOSE: u8 = 0x19;

/// Where to cut: at the first statement with `cue` in it, or at the `COMMIT` that follows it in that connection, which the database
/// gets and answers, and nobody hears of that.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cut {
    At(&'static str),
    BehindCommitAfter(&'static str),
    /// Nowhere: what comes vanishes from now on, as behind a link that is down.
    Silence,
    /// The same for one connection, from this statement on.
    SilenceAt(&'static str),
}

struct Forwarder {
    port: u16,
    cut: Arc<Mutex<Option<Cut>>>,
    /// How much connections that were there before have asked in vain since then.
    vanished: Arc<AtomicUsize>,
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

impl Forwarder {
    fn to(database: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut: Arc<Mutex<Option<Cut>>> = Arc::default();
        let vanished: Arc<AtomicUsize> = Arc::default();
        let (wanted, lost) = (Arc::clone(&cut), Arc::clone(&vanished));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", database)) else { continue };
                let (wanted, lost) = (Arc::clone(&wanted), Arc::clone(&lost));
                std::thread::spawn(move || forward(client, server, &wanted, &lost));
            }
        });
        Self { port, cut, vanished }
    }

    fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }

    /// It has cut what it was to cut.
    fn is_done(&self) -> bool {
        self.cut.lock().unwrap().is_none()
    }
}

fn forward(mut client: TcpStream, mut server: TcpStream, wanted: &Mutex<Option<Cut>>, lost: &AtomicUsize) {
    let (mut answers, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    // Held while a cut waits for the database's answer, which must not go on then.
    let gate = Arc::new(Mutex::new(()));
    let held = Arc::clone(&gate);
    let (heard_tx, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(n @ 1..) = answers.read(&mut bytes) {
            let _ = heard_tx.send(());
            drop(held.lock());
            if to_client.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut cued = false;
    let came_later = *wanted.lock().unwrap() == Some(Cut::Silence);
    let mut bytes = vec![0; 1 << 16];
    while let Ok(n @ 1..) = client.read(&mut bytes) {
        let said = &bytes[..n];
        let cut = wanted.lock().unwrap().clone();
        match cut {
            Some(Cut::Silence) => {
                // A connection that is given up says goodbye to its statements and to the database.
                let asks = !came_later && !matches!(said.get(4), Some(&(COM_STMT_CLOSE | COM_QUIT)));
                lost.fetch_add(usize::from(asks), Ordering::SeqCst);
                continue;
            }
            Some(Cut::SilenceAt(cue)) if has(said, cue) => {
                *wanted.lock().unwrap() = None;
                while let Ok(1..) = client.read(&mut bytes) {}
                break;
            }
            Some(Cut::At(cue)) if has(said, cue) => {
                *wanted.lock().unwrap() = None;
                break;
            }
            Some(Cut::BehindCommitAfter(cue)) => {
                cued |= has(said, cue);
                if cued && has(said, "COMMIT") {
                    let _no_answer = gate.lock().unwrap();
                    while heard.try_recv().is_ok() {}
                    server.write_all(said).unwrap();
                    heard.recv().unwrap();
                    *wanted.lock().unwrap() = None;
                    client.shutdown(Shutdown::Both).unwrap();
                    break;
                }
            }
            _ => {}
        }
        if server.write_all(said).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// A database with a forwarder before it, and the address by way of that.
fn world() -> (Server, Forwarder, String) {
    let port = free_port();
    let server = Server::own(&at_port(port));
    server.sql(
        "CREATE DATABASE pool; CREATE USER mozpool@'127.0.0.1'; GRANT ALL ON pool.* TO mozpool@'127.0.0.1'",
    );
    let forwarder = Forwarder::to(port);
    let url = format!("mysql://mozpool@127.0.0.1:{}/pool", forwarder.port);
    (server, forwarder, url)
}

#[test]
fn a_transaction_without_its_commit_is_made_again_and_one_with_it_is_not() {
    let (_server, forwarder, url) = world();
    let mut store = location(&url).open().unwrap();
    store.apply_lab(&lab(), false, T0).unwrap();
    let last = store.last_changes().unwrap().all;

    forwarder.cut(Cut::At("UPDATE change_counts"));
    // It is prepared once per connection, and this one has it.
    let mut store = location(&url).open().unwrap();
    assert!(store.edit_device("panda-1", &DeviceEdit::Comments("once".into()), T0).unwrap());
    assert!(forwarder.is_done(), "it was cut, and nobody noticed");
    assert_eq!((comments(&mut *store).as_str(), store.last_changes().unwrap().all), ("once", last + 1));

    forwarder.cut(Cut::BehindCommitAfter("START TRANSACTION"));
    let edit = DeviceEdit::Comments("perhaps".into());
    let error = store.edit_device("panda-1", &edit, T0).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(forwarder.is_done());
    assert_eq!(
        (comments(&mut *store).as_str(), store.last_changes().unwrap().all),
        ("perhaps", last + 2),
        "once"
    );
}

#[test]
fn connections_leave_a_node_that_fails_together_and_go_back_to_it() {
    let (server, forwarder, url) = world();
    let direct = server.sql("SELECT @@port");
    let location = location(&url.replace("/pool", &format!(",127.0.0.1:{direct}/pool")));
    let (mut one, mut other) = (location.open().unwrap(), location.open().unwrap());
    one.apply_lab(&lab(), false, T0).unwrap();
    assert_eq!(other.last_changes().unwrap().all, one.last_changes().unwrap().all);
    forwarder.cut(Cut::At("START TRANSACTION"));
    assert!(one.edit_device("panda-1", &DeviceEdit::Comments("moved".into()), T0).unwrap());
    forwarder.cut(Cut::Silence);
    assert_eq!(comments(&mut *other), "moved");
    assert_eq!(forwarder.vanished.load(Ordering::SeqCst), 0, "it was asked of a node that had failed");

    // When it is well again, all go back there: a cut is done where it is asked.
    forwarder.cut(Cut::At("START TRANSACTION"));
    wait_for("them to go back to the first node", || {
        // The one that is cut may fail: its connection was new.
        let _ = other.edit_device("panda-1", &DeviceEdit::Comments("back".into()), T0);
        forwarder.is_done().then_some(())
    });
}

#[test]
fn a_writer_that_is_cut_off_in_the_middle_does_not_keep_the_others_from_writing() {
    let (server, forwarder, url) = world();
    let direct = server.sql("SELECT @@port");
    let mut cut_off = location(&url).open().unwrap();
    let mut healthy = location(&format!("mysql://mozpool@127.0.0.1:{direct}/pool")).open().unwrap();
    cut_off.apply_lab(&lab(), false, T0).unwrap();
    // It has the row that all writers lock, and neither goes on nor ends.
    forwarder.cut(Cut::SilenceAt("UPDATE devices"));
    std::thread::spawn(move || cut_off.edit_device("panda-1", &DeviceEdit::Comments("late".into()), T0));
    wait_for("it to be cut off", || forwarder.is_done().then_some(()));
    assert!(healthy.edit_device("panda-2", &DeviceEdit::Comments("written".into()), T0).unwrap());
}

#[test]
fn a_request_whose_number_never_came_is_looked_after() {
    let (server, forwarder, url) = world();
    let lab = Lab::on(&url);
    let daemon = Daemon::start(&lab.config(), LIMIT);
    forwarder.cut(Cut::BehindCommitAfter("INSERT INTO requests"));
    let body = json!({ "assignee": "ci", "duration": 3600, "image": "web", "url": "http://x/image" });
    let (status, said) = daemon.call("POST", "device/any/request", Some(body));
    assert_eq!((status, forwarder.is_done()), (503, true), "{said}");
    wait_for("the request to have its board", || {
        (server.sql("SELECT state FROM pool.requests") == "pending").then_some(())
    });
    assert_eq!(server.sql("SELECT COUNT(*) FROM pool.claims"), "1");
}
