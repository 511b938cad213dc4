//! What boards report and nobody believes, or nobody waits for: counted, and told in the device's log once for each reason and boot (what
//! nobody waits for once for each state as well), so that whoever sends it again and again fills neither the log nor the attempt.

use super::*;
use crate::logic::lifeguard::{BootToken, Doubt};
use rustix::rand::{GetRandomFlags, getrandom};
use std::sync::atomic::{AtomicU64, Ordering};

/// Reports that were refused since the start, by reason, and those that were believed and ignored.
#[derive(Debug, Default)]
pub struct Doubted {
    refused: [AtomicU64; Doubt::ALL.len()],
    ignored: AtomicU64,
}

impl Doubted {
    fn count(&self, doubt: Doubt) {
        let place = Doubt::ALL.iter().position(|d| *d == doubt);
        if let Some(count) = place.and_then(|n| self.refused.get(n)) {
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
        let refused = NAMES.into_iter().zip(&self.refused);
        let all = refused.chain([("reports_ignored", &self.ignored)]);
        all.map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect()
    }
}

/// What was told of one boot.
#[derive(Debug, Default)]
pub(super) struct Told {
    boot: Option<BootToken>,
    reasons: Vec<Doubt>,
    /// In which state these were ignored; names of events, of which there are few, and none for all that are unknown.
    ignored: (Option<State>, Vec<Option<&'static str>>),
}

impl Told {
    /// Whether this reason is news for this boot; from now on it is not.
    fn is_news(&mut self, boot: Option<BootToken>, doubt: Doubt) -> bool {
        if self.boot != boot {
            *self = Self { boot, ..Self::default() };
        }
        let is_news = !self.reasons.contains(&doubt);
        if is_news {
            self.reasons.push(doubt);
        }
        is_news
    }

    /// The same for a report that the state does not wait for.
    fn is_ignored_news(
        &mut self,
        boot: Option<BootToken>,
        state: State,
        event: Option<&'static str>,
    ) -> bool {
        if self.boot != boot {
            *self = Self { boot, ..Self::default() };
        }
        if self.ignored.0 != Some(state) {
            self.ignored = (Some(state), Vec::new());
        }
        let is_news = !self.ignored.1.contains(&event);
        if is_news {
            self.ignored.1.push(event);
        }
        is_news
    }
}

impl Lifeguard {
    /// A report of a board is believed, and changes nothing: whether anybody needs to be told.
    pub(super) fn ignore_report(&mut self, device: &DeviceName, why: &Ignored) -> bool {
        let event = match why {
            // A sign of progress soon after the last: the board does what it should.
            Ignored::AsItWas => return false,
            Ignored::NotExpected { event, .. } => Some(*event),
            _ => None,
        };
        self.doubted.ignored.fetch_add(1, Ordering::Relaxed);
        let Some(entry) = self.devices.get_mut(device) else { return false };
        entry.told.is_ignored_news(entry.machine.boot_token, entry.machine.state, event)
    }

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
    fn what_nobody_waits_for_is_told_once_for_each_boot_and_state() {
        let boot = Some(BootToken::new([1; BootToken::BYTES]));
        let (early, late) = (Some("mobile_init_started"), Some("image_rebooting"));
        let mut told = Told::default();
        for (boot, state, event, news) in [
            (None, State::Ready, early, true),
            (None, State::Ready, early, false),
            (None, State::Ready, None, true),
            (None, State::Ready, None, false),
            (None, State::Ready, late, true),
            (None, State::ImagePinging, late, true),
            (None, State::ImagePinging, late, false),
            (boot, State::ImagePinging, late, true),
        ] {
            assert_eq!(told.is_ignored_news(boot, state, event), news, "{boot:?} {state} {event:?}");
        }
    }

    #[test]
    fn refusals_are_counted_under_their_reasons() {
        let doubted = Doubted::default();
        for doubt in [Doubt::Foreign, Doubt::OtherBoot, Doubt::OtherBoot] {
            doubted.count(doubt);
        }
        assert_eq!(doubted.rows().last(), Some(&("reports_ignored", 0)));
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
