//! The search for a device, as part of the decision: what is found is claimed in the same commit.
//!
//! What is learnt of the store is kept for the batch, by wish: eight hundred requests for the same cost one look, and who asks
//! for what nobody has costs no look of his own. Devices are looked for by kind and drawn from samples, so that a search
//! costs as much in a pool of fifty thousand idle boards as on a shelf.

use super::told::Said;
use super::*;

/// Free devices among which the choice is made: enough that health counts and that everybody has a turn, few enough to
/// read all of them. The first sample of a batch; later ones are larger, because a batch that asks again is a rush.
const SAMPLE: usize = 64;
/// … for a rush.
const SAMPLE_OF_RUSH: usize = 320;
/// Kinds that one sample is taken from at most, beginning with a drawn one: a lab that gives each board tags of its own has
/// as many kinds as boards.
const KINDS_PER_SAMPLE: usize = 128;

/// What one batch has learnt and done.
#[derive(Default)]
pub(super) struct Search {
    /// Devices that an earlier request of this batch takes.
    pub(super) taken: HashSet<DeviceName>,
    kinds: Option<Arc<[FreeKind]>>,
    images: HashMap<ImageName, Arc<ImageFacts>>,
    wishes: HashMap<Wanted, Wish>,
    /// What a search in vain says, by wish.
    pub(super) told: HashMap<Wanted, Said>,
}

/// What an image allows.
pub(super) struct ImageFacts {
    /// It may be used again as it stands on a board.
    can_reuse: bool,
    /// What it can be put on.
    pub(super) hardware: HashSet<HardwareId>,
}

/// Where one wish stands.
#[derive(Default)]
struct Wish {
    /// Devices on which the image is already, if it may be used again.
    same: Draw,
    /// All that fit.
    any: Draw,
}

/// Free devices of some kinds, from which one after the other is drawn.
#[derive(Default)]
struct Draw {
    kinds: Vec<FreeKind>,
    /// Of a sample, not yet read.
    names: VecDeque<DeviceName>,
    /// Read and ready to be chosen from.
    choices: Vec<Choice>,
    /// There are no others than those.
    all: bool,
    samples: usize,
}

/// What a search came to.
pub(super) struct Found {
    pub(super) event: Event,
    /// For the request's log, if there is something to say.
    pub(super) said: Option<Said>,
}

impl Mozpool {
    /// Looks for a device. What it finds is taken for the rest of the batch.
    pub(super) fn find(
        &mut self,
        request: &Request,
        epoch: Epoch,
        now: Timestamp,
        search: &mut Search,
    ) -> Result<Found, StoreError> {
        let wanted = &request.wanted;
        if let Some(device) = &wanted.device {
            return self.look_at(device, wanted, epoch, now, search);
        }
        let facts = self.image_facts(&wanted.install.image, search)?;
        let drawn = self.draw(wanted, &facts, now, search)?;
        let Some((choice, reuse)) = drawn else {
            let said = self.tell_nothing(wanted, &facts, now, search)?;
            return Ok(Found { event: Event::NoneFree { epoch, named: None }, said });
        };
        let wish = search.wishes.entry(wanted.clone()).or_default();
        let draw = if reuse { &mut wish.same } else { &mut wish.any };
        let taken = draw.choices.swap_remove(choice);
        search.taken.insert(taken.candidate.name.clone());
        draw.choices.retain(|c| !search.taken.contains(&c.candidate.name));
        let more = !draw.all || !draw.names.is_empty();
        let outcome = Came::Found { taken: &taken, others: &draw.choices, more, given: &search.taken };
        let said = self.tell_found(wanted, &facts, outcome, now)?;
        let prepare = if taken.reuse { Preparation::PowerCycle } else { Preparation::Image };
        let device = taken.candidate.name;
        Ok(Found { event: Event::Found { epoch, device, prepare }, said })
    }

