//! Everything together on one thread: the real layers on the real store, the simulated hardware below, people above, and one
//! clock that stands still unless nothing is left to do.
//!
//! Between the layers are channels as in the daemon, but their ends come together here, where messages can be lost.

use super::agenda::Agenda;
use super::board::{Act, Board};
use super::dice::Dice;
use super::faults::Faults;
use super::hardware::Hardware;
use super::ledger::{self, Heard, Ledger, News, Shared};
use super::people::{Person, Waiting};
use super::plant::Plant;
use super::relays::{Moment, RelayBoard};
use super::trace::Note;
use super::trouble::Mishap;
use super::watched::{Trouble, Troubles, Watched, troubles};
use super::{Settings, Stats, lab};
use crate::bmm::{Said, Ticket};
use crate::boot::render::{ServerValues, sample_values};
use crate::boot::table::{Answer, BootTable};
use crate::clock::{Clock, ManualClock};
use crate::layers::lifeguard::{self, Lifeguard};
use crate::layers::messages::*;
use crate::layers::mozpool::{self, Mozpool};
use crate::logic::events::{ReturnPolicy, Signal};
use crate::logic::ids::Mac;
use crate::logic::lifeguard::{Event, Proof};
use crate::logic::time::Timestamp;
use crate::store::through::Through;
use crate::store::{Location, ServerRow, Store, StoreError};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When the simulated world begins, UTC: a Tuesday in November 2023.
pub(super) const START: Timestamp = Timestamp(1_700_000_000_000);
/// Turns of the layers at one moment, after which they are taken to talk to each other without an end.
const TURNS_MAX: usize = 2_000;
/// Between two tries of a board to tell something.
const RETRY_MS: i64 = 2_000;
/// Tries of a board to tell something, as the scripts have them.
const TRIES_MAX: u32 = 15;
/// How long a late event of a board is under way. Its client gives up after fifteen seconds; what a proxy or a full queue holds comes
/// when the board may have been booted anew.
const LATE_MS: (i64, i64) = (100, 240_000);
/// Between two starts of a daemon that cannot start.
const START_AGAIN_MS: i64 = 5_000;
/// The server's name.
pub(super) const SERVER: &str = "here";

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum What {
    /// The next step of a board, if it is still in that life.
    Board { board: usize, life: u32 },
    /// Something happens on a relay board, if it is still that connection.
    Relay { board: usize, run: u32, moment: Moment },
    /// A board did not answer.
    Said(Ticket, Said),
    /// An answer of the hardware comes late, or once more.
    Late(BmmAnswer),
    /// An event of a board comes late, or once more.
    LateEvent { board: usize, signal: Signal, proof: Proof },
    /// A person or a client does something.
    Person(Person),
    /// Something breaks.
    Mishap(Mishap),
    /// The daemon is started again.
    Restart,
    /// Rules that need a look at everything.
    Look,
    /// The quiet days begin.
    Quiet,
}

/// The layers, alive.
pub(super) struct Alive {
    pub(super) lifeguard: Lifeguard,
    lifeguard_in: lifeguard::Inbox,
    pub(super) mozpool: Mozpool,
    mozpool_in: mozpool::Inbox,
    /// What they hand out.
    jobs: Receiver<BmmJob>,
    notices: Receiver<MozpoolNotice>,
    orders: Receiver<LifeguardCommand>,
    lines: Receiver<JournalLine>,
    /// What they hear.
    answers: Sender<BmmAnswer>,
    pub(super) devices: Sender<LifeguardCommand>,
    to_mozpool: Sender<MozpoolNotice>,
    pub(super) requests: Sender<MozpoolCommand>,
    _stops: [Sender<()>; 2],
}

