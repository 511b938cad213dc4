//! Calls about requests: making one, reading it, keeping it, ending it.
//!
//! The server that takes a request owns it, wherever the device is. What a request becomes is *mozpool*'s to say.

use super::Ctx;
use super::body::Body;
use super::device::STATUS_LINES;
use super::reply::{ApiError, Reply, Result};
use super::types::{
    CreateBody, Log, Nothing, RequestBody, RequestDetails, RequestMade, RequestNow, Requests, Status,
    boot_config_of_request, read_imaging_result, read_renew, read_return,
};
use crate::layers::messages::{CreateAnswer, RequestAnswer, RequestEvent};
use crate::logic::events::ImagingResult;
use crate::logic::lifeguard::Install;
use crate::logic::mozpool::{Signal, Wanted};
use crate::store::{NewRequest, RequestView};

pub(super) fn create(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let named = match ctx.param("requested") {
        "any" => None,
        name => {
            let name = name.to_owned();
            let found = ctx.store.named(&name)?;
            found.ok_or_else(|| ApiError::NotFound { kind: "device", name: name.clone() })?;
            in_their_environment(ctx, &name)?;
            Some(name)
        }
    };
    let mut body = CreateBody::read(ctx.body()?)?;
    body.environment = ctx.caller.narrow(body.environment.take())?;
    ctx.who = Some(body.assignee.clone());
    let new = new_request(ctx, named, body)?;
    let image = new.wanted.install.image.to_string();
    match ctx.commands.create_request(new)? {
        CreateAnswer::Created { request, busy } => {
            ctx.made = Some(request);
            let view = ctx.store.request(request)?.ok_or_else(|| {
                log::error!("request={request} is not in the store although it was just made");
                ApiError::Internal
            })?;
            let made = RequestMade { request: RequestBody::new(&view, &ctx.settings.public_url) };
            Ok(Reply::json_with(if busy { 409 } else { 200 }, &made))
        }
        CreateAnswer::Refused { why } => {
            log::info!("a request was not made: {why}");
            Err(ApiError::NotFound { kind: "image", name: image })
        }
        CreateAnswer::Unavailable { why } => {
            log::error!("a request was not made: {why}");
            Err(ApiError::Unavailable)
        }
    }
}

/// A board that is named must be in an environment of the caller's, if they have some.
fn in_their_environment(ctx: &mut Ctx<'_>, name: &str) -> Result<()> {
    if ctx.caller.environments.is_empty() {
        return Ok(());
    }
    let device = ctx.store.device(name)?;
    let environment = device.map(|device| device.info.environment.clone()).unwrap_or_default();
    Ok(ctx.caller.may_work_in(name, &environment)?)
}

fn new_request(ctx: &mut Ctx<'_>, named: Option<String>, body: CreateBody) -> Result<NewRequest> {
    if body.assignee.trim().is_empty() {
        return Err(ApiError::BadValue { why: "assignee is empty; it should say who asks".into() });
    }
    let duration_s = duration(ctx, body.duration_s)?;
    let queue_until = match body.queue_limit_s {
        None => None,
        Some(s) => match u32::try_from(s) {
            Ok(s) => Some(ctx.now.plus_s(s.min(duration_s))),
            // Longer than anybody lives: then the end of the reservation ends the search.
            Err(_) if s > 0 => Some(ctx.now.plus_s(duration_s)),
            Err(_) => {
                let why = format!(
                    "queue_limit is {s}; it should be how many seconds to wait for a device, 0 or more"
                );
                return Err(ApiError::BadValue { why });
            }
        },
    };
    let Some(image) = ctx.store.image(&body.image)? else {
        return Err(ApiError::NotFound { kind: "image", name: body.image });
    };
    let boot_config = boot_config_of_request(&image, &body.all)?;
    Ok(NewRequest {
        server: ctx.settings.server_name.clone(),
        assignee: body.assignee,
        reason: body.reason,
        wanted: Wanted {
            device: named.map(Into::into),
            environment: body.environment,
            install: Install { image: image.name.into(), boot_config: boot_config.into() },
            hardware_type: body.hardware_type,
            hardware_model: body.hardware_model,
            processor: body.processor,
            tags: body.tags,
        },
        expires: ctx.now.plus_s(duration_s),
        queue_until,
        created: ctx.now,
    })
}

fn duration(ctx: &Ctx<'_>, given_s: i64) -> Result<u32> {
    let max_s = ctx.settings.duration_max_s;
    u32::try_from(given_s).ok().filter(|s| (1..=max_s).contains(s)).ok_or_else(|| ApiError::BadValue {
        why: format!("duration is {given_s}; it should be 1 to {max_s} seconds"),
    })
}

pub(super) fn list(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let with_closed = ctx.call.has("include_closed");
    let Some(shelf) = ctx.shelf else { return Ok(Reply::json_text(200, read_list(ctx, with_closed)?)) };
    let version = shelf.version_of_requests(ctx.store)?;
    if let Some(unchanged) = Reply::unchanged(ctx.call, version) {
        return Ok(unchanged);
    }
    let list = match shelf.requests(version, with_closed) {
        Some(list) => list,
        None => {
            let list = read_list(ctx, with_closed)?.into();
            shelf.keep_requests(version, with_closed, &list);
            list
        }
    };
    Ok(Reply::shared_json(list).of(version))
}

