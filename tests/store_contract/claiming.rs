//! Requests, claims, and the choice between free devices.

use crate::*;
use mozpool::logic::mozpool::{Named, State as RequestState};
use mozpool::store::StoreError;
use std::sync::Barrier;

pub(crate) fn requests_are_numbered_in_order(world: &World) {
    let mut store = world.with_lab();
    let new: Vec<_> = (0..3)
        .map(|i| NewRequest {
            reason: format!("r{i}"),
            wanted: wanted(Some("panda-1")),
            ..new_request("here")
        })
        .collect();
    let ids = store.insert_requests(&new).unwrap();
    assert!(ids.is_sorted() && ids.len() == 3, "{ids:?}");
    for (i, id) in ids.iter().enumerate() {
        let view = store.request(*id).unwrap().unwrap();
        assert_eq!((view.reason, view.assignee.as_str()), (format!("r{i}"), "ci"));
        assert_eq!((view.server.as_str(), view.created, view.device_state), ("here", T0, None));
        let machine = view.machine;
        assert_eq!((machine.state, machine.epoch, machine.assigned), (RequestState::New, Epoch(0), None));
        assert_eq!(machine.deadline, Some(T0), "it begins at once");
        assert_eq!(machine.wanted, wanted(Some("panda-1")));
    }
    store.insert_requests(&[new_request("other")]).unwrap();
    assert_eq!(store.requests(false).unwrap().len(), 4, "of all servers");
    assert_eq!(store.load_requests("other").unwrap().len(), 1, "of one");
}

pub(crate) fn a_request_for_what_is_not_there_is_refused_whole(world: &World) {
    let mut store = world.with_lab();
    let mut bad = new_request("here");
    bad.wanted.install.image = "nope".into();
    let error = store.insert_requests(&[new_request("here"), bad]).unwrap_err();
    assert!(matches!(&error, StoreError::Refused { why } if why.contains("image `nope`")), "{error}");
    assert!(store.insert_requests(&[new_request("nowhere")]).is_err());
    assert_eq!(store.requests(true).unwrap(), [], "the good one of the same call is not made either");
}

pub(crate) fn a_device_is_claimed_once(world: &World) {
    let mut store = world.with_lab();
    let (first, second) = (request(&mut *store, "here"), request(&mut *store, "other"));
    assert_eq!(take(&mut *store, &first, "panda-1"), Committed::Done);
    assert_eq!(take(&mut *store, &second, "panda-1"), Committed::ClaimLost);
    assert_eq!(take(&mut *store, &second, "panda-2"), Committed::Done);
    let held = load_request(&mut *store, first.id);
    assert_eq!(held.assigned.as_deref(), Some("panda-1"));
    assert_eq!(take(&mut *store, &held, "pi-1"), Committed::ClaimLost, "one device per request");
    let claim = store.load_device("panda-2").unwrap().unwrap().claim.unwrap();
    assert_eq!((claim.request, &*claim.server), (second.id, "other"));
    let named = store.named("panda-1").unwrap();
    assert_eq!(named, Some(Named { state: "ready".into(), claimed_by: Some(first.id) }));
    let view = store.request(first.id).unwrap().unwrap();
    assert_eq!(view.device_state.as_deref(), Some("ready"));
    assert_eq!(store.device("panda-1").unwrap().unwrap().request, Some(first.id));
}

pub(crate) fn a_device_that_is_not_ready_is_not_claimed(world: &World) {
    let mut store = world.with_lab();
    let asker = request(&mut *store, "here");
    for name in ["panda-3", "nope"] {
        assert_eq!(take(&mut *store, &asker, name), Committed::ClaimLost, "{name}");
    }
    assert_eq!(load_request(&mut *store, asker.id), asker, "nothing was written");
    put(&mut *store, "panda-3", State::Ready);
    assert_eq!(take(&mut *store, &asker, "panda-3"), Committed::Done);
}

pub(crate) fn a_stale_claim_is_stale_and_not_lost(world: &World) {
    let mut store = world.with_lab();
    let old = request(&mut *store, "here");
    store.commit_requests(&[claim_commit(&old, ClaimChange::Keep)]).unwrap();
    let now = load_request(&mut *store, old.id);
    for claim in [ClaimChange::Take("panda-1".into()), ClaimChange::Drop("panda-1".into()), ClaimChange::Keep]
    {
        let done = store.commit_requests(&[claim_commit(&old, claim)]).unwrap();
        assert_eq!(done, [Committed::Stale]);
    }
    let nobody = Request { id: RequestId(4711), ..now.clone() };
    assert_eq!(take(&mut *store, &nobody, "panda-1"), Committed::Stale);
    assert_eq!(load_request(&mut *store, old.id), now);
    assert_eq!(store.named("panda-1").unwrap().unwrap().claimed_by, None);
    assert_eq!(messages(&store.request_log(old.id, None).unwrap()), ["Keep"]);
}

