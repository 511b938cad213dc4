//! How connections come in, and how nobody is let in any more without a call being lost.
//!
//! An error of accept(2) never ends it: what the system has too little of it will have again. A service manager may hold the
//! listening socket, too, and give it to the daemon that follows; then who has not been let in is answered by that one. So the
//! socket is never shut down, only left alone.

use super::{Front, State};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// For so long nothing is accepted after an error.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two warnings of such errors.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Connections that are closed when the system has no more descriptors or memory.
const CLOSE: usize = 16;

/// A connection that was let in and says nothing for so long says nothing more: its call was on its way when we began to leave.
const QUIET: Duration = Duration::from_millis(50);
/// The same for one that has not said anything at all.
const NEW: Duration = Duration::from_millis(250);
/// How long clients that call again and again, on connections that they keep, are answered.
const CALLS_LIMIT: Duration = Duration::from_secs(1);
/// How long those get, from the beginning on, whose bodies are on their way, and who get reports and long answers: the layers wait
/// as long with what has to be done (`CALL_GRACE` of the daemon).
const SLOW_LIMIT: Duration = Duration::from_secs(2);
/// How long answers may take to go out after that, at most. The calls behind them have time limits of their own.
const ANSWERS_LIMIT: Duration = Duration::from_secs(12);
/// Between two looks at how it stands, while this lasts.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A listening socket.
#[derive(Debug)]
pub(in crate::layers::http) struct Listening {
    /// `None` when nobody is let in any more.
    listener: Option<TcpListener>,
    /// Somebody may be waiting.
    has_more: bool,
    paused_until: Option<Instant>,
    said: Option<Instant>,
    /// Since when nobody is let in.
    leaving_since: Option<Instant>,
    /// Calls were handed over until then.
    calls_ended: Option<Instant>,
}

/// What came of asking for a connection.
pub(super) enum Accepted {
    One(TcpStream, SocketAddr),
    NoneNow,
    /// So many others should go, for the system is short of something.
    Failed {
        close: usize,
    },
}

impl Listening {
    /// To one that does not wait.
    pub(in crate::layers::http) fn to(listener: TcpListener) -> Self {
        Self {
            listener: Some(listener),
            has_more: true,
            paused_until: None,
            said: None,
            leaving_since: None,
            calls_ended: None,
        }
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        registry.register(&mut SourceFd(&listener.as_raw_fd()), token, Interest::READABLE)
    }

    pub(super) fn is_ready(&mut self) {
        self.has_more = true;
    }

    /// When somebody is to be let in, as far as that is known.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let waits = self.listener.is_some() && self.has_more;
        waits.then(|| self.paused_until.unwrap_or(now))
    }

    /// The next who waits.
    pub(super) fn accept(&mut self, now: Instant) -> Accepted {
        let Some(listener) = self.listener.as_ref().filter(|_| self.has_more) else {
            return Accepted::NoneNow;
        };
        if self.paused_until.is_some_and(|until| now < until) {
            return Accepted::NoneNow;
        }
        self.paused_until = None;
        loop {
            let error = match listener.accept() {
                Ok((socket, peer)) => return Accepted::One(socket, peer),
                Err(error) => error,
            };
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EAGAIN) => {
                    self.has_more = false;
                    return Accepted::NoneNow;
                }
                // It was gone again before we came to it (accept(2), "Error handling").
                Some(Errno::EINTR | Errno::ECONNABORTED | Errno::EPROTO) => continue,
                _ => {}
            }
            self.paused_until = Some(now + PAUSE);
            if self.said.is_none_or(|said| now >= said + SAY_EVERY) {
                self.said = Some(now);
                log::warn!(
                    "cannot accept an HTTP connection: {error}; others that rest are closed, and it is tried again"
                );
            }
            return Accepted::Failed { close: CLOSE };
        }
    }
}

impl Front {
    /// Lets nobody in any more, waits for calls that are on their way, and for their answers; whether all that is over.
    pub(super) fn has_stopped(&mut self, now: Instant) -> bool {
        let since = *self.listening.leaving_since.get_or_insert(now);
        if self.listening.listener.is_some() {
            // Who has been let in by the system is answered by us, if nobody else can.
            if self.listening.next(now).is_some() && now < since + CALLS_LIMIT {
                return false;
            }
            if let Some(listener) = self.listening.listener.take() {
                // Closing it does not do this where a service manager has it open, too.
                let _ = self.poll.registry().deregister(&mut SourceFd(&listener.as_raw_fd()));
            }
            self.heard = self.heard.max(now);
            log::debug!("nobody is let in by HTTP any more");
        }
        let Some(ended) = self.listening.calls_ended else {
            let slots = || self.slots.iter().flatten();
            let is_quiet = now >= self.heard + QUIET
                && self.with.queue.is_idle()
                && !slots().any(|s| matches!(&s.state, State::Reading { reader, .. } if reader.is_amid()))
                && !slots().any(|s| !s.has_called && now < s.since + NEW);
            if is_quiet || now >= since + CALLS_LIMIT {
                self.with.queue.close();
                self.listening.calls_ended = Some(now);
            }
            return false;
        };
        let is_sending = self.slots.iter().flatten().any(|s| matches!(s.state, State::Sending { .. }));
        if now < since + SLOW_LIMIT && self.with.handed_over.iter().any(|threads| !threads.is_idle()) {
            return false;
        }
        self.with.queue.is_idle() && (!is_sending || now >= ended + CALLS_LIMIT)
            || now >= ended + ANSWERS_LIMIT
    }
}
