//! What is committed is made so: work for the hardware, news for requests, boot configs, replies.

use super::*;

impl Lifeguard {
    /// What was decided is on disk: make it so.
    pub(super) fn act(&mut self, decided: Decided, commit: DeviceCommit) {
        let Decided { device, before, mut effects, asker, .. } = decided;
        let Some(entry) = self.devices.get_mut(&device) else { return };
        if let Asker::Request { request, epoch, .. } = &asker {
            entry.order = Some((*request, *epoch));
        }
        let old = std::mem::replace(&mut entry.machine, commit.next);
        let machine = &entry.machine;
        let (state, epoch) = (machine.state, machine.epoch);
        if state != before {
            log::info!("device={device} {before} -> {state} epoch={}", machine.epoch);
        }
        self.deadlines.set(&device, machine.deadline);
        let freed = state == State::Ready && before != State::Ready && entry.claim.is_none();
        // Before every power cycle once more: the last time the store or the template may have failed.
        let cycles = effects.iter().any(|e| matches!(e, Effect::PowerCycle { .. }));
        let is_other_text = machine.next != old.next || machine.boot_token != old.boot_token;
        let changed = machine.boot != old.boot || (machine.boot.is_some() && (cycles || is_other_text));
        if changed && let Err(why) = self.publish(&device) {
            effects.retain(|e| !matches!(e, Effect::PowerCycle { .. }));
            self.no_boot_config(&device, state, epoch, why);
        }
        // Before the effects: a request must hear that its order was taken before it hears what came of it.
        self.reply(&device, asker, DeviceAnswer::Accepted { state });
        for effect in effects {
            self.hand_out(&device, effect);
        }
        if freed {
            self.notify(MozpoolNotice::DeviceFreed { device });
        }
    }

    pub(super) fn hand_out(&mut self, device: &DeviceName, effect: Effect) {
        let Some(entry) = self.devices.get(device) else { return };
        let host = || entry.info.fqdn.clone();
        let name = device.clone();
        let job = match effect {
            Effect::PowerCycle { epoch } => {
                // `step` asks for a power cycle only when there is a relay.
                let Some(relay) = entry.relay.clone() else { return };
                let deadline = entry.machine.deadline.unwrap_or(self.clock.now());
                self.queued.insert(name.clone(), (epoch, self.clock.now()));
                BmmJob::PowerCycle { device: name, epoch, relay, deadline }
            }
            Effect::Probe { epoch, check, mode, good } => {
                BmmJob::Probe { device: name, epoch, host: host(), check, mode, good }
            }
            Effect::SdCard { epoch } => BmmJob::SdCard { device: name, epoch, host: host() },
            Effect::Cancel => {
                self.queued.remove(device);
                BmmJob::Cancel { device: name }
            }
            Effect::Report { claim, result } => {
                let finished = MozpoolNotice::Finished { request: claim.request, device: name, result };
                return self.notify_owner(&claim.server, finished);
            }
        };
        if let Err(TrySendError::Full(_)) = self.out.bmm.try_send(job) {
            self.queued.remove(device);
            log::warn!("device={device} the hardware layer is full; the state's time limit asks again");
        }
    }

    pub(super) fn adopt(&mut self, mut record: DeviceRecord) {
        let device = record.machine.name.clone();
        let now = self.clock.now();
        record.machine.deadline = resume(&record.machine, &self.catalog, record.info.hardware, now);
        self.deadlines.set(&device, record.machine.deadline);
        self.devices.insert(device.clone(), record.into());
        if let Err(why) = self.publish(&device) {
            log::error!("device={device} no boot config: {why}");
        }
    }

    pub(super) fn abandon(&mut self, device: &DeviceName) {
        self.deadlines.set(device, None);
        self.queued.remove(device);
        if let Some(mac) = self.devices.remove(device).and_then(|entry| entry.info.mac) {
            self.boot.publish(mac, None);
        }
    }

