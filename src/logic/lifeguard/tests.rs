//! The device machine, told as stories: a device in a state hears something, and this is what follows.

use super::*;
use crate::logic::catalog::{HardwareFacts, ImageFacts};
use crate::logic::events::Signal as Sig;
use State as S;

mod boots;
mod progress;

const NOW: Timestamp = Timestamp(1_000_000_000_000);
const HW: HardwareId = HardwareId(1);

/// Images `debian` (ping), `b2g` (SUT), `quiet` (no check), `web` (port); self-test has a PXE config when `live_test`.
fn catalog(live_test: bool) -> Catalog {
    let mut catalog = Catalog::default();
    for (name, check) in
        [("debian", Check::Ping), ("b2g", Check::Sut), ("quiet", Check::None), ("web", Check::Tcp(80))]
    {
        catalog.images.insert(name.into(), ImageFacts { check, ..Default::default() });
        catalog.matrix.insert((name.into(), HW), format!("{name}-pxe").into());
    }
    catalog.images.insert("unbootable".into(), ImageFacts::default());
    catalog.matrix.insert(("maintenance".into(), HW), "maintenance-pxe".into());
    if live_test {
        catalog.matrix.insert(("self-test".into(), HW), "self-test-pxe".into());
    }
    catalog.hardware.insert(HW, HardwareFacts::default());
    catalog
}

/// Somebody says so who is believed.
fn said(signal: Sig) -> Event {
    Event::Signal { signal, detail: None, proof: Proof::Operator }
}

struct Story {
    device: Device,
    catalog: Catalog,
    claim: Option<Claim>,
    has_relay: bool,
    now: Timestamp,
    /// The next boot's token is made of this.
    boots: u8,
    /// Of the last step.
    effects: Vec<Effect>,
    result: Option<ImagingResult>,
    log: Vec<String>,
}

impl Story {
    fn of(state: State) -> Self {
        let device = Device::new("panda-1".into(), state, NOW);
        let (catalog, now) = (catalog(true), NOW);
        Self {
            device,
            catalog,
            claim: None,
            has_relay: true,
            now,
            boots: 1,
            effects: vec![],
            result: None,
            log: vec![],
        }
    }

    fn claimed(mut self) -> Self {
        self.claim = Some(Claim { request: RequestId(7), server: "s1".into() });
        self
    }

    fn without_live_test(mut self) -> Self {
        self.catalog = catalog(false);
        self
    }

    fn installing(mut self, image: &str) -> Self {
        self.device.next = Some(install(image));
        self
    }

    fn running(mut self, image: &str) -> Self {
        self.device.installed = Some(install(image));
        self
    }

    fn try_hear(&mut self, event: Event) -> Result<State, Ignored> {
        let facts = Facts {
            catalog: &self.catalog,
            hardware: Some(HW),
            has_relay: self.has_relay,
            claim: self.claim.as_ref(),
            boot_token: BootToken::new([self.boots; BootToken::BYTES]),
        };
        match step(&self.device, facts, event, self.now) {
            Step::Ignored(why) => Err(why),
            Step::Rearmed(Rearmed { deadline, effects }) => {
                self.device.deadline = deadline;
                (self.effects, self.result, self.log) = (effects, None, vec![]);
                Ok(self.device.state)
            }
            Step::Moved(moved) => {
                let moved = *moved;
                (self.device, self.effects, self.result, self.log) =
                    (moved.next, moved.effects, moved.result, moved.log);
                Ok(self.device.state)
            }
        }
    }

    fn hear(&mut self, event: Event) -> State {
        self.try_hear(event).expect("the event is accepted")
    }

    fn board(&mut self, signal: Sig) -> State {
        self.hear(said(signal))
    }

    /// The answer to what the state entry asked.
    fn answered(&mut self, signal: Sig) -> State {
        self.hear(Event::Answer { epoch: self.device.epoch, signal })
    }

    fn please(&mut self, ask: Ask) -> State {
        self.hear(Event::Please(ask))
    }

    /// Waits until the deadline.
    fn time_out(&mut self) -> State {
        self.now = self.device.deadline.expect("the state has a time limit");
        self.hear(Event::Deadline { waiting: false })
    }

    fn has_effect(&self, wanted: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(wanted)
    }
}

fn install(image: &str) -> Install {
    Install { image: image.into(), boot_config: "{}".into() }
}

