//! What may be deleted, what stands in the way, and what goes along.

use crate::*;
use mozpool::store::{Deletion, DeviceLogLine, InUse, StoreError};

/// Why something stays.
#[track_caller]
fn refused(store: &mut dyn Store, what: &Deletion, force: bool) -> InUse {
    for dry_run in [true, false] {
        match store.delete(what, force, dry_run, T0) {
            Err(StoreError::InUse { what: said, why }) if dry_run => {
                assert_eq!((&said, why.to_string().is_empty()), (what, false));
            }
            Err(StoreError::InUse { why, .. }) => return why,
            other => panic!("{what}: expected a refusal, got {other:?}"),
        }
    }
    unreachable!("the second try returns")
}

#[track_caller]
fn deleted(store: &mut dyn Store, what: &Deletion, force: bool) -> Vec<String> {
    let would = store.delete(what, force, true, T0).unwrap();
    let did = store.delete(what, force, false, T0).unwrap();
    assert_eq!(would, did, "a dry run says what is done");
    assert!(
        matches!(store.delete(what, force, false, T0), Err(StoreError::NothingThere { .. })),
        "{what} is gone"
    );
    did.into_iter().map(|c| c.text).collect()
}

fn some(names: &[&str], more: bool) -> mozpool::store::Names {
    mozpool::store::Names { shown: names.iter().map(|n| (*n).to_owned()).collect(), more }
}

fn panda_type() -> Deletion {
    Deletion::HardwareType { kind: "panda".into(), model: "ES Rev B2".into() }
}

pub(crate) fn a_device_goes_with_its_log_and_comes_back_without(world: &World) {
    let mut store = world.with_lab();
    let lines: Vec<DeviceLogLine> = (0..1500)
        .map(|i| DeviceLogLine {
            device: "panda-1".into(),
            at: T0,
            source: "syslog".into(),
            message: i.to_string(),
        })
        .collect();
    store.append_device_log(&lines).unwrap();
    let panda = Deletion::Device("panda-1".into());
    assert_eq!(deleted(&mut *store, &panda, false), ["device panda-1: deleted"]);
    assert_eq!(store.load_device("panda-1").unwrap(), None);
    assert_eq!(store.device_log("panda-1", None, None).unwrap(), []);
    store.apply_lab(&lab(LAB), false, T0).unwrap();
    assert_eq!(device(&mut *store, "panda-1").state, State::Ready);
    assert_eq!(
        store.device_log("panda-1", None, None).unwrap(),
        [],
        "the old one's lines are not the new one's"
    );
    // What one deletion did not take ages out as other lines do.
    let old = mozpool::store::TooOld {
        logs: T0.plus_s(1),
        requests: T0,
        changes: T0,
        reports: T0,
        audit: T0,
        now: T0,
    };
    while store.prune(&old, 200).unwrap() {}
}

pub(crate) fn a_claimed_or_busy_device_stays(world: &World) {
    let mut store = world.with_lab();
    let first = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &first, "panda-1"), Committed::Done);
    let panda = Deletion::Device("panda-1".into());
    for force in [false, true] {
        assert_eq!(refused(&mut *store, &panda, force), InUse::Claimed { request: first.id.0 });
    }
    let held = load_request(&mut *store, first.id);
    store.commit_requests(&[claim_commit(&held, ClaimChange::Drop("panda-1".into()))]).unwrap();
    put(&mut *store, "panda-1", State::PxeBooting);
    assert_eq!(refused(&mut *store, &panda, false), InUse::Busy { state: "pxe_booting".into() });
    deleted(&mut *store, &panda, true);
    for (i, state) in
        [State::New, State::Ready, State::LockedOut, State::FailedPinging, State::MaintenanceMode]
            .into_iter()
            .enumerate()
    {
        let name = format!("rest-{i}");
        store.apply_lab(&lab(&format!("[[device]]\nname = '{name}'\nfqdn = 'x'")), false, T0).unwrap();
        put(&mut *store, &name, state);
        deleted(&mut *store, &Deletion::Device(name.into()), false);
    }
}

pub(crate) fn a_hardware_type_goes_with_its_cells_when_no_device_has_it(world: &World) {
    let mut store = world.with_lab();
    let why = refused(&mut *store, &panda_type(), true);
    assert_eq!(why, InUse::Devices { doing: "are of this type", some: some(&["panda-1", "panda-2"], false) });
    for name in ["panda-1", "panda-2"] {
        deleted(&mut *store, &Deletion::Device(name.into()), false);
    }
    assert_eq!(
        deleted(&mut *store, &panda_type(), false),
        [
            "image android on panda ES Rev B2: PXE config image -> (nothing)",
            "image b2g on panda ES Rev B2: PXE config image -> (nothing)",
            "hardware type panda ES Rev B2: deleted"
        ]
    );
    assert_eq!(store.catalog().unwrap().matrix.len(), 1);
}

