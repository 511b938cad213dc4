//! Changes: numbered and written in the transaction that makes them, read in their order, and how they are kept from
//! growing for ever.
//!
//! The counter's row is the last thing that a transaction takes before it commits, and it is locked until then: so the
//! order of the numbers is the order of the commits, and whoever sees a number sees all before it.

mod bell;
mod row;

pub use bell::Bell;
pub use row::{
    Change, ChangeData, ChangeKind, ChangeWhat, ChangesPage, DeviceGone, DeviceNews, LastChanges, RequestNews,
};

use super::cells::Cells;
use super::conn::{Conn, Doing, Row, Then, args};
use super::{Result, StoreError, logs, sql, tally};
use crate::logic::ids::RequestId;
use crate::logic::time::Timestamp;

/// Changes that are kept: some forty seconds at the highest rate, days on a usual one, and about forty megabytes. Whoever
/// has missed more reads the lists again, which is less work than so many changes.
pub const CHANGES_KEPT: u64 = 200_000;
/// The oldest beyond them are deleted when so many have come together: some milliseconds of one commit in a thousand.
const DROP_AT_ONCE: u64 = 1000;
/// Longest text of a change, in characters. Who asks for a board may write a mebibyte as their name; a change is to be small.
const TEXT_MAX: usize = 200;
/// The counter's row for all kinds.
const ALL: &str = "all";
const READ: &str = "read changes";
const WRITE: &str = "write changes";

/// What a transaction changes, collected until it commits.
#[derive(Debug, Default)]
pub(super) struct News(Vec<Told>);

#[derive(Debug)]
struct Told {
    at: Timestamp,
    kind: ChangeKind,
    subject: String,
    what: ChangeWhat,
    data: ChangeData,
}

impl News {
    /// Something happened.
    pub(super) fn tell(
        &mut self,
        at: Timestamp,
        kind: ChangeKind,
        subject: impl Into<String>,
        what: ChangeWhat,
        data: ChangeData,
    ) {
        let mut data = data;
        data.cut(TEXT_MAX);
        self.0.push(Told { at, kind, subject: subject.into(), what, data });
    }

    /// Something that has no news beyond its name was made or changed. Told once per transaction.
    pub(super) fn thing(&mut self, at: Timestamp, kind: ChangeKind, subject: &str, what: ChangeWhat) {
        if !self.0.iter().any(|t| t.kind == kind && t.subject == subject) {
            self.tell(at, kind, subject, what, ChangeData::Nothing);
        }
    }

    /// A device is as it is stored now. Nothing is told of one that is gone.
    pub(super) fn device<C: Conn>(
        &mut self,
        c: &mut C,
        at: Timestamp,
        name: &str,
        what: ChangeWhat,
    ) -> Result<()> {
        if let Some(seen) = DeviceSeen::read(c, name)? {
            self.tell(at, ChangeKind::Device, name, what, ChangeData::Device(seen.news));
        }
        Ok(())
    }
}

/// What others can see of a device, to tell whether a commit changes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeviceSeen {
    pub(super) news: DeviceNews,
    /// The parts that are seen and are no news by themselves: since when, boot configs.
    pub(super) rest: [Option<String>; 5],
}

impl DeviceSeen {
    /// When it entered its state.
    pub(super) fn since(&self) -> Timestamp {
        let since = self.rest.first().and_then(Option::as_ref).and_then(|ms| ms.parse().ok());
        Timestamp(since.unwrap_or_default())
    }

    pub(super) fn read<C: Conn>(c: &mut C, name: &str) -> Result<Option<Self>> {
        let Some(row) = c.query_one(sql::DEVICE_SEEN, args![name]).doing(READ)? else { return Ok(None) };
        let mut c = Cells::new("devices", row);
        let news = DeviceNews {
            state: c.text("state")?,
            was: None,
            environment: c.text("environment")?,
            request: c.opt_int("claims.request_id")?,
            image: c.opt_text("installed_image")?,
            next_image: c.opt_text("next_image")?,
            progress: c.opt_int("progress")?.and_then(|n| u8::try_from(n).ok()),
        };
        let since = Some(c.int("state_since")?.to_string());
        let installed_config = c.opt_text("installed_config")?;
        let next_config = c.opt_text("next_config")?;
        let boot_pxe_config = c.opt_text("boot_pxe_config")?;
        let boot_config = c.opt_text("boot_config")?;
        Ok(Some(Self { news, rest: [since, installed_config, next_config, boot_pxe_config, boot_config] }))
    }
}

/// What others can see of a request before a commit.
#[derive(Debug)]
pub(super) struct RequestSeen {
    pub(super) news: RequestNews,
}

impl RequestSeen {
    pub(super) fn read<C: Conn>(c: &mut C, id: RequestId) -> Result<Option<Self>> {
        let Some(row) = c.query_one(sql::REQUEST_SEEN, args![id.0]).doing(READ)? else { return Ok(None) };
        let mut c = Cells::new("requests", row);
        let news = RequestNews {
            state: c.text("state")?,
            was: None,
            expires: c.int("expires")?,
            assignee: c.text("assignee")?,
            device: c.opt_text("devices.name")?,
            was_device: None,
        };
        Ok(Some(Self { news }))
    }
}

