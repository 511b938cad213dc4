//! The device machine as a table: one row per state, every way in and out of it.
//!
//! Time limits and counts are those of the original, which ran 800 boards with them; where a row differs, it says why.

use super::{Counter as C, State as S};
use crate::logic::events::Signal as E;

/// What entering a state does. Work for the hardware comes back as an answer with the entry's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enter {
    /// Nothing; the state waits.
    Wait,
    /// Health check, unless a request holds the device.
    CheckIfFree,
    /// Take the PXE config away and cycle power, so that the board boots its own disk.
    CycleToDisk,
    /// Offer the PXE config of the next image and cycle power.
    CycleToPxe,
    /// Cycle power and change nothing else.
    Cycle,
    /// Wait until the board answers at all.
    PingUntilUp,
    /// Wait until the installed system passes its image's check.
    CheckImage,
    /// Ask the SUT agent.
    VerifySut,
    /// Let the SUT agent check its card.
    VerifySdCard,
    /// The three ways into an operation: forget old troubles and go on at once.
    StartPxeBoot,
    /// See [`Enter::StartPxeBoot`].
    StartSelfTest,
    /// See [`Enter::StartPxeBoot`].
    StartMaintenance,
    /// What was being installed is installed now; tell the request; ready.
    Complete,
    /// Given up until a person looks. The request is told to look elsewhere.
    GiveUp,
    /// Given up, and tries to heal itself by a self-test.
    GiveUpAndHeal,
    /// As `GiveUpAndHeal`, but the image is at fault, and the board's record stays clean.
    BlameImage,
}

/// Power cycles that are tried again at once after a failure. One relay that sticks is helped by that; a relay board without
/// power needs time, and at a minute a try its devices outlast hours of it.
pub const SOON_MAX: u16 = 3;

/// Where an accepted event leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// To this state.
    To(S),
    /// To this state; what was on the disk is gone.
    Overwriting(S),
    /// To this state; the board was given something to do that is neither its old image nor a new one.
    Aside(S),
    /// To the verification that the image on its way asks for.
    Verify,
    /// To `operation_complete`, or first to the agent's verification where a self-test demands it.
    Up,
    /// As if the time limit had passed.
    Timeout,
    /// The same the first [`SOON_MAX`] times; then the time limit itself is waited for.
    TimeoutSoon,
    /// Note that the old system is gone and stay.
    Vanished,
    /// The check passed: the board has proved that it works; stay.
    Proved,
}

/// What happens when a count goes over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLimit {
    /// Give up into this state.
    Fail(S),
    /// Start the count anew and go to `retry`, but only `limit` times in a row; then give up into `fail`.
    Escalate { counter: C, limit: u16, retry: S, fail: S },
}

/// Time-outs are counted; while the count is not over `limit` the row's `retry` is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// What is counted.
    pub counter: C,
    /// The last value that is forgiven.
    pub limit: u16,
    /// Beyond the limit.
    pub over: OverLimit,
    /// Every so many time-outs go to this state instead of `retry`: a power cycle helps where waiting does not.
    pub every: Option<(u16, S)>,
}

/// Which requests of people a state accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Please {
    /// None but `please_offline`, and `please_online` in `locked_out`.
    Nothing,
    /// Self-test and maintenance: the ways out of trouble.
    Basic,
    /// Also power cycle and image: the device is at rest.
    Full,
}

/// One state.
#[derive(Debug)]
pub struct Def {
    /// Which.
    pub state: S,
    /// What entering it does.
    pub enter: Enter,
    /// Seconds until time is up; 0 is at once; `None` waits for an event for ever.
    pub wait_s: Option<u32>,
    /// Where a time-out leads while it is forgiven.
    pub retry: S,
    /// How many are forgiven; `None`: all of them.
    pub count: Option<Count>,
    /// What boards and hardware may say here.
    pub on: &'static [(E, Go)],
    /// What people may ask here.
    pub please: Please,
}

const fn rest(state: S, please: Please) -> Def {
    Def { state, enter: Enter::Wait, wait_s: None, retry: state, count: None, on: &[], please }
}

/// Left in the step that enters it. A row that says it all the same (put there from outside) goes on when its time is up.
const fn passing(state: S, enter: Enter, wait_s: u32) -> Def {
    Def { state, enter, wait_s: Some(wait_s), retry: state, count: None, on: &[], please: Please::Nothing }
}

const fn failed(state: S, enter: Enter) -> Def {
    Def { state, enter, wait_s: None, retry: state, count: None, on: &[], please: Please::Basic }
}

const fn count(counter: C, limit: u16, fail: S) -> Option<Count> {
    Some(Count { counter, limit, over: OverLimit::Fail(fail), every: None })
}

