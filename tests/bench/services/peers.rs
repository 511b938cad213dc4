//! The programs that ours are measured against: Debian packages, unpacked into a folder of the build, never installed.
//!
//! Installing them would start services, take port 80, and some exclude each other (rsyslog and syslog-ng). `apt-get` downloads
//! a package and what it depends on and the system lacks; `dpkg-deb` unpacks all of it below one folder, from which programs run
//! with `LD_LIBRARY_PATH`. Needs the package lists of `apt-get update`, a network the first time, and no root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Marks a folder whose content is complete; holds the version.
const DONE: &str = ".version";

/// Where peers lie: `bench-peers` beside the build's profiles.
fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-peers")
}

/// A Debian package with its dependencies, unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Unpacked {
    /// The folder that stands for `/`.
    pub(crate) root: PathBuf,
    /// The version of the first package.
    pub(crate) version: String,
}

impl Unpacked {
    /// Downloads and unpacks these packages together, unless they are there from an earlier run.
    ///
    /// # Errors
    /// apt-get or dpkg-deb fail; their words are in it.
    pub(crate) fn get(packages: &[&str]) -> io::Result<Self> {
        let root = home().join(packages.join("+"));
        let done = root.join(DONE);
        if let Ok(version) = fs::read_to_string(&done) {
            return Ok(Self { root, version });
        }
        let archives = home().join("archives").join(packages.join("+"));
        fs::create_dir_all(archives.join("partial"))?;
        fs::create_dir_all(&root)?;
        // With no lock nobody needs to be root, and nothing but the folder given here is written.
        let mut apt = Command::new("apt-get");
        apt.args(["install", "--reinstall", "--download-only", "--yes", "--no-install-recommends"]);
        apt.args(["-o", "Debug::NoLocking=1", "-o"])
            .arg(format!("Dir::Cache::archives={}", archives.display()));
        run(apt.args(packages)).map_err(|e| {
            io::Error::other(format!("{e}\nAre the lists of `apt-get update` there, and fresh?"))
        })?;
        for entry in fs::read_dir(&archives)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "deb") {
                run(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(&root))?;
            }
        }
        let version = run(Command::new("apt-cache").args(["policy", packages[0]]))?;
        let version = version.lines().find_map(|l| l.trim().strip_prefix("Candidate: "));
        let version = version.unwrap_or("of an unknown version").to_owned();
        fs::write(&done, &version)?;
        Ok(Self { root, version })
    }

    /// Where a file of these packages is, such as `usr/lib/nginx/modules`: what the system had already was not unpacked.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        let unpacked = self.root.join(file);
        if unpacked.exists() { unpacked } else { Path::new("/").join(file) }
    }

    /// A command that runs a program of the package, such as `usr/sbin/nginx`, with the libraries that were unpacked beside it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.path(program));
        let folders = ["usr/lib", "lib"].map(|lib| self.root.join(lib).join(multiarch()));
        let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
        command.env("LD_LIBRARY_PATH", folders.join(":"));
        command
    }
}

/// The name of Debian's folder for this machine's libraries.
fn multiarch() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// The program of a crate from crates.io, built in release mode.
///
/// # Errors
/// cargo fails; its words are in it.
pub(crate) fn from_crates_io(name: &str, version: &str, program: &str) -> io::Result<PathBuf> {
    let root = home().join(format!("{name}-{version}"));
    let path = root.join("bin").join(program);
    if !path.exists() {
        let mut install = Command::new(cargo());
        install.args(["install", "--quiet", "--locked", name, "--version", version, "--root"]).arg(&root);
        // Its target folder is its own: ours may be in use by the cargo that runs us.
        run(install.env("CARGO_TARGET_DIR", root.join("build")))?;
    }
    Ok(path)
}

/// A program of this workspace, built as the bench itself was, brought up to date.
///
/// # Errors
/// cargo fails; its words are in it.
pub(crate) fn ours(package: &str, program: &str) -> io::Result<PathBuf> {
    let mut build = Command::new(cargo());
    build.args(["build", "--quiet", "--locked", "--package", package, "--bin", program]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("");
    run(build.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join(if cfg!(debug_assertions) { "debug" } else { "release" }).join(program))
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// What it prints.
fn run(command: &mut Command) -> io::Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().map_err(|e| io::Error::other(format!("{name} cannot be started: {e}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?} failed ({}): {}", output.status, said.trim())))
}
