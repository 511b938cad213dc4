//! An emulated board against a real TFTP server and a small HTTP server of the test: what it does, and what each mishap leaves out.

use super::*;
use crate::fakes::mishap::{Dice, Mishap};
use crate::fakes::notes::Notes;
use crate::fakes::power::{Feed, wire};
use relayctl::PowerState;
use std::collections::{HashMap, VecDeque};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// How long anything may take before the test says that it hangs.
const LIMIT: Duration = Duration::from_secs(30);

type Texts = Arc<Mutex<HashMap<String, String>>>;

struct Files(Texts);

impl tftpd::Source for Files {
    fn open(&self, request: &tftpd::Request<'_>) -> Result<tftpd::Content, tftpd::Refusal> {
        let text = self.0.lock().unwrap().get(request.name).cloned();
        text.map(|t| tftpd::Content::Bytes(t.into_bytes().into())).ok_or(tftpd::Refusal::NotFound)
    }
}

/// A board on a bench.
struct Bench {
    feed: Option<Feed>,
    board: Option<JoinHandle<()>>,
    notes: Notes,
    texts: Texts,
    /// Paths of HTTP calls with the bodies that came.
    calls: Receiver<(String, String)>,
    http: Arc<tiny_http::Server>,
    web: Option<JoinHandle<()>>,
    tftp: Option<(tftpd::Stopper, JoinHandle<()>)>,
    system: SocketAddr,
    port: String,
}

const MAC_CONFIG: &str = "pxelinux.cfg/01-02-00-00-00-00-09";

impl Bench {
    /// `fates`: mishaps from the first power-on on; then none. `replies`: statuses that the first calls get instead.
    fn new(fates: &[Option<Mishap>], busy: u32) -> Self {
        let texts: Texts = Arc::default();
        let addr = "127.0.0.1:0".parse().unwrap();
        let server = tftpd::Server::bind(&[addr], tftpd::Config::default(), Files(texts.clone())).unwrap();
        let tftp = server.local_addrs()[0];
        let stopper = server.stopper();
        let tftp_thread = std::thread::spawn(move || server.run().unwrap());
        let http = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let port = http.server_addr().to_ip().unwrap().port().to_string();
        let (tx, calls) = channel();
        let web = {
            let (http, texts) = (http.clone(), texts.clone());
            std::thread::spawn(move || serve(&http, &texts, busy, |path, body| drop(tx.send((path, body)))))
        };
        let reserved = TcpListener::bind("127.77.255.253:0").unwrap();
        let check_port = reserved.local_addr().unwrap().port();
        let ip = Ipv4Addr::new(127, 77, 255, 1);
        let identity = Identity { number: 8, name: "b9".into(), mac: Mac([2, 0, 0, 0, 0, 9]), ip };
        let (feed, line) = wire().unwrap();
        let notes = Notes::default();
        let none = Duration::ZERO;
        let pace = Pace { firmware: none, live_boot: none, work: none, system_boot: none };
        let network = Network { tftp, check_port, loss: tftpd::Loss::default() };
        let mut board =
            Board::new(identity, network, pace, line, Dice::new(0.0, 0, 0), notes.clone(), Weak::new());
        board.scripted = fates.iter().copied().collect::<VecDeque<_>>();
        let board = Some(std::thread::spawn(move || board.run()));
        let bench = Self {
            feed: Some(feed),
            board,
            notes,
            texts,
            calls,
            http,
            web: Some(web),
            tftp: Some((stopper, tftp_thread)),
            system: (ip, check_port).into(),
            port,
        };
        bench.text("k", "kernel");
        bench.text("i", "initrd");
        bench.text("pxelinux.cfg/default", "default l\nlabel l\nlocalboot -1\n");
        for stage in ["write-image.sh", "self-test.sh", "maintenance.sh"] {
            bench.text(&format!("/stages/{stage}"), "#!/bin/sh\n");
        }
        bench.text("/api/device/b9/bootconfig/", r#"{"url": "/img", "size": 5}"#);
        bench.text("/img", "image");
        bench
    }

    fn text(&self, name: &str, text: &str) {
        self.texts.lock().unwrap().insert(name.into(), text.into());
    }

    /// The next network boot runs this second stage.
    fn offer(&self, stage: &str) {
        let server = format!("127.0.0.1:{}", self.port);
        self.text(
            MAC_CONFIG,
            &format!(
                "default l\nlabel l\nkernel k\ninitrd i\n\
                 append mobile-imaging-url=http://{server}/stages/{stage} mozpool-device=b9\n"
            ),
        );
    }

    fn power(&self, power: PowerState) {
        self.feed.as_ref().unwrap().set(power);
    }

    /// The next events with their bodies, until there are enough.
    fn events(&self, enough: impl Fn(&[(String, String)]) -> bool) -> Vec<(String, String)> {
        let mut events = Vec::new();
        while !enough(&events) {
            let (path, body) =
                self.calls.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("nothing after {events:?}"));
            if let Some(name) = path.strip_prefix("/api/device/b9/event/") {
                let name = name.trim_end_matches('/').to_owned();
                // As the daemon does: once the live system is up, the next boot is from the disk.
                if name == "mobile_init_started" {
                    self.texts.lock().unwrap().remove(MAC_CONFIG);
                }
                events.push((name, body));
            }
        }
        events
    }

