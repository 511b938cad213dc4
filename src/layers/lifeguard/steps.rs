//! What the hardware and the board have said, told to the journal as steps of the board's attempt. Nothing waits for them, and
//! what finds no room is lost: the states, which are in the commit, tell the story without them.
//!
//! Boards at rest have no attempt. Their checks, of which there are many, cost nothing here.

use super::*;
use crate::logic::attempt::{POWER_FAILED, POWER_OFF, POWER_ON, Step as Told, StepKind, words};
use crate::logic::events::Signal;
use crate::logic::lifeguard::at_rest;

impl Lifeguard {
    /// The relay board has taken up the power cycle that this state entry asked for.
    pub(super) fn tell_power_off(&mut self, device: &DeviceName, epoch: Epoch) {
        let now = self.clock.now();
        let asked = self.queued.get(device).filter(|(queued, _)| *queued == epoch).map(|(_, since)| *since);
        let Some(entry) = self.devices.get_mut(device).filter(|e| e.machine.epoch == epoch) else { return };
        entry.off_since = Some(now);
        let waited = asked.map_or(0, |since| ms(now, since));
        let told = Told::new(now, StepKind::Power, POWER_OFF, "power off, after its turn at the relay");
        self.tell(device, told.took(waited));
    }

    /// The hardware layer has answered what this state entry asked.
    pub(super) fn tell_answer(
        &mut self,
        device: &DeviceName,
        epoch: Epoch,
        signal: Signal,
        detail: Option<&str>,
    ) {
        let now = self.clock.now();
        let Some(entry) = self.devices.get_mut(device) else { return };
        if entry.machine.epoch != epoch || at_rest(entry.machine.state) {
            return;
        }
        let off =
            entry.off_since.take_if(|_| matches!(signal, Signal::PowerCycleOk | Signal::PowerCycleFailed));
        let (kind, name, what, bad) = match signal {
            Signal::PowerCycleOk => (StepKind::Power, POWER_ON, "power on again, and checked", false),
            Signal::PowerCycleFailed => {
                (StepKind::Power, POWER_FAILED, detail.unwrap_or("power could not be switched"), true)
            }
            Signal::PingOk => (StepKind::Ping, "answers", "the board answers", false),
            Signal::Vanished => {
                (StepKind::Ping, "vanished", "the board stopped answering: it reboots", false)
            }
            Signal::Failed | Signal::SutSdcardFailed => {
                (StepKind::Check, signal.name(), detail.unwrap_or("the check failed"), true)
            }
            _ => (StepKind::Check, signal.name(), "the check passed", false),
        };
        let mut told = Told::new(now, kind, name, what).is_bad(bad);
        told.took_ms = off.map(|since| ms(now, since));
        self.tell(device, told);
    }

    /// The board has said how far it is, and perhaps why; or it was ignored, for a reason.
    pub(super) fn tell_event(&self, device: &DeviceName, signal: Signal, why: Option<String>, ignored: bool) {
        if self.devices.get(device).is_some_and(|entry| !at_rest(entry.machine.state)) {
            let told = Told::new(
                self.clock.now(),
                StepKind::Event,
                signal.name(),
                why.unwrap_or_else(|| words::event(signal)),
            );
            self.tell(device, told.is_bad(ignored));
        }
    }

    fn tell(&self, device: &DeviceName, step: Told) {
        let line = JournalLine::Step { device: device.clone(), step };
        if self.out.journal.try_send(line).is_err() {
            log::debug!("device={device} a step of its attempt was lost: the journal is full");
        }
    }
}

/// Milliseconds from one time to a later one.
fn ms(now: Timestamp, since: Timestamp) -> u64 {
    now.ms_since(since).max(0).unsigned_abs()
}
