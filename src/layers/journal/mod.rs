//! The *journal* thread: what boards and layers say, into the device logs; and what is too old, out of them.
//!
//! It writes in batches on its own connection, so that a chatty rack costs the machines nothing. While the store does not answer, a
//! bounded backlog waits; what finds no room is counted, and the count is written where the lines are missing.

pub mod backlog;
pub mod names;
pub mod senders;
pub mod strays;

use super::messages::{JOURNAL_QUEUE, JournalLine};
use super::supervise::Exit;
use crate::clock::Clock;
use crate::logic::time::Timestamp;
use crate::store::{DeviceLogLine, Result, Store, StrayLogLine};
use backlog::{Added, BATCH_LINES, Backlog};
use crossbeam_channel::{Receiver, Sender, after, at, select_biased};
use senders::Senders;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strays::Strays;

/// Lines of unknown senders that are kept: enough to see what a new rack says, little enough for a port scan not to matter.
pub const STRAYS_KEPT: usize = 10_000;
/// How often old lines are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Rows deleted at once: some milliseconds, in which lines wait.
const PRUNE_ROWS: usize = 1000;
/// Between two such deletions lines are written, and others have the database.
const PRUNE_REST: Duration = Duration::from_millis(50);
/// When the store refused to delete, it is asked again after this time.
const PRUNE_RETRY: Duration = Duration::from_secs(60);
/// How long lines wait for the first map of devices.
const FIRST_MAP: Duration = Duration::from_secs(2);
/// Writes that are tried at the end; a store that is gone must not keep the daemon from ending.
const LAST_TRIES: u32 = 3;
const LAST_REST: Duration = Duration::from_millis(300);
const DAY_MS: i64 = 86_400_000;

/// The part of the store that is the journal's.
pub trait LogStore: Send {
    /// See [`Store::append_device_log`].
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()>;
    /// See [`Store::append_stray_log`].
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()>;
    /// See [`Store::prune`].
    fn prune(&mut self, logs_before: Timestamp, requests_before: Timestamp, limit: usize) -> Result<bool>;
}

impl LogStore for Box<dyn Store> {
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()> {
        (**self).append_device_log(lines)
    }
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()> {
        (**self).append_stray_log(lines, keep)
    }
    fn prune(&mut self, logs_before: Timestamp, requests_before: Timestamp, limit: usize) -> Result<bool> {
        (**self).prune(logs_before, requests_before, limit)
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Log lines, after they came.
    pub logs_days: u32,
    /// Requests, after they expired.
    pub requests_days: u32,
}

/// Where it hears from.
#[derive(Debug)]
pub struct Inbox {
    /// Time to write what is there and end.
    pub stop: Receiver<()>,
    /// Lines, of [`JOURNAL_QUEUE`] places.
    pub lines: Receiver<JournalLine>,
    /// New maps from *names*.
    pub senders: Receiver<Arc<Senders>>,
    /// Asks *names* for one.
    pub names_wanted: Sender<()>,
    /// Lines that found [`Self::lines`] full, counted by whoever dropped them.
    pub dropped: Arc<AtomicU64>,
}

/// What the journal has done since it started, for whoever shows it.
#[derive(Debug, Default)]
pub struct Stats {
    /// Lines on disk.
    pub written: AtomicU64,
    /// Of those, lines of unknown senders.
    pub strays: AtomicU64,
    /// Lines that are lost, here or on the way here.
    pub lost: AtomicU64,
    /// Writes that the store refused.
    pub failures: AtomicU64,
}

/// The thread's state.
pub struct Journal<S> {
    store: S,
    retention: Retention,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    senders: Arc<Senders>,
    backlog: Backlog,
    strays: Strays,
    /// When the next old rows are deleted.
    prune_at: Instant,
}

impl<S: LogStore> Journal<S> {
    /// A journal that writes to `store`. Until *names* has spoken it knows no device; lines that name theirs are written all the same.
    pub fn new(store: S, retention: Retention, clock: Arc<dyn Clock>, stats: Arc<Stats>) -> Self {
        let (senders, backlog, strays) = (Arc::default(), Backlog::default(), Strays::default());
        Self { store, retention, clock, stats, senders, backlog, strays, prune_at: Instant::now() }
    }

