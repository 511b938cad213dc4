//! What fuzzers have found worth keeping, replayed and spoiled at random: the short form of `tests/fuzzing`, for every run.
//!
//! The seed is printed; `MOZPOOL_TEST_SEED=…` replays it, and `MOZPOOL_TEST_INPUTS=…` makes more inputs for whoever has more time.

#[path = "support/dice.rs"]
#[allow(dead_code, unreachable_pub, reason = "it is every test file's")]
mod dice;
#[path = "fuzzing/targets.rs"]
mod targets;

use dice::Dice;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use targets::{TARGETS, Target};

/// Spoiled inputs for each target: a second or two.
const USUAL_INPUTS: u64 = 4000;
/// The longest input made here. What is longer the corpora have.
const LONGEST: usize = 4096;
/// One input that takes so long is one without end.
const PATIENCE: Duration = Duration::from_secs(60);

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzing/corpora")
}

/// The kept inputs of a target, by name.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpora().join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut kept: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            (path.display().to_string(), std::fs::read(&path).expect("a kept input can be read"))
        })
        .collect();
    kept.sort();
    kept
}

/// A place up to and with the end of something.
fn place(dice: &mut Dice, len: usize) -> usize {
    usize::try_from(dice.below(len as u64 + 1)).expect("a length")
}

/// A kept input with a few things done to it that a broken or evil sender would do.
fn spoiled(dice: &mut Dice, kept: &[(String, Vec<u8>)]) -> Vec<u8> {
    const ODD: [u8; 12] = [0, b'\n', b'%', b'/', b'.', b'"', b'=', b'<', 0x7f, 0x80, 0xc3, 0xff];
    let mut bytes = dice.pick(kept).map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    for _ in 0..=dice.below(4) {
        let at = place(dice, bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, *dice.pick(&ODD).expect("there are some")),
            2 => bytes.insert(at, u8::try_from(dice.below(256)).expect("a byte")),
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            4 => {
                // A piece twice, or many times.
                let piece = bytes[..at].to_vec();
                (0..=dice.below(3)).for_each(|_| bytes.extend_from_slice(&piece));
            }
            _ => {
                let other = dice.pick(kept).map(|(_, other)| other.clone()).unwrap_or_default();
                let from = place(dice, other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

#[test]
fn what_was_kept_and_what_is_made_of_it_at_random() {
    let seed = number("MOZPOOL_TEST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        u64::try_from(now.as_micros()).expect("not for a while")
    });
    println!("replay with MOZPOOL_TEST_SEED={seed}");
    let inputs = number("MOZPOOL_TEST_INPUTS").unwrap_or(USUAL_INPUTS);
    for target in TARGETS {
        // The input under way is told before it is tried, so that one without end is known.
        let (tell, told) = channel();
        let work = std::thread::spawn(move || {
            let kept = kept(target);
            assert!(!kept.is_empty(), "{} has a corpus", target.name);
            for (name, bytes) in &kept {
                let _ = tell.send(name.clone());
                (target.run)(bytes);
            }
            let mut dice = Dice(seed);
            for _ in 0..inputs {
                let bytes = spoiled(&mut dice, &kept);
                let _ = tell.send(format!("{}", bytes.escape_ascii()));
                (target.run)(&bytes);
            }
        });
        let mut last = String::new();
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(input) => last = input,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("{}: no end of {last}", target.name)
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        assert!(work.join().is_ok(), "{} failed with {last}", target.name);
    }
}

#[test]
fn every_target_is_a_program_and_has_a_corpus() {
    let manifest = include_str!("fuzzing/Cargo.toml");
    let programs: Vec<&str> =
        manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|b| b.split('"').next()).collect();
    assert_eq!(programs, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
    let folders = std::fs::read_dir(corpora()).expect("there are corpora");
    for folder in folders {
        let name = folder.expect("the folder can be read").file_name();
        assert!(TARGETS.iter().any(|target| *target.name == *name), "{} is no target's", name.display());
    }
}
