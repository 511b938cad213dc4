//! The HTTP threads: they take calls from `tiny_http`, have them answered by `api`, and send files.
//!
//! Nothing of the API is decided here. An API thread is never held up by a slow peer: a body that has not arrived yet and every
//! file are handed to a bounded number of transfer threads. HTTP/1.0 and 1.1 (RFC 9112), with and without keep-alive.

mod access;
mod body;
mod caller;
mod download;
mod leave;
mod lines;
mod served;
mod socket;
mod tail;
mod transfers;
mod watch;
mod wire;
mod write;

use self::access::AccessLog;
use self::body::{BodyIs, body_of, is_small, read_body};
use self::lines::Lines;
pub use self::served::Teller;
use self::transfers::Transfers;
use self::wire::{Arrived, call_of, respond};
use super::journal::LogBell;
use super::supervise::{Exit, spawn};
use crate::api::call::Call;
use crate::api::events::Recent;
use crate::api::files;
use crate::api::reply::ApiError;
use crate::api::shelf::Shelf;
use crate::api::{self, Answer, BODY_MAX, Commands, Ctx, Settings};
use crate::clock::Clock;
use crate::store::{self, Store};
use crossbeam_channel::{Receiver, Sender, bounded};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tftpd::root::Root;
use tiny_http::{Request, Response};

/// Threads that answer API calls. Most calls take a millisecond; a ping takes one second and a relay board's test up to ten, and
/// a handful of those must not keep eighty boards' events waiting. Each has a connection to the store of its own.
pub const API_THREADS: usize = 16;

/// Downloads at once, and as many bodies that are still on their way and long answers: three racks of boards may image at the
/// same moment. Each is a thread that mostly waits for its peer, and costs some thirty kilobytes and four descriptors; what is
/// sent lies in the system's memory once.
pub const TRANSFERS_MAX: usize = 256;

/// Longer answers are transfers, too: the system takes so much for a peer that reads nothing, and an API thread would wait for
/// the rest (tcp(7), `tcp_wmem`: 16 kilobytes at first, which grow with what is sent).
const AT_ONCE_MAX: usize = 16 << 10;

/// Bodies of imports at once: with what is made of them, each may take a few hundred megabytes of memory.
const LARGE_MAX: usize = 2;

/// Reports that are made at once, and repair lists. Each may keep a core busy for a second, and boards come first.
const REPORTS_AT_ONCE: usize = 2;
/// Those that may wait for that: a page asks for all reports at once, and a few people look at it. Each costs a sleeping thread.
const REPORTS_MAX: usize = 32;
/// How long one waits for its turn: a report takes a second or two, and most browsers lose patience much later.
const REPORT_PATIENCE: Duration = Duration::from_secs(20);

/// Clients that wait for changes at once: every job of a big lab and everybody who looks at it. Each costs a sleeping thread
/// and two file descriptors.
pub const WATCHERS_MAX: usize = 512;

/// How long a peer may say nothing, or take nothing of what it is sent, before it is hung up on. A board that was switched
/// off in the middle of its download is noticed after this, and a connection that nobody uses ends.
pub const SILENCE: Duration = Duration::from_secs(60);

