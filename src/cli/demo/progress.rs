//! What the demo has seen so far, and what that amounts to.
//!
//! Pure: snapshots of the API, the boards' own stories and the time go in; news and in the end a summary come out.

use crate::fakes::notes::Story;
use std::collections::{BTreeMap, HashMap};

/// A device as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceNow {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) request: Option<i64>,
}

/// A request as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestNow {
    pub(super) id: i64,
    pub(super) state: String,
    /// Empty while it looks for one.
    pub(super) device: String,
}

/// Both lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    pub(super) devices: Vec<DeviceNow>,
    pub(super) requests: Vec<RequestNow>,
}

/// How a board does, in one of three colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Busy,
    Bad,
}

/// One board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    /// The state's name; empty before the first look.
    pub(super) state: String,
    /// When it was first seen in it.
    pub(super) since_ms: u64,
    pub(super) request: Option<i64>,
    /// What went wrong since it was last well.
    pub(super) troubles: Vec<String>,
    /// How often it was sent to boot over the network since it was last well.
    pub(super) tries: u32,
    /// It was seen well, or given up, once.
    came_through: bool,
    /// Mishaps that were known at the last look.
    mishaps: u32,
}

impl Row {
    pub(super) fn mood(&self) -> Mood {
        match self.state.as_str() {
            "ready" => Mood::Good,
            state if state.starts_with("failed_") => Mood::Bad,
            _ => Mood::Busy,
        }
    }

    /// The state in plain words.
    pub(super) fn words(&self) -> String {
        let plain = match self.state.as_str() {
            "" => "not looked at yet",
            "new" => "new",
            "ready" if self.request.is_some() => "ready",
            "ready" => "free",
            "pxe_power_cycling" | "pc_power_cycling" | "image_ping_power_cycle" => "power cycle",
            "pxe_booting" => "boots over the network",
            "mobile_init_started" => "live system is up",
            "image_downloading" => "downloads the image",
            "image_extracting" => "writes the image",
            "image_pinging" => "new system is to come up",
            "pc_rebooting" | "pc_pinging" => "reboots",
            "self_test_running" => "tests itself",
            "maintenance_mode" => "waits for somebody to log in",
            "locked_out" => "locked out",
            other => match other.strip_prefix("failed_") {
                Some(what) => return format!("given up: {}", what.replace('_', " ")),
                None => return other.replace('_', " "),
            },
        };
        plain.to_owned()
    }
}

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) board: String,
    pub(super) words: String,
    pub(super) mood: Mood,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tracked {
    asked_ms: u64,
    state: String,
    ended_ms: Option<u64>,
}

/// What came of it all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Summary {
    pub(super) boards: usize,
    /// Requests that were made.
    pub(super) asked: usize,
    /// Requests that got their board.
    pub(super) ready: usize,
    /// Why others did not.
    pub(super) failed: Vec<String>,
    /// Milliseconds from asking to ready: the middle one and the longest.
    pub(super) to_ready_ms: Option<(u64, u64)>,
    pub(super) took_ms: u64,
    /// Mishaps by kind, the most frequent first.
    pub(super) mishaps: Vec<(String, u32)>,
    /// Mishaps that the board got over.
    pub(super) healed: u32,
    /// What relay boards were told to fail.
    pub(super) hiccups: u32,
    /// Boards that are given up, with the words of their state.
    pub(super) given_up: Vec<String>,
}

/// All boards and all requests.
#[derive(Debug)]
pub(super) struct Progress {
    rows: Vec<Row>,
    /// How many requests are made in all.
    wanted: usize,
    by_name: HashMap<String, usize>,
    requests: BTreeMap<i64, Tracked>,
    healed: u32,
    claimed_twice: Option<String>,
}

/// The states in which a request works; in every other it has come to its end, `ready` among them.
const WORKING: [&str; 5] = ["new", "finding_device", "contact_lifeguard", "contacting_lifeguard", "pending"];
/// Every boot over the network goes through this state, and stays in it for longer than is between two looks.
const BOOTING: &str = "pxe_booting";
/// The failed states that a board does not leave by itself.
const FOR_A_PERSON: [&str; 4] =
    ["failed_power_cycling", "failed_pxe_booting", "failed_mobile_init_started", "failed_self_test"];

