//! Which files the daemon may still get at (landlock(7)): it reads what is configured, writes beside the store, and runs nothing but
//! power programs and what those need.
//!
//! A rule holds for what lies below a folder, also for files that come later, but for a single file only until that is replaced by
//! another. So folders are named here, `/etc` as a whole among them: `/etc/resolv.conf` is written anew by whoever manages the network.

use crate::config::Config;
use crate::store::Location;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, path_beneath_rules,
};
use std::path::{Path, PathBuf};

/// What this was written for (Linux 6.10); older kernels hold what they know of it.
const KNOWN: ABI = ABI::V5;

/// What may be done below a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Files are read, folders listed.
    Read,
    /// The same, and programs run.
    Run,
    /// Everything but to run something.
    Write,
}

impl May {
    fn access(self) -> BitFlags<AccessFs> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        match self {
            Self::Read => read,
            Self::Run => read | AccessFs::Execute,
            Self::Write => AccessFs::from_all(KNOWN) & !AccessFs::Execute,
        }
    }
}

/// Where the system keeps what its libraries read: names, certificates, time zones, themselves. `/run`: what `/etc/resolv.conf` leads to.
const READ: [&str; 12] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sys",
    "/dev/urandom",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
];
/// Temporary files of SQLite and of power programs, and where these throw away what they say.
const WRITE: [&str; 3] = ["/tmp", "/var/tmp", "/dev/null"];
/// Programs that power programs are made of.
const RUN: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt"];

