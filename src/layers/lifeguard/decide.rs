//! One batch: every item is decided by the pure `step`, and all that follows is committed in one transaction.
//!
//! Nothing reaches hardware, requests or callers from here before its row is on disk.

use super::steps::Said;
use super::*;
use crate::logic::lifeguard::Proof;

impl Lifeguard {
    /// Decides on every item in order, commits all at once, and acts on what was committed.
    pub(super) fn decide_and_commit(&mut self, items: Vec<Item>) {
        let now = self.clock.now();
        let mut drafts: HashMap<DeviceName, Device> = HashMap::new();
        let mut commits = Vec::new();
        let mut decided = Vec::new();
        let mut orders = Vec::new();
        for Item { device, event, asker } in items {
            let Some(entry) = self.devices.get(&device) else {
                self.reply(&device, asker, DeviceAnswer::UnknownDevice);
                continue;
            };
            let machine = drafts.get(&device).unwrap_or(&entry.machine);
            let (before, expected) = (machine.state, machine.epoch);
            if let (Asker::Request { .. }, true) = (&asker, before != State::Ready) {
                orders.push((device, event, asker));
                continue;
            }
            let quiet =
                matches!(event, Event::Deadline { .. } | Event::PowerStarted { .. } | Event::Released { .. });
            let said_once = matches!(asker, Asker::Nobody) && !matches!(event, Event::Deadline { .. });
            let again = said_once.then(|| event.clone());
            let said = match &event {
                Event::Signal { signal, detail, .. } => Some((*signal, detail.clone())),
                _ => None,
            };
            // An operator is told each time; a board may say it a thousand times a second.
            let is_boards = event.reported().is_some_and(|(_, proof)| proof != Proof::Operator);
            let facts = Facts {
                catalog: &self.catalog,
                hardware: entry.info.hardware,
                has_relay: entry.relay.is_some(),
                claim: entry.claim.as_ref(),
                boot_token: self.next_token,
            };
            match (self.rule)(machine, facts, event, now) {
                Step::Ignored(why @ Ignored::Doubted { doubt, .. }) => {
                    if self.doubt(&device, doubt) {
                        log::warn!("device={device} {why}");
                        self.journal(&device, "statemachine", why.to_string());
                        if let Some((signal, _)) = said {
                            self.tell_event(&device, now, signal, Said::Ignored(why.to_string()));
                        }
                    }
                    self.reply(&device, asker, DeviceAnswer::Ignored { state: before, why });
                }
                Step::Ignored(why) if is_boards && !self.ignore_report(&device, &why) => {
                    self.reply(&device, asker, DeviceAnswer::Ignored { state: before, why });
                }
                Step::Ignored(why) => {
                    if let Some((signal, _)) = said {
                        self.tell_event(&device, now, signal, Said::Ignored(why.to_string()));
                    }
                    if !quiet && !matches!(why, Ignored::AsItWas) {
                        log::info!("device={device} {why}");
                        if !matches!(why, Ignored::Late { .. }) {
                            self.journal(&device, "statemachine", why.to_string());
                        }
                    }
                    self.reply(&device, asker, DeviceAnswer::Ignored { state: before, why });
                }
                Step::Rearmed(rearmed) => {
                    let draft = drafts.get_mut(&device);
                    self.rearm(&device, rearmed, draft, &mut commits, &mut decided);
                    self.reply(&device, asker, DeviceAnswer::Accepted { state: before });
                }
                Step::Moved(mut moved) => {
                    if let Some((signal, detail)) = said {
                        self.tell_event(&device, now, signal, Said::Taken(detail));
                    }
                    if moved.next.boot_token == Some(self.next_token) {
                        self.next_token = (self.draw)();
                    }
                    drafts.insert(device.clone(), moved.next.clone());
                    decided.push(Decided {
                        device,
                        before,
                        effects: std::mem::take(&mut moved.effects),
                        asker,
                        event: again,
                    });
                    let Moved { next, log, turns, result, failure, .. } = *moved;
                    commits.push(DeviceCommit { next, expected, log, turns, result, failure, at: now });
                }
            }
        }
        if self.commit(commits, decided, now) {
            for (device, event, asker) in orders {
                self.answer_order(&device, &event, asker);
            }
        }
    }

