//! Lines of one device's log: from the end, before a place, behind a place; with a text in them.
//!
//! Two tables hold them: what the machines say has a row per line, what boards say lies in pieces (`chunk`). Both are read a
//! little at a time and merged by time, so that the last hundred lines of a million cost a hundred. The text is looked for
//! here and not by the database: what is a letter's other case is then no matter of the database's kind or collation.

use super::cells::{Cells, readable};
use super::chunk::{self, chunk_of, last_of};
use super::conn::{Conn, Doing, Row, args};
use super::logs::{at_most, decode, oldest_first};
use super::rows::{Behind, LogFrom, LogLine, LogPage, LogSearch, Place};
use super::{Result, sql};
use crate::logic::time::Timestamp;
use std::collections::VecDeque;

const READ: &str = "read a log";
/// What reading a row costs beside its text, in bytes that could be looked at meanwhile: a board that says a line now and then has
/// as many pieces as lines. A million lines in full pieces took 1.6 s without optimization, one by one 6 s.
const ROW_BYTES: usize = 512;
/// How much one search may take, in bytes of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// That it looks at.
    pub(super) looked_at: usize,
    /// That it finds.
    pub(super) answer: usize,
}

impl Bounds {
    /// For calls from outside. A larger log is searched by several, each from where the last one ended: a fraction of a second,
    /// and an answer that fits in memory some times over.
    pub(super) const CALL: Self = Self { looked_at: 256 << 20, answer: 16 << 20 };
    /// For whoever wants all and knows what he does.
    pub(super) const NONE: Self = Self { looked_at: usize::MAX, answer: usize::MAX };
}

/// Rows read at once, at first and at most.
const ROWS: (usize, usize) = (64, 1024);
/// Pieces read at once, at first and at most: four megabytes.
const PIECES: (usize, usize) = (2, 64);

pub(super) fn search<C: Conn>(c: &mut C, name: &str, search: &LogSearch, bounds: Bounds) -> Result<LogPage> {
    let Some(device) = number(c, sql::DEVICE_ID, args![name])? else { return Ok(LogPage::default()) };
    let row = number(c, sql::DEVICE_LOG_LAST, args![device])?.unwrap_or(0);
    let line = number(c, sql::CHUNK_LAST, args![device])?.map_or(0, last_of);
    let last = Place { row, line };
    let (from, forward) = match search.from {
        LogFrom::End => (Place { row: row + 1, line: line + 1 }, false),
        LogFrom::Before(place) => (place, false),
        LogFrom::After(place) => (place, true),
    };
    let wanted = Wanted {
        device,
        forward,
        since: search.since.unwrap_or(Timestamp(i64::MIN)),
        text: Needle::new(&search.text),
        looked_at_max: bounds.looked_at,
    };
    let limit = search.limit.unwrap_or(usize::MAX);
    let mut rows = Source::new(from.row, ROWS);
    let mut pieces = Source::new(from.line, PIECES);
    let mut lines = Vec::new();
    let (mut cut, mut bytes) = (false, 0);
    loop {
        // Whether there is one more is not worth a look at all the rest of a log.
        if lines.len() == limit && !wanted.text.is_empty() {
            cut = !(rows.is_exhausted() && pieces.is_exhausted());
            break;
        }
        rows.fill(&wanted, |source| read_rows(c, source, &wanted))?;
        pieces.fill(&wanted, |source| read_pieces(c, source, &wanted))?;
        let row_first = match (rows.ahead.front(), pieces.ahead.front()) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(row), Some(line)) if forward => row.line.at <= line.line.at,
            (Some(row), Some(line)) => row.line.at > line.line.at,
        };
        if lines.len() == limit || bytes > bounds.answer {
            cut = true;
            break;
        }
        // Whoever had to stop has perhaps what belongs between these.
        if rows.stopped || pieces.stopped {
            break;
        }
        let line = if row_first { rows.take() } else { pieces.take() };
        bytes += line.as_ref().map_or(0, |l| l.message.len());
        lines.extend(line);
    }
    let more = cut || rows.stopped || pieces.stopped;
    let reached = Place { row: rows.reached(forward), line: pieces.reached(forward) };
    let page = if forward {
        LogPage {
            lines,
            before: Place { row: behind_it(from.row), line: behind_it(from.line) },
            after: reached,
            more,
        }
    } else {
        let after = match search.from {
            LogFrom::End => last,
            _ => Place { row: before_it(from.row), line: before_it(from.line) },
        };
        LogPage { lines: oldest_first(lines), before: reached, after, more }
    };
    Ok(sorted(page))
}

