//! What has changed: every change told once, with numbers that have no gap.

use crate::*;
use mozpool::store::{
    CHANGES_KEPT, Change, ChangeData, ChangeKind, ChangeWhat, DeviceEdit, ServerRow, TooOld,
};
use std::time::{Duration, Instant};

/// All changes after a number, as short texts.
fn told(store: &mut dyn Store, after: u64) -> Vec<String> {
    all_after(store, after).iter().map(text).collect()
}

fn all_after(store: &mut dyn Store, after: u64) -> Vec<Change> {
    let page = store.changes(after, 1_000_000).unwrap();
    let numbers: Vec<u64> = page.changes.iter().map(|c| c.seq).collect();
    assert_eq!(numbers, (after + 1..=page.last).collect::<Vec<_>>(), "no gap and nothing twice");
    page.changes
}

fn text(c: &Change) -> String {
    let news = match &c.data {
        ChangeData::Device(d) => {
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
            let (was, request, progress) =
                (text(&d.was), number(d.request), number(d.progress.map(i64::from)));
            let (image, next) = (text(&d.image), text(&d.next_image));
            format!("{was}>{} {} r={request} i={image}/{next} {progress}", d.state, d.environment)
        }
        ChangeData::Request(r) => {
            let (was, device) = (r.was.clone().unwrap_or_default(), r.device.clone().unwrap_or_default());
            let left = r.was_device.as_ref().map(|d| format!(" left {d}")).unwrap_or_default();
            format!("{was}>{} d={device}{left} +{} {}", r.state, (r.expires - T0.0) / 1000, r.assignee)
        }
        ChangeData::DeviceGone(d) => format!("of {}", d.environment),
        ChangeData::Nothing => String::new(),
    };
    format!("{} {} {} {news}", c.kind.name(), c.subject, c.what.name()).trim_end().to_owned()
}

fn last(store: &mut dyn Store) -> u64 {
    store.last_changes().unwrap().all
}

