//! The daemon under attack, and the questions that each attack ends with: is it well, what did it say, did anything change?

use crate::support::{Daemon, Lab, wait_for};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Packets of one attack. A broken board sends as many in some seconds.
pub(crate) const FLOOD: usize = 20_000;

/// What no attack may add to the daemon's memory: thirty times what it adds, a tenth of what one leaked buffer a packet would.
pub(crate) const GROWTH_MAX_KIB: u64 = 48 * 1024;

/// What only somebody outside of the roots can read.
pub(crate) const SECRET: &str = "only outside of the roots";

/// A lab, its daemon, and what it was like before.
pub(crate) struct Rig {
    pub(crate) lab: Lab,
    pub(crate) daemon: Daemon,
    heard: usize,
    device: Value,
    rss_kib: u64,
    asked: AtomicU32,
}

impl Rig {
    /// Both roots have a good file, and links out.
    pub(crate) fn start() -> Self {
        let lab = Lab::new();
        std::fs::write(lab.path("secret"), SECRET).unwrap();
        for root in ["files", "tftp"] {
            let root = lab.path(root);
            std::fs::write(root.join("hello"), "hello\n").unwrap();
            symlink("../secret", root.join("out")).unwrap();
            symlink(lab.path("secret"), root.join("absolute")).unwrap();
            symlink("..", root.join("up")).unwrap();
            symlink("loop", root.join("loop")).unwrap();
        }
        // What is said here is to get as far as it can.
        let config = std::fs::read_to_string(lab.config()).unwrap();
        std::fs::write(lab.config(), format!("{config}[boards]\nevents = \"plain\"\n")).unwrap();
        let daemon = lab.serve();
        let mut rig =
            Self { lab, daemon, heard: 0, device: Value::Null, rss_kib: 0, asked: AtomicU32::new(0) };
        rig.is_well();
        rig.remember();
        rig
    }

    /// What comes from now on is compared with how it is now.
    pub(crate) fn remember(&mut self) {
        self.heard = self.daemon.said().len();
        self.device = self.device_now();
        self.rss_kib = self.rss_now_kib();
    }

    /// One good request of each kind is served as ever.
    pub(crate) fn is_well(&self) {
        let daemon = &self.daemon;
        assert_eq!(daemon.fetch("hello").unwrap(), "hello\n");
        assert!(daemon.fetch("pxelinux.cfg/default").unwrap().contains("localboot"));
        assert!(daemon.get("version")["version"].is_string());
        daemon.post("device/board-1/set-comments", json!({"comments": "none"}));
        let file = self.raw(b"GET /files/hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(file.starts_with("HTTP/1.1 200") && file.ends_with("\r\n\r\nhello\n"), "{file}");
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        // A datagram may be lost behind a flood, so it is said again until it is heard.
        wait_for("a line by UDP", || {
            udp.send_to(format!("<13>good: datagram {n}").as_bytes(), daemon.syslog).unwrap();
            self.has_line(&format!("datagram {n}"))
        });
        let mut tcp = TcpStream::connect(daemon.syslog_tcp).unwrap();
        tcp.write_all(format!("<13>good: stream {n}\n").as_bytes()).unwrap();
        wait_for("a line by TCP", || self.has_line(&format!("stream {n}")));
    }

    fn has_line(&self, text: &str) -> Option<()> {
        self.lines(300).iter().any(|l| l["message"].as_str().unwrap().contains(text)).then_some(())
    }

    /// The last lines of the board's log.
    pub(crate) fn lines(&self, count: usize) -> Vec<Value> {
        self.daemon.get(&format!("device/board-1/log?limit={count}"))["log"].as_array().unwrap().clone()
    }

    fn device_now(&self) -> Value {
        self.daemon.get("device/list?details=1")["devices"][0].clone()
    }

    /// The board, its requests and what its machine has logged are as they were.
    pub(crate) fn nothing_changed(&self) {
        assert_eq!(self.device_now(), self.device);
        assert_eq!(self.daemon.get("request/list?include_closed=1"), json!({"requests": []}));
        assert_eq!(self.daemon.log("statemachine"), Vec::<String>::new());
    }

    /// What was logged since [`Self::remember`].
    pub(crate) fn said(&self) -> Vec<String> {
        self.daemon.said().split_off(self.heard)
    }

    /// Of that, warnings and errors.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let is_bad = |l: &String| l.contains(" warn ") || l.contains(" error ") || l.contains("panicked");
        self.said().into_iter().filter(is_bad).collect()
    }

    /// Resident memory, from /proc (Linux, proc(5)).
    fn rss_now_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse().unwrap()
    }

    /// Its memory has not grown beyond [`GROWTH_MAX_KIB`]; says by how much.
    pub(crate) fn memory_is_bounded(&self, after: &str) {
        let now = self.rss_now_kib();
        #[allow(clippy::print_stdout, reason = "a figure for whoever reads the test's output")]
        {
            println!("memory after {after}: {} KiB, before {} KiB", now, self.rss_kib);
        }
        let grown = now.saturating_sub(self.rss_kib);
        assert!(grown <= GROWTH_MAX_KIB, "{after} has added {grown} KiB");
    }

    /// Says `bytes` to the HTTP port as the last words, and hears the server out.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = connect(self.daemon.http);
        // The server may refuse to hear all of it.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        hear_out(&mut stream)
    }
}

/// Connects with a limit, so that a test never hangs.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(40))).unwrap();
    stream
}

/// Everything until the peer closes or breaks the connection.
pub(crate) fn hear_out(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        let timed_out = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        assert!(
            !timed_out,
            "the server neither answers nor closes; so far: {}",
            String::from_utf8_lossy(&all)
        );
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A small generator of random numbers (xorshift64*, Vigna 2016): good enough to make nonsense, the same from the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// 0 to `end` - 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Up to `most` bytes of anything.
    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Changes some bytes, cuts the end off, or doubles a piece.
    pub(crate) fn spoil(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return bytes;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] = self.next().to_le_bytes()[0],
                1 => bytes.truncate(at),
                2 => bytes.insert(at, b"\0\n\r%\"\\\xff/"[self.below(8)]),
                _ => bytes.extend_from_within(at..),
            }
        }
        bytes
    }
}
