//! An inventory under running layers: boards come, change, go, and are others under the same name.

use super::faulty::Trouble;
use super::world::World;
use crate::clock::Clock;
use crate::inventory::take_in;
use crate::layers::messages::*;
use crate::logic::inventory::System;
use crate::logic::lifeguard::{Ask, Install, State as S};
use crate::store::{StoreError, Sync, Synced};
use crossbeam_channel::bounded;

/// A board of the inventory, on relay `n` of a board of its own.
fn board(id: u8, name: &str, n: u8) -> System {
    System {
        place: format!("system {id}"),
        inventory_id: id.to_string(),
        fqdn: format!("10.0.9.{n}"),
        name: name.into(),
        mac: format!("0200000009{n:02}"),
        imaging_server: "here".into(),
        relay_info: format!("relay9:bank1:relay{n}"),
        hardware_type: "pc".into(),
        ..System::default()
    }
}

fn sync(w: &mut World, systems: &[System]) -> Result<Synced, StoreError> {
    let (reply, answer) = bounded(1);
    let wanted = take_in(systems.to_vec(), None).unwrap().wanted;
    let change = Box::new(Administration::Sync(Sync { wanted, ship_it: false }));
    w.devices.send(LifeguardCommand::Administer { change, dry_run: false, reply }).unwrap();
    w.settle();
    match answer.try_recv() {
        Ok(AdminAnswer::Synced(synced)) => Ok(synced),
        Ok(AdminAnswer::Refused(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn debian() -> Ask {
    Ask::Image(Install { image: "debian".into(), boot_config: "{}".into() })
}

fn cycles(w: &World) -> Vec<String> {
    w.jobs
        .try_iter()
        .filter_map(|job| match job {
            BmmJob::PowerCycle { device, relay, .. } => Some(format!("{device} cycles {relay}")),
            BmmJob::Cancel { device } => Some(format!("{device} cancels")),
            _ => None,
        })
        .collect()
}

#[test]
fn boards_come_and_go_and_the_others_are_not_disturbed() {
    let mut w = World::of(2);
    w.please("b1", debian());
    w.settle();
    cycles(&w);
    let (before, text) = (w.epoch("b1"), w.boots(1));
    sync(&mut w, &[board(7, "n7", 1), board(8, "n8", 2)]).unwrap();
    assert_eq!(cycles(&w), ["n7 cycles relay9:bank1:relay1", "n8 cycles relay9:bank1:relay2"]);
    assert!(w.lines.try_iter().any(|l| l == JournalLine::DevicesChanged), "their lines are not strays");
    assert_eq!((w.epoch("b1"), w.boots(1)), (before, text), "it goes on installing");
    // At work: it stays. At rest: it goes.
    let left = sync(&mut w, &[board(8, "n8", 2)]).unwrap().left;
    assert_eq!(left[0].why.to_string(), "it is at work in state pc_power_cycling");
    w.pass_self_test("n7");
    let done = sync(&mut w, &[board(8, "n8", 2)]).unwrap();
    assert_eq!((done.left.len(), done.changes[0].text.as_str()), (0, "device n7: deleted"));
    let answer = w.please("n7", Ask::SelfTest);
    w.settle();
    assert_eq!(answer.try_recv(), Ok(DeviceAnswer::UnknownDevice));
}

#[test]
fn another_board_under_the_same_name_begins_its_own_life() {
    for verb in [None, Some("catalog"), Some("load_devices")] {
        let mut w = World::of(1);
        sync(&mut w, &[board(7, "n", 1)]).unwrap();
        w.pass_self_test("n");
        assert_eq!(w.state("n"), S::Ready);
        let old = w.epoch("n");
        cycles(&w);
        if let Some(verb) = verb {
            w.trouble(Trouble::Verb(verb));
        }
        sync(&mut w, &[board(8, "n", 2)]).unwrap();
        w.trouble(None);
        w.pass_s(1);
        assert_eq!(cycles(&w).last().unwrap(), "n cycles relay9:bank1:relay2", "{verb:?}");
        assert_ne!(w.epoch("n"), old);
        w.pass_self_test("n");
        assert_eq!(w.state("n"), S::Ready, "{verb:?}");
    }
}

#[test]
fn boards_that_swap_their_names_go_on_as_they_were() {
    let mut w = World::of(1);
    sync(&mut w, &[board(7, "n7", 1), board(8, "n8", 2)]).unwrap();
    w.pass_self_test("n7");
    w.pass_self_test("n8");
    w.please("n8", Ask::Offline);
    w.settle();
    sync(&mut w, &[board(7, "n8", 1), board(8, "n7", 2)]).unwrap();
    assert_eq!((w.state("n8"), w.state("n7")), (S::Ready, S::LockedOut));
    // The machines in memory are those of the rows, so both go on.
    w.please("n8", debian());
    w.settle();
    assert_eq!(w.state("n8"), S::PxePowerCycling);
    assert_eq!(cycles(&w).last().unwrap(), "n8 cycles relay9:bank1:relay1");
    w.please("n7", Ask::Online);
    w.settle();
    assert_ne!(w.state("n7"), S::LockedOut);
}

#[test]
fn a_store_that_fails_is_told_and_nothing_changes() {
    let mut w = World::of(1);
    w.trouble(Trouble::All);
    assert!(matches!(sync(&mut w, &[board(7, "n", 1)]), Err(StoreError::Unavailable { .. })));
    w.trouble(None);
    let now = w.clock.now();
    assert_eq!(w.store.load_device("n").unwrap(), None, "{now:?}");
}
