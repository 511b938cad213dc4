//! Requests and devices together: who gets what, and what a lost message costs.

use super::faulty::Trouble;
use super::world::World;
use crate::layers::messages::*;
use crate::logic::events::{ImagingResult, ReturnPolicy, Signal};
use crate::logic::lifeguard::{Ask, Install, State as S};
use crate::logic::mozpool::{ClaimChange, OneOf, State as R};
use crate::store::{DeviceCommit, RequestCommit};
use std::collections::{HashMap, HashSet};

#[test]
fn a_request_is_prepared_imaged_and_returned() {
    let mut w = World::of(1);
    let request = w.request(None, "debian");
    assert_eq!(w.of_request(request), (R::Pending, Some("b1".into())), "without any waiting");
    assert_eq!(w.state("b1"), S::PxePowerCycling);
    assert_eq!(w.power_cycles(), ["b1"]);
    assert!(w.boots(1).is_some(), "what it boots was published before its power was cycled");
    w.install("b1");
    assert_eq!(w.of_request(request), (R::Ready, Some("b1".into())));
    assert_eq!((w.boots(1), w.result(request)), (None, Some(ImagingResult::Complete)));
    let closed = w.close(request);
    w.settle();
    assert_eq!(closed.try_recv(), Ok(RequestAnswer::Accepted { state: R::Closed }));
    assert_eq!(w.of_request(request), (R::Closed, None));
}

#[test]
fn eighty_requests_at_once_get_eighty_boards() {
    let mut w = World::of(80);
    let answers: Vec<_> = (0..80).map(|_| w.ask(None, "debian")).collect();
    w.settle();
    let mut boards = HashSet::new();
    for answer in answers {
        let Ok(CreateAnswer::Created { request, busy: false }) = answer.try_recv() else { panic!() };
        let (state, board) = w.of_request(request);
        assert_eq!(state, R::Pending);
        assert!(boards.insert(board.unwrap()), "given twice");
    }
    let cycled: HashSet<_> = w.power_cycles().into_iter().collect();
    assert_eq!((boards.len(), cycled), (80, boards));
}

#[test]
fn an_image_that_goes_while_it_is_asked_for_is_missed_by_its_own_request_only() {
    let mut w = World::of(2);
    let (lost, good) = (w.ask(None, "gone"), w.ask(None, "debian"));
    w.settle();
    assert!(matches!(lost.try_recv(), Ok(CreateAnswer::Refused { why }) if why.contains("image `gone`")));
    let Ok(CreateAnswer::Created { request, busy: false }) = good.try_recv() else { panic!() };
    assert_eq!(w.of_request(request).0, R::Pending);
}

#[test]
fn a_lost_order_is_given_again_soon_and_in_the_same_epoch() {
    let mut w = World::of(1);
    let answer = w.ask(None, "debian");
    w.mozpool();
    w.forget_orders();
    let Ok(CreateAnswer::Created { request, busy: false }) = answer.try_recv() else { panic!() };
    let epoch = w.epoch_of(request);
    w.clock.advance_ms(1999);
    w.mozpool();
    assert_eq!((w.of_request(request).0, w.devices.len()), (R::ContactingLifeguard, 0));
    w.clock.advance_ms(1);
    w.mozpool();
    assert_eq!((w.epoch_of(request), w.devices.len()), (epoch, 1), "nothing was committed for it");
    w.forget_orders();
    w.pass_s(2);
    assert_eq!(w.of_request(request).0, R::Pending);
    assert_eq!(w.power_cycles(), ["b1"]);
}

#[test]
fn word_that_the_store_had_no_ear_for_is_asked_for_again() {
    let mut w = World::of(1);
    let answer = w.ask(None, "debian");
    w.mozpool().lifeguard();
    // The order was taken; to write that down fails.
    w.trouble(Trouble::Once("commit_requests"));
    w.mozpool();
    let Ok(CreateAnswer::Created { request, busy: false }) = answer.try_recv() else { panic!() };
    assert_eq!(w.of_request(request).0, R::ContactingLifeguard);
    w.pass_s(1);
    assert_eq!(w.of_request(request).0, R::Pending);
    w.trouble(Trouble::Verb("commit_requests"));
    w.install("b1");
    assert_eq!(w.of_request(request).0, R::Pending);
    w.trouble(None);
    w.pass_s(2);
    assert_eq!(w.of_request(request).0, R::Ready, "it has not waited for the next minute");
}

