//! What the journal keeps, and how long: numbers that an operator may change while it runs.
//!
//! The journal looks at them when it next deletes something, within the hour.

use crate::config::Config;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The limits that hold now.
#[derive(Debug)]
pub struct Keep {
    /// Log lines are kept so many days after they came.
    pub log_days: AtomicU32,
    /// Text of what boards say is kept up to so many bytes.
    pub log_bytes_max: AtomicU64,
    /// Requests are kept so many days after they expired.
    pub request_days: AtomicU32,
    /// What reports are made of is kept so many days.
    pub report_days: AtomicU32,
    /// Entries of the audit log are kept so many days.
    pub audit_days: AtomicU32,
}

impl Keep {
    /// The settings that it follows.
    pub const SETTINGS: [&str; 5] = [
        "syslog.retention_days",
        "syslog.max_mib",
        "requests.retention_days",
        "reports.retention_days",
        "auth.audit_days",
    ];

    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            log_days: config.syslog.retention_days.into(),
            log_bytes_max: log_bytes_max(config).into(),
            request_days: config.requests.retention_days.into(),
            report_days: config.reports.retention_days.into(),
            audit_days: config.auth.audit_days.into(),
        }
    }

    /// From now on as configured there.
    pub fn follow(&self, config: &Config) {
        self.log_days.store(config.syslog.retention_days, Ordering::Relaxed);
        self.log_bytes_max.store(log_bytes_max(config), Ordering::Relaxed);
        self.request_days.store(config.requests.retention_days, Ordering::Relaxed);
        self.report_days.store(config.reports.retention_days, Ordering::Relaxed);
        self.audit_days.store(config.auth.audit_days, Ordering::Relaxed);
    }
}

fn log_bytes_max(config: &Config) -> u64 {
    u64::from(config.syslog.max_mib) << 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Host;

    #[test]
    fn it_is_as_configured_and_follows() {
        let config = |text| Config::parse(text, &Host::default()).expect("no faults");
        let keep = Keep::new(&config(""));
        let now = || {
            let days = [&keep.log_days, &keep.request_days, &keep.report_days, &keep.audit_days];
            (days.map(|d| d.load(Ordering::Relaxed)), keep.log_bytes_max.load(Ordering::Relaxed))
        };
        assert_eq!(now(), ([14, 7, 400, 365], 4096 << 20));
        let other = "[syslog]\nretention_days = 1\nmax_mib = 16\n[requests]\nretention_days = 2\n[reports]\nretention_days = 3\n[auth]\naudit_days = 4\n";
        keep.follow(&config(other));
        assert_eq!(now(), ([1, 2, 3, 4], 16 << 20));
    }
}
