//! An inventory against the store, and who does work for all.

use crate::*;
use mozpool::inventory::take_in;
use mozpool::logic::inventory::System;
use mozpool::logic::report::LASTS;
use mozpool::store::{StoreError, Sync, Synced};

/// A system of the inventory; `n` is its key and its relay.
fn system(n: u8, name: &str) -> System {
    System {
        place: format!("system {n}"),
        inventory_id: n.to_string(),
        fqdn: format!("{name}.example"),
        name: name.into(),
        mac: format!("02000000000{n}"),
        imaging_server: "here".into(),
        relay_info: format!("relay-9.example:4001:bank1:relay{n}"),
        hardware_type: "beagle".into(),
        hardware_model: "black".into(),
        ..System::default()
    }
}

fn sync(store: &mut dyn Store, systems: &[System], dry_run: bool) -> Result<Synced, StoreError> {
    let wanted = take_in(systems.to_vec(), None).unwrap().wanted;
    store.sync_inventory(&Sync { wanted, ship_it: false }, dry_run, T0)
}

/// What changed, and what was left.
#[track_caller]
fn synced(store: &mut dyn Store, systems: &[System]) -> Vec<String> {
    let would = sync(store, systems, true).unwrap();
    let did = sync(store, systems, false).unwrap();
    assert_eq!(would, did, "a dry run says what is done");
    assert_eq!(sync(store, systems, false).unwrap().changes, [], "and then there is nothing to do");
    let changes = did.changes.into_iter().map(|c| c.text);
    changes.chain(did.left.into_iter().map(|l| format!("{} {}: {}", l.device, l.what, l.why))).collect()
}

fn names(store: &mut dyn Store) -> Vec<String> {
    store.device_names().unwrap().iter().map(ToString::to_string).collect()
}

pub(crate) fn an_inventory_makes_changes_and_deletes(world: &World) {
    let mut store = world.with_lab();
    let did = synced(&mut *store, &[system(1, "b1"), system(2, "b2")]);
    assert_eq!(
        did,
        [
            "hardware type beagle black: new",
            "relay board relay-9-4001: new",
            "device b1: new",
            "device b2: new"
        ]
    );
    assert_eq!(device(&mut *store, "b1").state, State::New);
    assert_eq!(store.relay_board("relay-9-4001").unwrap().unwrap().fqdn, "relay-9.example:4001");
    // Boards swap their addresses and their relays.
    let (mut one, mut two) = (system(1, "b1"), system(2, "b2"));
    std::mem::swap(&mut one.mac, &mut two.mac);
    std::mem::swap(&mut one.relay_info, &mut two.relay_info);
    assert_eq!(synced(&mut *store, &[one, two]).len(), 4);
    // One goes; the other goes to another board, and the old board with it.
    let moved = System { relay_info: "relay-1.example:bank2:relay1".into(), ..system(1, "b1") };
    assert_eq!(
        synced(&mut *store, &[moved]),
        [
            "device b2: deleted",
            "device b1: mac 02:00:00:00:00:02 -> 02:00:00:00:00:01",
            "device b1: relay_info relay-9.example:4001:bank1:relay2 -> relay-1.example:bank2:relay1",
            "relay board relay-9-4001: deleted"
        ]
    );
    assert_eq!(
        names(&mut *store),
        ["b1", "panda-1", "panda-2", "panda-3", "pi-1"],
        "the others are made by hand"
    );
}

