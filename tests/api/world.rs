//! A server on port 0 with a store in memory, a small pool in it, and scripted layers.

use crate::client::{Answer, send};
use crate::document::must_allow;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mozpool::access::Mode;
use mozpool::api::access::{Access, Rules};
use mozpool::api::events::Recent;
use mozpool::api::vitals::{Listens, Vitals};
use mozpool::api::{Commands, Settings};
use mozpool::clock::{Clock, ManualClock, Timestamp};
use mozpool::config::{self, BoardEvents};
use mozpool::lab::Lab;
use mozpool::layers::audit::Auditor;
use mozpool::layers::boards::Boards;
use mozpool::layers::changes::{Feed, Stopper};
use mozpool::layers::http::{CALL_WAIT, CONNECTIONS_MAX, HttpServer, Parts, Running, SILENCE, Stats};
use mozpool::layers::inventory;
use mozpool::layers::messages::{
    AdminAnswer, Administration, BmmJob, BootAnswer, CreateAnswer, DeviceAnswer, DraftAnswer,
    LifeguardCommand, ManualAnswer, MozpoolCommand, NetworkBoot, RequestAnswer,
};
use mozpool::layers::peers::Peers;
use mozpool::layers::supervise::{Exit, spawn};
use mozpool::logic::lifeguard;
use mozpool::logic::mozpool::State;
use mozpool::seal::Secret;
use mozpool::store::{Location, Store};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-11-22T11:49:06.581Z
pub(crate) const NOW: i64 = 1_795_348_146_581;

/// How long a scripted thread may take to hear something.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rows that no verb of the store writes by itself. Device ids 1 to 5, requests 1 to 3.
const POOL: &str = r#"
INSERT INTO imaging_servers (name, url) VALUES
  ('img1.lab', 'http://img1.lab:8080'), ('img2.lab', 'http://img2.lab:8080'), ('img3.lab', '');
INSERT INTO hardware_types (type, model, ping_steady_s, limits) VALUES ('panda', 'ES', 10, '{}'), ('pc', '', 10, '{}');
INSERT INTO images (name, boot_config_keys, boot_config_defaults, can_reuse, hidden, health_check, second_stage, limits)
VALUES ('b2g', '["b2gbase"]', '', 1, 0, 'ping', 'b2g.sh', '{}'),
       ('android', '[]', '', 0, 0, 'sut', 'android.sh', '{}'),
       ('tuned', '["a"]', '{"a":1,"b":2}', 0, 1, 'ping', 'tuned.sh', '{}');
INSERT INTO pxe_configs (name, description, contents, active) VALUES ('old', 'not offered', 'DEFAULT old', 0);
INSERT INTO relay_boards (name, fqdn, imaging_server) VALUES
  ('relay-1', 'relay-1.lab:2101', 'img1.lab'), ('relay-2', 'relay-2.lab', 'img2.lab');
INSERT INTO devices (name, fqdn, mac, imaging_server, relay_info, environment, hardware_id, processor, tags, comments,
  inventory_id, state, epoch, state_since, deadline, counters, installed_image, installed_config, next_image, next_config,
  boot_pxe_config, boot_config, vanished, self_testing, progress, failures)
VALUES
  ('panda-0001', 'panda-0001.lab', '0a0b0c0d0e01', 'img1.lab', 'relay-1.lab:bank1:relay3', 'production', 1, 'armv7',
   '["camera","wifi"]', 'good', 7, 'ready', 3, 1795348000000, NULL, '{}', 'b2g', '{"b2gbase":"http://x/"}', NULL, NULL,
   NULL, NULL, 0, 0, NULL, '[]'),
  ('panda-0002', 'panda-0002.lab', NULL, 'img1.lab', '', 'tests', NULL, '', '[]', '', 0, 'b2g_downloading', 3,
   1795348000000, NULL, '{}', NULL, NULL, 'b2g', '{"b2gbase":null}', NULL, NULL, 0, 0, NULL, '[]'),
  ('panda-0003', 'panda-0003.lab', NULL, 'img2.lab', 'relay-2.lab:bank1:relay1', 'production', 1, '', '[]', '', 0, 'ready',
   3, 1795348000000, NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, '[]'),
  ('panda-0004', 'panda-0004.lab', NULL, 'img1.lab', 'relay-1.lab:bank1:relay4', 'production', 1, '', '[]', '', 0,
   'locked_out', 3, 1795348000000, NULL, '{}', NULL, NULL, NULL, NULL, 'maintenance', '{"shell":1}', 0, 0, NULL, '[]'),
  ('panda-0005', 'panda-0005.lab', NULL, 'img3.lab', '', 'production', 1, '', '[]', '', 0, 'ready', 3, 1795348000000,
   NULL, '{}', NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, '[]');
