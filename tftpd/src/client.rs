//! A blocking TFTP client with limits: fetches one file into memory, or says why not.
//! It refuses to know files and directories; tests and emulated boards use it, and can ask from an address of theirs.
//! RFC 1350, 2347, 2348, 2349 (tsize), 7440. Everything ends: each wait, the whole fetch, and the bytes it takes.

use crate::options::{DEFAULT_BLKSIZE, Options};
use crate::packet::{self, DATA_HEADER, DecodeError, ErrorCode, Mode, Packet};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The largest packet that can come: RFC 2348's largest block and its header.
const INBOX: usize = DATA_HEADER + 65464;

/// How to fetch.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Block size to ask for in bytes, `None` for the 512 of RFC 1350.
    pub blksize: Option<u16>,
    /// Window to ask for in blocks, `None` for lockstep.
    pub windowsize: Option<u16>,
    /// Ask for the size of the file.
    pub tsize: bool,
    /// Octet or netascii; netascii arrives as it is sent.
    pub mode: Mode,
    /// Wait for one packet before the last one is sent again.
    pub packet_timeout: Duration,
    /// Limit of the whole fetch.
    pub overall: Duration,
    /// Local address to ask from.
    pub local: Option<IpAddr>,
    /// Longest file to accept, in bytes.
    pub max_bytes: usize,
    /// A bad network, for tests.
    pub loss: Loss,
}

/// Packets that are thrown away in the client's socket, as a bad network would on the way, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    /// The probability for each packet, 0 to 1.
    pub probability: f64,
    /// The same seed throws away the same packets, by their number.
    pub seed: u64,
}

impl Loss {
    /// The next packet is one of those. SplitMix64 (Steele, Lea, Flood 2014).
    fn strikes(&mut self) -> bool {
        if self.probability <= 0.0 {
            return false;
        }
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 53 bits fill a double's mantissa.
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 <= self.probability
    }
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            blksize: Some(1408), // What PXELINUX asks for.
            windowsize: None,
            tsize: true,
            mode: Mode::Octet,
            packet_timeout: Duration::from_secs(1),
            overall: Duration::from_secs(60),
            local: None,
            max_bytes: 64 << 20,
            loss: Loss::default(),
        }
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub bytes: Vec<u8>,
    /// What the server granted; `None` if it sent no OACK.
    pub oack: Option<Options>,
    /// Packets that were sent again because nothing came.
    pub repeated: u64,
}

/// Why nothing came.
#[derive(Debug)]
pub enum FetchError {
    /// A socket call failed.
    Io(io::Error),
    /// The overall limit passed.
    TimedOut {
        /// Bytes received by then.
        received: usize,
    },
    /// The server answered with an ERROR.
    Refused {
        /// Its code, RFC 1350 section 5.
        code: u16,
        /// Its text.
        message: String,
    },
    /// The file is longer than `max_bytes`.
    TooLarge {
        /// The limit in bytes.
        max_bytes: usize,
    },
    /// The server sent something that is not TFTP.
    Malformed(DecodeError),
    /// The server broke a rule of TFTP.
    Protocol(&'static str),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(cause) => write!(f, "cannot talk TFTP: {cause}"),
            Self::TimedOut { received } => write!(f, "the TFTP server fell silent after {received} bytes"),
            Self::Refused { code, message } => write!(f, "the TFTP server refused: error {code}, {message}"),
            Self::TooLarge { max_bytes } => write!(f, "the file is longer than {max_bytes} bytes"),
            Self::Malformed(why) => write!(f, "the server does not speak TFTP: {why}"),
            Self::Protocol(why) => write!(f, "the server breaks the rules of TFTP: {why}"),
        }
    }
}

impl std::error::Error for FetchError {}

impl From<io::Error> for FetchError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

/// Fetches `path` from `server`. Answers count only from the address that was asked, as with real boot loaders.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(server: SocketAddr, path: &str, options: &FetchOptions) -> Result<Fetched, FetchError> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((options.local.unwrap_or(any), 0))?;
    let wanted = Options {
        blksize: options.blksize,
        tsize: options.tsize.then_some(0),
        timeout_s: None,
        windowsize: options.windowsize,
    };
    let mut fetch = Fetch {
        socket,
        options,
        wanted,
        peer: server,
        pinned: false,
        blksize: usize::from(DEFAULT_BLKSIZE),
        window: 1,
        expected: 1,
        in_window: 0,
        gap_reported: false,
        last_sent: Vec::new(),
        loss: options.loss,
        fetched: Fetched { bytes: Vec::new(), oack: None, repeated: 0 },
    };
    packet::encode_read_request(&mut fetch.last_sent, path, options.mode, &wanted);
    fetch.run()?;
    Ok(fetch.fetched)
}

struct Fetch<'a> {
    socket: UdpSocket,
    options: &'a FetchOptions,
    wanted: Options,
    peer: SocketAddr,
    /// `peer` has the port of the transfer, not that of requests.
    pinned: bool,
    blksize: usize,
    window: u16,
    /// Number of the next block, not wrapped.
    expected: u64,
    /// Blocks received since the last ACK.
    in_window: u16,
    /// The server knows that `expected` is missing. Saying so for each later block would bring it many times.
    gap_reported: bool,
    last_sent: Vec<u8>,
    loss: Loss,
    fetched: Fetched,
}

