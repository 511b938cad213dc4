//! Somebody who follows all changes of the pool, at one server and then at the next, and what they know in the end.
//!
//! It believes a change only as the next one after the last, whoever tells it: a number that is left out or told twice ends the test.

use crate::support::Stream;
use crate::world::{SERVERS, World, address, agent, get};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// A stream that says nothing for so long is given up: its server may be cut off.
const SILENCE: Duration = Duration::from_secs(3);
/// Looks at whether what was heard is how it is, at the end.
const LOOKS: usize = 100;
/// Between two servers.
const REST: Duration = Duration::from_millis(50);

/// All that it has been told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) last: u64,
    devices: BTreeMap<String, String>,
    requests: BTreeMap<i64, String>,
    /// How often it went to another server.
    pub(crate) moves: usize,
}

impl Heard {
    /// Takes a change; says what is wrong with it.
    fn take(&mut self, change: &Value) -> Result<(), String> {
        let (seq, data) = (change["seq"].as_u64(), &change["data"]);
        if seq != Some(self.last + 1) {
            return Err(format!("after {} it was told {change}", self.last));
        }
        self.last += 1;
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        match change["kind"].as_str() {
            Some("device") => drop(self.devices.insert(text("name"), text("state"))),
            Some("request") => drop(self.requests.insert(data["id"].as_i64().unwrap_or(0), text("state"))),
            _ => {}
        }
        Ok(())
    }

    /// What it knows is how it is, once it has heard the rest.
    pub(crate) fn agrees_with(&mut self, world: &World) -> Result<(), String> {
        // What changes between the two looks is heard with the next one.
        let mut told = self.agrees_now(world);
        for _ in 0..LOOKS {
            if told.is_ok() {
                break;
            }
            std::thread::sleep(REST);
            told = self.agrees_now(world);
        }
        told
    }

    fn agrees_now(&mut self, world: &World) -> Result<(), String> {
        let agent = agent();
        loop {
            let answer = get(&agent, 0, &format!("events?after={}&timeout=0", self.last));
            let answer = answer.ok_or("s1 does not tell changes")?;
            let changes = answer["changes"].as_array().ok_or("no changes")?;
            if changes.is_empty() {
                break;
            }
            changes.iter().try_for_each(|c| self.take(c))?;
        }
        let count = world.rows(0, "SELECT last FROM change_counts WHERE kind = 'all'")?;
        if count != [[self.last.to_string()]] {
            return Err(format!("it has heard {} changes, and the database has {count:?}", self.last));
        }
        let pairs = |rows: Vec<Vec<String>>| -> BTreeMap<String, String> {
            rows.into_iter().filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone()))).collect()
        };
        let devices = pairs(world.rows(0, "SELECT name, state FROM devices")?);
        let requests = pairs(world.rows(0, "SELECT id, state FROM requests")?);
        let heard: BTreeMap<_, _> = self.requests.iter().map(|(id, s)| (id.to_string(), s.clone())).collect();
        if devices != self.devices || requests != heard {
            return Err("what it was told is not how it is".into());
        }
        Ok(())
    }
}

/// Follows until `stop`.
pub(crate) fn follow(heard: &Mutex<Heard>, alarm: &Sender<String>, stop: &Receiver<()>) {
    for server in (0..SERVERS).cycle() {
        if stop.recv_timeout(REST) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let last = heard.lock().unwrap().last;
        let Ok(mut stream) = Stream::try_open((address(server), 8080).into(), last, SILENCE) else {
            continue;
        };
        while let Ok(Some(change)) = stream.try_next() {
            if stop.recv_timeout(Duration::ZERO) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            if let Err(wrong) = heard.lock().unwrap().take(&change) {
                // The test may have ended already.
                let _ = alarm.send(format!("the follower, at {}: {wrong}", address(server)));
                return;
            }
        }
        heard.lock().unwrap().moves += 1;
    }
}
