//! The HTTP threads: they take calls from *http-front*, have them answered by `api`, and send files.
//!
//! Nothing of the API is decided here. An API thread is never held up by a slow peer: heads and short bodies are whole before it
//! hears of them, what a peer does not take at once *http-front* sends, and a long body and every file are handed to a bounded
//! number of transfer threads. HTTP/1.0 and 1.1 (RFC 9112), with and without keep-alive.

mod access;
mod body;
pub mod chunks;
mod client;
mod connection;
mod download;
mod front;
pub mod head;
mod pace;
mod places;
mod queue;
pub mod reader;
pub mod refusal;
mod request;
mod served;
mod stats;
mod tail;
mod transfers;
mod watch;
mod wire;
mod write;

use self::access::AccessLog;
use self::body::{BodyIs, body_of, read_body};
pub(crate) use self::client::Client;
use self::connection::Home;
use self::front::{Front, Limits, Listening, With};
use self::head::Length;
use self::queue::Queue;
use self::request::Request;
pub use self::served::Teller;
pub use self::stats::Stats;
use self::transfers::Transfers;
use self::wire::{Arrived, call_of, respond, respond_at_once};
use self::write::COPIED_MAX;
use super::journal::LogBell;
use super::supervise::{Exit, spawn};
use crate::api::call::Call;
use crate::api::events::Recent;
use crate::api::files;
use crate::api::reply::{ApiError, Reply};
use crate::api::shelf::Shelf;
use crate::api::{self, Answer, BODY_MAX, Commands, Ctx, Settings};
use crate::clock::Clock;
use crate::store::{self, Store};
use crossbeam_channel::{Receiver, Sender, bounded};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tftpd::root::Root;

/// Threads that answer API calls. Most calls take a millisecond; a ping takes one second and a relay board's test up to ten, and
/// a handful of those must not keep eighty boards' events waiting. Each has a connection to the store of its own.
pub const API_THREADS: usize = 16;

/// Downloads at once, and as many bodies that are still on their way and long answers: three racks of boards may image at the
/// same moment. Each is a thread that mostly waits for its peer, and costs some thirty kilobytes and two descriptors; what is
/// sent lies in the system's memory once.
pub const TRANSFERS_MAX: usize = 256;

/// Bodies of imports at once: with what is made of them, each may take a few hundred megabytes of memory.
const LARGE_MAX: usize = 2;

/// Reports that are made at once, and repair lists. Each may keep a core busy for a second, and boards come first.
const REPORTS_AT_ONCE: usize = 2;
/// Those that may wait for that: a page asks for all reports at once, and a few people look at it. Each costs a sleeping thread.
const REPORTS_MAX: usize = 32;
/// How long one waits for its turn: a report takes a second or two, and most browsers lose patience much later.
const REPORT_PATIENCE: Duration = Duration::from_secs(20);

/// Clients that wait for changes at once: every job of a big lab and everybody who looks at it. Each costs a sleeping thread
/// and a file descriptor.
pub const WATCHERS_MAX: usize = 512;

/// How long a peer may say nothing, or take nothing of what it is sent, before it is hung up on. A board that was switched
/// off in the middle of its download is noticed after this, and a connection that nobody uses ends.
pub const SILENCE: Duration = Duration::from_secs(60);

/// How long a call may take from its first byte until its head, and its body if that is short, are whole. One packet does; a
/// person who types into netcat is done, too.
pub const CALL_WAIT: Duration = Duration::from_secs(10);

/// Connections at once, if the system has descriptors for so many: far more than any lab has, and each costs a kilobyte, most of
/// it the system's.
pub const CONNECTIONS_MAX: usize = 12_000;

/// Descriptors that all else may need beside what it has when this begins: stores, relay boards, transfers by TFTP.
const OTHERS_FILES: usize = 1024;

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
    /// [`CALL_WAIT`], or shorter in tests.
    pub call_wait: Duration,
    /// [`CONNECTIONS_MAX`], or fewer in tests.
    pub connections_max: usize,
}

/// A bound address; it answers from [`HttpServer::run`] on. Until then callers wait in the system's queue.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    addr: SocketAddr,
    stats: Arc<Stats>,
}

