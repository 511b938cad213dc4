//! Which process somebody is, so that another one can say whether it has ended.
//!
//! Numbers of processes come again, hosts are copied, and a container has numbers of its own. So a process is known by the start of
//! its kernel (`boot_id`), the namespace that its number counts in, the number, and when it began in ticks of that kernel
//! (proc_pid_stat(5), field 22). Only one of the same kernel and namespace can be judged; of others nothing is said.

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Longest text of a host's name that is kept: as long as a name of a host can be (RFC 1035 section 2.3.4).
const HOST_MAX: usize = 255;

/// One process, anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// The name of its host; for people.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// Tells it from all others; empty when that is not known.
    pub life: String,
}

impl Process {
    /// The one that asks.
    pub fn this() -> Self {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let host = host.to_string_lossy().chars().take(HOST_MAX).collect();
        let pid = std::process::id();
        let life = match (here(), begun(pid)) {
            (Some(here), Begun::At(ticks)) => format!("{here} {pid} {ticks}"),
            _ => String::new(),
        };
        Self { host, pid, life }
    }

    /// It is known to have ended.
    pub fn has_ended(&self) -> bool {
        self.is_alive() == Some(false)
    }

    /// It is known to live: it may hang, and it has not ended.
    pub fn lives(&self) -> bool {
        self.is_alive() == Some(true)
    }

    /// Whether it lives, if that can be said from here.
    pub fn is_alive(&self) -> Option<bool> {
        let place = self.life.rsplitn(3, ' ').nth(2);
        let is_near = place.is_some_and(|place| here().is_some_and(|here| here == place));
        if is_near { begun(self.pid).is(self.life.rsplit(' ').next()?) } else { None }
    }
}

/// When the process of a number began.
enum Begun {
    /// There is none, or only what is left of one.
    Nothing,
    /// There is one that we may not look at.
    Hidden,
    /// In ticks.
    At(String),
}

impl Begun {
    /// Whether it is the one that began then; nothing if nobody can say.
    fn is(&self, began: &str) -> Option<bool> {
        match self {
            Self::Nothing => Some(false),
            Self::Hidden => None,
            Self::At(ticks) => Some(ticks == began),
        }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.pid, self.host.as_str()) {
            (0, _) => f.write_str("a process that did not say which"),
            (pid, host) => write!(f, "process {pid} on {host}"),
        }
    }
}

/// This start of this kernel, and the namespace that numbers of processes count in.
fn here() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

fn begun(pid: u32) -> Begun {
    let stat = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // Where others' processes are hidden (`hidepid`, proc(5)) there is no such file, and a signal is refused for want of rights.
        Err(_) if is_no_process(pid) => return Begun::Nothing,
        Err(_) => return Begun::Hidden,
    };
    // The name stands in brackets and may hold anything: fields are counted behind the last one. The first is the state.
    let mut fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default().split_ascii_whitespace();
    match (fields.next(), fields.nth(18)) {
        (Some("Z" | "X"), _) => Begun::Nothing,
        (_, Some(ticks)) => Begun::At(ticks.to_owned()),
        _ => Begun::Hidden,
    }
}

fn is_no_process(pid: u32) -> bool {
    let pid = i32::try_from(pid).map(Pid::from_raw);
    pid.is_ok_and(|pid| kill(pid, None) == Err(Errno::ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_until_it_has_ended_and_not_after() {
        assert!(Process::this().lives() && !Process::this().has_ended());
        assert_eq!(Process::this(), Process::this());
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let Begun::At(ticks) = begun(child.id()) else { panic!("it runs") };
        let life = format!("{} {} {ticks}", here().unwrap(), child.id());
        let other = Process { host: "h".into(), pid: child.id(), life };
        assert!(other.lives() && !other.has_ended());
        child.kill().unwrap();
        // What is left of it until somebody asks for its end is no process.
        let left = || matches!(begun(other.pid), Begun::Nothing);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !left() {
            assert!(std::time::Instant::now() < end, "it was killed");
            std::thread::yield_now();
        }
        assert!(other.has_ended() && !other.lives());
        child.wait().unwrap();
        assert!(other.has_ended() && !other.lives());
    }

    #[test]
    fn a_number_that_came_again_is_another_process_and_other_places_are_not_judged() {
        let us = Process::this();
        let (place, began) = us.life.rsplit_once(' ').unwrap();
        let before = Process { life: format!("{place} {began}0"), ..us.clone() };
        assert!(before.has_ended() && !before.lives());
        // Another start of the kernel, another namespace, another host, or who did not say.
        let of = |life: String| Process { life, ..us.clone() };
        for life in
            [us.life.replacen(|c: char| c.is_ascii_hexdigit(), "x", 1), us.life.replace("pid:[", "pid:[9")]
        {
            assert_ne!(life, us.life);
            let there = of(life);
            assert!(!there.has_ended() && !there.lives(), "{}", there.life);
        }
        let unknown = of(String::new());
        assert!(!unknown.has_ended() && !unknown.lives());
        assert_eq!(Begun::Hidden.is(began), None, "one that is hidden may be any");
        assert_eq!(Process::default().to_string(), "a process that did not say which");
    }
}
