//! All servers of a simulated pool on one virtual clock, which counts microseconds; layers see its milliseconds.

use super::actor::{Gave, Shared, open};
use super::cost::Database;
use super::people::Person;
use super::report::Report;
use super::server::{ROLES, Server, name, number, tell_time};
use super::{Settings, report};
use crate::bmm::{Said, Ticket};
use crate::clock::ManualClock;
use crate::layers::messages::PeerMessage;
use crate::sim::agenda::Agenda;
use crate::sim::board::Board;
use crate::sim::dice::Dice;
use crate::sim::lab;
use crate::sim::ledger::{self, Ledger};
use crate::sim::plant::Plant;
use crate::sim::relays::Moment;
use crate::sim::watched::{Trouble, Watched};
use crate::sim::world::START;
use crate::store::through::Through;
use crate::store::{Location, ServerRow, StoreError};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

/// Turns at one moment, after which layers are taken to talk to each other without an end.
const TURNS_MAX: usize = 100_000;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum What {
    /// What an actor waited for has come: a call of the store, or a point of time that it set itself in its turn of that number.
    Goes {
        server: usize,
        role: usize,
    },
    Wakes {
        server: usize,
        role: usize,
        turn: u64,
    },
    /// A server's hardware is looked at.
    Rack(usize),
    Board {
        board: usize,
        life: u32,
    },
    Relay {
        server: usize,
        board: usize,
        run: u32,
        moment: Moment,
    },
    /// A board did not answer.
    Said {
        server: usize,
        ticket: Ticket,
        said: Said,
    },
    /// A message reaches another server.
    Letter {
        to: usize,
        message: PeerMessage,
    },
    /// A client does something.
    Person(Person),
}

/// The pool.
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) clock: Arc<ManualClock>,
    pub(super) now_us: i64,
    pub(super) servers: Vec<Server>,
    pub(super) database: Shared<Database>,
    ledger: ledger::Shared,
    agenda: Agenda<What>,
    pub(super) boards: Vec<Board>,
    pub(super) dice: Dice,
    /// Servers for which something has happened at this moment.
    pub(super) touched: BTreeSet<usize>,
    pub(super) asked: u64,
    /// Requests that found no room.
    pub(super) turned_away: u64,
    /// How long boards waited for the answer to an event.
    pub(super) events_us: Vec<i64>,
    end_us: i64,
}

impl World {
    pub(super) fn new(settings: &Settings, plant: Plant) -> Result<Self, StoreError> {
        let mut store = Location::memory().open()?;
        let mut lab = lab::of(settings.devices);
        for (n, device) in lab.devices.iter_mut().enumerate() {
            device.imaging_server = Some(name(n * settings.servers / settings.devices));
        }
        for server in 0..settings.servers {
            let row = ServerRow { name: name(server), url: format!("http://{}", name(server)) };
            store.register_server(&row, START)?;
        }
        lab.default_server = name(0);
        store.apply_lab(&lab, false, START)?;
        let clock = Arc::new(ManualClock::at(START));
        let mut machines = Vec::with_capacity(settings.devices);
        for server in 0..settings.servers {
            machines.extend(store.load_devices(&name(server))?.into_iter().map(|r| r.machine));
        }
        machines.sort_by(|a, b| a.name.cmp(&b.name));
        let ledger = Arc::new(Mutex::new(Ledger::new(clock.clone(), machines)));
        let sound = Trouble {
            dice: Dice::new(settings.seed, 1),
            away_until_ms: 0,
            write_fails: 0.0,
            crash_in: None,
            dead: false,
        };
        let store = Watched {
            inner: plant.store(store),
            clock: clock.clone(),
            ledger: ledger.clone(),
            troubles: Arc::new(Mutex::new(sound)),
        };
        let now_us = START.0 * 1000;
        let database = Arc::new(Mutex::new(Database::new(Through(store), now_us)));
        let mut servers = Vec::with_capacity(settings.servers);
        for server in 0..settings.servers {
            servers.push(Server::start(server, &database, settings.latency, &clock, &ledger)?);
        }
        open(&database).begin();
        let mut world = Self {
            settings: settings.clone(),
            clock,
            now_us,
            servers,
            database,
            ledger,
            agenda: Agenda::default(),
            boards: (0..settings.devices).map(|i| Board::running(lab::image_of(i).into())).collect(),
            dice: Dice::new(settings.seed, 2),
            touched: BTreeSet::new(),
            asked: 0,
            turned_away: 0,
            events_us: Vec::new(),
            end_us: now_us + i64::from(settings.minutes) * 60_000_000,
        };
        // Servers do not start in the same moment.
        for server in 0..settings.servers {
            for role in 0..ROLES.len() {
                let at_us = now_us + world.dice.between(0, 2_000_000);
                world.agenda.put(at_us, What::Wakes { server, role, turn: 0 });
            }
        }
        world.people_come();
        Ok(world)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        ledger::open(&self.ledger)
    }

