//! What files went to whom: told to the journal, which knows the boards by their addresses, as steps of their attempts.
//!
//! Nothing waits here. An address that loads files all day is told of so often a minute.

use crate::api::files::PREFIX;
use crate::clock::Clock;
use crate::layers::budget::ByAddress;
use crate::layers::messages::JournalLine;
use crate::logic::attempt::{Step, StepKind};
use crossbeam_channel::Sender;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Files of one address within a minute. An installation loads a handful.
const FILES_PER_PEER: u32 = 60;

/// How a download ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served<'a> {
    /// The call's path.
    pub(super) path: &'a str,
    /// Bytes of the body that went out.
    pub(super) sent: u64,
    /// … of so many.
    pub(super) len: u64,
    /// Where in the file they begin.
    pub(super) start: u64,
    pub(super) took: Duration,
    /// Why it was not finished.
    pub(super) broken: Option<&'a str>,
}

/// The way to the journal.
pub struct Teller {
    lines: Sender<JournalLine>,
    clock: Arc<dyn Clock>,
    budgets: Mutex<ByAddress>,
}

impl Teller {
    /// Steps go to `lines`; those that find no room are lost.
    pub fn new(lines: Sender<JournalLine>, clock: Arc<dyn Clock>) -> Self {
        Self { lines, clock, budgets: Mutex::default() }
    }

    pub(super) fn tell(&self, to: IpAddr, served: &Served<'_>) {
        self.send(to, step(served));
    }

    /// There was no file of that name for it.
    pub(super) fn tell_missing(&self, to: IpAddr, path: &str) {
        self.send(to, blank(path, "not sent: there is no such file").is_bad(true));
    }

    fn send(&self, to: IpAddr, step: Step) {
        let to = to.to_canonical();
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        if budgets.take(to, FILES_PER_PEER, Instant::now()) {
            let step = Step { at: self.clock.now(), ..step };
            // A full journal has more important things to do.
            let _ = self.lines.try_send(JournalLine::Http { to, step });
        }
    }
}

/// Its time is set when it is told.
fn blank(path: &str, what: impl Into<String>) -> Step {
    let name = crate::api::call::decode(path.strip_prefix(PREFIX).unwrap_or(path));
    Step::new(crate::clock::Timestamp(0), StepKind::Http, name, what)
}

fn step(served: &Served<'_>) -> Step {
    let Served { path, sent, len, start, took, broken } = served;
    let what = match broken {
        Some(why) => format!("broke off after {sent} of {len} bytes: {why}"),
        None if *start > 0 => format!("sent from byte {start} on"),
        None => "sent".to_owned(),
    };
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    blank(path, what).sent(*sent).took(took).is_bad(broken.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::logic::time::Timestamp;
    use crossbeam_channel::bounded;

    #[test]
    fn what_was_sent_and_what_was_not_becomes_a_step_and_a_flood_does_not() {
        let (send, lines) = bounded(1000);
        let teller = Teller::new(send, Arc::new(ManualClock::at(Timestamp(5))));
        let took = Duration::from_millis(70);
        let whole = Served { path: "/files/a%20b/i.gz", sent: 9, len: 9, start: 0, took, broken: None };
        let board: IpAddr = "::ffff:10.0.0.7".parse().unwrap();
        teller.tell(board, &whole);
        teller.tell(board, &Served { start: 4, ..whole });
        teller.tell(board, &Served { sent: 3, broken: Some("it went"), ..whole });
        teller.tell_missing(board, "/files/no.img");
        let told: Vec<String> = lines
            .try_iter()
            .map(|line| match line {
                JournalLine::Http { to, step: Step { at, name, what, bytes, took_ms, bad, .. } } => {
                    format!("{to} {} {name} | {what} | {bytes:?} {took_ms:?} {bad}", at.0)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                "10.0.0.7 5 a b/i.gz | sent | Some(9) Some(70) false",
                "10.0.0.7 5 a b/i.gz | sent from byte 4 on | Some(9) Some(70) false",
                "10.0.0.7 5 a b/i.gz | broke off after 3 of 9 bytes: it went | Some(3) Some(70) true",
                "10.0.0.7 5 no.img | not sent: there is no such file | None None true",
            ]
        );
        for _ in 0..500 {
            teller.tell(board, &whole);
        }
        assert_eq!(lines.try_iter().count(), 56, "with the four before");
        drop(lines);
        teller.tell([10, 0, 0, 8].into(), &whole);
    }
}
