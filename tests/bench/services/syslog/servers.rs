//! Who takes part, how each is started on ports that were free, and how many messages each has stored.

use super::send::{self, SENDERS};
use crate::services::peers::{self, Unpacked};
use crate::services::plan::Plan;
use crate::services::process::Server;
use crate::services::table::Role;
use mozpool::lab::Lab;
use mozpool::logic::time::Timestamp;
use mozpool::store::{Location, Place, Store};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, IoSliceMut, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The argument that makes this program the bare sink.
const SINK: &str = "--syslog-sink";
/// How long a server may take to start; a new database takes seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A program, as people run it or tuned.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Ours(PathBuf),
    Sink,
    Rsyslog { of: Unpacked, tuned: bool },
    RsyslogMariadb { of: Unpacked, database: Unpacked },
    SyslogNg { of: Unpacked, tuned: bool },
}

/// Everybody that the plan wants.
///
/// # Errors
/// A package cannot be had.
pub(crate) fn all(plan: &Plan) -> io::Result<Vec<Contestant>> {
    let ours = Kind::Ours(peers::ours("mozpool", "mozpool")?);
    let mut all = vec![
        Contestant { name: "mozpool", role: Role::Ours, version: String::new(), kind: ours },
        Contestant { name: "bare sink", role: Role::Floor, version: String::new(), kind: Kind::Sink },
    ];
    if plan.ours_only {
        return Ok(all);
    }
    let mut peer = |name, of: &Unpacked, kind| {
        if plan.has_server(name) {
            all.push(Contestant { name, role: Role::Peer, version: of.version.clone(), kind });
        }
    };
    if plan.has_server("rsyslog") {
        let of = Unpacked::get(&["rsyslog", "rsyslog-mysql"])?;
        peer("rsyslog", &of, Kind::Rsyslog { of: of.clone(), tuned: false });
        peer("rsyslog tuned", &of, Kind::Rsyslog { of: of.clone(), tuned: true });
        let database = Unpacked::get(&["mariadb-server-core", "mariadb-client-core"])?;
        peer("rsyslog, MariaDB", &of, Kind::RsyslogMariadb { of: of.clone(), database });
    }
    if plan.has_server("syslog-ng") {
        let of = Unpacked::get(&["syslog-ng-core"])?;
        peer("syslog-ng", &of, Kind::SyslogNg { of: of.clone(), tuned: false });
        peer("syslog-ng tuned", &of, Kind::SyslogNg { of: of.clone(), tuned: true });
    }
    Ok(all)
}

/// A server that runs, and how its messages are counted.
pub(crate) struct Running {
    pub(crate) server: Server,
    /// The database behind it.
    behind: Option<Server>,
    pub(crate) udp: SocketAddr,
    /// For lines, and for counted frames.
    pub(crate) tcp: [SocketAddr; 2],
    count: Count,
}

enum Count {
    /// Lines of a file that grows.
    Lines { path: PathBuf, at: u64, lines: u64 },
    /// A number in a file.
    Number(PathBuf),
    /// Lines in the logs of the boards.
    Store(Box<dyn Store>, Location),
    /// Rows of a table, asked for by a command.
    Rows(Box<dyn Fn() -> Command>),
}

impl Count {
    fn now(&mut self) -> io::Result<u64> {
        match self {
            Self::Lines { path, at, lines } => {
                let Ok(file) = File::open(path) else { return Ok(0) };
                let mut piece = vec![0; 1 << 20];
                loop {
                    let n = file.read_at(&mut piece, *at)?;
                    if n == 0 {
                        return Ok(*lines);
                    }
                    *lines += piece[..n].iter().map(|b| u64::from(*b == b'\n')).sum::<u64>();
                    *at += n as u64;
                }
            }
            Self::Number(path) => {
                let mut text = String::new();
                if let Ok(mut file) = File::open(path) {
                    file.read_to_string(&mut text)?;
                }
                Ok(text.trim().parse().unwrap_or(0))
            }
            Self::Store(store, _) => (0..SENDERS)
                .map(|n| store.log_behind(&format!("board-{n}"), Place::default()))
                .map(|behind| behind.map(|b| b.map_or(0, |b| b.lines)))
                .sum::<Result<u64, _>>()
                .map_err(io::Error::other),
            Self::Rows(command) => {
                let output = command().output()?;
                Ok(String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0))
            }
        }
    }
}