    /// A wait begins anew: at once and in memory, or with what the same batch has already decided for the device.
    fn rearm(
        &mut self,
        device: &DeviceName,
        Rearmed { deadline, effects }: Rearmed,
        draft: Option<&mut Device>,
        commits: &mut [DeviceCommit],
        decided: &mut [Decided],
    ) {
        let Some(draft) = draft else {
            if let Some(entry) = self.devices.get_mut(device) {
                entry.machine.deadline = deadline;
            }
            self.deadlines.set(device, deadline);
            for effect in effects {
                self.hand_out(device, effect);
            }
            return;
        };
        draft.deadline = deadline;
        let last = commits.iter_mut().zip(decided).rev().find(|(commit, _)| commit.next.name == *device);
        if let Some((commit, decided)) = last {
            commit.next.deadline = deadline;
            decided.effects.extend(effects);
        }
    }

    /// Commits and acts; false when the store failed and nothing has changed.
    pub(super) fn commit(
        &mut self,
        commits: Vec<DeviceCommit>,
        decided: Vec<Decided>,
        now: Timestamp,
    ) -> bool {
        if commits.is_empty() {
            return true;
        }
        match self.store.commit_devices(&commits) {
            Ok(outcomes) => {
                for ((decided, commit), outcome) in decided.into_iter().zip(commits).zip(outcomes) {
                    match outcome {
                        Committed::Done => self.act(decided, commit),
                        Committed::Stale | Committed::ClaimLost => self.reload(decided),
                    }
                }
                true
            }
            // One row that cannot be written must not hold up the others.
            Err(error) if commits.len() > 1 && !matches!(error, StoreError::Unavailable { .. }) => {
                log::error!("{error}; {} changes are written one by one", commits.len());
                for (decided, commit) in decided.into_iter().zip(commits) {
                    self.commit(vec![commit], vec![decided], now);
                }
                true
            }
            Err(error) => {
                log::error!("{error}; {} changes wait for the store", commits.len());
                self.rests_until = Some(now.plus_ms(STORE_REST_MS));
                let will_pass = matches!(error, StoreError::Unavailable { .. });
                for Decided { device, asker, event, .. } in decided {
                    if let Some(event) = event.filter(|_| will_pass && self.again.len() < AGAIN_MAX) {
                        self.again.push(Item { device, event, asker });
                    } else {
                        self.reply(&device, asker, DeviceAnswer::Unavailable { why: error.to_string() });
                    }
                }
                false
            }
        }
    }

    /// A request wants a device that is not `ready`. It may have asked before, and not have heard the answer.
    pub(super) fn answer_order(&mut self, device: &DeviceName, event: &Event, asker: Asker) {
        let (Asker::Request { request, server, epoch, known }, Some(entry)) =
            (asker, self.devices.get(device))
        else {
            return;
        };
        let machine = &entry.machine;
        let under_way = match event {
            Event::Please(Ask::Image(install)) => machine.next.as_ref() == Some(install),
            _ => {
                let cycling = [State::PcPowerCycling, State::PcRebooting, State::PcPinging];
                cycling.contains(&machine.state) && !machine.self_testing
            }
        };
        let notice = if known && under_way {
            MozpoolNotice::Contacted { request, epoch }
        } else {
            let why = format!("it is in state {}", machine.state);
            MozpoolNotice::Refused { request, epoch, why }
        };
        self.notify_owner(&server, notice);
    }

    /// The store knows better, or somebody else moved the device: take what is stored.
    pub(super) fn reload(&mut self, decided: Decided) {
        let Decided { device, asker, .. } = decided;
        log::warn!("device={device} was changed by somebody else; loading it again");
        match self.store.load_device(&device) {
            Ok(Some(record)) if record.info.imaging_server == self.settings.server => self.adopt(record),
            Ok(_) => self.abandon(&device),
            Err(error) => {
                log::error!("device={device} {error}");
                // Its deadline may be due, and would be so again at once.
                self.rests_until = Some(self.clock.now().plus_ms(STORE_REST_MS));
            }
        }
        let why = "the device was changed by somebody else at the same time; try again".to_owned();
        self.reply(&device, asker, DeviceAnswer::Unavailable { why });
    }
}
