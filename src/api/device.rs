//! Calls about one device's state: reading it, telling what happened to it, asking something of it.
//!
//! The answers of the machine come from *lifeguard*; nothing is decided here but what a refusal means in HTTP.

use super::Ctx;
use super::body::Body;
use super::reply::{ApiError, Reply, Result};
use super::time::http_date;
use super::types::{
    DeviceDetails, Devices, EventAnswer, Nothing, PleaseImage, StateOnly, Status, defaults_of,
    next_boot_config, read_comments, read_detail, read_environment, read_percent,
};
use crate::config::BoardEvents;
use crate::layers::boards::Whence;
use crate::layers::messages::DeviceAnswer;
use crate::logic::events::{IMAGE_PROGRESS, PleaseName, Signal};
use crate::logic::lifeguard::{Ask, Doubt, Event, Ignored, Install, Proof, State};
use crate::store::{DeviceEdit, DeviceFilter, DeviceView};
use serde_json::Value;

/// Log lines that come with a status.
pub(super) const STATUS_LINES: usize = 100;
/// Longest piece of an unknown event's name that is repeated in logs and answers.
const SHOWN_MAX: usize = 64;
/// Seconds for which a state that was asked for with `cache` may be kept.
const STATE_MAX_AGE_S: u32 = 5;

pub(super) fn list(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let filter = filter(ctx)?;
    let details = ctx.call.has("details");
    let Some(shelf) = ctx.shelf else { return read_list(ctx, &filter, details) };
    let version = shelf.version(ctx.store)?;
    if let Some(unchanged) = Reply::unchanged(ctx.call, version) {
        return Ok(unchanged);
    }
    if filter == DeviceFilter::default() {
        let (version, list) = shelf.list(ctx.store, details)?;
        return Ok(Reply::shared_json(list).of(version));
    }
    Ok(read_list(ctx, &filter, details)?.of(version))
}

fn read_list(ctx: &mut Ctx<'_>, filter: &DeviceFilter, details: bool) -> Result<Reply> {
    let devices = ctx.store.devices(filter)?;
    if details {
        return Ok(Reply::json(&Devices { devices: devices.into_iter().map(DeviceDetails::from).collect() }));
    }
    Ok(Reply::json(&Devices { devices: devices.iter().map(|d| &*d.name).collect() }))
}

/// What the query asks to see; a key with an empty value is as good as none.
fn filter(ctx: &Ctx<'_>) -> Result<DeviceFilter> {
    let given = |key| ctx.call.query(key).filter(|v| !v.is_empty());
    Ok(DeviceFilter {
        state: given("state"),
        environment: given("environment"),
        image: given("image"),
        hardware_type: given("hardware_type"),
        tag: given("tag"),
        q: given("q"),
        relay: given("relay"),
        after: given("after"),
        limit: number(ctx, "limit")?.filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok()),
    })
}

pub(super) fn status(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let lines = ctx.store.device_log(&device.name, None, Some(STATUS_LINES))?;
    Ok(Reply::json(&Status { state: &device.state, log: lines.into_iter().map(Into::into).collect() }))
}

pub(super) fn state(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let reply = Reply::json(&StateOnly { state: &device.state });
    if !ctx.call.has("cache") {
        return Ok(reply);
    }
    Ok(reply
        .with("Cache-Control", format!("private, max-age={STATE_MAX_AGE_S}"))
        .with("Expires", http_date(ctx.now.plus_s(STATE_MAX_AGE_S))))
}

/// A number in the query; an empty value is as good as none.
pub(super) fn number(ctx: &Ctx<'_>, key: &str) -> Result<Option<i64>> {
    let Some(text) = ctx.call.query(key).filter(|t| !t.is_empty()) else { return Ok(None) };
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Some(text.parse().unwrap_or(i64::MAX)));
    }
    let given: String = text.chars().take(40).collect();
    Err(ApiError::BadValue {
        why: format!("{key} is `{given}`; it should be a whole number, or 0 for no limit"),
    })
}

