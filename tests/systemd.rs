//! The daemon below a service manager: sockets that are passed to it, what it tells, and that a restart loses nothing.
//!
//! The manager is `tests/systemd/manager.py`; the unit is read by Debian's own `systemd-analyze`.

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use support::{LIMIT, Lab, wait_for};

/// A manager with sockets, and the daemon that it starts.
struct Manager {
    helper: Child,
    orders: Option<ChildStdin>,
    says: mpsc::Receiver<String>,
    /// Where its sockets are.
    ports: Vec<u16>,
    /// What the daemon logs, of all starts.
    log: std::path::PathBuf,
    notified: UnixDatagram,
}

impl Manager {
    /// Holds these sockets for the lab's daemon; nothing is started.
    fn new(lab: &Lab, sockets: &[&str], environment: &[(&str, &str)]) -> Self {
        let (log, notify) = (lab.path("log"), lab.path("notify"));
        let notified = UnixDatagram::bind(&notify).expect("a new path");
        notified.set_read_timeout(Some(LIMIT)).expect("any time");
        let mut helper = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/systemd/manager.py"))
            .args(sockets)
            .args(["--", env!("CARGO_BIN_EXE_mozpool"), "--config"])
            .arg(lab.config())
            .arg("serve")
            .env_remove("RUST_LOG")
            .env("NOTIFY_SOCKET", &notify)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("python3 runs");
        let orders = helper.stdin.take();
        let lines = BufReader::new(helper.stdout.take().expect("it is piped")).lines();
        let (hears, says) = mpsc::channel();
        // Ends with the helper.
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| hears.send(line)));
        let line = says.recv_timeout(LIMIT).expect("it says its ports");
        let ports = serde_json::from_str(&line).expect("a list of ports");
        Self { helper, orders, says, ports, log, notified }
    }

    fn hear(&self) -> String {
        self.says.recv_timeout(LIMIT).expect("it says something in time")
    }

    /// Starts the daemon; its number.
    fn start(&mut self) -> i32 {
        writeln!(self.orders.as_mut().expect("it is open"), "start").expect("it listens");
        let said = self.hear();
        said.strip_prefix("started ").and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("{said}"))
    }

    /// What the daemon tells next.
    fn told(&self) -> String {
        let mut bytes = [0; 1000];
        let len = self.notified.recv(&mut bytes).expect("it tells something in time");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    /// Waits until it tells this; all that it has told until then.
    fn told_until(&self, word: &str) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            told.push(self.told());
            if told.last().is_some_and(|t| t.lines().any(|line| line.starts_with(word))) {
                return told;
            }
        }
    }

    /// Forgets what it has told.
    fn forget_told(&self) {
        self.notified.set_nonblocking(true).expect("any socket");
        while self.notified.recv(&mut [0; 1000]).is_ok() {}
        self.notified.set_nonblocking(false).expect("any socket");
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    fn wait_for_line(&self, what: &str) {
        wait_for(what, || self.logged().contains(what).then_some(()));
    }

    /// Ends the daemon; what it exited with.
    fn stop(&self, pid: i32) -> String {
        signal(pid, nix::sys::signal::Signal::SIGTERM);
        self.hear()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stdout, reason = "a test's own output")]
            {
                println!("{}", self.logged());
            }
        }
        // The helper ends what it has started, and itself.
        self.orders = None;
        let _ = self.helper.wait();
    }
}

fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it runs");
}

