//! Why a board did not pass a check, in sentences for its log.
//!
//! The difference that matters is whose fault it is: a board that does not answer is watched on or given up; when our own
//! name server, sockets or network fail, nothing was learnt about the board.

use super::ping::PingError;
use super::sut::SutError;
use nix::errno::Errno;
use std::fmt;
use std::io::{self, ErrorKind};

/// Why a check did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// No reply to any try of a ping.
    NoReply,
    /// Nobody listens on that port.
    Refused { port: u16 },
    /// The connection, or what should have come over it, did not come in time.
    TimedOut { port: u16 },
    /// The network says that there is no such board.
    HostUnreachable,
    /// The board ended the connection before it had answered.
    Closed { port: u16 },
    /// It does not greet as SSH servers do.
    NotSsh { port: u16 },
    /// It does not answer as HTTP servers do.
    NotHttp { port: u16 },
    /// It answers HTTP with another status than 2xx.
    HttpStatus { status: u16 },
    /// The SUT agent said something wrong.
    Sut(SutError),
    /// The board's name has no address.
    NameUnknown { host: String },
    /// The name server did not answer in time.
    NameTimedOut { host: String },
    /// What should be a host name cannot be one.
    NoHost,
    /// This host cannot ping.
    NoPing(PingError),
    /// The system refused to send or connect.
    System(Errno),
    /// The same, where the system's number is not known.
    Io(ErrorKind),
    /// Too much is asked at once; ask again.
    Busy,
    /// The server stops.
    Stopping,
}

impl CheckError {
    /// True: the board's silence. False: nothing was learnt about the board.
    pub fn is_the_boards(&self) -> bool {
        match self {
            Self::NoReply
            | Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::HostUnreachable
            | Self::Closed { .. }
            | Self::NotSsh { .. }
            | Self::NotHttp { .. }
            | Self::HttpStatus { .. }
            | Self::Sut(_) => true,
            Self::NameUnknown { .. }
            | Self::NameTimedOut { .. }
            | Self::NoHost
            | Self::NoPing(_)
            | Self::System(_)
            | Self::Io(_)
            | Self::Busy
            | Self::Stopping => false,
        }
    }

    /// Whether another connection a little later may fare better: the SUT agent comes up late.
    pub fn is_of_the_connection(&self) -> bool {
        !matches!(self, Self::Sut(_) | Self::NoHost | Self::Stopping)
    }

    /// What an I/O error of a connection to `port` means.
    pub fn from_io(error: &io::Error, port: u16) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused { port },
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut { port },
            ErrorKind::HostUnreachable => Self::HostUnreachable,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Self::Closed { port }
            }
            kind => match error.raw_os_error() {
                Some(number) => Self::System(Errno::from_raw(number)),
                None => Self::Io(kind),
            },
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReply => f.write_str("no answer to ping"),
            Self::Refused { port } => write!(f, "connection to port {port} refused"),
            Self::TimedOut { port } => write!(f, "no answer on port {port} in time"),
            Self::HostUnreachable => f.write_str("the network says that the board cannot be reached"),
            Self::Closed { port } => write!(f, "the board closed the connection to port {port}"),
            Self::NotSsh { port } => write!(f, "what listens on port {port} does not greet as an SSH server"),
            Self::NotHttp { port } => write!(f, "what listens on port {port} does not speak HTTP"),
            Self::HttpStatus { status } => write!(f, "HTTP status {status}, wanted 2xx"),
            Self::Sut(error) => error.fmt(f),
            Self::NameUnknown { host } => {
                write!(f, "the name `{host}` has no address; check the name server")
            }
            Self::NameTimedOut { host } => {
                write!(f, "the name server did not answer in time for `{host}`; check it, or use the address")
            }
            Self::NoHost => f.write_str("the device's host name is none; correct its fqdn"),
            Self::NoPing(error) => error.fmt(f),
            Self::System(errno) => write!(f, "this server could not send: {}", errno.desc()),
            Self::Io(kind) => write!(f, "this server could not send: {kind}"),
            Self::Busy => f.write_str("this server has too many checks under way"),
            Self::Stopping => f.write_str("this server is stopping"),
        }
    }
}

impl std::error::Error for CheckError {}
