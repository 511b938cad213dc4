//! What every store must do, whatever database is behind it: one set of tests, run on each.
//!
//! `on!` at the end names the stores; another kind of database joins with one line there. What only a file can show (who
//! may open it, what lies in it) is in `opening`.

#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

mod applying;
mod asking;
mod attempting;
mod changing;
mod claiming;
mod deleting;
mod discovering;
mod exporting;
mod logging;
#[path = "../support/mariadb.rs"]
mod mariadb;
mod moving;
mod odd_values;
mod opening;
mod peering;
mod reading;
mod reporting;
mod searching;
mod syncing;

use mozpool::lab::Lab;
use mozpool::logic::catalog::TimeLimits;
use mozpool::logic::ids::RequestId;
use mozpool::logic::lifeguard::{Device, Install, State};
use mozpool::logic::machine::Epoch;
use mozpool::logic::mozpool::{ClaimChange, Request, Wanted};
use mozpool::logic::time::Timestamp;
use mozpool::store::{Committed, DeviceCommit, Location, NewRequest, RequestCommit, Store};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

const T0: Timestamp = Timestamp(1_700_000_000_000);

/// A lab of three pandas and a pi, owned by two servers.
const LAB: &str = r#"
[[hardware_type]]
type = "panda"
model = "ES Rev B2"
ping_steady_s = 7
limits = { pxe_booting = 200 }

[[hardware_type]]
type = "pi"

[[image]]
name = "b2g"
check = "sut"
second_stage = "b2g.sh"
boot_config_keys = ["b2gbase"]
boot_config_defaults = { retries = 3 }
can_reuse = true
limits = { b2g_downloading = 400 }
pxe = { "*" = "image", "pi" = "maintenance" }

[[image]]
name = "android"
pxe = { "panda ES Rev B2" = "image" }

[[relay_board]]
name = "relay-1"
fqdn = "relay-1.example:2101"

[[device]]
name = "panda-1"
fqdn = "panda-1.example"
mac = "0a:0b:0c:0d:0e:01"
relay_info = "relay-1.example:bank1:relay1"
environment = "staging"
hardware_type = "panda"
hardware_model = "ES Rev B2"
processor = "armv7"
tags = ["usb", "camera"]
comments = "Left shelf, 100% Ümläut"
state = "ready"

[[device]]
name = "panda-2"
fqdn = "panda-2.example"
mac = "0a0b0c0d0e02"
relay_info = "relay-1.example:bank1:relay2"
environment = "production"
hardware_type = "panda"
hardware_model = "ES Rev B2"
processor = "armv7"
tags = ["usb"]
state = "ready"

[[device]]
name = "panda-3"
fqdn = "panda-3.example"

[[device]]
name = "pi-1"
fqdn = "10.0.0.9"
imaging_server = "other"
hardware_type = "pi"
processor = "armv8"
state = "ready"
"#;

/// A place for stores, empty at first.
struct World {
    location: Location,
    dir: Option<TempDir>,
    database: Option<(&'static mariadb::Server, String)>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((server, database)) = &self.database {
            server.sql(&format!("DROP DATABASE {database}"));
        }
    }
}

/// Three nodes of one cluster, and a server each.
type Cluster = (Vec<mariadb::galera::Node>, Vec<mariadb::Server>);

/// The cluster of this process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let nodes = mariadb::galera::nodes(3);
        let servers = mariadb::galera::start(&nodes);
        servers[0].sql("CREATE USER mozpool@'%'; GRANT ALL ON *.* TO mozpool@'%'");
        (nodes, servers)
    })
}

impl World {
    fn file() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { location: Location::sqlite(dir.path().join("mozpool.db")), dir: Some(dir), database: None }
    }

    fn memory() -> Self {
        Self { location: Location::memory(), dir: None, database: None }
    }

    /// A database of its own in the MariaDB of this process.
    fn mariadb() -> Self {
        let server = mariadb::Server::shared();
        let database = server.database();
        let location = server.url(&database).parse().unwrap();
        Self { location, dir: None, database: Some((server, database)) }
    }

    /// A database of its own in the cluster of this process. Each prefers another node.
    fn galera() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (nodes, servers) = cluster();
        let first = NEXT.fetch_add(1, Ordering::Relaxed);
        let server = &servers[first % servers.len()];
        let database = server.database();
        let hosts = nodes.iter().cycle().skip(first % nodes.len()).take(nodes.len());
        let hosts: Vec<_> = hosts.map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let location = format!("mysql://mozpool@{}/{database}", hosts.join(",")).parse().unwrap();
        Self { location, dir: None, database: Some((server, database)) }
    }

    fn open(&self) -> Box<dyn Store> {
        self.location.open().unwrap()
    }

    /// A store that holds [`LAB`].
    fn with_lab(&self) -> Box<dyn Store> {
        let mut store = self.open();
        store.apply_lab(&lab(LAB), false, T0).unwrap();
        store
    }
}

fn lab(text: &str) -> Lab {
    Lab::parse(text, "lab.toml", "here").unwrap()
}

