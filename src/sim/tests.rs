//! The simulator on itself: it repeats itself, sound programs keep every rule, and bugs of the kind that people make are found.

pub(super) mod planted;

use super::*;

pub(super) fn settings(seed: u64, faults: &str) -> Settings {
    let faults = faults.parse().unwrap();
    Settings { devices: 12, days: 3, quiet_days: 1, seed, faults, requests_per_day: 6.0 }
}

#[test]
fn a_sound_lab_serves_every_request() {
    let settings = Settings { requests_per_day: 2.0, ..settings(1, "none") };
    let report = run(&settings).unwrap();
    assert_eq!(report.violation, None, "{report}");
    assert!(report.stats.asked > 20, "{report}");
    assert_eq!(u64::try_from(report.stats.ready()).unwrap(), report.stats.asked, "{report}");
    assert_eq!((report.stats.failed_cycles, report.stats.other_board), (0, 0), "{report}");
}

#[test]
fn a_bad_lab_keeps_every_rule() {
    for (seed, faults) in
        [(1, "all"), (2, "all=3"), (3, "crash=20"), (4, "messages=10,store=10"), (5, "clock=20,relays=10")]
    {
        let report = run(&settings(seed, faults)).unwrap();
        assert_eq!(report.violation, None, "{report}");
        assert!(report.stats.ready() > 50, "{report}");
    }
}

#[test]
fn the_same_seed_prints_the_same_bytes() {
    let twice = [(); 2].map(|()| run(&settings(9, "all=2")).unwrap());
    assert_eq!(twice[0].to_string(), twice[1].to_string());
    assert_eq!(twice[0].json(), twice[1].json());
    assert_ne!(run(&settings(10, "all=2")).unwrap().to_string(), twice[0].to_string());
}
