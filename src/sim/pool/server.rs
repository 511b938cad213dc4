//! One simulated server: its layers and followers, each an actor with its own way to the store.

use super::actor::{Actor, Shared, open};
use super::cost::{Database, Far, Latency};
use super::rack::Rack;
use crate::api::events::Recent;
use crate::api::peer::hear;
use crate::api::types::peers::Fate;
use crate::boot::render::{ServerValues, sample_values};
use crate::boot::table::BootTable;
use crate::clock::{Clock, ManualClock};
use crate::layers::changes::{Feed, Sharing};
use crate::layers::lifeguard::{self, Lifeguard};
use crate::layers::messages::*;
use crate::layers::mozpool::{self, Mozpool};
use crate::layers::peers::{PROTOCOL, Peers};
use crate::logic::events::ReturnPolicy;
use crate::seal::Secret;
use crate::sim::dice::Dice;
use crate::sim::lab;
use crate::sim::ledger::{self, Heard};
use crate::store::through::Through;
use crate::store::{
    Beat, Bell, DeviceLogLine, Instead, Process, ServerRow, Store, StoreError, schema_version,
};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// How often the pool's other servers' changes are looked for, and how often a server says that it lives: `peers.look_ms` and
/// `peers.beat_s`.
const LOOK_MS: i64 = 200;
const BEAT_MS: i64 = 2_000;
/// The least between two readings of changes, and between two writes of log lines.
const REST_MS: i64 = 5;
const LINES_MS: i64 = 500;
/// After a message that its reader could not take yet.
const AGAIN_MS: i64 = 100;

/// The threads of a server that call the store, in the order of their names.
pub(super) const ROLES: [&str; 6] = ["mozpool", "lifeguard", "changes", "pulse", "journal", "letters"];
const MOZPOOL: usize = 0;
const LIFEGUARD: usize = 1;
const CHANGES: usize = 2;
const PULSE: usize = 3;
const JOURNAL: usize = 4;
const LETTERS: usize = 5;

/// What an actor is at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seat {
    /// In the middle of a turn.
    pub(super) works: bool,
    /// Counts turns: a wake from before the last one is none.
    pub(super) turn: u64,
    /// All the time in which it waited for the store.
    pub(super) busy_us: i64,
}

/// A server.
pub(super) struct Server {
    actors: Vec<Actor>,
    pub(super) seats: [Seat; ROLES.len()],
    pub(super) rack: Rack,
    /// When its rack is looked at next.
    pub(super) wakes_ms: i64,
    pub(super) boot: Arc<BootTable>,
    pub(super) jobs: Receiver<BmmJob>,
    pub(super) devices: Sender<LifeguardCommand>,
    pub(super) requests: Sender<MozpoolCommand>,
    /// What it sends to others.
    pub(super) sent: Receiver<(String, PeerMessage)>,
    pub(super) letters: Sender<PeerMessage>,
    answers: Sender<BmmAnswer>,
    lifeguard_in: lifeguard::Inbox,
    mozpool_in: mozpool::Inbox,
    lines: Receiver<JournalLine>,
    heard: Receiver<PeerMessage>,
    /// The most that waited for its device layer.
    pub(super) longest_queue: usize,
    _stops: [Sender<()>; 2],
}

/// The name of a server, from 0.
pub(super) fn name(server: usize) -> String {
    format!("s{:03}", server + 1)
}

/// A server's number by its name.
pub(super) fn number(name: &str) -> usize {
    name.get(1..).and_then(|n| n.parse::<usize>().ok()).map_or(usize::MAX, |n| n.wrapping_sub(1))
}

