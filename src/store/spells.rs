//! How devices were, for how long: written with the state or the claim that changes it, read by reports.
//!
//! A device's row knows the spell that it is in. Whoever moves a device asks [`follow`] to close that and begin another where the
//! group of states, or what a report sorts by, is no longer the same.

use super::cells::{Cells, readable};
use super::conn::{Conn, ConnError, Doing, Row, Value, args};
use super::rows::{SpellRow, StandingFailure};
use super::{Result, devices, sql};
use crate::logic::attempt::StepKind;
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::{Failure, Fetched, sentence};
use crate::logic::report::{Failed, Group, LASTS, Spell, Subject, Window};
use crate::logic::time::Timestamp;
use std::collections::HashMap;

const READ: &str = "read how devices were";
const WRITE: &str = "note how a device is";
/// Characters of what a failure's sentence ends with: a line, not a log.
const DETAIL_MAX: usize = 300;

/// A device and the spell that it is in.
struct Now {
    state: String,
    state_since: Timestamp,
    request: Option<i64>,
    group: Group,
    subject: Subject,
    spell: Option<Open>,
}

struct Open {
    id: i64,
    group: String,
    since: Timestamp,
    subject: Subject,
}

fn hardware(kind: Option<String>, model: Option<String>) -> String {
    let (kind, model) = (kind.unwrap_or_default(), model.unwrap_or_default());
    if model.is_empty() { kind } else { format!("{kind} {model}") }
}

/// The image that a device counts under: what is being put there while it is worked at, else what is on it.
pub(super) fn image_of(group: Group, installed: Option<&str>, next: Option<&str>) -> String {
    let image = if group == Group::Working { next.or(installed) } else { installed };
    image.unwrap_or_default().to_owned()
}

fn now<C: Conn>(c: &mut C, device: &str) -> Result<Option<Now>> {
    let Some(row) = c.query_one(sql::SPELL_NOW, args![device]).doing(READ)? else { return Ok(None) };
    let mut c = Cells::new("devices", row);
    let name = c.text("name")?;
    let state = c.text("state")?;
    let state_since = c.time("state_since")?;
    let request = c.opt_int("claims.request_id")?;
    let group = Group::of_name(&state, request.is_some());
    let (server, environment) = (c.text("imaging_server")?, c.text("environment")?);
    let hardware = hardware(c.opt_text("type")?, c.opt_text("model")?);
    let (installed, next) = (c.opt_text("installed_image")?, c.opt_text("next_image")?);
    let image = image_of(group, installed.as_deref(), next.as_deref());
    let spell = match c.opt_int("device_spells.id")? {
        Some(id) => Some(Open {
            id,
            group: c.text("grp")?,
            since: c.time("since")?,
            // One that is lost must not keep the device from moving: what is noted next is another.
            subject: Subject {
                device: name.clone(),
                server: c.opt_text("spell_subjects.server")?.unwrap_or_default(),
                environment: c.opt_text("spell_subjects.environment")?.unwrap_or_default(),
                hardware: c.opt_text("spell_subjects.hardware")?.unwrap_or_default(),
                image: c.opt_text("spell_subjects.image")?.unwrap_or_default(),
            },
        }),
        None => None,
    };
    let subject = Subject { device: name, server, environment, hardware, image };
    Ok(Some(Now { state, state_since, request, group, subject, spell }))
}

/// Notes how a device is since `at` (`None`: since it entered its state), if that is not what is noted already. A failure is
/// noted in any case, and by itself where the device went on from it at once.
pub(super) fn follow<C: Conn>(
    c: &mut C,
    device: &str,
    at: Option<Timestamp>,
    failure: Option<&Failure>,
) -> Result<()> {
    let Some(now) = now(c, device)? else { return Ok(()) };
    let Now { state, state_since, request, group, mut subject, spell } = now;
    if let (Some(open), None) = (&spell, failure) {
        // What was to be installed when it failed is said once, and no longer by the device's row.
        if group == Group::Failed && open.group == group.name() {
            subject.image.clone_from(&open.subject.image);
        }
        if open.group == group.name() && open.subject == subject {
            return Ok(());
        }
    }
    let mut since = at.unwrap_or(state_since);
    if let Some(open) = &spell {
        // The clock may have been put back: spells do not overlap.
        since = since.max(open.since);
        c.exec(sql::SPELL_END, args![since, open.id]).doing(WRITE)?;
    }
    if let Some(failure) = failure {
        let image = failure.image.as_ref().map(ToString::to_string).unwrap_or_default();
        let failed = Subject { image, ..subject.clone() };
        let passing = group != Group::Failed;
        let until = if passing { since } else { LASTS };
        let id =
            begin(c, &failed, Group::Failed, failure.state.name(), request, since, until, Some(failure))?;
        if !passing {
            c.exec(sql::DEVICE_SET_SPELL, args![id, device]).doing(WRITE)?;
            return Ok(());
        }
    }
    let id = begin(c, &subject, group, &state, request, since, LASTS, None)?;
    c.exec(sql::DEVICE_SET_SPELL, args![id, device]).doing(WRITE)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "they are the columns of a row")]
