//! Watching one board until it is well: what a row of probe results means.
//!
//! Boot loaders and the live system answer ping too, the latter for a second or two after it said that it reboots. So an
//! installed system counts as up only when the board was seen to vanish and then answers without a gap for some time.

use super::time::Timestamp;

/// What a watch waits for, and what it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    steady_ms: i64,
    must_vanish: bool,
    answering_since: Option<Timestamp>,
}

/// What a probe result tells beyond itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Watching,
    /// The old system is gone; said once.
    Vanished,
    /// The board is well.
    Good,
}

impl Watch {
    /// Waits for answers without a gap for `steady_s` seconds; with `must_vanish` only after a silence.
    pub fn new(steady_s: u32, must_vanish: bool) -> Self {
        Self { steady_ms: i64::from(steady_s) * 1000, must_vanish, answering_since: None }
    }

    /// Goes on under new orders for the same board without forgetting what was seen.
    pub fn renew(&mut self, steady_s: u32, must_vanish: bool) {
        self.steady_ms = i64::from(steady_s) * 1000;
        self.must_vanish &= must_vanish;
    }

    /// Takes the result of a probe that was sent at `sent`.
    pub fn observe(&mut self, answered: bool, sent: Timestamp) -> Verdict {
        if !answered {
            self.answering_since = None;
            return if std::mem::take(&mut self.must_vanish) { Verdict::Vanished } else { Verdict::Watching };
        }
        if self.must_vanish {
            return Verdict::Watching;
        }
        let since = *self.answering_since.get_or_insert(sent);
        if sent.ms_since(since) >= self.steady_ms { Verdict::Good } else { Verdict::Watching }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Good, Vanished, Watching};

    /// One character a second: `+` answered, `.` silent.
    fn verdicts(mut watch: Watch, probes: &str) -> Vec<Verdict> {
        probes.chars().zip(0..).map(|(c, t)| watch.observe(c == '+', Timestamp(t * 1000))).collect()
    }

    #[test]
    fn an_old_system_that_still_answers_is_not_believed() {
        let seen = verdicts(Watch::new(2, true), "++++..+++");
        assert_eq!(
            seen,
            [Watching, Watching, Watching, Watching, Vanished, Watching, Watching, Watching, Good]
        );
    }

    #[test]
    fn a_gap_begins_the_count_anew() {
        let seen = verdicts(Watch::new(3, false), "+++.+++++");
        assert_eq!(seen.iter().position(|v| *v == Good), Some(7));
    }

    #[test]
    fn without_demands_the_first_answer_is_enough() {
        assert_eq!(verdicts(Watch::new(0, false), ".+"), [Watching, Good]);
    }

    #[test]
    fn new_orders_do_not_make_it_forget() {
        let mut watch = Watch::new(2, true);
        assert_eq!(watch.observe(false, Timestamp(0)), Vanished);
        assert_eq!(watch.observe(true, Timestamp(1000)), Watching);
        watch.renew(2, true);
        assert_eq!(watch.observe(true, Timestamp(3000)), Good);
    }
}
