//! A pool of three servers on a cluster of three database nodes, under load, in which one thing after the other fails: servers and
//! nodes are killed with SIGKILL and cut off from the rest. No board is ever somebody's twice, nothing that was acknowledged is lost,
//! the healthy part goes on, and all come back by themselves.
//!
//! What holds is asked from outside: clients note what they are told, and hold it against the API of each server, the rows of
//! each node, and the power of the emulated boards. Each server and each node is on a machine of its own, a network
//! namespace, so cutting one off is what a pulled cable is.
//!
//! The seed is printed; `MOZPOOL_TEST_SEED=…` draws the same faults again. One of each kind;
//! `MOZPOOL_TEST_FAULTS=50 MOZPOOL_TEST_BOARDS=240 cargo test --release --test faults -- --nocapture` is what docs/pool.md tells of.
//! Times are printed against the goals; only six times the goals fail the test.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]
#![expect(clippy::print_stdout, reason = "a test's own output")]

#[path = "support/mariadb.rs"]
mod mariadb;
mod support;

#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/figures.rs"]
mod figures;
#[path = "faults/follower.rs"]
mod follower;
#[path = "faults/ledger.rs"]
mod ledger;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/world.rs"]
mod world;

use crossbeam_channel::{Receiver, bounded};
use fault::{Fault, Kind};
use figures::{Cost, Figures, GENEROUS};
use follower::Heard;
use ledger::Ledger;
use load::{Client, Served, Town};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::dice::Dice;
use world::{SERVERS, World, get, name};

const SEED: &str = "MOZPOOL_TEST_SEED";
const FAULTS: &str = "MOZPOOL_TEST_FAULTS";
const BOARDS: &str = "MOZPOOL_TEST_BOARDS";
const USUAL_FAULTS: u64 = 4;
const USUAL_BOARDS: u64 = 36;
/// A client per so many boards at each server; a probe's board is busy for some six seconds, so their pause hangs on how many there are.
const BOARDS_PER_CLIENT: u64 = 6;
/// How long a fault lasts, and in the short run.
const LASTING_MS: Range<u64> = 9000..18_000;
const SHORT_MS: Range<u64> = 5000..9000;
/// Between two boards of a probe.
const PROBE_EVERY_MS: u64 = 1500;
/// How long everything may take to come to rest. The longest wait by design is the minute after which a request looks itself.
const SETTLE: Duration = Duration::from_secs(180);
/// Between two looks at whether everything is back.
const LOOK: Duration = Duration::from_millis(250);

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

/// Says what is wrong, with what the servers said last, and ends the test.
fn fail(world: &mut World, what: &str) -> ! {
    for server in 0..SERVERS {
        println!("== {} said last\n{}", name(server), world.last_words(server, 40));
    }
    println!("everything is kept in {}", world.keep().display());
    panic!("{what}");
}

/// Ends the test with what is wrong.
fn check<T>(world: &mut World, when: &str, result: Result<T, String>) -> T {
    match result {
        Ok(value) => value,
        Err(what) => fail(world, &format!("{when}: {what}")),
    }
}

/// Lets the load go on for a while.
fn live(world: &mut World, time: Duration, alarms: &Receiver<String>) {
    if let Ok(what) = alarms.recv_timeout(time) {
        fail(world, &what);
    }
    if let Some(what) = world.ended() {
        fail(world, &what);
    }
}

#[test]
fn a_pool_outlives_its_servers_its_database_and_its_network() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = from_environment(SEED).unwrap_or(now.as_secs());
    let (faults, boards) =
        (from_environment(FAULTS).unwrap_or(USUAL_FAULTS), from_environment(BOARDS).unwrap_or(USUAL_BOARDS));
    println!("{faults} faults, {boards} boards; replay with {SEED}={seed}");
    let mut world = World::start(u16::try_from(boards).unwrap(), seed);
    let notes = world.notes();
    let (ledger, served, heard) =
        (Mutex::<Ledger>::default(), Mutex::<Vec<Served>>::default(), Mutex::<Heard>::default());
    let (alarm, alarms) = bounded(16);
    let (stop_tx, stop) = bounded::<()>(0);
    let town = Town { ledger: &ledger, notes: &notes, served: &served, alarm, stop };
    let figures = std::thread::scope(|scope| {
        // Dropped at the end or by a panic: either way all clients end.
        let (_stop_tx, alarms) = (stop_tx, alarms);
        let each = boards / SERVERS as u64;
        for server in 0..SERVERS {
            for n in 0..(each / BOARDS_PER_CLIENT).max(1) {
                let seed = seed ^ ((n + 1) << 32) ^ ((server as u64 + 1) << 48);
                let client = Client::new(&town, server, format!("client-{}-{n}", name(server)), seed);
                scope.spawn(move || client.run());
            }
            let probe = Client::new(&town, server, format!("probe-{}", name(server)), seed);
            scope.spawn(move || probe.probe(PROBE_EVERY_MS * 36 / boards.min(36)));
        }
        scope.spawn(|| follower::follow(&heard, &town.alarm, &town.stop));
        run(&mut world, &town, &alarms, faults, seed)
    });
    println!("{}", figures.table());
    settle(&mut world, &town, &mut heard.into_inner().unwrap());
}

