//! One TCP connection to a relay board: a command out, its reply in, all before one deadline.
//!
//! Blocking, for a worker thread; no thread of its own, no retry, no idea of power. Facts: the Ethernet module
//! serves one connection at a time (ProXR hardware notes), so dropping a [`RelayBoard`] is part of every operation.

use crate::error::Fault;
use crate::packet::{Framing, MAX_REPLY};
use crate::power::{Failure, left};
use crate::proxr::{Command, Reply, ReplyError};
use crate::resolve::resolve;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// An open connection. Closed by dropping it.
#[derive(Debug)]
pub struct RelayBoard {
    stream: TcpStream,
    peer: SocketAddr,
    framing: Framing,
}

impl RelayBoard {
    /// Looks the name up and connects to the first of its addresses that answers.
    ///
    /// # Errors
    /// The last address's [`Fault`], never later than the deadline.
    pub fn connect(host: &str, port: u16, deadline: Instant) -> Result<Self, Fault> {
        let addresses = resolve(host, port, deadline)?;
        let mut last = Fault::UnknownHost;
        for (tried, address) in addresses.iter().enumerate() {
            // A fair share each, so that one dead address does not take the time of the next.
            let shares = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match Self::connect_to(*address, Instant::now() + left(deadline)? / shares) {
                Ok(board) => return Ok(board),
                Err(fault) => {
                    log::debug!("relay board {host} at {address}: {fault}");
                    last = fault;
                }
            }
        }
        Err(last)
    }

    /// Connects to an address.
    ///
    /// # Errors
    /// [`Fault`], never later than the deadline.
    pub fn connect_to(address: SocketAddr, deadline: Instant) -> Result<Self, Fault> {
        let io = |e: std::io::Error| Fault::from_io(e.kind());
        let stream = TcpStream::connect_timeout(&address, left(deadline)?).map_err(io)?;
        // Three bytes at a time: waiting for more to send with them would only add a delay.
        stream.set_nodelay(true).map_err(io)?;
        Ok(Self { stream, peer: address, framing: Framing::default() })
    }

    /// The same connection with commands that travel in this way.
    #[must_use]
    pub fn speaking(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// Where this connection goes.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Sends a command and reads its whole reply, however it is cut into packets.
    ///
    /// # Errors
    /// [`Failure`], never later than the deadline.
    pub fn exchange(&mut self, command: Command, deadline: Instant) -> Result<Reply, Failure<Fault>> {
        let unsent = |fault| Failure { fault, sent: false };
        self.listen_first().map_err(unsent)?;
        let timeout = left(deadline).map_err(|refusal| unsent(refusal.into()))?;
        let bytes = self.framing.encode(command);
        self.stream.set_write_timeout(Some(timeout)).map_err(|e| unsent(Fault::from_io(e.kind())))?;
        log::debug!("-> {}", Hex(&bytes));
        let sent = |fault| Failure { fault, sent: true };
        self.stream.write_all(&bytes).map_err(|e| sent(Fault::from_io(e.kind())))?;
        self.read_reply(command, deadline).map_err(sent)
    }

    /// Before a command the line must be silent and open: a late byte would be taken for its reply.
    fn listen_first(&mut self) -> Result<(), Fault> {
        let io = |e: std::io::Error| Fault::from_io(e.kind());
        self.stream.set_nonblocking(true).map_err(io)?;
        let mut stray = [0];
        let heard = self.stream.read(&mut stray);
        self.stream.set_nonblocking(false).map_err(io)?;
        match heard {
            Ok(0) => Err(Fault::Closed),
            Ok(_) => Err(Fault::WrongReply(ReplyError::Extra { extra: stray[0] })),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(e) => Err(io(e)),
        }
    }

    fn read_reply(&mut self, command: Command, deadline: Instant) -> Result<Reply, Fault> {
        // One byte more than any reply has, to see a byte too many.
        let mut buffer = [0; MAX_REPLY + 1];
        let mut len = 0;
        loop {
            let short =
                |fault| if len == 0 { fault } else { Fault::ShortReply { got: buffer[..len].to_vec() } };
            let timeout = left(deadline).map_err(|refusal| short(refusal.into()))?;
            self.stream.set_read_timeout(Some(timeout)).map_err(|e| Fault::from_io(e.kind()))?;
            let mut more = [0; MAX_REPLY + 1];
            let room = more.len() - len;
            match self.stream.read(&mut more[..room]) {
                Ok(0) => return Err(short(Fault::Closed)),
                Ok(n) => {
                    log::debug!("<- {}", Hex(&more[..n]));
                    buffer[len..len + n].copy_from_slice(&more[..n]);
                    len += n;
                }
                // A signal; the deadline is looked at again above.
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(short(Fault::from_io(e.kind()))),
            }
            // An incomplete reply is shorter than MAX_REPLY, so there is always room for the rest.
            if let Some(reply) = self.framing.reply(command, &buffer[..len]).map_err(Fault::WrongReply)? {
                return Ok(reply);
            }
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, b)| write!(f, "{}{b:02X}", if i == 0 { "" } else { " " }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn nothing_is_sent_on_a_line_that_is_out_of_step_or_closed() {
        let deadline = Instant::now() + Duration::from_secs(20);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut board = RelayBoard::connect_to(listener.local_addr().unwrap(), deadline).unwrap();
        let (mut peer, _) = listener.accept().unwrap();

        peer.write_all(&[1]).unwrap();
        board.stream.peek(&mut [0]).expect("waits until the byte has come");
        let fault = Fault::WrongReply(ReplyError::Extra { extra: 1 });
        assert_eq!(board.exchange(Command::TwoWayTest, deadline), Err(Failure { fault, sent: false }));

        peer.shutdown(std::net::Shutdown::Write).unwrap();
        board.stream.peek(&mut [0]).expect("waits until the end has come");
        let closed = Failure { fault: Fault::Closed, sent: false };
        assert_eq!(board.exchange(Command::TwoWayTest, deadline), Err(closed));
        drop(board);
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0, "not a byte came");
    }
}
