//! The hardware layer against real sockets: fake relay boards, listeners, a fake SUT agent, pings of this host.
//!
//! Nothing here sleeps to be in time: boards are held by gates, and a job that is answered at once shows that those before
//! it were taken.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mozpool::bmm::PingSockets;
use mozpool::bmm::power::Programs;
use mozpool::bmm::probes::Ports;
use mozpool::layers::bmm::{BmmSettings, spawn};
use mozpool::layers::messages::{BmmAnswer, BmmJob, ManualAnswer, ManualWork};
use mozpool::layers::supervise::Exit;
use mozpool::logic::check::Check;
use mozpool::logic::events::Signal;
use mozpool::logic::lifeguard::ProbeMode;
use mozpool::logic::machine::Epoch;
use mozpool::logic::time::Timestamp;
use relayctl::fake::Misbehaviour;
use relayctl::{Bank, Change, FakeBoard, FakeSettings, PowerState, Relay, RelayAddress};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const UNTIL: ProbeMode = ProbeMode::Until { steady_s: 0, must_vanish: false };
const REBOOT: ProbeMode = ProbeMode::Until { steady_s: 0, must_vanish: true };

/// The layer with both ends of its channels.
struct Layer {
    jobs: Option<Sender<BmmJob>>,
    answers: Receiver<BmmAnswer>,
    stop: Option<Sender<()>>,
    ended: Receiver<(String, Exit)>,
    thread: Option<JoinHandle<()>>,
}

impl Layer {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Fast settings: no rest, no pause, no patience; `change` changes them.
    fn start_with(change: impl FnOnce(&mut BmmSettings)) -> Self {
        Self::start_before(1000, change)
    }

    /// Before a lifeguard that has room for so many answers.
    fn start_before(room: usize, change: impl FnOnce(&mut BmmSettings)) -> Self {
        let mut settings = BmmSettings::new(PingSockets::open());
        (settings.rest_ms, settings.pause, settings.patience) = (0, Duration::ZERO, Duration::ZERO);
        change(&mut settings);
        let (jobs, from_jobs) = bounded(1000);
        let (to_answers, answers) = bounded(room);
        let (stop, stopped) = bounded(0);
        let (end, ended) = unbounded();
        let thread = spawn(settings, from_jobs, to_answers, stopped, end);
        Self { jobs: Some(jobs), answers, stop: Some(stop), ended, thread: Some(thread) }
    }

    fn send(&self, job: BmmJob) {
        self.jobs.as_ref().unwrap().send(job).unwrap();
    }

    fn cycle(&self, device: &str, epoch: u64, relay: &RelayAddress, deadline: i64) {
        self.cycle_at(device, epoch, &relay.to_string(), deadline);
    }

    fn cycle_at(&self, device: &str, epoch: u64, relay_info: &str, deadline: i64) {
        let (device, epoch, relay) = (device.into(), Epoch(epoch), relay_info.parse().unwrap());
        self.send(BmmJob::PowerCycle { device, epoch, relay, deadline: Timestamp(deadline) });
    }

    fn probe(&self, device: &str, epoch: u64, host: &str, check: &str, mode: ProbeMode) {
        let check: Check = check.parse().unwrap();
        let (device, epoch, host) = (device.into(), Epoch(epoch), host.into());
        self.send(BmmJob::Probe { device, epoch, host, check, mode, good: Signal::PingOk });
    }

    fn by_hand(&self, work: ManualWork) -> ManualAnswer {
        let (reply, answer) = bounded(1);
        self.send(BmmJob::Manual { work, reply });
        answer.recv_timeout(PATIENCE).expect("work by hand should be answered")
    }

    /// The next answer, in a few words.
    fn next(&self) -> String {
        match self.answers.recv_timeout(PATIENCE).expect("there should be an answer") {
            BmmAnswer::PowerStarted { device, epoch } => format!("{device} {epoch} started"),
            BmmAnswer::Finished { device, epoch, signal, detail } => {
                let detail = detail.map_or(String::new(), |d| format!(": {d}"));
                format!("{device} {epoch} {signal}{detail}")
            }
            BmmAnswer::Refused { device, epoch } => format!("{device} {epoch} refused"),
            BmmAnswer::BoardHealth { healthy, .. } => format!("board healthy={healthy}"),
        }
    }

