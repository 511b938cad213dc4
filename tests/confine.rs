//! What the built daemon has given up: seen from outside, and tried by a power program, which inherits all of it.

mod support;

use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::{Daemon, Lab, mozpool, wait_for};

/// Tries things, a line each: what it is, and whether it worked. `ELSEWHERE` is a folder that nothing is configured for.
const PROBE: &str = r#"#!/bin/sh
d=ELSEWHERE
try() { if sh -c "$2" >/dev/null 2>&1; then echo "$1 yes"; else echo "$1 no"; fi; }
if [ "$2" = status ]; then echo unknown; exit; fi
{
  try reads-etc 'cat /etc/passwd'
  try reads-elsewhere "cat $d/secret"
  try writes-elsewhere "echo x > $d/new"
  try writes-tmp 'f=$(mktemp) && rm $f'
  try runs-elsewhere "$d/program"
  try mounts 'mount -t tmpfs none /mnt'
  try unshares 'unshare --net true'
  try names-the-host 'hostname another-name'
  try raw-socket 'python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"'
  try datagrams 'python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"'
  try looks-up-names 'getent hosts localhost'
  try listens 'python3 -c "import socket; socket.socket().bind((\"127.0.0.1\", 0))"'
} > "${TMPDIR:-/tmp}/$1.part" 2>&1
mv "${TMPDIR:-/tmp}/$1.part" "${TMPDIR:-/tmp}/$1"
"#;

/// A lab whose board hangs on the probe.
struct Probed {
    lab: Lab,
    /// Where the probe says what it found.
    answer: std::path::PathBuf,
    /// Not below `/tmp`, which every daemon may write to.
    _elsewhere: tempfile::TempDir,
}

/// Puts a program there. Another process writes it: one that we had open for writing could not be run.
fn program(path: &Path, text: &str) {
    let script = format!("printf %s \"$1\" > {}", path.display());
    assert!(Command::new("sh").args(["-c", &script, "sh", text]).status().expect("sh runs").success());
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
}

