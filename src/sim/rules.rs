//! Rules that need a look at several things at once: claims on disk, the hardware against what machines believe, waiting
//! things, and memory against disk around a crash. The rules that a single decision or commit can break are in `ledger`.

use super::ledger::{name, number};
use super::people::waits_for_a_person;
use super::world::{What, World};
use crate::clock::Clock;
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::{State as S, def};
use crate::logic::mozpool::{self, State as R};
use crate::store::{DeviceFilter, TooOld};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
/// How much longer than its time limit a state may last: a power cycle may wait twenty minutes in a relay board's queue, and
/// a store may be away for some.
const SLACK_MS: i64 = 45 * 60_000;
/// How long a ready board that nobody has may go without a check.
const UNCHECKED_MAX_MS: i64 = 45 * 60_000;

impl World {
    /// Every hour.
    pub(super) fn look(&mut self) {
        let now_ms = self.now_ms();
        if self.alive.is_some() {
            self.waits_end();
            if (now_ms / HOUR_MS) % 6 == 0 {
                self.claims_on_disk();
                self.sweep();
            }
        }
        self.agenda.put(now_ms + HOUR_MS, What::Look);
    }

    /// Old log lines and requests go, as in the daemon.
    fn sweep(&mut self) {
        let now = self.clock.now();
        let before = now.plus_ms(-12 * HOUR_MS);
        let too_old =
            TooOld { logs: before, requests: before, changes: before, reports: before, audit: before, now };
        while let Ok(true) = self.store.prune(&too_old, 1000) {}
    }

    fn waits_end(&mut self) {
        let now_ms = self.now_ms();
        let mut late = None;
        let mut dark = None;
        let ledger = self.ledger();
        for (i, kept) in ledger.devices.iter().enumerate() {
            let state = kept.machine.state;
            let for_ms = now_ms - kept.moved_ms.max(kept.asked_ms);
            if let Some(wait_s) = def(state).wait_s {
                let limit_ms = match state {
                    S::Ready if kept.holder.is_some() => continue,
                    S::Ready => UNCHECKED_MAX_MS,
                    _ => i64::from(wait_s) * 1000 + SLACK_MS,
                };
                if for_ms > limit_ms {
                    late = late.or(Some((i, format!("{state} for {} minutes", for_ms / 60_000))));
                }
            }
            if state == S::Ready && !self.boards[i].has_power() {
                dark = dark.or(Some(i));
            }
        }
        let limit_ms = |state| mozpool::def(state).wait_s.map(|s| i64::from(s) * 1000 + SLACK_MS);
        let waits = ledger.requests.iter().find_map(|(id, open)| {
            let state = open.machine.as_ref().map_or(R::New, |m| m.state);
            let for_ms = now_ms - open.moved_ms;
            let late = limit_ms(state).is_some_and(|limit_ms| for_ms > limit_ms);
            late.then(|| (*id, format!("{state} for {} minutes", for_ms / 60_000)))
        });
        drop(ledger);
        if let Some((i, detail)) = late {
            self.ledger().device_broke("every wait ends", i, detail);
        }
        if let Some(i) = dark {
            self.ledger().device_broke("at rest no device lacks power", i, "ready, and off".into());
        }
        if let Some((id, detail)) = waits {
            self.ledger().request_broke("every wait ends", id, detail);
        }
    }

    /// A device has become ready.
    pub(super) fn ready_has_power(&mut self, device: usize) {
        if !self.boards[device].has_power() {
            self.ledger().device_broke("at rest no device lacks power", device, "ready, and off".into());
        }
    }

    /// A request has become ready: its board runs what it asked for.
    pub(super) fn board_is_as_wanted(&mut self, id: RequestId) {
        let machine = self.ledger().requests.get(&id).and_then(|open| open.machine.clone());
        let Some(machine) = machine.filter(|m| m.state == R::Ready) else { return };
        let Some(device) = &machine.assigned else {
            return self.ledger().request_broke("a ready request has its board", id, "it holds none".into());
        };
        let board = &self.boards[number(device)];
        let image = &machine.wanted.install.image;
        if board.disk.as_ref() != Some(image) || !board.has_power() {
            let detail = format!("{device} has {:?}, wanted was {image}", board.disk);
            self.ledger().request_broke("a ready request has its board", id, detail);
        }
    }

