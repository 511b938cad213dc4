//! Somebody who follows all changes through all kills, and what they know in the end.
//!
//! It believes a change only as the next one after the last, so a number that is left out or told twice ends the test.

use crate::ledger::Look;
use crate::support::{Daemon, Stream};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use mozpool::store::{ChangeData, Location};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// A stream that says nothing for so long is opened again: another chance to lose something.
const SILENCE: Duration = Duration::from_millis(700);
/// Between two tries to reach a daemon that is dead.
const REST: Duration = Duration::from_millis(5);

/// All that it has been told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    last: u64,
    /// State and partner of each device and request, by the last change of each.
    devices: BTreeMap<String, (String, Option<i64>)>,
    requests: BTreeMap<i64, (String, String)>,
    /// How often it was cut off.
    pub(crate) cuts: usize,
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
            Some("device") => {
                self.devices.insert(text("name"), (text("state"), data["request_id"].as_i64()));
            }
            Some("request") => {
                let id = data["id"].as_i64().ok_or(format!("no number in {change}"))?;
                self.requests.insert(id, (text("state"), text("assigned_device")));
            }
            _ => {}
        }
        Ok(())
    }

    /// What has been told since the last stream broke off.
    pub(crate) fn catch_up(&mut self, daemon: &Daemon) {
        loop {
            let answer = daemon.get(&format!("events?after={}&timeout=0", self.last));
            let changes = answer["changes"].as_array().unwrap();
            if changes.is_empty() {
                return;
            }
            changes.iter().for_each(|c| self.take(c).unwrap());
        }
    }

    /// What it knows is how it is. What has happened since it last listened is in the store, with the next numbers.
    pub(crate) fn agrees_with(&mut self, store: &Path, look: &Look) {
        let mut opened = Location::sqlite(store).open().unwrap();
        let rest = opened.changes(self.last, usize::MAX).unwrap();
        for change in rest.changes {
            assert_eq!(change.seq, self.last + 1);
            self.last += 1;
            match change.data {
                ChangeData::Device(d) => {
                    self.devices.insert(change.subject, (d.state, d.request));
                }
                ChangeData::Request(r) => {
                    let now = (r.state, r.device.unwrap_or_default());
                    self.requests.insert(change.subject.parse().unwrap(), now);
                }
                ChangeData::Nothing | ChangeData::DeviceGone(_) => {}
            }
        }
        assert_eq!(self.last, rest.last, "every number was told");
        let devices: BTreeMap<_, _> =
            look.devices.iter().map(|(name, d)| (name.clone(), (d.state.clone(), d.request))).collect();
        assert_eq!(self.devices, devices);
        let requests: BTreeMap<_, _> =
            look.requests.iter().map(|(id, r)| (*id, (r.state.clone(), r.device.clone()))).collect();
        assert_eq!(self.requests, requests);
    }

    /// How many changes it was told.
    pub(crate) fn count(&self) -> u64 {
        self.last
    }
}

/// Follows until `stop`.
pub(crate) fn follow(http: SocketAddr, heard: &Mutex<Heard>, alarm: &Sender<String>, stop: &Receiver<()>) {
    while stop.recv_timeout(REST) == Err(RecvTimeoutError::Timeout) {
        let last = heard.lock().unwrap().last;
        let Ok(mut stream) = Stream::try_open(http, last, SILENCE) else { continue };
        while let Some(change) = stream.next() {
            if let Err(wrong) = heard.lock().unwrap().take(&change) {
                // The test may have ended already.
                let _ = alarm.send(format!("the follower: {wrong}"));
                return;
            }
        }
        heard.lock().unwrap().cuts += 1;
    }
}
