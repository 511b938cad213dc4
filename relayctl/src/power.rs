//! Power behind a small trait: whatever can switch a device on and off and say which it is, and the order of doing it.
//!
//! [`play`] carries out the script of [`crate::cycle`] on any [`PowerSwitch`]: off, check, wait, on, check, and on again if
//! anything fails in between. It knows time and nothing of sockets or programs. A switch may not know whether the device has
//! power; then nothing contradicts what was commanded, and the outcome is unknown (`None`), not a failure.

use crate::address::PowerState;
use crate::cycle::{Ending, Goal, Line, Move, PowerAfter, Report, Script};
use crate::error::Step;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// Something that gives and takes one device's power. Each call is over when its limit is.
pub trait PowerSwitch {
    /// What can go wrong with it.
    type Fault: From<Refusal> + fmt::Display;

    /// Gives power, or takes it.
    ///
    /// # Errors
    /// [`Failure`]: what happened, and whether the command may have had an effect all the same.
    fn switch(&mut self, power: PowerState, limit: Instant) -> Result<(), Failure<Self::Fault>>;

    /// The device's power; `None` if that cannot be known.
    ///
    /// # Errors
    /// [`Failure`].
    fn look(&mut self, limit: Instant) -> Result<Option<PowerState>, Failure<Self::Fault>>;

    /// After a failure: starts afresh.
    ///
    /// # Errors
    /// [`Failure`].
    fn reopen(&mut self, limit: Instant) -> Result<(), Failure<Self::Fault>>;

    /// Whether it is of any use after this without [`PowerSwitch::reopen`].
    fn usable_after(&self, fault: &Self::Fault) -> bool;

    /// Between a failure in a rescue and the next attempt.
    fn rest(&self) -> Duration;
}

/// A call of a [`PowerSwitch`] that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<F> {
    /// What happened.
    pub fault: F,
    /// It may have had an effect all the same.
    pub sent: bool,
}

/// What is wrong without the switch's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It obeyed, and the device's power is not what was commanded.
    NotMoved {
        /// The power the device should have.
        wanted: PowerState,
    },
    /// The time left is too short to begin a power cycle and end it.
    TooLittleTime {
        /// Time left.
        left: Duration,
        /// The pause alone.
        pause: Duration,
    },
    /// The deadline has passed.
    TimedOut,
}

/// The times of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it must have ended. Only a power cycle that failed half-way may take `grace` longer.
    pub deadline: Instant,
    /// How long beyond the deadline such a one may try to give power again.
    pub grace: Duration,
}

/// An operation that failed: the first fault, where, and what is known of the device's power now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble<F> {
    /// Where it failed first.
    pub step: Step,
    /// What happened there.
    pub fault: F,
    /// What is known of the device's power now.
    pub power: PowerAfter,
}

/// Time until the deadline, never zero: the system takes a zero timeout for none at all.
///
/// # Errors
/// [`Refusal::TimedOut`].
pub fn left(deadline: Instant) -> Result<Duration, Refusal> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Refusal::TimedOut) } else { Ok(left) }
}

/// Reaches the goal and gives the power that the device was seen to have at the end; `None` if the switch does not know.
///
/// # Errors
/// [`Trouble`] with the first fault. If a power cycle fails after it may have cut the power, power is given again first, for
/// up to [`Times::grace`] beyond the deadline.
pub fn play<S: PowerSwitch>(
    switch: &mut S,
    goal: Goal,
    times: &Times,
) -> Result<Option<PowerState>, Trouble<S::Fault>> {
    if let Goal::Cycle(pause) = goal {
        // Better not begun than ended by the deadline with the device off.
        let left = times.deadline.saturating_duration_since(Instant::now());
        if left <= pause {
            let fault = Refusal::TooLittleTime { left, pause }.into();
            return Err(Trouble { step: Step::Begin, fault, power: PowerAfter::Untouched });
        }
    }
    let mut script = Script::new(goal);
    let mut first = None;
    // What the last look said, if it said anything.
    let mut known = true;
    loop {
        let next = script.next_move();
        let limit = if script.rescuing() { rescue_limit(times) } else { Ok(times.deadline) };
        let result = match next {
            Move::End(Ending::Reached(power)) => return Ok(known.then_some(power)),
            Move::End(Ending::Failed(power)) => {
                let (step, fault) = first.unwrap_or((Step::Begin, Refusal::TimedOut.into()));
                return Err(Trouble { step, fault, power });
            }
            _ => limit.map_err(unsent).and_then(|limit| carry_out(switch, next, limit)),
        };
        script.report(match result {
            Ok(Seen::Nothing) => Report::Done,
            Ok(Seen::Power(power)) => {
                known = power.is_some();
                match (next, power) {
                    // Whatever is said in place of the unknown is not given out.
                    (Move::Look, power) => Report::Saw(power.unwrap_or(PowerState::Off)),
                    _ => Report::Done,
                }
            }
            Err(Failure { fault, sent }) => {
                log::debug!("{next:?}: {fault}");
                // The pause ran out of time; nothing is wrong with the switch.
                let usable = matches!(next, Move::Wait(_)) || switch.usable_after(&fault);
                let line = if Instant::now() + switch.rest() >= times.deadline + times.grace {
                    Line::OutOfTime
                } else if usable {
                    Line::Usable
                } else {
                    Line::Lost
                };
                first.get_or_insert((step_of(next), fault));
                Report::Failed { line, sent }
            }
        });
    }
}

