//! Several imaging servers on one store: who lives, whose boards can be had, and who writes what.

use crate::searching::{free, judged};
use crate::*;
use mozpool::logic::mozpool::{Named, State as RequestState};
use mozpool::store::{
    Beat, Beaten, ChangeKind, Instead, Joined, Process, ServerRow, ServerSeen, schema_version,
};

fn beat(server: &str, instance: &str) -> Beat {
    Beat {
        server: server.into(),
        instance: instance.into(),
        started: T0,
        version: "0.1.0".into(),
        schema: schema_version(),
        protocol: 1,
        process: Process { host: "host".into(), pid: 7, life: format!("life of {instance}") },
        limit_ms: 8000,
    }
}

fn row(server: &str) -> ServerRow {
    ServerRow { name: server.into(), url: format!("http://{server}") }
}

fn join(store: &mut dyn Store, me: &Beat, instead: &Instead) -> Joined {
    store.join_pool(&row(&me.server), me, instead, T0).unwrap()
}

/// Whoever was there before.
fn joins(store: &mut dyn Store, me: &Beat) {
    assert_eq!(join(store, me, &Instead::Anybody), Joined::Done);
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
    assert_eq!(store.beat(&first, T0).unwrap(), Beaten::Replaced(None), "who has not joined has no beat");
    joins(&mut *store, &first);
    let told = last_of_servers(&mut *store);
    let begun = beats(&mut *store, "other");
    assert_eq!(store.beat(&first, T0.plus_s(2)).unwrap(), Beaten::Counted);
    let life = seen(&mut *store, "other").liveliness.unwrap();
    assert_eq!((life.beats, life.last_seen, life.gone), (begun + 1, T0.plus_s(2), false));
    assert_eq!(life.beat, first);
    assert_eq!(last_of_servers(&mut *store), told, "a beat is no news");
    let later = T0.plus_s(9);
    assert_eq!(store.join_pool(&row("other"), &second, &Instead::Anybody, later).unwrap(), Joined::Done);
    assert!(beats(&mut *store, "other") > life.beats, "no number comes twice");
    let Beaten::Replaced(Some(by)) = store.beat(&first, T0.plus_s(10)).unwrap() else {
        panic!("it was replaced")
    };
    assert_eq!(by.liveliness.map(|l| l.beat), Some(second.clone()), "and is told by whom");
    assert_eq!(store.beat(&second, T0.plus_s(10)).unwrap(), Beaten::Counted);
    // Alone again: nobody watches it.
    let row = ServerRow { name: "other".into(), url: "http://other".into() };
    store.register_server(&row, T0).unwrap();
    let seen = seen(&mut *store, "other");
    assert_eq!((seen.liveliness, seen.url.as_str()), (None, "http://other"));
}

pub(crate) fn a_second_start_of_a_server_waits_for_the_end_of_the_first(world: &World) {
    let mut store = world.with_lab();
    let nobody = Instead::Of(vec![]);
    let (first, second) = (beat("other", "first"), beat("other", "second"));
    assert_eq!(join(&mut *store, &first, &nobody), Joined::Done);
    let begun = beats(&mut *store, "other");
    let told = store.last_changes().unwrap().all;
    let mut stranger = row("other");
    stranger.url = "http://stranger".into();
    let Joined::Taken(others) = store.join_pool(&stranger, &second, &nobody, T0).unwrap() else {
        panic!("the first one stands in its way");
    };
    let [other] = &others[..] else { panic!("one: {others:?}") };
    assert_eq!(other.liveliness.as_ref().map(|life| &life.beat), Some(&first));
    assert_eq!(seen(&mut *store, "other").url, "http://other", "it stays where it is");
    // It is followed if its count stands where it was seen, and only then.
    assert_eq!(store.beat(&first, T0).unwrap(), Beaten::Counted);
    let silent = |beats| Instead::Of(vec![("other".to_owned(), beats)]);
    assert!(matches!(join(&mut *store, &second, &silent(begun)), Joined::Taken(_)), "it has moved on");
    assert!(!seen(&mut *store, "other").liveliness.unwrap().gone);
    assert_eq!(store.last_changes().unwrap().all, told, "nothing has happened");
    let now = beats(&mut *store, "other");
    assert_eq!(join(&mut *store, &second, &silent(now)), Joined::Done);
    assert!(matches!(store.beat(&first, T0).unwrap(), Beaten::Replaced(Some(_))));
    // Who has left, and who was taken for gone, stands in nobody's way.
    store.leave_pool(&second, T0).unwrap();
    assert_eq!(join(&mut *store, &first, &nobody), Joined::Done);
    let now = beats(&mut *store, "other");
    assert!(store.declare_gone("other", now, T0).unwrap());
    assert_eq!(join(&mut *store, &second, &nobody), Joined::Done);
}