#[test]
fn who_waits_longest_gets_the_board_that_becomes_free() {
    let mut w = World::of(1);
    let first = w.request(None, "debian");
    w.install("b1");
    let second = w.request(None, "debian");
    let third = w.request(None, "debian");
    w.close(first);
    w.settle();
    assert_eq!(w.of_request(second).0, R::FindingDevice, "its pool's policy is a self-test first");
    w.pass_self_test("b1");
    let fourth = w.ask(None, "debian");
    w.settle();
    drop(fourth);
    assert_eq!(w.of_request(second), (R::Pending, Some("b1".into())));
    assert_eq!(w.of_request(third).0, R::FindingDevice);
}

#[test]
fn a_failure_before_the_order_is_acknowledged_is_not_overlooked() {
    let mut w = World::of(2);
    w.describe("[[device]]\nname = \"b1\"\nfqdn = \"10.0.0.1\"\nrelay_info = \"\"\n");
    w.start();
    // A named request ends at once when its board fails while the order is carried out.
    let request = w.request(Some("b1"), "debian");
    assert_eq!(w.state("b1"), S::FailedPowerCycling);
    assert_eq!(w.of_request(request), (R::FailedBadDevice, None), "not a minute later");
}

#[test]
fn an_order_that_comes_twice_is_taken_once() {
    let mut w = World::of(1);
    let request = w.ask(None, "debian");
    w.mozpool();
    // The device layer is slow: the request asks again before the first order is read.
    w.clock.advance_ms(30_000);
    w.mozpool();
    assert_eq!(w.devices.len(), 2);
    w.settle();
    let Ok(CreateAnswer::Created { request, .. }) = request.try_recv() else { panic!() };
    assert_eq!(w.of_request(request), (R::Pending, Some("b1".into())));
    assert_eq!(w.power_cycles(), ["b1"]);
}

#[test]
fn a_board_lost_to_another_server_is_not_taken() {
    let mut w = World::of(2);
    // The search finds `b1`: the other one has failed lately.
    let mut next = w.store.load_device("b2").unwrap().unwrap().machine;
    next.failures = vec![super::world::T0];
    let commit = DeviceCommit {
        expected: next.epoch,
        next,
        log: vec![],
        turns: vec![],
        result: None,
        failure: None,
        at: super::world::T0,
    };
    w.store.commit_devices(&[commit]).unwrap();
    w.start();
    w.rival_takes("b1");
    let request = w.request(None, "debian");
    assert_eq!(w.of_request(request), (R::Pending, Some("b2".into())), "it looked again at once");
    assert_eq!(w.power_cycles(), ["b2"]);
}

#[test]
fn a_request_that_no_board_can_serve_does_not_spin() {
    let mut w = World::of(1);
    // The store has learnt of a PXE config since the layer took its catalog.
    w.describe("[[image]]\nname = \"new\"\npxe = { \"pc\" = \"image\" }\n");
    let request = w.request(None, "new");
    assert_eq!(w.of_request(request), (R::FindingDevice, None));
    w.pass_s(600);
    assert_eq!(w.of_request(request).0, R::FailedDeviceNotFound);
}

#[test]
fn full_channels_cost_time_and_nothing_else() {
    let mut w = World::with(3, 1);
    let answers: Vec<_> = (0..3).map(|_| w.ask(None, "debian")).collect();
    w.mozpool().lifeguard();
    let asked: Vec<_> = answers.iter().map(|a| a.try_recv().unwrap()).collect();
    let mut cycled = HashSet::new();
    for _ in 0..300 {
        w.pass_s(1);
        cycled.extend(w.power_cycles());
    }
    assert_eq!(cycled.len(), 3, "every board was cycled in the end");
    for answer in asked {
        let CreateAnswer::Created { request, .. } = answer else { panic!() };
        assert_eq!(w.of_request(request).0, R::Pending);
    }
}

