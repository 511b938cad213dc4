//! The load generator: many TFTP clients on one thread, each request from a port of its own, each client from an address of its own.
//!
//! It shares two cores with what it measures, so it does little: packets are taken in batches (recvmmsg(2), or several in one by
//! UDP GRO), a client that is alone waits in its socket instead of asking epoll, and sockets are made before the clock starts.
//! Lost packets are thrown away here, both ways, by dice with a seed.

use super::client::{self, Ask, Client, Heard};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, connect, recvmmsg, recvmsg, send, sendto,
    setsockopt, sockopt,
};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Packets taken at once, and the room for each.
const BATCH: usize = 32;
const ROOM: usize = 2048;
/// Room for packets that the kernel has put together.
const GRO_ROOM: usize = 1 << 16;
/// Between two looks at the clients' clocks.
const TICK: Duration = Duration::from_millis(20);
/// Sockets at once; beyond it they serve again.
const SOCKETS: usize = 12_000;

/// What to do.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where requests go.
    pub(crate) server: SocketAddrV4,
    /// How many clients, all beginning at once.
    pub(crate) clients: usize,
    /// What each asks for, one after another.
    pub(crate) asks: Vec<Ask>,
    /// Share of packets that are lost, each way.
    pub(crate) loss: f64,
    /// Whether the kernel may put packets together on their way in.
    pub(crate) gro: bool,
    /// When to stop.
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Requests that brought what they should.
    pub(crate) done: u64,
    /// Those that did not: errors, wrong bytes, silence.
    pub(crate) failed: u64,
    /// Those that were neither at the end.
    pub(crate) unfinished: u64,
    /// Right bytes, of unfinished transfers too.
    pub(crate) bytes: u64,
    /// Blocks that came more than once.
    pub(crate) again: u64,
    /// From the first request to the end.
    pub(crate) took: Duration,
    /// Microseconds from each request to the last packet of its answer, sorted.
    micros: Vec<u32>,
}

impl Measured {
    /// The time in milliseconds that this share of the requests was not longer than.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.micros.len() * percent).div_ceil(100).saturating_sub(1);
        self.micros.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }
}

struct Line {
    socket: UdpSocket,
    /// Where the present transfer's packets go, once known.
    peer: Option<SockaddrIn>,
    connected: bool,
}

struct Seat {
    client: Client,
    /// Which of the asks.
    at: usize,
    begun: Instant,
    over: bool,
}

/// Dice with a seed (xorshift64*): the same packets are lost in every run.
struct Dice(u64, f64);

impl Dice {
    fn loses(&mut self) -> bool {
        if self.1 <= 0.0 {
            return false;
        }
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        #[expect(clippy::cast_precision_loss, reason = "a die has no need of all 53 bits")]
        let share = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64;
        share < self.1
    }
}

struct Generator<'a> {
    load: &'a Load,
    lines: Vec<Line>,
    seats: Vec<Seat>,
    dice: Dice,
    running: usize,
    measured: Measured,
}

/// Runs all clients to their end, or to the limit.
///
/// # Errors
/// Sockets cannot be made or waited for.
pub(crate) fn run(load: &Load) -> io::Result<Measured> {
    let count = (load.clients * load.asks.len()).min((SOCKETS / load.clients).max(1) * load.clients);
    let alone = count == 1;
    let mut lines = Vec::with_capacity(count);
    let poll = Poll::new()?;
    for n in 0..count {
        let socket = UdpSocket::bind((address_of(n % load.clients), 0))?;
        if load.gro {
            setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        }
        if alone {
            socket.set_read_timeout(Some(TICK))?;
        } else {
            socket.set_nonblocking(true)?;
            poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(n), Interest::READABLE)?;
        }
        lines.push(Line { socket, peer: None, connected: false });
    }
    let begun = Instant::now();
    let seat = |_| Seat { client: Client::new(&load.asks[0], begun), at: 0, begun, over: false };
    let mut generator = Generator {
        load,
        lines,
        seats: (0..load.clients).map(seat).collect(),
        dice: Dice(0x9e37_79b9_7f4a_7c15, load.loss),
        running: load.clients,
        measured: Measured::default(),
    };
    generator.work(poll, begun, alone)?;
    Ok(generator.finish(begun))
}

