//! The *mozpool* thread: the machines of the requests that this server was asked.
//!
//! As *lifeguard*: decide with the pure `step`, commit all that came together in one transaction, then act. The search for a
//! device is part of the decision, so that a request which finds one at once claims it in the same commit.

mod decide;
mod elsewhere;
mod orders;
mod search;
mod told;

use orders::Wakes;
use search::{Search, readable, same_json};
use told::{Counted, Tried};

use super::deadlines::Deadlines;
use super::messages::PeerMessage;
use super::messages::{
    CreateAnswer, LifeguardCommand, MozpoolCommand, MozpoolNotice, Reply, RequestAnswer, RequestEvent,
};
use super::peers::Peers;
use super::supervise::Exit;
use crate::clock::{Clock, StepWatch};
use crate::logic::ids::{DeviceName, HardwareId, ImageName, RequestId};
use crate::logic::lifeguard::Claim;
use crate::logic::machine::Epoch;
use crate::logic::mozpool::{
    Candidate, Choice, ClaimChange, Closer, Effect, Event, Ignored, Moved, Named, Outcome as Came,
    Preparation, Request, Signal, State, Step, Wanted, def, judge, kind_fits, pick, place, step,
};
use crate::logic::time::Timestamp;
use crate::store::{Committed, FreeKind, NewRequest, RequestCommit, Store, StoreError};
use crossbeam_channel::{Receiver, Sender, TrySendError, after, never, select_biased};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Events that share one transaction at most.
const BATCH_MAX: usize = 256;
/// After the store has failed, time limits rest for so long before the next try.
const STORE_REST_MS: i64 = 1000;
/// An order that nobody has answered is given again after so long: it, or the answer, may have been lost with a process, a
/// connection or a commit. `contacting_lifeguard`'s own time limit is for device layers that are slow.
const ASK_AGAIN_MS: i64 = 2000;
/// Searches at once after losing a device to a request of another server; then the ten seconds of `finding_device` apply.
const CLAIM_TRIES: usize = 5;
/// Different wishes that are looked up when devices have become free, oldest request first. Those behind look for themselves
/// within ten seconds; without a bound, a thousand requests for a thousand different things would each cost a search.
const SHOWN_MAX: usize = 64;

/// Where it hears from.
#[derive(Debug)]
pub struct Inbox {
    /// Time to end.
    pub stop: Receiver<()>,
    /// The device layer's news come before new orders.
    pub notices: Receiver<MozpoolNotice>,
    /// The API.
    pub commands: Receiver<MozpoolCommand>,
}

/// What decides: [`step`], or in its place what the simulator wraps around it.
pub type Rule = Box<dyn Fn(&Request, Event, Timestamp) -> Step + Send>;

/// The layer's state.
pub struct Mozpool {
    server: Arc<str>,
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    lifeguard: Sender<LifeguardCommand>,
    requests: HashMap<RequestId, Request>,
    finding: BTreeSet<RequestId>,
    deadlines: Deadlines<RequestId>,
    /// When those that wait for the device layer's word give their order again.
    asks: Deadlines<RequestId>,
    /// Draws lots between equal devices; any start will do, it only must not be the same for every request.
    seed: u64,
    /// Where all boards stood when they were last counted.
    counted: Option<Counted>,
    counted_in_batch: bool,
    /// How many boards there are, as far as it was counted; for large pools too few.
    pool_size: Option<usize>,
    /// Of requests that wait: what their logs say of the search.
    tries: HashMap<RequestId, Tried>,
    rests_until: Option<Timestamp>,
    /// The store may have made requests whose numbers never came back, because the answer was lost: they are looked for when it
    /// answers again.
    adrift: bool,
    steps: StepWatch,
    /// The other servers of the pool, and when their requests are looked at next; `None`: this server is alone.
    pool: Option<Pool>,
    rule: Rule,
}

/// What the layer needs of the other servers.
struct Pool {
    peers: Peers,
    /// When requests of servers that are gone are looked for.
    look_at: Timestamp,
}

/// One thing to decide on, and who waits for the answer.
struct Item {
    request: RequestId,
    event: Event,
    asker: Asker,
}

enum Asker {
    Nobody,
    Api(Reply<RequestAnswer>),
    Create { reply: Reply<CreateAnswer>, busy: bool },
}

