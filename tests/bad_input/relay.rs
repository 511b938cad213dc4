//! A relay board that misbehaves: power is never claimed that is not there, the API goes on, and a board that is well again
//! works again.

use crate::rig::Rig;
use crate::support::wait_for;
use relayctl::PowerState;
use relayctl::fake::Misbehaviour;
use serde_json::json;

/// Every way of being bad that the fake board knows, and whether reading a relay's state still works in it.
const WAYS: &[(Misbehaviour, bool)] = &[
    (Misbehaviour::Garbage(0), false),
    (Misbehaviour::Garbage(42), false),
    (Misbehaviour::Garbage(255), false),
    (Misbehaviour::HalfReply, true),
    (Misbehaviour::ExtraByte, false),
    (Misbehaviour::Close, false),
    (Misbehaviour::Reset, false),
    (Misbehaviour::CloseAfterAccept, false),
    (Misbehaviour::Refuse, false),
    (Misbehaviour::StuckRelay, true),
    (Misbehaviour::ConfigurationMode, false),
    (Misbehaviour::Mute, false),
];

#[test]
fn a_bad_relay_board_is_reported_as_such_and_stops_nothing_else() {
    let mut rig = Rig::start();
    let test = format!(
        "relay/{}/test",
        rig.daemon.get("device/list?details=1")["devices"][0]["relay_info"]
            .as_str()
            .unwrap()
            .split(':')
            .next()
            .unwrap()
    );
    // Not every lab file names its relay boards; the test's path is then simply not there.
    let (known, _) = rig.daemon.call("GET", &test, None);
    rig.remember();
    for (way, reads) in WAYS {
        rig.lab.relays.set_misbehaviour(*way);
        let (status, power) = rig.daemon.call("GET", "device/board-1/power", None);
        assert_eq!(status, 200, "{way:?}");
        let is_known = power["power"] != "unknown";
        // A single byte 0 or 1 is a right answer to "is it on?": nothing tells garbage from truth there.
        let garbage_is_right = matches!(way, Misbehaviour::Garbage(0 | 1));
        assert_eq!(is_known, *reads || garbage_is_right, "{way:?}: {power}");
        if known == 200 {
            let (status, answer) = rig.daemon.call("GET", &test, None);
            assert_eq!(status, 200, "{way:?}: {answer}");
        }
        // Another layer's work goes on meanwhile.
        assert_eq!(rig.daemon.event("image_progress", json!({"percent": 1}))["state"], "ready");
    }
    rig.lab.relays.set_misbehaviour(Misbehaviour::None);
    // The last question to a mute board holds its queue until its time is up.
    wait_for("the relay board to be well", || {
        (rig.daemon.get("device/board-1/power")["power"] == "off").then_some(())
    });
    rig.is_well();
    let health = rig.daemon.get("health");
    let services = health["services"].as_array().expect("a list");
    let counters = &services.iter().find(|s| s["name"] == "bmm").expect("it is there")["counters"];
    for ends in ["power_done", "power_wrong_answer", "power_no_answer", "power_unreachable"] {
        assert!(counters[ends].as_u64() > Some(0), "{ends}: {counters}");
    }
    assert_eq!(counters["power_may_be_off"], 0, "nothing was switched: {counters}");
    rig.memory_is_bounded("bad relay replies");
    let complaints = rig.complaints();
    assert!(complaints.len() <= WAYS.len(), "{complaints:#?}");
}

#[test]
fn a_power_cycle_through_a_bad_board_is_logged_and_tried_again_until_it_works() {
    let ways =
        [Misbehaviour::Garbage(42), Misbehaviour::HalfReply, Misbehaviour::Close, Misbehaviour::StuckRelay];
    std::thread::scope(|scope| {
        for way in ways {
            scope.spawn(move || fails_and_recovers(way));
        }
    });
}

fn fails_and_recovers(way: Misbehaviour) {
    let rig = Rig::start();
    // The first connections fail; the board is well when the machine tries again.
    rig.lab.relays.set_misbehaviour(way);
    rig.daemon.event("please_power_cycle", json!({}));
    wait_for("the relay board's fault in the board's log", || rig.daemon.log("bmm").into_iter().next());
    assert_ne!(rig.daemon.state(), "ready", "{way:?}");
    rig.lab.relays.set_misbehaviour(Misbehaviour::None);
    rig.daemon.wait_for_state("ready");
    assert_eq!(rig.lab.power(), PowerState::On, "{way:?}");
    let faults = rig.daemon.log("bmm");
    assert!(faults.len() < 10 && faults.iter().all(|l| !l.contains('\n')), "{way:?}: {faults:#?}");
    rig.is_well();
}
