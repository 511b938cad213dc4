//! A hundred thousand packets that nobody should send, at the port for requests and at those of running transfers.
//! Alone in its program, because it looks at the memory of the whole process. The seed is fixed: `SEED` in the source replays it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{Random, Raw, Running, noise, options};
use std::net::SocketAddr;
use tftpd::{Config, FetchOptions, fetch};

const SEED: u64 = 20_261_122;
const PACKETS: u64 = 100_000;
/// A good file between so many: it proves that those before it have been dealt with, and none was lost for want of room.
const PACKETS_PER_FETCH: u64 = 500;
/// What 100,000 packets may add in KiB. One leaked buffer of a small packet each would add more.
const GROWTH_MAX_KIB: u64 = 16 << 10;

/// What good clients say, to be spoiled.
const WORDS: &[&[u8]] = &[
    b"\0\x01f\0octet\0blksize\x001428\0tsize\x000\0windowsize\x0016\0timeout\x001\0",
    b"\0\x01f\0netascii\0",
    b"\0\x01pxelinux.cfg/01-02-00-00-00-00-01\0octet\0tsize\x000\0blksize\x001408\0",
    b"\0\x02f\0octet\0",
    b"\0\x03\0\x01data",
    b"\0\x04\0\0",
    b"\0\x04\0\x01",
    b"\0\x04\0\x08",
    b"\0\x05\0\x08no\0",
    b"\0\x06blksize\x00512\0",
];

fn packet(random: &mut Random) -> Vec<u8> {
    let below = |random: &mut Random, n: usize| usize::try_from(random.next() % n as u64).unwrap();
    if random.chance(10) {
        let len = below(random, 1600);
        return (0..len).map(|_| random.next().to_le_bytes()[3]).collect();
    }
    let mut bytes = WORDS[below(random, WORDS.len())].to_vec();
    for _ in 0..below(random, 4) {
        if bytes.is_empty() {
            break;
        }
        let at = below(random, bytes.len());
        match below(random, 4) {
            0 => bytes[at] = random.next().to_le_bytes()[3],
            1 => bytes.truncate(at),
            2 => bytes.insert(at, b"\0\n\\./9"[below(random, 6)]),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

/// Resident memory of this process in KiB (proc(5)).
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn a_hundred_thousand_bad_packets_cost_neither_memory_nor_service() {
    let file = noise(20_000);
    // Credit for all of it: else most of it would not be looked at.
    let config = Config { max_transfers: 16_000, max_transfers_per_address: 4_000, ..Config::default() };
    let server = Running::start(&["127.0.0.1:0"], config, &[("f", &file)]);
    let mut random = Random(SEED);
    let clients: Vec<Raw> = (0..15).map(|n| Raw::at(&format!("127.0.0.{}:0", 2 + n % 3))).collect();
    let mut asking = Raw::new();
    let mut transfer: Option<SocketAddr> = None;
    let well = |how: &str| {
        let got = fetch(server.address(), "f", &FetchOptions::default());
        assert!(got.is_ok_and(|got| got.bytes == file), "{how}");
    };
    well("before");
    let mut before = None;
    for n in 0..PACKETS {
        if n % PACKETS_PER_FETCH == 0 {
            well(&format!("after {n} packets of seed {SEED}"));
            // A fresh transfer to disturb, by its own client and by strangers.
            asking = Raw::new();
            asking.ask(server.address(), "f", options("windowsize=4"));
            let (words, from) = asking.read();
            assert_eq!(words, "OACK windowsize=4");
            transfer = Some(from);
        }
        if n == PACKETS / 10 {
            // Buffers and tables have their size by now.
            before = Some(memory_kib());
        }
        let bytes = packet(&mut random);
        let (who, at_transfer) = (random.next() % 16, random.chance(50));
        let to = transfer.filter(|_| at_transfer).unwrap_or(server.address());
        let client = usize::try_from(who).ok().and_then(|who| clients.get(who)).unwrap_or(&asking);
        // An ICMP message about an earlier packet may come first: that transfer is over.
        let _ = client.socket.send_to(&bytes, to);
    }
    well("at the end");
    let stats = &server.stats;
    // What strangers send to a transfer's port the kernel turns away.
    for (name, counter) in
        [("requests", &stats.requests), ("refused", &stats.refused), ("malformed", &stats.malformed)]
    {
        assert!(counter.get() > PACKETS / 100, "{name}: {}", counter.get());
    }
    assert_eq!(stats.throttled.get(), 0, "all of it was looked at");
    let grown = memory_kib().saturating_sub(before.unwrap());
    assert!(grown <= GROWTH_MAX_KIB, "{grown} KiB more after {PACKETS} packets");
}
