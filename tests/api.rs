//! The HTTP API over real sockets with a real store; scripted threads stand at the other end of the command channels.
//!
//! Answers are compared byte for byte: they are promises to clients, and a change of one is told in the change log.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[path = "api/admin.rs"]
mod admin;
#[path = "api/boards.rs"]
mod boards;
#[path = "api/candidates.rs"]
mod candidates;
#[path = "api/client.rs"]
mod client;
#[path = "api/clients.rs"]
mod clients;
#[path = "api/connections.rs"]
mod connections;
#[path = "api/contract.rs"]
mod contract;
#[path = "api/device.rs"]
mod device;
#[path = "api/document.rs"]
mod document;
#[path = "api/events.rs"]
mod events;
#[path = "api/files.rs"]
mod files;
#[path = "api/hardware.rs"]
mod hardware;
#[path = "api/health.rs"]
mod health;
#[path = "api/lab.rs"]
mod lab;
#[path = "api/logs.rs"]
mod logs;
#[path = "api/pool.rs"]
mod pool;
#[path = "api/reports.rs"]
mod reports;
#[path = "api/rights.rs"]
mod rights;
#[path = "api/rules.rs"]
mod rules;
#[path = "api/schema.rs"]
mod schema;
#[path = "api/sessions.rs"]
mod sessions;
#[path = "api/unchanged.rs"]
mod unchanged;
#[path = "api/world.rs"]
mod world;
