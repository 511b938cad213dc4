//! What boards report and nobody believes: counted, and told in the device's log once for each reason and boot, so that whoever
//! sends it again and again fills neither the log nor the attempt.

use super::*;
use crate::logic::lifeguard::{BootToken, Doubt};
use rustix::rand::{GetRandomFlags, getrandom};
use std::sync::atomic::{AtomicU64, Ordering};

/// Reports that were refused since the start, by reason.
#[derive(Debug, Default)]
pub struct Doubted([AtomicU64; Doubt::ALL.len()]);

impl Doubted {
    fn count(&self, doubt: Doubt) {
        let place = Doubt::ALL.iter().position(|d| *d == doubt);
        if let Some(count) = place.and_then(|n| self.0.get(n)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// For `GET health` and for monitors.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        const NAMES: [&str; Doubt::ALL.len()] = [
            "refused_foreign",
            "refused_no_token",
            "refused_other_boot",
            "refused_no_address",
            "refused_not_for_boards",
        ];
        NAMES.into_iter().zip(&self.0).map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect()
    }
}

/// What was told of one boot.
#[derive(Debug, Default)]
pub(super) struct Told {
    boot: Option<BootToken>,
    reasons: Vec<Doubt>,
}

impl Told {
    /// Whether this reason is news for this boot; from now on it is not.
    fn is_news(&mut self, boot: Option<BootToken>, doubt: Doubt) -> bool {
        if self.boot != boot {
            *self = Self { boot, reasons: Vec::new() };
        }
        let is_news = !self.reasons.contains(&doubt);
        if is_news {
            self.reasons.push(doubt);
        }
        is_news
    }
}

impl Lifeguard {
    /// A report is not believed: whether anybody needs to be told.
    pub(super) fn doubt(&mut self, device: &DeviceName, doubt: Doubt) -> bool {
        self.doubted.count(doubt);
        let Some(entry) = self.devices.get_mut(device) else { return false };
        entry.told.is_news(entry.machine.boot_token, doubt)
    }
}

/// A token from the kernel's random numbers.
pub(super) fn random_token() -> BootToken {
    let mut bytes = [0; BootToken::BYTES];
    // Up to 256 bytes come whole and without interruption (getrandom(2)), once the system has begun to collect them.
    let taken =
        getrandom(&mut bytes, GetRandomFlags::empty()).expect("Linux has had getrandom(2) since 3.17");
    assert_eq!(taken, bytes.len(), "a token of zeros could be guessed");
    BootToken::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_for_each_boot() {
        let [one, other] = [1, 2].map(|n| Some(BootToken::new([n; BootToken::BYTES])));
        let mut told = Told::default();
        for (boot, doubt, news) in [
            (None, Doubt::NoToken, true),
            (None, Doubt::NoToken, false),
            (one, Doubt::NoToken, true),
            (one, Doubt::Foreign, true),
            (one, Doubt::NoToken, false),
            (one, Doubt::Foreign, false),
            (other, Doubt::Foreign, true),
        ] {
            assert_eq!(told.is_news(boot, doubt), news, "{boot:?} {doubt:?}");
        }
    }

    #[test]
    fn refusals_are_counted_under_their_reasons() {
        let doubted = Doubted::default();
        for doubt in [Doubt::Foreign, Doubt::OtherBoot, Doubt::OtherBoot] {
            doubted.count(doubt);
        }
        for (doubt, (name, count)) in Doubt::ALL.iter().zip(doubted.rows()) {
            assert_eq!(name, format!("refused_{doubt}"));
            let want = match doubt {
                Doubt::Foreign => 1,
                Doubt::OtherBoot => 2,
                Doubt::NoToken | Doubt::NoAddress | Doubt::NotForBoards => 0,
            };
            assert_eq!(count, want, "{name}");
        }
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(random_token(), random_token());
    }
}
