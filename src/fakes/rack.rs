//! A rack of emulated boards and the relay boards that power them.
//!
//! It knows which relay is whose, writes the lab file that tells the daemon, and can say from outside which boards have power.

use super::board::{Board, Identity, Network, Pace};
use super::mishap::Dice;
use super::notes::Notes;
use super::power::{Feed, PowerLine, wire};
use crate::logic::ids::Mac;
use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tftpd::Loss;

/// Boards that a rack may have. Each costs a thread and three sockets; the addresses would do for more.
pub const BOARDS_MAX: u16 = 500;
/// Boards behind one relay board, at most: four banks of eight relays, a common model.
const BOARDS_PER_RELAY_BOARD: u16 = 32;
/// A board needs little stack: HTTP and TFTP keep their buffers elsewhere. Five hundred threads should not cost gigabytes.
const STACK: usize = 512 << 10;
/// The addresses of boards: 127.77.0.1 and up. All of 127.0.0.0/8 is loopback, and needs no set-up on Linux.
const NETWORK: [u8; 2] = [127, 77];

/// What to build.
#[derive(Debug, Clone)]
pub struct RackSettings {
    /// Number of boards, 1 to [`BOARDS_MAX`].
    pub boards: u16,
    /// Probability of a mishap per power-on.
    pub flaky: f64,
    /// For the dice.
    pub seed: u64,
    /// How long things take.
    pub pace: Pace,
    /// Probability that a TFTP packet is lost in a board's network card, each way.
    pub loss: f64,
}

/// One place in the rack.
#[derive(Debug)]
struct Place {
    identity: Identity,
    relay_board: usize,
    bank: Bank,
    relay: Relay,
    notes: Notes,
    /// Until the board is put in.
    line: Option<PowerLine>,
}

/// The rack. Dropping it takes all boards out and joins their threads.
#[derive(Debug)]
pub struct Rack {
    settings: RackSettings,
    relay_boards: Vec<Arc<FakeBoard>>,
    places: Vec<Place>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Keeps the check port for this rack: bound, and never listened on.
    reserved: TcpListener,
}

impl Rack {
    /// Builds the rack and switches its relay boards on. All boards are without power, and none does anything before
    /// [`Self::connect`].
    ///
    /// # Errors
    /// The system has no sockets or threads left.
    pub fn new(settings: RackSettings) -> io::Result<Self> {
        Self::beside(settings, 0, 0)
    }

