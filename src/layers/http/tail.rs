//! Those who follow a device's log: each has a thread and a connection to the store of its own, and they are bounded in number
//! together with those who wait for changes.
//!
//! A thread sleeps until the journal has written something; what the machines write it finds within a second.

use super::Shared;
use super::watch::{PIECE_WAIT, Stream};
use super::wire::{Arrived, respond};
use crate::api::logs::Tail;
use crate::api::reply::ApiError;
use crate::api::time::http_date;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tiny_http::Request;

/// Reading from the store and writing JSON, as an API thread does.
const STACK_BYTES: usize = 512 << 10;
/// How long lines of the machines may take, of which no bell tells.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// Between two pieces: lines that come in a flood are told in bunches.
const REST: Duration = Duration::from_millis(50);

/// Gives the follower a thread, or says that there is none.
pub(super) fn begin(shared: &Arc<Shared>, request: Request, tail: Tail, mut arrived: Arrived) {
    arrived.line.watch();
    let Some(slot) = shared.watchers.enter() else {
        return respond(request, ApiError::WatchersFull.reply(), &arrived);
    };
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("http-watch".into()).stack_size(STACK_BYTES);
    let started = thread.spawn(move || {
        let _slot = slot;
        if catch_unwind(AssertUnwindSafe(|| run(&shared, request, tail, &arrived))).is_err() {
            log::error!("a follower of a log has panicked");
        }
    });
    if let Err(error) = started {
        // The request was dropped with the thread that was not to be, and has answered 500.
        log::error!("cannot start a follower's thread: {error}");
    }
}

fn run(shared: &Shared, request: Request, tail: Tail, arrived: &Arrived) {
    let mut stream = Stream::new(request);
    if let Err(error) = follow(shared, tail, &mut stream, arrived) {
        log::debug!("peer={} does not follow its log any more: {error}", arrived.peer);
    }
    arrived.log_stream(stream.sent);
}

fn follow(shared: &Shared, mut tail: Tail, stream: &mut Stream, arrived: &Arrived) -> io::Result<()> {
    let (bell, line) = (&shared.parts.log_bell, &arrived.line);
    stream.begin(&http_date(shared.parts.clock.now()))?;
    stream.send(&tail.begin())?;
    let mut store = match shared.open_store() {
        Ok(store) => store,
        Err(error) => {
            log::info!("a stream of a log ends: {error}");
            return stream.end();
        }
    };
    let heartbeat = shared.parts.silence / super::watch::HEARTBEATS;
    let mut spoken = Instant::now();
    while !line.is_followed() && !shared.parts.recent.is_closed() {
        let access = &shared.parts.commands.access;
        if !tail.stays.may_go_on(access, shared.parts.clock.now(), || shared.open_store()) {
            break;
        }
        let seen = bell.writes();
        let (text, more) = match tail.next(store.as_mut()) {
            Ok(Some(next)) => next,
            // The device was deleted. Whoever calls again is told so.
            Ok(None) => break,
            Err(error) => {
                log::info!("a stream of a log ends: {error}");
                break;
            }
        };
        let begun = Instant::now();
        if !text.is_empty() {
            stream.send(&text)?;
            spoken = begun;
        } else if begun.duration_since(spoken) >= heartbeat {
            if line.has_company() {
                break;
            }
            stream.send(": up to date\n\n")?;
            spoken = begun;
        }
        if begun.elapsed() > PIECE_WAIT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it reads too slowly"));
        }
        if !more {
            bell.wait(seen, LOOK_ANYWAY);
            std::thread::sleep(REST);
        }
    }
    stream.end()
}