/// The world.
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) faults: Faults,
    pub(super) plant: Plant,
    pub(super) clock: Arc<ManualClock>,
    location: Location,
    pub(super) store: Box<dyn Store>,
    shared: Shared,
    pub(super) troubles: Troubles,
    boot: Arc<BootTable>,
    pub(super) alive: Option<Alive>,
    pub(super) agenda: Agenda<What>,
    pub(super) dice: Dice,
    /// Boot tokens are drawn from these, also by the next start of the daemon.
    tokens: Arc<Mutex<Dice>>,
    pub(super) boards: Vec<Board>,
    pub(super) relays: Vec<RelayBoard>,
    pub(super) hardware: Hardware,
    /// Who waits for a reply.
    pub(super) waiting: Vec<Waiting>,
    /// From here on nothing breaks any more, and nobody new comes; steady time.
    pub(super) quiet_ms: i64,
    pub(super) end_ms: i64,
}

impl World {
    pub(super) fn new(settings: &Settings, plant: Plant) -> Result<Self, StoreError> {
        let location = Location::memory();
        let mut store = location.open()?;
        store.register_server(&ServerRow { name: SERVER.into(), url: "http://here".into() }, START)?;
        store.apply_lab(&lab::of(settings.devices), false, START)?;
        let clock = Arc::new(ManualClock::at(START));
        let mut records = store.load_devices(SERVER)?;
        records.sort_by(|a, b| a.machine.name.cmp(&b.machine.name));
        let machines = records.into_iter().map(|r| r.machine).collect();
        let ledger = Ledger::new(clock.clone(), machines);
        let relay_boards = settings.devices.div_ceil(lab::PER_RELAY_BOARD);
        let day_ms = 24 * 3_600_000;
        let end_ms = START.0 + i64::from(settings.days) * day_ms;
        let faults = settings.faults;
        let trouble = Trouble {
            dice: Dice::new(settings.seed, 1),
            away_until_ms: 0,
            write_fails: faults.write_fails(),
            crash_in: None,
            dead: false,
        };
        let mut world = Self {
            settings: settings.clone(),
            faults,
            plant,
            clock,
            location,
            store,
            shared: Arc::new(Mutex::new(ledger)),
            troubles: Arc::new(Mutex::new(trouble)),
            boot: Arc::new(BootTable::new("")),
            alive: None,
            agenda: Agenda::default(),
            dice: Dice::new(settings.seed, 2),
            tokens: Arc::new(Mutex::new(Dice::new(settings.seed, 3))),
            boards: (0..settings.devices).map(|i| Board::running(lab::image_of(i).into())).collect(),
            relays: (0..relay_boards).map(|_| RelayBoard::default()).collect(),
            hardware: Hardware::new(relay_boards),
            waiting: Vec::new(),
            quiet_ms: end_ms - i64::from(settings.quiet_days) * day_ms,
            end_ms,
        };
        world.start()?;
        world.break_things();
        world.people_come();
        world.agenda.put(START.0 + 3_600_000, What::Look);
        world.agenda.put(world.quiet_ms, What::Quiet);
        Ok(world)
    }

    /// Lives until the end or until a rule is broken.
    pub(super) fn live(&mut self) {
        while self.ledger().violation.is_none() && self.next() {}
    }

    /// One moment in which something happens; false at the end.
    fn next(&mut self) -> bool {
        let now_ms = self.now_ms();
        let wakes = [self.agenda.first(), self.layers_wake_ms(), self.hardware.next_wake_ms()];
        let Some(at_ms) = wakes.into_iter().flatten().min() else { return false };
        if at_ms >= self.end_ms {
            return false;
        }
        if at_ms > now_ms {
            self.clock.advance_ms(at_ms - now_ms);
        }
        while let Some(what) = self.agenda.take(at_ms) {
            self.happens(what);
        }
        self.settle();
        true
    }

    fn happens(&mut self, what: What) {
        match what {
            What::Board { board, life } => self.board_step(board, life),
            What::Relay { board, run, moment } => self.relay_moment(board, run, moment),
            What::Said(ticket, said) => self.said(ticket, said),
            What::Late(answer) => self.deliver(answer),
            What::LateEvent { board, signal, proof } => {
                self.event(board, Event::Signal { signal, detail: None, proof });
            }
            What::Person(person) => self.person(person),
            What::Mishap(mishap) => self.mishap(mishap),
            // Without its store it ends again, and its service manager tries once more.
            What::Restart => {
                if self.start().is_err() {
                    let at_ms = self.now_ms() + START_AGAIN_MS;
                    self.agenda.put(at_ms, What::Restart);
                }
            }
            What::Look => self.look(),
            What::Quiet => self.becomes_quiet(),
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.steady_ms()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.now_ms() >= self.quiet_ms
    }

    /// What goes wrong now.
    pub(super) fn faults_now(&self) -> Faults {
        if self.is_quiet() { Faults::default() } else { self.faults }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        ledger::open(&self.shared)
    }

    pub(super) fn stats(&self) -> Counting<'_> {
        Counting(self.ledger())
    }

