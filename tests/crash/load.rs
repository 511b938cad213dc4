//! Clients that never let the daemon rest: CI jobs that ask, renew and return, boards and people that report.
//!
//! They take a dead daemon as any client does, and try again. What they are told they write into the ledger; what no client
//! may ever be told they report to the test.

use crate::ledger::{Heard, Ledger, Promise};
use crate::support::dice::Dice;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use mozpool::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

/// Requests that one client has open at most. Four clients together want more boards than there are.
const OPEN_MAX: usize = 4;
/// Between two calls, at most.
const PAUSE_MS: u64 = 100;
/// The daemon gives its layers 8 s; a call that takes longer has no end.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// The first reservation; each renewal asks for a little more, so that a lost one is seen.
const DURATION_S: u32 = 3600;

/// One client.
pub(crate) struct Client<'t> {
    pub(crate) name: String,
    pub(crate) dice: Dice,
    pub(crate) http: SocketAddr,
    pub(crate) boards: &'t [String],
    pub(crate) ledger: &'t Mutex<Ledger>,
    pub(crate) alarm: Sender<String>,
    pub(crate) agent: ureq::Agent,
    /// Its requests: number and renewals.
    pub(crate) open: Vec<(i64, u32)>,
    pub(crate) calls: u64,
}

/// As CI jobs have it.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    config.timeout_global(Some(CALL_LIMIT)).max_idle_connections(0).build().into()
}

impl Client<'_> {
    /// Until the other end of `stop` is gone.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        while stop.recv_timeout(Duration::from_millis(self.dice.below(PAUSE_MS)))
            == Err(RecvTimeoutError::Timeout)
        {
            self.act();
        }
    }

    /// Something that is acknowledged, of one kind as often as of another: the moment to kill a daemon that promises too early.
    pub(crate) fn last_words(&mut self) {
        self.calls += 1;
        match (self.dice.below(3), self.dice.pick(&self.open).copied()) {
            (0, Some((id, renewals))) => self.renew(id, renewals + 1),
            (1, Some((id, _))) if self.open.len() == OPEN_MAX => self.give_back(id),
            (2, _) => self.report(),
            _ => self.ask(false),
        }
    }

    fn act(&mut self) {
        self.calls += 1;
        let which = self.dice.below(100);
        let mine = self.dice.pick(&self.open).copied();
        match (which, mine) {
            (0..40, _) if self.open.len() < OPEN_MAX => self.ask(which < 10),
            (40..65, Some((id, renewals))) => self.renew(id, renewals + 1),
            (65..68, Some((id, _))) => self.give_back(id),
            (68..73, _) => self.report(),
            _ => {}
        }
    }

    fn ask(&mut self, named: bool) {
        let board = if named { self.dice.pick(self.boards).map_or("any", |b| b.as_str()) } else { "any" };
        let assignee = format!("{}/{}", self.name, self.calls);
        let sent = SystemClock.now();
        let body = json!({
            "assignee": assignee, "duration": DURATION_S, "image": "demo", "environment": "demo", "queue_limit": 20,
        });
        let Some((status @ (200 | 409), answer)) = self.post(&format!("device/{board}/request"), &body)
        else {
            return;
        };
        let Some(id) = answer["request"]["id"].as_i64() else {
            return self.cry(&format!("a request without a number: {status} {answer}"));
        };
        let promise = Promise {
            assignee,
            expires: sent.plus_s(DURATION_S),
            may_be_closed: status == 409,
            returned: false,
        };
        if let Some(other) = self.ledger.lock().unwrap().requests.insert(id, promise) {
            self.cry(&format!("number {id} was given twice, first to {}", other.assignee));
        }
        if status == 200 {
            self.open.push((id, 0));
        }
    }

    fn renew(&mut self, id: i64, renewals: u32) {
        let (sent, duration) = (SystemClock.now(), DURATION_S + 60 * renewals);
        let answer = self.post(&format!("request/{id}/renew"), &json!({"duration": duration}));
        // A request that has failed cannot be renewed; a lost answer promises nothing.
        if let Some((204, _)) = answer {
            let mut ledger = self.ledger.lock().unwrap();
            ledger.renewals += 1;
            ledger.requests.get_mut(&id).expect("it is ours").expires = sent.plus_s(duration);
            self.open.iter_mut().filter(|(open, _)| *open == id).for_each(|(_, n)| *n = renewals);
        }
    }

    fn give_back(&mut self, id: i64) {
        self.ledger.lock().unwrap().requests.get_mut(&id).expect("it is ours").may_be_closed = true;
        match self.post(&format!("request/{id}/return"), &json!({})) {
            Some((204, _)) => {
                let mut ledger = self.ledger.lock().unwrap();
                ledger.returns += 1;
                ledger.requests.get_mut(&id).expect("it is ours").returned = true;
                self.open.retain(|(open, _)| *open != id);
            }
            Some((503, _)) | None => {}
            Some((status, answer)) => {
                self.cry(&format!("request {id} cannot be returned: {status} {answer}"));
            }
        }
    }

    /// A board in trouble, or a person at work: something that a board's state accepts, if it is still in it.
    fn report(&mut self) {
        let boards = self.boards_now();
        let willing: Vec<_> = boards
            .iter()
            .map(|(board, state)| (board, expects(state)))
            .filter(|(_, e)| !e.is_empty())
            .collect();
        let Some((device, events)) = self.dice.pick(&willing) else { return };
        let device = (*device).clone();
        let (event, line) = *self.dice.pick(events).expect("there are some");
        let reason = format!("{} says {}", self.name, self.calls);
        let sent = SystemClock.now();
        // What the board says itself shows its boot token. This is somebody else, and nothing comes of it.
        let made_up = !event.starts_with("please_");
        let answer = self.post(&format!("device/{device}/event/{event}"), &json!({"reason": reason}));
        if made_up {
            if let Some((status @ (200 | 204 | 409), answer)) = answer {
                self.cry(&format!("{event} of {device} was believed: {status} {answer}"));
            }
            return;
        }
        if let Some((200, answer)) = answer
            && answer["accepted"] == true
        {
            let line = line.map_or(format!("{event}: {reason}"), str::to_owned);
            let heard = Heard { device, line, between: (sent, SystemClock.now()) };
            self.ledger.lock().unwrap().events.push(heard);
        }
    }

    /// Names and states of the boards of the rack; none when the daemon does not answer.
    fn boards_now(&self) -> Vec<(String, String)> {
        let url = format!("http://{}/api/device/list?details=1", self.http);
        let text = self.agent.get(url).call().ok().and_then(|mut a| a.body_mut().read_to_string().ok());
        let list: Value = text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
        let devices = list["devices"].as_array().into_iter().flatten();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let boards = devices.map(|d| (text(&d["name"]), text(&d["state"])));
        boards.filter(|(name, _)| self.boards.contains(name)).collect()
    }

    /// `None`: there was no answer, as is to be expected of a daemon that dies.
    fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = format!("http://{}/api/{path}", self.http);
        let mut answer = self.agent.post(url).send(body.to_string()).ok()?;
        let status = answer.status().as_u16();
        // The status is the acknowledgement; a body that breaks off says nothing more.
        let text = answer.body_mut().read_to_string().ok()?;
        if !matches!(status, 200 | 204 | 403 | 409 | 503) {
            self.cry(&format!("{path} {body}: {status} {text}"));
        }
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    fn cry(&self, what: &str) {
        // The test may have ended already.
        let _ = self.alarm.send(format!("{}: {what}", self.name));
    }
}

