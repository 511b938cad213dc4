//! Probes in virtual time: what is asked when, and what is made of the answers.

use super::*;
use crate::bmm::sut::SutError;
use crossbeam_channel::bounded;

const T0: Timestamp = Timestamp(1_000_000);
const ONCE: ProbeMode = ProbeMode::Once;
const UNTIL: ProbeMode = ProbeMode::Until { steady_s: 0, must_vanish: false };
const REBOOT: ProbeMode = ProbeMode::Until { steady_s: 0, must_vanish: true };

/// Probes, and the time.
struct Bench {
    probes: Probes,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self { probes: Probes::new(Ports::default()), now: T0 }
    }

    fn start(&mut self, epoch: u64, host: &str, check: &str, mode: ProbeMode) {
        let (device, host) = ("panda-1".into(), host.into());
        let (epoch, check) = (Epoch(epoch), check.parse().unwrap());
        let good = Signal::PingOk;
        self.probes.start(Probe { device, epoch, host, check, mode, good }, self.now);
    }

    /// The orders since the last call, each as a few words; and the last ticket asked.
    fn orders(&mut self) -> (String, Ticket) {
        let mut last = Ticket(0);
        let mut words = Vec::new();
        for order in self.probes.take_orders() {
            words.push(match order {
                Order::LookUp(host) => format!("look up {host}"),
                Order::Ping(ticket, to) => {
                    last = ticket;
                    format!("ping {}", to.ip())
                }
                Order::Ask(ticket, to, question) => {
                    last = ticket;
                    let what = match question {
                        Question::Tcp { port } => format!("tcp {port}"),
                        Question::Ssh { port } => format!("ssh {port}"),
                        Question::Http { port, path, .. } => format!("http {port} {path}"),
                        Question::Sut { port, goal } => format!("sut {port} {goal:?}"),
                    };
                    format!("{what} {}", to.ip())
                }
                Order::Answer(BmmAnswer::Finished { device, epoch, signal, detail }) => {
                    let detail = detail.map_or(String::new(), |d| format!(": {d}"));
                    format!("{device} {epoch} {signal}{detail}")
                }
                Order::Answer(other) => format!("{other:?}"),
                Order::Reply(_, answer) => format!("{answer:?}"),
            });
        }
        (words.join(", "), last)
    }

    fn said(&mut self, ticket: Ticket, said: Said) -> String {
        self.probes.said(ticket, said, self.now);
        self.orders().0
    }

    /// Lets time pass to the next thing that is due; gives how long that was, and what it was.
    fn next(&mut self) -> (i64, String, Ticket) {
        let at = self.probes.next_wake().expect("something should be due");
        let passed = at.ms_since(self.now);
        self.now = at;
        self.probes.tick(at);
        let (words, ticket) = self.orders();
        (passed, words, ticket)
    }
}

#[test]
fn once_is_one_question_and_one_answer() {
    let mut b = Bench::new();
    for (check, asked) in [
        ("ping", "ping 192.0.2.1"),
        ("tcp:5555", "tcp 5555 192.0.2.1"),
        ("ssh", "ssh 22 192.0.2.1"),
        ("http:8000/x", "http 8000 /x 192.0.2.1"),
        ("sut", "sut 20701 Verify 192.0.2.1"),
    ] {
        b.start(3, "192.0.2.1", check, ONCE);
        let (words, ticket) = b.orders();
        assert_eq!(words, asked);
        assert_eq!(b.said(ticket, Ok(())), "panda-1 3 ping_ok");
        b.start(4, "192.0.2.1", check, ONCE);
        let (_, ticket) = b.orders();
        assert_eq!(b.said(ticket, Err(CheckError::NoReply)), "panda-1 4 failed: no answer to ping");
        assert!(b.probes.is_empty() && b.probes.devices.is_empty() && b.probes.next_wake().is_none());
    }
    b.start(5, "192.0.2.1", "none", ONCE);
    assert_eq!(b.orders().0, "panda-1 5 ping_ok");
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut b = Bench::new();
    b.start(1, "192.0.2.1", "ping", ONCE);
    let (_, old) = b.orders();
    b.start(2, "192.0.2.1", "ping", ONCE);
    let (_, new) = b.orders();
    assert!(!b.probes.wants(old) && b.probes.wants(new));
    assert_eq!(b.said(old, Ok(())), "");
    b.probes.cancel("panda-1");
    assert_eq!(b.said(new, Ok(())), "");
    assert!(b.probes.is_empty());
}