INSERT INTO requests (imaging_server, assignee, reason, created, requested_device, environment, image, boot_config,
  hardware_type, hardware_model, processor, tags, state, epoch, deadline, counters, expires, queue_until)
VALUES
  ('img1.lab', 'ann', 'bug 7', 1795348000000, 'panda-0001', NULL, 'b2g', '{"b2gbase":"http://x/"}', NULL, NULL, NULL, '[]',
   'ready', 5, NULL, '{}', 1795351600000, NULL),
  ('img1.lab', 'bob', '', 1795348000000, NULL, NULL, 'android', '{}', NULL, NULL, NULL, '[]',
   'closed', 5, NULL, '{}', 1795351600000, NULL),
  ('img2.lab', 'eve', '', 1795348000000, NULL, '["tests"]', 'android', '{}', NULL, NULL, NULL, '[]',
   'finding_device', 5, NULL, '{}', 1795351600000, NULL);
INSERT INTO claims (request_id, device_id) VALUES (1, 1);
INSERT INTO device_logs (device_id, at, source, message) VALUES
  (1, 1795348000000, 'statemachine', 'entering state ready'), (1, 1795348100250, 'syslog', 'hello');
INSERT INTO attempts (device_id, hardware_id, purpose, image, request_id, started_at, ended_at, outcome, state, trail) VALUES
  (1, 1, 'image', 'b2g', 1, 1795347000000, 1795347060000, 'ok', 'ready',
   '1795347000000 pxe_power_cycling' || char(10) || '1795347060000 ready' || char(10)),
  (1, 1, 'power_cycle', 'b2g', NULL, 1795348000000, NULL, 'running', 'pc_power_cycling',
   '1795348000000 pc_power_cycling' || char(10));
INSERT INTO attempt_steps (device_id, at, kind, name, what, bytes, took_ms, bad) VALUES
  (1, 1795347009120, 'tftp', 'live/vmlinuz', 'sent', 8675309, 2410, 0);
INSERT INTO candidates (mac, address, imaging_server, first_at, last_at, seen, asked_for, registered_at, os, hardware, pool,
  command_port, data_port, ignored) VALUES
  ('0a0b0c0d0eff', '10.0.0.77', 'img1.lab', 1795000000000, 1795000060000, 3, 'pxelinux.cfg/01-0a-0b-0c-0d-0e-ff', 1795000060000,
   'Android', '<b>Tegra', 'staging', 20701, NULL, 0),
  ('0a0b0c0d0efe', '10.0.0.78', 'img2.lab', 1795000000000, 1795000000000, 1, 'pxelinux.cfg/01-0a-0b-0c-0d-0e-fe', NULL,
   '', '', '', NULL, NULL, 0),
  ('0a0b0c0d0efd', '10.0.0.79', 'img1.lab', 1795000000000, 1795000000000, 1, 'pxelinux.cfg/01-0a-0b-0c-0d-0e-fd', NULL,
   '', '', '', NULL, NULL, 1);
INSERT INTO stray_senders (sender, hostname, line_count, first_at, last_at) VALUES
  ('10.0.0.77', 'new-board', 3, 1795348000000, 1795348100000), ('10.0.0.78', '', 1, 1795348000000, 1795348000000);
INSERT INTO tokens (name, hash, role, environments, made_at, used_at) VALUES
  ('ci', 'dc4bf80c77473d130fa0de86ba4018fe98bb214005e6a5891d12ba91446f9e81', 'requester', '["tests"]', 1795348000000, 1795305600000);
INSERT INTO stray_logs (at, sender, message) VALUES
  (1795348000000, '10.0.0.77', 'one'), (1795348000000, '10.0.0.78', 'other'), (1795348100000, '10.0.0.77', 'two');
INSERT INTO request_logs (request_id, at, source, message) VALUES (1, 1795348000000, 'statemachine', 'Finding device.');
INSERT INTO spell_subjects (device, server, environment, hardware, image) VALUES
  ('panda-0001', 'img1.lab', 'production', 'panda ES', 'b2g'), ('panda-0002', 'img1.lab', 'tests', '', 'b2g');
