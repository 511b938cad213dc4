//! The hardware of one simulated server: the real queues and probes, with relay boards and boards that work.

use super::server::Server;
use super::world::{What, World};
use crate::bmm::power;
use crate::bmm::probes::{Order, Ports, Probe, Probes};
use crate::boot::table::Answer;
use crate::clock::Clock;
use crate::layers::messages::{BmmAnswer, BmmJob, DeviceAnswer, LifeguardCommand};
use crate::logic::dispatch::{Dispatch, REST_MS};
use crate::logic::events::Signal;
use crate::logic::lifeguard::Event;
use crate::logic::time::Timestamp;
use crate::sim::board::Act;
use crate::sim::faults::Faults;
use crate::sim::hardware::{SILENCE_MS, WORKERS, at_address, board_number};
use crate::sim::ledger::{CYCLE, name, number};
use crate::sim::relays::{Cycle, Moment, RelayBoard};
use crate::sim::world::mac;
use crossbeam_channel::{Receiver, bounded};
use std::collections::BTreeMap;

/// Queues, probes and relay boards.
pub(super) struct Rack {
    dispatch: Dispatch<Cycle>,
    pub(super) probes: Probes,
    relays: BTreeMap<usize, RelayBoard>,
    busy: usize,
    /// Boards that have told something and wait to be answered, and since when, in microseconds.
    told: Vec<(Receiver<DeviceAnswer>, usize, u32, i64, i64)>,
}

impl Rack {
    pub(super) fn new() -> Self {
        Self {
            dispatch: Dispatch::new(REST_MS),
            probes: Probes::new(Ports::default()),
            relays: BTreeMap::new(),
            busy: 0,
            told: Vec::new(),
        }
    }

    /// When it must be looked at again, in ms.
    pub(super) fn next_wake_ms(&self) -> Option<i64> {
        let relays = if self.busy < WORKERS { self.dispatch.next_wake() } else { None };
        [relays, self.probes.next_wake()].into_iter().flatten().map(|at| at.0).min()
    }
}

impl World {
    /// Takes the orders of a server's device layer, starts what may start, and asks boards what is to be asked.
    pub(super) fn rack_turn(&mut self, server: usize) {
        let now = Timestamp(self.now_ms());
        while let Ok(job) = self.servers[server].jobs.try_recv() {
            self.begin(server, job, now);
        }
        self.boards_hear(server);
        let rack = &mut self.servers[server].rack;
        rack.probes.tick(now);
        while self.servers[server].rack.busy < WORKERS
            && let Some((key, cycle)) = self.servers[server].rack.dispatch.start(now)
        {
            self.connect(server, board_number(&key), cycle);
        }
        loop {
            let orders = self.servers[server].rack.probes.take_orders();
            if orders.is_empty() {
                break;
            }
            for order in orders {
                let (ticket, to, question) = match order {
                    Order::Ping(ticket, to) => (ticket, to, None),
                    Order::Ask(ticket, to, question) => (ticket, to, Some(question)),
                    Order::Answer(answer) => {
                        self.servers[server].answer(answer);
                        continue;
                    }
                    // Devices have addresses here, and nobody works by hand.
                    Order::LookUp(_) | Order::Reply(..) => continue,
                };
                let Some(board) = self.boards.get(at_address(to)) else { continue };
                match board.says(question.as_ref(), now.0, true) {
                    Ok(()) => self.servers[server].rack.probes.said(ticket, Ok(()), now),
                    no => self.put_ms(now.0 + SILENCE_MS, What::Said { server, ticket, said: no }),
                }
            }
        }
        if let Some(at_ms) = self.servers[server].rack.next_wake_ms() {
            let wakes_ms = &mut self.servers[server].wakes_ms;
            if at_ms < *wakes_ms || *wakes_ms <= now.0 {
                *wakes_ms = at_ms;
                self.put_ms(at_ms, What::Rack(server));
            }
        }
    }

    fn begin(&mut self, server: usize, job: BmmJob, now: Timestamp) {
        match job {
            BmmJob::PowerCycle { device, epoch, relay, deadline } => {
                let i = number(&device);
                self.ledger().ordered(i, CYCLE, epoch);
                let rack = &mut self.servers[server].rack;
                rack.dispatch.cancel(|cycle| cycle.number == i);
                let Some(relay) = relay.relay() else { return };
                let key = power::board_key(&relay.board);
                let cycle = Cycle { device: device.clone(), number: i, epoch, key: key.clone() };
                if rack.dispatch.push(&key, deadline, cycle).is_err() {
                    self.servers[server].answer(BmmAnswer::Refused { device, epoch });
                }
            }
            BmmJob::Probe { device, epoch, host, check, mode, good } => {
                self.ledger().ordered(number(&device), "ask whether it is well", epoch);
                let probe = Probe { device, epoch, host, check, mode, good };
                self.servers[server].rack.probes.start(probe, now);
            }
            BmmJob::SdCard { device, epoch, host } => {
                self.ledger().ordered(number(&device), "check its card", epoch);
                self.servers[server].rack.probes.start_card(device, epoch, host, now);
            }
            BmmJob::Cancel { device } => {
                let i = number(&device);
                let rack = &mut self.servers[server].rack;
                rack.dispatch.cancel(|cycle| cycle.number == i);
                rack.probes.cancel(&device);
            }
            BmmJob::Manual { .. } | BmmJob::Ping { .. } => {}
        }
    }

