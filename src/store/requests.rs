//! Requests and claims: reading them, and the request layer's writes.
//!
//! `Request::assigned` is not a column: it is the request's claim, so that the two can never disagree. A state name that
//! this program does not know makes the row unreadable, because a request has no state that waits for a person; it ends
//! when its time is long past (see `logs::prune`).

use super::cells::{Cells, all_of_text, counters_text, one_of_text, readable};
use super::changes::{self, News, RequestSeen};
use super::conn::{Conn, ConnError, Doing, Row, Then, args};
use super::rows::{NewRequest, RequestRecord, RequestView, TooOld};
use super::{
    Bell, ChangeData, ChangeKind, ChangeWhat, Committed, RequestCommit, RequestNews, Result, StoreError,
    logs, outcomes, spells, sql,
};
use crate::logic::events::ImagingResult;
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::Install;
use crate::logic::machine::Epoch;
use crate::logic::mozpool::{ClaimChange, Counter, Request, State, Wanted};
use crate::logic::time::Timestamp;
use std::collections::HashSet;

const READ: &str = "read requests";
const WRITE: &str = "write requests";

fn decode(row: Row) -> Result<RequestView> {
    let mut c = Cells::new("requests", row);
    let id = RequestId(c.int("id")?);
    let server = c.text("imaging_server")?;
    let assignee = c.text("assignee")?;
    let reason = c.text("reason")?;
    let created = c.time("created")?;
    let wanted = Wanted {
        device: c.opt_text("requested_device")?.map(Into::into),
        environment: c.one_of("environment")?,
        install: Install { image: c.text("image")?.into(), boot_config: c.text("boot_config")?.into() },
        hardware_type: c.one_of("hardware_type")?,
        hardware_model: c.one_of("hardware_model")?,
        processor: c.one_of("processor")?,
        tags: c.all_of("tags")?,
    };
    let state = c.text("state")?;
    let state = State::parse(&state)
        .ok_or_else(|| c.corrupt("state", &format!("`{state}` is not a state of a request")))?;
    let epoch = Epoch(c.int("epoch")?.cast_unsigned());
    let deadline = c.opt_time("deadline")?;
    let counters = c.counters("counters", Counter::parse)?;
    let expires = c.time("expires")?;
    let queue_until = c.opt_time("queue_until")?;
    let assigned = c.opt_text("devices.name")?.map(Into::into);
    let device_state = c.opt_text("devices.state")?;
    let machine = Request { id, state, epoch, deadline, counters, wanted, assigned, expires, queue_until };
    Ok(RequestView { machine, server, assignee, reason, created, device_state })
}

fn record(view: RequestView) -> RequestRecord {
    RequestRecord { machine: view.machine, assignee: view.assignee }
}

pub(super) fn load_all<C: Conn>(c: &mut C, server: &str) -> Result<Vec<RequestRecord>> {
    let rows = c.query(sql::REQUESTS_OF_SERVER, args![server]).doing(READ)?;
    Ok(readable(rows, |row| decode(row).map(record)))
}

pub(super) fn load<C: Conn>(c: &mut C, id: RequestId) -> Result<Option<RequestRecord>> {
    Ok(view(c, id)?.map(record))
}

pub(super) fn view<C: Conn>(c: &mut C, id: RequestId) -> Result<Option<RequestView>> {
    c.query_one(sql::REQUEST, args![id.0]).doing(READ)?.map(decode).transpose()
}

pub(super) fn views<C: Conn>(c: &mut C, include_closed: bool) -> Result<Vec<RequestView>> {
    let sql = if include_closed { sql::REQUESTS_ALL } else { sql::REQUESTS_NOT_CLOSED };
    Ok(readable(c.query(sql, &[]).doing(READ)?, decode))
}

pub(super) fn imaging_result<C: Conn>(c: &mut C, id: RequestId) -> Result<Option<ImagingResult>> {
    let Some(row) = c.query_one(sql::CLAIM_RESULT, args![id.0]).doing(READ)? else { return Ok(None) };
    let mut cells = Cells::new("claims", row);
    cells.int("request_id")?;
    match cells.opt_text("imaging_result")? {
        None => Ok(None),
        Some(name) => match ImagingResult::parse(&name) {
            Some(result) => Ok(Some(result)),
            None => Err(cells.corrupt("imaging_result", &format!("`{name}` is not a result"))),
        },
    }
}

