//! Processes that die: whatever the moment, what is loaded again is what was committed, and it goes on.

use super::world::{T0, World};
use crate::layers::messages::*;
use crate::logic::events::Signal;
use crate::logic::lifeguard::{Ask, Install, State as S};
use crate::logic::mozpool::State as R;

/// Everything between the order and the end; each line is a moment to die at.
fn moments() -> Vec<fn(&mut World)> {
    vec![
        |_| {},
        |w| w.answered("b1", Signal::PowerCycleOk),
        |w| w.says("b1", Signal::MobileInitStarted),
        |w| w.says("b1", Signal::ImageDownloading),
        |w| w.says("b1", Signal::ImageExtracting),
        |w| w.says("b1", Signal::ImageRebooting),
        |w| w.answered("b1", Signal::PingOk),
    ]
}

#[test]
fn a_restart_at_any_moment_changes_nothing() {
    for death in 0..moments().len() {
        let mut w = World::of(1);
        let request = w.request(None, "debian");
        for moment in &moments()[..=death] {
            moment(&mut w);
        }
        let before = (w.store.load_device("b1").unwrap(), w.store.load_request(request).unwrap(), w.boots(1));
        w.start();
        w.settle();
        let after = (w.store.load_device("b1").unwrap(), w.store.load_request(request).unwrap(), w.boots(1));
        assert_eq!(after, before, "death {death}");
        for moment in &moments()[death + 1..] {
            moment(&mut w);
        }
        assert_eq!((w.state("b1"), w.of_request(request).0), (S::Ready, R::Ready), "death {death}");
    }
}

#[test]
fn what_was_on_its_way_when_it_died_is_asked_again() {
    // Before the order was read.
    let mut w = World::of(1);
    let asked = w.ask(None, "debian");
    w.mozpool();
    let Ok(CreateAnswer::Created { request, .. }) = asked.try_recv() else { panic!() };
    assert_eq!(w.of_request(request).0, R::ContactingLifeguard);
    w.start();
    w.pass_s(31);
    assert_eq!((w.of_request(request).0, w.state("b1")), (R::Pending, S::PxePowerCycling));

    // After the order was carried out and before that was heard; the power cycle died with it.
    let mut w = World::of(1);
    let asked = w.ask(None, "debian");
    w.mozpool().lifeguard();
    let Ok(CreateAnswer::Created { request, .. }) = asked.try_recv() else { panic!() };
    w.start();
    w.pass_s(61);
    assert_eq!(w.of_request(request).0, R::Pending);
    assert_eq!(w.power_cycles(), ["b1"], "asked again by the time limit, and only by it");

    // After the installation had ended and before the request heard of it.
    w.says_until_ping("b1");
    let epoch = w.epoch("b1");
    let signal = Signal::PingOk;
    w.answers.send(BmmAnswer::Finished { device: "b1".into(), epoch, signal, detail: None }).unwrap();
    w.lifeguard();
    w.start();
    w.pass_s(61);
    assert_eq!(w.of_request(request).0, R::Ready);

    // After the claim was dropped and before the device layer heard of it.
    w.close(request);
    w.mozpool();
    w.start();
    w.pass_s(601);
    assert!(w.jobs.try_iter().any(|j| matches!(j, BmmJob::Probe { .. })), "it is nobody's, and checked");
}

#[test]
fn a_row_from_outside_in_a_passing_state_goes_on() {
    let mut w = World::of(1);
    w.describe(
        "[[device]]\nname = \"old\"\nfqdn = \"10.0.0.99\"\nhardware_type = \"pc\"\n\
         relay_info = \"Relay1:bank4:relay8\"\nstate = \"start_self_test\"\n",
    );
    w.start();
    w.settle();
    assert_eq!(w.state("old"), S::PcPowerCycling);
}

#[test]
fn a_clock_that_is_put_right_moves_no_deadline() {
    for (step_ms, name) in [(-3_600_000, "back an hour"), (86_400_000, "forward a day")] {
        let mut w = World::of(2);
        let request = w.request(Some("b2"), "debian");
        w.install("b2");
        let image = Install { image: "debian".into(), boot_config: "{}".into() };
        w.please("b1", Ask::Image(image));
        w.settle();
        w.answered("b1", Signal::PowerCycleOk);
        let expires = w.store.load_request(request).unwrap().unwrap().machine.expires;
        w.pass_s(60);
        w.clock.put_right_ms(step_ms);
        w.pass_s(119);
        assert_eq!(w.state("b1"), S::PxeBooting, "{name}: its three minutes are not over");
        assert_eq!(w.of_request(request).0, R::Ready, "{name}: it has the board for as long as it was told");
        w.pass_s(2);
        assert_eq!(w.state("b1"), S::PxePowerCycling, "{name}: now they are");
        let now = w.store.load_request(request).unwrap().unwrap().machine.expires;
        assert_eq!(now, expires.plus_ms(step_ms), "{name}");
    }
}

#[test]
fn a_deadline_beyond_reach_is_not_waited_for_after_a_restart() {
    let mut w = World::of(1);
    let image = Install { image: "debian".into(), boot_config: "{}".into() };
    w.please("b1", Ask::Image(image));
    w.settle();
    w.answered("b1", Signal::PowerCycleOk);
    // The clock was a day ahead until now.
    w.clock.put_right_ms(-86_400_000);
    w.start();
    assert!(w.next_device_wake().unwrap() <= T0.plus_ms(-86_400_000).plus_s(180));
    w.pass_s(181);
    assert_eq!(w.state("b1"), S::PxePowerCycling);
}