    /// Loads both layers, as a start of the daemon does.
    fn start(&mut self) -> Result<(), StoreError> {
        troubles(&self.troubles).dead = false;
        self.boot = Arc::new(BootTable::new("default local\nlabel local\nlocalboot -1\n"));
        let (jobs_tx, jobs) = bounded(BMM_QUEUE);
        let (lines_tx, lines) = bounded(JOURNAL_QUEUE);
        let (answers, answers_rx) = bounded(2 * BMM_QUEUE);
        let (devices, devices_rx) = bounded(LIFEGUARD_QUEUE);
        let (orders_tx, orders) = bounded(LIFEGUARD_QUEUE);
        let (requests, requests_rx) = bounded(MOZPOOL_QUEUE);
        let (notices_tx, notices) = bounded(MOZPOOL_QUEUE);
        let (to_mozpool, to_mozpool_rx) = bounded(MOZPOOL_QUEUE);
        let (stop1, stop1_rx) = bounded(0);
        let (stop2, stop2_rx) = bounded(0);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let outbox = lifeguard::Outbox { bmm: jobs_tx, mozpool: notices_tx, journal: lines_tx };
        let store = self.open_store()?;
        let layer = Lifeguard::load(layer_settings(), store, clock.clone(), self.boot.clone(), outbox)?;
        let mut rule: lifeguard::Rule =
            self.plant.device_rule().unwrap_or_else(|| Box::new(crate::logic::lifeguard::step));
        let shared = self.shared.clone();
        rule = Box::new(move |device, facts, event, now| {
            let heard = Heard::by_device(&event);
            let step = rule(device, facts, event, now);
            ledger::open(&shared).device_decided(device, heard, &step);
            step
        });
        let tokens = self.tokens.clone();
        let draw = move || tokens.lock().unwrap_or_else(PoisonError::into_inner).token();
        let lifeguard = layer.drawing(Box::new(draw)).decided_by(rule);
        let layer = Mozpool::load(SERVER, self.open_store()?, clock, orders_tx)?;
        let mut rule: mozpool::Rule =
            self.plant.request_rule().unwrap_or_else(|| Box::new(crate::logic::mozpool::step));
        let shared = self.shared.clone();
        rule = Box::new(move |request, event, now| {
            let heard = Heard::by_request(&event);
            let step = rule(request, event, now);
            ledger::open(&shared).request_decided(request, heard, &step);
            step
        });
        self.alive = Some(Alive {
            lifeguard,
            lifeguard_in: lifeguard::Inbox { stop: stop1_rx, answers: answers_rx, commands: devices_rx },
            mozpool: layer.decided_by(rule),
            mozpool_in: mozpool::Inbox { stop: stop2_rx, notices: to_mozpool_rx, commands: requests_rx },
            jobs,
            notices,
            orders,
            lines,
            answers,
            devices,
            to_mozpool,
            requests,
            _stops: [stop1, stop2],
        });
        self.reloaded_as_written();
        Ok(())
    }