pub(super) fn insert<C: Conn>(c: &mut C, bell: &Bell, new: &[NewRequest]) -> Result<Vec<RequestId>> {
    const DOING: &str = "make requests";
    if new.is_empty() {
        return Ok(Vec::new());
    }
    changes::telling(c, bell, DOING, |c, news| {
        let mut ids = Vec::with_capacity(new.len());
        for NewRequest { server, assignee, reason, wanted, expires, queue_until, created } in new {
            let Wanted { device, environment, install, hardware_type, hardware_model, processor, tags } =
                wanted;
            let id = c.insert(
                sql::REQUEST_INSERT,
                args![
                    server,
                    assignee,
                    reason,
                    *created,
                    device.as_ref(),
                    one_of_text(environment.as_ref()),
                    &install.image,
                    &install.boot_config,
                    one_of_text(hardware_type.as_ref()),
                    one_of_text(hardware_model.as_ref()),
                    one_of_text(processor.as_ref()),
                    all_of_text(tags),
                    State::New.name(),
                    0i64,
                    // The time limit of `new` is 0 seconds: whoever loads it goes on at once.
                    *created,
                    *expires,
                    *queue_until,
                ],
            );
            let id = id.map_err(|e| match e {
                ConnError::Reference(_) => StoreError::Refused {
                    why: format!(
                        "cannot make a request: image `{}` or imaging server `{server}` is not in the store",
                        install.image
                    ),
                },
                other => other.doing(DOING),
            })?;
            let fresh = RequestNews {
                state: State::New.name().to_owned(),
                was: None,
                device: None,
                was_device: None,
                expires: expires.0,
                assignee: assignee.clone(),
            };
            let data = ChangeData::Request(fresh);
            news.tell(*created, ChangeKind::Request, id.to_string(), ChangeWhat::Created, data);
            ids.push(RequestId(id));
        }
        Ok((ids, Then::Commit))
    })
}

/// Writes what can be written, in one transaction. The claim is taken first, on condition that the request has not moved
/// and the device is `ready`; the unique keys of `claims` decide between two that want the same device, also when they
/// are on two servers. Nothing of a commit is written before one of its conditions could still fail.
pub(super) fn commit<C: Conn>(c: &mut C, bell: &Bell, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    changes::telling(c, bell, WRITE, |c, news| {
        let mut done = Vec::with_capacity(commits.len());
        // What follows a refused commit of the same request was decided on what it would have left.
        let mut refused = HashSet::new();
        for commit in commits {
            let one = match refused.contains(&commit.next.id) {
                true => Committed::Stale,
                false => commit_one(c, news, commit)?,
            };
            if one != Committed::Done {
                refused.insert(commit.next.id);
            }
            done.push(one);
        }
        Ok((done, Then::Commit))
    })
}

