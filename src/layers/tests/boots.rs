//! Which boot a report is of: the token is on disk with the order of the power cycle, and what is not believed is told once.

use super::world::World;
use crate::layers::messages::*;
use crate::logic::events::Signal;
use crate::logic::lifeguard::{Boot, BootToken, Doubt, Event, Ignored, Proof, State as S};

/// A device whose board is to boot the live system, and the token on the kernel line that it gets.
fn booting(w: &mut World) -> BootToken {
    w.request(None, "debian");
    w.answered("b1", Signal::PowerCycleOk);
    assert_eq!(w.state("b1"), S::PxeBooting);
    let text = w.boots(1).expect("it is offered a boot config");
    let word = text.split_whitespace().find_map(|w| w.strip_prefix("mozpool-boot=")).expect("with a token");
    word.parse().expect("a boot token")
}

fn doubted(answer: &DeviceAnswer) -> Option<Doubt> {
    match answer {
        DeviceAnswer::Ignored { why: Ignored::Doubted { doubt, .. }, .. } => Some(*doubt),
        _ => None,
    }
}

#[test]
fn the_token_on_the_kernel_line_is_the_one_in_the_store_and_outlives_the_process() {
    let mut w = World::of(1);
    let token = booting(&mut w);
    assert_eq!(w.token("b1"), Some(token));
    let offered = w.boots(1);
    w.start();
    assert_eq!((w.token("b1"), w.boots(1)), (Some(token), offered), "what was loaded again offers it again");
    let answer = w.shows("b1", Signal::MobileInitStarted, Proof::Boot(Some(token)));
    assert!(matches!(answer, DeviceAnswer::Accepted { state: S::MobileInitStarted }), "{answer:?}");
}

#[test]
fn what_is_not_of_the_present_boot_changes_nothing_and_is_told_once() {
    let mut w = World::of(2);
    let token = booting(&mut w);
    let other = BootToken::new([9; BootToken::BYTES]);
    for (proof, doubt) in [
        (Proof::Boot(Some(other)), Doubt::OtherBoot),
        (Proof::Boot(None), Doubt::NoToken),
        (Proof::Foreign, Doubt::Foreign),
        (Proof::Boot(Some(other)), Doubt::OtherBoot),
        (Proof::Foreign, Doubt::Foreign),
    ] {
        let before = w.store.load_device("b1").unwrap();
        let answer = w.shows("b1", Signal::MobileInitStarted, proof);
        assert_eq!(doubted(&answer), Some(doubt), "{proof:?}: {answer:?}");
        assert_eq!(w.store.load_device("b1").unwrap(), before, "{proof:?}");
    }
    let told: Vec<String> = w
        .lines
        .try_iter()
        .filter_map(|line| match line {
            JournalLine::Device { message, .. } if message.starts_with("refused event") => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 3, "once for each reason: {told:?}");
    assert!(told.iter().all(|line| !line.contains(&token.text())), "{told:?}");
    let counted: Vec<u64> =
        w.lifeguard.as_ref().expect("it lives").0.doubted().rows().iter().map(|(_, n)| *n).collect();
    assert_eq!(counted, [2, 1, 2, 0, 0, 0]);
    assert_eq!(w.token("b2"), None, "nobody has booted it");
}

#[test]
fn what_is_offered_by_hand_once_more_is_published_with_another_token() {
    let mut w = World::of(1);
    let mut offered = Vec::new();
    for _ in 0..2 {
        let boot = Some(Boot { pxe_config: "image".into(), boot_config: None });
        w.event("b1", Event::Offer { boot, cycles: true });
        w.settle();
        let token = w.token("b1").expect("it boots a live system");
        assert!(w.boots(1).is_some_and(|text| text.contains(&token.text())), "{:?}", w.boots(1));
        offered.push(token);
    }
    assert_ne!(offered[0], offered[1]);
}

#[test]
fn what_is_believed_and_ignored_is_told_once_for_each_state() {
    let mut w = World::of(1);
    let token = booting(&mut w);
    for _ in 0..3 {
        for signal in [Signal::SelfTestOk, Signal::MaintMode] {
            let answer = w.shows("b1", signal, Proof::Boot(Some(token)));
            assert!(matches!(answer, DeviceAnswer::Ignored { .. }), "{signal}: {answer:?}");
        }
    }
    let is_told = |line: JournalLine| match line {
        JournalLine::Device { message, .. } => message.starts_with("ignored event"),
        JournalLine::Step { step, .. } => step.what.starts_with("ignored event"),
        _ => false,
    };
    assert_eq!(
        w.lines.try_iter().filter(|line| is_told(line.clone())).count(),
        4,
        "in the log and the attempt"
    );
    let layer = &w.lifeguard.as_ref().expect("it lives").0;
    assert_eq!(layer.doubted().rows().last(), Some(&("reports_ignored", 6)));
    w.says("b1", Signal::MobileInitStarted);
    w.shows("b1", Signal::SelfTestOk, Proof::Boot(Some(token)));
    assert_eq!(
        w.lines.try_iter().filter(|line| is_told(line.clone())).count(),
        2,
        "in another state once more"
    );
}

#[test]
fn a_board_that_is_booted_again_is_not_moved_by_what_the_first_boot_says_late() {
    let mut w = World::of(1);
    let first = booting(&mut w);
    w.pass_s(181);
    assert_eq!(w.state("b1"), S::PxePowerCycling, "it did not boot in time");
    let second = w.token("b1").expect("another boot");
    assert_ne!(first, second);
    assert!(w.boots(1).is_some_and(|text| text.contains(&second.text()) && !text.contains(&first.text())));
    w.answered("b1", Signal::PowerCycleOk);
    let late = w.shows("b1", Signal::MobileInitStarted, Proof::Boot(Some(first)));
    assert_eq!((doubted(&late), w.state("b1")), (Some(Doubt::OtherBoot), S::PxeBooting));
    w.says("b1", Signal::MobileInitStarted);
    assert_eq!(w.state("b1"), S::MobileInitStarted);
}
