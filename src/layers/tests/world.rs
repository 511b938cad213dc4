//! Both layers for real on a store in memory, with their other ends in the test's hand and a clock that stands until moved.
//!
//! Nothing runs by itself: `settle` gives each layer its turn until neither has anything to do.

use super::faulty::{Faulty, Meanwhile, Switch, Trouble};
use crate::boot::render::{ServerValues, sample_values};
use crate::boot::table::{Answer, BootTable};
use crate::clock::{Clock, ManualClock};
use crate::lab::Lab;
use crate::layers::lifeguard::{self, Lifeguard};
use crate::layers::messages::*;
use crate::layers::mozpool::{self, Mozpool};
use crate::layers::peers::Peers;
use crate::logic::events::{ImagingResult, ReturnPolicy, Signal};
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::{Ask, BootToken, Event, Install, Proof, State};
use crate::logic::machine::Epoch;
use crate::logic::mozpool::{ClaimChange, State as RequestState, Wanted};
use crate::logic::time::Timestamp;
use crate::seal::Secret;
use crate::store::through::Through;
use crate::store::{Committed, Location, NewRequest, RequestCommit, ServerRow, Store};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;

pub(super) const T0: Timestamp = Timestamp(1_700_000_000_000);

/// Images `debian` and `b2g` (may be used again), and `n` ready boards on two relay boards; `gaia` is the last one's pool.
fn lab(n: usize) -> String {
    let mut text = String::from(
        "[[hardware_type]]\ntype = \"pc\"\n\n[[hardware_type]]\ntype = \"odd\"\n\n\
         [[image]]\nname = \"debian\"\npxe = { \"pc\" = \"image\" }\n\n\
         [[image]]\nname = \"b2g\"\ncan_reuse = true\npxe = { \"pc\" = \"image\" }\n\n",
    );
    for i in 1..=n {
        let (bank, relay) = ((i - 1) / 8 % 4 + 1, (i - 1) % 8 + 1);
        let board = (i - 1) / 32 + 1;
        text += &format!(
            "[[device]]\nname = \"b{i}\"\nfqdn = \"10.0.0.{i}\"\nmac = \"02000000{i:04x}\"\nhardware_type = \"pc\"\n\
             relay_info = \"Relay{board}:bank{bank}:relay{relay}\"\nenvironment = \"{}\"\nstate = \"ready\"\n\n",
            if i == n { "gaia" } else { "lab" },
        );
    }
    text
}

/// The two layers, and everything that they talk to.
pub(super) struct World {
    location: Location,
    pub(super) clock: Arc<ManualClock>,
    pub(super) boot: Arc<BootTable>,
    pub(super) trouble: Switch,
    meanwhile: Meanwhile,
    pub(super) store: Box<dyn Store>,
    pub(super) policy: ReturnPolicy,
    pub(super) queue: usize,
    pub(super) lifeguard: Option<(Lifeguard, lifeguard::Inbox)>,
    mozpool: Option<(Mozpool, mozpool::Inbox)>,
    pub(super) jobs: Receiver<BmmJob>,
    pub(super) lines: Receiver<JournalLine>,
    pub(super) answers: Sender<BmmAnswer>,
    pub(super) devices: Sender<LifeguardCommand>,
    pub(super) requests: Sender<MozpoolCommand>,
    pub(super) notices: Sender<MozpoolNotice>,
    _stops: Vec<Sender<()>>,
}

impl World {
    /// `n` boards; every layer loaded.
    pub(super) fn of(n: usize) -> Self {
        Self::with(n, 4096)
    }

    /// … with channels of `queue` places between the layers.
    pub(super) fn with(n: usize, queue: usize) -> Self {
        let location = Location::memory();
        let mut store = location.open().unwrap();
        let row = ServerRow { name: "here".into(), url: "http://here".into() };
        store.register_server(&row, Timestamp(0)).unwrap();
        store.apply_lab(&Lab::parse(&lab(n), "lab.toml", "here").unwrap(), false, T0).unwrap();
        let mut world = Self {
            location,
            clock: Arc::new(ManualClock::at(T0)),
            boot: Arc::new(BootTable::new("local")),
            trouble: Switch::default(),
            meanwhile: Meanwhile::default(),
            store,
            policy: ReturnPolicy::Check,
            queue,
            lifeguard: None,
            mozpool: None,
            jobs: bounded(1).1,
            lines: bounded(1).1,
            answers: bounded(1).0,
            devices: bounded(1).0,
            requests: bounded(1).0,
            notices: bounded(1).0,
            _stops: vec![],
        };
        world.start();
        world
    }