#[test]
fn a_lost_release_is_noticed() {
    let mut w = World::with(1, 1);
    w.policy = ReturnPolicy::Check;
    w.describe("[[device]]\nname = \"b1\"\nfqdn = \"10.0.0.1\"\nenvironment = \"lab\"\n");
    w.start();
    let request = w.request(None, "debian");
    w.install("b1");
    w.jobs.try_iter().for_each(drop);
    let in_the_way = w.please("b1", Ask::Image(Install { image: "?".into(), boot_config: "".into() }));
    w.close(request);
    w.mozpool();
    w.lifeguard();
    drop(in_the_way);
    assert_eq!(w.of_request(request), (R::Closed, None));
    w.pass_s(601);
    let checks = w.jobs.try_iter().filter(|j| matches!(j, BmmJob::Probe { .. })).count();
    assert_eq!(checks, 1, "nobody has the board, so it is checked");
    let offline = w.please("b1", Ask::Offline);
    w.settle();
    assert_eq!(offline.try_recv(), Ok(DeviceAnswer::Accepted { state: S::LockedOut }));
}

#[test]
fn a_board_whose_release_was_lost_can_be_taken_out_of_service() {
    let mut w = World::with(2, 1);
    let request = w.request(Some("b1"), "debian");
    let in_the_way = w.please("b2", Ask::Online);
    w.close(request);
    w.mozpool();
    w.lifeguard();
    drop(in_the_way);
    let offline = w.please("b1", Ask::Offline);
    w.settle();
    assert_eq!(offline.try_recv(), Ok(DeviceAnswer::Accepted { state: S::LockedOut }), "in the middle of it");
}

#[test]
fn a_lost_result_is_found_with_the_claim() {
    let mut w = World::of(1);
    let request = w.request(None, "debian");
    w.says_until_ping("b1");
    let epoch = w.epoch("b1");
    let signal = Signal::PingOk;
    w.answers.send(BmmAnswer::Finished { device: "b1".into(), epoch, signal, detail: None }).unwrap();
    w.trouble(Trouble::Verb("commit_requests"));
    w.settle();
    w.trouble(None);
    assert_eq!(w.of_request(request).0, R::Pending, "the news came while the store failed");
    w.pass_s(61);
    assert_eq!(w.of_request(request).0, R::Ready);
}

#[test]
fn a_store_that_fails_makes_nothing_and_says_so() {
    let mut w = World::of(2);
    let held = w.request(None, "debian");
    for trouble in [Trouble::All, Trouble::Verb("insert_requests")] {
        w.trouble(trouble);
        let asked = w.ask(None, "debian");
        w.settle();
        assert!(matches!(asked.try_recv(), Ok(CreateAnswer::Unavailable { .. })), "{trouble:?}");
        w.trouble(None);
        w.pass_s(2);
    }
    w.trouble(Trouble::All);
    // A deadline is due as well: whoever asks at that moment is answered, too.
    w.clock.advance_ms(60_000);
    let (asked, closed) = (w.ask(None, "debian"), w.close(held));
    w.settle();
    assert!(matches!(asked.try_recv(), Ok(CreateAnswer::Unavailable { .. })));
    assert!(matches!(closed.try_recv(), Ok(RequestAnswer::Unavailable { .. })));
    w.trouble(None);
    w.pass_s(2);
    assert_eq!(w.store.requests(false).unwrap().len(), 1);
    let request = w.request(None, "debian");
    assert_eq!(w.of_request(request).0, R::Pending);
}

#[test]
fn a_request_that_was_made_is_said_to_be_made() {
    for verb in ["named", "board", "some_boards", "hardware_of_image", "image", "commit_requests"] {
        let mut w = World::of(1);
        w.trouble(Trouble::Verb(verb));
        let asked = w.ask((verb != "some_boards").then_some("b1"), "debian");
        w.settle();
        let answer = asked.try_recv();
        let Ok(CreateAnswer::Created { request, busy: false }) = answer else {
            panic!("{verb}: it is on disk, and {answer:?}")
        };
        w.trouble(None);
        w.pass_s(12);
        assert_eq!(w.of_request(request), (R::Pending, Some("b1".into())), "{verb}: it goes on");
    }
}

