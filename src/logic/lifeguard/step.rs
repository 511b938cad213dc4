//! The device machine's one function: the row, an event and the time in; the next row and the work to do out.
//!
//! Nothing happens here. The caller commits `next` and the log lines, and only then hands out the effects.

use super::failure::{Failure, Trouble, explain};
use super::limits::time_limit_s;
use super::table::{Count, Enter, Go, OverLimit, Please, SOON_MAX, at_rest, def};
use super::{
    Ask, Boot, Claim, Counter, Device, Doubt, Effect, Event, FAILURES_MAX, Facts, Ignored, Install,
    ProbeMode, Proof, SELF_HEALS_MAX, State,
};
use crate::logic::attempt::{Outcome, Purpose, Turn};
use crate::logic::check::Check;
use crate::logic::events::{ImagingResult, ReturnPolicy, Signal};
use crate::logic::ids::{ImageName, MAINTENANCE_IMAGE, PxeConfigName, SELF_TEST_IMAGE};
use crate::logic::machine::Epoch;
use crate::logic::time::Timestamp;
use std::sync::Arc;

/// While more than so many tenths of its time limit are left, progress without a higher percentage changes nothing: ten commits for
/// each limit at most, and a board that falls silent is given nine tenths of it at least.
const PROGRESS_TENTHS: u8 = 9;

/// What an event does to a device.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing, and why.
    Ignored(Ignored),
    /// Nothing that must outlive the process: no commit, only a later deadline and perhaps a question to the hardware.
    Rearmed(Rearmed),
    /// This, in one commit.
    Moved(Box<Moved>),
}

/// The wait in a state begins anew, in memory only. What is on disk still says all that a restart needs: the state, its
/// epoch, and a deadline that has passed earlier (see [`super::resume`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rearmed {
    /// When the state's time is up now.
    pub deadline: Option<Timestamp>,
    /// To be handed out at once, under the epoch that the device has.
    pub effects: Vec<Effect>,
}

/// A device's next row and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The row to commit.
    pub next: Device,
    /// Lines for the device's log, in order, in the same commit.
    pub log: Vec<String>,
    /// How the board's attempt goes on, in the same commit.
    pub turns: Vec<Turn>,
    /// How an installation ended; stored with the claim in the same commit, so that a lost message loses nothing.
    pub result: Option<ImagingResult>,
    /// Why it was given up, if it was; the last word when it was twice.
    pub failure: Option<Failure>,
    /// To be handed out after the commit.
    pub effects: Vec<Effect>,
}

/// Decides what `event` does to `device` at `now`.
pub fn step(device: &Device, facts: Facts<'_>, event: Event, now: Timestamp) -> Step {
    let mut run = Run {
        facts,
        now,
        from: device.epoch,
        in_memory: false,
        by_hand: false,
        trouble: Trouble::Unknown,
        moved: Moved {
            next: device.clone(),
            log: Vec::new(),
            turns: Vec::new(),
            result: None,
            failure: None,
            effects: Vec::new(),
        },
    };
    match run.apply(event) {
        Ok(()) if run.in_memory => {
            Step::Rearmed(Rearmed { deadline: run.moved.next.deadline, effects: run.moved.effects })
        }
        Ok(()) => {
            run.cancel_what_is_no_longer_wanted(device);
            Step::Moved(Box::new(run.moved))
        }
        Err(why) => Step::Ignored(why),
    }
}

struct Run<'a> {
    facts: Facts<'a>,
    now: Timestamp,
    from: Epoch,
    /// Nothing but the deadline has changed.
    in_memory: bool,
    /// What has gone wrong, in case that is the end of it.
    trouble: Trouble,
    /// A person says where the device is: that proves nothing of it.
    by_hand: bool,
    moved: Moved,
}

type Applied = Result<(), Ignored>;