pub(crate) fn a_device_goes_on_under_another_name(world: &World) {
    let mut store = world.with_lab();
    synced(&mut *store, &[system(1, "b1"), system(2, "b2")]);
    put(&mut *store, "b1", State::Ready);
    put(&mut *store, "b2", State::LockedOut);
    store
        .append_device_log(&[mozpool::store::DeviceLogLine {
            device: "b1".into(),
            at: T0,
            source: "syslog".into(),
            message: "hello".into(),
        }])
        .unwrap();
    // They swap their names.
    let did = synced(
        &mut *store,
        &[
            System { fqdn: "b1.example".into(), ..system(1, "b2") },
            System { fqdn: "b2.example".into(), ..system(2, "b1") },
        ],
    );
    assert_eq!(did, ["device b2: name b1 -> b2", "device b1: name b2 -> b1"]);
    assert_eq!(device(&mut *store, "b2").state, State::Ready, "its machine goes along");
    assert_eq!(device(&mut *store, "b1").state, State::LockedOut);
    let said = store.device_log("b2", None, None).unwrap();
    assert!(said.iter().any(|line| line.message == "hello"), "and its log");
    // One goes on under a name that nobody had, and what it is goes along.
    let did = synced(
        &mut *store,
        &[
            System { fqdn: "b1.example".into(), ..system(1, "c1") },
            System { fqdn: "b2.example".into(), ..system(2, "b1") },
        ],
    );
    assert_eq!(did, ["device c1: name b2 -> c1"]);
    let lasts = |store: &mut dyn Store, name: &str| {
        store.device_history(name, 10).unwrap().iter().filter(|spell| spell.until == LASTS).count()
    };
    assert_eq!((lasts(&mut *store, "c1"), lasts(&mut *store, "b1"), lasts(&mut *store, "b2")), (1, 1, 0));
    // It can be searched for, and claimed.
    let asker = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asker, "c1"), Committed::Done);
}

pub(crate) fn what_was_decided_on_who_had_a_name_before_is_stale(world: &World) {
    let mut store = world.with_lab();
    synced(&mut *store, &[system(1, "b1"), system(2, "b2")]);
    let (one, two) = (device(&mut *store, "b1"), device(&mut *store, "b2"));
    assert_eq!(one.epoch, two.epoch, "nothing but their names tells them apart");
    let late = |of: &Device| {
        let next = Device { state: State::SelfTestRunning, epoch: of.epoch.next(), ..of.clone() };
        [device_commit(next, of.epoch)]
    };
    let swapped = [
        System { fqdn: "b1.example".into(), ..system(1, "b2") },
        System { fqdn: "b2.example".into(), ..system(2, "b1") },
    ];
    assert_eq!(synced(&mut *store, &swapped).len(), 2);
    for old in [&one, &two] {
        assert_eq!(store.commit_devices(&late(old)).unwrap(), [Committed::Stale], "{}", old.name);
    }
    // The same for another device under the name of one that goes.
    let old = device(&mut *store, "b1");
    let other = System { inventory_id: "3".into(), ..swapped[1].clone() };
    assert_eq!(synced(&mut *store, &[swapped[0].clone(), other]), ["device b1: deleted", "device b1: new"]);
    assert_ne!(device(&mut *store, "b1").epoch, old.epoch);
    assert_eq!(store.commit_devices(&late(&old)).unwrap(), [Committed::Stale]);
}

pub(crate) fn a_claimed_device_is_not_moved_by_an_inventory(world: &World) {
    let mut store = world.with_lab();
    // On a relay board of its own: one of two servers would disturb the other.
    let apart = |n, name| System { relay_info: format!("relay-{n}.lab:bank1:relay1"), ..system(n, name) };
    synced(&mut *store, &[apart(1, "b1"), apart(2, "b2")]);
    put(&mut *store, "b1", State::Ready);
    put(&mut *store, "b2", State::Ready);
    let asks = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asks, "b1"), Committed::Done);
    let moved = |n, name| System { imaging_server: "other".into(), ..apart(n, name) };
    let (held, free) = (device(&mut *store, "b1"), device(&mut *store, "b2"));
    let did = synced(&mut *store, &[moved(1, "b1"), moved(2, "b2")]);
    assert!(did.contains(&format!("b1 changes: request {} holds it", asks.id)), "{did:?}");
    assert!(did.contains(&"device b2: imaging_server here -> other".to_owned()), "{did:?}");
    assert_eq!(device(&mut *store, "b1").epoch, held.epoch, "it is left alone");
    // The other one is handed over: what its old server decided is stale.
    let next = Device { state: State::SelfTestRunning, epoch: free.epoch.next(), ..free.clone() };
    assert_eq!(store.commit_devices(&[device_commit(next, free.epoch)]).unwrap(), [Committed::Stale]);
    let here: Vec<String> =
        store.load_devices("here").unwrap().iter().map(|d| d.machine.name.to_string()).collect();
    assert!(here.contains(&"b1".to_owned()) && !here.contains(&"b2".to_owned()), "{here:?}");
    let did = synced(&mut *store, &[moved(2, "b2")]);
    assert_eq!(did, [format!("b1 goes: request {} holds it", asks.id)], "nor deleted");
    assert!(store.device("b1").unwrap().is_some());
}

