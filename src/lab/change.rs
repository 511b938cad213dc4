//! One difference between a lab and the store, and a count of many.

use super::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was not there.
    New,
    /// It is another now.
    Changed,
    /// It is gone.
    Deleted,
}

impl Fate {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// One difference between a lab and the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of row, named as in a lab file.
    pub kind: &'static str,
    /// Which.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// For people: `device panda-0001: fqdn a -> b`.
    pub text: String,
}

impl Change {
    /// A row that is new or gone.
    pub(crate) fn whole(kind: Kind, name: &str, fate: Fate) -> Self {
        let text = format!("{} {name}: {}", kind.label(), fate.name());
        Self { kind: kind.name(), name: name.into(), fate, text }
    }

    /// A row that differs, in these words.
    pub(crate) fn part(kind: Kind, name: &str, text: String) -> Self {
        Self { kind: kind.name(), name: name.into(), fate: Fate::Changed, text }
    }
}

/// How many rows of each kind became what. A row counts once, whatever differs about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary(pub BTreeMap<&'static str, BTreeMap<Fate, usize>>);

impl Summary {
    /// Of these changes.
    pub fn of(changes: &[Change]) -> Self {
        let rows: BTreeSet<_> = changes.iter().map(|c| (c.kind, &c.name)).collect();
        // What is told first about a row is the greatest thing: new ones are not told in parts.
        let mut fates: BTreeMap<_, Fate> = BTreeMap::new();
        for change in changes {
            let fate = fates.entry((change.kind, &change.name)).or_insert(change.fate);
            if change.fate == Fate::Deleted {
                *fate = Fate::Deleted;
            }
        }
        let mut counts: BTreeMap<_, BTreeMap<_, usize>> = BTreeMap::new();
        for (kind, name) in rows {
            *counts.entry(kind).or_default().entry(fates[&(kind, name)]).or_default() += 1;
        }
        Self(counts)
    }
}

impl fmt::Display for Summary {
    /// `device 3 new, 1 changed; image 1 changed`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.0.iter().map(|(kind, fates)| {
            let fates: Vec<String> = fates.iter().map(|(fate, n)| format!("{n} {}", fate.name())).collect();
            format!("{} {}", kind.replace('_', " "), fates.join(", "))
        });
        f.write_str(&kinds.collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_once() {
        let changes = [
            Change::part(Kind::Device, "a", "device a: fqdn x -> y".into()),
            Change::part(Kind::Device, "a", "device a: mac x -> y".into()),
            Change::whole(Kind::Device, "b", Fate::New),
            Change::part(Kind::Image, "i", "image i on panda: PXE config x -> (nothing)".into()),
            Change::whole(Kind::Image, "i", Fate::Deleted),
            Change::whole(Kind::PxeConfig, "p", Fate::New),
        ];
        assert_eq!(
            Summary::of(&changes).to_string(),
            "device 1 new, 1 changed; image 1 deleted; pxe config 1 new"
        );
        assert_eq!(changes[5].text, "PXE config p: new");
        assert_eq!(Summary::of(&[]).to_string(), "");
    }
}
