//! The rules of the original's inventory, case by case, and where they are others here.

use super::*;

fn system(name: &str) -> System {
    System {
        place: format!("system {name}"),
        inventory_id: "7".into(),
        fqdn: format!("{name}.example.com"),
        mac: "020000000001".into(),
        imaging_server: "s1".into(),
        relay_info: "relay-1:bank1:relay1".into(),
        ..System::default()
    }
}

#[track_caller]
fn skipped(change: impl FnOnce(&mut System), want: &str) {
    let mut system = system("b");
    change(&mut system);
    let got = skip(&system, |server| server.starts_with("old")).map(|s| s.to_string()).unwrap_or_default();
    assert_eq!(got, want);
}

#[test]
fn what_is_none_of_ours_is_skipped_in_this_order() {
    skipped(|_| {}, "");
    skipped(|s| s.status = "production".into(), "");
    skipped(|s| s.status = "decommissioned".into(), "it is decommissioned");
    skipped(|s| s.relay_info.clear(), "it has no relay");
    skipped(|s| s.imaging_server.clear(), "it has no imaging server");
    skipped(|s| s.mac.clear(), "it has no MAC address");
    skipped(|s| s.imaging_server = "old-1".into(), "devices on old-1 are ignored");
    // What comes first is said.
    skipped(|s| *s = System { status: "decommissioned".into(), ..System::default() }, "it is decommissioned");
    skipped(|s| *s = System::default(), "it has no relay");
    skipped(
        |s| {
            s.imaging_server = "old-1".into();
            s.mac.clear();
        },
        "it has no MAC address",
    );
}

#[test]
fn names_and_keys_are_made_of_what_there_is() {
    assert_eq!(short_name("panda-0001.p1.example.com"), "panda-0001");
    assert_eq!(short_name("panda-0001"), "panda-0001");
    assert_eq!(short_name("10.1.2.3"), "10.1.2.3");
    assert_eq!(id_of("17"), 17);
    for key in ["0", "-3", "panda-0001", "4f9e", ""] {
        let id = id_of(key);
        assert!((1..1 << 52).contains(&id), "{key}: {id}");
        assert_eq!(id, id_of(key));
    }
    assert_ne!(id_of("panda-0001"), id_of("panda-0002"));
}

/// Device `n`, on relay `n` of a board, eight to a board.
fn want(n: u8) -> Wanted {
    Wanted {
        place: format!("lab.toml:{n}"),
        inventory_id: n.into(),
        name: format!("b{n}").into(),
        fqdn: format!("b{n}.example.com"),
        mac: Mac([2, 0, 0, 0, 0, n]),
        imaging_server: "s1".into(),
        power: relay(&format!("relay-{}", n / 8), None, n),
        hardware: Some(("panda".into(), "ES".into())),
        extras: Extras::default(),
    }
}

fn relay(host: &str, port: Option<u16>, n: u8) -> Power {
    let at = match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Power {
        text: format!("{at}:bank1:relay{}", n % 8 + 1),
        key: format!("{host}:{}:bank1:relay{}", port.unwrap_or(2101), n % 8 + 1),
        board: Some(BoardAt {
            key: format!("{host}:{}", port.unwrap_or(2101)),
            host: format!("{host}.example.com"),
            port,
        }),
    }
}

/// It is as it is wanted.
fn have(n: u8) -> Known {
    let Wanted { name, inventory_id, fqdn, mac, imaging_server, power, hardware, .. } = want(n);
    let extras = Extras {
        environment: Some("lab".into()),
        processor: Some(String::new()),
        tags: Some(vec![]),
        comments: Some("by the door".into()),
    };
    let (mac, power) = (Some(mac), Some(power));
    Known { name, inventory_id, fqdn, mac, imaging_server, power, hardware, extras, held: None }
}

fn board(n: u8) -> KnownBoard {
    let Wanted { power, imaging_server, .. } = want(n * 8);
    KnownBoard {
        name: format!("relay-{n}"),
        key: power.board.map(|b| b.key).unwrap_or_default(),
        imaging_server,
    }
}

fn wanted(n: std::ops::RangeInclusive<u8>) -> Vec<Wanted> {
    n.map(want).collect()
}

