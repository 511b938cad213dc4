//! Relay boards, derived from the devices that hang on them.

use super::{BoardAt, Known, KnownBoard, Wanted};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Longest name of a relay board.
const NAME_MAX: usize = 64;

/// A relay board that is new, or has another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardRow {
    /// The one it has, or a new one.
    pub name: String,
    /// `host[:port]`; `None` for one that is there.
    pub fqdn: Option<String>,
    /// Who talks to it.
    pub imaging_server: String,
}

/// What becomes of relay boards: rows to write, and names that go.
pub(super) fn derive<'a>(
    active: impl Iterator<Item = &'a Wanted>,
    staying: &[&Known],
    before: &[Known],
    boards: &[KnownBoard],
) -> (Vec<BoardRow>, Vec<String>) {
    let mut wanted: BTreeMap<&str, (&BoardAt, &str)> = BTreeMap::new();
    for device in active {
        if let Some(board) = &device.power.board {
            wanted.entry(&board.key).or_insert((board, &device.imaging_server));
        }
    }

    let mut used: HashSet<&str> = wanted.keys().copied().collect();
    used.extend(staying.iter().filter_map(|k| k.power.as_ref()?.board.as_ref()).map(|b| b.key.as_str()));
    // One that nothing hangs on may have been made for boards to come; only what loses its last device here goes.
    let had: HashSet<String> = before.iter().filter(|k| k.inventory_id != 0).filter_map(board_of).collect();

    let gone = boards.iter().filter(|b| had.contains(&b.key) && !used.contains(b.key.as_str()));
    let gone: Vec<String> = gone.map(|b| b.name.clone()).collect();

    let mut rows = Vec::new();
    let mut fresh: Vec<(&BoardAt, &str)> = Vec::new();
    for (key, (at, server)) in wanted {
        match boards.iter().find(|b| b.key == key) {
            Some(board) if board.imaging_server == server => {}
            Some(board) => {
                rows.push(BoardRow { name: board.name.clone(), fqdn: None, imaging_server: server.into() });
            }
            None => fresh.push((at, server)),
        }
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (at, _) in &fresh {
        *names.entry(name(at, true)).or_default() += 1;
    }
    let there: BTreeSet<&str> = boards.iter().map(|b| b.name.as_str()).collect();
    for (at, server) in fresh {
        let short = name(at, true);
        let alone = names.get(&short) == Some(&1) && !there.contains(short.as_str());
        let name = if alone { short } else { name(at, false) };
        rows.push(BoardRow { name, fqdn: Some(fqdn(at)), imaging_server: server.into() });
    }
    (rows, gone)
}

fn board_of(known: &Known) -> Option<String> {
    known.power.as_ref()?.board.as_ref().map(|b| b.key.clone())
}

/// The first label of its host or all of it, and its port where that is not the usual one: several boards may share a host.
fn name(at: &BoardAt, short: bool) -> String {
    let host = if short { super::short_name(&at.host) } else { &at.host };
    let name = match at.port {
        Some(port) => format!("{host}-{port}"),
        None => host.to_owned(),
    };
    // The colons of an address have no place in a name.
    name.replace(':', "-").chars().take(NAME_MAX).collect()
}

fn fqdn(at: &BoardAt) -> String {
    // A colon in a host is an IPv6 address's.
    let host = if at.host.contains(':') { format!("[{}]", at.host) } else { at.host.clone() };
    match at.port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}
