//! `mozpool request new … -- COMMAND`: whatever ends it, the board comes back, and the exit status says what happened.

use crate::support::wait_for;
use crate::world::{Said, World, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// A command under way, that has said that it runs.
struct Job {
    child: Option<Child>,
    marks: PathBuf,
}

impl Drop for Job {
    /// After a failed test nothing is left behind: it ends its command, too.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

impl Job {
    /// `script` runs in a shell that finds in `$MARKS` a folder for files that say how far it is.
    fn start(world: &World, options: &[&str], script: &str) -> Self {
        let marks = world.path("marks");
        std::fs::create_dir_all(&marks).unwrap();
        let words = [&["request", "new", "demo"], options, &["--", "sh", "-c", script]].concat();
        let mut command = world.command(&words);
        command.env("MARKS", &marks).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: Some(command.spawn().unwrap()), marks }
    }

    fn wait_for(&self, mark: &str) {
        wait_for(mark, || self.marks.join(mark).exists().then_some(()));
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.as_ref().unwrap().id().try_into().unwrap()), signal).unwrap();
    }

    fn end(mut self) -> Said {
        wait_for("the command's end", || self.child.as_mut().unwrap().try_wait().unwrap());
        said(self.child.take().unwrap().wait_with_output().unwrap())
    }
}

/// The script says that it runs, and goes on until it is told to stop.
const LONG: &str = "touch $MARKS/runs; while :; do sleep 0.05; done";

#[test]
fn a_command_has_a_board_for_as_long_as_it_runs() {
    let world = World::with(1);
    let said = world.run(&[
        "request", "new", "demo", "--assignee", "ci", "--", "sh", "-c",
        "echo $MOZPOOL_DEVICE $MOZPOOL_DEVICE_FQDN $MOZPOOL_REQUEST $MOZPOOL_REQUEST_URL $MOZPOOL_URL $MOZPOOL_EXPIRES; exit 7",
    ]);
    assert_eq!(said.code, 7, "{}", said.err);
    let http = world.daemon().http;
    let want = format!("board-001 127.77.0.1 1 http://{http}/api/request/1/ http://{http} 20");
    assert!(said.out.starts_with(&want) && said.out.ends_with("Z\n"), "{}", said.out);
    assert_eq!(world.state_of_request("1"), "closed");
    let log = world.done(&["request", "log", "1"]);
    assert!(log.contains("COMMAND ended: exit status: 7"), "{log}");

    // What cannot be run gives the board back, too; each has its code.
    for (command, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let said = world.run(&["request", "new", "demo", "--", command]);
        assert_eq!(said.code, code, "{}", said.err);
        assert!(said.err.contains(&format!("cannot run `{command}`")), "{}", said.err);
    }
    assert_eq!(world.done(&["request", "list"]).lines().count(), 1, "nothing is held");
    // Our own failures are told apart from the command's.
    assert_eq!(world.run(&["request", "new", "nothing", "--", "true"]).code, 125);
    let none = ["request", "new", "demo", "--tag", "x", "--queue-limit", "0", "--", "true"];
    assert_eq!(world.run(&none).code, 120);
    // A command that a signal ends.
    assert_eq!(world.run(&["request", "new", "demo", "--", "sh", "-c", "kill -9 $$"]).code, 137);
}

#[test]
fn a_signal_reaches_the_command_first_and_then_the_board_is_returned() {
    let world = World::with(1);
    for (n, (signal, code)) in
        [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)].into_iter().enumerate()
    {
        let job = Job::start(&world, &[], LONG);
        job.wait_for("runs");
        job.signal(signal);
        std::fs::remove_file(world.path("marks/runs")).unwrap();
        let said = job.end();
        assert_eq!(said.code, code, "{signal}: {}", said.err);
        assert_eq!(world.state_of_request(&(n + 1).to_string()), "closed", "{signal}");
    }
    // It may take its time to clean up, and its own exit status counts.
    let job = Job::start(
        &world,
        &[],
        "trap 'touch $MARKS/cleaned; exit 3' TERM; touch $MARKS/runs; while :; do sleep 0.05; done",
    );
    job.wait_for("runs");
    job.signal(Signal::SIGTERM);
    let said = job.end();
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(world.path("marks/cleaned").exists());
    // One that comes while it waits for the board.
    let held = world.board();
    let job = Job::start(&world, &[], "touch $MARKS/never");
    wait_for("the second request", || (world.done(&["request", "list"]).lines().count() == 3).then_some(()));
    job.signal(Signal::SIGTERM);
    let said = job.end();
    assert_eq!(said.code, 143, "{}", said.err);
    assert!(!world.path("marks/never").exists());
    world.done(&["request", "return", &held, "-y"]);
    assert_eq!(world.done(&["request", "list"]).lines().count(), 1, "nothing is held");
}

