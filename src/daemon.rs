//! The daemon: bind everything, drop root, open the store, start the threads, watch them, stop them.
//!
//! TFTP is bound first, answers as soon as it knows what boards are to get, and goes down last: a boot loader that gets no answer
//! waits for minutes, and one that gets a wrong answer boots the wrong system. Whatever ends unasked ends the daemon, with the
//! name of what it was.

mod access;
mod confine;
mod error;
mod inventory;
mod notify;
mod passed;
mod place;
mod reload;
mod sockets;
mod soundness;
mod watchdog;

use crate::api;
use crate::api::events::Recent;
use crate::api::vitals::Listens::{Tcp, Udp};
use crate::api::vitals::Vitals;
use crate::boot::render::{ServerValues, render, sample_values};
use crate::boot::table::BootTable;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, InventorySource};
use crate::layers::bmm::{self, BmmSettings};
use crate::layers::boards::Boards;
use crate::layers::changes::{self, Feed};
use crate::layers::http;
use crate::layers::intake::{Intake, WAITING_BYTES_MAX};
use crate::layers::journal::accept::Acceptance;
use crate::layers::journal::{self, Journal, Keep};
use crate::layers::lifeguard::{self, Lifeguard};
use crate::layers::messages::{BMM_QUEUE, JOURNAL_QUEUE, JournalLine, LIFEGUARD_QUEUE, MOZPOOL_QUEUE};
use crate::layers::mozpool::{self, Mozpool};
use crate::layers::peers::{self, Peers, Pulse};
use crate::layers::supervise::{Exit, spawn};
use crate::layers::{registration, syslog, tftp};
use crate::metrics::Metrics;
use crate::metrics::counted::counted;
use crate::seal::Secret;
use crate::store::{Location, ServerRow, StoreError, StoreLock};
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
pub use error::DaemonError;
use inventory::Inventory;
use notify::Notifier;
use passed::PassedSockets;
use place::{make_known, share};
use reload::Reload;
pub use reload::Source;
use sockets::{Sockets, bind};
use soundness::Soundness;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;
use watchdog::Watch;

/// The PXE config of every board that has nothing to install.
const LOCAL_BOOT: &str = crate::logic::ids::LOCAL_BOOT_PXE_CONFIG;
/// Ends of threads that may wait to be heard: more than there are threads, so that none blocks on its way out.
const ENDED_QUEUE: usize = 256;
/// What calls that are here when the daemon is told to stop get: most take milliseconds, one by hand may take seconds.
const CALL_GRACE: Duration = Duration::from_secs(2);
/// What downloads under way get before they are cut off. Boards resume them.
const DOWNLOAD_GRACE: Duration = Duration::from_secs(2);
/// Where a running daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The API and files.
    pub http: SocketAddr,
    /// TFTP; empty when switched off.
    pub tftp: Vec<SocketAddr>,
    /// Syslog over UDP; empty when switched off.
    pub syslog_udp: Vec<SocketAddr>,
    /// Syslog over TCP; empty when switched off.
    pub syslog_tcp: Vec<SocketAddr>,
    /// Where agents register; empty when switched off.
    pub registration: Vec<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT; at SIGHUP `source` is asked for the configuration again.
///
/// # Errors
/// [`DaemonError`]; nothing is left running.
pub fn run(config: &Config, source: Source) -> Result<(), DaemonError> {
    // No thread is started before the rights that none of them needs are given up.
    let signals = crate::signals::Handlers::of_daemon()
        .map_err(|source| DaemonError::System { doing: "listen for signals", source })?;
    let notifier = Arc::new(Notifier::from_env());
    let prepared = Prepared::open(config, PassedSockets::from_env()?)?;
    confine::confine(config, &prepared.location);
    let asked =
        signals.listen().map_err(|source| DaemonError::System { doing: "listen for signals", source })?;
    notifier.status("opening the store");
    let mut daemon = prepared.start(config)?;
    let Addresses { http, tftp, syslog_udp, syslog_tcp, registration } = daemon.addresses();
    log::info!(
        "server {} serves {} on http {http}, tftp {tftp:?}, syslog udp {syslog_udp:?} tcp {syslog_tcp:?}, registration {registration:?}",
        config.server.name,
        config.store_shown()
    );
    let status = format!("server {} serves on http {http}", config.server.name);
    daemon.tell(&notifier, status.clone());
    let (keep, boards) = (Arc::clone(&daemon.keep), Arc::clone(&daemon.commands.boards));
    let reload = Reload::new(source, keep, boards, Arc::clone(&notifier), status);
    daemon.serve_and(&asked.stop, &asked.reload, reload, &notifier)
}

