//! How long requests take to get their boards, in a pool of many idle ones: the *mozpool* layer for real on a real store.
//!
//! `cargo bench --bench search -- [DEVICES …]`. It prints figures and asserts none: those belong to the machine it runs on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a program for developers")]

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mozpool::clock::{Clock, SystemClock};
use mozpool::lab::Lab;
use mozpool::layers::messages::{CreateAnswer, LifeguardCommand, MozpoolCommand, MozpoolNotice};
use mozpool::layers::mozpool::{Inbox, Mozpool};
use mozpool::logic::lifeguard::{self as device, Install};
use mozpool::logic::mozpool::{State, Wanted};
use mozpool::store::{Committed, DeviceCommit, Location, NewRequest, ServerRow, Store};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A pool of `n` idle boards of four kinds in ten environments.
fn fill(store: &mut dyn Store, n: usize) {
    let clock = SystemClock;
    let server = ServerRow { name: "here".into(), url: "http://here".into() };
    store.register_server(&server, clock.now()).unwrap();
    let mut text = String::new();
    for kind in ["panda", "pi", "pc", "phone"] {
        writeln!(text, "[[hardware_type]]\ntype = \"{kind}\"\n").unwrap();
    }
    text += "[[image]]\nname = \"debian\"\npxe = { \"*\" = \"image\" }\n\n";
    text += "[[image]]\nname = \"b2g\"\ncan_reuse = true\npxe = { \"*\" = \"image\" }\n\n";
    for i in 0..n {
        let kind = ["panda", "pi", "pc", "phone"][i % 4];
        writeln!(
            text,
            "[[device]]\nname = \"d{i:05}\"\nfqdn = \"d{i:05}.lab\"\nhardware_type = \"{kind}\"\n\
             environment = \"env{}\"\nprocessor = \"armv7\"\ntags = [\"usb\"]\nstate = \"ready\"\n",
            i / 4 % 10
        )
        .unwrap();
    }
    store.apply_lab(&Lab::parse(&text, "bench.toml", "here").unwrap(), false, clock.now()).unwrap();
}

struct Pool {
    commands: Sender<MozpoolCommand>,
    lifeguard: Receiver<LifeguardCommand>,
    _notices: Sender<MozpoolNotice>,
    stop: Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

fn start(location: &Location) -> Pool {
    let (lifeguard, heard) = bounded(1 << 20);
    let (commands, commands_in) = bounded(4096);
    let (notices, notices_in) = bounded(4096);
    let (stop, stop_in) = bounded(1);
    let layer = Mozpool::load("here", location.open().unwrap(), Arc::new(SystemClock), lifeguard).unwrap();
    let inbox = Inbox { stop: stop_in, notices: notices_in, commands: commands_in };
    let thread = std::thread::spawn(move || drop(layer.run(&inbox)));
    Pool { commands, lifeguard: heard, _notices: notices, stop, thread }
}

fn new_request(image: &str, environment: Option<&str>) -> NewRequest {
    let now = SystemClock.now();
    let mut wanted = Wanted {
        device: None,
        environment: None,
        install: Install { image: image.into(), boot_config: "{}".into() },
        hardware_type: None,
        hardware_model: None,
        processor: None,
        tags: vec![],
    };
    wanted.environment = environment.map(|e| e.to_owned().into());
    NewRequest {
        server: "here".into(),
        assignee: "bench".into(),
        reason: String::new(),
        wanted,
        expires: now.plus_s(100_000),
        queue_until: None,
        created: now,
    }
}

/// Milliseconds until each of `new` was answered, in order.
fn ask(pool: &Pool, new: Vec<NewRequest>) -> (Vec<f64>, Vec<mozpool::logic::ids::RequestId>) {
    let (reply, answers) = unbounded();
    let started = Instant::now();
    let count = new.len();
    for new in new {
        pool.commands.send(MozpoolCommand::Create { new: Box::new(new), reply: reply.clone() }).unwrap();
    }
    let (mut ms, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..count {
        match answers.recv_timeout(Duration::from_secs(600)).unwrap() {
            CreateAnswer::Created { request, .. } => ids.push(request),
            other => panic!("{other:?}"),
        }
        ms.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    (ms, ids)
}

fn assigned(store: &mut dyn Store, ids: &[mozpool::logic::ids::RequestId]) -> usize {
    ids.iter()
        .filter(|id| {
            let machine = store.load_request(**id).unwrap().unwrap().machine;
            machine.state == State::ContactingLifeguard && machine.assigned.is_some()
        })
        .count()
}

fn measure(label: &str, location: &Location, n: usize) {
    let mut store = location.open().unwrap();
    fill(&mut *store, n);
    let pool = start(location);
    let ones: Vec<f64> = (0..20).map(|_| ask(&pool, vec![new_request("debian", None)]).0[0]).collect();
    let mut sorted = ones.clone();
    sorted.sort_by(f64::total_cmp);
    println!(
        "{label} {n} idle: one request: first {:.1} ms, median {:.1} ms, worst {:.1} ms",
        ones[0], sorted[10], sorted[19]
    );
    for count in [80, 800] {
        let (ms, ids) = ask(&pool, (0..count).map(|_| new_request("b2g", None)).collect());
        let got = assigned(&mut *store, &ids);
        println!("{label} {n} idle: {count} at once: last after {:.0} ms, {got} assigned", ms[ms.len() - 1]);
    }
    // As many as wait in a busy lab, for something that nobody has.
    let (ms, _) = ask(&pool, (0..300).map(|_| new_request("debian", Some("nowhere"))).collect());
    println!("{label} {n} idle: 300 in vain: last after {:.0} ms", ms[ms.len() - 1]);
    let heard = pool.lifeguard.try_iter().count();
    println!("{label} {n} idle: {heard} orders to lifeguard");
    pool.stop.send(()).unwrap();
    pool.thread.join().unwrap();
    moves(label, location);
}

/// What the devices' own writes cost, which keep what the search goes by: commits of 256 moves, as of a busy second.
fn moves(label: &str, location: &Location) {
    let mut store = location.open().unwrap();
    let mut devices: Vec<_> =
        store.load_devices("here").unwrap().into_iter().map(|r| r.machine).take(2048).collect();
    for (what, states) in [
        ("between states that are not ready", [device::State::PxeBooting, device::State::MobileInitStarted]),
        ("to ready and back", [device::State::PcPowerCycling, device::State::Ready]),
    ] {
        let started = Instant::now();
        let mut count = 0u32;
        for round in 0..8 {
            for batch in devices.chunks_mut(256) {
                let commits: Vec<_> = batch
                    .iter_mut()
                    .map(|machine| {
                        let expected = machine.epoch;
                        (machine.state, machine.epoch) = (states[round % 2], expected.next());
                        let log = vec!["entering state x".to_owned()];
                        let at = SystemClock.now();
                        DeviceCommit {
                            next: machine.clone(),
                            expected,
                            log,
                            turns: vec![],
                            result: None,
                            failure: None,
                            at,
                        }
                    })
                    .collect();
                assert!(store.commit_devices(&commits).unwrap().iter().all(|c| *c == Committed::Done));
                count += u32::try_from(commits.len()).unwrap();
            }
        }
        let per_second = f64::from(count) / started.elapsed().as_secs_f64();
        println!("{label}: {per_second:.0} moves a second {what}");
    }
}

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![5_000, 50_000] } else { sizes };
    for n in sizes {
        measure("memory", &Location::memory(), n);
        let dir = tempfile::tempdir().unwrap();
        measure("file", &Location::sqlite(dir.path().join("mozpool.db")), n);
    }
}
