//! The search for free devices: what the store calls free is what the machine's judge calls free, whatever has happened.

use crate::odd_values::Dice;
use crate::*;
use mozpool::logic::ids::DeviceName;
use mozpool::logic::mozpool::{OneOf, Wanted, judge, kind_fits};
use mozpool::store::DeviceEdit;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Names of all free devices that fit, as the search finds them.
pub(crate) fn free(store: &mut dyn Store, wanted: &Wanted) -> BTreeSet<DeviceName> {
    let hardware = store.hardware_of_image(&wanted.install.image).unwrap();
    let kinds = store.free_kinds().unwrap();
    let fitting = kinds.iter().filter(|k| kind_fits(&k.kind, wanted, &hardware).is_ok());
    fitting.flat_map(|k| store.free_devices(k, 1 << 30, usize::MAX).unwrap()).collect()
}

/// … as the judge says, device by device.
pub(crate) fn judged(store: &mut dyn Store, wanted: &Wanted) -> BTreeSet<DeviceName> {
    let hardware = store.hardware_of_image(&wanted.install.image).unwrap();
    let boards = store.boards(usize::MAX).unwrap();
    boards.into_iter().filter(|b| judge(b, wanted, &hardware).is_ok()).map(|b| b.name).collect()
}

fn one_of(values: &[&str]) -> Option<OneOf> {
    OneOf::new(values.iter().map(|v| (*v).to_owned()))
}

pub(crate) fn free_devices_match_every_wish(world: &World) {
    let mut store = world.with_lab();
    let mut free = |wanted: Wanted| -> Vec<String> {
        let found = free(&mut *store, &wanted);
        assert_eq!(found, judged(&mut *store, &wanted));
        found.into_iter().map(|n| n.to_string()).collect()
    };
    let any = || wanted(None);
    assert_eq!(free(any()), ["panda-1", "panda-2", "pi-1"], "of all servers, ready ones only");
    assert_eq!(free(Wanted { environment: one_of(&["staging"]), ..any() }), ["panda-1"]);
    assert_eq!(
        free(Wanted { environment: one_of(&["production", "staging"]), ..any() }),
        ["panda-1", "panda-2"]
    );
    assert_eq!(free(Wanted { hardware_type: one_of(&["panda"]), ..any() }), ["panda-1", "panda-2"]);
    assert_eq!(free(Wanted { hardware_model: one_of(&["ES Rev B2"]), ..any() }), ["panda-1", "panda-2"]);
    assert_eq!(free(Wanted { hardware_model: one_of(&["ES Rev A"]), ..any() }), [""; 0]);
    assert_eq!(free(Wanted { processor: one_of(&["armv8"]), ..any() }), ["pi-1"]);
    assert_eq!(
        free(Wanted { processor: one_of(&["armv6", "armv7", "armv8"]), ..any() }),
        ["panda-1", "panda-2", "pi-1"]
    );
    assert_eq!(free(Wanted { tags: vec!["usb".into()], ..any() }), ["panda-1", "panda-2"]);
    assert_eq!(free(Wanted { tags: vec!["camera".into(), "usb".into()], ..any() }), ["panda-1"]);
    let either = one_of(&["camera", "wifi"]).unwrap();
    assert_eq!(free(Wanted { tags: vec![either], ..any() }), ["panda-1"]);
    assert_eq!(free(Wanted { tags: vec!["cam".into()], ..any() }), [""; 0]);
    let two = Wanted { processor: one_of(&["armv8"]), environment: one_of(&["staging"]), ..any() };
    assert_eq!(free(two), [""; 0], "all wishes together");
    let android = Install { image: "android".into(), boot_config: "".into() };
    let names = free(Wanted { install: android, ..any() });
    assert_eq!(names, ["panda-1", "panda-2"], "the image has no PXE config for a pi");

    let holder = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &holder, "panda-1"), Committed::Done);
    let names = crate::searching::free(&mut *store, &any());
    assert_eq!(names, ["panda-2".into(), "pi-1".into()].into(), "a claimed one is not free");
}

