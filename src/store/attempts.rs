//! Attempts and their steps: what the device layer and the journal write apart, joined by device and time when it is read.
//!
//! States lie in the attempt's row, a line each, so that a move costs one `UPDATE`. What syslog said is not written a second
//! time: the pieces of the device's log know when they begin and end.

use super::cells::{Cells, readable};
use super::chunk;
use super::conn::{Conn, ConnError, Doing, Row, Then, args};
use super::logs::at_most;
use super::rows::{AttemptKind, AttemptStep, AttemptView};
use super::{Result, sql};
use crate::logic::attempt::{Attempt, Outcome, Purpose, Step, StepKind, Turn, words};
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::time::Timestamp;

const READ: &str = "read attempts";

/// Steps from outside that are read of one attempt. The journal writes fewer.
const STEPS_READ: usize = 500;
/// Pieces of a log that are looked at to find the lines of one attempt: a board that never stops talking fills some a second.
const PIECES_READ: usize = 2000;
/// Pieces are numbered as they are written, which is a moment after their time, and in batches that hold one for each device.
/// So far from its place by time may a piece's number be.
const NUMBERS_AROUND: i64 = 20_000;
/// Characters of a log line that a step repeats.
const LINE_SHOWN: usize = 160;

/// Takes up what the device's machine says of its attempt, in the transaction of its row.
pub(super) fn turn<C: Conn>(
    c: &mut C,
    device: &DeviceName,
    turns: &[Turn],
    at: Timestamp,
) -> std::result::Result<(), ConnError> {
    let line = |state: &str| format!("{} {state}\n", at.0);
    for turn in turns {
        match turn {
            Turn::Begin { purpose, image, request, state } => {
                c.exec(sql::ATTEMPT_OVERTAKE, args![at, device])?;
                let (state, image) = (state.name(), image.as_deref().unwrap_or_default());
                let row = args![
                    purpose.name(),
                    image,
                    request.map(|r| r.0),
                    at,
                    Outcome::Running.name(),
                    state,
                    line(state),
                    device
                ];
                let id = c.insert(sql::ATTEMPT_BEGIN, row)?;
                c.exec(sql::DEVICE_SET_ATTEMPT, args![id, device])?;
            }
            Turn::Enter(state) => {
                c.exec(sql::ATTEMPT_ENTER, args![state.name(), line(state.name()), device])?;
            }
            Turn::End { state, outcome } => {
                let end = args![state.name(), line(state.name()), at, outcome.name(), device];
                c.exec(sql::ATTEMPT_END, end)?;
            }
        }
    }
    Ok(())
}

pub(super) fn append_steps<C: Conn>(c: &mut C, steps: &[AttemptStep]) -> Result<()> {
    const DOING: &str = "write the steps of attempts";
    c.transaction_soon(DOING, |c| {
        for AttemptStep { device, step } in steps {
            let Step { at, kind, name, what, bytes, took_ms, bad } = step;
            let number = |n: &Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
            let row = args![*at, kind.name(), name, what, number(bytes), number(took_ms), *bad, device];
            c.exec(sql::ATTEMPT_STEP_APPEND, row).doing(DOING)?;
        }
        Ok(((), Then::Commit))
    })
}