fn wanted(device: Option<&str>) -> Wanted {
    Wanted {
        device: device.map(Into::into),
        environment: None,
        install: Install { image: "b2g".into(), boot_config: r#"{"b2gbase": "x"}"#.into() },
        hardware_type: None,
        hardware_model: None,
        processor: None,
        tags: vec![],
    }
}

fn new_request(server: &str) -> NewRequest {
    NewRequest {
        server: server.into(),
        assignee: "ci".into(),
        reason: "nightly".into(),
        wanted: wanted(None),
        expires: T0.plus_s(3600),
        queue_until: None,
        created: T0,
    }
}

/// Makes a request and returns its machine.
fn request(store: &mut dyn Store, server: &str) -> Request {
    let [id] = store.insert_requests(&[new_request(server)]).unwrap()[..] else { panic!("one number") };
    load_request(store, id)
}

fn load_request(store: &mut dyn Store, id: RequestId) -> Request {
    store.load_request(id).unwrap().expect("the request is there").machine
}

fn device(store: &mut dyn Store, name: &str) -> Device {
    store.load_device(name).unwrap().expect("the device is there").machine
}

/// The commit of `next`, moved from `expected`, with one log line.
fn device_commit(next: Device, expected: Epoch) -> DeviceCommit {
    DeviceCommit {
        log: vec![format!("entering state {}", next.state)],
        next,
        expected,
        turns: vec![],
        result: None,
        failure: None,
        at: T0,
    }
}

/// Puts a device into a state, as its machine would.
fn put(store: &mut dyn Store, name: &str, state: State) {
    let old = device(store, name);
    let next = Device { state, epoch: old.epoch.next(), ..old.clone() };
    assert_eq!(store.commit_devices(&[device_commit(next, old.epoch)]).unwrap(), [Committed::Done]);
}

/// One step of a request that changes its claim.
fn claim_commit(request: &Request, claim: ClaimChange) -> RequestCommit {
    let next = Request { epoch: request.epoch.next(), ..request.clone() };
    RequestCommit {
        next,
        expected: request.epoch,
        log: vec![format!("{claim:?}")],
        device_log: None,
        claim,
        at: T0,
    }
}

/// Lets a request take a device.
fn take(store: &mut dyn Store, request: &Request, device: &str) -> Committed {
    let commit = claim_commit(request, ClaimChange::Take(device.into()));
    store.commit_requests(&[commit]).unwrap()[0]
}

fn messages(lines: &[mozpool::store::LogLine]) -> Vec<&str> {
    lines.iter().map(|l| l.message.as_str()).collect()
}

fn limits(pairs: &[(State, u32)]) -> TimeLimits {
    pairs.iter().copied().collect()
}

/// Runs the whole contract on one kind of store.
macro_rules! on {
    ($store:ident, $world:expr) => {
        on!($store, $world,
            reading::a_new_store_has_what_comes_with_the_program,
            reading::the_catalog_is_what_the_lab_says,
            reading::devices_load_by_server_with_what_they_are,
            reading::views_filter_and_page,
            reading::the_search_text_is_found_in_any_case_and_spelling,
            reading::servers_register_themselves,
            reading::what_is_not_there_is_none_and_no_error,
            moving::a_commit_is_seen_by_every_connection,
            moving::a_stale_commit_writes_nothing_and_harms_no_other,
            moving::what_follows_a_refused_commit_is_refused,
            moving::a_result_lies_with_the_claim,
            moving::notes_are_changed_and_the_machine_is_not,
            moving::writers_wait_for_each_other,
            moving::what_a_writer_reads_stays_so_until_it_commits,
            claiming::requests_are_numbered_in_order,
            claiming::a_request_for_what_is_not_there_is_refused_whole,
            claiming::a_device_is_claimed_once,
            claiming::a_device_that_is_not_ready_is_not_claimed,
            claiming::a_stale_claim_is_stale_and_not_lost,
            claiming::a_lost_claim_writes_nothing_and_harms_no_other,
            claiming::a_dropped_claim_frees_the_device,
            claiming::closed_requests_are_not_loaded,
            searching::free_devices_match_every_wish,
            searching::what_is_said_to_be_free_is_what_the_judge_calls_free,
            searching::a_sample_goes_around_the_whole_round,
            searching::as_many_kinds_as_devices_are_found_all_the_same,
            searching::what_somebody_else_wrote_is_put_right,
            searching::failures_are_counted_up_to_now,
            claiming::who_let_go_of_a_device_stands_in_its_log,
            claiming::of_two_threads_one_gets_the_device,
            logging::logs_keep_their_order_and_give_the_last_lines,
            logging::a_device_log_is_in_the_order_of_its_times,
            logging::lines_for_what_is_gone_are_left_out,
            logging::stray_lines_are_kept_to_a_number,
            logging::lines_of_both_kinds_are_one_log_in_pages,
            logging::a_text_is_found_in_a_log_whatever_its_case,
            logging::pieces_go_by_age_by_size_and_with_their_device,
            logging::unknown_senders_are_counted_and_the_silent_ones_forgotten,
            logging::old_lines_go_in_chunks_and_young_ones_stay,
            logging::old_requests_go_with_log_and_claim,
            attempting::an_attempt_has_its_states_and_what_came_from_outside,
            attempting::good_attempts_of_a_kind_are_found_whatever_the_device,
            attempting::the_first_and_the_last_line_of_syslog_are_steps,
            attempting::attempts_go_by_age_and_with_their_device,
            attempting::an_attempt_that_goes_to_and_fro_stays_small,
            reporting::a_device_is_followed_from_spell_to_spell,
            reporting::a_failure_is_noted_also_where_the_device_went_on_at_once,
            reporting::what_is_no_other_spell_writes_none,
            reporting::a_request_leaves_its_outcome,
            reporting::a_clock_that_goes_back_makes_no_spells_overlap,
            reporting::what_reports_need_outlives_all_else_and_goes_by_its_own_age,
            applying::a_lab_applied_twice_changes_nothing,
            applying::a_dry_run_tells_and_writes_nothing,
            applying::a_lab_is_applied_whole_or_not_at_all,
            applying::what_a_row_does_not_mention_stays,
            applying::a_machine_is_not_touched,
            applying::addresses_can_be_swapped,
            applying::what_another_row_of_the_store_has_is_refused,
            applying::what_is_neither_in_file_nor_store_is_refused,
            deleting::a_device_goes_with_its_log_and_comes_back_without,
            deleting::a_claimed_or_busy_device_stays,
            deleting::a_hardware_type_goes_with_its_cells_when_no_device_has_it,
            deleting::an_image_goes_when_nobody_has_or_wants_it,
            deleting::a_refusal_by_force_deletes_no_history,
            deleting::much_history_goes_in_portions,
            deleting::a_pxe_config_goes_when_no_image_or_board_needs_it,
            deleting::a_relay_board_goes_when_nothing_hangs_on_it,
            deleting::a_deletion_is_told_of,
            deleting::a_claim_and_a_deletion_do_not_both_win,
            discovering::boards_that_are_no_devices_are_noted_and_added_to,
            discovering::a_device_is_no_candidate_and_takes_the_row_away,
            discovering::candidates_are_bounded_and_ignored_ones_stay_so,
            discovering::candidates_that_are_not_heard_of_are_forgotten_but_not_what_was_decided,
            discovering::all_that_happens_to_candidates_is_told,
            exporting::an_export_imported_again_changes_nothing,
            exporting::optional_fields_can_be_taken_away,
            exporting::a_claimed_device_keeps_its_server,
            exporting::hardware_types_that_are_written_alike_are_refused,
            changing::a_lab_tells_of_each_thing_that_it_changes,
            changing::a_device_is_told_of_when_others_can_see_it,
            changing::a_request_is_told_of_and_so_is_its_device,
            changing::a_server_is_told_of_when_its_address_is_new,
            changing::what_was_taken_back_has_no_number,
            changing::numbers_have_no_gap_whoever_writes,
            changing::pages_say_where_they_lie,
            changing::a_bell_knows_what_was_there_before,
            asking::tokens_are_found_by_name_and_by_secret,
            asking::sessions_end_with_their_token_and_leave_room,
            asking::the_audit_log_is_read_backwards_and_grows_old,
            peering::a_server_joins_beats_and_is_replaced_by_its_next_start,
            peering::a_second_start_of_a_server_waits_for_the_end_of_the_first,
            peering::a_server_that_works_alone_is_alone,
            peering::a_program_finds_out_that_the_schema_is_newer,
            peering::a_server_is_gone_only_if_its_count_stands_where_it_was_seen,
            peering::the_boards_of_a_server_that_is_gone_are_nobodys,
            peering::overdue_requests_are_those_of_servers_that_are_gone,
            peering::a_device_that_gets_another_server_is_no_longer_its_old_ones,
            odd_values::devices_come_back_as_they_went,
            odd_values::requests_come_back_as_they_went,
            syncing::an_inventory_makes_changes_and_deletes,
            syncing::a_device_goes_on_under_another_name,
            syncing::what_was_decided_on_who_had_a_name_before_is_stale,
            syncing::a_claimed_device_is_not_moved_by_an_inventory,
            syncing::what_somebody_needs_waits,
            syncing::an_inventory_that_cannot_be_changes_nothing,
            syncing::a_lease_is_lost_by_time_and_not_before,
            opening::threads_may_open_at_once
        );
    };
    ($store:ident, $world:expr, $($module:ident::$test:ident),* $(,)?) => {
        mod $store {
            $(#[test] fn $test() { crate::$module::$test(&$world); })*
        }
    };
}

on!(sqlite_file, crate::World::file());
on!(sqlite_memory, crate::World::memory());
on!(mariadb_alone, crate::World::mariadb());
on!(mariadb_in_a_cluster, crate::World::galera());