/// Decisions that wait for their commit.
#[derive(Default)]
struct Batch {
    drafts: HashMap<RequestId, Request>,
    commits: Vec<RequestCommit>,
    /// One per commit.
    effects: Vec<Vec<Effect>>,
    search: Search,
    /// Requests of servers that are gone: ours for this batch alone.
    guests: HashSet<RequestId>,
}

impl Mozpool {
    /// Loads this server's open requests and arms their deadlines.
    pub fn load(
        server: &str,
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        lifeguard: Sender<LifeguardCommand>,
    ) -> Result<Self, StoreError> {
        let mended = store.mend_free()?;
        if mended > 0 {
            log::info!("{mended} devices were not found by searches, or wrongly; put right");
        }
        let records = store.load_requests(server)?;
        let steps = StepWatch::of(&*clock);
        let now = clock.now();
        let seed = now.0.unsigned_abs();
        let mut layer = Self {
            server: server.into(),
            store,
            clock,
            lifeguard,
            requests: HashMap::with_capacity(records.len()),
            finding: BTreeSet::new(),
            deadlines: Deadlines::default(),
            asks: Deadlines::default(),
            seed,
            counted: None,
            counted_in_batch: false,
            pool_size: None,
            tries: HashMap::new(),
            rests_until: None,
            adrift: false,
            steps,
            pool: None,
            rule: Box::new(step),
        };
        for record in records {
            layer.take_up(record.machine, now);
        }
        Ok(layer)
    }

    /// In a pool.
    pub fn with_peers(self, peers: Peers) -> Self {
        let look_at = self.clock.now();
        Self { pool: Some(Pool { peers, look_at }), ..self }
    }

    /// A request as it was stored: no deadline is further away than its state's time limit, unless the clock was ahead then.
    fn take_up(&mut self, mut machine: Request, now: Timestamp) {
        if let (Some(at), Some(limit_s)) = (machine.deadline, def(machine.state).wait_s) {
            machine.deadline = Some(at.min(now.plus_s(limit_s)));
        }
        self.keep(machine);
    }

    /// Takes up requests that were made after all although nobody here was told.
    fn look_for_those_adrift(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if !self.adrift {
            return Ok(());
        }
        for record in self.store.load_requests(&self.server)? {
            let id = record.machine.id;
            if !self.requests.contains_key(&id) {
                log::warn!(
                    "request={id} was made although its asker was told that the store failed; it is looked after"
                );
                self.take_up(record.machine, now);
            }
        }
        self.adrift = false;
        Ok(())
    }

    /// Lets `rule` decide.
    pub(crate) fn decided_by(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// A request's machine as it is in memory.
    pub(crate) fn machine(&self, request: RequestId) -> Option<&Request> {
        self.requests.get(&request)
    }

    /// Runs until told to stop or until a neighbour is gone.
    pub fn run(mut self, inbox: &Inbox) -> Exit {
        loop {
            self.follow_clock();
            let timer = match self.next_wake() {
                Some(at) => after(Duration::from_millis(at.ms_since(self.clock.now()).max(0).unsigned_abs())),
                None => never(),
            };
            let mut wakes = Wakes::default();
            // Biased: stopping comes first, and news of devices come before new requests that want them.
            select_biased! {
                recv(inbox.stop) -> _ => return Exit::Stopped,
                recv(inbox.notices) -> m => match m { Ok(n) => wakes.notice(n), Err(_) => return Exit::Lost("lifeguard") },
                recv(timer) -> _ => {}
                recv(inbox.commands) -> m => match m { Ok(c) => wakes.command(c), Err(_) => return Exit::Lost("http") },
            }
            self.go_on(wakes, inbox);
        }
    }

    /// Takes what has come in meanwhile into the same commit, and what is due.
    fn go_on(&mut self, mut wakes: Wakes, inbox: &Inbox) {
        while wakes.len() < BATCH_MAX
            && let Ok(notice) = inbox.notices.try_recv()
        {
            wakes.notice(notice);
        }
        while wakes.len() < BATCH_MAX
            && let Ok(command) = inbox.commands.try_recv()
        {
            wakes.command(command);
        }
        self.handle(wakes);
    }

    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        let look_at = self.pool.as_ref().map(|pool| pool.look_at);
        // It rests, and looks then for requests that are adrift.
        let adrift = if self.adrift { self.rests_until } else { None };
        let limits = self.deadlines.first().into_iter().chain(self.asks.first());
        let first = limits.chain(look_at).chain(adrift).min()?;
        Some(self.rests_until.map_or(first, |rest| first.max(rest)))
    }