#[test]
fn a_watch_asks_again_after_each_answer_until_the_board_is_well() {
    let mut b = Bench::new();
    b.start(1, "192.0.2.1", "ping", UNTIL);
    let (_, mut ticket) = b.orders();
    for _ in 0..3 {
        b.now = b.now.plus_ms(659);
        assert_eq!(b.said(ticket, Err(CheckError::NoReply)), "");
        let (passed, words, next) = b.next();
        assert_eq!((passed, words.as_str()), (PING_EVERY_MS, "ping 192.0.2.1"));
        ticket = next;
    }
    assert_eq!(b.said(ticket, Ok(())), "panda-1 1 ping_ok");
    assert!(b.probes.is_empty() && b.probes.next_wake().is_none());
}

#[test]
fn a_watch_goes_on_under_new_orders_and_remembers_the_silence() {
    let mut b = Bench::new();
    b.start(1, "192.0.2.1", "tcp:1", REBOOT);
    let (_, ticket) = b.orders();
    assert_eq!(b.said(ticket, Ok(())), "", "the old system's answer");
    let (passed, _, ticket) = b.next();
    assert_eq!(passed, ASK_EVERY_MS);
    assert_eq!(b.said(ticket, Err(CheckError::Refused { port: 1 })), "panda-1 1 vanished");
    b.start(2, "192.0.2.1", "tcp:1", REBOOT);
    assert_eq!(b.orders().0, "", "it goes on in its own time");
    let (_, _, ticket) = b.next();
    assert_eq!(b.said(ticket, Ok(())), "panda-1 2 ping_ok");
}

#[test]
fn another_question_ends_a_watch_and_begins_anew() {
    for (host, check) in [("192.0.2.1", "tcp:2"), ("192.0.2.9", "tcp:1")] {
        let mut b = Bench::new();
        b.start(1, "192.0.2.1", "tcp:1", REBOOT);
        let (_, ticket) = b.orders();
        b.said(ticket, Err(CheckError::HostUnreachable));
        b.start(2, host, check, REBOOT);
        let (words, ticket) = b.orders();
        assert_eq!((words, b.probes.len()), (format!("{} {host}", check.replace(':', " ")), 1));
        assert_eq!(b.said(ticket, Ok(())), "", "its silence is still to come: {host} {check}");
    }
}

#[test]
fn our_own_trouble_is_not_the_boards_silence() {
    let mut b = Bench::new();
    b.start(1, "192.0.2.1", "ping", REBOOT);
    let (_, mut ticket) = b.orders();
    for why in [CheckError::System(nix::errno::Errno::ENETUNREACH), CheckError::Stopping] {
        assert_eq!(b.said(ticket, Err(why)), "");
        (_, _, ticket) = b.next();
    }
    assert_eq!(b.said(ticket, Ok(())), "", "it has not vanished yet");
    assert_eq!(b.said(ticket, Ok(())), "", "asked once, answered once");
    (_, _, ticket) = b.next();
    assert_eq!(b.said(ticket, Err(CheckError::NoReply)), "panda-1 1 vanished");
}

#[test]
fn too_much_at_once_is_asked_again_and_blames_nobody() {
    let mut b = Bench::new();
    b.start(1, "192.0.2.1", "ping", ONCE);
    let (_, ticket) = b.orders();
    assert_eq!(b.said(ticket, Err(CheckError::Busy)), "");
    let (passed, words, _) = b.next();
    assert_eq!((passed, words.as_str()), (BUSY_MS, "ping 192.0.2.1"));
}

#[test]
fn a_watch_that_nobody_asks_for_ends() {
    let mut b = Bench::new();
    b.start(1, "192.0.2.1", "ping", UNTIL);
    let (_, mut ticket) = b.orders();
    let began = b.now;
    while !b.probes.is_empty() {
        b.said(ticket, Err(CheckError::NoReply));
        (_, _, ticket) = b.next();
    }
    assert_eq!(b.now.ms_since(began), WATCH_ENDS_MS);
}

