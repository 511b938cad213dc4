//! What there is changes while the machines run: committed through the store first, then memory is brought up to it.
//!
//! A crash between the two is safe: a start loads everything. So is a store that fails after the commit: then everything is
//! read again as soon as it answers.

use super::*;
use crate::boot::render::{RenderError, render, sample_values, try_out};
use crate::lab::{Change, Lab, LabError, Place, Problem};
use crate::logic::ids::LOCAL_BOOT_PXE_CONFIG;
use crate::store::{Deletion, Sync, Synced};

impl Lifeguard {
    /// Makes the change, or says what would change.
    pub(super) fn administer(&mut self, change: &Administration, dry_run: bool) -> AdminAnswer {
        if let Administration::Sync(sync) = change {
            return self.sync(sync, dry_run);
        }
        match self.commit_administration(change, dry_run) {
            Ok(changes) => {
                if !dry_run && !changes.is_empty() {
                    self.bring_up(change);
                }
                AdminAnswer::Done(changes)
            }
            Err(error) => AdminAnswer::Refused(error),
        }
    }

    fn commit_administration(
        &mut self,
        change: &Administration,
        dry_run: bool,
    ) -> Result<Vec<Change>, StoreError> {
        match change {
            Administration::Apply(lab) => {
                self.check_templates(lab).map_err(StoreError::Lab)?;
                self.store.apply_lab(lab, dry_run, self.clock.now())
            }
            Administration::Delete { what, force } => {
                self.store.delete(what, *force, dry_run, self.clock.now())
            }
            // A dry run changes nothing, and there is nothing to be told of it.
            Administration::Ignore { .. } if dry_run => Ok(Vec::new()),
            Administration::Ignore { mac, ignored } => {
                self.store.ignore_candidate(*mac, *ignored, self.clock.now()).map(|_| Vec::new())
            }
            // It has an answer of its own.
            Administration::Sync(_) => Ok(Vec::new()),
        }
    }

    /// Brings what comes from an inventory to what that says, or says what would change.
    fn sync(&mut self, sync: &Sync, dry_run: bool) -> AdminAnswer {
        let synced = match self.store.sync_inventory(sync, dry_run, self.clock.now()) {
            Ok(synced) => synced,
            Err(error) => return AdminAnswer::Refused(error),
        };
        let Synced { changes, gone, .. } = &synced;
        if !dry_run && !changes.is_empty() {
            // Under a name there may be another device now, whose machine is not the one in memory.
            gone.iter().for_each(|name| self.forget(name));
            match self.load_all_again() {
                Ok(()) => self.tell_of_change(),
                Err(error) => self.fall_behind(&error),
            }
        }
        AdminAnswer::Synced(synced)
    }

    /// A template that cannot be rendered would only show when a board needs it.
    fn check_templates(&self, lab: &Lab) -> Result<(), LabError> {
        let mut values = sample_values(&self.settings.values);
        values.live = self.settings.live.usual.clone();
        values.console.clone_from(&values.live.console);
        values.site.clone_from(&self.settings.site);
        for entry in &lab.pxe_configs {
            let Some(contents) = &entry.contents else { continue };
            if let Err(RenderError { line, why, .. }) = try_out(&entry.name, contents, &values) {
                let row = format!("pxe_config `{}`", entry.name);
                let at = Place { origin: lab.origin.clone(), line: entry.line, row, field: "contents" };
                return Err(LabError { at: Box::new(at), problem: Problem::Template { line, why } });
            }
        }
        Ok(())
    }

    /// What was committed reaches memory, the boot table, and those who keep something of it.
    fn bring_up(&mut self, change: &Administration) {
        if let Err(error) = self.load_again(change) {
            self.fall_behind(&error);
            return;
        }
        self.tell_of_change();
    }

    fn tell_of_change(&self) {
        let line = JournalLine::DevicesChanged;
        if self.out.journal.try_send(line).is_err() {
            log::warn!("the journal is full; it looks for new devices by itself within half a minute");
        }
        self.notify(MozpoolNotice::Administered);
    }

    fn fall_behind(&mut self, error: &StoreError) {
        log::error!("{error}; what there is was changed, and is read again when the store answers");
        self.behind = true;
        self.rests_until = Some(self.clock.now().plus_ms(STORE_REST_MS));
    }

    /// After the store failed in between: everything is read again.
    pub(super) fn catch_up(&mut self) {
        if !self.behind || self.rests_until.is_some_and(|until| self.clock.now() < until) {
            return;
        }
        match self.load_all_again() {
            Ok(()) => {
                self.behind = false;
                self.tell_of_change();
            }
            Err(error) => self.fall_behind(&error),
        }
    }

    fn load_all_again(&mut self) -> Result<(), StoreError> {
        self.catalog = self.store.catalog()?;
        let records = self.store.load_devices(&self.settings.server)?;
        let stored: HashSet<DeviceName> = records.iter().map(|r| r.machine.name.clone()).collect();
        let gone: Vec<_> = self.devices.keys().filter(|name| !stored.contains(*name)).cloned().collect();
        gone.iter().for_each(|name| self.forget(name));
        self.take_up(records);
        self.publish_all();
        self.publish_default()
    }

    /// Another server of the pool has changed something, perhaps.
    pub(super) fn look_again(&mut self, look: &Look) {
        let looked = if look.all { self.load_all_again() } else { self.load_some_again(look) };
        if let Err(error) = looked {
            self.fall_behind(&error);
        }
    }