impl Running {
    /// Messages stored until now.
    ///
    /// # Errors
    /// The system's, or the store's.
    pub(crate) fn stored(&mut self) -> io::Result<u64> {
        self.count.now()
    }

    /// Ends the server by SIGTERM and then counts what is stored.
    ///
    /// # Errors
    /// The system's, or the store's.
    pub(crate) fn end(mut self) -> io::Result<u64> {
        self.server.end()?;
        if let Count::Store(store, location) = &mut self.count {
            *store = location.open().map_err(io::Error::other)?;
        }
        let stored = self.count.now()?;
        drop(self.behind);
        Ok(stored)
    }
}

/// A port that nobody has at the moment, by UDP and by TCP.
fn free_port() -> io::Result<u16> {
    for _ in 0..100 {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("there is no free port"))
}

impl Contestant {
    /// Starts it with files in `scratch`, which is emptied.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&self, scratch: &Path) -> io::Result<Running> {
        let _ = fs::remove_dir_all(scratch);
        fs::create_dir_all(scratch)?;
        let log = scratch.join("log");
        let out = scratch.join("messages");
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (port, second) = (free_port()?, free_port()?);
        let mut behind = None;
        let mut lines = Count::Lines { path: out.clone(), at: 0, lines: 0 };
        let mut command = match &self.kind {
            Kind::Ours(path) => {
                let (config, location) = our_files(scratch, port)?;
                let store = location.open().map_err(io::Error::other)?;
                lines = Count::Store(store, location);
                let mut command = Command::new(path);
                command.args(["serve", "--config"]).arg(config);
                command
            }
            Kind::Sink => {
                lines = Count::Number(out.clone());
                let mut command = Command::new(std::env::current_exe()?);
                command.args([SINK, &port.to_string()]).arg(&out);
                command
            }
            Kind::Rsyslog { of, tuned } => {
                let action = format!(
                    "action(type=\"omfile\" file=\"{}\" template=\"RSYSLOG_TraditionalFileFormat\"{})\n",
                    out.display(),
                    if *tuned {
                        " ioBufferSize=\"256k\" flushOnTXEnd=\"off\" asyncWriting=\"on\""
                    } else {
                        ""
                    }
                );
                rsyslog(of, scratch, port, *tuned, &action)?
            }
            Kind::RsyslogMariadb { of, database } => {
                let socket = scratch.join("sql");
                behind = Some(mariadb(database, &socket, scratch)?);
                let client = database.clone();
                let at = socket.clone();
                lines = Count::Rows(Box::new(move || {
                    let mut command = client.command("usr/bin/mariadb");
                    command.args([
                        "--no-defaults",
                        "--skip-column-names",
                        "--batch",
                        "--user=root",
                        "--socket",
                    ]);
                    command.arg(&at).args(["--execute", "SELECT COUNT(*) FROM Syslog.SystemEvents"]);
                    command
                }));
                let action = format!(
                    "module(load=\"ommysql\")\naction(type=\"ommysql\" server=\"localhost\" socket=\"{}\" db=\"Syslog\" \
                     uid=\"root\" pwd=\"\")\n",
                    socket.display()
                );
                rsyslog(of, scratch, port, false, &action)?
            }
            Kind::SyslogNg { of, tuned } => syslog_ng(of, scratch, (port, second), *tuned, &out)?,
        };
        let counted = if matches!(self.kind, Kind::SyslogNg { .. }) { second } else { port };
        let server = Server::start(&mut command, &log)?;
        let mut running =
            Running { server, behind, udp: at(port), tcp: [at(port), at(counted)], count: lines };
        running.server.wait_ready(START_LIMIT, || {
            // Who has bound the port for datagrams listens; a bind of ours fails then.
            let datagrams =
                matches!(UdpSocket::bind(at(port)), Err(e) if e.kind() == io::ErrorKind::AddrInUse);
            Ok(datagrams && running.tcp.iter().all(|to| TcpStream::connect(to).is_ok()))
        })?;
        Ok(running)
    }
}

