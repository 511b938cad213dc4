//! Which reports of boards are believed: by address, by the token of the present boot, and what they may read.

use crate::rights::{bearer, token};
use crate::world::{Options, World, start_with};
use mozpool::access::{Mode, Role};
use mozpool::api::access::Rules;
use mozpool::config::{self, BoardEvents};
use mozpool::layers::boards::Boards;
use mozpool::layers::messages::DeviceAnswer;
use mozpool::logic::lifeguard::{Doubt, Ignored, State};
use std::sync::Arc;

const STARTED: &str = "/api/device/panda-0001/event/mobile_init_started/";
const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// Calls come from 127.0.0.1; the board of panda-0001 is found at `address`.
fn world(events: BoardEvents, address: Option<&str>, gateways: &[&str]) -> World {
    world_that(Mode::Open, events, address, gateways)
}

/// The same, asking who calls or not.
fn world_that(mode: Mode, events: BoardEvents, address: Option<&str>, gateways: &[&str]) -> World {
    let gateways = gateways.iter().map(|a| a.parse().unwrap()).collect();
    let boards = Boards::new(config::Boards { events, gateways });
    if let Some(address) = address {
        boards.found(&[("panda-0001.lab".to_owned(), vec![address.parse().unwrap()])].into());
    }
    start_with(&Options { boards: Arc::new(boards), rules: Rules::of(mode), ..Options::default() })
}

/// What the machine is told that the report shows.
fn shown(world: &World, headers: &[&str]) -> String {
    world.call("POST", STARTED, headers, b"{}");
    let heard = world.heard();
    let proof = heard.split("proof: ").nth(1).unwrap_or_else(|| panic!("{heard}"));
    proof.trim_end_matches([' ', '}']).to_owned()
}

#[test]
fn the_machine_is_told_what_a_report_shows() {
    use BoardEvents::{Address, Plain, Token};
    let with = format!("Mozpool-Boot: {TOKEN}");
    let (right, odd): ([&str; 1], [&str; 1]) = ([&with], ["Mozpool-Boot: hello"]);
    let none: [&str; 0] = [];
    let (own, other) = (Some("127.0.0.1"), Some("10.0.0.7"));
    for (events, address, gateways, headers, want) in [
        (Token, own, &[][..], &right[..], "Boot(Some(BootToken(…)))"),
        (Token, own, &[], &odd, "Boot(None)"),
        (Token, own, &[], &none, "Boot(None)"),
        (Token, other, &[], &right, "FromElsewhere(BootToken(…))"),
        (Token, other, &[], &none, "Foreign"),
        (Token, other, &["127.0.0.1"], &right, "Boot(Some(BootToken(…)))"),
        (Token, None, &[], &right, "Boot(Some(BootToken(…)))"),
        (Address, own, &[], &none, "NotNeeded"),
        (Address, other, &[], &right, "Foreign"),
        (Address, None, &[], &right, "NoAddress"),
        (Plain, other, &[], &none, "NotNeeded"),
    ] {
        let world = world(events, address, gateways);
        assert_eq!(shown(&world, headers), want, "{events} {address:?} {gateways:?} {headers:?}");
    }
}

#[test]
fn what_is_not_believed_is_forbidden_and_not_to_be_said_again() {
    for (doubt, status, code) in [
        (Doubt::Foreign, 403, "not_the_board"),
        (Doubt::NoToken, 403, "not_the_board"),
        (Doubt::OtherBoot, 403, "not_the_board"),
        (Doubt::NoAddress, 503, "address_unknown"),
        (Doubt::NotForBoards, 403, "not_the_board"),
    ] {
        let world = world(BoardEvents::Token, Some("127.0.0.1"), &[]);
        let why = Ignored::Doubted { event: "mobile_init_started".into(), doubt };
        let answer = DeviceAnswer::Ignored { state: State::PxeBooting, why };
        world.answers().device.push_back(answer);
        let answer = world.call("POST", STARTED, &[&format!("Mozpool-Boot: {TOKEN}")], b"{}");
        assert_eq!(answer.error(), (status, code.to_owned()), "{doubt}: {}", answer.line());
        assert!(!answer.line().contains(TOKEN), "{}", answer.line());
    }
}

#[test]
fn people_ask_without_any_token() {
    let world = world(BoardEvents::Token, Some("10.0.0.7"), &[]);
    let answer = world.post("/api/device/panda-0001/event/please_self_test/", "{}");
    assert_eq!(answer.status, 200, "{}", answer.line());
}

