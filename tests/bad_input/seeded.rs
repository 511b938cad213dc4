//! Random nonsense on all ports at once. The seed is printed; `MOZPOOL_TEST_SEED=…` replays it.

use crate::rig::{Dice, Rig, connect};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

/// The environment variable with a seed, and one with a number of packets for whoever has more time.
const SEED: &str = "MOZPOOL_TEST_SEED";
const PACKETS: &str = "MOZPOOL_TEST_PACKETS";
/// Packets of one run: some seconds.
const USUAL_PACKETS: usize = 6000;

/// What good clients say, to be spoiled.
const TFTP: &[&[u8]] = &[
    b"\0\x01hello\0octet\0blksize\x001428\0tsize\x000\0windowsize\x004\0timeout\x001\0",
    b"\0\x01pxelinux.cfg/01-02-00-00-00-00-01\0netascii\0",
    b"\0\x04\0\x01",
    b"\0\x05\0\0stop\0",
];
const SYSLOG: &[&[u8]] = &[
    b"<13>Jan  1 00:00:01 board-1 init[1]: hello",
    b"<165>1 2026-11-22T13:00:00.5Z board-1 app 77 ID47 [a@1 b=\"c\"] \xef\xbb\xbfhello",
];
const FRAMES: &[&[u8]] = &[b"<13>a line\n", b"24 <13>init: octet counting", b"5 <13>x7 <13>abc"];
const HTTP: &[&[u8]] = &[
    b"GET /api/device/list?details=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET /files/hello HTTP/1.1\r\nRange: bytes=1-3\r\nIf-None-Match: \"x\"\r\nConnection: close\r\n\r\n",
    b"POST /api/device/any/request HTTP/1.1\r\nContent-Length: 60\r\n\r\n{\"assignee\":\"a\",\"duration\":60,\"image\":\"none\",\"url\":\"http://\"}",
    b"POST /api/device/board-1/set-comments HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"comments\":\"no\"}\r\n0\r\n\r\n",
    b"OPTIONS /api/device/board-1/power-cycle HTTP/1.1\r\nOrigin: http://127.0.0.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET /api/device/board-1/event/image_progress?percent=4&reason=%41%0a HTTP/1.0\r\n\r\n",
];

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

#[test]
fn random_nonsense_on_every_port() {
    let seed = from_environment(SEED).unwrap_or_else(|| {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
    });
    println!("replay with {SEED}={seed}");
    let packets = from_environment(PACKETS).map_or(USUAL_PACKETS, |n| usize::try_from(n).unwrap());
    let mut rig = Rig::start();
    rig.remember();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dice = Dice::new(seed);
    for _ in 0..packets {
        let kind = dice.below(8);
        let words: &[&[u8]] = [TFTP, TFTP, TFTP, SYSLOG, SYSLOG, SYSLOG, FRAMES, HTTP][kind];
        let good = dice.pick(words).to_vec();
        let bytes = if dice.below(10) == 0 { dice.bytes(3000) } else { dice.spoil(good) };
        match kind {
            0..=2 => drop(udp.send_to(&bytes, rig.daemon.tftp).unwrap()),
            3..=5 => drop(udp.send_to(&bytes, rig.daemon.syslog).unwrap()),
            6 => drop(connect(rig.daemon.syslog_tcp).write_all(&bytes)),
            _ => {
                let mut stream = connect(rig.daemon.http);
                let _ = stream.write_all(&bytes);
                if dice.below(2) == 0 {
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                    // Whatever it answers, it does so in time and is no fault of its own.
                    let mut answer = Vec::new();
                    let heard = stream.read_to_end(&mut answer);
                    let in_time = !heard.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
                    let shown = bytes.escape_ascii();
                    assert!(in_time, "no end of the answer to {shown}");
                    assert!(!answer.starts_with(b"HTTP/1.1 500"), "{shown}");
                }
            }
        }
    }
    rig.is_well();
    rig.memory_is_bounded("random nonsense");
    assert_eq!(rig.daemon.state(), "ready");
    assert!(!rig.said().iter().any(|l| l.contains("panicked") || l.contains(" error ")));
}
