//! Which reports of boards are believed: by address, by the token of the present boot, and what they may read.

use crate::world::{Options, World, start_with};
use mozpool::config::{self, BoardEvents};
use mozpool::layers::boards::Boards;
use mozpool::layers::messages::DeviceAnswer;
use mozpool::logic::lifeguard::{Doubt, Ignored, State};
use std::sync::Arc;

const STARTED: &str = "/api/device/panda-0001/event/mobile_init_started/";
const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// Calls come from 127.0.0.1; the board of panda-0001 is found at `address`.
fn world(events: BoardEvents, address: Option<&str>, gateways: &[&str]) -> World {
    let gateways = gateways.iter().map(|a| a.parse().unwrap()).collect();
    let boards = Boards::new(config::Boards { events, gateways });
    if let Some(address) = address {
        boards.found(&[("panda-0001.lab".to_owned(), vec![address.parse().unwrap()])].into());
    }
    start_with(&Options { boards: Arc::new(boards), ..Options::default() })
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
        (Token, other, &[], &right, "Foreign"),
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
