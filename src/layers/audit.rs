//! *audit*: writes who has changed what, and on which day tokens were used, beside the threads that answer calls.
//!
//! A call's answer does not wait for its entry: many entries are one commit. An entry is written right after the change; one that
//! the store does not take is written to the daemon's log instead, so that it is not lost in silence.

use super::supervise::{Exit, spawn};
use crate::logic::time::Timestamp;
use crate::store::{AuditRow, Store};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};
use std::thread::JoinHandle;
use std::time::Duration;

/// Notes that may wait: some seconds of the busiest lab, while a commit hangs.
const QUEUE: usize = 4096;
/// Notes in one commit.
const AT_ONCE: usize = 500;

/// What is to be written down.
#[derive(Debug, Clone)]
pub enum Note {
    /// Somebody has done something, or has tried to.
    Entry(Box<AuditRow>),
    /// A token was used on this day.
    Used(String, Timestamp),
    /// Somebody wants to know when all that came before is written.
    Settled(Sender<()>),
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub struct Auditor(Sender<Note>);

impl Auditor {
    /// Starts the thread with a store of its own. When the other end of `stop` is gone it writes what has come until then, and ends.
    pub fn start(
        store: Box<dyn Store>,
        stop: Receiver<()>,
        ended: Sender<(String, Exit)>,
    ) -> (Self, JoinHandle<()>) {
        let (notes, noted) = bounded(QUEUE);
        let thread = spawn("audit", ended, move || run(store, &noted, &stop));
        (Self(notes), thread)
    }

    /// Has it written down. Never waits.
    pub fn note(&self, note: Note) {
        match self.0.try_send(note) {
            Ok(()) => {}
            Err(TrySendError::Full(note)) => say(&note, "too many wait to be written"),
            Err(TrySendError::Disconnected(note)) => say(&note, "its thread is gone"),
        }
    }
}

impl Auditor {
    /// Waits until what was noted before is written, at most `limit`: whoever reads the log finds what they have just done.
    pub fn settle(&self, limit: Duration) {
        let (written, is_written) = bounded(1);
        if self.0.try_send(Note::Settled(written)).is_ok() {
            let _ = is_written.recv_timeout(limit);
        }
    }
}

fn run(mut store: Box<dyn Store>, noted: &Receiver<Note>, stop: &Receiver<()>) -> Exit {
    loop {
        select! {
            recv(noted) -> first => {
                let Ok(first) = first else { return Exit::Stopped };
                write(store.as_mut(), std::iter::once(first).chain(noted.try_iter().take(AT_ONCE - 1)));
            }
            recv(stop) -> _ => {
                while !noted.is_empty() {
                    write(store.as_mut(), noted.try_iter().take(AT_ONCE));
                }
                return Exit::Stopped;
            }
        }
    }
}

fn write(store: &mut dyn Store, notes: impl Iterator<Item = Note>) {
    let (mut entries, mut used, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for note in notes {
        match note {
            Note::Entry(entry) => entries.push(*entry),
            Note::Used(name, day) => used.push((name, day)),
            Note::Settled(written) => waiting.push(written),
        }
    }
    if let Err(error) = store.append_audit(&entries, &used) {
        log::error!("the audit log was not written: {error}");
        for entry in entries {
            say(&Note::Entry(Box::new(entry)), "the store does not take it");
        }
    }
    for written in waiting {
        // Whoever has waited too long has gone.
        let _ = written.try_send(());
    }
}

/// An entry that is not stored stands in the daemon's log. A day of use is not worth that: it comes again.
fn say(note: &Note, why: &str) {
    let Note::Entry(entry) = note else { return };
    let AuditRow { at, who, role, from, method, path, status, .. } = &**entry;
    log::error!(
        "an entry of the audit log is only here ({why}): at={} who={} role={role} from={from} {method} {} {status}",
        at.0,
        who.escape_debug(),
        path.escape_debug()
    );
}