/// The address could not be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub addr: SocketAddr,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, source } = self;
        write!(f, "cannot listen on {addr} for HTTP: {source}")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "; `ss -ltnp sport = :{}` shows which program has it", addr.port())
            }
            io::ErrorKind::PermissionDenied => f.write_str("; ports below 1024 need to be bound as root"),
            io::ErrorKind::AddrNotAvailable => f.write_str("; this machine has no such address"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {}

/// Opens a store for a thread.
pub type OpenStore = Box<dyn Fn() -> store::Result<Box<dyn Store>> + Send + Sync>;

/// What the HTTP threads need.
pub struct Parts {
    /// This server.
    pub settings: Settings,
    /// To have things done.
    pub commands: Commands,
    /// The last changes, for those who watch.
    pub recent: Arc<Recent>,
    /// Rung when device logs have grown, for those who follow one.
    pub log_bell: Arc<LogBell>,
    /// Devices as the API shows them.
    pub shelf: Shelf,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is below `/files/`; `None` for nothing.
    pub files: Option<Root>,
    /// Told of what is sent from there.
    pub served: Option<Teller>,
    /// Called once by each API thread, and for bodies that arrive slowly.
    pub open_store: OpenStore,
    /// [`API_THREADS`], or fewer in tests.
    pub threads: usize,
    /// [`TRANSFERS_MAX`], or fewer in tests.
    pub transfers_max: usize,
    /// [`WATCHERS_MAX`], or fewer in tests.
    pub watchers_max: usize,
    /// [`SILENCE`], or shorter in tests.
    pub silence: Duration,
}

/// A bound address; it answers from [`HttpServer::run`] on. Until then callers wait in the system's queue.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    addr: SocketAddr,
}

impl HttpServer {
    /// Takes the address. This needs root for ports below 1024; nothing after it does.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        let listener = TcpListener::bind(addr).map_err(|source| BindError { addr, source })?;
        let addr = listener.local_addr().map_err(|source| BindError { addr, source })?;
        Ok(Self { listener, addr })
    }

    /// Takes a socket that listens already, from a service manager; whoever has called meanwhile is answered, too.
    pub fn take(listener: TcpListener, addr: SocketAddr) -> Result<Self, BindError> {
        listener.set_nonblocking(false).map_err(|source| BindError { addr, source })?;
        Ok(Self { listener, addr })
    }

    /// The address, with the port that the system chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts the threads. Each reports its end on `ended`.
    pub fn run(self, parts: Parts, ended: &Sender<(String, Exit)>) -> Result<Running, BindError> {
        let addr = self.addr;
        let failed = |source| BindError { addr, source };
        let silence = parts.silence;
        end_dead_connections(&self.listener, silence).map_err(failed)?;
        raise_open_files(2 * parts.transfers_max + parts.watchers_max);
        let gate = leave::Gate::of(&self.listener).map_err(failed)?;
        let server = tiny_http::Server::from_listener(self.listener, None)
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        let threads = parts.threads;
        let transfers = Transfers::new(parts.transfers_max);
        let downloads = Transfers::new(parts.transfers_max);
        let access = Arc::new(AccessLog::default());
        let tidies = Arc::clone(&access);
        let watchers = Transfers::new(parts.watchers_max);
        let large = Transfers::new(LARGE_MAX);
        let reports = Transfers::new(REPORTS_MAX);
        let report_turns = Transfers::new(REPORTS_AT_ONCE);
        let stopping = AtomicBool::new(false);
        let (called, was_called) = bounded(1);
        let lines = Arc::default();
        let port = addr.port();
        let (at_work, all_left) = bounded::<()>(0);
        let shared = Arc::new(Shared {
            server,
            parts,
            port,
            downloads,
            transfers,
            watchers,
            large,
            reports,
            report_turns,
            access,
            lines,
            called,
            stopping,
        });
        let (stop, stopped) = bounded(0);
        let mut handles = vec![spawn("http-caller", ended.clone(), move || {
            let exit = caller::run(addr, silence, &stopped, &was_called, || tidies.tidy(Instant::now()));
            tidies.end(Instant::now());
            exit
        })];
        handles.extend((1..=threads).map(|n| {
            let (shared, at_work) = (Arc::clone(&shared), at_work.clone());
            spawn(&format!("http-{n}"), ended.clone(), move || {
                let exit = serve_until_stopped(&shared);
                drop(at_work);
                exit
            })
        }));
        Ok(Running { shared, threads: handles, addr, stop: Some(stop), gate: Some(gate), all_left })
    }
}