pub(crate) fn a_lab_tells_of_each_thing_that_it_changes(world: &World) {
    let mut store = world.open();
    assert_eq!(store.changes(0, 10).unwrap().changes, [], "what comes with the program is no change");
    store.apply_lab(&lab(LAB), true, T0).unwrap();
    assert_eq!(last(&mut *store), 0, "a dry run is none either");
    assert_eq!(world.location.bell().last(), 0);
    store.apply_lab(&lab(LAB), false, T0.plus_s(1)).unwrap();
    assert_eq!(
        told(&mut *store, 0),
        [
            "server here created",
            "server other created",
            "hardware_type panda ES Rev B2 created",
            "hardware_type pi created",
            "image b2g created",
            "image android created",
            "relay_board relay-1 created",
            "device panda-1 created >ready staging r= i=/",
            "device panda-2 created >ready production r= i=/",
            "device panda-3 created >new  r= i=/",
            "device pi-1 created >ready  r= i=/",
        ]
    );
    assert!(all_after(&mut *store, 0).iter().all(|c| c.at == T0.plus_s(1)));
    let before = last(&mut *store);
    store.apply_lab(&lab(LAB), false, T0).unwrap();
    assert_eq!(last(&mut *store), before, "the same again changes nothing");
    let more =
        LAB.replace("Left shelf", "Right shelf").replace(r#""pi" = "maintenance""#, r#""pi" = "self-test""#);
    store.apply_lab(&lab(&more), false, T0).unwrap();
    assert_eq!(
        told(&mut *store, before),
        ["image b2g changed", "device panda-1 changed >ready staging r= i=/"]
    );
    let numbers = store.last_changes().unwrap();
    assert_eq!(numbers.of_kind(ChangeKind::Server), 2);
    assert_eq!(numbers.of_kind(ChangeKind::Image), before + 1);
    assert_eq!((numbers.of_kind(ChangeKind::Device), numbers.all), (before + 2, before + 2));
    assert_eq!(numbers.of_kind(ChangeKind::Request), 0);
}

pub(crate) fn a_device_is_told_of_when_others_can_see_it(world: &World) {
    let mut store = world.with_lab();
    let start = last(&mut *store);
    let old = device(&mut *store, "panda-1");
    let b2g = Install { image: "b2g".into(), boot_config: "{}".into() };
    let next = Device { state: State::PxeBooting, epoch: Epoch(1), next: Some(b2g), ..old.clone() };
    let further = Device { progress: Some(40), ..next.clone() };
    // Only a limit is set again: nobody sees it.
    let again = Device { deadline: Some(T0.plus_s(9)), epoch: Epoch(2), ..further.clone() };
    let commits = [
        device_commit(next.clone(), old.epoch),
        device_commit(further.clone(), Epoch(1)),
        device_commit(again, Epoch(1)),
        // Refused, so not told.
        device_commit(old.clone(), Epoch(77)),
    ];
    let done = store.commit_devices(&commits).unwrap();
    assert_eq!(done, [Committed::Done, Committed::Done, Committed::Done, Committed::Stale]);
    assert!(store.edit_device("panda-1", &DeviceEdit::Environment("attic".into()), T0).unwrap());
    assert!(!store.edit_device("nope", &DeviceEdit::Environment("attic".into()), T0).unwrap());
    assert_eq!(
        told(&mut *store, start),
        [
            "device panda-1 state ready>pxe_booting staging r= i=/b2g",
            "device panda-1 changed >pxe_booting staging r= i=/b2g 40",
            "device panda-1 changed >pxe_booting attic r= i=/b2g 40",
        ]
    );
}

pub(crate) fn a_request_is_told_of_and_so_is_its_device(world: &World) {
    let mut store = world.with_lab();
    let start = last(&mut *store);
    let one = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &one, "panda-2"), Committed::Done);
    let now = load_request(&mut *store, one.id);
    // Nothing but its epoch is different, or it is refused.
    store
        .commit_requests(&[claim_commit(&now, ClaimChange::Keep), claim_commit(&one, ClaimChange::Keep)])
        .unwrap();
    let now = load_request(&mut *store, one.id);
    let mut renewed = claim_commit(&now, ClaimChange::Keep);
    renewed.next.expires = T0.plus_s(7200);
    let mut closed = claim_commit(&renewed.next, ClaimChange::Drop("panda-2".into()));
    closed.next.state = mozpool::logic::mozpool::State::Closed;
    store.commit_requests(&[renewed, closed]).unwrap();
    let late = TooOld {
        logs: Timestamp(0),
        requests: T0.plus_s(7201),
        changes: Timestamp(0),
        reports: Timestamp(0),
        audit: Timestamp(i64::MIN),
        now: T0.plus_s(9000),
    };
    store.prune(&late, 10).unwrap();
    let id = one.id;
    assert_eq!(
        told(&mut *store, start),
        [
            format!("request {id} created >new d= +3600 ci"),
            format!("request {id} changed >new d=panda-2 +3600 ci"),
            format!("device panda-2 changed >ready production r={id} i=/"),
            format!("request {id} changed >new d=panda-2 +7200 ci"),
            format!("request {id} state new>closed d= left panda-2 +7200 ci"),
            "device panda-2 changed >ready production r= i=/".to_owned(),
            format!("request {id} deleted"),
        ]
    );
    assert_eq!(all_after(&mut *store, start).last().unwrap().at, T0.plus_s(9000));
}

pub(crate) fn a_server_is_told_of_when_its_address_is_new(world: &World) {
    let mut store = world.open();
    let row = |url: &str| ServerRow { name: "here".into(), url: url.into() };
    for url in ["http://a", "http://a", "http://b"] {
        store.register_server(&row(url), T0).unwrap();
    }
    assert_eq!(told(&mut *store, 0), ["server here created", "server here changed"]);
}

/// One that fails in its middle gives its numbers back.
pub(crate) fn what_was_taken_back_has_no_number(world: &World) {
    let mut store = world.with_lab();
    let start = last(&mut *store);
    let bad = new_request("nobody");
    assert!(store.insert_requests(&[new_request("here"), bad]).is_err());
    assert_eq!(last(&mut *store), start);
    let made = request(&mut *store, "here");
    assert_eq!(told(&mut *store, start), [format!("request {} created >new d= +3600 ci", made.id)]);
}

pub(crate) fn numbers_have_no_gap_whoever_writes(world: &World) {
    drop(world.with_lab());
    let bell = world.location.bell();
    let start = bell.last();
    let end = start + 2 * 25 * 2 + 25;
    std::thread::scope(|scope| {
        let hears = &bell;
        scope.spawn(move || {
            let mut store = world.open();
            let mut heard = 0;
            let limit = Instant::now() + Duration::from_secs(60);
            while heard < end {
                assert!(Instant::now() < limit, "the writers have stopped at {heard}");
                heard = hears.last();
                assert!(last(&mut *store) >= heard, "what the bell says is there");
            }
        });
        for thread in 0..4u32 {
            let bell = &bell;
            scope.spawn(move || {
                let mut store = world.open();
                for n in 0..25 {
                    let before = bell.last();
                    let state = if n % 2 == 0 { State::PxeBooting } else { State::Ready };
                    match thread {
                        0 | 1 => {
                            store.insert_requests(&[new_request("here"), new_request("other")]).unwrap();
                        }
                        2 => put(&mut *store, "panda-1", state),
                        _ => {
                            store.insert_requests(&[new_request("nobody")]).unwrap_err();
                        }
                    }
                    assert!(thread == 3 || bell.last() > before, "it has rung before the call returned");
                }
            });
        }
    });
    let mut store = world.open();
    assert_eq!(all_after(&mut *store, start).len() as u64, end - start);
    assert_eq!(bell.last(), last(&mut *store));
    assert_eq!(bell.last_of(ChangeKind::Request), store.last_changes().unwrap().of_kind(ChangeKind::Request));
}