INSERT INTO device_spells (subject_id, grp, state, request_id, since, until, cause, detail) VALUES
  (1, 'free', 'ready', NULL, 1795346000000, 1795348000000, NULL, NULL),
  (1, 'used', 'ready', 1, 1795348000000, 9223372036854775807, NULL, NULL),
  (2, 'failed', 'failed_image', NULL, 1795348000000, 1795348000000, 'it says that the image is bad', ': no partition table'),
  (2, 'working', 'pxe_power_cycling', NULL, 1795348000000, 9223372036854775807, NULL, NULL);
UPDATE devices SET spell_id = 2 WHERE name = 'panda-0001';
UPDATE devices SET spell_id = 4 WHERE name = 'panda-0002';
INSERT INTO request_outcomes (request_id, server, assignee, image, environment, hardware, device, asked, ready, ended, how)
VALUES (1, 'img1.lab', 'ann', 'b2g', 'production', 'panda ES', 'panda-0001', 1795347900000, 1795348000000,
   9223372036854775807, ''),
  (2, 'img1.lab', '=bob', 'android', '', '', '', 1795348000000, NULL, 1795348100000, 'failed_device_not_found');
"#;

/// What scripted layers answer, first in first out; then what is usual.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) device: VecDeque<DeviceAnswer>,
    pub(crate) request: VecDeque<RequestAnswer>,
    pub(crate) manual: VecDeque<ManualAnswer>,
    /// The next new request names a busy device.
    pub(crate) busy: bool,
    /// What somebody else writes just before the next change.
    pub(crate) meanwhile: Option<Lab>,
    /// Nothing is answered any more.
    pub(crate) silent: bool,
}

pub(crate) struct Options {
    pub(crate) threads: usize,
    pub(crate) transfers_max: usize,
    pub(crate) watchers_max: usize,
    /// Nobody takes commands, and the channels are of this size.
    pub(crate) stuck: Option<usize>,
    pub(crate) silence: Duration,
    pub(crate) call_wait: Duration,
    pub(crate) connections_max: usize,
    /// Another clock than one that stands until a test moves it.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// What of what boards report is believed: here all of it, unless a test is about that.
    pub(crate) boards: Arc<Boards>,
    /// Reports are not begun until the other end of this is gone.
    pub(crate) reports_wait: Option<Receiver<()>>,
    /// Whether it asks who calls, and whom it believes.
    pub(crate) rules: Rules,
    /// It is in a pool with this secret.
    pub(crate) pool_secret: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        let all = config::Boards { events: BoardEvents::Plain, gateways: Vec::new() };
        Self {
            threads: 4,
            transfers_max: 8,
            watchers_max: 8,
            stuck: None,
            silence: SILENCE,
            call_wait: CALL_WAIT,
            connections_max: CONNECTIONS_MAX,
            clock: None,
            boards: Arc::new(Boards::new(all)),
            reports_wait: None,
            rules: Rules::of(Mode::Open),
            pool_secret: None,
        }
    }
}

/// The ends of channels that nobody listens at.
type Unheard = (Receiver<LifeguardCommand>, Receiver<MozpoolCommand>, Receiver<BmmJob>);

pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) answers: Arc<Mutex<Answers>>,
    pub(crate) files: tempfile::TempDir,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) ended: Receiver<(String, Exit)>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) location: Location,
    /// What time it is for the server, unless the options say otherwise.
    pub(crate) clock: Arc<ManualClock>,
    feed_stop: Stopper,
    running: Option<Running>,
    heard: Receiver<String>,
    dir: Option<tempfile::TempDir>,
    _stuck: Option<Unheard>,
    /// Its end has the audit log written.
    audit_stop: Option<Sender<()>>,
    audit: Option<std::thread::JoinHandle<()>>,
}

pub(crate) fn start() -> World {
    start_with(&Options::default())
}

pub(crate) fn start_with(options: &Options) -> World {
    let dir = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.db");
    let location = Location::sqlite(&path);
    drop(location.open().unwrap());
    rusqlite::Connection::open(&path).unwrap().execute_batch(POOL).unwrap();
    serve(options, location, dir, files)
}

