//! Do this server's relay boards answer?
//!
//! The two-way test, which switches nothing, on all boards at once. A board serves one connection at a time, so one that the daemon
//! is just using is waited for.

use super::{Finding, Server};
use relayctl::{BoardAddress, Settings};
use std::thread;
use std::time::{Duration, Instant};

/// Boards tested at once; each takes a thread while it does.
const AT_ONCE: usize = 32;
/// The most that one board may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a board that refuses is tried again: as long as a power cycle of the daemon has its only connection.
const PATIENCE: Duration = Duration::from_secs(6);

pub(super) fn boards(server: &Server<'_>) -> Vec<Finding> {
    let Some(stored) = &server.stored else { return Vec::new() };
    let ours: Vec<_> =
        stored.relay_boards.iter().filter(|b| b.imaging_server == server.config.server.name).collect();
    let mut findings = Vec::new();
    for portion in ours.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let tests: Vec<_> = portion.iter().map(|b| scope.spawn(|| test(&b.name, &b.fqdn))).collect();
            findings.extend(tests.into_iter().map(|t| t.join().expect("a test does not panic")));
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("{} has none", server.config.server.name)));
    }
    findings
}

fn test(name: &str, address: &str) -> Finding {
    let board: BoardAddress = match address.parse() {
        Ok(board) => board,
        Err(error) => return Finding::fail(format!("{name}: {error}"), "put it right in a lab file"),
    };
    let settings = Settings { patience: PATIENCE, ..Settings::new(Instant::now() + LIMIT) };
    match relayctl::test(&board, &settings) {
        Ok(()) => Finding::ok(format!("{name} ({board}) answers")),
        Err(error) => Finding::fail(
            format!("{name}: {error}"),
            "see that the board has power and network, and that its address is right",
        ),
    }
}