    /// Kills both layers where they stand, with all that is in their channels, and loads them again.
    pub(super) fn start(&mut self) {
        (self.lifeguard, self.mozpool) = (None, None);
        self.boot = Arc::new(BootTable::new("local"));
        let (jobs, jobs_rx) = bounded(self.queue);
        let (lines, lines_rx) = bounded(4096);
        let (answers, answers_rx) = bounded(4096);
        let (devices, devices_rx) = bounded(self.queue);
        let (requests, requests_rx) = bounded(4096);
        let (notices, notices_rx) = bounded(self.queue);
        let (stop1, stop1_rx) = bounded(0);
        let (stop2, stop2_rx) = bounded(0);
        let settings = lifeguard::Settings {
            server: "here".into(),
            values: ServerValues {
                name: "here".into(),
                ip: "10.9.9.9".into(),
                http: "10.9.9.9:8080".into(),
                syslog: "10.9.9.9:514".into(),
            },
            live: sample_values(&ServerValues::default()).live.into(),
            site: Default::default(),
            return_policies: [("gaia".to_owned(), ReturnPolicy::SelfTest)].into(),
            return_policy: self.policy,
        };
        let outbox = lifeguard::Outbox { bmm: jobs, mozpool: notices.clone(), journal: lines };
        let clock: Arc<dyn Clock> = self.clock.clone();
        let layer = Lifeguard::load(settings, self.open(), clock.clone(), self.boot.clone(), outbox).unwrap();
        let inbox = lifeguard::Inbox { stop: stop1_rx, answers: answers_rx, commands: devices_rx };
        self.lifeguard = Some((layer, inbox));
        let layer = Mozpool::load("here", self.open(), clock, devices.clone()).unwrap();
        let inbox = mozpool::Inbox { stop: stop2_rx, notices: notices_rx, commands: requests_rx };
        self.mozpool = Some((layer, inbox));
        (self.jobs, self.lines) = (jobs_rx, lines_rx);
        (self.answers, self.devices, self.requests, self.notices) = (answers, devices, requests, notices);
        self._stops = vec![stop1, stop2];
    }

    /// The request layer has other servers beside it. What is sent to them comes out of the receiver.
    pub(super) fn with_peers(&mut self) -> (Peers, Receiver<(String, PeerMessage)>) {
        let (carrier, sent) = bounded(64);
        let (ended, _) = bounded(1);
        let peers = Peers::new("here", 0, Secret::unused(), self.clock.clone(), self.notices.clone(), ended)
            .carried_by(carrier);
        let (layer, inbox) = self.mozpool.take().expect("it was started");
        self.mozpool = Some((layer.with_peers(peers.clone()), inbox));
        (peers, sent)
    }

    fn open(&self) -> Box<dyn Store> {
        Box::new(Through(Faulty {
            inner: self.location.open().unwrap(),
            switch: self.trouble.clone(),
            meanwhile: self.meanwhile.clone(),
        }))
    }

    pub(super) fn lifeguard(&mut self) -> &mut Self {
        let (layer, inbox) = self.lifeguard.as_mut().unwrap();
        layer.turn(inbox);
        self
    }

    pub(super) fn mozpool(&mut self) -> &mut Self {
        let (layer, inbox) = self.mozpool.as_mut().unwrap();
        layer.turn(inbox);
        self
    }

    /// Neither would be woken by time at once: what is due and stays due makes a layer spin.
    fn sleeps(&self) -> bool {
        let wakes =
            [self.lifeguard.as_ref().unwrap().0.next_wake(), self.mozpool.as_ref().unwrap().0.next_wake()];
        wakes.into_iter().flatten().all(|at| at > self.clock.now())
    }

    /// Turns for both until they have said to each other what they have to say; a pair that never comes to rest fails.
    pub(super) fn settle(&mut self) -> &mut Self {
        for _ in 0..100 {
            self.mozpool().lifeguard();
            if self.devices.is_empty()
                && self.notices.is_empty()
                && self.answers.is_empty()
                && self.requests.is_empty()
                && self.sleeps()
            {
                return self;
            }
        }
        panic!("the layers talk to each other without an end");
    }

    /// Lets time pass, a second at a time.
    pub(super) fn pass_s(&mut self, seconds: u32) -> &mut Self {
        for _ in 0..seconds {
            self.clock.advance_ms(1000);
            self.settle();
        }
        self
    }

    pub(super) fn trouble(&self, trouble: impl Into<Option<Trouble>>) {
        *self.trouble.lock().unwrap() = trouble.into();
    }

