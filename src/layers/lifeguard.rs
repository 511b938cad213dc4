//! The *lifeguard* thread: the machines of this server's devices.
//!
//! It takes what came together as one batch, decides with the pure `step`, commits everything in one transaction, and only
//! then answers, publishes boot configs and hands out work. A crash between commit and effect is safe: every state that waits
//! for an answer has a time limit, and its passing asks again.

use super::boot_text::boot_text;
use super::deadlines::Deadlines;
use super::messages::{
    BmmAnswer, BmmJob, DeviceAnswer, JournalLine, LIFEGUARD_QUEUE, LifeguardCommand, MozpoolNotice, Reply,
};
use super::supervise::Exit;
use crate::bmm::power::board_key;
use crate::boot::render::{LiveValues, ServerValues};
use crate::boot::table::BootTable;
use crate::clock::{Clock, StepWatch};
use crate::logic::catalog::Catalog;
use crate::logic::events::ReturnPolicy;
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::lifeguard::{
    Ask, Claim, Device, Effect, Event, Facts, Ignored, Install, State, Step, step, time_limit_s,
};
use crate::logic::machine::Epoch;
use crate::logic::mozpool::Preparation;
use crate::logic::time::Timestamp;
use crate::store::{Committed, DeviceCommit, DeviceEdit, DeviceInfo, DeviceRecord, Store, StoreError};
use crossbeam_channel::{Receiver, Sender, TrySendError, after, never, select_biased};
use relayctl::RelayAddress;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Events that share one transaction at most. A commit costs one wait for the disk whatever its size; more than this would
/// make the first of them wait for the last.
const BATCH_MAX: usize = 256;
/// After the store has failed, time limits rest for so long before the next try.
const STORE_REST_MS: i64 = 1000;
/// News that may wait for a store that fails: as many as may wait in the channel. Beyond, time limits ask again.
const AGAIN_MAX: usize = LIFEGUARD_QUEUE;
/// How long a power cycle may wait in the queue of a healthy relay board: 32 relays whose turns all take the 30 s that one
/// may. Later its answer must have been lost.
const QUEUED_MAX_MS: i64 = 20 * 60 * 1000;

/// What the layer needs to know of its server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The imaging server whose devices these are.
    pub server: String,
    /// What templates may say of it.
    pub values: ServerValues,
    /// The live system.
    pub live: LiveValues,
    /// The boards' serial console.
    pub console: String,
    /// Values of the lab's own, for its templates.
    pub site: BTreeMap<String, String>,
    /// What is done when a request ends, by environment.
    pub return_policies: HashMap<String, ReturnPolicy>,
    /// … and in all other environments.
    pub return_policy: ReturnPolicy,
}

/// Where it hears from.
#[derive(Debug)]
pub struct Inbox {
    /// Time to end.
    pub stop: Receiver<()>,
    /// The hardware layer's answers come before new orders.
    pub answers: Receiver<BmmAnswer>,
    /// The API and the request layer.
    pub commands: Receiver<LifeguardCommand>,
}

/// Where it speaks to.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// Hardware.
    pub bmm: Sender<BmmJob>,
    /// Requests.
    pub mozpool: Sender<MozpoolNotice>,
    /// Log lines that belong to no change.
    pub journal: Sender<JournalLine>,
}

/// The layer's state. In memory is what the store has, plus what only matters while the process lives.
pub struct Lifeguard {
    settings: Settings,
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    boot: Arc<BootTable>,
    out: Outbox,
    catalog: Catalog,
    devices: HashMap<DeviceName, Entry>,
    deadlines: Deadlines<DeviceName>,
    /// Power cycles that wait in a relay board's queue, by device, and since when.
    queued: HashMap<DeviceName, (Epoch, Timestamp)>,
    /// Relay boards whose last connection failed.
    unwell: HashSet<String>,
    /// Time limits rest until then, because the store failed.
    rests_until: Option<Timestamp>,
    /// What nobody else would say again, and could not be committed.
    again: Vec<Item>,
    steps: StepWatch,
}

#[derive(Debug)]
struct Entry {
    machine: Device,
    info: DeviceInfo,
    claim: Option<Claim>,
    relay: Option<RelayAddress>,
}