/// A configuration, and a store that knows the boards.
fn our_files(scratch: &Path, port: u16) -> io::Result<(PathBuf, Location)> {
    let here = scratch.display();
    let text = format!(
        "[server]\nname = \"bench\"\naddress = \"127.0.0.1\"\n[store]\nurl = \"sqlite:{here}/db\"\n[http]\n\
         listen = \"127.0.0.1:0\"\nfiles = \"{here}\"\n[tftp]\nenabled = false\n[syslog]\n\
         udp = [\"127.0.0.1:{port}\"]\ntcp = [\"127.0.0.1:{port}\"]\n"
    );
    let config = scratch.join("mozpool.toml");
    fs::write(&config, text)?;
    let mut lab = String::new();
    for n in 0..SENDERS {
        let address = send::address(n);
        writeln!(lab, "[[device]]\nname = \"board-{n}\"\nfqdn = \"{address}\"").map_err(io::Error::other)?;
    }
    let location = Location::sqlite(scratch.join("db"));
    let lab = Lab::parse(&lab, "lab.toml", "bench").map_err(|e| io::Error::other(format!("{e:?}")))?;
    let mut store = location.open().map_err(io::Error::other)?;
    store.apply_lab(&lab, false, Timestamp(0)).map_err(io::Error::other)?;
    Ok((config, location))
}

/// As Debian's own configuration has it, or with large buffers, more threads and batches.
fn rsyslog(of: &Unpacked, scratch: &Path, port: u16, tuned: bool, action: &str) -> io::Result<Command> {
    let modules = of.path("usr/lib/x86_64-linux-gnu/rsyslog");
    let here = scratch.display();
    let (udp, input, queue) = if tuned {
        (
            "module(load=\"imudp\" threads=\"2\" batchSize=\"512\")",
            " rcvbufSize=\"256m\"",
            "main_queue(queue.size=\"1000000\" queue.dequeueBatchSize=\"8192\" queue.workerThreads=\"1\")\n",
        )
    } else {
        ("module(load=\"imudp\")", "", "")
    };
    let text = format!(
        "global(workDirectory=\"{here}\")\n{queue}{udp}\nmodule(load=\"imtcp\")\n\
         input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\"{input})\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n{action}"
    );
    let config = scratch.join("rsyslog.conf");
    fs::write(&config, text)?;
    let mut command = of.command("usr/sbin/rsyslogd");
    command.args(["-n", "-i"]).arg(scratch.join("pid")).arg("-f").arg(config).arg("-M").arg(modules);
    Ok(command)
}

/// A database of its own, with the table that the package brings.
fn mariadb(of: &Unpacked, socket: &Path, scratch: &Path) -> io::Result<Server> {
    let (data, base) = (scratch.join("data"), of.path("usr/share/mysql"));
    let base = base.parent().and_then(Path::parent).unwrap_or(Path::new("/usr")).to_owned();
    let mut install = of.command("usr/bin/mariadb-install-db");
    install.arg("--no-defaults").arg(format!("--basedir={}", base.display()));
    install.arg(format!("--datadir={}", data.display())).arg("--auth-root-authentication-method=normal");
    let output = install.arg("--user=root").output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!("mariadb-install-db: {said}")));
    }
    let begin = scratch.join("begin.sql");
    fs::write(
        &begin,
        "CREATE DATABASE Syslog;\nCREATE TABLE Syslog.SystemEvents (ID int unsigned not null auto_increment primary key, \
         CustomerID bigint, ReceivedAt datetime NULL, DeviceReportedTime datetime NULL, Facility smallint NULL, \
         Priority smallint NULL, FromHost varchar(60) NULL, Message text, NTSeverity int NULL, Importance int NULL, \
         EventSource varchar(60), EventUser varchar(60) NULL, EventCategory int NULL, EventID int NULL, \
         EventBinaryData text NULL, MaxAvailable int NULL, CurrUsage int NULL, MinUsage int NULL, MaxUsage int NULL, \
         InfoUnitID int NULL, SysLogTag varchar(60), EventLogType varchar(60), GenericFileName VarChar(60), \
         SystemID int NULL);\n",
    )?;
    let mut command = of.command("usr/sbin/mariadbd");
    command.arg("--no-defaults").arg(format!("--basedir={}", base.display()));
    command.arg(format!("--datadir={}", data.display())).arg(format!("--socket={}", socket.display()));
    command.arg(format!("--init-file={}", begin.display()));
    command.args(["--skip-networking", "--user=root"]);
    let mut server = Server::start(&mut command, &scratch.join("mariadb.log"))?;
    server.wait_ready(START_LIMIT, || Ok(std::os::unix::net::UnixStream::connect(socket).is_ok()))?;
    Ok(server)
}