    /// Brings the boot table to what the device's row says.
    ///
    /// # Errors
    /// Why there is nothing to offer, where trying again would not help.
    pub(super) fn publish(&mut self, device: &DeviceName) -> Result<(), String> {
        let Some(entry) = self.devices.get(device) else { return Ok(()) };
        let offered = entry.machine.boot.is_some();
        let Some(mac) = entry.info.mac else {
            let why = "the device has no MAC address to offer it to".to_owned();
            return if offered { Err(why) } else { Ok(()) };
        };
        if !offered {
            self.boot.publish(mac, None);
            return Ok(());
        }
        let text = boot_text(self.store.as_mut(), &self.settings, &entry.machine, &entry.info);
        self.boot.publish(mac, text.as_ref().ok().map(String::as_str));
        match text {
            Ok(_) => Ok(()),
            // Before the next power cycle it is tried again; until then the board boots its own disk.
            Err(BootError::Store(StoreError::Unavailable { doing, source })) => {
                log::error!("device={device} no boot config: the store failed to {doing}: {source}");
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The device was to boot what cannot be offered: the machine decides what that means, before any power is switched.
    fn no_boot_config(&mut self, device: &DeviceName, state: State, epoch: Epoch, why: String) {
        log::error!("device={device} no boot config: {why}");
        if state == State::PxePowerCycling {
            let event = Event::NoBootConfig { epoch, why };
            self.follow_ups.push(Item { device: device.clone(), event, asker: Asker::Nobody });
        } else {
            self.journal(device, "statemachine", format!("no boot config: {why}"));
        }
    }

    pub(super) fn reply(&self, device: &DeviceName, asker: Asker, answer: DeviceAnswer) {
        match (asker, answer) {
            (Asker::Nobody, _) => {}
            // Who asked may have stopped waiting.
            (Asker::Api(reply), answer) => drop(reply.send(answer)),
            (Asker::Request { request, server, epoch, .. }, DeviceAnswer::Accepted { .. }) => {
                self.notify_owner(&server, MozpoolNotice::Contacted { request, epoch });
            }
            (Asker::Request { request, server, epoch, .. }, DeviceAnswer::Ignored { why, .. }) => {
                let why = why.to_string();
                self.notify_owner(&server, MozpoolNotice::Refused { request, epoch, why });
            }
            (Asker::Request { .. }, DeviceAnswer::UnknownDevice | DeviceAnswer::Unavailable { .. }) => {
                log::warn!("device={device} could not be prepared now; its request asks again");
            }
        }
    }

    /// Tells the request layer of the server that owns the request.
    pub(super) fn notify_owner(&self, server: &str, notice: MozpoolNotice) {
        let Some(peers) = self.peers.as_ref().filter(|_| server != self.settings.server) else {
            return self.notify(notice);
        };
        let message = match notice {
            MozpoolNotice::Contacted { request, epoch } => PeerMessage::Contacted { request, epoch },
            MozpoolNotice::Refused { request, epoch, why } => PeerMessage::Refused { request, epoch, why },
            MozpoolNotice::Finished { request, device, result } => {
                PeerMessage::Finished { request, device, result }
            }
            // What concerns no request of theirs they read from the store.
            MozpoolNotice::DeviceFreed { .. } | MozpoolNotice::Administered => return,
        };
        peers.tell(server, message);
    }

    pub(super) fn notify(&self, notice: MozpoolNotice) {
        if let Err(TrySendError::Full(notice)) = self.out.mozpool.try_send(notice) {
            log::warn!("the request layer is full, it will look for itself: {notice:?}");
        }
    }

    pub(super) fn journal(&self, device: &DeviceName, source: &'static str, message: String) {
        let line = JournalLine::Device { device: device.clone(), at: self.clock.now(), source, message };
        if self.out.journal.try_send(line).is_err() {
            log::warn!("device={device} a log line was lost: the journal is full");
        }
    }
}
