//! Who holds a port, and what to do about it: a taken port is the most common reason why a server does not start.
//!
//! It opens nothing. Linux tells the sockets of this network namespace in `/proc/net/{tcp,tcp6,udp,udp6}` and the files of each
//! process in `/proc/PID/fd` (proc(5)); of other users' processes only root sees those.

use crate::config::Host;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which of the two ports with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process and that one's name, where we may see them.
    pub process: Option<(u32, String)>,
    /// The user whose socket it is.
    pub uid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(f, "{name} (pid {pid})"),
            None => write!(f, "a process of user {} (`ss -lntup` as root shows which)", self.uid),
        }
    }
}

/// How often the tables are read before nobody has the port. The kernel hands them out a page at a time and finds its
/// place again by counting (`seq_file`), so a socket is passed over when one before it is closed meanwhile.
const LOOKS: usize = 5;

/// Who has the port that somebody would need to listen on `addr`.
pub fn who_holds(addr: SocketAddr, protocol: Protocol) -> Option<Holder> {
    let look = |family| {
        let table = fs::read_to_string(format!("/proc/net/{protocol}{family}")).ok()?;
        parse(&table, protocol).into_iter().find(|s| s.is_in_the_way_of(addr))
    };
    let socket = (0..LOOKS).find_map(|_| ["", "6"].into_iter().find_map(look))?;
    Some(Holder { process: process_with(socket.inode), uid: socket.uid })
}

/// Why `service` cannot listen on `addr` and what to do, as one sentence for an operator.
pub fn explain_bind_error(service: &str, protocol: Protocol, addr: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => match who_holds(addr, protocol) {
            Some(holder) => format!("the port is taken by {holder}; stop that, or choose another port"),
            None => "the port is taken; stop who has it, or choose another port".to_owned(),
        },
        io::ErrorKind::PermissionDenied if addr.port() < 1024 => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; start mozpool by its service unit or as root, \
             or give it the capability with `setcap cap_net_bind_service,cap_net_raw+ep /usr/bin/mozpool`, \
             or choose a port from 1024 up"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            let addresses: Vec<String> = Host::ask().addresses.iter().map(IpAddr::to_string).collect();
            let has = if addresses.is_empty() { "only loopback".to_owned() } else { addresses.join(", ") };
            format!("this host does not have that address; it has {has}; 0.0.0.0 stands for all")
        }
        _ => error.to_string(),
    };
    format!("{service} cannot listen on {protocol} {addr}: {why}")
}

/// A socket that listens (TCP) or receives (UDP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    uid: u32,
    inode: u64,
}

impl Socket {
    /// Two sockets cannot have the same port when one has any address, or both the same. Any IPv6 address takes in IPv4
    /// (`net.ipv6.bindv6only` is 0 nearly everywhere; what is wrongly named here did not keep anybody from binding).
    fn is_in_the_way_of(&self, addr: SocketAddr) -> bool {
        let (mine, other) = (self.local.ip().to_canonical(), addr.ip().to_canonical());
        let any_of = |any: IpAddr, ip: IpAddr| match any {
            IpAddr::V4(a) => a.is_unspecified() && ip.is_ipv4(),
            IpAddr::V6(a) => a.is_unspecified(),
        };
        self.local.port() == addr.port() && (mine == other || any_of(mine, other) || any_of(other, mine))
    }
}

/// Reads one of the four tables; lines that are not understood are left out.
fn parse(table: &str, protocol: Protocol) -> Vec<Socket> {
    table.lines().skip(1).filter_map(|line| parse_line(line, protocol)).collect()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn parse_line(line: &str, protocol: Protocol) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    let local = parse_address(fields.nth(1)?)?;
    let state = fields.nth(1)?;
    // TCP_LISTEN (include/net/tcp_states.h). UDP sockets that are connected hold their port like the others.
    if protocol == Protocol::Tcp && state != "0A" {
        return None;
    }
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Socket { local, uid, inode })
}

