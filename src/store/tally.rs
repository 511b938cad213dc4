//! How many statements the calls of this thread have sent to a database: what a call costs where each of them is a journey.
//!
//! It counts for the simulator, on SQLite, whose statements are those that a MariaDB would get.

use std::cell::Cell;

thread_local! {
    static SENT: Cell<Tally> = const { Cell::new(Tally { statements: 0, counted_at: None }) };
}

/// What was sent since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Statements, with the beginnings and ends of transactions.
    pub(crate) statements: u32,
    /// So many had been sent when the row was taken that counts the pool's changes: all others who change something wait from
    /// there to the commit.
    pub(crate) counted_at: Option<u32>,
}

/// One more statement.
pub(super) fn statement() {
    SENT.set(Tally { statements: SENT.get().statements.saturating_add(1), ..SENT.get() });
}

/// The row that counts changes is taken by the next statement.
pub(super) fn counts() {
    SENT.set(Tally { counted_at: Some(SENT.get().statements), ..SENT.get() });
}

/// What was sent by `work` is one statement where a database can be asked so.
pub(super) fn as_one<T>(work: impl FnOnce() -> T) -> T {
    let before = SENT.get();
    let done = work();
    SENT.set(Tally { statements: before.statements.saturating_add(1), ..before });
    done
}

/// Looks, and begins anew.
pub(crate) fn take() -> Tally {
    SENT.take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::{Location, ServerRow};

    #[test]
    fn a_change_takes_the_counter_behind_its_own_statements_and_a_read_does_not() {
        let mut store = Location::memory().open().unwrap();
        take();
        store.register_server(&ServerRow { name: "s".into(), url: String::new() }, Timestamp(0)).unwrap();
        let Tally { statements, counted_at } = take();
        // BEGIN and the row before it; its number, the change, its kind and COMMIT behind it.
        assert!(counted_at.is_some_and(|at| at >= 2 && statements >= at + 5), "{statements} {counted_at:?}");
        store.last_changes().unwrap();
        assert_eq!(take(), Tally { statements: 1, counted_at: None });
    }
}
