//! The shelf against a real store that others write to: never older than what was acknowledged, and nothing read twice.

use super::*;
use crate::lab::Lab;
use crate::logic::machine::Epoch;
use crate::store::{DeviceCommit, DeviceEdit, Location};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const LAB: &str = r#"
[[hardware_type]]
type = "panda"
[[device]]
name = "panda-1"
fqdn = "10.0.0.1"
hardware_type = "panda"
state = "ready"
[[device]]
name = "panda-2"
fqdn = "10.0.0.2"
state = "ready"
"#;
const T0: Timestamp = Timestamp(1_700_000_000_000);

fn world(shared: bool) -> (Location, Box<dyn Store>, Shelf) {
    let location = Location::memory();
    let mut store = location.open().unwrap();
    store.apply_lab(&Lab::parse(LAB, "lab.toml", "s1").unwrap(), false, T0).unwrap();
    let shelf = Shelf::new(location.bell(), shared, T0);
    (location, store, shelf)
}

/// What a list read from the store would be.
fn from_store(store: &mut dyn Store, details: bool) -> String {
    let all = store.devices(&DeviceFilter::default()).unwrap();
    if details {
        let devices: Vec<DeviceDetails> = all.into_iter().map(Into::into).collect();
        return serde_json::to_string(&Devices { devices }).unwrap();
    }
    serde_json::to_string(&Devices { devices: all.iter().map(|d| &*d.name).collect::<Vec<_>>() }).unwrap()
}

fn text(list: &Bytes) -> &str {
    std::str::from_utf8(list).unwrap()
}

fn comment(store: &mut dyn Store, device: &str, text: &str) {
    assert!(store.edit_device(device, &DeviceEdit::Comments(text.into()), T0).unwrap());
}

#[test]
fn a_list_is_what_the_store_says_before_and_after_every_change() {
    let (_location, mut store, shelf) = world(false);
    let store = store.as_mut();
    let mut versions = vec![];
    for round in 0..4 {
        for details in [true, false] {
            let (version, list) = shelf.list(store, details).unwrap();
            assert_eq!(text(&list), from_store(store, details), "round {round}");
            let (again, same) = shelf.list(store, details).unwrap();
            assert!(
                Arc::ptr_eq(&list, &same) && version == again,
                "nothing has changed, so nothing is made anew"
            );
            versions.push(version);
        }
        match round {
            0 => comment(store, "panda-1", "broken \"fan\""),
            1 => {
                let more = LAB.replace("panda-2", "pi-1").replace("10.0.0.2", "10.0.0.3");
                store.apply_lab(&Lab::parse(&more, "lab.toml", "s1").unwrap(), false, T0).unwrap();
            }
            _ => {
                let mut next = store.load_device("pi-1").unwrap().unwrap().machine;
                let expected = next.epoch;
                (next.epoch, next.state) = (Epoch(expected.0 + 1), crate::logic::lifeguard::State::LockedOut);
                let commit = DeviceCommit {
                    next,
                    expected,
                    log: vec![],
                    turns: vec![],
                    result: None,
                    failure: None,
                    at: T0.plus_s(round),
                };
                store.commit_devices(&[commit]).unwrap();
            }
        }
    }
    versions.dedup();
    assert_eq!(versions.len(), 4, "each change has made a version: {versions:?}");
}

#[test]
fn one_device_is_as_new_as_the_last_change_and_unknown_ones_are_not_kept() {
    let (_location, mut store, shelf) = world(false);
    let store = store.as_mut();
    let first = shelf.device(store, "panda-1").unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &shelf.device(store, "panda-1").unwrap().unwrap()), "kept");
    comment(store, "panda-2", "other");
    assert!(
        Arc::ptr_eq(&first, &shelf.device(store, "panda-1").unwrap().unwrap()),
        "another one has changed"
    );
    comment(store, "panda-1", "mine");
    assert_eq!(shelf.device(store, "panda-1").unwrap().unwrap().view.comments, "mine");
    assert!(shelf.device(store, "nobody").unwrap().is_none());
    shelf.list(store, true).unwrap();
    assert!(shelf.device(store, "nobody").unwrap().is_none());
    assert_eq!(shelf.read().devices.len(), 2);
}