/// For the board itself, and for people who may read: what is in it may be a password or a key.
pub(super) fn boot_config(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    if !ctx.may_read() && !is_the_board(ctx, device)? {
        let why = format!("the boot config of {} is for the board itself and for who may read", device.name);
        return Err(ApiError::NotTheBoard { why });
    }
    let by_hand = device.boot.as_ref().and_then(|b| b.boot_config.as_deref());
    Ok(Reply::json_text(200, next_boot_config(by_hand, device.next.as_ref())))
}

/// Whether the call comes from the device, as far as can be told: from its own address, or where that says nothing with the token of
/// its present boot. A lab that believes all boards (`plain`) cannot tell them from anybody else.
fn is_the_board(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<bool> {
    let boards = &ctx.commands.boards;
    let whence = boards.whence(&device.info.fqdn, &ctx.commands.access.address_of(ctx.call));
    match (boards.rule(), whence) {
        (BoardEvents::Plain, _) | (_, Whence::Own) | (BoardEvents::Address, Whence::Gateway) => {
            return Ok(true);
        }
        (_, Whence::Elsewhere | Whence::NotFound) => return Ok(false),
        // As with reports: the board asks again, and by then its name may have been looked up.
        (BoardEvents::Address, Whence::Unknown) => {
            return Err(ApiError::AddressUnknown { device: device.name.to_string() });
        }
        (BoardEvents::Token, Whence::Gateway | Whence::Unknown) => {}
    }
    let Some(shown) = ctx.call.boot else { return Ok(false) };
    // From the store: what is kept ready for reads does not know the token.
    let present = ctx.store.load_device(&device.name)?.and_then(|record| record.machine.boot_token);
    Ok(present.is_some_and(|present| present.is(&shown)))
}

/// What shows that a board's report is its own, and of its present boot. Somebody who may work with the device may speak for it.
fn proof(ctx: &Ctx<'_>, device: &DeviceView) -> Proof {
    if ctx.may_operate(device) {
        return Proof::Operator;
    }
    let from = ctx.commands.access.address_of(ctx.call);
    ctx.commands.boards.proof(&device.info.fqdn, &from, ctx.call.boot)
}

pub(super) fn event(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let name = ctx.param("event").to_owned();
    if PleaseName::parse(&name).is_some() {
        ctx.check_may_ask(device)?;
    }
    let body = event_body(ctx)?;
    let proof = proof(ctx, device);
    // Ignored with a line in the device's log, as the original did: a board that speaks a newer dialect must not stumble over
    // an old server.
    let unknown = || {
        let name = name.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
        Event::Unknown { name, proof }
    };
    let event = read_event(ctx, &name, &body, proof)?.unwrap_or_else(unknown);
    let wants_image = matches!(event, Event::Please(Ask::Image(_)));
    match ctx.commands.device_event(&device.name, event)? {
        DeviceAnswer::Accepted { state } => {
            Ok(Reply::json(&EventAnswer { accepted: true, state: state.name(), why: None }))
        }
        DeviceAnswer::Ignored { why: why @ Ignored::UnknownImage(_), .. } => {
            Err(ApiError::BadValue { why: format!("{why}; image/list has those that there are") })
        }
        DeviceAnswer::Ignored { why: why @ Ignored::NoPxeConfig(_), .. } => {
            Err(ApiError::Conflict { why: format!("{why}; give the pair one in the image's `pxe` table") })
        }
        // Nobody can tell yet: the board says it again, and by then its name may have been looked up.
        DeviceAnswer::Ignored { why: Ignored::Doubted { doubt: Doubt::NoAddress, .. }, .. } => {
            Err(ApiError::AddressUnknown { device: device.name.to_string() })
        }
        DeviceAnswer::Ignored { why: why @ Ignored::Doubted { .. }, .. } => {
            Err(ApiError::NotTheBoard { why: why.to_string() })
        }
        DeviceAnswer::Ignored { why, .. } if wants_image => Err(ApiError::Conflict { why: why.to_string() }),
        DeviceAnswer::Ignored { state, why } => {
            let why = Some(why.to_string());
            Ok(Reply::json(&EventAnswer { accepted: false, state: state.name(), why }))
        }
        other => Err(not_done(other, device)),
    }
}

/// The body, and under it what the query says of the keys that events have: some boards can only GET.
fn event_body(ctx: &Ctx<'_>) -> Result<Body> {
    let mut body = ctx.body()?;
    for key in ["percent", "reason", "message"] {
        if let Some(value) = ctx.call.query(key) {
            body.0.entry(key).or_insert(Value::String(value));
        }
    }
    Ok(body)
}

/// `None` for a name that no event has.
fn read_event(ctx: &mut Ctx<'_>, name: &str, body: &Body, proof: Proof) -> Result<Option<Event>> {
    if name == IMAGE_PROGRESS {
        return Ok(Some(Event::Progress { percent: read_percent(body)?, proof }));
    }
    if let Some(signal) = Signal::parse(name) {
        return Ok(Some(Event::Signal { signal, detail: read_detail(body)?, proof }));
    }
    let Some(please) = PleaseName::parse(name) else { return Ok(None) };
    Ok(Some(Event::Please(match please {
        PleaseName::SelfTest => Ask::SelfTest,
        PleaseName::StartMaintenance => Ask::StartMaintenance,
        PleaseName::PowerCycle => Ask::PowerCycle,
        PleaseName::Offline => Ask::Offline,
        PleaseName::Online => Ask::Online,
        PleaseName::Image => {
            let PleaseImage { image, boot_config } = PleaseImage::read(body)?;
            // An unknown image goes on to the machine, which notes it in the device's log.
            let defaults = ctx.store.image(&image)?.map(|row| defaults_of(&row)).unwrap_or_default();
            Ask::Image(Install { image: image.into(), boot_config: boot_config.over(&defaults).into() })
        }
    })))
}

pub(super) fn force(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let wanted = ctx.param("to");
    let Some(to) = State::parse(wanted) else {
        let names: Vec<&str> = State::ALL.iter().map(|s| s.name()).collect();
        let why =
            format!("there is no state `{}`; the states are {}", wanted.escape_debug(), names.join(", "));
        return Err(ApiError::BadValue { why });
    };
    let event = Event::Force { from: ctx.param("from").to_owned(), to, who: ctx.named() };
    match ctx.commands.device_event(&device.name, event)? {
        DeviceAnswer::Accepted { .. } => Ok(Reply::json(&Nothing {})),
        DeviceAnswer::Ignored { why, .. } => Err(ApiError::Conflict { why: why.to_string() }),
        other => Err(not_done(other, device)),
    }
}

pub(super) fn set_comments(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let comments = read_comments(&ctx.body()?)?;
    edit(ctx, device, DeviceEdit::Comments(comments))
}

pub(super) fn set_environment(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let environment = read_environment(&ctx.body()?)?;
    ctx.caller.may_work_in("what it would be then", &environment)?;
    edit(ctx, device, DeviceEdit::Environment(environment))
}

fn edit(ctx: &mut Ctx<'_>, device: &DeviceView, edit: DeviceEdit) -> Result<Reply> {
    match ctx.commands.edit_device(&device.name, edit)? {
        DeviceAnswer::Accepted { .. } | DeviceAnswer::Ignored { .. } => Ok(Reply::json(&())),
        other => Err(not_done(other, device)),
    }
}

/// The answers that mean that nothing could be tried.
pub(super) fn not_done(answer: DeviceAnswer, device: &DeviceView) -> ApiError {
    match answer {
        DeviceAnswer::UnknownDevice => ApiError::NotFound { kind: "device", name: device.name.to_string() },
        DeviceAnswer::Unavailable { why } => {
            log::error!("device={} {why}", device.name);
            ApiError::Unavailable
        }
        DeviceAnswer::Ignored { why, .. } => ApiError::Conflict { why: why.to_string() },
        // The callers have taken this one; a new one of them that forgets to must not tell a client that it went wrong.
        DeviceAnswer::Accepted { .. } => ApiError::Internal,
    }
}
