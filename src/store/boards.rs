//! The search for free devices: by kind, through one index, and never device by device.
//!
//! Nothing here knows what a request wants: which kinds will do is the machine's to say (`logic::mozpool::kind_fits`).

use super::cells::{Cells, readable};
use super::conn::{Conn, Doing, Row, Then, Value, args};
use super::rows::FreeKind;
use super::{Result, admin, devices, logs, sql, tally};
use crate::logic::ids::{DeviceName, HardwareId, RequestId};
use crate::logic::mozpool::{Board, Kind};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const READ: &str = "search for free devices";

/// Steps from kind to kind before the rest is walked over: each costs some microseconds, which a lab of tens of kinds does
/// not notice, and a lab that gives every device tags of its own would.
const KIND_STEPS: usize = 256;

/// Greater than every lot, which have 31 bits.
const NO_LOT: i64 = 1 << 31;

/// Names of hardware types, and kinds that were made already.
struct Kinds {
    hardware: HashMap<i64, (String, String)>,
    known: HashMap<(String, Option<i64>, String, String), Arc<Kind>>,
}

impl Kinds {
    fn new<C: Conn>(c: &mut C) -> Result<Self> {
        let hardware = admin::hardware(c)?.into_iter().map(|h| (h.id.0, (h.kind, h.model))).collect();
        Ok(Self { hardware, known: HashMap::new() })
    }

    /// Reads the next cells: environment, hardware, processor, tags. Also gives the tags as they are stored.
    fn read(&mut self, c: &mut Cells) -> Result<(Arc<Kind>, String)> {
        let (environment, hardware) = (c.text("environment")?, c.opt_int("hardware_id")?);
        let (processor, tags_text) = (c.text("processor")?, c.text("tags")?);
        let key = (environment, hardware, processor, tags_text);
        if let Some(kind) = self.known.get(&key) {
            return Ok((kind.clone(), key.3));
        }
        let tags: Vec<String> = serde_json::from_str(&key.3)
            .map_err(|_| c.corrupt("tags", &format!("expected a JSON list of texts, found `{}`", key.3)))?;
        let (hardware_type, hardware_model) =
            hardware.and_then(|id| self.hardware.get(&id).cloned()).unwrap_or_default();
        let kind = Arc::new(Kind {
            environment: key.0.clone(),
            hardware: hardware.map(HardwareId),
            hardware_type,
            hardware_model,
            processor: key.2.clone(),
            tags,
        });
        let tags_text = key.3.clone();
        self.known.insert(key, kind.clone());
        Ok((kind, tags_text))
    }
}

pub(super) fn free_kinds<C: Conn>(c: &mut C) -> Result<Vec<FreeKind>> {
    let mut kinds = Kinds::new(c)?;
    // Before everything: no text is less than an empty one, no number less than this.
    let mut after = args!["", "", i64::MIN, "", "", NO_LOT].to_vec();
    let rows = match C::FREE_KINDS {
        Some(all) => c.query(all, &[]).doing(READ)?,
        None => tally::as_one(|| step_through(c, &mut after))?,
    };
    let read = |row: Row| {
        let mut c = Cells::new("devices", row);
        let image = c.text("free_image")?;
        let (kind, tags_text) = kinds.read(&mut c)?;
        Ok(FreeKind { kind, image, tags_text })
    };
    Ok(readable(rows, read))
}

/// From one kind to the next.
fn step_through<C: Conn>(c: &mut C, after: &mut Vec<Value>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    loop {
        if rows.len() == KIND_STEPS {
            rows.extend(c.query(sql::FREE_KINDS_AFTER, after).doing(READ)?);
            return Ok(rows);
        }
        let Some(row) = c.query_one(sql::FREE_KIND_NEXT, after).doing(READ)? else { return Ok(rows) };
        after.clone_from(&row.0);
        after.push(NO_LOT.into());
        rows.push(row);
    }
}

pub(super) fn free_names<C: Conn>(
    c: &mut C,
    of: &FreeKind,
    start: u32,
    limit: usize,
) -> Result<Vec<DeviceName>> {
    let FreeKind { kind, image, tags_text } = of;
    let hardware = kind.hardware.map(|h| h.0);
    let mut names: Vec<DeviceName> = Vec::new();
    for sql in [sql::FREE_NAMES_FROM, sql::FREE_NAMES_BEFORE] {
        let left = logs::at_most(Some(limit - names.len()));
        let args = args![image, &kind.environment, hardware, &kind.processor, tags_text, start, left];
        let rows = c.query(sql, args).doing(READ)?;
        names.extend(readable(rows, |row| Cells::new("devices", row).text("name").map(Into::into)));
        if names.len() >= limit {
            break;
        }
    }
    Ok(names)
}

pub(super) fn hardware_of_image<C: Conn>(c: &mut C, image: &str) -> Result<HashSet<HardwareId>> {
    let rows = c.query(sql::HARDWARE_OF_IMAGE, args![image]).doing(READ)?;
    let ids = readable(rows, |row| Cells::new("image_pxe_configs", row).int("hardware_id").map(HardwareId));
    Ok(ids.into_iter().collect())
}

pub(super) fn all<C: Conn>(c: &mut C, limit: usize) -> Result<Vec<Board>> {
    let mut kinds = Kinds::new(c)?;
    let mut states: HashMap<String, Arc<str>> = HashMap::new();
    let rows = c.query(sql::BOARDS, args![logs::at_most(Some(limit))]).doing(READ)?;
    let read = |row: Row| {
        let mut c = Cells::new("devices", row);
        let name: DeviceName = c.text("name")?.into();
        let (kind, _) = kinds.read(&mut c)?;
        let state = c.text("state")?;
        let claimed_by = c.opt_int("claims.request_id")?.map(RequestId);
        let state = devices::state_to_search(state, c.opt_text("server_heartbeats.server")?.is_none());
        let state = states.entry(state).or_insert_with_key(|s| s.as_str().into()).clone();
        Ok(Board { name, kind, state, claimed_by })
    };
    Ok(readable(rows, read))
}

pub(super) fn mend_free<C: Conn>(c: &mut C) -> Result<usize> {
    const DOING: &str = "put right which devices are free";
    c.transaction(DOING, |c| Ok((c.exec(sql::DEVICES_MEND_FREE, &[]).doing(DOING)?, Then::Commit)))
}
