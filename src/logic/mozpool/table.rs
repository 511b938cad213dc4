//! The request machine as a table: one row per state.
//!
//! Limits are the original's. Unlike device counters, a request's count fails when it *reaches* its limit.

use super::{Counter, State as S};

/// What entering a state does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// Nothing; the state waits.
    Wait,
    /// Give back what is held and look for a device.
    Find,
    /// Go on to `contacting_lifeguard` at once.
    PassOn,
    /// Ask Lifeguard to prepare the device.
    Contact,
    /// The end: give back what is held.
    Release,
}

/// One state.
#[derive(Debug)]
pub struct Def {
    /// Which.
    pub state: S,
    /// What entering it does.
    pub enter: Enter,
    /// Seconds until time is up.
    pub wait_s: Option<u32>,
    /// What its tries or time-outs count, and the count that ends it.
    pub limit: Option<(Counter, u16)>,
}

#[rustfmt::skip]
/// Every state, in the order of a request's life.
pub const TABLE: &[Def] = &[
    Def { state: S::New, enter: Enter::Wait, wait_s: Some(0), limit: None },
    // Sixty tries of ten seconds: a rack that is busy for ten minutes is full. A named device gets two (see `step`).
    Def { state: S::FindingDevice, enter: Enter::Find, wait_s: Some(10), limit: Some((Counter::FindingDevice, 60)) },
    Def { state: S::ContactLifeguard, enter: Enter::PassOn, wait_s: Some(0), limit: None },
    Def { state: S::ContactingLifeguard, enter: Enter::Contact, wait_s: Some(30), limit: Some((Counter::ContactingLifeguard, 5)) },
    // The device tells when it is done; once a minute the request looks for itself, in case the message was lost.
    Def { state: S::Pending, enter: Enter::Wait, wait_s: Some(60), limit: Some((Counter::Pending, 20)) },
    Def { state: S::Ready, enter: Enter::Wait, wait_s: None, limit: None },
    Def { state: S::FailedDeviceNotFound, enter: Enter::Release, wait_s: None, limit: None },
    Def { state: S::FailedBadImage, enter: Enter::Release, wait_s: None, limit: None },
    Def { state: S::FailedBadDevice, enter: Enter::Release, wait_s: None, limit: None },
    Def { state: S::FailedDeviceBusy, enter: Enter::Release, wait_s: None, limit: None },
    Def { state: S::Expired, enter: Enter::Release, wait_s: None, limit: None },
    Def { state: S::Closed, enter: Enter::Release, wait_s: None, limit: None },
];

/// The row of `state`.
pub fn def(state: S) -> &'static Def {
    TABLE.iter().find(|d| d.state == state).expect("every state has a row; a test walks them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_exactly_one_row() {
        for &state in S::ALL {
            assert_eq!(TABLE.iter().filter(|d| d.state == state).count(), 1, "{state}");
        }
    }

    #[test]
    fn every_working_state_has_a_time_limit() {
        for d in TABLE.iter().filter(|d| !matches!(d.enter, Enter::Release) && d.state != S::Ready) {
            assert!(d.wait_s.is_some(), "{} would wait for ever", d.state);
        }
    }
}