    fn handle(&mut self, wakes: Wakes) {
        let Wakes { mut items, created, freed, look_again } = wakes;
        self.follow_clock();
        self.counted_in_batch = false;
        let now = self.clock.now();
        let due = self.due(now, &mut items);
        // Requests of servers that are gone are ours for one batch.
        let mut guests = self.take_in_overdue(now, &mut items);
        guests.extend(self.take_in_asked(now, &mut items));
        // Also when that failed: who asks for a board is answered.
        if let Err(error) = self.create(created, &mut items).and(due) {
            guests.into_iter().for_each(|id| self.forget(id));
            return self.give_back(&error, now, items);
        }
        let mut batch = Batch { guests: guests.iter().copied().collect(), ..Batch::default() };
        // Those who have waited see a device before those who have just come.
        // When what there is has changed, so may have what anybody did not find before.
        let freed = if look_again { None } else { Some(freed.as_slice()) };
        if freed.is_none_or(|f| !f.is_empty())
            && let Err(error) = self.show(freed, now, &mut batch)
        {
            log::error!("{error}; waiting requests look again within ten seconds");
        }
        let mut askers = Vec::new();
        for Item { request, event, asker } in items {
            let event = self.with_stored_result(request, event);
            match self.drive(request, event, now, &mut batch) {
                Ok(outcome) => askers.push((request, outcome, asker)),
                Err(error) => {
                    let refused = vec![Item { request, event: Event::FindDevice, asker }];
                    self.give_back(&error, now, refused);
                }
            }
        }
        let committed = self.commit(batch, now);
        guests.into_iter().for_each(|id| self.forget(id));
        match committed {
            Ok(stale) => {
                for (request, outcome, asker) in askers {
                    let outcome = if stale.contains(&request) { Outcome::Overtaken } else { outcome };
                    self.reply(request, outcome, asker);
                }
            }
            Err(error) => {
                let items = askers.into_iter().map(|(request, _, asker)| Item {
                    request,
                    event: Event::FindDevice,
                    asker,
                });
                self.give_back(&error, now, items.collect());
            }
        }
    }

    /// When the system's clock is put right, deadlines move with it, and so do the ends of reservations: a board was
    /// promised for so many seconds, not until somebody set the clock.
    fn follow_clock(&mut self) {
        let step_ms = self.steps.step_ms(&*self.clock);
        if step_ms == 0 {
            return;
        }
        let line =
            format!("The system's clock was put right by {} s; all times move with it.", step_ms / 1000);
        log::warn!("{line}");
        self.rests_until = self.rests_until.map(|at| at.plus_ms(step_ms));
        let (at, mut commits) = (self.clock.now(), Vec::new());
        for request in self.requests.values_mut() {
            request.deadline = request.deadline.map(|at| at.plus_ms(step_ms));
            request.queue_until = request.queue_until.map(|at| at.plus_ms(step_ms));
            request.expires = request.expires.plus_ms(step_ms);
            self.deadlines.set(&request.id, request.next_wake());
            self.asks.set(&request.id, asks_again(request, at));
            let (next, expected) = (request.clone(), request.epoch);
            commits.push(RequestCommit {
                next,
                expected,
                claim: ClaimChange::Keep,
                log: vec![line.clone()],
                device_log: None,
                at,
            });
        }
        // What is not written now is written with the request's next step.
        if let Err(error) = self.store.commit_requests(&commits) {
            log::error!(
                "{error}; the ends of reservations are shown as they were before the clock was put right"
            );
        }
    }

    /// `lifeguard_finished` may come by the API without a result: then the one that lies with the claim counts.
    fn with_stored_result(&mut self, request: RequestId, event: Event) -> Event {
        match event {
            Event::LifeguardFinished { device, result: None } => {
                let result = self.store.imaging_result(request).unwrap_or_default();
                Event::LifeguardFinished { device, result }
            }
            other => other,
        }
    }

