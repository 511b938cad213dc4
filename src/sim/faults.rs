//! What goes wrong in the simulated lab, and how often: kinds of faults by name, each with a factor.
//!
//! A kind's standard rates are of a bad lab, not of a usual one: a month of it shows what years of a good one would.

use std::fmt;
use std::str::FromStr;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// As `--faults` has it.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
}

/// Every kind, in the order of [`Faults`]' factors.
pub const KINDS: [Kind; 8] = [
    Kind { name: "relays", what: "relay boards die for hours, answer slowly, have relays that stick" },
    Kind { name: "boards", what: "boards hang at any step of a boot; some do so often, some for good" },
    Kind { name: "cards", what: "SD cards fail to be written, or keep what was there" },
    Kind { name: "images", what: "images that cannot be installed are asked for" },
    Kind { name: "messages", what: "events and answers are lost, come twice, come late" },
    Kind { name: "clock", what: "the server's clock is put forward and back by up to hours" },
    Kind { name: "store", what: "the store fails: one write, or all for a minute" },
    Kind { name: "crash", what: "the daemon dies before or after any write" },
];

const RELAYS: usize = 0;
const BOARDS: usize = 1;
const CARDS: usize = 2;
const IMAGES: usize = 3;
const MESSAGES: usize = 4;
const CLOCK: usize = 5;
const STORE: usize = 6;
const CRASH: usize = 7;

/// How often each kind happens: 0 never, 1 as in a bad lab.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults([f64; KINDS.len()]);

/// A list of faults that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFaults(String);

impl fmt::Display for BadFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = KINDS.map(|k| k.name).join(", ");
        write!(
            f,
            "`{}` is no fault; write none, all, or a list of {names}, each with a factor if you like: relays,boards=2.5",
            self.0
        )
    }
}

impl std::error::Error for BadFaults {}

impl FromStr for Faults {
    type Err = BadFaults;

    /// `none`, `all`, or names with commas between them; `NAME=FACTOR` makes a kind more or less frequent. Later words win.
    fn from_str(text: &str) -> Result<Self, BadFaults> {
        let mut faults = Self::default();
        for word in text.split(',').map(str::trim) {
            let bad = || BadFaults(word.chars().take(40).collect());
            let (name, factor) = word.split_once('=').unwrap_or((word, "1"));
            let factor: f64 = factor.trim().parse().map_err(|_| bad())?;
            if !(0.0..=100.0).contains(&factor) {
                return Err(bad());
            }
            match name.trim() {
                "none" => faults = Self::default(),
                "all" => faults = Self([factor; KINDS.len()]),
                name => {
                    let i = KINDS.iter().position(|k| k.name == name).ok_or_else(bad)?;
                    faults.0[i] = factor;
                }
            }
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factor = |n: f64| if n == 1.0 { String::new() } else { format!("={n}") };
        match self.0 {
            all if all.iter().all(|n| *n == 0.0) => f.write_str("none"),
            [first, rest @ ..] if rest.iter().all(|n| *n == first) => write!(f, "all{}", factor(first)),
            all => {
                let on = KINDS.iter().zip(all).filter(|(_, n)| *n > 0.0);
                let words: Vec<_> = on.map(|(k, n)| format!("{}{}", k.name, factor(n))).collect();
                f.write_str(&words.join(","))
            }
        }
    }
}

/// A day in milliseconds.
pub(super) const DAY_MS: f64 = 24.0 * 3_600_000.0;

/// Probability of something that happens with `standard` at factor 1.
fn probability(standard: f64, factor: f64) -> f64 {
    (standard * factor).min(0.95)
}

/// Mean wait for something that happens every `standard` milliseconds at factor 1; `None`: never.
fn every(standard: f64, factor: f64) -> Option<f64> {
    (factor > 0.0).then(|| standard / factor)
}

impl Faults {
    /// A relay board dies, on average every so many milliseconds per board.
    pub(super) fn relay_board_dies_every(&self) -> Option<f64> {
        every(15.0 * DAY_MS, self.0[RELAYS])
    }
    /// … becomes slow.
    pub(super) fn relay_board_slows_every(&self) -> Option<f64> {
        every(10.0 * DAY_MS, self.0[RELAYS])
    }
    /// A relay does not move.
    pub(super) fn relay_sticks(&self) -> f64 {
        probability(0.005, self.0[RELAYS])
    }
    /// A sound board hangs, per step of its boot.
    pub(super) fn board_hangs(&self) -> f64 {
        probability(0.004, self.0[BOARDS])
    }
    /// … and one of the bad ones.
    pub(super) fn bad_board_hangs(&self) -> f64 {
        probability(0.15, self.0[BOARDS])
    }
    /// How many boards are bad.
    pub(super) fn bad_boards(&self) -> f64 {
        probability(0.05, self.0[BOARDS])
    }
    /// A board breaks and stays so until somebody repairs it, on average every so many milliseconds per board.
    pub(super) fn board_breaks_every(&self) -> Option<f64> {
        every(120.0 * DAY_MS, self.0[BOARDS])
    }
    /// A card cannot be written, per installation.
    pub(super) fn card_fails(&self) -> f64 {
        probability(0.02, self.0[CARDS])
    }
    /// A request asks for an image that cannot be installed.
    pub(super) fn image_is_bad(&self) -> f64 {
        probability(0.03, self.0[IMAGES])
    }
    /// A message is lost.
    pub(super) fn message_is_lost(&self) -> f64 {
        probability(0.01, self.0[MESSAGES])
    }
    /// … comes twice.
    pub(super) fn message_comes_twice(&self) -> f64 {
        probability(0.01, self.0[MESSAGES])
    }
    /// … comes late.
    pub(super) fn message_is_late(&self) -> f64 {
        probability(0.01, self.0[MESSAGES])
    }
    /// The clock is put right.
    pub(super) fn clock_steps_every(&self) -> Option<f64> {
        every(4.0 * DAY_MS, self.0[CLOCK])
    }
    /// One write fails.
    pub(super) fn write_fails(&self) -> f64 {
        probability(0.001, self.0[STORE])
    }
    /// The store is away for a while.
    pub(super) fn store_fails_every(&self) -> Option<f64> {
        every(2.0 * DAY_MS, self.0[STORE])
    }
    /// The daemon dies.
    pub(super) fn crashes_every(&self) -> Option<f64> {
        every(0.5 * DAY_MS, self.0[CRASH])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_they_are_read() {
        for text in ["none", "all", "all=2.5", "relays,boards=2", "crash"] {
            assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
        }
        assert_eq!("all,clock=0".parse::<Faults>().unwrap().clock_steps_every(), None);
        assert_eq!("crash, none".parse::<Faults>().unwrap(), Faults::default());
        for text in ["", "relay", "boards=", "boards=-1", "boards=x", "all=101"] {
            assert!(text.parse::<Faults>().unwrap_err().to_string().contains("relays, boards"), "{text}");
        }
    }

    #[test]
    fn what_never_happens_has_no_rate() {
        let none = Faults::default();
        assert_eq!((none.board_hangs(), none.crashes_every()), (0.0, None));
        assert!("all=100".parse::<Faults>().unwrap().bad_board_hangs() < 1.0);
    }
}
