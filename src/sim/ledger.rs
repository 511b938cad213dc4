//! What the store was seen to have been told, and the rules that hold at every moment.
//!
//! The ledger is kept beside the store and not in it: it sees every decision (through the layers' rule) and every commit
//! (through the store that the layers are given), and says at once when one breaks a rule. It changes nothing.

use super::trace::{Note, Trace};
use super::{Stats, Violation};
use crate::clock::{Clock, ManualClock};
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::{self, Device, Effect, Proof, State as S, def};
use crate::logic::machine::Epoch;
use crate::logic::mozpool::{self, Request, State as R};
use crate::store::{DeviceCommit, NewRequest, RequestCommit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Power cycles of one operation, with all its retries and self-tests: more than all limits together allow.
const CYCLES_MAX: u32 = 850;

/// A device as it was last written.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) machine: Device,
    /// When it was written, and when the hardware was last asked about it; steady time.
    pub(super) moved_ms: i64,
    pub(super) asked_ms: i64,
    /// Power cycles since it was last at rest.
    cycles: u32,
    pub(super) holder: Option<RequestId>,
    /// Written by a daemon that did not live to hear of it.
    pub(super) unheard: bool,
    pub(super) trace: Trace,
}

/// A request that is not closed, as it was last written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) machine: Option<Request>,
    pub(super) made_ms: i64,
    pub(super) moved_ms: i64,
    was_ready: bool,
    pub(super) trace: Trace,
}

/// What the world has to react to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// A request's machine has entered this state.
    Request(RequestId, R),
    /// A device's machine has entered this state.
    Device(usize, S),
}

/// The ledger. Layers that are given a part of it hold it for the moment of a decision or a commit.
#[derive(Debug)]
pub(super) struct Ledger {
    clock: Arc<ManualClock>,
    start_ms: i64,
    pub(super) devices: Vec<Kept>,
    pub(super) requests: BTreeMap<RequestId, Open>,
    pub(super) news: Vec<News>,
    pub(super) violation: Option<Violation>,
    pub(super) stats: Stats,
}

/// Shared by the world, the layers' rules and their stores; there is only one thread.
pub(super) type Shared = Arc<Mutex<Ledger>>;

/// The ledger, whatever has panicked with it.
pub(super) fn open(shared: &Shared) -> std::sync::MutexGuard<'_, Ledger> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device's number, from 0, by its name.
pub(super) fn number(device: &str) -> usize {
    device.get(1..).and_then(|n| n.parse::<usize>().ok()).map_or(usize::MAX, |n| n.wrapping_sub(1))
}

/// A device's name by its number.
pub(super) fn name(number: usize) -> String {
    format!("b{:05}", number + 1)
}