    /// Another server's request takes `device` between the next search and its commit.
    pub(super) fn rival_takes(&mut self, device: &str) {
        let mut store = self.location.open().unwrap();
        let rival = NewRequest {
            server: "here".into(),
            assignee: "rival".into(),
            reason: String::new(),
            wanted: Self::wanted(None, "debian"),
            expires: T0.plus_s(1_000_000),
            queue_until: None,
            created: T0,
        };
        let [id] = store.insert_requests(&[rival]).unwrap()[..] else { panic!() };
        let mut next = store.load_request(id).unwrap().unwrap().machine;
        let expected = next.epoch;
        next.epoch = next.epoch.next();
        let take = RequestCommit {
            next,
            expected,
            claim: ClaimChange::Take(device.into()),
            log: vec![],
            device_log: None,
            at: T0,
        };
        *self.meanwhile.lock().unwrap() = Some(Box::new(move || {
            assert_eq!(store.commit_requests(&[take]).unwrap(), [Committed::Done]);
        }));
    }

    pub(super) fn wanted(device: Option<&str>, image: &str) -> Wanted {
        Wanted {
            device: device.map(Into::into),
            environment: None,
            install: Install { image: image.into(), boot_config: "{}".into() },
            hardware_type: None,
            hardware_model: None,
            processor: None,
            tags: vec![],
        }
    }

    /// Asks for a board and gives where the answer will be.
    pub(super) fn ask(&self, device: Option<&str>, image: &str) -> Receiver<CreateAnswer> {
        self.ask_for(Self::wanted(device, image))
    }

    fn ask_for(&self, wanted: Wanted) -> Receiver<CreateAnswer> {
        let (reply, answer) = bounded(1);
        let now = self.clock.now();
        let new = NewRequest {
            server: "here".into(),
            assignee: "ci".into(),
            reason: String::new(),
            wanted,
            expires: now.plus_s(100_000),
            queue_until: None,
            created: now,
        };
        self.requests.send(MozpoolCommand::Create { new: Box::new(new), reply }).unwrap();
        answer
    }

    /// … of this pool.
    pub(super) fn ask_for_environment(&self, environment: &str) -> Receiver<CreateAnswer> {
        self.ask_for(Wanted { environment: Some(environment.into()), ..Self::wanted(None, "debian") })
    }

    /// What *mozpool* has told the device layer is lost.
    pub(super) fn forget_orders(&mut self) {
        let (_, inbox) = self.lifeguard.as_mut().unwrap();
        inbox.commands.try_iter().for_each(drop);
    }

    /// Asks for a board and lets the layers settle.
    pub(super) fn request(&mut self, device: Option<&str>, image: &str) -> RequestId {
        self.made(Self::wanted(device, image))
    }

    /// … for one that is as `wish` says.
    pub(super) fn request_of(&mut self, wish: impl FnOnce(&mut Wanted)) -> RequestId {
        let mut wanted = Self::wanted(None, "debian");
        wish(&mut wanted);
        self.made(wanted)
    }