/// The number before, as long as a place can name it: none is below zero.
fn before_it(number: i64) -> i64 {
    number.saturating_sub(1).max(0)
}

/// The next number, as long as a place can name it: eighteen digits.
fn behind_it(number: i64) -> i64 {
    number.saturating_add(1).min(999_999_999_999_999_999)
}

/// Lines come from the network a moment late, and one may stand behind what the machine said after it.
fn sorted(mut page: LogPage) -> LogPage {
    page.lines.sort_by_key(|l| l.at);
    page
}

pub(super) fn behind<C: Conn>(c: &mut C, name: &str, place: Place) -> Result<Option<Behind>> {
    let Some(device) = number(c, sql::DEVICE_ID, args![name])? else { return Ok(None) };
    let passed = args![device, chunk_of(place.line)];
    let Some(row) = c.query_one(sql::CHUNKS_BEHIND, passed).doing(READ)? else { return Ok(None) };
    let mut cells = Cells::new("device_log_chunks", row);
    let (lines, bytes, last) = (cells.int("lines")?, cells.int("bytes")?, cells.int("id")?);
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let line = if last > 0 { last_of(last - 1).max(place.line) } else { place.line };
    Ok(Some(Behind { lines: count(lines), bytes: count(bytes), near_end: Place { line, ..place } }))
}

fn number<C: Conn>(c: &mut C, sql: &'static str, args: &[super::conn::Value]) -> Result<Option<i64>> {
    c.query_one(sql, args).doing(READ)?.map(|row| Cells::new("device_logs", row).int("id")).transpose()
}

struct Wanted {
    device: i64,
    forward: bool,
    since: Timestamp,
    text: Needle,
    looked_at_max: usize,
}

/// A line, and its number in its table.
struct Ahead {
    number: i64,
    line: LogLine,
}

/// One of the two tables, read in one direction.
struct Source {
    /// What was read and not yet taken.
    ahead: VecDeque<Ahead>,
    /// Everything up to here was read: lines on the other side of this number are next.
    at: i64,
    /// How much is read at once, and at most.
    portion: usize,
    portion_max: usize,
    looked_at: usize,
    done: bool,
    /// It had looked at enough for one time.
    stopped: bool,
}

impl Source {
    fn new(at: i64, (portion, portion_max): (usize, usize)) -> Self {
        let ahead = VecDeque::new();
        Self { ahead, at, portion, portion_max, looked_at: 0, done: false, stopped: false }
    }

    /// Reads until a line is there, or there are none.
    fn fill(&mut self, wanted: &Wanted, mut read: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        while self.ahead.is_empty() && !self.done && !self.stopped {
            if self.looked_at > wanted.looked_at_max {
                self.stopped = true;
                return Ok(());
            }
            read(self)?;
            self.portion = (self.portion * 4).min(self.portion_max);
        }
        Ok(())
    }

    /// It has no line in hand, and there is none to be read.
    fn is_exhausted(&self) -> bool {
        self.ahead.is_empty() && self.done
    }

    fn take(&mut self) -> Option<LogLine> {
        self.ahead.pop_front().map(|a| a.line)
    }

    /// Where this direction goes on: before or behind which number.
    fn reached(&self, forward: bool) -> i64 {
        match self.ahead.front() {
            Some(next) if forward => next.number - 1,
            Some(next) => next.number + 1,
            None => self.at,
        }
    }
}

