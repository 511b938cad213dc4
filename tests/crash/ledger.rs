//! What the daemon has acknowledged, and whether that is still so.
//!
//! A promise is written down when its answer has arrived, so a look that begins later must show it. What was sent and not
//! answered may have happened or not; only one question hangs on it: may a request be closed.

use crate::support::Daemon;
use mozpool::api::time::iso_micros;
use mozpool::clock::Timestamp;
use mozpool::store::{DeviceFilter, Location};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// One acknowledged request.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// Unique per request, so that a number given twice is noticed.
    pub(crate) assignee: String,
    /// It lives at least so long.
    pub(crate) expires: Timestamp,
    /// A return was sent, or it was refused from the start: it may be closed.
    pub(crate) may_be_closed: bool,
    /// The return was acknowledged: it is closed.
    pub(crate) returned: bool,
}

/// One accepted event of a device, by what its log must have.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) device: String,
    /// The end of the line.
    pub(crate) line: String,
    /// When it was sent and when the answer had come: the line was written in between.
    pub(crate) between: (Timestamp, Timestamp),
}

/// All that was acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) requests: BTreeMap<i64, Promise>,
    pub(crate) events: Vec<Heard>,
    pub(crate) renewals: usize,
    pub(crate) returns: usize,
}

/// A request as the daemon or its store has it.
#[derive(Debug, Clone)]
pub(crate) struct RequestSeen {
    pub(crate) assignee: String,
    pub(crate) state: String,
    expires: String,
    /// Empty for none.
    pub(crate) device: String,
}

/// A device as the daemon or its store has it.
#[derive(Debug, Clone)]
pub(crate) struct DeviceSeen {
    pub(crate) state: String,
    pub(crate) request: Option<i64>,
}

/// One look from outside.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) requests: BTreeMap<i64, RequestSeen>,
    pub(crate) devices: BTreeMap<String, DeviceSeen>,
}

type Log = Vec<(String, String)>;

impl Look {
    /// Through the API. The two lists are two moments.
    pub(crate) fn through(daemon: &Daemon) -> Self {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let (requests, devices) =
            (daemon.get("request/list?include_closed=1"), daemon.get("device/list?details=1"));
        let request = |r: &Value| {
            let seen = RequestSeen {
                assignee: text(&r["assignee"]),
                state: text(&r["state"]),
                expires: text(&r["expires"]),
                device: text(&r["assigned_device"]),
            };
            (r["id"].as_i64().unwrap(), seen)
        };
        let device = |d: &Value| {
            (text(&d["name"]), DeviceSeen { state: text(&d["state"]), request: d["request_id"].as_i64() })
        };
        Self {
            requests: requests["requests"].as_array().unwrap().iter().map(request).collect(),
            devices: devices["devices"].as_array().unwrap().iter().map(device).collect(),
        }
    }

    /// In a store that no daemon has open.
    pub(crate) fn into(store: &Path) -> Self {
        let mut store = Location::sqlite(store).open().unwrap();
        let requests = store.requests(true).unwrap().into_iter().map(|r| {
            let seen = RequestSeen {
                assignee: r.assignee,
                state: r.machine.state.name().to_owned(),
                expires: iso_micros(r.machine.expires),
                device: r.machine.assigned.as_deref().unwrap_or_default().to_owned(),
            };
            (r.machine.id.0, seen)
        });
        let requests = requests.collect();
        let devices = store.devices(&DeviceFilter::default()).unwrap().into_iter();
        let devices = devices
            .map(|d| (d.name.to_string(), DeviceSeen { state: d.state, request: d.request.map(|r| r.0) }));
        Self { requests, devices: devices.collect() }
    }

    /// No device has two requests and no request two devices.
    pub(crate) fn nothing_is_claimed_twice(&self) {
        let mut by_device: HashMap<&str, i64> = HashMap::new();
        for (id, request) in self.requests.iter().filter(|(_, r)| !r.device.is_empty()) {
            let other = by_device.insert(&request.device, *id);
            assert_eq!(other, None, "request {id} has {} as well", request.device);
        }
        let mut by_request: HashMap<i64, &str> = HashMap::new();
        for (name, device) in &self.devices {
            let other = device.request.and_then(|id| by_request.insert(id, name));
            assert_eq!(other, None, "{name} is another device of request {:?}", device.request);
        }
    }

    /// Every request is ready or has failed, every device likewise, but for those that are waited for elsewhere.
    pub(crate) fn at_rest(&self, but: &[&str]) -> bool {
        let done = |state: &str| state == "ready" || state.starts_with("failed_");
        let others = |name: &str| !but.contains(&name);
        self.requests.values().all(|r| r.state == "closed" || done(&r.state) || !others(&r.device))
            && self.devices.iter().all(|(name, d)| done(&d.state) || !others(name))
    }

    /// Devices and requests agree about every claim. For a moment when nothing moves.
    pub(crate) fn both_sides_agree(&self) {
        let claims = |device: &str| self.requests.iter().find(|(_, r)| r.device == device).map(|(id, _)| *id);
        for (name, device) in &self.devices {
            assert_eq!(device.request, claims(name), "{name}");
        }
    }
}

impl Ledger {
    /// Clients go on while the daemon is looked at: what they have begun to return meanwhile may be closed.
    pub(crate) fn allow_returns_of(&mut self, later: &Self) {
        for (id, promise) in &mut self.requests {
            promise.may_be_closed = later.requests[id].may_be_closed;
        }
    }