/// `0100007F:0035`: the address as words of four bytes, each printed as a number of this machine, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (at, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(at)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The first process that has this socket open, as far as we may look.
fn process_with(inode: u64) -> Option<(u32, String)> {
    let link = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else { continue };
        let is_it =
            |path: &fs::DirEntry| fs::read_link(path.path()).is_ok_and(|l| l.as_os_str() == link.as_str());
        if files.flatten().any(|file| is_it(&file)) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            // A process chooses its name itself, control characters included.
            return Some((pid, name.trim_end().escape_default().to_string()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_tables_are_read() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 50521 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 50600 1 0000000000000000 20 4 30 10 -1
   2: 0500010A:0050 00000000:0000 0A rubbish
   3: 0500010:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 1 1\n";
        let listening = Socket { local: addr("127.0.0.1:8080"), uid: 1000, inode: 50521 };
        assert_eq!(parse(tcp, Protocol::Tcp), [listening]);
        let udp6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 3071: 000080FE00000000FF005450090E0BFE:0045 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7 2 0 0\n";
        let link_local = Socket { local: addr("[fe80::5054:ff:fe0b:e09]:69"), uid: 0, inode: 7 };
        assert_eq!(parse(udp6, Protocol::Udp), [link_local]);
        assert_eq!(parse("", Protocol::Udp), []);
    }

    #[test]
    fn any_address_is_in_the_way_of_each_and_the_other_way_round() {
        let conflict =
            |a: &str, b: &str| Socket { local: addr(a), uid: 0, inode: 0 }.is_in_the_way_of(addr(b));
        for (a, b, want) in [
            ("127.0.0.1:69", "127.0.0.1:69", true),
            ("127.0.0.1:69", "127.0.0.1:70", false),
            ("127.0.0.1:69", "127.0.0.2:69", false),
            ("0.0.0.0:69", "127.0.0.1:69", true),
            ("127.0.0.1:69", "0.0.0.0:69", true),
            ("[::]:69", "127.0.0.1:69", true),
            ("[::1]:69", "0.0.0.0:69", false),
            ("[::ffff:127.0.0.1]:69", "127.0.0.1:69", true),
        ] {
            assert_eq!(conflict(a, b), want, "{a} {b}");
            assert_eq!(conflict(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn a_taken_port_says_which_and_who() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let me = std::process::id();
        for (protocol, at) in
            [(Protocol::Tcp, tcp.local_addr().unwrap()), (Protocol::Udp, udp.local_addr().unwrap())]
        {
            let holder = who_holds(at, protocol).expect("somebody has it");
            assert_eq!(holder.process.as_ref().map(|(pid, _)| *pid), Some(me));
            let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), at.port());
            assert_eq!(who_holds(any, protocol), Some(holder.clone()));

            let error = match protocol {
                Protocol::Tcp => TcpListener::bind(at).unwrap_err(),
                Protocol::Udp => UdpSocket::bind(at).unwrap_err(),
            };
            assert_eq!(
                explain_bind_error("tftp", protocol, at, &error),
                format!(
                    "tftp cannot listen on {protocol} {at}: the port is taken by {holder}; \
                     stop that, or choose another port"
                )
            );
        }
        let free = tcp.local_addr().unwrap();
        drop(tcp);
        assert_eq!(who_holds(free, Protocol::Tcp), None);
    }

    #[test]
    fn what_else_may_be_wrong_has_its_remedy() {
        let foreign = addr("192.0.2.1:8080");
        let error = TcpListener::bind(foreign).unwrap_err();
        let text = explain_bind_error("the API", Protocol::Tcp, foreign, &error);
        assert!(
            text.starts_with(
                "the API cannot listen on tcp 192.0.2.1:8080: this host does not have that address; it has "
            ),
            "{text}"
        );
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = explain_bind_error("tftp", Protocol::Udp, addr("0.0.0.0:69"), &denied);
        assert!(
            text.contains("CAP_NET_BIND_SERVICE") && text.ends_with("or choose a port from 1024 up"),
            "{text}"
        );
        let text = explain_bind_error("tftp", Protocol::Udp, addr("0.0.0.0:6969"), &denied);
        assert_eq!(text, "tftp cannot listen on udp 0.0.0.0:6969: permission denied");
    }
}
