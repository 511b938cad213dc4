//! TFTP: what is no request, what would write, names that climb, clients that never acknowledge.

use crate::rig::{Dice, FLOOD, Rig, SECRET};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// A request whose answer nothing else has: modes other than the two are refused by name (RFC 1350 section 1).
const MARKER: &[u8] = b"\0\x01marker\0mail\0";
const MARKER_ANSWER: &str = "ERROR 4 only modes octet and netascii are served";

/// Datagram and answer; "" for silence.
#[rustfmt::skip]
const ROWS: &[(&[u8], &str)] = &[
    (b"", ""),
    (b"\0", ""),
    (b"\0\x01", ""),
    (b"\0\x01hello", ""),
    (b"\0\x01hello\0", ""),
    (b"\0\x01hello\0octet", ""),
    (b"\x01\0hello\0octet\0", ""),
    (b"\0\0hello\0octet\0", ""),
    (b"\xff\xffhello\0octet\0", ""),
    (b"\0\x03\0\x01data", ""),
    (b"\0\x04\0\x01", ""),
    (b"\0\x05\0\x01gone\0", ""),
    (b"\0\x06blksize\x00512\0", ""),
    (b"GET / HTTP/1.1\r\n\r\n", ""),
    (b"\0\x02new\0octet\0", "ERROR 2 this server is read-only"),
    (b"\0\x01\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01none\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01\xff\xfe\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01../secret\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01hello/../../secret\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01..\\secret\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01a\nb\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01%2e%2e/secret\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01/etc/passwd\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01out\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01absolute\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01up/secret\0octet\0", "ERROR 2 access denied"),
    (b"\0\x01loop\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01pxelinux.cfg/01-zz-00-00-00-00-01\0octet\0", "ERROR 1 file not found"),
    (b"\0\x01pxelinux.cfg/\0octet\0", "ERROR 1 file not found"),
];

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    socket
}

fn hear(socket: &UdpSocket) -> String {
    let mut bytes = [0; 2000];
    let len = socket.recv(&mut bytes).expect("an answer");
    match &bytes[..len] {
        [0, 5, 0, code, text @ .., 0] => format!("ERROR {code} {}", String::from_utf8_lossy(text)),
        other => format!("{other:?}"),
    }
}

/// What comes back for a datagram. Those of the request port come in order, so silence is what is followed by the marker's answer.
fn ask(to: SocketAddr, datagram: &[u8]) -> String {
    let socket = socket("127.0.0.1");
    socket.send_to(datagram, to).unwrap();
    socket.send_to(MARKER, to).unwrap();
    let first = hear(&socket);
    if first == MARKER_ANSWER {
        return String::new();
    }
    assert_eq!(hear(&socket), MARKER_ANSWER, "after {first}");
    first
}

#[test]
fn what_is_no_good_request_gets_its_error_or_silence() {
    let rig = Rig::start();
    for (datagram, want) in ROWS {
        let shown = datagram.escape_ascii();
        assert_eq!(ask(rig.daemon.tftp, datagram), *want, "{shown}");
    }
    let long = [b"\0\x01".as_slice(), &[b'a'; 30_000], b"\0octet\0"].concat();
    assert_eq!(ask(rig.daemon.tftp, &long), "", "longer than a request can be");
    for name in ["../secret", "/../secret", "out", "absolute", "up/secret", "hello\0../secret"] {
        let got = rig.daemon.fetch(name);
        assert!(!got.is_ok_and(|text| text.contains(SECRET)), "{name}");
    }
    rig.is_well();
    rig.nothing_changed();
    let complaints = rig.complaints();
    assert_eq!(complaints.len(), 1, "one source, one minute: {complaints:#?}");
    assert!(complaints[0].contains("peer=127.0.0.1 sent what is not TFTP"), "{complaints:#?}");
}

/// Without what the kernel had no room for: a flood on a busy machine fills the socket, and the server says so.
fn of_senders(rig: &Rig) -> Vec<String> {
    rig.complaints().into_iter().filter(|l| !l.contains(" had no room for ")).collect()
}

#[test]
fn a_flood_of_nonsense_costs_neither_memory_nor_log() {
    let mut rig = Rig::start();
    rig.remember();
    let sources = [socket("127.0.0.2"), socket("127.0.0.3")];
    let mut dice = Dice::new(1);
    for n in 0..FLOOD {
        let datagram = match dice.below(3) {
            0 => dice.bytes(1400),
            _ => {
                let (good, _) = ROWS[dice.below(ROWS.len())];
                dice.spoil(good.to_vec())
            }
        };
        sources[n % 2].send_to(&datagram, rig.daemon.tftp).unwrap();
    }
    rig.is_well();
    rig.memory_is_bounded("bad TFTP packets");
    rig.nothing_changed();
    let complaints = of_senders(&rig);
    assert!((1..=2).contains(&complaints.len()), "two sources, one minute: {complaints:#?}");
}

#[test]
fn clients_that_ask_and_never_acknowledge_take_a_bounded_share() {
    let mut rig = Rig::start();
    std::fs::write(rig.lab.path("tftp/big"), vec![0; 1 << 20]).unwrap();
    rig.remember();
    let greedy: Vec<UdpSocket> = (0..200).map(|_| socket("127.0.0.2")).collect();
    for n in 0..FLOOD {
        let request = format!("\0\x01big\0octet\0blksize\065464\0windowsize\065535\0n{}\0{n}\0", n % 7);
        greedy[n % greedy.len()].send_to(request.as_bytes(), rig.daemon.tftp).unwrap();
    }
    rig.is_well();
    rig.memory_is_bounded("requests without acknowledgements");
    rig.nothing_changed();
    let complaints = of_senders(&rig);
    assert_eq!(complaints.len(), 1, "one source, one minute: {complaints:#?}");
    assert!(complaints[0].contains("too many requests without an acknowledgement"), "{complaints:#?}");
}
