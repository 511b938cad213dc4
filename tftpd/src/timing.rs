//! When a packet is repeated: the times of a server, and the timer of one transfer that learns how fast its client is.
//! It refuses to know packets: it is told how long an answer took and that a wait was in vain.
//! RFC 6298 (SRTT, RTTVAR, back-off); RFC 1123 section 4.2.3.2 (TFTP must adapt its timer).

use std::time::Duration;

/// When packets are repeated and when a transfer is given up. A client's own `timeout` option changes none of
/// this: ten of its time-outs make U-Boot abort the file, so it must never have to wait for one.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From sending to repeating, until the client's first answer shows how fast it is, and the most that repetitions
    /// which came too early make [`Self::shortest_retry`] grow to. At 2 % loss a timer of a whole second leaves
    /// PXELINUX with half a kernel after two minutes.
    pub first_retry: Duration,
    /// The least wait before a packet is repeated, however fast the client answers otherwise. Boards are a fraction
    /// of a millisecond away, but a boot loader that draws its progress on a serial line, or a board that is an
    /// emulator on a busy machine, pauses for some milliseconds; RFC 6298's whole second is meant for the Internet.
    pub shortest_retry: Duration,
    /// The wait doubles with each repetition up to this, so that a board that is off costs next to nothing.
    pub longest_retry: Duration,
    /// From the last progress to giving up. U-Boot answers a repeated block once and is then mute for 5 s;
    /// a server that gives up after 3 s leaves it hanging.
    pub give_up: Duration,
    /// The same while the client has acknowledged nothing: its address may be forged, and every client that is
    /// alive asks again within this time.
    pub give_up_unheard: Duration,
    /// How often the first answer is sent before the client has acknowledged anything, for the same reason; and how often a
    /// first window at least, before it has acknowledged a block.
    pub unheard_sends: u32,
    /// A request that is repeated after this much silence comes from a client that has started over, as a
    /// power-cycled PXELINUX does from the same port; before it, it is a copy that the network delayed.
    pub restart_silence: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(100),
            shortest_retry: Duration::from_millis(20),
            longest_retry: Duration::from_secs(3),
            give_up: Duration::from_secs(60),
            give_up_unheard: Duration::from_secs(10),
            unheard_sends: 3,
            restart_silence: Duration::from_secs(1),
        }
    }
}

/// What the kernel's timer adds to a wait: epoll_wait(2) counts in milliseconds (RFC 6298 calls it G).
const GRANULARITY: Duration = Duration::from_millis(1);

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryTimer {
    /// Smoothed round-trip time and its variation, once there was an answer to a packet sent once.
    measured: Option<(Duration, Duration)>,
    /// What is measured is the answer to the OACK.
    provisional: bool,
    /// The quickest answer of all; zero before the first one.
    least: Duration,
    shortest: Duration,
    /// The wait for a client of whom nothing is known.
    unmeasured: Duration,
    longest: Duration,
    wait: Duration,
}

impl RetryTimer {
    pub(crate) fn new(timing: &Timing) -> Self {
        Self {
            measured: None,
            provisional: false,
            least: Duration::ZERO,
            // Whoever sets one of them to more than the next one means it.
            shortest: timing.shortest_retry.min(timing.first_retry),
            unmeasured: timing.first_retry,
            longest: timing.longest_retry.max(timing.first_retry),
            wait: timing.first_retry,
        }
    }