    fn load_some_again(&mut self, look: &Look) -> Result<(), StoreError> {
        if look.catalog {
            self.catalog = self.store.catalog()?;
        }
        let infos = |layer: &Self| -> Vec<Option<DeviceInfo>> {
            look.devices.iter().map(|name| layer.devices.get(name).map(|e| e.info.clone())).collect()
        };
        let before = infos(self);
        self.load_devices_again(&look.devices.iter().collect::<Vec<_>>())?;
        if look.catalog {
            self.publish_all();
            self.publish_default()?;
        }
        if infos(self) != before {
            self.tell_of_change();
        }
        Ok(())
    }

    fn load_again(&mut self, change: &Administration) -> Result<(), StoreError> {
        self.catalog = self.store.catalog()?;
        match change {
            Administration::Delete { what: Deletion::Device(name), .. } => {
                self.forget(name);
                Ok(())
            }
            Administration::Delete { .. } | Administration::Ignore { .. } | Administration::Sync(_) => Ok(()),
            Administration::Apply(lab) => {
                let names: Vec<&DeviceName> = lab.devices.iter().map(|d| &d.name).collect();
                self.load_devices_again(&names)?;
                // Images' second stages and templates stand in boot texts.
                if !lab.pxe_configs.is_empty() || !lab.images.is_empty() {
                    self.publish_all();
                }
                match lab.pxe_configs.iter().any(|p| p.name == LOCAL_BOOT_PXE_CONFIG) {
                    true => self.publish_default(),
                    false => Ok(()),
                }
            }
        }
    }

    /// Devices that may be new, or other than they were.
    fn load_devices_again(&mut self, names: &[&DeviceName]) -> Result<(), StoreError> {
        let mut fresh = Vec::new();
        for name in names {
            match self.store.load_device(name)? {
                Some(record) if record.info.imaging_server == self.settings.server => fresh.push(record),
                _ => self.forget(name),
            }
        }
        self.take_up(fresh);
        Ok(())
    }

    fn take_up(&mut self, records: Vec<DeviceRecord>) {
        for record in &records {
            // Two devices may have swapped their addresses: all let go of theirs before anybody takes one.
            if let Some(entry) = self.devices.get(&record.machine.name)
                && let (Some(old), true) = (entry.info.mac, entry.info.mac != record.info.mac)
            {
                self.boot.publish(old, None);
            }
        }
        for record in records {
            let name = record.machine.name.clone();
            let known = self.devices.remove(&name);
            match known {
                None => self.adopt(record),
                Some(known) => self.changed(known, record),
            }
        }
    }

    /// A device that goes on as it is, with what is said of it now. Its machine's row is the one in memory: no one else
    /// writes it, as long as the device is ours. One that was another server's in between has another epoch.
    fn changed(&mut self, known: Entry, record: DeviceRecord) {
        let name = record.machine.name.clone();
        if (record.id, record.machine.epoch) != (known.id, known.machine.epoch) {
            let why = if record.id == known.id { "was moved by another server" } else { "is another device" };
            log::info!("device={name} {why}; it goes on as it is stored");
            self.devices.insert(name.clone(), known);
            self.hand_out(&name, Effect::Cancel);
            return self.adopt(record);
        }
        // Its request has let go of it, and that is on its way to us; or was, when the server that was to tell us died.
        let stored = record.claim.as_ref().map(|c| c.request);
        let left = known.claim.as_ref().map(|c| c.request).filter(|r| stored != Some(*r));
        let Entry { machine, claim, off_since, order, left: left_before, .. } = known;
        let entry = Entry { machine, claim, off_since, order, left: left_before, ..Entry::from(record) };
        let (rewired, same) = (entry.relay != known.relay, entry.info == known.info);
        self.devices.insert(name.clone(), entry);
        if rewired {
            self.requeue(&name);
        }
        if let (Some(request), true) = (left, self.peers.is_some()) {
            let mut items = std::mem::take(&mut self.follow_ups);
            self.released(name.clone(), request, &mut items);
            self.follow_ups = items;
        }
        if !same && let Err(why) = self.publish(&name) {
            log::error!("device={name} no boot config: {why}");
        }
    }

    /// A power cycle that waits for the old relay is asked of the new one. One that has begun ends by itself, with power on;
    /// without a relay the state's time limit finds out.
    fn requeue(&mut self, device: &DeviceName) {
        let Some((epoch, _)) = self.queued.remove(device) else { return };
        self.hand_out(device, Effect::Cancel);
        if self.devices.get(device).is_some_and(|e| e.machine.epoch == epoch) {
            self.hand_out(device, Effect::PowerCycle { epoch });
        }
    }

    /// The device is no longer ours.
    fn forget(&mut self, device: &DeviceName) {
        if self.devices.contains_key(device) {
            self.hand_out(device, Effect::Cancel);
            self.abandon(device);
            log::info!("device={device} is not looked after any more");
        }
    }

    /// Every board that is to boot from the network gets its text anew.
    fn publish_all(&mut self) {
        let offered = self.devices.iter().filter(|(_, e)| e.machine.boot.is_some());
        let names: Vec<DeviceName> = offered.map(|(name, _)| name.clone()).collect();
        for name in names {
            if let Err(why) = self.publish(&name) {
                log::error!("device={name} no boot config: {why}");
            }
        }
    }

    /// What boards get that nothing is offered to.
    fn publish_default(&mut self) -> Result<(), StoreError> {
        let Some(row) = self.store.pxe_config(LOCAL_BOOT_PXE_CONFIG)? else { return Ok(()) };
        match render(&row.name, &row.contents, &sample_values(&self.settings.values)) {
            Ok(text) => self.boot.publish_default(&text),
            Err(error) => log::error!("{error}; boards without a boot config get the one from before"),
        }
        Ok(())
    }
}
