//! A store as the daemon's threads have it: each operation is timed, and what was committed is counted.

use super::Metrics;
use crate::logic::ids::RequestId;
use crate::store::through::{Between, Through};
use crate::store::{
    AttemptStep, Committed, DeviceCommit, DeviceRecord, NewRequest, RequestCommit, RequestRecord, Result,
    Store, StoreError,
};
use std::sync::Arc;
use std::time::Instant;

struct Counted {
    store: Box<dyn Store>,
    metrics: Arc<Metrics>,
    begun: Instant,
}

/// `store` with its operations counted in `metrics`.
pub fn counted(store: Box<dyn Store>, metrics: &Arc<Metrics>) -> Box<dyn Store> {
    Box::new(Through(Counted { store, metrics: Arc::clone(metrics), begun: Instant::now() }))
}

impl Counted {
    /// Does `work` and times it.
    fn timed<T>(&mut self, verb: &'static str, work: impl FnOnce(&mut dyn Store) -> Result<T>) -> Result<T> {
        self.begun = Instant::now();
        let done = work(&mut *self.store);
        self.after(verb, done.as_ref().err());
        done
    }
}

impl Between for Counted {
    fn store(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    fn before(&mut self, _: &'static str) -> Result<()> {
        self.begun = Instant::now();
        Ok(())
    }

    fn after(&mut self, verb: &'static str, error: Option<&StoreError>) {
        self.metrics.storage.done(verb, self.begun.elapsed(), error);
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        let outcomes = self.timed("commit_devices", |store| store.commit_devices(commits))?;
        self.metrics.devices.committed(commits, &outcomes);
        Ok(outcomes)
    }

    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        let outcomes = self.timed("commit_requests", |store| store.commit_requests(commits))?;
        self.metrics.requests.committed(commits, &outcomes);
        Ok(outcomes)
    }

    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        let ids = self.timed("insert_requests", |store| store.insert_requests(new))?;
        self.metrics.requests.created(ids.iter().copied().zip(new.iter().map(|n| n.created)));
        Ok(ids)
    }

    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()> {
        self.timed("append_attempt_steps", |store| store.append_attempt_steps(steps))?;
        steps.iter().for_each(|step| self.metrics.devices.step(&step.step));
        Ok(())
    }

    fn load_devices(&mut self, server: &str) -> Result<Vec<DeviceRecord>> {
        let records = self.timed("load_devices", |store| store.load_devices(server))?;
        self.metrics.devices.loaded(records.iter().map(|r| &r.machine));
        Ok(records)
    }

    fn load_requests(&mut self, server: &str) -> Result<Vec<RequestRecord>> {
        let records = self.timed("load_requests", |store| store.load_requests(server))?;
        // When they were made, the machine does not know. Once at the start, and of the open ones only.
        let views = self.timed("requests", |store| store.requests(false)).unwrap_or_default();
        let created: std::collections::HashMap<_, _> =
            views.iter().map(|v| (v.machine.id.0, v.created)).collect();
        for RequestRecord { machine, .. } in &records {
            self.metrics.requests.loaded(machine, created.get(&machine.id.0).copied());
        }
        Ok(records)
    }

    fn load_request(&mut self, id: RequestId) -> Result<Option<RequestRecord>> {
        let record = self.timed("load_request", |store| store.load_request(id))?;
        match &record {
            Some(record) => self.metrics.requests.loaded(&record.machine, None),
            None => self.metrics.requests.gone(id),
        }
        Ok(record)
    }
}