fn serve(options: &Options, location: Location, dir: tempfile::TempDir, files: tempfile::TempDir) -> World {
    let manual = Arc::new(ManualClock::at(Timestamp(NOW)));
    let clock = options.clock.clone().unwrap_or_else(|| manual.clone());
    let answers = Arc::new(Mutex::new(Answers::default()));
    let (says, heard) = unbounded();
    let size = options.stuck.unwrap_or(64);
    let (lifeguard, lifeguard_in) = bounded(size);
    let (mozpool, mozpool_in) = bounded(size);
    let (bmm, bmm_in) = bounded(size);
    let stuck = if options.stuck.is_some() {
        Some((lifeguard_in, mozpool_in, bmm_in))
    } else {
        script_lifeguard(lifeguard_in, says.clone(), Arc::clone(&answers), location.open().unwrap());
        script_mozpool(mozpool_in, says.clone(), Arc::clone(&answers), location.open().unwrap());
        script_bmm(bmm_in, says, Arc::clone(&answers));
        None
    };

    let recent = Arc::new(Recent::default());
    let (ends, ended) = unbounded();
    let feed = Feed::load(location.open().unwrap(), location.bell(), Arc::clone(&recent)).unwrap();
    let feed_stop = feed.stopper();
    spawn("changes", bounded(1).0, move || feed.run());
    let (opens, reports_wait) = (location.clone(), options.reports_wait.clone());
    let vitals = vitals();
    let (audit_stop, stopped) = bounded(0);
    let (auditor, audit) = Auditor::start(location.open().unwrap(), stopped, bounded(1).0);
    let inventory = inventory(&location, dir.path(), lifeguard.clone());
    let parts = Parts {
        settings: settings(),
        commands: Commands {
            lifeguard,
            mozpool,
            bmm,
            inventory: Some(inventory),
            vitals: Arc::clone(&vitals),
            peers: options.pool_secret.as_deref().map(|secret| peers(secret, dir.path(), &clock)),
            access: Arc::new(Access::new(options.rules.clone(), auditor)),
            boards: Arc::clone(&options.boards),
        },
        recent,
        log_bell: Arc::default(),
        shelf: mozpool::api::shelf::Shelf::new(location.bell(), false, Timestamp(NOW)),
        clock: Arc::clone(&clock),
        files: Some(tftpd::root::Root::open(files.path()).unwrap()),
        served: None,
        open_store: Box::new(move || {
            if let (Some(wait), Some("http-report")) = (&reports_wait, std::thread::current().name()) {
                let _ = wait.recv_timeout(PATIENCE);
            }
            opens.open()
        }),
        threads: options.threads,
        transfers_max: options.transfers_max,
        watchers_max: options.watchers_max,
        silence: options.silence,
        call_wait: options.call_wait,
        connections_max: options.connections_max,
    };
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let stats = server.stats();
    let running = server.run(parts, &ends).unwrap();
    World {
        addr: running.local_addr(),
        answers,
        files,
        vitals,
        ended,
        stats,
        location,
        clock: manual,
        feed_stop,
        running: Some(running),
        heard,
        dir: Some(dir),
        _stuck: stuck,
        audit_stop: Some(audit_stop),
        audit: Some(audit),
    }
}

/// The way to the other servers of a pool with this secret; nobody reads what is sent.
fn peers(secret: &str, folder: &std::path::Path, clock: &Arc<dyn Clock>) -> Peers {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("secret");
    std::fs::write(&path, secret).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let secret = Secret::read(&path).unwrap();
    Peers::new("img1.lab", 1, secret, Arc::clone(clock), bounded(1).0, unbounded().0)
}

/// An inventory of files: panda-0001 as it is but for a comment, and a board that is none of ours.
const INVENTORY: &str = r#"
[[device]]
name = "panda-0001"
fqdn = "panda-0001.lab"
mac = "0a0b0c0d0e01"
imaging_server = "img1.lab"
relay_info = "relay-1.lab:bank1:relay3"
hardware_type = "panda"
hardware_model = "ES"
comments = "better"
inventory_id = 7

[[device]]
name = "bare"
"#;

/// Its thread, which ends with the way to it.
fn inventory(
    location: &Location,
    folder: &std::path::Path,
    lifeguard: Sender<LifeguardCommand>,
) -> inventory::Way {
    let path = folder.join("inventory");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("rack.toml"), INVENTORY).unwrap();
    let config = mozpool::config::Inventory {
        source: mozpool::config::InventorySource::Files,
        path: Some(path),
        ..Default::default()
    };
    let (commands, commands_in) = bounded(inventory::QUEUE);
    let stop = crossbeam_channel::never();
    let book = Arc::new(inventory::Book::default());
    let settings = inventory::Settings { server: "img1.lab".into(), inventory: config.clone() };
    let store = location.open().unwrap();
    let layer = inventory::InventoryLayer::new(
        settings,
        store,
        Arc::new(ManualClock::at(Timestamp(NOW))),
        lifeguard,
        Arc::clone(&book),
    );
    let inbox = inventory::Inbox { stop: stop.clone(), commands: commands_in };
    std::thread::spawn(move || layer.run(&inbox));
    inventory::Way { commands, stop, book, inventory: config }
}

