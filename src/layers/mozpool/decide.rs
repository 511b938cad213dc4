//! One batch: every event is decided by the pure `step`, all that follows is committed in one transaction, then acted upon.

use super::told::Said;
use super::*;

impl Mozpool {
    /// Decides on one event and, where that leads to a search, on what the search finds.
    pub(super) fn drive(
        &mut self,
        request: RequestId,
        event: Event,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<Outcome, StoreError> {
        let mut event = Some(event);
        // What a search says, for the step that it leads to.
        let mut said: Option<Said> = None;
        let mut outcome = Outcome::Unknown;
        while let Some(this) = event.take() {
            let Some(machine) = batch.drafts.get(&request).or_else(|| self.requests.get(&request)) else {
                return Ok(Outcome::Unknown);
            };
            let expected = machine.epoch;
            match (self.rule)(machine, this, now) {
                Step::Ignored(why) => {
                    // Only the first event is somebody's; what a search answers is ours and always fits.
                    if matches!(outcome, Outcome::Unknown) {
                        outcome = Outcome::Ignored { state: machine.state, why };
                    }
                }
                Step::Moved(moved) => {
                    outcome = Outcome::Moved { state: moved.next.state };
                    let Moved { mut next, claim, mut log, device_log, effects } = *moved;
                    // Its server may come back with what it knew: whatever is done here makes that stale.
                    if batch.guests.contains(&request) && next.epoch == expected {
                        next.epoch = expected.next();
                    }
                    if let Some(said) = said.take() {
                        log.splice(0..0, self.log_try(request, &said, next.state, now));
                    }
                    batch.drafts.insert(request, next.clone());
                    let (find, act): (Vec<_>, Vec<_>) =
                        effects.into_iter().partition(|e| matches!(e, Effect::Find { .. }));
                    batch.commits.push(RequestCommit {
                        next: next.clone(),
                        expected,
                        claim,
                        log,
                        device_log,
                        at: now,
                    });
                    batch.effects.push(act);
                    if let Some(Effect::Find { epoch }) = find.first() {
                        let found = self.find(&next, *epoch, now, &mut batch.search)?;
                        (event, said) = (Some(found.event), found.said);
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// Commits and acts; says which requests have been moved by somebody else. An error means that nothing was written:
    /// what goes wrong after the first commit is left to time limits.
    pub(super) fn commit(&mut self, batch: Batch, now: Timestamp) -> Result<HashSet<RequestId>, StoreError> {
        let Batch { mut commits, mut effects, guests, .. } = batch;
        let mut stale = HashSet::new();
        for round in 0..=CLAIM_TRIES {
            if commits.is_empty() {
                return Ok(stale);
            }
            let outcomes = match self.store.commit_requests(&commits) {
                Ok(outcomes) => outcomes,
                Err(error) if round == 0 => return Err(error),
                Err(error) => {
                    self.rest(&error, now);
                    return Ok(stale);
                }
            };
            let mut again = Batch { guests: guests.clone(), ..Batch::default() };
            for ((commit, effects), outcome) in commits.into_iter().zip(effects).zip(outcomes) {
                let id = commit.next.id;
                match outcome {
                    Committed::Done => self.act(commit, effects),
                    // The rest of this request's chain is stale; it goes on from what it was.
                    Committed::ClaimLost => {
                        if let Err(error) = self.look_again(id, now, &mut again) {
                            self.rest(&error, now);
                        }
                    }
                    Committed::Stale => {
                        stale.insert(id);
                        self.reload(id, now);
                    }
                }
            }
            (commits, effects) = (again.commits, again.effects);
        }
        log::info!(
            "{} requests lost several devices to other servers; they look again in ten seconds",
            commits.len()
        );
        Ok(stale)
    }

    pub(super) fn reload(&mut self, id: RequestId, now: Timestamp) {
        match self.store.load_request(id) {
            Ok(Some(record)) => self.keep(record.machine),
            Ok(None) => self.forget(id),
            Err(error) => self.rest(&error, now),
        }
    }

    /// What was decided is on disk: make it so.
    pub(super) fn act(&mut self, commit: RequestCommit, effects: Vec<Effect>) {
        let request = commit.next;
        let before = self.requests.get(&request.id).map_or(State::New, |r| r.state);
        if request.state != before {
            log::info!("request={} {before} -> {} epoch={}", request.id, request.state, request.epoch);
        }
        for effect in effects {
            self.give(&request, effect);
        }
        self.keep(request);
    }

    /// Gives an order to the layer that has the device, here or on another server.
    pub(super) fn give(&mut self, request: &Request, effect: Effect) {
        let Some(effect) = self.hand_elsewhere(request, effect) else { return };
        let command = match effect {
            // Taken out when the decision was made.
            Effect::Find { .. } => return,
            Effect::Contact { epoch, device, prepare } => {
                let claim = Claim { request: request.id, server: self.server.clone() };
                let install = request.wanted.install.clone();
                LifeguardCommand::Prepare { device, claim, epoch, install, prepare }
            }
            Effect::Release { device } => LifeguardCommand::Released { device, request: request.id },
        };
        if let Err(TrySendError::Full(_)) = self.lifeguard.try_send(command) {
            log::warn!("request={} the device layer is full; the request asks again", request.id);
        }
    }
}