    /// Every acknowledged request, renewal and return holds.
    pub(crate) fn holds_in(&self, look: &Look, when: &str) {
        for (id, promise) in &self.requests {
            let seen = look.requests.get(id).unwrap_or_else(|| panic!("{when}: request {id} is gone"));
            let all = format!("{when}: request {id}: promised {promise:?}, found {seen:?}");
            assert_eq!(seen.assignee, promise.assignee, "{all}");
            assert!(seen.expires >= iso_micros(promise.expires), "{all}");
            assert!(promise.may_be_closed || seen.state != "closed", "{all}");
            if promise.returned {
                assert_eq!((seen.state.as_str(), seen.device.as_str()), ("closed", ""), "{all}");
                let holds = look.devices.iter().find(|(_, d)| d.request == Some(*id));
                assert!(holds.is_none(), "{all}, and it holds {holds:?}");
            }
        }
    }

    /// Every accepted event from number `first` on is in its device's log.
    pub(crate) fn events_are_in(&self, first: usize, mut log_of: impl FnMut(&str) -> Log) {
        let mut logs: HashMap<&str, Log> = HashMap::new();
        for Heard { device, line, between } in &self.events[first..] {
            let log = logs.entry(device).or_insert_with(|| log_of(device));
            let (from, to) = (iso_micros(between.0), iso_micros(between.1));
            let there = log.iter().any(|(at, said)| said.ends_with(line) && (&from..=&to).contains(&at));
            assert!(there, "{device} has lost `{line}`, accepted between {from} and {to}: {log:#?}");
        }
    }
}

/// A device's log through the API: times and texts.
pub(crate) fn log_through(daemon: &Daemon, device: &str) -> Log {
    let log = daemon.get(&format!("device/{device}/log?limit=0"));
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    log["log"].as_array().unwrap().iter().map(|l| (text(&l["timestamp"]), text(&l["message"]))).collect()
}

/// A device's log in a store.
pub(crate) fn log_in(store: &Path, device: &str) -> Log {
    let mut store = Location::sqlite(store).open().unwrap();
    let lines = store.device_log(device, None, None).unwrap();
    lines.into_iter().map(|l| (iso_micros(l.at), l.message)).collect()
}

/// SQLite's own word for it: pages, indexes, and rows that refer to others.
pub(crate) fn is_sound(store: &Path) {
    let db = rusqlite::Connection::open(store).unwrap();
    let said: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
    let dangling = db.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
    assert!(!dangling, "rows refer to rows that are not there");
}

/// What reports are made of: every device is in one spell, which says how it is; those before it have no gap and no overlap; and
/// who has a board has an outcome that lasts, and nobody else.
pub(crate) fn reports_agree(store: &Path) {
    let db = rusqlite::Connection::open(store).unwrap();
    let none = |what: &str, sql: &str| {
        let mut query = db.prepare(sql).unwrap();
        let found: Vec<String> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, Vec::<String>::new(), "{what}");
    };
    none(
        "devices that are not in exactly one spell that lasts",
        "SELECT d.name FROM devices d WHERE (SELECT COUNT(*) FROM device_spells s JOIN spell_subjects u ON u.id = s.subject_id \
         WHERE u.device = d.name AND s.until = 9223372036854775807) <> 1 \
         OR NOT EXISTS (SELECT 1 FROM device_spells s WHERE s.id = d.spell_id AND s.until = 9223372036854775807)",
    );
    // A claim on a ready device is followed by its machine's move, which may not have come.
    none(
        "devices whose spell says something else",
        "SELECT d.name || ' ' || d.state || ' ' || s.grp FROM devices d JOIN device_spells s ON s.id = d.spell_id \
         LEFT JOIN claims c ON c.device_id = d.id WHERE s.grp NOT IN (CASE \
         WHEN d.state = 'ready' AND c.request_id IS NOT NULL THEN 'used' WHEN d.state = 'ready' THEN 'free' \
         WHEN d.state LIKE 'failed~_%' ESCAPE '~' THEN 'failed' WHEN d.state IN ('new', 'unknown', 'locked_out', \
         'troubleshooting', 'maintenance_mode') THEN 'out' ELSE 'working' END, \
         CASE WHEN d.state = 'ready' AND c.request_id IS NOT NULL THEN 'free' ELSE '' END)",
    );
    none(
        "gaps between spells",
        "SELECT device || ' ' || since FROM (SELECT u.device, s.since, LAG(s.until) OVER (PARTITION BY u.device ORDER BY s.id) \
         AS before FROM device_spells s JOIN spell_subjects u ON u.id = s.subject_id) WHERE before <> since",
    );
    none(
        "requests whose outcome says something else",
        "SELECT r.id || ' ' || r.state FROM requests r LEFT JOIN request_outcomes o ON o.request_id = r.id \
         AND o.ended = 9223372036854775807 WHERE (r.state = 'ready') <> (o.request_id IS NOT NULL)",
    );
    none(
        "requests that have ended without an outcome",
        "SELECT CAST(r.id AS TEXT) FROM requests r WHERE (r.state = 'closed' OR r.state LIKE 'failed~_%' ESCAPE '~') \
         AND NOT EXISTS (SELECT 1 FROM request_outcomes o WHERE o.request_id = r.id AND o.how <> '')",
    );
}