    pub(super) fn put_ms(&mut self, at_ms: i64, what: What) {
        self.agenda.put((at_ms * 1000).max(self.now_us), what);
    }

    /// The server that owns a board.
    pub(super) fn server_of(&self, board: usize) -> usize {
        board * self.settings.servers / self.settings.devices
    }

    /// Lives until the end or until a rule is broken.
    pub(super) fn live(&mut self) {
        while let Some(at_us) = self.agenda.first().filter(|at| *at < self.end_us) {
            self.pass_until(at_us);
            let mut turns = 0;
            while let Some(what) = self.agenda.take(self.now_us) {
                self.happens(what);
                while let Some(server) = self.touched.pop_first() {
                    self.settle(server);
                }
                turns += 1;
                if turns > TURNS_MAX {
                    let detail = format!("{TURNS_MAX} turns at one moment");
                    self.ledger().broken("the layers come to rest", "the pool".into(), detail, vec![]);
                }
                if self.ledger().violation.is_some() {
                    return;
                }
            }
            self.read_news();
        }
    }

    fn pass_until(&mut self, at_us: i64) {
        self.clock.advance_ms(at_us.div_euclid(1000) - self.now_us.div_euclid(1000));
        self.now_us = at_us;
        tell_time(&self.database, at_us);
    }

    fn happens(&mut self, what: What) {
        match what {
            What::Goes { server, role } => self.run(server, role),
            What::Wakes { server, role, turn } => {
                let seat = &self.servers[server].seats[role];
                if !seat.works && seat.turn == turn {
                    self.run(server, role);
                }
            }
            What::Rack(server) => drop(self.touched.insert(server)),
            What::Board { board, life } => self.board_step(board, life),
            What::Relay { server, board, run, moment } => self.relay_moment(server, board, run, moment),
            What::Said { server, ticket, said } => {
                let now = crate::logic::time::Timestamp(self.now_ms());
                self.servers[server].rack.probes.said(ticket, said, now);
                self.touched.insert(server);
            }
            What::Letter { to, message } => {
                // Without room it is as if the network had lost it: time limits ask again.
                let _ = self.servers[to].letters.try_send(message);
                self.touched.insert(to);
            }
            What::Person(person) => self.person(person),
        }
    }

    /// Everybody of a server who has heard something and is not at work.
    fn settle(&mut self, server: usize) {
        self.rack_turn(server);
        for role in 0..ROLES.len() {
            if !self.servers[server].seats[role].works && self.servers[server].has_heard(role) {
                self.run(server, role);
            }
        }
    }

    fn run(&mut self, server: usize, role: usize) {
        let gave = self.servers[server].run(role);
        let seat = &mut self.servers[server].seats[role];
        match gave {
            Gave::Waits(us) => {
                (seat.works, seat.busy_us) = (true, seat.busy_us + us);
                self.agenda.put(self.now_us + us, What::Goes { server, role });
            }
            Gave::Rests(wakes_ms) => {
                (seat.works, seat.turn) = (false, seat.turn + 1);
                let turn = seat.turn;
                // What is due already waits for the next millisecond: more is due than fits in one turn.
                if let Some(at_us) = wakes_ms.map(|ms| (ms * 1000).max(self.now_us + 1000)) {
                    self.agenda.put(at_us, What::Wakes { server, role, turn });
                }
            }
            Gave::Ended => {
                let about = format!("{} of server {}", ROLES[role], name(server));
                self.ledger().broken("no thread ends", about, "it has panicked".into(), vec![]);
            }
        }
        while let Ok((to, message)) = self.servers[server].sent.try_recv() {
            let (to, at_us) = (number(&to), self.now_us + self.settings.latency.network_us / 2);
            if to < self.servers.len() {
                self.agenda.put(at_us, What::Letter { to, message });
            }
        }
        self.touched.insert(server);
    }

    /// What came of it.
    pub(super) fn report(self) -> Report {
        let violation = self.ledger().violation.take();
        let stats = std::mem::take(&mut self.ledger().stats);
        report::of(&self, &stats, violation)
    }
}