    /// The same for a pool of several racks, whose boards and relay boards must not have the same names and addresses: `before` is how many boards
    /// the others have that were built before, `check_port` their [`Self::check_port`], for they have the same images; 0 for any.
    ///
    /// # Errors
    /// As [`Self::new`]; and the port is taken.
    pub fn beside(settings: RackSettings, before: u16, check_port: u16) -> io::Result<Self> {
        // An address that no board has: the kernel gives the same port here only once.
        let reserved = TcpListener::bind((Ipv4Addr::new(NETWORK[0], NETWORK[1], 255, 254), check_port))?;
        let count = settings.boards.clamp(1, BOARDS_MAX);
        // Two at least, so that one board's queue does not hold up the whole rack.
        let relay_board_count = count.div_ceil(BOARDS_PER_RELAY_BOARD).max(2);
        let mut places = Vec::new();
        let mut feeds: Vec<HashMap<(Bank, Relay), Feed>> = Vec::new();
        feeds.resize_with(usize::from(relay_board_count), HashMap::new);
        for number in 0..count {
            let (feed, line) = wire()?;
            let (relay_board, position) =
                (usize::from(number % relay_board_count), number / relay_board_count);
            let (bank, relay) = socket_of(position);
            feeds[relay_board].insert((bank, relay), feed);
            let (identity, notes) = (identity(before + number), Notes::default());
            places.push(Place { identity, relay_board, bank, relay, notes, line: Some(line) });
        }
        let at = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::from(before));
        let relay_boards =
            feeds.into_iter().map(|feeds| relay_board(at, feeds).map(Arc::new)).collect::<io::Result<_>>()?;
        Ok(Self { settings, relay_boards, places, threads: Mutex::default(), reserved })
    }

    /// Plugs the network in: from now on a board with power boots.
    ///
    /// # Errors
    /// The system has no threads left.
    pub fn connect(&mut self, tftp: SocketAddr) -> io::Result<()> {
        let network = Network {
            tftp,
            check_port: self.check_port()?,
            loss: Loss { probability: self.settings.loss, seed: self.settings.seed },
        };
        for place in &mut self.places {
            let Some(line) = place.line.take() else { continue };
            let identity = place.identity.clone();
            let name = format!("board-{}", identity.number + 1);
            let board = Board::new(
                identity,
                network.clone(),
                self.settings.pace,
                line,
                Dice::new(self.settings.flaky, self.settings.seed, place.identity.number),
                place.notes.clone(),
                Arc::downgrade(&self.relay_boards[place.relay_board]),
            );
            let thread = thread::Builder::new().name(name).stack_size(STACK).spawn(move || board.run())?;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(())
    }

    /// The TCP port on which installed systems answer; the same for all boards.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn check_port(&self) -> io::Result<u16> {
        self.reserved.local_addr().map(|a| a.port())
    }

    /// The boards' names with their stories, in order.
    pub fn boards(&self) -> impl ExactSizeIterator<Item = (&str, &Notes)> {
        self.places.iter().map(|p| (p.identity.name.as_str(), &p.notes))
    }

    /// Where the relay boards listen.
    pub fn relay_boards(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.relay_boards.iter().map(|b| b.addr())
    }

    /// Names of boards whose relay cuts their power now.
    pub fn without_power(&self) -> Vec<String> {
        let off = |p: &&Place| self.relay_boards[p.relay_board].power(p.bank, p.relay) == PowerState::Off;
        self.places.iter().filter(off).map(|p| p.identity.name.clone()).collect()
    }

    /// Names of boards that had power, and whose relay cuts it now: those that nobody has asked for never had any.
    pub fn lost_power(&self) -> Vec<String> {
        let mut names = self.without_power();
        names.retain(|name| self.boards().any(|(n, notes)| n == name && notes.read().power_ons > 0));
        names
    }

    /// The rack as a lab file: hardware with short limits, the image `image` that is `size` bytes at `path` of the server's
    /// file root, relay boards, devices.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn lab(&self, image: &str, path: &str, size: u64) -> io::Result<String> {
        let mut lab = format!(
            r#"[[hardware_type]]
type = "{HARDWARE}"
ping_steady_s = 1
limits = {{ {LIMITS} }}

[[image]]
name = "{image}"
check = "tcp:{port}"
second_stage = "write-image.sh"
boot_config_defaults = {{ url = "/files/{path}", size = {size} }}
pxe = {{ "{HARDWARE}" = "image" }}

[[image]]
name = "self-test"
check = "none"
pxe = {{ "{HARDWARE}" = "self-test" }}

[[image]]
name = "maintenance"
check = "none"
pxe = {{ "{HARDWARE}" = "maintenance" }}
"#,
            port = self.check_port()?,
        );
        const CANNOT_FAIL: &str = "writing to a String does not fail";
        for (i, board) in self.relay_boards.iter().enumerate() {
            write!(lab, "\n[[relay_board]]\nname = \"relay-{}\"\nfqdn = \"{}\"\n", i + 1, board.addr())
                .expect(CANNOT_FAIL);
        }
        for place in &self.places {
            let Identity { name, mac, ip, .. } = &place.identity;
            let (relays, bank, relay) =
                (self.relay_boards[place.relay_board].addr(), place.bank, place.relay);
            write!(
                lab,
                r#"
[[device]]
name = "{name}"
fqdn = "{ip}"
mac = "{mac}"
relay_info = "{relays}:bank{bank}:relay{relay}"
environment = "demo"
hardware_type = "{HARDWARE}"
processor = "emulated"
"#
            )
            .expect(CANNOT_FAIL);
        }
        Ok(lab)
    }
}

/// What the boards call themselves.
const HARDWARE: &str = "emulated board";
/// Seconds; each is a few times what the step takes on a board of [`Pace::default`] on a busy machine. Time to wait for a relay
/// board is not counted in them.
const LIMITS: &str = "pxe_power_cycling = 10, pc_power_cycling = 10, image_ping_power_cycle = 10, pxe_booting = 8, \
                      mobile_init_started = 5, image_downloading = 8, image_extracting = 8, image_pinging = 2, pc_rebooting = 1, \
                      pc_pinging = 3, self_test_running = 10";

impl Drop for Rack {
    fn drop(&mut self) {
        // With the relay boards go the feeds, and with these the boards.
        self.relay_boards.clear();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                log::error!("an emulated board ended with a panic");
            }
        }
    }
}

