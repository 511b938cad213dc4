//! Sending files. A small one goes out in one piece with its head; of a large one the system passes the pages that it has in
//! memory anyway to the socket by itself (sendfile(2)), so that eighty boards that read one image cost no copy of it.
//!
//! What is sent, `api::files` decides. What was promised is sent whole or the connection ends: nothing is made up for a file
//! that has become shorter.

use super::Shared;
use super::access::shown;
use super::body::{BodyIs, body_of, read_body};
use super::pace::Pace;
use super::request::Request;
use super::served::{Served, Teller};
use super::wire::{Arrived, conditions, respond};
use super::write::{self, COPIED_MAX, Shape};
use crate::api::BODY_MAX;
use crate::api::call::{Call, Verb};
use crate::api::files::{self, Download};
use crate::api::reply::{ApiError, Reply};
use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::TimeVal;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::unix::fs::FileExt;
use std::time::Instant;

/// Between two looks at whether the server stops and the file is still the same. A board of eighty that share a gigabit takes
/// it in two thirds of a second; more would not be faster.
const PIECE: u64 = 1 << 20;

/// At once where it must be copied: as much as a connection of a fast network has under way.
const COPIED_AT_ONCE: usize = 256 << 10;

/// A peer that takes nothing for so long is looked at: whether it is too slow, the server stops, or the file is still the same.
const LOOK_EVERY: TimeVal = TimeVal::new(1, 0);

/// Answers a call for a file.
pub(super) fn run(shared: &Shared, mut request: Request, call: &Call, arrived: &Arrived) {
    // It is of no use, but lies before the next call on its connection.
    if let BodyIs::OnItsWay(limit) = body_of(&request, BODY_MAX)
        && let Err(error) = read_body(&mut request.body(), limit, BODY_MAX, arrived.at)
    {
        return respond(request, error.reply(), arrived);
    }
    let wanted = match (call.verb, &shared.parts.files) {
        (Verb::Options, _) => Err(Reply::empty(204).with("Allow", files::ALLOW)),
        (Verb::Get | Verb::Head, Some(root)) => {
            files::open(root, call.path(), &conditions(&request, call.verb)).map_err(|e| e.reply())
        }
        (Verb::Get | Verb::Head, None) => Err(ApiError::NoSuchPath.reply()),
        (Verb::Post | Verb::Put | Verb::Delete | Verb::Other, _) => {
            Err(ApiError::MethodNotAllowed { allow: files::ALLOW.into() }.reply())
        }
    };
    match wanted {
        Ok(download) => send(shared, request, call.path(), &download, arrived),
        Err(reply) => {
            if let (404, Verb::Get, Some((teller, to))) = (reply.status, call.verb, teller(shared, arrived)) {
                teller.tell_missing(to, call.path());
            }
            respond(request, reply, arrived);
        }
    }
}

/// Who is told what went where.
fn teller<'a>(shared: &'a Shared, arrived: &Arrived) -> Option<(&'a Teller, IpAddr)> {
    shared.parts.served.as_ref().map(|teller| (teller, arrived.address))
}

fn send(shared: &Shared, request: Request, path: &str, download: &Download, arrived: &Arrived) {
    let shape = Shape::of(&request);
    let len = if shape.has_body(download.status) { download.len } else { 0 };
    let mut bytes = Vec::with_capacity(1024);
    write::head(&mut bytes, &shape, download.status, &download.headers, download.len);
    let is_small = len <= COPIED_MAX as u64;
    if is_small {
        // As long as nothing has been said, it can still be said that it does not work.
        if let Err(error) = read_whole(download, len, &mut bytes) {
            arrived.log_event(log::Level::Warn, || {
                format!("{} cannot be read: {error}", shown(&arrived.target))
            });
            return respond(request, ApiError::Internal.reply(), arrived);
        }
    }
    let mut writer = request.into_writer();
    let socket = writer.socket();
    let mut body = Body { download, sent: 0, len, writer: &mut writer, buffer: Vec::new() };
    let by = (!is_small).then_some(&*socket);
    let result = body.send(&bytes, if is_small { len } else { 0 }, by, &|| shared.stopping());
    let sent = body.sent;
    if result.is_ok() {
        writer.finish();
    } else {
        // The peer waits for bytes that will not come. That it has gone already is all that can be wrong here.
        let _ = socket.shutdown(Shutdown::Both);
    }
    arrived.log(download.status, sent, None);
    if let (true, Some((teller, to))) = (len > 0, teller(shared, arrived)) {
        let broken = result.as_ref().err().map(ToString::to_string);
        let (took, broken) = (arrived.at.elapsed(), broken.as_deref());
        teller.tell(to, &Served { path, sent, len, start: download.start, took, broken });
    }
    if let Err(broken) = result {
        let level = if broken.is_of_file() { log::Level::Warn } else { log::Level::Info };
        arrived.log_event(level, || {
            format!("{} broken off after {sent} of {len} bytes: {broken}", shown(&arrived.target))
        });
    }
}