    /// The device that a request names.
    fn look_at(
        &mut self,
        device: &DeviceName,
        wanted: &Wanted,
        epoch: Epoch,
        now: Timestamp,
        search: &mut Search,
    ) -> Result<Found, StoreError> {
        let facts = self.image_facts(&wanted.install.image, search)?;
        let Some((board, candidate)) = readable(self.store.board(device, now))? else {
            return Ok(Found { event: Event::NoneFree { epoch, named: Some(None) }, said: None });
        };
        let passed = match judge(&board, wanted, &facts.hardware) {
            Ok(()) if search.taken.contains(device) => {
                "was given to another request at the same moment".to_owned()
            }
            Ok(()) => {
                search.taken.insert(device.clone());
                let reuse = facts.can_reuse && candidate.runs(wanted, &same_json);
                let prepare = if reuse { Preparation::PowerCycle } else { Preparation::Image };
                let said = if reuse { ", which runs the image already" } else { "" };
                let said = Some(Said::from(format!("Took {device}, which is wanted by name{said}")));
                return Ok(Found { event: Event::Found { epoch, device: device.clone(), prepare }, said });
            }
            Err(why) => why.of_one(wanted),
        };
        let said = Some(Said::from(format!("Looked at {device}: it {passed}")));
        let named = Named { state: board.state.to_string(), claimed_by: board.claimed_by };
        Ok(Found { event: Event::NoneFree { epoch, named: Some(Some(named)) }, said })
    }

    pub(super) fn image_facts(
        &mut self,
        image: &ImageName,
        search: &mut Search,
    ) -> Result<Arc<ImageFacts>, StoreError> {
        if let Some(facts) = search.images.get(image) {
            return Ok(facts.clone());
        }
        let facts = Arc::new(ImageFacts {
            can_reuse: self.can_reuse(image)?,
            hardware: self.store.hardware_of_image(image)?,
        });
        search.images.insert(image.clone(), facts.clone());
        Ok(facts)
    }

    pub(super) fn can_reuse(&mut self, image: &str) -> Result<bool, StoreError> {
        Ok(readable(self.store.image(image))?.is_some_and(|i| i.can_reuse))
    }

    /// The place of the best choice, and whether it lies among those that have the image; `None`: nothing is free. What is
    /// known of the wish stays in the batch.
    fn draw(
        &mut self,
        wanted: &Wanted,
        facts: &ImageFacts,
        now: Timestamp,
        search: &mut Search,
    ) -> Result<Option<(usize, bool)>, StoreError> {
        if !search.wishes.contains_key(wanted) {
            let kinds = self.fitting_kinds(wanted, facts, search)?;
            let (same, _): (Vec<_>, Vec<_>) =
                kinds.iter().cloned().partition(|k| facts.can_reuse && k.image == *wanted.install.image);
            let wish = Wish { same: Draw::of(same), any: Draw::of(kinds) };
            search.wishes.insert(wanted.clone(), wish);
        }
        let Search { wishes, taken, .. } = search;
        let wish = wishes.get_mut(wanted).expect("it was put there above");
        for (draw, reuse) in [(&mut wish.same, true), (&mut wish.any, false)] {
            loop {
                self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                match pick(&draw.choices, self.seed) {
                    // A sample of others may have it, too.
                    Some(at) if taken.contains(&draw.choices[at].candidate.name) => {
                        draw.choices.swap_remove(at);
                    }
                    // The image is there, but not as wanted, or where nobody takes orders; then any board will do as well.
                    Some(at) if reuse && (!draw.choices[at].reuse || draw.choices[at].deaf) => {
                        draw.give_up();
                        break;
                    }
                    Some(at) => return Ok(Some((at, reuse))),
                    None if self.sample(draw, wanted, facts, now, taken)? => {}
                    None => break,
                }
            }
        }
        Ok(None)
    }

    fn fitting_kinds(
        &mut self,
        wanted: &Wanted,
        facts: &ImageFacts,
        search: &mut Search,
    ) -> Result<Vec<FreeKind>, StoreError> {
        let kinds = match &search.kinds {
            Some(kinds) => kinds.clone(),
            None => {
                let kinds: Arc<[FreeKind]> = self.store.free_kinds()?.into();
                search.kinds.insert(kinds).clone()
            }
        };
        Ok(kinds.iter().filter(|k| kind_fits(&k.kind, wanted, &facts.hardware).is_ok()).cloned().collect())
    }