pub(crate) fn pages_say_where_they_lie(world: &World) {
    let mut store = world.with_lab();
    let end = last(&mut *store);
    let page = store.changes(3, 2).unwrap();
    assert_eq!(page.changes.iter().map(|c| c.seq).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((page.oldest, page.last), (1, end));
    // The clock was wrong for a while: what lies between old ones is deleted with them only.
    let old = device(&mut *store, "panda-1");
    let mut commit = device_commit(Device { state: State::LockedOut, ..old.clone() }, old.epoch);
    commit.at = T0.plus_ms(-50_000);
    store.commit_devices(&[commit]).unwrap();
    let prune = |store: &mut dyn Store, changes: Timestamp, limit| {
        let too_old =
            TooOld { logs: changes, requests: changes, changes, reports: changes, audit: changes, now: T0 };
        store.prune(&too_old, limit).unwrap()
    };
    assert!(!prune(&mut *store, T0, 100), "the first is not old enough");
    assert_eq!(store.changes(0, 1).unwrap().oldest, 1);
    assert!(prune(&mut *store, T0.plus_ms(1), 2), "a full chunk: there is more");
    let page = store.changes(0, 1).unwrap();
    assert_eq!((page.oldest, page.changes[0].seq), (3, 3));
    assert!(!prune(&mut *store, T0.plus_ms(1), 100));
    let page = store.changes(0, 100).unwrap();
    assert_eq!((page.changes.len(), page.oldest, page.last), (0, end + 2, end + 1));
    // The counter stays, also for whoever opens it next.
    drop(store);
    let mut store = world.open();
    put(&mut *store, "panda-2", State::LockedOut);
    assert_eq!(told(&mut *store, end + 1), ["device panda-2 state ready>locked_out production r= i=/"]);
    assert_eq!(store.last_changes().unwrap().of_kind(ChangeKind::HardwareType), 4);
}

/// So many at the highest rate that nobody can wait for an hourly clean-up. The first 200,000 are left out here: the counter
/// is put as if they had been.
#[test]
fn changes_are_kept_to_a_number() {
    let world = World::file();
    let mut store = world.with_lab();
    assert_eq!(store.changes(0, 1).unwrap().oldest, 1);
    let counter = format!("UPDATE change_counts SET last = {CHANGES_KEPT} WHERE kind = 'all'");
    rusqlite::Connection::open(world.location.path().unwrap()).unwrap().execute_batch(&counter).unwrap();
    let ask = |store: &mut dyn Store, n| {
        let requests: Vec<_> = (0..n).map(|_| new_request("here")).collect();
        store.insert_requests(&requests).unwrap();
        store.changes(0, 1).unwrap().oldest
    };
    assert_eq!(ask(&mut *store, 999), 1, "not for each of them");
    assert_eq!(ask(&mut *store, 1), CHANGES_KEPT + 1, "all but the last {CHANGES_KEPT}");
}

/// A value of its own opened on the same place has a bell of its own; it starts from what is stored.
pub(crate) fn a_bell_knows_what_was_there_before(world: &World) {
    let mut store = world.with_lab();
    let end = last(&mut *store);
    let bell = world.location.clone().bell();
    assert_eq!(bell.last(), end, "clones share it");
    put(&mut *store, "panda-1", State::LockedOut);
    assert_eq!((bell.last(), bell.last_of(ChangeKind::Device)), (end + 1, end + 1));
    assert_eq!(bell.last_of(ChangeKind::RelayBoard), 7);
    assert_eq!(ChangeWhat::ALL.len(), 4);
    if let Some(path) = world.location.path() {
        let other = Location::sqlite(path);
        assert_eq!(other.bell().last(), 0, "nobody has opened it yet");
        let mut store = other.open().unwrap();
        assert_eq!(other.bell().last(), end + 1);
        put(&mut *store, "panda-2", State::LockedOut);
        assert_eq!((other.bell().last(), bell.last()), (end + 2, end + 1));
    }
}
