//! What *lifeguard* is to be told, and whoever works by hand.
//!
//! Answers wait here while *lifeguard* is busy, since no layer waits for another. A relay board's health is told when it
//! changes, and lifeguard takes every board for healthy until told otherwise.

use super::power::{self, Asker, PowerCounts, PowerJob, Task};
use crate::layers::messages::{BmmAnswer, ManualAnswer, Reply};
use crate::logic::events::Signal;
use crossbeam_channel::{Sender, TrySendError};
use relayctl::Action;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Answers that may wait here. One job is answered with one or two; beyond this, time limits ask again.
pub const ANSWERS_MAX: usize = 8192;

/// The way out.
#[derive(Debug)]
pub struct Answers {
    lifeguard: Sender<BmmAnswer>,
    waiting: VecDeque<BmmAnswer>,
    /// Whether the relay boards, or power programs, of devices work, as was told; by queue.
    boards: HashMap<String, bool>,
    counts: Arc<PowerCounts>,
}

/// *lifeguard* is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NobodyListens;

impl Answers {
    /// To *lifeguard*.
    pub fn new(lifeguard: Sender<BmmAnswer>, counts: Arc<PowerCounts>) -> Self {
        Self { lifeguard, waiting: VecDeque::new(), boards: HashMap::new(), counts }
    }

    /// Where [`Self::send`] sends to: whoever waits may wait for room there.
    pub fn lifeguard(&self) -> &Sender<BmmAnswer> {
        &self.lifeguard
    }

    /// Nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts an answer in line.
    pub fn push(&mut self, answer: BmmAnswer) {
        if self.waiting.len() < ANSWERS_MAX {
            return self.waiting.push_back(answer);
        }
        log::error!("lifeguard takes no answers; lost: {answer:?}");
        if let BmmAnswer::BoardHealth { board, healthy } = answer {
            // Nobody asks for this again, so the next outcome must tell it.
            self.boards.insert(board, !healthy);
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// [`NobodyListens`].
    pub fn send(&mut self) -> Result<(), NobodyListens> {
        while let Some(answer) = self.waiting.pop_front() {
            match self.lifeguard.try_send(answer) {
                Ok(()) => {}
                Err(TrySendError::Full(answer)) => {
                    self.waiting.push_front(answer);
                    return Ok(());
                }
                Err(TrySendError::Disconnected(_)) => return Err(NobodyListens),
            }
        }
        Ok(())
    }

    /// A device hangs on this board: its health is of interest from now on.
    pub fn know_board(&mut self, board: &str) {
        if !self.boards.contains_key(board) {
            self.boards.insert(board.to_owned(), true);
            self.counts.relay_is(board, true);
        }
    }

    /// So many jobs wait, run, and wait in the longest queue.
    pub fn count_queues(&self, waiting: usize, running: usize, longest: usize) {
        self.counts.set_queues(waiting, running, longest);
    }

    /// Tells how a job on `board` went, to whom it concerns.
    pub fn report(&mut self, board: String, job: PowerJob, outcome: power::Outcome) {
        self.counts.count(&outcome);
        self.note_health(board, &outcome);
        match job.asker {
            Asker::Device { device, epoch } => {
                let signal = if outcome.is_ok() { Signal::PowerCycleOk } else { Signal::PowerCycleFailed };
                let detail = outcome.err().map(|e| e.to_string());
                self.push(BmmAnswer::Finished { device, epoch, signal, detail });
            }
            Asker::Hand(reply) => tell(
                &reply,
                match (outcome, job.task) {
                    (Err(error), _) => ManualAnswer::Failed(error.to_string()),
                    (Ok(Some(power)), Task::Power(_, Action::Status)) => ManualAnswer::Power(power),
                    (Ok(_), _) => ManualAnswer::Ok,
                },
            ),
        }
    }

    /// Boards that only somebody's hand has named are nobody's concern.
    fn note_health(&mut self, board: String, outcome: &power::Outcome) {
        if let Some(works) = power::board_works(outcome)
            && let Some(known) = self.boards.get_mut(&board)
            && std::mem::replace(known, works) != works
        {
            log::warn!("board={board} {}", if works { "works again" } else { "does not work" });
            self.counts.relay_is(&board, works);
            self.push(BmmAnswer::BoardHealth { board, healthy: works });
        }
    }
}

/// Answers whoever works by hand, and may have stopped waiting.
pub fn tell(reply: &Reply<ManualAnswer>, answer: ManualAnswer) {
    let _ = reply.try_send(answer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::machine::Epoch;
    use crossbeam_channel::bounded;

    fn refused(n: u64) -> BmmAnswer {
        BmmAnswer::Refused { device: "panda-1".into(), epoch: Epoch(n) }
    }

    #[test]
    fn answers_keep_their_order_while_lifeguard_is_busy() {
        let (lifeguard, heard) = bounded(1);
        let mut answers = Answers::new(lifeguard, Arc::default());
        for n in 0..3 {
            answers.push(refused(n));
        }
        let mut got = Vec::new();
        while !answers.is_empty() {
            assert_eq!(answers.send(), Ok(()));
            got.extend(heard.try_iter());
        }
        assert_eq!(got, [refused(0), refused(1), refused(2)]);
        drop(heard);
        answers.push(refused(4));
        assert_eq!(answers.send(), Err(NobodyListens));
    }

    #[test]
    fn health_that_could_not_be_told_is_told_later() {
        let (lifeguard, heard) = bounded(ANSWERS_MAX * 2);
        let mut answers = Answers::new(lifeguard, Arc::default());
        answers.know_board("b:1");
        for n in 0..ANSWERS_MAX as u64 {
            answers.push(refused(n));
        }
        let fails = || -> power::Outcome {
            let settings = relayctl::Settings::new(std::time::Instant::now());
            let at = "127.0.0.1:1:bank1:relay1".parse().unwrap();
            Ok(Some(relayctl::run(&at, Action::Status, &settings)?))
        };
        answers.note_health("b:1".into(), &fails());
        assert_eq!(answers.waiting.len(), ANSWERS_MAX);
        answers.send().unwrap();
        answers.note_health("b:1".into(), &fails());
        answers.note_health("b:1".into(), &fails());
        answers.note_health("other:1".into(), &fails());
        answers.send().unwrap();
        let told: Vec<_> = heard.try_iter().skip(ANSWERS_MAX).collect();
        assert_eq!(told, [BmmAnswer::BoardHealth { board: "b:1".into(), healthy: false }]);
    }
}
