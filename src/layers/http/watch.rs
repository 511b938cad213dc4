//! Those who wait for changes: each has a small thread of its own, and there are only so many.
//!
//! A watcher's thread sleeps until something happens that its client wants, the client's time is up, or the server stops. A
//! client that reads slowly falls behind, which costs nobody anything; one that does not read at all is hung up on by the
//! system after [`super::SILENCE`].

use super::Shared;
use super::connection::Line;
use super::request::{Request, Writer};
use super::wire::{Arrived, SERVER, respond};
use crate::api::events::{self, Found, Page, STREAM_TYPE, Watch};
use crate::api::reply::ApiError;
use crate::api::time::http_date;
use crate::store::Store;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a thread that mostly sleeps needs; reading from the store and writing JSON take a part of it.
const STACK_BYTES: usize = 256 << 10;
/// A stream on which nothing happens says that it lives four times, 15 seconds apart, before anybody would take it for dead: so
/// proxies keep it, and a client that is gone is noticed.
pub(super) const HEARTBEATS: u32 = 4;
/// Changes that are written at once.
const PIECE: usize = 100;
/// A client that takes longer than this for one piece is so far behind that it had better come back.
pub(super) const PIECE_WAIT: Duration = Duration::from_secs(30);

/// Gives the watcher a thread, or says that there is none.
pub(super) fn begin(shared: &Arc<Shared>, request: Request, watch: Watch, arrived: Arrived) {
    arrived.line.watch();
    let Some(slot) = shared.watchers.enter(request.client()) else {
        return respond(request, ApiError::WatchersFull.reply(), &arrived);
    };
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new().name("http-watch".into()).stack_size(STACK_BYTES);
    let started = thread.spawn(move || {
        let _slot = slot;
        let job = || run(&shared, request, &watch, &arrived);
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            log::error!("a watcher has panicked");
        }
    });
    if let Err(error) = started {
        // The request was dropped with the thread that was not to be, and has answered 500.
        log::error!("cannot start a watcher's thread: {error}");
    }
}

fn run(shared: &Arc<Shared>, request: Request, watch: &Watch, arrived: &Arrived) {
    if watch.query.stream {
        let mut stream = Stream::new(request);
        let result = follow(shared, watch, &mut stream, &arrived.line);
        if let Err(error) = &result {
            log::debug!("peer={} does not listen to its stream any more: {error}", arrived.peer);
        }
        arrived.log_stream(stream.sent);
        stream.end(&result);
    } else {
        let page = wait(shared, watch, &arrived.line);
        // It may have waited for most of a minute, and what it is told of is what has happened since.
        let access = &shared.parts.commands.access;
        let may = watch.stays.is_good(access, shared.parts.clock.now(), || shared.open_store());
        let gone = || ApiError::unauthorized("the token or session is good no more").reply();
        respond(request, if may { page.reply() } else { gone() }, arrived);
    }
}

fn wait(shared: &Shared, watch: &Watch, line: &Line) -> Page {
    let Watch { query, after, stays: _ } = watch;
    let until = Instant::now() + query.wait;
    match shared.parts.recent.wait(*after, query.limit, &query.filter, until, || line.is_followed()) {
        Found::Some { entries, seen } => Page { entries, seen },
        // It goes on where it was; if that is in the store only, it is answered from there.
        Found::Behind | Found::Ahead { .. } => Page { entries: Vec::new(), seen: *after },
    }
}

/// Writes what happens, until the client has enough or is told to come back.
fn follow(shared: &Shared, watch: &Watch, stream: &mut Stream, line: &Line) -> io::Result<()> {
    let Watch { query, after, stays } = watch;
    let mut stays = stays.clone();
    let (limit, filter) = (query.limit.min(PIECE), &query.filter);
    let mut at = *after;
    let mut store: Option<Box<dyn Store>> = None;
    stream.begin(&http_date(shared.parts.clock.now()))?;
    stream.send(&events::stream_begin(at))?;
    let recent = &shared.parts.recent;
    while !line.is_followed() && !recent.is_closed() {
        let until = Instant::now() + shared.parts.silence / HEARTBEATS;
        let page = match recent.wait(at, limit, filter, until, || line.is_followed()) {
            Found::Some { entries, seen } => {
                store = None;
                Page { entries, seen }
            }
            Found::Ahead { .. } => Page { entries: Vec::new(), seen: at },
            // A connection of its own, but only for as long as it has to catch up.
            Found::Behind => match catch_up(shared, &mut store, at, limit, filter) {
                Ok(page) => page,
                Err(error) => {
                    log::info!("a stream ends: {error}");
                    break;
                }
            },
        };
        // Before it is told what has happened since.
        let access = &shared.parts.commands.access;
        if !stays.may_go_on(access, shared.parts.clock.now(), || shared.open_store()) {
            break;
        }
        at = page.seen;
        let begun = Instant::now();
        stream.send(&page.stream_text())?;
        if begun.elapsed() > PIECE_WAIT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it reads too slowly"));
        }
    }
    Ok(())
}

fn catch_up(
    shared: &Shared,
    store: &mut Option<Box<dyn Store>>,
    after: u64,
    limit: usize,
    filter: &events::Filter,
) -> Result<Page, ApiError> {
    let store = match store {
        Some(store) => store,
        None => store.insert(shared.open_store()?),
    };
    events::from_store(store.as_mut(), after, limit, filter)
}

/// An answer without an end, in pieces (RFC 9112 section 7.1). HTTP/1.0 has no pieces: there the connection's end is its own.
pub(super) struct Stream {
    writer: Writer,
    pieces: bool,
    /// Bytes of text.
    pub(super) sent: u64,
}

impl Stream {
    pub(super) fn new(request: Request) -> Self {
        let pieces = request.head().is_1_1;
        let mut writer = request.into_writer();
        if !pieces {
            writer.ends_with_the_connection();
        }
        Self { writer, pieces, sent: 0 }
    }

    pub(super) fn begin(&mut self, date: &str) -> io::Result<()> {
        let (version, framing) =
            if self.pieces { ("1.1", "Transfer-Encoding: chunked") } else { ("1.0", "Connection: close") };
        // The last line is for nginx, which would keep back what is to be seen at once.
        let head = format!(
            "HTTP/{version} 200 OK\r\nServer: {SERVER}\r\nDate: {date}\r\nContent-Type: {STREAM_TYPE}\r\n\
             Cache-Control: no-store\r\n{framing}\r\nX-Accel-Buffering: no\r\n\r\n"
        );
        self.writer.write_all(head.as_bytes())
    }

    pub(super) fn send(&mut self, text: &str) -> io::Result<()> {
        if self.pieces {
            self.writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
        } else {
            self.writer.write_all(text.as_bytes())?;
        }
        self.writer.flush()?;
        self.sent += text.len() as u64;
        Ok(())
    }

    /// The stream was cut off, or it is ended so that the connection can be used again.
    pub(super) fn end(self, result: &io::Result<()>) {
        if result.is_ok() {
            self.writer.finish_with(if self.pieces { b"0\r\n\r\n".to_vec() } else { Vec::new() });
        }
    }
}