pub(crate) fn what_somebody_needs_waits(world: &World) {
    let mut store = world.with_lab();
    synced(&mut *store, &[system(1, "b1"), system(2, "b2"), system(3, "b3")]);
    put(&mut *store, "b1", State::Ready);
    put(&mut *store, "b2", State::PxeBooting);
    put(&mut *store, "b3", State::Ready);
    let asker = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asker, "b1"), Committed::Done);
    let did = synced(&mut *store, &[system(3, "b3")]);
    let claimed = format!("b1 goes: request {} holds it", asker.id.0);
    assert_eq!(did, [claimed.as_str(), "b2 goes: it is at work in state pxe_booting"]);
    assert_eq!(names(&mut *store).len(), 7);
}

pub(crate) fn an_inventory_that_cannot_be_changes_nothing(world: &World) {
    let mut store = world.with_lab();
    let refused = |store: &mut dyn Store, systems: &[System]| match sync(store, systems, false) {
        Err(StoreError::Inventory(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    };
    let why = refused(&mut *store, &[]);
    assert!(why.starts_with("the inventory has no device for us"), "{why}");
    let mut by_hand = system(1, "b1");
    by_hand.mac = "0a0b0c0d0e01".into();
    let why = refused(&mut *store, &[by_hand]);
    assert!(why.contains("device b1 (system 1) and to device panda-1 (made by hand)"), "{why}");
    let many: Vec<System> = (1..=6).map(|n| system(n, &format!("b{n}"))).collect();
    let why = refused(&mut *store, &many);
    assert!(why.contains("6 devices would change, and 5 pass without a word"), "{why}");
    assert!(sync(&mut *store, &many, true).unwrap().brake.is_some(), "a dry run says it, too");
    // What only the store finds out takes all of it back: a hardware type that would be written like another.
    let alike =
        System { hardware_type: "panda ES".into(), hardware_model: "Rev B2".into(), ..system(1, "b1") };
    assert!(matches!(sync(&mut *store, &[alike, system(2, "b2")], false), Err(StoreError::Lab(_))));
    assert_eq!(names(&mut *store).len(), 4);
    assert_eq!(store.relay_boards().unwrap().len(), 1);
    let wanted = take_in(many, None).unwrap().wanted;
    store.sync_inventory(&Sync { wanted, ship_it: true }, false, T0).unwrap();
    assert_eq!(names(&mut *store).len(), 10);
}

pub(crate) fn a_lease_is_lost_by_time_and_not_before(world: &World) {
    let (mut one, mut two) = (world.open(), world.open());
    let at = Timestamp;
    assert_eq!(one.lease("x").unwrap(), None);
    assert!(one.take_lease("x", "s1", at(1000), at(2000)).unwrap());
    assert!(!two.take_lease("x", "s2", at(1999), at(9000)).unwrap(), "somebody has it");
    assert!(one.take_lease("x", "s1", at(1500), at(2500)).unwrap(), "kept");
    assert!(!two.take_lease("x", "s2", at(2000), at(9000)).unwrap(), "for longer");
    assert!(two.take_lease("x", "s2", at(2500), at(3500)).unwrap(), "its holder has not come back");
    assert!(!one.take_lease("x", "s1", at(2600), at(3600)).unwrap());
    // Nobody gives up what another has.
    one.give_up_lease("x", "s1").unwrap();
    assert_eq!(one.lease("x").unwrap().unwrap().holder, "s2");
    assert!(one.take_lease("y", "s1", at(0), at(1)).unwrap(), "another lease is another's");
    two.give_up_lease("x", "s2").unwrap();
    assert!(one.take_lease("x", "s1", at(2600), at(3600)).unwrap());
}
