//! A program of the admin's, run once: no shell, next to no environment, bounded output, and over when its time is.
//!
//! It knows nothing of power. The program leads a process group of its own, and that ends as a whole: at the time limit, and
//! when the program has ended, so that nothing of it is left behind. Waiting needs no polling: a thread waits for the program
//! without collecting it, so that its number, which is the group's, cannot be another's when the group is killed.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What is kept of each of its two outputs, in bytes: an answer is a word, a complaint a few lines. The rest is read and
/// forgotten.
const OUTPUT_MAX: usize = 4096;
/// Where it finds other programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a killed program may take to be gone. One that hangs in the kernel is left to its thread.
const GONE_LIMIT: Duration = Duration::from_secs(2);

/// A program that has ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why there is no such end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotRun {
    /// It did not start.
    Start(ErrorKind),
    /// Its time was up, and it was killed.
    TimedOut,
    /// The system.
    System(ErrorKind),
}

/// Runs it until it ends, at most until `limit`.
pub(super) fn run(program: &Path, arguments: &[&str], limit: Instant) -> Result<Ran, NotRun> {
    let system = |e: io::Error| NotRun::System(e.kind());
    let (mut ended, end) = UnixStream::pair().map_err(system)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", PATH), ("LC_ALL", "C"), ("HOME", "/")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| NotRun::Start(e.kind()))?;
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process's number is a pid_t"));
    let (mut stdout, mut stderr) = (Output::of(child.stdout.take()), Output::of(child.stderr.take()));
    let (collect, may_collect) = sync_channel::<()>(0);
    let collected = wait_for(child, group, end, may_collect).map_err(|e| {
        let _ = killpg(group, Signal::SIGKILL);
        system(e)
    })?;
    let result = listen(&mut ended, &mut stdout, &mut stderr, limit);
    // Not collected yet, whatever happened: the number is still this group's.
    let _ = killpg(group, Signal::SIGKILL);
    let gone = listen(&mut ended, &mut stdout, &mut stderr, Instant::now() + GONE_LIMIT);
    drop(collect);
    result.and(gone)?;
    let status = collected.recv_timeout(GONE_LIMIT).map_err(|_| NotRun::System(ErrorKind::TimedOut))?;
    Ok(Ran { status: status.map_err(system)?, stdout: stdout.kept, stderr: stderr.kept })
}

/// The thread that waits: `end` is closed when the program has ended; it is collected when nobody needs its number any more.
fn wait_for(
    mut child: Child,
    group: Pid,
    end: UnixStream,
    may_collect: Receiver<()>,
) -> io::Result<Receiver<io::Result<ExitStatus>>> {
    let (collected, status): (SyncSender<_>, _) = sync_channel(1);
    thread::Builder::new().name("power-program".into()).spawn(move || {
        while waitid(Id::Pid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        drop(end);
        // Nothing is ever sent: the other end's end says that it may be collected.
        let _ = may_collect.recv();
        let _ = collected.send(child.wait());
    })?;
    Ok(status)
}

/// Reads what it says until it has ended, or the time is up.
fn listen(
    ended: &mut UnixStream,
    stdout: &mut Output,
    stderr: &mut Output,
    limit: Instant,
) -> Result<(), NotRun> {
    loop {
        let left = limit.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NotRun::TimedOut);
        }
        let mut fds = vec![PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        let outputs = [stdout.pipe.as_ref(), stderr.pipe.as_ref()];
        fds.extend(outputs.into_iter().flatten().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        // Rounded up: waiting the last part of a millisecond with a zero would be a busy loop.
        let timeout = PollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(NotRun::System(io::Error::from(error).kind())),
        }
        // Looked at first: what it said before its end has come by then.
        let over = fds[0].any().unwrap_or(false);
        stdout.take_in();
        stderr.take_in();
        if over {
            return Ok(());
        }
    }
}

/// One of its outputs.
struct Output {
    /// `None` once it is closed.
    pipe: Option<Box<dyn Pipe>>,
    kept: Vec<u8>,
}

/// `ChildStdout` or `ChildStderr`.
trait Pipe: Read + AsFd + Send {}
impl<P: Read + AsFd + Send> Pipe for P {}

impl Output {
    fn of<P: Pipe + 'static>(pipe: Option<P>) -> Self {
        // One that would block could hold us up beyond the limit.
        let pipe = pipe.filter(|p| fcntl(p, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok());
        Self { pipe: pipe.map(|p| Box::new(p) as Box<dyn Pipe>), kept: Vec::new() }
    }

    /// Everything that lies there now, at most a pipe's worth: who writes without end must not hold us up.
    fn take_in(&mut self) {
        let mut bytes = [0; 4096];
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut bytes) {
                Ok(0) => self.pipe = None,
                Ok(n) => {
                    let room = OUTPUT_MAX - self.kept.len();
                    self.kept.extend_from_slice(&bytes[..n.min(room)]);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}
