//! `mozpool simulate`, the built program: it keeps every rule, prints the same bytes for the same seed, and says what is wrong
//! with its arguments. Longer runs are in `docs/simulation.md`; planted bugs in `src/sim/tests/`.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use mozpool::sim::{KINDS, Settings, run};
use std::process::{Command, Output};

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    command.arg("simulate").args(args).env_remove("SIM_SEED").output().unwrap()
}

const SMALL: [&str; 8] = ["--devices", "8", "--days", "3", "--quiet-days", "1", "--requests", "6"];

#[test]
fn the_same_seed_gives_the_same_report_byte_for_byte() {
    let seed = |n| simulate(&[&SMALL[..], &["--seed", n]].concat());
    let (once, again, other) = (seed("7"), seed("7"), seed("8"));
    assert_eq!(once.status.code(), Some(0), "{}", String::from_utf8_lossy(&once.stdout));
    assert_eq!(once.stdout, again.stdout);
    assert_ne!(once.stdout, other.stdout);
    let text = String::from_utf8(once.stdout).unwrap();
    for part in ["seed 7", "violations           0", "time to ready      p50 "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(String::from_utf8_lossy(&once.stderr).contains("device-days per second"));
    let mut by_environment = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    let by_environment = by_environment.arg("simulate").args(SMALL).env("SIM_SEED", "7").output().unwrap();
    assert_eq!(String::from_utf8(by_environment.stdout).unwrap(), text, "as --seed 7");
}

#[test]
fn the_report_is_to_be_had_as_json() {
    let output = simulate(&["--devices", "4", "--days", "2", "--faults", "none", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["violation"], serde_json::Value::Null);
    assert_eq!((report["devices"].as_u64(), report["faults"].as_str()), (Some(4), Some("none")));
    assert!(report["decisions"].as_u64().unwrap() > 500, "{report}");
}

#[test]
fn a_pool_of_servers_says_what_it_carries() {
    let args =
        ["--servers", "2", "--devices", "16", "--minutes", "3", "--per-minute", "3", "--network-ms", "5"];
    let text = simulate(&args);
    assert_eq!(text.status.code(), Some(0), "{}", String::from_utf8_lossy(&text.stderr));
    let text = String::from_utf8(text.stdout).unwrap();
    for part in ["2 servers, 16 boards", "a minute", "lifeguard ", "violations           0"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let report: serde_json::Value =
        serde_json::from_slice(&simulate(&[&args[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!((report["servers"].as_u64(), report["network_us"].as_u64()), (Some(2), Some(5000)));
    assert!(report["busy"]["mozpool"]["mean"].as_f64().is_some_and(|share| share > 0.0), "{report}");
    // What is of the other simulation makes no sense here, and the other way round.
    for args in [&["--servers", "2", "--faults", "all"][..], &["--per-minute", "3"]] {
        assert_eq!(simulate(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_explained() {
    for (args, word) in [
        (["--faults", "gremlins"], "relays, boards"),
        (["--devices", "0"], "1..=8192"),
        (["--requests", "lots"], "for example 0.5"),
    ] {
        let output = simulate(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{args:?}: {output:?}");
    }
}

/// Every kind of fault alone, more often than anybody has seen it, and all of them together.
#[test]
fn every_rule_is_kept_under_every_kind_of_fault() {
    let alone = KINDS.iter().map(|kind| format!("{}=10", kind.name));
    for (seed, faults) in (100..).zip(alone.chain(["all=2".to_owned()])) {
        let faults = faults.parse().unwrap();
        let settings = Settings { devices: 8, days: 3, quiet_days: 1, seed, faults, requests_per_day: 6.0 };
        let report = run(&settings).unwrap();
        assert_eq!(report.violation, None, "{report}");
        assert!(report.stats.ready() > 20, "{report}");
    }
}