#[test]
fn one_unreadable_row_does_not_stop_the_others() {
    let mut w = World::of(3);
    w.trouble(Trouble::Corrupt("imaging_result"));
    drop(w.ask(None, "debian"));
    w.settle();
    w.clock.advance_ms(61_000);
    let second = w.request(None, "debian");
    assert_eq!(w.of_request(second).0, R::Pending, "{:?}", w.request_log(second));
}

#[test]
fn a_close_behind_a_lost_claim_is_not_acknowledged() {
    let mut w = World::of(1);
    let request = w.request(Some("b1"), "debian");
    w.install("b1");
    // The row moves behind the layer's back.
    let mut next = w.store.load_request(request).unwrap().unwrap().machine;
    let expected = next.epoch;
    next.epoch = next.epoch.next();
    let moved = RequestCommit {
        next,
        expected,
        claim: ClaimChange::Keep,
        log: vec![],
        device_log: None,
        at: super::world::T0,
    };
    w.store.commit_requests(&[moved]).unwrap();
    let closed = w.close(request);
    w.settle();
    assert!(matches!(closed.try_recv(), Ok(RequestAnswer::Unavailable { .. })));
    assert_eq!(w.of_request(request).0, R::Ready);
    let closed = w.close(request);
    w.settle();
    assert_eq!(closed.try_recv(), Ok(RequestAnswer::Accepted { state: R::Closed }), "it was loaded again");

    // In one batch: the board becomes free, a rival takes it, and the request that was to have it is closed.
    let mut w = World::of(1);
    w.please("b1", Ask::Offline);
    w.settle();
    let request = w.request(None, "debian");
    w.please("b1", Ask::Online);
    w.settle();
    w.answered("b1", Signal::PowerCycleOk);
    w.pass_s(121);
    let epoch = w.epoch("b1");
    let signal = Signal::PingOk;
    w.answers.send(BmmAnswer::Finished { device: "b1".into(), epoch, signal, detail: None }).unwrap();
    w.rival_takes("b1");
    w.lifeguard();
    let closed = w.close(request);
    w.settle();
    assert!(matches!(closed.try_recv(), Ok(RequestAnswer::Unavailable { .. })));
    assert_eq!(w.of_request(request), (R::FindingDevice, None));
}

#[test]
fn a_board_that_runs_the_image_is_only_power_cycled() {
    let mut w = World::of(2);
    let first = w.request(Some("b1"), "b2g");
    w.install("b1");
    w.close(first);
    w.settle();
    let second = w.request(None, "b2g");
    assert_eq!(w.of_request(second), (R::Pending, Some("b1".into())), "least work first");
    assert_eq!((w.state("b1"), w.boots(1)), (S::PcPowerCycling, None));
    w.pass_self_test("b1");
    assert_eq!(w.of_request(second).0, R::Ready);
    let result = w.result(second);
    assert_eq!(result, Some(ImagingResult::Complete));
}

#[test]
fn each_try_says_which_boards_were_looked_at_and_nothing_twice() {
    let mut w = World::of(4);
    w.please("b2", Ask::Offline);
    w.settle();
    let first = w.request(Some("b1"), "debian");
    assert_eq!(w.request_log(first)[1], "Took b1, which is wanted by name.");
    let second = w.request_of(|wanted| wanted.environment = Some("lab".into()));
    assert_eq!(
        w.request_log(second)[1],
        "Looked for a board: of 4, 1 is free and fit; took b3 (the only one); 1 is of another environment (b4), \
         1 is claimed (b1 by request 1), 1 is not ready (b2 locked_out)."
    );
    let third = w.request_of(|wanted| wanted.environment = Some("lab".into()));
    let nothing = "No board: of 4, 1 is of another environment (b4), 2 are claimed (b1 by request 1, b3 by request 2), \
                   1 is not ready (b2 locked_out); next look in 10 s, or when one becomes free.";
    assert_eq!(w.request_log(third).iter().filter(|l| *l == nothing).count(), 1);
    let lines = w.request_log(third).len();
    w.pass_s(45);
    assert_eq!(w.request_log(third).len(), lines, "what came to the same is not said again");
    w.please("b2", Ask::Online);
    w.settle();
    w.pass_s(10);
    let log = w.request_log(third);
    assert_eq!(log[lines], "5 looks came to the same; now another.", "{log:?}");
    assert!(log[lines + 1].contains("1 is not ready (b2 "), "{log:?}");
    w.pass_s(600);
    let log = w.request_log(third);
    assert_eq!(w.of_request(third).0, R::FailedDeviceNotFound);
    assert!(log.iter().any(|l| l.ends_with(" looks came to the same.")), "{log:?}");
}