/// Reads a small body behind what is in `bytes`.
fn read_whole(download: &Download, len: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let head = bytes.len();
    bytes.resize(head + usize::try_from(len).expect("it is small"), 0);
    download.file.read_exact_at(&mut bytes[head..], download.start)
}

/// Why a download was not finished.
#[derive(Debug)]
enum Broken {
    Stopping,
    Changed,
    File(io::Error),
    Peer(io::Error),
}

impl Broken {
    /// Somebody here should do something about it.
    fn is_of_file(&self) -> bool {
        matches!(self, Self::Changed | Self::File(_))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("the server stops"),
            Self::Changed => f.write_str("the file was cut or written to meanwhile; replace files by mv"),
            Self::File(error) => write!(f, "the file cannot be read: {error}"),
            Self::Peer(error) => error.fmt(f),
        }
    }
}

/// A body under way.
struct Body<'a> {
    download: &'a Download,
    sent: u64,
    len: u64,
    writer: &'a mut dyn Write,
    /// For what has to be copied.
    buffer: Vec<u8>,
}

impl Body<'_> {
    /// Writes `head`, behind which are `there` bytes of the body, and the rest, by `socket` if that works.
    fn send(
        &mut self,
        head: &[u8],
        there: u64,
        mut socket: Option<&TcpStream>,
        stopping: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        self.writer.write_all(head).and_then(|()| self.writer.flush()).map_err(Broken::Peer)?;
        self.sent = there;
        let patience = socket.map(Impatient::make).transpose().map_err(Broken::Peer)?;
        let pace = Pace::new(Instant::now(), write::GRACE);
        while self.sent < self.len {
            if Instant::now() > pace.until(self.sent) {
                return Err(Broken::Peer(io::Error::new(io::ErrorKind::TimedOut, "it reads too slowly")));
            }
            if stopping() {
                return Err(Broken::Stopping);
            }
            if self.download.has_changed().map_err(Broken::File)? {
                return Err(Broken::Changed);
            }
            match socket {
                Some(by) => {
                    if !self.pass(by)? {
                        socket = None;
                    }
                }
                None => self.copy()?,
            }
        }
        patience.map_or(Ok(()), Impatient::end).map_err(Broken::Peer)
    }

    /// Has the system send a piece; `false`: it cannot do so with this file.
    fn pass(&mut self, socket: &TcpStream) -> Result<bool, Broken> {
        let count = usize::try_from((self.len - self.sent).min(PIECE)).expect("a piece fits");
        let mut at = i64::try_from(self.download.start + self.sent).expect("files end below 2^63");
        match sendfile64(socket, &self.download.file, Some(&mut at), count) {
            Ok(0) => Err(Broken::Changed),
            Ok(n) => {
                self.sent += n as u64;
                Ok(true)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(true),
            // Some file systems in user space.
            Err(Errno::EINVAL | Errno::ENOSYS) => Ok(false),
            Err(error @ (Errno::EIO | Errno::ENOMEM)) => Err(Broken::File(error.into())),
            Err(error) => Err(Broken::Peer(error.into())),
        }
    }

    /// Sends a piece through memory of ours.
    fn copy(&mut self) -> Result<(), Broken> {
        self.buffer.resize(COPIED_AT_ONCE, 0);
        let room = usize::try_from(self.len - self.sent).unwrap_or(usize::MAX).min(COPIED_AT_ONCE);
        let n = match self.download.file.read_at(&mut self.buffer[..room], self.download.start + self.sent) {
            Ok(0) => return Err(Broken::Changed),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(Broken::File(error)),
        };
        // What it does not take is read again: nobody has to remember it.
        match self.writer.write(&self.buffer[..n]) {
            Ok(0) => return Err(Broken::Peer(io::ErrorKind::WriteZero.into())),
            Ok(n) => self.sent += n as u64,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(Broken::Peer(error)),
        }
        Ok(())
    }
}

