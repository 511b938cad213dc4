//! The thread *bmm*: one place that waits for jobs, for what workers and boards have said, and for the time.
//!
//! It decides nothing itself: `logic::dispatch` says which relay board may be used, `bmm::probes` which board to ask. A
//! started power cycle is finished even when the server stops: a device is never left without power on purpose.

use super::messages::{BmmAnswer, BmmJob, ManualAnswer, ManualWork, Reply};
use super::supervise::{self, Exit};
use crate::bmm::answers::{Answers, tell};
use crate::bmm::power::{
    Asker, PATIENCE, POWER_LIMIT, PowerCounts, PowerJob, Programs, Task, Ways, is_command_queue,
};
use crate::bmm::probes::{Order, Ports, Probe, Probes};
use crate::bmm::workers::{CheckOrder, Done, FromWorkers, Workers, may_hang};
use crate::bmm::{CheckError, PingSockets};
use crate::clock::{Clock, SteadyClock};
use crate::logic::dispatch::{Dispatch, QUEUE_MAX, REST_MS};
use crate::logic::time::Timestamp;
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, select};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the end of started power cycles is waited for when the server stops. A healthy board needs two seconds.
pub const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Power programs at once. Each is a process or some; those that hang must leave workers to the relay boards.
const PROGRAMS_MAX: usize = 8;
/// How long it sleeps with nothing to do; any number would do.
const IDLE: Duration = Duration::from_secs(3600);

/// What the layer needs beside its channels.
#[derive(Debug)]
pub struct BmmSettings {
    /// What to ping with; opened before root was dropped.
    pub ping: PingSockets,
    /// Ports of checks that name none.
    pub ports: Ports,
    /// How long a relay board rests after each connection, in milliseconds.
    pub rest_ms: i64,
    /// How long a power cycle leaves a device off.
    pub pause: Duration,
    /// How long a relay board that refuses is asked again.
    pub patience: Duration,
    /// Which programs switch the power of `command:` devices.
    pub programs: Programs,
    /// Counts how operations on power end.
    pub counts: Arc<PowerCounts>,
    /// How long workers may take to end; see [`STOP_LIMIT`].
    pub stop_limit: Duration,
}

impl BmmSettings {
    /// The numbers of real hardware, and no power programs.
    pub fn new(ping: PingSockets) -> Self {
        let pause = relayctl::operate::PAUSE;
        Self {
            ping,
            ports: Ports::default(),
            rest_ms: REST_MS,
            pause,
            patience: PATIENCE,
            programs: Programs { folder: None, limit: POWER_LIMIT },
            counts: Arc::default(),
            stop_limit: STOP_LIMIT,
        }
    }
}

/// Starts the layer. Its thread ends when `stop` has a message or nobody holds its other end, after its workers; it says
/// why on `ended`, under the name `bmm`.
pub fn spawn(
    settings: BmmSettings,
    jobs: Receiver<BmmJob>,
    answers: Sender<BmmAnswer>,
    stop: Receiver<()>,
    ended: Sender<(String, Exit)>,
) -> JoinHandle<()> {
    supervise::spawn("bmm", ended, move || match Bmm::new(settings, answers) {
        Ok(layer) => layer.run(&jobs, &stop),
        Err(error) => Exit::Failed(format!("the hardware layer cannot start its ping thread: {error}")),
    })
}

struct Bmm {
    clock: SteadyClock,
    dispatch: Dispatch<PowerJob>,
    /// Of [`PROGRAMS_MAX`].
    programs_running: usize,
    probes: Probes,
    workers: Workers,
    back: FromWorkers,
    answers: Answers,
    /// Questions for which no worker is free; at most one per probe that is still wanted.
    checks_waiting: VecDeque<CheckOrder>,
    /// Names for which no worker is free; at most one per remembered name.
    names_waiting: VecDeque<String>,
    stop_limit: Duration,
}

/// Why the loop ended, and the worker whose end it was.
struct Ending {
    exit: Exit,
    worker: Option<String>,
}