    /// The thread's body.
    pub fn run(mut self, inbox: &Inbox) -> Exit {
        // Lines that came while the daemon started must not be strays because the map is not here yet.
        select_biased! {
            recv(inbox.stop) -> _ => return self.finish(inbox, Exit::Stopped),
            recv(inbox.senders) -> senders => match senders {
                Ok(senders) => self.senders = senders,
                Err(_) => return self.finish(inbox, Exit::Lost("names")),
            },
            recv(after(FIRST_MAP)) -> _ => log::warn!("the devices' addresses are not known yet"),
        }
        loop {
            self.write(inbox, false);
            self.prune();
            let timer = at(self.backlog.due().map_or(self.prune_at, |due| due.min(self.prune_at)));
            select_biased! {
                recv(inbox.stop) -> _ => return self.finish(inbox, Exit::Stopped),
                recv(inbox.senders) -> senders => match senders {
                    Ok(senders) => self.senders = senders,
                    Err(_) => return self.finish(inbox, Exit::Lost("names")),
                },
                recv(timer) -> _ => {}
                recv(inbox.lines) -> line => match line {
                    Ok(line) => self.take(line, inbox),
                    Err(_) => return self.finish(inbox, Exit::Lost("everybody who has something to say")),
                },
            }
        }
    }

    /// Takes a line and what is there behind it, up to a batch.
    fn take(&mut self, first: JournalLine, inbox: &Inbox) {
        let now = Instant::now();
        let more = inbox.lines.try_iter().take(BATCH_LINES - 1);
        for line in std::iter::once(first).chain(more) {
            match self.backlog.add(line, &self.senders, now) {
                Added::Device => {}
                Added::Lost => self.count(|s| &s.lost, 1),
                Added::Stray(from) => {
                    if let Some(count) = self.strays.note(from, now) {
                        log::warn!(
                            "syslog from {from}: no device has this address or name; lines={count} kept aside"
                        );
                    }
                    // A full place means that it is already asked for.
                    let _ = inbox.names_wanted.try_send(());
                }
            }
        }
    }

    /// Writes the batch that is due, or with `all` everything; false when the store fails.
    fn write(&mut self, inbox: &Inbox, all: bool) -> bool {
        while let Some((device, stray)) = self.backlog.next(Instant::now(), all) {
            let (devices, strays) = (device.len(), stray.len());
            let result = if devices == 0 { Ok(()) } else { self.store.append_device_log(device) };
            let (written, result) = match result {
                Ok(()) if strays == 0 => (devices, Ok(())),
                Ok(()) => (devices, self.store.append_stray_log(stray, STRAYS_KEPT)),
                Err(error) => (0, Err(error)),
            };
            let now = Instant::now();
            let was_failing = self.backlog.is_failing();
            if let Err(error) = result {
                self.backlog.written(written, 0);
                self.count(|s| &s.written, written);
                let wait = self.backlog.failed(now);
                self.count(|s| &s.failures, 1);
                let lines = self.backlog.lines();
                log::error!("{error}; lines={lines} wait, the next try is in {} ms", wait.as_millis());
                return false;
            }
            self.backlog.written(devices, strays);
            self.count(|s| &s.written, devices + strays);
            self.count(|s| &s.strays, strays);
            if was_failing {
                log::info!("the store takes log lines again; lost={}", self.backlog.lost());
            }
            self.backlog.recovered(self.clock.now(), now);
            let dropped = inbox.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                log::warn!("the journal could not keep up; lost={dropped}");
                self.stats.lost.fetch_add(dropped, Ordering::Relaxed);
                self.backlog.note_drops("syslog", dropped, self.clock.now(), now);
            }
        }
        true
    }

    /// Deletes a few rows that are too old, when it is time. While the store fails, lines have the first try.
    fn prune(&mut self) {
        if Instant::now() < self.prune_at {
            return;
        }
        if self.backlog.is_failing() {
            self.prune_at = Instant::now() + PRUNE_RETRY;
            return;
        }
        let today = self.clock.now();
        let before = |days: u32| today.plus_ms(-i64::from(days) * DAY_MS);
        let Retention { logs_days, requests_days } = self.retention;
        let wait = match self.store.prune(before(logs_days), before(requests_days), PRUNE_ROWS) {
            Ok(true) => PRUNE_REST,
            Ok(false) => PRUNE_EVERY,
            Err(error) => {
                log::warn!("old log lines stay for now: {error}");
                PRUNE_RETRY
            }
        };
        self.prune_at = Instant::now() + wait;
    }

    /// Takes what is still in the queue, and writes everything.
    fn finish(mut self, inbox: &Inbox, exit: Exit) -> Exit {
        // A stop comes before a map that is already here.
        if let Ok(senders) = inbox.senders.try_recv() {
            self.senders = senders;
        }
        for _ in 0..=JOURNAL_QUEUE / BATCH_LINES {
            let Ok(line) = inbox.lines.try_recv() else { break };
            self.take(line, inbox);
            self.write(inbox, false);
        }
        for last in 1..=LAST_TRIES {
            if self.write(inbox, true) {
                break;
            }
            if last == LAST_TRIES {
                log::error!("lines={} of device logs are lost", self.backlog.lines());
            } else {
                std::thread::sleep(LAST_REST);
            }
        }
        exit
    }

    fn count(&self, which: impl Fn(&Stats) -> &AtomicU64, by: usize) {
        which(&self.stats).fetch_add(by as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