/// All faults, one after the other, with everything back in between.
fn run(world: &mut World, town: &Town<'_>, alarms: &Receiver<String>, faults: u64, seed: u64) -> Figures {
    let mut dice = Dice(seed);
    let lasting = if faults > USUAL_FAULTS { LASTING_MS } else { SHORT_MS };
    let mut figures = Figures::default();
    let mut asker = Asker::new(town);
    wait_until_back(world, alarms, &mut asker);
    // One of each kind first, in any order.
    let mut kinds = Kind::ALL.to_vec();
    for number in 1..=faults {
        let kind = match kinds.len() {
            0 => *dice.pick(&Kind::ALL).unwrap(),
            n => kinds.swap_remove(usize::try_from(dice.below(n as u64)).unwrap()),
        };
        let fault = kind.draw(&mut dice);
        // One in four is over before anybody can have done something about it; the others last about as long as it takes to
        // be taken for gone.
        let lasts_ms = if dice.below(4) == 0 {
            300 + dice.below(4000)
        } else {
            lasting.start + dice.below(lasting.end - lasting.start)
        };
        let cost = one(world, town, alarms, &mut asker, fault, Duration::from_millis(lasts_ms));
        println!(
            "{number:3}  {fault:45} for {:4.1} s: {:4.1} s for a board, all work {:4.1} s and all back {:4.1} s after",
            lasts_ms as f64 / 1000.0,
            cost.service.as_secs_f64(),
            cost.whole.as_secs_f64(),
            cost.back.as_secs_f64()
        );
        figures.add(kind, cost);
        live(world, Duration::from_millis(dice.below(2000)), alarms);
    }
    figures
}

/// One fault, from its beginning until nothing is left of it.
fn one(
    world: &mut World,
    town: &Town<'_>,
    alarms: &Receiver<String>,
    asker: &mut Asker<'_>,
    fault: Fault,
    lasts: Duration,
) -> Cost {
    let healthy: Vec<usize> = (0..SERVERS).filter(|n| fault.server() != Some(*n)).collect();
    let begun = Instant::now();
    fault.begin(world);
    while begun.elapsed() < lasts {
        live(world, LOOK.min(lasts.saturating_sub(begun.elapsed())), alarms);
        let told = ledger::nothing_is_claimed_twice(world, &[], &healthy);
        check(world, &format!("while {fault}"), told);
    }
    fault.heal(world);
    let healed = Instant::now();
    let (whole, back) = wait_until_back(world, alarms, asker);
    let (whole, back) = (whole.duration_since(healed), back.duration_since(healed));

    let after = format!("after {fault}");
    let told = ledger::nothing_is_claimed_twice(world, &[0, 1, 2], &[0, 1, 2]);
    check(world, &after, told);
    let promised = town.ledger.lock().unwrap().clone();
    for base in 0..SERVERS {
        if let Err(what) = promised.compare(world, base, || town.ledger.lock().unwrap().clone()) {
            // Whether all nodes say so, and for how long.
            let again = || promised.compare(world, base, || town.ledger.lock().unwrap().clone()).err();
            let now: Vec<_> = (0..SERVERS)
                .map(|base| promised.compare(world, base, || town.ledger.lock().unwrap().clone()).err())
                .collect();
            std::thread::sleep(Duration::from_secs(3));
            let later = again();
            fail(
                world,
                &format!(
                    "{after}, at node {}: {what}; all nodes at once: {now:?}; later: {later:?}",
                    base + 1
                ),
            );
        }
    }
    // Who has asked before this moment has its board, or waits too long.
    let now = Instant::now();
    while !healthy.iter().all(|n| town.served.lock().unwrap().iter().any(|s| s.server == *n && s.at > now)) {
        if now.elapsed() > figures::SERVICE * GENEROUS {
            fail(world, &format!("{after}: somebody who asked a healthy server got no board"));
        }
        live(world, LOOK, alarms);
    }
    let service = longest_wait(town, &healthy, begun);
    if service > figures::SERVICE * GENEROUS {
        fail(world, &format!("{after}: somebody waited {service:?} for a board"));
    }
    Cost { service, whole, back }
}

/// The longest that somebody waited who asked one of these servers for a board, counted from the fault's beginning.
fn longest_wait(town: &Town<'_>, servers: &[usize], begun: Instant) -> Duration {
    let served = town.served.lock().unwrap();
    let of_these = served.iter().filter(|s| servers.contains(&s.server) && s.at > begun);
    of_these.map(|s| s.at - s.since.max(begun)).max().unwrap_or_default()
}

/// Somebody at each server who asks for a board of the next one.
struct Asker<'t>(Vec<Client<'t>>);

impl<'t> Asker<'t> {
    fn new(town: &'t Town<'t>) -> Self {
        Self((0..SERVERS).map(|n| Client::new(town, n, format!("asker-{}", name(n)), 0)).collect())
    }
}

