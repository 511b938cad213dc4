//! The built daemon as the benches run it, and what the system says of its process.
//!
//! It logs into a file, as a service would; a pipe to us would cost both sides.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take before the bench gives up.
const START_LIMIT: Duration = Duration::from_secs(300);
/// Between two looks at a daemon that starts or ends.
const LOOK: Duration = Duration::from_millis(1);

/// A running process that answers HTTP; killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    /// Where the API is.
    pub(crate) http: SocketAddr,
    /// From the start of the process to its first answer.
    pub(crate) started_in: Duration,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system.
    pub(crate) cpu_s: f64,
    /// Resident memory now.
    pub(crate) rss_mb: f64,
    /// The most that it was.
    pub(crate) peak_mb: f64,
}

/// A port that was free a moment ago, on an address of this process's own.
pub(crate) fn free_port() -> io::Result<SocketAddr> {
    let [.., hi, lo] = std::process::id().to_be_bytes();
    TcpListener::bind((Ipv4Addr::new(127, 79, hi, lo), 0))?.local_addr()
}

impl Daemon {
    /// Starts `mozpool serve` and waits for its first answer.
    ///
    /// # Errors
    /// It does not start, or ends.
    pub(crate) fn serve(config: &Path, http: SocketAddr, log: &Path) -> io::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
        command.arg("--config").arg(config).arg("serve").env_remove("RUST_LOG");
        command.stderr(File::create(log)?);
        Self::start(command, http)
    }

    /// Starts this program again as the bare server of [`crate::floor`].
    ///
    /// # Errors
    /// As [`Self::serve`].
    pub(crate) fn floor(bytes: usize) -> io::Result<Self> {
        let http = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([crate::floor::SERVE, &http.to_string(), &bytes.to_string()]);
        Self::start(command, http)
    }

    fn start(mut command: Command, http: SocketAddr) -> io::Result<Self> {
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        loop {
            if answers(http) {
                let started_in = begun.elapsed();
                return Ok(Self { child, http, started_in });
            }
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("the server ended at its start: {status}")));
            }
            if begun.elapsed() > START_LIMIT {
                let _ = child.kill();
                return Err(io::Error::other("the server does not answer"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What it has used until now.
    pub(crate) fn usage(&self) -> Usage {
        usage(self.child.id())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers(at: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(at) else { return false };
    let asked =
        stream.write_all(b"GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    let mut start = [0; 12];
    asked.and_then(|()| stream.read_exact(&mut start)).is_ok() && start.ends_with(b"200")
}

/// From /proc (proc(5)); zeros for a process that is gone.
pub(crate) fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may hold anything; the fields after it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n - 3).and_then(|t| t.parse::<f64>().ok()).unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mb = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    };
    // Linux counts in hundredths of a second for programs, whatever the kernel's own ticks are.
    Usage { cpu_s: (ticks(14) + ticks(15)) / 100.0, rss_mb: mb("VmRSS:"), peak_mb: mb("VmHWM:") }
}
