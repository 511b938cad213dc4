//! Calls that work on hardware by hand: power, network boot, signs of life; and the PXE configs to choose from.
//!
//! They go through the same queues as the machines' own work. `locked_out` means hands off, for an operator's clicks too.

use super::Ctx;
use super::ask::{ANSWER_WAIT, BOARD_TEST_WAIT};
use super::device::not_done;
use super::reply::{ApiError, Reply, Result};
use super::types::{
    Nothing, Power, PowerCycleBody, Pxe, PxeConfigDetails, PxeConfigs, PxeDraft, PxeDraftBody, Success,
    boot_config_of_sample,
};
use crate::bmm::power::PowerAddress;
use crate::layers::messages::{BootAnswer, DeviceAnswer, DraftAnswer, ManualAnswer, ManualWork};
use crate::logic::lifeguard::{Boot, Event, Ignored, Install, State};
use crate::store::{DeviceView, RelayBoardRow};
use relayctl::PowerState;

pub(super) fn power_cycle(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let PowerCycleBody { pxe_config, boot_config } = PowerCycleBody::read(&ctx.body()?)?;
    let boot = match pxe_config {
        None => None,
        Some(name) => match ctx.store.pxe_config(&name)? {
            Some(row) => Some(Boot { pxe_config: row.name.into(), boot_config: boot_config.map(Into::into) }),
            None => return Err(ApiError::NotFound { kind: "PXE config", name }),
        },
    };
    let relay = relay(device)?;
    hands_off(device)?;
    // First what it will boot, then the power: the other way round it could be too fast for us.
    offer(ctx, device, boot, true)?;
    ctx.commands.start_manual(ManualWork::PowerCycle(relay))?;
    Ok(Reply::json(&Nothing {}))
}

pub(super) fn power_off(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    switch(ctx, device, ManualWork::PowerOff)
}

pub(super) fn power_on(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    switch(ctx, device, ManualWork::PowerOn)
}

fn switch(ctx: &mut Ctx<'_>, device: &DeviceView, work: fn(PowerAddress) -> ManualWork) -> Result<Reply> {
    let relay = relay(device)?;
    hands_off(device)?;
    ctx.commands.start_manual(work(relay))?;
    Ok(Reply::json(&Nothing {}))
}

pub(super) fn power(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let relay = relay(device)?;
    let power = match ctx.commands.manual(ManualWork::ReadPower(relay), ANSWER_WAIT) {
        Ok(ManualAnswer::Power(PowerState::On)) => "on",
        Ok(ManualAnswer::Power(PowerState::Off)) => "off",
        Ok(ManualAnswer::Ok | ManualAnswer::Failed(_)) | Err(ApiError::NoAnswer { .. }) => "unknown",
        Err(other) => return Err(other),
    };
    Ok(Reply::json(&Power { power }))
}

pub(super) fn clear_pxe(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    hands_off(device)?;
    offer(ctx, device, None, false)?;
    Ok(Reply::json(&Nothing {}))
}

pub(super) fn pxe(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    match ctx.commands.explain_boot(&device.name)? {
        BootAnswer::Boot(boot) => Ok(Reply::json(&Pxe::of(&device.name, *boot))),
        BootAnswer::UnknownDevice => Err(not_done(DeviceAnswer::UnknownDevice, device)),
        BootAnswer::Unavailable { why } => Err(not_done(DeviceAnswer::Unavailable { why }, device)),
    }
}

pub(super) fn pxe_draft(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let PxeDraftBody { contents, image } = PxeDraftBody::read(&ctx.body()?)?;
    let install = match image {
        None => None,
        Some(name) => match ctx.store.image(&name)? {
            Some(row) => {
                let boot_config = boot_config_of_sample(&row);
                Some(Install { image: row.name.into(), boot_config: boot_config.into() })
            }
            None => return Err(ApiError::NotFound { kind: "image", name }),
        },
    };
    let image = install.as_ref().map(|i| i.image.to_string());
    let rendered = match ctx.commands.draft(&device.name, contents, install)? {
        DraftAnswer::Text(text) => Ok(text),
        DraftAnswer::Wrong { line, why } => Err((line, why)),
        DraftAnswer::UnknownDevice => return Err(not_done(DeviceAnswer::UnknownDevice, device)),
        DraftAnswer::Unavailable { why } => return Err(not_done(DeviceAnswer::Unavailable { why }, device)),
    };
    Ok(Reply::json(&PxeDraft::new(&device.name, image, rendered)))
}

pub(super) fn ping(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let answer = ctx.commands.manual(ManualWork::Ping(device.info.fqdn.clone()), ANSWER_WAIT)?;
    Ok(Reply::json(&Success { success: answer == ManualAnswer::Ok }))
}

pub(super) fn test_board(ctx: &mut Ctx<'_>, board: &RelayBoardRow) -> Result<Reply> {
    let success = match ctx.commands.manual(ManualWork::TestBoard(board.fqdn.clone()), BOARD_TEST_WAIT) {
        Ok(answer) => answer == ManualAnswer::Ok,
        // A board whose queue does not move does not work.
        Err(ApiError::NoAnswer { .. }) => false,
        Err(other) => return Err(other),
    };
    Ok(Reply::json(&Success { success }))
}

pub(super) fn pxe_configs(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let active_only = ctx.call.has("active_only");
    let rows = ctx.store.pxe_configs()?;
    let mut names: Vec<String> =
        rows.into_iter().filter(|r| r.active || !active_only).map(|r| r.name).collect();
    names.sort();
    Ok(Reply::json(&PxeConfigs { pxe_configs: names }))
}

pub(super) fn pxe_config(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    match ctx.store.pxe_config(&name)? {
        Some(row) => Ok(Reply::json(&PxeConfigDetails { details: row.into() })),
        None => Err(ApiError::NotFound { kind: "PXE config", name }),
    }
}

/// What the device's power hangs on.
fn relay(device: &DeviceView) -> Result<PowerAddress> {
    let (name, info) = (&device.name, &device.info.relay_info);
    if info.is_empty() {
        let why =
            format!("the power of {name} cannot be switched: no relay is known for it; set its relay_info");
        return Err(ApiError::Conflict { why });
    }
    info.parse::<PowerAddress>().map_err(|error| ApiError::Conflict {
        why: format!("the power of {name} cannot be switched: its relay_info is wrong: {error}"),
    })
}

fn hands_off(device: &DeviceView) -> Result<()> {
    if device.state == State::LockedOut.name() {
        return Err(locked_out(device));
    }
    Ok(())
}

fn locked_out(device: &DeviceView) -> ApiError {
    let name = &device.name;
    let why = format!(
        "{name} is locked_out: nobody touches its power or its network boot; send please_online first"
    );
    ApiError::Conflict { why }
}

/// Changes what the device's next network boot gets; with `cycles` that comes at once.
fn offer(ctx: &mut Ctx<'_>, device: &DeviceView, boot: Option<Boot>, cycles: bool) -> Result<()> {
    match ctx.commands.device_event(&device.name, Event::Offer { boot, cycles })? {
        DeviceAnswer::Accepted { .. } | DeviceAnswer::Ignored { why: Ignored::AsItWas, .. } => Ok(()),
        DeviceAnswer::Ignored { state: State::LockedOut, .. } => Err(locked_out(device)),
        other => Err(not_done(other, device)),
    }
}
