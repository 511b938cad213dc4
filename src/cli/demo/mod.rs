//! `mozpool demo`: the real daemon with an emulated rack, in one process, without root and without set-up.
//!
//! It joins the parts and asks for boards as any client would, over HTTP. What it shows it reads from the API; what really went
//! wrong with the boards it hears from the rack.

mod client;
mod home;
mod picture;
mod progress;
mod screen;

use crate::config::Fault;
use crate::daemon::{Addresses, Daemon, DaemonError};
use crate::fakes::{Pace, Rack, RackSettings, rack::BOARDS_MAX};
use crate::lab::LabError;
use crate::store::StoreError;
use client::Client;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use home::Home;
use progress::{Progress, Summary};
use screen::Screen;
use std::fmt;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks at the API: often enough for an eye, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The whole demo under `--once`: four times what five hundred boards take on a small machine.
const LIMIT: Duration = Duration::from_secs(600);
/// How long boards that still heal are waited for before the daemon is stopped.
const SETTLE: Duration = Duration::from_secs(60);
/// How long the API may be silent before the demo gives up.
const SILENCE: Duration = Duration::from_secs(20);

/// An emulated rack and the real daemon, to look at: no root, no set-up
///
/// Ports are free ones, everything is kept in a temporary folder and removed at the end. The boards are emulated, but they boot over
/// TFTP, install over HTTP, log by syslog and are powered by relay boards over TCP, as real ones.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    /// How many boards
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=i64::from(BOARDS_MAX)))]
    boards: u16,
    /// How many of them to ask for; the others are left to you [default: all]
    #[arg(long, value_name = "N")]
    requests: Option<u16>,
    /// How often something goes wrong with a board: a probability per power-on, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    flaky: f64,
    /// How often a packet is lost while boards boot: a probability each way, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    loss: f64,
    /// Makes the same things go wrong again [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// End when every request has come to its end, instead of staying until Ctrl-C
    #[arg(long)]
    once: bool,
}

const EXAMPLES: &str = "\
Examples:
  mozpool demo                               ten boards; stays, so that you can try the API
  mozpool demo --boards 80 --requests 0      a rack of free boards, to try the page with
  mozpool demo --once                        the same, and ends: exit code 0 when all went as it should
  mozpool demo --boards 60 --flaky 0.3       a bad rack: see how it heals
  mozpool demo --flaky 0.3 --seed 7 --once   the same mishaps each time";

fn probability(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|p| (0.0..=1.0).contains(p))
        .ok_or_else(|| "write a number from 0 (never) to 1 (always), for example 0.3".to_owned())
}

/// Why the demo failed.
#[derive(Debug)]
pub enum DemoError {
    /// The system did not give what the demo needs.
    System { doing: &'static str, source: io::Error },
    /// The demo's own configuration is refused: the name of the temporary folder, most likely.
    Config(Vec<Fault>),
    /// The demo's own lab is refused.
    Lab(LabError),
    /// The store.
    Store(StoreError),
    /// The daemon.
    Daemon(DaemonError),
    /// The API did not answer as it should.
    Api { doing: String, why: String },
    /// Standard output is gone.
    Output(io::Error),
    /// Something took too long.
    Hung { after_s: u64, what: String },
    /// Boards that were left switched off.
    WithoutPower(Vec<String>),
    /// A board had two owners.
    ClaimedTwice(String),
    /// Ctrl-C under `--once`.
    Interrupted,
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::Config(faults) => {
                let faults: Vec<String> =
                    faults.iter().map(|f| format!("{}; {}", f.problem, f.remedy)).collect();
                write!(
                    f,
                    "the temporary folder cannot be used ({}); set TMPDIR to another one",
                    faults.join(", ")
                )
            }
            Self::Lab(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Daemon(error) => error.fmt(f),
            Self::Api { doing, why } => write!(f, "the daemon's API failed to {doing}: {why}"),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Self::Hung { after_s, what } => write!(f, "not done after {after_s} s: {what}"),
            Self::WithoutPower(names) => write!(f, "left without power: {}", names.join(", ")),
            Self::ClaimedTwice(what) => write!(f, "a board had two owners: {what}"),
            Self::Interrupted => f.write_str("interrupted before the end"),
        }
    }
}

impl std::error::Error for DemoError {}

