//! Bugs planted on purpose, each of a kind that has been written before; the simulator must find every one of them, by the
//! rule that it breaks, and nothing in the same runs without it.

use super::settings;
use crate::layers::{lifeguard, mozpool};
use crate::logic::lifeguard::{Ask, Counter, Event, Proof, State as S, Step, step};
use crate::logic::mozpool::{self as requests, ClaimChange, State as R};
use crate::sim::plant::Plant;
use crate::sim::{Report, run, run_with};
use crate::store::through::{Between, Through};
use crate::store::*;

/// Seeds that a bug may take to show itself.
const SEEDS: std::ops::Range<u64> = 1..6;

/// The bug is found by one of `rules` within the same days of some seed, and without it nothing is found there.
fn found(plant: Plant, faults: &str, rules: &[&str]) -> Report {
    for seed in SEEDS {
        let report = run_with(&settings(seed, faults), plant).unwrap();
        if let Some(violation) = &report.violation {
            assert!(rules.contains(&violation.rule), "found by another rule: {report}");
            assert!(!violation.trace.is_empty(), "{report}");
            let sound = run(&settings(seed, faults)).unwrap();
            assert_eq!(sound.violation, None, "without the bug: {sound}");
            let text = report.to_string();
            assert!(text.contains(violation.rule) && text.contains(&format!("seed {seed}")), "{text}");
            return report;
        }
    }
    panic!("not found with the seeds {SEEDS:?}");
}

fn moved(step: Step, change: impl FnOnce(&mut crate::logic::lifeguard::Moved)) -> Step {
    match step {
        Step::Moved(mut moved) => {
            change(&mut moved);
            Step::Moved(moved)
        }
        other => other,
    }
}

/// Nobody looks at the epoch of an answer: what comes late is taken for the answer to the present attempt.
#[test]
fn answers_whose_epoch_nobody_checks() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            let event = match event {
                Event::Answer { signal, .. } => Event::Answer { epoch: device.epoch, signal },
                other => other,
            };
            step(device, facts, event, now)
        })
    };
    found(
        Plant { device: Some(rule), ..Plant::default() },
        "messages=3,relays",
        &["late answers move nothing"],
    );
}

/// Nobody looks at boot tokens: what an earlier boot says late counts as if the board said it now.
#[test]
fn reports_whose_boot_nobody_checks() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            let event = match event {
                Event::Signal { signal, detail, .. } => {
                    Event::Signal { signal, detail, proof: Proof::NotNeeded }
                }
                other => other,
            };
            step(device, facts, event, now)
        })
    };
    let rules = ["reports of another boot change nothing"];
    found(Plant { device: Some(rule), ..Plant::default() }, "messages=5,boards=3", &rules);
}

/// Whoever runs on a board is believed that it is well.
#[test]
fn boards_that_speak_for_the_hardware() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            let event = match event {
                Event::Signal { signal, detail, proof }
                    if proof.holds_for(device.boot_token.as_ref()).is_ok() =>
                {
                    Event::Signal { signal, detail, proof: Proof::Operator }
                }
                other => other,
            };
            step(device, facts, event, now)
        })
    };
    let rules = ["no board speaks for the hardware"];
    found(Plant { device: Some(rule), ..Plant::default() }, "messages=5", &rules);
}

/// A second try to boot the live system is made with the token of the first.
#[test]
fn a_boot_token_that_is_used_again() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            moved(step(device, facts, event, now), |m| {
                m.next.boot_token = device.boot_token.or(m.next.boot_token);
            })
        })
    };
    let rules = ["each boot of the live system has a token of its own"];
    found(Plant { device: Some(rule), ..Plant::default() }, "boards=3", &rules);
}

/// A new state was given no time limit: whoever enters it and is not answered stays.
#[test]
fn a_state_whose_deadline_is_not_armed() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            moved(step(device, facts, event, now), |m| {
                if m.next.state == S::PxeBooting {
                    m.next.deadline = None;
                }
            })
        })
    };
    found(Plant { device: Some(rule), ..Plant::default() }, "boards", &["every wait ends"]);
}

/// A check of a board at rest does not ask for the next one: from the second on nobody looks at it again.
#[test]
fn a_check_that_is_never_repeated() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| match step(device, facts, event, now) {
            Step::Rearmed(mut rearmed) if device.state == S::Ready => {
                rearmed.deadline = None;
                Step::Rearmed(rearmed)
            }
            other => other,
        })
    };
    found(Plant { device: Some(rule), ..Plant::default() }, "none", &["every wait ends"]);
}