/// Connections inherit these from the listener (Linux, `sk_clone_lock`): `tiny_http` sets no time limit of its own.
fn end_dead_connections(listener: &TcpListener, silence: Duration) -> io::Result<()> {
    let ms = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
    setsockopt(listener, sockopt::ReceiveTimeout, &TimeVal::milliseconds(ms))?;
    // For data that is not taken, by a peer that is gone or one that does not read (zero window): tcp(7).
    setsockopt(listener, sockopt::TcpUserTimeout, &u32::try_from(ms).unwrap_or(u32::MAX))?;
    // What is written is to be sent: otherwise the second of two writes waits for the peer to acknowledge the first, which it
    // does after 40 ms.
    setsockopt(listener, sockopt::TcpNoDelay, &true)?;
    Ok(())
}

/// Lets the process open what so many peers need beside all else: a connection is two descriptors to `tiny_http`, its socket is
/// one to us, and a file is one. `tiny_http` gives up accepting when there are none left.
fn raise_open_files(peers: usize) {
    const EACH: u64 = 4;
    let raise = || {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.saturating_add(EACH * peers as u64).min(hard), hard)
    };
    if let Err(error) = raise() {
        log::warn!("cannot raise the limit of open files: {error}; many clients at once may be too many");
    }
}

/// Running threads.
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    addr: SocketAddr,
    /// Its end is the word to stop.
    stop: Option<Sender<()>>,
    /// `None` once nobody is let in any more.
    gate: Option<leave::Gate>,
    /// Its end says that no thread answers calls any more.
    all_left: Receiver<()>,
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no new calls; those that are here are answered, who waits for changes is told to go, transfers are cut off. Returns at
    /// once.
    pub fn stop(&mut self) {
        self.stop = None;
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(gate) = self.gate.take() {
            gate.close(self.addr);
        }
        self.shared.parts.recent.close();
        for _ in &self.threads {
            self.shared.server.unblock();
        }
    }

    /// Waits until the calls that were here are answered, at most `limit`: until then the layers that answer must live.
    pub fn wait_for_answers(&self, limit: Duration) {
        // Nothing is ever sent. Calls that take longer hear that this server stops.
        let _ = self.all_left.recv_timeout(limit);
    }

    /// Waits for the API threads, and at most `grace` for transfers; those that hang on a silent peer end with the process.
    pub fn join(self, grace: Duration) {
        for thread in self.threads {
            // It has reported its end itself, a panic too.
            let _ = thread.join();
        }
        let until = Instant::now() + grace;
        let Shared { downloads, transfers, watchers, .. } = &*self.shared;
        for (what, threads) in [("downloads", downloads), ("transfers", transfers), ("watchers", watchers)] {
            let left = threads.wait_until_idle(until.saturating_duration_since(Instant::now()));
            if left > 0 {
                log::warn!("{left} {what} were cut off");
            }
        }
    }
}

struct Shared {
    server: tiny_http::Server,
    parts: Parts,
    /// Where we listen.
    port: u16,
    downloads: Arc<Transfers>,
    /// Apart from those: a board's event does not have to wait for a place because other boards load images.
    transfers: Arc<Transfers>,
    access: Arc<AccessLog>,
    /// Of those, bodies that may be larger than [`BODY_MAX`].
    large: Arc<Transfers>,
    /// Reports are made by threads of their own: a second's reading must not keep a board waiting.
    reports: Arc<Transfers>,
    /// Of those, the ones that are at work.
    report_turns: Arc<Transfers>,
    watchers: Arc<Transfers>,
    lines: Arc<Lines>,
    /// Has a place for one word: a call has come.
    called: Sender<()>,
    stopping: AtomicBool,
}

impl Shared {
    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn open_store(&self) -> store::Result<Box<dyn Store>> {
        (self.parts.open_store)()
    }
}

fn serve_until_stopped(shared: &Arc<Shared>) -> Exit {
    let mut store = match shared.open_store() {
        Ok(store) => store,
        Err(error) => return Exit::Failed(error.to_string()),
    };
    loop {
        let request = match shared.server.recv() {
            Ok(request) => request,
            Err(_) if shared.stopping() => break,
            // `tiny_http` gives up accepting at the first error, such as too many open files. The address is free only when
            // the process has ended.
            Err(error) => return Exit::Failed(format!("cannot accept HTTP connections any more: {error}")),
        };
        if serve(shared, store.as_mut(), request) == Handled::Panicked {
            // What it has left behind in the store's connection, nobody knows.
            match shared.open_store() {
                Ok(fresh) => store = fresh,
                Err(error) => return Exit::Failed(error.to_string()),
            }
        }
    }
    for request in leave::last_calls(&shared.server) {
        serve(shared, store.as_mut(), request);
    }
    Exit::Stopped
}

