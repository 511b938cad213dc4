//! Calls about boards that have turned to us and are no devices: which there are, making a device of one, seeing no more of one.
//!
//! A device is made as `PUT device/…` makes it; what the body does not say comes from what is known. The candidate goes in the
//! same commit, in the store.

use super::Ctx;
use super::admin;
use super::reply::{ApiError, Reply, Result};
use super::types::{CandidateBody, Candidates, Nothing};
use crate::lab::{Exists, Kind, Lab, proposed_row};
use crate::layers::messages::Administration;
use crate::logic::discovery::proposed;
use crate::logic::ids::Mac;
use crate::store::CandidateRow;

pub(super) fn list(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let all = ctx.call.says("ignored");
    let rules = &ctx.settings.accept;
    let rows = ctx.store.candidates()?.into_iter().filter(|row| all || !row.ignored);
    let candidates = rows.map(|row| CandidateBody::new(proposed(rules, &row.seen_as()), row)).collect();
    Ok(Reply::json(&Candidates { candidates }))
}

/// The candidate that the path names.
fn named(ctx: &mut Ctx<'_>) -> Result<CandidateRow> {
    let name = ctx.param("mac").to_owned();
    let found = match name.parse::<Mac>() {
        Ok(mac) => ctx.store.candidate(mac)?,
        Err(_) => None,
    };
    found.ok_or(ApiError::NotFound { kind: "candidate", name })
}

pub(super) fn accept(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let row = named(ctx)?;
    let mut body = ctx.body()?.0;
    let proposal = proposed(&ctx.settings.accept, &row.seen_as());
    let name = match body.remove("name") {
        None | Some(serde_json::Value::Null) => proposal.name.clone(),
        Some(serde_json::Value::String(name)) => name,
        Some(other) => return Err(super::body::wrong("name", "a string", &other)),
    };
    // Type and model belong together: whoever says one of them means no other's model.
    let hardware = ["hardware_type", "hardware_model"];
    let says_hardware = hardware.iter().any(|key| body.contains_key(*key));
    for (field, value) in proposed_row(row.mac, &row.imaging_server, proposal) {
        if !(body.contains_key(&field) || says_hardware && hardware.contains(&field.as_str())) {
            body.insert(field, value);
        }
    }
    let key = [("name", name.as_str()), ("mac", &row.mac.to_string())];
    let mut lab = Lab::single(Kind::Device, &key, body, &ctx.settings.server_name).map_err(ApiError::Lab)?;
    lab.exists = Exists::No;
    // It is for its server to take up; one that does not run yet finds it when it starts.
    let wanted = lab.devices.first().and_then(|d| d.imaging_server.clone());
    if let Some(owner) = wanted.filter(|o| *o != ctx.settings.server_name) {
        let servers = ctx.store.servers()?;
        if servers.iter().any(|s| s.name == owner && !s.url.is_empty()) {
            return ctx.redirect(&owner, &servers);
        }
    }
    admin::make_device(ctx, lab, &name)
}

pub(super) fn ignore(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let mac = named(ctx)?.mac;
    let ignored = !ctx.call.says("undo");
    admin::administer(ctx, Administration::Ignore { mac, ignored }, false)?;
    Ok(Reply::json(&Nothing {}))
}