impl HttpServer {
    /// Takes the address. This needs root for ports below 1024; nothing after it does.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        let listener = TcpListener::bind(addr).map_err(|source| BindError { addr, source })?;
        // As many may wait as the system allows (`net.core.somaxconn`, 4,096 unless changed): one who finds no room tries again
        // after a second (tcp(7)), and 128 are fewer than come at once when a rack is switched on.
        listen(&listener, Backlog::MAXCONN).map_err(|source| BindError { addr, source: source.into() })?;
        let addr = listener.local_addr().map_err(|source| BindError { addr, source })?;
        Ok(Self { listener, addr, stats: Arc::default() })
    }

    /// Takes a socket that listens already, from a service manager; whoever has called meanwhile is answered, too.
    pub fn take(listener: TcpListener, addr: SocketAddr) -> Result<Self, BindError> {
        Ok(Self { listener, addr, stats: Arc::default() })
    }

    /// What it will have counted.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// The address, with the port that the system chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts the threads. Each reports its end on `ended`.
    pub fn run(self, parts: Parts, ended: &Sender<(String, Exit)>) -> Result<Running, BindError> {
        let Self { listener, addr, stats } = self;
        let failed = |source| BindError { addr, source };
        let limits = Limits {
            connections: raise_open_files(
                parts.connections_max,
                2 * parts.transfers_max + parts.watchers_max,
            ),
            silence: parts.silence,
            call_wait: parts.call_wait,
        };
        end_dead_connections(&listener, limits.silence).map_err(failed)?;
        // The daemon that is given this socket next does the same, whichever version it is of.
        listener.set_nonblocking(true).map_err(failed)?;
        let poll = mio::Poll::new().map_err(failed)?;
        let waker = mio::Waker::new(poll.registry(), front::WAKER).map_err(failed)?;
        let home = Arc::new(Home::new(waker));
        let threads = parts.threads;
        let queue = Arc::new(Queue::new(threads));
        let access = Arc::new(AccessLog::default());
        let (transfers, reports) = (Transfers::new(parts.transfers_max), Transfers::new(REPORTS_MAX));
        let with = With {
            home: Arc::clone(&home),
            queue: Arc::clone(&queue),
            log: Arc::clone(&access),
            access: Arc::clone(&parts.commands.access),
            recent: Arc::clone(&parts.recent),
            stats,
            handed_over: [Arc::clone(&transfers), Arc::clone(&reports)],
        };
        let front = Front::new(poll, Listening::to(listener), limits, with).map_err(failed)?;
        let (at_work, all_left) = bounded::<()>(0);
        let shared = Arc::new(Shared {
            home,
            queue,
            downloads: Transfers::new(parts.transfers_max),
            transfers,
            watchers: Transfers::new(parts.watchers_max),
            large: Transfers::never_all_of_one(LARGE_MAX),
            reports,
            report_turns: Transfers::new(REPORTS_AT_ONCE),
            access,
            parts,
        });
        let (opens, all_open) = bounded::<()>(0);
        let mut handles: Vec<_> = (1..=threads)
            .map(|n| {
                let (shared, at_work, opens) = (Arc::clone(&shared), at_work.clone(), opens.clone());
                spawn(&format!("http-{n}"), ended.clone(), move || {
                    let exit = serve_until_stopped(&shared, opens);
                    drop(at_work);
                    exit
                })
            })
            .collect();
        drop(opens);
        handles.push(spawn("http-front", ended.clone(), move || {
            // Nothing is sent. Whoever calls waits in the system's queue until then, and takes no descriptor that a store needs.
            let _ = all_open.recv();
            let exit = front.run();
            drop(at_work);
            exit
        }));
        Ok(Running { shared, threads: handles, addr, all_left })
    }
}

