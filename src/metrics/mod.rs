//! What monitors are told: counts and durations of this process since its start, and the text that they are scraped as.
//!
//! Counting costs an addition in memory, or a short lock that nobody holds while he waits for anything. The store of each layer
//! is wrapped ([`counted`]), so that what is counted of devices and requests is what was committed, and nothing else. Knows
//! neither sockets nor routes; `api::metrics` puts a scrape together.

pub mod calls;
pub mod counted;
pub mod devices;
pub mod histogram;
pub mod process;
pub mod requests;
pub mod services;
pub mod storage;
pub mod table;
pub mod text;

pub use table::{FAMILIES, Family, Kind, Metric};
pub use text::{Format, Page, shown};

use self::calls::Calls;
use self::devices::Devices;
use self::requests::Requests;
use self::storage::Storage;
use crate::bmm::power::PowerCounts;
use crate::logic::time::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that is counted for monitors alone. What parts of the process count for `GET health`, too, is with them.
#[derive(Debug)]
pub struct Metrics {
    /// Calls of the API.
    pub calls: Calls,
    /// What the device layer has committed.
    pub devices: Devices,
    /// What the request layer has committed.
    pub requests: Requests,
    /// How the store does.
    pub storage: Storage,
    /// What *bmm* counts.
    pub power: Arc<PowerCounts>,
}

impl Metrics {
    /// Nothing is counted. `routes`: how many kinds of calls there are; `store`: the file that the store is in, if it is one.
    pub fn new(routes: usize, store: Option<PathBuf>) -> Self {
        Self {
            calls: Calls::new(routes),
            devices: Devices::default(),
            requests: Requests::default(),
            storage: Storage::of(store),
            power: Arc::default(),
        }
    }

    /// Puts its numbers on a page, but for the calls, whose names others know.
    pub fn show(&self, page: &mut Page, now: Timestamp) {
        self.devices.show(page);
        self.requests.show(page, now);
        self.storage.show(page);
    }
}
