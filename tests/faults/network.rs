//! Machines of the test: network namespaces that a bridge joins, and cables that can be pulled out at either end.
//!
//! Namespaces have no names and end with the test's process. Needs root.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;

/// Where the bridge, and with it the test's clients, are.
const OURS: &str = "10.77.0.254/24";

/// A machine on the bridge.
pub(crate) struct Machine {
    namespace: File,
    /// Its address, also when its cable is out: what is on the same machine still reaches it.
    pub(crate) address: Ipv4Addr,
    /// The bridge's end of its cable.
    port: String,
}

/// How a machine is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Far away: nobody is told anything, packets vanish.
    Far,
    /// At the machine itself, which is told of it with each packet that it sends.
    Near,
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().expect("ip of the Debian package iproute2");
    assert!(done.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn own_namespace() -> File {
    File::open("/proc/thread-self/ns/net").expect("every thread has one")
}

/// Moves this thread, and all that it will start, to where the bridge is.
pub(crate) fn build() {
    assert!(nix::unistd::geteuid().is_root(), "network namespaces need root: run the tests as root");
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may");
    ip(&["link", "set", "lo", "up"]);
    ip(&["link", "add", "br0", "type", "bridge"]);
    ip(&["addr", "add", OURS, "dev", "br0"]);
    ip(&["link", "set", "br0", "up"]);
}

impl Machine {
    /// Called by the thread that has called [`build`].
    pub(crate) fn plug_in(address: Ipv4Addr) -> Self {
        let namespace = std::thread::scope(|scope| {
            let make = || {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may");
                own_namespace()
            };
            scope.spawn(make).join().expect("a namespace")
        });
        let port = format!("port{}", address.octets()[3]);
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &path]);
        ip(&["link", "set", &port, "master", "br0", "up"]);
        let machine = Self { namespace, address, port };
        machine.ip(&["link", "set", "lo", "up"]);
        machine.ip(&["addr", "add", &format!("{address}/32"), "dev", "lo"]);
        machine.ip(&["addr", "add", &format!("{address}/24"), "dev", "eth0"]);
        machine.ip(&["link", "set", "eth0", "up"]);
        machine
    }

    /// Does something there. Threads and processes that are started by it stay there.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = || {
                nix::sched::setns(&self.namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may");
                work()
            };
            scope.spawn(there).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn ip(&self, args: &[&str]) {
        self.within(|| ip(args));
    }

    /// From all others.
    pub(crate) fn cut_off(&self, cut: Cut) {
        match cut {
            Cut::Far => ip(&["link", "set", &self.port, "nomaster"]),
            Cut::Near => self.ip(&["link", "set", "eth0", "down"]),
        }
    }

    /// Ends [`Self::cut_off`].
    pub(crate) fn reconnect(&self, cut: Cut) {
        match cut {
            Cut::Far => ip(&["link", "set", &self.port, "master", "br0"]),
            Cut::Near => self.ip(&["link", "set", "eth0", "up"]),
        }
    }

    /// Nothing that it sends to these reaches them; everybody else does not notice.
    pub(crate) fn block(&self, others: &[Ipv4Addr]) {
        others.iter().for_each(|to| self.ip(&["route", "add", "blackhole", &to.to_string()]));
    }

    /// Ends [`Self::block`].
    pub(crate) fn unblock(&self, others: &[Ipv4Addr]) {
        others.iter().for_each(|to| self.ip(&["route", "del", "blackhole", &to.to_string()]));
    }
}
