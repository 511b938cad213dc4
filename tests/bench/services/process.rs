//! A server as a child of ours: started, watched while it works, ended with all that it has started.
//!
//! It refuses to know what the server serves. What a server uses is counted for the whole tree of its processes, because some
//! start one for each transfer: processor time from /proc/PID/stat, that of ended children included, and resident memory as a
//! sum, in which pages that processes share count once for each.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take for its orderly end before it is killed.
const END_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a server that ends.
const LOOK: Duration = Duration::from_millis(2);
/// Between two looks at a server's memory: rare enough to cost nothing, often enough for runs of seconds.
const SAMPLE: Duration = Duration::from_millis(100);

/// What a tree of processes has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system, of all processes, those that have ended included.
    pub(crate) cpu_s: f64,
    /// The most resident memory that was seen, summed over the processes.
    pub(crate) peak_mb: f64,
}

/// A running server; killed with its children when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it as leader of a process group of its own. What it prints goes into the file `log`.
    ///
    /// # Errors
    /// The program cannot be started, or the file not made.
    pub(crate) fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().map_err(|e| {
            io::Error::other(format!("{} cannot be started: {e}", command.get_program().display()))
        })?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Looks until `ready` says yes.
    ///
    /// # Errors
    /// The server ends before, with the end of what it printed, or is not ready within `limit`.
    pub(crate) fn wait_ready(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> io::Result<bool>,
    ) -> io::Result<()> {
        let begun = Instant::now();
        while !ready()? {
            if let Some(status) = self.ended()? {
                let said = self.said();
                return Err(io::Error::other(format!("the server ended at its start ({status}): {said}")));
            }
            if begun.elapsed() > limit {
                let said = self.said();
                return Err(io::Error::other(format!("the server is not ready after {limit:?}: {said}")));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Its process, the root of the tree.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it has printed.
    fn said(&self) -> String {
        const LAST: usize = 600;
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(LAST)..]).trim().to_owned()
    }

    /// Begins to watch what it uses.
    pub(crate) fn watch(&self) -> Watch {
        let (pid, (stop, stopped)) = (self.pid(), channel());
        let before = cpu_of_tree(pid);
        let thread = std::thread::spawn(move || sample(pid, &stopped));
        Watch { pid, before, stop, thread }
    }

    /// Asks it to end by SIGTERM and waits, then kills what is left. Returns how long its orderly end took; `None`: it had to be
    /// killed.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn end(mut self) -> io::Result<Option<Duration>> {
        let begun = Instant::now();
        self.signal(Signal::SIGTERM);
        while begun.elapsed() < END_LIMIT {
            if self.child.try_wait()?.is_some() {
                return Ok(Some(begun.elapsed()));
            }
            std::thread::sleep(LOOK);
        }
        Ok(None)
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may be gone already.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A server that is being watched.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: u32,
    before: f64,
    stop: Sender<()>,
    thread: JoinHandle<f64>,
}

impl Watch {
    /// What the server has used since the watch began; zeros for one that is gone.
    pub(crate) fn finish(self) -> Usage {
        let cpu_s = (cpu_of_tree(self.pid) - self.before).max(0.0);
        // The other end hears of it either way.
        let _ = self.stop.send(());
        let peak_mb = self.thread.join().unwrap_or_default();
        Usage { cpu_s, peak_mb }
    }
}

/// The most memory in MiB until it is told to stop.
fn sample(root: u32, stopped: &Receiver<()>) -> f64 {
    let mut peak = 0.0_f64;
    loop {
        let last = stopped.recv_timeout(SAMPLE) != Err(RecvTimeoutError::Timeout);
        let pids = tree(root);
        // A single process has its peak from the kernel, which misses nothing.
        let key = if pids.len() == 1 { "VmHWM:" } else { "VmRSS:" };
        peak = peak.max(pids.iter().map(|pid| status_mb(*pid, key)).sum());
        if last {
            return peak;
        }
    }
}

/// The process and all its living descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut pids = vec![root];
    let mut next = 0;
    while let Some(&pid) = pids.get(next) {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    pids
}

fn cpu_of_tree(root: u32) -> f64 {
    tree(root).into_iter().map(cpu_s).sum()
}

/// Processor time of a process and of those children of it that have ended and were waited for, in seconds (proc(5)).
fn cpu_s(pid: u32) -> f64 {
    /// Linux counts in hundredths of a second for programs, whatever the kernel's own ticks are.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may hold anything; the fields after it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n - 3).and_then(|t| t.parse::<f64>().ok()).unwrap_or_default();
    let (own, children) = (ticks(14) + ticks(15), ticks(16) + ticks(17));
    // A hundred processes with less than a tick each are not nothing: the scheduler knows it in nanoseconds, by thread.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds: f64 = threads
        .filter_map(|t| {
            let text = std::fs::read_to_string(t.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        })
        .sum();
    (own / TICKS_A_SECOND).max(nanoseconds / 1e9) + children / TICKS_A_SECOND
}

fn status_mb(pid: u32, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