/// A running daemon.
pub struct Daemon {
    addresses: Addresses,
    vitals: Arc<Vitals>,
    ended: Receiver<(String, Exit)>,
    http: http::Running,
    mozpool: Layer,
    lifeguard: Layer,
    inventory: Option<Inventory>,
    bmm: Layer,
    syslog: Option<(syslogd::Stopper, JoinHandle<()>)>,
    registration: Option<(registration::Stopper, JoinHandle<()>)>,
    journal: Layer,
    audit: Layer,
    changes: (changes::Stopper, JoinHandle<()>),
    soundness: Soundness,
    pulse: Option<Layer>,
    watchdog: Option<Layer>,
    tftp: Option<(tftpd::Stopper, JoinHandle<()>)>,
    commands: api::Commands,
    keep: Arc<Keep>,
    ended_tx: Sender<(String, Exit)>,
    /// Nobody else may open the store while this lives.
    _lock: StoreLock,
}

/// A thread that ends when its `stop` is dropped.
struct Layer {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Layer {
    fn stop(self) {
        drop(self.stop);
        // How it ended it has said itself.
        let _ = self.thread.join();
    }
}

/// Everything that root may be needed for: ports and folders are open, secrets are read. Nothing runs.
struct Prepared {
    location: Location,
    boot: Arc<BootTable>,
    clock: Arc<dyn Clock>,
    lines: (Sender<JournalLine>, Receiver<JournalLine>),
    tftp_lost: Arc<AtomicU64>,
    boards: Arc<Boards>,
    secret: Option<Secret>,
    sockets: Sockets,
    files: tftpd::Root,
}

impl Prepared {
    /// Opens what the configuration asks for, but for the sockets that were `passed`, and gives up root.
    ///
    /// # Errors
    /// [`DaemonError`]; nothing stays open.
    fn open(config: &Config, mut passed: PassedSockets) -> Result<Self, DaemonError> {
        let location: Location = config
            .store_url
            .parse()
            .map_err(|e: crate::store::BadLocation| StoreError::Refused { why: e.to_string() })?;
        let boot = Arc::new(BootTable::new(&built_in_local_boot()?));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lines = bounded(JOURNAL_QUEUE);
        let tftp_lost = Arc::new(AtomicU64::new(0));
        let history = tftp::History::new(lines.0.clone(), clock.clone(), tftp_lost.clone());
        // Before anything is bound that a mistake would hold.
        let secret = config.peers.secret_file.as_deref().map(Secret::read).transpose();
        let secret = secret.map_err(DaemonError::Secret)?;
        if passed.count() > 0 {
            log::info!("{} sockets come from the service manager", passed.count());
        }
        let boards = Arc::new(Boards::new(config.boards.clone()));
        let sockets = bind(config, &boot, history, &boards, &mut passed)?;
        passed.all_taken()?;
        let files = tftpd::Root::open(&config.http.files).map_err(|source| DaemonError::Folder {
            setting: "http.files",
            path: config.http.files.display().to_string(),
            source: source.to_string(),
        })?;
        if let Some(user) = &config.server.user {
            become_user(user)?;
        }
        Ok(Self { location, boot, clock, lines, tftp_lost, boards, secret, sockets, files })
    }

