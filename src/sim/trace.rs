//! What happened lately to one device or request, kept small: it is written down only when a rule is broken.

use crate::logic::events::Signal;
use crate::logic::lifeguard::State as DeviceState;
use crate::logic::machine::Epoch;
use crate::logic::mozpool::State as RequestState;
use std::collections::VecDeque;
use std::fmt;

/// Things remembered per device and request.
const LAST: usize = 24;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// A machine decided on this event; `epoch` when it was an answer. It moved, or not.
    Decided { event: &'static str, epoch: Option<Epoch>, moved: bool },
    /// A device's row was written.
    Device(DeviceState, Epoch),
    /// A request's row was written.
    Request(RequestState, Epoch),
    /// The hardware layer got an order.
    Ordered(&'static str, Epoch),
    /// A relay gave power or took it.
    Power(bool),
    /// The board tells this.
    Tells(Signal),
    /// The board does this.
    Board(&'static str),
    /// A person or a client does this.
    Person(&'static str),
    /// The daemon died.
    Crash,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let was = |moved: &bool| if *moved { "moved by" } else { "not moved by" };
        match self {
            Self::Decided { event, epoch: Some(epoch), moved } => {
                write!(f, "{} {event}, answer to attempt {epoch}", was(moved))
            }
            Self::Decided { event, epoch: None, moved } => write!(f, "{} {event}", was(moved)),
            Self::Device(state, epoch) => write!(f, "on disk: {state}, attempt {epoch}"),
            Self::Request(state, epoch) => write!(f, "on disk: {state}, attempt {epoch}"),
            Self::Ordered(what, epoch) => write!(f, "hardware is to {what} for attempt {epoch}"),
            Self::Power(true) => f.write_str("power on"),
            Self::Power(false) => f.write_str("power off"),
            Self::Tells(signal) => write!(f, "the board tells {signal}"),
            Self::Board(what) => write!(f, "the board {what}"),
            Self::Person(what) => f.write_str(what),
            Self::Crash => f.write_str("the daemon died and was started again"),
        }
    }
}

/// The last things, oldest first.
#[derive(Debug, Default)]
pub(super) struct Trace(VecDeque<(i64, Note)>);

impl Trace {
    pub(super) fn note(&mut self, at_ms: i64, note: Note) {
        if self.0.len() == LAST {
            self.0.pop_front();
        }
        self.0.push_back((at_ms, note));
    }

    /// As lines, with times since `start_ms`.
    pub(super) fn lines(&self, start_ms: i64) -> Vec<String> {
        self.0.iter().map(|(at, note)| format!("{} {note}", stamp(at - start_ms))).collect()
    }
}

/// Virtual time for people: days, then the time of day to the millisecond.
pub(super) fn stamp(ms: i64) -> String {
    let (s, ms) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let (day, s) = (s / 86_400, s % 86_400);
    format!("day {day} {:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_things_are_kept() {
        let mut trace = Trace::default();
        for n in 0..100 {
            trace.note(n, Note::Power(n % 2 == 0));
        }
        let lines = trace.lines(0);
        assert_eq!((lines.len(), lines[LAST - 1].as_str()), (LAST, "day 0 00:00:00.099 power off"));
        assert_eq!(stamp(90_061_002), "day 1 01:01:01.002");
    }
}