/// Clients have addresses of their own, as boards have: 127.81.0.1 and up.
fn address_of(client: usize) -> Ipv4Addr {
    let [.., c, d] = (client + 1).to_be_bytes();
    Ipv4Addr::new(127, 81, c, d)
}

impl Generator<'_> {
    fn work(&mut self, mut poll: Poll, begun: Instant, alone: bool) -> io::Result<()> {
        let mut inbox = Inbox::new(self.load.gro, alone);
        let mut events = Events::with_capacity(1024);
        for client in 0..self.load.clients {
            self.begin(client, 0, Instant::now());
        }
        let mut ticked = begun;
        let mut ready = Vec::new();
        while self.running > 0 {
            let now = Instant::now();
            if now - begun > self.load.limit {
                break;
            }
            if now - ticked > TICK {
                ticked = now;
                self.tick(now);
            }
            if alone {
                self.receive(0, &mut inbox)?;
                continue;
            }
            match poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            ready.extend(events.iter().map(|e| e.token().0));
            for line in ready.drain(..) {
                while self.receive(line, &mut inbox)? {}
            }
        }
        Ok(())
    }

    fn finish(mut self, begun: Instant) -> Measured {
        let mut measured = std::mem::take(&mut self.measured);
        measured.took = begun.elapsed();
        for seat in self.seats.iter().filter(|s| !s.over) {
            measured.unfinished += (self.load.asks.len() - seat.at) as u64;
            measured.bytes += seat.client.bytes as u64;
            measured.again += seat.client.again;
        }
        measured.micros.sort_unstable();
        measured
    }

    /// The socket of a client's request.
    fn line_of(&self, client: usize, at: usize) -> usize {
        (at * self.load.clients + client) % self.lines.len()
    }

    fn begin(&mut self, client: usize, at: usize, now: Instant) {
        let ask = &self.load.asks[at];
        let line = self.line_of(client, at);
        self.lines[line].peer = None;
        self.seats[client] = Seat { client: Client::new(ask, now), at, begun: now, over: false };
        self.request(client);
    }

    fn request(&mut self, client: usize) {
        let seat = &self.seats[client];
        let (line, ask) = (self.line_of(client, seat.at), &self.load.asks[seat.at]);
        if !self.dice.loses() {
            let fd = self.lines[line].socket.as_raw_fd();
            // A full buffer is a lost packet like others.
            let _ = sendto(fd, &ask.packet, &SockaddrIn::from(self.load.server), MsgFlags::empty());
        }
    }

    /// Takes what lies in a socket; true if there may be more.
    fn receive(&mut self, line: usize, inbox: &mut Inbox) -> io::Result<bool> {
        let client = line % self.load.clients;
        let Some(seat) = self.seats.get_mut(client) else { return Ok(false) };
        let at = seat.at;
        let present = !seat.over && (at * self.load.clients + client) % self.lines.len() == line;
        let Line { socket, peer, .. } = &mut self.lines[line];
        let dice = &mut self.dice;
        let now = Instant::now();
        let mut heard = Heard::More;
        let mut late = None;
        let more = inbox.receive(socket, |packet, from| {
            if dice.loses() {
                return;
            }
            if !present || heard != Heard::More {
                late = late.or(client::data_block(packet));
                return;
            }
            // A strange port is not for us; a connected socket has no strangers.
            if peer.is_some_and(|p| from.is_some_and(|f| f != p)) {
                return;
            }
            *peer = peer.or(from);
            heard = seat.client.hear(packet, now);
        })?;
        if let Some(block) = late
            && !present
        {
            // The last acknowledgement was lost (RFC 1350 section 6).
            self.acknowledge(line, block);
            return Ok(more);
        }
        if present {
            self.settle(client, line, heard, now);
        }
        Ok(more)
    }

    /// Says what a client has to say, and goes on with the next request when this one is over.
    fn settle(&mut self, client: usize, line: usize, heard: Heard, now: Instant) {
        let seat = &mut self.seats[client];
        if heard == Heard::More {
            seat.client.pause();
        }
        let small = self.load.asks[seat.at].is_small();
        let ack = seat.client.ack.take();
        if let (Some(peer), false, false) = (self.lines[line].peer, self.lines[line].connected, small) {
            let fd = self.lines[line].socket.as_raw_fd();
            self.lines[line].connected = connect(fd, &peer).is_ok();
        }
        if let Some(block) = ack {
            self.acknowledge(line, block);
        }
        if heard != Heard::More {
            self.over(client, heard, now);
        }
    }

    fn over(&mut self, client: usize, heard: Heard, now: Instant) {
        let seat = &mut self.seats[client];
        self.measured.bytes += seat.client.bytes as u64;
        self.measured.again += seat.client.again;
        if heard == Heard::Done {
            self.measured.done += 1;
            self.measured.micros.push(u32::try_from((now - seat.begun).as_micros()).unwrap_or(u32::MAX));
        } else {
            self.measured.failed += 1;
        }
        let next = seat.at + 1;
        if next < self.load.asks.len() {
            self.begin(client, next, now);
        } else {
            seat.over = true;
            self.running -= 1;
        }
    }

    fn acknowledge(&mut self, line: usize, block: u16) {
        let Line { socket, peer: Some(peer), connected } = &self.lines[line] else { return };
        if self.dice.loses() {
            return;
        }
        let (fd, packet) = (socket.as_raw_fd(), client::ack(block));
        // A full buffer is a lost packet like others.
        let _ = if *connected {
            send(fd, &packet, MsgFlags::empty())
        } else {
            sendto(fd, &packet, peer, MsgFlags::empty())
        };
    }

    fn tick(&mut self, now: Instant) {
        for client in 0..self.seats.len() {
            let seat = &mut self.seats[client];
            if seat.over || seat.client.deadline > now {
                continue;
            }
            let (heard, line) = (seat.client.time_out(now), self.line_of(client, self.seats[client].at));
            if heard == Heard::More && !self.seats[client].client.is_answered() {
                self.request(client);
            }
            self.settle(client, line, heard, now);
        }
    }
}

