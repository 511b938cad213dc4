//! The built daemon on a hostile network: malformed, truncated, oversized and repeated input on each of its ports, and a
//! relay board that misbehaves. Each time it is looked at from outside whether the answer is right where one is due, whether
//! good requests are still served, and that neither state nor log nor memory grew by what was bad.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod support;

#[path = "bad_input/api.rs"]
mod api;
#[path = "bad_input/http.rs"]
mod http;
#[path = "bad_input/relay.rs"]
mod relay;
#[path = "bad_input/rig.rs"]
mod rig;
#[path = "bad_input/seeded.rs"]
mod seeded;
#[path = "bad_input/syslog.rs"]
mod syslog;
#[path = "bad_input/tftp.rs"]
mod tftp;
