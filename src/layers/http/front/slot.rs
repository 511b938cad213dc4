//! One connection as *http-front* knows it.

use crate::layers::http::client::Client;
use crate::layers::http::connection::{Heard, Then};
use crate::layers::http::reader::Reader;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

/// Where it stands.
pub(super) enum State {
    /// The next call is waited for; `begun`: since then a part of it is here.
    Reading { reader: Reader, begun: Option<Instant> },
    /// A thread works on its call.
    Working,
    /// The rest of an answer goes out, of which so much is sent.
    Sending { rest: Vec<u8>, sent: usize, reader: Reader, then: Then },
    /// It ends when its peer has ended its half, too; so much more is passed over.
    Leaving { left: usize },
}

impl State {
    /// Bytes of memory beside its own, used or not.
    pub(super) fn holds(&self) -> usize {
        match self {
            Self::Reading { reader, .. } => reader.kept(),
            Self::Sending { rest, reader, .. } => rest.capacity() + reader.kept(),
            Self::Working | Self::Leaving { .. } => 0,
        }
    }
}

/// A connection.
pub(super) struct Slot {
    pub(super) socket: Arc<TcpStream>,
    pub(super) peer: SocketAddr,
    pub(super) client: Client,
    pub(super) heard: Arc<Heard>,
    pub(super) state: State,
    /// When it came, or its last call was answered.
    pub(super) since: Instant,
    /// It has said one whole thing at least.
    pub(super) has_called: bool,
    /// Something may be left to read that nobody will tell of again.
    pub(super) may_have_more: bool,
    /// Its peer has ended its half: behind what is left to read is an end.
    pub(super) has_ended: bool,
    /// It may be closed to make room, and stands in the line for that under this time.
    pub(super) is_resting: bool,
    pub(super) resting_since: Instant,
    /// When its time in this state is over.
    pub(super) due: Option<Instant>,
    /// What was counted of what it holds.
    pub(super) held: usize,
}

impl Slot {
    pub(super) fn new(socket: TcpStream, peer: SocketAddr, client: Client, now: Instant) -> Self {
        Self {
            socket: Arc::new(socket),
            peer,
            client,
            heard: Arc::default(),
            state: State::Working,
            since: now,
            has_called: false,
            may_have_more: false,
            has_ended: false,
            is_resting: false,
            resting_since: now,
            due: None,
            held: 0,
        }
    }

    /// Takes what it has said, for whoever works on its call.
    pub(super) fn reader(&mut self) -> Option<Reader> {
        match &mut self.state {
            State::Reading { reader, .. } => Some(std::mem::take(reader)),
            State::Working | State::Sending { .. } | State::Leaving { .. } => None,
        }
    }
}
