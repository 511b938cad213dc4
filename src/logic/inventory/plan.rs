//! The plan: which devices are new, others or gone, what has to wait, and whether that is too much at once.

use super::boards::{self, BoardRow};
use super::clash::Taken;
use super::{Brake, CHANGES_FREE, Extras, Held, Known, KnownBoard, Refusal, Wanted};
use crate::logic::ids::DeviceName;
use std::collections::{HashMap, HashSet};

/// What is to be done, in this order: delete, rename, write, drop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Devices that go.
    pub delete: Vec<DeviceName>,
    /// Devices that have another name now: the old one and the new one.
    pub rename: Vec<(DeviceName, DeviceName)>,
    /// Devices that are new or others, as places in what was wanted.
    pub write: Vec<usize>,
    /// Relay boards that are new or others.
    pub boards: Vec<BoardRow>,
    /// Relay boards that lose their last device, by name.
    pub drop: Vec<String>,
    /// What waits for the next run, and why.
    pub left: Vec<Left>,
    /// More devices change than pass without a word.
    pub brake: Option<Brake>,
}

/// A device that is left as it is until the next run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub device: DeviceName,
    /// What would become of it: it `goes`, `comes`, or `changes`.
    pub what: &'static str,
    /// Why not now.
    pub why: Held,
}

/// Devices that may change without a word.
pub fn limit(known: usize, wanted: usize) -> usize {
    CHANGES_FREE.max(known / 10).max(wanted / 10)
}

/// What the inventory wants of the store. `known` has every device, also those made by hand; these are not touched.
///
/// # Errors
/// [`Refusal::Empty`] and [`Refusal::Contradictory`]; whether [`Plan::brake`] stops is for the caller to say.
pub fn plan(wanted: &[Wanted], known: &[Known], boards: &[KnownBoard]) -> Result<Plan, Refusal> {
    let ours = known.iter().filter(|k| k.inventory_id != 0);
    if wanted.is_empty() {
        return Err(Refusal::Empty { known: ours.count() });
    }
    contradictions(wanted, known)?;
    let by_id: HashMap<i64, &Known> = ours.clone().map(|k| (k.inventory_id, k)).collect();
    let ids: HashSet<i64> = wanted.iter().map(|w| w.inventory_id).collect();

    let gone = ours.clone().filter(|k| !ids.contains(&k.inventory_id));
    let (mut staying, going): (Vec<&Known>, Vec<&Known>) = gone.partition(|k| k.held.is_some());
    let mut left: Vec<Left> = staying.iter().filter_map(|k| leave(k, "goes")).collect();
    let moves = |w: &Wanted| by_id.get(&w.inventory_id).is_none_or(|k| differs(w, k));
    let changes = going.len() + staying.len() + wanted.iter().filter(|w| moves(w)).count();
    let limit = limit(ours.count(), wanted.len());

    // A device that others need keeps its name and its server; whoever wants what it has waits with it.
    let mut waits = vec![false; wanted.len()];
    for (i, w) in wanted.iter().enumerate() {
        let Some(k) = by_id.get(&w.inventory_id) else { continue };
        if (w.name != k.name || w.imaging_server != k.imaging_server)
            && let Some(l) = leave(k, "changes")
        {
            waits[i] = true;
            staying.push(k);
            left.push(l);
        }
    }
    let mut taken = Taken::by_known(staying.iter().copied());
    // Each round lets at least one more wait, so it ends.
    loop {
        let behind = wanted.iter().enumerate().filter(|(i, _)| !waits[*i]);
        let behind: Vec<(usize, DeviceName)> =
            behind.filter_map(|(i, w)| Some((i, taken.in_the_way(w)?.clone()))).collect();
        if behind.is_empty() {
            break;
        }
        for (i, device) in behind {
            waits[i] = true;
            let old = by_id.get(&wanted[i].inventory_id).copied();
            let (name, what) = old.map_or((&wanted[i].name, "comes"), |k| (&k.name, "changes"));
            left.push(Left { device: name.clone(), what, why: Held::Behind { device } });
            if let Some(k) = old {
                taken.add(k);
                staying.push(k);
            }
        }
    }

    let active = || wanted.iter().enumerate().filter(|(i, _)| !waits[*i]);
    let by_hand = known.iter().filter(|k| k.inventory_id == 0);
    let staying: Vec<&Known> = staying.into_iter().chain(by_hand).collect();
    let (board_rows, drop) = boards::derive(active().map(|(_, w)| w), &staying, known, boards);
    let rename = active().filter_map(|(_, w)| {
        let k = by_id.get(&w.inventory_id).filter(|k| k.name != w.name)?;
        Some((k.name.clone(), w.name.clone()))
    });
    Ok(Plan {
        delete: going.iter().map(|k| k.name.clone()).collect(),
        rename: rename.collect(),
        write: active().filter(|(_, w)| moves(w)).map(|(i, _)| i).collect(),
        boards: board_rows,
        drop,
        left,
        brake: (changes > limit).then_some(Brake { changes, limit }),
    })
}

fn leave(known: &Known, what: &'static str) -> Option<Left> {
    Some(Left { device: known.name.clone(), what, why: known.held.clone()? })
}

/// Among what is wanted, with what is made by hand, and an id that the store has twice.
fn contradictions(wanted: &[Wanted], known: &[Known]) -> Result<(), Refusal> {
    let mut found = Vec::new();
    let mut taken = Taken::by_known(known.iter().filter(|k| k.inventory_id == 0));
    for w in wanted {
        found.extend(taken.add_wanted(w));
    }
    let mut ids: HashMap<i64, &Known> = HashMap::new();
    for k in known.iter().filter(|k| k.inventory_id != 0) {
        if let Some(first) = ids.insert(k.inventory_id, k) {
            found.push(super::Contradiction {
                what: format!("inventory id {}", k.inventory_id),
                one: format!("device {} (in the store)", first.name),
                other: format!("device {} (in the store)", k.name),
            });
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Refusal::Contradictory(found)) }
}

/// Whether the store has to be told. What the source does not say is no difference.
fn differs(w: &Wanted, k: &Known) -> bool {
    fn other<T: PartialEq>(wanted: Option<&T>, known: Option<&T>) -> bool {
        wanted.is_some() && wanted != known
    }
    let Extras { environment, processor, tags, comments } = &w.extras;
    w.name != k.name
        || w.fqdn != k.fqdn
        || Some(w.mac) != k.mac
        || w.imaging_server != k.imaging_server
        || k.power.as_ref().is_none_or(|p| p.text != w.power.text)
        || other(w.hardware.as_ref(), k.hardware.as_ref())
        || other(environment.as_ref(), k.extras.environment.as_ref())
        || other(processor.as_ref(), k.extras.processor.as_ref())
        || other(tags.as_ref(), k.extras.tags.as_ref())
        || other(comments.as_ref(), k.extras.comments.as_ref())
}