fn read_rows<C: Conn>(c: &mut C, source: &mut Source, wanted: &Wanted) -> Result<()> {
    let sql = if wanted.forward { sql::DEVICE_LOG_AFTER } else { sql::DEVICE_LOG_BEFORE };
    let args = args![wanted.device, source.at, wanted.since, at_most(Some(source.portion))];
    let rows = c.query(sql, args).doing(READ)?;
    source.done = rows.len() < source.portion;
    let begin = source.at;
    for line in readable(rows, |row| decode("device_logs", row)) {
        source.at = line.id;
        source.looked_at += ROW_BYTES + line.message.len();
        if wanted.text.is_in(&line.message) {
            source.ahead.push_back(Ahead { number: line.id, line });
        }
    }
    // Rows of which none can be read are the end: asking again would bring the same ones.
    source.done |= source.at == begin;
    Ok(())
}

fn read_pieces<C: Conn>(c: &mut C, source: &mut Source, wanted: &Wanted) -> Result<()> {
    let (sql, first) = match wanted.forward {
        true => (sql::CHUNKS_AFTER, chunk_of(source.at.saturating_add(1))),
        false => (sql::CHUNKS_BEFORE, chunk_of(source.at.saturating_sub(1))),
    };
    let args = args![wanted.device, first, wanted.since, at_most(Some(source.portion))];
    let rows = c.query(sql, args).doing(READ)?;
    source.done = rows.len() < source.portion;
    let pieces = readable(rows, |Row(cells)| {
        let mut c = Cells::new("device_log_chunks", Row(cells));
        Ok((c.int("id")?, c.time("first_at")?, c.text("text")?))
    });
    source.done |= pieces.is_empty();
    for (id, first_at, text) in pieces {
        let begin = source.at;
        source.at = if wanted.forward { last_of(id) } else { last_of(id - 1) + 1 };
        source.looked_at += ROW_BYTES + text.len();
        if !wanted.text.may_be_in(&text) {
            continue;
        }
        let is_new = |number: i64| if wanted.forward { number > begin } else { number < begin };
        let found = chunk::lines(id, first_at, &text)
            .filter(|l| is_new(l.number) && l.at >= wanted.since && wanted.text.is_in(l.message))
            .map(|l| Ahead {
                number: l.number,
                line: LogLine {
                    id: chunk::FIRST_LINE_ID + l.number,
                    at: l.at,
                    source: "syslog".to_owned(),
                    message: l.message.to_owned(),
                },
            });
        if wanted.forward {
            source.ahead.extend(found);
        } else {
            let mut found: Vec<Ahead> = found.collect();
            found.reverse();
            source.ahead.extend(found);
        }
    }
    Ok(())
}

/// A text that is looked for, whatever the case of its letters.
struct Needle {
    lower: String,
}

impl Needle {
    fn new(text: &str) -> Self {
        Self { lower: text.to_lowercase() }
    }

    fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    fn is_in(&self, text: &str) -> bool {
        if self.lower.is_empty() {
            return true;
        }
        if text.is_ascii() {
            // What is not ASCII may have an ASCII lower case (the Kelvin sign), but not the other way round.
            return self.lower.is_ascii() && contains_ascii(text.as_bytes(), self.lower.as_bytes());
        }
        text.to_lowercase().contains(&self.lower)
    }

    /// Quickly, of many lines: false means that none of them has it.
    fn may_be_in(&self, text: &str) -> bool {
        self.lower.is_empty() || !text.is_ascii() || self.is_in(text)
    }
}