impl Run<'_> {
    fn apply(&mut self, event: Event) -> Applied {
        let state = self.moved.next.state;
        if let Some((reported, proof)) = event.reported() {
            let doubted = |doubt| Ignored::Doubted { event: reported.to_owned(), doubt };
            proof.holds_for(self.moved.next.boot_token.as_ref()).map_err(doubted)?;
            // Whoever runs on the board reads its next token while the power cycle waits at the relay, and must not be able to say that
            // the power was cut, or that what runs is well.
            if event.is_for_the_hardware() && proof != Proof::Operator {
                return Err(doubted(Doubt::NotForBoards));
            }
        }
        match event {
            Event::Signal { signal, detail, .. } => {
                self.trouble = Trouble::Said { signal, detail: detail.clone() };
                self.signal(signal)?;
                if let Some(detail) = detail {
                    self.moved.log.insert(0, format!("{signal}: {detail}"));
                }
                Ok(())
            }
            Event::Answer { epoch, signal } => {
                self.trouble = Trouble::Said { signal, detail: None };
                self.current(epoch).and_then(|()| self.signal(signal))
            }
            Event::PowerStarted { epoch } => self.current(epoch).map(|()| self.arm_in_memory()),
            Event::NoBootConfig { epoch, why } => {
                self.current(epoch)?;
                if state != State::PxePowerCycling {
                    return Err(Ignored::NotExpected { event: "no_boot_config", state });
                }
                // More power cycles would not mend a template.
                self.moved.log.push(format!("no boot config: {why}"));
                self.trouble = Trouble::NoBootConfig { why };
                self.enter(State::FailedPxeBooting);
                Ok(())
            }
            Event::Deadline { waiting } => match self.moved.next.deadline {
                Some(at) if at <= self.now => {
                    if waiting {
                        self.arm_in_memory();
                    } else {
                        self.time_out();
                    }
                    Ok(())
                }
                _ => Err(Ignored::NotDue),
            },
            Event::Progress { percent, .. } => match state {
                State::AndroidDownloading
                | State::AndroidExtracting
                | State::B2gDownloading
                | State::B2gExtracting
                | State::ImageDownloading
                | State::ImageExtracting => self.progress(percent.min(100)),
                _ => Err(Ignored::NotExpected { event: crate::logic::events::IMAGE_PROGRESS, state }),
            },
            Event::Unknown { name, .. } => Err(Ignored::UnknownEvent(name)),
            Event::Please(ask) => self.please(ask),
            Event::Released { policy } => self.released(policy),
            Event::Force { from, to, who } => {
                // What the store does not know the name of is in `unknown`, and no operator can be expected to guess it.
                if from != state.name() && state != State::Unknown {
                    return Err(Ignored::OtherState { wanted: from, state });
                }
                self.moved.log.push(format!("state forced from {state} to {to} by {who}"));
                self.trouble = Trouble::Forced { who };
                if def(to).please != Please::Nothing || to == State::LockedOut {
                    // At rest nothing is under way: neither is it offered to the board, nor taken for what it runs.
                    let next = &mut self.moved.next;
                    (next.boot, next.next, next.self_testing) = (None, None, false);
                    next.boot_token = None;
                }
                self.by_hand = true;
                self.enter(to);
                Ok(())
            }
            Event::Offer { boot, cycles } => {
                if state == State::LockedOut {
                    return Err(Ignored::NotExpected { event: "power and PXE control", state });
                }
                let is_other = self.moved.next.boot != boot;
                // Two power-ons never share a token: what ran before the first of them may still say something.
                let ends_boot = cycles && (boot.is_some() || self.moved.next.boot_token.is_some());
                if !is_other && !ends_boot {
                    return Err(Ignored::AsItWas);
                }
                self.moved.log.push(match &boot {
                    Some(boot) => format!("PXE config {} offered by hand", boot.pxe_config),
                    None if is_other => "PXE config taken away by hand".into(),
                    None => "power is cycled by hand: what its live system still says counts no more".into(),
                });
                if cycles {
                    self.moved.next.boot_token = None;
                }
                if boot.is_some() {
                    self.moved.next.boot_token = Some(self.facts.boot_token);
                    // Whoever offers it by hand cycles power next.
                    self.begin_attempt(Purpose::Pxe, None, state);
                }
                self.moved.next.boot = boot;
                Ok(())
            }
        }
    }

    /// An installation goes on. More is news; the same again (an image of unknown size has no percentage) starts the limit anew, but
    /// not with each of the many that a board may send: each is a commit.
    fn progress(&mut self, percent: u8) -> Applied {
        let next = &mut self.moved.next;
        let is_more = next.progress.is_none_or(|before| before < percent);
        let limit_s = time_limit_s(next, self.facts.catalog, self.facts.hardware).unwrap_or_default();
        let left_ms = next.deadline.map_or(0, |at| at.ms_since(self.now));
        if !is_more && left_ms > i64::from(limit_s) * 1000 * i64::from(PROGRESS_TENTHS) / 10 {
            return Err(Ignored::AsItWas);
        }
        if is_more {
            next.progress = Some(percent);
        }
        self.arm();
        Ok(())
    }

    fn current(&self, epoch: Epoch) -> Applied {
        let now = self.moved.next.epoch;
        if epoch == now { Ok(()) } else { Err(Ignored::Late { epoch, now }) }
    }

    fn signal(&mut self, signal: Signal) -> Applied {
        let next = &mut self.moved.next;
        let def = def(next.state);
        let Some(&(_, go)) = def.on.iter().find(|(on, _)| *on == signal) else {
            return Err(Ignored::NotExpected { event: signal.name(), state: next.state });
        };
        // A verification that was helped by a power cycle stays counted until the installation ends.
        let keeps_count = matches!(def.enter, Enter::Cycle)
            || matches!(go, Go::Timeout | Go::TimeoutSoon | Go::Vanished | Go::Proved);
        if let (Some(count), false) = (def.count, keeps_count) {
            next.counters.clear(count.counter);
        }
        match go {
            Go::To(state) => self.enter(state),
            Go::Overwriting(state) => {
                next.installed = None;
                self.enter(state);
            }
            Go::Aside(state) => {
                next.installed = None;
                next.next = None;
                self.enter(state);
            }
            Go::Verify => {
                next.vanished = false;
                self.enter_verification();
            }
            Go::Up => {
                next.counters.clear(Counter::PingCycles);
                if next.self_testing && self.check() == Check::Sut {
                    self.enter_verification();
                } else {
                    self.enter(State::OperationComplete);
                }
            }
            Go::Timeout => self.time_out(),
            Go::TimeoutSoon if def.count.is_some_and(|c| next.counters.get(c.counter) >= SOON_MAX) => {
                return Err(Ignored::AsItWas);
            }
            Go::TimeoutSoon => self.time_out(),
            Go::Vanished if next.vanished => return Err(Ignored::AsItWas),
            Go::Vanished => next.vanished = true,
            Go::Proved if !next.counters.clear(Counter::SelfHeals) => return Err(Ignored::AsItWas),
            Go::Proved => {}
        }
        Ok(())
    }

    fn enter_verification(&mut self) {
        self.enter(if self.check() == Check::Sut { State::SutVerifying } else { State::ImagePinging });
    }

    fn time_out(&mut self) {
        let next = &mut self.moved.next;
        let def = def(next.state);
        if def.enter == Enter::CheckIfFree && def.retry == def.state {
            // Hundreds of boards at rest ask every ten minutes, and nearly always nothing has changed.
            self.arm_in_memory();
            return self.check_if_free();
        }
        let limit_s = time_limit_s(next, self.facts.catalog, self.facts.hardware).unwrap_or_default();
        let said = match std::mem::replace(&mut self.trouble, Trouble::Unknown) {
            Trouble::Said { signal, detail } => Some((signal, detail)),
            _ => None,
        };
        let mut over_again =
            |times| self.trouble = Trouble::TimeOver { state: def.state, limit_s, times, said: said.clone() };
        let Some(Count { counter, limit, over, every }) = def.count else {
            over_again(1);
            return self.enter(def.retry);
        };
        let n = next.counters.increment(counter);
        over_again(n);
        let to = match (over, every) {
            (OverLimit::Fail(state), _) if n > limit => state,
            (OverLimit::Escalate { counter: outer, limit: outer_limit, retry, fail }, _) if n > limit => {
                next.counters.clear(counter);
                let cycles = next.counters.increment(outer);
                over_again(cycles);
                if cycles > outer_limit { fail } else { retry }
            }
            (_, Some((often, state))) if n.is_multiple_of(often) => state,
            _ => def.retry,
        };
        if to == def.state || matches!(to, State::PcPinging | State::Ready) {
            // Re-entries and the ends of mere waits are no news.
        } else {
            self.moved.log.push(format!("time limit passed in {} ({n} of {limit})", def.state));
        }
        self.enter(to);
    }

    fn please(&mut self, ask: Ask) -> Applied {
        let next = &mut self.moved.next;
        let state = next.state;
        let allowed = def(state).please;
        let refused = Err(Ignored::NotExpected { event: ask.name().name(), state });
        match ask {
            Ask::SelfTest if allowed == Please::Nothing => return refused,
            Ask::StartMaintenance if allowed == Please::Nothing => return refused,
            Ask::PowerCycle if allowed != Please::Full => return refused,
            Ask::Image(_) if allowed != Please::Full => return refused,
            Ask::Online if state != State::LockedOut => return refused,
            Ask::Offline if state == State::LockedOut => return Err(Ignored::AsItWas),
            Ask::SelfTest | Ask::Online => {
                // A person has looked at it: its own attempts to heal begin anew.
                next.counters.clear(Counter::SelfHeals);
                self.enter(State::StartSelfTest);
            }
            Ask::StartMaintenance => self.enter(State::StartMaintenance),
            Ask::PowerCycle => {
                next.next = None;
                next.self_testing = false;
                self.enter(State::PcPowerCycling);
            }
            Ask::Image(install) => {
                if !self.facts.catalog.images.contains_key(&install.image) {
                    return Err(Ignored::UnknownImage(install.image));
                }
                if self.facts.catalog.pxe_config(&install.image, self.facts.hardware).is_none() {
                    return Err(Ignored::NoPxeConfig(install.image));
                }
                next.next = Some(install);
                self.enter(State::StartPxeBoot);
            }
            Ask::Offline => {
                if let Some(claim) = self.facts.claim {
                    return Err(Ignored::Assigned(claim.request));
                }
                self.by_hand = true;
                self.enter(State::LockedOut);
            }
        }
        Ok(())
    }

    fn released(&mut self, policy: ReturnPolicy) -> Applied {
        let next = &mut self.moved.next;
        match (next.state, policy) {
            (State::Ready, ReturnPolicy::Check) => self.enter(State::Ready),
            (State::Ready, ReturnPolicy::PowerCycle) => {
                next.next = None;
                next.self_testing = false;
                self.enter(State::PcPowerCycling);
            }
            (State::Ready, ReturnPolicy::SelfTest) => self.enter(State::StartSelfTest),
            // A device that is not at rest is being looked after already.
            _ => return Err(Ignored::AsItWas),
        }
        Ok(())
    }

    /// Enters `state`, and those that it leads to at once.
    fn enter(&mut self, state: State) {
        if self.moved.next.state != state {
            self.moved.log.push(format!("entering state {state}"));
            self.moved.next.since = self.now;
            self.turn(state);
        }
        let next = &mut self.moved.next;
        next.state = state;
        next.epoch = next.epoch.next();
        next.progress = None;
        self.arm();
        match def(state).enter {
            Enter::Wait => {
                if matches!(state, State::MobileInitStarted | State::LockedOut) {
                    self.moved.next.boot = None;
                }
            }
            Enter::CheckIfFree => self.check_if_free(),
            Enter::CycleToDisk => {
                self.moved.next.boot = None;
                self.cycle_to_own_system();
            }
            Enter::CycleToPxe => match self.next_pxe_config() {
                Some(pxe_config) => {
                    self.forget_what_may_be_overwritten();
                    self.moved.next.boot = Some(Boot { pxe_config, boot_config: None });
                    self.moved.next.boot_token = Some(self.facts.boot_token);
                    self.cycle_power();
                }
                None => {
                    let image = self.moved.next.next.as_ref().map_or("(none)", |i| &*i.image);
                    self.moved.log.push(format!("no PXE config for image {image} on this hardware type"));
                    self.trouble = Trouble::NoPxeConfig;
                    self.enter(State::FailedPxeBooting);
                }
            },
            Enter::Cycle => self.cycle_to_own_system(),
            Enter::PingUntilUp => {
                let check = match self.check() {
                    // The agent takes longer than this state waits; that the board is up is enough here.
                    Check::Sut => Check::Ping,
                    other => other,
                };
                self.probe(check, ProbeMode::Until { steady_s: 0, must_vanish: false }, Signal::PingOk);
            }
            Enter::CheckImage => {
                let check = self.check();
                let mode = match check {
                    Check::Ping => ProbeMode::Until {
                        steady_s: self.ping_steady_s(),
                        must_vanish: !self.moved.next.vanished,
                    },
                    // A port or a page that only the installed system has proves itself.
                    _ => ProbeMode::Until { steady_s: 0, must_vanish: false },
                };
                self.probe(check, mode, Signal::PingOk);
            }
            Enter::VerifySut => self.probe(Check::Sut, ProbeMode::Once, Signal::SutVerifyOk),
            Enter::VerifySdCard => {
                let epoch = self.moved.next.epoch;
                self.moved.effects.push(Effect::SdCard { epoch });
            }
            Enter::StartPxeBoot => {
                self.begin_operation();
                self.enter(State::PxePowerCycling);
            }
            Enter::StartSelfTest => self.start_self_test(),
            Enter::StartMaintenance => {
                self.begin_operation();
                self.moved.next.next =
                    Some(Install { image: MAINTENANCE_IMAGE.into(), boot_config: "".into() });
                self.enter(State::PxePowerCycling);
            }
            Enter::Complete => {
                let next = &mut self.moved.next;
                if let Some(install) = next.next.take() {
                    next.installed = Some(install);
                }
                next.boot = None;
                next.counters.clear(Counter::SelfHeals);
                // A self-test that passes has not installed what a request waits for.
                if !std::mem::take(&mut next.self_testing) {
                    self.finish(ImagingResult::Complete);
                }
                self.enter(State::Ready);
            }
            Enter::GiveUp => self.give_up(ImagingResult::FailedBadDevice, false),
            Enter::GiveUpAndHeal => self.give_up(ImagingResult::FailedBadDevice, true),
            Enter::BlameImage => self.give_up(ImagingResult::FailedBadImage, true),
        }
    }

    /// Says what another state means for the board's attempt. Those that are left at once mean nothing.
    fn turn(&mut self, state: State) {
        match def(state).enter {
            Enter::StartPxeBoot | Enter::StartSelfTest | Enter::StartMaintenance | Enter::Complete => {}
            Enter::CycleToPxe | Enter::CycleToDisk => {
                let next = &self.moved.next;
                let image = next.next.as_ref().map(|i| i.image.clone());
                let purpose = match image.as_deref() {
                    Some(SELF_TEST_IMAGE) => Purpose::SelfTest,
                    Some(MAINTENANCE_IMAGE) => Purpose::Maintenance,
                    Some(_) => Purpose::Image,
                    None if next.self_testing => Purpose::SelfTest,
                    None => Purpose::PowerCycle,
                };
                let image = image.or_else(|| next.installed.as_ref().map(|i| i.image.clone()));
                self.begin_attempt(purpose, image, state);
            }
            _ if at_rest(state) => {
                let well = !state.is_failed() && state != State::LockedOut && !self.by_hand;
                let outcome = if well { Outcome::Ok } else { Outcome::GivenUp };
                self.moved.turns.push(Turn::End { state, outcome });
            }
            _ => self.moved.turns.push(Turn::Enter(state)),
        }
    }

    fn begin_attempt(&mut self, purpose: Purpose, image: Option<ImageName>, state: State) {
        let request = self.facts.claim.map(|claim| claim.request);
        let from = self.moved.next.state;
        self.moved.turns.push(Turn::Begin { purpose, image, request, from, state });
    }

    /// Sets the deadline of the present state from now.
    fn arm(&mut self) {
        let wait_s = time_limit_s(&self.moved.next, self.facts.catalog, self.facts.hardware);
        self.moved.next.deadline = wait_s.map(|s| self.now.plus_s(s));
    }

    /// The same, and nothing of it need be on disk.
    fn arm_in_memory(&mut self) {
        self.arm();
        self.in_memory = true;
    }

    fn check_if_free(&mut self) {
        let check = self.check();
        if self.facts.claim.is_none() && check != Check::None {
            self.probe(check, ProbeMode::Once, Signal::CheckOk);
        }
    }

    /// The check of the image that should be running: the one being installed, else the one that is.
    fn check(&self) -> Check {
        let next = &self.moved.next;
        let image = next.next.as_ref().or(next.installed.as_ref());
        image.and_then(|i| self.facts.catalog.images.get(&i.image)).map_or(Check::Ping, |i| i.check.clone())
    }

    fn ping_steady_s(&self) -> u32 {
        let hardware = self.facts.hardware.and_then(|h| self.facts.catalog.hardware.get(&h));
        hardware.map_or(crate::logic::catalog::PING_STEADY_S, |h| h.ping_steady_s)
    }

    fn next_pxe_config(&self) -> Option<PxeConfigName> {
        let image = &self.moved.next.next.as_ref()?.image;
        self.facts.catalog.pxe_config(image, self.facts.hardware).cloned()
    }

    /// From here on the board may write its disk, and every word of it that says so may be lost: what was installed is a
    /// guess from now on, and a request that may use an image again must not be given a guess.
    fn forget_what_may_be_overwritten(&mut self) {
        let next = &mut self.moved.next;
        let writes = |i: &Install| ![SELF_TEST_IMAGE, MAINTENANCE_IMAGE].contains(&&*i.image);
        if next.next.as_ref().is_some_and(writes) {
            next.installed = None;
        }
    }

    /// After this power cycle no live system runs: one that still says something is an earlier boot's.
    fn cycle_to_own_system(&mut self) {
        self.moved.next.boot_token = None;
        self.cycle_power();
    }

    fn cycle_power(&mut self) {
        if self.facts.has_relay {
            let epoch = self.moved.next.epoch;
            self.moved.effects.push(Effect::PowerCycle { epoch });
        } else {
            self.moved
                .log
                .push("cannot cycle power: no relay is known for this device; set its relay_info".into());
            self.trouble = Trouble::NoRelay;
            self.enter(State::FailedPowerCycling);
        }
    }

    fn probe(&mut self, check: Check, mode: ProbeMode, good: Signal) {
        let epoch = self.moved.next.epoch;
        self.moved.effects.push(Effect::Probe { epoch, check, mode, good });
    }

    /// Old troubles do not count against a new operation.
    fn begin_operation(&mut self) {
        let next = &mut self.moved.next;
        next.counters.retain(|c| c == Counter::SelfHeals);
        next.vanished = false;
        next.self_testing = false;
    }

    fn start_self_test(&mut self) {
        self.begin_operation();
        let has_live_test = self.facts.catalog.pxe_config(SELF_TEST_IMAGE, self.facts.hardware).is_some();
        let next = &mut self.moved.next;
        if next.counters.increment(Counter::SelfHeals) > SELF_HEALS_MAX {
            next.next = None;
            self.moved
                .log
                .push(format!("{SELF_HEALS_MAX} self-tests in a row did not help; waiting for a person"));
            self.trouble = Trouble::HealsUsedUp;
            return self.enter(State::FailedSelfTest);
        }
        if has_live_test {
            next.next = Some(Install { image: SELF_TEST_IMAGE.into(), boot_config: Arc::from("") });
            self.enter(State::PxePowerCycling);
        } else {
            // Without a live image to test with: power-cycle it and see whether what it runs comes up well.
            next.next = None;
            next.self_testing = true;
            self.enter(State::PcPowerCycling);
        }
    }

    fn give_up(&mut self, result: ImagingResult, heal: bool) {
        let next = &mut self.moved.next;
        self.moved.log.push(format!("device has failed: {}", next.state));
        let image = next.next.as_ref().or(next.installed.as_ref()).map(|i| i.image.clone());
        let trouble = std::mem::replace(&mut self.trouble, Trouble::Unknown);
        self.moved.failure = Some(match (self.moved.failure.take(), trouble) {
            (Some(first), Trouble::HealsUsedUp) => first.beyond_healing(),
            (_, trouble) => explain(next.state, trouble, image),
        });
        next.boot = None;
        next.next = None;
        next.self_testing = false;
        if result == ImagingResult::FailedBadDevice {
            next.failures.retain(|at| self.now.ms_since(*at) < super::FAILURE_MEMORY_MS);
            if next.failures.len() >= FAILURES_MAX {
                next.failures.remove(0);
            }
            next.failures.push(self.now);
        }
        self.finish(result);
        if heal {
            self.enter(State::StartSelfTest);
        }
    }

    fn finish(&mut self, result: ImagingResult) {
        // The first word counts: a board that fails, tests itself and fails again has failed once for its request.
        if self.moved.result.is_none() {
            self.moved.result = Some(result);
            if let Some(claim) = self.facts.claim {
                self.moved.effects.push(Effect::Report { claim: Claim::clone(claim), result });
            }
        }
    }

    /// A chain may have asked for work in a state that it left at once; and the state before it may still have work out.
    fn cancel_what_is_no_longer_wanted(&mut self, before: &Device) {
        let epoch = self.moved.next.epoch;
        self.moved.effects.retain(|e| match e {
            Effect::PowerCycle { epoch: e }
            | Effect::Probe { epoch: e, .. }
            | Effect::SdCard { epoch: e } => *e == epoch,
            Effect::Cancel | Effect::Report { .. } => true,
        });
        if epoch != self.from && before.state != self.moved.next.state && def(before.state).enter.asks() {
            self.moved.effects.insert(0, Effect::Cancel);
        }
    }
}

impl Enter {
    /// Whether entering takes the board's power away and gives it back.
    pub fn cycles_power(self) -> bool {
        matches!(self, Self::CycleToDisk | Self::CycleToPxe | Self::Cycle)
    }

    /// Whether entering sends work to the hardware layer whose answer is awaited.
    pub fn asks(self) -> bool {
        matches!(
            self,
            Self::CheckIfFree
                | Self::CycleToDisk
                | Self::CycleToPxe
                | Self::Cycle
                | Self::PingUntilUp
                | Self::CheckImage
                | Self::VerifySut
                | Self::VerifySdCard
        )
    }
}
