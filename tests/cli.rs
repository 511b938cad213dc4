//! `mozpool` on the command line as people and CI jobs use it: the built program against the real daemon with an emulated rack.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

#[path = "cli/world.rs"]
mod world;

#[path = "cli/tty.rs"]
mod tty;

#[path = "cli/access.rs"]
mod access;

#[path = "cli/tls.rs"]
mod tls;

#[path = "cli/definition.rs"]
mod definition;

#[path = "cli/devices.rs"]
mod devices;

#[path = "cli/discovery.rs"]
mod discovery;

#[path = "cli/logs.rs"]
mod logs;

#[path = "cli/pool.rs"]
mod pool;

#[path = "cli/requests.rs"]
mod requests;

#[path = "cli/commands.rs"]
mod commands;

#[path = "cli/servers.rs"]
mod servers;

#[path = "cli/terminal.rs"]
mod terminal;

#[path = "cli/monitors.rs"]
mod monitors;
