//! A connection while a thread works on its call, and the way back to *http-front*, which owns it before and after.
//!
//! The socket is a blocking one with time limits; *http-front* asks it without waiting.

use super::reader::{PIECE, Reader};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What becomes of a connection that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next call.
    Keep,
    /// It is closed, when what its peer still sends has been passed over: a connection that is closed before makes the peer's
    /// system throw our answer away (RFC 9112 section 9.6).
    Leave,
    /// The same, and less is passed over: what it said was no call.
    Refuse,
}

/// A connection that is given back.
pub(super) struct Returned {
    pub(super) place: usize,
    /// `None`: it is of no use any more.
    pub(super) with: Option<(Reader, Vec<u8>, Then)>,
}

/// The way back.
pub(super) struct Home {
    returned: Mutex<Vec<Returned>>,
    waker: mio::Waker,
    /// It has been woken and has not looked yet.
    is_told: AtomicBool,
    is_stopping: AtomicBool,
}

impl Home {
    pub(super) fn new(waker: mio::Waker) -> Self {
        let (is_told, is_stopping) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { returned: Mutex::default(), waker, is_told, is_stopping }
    }

    /// Has *http-front* look.
    pub(super) fn wake(&self) {
        if !self.is_told.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake http-front: {error}");
        }
    }

    /// Nobody is let in any more.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// What was given back since the last look; `into` is empty before.
    pub(super) fn take(&self, into: &mut Vec<Returned>) {
        self.is_told.store(false, Ordering::SeqCst);
        std::mem::swap(into, &mut self.returned.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// There are never more of these than connections.
    fn give(&self, returned: Returned) {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).push(returned);
        self.wake();
    }
}

/// Whether a client has said more while its call is under way.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// It has, or it is gone.
    more: AtomicBool,
    is_watched: AtomicBool,
}

impl Heard {
    /// A new call begins, behind which there is more already or not.
    pub(super) fn begin(&self, more: bool) {
        self.more.store(more, Ordering::SeqCst);
        self.is_watched.store(false, Ordering::SeqCst);
    }

    /// There is more; whether somebody wants to know.
    pub(super) fn note(&self) -> bool {
        self.more.store(true, Ordering::SeqCst);
        self.is_watched.load(Ordering::SeqCst)
    }
}

/// What a call that waits knows of its connection: answers go out in the order of the calls, so a client that says more does
/// not want to wait any more.
#[derive(Debug)]
pub(super) struct Line {
    heard: Arc<Heard>,
    socket: Arc<TcpStream>,
}

impl Line {
    /// This call will wait for something to happen.
    pub(super) fn watch(&self) {
        self.heard.is_watched.store(true, Ordering::SeqCst);
        // What came before anybody looked is told by nobody.
        if peek(&self.socket) {
            self.heard.note();
        }
    }

    /// The client has said more after this call, or is gone.
    pub(super) fn is_followed(&self) -> bool {
        self.heard.more.load(Ordering::SeqCst)
    }
}

/// Whether there are bytes to read. That no more will come is no word: a client may have ended its own half.
pub(super) fn peek(socket: &TcpStream) -> bool {
    matches!(recv(socket.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT), Ok(1..))
}

/// Reads what is there, without waiting.
pub(super) fn read_now(socket: &TcpStream, into: &mut [u8]) -> nix::Result<usize> {
    recv(socket.as_raw_fd(), into, MsgFlags::MSG_DONTWAIT)
}

/// Writes as much as the system takes, without waiting; how much that was.
pub(super) fn write_now(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match send(socket.as_raw_fd(), &bytes[sent..], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
            Ok(count) => sent += count,
            Err(Errno::EAGAIN) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
}

/// One whose call is worked on.
pub(super) struct Connection {
    place: usize,
    pub(super) socket: Arc<TcpStream>,
    pub(super) peer: SocketAddr,
    pub(super) reader: Reader,
    heard: Arc<Heard>,
    home: Arc<Home>,
    is_back: bool,
}

impl Connection {
    pub(super) fn new(
        place: usize,
        socket: Arc<TcpStream>,
        peer: SocketAddr,
        reader: Reader,
        heard: Arc<Heard>,
        home: Arc<Home>,
    ) -> Self {
        Self { place, socket, peer, reader, heard, home, is_back: false }
    }

    pub(super) fn line(&self) -> Line {
        Line { heard: Arc::clone(&self.heard), socket: Arc::clone(&self.socket) }
    }

    /// The server ends.
    pub(super) fn is_stopping(&self) -> bool {
        self.home.is_stopping()
    }

    /// Gives it back. `rest` is still to be sent.
    pub(super) fn give_back(mut self, rest: Vec<u8>, then: Then) {
        self.is_back = true;
        let with = Some((std::mem::take(&mut self.reader), rest, then));
        self.home.give(Returned { place: self.place, with });
    }

    /// Takes it back from a thread that was not to be.
    pub(super) fn into_reader(mut self) -> Reader {
        self.is_back = true;
        std::mem::take(&mut self.reader)
    }

    /// Waits for bytes until then, and reads them into `into`.
    pub(super) fn read_until(&self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            match read_now(&self.socket, into) {
                Err(Errno::EAGAIN) => {}
                Err(Errno::EINTR) => continue,
                other => return other.map_err(io::Error::from),
            }
            let left = until.saturating_duration_since(Instant::now());
            // A millisecond more, so that the time is over when it is said to be.
            let ms = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::from(ms)) {
                Ok(0) if Instant::now() >= until => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for bytes until then, and keeps them unread; whether there were any.
    pub(super) fn fill_until(&mut self, until: Instant) -> io::Result<bool> {
        let mut piece = [0; PIECE / 2];
        let count = self.read_until(&mut piece, until)?;
        self.reader.push(&piece[..count]);
        Ok(count > 0)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_back {
            self.home.give(Returned { place: self.place, with: None });
        }
    }
}
