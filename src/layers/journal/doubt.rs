//! May what is old be deleted, or is it the clock that is wrong?
//!
//! A clock that is put far ahead makes everything old at once, and what is deleted does not come back when it is put right. So after a
//! leap nothing is deleted by age for a day, in which somebody can see to the clock. It knows no store.

use crate::clock::{Clock, StepWatch};

/// Leaps up to this make little difference to what is kept for days; summer time is no leap of UTC.
const LEAP_MS: i64 = 3_600_000;
/// Then the clock is believed.
const DAY_MS: i64 = 86_400_000;

/// What the clock has done.
#[derive(Debug)]
pub(super) struct Doubt {
    steps: StepWatch,
    /// By how much it is ahead of where it was, less what it was put back since.
    ahead_ms: i64,
    /// Since when, by the clock that nobody sets.
    since_ms: i64,
}

impl Doubt {
    /// Believes the clock as it is now.
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self { steps: StepWatch::of(clock), ahead_ms: 0, since_ms: 0 }
    }

    /// Nothing is to be deleted by age now.
    pub(super) fn holds(&mut self, clock: &dyn Clock) -> bool {
        let step_ms = self.steps.step_ms(clock);
        let (was, now_ms) = (self.ahead_ms > LEAP_MS, clock.steady_ms());
        self.ahead_ms = self.ahead_ms.saturating_add(step_ms).max(0);
        if self.ahead_ms <= LEAP_MS {
            if was {
                log::info!("the system's clock was put back; what is too old is deleted again");
            }
            return false;
        }
        if step_ms > 0 {
            self.since_ms = now_ms;
            log::warn!(
                "the system's clock was put forward by {} h: nothing is deleted for its age for a day; see that the clock is right",
                step_ms / LEAP_MS
            );
        }
        if now_ms.saturating_sub(self.since_ms) < DAY_MS {
            return true;
        }
        log::info!("the system's clock is believed; what is too old is deleted again");
        self.ahead_ms = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::logic::time::Timestamp;

    #[test]
    fn after_a_leap_nothing_is_deleted_for_a_day_or_until_it_is_taken_back() {
        let clock = ManualClock::at(Timestamp(1_000 * DAY_MS));
        let mut doubt = Doubt::new(&clock);
        assert!(!doubt.holds(&clock));
        clock.advance_ms(40 * DAY_MS);
        assert!(!doubt.holds(&clock), "time that has passed has passed");
        for small in [LEAP_MS / 2, -LEAP_MS / 2, -30 * DAY_MS] {
            clock.put_right_ms(small);
            assert!(!doubt.holds(&clock), "{small}");
        }
        clock.put_right_ms(30 * DAY_MS);
        assert!(doubt.holds(&clock), "how it came to be behind is not known");
        clock.put_right_ms(-30 * DAY_MS);
        assert!(!doubt.holds(&clock));

        clock.put_right_ms(3650 * DAY_MS);
        assert!(doubt.holds(&clock));
        clock.advance_ms(DAY_MS - 1);
        assert!(doubt.holds(&clock));
        clock.advance_ms(1);
        assert!(!doubt.holds(&clock), "nobody has minded");
        assert!(!doubt.holds(&clock));
    }
}
