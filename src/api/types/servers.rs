//! The imaging servers of the pool, as JSON.

use crate::api::time::rfc3339;
use crate::store::ServerSeen;
use serde::Serialize;

/// `GET server/list`
#[derive(Debug, Serialize)]
pub struct Servers {
    /// By name.
    pub servers: Vec<ServerBody>,
}

/// An imaging server.
#[derive(Debug, Serialize)]
pub struct ServerBody {
    name: String,
    url: String,
    alive: bool,
    last_seen: Option<String>,
    started: Option<String>,
    version: Option<String>,
    schema_version: Option<u32>,
    protocol: Option<u32>,
    devices: u64,
    fault: Option<String>,
}

impl ServerBody {
    /// As the store has it. `is_us`: it is the one that answers. `fault`: why it cannot be worked with.
    pub fn new(seen: ServerSeen, is_us: bool, fault: Option<String>) -> Self {
        let ServerSeen { name, url, devices, liveliness } = seen;
        let life = liveliness.as_ref();
        Self {
            name,
            url,
            // One that has joined no pool is known by nothing but its row; the one that answers does live.
            alive: is_us || life.is_some_and(|l| !l.gone),
            last_seen: life.map(|l| rfc3339(l.last_seen)),
            started: life.map(|l| rfc3339(l.beat.started)),
            version: life.map(|l| l.beat.version.clone()),
            schema_version: life.map(|l| l.beat.schema),
            protocol: life.map(|l| l.beat.protocol),
            devices,
            fault,
        }
    }
}
