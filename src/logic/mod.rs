//! The decisions of Mozpool, and nothing else: values in, values out.
//!
//! This module uses `std` only. It knows no clock, thread, socket, file, SQL, log or random source: time and dice come
//! in as values, and what should happen goes out as values. `tests/tidy.rs` reads the `use` lines and keeps it so.

pub mod attempt;
pub mod catalog;
pub mod check;
pub mod discovery;
pub mod dispatch;
pub mod events;
pub mod ids;
pub mod inventory;
pub mod lifeguard;
pub mod machine;
pub mod mozpool;
pub mod peers;
pub mod report;
pub mod time;
pub mod watch;
