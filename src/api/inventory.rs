//! The inventory: how it stands, and bringing the store to it.
//!
//! The *inventory* thread reads it and *lifeguard* commits; here is who asked and what they are told.

use super::admin::refused;
use super::reply::{ApiError, Reply, Result};
use super::types::{InventoryBody, InventorySynced};
use super::{Commands, Ctx};
use crate::layers::messages::InventoryAnswer;

/// The lease of whoever reads it by itself.
const LEASE: &str = "inventory";

pub(super) fn show(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let lease = ctx.store.lease(LEASE)?.filter(|lease| lease.ends > ctx.now);
    Ok(Reply::json(&InventoryBody::new(ctx.commands.inventory.as_ref(), lease)))
}

pub(super) fn sync(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let Some(way) = &ctx.commands.inventory else {
        let why =
            "this server has no inventory; set inventory.source in its configuration, and what it needs";
        return Err(ApiError::Conflict { why: why.into() });
    };
    let (dry_run, ship_it) = (ctx.call.says("dry_run"), ctx.call.says("ship_it"));
    match Commands::sync_inventory(way, dry_run, ship_it)? {
        InventoryAnswer::Done(report) => Ok(Reply::json(&InventorySynced::new(*report))),
        InventoryAnswer::Unreadable(error) => Err(ApiError::Inventory { why: error.to_string() }),
        InventoryAnswer::Refused(error) => Err(refused(error)),
        InventoryAnswer::Busy => Err(ApiError::Busy { layer: "lifeguard" }),
        InventoryAnswer::NoAnswer => Err(ApiError::NoAnswer { layer: "lifeguard" }),
    }
}
