//! Clients that never let the pool rest: CI jobs that ask for a board, use it, and give it back or forget to; and probes, which
//! tell how long nobody got a board.
//!
//! They take a dead server as any client does, and try again. What they are told they write into the ledger; what no client may
//! ever be told they report to the test.

use crate::ledger::{Ledger, Promise};
use crate::support::dice::Dice;
use crate::world::{SERVERS, agent, api, get};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use mozpool::clock::{Clock, SystemClock, Timestamp};
use mozpool::fakes::Notes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A usual reservation, and what a renewal asks for: more, so that a lost one is seen.
const DURATION_S: u32 = 300;
const RENEWED_S: u32 = 420;
/// One that is forgotten: shorter than most faults and what follows them.
const FORGOTTEN_S: u32 = 30;
/// A client lets go of a board so long before its reservation ends.
const MARGIN_MS: i64 = 1000;
/// Between two looks at a request.
const LOOK_MS: u64 = 150;
/// How long a client waits for its board, and then gives the request back.
const PATIENCE: Duration = Duration::from_secs(60);
/// … and a probe: six times the goal.
const PROBE_PATIENCE: Duration = Duration::from_secs(60);

/// What all of them have in common.
pub(crate) struct Town<'t> {
    pub(crate) ledger: &'t Mutex<Ledger>,
    pub(crate) notes: &'t HashMap<String, Notes>,
    pub(crate) served: &'t Mutex<Vec<Served>>,
    pub(crate) alarm: Sender<String>,
    pub(crate) stop: Receiver<()>,
}

/// A probe at this server got a board, for which it had asked, with all tries, since then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) server: usize,
    pub(crate) since: Instant,
    pub(crate) at: Instant,
}

/// Somebody who calls one server.
pub(crate) struct Client<'t> {
    pub(crate) town: &'t Town<'t>,
    pub(crate) server: usize,
    name: String,
    dice: Dice,
    agent: ureq::Agent,
    calls: u64,
    /// Requests that it could not give back yet.
    owed: Vec<i64>,
}

/// The test is over.
struct Over;

impl<'t> Client<'t> {
    pub(crate) fn new(town: &'t Town<'t>, server: usize, name: String, seed: u64) -> Self {
        Self { town, server, name, dice: Dice(seed), agent: agent(), calls: 0, owed: Vec::new() }
    }

    /// Uses boards until the other end of `stop` is gone.
    pub(crate) fn run(mut self) {
        while self.job().is_ok() {}
    }

    /// Asks for boards, this long after each other, and notes when it got them, until the other end of `stop` is gone.
    pub(crate) fn probe(mut self, pause_ms: u64) {
        let mut since = Instant::now();
        while let Ok(served) = self.one_probe(since) {
            if served {
                if self.pause(pause_ms).is_err() {
                    return;
                }
                since = Instant::now();
            }
        }
    }