pub(crate) fn an_image_goes_when_nobody_has_or_wants_it(world: &World) {
    let mut store = world.with_lab();
    let image = Deletion::Image("b2g".into());
    let install = Some(Install { image: "b2g".into(), boot_config: "{}".into() });
    let old = device(&mut *store, "panda-1");
    let next = Device { next: install.clone(), epoch: old.epoch.next(), ..old.clone() };
    store.commit_devices(&[device_commit(next, old.epoch)]).unwrap();
    let old = device(&mut *store, "panda-2");
    let next = Device { installed: install, epoch: old.epoch.next(), ..old.clone() };
    store.commit_devices(&[device_commit(next, old.epoch)]).unwrap();
    let why = refused(&mut *store, &image, true);
    assert_eq!(
        why,
        InUse::Devices { doing: "have it or are getting it", some: some(&["panda-1", "panda-2"], false) }
    );
    for name in ["panda-1", "panda-2"] {
        deleted(&mut *store, &Deletion::Device(name.into()), true);
    }
    let ids: Vec<RequestId> = (0..7).map(|_| request(&mut *store, "here").id).collect();
    let shown: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
    let names = mozpool::store::Names { shown, more: true };
    assert_eq!(refused(&mut *store, &image, true), InUse::Requests { some: names.clone() });
    assert_eq!(store.requests(true).unwrap().len(), 7, "a refusal deletes no history");
    for id in &ids {
        close(&mut *store, *id);
    }
    assert_eq!(refused(&mut *store, &image, false), InUse::History { some: names });
    // By force its history goes along.
    let would = store.delete(&image, true, true, T0).unwrap();
    assert_eq!(would[0].text, "closed requests for image b2g: deleted");
    assert_eq!(store.requests(true).unwrap().len(), 7, "a dry run deletes nothing");
    let did: Vec<String> =
        store.delete(&image, true, false, T0).unwrap().into_iter().map(|c| c.text).collect();
    assert_eq!(
        did,
        [
            "image b2g on panda ES Rev B2: PXE config image -> (nothing)",
            "image b2g on pi: PXE config maintenance -> (nothing)",
            "image b2g: deleted"
        ]
    );
    assert_eq!(store.requests(true).unwrap(), []);
    assert_eq!(store.request_log(ids[0], None).unwrap(), []);
    for built_in in ["self-test", "maintenance"] {
        assert_eq!(refused(&mut *store, &Deletion::Image(built_in.into()), true), InUse::BuiltIn);
    }
}

pub(crate) fn a_refusal_by_force_deletes_no_history(world: &World) {
    let mut store = world.with_lab();
    let mut new = new_request("here");
    new.wanted.install.image = "self-test".into();
    let [id] = store.insert_requests(&[new]).unwrap()[..] else { panic!("one number") };
    close(&mut *store, id);
    assert_eq!(refused(&mut *store, &Deletion::Image("self-test".into()), true), InUse::BuiltIn);
    assert_eq!(store.requests(true).unwrap().len(), 1);
    assert_eq!(store.request_log(id, None).unwrap().len(), 1);
}

pub(crate) fn much_history_goes_in_portions(world: &World) {
    let mut store = world.with_lab();
    let ids = store.insert_requests(&vec![new_request("here"); 120]).unwrap();
    ids.iter().for_each(|id| close(&mut *store, *id));
    deleted_by_force(&mut *store, "b2g");
    assert_eq!(store.requests(true).unwrap(), []);
}

#[track_caller]
fn deleted_by_force(store: &mut dyn Store, image: &str) {
    let done = store.delete(&Deletion::Image(image.into()), true, false, T0).unwrap();
    assert_eq!(done.last().map(|c| c.text.clone()), Some(format!("image {image}: deleted")));
}

/// Ends a request, with a line in its log.
fn close(store: &mut dyn Store, id: RequestId) {
    let old = load_request(store, id);
    let next =
        Request { state: mozpool::logic::mozpool::State::Closed, epoch: old.epoch.next(), ..old.clone() };
    let (claim, log) = (ClaimChange::Keep, vec!["x".into()]);
    let commit = RequestCommit { next, expected: old.epoch, claim, log, device_log: None, at: T0 };
    assert_eq!(store.commit_requests(&[commit]).unwrap(), [Committed::Done]);
}

