//! The limits of a server, each with the reason for its number.
//! It refuses to know how they are set: the program that embeds the server has its own configuration.

use crate::batch::Batching;
use crate::options::{BLKSIZE, Most};
use crate::timing::Timing;
use nix::fcntl::FcntlArg;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, RawFd};

/// Descriptors that a process needs besides those of its transfers.
const OTHER_FILES: u64 = 256;
/// UDP header, and the header of a DATA packet.
const UDP_AND_TFTP: u16 = 8 + 4;

/// What a server grants and bears.
#[derive(Debug, Clone)]
pub struct Config {
    /// Largest IP packet that travels to clients in one piece, in bytes. No block is granted that would be cut up
    /// on the way: many boot ROMs cannot put fragments together, and one lost piece loses the whole block. 1,500
    /// is Ethernet's, and gives blocks of 1,468 bytes (1,448 over IPv6).
    pub mtu: u16,
    /// Most blocks in flight. 64 blocks of 1,468 bytes fit the send and receive buffers that Linux gives a socket
    /// by default (208 KiB, with the bookkeeping of each packet); beyond 16 there is little to win in a LAN.
    pub max_windowsize: u16,
    /// Most transfers at once. Twice what the largest pool has in boards, each with a file; a transfer costs about
    /// a kilobyte and two descriptors.
    pub max_transfers: usize,
    /// Most transfers at once with one client address. A boot loader has one or two; boards behind one address
    /// (NAT, user-mode networking) have as many each.
    pub max_transfers_per_address: usize,
    /// Receive buffer of a request socket in bytes. Power comes back to a rack and a thousand boards ask within
    /// the same second; Linux charges about 1 KiB for a small packet, so this holds some 4,000 requests. What does
    /// not fit costs each of those boards a second or more. Without CAP_NET_ADMIN `net.core.rmem_max` limits it.
    pub receive_buffer: usize,
    /// Answer from the port that was asked instead of a new one for each transfer, for firewalls that let nothing else
    /// through. RFC 1350 section 4 has it otherwise: a client's port then has one transfer at a time, a client that has
    /// closed its port is noticed only by its silence, all transfers share one send buffer, and who can forge addresses
    /// knows the port that ACKs must go to, so he can have files sent to others.
    pub single_port: bool,
    /// How windows are sent. Other than the best is for kernels and networks with a fault.
    pub batching: Batching,
    /// When packets are repeated and transfers given up.
    pub timing: Timing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mtu: 1500,
            max_windowsize: 64,
            max_transfers: 2048,
            max_transfers_per_address: 64,
            receive_buffer: 4 << 20,
            single_port: false,
            batching: Batching::default(),
            timing: Timing::default(),
        }
    }
}

impl Config {
    /// The most that is granted to a client at this address.
    pub(crate) fn most(&self, peer: IpAddr) -> Most {
        let ip_header: u16 = if peer.is_ipv4() { 20 } else { 40 };
        let room = self.mtu.saturating_sub(ip_header + UDP_AND_TFTP);
        let room = u64::from(room).clamp(*BLKSIZE.start(), *BLKSIZE.end());
        Most {
            blksize: u16::try_from(room).expect("the range of blksize fits"),
            // Half the range of block numbers: more would make old and new ACKs look alike.
            windowsize: self.max_windowsize.clamp(1, 0x7fff),
        }
    }

    /// Raises this process's soft limit of open files so that [`Self::max_transfers`] fit, as far as the hard limit
    /// goes. Returns the limit now in force. systemd starts services with 1,024, too few for 2,048 transfers;
    /// a server that runs out answers "busy".
    ///
    /// # Errors
    /// Those of getrlimit(2) and setrlimit(2).
    pub fn raise_open_files(&self) -> io::Result<u64> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let need = OTHER_FILES + 2 * self.max_transfers as u64;
        let want = need.min(hard);
        if soft >= want {
            return Ok(soft);
        }
        setrlimit(Resource::RLIMIT_NOFILE, want, hard)?;
        Ok(want)
    }

    /// Makes the kernel's table of this process's descriptors as large as it may become, as far as the limit in force
    /// goes. It doubles when it is full, and in a process with several threads each time waits until the kernel is sure
    /// that nobody reads the old one (RCU): 10 to 20 ms in which nobody is answered, in the middle of a storm.
    ///
    /// # Errors
    /// Those of fcntl(2), F_DUPFD. The table then grows as it is needed.
    pub(crate) fn reserve_descriptors(&self, any: impl AsFd) -> io::Result<()> {
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let last = (OTHER_FILES + 2 * self.max_transfers as u64).min(soft).saturating_sub(1);
        let last = RawFd::try_from(last).map_err(io::Error::other)?;
        let copy = nix::fcntl::fcntl(any, FcntlArg::F_DUPFD_CLOEXEC(last))?;
        Ok(nix::unistd::close(copy)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fit_one_packet() {
        let blksize = |mtu, ip: &str| Config { mtu, ..Config::default() }.most(ip.parse().unwrap()).blksize;
        assert_eq!(blksize(1500, "10.0.0.1"), 1468);
        assert_eq!(blksize(1500, "fd00::1"), 1448);
        assert_eq!(blksize(9000, "10.0.0.1"), 8968);
        assert_eq!(blksize(65535, "127.0.0.1"), 65464);
        assert_eq!(blksize(0, "10.0.0.1"), 8);
    }

    #[test]
    fn open_files_are_raised_as_far_as_they_may() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let now = Config::default().raise_open_files().unwrap();
        assert!(now >= 4352.min(hard), "{now}");
        assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 >= now);
        assert!(
            Config { max_transfers: 1, ..Config::default() }.raise_open_files().unwrap() >= now,
            "never lowered"
        );
    }
    /// What /proc/self/status says of the table of descriptors.
    fn table_size() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        line.trim().parse().unwrap()
    }

    #[test]
    fn the_table_of_descriptors_has_room_before_the_first_request() {
        let config = Config { max_transfers: 300, ..Config::default() };
        config.raise_open_files().unwrap();
        config.reserve_descriptors(std::io::stderr()).unwrap();
        assert!(table_size() >= 856, "{}", table_size());
    }
}