/// Room for packets.
struct Inbox {
    room: Vec<u8>,
    headers: MultiHeaders<SockaddrIn>,
    gro: bool,
    flags: MsgFlags,
}

impl Inbox {
    fn new(gro: bool, alone: bool) -> Self {
        let room = if gro { GRO_ROOM } else { ROOM * BATCH };
        let flags = if alone { MsgFlags::MSG_WAITFORONE } else { MsgFlags::MSG_DONTWAIT };
        Self { room: vec![0; room], headers: MultiHeaders::preallocate(BATCH, None), gro, flags }
    }

    /// Gives each packet that is there, with its sender, to `each`; true if there may be more.
    fn receive(
        &mut self,
        socket: &UdpSocket,
        each: impl FnMut(&[u8], Option<SockaddrIn>),
    ) -> io::Result<bool> {
        let taken = if self.gro { self.put_together(socket, each) } else { self.batch(socket, each) };
        match taken {
            Ok(more) => Ok(more),
            // A closed port of a server that has ended its transfer is no fault of the socket.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn batch(
        &mut self,
        socket: &UdpSocket,
        mut each: impl FnMut(&[u8], Option<SockaddrIn>),
    ) -> nix::Result<bool> {
        let mut parts: Vec<[IoSliceMut<'_>; 1]> =
            self.room.chunks_mut(ROOM).map(|c| [IoSliceMut::new(c)]).collect();
        let received = recvmmsg(socket.as_raw_fd(), &mut self.headers, parts.iter_mut(), self.flags, None)?;
        let mut count = 0;
        for message in received {
            count += 1;
            if let Some(packet) = message.iovs().next() {
                each(packet, message.address);
            }
        }
        Ok(count == BATCH)
    }

    fn put_together(
        &mut self,
        socket: &UdpSocket,
        mut each: impl FnMut(&[u8], Option<SockaddrIn>),
    ) -> nix::Result<bool> {
        let mut control = nix::cmsg_space!(i32);
        let flags = self.flags - MsgFlags::MSG_WAITFORONE;
        let mut parts = [IoSliceMut::new(&mut self.room)];
        let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let size = message.cmsgs()?.find_map(|c| match c {
            ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
            _ => None,
        });
        let (bytes, from) = (message.bytes, message.address);
        for packet in self.room[..bytes].chunks(size.unwrap_or(bytes).max(1)) {
            each(packet, from);
        }
        Ok(true)
    }
}
