//! The *inventory* thread: reads the inventory when it is asked to, or by itself where that is this server's task, and gives
//! *lifeguard* what it says.
//!
//! It is slow and may wait for a server far away, so nobody waits for it but who asked. By itself it runs on one server of the
//! pool: the one that has the lease. A run that fails has changed nothing; the next one comes at its time.

use super::messages::{
    AdminAnswer, Administration, InventoryAnswer, InventoryCommand, InventoryReport, LifeguardCommand,
};
use super::supervise::Exit;
use crate::api::ask::ADMIN_WAIT;
use crate::clock::{Clock, StepWatch, Timestamp};
use crate::config;
use crate::inventory::{Intake, SourceError, open, take_in};
use crate::store::{Store, StoreError, Sync as Wishes};
use crossbeam_channel::{Receiver, Sender, after, bounded, never, select, select_biased};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Who asks by hand may wait for one run, and for the one that is under way.
pub const QUEUE: usize = 1;
/// Reading all of an inventory: some hundreds of pages, or an export that is made while we wait.
pub const READ_LIMIT: Duration = Duration::from_secs(60);
/// The lease's name.
const LEASE: &str = "inventory";
/// When the store failed: long enough for it to come back, short enough to be nobody's outage.
const STORE_REST_MS: i64 = 30_000;

/// What it goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This server's name.
    pub server: String,
    /// `[inventory]`
    pub inventory: config::Inventory,
}

/// What it hears.
pub struct Inbox {
    /// Ends it when its other end is dropped.
    pub stop: Receiver<()>,
    /// From the API.
    pub commands: Receiver<InventoryCommand>,
}

/// Who began a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Its time had come.
    Timer,
    /// A call.
    Call,
}

/// A run that is over. Dry runs are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub at: Timestamp,
    /// Who began it.
    pub by: By,
    /// What came of it.
    pub outcome: Result<Counts, String>,
}

/// What a run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Systems that the inventory told of.
    pub systems: usize,
    /// Those that are none of ours.
    pub skipped: usize,
    /// Differences that were written.
    pub changes: usize,
    /// Devices that wait for the next run.
    pub left: usize,
}

/// How it stands, for whoever looks.
#[derive(Debug, Default)]
pub struct Book {
    noted: Mutex<Noted>,
    runs: AtomicU64,
    failed: AtomicU64,
}

/// See [`Book`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Noted {
    /// The last run on this server.
    pub last: Option<Run>,
    /// When this server tries next to run by itself.
    pub next: Option<Timestamp>,
}

impl Book {
    /// Now.
    pub fn read(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counters for `GET health`.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        vec![("runs", get(&self.runs)), ("failed", get(&self.failed))]
    }