/// The last attempts of a device, those with a lower number than `before`, newest first.
pub(super) fn of_device<C: Conn>(
    c: &mut C,
    name: &str,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<AttemptView>> {
    let Some(row) = c.query_one(sql::DEVICE_ID, args![name]).doing(READ)? else { return Ok(Vec::new()) };
    let device = Cells::new("devices", row).int("id")?;
    let args = args![device, before.unwrap_or(i64::MAX), at_most(Some(limit))];
    let rows = c.query(sql::ATTEMPTS_OF_DEVICE, args).doing(READ)?;
    with_steps(c, rows)
}

/// The last good attempts of a kind, of whatever device, newest first.
pub(super) fn of_kind<C: Conn>(c: &mut C, kind: &AttemptKind, limit: usize) -> Result<Vec<Attempt>> {
    let AttemptKind { hardware, purpose, image } = kind;
    let good = Outcome::Ok.name();
    let args = args![*hardware, purpose.name(), image, good, at_most(Some(limit))];
    let rows = c.query(sql::ATTEMPTS_OF_KIND, args).doing(READ)?;
    Ok(with_steps(c, rows)?.into_iter().map(|view| view.attempt).collect())
}

fn with_steps<C: Conn>(c: &mut C, rows: Vec<Row>) -> Result<Vec<AttemptView>> {
    let mut views = Vec::with_capacity(rows.len());
    for (device, mut view) in readable(rows, decode) {
        let Attempt { started, ended, steps, .. } = &mut view.attempt;
        let until = ended.unwrap_or(Timestamp(i64::MAX));
        let args = args![device, *started, until, at_most(Some(STEPS_READ))];
        steps.extend(readable(c.query(sql::ATTEMPT_STEPS, args).doing(READ)?, decode_step));
        steps.extend(syslog(c, device, *started, until)?);
        steps.sort_by_key(|step| step.at);
        views.push(view);
    }
    Ok(views)
}

/// An attempt with the states that lie in its row, and whose it is.
fn decode(row: Row) -> Result<(i64, AttemptView)> {
    let mut c = Cells::new("attempts", row);
    let id = c.int("id")?;
    let device = c.int("device_id")?;
    let hardware = c.int("hardware_id")?;
    let purpose = c.text("purpose")?;
    let purpose =
        Purpose::parse(&purpose).ok_or_else(|| c.corrupt("purpose", &format!("`{purpose}` is none")))?;
    let image = c.text("image")?;
    let request = c.opt_int("request_id")?.map(RequestId);
    let started = c.time("started_at")?;
    let ended = c.opt_time("ended_at")?;
    let outcome = c.text("outcome")?;
    let outcome =
        Outcome::parse(&outcome).ok_or_else(|| c.corrupt("outcome", &format!("`{outcome}` is none")))?;
    let state = c.text("state")?;
    let steps = states(&c.text("trail")?, ended);
    let attempt = Attempt { purpose, outcome, started, ended, state, steps };
    Ok((device, AttemptView { id, kind: AttemptKind { hardware, purpose, image }, request, attempt }))
}

/// Each state with how long it lasted, unless it still does.
fn states(trail: &str, ended: Option<Timestamp>) -> Vec<Step> {
    let read = |line: &str| {
        let (at, state) = line.split_once(' ')?;
        Some((Timestamp(at.parse().ok()?), state.to_owned()))
    };
    let entered: Vec<(Timestamp, String)> = trail.lines().filter_map(read).collect();
    let left = entered.iter().skip(1).map(|(at, _)| Some(*at)).chain([ended]);
    let step = |((at, state), left): (&(Timestamp, String), Option<Timestamp>)| {
        let step = Step::new(*at, StepKind::State, state.as_str(), words::state(state));
        Step { took_ms: left.map(|left| left.ms_since(*at).max(0).unsigned_abs()), ..step }
    };
    entered.iter().zip(left).map(step).collect()
}

fn decode_step(row: Row) -> Result<Step> {
    let mut c = Cells::new("attempt_steps", row);
    c.int("id")?;
    let at = c.time("at")?;
    let kind = c.text("kind")?;
    let kind = StepKind::parse(&kind).ok_or_else(|| c.corrupt("kind", &format!("`{kind}` is none")))?;
    let mut step = Step::new(at, kind, c.text("name")?, c.text("what")?);
    let number = |n: Option<i64>| n.map(|n| u64::try_from(n).unwrap_or(0));
    step.bytes = number(c.opt_int("bytes")?);
    step.took_ms = number(c.opt_int("took_ms")?);
    step.bad = c.flag("bad")?;
    Ok(step)
}

/// The first and the last line that a device said from one time to another, as steps.
fn syslog<C: Conn>(c: &mut C, device: i64, from: Timestamp, until: Timestamp) -> Result<Vec<Step>> {
    // Pieces have no index by device and time, which every batch would have to keep. Their numbers follow time closely enough.
    let Some(first) = number_at(c, from)? else { return Ok(Vec::new()) };
    let last = number_at(c, until)?.unwrap_or(i64::MAX - NUMBERS_AROUND);
    let args = args![
        device,
        first.saturating_sub(NUMBERS_AROUND),
        last.saturating_add(NUMBERS_AROUND),
        from,
        at_most(Some(PIECES_READ))
    ];
    let rows = c.query(sql::CHUNKS_SPANS, args).doing(READ)?;
    let pieces: Vec<Piece> = readable(rows, Piece::decode).into_iter().filter(|p| p.first <= until).collect();
    let (Some(begin), Some(end)) = (pieces.first(), pieces.last()) else { return Ok(Vec::new()) };
    let inside = |at: Timestamp| from <= at && at <= until;
    let mut lines: i64 = pieces.iter().map(|p| p.lines).sum();
    let (mut first, mut last) = (None, None);
    for piece in if begin.id == end.id { vec![begin] } else { vec![begin, end] } {
        let Some(row) = c.query_one(sql::CHUNK, args![piece.id]).doing(READ)? else { continue };
        let mut cells = Cells::new("device_log_chunks", row);
        cells.int("id")?;
        let (at, text) = (cells.time("first_at")?, cells.text("text")?);
        for line in chunk::lines(piece.id, at, &text) {
            if !inside(line.at) {
                lines -= 1;
                continue;
            }
            let said = || (line.at, line.message.chars().take(LINE_SHOWN).collect::<String>());
            first = first.or_else(|| Some(said()));
            last = Some(said());
        }
    }
    let (Some((first_at, first)), Some((last_at, last))) = (first, last) else { return Ok(Vec::new()) };
    let mut steps = vec![Step::new(first_at, StepKind::Syslog, "first line", format!("first line: {first}"))];
    if lines > 1 {
        steps.push(Step::new(
            last_at,
            StepKind::Syslog,
            "last line",
            format!("last of {lines} lines: {last}"),
        ));
    }
    Ok(steps)
}

struct Piece {
    id: i64,
    first: Timestamp,
    lines: i64,
}

impl Piece {
    fn decode(row: Row) -> Result<Self> {
        let mut c = Cells::new("device_log_chunks", row);
        Ok(Self { id: c.int("id")?, first: c.time("first_at")?, lines: c.int("line_count")? })
    }
}

/// The number of the first piece, of whatever device, that ends at this time or later.
fn number_at<C: Conn>(c: &mut C, at: Timestamp) -> Result<Option<i64>> {
    let row = c.query_one(sql::CHUNK_AT, args![at]).doing(READ)?;
    row.map(|row| Cells::new("device_log_chunks", row).int("id")).transpose()
}