    /// Returns when all jobs sent before have been taken; there must be no answers under way.
    fn sync(&self) {
        self.probe("sync", 0, "127.0.0.1", "none", ProbeMode::Once);
        assert_eq!(self.next(), "sync 0 ping_ok");
    }

    fn stop(&mut self) {
        self.stop = None;
    }

    fn join(&mut self) -> Exit {
        self.thread.take().unwrap().join().unwrap();
        let (name, exit) = self.ended.try_recv().unwrap();
        assert_eq!(name, "bmm");
        exit
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.stop();
        if self.thread.is_some() && !thread::panicking() {
            assert_eq!(self.join(), Exit::Stopped);
        }
    }
}

/// Every device has power at the start.
fn on() -> FakeSettings {
    FakeSettings { initial: PowerState::On, ..FakeSettings::default() }
}

fn board() -> FakeBoard {
    FakeBoard::start("127.0.0.1:0".parse().unwrap(), on()).unwrap()
}

/// A board that stops at each change until it may go on.
fn gated_board() -> (FakeBoard, Receiver<Change>, Sender<()>) {
    let (change, changed) = unbounded();
    let (go, gate) = unbounded::<()>();
    let observer = Box::new(move |c| {
        let _ = change.send(c);
        // Open for ever when the test has dropped its end.
        let _ = gate.recv();
    });
    let board = FakeBoard::start_observed("127.0.0.1:0".parse().unwrap(), on(), observer).unwrap();
    (board, changed, go)
}

fn relay(board: SocketAddr, number: u8) -> RelayAddress {
    let (bank, relay) = ((number - 1) / 8 + 1, (number - 1) % 8 + 1);
    format!("{board}:bank{bank}:relay{relay}").parse().unwrap()
}

fn power(board: &FakeBoard, number: u8) -> PowerState {
    let address = relay(board.addr(), number);
    board.power(address.bank, address.relay)
}

#[test]
fn fourteen_devices_of_one_board_are_cycled_one_at_a_time_the_most_urgent_first() {
    let (board, changed, go) = gated_board();
    let layer = Layer::start();
    layer.cycle("d0", 1, &relay(board.addr(), 1), 0);
    assert_eq!(layer.next(), "d0 1 started");
    changed.recv_timeout(PATIENCE).unwrap();
    for n in 1..14 {
        layer.cycle(&format!("d{n}"), 1, &relay(board.addr(), n + 1), 1000 - i64::from(n));
    }
    layer.sync();
    drop(go);
    assert_eq!(layer.next(), "d0 1 power_cycle_ok");
    for n in (1..14).rev() {
        assert_eq!(layer.next(), format!("d{n} 1 started"), "no two at once, and in the order of deadlines");
        assert_eq!(layer.next(), format!("d{n} 1 power_cycle_ok"));
    }
    assert_eq!(board.connections(), 14);
    let changes: Vec<_> = changed.try_iter().map(|c| c.power).collect();
    assert_eq!(changes.len(), 2 * 14 - 1);
    assert!((1..=14).all(|n| power(&board, n) == PowerState::On));
}

#[test]
fn boards_rest_after_each_connection() {
    // This board refuses for a fifth of a second after each close, and nobody here asks twice.
    let recovery = Duration::from_millis(200);
    let settings = FakeSettings { recovery, ..on() };
    let board = FakeBoard::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let layer = Layer::start_with(|s| s.rest_ms = 1000);
    for n in 1..=3 {
        layer.cycle(&format!("d{n}"), 1, &relay(board.addr(), n), 0);
    }
    for n in 1..=3 {
        assert_eq!(layer.next(), format!("d{n} 1 started"));
        assert_eq!(layer.next(), format!("d{n} 1 power_cycle_ok"));
    }
}

#[test]
fn other_boards_do_not_wait_for_a_slow_one() {
    let (slow, changed, go) = gated_board();
    let quick = board();
    let layer = Layer::start();
    layer.cycle("slow", 1, &relay(slow.addr(), 1), 0);
    assert_eq!(layer.next(), "slow 1 started");
    changed.recv_timeout(PATIENCE).unwrap();
    layer.cycle("quick", 1, &relay(quick.addr(), 1), 0);
    assert_eq!(layer.next(), "quick 1 started");
    assert_eq!(layer.next(), "quick 1 power_cycle_ok");
    drop(go);
    assert_eq!(layer.next(), "slow 1 power_cycle_ok");
}

