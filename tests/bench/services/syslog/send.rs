//! Eighty boards that send syslog as fast as they are told, and as cheaply as they can: what a sender uses, a server lacks.
//!
//! Messages are made before the clock runs; each has a number of its own and all are equally long. Datagrams go out by
//! `sendmmsg`, many of one board in a call, from an address of its own in 127/8.

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt, sockopt};
use std::io::{self, IoSlice, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Boards that send.
pub(crate) const SENDERS: u8 = 80;
/// Bytes of a message, without its framing.
pub(crate) const BYTES: usize = 200;
/// Datagrams of one board in one call. Boards say a few things at a time.
const BURST: usize = 8;
/// A sender that is ahead of its rate rests so long.
const REST: Duration = Duration::from_micros(100);

/// The address of a board, counted from 0.
pub(crate) fn address(board: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, board + 1)
}

/// How messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// RFC 3164, and a line feed by TCP.
    Lines,
    /// RFC 5424, by TCP behind a count of its bytes.
    Counted,
}

/// A message: header, number, padding.
fn message(form: Form, board: u8, number: usize) -> Vec<u8> {
    let mut text = match form {
        Form::Lines => format!("<30>Nov 22 13:00:00 board-{board} bench[77]: {number:09} "),
        Form::Counted => format!("<30>1 2026-11-22T13:00:00.000000Z board-{board} bench 77 - - {number:09} "),
    };
    while text.len() < BYTES {
        text.push(char::from(b'a' + u8::try_from(text.len() % 26).unwrap_or(0)));
    }
    text.into_bytes()
}

/// Sends `count` datagrams at this rate, or without one as fast as it goes; returns how long it took.
///
/// # Errors
/// The system's.
pub(crate) fn datagrams(to: SocketAddr, count: usize, rate: Option<f64>) -> io::Result<Duration> {
    let SocketAddr::V4(to_v4) = to else { return Err(io::Error::other("boards here have IPv4 addresses")) };
    let sockets = (0..SENDERS)
        .map(|board| {
            let socket = UdpSocket::bind((address(board), 0))?;
            setsockopt(&socket, sockopt::SndBuf, &(4 << 20))?;
            Ok(socket)
        })
        .collect::<io::Result<Vec<_>>>()?;
    // A few bursts of each, sent over and over: numbers are for people here, and nobody's cache is larger in a real rack.
    let pools: Vec<Vec<Vec<u8>>> =
        (0..SENDERS).map(|b| (0..BURST).map(|n| message(Form::Lines, b, n)).collect()).collect();
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BURST, None);
    let target = [Some(SockaddrIn::from(to_v4)); BURST];
    let begun = Instant::now();
    let mut sent = 0;
    'all: loop {
        for (socket, pool) in sockets.iter().zip(&pools) {
            if sent >= count {
                break 'all;
            }
            if let Some(rate) = rate {
                #[expect(clippy::cast_precision_loss, reason = "counts are small")]
                let due = Duration::from_secs_f64(sent as f64 / rate);
                while begun.elapsed() < due {
                    std::thread::sleep(REST);
                }
            }
            let burst = BURST.min(count - sent);
            let mut done = 0;
            while done < burst {
                let slices: Vec<[IoSlice<'_>; 1]> =
                    pool.iter().skip(done).take(burst - done).map(|m| [IoSlice::new(m)]).collect();
                let went = sendmmsg(
                    socket.as_raw_fd(),
                    &mut headers,
                    &slices,
                    &target[..slices.len()],
                    [],
                    MsgFlags::empty(),
                )?;
                done += went.count();
            }
            sent += burst;
        }
    }
    Ok(begun.elapsed())
}

/// Sends `count` messages over `connections`, as fast as they are taken; returns how long it took until all were handed to
/// the system.
///
/// # Errors
/// The system's.
pub(crate) fn streams(to: SocketAddr, count: usize, form: Form, connections: u8) -> io::Result<Duration> {
    const MESSAGES: usize = 300;
    let pieces: Vec<Vec<u8>> = (0..connections)
        .map(|board| {
            let mut piece = Vec::new();
            for n in 0..MESSAGES {
                let message = message(form, board, n);
                match form {
                    Form::Lines => piece.extend([&message[..], b"\n"].concat()),
                    Form::Counted => {
                        piece.extend([format!("{} ", message.len()).as_bytes(), &message].concat());
                    }
                }
            }
            piece
        })
        .collect();
    let mut streams = (0..connections)
        .map(|board| {
            // From the board's address, so that the lines are its own.
            let socket = nix::sys::socket::socket(
                nix::sys::socket::AddressFamily::Inet,
                nix::sys::socket::SockType::Stream,
                nix::sys::socket::SockFlag::SOCK_CLOEXEC,
                None,
            )?;
            let [a, b, c, d] = address(board).octets();
            nix::sys::socket::bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0))?;
            let SocketAddr::V4(v4) = to else { return Err(io::Error::other("an IPv4 address is wanted")) };
            nix::sys::socket::connect(socket.as_raw_fd(), &SockaddrIn::from(v4))?;
            Ok(TcpStream::from(socket))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let begun = Instant::now();
    let one = pieces.first().map_or(1, Vec::len) / MESSAGES;
    let mut left = count;
    'all: loop {
        for (stream, piece) in streams.iter_mut().zip(&pieces) {
            if left == 0 {
                break 'all;
            }
            let now = left.min(MESSAGES);
            stream.write_all(piece.get(..now * one).unwrap_or(piece))?;
            left -= now;
        }
    }
    Ok(begun.elapsed())
}