/// Connections inherit these from the listener (Linux, `sk_clone_lock`); they are for the threads that wait for a peer.
fn end_dead_connections(listener: &TcpListener, silence: Duration) -> io::Result<()> {
    let ms = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
    // For data that is not taken, by a peer that is gone or one that does not read (zero window): tcp(7).
    setsockopt(listener, sockopt::TcpUserTimeout, &u32::try_from(ms).unwrap_or(u32::MAX))?;
    // For one that takes a byte now and then; whoever sends looks at its pace between two calls.
    setsockopt(listener, sockopt::SendTimeout, &TimeVal::milliseconds(ms.saturating_mul(2)))?;
    // What is written is to be sent: otherwise the second of two writes waits for the peer to acknowledge the first, which it
    // does after 40 ms.
    setsockopt(listener, sockopt::TcpNoDelay, &true)?;
    Ok(())
}

/// Lets the process open what so many connections and transfers need beside all else, and says how many connections it can have:
/// each is a descriptor, and each transfer has a file beside it or a connection to the store.
fn raise_open_files(connections: usize, transfers: usize) -> usize {
    let beside = 2 * transfers + OTHERS_FILES;
    let raise = || {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let wanted = soft.saturating_add((connections + beside) as u64).min(hard);
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).map(|()| wanted)
    };
    let have = raise().unwrap_or_else(|error| {
        log::warn!("cannot raise the limit of open files: {error}; many clients at once may be too many");
        getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
    });
    let have = usize::try_from(have).unwrap_or(usize::MAX);
    // A quarter of a limit that is very low is better than none.
    connections.min(have.saturating_sub(beside).max(have / 4)).max(1)
}

/// Running threads.
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    addr: SocketAddr,
    /// Its end says that no thread answers calls any more.
    all_left: Receiver<()>,
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no new calls; those that are here are answered, who waits for changes is told to go, downloads are cut off. Returns at
    /// once.
    pub fn stop(&mut self) {
        self.shared.home.stop();
        self.shared.parts.recent.close();
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
        let Shared { downloads, transfers, reports, watchers, .. } = &*self.shared;
        for (what, threads) in
            [("downloads", downloads), ("transfers", transfers), ("reports", reports), ("watchers", watchers)]
        {
            let left = threads.wait_until_idle(until.saturating_duration_since(Instant::now()));
            if left > 0 {
                log::warn!("{left} {what} were cut off");
            }
        }
    }
}

struct Shared {
    parts: Parts,
    home: Arc<Home>,
    queue: Arc<Queue>,
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
}

impl Shared {
    fn stopping(&self) -> bool {
        self.home.is_stopping()
    }

    fn open_store(&self) -> store::Result<Box<dyn Store>> {
        (self.parts.open_store)()
    }
}

