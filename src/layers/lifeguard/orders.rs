//! What the layer hears, turned into items to decide on. Nothing is decided here but who is asked and who waits for the answer.

use super::*;
use crate::boot::render::RenderError;

impl Lifeguard {
    pub(super) fn answer(&mut self, answer: BmmAnswer, items: &mut Vec<Item>) {
        let nobody = |device, event| Item { device, event, asker: Asker::Nobody };
        match answer {
            BmmAnswer::PowerStarted { device, epoch } => {
                self.tell_power_off(&device, epoch);
                self.no_longer_queued(&device, epoch);
                items.push(nobody(device, Event::PowerStarted { epoch }));
            }
            BmmAnswer::Finished { device, epoch, signal, detail } => {
                self.no_longer_queued(&device, epoch);
                self.tell_answer(&device, epoch, signal, detail.as_deref());
                if let Some(detail) = detail {
                    self.journal(&device, "bmm", detail);
                }
                items.push(nobody(device, Event::Answer { epoch, signal }));
            }
            BmmAnswer::Refused { device, epoch } => self.no_longer_queued(&device, epoch),
            BmmAnswer::BoardHealth { board, healthy: true } => {
                self.unwell.remove(&board);
            }
            BmmAnswer::BoardHealth { board, healthy: false } => {
                self.unwell.insert(board);
            }
        }
    }

    pub(super) fn no_longer_queued(&mut self, device: &DeviceName, epoch: Epoch) {
        if self.queued.get(device).is_some_and(|(queued, _)| *queued == epoch) {
            self.queued.remove(device);
        }
    }

    pub(super) fn command(&mut self, command: LifeguardCommand, items: &mut Vec<Item>) {
        if self.peers.is_some() {
            self.find_device_of(&command);
        }
        match command {
            LifeguardCommand::Event { device, event, claim, reply } => {
                if let (Some(claim), Some(entry)) = (claim, self.devices.get_mut(&device)) {
                    entry.claim = Some(claim);
                }
                if matches!(event, Event::Please(Ask::Offline))
                    && let Some(request) = self.left_by(&device)
                {
                    self.released(device.clone(), request, items);
                }
                let asker = reply.map_or(Asker::Nobody, Asker::Api);
                items.push(Item { device, event, asker });
            }
            LifeguardCommand::Prepare { device, claim, epoch, install, prepare } => {
                self.prepare(device, claim, epoch, install, prepare, items);
            }
            LifeguardCommand::Released { device, request } => self.released(device, request, items),
            LifeguardCommand::Ping { reply } => drop(reply.send(())),
            LifeguardCommand::Edit { device, edit, reply } => {
                let _ = reply.send(self.edit(&device, edit));
            }
            LifeguardCommand::Explain { device, reply } => {
                let answer = match self.explain(&device) {
                    Ok(Some(boot)) => BootAnswer::Boot(boot.into()),
                    Ok(None) => BootAnswer::UnknownDevice,
                    Err(error) => BootAnswer::Unavailable { why: error.to_string() },
                };
                drop(reply.send(answer));
            }
            LifeguardCommand::Draft { device, contents, install, reply } => {
                let answer = match self.draft(&device, &contents, install.as_ref()) {
                    Ok(Some(Ok(text))) => DraftAnswer::Text(text),
                    Ok(Some(Err(RenderError { line, why, .. }))) => DraftAnswer::Wrong { line, why },
                    Ok(None) => DraftAnswer::UnknownDevice,
                    Err(error) => DraftAnswer::Unavailable { why: error.to_string() },
                };
                drop(reply.send(answer));
            }
            LifeguardCommand::LookAgain { look } => self.look_again(&look),
            LifeguardCommand::Administer { change, dry_run, reply } => {
                // Who asked may have stopped waiting.
                drop(reply.send(self.administer(&change, dry_run)));
            }
        }
    }

    /// A device that another server has just made, or given to us, may be asked for before we have heard of it.
    fn find_device_of(&mut self, command: &LifeguardCommand) {
        let (LifeguardCommand::Event { device, .. }
        | LifeguardCommand::Prepare { device, .. }
        | LifeguardCommand::Edit { device, .. }
        | LifeguardCommand::Explain { device, .. }
        | LifeguardCommand::Draft { device, .. }) = command
        else {
            return;
        };
        if !self.devices.contains_key(device) {
            let look = Look { devices: [device.clone()].into(), ..Look::default() };
            self.look_again(&look);
        }
        let install = match command {
            LifeguardCommand::Prepare { install, .. } => install,
            LifeguardCommand::Event { event: Event::Please(Ask::Image(install)), .. } => install,
            _ => return,
        };
        let hardware = self.devices.get(device).and_then(|entry| entry.info.hardware);
        let known = hardware.is_some_and(|h| self.catalog.matrix.contains_key(&(install.image.clone(), h)));
        if !known && let Ok(catalog) = self.store.catalog() {
            self.catalog = catalog;
        }
    }

    pub(super) fn edit(&mut self, device: &DeviceName, edit: DeviceEdit) -> DeviceAnswer {
        let Some(entry) = self.devices.get_mut(device) else { return DeviceAnswer::UnknownDevice };
        match self.store.edit_device(device, &edit, self.clock.now()) {
            Ok(true) => {
                if let DeviceEdit::Environment(environment) = edit {
                    entry.info.environment = environment;
                }
                DeviceAnswer::Accepted { state: entry.machine.state }
            }
            Ok(false) => DeviceAnswer::UnknownDevice,
            Err(error) => DeviceAnswer::Unavailable { why: error.to_string() },
        }
    }

    pub(super) fn prepare(
        &mut self,
        device: DeviceName,
        claim: Claim,
        epoch: Epoch,
        install: Install,
        prepare: Preparation,
        items: &mut Vec<Item>,
    ) {
        let request = claim.request;
        let Some(entry) = self.devices.get_mut(&device) else {
            let why = "this server does not have it".to_owned();
            return self.notify_owner(&claim.server, MozpoolNotice::Refused { request, epoch, why });
        };
        let server = claim.server.clone();
        // An order may come twice: from another server, or because the answer to the first was lost.
        if entry.order == Some((request, epoch)) {
            return self.notify_owner(&server, MozpoolNotice::Contacted { request, epoch });
        }
        let known = entry.claim.as_ref() == Some(&claim);
        entry.claim = Some(claim);
        entry.left = None;
        let ask = match prepare {
            Preparation::PowerCycle => Ask::PowerCycle,
            Preparation::Image => Ask::Image(install),
        };
        items.push(Item {
            device,
            event: Event::Please(ask),
            asker: Asker::Request { request, server, epoch, known },
        });
    }

    pub(super) fn released(&mut self, device: DeviceName, request: RequestId, items: &mut Vec<Item>) {
        let Some(entry) = self.devices.get_mut(&device) else { return };
        if entry.claim.as_ref().is_some_and(|claim| claim.request != request) {
            return log::info!(
                "device={device} is held by another request; request {request} let go of it earlier"
            );
        }
        if entry.claim.is_none() && entry.left == Some(request) {
            return;
        }
        (entry.claim, entry.left) = (None, Some(request));
        let policies = &self.settings.return_policies;
        let policy = policies.get(&entry.info.environment).copied().unwrap_or(self.settings.return_policy);
        if entry.machine.state == State::Ready && matches!(policy, ReturnPolicy::Check | ReturnPolicy::None) {
            self.notify(MozpoolNotice::DeviceFreed { device: device.clone() });
        }
        items.push(Item { device, event: Event::Released { policy }, asker: Asker::Nobody });
    }
}