pub(crate) fn a_server_that_works_alone_is_alone(world: &World) {
    let mut store = world.with_lab();
    let nobody = Instead::Of(vec![]);
    let alone = |server| Beat { protocol: Beat::ALONE, ..beat(server, "alone") };
    let peer = beat("other", "i");
    let in_the_way = |joined: Joined| match joined {
        Joined::Taken(others) => others.into_iter().map(|o| o.name).collect::<Vec<_>>(),
        Joined::Done => vec![],
    };
    assert_eq!(join(&mut *store, &peer, &nobody), Joined::Done);
    assert_eq!(join(&mut *store, &beat("here", "i"), &nobody), Joined::Done, "peers are many");
    assert_eq!(in_the_way(join(&mut *store, &alone("third"), &nobody)), ["here", "other"]);
    store.leave_pool(&peer, T0).unwrap();
    let silent = Instead::Of(vec![("here".to_owned(), beats(&mut *store, "here"))]);
    assert_eq!(join(&mut *store, &alone("third"), &silent), Joined::Done);
    assert!(seen(&mut *store, "here").liveliness.unwrap().gone, "whom it came instead of is gone");
    assert_eq!(in_the_way(join(&mut *store, &peer, &nobody)), ["third"]);
    assert_eq!(in_the_way(join(&mut *store, &alone("other"), &nobody)), ["third"]);
}

pub(crate) fn a_program_finds_out_that_the_schema_is_newer(world: &World) {
    let mut store = world.with_lab();
    let older = Beat { schema: schema_version() - 1, ..beat("other", "i") };
    joins(&mut *store, &older);
    let before = beats(&mut *store, "other");
    assert_eq!(store.beat(&older, T0).unwrap(), Beaten::Outdated(schema_version()));
    assert_eq!(beats(&mut *store, "other"), before, "it does not go on");
}

pub(crate) fn a_server_is_gone_only_if_its_count_stands_where_it_was_seen(world: &World) {
    let mut store = world.with_lab();
    let me = beat("other", "i");
    joins(&mut *store, &me);
    let old = beats(&mut *store, "other");
    store.beat(&me, T0).unwrap();
    assert!(!store.declare_gone("other", old, T0).unwrap(), "it has moved on");
    let now = beats(&mut *store, "other");
    let told = last_of_servers(&mut *store);
    assert!(store.declare_gone("other", now, T0).unwrap());
    assert!(last_of_servers(&mut *store) > told, "others hear of it");
    assert!(!store.declare_gone("other", now, T0).unwrap(), "once");
    assert_eq!(store.beat(&me, T0).unwrap(), Beaten::Back, "it was not gone");
    assert_eq!(store.beat(&me, T0).unwrap(), Beaten::Counted);
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
    joins(&mut *store, &me);
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
    assert_eq!(store.beat(&me, T0).unwrap(), Beaten::Back);
    assert_eq!(names(&mut *store), ["panda-1", "panda-2", "pi-1"]);
    assert_eq!(take(&mut *store, &asks, "pi-1"), Committed::Done);
}

pub(crate) fn overdue_requests_are_those_of_servers_that_are_gone(world: &World) {
    let mut store = world.with_lab();
    let (here, there) = (beat("here", "h"), beat("other", "o"));
    joins(&mut *store, &here);
    joins(&mut *store, &there);
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
    joins(&mut *store, &me);
    store.leave_pool(&me, T0).unwrap();
    let back = lab("[[device]]\nname = \"panda-1\"\nimaging_server = \"here\"\n");
    for (there, is_free) in [(&back, true), (&moved, false), (&back, true)] {
        store.apply_lab(there, false, T0).unwrap();
        let found = free(&mut *store, &wanted(None));
        assert_eq!(found.contains("panda-1"), is_free);
        assert_eq!(found, judged(&mut *store, &wanted(None)));
    }
}
