//! A Galera cluster of a test's own: nodes that are servers as the others here, on free ports of the loopback interface, or each on
//! a machine of its own that the test makes.

use super::{Server, install, recovered, take_over};
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
/// A partition is noticed in two seconds instead of five.
const HASTY: &str = "gcache.size=16M;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S;\
                     evs.inactive_check_period=PT0.5S";
/// What docs/database.md says.
const DOCUMENTED: &str = "evs.suspect_timeout=PT3S;evs.inactive_timeout=PT8S";

/// One node's place and ports.
pub struct Node {
    /// Its files.
    pub folder: PathBuf,
    /// Where it listens.
    pub host: Ipv4Addr,
    pub port: u16,
    options: Vec<String>,
}

/// Where a node listens: for clients, for the group, for what it has missed, and for everything.
struct Ports {
    clients: u16,
    group: u16,
    increment: u16,
    state: u16,
}

/// Nodes that have one another's addresses; none runs. The first one has files, which the others will get from it.
pub fn nodes(count: usize) -> Vec<Node> {
    let port = |_| {
        let [clients, group, increment, state] = std::array::from_fn(|_| free_port());
        (Ipv4Addr::LOCALHOST, Ports { clients, group, increment, state })
    };
    make((0..count).map(port).collect(), HASTY)
}

/// The same, each on its own machine with the usual ports, with the settings that docs/database.md asks for and no others.
pub fn nodes_at(hosts: &[Ipv4Addr]) -> Vec<Node> {
    let usual = || Ports { clients: 3306, group: 4567, increment: 4568, state: 4444 };
    let mut nodes = make(hosts.iter().map(|host| (*host, usual())).collect(), DOCUMENTED);
    nodes.iter_mut().for_each(|n| n.options.push("--max-connections=500".into()));
    nodes
}

fn make(places: Vec<(Ipv4Addr, Ports)>, provider: &str) -> Vec<Node> {
    let members: Vec<_> = places.iter().map(|(host, ports)| format!("{host}:{}", ports.group)).collect();
    let node = |(n, (host, ports)): (usize, (Ipv4Addr, Ports))| {
        let folder = tempfile::tempdir().expect("it can be made").keep();
        fs::create_dir(folder.join("data")).expect("it can be made");
        take_over(&folder);
        if n == 0 {
            install(&folder);
        }
        let options = vec![
            format!("--port={}", ports.clients),
            format!("--bind-address={host}"),
            "--binlog-format=ROW".into(),
            "--innodb-autoinc-lock-mode=2".into(),
            "--wsrep-on=ON".into(),
            format!("--wsrep-provider={PROVIDER}"),
            format!("--wsrep-cluster-address=gcomm://{}", members.join(",")),
            format!("--wsrep-node-name=n{n}"),
            format!("--wsrep-node-address={host}"),
            "--wsrep-sst-method=rsync".into(),
            format!("--wsrep-sst-receive-address={host}:{}", ports.state),
            format!(
                "--wsrep-provider-options=gmcast.listen_addr=tcp://{host}:{};ist.recv_addr={host}:{};{provider}",
                ports.group, ports.increment
            ),
        ];
        Node { folder, host, port: ports.clients, options }
    };
    places.into_iter().enumerate().map(node).collect()
}

impl Node {
    /// Starts it as the first one of a new cluster.
    pub fn found(&self) -> Server {
        let options = [&["--wsrep-new-cluster".to_owned()], &self.options[..]].concat();
        Server::launch(self.folder.clone(), &options)
    }

    /// Starts it with files that have never been used, or have been stopped in order.
    pub fn join(&self) -> Server {
        Server::launch(self.folder.clone(), &self.options)
    }

    /// Starts it after a crash, as Debian's unit does: it says first how far it had come, so that it is sent only what it missed.
    pub fn rejoin(&self) -> Server {
        let mut options = self.options.clone();
        options.push(format!("--wsrep-start-position={}", recovered(&self.folder, &self.options)));
        Server::launch(self.folder.clone(), &options)
    }
}

/// Waits until it works in a cluster of so many.
pub fn wait_for_size(server: &Server, size: usize) {
    server.wait_until("SHOW STATUS LIKE 'wsrep_ready'", "wsrep_ready\tON");
    server.wait_until("SHOW STATUS LIKE 'wsrep_cluster_size'", &format!("wsrep_cluster_size\t{size}"));
}

/// Starts them, the first one as a new cluster, and waits until all have joined. One after the other, for one gives state to
/// one at a time.
pub fn start(nodes: &[Node]) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        let server = if n == 0 { node.found() } else { node.join() };
        server.wait_until("SHOW STATUS LIKE 'wsrep_ready'", "wsrep_ready\tON");
        servers.push(server);
    }
    wait_for_size(&servers[0], nodes.len());
    servers
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    free.expect("a free port").port()
}