const fn count_cycling(counter: C, limit: u16, fail: S, every: (u16, S)) -> Option<Count> {
    Some(Count { counter, limit, over: OverLimit::Fail(fail), every: Some(every) })
}

/// Nothing is under way in this state: a board in it waits for people or for a request.
pub fn at_rest(state: S) -> bool {
    let def = def(state);
    def.wait_s.is_none() || def.please == Full
}

use Please::{Basic, Full, Nothing};

/// Every state, in the order of a device's life.
#[rustfmt::skip]
pub const TABLE: &[Def] = &[
    // At rest.
    Def { state: S::New, enter: Enter::Wait, wait_s: Some(0), retry: S::StartSelfTest, count: None, on: &[], please: Full },
    rest(S::Unknown, Full),
    rest(S::LockedOut, Nothing),
    rest(S::Troubleshooting, Full),
    // Ten minutes between checks finds a dead board before most requests do, and costs 800 boards one check a second.
    Def { state: S::Ready, enter: Enter::CheckIfFree, wait_s: Some(600), retry: S::Ready, count: None,
          on: &[(E::Failed, Go::To(S::StartSelfTest)), (E::CheckOk, Go::Proved)], please: Full },

    // Power cycle. A minute per try from the moment that the relay board takes up the command.
    Def { state: S::PcPowerCycling, enter: Enter::CycleToDisk, wait_s: Some(60), retry: S::PcPowerCycling,
          count: count(C::PowerCycling, 200, S::FailedPowerCycling),
          on: &[(E::PowerCycleOk, Go::To(S::PcRebooting)), (E::PowerCycleFailed, Go::TimeoutSoon)], please: Nothing },
    // Boot loaders answer ping while they load; two minutes are past that on every board of the original's racks.
    Def { state: S::PcRebooting, enter: Enter::Wait, wait_s: Some(120), retry: S::PcPinging, count: None, on: &[], please: Nothing },
    // Nothing leads here any more; a stored row may still say it.
    Def { state: S::PcSutRebooting, enter: Enter::Wait, wait_s: Some(10), retry: S::SutVerifying, count: None, on: &[], please: Nothing },
    // The original cycled a board that never answers every four minutes for ever. Five cycles in a row are enough.
    Def { state: S::PcPinging, enter: Enter::PingUntilUp, wait_s: Some(10), retry: S::PcPinging,
          count: Some(Count { counter: C::PcPinging, limit: 12, every: None, over: OverLimit::Escalate {
              counter: C::PingCycles, limit: 5, retry: S::PcPowerCycling, fail: S::FailedPinging } }),
          on: &[(E::PingOk, Go::Up)], please: Nothing },

    // Into a live image.
    passing(S::StartPxeBoot, Enter::StartPxeBoot, 0),
    passing(S::StartSelfTest, Enter::StartSelfTest, 0),
    passing(S::StartMaintenance, Enter::StartMaintenance, 0),
    Def { state: S::PxePowerCycling, enter: Enter::CycleToPxe, wait_s: Some(60), retry: S::PxePowerCycling,
          count: count(C::PowerCycling, 200, S::FailedPowerCycling),
          on: &[(E::PowerCycleOk, Go::To(S::PxeBooting)), (E::PowerCycleFailed, Go::TimeoutSoon)], please: Nothing },
    Def { state: S::PxeBooting, enter: Enter::Wait, wait_s: Some(180), retry: S::PxePowerCycling,
          count: count(C::PxeBooting, 30, S::FailedPxeBooting),
          on: &[(E::MobileInitStarted, Go::To(S::MobileInitStarted)), (E::MobileInitFailed, Go::Timeout)], please: Nothing },
    Def { state: S::MobileInitStarted, enter: Enter::Wait, wait_s: Some(10), retry: S::PxePowerCycling,
          count: count(C::MobileInitStarted, 10, S::FailedMobileInitStarted),
          on: &[(E::AndroidDownloading, Go::To(S::AndroidDownloading)), (E::B2gDownloading, Go::To(S::B2gDownloading)),
                (E::ImageDownloading, Go::To(S::ImageDownloading)), (E::MaintMode, Go::Aside(S::MaintenanceMode)),
                (E::SelfTestRunning, Go::Aside(S::SelfTestRunning)), (E::ImageFailed, Go::To(S::FailedImage)),
                (E::MobileInitFailed, Go::Timeout), (E::SecondStageFailed, Go::Timeout)], please: Nothing },

    // Installing. Repeated download failures are the image's fault; a board that cannot extract is the board's.
    Def { state: S::AndroidDownloading, enter: Enter::Wait, wait_s: Some(180), retry: S::PxePowerCycling,
          count: count(C::AndroidDownloading, 3, S::FailedImage),
          on: &[(E::AndroidExtracting, Go::Overwriting(S::AndroidExtracting)), (E::ImageFailed, Go::To(S::FailedImage)), (E::SecondStageFailed, Go::Timeout)], please: Nothing },
    Def { state: S::AndroidExtracting, enter: Enter::Wait, wait_s: Some(600), retry: S::PxePowerCycling,
          count: count(C::AndroidExtracting, 10, S::FailedAndroidExtracting),
          on: &[(E::AndroidRebooting, Go::Verify), (E::ImageFailed, Go::To(S::FailedImage)), (E::SecondStageFailed, Go::Timeout)], please: Nothing },
    Def { state: S::B2gDownloading, enter: Enter::Wait, wait_s: Some(180), retry: S::PxePowerCycling,
          count: count(C::B2gDownloading, 3, S::FailedImage),
          on: &[(E::B2gExtracting, Go::Overwriting(S::B2gExtracting)), (E::ImageFailed, Go::To(S::FailedImage)), (E::SecondStageFailed, Go::Timeout)], please: Nothing },
    Def { state: S::B2gExtracting, enter: Enter::Wait, wait_s: Some(300), retry: S::PxePowerCycling,
          count: count(C::B2gExtracting, 10, S::FailedB2gExtracting),
          on: &[(E::B2gRebooting, Go::Verify), (E::ImageFailed, Go::To(S::FailedImage)), (E::SecondStageFailed, Go::Timeout)], please: Nothing },
    Def { state: S::ImageDownloading, enter: Enter::Wait, wait_s: Some(180), retry: S::PxePowerCycling,
          count: count(C::ImageDownloading, 3, S::FailedImage),
          on: &[(E::ImageExtracting, Go::Overwriting(S::ImageExtracting)), (E::ImageFailed, Go::To(S::FailedImage)), (E::SecondStageFailed, Go::Timeout)], please: Nothing },
    Def { state: S::ImageExtracting, enter: Enter::Wait, wait_s: Some(600), retry: S::PxePowerCycling,
          count: count(C::ImageExtracting, 10, S::FailedImageExtracting),
          on: &[(E::ImageRebooting, Go::Verify), (E::ImageFailed, Go::To(S::FailedImage)), (E::SecondStageFailed, Go::Timeout)], please: Nothing },

    // Does the new system run?
    Def { state: S::SutVerifying, enter: Enter::VerifySut, wait_s: Some(45), retry: S::SutVerifying,
          count: count_cycling(C::SutVerifying, 30, S::FailedSutVerifying, (10, S::SutVerifyPowerCycle)),
          on: &[(E::SutVerifyOk, Go::To(S::SutSdcardVerifying))], please: Nothing },
    Def { state: S::SutVerifyPowerCycle, enter: Enter::Cycle, wait_s: Some(60), retry: S::SutVerifyPowerCycle,
          count: count(C::SutVerifyPowerCycle, 3, S::FailedSutVerifying),
          on: &[(E::PowerCycleOk, Go::To(S::SutVerifying)), (E::PowerCycleFailed, Go::TimeoutSoon)], please: Nothing },
    Def { state: S::SutSdcardVerifying, enter: Enter::VerifySdCard, wait_s: Some(200), retry: S::SutSdcardVerifying,
          count: count(C::SutSdcardVerifying, 2, S::FailedSutSdcardVerifying),
          on: &[(E::SutSdcardOk, Go::To(S::OperationComplete)), (E::SutSdcardFailed, Go::Timeout)], please: Nothing },
    Def { state: S::ImagePinging, enter: Enter::CheckImage, wait_s: Some(10), retry: S::ImagePinging,
          count: count_cycling(C::ImagePinging, 30, S::FailedImagePinging, (10, S::ImagePingPowerCycle)),
          on: &[(E::PingOk, Go::To(S::OperationComplete)), (E::Vanished, Go::Vanished)], please: Nothing },
    Def { state: S::ImagePingPowerCycle, enter: Enter::Cycle, wait_s: Some(60), retry: S::ImagePingPowerCycle,
          count: count(C::ImagePingPowerCycle, 3, S::FailedImagePinging),
          on: &[(E::PowerCycleOk, Go::To(S::ImagePinging)), (E::PowerCycleFailed, Go::TimeoutSoon)], please: Nothing },
    passing(S::OperationComplete, Enter::Complete, 60),

    // Under inspection.
    rest(S::MaintenanceMode, Basic),
    Def { state: S::SelfTestRunning, enter: Enter::Wait, wait_s: Some(3600), retry: S::FailedSelfTest, count: None,
          on: &[(E::SelfTestOk, Go::To(S::Ready)), (E::FailedSelfTest, Go::To(S::FailedSelfTest)),
                (E::SecondStageFailed, Go::To(S::FailedSelfTest))], please: Basic },

    // Given up. The first four wait for a person: more power cycles would not tell anything new.
    failed(S::FailedPowerCycling, Enter::GiveUp),
    failed(S::FailedPxeBooting, Enter::GiveUp),
    failed(S::FailedMobileInitStarted, Enter::GiveUp),
    failed(S::FailedSelfTest, Enter::GiveUp),
    failed(S::FailedPinging, Enter::GiveUpAndHeal),
    failed(S::FailedImage, Enter::BlameImage),
    failed(S::FailedImageExtracting, Enter::GiveUpAndHeal),
    failed(S::FailedImagePinging, Enter::GiveUpAndHeal),
    failed(S::FailedSutVerifying, Enter::GiveUpAndHeal),
    failed(S::FailedSutSdcardVerifying, Enter::GiveUpAndHeal),
    failed(S::FailedAndroidExtracting, Enter::GiveUpAndHeal),
    failed(S::FailedB2gExtracting, Enter::GiveUpAndHeal),
    // Names of the original that nothing leads to; rows and operators may still use them.
    failed(S::FailedAndroidDownloading, Enter::BlameImage),
    failed(S::FailedB2gDownloading, Enter::BlameImage),
    failed(S::FailedAndroidPinging, Enter::GiveUpAndHeal),
    failed(S::FailedB2gPinging, Enter::GiveUpAndHeal),
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
    fn a_state_that_awaits_an_answer_has_a_time_limit() {
        for d in TABLE {
            let asks = matches!(
                d.enter,
                Enter::CheckIfFree
                    | Enter::CycleToDisk
                    | Enter::CycleToPxe
                    | Enter::Cycle
                    | Enter::PingUntilUp
                    | Enter::CheckImage
                    | Enter::VerifySut
                    | Enter::VerifySdCard
            );
            assert!(!asks || d.wait_s.is_some(), "{} would wait for ever", d.state);
            assert!(d.on.is_empty() || d.wait_s.is_some(), "{} waits for an event without a limit", d.state);
        }
    }

    #[test]
    fn what_nobody_may_wake_wakes_itself() {
        for d in TABLE.iter().filter(|d| d.please == Nothing && d.state != S::LockedOut) {
            assert!(d.wait_s.is_some(), "{} has no way out", d.state);
        }
    }

    #[test]
    fn every_failed_state_can_be_sent_through_self_test() {
        for d in TABLE.iter().filter(|d| d.state.is_failed()) {
            assert_eq!(d.please, Basic, "{}", d.state);
            assert!(
                matches!(d.enter, Enter::GiveUp | Enter::GiveUpAndHeal | Enter::BlameImage),
                "{}",
                d.state
            );
        }
    }

    #[test]
    fn every_state_that_cycles_power_counts_and_ends() {
        for d in
            TABLE.iter().filter(|d| matches!(d.enter, Enter::CycleToDisk | Enter::CycleToPxe | Enter::Cycle))
        {
            let Some(Count { over: OverLimit::Fail(fail), .. }) = d.count else {
                panic!("{} never gives up", d.state)
            };
            assert!(fail.is_failed(), "{}", d.state);
        }
        // Whatever leads back to power, other than a person or an answer, is counted.
        for d in TABLE.iter().filter(|d| d.retry == S::PxePowerCycling || d.retry == S::PcPowerCycling) {
            assert!(d.count.is_some(), "{} leads to power uncounted", d.state);
        }
    }

    #[test]
    fn the_original_states_keep_their_limits() {
        let limits = |s| {
            let d = def(s);
            (d.wait_s, d.count.map(|c| c.limit))
        };
        for (state, wait_s, limit) in [
            (S::New, Some(0), None),
            (S::Ready, Some(600), None),
            (S::PcPowerCycling, Some(60), Some(200)),
            (S::PcRebooting, Some(120), None),
            (S::PcPinging, Some(10), Some(12)),
            (S::PxePowerCycling, Some(60), Some(200)),
            (S::PxeBooting, Some(180), Some(30)),
            (S::MobileInitStarted, Some(10), Some(10)),
            (S::AndroidDownloading, Some(180), Some(3)),
            (S::AndroidExtracting, Some(600), Some(10)),
            (S::B2gDownloading, Some(180), Some(3)),
            (S::B2gExtracting, Some(300), Some(10)),
            (S::ImageDownloading, Some(180), Some(3)),
            (S::ImageExtracting, Some(600), Some(10)),
            (S::SutVerifying, Some(45), Some(30)),
            (S::SutVerifyPowerCycle, Some(60), Some(3)),
            (S::SutSdcardVerifying, Some(200), Some(2)),
            (S::ImagePinging, Some(10), Some(30)),
            (S::SelfTestRunning, Some(3600), None),
            (S::OperationComplete, Some(60), None),
            (S::MaintenanceMode, None, None),
        ] {
            assert_eq!(limits(state), (wait_s, limit), "{state}");
        }
    }
}
