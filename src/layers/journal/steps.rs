//! Steps of attempts on their way to the store: a board that runs in circles is told of so often a power cycle, and then no more.
//!
//! Pure. Steps wait beside the lines of the [`super::backlog`] and are written with them.

use crate::logic::attempt::{POWER_OFF, Step, StepKind};
use crate::logic::ids::DeviceName;
use crate::store::AttemptStep;
use std::collections::HashMap;

/// Steps of one board from one power cycle to the next. A long installation has some thirty.
pub const STEPS_PER_CYCLE: u32 = 200;
/// Steps that wait while the store does not answer: a rack that boots some times over.
pub const STEPS_WAITING: usize = 10_000;
/// Steps that are written at once.
pub const BATCH_STEPS: usize = 500;
/// Characters of a name and of the words of a step.
const NAME_MAX: usize = 200;
const WHAT_MAX: usize = 300;

/// The steps that wait, and how many each board may still have.
#[derive(Debug, Default)]
pub(super) struct Steps {
    waiting: Vec<AttemptStep>,
    /// One number for each device that exists.
    told: HashMap<DeviceName, u32>,
}

impl Steps {
    /// Takes a step in; false when it is one too many.
    pub(super) fn add(&mut self, device: &DeviceName, mut step: Step) -> bool {
        let told = self.told.entry(device.clone()).or_default();
        if step.kind == StepKind::Power && step.name == POWER_OFF {
            *told = 0;
        }
        if *told >= STEPS_PER_CYCLE || self.waiting.len() >= STEPS_WAITING {
            return false;
        }
        *told += 1;
        if *told == STEPS_PER_CYCLE {
            step.what
                .push_str("; from here on nothing is listed until the next power cycle, there is too much");
        }
        cut(&mut step.name, NAME_MAX);
        cut(&mut step.what, WHAT_MAX);
        self.waiting.push(AttemptStep { device: device.clone(), step });
        true
    }

    /// The next to be written.
    pub(super) fn batch(&self) -> &[AttemptStep] {
        &self.waiting[..self.waiting.len().min(BATCH_STEPS)]
    }

    /// So many of the oldest are in the store.
    pub(super) fn written(&mut self, steps: usize) {
        self.waiting.drain(..steps);
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A text of so many characters at most.
fn cut(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::time::Timestamp;

    fn step(kind: StepKind, name: &str) -> Step {
        Step::new(Timestamp(7), kind, name, "x")
    }

    #[test]
    fn a_board_in_circles_has_so_many_steps_and_a_power_cycle_begins_anew() {
        let mut steps = Steps::default();
        let (one, other) = ("one".into(), "other".into());
        let told = |steps: &mut Steps, device| {
            (0..1000).filter(|_| steps.add(device, step(StepKind::Event, "x"))).count()
        };
        assert_eq!((told(&mut steps, &one), told(&mut steps, &other)), (200, 200));
        assert!(steps.waiting[199].step.what.contains("too much"), "{:?}", steps.waiting[199]);
        assert!(!steps.add(&one, step(StepKind::Power, "on")));
        assert!(steps.add(&one, step(StepKind::Power, POWER_OFF)));
        assert_eq!(told(&mut steps, &one), 199);
        assert_eq!(told(&mut steps, &other), 0, "another board's power is none of its concern");
    }

    #[test]
    fn what_waits_and_what_a_board_may_say_are_bounded() {
        let mut steps = Steps::default();
        let long = "ä".repeat(5000);
        for n in 0..1000 {
            let mut step = step(StepKind::Tftp, &long);
            step.what.clone_from(&long);
            for _ in 0..20 {
                steps.add(&format!("b{n}").into(), step.clone());
            }
        }
        assert_eq!(steps.waiting.len(), STEPS_WAITING);
        let widths = |s: &AttemptStep| (s.step.name.chars().count(), s.step.what.chars().count());
        assert_eq!(widths(&steps.waiting[0]), (200, 300));
        assert_eq!(steps.batch().len(), BATCH_STEPS);
        steps.written(BATCH_STEPS);
        assert_eq!(steps.waiting.len(), STEPS_WAITING - BATCH_STEPS);
        assert_eq!(steps.waiting[0].device, "b25".into(), "the oldest go first");
    }
}
