//! Several imaging servers on one store: who lives, whose boards can be had, and who writes what.

use crate::searching::{free, judged};
use crate::*;
use mozpool::logic::mozpool::{Named, State as RequestState};
use mozpool::store::{Beat, ChangeKind, ServerRow, ServerSeen};

fn beat(server: &str, instance: &str) -> Beat {
    Beat {
        server: server.into(),
        instance: instance.into(),
        started: T0,
        version: "0.1.0".into(),
        schema: 7,
        protocol: 1,
    }
}

fn seen(store: &mut dyn Store, name: &str) -> ServerSeen {
    store.pool().unwrap().into_iter().find(|s| s.name == name).expect("it has a row")
}

fn beats(store: &mut dyn Store, name: &str) -> i64 {
    seen(store, name).liveliness.expect("it has joined").beats
}

fn last_of_servers(store: &mut dyn Store) -> u64 {
    store.last_changes().unwrap().of_kind(ChangeKind::Server)
}

pub(crate) fn a_server_joins_beats_and_is_replaced_by_its_next_start(world: &World) {
    let mut store = world.with_lab();
    assert_eq!(seen(&mut *store, "other").liveliness, None, "known by name alone");
    assert_eq!((seen(&mut *store, "here").devices, seen(&mut *store, "other").devices), (3, 1));
    let (first, second) = (beat("other", "first"), beat("other", "second"));
    assert_eq!(store.beat(&first, T0).unwrap(), None, "who has not joined has no beat");
    store.join_pool(&first, T0).unwrap();
    let told = last_of_servers(&mut *store);
    let begun = beats(&mut *store, "other");
    assert_eq!(store.beat(&first, T0.plus_s(2)).unwrap(), Some(false));
    let life = seen(&mut *store, "other").liveliness.unwrap();
    assert_eq!((life.beats, life.last_seen, life.gone), (begun + 1, T0.plus_s(2), false));
    assert_eq!(life.beat, first);
    assert_eq!(last_of_servers(&mut *store), told, "a beat is no news");
    store.join_pool(&second, T0.plus_s(9)).unwrap();
    assert!(beats(&mut *store, "other") > life.beats, "no number comes twice");
    assert_eq!(store.beat(&first, T0.plus_s(10)).unwrap(), None);
    assert_eq!(store.beat(&second, T0.plus_s(10)).unwrap(), Some(false));
    // Alone again: nobody watches it.
    let row = ServerRow { name: "other".into(), url: "http://other".into() };
    store.register_server(&row, T0).unwrap();
    let seen = seen(&mut *store, "other");
    assert_eq!((seen.liveliness, seen.url.as_str()), (None, "http://other"));
}

pub(crate) fn a_server_is_gone_only_if_its_count_stands_where_it_was_seen(world: &World) {
    let mut store = world.with_lab();
    let me = beat("other", "i");
    store.join_pool(&me, T0).unwrap();
    let old = beats(&mut *store, "other");
    store.beat(&me, T0).unwrap();
    assert!(!store.declare_gone("other", old, T0).unwrap(), "it has moved on");
    let now = beats(&mut *store, "other");
    let told = last_of_servers(&mut *store);
    assert!(store.declare_gone("other", now, T0).unwrap());
    assert!(last_of_servers(&mut *store) > told, "others hear of it");
    assert!(!store.declare_gone("other", now, T0).unwrap(), "once");
    assert_eq!(store.beat(&me, T0).unwrap(), Some(true), "it was not gone");
    assert_eq!(store.beat(&me, T0).unwrap(), Some(false));
    store.leave_pool(&beat("other", "older"), T0).unwrap();
    assert!(!seen(&mut *store, "other").liveliness.unwrap().gone, "another start's farewell is not its own");
    store.leave_pool(&me, T0).unwrap();
    assert!(seen(&mut *store, "other").liveliness.unwrap().gone);
}

