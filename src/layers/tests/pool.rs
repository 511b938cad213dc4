//! A request here, and its board on another server.

use super::world::{T0, World};
use crate::lab::Lab;
use crate::layers::messages::PeerMessage;
use crate::layers::peers::{PROTOCOL, Peer};
use crate::logic::mozpool::State;
use crate::store::{Beat, Instead, Process, ServerRow};
use crossbeam_channel::Receiver;

/// Server `there` lives in the store and has the board `far`.
fn beside() -> World {
    let mut w = World::of(1);
    let row = ServerRow { name: "there".into(), url: "http://there".into() };
    let beat = Beat {
        server: "there".into(),
        instance: "there".into(),
        started: T0,
        version: String::new(),
        schema: 0,
        protocol: PROTOCOL,
        process: Process::this(),
        limit_ms: 8000,
    };
    w.store.join_pool(&row, &beat, &Instead::Anybody, T0).expect("it may join");
    let far = "[[device]]\nname = \"far\"\nmac = \"020000000f00\"\nhardware_type = \"pc\"\nfqdn = \"10.0.0.99\"\n\
               relay_info = \"Relay9:bank1:relay1\"\nimaging_server = \"there\"\nstate = \"ready\"\n";
    w.store.apply_lab(&Lab::parse(far, "lab.toml", "here").expect("a lab"), false, T0).expect("it is taken");
    w
}

/// This server has looked, and has found the other one gone; since then that may be back.
fn looked(w: &mut World) -> Receiver<(String, PeerMessage)> {
    let (peers, sent) = w.with_peers();
    let gone = Peer { url: "http://there".into(), gone: true, fault: None, start: "there".into() };
    peers.learn(&[("there".to_owned(), gone)].into());
    sent
}

#[test]
fn a_server_that_has_just_come_back_is_asked_and_told() {
    let mut w = beside();
    let sent = looked(&mut w);
    let request = w.request(Some("far"), "debian");
    assert_eq!(w.of_request(request).0, State::ContactingLifeguard);
    let (server, message) = sent.try_recv().expect("it is asked");
    assert!(server == "there" && matches!(message, PeerMessage::Prepare { .. }), "{message:?}");
    w.close(request);
    w.settle();
    let (_, message) = sent.try_recv().expect("it is told");
    assert!(matches!(message, PeerMessage::Released { .. }), "{message:?}");
}

#[test]
fn a_server_that_is_gone_is_neither_asked_nor_told() {
    let mut w = beside();
    let sent = looked(&mut w);
    let (named, any) = (w.request(Some("far"), "debian"), w.request(Some("b1"), "debian"));
    sent.try_iter().for_each(drop);
    let there = w
        .store
        .pool()
        .expect("the store works")
        .into_iter()
        .find(|s| s.name == "there")
        .expect("it has joined");
    let beats = there.liveliness.expect("it has beaten").beats;
    assert!(w.store.declare_gone("there", beats, T0).expect("the store works"));
    // It may have taken the order, and cannot say so: nobody waits for its word, and by name there is no other board.
    w.pass_s(2);
    assert_eq!((w.of_request(named).0, w.of_request(any).0), (State::FailedDeviceBusy, State::Pending));
    assert!(w.request_log(named).iter().any(|line| line.contains("its imaging server there is gone")));
    w.close(named);
    w.settle();
    assert!(sent.try_recv().is_err());
}