/// Runs the demo.
///
/// # Errors
/// [`DemoError`]. A request that ends in an honest failure is none.
pub fn run(args: &Args) -> Result<(), DemoError> {
    let failed = |doing| move |source| DemoError::System { doing, source };
    let stop = crate::signals::stop_signals().map_err(failed("listen for signals"))?;
    let seed = args.seed.unwrap_or_else(any_seed);
    let settings =
        RackSettings { boards: args.boards, flaky: args.flaky, seed, pace: Pace::default(), loss: args.loss };
    let mut rack = Rack::new(settings).map_err(failed("build the emulated rack"))?;
    let home = Home::new()?;
    let config = home.prepare(&rack)?;
    let daemon = Daemon::start(&config).map_err(DemoError::Daemon)?;
    let addresses = daemon.addresses().clone();
    if let Some(&tftp) = addresses.tftp.first() {
        rack.connect(tftp).map_err(failed("switch the emulated rack on"))?;
    }
    let title = picture::title(&rack, args.flaky, seed);
    let mut demo = Demo {
        rack: &rack,
        client: Client::new(addresses.http),
        progress: Progress::new(
            rack.boards().map(|(name, _)| name),
            args.requests.map_or(usize::MAX, usize::from),
        ),
        screen: Screen::of_stdout(title),
        started: Instant::now(),
        heard: Instant::now(),
        stop,
    };
    let played = demo.play(args.once, &addresses);
    let left = demo.screen.leave_picture(true).map_err(DemoError::Output);
    // Also after a failure: a started power cycle is finished by this.
    let stopped = daemon.stop().map_err(DemoError::Daemon);
    let summary = played?;
    left?;
    stopped?;
    let Some(summary) = summary else { return Ok(()) };
    let off = rack.without_power();
    if !off.is_empty() {
        return Err(DemoError::WithoutPower(off));
    }
    let mut lines = picture::summary(&summary);
    lines.extend(picture::verdict());
    demo.screen.say(&lines).map_err(DemoError::Output)
}

/// From the clock: it need not be good, only another one each time, and short enough to type.
fn any_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_micros())
}

struct Demo<'r> {
    rack: &'r Rack,
    client: Client,
    progress: Progress,
    screen: Screen,
    started: Instant,
    /// When the API last answered.
    heard: Instant,
    stop: Receiver<()>,
}

/// What ended a stretch of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Reached,
    Stopped,
}

impl Demo<'_> {
    /// Gives the summary where it is to be told in the end.
    fn play(&mut self, once: bool, addresses: &Addresses) -> Result<Option<Summary>, DemoError> {
        self.screen.begin(&picture::where_it_is(addresses)).map_err(DemoError::Output)?;
        let limit = once.then_some(LIMIT);
        if self.watch(limit, Self::ask_for_boards, Progress::all_requests_ended)? == Until::Stopped {
            return if once { Err(DemoError::Interrupted) } else { Ok(None) };
        }
        let why = self.reasons()?;
        let stories: Vec<_> = self.rack.boards().map(|(_, notes)| notes.read()).collect();
        let summary = self.progress.summary(&stories, self.ms(), why);
        self.screen.leave_picture(once).map_err(DemoError::Output)?;
        if once {
            self.give_back()?;
        } else {
            let mut lines = picture::summary(&summary);
            lines.extend(picture::goes_on(&self.client.base, addresses.http));
            self.screen.say(&lines).map_err(DemoError::Output)?;
            self.watch(None, |_| Ok(()), |_| false)?;
        }
        match self.progress.claimed_twice() {
            Some(what) => Err(DemoError::ClaimedTwice(what.to_owned())),
            None => Ok(once.then_some(summary)),
        }
    }

    /// Looks at the API and shows what is new, again and again.
    fn watch(
        &mut self,
        limit: Option<Duration>,
        mut act: impl FnMut(&mut Self) -> Result<(), DemoError>,
        reached: impl Fn(&Progress) -> bool,
    ) -> Result<Until, DemoError> {
        let begun = Instant::now();
        loop {
            self.look()?;
            act(self)?;
            if reached(&self.progress) {
                return Ok(Until::Reached);
            }
            if limit.is_some_and(|limit| begun.elapsed() > limit) {
                let what = self.progress.unfinished();
                return Err(DemoError::Hung { after_s: begun.elapsed().as_secs(), what });
            }
            match self.stop.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(Until::Stopped),
            }
        }
    }

    fn look(&mut self) -> Result<(), DemoError> {
        let snapshot = match self.client.look() {
            Ok(snapshot) => snapshot,
            // A busy moment is no end.
            Err(_) if self.heard.elapsed() < SILENCE => return Ok(()),
            Err(error) => return Err(error),
        };
        self.heard = Instant::now();
        let stories: Vec<_> = self.rack.boards().map(|(_, notes)| notes.read()).collect();
        let now = self.ms();
        let news = self.progress.update(&snapshot, &stories, now);
        self.screen.show(&self.progress, &news, now).map_err(DemoError::Output)
    }

    /// One request for each board that has come through its first self-test, or has been given up in it.
    fn ask_for_boards(&mut self) -> Result<(), DemoError> {
        for _ in 0..self.progress.requests_due() {
            let Some(id) = self.client.ask(home::IMAGE)? else { return Ok(()) };
            let now = self.ms();
            self.progress.asked(id, now);
        }
        Ok(())
    }

    /// Why requests failed, in the daemon's own words.
    fn reasons(&self) -> Result<Vec<String>, DemoError> {
        self.progress.failed_requests().map(|(id, state)| self.client.last_words(id, state)).collect()
    }

    fn give_back(&mut self) -> Result<(), DemoError> {
        for id in self.progress.requests().collect::<Vec<_>>() {
            self.client.give_back(id)?;
        }
        // Boards that need longer than this heal on their own time; what matters then is their power, and that is looked at.
        match self.watch(Some(SETTLE), |_| Ok(()), Progress::all_at_rest) {
            Ok(Until::Reached) | Err(DemoError::Hung { .. }) => Ok(()),
            Ok(Until::Stopped) => Err(DemoError::Interrupted),
            Err(error) => Err(error),
        }
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
