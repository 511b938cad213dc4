//! Which of the free devices a request gets.
//!
//! Least work first, then best health, then by lot: a board that fails is asked last, and no board is favoured for its name.

use super::Wanted;
use crate::logic::ids::DeviceName;
use crate::logic::lifeguard::Install;

/// A device as the choice sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: DeviceName,
    /// Its imaging server.
    pub server: String,
    /// What is on it.
    pub installed: Option<Install>,
    /// How often it failed lately.
    pub recent_failures: usize,
}

impl Candidate {
    /// It runs what is wanted already. `same_config` says whether two boot configs mean the same (JSON is compared by value,
    /// not by spelling); whether the image may be used again is the caller's to know.
    pub fn runs(&self, wanted: &Wanted, same_config: &dyn Fn(&str, &str) -> bool) -> bool {
        let want = &wanted.install;
        self.installed
            .as_ref()
            .is_some_and(|i| i.image == want.image && same_config(&i.boot_config, &want.boot_config))
    }
}

/// A free device that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub candidate: Candidate,
    /// It can be used as it stands.
    pub reuse: bool,
    /// Its imaging server took no order when it was given one last.
    pub deaf: bool,
}

/// Chooses among `choices`, by place: one whose server takes orders, then one that can be used as it stands, else the
/// healthiest; `seed` decides between equals.
pub fn pick(choices: &[Choice], seed: u64) -> Option<usize> {
    let rank = |c: &Choice| (c.deaf, !c.reuse, c.candidate.recent_failures, lot(seed, &c.candidate.name));
    choices.iter().enumerate().min_by_key(|(_, c)| rank(c)).map(|(place, _)| place)
}

/// A device's place in the round that samples of free devices are taken from: the same for ever, and spread evenly, so that
/// a sample from anywhere in the round favours nobody. It is stored; 31 bits, which every database calls a number.
pub fn place(name: &str) -> u32 {
    u32::try_from(lot(0, name) >> 33).expect("31 bits are left")
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

    fn board(name: &str, reuse: bool, recent_failures: usize) -> Choice {
        let candidate =
            Candidate { name: name.into(), server: String::new(), installed: None, recent_failures };
        Choice { candidate, reuse, deaf: false }
    }

    fn names(boards: &[Choice]) -> Vec<String> {
        let mut seen: Vec<_> = (0..200)
            .filter_map(|seed| pick(boards, seed))
            .map(|at| boards[at].candidate.name.to_string())
            .collect();
        seen.sort();
        seen.dedup();
        seen
    }

    #[test]
    fn a_board_that_runs_the_image_comes_first_then_the_healthiest() {
        let boards = [board("a", false, 0), board("b", true, 3), board("c", false, 1)];
        assert_eq!(names(&boards), ["b"]);
        assert_eq!(names(&[board("a", false, 0), board("b", false, 3)]), ["a"]);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn a_board_whose_server_takes_no_orders_comes_last() {
        let deaf = Choice { deaf: true, ..board("a", true, 0) };
        assert_eq!(names(&[deaf.clone(), board("b", false, 3)]), ["b"]);
        assert_eq!(names(&[deaf]), ["a"], "it is tried when there is no other");
    }

    #[test]
    fn equals_are_drawn_by_lot() {
        let boards = [board("a", true, 1), board("b", true, 1), board("c", true, 1)];
        assert_eq!(names(&boards).len(), 3, "every board gets its turn");
    }

    #[test]
    fn boot_configs_are_compared_by_meaning() {
        let install = Install { image: "b2g".into(), boot_config: "{}".into() };
        let wanted = Wanted {
            device: None,
            environment: None,
            install: install.clone(),
            hardware_type: None,
            hardware_model: None,
            processor: None,
            tags: vec![],
        };
        let with =
            |installed| Candidate { name: "a".into(), server: String::new(), installed, recent_failures: 0 };
        assert!(with(Some(install.clone())).runs(&wanted, &|_, _| true));
        assert!(!with(Some(install.clone())).runs(&wanted, &|_, _| false));
        assert!(!with(None).runs(&wanted, &|_, _| true));
        let other = Install { image: "android".into(), ..install };
        assert!(!with(Some(other)).runs(&wanted, &|_, _| true));
    }

    #[test]
    fn places_are_spread_evenly() {
        let mut quarters = [0u32; 4];
        for i in 0..4000 {
            quarters[usize::try_from(place(&format!("panda-{i:04}")) >> 29).unwrap()] += 1;
        }
        assert!(quarters.iter().all(|n| (850..1150).contains(n)), "{quarters:?}");
    }
}