    fn note(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The way to it, for the API.
#[derive(Debug, Clone)]
pub struct Way {
    /// Where commands go.
    pub commands: Sender<InventoryCommand>,
    /// Ends when it is to stop: nobody waits longer.
    pub stop: Receiver<()>,
    /// How it stands.
    pub book: Arc<Book>,
    /// What is configured.
    pub inventory: config::Inventory,
}

/// The thread's own.
pub struct InventoryLayer {
    settings: Settings,
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    lifeguard: Sender<LifeguardCommand>,
    book: Arc<Book>,
    next: Option<Timestamp>,
    steps: StepWatch,
}

impl InventoryLayer {
    /// Its first run by itself, if there are to be any, is due at once.
    pub fn new(
        settings: Settings,
        store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        lifeguard: Sender<LifeguardCommand>,
        book: Arc<Book>,
    ) -> Self {
        let next = (settings.inventory.interval_s > 0).then(|| clock.now());
        let steps = StepWatch::of(&*clock);
        Self { settings, store, clock, lifeguard, book, next, steps }
    }

    /// Until it is to stop.
    pub fn run(mut self, inbox: &Inbox) -> Exit {
        loop {
            let step_ms = self.steps.step_ms(&*self.clock);
            self.next = self.next.map(|at| at.plus_ms(step_ms));
            let now = self.clock.now();
            let timer = match self.next {
                Some(at) => after(Duration::from_millis(at.ms_since(now).max(0).unsigned_abs())),
                None => never(),
            };
            select_biased! {
                recv(inbox.stop) -> _ => break,
                recv(inbox.commands) -> m => match m {
                    Ok(command) => self.hear(command, &inbox.stop),
                    Err(_) => return Exit::Lost("http"),
                },
                recv(timer) -> _ => self.look(&inbox.stop),
            }
        }
        // Another server need not wait for it to run out.
        if self.settings.inventory.interval_s > 0
            && let Err(error) = self.store.give_up_lease(LEASE, &self.settings.server)
        {
            log::debug!("the inventory's lease runs out by itself: {error}");
        }
        Exit::Stopped
    }

    fn hear(&mut self, command: InventoryCommand, stop: &Receiver<()>) {
        let InventoryCommand::Sync { dry_run, ship_it, reply } = command;
        let answer = match dry_run {
            true => self.sync(true, ship_it, stop),
            false => self.sync_and_note(By::Call, ship_it, stop),
        };
        // Who asked may have stopped waiting.
        let _ = reply.send(answer);
    }

    /// Its time has come: runs if that is this server's task.
    pub(crate) fn look(&mut self, stop: &Receiver<()>) {
        let now = self.clock.now();
        if self.next.is_none_or(|at| at > now) {
            return;
        }
        let interval_ms = i64::from(self.settings.inventory.interval_s) * 1000;
        // Kept by the next run in good time; lost by half an interval without one.
        let ends = now.plus_ms(interval_ms + interval_ms / 2);
        let next = match self.store.take_lease(LEASE, &self.settings.server, now, ends) {
            Ok(true) => {
                self.sync_and_note(By::Timer, false, stop);
                now.plus_ms(interval_ms)
            }
            Ok(false) => match self.store.lease(LEASE) {
                // Another server's clock may be wrong: it is looked at again.
                Ok(Some(lease)) => lease.ends.min(ends).max(now.plus_ms(1000)),
                _ => now.plus_ms(interval_ms),
            },
            Err(error) => {
                log::warn!("inventory: {error}; looked at again in a while");
                now.plus_ms(STORE_REST_MS.min(interval_ms))
            }
        };
        self.next = Some(next);
        self.book.note(|noted| noted.next = Some(next));
    }

    fn sync_and_note(&mut self, by: By, ship_it: bool, stop: &Receiver<()>) -> InventoryAnswer {
        let at = self.clock.now();
        let answer = self.sync(false, ship_it, stop);
        let outcome = match &answer {
            InventoryAnswer::Done(report) => Ok(Counts {
                systems: report.systems,
                skipped: report.skipped.len(),
                changes: report.synced.changes.len(),
                left: report.synced.left.len(),
            }),
            other => Err(other.why()),
        };
        self.book.runs.fetch_add(1, Ordering::Relaxed);
        match &outcome {
            Ok(Counts { systems, skipped, changes, left }) => {
                log::info!(
                    "inventory: {systems} systems, {skipped} skipped; {changes} changes, {left} left for later"
                );
            }
            Err(why) => {
                self.book.failed.fetch_add(1, Ordering::Relaxed);
                log::error!("inventory: {why}");
            }
        }
        self.book.note(|noted| noted.last = Some(Run { at, by, outcome }));
        answer
    }

    fn read(&self) -> Result<(usize, Intake), SourceError> {
        let inventory = &self.settings.inventory;
        let systems = open(inventory, Instant::now() + READ_LIMIT)?.fetch()?;
        Ok((systems.len(), take_in(systems, inventory.ignored().as_ref())?))
    }

    fn sync(&mut self, dry_run: bool, ship_it: bool, stop: &Receiver<()>) -> InventoryAnswer {
        let (systems, Intake { wanted, skipped }) = match self.read() {
            Ok(read) => read,
            Err(error) => return InventoryAnswer::Unreadable(error),
        };
        let (reply, answer) = bounded(1);
        let change = Box::new(Administration::Sync(Wishes { wanted, ship_it }));
        if self.lifeguard.try_send(LifeguardCommand::Administer { change, dry_run, reply }).is_err() {
            return InventoryAnswer::Busy;
        }
        let answer = select! {
            recv(answer) -> answer => answer.ok(),
            recv(stop) -> _ => None,
            default(ADMIN_WAIT) => None,
        };
        match answer {
            Some(AdminAnswer::Synced(synced)) => {
                InventoryAnswer::Done(Box::new(InventoryReport { synced, skipped, systems, dry_run }))
            }
            Some(AdminAnswer::Refused(error)) => InventoryAnswer::Refused(error),
            Some(AdminAnswer::Done(_)) | None => InventoryAnswer::NoAnswer,
        }
    }
}

impl InventoryAnswer {
    /// Why nothing was done, in a sentence; empty when it was.
    pub fn why(&self) -> String {
        match self {
            Self::Done(_) => String::new(),
            Self::Unreadable(error) => error.to_string(),
            Self::Refused(StoreError::Inventory(refusal)) => refusal.to_string(),
            Self::Refused(error) => error.to_string(),
            Self::Busy => "the lifeguard layer has too much to do; nothing was changed".into(),
            Self::NoAnswer => "the lifeguard layer has not answered in time; look whether it was done".into(),
        }
    }
}