impl From<DeviceRecord> for Entry {
    fn from(record: DeviceRecord) -> Self {
        let relay = match record.info.relay_info.as_str() {
            "" => None,
            text => text
                .parse()
                .map_err(|e| log::warn!("device={} has no usable relay: {e}", record.machine.name))
                .ok(),
        };
        Self { machine: record.machine, info: record.info, claim: record.claim, relay }
    }
}

/// One thing to decide on, and who waits for the answer.
struct Item {
    device: DeviceName,
    event: Event,
    asker: Asker,
}

enum Asker {
    Nobody,
    Api(Reply<DeviceAnswer>),
    /// `known`: the device layer knew of its claim before this order.
    Request {
        request: RequestId,
        epoch: Epoch,
        known: bool,
    },
}

/// A decision that waits for its commit.
struct Decided {
    device: DeviceName,
    before: State,
    effects: Vec<Effect>,
    asker: Asker,
    /// To be decided anew when the commit fails.
    event: Option<Event>,
}

impl Lifeguard {
    /// Loads this server's devices, publishes their boot configs and arms their deadlines: all that a start needs.
    pub fn load(
        settings: Settings,
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        boot: Arc<BootTable>,
        out: Outbox,
    ) -> Result<Self, StoreError> {
        let catalog = store.catalog()?;
        let records = store.load_devices(&settings.server)?;
        let steps = StepWatch::of(&*clock);
        let mut layer = Self {
            settings,
            store,
            clock,
            boot,
            out,
            catalog,
            devices: HashMap::with_capacity(records.len()),
            deadlines: Deadlines::default(),
            queued: HashMap::new(),
            unwell: HashSet::new(),
            rests_until: None,
            again: Vec::new(),
            steps,
        };
        for record in records {
            layer.adopt(record);
        }
        Ok(layer)
    }

    /// Runs until told to stop or until a neighbour is gone.
    pub fn run(mut self, inbox: &Inbox) -> Exit {
        loop {
            self.follow_clock();
            let timer = match self.next_wake() {
                Some(at) => after(Duration::from_millis(at.ms_since(self.clock.now()).max(0).unsigned_abs())),
                None => never(),
            };
            let mut items = Vec::new();
            // Biased: stopping comes first, and answers from the hardware come before new orders.
            select_biased! {
                recv(inbox.stop) -> _ => return Exit::Stopped,
                recv(inbox.answers) -> m => match m { Ok(a) => self.answer(a, &mut items), Err(_) => return Exit::Lost("bmm") },
                recv(timer) -> _ => {}
                recv(inbox.commands) -> m => match m { Ok(c) => self.command(c, &mut items), Err(_) => return Exit::Lost("http") },
            }
            self.go_on(items, inbox);
        }
    }

    /// Takes what has come in meanwhile into the same commit, and what is due.
    fn go_on(&mut self, mut items: Vec<Item>, inbox: &Inbox) {
        while items.len() < BATCH_MAX
            && let Ok(answer) = inbox.answers.try_recv()
        {
            self.answer(answer, &mut items);
        }
        while items.len() < BATCH_MAX
            && let Ok(command) = inbox.commands.try_recv()
        {
            self.command(command, &mut items);
        }
        self.follow_clock();
        self.due(&mut items);
        self.decide_and_commit(items);
    }

    /// Deadlines are waits: when the system's clock is put right, they move with it. Stored ones follow with the next commit.
    fn follow_clock(&mut self) {
        let step_ms = self.steps.step_ms(&*self.clock);
        if step_ms == 0 {
            return;
        }
        log::warn!("the system's clock was put right by {} s; all time limits move with it", step_ms / 1000);
        for (device, entry) in &mut self.devices {
            entry.machine.deadline = entry.machine.deadline.map(|at| at.plus_ms(step_ms));
            self.deadlines.set(device, entry.machine.deadline);
        }
        self.rests_until = self.rests_until.map(|at| at.plus_ms(step_ms));
        for (_, since) in self.queued.values_mut() {
            *since = since.plus_ms(step_ms);
        }
    }

    /// One turn without waiting.
    #[cfg(test)]
    pub(super) fn turn(&mut self, inbox: &Inbox) {
        self.go_on(Vec::new(), inbox);
    }

