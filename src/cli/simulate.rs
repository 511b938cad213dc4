//! `mozpool simulate`: months of a lab in seconds, and whether every rule was kept.
//!
//! The report is on standard output and depends on the settings alone; how fast it went is on standard error.

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
    /// How many boards
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=8192))]
    devices: u32,
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
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = requests)]
    requests: f64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Faults: relays, boards, cards, images, messages, clock, store, crash

Examples:
  mozpool simulate                                    a bad lab of 100 boards for two weeks
  mozpool simulate --devices 8000 --days 30 --seed 7  a large one
  mozpool simulate --faults crash=10,store=10         a server that dies all the time
  SIM_SEED=7 mozpool simulate                         the same as --seed 7

Exit codes: 0 every rule was kept, 1 one was broken (the report says which, when and what had happened before).";

fn requests(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|n| (0.0..=100.0).contains(n))
        .ok_or_else(|| "write a number from 0 to 100, for example 0.5".to_owned())
}

fn seed_of_environment() -> Option<u64> {
    std::env::var("SIM_SEED").ok()?.trim().parse().ok()
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let settings = Settings {
        devices: usize::try_from(args.devices).unwrap_or(usize::MAX),
        days: args.days,
        quiet_days: args.quiet_days.min(args.days),
        seed: args.seed.or_else(seed_of_environment).unwrap_or(1),
        faults: args.faults,
        requests_per_day: args.requests,
    };
    let began = Instant::now();
    let report = sim::run(&settings).map_err(Failure::Simulation)?;
    let took = began.elapsed();
    let mut out = std::io::stdout().lock();
    let printed = if args.json { writeln!(out, "{:#}", report.json()) } else { write!(out, "{report}") };
    printed.and_then(|()| out.flush()).map_err(Failure::Output)?;
    let device_days = f64::from(args.devices) * f64::from(args.days);
    // When standard error is gone, nobody wants to know.
    let _ = writeln!(
        std::io::stderr(),
        "{:.1} s, {:.0} device-days per second",
        took.as_secs_f64(),
        device_days / took.as_secs_f64()
    );
    if report.violation.is_some() { Err(Failure::RuleBroken) } else { Ok(()) }
}