#[test]
fn of_requests_that_come_together_each_is_told_the_truth() {
    let mut w = World::of(3);
    let answers: Vec<_> = (0..4).map(|_| w.ask(None, "debian")).collect();
    w.settle();
    let ids: Vec<_> = answers
        .iter()
        .map(|a| match a.try_recv() {
            Ok(CreateAnswer::Created { request, .. }) => request,
            other => panic!("{other:?}"),
        })
        .collect();
    let log = w.request_log(ids[0]);
    assert!(log[1].starts_with("Looked for a board: of 3, 3 are free and fit; took b"), "{log:?}");
    assert!(log[1].contains("(drawn by lot), passed over b"), "{log:?}");
    let log = w.request_log(ids[1]);
    assert!(log[1].starts_with("Looked for a board: of 3, 2 are free and fit; took b"), "{log:?}");
    assert!(log[1].contains("1 was given to another request at the same moment (b"), "{log:?}");
    let log = w.request_log(ids[3]);
    assert!(log[1].contains("of 3, 3 were given to other requests at the same moment (b"), "{log:?}");
}

#[test]
fn any_of_several_wishes_finds_its_board() {
    let mut w = World::of(3);
    let one_of = |values: &[&str]| OneOf::new(values.iter().map(|v| (*v).to_owned()));
    let first = w.request_of(|wanted| wanted.environment = one_of(&["nowhere", "gaia"]));
    assert_eq!(w.of_request(first), (R::Pending, Some("b3".into())));
    let second = w.request_of(|wanted| {
        (wanted.device, wanted.environment) = (Some("b1".into()), one_of(&["gaia", "nowhere"]));
    });
    let log = w.request_log(second);
    assert_eq!(
        log[1],
        "Looked at b1: it is of another environment; next look in 10 s, or when one becomes free."
    );
    w.pass_s(10);
    assert_eq!(w.of_request(second).0, R::FailedDeviceNotFound);
}

#[test]
fn an_operator_ends_any_request_in_any_state_and_both_logs_say_so() {
    let mut w = World::of(2);
    let end = |w: &mut World, request| {
        let (who, reason) = (Some("ann".into()), Some("the rack is moved".into()));
        let answer = w.end(request, RequestEvent::Close { who, reason });
        w.settle();
        assert_eq!(answer.try_recv(), Ok(RequestAnswer::Accepted { state: R::Closed }));
        assert_eq!(w.of_request(request), (R::Closed, None));
        let log = w.request_log(request);
        assert!(log.contains(&"Request was closed by ann at 10.0.0.7: the rack is moved.".into()), "{log:?}");
    };
    // In the middle of an installation: the board goes on with it, and is free when it is done.
    let pending = w.request(Some("b1"), "debian");
    w.says_until_ping("b1");
    let state = w.state("b1");
    end(&mut w, pending);
    let line = format!("Request {pending}, pending, was closed by ann at 10.0.0.7: the rack is moved.");
    assert!(w.log("b1").contains(&line), "{:?}", w.log("b1"));
    assert_eq!(w.state("b1"), state, "it is not torn out of it");
    w.answered("b1", Signal::PingOk);
    assert_eq!(w.state("b1"), S::Ready);
    // Its order is on the way: the board carries it out and is free afterwards.
    let asked = w.ask(Some("b2"), "debian");
    w.mozpool();
    let Ok(CreateAnswer::Created { request: contacting, .. }) = asked.try_recv() else { panic!() };
    assert_eq!(w.of_request(contacting).0, R::ContactingLifeguard);
    end(&mut w, contacting);
    assert_eq!(w.store.named("b2").unwrap().unwrap().claimed_by, None);
    w.install("b2");
    assert_eq!(w.state("b2"), S::Ready);
    // It waits.
    let waiting = w.request_of(|wanted| wanted.environment = Some("nowhere".into()));
    assert_eq!(w.of_request(waiting).0, R::FindingDevice);
    end(&mut w, waiting);
    // Its board has failed.
    let held = w.request(Some("b1"), "debian");
    w.install("b1");
    assert_eq!(w.of_request(held).0, R::Ready);
    w.force("b1", "ready", S::FailedSelfTest);
    end(&mut w, held);
    assert_eq!(w.state("b1"), S::FailedSelfTest);
}