fn begin<C: Conn>(
    c: &mut C,
    subject: &Subject,
    group: Group,
    state: &str,
    request: Option<i64>,
    since: Timestamp,
    until: Timestamp,
    failure: Option<&Failure>,
) -> Result<i64> {
    let subject = subject_id(c, subject).doing(WRITE)?;
    let cause = failure.map(|f| f.cause);
    let detail = failure.map(|f| f.detail.chars().take(DETAIL_MAX).collect::<String>());
    let args = args![subject, group.name(), state, request, since, until, cause, detail];
    c.insert(sql::SPELL_INSERT, args).doing(WRITE)
}

fn subject_id<C: Conn>(c: &mut C, subject: &Subject) -> std::result::Result<i64, ConnError> {
    let Subject { device, server, environment, hardware, image } = subject;
    let args = args![device, server, environment, hardware, image];
    match c.query_one(sql::SPELL_SUBJECT, args)? {
        Some(Row(cells)) if let [Value::Int(id)] = cells[..] => Ok(id),
        _ => c.insert(sql::SPELL_SUBJECT_INSERT, args),
    }
}

/// A failure with what the device has fetched since `since`, when its last wait for a boot began.
pub(super) fn with_fetched<C: Conn>(
    c: &mut C,
    device: &str,
    failure: Failure,
    since: Timestamp,
) -> Result<Failure> {
    if !failure.is_about_booting() {
        return Ok(failure);
    }
    let last = match c.query_one(sql::STEP_LAST_FETCHED, args![device, StepKind::Tftp.name()]).doing(READ)? {
        None => Fetched::Unknown,
        Some(row) => {
            let mut c = Cells::new("attempt_steps", row);
            let (at, name) = (c.time("at")?, c.text("name")?);
            if at < since { Fetched::Nothing } else { Fetched::Last(name) }
        }
    };
    Ok(failure.with_fetched(last))
}

/// The device is about to be deleted.
pub(super) fn end<C: Conn>(c: &mut C, device: &str, at: Timestamp) -> Result<()> {
    if let Some(Open { id, since, .. }) = now(c, device)?.and_then(|now| now.spell) {
        c.exec(sql::SPELL_END, args![at.max(since), id]).doing(WRITE)?;
    }
    Ok(())
}

/// The device has another name now: the spell that it is in goes along, with its cause, and what came before stays where it was.
pub(super) fn renamed<C: Conn>(c: &mut C, device: &str) -> Result<()> {
    if let Some(Open { id, subject, .. }) = now(c, device)?.and_then(|now| now.spell) {
        let subject = subject_id(c, &subject).doing(WRITE)?;
        c.exec(sql::SPELL_SET_SUBJECT, args![subject, id]).doing(WRITE)?;
    }
    Ok(())
}

/// For a store that has not known spells before: each device has been as it is since it entered its state.
pub(super) fn first<C: Conn>(c: &mut C) -> Result<()> {
    for name in devices::names(c)? {
        follow(c, &name, None, None)?;
    }
    Ok(())
}

/// What all spells are of, by its number in the store and with its place in a row of all.
fn subjects<C: Conn>(c: &mut C) -> Result<HashMap<i64, (usize, Subject)>> {
    let rows = c.query(sql::SPELL_SUBJECTS, &[]).doing(READ)?;
    let read = |row| {
        let mut c = Cells::new("spell_subjects", row);
        let id = c.int("id")?;
        Ok((id, subject(&mut c)?))
    };
    let subjects = readable(rows, read).into_iter().enumerate();
    Ok(subjects.map(|(place, (id, subject))| (id, (place, subject))).collect())
}

