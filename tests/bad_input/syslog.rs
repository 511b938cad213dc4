//! Syslog: every datagram is a line to somebody, so nothing is refused; but nothing may forge a line, grow or block others.

use crate::rig::{Dice, FLOOD, Rig, connect};
use crate::support::wait_for;
use std::io::{Read, Write};
use std::net::UdpSocket;

fn is_safe(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[test]
fn no_datagram_forges_a_line_or_is_kept_beyond_its_length() {
    let rig = Rig::start();
    let board = UdpSocket::bind("127.0.0.1:0").unwrap();
    let huge = [b"<13>huge: ".as_slice(), &[b'x'; 60_000]].concat();
    for bytes in [
        &b""[..],
        b"<",
        b"<999>x",
        b"<13",
        b"<13>a\n<13>Jan  1 00:00:00 board-1 forged: entering state ready",
        b"<13>\x1b[2Jclear\x1b]0;title\x07",
        b"\0\0\0\0",
        b"<165>1 - - - - - [a=\"]",
        b"<165>1 9999-99-99T99:99:99Z h a p m - text",
        b"\xff\xfe<13>x",
        "<13>\u{202e}gnp.exe".as_bytes(),
        &huge,
    ] {
        board.send_to(bytes, rig.daemon.syslog).unwrap();
    }
    rig.is_well();
    let lines = rig.lines(0);
    let messages: Vec<&str> = lines.iter().map(|l| l["message"].as_str().unwrap()).collect();
    assert!(messages.iter().all(|m| is_safe(m)), "{messages:#?}");
    assert!(messages.iter().all(|m| m.len() < 9000), "8 KiB and a little");
    assert!(messages.iter().any(|m| m.starts_with("huge: xxx") && m.ends_with('…')), "cut, and says so");
    assert!(!messages.contains(&"forged: entering state ready"), "{messages:#?}");
    rig.nothing_changed();
}

#[test]
fn a_flood_from_a_board_and_from_strangers_is_bounded() {
    let mut rig = Rig::start();
    rig.remember();
    let sources = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|a| UdpSocket::bind((a, 0)).unwrap());
    let mut dice = Dice::new(2);
    for n in 0..FLOOD {
        let datagram = if dice.below(2) == 0 {
            dice.bytes(1400)
        } else {
            dice.spoil(b"<13>Jan  1 00:00:00 host tag[12]: some words".to_vec())
        };
        sources[n % 3].send_to(&datagram, rig.daemon.syslog).unwrap();
    }
    rig.is_well();
    rig.memory_is_bounded("bad syslog datagrams");
    rig.nothing_changed();
    assert!(rig.lines(0).iter().all(|l| is_safe(l["message"].as_str().unwrap())));
    let complaints = rig.complaints();
    let strangers = complaints.iter().filter(|l| l.contains("no device has this address")).count();
    assert_eq!(strangers, 2, "one line for each stranger: {complaints:#?}");
    // Lines that the journal lost are told of once per batch that was late, not once per line.
    assert!(complaints.len() < 40, "{} complaints", complaints.len());
}

#[test]
fn streams_without_an_end_and_many_of_them_do_not_stop_others() {
    let mut rig = Rig::start();
    rig.remember();
    // 64 MiB without a line's end; a length that is absurd; a connection that says nothing.
    let mut endless = connect(rig.daemon.syslog_tcp);
    for _ in 0..64 {
        endless.write_all(&[b'a'; 1 << 20]).unwrap();
    }
    let mut absurd = connect(rig.daemon.syslog_tcp);
    absurd.write_all(b"99999999999999999999 <13>x").unwrap();
    let idle: Vec<_> = (0..60).map(|_| connect(rig.daemon.syslog_tcp)).collect();
    // From another address as many as it likes; those beyond its share are closed.
    rig.memory_is_bounded("streams without an end");
    drop(idle);
    let mut more: Vec<_> = (0..100).map(|_| connect(rig.daemon.syslog_tcp)).collect();
    assert_eq!(more.pop().unwrap().read(&mut [0]).unwrap_or(0), 0, "its share is taken, so it is hung up on");
    drop(more);
    drop(absurd);
    drop(endless);
    // The cut line arrives once.
    wait_for("the line without an end", || {
        rig.lines(400).iter().any(|l| l["message"].as_str().unwrap().starts_with("aaaa")).then_some(())
    });
    wait_for("room for others", || {
        let mut one = connect(rig.daemon.syslog_tcp);
        one.write_all(b"<13>room\n").unwrap();
        rig.lines(100).iter().any(|l| l["message"].as_str().unwrap().ends_with("room")).then_some(())
    });
    rig.is_well();
    rig.nothing_changed();
    let complaints = rig.complaints();
    assert!(complaints.len() <= 1, "one source, one minute: {complaints:#?}");
}
