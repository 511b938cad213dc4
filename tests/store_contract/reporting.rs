//! What reports are made of: spells of devices and outcomes of requests, written with what they tell of.

use crate::*;
use mozpool::logic::lifeguard::Failure;
use mozpool::logic::mozpool::State as RequestState;
use mozpool::logic::report::{LASTS, Window};
use mozpool::store::{Deletion, DeviceEdit, SpellRow, TooOld};

const EVER: Window = Window { from: Timestamp(i64::MIN), to: LASTS };

fn at(s: u32) -> Timestamp {
    T0.plus_s(s)
}

/// Moves a device as its machine would.
fn go(
    store: &mut dyn Store,
    name: &str,
    at: Timestamp,
    failure: Option<Failure>,
    change: impl Fn(&mut Device),
) {
    let old = device(store, name);
    let mut next = Device { epoch: old.epoch.next(), ..old.clone() };
    change(&mut next);
    let commit = DeviceCommit { at, failure, ..device_commit(next, old.epoch) };
    assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Done]);
}

/// A step of a request.
fn step(store: &mut dyn Store, id: RequestId, state: RequestState, claim: ClaimChange, at: Timestamp) {
    let old = load_request(store, id);
    let commit = RequestCommit { at, ..claim_commit(&Request { state, ..old.clone() }, claim) };
    assert_eq!(store.commit_requests(&[commit]).unwrap(), [Committed::Done]);
}

/// `since-until group state image request cause`, the newest first; seconds after the beginning.
fn history(store: &mut dyn Store, name: &str) -> Vec<String> {
    let s = |at: Timestamp| if at == LASTS { "…".to_owned() } else { (at.ms_since(T0) / 1000).to_string() };
    let line = |row: SpellRow| {
        let SpellRow { since, until, group, state, image, request, cause } = row;
        let request = request.map_or("-".to_owned(), |r| r.to_string());
        let (image, cause) = (image.unwrap_or("-".into()), cause.map_or(String::new(), |c| format!(" {c}")));
        format!("{}-{} {group} {state} {image} {request}{cause}", s(since), s(until))
    };
    store.device_history(name, 100).unwrap().into_iter().map(line).collect()
}

fn b2g() -> Option<Install> {
    Some(Install { image: "b2g".into(), boot_config: "".into() })
}

fn bad_image() -> Failure {
    Failure {
        state: State::FailedImage,
        cause: "it is bad",
        detail: ": 404".into(),
        image: Some("b2g".into()),
    }
}

pub(crate) fn a_device_is_followed_from_spell_to_spell(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    assert_eq!(history(store, "panda-1"), ["0-… free ready - -"]);
    assert_eq!(history(store, "panda-3"), ["0-… out new - -"]);
    assert!(history(store, "nobody").is_empty());
    let asked = request(store, "here");
    step(store, asked.id, RequestState::Pending, ClaimChange::Take("panda-1".into()), at(10));
    assert_eq!(history(store, "panda-1"), ["0-… free ready - -"], "its machine is about to begin");
    go(store, "panda-1", at(11), None, |d| (d.state, d.next) = (State::PxePowerCycling, b2g()));
    go(store, "panda-1", at(20), None, |d| d.state = State::PxeBooting);
    go(store, "panda-1", at(30), None, |d| {
        (d.state, d.installed, d.next) = (State::Ready, b2g(), None);
    });
    step(store, asked.id, RequestState::Closed, ClaimChange::Drop("panda-1".into()), at(90));
    let id = asked.id;
    assert_eq!(
        history(store, "panda-1"),
        [
            "90-… free ready b2g -".to_owned(),
            format!("30-90 used ready b2g {id}"),
            format!("11-30 working pxe_power_cycling b2g {id}"),
            "0-11 free ready - -".into(),
        ]
    );
    assert_eq!(store.device_history("panda-1", 2).unwrap().len(), 2);
    let edit = DeviceEdit::Environment("quarantine".into());
    assert!(store.edit_device("panda-1", &edit, at(100)).unwrap());
    let moved = lab("[[device]]\nname = \"panda-1\"\nhardware_type = \"pi\"\n");
    store.apply_lab(&moved, false, at(110)).unwrap();
    let mut kinds = Vec::new();
    let of_panda_1 = |s: &mozpool::logic::report::Spell<'_>| s.subject.device == "panda-1";
    store
        .spells(Window { from: at(90), to: at(200) }, &mut |s| {
            if of_panda_1(&s) {
                kinds.push((s.since, s.subject.environment.clone(), s.subject.hardware.clone()));
            }
        })
        .unwrap();
    kinds.sort();
    let panda = "panda ES Rev B2";
    let kind =
        |since, environment: &str, hardware: &str| (since, environment.to_owned(), hardware.to_owned());
    assert_eq!(
        kinds,
        [
            kind(at(90), "staging", panda),
            kind(at(100), "quarantine", panda),
            kind(at(110), "quarantine", "pi"),
        ],
        "what a report sorts by begins another; what ended at the window's beginning is not in it"
    );
}