pub(crate) fn the_boards_of_a_server_that_is_gone_are_nobodys(world: &World) {
    let mut store = world.with_lab();
    let me = beat("other", "i");
    let names = |store: &mut dyn Store| {
        let found = free(store, &wanted(None));
        assert_eq!(found, judged(store, &wanted(None)), "the index and the judge agree");
        found.into_iter().map(|n| n.to_string()).collect::<Vec<_>>()
    };
    store.join_pool(&me, T0).unwrap();
    assert_eq!(names(&mut *store), ["panda-1", "panda-2", "pi-1"]);
    store.leave_pool(&me, T0).unwrap();
    assert_eq!(names(&mut *store), ["panda-1", "panda-2"]);
    assert!(!store.device("pi-1").unwrap().unwrap().reachable);
    assert!(store.device("panda-1").unwrap().unwrap().reachable);
    let named = store.named("pi-1").unwrap();
    assert_eq!(named, Some(Named { state: "unreachable".into(), claimed_by: None }));
    let asks = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asks, "pi-1"), Committed::ClaimLost, "whoever found it a moment ago");
    // Nothing brings it back but its server: not a move, not the mending.
    put(&mut *store, "pi-1", State::SelfTestRunning);
    put(&mut *store, "pi-1", State::Ready);
    assert_eq!(store.mend_free().unwrap(), 0);
    assert_eq!(names(&mut *store), ["panda-1", "panda-2"]);
    assert_eq!(store.beat(&me, T0).unwrap(), Some(true));
    assert_eq!(names(&mut *store), ["panda-1", "panda-2", "pi-1"]);
    assert_eq!(take(&mut *store, &asks, "pi-1"), Committed::Done);
}

pub(crate) fn overdue_requests_are_those_of_servers_that_are_gone(world: &World) {
    let mut store = world.with_lab();
    let (here, there) = (beat("here", "h"), beat("other", "o"));
    store.join_pool(&here, T0).unwrap();
    store.join_pool(&there, T0).unwrap();
    request(&mut *store, "here");
    let (first, second) = (request(&mut *store, "other"), request(&mut *store, "other"));
    let end = first.expires;
    assert_eq!(store.overdue_requests(end, 9).unwrap(), [], "its server lives");
    store.leave_pool(&there, T0).unwrap();
    assert_eq!(store.overdue_requests(end.plus_ms(-1), 9).unwrap(), [], "its time is not over");
    assert_eq!(store.overdue_requests(end, 9).unwrap(), [first.id, second.id]);
    assert_eq!(store.overdue_requests(end, 1).unwrap(), [first.id]);
    let next = Request { state: RequestState::Closed, epoch: first.epoch.next(), ..first.clone() };
    let close = RequestCommit { next, ..claim_commit(&first, ClaimChange::Keep) };
    let close = [close];
    assert_eq!(store.commit_requests(&close).unwrap(), [Committed::Done]);
    assert_eq!(store.commit_requests(&close).unwrap(), [Committed::Stale], "two that end it are one");
    assert_eq!(store.overdue_requests(end, 9).unwrap(), [second.id]);
}

pub(crate) fn a_device_that_gets_another_server_is_no_longer_its_old_ones(world: &World) {
    let mut store = world.with_lab();
    let old = device(&mut *store, "panda-1");
    let moved = lab("[[device]]\nname = \"panda-1\"\nimaging_server = \"other\"\n");
    store.apply_lab(&moved, false, T0).unwrap();
    let next = Device { state: State::SelfTestRunning, epoch: old.epoch.next(), ..old.clone() };
    let late = device_commit(next, old.epoch);
    assert_eq!(store.commit_devices(&[late]).unwrap(), [Committed::Stale], "what the old one decided");
    let now = device(&mut *store, "panda-1");
    assert_eq!((now.state, now.epoch), (old.state, old.epoch.next()));
    assert_eq!(store.load_devices("other").unwrap().len(), 2);
    store.apply_lab(&moved, false, T0).unwrap();
    assert_eq!(device(&mut *store, "panda-1").epoch, now.epoch, "the same again moves nothing");
    // To a server that is gone, and back: its boards are nobody's.
    let me = beat("other", "i");
    store.join_pool(&me, T0).unwrap();
    store.leave_pool(&me, T0).unwrap();
    let back = lab("[[device]]\nname = \"panda-1\"\nimaging_server = \"here\"\n");
    for (there, is_free) in [(&back, true), (&moved, false), (&back, true)] {
        store.apply_lab(there, false, T0).unwrap();
        let found = free(&mut *store, &wanted(None));
        assert_eq!(found.contains("panda-1"), is_free);
        assert_eq!(found, judged(&mut *store, &wanted(None)));
    }
}
