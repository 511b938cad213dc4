//! The running transfers and their turns: take in what arrived, send what is due, repeat, finish.
//! It refuses to decide: what an ACK means stands in `transfer`, whose deadline is next in `sessions`.
//! It reads the clock and moves packets; one buffer serves all transfers, and no turn is unbounded.

use crate::batch::{MAX_BYTES, MAX_PACKETS, Sender};
use crate::config::Config;
use crate::content::Blocks;
use crate::credit::{Credits, Debtor};
use crate::endpoint::{Endpoint, Sent};
use crate::packet::{self, DATA_HEADER, DecodeError, ErrorCode, Packet, data_header};
use crate::ports::{PortId, Ports};
use crate::quiet::Quiet;
use crate::sessions::{Sessions, Slot};
use crate::source::{Source, TransferRecord};
use crate::stats::Stats;
use crate::transfer::{Acked, Outcome, Output};
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Packets taken in before the next transfer has its turn; sent is one run. No client can keep the thread to itself.
const RECEIVES_PER_TURN: usize = 16;
/// A request has at most 512 bytes (RFC 2347); longer packets are known as such and refused.
pub(crate) const INBOX: usize = 1500;
/// The largest packet that can be sent: RFC 2348's largest block and its header. It is longer than a run of several.
const OUTBOX: usize = DATA_HEADER + 65464;

/// Everything but the request sockets.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) source: Box<dyn Source>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) sessions: Sessions<Io>,
    /// Transfers that have something to take in or to send.
    pub(crate) ready: VecDeque<Slot>,
    /// Those that wait for room in the send buffer of the requests' port.
    pub(crate) held: Vec<Slot>,
    pub(crate) ports: Ports,
    pub(crate) credits: Credits,
    pub(crate) quiet: Quiet,
    pub(crate) first_transfer: usize,
    pub(crate) inbox: Vec<u8>,
    /// The DATA packets on their way.
    pub(crate) outbox: Vec<u8>,
    pub(crate) sender: Sender,
    /// The small packet on its way: OACK or ERROR.
    pub(crate) control: Vec<u8>,
}

/// What a transfer needs of the system.
pub(crate) struct Io {
    pub(crate) endpoint: Endpoint,
    /// The place of its socket, if it has one of its own.
    pub(crate) port: Option<PortId>,
    pub(crate) blocks: Blocks,
    pub(crate) name: String,
    /// Bytes of the file, where known.
    pub(crate) size: Option<u64>,
    /// It stands in `ready`.
    pub(crate) queued: bool,
    /// Its send buffer was full, and it waits for room.
    pub(crate) blocked: bool,
}

impl Core {
    /// `first_transfer` is the first poll token that is free for transfers.
    pub(crate) fn new(
        config: Config,
        source: Box<dyn Source>,
        registry: Registry,
        first_transfer: usize,
    ) -> Self {
        Self {
            source,
            registry,
            stats: Arc::default(),
            sessions: Sessions::new(config.max_transfers, config.max_transfers_per_address),
            ready: VecDeque::new(),
            held: Vec::new(),
            ports: Ports::default(),
            credits: Credits::new(config.max_transfers, config.max_transfers_per_address, Instant::now()),
            quiet: Quiet::default(),
            first_transfer,
            inbox: vec![0; INBOX],
            outbox: vec![0; OUTBOX],
            sender: Sender::new(config.batching),
            control: Vec::new(),
            config,
        }
    }

    /// Whose account bears what is sent to this address.
    pub(crate) fn debtor(&self, address: IpAddr) -> Debtor {
        Debtor::new(address, self.source.trusts(address))
    }

