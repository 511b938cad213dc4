//! What hostile machines do to a server, all at once: connections that say nothing or a byte now and then, a head without an
//! end, requests by TFTP under made-up addresses, a flood of syslog. All of 127/8 is this machine, so these are many clients.

use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, sendmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at connections that are held.
const ROUND: Duration = Duration::from_millis(500);
/// Between two bursts of datagrams.
const BURST: Duration = Duration::from_millis(5);

/// How much of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Connections that say nothing.
    pub(crate) idle: usize,
    /// Clients that send a byte of a head now and then.
    pub(crate) slow: usize,
    /// TFTP read requests in a second.
    pub(crate) tftp_per_s: u64,
    /// Syslog datagrams in a second.
    pub(crate) syslog_per_s: u64,
}

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets {
    pub(crate) http: SocketAddr,
    pub(crate) tftp: SocketAddr,
    pub(crate) syslog: SocketAddr,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Connections that are held now.
    pub(crate) held: AtomicU64,
    /// Those that were opened.
    pub(crate) opened: AtomicU64,
    /// Bytes of heads without an end.
    pub(crate) endless_bytes: AtomicU64,
    pub(crate) tftp: AtomicU64,
    pub(crate) syslog: AtomicU64,
}

/// An attack that goes on until it is ended.
pub(crate) struct Attack {
    stop: Arc<AtomicBool>,
    pub(crate) done: Arc<Done>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    /// Begins everything.
    pub(crate) fn begin(scale: Scale, targets: Targets) -> Self {
        let mut attack = Self { stop: Arc::default(), done: Arc::default(), threads: Vec::new() };
        let Targets { http, tftp, syslog } = targets;
        attack.spawn(move |stop, done| hold(http, 1, scale.idle, b"", stop, done));
        attack.spawn(move |stop, done| {
            hold(http, 2, scale.slow, b"GET /api/version HTTP/1.1\r\nA: ", stop, done);
        });
        attack.spawn(move |stop, done| endless_head(http, stop, done));
        // Each names a file that there is: a request that is believed costs a transfer.
        let request = b"\0\x01hostile\0octet\0blksize\x001408\0";
        attack.spawn(move |stop, done| flood(tftp, request, scale.tftp_per_s, stop, &done.tftp));
        let line = b"<13>Jan  1 00:00:00 nobody hostile: a line that nobody wants to read, of the usual length of lines";
        attack.spawn(move |stop, done| flood(syslog, line, scale.syslog_per_s, stop, &done.syslog));
        attack
    }

    fn spawn(&mut self, work: impl FnOnce(&AtomicBool, &Done) + Send + 'static) {
        let (stop, done) = (Arc::clone(&self.stop), Arc::clone(&self.done));
        self.threads.push(std::thread::spawn(move || work(&stop, &done)));
    }

    /// Ends it, and hangs up.
    pub(crate) fn end(self) -> Arc<Done> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("an attacker does not panic");
        }
        self.done
    }
}

/// Connects from an address of 127/8.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let SocketAddr::V4(to) = to else { return Err(ErrorKind::Unsupported.into()) };
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // connect(2) waits no longer than this either.
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::milliseconds(500))?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(from, 0)))?;
    connect(fd.as_raw_fd(), &SockaddrIn::from(to))?;
    let stream = TcpStream::from(fd);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Holds so many connections from some addresses, says `first` on each and then a byte now and then, and opens those anew that the
/// server has closed.
fn hold(http: SocketAddr, net: u8, count: usize, first: &[u8], stop: &AtomicBool, done: &Done) {
    let mut held: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        for (n, place) in held.iter_mut().enumerate() {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            let lives = place.as_mut().is_some_and(|stream| {
                let said = first.is_empty() || stream.write(b"x").is_ok();
                let heard = stream.read(&mut [0; 512]);
                said && matches!(heard, Err(error) if error.kind() == ErrorKind::WouldBlock)
            });
            if lives {
                continue;
            }
            if place.take().is_some() {
                done.held.fetch_sub(1, Ordering::Relaxed);
            }
            let from = Ipv4Addr::new(127, net, 0, u8::try_from(n % 16 + 1).expect("it is small"));
            if let Ok(mut stream) = connect_from(from, http) {
                let _ = stream.write(first);
                done.opened.fetch_add(1, Ordering::Relaxed);
                done.held.fetch_add(1, Ordering::Relaxed);
                *place = Some(stream);
            }
        }
        std::thread::sleep(ROUND.saturating_sub(begun.elapsed()));
    }
}

/// Sends lines of a head for as long as somebody takes them, and begins again.
fn endless_head(http: SocketAddr, stop: &AtomicBool, done: &Done) {
    let lines = b"A: b\r\n".repeat(10_000);
    while !stop.load(Ordering::SeqCst) {
        let stream = connect_from(Ipv4Addr::new(127, 3, 0, 1), http);
        let Ok(mut stream) = stream.and_then(|s| s.set_nonblocking(false).map(|()| s)) else {
            std::thread::sleep(BURST);
            continue;
        };
        let mut sent = stream.write_all(b"GET / HTTP/1.1\r\n");
        while sent.is_ok() && !stop.load(Ordering::SeqCst) {
            sent = stream.write_all(&lines);
            done.endless_bytes.fetch_add(lines.len() as u64, Ordering::Relaxed);
        }
    }
}

/// Sends datagrams from addresses of 127/8 that are never the same for long.
fn flood(to: SocketAddr, datagram: &[u8], per_s: u64, stop: &AtomicBool, sent: &AtomicU64) {
    let SocketAddr::V4(to) = to else { return };
    let sockets: Vec<UdpSocket> =
        (0..16).filter_map(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()).collect();
    let (to, begun, mut count) = (SockaddrIn::from(to), Instant::now(), 0_u64);
    while !stop.load(Ordering::SeqCst) {
        let wanted =
            u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_mul(per_s) / 1_000_000;
        // Who cannot keep up does not catch up for ever.
        count = count.max(wanted.saturating_sub(per_s / 10));
        while count < wanted {
            count += 1;
            // A step of a well-mixed sequence (Knuth's multiplicative hashing): no address follows from the one before.
            let [_, b, c, d] = u32::try_from(count % (1 << 32))
                .unwrap_or_default()
                .wrapping_mul(2_654_435_761)
                .to_be_bytes();
            let from = Ipv4Addr::new(127, b | 16, c, d);
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let socket = &sockets[usize::try_from(count).unwrap_or_default() % sockets.len()];
            let parts = [IoSlice::new(datagram)];
            let words = [ControlMessage::Ipv4PacketInfo(&info)];
            if sendmsg(socket.as_raw_fd(), &parts, &words, MsgFlags::MSG_DONTWAIT, Some(&to)).is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::sleep(BURST);
    }
}
