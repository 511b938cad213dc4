//! The hardware layer as it is simulated: the real queues and probes, with simulated relay boards and boards behind them.
//!
//! It does what the *bmm* thread does around `logic::dispatch` and `bmm::probes`: takes jobs, starts what may start, passes
//! answers on. The workers' sockets are what is not here.

use super::ledger::{CYCLE, number};
use super::relays::{Cycle, Moment};
use super::trace::Note;
use super::world::{What, World};
use crate::bmm::probes::{Order, Ports, Probe, Probes};
use crate::bmm::{Said, Ticket};
use crate::layers::messages::{BmmAnswer, BmmJob};
use crate::logic::dispatch::{Dispatch, REST_MS};
use crate::logic::events::Signal;
use crate::logic::time::Timestamp;
use std::net::{IpAddr, SocketAddr};

/// Operations at once, over all relay boards: the workers of the real layer.
pub(super) const WORKERS: usize = 32;
/// Until a ping without an answer is given up, with its retries.
pub(super) const SILENCE_MS: i64 = 2_000;
/// How late a late answer is.
const LATE_MS: (i64, i64) = (100, 90_000);

/// The layer's state.
#[derive(Debug)]
pub(super) struct Hardware {
    pub(super) dispatch: Dispatch<Cycle>,
    pub(super) probes: Probes,
    /// Operations under way.
    busy: usize,
    /// What was told of each relay board.
    healthy: Vec<bool>,
}

impl Hardware {
    pub(super) fn new(relay_boards: usize) -> Self {
        Self {
            dispatch: Dispatch::new(REST_MS),
            probes: Probes::new(Ports::default()),
            busy: 0,
            healthy: vec![true; relay_boards],
        }
    }

    /// When it must be looked at again; steady time.
    pub(super) fn next_wake_ms(&self) -> Option<i64> {
        let relays = if self.busy < WORKERS { self.dispatch.next_wake() } else { None };
        [relays, self.probes.next_wake()].into_iter().flatten().map(|at| at.0).min()
    }
}

/// The number of the relay board in `r<n>:2101`; names are the same in any case.
pub(super) fn board_number(key: &str) -> usize {
    key.strip_prefix(['r', 'R']).and_then(|k| k.split(':').next()?.parse::<usize>().ok()).unwrap_or(0)
}

/// The number of the device with this address, 10.x.y.z.
pub(super) fn at_address(to: SocketAddr) -> usize {
    let IpAddr::V4(ip) = to.ip() else { return usize::MAX };
    let [_, a, b, c] = ip.octets();
    (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)).wrapping_sub(1)
}

impl World {
    /// Takes an order of the device layer.
    pub(super) fn begin(&mut self, job: BmmJob) {
        let now = Timestamp(self.now_ms());
        match job {
            BmmJob::PowerCycle { device, epoch, relay, deadline } => {
                let i = number(&device);
                self.ledger().ordered(i, CYCLE, epoch);
                self.hardware.dispatch.cancel(|cycle| cycle.number == i);
                // Deadlines are UTC, and only their order counts here.
                let Some(relay) = relay.relay() else { return };
                let key = self.plant.board_key(&relay.board);
                let cycle = Cycle { device: device.clone(), number: i, epoch, key: key.clone() };
                if self.hardware.dispatch.push(&key, deadline, cycle).is_err() {
                    self.answer(BmmAnswer::Refused { device, epoch });
                }
            }
            BmmJob::Probe { device, epoch, host, check, mode, good } => {
                self.ledger().ordered(number(&device), "ask whether it is well", epoch);
                self.hardware.probes.start(Probe { device, epoch, host, check, mode, good }, now);
            }
            BmmJob::SdCard { device, epoch, host } => {
                self.ledger().ordered(number(&device), "check its card", epoch);
                self.hardware.probes.start_card(device, epoch, host, now);
            }
            BmmJob::Cancel { device } => {
                let i = number(&device);
                self.hardware.dispatch.cancel(|cycle| cycle.number == i);
                self.hardware.probes.cancel(&device);
            }
            // Nobody works by hand here, and nobody asks whether the layer is there.
            BmmJob::Manual { .. } | BmmJob::Ping { .. } => {}
        }
    }

    /// Starts what may start, and asks boards what is to be asked.
    pub(super) fn hardware_turn(&mut self) {
        let now_ms = self.now_ms();
        self.hardware.probes.tick(Timestamp(now_ms));
        while self.hardware.busy < WORKERS
            && let Some((board, cycle)) = self.hardware.dispatch.start(Timestamp(now_ms))
        {
            self.connect(board_number(&board), cycle);
        }
        loop {
            let orders = self.hardware.probes.take_orders();
            if orders.is_empty() {
                break;
            }
            for order in orders {
                match order {
                    Order::Ping(ticket, to) => self.ask(ticket, to, None),
                    Order::Ask(ticket, to, question) => self.ask(ticket, to, Some(&question)),
                    Order::Answer(answer) => self.answer(answer),
                    // Devices have addresses here, and nobody works by hand.
                    Order::LookUp(_) | Order::Reply(..) => {}
                }
            }
        }
    }

