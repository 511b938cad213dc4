//! Rows with values that nobody expects, out and in again. The seed is in every message; `MOZPOOL_SEED=n` replays it.

use crate::*;
use mozpool::logic::lifeguard::{self, Boot, BootToken};
use mozpool::logic::mozpool as pool;
use std::sync::Arc;

const ROUNDS: usize = 300;

/// SplitMix64: small, and good enough to be odd.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> (Self, u64) {
        let seed = std::env::var("MOZPOOL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        (Self(seed), seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    pub(crate) fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    pub(crate) fn maybe<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| some(self))
    }

    pub(crate) fn list<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| one(self)).collect()
    }

    fn time(&mut self) -> Timestamp {
        let wild = self.next().cast_signed();
        Timestamp(self.one_of(&[0, -1, i64::MIN, i64::MAX, T0.0, wild]))
    }

    fn epoch(&mut self) -> Epoch {
        let wild = self.next();
        Epoch(self.one_of(&[0, 1, u64::MAX, u64::MAX / 2, u64::MAX / 2 + 1, wild]))
    }

    fn text(&mut self) -> String {
        let piece = |d: &mut Self| {
            d.one_of(&[
                "",
                "a",
                "ü",
                "🐼",
                "'",
                "\"",
                "\\",
                "%",
                "_",
                "\n",
                "\r",
                "\0",
                "?",
                "; DROP TABLE devices",
                "{}",
                " ",
            ])
        };
        self.list(6, piece).concat()
    }

    fn name(&mut self) -> Arc<str> {
        self.text().into()
    }

    fn install(&mut self) -> Install {
        let image = self.one_of(&["b2g", "android", "self-test", "maintenance"]).into();
        Install { image, boot_config: self.name() }
    }

    fn wish(&mut self) -> pool::OneOf {
        let first = self.text();
        pool::OneOf::new(self.list(3, Self::text).into_iter().chain([first])).unwrap()
    }

    fn wanted(&mut self) -> Wanted {
        Wanted {
            device: self.maybe(Self::name),
            environment: self.maybe(Self::wish),
            install: self.install(),
            hardware_type: self.maybe(Self::wish),
            hardware_model: self.maybe(Self::wish),
            processor: self.maybe(Self::wish),
            tags: self.list(4, Self::wish),
        }
    }
}

pub(crate) fn devices_come_back_as_they_went(world: &World) {
    let mut store = world.with_lab();
    let mut reader = world.open();
    let (mut d, seed) = Dice::new();
    let mut old = device(&mut *store, "panda-1");
    for round in 0..ROUNDS {
        let counts = d.list(5, |d| {
            let wild = u16::try_from(d.below(65536)).unwrap();
            (d.one_of(lifeguard::Counter::ALL), d.one_of(&[1, u16::MAX, wild]))
        });
        let next = Device {
            name: old.name.clone(),
            state: d.one_of(State::ALL),
            epoch: d.epoch(),
            since: d.time(),
            deadline: d.maybe(Dice::time),
            counters: counts.into_iter().collect(),
            installed: d.maybe(Dice::install),
            next: d.maybe(Dice::install),
            boot: d.maybe(|d| Boot { pxe_config: d.name(), boot_config: d.maybe(Dice::name) }),
            boot_token: d.maybe(|d| BootToken::new(std::array::from_fn(|_| d.one_of(&[0, 9, 0x80, 255])))),
            vanished: d.below(2) == 0,
            self_testing: d.below(2) == 0,
            progress: d.maybe(|d| d.one_of(&[0, 100, 255])),
            failures: d.list(16, Dice::time),
        };
        let log = d.text();
        let commit = DeviceCommit { log: vec![log.clone()], ..device_commit(next.clone(), old.epoch) };
        assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Done], "seed {seed} round {round}");
        assert_eq!(device(&mut *reader, "panda-1"), next, "seed {seed} round {round}");
        let last = reader.device_log("panda-1", None, Some(1)).unwrap();
        assert_eq!(messages(&last), [log.as_str()], "seed {seed} round {round}");
        old = next;
    }
    assert_eq!(reader.device_names().unwrap().len(), 4);
}

pub(crate) fn requests_come_back_as_they_went(world: &World) {
    let mut store = world.with_lab();
    let mut reader = world.open();
    let (mut d, seed) = Dice::new();
    for round in 0..ROUNDS {
        let new = NewRequest {
            server: d.one_of(&["here", "other"]).into(),
            assignee: d.text(),
            reason: d.text(),
            wanted: d.wanted(),
            expires: d.time(),
            queue_until: d.maybe(Dice::time),
            created: d.time(),
        };
        let id = store.insert_requests(std::slice::from_ref(&new)).unwrap()[0];
        let view = reader.request(id).unwrap().unwrap();
        let machine = view.machine;
        let back = NewRequest {
            server: view.server,
            assignee: view.assignee,
            reason: view.reason,
            wanted: machine.wanted.clone(),
            expires: machine.expires,
            queue_until: machine.queue_until,
            created: view.created,
        };
        assert_eq!(back, new, "seed {seed} round {round}");

        let counts = d.list(4, |d| (d.one_of(pool::Counter::ALL), d.one_of(&[1, u16::MAX])));
        let next = Request {
            state: d.one_of(pool::State::ALL),
            epoch: d.epoch(),
            deadline: d.maybe(Dice::time),
            counters: counts.into_iter().collect(),
            expires: d.time(),
            queue_until: d.maybe(Dice::time),
            ..machine.clone()
        };
        let claim = ClaimChange::Keep;
        let commit = RequestCommit {
            next: next.clone(),
            expected: machine.epoch,
            claim,
            log: vec![d.text()],
            device_log: None,
            at: d.time(),
        };
        assert_eq!(store.commit_requests(&[commit]).unwrap(), [Committed::Done], "seed {seed} round {round}");
        assert_eq!(load_request(&mut *reader, id), next, "seed {seed} round {round}");
    }
}