fn commit_one<C: Conn>(c: &mut C, news: &mut News, commit: &RequestCommit) -> Result<Committed> {
    let RequestCommit { next, expected, claim, log, device_log, at } = commit;
    let before = RequestSeen::read(c, next.id)?;
    let id = next.id.0;
    let epoch = expected.0.cast_signed();
    if let ClaimChange::Take(device) = claim {
        match c.exec(sql::CLAIM_TAKE, args![id, epoch, device]) {
            Ok(0) => {
                let moved = c.query_one(sql::REQUEST_HAS_EPOCH, args![id, epoch]).doing(WRITE)?.is_none();
                return Ok(if moved { Committed::Stale } else { Committed::ClaimLost });
            }
            Ok(_) => drop(c.exec(sql::DEVICE_MEND_FREE, args![device]).doing(WRITE)?),
            Err(ConnError::Duplicate(_)) => return Ok(Committed::ClaimLost),
            Err(e) => return Err(e.doing(WRITE)),
        }
    }
    let moved = c
        .exec(
            sql::REQUEST_MOVE,
            args![
                next.state.name(),
                next.epoch.0.cast_signed(),
                next.deadline,
                counters_text(&next.counters, Counter::name),
                next.expires,
                next.queue_until,
                id,
                epoch,
            ],
        )
        .doing(WRITE)?;
    if moved == 0 {
        return Ok(Committed::Stale);
    }
    if let Some(before) = &before {
        // While its claim still says which board it had.
        outcomes::follow(c, next, &before.news.state, Timestamp(before.news.expires), *at)?;
    }
    if let ClaimChange::Drop(device) = claim {
        drop_claim(c, id).doing(WRITE)?;
        spells::follow(c, device, Some(*at), None)?;
    }
    if let (ClaimChange::Take(device) | ClaimChange::Drop(device), Some(line)) = (claim, device_log) {
        logs::append_device(c, device, *at, logs::MACHINE, line).doing(WRITE)?;
    }
    for line in log {
        logs::append_request(c, next.id, *at, logs::MACHINE, line).doing(WRITE)?;
    }
    if let Some(before) = before {
        tell(c, news, commit, before.news)?;
    }
    Ok(Committed::Done)
}

/// Tells what others can see of a commit: the request's own part, and the device that it takes or gives back.
fn tell<C: Conn>(c: &mut C, news: &mut News, commit: &RequestCommit, before: RequestNews) -> Result<()> {
    let RequestCommit { next, claim, at, .. } = commit;
    let device = match claim {
        ClaimChange::Keep => before.device.clone(),
        ClaimChange::Take(device) => Some(device.to_string()),
        ClaimChange::Drop(_) => None,
    };
    let state = next.state.name();
    let moved = state != before.state;
    if moved || next.expires.0 != before.expires || device != before.device {
        let now = RequestNews {
            state: state.to_owned(),
            was: moved.then_some(before.state),
            device: device.clone(),
            was_device: before.device.clone().filter(|_| device != before.device),
            expires: next.expires.0,
            assignee: before.assignee,
        };
        let what = if moved { ChangeWhat::State } else { ChangeWhat::Changed };
        news.tell(*at, ChangeKind::Request, next.id.to_string(), what, ChangeData::Request(now));
    }
    if device != before.device {
        for name in [before.device, device].into_iter().flatten() {
            news.device(c, *at, &name, ChangeWhat::Changed)?;
        }
    }
    Ok(())
}

/// Deletes a request's claim; its device may be free then.
fn drop_claim<C: Conn>(c: &mut C, request: i64) -> std::result::Result<(), ConnError> {
    let device = c.query_one(sql::DEVICE_OF_CLAIM, args![request])?;
    c.exec(sql::CLAIM_DROP, args![request])?;
    if let Some(Row(name)) = device {
        c.exec(sql::DEVICE_MEND_FREE, &name)?;
    }
    Ok(())
}

/// Deletes at most `limit` requests that expired long enough ago, with their logs and claims; says how many.
pub(super) fn delete_expired<C: Conn>(
    c: &mut C,
    news: &mut News,
    too_old: &TooOld,
    limit: usize,
) -> Result<usize> {
    const DOING: &str = "delete old requests";
    let args = args![too_old.requests, logs::at_most(Some(limit))];
    let rows = c.query(sql::REQUESTS_EXPIRED, args).doing(DOING)?;
    for row in &rows {
        let id = RequestId(Cells::new("requests", row.clone()).int("id")?);
        let held = RequestSeen::read(c, id)?.and_then(|seen| seen.news.device);
        drop_claim(c, id.0).doing(DOING)?;
        for sql in [sql::REQUEST_LOG_DELETE, sql::REQUEST_DELETE] {
            c.exec(sql, &row.0).doing(DOING)?;
        }
        let data = ChangeData::Nothing;
        news.tell(too_old.now, ChangeKind::Request, id.to_string(), ChangeWhat::Deleted, data);
        outcomes::deleted(c, id.0, too_old.now)?;
        if let Some(device) = held {
            spells::follow(c, &device, Some(too_old.now), None)?;
            news.device(c, too_old.now, &device, ChangeWhat::Changed)?;
        }
    }
    Ok(rows.len())
}