    /// Reads some more choices; false: there are none.
    fn sample(
        &mut self,
        draw: &mut Draw,
        wanted: &Wanted,
        facts: &ImageFacts,
        now: Timestamp,
        taken: &HashSet<DeviceName>,
    ) -> Result<bool, StoreError> {
        loop {
            while draw.choices.len() < SAMPLE && !draw.names.is_empty() {
                let some = draw.names.len().min(SAMPLE - draw.choices.len());
                let names: Vec<_> = draw.names.drain(..some).filter(|name| !taken.contains(name)).collect();
                // Read whole: what its own layer could not load, nobody is given. And looked at once more, because what
                // the index says is only as good as whoever wrote the row.
                for (board, candidate) in self.store.some_boards(&names, now)? {
                    if judge(&board, wanted, &facts.hardware).is_ok() {
                        let reuse = facts.can_reuse && candidate.runs(wanted, &same_json);
                        let deaf = self.is_deaf(&candidate.server);
                        draw.choices.push(Choice { candidate, reuse, deaf });
                    }
                }
            }
            if !draw.choices.is_empty() {
                return Ok(true);
            }
            if draw.all {
                return Ok(false);
            }
            self.names(draw, taken)?;
        }
    }

    /// Takes the names of a sample out of the round, from a drawn place on. What is taken already is left out, and so many
    /// more are asked for: names that are free come back unless there are none.
    fn names(&mut self, draw: &mut Draw, taken: &HashSet<DeviceName>) -> Result<(), StoreError> {
        // Each twice the one before: however many are asked for, and however many cannot be given away, few samples do.
        let size = draw.samples.checked_sub(1).map_or(SAMPLE, |n| SAMPLE_OF_RUSH << n.min(32));
        let limit = size.saturating_add(taken.len());
        draw.samples += 1;
        let start = place(&self.seed.to_string());
        let first = if draw.kinds.len() > KINDS_PER_SAMPLE {
            usize::try_from(start).unwrap_or_default() % draw.kinds.len()
        } else {
            0
        };
        let mut all = true;
        let mut names = Vec::new();
        let (before, from) = draw.kinds.split_at(first);
        for (n, kind) in from.iter().chain(before).enumerate() {
            if n >= KINDS_PER_SAMPLE && names.len() >= limit {
                all = false;
                break;
            }
            let some = self.store.free_devices(kind, start, limit)?;
            all &= some.len() < limit;
            names.extend(some);
        }
        let distance = |name: &DeviceName| place(name).wrapping_sub(start) & (u32::MAX >> 1);
        names.sort_by_cached_key(distance);
        all &= names.len() <= limit;
        names.truncate(limit);
        names.retain(|n| !taken.contains(n));
        (draw.names, draw.all) = (names.into(), all);
        Ok(())
    }

    /// Shows devices that have become free to those who wait, oldest first, until all are taken; `None`: any may be free now.
    pub(super) fn show(
        &mut self,
        freed: Option<&[DeviceName]>,
        now: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let waiting: Vec<_> = self.finding.iter().copied().collect();
        for id in waiting {
            let all_taken = freed.is_some_and(|f| f.iter().all(|d| batch.search.taken.contains(d)));
            if batch.search.wishes.len() > SHOWN_MAX || all_taken {
                break;
            }
            let Some(machine) = self.requests.get(&id) else { continue };
            let wanted = machine.wanted.clone();
            // Looked for first: who is told in vain would have it written each time.
            let worth = match (&wanted.device, freed) {
                (Some(device), Some(freed)) => freed.contains(device),
                // One that is gone will not come: that is worth telling, too.
                (Some(device), None) => self.store.named(device)?.is_none_or(|named| named.is_free()),
                (None, _) => {
                    let facts = self.image_facts(&wanted.install.image, &mut batch.search)?;
                    self.draw(&wanted, &facts, now, &mut batch.search)?.is_some()
                }
            };
            if worth {
                self.drive(id, Event::DeviceFreed, now, batch)?;
            }
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

impl Draw {
    fn of(kinds: Vec<FreeKind>) -> Self {
        let all = kinds.is_empty();
        Self { kinds, all, ..Self::default() }
    }

    fn give_up(&mut self) {
        *self = Self { all: true, ..Self::default() };
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