/// Time-outs of one state are not counted: a board that never boots is power-cycled for ever.
#[test]
fn a_retry_that_nobody_counts() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            moved(step(device, facts, event, now), |m| {
                m.next.counters.retain(|c| c != Counter::PxeBooting);
            })
        })
    };
    found(
        Plant { device: Some(rule), ..Plant::default() },
        "boards=10",
        &["every retry is counted and ends"],
    );
}

/// A device that is taken out of service keeps the deadline of the state before, and when it passes, a self-test begins.
#[test]
fn hands_that_are_not_kept_off() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            if device.state == S::LockedOut && matches!(event, Event::Deadline { .. }) {
                let mut unlocked = device.clone();
                unlocked.state = S::Troubleshooting;
                return step(&unlocked, facts, Event::Please(Ask::SelfTest), now);
            }
            moved(step(device, facts, event, now), |m| {
                if m.next.state == S::LockedOut {
                    m.next.deadline = Some(now.plus_s(60));
                }
            })
        })
    };
    found(Plant { device: Some(rule), ..Plant::default() }, "none", &["nothing is done to locked_out"]);
}

/// What is being installed counts as installed from the beginning: after a failure, the next request is given a board that
/// does not run what it is said to.
#[test]
fn an_image_that_is_believed_too_early() {
    let rule = || -> lifeguard::Rule {
        Box::new(|device, facts, event, now| {
            moved(step(device, facts, event, now), |m| {
                if m.next.state == S::PxeBooting {
                    m.next.installed = m.next.next.clone();
                }
            })
        })
    };
    found(
        Plant { device: Some(rule), ..Plant::default() },
        "boards=10",
        &["a ready request has its board", "when faults stop, every device comes to rest"],
    );
}

/// A request that is closed forgets to let go of its claim: the board is never free again.
#[test]
fn a_claim_that_is_not_dropped() {
    let rule = || -> mozpool::Rule {
        Box::new(|request, event, now| match requests::step(request, event, now) {
            requests::Step::Moved(mut moved) if moved.next.state == R::Closed => {
                moved.claim = ClaimChange::Keep;
                requests::Step::Moved(moved)
            }
            other => other,
        })
    };
    found(Plant { request: Some(rule), ..Plant::default() }, "none", &["at most one claim per device"]);
}

/// Names of relay boards are compared letter by letter: `R0` and `r0` are one board with two queues.
#[test]
fn two_queues_for_one_relay_board() {
    let key = |board: &relayctl::BoardAddress| board.to_string();
    let rules = &["one job at a time per relay board"];
    found(Plant { board_key: Some(key), ..Plant::default() }, "none", rules);
}

/// Claims have no unique key, and nothing else looks whether somebody has the device.
#[test]
fn claims_without_a_unique_key() {
    let rules = &["at most one claim per device", "kill anywhere and load again: the same machine"];
    found(Plant { store: Some(no_unique_key), ..Plant::default() }, "none", rules);
}

/// A store that lets everybody have everything.
pub(in crate::sim) fn no_unique_key(inner: Box<dyn Store>) -> Box<dyn Store> {
    Box::new(Through(Broken { inner, bug: Bug::NoUniqueKey }))
}

/// A commit is answered before it is on disk, and written with the next one: a crash between them loses what was acted on.
#[test]
fn commits_that_are_answered_before_they_are_on_disk() {
    let plant = |inner| -> Box<dyn Store> {
        Box::new(Through(Broken { inner, bug: Bug::LazyCommit { held: Vec::new() } }))
    };
    let rules = &["kill anywhere and load again: the same machine"];
    found(Plant { store: Some(plant), ..Plant::default() }, "crash=10", rules);
}

/// What is wrong with a store.
enum Bug {
    NoUniqueKey,
    LazyCommit { held: Vec<DeviceCommit> },
}

struct Broken {
    inner: Box<dyn Store>,
    bug: Bug,
}

impl Between for Broken {
    fn store(&mut self) -> &mut dyn Store {
        &mut *self.inner
    }

    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        let mut commits = commits.to_vec();
        if matches!(self.bug, Bug::NoUniqueKey) {
            for commit in &mut commits {
                if matches!(commit.claim, ClaimChange::Take(_)) {
                    commit.claim = ClaimChange::Keep;
                }
            }
        }
        self.inner.commit_requests(&commits)
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        let Bug::LazyCommit { held } = &mut self.bug else { return self.inner.commit_devices(commits) };
        self.inner.commit_devices(held)?;
        *held = commits.to_vec();
        Ok(vec![Committed::Done; commits.len()])
    }
}