impl Server {
    /// Loads its layers, as a start of the daemon does.
    pub(super) fn start(
        own: usize,
        database: &Shared<Database>,
        latency: Latency,
        clock: &Arc<ManualClock>,
        book: &ledger::Shared,
    ) -> Result<Self, StoreError> {
        let mut tokens = Dice::new(own as u64, 3);
        let own = name(own);
        let mut actors: Vec<Actor> = ROLES.iter().map(|_| Actor::new()).collect();
        let store = |role: usize| -> Box<dyn Store> {
            let strings = actors[role].strings();
            Box::new(Through(Far { database: database.clone(), strings, latency, held: None }))
        };
        let boot = Arc::new(BootTable::new("default local\nlabel local\nlocalboot -1\n"));
        let (jobs_tx, jobs) = bounded(BMM_QUEUE);
        let (lines_tx, lines) = bounded(JOURNAL_QUEUE);
        let (answers, answers_rx) = bounded(2 * BMM_QUEUE);
        let (devices, devices_rx) = bounded(LIFEGUARD_QUEUE);
        let (requests, requests_rx) = bounded(MOZPOOL_QUEUE);
        let (notices, notices_rx) = bounded(MOZPOOL_QUEUE);
        let (letters, heard) = bounded(LIFEGUARD_QUEUE);
        let (sent_tx, sent) = bounded(LIFEGUARD_QUEUE);
        let (stop1, stop1_rx) = bounded(0);
        let (stop2, stop2_rx) = bounded(0);
        // No thread of theirs is begun here.
        let (ended, _) = bounded(1);
        let wall: Arc<dyn Clock> = clock.clone();
        let peers =
            Peers::new(&own, 0, Secret::unused(), wall.clone(), notices.clone(), ended).carried_by(sent_tx);
        let lifeguard_in = lifeguard::Inbox { stop: stop1_rx, answers: answers_rx, commands: devices_rx };
        let mozpool_in = mozpool::Inbox { stop: stop2_rx, notices: notices_rx, commands: requests_rx };

        let outbox = lifeguard::Outbox { bmm: jobs_tx, mozpool: notices.clone(), journal: lines_tx };
        let ledger = book.clone();
        let rule: lifeguard::Rule = Box::new(move |device, facts, event, now| {
            let heard = Heard::by_device(&event);
            let step = crate::logic::lifeguard::step(device, facts, event, now);
            ledger::open(&ledger).device_decided(device, heard, &step);
            step
        });
        let mut lifeguard =
            Lifeguard::load(settings(&own), store(LIFEGUARD), wall.clone(), boot.clone(), outbox)?
                .with_peers(peers.clone())
                .drawing(Box::new(move || tokens.token()))
                .decided_by(rule);
        let ledger = book.clone();
        let rule: mozpool::Rule = Box::new(move |request, event, now| {
            let heard = Heard::by_request(&event);
            let step = crate::logic::mozpool::step(request, event, now);
            ledger::open(&ledger).request_decided(request, heard, &step);
            step
        });
        let mut mozpool = Mozpool::load(&own, store(MOZPOOL), wall.clone(), devices.clone())?
            .with_peers(peers)
            .decided_by(rule);
        let sharing = Sharing {
            look: Duration::from_millis(LOOK_MS.unsigned_abs()),
            lifeguard: devices.clone(),
            mozpool: notices.clone(),
        };
        let (bell, recent) = (Arc::new(Bell::default()), Arc::new(Recent::default()));
        let mut feed = Feed::load(store(CHANGES), bell, recent)?.shared(sharing);
        let me = Beat {
            server: own.clone(),
            instance: own.clone(),
            started: clock.now(),
            version: String::new(),
            schema: schema_version(),
            protocol: PROTOCOL,
            process: Process::this(),
            limit_ms: 4 * BEAT_MS,
        };
        let row = ServerRow { name: own.clone(), url: format!("http://{own}") };
        let (mut pulse, mut journal, mut ears) = (store(PULSE), store(JOURNAL), store(LETTERS));
        pulse.join_pool(&row, &me, &Instead::Anybody, clock.now())?;

        let inbox = copy_of(&mozpool_in);
        actors[MOZPOOL].begin(Box::new(move || {
            mozpool.turn(&inbox);
            mozpool.next_wake().map(|at| at.0)
        }));
        let inbox = copy_of_devices(&lifeguard_in);
        actors[LIFEGUARD].begin(Box::new(move || {
            lifeguard.turn(&inbox);
            lifeguard.next_wake().map(|at| at.0)
        }));
        let time = clock.clone();
        actors[CHANGES].begin(Box::new(move || {
            let begun_ms = time.steady_ms();
            // What fails is tried with the next look.
            let _ = feed.turn();
            Some((begun_ms + LOOK_MS).max(time.steady_ms() + REST_MS))
        }));
        let time = clock.clone();
        actors[PULSE].begin(Box::new(move || {
            let begun_ms = time.steady_ms();
            let _ = pulse.beat(&me, time.now()).and_then(|_| pulse.pool());
            Some((begun_ms + BEAT_MS).max(time.steady_ms() + REST_MS))
        }));
        let (time, waiting) = (clock.clone(), lines.clone());
        actors[JOURNAL].begin(Box::new(move || {
            let line = |line| match line {
                JournalLine::Device { device, at, source, message } => {
                    Some(DeviceLogLine { device, at, source: source.into(), message })
                }
                _ => None,
            };
            let some: Vec<DeviceLogLine> = waiting.try_iter().filter_map(line).collect();
            if !some.is_empty() {
                let _ = journal.append_device_log(&some);
            }
            Some(time.steady_ms() + LINES_MS)
        }));
        let (time, letters_in) = (clock.clone(), heard.clone());
        let (to_devices, to_requests) = (devices.clone(), notices);
        let mut again: Option<PeerMessage> = None;
        actors[LETTERS].begin(Box::new(move || {
            while let Some(message) = again.take().or_else(|| letters_in.try_recv().ok()) {
                let notice = |notice| to_requests.try_send(notice).is_ok();
                if let Ok(Fate::Again) = hear(&mut *ears, &to_devices, &notice, message.clone()) {
                    again = Some(message);
                    return Some(time.steady_ms() + AGAIN_MS);
                }
            }
            None
        }));
        Ok(Self {
            actors,
            seats: Default::default(),
            rack: Rack::new(),
            wakes_ms: 0,
            boot,
            jobs,
            devices,
            requests,
            sent,
            letters,
            answers,
            lifeguard_in,
            mozpool_in,
            lines,
            heard,
            longest_queue: 0,
            _stops: [stop1, stop2],
        })
    }

