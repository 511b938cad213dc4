//! What became of requests: written with the request's own move, read by reports.

use super::cells::Cells;
use super::conn::{Conn, ConnError, Doing, Value, args};
use super::{Result, logs, sql};
use crate::logic::mozpool::{OneOf, Request, State};
use crate::logic::report::{LASTS, Outcome, Subject, Window};
use crate::logic::time::Timestamp;

const READ: &str = "read what became of requests";
const WRITE: &str = "note what becomes of a request";

/// Notes a request's move, if it makes the request ready or ends it. `before` is the state that it leaves, `expires` when its time
/// is over.
pub(super) fn follow<C: Conn>(
    c: &mut C,
    next: &Request,
    before: &str,
    expires: Timestamp,
    at: Timestamp,
) -> Result<()> {
    if next.state.name() == before {
        return Ok(());
    }
    if next.state == State::Ready {
        return insert(c, next, Some(at), LASTS, "");
    }
    let Some(how) = how(next.state, before, at >= expires) else { return Ok(()) };
    let noted = c.exec(sql::OUTCOME_END, args![at, how, next.id.0, LASTS]).doing(WRITE)? > 0;
    let was_over =
        State::parse(before).is_none_or(|s| s.is_failed() || s == State::Closed || s == State::Expired);
    // One that was ready and is not noted is from before there were notes: when it was ready, nobody knows.
    if noted || was_over || before == State::Ready.name() {
        return Ok(());
    }
    insert(c, next, None, at, how)
}

/// How a request ends that enters this state; `None` while it does not.
fn how(state: State, before: &str, over: bool) -> Option<&'static str> {
    match state {
        State::FailedDeviceNotFound
        | State::FailedBadImage
        | State::FailedBadDevice
        | State::FailedDeviceBusy => Some(state.name()),
        // It named a device that another request has, and ended before it began.
        State::Closed if before == State::New.name() => Some(TAKEN),
        State::Closed | State::Expired => Some(if over { "expired" } else { "returned" }),
        State::New
        | State::FindingDevice
        | State::ContactLifeguard
        | State::ContactingLifeguard
        | State::Pending
        | State::Ready => None,
    }
}

const TAKEN: &str = "taken";

fn insert<C: Conn>(
    c: &mut C,
    request: &Request,
    ready: Option<Timestamp>,
    ended: Timestamp,
    how: &str,
) -> Result<()> {
    let id = request.id.0;
    let Some(row) = c.query_one(sql::OUTCOME_OF, args![id]).doing(READ)? else { return Ok(()) };
    let mut cells = Cells::new("requests", row);
    let (server, assignee) = (cells.text("imaging_server")?, cells.text("assignee")?);
    let (image, asked) = (cells.text("image")?, cells.time("created")?);
    let device = cells.opt_text("devices.name")?;
    let (environment, hardware) = match &device {
        Some(_) => {
            let environment = cells.text("devices.environment")?;
            (environment, label(cells.opt_text("type")?, cells.opt_text("model")?))
        }
        None => {
            let wanted = &request.wanted;
            let said = |one_of: &Option<OneOf>| one_of.as_ref().map(ToString::to_string);
            let hardware = label(said(&wanted.hardware_type), said(&wanted.hardware_model));
            (said(&wanted.environment).unwrap_or_default(), hardware)
        }
    };
    let args = args![
        id,
        server,
        assignee,
        image,
        environment,
        hardware,
        device.unwrap_or_default(),
        asked,
        ready,
        ended,
        how
    ];
    match c.exec(sql::OUTCOME_INSERT, args) {
        // Ready a second time: the first counts.
        Ok(_) | Err(ConnError::Duplicate(_)) => Ok(()),
        Err(e) => Err(e.doing(WRITE)),
    }
}

fn label(kind: Option<String>, model: Option<String>) -> String {
    let (kind, model) = (kind.unwrap_or_default(), model.unwrap_or_default());
    [kind, model].join(" ").trim().to_owned()
}

/// The request is deleted; if it still lasts for reports, it ends.
pub(super) fn deleted<C: Conn>(c: &mut C, request: i64, at: Timestamp) -> Result<()> {
    c.exec(sql::OUTCOME_END, args![at, "deleted", request, LASTS]).doing(WRITE)?;
    Ok(())
}

pub(super) fn each<C: Conn>(c: &mut C, window: Window, take: &mut dyn FnMut(Outcome<'_>)) -> Result<()> {
    let mut subject = Subject::default();
    let mut one = |cells: &[Value]| {
        let [
            Value::Text(server),
            Value::Text(assignee),
            Value::Text(image),
            Value::Text(environment),
            Value::Text(hardware),
            Value::Text(device),
            Value::Int(asked),
            ready,
            Value::Int(ended),
            Value::Text(how),
        ] = cells
        else {
            return;
        };
        subject.server.clone_from(server);
        subject.image.clone_from(image);
        subject.environment.clone_from(environment);
        subject.hardware.clone_from(hardware);
        subject.device.clone_from(device);
        let ready = if let Value::Int(at) = ready { Some(Timestamp(*at)) } else { None };
        take(Outcome {
            subject: &subject,
            assignee,
            asked: Timestamp(*asked),
            ready,
            ended: Timestamp(*ended),
            failed: how.starts_with("failed_") || how == TAKEN,
        });
    };
    c.each(sql::OUTCOMES, args![window.from, window.to], &mut one).doing(READ)
}

/// Deletes at most `limit` that ended long enough ago; says how many.
pub(super) fn delete_old<C: Conn>(c: &mut C, before: Timestamp, limit: usize) -> Result<usize> {
    const DOING: &str = "delete what reports no longer need";
    let rows = c.query(sql::OUTCOMES_OLD, args![before, logs::at_most(Some(limit))]).doing(DOING)?;
    for row in &rows {
        c.exec(sql::OUTCOME_DELETE, &row.0).doing(DOING)?;
    }
    Ok(rows.len())
}
