//! The thread that tells of changes: a store that fails, and a start in the middle of much that has happened.

use super::faulty::{Faulty, Trouble};
use crate::api::events::{Filter, Found, RECENT_MAX, Recent};
use crate::lab::Lab;
use crate::layers::changes::Feed;
use crate::layers::supervise::Exit;
use crate::logic::time::Timestamp;
use crate::store::through::Through;
use crate::store::{DeviceEdit, Location, Store, TooOld};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

fn store_with_a_board(location: &Location) -> Box<dyn Store> {
    let mut store = location.open().unwrap();
    let lab = Lab::parse("[[device]]\nname = 'b'\nfqdn = 'x'\n", "lab.toml", "here").unwrap();
    store.apply_lab(&lab, false, Timestamp(0)).unwrap();
    store
}

fn change(store: &mut dyn Store) {
    assert!(store.edit_device("b", &DeviceEdit::Comments(String::new()), Timestamp(0)).unwrap());
}

/// The numbers that somebody is told who waits after `after`.
fn told(recent: &Recent, after: u64) -> Vec<u64> {
    match recent.wait(after, usize::MAX, &Filter::default(), Instant::now() + LIMIT, || false) {
        Found::Some { entries, .. } => entries.iter().map(|e| e.seq()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_that_fails_delays_changes_and_loses_none() {
    let location = Location::memory();
    let mut store = store_with_a_board(&location);
    let trouble = Arc::new(Mutex::new(None));
    let inner = location.open().unwrap();
    let faulty = Faulty { inner, switch: Arc::clone(&trouble), meanwhile: Arc::default() };
    let recent = Arc::new(Recent::default());
    let feed = Feed::load(Box::new(Through(faulty)), location.bell(), Arc::clone(&recent)).unwrap();
    let (stopper, start) = (feed.stopper(), recent.last());
    *trouble.lock().unwrap() = Some(Trouble::Once("changes"));
    let thread = std::thread::spawn(move || feed.run());
    change(&mut *store);
    change(&mut *store);
    let mut heard = told(&recent, start);
    while heard.len() < 2 {
        heard.extend(told(&recent, start + heard.len() as u64));
    }
    assert_eq!(heard, [start + 1, start + 2]);
    assert_eq!(*trouble.lock().unwrap(), None, "it has failed once");
    change(&mut *store);
    assert_eq!(told(&recent, start + 2), [start + 3]);
    stopper.stop();
    assert_eq!(thread.join().unwrap(), Exit::Stopped);
    assert!(recent.is_closed());
}

#[test]
fn a_start_knows_the_last_and_leaves_the_rest_to_the_store() {
    let location = Location::memory();
    let mut store = store_with_a_board(&location);
    for _ in 0..RECENT_MAX {
        change(&mut *store);
    }
    let recent = Arc::new(Recent::default());
    drop(Feed::load(location.open().unwrap(), location.bell(), Arc::clone(&recent)).unwrap());
    let last = store.last_changes().unwrap().all;
    assert_eq!(recent.last(), last);
    let all = Filter::default();
    let first = last - RECENT_MAX as u64;
    assert!(
        matches!(recent.find(first, 1, &all), Found::Some { entries, .. } if entries[0].seq() == first + 1)
    );
    assert!(matches!(recent.find(first - 1, 1, &all), Found::Behind));
}

#[test]
fn numbers_go_on_where_all_changes_have_aged_out() {
    let location = Location::memory();
    let mut store = store_with_a_board(&location);
    for _ in 0..=RECENT_MAX {
        change(&mut *store);
    }
    let last = store.last_changes().unwrap().all;
    let now = Timestamp(1);
    while store
        .prune(&TooOld { logs: now, requests: now, changes: now, reports: now, audit: now, now }, RECENT_MAX)
        .unwrap()
    {}
    let recent = Arc::new(Recent::default());
    let feed = Feed::load(location.open().unwrap(), location.bell(), Arc::clone(&recent)).unwrap();
    assert_eq!(recent.last(), last);
    let stopper = feed.stopper();
    let thread = std::thread::spawn(move || feed.run());
    change(&mut *store);
    assert_eq!(told(&recent, last), [last + 1]);
    stopper.stop();
    assert_eq!(thread.join().unwrap(), Exit::Stopped);
}