/// Does `work` in one transaction, writes what it told, and rings the bell once that is on disk.
pub(super) fn telling<C: Conn, T>(
    c: &mut C,
    bell: &Bell,
    doing: &'static str,
    mut work: impl FnMut(&mut C, &mut News) -> Result<(T, Then)>,
) -> Result<T> {
    let (value, last) = c.transaction(doing, |c| {
        let mut news = News::default();
        let (value, then) = work(c, &mut news)?;
        let last = if then == Then::Commit { write(c, &news)? } else { None };
        Ok(((value, last), then))
    })?;
    if let Some(last) = last {
        bell.ring(&last);
    }
    Ok(value)
}

/// Gives numbers and writes the rows; `None` when there is nothing to tell.
fn write<C: Conn>(c: &mut C, News(told): &News) -> Result<Option<LastChanges>> {
    let Some(count) = u64::try_from(told.len()).ok().filter(|n| *n > 0) else { return Ok(None) };
    let missing = || StoreError::Corrupt { what: "table change_counts has no row `all`".into() };
    tally::counts();
    if c.exec(sql::CHANGES_COUNT, args![number(count), ALL]).doing(WRITE)? == 0 {
        return Err(missing());
    }
    let row = c.query_one(sql::CHANGES_LAST_OF, args![ALL]).doing(WRITE)?.ok_or_else(missing)?;
    let all = read_number(&mut Cells::new("change_counts", row), "last")?;
    let before = all.saturating_sub(count);
    let mut last = LastChanges { all, ..LastChanges::default() };
    for (seq, Told { at, kind, subject, what, data }) in (before + 1..).zip(told) {
        let args = args![number(seq), *at, kind.name(), subject, what.name(), data.text()];
        c.exec(sql::CHANGE_INSERT, args).doing(WRITE)?;
        last.of[*kind as usize] = seq;
    }
    for kind in ChangeKind::ALL.into_iter().filter(|k| last.of_kind(*k) > 0) {
        c.exec(sql::CHANGES_SET_LAST, args![number(last.of_kind(kind)), kind.name()]).doing(WRITE)?;
    }
    if all / DROP_AT_ONCE != before / DROP_AT_ONCE
        && let Some(beyond) = all.checked_sub(CHANGES_KEPT)
    {
        c.exec(sql::CHANGES_DROP, args![number(beyond)]).doing(WRITE)?;
    }
    Ok(Some(last))
}

/// The last numbers that were given.
pub(super) fn last<C: Conn>(c: &mut C) -> Result<LastChanges> {
    let mut last = LastChanges::default();
    for row in c.query(sql::CHANGES_LAST, &[]).doing(READ)? {
        let mut cells = Cells::new("change_counts", row);
        let (kind, n) = (cells.text("kind")?, read_number(&mut cells, "last")?);
        match ChangeKind::parse(&kind) {
            Some(kind) => last.of[kind as usize] = n,
            None if kind == ALL => last.all = n,
            None => {}
        }
    }
    Ok(last)
}

/// At most `limit` changes after the number `after`. The rows are read first: whatever else is committed or deleted in the
/// meantime, they have no gap, and what the other two numbers say of them is true.
pub(super) fn page<C: Conn>(c: &mut C, after: u64, limit: usize) -> Result<ChangesPage> {
    let rows = c.query(sql::CHANGES, args![number(after), logs::at_most(Some(limit))]).doing(READ)?;
    let seen = match rows.last() {
        Some(row) => read_number(&mut Cells::new("changes", row.clone()), "seq")?,
        None => after,
    };
    let changes = super::cells::readable(rows, decode);
    let oldest = c.query_one(sql::CHANGES_OLDEST, &[]).doing(READ)?;
    let last = last(c)?.all;
    let oldest = match oldest {
        Some(row) => read_number(&mut Cells::new("changes", row), "seq")?,
        None => last + 1,
    };
    Ok(ChangesPage { changes, seen, oldest, last })
}

/// Deletes at most `limit` of the oldest changes that were made before `before`; says how many. Only a beginning is ever
/// deleted, also when the clock was wrong for a while, so that what is kept has no gap.
pub(super) fn delete_old<C: Conn>(c: &mut C, before: Timestamp, limit: usize) -> Result<usize> {
    const DOING: &str = "delete old changes";
    let rows = c.query(sql::CHANGES_BEGINNING, args![logs::at_most(Some(limit))]).doing(DOING)?;
    let mut old = Vec::new();
    for row in rows {
        let mut cells = Cells::new("changes", row);
        let (seq, at) = (cells.int("seq")?, cells.time("at")?);
        if at >= before {
            break;
        }
        old.push(seq);
    }
    if let Some(seq) = old.last() {
        c.exec(sql::CHANGES_DROP, args![*seq]).doing(DOING)?;
    }
    Ok(old.len())
}

fn decode(row: Row) -> Result<Change> {
    let mut c = Cells::new("changes", row);
    let seq = read_number(&mut c, "seq")?;
    let at = c.time("at")?;
    let name = c.text("kind")?;
    let kind = ChangeKind::parse(&name).ok_or_else(|| c.corrupt("kind", &name))?;
    let subject = c.text("subject")?;
    let name = c.text("what")?;
    let what = ChangeWhat::parse(&name).ok_or_else(|| c.corrupt("what", &name))?;
    let data = ChangeData::parse(kind, what, &c.text("data")?);
    Ok(Change { seq, at, kind, subject, what, data })
}

/// A number as the database has it; it has none so large that this would not hold it.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn read_number(c: &mut Cells, column: &str) -> Result<u64> {
    c.small(column)
}
