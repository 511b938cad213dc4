//! Calls about what there is to ask for: images, environments, and which program answers.

use super::Ctx;
use super::reply::{Reply, Result};
use super::types::{Environments, Images, Version};

#[expect(clippy::unnecessary_wraps, reason = "handlers have one signature")]
pub(super) fn version(_: &mut Ctx<'_>) -> Result<Reply> {
    Ok(Reply::json(&Version { version: env!("CARGO_PKG_VERSION") }))
}

pub(super) fn environments(ctx: &mut Ctx<'_>) -> Result<Reply> {
    Ok(Reply::json(&Environments { environments: ctx.store.environments()? }))
}

pub(super) fn images(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let images = ctx.store.images()?.into_iter().filter(|i| !i.hidden).map(Into::into).collect();
    Ok(Reply::json(&Images { images }))
}