#[test]
fn a_waiting_job_is_replaced_by_a_newer_one_and_removed_by_cancel() {
    let (board, changed, go) = gated_board();
    let layer = Layer::start();
    layer.cycle("first", 1, &relay(board.addr(), 1), 0);
    assert_eq!(layer.next(), "first 1 started");
    changed.recv_timeout(PATIENCE).unwrap();
    layer.cycle("twice", 1, &relay(board.addr(), 2), 0);
    layer.cycle("twice", 2, &relay(board.addr(), 2), 0);
    layer.cycle("cancelled", 1, &relay(board.addr(), 3), 0);
    layer.send(BmmJob::Cancel { device: "cancelled".into() });
    layer.send(BmmJob::Cancel { device: "first".into() });
    layer.sync();
    drop(go);
    assert_eq!(layer.next(), "first 1 power_cycle_ok", "what has started is finished");
    assert_eq!(layer.next(), "twice 2 started");
    assert_eq!(layer.next(), "twice 2 power_cycle_ok");
    layer.sync();
    assert_eq!(board.connections(), 2);
}

#[test]
fn a_board_that_fails_is_told_once_and_so_is_its_recovery() {
    let board = board();
    let layer = Layer::start();
    let cycle = |epoch, expected: &str| {
        layer.cycle("d", epoch, &relay(board.addr(), 1), 0);
        assert_eq!(layer.next(), format!("d {epoch} started"));
        let health = match layer.next() {
            text if text.starts_with("board") => Some(text),
            text => {
                assert!(text.starts_with(&format!("d {epoch} {expected}")), "{text}");
                None
            }
        };
        if health.is_some() {
            let text = layer.next();
            assert!(text.starts_with(&format!("d {epoch} {expected}")), "{text}");
        }
        health
    };
    assert_eq!(cycle(1, "power_cycle_ok"), None, "boards are taken for healthy");
    board.set_misbehaviour(Misbehaviour::StuckRelay);
    assert_eq!(cycle(2, "power_cycle_failed: relay board"), None, "one relay is not the board");
    board.set_misbehaviour(Misbehaviour::Refuse);
    assert_eq!(cycle(3, "power_cycle_failed: relay board").as_deref(), Some("board healthy=false"));
    assert_eq!(cycle(4, "power_cycle_failed: relay board"), None, "told already");
    board.set_misbehaviour(Misbehaviour::None);
    assert_eq!(cycle(5, "power_cycle_ok").as_deref(), Some("board healthy=true"));
}

#[test]
fn work_by_hand_goes_the_same_way() {
    let board = board();
    let layer = Layer::start();
    let address = || relay(board.addr(), 9).into();
    assert_eq!(layer.by_hand(ManualWork::PowerOff(address())), ManualAnswer::Ok);
    assert_eq!(board.power(Bank::new(2).unwrap(), Relay::new(1).unwrap()), PowerState::Off);
    let read = || layer.by_hand(ManualWork::ReadPower(address()));
    assert_eq!(read(), ManualAnswer::Power(PowerState::Off));
    assert_eq!(layer.by_hand(ManualWork::PowerOn(address())), ManualAnswer::Ok);
    assert_eq!(read(), ManualAnswer::Power(PowerState::On));
    assert_eq!(layer.by_hand(ManualWork::PowerCycle(address())), ManualAnswer::Ok);
    assert_eq!(layer.by_hand(ManualWork::TestBoard(board.addr().to_string())), ManualAnswer::Ok);
    assert!(matches!(layer.by_hand(ManualWork::TestBoard("a b".into())), ManualAnswer::Failed(_)));
    assert_eq!(layer.by_hand(ManualWork::Ping("127.0.0.1".into())), ManualAnswer::Ok);
    // Somebody who does not wait for the answer.
    let (reply, answer) = bounded(1);
    drop(answer);
    layer.send(BmmJob::Manual { work: ManualWork::ReadPower(address()), reply });
    assert_eq!(read(), ManualAnswer::Power(PowerState::On));
    board.set_misbehaviour(Misbehaviour::Refuse);
    assert!(matches!(read(), ManualAnswer::Failed(why) if why.contains("refused")));
    layer.sync();
}

