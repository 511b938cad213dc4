//! The program `syslogd`: prints what it receives as JSON, one record a line.
//!
//! It stores and forwards nothing. Standard output carries records only; addresses and warnings go to standard error.
//! Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage.

use clap::Parser;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use syslogd::{BindError, Config, Limits, Record, RunError, Server, Sink, Stopper};

/// Receives syslog by UDP and TCP and prints it as JSON, one record a line.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Listen on this UDP address, for example 0.0.0.0:514; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", required_unless_present = "tcp")]
    udp: Vec<SocketAddr>,
    /// Listen on this TCP address
    #[arg(long, value_name = "ADDR:PORT")]
    tcp: Vec<SocketAddr>,
}

/// Why the program failed.
enum Failure {
    Bind(BindError),
    Run(RunError),
    Signals(io::Error),
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Run(error) => error.fmt(f),
            Self::Signals(error) => write!(f, "cannot listen to signals: {error}"),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

fn main() -> ExitCode {
    // clap ends the process with 2 itself when the usage is wrong.
    let args = Args::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if standard error is gone, too.
            let _ = writeln!(io::stderr(), "syslogd: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let config = Config { udp: args.udp, tcp: args.tcp, limits: Limits::default() };
    let server = Server::bind(&config).map_err(Failure::Bind)?;

    // A second signal ends the process at once: writing to a pipe that nobody reads may hold up the first.
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&stopping)).map_err(Failure::Signals)?;
        flag::register(signal, Arc::clone(&stopping)).map_err(Failure::Signals)?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(Failure::Signals)?;
    let handle = signals.handle();
    let stopper = server.stopper();
    let waiter = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if signals.forever().next().is_some()
                && let Err(error) = stopper.stop()
            {
                log::error!("cannot stop: {error}");
            }
        })
        .map_err(Failure::Signals)?;

    for (kind, addrs) in [("udp", server.udp_addrs()), ("tcp", server.tcp_addrs())] {
        for addr in addrs {
            // Said once for people and scripts that asked for port 0; not being heard is no reason to end.
            let _ = writeln!(io::stderr(), "listening on {kind} {addr}");
        }
    }
    let out = BufWriter::new(io::stdout().lock());
    let mut printer = Printer { out, stopper: server.stopper(), failed: None };
    let ran = server.run(&mut printer);
    handle.close();
    if waiter.join().is_err() {
        log::error!("the thread that waits for signals panicked");
    }
    ran.map_err(Failure::Run)?;
    match printer.failed {
        Some(error) => Err(Failure::Output(error)),
        None => Ok(()),
    }
}

/// Prints records; stops the receiver when nobody can read them.
struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    stopper: Stopper,
    failed: Option<io::Error>,
}

impl Printer {
    fn check(&mut self, done: io::Result<()>) {
        if let Err(error) = done
            && self.failed.is_none()
        {
            self.failed = Some(error);
            if let Err(error) = self.stopper.stop() {
                log::error!("cannot stop: {error}");
            }
        }
    }
}

impl Sink for Printer {
    fn record(&mut self, from: SocketAddr, record: Record<'_>, _raw: &[u8]) {
        if self.failed.is_none() {
            let line = Line::new(from, &record);
            let done = serde_json::to_writer(&mut self.out, &line)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"));
            self.check(done);
        }
    }

    fn idle(&mut self) {
        if self.failed.is_none() {
            let done = self.out.flush();
            self.check(done);
        }
    }
}

/// A record as it is printed. What the sender did not say is `null`, so that every line has the same fields.
#[derive(Serialize)]
struct Line<'a> {
    received_ms: u64,
    from: SocketAddr,
    facility: &'static str,
    severity: &'static str,
    pri_given: bool,
    timestamp: Option<&'a str>,
    timestamp_ms: Option<i64>,
    hostname: Option<&'a str>,
    tag: Option<&'a str>,
    pid: Option<&'a str>,
    msgid: Option<&'a str>,
    structured_data: Option<&'a str>,
    message: &'a str,
    truncated: bool,
}

impl<'a> Line<'a> {
    fn new(from: SocketAddr, record: &'a Record<'_>) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            received_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            from,
            facility: record.facility.name(),
            severity: record.severity.name(),
            pri_given: record.pri_given,
            timestamp: record.timestamp.as_ref().map(|t| &*t.text),
            timestamp_ms: record.timestamp.as_ref().and_then(|t| t.utc_ms),
            hostname: record.hostname.as_deref(),
            tag: record.tag.as_deref(),
            pid: record.pid.as_deref(),
            msgid: record.msgid.as_deref(),
            structured_data: record.structured_data.as_deref(),
            message: &record.message,
            truncated: record.truncated,
        }
    }
}