pub(crate) fn a_failure_is_noted_also_where_the_device_went_on_at_once(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    go(store, "panda-1", at(1), None, |d| (d.state, d.next) = (State::ImageDownloading, b2g()));
    go(store, "panda-1", at(2), Some(bad_image()), |d| (d.state, d.next) = (State::PxePowerCycling, None));
    let failure = Failure { state: State::FailedSelfTest, cause: "no help", detail: "".into(), image: None };
    go(store, "panda-1", at(3), Some(failure), |d| d.state = State::FailedSelfTest);
    go(store, "panda-1", at(4), None, |d| d.vanished = true);
    assert_eq!(
        history(store, "panda-1"),
        [
            "3-… failed failed_self_test - - no help",
            "2-3 working pxe_power_cycling - -",
            "2-2 failed failed_image b2g - it is bad: 404",
            "1-2 working image_downloading b2g -",
            "0-1 free ready - -",
        ]
    );
    let mut failures = Vec::new();
    store
        .failures(Window { from: at(2), to: at(3) }, &mut |f| {
            failures.push((f.subject.device.clone(), f.subject.image.clone(), f.cause.to_owned(), f.at));
        })
        .unwrap();
    assert_eq!(failures, [("panda-1".to_owned(), "b2g".to_owned(), "it is bad".to_owned(), at(2))]);
    let standing = store.standing_failures().unwrap();
    let [only] = &standing[..] else { panic!("{standing:?}") };
    assert_eq!((&*only.device, only.since, only.cause.as_str()), ("panda-1", at(3), "no help"));
    // A second failure in the same group is another spell; one that nobody explains has the usual cause.
    go(store, "panda-1", at(5), Some(bad_image()), |d| d.state = State::FailedImage);
    go(store, "panda-2", at(6), None, |d| d.state = State::FailedPinging);
    assert_eq!(history(store, "panda-1")[0], "5-… failed failed_image b2g - it is bad: 404");
    assert_eq!(
        history(store, "panda-2")[0],
        "6-… failed failed_pinging - - it did not answer ping after a power cycle"
    );
}

pub(crate) fn what_is_no_other_spell_writes_none(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    go(store, "panda-1", at(1), None, |d| d.deadline = Some(at(100)));
    go(store, "panda-1", at(2), None, |d| d.failures = vec![at(2)]);
    store.edit_device("panda-1", &DeviceEdit::Comments("x".into()), at(3)).unwrap();
    store.edit_device("panda-1", &DeviceEdit::Environment("staging".into()), at(3)).unwrap();
    store.apply_lab(&lab(LAB), false, at(4)).unwrap();
    assert_eq!(history(store, "panda-1"), ["0-… free ready - -"]);
    let old = device(store, "panda-1");
    let stale = Device { state: State::LockedOut, epoch: Epoch(99), ..old };
    let commit = DeviceCommit { failure: Some(bad_image()), ..device_commit(stale, Epoch(98)) };
    assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Stale]);
    assert_eq!(history(store, "panda-1"), ["0-… free ready - -"], "a stale commit tells nothing");
}

/// `assignee device ready-ended failed`, sorted.
fn outcomes(store: &mut dyn Store) -> Vec<String> {
    let mut found = Vec::new();
    let s = |at: Timestamp| if at == LASTS { "…".to_owned() } else { (at.ms_since(T0) / 1000).to_string() };
    store
        .outcomes(EVER, &mut |o| {
            let ready = o.ready.map_or("-".to_owned(), s);
            let subject = o.subject;
            let what = [&subject.device, &subject.environment, &subject.hardware, &subject.image]
                .map(String::as_str);
            found.push(format!("{} {} {ready} to {} {}", o.assignee, what.join(","), s(o.ended), o.failed));
        })
        .unwrap();
    found.sort();
    found
}

