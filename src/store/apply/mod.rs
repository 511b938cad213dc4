//! Holding a lab file against the store, and bringing the store to it: all or nothing.
//!
//! Every row is read, changed in memory where the file says something else, and written only if that made a difference;
//! so the same file twice changes nothing, and a dry run is the same work taken back. What is not in the file is left
//! alone, and so is what a device's machine knows: its state is the machine's business.

mod devices;
mod things;

use super::cells::limits_text;
use super::changes::{self, News};
use super::conn::{Conn, Doing, Then, args};
use super::{Bell, ChangeKind, ChangeWhat, Result, StoreError, sql};
use crate::lab::{Change, Exists, Fate, Kind, Lab, LabError, Place, Problem};
use crate::logic::catalog::TimeLimits;
use crate::logic::time::Timestamp;

const DOING: &str = "apply the lab file";
/// Longest value that a change is told with; more is cut.
const SHOWN: usize = 60;

/// See [`super::Store::apply_lab`].
pub(super) fn lab<C: Conn>(
    c: &mut C,
    bell: &Bell,
    lab: &Lab,
    dry_run: bool,
    now: Timestamp,
) -> Result<Vec<Change>> {
    changes::telling(c, bell, DOING, |c, news| {
        Ok((within(c, news, lab, now)?, if dry_run { Then::Undo } else { Then::Commit }))
    })
}

/// The rows of `lab` as a part of a greater change.
pub(super) fn within<C: Conn>(c: &mut C, news: &mut News, lab: &Lab, now: Timestamp) -> Result<Vec<Change>> {
    let mut apply = Apply { c, news, lab, now, changes: Vec::new() };
    apply.all()?;
    Ok(apply.changes)
}

struct Apply<'a, C> {
    c: &'a mut C,
    news: &'a mut News,
    lab: &'a Lab,
    now: Timestamp,
    changes: Vec<Change>,
}

/// Collects the differences of one row.
struct Diff {
    kind: Kind,
    name: String,
    fresh: bool,
    lines: Vec<String>,
}

impl Diff {
    /// Puts what the file says into `slot`, if it says something and something else.
    fn set<T: PartialEq>(
        &mut self,
        field: &str,
        slot: &mut T,
        wanted: Option<T>,
        show: impl Fn(&T) -> String,
    ) {
        if let Some(wanted) = wanted
            && *slot != wanted
        {
            let (kind, name) = (self.kind.label(), &self.name);
            self.lines.push(format!("{kind} {name}: {field} {} -> {}", show(slot), show(&wanted)));
            *slot = wanted;
        }
    }

    fn text(&mut self, field: &str, slot: &mut String, wanted: Option<&String>) {
        self.set(field, slot, wanted.cloned(), |t| shown(t));
    }

    fn flag(&mut self, field: &str, slot: &mut bool, wanted: Option<bool>) {
        self.set(field, slot, wanted, bool::to_string);
    }

    fn texts(&mut self, field: &str, slot: &mut Vec<String>, wanted: Option<&Vec<String>>) {
        self.set(field, slot, wanted.cloned(), |l| shown(&l.join(", ")));
    }

    fn limits(&mut self, slot: &mut TimeLimits, wanted: Option<&TimeLimits>) {
        self.set("limits", slot, wanted.cloned(), |l| shown(&limits_text(l)));
    }

    /// Whether the row must be written; what changed goes to `changes`.
    fn finish(self, changes: &mut Vec<Change>) -> bool {
        if self.fresh {
            changes.push(Change::whole(self.kind, &self.name, Fate::New));
            return true;
        }
        let differs = !self.lines.is_empty();
        changes.extend(self.lines.into_iter().map(|text| Change::part(self.kind, &self.name, text)));
        differs
    }
}

/// A value on one line, not too long.
fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(SHOWN).collect();
    match cut.len() < text.len() {
        true => format!("{cut}…"),
        false if cut.is_empty() => "(nothing)".into(),
        false => cut,
    }
}

impl<C: Conn> Apply<'_, C> {
    /// Begins the differences of a row; an error when it should be there and is not, or the other way round.
    fn diff(&self, kind: Kind, name: &str, fresh: bool) -> Result<Diff> {
        let name = name.to_owned();
        match (self.lab.exists, fresh) {
            (Exists::No, false) => Err(StoreError::ThereAlready { kind, name }),
            (Exists::Yes, true) => Err(StoreError::NotThere { kind, name }),
            _ => Ok(Diff { kind, name, fresh, lines: Vec::new() }),
        }
    }

    /// In the order in which rows refer to each other.
    fn all(&mut self) -> Result<()> {
        let lab = self.lab;
        self.servers()?;
        self.hardware_types()?;
        self.pxe_configs()?;
        for image in &lab.images {
            self.image(image)?;
        }
        self.matrix()?;
        self.relay_boards()?;
        self.devices()
    }

    /// Tells of a row that was written.
    fn tell(&mut self, kind: ChangeKind, name: &str, fresh: bool) {
        let what = if fresh { ChangeWhat::Created } else { ChangeWhat::Changed };
        self.news.thing(self.now, kind, name, what);
    }

    fn refuse(&self, line: usize, row: String, field: &'static str, problem: Problem) -> StoreError {
        let at = Box::new(Place { origin: self.lab.origin.clone(), line, row, field });
        StoreError::Lab(LabError { at, problem })
    }

    /// The server that a row names, or the one that new rows get.
    fn server_or_default(&self, named: Option<&String>, line: usize, row: String) -> Result<String> {
        match named {
            Some(name) => Ok(name.clone()),
            None if !self.lab.default_server.is_empty() => Ok(self.lab.default_server.clone()),
            None => Err(self.refuse(line, row, "imaging_server", Problem::NoServer)),
        }
    }

    /// Servers that rows name are made known; their URL comes when they register themselves.
    fn servers(&mut self) -> Result<()> {
        let of_devices = self.lab.devices.iter().filter_map(|d| d.imaging_server.as_ref());
        let of_boards = self.lab.relay_boards.iter().filter_map(|b| b.imaging_server.as_ref());
        let mut names: Vec<&String> = of_devices.chain(of_boards).collect();
        let defaulted = self.lab.devices.iter().any(|d| d.imaging_server.is_none())
            || self.lab.relay_boards.iter().any(|b| b.imaging_server.is_none());
        if defaulted && !self.lab.default_server.is_empty() {
            names.push(&self.lab.default_server);
        }
        names.sort();
        names.dedup();
        for name in names {
            if self.c.query_one(sql::SERVER, args![name]).doing(DOING)?.is_none() {
                self.c.exec(sql::SERVER_INSERT, args!["", name]).doing(DOING)?;
                let text = format!("imaging server {name}: new");
                self.changes.push(Change {
                    kind: "imaging_server",
                    name: name.clone(),
                    fate: Fate::New,
                    text,
                });
                self.tell(ChangeKind::Server, name, true);
            }
        }
        Ok(())
    }
}
