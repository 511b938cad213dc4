//! Emulated hardware that takes no time: relay boards that switch at once, and boards whose firmware, live system and download
//! are over the moment they have power.
//!
//! One listener is all relay boards: each device has one of its own, at its own loopback address. What the daemon itself lets
//! pass while a board is off is measured here.

use crate::calls;
use crate::lab;
use crossbeam_channel::{Receiver, Sender, unbounded};
use relayctl::PowerState;
use relayctl::address::{RelayState, Wiring};
use relayctl::proxr::{ACKNOWLEDGED, Command};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Boards that talk at the same moment. Each waits for its answers, so there are more than there are cores.
const TALKING: usize = 32;
/// Between two tries of an event for which the daemon is not ready yet: it has still to hear that power is back.
const TRY_AGAIN: Duration = Duration::from_millis(1);
/// Tries, before the bench says that something is wrong.
const TRIES: u32 = 10_000;

/// The relay boards. Their threads end with the process.
#[derive(Debug)]
pub(crate) struct Relays {
    /// All listen here, whatever their address.
    pub(crate) port: u16,
    powered: Receiver<usize>,
    off: Arc<Mutex<Vec<Duration>>>,
}

impl Relays {
    /// Starts them.
    ///
    /// # Errors
    /// The system has no port left.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        let (power, powered) = unbounded();
        let off = Arc::new(Mutex::new(Vec::new()));
        let times = Arc::clone(&off);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (power, times) = (power.clone(), Arc::clone(&times));
                std::thread::spawn(move || serve(stream, &power, &times));
            }
        });
        Ok(Self { port, powered, off })
    }

    /// Boards that boot from `tftp` and talk to `http`.
    pub(crate) fn connect(&self, http: SocketAddr, tftp: SocketAddr) {
        for _ in 0..TALKING {
            let powered = self.powered.clone();
            std::thread::spawn(move || {
                let mut line = None;
                for device in powered {
                    if let Err(error) = boot(device, http, tftp, &mut line) {
                        // The daemon was ended, or the request stays without its board, which the case sees.
                        log::warn!("{}: {error}", lab::name(device));
                        line = None;
                    }
                }
            });
        }
    }

    /// How long each power cycle since the last call left its board without power.
    pub(crate) fn off_times(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.off.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One connection to one relay board: any command, obeyed at once.
fn serve(mut stream: TcpStream, power: &Sender<usize>, times: &Mutex<Vec<Duration>>) {
    let Ok(IpAddr::V4(ip)) = stream.local_addr().map(|a| a.ip()) else { return };
    let [_, a, b, c] = ip.octets();
    let device = usize::from(a - 120) << 16 | usize::from(b) << 8 | usize::from(c);
    let (mut relay, mut off_since) = (RelayState::Off, None);
    let (mut bytes, mut chunk) = (Vec::new(), [0; 64]);
    let _ = stream.set_nodelay(true);
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..n]);
        while let Ok(Some((command, length))) = Command::decode(&bytes) {
            bytes.drain(..length);
            let answer = match command {
                Command::Switch { to, .. } => {
                    relay = to;
                    match (Wiring::default().power_for(to), off_since) {
                        (PowerState::Off, _) => off_since = Some(Instant::now()),
                        (PowerState::On, Some(since)) => {
                            times.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed());
                            off_since = None;
                            let _ = power.send(device - 1);
                        }
                        (PowerState::On, None) => {}
                    }
                    ACKNOWLEDGED
                }
                Command::ReadRelay { .. } | Command::ReadBank { .. } => u8::from(relay == RelayState::On),
                // Nobody switches whole banks here.
                Command::SwitchBank { .. } | Command::TwoWayTest => ACKNOWLEDGED,
            };
            if stream.write_all(&[answer]).is_err() {
                return;
            }
        }
    }
}

/// From power to the installed system.
fn boot(device: usize, http: SocketAddr, tftp: SocketAddr, line: &mut Option<TcpStream>) -> io::Result<()> {
    let [.., a, b, c] = (device + 1).to_be_bytes();
    let file = format!("pxelinux.cfg/01-02-4d-50-{a:02x}-{b:02x}-{c:02x}");
    let local = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let options = tftpd::FetchOptions { local, ..tftpd::FetchOptions::default() };
    tftpd::fetch(tftp, &file, &options).map_err(io::Error::other)?;
    for event in ["mobile_init_started", "image_downloading", "image_extracting", "image_rebooting"] {
        let request = calls::post(&format!("device/{}/event/{event}", lab::name(device)), "{}");
        let mut tries = 0;
        loop {
            let stream = match line {
                Some(stream) => stream,
                None => {
                    let stream = TcpStream::connect(http)?;
                    stream.set_nodelay(true)?;
                    line.insert(stream)
                }
            };
            let (status, body) = match call(stream, &request) {
                Ok(answer) => answer,
                // The daemon has hung up on a connection that nobody used for a minute.
                Err(_) if tries == 0 => {
                    (*line, tries) = (None, 1);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if status == 200 && calls::has(&body, b"\"accepted\":true") {
                break;
            }
            tries += 1;
            if tries == TRIES {
                let body = String::from_utf8_lossy(&body).into_owned();
                return Err(io::Error::other(format!("{event} is not taken: {status} {body}")));
            }
            std::thread::sleep(TRY_AGAIN);
        }
    }
    Ok(())
}

/// One call on a connection of one's own: status and body.
pub(crate) fn call(stream: &mut TcpStream, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let (head, body) = call_with_head(stream, request)?;
    let status = head.get(9..12).and_then(|s| s.parse().ok()).unwrap_or_default();
    Ok((status, body))
}

/// The same with the whole head.
pub(crate) fn call_with_head(stream: &mut TcpStream, request: &[u8]) -> io::Result<(String, Vec<u8>)> {
    stream.write_all(request)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        bytes.extend_from_slice(&chunk[..n]);
        if let Some((head, body)) = crate::load::split(&bytes)?
            && bytes.len() >= head + body
        {
            let head = bytes.drain(..head).collect();
            return Ok((String::from_utf8(head).map_err(io::Error::other)?, bytes));
        }
    }
}