/// A lab of `n` devices of a few kinds; `own` gives each a tag of its own.
fn many(n: usize, own: bool) -> String {
    let mut text = String::from(LAB);
    for i in 0..n {
        let (kind, environment) = (["panda", "pi"][i % 2], ["staging", "production", "lab"][i % 3]);
        let tag = if own { format!("d{i}") } else { "usb".into() };
        let model = if kind == "panda" { "hardware_model = \"ES Rev B2\"\n" } else { "" };
        writeln!(
            text,
            "[[device]]\nname = \"d{i:03}\"\nfqdn = \"d{i}.example\"\nhardware_type = \"{kind}\"\n{model}\
             environment = \"{environment}\"\nprocessor = \"armv{}\"\ntags = [\"{tag}\"]\nstate = \"ready\"\n",
            6 + i % 2
        )
        .unwrap();
    }
    text
}

pub(crate) fn what_is_said_to_be_free_is_what_the_judge_calls_free(world: &World) {
    let mut store = world.open();
    store.apply_lab(&lab(&many(30, false)), false, T0).unwrap();
    let (mut dice, seed) = Dice::new();
    let names = store.device_names().unwrap();
    let (mut open, mut claims): (Vec<Request>, usize) = (Vec::new(), 0);
    for round in 0..200 {
        let name = dice.one_of(&names);
        match dice.below(7) {
            0 | 6 => {
                let asker = request(&mut *store, "here");
                if take(&mut *store, &asker, &name) == Committed::Done {
                    claims += 1;
                    open.push(load_request(&mut *store, asker.id));
                }
            }
            1 if !open.is_empty() => {
                let held = open.swap_remove(dice.below(open.len()));
                let drop = ClaimChange::Drop(held.assigned.clone().unwrap());
                let done = store.commit_requests(&[claim_commit(&held, drop)]).unwrap();
                assert_eq!(done, [Committed::Done], "seed {seed} round {round}");
            }
            2 => {
                let old = device(&mut *store, &name);
                let installed = dice.maybe(|d| Install {
                    image: d.one_of(&["b2g", "android"]).into(),
                    boot_config: "{}".into(),
                });
                let next = Device { installed, epoch: old.epoch.next(), ..old.clone() };
                store.commit_devices(&[device_commit(next, old.epoch)]).unwrap();
            }
            3 => {
                let environment = dice.one_of(&["staging", "production", "lab"]).to_owned();
                assert!(store.edit_device(&name, &DeviceEdit::Environment(environment), T0).unwrap());
            }
            _ => {
                let state = dice.one_of(&[State::Ready, State::Ready, State::PxeBooting, State::LockedOut]);
                put(&mut *store, &name, state);
            }
        }
        let wish = |d: &mut Dice, of: &[&str]| {
            d.maybe(|d| OneOf::new(vec![d.one_of(of).to_owned(), d.one_of(of).to_owned()]).unwrap())
        };
        let image = dice.one_of(&["b2g", "android", "self-test"]);
        let wanted = Wanted {
            device: None,
            environment: wish(&mut dice, &["staging", "production", "lab", "nowhere"]),
            install: Install { image: image.into(), boot_config: "{}".into() },
            hardware_type: wish(&mut dice, &["panda", "pi"]),
            hardware_model: None,
            processor: wish(&mut dice, &["armv6", "armv7", "armv8"]),
            tags: dice.list(1, |d| OneOf::from(d.one_of(&["usb", "camera"]))),
        };
        let found = free(&mut *store, &wanted);
        assert_eq!(found, judged(&mut *store, &wanted), "seed {seed} round {round}: {wanted:?}");
        let mut names: Vec<_> = found.iter().cloned().collect();
        names.push("nowhere-1".into());
        let mut boards = store.some_boards(&names, T0).expect("the store works");
        boards.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let one_by_one = names.iter().filter_map(|name| store.board(name, T0).expect("the store works"));
        let mut one_by_one: Vec<_> = one_by_one.collect();
        one_by_one.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        assert_eq!(boards, one_by_one);
        assert_eq!(boards.len(), found.len());
        assert!(boards.iter().all(|(board, candidate)| board.name == candidate.name));
    }
    assert!(claims > 3, "seed {seed}: {claims} were claimed");
    // The image under which a free device is found is the one that is on it.
    for kind in store.free_kinds().unwrap() {
        for name in store.free_devices(&kind, 0, usize::MAX).unwrap() {
            let installed = device(&mut *store, &name).installed;
            assert_eq!(installed.map_or(String::new(), |i| i.image.to_string()), kind.image, "{name}");
        }
    }
    assert_eq!(store.mend_free().unwrap(), 0, "seed {seed}: every verb keeps it right");
}

