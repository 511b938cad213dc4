//! `mozpool simulate`: months of a lab in seconds, and whether every rule was kept.
//!
//! The report is on standard output and depends on the settings alone; how fast it went is on standard error.

mod pool;

use super::Failure;
use crate::sim::{self, Faults, Settings};
use std::io::Write;
use std::time::Instant;

/// Months of a lab with everything that can go wrong, in seconds: are all rules kept?
///
/// The daemon's own layers, machines and store run on one thread and a virtual clock; boards, relay boards, clients and
/// operators are simulated. The last days are quiet: everything must come to its end. The same seed gives the same report,
/// byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    /// How many boards [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    devices: Option<u32>,
    /// How many days, the quiet ones among them
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// How many days at the end are without faults and new requests
    #[arg(long, value_name = "N", default_value_t = 2)]
    quiet_days: u32,
    /// Decides everything that is left to chance [default: $SIM_SEED, else 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What goes wrong: none, all, or a list such as relays,boards=2,crash (a factor makes a kind more or less frequent)
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: Faults,
    /// Requests per device and day
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = requests::<100>)]
    requests: f64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pool: pool::Args,
}

/// Boards, unless it is said how many.
const DEVICES: u32 = 100;

const EXAMPLES: &str = "\
Faults: relays, boards, cards, images, messages, clock, store, crash

Examples:
  mozpool simulate                                    a bad lab of 100 boards for two weeks
  mozpool simulate --devices 8000 --days 30 --seed 7  a large one
  mozpool simulate --faults crash=10,store=10         a server that dies all the time
  SIM_SEED=7 mozpool simulate                         the same as --seed 7
  mozpool simulate --servers 10 --per-minute 300      what ten servers on one database carry

Exit codes: 0 every rule was kept, 1 one was broken (the report says which, when and what had happened before).";

/// A number that may have a fraction.
fn requests<const MAX: u32>(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|n| (0.0..=f64::from(MAX)).contains(n))
        .ok_or_else(|| format!("write a number from 0 to {MAX}, for example 0.5"))
}

fn seed_of_environment() -> Option<u64> {
    std::env::var("SIM_SEED").ok()?.trim().parse().ok()
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let seed = args.seed.or_else(seed_of_environment).unwrap_or(1);
    let began = Instant::now();
    if let Some(report) = args.pool.run(args.devices, seed)? {
        let text = if args.json { format!("{:#}\n", report.json()) } else { report.to_string() };
        let (servers, minutes) = (report.settings.servers, report.settings.minutes);
        return tell(
            &text,
            began,
            &format!("{servers} servers for {minutes} minutes"),
            report.violation.is_some(),
        );
    }
    let devices = args.devices.unwrap_or(DEVICES);
    let settings = Settings {
        devices: usize::try_from(devices).unwrap_or(usize::MAX),
        days: args.days,
        quiet_days: args.quiet_days.min(args.days),
        seed,
        faults: args.faults,
        requests_per_day: args.requests,
    };
    let report = sim::run(&settings).map_err(Failure::Simulation)?;
    let text = if args.json { format!("{:#}\n", report.json()) } else { report.to_string() };
    let device_days = f64::from(devices) * f64::from(args.days);
    let speed = format!("{:.0} device-days per second", device_days / began.elapsed().as_secs_f64());
    tell(&text, began, &speed, report.violation.is_some())
}

/// The report to standard output, how fast it was to standard error.
fn tell(text: &str, began: Instant, speed: &str, broken: bool) -> Result<(), Failure> {
    let took_s = began.elapsed().as_secs_f64();
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    // When standard error is gone, nobody wants to know.
    let _ = writeln!(std::io::stderr(), "{took_s:.1} s, {speed}");
    if broken { Err(Failure::RuleBroken) } else { Ok(()) }
}
