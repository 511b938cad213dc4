//! Every metric: its name, what kind it is, its labels, and what it means in a sentence. Names are public like states: monitors,
//! dashboards and alert rules know them, so they are added to and never changed.
//!
//! The text of a scrape, `docs/monitoring.md` and the tests walk this table; nothing else names a metric.

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process; its name ends with `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often something took how long.
    Histogram,
}

impl Kind {
    /// As the format writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric with all its series.
#[derive(Debug)]
pub struct Family {
    /// With its unit, as Prometheus' naming has it.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What its series differ in.
    pub labels: &'static [&'static str],
    /// A sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// A metric, for whoever has a value of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Metric { $(#[doc = concat!("`", $name, "`: ", $help)] $id),* }

        impl Metric {
            /// All, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$id),*];

            /// Its row.
            pub fn family(self) -> &'static Family {
                &FAMILIES[self as usize]
            }
        }

        /// The table.
        #[rustfmt::skip]
        pub const FAMILIES: &[Family] = &[
            $(Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help }),*
        ];
    };
}

families! {
    BuildInfo: Gauge "mozpool_build_info" ["version"] "Always 1; the label has the version of the program.";
    ServiceUp: Gauge "mozpool_service_up" ["service"] "1 while the part of the process runs, 0 once it has ended; parts that are switched off are left out.";
    LayerQueue: Gauge "mozpool_layer_queue_messages" ["layer"] "Messages that wait for a layer.";
    LayerQueueLimit: Gauge "mozpool_layer_queue_limit_messages" ["layer"] "Messages that may wait for a layer; one more is refused with 503.";

    Devices: Gauge "mozpool_devices" ["group", "environment", "hardware_type"] "Devices of this server by group of states, environment and hardware type.";
    DevicesInState: Gauge "mozpool_devices_in_state" ["state"] "Devices of this server by state.";
    DeviceStateSeconds: Histogram "mozpool_device_state_duration_seconds" ["state"] "How long devices were in each working state, observed when they left it.";
    DeviceFailures: Counter "mozpool_device_failures_total" ["state", "cause"] "Devices that were given up, by the state that says so and by cause.";
    DeviceRetries: Counter "mozpool_device_retries_total" ["what"] "Times that something was counted against a limit of a device, mostly a state whose time was over; what is the counter's name.";
    AttemptSeconds: Histogram "mozpool_attempt_duration_seconds" ["purpose", "outcome"] "How long attempts took from the power cycle to their end, of those that began since this process started.";
    AttemptsEnded: Counter "mozpool_attempts_ended_total" ["outcome"] "Attempts that have ended.";
    StepSeconds: Histogram "mozpool_attempt_step_duration_seconds" ["kind"] "How long steps of attempts took that know their duration: power cycles, files by TFTP and HTTP.";
    Steps: Counter "mozpool_attempt_steps_total" ["kind", "result"] "Steps of attempts that came from outside of the state machine, by whether they went as they should.";

    Requests: Gauge "mozpool_requests" ["state"] "Requests of this server that are not closed, by state.";
    RequestsWaiting: Gauge "mozpool_requests_waiting" [] "Requests of this server that wait for a board.";
    OldestWaiting: Gauge "mozpool_requests_oldest_waiting_seconds" [] "Age of the oldest request of this server that waits for a board, 0 when none does.";
    RequestsCreated: Counter "mozpool_requests_created_total" [] "Requests that this server was asked for.";
    RequestsEnded: Counter "mozpool_requests_ended_total" ["how"] "Requests that have ended, by the state that ended them: closed is given back, expired was not, the failed ones never had their board or lost it.";
    ReadySeconds: Histogram "mozpool_request_ready_duration_seconds" [] "Time from a request to its board, ready.";
    RequestRetries: Counter "mozpool_request_retries_total" ["what"] "Times that something was counted against a limit of a request; what is the counter's name.";

    ReportsRefused: Counter "mozpool_reports_refused_total" ["reason"] "Reports of boards that were not believed: from another address than the device's (foreign), without a boot token (no_token), with that of another boot (other_boot), where the device's address would decide and is not known (no_address), or of what the hardware layer alone finds out (not_for_boards).";
    ReportsIgnored: Counter "mozpool_reports_ignored_total" [] "Reports of boards that were believed and changed nothing, because the device's state does not wait for them; its log has the first of each.";

    PowerOperations: Counter "mozpool_power_operations_total" ["result"] "Operations on power by relay boards and programs, by how they ended.";
    PowerMayBeOff: Counter "mozpool_power_may_be_off_total" [] "Operations on power after which the device may have been left without it; they are counted by their result, too.";
    RelayWaiting: Gauge "mozpool_relay_jobs_waiting" [] "Jobs that wait for their relay board or power program.";
    RelayRunning: Gauge "mozpool_relay_jobs_running" [] "Relay boards and power programs that are at work.";
    RelayLongest: Gauge "mozpool_relay_longest_queue_jobs" [] "Jobs in the longest queue in front of one relay board or power program.";
    RelayUp: Gauge "mozpool_relay_up" ["relay"] "Whether the last job at a relay board or power program that devices hang on could be done.";

    TftpRequests: Counter "mozpool_tftp_requests_total" [] "Read requests, repeated ones too.";
    TftpRepeated: Counter "mozpool_tftp_requests_repeated_total" [] "Read requests that belonged to a transfer under way.";
    TftpRefused: Counter "mozpool_tftp_requests_refused_total" ["why"] "Read requests that were answered with an error: what they asked for is not there or not allowed, or a limit was reached.";
    TftpTransfers: Counter "mozpool_tftp_transfers_total" ["result"] "Transfers that have ended: done, failed, or a probe of the size.";
    TftpTimedOut: Counter "mozpool_tftp_transfers_timed_out_total" [] "Transfers of the failed ones whose client fell silent or closed its port.";
    TftpUnheard: Counter "mozpool_tftp_transfers_unheard_total" [] "Transfers of the failed ones whose client never acknowledged anything.";
    TftpDisplaced: Counter "mozpool_tftp_transfers_displaced_total" [] "Transfers of the failed ones whose client had acknowledged nothing when all places were taken and others needed one.";
    TftpRunning: Gauge "mozpool_tftp_transfers_running" [] "Transfers under way.";
    TftpBytes: Counter "mozpool_tftp_sent_bytes_total" [] "Bytes of files, each counted once, in transfers that have ended.";
    TftpAgain: Counter "mozpool_tftp_retransmissions_total" [] "Packets that were sent again.";
    TftpDropped: Counter "mozpool_tftp_datagrams_dropped_total" ["why"] "Datagrams that the kernel had no room for, that are no TFTP, that came from a stranger, or that were not answered because nobody acknowledges what goes to their address (throttled).";
    TftpLinesLost: Counter "mozpool_tftp_lines_lost_total" [] "Lines about transfers that the journal had no room for.";

    SyslogReceived: Counter "mozpool_syslog_records_received_total" ["transport"] "Syslog records received.";
    SyslogDropped: Counter "mozpool_syslog_records_dropped_total" ["why"] "Syslog records that were lost: the kernel's buffer was full, or the place where they wait for the journal, or its sender is no device and sent too many (stranger).";
    SyslogOdd: Counter "mozpool_syslog_records_odd_total" ["what"] "Syslog records that were taken although they were cut or malformed.";
    SyslogWaiting: Gauge "mozpool_syslog_waiting_bytes" [] "Bytes of syslog that wait for the journal.";
    SyslogWaitingLimit: Gauge "mozpool_syslog_waiting_limit_bytes" [] "Bytes of syslog that may wait for the journal.";
    SyslogConnections: Counter "mozpool_syslog_connections_total" ["what"] "Connections of syslog senders: accepted, refused because there were too many, closed for others that have fewer or are devices' (displaced), closed because nothing came; and how often they were left unread for want of room.";
    SyslogOpen: Gauge "mozpool_syslog_connections_open" [] "Connections of syslog senders that are open.";
    SyslogErrors: Counter "mozpool_syslog_errors_total" ["what"] "Connections that the system did not give, and reads that failed.";

    JournalWritten: Counter "mozpool_journal_lines_written_total" [] "Lines of boards that are on disk.";
    JournalStrays: Counter "mozpool_journal_lines_unknown_total" [] "Lines of senders that no device is known for.";
    JournalLost: Counter "mozpool_journal_lines_lost_total" [] "Lines of boards that are lost, in the journal or on the way to it.";
    JournalSteps: Counter "mozpool_journal_steps_written_total" [] "Steps of attempts in the store.";
    JournalStepsLost: Counter "mozpool_journal_steps_lost_total" [] "Steps of attempts for which there was no room while the store failed.";
    JournalFailures: Counter "mozpool_journal_write_failures_total" [] "Writes of the journal that the store refused; they are tried again.";
    JournalWaiting: Gauge "mozpool_journal_waiting_lines" [] "Lines that wait for the next write of the journal, or for a store that fails.";
    JournalBytes: Gauge "mozpool_journal_stored_bytes" [] "Bytes of text of what boards say, in the store.";
    JournalDeleted: Counter "mozpool_journal_deleted_bytes_total" [] "Bytes of what boards say that were deleted because there were more than may be.";

    Sightings: Counter "mozpool_candidate_sightings_total" ["result"] "Times that boards which are no devices turned to this server: noted, or lost because there were too many.";
    Registrations: Counter "mozpool_registrations_total" ["result"] "Agents that connected to register their board, by how that ended.";
    InventoryRuns: Counter "mozpool_inventory_runs_total" [] "Runs of the inventory on this server.";
    InventoryFailures: Counter "mozpool_inventory_failures_total" [] "Runs of the inventory that failed.";
    Peers: Gauge "mozpool_peers" ["state"] "Other imaging servers of the pool: alive, faulty (alive, and no letters reach it), gone.";
    PeerMessages: Counter "mozpool_peer_messages_total" ["what"] "Messages between imaging servers: sent, repeated and dropped by this one; received, late and refused here.";

    HttpConnections: Counter "mozpool_http_connections_total" ["what"] "Connections of HTTP clients: accepted; closed while they rested, to make room for others (displaced); closed at once because nobody could be closed instead (no_room); closed because an answer was not taken in time (not_taken).";
    HttpOpen: Gauge "mozpool_http_connections_open" [] "Connections of HTTP clients that are open.";
    HttpRefused: Counter "mozpool_http_calls_refused_total" ["why"] "What came by HTTP and was refused before it was a call: no HTTP, or such as could be read in two ways (malformed), a head beyond its limits (too_long), one that was not whole in time (too_slow), no room for more calls (busy).";
    HttpErrors: Counter "mozpool_http_accept_errors_total" [] "Times that the system gave no connection to an HTTP client, mostly for want of descriptors.";
    HttpRequests: Counter "mozpool_http_requests_total" ["method", "route", "status"] "Calls that were answered, by the route's pattern.";
    HttpSeconds: Histogram "mozpool_http_request_duration_seconds" ["method", "route"] "How long calls took until their answer was sent; downloads and those that wait on purpose are left out.";
    HttpBytes: Counter "mozpool_http_response_bytes_total" ["method", "route"] "Bytes of answers' bodies.";

    StoreSeconds: Histogram "mozpool_store_operation_duration_seconds" ["operation"] "How long operations of the store took; all that only read are one.";
    StoreFailures: Counter "mozpool_store_failures_total" ["operation"] "Operations that the store could not do.";
    StoreReadable: Gauge "mozpool_store_readable" [] "Whether the devices could be read for this scrape; where not, they are left out of it.";
    StoreFree: Gauge "mozpool_store_free_bytes" [] "Bytes that are free on the disk that the store lies on.";
    StoreSize: Gauge "mozpool_store_disk_bytes" [] "Bytes that the disk has on which the store lies.";
    StoreLow: Gauge "mozpool_store_disk_low" [] "Whether so little is free on that disk (less than 128 MiB, or than a twentieth of it) that new lines of boards take the place of old ones.";
    StoreChecking: Gauge "mozpool_store_checking" [] "Whether the store is looked at for damage, after a stop that left no time to close it.";
    StoreDamaged: Gauge "mozpool_store_damaged" [] "Whether that has found damage.";
    Changes: Counter "mozpool_changes_total" [] "Changes that the store has numbered since it was made, which are told as events.";

    ProcessStart: Gauge "process_start_time_seconds" [] "When the process started, in seconds since 1970.";
    ProcessCpu: Counter "process_cpu_seconds_total" [] "CPU time that the process has used.";
    ProcessFds: Gauge "process_open_fds" [] "Descriptors that are open.";
    ProcessFdsMax: Gauge "process_max_fds" [] "Descriptors that may be open.";
    ProcessResident: Gauge "process_resident_memory_bytes" [] "Memory that is in use.";
    ProcessVirtual: Gauge "process_virtual_memory_bytes" [] "Address space that is in use.";
    ProcessThreads: Gauge "process_threads" [] "Threads.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_conventions() {
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        for Family { name, kind, labels, help } in FAMILIES {
            assert!(plain(name) && (name.starts_with("mozpool_") || name.starts_with("process_")), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_duration_seconds"), *kind == Kind::Histogram, "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\', '"']), "{name}: {help}");
            assert!(
                labels.iter().all(|l| plain(l) && *l != "le" && *l != "job" && *l != "instance"),
                "{name}"
            );
        }
    }

    /// OpenMetrics knows a counter by its name without `_total`, and a histogram's series by what is added to its.
    #[test]
    fn no_two_series_have_one_name() {
        let mut seen = BTreeSet::new();
        for Family { name, kind, .. } in FAMILIES {
            let names = match kind {
                Kind::Counter => vec![(*name).to_owned(), name.trim_end_matches("_total").to_owned()],
                Kind::Gauge => vec![(*name).to_owned()],
                Kind::Histogram => {
                    ["", "_count", "_sum", "_bucket"].map(|end| format!("{name}{end}")).to_vec()
                }
            };
            for name in names {
                assert!(seen.insert(name.clone()), "{name}");
            }
        }
        assert_eq!(Metric::ALL.len(), FAMILIES.len());
    }
}
