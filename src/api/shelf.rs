//! Devices as the API shows them, kept ready in memory for all its threads, so that a read costs no query and a list no
//! encoding.
//!
//! It is never older than what was acknowledged. Every commit rings the store's bell before its caller hears of it; whoever
//! reads here first looks at the bell, and takes in which devices have changed since. Those are read again when they are
//! asked for: a lab in which nothing happens costs nothing, and a busy one only what is looked at. Changes that are missing
//! or unreadable empty the shelf.

use super::types::{DeviceDetails, Devices};
use crate::clock::Timestamp;
use crate::logic::ids::DeviceName;
use crate::store::{self, Bell, ChangeKind, ChangeWhat, DeviceFilter, DeviceView, LastChanges, Store};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Changes that are read at once; a group commit has fewer.
const PAGE: usize = 1000;
/// Behind by more than so many changes, reading everything again is less work.
const BEHIND_MAX: u64 = 20_000;

/// A version of what is shown, for `ETag`: another start of the daemon begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    begun: Timestamp,
    last: u64,
}

impl Version {
    /// As an entity tag (RFC 9110 section 8.8.3). A weak one: what is answered under it may be newer than it says.
    pub fn tag(self) -> String {
        format!("W/\"{:x}-{}\"", self.begun.0, self.last)
    }

    /// Whether an `If-None-Match` (section 13.1.2) names it.
    pub fn is_in(self, if_none_match: &str) -> bool {
        let own = self.tag();
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        if_none_match.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(&own))
    }
}

/// One device.
#[derive(Debug)]
pub struct Shown {
    /// Everything about it but its time limit, which moves unseen.
    pub view: DeviceView,
    /// Its object in a list with details.
    json: Box<str>,
}

/// The bytes of an answer.
pub type Bytes = Arc<[u8]>;

/// See above.
#[derive(Debug)]
pub struct Shelf {
    bell: Arc<Bell>,
    /// Other processes write to this store, too: the bell hears nothing of them.
    shared: bool,
    begun: Timestamp,
    kept: RwLock<Kept>,
    /// Held by whoever reads many devices or builds a list, so that others wait for that and do not do the same.
    building: Mutex<()>,
}

/// How far the shelf was when somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    version: u64,
    seen: u64,
    emptied: u64,
}

/// Why a device is to be read again.
#[derive(Debug, Clone, Copy)]
struct Stale {
    /// The last change.
    seq: u64,
    /// Only its machine has moved: it is the same device, and belongs to the same server.
    moved_only: bool,
}

#[derive(Debug, Default)]
struct Kept {
    /// How often it was emptied: what was read before that must not come in after it.
    emptied: u64,
    /// Every change up to this number is taken in; `None`: nothing is here.
    seen: Option<u64>,
    /// The last of them that concerned what is kept here.
    version: u64,
    devices: BTreeMap<DeviceName, Arc<Shown>>,
    /// To be read again.
    stale: HashMap<DeviceName, Stale>,
    /// `devices` and `stale` together have all there are.
    complete: bool,
    details: Option<(u64, Bytes)>,
    names: Option<(u64, Bytes)>,
    requests: HashMap<bool, (u64, Bytes)>,
}

impl Kept {
    fn empty(&mut self, last: u64) {
        let emptied = self.emptied + 1;
        *self = Self { emptied, seen: Some(last), version: last, ..Self::default() };
    }

    fn mark(&self, seen: u64) -> Mark {
        Mark { version: self.version, seen, emptied: self.emptied }
    }

    /// What was read after `mark`; `None`: there is no such device.
    fn put(&mut self, name: &DeviceName, shown: Option<Arc<Shown>>, mark: Mark) {
        // Changed again in the meantime, or emptied: what was read may be older than that.
        if self.emptied != mark.emptied || self.stale.get(name).is_some_and(|s| s.seq > mark.seen) {
            return;
        }
        self.stale.remove(name);
        match shown {
            Some(shown) => self.devices.insert(name.clone(), shown),
            None => self.devices.remove(name),
        };
    }
}