fn is_cycle(effect: &Effect) -> bool {
    matches!(effect, Effect::PowerCycle { .. })
}

#[test]
fn an_image_is_installed_step_by_step() {
    let mut d = Story::of(S::Ready).claimed();
    assert_eq!(d.please(Ask::Image(install("debian"))), S::PxePowerCycling);
    assert_eq!(d.log, ["entering state start_pxe_boot", "entering state pxe_power_cycling"]);
    assert_eq!(d.device.boot.as_ref().map(|b| &*b.pxe_config), Some("debian-pxe"));
    assert!(d.has_effect(is_cycle));
    assert_eq!(d.answered(Sig::PowerCycleOk), S::PxeBooting);
    assert!(d.device.boot.is_some(), "the board has not asked yet");
    assert_eq!(d.board(Sig::MobileInitStarted), S::MobileInitStarted);
    assert_eq!(d.device.boot, None, "the next boot is from its own disk");
    assert_eq!(d.board(Sig::ImageDownloading), S::ImageDownloading);
    d.device.installed = Some(install("quiet"));
    assert_eq!(d.board(Sig::ImageExtracting), S::ImageExtracting);
    assert_eq!(d.device.installed, None, "what was on the disk is gone");
    assert_eq!(d.board(Sig::ImageRebooting), S::ImagePinging);
    assert_eq!(d.answered(Sig::PingOk), S::Ready);
    assert_eq!(d.log, ["entering state operation_complete", "entering state ready"]);
    assert_eq!((d.device.installed.clone(), d.device.next.clone()), (Some(install("debian")), None));
    assert_eq!(d.result, Some(ImagingResult::Complete));
    let claim = d.claim.clone().unwrap();
    assert!(d.effects.contains(&Effect::Report { claim, result: ImagingResult::Complete }));
    assert!(!d.has_effect(|e| matches!(e, Effect::Probe { .. })), "a device in use is left alone");
}

#[test]
fn images_with_an_agent_are_verified_by_it() {
    let mut d = Story::of(S::B2gExtracting).installing("b2g");
    assert_eq!(d.board(Sig::B2gRebooting), S::SutVerifying);
    assert_eq!(d.answered(Sig::SutVerifyOk), S::SutSdcardVerifying);
    assert!(d.has_effect(|e| matches!(e, Effect::SdCard { .. })));
    assert_eq!(d.answered(Sig::SutSdcardOk), S::Ready);
    let mut d = Story::of(S::AndroidExtracting).installing("debian");
    assert_eq!(d.board(Sig::AndroidRebooting), S::ImagePinging, "one without an agent by ping");
}

#[test]
fn an_answer_to_an_earlier_attempt_changes_nothing() {
    let mut d = Story::of(S::Ready);
    d.please(Ask::PowerCycle);
    let early = d.device.epoch;
    assert_eq!(d.time_out(), S::PcPowerCycling);
    let late = Event::Answer { epoch: early, signal: Sig::PowerCycleOk };
    assert_eq!(d.try_hear(late), Err(Ignored::Late { epoch: early, now: d.device.epoch }));
    assert_eq!(d.answered(Sig::PowerCycleOk), S::PcRebooting);
}

#[test]
fn a_failed_device_is_not_power_cycled_and_ignores_late_relays() {
    let mut d = Story::of(S::Ready).installing("none such");
    d.catalog.matrix.clear();
    assert_eq!(d.please(Ask::StartMaintenance), S::FailedPxeBooting);
    assert!(!d.has_effect(is_cycle), "no PXE config, no power cycle");
    let answer = Event::Answer { epoch: d.device.epoch, signal: Sig::PowerCycleOk };
    assert!(matches!(d.try_hear(answer), Err(Ignored::NotExpected { .. })));
}

#[test]
fn a_device_without_a_relay_says_so() {
    let mut d = Story::of(S::Ready);
    d.has_relay = false;
    assert_eq!(d.please(Ask::PowerCycle), S::FailedPowerCycling);
    assert!(d.log.iter().any(|l| l.contains("no relay is known")), "{:?}", d.log);
}

