//! Workers for what blocks: threads that are started as they are needed, up to a number, and joined at the end.
//!
//! It knows nothing of the work. A pool takes a job only when a worker is free for it; who has more keeps them in a line
//! of its own.

use crate::layers::supervise::{self, Exit};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A thread with its name.
pub type Named = (String, JoinHandle<()>);

/// What a worker does with a job. False: nobody takes the result any more.
type Work<J> = Arc<dyn Fn(J) -> bool + Send + Sync>;

/// Workers of one kind.
pub struct Pool<J> {
    name: &'static str,
    max: usize,
    busy: usize,
    jobs: Sender<J>,
    line: Receiver<J>,
    work: Work<J>,
    ended: Sender<(String, Exit)>,
    threads: Vec<Named>,
}

impl<J: Send + 'static> Pool<J> {
    /// At most `max` workers, called `name-1` and so on, who say on `ended` when they end.
    pub fn new(
        name: &'static str,
        max: usize,
        ended: Sender<(String, Exit)>,
        work: impl Fn(J) -> bool + Send + Sync + 'static,
    ) -> Self {
        let (jobs, line) = bounded(max);
        Self { name, max, busy: 0, jobs, line, work: Arc::new(work), ended, threads: Vec::new() }
    }

    /// Whether a worker is free or may be started.
    pub fn has_room(&self) -> bool {
        self.busy < self.max
    }

    /// Gives a job to a worker; gives it back when there is none for it.
    pub fn give(&mut self, job: J) -> Result<(), J> {
        if !self.has_room() {
            return Err(job);
        }
        self.busy += 1;
        if self.busy > self.threads.len() {
            let name = format!("{}-{}", self.name, self.threads.len() + 1);
            let (line, work) = (self.line.clone(), Arc::clone(&self.work));
            let thread = supervise::spawn(&name, self.ended.clone(), move || {
                for job in line {
                    if !work(job) {
                        return Exit::Lost("bmm");
                    }
                }
                Exit::Stopped
            });
            self.threads.push((name, thread));
        }
        // The channel has a place for each worker, and no more jobs than workers are out.
        self.jobs.try_send(job).map_err(crossbeam_channel::TrySendError::into_inner)
    }

    /// A worker has given the result of its job.
    pub fn done(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Lets the workers end after what they are at; the threads are to be joined.
    pub fn close(self) -> Vec<Named> {
        self.threads
    }
}

impl<J> std::fmt::Debug for Pool<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({}, {} of {} busy)", self.name, self.busy, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn no_more_workers_than_needed_and_none_left_at_the_end() {
        let (ended, told) = unbounded();
        let (results, got) = unbounded();
        let (gate, wait) = bounded::<()>(0);
        let mut pool = Pool::new("w", 2, ended, move |n: u32| wait.recv().is_ok() && results.send(n).is_ok());
        assert_eq!(pool.give(1), Ok(()));
        assert_eq!(pool.threads.len(), 1);
        assert_eq!(pool.give(2), Ok(()));
        assert_eq!((pool.give(3), pool.has_room()), (Err(3), false));
        gate.send(()).unwrap();
        got.recv().unwrap();
        pool.done();
        assert_eq!(pool.give(4), Ok(()));
        assert_eq!(pool.threads.len(), 2, "a free worker takes it");
        gate.send(()).unwrap();
        gate.send(()).unwrap();
        for (_, thread) in pool.close() {
            thread.join().unwrap();
        }
        assert_eq!(told.try_iter().filter(|(_, exit)| *exit == Exit::Stopped).count(), 2);
    }
}
