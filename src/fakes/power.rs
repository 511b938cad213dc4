//! A board's power supply as the board sees it: a wire that says "on" and "off", and ends when the board is taken out of the rack.
//!
//! Changes come as bytes through a socket pair, in order and one at a time, so that a short cut is never overlooked. Every wait of
//! a board is a wait on this wire, too.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use relayctl::PowerState;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const ON: u8 = b'1';
const OFF: u8 = b'0';

/// Why a board stops whatever it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// The power is gone.
    PowerLost,
    /// The board was taken out of the rack.
    Unplugged,
}

/// The end of the wire at the relay.
#[derive(Debug)]
pub struct Feed(UnixStream);

/// The end of the wire at the board.
#[derive(Debug)]
pub struct PowerLine(UnixStream);

/// A wire without power on it.
///
/// # Errors
/// The system has no sockets left.
pub fn wire() -> io::Result<(Feed, PowerLine)> {
    let (relay, board) = UnixStream::pair()?;
    relay.set_nonblocking(true)?;
    board.set_nonblocking(true)?;
    Ok((Feed(relay), PowerLine(board)))
}

impl Feed {
    /// Switches. A board that has gone needs no power, and one that has not looked for thousands of changes has missed nothing
    /// that another one would tell it.
    pub fn set(&self, power: PowerState) {
        let byte = match power {
            PowerState::On => ON,
            PowerState::Off => OFF,
        };
        let _ = (&self.0).write(&[byte]);
    }
}

impl PowerLine {
    /// Waits until power comes.
    ///
    /// # Errors
    /// [`Interrupted::Unplugged`].
    pub fn wait_until_on(&mut self) -> Result<(), Interrupted> {
        loop {
            match self.next()? {
                Some(PowerState::On) => return Ok(()),
                Some(PowerState::Off) => {}
                None => self.poll(None, None)?,
            }
        }
    }

    /// Whether power is still there, without waiting.
    ///
    /// # Errors
    /// See [`Interrupted`].
    pub fn look(&mut self) -> Result<(), Interrupted> {
        while let Some(power) = self.next()? {
            if power == PowerState::Off {
                return Err(Interrupted::PowerLost);
            }
        }
        Ok(())
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// See [`Interrupted`].
    pub fn wait(&mut self, time: Duration) -> Result<(), Interrupted> {
        let until = Instant::now() + time;
        loop {
            self.look()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.poll(None, Some(left))?;
        }
    }

    /// Waits until `other` can be read.
    ///
    /// # Errors
    /// See [`Interrupted`].
    pub fn wait_readable(&mut self, other: BorrowedFd<'_>) -> Result<(), Interrupted> {
        loop {
            self.look()?;
            if self.poll_other(Some(other), None)? {
                return Ok(());
            }
        }
    }

    /// Does nothing more until power is cut: the only end of a hung board.
    pub fn hang(&mut self) -> Interrupted {
        loop {
            if let Err(end) = self.look().and_then(|()| self.poll(None, None)) {
                return end;
            }
        }
    }

    fn next(&mut self) -> Result<Option<PowerState>, Interrupted> {
        let mut byte = [0];
        loop {
            return match self.0.read(&mut byte) {
                Ok(1) if byte == [ON] => Ok(Some(PowerState::On)),
                Ok(1) => Ok(Some(PowerState::Off)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => Err(Interrupted::Unplugged),
            };
        }
    }

    fn poll(&self, other: Option<BorrowedFd<'_>>, limit: Option<Duration>) -> Result<(), Interrupted> {
        self.poll_other(other, limit).map(|_| ())
    }

    /// Waits until the wire or `other` can be read, or the time is up; true when it is `other`.
    fn poll_other(
        &self,
        other: Option<BorrowedFd<'_>>,
        limit: Option<Duration>,
    ) -> Result<bool, Interrupted> {
        let timeout = match limit {
            None => PollTimeout::NONE,
            // Rounded up: waiting the last part of a millisecond with a zero would be a busy loop.
            Some(limit) => {
                PollTimeout::try_from(limit.as_millis().saturating_add(1)).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds = vec![PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        fds.extend(other.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) => Ok(fds.get(1).and_then(PollFd::any).unwrap_or(false)),
            Err(Errno::EINTR) => Ok(false),
            // Out of memory is all that is left; a board that cannot wait must not spin.
            Err(_) => Err(Interrupted::Unplugged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_short_cut_is_noticed_even_when_power_is_back() {
        let (feed, mut line) = wire().unwrap();
        feed.set(PowerState::On);
        line.wait_until_on().unwrap();
        assert_eq!(line.look(), Ok(()));
        feed.set(PowerState::Off);
        feed.set(PowerState::On);
        assert_eq!(line.look(), Err(Interrupted::PowerLost));
        line.wait_until_on().unwrap();
        assert_eq!(line.look(), Ok(()));
    }

    #[test]
    fn every_wait_ends_with_the_power() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let waits: [fn(&mut PowerLine, BorrowedFd<'_>) -> Interrupted; 3] = [
            |line, _| line.hang(),
            |line, _| line.wait(Duration::from_secs(600)).unwrap_err(),
            |line, fd| line.wait_readable(fd).unwrap_err(),
        ];
        for wait in waits {
            let (feed, mut line) = wire().unwrap();
            feed.set(PowerState::On);
            line.wait_until_on().unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| wait(&mut line, listener.as_fd()));
                feed.set(PowerState::Off);
                assert_eq!(waiting.join().unwrap(), Interrupted::PowerLost);
            });
            drop(feed);
            assert_eq!(line.wait_until_on(), Err(Interrupted::Unplugged));
        }
    }

    #[test]
    fn a_wait_takes_its_time_and_a_readable_socket_ends_one() {
        let (feed, mut line) = wire().unwrap();
        feed.set(PowerState::On);
        line.wait_until_on().unwrap();
        let before = Instant::now();
        line.wait(Duration::from_millis(20)).unwrap();
        assert!(before.elapsed() >= Duration::from_millis(20));
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        theirs.write_all(b"x").unwrap();
        assert_eq!(line.wait_readable(ours.as_fd()), Ok(()));
    }
}
