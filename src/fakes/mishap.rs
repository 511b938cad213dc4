//! What can go wrong with a board, and the dice that decide when.
//!
//! Pure and seeded: the same seed gives the same mishaps to the same board. Each kind is one seen in racks of development boards.

use std::fmt;

/// One thing that goes wrong, once per power-on at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mishap {
    /// Power comes and nothing happens.
    FirmwareHangs,
    /// The kernel starts and never gets as far as our script.
    LiveSystemHangs,
    /// It says that it is there, and then nothing more.
    LiveSystemFallsSilent,
    /// The download begins and never ends.
    DownloadStalls,
    /// The disk takes no more bytes.
    WritingStalls,
    /// It says that it reboots, and does not.
    NeverReboots,
    /// The installed system does not come up.
    SystemDoesNotComeUp,
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirmwareHangs => "firmware hung",
            Self::LiveSystemHangs => "live system hung",
            Self::LiveSystemFallsSilent => "live system fell silent",
            Self::DownloadStalls => "download stalled",
            Self::WritingStalls => "disk stopped writing",
            Self::NeverReboots => "did not reboot",
            Self::SystemDoesNotComeUp => "system did not come up",
        })
    }
}

/// What a board is about to do, which limits what can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Install an image, and boot it.
    Install,
    /// Anything else in a live system.
    Live,
    /// Boot its own disk.
    Disk,
}

impl Errand {
    fn mishaps(self) -> &'static [Mishap] {
        use Mishap::{
            DownloadStalls, LiveSystemFallsSilent, LiveSystemHangs, NeverReboots, SystemDoesNotComeUp,
            WritingStalls,
        };
        match self {
            Self::Install => &[
                LiveSystemHangs,
                LiveSystemFallsSilent,
                DownloadStalls,
                WritingStalls,
                NeverReboots,
                SystemDoesNotComeUp,
            ],
            Self::Live => &[LiveSystemHangs, LiveSystemFallsSilent],
            Self::Disk => &[SystemDoesNotComeUp],
        }
    }
}

/// What a power-on has in store, before it is known what the board will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate(u64);

impl Fate {
    /// One unlucky power-on in so many ends in the firmware already.
    const IN_FIRMWARE: u64 = 6;

    /// The firmware hangs.
    pub fn in_firmware(self) -> bool {
        self.0.is_multiple_of(Self::IN_FIRMWARE)
    }

    /// What goes wrong on this errand, if the firmware did not.
    pub fn on(self, errand: Errand) -> Mishap {
        let mishaps = errand.mishaps();
        // The remainder decided about the firmware.
        let which = (self.0 / Self::IN_FIRMWARE) % mishaps.len() as u64;
        mishaps[usize::try_from(which).expect("less than a handful")]
    }
}

/// A failed command of a relay board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hiccup {
    /// So many commands from now.
    pub after: u32,
    /// In this way.
    pub kind: HiccupKind,
}

/// How a relay board fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiccupKind {
    /// Resets the connection.
    Reset,
    /// Answers nonsense.
    Garbage,
    /// Acknowledges and does nothing.
    Stuck,
}

impl fmt::Display for HiccupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "a relay board hung up",
            Self::Garbage => "a relay board answered nonsense",
            Self::Stuck => "a relay did not move",
        })
    }
}

/// Relay boards are sturdier than what hangs on them: one hiccup for so many mishaps.
const MISHAPS_PER_HICCUP: f64 = 4.0;
/// Commands of two power cycles: a hiccup falls into one of the next operations.
const HICCUP_WITHIN: u64 = 10;

/// One board's dice.
#[derive(Debug, Clone)]
pub struct Dice {
    flaky: f64,
    fate: SplitMix,
    pace: SplitMix,
}

