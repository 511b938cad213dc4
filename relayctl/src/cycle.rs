//! What to do next on a relay board, as a script: off, check, wait, on, check; and after a failure, power on again.
//!
//! Pure: no socket, no clock. It says one [`Move`] at a time and is told how it went. The rule it exists for: once
//! a power cycle may have switched a device off, it ends only when the device has been seen to have power, when the
//! board itself says repeatedly that it has not, or when the time is up.

use crate::address::PowerState;
use std::time::Duration;

/// What a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Give power, or take it, and check.
    Switch(PowerState),
    /// Off, check, wait so long, on, check.
    Cycle(Duration),
    /// Only look.
    Status,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Command this power and read the reply.
    Switch(PowerState),
    /// Read the relay; anything but this power is a failure.
    Check(PowerState),
    /// Read the relay; either will do.
    Look,
    /// Let the device's capacitors run empty.
    Wait(Duration),
    /// Close the connection and open a new one.
    Reconnect,
    /// Nothing more.
    End(Ending),
}

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Reached; this is the power the relay was last seen to give.
    Reached(PowerState),
    /// Not reached; this is known of the device's power.
    Failed(PowerAfter),
}

/// What is known of a device's power after an operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PowerAfter {
    /// No switching command was sent: as it was before.
    Untouched,
    /// A switching command was sent, and what became of it is not known.
    Unverified,
    /// A power cycle failed on its way, and the device was switched on again and seen to be on.
    RestoredOn,
    /// A power cycle failed on its way, and so did every attempt to switch the device on again.
    MayBeOff,
}

impl PowerAfter {
    /// What an operator is to hear of it, to stand behind a sentence; empty where there is nothing to say.
    pub const fn and_then_what(self) -> &'static str {
        match self {
            Self::Untouched => "",
            Self::Unverified => "; whether the device has power is not known",
            Self::RestoredOn => "; the device was switched on again",
            Self::MayBeOff => "; switching the device on again failed too: it may be without power",
        }
    }
}

/// How a move went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Done, and as wanted.
    Done,
    /// What [`Move::Look`] saw.
    Saw(PowerState),
    /// Not done, or not as wanted.
    Failed {
        /// What became of the connection.
        line: Line,
        /// Whether any byte of a command may have reached the board.
        sent: bool,
    },
}

/// What a failure left of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The board answers, only not what was wanted.
    Usable,
    /// Closed, mute or out of step: of no further use.
    Lost,
    /// All the time there was is used up.
    OutOfTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Plan,
    /// Switching on again, on the connection that failed.
    RescueHere,
    /// Switching on again, on a connection of its own.
    RescueAnew,
    Ended(Ending),
}

/// One operation on one relay.
#[derive(Debug)]
pub struct Script {
    goal: Goal,
    phase: Phase,
    /// Index of the move within its phase.
    at: usize,
    /// A command to cut the power may have reached the board.
    touched: bool,
}

impl Script {
    /// A script at its first move.
    pub fn new(goal: Goal) -> Self {
        Self { goal, phase: Phase::Plan, at: 0, touched: false }
    }

    /// What to do now. Asking again gives the same answer until [`Script::report`] is called.
    pub fn next_move(&self) -> Move {
        use PowerState::{Off, On};
        let moves: &[Move] = match (self.phase, self.goal) {
            (Phase::Ended(ending), _) => return Move::End(ending),
            (Phase::Plan, Goal::Switch(power)) => &[Move::Switch(power), Move::Check(power)],
            (Phase::Plan, Goal::Status) => &[Move::Look],
            (Phase::Plan, Goal::Cycle(pause)) => {
                &[Move::Switch(Off), Move::Check(Off), Move::Wait(pause), Move::Switch(On), Move::Check(On)]
            }
            (Phase::RescueHere, _) => &[Move::Switch(On), Move::Check(On)],
            (Phase::RescueAnew, _) => &[Move::Reconnect, Move::Switch(On), Move::Check(On)],
        };
        // Past its last move a plan has reached its goal, and a rescue its own.
        match (moves.get(self.at), self.phase, self.goal) {
            (Some(&next), ..) => next,
            (None, Phase::Plan, Goal::Switch(power)) => Move::End(Ending::Reached(power)),
            (None, Phase::Plan, _) => Move::End(Ending::Reached(On)),
            (None, ..) => Move::End(Ending::Failed(PowerAfter::RestoredOn)),
        }
    }

    /// Whether the script has left its plan and only tries to give power back.
    pub fn rescuing(&self) -> bool {
        matches!(self.phase, Phase::RescueHere | Phase::RescueAnew)
    }

    /// Takes in how the move of [`Script::next_move`] went.
    pub fn report(&mut self, report: Report) {
        let current = self.next_move();
        match report {
            Report::Saw(power) => self.phase = Phase::Ended(Ending::Reached(power)),
            Report::Done => {
                self.touched |= matches!(current, Move::Switch(_));
                self.at += 1;
            }
            Report::Failed { line, sent } => {
                self.touched |= sent && matches!(current, Move::Switch(_));
                self.at = 0;
                self.phase = self.after_failure(line);
            }
        }
    }