    /// What the store says of claims is what the machines were seen to say.
    fn claims_on_disk(&mut self) {
        let Ok(views) = self.store.devices(&DeviceFilter::default()) else { return };
        let on_disk: BTreeMap<_, _> =
            views.iter().filter_map(|view| Some((number(&view.name), view.request?))).collect();
        let ledger = self.ledger();
        let wrong = ledger.devices.iter().enumerate().find_map(|(i, kept)| {
            let stored = on_disk.get(&i).copied();
            (stored != kept.holder).then(|| (i, format!("on disk {stored:?}, seen {:?}", kept.holder)))
        });
        drop(ledger);
        if let Some((i, detail)) = wrong {
            self.ledger().device_broke("at most one claim per device", i, detail);
        }
    }

    /// Before a crash: what the layers remember is what is on disk, but for deadlines, which only matter while they live.
    pub(super) fn memory_was_as_written(&mut self) {
        let Some(alive) = &self.alive else { return };
        let ledger = self.ledger();
        let wrong = ledger.devices.iter().enumerate().find_map(|(i, kept)| {
            let mut machine = alive.lifeguard.machine(&kept.machine.name)?.clone();
            machine.deadline = kept.machine.deadline;
            (!kept.unheard && machine != kept.machine)
                .then(|| (i, format!("{machine:?} is not {:?}", kept.machine)))
        });
        drop(ledger);
        if let Some((i, detail)) = wrong {
            self.ledger().device_broke("what is remembered is on disk", i, detail);
        }
    }

    /// After a start: what was loaded is what was written.
    pub(super) fn reloaded_as_written(&mut self) {
        let Some(alive) = &self.alive else { return };
        let ledger = self.ledger();
        let device = ledger.devices.iter().enumerate().find_map(|(i, kept)| {
            let loaded = alive.lifeguard.machine(&kept.machine.name).cloned().map(|mut machine| {
                machine.deadline = kept.machine.deadline;
                machine
            });
            (loaded.as_ref() != Some(&kept.machine))
                .then(|| (i, format!("{loaded:?} is not {:?}", kept.machine)))
        });
        let request = ledger.requests.iter().find_map(|(id, open)| {
            let mut written = open.machine.clone()?;
            let loaded = alive.mozpool.machine(*id).cloned().map(|mut machine| {
                machine.deadline = written.deadline;
                machine
            });
            written.deadline = written.deadline.or(None);
            (loaded.as_ref() != Some(&written)).then(|| (*id, format!("{loaded:?} is not {written:?}")))
        });
        drop(ledger);
        const RULE: &str = "kill anywhere and load again: the same machine";
        if let Some((i, detail)) = device {
            self.ledger().device_broke(RULE, i, detail);
        }
        if let Some((id, detail)) = request {
            self.ledger().request_broke(RULE, id, detail);
        }
    }

    /// At the end, after the quiet days: everything has ended, and every board works.
    pub(super) fn all_is_well(&mut self) {
        let ledger = self.ledger();
        let request = ledger.requests.iter().next().map(|(id, open)| {
            let state = open.machine.as_ref().map_or(R::New, |m| m.state);
            (*id, format!("it is {state} after {} quiet days", self.settings.quiet_days))
        });
        let device = ledger.devices.iter().enumerate().find_map(|(i, kept)| {
            let state = kept.machine.state;
            let well = state == S::Ready && self.boards[i].has_power();
            // Who has just come to wait for a person has not seen one yet.
            let asked_late = waits_for_a_person(state) && self.now_ms() - kept.moved_ms < 4 * HOUR_MS;
            (!well && !asked_late).then(|| (i, format!("{} is {state} after the quiet days", name(i))))
        });
        drop(ledger);
        if let Some((id, detail)) = request {
            self.ledger().request_broke("when faults stop, every request ends", id, detail);
        }
        if let Some((i, detail)) = device {
            self.ledger().device_broke("when faults stop, every device comes to rest", i, detail);
        }
        self.claims_on_disk();
    }
}
