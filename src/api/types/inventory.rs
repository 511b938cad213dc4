//! The inventory's shapes.

use super::Changes;
use crate::api::time::rfc3339;
use crate::config::InventorySource;
use crate::inventory::Skipped;
use crate::layers::inventory::{By, Run, Way};
use crate::layers::messages::InventoryReport;
use crate::store::Lease;
use serde::Serialize;

/// `GET inventory`
#[derive(Debug, Serialize)]
pub struct InventoryBody {
    source: &'static str,
    interval_s: u32,
    holder: Option<String>,
    holder_until: Option<String>,
    next: Option<String>,
    last: Option<RunBody>,
}

#[derive(Debug, Serialize)]
struct RunBody {
    at: String,
    by: &'static str,
    error: Option<String>,
    systems: usize,
    skipped: usize,
    changes: usize,
    left: usize,
}

impl InventoryBody {
    /// Of this server; without a way there is none. `lease`: who reads it by itself.
    pub fn new(way: Option<&Way>, lease: Option<Lease>) -> Self {
        let noted = way.map(|way| way.book.read()).unwrap_or_default();
        let (holder, until) = lease.map(|lease| (lease.holder, rfc3339(lease.ends))).unzip();
        Self {
            source: way.map_or(InventorySource::None, |way| way.inventory.source).name(),
            interval_s: way.map_or(0, |way| way.inventory.interval_s),
            holder,
            holder_until: until,
            next: noted.next.map(rfc3339),
            last: noted.last.map(RunBody::new),
        }
    }
}

impl RunBody {
    fn new(run: Run) -> Self {
        let (counts, error) = match run.outcome {
            Ok(counts) => (counts, None),
            Err(why) => (Default::default(), Some(why)),
        };
        Self {
            at: rfc3339(run.at),
            by: match run.by {
                By::Timer => "timer",
                By::Call => "call",
            },
            error,
            systems: counts.systems,
            skipped: counts.skipped,
            changes: counts.changes,
            left: counts.left,
        }
    }
}

/// `POST inventory/sync`
#[derive(Debug, Serialize)]
pub struct InventorySynced {
    #[serde(flatten)]
    changes: Changes,
    systems: usize,
    left: Vec<String>,
    skipped: Vec<SkippedBody>,
    brake: Option<String>,
}

#[derive(Debug, Serialize)]
struct SkippedBody {
    name: String,
    place: String,
    why: String,
}

impl InventorySynced {
    /// What came of a run.
    pub fn new(report: InventoryReport) -> Self {
        let InventoryReport { synced, skipped, systems, dry_run } = report;
        let left = synced.left.iter().map(|l| format!("device {} {} later: {}", l.device, l.what, l.why));
        let skipped = skipped.into_iter();
        Self {
            left: left.collect(),
            brake: synced.brake.map(|brake| brake.to_string()),
            changes: Changes::new(synced.changes, dry_run),
            systems,
            skipped: skipped
                .map(|Skipped { name, place, why }| SkippedBody { name, place, why: why.to_string() })
                .collect(),
        }
    }
}
