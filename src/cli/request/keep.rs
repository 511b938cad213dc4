//! A board that is held: kept by renewing, watched for being lost, and given back whatever happens.

use super::is_over;
use super::signals::Signals;
use super::watch::{PAUSE_FIRST, PAUSE_MAX, look};
use crate::cli::period::Period;
use crate::cli::remote::{Client, RemoteError, tell};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use serde_json::json;
use std::time::{Duration, Instant};

/// For giving it back while the server does not answer: longer than a daemon takes to be started again. The request ends by itself
/// at last.
const GIVE_BACK_LIMIT: Duration = Duration::from_secs(120);
/// Renewed when a third of the time has passed: two more tries are left then, and a server may be away for as long as they take.
const RENEW_PARTS: u32 = 3;
/// Seconds that one wait for a change may take.
const WAIT_S: u64 = 30;
/// News that may wait to be told.
const QUEUE: usize = 16;

/// A request that is ours to give back.
#[derive(Debug)]
pub(super) struct Held<'c> {
    client: &'c Client,
    id: i64,
    who: String,
    given_back: bool,
}

impl<'c> Held<'c> {
    pub(super) fn new(client: &'c Client, id: i64, who: &str) -> Self {
        Self { client, id, who: who.to_owned(), given_back: false }
    }

    /// It stays with whoever asked, or has ended by itself.
    pub(super) fn leave(&mut self) {
        self.given_back = true;
    }

    /// Gives it back; tries again and again for a while. A signal meanwhile gives up.
    pub(super) fn give_back(&mut self, reason: &str, signals: &Signals) {
        signals.forget();
        let (end, mut pause) = (Instant::now() + GIVE_BACK_LIMIT, PAUSE_FIRST);
        self.given_back = true;
        loop {
            let error = match self.call(reason) {
                Ok(()) => return,
                // Gone with its server's store; so is the claim.
                Err(RemoteError::Refused { status: 404, .. }) => return,
                Err(error) => error,
            };
            if !error.may_pass() || Instant::now() + pause > end {
                tell(&format!(
                    "request {} could not be given back: {error}. It ends by itself when its time is up",
                    self.id
                ));
                return;
            }
            if pause == PAUSE_FIRST {
                tell(&format!("request {} is not given back yet: {error}; trying again", self.id));
            }
            if !matches!(signals.0.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                tell(&format!(
                    "request {} was not given back; it ends by itself when its time is up",
                    self.id
                ));
                return;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn call(&self, reason: &str) -> Result<(), RemoteError> {
        let body = json!({ "who": self.who, "reason": reason });
        self.client.post(&format!("request/{}/return", self.id), &body).map(|_| ())
    }
}

impl Drop for Held<'_> {
    /// On the way out with an error that nobody expected: one try.
    fn drop(&mut self) {
        if !self.given_back && self.call("the client ended").is_err() {
            tell(&format!("request {} was not given back; it ends by itself when its time is up", self.id));
        }
    }
}

/// What is to be known of a board that is held.
#[derive(Debug)]
pub(super) enum Kept {
    /// It is another's now.
    Lost(String),
    /// It could not be renewed; it will be tried again.
    Trouble(String),
    /// The server answers again.
    Well,
}

/// Renews the request until it is lost or nobody listens any more. The thread is not joined: it may be waiting for the server.
pub(super) fn begin(client: &Client, id: i64, duration: Period) -> Result<Receiver<Kept>, RemoteError> {
    let (tx, rx) = bounded(QUEUE);
    let every = Duration::from_secs(duration.seconds().into()) / RENEW_PARTS;
    let keeper = Keeper { client: client.clone(), id, duration, every, tx };
    std::thread::Builder::new()
        .name("keep".into())
        .spawn(move || keeper.run())
        .map_err(|source| RemoteError::System { doing: "start a thread", source })?;
    Ok(rx)
}

struct Keeper {
    client: Client,
    id: i64,
    duration: Period,
    every: Duration,
    tx: Sender<Kept>,
}

impl Keeper {
    fn run(self) {
        let mut pause = PAUSE_FIRST;
        let (mut renew_at, mut seen) = (Instant::now() + self.every, None);
        loop {
            let kept = match self.round(&mut renew_at, &mut seen) {
                Ok(true) => Some(Kept::Lost(self.why())),
                Ok(false) if pause != PAUSE_FIRST => Some(Kept::Well),
                Ok(false) => None,
                Err(error) => Some(Kept::Trouble(error.to_string())),
            };
            let (lost, trouble) =
                (matches!(kept, Some(Kept::Lost(_))), matches!(kept, Some(Kept::Trouble(_))));
            let first = pause == PAUSE_FIRST;
            // Once is enough; it goes on in silence.
            if let Some(kept) = kept.filter(|_| !trouble || first) {
                let gone = match lost {
                    true => self.tx.send(kept).is_err(),
                    // While the board is waited for nobody reads; renewing must not wait for that.
                    false => matches!(self.tx.try_send(kept), Err(TrySendError::Disconnected(_))),
                };
                if gone {
                    return;
                }
            }
            if lost {
                return;
            }
            match trouble {
                true => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                    // Whatever happened meanwhile is found by looking.
                    seen = None;
                }
                false => pause = PAUSE_FIRST,
            }
        }
    }

    /// Renews if it is time, and waits for a change or for the next time. True: it is lost.
    fn round(&self, renew_at: &mut Instant, seen: &mut Option<u64>) -> Result<bool, RemoteError> {
        if Instant::now() >= *renew_at {
            let body = json!({ "duration": self.duration.seconds() });
            match self.client.post(&format!("request/{}/renew", self.id), &body) {
                Ok(_) => *renew_at = Instant::now() + self.every,
                Err(RemoteError::Refused { status: 404 | 409, .. }) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        let Some(after) = *seen else {
            *seen = Some(self.client.last_change()?);
            return self.is_lost();
        };
        let left = renew_at.saturating_duration_since(Instant::now());
        let wait_s = left.as_secs().min(WAIT_S);
        if wait_s == 0 {
            std::thread::sleep(left);
            return Ok(false);
        }
        match self.client.get(&format!("events?after={after}&request={}&timeout={wait_s}", self.id)) {
            Ok(answer) => {
                *seen = answer["last"].as_u64().or(*seen);
                if answer["changes"].as_array().is_some_and(|changes| !changes.is_empty()) {
                    return self.is_lost();
                }
            }
            Err(RemoteError::Refused { status: 410, .. }) => *seen = None,
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    fn is_lost(&self) -> Result<bool, RemoteError> {
        match look(&self.client, self.id) {
            Ok(now) => Ok(is_over(&now.state)),
            Err(RemoteError::Refused { status: 404, .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn why(&self) -> String {
        match look(&self.client, self.id) {
            Ok(now) if !now.why.is_empty() => now.why,
            Ok(now) => format!("the request is {}", now.state),
            Err(error) => error.to_string(),
        }
    }
}