pub(crate) fn a_lost_claim_writes_nothing_and_harms_no_other(world: &World) {
    let mut store = world.with_lab();
    let (a, b, c) =
        (request(&mut *store, "here"), request(&mut *store, "here"), request(&mut *store, "here"));
    let commits = [&a, &b, &c]
        .map(|r| claim_commit(r, ClaimChange::Take(if r.id == c.id { "pi-1" } else { "panda-1" }.into())));
    let done = store.commit_requests(&commits).unwrap();
    assert_eq!(done, [Committed::Done, Committed::ClaimLost, Committed::Done], "within one call too");
    assert_eq!(load_request(&mut *store, b.id), b);
    assert_eq!(store.request_log(b.id, None).unwrap(), []);
    assert_eq!(load_request(&mut *store, c.id).assigned.as_deref(), Some("pi-1"));
    assert_eq!(messages(&store.request_log(a.id, None).unwrap()), ["Take(\"panda-1\")"]);
}

pub(crate) fn a_dropped_claim_frees_the_device(world: &World) {
    let mut store = world.with_lab();
    let (first, second) = (request(&mut *store, "here"), request(&mut *store, "here"));
    assert_eq!(take(&mut *store, &first, "panda-1"), Committed::Done);
    let held = load_request(&mut *store, first.id);
    let drop = claim_commit(&held, ClaimChange::Drop("panda-1".into()));
    assert_eq!(store.commit_requests(&[drop]).unwrap(), [Committed::Done]);
    assert_eq!(load_request(&mut *store, first.id).assigned, None);
    assert_eq!(take(&mut *store, &second, "panda-1"), Committed::Done);
}

pub(crate) fn closed_requests_are_not_loaded(world: &World) {
    let mut store = world.with_lab();
    let (open, old) = (request(&mut *store, "here"), request(&mut *store, "here"));
    let next =
        Request { state: RequestState::Closed, epoch: old.epoch.next(), deadline: None, ..old.clone() };
    let close = RequestCommit {
        next,
        expected: old.epoch,
        claim: ClaimChange::Keep,
        log: vec![],
        device_log: None,
        at: T0,
    };
    assert_eq!(store.commit_requests(&[close]).unwrap(), [Committed::Done]);
    let loaded: Vec<_> = store.load_requests("here").unwrap().into_iter().map(|r| r.machine.id).collect();
    assert_eq!(loaded, [open.id]);
    assert_eq!(store.requests(false).unwrap().len(), 1);
    assert_eq!(store.requests(true).unwrap().len(), 2);
    assert!(store.load_request(old.id).unwrap().is_some(), "by its number it can still be read");
}

pub(crate) fn of_two_threads_one_gets_the_device(world: &World) {
    let mut store = world.with_lab();
    for round in 0..20 {
        let askers = [request(&mut *store, "here"), request(&mut *store, "other")];
        let start = Barrier::new(2);
        let outcomes = std::thread::scope(|scope| {
            askers
                .each_ref()
                .map(|asker| {
                    scope.spawn(|| {
                        let mut store = world.open();
                        start.wait();
                        take(&mut *store, asker, "panda-1")
                    })
                })
                .map(|thread| thread.join().unwrap())
        });
        let won = outcomes.iter().filter(|o| **o == Committed::Done).count();
        let lost = outcomes.iter().filter(|o| **o == Committed::ClaimLost).count();
        assert_eq!((won, lost), (1, 1), "round {round}");
        let winner = &askers[usize::from(outcomes[1] == Committed::Done)];
        assert_eq!(store.named("panda-1").unwrap().unwrap().claimed_by, Some(winner.id));
        let held = load_request(&mut *store, winner.id);
        store.commit_requests(&[claim_commit(&held, ClaimChange::Drop("panda-1".into()))]).unwrap();
    }
}

pub(crate) fn who_let_go_of_a_device_stands_in_its_log(world: &World) {
    let mut store = world.with_lab();
    let asker = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asker, "panda-1"), Committed::Done);
    let held = load_request(&mut *store, asker.id);
    let drop = RequestCommit {
        device_log: Some("closed by ann".into()),
        ..claim_commit(&held, ClaimChange::Drop("panda-1".into()))
    };
    let stale = RequestCommit { expected: Epoch(99), ..drop.clone() };
    assert_eq!(store.commit_requests(&[stale]).unwrap(), [Committed::Stale]);
    assert_eq!(store.device_log("panda-1", None, None).unwrap(), [], "what is not done is not told");
    assert_eq!(store.commit_requests(&[drop]).unwrap(), [Committed::Done]);
    let log = store.device_log("panda-1", None, None).unwrap();
    assert_eq!(messages(&log), ["closed by ann"]);
}