impl Progress {
    /// Only so many are asked for; the others are left to whoever looks on.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>, requests: usize) -> Self {
        let rows: Vec<Row> = names
            .map(|name| Row {
                name: name.to_owned(),
                state: String::new(),
                since_ms: 0,
                request: None,
                troubles: Vec::new(),
                tries: 0,
                came_through: false,
                mishaps: 0,
            })
            .collect();
        let by_name = rows.iter().enumerate().map(|(i, r)| (r.name.clone(), i)).collect();
        let wanted = requests.min(rows.len());
        Self { rows, wanted, by_name, requests: BTreeMap::new(), healed: 0, claimed_twice: None }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Takes in how things stand; `stories` are the boards' own, in order.
    pub(super) fn update(&mut self, snapshot: &Snapshot, stories: &[Story], now_ms: u64) -> Vec<News> {
        let mut news = Vec::new();
        for (row, story) in self.rows.iter_mut().zip(stories) {
            let mishaps = story.mishap_count();
            if mishaps > row.mishaps {
                row.mishaps = mishaps;
                let words = story.last.map_or_else(|| "mishap".to_owned(), |m| m.to_string());
                row.troubles.push(words.clone());
                news.push(News { board: row.name.clone(), words, mood: Mood::Bad });
            }
        }
        for device in &snapshot.devices {
            let Some(&i) = self.by_name.get(&device.name) else { continue };
            let row = &mut self.rows[i];
            let changed = (&row.state, row.request) != (&device.state, device.request);
            row.request = device.request;
            if row.state != device.state {
                row.state.clone_from(&device.state);
                row.since_ms = now_ms;
                match (row.mood(), row.state.as_str()) {
                    (Mood::Good, _) => row.tries = 0,
                    (_, BOOTING) => row.tries += 1,
                    _ => {}
                }
            }
            if changed {
                let mut words = row.words();
                if row.mood() == Mood::Good && !row.troubles.is_empty() {
                    let over = std::mem::take(&mut row.troubles);
                    self.healed += u32::try_from(over.len()).unwrap_or(u32::MAX);
                    words = format!("{words}, healed after: {}", over.join(", "));
                }
                news.push(News { board: row.name.clone(), words, mood: row.mood() });
            }
            row.came_through |= row.mood() != Mood::Busy;
        }
        for request in &snapshot.requests {
            if let Some(tracked) = self.requests.get_mut(&request.id)
                && tracked.ended_ms.is_none()
            {
                tracked.state.clone_from(&request.state);
                tracked.ended_ms = (!WORKING.contains(&request.state.as_str())).then_some(now_ms);
            }
        }
        self.claimed_twice = self.claimed_twice.take().or_else(|| two_owners(snapshot));
        news
    }

    /// How many requests are to be made now.
    pub(super) fn requests_due(&self) -> usize {
        let fit = self.rows.iter().filter(|r| r.came_through).count();
        fit.min(self.wanted).saturating_sub(self.requests.len())
    }

    /// A request was made.
    pub(super) fn asked(&mut self, id: i64, now_ms: u64) {
        self.requests.insert(id, Tracked { asked_ms: now_ms, state: "new".into(), ended_ms: None });
    }

    pub(super) fn all_requests_ended(&self) -> bool {
        let all = self.requests.len() == self.wanted && self.requests.values().all(|r| r.ended_ms.is_some());
        // Boards that nobody asks for have at least been tested.
        all && self.rows.iter().all(|r| r.came_through)
    }

