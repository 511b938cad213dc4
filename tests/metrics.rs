//! What monitors get: every number moves when its thing happens, the text is what Prometheus takes, and the dashboard and the alert
//! rules below packaging/monitoring/ ask for nothing that there is not.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

#[path = "metrics/monitoring.rs"]
mod monitoring;
#[path = "metrics/moves.rs"]
mod moves;
#[path = "metrics/scrape.rs"]
mod scrape;
mod support;
