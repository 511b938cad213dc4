//! The threads that do what blocks: relays, checks, names; and the one that pings.
//!
//! They hand everything back over one channel and tell their end over another. What to do is decided elsewhere.

use super::check::{self, Question};
use super::ping::{self, PingSockets, Pinger};
use super::pool::{Named, Pool};
use super::power::{self, PowerJob, Ways};
use super::{Said, Ticket, names};
use crate::layers::supervise::{self, Exit};
use crossbeam_channel::{Receiver, bounded};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Relay boards used at once: those of the racks of one server, with some to spare for ones that are dead and take their
/// whole time limit.
const RELAY_WORKERS: usize = 32;
/// Checks asked at once: a rack of 80 boards that all let connections time out (3 s) is asked once in 15 s.
const CHECK_WORKERS: usize = 16;
/// Names looked up at once: name servers answer in milliseconds, or not at all; then more would not help.
const NAME_WORKERS: usize = 4;
/// Results that may wait for the dispatcher; workers wait for it beyond that, and it always comes back to them.
const RESULTS: usize = 256;
/// How the threads that look up names are called.
const NAMERS: &str = "bmm-name";

/// What a worker hands back.
#[derive(Debug)]
pub enum Done {
    /// A task of this queue.
    Power(String, PowerJob, power::Outcome),
    /// A question over TCP.
    Checked(Ticket, Said),
    /// A ping.
    Pinged(Ticket, Said),
    /// A name's address.
    Named(String, Option<SocketAddr>),
}

/// A question for a worker.
pub type CheckOrder = (Ticket, SocketAddr, Question);

/// All of them.
#[derive(Debug)]
pub struct Workers {
    /// For relay boards.
    pub relays: Pool<(String, PowerJob)>,
    /// For questions over TCP.
    pub checks: Pool<CheckOrder>,
    /// For names.
    pub namers: Pool<String>,
    /// Pings.
    pub pinger: Pinger,
    ping_thread: Named,
    stopping: Arc<AtomicBool>,
    /// For workers that a test makes.
    #[cfg(test)]
    pub(crate) ended: crossbeam_channel::Sender<(String, Exit)>,
}

/// What comes back from them.
#[derive(Debug)]
pub struct FromWorkers {
    /// Results.
    pub done: Receiver<Done>,
    /// Threads that ended.
    pub ended: Receiver<(String, Exit)>,
}

impl Workers {
    /// Starts the ping thread; others start as they are needed. `ways` is for [`power::carry_out`].
    ///
    /// # Errors
    /// The system gives no poll to ping with.
    pub fn start(sockets: PingSockets, ways: Ways) -> io::Result<(Self, FromWorkers)> {
        // A place for each thread there can be: none waits to tell its end.
        let (ended, from_ended) = bounded(RELAY_WORKERS + CHECK_WORKERS + NAME_WORKERS + 1);
        let (results, from_done) = bounded(RESULTS);
        let stopping = Arc::new(AtomicBool::new(false));
        let relays = {
            let results = results.clone();
            Pool::new("bmm-relay", RELAY_WORKERS, ended.clone(), move |(board, job): (String, PowerJob)| {
                let outcome = power::carry_out(&job.task, &ways);
                results.send(Done::Power(board, job, outcome)).is_ok()
            })
        };
        let checks = {
            let (results, stopping) = (results.clone(), Arc::clone(&stopping));
            Pool::new("bmm-check", CHECK_WORKERS, ended.clone(), move |(ticket, to, question): CheckOrder| {
                results.send(Done::Checked(ticket, check::ask(&question, to, &stopping))).is_ok()
            })
        };
        let namers = {
            let results = results.clone();
            Pool::new(NAMERS, NAME_WORKERS, ended.clone(), move |host: String| {
                let found = names::look_up(&host);
                results.send(Done::Named(host, found)).is_ok()
            })
        };
        let (pinger, thread) = ping::pinger(sockets)?;
        #[cfg(test)]
        let for_tests = ended.clone();
        let name = "bmm-ping";
        let handle = supervise::spawn(name, ended, move || {
            thread.run(|ticket, said| results.send(Done::Pinged(ticket, said)).is_ok())
        });
        let ping_thread = (name.to_owned(), handle);
        let workers = Self {
            relays,
            checks,
            namers,
            pinger,
            ping_thread,
            stopping,
            #[cfg(test)]
            ended: for_tests,
        };
        Ok((workers, FromWorkers { done: from_done, ended: from_ended }))
    }

    /// Tells all to end after what they are at, checks at once. The threads are to be joined, but see [`may_hang`].
    pub fn close(self) -> Vec<Named> {
        self.stopping.store(true, Ordering::Relaxed);
        let pools = [self.relays.close(), self.checks.close(), self.namers.close(), vec![self.ping_thread]];
        pools.into_iter().flatten().collect()
    }
}

/// The system's resolver cannot be interrupted; a thread in it holds nothing and is left behind.
pub fn may_hang(name: &str) -> bool {
    name.starts_with(NAMERS)
}