    /// The store does not answer: say so to everybody who waits, and let time limits rest a moment.
    fn give_back(&mut self, error: &StoreError, now: Timestamp, items: Vec<Item>) {
        log::error!("{error}; {} changes of requests wait for the store", items.len());
        // What was to be logged is not; the next look says it again.
        self.tries.clear();
        self.rests_until = Some(now.plus_ms(STORE_REST_MS));
        let why = error.to_string();
        for Item { request, asker, .. } in items {
            match asker {
                Asker::Nobody => self.look_soon(request, now),
                Asker::Api(reply) => drop(reply.send(RequestAnswer::Unavailable { why: why.clone() })),
                // Its row is on disk, and it goes on when the store is back.
                Asker::Create { reply, .. } => {
                    drop(reply.send(CreateAnswer::Created { request, busy: false }));
                }
            }
        }
    }

    /// What it was told it has not heard, because the store failed: it asks again what has become of its device.
    fn look_soon(&mut self, request: RequestId, now: Timestamp) {
        let Some(machine) = self.requests.get_mut(&request) else { return };
        let soon = now.plus_ms(STORE_REST_MS);
        match machine.state {
            State::ContactingLifeguard => self.asks.set(&request, Some(soon)),
            State::Pending => {
                machine.deadline = machine.deadline.map(|at| at.min(soon));
                self.deadlines.set(&request, machine.next_wake());
            }
            _ => {}
        }
    }

    /// One turn without waiting: whoever calls this keeps the time.
    pub(crate) fn turn(&mut self, inbox: &Inbox) {
        self.go_on(Wakes::default(), inbox);
    }

    fn due(&mut self, now: Timestamp, items: &mut Vec<Item>) -> Result<(), StoreError> {
        if self.rests_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        self.rests_until = None;
        self.look_for_those_adrift(now)?;
        for request in self.deadlines.due(now, BATCH_MAX) {
            let Some(machine) = self.requests.get(&request) else { continue };
            let (state, assigned, wanted) = (machine.state, machine.assigned.clone(), machine.wanted.clone());
            let stored = match state {
                State::Pending => readable(self.store.imaging_result(request))?,
                _ => None,
            };
            let prepare = match (state, assigned) {
                (State::ContactLifeguard | State::ContactingLifeguard, Some(device)) => {
                    self.preparation(&device, &wanted, now)?
                }
                _ => None,
            };
            items.push(Item { request, event: Event::Deadline { stored, prepare }, asker: Asker::Nobody });
        }
        for request in self.asks.due(now, BATCH_MAX) {
            self.ask_again(request, now)?;
        }
        Ok(())
    }