/// As in its manual's first example, or with large buffers, windows and batches.
fn syslog_ng(
    of: &Unpacked,
    scratch: &Path,
    (port, second): (u16, u16),
    tuned: bool,
    out: &Path,
) -> io::Result<Command> {
    let (udp, tcp, file, options) = if tuned {
        (
            " so-rcvbuf(268435456)",
            " log-iw-size(1000000) log-fetch-limit(1000)",
            " flush-lines(1000)",
            "options { log-fifo-size(1000000); threaded(yes); };\n",
        )
    } else {
        ("", "", "", "")
    };
    let text = format!(
        "@version: 3.38\n{options}source s {{ network(ip(\"127.0.0.1\") port({port}) transport(\"udp\"){udp}); \
         network(ip(\"127.0.0.1\") port({port}) transport(\"tcp\") max-connections(100){tcp}); \
         syslog(ip(\"127.0.0.1\") port({second}) transport(\"tcp\") max-connections(100){tcp}); }};\n\
         destination d {{ file(\"{}\"{file}); }};\nlog {{ source(s); destination(d); }};\n",
        out.display()
    );
    let config = scratch.join("syslog-ng.conf");
    fs::write(&config, text)?;
    let mut command = of.command("usr/sbin/syslog-ng");
    // Its own library is beside its modules, where only an installed one is found.
    let set = command.get_envs().find(|(name, _)| *name == "LD_LIBRARY_PATH").and_then(|(_, path)| path);
    let mut path = set.map(std::ffi::OsStr::to_owned).unwrap_or_default();
    path.push(":");
    path.push(of.path("usr/lib/syslog-ng"));
    command.env("LD_LIBRARY_PATH", path);
    command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(config);
    command.arg(format!("--module-path={}", of.path("usr/lib/syslog-ng/3.38").display()));
    for (option, file) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "ctl")] {
        command.arg(option).arg(scratch.join(file));
    }
    Ok(command)
}

/// Becomes the bare sink when the arguments say so: it reads and counts, and writes the count down when there is nothing to read.
pub(crate) fn sink(arguments: &[String]) -> Option<io::Result<()>> {
    let [what, port, out] = arguments else { return None };
    (what == SINK).then(|| {
        let port: u16 = port.parse().map_err(io::Error::other)?;
        serve(port, Path::new(out))
    })
}

fn serve(port: u16, out: &Path) -> io::Result<()> {
    const SLOTS: usize = 64;
    let counted = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let lines = std::sync::Arc::clone(&counted);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = std::sync::Arc::clone(&lines);
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                // Messages are equally long, and their frames nearly: a sink that parses is not bare.
                let (mut bytes, mut done, mut frame) = (0_usize, 0, 0);
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    if frame == 0 {
                        frame = send::BYTES + if buffer[0] == b'<' { 1 } else { 4 };
                    }
                    bytes += n;
                    lines.fetch_add((bytes / frame - done) as u64, std::sync::atomic::Ordering::Relaxed);
                    done = bytes / frame;
                }
            });
        }
    });
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    if setsockopt(&socket, sockopt::RcvBufForce, &(128 << 20)).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &(128 << 20))?;
    }
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let file = File::create(out)?;
    let mut room = vec![0; SLOTS * 2048];
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(SLOTS, None);
    let mut seen = 0;
    loop {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            room.chunks_exact_mut(2048).map(|s| [IoSliceMut::new(s)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
            Ok(got) => {
                counted.fetch_add(got.count() as u64, std::sync::atomic::Ordering::Relaxed);
            }
            Err(nix::errno::Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        let now = counted.load(std::sync::atomic::Ordering::Relaxed);
        if now / 4096 != seen / 4096 || now == seen {
            file.write_at(now.to_string().as_bytes(), 0)?;
        }
        seen = now;
    }
}
