//! Eighty boards whose power comes back at the same moment, on a server as the daemon has it: boot table, TFTP root, default limits.
//!
//! Packets that are sent again are counted, never timed. How long a busy machine keeps a thread waiting says nothing of the server,
//! so that in the first rack both sides would wait for many seconds before they repeat anything: whatever is repeated, was lost.

use crossbeam_channel::bounded;
use mozpool::boot::table::BootTable;
use mozpool::clock::SystemClock;
use mozpool::layers::tftp::{BootSource, History};
use mozpool::logic::ids::Mac;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tftpd::{Config, FetchError, FetchOptions, Fetched, Loss, Root, Server, Stats, Timing, fetch};

const BOARDS: u16 = 80;
/// In the order in which PXELINUX asks, with sizes that a busy machine in a debug build moves in seconds.
const FILES: [(&str, usize); 4] = [
    ("pxelinux.0", 42_000),
    ("ldlinux.c32", 119_000),
    ("live/amd64/vmlinuz", 300_000),
    ("live/amd64/initrd.gz", 400_000),
];
const LONG: Duration = Duration::from_secs(30);

/// The server in a thread of its own.
struct Imaging {
    address: SocketAddr,
    stats: Arc<Stats>,
    stopper: tftpd::Stopper,
    thread: Option<std::thread::JoinHandle<()>>,
    files: Vec<(&'static str, Vec<u8>)>,
    _root: tempfile::TempDir,
}

/// Bytes in which a block at a wrong place shows.
fn content(name: &str, len: usize) -> Vec<u8> {
    let seed = name.bytes().fold(7_u64, |n, b| n.wrapping_mul(31).wrapping_add(b.into()));
    (0..len as u64).map(|n| (n * n).wrapping_add(n.wrapping_mul(seed)).to_be_bytes()[6]).collect()
}

fn mac(number: u16) -> Mac {
    let [hi, lo] = number.to_be_bytes();
    Mac([2, 0x4d, 0x50, 0, hi, lo])
}

fn config_of(number: u16) -> String {
    format!("default image\nlabel image\n  kernel live/amd64/vmlinuz\n  append board={number}\n").repeat(4)
}

impl Imaging {
    fn start(timing: Timing) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("live/amd64")).unwrap();
        let files: Vec<_> = FILES.iter().map(|&(name, len)| (name, content(name, len))).collect();
        for (name, bytes) in &files {
            std::fs::write(root.path().join(name), bytes).unwrap();
        }
        let table = Arc::new(BootTable::new("localboot -1\n"));
        for number in 0..BOARDS {
            table.publish(mac(number), Some(&config_of(number)));
        }
        // Nobody reads what is told: then it is counted, and nothing else.
        let (lines, _) = bounded(1);
        let history = History::new(lines, Arc::new(SystemClock), Arc::new(AtomicU64::new(0)));
        let source = BootSource {
            table,
            root: Some(Root::open(root.path()).unwrap()),
            history,
            boards: Arc::default(),
        };
        let config = Config { timing, ..Config::default() };
        let server = Server::bind(&["0.0.0.0:0".parse().unwrap()], config, source).unwrap();
        let address = ([127, 0, 0, 1], server.local_addrs()[0].port()).into();
        let (stats, stopper) = (server.stats(), server.stopper());
        let thread = Some(std::thread::spawn(move || server.run().unwrap()));
        Self { address, stats, stopper, thread, files, _root: root }
    }

    /// Power for the whole rack at once. What all boards together had to send again.
    fn boot_everybody(&self, packet_timeout: Duration, loss: f64) -> u64 {
        let power = Barrier::new(BOARDS.into());
        std::thread::scope(|scope| {
            let boards: Vec<_> = (0..BOARDS)
                .map(|number| {
                    let power = &power;
                    scope.spawn(move || {
                        let board = Board { number, server: self, packet_timeout, loss };
                        power.wait();
                        board.boot()
                    })
                })
                .collect();
            boards.into_iter().map(|board| board.join().unwrap()).sum()
        })
    }
}

impl Drop for Imaging {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

struct Board<'a> {
    number: u16,
    server: &'a Imaging,
    packet_timeout: Duration,
    loss: f64,
}

impl Board<'_> {
    /// Loader, config, kernel, initial RAM file system; returns the packets that it sent again.
    fn boot(&self) -> u64 {
        let mut repeated = 0;
        for (step, (name, bytes)) in self.server.files.iter().enumerate() {
            if step == 2 {
                repeated += self.find_its_config();
            }
            let got = self.fetch(name, step).unwrap_or_else(|e| panic!("board {}: {name}: {e}", self.number));
            assert!(got.bytes == *bytes, "board {}: {name} differs", self.number);
            repeated += got.repeated;
        }
        repeated
    }

    /// The UUID's name first, which nobody has, as of a board that has one; then its own.
    fn find_its_config(&self) -> u64 {
        let uuid = format!("pxelinux.cfg/4d500000-0000-0000-0000-{:012}", self.number);
        let refused = self.fetch(&uuid, 10);
        assert!(matches!(refused, Err(FetchError::Refused { code: 1, .. })), "{refused:?}");
        let name = format!("pxelinux.cfg/01-{}", mac(self.number).join("-"));
        let got = self.fetch(&name, 11).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(String::from_utf8(got.bytes).unwrap(), config_of(self.number));
        got.repeated
    }

    fn fetch(&self, name: &str, step: usize) -> Result<Fetched, FetchError> {
        let [hi, lo] = (self.number + 1).to_be_bytes();
        let how = FetchOptions {
            blksize: Some(1408),
            tsize: true,
            packet_timeout: self.packet_timeout,
            overall: LONG * 4,
            local: Some(IpAddr::from([127, 78, hi, lo])),
            loss: Loss { probability: self.loss, seed: u64::from(self.number) * 100 + step as u64 },
            ..FetchOptions::default()
        };
        fetch(self.server.address, name, &how)
    }
}

/// What each board got: the loader's files, and its config.
const TRANSFERS: u64 = BOARDS as u64 * (FILES.len() as u64 + 1);

#[test]
fn a_rack_boots_at_once_and_nobody_has_to_say_anything_twice() {
    let patient =
        Timing { first_retry: LONG, shortest_retry: LONG, longest_retry: LONG, ..Timing::default() };
    let server = Imaging::start(patient);
    let repeated = server.boot_everybody(LONG, 0.0);
    let stats = &server.stats;
    // The last ACKs may still be on their way.
    crate::support::wait_for("the transfers to end", || (stats.active.get() == 0).then_some(()));
    assert_eq!((repeated, stats.retransmissions.get(), stats.duplicates.get()), (0, 0, 0));
    assert_eq!((stats.transfers_done.get(), stats.transfers_failed.get()), (TRANSFERS, 0));
    assert_eq!((stats.requests.get(), stats.limited.get()), (TRANSFERS + u64::from(BOARDS), 0));
}

#[test]
fn a_rack_boots_through_five_percent_loss_each_way() {
    let server = Imaging::start(Timing::default());
    let repeated = server.boot_everybody(Duration::from_millis(300), 0.05);
    let stats = &server.stats;
    assert!(repeated > 0 && stats.retransmissions.get() > 0, "nothing was lost");
    // A lost last ACK leaves a transfer that the board knows to be complete and the server does not.
    let ended = stats.transfers_done.get() + stats.transfers_failed.get() + stats.active.get();
    assert!(ended >= TRANSFERS, "{stats:?}");
}
