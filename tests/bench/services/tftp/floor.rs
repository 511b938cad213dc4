//! The floor: a bare loop that sends the packets of a transfer, with no files, options or tables. What a server does beyond it is
//! its own cost.
//!
//! One socket, one blocking call per batch of acknowledgements, every packet of the file made before the first request, clients told
//! apart by the low half of their address. It answers `kernel…` with the file, `config…` with a small one and everything else with
//! an error, and repeats a window after [`REPEAT`], which is all that it knows of loss.

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg, sendto, setsockopt, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// The argument that makes this program the bare loop.
pub(crate) const SERVE: &str = "--floor-server";
/// Silence after which a window is sent again, and what is added for each other transfer, which has its turn, too.
const REPEAT: Duration = Duration::from_millis(50);
const TURN: Duration = Duration::from_micros(300);
/// Between two looks at the clocks, and how long a wait for packets may last.
const TICK: Duration = Duration::from_millis(10);
/// Clients that can be told apart.
const CLIENTS: u32 = 1 << 12;
/// A storm of first requests must fit.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Packets taken at once, and the room for each: requests are short.
const BATCH: usize = 64;
const ROOM: usize = 256;
/// The most bytes, and packets, in one call (udp(7), UDP_SEGMENT).
const GSO_BYTES: usize = 65_000;
const GSO_PACKETS: usize = 64;

/// What the loop is told.
#[derive(Debug, Clone)]
pub(crate) struct Bare {
    /// Where to listen.
    pub(crate) at: String,
    /// The file behind `kernel…`, and the small one behind `config…`.
    pub(crate) kernel: String,
    pub(crate) config: String,
    /// Of each transfer.
    pub(crate) blksize: usize,
    pub(crate) windowsize: usize,
    /// Options to acknowledge, as they stand in the packet, with `/` for NUL; empty: none.
    pub(crate) oack: String,
    /// Whether windows go out in one call.
    pub(crate) gso: bool,
}

impl Bare {
    /// As arguments of this program.
    pub(crate) fn arguments(&self) -> [String; 8] {
        [
            SERVE.to_owned(),
            self.at.clone(),
            self.kernel.clone(),
            self.config.clone(),
            self.blksize.to_string(),
            self.windowsize.to_string(),
            self.oack.clone(),
            self.gso.to_string(),
        ]
    }

    /// From such arguments; `None`: they say something else.
    pub(crate) fn parse(arguments: &[String]) -> Option<Self> {
        let [serve, at, kernel, config, blksize, windowsize, oack, gso] = arguments else { return None };
        if serve != SERVE {
            return None;
        }
        Some(Self {
            at: at.clone(),
            kernel: kernel.clone(),
            config: config.clone(),
            blksize: blksize.parse().ok()?,
            windowsize: windowsize.parse().ok()?,
            oack: oack.clone(),
            gso: gso == "true",
        })
    }
}

/// All DATA packets of a file, one after another.
struct Packets {
    bytes: Vec<u8>,
    blksize: usize,
    count: usize,
}

impl Packets {
    fn new(file: &[u8], blksize: usize) -> Self {
        let count = file.len() / blksize + 1;
        let mut bytes = Vec::with_capacity(file.len() + 4 * count);
        for block in 0..count {
            #[expect(clippy::cast_possible_truncation, reason = "block numbers wrap")]
            let [hi, lo] = ((block + 1) as u16).to_be_bytes();
            bytes.extend_from_slice(&[0, 3, hi, lo]);
            bytes.extend_from_slice(&file[block * blksize..((block + 1) * blksize).min(file.len())]);
        }
        Self { bytes, blksize, count }
    }

    /// Blocks `from` and up, counted from 0, as many as there are.
    fn range(&self, from: usize, blocks: usize) -> &[u8] {
        let step = self.blksize + 4;
        &self.bytes[from * step..((from + blocks) * step).min(self.bytes.len())]
    }
}

#[derive(Clone, Copy)]
struct Transfer {
    peer: SockaddrIn,
    small: bool,
    /// Blocks that were acknowledged; `None` as long as the options are not.
    acked: Option<usize>,
    at: Instant,
}

struct Loop<'a> {
    socket: &'a UdpSocket,
    bare: &'a Bare,
    kernel: Packets,
    config: Packets,
    oack: Vec<u8>,
    transfers: Vec<Option<Transfer>>,
}