#[derive(Debug, PartialEq, Eq)]
enum Handled {
    Done,
    Panicked,
}

/// One call from beginning to end, or until it is a transfer thread's.
fn serve(shared: &Arc<Shared>, store: &mut dyn Store, mut request: Request) -> Handled {
    let metrics = shared.parts.commands.vitals.metrics();
    let arrived = Arrived::of(&request, &shared.access, &shared.lines, metrics);
    // Full: it is known already.
    let _ = shared.called.try_send(());
    if arrived.line.is_behind_a_watcher() {
        shared.parts.recent.nudge();
    }
    let mut call = call_of(&request, shared.parts.commands.access.proxy_header());
    if call.path().starts_with(files::PREFIX) {
        match body_of(&request, BODY_MAX) {
            BodyIs::Absurd => refuse_absurd(request, &arrived),
            BodyIs::Here(_) | BodyIs::OnItsWay(_) => {
                hand_over(shared, Long::File, request, arrived, move |shared, request, arrived| {
                    download::run(shared, request, &call, &arrived);
                });
            }
        }
        return Handled::Done;
    }
    // Which call it is decides what is taken, and need not be looked up for the many without a body.
    let max = if is_small(&request) { BODY_MAX } else { api::body_max(&call) };
    match body_of(&request, max) {
        // Its answer has to wait until the watcher's before it is out: a moment, if the peer reads at all.
        BodyIs::Here(limit) if arrived.line.is_behind_a_watcher() => {
            hand_over(shared, Long::Body, request, arrived, move |shared, request, arrived| {
                take_slowly(shared, request, call, limit, arrived);
            });
            Handled::Done
        }
        BodyIs::Here(len) => {
            call.body = Vec::with_capacity(len);
            if let Err(error) = request.as_reader().take(len as u64).read_to_end(&mut call.body) {
                log::debug!("peer={} body: {error}", arrived.peer);
            }
            if api::takes_long(&call) {
                hand_over(shared, Long::Report, request, arrived, move |shared, request, arrived| {
                    report(shared, request, &call, &arrived);
                });
                return Handled::Done;
            }
            let (answer, handled) = answer(shared, store, &call);
            finish(shared, request, answer, arrived);
            handled
        }
        BodyIs::OnItsWay(limit) => {
            hand_over(shared, Long::Body, request, arrived, move |shared, request, arrived| {
                take_slowly(shared, request, call, limit, arrived);
            });
            Handled::Done
        }
        BodyIs::Absurd => {
            refuse_absurd(request, &arrived);
            Handled::Done
        }
    }
}

/// Answers, or has a thread wait for what is to be answered.
fn finish(shared: &Arc<Shared>, request: Request, answer: Answer, arrived: Arrived) {
    match answer {
        Answer::Now(reply) if reply.bytes().len() > AT_ONCE_MAX => {
            hand_over(shared, Long::List, request, arrived, move |_, request, arrived| {
                respond(request, reply, &arrived);
            });
        }
        Answer::Now(reply) => respond(request, reply, &arrived),
        Answer::Later(watch) => watch::begin(shared, request, watch, arrived),
        Answer::Tail(tail) => tail::begin(shared, request, tail, arrived),
    }
}

/// What may take long.
#[derive(Debug, Clone, Copy)]
enum Long {
    File,
    Body,
    List,
    Report,
}