    fn made(&mut self, wanted: Wanted) -> RequestId {
        let answer = self.ask_for(wanted);
        self.settle();
        match answer.try_recv() {
            Ok(CreateAnswer::Created { request, busy: false }) => request,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn close(&self, request: RequestId) -> Receiver<RequestAnswer> {
        self.end(request, RequestEvent::Close { who: None, reason: None })
    }

    /// Something is asked of a request.
    pub(super) fn end(&self, request: RequestId, event: RequestEvent) -> Receiver<RequestAnswer> {
        let (reply, answer) = bounded(1);
        let who = "10.0.0.7".into();
        self.requests.send(MozpoolCommand::Event { request, event, who, reply }).unwrap();
        answer
    }

    /// An operator puts a device into a state.
    pub(super) fn force(&mut self, device: &str, from: &str, to: State) {
        let answer = self.event(device, Event::Force { from: from.into(), to, who: "ann".into() });
        self.settle();
        assert!(matches!(answer.try_recv(), Ok(DeviceAnswer::Accepted { .. })));
    }

    /// The messages of a request's log, oldest first.
    pub(super) fn request_log(&self, request: RequestId) -> Vec<String> {
        let lines = self.open().request_log(request, None).expect("the store works");
        lines.into_iter().map(|l| l.message).collect()
    }

    /// Something happens to a device; answered after the layer's next turn.
    pub(super) fn event(&self, device: &str, event: Event) -> Receiver<DeviceAnswer> {
        let (reply, answer) = bounded(1);
        let command =
            LifeguardCommand::Event { device: device.into(), event, claim: None, reply: Some(reply) };
        self.devices.send(command).unwrap();
        answer
    }

    pub(super) fn please(&self, device: &str, ask: Ask) -> Receiver<DeviceAnswer> {
        self.event(device, Event::Please(ask))
    }

    /// A board reports; nobody insists that it is heard.
    pub(super) fn says_something(&self, device: &str, signal: Signal) -> Option<Receiver<DeviceAnswer>> {
        let (reply, answer) = bounded(1);
        let event = Event::Signal { signal, detail: None, proof: Proof::NotNeeded };
        let command =
            LifeguardCommand::Event { device: device.into(), event, claim: None, reply: Some(reply) };
        self.devices.try_send(command).ok().map(|()| answer)
    }

    /// A board reports what the device's state waits for, with the token of its boot.
    pub(super) fn says(&mut self, device: &str, signal: Signal) {
        let token = self.token(device);
        let answer = self.shows(device, signal, Proof::Boot(token));
        assert!(matches!(answer, DeviceAnswer::Accepted { .. }), "{signal}: {answer:?}");
    }

    /// Something is reported of a device that this shows.
    pub(super) fn shows(&mut self, device: &str, signal: Signal, proof: Proof) -> DeviceAnswer {
        let answer = self.event(device, Event::Signal { signal, detail: None, proof });
        self.settle();
        answer.try_recv().expect("it was answered")
    }

    /// The token of the board's present boot, as it is stored.
    pub(super) fn token(&mut self, device: &str) -> Option<BootToken> {
        self.store.load_device(device).unwrap().unwrap().machine.boot_token
    }

    /// The hardware layer answers what the device's present state asked.
    pub(super) fn answered(&mut self, device: &str, signal: Signal) {
        let epoch = self.epoch(device);
        self.answers
            .send(BmmAnswer::Finished { device: device.into(), epoch, signal, detail: None })
            .unwrap();
        self.settle();
    }

    /// From the power cycle to `ready`, as a board that works.
    pub(super) fn install(&mut self, device: &str) {
        self.says_until_ping(device);
        self.answered(device, Signal::PingOk);
    }

    /// A self-test without a live image: a power cycle, two minutes, and an answer.
    pub(super) fn pass_self_test(&mut self, device: &str) {
        self.answered(device, Signal::PowerCycleOk);
        self.pass_s(120);
        self.answered(device, Signal::PingOk);
    }

    /// Changes rows from outside, as an import does; layers hear of it when they load.
    pub(super) fn describe(&mut self, text: &str) {
        self.store.apply_lab(&Lab::parse(text, "more.toml", "here").unwrap(), false, T0).unwrap();
    }

    /// … up to where the new system must answer.
    pub(super) fn says_until_ping(&mut self, device: &str) {
        self.answered(device, Signal::PowerCycleOk);
        for signal in [
            Signal::MobileInitStarted,
            Signal::ImageDownloading,
            Signal::ImageExtracting,
            Signal::ImageRebooting,
        ] {
            self.says(device, signal);
        }
    }

    /// When the device layer wakes by itself.
    pub(super) fn next_device_wake(&self) -> Option<Timestamp> {
        self.lifeguard.as_ref().unwrap().0.next_wake()
    }

    pub(super) fn state(&mut self, device: &str) -> State {
        self.store.load_device(device).unwrap().unwrap().machine.state
    }

    pub(super) fn epoch(&mut self, device: &str) -> Epoch {
        self.store.load_device(device).unwrap().unwrap().machine.epoch
    }

    pub(super) fn result(&mut self, request: RequestId) -> Option<ImagingResult> {
        self.store.imaging_result(request).unwrap()
    }

    /// The request's state, and the device that it holds.
    pub(super) fn of_request(&mut self, request: RequestId) -> (RequestState, Option<String>) {
        let machine = self.store.load_request(request).unwrap().unwrap().machine;
        (machine.state, machine.assigned.map(|d| d.to_string()))
    }

    pub(super) fn epoch_of(&mut self, request: RequestId) -> Epoch {
        let found = self.store.load_request(request).expect("the store works");
        found.expect("it was made").machine.epoch
    }

    /// What `b<i>` reads over TFTP.
    pub(super) fn boots(&self, i: usize) -> Option<String> {
        match self.boot.answer(&format!("pxelinux.cfg/01-02-00-00-00-{:02x}-{:02x}", i >> 8, i & 255)) {
            Answer::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            _ => None,
        }
    }

    /// The messages of a device's log, oldest first.
    pub(super) fn log(&self, device: &str) -> Vec<String> {
        let lines = self.open().device_log(device, None, None).expect("the store works");
        lines.into_iter().map(|l| l.message).collect()
    }

    /// Power cycles that were handed out since the last look.
    pub(super) fn power_cycles(&self) -> Vec<String> {
        self.jobs
            .try_iter()
            .filter_map(|job| match job {
                BmmJob::PowerCycle { device, .. } => Some(device.to_string()),
                _ => None,
            })
            .collect()
    }
}