/// All places, as configured.
pub(super) fn places(config: &Config, location: &Location) -> Vec<(PathBuf, May)> {
    let mut places: Vec<(PathBuf, May)> = READ.iter().map(|path| (path.into(), May::Read)).collect();
    places.extend(WRITE.iter().map(|path| (path.into(), May::Write)));
    places.push((std::env::temp_dir(), May::Write));
    let mut add = |path: &Path, may| places.push((path.to_owned(), may));
    add(&config.http.files, May::Read);
    if config.tftp.enabled {
        add(&config.tftp.root, May::Read);
    }
    // Files that are read again: each may be replaced by another of its name.
    let inventory = &config.inventory;
    let read = [&config.file, &inventory.password_file, &inventory.token_file, &inventory.ca_file];
    let database = location.files();
    for file in read.into_iter().flatten().map(PathBuf::as_path).chain(database) {
        add(folder_of(file), May::Read);
    }
    if let Some(path) = &inventory.path {
        add(path, May::Read);
        add(folder_of(path), May::Read);
    }
    if let Some(file) = location.path() {
        add(folder_of(file), May::Write);
    }
    if let Some(folder) = config.relays.power_programs.as_deref().filter(|folder| folder.is_dir()) {
        add(folder, May::Run);
        RUN.iter().for_each(|path| add(path.as_ref(), May::Run));
        // A serial line, for one that switches power by it; the service manager says which there are.
        add("/dev".as_ref(), May::Write);
    }
    if cfg!(debug_assertions) {
        // The pages, which such a program reads from the tree.
        add(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui/assets").as_ref(), May::Read);
    }
    places
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Allows these places from now on and no others, in this thread and those that it starts; and no new TCP port to listen on. Places
/// that are not there are left out.
pub(super) fn restrict(places: &[(PathBuf, May)]) -> Result<String, String> {
    let applied = apply(places).map_err(|e| format!("Landlock is refused: {e}"))?;
    let runs = if places.iter().any(|(_, may)| *may == May::Run) { "programs" } else { "no programs" };
    match (applied.ruleset, applied.landlock) {
        (RulesetStatus::FullyEnforced, _) => Ok(format!("files by Landlock, with {runs}")),
        (RulesetStatus::PartiallyEnforced, _) => {
            Ok(format!("files by Landlock as far as this kernel knows it, with {runs}"))
        }
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err("Landlock is not among the security modules that this kernel was started with (lsm=)"
                .to_owned())
        }
        (RulesetStatus::NotEnforced, _) => Err("this kernel has no Landlock (Linux 5.13)".to_owned()),
    }
}

fn apply(places: &[(PathBuf, May)]) -> Result<landlock::RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::BindTcp)?
        .create()?;
    for (path, may) in places {
        rules = rules.add_rules(path_beneath_rules([path], may.access()))?;
    }
    rules.restrict_self()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Host;
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::process::Command;

    fn may(text: &str) -> Vec<(PathBuf, May)> {
        let config = Config::parse(text, &Host::default()).expect("no faults");
        let location: Location = config.store_url.parse().expect("a store");
        places(&config, &location)
    }

    #[test]
    fn what_is_configured_is_allowed_and_programs_only_with_their_folder() {
        let has = |places: &[(PathBuf, May)], path: &str, what| {
            places.iter().any(|(place, may)| place == Path::new(path) && *may == what)
        };
        let usual = may("[relays]\npower_programs = \"\"\n");
        assert!(has(&usual, "/var/lib/mozpool", May::Write) && has(&usual, "/srv/mozpool/files", May::Read));
        assert!(has(&usual, "/srv/mozpool/tftp", May::Read) && has(&usual, "/etc", May::Read));
        assert!(!usual.iter().any(|(_, may)| *may == May::Run), "{usual:?}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let with = may(&format!("[relays]\npower_programs = \"{}\"\n", folder.path().display()));
        assert!(has(&with, &folder.path().display().to_string(), May::Run) && has(&with, "/usr", May::Run));
        let shared =
            may("[store]\nurl = \"mysql://m@db/m?password_file=/srv/secrets/db&ca=/srv/ca/lab.pem\"\n");
        assert!(has(&shared, "/srv/secrets", May::Read) && has(&shared, "/srv/ca", May::Read), "{shared:?}");
        assert!(!has(&shared, "/var/lib/mozpool", May::Write));
    }

    /// On a kernel without Landlock this fails: then nothing of it is known to work.
    #[test]
    fn what_is_allowed_works_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["read", "write", "run", "other"] {
            fs::create_dir(path(name)).expect("a new folder");
            fs::write(path(name).join("file"), "#!/bin/sh\necho ran\n").expect("a new file");
        }
        fs::copy("/bin/sh", path("run/sh")).expect("a shell");
        fs::copy("/bin/sh", path("write/sh")).expect("a shell");
        let mut allowed =
            vec![(path("read"), May::Read), (path("write"), May::Write), (path("run"), May::Run)];
        allowed.extend(["/lib", "/lib64", "/usr/lib"].map(|path| (path.into(), May::Run)));
        allowed.push((path("not there"), May::Write));
        allowed.push(("/dev/null".into(), May::Write));
        let place = folder.path().to_owned();
        // Rules are a thread's own: the other tests go on as they are.
        let tried = std::thread::spawn(move || {
            let said = restrict(&allowed);
            let path = |name: &str| place.join(name);
            let run = |name: &str| Command::new(path(name)).args(["-c", "exit 7"]).status().map(|s| s.code());
            let kind = |e: std::io::Error| e.kind();
            (
                said,
                [
                    fs::read(path("read/file")).map(drop).map_err(kind),
                    fs::write(path("write/file"), "new").map_err(kind),
                    fs::rename(path("write/file"), path("write/other")).map_err(kind),
                    fs::remove_file(path("write/other")).map_err(kind),
                    fs::write("/dev/null", "x").map_err(kind),
                ],
                [
                    fs::write(path("read/file"), "new").map_err(kind),
                    fs::read(path("other/file")).map(drop).map_err(kind),
                    fs::write(path("other/new"), "x").map_err(kind),
                    fs::remove_file(path("run/file")).map_err(kind),
                    run("write/sh").map(drop).map_err(kind),
                    TcpListener::bind("127.0.0.1:0").map(drop).map_err(kind),
                ],
                run("run/sh").map_err(kind),
            )
        });
        let (said, works, refused, ran) = tried.join().expect("nothing panics");
        assert!(said.as_ref().is_ok_and(|s| s.starts_with("files by Landlock")), "{said:?}");
        assert_eq!(works, [Ok(()); 5]);
        assert_eq!(refused, [Err(ErrorKind::PermissionDenied); 6]);
        assert_eq!(ran, Ok(Some(7)));
    }
}