impl From<Exit> for Ending {
    fn from(exit: Exit) -> Self {
        Self { exit, worker: None }
    }
}

impl Bmm {
    fn new(settings: BmmSettings, answers: Sender<BmmAnswer>) -> io::Result<Self> {
        let BmmSettings { ping, ports, rest_ms, pause, patience, programs, counts, stop_limit } = settings;
        for missing in ping.missing() {
            log::warn!("{missing}");
        }
        let (workers, back) = Workers::start(ping, Ways { pause, patience, programs })?;
        Ok(Self {
            clock: SteadyClock::start(),
            dispatch: Dispatch::new(rest_ms),
            programs_running: 0,
            probes: Probes::new(ports),
            workers,
            back,
            answers: Answers::new(answers, counts),
            checks_waiting: VecDeque::new(),
            names_waiting: VecDeque::new(),
            stop_limit,
        })
    }

    fn run(mut self, jobs: &Receiver<BmmJob>, stop: &Receiver<()>) -> Exit {
        let ending = loop {
            self.start_what_can();
            let (waiting, running, longest) = self.dispatch.lengths();
            self.answers.count_queues(waiting, running, longest);
            if self.answers.send().is_err() {
                break Exit::Lost("lifeguard").into();
            }
            if let Err(ending) = self.wait(jobs, stop) {
                break ending;
            }
        };
        match (self.wind_down(ending.worker), ending.exit) {
            (Some(left), Exit::Stopped) => Exit::Failed(left),
            (_, exit) => exit,
        }
    }

    /// The one place that waits. Stopping comes first, results before new jobs.
    fn wait(&mut self, jobs: &Receiver<BmmJob>, stop: &Receiver<()>) -> Result<(), Ending> {
        let mut select = Select::new_biased();
        let stop_at = select.recv(stop);
        let ended_at = select.recv(&self.back.ended);
        let done_at = select.recv(&self.back.done);
        let jobs_at = select.recv(jobs);
        if !self.answers.is_empty() {
            // Room at lifeguard only wakes; what waits is sent in `run`.
            select.send(self.answers.lifeguard());
        }
        let timeout = self.next_wake().map_or(IDLE, |at| {
            Duration::from_millis(u64::try_from(at.ms_since(self.clock.now())).unwrap_or(0))
        });
        let Ok(ready) = select.ready_timeout(timeout) else { return Ok(()) };
        if ready == stop_at {
            return Err(Exit::Stopped.into());
        }
        if ready == ended_at
            && let Ok((name, exit)) = self.back.ended.try_recv()
        {
            let exit = match exit {
                Exit::Failed(why) => Exit::Failed(why),
                Exit::Stopped | Exit::Lost(_) => Exit::Failed(format!("thread {name} ended unasked: {exit}")),
            };
            return Err(Ending { exit, worker: Some(name) });
        }
        if ready == done_at
            && let Ok(done) = self.back.done.try_recv()
        {
            self.take(done);
        }
        if ready == jobs_at {
            match jobs.try_recv() {
                Ok(job) => self.begin(job),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(Exit::Lost("lifeguard").into()),
            }
        }
        Ok(())
    }

    fn next_wake(&self) -> Option<Timestamp> {
        // Without a free worker only the end of a job can change anything at the relays.
        let may = may_start(self.programs_running);
        let relays = if self.workers.relays.has_room() { self.dispatch.next_wake_where(may) } else { None };
        [relays, self.probes.next_wake()].into_iter().flatten().min()
    }

    fn start_what_can(&mut self) {
        let now = self.clock.now();
        self.probes.tick(now);
        while self.workers.relays.has_room()
            && let Some((board, job)) = self.dispatch.start_where(now, may_start(self.programs_running))
        {
            self.programs_running += usize::from(is_command_queue(&board));
            if let Asker::Device { device, epoch } = &job.asker {
                self.answers.push(BmmAnswer::PowerStarted { device: device.clone(), epoch: *epoch });
            }
            self.workers.relays.give((board, job)).expect("it has room");
        }
        self.carry_out_orders(now);
        while self.workers.checks.has_room()
            && let Some(order) = self.checks_waiting.pop_front()
        {
            if self.probes.wants(order.0) {
                self.workers.checks.give(order).expect("it has room");
            }
        }
        while self.workers.namers.has_room()
            && let Some(host) = self.names_waiting.pop_front()
        {
            self.workers.namers.give(host).expect("it has room");
        }
    }