/// A socket whose writes give up after [`LOOK_EVERY`]. The system counts its own limit anew for each portion of a piece, so whoever
/// takes a little of each would be waited for sixteen times as long before anybody looks.
struct Impatient<'a> {
    socket: &'a TcpStream,
    usual: TimeVal,
}

impl<'a> Impatient<'a> {
    fn make(socket: &'a TcpStream) -> io::Result<Self> {
        let usual = getsockopt(socket, sockopt::SendTimeout)?;
        setsockopt(socket, sockopt::SendTimeout, &LOOK_EVERY)?;
        Ok(Self { socket, usual })
    }

    /// The connection is for other answers, too.
    fn end(self) -> io::Result<()> {
        Ok(setsockopt(self.socket, sockopt::SendTimeout, &self.usual)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::files::Conditions;
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::cell::Cell;
    use std::io::Read;
    use std::net::TcpListener;
    use tftpd::root::Root;

    /// Not a whole number of pieces.
    const SIZE: usize = 2_500_000;

    /// Where what is sent begins.
    const FROM: usize = 123_457;

    /// Sends the end of a file over a connection; what came, how it ended, and whether it went through our memory.
    fn sent(
        way: impl Fn(&TcpStream) -> Option<TcpStream>,
        stopping: &dyn Fn() -> bool,
    ) -> (Vec<u8>, Result<(), Broken>, bool) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), content()).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let range = Conditions { range: Some(format!("bytes={FROM}-")), ..Conditions::default() };
        let download = files::open(&root, "/files/file", &range).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = listener.accept().unwrap().0;
        let socket = way(&server);
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        let mut body =
            Body { download: &download, sent: 0, len: download.len, writer: &mut server, buffer: Vec::new() };
        let result = body.send(b"head", 0, socket.as_ref(), stopping);
        let was_copied = !body.buffer.is_empty();
        drop((socket, server));
        let mut all = reader.join().unwrap();
        assert_eq!(all.drain(..4).collect::<Vec<_>>(), b"head");
        (all, result, was_copied)
    }

    fn content() -> Vec<u8> {
        (0..SIZE).map(|n| u8::try_from(n % 251).unwrap()).collect()
    }

    #[test]
    fn a_file_is_passed_on_or_copied_and_is_the_same_either_way() {
        let passed = |socket: &TcpStream| socket.try_clone().ok();
        let copied = |_: &TcpStream| None;
        // sendfile(2) refuses this, as it does what a file system cannot do.
        let refused = |socket: &TcpStream| {
            fcntl(socket, FcntlArg::F_SETFL(OFlag::O_APPEND)).unwrap();
            socket.try_clone().ok()
        };
        let ways = [
            (sent(passed, &|| false), false),
            (sent(copied, &|| false), true),
            (sent(refused, &|| false), true),
        ];
        for ((all, result, was_copied), want) in ways {
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(was_copied, want);
            assert!(all == content()[FROM..]);
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_is_looked_at_all_the_same() {
        for passes in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("file"), vec![0; 64 << 20]).unwrap();
            let root = Root::open(dir.path()).unwrap();
            let download = files::open(&root, "/files/file", &Conditions::default()).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut server = listener.accept().unwrap().0;
            setsockopt(&server, sockopt::SndBuf, &(16 << 10)).unwrap();
            // What the server has otherwise; here it ends the test if nobody looks before.
            setsockopt(&server, sockopt::SendTimeout, &TimeVal::new(10, 0)).unwrap();
            if !passes {
                fcntl(&server, FcntlArg::F_SETFL(OFlag::O_APPEND)).unwrap();
            }
            let socket = server.try_clone().unwrap();
            let looks = Cell::new(0);
            let stopping = || looks.replace(looks.get() + 1) == 3;
            let len = download.len;
            let mut body =
                Body { download: &download, sent: 0, len, writer: &mut server, buffer: Vec::new() };
            let result = body.send(b"head", 0, Some(&socket), &stopping);
            assert!(matches!(result, Err(Broken::Stopping)), "{result:?}");
            assert_eq!(!passes, !body.buffer.is_empty());
            drop(client);
        }
    }

    #[test]
    fn an_end_of_the_server_is_noticed_between_two_pieces() {
        let asked = Cell::new(0);
        let stopping = || asked.replace(asked.get() + 1) == 1;
        let (all, result, _) = sent(|socket| socket.try_clone().ok(), &stopping);
        assert!(matches!(result, Err(Broken::Stopping)), "{result:?}");
        assert!(!all.is_empty() && all.len() < SIZE - FROM && all == content()[FROM..FROM + all.len()]);
    }
}