fn lab_with_probe(more: &str) -> Probed {
    let lab = Lab::new();
    let elsewhere = tempfile::tempdir_in("/var/lib").expect("root may; run the tests as root");
    fs::create_dir(lab.path("power")).expect("a folder");
    fs::set_permissions(lab.path("power"), Permissions::from_mode(0o755)).expect("it is ours");
    let script = PROBE.replace("ELSEWHERE", &elsewhere.path().display().to_string());
    program(&lab.path("power/probe"), &script);
    program(&elsewhere.path().join("program"), "#!/bin/sh\n");
    fs::write(elsewhere.path().join("secret"), "x").expect("a file");
    let answer = std::env::temp_dir().join(format!(
        "mozpool-probe-{}",
        lab.folder.path().file_name().expect("a name").to_string_lossy().trim_matches('.')
    ));
    let name = answer.file_name().expect("a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(lab.config()).expect("the configuration");
    let store = lab.path("store");
    fs::create_dir(&store).expect("a folder");
    let text =
        text.replace(&lab.path("mozpool.db").display().to_string(), &store.join("db").display().to_string());
    let text = text.replace("[server]", &format!("[server]\n{more}"));
    fs::write(lab.config(), text + &format!("power_programs = \"{}\"\n", lab.path("power").display()))
        .expect("the configuration");
    let file = lab.path("lab.toml");
    let devices = fs::read_to_string(&file).expect("the lab file");
    let devices: Vec<String> = devices
        .lines()
        .map(|line| match line.starts_with("relay_info") {
            true => format!("relay_info = \"command:probe {name}\""),
            false => line.to_owned(),
        })
        .collect();
    fs::write(&file, devices.join("\n")).expect("the lab file");
    let done = mozpool(&lab.config()).args(["db", "import"]).arg(&file).output().expect("mozpool runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Probed { lab, answer, _elsewhere: elsewhere }
}

/// What the probe found.
fn probed(daemon: &Daemon, answer: &Path) -> Vec<String> {
    daemon.event("please_power_cycle", json!({}));
    let found = wait_for("the power program to have tried everything", || fs::read_to_string(answer).ok());
    let _ = fs::remove_file(answer);
    found.lines().map(str::to_owned).collect()
}

/// A field of each of a process's threads.
fn of_threads(pid: u32, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let status = |task: std::io::Result<fs::DirEntry>| {
        // One may have ended meanwhile.
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with(&format!("{field}:")))?;
        line.split_once('\t').map(|(_, value)| value.to_owned())
    };
    let mut values: Vec<String> = tasks.filter_map(status).collect();
    assert!(values.len() > 20, "many threads: {values:?}");
    values.dedup();
    values
}

#[test]
fn every_thread_has_given_up_what_it_does_not_need_and_power_programs_inherit_that() {
    let Probed { lab, answer, _elsewhere } = lab_with_probe("");
    let daemon = lab.serve();
    let said = daemon.said();
    let line = said.iter().find(|line| line.contains(" confined: ")).expect("it says what holds");
    for part in [
        "no new privileges, capabilities ",
        "; files by Landlock, with programs; ",
        " and raw sockets refused",
    ] {
        assert!(line.contains(part) && !line.contains("not confined"), "{part}: {line}");
    }
    // As root: CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER, by their numbers.
    let left = if nix::unistd::geteuid().is_root() { 1 | 1 << 1 | 1 << 3 } else { 0 };
    for set in ["CapEff", "CapPrm"] {
        assert_eq!(of_threads(daemon.pid(), set), [format!("{left:016x}")], "{set}");
    }
    assert_eq!(of_threads(daemon.pid(), "CapInh"), [format!("{:016x}", 0)]);
    assert_eq!(of_threads(daemon.pid(), "NoNewPrivs"), ["1"]);
    assert_eq!(of_threads(daemon.pid(), "Seccomp"), ["2"], "a filter");
    assert_eq!(
        probed(&daemon, &answer),
        [
            "reads-etc yes",
            "reads-elsewhere no",
            "writes-elsewhere no",
            "writes-tmp yes",
            "runs-elsewhere no",
            "mounts no",
            "unshares no",
            "names-the-host no",
            "raw-socket no",
            "datagrams yes",
            "looks-up-names yes",
            "listens no",
        ]
    );
    // The store, files, boot configs and names work as ever.
    daemon.wait_for_state("ready");
    let config = daemon.fetch("pxelinux.cfg/default").expect("for everybody");
    assert!(config.contains("localboot"), "{config}");
    fs::write(lab.path("files/images/late"), "later than the start").expect("a file");
    let late = ureq::get(format!("http://{}/files/images/late", daemon.http)).call();
    let late = late.expect("it is served").body_mut().read_to_string().expect("text");
    assert_eq!(late, "later than the start");
    assert!(daemon.terminate().success());
}

#[test]
fn who_is_not_to_be_confined_is_not() {
    let Probed { lab, answer, _elsewhere } = lab_with_probe("confine = \"off\"");
    let daemon = lab.serve();
    assert!(daemon.said().iter().any(|line| line.contains("not confined: server.confine is \"off\"")));
    assert_eq!(of_threads(daemon.pid(), "Seccomp"), ["0"]);
    let found = probed(&daemon, &answer);
    for line in ["reads-elsewhere yes", "writes-elsewhere yes", "runs-elsewhere yes", "listens yes"] {
        assert!(found.iter().any(|l| l == line), "{line}: {found:?}");
    }
    assert!(daemon.terminate().success());
}

/// As on a kernel that has neither Landlock nor filters: a filter of the test's refuses what makes them, and is inherited.
#[test]
fn a_kernel_that_can_do_less_is_told_of_and_served_on() {
    use nix::libc;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let lab = Lab::new();
    let refused = [libc::SYS_landlock_create_ruleset, libc::SYS_seccomp].map(|call| (call, vec![]));
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().expect("an architecture that has filters");
    let filter = SeccompFilter::new(refused.into(), SeccompAction::Allow, missing, arch).expect("two rules");
    let filter: BpfProgram = filter.try_into().expect("a small program");
    // A thread's filter is its own and its children's.
    std::thread::scope(|scope| {
        let served = scope.spawn(|| {
            seccompiler::apply_filter(&filter).expect("this kernel has filters");
            let daemon = lab.serve();
            let said = daemon.said();
            let line = said.iter().find(|line| line.contains(" confined: ")).expect("it says what holds");
            for part in [
                "no new privileges, capabilities ",
                "; files: not confined, this kernel has no Landlock (Linux 5.13); ",
                "; system calls: not confined, this kernel takes no filter: ",
            ] {
                assert!(line.contains(part), "{part}: {line}");
            }
            assert_eq!(daemon.state(), "ready");
            assert!(daemon.terminate().success());
        });
        served.join().expect("all of that holds");
    });
}