#[test]
fn a_name_is_looked_up_once_for_all_who_wait() {
    let mut b = Bench::new();
    b.start(1, "panda", "ping", UNTIL);
    let (reply, answered) = bounded(1);
    b.probes.ping_by_hand("panda".into(), reply, b.now);
    assert_eq!(b.orders().0, "look up panda");
    b.probes.resolved("panda", Some("192.0.2.5:0".parse().unwrap()), b.now);
    let (words, _) = b.orders();
    assert_eq!(words, "ping 192.0.2.5, ping 192.0.2.5");
    assert_eq!(b.probes.next_wake(), None, "no time limit of the name is left behind");
    drop(answered);
}

#[test]
fn a_dead_name_server_ends_one_question_and_delays_a_watch() {
    let mut b = Bench::new();
    b.start(1, "panda", "ping", ONCE);
    assert_eq!(b.orders().0, "look up panda");
    let (passed, words, _) = b.next();
    assert_eq!(passed, NAME_LIMIT_MS);
    assert!(words.starts_with("panda-1 1 failed: the name server did not answer"), "{words}");
    b.start(2, "panda", "ping", UNTIL);
    assert_eq!(b.orders().0, "", "the look-up is still under way");
    assert_eq!(b.next(), (NAME_LIMIT_MS, String::new(), Ticket(0)));
    assert_eq!(b.next(), (PING_EVERY_MS, String::new(), Ticket(0)));
    b.probes.resolved("panda", Some("192.0.2.5:0".parse().unwrap()), b.now);
    assert_eq!(b.orders().0, "ping 192.0.2.5");
}

#[test]
fn an_agent_is_connected_to_five_times_before_its_card_is_given_up() {
    let mut b = Bench::new();
    b.probes.start_card("panda-1".into(), Epoch(1), "192.0.2.1".into(), b.now);
    let (words, mut ticket) = b.orders();
    assert_eq!(words, "sut 20701 SdCard 192.0.2.1");
    for pause in CARD_PAUSES_MS {
        assert_eq!(b.said(ticket, Err(CheckError::Refused { port: 20701 })), "");
        let (passed, words, next) = b.next();
        assert_eq!((passed, words.as_str()), (pause, "sut 20701 SdCard 192.0.2.1"));
        ticket = next;
    }
    let end = b.said(ticket, Err(CheckError::Refused { port: 20701 }));
    assert_eq!(end, "panda-1 1 sut_sdcard_failed: connection to port 20701 refused");

    b.probes.start_card("panda-1".into(), Epoch(2), "192.0.2.1".into(), b.now);
    let (_, ticket) = b.orders();
    let end = b.said(ticket, Err(CheckError::Sut(SutError::NotMade)));
    assert!(end.starts_with("panda-1 2 sut_sdcard_failed: "), "what the card did is not asked twice: {end}");
    b.probes.start_card("panda-1".into(), Epoch(3), "192.0.2.1".into(), b.now);
    let (_, ticket) = b.orders();
    assert_eq!(b.said(ticket, Ok(())), "panda-1 3 sut_sdcard_ok");
}

#[test]
fn probes_are_bounded() {
    let mut b = Bench::new();
    for n in 0..=PROBES_MAX {
        let device = format!("d{n}").into();
        b.probes.start_card(device, Epoch(1), "192.0.2.1".into(), b.now);
    }
    assert_eq!(b.probes.len(), PROBES_MAX);
    assert!(b.orders().0.ends_with(&format!("Refused {{ device: \"d{PROBES_MAX}\", epoch: Epoch(1) }}")));
    let (reply, _answered) = bounded(1);
    for _ in 0..=MANUAL_MAX {
        b.probes.ping_by_hand("192.0.2.1".into(), reply.clone(), b.now);
    }
    assert_eq!(b.probes.len(), PROBES_MAX + MANUAL_MAX);
    assert!(b.orders().0.contains("try again"));
}
