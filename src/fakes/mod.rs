//! Emulated boards and the relay boards that power them: a rack without hardware, for the demo and for tests.
//!
//! An emulated board is a client like a real one: it gets power through a fake ProXR board, boots over TFTP, talks HTTP and
//! syslog, answers checks on an address of its own (127.77.0.0/16, loopback). It shares nothing with the daemon but sockets.

pub mod board;
pub mod mishap;
pub mod notes;
mod outward;
pub mod power;
pub mod rack;
pub mod script;
mod syslog;
mod web;

pub use board::{Identity, Network, Pace};
pub use mishap::Mishap;
pub use notes::Notes;
pub use rack::{Rack, RackSettings};
