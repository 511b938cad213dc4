//! The device layer's writes.

use crate::*;
use mozpool::logic::events::ImagingResult;
use mozpool::store::{DeviceEdit, ServerRow};
use std::sync::Barrier;

pub(crate) fn a_commit_is_seen_by_every_connection(world: &World) {
    let mut store = world.with_lab();
    let mut other = world.open();
    let old = device(&mut *store, "panda-1");
    let next = Device { state: State::PxePowerCycling, epoch: old.epoch.next(), ..old.clone() };
    let commit = DeviceCommit {
        log: vec!["initiating power cycle".into(), "second".into()],
        at: T0.plus_s(5),
        ..device_commit(next.clone(), old.epoch)
    };
    assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Done]);
    drop(store);
    assert_eq!(device(&mut *other, "panda-1"), next);
    let log = other.device_log("panda-1", None, None).unwrap();
    assert_eq!(messages(&log), ["initiating power cycle", "second"]);
    assert!(log.iter().all(|l| l.source == "statemachine" && l.at == T0.plus_s(5)));
}

pub(crate) fn a_stale_commit_writes_nothing_and_harms_no_other(world: &World) {
    let mut store = world.with_lab();
    let holder = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &holder, "panda-1"), Committed::Done);
    put(&mut *store, "panda-1", State::PxeBooting);
    let before = device(&mut *store, "panda-1");

    let mut late = device_commit(Device { state: State::Ready, ..before.clone() }, Epoch(0));
    late.result = Some(ImagingResult::Complete);
    let other = device(&mut *store, "panda-2");
    let good = Device { state: State::LockedOut, epoch: other.epoch.next(), ..other.clone() };
    let gone = Device { name: "nope".into(), ..other.clone() };
    let commits =
        [late.clone(), device_commit(good.clone(), other.epoch), late, device_commit(gone, other.epoch)];
    let done = store.commit_devices(&commits).unwrap();
    assert_eq!(done, [Committed::Stale, Committed::Done, Committed::Stale, Committed::Stale]);
    assert_eq!(device(&mut *store, "panda-1"), before);
    assert_eq!(messages(&store.device_log("panda-1", None, None).unwrap()), ["entering state pxe_booting"]);
    assert_eq!(store.imaging_result(holder.id).unwrap(), None);
    assert_eq!(device(&mut *store, "panda-2"), good);
}

pub(crate) fn what_follows_a_refused_commit_is_refused(world: &World) {
    let mut store = world.with_lab();
    let old = device(&mut *store, "panda-1");
    put(&mut *store, "panda-1", State::LockedOut);
    let moved = |epoch: Epoch| Device { state: State::PxeBooting, epoch, ..old.clone() };
    let (one, two) = (old.epoch.next(), old.epoch.next().next());
    let commits = [device_commit(moved(one), old.epoch), device_commit(moved(two), one)];
    assert_eq!(store.commit_devices(&commits).unwrap(), [Committed::Stale; 2], "although epoch 1 is there");
    assert_eq!(device(&mut *store, "panda-1").state, State::LockedOut);

    let old = request(&mut *store, "here");
    store.commit_requests(&[claim_commit(&old, ClaimChange::Keep)]).unwrap();
    let next = Request { epoch: one, ..old.clone() };
    let commits = [claim_commit(&old, ClaimChange::Keep), claim_commit(&next, ClaimChange::Keep)];
    assert_eq!(store.commit_requests(&commits).unwrap(), [Committed::Stale; 2]);
}

pub(crate) fn a_result_lies_with_the_claim(world: &World) {
    let mut store = world.with_lab();
    let holder = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &holder, "panda-1"), Committed::Done);
    for result in [ImagingResult::FailedBadImage, ImagingResult::Complete] {
        let old = device(&mut *store, "panda-1");
        let mut commit = device_commit(Device { epoch: old.epoch.next(), ..old.clone() }, old.epoch);
        commit.result = Some(result);
        assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Done]);
        assert_eq!(store.imaging_result(holder.id).unwrap(), Some(result));
    }
    // A result of a device that nobody has goes nowhere, and is no error.
    let old = device(&mut *store, "panda-2");
    let mut commit = device_commit(Device { epoch: old.epoch.next(), ..old.clone() }, old.epoch);
    commit.result = Some(ImagingResult::Complete);
    assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Done]);
}

pub(crate) fn notes_are_changed_and_the_machine_is_not(world: &World) {
    let mut store = world.with_lab();
    let before = device(&mut *store, "panda-1");
    assert!(store.edit_device("panda-1", &DeviceEdit::Comments("fan is loud".into()), T0).unwrap());
    assert!(store.edit_device("panda-1", &DeviceEdit::Environment("attic".into()), T0).unwrap());
    // The same again matches the row, although it changes nothing.
    assert!(store.edit_device("panda-1", &DeviceEdit::Environment("attic".into()), T0).unwrap());
    assert!(!store.edit_device("nope", &DeviceEdit::Comments(String::new()), T0).unwrap());
    let view = store.device("panda-1").unwrap().unwrap();
    assert_eq!((view.comments.as_str(), view.info.environment.as_str()), ("fan is loud", "attic"));
    assert_eq!(device(&mut *store, "panda-1"), before);
}

/// Some transactions read before they write. If two such could begin together, the second would find at its first write
/// that what it has read is out of date, and waiting would not help.
pub(crate) fn writers_wait_for_each_other(world: &World) {
    drop(world.with_lab());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut store = world.open();
                for n in 0..25 {
                    let row = "[[device]]\nname = 'panda-1'\nfqdn = 'x'\ncomments = ";
                    let note = lab(&format!("{row}'{thread}, {n}'"));
                    assert!(!store.apply_lab(&note, false, T0).unwrap().is_empty());
                }
            });
        }
    });
    assert!(world.open().device("panda-1").unwrap().unwrap().comments.ends_with(", 24"));
}

pub(crate) fn what_a_writer_reads_stays_so_until_it_commits(world: &World) {
    let mut store = world.open();
    let before = store.last_changes().unwrap().all;
    for round in 0..10 {
        // Each looks whether it is there, and makes it if it is not.
        let row = ServerRow { name: format!("s{round}"), url: "http://s:1".into() };
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut store = world.open();
                    start.wait();
                    store.register_server(&row, T0).unwrap();
                });
            }
        });
    }
    assert_eq!(store.last_changes().unwrap().all, before + 10, "each was made once");
}