#[test]
fn stopping_in_the_middle_of_a_power_cycle_leaves_the_power_on() {
    let (board, changed, go) = gated_board();
    let mut layer = Layer::start();
    layer.cycle("d1", 1, &relay(board.addr(), 1), 0);
    assert_eq!(layer.next(), "d1 1 started");
    assert_eq!(changed.recv_timeout(PATIENCE).unwrap().power, PowerState::Off);
    layer.cycle("d2", 1, &relay(board.addr(), 2), 0);
    let (reply, answer) = bounded(1);
    layer.send(BmmJob::Manual { work: ManualWork::PowerOff(relay(board.addr(), 3).into()), reply });
    layer.sync();
    layer.stop();
    // Stopping, it tells the one who waits; the board has not moved since.
    let told = answer.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(told, ManualAnswer::Failed(why) if why.contains("stopping")));
    assert_eq!(power(&board, 1), PowerState::Off);
    drop(go);
    assert_eq!(layer.join(), Exit::Stopped);
    assert_eq!(power(&board, 1), PowerState::On);
    assert_eq!(layer.next(), "d1 1 power_cycle_ok");
    assert_eq!(layer.answers.try_recv().ok(), None, "nothing new was started");
    assert_eq!(board.connections(), 1);
}

#[test]
fn a_power_cycle_that_does_not_end_is_named_and_not_waited_for() {
    let (board, changed, go) = gated_board();
    let mut layer = Layer::start_with(|s| s.stop_limit = Duration::from_millis(50));
    layer.cycle("d1", 1, &relay(board.addr(), 1), 0);
    changed.recv_timeout(PATIENCE).unwrap();
    layer.stop();
    let exit = layer.join();
    assert!(matches!(&exit, Exit::Failed(why) if why.contains("bmm-relay-1;")), "{exit}");
    drop(go);
}

#[test]
fn it_ends_when_its_neighbours_do() {
    let mut layer = Layer::start();
    layer.jobs = None;
    assert_eq!(layer.join(), Exit::Lost("lifeguard"));
    let mut layer = Layer::start();
    let (_, nobody) = bounded(0);
    layer.answers = nobody;
    layer.probe("d", 1, "127.0.0.1", "none", ProbeMode::Once);
    assert_eq!(layer.join(), Exit::Lost("lifeguard"));
}

#[test]
fn a_lifeguard_that_is_slow_gets_every_answer_in_order() {
    let layer = Layer::start_before(1, |_| {});
    for epoch in 0..50 {
        layer.probe("d", epoch, "127.0.0.1", "none", ProbeMode::Once);
    }
    // Answered although nobody takes the others yet: the layer waits for no neighbour.
    assert_eq!(layer.by_hand(ManualWork::Ping("127.0.0.1".into())), ManualAnswer::Ok);
    for epoch in 0..50 {
        assert_eq!(layer.next(), format!("d {epoch} ping_ok"));
    }
}

#[test]
fn boards_are_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let layer = Layer::start();
    let once = |host: &str, check: &str| {
        layer.probe("d", 1, host, check, ProbeMode::Once);
        layer.next()
    };
    let tcp = format!("tcp:{open}");
    assert_eq!(once("127.0.0.1", &tcp), "d 1 ping_ok");
    assert_eq!(once("localhost", &tcp), "d 1 ping_ok", "names are looked up");
    assert_eq!(once("127.0.0.1", "ping"), "d 1 ping_ok");
    assert_eq!(once("::1", "ping"), "d 1 ping_ok");
    drop(listener);
    assert_eq!(once("127.0.0.1", &tcp), format!("d 1 failed: connection to port {open} refused"));
    let unknown = once("no-such-board.invalid", "ping");
    assert!(unknown.starts_with("d 1 failed: the name"), "{unknown}");
    assert!(once("not a name", "ping").starts_with("d 1 failed: the device's host name"));
}

#[test]
fn ssh_and_http_are_asked_what_they_should_say() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let layer = Layer::start_with(|s| s.ports = Ports { ssh: port, ..Ports::default() });
    let serve = |said: &'static str, reads: bool| {
        let (mut stream, _) = listener.accept().unwrap();
        if reads {
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            assert_eq!(line, "GET /installed HTTP/1.1\r\n");
        }
        stream.write_all(said.as_bytes()).unwrap();
    };
    layer.probe("d", 1, "127.0.0.1", "ssh", ProbeMode::Once);
    serve("SSH-2.0-OpenSSH_9.2\r\n", false);
    assert_eq!(layer.next(), "d 1 ping_ok");
    let http = format!("http:{port}/installed");
    layer.probe("d", 2, "127.0.0.1", &http, ProbeMode::Once);
    serve("HTTP/1.0 200 OK\r\n\r\n", true);
    assert_eq!(layer.next(), "d 2 ping_ok");
    layer.probe("d", 3, "127.0.0.1", &http, ProbeMode::Once);
    serve("HTTP/1.0 503 Wait\r\n\r\n", true);
    assert_eq!(layer.next(), "d 3 failed: HTTP status 503, wanted 2xx");
}

