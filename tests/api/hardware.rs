//! Power, network boot and signs of life.

use crate::world::start;
use mozpool::layers::messages::{DeviceAnswer, ManualAnswer};
use mozpool::logic::lifeguard::{Ignored, State};
use relayctl::PowerState;

#[test]
fn a_power_cycle_offers_first_what_is_to_be_booted() {
    let world = start();
    let cycle = |body: &str| world.post("/api/device/panda-0001/power-cycle/", body);
    let power = world_relay("PowerCycle", 3);
    for (body, offer) in [
        ("", "None".to_owned()),
        (r#"{"assignee":"a","duration":1}"#, "None".to_owned()),
        (r#"{"pxe_config":null}"#, "None".to_owned()),
        (r#"{"pxe_config":"old"}"#, r#"Some(Boot { pxe_config: "old", boot_config: None })"#.to_owned()),
        (
            r#"{"pxe_config":"maintenance","boot_config":"{\"a\":1}"}"#,
            r#"Some(Boot { pxe_config: "maintenance", boot_config: Some("{\"a\":1}") })"#.to_owned(),
        ),
        (
            r#"{"pxe_config":"maintenance","boot_config":""}"#,
            r#"Some(Boot { pxe_config: "maintenance", boot_config: None })"#.to_owned(),
        ),
    ] {
        assert_eq!(cycle(body).line(), "200 {}", "{body}");
        assert_eq!(world.heard(), format!("panda-0001 Offer {{ boot: {offer}, cycles: true }}"));
        assert_eq!(world.heard(), power);
    }
    assert_eq!(cycle(r#"{"pxe_config":"none"}"#).message(), "there is no PXE config `none`");
    assert_eq!(cycle(r#"{"pxe_config":"none"}"#).status, 404);
    assert_eq!(cycle(r#"{"pxe_config":"old","boot_config":"x"}"#).status, 400);
    assert_eq!(cycle(r#"{"pxe_config":7}"#).status, 400);
    assert!(world.heard_nothing());
}

fn world_relay(work: &str, relay: u8) -> String {
    let address: mozpool::bmm::power::PowerAddress =
        format!("relay-1.lab:bank1:relay{relay}").parse().unwrap();
    format!("{work}({address:?})")
}

#[test]
fn nothing_to_take_away_is_no_reason_not_to_cycle() {
    let world = start();
    world.answers().device.push_back(DeviceAnswer::Ignored { state: State::Ready, why: Ignored::AsItWas });
    assert_eq!(world.post("/api/device/panda-0001/power-cycle", "").line(), "200 {}");
    assert_eq!(world.heard(), "panda-0001 Offer { boot: None, cycles: true }");
    assert_eq!(world.heard(), world_relay("PowerCycle", 3));
}

#[test]
fn power_is_switched_and_read() {
    let world = start();
    for method in ["GET", "POST"] {
        assert_eq!(world.call(method, "/api/device/panda-0001/power-off/", &[], b"").line(), "200 {}");
        assert_eq!(world.heard(), world_relay("PowerOff", 3));
        assert_eq!(world.call(method, "/api/device/panda-0001/power-on", &[], b"").line(), "200 {}");
        assert_eq!(world.heard(), world_relay("PowerOn", 3));
    }
    for (answer, want) in [
        (ManualAnswer::Power(PowerState::On), r#"200 {"power":"on"}"#),
        (ManualAnswer::Power(PowerState::Off), r#"200 {"power":"off"}"#),
        (ManualAnswer::Failed("no route".into()), r#"200 {"power":"unknown"}"#),
    ] {
        world.answers().manual.push_back(answer);
        assert_eq!(world.get("/api/device/panda-0001/power/").line(), want);
        assert_eq!(world.heard(), world_relay("ReadPower", 3));
    }
}

#[test]
fn without_a_relay_there_is_no_power_to_switch() {
    let world = start();
    for (method, call) in
        [("POST", "power-cycle"), ("GET", "power-off"), ("POST", "power-on"), ("GET", "power")]
    {
        let answer = world.call(method, &format!("/api/device/panda-0002/{call}"), &[], b"");
        assert_eq!(answer.error(), (409, "conflict".into()), "{call}");
        assert!(
            answer.message().contains("no relay is known for it; set its relay_info"),
            "{}",
            answer.message()
        );
    }
    assert!(world.heard_nothing());
    assert_eq!(world.post("/api/device/panda-0002/clear-pxe", "").line(), "200 {}", "this needs none");
}

#[test]
fn hands_off_what_is_locked_out() {
    let world = start();
    for (method, call) in
        [("POST", "power-cycle"), ("GET", "power-off"), ("POST", "power-on"), ("POST", "clear-pxe")]
    {
        let answer = world.call(method, &format!("/api/device/panda-0004/{call}/"), &[], b"");
        assert_eq!(answer.error(), (409, "conflict".into()), "{call}");
        assert!(answer.message().starts_with("panda-0004 is locked_out"), "{}", answer.message());
    }
    assert!(world.heard_nothing());
    world.answers().manual.push_back(ManualAnswer::Power(PowerState::On));
    assert_eq!(
        world.get("/api/device/panda-0004/power").line(),
        r#"200 {"power":"on"}"#,
        "looking is no touching"
    );
    assert_eq!(world.heard(), world_relay("ReadPower", 4));
    // It was locked out between our look and the machine's.
    let why = Ignored::NotExpected { event: "power and PXE control", state: State::LockedOut };
    world.answers().device.push_back(DeviceAnswer::Ignored { state: State::LockedOut, why });
    let answer = world.post("/api/device/panda-0001/power-cycle", "");
    assert!(answer.message().starts_with("panda-0001 is locked_out"), "{}", answer.message());
    assert_eq!(world.heard(), "panda-0001 Offer { boot: None, cycles: true }");
    assert!(world.heard_nothing(), "the power was left alone");
}

#[test]
fn signs_of_life() {
    let world = start();
    world.answers().manual.extend([
        ManualAnswer::Ok,
        ManualAnswer::Failed("no answer".into()),
        ManualAnswer::Ok,
        ManualAnswer::Failed("it answered 1".into()),
    ]);
    assert_eq!(world.get("/api/device/panda-0001/ping").line(), r#"200 {"success":true}"#);
    assert_eq!(world.get("/api/device/panda-0001/ping/").line(), r#"200 {"success":false}"#);
    assert_eq!(world.heard(), r#"Ping("panda-0001.lab")"#);
    assert_eq!(world.heard(), r#"Ping("panda-0001.lab")"#);
    assert_eq!(world.get("/api/relay/relay-1/test").line(), r#"200 {"success":true}"#);
    assert_eq!(world.get("/api/relay/relay-1/test/").line(), r#"200 {"success":false}"#);
    assert_eq!(world.heard(), r#"TestBoard("relay-1.lab:2101")"#);
    assert_eq!(world.get("/api/relay/none/test/").message(), "there is no relay board `none`");
}

#[test]
fn pxe_configs_are_shown() {
    let world = start();
    assert_eq!(
        world.get("/api/bmm/pxe_config/list/").line(),
        r#"200 {"pxe_configs":["image","local-boot","maintenance","old","self-test"]}"#
    );
    assert_eq!(
        world.get("/api/bmm/pxe_config/list?active_only=1").line(),
        r#"200 {"pxe_configs":["image","local-boot","maintenance","self-test"]}"#
    );
    assert_eq!(
        world.get("/api/bmm/pxe_config/old/details/").line(),
        r#"200 {"details":{"name":"old","description":"not offered","contents":"DEFAULT old","active":false}}"#
    );
    assert_eq!(world.get("/api/bmm/pxe_config/none/details/").status, 404);
}