fn known(n: std::ops::RangeInclusive<u8>) -> Vec<Known> {
    n.map(have).collect()
}

/// The plan in words.
fn words(wanted: &[Wanted], known: &[Known], boards: &[KnownBoard]) -> Vec<String> {
    let plan = match plan(wanted, known, boards) {
        Ok(plan) => plan,
        Err(refusal) => return vec![refusal.to_string()],
    };
    let mut words: Vec<String> = plan.delete.iter().map(|d| format!("delete {d}")).collect();
    words.extend(plan.rename.iter().map(|(from, to)| format!("rename {from} {to}")));
    words.extend(plan.write.iter().map(|i| format!("write {}", wanted[*i].name)));
    words.extend(plan.boards.iter().map(|b| {
        let fqdn = b.fqdn.as_ref().map(|f| format!(" at {f}")).unwrap_or_default();
        format!("board {}{fqdn} of {}", b.name, b.imaging_server)
    }));
    words.extend(plan.drop.iter().map(|b| format!("drop {b}")));
    words.extend(plan.left.iter().map(|l| format!("{} {} later: {}", l.device, l.what, l.why)));
    words.extend(plan.brake.map(|b| format!("brake {} > {}", b.changes, b.limit)));
    words
}

#[track_caller]
fn check(wanted: &[Wanted], known: &[Known], boards: &[KnownBoard], want: &[&str]) {
    assert_eq!(words(wanted, known, boards), want);
}

#[test]
fn devices_are_told_apart_by_their_inventory_id() {
    let boards = [board(0)];
    check(&wanted(1..=3), &known(1..=3), &boards, &[]);
    check(&wanted(1..=3), &known(1..=2), &boards, &["write b3"]);
    check(&wanted(1..=2), &known(1..=3), &boards, &["delete b3"]);
    // Another id is another device, whatever its name.
    let mut other = wanted(1..=3);
    other[2].inventory_id = 30;
    check(&other, &known(1..=3), &boards, &["delete b3", "write b3"]);
}

#[test]
fn any_field_that_differs_is_a_change_and_what_is_not_said_is_none() {
    let changes: [fn(&mut Wanted); 6] = [
        |w| w.fqdn = "elsewhere".into(),
        |w| w.mac = Mac([2, 0, 0, 0, 9, 9]),
        |w| w.imaging_server = "s2".into(),
        |w| w.power = relay("relay-0", None, 7),
        |w| w.hardware = Some(("pi".into(), String::new())),
        |w| w.extras.environment = Some("other".into()),
    ];
    for change in changes {
        let mut one = wanted(1..=1);
        change(&mut one[0]);
        let got = words(&one, &known(1..=1), &[board(0)]);
        assert_eq!(got[0], "write b1");
    }
    let mut one = wanted(1..=1);
    one[0].hardware = None;
    check(&one, &known(1..=1), &[board(0)], &[]);
    one[0].name = "c1".into();
    check(&one, &known(1..=1), &[board(0)], &["rename b1 c1", "write c1"]);
}

#[test]
fn too_many_changes_at_once_need_a_word() {
    assert_eq!([limit(0, 0), limit(59, 59), limit(60, 10), limit(10, 79)], [5, 5, 6, 7]);
    let boards: Vec<KnownBoard> = (0..32).map(board).collect();
    let brake = |wanted: &[Wanted], known: &[Known]| plan(wanted, known, &boards).unwrap().brake;
    assert_eq!(brake(&wanted(1..=6), &known(1..=1)), None, "five always pass");
    let six = Brake { changes: 6, limit: 5 };
    assert_eq!(brake(&wanted(1..=7), &known(1..=1)), Some(six));
    assert_eq!(brake(&wanted(1..=1), &known(1..=7)), Some(six));
    // A tenth of the larger side; new ones and those that go count together.
    assert_eq!(brake(&wanted(1..=100), &known(11..=100)), None);
    assert_eq!(brake(&wanted(11..=100), &known(1..=100)), None);
    assert_eq!(brake(&wanted(6..=105), &known(1..=99)), Some(Brake { changes: 11, limit: 10 }));
    // What has to wait counts, or it would pass in small pieces.
    let held = |k| Known { held: Some(Held::Claimed { request: 9 }), ..k };
    let all: Vec<Known> = known(1..=7).into_iter().map(held).collect();
    assert_eq!(brake(&wanted(1..=1), &all), Some(six));
    // Devices made by hand are not the inventory's, and make no room.
    let mut hands = known(100..=250);
    hands.iter_mut().for_each(|k| k.inventory_id = 0);
    hands.extend(known(1..=1));
    assert_eq!(brake(&wanted(1..=7), &hands), Some(six));
}

