//! A syslog receiver: it listens on UDP and TCP and hands every line to a [`Sink`] as a [`Record`].
//!
//! It knows nothing of devices, databases or files. What rules it: RFC 3164 and RFC 5424 for the text, RFC 5426 for
//! UDP, RFC 6587 for TCP, and what real boards send instead of those. The text parsing is our own. Measured against
//! it, `syslog_loose` 0.23 took the tag of busybox's `<13>Jan  1 00:00:00 root: text` for a host name, left the PRI
//! of a line without a time stamp in its text and lost its severity, gave a made-up year to stamps that have none,
//! and brought chrono and nom with it.
//!
//! Pure parts, without sockets or clocks: [`record`], [`frame`], [`pri`], [`stamp`], [`text`]. The loop is in [`net`].
#![forbid(unsafe_code)]

mod config;
mod error;
pub mod frame;
mod kernel;
pub mod net;
pub mod pri;
mod quiet;
pub mod record;
mod scan;
pub mod stamp;
mod stats;
mod tcp;
pub mod text;
mod udp;

pub use config::{Config, Limits};
pub use error::{BindError, RunError};
pub use net::{Given, Server, Sink, Stopper};
pub use pri::{Facility, Severity};
pub use record::Record;
pub use stamp::SenderTime;
pub use stats::{Stats, StatsNow};
