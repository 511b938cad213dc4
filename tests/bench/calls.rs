//! The calls of the cases, as bytes, and what counts as a good answer to each.

use crate::lab;
use crate::load::Calls;

const HOST: &str = "HTTP/1.1\r\nHost: 127.0.0.1\r\n";

/// A `GET` that is answered 200, or whatever is wanted.
fn get(path: &str, more: &str) -> Vec<u8> {
    format!("GET /api/{path} {HOST}{more}\r\n").into_bytes()
}

/// A `POST` of a JSON object.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /api/{path} {HOST}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The same few requests, one after another.
pub(crate) struct Reads {
    requests: Vec<Vec<u8>>,
    next: usize,
    wanted: u16,
}

impl Reads {
    /// One request again and again; `more` are header lines with their line ends.
    pub(crate) fn one(path: &str, more: &str, wanted: u16) -> Self {
        Self { requests: vec![get(path, more)], next: 0, wanted }
    }

    /// Something of every device; `path` says what after `device/NAME/`.
    pub(crate) fn of_devices(path: &str, devices: usize) -> Self {
        let requests = (0..devices).map(|n| get(&format!("device/{}/{path}", lab::name(n)), "")).collect();
        Self { requests, next: 0, wanted: 200 }
    }
}

impl Calls for Reads {
    fn next(&mut self, _: usize, out: &mut Vec<u8>) {
        // A stride that visits all, and not neighbours one after another as a cache would like it.
        self.next = (self.next + 7919) % self.requests.len();
        out.extend_from_slice(&self.requests[self.next]);
    }
    fn is_good(&mut self, _: usize, status: u16, _: &[u8]) -> bool {
        status == self.wanted
    }
}

/// Events that boards send and nobody expects: one line in a log each.
pub(crate) struct Ignored(Vec<Vec<u8>>, usize);

impl Ignored {
    /// From so many devices.
    pub(crate) fn new(devices: usize) -> Self {
        let event = |n| post(&format!("device/{}/event/image_rebooting", lab::name(n)), "{}");
        Self((0..devices).map(event).collect(), 0)
    }
}

impl Calls for Ignored {
    fn next(&mut self, _: usize, out: &mut Vec<u8>) {
        self.1 = (self.1 + 7919) % self.0.len();
        out.extend_from_slice(&self.0[self.1]);
    }
    fn is_good(&mut self, _: usize, status: u16, body: &[u8]) -> bool {
        status == 200 && has(body, b"\"accepted\":false")
    }
}

/// Boards that install and install: every event moves the device's machine. Each connection has boards of its own, so that
/// each board's events come in order.
pub(crate) struct Moves {
    connections: usize,
    devices: usize,
    /// By connection: events sent.
    sent: Vec<usize>,
}

/// What a board says, and at the end of it what an operator does to have it begin again.
const STORY: [&str; 4] = [
    "event/mobile_init_started",
    "event/image_downloading",
    "event/image_extracting",
    "state-change/image_extracting/to/pxe_booting",
];
const BEGIN: &str = "state-change/ready/to/pxe_booting";

impl Moves {
    /// Of so many devices over so many connections, few enough that each has been through its story once when the warm-up is
    /// over: from whatever state, it is in step then.
    pub(crate) fn new(devices: usize, connections: usize) -> Self {
        Self { connections, devices, sent: vec![0; connections] }
    }
}

impl Calls for Moves {
    fn next(&mut self, connection: usize, out: &mut Vec<u8>) {
        let own = (self.devices - connection).div_ceil(self.connections);
        let sent = self.sent[connection];
        self.sent[connection] += 1;
        let (round, device) = (sent / own, connection + sent % own * self.connections);
        let what = round.checked_sub(1).map_or(BEGIN, |n| STORY[n % STORY.len()]);
        out.extend_from_slice(&post(&format!("device/{}/{what}", lab::name(device)), "{}"));
    }
    fn is_good(&mut self, _: usize, status: u16, body: &[u8]) -> bool {
        status == 200 && !has(body, b"\"accepted\":false")
    }
}

/// New requests, each for one board for an hour.
pub(crate) struct Asks {
    asked: usize,
    /// Numbers of those that were made.
    pub(crate) made: Vec<u64>,
}

impl Asks {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { asked: 0, made: Vec::new() }
    }
}

impl Calls for Asks {
    fn next(&mut self, _: usize, out: &mut Vec<u8>) {
        self.asked += 1;
        let body = format!(
            r#"{{"assignee": "bench-{}", "duration": 3600, "image": "bench", "url": "http://images/x"}}"#,
            self.asked
        );
        out.extend_from_slice(&post("device/any/request", &body));
    }
    fn is_good(&mut self, _: usize, status: u16, body: &[u8]) -> bool {
        let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        self.made.extend(answer["request"]["id"].as_u64());
        status == 200
    }
}

/// Whether these bytes are among those.
pub(crate) fn has(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|w| w == part)
}
