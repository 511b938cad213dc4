//! What happens to a datagram on a request socket: a transfer begins, a running one is reminded, or an ERROR goes back.
//! It refuses to know files (`Source`) and which packets a transfer sends (`transfer`).
//! Every request is answered at once; noise is counted, logged once per source and minute, and not answered.

use crate::content::Blocks;
use crate::endpoint::Endpoint;
use crate::listener::{Arrival, Listener};
use crate::name::{self, NameError};
use crate::options::grant;
use crate::packet::{self, ErrorCode, Mode, Packet};
use crate::serving::{Core, Io};
use crate::sessions::{Full, Key, Manner, Slot};
use crate::source::{Refusal, Request};
use crate::stats::Stats;
use crate::transfer::{Outcome, Repeated, Transfer};
use mio::{Interest, Token};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

impl Core {
    pub(crate) fn on_datagram(&mut self, listener: &Listener, arrival: &Arrival, inbox: &[u8]) {
        let now = Instant::now();
        let truncated = Err(packet::DecodeError::Truncated { len: arrival.len });
        let bytes = &inbox[..arrival.len];
        match if arrival.truncated { truncated } else { packet::decode(bytes) } {
            Ok(Packet::ReadRequest { path, mode, options }) => {
                self.stats.requests.add(1);
                let manner = Manner { mode, options };
                if let Err((code, text)) = self.on_request(arrival, path, manner, now) {
                    log::debug!("peer={} file={path:?} refused: {text}", arrival.peer);
                    self.answer(listener, arrival, code, text);
                }
            }
            Ok(_) => self.on_malformed(arrival.peer.ip(), "the packet is no request", now),
            Err(error) => match error.answer() {
                Some((code, text)) => {
                    self.stats.refused.add(1);
                    self.answer(listener, arrival, code, text);
                }
                None => self.on_malformed(arrival.peer.ip(), error, now),
            },
        }
    }

    pub(crate) fn answer(&mut self, listener: &Listener, arrival: &Arrival, code: ErrorCode, text: &str) {
        packet::encode_error(&mut self.control, code, text);
        listener.reply(arrival, &self.control);
    }

    pub(crate) fn on_malformed(&mut self, source: IpAddr, why: impl fmt::Display, now: Instant) {
        self.stats.malformed.add(1);
        if self.quiet.may_log(source, now) {
            log::warn!(
                "peer={source} sent what is not TFTP: {why} (more from there in the next minute is not logged)"
            );
        }
    }

    /// Begins a transfer, gives a repeated request to the one that runs, or says why not.
    pub(crate) fn on_request(
        &mut self,
        arrival: &Arrival,
        path: &str,
        manner: Manner,
        now: Instant,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let (peer, local) = (arrival.peer, arrival.local.ip());
        let key = Key { peer, local, path: path.to_owned() };
        if let Some(slot) = self.sessions.find(&key) {
            if !self.replaces(slot, manner, now) {
                return Ok(());
            }
            self.finish(slot, Outcome::Superseded);
        }
        if let Err(full) = self.sessions.room_for(peer.ip()) {
            return Err(self.turn_away(peer.ip(), full, now));
        }
        let refuse = |stats: &Stats, refusal: &Refusal| {
            stats.refused.add(1);
            refusal.answer()
        };
        let name = match name::normalize(path) {
            Ok(name) => name,
            Err(NameError::Empty) => return Err(refuse(&self.stats, &Refusal::NotFound)),
            Err(NameError::Climbs | NameError::BadCharacter) => {
                return Err(refuse(&self.stats, &Refusal::AccessViolation));
            }
        };
        let request = Request { path, name: &name, mode: manner.mode, peer, local };
        let content = match self.source.open(&request) {
            Ok(content) => content,
            Err(refusal) => {
                if let Refusal::Failed(cause) = &refusal {
                    log::error!("file={name} cannot be opened: {cause}");
                }
                return Err(refuse(&self.stats, &refusal));
            }
        };
        let size = match manner.mode {
            Mode::Octet => Some(content.size()),
            Mode::Netascii => None, // How long the text becomes shows at its end.
        };
        let granted = grant(&manner.options, size, self.config.most(peer.ip()));
        let transfer = Transfer::new(granted, size, self.config.timing, now);
        let blocks = Blocks::new(content, manner.mode, transfer.blksize());
        let token = Token(self.first_transfer + self.sessions.next_slot());
        let endpoint = Endpoint::open(arrival.local).and_then(|mut endpoint| {
            self.registry.register(&mut endpoint.socket, token, Interest::READABLE)?;
            Ok(endpoint)
        });
        let endpoint = match endpoint {
            Ok(endpoint) => endpoint,
            Err(cause) => {
                self.stats.limited.add(1);
                if self.quiet.may_log(peer.ip(), now) {
                    log::error!("peer={peer} no socket for a transfer: {cause}");
                }
                return Err(Refusal::Busy.answer());
            }
        };
        let io = Io { endpoint, blocks, name, size, queued: false, blocked: false };
        let slot = self.sessions.insert(key, manner, transfer, io, now);
        self.stats.active.set(self.sessions.len() as u64);
        self.enqueue(slot);
        Ok(())
    }

    /// Whether a request with the key of a running transfer puts another in its place.
    pub(crate) fn replaces(&mut self, slot: Slot, manner: Manner, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        if session.manner != manner {
            return true;
        }
        self.stats.duplicates.add(1);
        match session.transfer.on_repeated_request(now) {
            Repeated::Ignored => false,
            Repeated::Answered => {
                self.enqueue(slot);
                false
            }
            Repeated::StartedOver => true,
        }
    }

    pub(crate) fn turn_away(&mut self, peer: IpAddr, full: Full, now: Instant) -> (ErrorCode, &'static str) {
        self.stats.limited.add(1);
        let (text, limit) = match full {
            Full::Server => ("too many transfers on this server, try again later", self.config.max_transfers),
            Full::Address => ("too many transfers for your address", self.config.max_transfers_per_address),
        };
        if self.quiet.may_log(peer, now) {
            log::warn!("peer={peer} turned away: {text} (limit {limit})");
        }
        (ErrorCode::NotDefined, text)
    }
}
