//! The pool's simulation on itself: it repeats itself, it finds what it is there to find, and time that the store takes is felt.

use super::*;
use crate::sim::Plant;
use crate::sim::tests::planted::no_unique_key;

const NONE: Latency = Latency { statement_us: 0, commit_us: 0, network_us: 0 };
const FAR: Latency = Latency { statement_us: 200, commit_us: 2_000, network_us: 2_000 };

fn settings(servers: usize, latency: Latency) -> Settings {
    Settings { servers, devices: 36, minutes: 7, per_minute: 3.0, use_s: 30.0, seed: 1, latency }
}

#[test]
fn a_pool_serves_requests_and_a_far_store_is_felt() {
    let [near, far] = [NONE, FAR].map(|latency| run(&settings(3, latency)).unwrap());
    for report in [&near, &far] {
        assert_eq!(report.violation, None, "{report}");
        assert!(report.carried > 1.0 && report.waiting == 0 && report.turned_away == 0, "{report}");
        assert!(report.ready_s[0].is_some(), "{report}");
    }
    assert_eq!((near.claim_ms[0], near.row_taken), (0, 0.0), "{near}");
    assert!(far.claim_ms[0] > 20 && far.row_taken > 0.0 && far.event_ms[0] > 10.0, "{far}");
    // Polls of servers that do nothing else cost their statements, and the more servers there are the more.
    let look = |report: &Report| report.verbs.iter().find(|(verb, ..)| *verb == "last_changes").map(|v| v.1);
    assert!(
        look(&far).is_some_and(|calls| (10.0..16.0).contains(&calls)),
        "three servers, five looks a second: {far}"
    );
    assert_eq!(far.busy.len(), 6, "{far}");
}

#[test]
fn servers_meet_at_the_same_board_and_one_gets_it() {
    // More requests than boards: whenever one becomes free, all servers want it.
    let slow = Latency { network_us: 20_000, ..FAR };
    let rush = Settings { devices: 9, per_minute: 9.0, minutes: 15, ..settings(3, slow) };
    let report = run(&rush).unwrap();
    assert_eq!(report.violation, None, "{report}");
    assert!(report.lost_claims > 0, "{report}");
    let nobody_looks = Plant { store: Some(no_unique_key), ..Plant::default() };
    let report = run_on(&rush, nobody_looks).unwrap();
    assert_eq!(report.violation.map(|v| v.rule), Some("at most one claim per device"));
}

#[test]
fn the_same_seed_prints_the_same_bytes() {
    let [one, again] = [(); 2].map(|()| run(&settings(2, FAR)).unwrap());
    assert_eq!(one.to_string(), again.to_string());
    assert_eq!(one.json(), again.json());
    let other = run(&Settings { seed: 2, ..settings(2, FAR) }).unwrap();
    assert_ne!(other.to_string(), one.to_string());
}
