//! The request machine's one function: the row, an event and the time in; the next row and the work to do out.
//!
//! The claim is part of the commit: a request never says it has a device that another request holds.

use super::table::{Enter, def};
use super::{ClaimChange, Counter, Effect, Event, Ignored, Named, Preparation, Request, State};
use crate::logic::events::ImagingResult;
use crate::logic::ids::DeviceName;
use crate::logic::machine::Epoch;
use crate::logic::time::Timestamp;

/// Tries after which a named device counts as busy.
const NAMED_TRIES: u16 = 2;
/// Searches that may follow at once upon refusals; later ones wait for the time limit of `finding_device`.
const SEARCHES_AT_ONCE: u16 = 5;
/// Bad results after which the image, not the board, must be at fault.
const BAD_IMAGES: u16 = 2;

/// What an event does to a request.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing, and why.
    Ignored(Ignored),
    /// This, in one commit.
    Moved(Box<Moved>),
}

/// A request's next row and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The row to commit.
    pub next: Request,
    /// What the same commit does to the claim.
    pub claim: ClaimChange,
    /// Lines for the request's log, in order, in the same commit.
    pub log: Vec<String>,
    /// A line for the log of the device that it lets go of, in the same commit.
    pub device_log: Option<String>,
    /// To be handed out after the commit.
    pub effects: Vec<Effect>,
}

/// Decides what `event` does to `request` at `now`.
pub fn step(request: &Request, event: Event, now: Timestamp) -> Step {
    let mut run = Run {
        now,
        prepare: None,
        moved: Moved {
            next: request.clone(),
            claim: ClaimChange::Keep,
            log: Vec::new(),
            device_log: None,
            effects: Vec::new(),
        },
    };
    match run.apply(event) {
        Ok(()) => Step::Moved(Box::new(run.moved)),
        Err(why) => Step::Ignored(why),
    }
}

struct Run {
    now: Timestamp,
    prepare: Option<Preparation>,
    moved: Moved,
}

impl Run {
    fn apply(&mut self, event: Event) -> Result<(), Ignored> {
        let next = &self.moved.next;
        let (state, id_epoch) = (next.state, next.epoch);
        let not_expected = |event| Err(Ignored::NotExpected { event, state });
        let current = |epoch: Epoch| if epoch == id_epoch { Ok(()) } else { Err(Ignored::Late) };
        match event {
            Event::FindDevice if state == State::New => self.enter(State::FindingDevice),
            Event::FindDevice => return not_expected("find_device"),
            Event::Found { epoch, device, prepare } => {
                current(epoch)?;
                self.say(format!("Assigning device {device}."));
                self.say("Request succeeded.");
                self.moved.claim = ClaimChange::Take(device.clone());
                self.moved.next.assigned = Some(device);
                self.prepare = Some(prepare);
                self.enter(State::ContactLifeguard);
            }
            Event::ClaimLost { epoch } => {
                current(epoch)?;
                self.say("Other requests were faster; trying again.");
            }
            Event::NoneFree { epoch, named } => {
                current(epoch)?;
                self.none_free(named);
            }
            Event::DeviceFreed if state == State::FindingDevice => {
                self.moved.effects.push(Effect::Find { epoch: id_epoch });
            }
            Event::DeviceFreed => return not_expected("device_freed"),
            Event::LifeguardContacted { epoch } => {
                epoch.map_or(Ok(()), current)?;
                if state != State::ContactingLifeguard {
                    return not_expected("lifeguard_contacted");
                }
                self.moved.next.counters.clear(Counter::ContactingLifeguard);
                // Every board gets its whole time, whatever the one before it used up.
                self.moved.next.counters.clear(Counter::Pending);
                self.enter(State::Pending);
            }
            Event::LifeguardRefused { epoch, why } => {
                current(epoch)?;
                if state != State::ContactingLifeguard {
                    return not_expected("lifeguard_refused");
                }
                self.say(format!("Device {} was not prepared: {why}", self.assigned()));
                self.refused();
            }
            Event::LifeguardFinished { device, result } => {
                if state != State::Pending {
                    return not_expected("lifeguard_finished");
                }
                if device.is_some() && device != self.moved.next.assigned {
                    return Err(Ignored::Late);
                }
                match result {
                    Some(result) => self.finished(result),
                    None => return not_expected("lifeguard_finished without a result"),
                }
            }
            Event::Deadline { stored, prepare } => return self.deadline(stored, prepare),
            Event::Busy { by } if state == State::New => {
                let device = self.moved.next.wanted.device.clone().unwrap_or_else(|| "any".into());
                self.say(format!("Requested device {device} is busy with request {by}."));
                self.enter(State::Closed);
            }
            Event::Busy { .. } => return not_expected("busy"),
            Event::Expire { .. } if state == State::Closed => return not_expected("expire"),
            Event::Expire { by: None } => self.end("expired"),
            Event::Expire { by: Some(by) } => self.end(&format!("was made to expire {by}")),
            Event::Close(_) if state == State::Closed => return not_expected("close"),
            Event::Close(by) => self.end(&format!("was closed {by}")),
            Event::Renew { .. } if state == State::Closed || state == State::Expired || state.is_failed() => {
                return not_expected("renew");
            }
            Event::Renew { expires } => {
                self.say("Request renewed.");
                self.moved.next.expires = expires;
            }
        }
        Ok(())
    }