    /// Tells its device layer.
    pub(super) fn answer(&mut self, answer: BmmAnswer) {
        // There is room for two answers of every device.
        let _ = self.answers.try_send(answer);
    }

    /// Whether something waits for this actor.
    pub(super) fn has_heard(&self, role: usize) -> bool {
        match role {
            MOZPOOL => !self.mozpool_in.notices.is_empty() || !self.mozpool_in.commands.is_empty(),
            LIFEGUARD => !self.lifeguard_in.answers.is_empty() || !self.lifeguard_in.commands.is_empty(),
            LETTERS => !self.heard.is_empty(),
            // Lines wait for each other.
            _ => false,
        }
    }

    /// Lets an actor run until it gives way.
    pub(super) fn run(&mut self, role: usize) -> super::actor::Gave {
        let waiting = self.lifeguard_in.commands.len() + self.lifeguard_in.answers.len();
        self.longest_queue = self.longest_queue.max(waiting).max(self.lines.len() / JOURNAL_QUEUE);
        self.actors[role].run()
    }
}

/// Another end of the same channels.
fn copy_of(inbox: &mozpool::Inbox) -> mozpool::Inbox {
    let mozpool::Inbox { stop, notices, commands } = inbox;
    mozpool::Inbox { stop: stop.clone(), notices: notices.clone(), commands: commands.clone() }
}

fn copy_of_devices(inbox: &lifeguard::Inbox) -> lifeguard::Inbox {
    let lifeguard::Inbox { stop, answers, commands } = inbox;
    lifeguard::Inbox { stop: stop.clone(), answers: answers.clone(), commands: commands.clone() }
}

fn settings(own: &str) -> lifeguard::Settings {
    lifeguard::Settings {
        server: own.to_owned(),
        values: ServerValues {
            name: own.to_owned(),
            ip: "10.255.0.1".into(),
            http: "10.255.0.1:8080".into(),
            syslog: "10.255.0.1:514".into(),
        },
        live: sample_values(&ServerValues::default()).live.into(),
        site: Default::default(),
        return_policies: lab::return_policies(),
        return_policy: ReturnPolicy::Check,
    }
}

/// The time, as those see it who count in the database.
pub(super) fn tell_time(database: &Shared<Database>, now_us: i64) {
    open(database).now_us = now_us;
}