#[test]
fn an_inventory_without_devices_changes_nothing() {
    let got = words(&[], &known(1..=2), &[]);
    assert!(got[0].starts_with("the inventory has no device for us, the store has 2 from it"), "{got:?}");
    assert!(words(&[], &[], &[])[0].starts_with("the inventory has no device"));
}

#[test]
fn what_is_made_by_hand_is_never_touched() {
    let mut by_hand = known(1..=9);
    by_hand.iter_mut().for_each(|k| k.inventory_id = 0);
    check(&wanted(10..=10), &by_hand, &[board(0), board(1)], &["write b10"]);
    let got = words(&wanted(1..=1), &by_hand, &[board(0), board(1)]);
    assert!(
        got[0].contains("name b1 belongs to device b1 (lab.toml:1) and to device b1 (made by hand)"),
        "{got:?}"
    );
    assert!(got[0].contains("MAC 02:00:00:00:00:01 belongs to"), "{got:?}");
}

#[track_caller]
fn contradicts(change: impl FnOnce(&mut [Wanted]), want: &str) {
    let mut three = wanted(1..=3);
    change(&mut three);
    let got = words(&three, &known(1..=3), &[board(0)]);
    let want = format!("the inventory contradicts itself or the store; nothing was changed: {want}");
    assert_eq!(got, [want]);
}

#[test]
fn contradictions_stop_everything_and_are_named_with_their_places() {
    contradicts(
        |w| w[2].mac = w[0].mac,
        "MAC 02:00:00:00:00:01 belongs to device b3 (lab.toml:3) and to device b1 (lab.toml:1)",
    );
    contradicts(
        |w| w[2].power = w[0].power.clone(),
        "relay relay-0:2101:bank1:relay2 belongs to device b3 (lab.toml:3) and to device b1 (lab.toml:1)",
    );
    contradicts(
        |w| w[2].name = "B1".into(),
        "name b1 belongs to device B1 (lab.toml:3) and to device b1 (lab.toml:1)",
    );
    contradicts(
        |w| w[2].inventory_id = 1,
        "inventory id 1 belongs to device b3 (lab.toml:3) and to device b1 (lab.toml:1)",
    );
    contradicts(
        |w| w[2].imaging_server = "s2".into(),
        "relay board relay-0:2101 belongs to server s2 by device b3 (lab.toml:3) and to server s1 by device b1 (lab.toml:1)",
    );
    let mut twice = known(1..=2);
    twice[1].inventory_id = 1;
    let got = words(&wanted(1..=1), &twice, &[board(0)]);
    assert!(
        got[0]
            .ends_with("inventory id 1 belongs to device b1 (in the store) and to device b2 (in the store)")
    );
    // A few are said, the others counted.
    let got = words(&[wanted(1..=5), wanted(1..=5)].concat(), &[], &[]);
    assert!(got[0].ends_with("; and 15 more"), "{got:?}");
}

fn claimed(n: u8) -> Known {
    Known { held: Some(Held::Claimed { request: 40 }), ..have(n) }
}

