//! *http-front*: one thread that owns the listening socket and every connection on which nobody works. It reads heads and short
//! bodies as they come, hands whole calls to the queue, takes connections back, and closes those that are too slow, say what is
//! no call, or have to make room. A connection costs a descriptor and some hundred bytes here, and no thread.
//!
//! It never waits for a peer and never blocks; what a call means, it does not know. Epoll tells it of changes only (edge-triggered),
//! so each connection remembers whether something may be left to read.

mod slot;
mod standing;

use self::slot::{Slot, State};
pub(super) use self::standing::Listening;
use super::access::{self, AccessLog};
use super::client::Client;
use super::connection::{Connection, Home, Returned, Then, peek, read_now, write_now};
use super::places::Places;
use super::queue::Queue;
use super::reader::{Arrival, PIECE, Reader};
use super::refusal::Refusal;
use super::request::Request;
use super::stats::Stats;
use super::transfers::Transfers;
use super::write::{self, Shape};
use crate::api::access::Access;
use crate::api::events::Recent;
use crate::layers::supervise::Exit;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LISTENER: Token = Token(usize::MAX - 1);
/// For whoever gives a connection back.
pub(super) const WAKER: Token = Token(usize::MAX - 2);

/// Events of one look.
const EVENTS: usize = 1024;
/// Connections that are accepted before the others are looked at again.
const ACCEPT_AT_ONCE: usize = 256;
/// Bytes of memory for half calls and for answers that wait to be taken, of all connections together. A lab's calls come whole and are taken
/// at once; this is for slow ones, some thousand of them.
const HELD_MAX: usize = 64 << 20;
/// How long a peer whose connection ends may go on sending.
const LEAVE_WAIT: Duration = Duration::from_secs(5);
/// What is passed over of that: twice the largest import.
const LEAVE_BYTES_MAX: usize = 64 << 20;
/// … of one that said what is no call. Whoever sends a head without an end is not read for long.
const REFUSE_BYTES_MAX: usize = 2 << 20;
/// … before the others are looked at again.
const LEAVE_AT_ONCE: usize = 256 << 10;

/// What is bounded here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections.
    pub(super) connections: usize,
    /// How long one may rest between two calls, or leave an answer untaken.
    pub(super) silence: Duration,
    /// How long a call may take from its first byte until it is whole: head and short body.
    pub(super) call_wait: Duration,
}

/// Whom it works with.
pub(super) struct With {
    pub(super) home: Arc<Home>,
    pub(super) queue: Arc<Queue>,
    pub(super) log: Arc<AccessLog>,
    /// Knows who calls through a reverse proxy.
    pub(super) access: Arc<Access>,
    pub(super) recent: Arc<Recent>,
    pub(super) stats: Arc<Stats>,
    /// Threads that answer calls, too: slow bodies, long answers, and reports.
    pub(super) handed_over: [Arc<Transfers>; 2],
}

/// The thread's own.
pub(super) struct Front {
    poll: Poll,
    listening: Listening,
    limits: Limits,
    with: With,
    places: Places,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// Connections with something left to read that had their share.
    again: BTreeSet<usize>,
    open: usize,
    /// When a call has come last.
    heard: Instant,
    scratch: Box<[u8; PIECE]>,
}

impl Front {
    /// Of a listener that does not wait.
    pub(super) fn new(poll: Poll, listening: Listening, limits: Limits, with: With) -> io::Result<Self> {
        listening.register(poll.registry(), LISTENER)?;
        let now = Instant::now();
        Ok(Self {
            poll,
            listening,
            limits,
            with,
            places: Places::new(now),
            slots: Vec::new(),
            free: Vec::new(),
            again: BTreeSet::new(),
            open: 0,
            heard: now,
            scratch: Box::new([0; PIECE]),
        })
    }

