//! Asking one board one question over TCP: does it listen, greet, answer, pass its agent's test?
//!
//! Blocking, for a worker; every wait ends, and all end soon when the server stops. It knows addresses, not names, and
//! nothing of what follows from an answer. RFC 4253 section 4.2 (SSH banner), RFC 9112 section 4 (HTTP status line).

use super::sut::{Conversation, Goal, Next};
use super::{CheckError, Said};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// For a connection to be accepted: one repeated SYN (1 s) and the board's own slowness.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// For a connection and a greeting, or a short answer: a board that needs longer is of no use to a test run.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// For each command of the SUT agent, as its own client has it.
pub const SUT_COMMAND_LIMIT: Duration = Duration::from_secs(15);
/// For all of the agent's verification: less than the 45 s of the state that asks. (The original had 195 here and 30 for
/// the card, which is the longer of the two: the numbers seem to have been swapped.)
pub const SUT_VERIFY_LIMIT: Duration = Duration::from_secs(30);
/// For one conversation about the card: with its pauses before it less than the 200 s of the state that asks.
pub const SUT_CARD_LIMIT: Duration = Duration::from_secs(130);
/// How soon a worker that reads sees that the server stops.
const LOOK: Duration = Duration::from_millis(250);
/// The most that is read in search of an SSH banner: servers may send other lines first.
const BANNER_MAX: usize = 8192;
/// The most that is read of an HTTP answer: its status line.
const STATUS_MAX: usize = 1024;

/// What a board is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether it accepts a connection on this port.
    Tcp { port: u16 },
    /// Whether it greets as an SSH server does.
    Ssh { port: u16 },
    /// Whether it answers `GET` with 2xx.
    Http { port: u16, host: String, path: String },
    /// What its SUT agent says.
    Sut { port: u16, goal: Goal },
}

/// Asks. `stopping`: give up soon.
///
/// # Errors
/// [`CheckError`]: why the answer is no, or is not known.
pub fn ask(question: &Question, to: SocketAddr, stopping: &AtomicBool) -> Said {
    let now = Instant::now();
    match question {
        Question::Tcp { port } => Line::open(to, *port, now + CONNECT_LIMIT, stopping).map(|_| ()),
        Question::Ssh { port } => ssh(&mut Line::open(to, *port, now + ANSWER_LIMIT, stopping)?),
        Question::Http { port, host, path } => {
            http(&mut Line::open(to, *port, now + ANSWER_LIMIT, stopping)?, host, path)
        }
        Question::Sut { port, goal } => {
            let limit = match goal {
                Goal::Verify => SUT_VERIFY_LIMIT,
                Goal::SdCard => SUT_CARD_LIMIT,
            };
            sut(&mut Line::open(to, *port, now + limit, stopping)?, *goal)
        }
    }
}

fn ssh(line: &mut Line<'_>) -> Said {
    let mut heard = Vec::new();
    loop {
        let bytes = line.read()?;
        let at_end = bytes.is_empty();
        heard.extend(bytes);
        // Only a whole "SSH-" at the beginning of a line counts.
        if heard.starts_with(b"SSH-") || heard.windows(5).any(|w| w == b"\nSSH-") {
            return Ok(());
        }
        match (at_end, heard.len()) {
            (true, 0) => return Err(CheckError::Closed { port: line.port }),
            (false, len) if len < BANNER_MAX => {}
            _ => return Err(CheckError::NotSsh { port: line.port }),
        }
    }
}

fn http(line: &mut Line<'_>, host: &str, path: &str) -> Said {
    let port = line.port;
    let name = if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let name = if port == 80 { name } else { format!("{name}:{port}") };
    line.write(
        format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: mozpool\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    )?;
    let mut heard = Vec::new();
    while !heard.contains(&b'\n') {
        let bytes = line.read()?;
        match (bytes.is_empty(), heard.len()) {
            (true, 0) => return Err(CheckError::Closed { port }),
            (false, len) if len < STATUS_MAX => heard.extend(bytes),
            _ => return Err(CheckError::NotHttp { port }),
        }
    }
    match status(&heard) {
        Some(200..=299) => Ok(()),
        Some(status) => Err(CheckError::HttpStatus { status }),
        None => Err(CheckError::NotHttp { port }),
    }
}

/// `HTTP/1.1 200 OK` to 200.
fn status(line: &[u8]) -> Option<u16> {
    match line.strip_prefix(b"HTTP/1.")? {
        [b'0'..=b'9', b' ', code @ ..] => {
            let (digits, after) = code.split_at_checked(3)?;
            let ends = after.first().is_none_or(u8::is_ascii_whitespace);
            // The system's own parser would take `+20` too.
            let number = digits.iter().all(u8::is_ascii_digit);
            std::str::from_utf8(digits).ok().filter(|_| ends && number)?.parse().ok()
        }
        _ => None,
    }
}

fn sut(line: &mut Line<'_>, goal: Goal) -> Said {
    let whole = line.deadline;
    let mut conversation = Conversation::new(goal);
    line.deadline = whole.min(Instant::now() + SUT_COMMAND_LIMIT);
    loop {
        let bytes = line.read()?;
        if bytes.is_empty() {
            return Err(CheckError::Closed { port: line.port });
        }
        match conversation.hear(&bytes).map_err(CheckError::Sut)? {
            Next::More => {}
            Next::Done => return Ok(()),
            Next::Send(command) => {
                line.deadline = whole.min(Instant::now() + SUT_COMMAND_LIMIT);
                line.write(&command)?;
            }
        }
    }
}

