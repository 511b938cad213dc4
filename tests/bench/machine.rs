//! What the figures were measured on, in the system's own words.

use std::fs;
use std::path::Path;

/// One line: cores, memory, kernel, distribution, and the disk that holds `folder`.
pub(crate) fn describe(folder: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let first = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let kernel = first("/proc/sys/kernel/osrelease");
    let memory_mb: u64 = value("/proc/meminfo", "MemTotal:").and_then(|v| v.parse().ok()).unwrap_or(0) / 1024;
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("an unknown system");
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(':'));
    let cpu = cpu.map_or("unknown", |(_, name)| name.trim());
    format!(
        "{cores} virtual cores ({cpu}), {memory_mb} MB, {}, kernel {kernel}, store on {}",
        system.trim_matches('"'),
        disk(folder)
    )
}

fn value(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// The file system of the longest mount point above `folder`.
fn disk(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (_, at, kind) = (words.next()?, words.next()?, words.next()?);
        folder.starts_with(at).then_some((at.len(), kind))
    });
    match above.max_by_key(|(length, _)| *length) {
        Some((_, kind @ ("tmpfs" | "ramfs"))) => {
            format!("{kind}, which is NO DISK: figures of commits mean nothing")
        }
        Some((_, kind)) => kind.to_owned(),
        None => "an unknown file system".into(),
    }
}
