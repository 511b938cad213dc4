//! All probes under way: which board is to be asked when, and what its answers come to.
//!
//! Pure: jobs, results and the time come in, [`Order`]s go out. One probe per device; a watch asks again and again from the
//! end of the last asking, and outlives the state entry that began it (`logic::watch` says why).

use super::check::Question;
use super::names::{Known, Names};
use super::sut::{self, Goal};
use super::{CheckError, Said, Ticket};
use crate::layers::messages::{BmmAnswer, ManualAnswer, Reply};
use crate::logic::check::Check;
use crate::logic::events::Signal;
use crate::logic::ids::DeviceName;
use crate::logic::lifeguard::ProbeMode;
use crate::logic::machine::Epoch;
use crate::logic::time::Timestamp;
use crate::logic::watch::{Verdict, Watch};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Between two pings of a watch: short against the seconds that a firmware stage lasts.
pub const PING_EVERY_MS: i64 = 500;
/// Between two other questions of a watch: each is a connection that the board must serve.
pub const ASK_EVERY_MS: i64 = 1000;
/// How long a watch goes on without new orders. Every state that watches has a shorter time limit and then orders anew.
pub const WATCH_ENDS_MS: i64 = 3_600_000;
/// How long an answer of the name server is waited for.
pub const NAME_LIMIT_MS: i64 = 5000;
/// After "too much is asked at once".
const BUSY_MS: i64 = 100;
/// Probes under way: one per device of a large server, and room for pings by hand.
pub const PROBES_MAX: usize = 8192;
/// Pings by hand under way.
pub const MANUAL_MAX: usize = 64;
/// The pauses between connections to an agent that is to check its card, as the original had them.
pub const CARD_PAUSES_MS: [i64; 4] = [5000, 10_000, 15_000, 20_000];

/// Ports that a test or an emulated rack moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Of `ssh`, usually 22.
    pub ssh: u16,
    /// Of `sut`, usually 20701.
    pub sut: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { ssh: 22, sut: sut::PORT }
    }
}

/// What somebody else must do.
#[derive(Debug)]
pub enum Order {
    /// Look this name up, then [`Probes::resolved`].
    LookUp(String),
    /// Ping, then [`Probes::said`].
    Ping(Ticket, SocketAddr),
    /// Ask, then [`Probes::said`].
    Ask(Ticket, SocketAddr, Question),
    /// Tell *lifeguard*.
    Answer(BmmAnswer),
    /// Tell whoever works by hand.
    Reply(Reply<ManualAnswer>, ManualAnswer),
}

/// A job to ask a board.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Which.
    pub device: DeviceName,
    /// Who wants to know.
    pub epoch: Epoch,
    /// Its name or address.
    pub host: String,
    /// What to ask.
    pub check: Check,
    /// How long.
    pub mode: ProbeMode,
    /// What to say when it is well.
    pub good: Signal,
}

#[derive(Debug)]
enum Owner {
    Device { device: DeviceName, epoch: Epoch },
    Hand(Reply<ManualAnswer>),
}

/// What is asked: by the ping thread or by a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Means {
    Ping,
    Ask(Question),
}

#[derive(Debug)]
enum Plan {
    Once { good: Signal, bad: Signal },
    Watch { watch: Watch, good: Signal, ends: Timestamp },
    Card { tried: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Asked again then.
    Waiting(Timestamp),
    /// Its name is being looked up, until then at most.
    Naming(Timestamp),
    /// Asked at that time.
    Asking(Timestamp),
}

#[derive(Debug)]
struct Running {
    owner: Owner,
    host: String,
    means: Means,
    plan: Plan,
    phase: Phase,
}

/// The probes.
#[derive(Debug, Default)]
pub struct Probes {
    ports: Ports,
    names: Names,
    running: HashMap<Ticket, Running>,
    devices: HashMap<DeviceName, Ticket>,
    by_hand: usize,
    /// When what waits for time is due.
    due: BTreeSet<(Timestamp, Ticket)>,
    orders: Vec<Order>,
    last: u64,
}

impl Probes {
    /// None yet.
    pub fn new(ports: Ports) -> Self {
        Self { ports, ..Self::default() }
    }

    /// Begins to ask, in place of what was asked of the device before; a watch for the same goes on under the new epoch.
    pub fn start(&mut self, probe: Probe, now: Timestamp) {
        let Probe { device, epoch, host, check, mode, good } = probe;
        let Some(means) = self.means(&check, &host) else {
            self.cancel(&device);
            return self.tell(device, epoch, good, None);
        };
        let plan = match mode {
            ProbeMode::Once => Plan::Once { good, bad: Signal::Failed },
            ProbeMode::Until { steady_s, must_vanish } => {
                let ends = now.plus_ms(WATCH_ENDS_MS);
                if self.renew(&device, epoch, &host, &means, (steady_s, must_vanish), good, ends) {
                    return;
                }
                Plan::Watch { watch: Watch::new(steady_s, must_vanish), good, ends }
            }
        };
        self.begin(device, epoch, host, means, plan, now);
    }