pub(crate) fn a_pxe_config_goes_when_no_image_or_board_needs_it(world: &World) {
    let mut store = world.with_lab();
    store.apply_lab(&lab("[[pxe_config]]\nname = 'mine'\ncontents = 'x'"), false, T0).unwrap();
    let mine = Deletion::PxeConfig("mine".into());
    let old = device(&mut *store, "panda-1");
    let boot = Some(mozpool::logic::lifeguard::Boot { pxe_config: "mine".into(), boot_config: None });
    let next = Device { boot, epoch: old.epoch.next(), ..old.clone() };
    store.commit_devices(&[device_commit(next.clone(), old.epoch)]).unwrap();
    let why = refused(&mut *store, &mine, true);
    assert_eq!(why, InUse::Devices { doing: "are to boot it", some: some(&["panda-1"], false) });
    let after = Device { boot: None, epoch: next.epoch.next(), ..next.clone() };
    store.commit_devices(&[device_commit(after, next.epoch)]).unwrap();
    assert_eq!(deleted(&mut *store, &mine, false), ["PXE config mine: deleted"]);
    let why = refused(&mut *store, &Deletion::PxeConfig("image".into()), true);
    assert_eq!(why, InUse::Images { some: some(&["android", "b2g"], false) });
    assert_eq!(refused(&mut *store, &Deletion::PxeConfig("local-boot".into()), true), InUse::BuiltIn);
}

pub(crate) fn a_relay_board_goes_when_nothing_hangs_on_it(world: &World) {
    let mut store = world.with_lab();
    let board = Deletion::RelayBoard("relay-1".into());
    let why = refused(&mut *store, &board, true);
    assert_eq!(why, InUse::Devices { doing: "hang on it", some: some(&["panda-1", "panda-2"], false) });
    let off = "[[device]]\nname = 'panda-1'\nrelay_info = ''\n[[device]]\nname = 'panda-2'\nrelay_info = ''";
    store.apply_lab(&lab(off), false, T0).unwrap();
    assert_eq!(deleted(&mut *store, &board, false), ["relay board relay-1: deleted"]);
}

pub(crate) fn a_deletion_is_told_of(world: &World) {
    let mut store = world.with_lab();
    let told = |store: &mut dyn Store, what: &Deletion| {
        let before = store.last_changes().unwrap().all;
        store.delete(what, true, true, T0).unwrap();
        assert_eq!(store.last_changes().unwrap().all, before, "a dry run has nothing to tell");
        store.delete(what, true, false, T0).unwrap();
        let page = store.changes(before, 100).unwrap().changes;
        let line = |c: mozpool::store::Change| format!("{} {} {}", c.kind.name(), c.subject, c.what.name());
        page.into_iter().map(line).collect::<Vec<_>>()
    };
    for name in ["panda-1", "panda-2"] {
        assert_eq!(told(&mut *store, &Deletion::Device(name.into())), [format!("device {name} deleted")]);
    }
    assert_eq!(
        told(&mut *store, &panda_type()),
        ["image android changed", "image b2g changed", "hardware_type panda ES Rev B2 deleted"]
    );
    assert_eq!(told(&mut *store, &Deletion::Image("b2g".into())), ["image b2g deleted"]);
    assert_eq!(told(&mut *store, &Deletion::RelayBoard("relay-1".into())), ["relay_board relay-1 deleted"]);
    assert_eq!(told(&mut *store, &Deletion::PxeConfig("image".into())), ["pxe_config image deleted"]);
    let before = store.last_changes().unwrap().all;
    assert!(store.delete(&Deletion::Image("self-test".into()), true, false, T0).is_err());
    assert_eq!(store.last_changes().unwrap().all, before);
}

pub(crate) fn a_claim_and_a_deletion_do_not_both_win(world: &World) {
    let mut store = world.with_lab();
    let requests: Vec<Request> = (0..20).map(|_| request(&mut *store, "here")).collect();
    for (i, request) in requests.iter().enumerate() {
        let name = format!("d-{i}");
        let text = format!("[[device]]\nname = '{name}'\nfqdn = 'x'\nstate = 'ready'");
        store.apply_lab(&lab(&text), false, T0).unwrap();
        let barrier = std::sync::Barrier::new(2);
        let (mut mine, mut other) = (world.open(), world.open());
        let (claimed, gone) = std::thread::scope(|scope| {
            let claim = scope.spawn(|| {
                barrier.wait();
                take(&mut *mine, request, &name)
            });
            barrier.wait();
            let gone = other.delete(&Deletion::Device(name.as_str().into()), true, false, T0).is_ok();
            (claim.join().unwrap(), gone)
        });
        assert_ne!(claimed == Committed::Done, gone, "{claimed:?}");
    }
}
