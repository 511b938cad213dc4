//! The counters of the parts of the process, which `GET health` shows under short names, as metrics.

use super::table::Metric;
use super::text::Page;

/// A part's counter, and which metric with which labels it is.
type Row = (&'static str, &'static str, Metric, &'static [&'static str]);

use Metric as M;

/// Every counter that a part has.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("http", "connections", M::HttpConnections, &["accepted"]),
    ("http", "displaced", M::HttpConnections, &["displaced"]),
    ("http", "no_room", M::HttpConnections, &["no_room"]),
    ("http", "not_taken", M::HttpConnections, &["not_taken"]),
    ("http", "connections_open", M::HttpOpen, &[]),
    ("http", "malformed", M::HttpRefused, &["malformed"]),
    ("http", "too_long", M::HttpRefused, &["too_long"]),
    ("http", "too_slow", M::HttpRefused, &["too_slow"]),
    ("http", "busy", M::HttpRefused, &["busy"]),
    ("http", "accept_errors", M::HttpErrors, &[]),
    ("bmm", "power_done", M::PowerOperations, &["done"]),
    ("bmm", "power_unreachable", M::PowerOperations, &["unreachable"]),
    ("bmm", "power_no_answer", M::PowerOperations, &["no_answer"]),
    ("bmm", "power_wrong_answer", M::PowerOperations, &["wrong_answer"]),
    ("bmm", "power_not_moved", M::PowerOperations, &["not_moved"]),
    ("bmm", "power_program_failed", M::PowerOperations, &["program_failed"]),
    ("bmm", "power_our_trouble", M::PowerOperations, &["our_trouble"]),
    ("bmm", "power_may_be_off", M::PowerMayBeOff, &[]),
    ("bmm", "jobs_waiting", M::RelayWaiting, &[]),
    ("bmm", "jobs_running", M::RelayRunning, &[]),
    ("bmm", "longest_queue", M::RelayLongest, &[]),
    ("lifeguard", "refused_foreign", M::ReportsRefused, &["foreign"]),
    ("lifeguard", "refused_no_token", M::ReportsRefused, &["no_token"]),
    ("lifeguard", "refused_other_boot", M::ReportsRefused, &["other_boot"]),
    ("lifeguard", "refused_no_address", M::ReportsRefused, &["no_address"]),
    ("lifeguard", "refused_not_for_boards", M::ReportsRefused, &["not_for_boards"]),
    ("lifeguard", "reports_ignored", M::ReportsIgnored, &[]),
    ("journal", "written", M::JournalWritten, &[]),
    ("journal", "strays", M::JournalStrays, &[]),
    ("journal", "lost", M::JournalLost, &[]),
    ("journal", "steps", M::JournalSteps, &[]),
    ("journal", "steps_lost", M::JournalStepsLost, &[]),
    ("journal", "failures", M::JournalFailures, &[]),
    ("journal", "waiting", M::JournalWaiting, &[]),
    ("journal", "bytes", M::JournalBytes, &[]),
    ("journal", "bytes_dropped", M::JournalDeleted, &[]),
    ("journal", "disk_low", M::StoreLow, &[]),
    ("journal", "candidates", M::Sightings, &["noted"]),
    ("journal", "candidates_lost", M::Sightings, &["lost"]),
    ("registration", "registered", M::Registrations, &["registered"]),
    ("registration", "refused", M::Registrations, &["refused"]),
    ("registration", "limited", M::Registrations, &["limited"]),
    ("registration", "connections_refused", M::Registrations, &["no_room"]),
    ("registration", "timed_out", M::Registrations, &["timed_out"]),
    ("integrity", "checking", M::StoreChecking, &[]),
    ("integrity", "damaged", M::StoreDamaged, &[]),
    ("inventory", "runs", M::InventoryRuns, &[]),
    ("inventory", "failed", M::InventoryFailures, &[]),
    ("pulse", "alive", M::Peers, &["alive"]),
    ("pulse", "faulty", M::Peers, &["faulty"]),
    ("pulse", "gone", M::Peers, &["gone"]),
    ("pulse", "sent", M::PeerMessages, &["sent"]),
    ("pulse", "repeated", M::PeerMessages, &["repeated"]),
    ("pulse", "dropped", M::PeerMessages, &["dropped"]),
    ("pulse", "received", M::PeerMessages, &["received"]),
    ("pulse", "late", M::PeerMessages, &["late"]),
    ("pulse", "refused", M::PeerMessages, &["refused"]),
    ("tftp", "requests", M::TftpRequests, &[]),
    ("tftp", "requests_repeated", M::TftpRepeated, &[]),
    ("tftp", "refused", M::TftpRefused, &["request"]),
    ("tftp", "limited", M::TftpRefused, &["limit"]),
    ("tftp", "transfers_done", M::TftpTransfers, &["done"]),
    ("tftp", "transfers_failed", M::TftpTransfers, &["failed"]),
    ("tftp", "size_probes", M::TftpTransfers, &["probe"]),
    ("tftp", "transfers_vanished", M::TftpTimedOut, &[]),
    ("tftp", "transfers_unheard", M::TftpUnheard, &[]),
    ("tftp", "transfers_displaced", M::TftpDisplaced, &[]),
    ("tftp", "transfers_active", M::TftpRunning, &[]),
    ("tftp", "bytes", M::TftpBytes, &[]),
    ("tftp", "retransmissions", M::TftpAgain, &[]),
    ("tftp", "dropped_by_kernel", M::TftpDropped, &["kernel"]),
    ("tftp", "malformed", M::TftpDropped, &["malformed"]),
    ("tftp", "throttled", M::TftpDropped, &["throttled"]),
    ("tftp", "strays", M::TftpDropped, &["stranger"]),
    ("tftp", "lines_lost", M::TftpLinesLost, &[]),
    ("syslog", "received_udp", M::SyslogReceived, &["udp"]),
    ("syslog", "received_tcp", M::SyslogReceived, &["tcp"]),
    ("syslog", "dropped_by_kernel", M::SyslogDropped, &["kernel"]),
    ("syslog", "lost", M::SyslogDropped, &["no_room"]),
    ("syslog", "passed_over", M::SyslogDropped, &["stranger"]),
    ("syslog", "truncated", M::SyslogOdd, &["truncated"]),
    ("syslog", "malformed", M::SyslogOdd, &["malformed"]),
    ("syslog", "waiting_bytes", M::SyslogWaiting, &[]),
    ("syslog", "waiting_bytes_max", M::SyslogWaitingLimit, &[]),
    ("syslog", "connections", M::SyslogConnections, &["accepted"]),
    ("syslog", "connections_refused", M::SyslogConnections, &["refused"]),
    ("syslog", "connections_displaced", M::SyslogConnections, &["displaced"]),
    ("syslog", "connections_idle", M::SyslogConnections, &["idle"]),
    ("syslog", "connections_held", M::SyslogConnections, &["held"]),
    ("syslog", "connections_open", M::SyslogOpen, &[]),
    ("syslog", "accept_errors", M::SyslogErrors, &["accept"]),
    ("syslog", "receive_errors", M::SyslogErrors, &["receive"]),
];

