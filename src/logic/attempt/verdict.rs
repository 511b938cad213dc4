//! How one attempt compares with what is usual, step by step and in a sentence for a person at a screen.

use super::usual::{StepId, Typical, Usual, UsualStep, identified, ms};
use super::words::{self, lasted, of_pair};
use super::{Attempt, Outcome, POWER_FAILED, Purpose, Step, StepKind};
use crate::logic::events::Signal;
use crate::logic::lifeguard::State;
use crate::logic::time::Timestamp;

/// How a step compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// When it usually comes, in milliseconds after the attempt's start.
    pub usual_ms: Option<u64>,
    /// So much later than usual it came, if it was late.
    pub late_ms: Option<u64>,
    /// It took, or has taken, far longer than usual.
    pub slow: bool,
}

/// How an attempt compares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// For each step of the attempt, in its order.
    pub steps: Vec<Compared>,
    /// What usually comes after the last of them and has not come; nothing for an attempt that went well.
    pub missing: Vec<UsualStep>,
    /// A sentence about the whole, if there is anything to say.
    pub verdict: Option<String>,
}

/// Compares an attempt with what is usual for its kind, as it stands at `now`.
pub fn judge(attempt: &Attempt, usual: &Usual, now: Timestamp) -> Judged {
    let end = attempt.ended.unwrap_or(now);
    let mut steps = Vec::with_capacity(attempt.steps.len());
    let mut slowest: Option<Slow<'_>> = None;
    let mut last: Option<Milestone<'_>> = None;
    for (index, (id, step)) in identified(attempt).enumerate() {
        let found = id.as_ref().and_then(|id| usual.find(id));
        let compared = found.map(|(_, usual)| compare(attempt, step, usual, end)).unwrap_or_default();
        steps.push(compared);
        if let Some((_, UsualStep { took: Some(took), .. })) = found.filter(|_| compared.slow) {
            let slow = Slow { step, took_ms: took_ms(step, end), usual_ms: took.ms };
            slowest = slower(slowest, slow);
        }
        if is_milestone(step) && !step.bad {
            let place = found.map(|(place, _)| place);
            // Once something is known to be far on the way, what is unknown or came before it says less.
            if last.as_ref().is_none_or(|last| place >= last.place) {
                last = Some(Milestone { step, index, place, late_ms: compared.late_ms });
            }
        }
    }
    // Beyond what is compared.
    steps.resize(attempt.steps.len(), Compared::default());
    let after = last.as_ref().and_then(|last| last.place).map_or(0, |place| place + 1);
    let missing = match attempt.outcome {
        Outcome::Ok => Vec::new(),
        Outcome::Running | Outcome::Failed | Outcome::GivenUp => missing(attempt, usual, after),
    };
    let case = Case { attempt, usual, now, last, slowest, missing: &missing };
    let verdict = case.verdict();
    Judged { steps, missing, verdict }
}

/// A step that took far longer than usual.
#[derive(Debug, Clone, Copy)]
struct Slow<'a> {
    step: &'a Step,
    took_ms: u64,
    usual_ms: u64,
}

impl Slow<'_> {
    fn excess_ms(&self) -> u64 {
        self.took_ms.saturating_sub(self.usual_ms)
    }
}

/// What cost most. A state lasts as long as the file that is loaded in it: the file says more, if it explains the most of it.
fn slower<'a>(one: Option<Slow<'a>>, other: Slow<'a>) -> Option<Slow<'a>> {
    let Some(one) = one else { return Some(other) };
    let weight = |slow: &Slow<'_>| {
        let share = if slow.step.kind == StepKind::State { 2 } else { 3 };
        slow.excess_ms().saturating_mul(share)
    };
    Some(if weight(&other) > weight(&one) { other } else { one })
}

/// How far a board has come for certain.
#[derive(Debug, Clone, Copy)]
struct Milestone<'a> {
    step: &'a Step,
    /// In the attempt.
    index: usize,
    /// In the usual order.
    place: Option<usize>,
    late_ms: Option<u64>,
}

fn took_ms(step: &Step, end: Timestamp) -> u64 {
    step.took_ms.unwrap_or_else(|| end.ms_since(step.at).max(0).unsigned_abs())
}

fn compare(attempt: &Attempt, step: &Step, usual: &UsualStep, end: Timestamp) -> Compared {
    // A state that lasts has no end yet; all other steps without a duration take none.
    let lasts = step.took_ms.is_some() || step.kind == StepKind::State;
    let slow = |took: Typical| lasts && took.excess_ms(took_ms(step, end)).is_some();
    Compared {
        usual_ms: Some(usual.at.ms),
        late_ms: usual.at.excess_ms(ms(attempt, step.at)),
        slow: usual.took.is_some_and(slow),
    }
}

/// A step that shows how far a board is. States follow from these, and lines of a log from whoever likes to talk.
fn is_milestone(step: &Step) -> bool {
    is_milestone_kind(step.kind, step.key())
}