    /// Opens the store and starts the threads.
    ///
    /// # Errors
    /// [`DaemonError`]; what was started until then stops with the process.
    fn start(self, config: &Config) -> Result<Daemon, DaemonError> {
        let Self { location, boot, clock, lines, tftp_lost, boards, secret, sockets, files } = self;
        let (lines_tx, lines_rx) = lines;
        let addresses = sockets.addresses();
        let metrics =
            Arc::new(Metrics::new(api::metrics::KINDS, location.path().map(std::path::Path::to_owned)));
        // What the threads do with the store is counted.
        let open = {
            let (location, metrics) = (location.clone(), Arc::clone(&metrics));
            move || Ok::<_, StoreError>(counted(location.open()?, &metrics))
        };
        let keep = Arc::new(Keep::new(config));
        let (ended_tx, ended) = bounded(ENDED_QUEUE);
        let lock = match &secret {
            Some(_) => share(&location, &config.server.name)?,
            None => location.lock()?,
        };
        let soundness = Soundness::look(&location)?;
        let mut store = location.open()?;
        let url = config.public_url(addresses.http);
        let row = ServerRow { name: config.server.name.clone(), url: url.clone() };
        // One that is alone with a file has its lock. With a database others may be, even without knowing it.
        let joins = secret.is_some() || location.is_shared();
        if !joins {
            make_known(&mut *store, &row)?;
        }
        let values = server_values(config, &addresses);
        if let Some(local) = store.pxe_config(LOCAL_BOOT)? {
            let text = render(&local.name, &local.contents, &sample_values(&values))
                .map_err(DaemonError::LocalBoot)?;
            boot.publish_default(&text);
        }

        let (lifeguard_tx, lifeguard_rx) = bounded(LIFEGUARD_QUEUE);
        let (mozpool_tx, mozpool_rx) = bounded(MOZPOOL_QUEUE);
        let (notices_tx, notices_rx) = bounded(MOZPOOL_QUEUE);
        let (jobs_tx, jobs_rx) = bounded(BMM_QUEUE);
        let peers = secret.map(|secret| {
            let schema = crate::store::schema_version();
            let (notices, ended) = (notices_tx.clone(), ended_tx.clone());
            Peers::new(&config.server.name, schema, secret, clock.clone(), notices, ended)
        });
        // Before the layers load: they must know who lives.
        let pulse = joins.then(|| {
            let place = peers::Place {
                server: row,
                every_s: config.peers.beat_s,
                gone_after_s: config.peers.gone_after_s,
                has_lock: lock.is_held(),
            };
            Pulse::join(location.open()?, clock.clone(), peers.clone(), &place)
        });
        let pulse = pulse.transpose()?;
        // One answer per job at most is under way at a time, plus "started" and news of relay boards.
        let (answers_tx, answers_rx) = bounded(2 * BMM_QUEUE);

        let (journal_stop, stop) = bounded(0);
        let (intake, bell) = Intake::new(WAITING_BYTES_MAX);
        let intake = Arc::new(intake);
        let journal = Journal::new(
            open()?,
            clock.clone(),
            journal::Settings { server: config.server.name.clone(), keep: Arc::clone(&keep) },
        );
        let accept = &config.registration;
        let journal = if accept.rules.is_empty() {
            journal
        } else {
            let (rules, per_day) = (accept.rules.clone(), accept.accept_per_day);
            journal.accepting(Acceptance::new(rules, per_day, &config.server.name, lifeguard_tx.clone()))
        };
        let journal = journal.finding(Arc::clone(&boards));
        let journal = match location.path() {
            Some(file) => journal.on_disk(file.to_owned()),
            None => journal,
        };
        let (log_bell, journal_stats) = (journal.bell(), journal.stats());
        let inbox = journal::Inbox { lines: lines_rx, intake: Arc::clone(&intake), bell };
        let thread = spawn("journal", ended_tx.clone(), move || journal.run(&inbox, &stop));
        let journal = Layer { stop: journal_stop, thread };

        let syslog_stats = sockets.syslog.as_ref().map(syslogd::Server::stats);
        let syslog = sockets.syslog.map(|server| {
            let (stopper, intake, clock) = (server.stopper(), Arc::clone(&intake), clock.clone());
            // The journal ends when nobody is left who could say something, and this thread goes on when the layers have gone.
            let stays = lines_tx.clone();
            let run = move || {
                let exit = syslog::run(server, intake, clock);
                drop(stays);
                exit
            };
            (stopper, spawn("syslog", ended_tx.clone(), run))
        });

        let registration_stats = sockets.registration.as_ref().map(registration::Server::stats);
        let registration = sockets.registration.map(|server| {
            let (stopper, lines, clock) = (server.stopper(), lines_tx.clone(), clock.clone());
            (stopper, spawn("registration", ended_tx.clone(), move || server.run(lines, clock)))
        });

        let (bmm_stop, stop) = bounded(0);
        let settings = BmmSettings {
            rest_ms: config.relays.rest_ms.into(),
            programs: config.relays.programs(),
            counts: Arc::clone(&metrics.power),
            ..BmmSettings::new(sockets.ping)
        };
        let power_counts = Arc::clone(&settings.counts);
        let thread = bmm::spawn(settings, jobs_rx, answers_tx, stop, ended_tx.clone());
        let bmm = Layer { stop: bmm_stop, thread };

        let settings = lifeguard::Settings {
            server: config.server.name.clone(),
            values,
            live: config.pxe.live.clone(),
            site: config.pxe.values.clone(),
            return_policy: config.requests.return_policy,
            return_policies: config.requests.return_policy_by_environment.clone().into_iter().collect(),
        };
        let served = http::Teller::new(lines_tx.clone(), clock.clone());
        let outbox =
            lifeguard::Outbox { bmm: jobs_tx.clone(), mozpool: notices_tx.clone(), journal: lines_tx };
        let layer = Lifeguard::load(settings, open()?, clock.clone(), boot, outbox)?;
        let doubted = layer.doubted();
        let layer = match &peers {
            Some(peers) => layer.with_peers(peers.clone()),
            None => layer,
        };
        // Not before the boot configs are published: "not found" sends a board in the middle of its installation to its disk,
        // while a request that waits in the socket, or is sent again, does no harm.
        let tftp_stats = sockets.tftp.as_ref().map(tftpd::Server::stats);
        let tftp = sockets.tftp.map(|server| {
            let stopper = server.stopper();
            (stopper, spawn("tftp", ended_tx.clone(), move || tftp::run(server)))
        });
        let (lifeguard_stop, stop) = bounded(0);
        let inbox = lifeguard::Inbox { stop, answers: answers_rx, commands: lifeguard_rx };
        let thread = spawn("lifeguard", ended_tx.clone(), move || layer.run(&inbox));
        let lifeguard = Layer { stop: lifeguard_stop, thread };

        let layer = Mozpool::load(&config.server.name, open()?, clock.clone(), lifeguard_tx.clone())?;
        let layer = match &peers {
            Some(peers) => layer.with_peers(peers.clone()),
            None => layer,
        };
        let (mozpool_stop, stop) = bounded(0);
        let inbox = mozpool::Inbox { stop, notices: notices_rx, commands: mozpool_rx };
        let thread = spawn("mozpool", ended_tx.clone(), move || layer.run(&inbox));
        let mozpool = Layer { stop: mozpool_stop, thread };

        let (inventory, way) = match config.inventory.source {
            InventorySource::None => (None, None),
            _ => {
                let (store, to) = (location.open()?, lifeguard_tx.clone());
                let (inventory, way) = Inventory::start(config, store, clock.clone(), to, &ended_tx);
                (Some(inventory), Some(way))
            }
        };

        let Addresses { http, tftp: on_tftp, syslog_udp, syslog_tcp, registration: agents } =
            addresses.clone();
        let (on_tcp, on_udp) = (syslog_tcp.into_iter().map(Tcp), syslog_udp.into_iter().map(Udp));
        let http_stats = sockets.http.stats();
        let vitals = Vitals::new(clock.now())
            .measured_by(metrics)
            .with("http", true, vec![Tcp(http)])
            .counting(move || http_stats.rows())
            .with("mozpool", true, vec![])
            .with("lifeguard", true, vec![])
            .counting(move || doubted.rows())
            .with("bmm", true, vec![])
            .counting(move || power_counts.rows())
            .with("journal", true, vec![])
            .counting(move || journal_stats.rows())
            .with("changes", true, vec![])
            .with("tftp", tftp.is_some(), on_tftp.into_iter().map(Udp).collect())
            .counting(move || {
                tftp_stats.as_deref().map(|s| tftp::counters(s, &tftp_lost)).unwrap_or_default()
            })
            .with("syslog", syslog.is_some(), on_udp.chain(on_tcp).collect())
            .counting(move || syslog_stats.as_ref().map(|s| s.now().rows()).unwrap_or_default())
            .counting(move || {
                let (waiting, max) = intake.used();
                vec![
                    ("waiting_bytes", waiting as u64),
                    ("waiting_bytes_max", max as u64),
                    ("lost", intake.lost()),
                    ("passed_over", intake.passed_over()),
                ]
            })
            .with("registration", registration.is_some(), agents.into_iter().map(Tcp).collect())
            .counting(move || registration_stats.as_ref().map(|s| s.rows()).unwrap_or_default());
        let vitals = match way.as_ref().map(|way| Arc::clone(&way.book)) {
            Some(book) => vitals.with("inventory", true, vec![]).counting(move || book.rows()),
            None => vitals,
        };
        let counted = peers.clone();
        let vitals = vitals
            .with("pulse", pulse.is_some(), vec![])
            .counting(move || counted.as_ref().map(Peers::rows).unwrap_or_default())
            .with("integrity", location.path().is_some(), vec![])
            .counting(soundness.rows());
        let vitals = Arc::new(vitals);
        let recent = Arc::new(Recent::default());
        let feed = Feed::load(open()?, location.bell(), recent.clone())?;
        let feed = match joins {
            true => feed.shared(changes::Sharing {
                look: Duration::from_millis(config.peers.look_ms.into()),
                lifeguard: lifeguard_tx.clone(),
                mozpool: notices_tx,
            }),
            false => feed,
        };
        let changes = (feed.stopper(), spawn("changes", ended_tx.clone(), move || feed.run()));
        let (access, audit) = access::start(config, http, open()?, ended_tx.clone())?;
        let parts = http::Parts {
            settings: api::Settings {
                server_name: config.server.name.clone(),
                public_url: url,
                duration_max_s: config.http.duration_max_s,
                accept: config.registration.rules.clone(),
            },
            commands: api::Commands {
                lifeguard: lifeguard_tx,
                mozpool: mozpool_tx,
                bmm: jobs_tx,
                inventory: way,
                vitals: Arc::clone(&vitals),
                peers: peers.clone(),
                access,
                boards,
            },
            recent,
            log_bell,
            shelf: api::shelf::Shelf::new(location.bell(), joins, clock.now()),
            clock,
            files: Some(files),
            served: Some(served),
            open_store: Box::new(open),
            threads: http::API_THREADS,
            transfers_max: config.http.downloads_max,
            watchers_max: http::WATCHERS_MAX,
            silence: http::SILENCE,
            call_wait: http::CALL_WAIT,
            connections_max: http::CONNECTIONS_MAX,
        };
        // Last: whoever hears that this server lives may send it something.
        let pulse = pulse.map(|pulse| {
            let (pulse_stop, stop) = bounded(0);
            let thread = spawn("pulse", ended_tx.clone(), move || pulse.run(&stop));
            Layer { stop: pulse_stop, thread }
        });
        let commands = parts.commands.clone();
        let http = sockets.http.run(parts, &ended_tx).map_err(|e| DaemonError::Bind(e.to_string()))?;
        Ok(Daemon {
            addresses,
            ended,
            http,
            mozpool,
            lifeguard,
            inventory,
            bmm,
            syslog,
            registration,
            journal,
            audit,
            changes,
            soundness,
            pulse,
            watchdog: None,
            tftp,
            commands,
            keep,
            ended_tx,
            vitals,
            _lock: lock,
        })
    }
}

impl Daemon {
    /// Starts everything that the configuration asks for.
    ///
    /// # Errors
    /// [`DaemonError`]; what was started until then stops with the process.
    pub fn start(config: &Config) -> Result<Self, DaemonError> {
        Prepared::open(config, PassedSockets::default())?.start(config)
    }