    fn after_failure(&self, line: Line) -> Phase {
        let failed = |after| Phase::Ended(Ending::Failed(after));
        match (self.phase, self.goal, line) {
            (Phase::Ended(_), ..) => self.phase,
            (Phase::Plan, ..) if !self.touched => failed(PowerAfter::Untouched),
            (Phase::Plan, Goal::Switch(_) | Goal::Status, _) => failed(PowerAfter::Unverified),
            (Phase::Plan, Goal::Cycle(_), Line::Usable) => Phase::RescueHere,
            // The plan's time is up, but a rescue has a little of its own.
            (Phase::Plan, Goal::Cycle(_), Line::Lost | Line::OutOfTime) => Phase::RescueAnew,
            (Phase::RescueHere | Phase::RescueAnew, _, Line::OutOfTime) => failed(PowerAfter::MayBeOff),
            (Phase::RescueHere, ..) | (Phase::RescueAnew, _, Line::Lost) => Phase::RescueAnew,
            // A board that answers on its third asking that the relay does not move will not move it on a fourth.
            (Phase::RescueAnew, _, Line::Usable) => failed(PowerAfter::MayBeOff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PowerState::{Off, On};

    const PAUSE: Duration = Duration::from_secs(1);
    const CYCLE: [Move; 5] =
        [Move::Switch(Off), Move::Check(Off), Move::Wait(PAUSE), Move::Switch(On), Move::Check(On)];

    fn failed(line: Line) -> Report {
        Report::Failed { line, sent: true }
    }

    /// Plays reports until they run out, then `Done` until the end; gives every move asked for.
    fn play(goal: Goal, reports: &[Report]) -> Vec<Move> {
        let mut script = Script::new(goal);
        let mut seen = vec![];
        let mut reports = reports.iter().copied();
        for _ in 0..50 {
            seen.push(script.next_move());
            if let Move::End(_) = script.next_move() {
                return seen;
            }
            script.report(reports.next().unwrap_or(Report::Done));
        }
        panic!("no end after {seen:?}");
    }

    #[test]
    fn a_power_cycle_is_off_check_wait_on_check() {
        let mut expected = CYCLE.to_vec();
        expected.push(Move::End(Ending::Reached(On)));
        assert_eq!(play(Goal::Cycle(PAUSE), &[]), expected);
    }

    #[test]
    fn switching_checks_and_status_looks() {
        let end = |power| Move::End(Ending::Reached(power));
        assert_eq!(play(Goal::Switch(Off), &[]), [Move::Switch(Off), Move::Check(Off), end(Off)]);
        assert_eq!(play(Goal::Switch(On), &[]), [Move::Switch(On), Move::Check(On), end(On)]);
        assert_eq!(play(Goal::Status, &[Report::Saw(Off)]), [Move::Look, end(Off)]);
    }

    #[test]
    fn wherever_a_cycle_fails_power_on_is_tried_next() {
        for at in 0..CYCLE.len() {
            for line in [Line::Usable, Line::Lost, Line::OutOfTime] {
                let mut reports = vec![Report::Done; at];
                reports.push(failed(line));
                let mut expected = CYCLE[..=at].to_vec();
                if line != Line::Usable {
                    expected.push(Move::Reconnect);
                }
                expected.extend([Move::Switch(On), Move::Check(On)]);
                expected.push(Move::End(Ending::Failed(PowerAfter::RestoredOn)));
                assert_eq!(play(Goal::Cycle(PAUSE), &reports), expected, "failed at {at} with {line:?}");
            }
        }
    }

    #[test]
    fn a_cycle_that_sent_nothing_leaves_the_device_alone() {
        let report = Report::Failed { line: Line::Lost, sent: false };
        let end = Move::End(Ending::Failed(PowerAfter::Untouched));
        assert_eq!(play(Goal::Cycle(PAUSE), &[report]), [Move::Switch(Off), end]);
        assert_eq!(play(Goal::Status, &[failed(Line::Lost)]), [Move::Look, end]);
    }

    #[test]
    fn turning_off_is_not_undone_when_its_check_fails() {
        let reports = [Report::Done, failed(Line::Usable)];
        let moves = play(Goal::Switch(Off), &reports);
        assert_eq!(moves.last(), Some(&Move::End(Ending::Failed(PowerAfter::Unverified))));
        assert!(!moves.contains(&Move::Switch(On)));
    }

    #[test]
    fn a_rescue_goes_on_until_the_time_is_up_or_the_board_says_no_again() {
        let lost = failed(Line::Lost);
        let mut reports = vec![Report::Done, lost];
        reports.extend([lost; 7]);
        reports.push(failed(Line::OutOfTime));
        let moves = play(Goal::Cycle(PAUSE), &reports);
        assert_eq!(moves.iter().filter(|&&m| m == Move::Reconnect).count(), 8);
        assert_eq!(moves.last(), Some(&Move::End(Ending::Failed(PowerAfter::MayBeOff))));

        // Stuck: acknowledged, and still off. Once in the plan, once here, once anew.
        let no = failed(Line::Usable);
        let stuck = [vec![Report::Done; 4], vec![no, Report::Done, no], vec![Report::Done, Report::Done, no]]
            .concat();
        let moves = play(Goal::Cycle(PAUSE), &stuck);
        assert_eq!(moves.iter().filter(|&&m| m == Move::Switch(On)).count(), 3);
        assert_eq!(moves.last(), Some(&Move::End(Ending::Failed(PowerAfter::MayBeOff))));
    }
}
