//! Where all boards stand at one moment, and what a search says of them: which were considered, and why each was passed over.
//!
//! Counts are always complete. Names are not: whoever has five thousand boards does not want to read them every ten seconds.
//! Reasons are those of `fit`; boards are kept by kind, so that telling why costs as much as there are kinds, not boards.

use super::fit::{is_free, kind_fits};
use super::{Board, Busy, Choice, Kind, Unfit, Wanted};
use crate::logic::ids::{DeviceName, HardwareId, RequestId};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

/// In a pool of so many boards each is named: a shelf, whose owner knows them all.
const NAMED_ALL: usize = 24;
/// Names per reason in a larger pool: enough to find an example, few enough to read.
const NAMED_SOME: usize = 5;

/// All boards at one moment, by kind.
#[derive(Debug, Default)]
pub struct Census {
    total: usize,
    tallies: Vec<Tally>,
}

/// The boards of one kind, by where they stand.
#[derive(Debug, Default)]
struct Tally {
    kind: Option<Arc<Kind>>,
    free: Vec<DeviceName>,
    claimed: Vec<(DeviceName, RequestId)>,
    not_ready: Vec<(DeviceName, Arc<str>)>,
}

impl Tally {
    fn len(&self) -> usize {
        self.free.len() + self.claimed.len() + self.not_ready.len()
    }

    fn names(&self) -> impl Iterator<Item = &DeviceName> {
        let busy = self.claimed.iter().map(|(n, _)| n).chain(self.not_ready.iter().map(|(n, _)| n));
        self.free.iter().chain(busy)
    }
}

/// What a search came to.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'s> {
    /// `taken`, of `others` that would have done as well; with `more`, there are others beside those. `given`: boards that
    /// requests were given at the same moment.
    Found { taken: &'s Choice, others: &'s [Choice], more: bool, given: &'s HashSet<DeviceName> },
    /// Nothing.
    Nothing { given: &'s HashSet<DeviceName> },
}

/// Boards that are passed over for one reason.
#[derive(Default)]
struct Reason {
    count: usize,
    names: Vec<String>,
}

impl Reason {
    fn add(&mut self, count: usize, names: impl Iterator<Item = String>, most: usize) {
        self.count += count;
        self.names.extend(names.take(most.saturating_sub(self.names.len())));
    }

    /// `5 are of another environment (b1, b2, …)`
    fn tell(&self, one: &str, many: &str) -> Option<String> {
        let says = if self.count == 1 { one } else { many };
        let more = if self.count > self.names.len() { ", …" } else { "" };
        (self.count > 0).then(|| format!("{} {says} ({}{more})", self.count, self.names.join(", ")))
    }
}

impl Census {
    /// Counts `boards`.
    pub fn of(boards: impl IntoIterator<Item = Board>) -> Self {
        let mut tallies: BTreeMap<Arc<Kind>, Tally> = BTreeMap::new();
        let mut total = 0;
        for Board { name, kind, state, claimed_by } in boards {
            total += 1;
            let tally = tallies.entry(kind).or_default();
            match is_free(&state, claimed_by) {
                Ok(()) => tally.free.push(name),
                Err(Busy::Claimed(request)) => tally.claimed.push((name, request)),
                Err(Busy::NotReady(state)) => tally.not_ready.push((name, state)),
            }
        }
        let tallies = tallies.into_iter().map(|(kind, tally)| Tally { kind: Some(kind), ..tally });
        Self { total, tallies: tallies.collect() }
    }

    /// How many boards there are.
    pub fn total(&self) -> usize {
        self.total
    }

    /// What a search by `wanted` says, as a sentence without its full stop.
    pub fn tell(&self, wanted: &Wanted, hardware: &HashSet<HardwareId>, outcome: Outcome<'_>) -> String {
        let most = if self.total <= NAMED_ALL { NAMED_ALL } else { NAMED_SOME };
        let (mut unfit, mut free): (BTreeMap<Unfit, Reason>, Reason) = Default::default();
        let (mut given_away, mut claimed, mut not_ready): (Reason, Reason, Reason) = Default::default();
        for tally in &self.tallies {
            let Some(kind) = &tally.kind else { continue };
            if let Err(why) = kind_fits(kind, wanted, hardware) {
                let names = tally.names().map(ToString::to_string);
                unfit.entry(why).or_default().add(tally.len(), names, most);
                continue;
            }
            let given = |name: &&DeviceName| match outcome {
                Outcome::Found { taken, given, .. } => {
                    given.contains(*name) && **name != taken.candidate.name
                }
                Outcome::Nothing { given } => given.contains(*name),
            };
            let gone: Vec<_> = tally.free.iter().filter(given).map(ToString::to_string).collect();
            free.add(
                tally.free.len() - gone.len(),
                tally.free.iter().filter(|n| !given(n)).map(ToString::to_string),
                most,
            );
            given_away.add(gone.len(), gone.into_iter(), most);
            let by = tally.claimed.iter().map(|(name, request)| format!("{name} by request {request}"));
            claimed.add(tally.claimed.len(), by, most);
            let at = tally.not_ready.iter().map(|(name, state)| format!("{name} {state}"));
            not_ready.add(tally.not_ready.len(), at, most);
        }
        let mut parts: Vec<String> = unfit
            .iter()
            .filter_map(|(why, reason)| {
                let (one, many) = why.words(wanted);
                reason.tell(&one, &many)
            })
            .collect();
        parts.extend(claimed.tell("is claimed", "are claimed"));
        parts.extend(not_ready.tell("is not ready", "are not ready"));
        parts.extend(given_away.tell(
            "was given to another request at the same moment",
            "were given to other requests at the same moment",
        ));
        let mut text = match outcome {
            Outcome::Nothing { .. } => {
                parts.extend(free.tell("was free then and is gone", "were free then and are gone"));
                format!("No board: of {}, ", self.total)
            }
            Outcome::Found { taken, others, more, given: _ } => {
                let fit = free.count;
                let are = if fit == 1 { "is" } else { "are" };
                let mut text = format!("Looked for a board: of {}, {fit} {are} free and fit; ", self.total);
                text += &tell_choice(taken, others, more, most);
                text + if parts.is_empty() { "" } else { "; " }
            }
        };
        if self.total == 0 {
            text = "No board: there is none at all".into();
        }
        text + &parts.join(", ")
    }
}

/// What a search says that does not know of all boards where they stand, as a sentence without its full stop.
pub(super) fn tell_found(taken: &Choice, others: &[Choice], more: bool) -> String {
    format!("Looked for a board: {}", tell_choice(taken, others, more, NAMED_SOME))
}

impl Outcome<'_> {
    /// The sentence without a count of all boards, where there is something to say without one.
    pub fn tell_alone(&self) -> Option<String> {
        match self {
            Self::Found { taken, others, more, given: _ } => Some(tell_found(taken, others, *more)),
            Self::Nothing { .. } => None,
        }
    }
}

