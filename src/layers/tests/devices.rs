//! Devices under a layer that meets trouble: relay boards, stores, rows that others have moved.

use super::faulty::Trouble;
use super::world::{T0, World};
use crate::layers::messages::*;
use crate::logic::events::{ReturnPolicy, Signal};
use crate::logic::lifeguard::{Ask, Counter, Device, Event, Install, State as S};
use crate::logic::machine::Epoch;
use crate::logic::mozpool::State as R;
use crate::store::{Committed, DeviceCommit, DeviceEdit};
use crossbeam_channel::bounded;

fn image(name: &str) -> Ask {
    Ask::Image(Install { image: name.into(), boot_config: "{}".into() })
}

fn count(w: &mut World, device: &str, counter: Counter) -> u16 {
    w.store.load_device(device).unwrap().unwrap().machine.counters.get(counter)
}

/// Moves a device's row behind the layer's back.
fn move_row(w: &mut World, device: &str, change: impl Fn(&mut Device)) {
    let mut next = w.store.load_device(device).unwrap().unwrap().machine;
    let expected = next.epoch;
    next.epoch = next.epoch.next();
    change(&mut next);
    let commit =
        DeviceCommit { next, expected, log: vec![], turns: vec![], result: None, failure: None, at: T0 };
    assert_eq!(w.store.commit_devices(&[commit]).unwrap(), [Committed::Done]);
}

#[test]
fn a_row_moved_by_somebody_else_is_loaded_again() {
    let mut w = World::of(2);
    move_row(&mut w, "b1", |d| d.state = S::Troubleshooting);
    let answer = w.please("b1", image("debian"));
    w.settle();
    assert!(matches!(answer.try_recv(), Ok(DeviceAnswer::Unavailable { .. })));
    assert_eq!(w.state("b1"), S::Troubleshooting);
    let answer = w.please("b1", Ask::SelfTest);
    w.settle();
    assert_eq!(answer.try_recv(), Ok(DeviceAnswer::Accepted { state: S::PcPowerCycling }));
}

#[test]
fn a_row_that_cannot_be_loaded_again_does_not_make_the_layer_spin() {
    let mut w = World::of(1);
    move_row(&mut w, "b1", |d| d.state = S::Troubleshooting);
    w.trouble(Trouble::Corrupt("load_device"));
    w.clock.advance_ms(600_000);
    w.settle();
    assert!(w.next_device_wake().unwrap() > T0.plus_ms(600_000), "it rests before it tries again");
}

#[test]
fn a_job_in_a_healthy_boards_queue_has_time_and_one_in_a_broken_boards_queue_has_not() {
    let mut w = World::of(2);
    for device in ["b1", "b2"] {
        w.please(device, Ask::PowerCycle);
    }
    w.pass_s(200);
    assert_eq!(count(&mut w, "b1", Counter::PowerCycling), 0, "it waits in a healthy queue");
    let epoch = w.epoch("b1");
    w.answers.send(BmmAnswer::PowerStarted { device: "b1".into(), epoch }).unwrap();
    w.pass_s(59);
    assert_eq!(count(&mut w, "b1", Counter::PowerCycling), 0);
    w.pass_s(2);
    assert_eq!(count(&mut w, "b1", Counter::PowerCycling), 1, "a minute after its time began");

    // As bmm spells it: names of hosts differ by more than case.
    w.answers.send(BmmAnswer::BoardHealth { board: "relay1:2101".into(), healthy: false }).unwrap();
    w.pass_s(121);
    assert!(count(&mut w, "b2", Counter::PowerCycling) > 0, "a broken board's queue may never move");
    w.answers.send(BmmAnswer::BoardHealth { board: "relay1:2101".into(), healthy: true }).unwrap();
    w.settle();
    let before = count(&mut w, "b2", Counter::PowerCycling);
    w.pass_s(300);
    assert!(count(&mut w, "b2", Counter::PowerCycling) <= before + 1);
}

#[test]
fn an_answer_that_never_comes_from_a_healthy_queue_is_not_waited_for_for_ever() {
    let mut w = World::of(1);
    w.please("b1", Ask::PowerCycle);
    w.pass_s(3600);
    assert!(count(&mut w, "b1", Counter::PowerCycling) > 0);
}

