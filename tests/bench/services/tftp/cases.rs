//! The cases: who asks for what, with which options, and what is wanted of us.

use super::client::{Ask, Wanted};
use super::servers::Files;
use crate::services::goals::{Goal, Want};
use crate::services::plan::Plan;
use crate::services::table::{Metric, Role, Rounds};
use std::sync::Arc;
use std::time::Duration;

const MIB: usize = 1 << 20;

const fn metric(name: &'static str, digits: usize, rounds: Rounds) -> Metric {
    Metric { name, digits, rounds, main: false, sparse: false }
}

/// Megabytes (10⁶) of right bytes a second.
pub(crate) const RATE: Metric = Metric { main: true, ..metric("MB/s", 1, Rounds::Middle) };
/// Answered requests a second.
pub(crate) const REQUESTS: Metric = Metric { main: true, ..metric("requests/s", 0, Rounds::Middle) };
/// Of requests for small files.
pub(crate) const P50: Metric = metric("a request, p50, ms", 2, Rounds::Middle);
pub(crate) const P99: Metric = metric("a request, p99, ms", 2, Rounds::Middle);
/// Of whole transfers, where they are awaited.
pub(crate) const TRANSFER_P50: Metric = metric("a transfer, p50, ms", 0, Rounds::Middle);
pub(crate) const TRANSFER_P99: Metric = metric("a transfer, p99, ms", 0, Rounds::Middle);
/// Transfers that brought an error, wrong bytes or silence.
pub(crate) const FAILED: Metric = Metric { sparse: true, ..metric("transfers that failed", 0, Rounds::Most) };
/// Transfers that were under way when the time was up, of cases that should end before.
pub(crate) const UNFINISHED: Metric =
    Metric { sparse: true, ..metric("transfers not at their end in time", 0, Rounds::Most) };
/// Blocks that came more than once, of a thousand.
pub(crate) const AGAIN: Metric =
    Metric { sparse: true, ..metric("blocks that came twice, ‰", 1, Rounds::Middle) };
/// What the server's processes used.
pub(crate) const CPU: Metric = metric("server CPU, s per GiB", 2, Rounds::Middle);
pub(crate) const CPU_REQUEST: Metric = metric("server CPU, µs per request", 1, Rounds::Middle);
pub(crate) const MEMORY: Metric = metric("server memory at most, MiB", 1, Rounds::Most);

/// A case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// As it stands in the tables.
    pub(crate) name: &'static str,
    /// How many clients begin at once.
    pub(crate) clients: usize,
    /// What each asks for.
    pub(crate) kind: Kind,
    /// Asked for when it is not what a server does unasked.
    pub(crate) blksize: u16,
    /// Likewise.
    pub(crate) windowsize: u16,
    /// PXELINUX asks for the size, too.
    pub(crate) tsize: bool,
    /// Share of packets lost, each way.
    pub(crate) loss: f64,
    /// Whether the clients' kernel puts packets together.
    pub(crate) gro: bool,
    /// Client and server on the same core: they only ever wait for each other, and a wake-up of another core is what a virtual
    /// machine is worst at.
    pub(crate) one_core: bool,
    /// When it is stopped.
    pub(crate) limit: Duration,
    /// Whether transfers that are not at their end by then count: otherwise what came until then is the rate.
    pub(crate) to_the_end: bool,
    /// Rounds against ourselves and the floors.
    pub(crate) rounds: usize,
    /// Rounds against the peers, where one is enough or too long already.
    pub(crate) peer_rounds: usize,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A file with so many bytes.
    File(usize),
    /// A boot config that is not there, then one that is, so many times.
    Configs(usize),
}