/// `opens` ends when the store is open, or cannot be opened.
fn serve_until_stopped(shared: &Arc<Shared>, opens: Sender<()>) -> Exit {
    let mut store = match shared.open_store() {
        Ok(store) => store,
        Err(error) => return Exit::Failed(error.to_string()),
    };
    drop(opens);
    while let Some((request, turn)) = shared.queue.next() {
        if serve(shared, store.as_mut(), request) == Handled::Panicked {
            // What it has left behind in the store's connection, nobody knows.
            match shared.open_store() {
                Ok(fresh) => store = fresh,
                Err(error) => return Exit::Failed(error.to_string()),
            }
        }
        drop(turn);
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
    let arrived = Arrived::of(&request, &shared.access, metrics);
    let mut call = call_of(&request, shared.parts.commands.access.proxy_header());
    let is_file = call.path().starts_with(files::PREFIX);
    // Which call it is decides what is taken, and need not be looked up for the many whose body is here.
    let max = if is_file || request.has_arrived() { BODY_MAX } else { api::body_max(&call) };
    match body_of(&request, max) {
        BodyIs::TooLong => refuse_too_long(request, max, &arrived),
        BodyIs::Here | BodyIs::OnItsWay(_) if is_file => {
            hand_over(shared, Long::File, request, arrived, move |shared, request, arrived| {
                download::run(shared, request, &call, &arrived);
            });
        }
        BodyIs::Here => {
            call.body = request.take_body().unwrap_or_default();
            if api::takes_long(&call) {
                hand_over(shared, Long::Report, request, arrived, move |shared, request, arrived| {
                    report(shared, request, &call, &arrived);
                });
                return Handled::Done;
            }
            let (answer, handled) = answer(shared, store, &call);
            finish(shared, request, answer, arrived);
            return handled;
        }
        BodyIs::OnItsWay(limit) => {
            // Whoever may not make this call is told so before it takes a place and sends a body that nobody will look at.
            let (refusal, handled) = refusal(shared, store, &call);
            if let Some(reply) = refusal {
                respond(request, reply, &arrived);
                return handled;
            }
            hand_over(shared, Long::Body, request, arrived, move |shared, request, arrived| {
                take_slowly(shared, request, call, limit, arrived);
            });
        }
    }
    Handled::Done
}

/// Answers, or has a thread wait for what is to be answered.
fn finish(shared: &Arc<Shared>, request: Request, answer: Answer, arrived: Arrived) {
    match answer {
        // That nobody has time for the answer would say that nothing was done.
        Answer::Now(reply) if !arrived.only_reads() => respond_at_once(request, &reply, &arrived),
        // An API thread would wait until its peer has taken it.
        Answer::Now(reply) if reply.bytes().len() > COPIED_MAX => {
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
    let Some(slot) = places.enter(request.client()) else {
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
    let large = if max > BODY_MAX { shared.large.enter(request.client()) } else { None };
    if max > BODY_MAX && large.is_none() {
        return respond(request, ApiError::ImportsFull.reply(), &arrived);
    }
    let answer = match read_body(&mut request.body(), limit, max, arrived.at) {
        Err(error) => Answer::Now(error.reply()),
        Ok(body) => match shared.open_store() {
            Err(error) => Answer::Now(ApiError::from(error).reply()),
            Ok(mut store) => {
                call.body = body;
                answer(shared, store.as_mut(), &call).0
            }
        },
    };
    // What the next import needs is free again before the peer takes its time.
    drop((call, large));
    match answer {
        // This thread may wait for its peer as well as another one.
        Answer::Now(reply) => respond(request, reply, &arrived),
        later => finish(shared, request, later, arrived),
    }
}

/// Answers a call that reads much, on a connection of its own to the store.
fn report(shared: &Arc<Shared>, request: Request, call: &Call, arrived: &Arrived) {
    let Some(turn) = shared.report_turns.enter_within(request.client(), REPORT_PATIENCE) else {
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

/// Answers a call whose body is longer than it may be, before it comes; what comes of it nevertheless is passed over.
fn refuse_too_long(request: Request, max: usize, arrived: &Arrived) {
    if let Length::Known(length) = request.head().body {
        arrived.log_event(log::Level::Info, || {
            format!("announced a body of {length} bytes; its connection is given up")
        });
    }
    respond(request, ApiError::TooLarge { max }.reply(), arrived);
}

/// Asks the API; a panic is answered 500 and does not end the thread.
fn answer(shared: &Shared, store: &mut dyn Store, call: &Call) -> (Answer, Handled) {
    match asked(shared, store, call, api::handle) {
        Some(answer) => (answer, Handled::Done),
        None => (Answer::Now(ApiError::Internal.reply()), Handled::Panicked),
    }
}

/// What a caller is told who may not make this call, whatever its body says; a panic is answered 500.
fn refusal(shared: &Shared, store: &mut dyn Store, call: &Call) -> (Option<Reply>, Handled) {
    match asked(shared, store, call, api::refusal) {
        Some(refusal) => (refusal, Handled::Done),
        None => (Some(ApiError::Internal.reply()), Handled::Panicked),
    }
}

/// `None`: it has panicked.
fn asked<T>(
    shared: &Shared,
    store: &mut dyn Store,
    call: &Call,
    what: impl FnOnce(Ctx<'_>) -> T,
) -> Option<T> {
    let Parts { settings, commands, recent, shelf, clock, .. } = &shared.parts;
    let result = catch_unwind(AssertUnwindSafe(|| {
        what(Ctx::new(store, settings, commands, recent, clock.now(), call).with_shelf(shelf))
    }));
    if result.is_err() {
        log::error!("the handler of {} has panicked", access::shown(&call.target));
    }
    result.ok()
}
