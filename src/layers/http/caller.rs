//! Calls to our own address, for two things that `tiny_http` 0.12 leaves undone.
//!
//! Its `accept` fails when nobody calls for as long as a silent peer is waited for (the listener has that time limit, too), and
//! it then stops accepting for good. So somebody calls now and then.
//!
//! And a connection may be left without a thread: its pool gives a connection to a waiting thread when one seems to wait, but
//! of many that come in the same moment several count on the same one (`TaskPool::spawn`). They are served only when some
//! other connection has ended, which a client that keeps its connection does not do for a minute. But a thread whose
//! connection ends takes up one that was left: so after calls have come we connect and hang up, until that takes no new
//! thread. Then nobody is left.

use crate::layers::supervise::Exit;
use crossbeam_channel::{Receiver, after, select};
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Between two looks, at most, while calls come: a board that was left waits so long. A look costs a tenth of a millisecond.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Threads that one look may start for connections that were left.
const HELPED_MAX: usize = 512;
/// For our own server to accept and hang up; it is at work only while it does neither.
const OWN_WAIT: Duration = Duration::from_secs(1);

/// Calls after each burst of calls (`called` has one), and four times in a silence, until stopped.
/// `each_time` is done on the way.
pub(super) fn run(
    addr: SocketAddr,
    silence: Duration,
    stopped: &Receiver<()>,
    called: &Receiver<()>,
    each_time: impl Fn(),
) -> Exit {
    let mut own = addr;
    if addr.ip().is_unspecified() {
        own.set_ip(if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    loop {
        select! {
            recv(stopped) -> _ => return Exit::Stopped,
            recv(called) -> _ => {
                // Those that come with it count as well.
                if stopped.recv_timeout(LOOK_EVERY) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                    return Exit::Stopped;
                }
            }
            recv(after(silence / 4)) -> _ => {}
        }
        each_time();
        help(own);
    }
}

/// Gives connections that were left a thread each.
fn help(own: SocketAddr) {
    for _ in 0..HELPED_MAX {
        let before = threads();
        if let Err(error) = hang_up(own) {
            return log::warn!("cannot reach our own address {own}: {error}");
        }
        // A thread that waits has taken it: then no connection waits for one.
        if threads() <= before {
            return;
        }
    }
}

/// Connects, hangs up, and waits until the other side has done so, too.
fn hang_up(own: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&own, OWN_WAIT)?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(OWN_WAIT))?;
    // Whatever comes of it: one that is slow to hang up is helped with the next look.
    let _ = stream.read(&mut [0]);
    Ok(())
}

/// How many threads this process has (proc(5), `num_threads`); 0 when the system does not tell.
fn threads() -> usize {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything; the fields behind it are numbered from 3, and this is the 20th.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind.split_whitespace().nth(17).and_then(|n| n.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_counts_our_threads() {
        // Other tests run beside this one, so only what must be there is counted.
        let before = threads();
        assert!(before >= 1);
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| stopped.recv());
            }
            assert!(threads() >= 64, "{} threads", threads());
            drop(stop);
        });
    }
}
