//! Why a device was given up, in a sentence that a person can act on.
//!
//! A sentence has two parts: what kind of thing went wrong, which is the same each time and is counted, and what goes on it: how
//! often, how long, what the board said.

use super::{SELF_HEALS_MAX, State};
use crate::logic::events::Signal;
use crate::logic::ids::ImageName;

/// A device was given up, for now or for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The state that says so.
    pub state: State,
    /// What kind of thing went wrong.
    pub cause: &'static str,
    /// What goes on the sentence, with the blank or the comma before it.
    pub detail: String,
    /// The image that was being installed, or should have run.
    pub image: Option<ImageName>,
}

impl Failure {
    /// The sentence.
    pub fn sentence(&self) -> String {
        sentence(self.cause, &self.detail)
    }

    /// The same failure after self-tests have not helped.
    pub(super) fn beyond_healing(self) -> Self {
        let detail = format!("{}; {SELF_HEALS_MAX} self-tests in a row did not help", self.detail);
        Self { state: State::FailedSelfTest, detail, ..self }
    }
}

/// What a device has fetched by TFTP since it was last switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Nobody can say: it has never fetched anything here, and another server may be what it asks.
    Unknown,
    /// Nothing, and it has fetched before.
    Nothing,
    /// This was the last.
    Last(String),
}

impl Failure {
    /// It did not get as far as its live system: what it fetched tells cable from kernel.
    pub fn is_about_booting(&self) -> bool {
        self.cause == NO_PXE_BOOT
    }

    /// The same with what it fetched, if that tells more.
    #[must_use]
    pub fn with_fetched(self, fetched: Fetched) -> Self {
        if !self.is_about_booting() {
            return self;
        }
        let Self { detail, cause, .. } = &self;
        let (cause, detail) = match fetched {
            Fetched::Unknown => (*cause, format!("{detail}; look at its cable, DHCP and boot order")),
            Fetched::Nothing => (NOT_ASKED, format!("{detail}; look at its cable, DHCP and boot order")),
            Fetched::Last(file) => (
                NOT_REPORTED,
                format!("{detail}; the last file that it asked for is {file}, look at its console"),
            ),
        };
        Self { cause, detail, ..self }
    }
}

/// The sentence of a cause and what goes on it.
pub fn sentence(cause: &str, detail: &str) -> String {
    format!("{cause}{detail}")
}

/// What leads to a failed state, as far as the machine knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing is known: the row came from outside.
    Unknown,
    /// A state's time was over too often; `said` is what the board or the hardware said instead of waiting for that.
    TimeOver { state: State, limit_s: u32, times: u16, said: Option<(Signal, Option<String>)> },
    /// The board says so.
    Said { signal: Signal, detail: Option<String> },
    /// There is no relay.
    NoRelay,
    /// There is nothing to boot for this image.
    NoPxeConfig,
    /// What it should boot cannot be made.
    NoBootConfig { why: String },
    /// It has tested itself too often.
    HealsUsedUp,
    /// A person has put it there.
    Forced { who: String },
}

const NO_POWER: &str = "its power could not be switched off and on";
const NO_PING: &str = "it did not answer ping after a power cycle";
const NO_PXE_BOOT: &str = "it did not start its live system from the network";
const NOT_ASKED: &str = "it did not ask for its boot config";
const NOT_REPORTED: &str = "it booted from the network, and its live system did not report";
const LIVE_SYSTEM: &str = "its live system started and did not get on";
const SECOND_STAGE: &str = "its second stage failed";
const NO_DOWNLOAD: &str = "it did not get the image downloaded";
const NO_EXTRACT: &str = "it did not get the image written";
const BAD_IMAGE: &str = "it says that the image is bad";
const NO_AGENT: &str = "the SUT agent of its new system did not answer";
const BAD_CARD: &str = "its SD card did not pass the agent's check";
const NO_CHECK: &str = "its new system did not pass the image's check";
const SELF_TEST: &str = "its self-test found something wrong";
const SELF_TEST_ENDLESS: &str = "its self-test did not end";
const NO_HELP: &str = "self-tests did not help";
const NO_RELAY: &str = "its power cannot be switched, no relay is known for it";
const NO_PXE_CONFIG: &str = "there is no PXE config for its image and hardware type";
const NO_BOOT_CONFIG: &str = "its boot config cannot be made";
const FORCED: &str = "a person has put it there";
const UNKNOWN: &str = "why is not known";

/// What usually leads to a failed state, for one that nothing more is known of.
pub fn usual_cause(state: &str) -> &'static str {
    match State::parse(state) {
        Some(State::FailedPowerCycling) => NO_POWER,
        Some(State::FailedPinging) => NO_PING,
        Some(State::FailedPxeBooting) => NO_PXE_BOOT,
        Some(State::FailedMobileInitStarted) => LIVE_SYSTEM,
        Some(State::FailedSelfTest) => SELF_TEST,
        Some(State::FailedImage) => BAD_IMAGE,
        Some(State::FailedImageExtracting | State::FailedAndroidExtracting | State::FailedB2gExtracting) => {
            NO_EXTRACT
        }
        Some(State::FailedAndroidDownloading | State::FailedB2gDownloading) => NO_DOWNLOAD,
        Some(State::FailedImagePinging | State::FailedAndroidPinging | State::FailedB2gPinging) => NO_CHECK,
        Some(State::FailedSutVerifying) => NO_AGENT,
        Some(State::FailedSutSdcardVerifying) => BAD_CARD,
        _ => UNKNOWN,
    }
}