fn identity(number: u16) -> Identity {
    let [hi, lo] = (number + 1).to_be_bytes();
    Identity {
        number,
        name: format!("board-{:03}", number + 1),
        // Locally administered (IEEE 802), so nobody's.
        mac: Mac([0x02, 0x4d, 0x50, 0x00, hi, lo]),
        ip: Ipv4Addr::new(NETWORK[0], NETWORK[1], hi, lo),
    }
}

/// Bank and relay of the board that is plugged in at this position.
fn socket_of(position: u16) -> (Bank, Relay) {
    let relays = u16::from(Relay::MAX);
    let part = |n: u16| u8::try_from(n + 1).ok();
    let bank = part(position / relays).and_then(Bank::new);
    let relay = part(position % relays).and_then(Relay::new);
    bank.zip(relay).expect("a relay board has few enough boards")
}

fn relay_board(at: Ipv4Addr, feeds: HashMap<(Bank, Relay), Feed>) -> io::Result<FakeBoard> {
    let on_change = move |change: relayctl::Change| {
        if let Some(feed) = feeds.get(&(change.bank, change.relay)) {
            feed.set(change.power);
        }
    };
    FakeBoard::start_observed((at, 0).into(), FakeSettings::default(), Box::new(on_change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relayctl::{Action, RelayAddress, Settings};
    use std::time::{Duration, Instant};

    fn rack(boards: u16) -> Rack {
        Rack::new(RackSettings { boards, flaky: 0.0, seed: 1, pace: Pace::default(), loss: 0.0 }).unwrap()
    }

    #[test]
    fn the_lab_names_each_boards_relay() {
        let rack = rack(70);
        assert_eq!(rack.relay_boards().len(), 3);
        let lab: toml::Table = rack.lab("demo", "images/demo.img", 7).unwrap().parse().unwrap();
        let devices = lab["device"].as_array().unwrap();
        assert_eq!(devices.len(), 70);
        let addresses: Vec<RelayAddress> =
            devices.iter().map(|d| d["relay_info"].as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(addresses.iter().collect::<std::collections::HashSet<_>>().len(), 70);
        // Power on what the lab says is the second board's, and see that it is the second's.
        let settings = Settings::new(Instant::now() + Duration::from_secs(30));
        relayctl::run(&addresses[1], Action::PowerOn, &settings).unwrap();
        let off = rack.without_power();
        assert_eq!(off.len(), 69);
        assert!(!off.contains(&devices[1]["name"].as_str().unwrap().to_owned()), "{off:?}");
        assert_eq!(devices[1]["fqdn"].as_str(), Some("127.77.0.2"));
    }

    #[test]
    fn two_racks_do_not_share_a_port_and_a_rack_can_be_taken_down() {
        let (one, other) = (rack(2), rack(2));
        assert_ne!(one.check_port().unwrap(), other.check_port().unwrap());
        drop(one);
        let mut other = other;
        other.connect("127.0.0.1:9".parse().unwrap()).unwrap();
        drop(other); // Returns only when the boards' threads have ended.
    }

    #[test]
    fn racks_of_one_pool_share_images_and_nothing_else() {
        let settings = || RackSettings { boards: 2, flaky: 0.0, seed: 1, pace: Pace::default(), loss: 0.0 };
        let (one, other) = (Rack::beside(settings(), 0, 0).unwrap(), Rack::beside(settings(), 2, 0).unwrap());
        let names = |rack: &Rack| rack.boards().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            [names(&one), names(&other)].concat(),
            ["board-001", "board-002", "board-003", "board-004"]
        );
        let lab: toml::Table = other.lab("demo", "images/demo.img", 7).unwrap().parse().unwrap();
        assert_eq!(lab["device"][0]["mac"].as_str(), Some("02:4d:50:00:00:03"));
        assert!(other.relay_boards().all(|at| at.ip() == Ipv4Addr::new(127, 0, 0, 3)));
        let port = one.check_port().unwrap();
        assert!(Rack::beside(settings(), 2, port).is_err(), "in one network it is taken");
        drop(one);
        assert_eq!(Rack::beside(settings(), 2, port).unwrap().check_port().unwrap(), port);
    }

    #[test]
    fn every_state_with_a_limit_is_one() {
        for entry in LIMITS.split(',') {
            let (state, _) = entry.trim().split_once(" = ").unwrap();
            assert!(crate::logic::lifeguard::State::parse(state).is_some(), "{state}");
        }
    }
}
