//! How long the store takes, what it cannot do, and how much room it has.

use super::histogram::Histogram;
use super::table::Metric;
use super::text::Page;
use crate::store::StoreError;
use nix::sys::statvfs::statvfs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds: a read takes a tenth of a millisecond, a commit with a wait for the disk some milliseconds.
const BOUNDS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

/// Verbs that write; all others are [`READ`].
const WRITES: &[&str] = &[
    "commit_devices",
    "commit_requests",
    "insert_requests",
    "edit_device",
    "append_device_log",
    "append_stray_log",
    "append_log_chunks",
    "append_attempt_steps",
    "note_stray_senders",
    "drop_oldest_chunks",
    "prune",
    "register_server",
    "mend_free",
    "apply_lab",
    "delete",
    "note_candidates",
    "ignore_candidate",
    "sync_inventory",
    "take_lease",
    "give_up_lease",
    "join_pool",
    "beat",
    "declare_gone",
    "leave_pool",
];
/// What all that only reads is called.
const READ: &str = "read";

/// What is counted.
#[derive(Debug)]
pub struct Storage {
    /// In the order of [`WRITES`], and one for reads.
    operations: Vec<Operation>,
    file: Option<PathBuf>,
}

#[derive(Debug)]
struct Operation {
    name: &'static str,
    took: Histogram,
    failed: AtomicU64,
}

impl Storage {
    /// Of a store that is in this file, if it is in one.
    pub fn of(file: Option<PathBuf>) -> Self {
        let names = WRITES.iter().copied().chain([READ]);
        let operations =
            names.map(|name| Operation { name, took: Histogram::new(&BOUNDS), failed: AtomicU64::new(0) });
        Self { operations: operations.collect(), file }
    }

    /// An operation took so long, and failed if `error` is the store's own: what it only refuses was the caller's.
    pub fn done(&self, verb: &str, took: Duration, error: Option<&StoreError>) {
        let place = WRITES.iter().position(|name| *name == verb).unwrap_or(WRITES.len());
        let operation = &self.operations[place];
        operation.took.observe(took);
        if let Some(StoreError::Unavailable { .. } | StoreError::Corrupt { .. }) = error {
            operation.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn show(&self, page: &mut Page) {
        for Operation { name, took, failed } in &self.operations {
            page.add(Metric::StoreFailures, &[name], failed.load(Ordering::Relaxed));
            let took = took.seen();
            if took.count() > 0 {
                page.add_histogram(Metric::StoreSeconds, &[name], &took);
            }
        }
        if let Some((free, size)) = self.file.as_deref().and_then(room) {
            page.add(Metric::StoreFree, &[], free);
            page.add(Metric::StoreSize, &[], size);
        }
    }
}

/// Bytes that are free for us on the disk with this file, and that it has.
pub fn room(file: &Path) -> Option<(u64, u64)> {
    let disk = statvfs(file).ok()?;
    let block: u64 = disk.fragment_size();
    Some((block.saturating_mul(disk.blocks_available()), block.saturating_mul(disk.blocks())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_refuses_is_no_failure_of_its_own() {
        let storage = Storage::of(Some("/".into()));
        let failed = StoreError::Unavailable { doing: "write", source: "disk full".into() };
        storage.done("commit_devices", Duration::from_millis(3), Some(&failed));
        storage.done("delete", Duration::ZERO, Some(&StoreError::Refused { why: "used".into() }));
        storage.done("devices", Duration::ZERO, None);
        let mut page = Page::default();
        storage.show(&mut page);
        let text = page.text(crate::metrics::Format::Prometheus);
        let has = |line: &str| text.lines().any(|l| l == line);
        assert!(has("mozpool_store_failures_total{operation=\"commit_devices\"} 1"), "{text}");
        assert!(has("mozpool_store_failures_total{operation=\"delete\"} 0"), "{text}");
        assert!(has("mozpool_store_operation_duration_seconds_count{operation=\"read\"} 1"), "{text}");
        assert!(
            has("mozpool_store_operation_duration_seconds_sum{operation=\"commit_devices\"} 0.003"),
            "{text}"
        );
        let free = text.lines().find_map(|l| l.strip_prefix("mozpool_store_free_bytes ")).unwrap();
        assert!(free.parse::<u64>().unwrap() > 0);
    }
}