    /// What the device needs now; nothing if it is gone.
    fn preparation(
        &mut self,
        device: &DeviceName,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<Preparation>, StoreError> {
        let can_reuse = self.can_reuse(&wanted.install.image)?;
        let found = readable(self.store.board(device, now))?;
        let reuse = |c: Candidate| can_reuse && c.runs(wanted, &same_json);
        Ok(found.map(|(_, c)| if reuse(c) { Preparation::PowerCycle } else { Preparation::Image }))
    }

    /// Gives the same order again, with nothing to commit: whoever has taken it says so once more.
    fn ask_again(&mut self, request: RequestId, now: Timestamp) -> Result<(), StoreError> {
        self.asks.set(&request, Some(now.plus_ms(ASK_AGAIN_MS)));
        let Some(machine) = self.requests.get(&request).cloned() else { return Ok(()) };
        let Some(device) = machine.assigned.clone() else { return Ok(()) };
        if machine.deadline.is_some_and(|at| at <= now) {
            // It asks in the same turn, in a new epoch.
            return Ok(());
        }
        // Without a device its time limit looks for another.
        if let Some(prepare) = self.preparation(&device, &machine.wanted, now)? {
            self.give(&machine, Effect::Contact { epoch: machine.epoch, device, prepare });
        }
        Ok(())
    }

    /// Makes the rows of new requests, so that they have numbers.
    fn create(
        &mut self,
        created: Vec<(NewRequest, Reply<CreateAnswer>)>,
        items: &mut Vec<Item>,
    ) -> Result<(), StoreError> {
        if created.is_empty() {
            return Ok(());
        }
        let (rows, replies): (Vec<_>, Vec<_>) = created.into_iter().unzip();
        let made = self.store.insert_requests(&rows);
        let made = match made {
            Ok(ids) => ids.into_iter().map(Ok).collect(),
            // What one of them refers to was deleted at this moment; the others are as good as ever.
            Err(StoreError::Refused { .. }) => rows.iter().map(|row| self.insert_alone(row)).collect(),
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(CreateAnswer::Unavailable { why: error.to_string() });
                }
                self.adrift = true;
                return Err(error);
            }
        };
        let made: Vec<Result<RequestId, CreateAnswer>> = made;
        for ((made, row), reply) in made.into_iter().zip(rows).zip(replies) {
            let id = match made {
                Ok(id) => id,
                Err(why) => {
                    let _ = reply.send(why);
                    continue;
                }
            };
            let named = match &row.wanted.device {
                // The row is made: whatever the store does now, it is driven.
                Some(device) => self.store.named(device).unwrap_or_default(),
                None => None,
            };
            let event = match named {
                Some(Named { claimed_by: Some(by), .. }) => Event::Busy { by },
                _ => Event::FindDevice,
            };
            let busy = matches!(event, Event::Busy { .. });
            self.keep(Request {
                id,
                state: State::New,
                epoch: Default::default(),
                deadline: Some(row.created),
                counters: Default::default(),
                wanted: row.wanted,
                assigned: None,
                expires: row.expires,
                queue_until: row.queue_until,
            });
            items.push(Item { request: id, event, asker: Asker::Create { reply, busy } });
        }
        Ok(())
    }

    fn insert_alone(&mut self, row: &NewRequest) -> Result<RequestId, CreateAnswer> {
        match self.store.insert_requests(std::slice::from_ref(row)) {
            Ok(ids) => {
                ids.first().copied().ok_or(CreateAnswer::Unavailable { why: "no number came back".into() })
            }
            Err(StoreError::Refused { why }) => Err(CreateAnswer::Refused { why }),
            Err(error) => Err(CreateAnswer::Unavailable { why: error.to_string() }),
        }
    }

    fn keep(&mut self, request: Request) {
        if request.state == State::Closed {
            return self.forget(request.id);
        }
        self.deadlines.set(&request.id, request.next_wake());
        self.asks.set(&request.id, asks_again(&request, self.clock.now()));
        if request.state == State::FindingDevice {
            self.finding.insert(request.id);
        } else {
            self.finding.remove(&request.id);
            self.tries.remove(&request.id);
        }
        self.requests.insert(request.id, request);
    }

    fn forget(&mut self, id: RequestId) {
        self.deadlines.set(&id, None);
        self.asks.set(&id, None);
        self.finding.remove(&id);
        self.tries.remove(&id);
        self.requests.remove(&id);
    }

    /// Time limits rest a moment; what was due then comes again.
    fn rest(&mut self, error: &StoreError, now: Timestamp) {
        log::error!("{error}");
        self.tries.clear();
        self.rests_until = Some(now.plus_ms(STORE_REST_MS));
    }

    fn reply(&self, request: RequestId, outcome: Outcome, asker: Asker) {
        // Who asked may have stopped waiting.
        match asker {
            Asker::Nobody => {
                if let Outcome::Ignored { why, .. } = outcome
                    && why != Ignored::NotDue
                {
                    log::info!("request={request} {why}");
                }
            }
            Asker::Api(reply) => {
                let _ = reply.send(match outcome {
                    Outcome::Moved { state } => RequestAnswer::Accepted { state },
                    Outcome::Ignored { state, why } => RequestAnswer::Ignored { state, why },
                    Outcome::Unknown => RequestAnswer::UnknownRequest,
                    Outcome::Overtaken => RequestAnswer::Unavailable {
                        why: "the request was changed by somebody else at the same time; try again".into(),
                    },
                });
            }
            Asker::Create { reply, busy } => drop(reply.send(CreateAnswer::Created { request, busy })),
        }
    }
}

/// When it gives its order again, if it waits for an answer.
fn asks_again(request: &Request, now: Timestamp) -> Option<Timestamp> {
    (request.state == State::ContactingLifeguard).then(|| now.plus_ms(ASK_AGAIN_MS))
}

/// What became of an event.
enum Outcome {
    Moved {
        state: State,
    },
    Ignored {
        state: State,
        why: Ignored,
    },
    Unknown,
    /// The stored row was another one.
    Overtaken,
}
