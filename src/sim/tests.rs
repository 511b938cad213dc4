//! The simulator on itself.

use super::*;

fn settings(seed: u64, faults: &str) -> Settings {
    let faults = faults.parse().unwrap();
    Settings { devices: 40, days: 4, quiet_days: 2, seed, faults, requests_per_day: 2.0 }
}

#[test]
fn a_sound_lab_serves_every_request() {
    let report = run(&settings(1, "none")).unwrap();
    assert_eq!(report.violation, None, "{report}");
}

#[test]
fn a_bad_lab_keeps_every_rule() {
    let report = run(&settings(1, "all")).unwrap();
    assert_eq!(report.violation, None, "{report}");
}
