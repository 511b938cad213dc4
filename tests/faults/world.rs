//! What the faults happen to: three servers with a rack each, three nodes of a database, each on a machine of its own.
//!
//! A rack stands in its server's own network: cables that are pulled out do not part a server from its boards.

use crate::mariadb::galera::{Node, nodes_at, wait_for_size};
use crate::mariadb::{self};
use crate::network::{self, Machine};
use crate::support::mozpool;
use mozpool::fakes::{Notes, Pace, Rack, RackSettings};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

/// As many as the goal says.
pub(crate) const SERVERS: usize = 3;
/// Bytes of the image.
const IMAGE_BYTES: usize = 64 << 10;
/// A call that finds nobody at home.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// The daemon gives its layers 8 s; a call that takes longer has no end.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// A server's machine, and its daemon while it runs.
struct Server {
    machine: Machine,
    rack: Rack,
    daemon: Option<Child>,
}

/// A node's machine, and its database while it runs.
struct Base {
    machine: Machine,
    node: Node,
    server: Option<mariadb::Server>,
}

/// See above.
pub(crate) struct World {
    folder: tempfile::TempDir,
    servers: Vec<Server>,
    bases: Vec<Base>,
}

/// A server's name.
pub(crate) fn name(server: usize) -> String {
    format!("s{}", server + 1)
}

/// Where a server's API is.
pub(crate) fn api(server: usize) -> String {
    format!("http://{}:8080/api", address(server))
}

/// Where a server is.
pub(crate) fn address(server: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, u8::try_from(server + 1).unwrap())
}

fn base_address(base: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, u8::try_from(base + 11).unwrap())
}

/// As CI jobs have it.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0);
    config
        .timeout_global(Some(CALL_LIMIT))
        .timeout_connect(Some(CONNECT_LIMIT))
        .max_idle_connections(0)
        .build()
        .into()
}

/// GET; JSON of an answer that is 200.
pub(crate) fn get(agent: &ureq::Agent, server: usize, path: &str) -> Option<Value> {
    let mut answer = agent.get(format!("{}/{path}", api(server))).call().ok()?;
    let text = answer.body_mut().read_to_string().ok()?;
    if answer.status() == 200 { serde_json::from_str(&text).ok() } else { None }
}