    fn open_store(&self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(Through(Watched {
            inner: self.plant.store(self.location.open()?),
            clock: self.clock.clone(),
            ledger: self.shared.clone(),
            troubles: self.troubles.clone(),
        })))
    }

    /// When a layer wakes by itself; steady time. Layers keep UTC.
    fn layers_wake_ms(&self) -> Option<i64> {
        let alive = self.alive.as_ref()?;
        let ahead_ms = self.clock.now().0 - self.now_ms();
        let wakes = [alive.lifeguard.next_wake(), alive.mozpool.next_wake()];
        wakes.into_iter().flatten().min().map(|at| at.0 - ahead_ms)
    }

    /// Turns for everybody until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let now = self.clock.now();
            let Some(alive) = &mut self.alive else {
                self.hardware_turn();
                return;
            };
            let due = |wake: Option<Timestamp>| wake.is_some_and(|at| at <= now);
            let mut moved = false;
            if !alive.mozpool_in.notices.is_empty()
                || !alive.mozpool_in.commands.is_empty()
                || due(alive.mozpool.next_wake())
            {
                alive.mozpool.turn(&alive.mozpool_in);
                moved = true;
            }
            while let Ok(order) = alive.orders.try_recv() {
                let _ = alive.devices.try_send(order);
            }
            if !alive.lifeguard_in.answers.is_empty()
                || !alive.lifeguard_in.commands.is_empty()
                || due(alive.lifeguard.next_wake())
            {
                alive.lifeguard.turn(&alive.lifeguard_in);
                moved = true;
            }
            if troubles(&self.troubles).dead {
                return self.crash();
            }
            if moved {
                alive.lines.try_iter().for_each(drop);
                self.pass_notices_on();
            }
            let jobs: Vec<BmmJob> = self.alive.iter().flat_map(|a| a.jobs.try_iter()).collect();
            for job in jobs {
                self.begin(job);
            }
            self.hardware_turn();
            self.hear_replies();
            self.read_news();
            if !moved {
                return;
            }
        }
        let detail = format!("{TURNS_MAX} turns at one moment");
        self.ledger().broken("the layers come to rest", "the layers".into(), detail, vec![]);
    }

    fn pass_notices_on(&mut self) {
        let lost = self.faults_now().message_is_lost();
        let Some(alive) = &self.alive else { return };
        while let Ok(notice) = alive.notices.try_recv() {
            if self.dice.chance(lost) {
                ledger::open(&self.shared).stats.fault("notices between layers lost");
            } else {
                let _ = alive.to_mozpool.try_send(notice);
            }
        }
    }

    /// The daemon is gone with all that was under way; power cycles stop where they are.
    fn crash(&mut self) {
        let now_ms = self.now_ms();
        self.memory_was_as_written();
        self.alive = None;
        self.waiting_hear_nothing();
        self.hardware = Hardware::new(self.relays.len());
        for relays in &mut self.relays {
            if let Some(cycle) = relays.forget(now_ms) {
                ledger::open(&self.shared).note(cycle.number, Note::Crash);
            }
        }
        self.stats().fault("crashes of the daemon");
        let down_ms = self.dice.between(500, 20_000);
        self.agenda.put(now_ms + down_ms, What::Restart);
    }

    /// Hands the device layer an answer.
    pub(super) fn deliver(&mut self, answer: BmmAnswer) {
        if let Some(alive) = &self.alive {
            let _ = alive.answers.try_send(answer);
        }
    }

    /// An event that nobody waits for.
    fn event(&mut self, board: usize, event: Event) {
        if let Some(alive) = &self.alive {
            let device = ledger::name(board).into();
            let command = LifeguardCommand::Event { device, event, claim: None, reply: None };
            let _ = alive.devices.try_send(command);
        }
    }

    fn board_step(&mut self, number: usize, life: u32) {
        let now_ms = self.now_ms();
        let faults = self.faults_now();
        if self.boards.get(number).is_none_or(|b| b.life != life) {
            return;
        }
        // What the API would answer to the board that asks for its boot config.
        let next = self.ledger().devices[number].machine.next.clone();
        let install = next.map(|i| (i.image.clone(), &*i.image != lab::BAD_IMAGE));
        let boot = self.boot.clone();
        let text = || match boot.answer(&format!("pxelinux.cfg/01-{}", mac(number).join("-"))) {
            Answer::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            _ => match boot.answer("pxelinux.cfg/default") {
                Answer::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                _ => String::new(),
            },
        };
        let board = &mut self.boards[number];
        let act = board.step(now_ms, &mut self.dice, &faults, text, install);
        let life = board.life;
        match act {
            Act::Wait(ms) => self.agenda.put(now_ms + ms, What::Board { board: number, life }),
            Act::Hang(how) => {
                self.ledger().note(number, Note::Board(how));
                if how.starts_with("hung") {
                    self.stats().fault("boards that hung");
                }
            }
            Act::Progress(percent, then_ms) => {
                let proof = self.boards[number].proof();
                self.event(number, Event::Progress { percent, proof });
                self.agenda.put(now_ms + then_ms, What::Board { board: number, life });
            }
            Act::Tell(signal, then_ms) => self.tell(number, signal, then_ms, 0),
        }
    }

    /// A board tells something and goes on when it was heard, or has tried often enough.
    pub(super) fn tell(&mut self, number: usize, signal: Signal, then_ms: i64, tries: u32) {
        let now_ms = self.now_ms();
        let faults = self.faults_now();
        let (life, proof) = (self.boards[number].life, self.boards[number].proof());
        let goes_on = What::Board { board: number, life };
        self.ledger().note(number, Note::Tells(signal));
        if self.dice.chance(faults.message_is_lost()) {
            self.stats().fault("events of boards lost");
            return self.agenda.put(now_ms + then_ms, goes_on);
        }
        let late_ms = self.dice.between(LATE_MS.0, LATE_MS.1);
        if self.dice.chance(faults.message_comes_twice()) {
            self.stats().fault("events of boards twice");
            self.agenda.put(now_ms + late_ms, What::LateEvent { board: number, signal, proof });
            // What runs on a board may lie as well, with the token of its boot.
            let signal = Signal::PingOk;
            self.agenda.put(now_ms + late_ms, What::LateEvent { board: number, signal, proof });
        } else if self.dice.chance(faults.message_is_late()) {
            self.stats().fault("events of boards late");
            self.agenda.put(now_ms + late_ms, What::LateEvent { board: number, signal, proof });
            return self.agenda.put(now_ms + then_ms, goes_on);
        }
        let (reply, answer) = bounded(1);
        let event = Event::Signal { signal, detail: None, proof };
        let device = ledger::name(number).into();
        let command = LifeguardCommand::Event { device, event, claim: None, reply: Some(reply) };
        if let Some(alive) = &self.alive {
            let _ = alive.devices.try_send(command);
        }
        self.waiting.push(Waiting::Board { answer, number, life, signal, then_ms, tries });
    }

    /// The server did not take what a board told.
    pub(super) fn not_heard(&mut self, number: usize, life: u32, signal: Signal, then_ms: i64, tries: u32) {
        if self.boards[number].life != life {
            return;
        }
        let now_ms = self.now_ms();
        if tries >= TRIES_MAX {
            return self.agenda.put(now_ms + then_ms, What::Board { board: number, life });
        }
        let again = Person::BoardTells { number, life, signal, then_ms, tries: tries + 1 };
        self.agenda.put(now_ms + RETRY_MS, What::Person(again));
    }

    fn read_news(&mut self) {
        let news = std::mem::take(&mut self.ledger().news);
        for one in news {
            match one {
                News::Request(id, state) => self.request_entered(id, state),
                News::Device(device, state) => self.device_entered(device, state),
            }
        }
    }
}

/// The counters, for as long as a line lasts.
pub(super) struct Counting<'l>(MutexGuard<'l, Ledger>);

impl std::ops::Deref for Counting<'_> {
    type Target = Stats;
    fn deref(&self) -> &Stats {
        &self.0.stats
    }
}

impl std::ops::DerefMut for Counting<'_> {
    fn deref_mut(&mut self) -> &mut Stats {
        &mut self.0.stats
    }
}

/// The Ethernet address of a board.
pub(super) fn mac(number: usize) -> Mac {
    let [.., a, b, c] = (number + 1).to_be_bytes();
    Mac([2, 0, 0, a, b, c])
}

fn layer_settings() -> lifeguard::Settings {
    lifeguard::Settings {
        server: SERVER.into(),
        values: ServerValues {
            name: SERVER.into(),
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