const ONE_512: &str = "1 client, 512 bytes, lockstep";
const ONE_1428: &str = "1 client, 1428 bytes, lockstep";
const ONE_W4: &str = "1 client, 1428 bytes, window 4";
const ONE_W16: &str = "1 client, 1428 bytes, window 16";
const RACK: &str = "80 clients × 16 MiB, lockstep";
const RACK_W16: &str = "80 clients × 16 MiB, window 16";
const RACK_GRO: &str = "80 clients × 16 MiB, window 16, GRO";
const LOSS: &str = "80 clients × 1 MiB, 1 % loss, lockstep";
const LOSS_W16: &str = "80 clients × 1 MiB, 1 % loss, window 16";
const LOSS_5: &str = "80 clients × 1 MiB, 5 % loss, lockstep";
const LOSS_5_W16: &str = "80 clients × 1 MiB, 5 % loss, window 16";
const STORM: &str = "80 clients, configs: miss, hit, 50 times";
const STORM_PXE: &str = "80 clients, configs, PXELINUX's options";
const STORM_800: &str = "800 clients, configs: miss, hit, 5 times";
const MANY: &str = "1,000 clients × 1 MiB, lockstep";
const MANY_W16: &str = "1,000 clients × 1 MiB, window 16";

const fn goal(case: &'static str, metric: &'static Metric, want: Want) -> Goal {
    Goal { case, metric, want }
}

/// What is wanted.
pub(crate) const GOALS: &[Goal] = &[
    goal(ONE_512, &RATE, Want::Times(1.0, Role::Peer)),
    goal(ONE_512, &RATE, Want::Times(0.9, Role::Floor)),
    goal(ONE_1428, &RATE, Want::Times(1.0, Role::Peer)),
    goal(ONE_1428, &RATE, Want::Times(0.9, Role::Floor)),
    goal(ONE_W16, &RATE, Want::Times(3.0, Role::Peer)),
    goal(RACK, &RATE, Want::Times(1.5, Role::Peer)),
    goal(RACK_W16, &RATE, Want::Times(3.5, Role::Peer)),
    goal(LOSS, &RATE, Want::Times(10.0, Role::Peer)),
    goal(LOSS, &FAILED, Want::Most(0.0)),
    goal(LOSS_W16, &RATE, Want::Times(8.0, Role::Peer)),
    goal(LOSS_W16, &FAILED, Want::Most(0.0)),
    goal(LOSS_5, &FAILED, Want::Most(0.0)),
    goal(LOSS_5, &UNFINISHED, Want::Most(0.0)),
    goal(LOSS_5_W16, &FAILED, Want::Most(0.0)),
    goal(LOSS_5_W16, &UNFINISHED, Want::Most(0.0)),
    goal(STORM, &REQUESTS, Want::Times(2.0, Role::Peer)),
    goal(STORM, &P99, Want::Most(20.0)),
    goal(STORM_PXE, &REQUESTS, Want::Times(2.0, Role::Peer)),
    goal(STORM_800, &REQUESTS, Want::Times(10.0, Role::Peer)),
    goal(STORM_800, &P99, Want::Most(50.0)),
    goal(MANY, &RATE, Want::Times(1.0, Role::Peer)),
    goal(MANY, &FAILED, Want::Most(0.0)),
    goal(MANY, &MEMORY, Want::Most(32.0)),
    goal(MANY_W16, &RATE, Want::Times(4.0, Role::Peer)),
    goal(MANY_W16, &FAILED, Want::Most(0.0)),
    goal(MANY_W16, &MEMORY, Want::Most(32.0)),
];