#[test]
fn limits_are_passed_when_the_count_is_over_them() {
    for (state, timeouts, then) in [
        (S::PcPowerCycling, 201, S::FailedPowerCycling),
        (S::PxePowerCycling, 201, S::FailedPowerCycling),
        (S::PxeBooting, 31, S::FailedPxeBooting),
        (S::MobileInitStarted, 11, S::FailedMobileInitStarted),
    ] {
        let mut d = Story::of(state).installing("debian");
        d.device.deadline = Some(NOW);
        for n in 1..timeouts {
            let next = d.time_out();
            assert!(!next.is_failed(), "{state} failed after {n}");
            // Back to the state whose limit is tried, as if the board had come so far again.
            (d.device.state, d.device.deadline) = (state, Some(d.now));
        }
        assert_eq!(d.time_out(), then, "{state}");
    }
}

#[test]
fn a_dead_relay_board_is_given_time() {
    let mut d = Story::of(S::Ready);
    d.please(Ask::PowerCycle);
    for _ in 0..SOON_MAX {
        assert_eq!(
            d.answered(Sig::PowerCycleFailed),
            S::PcPowerCycling,
            "a relay that sticks is tried again at once"
        );
        assert!(d.has_effect(is_cycle));
    }
    let answer = Event::Answer { epoch: d.device.epoch, signal: Sig::PowerCycleFailed };
    assert_eq!(d.try_hear(answer), Err(Ignored::AsItWas));
    let begun = d.now;
    assert_eq!(d.time_out(), S::PcPowerCycling);
    assert_eq!(d.now, begun.plus_s(60));
    assert!(d.has_effect(is_cycle));
}

#[test]
fn a_success_clears_its_count() {
    let mut d = Story::of(S::PxeBooting).installing("debian");
    d.device.deadline = Some(NOW);
    d.time_out();
    assert_eq!(d.device.counters.get(Counter::PxeBooting), 1);
    d.answered(Sig::PowerCycleOk);
    assert_eq!(d.device.counters.get(Counter::PxeBooting), 1, "the relay's success is not the boot's");
    d.board(Sig::MobileInitStarted);
    assert_eq!(d.device.counters.get(Counter::PxeBooting), 0);
}

