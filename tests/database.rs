//! The store on a real MariaDB, beyond what the contract says of every store: how it is reached and what is said when it is
//! not, what happens to a daemon when it goes away and comes back, a cluster of three nodes, and copies from and to SQLite.

#![allow(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

mod support;

#[path = "database/cluster.rs"]
mod cluster;
#[path = "database/copying.rs"]
mod copying;
#[path = "database/cutting.rs"]
mod cutting;
#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "database/outage.rs"]
mod outage;
#[path = "database/reaching.rs"]
mod reaching;

use mozpool::lab::Lab;
use mozpool::logic::time::Timestamp;
use mozpool::store::{Location, Store, StoreError};

const T0: Timestamp = Timestamp(1_700_000_000_000);

const LAB: &str = r#"
[[hardware_type]]
type = "panda"

[[image]]
name = "b2g"
pxe = { "panda" = "image" }

[[relay_board]]
name = "relay-1"
fqdn = "relay-1.example:2101"

[[device]]
name = "panda-1"
fqdn = "panda-1.example"
mac = "0a:0b:0c:0d:0e:01"
relay_info = "relay-1.example:bank1:relay1"
environment = "Größe"
hardware_type = "panda"
tags = ["usb", "camera"]
comments = "100 % Ümläut 🐼"
state = "ready"

[[device]]
name = "panda-2"
fqdn = "panda-2.example"
hardware_type = "panda"
state = "ready"
"#;

fn lab() -> Lab {
    Lab::parse(LAB, "lab.toml", "here").unwrap()
}

fn location(url: &str) -> Location {
    url.parse().unwrap()
}

fn open_error(location: &Location) -> StoreError {
    location.open().err().expect("this must not open")
}

/// What a store says of `panda-1`.
fn comments(store: &mut dyn Store) -> String {
    store.device("panda-1").unwrap().expect("it is there").comments
}

/// A port that is free at the moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server listens at this port of the loopback interface.
fn at_port(port: u16) -> Vec<String> {
    vec![format!("--port={port}"), "--bind-address=127.0.0.1".into()]
}