/// All cases, as large as the plan has them.
pub(crate) fn all(plan: &Plan) -> Vec<Case> {
    let seconds = |s: f64| Duration::from_secs_f64(if plan.quick { s / 4.0 } else { s });
    let base = Case {
        name: "",
        clients: 1,
        kind: Kind::File(64 * MIB),
        blksize: 1428,
        windowsize: 1,
        tsize: false,
        loss: 0.0,
        gro: false,
        one_core: false,
        limit: seconds(1.0),
        to_the_end: false,
        rounds: plan.rounds,
        peer_rounds: plan.rounds,
    };
    let rack = Case { clients: 80, kind: Kind::File(16 * MIB), limit: seconds(1.5), ..base.clone() };
    let lossy = Case {
        clients: 80,
        kind: Kind::File(MIB),
        loss: 0.01,
        // Long enough for us at 5 %, and for a peer to show its rate; to the last of its transfers takes minutes.
        limit: seconds(10.0),
        to_the_end: true,
        peer_rounds: 1,
        ..base.clone()
    };
    let storm =
        Case { clients: 80, kind: Kind::Configs(50), blksize: 512, limit: seconds(4.0), ..base.clone() };
    let many = Case {
        clients: 1000,
        kind: Kind::File(MIB),
        limit: seconds(15.0),
        to_the_end: true,
        rounds: 1,
        peer_rounds: 1,
        ..base.clone()
    };
    let mut cases = vec![
        Case { name: ONE_512, blksize: 512, one_core: true, ..base.clone() },
        Case { name: ONE_1428, one_core: true, ..base.clone() },
        Case { name: ONE_W4, windowsize: 4, ..base.clone() },
        Case { name: ONE_W16, windowsize: 16, one_core: true, ..base },
        Case { name: RACK, ..rack.clone() },
        Case { name: RACK_W16, windowsize: 16, ..rack.clone() },
        Case { name: RACK_GRO, windowsize: 16, gro: true, ..rack },
        Case { name: LOSS, ..lossy.clone() },
        Case { name: LOSS_W16, windowsize: 16, ..lossy.clone() },
        // What 5 % does to a peer is no news after 1 %.
        Case { name: LOSS_5, loss: 0.05, rounds: 1, peer_rounds: 0, ..lossy.clone() },
        Case { name: LOSS_5_W16, loss: 0.05, windowsize: 16, rounds: 1, peer_rounds: 0, ..lossy },
        Case { name: STORM, ..storm.clone() },
        Case { name: STORM_PXE, blksize: 1408, tsize: true, ..storm.clone() },
        Case { name: STORM_800, clients: 800, kind: Kind::Configs(5), ..storm },
        Case { name: MANY, ..many.clone() },
        Case { name: MANY_W16, windowsize: 16, ..many },
    ];
    if plan.smoke {
        cases.iter_mut().for_each(Case::shrink);
    }
    cases
}

impl Case {
    /// As small as can be.
    fn shrink(&mut self) {
        self.clients = self.clients.min(4);
        self.kind = match self.kind {
            Kind::File(_) => Kind::File(64 << 10),
            Kind::Configs(_) => Kind::Configs(2),
        };
        self.limit = Duration::from_secs(60);
        self.to_the_end = true;
    }

    /// Bytes of the file that must be there.
    pub(crate) fn file_bytes(&self) -> usize {
        match self.kind {
            Kind::File(bytes) => bytes,
            Kind::Configs(_) => 0,
        }
    }

    /// What a client asks for beyond the name.
    pub(crate) fn options(&self) -> Vec<(&'static str, u32)> {
        let mut options = Vec::new();
        if self.tsize {
            options.push(("tsize", 0));
        }
        if self.blksize != 512 {
            options.push(("blksize", self.blksize.into()));
        }
        if self.windowsize != 1 {
            options.push(("windowsize", self.windowsize.into()));
        }
        options
    }

    /// The requests of a client, one after another.
    pub(crate) fn asks(&self, files: &Files) -> Vec<Ask> {
        let options = self.options();
        match self.kind {
            Kind::File(bytes) => {
                let part =
                    if bytes == files.kernel.len() { Arc::clone(&files.kernel) } else { Arc::default() };
                vec![Ask::new(Files::KERNEL, &options, Wanted::Bytes(part))]
            }
            Kind::Configs(times) => {
                let miss = Ask::new(Files::MISSING, &options, Wanted::Nothing);
                let hit = Ask::new(Files::CONFIG, &options, Wanted::Bytes(Arc::clone(&files.config)));
                [miss, hit].into_iter().cycle().take(2 * times).collect()
            }
        }
    }
}