    fn pause(&self, ms: u64) -> Result<(), Over> {
        match self.town.stop.recv_timeout(Duration::from_millis(ms)) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(Over),
        }
    }

    /// Whether it was served.
    fn one_probe(&mut self, since: Instant) -> Result<bool, Over> {
        if let Some(id) = self.owed.pop()
            && !self.give_back(id)
        {
            self.owed.push(id);
        }
        let Some((id, _)) = self.ask(DURATION_S, None) else { return self.pause(LOOK_MS).map(|()| false) };
        let (end, mut is_served) = (Instant::now() + PROBE_PATIENCE, false);
        while Instant::now() < end {
            // Its order was taken by the board's server.
            if let Some((state, board)) = self.look(id, &[self.server])
                && matches!(state.as_str(), "pending" | "ready")
                && !board.is_empty()
            {
                let served = Served { server: self.server, since, at: Instant::now() };
                self.town.served.lock().unwrap().push(served);
                is_served = true;
                break;
            }
            self.pause(LOOK_MS / 3)?;
        }
        if !self.give_back(id) {
            self.owed.push(id);
        }
        Ok(is_served)
    }

    /// From asking for a board to having given it back.
    fn job(&mut self) -> Result<(), Over> {
        let pause = self.dice.below(500);
        self.pause(pause)?;
        let forgetful = self.dice.below(8) == 0;
        let Some((id, mut until)) = self.ask(if forgetful { FORGOTTEN_S } else { DURATION_S }, None) else {
            return self.pause(LOOK_MS);
        };
        if let Some(board) = self.wait_for_board(id)? {
            if !forgetful && self.dice.below(2) == 0 {
                until = self.renew(id).unwrap_or(until);
            }
            self.make_use_of(id, &board, until, forgetful)?;
        }
        while !forgetful && SystemClock.now() < until && !self.give_back(id) {
            self.pause(LOOK_MS)?;
        }
        Ok(())
    }

    fn make_use_of(&mut self, id: i64, board: &str, until: Timestamp, to_the_end: bool) -> Result<(), Over> {
        let until = Timestamp(until.0 - MARGIN_MS);
        let Some(notes) = self.town.notes.get(board) else {
            self.cry(&format!("request {id} got {board}, which is no board"));
            return Err(Over);
        };
        let mut left = until.0 - SystemClock.now().0;
        if left <= 0 {
            // It looked too late.
            return Ok(());
        }
        let taken = self.town.ledger.lock().unwrap().uses(board, id, notes.read().power_ons, until);
        self.hear(taken);
        if !to_the_end {
            left = left.min(i64::try_from(500 + self.dice.below(5000)).unwrap());
        }
        self.pause(u64::try_from(left).unwrap_or(0))?;
        let mut ledger = self.town.ledger.lock().unwrap();
        let alone = ledger.was_left_alone(board, id, notes.read().power_ons);
        ledger.no_longer_uses(board, id);
        drop(ledger);
        if SystemClock.now() < until.plus_s(1) {
            self.hear(alone);
        }
        Ok(())
    }

    /// A new request for any board, or for one of an environment: its number, and until when it is ours at least.
    pub(crate) fn ask(&mut self, duration_s: u32, environment: Option<&str>) -> Option<(i64, Timestamp)> {
        self.calls += 1;
        let assignee = format!("{}/{}", self.name, self.calls);
        let mut body = json!({"assignee": assignee, "duration": duration_s, "image": "demo"});
        if let Some(environment) = environment {
            body["environment"] = environment.into();
        }
        let expires = SystemClock.now().plus_s(duration_s);
        let (status, answer) = self.post("device/any/request", &body)?;
        if status != 200 {
            return None;
        }
        let Some(id) = answer["request"]["id"].as_i64() else {
            self.cry(&format!("a request without a number: {answer}"));
            return None;
        };
        let promise = Promise { assignee, expires, may_be_closed: false, returned: false };
        let known = self.town.ledger.lock().unwrap().promised(id, promise);
        self.hear(known);
        Some((id, expires))
    }

    fn renew(&mut self, id: i64) -> Option<Timestamp> {
        let expires = SystemClock.now().plus_s(RENEWED_S);
        let answer = self.post(&format!("request/{id}/renew"), &json!({"duration": RENEWED_S}));
        // A request that has failed cannot be renewed; a lost answer promises nothing.
        matches!(answer, Some((204, _))).then(|| {
            let mut ledger = self.town.ledger.lock().unwrap();
            ledger.renewals += 1;
            ledger.requests.get_mut(&id).expect("it is ours").expires = expires;
            expires
        })
    }

    /// True: it was acknowledged.
    pub(crate) fn give_back(&mut self, id: i64) -> bool {
        self.town.ledger.lock().unwrap().requests.get_mut(&id).expect("it is ours").may_be_closed = true;
        let answer = self.post(&format!("request/{id}/return"), &json!({}));
        if !matches!(answer, Some((204, _))) {
            return false;
        }
        let mut ledger = self.town.ledger.lock().unwrap();
        ledger.returns += 1;
        ledger.requests.get_mut(&id).expect("it is ours").returned = true;
        true
    }

    /// The request's board as soon as it is ready; `None` if it will have none.
    fn wait_for_board(&self, id: i64) -> Result<Option<String>, Over> {
        let end = Instant::now() + PATIENCE;
        // Any server answers for all.
        let whom: Vec<usize> = (0..SERVERS).map(|n| (self.server + n) % SERVERS).collect();
        while Instant::now() < end {
            match self.look(id, &whom) {
                Some((state, board)) if state == "ready" => return Ok(Some(board)),
                Some((state, _))
                    if state.starts_with("failed_") || state == "closed" || state == "expired" =>
                {
                    return Ok(None);
                }
                _ => self.pause(LOOK_MS)?,
            }
        }
        Ok(None)
    }

    /// State and board of a request, as the first of these servers tells it that answers.
    pub(crate) fn look(&self, id: i64, whom: &[usize]) -> Option<(String, String)> {
        let details = whom.iter().find_map(|s| get(&self.agent, *s, &format!("request/{id}/details")))?;
        let text = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
        Some((text("state"), text("assigned_device")))
    }

    /// `None`: there was no answer, as is to be expected of a server that dies or is cut off.
    fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let mut answer =
            self.agent.post(format!("{}/{path}", api(self.server))).send(body.to_string()).ok()?;
        let status = answer.status().as_u16();
        // The status is the acknowledgement; a body that breaks off says nothing more.
        let text = answer.body_mut().read_to_string().ok()?;
        if !matches!(status, 200 | 204 | 409 | 503 | 504) {
            self.cry(&format!("{path} {body}: {status} {text}"));
        }
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    fn hear(&self, told: Result<(), String>) {
        if let Err(wrong) = told {
            self.cry(&wrong);
        }
    }

    fn cry(&self, what: &str) {
        // The test may have ended already.
        let _ = self.town.alarm.send(format!("{}: {what}", self.name));
    }
}
