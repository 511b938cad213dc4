//! The servers that are measured.

use crate::services::peers::Unpacked;
use crate::services::plan::Plan;
use crate::services::process::Server;
use crate::services::table::Role;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A debug build on a busy machine takes seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A server that takes part.
#[derive(Debug, Clone)]
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) version: String,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    Mozpool(PathBuf),
    Nginx(Unpacked),
}

/// Those that the plan wants. Of the plan's other programs, those called `mozpool` are ours.
///
/// # Errors
/// nginx cannot be had.
pub(super) fn all(plan: &Plan) -> io::Result<Vec<Contestant>> {
    let ours = |name: &str, role, path: PathBuf| Contestant {
        name: name.to_owned(),
        role,
        version: if role == Role::Ours { env!("CARGO_PKG_VERSION").to_owned() } else { String::new() },
        how: How::Mozpool(path),
    };
    let mut all = vec![ours("mozpool", Role::Ours, env!("CARGO_BIN_EXE_mozpool").into())];
    let others = plan.programs.iter().filter(|(_, path)| path.file_name().is_some_and(|n| n == "mozpool"));
    all.extend(others.map(|(name, path)| ours(name, Role::Variant, path.clone())));
    if !plan.ours_only && plan.has_server("nginx") {
        let package = Unpacked::get(&["nginx-light"])?;
        let version = package.version.clone();
        all.push(Contestant { name: "nginx".into(), role: Role::Peer, version, how: How::Nginx(package) });
    }
    all.retain(|c| plan.has_server(&c.name));
    Ok(all)
}

impl Contestant {
    /// Starts it with the files in `root`, below `/files/`; where it answers.
    pub(super) fn start(&self, root: &Path, scratch: &Path) -> io::Result<(Server, SocketAddrV4)> {
        let home = scratch.join(&self.name);
        std::fs::create_dir_all(&home)?;
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
        let mut command = match &self.how {
            How::Mozpool(program) => mozpool(program, &home, root, at)?,
            How::Nginx(package) => nginx(package, &home, root, at)?,
        };
        let mut server = Server::start(&mut command, &home.join("log"))?;
        server.wait_ready(START_LIMIT, || Ok(TcpStream::connect(at).is_ok()))?;
        Ok((server, at))
    }
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn mozpool(program: &Path, home: &Path, root: &Path, at: SocketAddrV4) -> io::Result<Command> {
    let config = home.join("mozpool.toml");
    let text = format!(
        "[server]\nname = \"bench\"\naddress = \"127.0.0.1\"\n[store]\nurl = \"sqlite:{}\"\n[http]\nlisten = \"{at}\"\nfiles = \"{}\"\n\
         downloads_max = 256\n[tftp]\nenabled = false\n[syslog]\nudp = [\"127.0.0.1:0\"]\ntcp = [\"127.0.0.1:0\"]\n",
        home.join("mozpool.db").display(),
        root.display(),
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg("serve").env_remove("RUST_LOG");
    Ok(command)
}

/// With the settings of Debian's own configuration that concern files, and paths in `home`.
fn nginx(package: &Unpacked, home: &Path, root: &Path, at: SocketAddrV4) -> io::Result<Command> {
    let config = home.join("nginx.conf");
    let own = |name: &str| home.join(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {};\n", own(what)))
        .collect();
    // Its workers must be able to read what only we can, when that is root.
    let text = format!(
        "user root;\ndaemon off;\nworker_processes auto;\npid {};\nevents {{ worker_connections 768; }}\n\
         http {{\nsendfile on;\ntcp_nopush on;\naccess_log {};\n{temporary}default_type application/octet-stream;\n\
         server {{ listen {at}; location /files/ {{ alias {}/; }} }}\n}}\n",
        own("pid"),
        own("access.log"),
        root.display(),
    );
    std::fs::write(&config, text)?;
    let mut command = package.command("usr/sbin/nginx");
    command.args(["-e", "stderr", "-c"]).arg(config);
    Ok(command)
}
