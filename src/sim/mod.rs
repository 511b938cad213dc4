//! The simulator: months of a lab with everything that can go wrong, in seconds, on one thread and a virtual clock.
//!
//! The layers, the machines, the queues, the probes and the store are the real ones; simulated are the hardware and the people
//! (see `docs/simulation.md`). The same settings give the same run to the last byte. After every step the rules of
//! `ARCHITECTURE.md` are checked; the first that is broken ends the run.

mod agenda;
mod board;
mod dice;
mod faults;
mod hardware;
mod lab;
mod ledger;
mod people;
mod plant;
pub mod pool;
mod relays;
mod report;
mod rules;
#[cfg(test)]
mod tests;
mod trace;
mod trouble;
mod watched;
mod world;

pub use faults::{BadFaults, Faults, KINDS, Kind};
pub use report::{Report, Stats, Violation};

use crate::store::StoreError;
use plant::Plant;
use world::World;

/// What is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// So many boards.
    pub devices: usize,
    /// For so many days.
    pub days: u32,
    /// … of which the last so many are without faults and new requests, so that everything must come to its end.
    pub quiet_days: u32,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// Requests per device and day.
    pub requests_per_day: f64,
}

/// Simulates.
///
/// # Errors
/// The store in memory could not be made.
pub fn run(settings: &Settings) -> Result<Report, StoreError> {
    run_with(settings, Plant::default())
}

fn run_with(settings: &Settings, plant: Plant) -> Result<Report, StoreError> {
    let mut world = World::new(settings, plant)?;
    world.live();
    if world.ledger().violation.is_none() {
        world.all_is_well();
    }
    let mut ledger = world.ledger();
    let stats = std::mem::take(&mut ledger.stats);
    let violation = ledger.violation.take();
    Ok(Report { settings: settings.clone(), stats, violation })
}
