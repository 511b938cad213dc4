//! A pool of servers on one store, with latency: what it carries, and where it breaks first.
//!
//! Every server has its real layers and followers of changes; all share the real store. A statement costs virtual time, a commit
//! costs more, and all that change something take the row that counts changes one after the other. While one waits for the store
//! others go on, so they do meet at the same board. Nothing fails here (the other simulation has that), but the rules of what
//! machines may do are checked in every commit.

mod actor;
mod cost;
mod people;
mod rack;
mod report;
mod server;
#[cfg(test)]
mod tests;
mod world;

pub use cost::Latency;
pub use report::{Busy, Report};

use crate::store::StoreError;
use world::World;

/// What is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// So many imaging servers.
    pub servers: usize,
    /// Boards, spread over them.
    pub devices: usize,
    /// For so many minutes.
    pub minutes: u32,
    /// Requests a minute, over all servers.
    pub per_minute: f64,
    /// How long a board is used, on average, in seconds.
    pub use_s: f64,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What the store and the network cost.
    pub latency: Latency,
}

/// Simulates.
///
/// # Errors
/// The store in memory could not be made.
pub fn run(settings: &Settings) -> Result<Report, StoreError> {
    run_on(settings, super::Plant::default())
}

fn run_on(settings: &Settings, plant: super::Plant) -> Result<Report, StoreError> {
    let mut world = World::new(settings, plant)?;
    world.live();
    Ok(world.report())
}