    fn deadline(
        &mut self,
        stored: Option<ImagingResult>,
        prepare: Option<Preparation>,
    ) -> Result<(), Ignored> {
        let next = &mut self.moved.next;
        if next.state == State::Closed || next.state == State::Expired {
            return Err(Ignored::NotDue);
        }
        if next.expires <= self.now {
            return self.apply(Event::Expire { by: None });
        }
        if next.deadline.is_none_or(|at| at > self.now) {
            return Err(Ignored::NotDue);
        }
        match next.state {
            State::New => self.enter(State::FindingDevice),
            State::ContactLifeguard => {
                self.prepare = prepare;
                self.enter(State::ContactingLifeguard);
            }
            State::ContactingLifeguard => {
                if next.counters.increment(Counter::ContactingLifeguard) >= limit(State::ContactingLifeguard)
                {
                    next.counters.clear(Counter::ContactingLifeguard);
                    self.say("Lifeguard does not answer.");
                    self.enter(State::FailedDeviceNotFound);
                } else {
                    self.prepare = prepare;
                    self.enter(State::ContactingLifeguard);
                }
            }
            State::Pending => match stored {
                Some(result) => self.finished(result),
                // Who asked for this very board waits for it as long as the reservation lasts.
                None if next.wanted.device.is_some() => self.enter(State::Pending),
                None if next.counters.increment(Counter::Pending) < limit(State::Pending) => {
                    self.enter(State::Pending);
                }
                None => {
                    self.say(format!(
                        "Device {} has not come back; looking for another one.",
                        self.assigned()
                    ));
                    self.enter(State::FindingDevice);
                }
            },
            State::FindingDevice => self.enter(State::FindingDevice),
            State::Ready
            | State::FailedDeviceNotFound
            | State::FailedBadImage
            | State::FailedBadDevice
            | State::FailedDeviceBusy
            | State::Expired
            | State::Closed => return Err(Ignored::NotDue),
        }
        Ok(())
    }

    fn finished(&mut self, result: ImagingResult) {
        let next = &mut self.moved.next;
        match result {
            ImagingResult::Complete => self.enter(State::Ready),
            ImagingResult::FailedBadImage => {
                let tries = next.counters.increment(Counter::BadImages);
                self.say(format!("Device {} says that the image is bad.", self.assigned()));
                self.enter(if tries < BAD_IMAGES { State::FindingDevice } else { State::FailedBadImage });
            }
            ImagingResult::FailedBadDevice => {
                self.say(format!("Device {} has failed.", self.assigned()));
                let any = self.moved.next.wanted.device.is_none();
                self.enter(if any { State::FindingDevice } else { State::FailedBadDevice });
            }
        }
    }

    /// A board that is free and refuses will be found again: without an end, and without a pause after the first few, a
    /// request that no board can serve would go round and round as fast as the disk commits.
    fn refused(&mut self) {
        let tries = self.moved.next.counters.get(Counter::FindingDevice);
        if tries >= limit(State::FindingDevice) {
            return self.enter(State::FailedDeviceNotFound);
        }
        self.enter(State::FindingDevice);
        if tries >= SEARCHES_AT_ONCE {
            self.moved.effects.retain(|effect| !matches!(effect, Effect::Find { .. }));
        }
    }