impl Dice {
    /// The dice of the board with this number. `flaky`: the probability of a mishap per power-on, 0 to 1.
    pub fn new(flaky: f64, seed: u64, board: u16) -> Self {
        // Spread, so that neighbours with neighbouring numbers do not share their fate.
        let mut root = SplitMix(seed ^ (u64::from(board) + 1).wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self { flaky, fate: SplitMix(root.next()), pace: SplitMix(root.next()) }
    }

    /// What this power-on has in store. Always the same number of throws, so that fates stay comparable between rates.
    pub fn power_on(&mut self) -> (Option<Fate>, Option<Hiccup>) {
        let (unlucky, fate) = (self.fate.fraction(), Fate(self.fate.next()));
        let (hiccup, kind, after) =
            (self.fate.fraction(), self.fate.below(3), self.fate.below(HICCUP_WITHIN));
        let kind = match kind {
            0 => HiccupKind::Reset,
            1 => HiccupKind::Garbage,
            _ => HiccupKind::Stuck,
        };
        let after = u32::try_from(after).expect("a handful");
        let fate = (unlucky < self.flaky).then_some(fate);
        (fate, (hiccup < self.flaky / MISHAPS_PER_HICCUP).then_some(Hiccup { after, kind }))
    }

    /// A factor between 0.75 and 1.25, so that boards do not march in step. Does not change their fate.
    pub fn stride(&mut self) -> f64 {
        0.75 + self.pace.fraction() / 2.0
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, good enough for fate.
#[derive(Debug, Clone)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn fraction(&mut self) -> f64 {
        // 53 bits fill a double's mantissa.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In [0, n). The bias of a remainder of 64 bits by a handful does not show.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(flaky: f64, seed: u64, board: u16) -> Vec<Option<Fate>> {
        let mut dice = Dice::new(flaky, seed, board);
        (0..200).map(|_| dice.power_on().0).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_fate_and_another_another() {
        assert_eq!(fates(0.3, 7, 4), fates(0.3, 7, 4));
        assert_ne!(fates(0.3, 7, 4), fates(0.3, 8, 4));
        assert_ne!(fates(0.3, 7, 4), fates(0.3, 7, 5));
        let mut strolling = Dice::new(0.3, 7, 4);
        let fate: Vec<_> = (0..200)
            .map(|_| {
                let stride = strolling.stride();
                assert!((0.75..1.25).contains(&stride), "{stride}");
                strolling.power_on().0
            })
            .collect();
        assert_eq!(fate, fates(0.3, 7, 4), "pace has no influence");
    }

    #[test]
    fn mishaps_come_as_often_as_asked_for_and_of_every_kind() {
        assert!(fates(0.0, 1, 1).iter().all(Option::is_none));
        assert!(fates(1.0, 1, 1).iter().all(Option::is_some));
        let hit: Vec<Fate> = (0..50).flat_map(|board| fates(0.3, 1, board)).flatten().collect();
        assert!((2800..3200).contains(&hit.len()), "{} of 10000", hit.len());
        let in_firmware = hit.iter().filter(|f| f.in_firmware()).count();
        assert!((420..580).contains(&in_firmware), "{in_firmware} of {}", hit.len());
        for errand in [Errand::Install, Errand::Live, Errand::Disk] {
            for mishap in errand.mishaps() {
                let n = hit.iter().filter(|f| !f.in_firmware() && f.on(errand) == *mishap).count();
                let fair = (hit.len() - in_firmware) / errand.mishaps().len();
                assert!(n.abs_diff(fair) <= fair / 5, "{errand:?}: {mishap} {n}, fair is {fair}");
            }
        }
    }

    #[test]
    fn relay_boards_hiccup_less_often() {
        let mut dice = Dice::new(0.4, 3, 0);
        let hiccups: Vec<Hiccup> = (0..1000).filter_map(|_| dice.power_on().1).collect();
        assert!((60..140).contains(&hiccups.len()), "{}", hiccups.len());
        assert!(hiccups.iter().all(|h| u64::from(h.after) < HICCUP_WITHIN));
        let mut sound = Dice::new(0.0, 3, 0);
        assert!((0..1000).all(|_| sound.power_on().1.is_none()));
    }
}