/// Events that a state accepts, with the log line that each of them leaves, or none if that is the event's own reason.
fn expects(state: &str) -> &'static [(&'static str, Option<&'static str>)] {
    const SELF_TEST: (&str, Option<&str>) = ("please_self_test", Some("entering state start_self_test"));
    match state {
        "ready" => {
            &[("failed", None), ("please_power_cycle", Some("entering state pc_power_cycling")), SELF_TEST]
        }
        "pxe_booting" => &[("mobile_init_failed", None)],
        "image_downloading" => &[("image_failed", None), ("second_stage_failed", None)],
        "mobile_init_started" | "image_extracting" | "self_test_running" => &[("second_stage_failed", None)],
        failed if failed.starts_with("failed_") => &[SELF_TEST],
        _ => &[],
    }
}

/// A boot loader in the middle of its boot, which asks all the time: it gets its own config or no answer at all.
pub(crate) fn boot_loader(
    tftp: SocketAddr,
    file: &str,
    wanted: &str,
    alarm: &Sender<String>,
    stop: &Receiver<()>,
) {
    let options = tftpd::FetchOptions {
        packet_timeout: Duration::from_millis(5),
        overall: Duration::from_secs(1),
        ..tftpd::FetchOptions::default()
    };
    while stop.recv_timeout(Duration::from_millis(2)) == Err(RecvTimeoutError::Timeout) {
        let said = match tftpd::fetch(tftp, file, &options) {
            Ok(fetched) if fetched.bytes == wanted.as_bytes() => continue,
            Ok(fetched) => String::from_utf8_lossy(&fetched.bytes).into_owned(),
            Err(error @ tftpd::FetchError::Refused { .. }) => error.to_string(),
            // Dead, or not yet up.
            Err(_) => continue,
        };
        let _ = alarm.send(format!("the boot loader got for {file}: {said}"));
    }
}