    fn carry_out_orders(&mut self, now: Timestamp) {
        for order in self.probes.take_orders() {
            match order {
                Order::LookUp(host) => self.names_waiting.push_back(host),
                Order::Ping(ticket, to) => {
                    if !self.workers.pinger.ping(ticket, to) {
                        // Asked again a little later.
                        self.probes.said(ticket, Err(CheckError::Busy), now);
                    }
                }
                Order::Ask(ticket, to, question) => {
                    let probes = &self.probes;
                    if self.checks_waiting.len() > 2 * probes.len() {
                        // Probes were replaced faster than workers came to them.
                        self.checks_waiting.retain(|(ticket, ..)| probes.wants(*ticket));
                    }
                    self.checks_waiting.push_back((ticket, to, question));
                }
                Order::Answer(answer) => self.answers.push(answer),
                Order::Reply(reply, answer) => tell(&reply, answer),
            }
        }
    }

    fn begin(&mut self, job: BmmJob) {
        let now = self.clock.now();
        match job {
            BmmJob::PowerCycle { device, epoch, relay, deadline } => {
                self.drop_power_jobs(&device);
                let task = Task::Power(relay, relayctl::Action::PowerCycle);
                let board = task.queue();
                self.answers.know_board(&board);
                let asker = Asker::Device { device: device.clone(), epoch };
                if self.dispatch.push(&board, deadline, PowerJob { task, asker }).is_err() {
                    log::warn!("device={device} board={board} {QUEUE_MAX} jobs wait already; refused");
                    self.answers.push(BmmAnswer::Refused { device, epoch });
                }
            }
            BmmJob::Probe { device, epoch, host, check, mode, good } => {
                self.probes.start(Probe { device, epoch, host, check, mode, good }, now);
            }
            BmmJob::SdCard { device, epoch, host } => self.probes.start_card(device, epoch, host, now),
            BmmJob::Cancel { device } => {
                self.drop_power_jobs(&device);
                self.probes.cancel(&device);
            }
            BmmJob::Ping { reply } => drop(reply.send(())),
            BmmJob::Manual { work: ManualWork::Ping(host), reply } => {
                self.probes.ping_by_hand(host, reply, now);
            }
            BmmJob::Manual { work, reply } => self.begin_by_hand(&work, reply, now),
        }
    }

    fn begin_by_hand(&mut self, work: &ManualWork, reply: Reply<ManualAnswer>, now: Timestamp) {
        let task = match Task::of(work) {
            Ok(Some(task)) => task,
            Ok(None) => return,
            Err(error) => return tell(&reply, ManualAnswer::Failed(error.to_string())),
        };
        let board = task.queue();
        // Somebody waits at a screen for as long as an operation may take.
        let deadline = now.plus_ms(i64::try_from(POWER_LIMIT.as_millis()).unwrap_or(i64::MAX));
        let asker = Asker::Hand(reply);
        if let Err(PowerJob { asker: Asker::Hand(reply), .. }) =
            self.dispatch.push(&board, deadline, PowerJob { task, asker })
        {
            let why = format!("{QUEUE_MAX} jobs wait for {board} already; try again later");
            tell(&reply, ManualAnswer::Failed(why));
        }
    }

    fn drop_power_jobs(&mut self, of: &str) {
        self.dispatch.cancel(|job| matches!(&job.asker, Asker::Device { device, .. } if **device == *of));
    }

