//! What is said of searches in the requests' logs: what each came to and why, and nothing twice.
//!
//! Telling why needs to know where all boards stand, which costs as much as there are boards. So they are counted when
//! there is something to tell, and in a large pool not again before that has cost little compared with the time since.

use super::search::{ImageFacts, Search};
use super::*;
use crate::logic::mozpool::Census;

/// In a pool of so many boards they are counted in every batch that searches: it takes some hundred microseconds at most.
const COUNT_ALWAYS: usize = 32;
/// How long a count is good in a larger pool, per board. Reading one takes about two microseconds, so that counting takes
/// some thousandths of the time at most; of fifty thousand boards that is a count every 50 s, and the line says how old.
const GOOD_MS_PER_BOARD: i64 = 1;
/// In a pool of more boards, a search that finds one does not wait for a count, which costs more than the search itself: its request is
/// told of the sample that the board was drawn from.
const COUNT_FOR_FOUND: usize = 128;

/// The last count.
pub(super) struct Counted {
    at: Timestamp,
    census: Census,
}

/// What a search says.
#[derive(Clone)]
pub(super) struct Said {
    /// A sentence without its full stop.
    text: Arc<str>,
    /// When the boards that it tells of were counted, if it tells of more than it has looked at.
    counted: Option<Timestamp>,
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self { text: text.into(), counted: None }
    }
}

/// What a request's log says of its searches.
pub(super) struct Tried {
    text: Arc<str>,
    /// Looks that came to the same, the one that was logged included.
    looks: u32,
    /// Tries that were logged.
    lines: u32,
}

/// Tries that one request logs at most one after the other: all that it makes in the ten minutes that it waits unless it
/// says otherwise. Who waits for a day in a busy pool, where every look finds something else, then reads of every
/// [`LOOKS_PER_LINE`]th.
const LINES_IN_A_ROW: u32 = 60;
/// Ten minutes of looks.
const LOOKS_PER_LINE: u32 = 60;

impl Mozpool {
    /// What a search in vain has to say. Once per batch and wish.
    pub(super) fn tell_nothing(
        &mut self,
        wanted: &Wanted,
        facts: &ImageFacts,
        now: Timestamp,
        search: &mut Search,
    ) -> Result<Option<Said>, StoreError> {
        if let Some(said) = search.told.get(wanted) {
            return Ok(Some(said.clone()));
        }
        self.count(now)?;
        let Some(Counted { at, census }) = &self.counted else { return Ok(None) };
        let outcome = Came::Nothing { given: &search.taken };
        let said = Said { text: census.tell(wanted, &facts.hardware, outcome).into(), counted: Some(*at) };
        search.told.insert(wanted.clone(), said.clone());
        Ok(Some(said))
    }

    /// What a search has to say that found a board.
    pub(super) fn tell_found(
        &mut self,
        wanted: &Wanted,
        facts: &ImageFacts,
        outcome: Came<'_>,
        now: Timestamp,
    ) -> Result<Option<Said>, StoreError> {
        if self.pool_size.is_none() {
            // Reads one more than it is willing to: whether the pool is a large one.
            self.pool_size = Some(self.store.boards(COUNT_FOR_FOUND + 1)?.len());
        }
        if self.pool_size.is_none_or(|n| n > COUNT_FOR_FOUND) {
            return Ok(outcome.tell_alone().map(Said::from));
        }
        self.count(now)?;
        let Some(Counted { at, census }) = &self.counted else { return Ok(None) };
        let text = census.tell(wanted, &facts.hardware, outcome).into();
        Ok(Some(Said { text, counted: Some(*at) }))
    }

    /// Counts the boards, unless they were counted lately.
    fn count(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if let Some(Counted { at, census }) = &self.counted {
            let total = census.total();
            let good_ms = i64::try_from(total).unwrap_or(i64::MAX).saturating_mul(GOOD_MS_PER_BOARD);
            let age_ms = now.ms_since(*at);
            let fresh = if total <= COUNT_ALWAYS { self.counted_in_batch } else { age_ms < good_ms };
            if fresh && age_ms >= 0 {
                return Ok(());
            }
        }
        let census = Census::of(self.store.boards(usize::MAX)?);
        self.pool_size = Some(census.total());
        self.counted = Some(Counted { at: now, census });
        self.counted_in_batch = true;
        Ok(())
    }

    /// The lines for the log of a request whose search came to `said`; `state` is where that has led. Nothing when the log
    /// says so already.
    pub(super) fn log_try(
        &mut self,
        request: RequestId,
        said: &Said,
        state: State,
        now: Timestamp,
    ) -> Vec<String> {
        let goes_on = state == State::FindingDevice;
        let mut lines = Vec::new();
        let mut told = 0;
        if let Some(tried) = self.tries.get_mut(&request) {
            let same = tried.text == said.text;
            if same || goes_on && tried.lines >= LINES_IN_A_ROW && tried.looks < LOOKS_PER_LINE {
                tried.looks += 1;
                if !goes_on {
                    lines.push(format!("{} looks came to the same.", tried.looks));
                }
                return lines;
            }
            if tried.looks > 1 {
                let came = if tried.lines >= LINES_IN_A_ROW { "to much" } else { "to" };
                lines.push(format!("{} looks came {came} the same; now another.", tried.looks));
            }
            told = tried.lines;
        }
        let age_s = said.counted.map_or(0, |at| now.ms_since(at) / 1000);
        let age = if age_s > 0 { format!(" (boards counted {age_s} s ago)") } else { String::new() };
        let next = if goes_on { "; next look in 10 s, or when one becomes free" } else { "" };
        lines.push(format!("{}{age}{next}.", said.text));
        if goes_on {
            self.tries.insert(request, Tried { text: said.text.clone(), looks: 1, lines: told + 1 });
        }
        lines
    }
}
