//! `tftpd`: serves the regular files of a directory over TFTP, read-only, until it is told to stop.
//! It refuses to know anything that the library does: it reads arguments, waits for signals and sets the exit code.
//! Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage.

#![forbid(unsafe_code)]

mod lines;

use clap::Parser;
use lines::Lines;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tftpd::{BindError, Config, Content, Refusal, Request, Root, RunError, Server, Source, TransferRecord};

/// Serve a directory over TFTP, read-only.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Directory to serve; nothing outside of it can be read, not even through symbolic links
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// UDP address and port to listen on; may be given several times. Port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:69")]
    listen: Vec<SocketAddr>,
    /// Largest IP packet on the way to the clients, in bytes; limits the block size
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().mtu,
          value_parser = clap::value_parser!(u16).range(576..))]
    mtu: u16,
    /// Largest window granted, in blocks
    #[arg(long, value_name = "BLOCKS", default_value_t = Config::default().max_windowsize,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_windowsize: u16,
    /// Most transfers at once
    #[arg(long, value_name = "N", default_value_t = Config::default().max_transfers)]
    max_transfers: usize,
    /// Answer from the port that was asked, for firewalls that let no other through
    #[arg(long)]
    single_port: bool,
}

/// What ends the program with code 1.
#[derive(Debug)]
enum Failure {
    Root(PathBuf, io::Error),
    Bind(BindError),
    Signals(io::Error),
    Output(io::Error),
    Run(RunError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(path, cause) => write!(f, "cannot serve {}: {cause}", path.display()),
            Self::Bind(error) => write!(f, "{error}"),
            Self::Signals(cause) => write!(f, "cannot wait for signals: {cause}"),
            Self::Output(cause) => write!(f, "cannot print the addresses: {cause}"),
            Self::Run(error) => write!(f, "{error}"),
        }
    }
}

/// The directory, and a line in the log for each transfer.
struct Logged {
    root: Root,
    lines: Lines,
}

/// However the server ends, the lines of its last round are written.
impl Drop for Logged {
    fn drop(&mut self) {
        self.lines.gather(false);
    }
}

impl Source for Logged {
    fn open(&self, request: &Request<'_>) -> Result<Content, Refusal> {
        let result = self.root.open(request);
        if let Err(refusal) = &result {
            log::info!("file={} peer={} refused: {}", request.name, request.peer, refusal.answer().1);
        }
        result
    }

    fn finished(&self, r: &TransferRecord) {
        log::info!(
            "file={} peer={} {} bytes={} ms={} rtt_us={} again={} options=[{}]",
            r.name,
            r.peer,
            r.outcome.as_str(),
            r.bytes,
            r.duration.as_millis(),
            r.round_trip.as_micros(),
            r.retransmissions,
            r.options
        );
    }

    fn round_over(&self) {
        self.lines.write_out();
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let lines = Lines::new(io::stderr());
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .target(env_logger::Target::Pipe(Box::new(lines.clone())))
        .init();
    match run(&arguments, &lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(io::stderr(), "tftpd: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, lines: &Lines) -> Result<(), Failure> {
    let root = Root::open(&arguments.root).map_err(|e| Failure::Root(arguments.root.clone(), e))?;
    let config = Config {
        mtu: arguments.mtu,
        max_windowsize: arguments.max_windowsize,
        max_transfers: arguments.max_transfers,
        single_port: arguments.single_port,
        ..Config::default()
    };
    if let Err(error) = config.raise_open_files() {
        log::warn!("the limit of open files stays as it is: {error}");
    }
    let source = Logged { root, lines: lines.clone() };
    let server = Server::bind(&arguments.listen, config, source).map_err(Failure::Bind)?;
    // Signals are waited for before the addresses are printed: who reads those may send one at once.
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(Failure::Signals)?;
    let (handle, stopper) = (signals.handle(), server.stopper());
    let waiter = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if signals.forever().next().is_some() {
                stopper.stop();
            }
        })
        .map_err(Failure::Signals)?;
    for address in server.local_addrs() {
        writeln!(io::stdout(), "listening on {address}").map_err(Failure::Output)?;
    }
    lines.gather(true);
    let result = server.run().map_err(Failure::Run);
    handle.close();
    if waiter.join().is_err() {
        log::error!("the thread that waits for signals had failed");
    }
    result
}
