//! The search for a device, as part of the decision: what is found is claimed in the same commit.

use super::*;

impl Mozpool {
    /// Looks for a device. What it finds is taken for the rest of the batch.
    pub(super) fn find(
        &mut self,
        request: &Request,
        epoch: crate::logic::machine::Epoch,
        now: Timestamp,
        taken: &mut HashSet<DeviceName>,
    ) -> Result<Event, StoreError> {
        let wanted = &request.wanted;
        let can_reuse = self.can_reuse(&wanted.install.image)?;
        let mut free = self.store.free_devices(wanted, now)?;
        free.retain(|c| !taken.contains(&c.name));
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if let Some((candidate, reuse)) = pick(&free, wanted, can_reuse, &same_json, self.seed) {
            taken.insert(candidate.name.clone());
            let prepare = if reuse { Preparation::PowerCycle } else { Preparation::Image };
            return Ok(Event::Found { epoch, device: candidate.name.clone(), prepare });
        }
        let named = match &wanted.device {
            Some(device) => Some(readable(self.store.named(device))?),
            None => None,
        };
        Ok(Event::NoneFree { epoch, named })
    }

    pub(super) fn can_reuse(&mut self, image: &str) -> Result<bool, StoreError> {
        Ok(readable(self.store.image(image))?.is_some_and(|i| i.can_reuse))
    }

    /// Shows a device that has become free to those who wait, oldest first, until one takes it.
    pub(super) fn show(
        &mut self,
        device: &DeviceName,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let waiting: Vec<_> = self.finding.iter().take(SHOWN_MAX).copied().collect();
        for request in waiting {
            if batch.taken.contains(device) {
                break;
            }
            self.drive(request, Event::DeviceFreed, now, batch)?;
        }
        Ok(())
    }

    /// What there is has changed: those who wait look for what they did not find before, oldest first.
    pub(super) fn all_look_again(&mut self, now: Timestamp, batch: &mut Batch) -> Result<(), StoreError> {
        let waiting: Vec<_> = self.finding.iter().take(SHOWN_MAX).copied().collect();
        for request in waiting {
            self.drive(request, Event::DeviceFreed, now, batch)?;
        }
        Ok(())
    }

    pub(super) fn look_again(
        &mut self,
        id: RequestId,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let Some(epoch) = self.requests.get(&id).map(|r| r.epoch) else { return Ok(()) };
        self.drive(id, Event::ClaimLost { epoch }, now, batch)?;
        self.drive(id, Event::DeviceFreed, now, batch).map(|_| ())
    }
}

/// What cannot be read counts as not there: one bad row must not keep all requests waiting.
pub(super) fn readable<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Corrupt { what }) => {
            log::error!("left out: {what}");
            Ok(None)
        }
        other => other,
    }
}

pub(super) fn preparation(picked: Option<(&Candidate, bool)>) -> Preparation {
    if picked.is_some_and(|(_, reuse)| reuse) { Preparation::PowerCycle } else { Preparation::Image }
}

/// Boot configs mean the same when they are the same JSON; what cannot be read counts as `{}`.
pub(super) fn same_json(a: &str, b: &str) -> bool {
    let parse = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text)
            .unwrap_or_else(|_| serde_json::Value::Object(serde_json::Map::new()))
    };
    a == b || parse(a) == parse(b)
}

#[cfg(test)]
mod tests {
    use super::same_json;

    #[test]
    fn boot_configs_are_compared_by_value() {
        assert!(same_json(r#"{"a": 1, "b": [2]}"#, r#"{ "b":[2],"a":1 }"#));
        assert!(same_json("", "{}"));
        assert!(!same_json(r#"{"a": 1}"#, r#"{"a": 2}"#));
    }
}
