//! The built daemon under load, killed with SIGKILL again and again: what it acknowledged stays true, nothing is claimed twice,
//! every machine goes on, no board is left without power, and a client that follows all changes hears of each of them once.
//!
//! The seed is printed; `MOZPOOL_TEST_SEED=…` draws the same delays and the same calls again (which of them a kill meets is
//! the machine's to say). Eight kills; `MOZPOOL_TEST_KILLS=2000 cargo test --release --test crash -- --nocapture` runs for
//! forty minutes. A kill is not a power cut: what the kernel had in memory survives it, so this says nothing about the disk.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod support;

#[path = "crash/follower.rs"]
mod follower;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/world.rs"]
mod world;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use follower::Heard;
use ledger::{Ledger, Look};
use load::Client;
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::dice::Dice;
use support::{Daemon, wait_at_most, wait_for};
use world::{BENCH_FILE, World};

const SEED: &str = "MOZPOOL_TEST_SEED";
const KILLS: &str = "MOZPOOL_TEST_KILLS";
const USUAL_KILLS: u64 = 8;
/// A daemon lives so long at most. Boards need about five seconds for an installation, so kills fall into all of its steps.
const LIFE_MS: u64 = 2000;
/// One start in so many is killed before it is up, within so many milliseconds.
const STILLBORN: u64 = 4;
const STILLBORN_MS: u64 = 150;
const CLIENTS: u64 = 4;
/// How long everything may take to come to rest. What a crash loses is asked for again when a time limit passes; the longest of
/// them is the minute after which a request looks for its result itself, and then the board may have failed and it needs another.
const SETTLE: Duration = Duration::from_secs(90);

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Lets the load go on for a while; a client that was told something impossible ends the test.
fn live(time: Duration, alarms: &Receiver<String>) {
    match alarms.recv_timeout(time) {
        Err(RecvTimeoutError::Timeout) => {}
        Ok(what) => panic!("{what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("all clients have ended"),
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let seed = from_environment(SEED).unwrap_or_else(now_us);
    let kills = from_environment(KILLS).unwrap_or(USUAL_KILLS);
    println!("{kills} kills; replay with {SEED}={seed}");
    let mut dice = Dice(seed);
    let mut world = World::new(seed);
    let daemon = world.start();
    let bench = Bench::boot(&daemon);
    let boards: Vec<String> = world.rack.boards().map(|(name, _)| name.to_owned()).collect();
    let ledger = Mutex::new(Ledger::default());
    let heard = Mutex::new(Heard::default());

    let daemon = std::thread::scope(|scope| {
        let mut daemon = daemon;
        let (alarm, alarms) = bounded(16);
        // Dropped at the end or by a panic: either way all clients end.
        let (stop_tx, stop) = bounded::<()>(0);
        let (http, tftp, wanted) = (daemon.http, daemon.tftp, bench.config.clone());
        let client = |number| Client {
            name: format!("client-{number}"),
            dice: Dice(seed ^ ((number + 1) << 32)),
            http,
            boards: &boards,
            ledger: &ledger,
            alarm: alarm.clone(),
            agent: load::agent(),
            open: Vec::new(),
            calls: 0,
        };
        for number in 0..CLIENTS {
            let (client, stop) = (client(number), stop.clone());
            scope.spawn(move || client.run(&stop));
        }
        // Three of four kills follow an acknowledgement at once.
        let mut killer = client(CLIENTS);
        let alarm = alarm.clone();
        let (heard, cry, ends) = (&heard, alarm.clone(), stop.clone());
        scope.spawn(move || follower::follow(http, heard, &cry, &ends));
        scope.spawn(move || load::boot_loader(tftp, BENCH_FILE, &wanted, &alarm, &stop));

        // Boards are at rest now, and accept much that they hardly do later.
        wait_for("a first event to be accepted", || {
            killer.last_words();
            (!ledger.lock().unwrap().events.is_empty()).then_some(())
        });
        let mut checked_events = 0;
        for kill in 1..=kills {
            live(Duration::from_millis(dice.below(LIFE_MS)), &alarms);
            if dice.below(4) > 0 {
                killer.last_words();
            }
            daemon.kill();
            let store = world.copy_of_store();
            ledger::is_sound(&store);
            ledger::reports_agree(&store);
            let look = Look::into(&store);
            look.nothing_is_claimed_twice();
            look.both_sides_agree();
            let mut promised = ledger.lock().unwrap().clone();
            // Clients may have heard of more in the meantime, but not from a dead daemon.
            promised.holds_in(&look, &format!("dead after kill {kill}"));
            if dice.below(STILLBORN) == 0 {
                let mut child = world.start_blindly();
                live(Duration::from_millis(dice.below(STILLBORN_MS)), &alarms);
                child.kill().unwrap();
                child.wait().unwrap();
            }
            daemon = world.start();
            bench.is_as_it_was(&daemon);
            let look = Look::through(&daemon);
            look.nothing_is_claimed_twice();
            promised.allow_returns_of(&ledger.lock().unwrap());
            promised.holds_in(&look, &format!("restarted after kill {kill}"));
            promised.events_are_in(checked_events, |device| ledger::log_through(&daemon, device));
            checked_events = promised.events.len();
        }
        live(Duration::from_millis(LIFE_MS), &alarms);
        drop(stop_tx);
        daemon
    });

    let ledger = ledger.into_inner().unwrap();
    let begun = Instant::now();
    wait_at_most(SETTLE, "everything to come to rest", || {
        let look = Look::through(&daemon);
        look.nothing_is_claimed_twice();
        look.at_rest(&["bench"]).then_some(())
    });
    let settled = begun.elapsed();
    bench.finishes(&world, &daemon);
    assert_eq!(world.without_power(), Vec::<String>::new(), "boards without power");
    let mut heard = heard.into_inner().unwrap();
    heard.catch_up(&daemon);

    daemon.kill();
    let store = world.copy_of_store();
    ledger::is_sound(&store);
    ledger::reports_agree(&store);
    let look = Look::into(&store);
    look.nothing_is_claimed_twice();
    look.both_sides_agree();
    heard.agrees_with(&store, &look);
    ledger.holds_in(&look, "at the end");
    ledger.events_are_in(0, |device| ledger::log_in(&store, device));

    println!("{} changes told once each, over {} cuts", heard.count(), heard.cuts);
    println!("slowest start {:?}; at rest after {settled:?}", world.slowest_start);
    was_busy(&ledger, &look, &world);
}

/// A load that did nothing would prove nothing.
#[expect(clippy::print_stdout, reason = "a test's own output")]
fn was_busy(ledger: &Ledger, look: &Look, world: &World) {
    let ready = look.requests.values().filter(|r| r.state == "ready").count();
    let installed = world.rack.boards().filter(|(_, notes)| notes.read().installed > 0).count();
    for (what, n) in [
        ("requests acknowledged", ledger.requests.len()),
        ("renewals acknowledged", ledger.renewals),
        ("returns acknowledged", ledger.returns),
        ("events acknowledged", ledger.events.len()),
        ("boards installed", installed),
        ("requests ready at the end", ready),
    ] {
        println!("{n} {what}");
        assert!(n > 0, "no {what} in the whole run");
    }
}

/// A board whose boot loader was given its config before the first kill, and whose request waits for it through all of them.
struct Bench {
    request: i64,
    config: String,
}

impl Bench {
    fn boot(daemon: &Daemon) -> Self {
        let body = json!({"assignee": "bench", "duration": 86400, "image": "bench", "url": "http://x/image"});
        let request = daemon.post("device/bench/request", body)["request"]["id"].as_i64().unwrap();
        wait_for("the bench board to boot", || {
            (daemon.get("device/bench/state")["state"] == "pxe_booting").then_some(())
        });
        let config = daemon.fetch(BENCH_FILE).unwrap();
        Self { request, config }
    }

    /// Right after a start.
    fn is_as_it_was(&self, daemon: &Daemon) {
        assert_eq!(daemon.fetch(BENCH_FILE).unwrap(), self.config);
        assert_eq!(daemon.get("device/bench/state")["state"], "pxe_booting");
        let request = daemon.get(&format!("request/{}/details", self.request));
        assert_eq!((&request["state"], &request["assigned_device"]), (&json!("pending"), &json!("bench")));
        // The machine remembers whose it is, not only the list.
        let answer = daemon.post("device/bench/event/please_offline", json!({}));
        assert_eq!(answer["accepted"], false, "{answer}");
    }

    /// The board goes on booting, and its request is served.
    fn finishes(&self, world: &World, daemon: &Daemon) {
        let _system = world.bench_system();
        for event in ["mobile_init_started", "image_downloading", "image_extracting", "image_rebooting"] {
            let answer = daemon.post(&format!("device/bench/event/{event}"), json!({}));
            assert_eq!(answer["accepted"], true, "{event}: {answer}");
        }
        daemon.wait_for_request(self.request, "ready");
    }
}
