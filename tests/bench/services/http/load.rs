//! Clients that download: a thread each, which takes the head apart and throws the body away.

use nix::sys::socket::{MsgFlags, recv};
use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// At most so much at once: what programs copy, and all that a socket holds where nothing is copied.
const ROOM: usize = 256 << 10;
const ROOM_UNSEEN: usize = 8 << 20;
/// A server that says nothing for so long has failed.
const SILENCE: Duration = Duration::from_secs(60);

/// What is asked of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) server: SocketAddrV4,
    pub(super) clients: usize,
    /// Of each client, on a connection each.
    pub(super) files: usize,
    /// Bytes that every body must have.
    pub(super) size: u64,
    /// Whether the bytes are copied to the client.
    pub(super) copied: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) took: Duration,
    pub(super) bytes: u64,
    /// How long each file took, in order.
    pub(super) files: Vec<Duration>,
}

impl Measured {
    pub(super) fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.files.len() * percent / 100).min(self.files.len().saturating_sub(1));
        self.files.get(at).map_or(0.0, |t| t.as_secs_f64() * 1e3)
    }
}

/// Has all clients begin at once and waits for the last.
///
/// # Errors
/// That of the first client that got something else than it should.
pub(super) fn run(load: &Load) -> io::Result<Measured> {
    let start = Barrier::new(load.clients + 1);
    let (begun, files) = thread::scope(|scope| {
        let clients: Vec<_> = (0..load.clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut room = vec![0; if load.copied { ROOM } else { ROOM_UNSEEN }];
                    start.wait();
                    (0..load.files).map(|_| one(load, &mut room)).collect::<io::Result<Vec<_>>>()
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        let ended = clients
            .into_iter()
            .map(|c| c.join().unwrap_or_else(|_| Err(io::Error::other("a client has panicked"))));
        (begun, ended.collect::<io::Result<Vec<_>>>())
    });
    let took = begun.elapsed();
    let mut files = files?.concat();
    files.sort_unstable();
    Ok(Measured { took, bytes: files.len() as u64 * load.size, files })
}

/// One file; how long it took.
fn one(load: &Load, room: &mut [u8]) -> io::Result<Duration> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(load.server)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(b"GET /files/file HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut got = first(load, &mut stream, room)?;
    while got < load.size {
        let n = if load.copied {
            stream.read(room)?
        } else {
            // TCP throws the bytes away instead of copying them (tcp(7)).
            recv(stream.as_raw_fd(), room, MsgFlags::MSG_TRUNC)?
        };
        if n == 0 {
            return Err(io::Error::other(format!("only {got} of {} bytes came", load.size)));
        }
        got += n as u64;
    }
    Ok(begun.elapsed())
}

/// Reads the head; how many bytes of the body came with it.
fn first(load: &Load, stream: &mut TcpStream, room: &mut [u8]) -> io::Result<u64> {
    let mut filled = 0;
    loop {
        let n = stream.read(&mut room[filled..])?;
        filled += n;
        let text = &room[..filled];
        if let Some(end) = text.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
            let wanted = format!("content-length: {}", load.size);
            if !head.starts_with("http/1.1 200 ") || !head.lines().any(|l| l == wanted) {
                return Err(io::Error::other(format!("instead of the file came: {head}")));
            }
            return Ok((filled - end - 4) as u64);
        }
        if n == 0 || filled == room.len() {
            return Err(io::Error::other("no head came"));
        }
    }
}