#[test]
fn late_answers_change_nothing() {
    let mut w = World::of(1);
    w.please("b1", Ask::PowerCycle);
    w.settle();
    let old = w.epoch("b1");
    w.answers
        .send(BmmAnswer::Finished {
            device: "b1".into(),
            epoch: old,
            signal: Signal::PowerCycleFailed,
            detail: None,
        })
        .unwrap();
    w.settle();
    let now = w.epoch("b1");
    assert_ne!(old, now);
    for epoch in [old, Epoch(now.0 + 1)] {
        let signal = Signal::PowerCycleOk;
        w.answers.send(BmmAnswer::Finished { device: "b1".into(), epoch, signal, detail: None }).unwrap();
    }
    w.settle();
    assert_eq!((w.state("b1"), w.epoch("b1")), (S::PcPowerCycling, now));
}

#[test]
fn a_store_that_fails_loses_no_answer_and_no_return() {
    let mut w = World::of(2);
    let request = w.request(Some("b2"), "debian");
    w.install("b2");
    w.please("b1", image("debian"));
    w.settle();
    w.trouble(Trouble::Verb("commit_devices"));
    w.close(request);
    w.answered("b1", Signal::PowerCycleOk);
    let refused = w.please("b1", Ask::Offline);
    w.settle();
    assert!(matches!(refused.try_recv(), Ok(DeviceAnswer::Unavailable { .. })));
    assert_eq!((w.state("b1"), w.state("b2")), (S::PxePowerCycling, S::Ready));
    w.pass_s(5);
    w.trouble(None);
    w.pass_s(2);
    assert_eq!(w.state("b1"), S::PxeBooting, "the power was cycled once, and that is known");
    assert_eq!(w.state("b2"), S::PcPowerCycling, "its pool's policy is a self-test");
    let cycled = w.power_cycles().into_iter().filter(|d| d == "b1").count();
    assert_eq!(cycled, 1);
}

#[test]
fn a_row_that_cannot_be_written_does_not_hold_up_the_others() {
    let mut w = World::of(3);
    w.trouble(Trouble::Device("b2"));
    let answers: Vec<_> = ["b1", "b2", "b3"].map(|device| w.please(device, image("debian"))).into();
    w.settle();
    let accepted: Vec<_> =
        answers.iter().map(|a| matches!(a.try_recv().unwrap(), DeviceAnswer::Accepted { .. })).collect();
    assert_eq!(accepted, [true, false, true]);
    assert_eq!(w.power_cycles(), ["b1", "b3"]);
}

#[test]
fn a_boot_config_that_could_not_be_read_is_published_with_the_next_power_cycle() {
    let mut w = World::of(1);
    w.trouble(Trouble::Verb("pxe_config"));
    w.please("b1", image("debian"));
    w.settle();
    assert_eq!((w.state("b1"), w.boots(1)), (S::PxePowerCycling, None));
    w.trouble(None);
    w.answered("b1", Signal::PowerCycleFailed);
    assert!(w.boots(1).is_some());
}

#[test]
fn a_board_without_an_address_says_why_it_cannot_boot() {
    let mut w = World::of(1);
    w.describe("[[device]]\nname = \"bare\"\nfqdn = \"10.0.0.99\"\nhardware_type = \"pc\"\nrelay_info = \"Relay1:bank4:relay8\"\nstate = \"ready\"\n");
    w.start();
    w.please("bare", image("debian"));
    w.settle();
    assert_eq!(w.state("bare"), S::FailedPxeBooting, "more power cycles would not help");
    assert!(w.log("bare").iter().any(|l| l.contains("no MAC address")), "{:?}", w.log("bare"));
    assert_eq!(w.power_cycles(), Vec::<String>::new());
}