#[test]
fn pinging_ends() {
    let mut d = Story::of(S::PcPinging).without_live_test();
    d.device.deadline = Some(NOW);
    let mut cycles = 0;
    loop {
        match d.time_out() {
            S::PcPinging => {}
            S::PcPowerCycling if d.log.iter().any(|l| l.contains("failed_pinging")) => break,
            S::PcPowerCycling => {
                cycles += 1;
                d.answered(Sig::PowerCycleOk);
                assert_eq!(d.time_out(), S::PcPinging);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(cycles, 5, "five power cycles in a row, then failed_pinging and a self-test");
}

#[test]
fn thirteen_missed_pings_make_a_power_cycle() {
    let mut d = Story::of(S::PcPinging);
    d.device.deadline = Some(NOW);
    for _ in 0..12 {
        assert_eq!(d.time_out(), S::PcPinging);
    }
    assert_eq!(d.time_out(), S::PcPowerCycling);
}

#[test]
fn verification_is_helped_by_a_power_cycle_every_tenth_time() {
    for (state, cycle, failed, image) in [
        (S::SutVerifying, S::SutVerifyPowerCycle, S::FailedSutVerifying, "b2g"),
        (S::ImagePinging, S::ImagePingPowerCycle, S::FailedImagePinging, "debian"),
    ] {
        let mut d = Story::of(state).installing(image);
        d.device.deadline = Some(NOW);
        for n in 1..=30 {
            let next = d.time_out();
            if n % 10 == 0 {
                assert_eq!(next, cycle, "time-out {n}");
                assert!(d.has_effect(is_cycle) && d.device.boot.is_none());
                assert_eq!(d.answered(Sig::PowerCycleOk), state);
            } else {
                assert_eq!(next, state, "time-out {n}");
            }
        }
        d.time_out();
        assert!(d.log.contains(&format!("device has failed: {failed}")), "{:?}", d.log);
    }
}

#[test]
fn a_job_in_a_healthy_relay_queue_is_not_timed_out() {
    let mut d = Story::of(S::Ready);
    d.please(Ask::PowerCycle);
    let epoch = d.device.epoch;
    d.now = d.device.deadline.unwrap();
    assert_eq!(d.hear(Event::Deadline { waiting: true }), S::PcPowerCycling);
    assert_eq!((d.device.epoch, d.device.counters.get(Counter::PowerCycling)), (epoch, 0));
    assert_eq!(d.device.deadline, Some(d.now.plus_s(60)));
    d.now = d.now.plus_s(30);
    d.hear(Event::PowerStarted { epoch });
    assert_eq!(d.device.deadline, Some(d.now.plus_s(60)), "its time starts when the board takes it up");
}

#[test]
fn a_bad_image_is_not_the_boards_fault() {
    for state in
        [S::ImageDownloading, S::ImageExtracting, S::B2gDownloading, S::B2gExtracting, S::AndroidDownloading]
    {
        let mut d = Story::of(state).installing("debian").claimed();
        let detail = Some("checksum".to_owned());
        d.hear(Event::Signal { signal: Sig::ImageFailed, detail, proof: Proof::NotNeeded });
        assert_eq!(d.device.state, S::PxePowerCycling, "it heals by self-test");
        assert_eq!(d.result, Some(ImagingResult::FailedBadImage));
        assert!(d.log.contains(&"image_failed: checksum".to_owned()), "{:?}", d.log);
        assert_eq!(d.device.recent_failures(d.now), 0, "its name stays good");
        assert_eq!(d.device.next, Some(install_of_self_test()));
    }
    let mut d = Story::of(S::ImageDownloading).installing("debian").claimed();
    d.device.deadline = Some(NOW);
    for _ in 0..3 {
        assert_eq!(d.time_out(), S::PxePowerCycling);
        (d.device.state, d.device.deadline) = (S::ImageDownloading, Some(d.now));
    }
    d.time_out();
    assert_eq!(d.result, Some(ImagingResult::FailedBadImage), "repeated download failures say so too");
}

fn install_of_self_test() -> Install {
    Install { image: "self-test".into(), boot_config: "".into() }
}

#[test]
fn what_an_installation_may_have_overwritten_is_not_on_the_board_any_more() {
    // The board writes its disk while every event of it gets lost; the machine gives up and tests what it finds.
    let mut d = Story::of(S::Ready).running("b2g").without_live_test();
    d.please(Ask::Image(install("debian")));
    d.answered(Sig::PowerCycleOk);
    d.board(Sig::MobileInitStarted);
    assert_eq!(d.board(Sig::ImageFailed), S::PcPowerCycling);
    assert_eq!(d.device.installed, None, "a request for b2g must not be given this board as it is");
    let mut d = Story::of(S::Ready).running("b2g");
    assert_eq!(d.please(Ask::SelfTest), S::PxePowerCycling);
    assert_eq!(d.device.installed, Some(install("b2g")), "a self-test leaves the disk alone");
}

#[test]
fn a_bad_board_is_remembered_and_reported_once() {
    let mut d = Story::of(S::SutSdcardVerifying).installing("b2g").claimed();
    d.device.deadline = Some(NOW);
    for _ in 0..2 {
        assert_eq!(d.answered(Sig::SutSdcardFailed), S::SutSdcardVerifying);
    }
    d.answered(Sig::SutSdcardFailed);
    assert_eq!(d.result, Some(ImagingResult::FailedBadDevice));
    assert_eq!(d.effects.iter().filter(|e| matches!(e, Effect::Report { .. })).count(), 1);
    assert_eq!(d.device.recent_failures(d.now), 1);
    assert_eq!(d.device.recent_failures(d.now.plus_ms(FAILURE_MEMORY_MS)), 0, "after a week it is forgotten");
}

#[test]
fn a_live_system_that_gives_up_need_not_be_waited_for() {
    for (state, signal) in [
        (S::PxeBooting, Sig::MobileInitFailed),
        (S::MobileInitStarted, Sig::SecondStageFailed),
        (S::ImageDownloading, Sig::SecondStageFailed),
        (S::ImageExtracting, Sig::SecondStageFailed),
    ] {
        let mut d = Story::of(state).installing("debian");
        assert_eq!(d.board(signal), S::PxePowerCycling, "{signal} in {state}");
        let counted: u16 = d.device.counters.iter().map(|(_, n)| n).sum();
        assert_eq!(counted, 1, "{signal} in {state} counts as a time-out");
    }
    assert_eq!(Story::of(S::SelfTestRunning).board(Sig::SecondStageFailed), S::FailedSelfTest);
}

#[test]
fn images_and_hardware_may_set_time_limits() {
    let mut d = Story::of(S::Ready);
    d.catalog.hardware.get_mut(&HW).unwrap().limits = [(S::PxeBooting, 400), (S::PxePowerCycling, 90)].into();
    d.catalog.images.get_mut("debian").unwrap().limits = [(S::PxeBooting, 500)].into();
    d.please(Ask::Image(install("debian")));
    assert_eq!(d.device.deadline, Some(d.now.plus_s(90)), "the hardware's");
    d.answered(Sig::PowerCycleOk);
    assert_eq!(d.device.deadline, Some(d.now.plus_s(500)), "the image's wins");
}

#[test]
fn ping_counts_only_after_the_board_has_vanished() {
    let mut d = Story::of(S::ImageExtracting).installing("debian");
    d.board(Sig::ImageRebooting);
    let probe = |d: &Story| match d.effects.iter().find(|e| matches!(e, Effect::Probe { .. })) {
        Some(Effect::Probe { mode: ProbeMode::Until { steady_s, must_vanish }, .. }) => {
            (*steady_s, *must_vanish)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(probe(&d), (10, true));
    assert_eq!(d.answered(Sig::Vanished), S::ImagePinging);
    assert_eq!(d.time_out(), S::ImagePinging);
    assert_eq!(probe(&d), (10, false), "that it vanished is not forgotten");
    let mut d = Story::of(S::ImageExtracting).installing("web");
    d.board(Sig::ImageRebooting);
    assert_eq!(probe(&d), (0, false), "a port proves itself");
}

#[test]
fn a_ready_device_checks_itself_when_nobody_has_it() {
    let mut d = Story::of(S::Ready).running("web");
    d.device.deadline = Some(NOW);
    assert_eq!(d.time_out(), S::Ready);
    assert!(
        d.has_effect(|e| matches!(e, Effect::Probe { check: Check::Tcp(80), mode: ProbeMode::Once, .. }))
    );
    assert_eq!(d.log, Vec::<String>::new(), "no news");
    assert_eq!(d.answered(Sig::Failed), S::PxePowerCycling);
    let mut d = Story::of(S::Ready).running("web").claimed();
    d.device.deadline = Some(NOW);
    d.time_out();
    assert_eq!(d.effects, []);
}

#[test]
fn returned_devices_are_treated_by_policy() {
    for (policy, then) in [
        (ReturnPolicy::Check, Ok(S::Ready)),
        (ReturnPolicy::PowerCycle, Ok(S::PcPowerCycling)),
        (ReturnPolicy::SelfTest, Ok(S::PxePowerCycling)),
        (ReturnPolicy::None, Err(Ignored::AsItWas)),
    ] {
        let mut d = Story::of(S::Ready).running("debian");
        assert_eq!(d.try_hear(Event::Released { policy }), then, "{policy}");
        assert_eq!(d.has_effect(|e| matches!(e, Effect::Probe { .. })), policy == ReturnPolicy::Check);
        let mut busy = Story::of(S::SelfTestRunning);
        assert_eq!(
            busy.try_hear(Event::Released { policy }),
            Err(Ignored::AsItWas),
            "{policy} while it tests itself"
        );
    }
}

#[test]
fn a_self_test_without_a_live_image_is_a_power_cycle_and_the_images_check() {
    let mut d = Story::of(S::Ready).running("b2g").installing("debian").without_live_test();
    assert_eq!(d.please(Ask::SelfTest), S::PcPowerCycling);
    assert_eq!(d.device.next, None, "nothing that was never installed is promoted");
    d.answered(Sig::PowerCycleOk);
    assert_eq!(d.time_out(), S::PcPinging);
    assert_eq!(d.answered(Sig::PingOk), S::SutVerifying, "the agent has the last word");
    d.answered(Sig::SutVerifyOk);
    assert_eq!(d.answered(Sig::SutSdcardOk), S::Ready);
    assert_eq!(d.device.installed, Some(install("b2g")));

    let mut d = Story::of(S::Ready).running("b2g");
    d.please(Ask::PowerCycle);
    d.answered(Sig::PowerCycleOk);
    d.time_out();
    assert_eq!(d.answered(Sig::PingOk), S::Ready, "a plain power cycle is done when the board is up");
}

#[test]
fn a_board_that_failed_and_healed_does_not_say_that_it_was_imaged() {
    let mut d = Story::of(S::PcPinging).running("debian").claimed();
    d.device.self_testing = true;
    assert_eq!(d.answered(Sig::PingOk), S::Ready);
    assert_eq!((d.result, d.device.self_testing), (None, false));
    assert!(!d.has_effect(|e| matches!(e, Effect::Report { .. })));
}

#[test]
fn a_row_in_a_passing_state_goes_on() {
    for (state, next) in [
        (S::StartPxeBoot, S::PxePowerCycling),
        (S::StartSelfTest, S::PxePowerCycling),
        (S::StartMaintenance, S::PxePowerCycling),
        (S::OperationComplete, S::Ready),
    ] {
        let mut d = Story::of(state).installing("debian");
        d.device.deadline = Some(NOW);
        assert_eq!(d.hear(Event::Deadline { waiting: false }), next, "{state}");
    }
}

#[test]
fn a_board_forced_to_rest_is_offered_nothing() {
    for to in [S::Ready, S::Troubleshooting, S::LockedOut, S::FailedSelfTest] {
        let mut d = Story::of(S::Ready).running("b2g");
        d.please(Ask::Image(install("debian")));
        assert!(d.device.boot.is_some());
        let from = d.device.state.name().into();
        assert_eq!(d.hear(Event::Force { from, to, who: "ann".into() }), to);
        assert_eq!((&d.device.boot, &d.device.next), (&None, &None), "{to}");
    }
}

#[test]
fn self_healing_ends() {
    let mut d = Story::of(S::Ready).running("debian").without_live_test();
    for heal in 1..=SELF_HEALS_MAX {
        assert_eq!(d.hear(said(Sig::Failed)), S::PcPowerCycling, "attempt {heal}");
        d.device.state = S::Ready; // as if it had come up and failed its check again
    }
    assert_eq!(d.hear(said(Sig::Failed)), S::FailedSelfTest);
    assert!(!d.has_effect(is_cycle));
    assert_eq!(d.please(Ask::SelfTest), S::PcPowerCycling, "a person may try again");
    d.device.state = S::Ready;
    let epoch = d.device.epoch;
    d.hear(Event::Answer { epoch, signal: Sig::CheckOk });
    assert_eq!(d.device.counters.get(Counter::SelfHeals), 0, "a passed check forgives");
}

#[test]
fn the_first_word_to_a_request_counts() {
    let mut d = Story::of(S::ImageDownloading).installing("debian").claimed();
    for _ in 0..SELF_HEALS_MAX {
        d.device.counters.increment(Counter::SelfHeals);
    }
    assert_eq!(d.board(Sig::ImageFailed), S::FailedSelfTest, "it may not test itself any more");
    assert_eq!(d.result, Some(ImagingResult::FailedBadImage), "and yet the image is to blame");
    assert_eq!(d.effects.iter().filter(|e| matches!(e, Effect::Report { .. })).count(), 1);
}

#[test]
fn every_state_accepts_what_its_row_says_and_nothing_else() {
    for d in TABLE {
        for ask in [Ask::SelfTest, Ask::StartMaintenance, Ask::PowerCycle, Ask::Image(install("debian"))] {
            let name = ask.name();
            let basic = matches!(ask, Ask::SelfTest | Ask::StartMaintenance);
            let wanted = d.please == Please::Full || d.please == Please::Basic && basic;
            let accepted = Story::of(d.state).try_hear(Event::Please(ask)).is_ok();
            assert_eq!(accepted, wanted, "{name} in {}", d.state);
        }
    }
}

#[test]
fn imaging_is_refused_with_a_reason() {
    let mut d = Story::of(S::Ready);
    let ask = |image| Event::Please(Ask::Image(install(image)));
    assert_eq!(d.try_hear(ask("nonsense")), Err(Ignored::UnknownImage("nonsense".into())));
    assert_eq!(d.try_hear(ask("unbootable")), Err(Ignored::NoPxeConfig("unbootable".into())));
    assert_eq!(d.device.state, S::Ready);
}

#[test]
fn locked_out_means_hands_off() {
    let mut d = Story::of(S::ImageExtracting);
    assert_eq!(d.please(Ask::Offline), S::LockedOut);
    for signal in Sig::ALL {
        assert!(d.try_hear(said(*signal)).is_err(), "{signal}");
    }
    assert!(d.try_hear(Event::Offer { boot: None, cycles: false }).is_err());
    assert_eq!(d.please(Ask::Online), S::PxePowerCycling, "self-test before it is used again");
    let mut used = Story::of(S::Ready).claimed();
    assert_eq!(used.try_hear(Event::Please(Ask::Offline)), Err(Ignored::Assigned(RequestId(7))));
}

#[test]
fn a_forced_state_needs_the_right_old_one() {
    let force = |from: &str| Event::Force { from: from.into(), to: S::Troubleshooting, who: "ann".into() };
    let mut d = Story::of(S::Ready);
    assert!(matches!(d.try_hear(force("new")), Err(Ignored::OtherState { .. })));
    assert_eq!(d.hear(force("ready")), S::Troubleshooting);
    assert!(d.log[0].contains("by ann"), "{:?}", d.log);
    assert_eq!(Story::of(S::Unknown).hear(force("anything")), S::Troubleshooting);
}

#[test]
fn leaving_a_state_that_asked_cancels_its_work() {
    let mut d = Story::of(S::Ready);
    d.please(Ask::PowerCycle);
    d.please(Ask::Offline);
    assert_eq!(d.effects, [Effect::Cancel], "a queued power cycle must not start any more");
}

#[test]
fn a_new_device_tests_itself_at_once() {
    let mut d = Story::of(S::New);
    assert_eq!(d.hear(Event::Deadline { waiting: false }), S::PxePowerCycling);
}

/// A board that always does the same at each step, whatever it is: the machine must come to rest, and never with more
/// power cycles than all limits together allow.
#[test]
fn whatever_a_board_does_the_machine_comes_to_rest() {
    let moments = ["relay", "boot", "second stage", "extract", "reboot", "check", "card", "self-test"];
    for live_test in [true, false] {
        for image in ["debian", "b2g", "quiet", "web"] {
            for fate in 0..1u32 << moments.len() {
                let works = |moment: &str| {
                    let bit = moments.iter().position(|m| *m == moment).expect("a known moment");
                    fate & 1 << bit != 0
                };
                rest(live_test, image, &works, fate);
            }
        }
    }
}

fn rest(live_test: bool, image: &str, works: &dyn Fn(&str) -> bool, fate: u32) {
    let mut d = Story::of(S::Ready);
    if !live_test {
        d = d.without_live_test();
    }
    d.please(Ask::Image(install(image)));
    let (mut cycles, mut proofs) = (0, 0);
    for _ in 0..5_000 {
        cycles += usize::from(d.has_effect(is_cycle));
        let state = d.device.state;
        let answer = match state {
            S::PcPowerCycling | S::PxePowerCycling | S::SutVerifyPowerCycle | S::ImagePingPowerCycle => {
                works("relay").then_some(Sig::PowerCycleOk)
            }
            S::PxeBooting => works("boot").then_some(Sig::MobileInitStarted),
            S::MobileInitStarted => {
                let testing = d.device.next.as_ref().is_some_and(|i| &*i.image == "self-test");
                works("second stage").then_some(if testing {
                    Sig::SelfTestRunning
                } else {
                    Sig::ImageDownloading
                })
            }
            S::ImageDownloading => works("extract").then_some(Sig::ImageExtracting),
            S::ImageExtracting => works("reboot").then_some(Sig::ImageRebooting),
            S::PcPinging | S::ImagePinging => works("check").then_some(Sig::PingOk),
            S::SutVerifying => works("check").then_some(Sig::SutVerifyOk),
            S::SutSdcardVerifying => {
                Some(if works("card") { Sig::SutSdcardOk } else { Sig::SutSdcardFailed })
            }
            S::SelfTestRunning => {
                Some(if works("self-test") { Sig::SelfTestOk } else { Sig::FailedSelfTest })
            }
            S::Ready => {
                proofs += 1;
                // After a live self-test the live system answers; what it says then is the test's word.
                Some(if works("check") { Sig::CheckOk } else { Sig::Failed })
            }
            _ => None,
        };
        if state == S::Ready && works("check") || def(state).wait_s.is_none() {
            let place = if state == S::Ready { "ready" } else { "given up" };
            assert!(
                state == S::Ready || state.is_failed(),
                "fate {fate:b} with {image} rests in {state}, {place}"
            );
            assert!(cycles <= 4 * 206, "fate {fate:b} with {image}: {cycles} power cycles");
            return;
        }
        match answer {
            Some(signal) => drop(d.answered(signal)),
            None => drop(d.time_out()),
        }
    }
    panic!(
        "fate {fate:b} with {image}, live test {live_test}: no rest, {proofs} times ready, now {}",
        d.device.state
    );
}