    fn events_to(&self, last: &str) -> Vec<(String, String)> {
        self.events(|events| events.last().is_some_and(|(name, _)| name == last))
    }

    fn names_to(&self, last: &str) -> Vec<String> {
        self.events_to(last).into_iter().map(|(name, _)| name).collect()
    }

    fn wait_for(&self, what: &str, mut seen: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !seen() {
            assert!(Instant::now() < end, "waited for {what}: {:?}", self.notes.read());
            std::thread::yield_now();
        }
    }

    fn wait_for_system(&self) {
        self.wait_for("the installed system", || TcpStream::connect(self.system).is_ok());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.feed = None;
        if let Some(board) = self.board.take() {
            board.join().unwrap();
        }
        self.http.unblock();
        self.web.take().map(JoinHandle::join);
        if let Some((stopper, thread)) = self.tftp.take() {
            stopper.stop();
            thread.join().unwrap();
        }
    }
}

fn serve(http: &tiny_http::Server, texts: &Texts, mut busy: u32, told: impl Fn(String, String)) {
    while let Ok(mut call) = http.recv() {
        let mut body = String::new();
        let _ = call.as_reader().read_to_string(&mut body);
        let path = call.url().to_owned();
        let event = path.starts_with("/api/device/b9/event/");
        let text = texts.lock().unwrap().get(&path).cloned();
        let (status, text) = match text {
            _ if busy > 0 => (503, String::new()),
            Some(text) => (200, text),
            None if event => (200, "{}".into()),
            None => (404, String::new()),
        };
        if busy > 0 {
            busy -= 1;
        } else {
            told(path, body);
        }
        let _ = call.respond(tiny_http::Response::from_string(text).with_status_code(status));
    }
}

const INSTALL: [&str; 9] = [
    "mobile_init_started",
    "image_downloading",
    "image_extracting",
    "image_progress",
    "image_progress",
    "image_progress",
    "image_progress",
    "image_progress",
    "image_rebooting",
];

#[test]
fn a_board_installs_reboots_and_answers_and_its_disk_survives_a_power_cut() {
    let bench = Bench::new(&[], 0);
    bench.offer("write-image.sh");
    bench.power(PowerState::On);
    assert_eq!(bench.names_to("image_rebooting"), INSTALL);
    bench.wait_for_system();
    bench.power(PowerState::Off);
    bench.wait_for("silence", || TcpStream::connect(bench.system).is_err());
    bench.power(PowerState::On);
    bench.wait_for_system();
    let story = bench.notes.read();
    assert_eq!((story.power_ons, story.installed, story.mishap_count()), (2, 1, 0));
}

#[test]
fn a_self_test_leaves_the_disk_and_a_maintenance_boot_waits() {
    let bench = Bench::new(&[], 0);
    bench.offer("self-test.sh");
    bench.power(PowerState::On);
    assert_eq!(bench.names_to("self_test_ok"), ["mobile_init_started", "self_test_running", "self_test_ok"]);
    bench.offer("maintenance.sh");
    bench.power(PowerState::Off);
    bench.power(PowerState::On);
    assert_eq!(bench.names_to("maint_mode"), ["mobile_init_started", "maint_mode"]);
    // Nothing was ever installed.
    bench.power(PowerState::Off);
    bench.power(PowerState::On);
    bench.wait_for("an empty disk", || {
        bench.notes.read().trouble.is_some_and(|t| t.contains("nothing to boot"))
    });
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let bench = Bench::new(&[], 2);
    bench.offer("self-test.sh");
    bench.power(PowerState::On);
    assert_eq!(bench.names_to("self_test_ok").len(), 3);
}