    fn take(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Power(board, job, outcome) => {
                self.workers.relays.done();
                if is_command_queue(&board) {
                    // Nothing is known of what it talks to; a program that needs a rest can take one.
                    self.programs_running = self.programs_running.saturating_sub(1);
                    self.dispatch.finished_resting(&board, now, 0);
                } else {
                    self.dispatch.finished(&board, now);
                }
                self.answers.report(board, job, outcome);
            }
            Done::Checked(ticket, said) => {
                self.workers.checks.done();
                self.probes.said(ticket, said, now);
            }
            Done::Pinged(ticket, said) => self.probes.said(ticket, said, now),
            Done::Named(host, found) => {
                self.workers.namers.done();
                self.probes.resolved(&host, found, now);
            }
        }
    }

    /// Starts nothing more, lets started power cycles end and tells of them, and joins the workers. `gone` has ended already.
    /// Gives a sentence about what did not end in time.
    fn wind_down(mut self, gone: Option<String>) -> Option<String> {
        let deadline = Instant::now() + self.stop_limit;
        for job in self.dispatch.cancel(|_| true) {
            if let Asker::Hand(reply) = job.asker {
                tell(&reply, ManualAnswer::Failed(CheckError::Stopping.to_string()));
            }
        }
        let Self { workers, back, mut answers, stop_limit, .. } = self;
        let mut threads: HashMap<String, JoinHandle<()>> = workers.close().into_iter().collect();
        let join = |threads: &mut HashMap<String, JoinHandle<()>>, name: &str| {
            if let Some(thread) = threads.remove(name)
                && thread.join().is_err()
            {
                log::error!("thread {name} panicked after it had ended");
            }
        };
        if let Some(name) = gone {
            join(&mut threads, &name);
        }
        let mut take = |done| {
            if let Done::Power(board, job, outcome) = done {
                answers.report(board, job, outcome);
            }
        };
        while threads.keys().any(|name| !may_hang(name)) {
            select! {
                recv(back.done) -> done => done.into_iter().for_each(&mut take),
                recv(back.ended) -> end => end.iter().for_each(|(name, _)| join(&mut threads, name)),
                default(deadline.saturating_duration_since(Instant::now())) => break,
            }
        }
        back.done.try_iter().for_each(&mut take);
        if answers.send().is_err() {
            log::debug!("lifeguard has ended before the last power cycles");
        }
        // Those in the system's resolver hold nothing and go with the process.
        let left: Vec<_> = threads.into_keys().filter(|name| !may_hang(name)).collect();
        (!left.is_empty()).then(|| {
            let left = left.join(", ");
            format!(
                "not ended within {stop_limit:?}: {left}; a device whose power was being cycled may be off"
            )
        })
    }
}

/// Whether a queue's next job may start while so many power programs run.
fn may_start(programs_running: usize) -> impl Fn(&str) -> bool {
    move |queue| programs_running < PROGRAMS_MAX || !is_command_queue(queue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmm::pool::Pool;
    use crate::logic::check::Check;
    use crate::logic::events::Signal;
    use crate::logic::lifeguard::ProbeMode;
    use crate::logic::machine::Epoch;
    use crossbeam_channel::bounded;

    #[test]
    fn a_worker_that_panics_ends_the_layer_with_its_name() {
        let (answers, _answers) = bounded(1);
        let mut bmm = Bmm::new(BmmSettings::new(PingSockets::open()), answers).unwrap();
        let ended = bmm.workers.ended.clone();
        bmm.workers.checks = Pool::new("bmm-check", 1, ended, |_| panic!("broken"));
        let (jobs, from_jobs) = bounded(1);
        let (_stop, stopped) = bounded(0);
        let (device, epoch, host) = ("d".into(), Epoch(1), "127.0.0.1".into());
        let (check, mode, good) = (Check::Ssh, ProbeMode::Once, Signal::CheckOk);
        jobs.send(BmmJob::Probe { device, epoch, host, check, mode, good }).unwrap();
        let exit = bmm.run(&from_jobs, &stopped);
        assert_eq!(exit, Exit::Failed("thread bmm-check-1 panicked: broken".into()));
    }
}