#[test]
fn a_watch_sees_the_old_system_go_and_the_new_one_come() {
    // An address of its own, so that no other listener of this machine takes the port in between.
    let listener = TcpListener::bind("127.83.7.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let check = format!("tcp:{}", at.port());
    let layer = Layer::start();
    layer.probe("d", 1, "127.83.7.1", &check, REBOOT);
    // Twice, so that the first answer has been taken when the second question comes.
    for _ in 0..2 {
        listener.accept().unwrap();
    }
    layer.sync();
    drop(listener);
    assert_eq!(layer.next(), "d 1 vanished");
    layer.probe("d", 2, "127.83.7.1", &check, REBOOT);
    layer.sync();
    let _listener = TcpListener::bind(at).unwrap();
    assert_eq!(layer.next(), "d 2 ping_ok");
}

#[test]
fn a_watch_of_pings_wants_them_without_a_gap() {
    let layer = Layer::start();
    let began = std::time::Instant::now();
    layer.probe("d", 1, "127.0.0.1", "ping", ProbeMode::Until { steady_s: 1, must_vanish: false });
    assert_eq!(layer.next(), "d 1 ping_ok");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

/// A SUT agent for so many connections. Gives the commands it heard.
fn agent(listener: TcpListener, connections: usize, md5: &'static str) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut heard = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            stream.write_all(b"$>\0").unwrap();
            let mut made = false;
            let mut line = String::new();
            while lines.read_line(&mut line).unwrap() > 0 {
                let command = line.trim_end().to_owned();
                line.clear();
                let said = match command.split(' ').next().unwrap() {
                    "testroot" => "/mnt/sdcard".to_owned(),
                    "isdir" if command.ends_with("/sdcardtest") => if made { "TRUE" } else { "FALSE" }.into(),
                    "isdir" => "TRUE".into(),
                    "mkdr" => {
                        made = true;
                        "successfully created".into()
                    }
                    "ver" => "SUTAgentAndroid Version 1.20".into(),
                    "push" => {
                        let mut content = [0; 15];
                        lines.read_exact(&mut content).unwrap();
                        assert_eq!(&content, b"autophone test\n");
                        md5.into()
                    }
                    "rmdr" => "Deleting file(s)".into(),
                    other => format!("##AGENT-WARNING## unknown command {other}"),
                };
                heard.push(command);
                // The connection is dropped after the last reply, perhaps before we have sent it whole.
                if stream.write_all(format!("{said}\r\n$>\0").as_bytes()).is_err() {
                    break;
                }
            }
        }
        heard
    })
}

#[test]
fn the_sut_agent_is_verified_and_checks_its_card() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let running = agent(listener, 2, "d548a4ba2f0d8ff52af7ce43e241f7da");
    let layer = Layer::start_with(|s| s.ports = Ports { sut: port, ..Ports::default() });
    layer.probe("d", 1, "127.0.0.1", "sut", ProbeMode::Once);
    assert_eq!(layer.next(), "d 1 ping_ok");
    layer.send(BmmJob::SdCard { device: "d".into(), epoch: Epoch(2), host: "127.0.0.1".into() });
    assert_eq!(layer.next(), "d 2 sut_sdcard_ok");
    let heard = running.join().unwrap();
    assert_eq!(heard[..3], ["testroot", "isdir /mnt/sdcard/tests", "ver"]);
    assert_eq!(heard.last().unwrap(), "rmdr /mnt/sdcard/tests/sdcardtest");
}

#[test]
fn a_card_that_does_not_keep_its_bytes_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let running = agent(listener, 1, "ffffffffffffffffffffffffffffffff");
    let layer = Layer::start_with(|s| s.ports = Ports { sut: port, ..Ports::default() });
    layer.send(BmmJob::SdCard { device: "d".into(), epoch: Epoch(1), host: "127.0.0.1".into() });
    let said = layer.next();
    assert!(said.starts_with("d 1 sut_sdcard_failed: the card does not keep"), "{said}");
    running.join().unwrap();
}