#[test]
fn where_callers_are_known_boards_show_their_boot_and_people_their_token() {
    let world = world_that(Mode::Token, BoardEvents::Token, Some("127.0.0.1"), &[]);
    // A board knows no token of the API, and needs none.
    assert_eq!(shown(&world, &[&format!("Mozpool-Boot: {TOKEN}")]), "Boot(Some(BootToken(…)))");
    let please = "/api/device/panda-0001/event/please_self_test/";
    let boot = format!("Mozpool-Boot: {TOKEN}");
    assert_eq!(world.call("POST", please, &[&boot], b"{}").status, 401, "what people ask no board may ask");
    let as_role = |role: Role, environments: &[&str]| {
        bearer(&token(&world, &format!("{role:?}-{}", environments.len()), role, environments, None))
    };
    let (viewer, requester) = (as_role(Role::Viewer, &[]), as_role(Role::Requester, &[]));
    let (operator, elsewhere) = (as_role(Role::Operator, &[]), as_role(Role::Operator, &["tests"]));
    for (who, status) in [(&viewer, 403), (&requester, 403), (&elsewhere, 403), (&operator, 200)] {
        assert_eq!(world.call("POST", please, &[who], b"{}").status, status);
    }
    assert_eq!(world.heard(), "panda-0001 Please(SelfTest)", "once");
    // Who may work with the device may speak for it; others are no better than nobody.
    assert_eq!(shown(&world, &[&operator]), "Operator");
    for who in [&viewer, &requester, &elsewhere] {
        assert_eq!(shown(&world, &[who]), "Boot(None)");
    }
}

#[test]
fn on_a_server_that_asks_nobody_a_token_speaks_for_boards_by_its_own_role() {
    let world = world(BoardEvents::Token, Some("127.0.0.1"), &[]);
    let as_role = |name, role, environments| bearer(&token(&world, name, role, environments, None));
    let operator = as_role("op", Role::Operator, &[]);
    assert_eq!(shown(&world, &[&operator]), "Operator");
    for who in [as_role("eve", Role::Viewer, &[]), as_role("else", Role::Operator, &["tests"])] {
        assert_eq!(shown(&world, &[&who]), "Boot(None)");
        let off = world.call("POST", "/api/device/panda-0001/power-off", &[&who], b"");
        assert_eq!(off.status, 200, "what anybody may they may, too");
        world.heard();
    }
}

#[test]
fn a_boot_config_is_for_the_board_and_for_who_may_read() {
    const CONFIG: &str = "/api/device/panda-0001/bootconfig/";
    let boot = format!("Mozpool-Boot: {TOKEN}");
    let wrong = format!("Mozpool-Boot: {}", "0".repeat(32));
    for (address, gateways, headers, status) in [
        (Some("127.0.0.1"), &[][..], &[][..], 200),
        (Some("10.0.0.7"), &[], &[&*boot], 403),
        (None, &[], &[], 403),
        (None, &[], &[&*wrong], 403),
        (None, &[], &[&*boot], 200),
        (Some("10.0.0.7"), &["127.0.0.1"], &[&*boot], 200),
        (Some("10.0.0.7"), &["127.0.0.1"], &[], 403),
    ] {
        let world = world_that(Mode::Token, BoardEvents::Token, address, gateways);
        world.sql(&format!("UPDATE devices SET boot_token = '{TOKEN}' WHERE name = 'panda-0001'"));
        let answer = world.call("GET", CONFIG, headers, b"");
        assert_eq!(answer.status, status, "{address:?} {gateways:?} {headers:?}: {}", answer.line());
    }
    // Where the address alone decides, no token is asked for; and where nothing decides, nobody is refused.
    use BoardEvents::{Address, Plain};
    for (events, address, gateways, status) in [
        (Address, Some("127.0.0.1"), &[][..], 200),
        (Address, Some("10.0.0.7"), &[], 403),
        (Address, Some("10.0.0.7"), &["127.0.0.1"], 200),
        (Address, None, &[], 503),
        (Plain, Some("10.0.0.7"), &[], 200),
    ] {
        let world = world_that(Mode::Token, events, address, gateways);
        let answer = world.call("GET", CONFIG, &[], b"");
        assert_eq!(answer.status, status, "{events} {address:?} {gateways:?}: {}", answer.line());
    }
    let world = world_that(Mode::Token, BoardEvents::Token, Some("10.0.0.7"), &[]);
    let viewer = bearer(&token(&world, "who-reads", Role::Viewer, &[], None));
    assert_eq!(world.call("GET", CONFIG, &[&viewer], b"").status, 200);
    assert_eq!(world.call("GET", CONFIG, &[], b"").error(), (403, "not_the_board".into()));
}
