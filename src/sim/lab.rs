//! The simulated lab: boards of two kinds in four pools, on relay boards of 32 relays, and images with every kind of check.

use crate::lab::{DeviceEntry, HardwareTypeEntry, ImageEntry, Lab, PxeChoice};
use crate::logic::check::Check;
use crate::logic::events::ReturnPolicy;
use crate::logic::lifeguard::State;
use std::collections::HashMap;

/// Relays per relay board.
pub(super) const PER_RELAY_BOARD: usize = 32;
/// It cannot be installed.
pub(super) const BAD_IMAGE: &str = "torn";
/// Images that people ask for.
pub(super) const IMAGES: [&str; 4] = ["linux", "web", "b2g", "android"];
/// Pools, and what happens to a board of each that is given back.
pub(super) const POOLS: [(&str, ReturnPolicy); 4] = [
    ("ci", ReturnPolicy::Check),
    ("nightly", ReturnPolicy::PowerCycle),
    ("strict", ReturnPolicy::SelfTest),
    ("desk", ReturnPolicy::None),
];

/// The pool of a board.
pub(super) fn pool_of(number: usize) -> &'static str {
    // Most boards are in the first.
    POOLS[match number % 10 {
        0..=5 => 0,
        6..=7 => 1,
        8 => 2,
        _ => 3,
    }]
    .0
}

/// What a board runs in the beginning.
pub(super) fn image_of(_number: usize) -> &'static str {
    IMAGES[0]
}

/// Every pool's return policy.
pub(super) fn return_policies() -> HashMap<String, ReturnPolicy> {
    POOLS.iter().map(|(name, policy)| ((*name).to_owned(), *policy)).collect()
}

/// The lab with so many boards.
pub(super) fn of(devices: usize) -> Lab {
    let image = |name: &str, check, stage: &str, can_reuse, pxe: &str, hardware: &str| ImageEntry {
        name: name.into(),
        check: Some(check),
        second_stage: Some(stage.into()),
        can_reuse: Some(can_reuse),
        pxe: vec![PxeChoice { line: 0, hardware: hardware.into(), pxe_config: pxe.into() }],
        ..Default::default()
    };
    let kind = |kind: &str| HardwareTypeEntry { kind: kind.into(), ..Default::default() };
    Lab {
        origin: "simulation".into(),
        default_server: super::world::SERVER.into(),
        // Only one kind has a live image to test itself with.
        hardware_types: vec![kind("small"), kind("large")],
        images: vec![
            image(IMAGES[0], Check::Ping, "write-image.sh", false, "image", "*"),
            image(IMAGES[1], Check::Tcp(5555), "write-image.sh", true, "image", "*"),
            image(IMAGES[2], Check::Sut, "b2g.sh", true, "image", "*"),
            image(IMAGES[3], Check::Ping, "android.sh", false, "image", "*"),
            image(BAD_IMAGE, Check::Ping, "write-image.sh", false, "image", "*"),
            image("self-test", Check::Ping, "self-test.sh", false, "self-test", "large"),
            image("maintenance", Check::Ping, "maintenance.sh", false, "maintenance", "*"),
        ],
        devices: (0..devices).map(device).collect(),
        ..Default::default()
    }
}

fn device(number: usize) -> DeviceEntry {
    let [.., a, b, c] = (number + 1).to_be_bytes();
    let (board, relay) = (number / PER_RELAY_BOARD, number % PER_RELAY_BOARD);
    DeviceEntry {
        line: 0,
        name: super::ledger::name(number).into(),
        fqdn: Some(format!("10.{a}.{b}.{c}")),
        mac: Some(Some(super::world::mac(number))),
        imaging_server: None,
        // People write names of hosts as they like.
        relay_info: Some(format!(
            "{}{board}:bank{}:relay{}",
            if number % 5 == 0 { 'R' } else { 'r' },
            relay / 8 + 1,
            relay % 8 + 1
        )),
        environment: Some(pool_of(number).into()),
        hardware: Some(Some((
            if number.is_multiple_of(2) { "small" } else { "large" }.into(),
            String::new(),
        ))),
        processor: None,
        tags: None,
        comments: None,
        inventory_id: None,
        state: Some(State::Ready),
    }
}
