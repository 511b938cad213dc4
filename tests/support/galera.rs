//! A Galera cluster of a test's own: nodes that are servers as the others here, on free ports of the loopback interface.

use super::{Server, install, take_over};
use std::fs;
use std::path::PathBuf;

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
/// One node's place and ports.
pub struct Node {
    /// Its files.
    pub folder: PathBuf,
    /// Where it listens, on the loopback interface.
    pub port: u16,
    options: Vec<String>,
}

/// Nodes that have one another's addresses; none runs. The first one has files, which the others will get from it.
pub fn nodes(count: usize) -> Vec<Node> {
    let group: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let members = group.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let mut nodes = Vec::new();
    for (n, group) in group.iter().enumerate() {
        let folder = tempfile::tempdir().expect("it can be made").keep();
        fs::create_dir(folder.join("data")).expect("it can be made");
        take_over(&folder);
        if n == 0 {
            install(&folder);
        }
        let port = free_port();
        // A partition is noticed in two seconds instead of five.
        let provider = format!(
            "gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{};gcache.size=16M;evs.suspect_timeout=PT2S;\
             evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S",
            free_port()
        );
        let options = vec![
            format!("--port={port}"),
            "--bind-address=127.0.0.1".into(),
            "--binlog-format=ROW".into(),
            "--innodb-autoinc-lock-mode=2".into(),
            "--wsrep-on=ON".into(),
            format!("--wsrep-provider={PROVIDER}"),
            format!("--wsrep-cluster-address=gcomm://{members}"),
            format!("--wsrep-node-name=n{n}"),
            "--wsrep-node-address=127.0.0.1".into(),
            "--wsrep-sst-method=rsync".into(),
            format!("--wsrep-sst-receive-address=127.0.0.1:{}", free_port()),
            format!("--wsrep-provider-options={provider}"),
        ];
        nodes.push(Node { folder, port, options });
    }
    nodes
}

/// Starts them, the first one as a new cluster, and waits until all have joined. One after the other, for one gives state to
/// one at a time.
pub fn start(nodes: &[Node]) -> Vec<Server> {
    let mut servers: Vec<Server> = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        let mut options = node.options.clone();
        if n == 0 {
            options.insert(0, "--wsrep-new-cluster".into());
        }
        let server = Server::launch(node.folder.clone(), &options);
        server.wait_until("SHOW STATUS LIKE 'wsrep_ready'", "wsrep_ready\tON");
        servers.push(server);
    }
    let size = format!("wsrep_cluster_size\t{}", nodes.len());
    servers[0].wait_until("SHOW STATUS LIKE 'wsrep_cluster_size'", &size);
    servers
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    free.expect("a free port").port()
}