#[test]
fn boards_that_hang_do_not_hold_up_pings() {
    // More mute boards than there are workers: none is ever accepted, the kernel takes the connections.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let layer = Layer::start_with(|s| s.ports = Ports { ssh: port, ..Ports::default() });
    for n in 0..40 {
        layer.probe(&format!("mute-{n}"), 1, "127.0.0.1", "ssh", UNTIL);
    }
    layer.probe("d", 1, "127.0.0.1", "ping", ProbeMode::Once);
    assert_eq!(layer.next(), "d 1 ping_ok");
}

/// Programs of devices whose power is no relay's, in a folder of their own.
fn programs(folder: &std::path::Path) -> Programs {
    use std::os::unix::fs::PermissionsExt;
    let script = "#!/bin/sh\necho \"$1 $2\" >> ${0%/*}/calls\n\
                  case $2 in status) cat ${0%/*}/power-$1 ;; *) echo $2 > ${0%/*}/power-$1 ;; esac\n";
    let waits = "#!/bin/sh\nuntil [ -e ${0%/*}/gate ]; do sleep 0.02; done\necho unknown\n";
    for (name, text) in [("switch", script), ("waits", waits)] {
        // Written by another process: a file that this one has open for writing could not be run.
        let path = folder.join(name);
        let mut tee = std::process::Command::new("tee");
        let mut tee = tee.arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        tee.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(tee.wait().unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    Programs { folder: Some(folder.to_owned()), limit: PATIENCE }
}

#[test]
fn a_program_in_place_of_a_relay_is_cycled_like_one_and_its_failures_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::start_with(|s| s.programs = programs(folder.path()));
    layer.cycle_at("d1", 7, "command:switch b1", 0);
    assert_eq!(layer.next(), "d1 7 started");
    assert_eq!(layer.next(), "d1 7 power_cycle_ok");
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    assert_eq!(calls, "b1 off\nb1 status\nb1 on\nb1 status\n");
    let at = || "command:switch b1".parse().unwrap();
    assert_eq!(layer.by_hand(ManualWork::PowerOff(at())), ManualAnswer::Ok);
    assert_eq!(layer.by_hand(ManualWork::ReadPower(at())), ManualAnswer::Power(PowerState::Off));
    std::fs::write(folder.path().join("power-b1"), "unknown").unwrap();
    assert_eq!(layer.by_hand(ManualWork::ReadPower(at())), ManualAnswer::Ok, "which is all that is known");
    layer.cycle_at("d2", 1, "command:none b2", 0);
    assert_eq!(layer.next(), "d2 1 started");
    assert_eq!(layer.next(), "board healthy=false");
    let said = layer.next();
    assert!(said.starts_with("d2 1 power_cycle_failed: power program `none`: power cycle failed"), "{said}");
    assert!(said.contains("there is no such program"), "{said}");
}

#[test]
fn programs_that_hang_leave_workers_to_the_relay_boards_and_one_controller_is_asked_one_thing() {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::start_with(|s| s.programs = programs(folder.path()));
    // Two devices of each controller: the second one waits for the first.
    for n in 0..12 {
        for device in ["a", "b"] {
            layer.cycle_at(&format!("{device}{n}"), 1, &format!("command:waits pdu-{n} {device}"), n);
        }
    }
    let started: Vec<String> = (0..8).map(|_| layer.next()).collect();
    let wanted: Vec<String> = (0..8).map(|n| format!("a{n} 1 started")).collect();
    assert_eq!(started, wanted, "eight at once, the most urgent first, one of each controller");
    let board = board();
    layer.cycle("relay", 1, &relay(board.addr(), 1), 1000);
    assert_eq!(layer.next(), "relay 1 started");
    assert_eq!(layer.next(), "relay 1 power_cycle_ok");
    layer.sync();
    std::fs::write(folder.path().join("gate"), "").unwrap();
    let mut rest: Vec<String> = (0..24 * 2 - 8).map(|_| layer.next()).collect();
    rest.retain(|answer| answer.ends_with("power_cycle_ok"));
    assert_eq!(rest.len(), 24);
}