    fn none_free(&mut self, named: Option<Option<Named>>) {
        let next = &self.moved.next;
        let tries = next.counters.get(Counter::FindingDevice);
        // Who says how long to wait is not sent away earlier, and not later.
        let (until, now) = (next.queue_until, self.now);
        let waited_enough = until.is_some_and(|until| until <= now);
        let over = |most: u16| waited_enough || until.is_none() && tries >= most;
        let name = next.wanted.device.clone().unwrap_or_else(|| "any".into());
        match named {
            None if over(limit(State::FindingDevice)) => {
                let within = if waited_enough { " within the queue limit" } else { "" };
                self.say(format!("Request failed! No device that fits became free{within}."));
                self.enter(State::FailedDeviceNotFound);
            }
            Some(None) => {
                self.say(format!("Request failed! There is no device {name}."));
                self.enter(State::FailedDeviceNotFound);
            }
            Some(Some(named)) if named.state.starts_with("failed_") => {
                self.say(format!("Request failed! Device {name} is in state {}.", named.state));
                self.enter(State::FailedBadDevice);
            }
            Some(Some(Named { state, claimed_by: None }))
                if state == "ready" && (tries >= NAMED_TRIES || waited_enough) =>
            {
                let image = self.moved.next.wanted.install.image.clone();
                self.say(format!(
                    "Request failed! Device {name} is free but does not fit: its environment, hardware or tags differ from \
                     what is wanted, or there is no PXE config for image {image} on its hardware type."
                ));
                self.enter(State::FailedDeviceNotFound);
            }
            Some(Some(_)) if over(NAMED_TRIES) => {
                self.say(format!("Requested device {name} is busy."));
                self.enter(State::FailedDeviceBusy);
            }
            None if tries == 1 => {
                let most = until.map_or(String::new(), |u| format!(", {} s at most", u.ms_since(now) / 1000));
                self.say(format!("No device that fits is free yet; waiting for one{most}."));
            }
            Some(Some(named)) if tries == 1 => {
                self.say(format!("Device {name} is in state {}; waiting for it.", named.state));
            }
            None | Some(Some(_)) => {}
        }
    }

    /// Enters `state`, and those that it leads to at once.
    fn enter(&mut self, state: State) {
        let next = &mut self.moved.next;
        if next.state != state {
            self.moved.log.push(format!("entering state {state}"));
        }
        next.state = state;
        next.epoch = next.epoch.next();
        next.deadline = def(state).wait_s.map(|s| self.now.plus_s(s));
        match def(state).enter {
            Enter::Wait => {}
            Enter::Find => {
                next.counters.increment(Counter::FindingDevice);
                if let (Some(deadline), Some(until)) = (next.deadline, next.queue_until) {
                    next.deadline = Some(deadline.min(until.max(self.now.plus_ms(1))));
                }
                let epoch = next.epoch;
                self.release();
                self.moved.effects.push(Effect::Find { epoch });
            }
            Enter::PassOn => self.enter(State::ContactingLifeguard),
            Enter::Contact => {
                let epoch = next.epoch;
                match (next.assigned.clone(), self.prepare) {
                    (Some(device), Some(prepare)) => {
                        self.moved.effects.push(Effect::Contact { epoch, device, prepare });
                    }
                    // Between the claim and now the device or its image has gone.
                    _ => self.enter(State::FindingDevice),
                }
            }
            Enter::Release => {
                next.deadline = None;
                self.release();
            }
        }
    }

    /// The request's end; `how` completes a sentence that begins with it. Its device goes on with what it is at.
    fn end(&mut self, how: &str) {
        // A reason may end in a full stop of its own.
        let how = how.trim_end_matches('.');
        self.say(format!("Request {how}."));
        if let Some(device) = &self.moved.next.assigned {
            let (id, state) = (self.moved.next.id, self.moved.next.state);
            self.say(format!("Device {device} is let go of in request state {state}."));
            self.moved.device_log = Some(format!("Request {id}, {state}, {how}."));
        }
        self.enter(State::Closed);
    }

    fn release(&mut self) {
        if let Some(device) = self.moved.next.assigned.take() {
            self.moved.claim = ClaimChange::Drop(device.clone());
            self.moved.effects.push(Effect::Release { device });
        }
    }

    fn assigned(&self) -> DeviceName {
        self.moved.next.assigned.clone().unwrap_or_else(|| "(none)".into())
    }

    fn say(&mut self, line: impl Into<String>) {
        self.moved.log.push(line.into());
    }
}

fn limit(state: State) -> u16 {
    def(state).limit.map_or(u16::MAX, |(_, n)| n)
}