#[test]
fn the_board_is_renewed_while_the_command_runs() {
    let world = World::with(1);
    let job = Job::start(&world, &["--duration", "3s"], LONG);
    job.wait_for("runs");
    let expires = || world.json(&["request", "show", "1"])["expires"].as_str().unwrap().to_owned();
    let mut seen = vec![expires()];
    wait_for("four renewals", || {
        let now = expires();
        assert_eq!(world.state_of_request("1"), "ready");
        if now != *seen.last().unwrap() {
            seen.push(now);
        }
        (seen.len() > 4).then_some(())
    });
    job.signal(Signal::SIGTERM);
    assert_eq!(job.end().code, 143);
}

#[test]
fn a_board_that_is_lost_ends_the_command_unless_it_is_to_go_on() {
    let world = World::with(1);
    let job = Job::start(&world, &[], LONG);
    job.wait_for("runs");
    world.done(&["request", "return", "1", "--yes", "--reason", "it is needed"]);
    let said = job.end();
    assert_eq!(said.code, 122, "{}", said.err);
    assert!(
        said.err.contains("THE BOARD IS LOST: request 1: ") && said.err.contains("it is needed"),
        "{}",
        said.err
    );

    std::fs::remove_file(world.path("marks/runs")).unwrap();
    let script = "touch $MARKS/runs; until test -e $MARKS/go; do sleep 0.05; done; exit 9";
    let mut job = Job::start(&world, &["--on-loss=ignore"], script);
    job.wait_for("runs");
    world.done(&["request", "return", "2", "--yes"]);
    let mut err = std::io::BufReader::new(job.child.as_mut().unwrap().stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("THE BOARD IS LOST") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut err, &mut line).unwrap(), 0, "it says so");
    }
    std::fs::write(world.path("marks/go"), "").unwrap();
    assert_eq!(job.end().code, 9);
}

#[test]
fn a_daemon_that_is_killed_meanwhile_costs_nothing() {
    let mut world = World::with(1);
    // While it runs.
    let job = Job::start(
        &world,
        &["--duration", "60s"],
        "touch $MARKS/runs; until test -e $MARKS/go; do sleep 0.05; done; exit 5",
    );
    job.wait_for("runs");
    world.kill_and_start();
    assert_eq!(world.state_of_request("1"), "ready");
    // And when it ends: the board is returned as soon as there is somebody to return it to.
    world.kill();
    std::fs::write(world.path("marks/go"), "").unwrap();
    let mut job = job;
    let mut err = std::io::BufReader::new(job.child.as_mut().unwrap().stderr.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("is not given back yet") {
        assert_ne!(std::io::BufRead::read_line(&mut err, &mut heard).unwrap(), 0, "{heard}");
    }
    world.start();
    assert_eq!(job.end().code, 5);
    assert_eq!(world.state_of_request("1"), "closed");
    // While it waits.
    std::fs::remove_file(world.path("marks/runs")).unwrap();
    let held = world.board();
    let job = Job::start(&world, &[], "touch $MARKS/runs");
    wait_for("the next request", || (world.done(&["request", "list"]).lines().count() == 3).then_some(()));
    world.kill_and_start();
    world.done(&["request", "return", &held, "-y"]);
    let said = job.end();
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(world.path("marks/runs").exists());
}
