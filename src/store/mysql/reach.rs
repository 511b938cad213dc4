//! Making connections: which node, how long it may take, and what each connection is told before anybody uses it.
//!
//! All connections of one `Location` share one [`Reach`]: what one thread has found out about a node saves the others from
//! finding it out again, and all of them are at one node. Nodes are tried in the order in which they are written; one that has
//! just failed goes last. Somebody who is not at the first one looks now and then whether it is back, and then all go there: servers
//! that name the nodes in the same order work at the same one, also after a fault. At two, they would all the time be in each
//! other's way, for every writer counts up one row.

use super::address::{Address, Endpoint, Tls};
use super::problem::sort;
use crate::store::conn::ConnError;
use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{LocalInfileHandler, OptsBuilder, SslOpts};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A node that has failed is asked after the others for so long: a restart takes as long, or a cluster's state transfer.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// While no node can be reached, so long passes between tries, in which callers are told at once what the last one found:
/// at first and at most. A layer that has been told rests a second by itself.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Between two looks at whether a node before ours is back. Meanwhile servers may be at two nodes, and make transactions again.
const LOOK_BACK: Duration = Duration::from_secs(3);
/// TCP gives a connection up when what was sent is not acknowledged for so long: a node whose link or machine died. An answer
/// that takes long is another matter.
const SILENCE_MS: u32 = 3000;
/// Probes of a connection on which nothing comes begin after so long and follow each other in a second: a node that was cut off after
/// it had taken a statement owes an answer, and TCP has nothing to send again. After that silence without one they end it.
const PROBE_AFTER_MS: u32 = 2000;
/// How much longer than the statement's own limit an answer is waited for: the database says why, if it can.
const GRACE: Duration = Duration::from_secs(2);
/// How long a statement waits for a lock of another one, in seconds: as long as SQLite does.
const LOCK_WAIT_S: u32 = 5;
/// A transaction whose next statement does not come for so long is ended by the database, in seconds: whoever began it is cut off or
/// dead, and holds the row that all writers wait for. Less than they wait for it.
const IDLE_S: u64 = 3;
/// A connection that nobody has used for so long is left for a new one, and the database ends it a little later, both in seconds. It
/// does not hear that a client which was cut off has gone, and would keep forty connections of each server each time.
const UNUSED_S: (u64, u64) = (40, 60);
/// Prepared statements that a connection keeps; a database holds 16382 of all connections together.
const STATEMENTS: usize = 128;

/// See above.
#[derive(Debug)]
pub(in crate::store) struct Reach {
    pub(in crate::store) address: Address,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// Per node: when it failed last.
    failed: Vec<Option<Instant>>,
    /// The node that all go to.
    chosen: usize,
    /// When somebody looked, or looks, for one before it.
    looked_back: Instant,
    /// Until when nobody tries, after which rest, and why.
    closed: Option<(Instant, Duration, String)>,
}

/// A connection that is ready for use.
pub(super) struct Live {
    pub(super) conn: mysql::Conn,
    /// The node at its other end, for messages.
    pub(super) endpoint: String,
    index: usize,
    /// When it answered last.
    pub(super) proven: Instant,
}

