//! Device power through ProXR relay boards (National Control Devices) over TCP.
//!
//! The crate knows relays, banks and the power behind them; it knows nothing of what the devices are or who
//! asks. Pure parts are [`address`], [`proxr`] and [`packet`] (the codec) and [`cycle`] (what to do next); [`power`] does
//! it with whatever can switch; [`board`] and [`operate`] on a socket under one deadline; [`fake`] is a board for tests,
//! rigs and demonstrations.
//!
//! ```
//! use relayctl::{Action, FakeBoard, FakeSettings, PowerState, RelayAddress, Settings};
//! use std::time::{Duration, Instant};
//!
//! let fake = FakeBoard::start("127.0.0.1:0".parse()?, FakeSettings::default())?;
//! let address: RelayAddress = format!("{}:bank1:relay3", fake.addr()).parse()?;
//! let settings = Settings::new(Instant::now() + Duration::from_secs(30));
//! assert_eq!(relayctl::run(&address, Action::PowerOn, &settings)?, PowerState::On);
//! assert_eq!(fake.power(address.bank, address.relay), PowerState::On);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod address;
pub mod board;
pub mod cycle;
pub mod error;
pub mod fake;
pub mod operate;
pub mod packet;
pub mod power;
pub mod proxr;
mod resolve;

pub use address::{AddressError, Bank, BoardAddress, DEFAULT_PORT, PowerState, Relay, RelayAddress, Wiring};
pub use board::RelayBoard;
pub use cycle::PowerAfter;
pub use error::{Fault, Operation, RelayError, Step};
pub use fake::{Change, FakeBoard, FakeSettings};
pub use operate::{Action, BankPower, Settings, bank_status, board_status, run, switch_bank, test};
pub use packet::Framing;
pub use resolve::resolve;