    /// Has the service manager told when all answer, and as long as they do.
    fn tell(&mut self, notifier: &Arc<Notifier>, status: String) {
        if !notifier.is_heard() {
            return;
        }
        let watch = Watch {
            commands: self.commands.clone(),
            http: self.addresses.http,
            notifier: Arc::clone(notifier),
            every: notify::watchdog(),
            status,
        };
        let (stop, stopped) = bounded(0);
        let thread = spawn("watchdog", self.ended_tx.clone(), move || watch.run(&stopped));
        self.watchdog = Some(Layer { stop, thread });
    }

    /// Where it listens, with the ports that the system chose where 0 was asked for.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Waits until `stop` says something; meanwhile `reload` is answered.
    ///
    /// # Errors
    /// [`DaemonError::Ended`] names the first thread that ended unasked.
    fn wait(
        &self,
        stop: &Receiver<()>,
        reload: &Receiver<()>,
        mut on_reload: impl FnMut(),
    ) -> Result<(), DaemonError> {
        loop {
            select! {
                recv(stop) -> _ => return Ok(()),
                recv(reload) -> asked => match asked {
                    Ok(()) => on_reload(),
                    Err(_) => return Ok(()),
                },
                recv(self.ended) -> report => return match report {
                    Ok((thread, exit)) => {
                        self.vitals.ended(&thread);
                        Err(DaemonError::Ended { thread, exit })
                    }
                    // The daemon holds a sender of its own.
                    Err(_) => Err(DaemonError::Ended { thread: "all".into(), exit: Exit::Lost("everybody") }),
                },
            }
        }
    }