pub(crate) fn a_sample_goes_around_the_whole_round(world: &World) {
    let mut store = world.open();
    store.apply_lab(&lab(&many(60, false)), false, T0).unwrap();
    for kind in store.free_kinds().unwrap() {
        let all = store.free_devices(&kind, 0, usize::MAX).unwrap();
        for start in [0, 1 << 20, 1 << 29, 1 << 30, u32::MAX >> 1] {
            let mut round = store.free_devices(&kind, start, usize::MAX).unwrap();
            assert_eq!(store.free_devices(&kind, start, 3).unwrap(), round[..round.len().min(3)]);
            assert!(store.free_devices(&kind, start, 0).unwrap().is_empty());
            let first = round.iter().position(|n| *n == all[0]).expect("nobody is left out");
            round.rotate_left(first);
            assert_eq!(round, all, "the same order from everywhere, {start}");
        }
    }
}

pub(crate) fn as_many_kinds_as_devices_are_found_all_the_same(world: &World) {
    let mut store = world.open();
    store.apply_lab(&lab(&many(300, true)), false, T0).unwrap();
    assert_eq!(store.free_kinds().unwrap().len(), 303);
    let found = free(&mut *store, &wanted(None));
    assert_eq!(found.len(), 303);
    assert_eq!(found, judged(&mut *store, &wanted(None)));
    let one = Wanted { tags: vec!["d299".into()], ..wanted(None) };
    assert_eq!(free(&mut *store, &one), ["d299".into()].into());
}

pub(crate) fn what_somebody_else_wrote_is_put_right(world: &World) {
    let mut store = world.with_lab();
    let asker = request(&mut *store, "here");
    assert_eq!(take(&mut *store, &asker, "panda-1"), Committed::Done);
    assert_eq!(store.mend_free().unwrap(), 0);
    let before = free(&mut *store, &wanted(None));
    if let Some(path) = world.dir.as_ref().map(|d| d.path().join("mozpool.db")) {
        let by_hand = rusqlite::Connection::open(path).unwrap();
        by_hand
            .execute_batch(
                "UPDATE devices SET free_image = 'b2g' WHERE name = 'panda-1'; \
                 UPDATE devices SET free_image = NULL WHERE name = 'pi-1'",
            )
            .unwrap();
        assert_ne!(free(&mut *store, &wanted(None)), before);
        assert_eq!(store.mend_free().unwrap(), 2);
    }
    assert_eq!(free(&mut *store, &wanted(None)), before);
}

pub(crate) fn failures_are_counted_up_to_now(world: &World) {
    let mut store = world.with_lab();
    let old = device(&mut *store, "panda-1");
    let installed = Some(Install { image: "b2g".into(), boot_config: "{}".into() });
    let failures = vec![T0.plus_ms(-8 * 24 * 3_600_000), T0.plus_s(10), T0.plus_s(20)];
    let next = Device { installed: installed.clone(), failures, epoch: old.epoch.next(), ..old.clone() };
    store.commit_devices(&[device_commit(next, old.epoch)]).unwrap();
    let (_, candidate) = store.board("panda-1", T0.plus_s(30)).unwrap().unwrap();
    assert_eq!(
        (candidate.recent_failures, &candidate.installed),
        (2, &installed),
        "the old one is forgotten"
    );
    put(&mut *store, "panda-1", State::PxeBooting);
    let (board, again) = store.board("panda-1", T0.plus_s(30)).unwrap().unwrap();
    assert_eq!((&*board.state, again), ("pxe_booting", candidate), "whatever its state");
    let (_, later) = store.board("panda-1", T0.plus_ms(8 * 24 * 3_600_000)).unwrap().unwrap();
    assert_eq!(later.recent_failures, 0);
}