/// Serves until it is killed.
///
/// # Errors
/// The address or the files cannot be had, or the socket fails.
pub(crate) fn serve(bare: &Bare) -> io::Result<()> {
    let socket = UdpSocket::bind(&bare.at)?;
    // Without the right to more it is what the system gives.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
    let _ = setsockopt(&socket, sockopt::SndBufForce, &RECEIVE_BUFFER);
    socket.set_read_timeout(Some(TICK))?;
    let mut oack = vec![0, 6];
    oack.extend(bare.oack.bytes().map(|b| if b == b'/' { 0 } else { b }));
    let mut bare_loop = Loop {
        socket: &socket,
        bare,
        kernel: Packets::new(&std::fs::read(&bare.kernel)?, bare.blksize),
        config: Packets::new(&std::fs::read(&bare.config)?, bare.blksize),
        oack,
        transfers: vec![None; CLIENTS as usize],
    };
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut room = vec![0; BATCH * ROOM];
    let mut ticked = Instant::now();
    loop {
        let mut parts: Vec<[IoSliceMut<'_>; 1]> =
            room.chunks_mut(ROOM).map(|c| [IoSliceMut::new(c)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(socket.as_raw_fd(), &mut headers, parts.iter_mut(), flags, None);
        let now = Instant::now();
        match received {
            Ok(messages) => {
                for message in messages {
                    if let (Some(packet), Some(peer)) = (message.iovs().next(), message.address) {
                        bare_loop.take(packet, peer, now);
                    }
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if now - ticked > TICK {
            ticked = now;
            bare_loop.tick(now);
        }
    }
}

impl Loop<'_> {
    fn take(&mut self, packet: &[u8], peer: SockaddrIn, now: Instant) {
        let slot = (peer.ip().to_bits() % CLIENTS) as usize;
        match packet {
            [0, 1, b'k' | b'c', ..] => {
                let acked = self.bare.oack.is_empty().then_some(0);
                let transfer = Transfer { peer, small: packet[2] == b'c', acked, at: now };
                self.transfers[slot] = Some(transfer);
                self.send(&transfer);
            }
            [0, 1, ..] => self.send_to(b"\0\x05\0\x01no\0", &peer),
            [0, 4, hi, lo] => {
                let Some(transfer) = &mut self.transfers[slot] else { return };
                let packets = if transfer.small { &self.config } else { &self.kernel };
                let before = transfer.acked.unwrap_or(0);
                #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
                let ahead = u16::from_be_bytes([*hi, *lo]).wrapping_sub(before as u16);
                // The same once more says nothing new, and an answer to it would go on for ever; to options it is the first word.
                let new = ahead > 0 || transfer.acked.is_none();
                if !new || usize::from(ahead) > self.bare.windowsize || transfer.peer != peer {
                    return;
                }
                transfer.acked = Some(before + usize::from(ahead));
                transfer.at = now;
                if before + usize::from(ahead) >= packets.count {
                    self.transfers[slot] = None;
                    return;
                }
                let transfer = *transfer;
                self.send(&transfer);
            }
            _ => {}
        }
    }

    fn send(&self, transfer: &Transfer) {
        let Some(from) = transfer.acked else { return self.send_to(&self.oack, &transfer.peer) };
        let packets = if transfer.small { &self.config } else { &self.kernel };
        let step = packets.blksize + 4;
        let window = packets.range(from, self.bare.windowsize);
        if !self.bare.gso || window.len() <= step {
            window.chunks(step).for_each(|packet| self.send_to(packet, &transfer.peer));
            return;
        }
        let most = (GSO_BYTES / step).min(GSO_PACKETS) * step;
        let size = u16::try_from(step).unwrap_or(u16::MAX);
        for part in window.chunks(most) {
            let control = [ControlMessage::UdpGsoSegments(&size)];
            // A full buffer is loss, and loss is repaired.
            let _ = sendmsg(
                self.socket.as_raw_fd(),
                &[IoSlice::new(part)],
                &control,
                MsgFlags::empty(),
                Some(&transfer.peer),
            );
        }
    }

    fn send_to(&self, packet: &[u8], peer: &SockaddrIn) {
        // A full buffer is loss, and loss is repaired.
        let _ = sendto(self.socket.as_raw_fd(), packet, peer, MsgFlags::empty());
    }

    fn tick(&mut self, now: Instant) {
        let running = self.transfers.iter().flatten().count();
        let repeat = REPEAT + TURN * u32::try_from(running).unwrap_or(u32::MAX);
        for slot in 0..self.transfers.len() {
            let Some(transfer) = &mut self.transfers[slot] else { continue };
            if now - transfer.at > repeat {
                transfer.at = now;
                let transfer = *transfer;
                self.send(&transfer);
            }
        }
    }
}
