//! Boards that are no devices: what is listed, what becomes of one.

use crate::world::{World, start};
use serde_json::Value;

const ONE: &str = "/api/candidate/0a:0b:0c:0d:0e:ff";

fn listed(world: &World, query: &str) -> Vec<String> {
    let all = world.get(&format!("/api/candidate/list{query}")).json();
    all["candidates"].as_array().unwrap().iter().map(|c| c["mac"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_known_of_them_is_told_the_last_heard_first() {
    let world = start();
    assert_eq!(listed(&world, ""), ["0a:0b:0c:0d:0e:ff", "0a:0b:0c:0d:0e:fe"]);
    assert_eq!(listed(&world, "?ignored").len(), 3);
    assert_eq!(listed(&world, "?ignored=0").len(), 2);
    let all = world.get("/api/candidate/list").json();
    let text = |place: &str| all["candidates"].pointer(place).unwrap_or(&Value::Null).clone();
    assert_eq!(text("/0/agent/hardware"), "<b>Tegra");
    assert_eq!((text("/0/agent/command_port"), text("/0/agent/data_port")), (20701.into(), Value::Null));
    assert_eq!((text("/0/seen"), text("/0/address")), (3.into(), "10.0.0.77".into()));
    assert_eq!((text("/0/first"), text("/1/agent")), ("2026-11-18T11:06:40.000Z".into(), Value::Null));
    assert_eq!(
        (text("/1/proposal/name"), text("/1/proposal/fqdn")),
        ("board-0d0efe".into(), "10.0.0.78".into())
    );
}

#[test]
fn a_device_is_made_of_one_with_what_is_said_and_what_is_known() {
    let world = start();
    let body = r#"{"name":"tegra-1","hardware_type":"panda","hardware_model":"ES","relay_info":"relay-1.lab:bank4:relay8","environment":null}"#;
    let made = world.post(&format!("{ONE}/accept/"), body);
    assert_eq!(made.status, 201, "{}", made.line());
    let device = made.json();
    for (key, want) in [
        ("name", "tegra-1"),
        ("fqdn", "10.0.0.77"),
        ("mac", "0a:0b:0c:0d:0e:ff"),
        ("imaging_server", "img1.lab"),
        ("relay_info", "relay-1.lab:bank4:relay8"),
        ("hardware_model", "ES"),
        ("state", "new"),
    ] {
        assert_eq!(device[key], want, "{key}");
    }
    assert_eq!(listed(&world, "?ignored"), ["0a:0b:0c:0d:0e:fd", "0a:0b:0c:0d:0e:fe"]);
    assert_eq!(world.post(&format!("{ONE}/accept"), body).status, 404);
    // One that somebody put aside, with nothing said.
    let made = world.post("/api/candidate/0a0b0c0d0efd/accept", "");
    assert_eq!((made.status, made.json()["name"].clone()), (201, "board-0d0efd".into()));
}

#[test]
fn what_cannot_be_made_of_one_is_refused_and_it_stays() {
    let world = start();
    for (body, want) in [
        (
            r#"{"name":"panda-0001"}"#,
            r#"409 {"error":{"code":"conflict","message":"device panda-0001 is there already; change it, or choose another name"}}"#,
        ),
        (r#"{"name":7}"#, "400 "),
        (r#"{"name":"a b"}"#, "400 "),
        (r#"{"colour":"red"}"#, "400 "),
        (r#"{"mac":"0a:0b:0c:0d:0e:01"}"#, "400 "),
        (r#"{"hardware_type":"none"}"#, "400 "),
        (r#"{"fqdn":null}"#, "400 "),
    ] {
        let answer = world.post(&format!("{ONE}/accept"), body).line();
        assert!(answer.starts_with(want), "{body}: {answer}");
    }
    assert_eq!(listed(&world, "").len(), 2);
    for none in ["0a:0b:0c:0d:0e:00", "nonsense", "%00"] {
        for what in ["accept", "ignore"] {
            assert_eq!(world.post(&format!("/api/candidate/{none}/{what}"), "").status, 404, "{none}");
        }
    }
}

#[test]
fn a_board_of_another_server_is_that_server_s_to_take_in_unless_somebody_says_otherwise() {
    let world = start();
    let theirs = world.post("/api/candidate/0a:0b:0c:0d:0e:fe/accept", "");
    let there = "http://img2.lab:8080/api/candidate/0a:0b:0c:0d:0e:fe/accept";
    assert_eq!((theirs.status, theirs.header("location")), (307, Some(there)));
    let ours = world.post("/api/candidate/0a:0b:0c:0d:0e:fe/accept", r#"{"imaging_server":"img1.lab"}"#);
    assert_eq!((ours.status, ours.json()["imaging_server"].clone()), (201, "img1.lab".into()));
}

#[test]
fn what_is_ignored_is_not_listed_until_somebody_looks_at_it_again() {
    let world = start();
    assert_eq!(world.post(&format!("{ONE}/ignore"), "").line(), "200 {}");
    assert_eq!(listed(&world, ""), ["0a:0b:0c:0d:0e:fe"]);
    assert_eq!(world.post(&format!("{ONE}/ignore?undo=1"), "").line(), "200 {}");
    assert_eq!(listed(&world, "").len(), 2);
}
