//! Everything at once, by lot: answers get lost, the store fails, the process dies, people ask and return. When that ends,
//! every request ends, and every board comes to rest.

use super::faulty::Trouble;
use super::world::World;
use crate::layers::messages::*;
use crate::logic::events::Signal;
use crate::logic::lifeguard::State as S;
use crate::logic::mozpool::State as R;
use std::collections::HashSet;

const BOARDS: usize = 8;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % n
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// What hardware and boards say within a second; each word is lost with `loss` percent.
fn hardware(w: &mut World, dice: &mut Dice, loss: u64) {
    for job in w.jobs.try_iter().collect::<Vec<_>>() {
        let (device, epoch, signal) = match job {
            BmmJob::PowerCycle { device, epoch, .. } => (device, epoch, Signal::PowerCycleOk),
            BmmJob::Probe { device, epoch, good, .. } => (device, epoch, good),
            _ => continue,
        };
        let signal = if dice.percent(loss / 2) && signal == Signal::PowerCycleOk {
            Signal::PowerCycleFailed
        } else {
            signal
        };
        if !dice.percent(loss) {
            let _ = w.answers.try_send(BmmAnswer::Finished { device, epoch, signal, detail: None });
        }
    }
    for i in 1..=BOARDS {
        let device = format!("b{i}");
        let signal = match w.state(&device) {
            S::PxeBooting => Signal::MobileInitStarted,
            S::MobileInitStarted => Signal::ImageDownloading,
            S::ImageDownloading if dice.percent(loss / 4) => Signal::ImageFailed,
            S::ImageDownloading => Signal::ImageExtracting,
            S::ImageExtracting => Signal::ImageRebooting,
            _ => continue,
        };
        if !dice.percent(loss) {
            drop(w.says_something(&device, signal));
        }
    }
}

/// No board has two owners, and what requests say they hold is what boards say they are held by.
fn claims_agree(w: &mut World, seed: u64) {
    let mut held = HashSet::new();
    for view in w.store.requests(true).unwrap() {
        if let Some(device) = view.machine.assigned {
            assert!(held.insert(device.clone()), "seed {seed}: {device} is given twice");
            assert_eq!(w.store.device(&device).unwrap().unwrap().request, Some(view.machine.id));
            let ended = view.machine.state.is_failed() || view.machine.state == R::Closed;
            assert!(!ended, "seed {seed}: request {} has ended and holds {device}", view.machine.id);
        }
    }
}

#[test]
fn whatever_happens_everything_comes_to_rest() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let mut w = World::with(BOARDS, 4);
        let mut open = Vec::new();
        for _ in 0..400 {
            w.trouble(if dice.percent(10) { Some(Trouble::All) } else { None });
            if dice.percent(10) {
                open.push(w.ask(None, if dice.percent(50) { "debian" } else { "b2g" }));
            }
            if dice.percent(5) {
                let all = w.store.requests(false).unwrap();
                if let Some(view) = all.get(usize::try_from(dice.below(8)).unwrap()) {
                    drop(w.close(view.machine.id));
                }
            }
            hardware(&mut w, &mut dice, 20);
            w.pass_s(1);
            if dice.percent(2) {
                w.trouble(None);
                w.start();
            }
            claims_agree(&mut w, seed);
        }
        w.trouble(None);
        for _ in 0..3000 {
            hardware(&mut w, &mut dice, 0);
            w.pass_s(1);
        }
        claims_agree(&mut w, seed);
        for view in w.store.requests(true).unwrap() {
            let state = view.machine.state;
            assert!(
                state == R::Ready || state == R::Closed || state.is_failed(),
                "seed {seed}: request {} is {state}",
                view.machine.id
            );
        }
        for i in 1..=BOARDS {
            let device = format!("b{i}");
            let state = w.state(&device);
            assert!(state == S::Ready || state.is_failed(), "seed {seed}: {device} is {state}");
        }
        assert!(w.store.requests(true).unwrap().iter().any(|v| v.machine.state == R::Ready), "seed {seed}");
    }
}