    fn connect(&mut self, server: usize, board: usize, cycle: Cycle) {
        let now_ms = self.now_ms();
        let Server { rack, .. } = &mut self.servers[server];
        rack.busy += 1;
        let started = BmmAnswer::PowerStarted { device: cycle.device.clone(), epoch: cycle.epoch };
        let number = cycle.number;
        let relays = rack.relays.entry(board).or_default();
        let moments = relays.connect(cycle, now_ms, &mut self.dice, &Faults::default());
        let run = relays.run;
        self.servers[server].answer(started);
        match moments {
            Ok(moments) => {
                for (in_ms, moment) in moments {
                    self.put_ms(now_ms + in_ms, What::Relay { server, board, run, moment });
                }
            }
            Err(detail) => self.ledger().device_broke("one job at a time per relay board", number, detail),
        }
    }

    /// Something happens on a relay board.
    pub(super) fn relay_moment(&mut self, server: usize, board: usize, run: u32, moment: Moment) {
        let now_ms = self.now_ms();
        let rack = &mut self.servers[server].rack;
        let Some(relays) = rack.relays.get_mut(&board).filter(|r| r.run == run) else { return };
        let Some(number) = relays.under_way.as_ref().map(|c| c.number) else { return };
        match moment {
            Moment::Off => self.boards[number].cut(now_ms),
            Moment::On => {
                let first_ms = self.boards[number].power_on(now_ms, &mut self.dice);
                let life = self.boards[number].life;
                self.put_ms(now_ms + first_ms, What::Board { board: number, life });
            }
            Moment::Closed(well) => {
                let Some(Cycle { device, epoch, key, .. }) = relays.close(now_ms) else { return };
                rack.busy -= 1;
                rack.dispatch.finished(&key, Timestamp(now_ms));
                let signal = if well { Signal::PowerCycleOk } else { Signal::PowerCycleFailed };
                self.ledger().stats.cycled(well);
                self.servers[server].answer(BmmAnswer::Finished { device, epoch, signal, detail: None });
            }
        }
        self.touched.insert(server);
    }

    /// The next step of a board.
    pub(super) fn board_step(&mut self, number: usize, life: u32) {
        let now_ms = self.now_ms();
        if self.boards[number].life != life {
            return;
        }
        let server = self.server_of(number);
        let next = self.ledger().devices[number].machine.next.clone();
        let boot = self.servers[server].boot.clone();
        let text = || match boot.answer(&format!("pxelinux.cfg/01-{}", mac(number).join("-"))) {
            Answer::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            _ => "default local\nlabel local\nlocalboot -1\n".to_owned(),
        };
        let install = next.map(|i| (i.image.clone(), true));
        let act = self.boards[number].step(now_ms, &mut self.dice, &Faults::default(), text, install);
        let (life, proof) = (self.boards[number].life, self.boards[number].proof());
        match act {
            Act::Wait(ms) => self.put_ms(now_ms + ms, What::Board { board: number, life }),
            Act::Hang(_) => {}
            Act::Progress(percent, then_ms) => {
                let (device, event) = (name(number).into(), Event::Progress { percent, proof });
                let command = LifeguardCommand::Event { device, event, claim: None, reply: None };
                let _ = self.servers[server].devices.try_send(command);
                self.put_ms(now_ms + then_ms, What::Board { board: number, life });
            }
            Act::Tell(signal, then_ms) => {
                let (reply, answer) = bounded(1);
                let (device, event) = (name(number).into(), Event::Signal { signal, detail: None, proof });
                let command = LifeguardCommand::Event { device, event, claim: None, reply: Some(reply) };
                let _ = self.servers[server].devices.try_send(command);
                let told = (answer, number, life, then_ms, self.now_us);
                self.servers[server].rack.told.push(told);
            }
        }
        self.touched.insert(server);
    }

    /// Boards that were answered go on.
    fn boards_hear(&mut self, server: usize) {
        let (now_ms, now_us) = (self.now_ms(), self.now_us);
        let mut still = Vec::new();
        for told in std::mem::take(&mut self.servers[server].rack.told) {
            if told.0.is_empty() {
                still.push(told);
                continue;
            }
            let (_, board, life, then_ms, since_us) = told;
            self.events_us.push(now_us - since_us);
            self.put_ms(now_ms + then_ms, What::Board { board, life });
        }
        self.servers[server].rack.told = still;
    }

    /// The clock, in ms.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.steady_ms()
    }
}