    /// Begins the card check of a device's SUT agent.
    pub fn start_card(&mut self, device: DeviceName, epoch: Epoch, host: String, now: Timestamp) {
        let means = Means::Ask(Question::Sut { port: self.ports.sut, goal: Goal::SdCard });
        self.begin(device, epoch, host, means, Plan::Card { tried: 0 }, now);
    }

    /// One ping for somebody who waits for it.
    pub fn ping_by_hand(&mut self, host: String, reply: Reply<ManualAnswer>, now: Timestamp) {
        if self.by_hand >= MANUAL_MAX {
            let why = format!("{MANUAL_MAX} pings by hand are under way; try again in a second");
            return self.orders.push(Order::Reply(reply, ManualAnswer::Failed(why)));
        }
        self.by_hand += 1;
        let plan = Plan::Once { good: Signal::PingOk, bad: Signal::Failed };
        self.insert(Owner::Hand(reply), host, Means::Ping, plan, now);
    }

    /// Forgets what is asked of a device.
    pub fn cancel(&mut self, device: &str) {
        if let Some(ticket) = self.devices.get(device).copied() {
            self.remove(ticket);
        }
    }

    /// Whether anybody still waits for this answer.
    pub fn wants(&self, ticket: Ticket) -> bool {
        self.running.get(&ticket).is_some_and(|r| matches!(r.phase, Phase::Asking(_)))
    }

    /// A name was looked up.
    pub fn resolved(&mut self, host: &str, found: Option<SocketAddr>, now: Timestamp) {
        self.names.learn(host, found, now);
        let naming = |r: &Running| matches!(r.phase, Phase::Naming(_)) && r.host == host;
        let waiting: Vec<Ticket> = self.running.iter().filter(|(_, r)| naming(r)).map(|(t, _)| *t).collect();
        for ticket in waiting {
            self.ask(ticket, now);
        }
    }

