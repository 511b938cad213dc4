//! The *lifeguard* thread: the machines of this server's devices.
//!
//! It takes what came together as one batch, decides with the pure `step`, commits everything in one transaction, and only
//! then answers, publishes boot configs and hands out work. A crash between commit and effect is safe: every state that waits
//! for an answer has a time limit, and its passing asks again.

mod act;
mod administer;
mod boot_text;
mod decide;
mod doubts;
mod explain;
mod orders;
mod steps;

use super::deadlines::Deadlines;
use super::messages::PeerMessage;
use super::messages::{
    AdminAnswer, Administration, BmmAnswer, BmmJob, BootAnswer, DeviceAnswer, DraftAnswer, JournalLine,
    LIFEGUARD_QUEUE, LifeguardCommand, Look, MozpoolNotice, Reply,
};
use super::peers::Peers;
use super::supervise::Exit;
use crate::bmm::power::PowerAddress;
use crate::boot::render::{LiveSystems, ServerValues};
use crate::boot::table::BootTable;
use crate::clock::{Clock, StepWatch};
use crate::logic::catalog::Catalog;
use crate::logic::events::ReturnPolicy;
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::lifeguard::{
    Ask, BootToken, Claim, Device, Effect, Event, Facts, Ignored, Install, Moved, Rearmed, State, Step,
    resume, step,
};
use crate::logic::machine::Epoch;
use crate::logic::mozpool::Preparation;
use crate::logic::time::Timestamp;
use crate::store::{Committed, DeviceCommit, DeviceEdit, DeviceInfo, DeviceRecord, Store, StoreError};
use boot_text::{BootError, boot_text, values_for};
use crossbeam_channel::{Receiver, Sender, TrySendError, after, never, select_biased};
pub use doubts::Doubted;
use doubts::{Told, random_token};
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
    /// The live systems.
    pub live: LiveSystems,
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

/// What decides: [`step`], or in its place what the simulator wraps around it.
pub type Rule = Box<dyn Fn(&Device, Facts<'_>, Event, Timestamp) -> Step + Send>;

/// Makes a boot token that was never made before.
pub type Draw = Box<dyn FnMut() -> BootToken + Send>;

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
    /// The store failed between a change of what there is and reading it again.
    behind: bool,
    /// What acting on the last commit has shown, to be decided on next.
    follow_ups: Vec<Item>,
    steps: StepWatch,
    /// The other servers of the pool; `None`: this one is alone.
    peers: Option<Peers>,
    rule: Rule,
    draw: Draw,
    /// Of the next boot into a live system.
    next_token: BootToken,
    /// Reports that were not believed.
    doubted: Arc<Doubted>,
}

#[derive(Debug)]
struct Entry {
    /// Its row's number.
    id: i64,
    machine: Device,
    info: DeviceInfo,
    claim: Option<Claim>,
    relay: Option<PowerAddress>,
    /// Its power was taken away then, and is not back yet.
    off_since: Option<Timestamp>,
    /// The order that was taken last: one that comes once more is not carried out again.
    order: Option<(RequestId, Epoch)>,
    /// The request that let go of it last: that is told by several ways.
    left: Option<RequestId>,
    /// What was told of reports that nobody believes.
    told: Told,
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
        Self {
            id: record.id,
            machine: record.machine,
            info: record.info,
            claim: record.claim,
            relay,
            off_since: None,
            order: None,
            left: None,
            told: Told::default(),
        }
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
        /// The imaging server that owns it.
        server: Arc<str>,
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
            behind: false,
            follow_ups: Vec::new(),
            steps,
            peers: None,
            rule: Box::new(step),
            draw: Box::new(random_token),
            next_token: random_token(),
            doubted: Arc::default(),
        };
        for record in records {
            layer.adopt(record);
        }
        Ok(layer)
    }

    /// In a pool.
    pub fn with_peers(self, peers: Peers) -> Self {
        Self { peers: Some(peers), ..self }
    }

    /// Lets `rule` decide.
    pub(crate) fn decided_by(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Takes boot tokens from `draw`.
    pub(crate) fn drawing(mut self, mut draw: Draw) -> Self {
        self.next_token = draw();
        self.draw = draw;
        self
    }

    /// Where reports that are not believed are counted.
    pub fn doubted(&self) -> Arc<Doubted> {
        Arc::clone(&self.doubted)
    }

    /// A device's machine as it is in memory.
    pub(crate) fn machine(&self, device: &str) -> Option<&Device> {
        self.devices.get(device).map(|entry| &entry.machine)
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

    /// One turn without waiting: whoever calls this keeps the time.
    pub(crate) fn turn(&mut self, inbox: &Inbox) {
        self.go_on(Vec::new(), inbox);
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
        self.catch_up();
        self.due(&mut items);
        self.decide_and_commit(items);
        // A follow-up gives a device up, which offers nothing: there is no second round of them.
        let follow_ups = std::mem::take(&mut self.follow_ups);
        self.decide_and_commit(follow_ups);
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

    /// When time alone brings the next work.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        if self.behind || !self.again.is_empty() {
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
        let board_is_well = entry.relay.as_ref().is_some_and(|r| !self.unwell.contains(&r.queue()));
        let now = self.clock.now();
        board_is_well
            && self.queued.get(device).is_some_and(|(epoch, since)| {
                *epoch == entry.machine.epoch && now.ms_since(*since) < QUEUED_MAX_MS
            })
    }
}
