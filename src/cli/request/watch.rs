//! Somebody who looks at a request for us and tells what is new, until it has a board or has come to its end.
//!
//! It waits for changes and does not ask again and again; only why a request still waits is told without a change, and is read as
//! often as the server looks for a board. A server that goes away is waited for.

use super::is_over;
use crate::cli::remote::{Client, RemoteError};
use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Seconds that one wait for a change may take.
const WAIT_S: u32 = 10;
/// Between two tries of a server that does not answer, doubled each time up to the second one.
pub(super) const PAUSE_FIRST: Duration = Duration::from_millis(250);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(15);
/// A server that is away for longer is not coming back in time for anybody who waits.
const AWAY_MAX: Duration = Duration::from_secs(15 * 60);
/// News that may wait to be shown; then the watcher waits.
const QUEUE: usize = 16;

/// How a request is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) state: String,
    /// Empty while it looks for one.
    pub(super) device: String,
    pub(super) device_state: String,
    /// Of what the device does, in percent.
    pub(super) progress: Option<i64>,
    /// Why it is as it is, in the server's words.
    pub(super) why: String,
}

/// What the watcher says.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is so now. Ready or over: the last word.
    Now(Now),
    /// The server does not answer; it will be asked again.
    Trouble(String),
    /// The last word: it cannot be watched.
    Gone(RemoteError),
}

/// Begins to watch. The thread ends with its last word, or when nobody listens any more; it is not joined, for it may be waiting
/// for the server.
pub(super) fn begin(client: &Client, id: i64) -> Result<Receiver<Heard>, RemoteError> {
    let (tx, rx) = bounded(QUEUE);
    let watcher = Watcher { client: client.clone(), id, tx };
    std::thread::Builder::new()
        .name("watch".into())
        .spawn(move || watcher.run())
        .map_err(|source| RemoteError::System { doing: "start a thread", source })?;
    Ok(rx)
}

struct Watcher {
    client: Client,
    id: i64,
    tx: Sender<Heard>,
}

impl Watcher {
    fn run(self) {
        let (mut pause, mut heard) = (PAUSE_FIRST, Instant::now());
        let (mut seen, mut progress) = (None, None);
        loop {
            match self.round(&mut seen, &mut progress) {
                Ok(now) => {
                    (pause, heard) = (PAUSE_FIRST, Instant::now());
                    let last = now.state == "ready" || is_over(&now.state);
                    if self.tx.send(Heard::Now(now)).is_err() || last {
                        return;
                    }
                }
                Err(error) if error.may_pass() && heard.elapsed() < AWAY_MAX => {
                    if self.tx.send(Heard::Trouble(error.to_string())).is_err() {
                        return;
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => {
                    let _ = self.tx.send(Heard::Gone(error));
                    return;
                }
            }
        }
    }

    /// Waits for a change, except at first, and looks.
    fn round(&self, seen: &mut Option<u64>, progress: &mut Option<i64>) -> Result<Now, RemoteError> {
        match *seen {
            None => *seen = Some(self.client.last_change()?),
            Some(after) => {
                let path = format!("events?after={after}&request={}&timeout={WAIT_S}", self.id);
                match self.client.get(&path) {
                    Ok(answer) => {
                        *seen = answer["last"].as_u64().or(*seen);
                        let changes = answer["changes"].as_array().into_iter().flatten();
                        for change in changes.filter(|change| change["kind"] == "device") {
                            *progress = change["data"]["progress"].as_i64();
                        }
                    }
                    // The store was put back, or we were away for a week.
                    Err(RemoteError::Refused { status: 410, .. }) => *seen = Some(self.client.last_change()?),
                    Err(error) => return Err(error),
                }
            }
        }
        look(&self.client, self.id).map(|now| Now { progress: *progress, ..now })
    }
}

/// How it is now.
pub(super) fn look(client: &Client, id: i64) -> Result<Now, RemoteError> {
    let details = client.get(&format!("request/{id}/details"))?;
    let text = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
    let state = text("state");
    let why = match state.as_str() {
        "new" | "finding_device" => why(client, id)?,
        state if is_over(state) => why(client, id)?,
        _ => String::new(),
    };
    Ok(Now {
        device: text("assigned_device"),
        device_state: text("device_state"),
        why,
        state,
        progress: None,
    })
}

/// The last line of its log that says more than where it is.
fn why(client: &Client, id: i64) -> Result<String, RemoteError> {
    let status = client.get(&format!("request/{id}/status"))?;
    let lines = status["log"].as_array().map(Vec::as_slice).unwrap_or_default();
    let messages = lines.iter().rev().filter_map(|line: &Value| line["message"].as_str());
    let says_more = |message: &&str| !message.starts_with("entering state");
    Ok(crate::cli::show::clean(messages.into_iter().find(says_more).unwrap_or_default()))
}
