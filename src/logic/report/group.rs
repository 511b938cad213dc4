//! The five groups that people sort a device's states into, by the same words everywhere.

use crate::logic::lifeguard::State;
use crate::logic::machine::named_enum;

named_enum! {
    /// How a device is, in one word.
    pub enum Group {
        /// Ready, and nobody's.
        Free = "free",
        /// Ready, and held by a request.
        Used = "used",
        /// The machine is at it, with or without a request.
        Working = "working",
        /// Given up until somebody looks.
        Failed = "failed",
        /// Not in the machine's hands.
        Out = "out",
    }
}

impl Group {
    /// The group of a state; `held`: a request has the device.
    pub fn of(state: State, held: bool) -> Self {
        match state {
            State::Ready if held => Self::Used,
            State::Ready => Self::Free,
            State::New
            | State::Unknown
            | State::LockedOut
            | State::Troubleshooting
            | State::MaintenanceMode => Self::Out,
            State::PcPowerCycling
            | State::PcRebooting
            | State::PcSutRebooting
            | State::PcPinging
            | State::StartPxeBoot
            | State::StartSelfTest
            | State::StartMaintenance
            | State::PxePowerCycling
            | State::PxeBooting
            | State::MobileInitStarted
            | State::AndroidDownloading
            | State::AndroidExtracting
            | State::B2gDownloading
            | State::B2gExtracting
            | State::ImageDownloading
            | State::ImageExtracting
            | State::SutVerifying
            | State::SutVerifyPowerCycle
            | State::SutSdcardVerifying
            | State::ImagePinging
            | State::ImagePingPowerCycle
            | State::OperationComplete
            | State::SelfTestRunning => Self::Working,
            State::FailedPowerCycling
            | State::FailedPinging
            | State::FailedPxeBooting
            | State::FailedMobileInitStarted
            | State::FailedSelfTest
            | State::FailedImage
            | State::FailedImageExtracting
            | State::FailedImagePinging
            | State::FailedSutVerifying
            | State::FailedSutSdcardVerifying
            | State::FailedAndroidDownloading
            | State::FailedAndroidExtracting
            | State::FailedAndroidPinging
            | State::FailedB2gDownloading
            | State::FailedB2gExtracting
            | State::FailedB2gPinging => Self::Failed,
        }
    }

    /// The group of a state by its stored name; a name that this program does not know waits for a person.
    pub fn of_name(state: &str, held: bool) -> Self {
        Self::of(State::parse(state).unwrap_or(State::Unknown), held)
    }
}