    /// No board is on its way anywhere.
    pub(super) fn all_at_rest(&self) -> bool {
        self.rows.iter().all(|r| r.mood() == Mood::Good || FOR_A_PERSON.contains(&r.state.as_str()))
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = i64> {
        self.requests.keys().copied()
    }

    /// Requests that ended without a board, with their states.
    pub(super) fn failed_requests(&self) -> impl Iterator<Item = (i64, &str)> {
        self.requests
            .iter()
            .filter(|(_, r)| r.ended_ms.is_some() && r.state != "ready")
            .map(|(id, r)| (*id, r.state.as_str()))
    }

    /// The first proof that a board had two owners at once.
    pub(super) fn claimed_twice(&self) -> Option<&str> {
        self.claimed_twice.as_deref()
    }

    /// What is not done, for the one who waited in vain.
    pub(super) fn unfinished(&self) -> String {
        let mut parts: Vec<String> = self
            .requests
            .iter()
            .filter(|(_, r)| r.ended_ms.is_none())
            .map(|(id, r)| format!("request {id} is {}", r.state))
            .collect();
        let busy = self.rows.iter().filter(|r| r.mood() == Mood::Busy);
        parts.extend(busy.map(|r| format!("{} is {}", r.name, r.state)));
        parts.truncate(20);
        parts.join(", ")
    }

    /// `failed`: why requests failed.
    pub(super) fn summary(&self, stories: &[Story], now_ms: u64, failed: Vec<String>) -> Summary {
        let ready = self.requests.values().filter(|r| r.state == "ready");
        let mut times: Vec<u64> =
            ready.filter_map(|r| r.ended_ms.map(|e| e.saturating_sub(r.asked_ms))).collect();
        times.sort_unstable();
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        for (mishap, n) in stories.iter().flat_map(|s| &s.mishaps) {
            *kinds.entry(mishap.to_string()).or_default() += n;
        }
        let mut mishaps: Vec<(String, u32)> = kinds.into_iter().collect();
        mishaps.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let given_up = self.rows.iter().filter(|r| r.mood() == Mood::Bad);
        Summary {
            boards: self.rows.len(),
            asked: self.wanted,
            ready: times.len(),
            failed,
            to_ready_ms: times.last().map(|longest| (times[(times.len() - 1) / 2], *longest)),
            took_ms: now_ms,
            mishaps,
            healed: self.healed,
            hiccups: stories.iter().map(|s| s.hiccups).sum(),
            given_up: given_up.map(|r| format!("{} {}", r.name, r.words())).collect(),
        }
    }
}

/// Looks for a board that two open requests have. Each list is one look of the daemon at its store, so it must be right in itself.
fn two_owners(snapshot: &Snapshot) -> Option<String> {
    let mut owner: HashMap<&str, i64> = HashMap::new();
    for request in snapshot.requests.iter().filter(|r| !r.device.is_empty()) {
        if let Some(other) = owner.insert(&request.device, request.id) {
            return Some(format!("{} had requests {other} and {}", request.device, request.id));
        }
    }
    let mut held: HashMap<i64, &str> = HashMap::new();
    for device in &snapshot.devices {
        if let Some(other) = device.request.and_then(|id| held.insert(id, &device.name)) {
            return Some(format!("request {} had {other} and {}", device.request.unwrap_or(0), device.name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::Mishap;

    fn devices(states: &[(&str, Option<i64>)]) -> Vec<DeviceNow> {
        let name = |i| format!("b{i}");
        let now = |(i, (state, request)): (usize, &(&str, Option<i64>))| DeviceNow {
            name: name(i),
            state: (*state).into(),
            request: *request,
        };
        states.iter().enumerate().map(now).collect()
    }

    fn request(id: i64, state: &str, device: &str) -> RequestNow {
        RequestNow { id, state: state.into(), device: device.into() }
    }

    fn story(mishaps: &[(Mishap, u32)]) -> Story {
        Story {
            mishaps: mishaps.iter().copied().collect(),
            last: mishaps.last().map(|m| m.0),
            ..Story::default()
        }
    }

    #[test]
    fn a_request_is_due_for_each_board_that_came_through() {
        let mut progress = Progress::new(["b0", "b1", "b2"].into_iter(), usize::MAX);
        let sound = vec![Story::default(); 3];
        assert_eq!(progress.requests_due(), 0);
        let states = [("ready", None), ("failed_pxe_booting", None), ("pxe_booting", None)];
        let snapshot = Snapshot { devices: devices(&states), requests: vec![] };
        assert_eq!(progress.update(&snapshot, &sound, 10).len(), 3);
        assert_eq!(progress.update(&snapshot, &sound, 20), [], "nothing is new");
        assert_eq!(progress.requests_due(), 2);
        progress.asked(1, 20);
        progress.asked(2, 20);
        // A board that came through once does not count again.
        let states = [("pxe_booting", Some(1)), ("failed_pxe_booting", None), ("ready", None)];
        progress.update(&Snapshot { devices: devices(&states), requests: vec![] }, &sound, 30);
        assert_eq!(progress.requests_due(), 1);
        assert!(!progress.all_requests_ended(), "one has not even been made");
    }

    #[test]
    fn no_more_are_asked_for_than_wanted() {
        let mut progress = Progress::new(["b0", "b1"].into_iter(), 1);
        let at = |b1: &str| Snapshot { devices: devices(&[("ready", None), (b1, None)]), requests: vec![] };
        progress.update(&at("pxe_booting"), &[Story::default(), Story::default()], 0);
        assert_eq!(progress.requests_due(), 1);
        progress.asked(1, 0);
        let request = RequestNow { id: 1, state: "ready".into(), device: "b0".into() };
        progress.update(
            &Snapshot { requests: vec![request], ..at("pxe_booting") },
            &[Story::default(), Story::default()],
            1,
        );
        assert_eq!(progress.requests_due(), 0);
        assert!(!progress.all_requests_ended(), "a board is still in its first test");
        progress.update(&at("ready"), &[Story::default(), Story::default()], 2);
        assert_eq!(progress.requests_due(), 0);
        assert!(progress.all_requests_ended());
    }

    #[test]
    fn what_went_wrong_is_told_and_so_is_that_it_healed() {
        let mut progress = Progress::new(["b0"].into_iter(), usize::MAX);
        let at = |state: &str| Snapshot { devices: devices(&[(state, None)]), requests: vec![] };
        progress.update(&at("pxe_booting"), &[Story::default()], 0);
        let hung = [story(&[(Mishap::FirmwareHangs, 1)])];
        let news = progress.update(&at("pxe_booting"), &hung, 1);
        assert_eq!(news.iter().map(|n| n.words.as_str()).collect::<Vec<_>>(), ["firmware hung"]);
        assert_eq!(progress.rows()[0].troubles, ["firmware hung"]);
        let news = progress.update(&at("ready"), &hung, 2);
        assert_eq!(news[0].words, "free, healed after: firmware hung");
        let summary = progress.summary(&hung, 2, vec![]);
        assert_eq!((summary.healed, summary.mishaps), (1, vec![("firmware hung".into(), 1)]));
    }

    #[test]
    fn the_summary_counts_times_and_reasons() {
        let mut progress = Progress::new(["b0", "b1", "b2", "b3"].into_iter(), usize::MAX);
        let sound = vec![Story::default(); 4];
        for id in 1..=4 {
            progress.asked(id, 1000);
        }
        let look = |progress: &mut Progress, requests: Vec<RequestNow>, now| {
            progress.update(&Snapshot { devices: devices(&[("ready", None); 4]), requests }, &sound, now)
        };
        look(&mut progress, vec![request(1, "ready", "b0"), request(2, "pending", "b1")], 3000);
        look(&mut progress, vec![request(1, "ready", "b0"), request(2, "ready", "b1")], 4000);
        assert!(!progress.all_requests_ended());
        assert!(progress.unfinished().contains("request 3 is new"), "{}", progress.unfinished());
        look(&mut progress, vec![request(3, "ready", "b2"), request(4, "failed_bad_image", "")], 9000);
        assert!(progress.all_requests_ended());
        assert_eq!(progress.failed_requests().collect::<Vec<_>>(), [(4, "failed_bad_image")]);
        let summary = progress.summary(&sound, 9000, vec!["why".into()]);
        assert_eq!((summary.ready, summary.to_ready_ms), (3, Some((3000, 8000))));
        assert_eq!(progress.claimed_twice(), None);
    }

    #[test]
    fn a_board_with_two_owners_is_found() {
        for snapshot in [
            Snapshot {
                devices: vec![],
                requests: vec![request(1, "ready", "b0"), request(2, "pending", "b0")],
            },
            Snapshot { devices: devices(&[("ready", Some(7)), ("ready", Some(7))]), requests: vec![] },
        ] {
            let mut progress = Progress::new(["b0", "b1"].into_iter(), usize::MAX);
            progress.update(&snapshot, &[Story::default(), Story::default()], 0);
            assert!(progress.claimed_twice().is_some(), "{snapshot:?}");
            // Once seen it stays known.
            progress.update(&Snapshot::default(), &[Story::default(), Story::default()], 1);
            assert!(progress.claimed_twice().is_some());
        }
        let waiting = Snapshot {
            devices: devices(&[("ready", None), ("ready", None)]),
            requests: vec![request(1, "new", ""), request(2, "new", "")],
        };
        assert_eq!(two_owners(&waiting), None);
    }

    #[test]
    fn boards_are_at_rest_when_nothing_happens_by_itself() {
        let mut progress = Progress::new(["b0", "b1"].into_iter(), usize::MAX);
        let sound = vec![Story::default(); 2];
        for (state, rest) in
            [("ready", true), ("failed_self_test", true), ("failed_image", false), ("pxe_booting", false)]
        {
            let states = devices(&[("ready", None), (state, None)]);
            progress.update(&Snapshot { devices: states, requests: vec![] }, &sound, 0);
            assert_eq!(progress.all_at_rest(), rest, "{state}");
        }
    }
}