impl World {
    /// Everything runs, and all boards are ready.
    pub(crate) fn start(boards: u16, seed: u64) -> Self {
        network::build();
        let nodes = nodes_at(&[0, 1, 2].map(base_address));
        let mut bases: Vec<Base> = Vec::new();
        for (n, node) in nodes.into_iter().enumerate() {
            let machine = Machine::plug_in(node.host);
            let server = machine.within(|| if n == 0 { node.found() } else { node.join() });
            wait_for_size(&server, n + 1);
            bases.push(Base { machine, node, server: Some(server) });
        }
        let administrator = bases[0].server.as_ref().unwrap();
        administrator
            .sql("CREATE DATABASE pool; CREATE USER mozpool@'%'; GRANT ALL ON pool.* TO mozpool@'%'");

        let folder = tempfile::tempdir().unwrap();
        let (each, mut check_port) = (boards / u16::try_from(SERVERS).unwrap(), 0);
        let mut servers = Vec::new();
        for n in 0..SERVERS {
            let machine = Machine::plug_in(address(n));
            let settings = RackSettings { boards: each, flaky: 0.0, seed, pace: Pace::default(), loss: 0.0 };
            let before = each * u16::try_from(n).unwrap();
            let rack = machine.within(|| Rack::beside(settings, before, check_port)).unwrap();
            check_port = rack.check_port().unwrap();
            servers.push(Server { machine, rack, daemon: None });
        }
        let mut world = Self { folder, servers, bases };
        world.write_files();
        let lab = world.path("lab.toml");
        std::fs::write(&lab, world.lab()).unwrap();
        let output = world.servers[0]
            .machine
            .within(|| mozpool(&world.path("s1.toml")).args(["db", "import"]).arg(lab).output().unwrap());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for n in 0..SERVERS {
            world.start_server(n);
            let Server { machine, rack, .. } = &mut world.servers[n];
            let tftp = (machine.address, 69).into();
            machine.within(|| rack.connect(tftp)).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_files(&self) {
        let script = b"#!/bin/sh\n".to_vec();
        for (name, bytes) in [
            ("tftp/live/vmlinuz", vec![0x5a; 16 << 10]),
            ("tftp/live/initrd.img", vec![0x5a; 16 << 10]),
            ("files/second-stages/write-image.sh", script.clone()),
            ("files/second-stages/self-test.sh", script.clone()),
            ("files/second-stages/maintenance.sh", script),
            ("files/images/demo.img", vec![0xa5; IMAGE_BYTES]),
            ("secret", b"a secret of this pool's own".to_vec()),
        ] {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::set_permissions(self.path("secret"), PermissionsExt::from_mode(0o600)).unwrap();
        let folder = self.folder.path().display();
        let nodes = [0, 1, 2].map(|n| base_address(n).to_string()).join(",");
        for n in 0..SERVERS {
            let (name, ip) = (name(n), address(n));
            // All that is not here is as it is without being said.
            let text = format!(
                r#"[server]
name = "{name}"
address = "{ip}"
[store]
url = "mysql://mozpool@{nodes}/pool"
[http]
listen = "{ip}:8080"
files = "{folder}/files"
[auth]
mode = "open"
[tftp]
listen = ["{ip}:69"]
root = "{folder}/tftp"
[syslog]
udp = ["{ip}:514"]
tcp = ["{ip}:514"]
[pxe]
live_kernel = "live/vmlinuz"
live_initrd = "live/initrd.img"
console = ""
[relays]
rest_ms = 20
[peers]
secret_file = "{folder}/secret"
"#
            );
            std::fs::write(self.path(&format!("{name}.toml")), text).unwrap();
        }
    }

    /// The racks' labs as one: each board has its server's name as environment.
    fn lab(&self) -> String {
        let mut all = String::new();
        for (n, server) in self.servers.iter().enumerate() {
            let lab = server.rack.lab("demo", "images/demo.img", IMAGE_BYTES as u64).unwrap();
            let (common, own) = lab.split_at(lab.find("[[relay_board]]").unwrap());
            if n == 0 {
                all += common;
            }
            let at = format!("imaging_server = \"{}\"\n", name(n));
            let own = own
                .replace("name = \"relay-", &format!("{at}name = \"{}-relay-", name(n)))
                // Without a first self-test, so that the first requests find boards.
                .replace(
                    "environment = \"demo\"\n",
                    &format!("{at}environment = \"{}\"\nstate = \"ready\"\n", name(n)),
                );
            let _ = write!(all, "{own}");
        }
        all
    }

    /// What boards went through, by their names.
    pub(crate) fn notes(&self) -> HashMap<String, Notes> {
        let boards = self.servers.iter().flat_map(|s| s.rack.boards());
        boards.map(|(name, notes)| (name.to_owned(), notes.clone())).collect()
    }

    /// Boards that were used, and that their relay keeps without power.
    pub(crate) fn without_power(&self) -> Vec<String> {
        self.servers.iter().flat_map(|s| s.rack.lost_power()).collect()
    }

    fn log(&self, server: usize) -> File {
        let path = self.path(&format!("{}.log", name(server)));
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    }

    pub(crate) fn start_server(&mut self, n: usize) {
        let mut command = mozpool(&self.path(&format!("{}.toml", name(n))));
        command.arg("serve").stderr(self.log(n));
        let child = self.servers[n].machine.within(|| command.spawn().unwrap());
        self.servers[n].daemon = Some(child);
    }

    pub(crate) fn kill_server(&mut self, n: usize) {
        let mut daemon = self.servers[n].daemon.take().expect("it runs");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// A server that has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.servers.iter_mut().enumerate().find_map(|(n, server)| {
            let how = server.daemon.as_mut()?.try_wait().unwrap()?;
            Some(format!("{} has ended with {how}", name(n)))
        })
    }

    pub(crate) fn server(&self, n: usize) -> &Machine {
        &self.servers[n].machine
    }

    pub(crate) fn base(&self, n: usize) -> &Machine {
        &self.bases[n].machine
    }

    /// Where all nodes are.
    pub(crate) fn base_addresses(&self) -> Vec<Ipv4Addr> {
        self.bases.iter().map(|b| b.machine.address).collect()
    }

    pub(crate) fn kill_base(&mut self, n: usize) {
        drop(self.bases[n].server.take().expect("it runs").kill());
    }

    pub(crate) fn start_base(&mut self, n: usize) {
        let Base { machine, node, server } = &mut self.bases[n];
        *server = Some(machine.within(|| node.rejoin()));
    }

    /// Every node works, with all the others.
    pub(crate) fn bases_are_whole(&self) -> bool {
        const ASKED: &str = "SHOW STATUS WHERE variable_name IN \
                             ('wsrep_cluster_size', 'wsrep_local_state_comment', 'wsrep_ready')";
        const WHOLE: &str = "wsrep_local_state_comment\tSynced\nwsrep_cluster_size\t3\nwsrep_ready\tON";
        let whole =
            |base: &Base| base.server.as_ref().is_some_and(|s| s.try_sql(ASKED).as_deref() == Ok(WHOLE));
        self.bases.iter().all(whole)
    }

    /// Rows as one node has them, with all that was committed anywhere before.
    pub(crate) fn rows(&self, base: usize, select: &str) -> Result<Vec<Vec<String>>, String> {
        let server = self.bases[base].server.as_ref().ok_or("it does not run")?;
        let text = server.try_sql(&format!("SET SESSION wsrep_sync_wait = 1; USE pool; {select}"))?;
        let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
        Ok(text.lines().map(cells).collect())
    }

    /// The end of what a server has logged.
    pub(crate) fn last_words(&self, server: usize, lines: usize) -> String {
        let said = std::fs::read_to_string(self.path(&format!("{}.log", name(server)))).unwrap_or_default();
        let said: Vec<&str> = said.lines().collect();
        said[said.len().saturating_sub(lines)..].join("\n")
    }

    /// Keeps all files, for somebody to look into.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for daemon in self.servers.iter_mut().filter_map(|s| s.daemon.as_mut()) {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for base in &mut self.bases {
            // It removes its files itself, unless it does not run.
            if base.server.take().is_none() {
                let _ = std::fs::remove_dir_all(&base.node.folder);
            }
        }
    }
}
