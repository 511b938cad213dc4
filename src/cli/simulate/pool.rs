//! `mozpool simulate --servers N`: what a pool of servers carries on one store.

use crate::cli::Failure;
use crate::sim::pool::{Latency, Report, Settings, run};

/// Boards of each server, unless it is said how many there are.
const PER_SERVER: u32 = 80;

/// What is said of a pool.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A pool of servers, without faults")]
pub(super) struct Args {
    /// Simulate so many servers on one store, and say what they carry; 80 boards each unless --devices says otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200),
          conflicts_with_all = ["days", "quiet_days", "faults", "requests"])]
    servers: Option<u32>,
    /// Requests a minute, over all servers
    #[arg(long, value_name = "X", default_value_t = 60.0, value_parser = super::requests::<100_000>, requires = "servers")]
    per_minute: f64,
    /// How many minutes
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1440), requires = "servers")]
    minutes: u32,
    /// Seconds for which a board is used, on average
    #[arg(long, value_name = "N", default_value_t = 60.0, value_parser = super::requests::<86_400>, requires = "servers")]
    use_s: f64,
    /// A statement takes so long in the database, ms
    #[arg(long, value_name = "X", default_value_t = 0.1, value_parser = super::requests::<1000>, requires = "servers")]
    statement_ms: f64,
    /// … and a commit so much longer, ms
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = super::requests::<1000>, requires = "servers")]
    commit_ms: f64,
    /// There and back between two machines takes so long, ms
    #[arg(long, value_name = "X", default_value_t = 0.2, value_parser = super::requests::<1000>, requires = "servers")]
    network_ms: f64,
}

impl Args {
    /// Simulates a pool, if one is asked for.
    pub(super) fn run(&self, devices: Option<u32>, seed: u64) -> Result<Option<Report>, Failure> {
        let Some(servers) = self.servers else { return Ok(None) };
        let small = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let devices = devices.unwrap_or(servers * PER_SERVER).max(servers);
        let settings = Settings {
            servers: small(servers),
            devices: small(devices),
            minutes: self.minutes,
            per_minute: self.per_minute,
            use_s: self.use_s,
            seed,
            latency: Latency {
                statement_us: us(self.statement_ms),
                commit_us: us(self.commit_ms),
                network_us: us(self.network_ms),
            },
        };
        run(&settings).map(Some).map_err(Failure::Simulation)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a second at most")]
fn us(ms: f64) -> i64 {
    (ms * 1000.0).round() as i64
}