impl Ledger {
    pub(super) fn new(clock: Arc<ManualClock>, devices: Vec<Device>) -> Self {
        let start_ms = clock.steady_ms();
        let kept = |machine| Kept {
            machine,
            moved_ms: start_ms,
            asked_ms: start_ms,
            cycles: 0,
            holder: None,
            unheard: false,
            trace: Trace::default(),
        };
        Self {
            clock,
            start_ms,
            devices: devices.into_iter().map(kept).collect(),
            requests: BTreeMap::new(),
            news: Vec::new(),
            violation: None,
            stats: Stats::default(),
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.steady_ms()
    }

    pub(super) fn note(&mut self, device: usize, note: Note) {
        let now_ms = self.now_ms();
        if let Some(kept) = self.devices.get_mut(device) {
            kept.trace.note(now_ms, note);
        }
    }

    /// The first broken rule counts; what follows from it would only hide it.
    pub(super) fn broken(&mut self, rule: &'static str, about: String, detail: String, trace: Vec<String>) {
        if self.violation.is_none() {
            let at_ms = self.now_ms() - self.start_ms;
            self.violation = Some(Violation { rule, about, detail, at_ms, trace });
        }
    }

    pub(super) fn device_broke(&mut self, rule: &'static str, device: usize, detail: String) {
        let trace = self.devices.get(device).map(|k| k.trace.lines(self.start_ms)).unwrap_or_default();
        self.broken(rule, format!("device {}", name(device)), detail, trace);
    }

    pub(super) fn request_broke(&mut self, rule: &'static str, request: RequestId, detail: String) {
        let mut trace = self.requests.get(&request).map(|r| r.trace.lines(self.start_ms)).unwrap_or_default();
        let device = self.requests.get(&request).and_then(|r| r.machine.as_ref()?.assigned.clone());
        if let Some(kept) = device.and_then(|d| self.devices.get(number(&d))) {
            trace.push(format!("its device {}:", kept.machine.name));
            trace.extend(kept.trace.lines(self.start_ms));
        }
        self.broken(rule, format!("request {request}"), detail, trace);
    }

    /// A device's machine has decided.
    pub(super) fn device_decided(&mut self, device: &Device, heard: Heard, step: &lifeguard::Step) {
        let i = number(&device.name);
        let moved = !matches!(step, lifeguard::Step::Ignored(_));
        self.note(i, Note::Decided { event: heard.event, epoch: heard.epoch, moved });
        self.stats.decisions += 1;
        if !moved {
            return;
        }
        if let Some(epoch) = heard.epoch
            && epoch != device.epoch
        {
            let detail =
                format!("{} answers attempt {epoch}, the device is at {}", heard.event, device.epoch);
            self.device_broke("late answers move nothing", i, detail);
        }
        if let Some(Proof::Boot(shown)) = heard.proof
            && (shown.is_none() || shown != device.boot_token)
        {
            let detail = format!("{} moved it, and was not of its present boot", heard.event);
            self.device_broke("reports of another boot change nothing", i, detail);
        }
        if heard.is_for_the_hardware && heard.proof.is_some_and(|proof| proof != Proof::Operator) {
            let detail = format!("{} moved it, and a board said so", heard.event);
            self.device_broke("no board speaks for the hardware", i, detail);
        }
        let lifeguard::Step::Moved(moved) = step else { return };
        let cycles = moved.effects.iter().any(|e| matches!(e, Effect::PowerCycle { .. }));
        let is_fresh = moved.next.boot_token.is_some() && moved.next.boot_token != device.boot_token;
        if cycles && is_fresh != moved.next.boot.is_some() {
            let detail = format!("{} ordered a power cycle into {:?}", heard.event, moved.next.boot);
            self.device_broke("each boot of the live system has a token of its own", i, detail);
        }
        let out = device.state == S::LockedOut && moved.next.state != S::LockedOut;
        if out && !heard.may_unlock {
            let detail = format!("{} moved it to {}", heard.event, moved.next.state);
            self.device_broke("nothing is done to locked_out", i, detail);
        }
        let work = moved.effects.iter().any(|e| !matches!(e, Effect::Cancel | Effect::Report { .. }));
        if moved.next.state == S::LockedOut && (work || moved.next.boot.is_some()) {
            let detail = format!("{} asked for {:?}", heard.event, moved.effects);
            self.device_broke("nothing is done to locked_out", i, detail);
        }
    }

    /// A request's machine has decided.
    pub(super) fn request_decided(&mut self, request: &Request, heard: Heard, step: &mozpool::Step) {
        let moved = matches!(step, mozpool::Step::Moved(_));
        let now_ms = self.now_ms();
        self.stats.decisions += 1;
        if let Some(open) = self.requests.get_mut(&request.id) {
            let Heard { event, epoch, .. } = heard;
            open.trace.note(now_ms, Note::Decided { event, epoch, moved });
        }
        if moved && heard.epoch.is_some_and(|epoch| epoch != request.epoch) {
            let detail = format!("{} moved it, of another attempt than {}", heard.event, request.epoch);
            self.request_broke("late answers move nothing", request.id, detail);
        }
    }

    /// Written; `heard`: and the layer lives to hear of it.
    pub(super) fn device_written(&mut self, commit: &DeviceCommit, heard: bool) {
        let now_ms = self.now_ms();
        let i = number(&commit.next.name);
        let Some(kept) = self.devices.get_mut(i) else { return };
        let before = kept.machine.state;
        let next = &commit.next;
        let state = next.state;
        kept.machine.clone_from(next);
        kept.moved_ms = now_ms;
        kept.unheard = !heard;
        kept.trace.note(now_ms, Note::Device(state, next.epoch));
        self.stats.commits += 1;
        if def(state).wait_s.is_none() || state == S::Ready {
            kept.cycles = 0;
        }
        if state != before {
            self.stats.entered(state);
            self.news.push(News::Device(i, state));
        }
        if def(state).wait_s.is_some() && next.deadline.is_none() {
            let detail = format!("{state} has no time limit on disk");
            self.device_broke("every wait ends", i, detail);
        }
    }

    /// The hardware layer is to do something for a device, because of the attempt `epoch`.
    pub(super) fn ordered(&mut self, i: usize, what: &'static str, epoch: Epoch) {
        let now_ms = self.now_ms();
        let Some(kept) = self.devices.get_mut(i) else { return };
        kept.trace.note(now_ms, Note::Ordered(what, epoch));
        kept.asked_ms = now_ms;
        let cycle = what == CYCLE;
        kept.cycles += u32::from(cycle);
        let (on_disk, state, cycles) = (kept.machine.epoch, kept.machine.state, kept.cycles);
        if epoch > on_disk {
            let detail = format!("{what} for attempt {epoch}, on disk is {on_disk}");
            self.device_broke("work is handed out after the commit", i, detail);
        }
        if state == S::LockedOut {
            self.device_broke("nothing is done to locked_out", i, format!("hardware is to {what}"));
        }
        if cycle && cycles > CYCLES_MAX {
            let detail = format!("{cycles} power cycles without coming to rest, now in {state}");
            self.device_broke("every retry is counted and ends", i, detail);
        }
    }

    /// Made.
    pub(super) fn requests_made(&mut self, ids: &[RequestId], new: &[NewRequest]) {
        let now_ms = self.now_ms();
        self.stats.commits += 1;
        for (id, _) in ids.iter().zip(new) {
            self.stats.asked += 1;
            let open = Open {
                machine: None,
                made_ms: now_ms,
                moved_ms: now_ms,
                was_ready: false,
                trace: Trace::default(),
            };
            self.requests.insert(*id, open);
        }
    }

    /// Written.
    pub(super) fn request_written(&mut self, commit: &RequestCommit) {
        let now_ms = self.now_ms();
        let next = &commit.next;
        let (id, state) = (next.id, next.state);
        let Some(open) = self.requests.get_mut(&id) else { return };
        let before = open.machine.replace(next.clone());
        let (was, held) = before.map_or((R::New, None), |b| (b.state, b.assigned));
        open.moved_ms = now_ms;
        open.trace.note(now_ms, Note::Request(state, next.epoch));
        self.stats.commits += 1;
        if state == R::Ready && !open.was_ready {
            open.was_ready = true;
            self.stats.served(now_ms - open.made_ms);
        }
        if held != next.assigned {
            if let Some(kept) = held.as_deref().and_then(|d| self.devices.get_mut(number(d)))
                && kept.holder == Some(id)
            {
                kept.holder = None;
                // While somebody has it, it is not checked.
                kept.asked_ms = now_ms;
            }
            if let Some(device) = &next.assigned {
                let kept = self.devices.get_mut(number(device));
                let other = kept.and_then(|kept| kept.holder.replace(id));
                if let Some(other) = other.filter(|other| *other != id) {
                    let detail = format!("{device} is held by request {other} already");
                    self.request_broke("at most one claim per device", id, detail);
                }
            }
        }
        if state != was {
            self.stats.request_entered(was, state);
            self.news.push(News::Request(id, state));
        }
        if mozpool::def(state).wait_s.is_some() && next.deadline.is_none() {
            self.request_broke("every wait ends", id, format!("{state} has no time limit on disk"));
        }
        if next.assigned.is_some() && (state == R::Closed || state.is_failed()) {
            self.request_broke("a request that has ended holds nothing", id, format!("it is {state}"));
        }
        if state == R::Closed && self.violation.is_none() {
            self.requests.remove(&id);
        }
    }
}

/// What the hardware is to do, in the words of [`Ledger::ordered`].
pub(super) const CYCLE: &str = "cycle its power";

/// What a machine decides on, as far as rules care.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    event: &'static str,
    epoch: Option<Epoch>,
    may_unlock: bool,
    /// What a report of a board shows.
    proof: Option<Proof>,
    /// It is a report of what the hardware layer alone finds out.
    is_for_the_hardware: bool,
}