enum Seen {
    Nothing,
    Power(Option<PowerState>),
}

/// Half of what is left, so that an attempt that goes mute leaves time for another.
fn rescue_limit(times: &Times) -> Result<Instant, Refusal> {
    left(times.deadline + times.grace).map(|left| Instant::now() + left / 2)
}

fn unsent<F: From<Refusal>>(refusal: Refusal) -> Failure<F> {
    Failure { fault: refusal.into(), sent: false }
}

fn carry_out<S: PowerSwitch>(switch: &mut S, next: Move, limit: Instant) -> Result<Seen, Failure<S::Fault>> {
    match next {
        Move::Switch(power) => switch.switch(power, limit).map(|()| Seen::Nothing),
        Move::Check(wanted) => match switch.look(limit)? {
            Some(seen) if seen != wanted => {
                Err(Failure { fault: Refusal::NotMoved { wanted }.into(), sent: true })
            }
            seen => Ok(Seen::Power(seen)),
        },
        Move::Look => switch.look(limit).map(Seen::Power),
        Move::Wait(pause) => {
            let left = left(limit).map_err(unsent)?;
            thread::sleep(pause.min(left));
            if left < pause { Err(unsent(Refusal::TimedOut)) } else { Ok(Seen::Nothing) }
        }
        Move::Reconnect => {
            // What has just failed is known to need a rest; asking in a tight loop would not shorten it.
            thread::sleep(switch.rest());
            switch.reopen(limit).map(|()| Seen::Nothing)
        }
        Move::End(_) => Ok(Seen::Nothing),
    }
}

fn step_of(next: Move) -> Step {
    match next {
        Move::Switch(power) => Step::Switch(power),
        Move::Check(power) => Step::Check(power),
        Move::Look => Step::Read,
        Move::Wait(_) => Step::Wait,
        Move::Reconnect | Move::End(_) => Step::Connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PowerState::{Off, On};

    /// A switch that keeps what it was told, does not know what it is, and fails where it is told to.
    #[derive(Default)]
    struct Blind {
        commands: Vec<PowerState>,
        reopened: u32,
        fail_at: Option<usize>,
        says: Option<PowerState>,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Why {
        Broken,
        Refused(Refusal),
    }

    impl From<Refusal> for Why {
        fn from(refusal: Refusal) -> Self {
            Self::Refused(refusal)
        }
    }

    impl fmt::Display for Why {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl PowerSwitch for Blind {
        type Fault = Why;
        fn switch(&mut self, power: PowerState, _: Instant) -> Result<(), Failure<Why>> {
            self.commands.push(power);
            if self.fail_at == Some(self.commands.len()) {
                return Err(Failure { fault: Why::Broken, sent: true });
            }
            Ok(())
        }
        fn look(&mut self, _: Instant) -> Result<Option<PowerState>, Failure<Why>> {
            Ok(self.says)
        }
        fn reopen(&mut self, _: Instant) -> Result<(), Failure<Why>> {
            self.reopened += 1;
            Ok(())
        }
        fn usable_after(&self, fault: &Why) -> bool {
            *fault != Why::Broken
        }
        fn rest(&self) -> Duration {
            Duration::ZERO
        }
    }

    const CYCLE: Goal = Goal::Cycle(Duration::from_millis(1));

    fn times() -> Times {
        Times { deadline: Instant::now() + Duration::from_secs(20), grace: Duration::from_secs(5) }
    }

    #[test]
    fn what_cannot_be_known_is_no_failure_and_not_made_up() {
        let mut blind = Blind::default();
        assert_eq!(play(&mut blind, CYCLE, &times()), Ok(None));
        assert_eq!(blind.commands, [Off, On]);
        assert_eq!(play(&mut blind, Goal::Status, &times()), Ok(None));
        blind.says = Some(On);
        assert_eq!(play(&mut blind, Goal::Switch(On), &times()), Ok(Some(On)));
        assert_eq!(play(&mut blind, Goal::Status, &times()), Ok(Some(On)));
    }

    #[test]
    fn a_switch_that_says_the_contrary_has_not_moved() {
        let mut stuck = Blind { says: Some(On), ..Blind::default() };
        let trouble = play(&mut stuck, CYCLE, &times()).unwrap_err();
        assert_eq!(trouble.fault, Why::Refused(Refusal::NotMoved { wanted: Off }));
        assert_eq!((trouble.step, trouble.power), (Step::Check(Off), PowerAfter::RestoredOn));
        assert_eq!(stuck.commands, [Off, On], "and is told to be on again");
    }

    #[test]
    fn power_comes_back_after_a_failure_half_way() {
        let mut broken = Blind { fail_at: Some(2), ..Blind::default() };
        let trouble = play(&mut broken, CYCLE, &times()).unwrap_err();
        assert_eq!(trouble.fault, Why::Broken);
        assert_eq!((trouble.step, trouble.power), (Step::Switch(On), PowerAfter::RestoredOn));
        assert_eq!((broken.commands.as_slice(), broken.reopened), ([Off, On, On].as_slice(), 1));
    }
}