#[test]
fn boards_that_become_free_are_shown_to_each_wish_once() {
    let mut w = World::of(3);
    let held: Vec<_> = (0..3).map(|_| w.request(None, "debian")).collect();
    let vain: Vec<_> =
        (0..5).map(|_| w.request_of(|wanted| wanted.environment = Some("nowhere".into()))).collect();
    let logs = |w: &World| -> Vec<_> { vain.iter().map(|r| w.request_log(*r)).collect() };
    let before = logs(&w);
    let waits = w.request(None, "debian");
    for i in 1..=2 {
        w.install(&format!("b{i}"));
    }
    for request in held {
        w.close(request);
    }
    w.settle();
    w.answered("b1", Signal::CheckOk);
    assert_eq!(w.of_request(waits).0, R::Pending, "who can use one gets it");
    assert_eq!(logs(&w), before, "for the others nothing was written");
}

#[test]
fn every_board_of_many_equal_ones_has_its_turn() {
    let mut w = World::of(301);
    let mut turns: HashMap<String, u32> = HashMap::new();
    for _ in 0..900 {
        let answer = w.ask_for_environment("lab");
        w.mozpool();
        let Ok(CreateAnswer::Created { request, .. }) = answer.try_recv() else { panic!() };
        *turns.entry(w.of_request(request).1.unwrap()).or_default() += 1;
        w.close(request);
        w.mozpool();
        // The device layer is left out: nothing happens to the board.
        w.forget_orders();
    }
    assert!(turns.len() > 270, "{} of 300 boards have had a turn", turns.len());
    let most = turns.values().max().unwrap();
    assert!(*most <= 12, "one board has had {most} of 900 turns, three would be its share");
}

#[test]
fn a_board_that_fails_is_given_away_last() {
    let mut w = World::of(10);
    let mut next = w.store.load_device("b7").unwrap().unwrap().machine;
    next.failures = vec![super::world::T0; 3];
    let commit = DeviceCommit {
        expected: next.epoch,
        next,
        log: vec![],
        turns: vec![],
        result: None,
        failure: None,
        at: super::world::T0,
    };
    w.store.commit_devices(&[commit]).unwrap();
    w.start();
    for _ in 0..9 {
        let request = w.request(None, "debian");
        assert_ne!(w.of_request(request).1.as_deref(), Some("b7"));
        let log = w.request_log(request);
        assert!(log[1].contains("b7 (failed 3 times lately)"), "{log:?}");
    }
    let request = w.request(None, "debian");
    assert_eq!(w.of_request(request).1.as_deref(), Some("b7"));
}

#[test]
fn a_rush_is_served_to_the_last_board() {
    let mut w = World::of(400);
    let answers: Vec<_> = (0..402).map(|_| w.ask(None, "b2g")).collect();
    w.mozpool().mozpool().mozpool();
    let mut boards = HashSet::new();
    let mut vain = 0;
    for answer in answers {
        let Ok(CreateAnswer::Created { request, .. }) = answer.try_recv() else { panic!() };
        match w.of_request(request) {
            (R::FindingDevice, None) => vain += 1,
            (_, board) => assert!(boards.insert(board.unwrap()), "given twice"),
        }
    }
    assert_eq!((boards.len(), vain), (400, 2));
}
