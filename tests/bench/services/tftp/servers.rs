//! The TFTP servers and how each is started for a run: as people run them, with room for as many transfers as the cases have.

use super::cases::Case;
use super::client::{Ask, Wanted};
use super::floor::Bare;
use super::load::{self, Load};
use crate::services::peers::{self, Unpacked};
use crate::services::plan::Plan;
use crate::services::process::Server;
use crate::services::table::Role;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(10);
/// For one answer to the question whether it has started.
const ANSWER: Duration = Duration::from_millis(100);
/// More transfers at once than any case has: two servers would refuse them from 50 or 100 up.
const TRANSFERS: &str = "2000";
/// The port that dnsmasq cannot be told to leave.
const TFTP_PORT: u16 = 69;

/// Files that are served, below one folder.
#[derive(Debug)]
pub(crate) struct Files {
    /// The folder.
    pub(crate) root: PathBuf,
    /// The large file, and its name below the folder.
    pub(crate) kernel: Arc<[u8]>,
    /// The small file.
    pub(crate) config: Arc<[u8]>,
}

impl Files {
    /// Name of the large file.
    pub(crate) const KERNEL: &str = "kernel";
    /// Name of the small one.
    pub(crate) const CONFIG: &str = "config/default";
    /// Name of a file that is not there, in a folder that is.
    pub(crate) const MISSING: &str = "pxelinux.cfg/01-00-25-90-aa-bb-cc";

    /// Writes them, the large one with so many bytes.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn write(root: PathBuf, bytes: usize) -> io::Result<Self> {
        /// A boot config of ours has about so many bytes.
        const CONFIG_BYTES: usize = 300;
        for folder in ["config", "pxelinux.cfg"] {
            std::fs::create_dir_all(root.join(folder))?;
        }
        // No two blocks are alike, so that one in another's place is seen.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32).to_le_bytes()[0]
        };
        let kernel: Arc<[u8]> = (0..bytes).map(|_| next()).collect();
        let config: Arc<[u8]> = (0..CONFIG_BYTES).map(|_| next()).collect();
        std::fs::write(root.join(Self::KERNEL), &kernel)?;
        std::fs::write(root.join(Self::CONFIG), &config)?;
        Ok(Self { root, kernel, config })
    }
}

#[derive(Debug)]
enum Program {
    Ours(PathBuf),
    Floor { gso: bool },
    Hpa(Unpacked),
    Atftpd(Unpacked),
    Dnsmasq(Unpacked),
    Crate(PathBuf),
}

/// A server that takes part.
#[derive(Debug)]
pub(crate) struct Contestant {
    /// Heading of its column.
    pub(crate) name: String,
    /// What it is to us.
    pub(crate) role: Role,
    /// Which version.
    pub(crate) version: String,
    program: Program,
}

/// All that take part, ours first. Gets the peers if they are not there.
///
/// # Errors
/// One cannot be had.
pub(crate) fn all(plan: &Plan) -> io::Result<Vec<Contestant>> {
    const CRATE_VERSION: &str = "1.0.0";
    let mut all = Vec::new();
    let mut add = |name: &str, role, version: &str, program| {
        let (name, version) = (name.to_owned(), version.to_owned());
        all.push(Contestant { name, role, version, program });
    };
    if plan.has_server("ours") {
        add("ours", Role::Ours, "", Program::Ours(peers::ours("tftpd", "tftpd")?));
    }
    for (name, path) in &plan.programs {
        add(name, Role::Variant, "", Program::Ours(path.clone()));
    }
    for (name, gso) in [("floor", false), ("floor GSO", true)] {
        if plan.has_server(name) {
            add(name, Role::Floor, "", Program::Floor { gso });
        }
    }
    type Make = fn(Unpacked) -> Program;
    let packages: [(&str, &str, Make); 3] = [
        ("tftpd-hpa", "tftpd-hpa", Program::Hpa),
        ("atftpd", "atftpd", Program::Atftpd),
        ("dnsmasq", "dnsmasq-base", Program::Dnsmasq),
    ];
    for (name, package, make) in packages {
        if !plan.ours_only && plan.has_server(name) {
            let unpacked = Unpacked::get(&[package])?;
            let version = unpacked.version.clone();
            add(name, Role::Peer, &version, make(unpacked));
        }
    }
    if !plan.ours_only && plan.has_server("tftpd crate") {
        let program = peers::from_crates_io("tftpd", CRATE_VERSION, "tftpd")?;
        add("tftpd crate", Role::Peer, CRATE_VERSION, Program::Crate(program));
    }
    Ok(all)
}