#[test]
fn an_event_needs_no_newer_state_but_the_right_owner() {
    let (_location, mut store, shelf) = world(false);
    let store = store.as_mut();
    let first = shelf.device(store, "panda-1").unwrap().unwrap();
    let mut next = store.load_device("panda-1").unwrap().unwrap().machine;
    let expected = next.epoch;
    (next.epoch, next.state) = (Epoch(expected.0 + 1), crate::logic::lifeguard::State::LockedOut);
    store
        .commit_devices(&[DeviceCommit {
            next,
            expected,
            log: vec![],
            turns: vec![],
            result: None,
            failure: None,
            at: T0,
        }])
        .unwrap();
    assert!(Arc::ptr_eq(&first, &shelf.identity(store, "panda-1").unwrap().unwrap()), "it has only moved");
    assert_eq!(shelf.device(store, "panda-1").unwrap().unwrap().view.state, "locked_out");
    let moved = LAB.replace("fqdn = \"10.0.0.1\"", "fqdn = \"10.0.0.1\"\nimaging_server = \"s2\"");
    store.apply_lab(&Lab::parse(&moved, "lab.toml", "s1").unwrap(), false, T0).unwrap();
    assert_eq!(shelf.identity(store, "panda-1").unwrap().unwrap().view.info.imaging_server, "s2");
}

#[test]
fn another_hardware_type_empties_it() {
    let (_location, mut store, shelf) = world(false);
    let store = store.as_mut();
    let (before, _) = shelf.list(store, true).unwrap();
    let other =
        LAB.replace("type = \"panda\"\n[[device]]", "type = \"panda\"\nping_steady_s = 9\n[[device]]");
    assert_ne!(other, LAB);
    store.apply_lab(&Lab::parse(&other, "lab.toml", "s1").unwrap(), false, T0).unwrap();
    assert_ne!(shelf.version(store).unwrap(), before);
    assert!(shelf.read().devices.is_empty());
    assert_eq!(text(&shelf.list(store, true).unwrap().1), from_store(store, true));
}

#[test]
fn what_another_process_writes_is_seen_when_the_store_is_shared() {
    // A location of its own has a bell of its own, as another process has.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (ours, theirs) = (Location::sqlite(&path), Location::sqlite(&path));
    let mut store = ours.open().unwrap();
    store.apply_lab(&Lab::parse(LAB, "lab.toml", "s1").unwrap(), false, T0).unwrap();
    let mut other = theirs.open().unwrap();
    let shelf = Shelf::new(ours.bell(), true, T0);
    shelf.list(store.as_mut(), true).unwrap();
    comment(other.as_mut(), "panda-1", "from elsewhere");
    assert_eq!(shelf.device(store.as_mut(), "panda-1").unwrap().unwrap().view.comments, "from elsewhere");
    assert_eq!(text(&shelf.list(store.as_mut(), true).unwrap().1), from_store(store.as_mut(), true));
}

#[test]
fn readers_beside_a_writer_never_see_less_than_they_were_told() {
    let (location, mut store, shelf) = world(false);
    let stop = AtomicBool::new(false);
    let (told, reads) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut last = 0;
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (shelf, stop, told, reads, location) = (&shelf, &stop, &told, &reads, &location);
            scope.spawn(move || {
                let mut store = location.open().unwrap();
                while !stop.load(Ordering::SeqCst) {
                    let at_least = told.load(Ordering::SeqCst);
                    let seen = if reader == 0 {
                        let (_, list) = shelf.list(store.as_mut(), true).unwrap();
                        let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
                        list["devices"][0]["comments"].as_str().unwrap().parse().unwrap_or(0)
                    } else {
                        let shown = shelf.device(store.as_mut(), "panda-1").unwrap().unwrap();
                        shown.view.comments.parse().unwrap_or(0)
                    };
                    assert!(seen >= at_least, "told of {at_least}, shown {seen}");
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Until they have had their chance; a reader that has failed makes no more.
        while (reads.load(Ordering::SeqCst) < 500 || last < 300) && last < 20_000 {
            last += 1;
            comment(store.as_mut(), "panda-1", &last.to_string());
            told.store(last, Ordering::SeqCst);
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert_eq!(shelf.device(store.as_mut(), "panda-1").unwrap().unwrap().view.comments, last.to_string());
}

#[test]
fn a_tag_is_recognised_among_others_and_in_both_strengths() {
    let version = Version { begun: Timestamp(255), last: 7 };
    assert_eq!(version.tag(), "W/\"ff-7\"");
    for (tags, known) in [
        ("W/\"ff-7\"", true),
        ("\"ff-7\"", true),
        ("\"a\", W/\"ff-7\" ,\"b\"", true),
        ("*", true),
        ("W/\"ff-8\"", false),
        ("W/\"fe-7\"", false),
        ("ff-7", false),
        ("", false),
    ] {
        assert_eq!(version.is_in(tags), known, "{tags}");
    }
}