/// Of the server under test.
pub(crate) fn settings() -> Settings {
    Settings {
        server_name: "img1.lab".into(),
        public_url: "http://img1.lab:8080".into(),
        duration_max_s: 86_400,
        accept: Vec::new(),
    }
}

/// A server whose TFTP is switched off.
fn vitals() -> Arc<Vitals> {
    let vitals = Vitals::new(Timestamp(NOW - 90_000))
        .with("http", true, vec![Listens::Tcp("127.0.0.1:8080".parse().unwrap())])
        .with("lifeguard", true, vec![])
        .with("tftp", false, vec![])
        .with("syslog", true, vec![Listens::Udp("[::1]:10514".parse().unwrap())]);
    Arc::new(vitals)
}

impl World {
    /// Another server on the same store, when this one has ended.
    pub(crate) fn again(self) -> Self {
        self.again_with(&Options::default())
    }

    pub(crate) fn again_with(mut self, options: &Options) -> Self {
        self.stop();
        let (location, dir) = (self.location.clone(), self.dir.take().unwrap());
        serve(options, location, dir, tempfile::tempdir().unwrap())
    }

    /// A call with headers of its own. The length of the body is told, the connection is closed after it. The answer must be
    /// one that the API's document promises.
    pub(crate) fn call(&self, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Answer {
        let first = format!("{method} {target} HTTP/1.1");
        let length = format!("Content-Length: {}", body.len());
        let mut head = vec![first.as_str(), "Host: localhost:1", "Connection: close", length.as_str()];
        head.extend_from_slice(headers);
        let answer = send(self.addr, &head, body);
        must_allow(method, target, &answer);
        answer
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.call("GET", target, &[], b"")
    }

    pub(crate) fn post(&self, target: &str, body: &str) -> Answer {
        self.call("POST", target, &[], body.as_bytes())
    }

    pub(crate) fn put(&self, target: &str, body: &str) -> Answer {
        self.call("PUT", target, &[], body.as_bytes())
    }

    pub(crate) fn delete(&self, target: &str) -> Answer {
        self.call("DELETE", target, &[], b"")
    }

    /// The next thing that a layer was told.
    pub(crate) fn heard(&self) -> String {
        self.heard.recv_timeout(PATIENCE).expect("a layer was told something")
    }

    /// No layer was told anything that was not asked for with [`Self::heard`].
    pub(crate) fn heard_nothing(&self) -> bool {
        self.heard.is_empty()
    }

    pub(crate) fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap()
    }

    /// Changes the store behind everybody's back.
    pub(crate) fn sql(&self, text: &str) {
        let store = rusqlite::Connection::open(self.dir.as_ref().unwrap().path().join("pool.db")).unwrap();
        store.execute_batch(text).unwrap();
    }

    /// Takes a table away that every call with an owner reads.
    pub(crate) fn break_store(&self) {
        self.sql("ALTER TABLE imaging_servers RENAME TO lost");
    }

    /// Tells it to stop.
    pub(crate) fn begin_stop(&mut self) {
        self.running.as_mut().expect("it runs until it is stopped").stop();
    }

