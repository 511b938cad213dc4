//! The *tftp* thread: boot configs from the boot table, everything else from the TFTP root.
//!
//! It starts when the boot table is filled, goes down last, and asks nobody: a boot loader that gets no answer waits for minutes.

use super::supervise::Exit;
use crate::boot::path::{ConfigName, config_name};
use crate::boot::table::{Answer, BootTable};
use crate::boot::uboot_script::{SCRIPT_NAME, network_script};
use std::sync::Arc;
use tftpd::{Content, Refusal, Request, Root, Source, TransferRecord};

/// Where the bytes come from.
#[derive(Debug)]
pub struct BootSource {
    /// Boot configs.
    pub table: Arc<BootTable>,
    /// Boot loaders, kernels, initial RAM file systems. Without a root only boot configs are served.
    pub root: Option<Root>,
}

impl Source for BootSource {
    fn open(&self, request: &Request<'_>) -> Result<Content, Refusal> {
        match self.table.answer(request.name) {
            Answer::Text(text) => Ok(Content::Bytes(text)),
            Answer::NotFound => {
                // One line a boot: a board that the server does not know, or whose MAC is wrong, shows here and nowhere else.
                if let Some(ConfigName::Board(mac)) = config_name(request.name) {
                    log::info!("peer={} mac={mac} has nothing to install; it gets the default", request.peer);
                }
                Err(Refusal::NotFound)
            }
            Answer::NotOurs => {
                let found = self.root.as_ref().ok_or(Refusal::NotFound).and_then(|root| root.open(request));
                match found {
                    // Stock U-Boot asks for a script first. A file of this name goes before ours.
                    Err(Refusal::NotFound) if request.name.rsplit('/').next() == Some(SCRIPT_NAME) => {
                        Ok(Content::Bytes(network_script()))
                    }
                    found => found,
                }
            }
        }
    }

    fn finished(&self, record: &TransferRecord) {
        log::info!(
            "peer={} file={} {:?} bytes={} ms={} resent={}",
            record.peer,
            record.name,
            record.outcome,
            record.bytes,
            record.duration.as_millis(),
            record.retransmissions
        );
    }
}

/// The thread's body.
pub fn run(server: tftpd::Server) -> Exit {
    match server.run() {
        Ok(()) => Exit::Stopped,
        Err(error) => Exit::Failed(error.to_string()),
    }
}
