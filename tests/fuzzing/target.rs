//! The program of one target: libFuzzer's, with the function that has this program's name.
#![no_main]

#[path = "targets.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// What this program runs.
static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = env!("CARGO_BIN_NAME");
    targets::TARGETS.iter().find(|target| target.name == name).expect("each program is a row of TARGETS").run
});

fuzz_target!(|data: &[u8]| TARGET(data));
