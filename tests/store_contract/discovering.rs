//! Boards that are no devices: noted, bounded, ignored, and gone when a device with their MAC is made.

use crate::*;
use mozpool::logic::ids::Mac;
use mozpool::store::{AgentWords, CandidateRow, ChangeKind, ChangeWhat, TooOld};

fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 1, n])
}

/// Turned to us at this second, so often, by TFTP.
fn asked(n: u8, second: i64, seen: u64) -> CandidateRow {
    let at = T0.plus_ms(second * 1000);
    CandidateRow {
        mac: mac(n),
        address: format!("10.0.0.{n}"),
        imaging_server: "here".into(),
        first: at,
        last: at,
        seen,
        asked_for: format!("pxelinux.cfg/01-{}", mac(n).join("-")),
        agent: None,
        ignored: false,
    }
}

fn registered(n: u8, second: i64) -> CandidateRow {
    let row = asked(n, second, 1);
    let agent = AgentWords {
        at: row.last,
        os: "Ändroid".into(),
        hardware: "<b>Tegra".into(),
        pool: "x".into(),
        command_port: Some(20701),
        data_port: None,
    };
    CandidateRow {
        address: "fd00::7".into(),
        imaging_server: "other".into(),
        asked_for: String::new(),
        agent: Some(agent),
        ..row
    }
}

fn macs(store: &mut dyn Store) -> Vec<Mac> {
    store.candidates().unwrap().into_iter().map(|c| c.mac).collect()
}

pub(crate) fn boards_that_are_no_devices_are_noted_and_added_to(world: &World) {
    let mut store = world.with_lab();
    assert_eq!(store.candidates().unwrap(), []);
    assert_eq!(store.note_candidates(&[], 10).unwrap(), []);
    let stand = store.note_candidates(&[asked(1, 0, 3), registered(2, 1)], 10).unwrap();
    assert_eq!(stand, [asked(1, 0, 3), registered(2, 1)]);
    let all = store.candidates().unwrap();
    assert_eq!(all, [registered(2, 1), asked(1, 0, 3)], "the last heard first");
    let stand = store.note_candidates(&[registered(1, 9)], 10).unwrap();
    let want = CandidateRow {
        first: asked(1, 0, 3).first,
        seen: 4,
        asked_for: asked(1, 0, 3).asked_for,
        ..registered(1, 9)
    };
    assert_eq!((&stand, store.candidate(mac(1)).unwrap()), (&vec![want.clone()], Some(want)));
    assert_eq!(store.candidate(mac(9)).unwrap(), None);
    // What an agent said stays when its boot loader asks.
    store.note_candidates(&[asked(1, 20, 1)], 10).unwrap();
    let now = world.open().candidate(mac(1)).unwrap().unwrap();
    assert_eq!((now.seen, &*now.address, now.agent), (5, "10.0.0.1", registered(1, 9).agent));
}

pub(crate) fn a_device_is_no_candidate_and_takes_the_row_away(world: &World) {
    let mut store = world.with_lab();
    let panda = CandidateRow { mac: "0a:0b:0c:0d:0e:01".parse().unwrap(), ..asked(1, 0, 1) };
    assert_eq!(store.note_candidates(&[panda, asked(3, 0, 1)], 10).unwrap(), [asked(3, 0, 1)]);
    assert_eq!(macs(&mut *store), [mac(3)]);
    let text = format!("[[device]]\nname = \"new-3\"\nfqdn = \"x\"\nmac = \"{}\"\n", mac(3));
    let lab = Lab::parse(&text, "lab.toml", "here").unwrap();
    store.apply_lab(&lab, true, T0).unwrap();
    assert_eq!(macs(&mut *store), [mac(3)], "a dry run takes nothing away");
    store.apply_lab(&lab, false, T0).unwrap();
    assert_eq!(macs(&mut *store), []);
    assert_eq!(store.note_candidates(&[asked(3, 1, 1)], 10).unwrap(), []);
    assert_eq!(macs(&mut *store), []);
    // An old device that gets another card, too.
    store.note_candidates(&[asked(4, 1, 1)], 10).unwrap();
    let text = format!("[[device]]\nname = \"new-3\"\nmac = \"{}\"\n", mac(4));
    store.apply_lab(&Lab::parse(&text, "lab.toml", "here").unwrap(), false, T0).unwrap();
    assert_eq!(macs(&mut *store), []);
}

