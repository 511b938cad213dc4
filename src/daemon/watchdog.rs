//! The *watchdog* thread: asks every layer and the API whether they are there, and tells the service manager only what it heard.
//!
//! It is the same question as that of `GET ready`, without the store: a database that is away is no reason to start again. Who hangs
//! is named in the log before the service manager loses its patience. It runs only where a service manager listens.

use super::notify::Notifier;
use crate::api::Commands;
use crate::layers::supervise::Exit;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What an answer is waited for when nobody watches and only the start is to be told.
const START_WAIT: Duration = Duration::from_secs(30);

/// Whom it asks.
pub(super) struct Watch {
    pub(super) commands: Commands,
    /// Where the API listens.
    pub(super) http: SocketAddr,
    pub(super) notifier: Arc<Notifier>,
    /// Within this the service manager wants to hear of us; `None`: only the start is told.
    pub(super) every: Option<Duration>,
    /// What the service manager is told with the first word.
    pub(super) status: String,
}

impl Watch {
    /// Says that all is ready when all have answered, and from then on that they still do, until `stop`.
    pub(super) fn run(self, stop: &Receiver<()>) -> Exit {
        // Two chances before the service manager gives us up; what is asked may take as long as the pause.
        let pause = self.every.map_or(START_WAIT, |every| every / 4);
        let mut told = false;
        loop {
            let silent = self.silent(pause);
            if silent.is_empty() {
                if told {
                    self.notifier.alive();
                } else {
                    self.notifier.ready(&self.status);
                }
                told = true;
            } else {
                log::error!("{}; the service manager is not told that this daemon lives", silent.join(", "));
            }
            if told && self.every.is_none() {
                return stopped(stop);
            }
            match stop.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Exit::Stopped,
            }
        }
    }

    /// Who does not answer, and why.
    fn silent(&self, limit: Duration) -> Vec<String> {
        let asked = self.commands.ask_all();
        let http = ask_http(self.http, limit).err().map(|e| format!("http: {e}"));
        let layers = asked.wait(limit).into_iter();
        layers.filter_map(|(layer, why)| Some(format!("{layer}: {}", why?))).chain(http).collect()
    }
}

fn stopped(stop: &Receiver<()>) -> Exit {
    // Nothing is ever sent: its end is the word.
    let _ = stop.recv();
    Exit::Stopped
}

/// Calls the API as a client would. Whatever it answers, it lives.
fn ask_http(at: SocketAddr, limit: Duration) -> io::Result<()> {
    let mut own = at;
    if at.ip().is_unspecified() {
        own.set_ip(if at.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let mut stream = TcpStream::connect_timeout(&own, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    // Health asks neither the store nor a layer.
    stream.write_all(b"GET /api/health/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut begin = [0; 5];
    stream.read_exact(&mut begin)?;
    if begin == *b"HTTP/" { Ok(()) } else { Err(io::Error::other("it does not answer in HTTP")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_accepts_and_says_nothing_is_silent() {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let error = ask_http(at, Duration::from_millis(50)).expect_err("nobody answers");
        assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
        let answer = |said: &'static [u8]| {
            let (mut stream, _) = listener.accept().expect("the earlier call or this one");
            stream.write_all(said).ok();
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                answer(b"");
                answer(b"HTTP/1.1 503 busy\r\n");
                answer(b"SSH-2.0-x\r\n");
            });
            let limit = Duration::from_secs(60);
            assert!(ask_http(at, limit).is_ok(), "busy is alive");
            assert!(ask_http(at, limit).is_err());
        });
    }
}