    /// Serves until `stop` says something or a thread ends unasked, and stops in order in both cases: a power cycle that was
    /// started must end with power on.
    ///
    /// # Errors
    /// [`DaemonError::Ended`] names the first thread that ended unasked or badly.
    pub fn serve(self, stop: &Receiver<()>) -> Result<(), DaemonError> {
        let served = self.wait(stop, &never(), || ());
        self.stop_after(served)
    }

    /// The same for a daemon that has a service manager and reads its configuration again.
    fn serve_and(
        self,
        stop: &Receiver<()>,
        reload: &Receiver<()>,
        mut on_reload: Reload,
        notifier: &Notifier,
    ) -> Result<(), DaemonError> {
        let served = self.wait(stop, reload, || on_reload.run());
        notifier.stopping("finishing what is under way");
        self.stop_after(served)
    }

    fn stop_after(self, served: Result<(), DaemonError>) -> Result<(), DaemonError> {
        match &served {
            Ok(()) => log::info!("stopping"),
            Err(error) => log::error!("{error}; stopping the rest"),
        }
        let stopped = self.stop();
        served.and(stopped)
    }

    /// Stops in the order that loses nothing: no new work, commits, a started power cycle, the journal, TFTP.
    ///
    /// # Errors
    /// [`DaemonError::Ended`] names a thread that ended badly on the way.
    pub fn stop(mut self) -> Result<(), DaemonError> {
        if let Some(watchdog) = self.watchdog {
            // It may be waiting for an answer: it is not waited for, for it only speaks to the service manager.
            drop(watchdog.stop);
        }
        self.http.stop();
        self.http.wait_for_answers(CALL_GRACE);
        if let Some(inventory) = self.inventory {
            inventory.stop();
        }
        // From here on nobody is given our boards.
        if let Some(pulse) = self.pulse {
            pulse.stop();
        }
        self.mozpool.stop();
        self.lifeguard.stop();
        self.bmm.stop();
        self.http.join(DOWNLOAD_GRACE);
        if let Some((stopper, thread)) = self.syslog {
            if let Err(error) = stopper.stop() {
                log::warn!("cannot stop the syslog thread: {error}");
            } else {
                let _ = thread.join();
            }
        }
        if let Some((stopper, thread)) = self.registration {
            if let Err(error) = stopper.stop() {
                log::warn!("cannot stop the registration thread: {error}");
            } else {
                let _ = thread.join();
            }
        }
        self.journal.stop();
        self.audit.stop();
        self.soundness.stop();
        let (stopper, thread) = self.changes;
        stopper.stop();
        let _ = thread.join();
        if let Some((stopper, thread)) = self.tftp {
            stopper.stop();
            let _ = thread.join();
        }
        let bad = self.ended.try_iter().find(|(_, exit)| !matches!(exit, Exit::Stopped | Exit::Lost(_)));
        bad.map_or(Ok(()), |(thread, exit)| Err(DaemonError::Ended { thread, exit }))
    }
}

/// What boards get when the store has no such PXE config.
fn built_in_local_boot() -> Result<String, DaemonError> {
    let contents = include_str!("../pxe-templates/local-boot.toml");
    render(LOCAL_BOOT, contents, &sample_values(&ServerValues::default())).map_err(DaemonError::LocalBoot)
}

fn server_values(config: &Config, addresses: &Addresses) -> ServerValues {
    let at = |port| SocketAddr::new(config.server.address, port).to_string();
    ServerValues {
        name: config.server.name.clone(),
        ip: config.server.address.to_string(),
        http: at(addresses.http.port()),
        syslog: addresses.syslog_udp.first().map(|a| at(a.port())).unwrap_or_default(),
    }
}

/// Gives up root for good.
fn become_user(name: &str) -> Result<(), DaemonError> {
    let failed = |source: String| DaemonError::User { user: name.to_owned(), source };
    let user = nix::unistd::User::from_name(name).map_err(|e| failed(e.to_string()))?;
    let user = user.ok_or_else(|| failed("there is no such user".into()))?;
    let c_name = std::ffi::CString::new(name).map_err(|e| failed(e.to_string()))?;
    // Groups first: after setuid there is no right left to change them.
    nix::unistd::initgroups(&c_name, user.gid)
        .and_then(|()| nix::unistd::setgid(user.gid))
        .and_then(|()| nix::unistd::setuid(user.uid))
        .map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Host;
    use crate::lab::Lab;
    use crate::logic::time::Timestamp;
    use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};

