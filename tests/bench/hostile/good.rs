//! Those who mean well, during an attack: jobs that call the API, on connections that they keep and on new ones, and a board that
//! loads a file by TFTP.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two calls of a job.
const PAUSE: Duration = Duration::from_millis(10);
/// Longer no client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// How long calls took that were answered 200.
    pub(crate) calls: Vec<Duration>,
    /// Calls that were not; why, of the last one.
    pub(crate) failed: Vec<String>,
    /// How long transfers took that brought the whole file.
    pub(crate) transfers: Vec<Duration>,
    /// Those that did not.
    pub(crate) broken: Vec<String>,
}

/// Clients at work.
pub(crate) struct Good {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Served>>,
}

impl Good {
    /// Begins; `file` has so many bytes.
    pub(crate) fn begin(http: SocketAddr, tftp: SocketAddr, file: &'static str, len: usize) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let answered: Arc<AtomicUsize> = Arc::default();
        let mut threads = Vec::new();
        for keeps in [true, false] {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            threads.push(std::thread::spawn(move || calls(http, keeps, &stop, &answered)));
        }
        let stopped = Arc::clone(&stop);
        threads.push(std::thread::spawn(move || transfers(tftp, file, len, &stopped)));
        Self { stop, answered, threads }
    }

    /// Calls that were answered 200 until now.
    #[allow(dead_code, reason = "who works for a time asks at its end")]
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends them, when what they do is done.
    pub(crate) fn end(self) -> Served {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Served::default();
        for thread in self.threads {
            let served = thread.join().expect("a good client does not panic");
            all.calls.extend(served.calls);
            all.failed.extend(served.failed);
            all.transfers.extend(served.transfers);
            all.broken.extend(served.broken);
        }
        all
    }
}

/// Calls again and again.
fn calls(http: SocketAddr, keeps: bool, stop: &AtomicBool, answered: &AtomicUsize) -> Served {
    let (mut served, mut kept) = (Served::default(), None);
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        match call(http, kept.take()) {
            Ok(stream) => {
                served.calls.push(begun.elapsed());
                answered.fetch_add(1, Ordering::Relaxed);
                kept = keeps.then_some(stream);
            }
            Err(error) => served.failed.push(error.to_string()),
        }
        std::thread::sleep(PAUSE);
    }
    served
}

/// One call on a connection, or on a new one, which it returns.
pub(crate) fn call(http: SocketAddr, kept: Option<TcpStream>) -> io::Result<TcpStream> {
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect_timeout(&http, PATIENCE)?,
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /api/device/board-1/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while !all.ends_with(b"}") {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => all.extend_from_slice(&piece[..count]),
        }
    }
    if all.starts_with(b"HTTP/1.1 200 ") {
        return Ok(stream);
    }
    Err(io::Error::other(String::from_utf8_lossy(&all[..all.len().min(80)]).into_owned()))
}

/// Loads a file again and again.
fn transfers(tftp: SocketAddr, file: &str, len: usize, stop: &AtomicBool) -> Served {
    let mut served = Served::default();
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        match transfer(tftp, file) {
            Ok(count) if count == len => served.transfers.push(begun.elapsed()),
            Ok(count) => served.broken.push(format!("{count} bytes of {len}")),
            Err(error) => served.broken.push(error.to_string()),
        }
    }
    served
}

/// Loads a file once; its length.
pub(crate) fn transfer(tftp: SocketAddr, file: &str) -> Result<usize, tftpd::FetchError> {
    let options = tftpd::FetchOptions { local: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), ..Default::default() };
    tftpd::fetch(tftp, file, &options).map(|fetched| fetched.bytes.len())
}