/// Waits until all servers and nodes work; and then until each server gives the next one's boards.
fn wait_until_back(
    world: &mut World,
    alarms: &Receiver<String>,
    asker: &mut Asker<'_>,
) -> (Instant, Instant) {
    let end = Instant::now() + figures::BACK * GENEROUS;
    let (agent, mut whole) = (world::agent(), None);
    let mut asked: [Option<i64>; SERVERS] = Default::default();
    let mut done = HashSet::new();
    loop {
        let not_yet = match &whole {
            None => is_whole(world, &agent).err(),
            Some(_) => None,
        };
        if not_yet.is_none() && whole.is_none() {
            whole = Some(Instant::now());
        }
        // Asked from the beginning: who comes back must take up what has waited for it.
        for (n, client) in
            asker.0.iter_mut().enumerate().filter(|(n, _)| !done.contains(n)).collect::<Vec<_>>()
        {
            match asked[n] {
                None => asked[n] = client.ask(600, Some(&name((n + 1) % SERVERS))).map(|(id, _)| id),
                Some(id) => match client.look(id, &[n]) {
                    Some((state, _)) if state == "ready" && client.give_back(id) => {
                        done.insert(n);
                    }
                    // The pool has given it up, and said so: one asks again.
                    Some((state, _)) if state.starts_with("failed_") => {
                        client.give_back(id);
                        asked[n] = None;
                    }
                    _ => {}
                },
            }
        }
        if let Some(whole) = whole
            && done.len() == SERVERS
        {
            return (whole, Instant::now());
        }
        if Instant::now() > end {
            let waits: Vec<_> =
                (0..SERVERS).filter(|n| !done.contains(n)).map(|n| (name(n), asked[n])).collect();
            fail(world, &format!("it does not come back: {not_yet:?}; requests that still wait: {waits:?}"));
        }
        live(world, LOOK, alarms);
    }
}

/// Each server can work and sees the others with all their boards; each node works with the others.
fn is_whole(world: &World, agent: &ureq::Agent) -> Result<(), String> {
    for server in 0..SERVERS {
        let ask = |path: &str| get(agent, server, path).ok_or(format!("{}: {path}", name(server)));
        ask("ready")?;
        for (path, list, key) in
            [("server/list", "servers", "alive"), ("device/list?details=1", "devices", "reachable")]
        {
            let answer = ask(path)?;
            let rows = answer[list].as_array().ok_or("no list")?;
            if let Some(row) = rows.iter().find(|row| row[key] != true) {
                return Err(format!("{} shows {} as not {key}", name(server), row["name"]));
            }
        }
    }
    if world.bases_are_whole() { Ok(()) } else { Err("the nodes are not one cluster".into()) }
}

/// When nobody asks any more: everything comes to rest, and all agree on what has become of it.
fn settle(world: &mut World, town: &Town<'_>, heard: &mut Heard) {
    let begun = Instant::now();
    // Also those whose numbers never reached who had asked for them: nobody else gives them back before their time is over.
    let rows = world.rows(0, "SELECT id, imaging_server FROM requests WHERE state <> 'closed'");
    let left = check(world, "at the end", rows);
    let agent = world::agent();
    for row in left {
        let server = (0..SERVERS).find(|n| name(*n) == row[1]).unwrap();
        // One whose time is over at this moment is closed as well.
        let _ = agent.post(format!("{}/request/{}/return", world::api(server), row[0])).send("{}");
        if let Some(promise) = town.ledger.lock().unwrap().requests.get_mut(&row[0].parse().unwrap()) {
            promise.may_be_closed = true;
        }
    }
    let open = "SELECT id, state FROM requests WHERE state <> 'closed'";
    let busy = "SELECT name, state FROM devices WHERE state <> 'ready' UNION SELECT device_id, request_id FROM claims";
    loop {
        let rest = [world.rows(0, open), world.rows(0, busy)];
        if rest.iter().all(|rows| rows.as_ref().is_ok_and(Vec::is_empty)) {
            break;
        }
        if begun.elapsed() > SETTLE {
            fail(world, &format!("not at rest: {rest:?}"));
        }
        std::thread::sleep(LOOK);
    }
    let settled = begun.elapsed();
    let without = world.without_power();
    let told = if without.is_empty() { Ok(()) } else { Err(format!("boards without power: {without:?}")) };
    check(world, "at rest", told);
    let told = heard.agrees_with(world);
    check(world, "the follower, at rest", told);
    let told = ledger::nodes_agree(world);
    check(world, "at rest", told);
    let ledger = town.ledger.lock().unwrap().clone();
    for base in 0..SERVERS {
        let told = ledger.compare(world, base, || ledger.clone());
        check(world, "at rest", told);
    }
    println!(
        "at rest after {settled:?}; {} changes told once each, over {} streams",
        heard.last, heard.moves
    );
    for (what, n) in [
        ("requests acknowledged", ledger.requests.len()),
        ("boards used", ledger.uses),
        ("renewals acknowledged", ledger.renewals),
        ("returns acknowledged", ledger.returns),
    ] {
        println!("{n} {what}");
        assert!(n > 0, "no {what} in the whole run");
    }
}
