//! Having something done by a thread: one command, one answer, and an end to the waiting.
//!
//! A full channel is told to the caller at once. An answer that comes too late goes nowhere, and nobody minds.

use super::Commands;
use super::reply::{ApiError, Result};
use crate::layers::inventory::{READ_LIMIT, Way};
use crate::layers::messages::{
    AdminAnswer, Administration, BmmJob, BootAnswer, CreateAnswer, DeviceAnswer, DraftAnswer,
    InventoryAnswer, InventoryCommand, LifeguardCommand, ManualAnswer, ManualWork, MozpoolCommand, Reply,
    RequestAnswer, RequestEvent,
};
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::lifeguard::{Event, Install};
use crate::store::{DeviceEdit, NewRequest};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, select};
use std::time::{Duration, Instant};

/// How long an answer may take. Clients give a new request ten seconds; a commit takes milliseconds.
pub const ANSWER_WAIT: Duration = Duration::from_secs(8);

/// How long a change of what there is may take: an import of 50,000 devices is one transaction of some seconds.
pub const ADMIN_WAIT: Duration = Duration::from_secs(60);

/// What is left of a minute and a half, the patience of our own command line, when reading an inventory has taken all its time.
const INVENTORY_GRACE: Duration = Duration::from_secs(20);

/// How long a relay board's test may take, its place in the queue included: clients give it eleven seconds.
pub const BOARD_TEST_WAIT: Duration = Duration::from_millis(10_500);

/// Sends a command that carries where its answer goes, and waits for that.
fn ask<T, M>(
    to: &Sender<M>,
    layer: &'static str,
    limit: Duration,
    command: impl FnOnce(Reply<T>) -> M,
) -> Result<T> {
    let (reply, answer) = bounded(1);
    tell(to, layer, command(reply))?;
    answer.recv_timeout(limit).map_err(|error| {
        if error == RecvTimeoutError::Disconnected {
            log::error!("the {layer} thread has dropped a command without an answer");
        }
        ApiError::NoAnswer { layer }
    })
}

