//! What the bundle says of the machine: its name and kernel, disks, the daemon's process, and what other programs tell of it.

use crate::store::schema_version;
use crossbeam_channel::{Receiver, bounded};
use nix::sys::statvfs::statvfs;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long another program may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long what it said is waited for once it was ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What it may say.
const OUTPUT_MAX: u64 = 4 << 20;
/// Files beside the store that are named.
const FILES_MAX: usize = 100;

/// This program, and what it runs on.
pub(super) fn version() -> String {
    let mut text = format!("mozpool {}, schema version {}\n", env!("CARGO_PKG_VERSION"), schema_version());
    if let Ok(name) = nix::sys::utsname::uname() {
        let part = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        let (system, release) = (part(name.sysname()), part(name.release()));
        let _ = writeln!(text, "{system} {release} {} {}", part(name.version()), part(name.machine()));
        let _ = writeln!(text, "host {}", part(name.nodename()));
    }
    for (file, lines) in
        [("/etc/os-release", 3), ("/proc/uptime", 1), ("/proc/loadavg", 1), ("/proc/meminfo", 5)]
    {
        let found = std::fs::read_to_string(file).unwrap_or_else(|e| e.to_string());
        let _ = writeln!(text, "{file}:\n{}", found.lines().take(lines).collect::<Vec<_>>().join("\n"));
    }
    text
}

/// How full the disks are that these lie on, and what they are.
pub(super) fn disks(places: &[(&str, PathBuf)]) -> String {
    let mut text = String::new();
    for (name, path) in places {
        let _ = match statvfs(path) {
            Ok(disk) => {
                let block: u64 = disk.fragment_size();
                let mib = |blocks: u64| blocks.saturating_mul(block) >> 20;
                let (free, all) = (mib(disk.blocks_available()), mib(disk.blocks()));
                let (inodes, flags) = (disk.files_available(), disk.flags());
                writeln!(
                    text,
                    "{name} {}: {free} of {all} MiB free, {inodes} files, {flags:?}",
                    path.display()
                )
            }
            Err(e) => writeln!(text, "{name} {}: {}", path.display(), e.desc()),
        };
    }
    text + "\n" + &std::fs::read_to_string("/proc/self/mounts").unwrap_or_default()
}

/// Files beside the store, with their sizes.
pub(super) fn beside(store: &Path) -> Vec<String> {
    let folder = store.parent().unwrap_or(Path::new("/"));
    let start = store.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return vec![format!("{}: cannot be read", folder.display())];
    };
    let ours = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(&start));
    let mut names: Vec<String> = ours
        .take(FILES_MAX)
        .filter_map(|e| {
            use std::os::unix::fs::MetadataExt;
            let m = e.metadata().ok()?;
            let name = e.file_name().to_string_lossy().into_owned();
            Some(format!(
                "{name}: {} bytes, user {} group {} mode {:o}",
                m.len(),
                m.uid(),
                m.gid(),
                m.mode() & 0o7777
            ))
        })
        .collect();
    names.sort();
    names
}

/// The daemon's process: state, memory, limits.
pub(super) fn process(pid: Option<u32>) -> Result<String, String> {
    let pid = pid.ok_or("no daemon has the store")?;
    let mut text = format!("process {pid}\n");
    for file in ["status", "limits"] {
        let path = format!("/proc/{pid}/{file}");
        let found = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        text += &found;
    }
    Ok(text)
}

/// What another program says. It is not waited for longer than a while.
pub(super) fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C.UTF-8");
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let pipes = (child.stdout.take(), child.stderr.take());
    let (Some(said), Some(error)) = pipes else { return Err(format!("{program}: it has no output")) };
    // Their ends are what can be waited for with a limit. A reader whose pipe somebody keeps open is left behind.
    let (said_in, error_in) = (read(said), read(error));
    let text = |from: &Receiver<String>, end: Instant| {
        from.recv_timeout(end.saturating_duration_since(Instant::now())).ok()
    };
    let end = Instant::now() + LIMIT;
    let (mut said, mut error) = (text(&said_in, end), text(&error_in, end));
    let in_time = said.is_some() && error.is_some();
    if !in_time {
        // It may have ended just now. What it has said until then is at its end, too.
        let _ = child.kill();
        let end = Instant::now() + LAST_WORDS;
        said = said.or_else(|| text(&said_in, end));
        error = error.or_else(|| text(&error_in, end));
    }
    let ended = child.wait().ok().filter(|_| in_time);
    let (said, error) = (said.unwrap_or_default(), error.unwrap_or_default());
    match ended {
        _ if !said.is_empty() => Ok(said),
        Some(status) => Err(format!("{program}: {status}: {}", error.trim())),
        None => Err(format!("{program}: it took longer than {} s", LIMIT.as_secs())),
    }
}

/// What comes from a pipe, once it has ended or said too much.
fn read(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = bounded(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until then is what there is.
        let _ = from.take(OUTPUT_MAX).read_to_end(&mut bytes);
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_says_its_faults_and_its_end() {
        assert_eq!(run("sh", &["-c", "echo yes; echo no >&2"]).as_deref(), Ok("yes\n"));
        let error = run("sh", &["-c", "echo no >&2; exit 3"]).expect_err("it failed");
        assert!(error.contains("exit status: 3: no"), "{error}");
        assert!(run("/no/such/program", &[]).expect_err("it is not there").starts_with("/no/such/program: "));
        // One that says too much is cut, and ends for nobody listens.
        let much =
            run("sh", &["-c", "while echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; do :; done"]);
        assert_eq!(much.map(|text| text.len() as u64), Ok(OUTPUT_MAX));
    }
}