#[test]
fn a_template_that_cannot_be_rendered_ends_the_attempt_before_the_power_is_touched() {
    let mut w = World::of(1);
    w.describe("[[pxe_config]]\nname = \"image\"\ncontents = \"kernel {{ nonsense.kernel }}\"\n");
    w.start();
    w.please("b1", image("debian"));
    w.settle();
    assert_eq!(w.state("b1"), S::FailedPxeBooting);
    assert!(
        w.log("b1").iter().any(|l| l.contains("no boot config") && l.contains("line 1")),
        "{:?}",
        w.log("b1")
    );
    assert_eq!(w.power_cycles(), Vec::<String>::new());
}

#[test]
fn returned_devices_are_treated_by_their_pools_policy() {
    for (policy, wanted) in [
        (ReturnPolicy::Check, S::Ready),
        (ReturnPolicy::None, S::Ready),
        (ReturnPolicy::PowerCycle, S::PcPowerCycling),
        (ReturnPolicy::SelfTest, S::PcPowerCycling),
    ] {
        let mut w = World::of(2);
        w.policy = policy;
        w.start();
        let request = w.request(Some("b1"), "debian");
        w.install("b1");
        w.jobs.try_iter().for_each(drop);
        w.close(request);
        w.settle();
        assert_eq!(w.state("b1"), wanted, "{policy}");
        let probes = w.jobs.try_iter().filter(|j| matches!(j, BmmJob::Probe { .. })).count();
        assert_eq!(probes, usize::from(policy == ReturnPolicy::Check), "{policy}");
        let again = w.request(Some("b1"), "debian");
        let at_once = if wanted == S::Ready { R::Pending } else { R::FindingDevice };
        assert_eq!(w.of_request(again).0, at_once, "{policy}");
    }
}

#[test]
fn a_note_is_changed_by_the_device_s_own_server_only() {
    let mut w = World::of(2);
    w.describe("[[device]]\nname = \"far\"\nfqdn = \"10.0.0.99\"\nimaging_server = \"other\"\n");
    let edit = |w: &mut World, device: &str| {
        let (reply, answer) = bounded(1);
        let edit = DeviceEdit::Environment("gaia".into());
        w.devices.send(LifeguardCommand::Edit { device: device.into(), edit, reply }).unwrap();
        w.settle();
        answer.try_recv().unwrap()
    };
    assert_eq!(edit(&mut w, "far"), DeviceAnswer::UnknownDevice);
    assert_ne!(w.store.device("far").unwrap().unwrap().info.environment, "gaia");
    assert_eq!(edit(&mut w, "nope"), DeviceAnswer::UnknownDevice);
    assert_eq!(edit(&mut w, "b1"), DeviceAnswer::Accepted { state: S::Ready });
    // What the layer remembers has changed, too: the other pool's policy applies.
    let request = w.request(Some("b1"), "debian");
    w.install("b1");
    w.close(request);
    w.settle();
    assert_eq!(w.state("b1"), S::PcPowerCycling);
    w.trouble(Trouble::Verb("edit_device"));
    assert!(matches!(edit(&mut w, "b1"), DeviceAnswer::Unavailable { .. }));
}

#[test]
fn locked_out_means_hands_off() {
    let mut w = World::of(1);
    w.please("b1", image("debian"));
    w.settle();
    w.please("b1", Ask::Offline);
    w.settle();
    assert_eq!((w.state("b1"), w.boots(1)), (S::LockedOut, None));
    assert!(matches!(w.jobs.try_iter().last(), Some(BmmJob::Cancel { .. })));
    for ask in [Ask::SelfTest, Ask::StartMaintenance, Ask::PowerCycle, image("debian"), Ask::Offline] {
        let answer = w.please("b1", ask);
        w.settle();
        assert!(matches!(answer.try_recv(), Ok(DeviceAnswer::Ignored { .. })));
    }
    w.answered("b1", Signal::PowerCycleOk);
    w.pass_s(4000);
    assert_eq!((w.state("b1"), w.jobs.try_iter().count()), (S::LockedOut, 0));
    let request = w.request(None, "debian");
    assert_eq!(w.of_request(request).0, R::FindingDevice);
    let answer = w.event("b1", Event::Please(Ask::Online));
    w.settle();
    assert_eq!(answer.try_recv(), Ok(DeviceAnswer::Accepted { state: S::PcPowerCycling }));
}