    /// Stops it and waits.
    pub(crate) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.stop();
            running.join(PATIENCE);
            self.audit_stop = None;
            if let Some(audit) = self.audit.take() {
                audit.join().unwrap();
            }
            self.feed_stop.stop();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What changes what there is is done in the store, and nothing said of it.
fn script_lifeguard(
    from: Receiver<LifeguardCommand>,
    says: Sender<String>,
    answers: Arc<Mutex<Answers>>,
    mut store: Box<dyn Store>,
) {
    std::thread::spawn(move || {
        for command in from {
            if let LifeguardCommand::Administer { change, dry_run, reply } = command {
                if let Some(lab) = answers.lock().unwrap().meanwhile.take() {
                    store.apply_lab(&lab, false, Timestamp(NOW)).unwrap();
                }
                let done = match &*change {
                    Administration::Apply(lab) => store.apply_lab(lab, dry_run, Timestamp(NOW)),
                    Administration::Delete { what, force } => {
                        store.delete(what, *force, dry_run, Timestamp(NOW))
                    }
                    Administration::Ignore { mac, ignored } => {
                        store.ignore_candidate(*mac, *ignored, Timestamp(NOW)).map(|_| Vec::new())
                    }
                    Administration::Sync(sync) => {
                        let synced = store.sync_inventory(sync, dry_run, Timestamp(NOW));
                        reply.send(synced.map_or_else(AdminAnswer::Refused, AdminAnswer::Synced)).unwrap();
                        continue;
                    }
                };
                reply.send(done.map_or_else(AdminAnswer::Refused, AdminAnswer::Done)).unwrap();
                continue;
            }
            if let LifeguardCommand::Explain { device, reply } = command {
                reply.send(BootAnswer::Boot(network_boot(&device).into())).unwrap();
                continue;
            }
            if let LifeguardCommand::Draft { contents, install, reply, .. } = command {
                let text = || {
                    format!(
                        "{contents} for {}",
                        install.map(|i| i.boot_config.to_string()).unwrap_or_default()
                    )
                };
                let wrong = DraftAnswer::Wrong { line: 7, why: "wrong".into() };
                let answer = if contents == "{{" { wrong } else { DraftAnswer::Text(text()) };
                reply.send(answer).unwrap();
                continue;
            }
            let (text, reply) = match command {
                LifeguardCommand::Event { device, event, claim: None, reply: Some(reply) } => {
                    (format!("{device} {event:?}"), reply)
                }
                LifeguardCommand::Edit { device, edit, reply } => (format!("{device} {edit:?}"), reply),
                LifeguardCommand::Ping { reply } => {
                    if !answers.lock().unwrap().silent {
                        reply.send(()).unwrap();
                    }
                    continue;
                }
                other => panic!("the API does not say {other:?}"),
            };
            says.send(text).unwrap();
            let mut answers = answers.lock().unwrap();
            let usual = DeviceAnswer::Accepted { state: lifeguard::State::Ready };
            let answer = answers.device.pop_front().unwrap_or(usual);
            if !answers.silent {
                reply.send(answer).unwrap();
            }
        }
    });
}

fn network_boot(device: &str) -> NetworkBoot {
    NetworkBoot {
        state: lifeguard::State::Ready,
        image: None,
        hardware: "panda ES".into(),
        pxe_config: "local-boot".into(),
        described: true,
        why: format!("{device} has nothing to install"),
        error: None,
        asks_for: vec!["pxelinux.cfg/default".into()],
        gets: "pxelinux.cfg/default".into(),
        text: "default local\n".into(),
    }
}

fn script_mozpool(
    from: Receiver<MozpoolCommand>,
    says: Sender<String>,
    answers: Arc<Mutex<Answers>>,
    mut store: Box<dyn Store>,
) {
    std::thread::spawn(move || {
        for command in from {
            match command {
                MozpoolCommand::Create { new, reply } => {
                    says.send(format!("{:?} {:?} until {:?}", new.wanted, new.reason, new.queue_until))
                        .unwrap();
                    let request = store.insert_requests(&[*new]).unwrap()[0];
                    let busy = answers.lock().unwrap().busy;
                    reply.send(CreateAnswer::Created { request, busy }).unwrap();
                }
                MozpoolCommand::Ping { reply } => reply.send(()).unwrap(),
                MozpoolCommand::Event { request, event, who, reply } => {
                    says.send(format!("{request} {event:?} by {who}")).unwrap();
                    let usual = RequestAnswer::Accepted { state: State::Ready };
                    let answer = answers.lock().unwrap().request.pop_front().unwrap_or(usual);
                    reply.send(answer).unwrap();
                }
            }
        }
    });
}

fn script_bmm(from: Receiver<BmmJob>, says: Sender<String>, answers: Arc<Mutex<Answers>>) {
    std::thread::spawn(move || {
        for job in from {
            let (work, reply) = match job {
                BmmJob::Manual { work, reply } => (work, reply),
                BmmJob::Ping { reply } => {
                    reply.send(()).unwrap();
                    continue;
                }
                other => panic!("the API does not say {other:?}"),
            };
            says.send(format!("{work:?}")).unwrap();
            let answer = answers.lock().unwrap().manual.pop_front().unwrap_or(ManualAnswer::Ok);
            // Nobody waits for some of these.
            let _ = reply.send(answer);
        }
    });
}