/// A connection with a deadline.
struct Line<'a> {
    stream: TcpStream,
    port: u16,
    deadline: Instant,
    stopping: &'a AtomicBool,
}

impl<'a> Line<'a> {
    fn open(
        mut to: SocketAddr,
        port: u16,
        deadline: Instant,
        stopping: &'a AtomicBool,
    ) -> Result<Self, CheckError> {
        to.set_port(port);
        let limit = CONNECT_LIMIT.min(deadline.saturating_duration_since(Instant::now()));
        let stream =
            TcpStream::connect_timeout(&to, limit).map_err(|error| CheckError::from_io(&error, port))?;
        Ok(Self { stream, port, deadline, stopping })
    }

    /// What came; empty at the end.
    fn read(&mut self) -> Result<Vec<u8>, CheckError> {
        let mut bytes = [0; 512];
        loop {
            let limit = self.left()?.min(LOOK);
            self.stream.set_read_timeout(Some(limit)).map_err(|e| CheckError::from_io(&e, self.port))?;
            match self.stream.read(&mut bytes) {
                Ok(len) => return Ok(bytes[..len].to_vec()),
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(CheckError::from_io(&e, self.port)),
            }
        }
    }

    /// All that is written here fits a socket's buffer; a board that has not even that is not waited for.
    fn write(&mut self, bytes: &[u8]) -> Said {
        let limit = self.left()?.min(CONNECT_LIMIT);
        self.stream
            .set_write_timeout(Some(limit))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(|e| CheckError::from_io(&e, self.port))
    }

    fn left(&self) -> Result<Duration, CheckError> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(CheckError::Stopping);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(CheckError::TimedOut { port: self.port }) } else { Ok(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server for one connection that sends `said` after it has read `wait_for` bytes, and closes.
    fn served(said: &[u8], wait_for: usize, question: impl Fn(u16) -> Question) -> (Said, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let said = said.to_vec();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = vec![0; wait_for];
            stream.read_exact(&mut heard).unwrap();
            for byte in said.chunks(7) {
                if stream.write_all(byte).is_err() {
                    break;
                }
            }
            heard
        });
        let answer = ask(&question(to.port()), to, &AtomicBool::new(false));
        (answer, server.join().unwrap())
    }

    #[test]
    fn ssh_is_known_by_its_banner_wherever_it_stands() {
        let ssh = |said: &[u8]| served(said, 0, |port| Question::Ssh { port }).0;
        assert_eq!(ssh(b"SSH-2.0-dropbear\r\n"), Ok(()));
        assert_eq!(ssh(b"Welcome to my board\r\nSSH-2.0-x\r\n"), Ok(()));
        assert!(matches!(ssh(b"220 not-SSH-2.0 ESMTP\r\n"), Err(CheckError::NotSsh { .. })));
        assert!(matches!(ssh(b""), Err(CheckError::Closed { .. })));
        let endless = vec![b'x'; BANNER_MAX + 4096];
        // Whether it ends with "not SSH" or with a reset depends on how much was still on its way.
        assert!(ssh(&endless).is_err());
    }

    #[test]
    fn http_must_answer_2xx() {
        let path = "/installed?x=1";
        let request = |port: u16| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: panda-1:{port}\r\nUser-Agent: mozpool\r\nConnection: close\r\n\r\n"
            )
        };
        let http = |said: &str| {
            // Ports have five digits here; the number itself is looked at below.
            served(said.as_bytes(), request(10000).len(), |port| Question::Http {
                port,
                host: "panda-1".into(),
                path: path.into(),
            })
        };
        let (answer, asked) = http("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(answer, Ok(()));
        let asked = String::from_utf8(asked).unwrap();
        let port = asked.split("panda-1:").nth(1).unwrap()[..5].parse().unwrap();
        assert_eq!(asked, request(port));
        assert_eq!(http("HTTP/1.0 404 Not Found\r\n").0, Err(CheckError::HttpStatus { status: 404 }));
        assert_eq!(http("HTTP/1.1 301 Moved\r\n").0, Err(CheckError::HttpStatus { status: 301 }));
        for bad in ["SSH-2.0-x\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1\n", "x"] {
            assert!(matches!(http(bad).0, Err(CheckError::NotHttp { .. })), "{bad}");
        }
    }

    #[test]
    fn a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let tcp = |port| ask(&Question::Tcp { port }, to, &AtomicBool::new(false));
        assert_eq!(tcp(to.port()), Ok(()));
        drop(listener);
        assert_eq!(tcp(to.port()), Err(CheckError::Refused { port: to.port() }));
    }

    #[test]
    fn a_mute_server_is_left_soon_when_we_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let stopping = AtomicBool::new(false);
        let question = Question::Sut { port: to.port(), goal: Goal::Verify };
        let began = Instant::now();
        thread::scope(|s| {
            let asking = s.spawn(|| ask(&question, to, &stopping));
            let _held = listener.accept().unwrap();
            stopping.store(true, Ordering::Relaxed);
            assert_eq!(asking.join().unwrap(), Err(CheckError::Stopping));
        });
        assert!(began.elapsed() < SUT_COMMAND_LIMIT / 2, "{:?}", began.elapsed());
    }
}
