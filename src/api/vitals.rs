//! What the process consists of, and which of it runs: filled by the daemon at its start, shown by `GET health`.
//!
//! Knows neither threads nor sockets; the daemon says when something has ended.

use crate::logic::time::Timestamp;
use crate::metrics::Metrics;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The parts of one process.
#[derive(Debug)]
pub struct Vitals {
    started: Timestamp,
    parts: Vec<Part>,
    metrics: Arc<Metrics>,
}

/// Where a part can be reached, written as `tcp://127.0.0.1:8080`: a port number alone does not say of which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listens {
    /// Connections.
    Tcp(SocketAddr),
    /// Datagrams.
    Udp(SocketAddr),
}

impl fmt::Display for Listens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "tcp://{addr}"),
            Self::Udp(addr) => write!(f, "udp://{addr}"),
        }
    }
}

/// A thread, or a few that belong together.
#[derive(Debug)]
pub struct Part {
    /// As threads and log lines call it.
    pub name: &'static str,
    /// Where it listens; nowhere for most.
    pub listens: Vec<Listens>,
    /// It was configured to run.
    pub on: bool,
    ended: AtomicBool,
    counts: Vec<Counts>,
}

/// Reads counters with their names.
type Read = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// Where a part's counters are.
struct Counts(Read);

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((self.0)()).finish()
    }
}

impl Part {
    /// `off`: not configured. `ended`: the process is on its way out.
    pub fn state(&self) -> &'static str {
        match (self.on, self.ended.load(Ordering::SeqCst)) {
            (false, _) => "off",
            (true, false) => "running",
            (true, true) => "ended",
        }
    }

    /// What it has counted.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        self.counts.iter().flat_map(|counts| (counts.0)()).collect()
    }
}

impl Vitals {
    /// Of a process that has just started, without parts.
    pub fn new(started: Timestamp) -> Self {
        Self { started, parts: Vec::new(), metrics: Arc::new(Metrics::new(super::metrics::KINDS, None)) }
    }

    /// Its parts count here.
    #[must_use]
    pub fn measured_by(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// What is counted for monitors.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// One more part.
    #[must_use]
    pub fn with(mut self, name: &'static str, on: bool, listens: Vec<Listens>) -> Self {
        self.parts.push(Part { name, listens, on, ended: AtomicBool::new(false), counts: Vec::new() });
        self
    }

    /// The last part counts, and this reads it.
    #[must_use]
    pub fn counting(mut self, read: impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.counts.push(Counts(Box::new(read)));
        }
        self
    }

    /// When the process started.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// All parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The thread of this name has ended; `http-3` is of `http`.
    pub fn ended(&self, thread: &str) {
        for part in &self.parts {
            if thread.strip_prefix(part.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
                part.ended.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Nothing has ended.
    pub fn well(&self) -> bool {
        self.parts.iter().all(|p| p.state() != "ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_that_of_the_part_whose_thread_it_was() {
        let vitals = Vitals::new(Timestamp(0)).with("http", true, vec![]).with("httpd", true, vec![]).with(
            "tftp",
            false,
            vec![],
        );
        let states = || vitals.parts().iter().map(Part::state).collect::<Vec<_>>();
        assert!(vitals.well());
        vitals.ended("http-3");
        assert_eq!(states(), ["ended", "running", "off"]);
        assert!(!vitals.well());
        vitals.ended("tftp");
        assert_eq!(states(), ["ended", "running", "off"], "what never ran has not ended");
    }
}