/// Puts a part's counters on a page.
pub fn show<'c>(page: &mut Page, part: &str, counters: impl IntoIterator<Item = (&'c str, u64)>) {
    for (name, value) in counters {
        if let Some((_, _, metric, labels)) = ROWS.iter().find(|(p, n, ..)| *p == part && *n == name) {
            page.add(*metric, labels, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmm::power::PowerCounts;
    use crate::clock::SystemClock;
    use crate::layers::peers::Peers;
    use crate::layers::{http, inventory, journal, lifeguard, registration, tftp};
    use crate::seal::Secret;
    use crossbeam_channel::bounded;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    fn peers() -> Peers {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "a secret of a pool").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (notices, ended) = (bounded(1).0, bounded(1).0);
        Peers::new("s", 1, Secret::read(&file).unwrap(), Arc::new(SystemClock), notices, ended)
    }

    /// Whoever adds a counter adds its row above.
    #[test]
    fn every_counter_of_every_part_is_a_metric() {
        let syslog = syslogd::StatsNow::default().rows();
        let parts = [
            ("http", http::Stats::default().rows()),
            ("bmm", PowerCounts::default().rows()),
            ("lifeguard", lifeguard::Doubted::default().rows()),
            ("journal", journal::Stats::default().rows()),
            ("registration", registration::Stats::default().rows()),
            ("integrity", vec![("checking", 0), ("damaged", 0)]),
            ("inventory", inventory::Book::default().rows()),
            ("pulse", peers().rows()),
            ("tftp", tftp::counters(&tftpd::Stats::default(), &AtomicU64::new(0))),
            (
                "syslog",
                syslog
                    .into_iter()
                    .chain([("waiting_bytes", 0), ("waiting_bytes_max", 0), ("lost", 0), ("passed_over", 0)])
                    .collect(),
            ),
        ];
        let mut counters = 0;
        for (part, rows) in parts {
            for (name, _) in rows {
                assert!(ROWS.iter().any(|(p, n, ..)| *p == part && *n == name), "{part} {name}");
                counters += 1;
            }
        }
        assert_eq!(counters, ROWS.len(), "rows of counters that there are not");
        for (_, name, metric, labels) in ROWS {
            assert_eq!(labels.len(), metric.family().labels.len(), "{name}");
        }
    }
}