    /// A board has answered, or not. Answers that nobody waits for change nothing.
    pub fn said(&mut self, ticket: Ticket, said: Said, now: Timestamp) {
        if let Some(Running { phase: Phase::Asking(sent), .. }) = self.running.get(&ticket) {
            let sent = *sent;
            self.take(ticket, said, sent, now);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some(&(at, ticket)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let Some(running) = self.running.get(&ticket) else { continue };
            let host = &running.host;
            match (running.phase, &running.plan) {
                (Phase::Waiting(_), Plan::Watch { ends, .. }) if *ends <= now => {
                    log::info!("host={host} watch ended: nobody has asked for it for an hour");
                    self.remove(ticket);
                }
                (Phase::Waiting(_), _) => self.ask(ticket, now),
                (Phase::Naming(_), _) => {
                    let said = Err(CheckError::NameTimedOut { host: host.clone() });
                    self.take(ticket, said, now, now);
                }
                (Phase::Asking(_), _) => {}
            }
        }
    }

    /// When to [`Self::tick`] next.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is to be done since the last call, in order.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// Probes under way.
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// No probe is under way.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    fn means(&self, check: &Check, host: &str) -> Option<Means> {
        Some(match check {
            Check::None => return None,
            Check::Ping => Means::Ping,
            Check::Sut => Means::Ask(Question::Sut { port: self.ports.sut, goal: Goal::Verify }),
            Check::Tcp(port) => Means::Ask(Question::Tcp { port: *port }),
            Check::Ssh => Means::Ask(Question::Ssh { port: self.ports.ssh }),
            Check::Http { port, path } => {
                Means::Ask(Question::Http { port: *port, host: host.to_owned(), path: path.clone() })
            }
        })
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of one order")]
    fn renew(
        &mut self,
        device: &str,
        new_epoch: Epoch,
        host: &str,
        means: &Means,
        (steady_s, must_vanish): (u32, bool),
        new_good: Signal,
        new_ends: Timestamp,
    ) -> bool {
        let running = self.devices.get(device).and_then(|ticket| self.running.get_mut(ticket));
        match running {
            Some(Running { owner: Owner::Device { epoch, .. }, host: h, means: m, plan, .. })
                if h == host && m == means =>
            {
                let Plan::Watch { watch, good, ends } = plan else { return false };
                watch.renew(steady_s, must_vanish);
                (*epoch, *good, *ends) = (new_epoch, new_good, new_ends);
                true
            }
            _ => false,
        }
    }

    fn begin(
        &mut self,
        device: DeviceName,
        epoch: Epoch,
        host: String,
        means: Means,
        plan: Plan,
        now: Timestamp,
    ) {
        self.cancel(&device);
        if self.devices.len() >= PROBES_MAX {
            return self.orders.push(Order::Answer(BmmAnswer::Refused { device, epoch }));
        }
        let ticket = Ticket(self.last + 1);
        self.devices.insert(device.clone(), ticket);
        self.insert(Owner::Device { device, epoch }, host, means, plan, now);
    }

    fn insert(&mut self, owner: Owner, host: String, means: Means, plan: Plan, now: Timestamp) {
        self.last += 1;
        let ticket = Ticket(self.last);
        self.running.insert(ticket, Running { owner, host, means, plan, phase: Phase::Asking(now) });
        self.ask(ticket, now);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Running> {
        let running = self.running.remove(&ticket)?;
        if let Phase::Waiting(at) | Phase::Naming(at) = running.phase {
            self.due.remove(&(at, ticket));
        }
        match &running.owner {
            Owner::Device { device, .. } => {
                self.devices.remove(device);
            }
            Owner::Hand(_) => self.by_hand -= 1,
        }
        Some(running)
    }

    fn enter(&mut self, ticket: Ticket, phase: Phase) {
        let Some(running) = self.running.get_mut(&ticket) else { return };
        if let Phase::Waiting(at) | Phase::Naming(at) = running.phase {
            self.due.remove(&(at, ticket));
        }
        if let Phase::Waiting(at) | Phase::Naming(at) = phase {
            self.due.insert((at, ticket));
        }
        running.phase = phase;
    }

    fn ask(&mut self, ticket: Ticket, now: Timestamp) {
        let Some(Running { host, means, .. }) = self.running.get(&ticket) else { return };
        let known = self.names.look_up(host, now);
        match known {
            Known::Address(to) => {
                self.orders.push(match means {
                    Means::Ping => Order::Ping(ticket, to),
                    Means::Ask(question) => Order::Ask(ticket, to, question.clone()),
                });
                self.enter(ticket, Phase::Asking(now));
            }
            Known::Failed(why) => self.take(ticket, Err(why), now, now),
            Known::Asked | Known::Ask => {
                if known == Known::Ask {
                    self.orders.push(Order::LookUp(host.clone()));
                }
                self.enter(ticket, Phase::Naming(now.plus_ms(NAME_LIMIT_MS)));
            }
        }
    }

    /// What follows from an answer to a question asked at `sent`.
    fn take(&mut self, ticket: Ticket, said: Said, sent: Timestamp, now: Timestamp) {
        let Some(running) = self.running.get_mut(&ticket) else { return };
        if said == Err(CheckError::Busy) {
            return self.enter(ticket, Phase::Waiting(now.plus_ms(BUSY_MS)));
        }
        let detail = said.as_ref().err().map(ToString::to_string);
        match &mut running.plan {
            Plan::Once { good, bad } => {
                let signal = if said.is_ok() { *good } else { *bad };
                self.end(ticket, signal, detail);
            }
            Plan::Card { .. } if said.is_ok() => self.end(ticket, Signal::SutSdcardOk, None),
            Plan::Card { tried } => {
                let pause = CARD_PAUSES_MS.get(*tried).copied();
                *tried += 1;
                match (pause, said.is_err_and(|e| e.is_of_the_connection())) {
                    (Some(ms), true) => self.enter(ticket, Phase::Waiting(now.plus_ms(ms))),
                    _ => self.end(ticket, Signal::SutSdcardFailed, detail),
                }
            }
            Plan::Watch { watch, good, .. } => {
                let verdict = match &said {
                    Ok(()) => watch.observe(true, sent),
                    Err(why) if why.is_the_boards() => watch.observe(false, sent),
                    // Nothing was learnt: neither an answer nor a silence.
                    Err(why) => {
                        log::debug!("host={} not asked: {why}", running.host);
                        Verdict::Watching
                    }
                };
                let every_ms = if running.means == Means::Ping { PING_EVERY_MS } else { ASK_EVERY_MS };
                match (verdict, &running.owner) {
                    (Verdict::Good, _) => {
                        let good = *good;
                        return self.end(ticket, good, None);
                    }
                    (Verdict::Vanished, Owner::Device { device, epoch }) => {
                        let (device, epoch) = (device.clone(), *epoch);
                        self.tell(device, epoch, Signal::Vanished, None);
                    }
                    (Verdict::Vanished | Verdict::Watching, _) => {}
                }
                self.enter(ticket, Phase::Waiting(now.plus_ms(every_ms)));
            }
        }
    }

    fn end(&mut self, ticket: Ticket, signal: Signal, detail: Option<String>) {
        match self.remove(ticket).map(|r| r.owner) {
            Some(Owner::Device { device, epoch }) => self.tell(device, epoch, signal, detail),
            Some(Owner::Hand(reply)) => {
                let answer = detail.map_or(ManualAnswer::Ok, ManualAnswer::Failed);
                self.orders.push(Order::Reply(reply, answer));
            }
            None => {}
        }
    }

    fn tell(&mut self, device: DeviceName, epoch: Epoch, signal: Signal, detail: Option<String>) {
        self.orders.push(Order::Answer(BmmAnswer::Finished { device, epoch, signal, detail }));
    }
}

#[cfg(test)]
mod tests;