fn subject(c: &mut Cells) -> Result<Subject> {
    Ok(Subject {
        device: c.text("device")?,
        server: c.text("server")?,
        environment: c.text("environment")?,
        hardware: c.text("hardware")?,
        image: c.text("image")?,
    })
}

pub(super) fn each<C: Conn>(c: &mut C, window: Window, take: &mut dyn FnMut(Spell<'_>)) -> Result<()> {
    let subjects = subjects(c)?;
    let mut one = |cells: &[Value]| {
        let [Value::Int(until), Value::Int(since), Value::Int(subject), Value::Text(group)] = cells else {
            return;
        };
        if let (Some((place, subject)), Some(group)) = (subjects.get(subject), Group::parse(group)) {
            take(Spell { subject, place: *place, group, since: Timestamp(*since), until: Timestamp(*until) });
        }
    };
    c.each(sql::SPELLS, args![window.from, window.to], &mut one).doing(READ)
}

pub(super) fn failures<C: Conn>(c: &mut C, window: Window, take: &mut dyn FnMut(Failed<'_>)) -> Result<()> {
    let subjects = subjects(c)?;
    let mut one = |cells: &[Value]| {
        let [Value::Int(since), Value::Int(subject), cause, Value::Text(state)] = cells else { return };
        let cause = match cause {
            Value::Text(cause) => cause.as_str(),
            _ => crate::logic::lifeguard::usual_cause(state),
        };
        if let Some((_, subject)) = subjects.get(subject) {
            take(Failed { subject, cause, at: Timestamp(*since) });
        }
    };
    c.each(sql::SPELLS_FAILED, args![window.from, window.to], &mut one).doing(READ)
}

fn cause_of(c: &mut Cells, state: &str) -> Result<String> {
    let (cause, detail) = (c.opt_text("cause")?, c.opt_text("detail")?.unwrap_or_default());
    Ok(match cause {
        Some(cause) => sentence(&cause, &detail),
        None => crate::logic::lifeguard::usual_cause(state).to_owned(),
    })
}

pub(super) fn history<C: Conn>(c: &mut C, device: &str, limit: usize) -> Result<Vec<SpellRow>> {
    let rows =
        c.query(sql::SPELLS_OF_DEVICE, args![device, super::logs::at_most(Some(limit))]).doing(READ)?;
    let read = |row| {
        let mut c = Cells::new("device_spells", row);
        c.int("id")?;
        let group = c.text("grp")?;
        let group = Group::parse(&group).ok_or_else(|| c.corrupt("grp", &group))?;
        let state = c.text("state")?;
        let request = c.opt_int("request_id")?.map(RequestId);
        let (since, until) = (c.time("since")?, c.time("until")?);
        let image = Some(c.text("image")?).filter(|i| !i.is_empty());
        let cause = if group == Group::Failed { Some(cause_of(&mut c, &state)?) } else { None };
        Ok(SpellRow { since, until, group, state, image, request, cause })
    };
    Ok(readable(rows, read))
}

pub(super) fn standing<C: Conn>(c: &mut C) -> Result<Vec<StandingFailure>> {
    let rows = c.query(sql::SPELLS_STANDING, &[]).doing(READ)?;
    let read = |row| {
        let mut c = Cells::new("device_spells", row);
        let device = c.text("name")?.into();
        let (since, state) = (c.time("since")?, c.text("state")?);
        Ok(StandingFailure { device, since, cause: cause_of(&mut c, &state)? })
    };
    Ok(readable(rows, read))
}

/// Deletes at most `limit` spells that ended long enough ago; says how many.
pub(super) fn delete_old<C: Conn>(c: &mut C, before: Timestamp, limit: usize) -> Result<usize> {
    const DOING: &str = "delete what reports no longer need";
    let rows = c.query(sql::SPELLS_OLD, args![before, super::logs::at_most(Some(limit))]).doing(DOING)?;
    let mut subjects = Vec::new();
    for row in &rows {
        let mut cells = Cells::new("device_spells", row.clone());
        let (id, subject) = (cells.int("id")?, cells.int("subject_id")?);
        c.exec(sql::SPELL_DELETE, args![id]).doing(DOING)?;
        subjects.push(subject);
    }
    subjects.sort_unstable();
    subjects.dedup();
    for subject in subjects {
        c.exec(sql::SPELL_SUBJECT_DELETE_UNUSED, args![subject, subject]).doing(DOING)?;
    }
    Ok(rows.len())
}
