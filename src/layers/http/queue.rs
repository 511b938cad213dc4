//! Calls that wait for a thread: in turn by client, so that whoever sends thousands delays the others by one of them, and
//! nobody has all threads. Bounded, in all and for each client.

use super::client::{Client, may_take};
use super::request::Request;
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Calls that may wait. At a millisecond each, sixteen threads are through with them in a tenth of a second.
pub(super) const CALLS_MAX: usize = 1024;

/// The queue of one server, and who is at work on calls from it.
pub(super) struct Queue<T = Request> {
    lines: Mutex<Lines<T>>,
    changed: Condvar,
    /// Calls of one client that are worked on at once.
    each_max: usize,
}

struct Lines<T> {
    waiting: HashMap<Client, VecDeque<T>>,
    /// Whose turn is next: each that has a call waiting, once.
    turns: VecDeque<Client>,
    at_work: HashMap<Client, usize>,
    length: usize,
    /// Nothing will come any more.
    is_closed: bool,
}

/// A client's call is worked on until this is dropped.
pub(super) struct Turn<'a, T = Request> {
    queue: &'a Queue<T>,
    client: Client,
}

impl<T> Queue<T> {
    /// For so many threads, of which one client has three quarters at most: calls that take ten seconds, such as a relay board's
    /// test, must not be all that is done.
    pub(super) fn new(threads: usize) -> Self {
        let lines = Lines {
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            at_work: HashMap::new(),
            length: 0,
            is_closed: false,
        };
        let each_max = (threads * 3 / 4).max(1);
        Self { lines: Mutex::new(lines), changed: Condvar::new(), each_max }
    }

    fn lock(&self) -> MutexGuard<'_, Lines<T>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines up; the call comes back when there is no room for it.
    pub(super) fn push(&self, client: Client, call: T) -> Result<(), T> {
        let mut lines = self.lock();
        let own = lines.waiting.get(&client).map_or(0, VecDeque::len);
        if lines.is_closed || !may_take(own, CALLS_MAX - lines.length) {
            return Err(call);
        }
        lines.waiting.entry(client).or_default().push_back(call);
        lines.length += 1;
        if own == 0 {
            lines.turns.push_back(client);
        }
        drop(lines);
        self.changed.notify_one();
        Ok(())
    }

    /// The next call whose turn it is; waits for one. `None`: there will be none.
    pub(super) fn next(&self) -> Option<(T, Turn<'_, T>)> {
        let mut lines = self.lock();
        loop {
            if let Some((client, call)) = lines.take(self.each_max) {
                self.tell(lines);
                return Some((call, Turn { queue: self, client }));
            }
            if lines.is_closed && lines.length == 0 {
                return None;
            }
            lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A call was taken, or is done: whoever waits in [`Self::next`] may have something to do.
    fn tell(&self, lines: MutexGuard<'_, Lines<T>>) {
        let (others_wait, is_over) = (lines.length > 0, lines.is_closed && lines.length == 0);
        drop(lines);
        if is_over {
            // Who looked while a call waited that it could not take sleeps again, and nobody else would wake it.
            self.changed.notify_all();
        } else if others_wait {
            // A word may have come to a thread that could not take what it was about; and one who had as many as he may has
            // one less.
            self.changed.notify_one();
        }
    }

    /// Takes no more. Threads get what waits, and then nothing.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether nothing waits, and nobody works on anything.
    pub(super) fn is_idle(&self) -> bool {
        let lines = self.lock();
        lines.length == 0 && lines.at_work.is_empty()
    }

    #[cfg(test)]
    fn length(&self) -> usize {
        self.lock().length
    }
}

impl<T> Lines<T> {
    /// The first call of the first client in turn who may have another one worked on.
    fn take(&mut self, each_max: usize) -> Option<(Client, T)> {
        for _ in 0..self.turns.len() {
            let client = self.turns.pop_front()?;
            if self.at_work.get(&client).is_some_and(|at_work| *at_work >= each_max) {
                self.turns.push_back(client);
                continue;
            }
            let waiting = self.waiting.get_mut(&client).expect("who has a turn has a call");
            let call = waiting.pop_front().expect("who has a turn has a call");
            if waiting.is_empty() {
                self.waiting.remove(&client);
            } else {
                self.turns.push_back(client);
            }
            self.length -= 1;
            *self.at_work.entry(client).or_default() += 1;
            return Some((client, call));
        }
        None
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut lines = self.queue.lock();
        let at_work = lines.at_work.get_mut(&self.client).expect("it was counted when it was given");
        *at_work -= 1;
        if *at_work == 0 {
            lines.at_work.remove(&self.client);
        }
        self.queue.tell(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn client(n: u8) -> Client {
        Client::of([10, 0, 0, n].into())
    }

    #[test]
    fn clients_take_turns_and_their_own_calls_stay_in_order() {
        let queue = Queue::new(4);
        for n in 0..100 {
            queue.push(client(1), (1, n)).unwrap();
        }
        queue.push(client(2), (2, 0)).unwrap();
        queue.push(client(3), (3, 0)).unwrap();
        let next = || queue.next().unwrap().0;
        assert_eq!([next(), next(), next(), next(), next()], [(1, 0), (2, 0), (3, 0), (1, 1), (1, 2)]);
    }

    #[test]
    fn nobody_has_all_threads_or_all_places() {
        let queue = Queue::new(4);
        let filled = (0..CALLS_MAX).take_while(|n| queue.push(client(1), *n).is_ok()).count();
        assert!((CALLS_MAX / 2..CALLS_MAX * 4 / 5).contains(&filled), "{filled}");
        assert!(queue.push(client(2), 7).is_ok());
        let mut own: Vec<_> = (0..4).map(|_| queue.next().unwrap()).collect();
        assert_eq!(own.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 7, 1, 2]);
        assert_eq!(own.iter().filter(|(_, turn)| turn.client == client(1)).count(), 3);
        // All that the first one may have are at work: a thread that asks waits until one is done.
        assert!(queue.lock().take(queue.each_max).is_none());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| queue.next().map(|(n, _)| n));
            own.swap_remove(0);
            assert_eq!(waits.join().unwrap(), Some(3));
        });
    }

    #[test]
    fn what_waits_is_worked_on_after_the_end() {
        let queue = Queue::new(1);
        queue.push(client(1), 1).unwrap();
        queue.close();
        assert_eq!(queue.push(client(1), 2), Err(2));
        let (call, turn) = queue.next().unwrap();
        assert!(call == 1 && queue.length() == 0 && !queue.is_idle() && queue.next().is_none());
        drop(turn);
        assert!(queue.is_idle());
    }

    #[test]
    fn who_slept_over_a_call_that_it_could_not_take_hears_that_it_was_the_last() {
        // The threads sleep before the first turn ends nearly always, and it takes one time that they do.
        for _ in 0..200 {
            let queue = Arc::new(Queue::new(2));
            queue.push(client(1), 1).unwrap();
            queue.push(client(1), 2).unwrap();
            let (_, turn) = queue.next().unwrap();
            queue.close();
            let (left, ended) = crossbeam_channel::bounded(2);
            for _ in 0..2 {
                let (queue, left) = (Arc::clone(&queue), left.clone());
                std::thread::spawn(move || left.send(std::iter::from_fn(|| queue.next()).count()));
            }
            std::thread::yield_now();
            drop(turn);
            let limit = Duration::from_secs(30);
            let taken: usize = (0..2).map(|_| ended.recv_timeout(limit).expect("both leave")).sum();
            assert_eq!(taken, 1);
        }
    }
}