impl Heard {
    pub(super) fn by_device(event: &lifeguard::Event) -> Self {
        use lifeguard::{Ask, Event};
        let proof = event.reported().map(|(_, proof)| proof);
        let is_for_the_hardware = event.is_for_the_hardware();
        let (event, epoch, may_unlock) = match event {
            Event::Signal { signal, .. } => (signal.name(), None, false),
            Event::Answer { epoch, signal } => (signal.name(), Some(*epoch), false),
            Event::PowerStarted { epoch } => ("power_started", Some(*epoch), false),
            Event::NoBootConfig { epoch, .. } => ("no_boot_config", Some(*epoch), false),
            Event::Deadline { waiting: false } => ("its time limit", None, false),
            Event::Deadline { waiting: true } => ("its time limit (waits for its relay board)", None, false),
            Event::Progress { .. } => ("image_progress", None, false),
            Event::Unknown { .. } => ("an unknown event", None, false),
            Event::Please(ask) => (ask.name().name(), None, matches!(ask, Ask::Online)),
            Event::Released { .. } => ("its release", None, false),
            Event::Force { .. } => ("force", None, true),
            Event::Offer { .. } => ("an offer by hand", None, false),
        };
        Self { event, epoch, may_unlock, proof, is_for_the_hardware }
    }

    pub(super) fn by_request(event: &mozpool::Event) -> Self {
        use mozpool::Event;
        let (event, epoch) = match event {
            Event::FindDevice => ("find_device", None),
            Event::Found { epoch, .. } => ("a device that was found", Some(*epoch)),
            Event::ClaimLost { epoch } => ("a lost claim", Some(*epoch)),
            Event::NoneFree { epoch, .. } => ("no free device", Some(*epoch)),
            Event::DeviceFreed => ("a freed device", None),
            Event::LifeguardContacted { epoch } => ("lifeguard_contacted", *epoch),
            Event::LifeguardRefused { epoch, .. } => ("lifeguard_refused", Some(*epoch)),
            Event::LifeguardFinished { .. } => ("lifeguard_finished", None),
            Event::Deadline { .. } => ("its time limit", None),
            Event::Busy { .. } => ("busy", None),
            Event::Close(_) => ("close", None),
            Event::Expire { .. } => ("expire", None),
            Event::Renew { .. } => ("renew", None),
        };
        Self { event, epoch, may_unlock: false, proof: None, is_for_the_hardware: false }
    }
}