fn tell_choice(taken: &Choice, others: &[Choice], more: bool, most: usize) -> String {
    let rank = |c: &Choice| (!c.reuse, c.candidate.recent_failures);
    let why = if taken.reuse {
        "it runs the image already"
    } else if others.is_empty() && !more {
        "the only one"
    } else if others.iter().any(|c| rank(c) == rank(taken)) {
        "drawn by lot"
    } else {
        "it failed least lately"
    };
    let mut text = format!("took {} ({why})", taken.candidate.name);
    let passed: Vec<String> = others.iter().take(most).map(|c| tell_other(c, taken)).collect();
    if !passed.is_empty() {
        let _ = write!(text, ", passed over {}", passed.join(", "));
        match (others.len() - passed.len(), more) {
            (0, false) => {}
            (0, true) => text += " and others",
            (n, false) => drop(write!(text, " and {n} others")),
            (n, true) => drop(write!(text, " and more than {n} others")),
        }
    }
    text
}

fn tell_other(other: &Choice, taken: &Choice) -> String {
    let Choice { candidate, reuse, deaf } = other;
    let failures = candidate.recent_failures;
    let why = if *deaf && !taken.deaf {
        format!("its imaging server {} takes no orders", candidate.server)
    } else if taken.reuse && !reuse {
        "other image".to_owned()
    } else if failures > taken.candidate.recent_failures {
        format!("failed {failures} times lately")
    } else {
        "by lot".to_owned()
    };
    format!("{} ({why})", candidate.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::lifeguard::Install;
    use crate::logic::mozpool::{Candidate, PassedOver, judge};

    fn kind(environment: &str, hardware: Option<i64>) -> Arc<Kind> {
        Arc::new(Kind {
            environment: environment.into(),
            hardware: hardware.map(HardwareId),
            hardware_type: "panda".into(),
            hardware_model: String::new(),
            processor: String::new(),
            tags: vec![],
        })
    }

    fn board(name: &str, kind: &Arc<Kind>, state: &str, claimed_by: Option<i64>) -> Board {
        let claimed_by = claimed_by.map(RequestId);
        Board { name: name.into(), kind: kind.clone(), state: state.into(), claimed_by }
    }

    fn wanted() -> Wanted {
        Wanted {
            device: None,
            environment: Some("lab".into()),
            install: Install { image: "debian".into(), boot_config: "{}".into() },
            hardware_type: None,
            hardware_model: None,
            processor: None,
            tags: vec![],
        }
    }

    fn choice(name: &str, reuse: bool, recent_failures: usize) -> Choice {
        let candidate =
            Candidate { name: name.into(), server: "s1".into(), installed: None, recent_failures };
        Choice { candidate, reuse, deaf: false }
    }

    fn shelf() -> Vec<Board> {
        let (lab, old, other) = (kind("lab", Some(1)), kind("lab", None), kind("staging", Some(1)));
        vec![
            board("b1", &lab, "ready", None),
            board("b2", &lab, "ready", Some(17)),
            board("b3", &lab, "pxe_booting", Some(18)),
            board("b4", &lab, "failed_self_test", None),
            board("b5", &old, "ready", None),
            board("b6", &other, "ready", None),
            board("b7", &other, "free", Some(3)),
            board("b8", &lab, "ready", None),
        ]
    }

    #[test]
    fn every_board_of_a_shelf_appears_with_its_reason() {
        let hardware = HashSet::from([HardwareId(1)]);
        let census = Census::of(shelf());
        let given = HashSet::from(["b1".into()]);
        assert_eq!(
            census.tell(&wanted(), &hardware, Outcome::Nothing { given: &given }),
            "No board: of 8, 2 are of another environment (b6, b7), 1 has no PXE config for image debian (b5), \
             2 are claimed (b2 by request 17, b3 by request 18), 1 is not ready (b4 failed_self_test), \
             1 was given to another request at the same moment (b1), 1 was free then and is gone (b8)"
        );
        let (taken, others) = (choice("b1", false, 0), [choice("b8", false, 2)]);
        let outcome = Outcome::Found { taken: &taken, others: &others, more: false, given: &given };
        assert_eq!(
            census.tell(&wanted(), &hardware, outcome),
            "Looked for a board: of 8, 2 are free and fit; took b1 (it failed least lately), \
             passed over b8 (failed 2 times lately); 2 are of another environment (b6, b7), \
             1 has no PXE config for image debian (b5), 2 are claimed (b2 by request 17, b3 by request 18), \
             1 is not ready (b4 failed_self_test)"
        );
        assert_eq!(
            Census::default().tell(&wanted(), &hardware, Outcome::Nothing { given: &given }),
            "No board: there is none at all"
        );
    }

    #[test]
    fn in_a_large_pool_counts_are_complete_and_names_are_few() {
        let lab = kind("lab", Some(1));
        let boards = (0..5000).map(|i| board(&format!("b{i:04}"), &lab, "ready", Some(i)));
        let census = Census::of(boards);
        let none = HashSet::new();
        let text = census.tell(&wanted(), &HashSet::from([HardwareId(1)]), Outcome::Nothing { given: &none });
        assert!(text.starts_with("No board: of 5000, 5000 are claimed (b0000 by request 0, "), "{text}");
        assert!(text.ends_with("b0004 by request 4, …)"), "{text}");
    }

    #[test]
    fn why_one_was_taken_and_others_were_not() {
        let others = [choice("c", false, 0), choice("d", true, 1), choice("e", true, 0)];
        assert_eq!(
            tell_found(&choice("a", true, 0), &others, true),
            "Looked for a board: took a (it runs the image already), passed over c (other image), \
             d (failed 1 times lately), e (by lot) and others"
        );
        assert_eq!(
            tell_found(&choice("a", false, 0), &[choice("b", false, 0)], false),
            "Looked for a board: took a (drawn by lot), passed over b (by lot)"
        );
        assert_eq!(
            tell_found(&choice("a", false, 9), &[], false),
            "Looked for a board: took a (the only one)"
        );
        let many: Vec<_> = (0..9).map(|i| choice(&format!("b{i}"), false, 0)).collect();
        assert!(tell_found(&choice("a", false, 0), &many, false).ends_with("b4 (by lot) and 4 others"));
    }

    #[test]
    fn the_census_counts_as_the_judge_says() {
        let hardware = HashSet::from([HardwareId(1)]);
        let boards = shelf();
        let none = HashSet::new();
        let text = Census::of(boards.clone()).tell(&wanted(), &hardware, Outcome::Nothing { given: &none });
        let count = |says: &dyn Fn(&PassedOver) -> bool| {
            boards.iter().filter_map(|b| judge(b, &wanted(), &hardware).err()).filter(|p| says(p)).count()
        };
        let unfit = count(&|p| *p == PassedOver::Unfit(Unfit::Environment));
        assert!(text.contains(&format!("{unfit} are of another environment")), "{text}");
        let claimed = count(&|p| matches!(p, PassedOver::Busy(Busy::Claimed(_))));
        assert!(text.contains(&format!("{claimed} are claimed")), "{text}");
    }
}