/// Why `state` was entered.
pub(super) fn explain(state: State, trouble: Trouble, image: Option<ImageName>) -> Failure {
    let (cause, detail) = match trouble {
        Trouble::Unknown => (usual_cause(state.name()), String::new()),
        Trouble::TimeOver { state, limit_s, times, said } => time_over(state, limit_s, times, said),
        Trouble::Said { signal, detail } => (of_signal(signal), words(detail)),
        Trouble::NoRelay => (NO_RELAY, "; set its relay_info".to_owned()),
        Trouble::NoPxeConfig => (NO_PXE_CONFIG, "; give the pair one in the image's `pxe` table".to_owned()),
        Trouble::NoBootConfig { why } => (NO_BOOT_CONFIG, format!(": {why}")),
        Trouble::HealsUsedUp => (NO_HELP, format!(", {SELF_HEALS_MAX} in a row")),
        Trouble::Forced { who } => (FORCED, format!(", from {who}")),
    };
    Failure { state, cause, detail, image }
}

fn words(detail: Option<String>) -> String {
    detail.map(|d| format!(": {d}")).unwrap_or_default()
}

fn of_signal(signal: Signal) -> &'static str {
    match signal {
        Signal::ImageFailed => BAD_IMAGE,
        Signal::FailedSelfTest => SELF_TEST,
        Signal::SecondStageFailed => SECOND_STAGE,
        Signal::MobileInitFailed => LIVE_SYSTEM,
        Signal::SutSdcardFailed => BAD_CARD,
        Signal::PowerCycleFailed => NO_POWER,
        _ => UNKNOWN,
    }
}

