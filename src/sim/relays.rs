//! Simulated relay boards, and the rule that they are built for: one connection at a time, a rest after each.
//!
//! A power cycle is three moments: power goes, power comes, the connection closes. Whatever ends the process between the
//! first two leaves the device off, as it would.

use super::dice::Dice;
use super::faults::Faults;
use crate::logic::dispatch::REST_MS;
use crate::logic::ids::DeviceName;
use crate::logic::machine::Epoch;

/// How long a cycle leaves a device off; `relayctl::operate::PAUSE`.
const PAUSE_MS: i64 = 1000;
/// One command on a sound board.
const COMMAND_MS: (i64, i64) = (20, 150);
/// … on a slow one.
const SLOW_COMMAND_MS: (i64, i64) = (1_000, 8_000);
/// A board without power refuses, or does not answer at all.
const REFUSED_MS: i64 = 3_000;
const SILENT_MS: i64 = 30_000;

/// A power cycle in a queue or under way.
#[derive(Debug, Clone)]
pub(super) struct Cycle {
    pub(super) device: DeviceName,
    pub(super) number: usize,
    pub(super) epoch: Epoch,
    /// The queue that it stood in.
    pub(super) key: String,
}

/// What happens in the course of a power cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Off,
    On,
    /// The connection is closed; it went well, or not.
    Closed(bool),
}

/// A board of 32 relays.
#[derive(Debug, Default)]
pub(super) struct RelayBoard {
    pub(super) dead_until_ms: i64,
    pub(super) slow_until_ms: i64,
    /// Counts connections.
    pub(super) run: u32,
    pub(super) under_way: Option<Cycle>,
    closed_ms: i64,
}

impl RelayBoard {
    /// Somebody connects for `cycle`; gives what will happen and when, or the rule that this breaks.
    pub(super) fn connect(
        &mut self,
        cycle: Cycle,
        now_ms: i64,
        dice: &mut Dice,
        faults: &Faults,
    ) -> Result<Vec<(i64, Moment)>, String> {
        if let Some(other) = &self.under_way {
            return Err(format!("{} connects while {} is served", cycle.device, other.device));
        }
        if self.run > 0 && now_ms < self.closed_ms + REST_MS {
            return Err(format!("{} connects {} ms after a close", cycle.device, now_ms - self.closed_ms));
        }
        self.run += 1;
        self.under_way = Some(cycle);
        if now_ms < self.dead_until_ms {
            let takes = if dice.chance(0.5) { REFUSED_MS } else { SILENT_MS };
            return Ok(vec![(takes, Moment::Closed(false))]);
        }
        let (from, to) = if now_ms < self.slow_until_ms { SLOW_COMMAND_MS } else { COMMAND_MS };
        let off = dice.between(from, to);
        if dice.chance(faults.relay_sticks()) {
            // It is commanded on again, for nothing is known of it but that it did not move.
            return Ok(vec![(off + PAUSE_MS, Moment::Closed(false))]);
        }
        let on = off + PAUSE_MS + dice.between(from, to);
        let closed = on + dice.between(from, to);
        Ok(vec![(off, Moment::Off), (on, Moment::On), (closed, Moment::Closed(true))])
    }

    /// The daemon has died in the middle of it, or not. The next one knows nothing of the last connection, and need not: a
    /// board that still rests refuses, and is asked again a moment later (`bmm::power::PATIENCE`).
    pub(super) fn forget(&mut self, now_ms: i64) -> Option<Cycle> {
        let cycle = self.close(now_ms);
        self.run += 1;
        self.closed_ms = now_ms - REST_MS;
        cycle
    }

    /// The connection ends; gives whom it served.
    pub(super) fn close(&mut self, now_ms: i64) -> Option<Cycle> {
        self.closed_ms = now_ms;
        self.under_way.take()
    }
}
