//! Power programs that are really run: what they are told, what they may do, and how they end.

use super::*;
use relayctl::PowerAfter;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Longer than anything here takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// A folder with programs, and the place where they write.
struct Lab {
    folder: TempDir,
    limit: Duration,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        mode(folder.path(), 0o755);
        Self { folder, limit: LONG }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A shell script. Another process writes it: one that we had open for writing while another test starts a program
    /// could not be run.
    fn program(&self, name: &str, script: &str) -> &Self {
        let path = self.path(name);
        let mut tee =
            Command::new("tee").arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        tee.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}").as_bytes()).unwrap();
        assert!(tee.wait().unwrap().success());
        mode(&path, 0o755);
        self
    }

    fn run(&self, relay_info: &str, action: Action) -> Outcome {
        let programs = Programs { folder: Some(self.folder.path().to_owned()), limit: self.limit };
        let ways = Ways { pause: Duration::from_millis(1), patience: Duration::ZERO, programs };
        carry_out(&Task::Power(relay_info.parse().unwrap(), action), &ways)
    }

    fn fails(&self, relay_info: &str, action: Action) -> (CommandFault, PowerAfter, String) {
        match self.run(relay_info, action).unwrap_err() {
            PowerError::Command(error) => (error.fault.clone(), error.power, error.to_string()),
            other => panic!("{other}"),
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
}

/// Keeps its device's power in a file, and writes down what it was told.
const SWITCH: &str = r#"
dir=${0%/*}
echo "$*" >> "$dir/calls"
case $2 in
on | off) echo "$2" > "$dir/power-$1" ;;
status) cat "$dir/power-$1" 2> /dev/null || echo unknown ;;
esac
"#;

#[test]
fn a_power_cycle_is_off_check_on_check_and_says_what_it_saw() {
    let lab = Lab::new();
    lab.program("switch", SWITCH);
    assert_eq!(lab.run("command:switch b1", Action::Status), Ok(None), "it does not know yet");
    assert_eq!(lab.run("command:switch b1", Action::PowerCycle), Ok(Some(PowerState::On)));
    assert_eq!(lab.read("calls"), "b1 status\nb1 off\nb1 status\nb1 on\nb1 status\n");
    assert_eq!(lab.run("command:switch b1", Action::PowerOff), Ok(Some(PowerState::Off)));
    assert_eq!(lab.run("command:switch b1", Action::Status), Ok(Some(PowerState::Off)));
    lab.program("blind", "case $1 in status) echo unknown; esac");
    assert_eq!(lab.run("command:blind", Action::PowerCycle), Ok(None), "nothing contradicts it");
}

#[test]
fn a_program_that_fails_says_why_and_power_comes_back() {
    let lab = Lab::new();
    lab.program("broken", "echo first >&2; printf 'no\\033[1m route\\n\\n' >&2; exit 3");
    let (fault, power, said) = lab.fails("command:broken bmc1", Action::PowerOff);
    let wanted = CommandFault::Failed { verb: "off".into(), code: Some(3), said: "no[1m route".into() };
    assert_eq!((fault, power), (wanted, PowerAfter::Unverified));
    assert!(
        said.starts_with("power program `broken`: power off failed while switching the device off: "),
        "{said}"
    );
    assert!(said.contains("`off` ended with exit code 3: no[1m route"), "{said}");

    lab.program("killed", "kill -9 $$");
    let (fault, ..) = lab.fails("command:killed", Action::Status);
    assert_eq!(fault, CommandFault::Failed { verb: "status".into(), code: None, said: String::new() });
    lab.program("strange", "echo maybe");
    let (fault, ..) = lab.fails("command:strange", Action::Status);
    assert_eq!(fault, CommandFault::NoStatus { said: "maybe".into() });

    // Fails once, at the first "on" after "off".
    lab.program(
        "once",
        &format!("d=${{0%/*}}\nif [ $2 = on ] && [ ! -e $d/seen ]; then touch $d/seen; exit 1; fi\n{SWITCH}"),
    );
    let (_, power, said) = lab.fails("command:once b2", Action::PowerCycle);
    assert_eq!((power, lab.read("power-b2").as_str()), (PowerAfter::RestoredOn, "on\n"), "{said}");

    // Says the contrary, whatever it is told.
    lab.program("stuck", "case $1 in status) echo on; esac");
    let (fault, power, _) = lab.fails("command:stuck", Action::PowerCycle);
    assert!(matches!(fault, CommandFault::Refused(_)), "{fault:?}");
    assert_eq!((power, fault.works()), (PowerAfter::RestoredOn, Some(true)));
}

/// Whether a process has gone, or waits to be collected.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.is_empty() || stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// SIGKILL is obeyed at once, but by another processor.
fn becomes_gone(pid: &str) {
    let until = Instant::now() + LONG;
    while !is_gone(pid) {
        assert!(Instant::now() < until, "{pid} is still there");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
    let mut lab = Lab::new();
    lab.limit = Duration::from_millis(300);
    lab.program(
        "hangs",
        "trap '' TERM INT\nsleep 1000 &\necho $! > ${0%/*}/child\necho $$ > ${0%/*}/self\nwait",
    );
    let begun = Instant::now();
    let (fault, _, said) = lab.fails("command:hangs", Action::Status);
    assert!(matches!(fault, CommandFault::TimedOut { .. }), "{said}");
    assert!(said.contains("`status` was not done after 0.3 s, and it was killed"), "{said}");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    assert_eq!(fault.works(), Some(false));
    becomes_gone(&lab.read("child"));
    becomes_gone(&lab.read("self"));
}

#[test]
fn what_a_program_leaves_behind_ends_with_it_and_holds_up_nobody() {
    let lab = Lab::new();
    // The child keeps standard output open.
    lab.program("leaves", "sleep 1000 &\necho $! > ${0%/*}/child\necho on");
    assert_eq!(lab.run("command:leaves", Action::Status), Ok(Some(PowerState::On)));
    becomes_gone(&lab.read("child"));
}

#[test]
fn endless_output_is_read_and_forgotten() {
    let mut lab = Lab::new();
    lab.program("loud", "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1");
    let (fault, ..) = lab.fails("command:loud", Action::Status);
    let CommandFault::Failed { said, .. } = fault else { panic!("{fault:?}") };
    assert_eq!(said.len(), 200);
    lab.limit = Duration::from_millis(300);
    lab.program("endless", "while :; do echo on; done");
    assert!(matches!(lab.fails("command:endless", Action::Status).0, CommandFault::TimedOut { .. }));
}

#[test]
fn a_program_gets_next_to_no_environment_and_no_shell_between() {
    let lab = Lab::new();
    lab.program(
        "look",
        "env > ${0%/*}/env; pwd > ${0%/*}/pwd; echo \"$#:$1:$2\" > ${0%/*}/words; cat; echo on",
    );
    // Cargo puts dozens of variables into this process's environment.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert_eq!(
        lab.run("command:look a=%41[1]", Action::Status),
        Ok(Some(PowerState::On)),
        "standard input is empty"
    );
    let env = lab.read("env");
    let names: Vec<&str> = env.lines().filter_map(|l| Some(l.split_once('=')?.0)).collect();
    // The shell adds PWD and the like.
    assert!(names.contains(&"PATH") && !names.iter().any(|n| n.starts_with("CARGO")), "{env}");
    assert!(
        names.iter().all(|n| ["PATH", "LC_ALL", "HOME", "PWD", "OLDPWD", "SHLVL", "_"].contains(n)),
        "{env}"
    );
    assert_eq!((lab.read("pwd").as_str(), lab.read("words").as_str()), ("/\n", "2:a=%41[1]:status\n"));
}

#[test]
fn only_programs_that_nobody_else_could_change_are_run() {
    let lab = Lab::new();
    lab.program("good", "echo on");
    let fault = |name: &str| lab.fails(&format!("command:{name}"), Action::Status).0;
    assert_eq!(fault("none"), CommandFault::Missing);
    mode(&lab.path("good"), 0o775);
    assert_eq!(fault("good"), CommandFault::Unsafe);
    mode(&lab.path("good"), 0o644);
    assert_eq!(fault("good"), CommandFault::NotExecutable);
    mode(&lab.path("good"), 0o755);
    mode(lab.folder.path(), 0o777);
    assert_eq!(fault("good"), CommandFault::Unsafe, "anybody could put another one there");
    mode(lab.folder.path(), 0o755);
    assert_eq!(lab.run("command:good", Action::Status), Ok(Some(PowerState::On)));
    fs::create_dir(lab.path("folder")).unwrap();
    assert_eq!(fault("folder"), CommandFault::NotExecutable);
    // A link is as safe as where it leads to, and a folder as those above it.
    let elsewhere = Lab::new();
    elsewhere.program("real", "echo on");
    symlink(elsewhere.path("real"), lab.path("link")).unwrap();
    assert_eq!(lab.run("command:link", Action::Status), Ok(Some(PowerState::On)));
    mode(elsewhere.folder.path(), 0o1777);
    assert_eq!(fault("link"), CommandFault::Unsafe, "anybody could give it another name there");
    mode(elsewhere.folder.path(), 0o777);
    assert_eq!(fault("link"), CommandFault::Unsafe);
    let above = Lab::new();
    fs::create_dir(above.path("power")).unwrap();
    mode(&above.path("power"), 0o755);
    fs::copy(elsewhere.path("real"), above.path("power/real")).unwrap();
    let inside = Programs { folder: Some(above.path("power")), limit: LONG };
    assert_eq!(inside.find("real"), Ok(above.path("power/real")));
    mode(above.folder.path(), 0o777);
    assert_eq!(inside.find("real"), Err(CommandFault::Unsafe), "the whole folder could be another one");
    mode(above.folder.path(), 0o1777);
    assert_eq!(inside.find("real"), Ok(above.path("power/real")), "it is ours, and stays where it is");
    let none = Programs { folder: None, limit: LONG };
    assert_eq!(none.find("good"), Err(CommandFault::SwitchedOff));
    // A script without its interpreter.
    lab.program("bad", "");
    let text = fs::read_to_string(lab.path("bad")).unwrap().replace("/bin/sh", "/no/such/interpreter");
    fs::write(lab.path("bad"), text).unwrap();
    assert!(matches!(fault("bad"), CommandFault::Start(_)));
}
