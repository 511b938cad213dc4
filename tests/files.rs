//! Files of the built daemon: to real clients, to a rack at once, in variants, and to whoever means us ill.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[path = "api/client.rs"]
#[allow(dead_code, reason = "a client of other tests, which use all of it")]
mod client;
mod support;

#[path = "files/abuse.rs"]
mod abuse;
#[path = "files/changes.rs"]
mod changes;
#[path = "files/clients.rs"]
mod clients;
#[path = "files/connections.rs"]
mod connections;
#[path = "files/rack.rs"]
mod rack;
#[path = "files/rig.rs"]
mod rig;
#[path = "files/variants.rs"]
mod variants;
