//! A read-only TFTP server that serves whatever a [`Source`] offers, and a small client to go with it.
//!
//! The library knows nothing of the machines that ask: it answers every request at once, from the address that was
//! asked, and keeps each transfer going through loss without ever sending more than a client asked for. It never
//! writes, and a directory served through [`Root`] lets nothing outside of it be read.
//!
//! | part | what it holds |
//! |---|---|
//! | [`packet`], [`options`], [`name`] | the words of the protocol: bytes to values and back |
//! | `transfer`, `timing`, `sessions` | pure state machines: one transfer, its timer, and the table of all of them |
//! | `credit` | what is sent to addresses from which nothing was heard |
//! | `ports` | the sockets of transfers, and those kept for the next ones |
//! | [`source`], [`content`], [`root`] | where the bytes come from |
//! | [`net`], `requests`, `serving`, `listener`, `endpoint`, `batch` | the only code that touches sockets and the clock |
//! | [`rehearsal`] | one transfer without sockets and clock, for whoever wants to try it |
//! | [`client`] | a blocking client with limits |
//!
//! RFC 1350 (octet and netascii reads), 2347 (OACK), 2348 (blksize), 2349 (tsize, timeout), 7440 (windowsize).

#![forbid(unsafe_code)]

mod batch;
pub mod client;
pub mod config;
pub mod content;
mod credit;
mod endpoint;
mod listener;
pub mod name;
pub mod net;
pub mod options;
pub mod packet;
mod ports;
mod quiet;
pub mod rehearsal;
mod requests;
pub mod root;
mod serving;
mod sessions;
pub mod source;
pub mod stats;
mod timing;
mod transfer;

pub use batch::Batching;
pub use client::{FetchError, FetchOptions, Fetched, Loss, fetch};
pub use config::Config;
pub use content::Content;
pub use net::{BindError, RunError, Server, Stopper};
pub use options::Options;
pub use packet::Mode;
pub use root::{Root, RootError};
pub use source::{Refusal, Request, Source, TransferRecord};
pub use stats::Stats;
pub use timing::Timing;
pub use transfer::Outcome;
