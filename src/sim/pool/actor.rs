//! Threads of which one runs at a time: each layer of a simulated server works in one, and a call of the store is where it may
//! stop in the middle of its work for as long as that call takes in virtual time.
//!
//! Whoever runs gives way by saying for how long; the world then lets others run until it is that late. So the order of everything
//! is the world's alone, and a run repeats itself.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// What one says when it gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gave {
    /// It goes on after so many microseconds.
    Waits(i64),
    /// It has nothing to do until then (milliseconds of the clock), or until it hears something.
    Rests(Option<i64>),
    /// Its thread has come to an end, which none does.
    Ended,
}

/// What an actor does when it is its turn; says when time alone brings the next one.
pub(super) type Turn = Box<dyn FnMut() -> Option<i64> + Send>;

/// The actor's end of the strings.
#[derive(Clone)]
pub(super) struct Strings {
    go: Receiver<()>,
    gave: Sender<Gave>,
    /// While a server is made, nothing costs time.
    on: Arc<AtomicBool>,
}

impl Strings {
    /// Time passes; false: the world has ended.
    pub(super) fn wait(&self, us: i64) -> bool {
        if us <= 0 || !self.on.load(Ordering::Relaxed) {
            return true;
        }
        self.gave.send(Gave::Waits(us)).is_ok() && self.go.recv().is_ok()
    }
}

/// The world's end.
pub(super) struct Actor {
    go: Option<Sender<()>>,
    gave: Option<Receiver<Gave>>,
    strings: Strings,
    thread: Option<JoinHandle<()>>,
}

/// Says so when its thread ends, also by a panic: the world waits for somebody who runs.
struct Last(Sender<Gave>);

impl Drop for Last {
    fn drop(&mut self) {
        // Nobody listens when the world has ended.
        let _ = self.0.send(Gave::Ended);
    }
}

impl Actor {
    /// One that does nothing yet.
    pub(super) fn new() -> Self {
        // One word at a time goes either way; the last one finds room beside another.
        let (go, may) = bounded(1);
        let (tell, gave) = bounded(2);
        let strings = Strings { go: may, gave: tell, on: Arc::default() };
        Self { go: Some(go), gave: Some(gave), strings, thread: None }
    }

    /// For whatever of it calls the store.
    pub(super) fn strings(&self) -> Strings {
        self.strings.clone()
    }

    /// Gives it its work.
    ///
    /// # Panics
    /// The system has no room for another thread.
    pub(super) fn begin(&mut self, mut turn: Turn) {
        let strings = self.strings.clone();
        strings.on.store(true, Ordering::Relaxed);
        let body = move || {
            let _last = Last(strings.gave.clone());
            while strings.go.recv().is_ok() && strings.gave.send(Gave::Rests(turn())).is_ok() {}
        };
        let thread = std::thread::Builder::new().name("simulated".into()).spawn(body);
        self.thread = Some(thread.expect("a thread for a simulated layer"));
    }

    /// Lets it run until it gives way.
    pub(super) fn run(&self) -> Gave {
        match (&self.go, &self.gave) {
            (Some(go), Some(gave)) if go.send(()).is_ok() => gave.recv().unwrap_or(Gave::Ended),
            _ => Gave::Ended,
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Whatever it waits for ends with this, and whatever it wants to say: it may be in the middle of a turn.
        (self.go, self.gave) = (None, None);
        if let Some(thread) = self.thread.take() {
            // What it may have to say of its end is no longer of interest.
            let _ = thread.join();
        }
    }
}

/// Something that actors share; only one of them runs.
pub(super) type Shared<T> = Arc<Mutex<T>>;

/// It, whatever has panicked with it.
pub(super) fn open<T>(shared: &Shared<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