/// Changes the lab's configuration.
fn rewrite(lab: &Lab, from: &str, to: &str) {
    let text = std::fs::read_to_string(lab.config()).expect("the configuration");
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(lab.config(), text.replacen(from, to, 1)).expect("the same file");
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A call on a connection of its own: the answer's first line, and its body.
fn call(http: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let len = body.len();
    // In one piece, as any client writes a small call.
    let call = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    stream.write_all(call.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

#[test]
fn a_restart_with_passed_sockets_loses_no_call_datagram_or_connection() {
    let lab = Lab::new();
    std::fs::write(lab.path("tftp/kernel"), "a kernel").expect("a file");
    // Not in the order of the settings.
    let mut manager = Manager::new(&lab, &["tcp", "udp", "tcp", "udp", "tcp"], &[]);
    let [registration, syslog, syslog_tcp, tftp, http] = manager.ports[..] else { panic!("five ports") };
    for (from, to) in [
        ("listen = \"127.0.0.1:0\"", format!("listen = \"127.0.0.1:{http}\"")),
        ("listen = [\"127.0.0.1:0\"]", format!("listen = [\"127.0.0.1:{tftp}\"]")),
        ("udp = [\"127.0.0.1:0\"]", format!("udp = [\"127.0.0.1:{syslog}\"]")),
        ("tcp = [\"127.0.0.1:0\"]", format!("tcp = [\"127.0.0.1:{syslog_tcp}\"]")),
        (
            "[relays]",
            format!("[registration]\nenabled = true\nlisten = [\"127.0.0.1:{registration}\"]\n[relays]"),
        ),
    ] {
        rewrite(&lab, from, &to);
    }
    let sends = UdpSocket::bind("127.0.0.1:0").expect("a free port");

    // Before anybody is there: all of it waits in the sockets.
    let board = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    board.set_read_timeout(Some(LIMIT)).expect("any time");
    board.send_to(b"\0\x01kernel\0octet\0", at(tftp)).expect("it is bound");
    let early = std::thread::spawn(move || call(at(http), "GET", "/api/ready/", ""));
    sends.send_to(b"<13>early: bird", at(syslog)).expect("it is bound");
    let mut agent = TcpStream::connect(at(registration)).expect("it listens");
    agent.write_all(b"REGISTER\n").expect("it is sent");

    let mut pid = manager.start();
    let mut packet = [0; 100];
    let (len, from) = board.recv_from(&mut packet).expect("the request that waited is answered");
    assert_eq!(&packet[..len], b"\0\x03\0\x01a kernel");
    board.send_to(b"\0\x04\0\x01", from).expect("it is there");
    let (status, _) = early.join().expect("no panic").expect("the call that waited is answered");
    assert_eq!(status, "HTTP/1.1 200 OK");
    agent.set_read_timeout(Some(LIMIT)).expect("any time");
    let mut answer = [0; 4];
    agent.read_exact(&mut answer).expect("the agent that waited is answered");
    assert_eq!(&answer, b"ERR ", "what it said is no registration");
    manager.wait_for_line("5 sockets come from the service manager");

    // Callers, one call after the other, and a board that logs, while the daemon is restarted.
    let (over, calls, lines) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let over = Arc::new(over);
    std::thread::scope(|scope| {
        let mut callers = Vec::new();
        for n in 0..4 {
            let (over, calls) = (&over, &calls);
            callers.push(scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let answer = match n {
                        0 => call(
                            at(http),
                            "POST",
                            "/api/device/board-1/set-comments/",
                            "{\"comments\": \"still here\"}",
                        ),
                        _ => call(at(http), "GET", "/api/device/board-1/state/", ""),
                    };
                    let (status, body) = answer.unwrap_or_else(|e| panic!("caller {n} is not answered: {e}"));
                    let well = ["HTTP/1.1 200 OK", "HTTP/1.1 204 No Content"].contains(&status.as_str());
                    assert!(well, "caller {n}: {status} {body}");
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            }));
        }
        let (ends, lines) = (&over, &lines);
        callers.push(scope.spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                let n = lines.fetch_add(1, Ordering::SeqCst);
                sends.send_to(format!("<13>board: line {n}").as_bytes(), at(syslog)).expect("it is bound");
                // A board of few words: its socket's buffer is as large as the system allows, and no larger.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }));
        let failed = || callers.iter().any(std::thread::ScopedJoinHandle::is_finished);
        for _ in 0..3 {
            let before = calls.load(Ordering::SeqCst);
            wait_for("calls", || (calls.load(Ordering::SeqCst) > before + 40 || failed()).then_some(()));
            if failed() {
                break;
            }
            manager.forget_told();
            assert_eq!(manager.stop(pid), "ended 0");
            pid = manager.start();
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(manager.stop(pid), "ended 0");
    let text = manager.logged();
    assert_eq!(text.matches("5 sockets come from the service manager").count(), 4);
    assert!(!text.contains("Z error "), "{text}");
    let mut store = mozpool::store::Location::sqlite(lab.path("mozpool.db")).open().expect("the store");
    let behind = store.log_behind("board-1", mozpool::store::Place::default()).expect("the store works");
    // And the early bird.
    assert_eq!(behind.expect("the board").lines, lines.load(Ordering::SeqCst) + 1);
}

#[test]
fn a_passed_socket_that_fits_nothing_is_named() {
    let lab = Lab::new();
    for (kind, wants) in [
        ("tcp", "nothing is configured to listen there; take it out of the socket unit, or set http.listen"),
        ("udp6", "(for IPv4 write 0.0.0.0:"),
        (
            "tcp-deaf",
            "descriptor 3 (mozpool.socket), which cannot be used: it is a TCP socket that does not listen",
        ),
    ] {
        let _ = std::fs::remove_file(lab.path("notify"));
        let mut manager = Manager::new(&lab, &[kind], &[]);
        manager.start();
        assert_eq!(manager.hear(), "ended 1", "{kind}");
        let text = manager.logged();
        assert!(
            text.contains("mozpool: the service manager passes ") && text.contains(wants),
            "{kind}: {text}"
        );
    }
}

#[test]
fn the_manager_hears_that_all_answer_and_nothing_while_a_layer_hangs() {
    let lab = Lab::new();
    let mut manager = Manager::new(&lab, &["tcp"], &[("WATCHDOG_USEC", "1000000")]);
    rewrite(&lab, "listen = \"127.0.0.1:0\"", &format!("listen = \"127.0.0.1:{}\"", manager.ports[0]));
    let http = at(manager.ports[0]);
    let pid = manager.start();
    let told = manager.told_until("READY=1");
    assert_eq!(told.first().map(String::as_str), Some("STATUS=opening the store"), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with(&format!("STATUS=server s1 serves on http {http}")), "{told:?}");
    // Ready is what answers.
    assert_eq!(call(http, "GET", "/api/ready/", "").expect("an answer").0, "HTTP/1.1 200 OK");
    for _ in 0..3 {
        assert_eq!(manager.told(), "WATCHDOG=1");
    }

    // Somebody else writes to the store: a layer that wants to write waits for that, five seconds at most.
    let other = rusqlite::Connection::open(lab.path("mozpool.db")).expect("the store");
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    let waits = std::thread::spawn(move || {
        call(http, "POST", "/api/device/board-1/event/please_self_test/", "{}").expect("an answer").0
    });
    let silent = || manager.logged().matches("lifeguard: it has not answered within 0.25 s").count();
    wait_for("a layer that hangs to be named", || (silent() >= 1).then_some(()));
    manager.forget_told();
    wait_for("it to be named again", || (silent() >= 2).then_some(()));
    manager.notified.set_nonblocking(true).expect("any socket");
    assert!(manager.notified.recv(&mut [0; 100]).is_err(), "the other threads do not speak for it");
    manager.notified.set_nonblocking(false).expect("any socket");
    other.execute_batch("ROLLBACK").expect("it is ours");
    assert_eq!(waits.join().expect("no panic"), "HTTP/1.1 200 OK");
    assert_eq!(manager.told(), "WATCHDOG=1", "it answers again");

    manager.forget_told();
    assert_eq!(manager.stop(pid), "ended 0");
    let told = manager.told_until("STOPPING=1");
    assert!(told.iter().rev().skip(1).all(|t| t == "WATCHDOG=1"), "{told:?}");
}

#[test]
fn sighup_changes_what_can_be_changed_and_a_broken_file_changes_nothing() {
    use nix::sys::signal::Signal::SIGHUP;
    let lab = Lab::new();
    let mut manager = Manager::new(&lab, &["tcp"], &[]);
    let http = at(manager.ports[0]);
    rewrite(&lab, "listen = \"127.0.0.1:0\"", &format!("listen = \"{http}\""));
    rewrite(&lab, "[relays]", "[log]\nfilter = \"info,mozpool::access=warn\"\n[relays]");
    let pid = manager.start();
    manager.told_until("READY=1");
    let calls = |manager: &Manager| {
        call(http, "GET", "/api/device/board-1/state/", "").expect("an answer");
        // The line is written before the answer.
        manager.logged().contains("GET /api/device/board-1/state/ 200")
    };
    assert!(!calls(&manager), "{}", manager.logged());

    rewrite(&lab, "info,mozpool::access=warn\"\n", "info\"\n[requests]\nretention_days = 3\n");
    signal(pid, SIGHUP);
    let told = manager.told_until("READY=1");
    let reloading =
        told.first().and_then(|t| t.strip_prefix("RELOADING=1\nMONOTONIC_USEC=")).expect("it says so");
    assert!(reloading.split('\n').next().is_some_and(|us| us.parse::<u64>().is_ok()), "{told:?}");
    manager.wait_for_line("log.filter has changed, and holds from now on");
    manager.wait_for_line("requests.retention_days has changed, and holds from now on");
    wait_for("the line of a call", || calls(&manager).then_some(()));

    let good = std::fs::read_to_string(lab.config()).expect("the configuration");
    std::fs::write(
        lab.config(),
        good.replace("\"info\"", "\"warn\"").replace("days = 3", "days = 0\nlisen = 1"),
    )
    .expect("the same file");
    signal(pid, SIGHUP);
    let told = manager.told_until("READY=1").pop().expect("a word");
    assert!(told.contains("the configuration has faults and was not read again"), "{told}");
    let text = manager.logged();
    for fault in [
        "requests.retention_days = 0 is not a whole number from 1 to 3650",
        "requests.lisen is not a setting of this program",
        "the configuration was not changed; what held before still does",
    ] {
        assert!(text.contains(fault), "{fault}: {text}");
    }

    let lines = text.lines().count();
    std::fs::write(lab.config(), good.replace("name = \"s1\"", "name = \"s2\"")).expect("the same file");
    signal(pid, SIGHUP);
    let told = manager.told_until("READY=1").pop().expect("a word");
    assert!(told.ends_with("; a restart is needed for server.name"), "{told}");
    let text = manager.logged();
    let after: Vec<&str> = text.lines().skip(lines).collect();
    assert!(
        after
            .iter()
            .any(|l| l.contains("warn") && l.contains("server.name has changed, and needs a restart"))
    );
    assert!(!after.iter().any(|l| l.contains("log.filter has changed")), "still that of before: {after:#?}");

    std::fs::write(lab.config(), good.replace("\"info\"", "\"error\"")).expect("the same file");
    signal(pid, SIGHUP);
    manager.told_until("READY=1");
    assert_eq!(manager.stop(pid), "ended 0");
    assert!(!manager.logged().contains("info mozpool::daemon: stopping"), "{}", manager.logged());
}

/// The packaged units, with this build's program in the place of the installed one.
fn units(folder: &Path) -> [std::path::PathBuf; 2] {
    ["mozpool.service", "mozpool.socket"].map(|name| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
        let text = std::fs::read_to_string(from).expect("a unit of ours");
        let to = folder.join(name);
        std::fs::write(&to, text.replace("/usr/bin/mozpool", env!("CARGO_BIN_EXE_mozpool"))).expect("a file");
        to
    })
}

#[test]
fn systemd_finds_nothing_to_complain_of_in_the_units_and_little_that_they_expose() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let units = units(folder.path());
    let run = |arguments: &[&str]| {
        let out = Command::new("systemd-analyze").args(arguments).args(&units).output();
        let out = out.expect("systemd-analyze of the Debian package systemd");
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    // Manual pages are not what is looked at.
    let (well, said) = run(&["verify", "--man=no"]);
    assert!(well && said.is_empty(), "{said}");

    let out = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--json=short", "--threshold=15"])
        .arg(&units[0])
        .output()
        .expect("systemd-analyze of the Debian package systemd");
    let rows: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let open: Vec<String> = rows
        .as_array()
        .expect("a row for each way out")
        .iter()
        .filter(|row| row["exposure"].as_str().is_some_and(|e| e != "0.0"))
        .map(|row| format!("{} {}", row["exposure"], row["name"]))
        .collect();
    assert!(out.status.success(), "more than 1.5 in all: {open:#?}");
    // What the daemon is for, and no more.
    let mut capabilities: Vec<_> =
        rows.as_array().expect("rows").iter().filter(|row| row["set"] == json!(false)).collect();
    capabilities.retain(|row| row["name"].as_str().is_some_and(|n| n.starts_with("CapabilityBoundingSet=")));
    assert_eq!(capabilities.len(), 1, "{capabilities:#?}");
}