impl Fetch<'_> {
    fn run(&mut self) -> Result<(), FetchError> {
        let started = Instant::now();
        let mut inbox = vec![0; INBOX];
        self.resend()?;
        let mut retry_at = started + self.options.packet_timeout;
        loop {
            let now = Instant::now();
            let left = self.options.overall.saturating_sub(now - started);
            if left.is_zero() {
                return Err(FetchError::TimedOut { received: self.fetched.bytes.len() });
            }
            if now >= retry_at {
                self.gap_reported = false;
                self.fetched.repeated += 1;
                self.resend()?;
                retry_at = now + self.options.packet_timeout;
            }
            // A timeout of zero would mean to wait for ever.
            let wait = left.min(retry_at.saturating_duration_since(now)).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(wait))?;
            let (len, from) = match self.socket.recv_from(&mut inbox) {
                Ok(packet) => packet,
                Err(e) if is_passing(&e) => continue,
                Err(e) => return Err(e.into()),
            };
            if from.ip() != self.peer.ip() || self.loss.strikes() {
                continue;
            }
            if self.pinned && from.port() != self.peer.port() {
                let mut stray = Vec::new();
                packet::encode_error(&mut stray, ErrorCode::UnknownTransferId, "unknown transfer ID");
                self.socket.send_to(&stray, from)?;
                continue;
            }
            let before = self.expected;
            match packet::decode(&inbox[..len]) {
                Ok(Packet::Error { code, message }) => {
                    return Err(FetchError::Refused { code, message: message.into_owned() });
                }
                Ok(Packet::OptionAck { options }) => self.on_option_ack(from, options)?,
                Ok(Packet::Data { block, data }) => {
                    self.pin(from);
                    if self.on_data(block, data)? {
                        return Ok(());
                    }
                }
                Ok(_) => return self.abort(ErrorCode::IllegalOperation, "a server sends no such packet"),
                Err(error) => return Err(FetchError::Malformed(error)),
            }
            if self.expected != before {
                retry_at = Instant::now() + self.options.packet_timeout;
            }
        }
    }

    fn pin(&mut self, from: SocketAddr) {
        self.peer = from;
        self.pinned = true;
    }

    fn on_option_ack(&mut self, from: SocketAddr, granted: Options) -> Result<(), FetchError> {
        self.pin(from);
        if self.expected > 1 {
            return Ok(()); // A late copy.
        }
        let more =
            |granted: Option<u16>, wanted: Option<u16>| granted.is_some_and(|g| wanted.is_none_or(|w| g > w));
        if more(granted.blksize, self.wanted.blksize) || more(granted.windowsize, self.wanted.windowsize) {
            return self.abort(ErrorCode::OptionsRefused, "more was granted than asked for");
        }
        if granted.tsize.is_some_and(|size| size > self.options.max_bytes as u64) {
            return self.too_large();
        }
        self.blksize = usize::from(granted.blksize.unwrap_or(DEFAULT_BLKSIZE));
        self.window = granted.windowsize.unwrap_or(1);
        self.fetched.oack = Some(granted);
        self.ack(0)
    }

    /// True when the file is complete.
    fn on_data(&mut self, block: u16, data: &[u8]) -> Result<bool, FetchError> {
        let number = |n: u64| (n & 0xffff) as u16;
        if block != number(self.expected) {
            // In the middle of a window an ACK would report a gap (RFC 7440 section 4), so only its end is repeated.
            let again = block == number(self.expected - 1) && self.expected > 1 && self.in_window == 0;
            let ahead = block.wrapping_sub(number(self.expected)) < self.window;
            // The end of what we have came again: our ACK was lost. A block from beyond: one is missing.
            if again || (ahead && !self.gap_reported) {
                self.gap_reported |= ahead;
                self.ack(self.expected - 1)?;
            }
            return Ok(false);
        }
        if data.len() > self.blksize {
            return self.abort(ErrorCode::IllegalOperation, "a block is longer than agreed").map(|()| false);
        }
        if self.fetched.bytes.len() + data.len() > self.options.max_bytes {
            return self.too_large().map(|()| false);
        }
        self.fetched.bytes.extend_from_slice(data);
        self.expected += 1;
        self.in_window += 1;
        self.gap_reported = false;
        let complete = data.len() < self.blksize;
        if complete || self.in_window >= self.window {
            self.ack(self.expected - 1)?;
        }
        Ok(complete)
    }

    fn ack(&mut self, block: u64) -> Result<(), FetchError> {
        self.in_window = 0;
        packet::encode_ack(&mut self.last_sent, (block & 0xffff) as u16);
        self.resend()
    }

    fn resend(&mut self) -> Result<(), FetchError> {
        if self.loss.strikes() {
            return Ok(());
        }
        match self.socket.send_to(&self.last_sent, self.peer) {
            Err(e) if !is_passing(&e) => Err(e.into()),
            _ => Ok(()),
        }
    }

    fn too_large(&mut self) -> Result<(), FetchError> {
        self.tell(ErrorCode::DiskFull, "the file is too large")?;
        Err(FetchError::TooLarge { max_bytes: self.options.max_bytes })
    }

    fn abort(&mut self, code: ErrorCode, why: &'static str) -> Result<(), FetchError> {
        self.tell(code, why)?;
        Err(FetchError::Protocol(why))
    }

    fn tell(&mut self, code: ErrorCode, text: &str) -> Result<(), FetchError> {
        packet::encode_error(&mut self.last_sent, code, text);
        self.resend()
    }
}

/// A wait that ran out, a signal, or an ICMP message about an earlier packet: the limits decide, not these.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
    )
}
