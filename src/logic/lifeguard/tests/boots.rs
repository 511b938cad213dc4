//! Which boot a report belongs to: each power-on into the live system has a token of its own.

use super::*;

impl Story {
    /// The next boot into the live system gets another token.
    fn next_token(&mut self) -> BootToken {
        self.boots += 1;
        BootToken::new([self.boots; BootToken::BYTES])
    }

    fn reports(&mut self, signal: Sig, token: BootToken) -> Result<State, Ignored> {
        self.try_hear(Event::Signal { signal, detail: None, proof: Proof::Boot(Some(token)) })
    }
}

/// Asked for an image, its power was cycled.
fn booting(story: &mut Story) -> BootToken {
    let token = story.next_token();
    story.hear(Event::Please(Ask::Image(install("debian"))));
    assert_eq!(story.answered(Sig::PowerCycleOk), S::PxeBooting);
    assert_eq!(story.device.boot_token, Some(token), "in the row that orders the power cycle");
    token
}

#[test]
fn every_try_to_boot_the_live_system_has_a_token_of_its_own() {
    let mut d = Story::of(S::Ready);
    let first = booting(&mut d);
    let second = d.next_token();
    assert_eq!(d.time_out(), S::PxePowerCycling, "it did not boot");
    assert_eq!(d.device.boot_token, Some(second));
    assert_eq!(d.answered(Sig::PowerCycleOk), S::PxeBooting);
    let before = d.device.clone();
    let late = Ignored::Doubted { event: "mobile_init_started".into(), doubt: Doubt::OtherBoot };
    assert_eq!(d.reports(Sig::MobileInitStarted, first), Err(late), "the first boot, late");
    assert_eq!(d.device, before, "changes nothing");
    assert_eq!(d.reports(Sig::MobileInitStarted, second), Ok(S::MobileInitStarted));
    assert_eq!(d.device.boot, None, "nothing is offered any more");
    assert_eq!(d.reports(Sig::ImageDownloading, second), Ok(S::ImageDownloading), "and it runs on");
}

#[test]
fn all_that_a_board_reports_needs_the_token_and_nothing_else_does() {
    let mut d = Story::of(S::Ready);
    let token = booting(&mut d);
    for proof in
        [Proof::Boot(None), Proof::Foreign, Proof::NoAddress, Proof::Boot(Some(BootToken::new([99; 16])))]
    {
        for event in [
            Event::Signal { signal: Sig::MobileInitStarted, detail: None, proof },
            Event::Progress { percent: 5, proof },
            Event::Unknown { name: "hello".into(), proof },
        ] {
            let why = d.try_hear(event.clone());
            assert!(matches!(why, Err(Ignored::Doubted { .. })), "{event:?}: {why:?}");
        }
    }
    // The right one does not open what the state does not know.
    assert!(matches!(d.reports(Sig::SelfTestOk, token), Err(Ignored::NotExpected { .. })));
    assert_eq!(d.hear(Event::Please(Ask::Offline)), S::LockedOut, "people show no token");
}

#[test]
fn no_board_speaks_for_the_hardware_and_none_begins_before_its_power_was_cut() {
    let operator = |signal| Event::Signal { signal, detail: None, proof: Proof::Operator };
    for state in S::ALL {
        for signal in Sig::ALL.iter().copied().filter(|signal| signal.is_the_hardwares()) {
            let mut d = Story::of(*state);
            let token = BootToken::new([7; BootToken::BYTES]);
            d.device.boot_token = Some(token);
            let before = d.device.clone();
            for proof in [Proof::Boot(Some(token)), Proof::NotNeeded] {
                let why = d.try_hear(Event::Signal { signal, detail: None, proof });
                let doubt = Doubt::NotForBoards;
                assert_eq!(why, Err(Ignored::Doubted { event: signal.name().into(), doubt }), "{state}");
                assert_eq!(d.device, before, "{state} {signal}");
            }
        }
    }
    let mut d = Story::of(S::Ready).running("debian");
    let token = d.next_token();
    assert_eq!(d.hear(Event::Please(Ask::Image(install("debian")))), S::PxePowerCycling);
    // What still runs has read the token that is offered already; its power goes with the relay's next click.
    let before = d.device.clone();
    for signal in Sig::ALL.iter().copied() {
        assert!(d.reports(signal, token).is_err(), "{signal}");
        assert_eq!(d.device, before, "{signal}");
    }
    assert_eq!(d.hear(operator(Sig::PowerCycleOk)), S::PxeBooting, "who may operate it says what they see");
    assert_eq!(d.reports(Sig::MobileInitStarted, token), Ok(S::MobileInitStarted));
}

#[test]
fn what_boots_its_own_disk_has_no_live_system_that_could_report() {
    let mut d = Story::of(S::Ready).running("debian");
    let token = booting(&mut d);
    assert_eq!(d.reports(Sig::MobileInitStarted, token), Ok(S::MobileInitStarted));
    for signal in [Sig::ImageDownloading, Sig::ImageExtracting, Sig::ImageRebooting] {
        assert!(d.reports(signal, token).is_ok(), "{signal}");
    }
    assert_eq!(d.device.state, S::ImagePinging);
    // Its answer was lost, and the board says it once more: no news, but no stranger either.
    assert!(matches!(d.reports(Sig::ImageRebooting, token), Err(Ignored::NotExpected { .. })));
    assert_eq!(d.answered(Sig::PingOk), S::Ready);
    d.hear(Event::Please(Ask::PowerCycle));
    assert_eq!(d.device.boot_token, None);
    assert!(matches!(d.reports(Sig::ImageRebooting, token), Err(Ignored::Doubted { .. })));
}

#[test]
fn an_offer_by_hand_has_a_token_and_one_that_is_taken_back_leaves_it_to_what_may_run() {
    let mut d = Story::of(S::Ready);
    let token = d.next_token();
    let boot = Some(Boot { pxe_config: "debian-pxe".into(), boot_config: None });
    d.hear(Event::Offer { boot: boot.clone(), cycles: true });
    assert_eq!(d.device.boot_token, Some(token));
    d.hear(Event::Offer { boot: None, cycles: false });
    assert_eq!((d.device.boot.clone(), d.device.boot_token), (None, Some(token)));
    let again = d.try_hear(Event::Offer { boot: None, cycles: false });
    assert_eq!(again, Err(Ignored::AsItWas));
    // What is offered already is another boot, if the power is cycled once more.
    let (second, offer) = (d.next_token(), Event::Offer { boot, cycles: true });
    d.hear(offer.clone());
    assert_eq!(d.device.boot_token, Some(second));
    let third = d.next_token();
    d.hear(offer);
    assert_eq!(d.device.boot_token, Some(third));
    // A power cycle into its own system ends the boot, also where nothing was offered any more.
    d.hear(Event::Offer { boot: None, cycles: false });
    d.hear(Event::Offer { boot: None, cycles: true });
    assert_eq!(d.device.boot_token, None);
    let nothing = d.try_hear(Event::Offer { boot: None, cycles: true });
    assert_eq!(nothing, Err(Ignored::AsItWas));
    let last = d.next_token();
    d.hear(Event::Offer { boot: Some(Boot { pxe_config: "x".into(), boot_config: None }), cycles: true });
    assert_eq!(d.device.boot_token, Some(last));
    d.hear(Event::Force { from: "ready".into(), to: S::Troubleshooting, who: "x".into() });
    assert_eq!(d.device.boot_token, None, "nothing is under way");
}