impl Contestant {
    /// Starts it for a case and waits for its first answer.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(
        &self,
        case: &Case,
        files: &Files,
        scratch: &Path,
    ) -> io::Result<(Server, SocketAddrV4)> {
        let at = match self.program {
            Program::Dnsmasq(_) => SocketAddrV4::new(own_address(), TFTP_PORT),
            _ => free_port()?,
        };
        let mut command = self.command(at, case, files);
        let log = scratch.join(format!("{}.log", self.name.replace(' ', "-")));
        let mut server = Server::start(&mut command, &log)?;
        server.wait_ready(START_LIMIT, || answers(at, files))?;
        Ok((server, at))
    }

    fn command(&self, at: SocketAddrV4, case: &Case, files: &Files) -> Command {
        let (ip, port) = (at.ip().to_string(), at.port().to_string());
        let root = files.root.display().to_string();
        match &self.program {
            Program::Ours(path) => {
                let mut command = Command::new(path);
                command.args(["--root", &root, "--listen", &at.to_string()]).env_remove("RUST_LOG");
                command
            }
            Program::Floor { gso } => {
                let bare = Bare {
                    at: at.to_string(),
                    kernel: format!("{root}/{}", Files::KERNEL),
                    config: format!("{root}/{}", Files::CONFIG),
                    blksize: case.blksize.into(),
                    windowsize: case.windowsize.into(),
                    oack: case.options().iter().map(|(k, v)| format!("{k}/{v}/")).collect(),
                    gso: *gso,
                };
                let mut command = Command::new(std::env::current_exe().unwrap_or_default());
                command.args(bare.arguments());
                command
            }
            Program::Hpa(package) => {
                let mut command = package.command("usr/sbin/in.tftpd");
                command.args(["--foreground", "--user", "root", "--address"]).arg(at.to_string());
                command.args(["--secure", &root]);
                command
            }
            Program::Atftpd(package) => {
                let mut command = package.command("usr/sbin/atftpd");
                command.args(["--daemon", "--no-fork", "--user", "root", "--group", "root"]);
                command.args(["--bind-address", &ip, "--port", &port, "--maxthread", TRANSFERS]);
                command.args(["--logfile", "-"]).arg(root);
                command
            }
            Program::Dnsmasq(package) => {
                let mut command = package.command("usr/sbin/dnsmasq");
                command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file="]);
                command.args(["--port=0", "--enable-tftp", "--bind-interfaces", "--log-facility=-"]);
                command.arg(format!("--listen-address={ip}")).arg(format!("--tftp-root={root}"));
                command.arg(format!("--tftp-max={TRANSFERS}"));
                command
            }
            Program::Crate(path) => {
                let mut command = Command::new(path);
                command.args(["--ip-address", &ip, "--port", &port, "--read-only", "--directory", &root]);
                command
            }
        }
    }
}

/// An address of loopback that this process has for itself.
fn own_address() -> Ipv4Addr {
    let [.., hi, lo] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 80, hi, lo)
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<SocketAddrV4> {
    let port = UdpSocket::bind((own_address(), 0))?.local_addr()?.port();
    Ok(SocketAddrV4::new(own_address(), port))
}

/// Whether a request brings what it should.
fn answers(server: SocketAddrV4, files: &Files) -> io::Result<bool> {
    let asks = vec![Ask::new(Files::CONFIG, &[], Wanted::Bytes(Arc::clone(&files.config)))];
    let load = Load { server, clients: 1, asks, loss: 0.0, gro: false, limit: ANSWER };
    Ok(load::run(&load)?.done == 1)
}
