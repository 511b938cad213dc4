//! A daemon with files, and a caller that looks closely.

use crate::client::{Answer, connect, send};
use crate::support::{Daemon, Lab, wait_for};
use std::fs::{File, FileTimes};
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// More than the buffers of a connection hold, so that a download that nobody reads is not over.
pub(crate) const BIG: usize = 48 << 20;

/// A lab and its daemon.
pub(crate) struct Rig {
    pub(crate) lab: Lab,
    pub(crate) daemon: Daemon,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With lines for the configuration's `[http]`.
    pub(crate) fn start_with(http: &str) -> Self {
        let lab = Lab::new();
        let config = std::fs::read_to_string(lab.config()).unwrap();
        // Events are sent beside the files, and no live system runs that could show a boot token.
        let config = config.replace("[http]\n", &format!("[http]\n{http}\n"));
        std::fs::write(lab.config(), format!("{config}[boards]\nevents = \"plain\"\n")).unwrap();
        std::fs::write(lab.path("files/ten"), "0123456789").unwrap();
        let daemon = lab.serve();
        Self { lab, daemon }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.lab.path("files").join(name)
    }

    /// A file of so many bytes of [`pattern`].
    pub(crate) fn put(&self, name: &str, size: usize) {
        std::fs::write(self.path(name), pattern(0, size)).unwrap();
    }

    /// Says that a file was last written so long ago.
    pub(crate) fn age(&self, name: &str, seconds: u64) {
        let when = SystemTime::now() - Duration::from_secs(seconds);
        let file = File::options().write(true).open(self.path(name)).unwrap();
        file.set_times(FileTimes::new().set_modified(when)).unwrap();
    }

    /// One call on a connection of its own.
    pub(crate) fn call(&self, method: &str, name: &str, headers: &[&str]) -> Answer {
        let first = format!("{method} /files/{name} HTTP/1.1");
        let mut head = vec![first.as_str(), "Host: h", "Connection: close"];
        head.extend_from_slice(headers);
        send(self.daemon.http, &head, b"")
    }

    pub(crate) fn get(&self, name: &str, headers: &[&str]) -> Answer {
        self.call("GET", name, headers)
    }

    /// A connection on which a download has begun; nothing of the answer is read.
    pub(crate) fn begin(&self, name: &str) -> TcpStream {
        self.begin_with(name, "Host: h")
    }

    /// The same with another header line.
    pub(crate) fn begin_with(&self, name: &str, header: &str) -> TcpStream {
        let mut stream = connect(self.daemon.http);
        stream.write_all(format!("GET /files/{name} HTTP/1.1\r\n{header}\r\n\r\n").as_bytes()).unwrap();
        stream
    }

    /// Waits for a line of the log with all these words.
    pub(crate) fn hears(&self, words: &[&str]) -> String {
        wait_for(&format!("a line with {words:?}"), || {
            self.daemon.said().into_iter().find(|line| words.iter().all(|word| line.contains(word)))
        })
    }

    /// It serves as ever.
    pub(crate) fn is_well(&self) {
        assert_eq!(self.get("ten", &[]).line(), "200 0123456789");
        assert_eq!(self.daemon.state(), "ready");
        assert!(!self.daemon.said().iter().any(|l| l.contains("panicked")), "a thread has panicked");
    }
}

/// Bytes that tell where they are: each eight of them are their number.
pub(crate) fn pattern(start: usize, size: usize) -> Vec<u8> {
    let first = start / 8;
    let bytes: Vec<u8> = (first..(start + size).div_ceil(8)).flat_map(|n| (n as u64).to_be_bytes()).collect();
    bytes[start % 8..][..size].to_vec()
}
