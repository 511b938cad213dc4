//! A relay board that is not there: a ProXR board on a real socket, for tests, rigs and demonstrations.
//!
//! It behaves like the hardware where that hurts: one connection at a time, others refused meanwhile and for a rest
//! after each close (ProXR hardware notes). One thread, which waits in one place (`serve`); it stops and is joined
//! when the [`FakeBoard`] is dropped. It knows relays and wiring, not what hangs on them.

mod faults;
mod serve;

pub use faults::{Dialect, Misbehaviour};

use crate::address::{Bank, PowerState, Relay, Wiring};
use crate::proxr::{BankStatus, Command};
use faults::Plan;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Lines of the wire log that are kept: ten thousand commands' worth of tests; the oldest go first.
const MAX_LOG: usize = 20_000;

/// How long the board's thread may take to go by a new plan; it is busy only while its observer is.
const PLAN_TAKEN: Duration = Duration::from_secs(2);

/// A fake board's nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FakeSettings {
    /// How many banks of eight relays it has; commands to others are not answered.
    pub banks: Bank,
    /// How long it refuses connections after each close; one second on real boards. Zero makes a patient board: it
    /// still serves one connection at a time, but lets others wait in line instead of refusing them.
    pub recovery: Duration,
    /// What its relays' positions mean.
    pub wiring: Wiring,
    /// The power of all devices at the start.
    pub initial: PowerState,
    /// How it acknowledges.
    pub dialect: Dialect,
}

impl Default for FakeSettings {
    /// Four banks, no rest, normally closed, all devices off, plain replies.
    fn default() -> Self {
        Self {
            banks: Bank::new(4).expect("4 is within 1 to 32"),
            recovery: Duration::ZERO,
            wiring: Wiring::default(),
            initial: PowerState::Off,
            dialect: Dialect::default(),
        }
    }
}

/// A device's power that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// In this bank.
    pub bank: Bank,
    /// Behind this relay.
    pub relay: Relay,
    /// To this.
    pub power: PowerState,
}

/// Who sent the bytes of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The board's client.
    Client,
    /// The board.
    Board,
}

/// Called in the board's thread for each change, in order, before the board acknowledges the command.
pub type Observer = Box<dyn FnMut(Change) + Send>;

