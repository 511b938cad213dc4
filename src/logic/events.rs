//! Event names as boards, operators and CI jobs write them, and what they mean to the machines.
//!
//! These names are public API (`GET|POST /api/device/NAME/event/EVENT/`); they are never renamed.

use super::machine::named_enum;

named_enum! {
    /// Something that a board or the hardware layer says about a device.
    pub enum Signal {
        // From the hardware layer, with the epoch that asked.
        PowerCycleOk = "power_cycle_ok",
        PowerCycleFailed = "power_cycle_failed",
        PingOk = "ping_ok",
        /// The health check of a ready board failed.
        Failed = "failed",
        /// The health check of a ready board passed.
        CheckOk = "check_ok",
        /// A board that was told to reboot has stopped answering.
        Vanished = "vanished",
        SutVerifyOk = "sut_verify_ok",
        SutSdcardOk = "sut_sdcard_ok",
        SutSdcardFailed = "sut_sdcard_failed",
        // From the live system on the board.
        MobileInitStarted = "mobile_init_started",
        AndroidDownloading = "android_downloading",
        AndroidExtracting = "android_extracting",
        AndroidRebooting = "android_rebooting",
        B2gDownloading = "b2g_downloading",
        B2gExtracting = "b2g_extracting",
        B2gRebooting = "b2g_rebooting",
        ImageDownloading = "image_downloading",
        ImageExtracting = "image_extracting",
        ImageRebooting = "image_rebooting",
        /// The image itself is at fault: not there, wrong checksum, broken archive.
        ImageFailed = "image_failed",
        MaintMode = "maint_mode",
        SelfTestRunning = "self_test_running",
        SelfTestOk = "self_test_ok",
        FailedSelfTest = "failed_self_test",
        /// The live system runs and cannot go on: no second stage to be had.
        MobileInitFailed = "mobile_init_failed",
        /// The second stage gave up for a reason of the board's own: its disk, its memory.
        SecondStageFailed = "second_stage_failed",
    }
}

impl Signal {
    /// Whether it answers a question that was put to the hardware layer: no board can know that of itself.
    pub fn is_the_hardwares(self) -> bool {
        match self {
            Self::PowerCycleOk
            | Self::PowerCycleFailed
            | Self::PingOk
            | Self::Failed
            | Self::CheckOk
            | Self::Vanished
            | Self::SutVerifyOk
            | Self::SutSdcardOk
            | Self::SutSdcardFailed => true,
            Self::MobileInitStarted
            | Self::AndroidDownloading
            | Self::AndroidExtracting
            | Self::AndroidRebooting
            | Self::B2gDownloading
            | Self::B2gExtracting
            | Self::B2gRebooting
            | Self::ImageDownloading
            | Self::ImageExtracting
            | Self::ImageRebooting
            | Self::ImageFailed
            | Self::MaintMode
            | Self::SelfTestRunning
            | Self::SelfTestOk
            | Self::FailedSelfTest
            | Self::MobileInitFailed
            | Self::SecondStageFailed => false,
        }
    }
}

/// The event by which an installing board says how far it is; it has a percentage and moves no state.
pub const IMAGE_PROGRESS: &str = "image_progress";

named_enum! {
    /// What a person or the request layer asks of a device. May be refused, with a reason.
    pub enum PleaseName {
        SelfTest = "please_self_test",
        StartMaintenance = "please_start_maintenance",
        PowerCycle = "please_power_cycle",
        Image = "please_image",
        /// Hands off: out of service until `please_online`.
        Offline = "please_offline",
        Online = "please_online",
    }
}

named_enum! {
    /// How an installation ended, as the device tells the request that waits for it.
    pub enum ImagingResult {
        Complete = "complete",
        FailedBadImage = "failed-bad-image",
        FailedBadDevice = "failed-bad-device",
    }
}

named_enum! {
    /// What is done to a device when its request ends; set per environment.
    pub enum ReturnPolicy {
        Check = "check",
        PowerCycle = "power_cycle",
        SelfTest = "self_test",
        None = "none",
    }
}