fn time_over(
    state: State,
    limit_s: u32,
    times: u16,
    said: Option<(Signal, Option<String>)>,
) -> (&'static str, String) {
    let often = if times > 1 { format!(", {times} times in a row") } else { String::new() };
    let within = format!(" within {limit_s} s{often}");
    if let Some((signal, detail)) = said {
        let look = if signal == Signal::PowerCycleFailed { "; look at its relay board" } else { "" };
        return (of_signal(signal), format!("{often}{}{look}", words(detail)));
    }
    match state {
        State::PcPowerCycling
        | State::PxePowerCycling
        | State::SutVerifyPowerCycle
        | State::ImagePingPowerCycle => (NO_POWER, format!("{within}; look at its relay board")),
        State::PcPinging => (NO_PING, format!("{often}; look at its power, cable and disk")),
        State::PxeBooting => (NO_PXE_BOOT, within),
        State::MobileInitStarted => (LIVE_SYSTEM, within),
        State::AndroidDownloading | State::B2gDownloading | State::ImageDownloading => (NO_DOWNLOAD, within),
        State::AndroidExtracting | State::B2gExtracting | State::ImageExtracting => (NO_EXTRACT, within),
        State::SutVerifying => (NO_AGENT, within),
        State::SutSdcardVerifying => (BAD_CARD, within),
        State::ImagePinging => (NO_CHECK, within),
        State::SelfTestRunning => (SELF_TEST_ENDLESS, within),
        other => (usual_cause(other.name()), format!(", {other} took more than {limit_s} s")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BootToken, Device, Event, Facts, Install, Proof, Step, TABLE, step};
    use super::*;
    use crate::logic::catalog::{Catalog, ImageFacts};
    use crate::logic::ids::HardwareId;
    use crate::logic::time::Timestamp;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);
    const HW: HardwareId = HardwareId(1);

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.images.insert("debian".into(), ImageFacts::default());
        for image in ["debian", "self-test"] {
            catalog.matrix.insert((image.into(), HW), format!("{image}-pxe").into());
        }
        catalog
    }

    /// A device that is installing, and how often its time may still be over before it is given up.
    fn installing(state: State) -> Device {
        let mut device = Device::new("panda-1".into(), state, NOW);
        device.next = Some(Install { image: "debian".into(), boot_config: "".into() });
        device.deadline = Some(NOW);
        device
    }

    /// What the device's last failure is after the event, however often it must come.
    fn given_up(mut device: Device, has_relay: bool, event: &Event) -> String {
        let catalog = catalog();
        let boot_token = BootToken::new([7; BootToken::BYTES]);
        let facts = Facts { catalog: &catalog, hardware: Some(HW), has_relay, claim: None, boot_token };
        let from = device.state;
        for _ in 0..300 {
            device.state = from;
            device.deadline = Some(NOW);
            let event = match event {
                Event::NoBootConfig { why, .. } => {
                    Event::NoBootConfig { epoch: device.epoch, why: why.clone() }
                }
                other => other.clone(),
            };
            match step(&device, facts, event, NOW) {
                Step::Moved(moved) => {
                    if let Some(failure) = moved.failure {
                        let image = failure.image.as_deref().unwrap_or("-").to_owned();
                        return format!("{}: {} [{image}]", failure.state, failure.sentence());
                    }
                    device = moved.next;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("it never fails")
    }

    #[test]
    fn a_sentence_says_what_went_wrong_and_how_often() {
        let time = Event::Deadline { waiting: false };
        let said = |signal, detail: Option<&str>| {
            let detail = detail.map(Into::into);
            Event::Signal { signal, detail, proof: Proof::NotNeeded }
        };
        for (state, event, want) in [
            (
                State::PxeBooting,
                &time,
                "failed_pxe_booting: it did not start its live system from the network within 180 s, 31 times in a row \
                 [debian]",
            ),
            (
                State::PxePowerCycling,
                &time,
                "failed_power_cycling: its power could not be switched off and on within 60 s, 201 times in a row; look at \
                 its relay board [debian]",
            ),
            (
                State::ImageDownloading,
                &time,
                "failed_image: it did not get the image downloaded within 180 s, 4 times in a row [debian]",
            ),
            (
                State::ImageDownloading,
                &said(Signal::ImageFailed, Some("no partition table")),
                "failed_image: it says that the image is bad: no partition table [debian]",
            ),
            (
                State::MobileInitStarted,
                &said(Signal::SecondStageFailed, Some("404")),
                "failed_mobile_init_started: its second stage failed, 11 times in a row: 404 [debian]",
            ),
            (
                State::SelfTestRunning,
                &time,
                "failed_self_test: its self-test did not end within 3600 s [debian]",
            ),
            (
                State::SelfTestRunning,
                &said(Signal::FailedSelfTest, None),
                "failed_self_test: its self-test found something wrong [debian]",
            ),
            (
                State::PcPinging,
                &time,
                "failed_pinging: it did not answer ping after a power cycle, 6 times in a row; look at its power, cable \
                 and disk [debian]",
            ),
            (
                State::PxePowerCycling,
                &Event::NoBootConfig { epoch: super::super::Epoch(0), why: "line 3".into() },
                "failed_pxe_booting: its boot config cannot be made: line 3 [debian]",
            ),
            (
                State::Ready,
                &Event::Force { from: "ready".into(), to: State::FailedSelfTest, who: "10.0.0.7".into() },
                "failed_self_test: a person has put it there, from 10.0.0.7 [-]",
            ),
        ] {
            assert_eq!(given_up(installing(state), true, event), want);
        }
        let power_cycle = Event::Please(super::super::Ask::PowerCycle);
        assert_eq!(
            given_up(installing(State::Ready), false, &power_cycle),
            "failed_power_cycling: its power cannot be switched, no relay is known for it; set its relay_info [-]"
        );
    }

    #[test]
    fn what_it_fetched_tells_cable_from_kernel() {
        let boot = || {
            explain(
                State::FailedPxeBooting,
                Trouble::TimeOver { state: State::PxeBooting, limit_s: 180, times: 31, said: None },
                None,
            )
        };
        let often = "within 180 s, 31 times in a row";
        for (fetched, want) in [
            (
                Fetched::Unknown,
                format!(
                    "it did not start its live system from the network {often}; look at its cable, DHCP and boot order"
                ),
            ),
            (
                Fetched::Nothing,
                format!("it did not ask for its boot config {often}; look at its cable, DHCP and boot order"),
            ),
            (
                Fetched::Last("live/initrd.img".into()),
                format!(
                    "it booted from the network, and its live system did not report {often}; the last file that it asked for is live/initrd.img, look at its console"
                ),
            ),
        ] {
            assert_eq!(boot().with_fetched(fetched).sentence(), want);
        }
        let other = explain(State::FailedPinging, Trouble::Unknown, None);
        assert_eq!(other.clone().with_fetched(Fetched::Nothing), other);
    }

    #[test]
    fn the_last_self_test_in_a_row_tells_what_it_was_to_heal() {
        let mut device = installing(State::ImagePinging);
        device.counters.increment(super::super::Counter::SelfHeals);
        device.counters.increment(super::super::Counter::SelfHeals);
        device.counters.increment(super::super::Counter::SelfHeals);
        assert_eq!(
            given_up(device, true, &Event::Deadline { waiting: false }),
            "failed_self_test: its new system did not pass the image's check within 10 s, 31 times in a row; 3 self-tests in \
             a row did not help [debian]"
        );
    }

    /// Nothing that ends in a failed state goes without a cause, and every failed state has a usual one.
    #[test]
    fn every_failed_state_has_a_cause() {
        for state in State::ALL.iter().filter(|s| s.is_failed()) {
            assert_ne!(usual_cause(state.name()), UNKNOWN, "{state}");
        }
        assert_eq!(usual_cause("ready"), UNKNOWN);
        for def in TABLE.iter().filter(|d| d.wait_s.is_some_and(|s| s > 0) && d.count.is_some()) {
            let sentence = given_up(installing(def.state), true, &Event::Deadline { waiting: false });
            assert!(!sentence.contains(UNKNOWN) && sentence.contains("times in a row"), "{sentence}");
        }
    }
}