#[test]
fn a_device_that_somebody_needs_is_never_deleted_under_them() {
    let boards = [board(0)];
    let goes = "b2 goes later: request 40 holds it";
    check(&wanted(1..=1), &[have(1), claimed(2)], &boards, &[goes]);
    let at_work = Known { held: Some(Held::AtWork { state: "pxe_booting".into() }), ..have(2) };
    let why = "b2 goes later: it is at work in state pxe_booting";
    check(&wanted(1..=1), &[have(1), at_work], &boards, &[why]);
    // The next run, when it is free.
    check(&wanted(1..=1), &known(1..=2), &boards, &["delete b2"]);
    // Its other fields may change; its name and its server may not.
    let mut one = wanted(2..=2);
    one[0].fqdn = "new".into();
    check(&one, &[claimed(2)], &boards, &["write b2"]);
    one[0].name = "c2".into();
    check(&one, &[claimed(2)], &boards, &["b2 changes later: request 40 holds it"]);
    let mut one = wanted(2..=2);
    one[0].imaging_server = "s2".into();
    check(&one, &[claimed(2)], &boards, &["b2 changes later: request 40 holds it"]);
}

#[test]
fn who_takes_the_place_of_a_device_that_stays_waits_with_it() {
    let boards = [board(0)];
    // A new board on the relay of one that somebody holds.
    let mut new = wanted(1..=3);
    new.remove(1);
    new[1].power = have(2).power.unwrap();
    check(
        &new,
        &[have(1), claimed(2)],
        &boards,
        &["b2 goes later: request 40 holds it", "b3 comes later: it waits for device b2"],
    );
    // … and one that would take the relay of the one that waits.
    let mut new = wanted(1..=3);
    new.remove(1);
    new[1].power = have(2).power.unwrap();
    new[0].power = have(3).power.unwrap();
    check(
        &new,
        &[have(1), claimed(2), have(3)],
        &boards,
        &[
            "b2 goes later: request 40 holds it",
            "b3 changes later: it waits for device b2",
            "b1 changes later: it waits for device b3",
        ],
    );
    // A relay board has one server: it moves when all of its devices can.
    let mut moved = wanted(1..=2);
    moved.iter_mut().for_each(|w| w.imaging_server = "s2".into());
    check(
        &moved,
        &[have(1), claimed(2)],
        &boards,
        &["b2 changes later: request 40 holds it", "b1 changes later: it waits for device b2"],
    );
}

#[test]
fn relay_boards_follow_from_devices() {
    check(&wanted(1..=1), &[], &[], &["write b1", "board relay-0 at relay-0.example.com of s1"]);
    // A port belongs to it: two boards behind one host are two.
    let mut two = wanted(1..=3);
    two[1].power = relay("relay-0", Some(4001), 2);
    two[2].power = relay("relay-0", Some(4002), 2);
    check(
        &two,
        &known(1..=3),
        &[board(0)],
        &[
            "write b2",
            "write b3",
            "board relay-0-4001 at relay-0.example.com:4001 of s1",
            "board relay-0-4002 at relay-0.example.com:4002 of s1",
        ],
    );
    // Two whose short names are the same have long ones; so has one whose short name is taken.
    let mut far = wanted(1..=2);
    for (w, site) in far.iter_mut().zip(["west", "east"]) {
        let board = w.power.board.as_mut().unwrap();
        (board.key, board.host) = (format!("relay-0.{site}"), format!("relay-0.{site}"));
    }
    let long = ["board relay-0.east at relay-0.east of s1", "board relay-0.west at relay-0.west of s1"];
    check(&far, &[], &[], &["write b1", "write b2", long[0], long[1]]);
    far.pop();
    check(&far, &[], &[board(0)], &["write b1", long[1]]);
    // Its server is its devices'; one that loses its last device goes, one that never had any stays.
    let mut moved = wanted(1..=1);
    moved[0].imaging_server = "s2".into();
    check(&moved, &known(1..=1), &[board(0)], &["write b1", "board relay-0 of s2"]);
    moved[0] = want(8);
    check(
        &moved,
        &known(1..=1),
        &[board(0), board(5)],
        &["delete b1", "write b8", "board relay-1 at relay-1.example.com of s1", "drop relay-0"],
    );
    // … and one that a device made by hand hangs on.
    let mut by_hand = have(2);
    by_hand.inventory_id = 0;
    check(&moved, &[have(1), by_hand], &[board(0), board(1)], &["delete b1", "write b8"]);
    // What hangs on programs has no board.
    let mut program = wanted(1..=1);
    program[0].power = Power { text: "command:x".into(), key: "command:x".into(), board: None };
    check(&program, &[], &[], &["write b1"]);
}
