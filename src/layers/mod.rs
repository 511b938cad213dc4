//! The threads: a file per thread, and here the messages that they send each other.
//!
//! This is the only module that owns channels. Every channel is bounded; a full one is answered, never waited for: API calls
//! get "busy, try again", layers rely on the time limit of the state that asked.

pub mod audit;
pub mod bmm;
pub mod boards;
mod budget;
pub mod changes;
pub mod deadlines;
pub mod http;
pub mod intake;
pub mod inventory;
pub mod journal;
pub mod lifeguard;
pub mod messages;
pub mod mozpool;
pub mod peers;
pub mod registration;
pub mod supervise;
pub mod syslog;
pub mod tftp;

#[cfg(test)]
mod tests;
