//! Inventories as they are: files in a folder, and servers with the shapes of the real ones, read by the library, and by the built
//! daemon for the built command line.
#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

#[path = "inventory/daemon.rs"]
mod daemon;
#[path = "inventory/documents.rs"]
mod documents;
#[path = "inventory/lease.rs"]
mod lease;
#[path = "inventory/sources.rs"]
mod sources;
mod support;
#[path = "inventory/tls.rs"]
mod tls;
#[path = "inventory/web.rs"]
mod web;