    /// The wait that a packet sent now deserves.
    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }

    /// The smoothed round-trip time; zero before the first measurement.
    pub(crate) fn round_trip(&self) -> Duration {
        self.measured.map_or(Duration::ZERO, |(smoothed, _)| smoothed)
    }

    /// The quickest answer so far; zero before the first measurement. What comes sooner after a packet than half of it
    /// is no answer to that packet. The smoothed time would not do for this: it grows with whatever else the server and
    /// the client have to do, and with losses there are moments without any of that.
    pub(crate) fn quickest(&self) -> Duration {
        self.least
    }

    /// The answer to the OACK took this long. It is a first guess that the first block replaces: a client that looks for
    /// memory before it answers would otherwise be thought slow for its next twenty blocks.
    pub(crate) fn negotiated(&mut self, took: Duration) {
        self.answered(took);
        self.provisional = true;
    }

    /// An answer took this long. Only for packets that went out once: of two copies nobody knows which one was
    /// answered (Karn's rule, RFC 6298 section 3).
    pub(crate) fn answered(&mut self, took: Duration) {
        // RFC 6298 section 2, with its alpha of 1/8 and beta of 1/4.
        let (smoothed, variation) = match self.measured {
            Some((smoothed, variation)) if !std::mem::take(&mut self.provisional) => {
                (smoothed * 7 / 8 + took / 8, variation * 3 / 4 + smoothed.abs_diff(took) / 4)
            }
            Some(_) | None => (took, took / 2),
        };
        self.least = if self.measured.is_some() { self.least.min(took) } else { took };
        self.measured = Some((smoothed, variation));
        self.wait = self.usual();
    }

    fn usual(&self) -> Duration {
        match self.measured {
            None => self.unmeasured,
            Some((smoothed, variation)) => {
                (smoothed + (variation * 4).max(GRANULARITY)).clamp(self.shortest, self.longest)
            }
        }
    }

    /// The wait was in vain: the next one is twice as long.
    pub(crate) fn in_vain(&mut self) {
        self.wait = (self.wait * 2).min(self.longest);
    }

    /// The client answered after all. A doubled wait stays until an answer is measured (RFC 6298 section 5.7), but not
    /// beyond what a client gets of whom nothing is known: a board that was unplugged for a minute is back at once.
    pub(crate) fn heard(&mut self) {
        self.wait = self.wait.min(self.unmeasured.max(self.usual()));
    }

    /// Both the packet and its repetition were answered: nothing was lost, the client had only paused. From now on it
    /// is given more time, so that a board which stops again and again to write its flash is not flooded with copies.
    pub(crate) fn too_early(&mut self) {
        self.shortest = (self.shortest * 2).min(self.unmeasured);
        self.wait = self.wait.max(self.shortest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn timer() -> RetryTimer {
        RetryTimer::new(&Timing::default())
    }

    #[test]
    fn a_fast_client_gets_the_shortest_wait_and_a_slow_one_its_own_time() {
        let mut t = timer();
        assert_eq!((t.wait(), t.round_trip()), (100 * MS, Duration::ZERO));
        t.answered(MS / 5);
        assert_eq!((t.wait(), t.round_trip(), t.quickest()), (20 * MS, MS / 5, MS / 5));
        t.answered(MS);
        assert_eq!(t.quickest(), MS / 5, "however slow it becomes");
        let mut t = timer();
        t.answered(200 * MS);
        assert_eq!(t.wait(), 600 * MS, "RFC 6298 (2.2): SRTT + 4 * SRTT / 2");
        for _ in 0..100 {
            t.answered(200 * MS);
        }
        assert!(t.wait() > 200 * MS && t.wait() < 202 * MS, "{:?}: a steady client", t.wait());
        t.answered(300 * MS);
        assert!(t.wait() > 300 * MS, "{:?}: it is steady no more", t.wait());
        t.answered(Duration::from_secs(50));
        assert_eq!(t.wait(), Duration::from_secs(3), "never more than the longest");
    }

    #[test]
    fn a_client_that_is_slow_to_begin_is_not_thought_slow() {
        let mut t = timer();
        t.negotiated(400 * MS);
        assert_eq!(t.wait(), 1200 * MS, "nothing better is known");
        t.answered(MS);
        assert_eq!(t.wait(), 20 * MS);
        t.answered(200 * MS);
        assert!(t.wait() > 200 * MS, "from then on all count");
    }

    #[test]
    fn vain_waits_double_until_the_client_is_back() {
        let mut t = timer();
        t.answered(MS);
        let mut waits = Vec::new();
        for _ in 0..9 {
            waits.push(t.wait().as_millis());
            t.in_vain();
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 640, 1280, 2560, 3000]);
        t.heard();
        assert_eq!(t.wait(), 100 * MS, "it is back, but how fast it is now is not known");
        t.answered(MS);
        assert_eq!(t.wait(), 20 * MS);
        t.in_vain();
        t.heard();
        assert_eq!(t.wait(), 40 * MS, "RFC 6298 (5.7)");
    }

    #[test]
    fn who_was_asked_too_early_is_given_more_time_for_good_but_not_without_end() {
        let mut t = timer();
        t.answered(MS);
        t.in_vain();
        t.too_early();
        t.answered(MS);
        assert_eq!(t.wait(), 40 * MS);
        for _ in 0..10 {
            t.too_early();
            t.answered(MS);
        }
        assert_eq!(t.wait(), 100 * MS);
    }
}