#[test]
fn a_bad_image_is_told_with_its_reason() {
    for (config, reason) in [
        (r#"{"url": "/nothing"}"#, "download: HTTP status 404"),
        (r#"{"url": "/img", "size": 4}"#, "download: 5 bytes came, 4 were expected"),
        ("null", "boot config: has no url"),
        ("nonsense", "boot config: has no url"),
    ] {
        let bench = Bench::new(&[], 0);
        bench.text("/api/device/b9/bootconfig/", config);
        bench.offer("write-image.sh");
        bench.power(PowerState::On);
        let events = bench.events_to("image_failed");
        let body: Value = serde_json::from_str(&events.last().unwrap().1).unwrap();
        assert_eq!(body["reason"], reason, "{config}");
        assert!(
            !events.iter().any(|(name, _)| name == "image_extracting"),
            "the disk was touched: {events:?}"
        );
    }
}

#[test]
fn what_is_no_second_stage_is_not_run() {
    for (stage, text) in [("self-test.sh", "<html>"), ("other.sh", "#!/bin/sh")] {
        let bench = Bench::new(&[], 0);
        bench.text(&format!("/stages/{stage}"), text);
        bench.offer(stage);
        bench.power(PowerState::On);
        let events = bench.events_to("mobile_init_failed");
        assert!(events.last().is_some_and(|(_, body)| body.contains("second stage")), "{events:?}");
        bench.wait_for("trouble", || bench.notes.read().trouble.is_some());
    }
}

#[test]
fn each_mishap_stops_the_board_where_it_says_and_a_power_cycle_helps() {
    let rows: [(Mishap, &[&str]); 5] = [
        (Mishap::FirmwareHangs, &[]),
        (Mishap::LiveSystemHangs, &[]),
        (Mishap::LiveSystemFallsSilent, &INSTALL[..1]),
        (Mishap::DownloadStalls, &INSTALL[..2]),
        (Mishap::WritingStalls, &INSTALL[..6]),
    ];
    for (mishap, events) in rows {
        let bench = Bench::new(&[Some(mishap)], 0);
        bench.offer("write-image.sh");
        bench.power(PowerState::On);
        bench.wait_for("the mishap", || bench.notes.read().last == Some(mishap));
        let told: Vec<String> =
            bench.events(|e| e.len() == events.len()).into_iter().map(|(n, _)| n).collect();
        assert_eq!(told, events, "{mishap}");
        bench.offer("write-image.sh");
        bench.power(PowerState::Off);
        bench.power(PowerState::On);
        assert_eq!(
            bench.names_to("image_rebooting"),
            INSTALL,
            "{mishap}: it had told too much, or not recovered"
        );
        bench.wait_for_system();
        assert_eq!(bench.notes.read().mishap_count(), 1);
    }
}

#[test]
fn a_board_that_hangs_after_its_installation_boots_when_it_is_cycled() {
    for mishap in [Mishap::NeverReboots, Mishap::SystemDoesNotComeUp] {
        let bench = Bench::new(&[Some(mishap)], 0);
        bench.offer("write-image.sh");
        bench.power(PowerState::On);
        assert_eq!(bench.names_to("image_rebooting"), INSTALL);
        bench.wait_for("the mishap", || bench.notes.read().last == Some(mishap));
        assert!(TcpStream::connect(bench.system).is_err(), "{mishap}, and yet it answers");
        bench.power(PowerState::Off);
        bench.power(PowerState::On);
        bench.wait_for_system();
    }
}

#[test]
fn a_half_written_disk_does_not_boot() {
    let bench = Bench::new(&[None, Some(Mishap::WritingStalls)], 0);
    for _ in 0..2 {
        bench.offer("write-image.sh");
        bench.power(PowerState::Off);
        bench.power(PowerState::On);
        bench.names_to("image_extracting");
        bench.wait_for("an installed disk or a stall", || {
            let story = bench.notes.read();
            story.installed == 1 && (story.power_ons == 1 || story.mishap_count() == 1)
        });
    }
    bench.texts.lock().unwrap().remove(MAC_CONFIG);
    bench.power(PowerState::Off);
    bench.power(PowerState::On);
    bench.wait_for("an empty disk", || {
        bench.notes.read().trouble.is_some_and(|t| t.contains("nothing to boot"))
    });
}
