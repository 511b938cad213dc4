//! Mozpool: one appliance that turns racks of flaky boards into boards people and CI jobs can rely on.
//!
//! The program is `main.rs`; everything it is made of is here, so that tests reach it. Start with `ARCHITECTURE.md`.

pub mod access;
pub mod api;
pub mod bmm;
pub mod boot;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod fakes;
pub mod inventory;
pub mod lab;
pub mod layers;
pub mod logic;
pub mod metrics;
pub mod ports;
pub mod seal;
pub mod signals;
pub mod sim;
pub mod store;
pub mod ui;
