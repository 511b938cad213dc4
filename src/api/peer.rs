//! Calls between the servers of a pool, and what a server says of all of them.
//!
//! Nothing that a letter says is believed before the store has been looked at: an order must be the one that the request waits
//! for, a result the one that lies with the claim. So letters may come late, twice, or from long ago.

use super::Ctx;
use super::reply::{ApiError, Reply, Result};
use super::types::peers::{Answer, Fate, Letter};
use super::types::{ServerBody, Servers};
use crate::layers::messages::{LifeguardCommand, MozpoolNotice, PeerMessage};
use crate::layers::peers::PROTOCOL;
use crate::logic::mozpool::State;
use crate::store::{Store, StoreError};
use crossbeam_channel::Sender;

/// Messages in a letter at most; ours have fewer.
const MESSAGES_MAX: usize = 256;

pub(super) fn servers(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let own = &ctx.settings.server_name;
    let peers = ctx.commands.peers.as_ref();
    let servers = ctx.store.pool()?.into_iter().map(|seen| {
        let fault = peers.and_then(|p| p.fault(&seen.name));
        let is_us = seen.name == *own;
        ServerBody::new(seen, is_us, fault)
    });
    Ok(Reply::json(&Servers { servers: servers.collect() }))
}

pub(super) fn letter(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let body = ctx.body()?;
    let text = body.text("letter", "what another imaging server writes")?;
    let seal = body.text("seal", "the seal of the letter")?;
    let Some(peers) = &ctx.commands.peers else {
        let why = "this server is alone: peers.secret_file is not set here".to_owned();
        return Err(ApiError::Conflict { why });
    };
    if !peers.has_sealed(text, seal, &ctx.call.peer) {
        return Err(ApiError::WrongSeal);
    }
    let Letter { from, to, protocol, schema, messages } =
        Letter::read(text).map_err(|why| ApiError::BadJson { why })?;
    let conflict = |why: String| Err(ApiError::Conflict { why });
    if to != peers.own() {
        return conflict(format!("this is server {}, and the letter is for {to}", peers.own()));
    }
    if (protocol, schema) != (PROTOCOL, peers.schema()) {
        return conflict(format!(
            "server {from} has protocol version {protocol} and schema version {schema}, this server {PROTOCOL} and {}",
            peers.schema()
        ));
    }
    if messages.len() > MESSAGES_MAX {
        return Err(ApiError::BadValue { why: format!("a letter has {MESSAGES_MAX} messages at most") });
    }
    let mut fates = Vec::with_capacity(messages.len());
    for message in messages {
        let fate = match message.read(&from) {
            Some(message) => {
                let notice = |notice| peers.notice(notice);
                hear(ctx.store, &ctx.commands.lifeguard, &notice, message)?
            }
            None => Fate::Late,
        };
        if fate != Fate::Again {
            peers.heard(fate == Fate::Late);
        }
        fates.push(fate);
    }
    Ok(Reply::json(&Answer { fates }))
}

/// What becomes of a message: `notice` tells our requests, and whether there was room.
///
/// # Errors
/// The store's.
pub(crate) fn hear(
    store: &mut dyn Store,
    lifeguard: &Sender<LifeguardCommand>,
    notice: &dyn Fn(MozpoolNotice) -> bool,
    message: PeerMessage,
) -> std::result::Result<Fate, StoreError> {
    let tell_devices = |command| match lifeguard.try_send(command) {
        Ok(()) => Ok(Fate::Taken),
        Err(_) => Ok(Fate::Again),
    };
    let tell_requests = |told| Ok(if notice(told) { Fate::Taken } else { Fate::Again });
    match message {
        PeerMessage::Hello => Ok(Fate::Taken),
        PeerMessage::Prepare { device, claim, epoch, prepare } => {
            let Some(request) = store.request(claim.request)? else { return Ok(Fate::Late) };
            let machine = request.machine;
            if machine.epoch < epoch {
                // What it has committed has not reached this end of the database yet.
                return Ok(Fate::Again);
            }
            let waits = machine.epoch == epoch
                && machine.state == State::ContactingLifeguard
                && machine.assigned.as_ref() == Some(&device)
                && request.server == *claim.server;
            if !waits {
                return Ok(Fate::Late);
            }
            let install = machine.wanted.install;
            tell_devices(LifeguardCommand::Prepare { device, claim, epoch, install, prepare })
        }
        PeerMessage::Released { device, request } => match store.named(&device)? {
            None => Ok(Fate::Late),
            Some(named) if named.claimed_by == Some(request) => Ok(Fate::Again),
            Some(_) => tell_devices(LifeguardCommand::Released { device, request }),
        },
        PeerMessage::Contacted { request, epoch } => {
            tell_requests(MozpoolNotice::Contacted { request, epoch })
        }
        PeerMessage::Refused { request, epoch, why } => {
            tell_requests(MozpoolNotice::Refused { request, epoch, why })
        }
        PeerMessage::Finished { request, device, result } => {
            if store.imaging_result(request)? != Some(result) {
                return Ok(Fate::Late);
            }
            tell_requests(MozpoolNotice::Finished { request, device, result })
        }
    }
}
