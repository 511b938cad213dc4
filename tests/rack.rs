//! Boards that fetch by TFTP from the built daemon: what stands in their history afterwards, and a whole rack at once.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

#[path = "rack/history.rs"]
mod history;

#[path = "rack/boards.rs"]
mod boards;