    /// More than anything here takes.
    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn a_thread_that_ends_unasked_leaves_no_board_without_power() {
        let relays = FakeBoard::start("127.0.0.1:0".parse().unwrap(), FakeSettings::default()).unwrap();
        let (bank, relay) = (Bank::new(1).unwrap(), Relay::new(1).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "[server]\nname = \"s1\"\naddress = \"127.0.0.1\"\n[store]\nurl = \"sqlite:{path}/db\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\nfiles = \"{path}\"\n[tftp]\nenabled = false\n[syslog]\nenabled = false\n"
        );
        let host = Host { name: "s1".into(), route_address: None, addresses: vec![] };
        let config = Config::parse(&config, &host).unwrap();
        // A new device tests itself at once, without a live image by a power cycle.
        let lab = format!(
            "[[device]]\nname = \"b\"\nfqdn = \"127.0.0.1\"\nrelay_info = \"{}:bank1:relay1\"\n",
            relays.addr()
        );
        let location: Location = config.store_url.parse().unwrap();
        let lab = Lab::parse(&lab, "lab.toml", "s1").unwrap();
        location.open().unwrap().apply_lab(&lab, false, Timestamp(0)).unwrap();

        let mut daemon = Daemon::start(&config).unwrap();
        // The first command takes the power away; a board of the fake's has none to begin with either.
        assert!(relays.wait_for_commands(1, LIMIT), "the power cycle begins");
        // The journal ends as if by itself.
        daemon.journal.stop = bounded(0).0;
        let (_nobody, never) = bounded(0);
        let ended = daemon.serve(&never).unwrap_err();
        assert!(matches!(&ended, DaemonError::Ended { thread, .. } if thread == "journal"), "{ended}");
        assert_eq!(relays.power(bank, relay), PowerState::On);
    }
}