/// A running fake board. Dropping it closes its sockets and joins its thread.
#[derive(Debug)]
pub struct FakeBoard {
    addr: SocketAddr,
    shared: Arc<Shared>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl FakeBoard {
    /// Starts a board; port 0 takes a free port, which it keeps while it lives, also while it refuses connections.
    ///
    /// # Errors
    /// The address cannot be taken, or the system has no sockets or threads left.
    pub fn start(listen: SocketAddr, settings: FakeSettings) -> io::Result<Self> {
        Self::start_observed(listen, settings, Box::new(|_| ()))
    }

    /// The same, with an observer of every change of power. It must not drop the board, and the board answers
    /// nothing while it runs.
    ///
    /// # Errors
    /// As [`FakeBoard::start`].
    pub fn start_observed(
        listen: SocketAddr,
        settings: FakeSettings,
        observer: Observer,
    ) -> io::Result<Self> {
        let (port, addr) = serve::Port::reserve(listen)?;
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let shared = Arc::new(Shared { state: Mutex::new(State::new(settings)), moved: Condvar::new() });
        let server = serve::Server::new(port, woken, Arc::clone(&shared), settings, observer)?;
        let thread = thread::Builder::new().name("fake-relay".into()).spawn(move || server.run())?;
        Ok(Self { addr, shared, wake, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The power of the device behind a relay.
    pub fn power(&self, bank: Bank, relay: Relay) -> PowerState {
        self.shared.lock().power(bank, relay)
    }

    /// Misbehave from now on, until told otherwise.
    pub fn set_misbehaviour(&self, misbehaviour: Misbehaviour) {
        self.plan(Plan::always(misbehaviour));
    }

    /// Behave for `after` commands, then misbehave for `count` commands, then behave again. Commands are counted
    /// over all connections, from now. [`Misbehaviour::Refuse`] and [`Misbehaviour::CloseAfterAccept`] concern
    /// connections rather than commands; set those with [`FakeBoard::set_misbehaviour`].
    pub fn misbehave_later(&self, after: u32, count: u32, misbehaviour: Misbehaviour) {
        self.plan(Plan::later(after, count, misbehaviour));
    }

    /// Returns once the board's thread goes by it, so that a board told to refuse does.
    fn plan(&self, plan: Plan) {
        let wanted = {
            let mut state = self.shared.lock();
            state.plan = plan;
            state.plans += 1;
            state.plans
        };
        self.wake();
        if !self.wait(PLAN_TAKEN, |state| state.plans_taken >= wanted) {
            log::warn!("the fake relay board on {} is held up, probably by its observer", self.addr);
        }
    }

    /// Whether acknowledgements are plain or Fusion's, from now on.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.shared.lock().dialect = dialect;
    }

    /// All bytes since the start (or the last [`FakeBoard::clear_log`]): a command, or what the board sent, a line.
    pub fn log(&self) -> Vec<(Sender, Vec<u8>)> {
        self.shared.lock().log.iter().cloned().collect()
    }

    /// Forgets the log.
    pub fn clear_log(&self) {
        self.shared.lock().log.clear();
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// Waits until the device behind a relay has this power; false if the time is up first.
    pub fn wait_for_power(&self, bank: Bank, relay: Relay, power: PowerState, limit: Duration) -> bool {
        self.wait(limit, |state| state.power(bank, relay) == power)
    }

    /// Waits until this many commands have come since the start; false if the time is up first.
    pub fn wait_for_commands(&self, count: u64, limit: Duration) -> bool {
        self.wait(limit, |state| state.commands >= count)
    }

    fn wait(&self, limit: Duration, reached: impl Fn(&State) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        while !reached(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let (woken, _) =
                self.shared.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = woken;
        }
        true
    }

    /// A full wake-up pipe wakes as well as one more byte would.
    fn wake(&self) {
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for FakeBoard {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the fake relay board on {} ended with a panic, probably its observer's", self.addr);
        }
    }
}

/// What the board's thread and its owner both see.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told after every command, connection and plan taken.
    moved: Condvar,
}

impl Shared {
    /// Every change below is one assignment, so a state left by a panic is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    banks: [BankStatus; Bank::MAX as usize],
    wiring: Wiring,
    dialect: Dialect,
    plan: Plan,
    /// Plans made, and how many of them the board's thread has seen.
    plans: u64,
    plans_taken: u64,
    log: VecDeque<(Sender, Vec<u8>)>,
    commands: u64,
    connections: u64,
    stop: bool,
}

impl State {
    fn new(settings: FakeSettings) -> Self {
        let all = BankStatus::all(settings.wiring.relay_for(settings.initial));
        Self {
            banks: [all; Bank::MAX as usize],
            wiring: settings.wiring,
            dialect: settings.dialect,
            plan: Plan::default(),
            plans: 0,
            plans_taken: 0,
            log: VecDeque::new(),
            commands: 0,
            connections: 0,
            stop: false,
        }
    }

    fn bank(&mut self, bank: Bank) -> &mut BankStatus {
        &mut self.banks[usize::from(bank.number()) - 1]
    }

    fn power(&self, bank: Bank, relay: Relay) -> PowerState {
        self.wiring.power_for(self.banks[usize::from(bank.number()) - 1].relay(relay))
    }

    fn note(&mut self, sender: Sender, bytes: &[u8]) {
        if self.log.len() == MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back((sender, bytes.to_vec()));
    }

    /// Moves the relays and says which devices' power changed.
    fn switch(&mut self, command: Command) -> Vec<Change> {
        let (bank, after) = match command {
            Command::Switch { bank, relay, to } => (bank, self.bank(bank).with(relay, to)),
            Command::SwitchBank { bank, to } => (bank, BankStatus::all(to)),
            Command::ReadRelay { .. } | Command::ReadBank { .. } | Command::TwoWayTest => return vec![],
        };
        let before = std::mem::replace(self.bank(bank), after);
        let moved = Relay::all().filter(|&relay| before.relay(relay) != after.relay(relay));
        moved.map(|relay| Change { bank, relay, power: self.power(bank, relay) }).collect()
    }
}
