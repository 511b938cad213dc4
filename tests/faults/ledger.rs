//! What clients were told, and whether it is so: in the database, and over the API of each server.
//!
//! A promise is written down when its answer has arrived, so whoever looks later must find it. What was sent and not answered may
//! have happened or not.

use crate::world::{self, SERVERS, World};
use mozpool::clock::{Clock, SystemClock, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// A request that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// Unique per request, so that a number given twice is noticed.
    pub(crate) assignee: String,
    /// It lives at least so long.
    pub(crate) expires: Timestamp,
    /// A return was sent: it may be closed.
    pub(crate) may_be_closed: bool,
    /// The return was acknowledged: it is closed.
    pub(crate) returned: bool,
}

/// A board that a client uses now.
#[derive(Debug, Clone)]
struct Use {
    request: i64,
    /// How often its power had come when it was handed over.
    power_ons: u32,
    /// It is the client's no longer than this.
    until: Timestamp,
}

/// All that was acknowledged, and who uses what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) requests: BTreeMap<i64, Promise>,
    used: HashMap<String, Use>,
    /// How many boards were used, and how many renewals and returns were acknowledged.
    pub(crate) uses: usize,
    pub(crate) renewals: usize,
    pub(crate) returns: usize,
}

/// A request as the database has it.
#[derive(Debug, Clone)]
struct Row {
    assignee: String,
    state: String,
    expires: Timestamp,
    claims: u32,
}

impl Ledger {
    /// A client was told a new request's number.
    pub(crate) fn promised(&mut self, id: i64, promise: Promise) -> Result<(), String> {
        match self.requests.insert(id, promise) {
            None => Ok(()),
            Some(other) => Err(format!("number {id} was given twice, first to {}", other.assignee)),
        }
    }

    /// A client was told that this board is its own.
    pub(crate) fn uses(
        &mut self,
        board: &str,
        request: i64,
        power_ons: u32,
        until: Timestamp,
    ) -> Result<(), String> {
        let now = SystemClock.now();
        if let Some(other) =
            self.used.get(board).filter(|other| other.until > now && other.request != request)
        {
            return Err(format!("{board} was given to request {request} while {} has it", other.request));
        }
        self.uses += 1;
        self.used.insert(board.to_owned(), Use { request, power_ons, until });
        Ok(())
    }

    /// Whether its power was cut since it was handed over: call it before the return is sent, and before the end of the reservation.
    pub(crate) fn was_left_alone(&self, board: &str, request: i64, power_ons: u32) -> Result<(), String> {
        match self.used.get(board) {
            Some(at) if at.request == request && at.power_ons != power_ons => Err(format!(
                "{board} was power-cycled {} times under request {request}",
                power_ons - at.power_ons
            )),
            _ => Ok(()),
        }
    }

    /// The client is about to give it back.
    pub(crate) fn no_longer_uses(&mut self, board: &str, request: i64) {
        if self.used.get(board).is_some_and(|at| at.request == request) {
            self.used.remove(board);
        }
    }

    /// What is wrong in the database, as one node has it; else how many requests are in which state.
    ///
    /// Clients go on while the database is looked at: what they have begun to return meanwhile, as `later` tells, may be closed.
    pub(crate) fn compare(
        &self,
        world: &World,
        base: usize,
        later: impl FnOnce() -> Self,
    ) -> Result<BTreeMap<String, usize>, String> {
        let rows = world.rows(
            base,
            "SELECT r.id, r.assignee, r.state, r.expires, COUNT(c.request_id) FROM requests r \
             LEFT JOIN claims c ON c.request_id = r.id GROUP BY r.id",
        )?;
        let number = |text: &str| text.parse::<i64>().map_err(|e| format!("{text}: {e}"));
        let mut found = BTreeMap::new();
        for row in rows {
            let [id, assignee, state, expires, claims] = &row[..] else { return Err(format!("{row:?}")) };
            let claims = u32::try_from(number(claims)?).map_err(|e| e.to_string())?;
            let expires = Timestamp(number(expires)?);
            found.insert(
                number(id)?,
                Row { assignee: assignee.clone(), state: state.clone(), expires, claims },
            );
        }
        let (later, mut ends) = (later(), BTreeMap::<String, usize>::new());
        for (id, promise) in &self.requests {
            let mut promise = promise.clone();
            promise.may_be_closed = later.requests[id].may_be_closed;
            let row = found.get(id).ok_or_else(|| format!("request {id} of {promise:?} is lost"))?;
            self.holds(*id, &promise, row)?;
            *ends.entry(row.state.clone()).or_default() += 1;
        }
        Ok(ends)
    }

    fn holds(&self, id: i64, promise: &Promise, row: &Row) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("request {id} {what}: promised {promise:?}, found {row:?}"));
        if row.assignee != promise.assignee {
            return wrong("is somebody else's");
        }
        if row.expires < promise.expires {
            return wrong("has lost a renewal");
        }
        let over = matches!(row.state.as_str(), "closed" | "expired");
        if over && !promise.may_be_closed && SystemClock.now() < promise.expires {
            return wrong("has ended before its time");
        }
        if promise.returned && (row.state != "closed" || row.claims > 0) {
            return wrong("was returned and is not closed");
        }
        Ok(())
    }
}

/// No board has two requests, and no request two boards: by rows, and as each server that can be asked tells it.
pub(crate) fn nothing_is_claimed_twice(
    world: &World,
    bases: &[usize],
    servers: &[usize],
) -> Result<(), String> {
    for base in bases {
        for key in ["device_id", "request_id"] {
            let twice = world.rows(
                *base,
                &format!("SELECT {key}, COUNT(*) FROM claims GROUP BY {key} HAVING COUNT(*) > 1"),
            );
            // A node that does not answer says nothing wrong.
            if let Ok(twice) = twice
                && !twice.is_empty()
            {
                return Err(format!("claims with the same {key} at node {base}: {twice:?}"));
            }
        }
    }
    let agent = world::agent();
    for server in servers {
        let Some(list) = world::get(&agent, *server, "request/list") else { continue };
        let mut holders: HashMap<String, i64> = HashMap::new();
        for request in list["requests"].as_array().into_iter().flatten() {
            let (id, board) = (request["id"].as_i64().unwrap_or(0), request["assigned_device"].as_str());
            let Some(board) = board.filter(|b| !b.is_empty()) else { continue };
            if let Some(other) = holders.insert(board.to_owned(), id) {
                return Err(format!("{} gives {board} to requests {other} and {id}", world::name(*server)));
            }
        }
    }
    Ok(())
}

/// All nodes hold the same.
pub(crate) fn nodes_agree(world: &World) -> Result<(), String> {
    const TABLES: &str =
        "CHECKSUM TABLE requests, claims, devices, changes, change_counts, request_logs, device_logs";
    let sums: Vec<_> = (0..SERVERS).map(|base| world.rows(base, TABLES)).collect::<Result<_, _>>()?;
    if sums.windows(2).all(|w| w[0] == w[1]) { Ok(()) } else { Err(format!("nodes differ: {sums:?}")) }
}