/// Has a transfer thread do the rest, or says that there is none.
fn hand_over(
    shared: &Arc<Shared>,
    what: Long,
    request: Request,
    arrived: Arrived,
    job: impl FnOnce(&Arc<Shared>, Request, Arrived) + Send + 'static,
) {
    let (name, places, full) = match what {
        Long::File => ("http-file", &shared.downloads, ApiError::DownloadsFull),
        Long::Body => ("http-body", &shared.transfers, ApiError::TransfersFull),
        Long::List => ("http-list", &shared.transfers, ApiError::TransfersFull),
        Long::Report => ("http-report", &shared.reports, ApiError::ReportsFull),
    };
    let Some(slot) = places.enter() else {
        return respond(request, full.reply(), &arrived);
    };
    let shared = Arc::clone(shared);
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _slot = slot;
        // The request answers 500 by itself when it is dropped in a panic.
        if catch_unwind(AssertUnwindSafe(|| job(&shared, request, arrived))).is_err() {
            log::error!("a transfer has panicked");
        }
    });
    if let Err(error) = started {
        // The request was dropped with the thread that was not to be, and has answered 500.
        log::error!("cannot start a transfer thread: {error}");
    }
}

/// Reads a body that was not here yet, and answers.
fn take_slowly(shared: &Arc<Shared>, mut request: Request, mut call: Call, limit: usize, arrived: Arrived) {
    let max = api::body_max(&call);
    let large = if max > BODY_MAX { shared.large.enter() } else { None };
    if max > BODY_MAX && large.is_none() {
        return respond(request, ApiError::ImportsFull.reply(), &arrived);
    }
    let answer = match read_body(request.as_reader(), limit, max, arrived.at) {
        Err(error) => Answer::Now(error.reply()),
        Ok(body) => match shared.open_store() {
            Err(error) => Answer::Now(ApiError::from(error).reply()),
            Ok(mut store) => {
                call.body = body;
                answer(shared, store.as_mut(), &call).0
            }
        },
    };
    finish(shared, request, answer, arrived);
}

/// Answers a call that reads much, on a connection of its own to the store.
fn report(shared: &Arc<Shared>, request: Request, call: &Call, arrived: &Arrived) {
    let Some(turn) = shared.report_turns.enter_within(REPORT_PATIENCE) else {
        return respond(request, ApiError::ReportsFull.reply(), arrived);
    };
    let reply = match shared.open_store() {
        Err(error) => ApiError::from(error).reply(),
        Ok(mut store) => match answer(shared, store.as_mut(), call).0 {
            Answer::Now(reply) => reply,
            // No call that takes long waits for anything.
            Answer::Later(_) | Answer::Tail(_) => ApiError::Internal.reply(),
        },
    };
    // Whoever takes his time to read it does so on his own.
    drop(turn);
    respond(request, reply, arrived);
}

/// Answers a call whose body claims a size that must not be taken seriously.
///
/// Dropping such a request makes `tiny_http` 0.12 allocate the claimed size to read the rest (`EqualReader::drop`), which ends
/// the process. So the connection is kept from being dropped: it costs two file descriptors and a sleeping thread for good,
/// and whoever wants to do that to us on purpose is in the lab already.
fn refuse_absurd(request: Request, arrived: &Arrived) {
    arrived.log(413, 0, None);
    log::warn!(
        "peer={} announced a body of {:?} bytes; its connection is given up",
        arrived.peer,
        request.body_length()
    );
    let stream = request.upgrade("none", Response::empty(413));
    std::mem::forget(stream);
}

/// Asks the API; a panic is answered 500 and does not end the thread.
fn answer(shared: &Shared, store: &mut dyn Store, call: &Call) -> (Answer, Handled) {
    let Parts { settings, commands, recent, shelf, clock, .. } = &shared.parts;
    let result = catch_unwind(AssertUnwindSafe(|| {
        api::handle(Ctx::new(store, settings, commands, recent, clock.now(), call).with_shelf(shelf))
    }));
    match result {
        Ok(answer) => (answer, Handled::Done),
        Err(_) => {
            log::error!("the handler of {} has panicked", call.target.escape_debug());
            (Answer::Now(ApiError::Internal.reply()), Handled::Panicked)
        }
    }
}