    /// Until it is told to stop and everybody who is in has been answered.
    pub(super) fn run(mut self) -> Exit {
        let mut events = Events::with_capacity(EVENTS);
        let mut returned = Vec::new();
        loop {
            let now = Instant::now();
            let wait = self.wait(now);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Exit::Failed(format!("cannot wait for HTTP connections: {error}"));
                }
                _ => {}
            }
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    LISTENER => self.listening.is_ready(),
                    WAKER => {}
                    Token(place) => {
                        let ended = event.is_read_closed();
                        let gone = event.is_error() || ended && event.is_write_closed();
                        if let Some(slot) = self.slot(place) {
                            slot.may_have_more |= event.is_readable() || ended || gone;
                            slot.has_ended |= ended;
                        }
                        self.is_ready(place, gone, now);
                    }
                }
            }
            self.with.home.take(&mut returned);
            for back in returned.drain(..) {
                self.take_back(back, now);
            }
            for place in std::mem::take(&mut self.again) {
                self.go_on(place, now);
            }
            self.accept(now);
            while let Some(place) = self.places.due(now) {
                self.time_is_over(place, now);
            }
            self.with.log.tidy(now);
            if self.with.home.is_stopping() && self.has_stopped(now) {
                self.with.log.end(now);
                return Exit::Stopped;
            }
        }
    }

    /// How long there is nothing to do by itself.
    fn wait(&self, now: Instant) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let stopping = self.with.home.is_stopping().then(|| now + standing::LOOK_EVERY);
        let at = [self.places.next_due(), self.listening.next(now), self.with.log.due(), stopping];
        let first = at.into_iter().flatten().min()?;
        Some(first.saturating_duration_since(now))
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPT_AT_ONCE {
            match self.listening.accept(now) {
                standing::Accepted::One(socket, peer) => self.let_in(socket, peer, now),
                standing::Accepted::NoneNow => return,
                standing::Accepted::Failed { close } => {
                    Stats::count(&self.with.stats.accept_errors);
                    for _ in 0..close {
                        let Some(place) = self.places.first_to_go() else { break };
                        Stats::count(&self.with.stats.displaced);
                        self.close(place);
                    }
                    return;
                }
            }
        }
    }

    fn let_in(&mut self, socket: TcpStream, peer: SocketAddr, now: Instant) {
        Stats::count(&self.with.stats.accepted);
        if self.open >= self.limits.connections {
            let Some(place) = self.places.first_to_go() else {
                // All that there are have calls under way.
                Stats::count(&self.with.stats.no_room);
                return;
            };
            Stats::count(&self.with.stats.displaced);
            self.close(place);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let fd = socket.as_raw_fd();
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), Token(place), interest) {
            log::warn!("peer={} cannot be listened to: {error}", peer.ip());
            self.free.push(place);
            return;
        }
        let client = Client::of(peer.ip());
        self.places.open(client);
        self.open += 1;
        self.with.stats.open.store(self.open as u64, Ordering::Relaxed);
        self.slots[place] = Some(Slot::new(socket, peer, client, now));
        self.stay(
            place,
            State::Reading { reader: Reader::default(), begun: None },
            now + self.limits.silence,
        );
    }

    fn slot(&mut self, place: usize) -> Option<&mut Slot> {
        self.slots.get_mut(place)?.as_mut()
    }

    /// Something has happened to a connection; `gone`: it is of no use any more.
    fn is_ready(&mut self, place: usize, gone: bool, now: Instant) {
        let Some(slot) = self.slot(place) else { return };
        match slot.state {
            State::Working => {
                if slot.may_have_more && (gone || peek(&slot.socket)) && slot.heard.note() {
                    self.with.recent.nudge();
                }
            }
            State::Reading { .. } | State::Sending { .. } | State::Leaving { .. } => self.go_on(place, now),
        }
    }

    /// Does what can be done on a connection.
    fn go_on(&mut self, place: usize, now: Instant) {
        let Some(slot) = self.slot(place) else { return };
        match slot.state {
            State::Working => {}
            State::Reading { .. } => self.read(place, now),
            State::Sending { .. } => self.send(place, now),
            State::Leaving { .. } => self.pass_over(place),
        }
    }

    /// Reads until a call is whole, or no more is there.
    fn read(&mut self, place: usize, now: Instant) {
        loop {
            let scratch = &mut self.scratch[..];
            let Some(Some(slot)) = self.slots.get_mut(place) else { return };
            let State::Reading { reader, begun } = &mut slot.state else { return };
            match reader.next_call() {
                Ok(Some(arrival)) => return self.hand_over(place, arrival, now),
                Err(why) => return self.refuse(place, why, now),
                Ok(None) => {}
            }
            if !slot.may_have_more {
                let until = match reader.is_amid() {
                    true => *begun.get_or_insert(now) + self.limits.call_wait,
                    false => slot.since + self.limits.silence,
                };
                self.arm(place, Some(until));
                return self.hold(place);
            }
            match read_now(&slot.socket, scratch) {
                Ok(0) if reader.is_amid() => {
                    return self.refuse(
                        place,
                        Refusal::Malformed("the connection ended before it was whole"),
                        now,
                    );
                }
                Ok(0) => return self.close(place),
                Ok(count) => {
                    // Who took less than there was room for has taken all; but of an end behind it nobody tells again.
                    slot.may_have_more = count == scratch.len() || slot.has_ended;
                    reader.push(&scratch[..count]);
                }
                Err(Errno::EAGAIN) => slot.may_have_more = false,
                Err(Errno::EINTR) => {}
                Err(_) => return self.close(place),
            }
        }
    }

    /// Gives a whole call to whoever has time for it.
    fn hand_over(&mut self, place: usize, arrival: Arrival, now: Instant) {
        self.heard = now;
        let home = Arc::clone(&self.with.home);
        let Some(slot) = self.slot(place) else { return };
        let Some(reader) = slot.reader() else { return };
        slot.heard.begin(reader.has_more());
        let (socket, heard) = (Arc::clone(&slot.socket), Arc::clone(&slot.heard));
        let (client, peer, is_1_1) = (slot.client, slot.peer, arrival.head.is_1_1);
        slot.has_called = true;
        // Threads and places are shared out among those for whom a reverse proxy calls. The connection is its own.
        let behind = self.with.access.address_behind(peer.ip(), arrival.head.all("X-Forwarded-For"));
        let client = behind.map_or(client, Client::of);
        let connection = Connection::new(place, socket, peer, reader, heard, home);
        let request = Request::new(arrival, connection, client, self.limits.silence);
        self.work(place);
        if let Err(request) = self.with.queue.push(client, request) {
            let (method, target) = (request.head().method.clone(), request.head().target.clone());
            drop(request.into_connection().into_reader());
            self.answer_refusal(place, Refusal::Busy, is_1_1, (&method, &target), now);
        }
    }

    /// A connection comes back.
    fn take_back(&mut self, back: Returned, now: Instant) {
        let Returned { place, with } = back;
        let Some((reader, rest, then)) = with else { return self.close(place) };
        let Some(slot) = self.slot(place) else { return };
        slot.since = now;
        if rest.is_empty() {
            self.begin_again(place, reader, then, now);
        } else {
            self.stay(place, State::Sending { rest, sent: 0, reader, then }, now + self.limits.silence);
            self.send(place, now);
        }
    }

    /// An answer is out.
    fn begin_again(&mut self, place: usize, reader: Reader, then: Then, now: Instant) {
        match then {
            Then::Keep => {
                self.stay(place, State::Reading { reader, begun: None }, now + self.limits.silence);
                self.read(place, now);
            }
            Then::Leave | Then::Refuse => {
                let left = if then == Then::Refuse { REFUSE_BYTES_MAX } else { LEAVE_BYTES_MAX };
                let Some(slot) = self.slot(place) else { return };
                // What the peer has not sent yet it may still send; that we are done it hears now.
                let _ = slot.socket.shutdown(Shutdown::Write);
                slot.may_have_more = true;
                self.stay(place, State::Leaving { left }, now + LEAVE_WAIT);
                self.pass_over(place);
            }
        }
    }

    /// Sends what waits.
    fn send(&mut self, place: usize, now: Instant) {
        let Some(slot) = self.slot(place) else { return };
        let State::Sending { rest, sent, .. } = &mut slot.state else { return };
        match write_now(&slot.socket, &rest[*sent..]) {
            Err(_) => return self.close(place),
            Ok(count) => *sent += count,
        }
        if *sent < rest.len() {
            return self.hold(place);
        }
        if let State::Sending { reader, then, .. } = std::mem::replace(&mut slot.state, State::Working) {
            self.begin_again(place, reader, then, now);
        }
    }

    /// Reads what nobody wants, until the peer has ended its half.
    fn pass_over(&mut self, place: usize) {
        let mut share = 0;
        loop {
            let scratch = &mut self.scratch[..];
            let Some(Some(slot)) = self.slots.get_mut(place) else { return };
            let State::Leaving { left } = &mut slot.state else { return };
            if !slot.may_have_more {
                return;
            }
            if share >= LEAVE_AT_ONCE {
                self.again.insert(place);
                return;
            }
            match read_now(&slot.socket, scratch) {
                Ok(count @ 1..) if count <= *left => {
                    (*left, share) = (*left - count, share + count);
                    slot.may_have_more = count == scratch.len() || slot.has_ended;
                }
                Err(Errno::EAGAIN) => slot.may_have_more = false,
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => return self.close(place),
            }
        }
    }

    /// Says what is wrong, and ends the connection.
    fn refuse(&mut self, place: usize, why: Refusal, now: Instant) {
        self.answer_refusal(place, why, true, ("-", "-"), now);
    }

    fn answer_refusal(&mut self, place: usize, why: Refusal, is_1_1: bool, call: (&str, &str), now: Instant) {
        self.with.stats.refused(why);
        let reply = why.error().reply();
        let bytes = write::whole(&Shape::closing(is_1_1, call.0), &reply);
        let Some(slot) = self.slot(place) else { return };
        let (method, target) = call;
        let line = access::Line {
            method,
            target,
            status: reply.status,
            bytes: reply.bytes().len() as u64,
            took: Duration::ZERO,
            peer: slot.peer.ip().to_canonical(),
            who: None,
        };
        self.with.log.call(&line, now);
        let (rest, reader) = (bytes, Reader::default());
        self.stay(
            place,
            State::Sending { rest, sent: 0, reader, then: Then::Refuse },
            now + self.limits.silence,
        );
        self.send(place, now);
    }

    /// A connection has been as it is for too long.
    fn time_is_over(&mut self, place: usize, now: Instant) {
        let Some(slot) = self.slot(place) else { return };
        slot.due = None;
        match &slot.state {
            State::Reading { reader, .. } if reader.is_amid() => self.refuse(place, Refusal::TooSlow, now),
            State::Sending { .. } => {
                Stats::count(&self.with.stats.not_taken);
                self.close(place);
            }
            State::Reading { .. } | State::Leaving { .. } => self.close(place),
            // Nothing is due while somebody works.
            State::Working => {}
        }
    }

    /// Somebody works on its call: it stays as long as that takes.
    fn work(&mut self, place: usize) {
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        self.places.hold(slot.client, place, std::mem::take(&mut slot.held), 0);
        slot.state = State::Working;
        if std::mem::take(&mut slot.is_resting) {
            self.places.work(slot.client, slot.resting_since, place);
        }
        self.arm(place, None);
    }

    /// It is ours until then.
    fn stay(&mut self, place: usize, state: State, until: Instant) {
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        self.places.hold(slot.client, place, std::mem::take(&mut slot.held), 0);
        slot.state = state;
        if std::mem::take(&mut slot.is_resting) {
            self.places.work(slot.client, slot.resting_since, place);
        }
        (slot.is_resting, slot.resting_since) = (true, slot.since);
        self.places.rest(slot.client, slot.since, place);
        self.arm(place, Some(until));
    }

    fn arm(&mut self, place: usize, until: Option<Instant>) {
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        self.places.arm(place, slot.due, until);
        slot.due = until;
    }

    /// Counts what it holds; when that is too much together, others go.
    fn hold(&mut self, place: usize) {
        let Some(Some(slot)) = self.slots.get_mut(place) else { return };
        let holds = slot.state.holds();
        self.places.hold(slot.client, place, std::mem::replace(&mut slot.held, holds), holds);
        while self.places.held() > HELD_MAX {
            let Some(place) = self.places.first_to_give_back() else { return };
            Stats::count(&self.with.stats.displaced);
            self.close(place);
        }
    }

    /// Nothing is left of it here.
    fn close(&mut self, place: usize) {
        self.arm(place, None);
        let Some(slot) = self.slots.get_mut(place).and_then(Option::take) else { return };
        self.places.hold(slot.client, place, slot.held, 0);
        if slot.is_resting {
            self.places.work(slot.client, slot.resting_since, place);
        }
        // Whoever still has the socket keeps it open: what happens to it must not be told of the connection that gets this place.
        let _ = self.poll.registry().deregister(&mut SourceFd(&slot.socket.as_raw_fd()));
        self.places.close(slot.client);
        self.free.push(place);
        self.open -= 1;
        self.with.stats.open.store(self.open as u64, Ordering::Relaxed);
    }
}
