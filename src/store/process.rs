//! Which process somebody is, so that another one can say whether it has ended.
//!
//! Numbers of processes come again, hosts are copied, and a container has numbers of its own. So a process is known by the start of
//! its kernel (`boot_id`), the namespace that its number counts in, the number, and when it began in ticks of that kernel
//! (proc_pid_stat(5), field 22). Only one of the same kernel and namespace can be judged; of others nothing is said.

use std::io::ErrorKind;

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
        let life = here().zip(begun(pid)).map(|(here, begun)| format!("{here} {pid} {begun}"));
        Self { host, pid, life: life.unwrap_or_default() }
    }

    /// It is known to have ended. False: it lives, or nobody can say from here.
    pub fn has_ended(&self) -> bool {
        self.is_seen_from_here() && self.began() != begun(self.pid).as_deref()
    }

    /// It is known to live: it may hang, and it has not ended.
    pub fn lives(&self) -> bool {
        self.is_seen_from_here() && !self.has_ended()
    }

    fn is_seen_from_here(&self) -> bool {
        let place = self.life.rsplitn(3, ' ').nth(2);
        place.is_some_and(|place| here().is_some_and(|here| here == place))
    }

    fn began(&self) -> Option<&str> {
        self.life.rsplit(' ').next()
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

/// When a process began; nothing when there is none, or only what is left of it. One that cannot be looked at is taken to live.
fn begun(pid: u32) -> Option<String> {
    let stat = match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        Err(_) => return Some(String::new()),
    };
    // The name stands in brackets and may hold anything: fields are counted behind the last one. The first is the state.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then_some(())?;
    fields.nth(18).map(str::to_owned)
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
        let life = format!("{} {} {}", here().unwrap(), child.id(), begun(child.id()).unwrap());
        let other = Process { host: "h".into(), pid: child.id(), life };
        assert!(other.lives() && !other.has_ended());
        child.kill().unwrap();
        // What is left of it until somebody asks for its end is no process.
        let left = || begun(other.pid).is_none();
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
        assert_eq!(Process::default().to_string(), "a process that did not say which");
    }
}
