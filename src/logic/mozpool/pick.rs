//! Which of the free devices a request gets.
//!
//! Least work first, then best health, then by lot: a board that fails is asked last, and no board is favoured for its name.

use super::Wanted;
use crate::logic::ids::DeviceName;
use crate::logic::lifeguard::Install;

/// A free device that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: DeviceName,
    /// What is on it.
    pub installed: Option<Install>,
    /// How often it failed lately.
    pub recent_failures: usize,
}

/// Chooses among `candidates`: one that runs the image already where that may be reused, else the healthiest; `seed` decides
/// between equals. `same_config` says whether two boot configs mean the same (JSON is compared by value, not by spelling).
pub fn pick<'c>(
    candidates: &'c [Candidate],
    wanted: &Wanted,
    can_reuse: bool,
    same_config: &dyn Fn(&str, &str) -> bool,
    seed: u64,
) -> Option<(&'c Candidate, bool)> {
    let reuses = |c: &Candidate| {
        can_reuse
            && c.installed.as_ref().is_some_and(|i| {
                i.image == wanted.install.image && same_config(&i.boot_config, &wanted.install.boot_config)
            })
    };
    candidates
        .iter()
        .map(|c| (c, reuses(c)))
        .min_by_key(|(c, reuse)| (!reuse, c.recent_failures, lot(seed, &c.name)))
}

/// FNV-1a over the seed and the name: the same draw gives the same order, another seed another one.
fn lot(seed: u64, name: &str) -> u64 {
    let bytes = seed.to_le_bytes();
    let hash = bytes
        .iter()
        .chain(name.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    // FNV leaves the last byte's difference in the low bits; a final mix spreads it, so that neighbours differ at the top.
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(image: &str) -> Wanted {
        Wanted {
            device: None,
            environment: None,
            install: Install { image: image.into(), boot_config: "{}".into() },
            hardware_type: None,
            hardware_model: None,
            processor: None,
            tags: vec![],
        }
    }

    fn board(name: &str, image: &str, recent_failures: usize) -> Candidate {
        let installed = Some(Install { image: image.into(), boot_config: "{}".into() });
        Candidate { name: name.into(), installed, recent_failures }
    }

    fn names(boards: &[Candidate], reuse: bool) -> Vec<(String, bool)> {
        let mut seen: Vec<_> = (0..200)
            .filter_map(|seed| pick(boards, &wanted("b2g"), reuse, &|a, b| a == b, seed))
            .map(|(c, reuse)| (c.name.to_string(), reuse))
            .collect();
        seen.sort();
        seen.dedup();
        seen
    }

    #[test]
    fn a_board_that_runs_the_image_comes_first_then_the_healthiest() {
        let boards = [board("a", "android", 0), board("b", "b2g", 3), board("c", "android", 1)];
        assert_eq!(names(&boards, true), [("b".to_string(), true)]);
        assert_eq!(names(&boards, false), [("a".to_string(), false)]);
        assert_eq!(names(&[], true), []);
    }

    #[test]
    fn equals_are_drawn_by_lot() {
        let boards = [board("a", "x", 1), board("b", "x", 1), board("c", "x", 1)];
        assert_eq!(names(&boards, true).len(), 3, "every board gets its turn");
    }

    #[test]
    fn boot_configs_are_compared_by_meaning() {
        let boards = [board("a", "b2g", 0)];
        let (_, reuse) = pick(&boards, &wanted("b2g"), true, &|_, _| false, 1).unwrap();
        assert!(!reuse);
    }
}