pub(crate) fn candidates_are_bounded_and_ignored_ones_stay_so(world: &World) {
    let mut store = world.with_lab();
    store.note_candidates(&[asked(1, 0, 1), asked(2, 1, 1)], 3).unwrap();
    assert!(store.ignore_candidate(mac(1), true, T0).expect("the store works"));
    assert!(!store.ignore_candidate(mac(9), true, T0).expect("the store works"));
    let many: Vec<CandidateRow> = (10..20).map(|n| asked(n, n.into(), 1)).collect();
    let stand = store.note_candidates(&many, 3).unwrap();
    assert_eq!(stand.len(), 10, "all were noted, and most of them gave way");
    assert_eq!(macs(&mut *store), [mac(19), mac(18), mac(17), mac(1)]);
    let ignored = store.note_candidates(&[asked(1, 50, 1)], 3).unwrap();
    assert_eq!((ignored[0].ignored, ignored[0].seen), (true, 2));
    assert!(store.ignore_candidate(mac(1), false, T0).expect("the store works"));
    assert!(!store.candidate(mac(1)).unwrap().unwrap().ignored);
    store.note_candidates(&[asked(20, 60, 1)], 3).unwrap();
    assert_eq!(macs(&mut *store), [mac(20), mac(1), mac(19)]);
}

pub(crate) fn candidates_that_are_not_heard_of_are_forgotten_but_not_what_was_decided(world: &World) {
    let mut store = world.with_lab();
    store.note_candidates(&[asked(1, 0, 1), asked(2, 0, 1), asked(3, 10, 1)], 10).unwrap();
    store.ignore_candidate(mac(2), true, T0).expect("the store works");
    let logs = T0.plus_ms(5000);
    let too_old = TooOld { logs, requests: T0, changes: T0, reports: T0, audit: T0, now: T0 };
    while store.prune(&too_old, 100).unwrap() {}
    assert_eq!(macs(&mut *store), [mac(3), mac(2)]);
}

pub(crate) fn all_that_happens_to_candidates_is_told(world: &World) {
    let mut store = world.with_lab();
    let mut after = store.last_changes().expect("the store works").all;
    let mut told = |store: &mut dyn Store| {
        let page = store.changes(after, 100).expect("the store works");
        after = page.last;
        let of = page.changes.into_iter().filter(|c| c.kind == ChangeKind::Candidate);
        of.map(|c| (c.what, c.subject)).collect::<Vec<_>>()
    };
    let text = |n: u8| mac(n).to_string();
    store.note_candidates(&[asked(1, 0, 1), asked(2, 1, 1)], 2).expect("the store works");
    assert_eq!(told(&mut *store), [(ChangeWhat::Created, text(1)), (ChangeWhat::Created, text(2))]);
    store.note_candidates(&[asked(2, 2, 1), asked(3, 3, 1)], 2).expect("the store works");
    let want =
        [(ChangeWhat::Changed, text(2)), (ChangeWhat::Created, text(3)), (ChangeWhat::Deleted, text(1))];
    assert_eq!(told(&mut *store), want, "the oldest gave way");
    store.ignore_candidate(mac(3), true, T0).expect("the store works");
    store.ignore_candidate(mac(9), true, T0).expect("the store works");
    assert_eq!(told(&mut *store), [(ChangeWhat::Changed, text(3))]);
    let device = format!("[[device]]\nname = \"new-3\"\nfqdn = \"x\"\nmac = \"{}\"\n", mac(3));
    store
        .apply_lab(&Lab::parse(&device, "lab.toml", "here").expect("a lab"), false, T0)
        .expect("the store works");
    assert_eq!(told(&mut *store), [(ChangeWhat::Deleted, text(3))]);
    let too_old =
        TooOld { logs: T0.plus_ms(60_000), requests: T0, changes: T0, reports: T0, audit: T0, now: T0 };
    while store.prune(&too_old, 100).expect("the store works") {}
    assert_eq!(told(&mut *store), [(ChangeWhat::Deleted, text(2))]);
}