    fn ask(&mut self, ticket: Ticket, to: SocketAddr, question: Option<&crate::bmm::check::Question>) {
        let now_ms = self.now_ms();
        let card = !self.dice.chance(self.faults_now().card_fails());
        let Some(board) = self.boards.get(at_address(to)) else { return };
        match board.says(question, now_ms, card) {
            Ok(()) => self.hardware.probes.said(ticket, Ok(()), Timestamp(now_ms)),
            no => self.agenda.put(now_ms + SILENCE_MS, What::Said(ticket, no)),
        }
    }

    /// What a board said, or that it did not.
    pub(super) fn said(&mut self, ticket: Ticket, said: Said) {
        let now = Timestamp(self.now_ms());
        self.hardware.probes.said(ticket, said, now);
    }

    fn connect(&mut self, board: usize, cycle: Cycle) {
        let now_ms = self.now_ms();
        let faults = self.faults_now();
        self.hardware.busy += 1;
        self.answer(BmmAnswer::PowerStarted { device: cycle.device.clone(), epoch: cycle.epoch });
        let number = cycle.number;
        let Some(relays) = self.relays.get_mut(board) else { return };
        match relays.connect(cycle, now_ms, &mut self.dice, &faults) {
            Ok(moments) => {
                let run = relays.run;
                for (in_ms, moment) in moments {
                    self.agenda.put(now_ms + in_ms, What::Relay { board, run, moment });
                }
            }
            Err(detail) => self.ledger().device_broke("one job at a time per relay board", number, detail),
        }
    }

    /// Something happens on a relay board.
    pub(super) fn relay_moment(&mut self, board: usize, run: u32, moment: Moment) {
        let now_ms = self.now_ms();
        let Some(relays) = self.relays.get_mut(board).filter(|r| r.run == run) else { return };
        let Some(number) = relays.under_way.as_ref().map(|c| c.number) else { return };
        let dead = now_ms < relays.dead_until_ms;
        match moment {
            // A board that died meanwhile does not hear the command.
            Moment::Off | Moment::On if dead => {}
            Moment::Off => {
                self.ledger().note(number, Note::Power(false));
                if let Some(b) = self.boards.get_mut(number) {
                    b.cut(now_ms);
                }
            }
            Moment::On => self.power_on(number),
            Moment::Closed(well) => {
                let well = well && !dead;
                let Some(Cycle { device, epoch, key, .. }) = relays.close(now_ms) else { return };
                self.hardware.busy -= 1;
                self.hardware.dispatch.finished(&key, Timestamp(now_ms));
                if self.hardware.healthy.get(board).is_some_and(|h| *h == dead) {
                    self.hardware.healthy[board] = !dead;
                    let board = format!("r{board}:2101");
                    self.answer(BmmAnswer::BoardHealth { board, healthy: !dead });
                }
                let signal = if well { Signal::PowerCycleOk } else { Signal::PowerCycleFailed };
                self.stats().cycled(well);
                self.answer(BmmAnswer::Finished { device, epoch, signal, detail: None });
            }
        }
    }

    /// A relay gives power.
    pub(super) fn power_on(&mut self, number: usize) {
        let now_ms = self.now_ms();
        self.ledger().note(number, Note::Power(true));
        let Some(board) = self.boards.get_mut(number) else { return };
        let first = board.power_on(now_ms, &mut self.dice);
        let life = board.life;
        self.agenda.put(now_ms + first, What::Board { board: number, life });
    }

    /// Tells the device layer, unless the message meets its fate.
    fn answer(&mut self, answer: BmmAnswer) {
        let faults = self.faults_now();
        // Nobody asks for these again, and the real layer keeps them until there is room.
        if !matches!(answer, BmmAnswer::BoardHealth { .. }) {
            if self.dice.chance(faults.message_is_lost()) {
                return self.stats().fault("answers of the hardware lost");
            }
            let now_ms = self.now_ms();
            let late_ms = self.dice.between(LATE_MS.0, LATE_MS.1);
            if self.dice.chance(faults.message_comes_twice()) {
                self.stats().fault("answers of the hardware twice");
                self.agenda.put(now_ms + late_ms, What::Late(answer.clone()));
            } else if self.dice.chance(faults.message_is_late()) {
                self.stats().fault("answers of the hardware late");
                return self.agenda.put(now_ms + late_ms, What::Late(answer));
            }
        }
        self.deliver(answer);
    }
}