fn is_milestone_kind(kind: StepKind, key: &str) -> bool {
    match kind {
        StepKind::Power => key == super::POWER_ON,
        StepKind::Tftp | StepKind::Http | StepKind::Event | StepKind::Ping => true,
        StepKind::State | StepKind::Syslog | StepKind::Check => false,
    }
}

/// Milestones that usually come from this place on, and did not.
fn missing(attempt: &Attempt, usual: &Usual, after: usize) -> Vec<UsualStep> {
    let came: Vec<StepId> = identified(attempt).filter_map(|(id, _)| id).collect();
    let rest = usual.steps.iter().skip(after);
    rest.filter(|s| is_milestone_kind(s.id.kind, &s.id.key) && !came.contains(&s.id)).cloned().collect()
}

/// All that a sentence is made of.
struct Case<'a> {
    attempt: &'a Attempt,
    usual: &'a Usual,
    now: Timestamp,
    last: Option<Milestone<'a>>,
    slowest: Option<Slow<'a>>,
    missing: &'a [UsualStep],
}

impl Case<'_> {
    fn verdict(&self) -> Option<String> {
        match self.attempt.outcome {
            // What somebody boots by hand is like nothing else, and has no end that means anything.
            _ if self.attempt.purpose == Purpose::Pxe => None,
            Outcome::Ok => Some(self.well()),
            Outcome::Running => Some(self.running()),
            Outcome::Failed | Outcome::GivenUp => Some(self.stopped()),
        }
    }

    fn well(&self) -> String {
        let took = ms(self.attempt, self.attempt.ended.unwrap_or(self.now));
        let Some(usual) = self.usual.duration else {
            return format!("well after {}; too few are known to say what is usual", lasted(took));
        };
        if usual.excess_ms(took).is_none() {
            return if took < usual.ms / 2 {
                format!("quicker than usual: {}", of_pair(took, usual.ms))
            } else {
                format!("as usual: {}", lasted(took))
            };
        }
        match self.slowest {
            Some(Slow { step, took_ms, usual_ms }) => {
                format!("slow: {} took {}", words::subject(step), of_pair(took_ms, usual_ms))
            }
            None => format!("slower than usual: {}", of_pair(took, usual.ms)),
        }
    }

    fn running(&self) -> String {
        let elapsed = ms(self.attempt, self.now);
        let Some(next) = self.missing.first() else {
            return match (self.last, self.usual.duration) {
                (None, _) => format!("under way for {}", lasted(elapsed)),
                (Some(last), None) => {
                    format!("under way for {}, {}", lasted(elapsed), words::so_far(last.step))
                }
                (Some(_), Some(usual)) => match usual.excess_ms(elapsed) {
                    Some(late) => format!("ought to have ended, {} later than usual", lasted(late)),
                    None => format!("about to end, usually after {}", lasted(usual.ms)),
                },
            };
        };
        let awaited = words::awaited(&next.id);
        match next.at.excess_ms(elapsed) {
            Some(late) => format!("waits for {awaited}, {} later than usual", lasted(late)),
            None => format!("waits for {awaited}, usually after {}", lasted(next.at.ms)),
        }
    }

    fn stopped(&self) -> String {
        let by_hand = self.attempt.outcome == Outcome::GivenUp
            && State::parse(&self.attempt.state).is_some_and(|s| !s.is_failed());
        if by_hand {
            return format!("a person stepped in: {}", self.attempt.state);
        }
        if let Some(said) = self.fault() {
            return said;
        }
        let Some(last) = self.last else { return "power never came back".to_owned() };
        let mut text = words::stopped_after(last.step);
        if let Some(late) = last.late_ms {
            text.push_str(&format!(", {} later than usual", lasted(late)));
        }
        if let Some(next) = self.missing.first() {
            let but = if last.step.kind == StepKind::Power { ", but" } else { ";" };
            text.push_str(&format!(
                "{but} {} (usually after {})",
                words::never(&next.id),
                lasted(next.at.ms)
            ));
        }
        text
    }

    /// What went wrong in so many words, if it is the last that is known: a board may well get over a file that is not there.
    fn fault(&self) -> Option<String> {
        let from = self.last.map_or(0, |last| last.index);
        let step = self.attempt.steps.iter().skip(from).rev().find(|s| is_fault(s))?;
        Some(match step.kind {
            StepKind::Power => format!("power could not be switched: {}", step.what),
            StepKind::Event => format!("the board said {}: {}", step.name, step.what),
            _ => format!("stopped at {}: {}", words::file(&step.name), step.what),
        })
    }
}

/// A step that can be the reason why an attempt ended.
fn is_fault(step: &Step) -> bool {
    let gave_up =
        [Signal::ImageFailed, Signal::MobileInitFailed, Signal::SecondStageFailed, Signal::FailedSelfTest];
    match step.kind {
        StepKind::Event => !step.bad && gave_up.iter().any(|s| s.name() == step.name),
        StepKind::Power => step.name == POWER_FAILED,
        StepKind::Tftp | StepKind::Http | StepKind::Check => step.bad,
        StepKind::State | StepKind::Syslog | StepKind::Ping => false,
    }
}
