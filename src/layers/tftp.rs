//! The *tftp* thread: boot configs from the boot table, everything else from the TFTP root.
//!
//! It starts when the boot table is filled, goes down last, and asks nobody: a boot loader that gets no answer waits for minutes.
//! What it has sent, and what broke off, goes into the history of the board that asked.

mod history;
mod told;

use super::supervise::Exit;
use crate::boot::path::{ConfigName, config_name};
use crate::boot::table::{Answer, BootTable};
use crate::boot::uboot_script::{SCRIPT_NAME, network_script};
use crate::layers::boards::Boards;
pub use history::History;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tftpd::{Content, Refusal, Request, Root, Source, TransferRecord};
use told::Told;

/// Where the bytes come from.
pub struct BootSource {
    /// Boot configs.
    pub table: Arc<BootTable>,
    /// Boot loaders, kernels, initial RAM file systems. Without a root only boot configs are served.
    pub root: Option<Root>,
    /// Where it is told.
    pub history: History,
    /// Whose addresses are known.
    pub boards: Arc<Boards>,
}

impl Source for BootSource {
    fn open(&self, request: &Request<'_>) -> Result<Content, Refusal> {
        let board = config_name(request.name);
        if let Some(ConfigName::Board(mac)) = board {
            self.history.identified(request.peer.ip(), mac);
        }
        match self.table.answer(request.name) {
            Answer::Text(text) => Ok(Content::Bytes(text)),
            Answer::NotFound => {
                if let Some(ConfigName::Board(mac)) = board {
                    self.history.asked(request.peer.ip(), mac, request.name);
                }
                // One line a boot: a board that the server does not know, or whose MAC is wrong, shows here and nowhere else.
                if let Some(ConfigName::Board(mac)) = board
                    && let Some(left_out) = self.history.may_log()
                {
                    log::info!("peer={} mac={mac} has nothing to install; it gets the default", request.peer);
                    if left_out > 0 {
                        log::warn!(
                            "{left_out} more asked for a config in vain; too many within a minute to list them"
                        );
                    }
                }
                Err(Refusal::NotFound)
            }
            Answer::NotOurs => self.file(request),
        }
    }

    fn finished(&self, record: &TransferRecord) {
        let (told, level) = match told::of_transfer(record) {
            Told::Good(text) => (Some(text), log::Level::Info),
            Told::Bad(text) => (Some(text), log::Level::Warn),
            // Only a board has said whose it is. A forger could fill a log in nobody's name.
            Told::Unheard(text) => {
                (Some(text).filter(|_| self.history.knows(record.peer.ip())), log::Level::Debug)
            }
            Told::Nothing => (None, log::Level::Debug),
        };
        let told = told
            .is_some_and(|text| self.history.tell(record.peer.ip(), text, told::step_of_transfer(record)));
        log::log!(
            if told { level } else { log::Level::Debug },
            "peer={} file={} {} bytes={} ms={} resent={} round_trip_us={}",
            record.peer,
            record.name,
            record.outcome.as_str(),
            record.bytes,
            record.duration.as_millis(),
            record.retransmissions,
            record.round_trip.as_micros()
        );
    }

    /// What the lab says, not what has asked for a config: anybody can ask in any name.
    fn trusts(&self, address: IpAddr) -> bool {
        self.boards.has(address)
    }
}

impl BootSource {
    fn file(&self, request: &Request<'_>) -> Result<Content, Refusal> {
        let opened = match &self.root {
            Some(root) => root.open(request),
            None => Err(Refusal::NotFound),
        };
        // Stock U-Boot asks for a script first. A file of this name goes before ours.
        if matches!(opened, Err(Refusal::NotFound)) && request.name.rsplit('/').next() == Some(SCRIPT_NAME) {
            return Ok(Content::Bytes(network_script()));
        }
        if let Err(why) = &opened {
            // What the system said stands in the log already; `tftpd` writes it there.
            let step = told::step_of_refusal(request.name, why);
            self.history.tell(request.peer.ip(), told::of_refusal(request.name, why), Some(step));
        }
        opened
    }
}

/// What the server has counted, for whoever shows it; most are explained at [`tftpd::Stats`]. `lost`: lines that the journal had
/// no room for.
pub fn counters(stats: &tftpd::Stats, lost: &AtomicU64) -> Vec<(&'static str, u64)> {
    let mut rows: Vec<_> = [
        ("requests", &stats.requests),
        ("requests_repeated", &stats.duplicates),
        ("refused", &stats.refused),
        ("limited", &stats.limited),
        ("throttled", &stats.throttled),
        ("malformed", &stats.malformed),
        ("strays", &stats.strays),
        ("dropped_by_kernel", &stats.dropped),
        ("transfers_active", &stats.active),
        ("transfers_done", &stats.transfers_done),
        ("transfers_failed", &stats.transfers_failed),
        ("transfers_vanished", &stats.vanished),
        ("transfers_unheard", &stats.unheard),
        ("transfers_displaced", &stats.displaced),
        ("size_probes", &stats.probes),
        ("bytes", &stats.bytes),
        ("retransmissions", &stats.retransmissions),
    ]
    .map(|(name, counter)| (name, counter.get()))
    .into();
    rows.push(("lines_lost", lost.load(Ordering::Relaxed)));
    rows
}

/// The thread's body.
pub fn run(server: tftpd::Server) -> Exit {
    match server.run() {
        Ok(()) => Exit::Stopped,
        Err(error) => Exit::Failed(error.to_string()),
    }
}