    pub(crate) fn enqueue(&mut self, slot: Slot) {
        if let Some(session) = self.sessions.get_mut(slot)
            && !session.payload.queued
        {
            session.payload.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Gives the transfer that has waited longest its turn.
    pub(crate) fn serve_next(&mut self, now: Instant) {
        let Some(slot) = self.ready.pop_front() else { return };
        if let Some(session) = self.sessions.get_mut(slot) {
            session.payload.queued = false;
            self.serve(slot, now);
        }
    }

    /// Takes in what has arrived for a transfer, then sends what is due.
    pub(crate) fn serve(&mut self, slot: Slot, now: Instant) {
        let more = match self.take_in(slot, now) {
            Ok(more) => more,
            Err(outcome) => return self.finish(slot, outcome),
        };
        let more = match self.send(slot, now) {
            Ok(unsent) => more || unsent,
            Err(outcome) => return self.finish(slot, outcome),
        };
        self.sessions.reschedule(slot);
        if more {
            self.enqueue(slot);
        }
    }

    pub(crate) fn on_deadline(&mut self, slot: Slot, now: Instant) {
        // An ACK that lies in the socket beats the timer that has run out meanwhile.
        let mut over = self.take_in(slot, now).err();
        let Some(session) = self.sessions.get_mut(slot) else { return };
        over = over.or_else(|| session.transfer.on_deadline(now));
        over = over.or_else(|| match self.send(slot, now) {
            Ok(unsent) => {
                if unsent {
                    self.enqueue(slot);
                }
                None
            }
            Err(outcome) => Some(outcome),
        });
        match over {
            Some(outcome) => self.finish(slot, outcome),
            None => {
                // What `take_in` left unread would get no new event.
                self.enqueue(slot);
                self.sessions.requeue(slot);
            }
        }
    }

    /// Reads a turn of packets. `Ok(true)`: there may be more. `Err`: the transfer is over.
    pub(crate) fn take_in(&mut self, slot: Slot, now: Instant) -> Result<bool, Outcome> {
        for _ in 0..RECEIVES_PER_TURN {
            let Some(session) = self.sessions.get_mut(slot) else { return Ok(false) };
            let (peer, io) = (session.key.peer, &mut session.payload);
            let (len, from) = match io.endpoint.receive(&mut self.inbox) {
                Ok(packet) => packet,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(_) if io.endpoint.peer_is_gone(peer) => return Err(Outcome::PeerUnreachable),
                Err(_) => continue,
            };
            if from != peer {
                self.stats.strays.add(1);
                // It came before the socket was connected: mostly a copy of the last ACK of the transfer before.
                continue;
            }
            let inbox = std::mem::take(&mut self.inbox);
            let heard = self.hear(slot, packet::decode(&inbox[..len]), now);
            self.inbox = inbox;
            // In lockstep there is nothing more to come before the next block is out, whose answer is an event of its
            // own: a call saved. What lies here nevertheless is read then.
            if heard? && self.sessions.get_mut(slot).is_some_and(|session| session.transfer.lockstep()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives a transfer a packet of its client. `Ok(true)`: it has got on. `Err`: it is over.
    pub(crate) fn hear(
        &mut self,
        slot: Slot,
        packet: Result<Packet<'_>, DecodeError>,
        now: Instant,
    ) -> Result<bool, Outcome> {
        let Some(session) = self.sessions.get_mut(slot) else { return Ok(false) };
        let (peer, io) = (session.key.peer, &mut session.payload);
        match packet {
            Ok(Packet::Ack { block }) => {
                let was_heard = session.transfer.heard();
                let acked = session.transfer.on_ack(block, now);
                io.blocks.release(session.transfer.acked());
                let is_first = !was_heard && session.transfer.heard();
                if is_first {
                    self.believe(slot, now);
                }
                match acked {
                    Acked::Complete => return Err(Outcome::Complete),
                    Acked::Moved => {}
                    Acked::Gap => self.stats.gaps.add(1),
                    Acked::Ignored => self.stats.ignored_acks.add(1),
                }
                return Ok(acked != Acked::Ignored);
            }
            Ok(Packet::Error { code, message }) => {
                let outcome = session.transfer.on_error(code);
                log::debug!("peer={peer} file={} client says error {code}: {message}", io.name);
                if !session.transfer.heard() {
                    self.believe(slot, now);
                }
                return Err(outcome);
            }
            Ok(_) => self.on_malformed(peer.ip(), "the packet has no place in a read", now),
            Err(error) => self.on_malformed(peer.ip(), error, now),
        }
        Ok(false)
    }

    /// The client of this transfer has answered for the first time.
    fn believe(&mut self, slot: Slot, now: Instant) {
        self.sessions.heard(slot);
        let Some(session) = self.sessions.get_mut(slot) else { return };
        // At the port of the requests an ACK may be as forged as the request was; a port of the transfer's own is known to nobody
        // but who receives what comes from there.
        if session.payload.port.is_some() {
            let (address, owed) = (session.key.peer.ip(), std::mem::take(&mut session.owed));
            self.credits.heard(self.debtor(address), owed, now);
        }
    }

    /// Sends a turn of packets: one run, so that no window makes others wait for long. `Ok(true)`: more are due.
    /// `Err`: the transfer is over.
    pub(crate) fn send(&mut self, slot: Slot, now: Instant) -> Result<bool, Outcome> {
        let Some(session) = self.sessions.get_mut(slot) else { return Ok(false) };
        let (peer, transfer, io) = (session.key.peer, &mut session.transfer, &mut session.payload);
        if io.blocked {
            return Ok(false); // An event will say when there is room.
        }
        let stride = DATA_HEADER + transfer.blksize();
        let most = u16::try_from((MAX_BYTES / stride).clamp(1, MAX_PACKETS)).expect("as many as a run has");
        let Some(output) = transfer.output(most) else { return Ok(false) };
        // What goes to somebody who was never heard is lent. What cannot be is as good as lost on the way: the client asks again.
        let (heard, owed) = (transfer.heard(), &mut session.owed);
        let (credits, stats, source) = (&mut self.credits, &self.stats, &self.source);
        let mut lent = |len: usize| {
            let bytes = u32::try_from(len).unwrap_or(u32::MAX);
            let debtor = || Debtor::new(peer.ip(), source.trusts(peer.ip()));
            let lent = heard || credits.lend(debtor(), bytes, now);
            *owed += if heard || !lent { 0 } else { bytes };
            stats.throttled.add(u64::from(!lent));
            lent
        };
        let sent = match output {
            Output::OptionAck => {
                packet::encode_option_ack(&mut self.control, transfer.granted());
                let sent = match lent(self.control.len()) {
                    true => io.endpoint.send(&self.control, peer),
                    false => Sent::Done,
                };
                if sent != Sent::Blocked {
                    transfer.sent(output, 0, now);
                }
                sent
            }
            Output::Blocks { first, count } => {
                let out = &mut self.outbox[..usize::from(count) * stride];
                let (count, len) = data_packets(&mut io.blocks, first, stride, out).map_err(|cause| {
                    log::error!("file={} cannot be read: {cause}", io.name);
                    Outcome::ReadFailed
                })?;
                let packets = &out[..usize::from(count) * DATA_HEADER + len];
                let (gone, sent) = match lent(packets.len()) {
                    true => self.sender.send(&mut io.endpoint, packets, stride, peer),
                    false => (packets.len().div_ceil(stride), Sent::Done),
                };
                let gone = if sent == Sent::Blocked { u16::try_from(gone).unwrap_or(count) } else { count };
                if gone > 0 {
                    let len = len.min(usize::from(gone) * transfer.blksize());
                    transfer.sent(Output::Blocks { first, count: gone }, len, now);
                }
                sent
            }
        };
        match sent {
            Sent::Done => {}
            Sent::Lost if io.endpoint.peer_is_gone(peer) => return Err(Outcome::PeerUnreachable),
            Sent::Lost => {}
            Sent::Blocked => {
                io.blocked = true;
                self.wait_for_room(slot);
                return Ok(false);
            }
        }
        Ok(transfer.output(1).is_some())
    }

    /// The send buffer is full: the next event will be that it is not.
    fn wait_for_room(&mut self, slot: Slot) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        match (session.payload.endpoint.socket(), session.payload.port) {
            (Some(socket), Some(port)) => {
                let token = Token(self.first_transfer + port);
                if let Err(e) = self.registry.reregister(socket, token, interest) {
                    // Its timer will try again.
                    log::debug!("peer={} cannot wait for room to send: {e}", session.key.peer);
                    session.payload.blocked = false;
                }
            }
            _ => self.held.push(slot),
        }
    }

    /// There is room in the send buffer again.
    pub(crate) fn unblock(&mut self, slot: Slot) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if !std::mem::take(&mut session.payload.blocked) {
            return;
        }
        // Without this each packet that leaves the buffer would wake the thread.
        if let Some(socket) = session.payload.endpoint.socket()
            && let Some(port) = session.payload.port
            && let Err(e) =
                self.registry.reregister(socket, Token(self.first_transfer + port), Interest::READABLE)
        {
            log::debug!("peer={} cannot stop waiting for room to send: {e}", session.key.peer);
        }
    }

    /// There is room in the send buffer that transfers share, when they do.
    pub(crate) fn unblock_held(&mut self) {
        for slot in std::mem::take(&mut self.held) {
            self.unblock(slot);
            self.enqueue(slot);
        }
    }

    /// Takes a transfer out of the table and tells everyone.
    pub(crate) fn finish(&mut self, slot: Slot, outcome: Outcome) {
        let Some(session) = self.sessions.remove(slot) else { return };
        let (peer, io, transfer) = (session.key.peer, session.payload, session.transfer);
        let farewell = match outcome {
            Outcome::ReadFailed => Some("server could not read the file"),
            Outcome::Stopped => Some("server is stopping"),
            Outcome::Complete
            | Outcome::Probed
            | Outcome::ClientError(_)
            | Outcome::TimedOut
            | Outcome::PeerUnreachable
            | Outcome::Displaced
            | Outcome::Superseded => None,
        };
        if let Some(text) = farewell {
            packet::encode_error(&mut self.control, ErrorCode::NotDefined, text);
            let _ = io.endpoint.send(&self.control, peer);
        }
        if let Some(port) = io.port {
            // With nothing sent twice nothing of it is on its way any more, and no report about it.
            let clean = matches!(outcome, Outcome::Complete | Outcome::Probed);
            if clean && transfer.retransmissions() == 0 && !io.blocked {
                let room = self.config.max_transfers.saturating_sub(self.sessions.len());
                self.ports.rest(port, io.endpoint, peer, room, Instant::now());
            } else {
                // Closing the socket takes it out of the poll as well.
                self.ports.leave(port);
            }
        }
        let record = TransferRecord {
            name: io.name,
            peer,
            local: session.key.local,
            bytes: transfer.bytes(),
            size: io.size,
            round_trip: transfer.round_trip(),
            duration: session.started.elapsed(),
            retransmissions: transfer.retransmissions(),
            options: *transfer.granted(),
            outcome,
        };
        match outcome {
            Outcome::Complete => self.stats.transfers_done.add(1),
            Outcome::Probed => self.stats.probes.add(1),
            Outcome::TimedOut | Outcome::PeerUnreachable => {
                self.stats.transfers_failed.add(1);
                self.stats.vanished.add(1);
                self.stats.unheard.add(u64::from(!transfer.heard()));
            }
            Outcome::Displaced => {
                self.stats.transfers_failed.add(1);
                self.stats.displaced.add(1);
                self.stats.unheard.add(1);
            }
            Outcome::ClientError(_) | Outcome::ReadFailed | Outcome::Superseded | Outcome::Stopped => {
                self.stats.transfers_failed.add(1);
            }
        }
        self.stats.bytes.add(record.bytes);
        self.stats.retransmissions.add(record.retransmissions);
        self.stats.active.set(self.sessions.len() as u64);
        self.source.finished(&record);
    }
}

/// Makes the DATA packets of the blocks from `first` on, `stride` bytes apart, as many as `out` holds or the file has. Gives how many
/// they are, and the bytes of the file in them.
pub(crate) fn data_packets(
    blocks: &mut Blocks,
    first: u64,
    stride: usize,
    out: &mut [u8],
) -> io::Result<(u16, usize)> {
    let (count, len) = blocks.read_run(first, DATA_HEADER, out)?;
    let packets = &mut out[..usize::from(count) * DATA_HEADER + len];
    for (block, packet) in (first..).zip(packets.chunks_mut(stride)) {
        packet[..DATA_HEADER].copy_from_slice(&data_header((block & 0xffff) as u16));
    }
    Ok((count, len))
}