/// `lower` is lower case already.
fn contains_ascii(text: &[u8], lower: &[u8]) -> bool {
    let [first, rest @ ..] = lower else { return true };
    let (a, b) = (*first, first.to_ascii_uppercase());
    let mut text = text;
    while let Some(at) = text.iter().position(|c| *c == a || *c == b) {
        text = text.get(at + 1..).unwrap_or_default();
        match text.get(..rest.len()) {
            Some(here) if here.eq_ignore_ascii_case(rest) => return true,
            Some(_) => {}
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_whatever_its_case() {
        for (needle, text, want) in [
            ("", "x", true),
            ("ERR", "an error", true),
            ("err", "AN ERROR", true),
            ("abc", "aabc", true),
            ("abc", "ab", false),
            ("abc", "ab abd", false),
            ("b", "abc", true),
            ("grün", "GRÜN", true),
            ("grün", "grun", false),
            ("GR", "größer", true),
            ("%", "100 %", true),
            ("_", "abc", false),
        ] {
            assert_eq!(Needle::new(needle).is_in(text), want, "{needle:?} in {text:?}");
            assert!(!want || Needle::new(needle).may_be_in(text), "{needle:?} in {text:?}");
        }
    }

    use crate::store::chunk::LogChunk;
    use crate::store::sqlite::Sqlite;
    use crate::store::{logs, migrate};

    /// A log of forty lines in twenty pieces, and a line of the machine behind each piece; every tenth line has an `x`.
    fn log(name: &str) -> Sqlite {
        let mut c = Sqlite::open_memory(name).unwrap();
        migrate::to_latest(&mut c).unwrap();
        let device = "INSERT INTO devices (name, fqdn, imaging_server, relay_info, environment, hardware_id, processor, tags, \
            comments, inventory_id, state, epoch, state_since, counters, vanished, self_testing, failures) \
            VALUES ('a', '', '', '', '', NULL, '', '[]', '', 0, 'ready', 1, 0, '{}', 0, 0, '[]')";
        c.batch("PRAGMA foreign_keys = OFF").unwrap();
        c.batch(device).unwrap();
        for n in 0..20 {
            let mut chunk = LogChunk::new("a".into(), Timestamp(10 * n));
            for at in [10 * n, 10 * n + 1] {
                chunk.push(Timestamp(at), if at % 50 == 0 { "an x" } else { "nothing" });
            }
            logs::append_chunks(&mut c, &[chunk], true).unwrap();
            logs::append_device(&mut c, &"a".into(), Timestamp(10 * n + 5), logs::MACHINE, "no").unwrap();
        }
        c
    }

    fn ask(c: &mut Sqlite, text: &str, limit: usize, from: LogFrom, bounds: Bounds) -> LogPage {
        let asked = LogSearch { since: None, text: text.into(), limit: Some(limit), from };
        search(c, "a", &asked, bounds).unwrap()
    }

    #[test]
    fn a_search_that_has_looked_at_enough_goes_on_where_it_stopped() {
        let mut c = log("enough");
        for (bounds, least) in [
            (Bounds { looked_at: 40, ..Bounds::NONE }, 2),
            (Bounds { answer: 5, ..Bounds::NONE }, 2),
            (Bounds { looked_at: 0, answer: 0 }, 3),
        ] {
            for forward in [false, true] {
                let mut from = if forward { LogFrom::After(Place::default()) } else { LogFrom::End };
                let (mut times, mut calls) = (Vec::new(), 0);
                loop {
                    let page = ask(&mut c, "X", 100, from, bounds);
                    times.extend(page.lines.iter().rev().map(|l| l.at.0));
                    from = if forward { LogFrom::After(page.after) } else { LogFrom::Before(page.before) };
                    calls += 1;
                    assert!(calls < 100, "it comes to an end");
                    if !page.more {
                        break;
                    }
                }
                times.sort_unstable();
                assert_eq!(times, [0, 50, 100, 150], "{bounds:?} {forward}");
                assert!(calls >= least, "{calls} calls: {bounds:?} {forward}");
            }
        }
        // Cut while lines of the other kind wait: none is passed over, and the order stays.
        let bounds = Bounds { looked_at: 1, ..Bounds::NONE };
        let (mut from, mut times) = (LogFrom::End, Vec::new());
        loop {
            let page = ask(&mut c, "n", 100, from, bounds);
            times.splice(0..0, page.lines.iter().map(|l| l.at.0));
            from = LogFrom::Before(page.before);
            if !page.more {
                break;
            }
        }
        assert_eq!(times.len(), 60);
        assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn a_search_that_has_its_lines_looks_no_further() {
        let mut c = log("further");
        let page = ask(&mut c, "x", 2, LogFrom::End, Bounds::NONE);
        assert_eq!((page.lines.len(), page.lines[0].at.0, page.more), (2, 100, true));
        // Ten pieces were read, two and eight at a time, and not the sixth, with the line before these.
        assert_eq!(chunk_of(page.before.line), 11, "{}", page.before);
        let page = ask(&mut c, "x", 4, LogFrom::After(Place::default()), Bounds::NONE);
        assert_eq!(page.lines.len(), 4);
    }
}