impl Shelf {
    /// An empty one. `shared`: other processes write to this store, too. `now`: tells one start from another.
    pub fn new(bell: Arc<Bell>, shared: bool, now: Timestamp) -> Self {
        Self { bell, shared, begun: now, kept: RwLock::default(), building: Mutex::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last change of these kinds that anybody can have heard of.
    fn last(&self, store: &mut dyn Store, kinds: &[ChangeKind]) -> store::Result<u64> {
        let stored: LastChanges;
        let of: &dyn Fn(ChangeKind) -> u64 = if self.shared {
            stored = store.last_changes()?;
            &|kind| stored.of_kind(kind)
        } else {
            &|kind| self.bell.last_of(kind)
        };
        Ok(kinds.iter().map(|kind| of(*kind)).max().unwrap_or_default())
    }

    /// Takes in what has changed.
    fn catch_up(&self, store: &mut dyn Store) -> store::Result<Mark> {
        // A device's details name its hardware type, and say whether its imaging server lives.
        let concerns = [ChangeKind::Device, ChangeKind::HardwareType, ChangeKind::Server];
        let wanted = self.last(store, &concerns)?;
        {
            let kept = self.read();
            if let Some(seen) = kept.seen.filter(|seen| *seen >= wanted) {
                return Ok(kept.mark(seen));
            }
        }
        let mut kept = self.write();
        loop {
            let Some(seen) = kept.seen.filter(|seen| wanted.saturating_sub(*seen) <= BEHIND_MAX) else {
                kept.empty(wanted);
                continue;
            };
            if seen >= wanted {
                return Ok(kept.mark(seen));
            }
            let page = store.changes(seen, PAGE)?;
            let last = page.changes.last().map_or(seen, |c| c.seq);
            let whole = u64::try_from(page.changes.len()) == Ok(last - seen);
            let other_hardware =
                page.changes.iter().any(|c| matches!(c.kind, ChangeKind::HardwareType | ChangeKind::Server));
            if last == seen || !whole || other_hardware {
                kept.empty(wanted.max(last));
                continue;
            }
            for change in page.changes.iter().filter(|c| c.kind == ChangeKind::Device) {
                let moved_only = change.what == ChangeWhat::State;
                let fresh = Stale { seq: change.seq, moved_only };
                let stale = kept.stale.entry(change.subject.as_str().into()).or_insert(fresh);
                *stale = Stale { seq: change.seq, moved_only: stale.moved_only && moved_only };
                kept.version = change.seq;
            }
            kept.seen = Some(last);
        }
    }

    /// One device.
    ///
    /// # Errors
    /// The store's.
    pub fn device(&self, store: &mut dyn Store, name: &str) -> store::Result<Option<Arc<Shown>>> {
        self.find(store, name, |_| false)
    }

    /// Which device it is and whose; its state and what follows from it may be older. Enough for an event, which its machine
    /// judges: reading the device again after each of its events would be half of the work.
    ///
    /// # Errors
    /// The store's.
    pub fn identity(&self, store: &mut dyn Store, name: &str) -> store::Result<Option<Arc<Shown>>> {
        self.find(store, name, |stale| stale.moved_only)
    }

    fn find(
        &self,
        store: &mut dyn Store,
        name: &str,
        good_enough: impl Fn(&Stale) -> bool,
    ) -> store::Result<Option<Arc<Shown>>> {
        let mark = self.catch_up(store)?;
        {
            let kept = self.read();
            if kept.stale.get(name).is_none_or(good_enough) {
                match kept.devices.get(name) {
                    Some(shown) => return Ok(Some(Arc::clone(shown))),
                    None if kept.complete => return Ok(None),
                    None => {}
                }
            }
        }
        let shown = store.device(name)?.map(shown);
        if let Some(shown) = &shown {
            self.write().put(&shown.view.name, Some(Arc::clone(shown)), mark);
        }
        Ok(shown)
    }

    /// The version of the devices, for lists that are read from the store after this.
    ///
    /// # Errors
    /// The store's.
    pub fn version(&self, store: &mut dyn Store) -> store::Result<Version> {
        Ok(self.tell(self.catch_up(store)?.version))
    }

    fn tell(&self, last: u64) -> Version {
        Version { begun: self.begun, last }
    }

    /// The list of all devices, with details or names alone, and its version.
    ///
    /// # Errors
    /// The store's.
    pub fn list(&self, store: &mut dyn Store, details: bool) -> store::Result<(Version, Bytes)> {
        let ready = |kept: &Kept, version: u64| {
            let list = if details { &kept.details } else { &kept.names };
            list.as_ref().filter(|(built, _)| *built >= version).cloned()
        };
        let mark = self.catch_up(store)?;
        if let Some((version, list)) = ready(&self.read(), mark.version) {
            return Ok((self.tell(version), list));
        }
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = self.catch_up(store)?;
        if let Some((version, list)) = ready(&self.read(), mark.version) {
            return Ok((self.tell(version), list));
        }
        let build = if details { details_of } else { names_of };
        let version = self.tell(mark.version);
        self.fill(store, mark)?;
        let kept = self.read();
        if kept.emptied != mark.emptied || !kept.complete {
            drop(kept);
            // Somebody has changed what concerns all devices while we read.
            let all = store.devices(&DeviceFilter::default())?.into_iter().map(shown);
            return Ok((version, build(&all.map(|s| (s.view.name.clone(), s)).collect()).into()));
        }
        let list: Bytes = build(&kept.devices).into();
        drop(kept);
        let mut kept = self.write();
        if kept.emptied == mark.emptied {
            let place = if details { &mut kept.details } else { &mut kept.names };
            *place = Some((mark.version, Arc::clone(&list)));
        }
        Ok((version, list))
    }

    /// All devices.
    ///
    /// # Errors
    /// The store's.
    pub fn all(&self, store: &mut dyn Store) -> store::Result<Vec<Arc<Shown>>> {
        let ready = |kept: &Kept| {
            (kept.complete && kept.stale.is_empty()).then(|| kept.devices.values().cloned().collect())
        };
        self.catch_up(store)?;
        if let Some(all) = ready(&self.read()) {
            return Ok(all);
        }
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = self.catch_up(store)?;
        self.fill(store, mark)?;
        let kept = self.read();
        if kept.emptied == mark.emptied && kept.complete {
            // Those that have changed again in the meantime are as they were a moment ago.
            return Ok(kept.devices.values().cloned().collect());
        }
        drop(kept);
        Ok(store.devices(&DeviceFilter::default())?.into_iter().map(shown).collect())
    }

    /// Reads what is missing.
    fn fill(&self, store: &mut dyn Store, mark: Mark) -> store::Result<()> {
        let kept = self.read();
        let (complete, stale): (bool, Vec<_>) = (kept.complete, kept.stale.keys().cloned().collect());
        let few = complete && stale.len() <= kept.devices.len() / 4 + 16;
        drop(kept);
        if few {
            let mut found = Vec::with_capacity(stale.len());
            for name in stale {
                let shown = store.device(&name)?.map(shown);
                found.push((name, shown));
            }
            let mut kept = self.write();
            found.into_iter().for_each(|(name, shown)| kept.put(&name, shown, mark));
            return Ok(());
        }
        let all: Vec<_> = store.devices(&DeviceFilter::default())?.into_iter().map(shown).collect();
        let mut kept = self.write();
        if kept.emptied == mark.emptied {
            // What is left of the old ones has gone.
            kept.devices = all.into_iter().map(|s| (s.view.name.clone(), s)).collect();
            kept.stale.retain(|_, s| s.seq > mark.seen);
            kept.complete = true;
        }
        Ok(())
    }

    /// The version of the list of requests, which shows states of devices and addresses of servers, too.
    ///
    /// # Errors
    /// The store's.
    pub fn version_of_requests(&self, store: &mut dyn Store) -> store::Result<Version> {
        Ok(self.tell(self.last(store, &[ChangeKind::Request, ChangeKind::Device, ChangeKind::Server])?))
    }

    /// The list of requests of this version, if somebody has made it.
    pub fn requests(&self, version: Version, with_closed: bool) -> Option<Bytes> {
        let kept = self.read();
        let (built, list) = kept.requests.get(&with_closed)?;
        (*built == version.last).then(|| Arc::clone(list))
    }

    /// Keeps a list of requests that was read after its version was asked for.
    pub fn keep_requests(&self, version: Version, with_closed: bool, list: &Bytes) {
        self.write().requests.insert(with_closed, (version.last, Arc::clone(list)));
    }
}

pub(super) fn shown(view: DeviceView) -> Arc<Shown> {
    let json = serde_json::to_string(&DeviceDetails::from(view.clone()))
        .expect("our own types hold only string keys");
    Arc::new(Shown { view, json: json.into() })
}

fn details_of(devices: &BTreeMap<DeviceName, Arc<Shown>>) -> Vec<u8> {
    let room = devices.values().map(|d| d.json.len() + 1).sum::<usize>() + 16;
    let mut text = Vec::with_capacity(room);
    text.extend_from_slice(b"{\"devices\":[");
    for (n, device) in devices.values().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        text.extend_from_slice(device.json.as_bytes());
    }
    text.extend_from_slice(b"]}");
    text
}

fn names_of(devices: &BTreeMap<DeviceName, Arc<Shown>>) -> Vec<u8> {
    let devices: Vec<&str> = devices.keys().map(|name| &**name).collect();
    serde_json::to_vec(&Devices { devices }).expect("a list of texts")
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
