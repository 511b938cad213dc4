//! The simulator's only source of chance: the same seed throws the same dice, on every machine and in every build.
//!
//! Each part of the world has dice of its own, so that a fault more does not change everything that follows elsewhere.

use crate::logic::lifeguard::BootToken;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for one part of the world.
    pub(super) fn new(seed: u64, part: u64) -> Self {
        let mut root = Self(seed ^ part.wrapping_add(1).wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self(root.next())
    }

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

    /// In [0, n); 0 when `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let n = n.max(1) as u64;
        usize::try_from(self.next() % n).expect("less than a usize")
    }

    /// True with this probability. Impossible things cost no throw, so that switching a kind of fault off disturbs nothing else.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.fraction() < probability
    }

    /// A boot token.
    pub(super) fn token(&mut self) -> BootToken {
        let halves = [self.next(), self.next()].map(u64::to_le_bytes);
        BootToken::new(std::array::from_fn(|n| halves[n / 8][n % 8]))
    }

    /// Milliseconds in `[from, to)`.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        let span = to.saturating_sub(from).max(1).unsigned_abs();
        from + (self.next() % span).cast_signed()
    }

    /// Milliseconds until the next of things that happen every `mean_ms` on average (exponential; at least 1 ms).
    #[expect(clippy::cast_possible_truncation, reason = "a float as long as ten years fits")]
    pub(super) fn wait(&mut self, mean_ms: f64) -> i64 {
        // A table's worth of precision would do; `ln` is the same in every build on one machine.
        let wait = -(1.0 - self.fraction()).ln() * mean_ms;
        (wait as i64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_are_fair_and_repeat_themselves() {
        let throws = |seed, part| {
            let mut dice = Dice::new(seed, part);
            (0..1000).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7, 1), throws(7, 1));
        assert_ne!(throws(7, 1), throws(7, 2));
        assert_ne!(throws(7, 1), throws(8, 1));
        for side in 0..6 {
            let n = throws(7, 1).iter().filter(|t| **t == side).count();
            assert!((120..220).contains(&n), "{side}: {n}");
        }
        let mut dice = Dice::new(1, 1);
        let mean = (0..10_000).map(|_| dice.wait(1000.0)).sum::<i64>() / 10_000;
        assert!((950..1050).contains(&mean), "{mean}");
        assert!((0..1000).all(|_| (5..9).contains(&dice.between(5, 9))));
    }
}
