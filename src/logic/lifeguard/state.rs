//! Where a device can be, and what is counted on the way: names that are public API and stored, and never renamed.
//!
//! What a state does and where it leads stands in `table`.

use crate::logic::machine::named_enum;

named_enum! {
    /// Where a device is.
    pub enum State {
        New = "new",
        Unknown = "unknown",
        LockedOut = "locked_out",
        Troubleshooting = "troubleshooting",
        Ready = "ready",
        PcPowerCycling = "pc_power_cycling",
        PcRebooting = "pc_rebooting",
        PcSutRebooting = "pc_sut_rebooting",
        PcPinging = "pc_pinging",
        StartPxeBoot = "start_pxe_boot",
        StartSelfTest = "start_self_test",
        StartMaintenance = "start_maintenance",
        PxePowerCycling = "pxe_power_cycling",
        PxeBooting = "pxe_booting",
        MobileInitStarted = "mobile_init_started",
        AndroidDownloading = "android_downloading",
        AndroidExtracting = "android_extracting",
        B2gDownloading = "b2g_downloading",
        B2gExtracting = "b2g_extracting",
        ImageDownloading = "image_downloading",
        ImageExtracting = "image_extracting",
        SutVerifying = "sut_verifying",
        SutVerifyPowerCycle = "sut_verify_power_cycle",
        SutSdcardVerifying = "sut_sdcard_verifying",
        ImagePinging = "image_pinging",
        ImagePingPowerCycle = "image_ping_power_cycle",
        OperationComplete = "operation_complete",
        MaintenanceMode = "maintenance_mode",
        SelfTestRunning = "self_test_running",
        FailedPowerCycling = "failed_power_cycling",
        FailedPinging = "failed_pinging",
        FailedPxeBooting = "failed_pxe_booting",
        FailedMobileInitStarted = "failed_mobile_init_started",
        FailedSelfTest = "failed_self_test",
        FailedImage = "failed_image",
        FailedImageExtracting = "failed_image_extracting",
        FailedImagePinging = "failed_image_pinging",
        FailedSutVerifying = "failed_sut_verifying",
        FailedSutSdcardVerifying = "failed_sut_sdcard_verifying",
        FailedAndroidDownloading = "failed_android_downloading",
        FailedAndroidExtracting = "failed_android_extracting",
        FailedAndroidPinging = "failed_android_pinging",
        FailedB2gDownloading = "failed_b2g_downloading",
        FailedB2gExtracting = "failed_b2g_extracting",
        FailedB2gPinging = "failed_b2g_pinging",
    }
}

impl State {
    /// A state in which the device has been given up, for now or for good.
    pub fn is_failed(self) -> bool {
        self.name().starts_with("failed_")
    }
}

named_enum! {
    /// What is counted against a limit. Most are named after the state whose time limit passed.
    pub enum Counter {
        PowerCycling = "power_cycling",
        PcPinging = "pc_pinging",
        /// Power cycles in a row that were followed by no ping at all.
        PingCycles = "ping_cycles",
        PxeBooting = "pxe_booting",
        MobileInitStarted = "mobile_init_started",
        AndroidDownloading = "android_downloading",
        AndroidExtracting = "android_extracting",
        B2gDownloading = "b2g_downloading",
        B2gExtracting = "b2g_extracting",
        ImageDownloading = "image_downloading",
        ImageExtracting = "image_extracting",
        SutVerifying = "sut_verifying",
        SutVerifyPowerCycle = "sut_verify_power_cycle",
        SutSdcardVerifying = "sut_sdcard_verifying",
        ImagePinging = "image_pinging",
        ImagePingPowerCycle = "image_ping_power_cycle",
        /// Self-tests that the device began by itself since it last proved that it works. Survives `start_self_test`.
        SelfHeals = "self_heals",
    }
}