/// Layers that were asked whether they are there.
pub struct Asked(Vec<(&'static str, Result<Receiver<()>>)>);

impl Asked {
    /// Every layer, with why it is not well; `limit` is for all of them together.
    pub fn wait(self, limit: Duration) -> Vec<(&'static str, Option<String>)> {
        let end = Instant::now() + limit;
        let wait = |answer: Receiver<()>| match answer.recv_deadline(end) {
            Ok(()) => None,
            Err(RecvTimeoutError::Timeout) => {
                Some(format!("it has not answered within {} s", limit.as_secs_f32()))
            }
            Err(RecvTimeoutError::Disconnected) => Some("its thread has not taken the question".to_owned()),
        };
        let why = |asked| match asked {
            Ok(answer) => wait(answer),
            Err(_) => Some("its queue is full".to_owned()),
        };
        self.0.into_iter().map(|(layer, asked)| (layer, why(asked))).collect()
    }
}

fn begin<M>(
    to: &Sender<M>,
    layer: &'static str,
    command: impl FnOnce(Reply<()>) -> M,
) -> (&'static str, Result<Receiver<()>>) {
    let (reply, answer) = bounded(1);
    (layer, tell(to, layer, command(reply)).map(|()| answer))
}

/// Sends a command whose answer nobody waits for.
fn tell<M>(to: &Sender<M>, layer: &'static str, command: M) -> Result<()> {
    to.try_send(command).map_err(|error| {
        if matches!(error, TrySendError::Disconnected(_)) {
            log::error!("the {layer} thread is gone");
        }
        ApiError::Busy { layer }
    })
}

impl Commands {
    /// Something happened to a device, or is asked of it.
    pub fn device_event(&self, device: &DeviceName, event: Event) -> Result<DeviceAnswer> {
        let device = device.clone();
        ask(&self.lifeguard, "lifeguard", ANSWER_WAIT, |reply| LifeguardCommand::Event {
            device,
            event,
            claim: None,
            reply: Some(reply),
        })
    }

    /// Changes a note on a device.
    pub fn edit_device(&self, device: &DeviceName, edit: DeviceEdit) -> Result<DeviceAnswer> {
        let device = device.clone();
        ask(&self.lifeguard, "lifeguard", ANSWER_WAIT, |reply| LifeguardCommand::Edit { device, edit, reply })
    }

    /// What a device would get from the network now.
    pub fn explain_boot(&self, device: &DeviceName) -> Result<BootAnswer> {
        let device = device.clone();
        ask(&self.lifeguard, "lifeguard", ANSWER_WAIT, |reply| LifeguardCommand::Explain { device, reply })
    }

    /// What a device would get if a PXE config had these contents.
    pub fn draft(
        &self,
        device: &DeviceName,
        contents: String,
        install: Option<Install>,
    ) -> Result<DraftAnswer> {
        let device = device.clone();
        ask(&self.lifeguard, "lifeguard", ANSWER_WAIT, |reply| LifeguardCommand::Draft {
            device,
            contents,
            install,
            reply,
        })
    }

    /// Changes what there is, or says what would change.
    pub fn administer(&self, change: Administration, dry_run: bool) -> Result<AdminAnswer> {
        let change = Box::new(change);
        ask(&self.lifeguard, "lifeguard", ADMIN_WAIT, |reply| LifeguardCommand::Administer {
            change,
            dry_run,
            reply,
        })
    }

    /// Brings the store to the inventory, or says what would change. Waits for a run that is under way, and for its own.
    pub fn sync_inventory(way: &Way, dry_run: bool, ship_it: bool) -> Result<InventoryAnswer> {
        let (reply, answer) = bounded(1);
        tell(&way.commands, "inventory", InventoryCommand::Sync { dry_run, ship_it, reply })?;
        select! {
            recv(answer) -> answer => answer.ok(),
            recv(way.stop) -> _ => None,
            default(READ_LIMIT + INVENTORY_GRACE) => None,
        }
        .ok_or(ApiError::NoAnswer { layer: "inventory" })
    }

    /// Makes a request.
    pub fn create_request(&self, new: NewRequest) -> Result<CreateAnswer> {
        ask(&self.mozpool, "mozpool", ANSWER_WAIT, |reply| MozpoolCommand::Create {
            new: Box::new(new),
            reply,
        })
    }

    /// Something is asked of a request.
    pub fn request_event(&self, request: RequestId, event: RequestEvent, who: &str) -> Result<RequestAnswer> {
        let who = who.to_owned();
        ask(&self.mozpool, "mozpool", ANSWER_WAIT, |reply| MozpoolCommand::Event {
            request,
            event,
            who,
            reply,
        })
    }

    /// Messages that wait for a layer, and how many may.
    pub fn queue(&self, layer: &str) -> Option<(usize, usize)> {
        let (queued, max) = match layer {
            "lifeguard" => (self.lifeguard.len(), self.lifeguard.capacity()),
            "mozpool" => (self.mozpool.len(), self.mozpool.capacity()),
            "bmm" => (self.bmm.len(), self.bmm.capacity()),
            _ => return None,
        };
        Some((queued, max?))
    }

    /// Asks all layers whether they are there.
    pub fn ask_all(&self) -> Asked {
        Asked(vec![
            begin(&self.mozpool, "mozpool", |reply| MozpoolCommand::Ping { reply }),
            begin(&self.lifeguard, "lifeguard", |reply| LifeguardCommand::Ping { reply }),
            begin(&self.bmm, "bmm", |reply| BmmJob::Ping { reply }),
        ])
    }

    /// Work by hand, waited for.
    pub fn manual(&self, work: ManualWork, limit: Duration) -> Result<ManualAnswer> {
        ask(&self.bmm, "bmm", limit, |reply| BmmJob::Manual { work, reply })
    }

    /// Work by hand that runs on after the call was answered; *bmm* logs how it went.
    pub fn start_manual(&self, work: ManualWork) -> Result<()> {
        let (reply, _) = bounded(1);
        tell(&self.bmm, "bmm", BmmJob::Manual { work, reply })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_is_busy_and_no_answer_is_told_so() {
        let (to, _from) = bounded::<Reply<()>>(1);
        let limit = Duration::from_millis(1);
        assert_eq!(ask(&to, "bmm", limit, |reply| reply).unwrap_err().code(), "no_answer");
        let error = ask(&to, "bmm", limit, |reply| reply).unwrap_err();
        assert_eq!((error.code(), error.status()), ("busy", 503));
    }

    #[test]
    fn a_thread_that_is_gone_does_not_keep_anybody_waiting() {
        let (to, from) = bounded::<Reply<()>>(1);
        drop(from);
        assert_eq!(ask(&to, "bmm", ANSWER_WAIT, |reply| reply).unwrap_err().status(), 503);
    }
}