impl Reach {
    pub(in crate::store) fn new(address: Address) -> Self {
        let failed = vec![None; address.endpoints.len()];
        let known = Known { failed, chosen: 0, looked_back: Instant::now(), closed: None };
        Self { address, known: Mutex::new(known) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection broke: its node goes last for a while.
    pub(super) fn broke(&self, live: &Live) {
        if let Some(failed) = self.known().failed.get_mut(live.index) {
            *failed = Some(Instant::now());
        }
    }

    /// It should be left for a new one: all others have gone to another node, or one of them broke at this node after this one has
    /// answered last, or it was not used for long. Who went on with it might wait as long as that one did, and a server has some forty to find it out with.
    pub(super) fn is_left(&self, live: &Live) -> bool {
        let known = self.known();
        let failed = known.failed.get(live.index).copied().flatten().is_some_and(|at| at > live.proven);
        failed || live.index != known.chosen || live.proven.elapsed().as_secs() >= UNUSED_S.0
    }

    /// Has somebody look whether a node before ours is back; nobody waits for that.
    pub(super) fn look_back(self: &Arc<Self>) {
        let mut known = self.known();
        if known.chosen == 0 || known.looked_back.elapsed() < LOOK_BACK {
            return;
        }
        known.looked_back = Instant::now();
        let chosen = known.chosen;
        drop(known);
        let reach = Arc::clone(self);
        let look = move || {
            // Each try ends by its own time limits.
            let back = (0..chosen).find(|index| reach.is_back(*index));
            let mut known = reach.known();
            if let Some(index) = back
                && known.chosen == chosen
            {
                known.chosen = index;
                known.failed[index] = None;
                log::info!("the store goes back to {}", reach.address.endpoints[index]);
            }
            known.looked_back = Instant::now();
        };
        // Without a thread for it, a later statement tries again.
        let _ = std::thread::Builder::new().name("store-look".into()).spawn(look);
    }

    /// It can work, and has all that the others have.
    fn is_back(&self, index: usize) -> bool {
        let Ok(password) = self.address.password() else { return false };
        let Ok(mut live) = self.try_one(index, &password, self.address.statement) else { return false };
        let state: mysql::Result<Option<(String, String)>> =
            live.conn.query_first("SHOW STATUS LIKE 'wsrep_local_state_comment'");
        // A database that is no cluster has no such state, or an empty one.
        state.is_ok_and(|state| {
            state.is_none_or(|(_, state)| matches!(&*state, "Synced" | "" | "Initialized"))
        })
    }

    /// Connects to the first node that can work.
    ///
    /// # Errors
    /// What is wrong with each of them.
    pub(super) fn connect(&self, statement: Duration) -> Result<Live, ConnError> {
        if let Some((until, _, why)) = &self.known().closed
            && Instant::now() < *until
        {
            return Err(ConnError::Other(why.clone()));
        }
        let password = self.address.password().map_err(ConnError::Other)?;
        let mut problems = Vec::new();
        for index in self.order() {
            match self.try_one(index, &password, statement) {
                Ok(live) => {
                    let mut known = self.known();
                    known.closed = None;
                    if let Some(failed) = known.failed.get_mut(index) {
                        *failed = None;
                    }
                    let moved = std::mem::replace(&mut known.chosen, index) != index;
                    if moved {
                        known.looked_back = Instant::now();
                    }
                    drop(known);
                    if moved || !problems.is_empty() {
                        let why = if problems.is_empty() {
                            "a connection broke".into()
                        } else {
                            problems.join("; ")
                        };
                        log::warn!("the store is at {} now; {why}", live.endpoint);
                    }
                    return Ok(live);
                }
                Err(problem) => {
                    if let Some(failed) = self.known().failed.get_mut(index) {
                        *failed = Some(Instant::now());
                    }
                    problems.push(match problem {
                        ConnError::Other(text)
                        | ConnError::Corrupt(text)
                        | ConnError::Duplicate(text)
                        | ConnError::Reference(text)
                        | ConnError::TooLong(text) => text,
                    });
                }
            }
        }
        let why = problems.join("; ");
        let mut known = self.known();
        let rest = known.closed.as_ref().map_or(REST.0, |(_, rest, _)| (*rest * 2).min(REST.1));
        known.closed = Some((Instant::now() + rest, rest, why.clone()));
        Err(ConnError::Other(why))
    }

    /// The chosen node, then as they are written; those that have just failed last.
    fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let known = self.known();
        let failed = |i: &usize| {
            let at = known.failed.get(*i).copied().flatten();
            at.is_some_and(|at| now.saturating_duration_since(at) < FAILED_FOR)
        };
        let mut order: Vec<usize> = (0..self.address.endpoints.len()).collect();
        order.sort_by_key(|i| (failed(i), *i != known.chosen));
        order
    }

    fn try_one(&self, index: usize, password: &str, statement: Duration) -> Result<Live, ConnError> {
        let Some(place) = self.address.endpoints.get(index) else {
            return Err(ConnError::Other("there is no such node".into()));
        };
        let endpoint = place.to_string();
        let explain = |e: &mysql::Error| sort(&endpoint, e).error;
        let opts = self.opts(place, password, statement);
        let mut conn = mysql::Conn::new(opts).map_err(|e| explain(&e))?;
        let version: Option<String> = conn.query_first("SELECT VERSION()").map_err(|e| explain(&e))?;
        let version = version.unwrap_or_default();
        if !is_new_enough(&version) {
            return Err(ConnError::Other(format!(
                "{endpoint}: this is version {version}; mozpool needs MariaDB 10.6 or a later one"
            )));
        }
        conn.query_drop(settings(statement)).map_err(|e| explain(&e))?;
        let mut said = |what: &str| -> Result<Option<(String, String)>, ConnError> {
            conn.query_first(what).map_err(|e| explain(&e))
        };
        if said("SHOW VARIABLES LIKE 'wsrep_on'")?.is_some_and(|(_, on)| on == "ON") {
            if said("SHOW STATUS LIKE 'wsrep_ready'")?.is_none_or(|(_, ready)| ready != "ON") {
                return Err(ConnError::Other(format!(
                    "{endpoint}: this node is not part of its cluster at the moment; look at wsrep_cluster_status"
                )));
            }
            // What another node has committed before is seen here: a server that was told of something reads it, too.
            conn.query_drop("SET SESSION wsrep_sync_wait = 1").map_err(|e| explain(&e))?;
        }
        Ok(Live { conn, endpoint, index, proven: Instant::now() })
    }

    fn opts(&self, place: &Endpoint, password: &str, statement: Duration) -> OptsBuilder {
        let Address { user, database, tls, ca, connect, .. } = &self.address;
        let ssl = (*tls != Tls::Off).then(|| {
            let unverified = *tls == Tls::Unverified;
            SslOpts::default()
                .with_root_cert_path(ca.clone())
                .with_danger_accept_invalid_certs(unverified)
                .with_danger_skip_domain_validation(unverified)
        });
        // A database may ask its client for files of the client's machine.
        let no_files = LocalInfileHandler::new(|_, _| Err(std::io::ErrorKind::PermissionDenied.into()));
        let opts = OptsBuilder::new()
            .user(Some(user))
            .pass(Some(password).filter(|p| !p.is_empty()))
            .db_name(Some(database))
            .prefer_socket(false)
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
            .local_infile_handler(Some(no_files))
            .stmt_cache_size(STATEMENTS)
            .tcp_connect_timeout(Some(*connect))
            .read_timeout(Some(statement + GRACE))
            .write_timeout(Some(statement + GRACE))
            .tcp_user_timeout_ms(Some(SILENCE_MS))
            .tcp_keepalive_time_ms(Some(PROBE_AFTER_MS))
            .tcp_keepalive_probe_interval_secs(Some(1))
            .tcp_keepalive_probe_count(Some(3))
            .ssl_opts(ssl);
        match place {
            Endpoint::Tcp(host, port) => opts.ip_or_hostname(Some(host)).tcp_port(*port),
            Endpoint::Socket(path) => opts.socket(Some(path)),
        }
    }
}

/// The handshake's number is 5.5 for all of them, for the sake of old clients; this is the text of `VERSION()`.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    version.contains("MariaDB") && (major, minor) >= (10, 6)
}

/// What holds for each connection, whatever the database's own configuration says.
///
/// READ COMMITTED: a transaction that has waited for the writers' row sees what the one before it has left, in each of its
/// statements. With REPEATABLE READ it would go on seeing what was there before it waited.
fn settings(statement: Duration) -> String {
    // A copy waits for the store at its other side.
    let idle_s = if statement >= super::LONG { statement.as_secs() } else { IDLE_S };
    format!(
        "SET SESSION character_set_client = 'utf8mb4', SESSION character_set_results = 'utf8mb4', \
        SESSION character_set_connection = 'utf8mb4', SESSION collation_connection = 'utf8mb4_nopad_bin', \
        SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE', SESSION autocommit = 1, \
        SESSION tx_isolation = 'READ-COMMITTED', SESSION foreign_key_checks = 1, SESSION unique_checks = 1, \
        SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}, SESSION idle_transaction_timeout = {idle_s}, \
        SESSION wait_timeout = {}, SESSION max_statement_time = {}",
        UNUSED_S.1,
        statement.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        for version in ["10.11.19-MariaDB-0+deb12u1", "10.6.0-MariaDB", "11.4.2-MariaDB-log"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["10.5.29-MariaDB", "8.4.0", "5.7.44-log", ""] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