    /// When time alone brings the next work.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        if !self.again.is_empty() {
            return self.rests_until;
        }
        let first = self.deadlines.first()?;
        Some(self.rests_until.map_or(first, |rest| first.max(rest)))
    }

    fn due(&mut self, items: &mut Vec<Item>) {
        let now = self.clock.now();
        if self.rests_until.is_some_and(|until| now < until) {
            return;
        }
        self.rests_until = None;
        let mut again = std::mem::take(&mut self.again);
        // Somebody who has the device by now does not want it treated as returned.
        again.retain(|item| match item.event {
            Event::Released { .. } => self.devices.get(&item.device).is_some_and(|e| e.claim.is_none()),
            _ => true,
        });
        again.append(items);
        *items = again;
        for device in self.deadlines.due(now, BATCH_MAX) {
            let at_rest = self.devices.get(&device).is_some_and(|e| e.machine.state == State::Ready);
            if at_rest && let Some(request) = self.left_by(&device) {
                self.released(device, request, items);
                continue;
            }
            let waiting = self.waits_in_healthy_queue(&device);
            items.push(Item { device, event: Event::Deadline { waiting }, asker: Asker::Nobody });
        }
    }

    /// The request that a device is thought to belong to and which has let go of it: that message was lost.
    fn left_by(&mut self, device: &DeviceName) -> Option<RequestId> {
        let request = self.devices.get(device)?.claim.as_ref()?.request;
        let named = self.store.named(device).ok()??;
        named.claimed_by.is_none().then_some(request)
    }

    fn waits_in_healthy_queue(&self, device: &DeviceName) -> bool {
        let Some(entry) = self.devices.get(device) else { return false };
        let board_is_well = entry.relay.as_ref().is_some_and(|r| !self.unwell.contains(&board_key(&r.board)));
        let now = self.clock.now();
        board_is_well
            && self.queued.get(device).is_some_and(|(epoch, since)| {
                *epoch == entry.machine.epoch && now.ms_since(*since) < QUEUED_MAX_MS
            })
    }

    fn answer(&mut self, answer: BmmAnswer, items: &mut Vec<Item>) {
        let nobody = |device, event| Item { device, event, asker: Asker::Nobody };
        match answer {
            BmmAnswer::PowerStarted { device, epoch } => {
                self.no_longer_queued(&device, epoch);
                items.push(nobody(device, Event::PowerStarted { epoch }));
            }
            BmmAnswer::Finished { device, epoch, signal, detail } => {
                self.no_longer_queued(&device, epoch);
                if let Some(detail) = detail {
                    self.journal(&device, "bmm", detail);
                }
                items.push(nobody(device, Event::Answer { epoch, signal }));
            }
            BmmAnswer::Refused { device, epoch } => self.no_longer_queued(&device, epoch),
            BmmAnswer::BoardHealth { board, healthy: true } => {
                self.unwell.remove(&board);
            }
            BmmAnswer::BoardHealth { board, healthy: false } => {
                self.unwell.insert(board);
            }
        }
    }

    fn no_longer_queued(&mut self, device: &DeviceName, epoch: Epoch) {
        if self.queued.get(device).is_some_and(|(queued, _)| *queued == epoch) {
            self.queued.remove(device);
        }
    }

    fn command(&mut self, command: LifeguardCommand, items: &mut Vec<Item>) {
        match command {
            LifeguardCommand::Event { device, event, claim, reply } => {
                if let (Some(claim), Some(entry)) = (claim, self.devices.get_mut(&device)) {
                    entry.claim = Some(claim);
                }
                if matches!(event, Event::Please(Ask::Offline))
                    && let Some(request) = self.left_by(&device)
                {
                    self.released(device.clone(), request, items);
                }
                let asker = reply.map_or(Asker::Nobody, Asker::Api);
                items.push(Item { device, event, asker });
            }
            LifeguardCommand::Prepare { device, claim, epoch, install, prepare } => {
                self.prepare(device, claim, epoch, install, prepare, items);
            }
            LifeguardCommand::Released { device, request } => self.released(device, request, items),
            LifeguardCommand::Edit { device, edit, reply } => {
                let _ = reply.send(self.edit(&device, edit));
            }
        }
    }

    fn edit(&mut self, device: &DeviceName, edit: DeviceEdit) -> DeviceAnswer {
        let Some(entry) = self.devices.get_mut(device) else { return DeviceAnswer::UnknownDevice };
        match self.store.edit_device(device, &edit) {
            Ok(true) => {
                if let DeviceEdit::Environment(environment) = edit {
                    entry.info.environment = environment;
                }
                DeviceAnswer::Accepted { state: entry.machine.state }
            }
            Ok(false) => DeviceAnswer::UnknownDevice,
            Err(error) => DeviceAnswer::Unavailable { why: error.to_string() },
        }
    }

    fn prepare(
        &mut self,
        device: DeviceName,
        claim: Claim,
        epoch: Epoch,
        install: Install,
        prepare: Preparation,
        items: &mut Vec<Item>,
    ) {
        let request = claim.request;
        let Some(entry) = self.devices.get_mut(&device) else {
            let why = "this server does not have it".to_owned();
            return self.notify(MozpoolNotice::Refused { request, epoch, why });
        };
        let known = entry.claim.as_ref() == Some(&claim);
        entry.claim = Some(claim);
        let ask = match prepare {
            Preparation::PowerCycle => Ask::PowerCycle,
            Preparation::Image => Ask::Image(install),
        };
        items.push(Item {
            device,
            event: Event::Please(ask),
            asker: Asker::Request { request, epoch, known },
        });
    }

    fn released(&mut self, device: DeviceName, request: RequestId, items: &mut Vec<Item>) {
        let Some(entry) = self.devices.get_mut(&device) else { return };
        if entry.claim.as_ref().is_some_and(|claim| claim.request != request) {
            return log::info!(
                "device={device} is held by another request; request {request} let go of it earlier"
            );
        }
        entry.claim = None;
        let policies = &self.settings.return_policies;
        let policy = policies.get(&entry.info.environment).copied().unwrap_or(self.settings.return_policy);
        if entry.machine.state == State::Ready && matches!(policy, ReturnPolicy::Check | ReturnPolicy::None) {
            self.notify(MozpoolNotice::DeviceFreed { device: device.clone() });
        }
        items.push(Item { device, event: Event::Released { policy }, asker: Asker::Nobody });
    }

    /// Decides on every item in order, commits all at once, and acts on what was committed.
    fn decide_and_commit(&mut self, items: Vec<Item>) {
        let now = self.clock.now();
        let mut drafts: HashMap<DeviceName, Device> = HashMap::new();
        let mut commits = Vec::new();
        let mut decided = Vec::new();
        let mut orders = Vec::new();
        for Item { device, event, asker } in items {
            let Some(entry) = self.devices.get(&device) else {
                self.reply(&device, asker, DeviceAnswer::UnknownDevice);
                continue;
            };
            let machine = drafts.get(&device).unwrap_or(&entry.machine);
            let (before, expected) = (machine.state, machine.epoch);
            if let (Asker::Request { .. }, true) = (&asker, before != State::Ready) {
                orders.push((device, event, asker));
                continue;
            }
            let quiet =
                matches!(event, Event::Deadline { .. } | Event::PowerStarted { .. } | Event::Released { .. });
            let said_once = matches!(asker, Asker::Nobody) && !matches!(event, Event::Deadline { .. });
            let again = said_once.then(|| event.clone());
            let facts = Facts {
                catalog: &self.catalog,
                hardware: entry.info.hardware,
                has_relay: entry.relay.is_some(),
                claim: entry.claim.as_ref(),
            };
            match step(machine, facts, event, now) {
                Step::Ignored(why) => {
                    if !quiet && !matches!(why, Ignored::AsItWas) {
                        log::info!("device={device} {why}");
                        if !matches!(why, Ignored::Late { .. }) {
                            self.journal(&device, "statemachine", why.to_string());
                        }
                    }
                    self.reply(&device, asker, DeviceAnswer::Ignored { state: before, why });
                }
                Step::Moved(moved) => {
                    drafts.insert(device.clone(), moved.next.clone());
                    decided.push(Decided { device, before, effects: moved.effects, asker, event: again });
                    let (next, log, result) = (moved.next, moved.log, moved.result);
                    commits.push(DeviceCommit { next, expected, log, result, at: now });
                }
            }
        }
        if self.commit(commits, decided, now) {
            for (device, event, asker) in orders {
                self.answer_order(&device, &event, asker);
            }
        }
    }

    /// Commits and acts; false when the store failed and nothing has changed.
    fn commit(&mut self, commits: Vec<DeviceCommit>, decided: Vec<Decided>, now: Timestamp) -> bool {
        if commits.is_empty() {
            return true;
        }
        match self.store.commit_devices(&commits) {
            Ok(outcomes) => {
                for ((decided, commit), outcome) in decided.into_iter().zip(commits).zip(outcomes) {
                    match outcome {
                        Committed::Done => self.act(decided, commit),
                        Committed::Stale | Committed::ClaimLost => self.reload(decided),
                    }
                }
                true
            }
            // One row that cannot be written must not hold up the others.
            Err(error) if commits.len() > 1 && !matches!(error, StoreError::Unavailable { .. }) => {
                log::error!("{error}; {} changes are written one by one", commits.len());
                for (decided, commit) in decided.into_iter().zip(commits) {
                    self.commit(vec![commit], vec![decided], now);
                }
                true
            }
            Err(error) => {
                log::error!("{error}; {} changes wait for the store", commits.len());
                self.rests_until = Some(now.plus_ms(STORE_REST_MS));
                let will_pass = matches!(error, StoreError::Unavailable { .. });
                for Decided { device, asker, event, .. } in decided {
                    if let Some(event) = event.filter(|_| will_pass && self.again.len() < AGAIN_MAX) {
                        self.again.push(Item { device, event, asker });
                    } else {
                        self.reply(&device, asker, DeviceAnswer::Unavailable { why: error.to_string() });
                    }
                }
                false
            }
        }
    }

    /// A request wants a device that is not `ready`. It may have asked before, and not have heard the answer.
    fn answer_order(&mut self, device: &DeviceName, event: &Event, asker: Asker) {
        let (Asker::Request { request, epoch, known }, Some(entry)) = (asker, self.devices.get(device))
        else {
            return;
        };
        let machine = &entry.machine;
        let under_way = match event {
            Event::Please(Ask::Image(install)) => machine.next.as_ref() == Some(install),
            _ => {
                let cycling = [State::PcPowerCycling, State::PcRebooting, State::PcPinging];
                cycling.contains(&machine.state) && !machine.self_testing
            }
        };
        self.notify(if known && under_way {
            MozpoolNotice::Contacted { request, epoch }
        } else {
            let why = format!("it is in state {}", machine.state);
            MozpoolNotice::Refused { request, epoch, why }
        });
    }

    /// What was decided is on disk: make it so.
    fn act(&mut self, decided: Decided, commit: DeviceCommit) {
        let Decided { device, before, effects, asker, .. } = decided;
        let Some(entry) = self.devices.get_mut(&device) else { return };
        let old = std::mem::replace(&mut entry.machine, commit.next);
        let machine = &entry.machine;
        let state = machine.state;
        if state != before {
            log::info!("device={device} {before} -> {state} epoch={}", machine.epoch);
        }
        self.deadlines.set(&device, machine.deadline);
        let freed = state == State::Ready && before != State::Ready && entry.claim.is_none();
        // Before every power cycle once more: the last time the store or the template may have failed.
        let cycles = effects.iter().any(|e| matches!(e, Effect::PowerCycle { .. }));
        if machine.boot != old.boot || (machine.boot.is_some() && (cycles || machine.next != old.next)) {
            self.publish(&device);
        }
        // Before the effects: a request must hear that its order was taken before it hears what came of it.
        self.reply(&device, asker, DeviceAnswer::Accepted { state });
        for effect in effects {
            self.hand_out(&device, effect);
        }
        if freed {
            self.notify(MozpoolNotice::DeviceFreed { device });
        }
    }

    fn hand_out(&mut self, device: &DeviceName, effect: Effect) {
        let Some(entry) = self.devices.get(device) else { return };
        let host = || entry.info.fqdn.clone();
        let name = device.clone();
        let job = match effect {
            Effect::PowerCycle { epoch } => {
                // `step` asks for a power cycle only when there is a relay.
                let Some(relay) = entry.relay.clone() else { return };
                let deadline = entry.machine.deadline.unwrap_or(self.clock.now());
                self.queued.insert(name.clone(), (epoch, self.clock.now()));
                BmmJob::PowerCycle { device: name, epoch, relay, deadline }
            }
            Effect::Probe { epoch, check, mode, good } => {
                BmmJob::Probe { device: name, epoch, host: host(), check, mode, good }
            }
            Effect::SdCard { epoch } => BmmJob::SdCard { device: name, epoch, host: host() },
            Effect::Cancel => {
                self.queued.remove(device);
                BmmJob::Cancel { device: name }
            }
            Effect::Report { claim, result } => {
                return self.notify(MozpoolNotice::Finished { request: claim.request, device: name, result });
            }
        };
        if let Err(TrySendError::Full(_)) = self.out.bmm.try_send(job) {
            self.queued.remove(device);
            log::warn!("device={device} the hardware layer is full; the state's time limit asks again");
        }
    }

    /// The store knows better, or somebody else moved the device: take what is stored.
    fn reload(&mut self, decided: Decided) {
        let Decided { device, asker, .. } = decided;
        log::warn!("device={device} was changed by somebody else; loading it again");
        match self.store.load_device(&device) {
            Ok(Some(record)) if record.info.imaging_server == self.settings.server => self.adopt(record),
            Ok(_) => self.abandon(&device),
            Err(error) => {
                log::error!("device={device} {error}");
                // Its deadline may be due, and would be so again at once.
                self.rests_until = Some(self.clock.now().plus_ms(STORE_REST_MS));
            }
        }
        let why = "the device was changed by somebody else at the same time; try again".to_owned();
        self.reply(&device, asker, DeviceAnswer::Unavailable { why });
    }

    fn adopt(&mut self, mut record: DeviceRecord) {
        let device = record.machine.name.clone();
        // A row that was put into its state from outside has no deadline yet: the state begins now.
        // And none is further away than the state's time limit, unless the clock was ahead when it was stored.
        let now = self.clock.now();
        let limit_s = time_limit_s(&record.machine, &self.catalog, record.info.hardware);
        if let Some(limit_s) = limit_s {
            record.machine.deadline =
                Some(record.machine.deadline.map_or(now, |at| at.min(now.plus_s(limit_s))));
        }
        self.deadlines.set(&device, record.machine.deadline);
        self.devices.insert(device.clone(), record.into());
        self.publish(&device);
    }

    fn abandon(&mut self, device: &DeviceName) {
        self.deadlines.set(device, None);
        self.queued.remove(device);
        if let Some(mac) = self.devices.remove(device).and_then(|entry| entry.info.mac) {
            self.boot.publish(mac, None);
        }
    }

    /// Brings the boot table to what the device's row says.
    fn publish(&mut self, device: &DeviceName) {
        let Some(entry) = self.devices.get(device) else { return };
        let Some(mac) = entry.info.mac else {
            if entry.machine.boot.is_some() {
                let why = "no boot config: the device has no MAC address to offer it to".to_owned();
                self.journal(device, "statemachine", why);
            }
            return;
        };
        if entry.machine.boot.is_none() {
            return self.boot.publish(mac, None);
        }
        match boot_text(self.store.as_mut(), &self.settings, &entry.machine, &entry.info) {
            Ok(text) => self.boot.publish(mac, text.as_deref()),
            Err(why) => {
                // The board boots its own disk, and the state's time limit counts it; the log says why.
                self.boot.publish(mac, None);
                log::error!("device={device} {why}");
                self.journal(device, "statemachine", format!("no boot config: {why}"));
            }
        }
    }

    fn reply(&self, device: &DeviceName, asker: Asker, answer: DeviceAnswer) {
        match (asker, answer) {
            (Asker::Nobody, _) => {}
            // Who asked may have stopped waiting.
            (Asker::Api(reply), answer) => drop(reply.send(answer)),
            (Asker::Request { request, epoch, .. }, DeviceAnswer::Accepted { .. }) => {
                self.notify(MozpoolNotice::Contacted { request, epoch });
            }
            (Asker::Request { request, epoch, .. }, DeviceAnswer::Ignored { why, .. }) => {
                self.notify(MozpoolNotice::Refused { request, epoch, why: why.to_string() });
            }
            (Asker::Request { .. }, DeviceAnswer::UnknownDevice | DeviceAnswer::Unavailable { .. }) => {
                log::warn!("device={device} could not be prepared now; its request asks again");
            }
        }
    }

    fn notify(&self, notice: MozpoolNotice) {
        if let Err(TrySendError::Full(notice)) = self.out.mozpool.try_send(notice) {
            log::warn!("the request layer is full, it will look for itself: {notice:?}");
        }
    }

    fn journal(&self, device: &DeviceName, source: &'static str, message: String) {
        let line = JournalLine::Device { device: device.clone(), at: self.clock.now(), source, message };
        if self.out.journal.try_send(line).is_err() {
            log::warn!("device={device} a log line was lost: the journal is full");
        }
    }
}