pub(crate) fn a_request_leaves_its_outcome(world: &World) {
    use ClaimChange::{Drop, Keep, Take};
    let mut store = world.with_lab();
    let store = &mut *store;
    let had = request(store, "here").id;
    step(store, had, RequestState::Pending, Take("panda-1".into()), at(5));
    assert!(outcomes(store).is_empty(), "it waits");
    step(store, had, RequestState::Ready, Keep, at(10));
    step(store, had, RequestState::Ready, Keep, at(11));
    let panda = "staging,panda ES Rev B2,b2g";
    assert_eq!(outcomes(store), [format!("ci panda-1,{panda} 10 to … false")]);
    step(store, had, RequestState::Closed, Drop("panda-1".into()), at(70));
    let had = format!("ci panda-1,{panda} 10 to 70 false");
    assert_eq!(outcomes(store), std::slice::from_ref(&had));
    let one_of = |text: &str| Some(text.into());
    for (assignee, state) in [("no", RequestState::FailedDeviceNotFound), ("up", RequestState::Closed)] {
        let mut new = NewRequest { assignee: assignee.into(), ..new_request("here") };
        (new.wanted.environment, new.wanted.hardware_type) = (one_of("staging"), one_of("panda"));
        let [id] = store.insert_requests(&[new]).unwrap()[..] else { panic!("one number") };
        step(store, id, RequestState::FindingDevice, Keep, at(1));
        step(store, id, state, Keep, at(20));
        // A failed request is closed later; that is not when it ended.
        step(store, id, RequestState::Closed, Keep, at(30));
    }
    assert_eq!(
        outcomes(store),
        [had, "no ,staging,panda,b2g - to 20 true".into(), "up ,staging,panda,b2g - to 20 false".into()]
    );
    let mut count = 0;
    store.outcomes(Window { from: at(71), to: at(99) }, &mut |_| count += 1).unwrap();
    assert_eq!(count, 0, "all were over by then");
}

pub(crate) fn a_clock_that_goes_back_makes_no_spells_overlap(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    go(store, "panda-1", at(50), None, |d| d.state = State::LockedOut);
    go(store, "panda-1", at(20), None, |d| d.state = State::Ready);
    go(store, "panda-1", at(60), None, |d| d.state = State::LockedOut);
    assert_eq!(
        history(store, "panda-1"),
        [
            "60-… out locked_out - -",
            "50-60 free ready - -",
            "50-50 out locked_out - -",
            "0-50 free ready - -"
        ]
    );
}

pub(crate) fn what_reports_need_outlives_all_else_and_goes_by_its_own_age(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    let id = request(store, "here").id;
    step(store, id, RequestState::Pending, ClaimChange::Take("panda-1".into()), at(1));
    step(store, id, RequestState::Ready, ClaimChange::Keep, at(2));
    go(store, "panda-2", at(40), None, |d| d.state = State::LockedOut);
    store.delete(&Deletion::Device("panda-2".into()), false, false, at(50)).unwrap();
    assert_eq!(history(store, "panda-2"), ["40-50 out locked_out - -", "0-40 free ready - -"]);
    let never = Timestamp(i64::MIN);
    let prune = |store: &mut dyn Store, requests, reports| {
        while store
            .prune(&TooOld { logs: never, requests, changes: never, reports, audit: never, now: at(9000) }, 2)
            .unwrap()
        {}
    };
    prune(store, at(8000), never);
    assert!(store.request(id).unwrap().is_none(), "it had expired, and nobody had closed it");
    assert_eq!(outcomes(store), ["ci panda-1,staging,panda ES Rev B2,b2g 2 to 9000 false"]);
    assert_eq!(
        history(store, "panda-1").len(),
        1,
        "its board was ready all the time, and nobody's before and now"
    );
    prune(store, never, at(45));
    assert_eq!(history(store, "panda-2"), ["40-50 out locked_out - -"]);
    prune(store, never, at(9001));
    assert!(history(store, "panda-2").is_empty() && outcomes(store).is_empty());
    assert_eq!(history(store, "panda-1").len(), 1, "what lasts is never too old");
}