fn read_list(ctx: &mut Ctx<'_>, with_closed: bool) -> Result<Vec<u8>> {
    let requests = ctx.store.requests(with_closed)?;
    let list = Requests { requests: requests.into_iter().map(Into::into).collect() };
    Ok(serde_json::to_vec(&list).expect("our own types hold only string keys"))
}

pub(super) fn status(ctx: &mut Ctx<'_>, request: &RequestView) -> Result<Reply> {
    let lines = ctx.store.request_log(request.machine.id, Some(STATUS_LINES))?;
    let log = lines.into_iter().map(Into::into).collect();
    Ok(Reply::json(&Status { state: request.machine.state.name(), log }))
}

pub(super) fn details(ctx: &mut Ctx<'_>, request: &RequestView) -> Result<Reply> {
    let owner = ctx.url_of(&request.server)?;
    Ok(Reply::json(&RequestDetails::from(RequestNow::new(request.clone(), &owner))))
}

pub(super) fn log(ctx: &mut Ctx<'_>, request: &RequestView) -> Result<Reply> {
    let lines = ctx.store.request_log(request.machine.id, None)?;
    Ok(Reply::json(&Log { log: lines.into_iter().map(Into::into).collect() }))
}

pub(super) fn renew(ctx: &mut Ctx<'_>, request: &RequestView) -> Result<Reply> {
    let duration_s = duration(ctx, read_renew(&ctx.body()?)?)?;
    let renew = RequestEvent::Renew { expires: ctx.now.plus_s(duration_s) };
    match ctx.commands.request_event(request.machine.id, renew, &ctx.named())? {
        RequestAnswer::Accepted { .. } => Ok(Reply::empty(204)),
        RequestAnswer::Ignored { state, .. } => Err(ended(request, state.name())),
        RequestAnswer::UnknownRequest => Err(ended(request, "closed")),
        RequestAnswer::Unavailable { why } => Err(unavailable(request, &why)),
    }
}

/// Anybody may end any request: its owner who is done, or an operator who needs the board. The logs say who it was.
pub(super) fn close(ctx: &mut Ctx<'_>, request: &RequestView) -> Result<Reply> {
    let (who, reason) = read_return(&ctx.call.body);
    let close = RequestEvent::Close { who, reason };
    match ctx.commands.request_event(request.machine.id, close, &ctx.named())? {
        RequestAnswer::Accepted { .. } | RequestAnswer::Ignored { .. } | RequestAnswer::UnknownRequest => {
            Ok(Reply::empty(204))
        }
        RequestAnswer::Unavailable { why } => Err(unavailable(request, &why)),
    }
}

pub(super) fn event(ctx: &mut Ctx<'_>, request: &RequestView) -> Result<Reply> {
    let body = ctx.body()?;
    // A wrong body is wrong whatever the event is called.
    let result = imaging_result(&body)?;
    let name = ctx.param("event");
    let Some(signal) = Signal::parse(name) else {
        let shown = name.escape_debug();
        log::warn!("request={} ignored unknown event {shown} from {}", request.machine.id, ctx.named());
        return Ok(Reply::json(&Nothing {}));
    };
    let event = RequestEvent::Signal { signal, result };
    match ctx.commands.request_event(request.machine.id, event, &ctx.named())? {
        RequestAnswer::Accepted { .. } => Ok(Reply::json(&Nothing {})),
        RequestAnswer::Ignored { why, .. } => {
            log::warn!("request={} {why}", request.machine.id);
            Ok(Reply::json(&Nothing {}))
        }
        RequestAnswer::UnknownRequest => {
            log::warn!("request={} ignored event {} after its end", request.machine.id, signal.name());
            Ok(Reply::json(&Nothing {}))
        }
        RequestAnswer::Unavailable { why } => Err(unavailable(request, &why)),
    }
}

fn imaging_result(body: &Body) -> Result<Option<ImagingResult>> {
    let Some(name) = read_imaging_result(body)? else { return Ok(None) };
    match ImagingResult::parse(name) {
        Some(result) => Ok(Some(result)),
        None => {
            let names: Vec<&str> = ImagingResult::ALL.iter().map(|r| r.name()).collect();
            let given: String = name.chars().take(80).collect();
            let why = format!("imaging_result is `{given}`; it should be one of {}", names.join(", "));
            Err(ApiError::BadValue { why })
        }
    }
}

fn ended(request: &RequestView, state: &str) -> ApiError {
    let why = format!("request {} is {state} and cannot be renewed; make a new one", request.machine.id);
    ApiError::Conflict { why }
}

fn unavailable(request: &RequestView, why: &str) -> ApiError {
    log::error!("request={} {why}", request.machine.id);
    ApiError::Unavailable
}
