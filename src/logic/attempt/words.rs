//! The words of a verdict: steps as people speak of them, and durations as they read them.

use super::usual::StepId;
use super::{BOOT_CONFIG, POWER_ON, Step, StepKind};
use crate::logic::events::Signal;

/// Longer than this is told in minutes and seconds.
const MINUTES_FROM_MS: u64 = 120_000;
/// Shorter than this, tenths of a second count.
const TENTHS_BELOW_MS: u64 = 10_000;

/// States as people call them, where something may take long.
const STATES: &[(&str, &str)] = &[
    ("pxe_power_cycling", "the power cycle"),
    ("pc_power_cycling", "the power cycle"),
    ("image_ping_power_cycle", "the power cycle"),
    ("sut_verify_power_cycle", "the power cycle"),
    ("pxe_booting", "booting from the network"),
    ("mobile_init_started", "the live system"),
    ("android_downloading", "loading the image"),
    ("b2g_downloading", "loading the image"),
    ("image_downloading", "loading the image"),
    ("android_extracting", "writing the image"),
    ("b2g_extracting", "writing the image"),
    ("image_extracting", "writing the image"),
    ("image_pinging", "the new system's start"),
    ("sut_verifying", "the agent's start"),
    ("sut_sdcard_verifying", "the check of the card"),
    ("self_test_running", "the self-test"),
    ("pc_rebooting", "the reboot"),
    ("pc_pinging", "waiting for an answer"),
];

/// What boards say of themselves, as people would.
const EVENTS: &[(Signal, &str)] = &[
    (Signal::MobileInitStarted, "the live system has started"),
    (Signal::AndroidDownloading, "it loads the image"),
    (Signal::B2gDownloading, "it loads the image"),
    (Signal::ImageDownloading, "it loads the image"),
    (Signal::AndroidExtracting, "it writes the image"),
    (Signal::B2gExtracting, "it writes the image"),
    (Signal::ImageExtracting, "it writes the image"),
    (Signal::AndroidRebooting, "it reboots into its new system"),
    (Signal::B2gRebooting, "it reboots into its new system"),
    (Signal::ImageRebooting, "it reboots into its new system"),
    (Signal::ImageFailed, "the image is at fault"),
    (Signal::MaintMode, "somebody may log in"),
    (Signal::SelfTestRunning, "the self-test has begun"),
    (Signal::SelfTestOk, "the self-test has passed"),
    (Signal::FailedSelfTest, "the self-test has failed"),
    (Signal::MobileInitFailed, "the live system cannot go on"),
    (Signal::SecondStageFailed, "the second stage has given up"),
];

/// What a state is about.
pub fn state(name: &str) -> String {
    STATES.iter().find(|(state, _)| *state == name).map_or_else(|| name.replace('_', " "), |s| s.1.to_owned())
}

/// What an event of the board says.
pub fn event(signal: Signal) -> String {
    EVENTS
        .iter()
        .find(|(s, _)| *s == signal)
        .map_or_else(|| signal.name().replace('_', " "), |s| s.1.to_owned())
}

/// `4.1 s`, `62 s`, `2:10`, `1:02:10`.
pub(super) fn lasted(ms: u64) -> String {
    let s = ms / 1000;
    match ms {
        0..TENTHS_BELOW_MS => format!("{s}.{} s", ms % 1000 / 100),
        TENTHS_BELOW_MS..MINUTES_FROM_MS => format!("{s} s"),
        _ => clock(s),
    }
}

fn clock(s: u64) -> String {
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

/// `2:10 instead of 0:48`: both in the same form.
pub(super) fn of_pair(ms: u64, usual_ms: u64) -> String {
    if ms.max(usual_ms) >= MINUTES_FROM_MS {
        return format!("{} instead of {}", clock(ms / 1000), clock(usual_ms / 1000));
    }
    format!("{} instead of {}", lasted(ms), lasted(usual_ms))
}

/// The last part of a path.
pub(super) fn file(path: &str) -> &str {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path)
}

fn named(key: &str) -> String {
    if key == BOOT_CONFIG { format!("a {BOOT_CONFIG}") } else { file(key).to_owned() }
}

/// What took so long.
pub(super) fn subject(step: &Step) -> String {
    match step.kind {
        StepKind::State => state(&step.name),
        StepKind::Power if step.name == POWER_ON => "the power cycle".to_owned(),
        StepKind::Power => "waiting for the relay board".to_owned(),
        _ => named(step.key()),
    }
}

/// How far it has come.
pub(super) fn so_far(step: &Step) -> String {
    match step.kind {
        StepKind::Power => "power is back".to_owned(),
        StepKind::Ping => step.what.clone(),
        StepKind::Event => format!("the board said {}", step.name),
        _ => format!("the board has loaded {}", named(step.key())),
    }
}

/// Where it stopped.
pub(super) fn stopped_after(step: &Step) -> String {
    match step.kind {
        StepKind::Power => "power came back".to_owned(),
        StepKind::Ping if step.name == "vanished" => "stopped after the reboot".to_owned(),
        StepKind::Ping => "stopped after the board answered".to_owned(),
        StepKind::Event => format!("stopped after {}", step.name),
        _ => format!("stopped after {}", step_file(step)),
    }
}

fn step_file(step: &Step) -> String {
    if step.key() == BOOT_CONFIG { "the boot config".to_owned() } else { file(&step.name).to_owned() }
}

/// What did not come.
pub(super) fn never(id: &StepId) -> String {
    match id.kind {
        StepKind::Power => "power never came back".to_owned(),
        StepKind::Ping if id.key == "vanished" => "the board never rebooted".to_owned(),
        StepKind::Ping => "the board never answered".to_owned(),
        StepKind::Event => format!("the board never said {}", id.key),
        _ if id.key == BOOT_CONFIG => format!("the board never asked for a {BOOT_CONFIG}"),
        _ => format!("the board never loaded {}", file(&id.key)),
    }
}

/// What is to come.
pub(super) fn awaited(id: &StepId) -> String {
    match id.kind {
        StepKind::Power => "power to come back".to_owned(),
        StepKind::Ping if id.key == "vanished" => "the board to reboot".to_owned(),
        StepKind::Ping => "the board to answer".to_owned(),
        StepKind::Event => format!("the board to say {}", id.key),
        _ if id.key == BOOT_CONFIG => format!("the board to ask for a {BOOT_CONFIG}"),
        _ => format!("the board to load {}", file(&id.key)),
    }
}
