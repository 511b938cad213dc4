//! What happens to a datagram on a request socket: a transfer begins, a running one is reminded, or an ERROR goes back.
//! It refuses to know files (`Source`) and which packets a transfer sends (`transfer`).
//! Every request is answered at once; noise is counted, logged once per source and minute, and not answered.

use crate::content::Blocks;
use crate::credit::LOOK;
use crate::endpoint::Endpoint;
use crate::listener::{Arrival, Listener};
use crate::name::{self, NameError};
use crate::options::grant;
use crate::packet::{self, DecodeError, ErrorCode, Mode, Packet};
use crate::ports::PortId;
use crate::serving::{Core, Io};
use crate::sessions::{Full, Key, Manner, Slot};
use crate::source::{Refusal, Request};
use crate::stats::Stats;
use crate::transfer::{Outcome, Repeated, Transfer};
use mio::{Interest, Token};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

impl Core {
    pub(crate) fn on_datagram(&mut self, listener: &Listener, arrival: &Arrival, inbox: &[u8]) {
        let now = Instant::now();
        if arrival.dropped > 0 {
            self.stats.dropped.add(u64::from(arrival.dropped));
            if self.quiet.may_log(listener.local.ip(), now) {
                log::warn!("listen={} had no room for {} requests", listener.local, arrival.dropped);
            }
        }
        let truncated = Err(packet::DecodeError::Truncated { len: arrival.len });
        let bytes = &inbox[..arrival.len];
        let packet = if arrival.truncated { truncated } else { packet::decode(bytes) };
        if self.config.single_port && of_a_transfer(&packet) {
            return self.on_answer(arrival, packet, now);
        }
        // Before anything else is done for it: whoever sends in vain, however much, costs no more than reading it.
        if !self.credits.look(self.debtor(arrival.peer.ip()), now) {
            return self.pass_over(arrival.peer.ip(), now);
        }
        match packet {
            Ok(Packet::ReadRequest { path, mode, options }) => {
                self.stats.requests.add(1);
                let manner = Manner { mode, options };
                if let Err((code, text)) = self.on_request(listener, arrival, path, manner, now) {
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

    /// What clients send to the transfer that their port has, where the port of the requests is that of transfers, too.
    fn on_answer(&mut self, arrival: &Arrival, packet: Result<Packet<'_>, DecodeError>, now: Instant) {
        let Some(slot) = self.sessions.of_peer(arrival.peer, arrival.local.ip()) else {
            // Most are copies of a last ACK; an ERROR 5 for each would reach clients that have gone on.
            return self.stats.strays.add(1);
        };
        match self.hear(slot, packet, now) {
            Ok(_) => self.enqueue(slot),
            Err(outcome) => self.finish(slot, outcome),
        }
    }

    pub(crate) fn answer(&mut self, listener: &Listener, arrival: &Arrival, code: ErrorCode, text: &str) {
        packet::encode_error(&mut self.control, code, text);
        let bytes = u32::try_from(self.control.len()).unwrap_or(u32::MAX);
        // Seldom refused: what was looked at may be answered, and an ERROR is shorter than a block.
        if self.credits.lend(self.debtor(arrival.peer.ip()), bytes, Instant::now()) {
            listener.reply(arrival, &self.control);
        } else {
            self.stats.throttled.add(1);
        }
    }

    /// Counts a datagram that is not looked at, because its address, or all strangers together, have been sent too much in vain.
    fn pass_over(&mut self, source: IpAddr, now: Instant) {
        self.stats.throttled.add(1);
        if self.quiet.may_log(source, now) {
            log::warn!(
                "peer={source} is not answered for the moment: too many requests without an acknowledgement came from there, or from \
                 unknown addresses in all (more from there in the next minute is not logged)"
            );
        }
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
        listener: &Listener,
        arrival: &Arrival,
        path: &str,
        manner: Manner,
        now: Instant,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let (peer, local) = (arrival.peer, arrival.local.ip());
        let key = Key { peer, local, path: path.to_owned() };
        if let Some(slot) = self.sessions.find(&key) {
            // Its last ACK may have arrived before this request, on the other socket.
            match self.take_in(slot, now) {
                Err(outcome) => self.finish(slot, outcome),
                Ok(_) if !self.replaces(slot, manner, now) => {
                    self.enqueue(slot);
                    return Ok(());
                }
                Ok(_) => self.finish(slot, Outcome::Superseded),
            }
        }
        // A client that uses one port for its next file has done with the one before.
        if self.config.single_port
            && let Some(slot) = self.sessions.of_peer(peer, local)
        {
            self.finish(slot, Outcome::Superseded);
        }
        let proven = self.credits.proven(self.debtor(peer.ip()));
        if let Err(full) = self.sessions.room_for(peer.ip(), proven) {
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
                if let Refusal::Failed(cause) = &refusal
                    && self.quiet.may_log(peer.ip(), now)
                {
                    log::error!("peer={peer} file={name} cannot be opened: {cause}");
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
        if let Ok(Some(lent)) = self.sessions.room_for(peer.ip(), proven) {
            self.finish(lent, Outcome::Displaced);
        }
        let (endpoint, port) = match self.open_endpoint(listener, arrival, now) {
            Ok(endpoint) => endpoint,
            Err(cause) => {
                self.stats.limited.add(1);
                if self.quiet.may_log(peer.ip(), now) {
                    log::error!("peer={peer} no socket for a transfer: {cause}");
                }
                return Err(Refusal::Busy.answer());
            }
        };
        let io = Io { endpoint, port, blocks, name, size, queued: false, blocked: false };
        let slot = self.sessions.insert(key, manner, transfer, io, proven, now);
        if let Some(session) = self.sessions.get_mut(slot) {
            session.owed = LOOK;
        }
        if let Some(port) = port {
            self.ports.assign(port, slot);
        }
        self.stats.active.set(self.sessions.len() as u64);
        // The first answer is one packet, and nothing can have arrived yet for it to wait for.
        match self.send(slot, now) {
            Ok(true) => self.enqueue(slot),
            Ok(false) => {}
            Err(outcome) => self.finish(slot, outcome),
        }
        Ok(())
    }

    /// The way to the client, and the place of its socket if it is the transfer's own.
    fn open_endpoint(
        &mut self,
        listener: &Listener,
        arrival: &Arrival,
        now: Instant,
    ) -> io::Result<(Endpoint, Option<PortId>)> {
        let local = arrival.local;
        if self.config.single_port {
            return Ok((Endpoint::shared(listener.outlet.clone(), local), None));
        }
        if let Some((port, endpoint)) = self.ports.take(local, arrival.peer, now) {
            endpoint.connect(arrival.peer).inspect_err(|_| self.ports.leave(port))?;
            return Ok((endpoint, Some(port)));
        }
        let mut endpoint = match Endpoint::open(local) {
            Err(_) if self.ports.close_resting() => Endpoint::open(local)?,
            other => other?,
        };
        endpoint.connect(arrival.peer)?;
        let port = self.ports.enter();
        if let Some(socket) = endpoint.socket() {
            let token = Token(self.first_transfer + port);
            let registered = self.registry.register(socket, token, Interest::READABLE);
            registered.inspect_err(|_| self.ports.leave(port))?;
        }
        Ok((endpoint, Some(port)))
    }

    /// Whether a request with the key of a running transfer puts another in its place.
    pub(crate) fn replaces(&mut self, slot: Slot, manner: Manner, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        if session.manner != manner {
            return true;
        }
        self.stats.duplicates.add(1);
        match session.transfer.on_repeated_request(now) {
            // What is due is sent in its turn.
            Repeated::Ignored | Repeated::Answered => false,
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

/// Whether a packet can only be meant for a transfer.
fn of_a_transfer(packet: &Result<Packet<'_>, DecodeError>) -> bool {
    matches!(
        packet,
        Ok(Packet::Ack { .. } | Packet::Error { .. } | Packet::Data { .. } | Packet::OptionAck { .. })
    )
}
