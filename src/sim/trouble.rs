//! When things break, by lot, until the quiet days.

use super::trace::Note;
use super::watched::troubles;
use super::world::{What, World};

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// A relay board loses its power for a while.
    RelayBoardDies,
    /// A relay board answers slowly for a while.
    RelayBoardSlows,
    /// A board breaks until somebody repairs it.
    BoardBreaks,
    /// Somebody puts the server's clock right, or wrong.
    ClockSteps,
    /// The store is away for a while.
    StoreFails,
    /// The daemon dies at one of its next writes.
    Crashes,
}

const ALL: [Mishap; 6] = [
    Mishap::RelayBoardDies,
    Mishap::RelayBoardSlows,
    Mishap::BoardBreaks,
    Mishap::ClockSteps,
    Mishap::StoreFails,
    Mishap::Crashes,
];

impl World {
    /// Throws the dice for the first of each.
    pub(super) fn break_things(&mut self) {
        let bad = self.faults.bad_boards();
        for number in 0..self.boards.len() {
            self.boards[number].bad = self.dice.chance(bad);
        }
        for mishap in ALL {
            self.next_mishap(mishap);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "some thousands of boards")]
    fn next_mishap(&mut self, mishap: Mishap) {
        let (boards, relays) = (self.boards.len() as f64, self.relays.len() as f64);
        let every_ms = match mishap {
            Mishap::RelayBoardDies => self.faults.relay_board_dies_every().map(|ms| ms / relays),
            Mishap::RelayBoardSlows => self.faults.relay_board_slows_every().map(|ms| ms / relays),
            Mishap::BoardBreaks => self.faults.board_breaks_every().map(|ms| ms / boards),
            Mishap::ClockSteps => self.faults.clock_steps_every(),
            Mishap::StoreFails => self.faults.store_fails_every(),
            Mishap::Crashes => self.faults.crashes_every(),
        };
        if let Some(every_ms) = every_ms {
            let at_ms = self.now_ms() + self.dice.wait(every_ms);
            if at_ms < self.quiet_ms {
                self.agenda.put(at_ms, What::Mishap(mishap));
            }
        }
    }

    pub(super) fn mishap(&mut self, mishap: Mishap) {
        let now_ms = self.now_ms();
        let some_relays = self.dice.below(self.relays.len());
        match mishap {
            Mishap::RelayBoardDies => {
                self.stats().fault("relay boards that died for a while");
                let until_ms = now_ms + self.dice.between(60_000, 6 * 3_600_000);
                // Nothing is broken in the quiet days.
                self.relays[some_relays].dead_until_ms = until_ms.min(self.quiet_ms);
            }
            Mishap::RelayBoardSlows => {
                self.stats().fault("relay boards that were slow for a while");
                let until_ms = now_ms + self.dice.between(600_000, 12 * 3_600_000);
                self.relays[some_relays].slow_until_ms = until_ms.min(self.quiet_ms);
            }
            Mishap::BoardBreaks => {
                self.stats().fault("boards that broke");
                let number = self.dice.below(self.boards.len());
                let board = &mut self.boards[number];
                board.broken = true;
                board.life += 1;
                self.ledger().note(number, Note::Board("breaks"));
            }
            Mishap::ClockSteps => {
                self.stats().fault("steps of the clock");
                let reach_ms = if self.dice.chance(0.5) { 120_000 } else { 6 * 3_600_000 };
                let step_ms = self.dice.between(-reach_ms, reach_ms);
                self.clock.put_right_ms(step_ms);
            }
            Mishap::StoreFails => {
                self.stats().fault("failures of the store for a while");
                let until_ms = now_ms + self.dice.between(500, 120_000);
                troubles(&self.troubles).away_until_ms = until_ms.min(self.quiet_ms);
            }
            Mishap::Crashes => {
                let writes = u32::try_from(self.dice.below(4)).unwrap_or(0);
                troubles(&self.troubles).crash_in = Some(writes);
            }
        }
        self.next_mishap(mishap);
    }

    /// The quiet days begin: nothing fails any more, and operators see to all that waits for them.
    pub(super) fn becomes_quiet(&mut self) {
        let mut trouble = troubles(&self.troubles);
        (trouble.write_fails, trouble.crash_in) = (0.0, None);
        drop(trouble);
        for number in 0..self.boards.len() {
            let state = self.ledger().devices[number].machine.state;
            self.wait_for_a_look(number, state);
        }
    }
}
