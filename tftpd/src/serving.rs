//! The running transfers and their turns: take in what arrived, send what is due, repeat, finish.
//! It refuses to decide: what an ACK means stands in `transfer`, whose deadline is next in `sessions`.
//! It reads the clock and moves packets; one buffer serves all transfers, and no turn is unbounded.

use crate::batch::{MAX_BYTES, MAX_PACKETS, Sender};
use crate::config::Config;
use crate::content::Blocks;
use crate::endpoint::{Endpoint, Sent};
use crate::packet::{self, DATA_HEADER, ErrorCode, Packet, data_header};
use crate::quiet::Quiet;
use crate::sessions::{Sessions, Slot};
use crate::source::{Source, TransferRecord};
use crate::stats::Stats;
use crate::transfer::{Acked, Outcome, Output};
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Packets taken in before the next transfer has its turn; sent is one run. No client can keep the thread to itself.
const RECEIVES_PER_TURN: usize = 16;
/// A request has at most 512 bytes (RFC 2347); longer packets are known as such and refused.
const INBOX: usize = 1500;
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
            quiet: Quiet::default(),
            first_transfer,
            inbox: vec![0; INBOX],
            outbox: vec![0; OUTBOX],
            sender: Sender::new(config.batching),
            control: Vec::new(),
            config,
        }
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
    pub(crate) fn serve_next(&mut self) {
        let Some(slot) = self.ready.pop_front() else { return };
        if let Some(session) = self.sessions.get_mut(slot) {
            session.payload.queued = false;
            self.serve(slot);
        }
    }

    /// Takes in what has arrived for a transfer, then sends what is due.
    pub(crate) fn serve(&mut self, slot: Slot) {
        let now = Instant::now();
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

    pub(crate) fn on_deadline(&mut self, slot: Slot) {
        let now = Instant::now();
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
            let packet = packet::decode(&self.inbox[..len]);
            if from != peer {
                self.stats.strays.add(1);
                // Whoever answers an ERROR with an ERROR may talk to himself for ever.
                if !matches!(packet, Ok(Packet::Error { .. })) {
                    packet::encode_error(
                        &mut self.control,
                        ErrorCode::UnknownTransferId,
                        "unknown transfer ID",
                    );
                    let _ = io.endpoint.send(&self.control, from);
                }
                continue;
            }
            match packet {
                Ok(Packet::Ack { block }) => match session.transfer.on_ack(block, now) {
                    Acked::Complete => return Err(Outcome::Complete),
                    Acked::Moved => io.blocks.release(session.transfer.acked()),
                    Acked::Ignored => {}
                },
                Ok(Packet::Error { code, message }) => {
                    let outcome = session.transfer.on_error(code);
                    log::debug!("peer={peer} file={} client says error {code}: {message}", io.name);
                    return Err(outcome);
                }
                Ok(_) => self.on_malformed(from.ip(), "the packet has no place in a read", now),
                Err(error) => self.on_malformed(from.ip(), error, now),
            }
        }
        Ok(true)
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
        let sent = match output {
            Output::OptionAck => {
                packet::encode_option_ack(&mut self.control, transfer.granted());
                let sent = io.endpoint.send(&self.control, peer);
                if sent != Sent::Blocked {
                    transfer.sent(output, 0, now);
                }
                sent
            }
            Output::Blocks { first, count } => {
                let out = &mut self.outbox[..usize::from(count) * stride];
                let (count, len) = io.blocks.read_run(first, DATA_HEADER, out).map_err(|cause| {
                    log::error!("file={} cannot be read: {cause}", io.name);
                    Outcome::ReadFailed
                })?;
                let packets = &mut out[..usize::from(count) * DATA_HEADER + len];
                for (block, packet) in (first..).zip(packets.chunks_mut(stride)) {
                    packet[..DATA_HEADER].copy_from_slice(&data_header((block & 0xffff) as u16));
                }
                let (gone, sent) = self.sender.send(&mut io.endpoint, packets, stride, peer);
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
                let token = Token(self.first_transfer + slot);
                let interest = Interest::READABLE | Interest::WRITABLE;
                if let Err(e) = self.registry.reregister(&mut io.endpoint.socket, token, interest) {
                    // Its timer will try again.
                    log::debug!("peer={peer} cannot wait for room to send: {e}");
                    io.blocked = false;
                }
                return Ok(false);
            }
        }
        Ok(transfer.output(1).is_some())
    }

    /// There is room in the send buffer again.
    pub(crate) fn unblock(&mut self, slot: Slot) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if !std::mem::take(&mut session.payload.blocked) {
            return;
        }
        // Without this each packet that leaves the buffer would wake the thread.
        let token = Token(self.first_transfer + slot);
        let socket = &mut session.payload.endpoint.socket;
        if let Err(e) = self.registry.reregister(socket, token, Interest::READABLE) {
            log::debug!("peer={} cannot stop waiting for room to send: {e}", session.key.peer);
        }
    }

    /// Takes a transfer out of the table and tells everyone.
    pub(crate) fn finish(&mut self, slot: Slot, outcome: Outcome) {
        let Some(session) = self.sessions.remove(slot) else { return };
        // Closing the socket takes it out of the poll as well.
        let (peer, io, transfer) = (session.key.peer, session.payload, session.transfer);
        let farewell = match outcome {
            Outcome::ReadFailed => Some("server could not read the file"),
            Outcome::Stopped => Some("server is stopping"),
            Outcome::Complete
            | Outcome::Probed
            | Outcome::ClientError(_)
            | Outcome::TimedOut
            | Outcome::PeerUnreachable
            | Outcome::Superseded => None,
        };
        if let Some(text) = farewell {
            packet::encode_error(&mut self.control, ErrorCode::NotDefined, text);
            let _ = io.endpoint.send(&self.control, peer);
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
            _ => self.stats.transfers_failed.add(1),
        }
        self.stats.bytes.add(record.bytes);
        self.stats.retransmissions.add(record.retransmissions);
        self.stats.active.set(self.sessions.len() as u64);
        self.source.finished(&record);
    }
}
